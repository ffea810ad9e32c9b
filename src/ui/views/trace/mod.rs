//! One trace: flame graph, waterfall, table of spans, and the details of the selected one.
//!
//! Everything that costs more than a moment (reading, tree, layout, finds, sums, sorts) is asked for off the frame
//! ([`load`]); while an answer is on its way the one before stays. A trace that still grows is read again while Live is
//! on, and selection, folds and viewport stay where they were.

mod actions;
mod attributes;
mod copies;
mod details;
mod export;
mod flame;
mod header;
mod load;
mod looks;
mod notices;
mod operations;
mod path;
mod state;
mod table;
mod time_went;
mod tooltip;
mod typical;
mod waterfall;

#[cfg(test)]
mod tests;

use super::shared::{ListShared, finished};
use crate::engine::SourceId;
use crate::model::{TraceId, UnixNanos};
use crate::ui::command::Command;
use crate::ui::nav::{CompareBy, Place};
use crate::ui::theme::size::{part, space};
use crate::ui::theme::{self, Face, Icon};
use crate::ui::view::{Crumb, Request, View, ViewContext};
use crate::ui::widgets::{empty_state, error_state, loading_state, progress_line};
use egui::{CentralPanel, Frame, Margin, Panel, Ui};
pub use load::preview_of;
use load::{LoadAnswer, LoadRequest, Loaded};
use looks::Looks;
use state::{Open, Tab};
use std::sync::Arc;
use std::time::Instant;

/// A growing trace is read again at most this often, seconds.
const READ_EVERY_S: f64 = 0.25;
/// A trace that only waits for its spans to end is read again at most this often, seconds.
const FLIGHT_EVERY_S: f64 = 1.0;
/// A trace of more spans than [`LARGE`] is read again at most this often, seconds.
const LARGE_EVERY_S: f64 = 5.0;
/// See [`LARGE_EVERY_S`].
const LARGE: u32 = 50_000;
/// Below this width the details lie over the content, points of the window.
const NARROW: f32 = 1_100.0;

/// See the module comment.
pub struct TraceView {
    place: Option<(SourceId, TraceId)>,
    wanted_span: Option<crate::model::SpanId>,
    reading: crate::engine::Query<LoadAnswer>,
    reading_since: Instant,
    read_at: f64,
    read_revision: Option<u64>,
    open: Option<Open>,
    missing: bool,
    failed: Option<String>,
    list: ListShared,
    newest: crate::engine::Query<Option<TraceId>>,
    newest_revision: Option<u64>,
    /// The subject of the window title.
    subject: String,
    source: Option<SourceId>,
    /// How traces look; read once from the settings.
    looks: Option<Looks>,
}

impl TraceView {
    /// With the list that next and previous walk through.
    pub fn new(list: ListShared) -> Self {
        Self {
            place: None,
            wanted_span: None,
            reading: crate::engine::Query::Idle,
            reading_since: Instant::now(),
            read_at: f64::NEG_INFINITY,
            read_revision: None,
            open: None,
            missing: false,
            failed: None,
            list,
            newest: crate::engine::Query::Idle,
            newest_revision: None,
            subject: String::new(),
            source: None,
            looks: None,
        }
    }

    fn forget(&mut self) {
        self.open = None;
        self.missing = false;
        self.failed = None;
        self.read_revision = None;
        self.read_at = f64::NEG_INFINITY;
    }

    fn ask(&mut self, ctx: &ViewContext<'_>, time: f64) {
        let Some((source, id)) = self.place else { return };
        let Some(source) = ctx.engine.source(source) else {
            self.failed = Some("The file or workspace of this trace was closed".to_owned());
            return;
        };
        let revision = source.spans.revision();
        self.read_revision = Some(revision);
        self.read_at = time;
        self.reading_since = Instant::now();
        let open = self.open.as_ref();
        let flying = open.is_none_or(|open| open.loaded.figures.in_flight > 0);
        let request = LoadRequest {
            source: source.spans,
            id,
            known: open
                .map(|open| open.loaded.fingerprint)
                .filter(|_| open.is_some_and(|open| open.loaded.adjusted == open.adjust)),
            keys: open.map(Open::keys).unwrap_or_default(),
            adjust: open.is_some_and(|open| open.adjust),
            open_until: (ctx.live && flying && recent(open, ctx.now)).then_some(ctx.now),
        };
        self.reading = ctx.engine.ask(move |control| load::load(&request, control));
    }

    fn poll(&mut self, ui: &Ui, ctx: &mut ViewContext<'_>) {
        let time = ui.input(|input| input.time);
        match finished(&mut self.reading) {
            Some(Ok(answer)) => self.take(&answer, ctx),
            Some(Err(error)) => self.failed = Some(error.to_string()),
            None => {}
        }
        let Some((source, _)) = self.place else { return };
        if self.reading.is_running() {
            return;
        }
        let nothing_yet = self.open.is_none() && !self.missing && self.failed.is_none();
        let adjusts =
            self.open.as_ref().is_some_and(|open| open.adjust != open.loaded.adjusted && !open.loaded.skews.is_empty());
        if nothing_yet || adjusts {
            self.ask(ctx, time);
            return;
        }
        if !ctx.live {
            return;
        }
        let revision = ctx.engine.source(source).map(|source| source.spans.revision());
        let flying =
            self.open.as_ref().is_some_and(|open| open.loaded.figures.in_flight > 0) && recent(self.open.as_ref(), ctx.now);
        if (revision.is_some() && revision != self.read_revision) || flying {
            let large = self.open.as_ref().is_some_and(|open| open.loaded.tree.spans() > LARGE);
            let every = match (large, revision != self.read_revision) {
                (true, _) => LARGE_EVERY_S,
                (false, true) => READ_EVERY_S,
                (false, false) => FLIGHT_EVERY_S,
            };
            let wait = every - (time - self.read_at);
            if wait <= 0.0 {
                self.ask(ctx, time);
            } else {
                ui.ctx().request_repaint_after_secs(wait as f32);
            }
        }
    }

    fn take(&mut self, answer: &Arc<LoadAnswer>, ctx: &mut ViewContext<'_>) {
        match &**answer {
            LoadAnswer::Same => {}
            LoadAnswer::Missing => {
                self.missing = true;
                self.open = None;
            }
            LoadAnswer::New(loaded) => {
                self.missing = false;
                self.failed = None;
                self.name(loaded);
                match &mut self.open {
                    Some(open) => open.renew(loaded.clone(), ctx.engine),
                    None => {
                        let looks = *self.looks.get_or_insert_with(|| Looks::kept(ctx));
                        self.open = Some(Open::new(loaded.clone(), self.wanted_span.take(), looks, ctx.engine));
                    }
                }
            }
        }
    }

    fn name(&mut self, loaded: &Loaded) {
        let root = loaded.batch().span(loaded.figures.root as usize);
        self.subject = format!("{} {}", root.name(), loaded.trace.id.short());
    }

    /// Moves on to the newest match of the list's query while following.
    fn follow(&mut self, ctx: &mut ViewContext<'_>) {
        let Some((source, id)) = self.place else { return };
        let (follow, query) = {
            let list = self.list.lock();
            (list.follow, list.query.clone())
        };
        if !follow {
            return;
        }
        if self.newest.poll()
            && let crate::engine::Query::Ready(found) = &self.newest
            && let Some(newest) = found.filter(|newest| *newest != id)
        {
            self.place = Some((source, newest));
            self.forget();
            ctx.requests.push(Request::Adjust(Place::trace(source, newest)));
            return;
        }
        let Some(spans) = ctx.engine.source(source).map(|source| source.spans) else { return };
        let revision = spans.revision();
        if self.newest.is_running() || self.newest_revision == Some(revision) {
            return;
        }
        self.newest_revision = Some(revision);
        let rules = ctx.engine.hidden_rules();
        self.newest = ctx.engine.ask(move |control| super::traces::newest(&*spans, &query, &rules, control));
    }

    /// Puts the open trace on side B; the one before it of the same operation stands on A until another is chosen.
    fn compare(&self, ctx: &mut ViewContext<'_>) {
        if let Some((source, id)) = self.place {
            ctx.go(Place::Compare { source, by: CompareBy::Traces, a: String::new(), b: id.to_string() });
        }
    }

    fn walk(&mut self, ctx: &mut ViewContext<'_>, by: isize) {
        let Some((source, id)) = self.place else { return };
        let beside = self.list.lock().beside(source, id, by);
        if let Some(other) = beside {
            ctx.go(Place::trace(source, other));
        }
    }
}

/// A trace that started hours ago and never ended does not keep the window awake.
fn recent(open: Option<&Open>, now: UnixNanos) -> bool {
    const HOUR_NS: i64 = 3_600_000_000_000;
    open.is_none_or(|open| now.0.saturating_sub(open.loaded.tree.extent().0) < HOUR_NS)
}

impl View for TraceView {
    fn subject(&self) -> String {
        self.subject.clone()
    }

    fn crumbs(&self) -> Vec<Crumb> {
        let Some((source, id)) = self.place else { return vec![Crumb::here("Trace")] };
        let query = self.list.lock().query.clone();
        let mut crumbs = vec![Crumb::link("Traces", Place::traces_of(source))];
        if !query.is_empty() {
            let mut short: String = query.chars().take(40).collect();
            if short.len() < query.len() {
                short.push('\u{2026}');
            }
            crumbs.push(Crumb::link(short, Place::Traces { source, query }));
        }
        crumbs.push(Crumb::here(format!("Trace {}", id.short())));
        crumbs
    }

    fn arrive(&mut self, place: &Place, _ctx: &mut ViewContext<'_>) {
        let Place::Trace { source, id, span } = place else { return };
        if self.place != Some((*source, *id)) {
            self.place = Some((*source, *id));
            self.subject = id.short();
            self.reading = crate::engine::Query::Idle;
            self.forget();
            self.wanted_span = *span;
        } else if let (Some(open), Some(span)) = (&mut self.open, span) {
            open.select_id(*span);
        }
        self.source = Some(*source);
    }

    fn supports(&self, command: Command) -> bool {
        let open = self.open.as_ref();
        match command {
            Command::NextRow | Command::PreviousRow => {
                let by = if command == Command::NextRow { 1 } else { -1 };
                self.place.is_some_and(|(source, id)| self.list.lock().beside(source, id, by).is_some())
            }
            Command::FollowNewest => self.place.is_some(),
            Command::CompareTrace => self.open.is_some(),
            command => open.is_some_and(|open| open.supports(command)),
        }
    }

    fn actions(&mut self, ui: &mut Ui, ctx: &mut ViewContext<'_>) {
        actions::show(self, ui, ctx);
    }

    fn ui(&mut self, ui: &mut Ui, ctx: &mut ViewContext<'_>) {
        self.poll(ui, ctx);
        self.follow(ctx);
        if ctx.given(Command::NextRow) {
            self.walk(ctx, 1);
        }
        if ctx.given(Command::PreviousRow) {
            self.walk(ctx, -1);
        }
        if ctx.given(Command::FollowNewest) {
            let mut list = self.list.lock();
            list.follow = !list.follow;
            self.newest_revision = None;
        }
        if ctx.given(Command::CompareTrace) {
            self.compare(ctx);
        }
        ui.spacing_mut().item_spacing.y = 0.0;
        let theme = ctx.theme;
        if let Some(open) = &mut self.open {
            let top = ui.cursor().min;
            show(open, ui, ctx);
            let looks = Looks::of(open);
            if self.looks != Some(looks) && !ui.input(|input| input.pointer.any_down()) {
                self.looks = Some(looks);
                looks.keep(ctx);
            }
            if self.reading.is_running() {
                let line = egui::Rect::from_min_size(top, egui::vec2(ui.max_rect().width(), 46.0 + 36.0));
                progress_line(ui, line, self.reading_since, 0, 0);
            }
            if let Some(error) = &self.failed {
                ctx.requests.push(Request::Toast(crate::ui::view::Toast::new(crate::ui::view::Level::Warn, error.clone())));
                self.failed = None;
            }
            return;
        }
        CentralPanel::default().frame(Frame::new().fill(theme.surface).inner_margin(Margin::same(space::SECTION as i8))).show(
            ui,
            |ui| {
                if let Some(error) = self.failed.clone() {
                    match error_state(ui, "This trace could not be read", &error) {
                        Some(true) => self.forget(),
                        Some(false) => ctx.requests.push(Request::Copy(error, "Details".to_owned())),
                        None => {}
                    }
                } else if self.missing {
                    let id = self.place.map(|(_, id)| id.to_string()).unwrap_or_default();
                    let sentence =
                        format!("No spans of trace {id} are stored; they may have been cleared or dropped by retention");
                    if empty_state(ui, Icon::Traces, &sentence, &["Show all traces", "Look again"]) == Some(0) {
                        ctx.go(Place::traces_of(self.source.unwrap_or(ctx.source)));
                    } else if ctx.engine.source(self.source.unwrap_or(ctx.source)).map(|s| s.spans.revision())
                        != self.read_revision
                    {
                        self.missing = false;
                    }
                } else if loading_state(ui, "Reading the trace", self.reading_since) {
                    self.reading = crate::engine::Query::Idle;
                    ctx.run(Command::Back);
                }
            },
        );
    }
}

fn show(open: &mut Open, ui: &mut Ui, ctx: &mut ViewContext<'_>) {
    open.poll(ctx);
    open.commands(ui, ctx);
    let theme = ctx.theme;
    let frame = Frame::new().fill(theme.panel);
    Panel::top("trace_header").exact_size(44.0).frame(frame).show_separator_line(false).show(ui, |ui| {
        header::title(open, ui, ctx);
    });
    Panel::top("trace_tabs").exact_size(36.0).frame(frame).show_separator_line(false).show(ui, |ui| {
        header::strip(open, ui, ctx);
    });
    notices::show(open, ui, ctx);
    let narrow = ui.ctx().content_rect().width() < NARROW;
    let shows = open.details.open && open.selection.is_some() && (!narrow || open.details.asked);
    if shows && !narrow {
        let panel = Panel::right("trace_details")
            .resizable(true)
            .default_size(open.details.width)
            .size_range(part::DETAILS_MIN..=480.0)
            .frame(frame)
            .show(ui, |ui| details::show(open, ui, ctx));
        open.details.width = panel.response.rect.width().round();
    }
    let area = ui.available_rect_before_wrap();
    CentralPanel::default().frame(Frame::new().fill(theme.surface)).show(ui, |ui| match open.tab {
        Tab::Flame => flame::show(open, ui, ctx),
        Tab::Waterfall => waterfall::show(open, ui, ctx),
        Tab::Table => table::show(open, ui, ctx),
    });
    if shows && narrow {
        sheet(open, ui, ctx, area);
    }
}

/// The details over the content, from the right.
fn sheet(open: &mut Open, ui: &mut Ui, ctx: &mut ViewContext<'_>, area: egui::Rect) {
    let width = part::DETAILS.min(area.width() - 48.0);
    let rect = egui::Rect::from_min_max(egui::pos2(area.right() - width, area.top()), area.max);
    egui::Area::new(egui::Id::unique("trace_details_sheet")).fixed_pos(rect.min).order(egui::Order::Middle).show(
        ui.ctx(),
        |ui| {
            ui.set_width(width);
            ui.painter().rect_filled(rect, 0.0, ctx.theme.panel);
            ui.painter().vline(rect.left() + 0.5, rect.y_range(), egui::Stroke::new(1.0, ctx.theme.hairline_strong));
            let mut child =
                ui.new_child(egui::UiBuilder::new().max_rect(rect).layout(egui::Layout::top_down(egui::Align::Min)));
            child.spacing_mut().item_spacing.y = 0.0;
            details::show(open, &mut child, ctx);
            ui.allocate_rect(rect, egui::Sense::hover());
        },
    );
    if !ui.ctx().text_edit_focused() && ui.input_mut(|input| input.consume_key(egui::Modifiers::NONE, egui::Key::Escape)) {
        open.details.asked = false;
    }
}

/// A line of small text in a role's colour.
fn small(text: impl Into<String>, colour: egui::Color32) -> egui::RichText {
    theme::text(text, Face::Small, colour)
}
