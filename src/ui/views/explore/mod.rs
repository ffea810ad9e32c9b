//! Explore: queries over metrics as graphs and tables, with the metrics there are beside them.
//!
//! All rows are asked together, off the frame, over the range of the window; while Live is on they are asked again as time
//! passes, a step at a time. What was run is the place; what stands in the fields is the view's own until it is run.

mod ask;
mod browser;
mod complete;
mod editor;
mod kept;
mod plot;
mod series;

#[cfg(test)]
mod tests;

use super::answer::Answer;
use crate::model::{Labels, UnixNanos, units};
use crate::source::TimeRange;
use crate::ui::Range;
use crate::ui::canvas::rows::Rows;
use crate::ui::command::Command;
use crate::ui::nav::Place;
use crate::ui::theme::size::space;
use crate::ui::theme::{self, Face, Icon};
use crate::ui::view::{Crumb, Request, View, ViewContext};
use crate::ui::widgets::{Button, Kind, Tab, empty_state, error_state, loading_state, progress_line, severity_badge, tabs};
use ask::{Catalogue, Outcome, Problem, Times};
use browser::Kinds;
use editor::{Done, Editor};
use egui::{Align, CentralPanel, Frame, Layout, Margin, Panel, Rect, Ui, UiBuilder, pos2, vec2};
use kept::Kept;
use series::SortBy;
use std::sync::Arc;
use std::time::Duration;

/// The list of metrics is read again at most this often while Live is on, seconds.
const CATALOGUE_S: f64 = 15.0;
/// Queries are asked again at most this often while Live is on, seconds.
const AGAIN_S: f64 = 2.0;
/// Steps of a range.
const POINTS: [(Resolution, &str, i64); 3] =
    [(Resolution::Coarse, "Coarse", 80), (Resolution::Usual, "Usual", 240), (Resolution::Fine, "Fine", 900)];
/// Below this width of the content the list of metrics gives way, points.
const NARROW: f32 = 860.0;
/// Width of the list of metrics, points.
const BROWSER: f32 = 248.0;
/// Rows at most.
const MOST_ROWS: usize = 8;

/// How many steps a range has.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
enum Resolution {
    /// Few.
    Coarse,
    /// As many as read well.
    #[default]
    Usual,
    /// One every point or two.
    Fine,
}

/// What stands under the rows.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
enum Shown {
    /// Over the range.
    #[default]
    Graph,
    /// At its end.
    Table,
}

/// Names a series among the rows.
type Key = (usize, Labels);

fn key_of(row: usize, labels: &Labels) -> Key {
    (row, labels.clone())
}

/// Everything that an answer depends on.
#[derive(Clone, PartialEq)]
struct Question {
    queries: Vec<String>,
    range: Range,
    resolution: Resolution,
    /// Counts up when the same is asked of newer data.
    again: u64,
}

/// See the module comment.
pub struct ExploreView {
    rows: Vec<Editor>,
    /// As they were run.
    queries: Vec<String>,
    answer: Answer<Question, Outcome>,
    again: u64,
    asked_at: f64,
    catalogue: Answer<u64, Catalogue>,
    catalogue_again: u64,
    catalogue_at: f64,
    kept: Kept,
    kept_read: bool,
    resolution: Resolution,
    shown: Shown,
    exemplars: bool,
    // The list of metrics.
    search: String,
    kinds: Kinds,
    listed: Vec<usize>,
    listed_of: usize,
    metric_rows: Rows,
    chosen: Option<String>,
    // Series.
    alone: Vec<Key>,
    hot: Option<Key>,
    sort: SortBy,
    reversed: bool,
    ordered: Vec<usize>,
    series_rows: Rows,
    cell_rows: Rows,
    /// Where a drag over the graph began.
    drag: Option<f32>,
}

impl Default for ExploreView {
    fn default() -> Self {
        Self {
            rows: vec![Editor::new("")],
            queries: Vec::new(),
            answer: Answer::default(),
            again: 0,
            asked_at: 0.0,
            catalogue: Answer::default(),
            catalogue_again: 0,
            catalogue_at: 0.0,
            kept: Kept::default(),
            kept_read: false,
            resolution: Resolution::default(),
            shown: Shown::default(),
            exemplars: true,
            search: String::new(),
            kinds: Kinds::default(),
            listed: Vec::new(),
            listed_of: usize::MAX,
            metric_rows: Rows::default(),
            chosen: None,
            alone: Vec::new(),
            hot: None,
            sort: SortBy::default(),
            reversed: false,
            ordered: Vec::new(),
            series_rows: Rows::default(),
            cell_rows: Rows::default(),
            drag: None,
        }
    }
}

impl ExploreView {
    fn is_shown(&self, key: &Key) -> bool {
        self.alone.is_empty() || self.alone.contains(key)
    }

    fn times(&self, ctx: &ViewContext<'_>) -> Times {
        let extent = self.catalogue.shown.as_ref().and_then(|shown| shown.extent);
        let extent = extent.map(|(start, end)| TimeRange {
            start: UnixNanos(start.saturating_mul(1_000_000)),
            end: UnixNanos(end.saturating_mul(1_000_000)),
        });
        let range = ctx.range.at(ctx.now, extent);
        let points = POINTS.iter().find(|(resolution, ..)| *resolution == self.resolution).map_or(240, |(.., points)| *points);
        let ms = |time: UnixNanos| time.0.div_euclid(1_000_000);
        Times::over(ms(range.start), ms(range.end), points)
    }

    fn update(&mut self, ui: &Ui, ctx: &ViewContext<'_>) {
        if !std::mem::replace(&mut self.kept_read, true) {
            self.kept = Kept::read(&ctx.engine.setting(kept::KEY).unwrap_or_default());
        }
        let Some(source) = ctx.engine.series() else { return };
        let time = ui.input(|input| input.time);
        let due = |at: f64, every: f64| {
            let wait = every - (time - at);
            if wait > 0.0 {
                ui.ctx().request_repaint_after_secs(wait as f32);
            }
            wait <= 0.0
        };
        // A program that has just begun to send is soon seen.
        let none = self.catalogue.shown.as_ref().is_some_and(|shown| shown.metrics.is_empty());
        if (ctx.live || none)
            && self.catalogue.progress().is_none()
            && due(self.catalogue_at, if none { 1.0 } else { CATALOGUE_S })
        {
            self.catalogue_again += 1;
        }
        let again = self.catalogue_again;
        if self.catalogue.asks(&again) {
            self.catalogue_at = time;
        }
        let metrics = source.clone();
        if self.catalogue.update(ctx.engine, again, move |control| ask::catalogue(&*metrics, control)) {
            self.listed_of = usize::MAX;
        }
        if self.queries.iter().all(|text| text.trim().is_empty()) {
            return;
        }
        // All of time is as long as the samples reach.
        if ctx.range == Range::All && self.catalogue.shown.is_none() {
            return;
        }
        let times = self.times(ctx);
        let every = (times.step as f64 / 1e3).max(AGAIN_S);
        let follows = ctx.live && !matches!(ctx.range, Range::Between(_)) && self.drag.is_none();
        if follows && self.answer.progress().is_none() && !self.answer.cancelled && due(self.asked_at, every) {
            self.again += 1;
        }
        let question =
            Question { queries: self.queries.clone(), range: ctx.range, resolution: self.resolution, again: self.again };
        if self.answer.asks(&question) {
            self.asked_at = time;
        }
        let queries = self.queries.clone();
        if self.answer.update(ctx.engine, question, move |control| ask::ask(&queries, times, &*source, control))
            && let Some(outcome) = &self.answer.shown
        {
            self.ordered = series::order(outcome, self.sort, self.reversed);
        }
    }

    /// Runs what stands in the fields.
    fn run(&mut self, ctx: &mut ViewContext<'_>) {
        let queries: Vec<String> = self.rows.iter().map(|row| row.text.clone()).collect();
        if queries != self.queries {
            self.alone.clear();
            self.series_rows.to_top();
            self.cell_rows.to_top();
        }
        self.queries.clone_from(&queries);
        self.again += 1;
        self.answer.cancelled = false;
        let mut kept = false;
        for query in queries.iter().filter(|query| crate::promql::parse(query).is_ok()) {
            kept |= self.kept.remember(query);
        }
        if kept {
            ctx.requests.push(Request::Keep(kept::KEY, self.kept.to_json()));
        }
        ctx.requests.push(Request::Adjust(Place::Explore { queries }));
    }

    fn commands(&mut self, ctx: &mut ViewContext<'_>) {
        for command in ctx.commands.iter().copied() {
            match command {
                Command::FocusSearch => self.rows.iter_mut().take(1).for_each(|row| row.focus = true),
                Command::RunQuery => self.run(ctx),
                _ => {}
            }
        }
    }

    /// Why running a row gave nothing, while its text still stands there.
    fn problem_of(&self, row: usize) -> Option<Problem> {
        let text = &self.rows.get(row)?.text;
        if self.queries.get(row) != Some(text) {
            return None;
        }
        let outcome = self.answer.shown.as_ref()?;
        outcome.rows.iter().find(|known| known.row == row)?.ran.as_ref().err().cloned()
    }

    fn editors(&mut self, ui: &mut Ui, ctx: &mut ViewContext<'_>, catalogue: &Catalogue) {
        let whole = ui.max_rect();
        theme::paint_hairline(ui, whole.left_bottom() - vec2(0.0, 1.0), whole.right_bottom() - vec2(0.0, 1.0));
        let area = whole.shrink2(vec2(space::PANEL, 10.0));
        let run_width = 104.0;
        let mut y = area.top();
        let mut done = None;
        let several = self.rows.len() > 1;
        let problems: Vec<Option<Problem>> = (0..self.rows.len()).map(|row| self.problem_of(row)).collect();
        let mut rows = std::mem::take(&mut self.rows);
        for (row, editor) in rows.iter_mut().enumerate() {
            let problem = problems.get(row).and_then(Option::as_ref);
            let height = editor.height(problem);
            let rect = Rect::from_min_max(pos2(area.left(), y), pos2(area.right() - run_width, y + height));
            let around = editor::Around { row, removable: several, problem, catalogue, kept: &self.kept };
            if let Some(what) = editor::show(editor, ui, ctx, rect, &around) {
                done = Some((row, what));
            }
            y += height;
        }
        self.rows = rows;
        let place = Rect::from_min_max(pos2(area.right() - run_width + 8.0, area.top()), pos2(area.right(), area.top() + 32.0));
        let mut beside = ui.new_child(UiBuilder::new().max_rect(place).layout(Layout::right_to_left(Align::Center)));
        if Button::new("Run").kind(Kind::Primary).keys(Command::RunQuery.key_caps()).show(&mut beside).clicked() {
            done = Some((0, Done::Run));
        }
        let tools = Rect::from_min_max(pos2(area.left() + 32.0, y), pos2(area.right(), y + 26.0));
        self.tools(ui, tools);
        match done {
            Some((_, Done::Run)) => self.run(ctx),
            Some((row, Done::Remove)) => {
                // The fields keep their cursors by number: each takes over the text of the next.
                self.rows.remove(row);
                self.run(ctx);
            }
            None => {}
        }
    }

    /// Add a query; what the answer took.
    fn tools(&mut self, ui: &mut Ui, rect: Rect) {
        let theme = theme::of(ui.ctx());
        let mut left = ui.new_child(UiBuilder::new().max_rect(rect).layout(Layout::left_to_right(Align::Center)));
        let add = Button::new("Query").icon(Icon::Plus).small().kind(Kind::Quiet).named("Add query");
        if add.enabled(self.rows.len() < MOST_ROWS).show(&mut left).clicked() {
            let mut editor = Editor::new("");
            editor.focus = true;
            self.rows.push(editor);
        }
        let Some(outcome) = &self.answer.shown else { return };
        let mut right = ui.new_child(UiBuilder::new().max_rect(rect).layout(Layout::right_to_left(Align::Center)));
        let (mut count, mut samples, mut took) = (0, 0, Duration::ZERO);
        for ran in outcome.ran() {
            count += ran.series.max(if ran.lines.is_empty() { ran.cells.len() } else { 0 });
            samples += ran.samples;
            took += ran.took;
        }
        let took = units::duration(crate::model::DurationNs(took.as_nanos() as i64));
        let figures = format!("{} series, {} samples read, {took}", units::count(count as u64), units::count(samples));
        right.label(theme::text(figures, Face::Small, theme.text_faint)).on_hover_text(format!("{samples} samples"));
    }

    /// Height of the rows and the line below them.
    fn editors_height(&self) -> f32 {
        let rows: f32 = self.rows.iter().enumerate().map(|(row, editor)| editor.height(self.problem_of(row).as_ref())).sum();
        rows + 20.0 + 26.0
    }

    fn header(&mut self, ui: &mut Ui, outcome: Option<&Outcome>) {
        let theme = theme::of(ui.ctx());
        let rect = ui.max_rect().shrink2(vec2(space::PANEL, 0.0));
        theme::paint_hairline(ui, ui.max_rect().left_bottom(), ui.max_rect().right_bottom());
        let mut left = ui.new_child(UiBuilder::new().max_rect(rect).layout(Layout::left_to_right(Align::Center)));
        let options = [
            Tab { value: Shown::Graph, text: "Graph", icon: Some(Icon::Metrics) },
            Tab { value: Shown::Table, text: "Table", icon: Some(Icon::Table) },
        ];
        tabs(&mut left, rect.height(), &mut self.shown, &options);
        let mut right = ui.new_child(UiBuilder::new().max_rect(rect).layout(Layout::right_to_left(Align::Center)));
        right.spacing_mut().item_spacing.x = space::CONTROL;
        if self.shown == Shown::Graph {
            let choices: Vec<(Resolution, &str)> = POINTS.iter().map(|(value, text, _)| (*value, *text)).collect();
            crate::ui::widgets::segmented(&mut right, &mut self.resolution, &choices);
            if let Some(outcome) = outcome {
                let times = outcome.times;
                let step = units::duration(crate::model::DurationNs(times.step * 1_000_000));
                let points = (times.end - times.start) / times.step + 1;
                let text = format!("step {step}, {points} points");
                right.label(theme::text(text, Face::Small, theme.text_faint));
                if outcome.ran().any(|ran| !ran.dots.is_empty()) {
                    let dots = Button::new("Exemplars").small().kind(Kind::Quiet).on(self.exemplars).toggled(self.exemplars);
                    if dots.hint("Samples that name their trace, as diamonds").show(&mut right).clicked() {
                        self.exemplars = !self.exemplars;
                    }
                }
            }
        }
    }

    /// Warnings, infos and what was left out, a line each.
    fn notes(outcome: &Outcome) -> Vec<(crate::ui::view::Level, String)> {
        use crate::ui::view::Level;
        let mut notes = Vec::new();
        for ran in outcome.ran() {
            notes.extend(ran.warnings.iter().map(|text| (Level::Warn, text.clone())));
            notes.extend(ran.infos.iter().map(|text| (Level::Info, text.clone())));
            let drawable = ran.series - ran.histograms;
            if drawable > ran.lines.len() {
                let (first, all) = (units::count(ran.lines.len() as u64), units::count(drawable as u64));
                let text = format!("The first {first} of {all} series are shown. Name labels, or take topk() of them");
                notes.push((Level::Info, text));
            }
            if ran.histograms > 0 {
                let count = units::count(ran.histograms as u64);
                notes.push((
                    Level::Info,
                    format!("{count} series hold native histograms: histogram_quantile() makes lines of them"),
                ));
            }
        }
        notes
    }

    fn content(&mut self, ui: &mut Ui, ctx: &mut ViewContext<'_>) {
        let theme = ctx.theme;
        let margin = Frame::new().inner_margin(Margin::same(space::SECTION as i8));
        if let Some(error) = self.answer.failed.clone() {
            margin.show(ui, |ui| match error_state(ui, "The query could not be answered", &error) {
                Some(true) => self.answer.retry(),
                Some(false) => ctx.requests.push(Request::Copy(error, "Details".to_owned())),
                None => {}
            });
            return;
        }
        let Some(outcome) = self.answer.shown.clone() else {
            if let Some((since, _)) = self.answer.progress() {
                margin.show(ui, |ui| {
                    if loading_state(ui, "Working out the query", since) {
                        self.answer.cancel();
                    }
                });
            } else if self.answer.cancelled {
                if empty_state(ui, Icon::Metrics, "The query was cancelled", &["Run again"]).is_some() {
                    self.answer.retry();
                }
            } else {
                empty_state(ui, Icon::Metrics, "Choose a metric at the left, or write a query and press Enter", &[]);
            }
            return;
        };
        let notes = Self::notes(&outcome);
        if !notes.is_empty() {
            let lines = notes.len().min(3);
            let frame = Frame::new().inner_margin(Margin::symmetric(space::PANEL as i8, 4));
            Panel::top("explore_notes").exact_size(lines as f32 * 20.0 + 8.0).frame(frame).show_separator_line(false).show(
                ui,
                |ui| {
                    for (level, text) in notes.iter().take(3) {
                        severity_badge(ui, *level, text).on_hover_text(text.as_str());
                    }
                },
            );
        }
        if outcome.ran().count() == 0 {
            let sentence = if outcome.rows.is_empty() { "Write a query and press Enter" } else { "No query could be answered" };
            empty_state(ui, Icon::Metrics, sentence, &[]);
            return;
        }
        let lines = outcome.ran().any(|ran| !ran.lines.is_empty());
        let graph = self.shown == Shown::Graph;
        if graph && !lines {
            let range = ctx.range.label(ctx.zone).to_lowercase();
            let table_only = outcome.ran().any(|ran| !ran.cells.is_empty());
            let (sentence, action) = if table_only {
                ("This query gives no lines, but a table".to_owned(), "Show the table")
            } else {
                (format!("No series has samples in the range ({range})"), "Widen to all time")
            };
            let actions: &[&str] = if ctx.range == Range::All && !table_only { &[] } else { &[action] };
            if empty_state(ui, Icon::Metrics, &sentence, actions).is_some() {
                if table_only {
                    self.shown = Shown::Table;
                } else {
                    ctx.requests.push(Request::SetRange(Range::All));
                }
            }
            return;
        }
        let stale = self.answer.progress().is_some_and(|(since, _)| since.elapsed().as_millis() > 150) && !ctx.live;
        ui.scope(|ui| {
            if stale {
                ui.multiply_opacity(0.6);
            }
            if !graph {
                series::table(self, ui, ctx, &outcome);
                return;
            }
            let frame = Frame::new().fill(theme.surface);
            let height = ui.available_height();
            Panel::bottom("explore_series")
                .resizable(true)
                .default_size((height * 0.36).min(260.0))
                .size_range(80.0..=(height - 120.0).max(90.0))
                .frame(frame)
                .show(ui, |ui| series::legend(self, ui, ctx, &outcome));
            let frame = frame.inner_margin(Margin { left: 8, right: 16, top: 10, bottom: 4 });
            CentralPanel::default().frame(frame).show(ui, |ui| plot::show(self, ui, ctx, &outcome));
        });
    }

    /// No metric yet: how one comes to be.
    fn nothing(ui: &mut Ui, ctx: &mut ViewContext<'_>) {
        let port = ctx.facts.http_port();
        let endpoint = format!("http://127.0.0.1:{port}/v1/metrics");
        let sentence = format!(
            "No metrics yet. Send OTLP to {endpoint}, name a prometheus.yml with --scrape-config, or start with --host-metrics"
        );
        if let Some(at) = empty_state(ui, Icon::Metrics, &sentence, &["Copy the endpoint", "Start demo shop"]) {
            match at {
                0 => ctx.requests.push(Request::Copy(endpoint, "Endpoint".to_owned())),
                _ => ctx.run(Command::StartDemo),
            }
        }
    }
}

impl View for ExploreView {
    fn crumbs(&self) -> Vec<Crumb> {
        vec![Crumb::here("Metrics")]
    }

    fn subject(&self) -> String {
        self.queries.first().map(|text| text.chars().take(60).collect()).unwrap_or_default()
    }

    fn arrive(&mut self, place: &Place, _ctx: &mut ViewContext<'_>) {
        let Place::Explore { queries } = place else { return };
        // From the rail: as it was left.
        if queries.is_empty() || *queries == self.queries {
            return;
        }
        self.queries.clone_from(queries);
        self.rows = queries.iter().take(MOST_ROWS).map(|text| Editor::new(text)).collect();
        self.again += 1;
    }

    fn supports(&self, command: Command) -> bool {
        matches!(command, Command::FocusSearch | Command::RunQuery)
    }

    fn uses_range(&self) -> bool {
        true
    }

    fn ui(&mut self, ui: &mut Ui, ctx: &mut ViewContext<'_>) {
        ui.spacing_mut().item_spacing.y = 0.0;
        let theme = ctx.theme;
        self.commands(ctx);
        self.update(ui, ctx);
        let catalogue = self.catalogue.shown.clone().unwrap_or_else(|| Arc::new(Catalogue::default()));
        let frame = Frame::new().fill(theme.panel);
        if self.catalogue.shown.is_some() && catalogue.metrics.is_empty() || ctx.engine.series().is_none() {
            CentralPanel::default().frame(Frame::new().fill(theme.surface)).show(ui, |ui| Self::nothing(ui, ctx));
            return;
        }
        if let Some(error) = self.catalogue.failed.clone() {
            let frame = Frame::new().fill(theme.surface).inner_margin(Margin::same(space::SECTION as i8));
            CentralPanel::default().frame(frame).show(ui, |ui| {
                match error_state(ui, "The metrics could not be listed", &error) {
                    Some(true) => self.catalogue.retry(),
                    Some(false) => ctx.requests.push(Request::Copy(error, "Details".to_owned())),
                    None => {}
                }
            });
            return;
        }
        if ui.available_width() >= NARROW {
            let mut asked = None;
            Panel::left("explore_metrics").exact_size(BROWSER).frame(frame).resizable(false).show(ui, |ui| {
                asked = browser::show(self, ui, ctx, &catalogue);
            });
            if let Some(query) = asked {
                let row = self.rows.iter().position(|row| row.text.trim().is_empty()).unwrap_or(0);
                if self.rows.is_empty() {
                    self.rows.push(Editor::new(""));
                }
                self.rows[row].set(ui, row, &query);
                self.run(ctx);
            }
        }
        let height = self.editors_height();
        Panel::top("explore_queries").exact_size(height).frame(frame).show_separator_line(false).show(ui, |ui| {
            self.editors(ui, ctx, &catalogue);
        });
        let outcome = self.answer.shown.clone();
        Panel::top("explore_header").exact_size(36.0).frame(frame).show_separator_line(false).show(ui, |ui| {
            self.header(ui, outcome.as_deref());
            if let Some((since, (done, of))) = self.answer.progress() {
                progress_line(ui, ui.max_rect(), since, done, of);
                if since.elapsed() > Duration::from_millis(300)
                    && ui.input_mut(|input| input.consume_key(egui::Modifiers::NONE, egui::Key::Escape))
                {
                    self.answer.cancel();
                }
            }
        });
        CentralPanel::default().frame(Frame::new().fill(theme.surface)).show(ui, |ui| self.content(ui, ctx));
    }
}
