//! Compare: two traces, two runs of a service or two selections beside each other. A is what was before, B what is looked
//! into.
//!
//! The work is [`crate::engine::contrast`], off the frame, asked for when a side or the range changes; it can be given up.

mod aside;
mod sides;
mod table;
mod text;

#[cfg(test)]
mod tests;

use super::answer::Answer;
use super::shared::told;
use crate::analysis::DiffRow;
use crate::engine::contrast::{Contrast, contrast, neighbour};
use crate::engine::insight::Side;
use crate::engine::{Query, SourceId, WORKSPACE};
use crate::model::{TraceId, TraceSummary, units};
use crate::source::{QueryControl, Run, SourceError, SpanSource, TimeRange};
use crate::ui::Range;
use crate::ui::canvas::difference::{Blocks, LANE};
use crate::ui::canvas::rows::Rows;
use crate::ui::command::Command;
use crate::ui::nav::{CompareBy, Place};
use crate::ui::theme::size::{part, space};
use crate::ui::theme::{self, Face, Icon};
use crate::ui::view::{Crumb, Request, View, ViewContext};
use crate::ui::widgets::{empty_state, error_state, loading_state, progress_line};
use egui::{CentralPanel, Frame, Key, Margin, Modifiers, Panel, Rect, Role, Sense, Ui, WidgetInfo, vec2};
use std::sync::Arc;

/// Below this width of the window the differing attributes lie over the table, points.
const NARROW: f32 = 1_100.0;

/// Everything that an answer depends on.
#[derive(Clone, PartialEq)]
struct Question {
    source: SourceId,
    by: CompareBy,
    a: String,
    b: String,
    range: Range,
    again: u64,
}

/// What came back: the sides as they were resolved, and what sets them apart.
struct Compared {
    /// What the sides are called; a trace id, a run, a query.
    names: [String; 2],
    contrast: Contrast,
    blocks: Blocks,
}

/// Which rows the table has.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum Only {
    /// All that changed, and what is above them.
    #[default]
    All,
    /// New in B.
    New,
    /// In A alone.
    Gone,
}

/// See the module comment.
pub struct CompareView {
    source: SourceId,
    by: CompareBy,
    /// What the sides are, as they stand in the place.
    sides: [String; 2],
    /// What is typed.
    typed: [String; 2],
    focus: bool,
    answer: Answer<Question, Option<Compared>>,
    again: u64,
    only: Only,
    listed: Vec<u32>,
    selected: Option<u32>,
    reveal: bool,
    rows: Rows,
    sheet: bool,
    /// Asked for when a menu opens.
    traces: Query<Vec<TraceSummary>>,
    runs: Query<Vec<Run>>,
}

impl Default for CompareView {
    fn default() -> Self {
        Self {
            source: WORKSPACE,
            by: CompareBy::default(),
            sides: Default::default(),
            typed: Default::default(),
            focus: false,
            answer: Answer::default(),
            again: 0,
            only: Only::default(),
            listed: Vec::new(),
            selected: None,
            reveal: false,
            rows: Rows::default(),
            sheet: false,
            traces: Query::Idle,
            runs: Query::Idle,
        }
    }
}

impl CompareView {
    fn shown(&self) -> Option<&Compared> {
        self.answer.shown.as_ref()?.as_ref().as_ref()
    }

    fn row(&self) -> Option<&DiffRow> {
        self.shown()?.contrast.rows.get(self.selected? as usize)
    }

    fn place(&self) -> Place {
        let [a, b] = self.sides.clone();
        Place::Compare { source: self.source, by: self.by, a, b }
    }

    /// Puts something on a side; Back returns to what was compared before.
    fn set_side(&mut self, side: usize, text: &str, ctx: &mut ViewContext<'_>) {
        text.trim().clone_into(&mut self.sides[side]);
        // The other side stays what it was resolved to.
        if let Some(name) = self.shown().map(|shown| shown.names[1 - side].clone())
            && self.sides[1 - side].is_empty()
            && self.by != CompareBy::Selections
        {
            self.sides[1 - side] = name;
        }
        self.typed.clone_from(&self.sides);
        ctx.requests.push(Request::Adjust(self.place()));
    }

    fn set_by(&mut self, by: CompareBy, ctx: &mut ViewContext<'_>) {
        self.by = by;
        self.sides = Default::default();
        self.typed = Default::default();
        self.answer.clear();
        (self.listed, self.selected) = (Vec::new(), None);
        ctx.requests.push(Request::Adjust(self.place()));
    }

    fn swap(&mut self, ctx: &mut ViewContext<'_>) {
        if let Some(names) = self.shown().map(|shown| shown.names.clone()) {
            self.sides = names;
        }
        self.sides.swap(0, 1);
        self.typed.clone_from(&self.sides);
        ctx.requests.push(Request::Adjust(self.place()));
    }

    fn update(&mut self, ctx: &ViewContext<'_>) {
        let sources: Vec<Arc<dyn SpanSource>> = ctx
            .facts
            .sources
            .iter()
            .filter(|source| source.id == self.source)
            .chain(ctx.facts.sources.iter().filter(|source| source.id != self.source))
            .map(|source| source.spans.clone())
            .collect();
        if sources.is_empty() {
            return;
        }
        let [a, b] = self.sides.clone();
        // Two traces are what they are, whenever they were.
        let range = if self.by == CompareBy::Selections { ctx.range } else { Range::All };
        let (by, within) = (self.by, range.asked(ctx.now));
        let question = Question { source: self.source, by, a: a.clone(), b: b.clone(), range, again: self.again };
        if self.answer.update(ctx.engine, question, move |control| compare(&sources, by, [a, b], within, control)) {
            self.list();
        }
    }

    fn list(&mut self) {
        let only = self.only;
        let Some(shown) = self.shown() else { return };
        let wanted = |row: &DiffRow| match only {
            Only::All => true,
            Only::New => row.count_a == 0,
            Only::Gone => row.count_b == 0,
        };
        let rows = shown.contrast.rows.iter().enumerate();
        self.listed = rows.filter(|(_, row)| wanted(row)).map(|(at, _)| at as u32).collect();
        if self.selected.is_none_or(|row| !self.listed.contains(&row)) {
            self.selected = self.listed.first().copied();
        }
    }

    fn step(&mut self, by: isize) {
        let at = self.selected.and_then(|row| self.listed.iter().position(|known| *known == row)).unwrap_or(0);
        let at = at.saturating_add_signed(by).min(self.listed.len().saturating_sub(1));
        self.selected = self.listed.get(at).copied();
        self.reveal = true;
    }

    /// Opens a trace that has the selected path, of B where it has it.
    fn open(&self, ctx: &mut ViewContext<'_>) {
        let Some(id) = self.row().and_then(|row| row.example_b.or(row.example_a)) else { return };
        ctx.go(Place::trace(self.source, id));
    }

    fn copy(&self, ctx: &mut ViewContext<'_>) {
        if let Some(shown) = self.shown() {
            ctx.requests.push(Request::Copy(text::markdown(shown), "Comparison".to_owned()));
        }
    }

    fn commands(&mut self, ui: &Ui, ctx: &mut ViewContext<'_>) {
        for command in ctx.commands.iter().copied() {
            match command {
                Command::FocusSearch => self.focus = true,
                Command::RunQuery => {
                    for side in 0..2 {
                        let text = self.typed[side].clone();
                        self.set_side(side, &text, ctx);
                    }
                }
                Command::NextRow => self.step(1),
                Command::PreviousRow => self.step(-1),
                Command::OpenRow => self.open(ctx),
                Command::SwapSides => self.swap(ctx),
                Command::CopyList => self.copy(ctx),
                Command::ToggleDetails => self.sheet = !self.sheet,
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
        if self.sheet && pressed(Key::Escape) {
            self.sheet = false;
        }
    }

    fn body(&mut self, ui: &mut Ui, ctx: &mut ViewContext<'_>) {
        let margin = Frame::new().inner_margin(Margin::same(space::SECTION as i8));
        if let Some(error) = self.answer.failed.clone() {
            margin.show(ui, |ui| match error_state(ui, "The two could not be compared", &error) {
                Some(true) => self.answer.retry(),
                Some(false) => ctx.requests.push(Request::Copy(error, "Details".to_owned())),
                None => {}
            });
            return;
        }
        let Some(answer) = self.answer.shown.clone() else {
            if let Some((since, (done, of))) = self.answer.progress() {
                let what = match of {
                    0 => "Comparing".to_owned(),
                    _ => format!("Comparing, {} of {} traces", units::count(done), units::count(of)),
                };
                margin.show(ui, |ui| {
                    if loading_state(ui, &what, since) {
                        self.answer.cancel();
                    }
                });
            } else if self.answer.cancelled
                && empty_state(ui, Icon::Compare, "The comparison was cancelled", &["Compare again"]).is_some()
            {
                self.answer.retry();
            }
            return;
        };
        let Some(shown) = answer.as_ref() else {
            let sentence = match self.by {
                CompareBy::Traces => "Choose two traces, or press Shift+C in an open one to compare it with another",
                CompareBy::Runs => "A service that was started twice has two runs to compare; none was yet",
                CompareBy::Selections => {
                    "Type a query on each side, such as service.version = 2.13.2 and service.version = 2.14.0"
                }
            };
            empty_state(ui, Icon::Compare, sentence, &[]);
            return;
        };
        for (side, figures) in [("A", &shown.contrast.a), ("B", &shown.contrast.b)] {
            if figures.traces == 0 {
                let sentence = format!("Nothing is stored that side {side} stands for");
                let some = self.by == CompareBy::Selections && ctx.range != Range::All;
                let actions: &[&str] = if some { &["Widen to all time"] } else { &[] };
                if empty_state(ui, Icon::Compare, &sentence, actions).is_some() {
                    ctx.requests.push(Request::SetRange(Range::All));
                }
                return;
            }
        }
        sides::figures(ui, ctx, shown);
        self.flame(ui, ctx, shown);
        table::show(self, ui, ctx, shown);
    }

    fn flame(&mut self, ui: &mut Ui, ctx: &ViewContext<'_>, shown: &Compared) {
        let (rows, blocks) = (&shown.contrast.rows, &shown.blocks);
        let most = (ui.available_height() * 0.4).max(3.0 * LANE);
        let width = ui.available_width();
        egui::ScrollArea::vertical().id_salt("difference").max_height(most).auto_shrink([false, true]).show(ui, |ui| {
            let (rect, response) = ui.allocate_exact_size(vec2(width, blocks.height() + 8.0), Sense::click());
            let canvas = rect.shrink2(vec2(space::PANEL, 4.0));
            response.widget_info(|| {
                let said = self.row().map_or_else(String::new, |row| {
                    format!(
                        ", selected: {}, {}, {}",
                        row.name,
                        row.service,
                        crate::ui::canvas::difference::said(row, blocks.quiet_ns)
                    )
                });
                WidgetInfo::labeled(Role::Image, true, format!("Differential flame graph, {} paths{said}", rows.len()))
            });
            blocks.paint(ui.painter(), canvas, ctx.theme, rows, self.selected);
            let under = response.hover_pos().and_then(|at| blocks.hit(canvas, at));
            if response.clicked() && under.is_some() {
                (self.selected, self.reveal) = (under, true);
            }
            crate::ui::widgets::focus_ring(ui, &response, 0.0);
            if let Some(row) = under.and_then(|row| rows.get(row as usize)) {
                response.on_hover_ui_at_pointer(|ui| {
                    ui.label(theme::text(&*row.name, Face::BodyMedium, ctx.theme.text_strong));
                    ui.label(theme::text(text::sentence(row, &shown.contrast), Face::Small, ctx.theme.text_subdued));
                });
            }
        });
        let below = ui.cursor().min;
        theme::paint_hairline(ui, below, below + vec2(width, 0.0));
    }
}

/// Finds out what the sides are and compares them; `None` while there is nothing to compare.
fn compare(
    sources: &[Arc<dyn SpanSource>],
    by: CompareBy,
    sides: [String; 2],
    range: TimeRange,
    control: &QueryControl,
) -> Result<Option<Compared>, SourceError> {
    let Some(source) = sources.first() else { return Ok(None) };
    let found: Option<([String; 2], [Side; 2])> = match by {
        CompareBy::Traces => {
            traces_of(sources, &sides, control)?.map(|ids| (ids.map(|id| id.to_string()), ids.map(Side::Trace)))
        }
        CompareBy::Runs => {
            let runs = source.runs(control)?;
            sides::two_runs(&runs, &sides).map(|runs| (runs.clone().map(|run| sides::run_key(&run)), runs.map(Side::Run)))
        }
        CompareBy::Selections if sides.iter().all(String::is_empty) => None,
        CompareBy::Selections => Some((sides.clone(), sides.map(Side::Selection))),
    };
    let Some((names, [a, b])) = found else { return Ok(None) };
    let contrast = contrast(sources, &a, &b, range, control).map_err(told)?;
    let blocks = Blocks::of(&contrast.rows);
    Ok(Some(Compared { names, contrast, blocks }))
}

/// The two traces; a side that is not chosen is the trace of the same operation before the other.
fn traces_of(
    sources: &[Arc<dyn SpanSource>],
    sides: &[String; 2],
    control: &QueryControl,
) -> Result<Option<[TraceId; 2]>, SourceError> {
    let read =
        |text: &String| match Side::of(crate::ui::nav::read_link(text).map_or(text.clone(), |(id, _)| id.to_string()).as_str())
        {
            Side::Trace(id) => Ok(Some(id)),
            _ if text.is_empty() => Ok(None),
            _ => Err(SourceError::Read(format!("a trace id of 32 hex digits or a link to a trace is expected, found {text}"))),
        };
    let other = |id: TraceId| -> Result<Option<TraceId>, SourceError> {
        for source in sources {
            if let Some(found) = neighbour(&**source, id, control).map_err(told)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    };
    Ok(match (read(&sides[0])?, read(&sides[1])?) {
        (Some(a), Some(b)) => Some([a, b]),
        (None, Some(b)) => other(b)?.map(|a| [a, b]),
        (Some(a), None) => other(a)?.map(|b| [a, b]),
        (None, None) => None,
    })
}

impl View for CompareView {
    fn crumbs(&self) -> Vec<Crumb> {
        let root = self.shown().map(|shown| shown.contrast.b.root.1.to_string()).filter(|root| !root.is_empty());
        let (by, a, b) = (self.by, String::new(), String::new());
        match root.filter(|_| self.by == CompareBy::Traces) {
            Some(root) => vec![Crumb::link("Compare", Place::Compare { source: self.source, by, a, b }), Crumb::here(root)],
            None => vec![Crumb::here("Compare")],
        }
    }

    fn arrive(&mut self, place: &Place, _ctx: &mut ViewContext<'_>) {
        let Place::Compare { source, by, a, b } = place else { return };
        let sides = [a.clone(), b.clone()];
        if (self.source, self.by, &self.sides) != (*source, *by, &sides) {
            self.answer.clear();
            (self.listed, self.selected) = (Vec::new(), None);
        }
        (self.source, self.by) = (*source, *by);
        self.typed.clone_from(&sides);
        self.sides = sides;
    }

    fn supports(&self, command: Command) -> bool {
        match command {
            Command::FocusSearch | Command::RunQuery => self.by != CompareBy::Runs,
            Command::NextRow | Command::PreviousRow => !self.listed.is_empty(),
            Command::OpenRow => self.row().is_some(),
            Command::SwapSides | Command::CopyList | Command::ToggleDetails => self.shown().is_some(),
            _ => false,
        }
    }

    fn uses_range(&self) -> bool {
        self.by == CompareBy::Selections
    }

    fn ui(&mut self, ui: &mut Ui, ctx: &mut ViewContext<'_>) {
        ui.spacing_mut().item_spacing.y = 0.0;
        let theme = ctx.theme;
        self.commands(ui, ctx);
        self.update(ctx);
        let frame = Frame::new().fill(theme.panel);
        Panel::top("compare_sides").exact_size(48.0).frame(frame).show_separator_line(false).show(ui, |ui| {
            sides::toolbar(self, ui, ctx);
            if let Some((since, (done, of))) = self.answer.progress() {
                progress_line(ui, ui.max_rect(), since, done, of);
            }
        });
        let narrow = ui.ctx().content_rect().width() < NARROW;
        let whole = self.shown().is_some_and(|shown| shown.contrast.a.traces > 0 && shown.contrast.b.traces > 0);
        let area = ui.available_rect_before_wrap();
        if whole && !narrow {
            Panel::right("compare_aside")
                .resizable(true)
                .default_size(368.0)
                .size_range(part::DETAILS_MIN..=480.0)
                .frame(frame)
                .show(ui, |ui| aside::show(self, ui, ctx));
        }
        CentralPanel::default().frame(Frame::new().fill(theme.surface)).show(ui, |ui| self.body(ui, ctx));
        if whole && narrow && self.sheet {
            let width = part::DETAILS.min(area.width() - 48.0);
            let rect = Rect::from_min_max(egui::pos2(area.right() - width, area.top()), area.max);
            super::shared::sheet(ui, "compare_sheet", rect, |ui| aside::show(self, ui, ctx));
        }
    }
}
