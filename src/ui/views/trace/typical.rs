//! Where a span stands among others of its operation: durations of the same service and name around its time, as a
//! histogram on a logarithmic scale with the span marked. A bar leads to one of its spans.

use super::small;
use super::state::Open;
use crate::engine::Query;
use crate::model::{DurationNs, SpanId, TraceId, UnixNanos, units};
use crate::source::{Field, Predicate, QueryControl, SourceError, SpanSource, TimeRange, TraceOrder, TraceRequest};
use crate::ui::nav::Place;
use crate::ui::theme::Face;
use crate::ui::view::ViewContext;
use crate::ui::views::shared::finished;
use egui::{Align2, Rect, Role, Sense, Ui, WidgetInfo, pos2, vec2};
use smol_str::SmolStr;
use std::sync::Arc;

/// Traces that are read, the newest.
const TRACES: usize = 200;
/// This long before and after the span, nanoseconds.
const AROUND_NS: i64 = 1_800_000_000_000;
/// Bars.
const BINS: usize = 28;
/// Fewer spans than this are no distribution.
const FEW: usize = 8;
/// Height of bars and of the whole, points.
const BARS: f32 = 34.0;
/// See [`BARS`].
const HEIGHT: f32 = 66.0;

/// The durations of an operation.
#[derive(Default)]
pub(super) struct Durations {
    /// With the span that has it, shortest first.
    spans: Vec<(i64, TraceId, SpanId)>,
}

/// What the details keep of it.
#[derive(Default)]
pub(super) struct Typical {
    asking: Query<Durations>,
    /// Service, name, and the half hour, so that walking through a trace does not ask again for the same.
    asked: Option<(SmolStr, SmolStr, i64)>,
    shown: Option<Arc<Durations>>,
    failed: bool,
}

#[cfg(test)]
impl Typical {
    /// What is said of a duration.
    pub(super) fn words(&self, length: i64) -> Option<String> {
        self.shown.as_ref().map(|shown| shown.words(length))
    }
}

/// Reads the durations of an operation around a moment.
fn durations(
    source: &dyn SpanSource,
    service: &str,
    name: &str,
    at: UnixNanos,
    control: &QueryControl,
) -> Result<Durations, SourceError> {
    let range = TimeRange { start: at - DurationNs(AROUND_NS), end: at + DurationNs(AROUND_NS) };
    let predicate = Predicate::equals(Field::Service, service).and(Predicate::equals(Field::Name, name));
    let request = TraceRequest { range, predicate, order: TraceOrder::Newest, limit: TRACES };
    let mut spans = Vec::new();
    for summary in source.traces(&request, control)?.traces {
        control.check()?;
        let Some(trace) = source.trace(summary.trace_id, control)? else { continue };
        for span in trace.spans.iter() {
            if span.name() == name
                && span.service() == service
                && let Some(end) = span.end()
            {
                spans.push((end.since(span.start()).0.max(0), span.trace_id(), span.span_id()));
            }
        }
    }
    spans.sort_unstable();
    Ok(Durations { spans })
}

impl Durations {
    /// The bar of a duration.
    fn bin(&self, length: i64) -> usize {
        let (low, high) = self.ends();
        let scale = |length: i64| (length.max(1) as f64).ln();
        let width = (scale(high) - scale(low)).max(f64::EPSILON);
        (((scale(length) - scale(low)) / width * BINS as f64).max(0.0) as usize).min(BINS - 1)
    }

    fn ends(&self) -> (i64, i64) {
        let length = |span: Option<&(i64, TraceId, SpanId)>| span.map_or(1, |(length, ..)| *length);
        (length(self.spans.first()), length(self.spans.last()))
    }

    fn median(&self) -> i64 {
        self.spans.get(self.spans.len() / 2).map_or(0, |(length, ..)| *length)
    }

    /// Share of the others that were faster.
    fn faster(&self, length: i64) -> f64 {
        self.spans.partition_point(|(other, ..)| *other < length) as f64 / self.spans.len().max(1) as f64
    }

    /// `slower than 99.2 %`, `faster than 80 %`, `as usual`.
    fn words(&self, length: i64) -> String {
        let faster = self.faster(length);
        let slower = 1.0 - self.spans.partition_point(|(other, ..)| *other <= length) as f64 / self.spans.len().max(1) as f64;
        match () {
            () if faster >= 0.6 => format!("slower than {}", units::percent(faster)),
            () if slower >= 0.6 && !self.spans.is_empty() => format!("faster than {}", units::percent(slower)),
            () => "as usual".to_owned(),
        }
    }
}

/// Shows it for the selected span, once there are enough others.
pub(super) fn show(open: &mut Open, ui: &mut Ui, ctx: &mut ViewContext<'_>, node: u32) {
    let loaded = open.loaded.clone();
    let span = loaded.batch().span(node as usize);
    let typical = &mut open.details.typical;
    match finished(&mut typical.asking) {
        Some(Ok(found)) => (typical.shown, typical.failed) = (Some(found), false),
        Some(Err(_)) => typical.failed = true,
        None => {}
    }
    let key = (SmolStr::from(span.service()), SmolStr::from(span.name()), span.start().0.div_euclid(AROUND_NS));
    if typical.asked.as_ref() != Some(&key)
        && let Some(source) = ctx.engine.source(ctx.source).map(|source| source.spans)
    {
        typical.shown = None;
        let (service, name, at) = (key.0.clone(), key.1.clone(), span.start());
        typical.asking = ctx.engine.ask(move |control| durations(&*source, &service, &name, at, control));
        typical.asked = Some(key);
    }
    let theme = ctx.theme;
    // The place is taken from the start: the tabs below must not jump.
    let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), HEIGHT), Sense::hover());
    let Some(shown) = typical.shown.clone() else {
        if typical.failed {
            let text = "Other spans of this operation could not be read";
            ui.painter().text(rect.left_center(), Align2::LEFT_CENTER, text, Face::Small.font(), theme.text_faint);
        }
        return;
    };
    if shown.spans.len() < FEW {
        let text = format!("{} spans of this operation within 30 min, too few to compare", shown.spans.len());
        ui.painter().text(rect.left_center(), Align2::LEFT_CENTER, text, Face::Small.font(), theme.text_faint);
        return;
    }
    let own = loaded.tree.duration(node);
    let mut counts = [0_u32; BINS];
    for (length, ..) in &shown.spans {
        counts[shown.bin(*length)] += 1;
    }
    let highest = counts.iter().copied().max().unwrap_or(1).max(1);
    let bars = Rect::from_min_size(rect.min + vec2(0.0, 12.0), vec2(rect.width(), BARS));
    let width = bars.width() / BINS as f32;
    let mine = shown.bin(own);
    let mut chosen = None;
    for (at, count) in counts.into_iter().enumerate() {
        let cell = Rect::from_min_size(pos2(bars.left() + width * at as f32, bars.top()), vec2(width - 1.0, bars.height()));
        let tall = if count == 0 { 1.0 } else { (bars.height() * count as f32 / highest as f32).max(2.0) };
        let bar = Rect::from_min_max(pos2(cell.left(), cell.bottom() - tall), cell.max);
        let mut fill = if at == mine { theme.canvas_select } else { theme.hairline_strong };
        if count > 0 {
            let response = ui.interact(cell, ui.scope_id().with(("typical", at)), Sense::click());
            let word = super::header::plural("span", count as usize);
            let text = format!("{} {word} like this one; click opens one", units::count(u64::from(count)));
            response.widget_info(|| WidgetInfo::labeled(Role::Button, true, format!("Bar {}, {text}", at + 1)));
            if response.hovered() {
                fill = theme.accent;
            }
            let response = response.on_hover_cursor(egui::CursorIcon::PointingHand);
            if response.on_hover_ui(|ui| drop(ui.label(small(text, theme.text_subdued)))).clicked() {
                chosen = shown.spans.iter().find(|(length, ..)| shown.bin(*length) == at).copied();
            }
        }
        ui.painter().rect_filled(bar, 0.0, fill);
    }
    let caption = Face::Caption.font();
    let (low, high) = shown.ends();
    let base = bars.bottom() + 10.0;
    let text = |x: f32, y: f32, align: Align2, text: String, colour| {
        ui.painter().text(pos2(x, y), align, text, caption.clone(), colour);
    };
    text(rect.right(), rect.top() + 5.0, Align2::RIGHT_CENTER, shown.words(own), theme.text_strong);
    let of = format!("{} spans within 30 min", units::count(shown.spans.len() as u64));
    text(rect.left(), rect.top() + 5.0, Align2::LEFT_CENTER, of, theme.text_faint);
    text(rect.left(), base, Align2::LEFT_CENTER, units::duration(DurationNs(low)), theme.text_faint);
    text(rect.right(), base, Align2::RIGHT_CENTER, units::duration(DurationNs(high)), theme.text_faint);
    let median = shown.median();
    let at = bars.left() + width * (shown.bin(median) as f32 + 0.5);
    let middle = at.clamp(rect.left() + 90.0, (rect.right() - 90.0).max(rect.left() + 90.0));
    text(middle, base, Align2::CENTER_CENTER, format!("p50 {}", units::duration(DurationNs(median))), theme.text_faint);
    if let Some((_, id, span)) = chosen {
        let source = ctx.source;
        ctx.go(Place::Trace { source, id, span: Some(span) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(lengths: &[i64]) -> Durations {
        let span = |length: &i64| (*length, TraceId([1; 16]), SpanId::from(1));
        Durations { spans: lengths.iter().map(span).collect() }
    }

    #[test]
    fn a_span_is_placed_among_the_others() {
        let lengths: Vec<i64> = (1..=1_000).map(|at| at * 1_000).collect();
        let durations = of(&lengths);
        assert_eq!(durations.words(993_000), "slower than 99.2 %");
        assert_eq!(durations.words(200_000), "faster than 80 %");
        assert_eq!(durations.words(500_000), "as usual");
        assert_eq!(
            (durations.bin(1), durations.bin(1_000), durations.bin(1_000_000), durations.bin(9_000_000)),
            (0, 0, 27, 27)
        );
        assert!(durations.bin(30_000) > 10 && durations.bin(30_000) < 16, "half way on a logarithmic scale");
    }

    #[test]
    fn equal_durations_are_one_bar_and_nothing_divides_by_zero() {
        assert_eq!(of(&[5, 5, 5]).bin(5), 0);
        assert_eq!(of(&[0, 0]).bin(0), 0);
        assert_eq!(of(&[]).words(5), "as usual");
    }
}
