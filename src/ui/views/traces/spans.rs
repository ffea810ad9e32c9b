//! Spans: the spans that a query selects, one a row, each a link into its trace.

use super::TracesView;
use super::list::{Question, answer};
use crate::model::{DurationNs, SpanId, SpanKind, TraceId, UnixNanos, units};
use crate::search::Query as Search;
use crate::source::{QueryControl, SourceError, SpanSource, TimeRange, TraceOrder};
use crate::ui::canvas::elide;
use crate::ui::nav::Place;
use crate::ui::theme::size::{part, space};
use crate::ui::theme::{self, Face, Icon};
use crate::ui::view::ViewContext;
use egui::{Align2, Color32, Rect, Response, Role, Sense, Stroke, StrokeKind, Ui, WidgetInfo, pos2, vec2};
use smol_str::SmolStr;

/// Traces that are read, the newest.
const TRACES: usize = 2_000;
/// Rows that are kept.
const ROWS: usize = 5_000;

/// One span.
#[derive(Clone, Debug)]
pub(super) struct SpanRow {
    pub(super) trace_id: TraceId,
    pub(super) span_id: SpanId,
    pub(super) start: UnixNanos,
    /// `None` in flight.
    pub(super) duration: Option<DurationNs>,
    pub(super) service: SmolStr,
    pub(super) name: SmolStr,
    pub(super) kind: SpanKind,
    /// The status message of a failed span, `error` where it says nothing.
    pub(super) error: Option<String>,
}

/// The spans in an order.
pub(super) struct Spans {
    pub(super) rows: Vec<SpanRow>,
    /// Rows were left out, or traces were not read.
    pub(super) partial: bool,
    pub(super) longest_ns: i64,
}

/// The spans of a question, the newest or (`longest`) the longest first.
pub(super) fn spans(
    source: &dyn SpanSource,
    search: &Search,
    question: &Question,
    longest: &bool,
    range: TimeRange,
    control: &QueryControl,
) -> Result<Spans, SourceError> {
    let question = Question { order: TraceOrder::Newest, limit: TRACES, ..question.clone() };
    let found = answer(source, search, &question, range, control)?;
    let of = found.traces.len() as u64;
    let mut partial = found.total > of;
    let mut rows = Vec::new();
    for (at, summary) in found.traces.iter().enumerate() {
        control.check()?;
        control.progress(at as u64, of);
        if rows.len() >= ROWS {
            partial = true;
            break;
        }
        let Some(trace) = source.trace(summary.trace_id, control)? else { continue };
        let sets = search.matches(&trace.spans).map_err(|error| SourceError::Read(error.to_string()))?;
        let mut chosen: Vec<usize> = sets.iter().flat_map(|set| set.spans.iter().map(|at| *at as usize)).collect();
        chosen.sort_unstable();
        chosen.dedup();
        for at in chosen {
            let span = trace.spans.span(at);
            let message = if span.status_message().is_empty() { "error" } else { span.status_message() };
            rows.push(SpanRow {
                trace_id: summary.trace_id,
                span_id: span.span_id(),
                start: span.start(),
                duration: span.end().map(|end| end.since(span.start())),
                service: span.service().into(),
                name: span.name().into(),
                kind: span.kind(),
                error: span.is_error().then(|| message.to_owned()),
            });
        }
    }
    match *longest {
        true => rows.sort_by_key(|row| std::cmp::Reverse(row.duration)),
        false => rows.sort_by_key(|row| std::cmp::Reverse(row.start)),
    }
    let longest_ns = rows.iter().filter_map(|row| row.duration).map(|length| length.0).max().unwrap_or(1).max(1);
    Ok(Spans { rows, partial, longest_ns })
}

/// Column, width in points; the name takes what is left.
const COLUMNS: [(&str, f32); 5] = [("Started", 112.0), ("Span", 0.0), ("Kind", 84.0), ("Duration", 190.0), ("Status", 190.0)];

fn places(rect: Rect) -> [Rect; COLUMNS.len()] {
    let status = if rect.width() > 860.0 { COLUMNS[4].1 } else { 110.0 };
    let fixed = COLUMNS[0].1 + COLUMNS[2].1 + COLUMNS[3].1 + status;
    let name = (rect.width() - 2.0 * space::PANEL - fixed).max(120.0);
    let mut x = rect.left() + space::PANEL;
    [COLUMNS[0].1, name, COLUMNS[2].1, COLUMNS[3].1, status].map(|width| {
        let place = Rect::from_min_size(pos2(x, rect.top()), vec2(width - 16.0, rect.height()));
        x += width;
        place
    })
}

pub(super) fn show(view: &mut TracesView, ui: &mut Ui, ctx: &mut ViewContext<'_>, shown: &Spans, area: Rect) {
    let theme = ctx.theme;
    let header = Rect::from_min_size(area.min, vec2(area.width() - crate::ui::canvas::rows::BAR, part::TABLE_HEADER));
    for (at, (place, (title, _))) in places(header).into_iter().zip(COLUMNS).enumerate() {
        let sorts = match at {
            0 => Some(false),
            3 => Some(true),
            _ => None,
        };
        let on = sorts == Some(view.spans_longest);
        let mut colour = if on { theme.text_strong } else { theme.text_faint };
        if let Some(longest) = sorts {
            let response = ui.interact(place, ui.scope_id().with(("span column", at)), Sense::click());
            response.widget_info(|| WidgetInfo::selected(Role::ColumnHeader, true, on, format!("Sort spans by {title}")));
            if response.hovered() {
                colour = theme.text_strong;
            }
            if response.clicked() {
                view.spans_longest = longest;
                view.table.rows.to_top();
            }
        }
        let at = pos2(place.left(), place.center().y);
        let drawn = ui.painter().text(at, Align2::LEFT_CENTER, title, Face::Caption.font(), colour);
        if on {
            Icon::Down.paint(ui.painter(), pos2(drawn.right() + 9.0, place.center().y), 12.0, colour);
        }
    }
    theme::paint_hairline(ui, header.left_bottom(), pos2(area.right(), header.bottom()));
    let body = Rect::from_min_max(pos2(area.left(), header.bottom() + 1.0), area.max);
    view.table.hovered = ui.rect_contains_pointer(body);
    let in_view = f64::from(body.height() / part::ROW);
    if std::mem::take(&mut view.reveal)
        && let Some(at) = view.group_at
    {
        view.table.rows.reveal(at, in_view);
    }
    let mut rows = std::mem::take(&mut view.table.rows);
    let mut opened = None;
    rows.show(ui, body, shown.rows.len(), part::ROW, |ui, at, rect| {
        if row(ui, ctx, &shown.rows[at], shown.longest_ns, view.group_at == Some(at), at, rect).clicked() {
            opened = Some(at);
        }
    });
    view.table.rows = rows;
    if let Some(at) = opened {
        view.group_at = Some(at);
        open(view, ctx, &shown.rows[at]);
    }
}

/// The trace with the span selected.
pub(super) fn open(view: &TracesView, ctx: &mut ViewContext<'_>, row: &SpanRow) {
    ctx.go(Place::Trace { source: view.source, id: row.trace_id, span: Some(row.span_id) });
}

fn row(ui: &Ui, ctx: &ViewContext<'_>, span: &SpanRow, longest: i64, on: bool, at: usize, rect: Rect) -> Response {
    let theme = ctx.theme;
    let response = ui.interact(rect, ui.scope_id().with(("span", at)), Sense::click());
    let length = span.duration.map_or_else(|| "in flight".to_owned(), units::duration);
    let failed = if span.error.is_some() { ", error" } else { "" };
    response
        .widget_info(|| WidgetInfo::selected(Role::Row, true, on, format!("{} {}, {length}{failed}", span.service, span.name)));
    let fill = match (on, response.hovered()) {
        (true, _) => theme.selection,
        (false, true) => theme.hover,
        _ => Color32::TRANSPARENT,
    };
    ui.painter().rect_filled(rect, 0.0, fill);
    let tint = |other: Color32| if on { theme.selection_text } else { other };
    let middle = rect.center().y;
    let [started, name, kind, duration, status] = places(rect);
    let painter = ui.painter();
    let fit = |text: &str, face: Face, width: f32| painter.fonts_mut(|fonts| elide::middle(fonts, &face.font(), text, width));
    let text = |x: f32, text: String, face: Face, colour: Color32| {
        painter.text(pos2(x, middle), Align2::LEFT_CENTER, text, face.font(), colour)
    };
    let same_day = ctx.now.since(span.start).0 < 20 * 3_600 * 1_000_000_000;
    let time = if same_day { units::time_of_day(span.start, ctx.zone) } else { units::day_and_minute(span.start, ctx.zone) };
    text(started.left(), time, Face::MonoSmall, tint(theme.text_subdued));
    let series = theme.series[usize::from(ctx.services.of(&span.service).index)];
    let swatch = Rect::from_center_size(pos2(name.left() + 5.0, middle), vec2(10.0, 10.0));
    painter.rect(swatch, 2.0, series.fill, Stroke::new(1.0, series.line), StrokeKind::Inside);
    let x = swatch.right() + 6.0;
    let drawn = text(x, fit(&span.name, Face::BodyMedium, name.right() - x), Face::BodyMedium, tint(theme.text_strong));
    let x = drawn.right() + 8.0;
    text(x, fit(&span.service, Face::Small, name.right() - x), Face::Small, tint(theme.text_faint));
    let word = if span.kind == SpanKind::Unspecified { units::ABSENT } else { span.kind.word() };
    text(kind.left(), word.to_owned(), Face::Small, tint(theme.text_subdued));
    if let Some(length) = span.duration {
        let width = (112.0 * length.0 as f32 / longest as f32).max(1.0);
        let bar = Rect::from_min_size(pos2(duration.left(), middle - 5.0), vec2(width, 10.0));
        painter.rect_filled(bar, 0.0, series.fill.gamma_multiply(0.85));
    }
    text(duration.left() + 118.0, length, Face::Small, tint(theme.text));
    match &span.error {
        Some(message) => {
            Icon::Error.paint(painter, pos2(status.left() + 7.0, middle), 14.0, theme.error);
            let x = status.left() + 20.0;
            text(x, fit(message, Face::Small, status.right() - x), Face::Small, theme.error);
        }
        None => {
            text(status.left(), units::ABSENT.to_owned(), Face::Small, tint(theme.text_faint));
        }
    }
    response
}
