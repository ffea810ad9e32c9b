//! Home once there is data: services with rate, errors and durations, recent slow or failed traces, runs.

use super::cards;
use crate::engine::{Query, WORKSPACE};
use crate::model::{TraceSummary, units};
use crate::source::{Predicate, Run, ServiceSummary, SourceError, TimeRange, TraceOrder, TraceRequest};
use crate::ui::Range;
use crate::ui::command::Command;
use crate::ui::nav::Place;
use crate::ui::theme::size::{part, space};
use crate::ui::theme::{self, Face, Icon};
use crate::ui::view::{Request, ViewContext};
use crate::ui::widgets::{Button, Kind, card, card_header, error_state, hairline_below, service_swatch, spark};
use egui::{Align, Layout, Rect, Sense, Ui, UiBuilder, pos2, vec2};
use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Parts of a sparkline.
const PARTS: usize = 32;
/// Rows of each list.
const ROWS: usize = 8;
/// The overview looks at this much of the past when the range is relative, else at the range itself.
const REFRESH: Duration = Duration::from_secs(1);

/// What the overview shows, prepared off the frame.
struct Answer {
    /// The range that was asked for, as it was chosen.
    asked: Range,
    /// Nothing is in that range; everything is shown instead.
    older: bool,
    services: Vec<ServiceSummary>,
    notable: Vec<TraceSummary>,
    runs: Vec<Run>,
}

/// State of the overview.
#[derive(Default)]
pub struct Overview {
    query: Query<Answer>,
    shown: Option<Arc<Answer>>,
    asked: Option<(u64, Range, Instant)>,
}

impl Overview {
    /// Draws it, asking again when the workspace changed.
    pub fn show(&mut self, ui: &mut Ui, ctx: &mut ViewContext<'_>, gone: &HashSet<PathBuf>) {
        self.ask(ctx);
        if self.query.poll()
            && let Some(answer) = self.query.ready()
        {
            self.shown = Some(answer.clone());
        }
        let answer = self.shown.clone();
        headline(ui, ctx, answer.as_deref());
        cards::banners(ui, ctx);
        if let Query::Failed(error) = &self.query {
            let text = error.to_string();
            match error_state(ui, "The overview could not be read", &text) {
                Some(true) => self.asked = None,
                Some(false) => ctx.requests.push(Request::Copy(text, "Details".to_owned())),
                None => {}
            }
            ui.add_space(space::SECTION);
        }
        let Some(answer) = answer else { return };
        if ctx.live {
            // `15 s` ago is a clock; without new data minutes are fine enough.
            let young = answer.services.iter().any(|service| ctx.now.since(service.last_seen).0 < 60_000_000_000);
            ui.ctx().request_repaint_after(Duration::from_secs(if young { 1 } else { 60 }));
        }
        services(ui, ctx, &answer);
        ui.add_space(space::SECTION);
        let width = ui.available_width();
        let right = if width >= 1000.0 { 420.0 } else { 320.0 };
        let left = width - right - space::SECTION;
        let origin = ui.cursor().min;
        let column = |x: f32, width: f32| {
            let rect = Rect::from_min_size(origin + vec2(x, 0.0), vec2(width, f32::INFINITY));
            UiBuilder::new().id_salt(("overview", x as i32)).max_rect(rect)
        };
        let mut traces = ui.new_child(column(0.0, left));
        notable(&mut traces, ctx, &answer);
        let mut beside = ui.new_child(column(left + space::SECTION, right));
        beside.spacing_mut().item_spacing.y = 0.0;
        runs(&mut beside, ctx, &answer);
        if !ctx.facts.recent.is_empty() {
            beside.add_space(space::SECTION);
            cards::recent(&mut beside, ctx, 44.0 + 32.0 * ctx.facts.recent.len().min(5) as f32, gone);
        }
        let height = traces.min_rect().height().max(beside.min_rect().height());
        ui.allocate_rect(Rect::from_min_size(origin, vec2(width, height)), Sense::hover());
    }

    /// Asks again when the revision moved, at most once a second.
    fn ask(&mut self, ctx: &ViewContext<'_>) {
        let Some(source) = ctx.facts.source(WORKSPACE) else { return };
        let revision = source.spans.revision();
        let due = match self.asked {
            None => true,
            Some((_, range, _)) if range != ctx.range => true,
            Some((known, _, at)) => ctx.live && known != revision && at.elapsed() >= REFRESH,
        };
        if !due || self.query.is_running() {
            return;
        }
        self.asked = Some((revision, ctx.range, Instant::now()));
        let spans = source.spans.clone();
        let wanted = ctx.range.at(ctx.now, spans.extent());
        let asked = ctx.range;
        self.query = ctx.engine.ask(move |control| {
            let mut range = wanted;
            let mut services = spans.services(range, PARTS, control)?;
            // Nothing lately: what there is beats an empty page.
            let older = services.is_empty();
            if older && let Some(extent) = spans.extent() {
                range = extent;
                services = spans.services(range, PARTS, control)?;
            }
            services.sort_by(|a, b| b.requests.cmp(&a.requests).then_with(|| a.service.cmp(&b.service)));
            let list = |order| {
                let request = TraceRequest { range, predicate: Predicate::All, order, limit: ROWS };
                Ok::<_, SourceError>(spans.traces(&request, control)?.traces)
            };
            let mut notable = list(TraceOrder::MostErrors)?;
            notable.retain(|trace| trace.errors > 0);
            notable.truncate(ROWS / 2);
            for slow in list(TraceOrder::Longest)? {
                if notable.len() < ROWS && notable.iter().all(|known| known.trace_id != slow.trace_id) {
                    notable.push(slow);
                }
            }
            let mut runs = spans.runs(control)?;
            runs.truncate(ROWS);
            Ok(Answer { asked, older, services, notable, runs })
        });
    }
}

fn headline(ui: &mut Ui, ctx: &mut ViewContext<'_>, answer: Option<&Answer>) {
    let theme = ctx.theme;
    let services = answer.map(|answer| answer.services.as_slice()).unwrap_or_default();
    let whom = match services {
        [] => "the first service".to_owned(),
        [one] => one.service.to_string(),
        many => format!("{} services", many.len()),
    };
    let flowing = ctx.facts.pulse.spans_per_s > 0.0;
    let title = if flowing { format!("Receiving from {whom}") } else { format!("Spans of {whom}") };
    let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), 56.0), Sense::hover());
    let mut left = ui.new_child(UiBuilder::new().id_salt("headline").max_rect(rect));
    left.spacing_mut().item_spacing.y = 4.0;
    left.label(theme::text(title, Face::Display, theme.text_strong));
    if let Some(answer) = answer {
        let spans: u64 = answer.services.iter().map(|service| service.spans).sum();
        let within = within(answer.asked, answer.older, ctx.zone);
        let last = answer.services.iter().map(|service| service.last_seen).max().unwrap_or_default();
        let word = if spans == 1 { "span" } else { "spans" };
        let note = format!("{} {word}{within}, the last {} ago", units::count(spans), units::ago(last, ctx.now));
        let note = note.replace("the last now ago", "the last just now");
        left.label(theme::text(note, Face::Body, theme.text_subdued));
    }
    let layout = Layout::right_to_left(Align::Max);
    let mut right = ui.new_child(UiBuilder::new().id_salt("headline actions").max_rect(rect).layout(layout));
    if Button::new("Add a source").icon(Icon::Plus).show(&mut right).clicked() {
        ctx.go(Place::Home { setup: true });
    }
    if ctx.facts.demo == Some(true) {
        let stop = Button::new("Stop demo").icon(Icon::Pause).kind(Kind::Quiet);
        if stop.show(&mut right).clicked() {
            ctx.run(Command::StopDemo);
        }
    }
    let all = Button::new("All traces").icon(Icon::Traces).kind(Kind::Quiet);
    if all.show(&mut right).clicked() {
        ctx.go(Place::traces_of(WORKSPACE));
    }
    ui.add_space(20.0);
}

/// What the count of spans is a count of: ` in the last 15 min`.
fn within(asked: Range, older: bool, zone: &jiff::tz::TimeZone) -> String {
    let label = asked.label(zone);
    let named = match asked {
        Range::All => return " in all".to_owned(),
        Range::Last(_) => format!("the {}", label.to_lowercase()),
        Range::Between(_) => label,
    };
    if older { format!(" in all, none in {named}") } else { format!(" in {named}") }
}

/// Widths of the numeric columns, from the right.
const COLUMNS: [(&str, f32); 6] =
    [("Requests", 96.0), ("Errors", 88.0), ("p50", 80.0), ("p95", 80.0), ("p99", 80.0), ("Last span", 88.0)];

fn services(ui: &mut Ui, ctx: &mut ViewContext<'_>, answer: &Answer) {
    let theme = ctx.theme;
    card(ui, |ui| {
        let (head, _) = ui.allocate_exact_size(vec2(ui.available_width(), part::TABLE_HEADER), Sense::hover());
        hairline_below(ui, head);
        let caption = |ui: &Ui, at, align: egui::Align2, text: &str| {
            ui.painter().text(at, align, text, Face::Caption.font(), theme.text_faint);
        };
        caption(ui, pos2(head.left() + 12.0, head.center().y), egui::Align2::LEFT_CENTER, "Service");
        let spark_left = head.left() + 260.0;
        caption(ui, pos2(spark_left, head.center().y), egui::Align2::LEFT_CENTER, "Requests over time");
        let mut right = head.right() - 12.0;
        for (name, width) in COLUMNS.iter().rev() {
            caption(ui, pos2(right, head.center().y), egui::Align2::RIGHT_CENTER, name);
            right -= width;
        }
        let spark_width = (right - spark_left - 24.0).max(40.0);
        for service in answer.services.iter().take(20) {
            let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), part::ROW), Sense::click());
            response
                .widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, format!("Traces of {}", service.service)));
            if response.hovered() || response.has_focus() {
                ui.painter().rect_filled(rect.shrink2(vec2(1.0, 0.0)), 0.0, theme.hover);
            }
            let name = Rect::from_min_max(rect.min + vec2(12.0, 0.0), pos2(spark_left - 8.0, rect.bottom()));
            let builder =
                UiBuilder::new().id_salt(&service.service).max_rect(name).layout(Layout::left_to_right(Align::Center));
            let mut child = ui.new_child(builder);
            service_swatch(&mut child, ctx.services, &service.service);
            child.add(egui::Label::new(theme::text(service.service.as_str(), Face::BodyMedium, theme.text)).truncate());
            let line = Rect::from_min_size(pos2(spark_left, rect.top() + 6.0), vec2(spark_width, 16.0));
            let mut place = ui.new_child(UiBuilder::new().id_salt(("spark", &service.service)).max_rect(line));
            let values: Vec<f32> = service.spark.iter().map(|count| *count as f32).collect();
            let colour = theme.series[usize::from(ctx.services.of(&service.service).index)].line;
            spark(&mut place, &values, line.size(), colour);
            let share = if service.requests > 0 { service.errors as f64 / service.requests as f64 } else { 0.0 };
            let absent = service.requests == 0;
            let time = |value| if absent { units::ABSENT.to_owned() } else { units::duration(value) };
            let cells = [
                (units::count(service.requests), theme.text),
                match service.errors {
                    0 => ("0".to_owned(), theme.text_faint),
                    _ => (units::percent(share), theme.error),
                },
                (time(service.p50), theme.text),
                (time(service.p95), theme.text),
                (time(service.p99), theme.text),
                (units::ago(service.last_seen, ctx.now), theme.text_subdued),
            ];
            let mut right = rect.right() - 12.0;
            for ((text, colour), (_, width)) in cells.into_iter().zip(COLUMNS).rev() {
                ui.painter().text(pos2(right, rect.center().y), egui::Align2::RIGHT_CENTER, text, Face::Small.font(), colour);
                right -= width;
            }
            if response.clicked() {
                ctx.go(Place::Traces { source: WORKSPACE, query: format!("service = {}", service.service) });
            }
        }
        ui.add_space(4.0);
    });
}

fn notable(ui: &mut Ui, ctx: &mut ViewContext<'_>, answer: &Answer) {
    let theme = ctx.theme;
    let longest = answer.notable.iter().map(|trace| trace.duration.0).max().unwrap_or(1).max(1);
    card(ui, |ui| {
        card_header(ui, "Slow and failed traces", |_| {});
        for trace in &answer.notable {
            let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), part::ROW), Sense::click());
            let name = format!("{} {}", trace.root_name, trace.trace_id.short());
            response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, &name));
            if response.hovered() || response.has_focus() {
                ui.painter().rect_filled(rect.shrink2(vec2(1.0, 0.0)), 0.0, theme.hover);
            }
            let middle = rect.center().y;
            let small = Face::Small.font();
            let time: String = units::time_of_day(trace.start, ctx.zone).chars().take(8).collect();
            ui.painter().text(
                pos2(rect.right() - 12.0, middle),
                egui::Align2::RIGHT_CENTER,
                time,
                small.clone(),
                theme.text_faint,
            );
            let errors = match trace.errors {
                0 => String::new(),
                1 => "1 error".to_owned(),
                more => format!("{more} errors"),
            };
            ui.painter().text(
                pos2(rect.right() - 84.0, middle),
                egui::Align2::RIGHT_CENTER,
                errors,
                small.clone(),
                theme.error,
            );
            let bar_left = rect.right() - 320.0;
            let width = 96.0 * trace.duration.0 as f32 / longest as f32;
            let colour = theme.series[usize::from(ctx.services.of(&trace.root_service).index)].fill;
            let bar = Rect::from_min_size(pos2(bar_left, middle - 5.0), vec2(width.max(1.0), 10.0));
            ui.painter().rect_filled(bar, 0.0, colour);
            let duration = units::duration(trace.duration);
            ui.painter().text(pos2(bar_left + 104.0, middle), egui::Align2::LEFT_CENTER, duration, small, theme.text);
            let place = Rect::from_min_max(rect.min + vec2(12.0, 0.0), pos2(bar_left - 12.0, rect.bottom()));
            let builder = UiBuilder::new().id_salt(trace.trace_id).max_rect(place).layout(Layout::left_to_right(Align::Center));
            let mut child = ui.new_child(builder);
            service_swatch(&mut child, ctx.services, &trace.root_service);
            child.add(egui::Label::new(theme::text(trace.root_name.as_str(), Face::Body, theme.text)).truncate());
            if response.clicked() {
                ctx.go(Place::trace(WORKSPACE, trace.trace_id));
            }
        }
        ui.add_space(4.0);
    });
}

fn runs(ui: &mut Ui, ctx: &mut ViewContext<'_>, answer: &Answer) {
    if answer.runs.is_empty() {
        return;
    }
    let theme = ctx.theme;
    card(ui, |ui| {
        card_header(ui, "Runs", |_| {});
        for run in &answer.runs {
            let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), part::ROW), Sense::click());
            let label = format!("Run of {} from {}", run.service, units::day_and_minute(run.first_seen, ctx.zone));
            response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, &label));
            if response.hovered() || response.has_focus() {
                ui.painter().rect_filled(rect.shrink2(vec2(1.0, 0.0)), 0.0, theme.hover);
            }
            let builder = UiBuilder::new()
                .id_salt((&run.service, &run.instance, run.first_seen.0))
                .max_rect(rect.shrink2(vec2(12.0, 0.0)))
                .layout(Layout::right_to_left(Align::Center));
            let mut row = ui.new_child(builder);
            let word = if run.spans == 1 { "span" } else { "spans" };
            let spans = format!("{} {word}", units::count(run.spans));
            row.label(theme::text(spans, Face::Small, theme.text_faint));
            row.with_layout(Layout::left_to_right(Align::Center), |ui| {
                service_swatch(ui, ctx.services, &run.service);
                ui.label(theme::text(run.service.as_str(), Face::Body, theme.text));
                let time = units::day_and_minute(run.first_seen, ctx.zone);
                let note = if run.version.is_empty() { time } else { format!("{}, {time}", run.version) };
                ui.add(egui::Label::new(theme::text(note, Face::Small, theme.text_faint)).truncate());
            });
            if response.on_hover_text(run.instance.as_str()).clicked() {
                ctx.requests.push(Request::Zoom(TimeRange { start: run.first_seen, end: run.last_seen }));
                ctx.go(Place::Traces { source: WORKSPACE, query: format!("service = {}", run.service) });
            }
        }
        ui.add_space(4.0);
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::DurationNs;
    use jiff::tz::TimeZone;

    #[test]
    fn the_count_says_what_it_counts() {
        let minutes = Range::Last(DurationNs(900_000_000_000));
        assert_eq!(within(minutes, false, &TimeZone::UTC), " in the last 15 min");
        assert_eq!(within(minutes, true, &TimeZone::UTC), " in all, none in the last 15 min");
        assert_eq!(within(Range::All, false, &TimeZone::UTC), " in all");
    }
}
