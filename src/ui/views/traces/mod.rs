//! The list of traces: from a question to the one trace.
//!
//! Query bar, result header, table, preview. The list is asked for off the frame ([`list`]); while an answer is on its way
//! the one before stays, and it never moves under the pointer.

mod asked;
mod group_table;
mod groups;
mod header;
mod list;
mod preview;
mod spans;
mod summed;
mod table;

#[cfg(test)]
mod tests;

use super::query_bar::QueryBar;
use super::shared::ListShared;
use crate::engine::{Engine, HiddenRule, SourceId};
use crate::model::{TraceId, TraceSummary};
use crate::search::{ParseError, parse};
use crate::source::{Field, Predicate, QueryControl, SourceError, SpanSource, TraceOrder, TraceRequest, ValueCount};
use crate::ui::Range;
use crate::ui::command::Command;
use crate::ui::nav::Place;
use crate::ui::theme::Icon;
use crate::ui::theme::size::{part, space};
use crate::ui::view::{Crumb, Level, Request, Toast, View, ViewContext};
use crate::ui::widgets::{empty_state, error_state, loading_state, progress_line};
use asked::Asked;
use egui::{CentralPanel, Frame, Key, Margin, Modifiers, Panel, Ui};
use groups::{GroupBy, GroupOrder, Groups};
use list::{FIRST_LIMIT, List, Question, RunFilter};
use preview::Preview;
pub use preview::Shape;
use spans::Spans;
use std::collections::HashSet;
use table::Table;

/// Below this width the preview lies over the table, points of the window.
const NARROW: f32 = 1_100.0;

/// See the module comment.
pub struct TracesView {
    source: SourceId,
    /// The query that is run, not what is being typed.
    query: String,
    bar: QueryBar,
    order: TraceOrder,
    limit: usize,
    run: RunFilter,
    list: List,
    problem: Option<ParseError>,
    selection: Option<TraceId>,
    picked: HashSet<TraceId>,
    reveal: bool,
    table: Table,
    preview: Preview,
    shared: ListShared,
    arrived: bool,
    /// Rows are spans instead of traces.
    by_span: bool,
    spans: Asked<bool, Spans>,
    spans_longest: bool,
    group: GroupBy,
    grouped: Asked<(GroupBy, GroupOrder, bool), Groups>,
    /// Column and whether it falls.
    group_order: (GroupOrder, bool),
    /// Selected row of the groups or the spans.
    group_at: Option<usize>,
    /// Attribute keys for the menu of groups, asked for when it opens.
    keys: crate::engine::Query<Vec<ValueCount>>,
    /// The order was chosen by hand: it is kept.
    reordered: bool,
}

impl TracesView {
    /// With the list that the trace view walks through.
    pub fn new(shared: ListShared) -> Self {
        Self {
            source: crate::engine::WORKSPACE,
            query: String::new(),
            bar: QueryBar::default(),
            order: TraceOrder::Newest,
            limit: FIRST_LIMIT,
            run: RunFilter::All,
            list: List::default(),
            problem: None,
            selection: None,
            picked: HashSet::new(),
            reveal: false,
            table: Table::default(),
            preview: Preview::default(),
            shared,
            arrived: false,
            by_span: false,
            spans: Asked::default(),
            spans_longest: false,
            group: GroupBy::default(),
            grouped: Asked::default(),
            group_order: (GroupOrder::default(), true),
            group_at: None,
            keys: crate::engine::Query::Idle,
            reordered: false,
        }
    }

    fn traces(&self) -> &[TraceSummary] {
        self.list.shown.as_ref().map_or(&[], |shown| &shown.traces)
    }

    fn position(&self) -> Option<usize> {
        let id = self.selection?;
        self.traces().iter().position(|trace| trace.trace_id == id)
    }

    fn selected(&self) -> Option<&TraceSummary> {
        self.position().map(|at| &self.traces()[at])
    }

    /// Runs another query; the place is adjusted so that Back and links know it.
    fn run_query(&mut self, text: &str, ctx: &mut ViewContext<'_>) {
        let text = text.trim();
        if self.query != text {
            self.query = text.to_owned();
            self.limit = FIRST_LIMIT;
            ctx.requests.push(Request::Adjust(Place::Traces { source: self.source, query: self.query.clone() }));
        }
        self.bar.set(text);
        if !text.is_empty() {
            self.bar.remember(text);
        }
    }

    fn update(&mut self, ui: &Ui, ctx: &ViewContext<'_>) {
        let time = ui.input(|input| input.time);
        let question = Question {
            source: self.source,
            text: self.query.clone(),
            order: self.order,
            limit: self.limit,
            run: self.run.clone(),
            rules: ctx.engine.hidden_rules(),
            range: ctx.range,
        };
        if self.sums() {
            self.update_sums(ui, ctx, question, time);
            return;
        }
        let paused = self.table.hovered;
        match self.list.update(ctx.engine, question, ctx.range.asked(ctx.now), ctx.live, paused, time) {
            Err(problem) => self.problem = Some(problem),
            Ok(changed) => {
                self.problem = None;
                if changed.question {
                    self.table.rows.to_top();
                } else if changed.before > 0 && self.table.rows.top() > 0.5 {
                    self.table.rows.shift(changed.before);
                }
                if changed.rows {
                    self.picked.retain(|id| {
                        self.list.shown.as_ref().is_some_and(|shown| shown.traces.iter().any(|t| t.trace_id == *id))
                    });
                    let ids = self.traces().iter().map(|trace| trace.trace_id).collect();
                    let total = self.list.shown.as_ref().map_or(0, |shown| shown.total);
                    let mut shared = self.shared.lock();
                    shared.source = Some(self.source);
                    shared.query.clone_from(&self.query);
                    shared.traces = ids;
                    shared.total = total;
                }
            }
        }
        let revision = ctx.engine.source(self.source).map(|source| source.spans.revision());
        if revision.is_some_and(|revision| self.list.is_behind(revision)) && !self.list.is_asking() {
            ui.ctx().request_repaint_after_secs(0.13);
        }
    }

    /// Switches Follow newest; on, the newest opens and gives way to each one that follows it.
    fn toggle_follow(&mut self, ctx: &mut ViewContext<'_>) {
        let mut shared = self.shared.lock();
        shared.follow = !shared.follow;
        if let Some(id) = shared.traces.first().copied().filter(|_| shared.follow) {
            ctx.go(Place::trace(self.source, id));
        }
    }

    fn hide_like_this(&mut self, ctx: &mut ViewContext<'_>) {
        let Some(trace) = self.selected().cloned() else { return };
        let label = format!("{} of {}", trace.root_name, trace.root_service);
        let like = Predicate::equals(Field::Service, &trace.root_service).and(Predicate::equals(Field::Name, &trace.root_name));
        match ctx.engine.hide_like(&label, like) {
            Ok(_) => {
                let next = self.position().and_then(|at| self.traces().get(at + 1)).map(|trace| trace.trace_id);
                self.selection = next;
                self.table.undo_hide = ctx.engine.hidden_rules().last().map(|rule| rule.id);
                ctx.toast(Toast::new(Level::Info, format!("Traces like {label} are hidden")));
            }
            Err(error) => ctx.toast(Toast::new(Level::Error, error.to_string())),
        }
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
                Command::OpenRow if self.sums() => self.open_sum(ctx),
                Command::OpenRow => self.open(ctx),
                Command::HideLikeThis => self.hide_like_this(ctx),
                Command::ToggleDetails => self.preview.open = !self.preview.open,
                Command::FollowNewest => self.toggle_follow(ctx),
                Command::ClearService => {
                    if let Some(trace) = self.selected() {
                        ctx.requests.push(Request::ClearService(trace.root_service.to_string()));
                    }
                }
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
        if self.sums() {
            return;
        }
        if pressed(Key::Space) && self.selection.is_some() {
            self.preview.open = !self.preview.open;
        }
        if pressed(Key::X)
            && let Some(id) = self.selection
            && !self.picked.remove(&id)
        {
            self.picked.insert(id);
        }
        if (self.preview.open || !self.picked.is_empty()) && pressed(Key::Escape) {
            if self.preview.open {
                self.preview.open = false;
            } else {
                self.picked.clear();
            }
        }
        if ui.input(|input| input.events.iter().any(|event| matches!(event, egui::Event::Copy))) {
            self.copy_rows(ctx);
        }
    }

    fn step(&mut self, by: isize) {
        if self.sums() {
            self.step_sum(by);
            return;
        }
        let at = match self.position() {
            Some(at) => at.checked_add_signed(by),
            None => Some(0),
        };
        if let Some(trace) = at.and_then(|at| self.traces().get(at)) {
            self.selection = Some(trace.trace_id);
            self.reveal = true;
        }
    }

    fn open(&mut self, ctx: &mut ViewContext<'_>) {
        if let Some(id) = self.selection {
            ctx.go(Place::trace(self.source, id));
        }
    }

    /// The picked rows, or the selected one, as tab-separated values.
    fn copy_rows(&self, ctx: &mut ViewContext<'_>) {
        let chosen = |trace: &&TraceSummary| {
            if self.picked.is_empty() { self.selection == Some(trace.trace_id) } else { self.picked.contains(&trace.trace_id) }
        };
        let rows: Vec<String> = self
            .traces()
            .iter()
            .filter(chosen)
            .map(|trace| {
                let TraceSummary { start, root_service, root_name, duration, spans, errors, trace_id, .. } = trace;
                format!("{}\t{root_service}\t{root_name}\t{}\t{spans}\t{errors}\t{trace_id}", start.to_rfc3339(), duration.0)
            })
            .collect();
        if !rows.is_empty() {
            let head = "started\tservice\troot\tduration_ns\tspans\terrors\ttrace_id";
            let name = if rows.len() == 1 { "Row".to_owned() } else { format!("{} rows", rows.len()) };
            ctx.requests.push(Request::Copy(format!("{head}\n{}", rows.join("\n")), name));
        }
    }

    fn body(&mut self, ui: &mut Ui, ctx: &mut ViewContext<'_>) {
        if self.sums() {
            self.sum_body(ui, ctx);
            return;
        }
        let area = ui.available_rect_before_wrap();
        if let Some(error) = self.list.failed.clone() {
            Frame::new().inner_margin(Margin::same(space::SECTION as i8)).show(ui, |ui| {
                match error_state(ui, "The list could not be read", &error) {
                    Some(true) => self.list.retry(),
                    Some(false) => ctx.requests.push(Request::Copy(error, "Details".to_owned())),
                    None => {}
                }
            });
            return;
        }
        let Some(shown) = self.list.shown.clone() else {
            if let Some(since) = self.list.since {
                Frame::new().inner_margin(Margin::same(space::SECTION as i8)).show(ui, |ui| {
                    if loading_state(ui, "Looking for traces", since) {
                        self.list.cancel();
                    }
                });
            }
            return;
        };
        if shown.traces.is_empty() && !self.list.is_asking() {
            self.empty(ui, ctx, shown.hidden);
            return;
        }
        let stale = self.problem.is_some()
            || (self.list.is_asking()
                && self.list.shown_question().is_some_and(|question| question.text != self.query)
                && self.list.since.is_some_and(|since| since.elapsed().as_millis() > 150));
        ui.scope(|ui| {
            if stale {
                ui.multiply_opacity(0.6);
            }
            table::show(self, ui, ctx, &shown, area);
        });
    }

    fn empty(&mut self, ui: &mut Ui, ctx: &mut ViewContext<'_>, hidden: u64) {
        let nothing = ctx.engine.source(self.source).is_some_and(|source| source.spans.extent().is_none());
        if nothing {
            if empty_state(ui, Icon::Traces, "No traces yet", &["Show how to send some"]).is_some() {
                ctx.go(Place::Home { setup: true });
            }
            return;
        }
        let range = ctx.range.label(ctx.zone);
        let within = match ctx.range {
            Range::All => String::new(),
            Range::Last(_) => format!(" in the {}", range.to_lowercase()),
            Range::Between(_) => format!(" in {range}"),
        };
        let sentence = match (self.query.is_empty(), hidden) {
            (false, _) => format!("No traces match{within}"),
            (true, 0) => format!("No traces{within}"),
            (true, _) => format!("All traces{within} are hidden"),
        };
        let day = Range::Last(crate::model::DurationNs(24 * 3_600 * 1_000_000_000));
        let widens = matches!(ctx.range, Range::Last(length) if length.0 < 24 * 3_600 * 1_000_000_000);
        let mut actions = Vec::new();
        if widens {
            actions.push("Widen to 24 h");
        } else if ctx.range != Range::All {
            actions.push("Widen to all time");
        }
        if !self.query.is_empty() {
            actions.push("Clear filter");
        } else if hidden > 0 {
            actions.push("Show hidden");
        }
        let chosen = empty_state(ui, Icon::Traces, &sentence, &actions).and_then(|at| actions.get(at).copied());
        match chosen {
            Some("Widen to 24 h") => ctx.requests.push(Request::SetRange(day)),
            Some("Widen to all time") => ctx.requests.push(Request::SetRange(Range::All)),
            Some("Clear filter") => self.run_query("", ctx),
            Some("Show hidden") => {
                for rule in ctx.engine.hidden_rules() {
                    ctx.engine.unhide(rule.id).ok();
                }
            }
            _ => {}
        }
    }
}

/// The newest trace that a query finds and no rule hides; what Follow newest moves to.
pub(super) fn newest(
    source: &dyn SpanSource,
    query: &str,
    rules: &[HiddenRule],
    control: &QueryControl,
) -> Result<Option<TraceId>, SourceError> {
    let search = parse(query).map_err(|error| SourceError::Read(error.to_string()))?;
    let limit = if rules.is_empty() { 1 } else { 50 };
    let found = search
        .run(source, &TraceRequest { limit, ..TraceRequest::default() }, control)
        .map_err(|error| SourceError::Read(error.to_string()))?;
    Ok(found
        .traces
        .into_iter()
        .map(|found| found.summary)
        .find(|trace| !Engine::is_hidden(rules, trace))
        .map(|trace| trace.trace_id))
}

impl View for TracesView {
    fn crumbs(&self) -> Vec<Crumb> {
        vec![Crumb::here("Traces")]
    }

    fn arrive(&mut self, place: &Place, ctx: &mut ViewContext<'_>) {
        let Place::Traces { source, query } = place else { return };
        if !self.arrived {
            self.read_kept(ctx);
        }
        if !self.arrived || self.source != *source {
            self.list = List::default();
            self.selection = None;
            self.picked.clear();
            self.run = RunFilter::All;
        }
        self.arrived = true;
        self.source = *source;
        if self.query != *query {
            self.query.clone_from(query);
            self.limit = FIRST_LIMIT;
        }
        self.bar.set(query);
    }

    fn supports(&self, command: Command) -> bool {
        match command {
            Command::FocusSearch | Command::RunQuery | Command::FollowNewest | Command::ToggleDetails => true,
            Command::NextRow | Command::PreviousRow if self.sums() => self.sum_rows() > 0,
            Command::NextRow | Command::PreviousRow => !self.traces().is_empty(),
            Command::OpenRow if self.sums() => self.group_at.is_some(),
            Command::HideLikeThis | Command::ClearService if self.sums() => false,
            Command::OpenRow | Command::HideLikeThis => self.selection.is_some(),
            Command::ClearService => self.selection.is_some() && self.source == crate::engine::WORKSPACE,
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
        Panel::top("traces_query").exact_size(bar_height).frame(frame).show_separator_line(false).show(ui, |ui| {
            self.query_bar(ui, ctx);
        });
        if std::mem::take(&mut self.reordered) {
            self.keep(ctx);
        }
        let narrow = ui.ctx().content_rect().width() < NARROW;
        let previews = self.preview.open && self.selection.is_some() && !self.sums();
        let area = ui.available_rect_before_wrap();
        if previews && !narrow {
            Panel::right("traces_preview")
                .resizable(true)
                .default_size(396.0)
                .size_range(part::DETAILS_MIN..=480.0)
                .frame(frame)
                .show(ui, |ui| preview::show(self, ui, ctx));
        }
        Panel::top("traces_header").exact_size(36.0).frame(frame).show_separator_line(false).show(ui, |ui| {
            header::show(self, ui, ctx);
            let asking = if self.sums() {
                self.sum_progress()
            } else {
                self.list.since.filter(|_| self.list.is_asking()).zip(Some(self.list.progress()))
            };
            if let Some((since, (done, of))) = asking.filter(|_| !ctx.live) {
                progress_line(ui, ui.max_rect(), since, done, of);
            }
        });
        CentralPanel::default().frame(Frame::new().fill(theme.surface)).show(ui, |ui| self.body(ui, ctx));
        if previews && narrow {
            preview::sheet(self, ui, ctx, area);
        }
    }
}
