//! The graph: a line a series, local time below, a crosshair with the values at a moment, a drag that zooms the range.
//!
//! There are at most as many points as steps, and steps are at least half a point of the screen apart.

use super::ask::{Line, Outcome};
use super::{ExploreView, key_of};
use crate::engine::WORKSPACE;
use crate::model::{DurationNs, UnixNanos, units};
use crate::source::TimeRange;
use crate::ui::nav::Place;
use crate::ui::theme::size::{radius, stroke};
use crate::ui::theme::{Face, SERIES, Theme};
use crate::ui::view::{Request, ViewContext};
use egui::{Align2, Color32, Id, Rect, Role, Sense, Stroke, StrokeKind, Ui, WidgetInfo, pos2, vec2};
use egui_plot::{AxisHints, GridInput, GridMark, Plot, PlotPoints, PlotTransform};

/// Lines of the crosshair's list.
const LISTED: usize = 12;
/// Distance in points from which an exemplar is under the pointer.
const NEAR: f32 = 7.0;
/// A drag shorter than this is a click, points.
const SHORTEST_DRAG: f32 = 6.0;
const MS: i64 = 1_000_000;

/// Which of the series colours a line has.
pub(super) fn colour(theme: &Theme, ctx: &ViewContext<'_>, line: &Line, number: usize) -> Color32 {
    let index = match &line.service {
        Some(service) => usize::from(ctx.services.of(service).index),
        None => number % SERIES,
    };
    theme.series[index].line
}

/// Draws it over what is left of `ui`.
pub(super) fn show(view: &mut ExploreView, ui: &mut Ui, ctx: &mut ViewContext<'_>, outcome: &Outcome) {
    let theme = ctx.theme;
    let times = outcome.times;
    let start = UnixNanos(times.start * MS);
    let length = ((times.end - times.start) as f64 / 1e3).max(1.0);
    let moment = move |x: f64| UnixNanos(start.0 + (x * 1e9) as i64);
    let zone = ctx.zone.clone();
    let drawn: Vec<(usize, &Line)> = outcome
        .ran()
        .flat_map(|ran| ran.lines.iter().map(move |line| (ran.row, line)))
        .enumerate()
        .map(|(at, (_, line))| (at, line))
        .collect();
    let rows: Vec<usize> = outcome.ran().flat_map(|ran| ran.lines.iter().map(move |_| ran.row)).collect();
    let shown: Vec<(usize, &Line)> =
        drawn.iter().filter(|(at, line)| view.is_shown(&key_of(rows[*at], &line.labels))).copied().collect();
    let (low, high) = bounds(shown.iter().map(|(_, line)| *line));
    let hot = view.hot.clone();
    let zone_of_axis = zone.clone();
    let x_axis =
        AxisHints::new_x().formatter(move |mark: GridMark, _: &_| tick(moment(mark.value), mark.step_size, &zone_of_axis));
    let y_axis = AxisHints::new_y().formatter(|mark: GridMark, _: &_| units::figure(tidy(mark))).min_thickness(52.0);
    let offset = zone_offset(start, &zone);
    let plot = Plot::new("explore_plot")
        .custom_x_axes(vec![x_axis])
        .custom_y_axes(vec![y_axis])
        .x_grid_spacer(move |input| time_grid(input, start, offset))
        .allow_zoom(false)
        .allow_scroll(false)
        .allow_drag(false)
        .allow_axis_zoom_drag(false)
        .allow_boxed_zoom(false)
        .allow_double_click_reset(false)
        .show_background(false)
        .show_crosshair(false)
        .grid_color(theme.plot_grid)
        .label_formatter(|_: &_| None)
        .sense(Sense::click_and_drag())
        .set_margin_fraction(vec2(0.0, 0.0));
    ui.visuals_mut().override_text_color = Some(theme.text_faint);
    let lines: Vec<(&Line, Color32, f32)> = shown
        .iter()
        .map(|(at, line)| {
            let is_hot = hot.as_ref() == Some(&key_of(rows[*at], &line.labels));
            (*line, colour(theme, ctx, line, *at), if is_hot { stroke::PLOT_HOVER } else { stroke::PLOT })
        })
        .collect();
    let dots: Vec<&super::ask::Dot> =
        if view.exemplars { outcome.ran().flat_map(|ran| &ran.dots).collect() } else { Vec::new() };
    let answer = plot.show(ui, |plot| {
        plot.set_plot_bounds_x(0.0..=length);
        plot.set_plot_bounds_y(low..=high);
        for (line, colour, width) in &lines {
            for piece in &line.pieces {
                if let [single] = piece.as_slice() {
                    let point = vec![[single.x, single.y]];
                    plot.points(egui_plot::Points::new("", point).radius(2.0).color(*colour).allow_hover(false));
                } else {
                    let points = PlotPoints::Borrowed(piece);
                    plot.line(egui_plot::Line::new("", points).color(*colour).width(*width).allow_hover(false));
                }
            }
        }
    });
    let (response, transform) = (answer.response, answer.transform);
    let said = format!("Graph of {} series", lines.len());
    response.widget_info(|| WidgetInfo::labeled(Role::Image, true, said.as_str()));
    let frame = *transform.frame();
    let near = exemplars(ui, theme, &dots, &transform, frame, response.hover_pos());
    drag(view, ui, ctx, &response, &transform, moment);
    let Some(pointer) = response.hover_pos().filter(|at| frame.contains(*at)) else { return };
    if let Some(dot) = near {
        if let Some(id) = dot.trace {
            ui.ctx().set_cursor_icon(egui::CursorIcon::PointingHand);
            if response.clicked() {
                ctx.go(Place::trace(WORKSPACE, id));
            }
        }
        let trace = dot.trace.map_or_else(String::new, |id| format!(", trace {id}. Click opens it"));
        let text = format!("Exemplar {}{trace}", units::figure(dot.y));
        let rows = vec![(theme.text_strong, text, String::new())];
        tooltip(ui, theme, frame, pointer, &units::day_and_time(moment(dot.x), &zone), &rows);
        return;
    }
    if view.drag.is_none() {
        crosshair(ui, ctx, &transform, pointer, &lines, times.step, moment);
    }
}

/// Least and greatest value with some air; zero is in when it is near.
fn bounds<'a>(lines: impl Iterator<Item = &'a Line>) -> (f64, f64) {
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    for line in lines.filter(|line| line.min.is_finite()) {
        (low, high) = (low.min(line.min), high.max(line.max));
    }
    if !low.is_finite() {
        return (0.0, 1.0);
    }
    if low > 0.0 && (low == high || low < high * 0.6) {
        low = 0.0;
    }
    let air = (high - low) * 0.06;
    let air = if air > 0.0 { air } else { 1.0 };
    (if low == 0.0 { 0.0 } else { low - air }, high + air)
}

/// Seconds that the zone is ahead at a moment.
fn zone_offset(at: UnixNanos, zone: &jiff::tz::TimeZone) -> i64 {
    let time = jiff::Timestamp::from_second(at.0.div_euclid(1_000_000_000)).unwrap_or_default();
    i64::from(zone.to_offset(time).seconds())
}

/// Marks at round local times, a label's width apart.
fn time_grid(input: GridInput, start: UnixNanos, offset_s: i64) -> Vec<GridMark> {
    let step = units::nice_step(DurationNs((input.base_step_size * 8.0 * 1e9).max(1e9) as i64)).0 as f64 / 1e9;
    let start_s = start.0 as f64 / 1e9 + offset_s as f64;
    let first = ((start_s + input.bounds.0) / step).ceil() as i64;
    let last = ((start_s + input.bounds.1) / step).floor() as i64;
    (first..=last).take(200).map(|at| GridMark { value: at as f64 * step - start_s, step_size: step }).collect()
}

fn tick(time: UnixNanos, step_s: f64, zone: &jiff::tz::TimeZone) -> String {
    // Rounding of the mark may fall a hair short of the second.
    let time = UnixNanos(time.0 + 500 * MS);
    if step_s >= 86_400.0 {
        let text = units::day_and_minute(time, zone);
        return text.rsplit_once(' ').map_or(text.clone(), |(day, _)| day.to_owned());
    }
    let text = units::time_of_day(time, zone);
    text[..if step_s < 60.0 { 8 } else { 5 }].to_owned()
}

/// A mark that is zero but for rounding is zero.
fn tidy(mark: GridMark) -> f64 {
    if mark.value.abs() < mark.step_size * 1e-6 { 0.0 } else { (mark.value / mark.step_size).round() * mark.step_size }
}

fn exemplars<'a>(
    ui: &Ui,
    theme: &Theme,
    dots: &[&'a super::ask::Dot],
    transform: &PlotTransform,
    frame: Rect,
    pointer: Option<egui::Pos2>,
) -> Option<&'a super::ask::Dot> {
    let painter = ui.painter().with_clip_rect(frame);
    let mut near = None;
    for dot in dots {
        let at = transform.position_from_point(&egui_plot::PlotPoint { x: dot.x, y: dot.y });
        // A value beyond the scale is shown at its edge: what counts is that there is one.
        let at = pos2(at.x, at.y.clamp(frame.top() + 5.0, frame.bottom() - 5.0));
        let hot = pointer.is_some_and(|pointer| pointer.distance(at) <= NEAR);
        let size = if hot { 5.0 } else { 3.5 };
        let corners = vec![at - vec2(0.0, size), at + vec2(size, 0.0), at + vec2(0.0, size), at - vec2(size, 0.0)];
        let fill = if hot { theme.accent } else { theme.text_strong };
        painter.add(egui::Shape::convex_polygon(corners, fill, Stroke::new(1.0, theme.surface)));
        if hot {
            near = Some(*dot);
        }
    }
    near
}

fn drag(
    view: &mut ExploreView,
    ui: &Ui,
    ctx: &mut ViewContext<'_>,
    response: &egui::Response,
    transform: &PlotTransform,
    moment: impl Fn(f64) -> UnixNanos,
) {
    let theme = ctx.theme;
    if response.drag_started() {
        view.drag = ui.input(|input| input.pointer.press_origin()).map(|at| at.x);
    }
    let Some(from) = view.drag else { return };
    let frame = transform.frame();
    let Some(to) = response.interact_pointer_pos().map(|at| at.x.clamp(frame.left(), frame.right())) else {
        view.drag = None;
        return;
    };
    let (left, right) = (from.min(to), from.max(to));
    if ui.input(|input| input.key_pressed(egui::Key::Escape)) {
        view.drag = None;
        return;
    }
    let at = |x: f32| moment(transform.value_from_position(pos2(x, frame.top())).x);
    if response.drag_stopped() {
        view.drag = None;
        if right - left >= SHORTEST_DRAG {
            ctx.requests.push(Request::Zoom(TimeRange { start: at(left), end: at(right) }));
        }
        return;
    }
    let band = Rect::from_min_max(pos2(left, frame.top()), pos2(right, frame.bottom()));
    ui.painter().rect(band, 0.0, theme.accent.gamma_multiply(0.14), Stroke::new(1.0, theme.accent), StrokeKind::Inside);
    let text = units::duration(DurationNs(at(right).since(at(left)).0));
    ui.painter().text(band.left_top() + vec2(6.0, 6.0), Align2::LEFT_TOP, text, Face::Caption.font(), theme.text_strong);
}

fn crosshair(
    ui: &Ui,
    ctx: &ViewContext<'_>,
    transform: &PlotTransform,
    pointer: egui::Pos2,
    lines: &[(&Line, Color32, f32)],
    step: i64,
    moment: impl Fn(f64) -> UnixNanos,
) {
    let theme = ctx.theme;
    let step = step as f64 / 1e3;
    let x = (transform.value_from_position(pointer).x / step).round() * step;
    let frame = *transform.frame();
    let at = transform.position_from_point_x(x);
    let painter = ui.painter().with_clip_rect(frame);
    painter.vline(at, frame.y_range(), Stroke::new(1.0, theme.plot_crosshair));
    let mut values: Vec<(f64, Color32, &Line)> =
        lines.iter().filter_map(|(line, colour, _)| Some((line.at(x, step / 2.0)?, *colour, *line))).collect();
    values.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut rows = Vec::new();
    for (value, colour, line) in values.iter().take(LISTED) {
        let y = transform.position_from_point(&egui_plot::PlotPoint { x, y: *value }).y;
        painter.circle(pos2(at, y), 3.0, *colour, Stroke::new(1.0, theme.surface));
        rows.push((*colour, short_name(&line.name), units::figure(*value)));
    }
    if values.len() > LISTED {
        rows.push((theme.text_faint, format!("and {} more", values.len() - LISTED), String::new()));
    }
    if values.is_empty() {
        rows.push((theme.text_faint, "no value here".to_owned(), String::new()));
    }
    let title = units::day_and_time(moment(x), ctx.zone);
    let title = title.split_once('.').map_or(title.as_str(), |(whole, _)| whole).to_owned();
    tooltip(ui, theme, frame, pos2(at, pointer.y), &title, &rows);
}

/// A name without the metric when labels tell series apart.
fn short_name(name: &str) -> String {
    let braces = name.find('{').map(|at| &name[at + 1..name.len() - 1]).filter(|inside| !inside.is_empty());
    let text = braces.unwrap_or(name);
    if text.chars().count() > 64 { format!("{}\u{2026}", text.chars().take(63).collect::<String>()) } else { text.to_owned() }
}

fn tooltip(ui: &Ui, theme: &Theme, frame: Rect, at: egui::Pos2, title: &str, rows: &[(Color32, String, String)]) {
    let layer = egui::LayerId::new(egui::Order::Tooltip, Id::unique("explore_crosshair"));
    let painter = ui.ctx().layer_painter(layer);
    let title = painter.layout_no_wrap(title.to_owned(), Face::Small.font(), theme.text_subdued);
    let laid: Vec<_> = rows
        .iter()
        .map(|(colour, name, value)| {
            let name = painter.layout_no_wrap(name.clone(), Face::MonoSmall.font(), theme.text);
            let value = painter.layout_no_wrap(value.clone(), Face::Caption.font(), theme.text_strong);
            (*colour, name, value)
        })
        .collect();
    let widest = laid.iter().map(|(_, name, value)| name.size().x + value.size().x).fold(0.0, f32::max);
    let width = (widest + 44.0).max(title.size().x + 20.0);
    let height = 14.0 + 18.0 * (rows.len() as f32 + 1.0);
    let left = if at.x + 14.0 + width > frame.right() { (at.x - 14.0 - width).max(4.0) } else { at.x + 14.0 };
    let top = (at.y - height / 2.0).clamp(frame.top(), (frame.bottom() - height).max(frame.top()));
    let rect = Rect::from_min_size(pos2(left, top), vec2(width, height));
    let shadow = egui::Shadow { offset: [0, 4], blur: 8, spread: 0, color: theme.shadow };
    painter.add(shadow.as_shape(rect, radius::POPUP));
    painter.rect(rect, radius::POPUP, theme.raised, Stroke::new(1.0, theme.hairline_strong), StrokeKind::Inside);
    painter.galley(rect.min + vec2(10.0, 8.0), title, theme.text_subdued);
    for (at, (colour, name, value)) in laid.into_iter().enumerate() {
        let middle = rect.top() + 8.0 + 18.0 * (at as f32 + 1.0) + 8.0;
        let swatch = Rect::from_center_size(pos2(rect.left() + 15.0, middle), vec2(8.0, 8.0));
        painter.rect_filled(swatch, 2.0, colour);
        painter.galley(pos2(rect.left() + 26.0, middle - name.size().y / 2.0), name, theme.text);
        painter.galley(pos2(rect.right() - 10.0 - value.size().x, middle - value.size().y / 2.0), value, theme.text_strong);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_lie_on_round_local_times() {
        // 10:07:30 UTC, two hours ahead, a quarter of an hour over a thousand points.
        let start = UnixNanos(1_761_127_650_000_000_000);
        let input = GridInput { bounds: (0.0, 900.0), base_step_size: 9.0 };
        let marks = time_grid(input, start, 7_200);
        assert!(marks.len() >= 5 && marks.len() <= 12, "{}", marks.len());
        let zone = jiff::tz::TimeZone::fixed(jiff::tz::offset(2));
        let texts: Vec<String> =
            marks.iter().map(|mark| tick(UnixNanos(start.0 + (mark.value * 1e9) as i64), mark.step_size, &zone)).collect();
        assert_eq!(texts[0], "12:08");
        assert!(texts.windows(2).all(|pair| pair[0] < pair[1]), "{texts:?}");
    }

    #[test]
    fn names_are_short_where_labels_tell() {
        assert_eq!(short_name("up{job=\"a\"}"), "job=\"a\"");
        assert_eq!(short_name("up"), "up");
        assert_eq!(short_name("{}"), "{}");
    }
}
