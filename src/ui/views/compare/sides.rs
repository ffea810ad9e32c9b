//! What is compared: the choice of the two sides, and their figures.

use super::{CompareView, Compared};
use crate::engine::contrast::{ENOUGH_TRACES, SideFigures};
use crate::engine::insight::Side;
use crate::model::{DurationNs, TraceSummary, units};
use crate::source::{Field, Predicate, Run, TraceRequest};
use crate::ui::command::Command;
use crate::ui::nav::CompareBy;
use crate::ui::theme::size::{radius, space};
use crate::ui::theme::{self, Face, Icon};
use crate::ui::view::ViewContext;
use crate::ui::views::menu;
use crate::ui::widgets::{Button, IconButton, field, hairline_below, segmented, severity_badge};
use egui::{Align, Align2, Color32, Layout, Sense, Ui, UiBuilder, vec2};

/// Traces and runs that a menu lists.
const LISTED: usize = 14;

/// The row with the kind of the sides, the sides, and what can be done.
pub(super) fn toolbar(view: &mut CompareView, ui: &mut Ui, ctx: &mut ViewContext<'_>) {
    let whole = ui.max_rect();
    hairline_below(ui, whole);
    let rect = whole.shrink2(vec2(space::PANEL, 0.0));
    let mut right = ui.new_child(UiBuilder::new().max_rect(rect).layout(Layout::right_to_left(Align::Center)));
    right.spacing_mut().item_spacing.x = 6.0;
    let some = view.shown().is_some();
    if some {
        let copy = IconButton::new(Icon::Copy, Command::CopyList.text()).keys(Command::CopyList.keys_text());
        if copy.show(&mut right).clicked() {
            view.copy(ctx);
        }
        let swap = IconButton::new(Icon::Redo, Command::SwapSides.text()).keys(Command::SwapSides.keys_text());
        if swap.show(&mut right).clicked() {
            view.swap(ctx);
        }
        let name = if whole.width() < 1_040.0 { "Attributes that differ" } else { "" };
        if !name.is_empty() && IconButton::new(Icon::Filter, name).on(view.sheet).show(&mut right).clicked() {
            view.sheet = !view.sheet;
        }
    }
    let place = rect.with_max_x(right.min_rect().left() - 8.0);
    let mut left = ui.new_child(UiBuilder::new().max_rect(place).layout(Layout::left_to_right(Align::Center)));
    left.spacing_mut().item_spacing.x = 8.0;
    let mut by = view.by;
    let choices = CompareBy::ALL.map(|(by, _, text)| (by, text));
    if segmented(&mut left, &mut by, &choices) {
        view.set_by(by, ctx);
    }
    let each = ((place.right() - left.cursor().left() - 24.0) / 2.0).max(140.0);
    for side in 0..2 {
        let at = egui::Rect::from_min_size(left.cursor().min.max(egui::pos2(0.0, place.top())), vec2(each, place.height()));
        let mut child =
            left.new_child(UiBuilder::new().id_salt(("side", side)).max_rect(at).layout(Layout::left_to_right(Align::Center)));
        child.spacing_mut().item_spacing.x = 6.0;
        letter(&mut child, side);
        match view.by {
            CompareBy::Runs => run_menu(view, &mut child, ctx, side),
            _ => text_side(view, &mut child, ctx, side, each),
        }
        left.allocate_rect(at, Sense::hover());
    }
    view.focus = false;
}

/// A or B in its square: B in the accent, as the side that is looked into.
fn letter(ui: &mut Ui, side: usize) {
    let theme = theme::of(ui.ctx());
    let (rect, _) = ui.allocate_exact_size(vec2(20.0, 20.0), Sense::hover());
    let (fill, text) =
        if side == 0 { (theme.hairline_strong, theme.text_strong) } else { (theme.accent_fill, theme.text_on_accent) };
    ui.painter().rect_filled(rect, radius::CHIP, fill);
    ui.painter().text(rect.center(), Align2::CENTER_CENTER, ["A", "B"][side], Face::Caption.font(), text);
}

/// A field for a trace id or a query, with a menu of traces beside it.
fn text_side(view: &mut CompareView, ui: &mut Ui, ctx: &mut ViewContext<'_>, side: usize, width: f32) {
    let traces = view.by == CompareBy::Traces;
    let resolved = view.shown().map(|shown| shown.names[side].clone()).filter(|_| traces).unwrap_or_default();
    let placeholder = match (traces, resolved.is_empty()) {
        (true, false) => resolved,
        (true, true) => "Trace id or link".to_owned(),
        (false, _) => ["service.version = 2.13.2", "service.version = 2.14.0"][side].to_owned(),
    };
    let name = format!("{} of side {}", if traces { "Trace" } else { "Query" }, ["A", "B"][side]);
    let room = width - 26.0 - if traces { 36.0 } else { 0.0 };
    let mut typed = std::mem::take(&mut view.typed[side]);
    let response = field(ui, &mut typed, &name, &placeholder, None, room);
    view.typed[side] = typed;
    if view.focus && side == 0 {
        response.request_focus();
    }
    if response.lost_focus() && view.typed[side].trim() != view.sides[side] {
        let text = view.typed[side].clone();
        view.set_side(side, &text, ctx);
    }
    if traces {
        trace_menu(view, ui, ctx, side);
    }
}

/// Traces of the same operation as the other side's, newest first.
fn trace_menu(view: &mut CompareView, ui: &mut Ui, ctx: &mut ViewContext<'_>, side: usize) {
    let name = format!("Choose trace {}", ["A", "B"][side]);
    let button = IconButton::new(Icon::Down, &name).show(ui);
    if button.clicked()
        && let Some(source) = ctx.engine.source(view.source).map(|source| source.spans)
    {
        let root = view.shown().map(|shown| [&shown.contrast.a, &shown.contrast.b][1 - side].root.clone());
        view.traces = ctx.engine.ask(move |control| {
            let root = root.filter(|(service, name)| !service.is_empty() && !name.is_empty());
            let mut request = TraceRequest { limit: 10 * LISTED, ..TraceRequest::default() };
            if let Some((service, name)) = &root {
                request.predicate = Predicate::equals(Field::Service, service).and(Predicate::equals(Field::Name, name));
            }
            let mut traces = source.traces(&request, control)?.traces;
            traces.retain(|trace| {
                root.as_ref().is_none_or(|(service, name)| trace.root_service == *service && trace.root_name == *name)
            });
            traces.truncate(LISTED);
            Ok(traces)
        });
    }
    view.traces.poll();
    let known = view.traces.ready().cloned();
    let picked = menu::menu(&button, 340.0, |ui| {
        let mut picked = None;
        for trace in known.iter().flat_map(|known| known.iter()) {
            let id = trace.trace_id.to_string();
            if menu::item(ui, &trace_line(trace, ctx), Some(&units::duration(trace.duration)), view.sides[side] == id) {
                picked = Some(id);
            }
        }
        if known.as_ref().is_none_or(|known| known.is_empty()) {
            ui.label(theme::text("No traces to choose from", Face::Small, ctx.theme.text_faint));
        }
        picked
    });
    if let Some(Some(id)) = picked {
        view.set_side(side, &id, ctx);
    }
}

fn trace_line(trace: &TraceSummary, ctx: &ViewContext<'_>) -> String {
    let failed = if trace.errors > 0 { ", failed" } else { "" };
    let id = trace.trace_id.to_string();
    format!("{}  {}{failed}  {}", units::time_of_day(trace.start, ctx.zone), trace.root_name, &id[id.len().saturating_sub(6)..])
}

fn run_menu(view: &mut CompareView, ui: &mut Ui, ctx: &mut ViewContext<'_>, side: usize) {
    let chosen = view.shown().map_or_else(|| view.sides[side].clone(), |shown| shown.names[side].clone());
    let known = view.runs.ready().cloned();
    let text = known.as_ref().and_then(|known| known.iter().find(|run| run_key(run) == chosen)).map_or_else(
        || if chosen.is_empty() { "Choose a run".to_owned() } else { short_run(&chosen) },
        |run| run_line(run, ctx),
    );
    let name = format!("Choose run {}", ["A", "B"][side]);
    let button = Button::new(&text).small().after(Icon::Down).named(&name).show(ui);
    if (button.clicked() || matches!(view.runs, crate::engine::Query::Idle))
        && let Some(source) = ctx.engine.source(view.source).map(|source| source.spans)
    {
        view.runs = ctx.engine.ask(move |control| source.runs(control));
    }
    view.runs.poll();
    let picked = menu::menu(&button, 360.0, |ui| {
        let mut picked = None;
        for run in known.iter().flat_map(|known| known.iter()).take(LISTED) {
            let spans = format!("{} spans", units::count(run.spans));
            let key = run_key(run);
            if menu::item(ui, &run_line(run, ctx), Some(&spans), key == chosen) {
                picked = Some(key);
            }
        }
        picked
    });
    if let Some(Some(key)) = picked {
        view.set_side(side, &key, ctx);
    }
}

fn run_line(run: &Run, ctx: &ViewContext<'_>) -> String {
    let version = if run.version.is_empty() { String::new() } else { format!(" {}", run.version) };
    let started = units::time_of_day(run.first_seen, ctx.zone);
    format!("{}{version}, started {}", run.service, started.split('.').next().unwrap_or(&started))
}

fn short_run(key: &str) -> String {
    key.split('\u{1f}').next().unwrap_or(key).to_owned()
}

/// What a run is called in a place: service, instance and start, so that a restart is another one.
pub(super) fn run_key(run: &Run) -> String {
    format!("{}\u{1f}{}\u{1f}{}", run.service, run.instance, run.first_seen.0)
}

/// The two runs that the sides name; of what is not named, the latest run that has one before it, and that one.
pub(super) fn two_runs(runs: &[Run], sides: &[String; 2]) -> Option<[Run; 2]> {
    let named = |side: &String| runs.iter().find(|run| run_key(run) == *side);
    let before = |run: &Run| {
        let same = runs.iter().filter(|other| other.service == run.service && other.first_seen < run.first_seen);
        same.max_by_key(|other| other.first_seen)
    };
    let (a, b) = match (named(&sides[0]), named(&sides[1])) {
        (Some(a), Some(b)) => (a, b),
        (None, Some(b)) => (before(b)?, b),
        (Some(a), None) => {
            let later = runs.iter().filter(|run| run.service == a.service && run_key(run) != sides[0]);
            (a, later.max_by_key(|run| run.first_seen)?)
        }
        (None, None) => {
            let b = runs.iter().filter(|run| before(run).is_some()).max_by_key(|run| (run.first_seen, run.spans))?;
            (before(b)?, b)
        }
    };
    Some([a.clone(), b.clone()])
}

/// The two lines over the graph: what each side is, how long, and how they differ in a word.
pub(super) fn figures(ui: &mut Ui, ctx: &ViewContext<'_>, shown: &Compared) {
    let theme = ctx.theme;
    let contrast = &shown.contrast;
    let (whole, _) = ui.allocate_exact_size(vec2(ui.available_width(), 64.0), Sense::hover());
    hairline_below(ui, whole);
    let rect = whole.shrink2(vec2(space::PANEL, 4.0));
    let mut right = ui.new_child(UiBuilder::new().max_rect(rect).layout(Layout::top_down(Align::Max)));
    right.spacing_mut().item_spacing.y = 2.0;
    let (word, colour, fill) = verdict(contrast.a.duration_ns, contrast.b.duration_ns, theme);
    right.add_space(4.0);
    crate::ui::widgets::chip(&mut right, &word, fill, colour, None);
    if contrast.is_thin() {
        let few = contrast.a.traces.min(contrast.b.traces);
        let noun = if few == 1 { "trace" } else { "traces" };
        let text = format!("{few} {noun} on a side: may be chance");
        severity_badge(&mut right, crate::ui::view::Level::Info, &text)
            .on_hover_text(format!("From {ENOUGH_TRACES} traces on each side on, what is seen here is seldom chance"));
    }
    let place = rect.with_max_x(right.min_rect().left() - 12.0);
    let mut left = ui.new_child(UiBuilder::new().max_rect(place).layout(Layout::top_down(Align::Min)));
    left.shrink_clip_rect(place);
    left.spacing_mut().item_spacing.y = 0.0;
    for (side, figures) in [&contrast.a, &contrast.b].into_iter().enumerate() {
        left.horizontal(|ui| {
            ui.set_height(28.0);
            ui.spacing_mut().item_spacing.x = 8.0;
            letter(ui, side);
            ui.label(theme::text(side_title(&shown.names[side], figures), Face::BodyMedium, theme.text_strong));
            ui.label(theme::text(side_figures(figures, ctx), Face::Small, theme.text_subdued));
            ui.label(theme::text(units::duration(DurationNs(figures.duration_ns)), Face::BodyMedium, theme.text_strong));
        });
    }
}

fn side_title(name: &str, figures: &SideFigures) -> String {
    match Side::of(name) {
        Side::Trace(_) => figures.root.1.to_string(),
        _ if name.contains('\u{1f}') => short_run(name),
        _ if name.is_empty() => "All traces".to_owned(),
        _ => name.to_owned(),
    }
}

fn side_figures(figures: &SideFigures, ctx: &ViewContext<'_>) -> String {
    let when = units::day_and_time(figures.start, ctx.zone);
    let (spans, errors) = (units::count(figures.spans), units::count(figures.errors));
    match figures.traces {
        1 => format!("{when}, {spans} spans, {errors} errors"),
        traces => format!("{} traces, {spans} spans, {errors} errors, mean", units::count(traces)),
    }
}

/// `+1.83 s, ×4.8 slower`, with its colour and background.
pub(super) fn verdict(a: i64, b: i64, theme: &theme::Theme) -> (String, Color32, Color32) {
    let change = b - a;
    let close = change.abs() * 50 < a.max(b);
    if close || a <= 0 || b <= 0 {
        return ("about as long".to_owned(), theme.text_subdued, theme.raised);
    }
    let times = units::factor(if b > a { b as f64 / a as f64 } else { a as f64 / b as f64 });
    let said = units::duration_change(DurationNs(change));
    if change > 0 {
        (format!("{said}, {times} as long"), theme.error, theme.error_soft)
    } else {
        (format!("{said}, {times} faster"), theme.success, theme.success_soft)
    }
}
