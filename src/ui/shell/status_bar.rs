//! The status bar: doors, rates and losses at the left, size on disk at the right. Only figures that are real.

use crate::engine::{DoorState, DoorStatus};
use crate::model::{Door, units};
use crate::ui::nav::{Place, SettingsPage};
use crate::ui::state::State;
use crate::ui::theme::{self, Face, Icon, Theme};
use crate::ui::view::Request;
use crate::ui::widgets::focus_ring;
use egui::{Color32, Rect, Role, Sense, Shape, Stroke, Ui, WidgetInfo, pos2, vec2};

/// What stands before the text of a segment.
enum Mark<'a> {
    None,
    Dot(Color32),
    Icon(Icon),
    Spark(&'a [f32]),
}

struct Segment<'a> {
    mark: Mark<'a>,
    strong: String,
    text: String,
    hint: String,
    colour: Color32,
    place: Place,
    /// Lower ranks leave first when space is short.
    rank: u8,
}

/// Draws it over the whole of `ui`.
pub fn show(ui: &mut Ui, state: &mut State) {
    let rect = ui.max_rect();
    let theme = theme::of(ui.ctx());
    theme::paint_hairline(ui, rect.left_top(), rect.right_top());
    let facts = state.facts.clone();
    let pulse = &facts.pulse;
    if pulse.spans_per_s + pulse.samples_per_s + pulse.logs_per_s > 0.0 && state.live {
        // Rates fall to zero by themselves; nothing else would wake the window for it.
        ui.ctx().request_repaint_after(std::time::Duration::from_secs(1));
    }
    let mut left = doors(theme, &facts.doors);
    if facts.workspace.is_some() || !facts.doors.is_empty() {
        left.extend(figures(theme, &facts.pulse));
    }
    let right = storage(theme, &facts);
    let mut clicked = None;
    let mut x = rect.left() + 4.0;
    let right_width: f32 = right.iter().map(|segment| width(ui, segment)).sum();
    let room = rect.width() - 8.0 - right_width;
    drop_until_fits(ui, &mut left, room);
    for segment in &left {
        let place = draw(ui, segment, &mut x, rect, true);
        clicked = clicked.or(place);
    }
    let mut x = rect.right() - 4.0 - right_width;
    for segment in &right {
        let place = draw(ui, segment, &mut x, rect, false);
        clicked = clicked.or(place);
    }
    if let Some(place) = clicked {
        state.requests.push(Request::Go(place));
    }
}

/// Segments of the lowest rank leave, last first, until the rest fits.
fn drop_until_fits(ui: &Ui, segments: &mut Vec<Segment<'_>>, room: f32) {
    while segments.iter().map(|segment| width(ui, segment)).sum::<f32>() > room {
        let Some(lowest) = segments.iter().map(|segment| segment.rank).min() else { return };
        if let Some(last) = segments.iter().rposition(|segment| segment.rank == lowest) {
            segments.remove(last);
        }
    }
}

/// The two OTLP doors share a segment while both are well.
fn doors<'a>(theme: &Theme, doors: &[DoorStatus]) -> Vec<Segment<'a>> {
    let place = Place::Settings(SettingsPage::Doors);
    let port = |door: Door| {
        doors.iter().find(|status| status.door == door).and_then(|status| match &status.state {
            DoorState::Open(addresses) => addresses.first().map(std::net::SocketAddr::port),
            _ => None,
        })
    };
    let mut segments = Vec::new();
    let pair = port(Door::OtlpGrpc).zip(port(Door::OtlpHttp));
    if let Some((grpc, http)) = pair {
        segments.push(Segment {
            mark: Mark::Dot(theme.success),
            strong: String::new(),
            text: format!("OTLP {grpc} {http}"),
            hint: format!("Receiving OTLP over gRPC on {grpc} and over HTTP on {http}"),
            colour: theme.text_subdued,
            place: place.clone(),
            rank: 9,
        });
    }
    for status in doors {
        if pair.is_some() && matches!(status.door, Door::OtlpGrpc | Door::OtlpHttp) {
            continue;
        }
        let name = door_name(status.door);
        let (colour, text, hint) = match &status.state {
            DoorState::Closed => continue,
            DoorState::Open(addresses) => {
                let port = addresses.first().map(|address| address.port().to_string()).unwrap_or_default();
                (theme.success, format!("{name} {port}"), format!("{name} listens on {port}"))
            }
            DoorState::Busy { address, holder, .. } => {
                let who = if holder.is_empty() { "another program" } else { holder };
                let text = format!("{name} {} busy", address.port());
                (theme.error, text, format!("Port {} is used by {who}", address.port()))
            }
            DoorState::Failed(reason) => (theme.error, format!("{name} failed"), reason.clone()),
        };
        let place = place.clone();
        let text_colour = if colour == theme.error { theme.error } else { theme.text_subdued };
        let mark = Mark::Dot(colour);
        segments.push(Segment { mark, strong: String::new(), text, hint, colour: text_colour, place, rank: 9 });
    }
    segments
}

/// The short name of a door.
pub fn door_name(door: Door) -> &'static str {
    match door {
        Door::OtlpGrpc => "OTLP gRPC",
        Door::OtlpHttp => "OTLP HTTP",
        Door::Api => "API",
        Door::Zipkin => "Zipkin",
        Door::JaegerThrift => "Jaeger",
        Door::JaegerUdp => "Jaeger UDP",
        Door::Datadog => "Datadog",
        Door::Statsd => "StatsD",
        Door::Sampling => "Sampling",
        Door::Import => "Import",
        Door::Own => "Belvedere",
        Door::Scrape => "Scrape",
    }
}

fn figures<'a>(theme: &Theme, pulse: &'a crate::engine::Pulse) -> Vec<Segment<'a>> {
    let figure = |mark, value: f64, unit: &str, hint: &str, rank| Segment {
        mark,
        strong: units::count(value.round() as u64),
        text: unit.to_owned(),
        hint: hint.to_owned(),
        colour: theme.text_subdued,
        place: Place::HOME,
        rank,
    };
    let spark = if pulse.spark.iter().any(|value| *value > 0.0) { Mark::Spark(&pulse.spark) } else { Mark::None };
    let lost = pulse.dropped > 0;
    vec![
        figure(spark, pulse.spans_per_s, "spans/s", "Spans received over the last seconds", 3),
        figure(Mark::None, pulse.samples_per_s, "samples/s", "Metric points received over the last seconds", 2),
        figure(Mark::None, pulse.logs_per_s, "logs/s", "Log records received over the last seconds", 1),
        Segment {
            mark: if lost { Mark::Icon(Icon::Warn) } else { Mark::None },
            strong: String::new(),
            text: format!("{} dropped", units::count(pulse.dropped)),
            hint: "Rejected or lost since start, by service".to_owned(),
            colour: if lost { theme.error } else { theme.text_subdued },
            place: Place::Settings(SettingsPage::Storage),
            rank: 8,
        },
    ]
}

fn storage<'a>(theme: &Theme, facts: &crate::ui::facts::Facts) -> Vec<Segment<'a>> {
    let Some(workspace) = &facts.workspace else { return Vec::new() };
    let pulse = &facts.pulse;
    let place = Place::Settings(SettingsPage::Storage);
    let size = units::bytes(pulse.disk_bytes);
    let text = match pulse.disk_limit {
        0 => format!("{} {size}", workspace.name),
        limit => format!("{} {size} of {}", workspace.name, units::bytes(limit)),
    };
    let mut segments = Vec::new();
    if let Some(problem) = &pulse.write_problem {
        segments.push(Segment {
            mark: Mark::Icon(Icon::Error),
            strong: String::new(),
            text: "Writing stopped".to_owned(),
            hint: problem.clone(),
            colour: theme.error,
            place: place.clone(),
            rank: 9,
        });
    }
    segments.push(Segment {
        mark: Mark::Icon(Icon::Database),
        strong: String::new(),
        text,
        hint: workspace.dir.display().to_string(),
        colour: theme.text_subdued,
        place,
        rank: 5,
    });
    segments
}

fn mark_width(mark: &Mark<'_>) -> f32 {
    match mark {
        Mark::None => 0.0,
        Mark::Dot(_) => 14.0,
        Mark::Icon(_) => 20.0,
        Mark::Spark(_) => 52.0,
    }
}

fn strong_font() -> egui::FontId {
    egui::FontId::new(12.0, Face::BodyMedium.font().family)
}

fn width(ui: &Ui, segment: &Segment<'_>) -> f32 {
    let text = ui.painter().layout_no_wrap(segment.text.clone(), Face::Small.font(), Color32::PLACEHOLDER).size().x;
    let strong = if segment.strong.is_empty() {
        0.0
    } else {
        ui.painter().layout_no_wrap(segment.strong.clone(), strong_font(), Color32::PLACEHOLDER).size().x + 4.0
    };
    (20.0 + mark_width(&segment.mark) + strong + text).ceil()
}

fn draw(ui: &Ui, segment: &Segment<'_>, x: &mut f32, bar: Rect, line_after: bool) -> Option<Place> {
    let theme = theme::of(ui.ctx());
    let cell = Rect::from_min_size(pos2(*x, bar.top() + 1.0), vec2(width(ui, segment), bar.height() - 1.0));
    *x = cell.right();
    let response = ui.interact(cell, ui.scope_id().with(&segment.hint), Sense::click());
    let name = if segment.strong.is_empty() { segment.text.clone() } else { format!("{} {}", segment.strong, segment.text) };
    response.widget_info(|| WidgetInfo::labeled(Role::Button, true, &name));
    if response.hovered() {
        ui.painter().rect_filled(cell, 0.0, theme.hover);
    }
    let middle = cell.center().y;
    let mut at = cell.left() + 10.0;
    match &segment.mark {
        Mark::None => {}
        Mark::Dot(colour) => {
            ui.painter().circle_filled(pos2(at + 4.0, middle), 4.0, *colour);
        }
        Mark::Icon(icon) => icon.paint(ui.painter(), pos2(at + 7.0, middle), 14.0, segment.colour),
        Mark::Spark(values) => {
            let most = values.iter().copied().fold(1.0_f32, f32::max);
            let step = 46.0 / values.len().saturating_sub(1).max(1) as f32;
            let point = |(index, value): (usize, &f32)| pos2(at + step * index as f32, middle + 5.0 - 10.0 * value / most);
            let line = values.iter().enumerate().map(point).collect();
            ui.painter().add(Shape::line(line, Stroke::new(1.2, theme.text_subdued)));
        }
    }
    at += mark_width(&segment.mark);
    if !segment.strong.is_empty() {
        let galley = ui.painter().layout_no_wrap(segment.strong.clone(), strong_font(), theme.text);
        let size = galley.size();
        ui.painter().galley(pos2(at, middle - size.y / 2.0), galley, theme.text);
        at += size.x + 4.0;
    }
    let galley = ui.painter().layout_no_wrap(segment.text.clone(), Face::Small.font(), segment.colour);
    let size = galley.size();
    ui.painter().galley(pos2(at, middle - size.y / 2.0), galley, segment.colour);
    let edge = if line_after { cell.right() } else { cell.left() };
    theme::paint_hairline(ui, pos2(edge - 1.0, middle - 7.0), pos2(edge - 1.0, middle + 7.0));
    focus_ring(ui, &response, 0.0);
    response.on_hover_text(&segment.hint).clicked().then(|| segment.place.clone())
}
