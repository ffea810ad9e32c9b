//! Findings: what is wrong with the traces that match, costliest first, each with its evidence.
//!
//! The look at the traces is [`crate::engine::insight::findings`], off the frame; over a range that moves with now it is
//! repeated while Live is on, at most every [`AGAIN_S`] seconds. A finding opens an example trace at the span that shows it.

mod details;
mod kinds;
mod list;
mod silence;
mod text;

#[cfg(test)]
mod tests;

use super::answer::Answer;
use super::query_bar::{self, QueryBar};
use super::shared::{finished, told};
use crate::analysis::Finding;
use crate::engine::insight::{self, Findings};
use crate::engine::{Query, SourceId, WORKSPACE};
use crate::model::{SpanId, TraceId, units};
use crate::search::{ParseError, parse};
use crate::ui::Range;
use crate::ui::canvas::rows::Rows;
use crate::ui::command::Command;
use crate::ui::nav::Place;
use crate::ui::theme::size::{part, space};
use crate::ui::theme::{self, Face, Icon};
use crate::ui::view::{Crumb, Level, Request, Toast, View, ViewContext};
use crate::ui::widgets::{empty_state, error_state, loading_state, progress_line};
use egui::{Align2, CentralPanel, Frame, Key, Margin, Modifiers, Panel, Rect, Ui, pos2};
use silence::Silenced;

/// While Live is on the traces are looked at again at most this often, seconds: it is much work.
const AGAIN_S: f64 = 10.0;
/// Below this width of the window the details lie over the list, points.
const NARROW: f32 = 1_100.0;

/// Everything that an answer depends on.
#[derive(Clone, PartialEq)]
struct Question {
    source: SourceId,
    query: String,
    range: Range,
    /// Counts up when the same is asked of newer data.
    again: u64,
}

/// See the module comment.
pub struct FindingsView {
    source: SourceId,
    query: String,
    bar: QueryBar,
    problem: Option<ParseError>,
    answer: Answer<Question, Findings>,
    again: u64,
    asked_at: f64,
    /// Revision of the data that was looked at.
    revision: Option<u64>,
    silenced: Silenced,
    silenced_text: Option<String>,
    show_silenced: bool,
    /// Numbers of the findings in the list.
    listed: Vec<usize>,
    selected: usize,
    details: bool,
    /// The details lie over the list of a narrow window.
    sheet: bool,
    reveal: bool,
    rows: Rows,
    /// The example trace that is about to open.
    opening: Query<(TraceId, Option<SpanId>)>,
}

impl Default for FindingsView {
    fn default() -> Self {
        Self {
            source: WORKSPACE,
            query: String::new(),
            bar: QueryBar::default(),
            problem: None,
            answer: Answer::default(),
            again: 0,
            asked_at: 0.0,
            revision: None,
            silenced: Silenced::default(),
            silenced_text: None,
            show_silenced: false,
            listed: Vec::new(),
            selected: 0,
            details: true,
            sheet: false,
            reveal: false,
            rows: Rows::default(),
            opening: Query::Idle,
        }
    }
}

impl FindingsView {
    fn update(&mut self, ui: &Ui, ctx: &mut ViewContext<'_>) {
        match finished(&mut self.opening) {
            Some(Ok(found)) => ctx.go(Place::Trace { source: self.source, id: found.0, span: found.1 }),
            Some(Err(error)) => ctx.toast(Toast::new(Level::Error, error.to_string())),
            None => {}
        }
        let text = ctx.engine.setting(silence::KEY).unwrap_or_default();
        let mut changed = self.silenced_text.as_ref() != Some(&text);
        if changed {
            self.silenced = Silenced::read(&text);
            self.silenced_text = Some(text);
        }
        let Some(source) = ctx.engine.source(self.source).map(|source| source.spans) else { return };
        self.problem = parse(&self.query).err();
        if self.problem.is_none() {
            let time = ui.input(|input| input.time);
            let revision = source.revision();
            let behind = self.revision.is_some_and(|known| known != revision);
            if ctx.live && behind && self.answer.progress().is_none() && !self.answer.cancelled {
                let wait = AGAIN_S - (time - self.asked_at);
                if wait <= 0.0 {
                    self.again += 1;
                } else {
                    ui.ctx().request_repaint_after_secs(wait as f32);
                }
            }
            let (query, range) = (self.query.clone(), ctx.range);
            let question = Question { source: self.source, query: query.clone(), range, again: self.again };
            if self.answer.asks(&question) {
                (self.asked_at, self.revision) = (time, Some(revision));
            }
            let within = range.asked(ctx.now);
            changed |= self.answer.update(ctx.engine, question, move |control| {
                insight::findings(&*source, &query, within, control).map_err(told)
            });
        }
        if changed {
            self.list();
        }
    }

    /// Which findings are listed; the selection stays where it is.
    fn list(&mut self) {
        let Some(shown) = &self.answer.shown else { return };
        let listed = |(_, finding): &(usize, &Finding)| self.show_silenced || !self.silenced.has(finding);
        self.listed = shown.found.iter().enumerate().filter(listed).map(|(at, _)| at).collect();
        self.selected = self.selected.min(self.listed.len().saturating_sub(1));
    }

    fn silenced_count(&self) -> usize {
        let found = self.answer.shown.as_ref().map(|shown| shown.found.as_slice()).unwrap_or_default();
        found.iter().filter(|finding| self.silenced.has(finding)).count()
    }

    fn chosen(&self) -> Option<&Finding> {
        self.answer.shown.as_ref()?.found.get(*self.listed.get(self.selected)?)
    }

    fn run_query(&mut self, text: &str, ctx: &mut ViewContext<'_>) {
        let text = text.trim();
        if self.query != text {
            self.query = text.to_owned();
            (self.selected, self.revision) = (0, None);
            self.rows.to_top();
            ctx.requests.push(Request::Adjust(Place::Findings { source: self.source, query: self.query.clone() }));
        }
        self.bar.set(text);
        if !text.is_empty() {
            self.bar.remember(text);
        }
    }

    /// Opens a trace at the span that shows the finding; which span that is is looked up off the frame.
    fn open(&mut self, at: usize, ctx: &ViewContext<'_>) {
        let Some(finding) = self.chosen().cloned() else { return };
        let Some(id) = finding.traces.get(at).copied() else { return };
        let Some(source) = ctx.engine.source(self.source).map(|source| source.spans) else { return };
        self.opening = ctx.engine.ask(move |control| {
            let trace = source.trace(id, control)?;
            Ok((id, trace.and_then(|trace| insight::span_of(&trace.spans, &finding))))
        });
    }

    fn silence(&mut self, ctx: &mut ViewContext<'_>) {
        let Some(finding) = self.chosen() else { return };
        let was = self.silenced.has(finding);
        let said = if was { "is back" } else { "is silenced" };
        let said = format!("{} {said}", text::headline(finding));
        ctx.requests.push(Request::KeepUndoable { key: silence::KEY, value: self.silenced.toggled(finding), said });
    }

    fn copy(&self, ctx: &mut ViewContext<'_>) {
        let Some(shown) = &self.answer.shown else { return };
        let listed = self.listed.iter().filter_map(|at| shown.found.get(*at));
        let about = text::About { query: &self.query, range: ctx.range.label(ctx.zone), traces: shown.traces };
        ctx.requests.push(Request::Copy(text::markdown(listed, &about), "Findings".to_owned()));
    }

    fn commands(&mut self, ui: &Ui, ctx: &mut ViewContext<'_>) {
        for command in ctx.commands.iter().copied() {
            match command {
                Command::FocusSearch => self.bar.focus = true,
                Command::RunQuery => {
                    let text = self.bar.text().to_owned();
                    self.run_query(&text, ctx);
                }
                Command::NextRow => self.step(1),
                Command::PreviousRow => self.step(-1),
                Command::OpenRow => self.open(0, ctx),
                Command::ToggleDetails => self.toggle_details(ui),
                Command::SilenceFinding => self.silence(ctx),
                Command::CopyList => self.copy(ctx),
                _ => {}
            }
        }
        if ui.ctx().text_edit_focused() || egui::Popup::is_any_open(ui.ctx()) {
            return;
        }
        let pressed = |key| ui.input_mut(|input| input.consume_key(Modifiers::NONE, key));
        if pressed(Key::ArrowDown) {
            self.step(1);
        }
        if pressed(Key::ArrowUp) {
            self.step(-1);
        }
        if pressed(Key::Space) {
            self.toggle_details(ui);
        }
        if self.sheet && pressed(Key::Escape) {
            self.sheet = false;
        }
    }

    fn toggle_details(&mut self, ui: &Ui) {
        let open = if is_narrow(ui) { &mut self.sheet } else { &mut self.details };
        *open = !*open;
    }

    fn step(&mut self, by: isize) {
        let last = self.listed.len().saturating_sub(1);
        self.selected = self.selected.saturating_add_signed(by).min(last);
        self.reveal = true;
    }

    fn body(&mut self, ui: &mut Ui, ctx: &mut ViewContext<'_>) {
        let margin = Frame::new().inner_margin(Margin::same(space::SECTION as i8));
        if let Some(error) = self.answer.failed.clone() {
            margin.show(ui, |ui| match error_state(ui, "The traces could not be looked at", &error) {
                Some(true) => self.answer.retry(),
                Some(false) => ctx.requests.push(Request::Copy(error, "Details".to_owned())),
                None => {}
            });
            return;
        }
        let Some(shown) = self.answer.shown.clone() else {
            if let Some((since, (done, of))) = self.answer.progress() {
                let what = match of {
                    0 => "Looking at the traces".to_owned(),
                    _ => format!("Looking at {} of {} traces", units::count(done), units::count(of)),
                };
                margin.show(ui, |ui| {
                    if loading_state(ui, &what, since) {
                        self.answer.cancel();
                    }
                });
            } else if self.answer.cancelled
                && empty_state(ui, Icon::Bolt, "The look at the traces was cancelled", &["Look again"]).is_some()
            {
                self.answer.retry();
            }
            return;
        };
        if self.listed.is_empty() {
            self.empty(ui, ctx, &shown);
        } else {
            list::show(self, ui, ctx, &shown);
        }
    }

    fn empty(&mut self, ui: &mut Ui, ctx: &mut ViewContext<'_>, shown: &Findings) {
        let range = ctx.range.label(ctx.zone);
        let within = match ctx.range {
            Range::All => String::new(),
            Range::Last(_) => format!(" in the {}", range.to_lowercase()),
            Range::Between(_) => format!(" in {range}"),
        };
        let silenced = self.silenced_count();
        let sentence = match (shown.traces, silenced) {
            (0, _) if self.query.is_empty() => format!("No traces{within} to look at"),
            (0, _) => format!("No traces match{within}"),
            (traces, 0) => {
                let (spans, traces) = (units::count(shown.spans), units::count(traces));
                format!("Nothing found in {spans} spans of {traces} traces{within}")
            }
            (_, some) => format!("All {some} findings{within} are silenced"),
        };
        let mut actions = Vec::new();
        if silenced > 0 {
            actions.push("Show silenced");
        }
        if ctx.range != Range::All {
            actions.push("Widen to all time");
        }
        if !self.query.is_empty() && actions.len() < 2 {
            actions.push("Clear filter");
        }
        let area = ui.available_rect_before_wrap();
        if shown.traces > 0 && silenced == 0 {
            let top = pos2(area.center().x, area.center().y - area.height() * 0.06 + 76.0);
            for (line, text) in kinds::LOOKED_FOR.iter().enumerate() {
                let at = top + egui::vec2(0.0, line as f32 * 18.0);
                ui.painter().text(at, Align2::CENTER_CENTER, *text, Face::Small.font(), ctx.theme.text_faint);
            }
        }
        let icon = if shown.traces > 0 && silenced == 0 { Icon::Ok } else { Icon::Bolt };
        match empty_state(ui, icon, &sentence, &actions).and_then(|at| actions.get(at).copied()) {
            Some("Show silenced") => {
                self.show_silenced = true;
                self.list();
            }
            Some("Widen to all time") => ctx.requests.push(Request::SetRange(Range::All)),
            Some(_) => self.run_query("", ctx),
            None => {}
        }
    }
}

impl View for FindingsView {
    fn crumbs(&self) -> Vec<Crumb> {
        vec![Crumb::here("Findings")]
    }

    fn arrive(&mut self, place: &Place, _ctx: &mut ViewContext<'_>) {
        let Place::Findings { source, query } = place else { return };
        if self.source != *source {
            self.answer.clear();
            self.selected = 0;
            self.revision = None;
        }
        self.source = *source;
        self.query.clone_from(query);
        self.bar.set(query);
    }

    fn supports(&self, command: Command) -> bool {
        match command {
            Command::FocusSearch | Command::RunQuery | Command::ToggleDetails => true,
            Command::NextRow | Command::PreviousRow | Command::CopyList => !self.listed.is_empty(),
            Command::OpenRow | Command::SilenceFinding => self.chosen().is_some(),
            _ => false,
        }
    }

    fn uses_range(&self) -> bool {
        true
    }

    fn ui(&mut self, ui: &mut Ui, ctx: &mut ViewContext<'_>) {
        ui.spacing_mut().item_spacing.y = 0.0;
        let theme = ctx.theme;
        self.commands(ui, ctx);
        self.update(ui, ctx);
        let frame = Frame::new().fill(theme.panel);
        let bar_height = if self.problem.is_some() || self.bar.has_hint() { 70.0 } else { 48.0 };
        Panel::top("findings_query").exact_size(bar_height).frame(frame).show_separator_line(false).show(ui, |ui| {
            let mut bar = std::mem::take(&mut self.bar);
            let (problem, query, source) = (self.problem.clone(), self.query.clone(), self.source);
            let beside = query_bar::Beside { left: &mut |_| {}, right: &mut |_| {} };
            let run = query_bar::show(&mut bar, ui, ctx, source, problem.as_ref(), &query, beside);
            self.bar = bar;
            if let Some(text) = run {
                self.run_query(&text, ctx);
            }
        });
        let narrow = is_narrow(ui);
        let details = (if narrow { self.sheet } else { self.details }) && self.chosen().is_some();
        let area = ui.available_rect_before_wrap();
        if details && !narrow {
            Panel::right("findings_details")
                .resizable(true)
                .default_size(part::DETAILS)
                .size_range(part::DETAILS_MIN..=480.0)
                .frame(frame)
                .show(ui, |ui| details::show(self, ui, ctx));
        }
        Panel::top("findings_header").exact_size(36.0).frame(frame).show_separator_line(false).show(ui, |ui| {
            list::header(self, ui, ctx);
            if let Some((since, (done, of))) = self.answer.progress() {
                progress_line(ui, ui.max_rect(), since, done, of);
            }
        });
        CentralPanel::default().frame(Frame::new().fill(theme.surface)).show(ui, |ui| {
            let stale =
                self.problem.is_some() || self.answer.progress().is_some_and(|(since, _)| since.elapsed().as_millis() > 150);
            ui.scope(|ui| {
                if stale && self.answer.shown.is_some() && !ctx.live {
                    ui.multiply_opacity(0.6);
                }
                self.body(ui, ctx);
            });
        });
        if details && narrow {
            let width = part::DETAILS.min(area.width() - 48.0);
            let rect = Rect::from_min_max(pos2(area.right() - width, area.top()), area.max);
            super::shared::sheet(ui, "findings_sheet", rect, |ui| details::show(self, ui, ctx));
        }
    }
}

fn is_narrow(ui: &Ui) -> bool {
    ui.ctx().content_rect().width() < NARROW
}

/// A small text in a row.
fn small(text: impl Into<String>, colour: egui::Color32) -> egui::RichText {
    theme::text(text, Face::Small, colour)
}
