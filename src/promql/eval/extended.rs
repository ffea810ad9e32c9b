//! Windows with values at their very edges: `anchored` takes the last sample before, `smoothed` the line between samples.

use super::Evaluate;
use super::range::RangeCall;
use super::rate::About;
use super::row::Sample;
use super::window::{Samples, Window, start_tells_reset, start_tells_reset_after};
use crate::model::{FloatHistogram, ResetHint};
use crate::promql::Span;
use crate::promql::annotation::{HistogramOperation, Note, Notes};
use crate::promql::ast::Extension;
use crate::promql::histogram::{add, compact, detect_reset, divide, scale, subtract};
use std::sync::Arc;

/// The value on the line between two points; a counter that fell began at zero.
pub(super) fn interpolate(first: (i64, f64), second: (i64, f64), at: i64, counter: bool) -> f64 {
    let from = if counter && second.1 < first.1 { 0.0 } else { first.1 };
    from + (second.1 - from) * (at - first.0) as f64 / (second.0 - first.0) as f64
}

/// First and last index of a window for `anchored` and `smoothed`: the sample at or before the start, the one at or
/// after the end.
fn edges(times: &[i64], window: &Window, extension: Extension) -> (usize, usize) {
    let mut last = times.len() - 1;
    let first = times[..last].partition_point(|time| *time <= window.start).saturating_sub(1);
    if extension == Extension::Smoothed {
        last = times[..last].partition_point(|time| *time < window.end);
    }
    (first, last)
}

struct Points<'a> {
    times: &'a [i64],
    values: &'a [f64],
    starts: &'a [i64],
    lookback_start: i64,
    smoothed: bool,
    counter: bool,
}

impl Points<'_> {
    fn start(&self, index: usize) -> i64 {
        self.starts.get(index).copied().unwrap_or(0)
    }

    fn point(&self, index: usize) -> (i64, f64) {
        (self.times[index], self.values[index])
    }

    /// Value and start time at the left edge.
    fn left(&self, first: usize, edge: i64) -> (f64, i64) {
        let (mut point, start) = (self.point(first), self.start(first));
        let mut returned = if start > edge { 0 } else { start };
        if point.0 == edge {
            return (point.1, start);
        }
        if point.0 > edge {
            if !self.counter || !start_tells_reset_after(self.lookback_start, start, point.0) {
                return (point.1, returned);
            }
            if start_tells_reset_after(edge, start, point.0) || !self.smoothed {
                return (0.0, returned);
            }
            return (interpolate((start, 0.0), point, edge, true), returned);
        }
        let (mut next, next_start) = (self.point(first + 1), self.start(first + 1));
        if self.counter {
            if start_tells_reset_after(edge, next_start, next.0) {
                next = (next_start, 0.0);
            } else if start_tells_reset(start, point.0, next_start, next.0) {
                point = (next_start, 0.0);
                returned = next_start;
            }
        }
        (if self.smoothed { interpolate(point, next, edge, self.counter) } else { point.1 }, returned)
    }

    /// Value and start time at the right edge.
    fn right(&self, last: usize, edge: i64) -> (f64, i64) {
        let (mut point, start) = (self.point(last), self.start(last));
        let mut returned = if start > edge { 0 } else { start };
        if point.0 <= edge {
            return (point.1, returned);
        }
        if last == 0 {
            if !self.counter || !start_tells_reset_after(self.lookback_start, start, point.0) {
                return (point.1, returned);
            }
            if start_tells_reset_after(edge, start, point.0) || !self.smoothed {
                return (0.0, returned);
            }
            return (interpolate((start, 0.0), point, edge, true), returned);
        }
        let (mut before, before_start) = (self.point(last - 1), self.start(last - 1));
        if self.counter {
            if start_tells_reset_after(edge, start, point.0) {
                point = (start, 0.0);
                returned = before_start;
            } else if start_tells_reset(before_start, before.0, start, point.0) {
                before = (start, 0.0);
            }
        }
        (if self.smoothed { interpolate(before, point, edge, self.counter) } else { before.1 }, returned)
    }
}

fn points<'a>(samples: &'a Samples, window: &Window, extension: Extension, lookback: i64, counter: bool) -> Points<'a> {
    let starts = if samples.starts.is_empty() { &[][..] } else { &samples.starts[window.floats.clone()] };
    Points {
        times: &samples.times[window.floats.clone()],
        values: &samples.values[window.floats.clone()],
        starts,
        lookback_start: window.start - lookback,
        smoothed: extension == Extension::Smoothed,
        counter,
    }
}

pub(super) fn extended_rate(
    samples: &Samples,
    window: &Window,
    call: &RangeCall,
    counter: bool,
    per_second: bool,
) -> Option<Sample> {
    let points = points(samples, window, call.extension, call.lookback_ms, counter);
    let (mut first, mut last) = edges(points.times, window, call.extension);
    if points.times[last] <= window.start {
        return None;
    }
    let (first_time, first_start) = (points.times[first], points.start(first));
    if points.smoothed
        && first_time > window.end
        && (!counter
            || !start_tells_reset_after(points.lookback_start, first_start, first_time)
            || start_tells_reset_after(window.end, first_start, first_time))
    {
        return None;
    }
    let (left, left_start) = points.left(first, window.start);
    let (right, right_start) = points.right(last, window.end);
    let mut result = right - left;
    if counter {
        if points.times[first] <= window.start {
            first += 1;
        }
        let mut end = last + 1;
        if points.times[last] >= window.end {
            end -= 1;
        }
        last = end;
        let (mut before, mut before_time, mut before_start) = (left, window.start, left_start);
        let mut correction = 0.0;
        for index in first..last.max(first) {
            let (time, value, start) = (points.times[index], points.values[index], points.start(index));
            if value < before || start_tells_reset(before_start, before_time, start, time) {
                correction += before;
            }
            (before, before_time, before_start) = (value, time, start);
        }
        if right < before || start_tells_reset(before_start, before_time, right_start, window.end) {
            correction += before;
        }
        result += correction;
    }
    if per_second {
        result /= call.range_ms as f64 / 1e3;
    }
    Some(Sample::Float(result))
}

/// The samples of a window with one at each edge.
pub(super) fn extended(samples: &Samples, window: &Window, extension: Extension, lookback: i64) -> Vec<(i64, f64)> {
    let points = points(samples, window, extension, lookback, false);
    if points.times.is_empty() {
        return Vec::new();
    }
    let (first, last) = edges(points.times, window, extension);
    if points.times[last] <= window.start {
        return Vec::new();
    }
    let (left, right) = (points.left(first, window.start).0, points.right(last, window.end).0);
    let from = if points.times[first] <= window.start { first + 1 } else { first };
    let to = if points.times[last] >= window.end { last } else { last + 1 };
    let mut out = vec![(window.start, left)];
    out.extend((from..to.max(from)).map(|index| points.point(index)));
    out.push((window.end, right));
    out
}

fn interpolate_histograms(
    first: (i64, &FloatHistogram),
    second: (i64, &FloatHistogram),
    at: i64,
    counter: bool,
    about: &mut About<'_>,
) -> Evaluate<Option<FloatHistogram>> {
    if at == first.0 {
        return Ok(Some(first.1.clone()));
    }
    let mut result = second.1.clone();
    if at == second.0 {
        return Ok(Some(result));
    }
    let part = (at - first.0) as f64 / (second.0 - first.0) as f64;
    if counter && detect_reset(second.1, first.1) {
        scale(&mut result, part);
        return Ok(Some(result));
    }
    if !about.fine(subtract(&mut result, first.1), HistogramOperation::Subtraction)? {
        return Ok(None);
    }
    scale(&mut result, part);
    Ok(about.fine(add(&mut result, first.1), HistogramOperation::Addition)?.then_some(result))
}

/// The histogram of a smoothed selector at a moment.
pub(super) fn smoothed_histogram(
    samples: &Samples,
    window: &Window,
    at: i64,
    metric: &str,
    place: Span,
    notes: &mut Notes,
) -> Evaluate<Option<FloatHistogram>> {
    let times = &samples.histogram_times[window.histograms.clone()];
    let histograms = &samples.histograms[window.histograms.clone()];
    let index = times.partition_point(|time| *time < at);
    let mut about = About { metric, at: place, notes };
    if index < times.len() && times[index] == at {
        return Ok(Some(histograms[index].as_ref().clone()));
    }
    if index == 0 {
        return Ok(None);
    }
    let before = &histograms[index - 1];
    let Some(next) = histograms.get(index) else {
        return Ok(Some(FloatHistogram { reset: ResetHint::Unknown, ..before.as_ref().clone() }));
    };
    if before.has_custom_buckets() != next.has_custom_buckets() {
        about.note(Note::MixedExponentialCustom);
        return Ok(None);
    }
    let counter = before.reset != ResetHint::Gauge || next.reset != ResetHint::Gauge;
    interpolate_histograms((times[index - 1], before), (times[index], next), at, counter, &mut about)
}

pub(super) fn extended_histogram_rate(
    samples: &Samples,
    window: &Window,
    call: &RangeCall,
    counter: bool,
    per_second: bool,
    about: &mut About<'_>,
) -> Evaluate<Option<Sample>> {
    let times = &samples.histogram_times[window.histograms.clone()];
    let histograms = &samples.histograms[window.histograms.clone()];
    let (first, last) = edges(times, window, call.extension);
    let smoothed = call.extension == Extension::Smoothed;
    if times[last] <= window.start || (smoothed && times[first] > window.end) {
        return Ok(None);
    }
    let custom = histograms[first].has_custom_buckets();
    for histogram in &histograms[first..=last] {
        if histogram.has_custom_buckets() != custom {
            about.note(Note::MixedExponentialCustom);
            return Ok(None);
        }
        if counter && histogram.reset == ResetHint::Gauge {
            about.note(Note::NotCounter);
        }
    }
    let left = if smoothed && times[first] < window.start {
        let (a, b) = ((times[first], &*histograms[first]), (times[first + 1], &*histograms[first + 1]));
        interpolate_histograms(a, b, window.start, counter, about)?
    } else {
        Some(histograms[first].as_ref().clone())
    };
    let right = if smoothed && last > 0 && times[last] > window.end {
        let (a, b) = ((times[last - 1], &*histograms[last - 1]), (times[last], &*histograms[last]));
        interpolate_histograms(a, b, window.end, counter, about)?
    } else {
        Some(histograms[last].as_ref().clone())
    };
    let (Some(left), Some(right)) = (left, right) else { return Ok(None) };
    if !counter && (left.reset != ResetHint::Gauge || right.reset != ResetHint::Gauge) {
        about.note(Note::NotGauge);
    }
    let mut result = right.clone();
    if !about.fine(subtract(&mut result, &left), HistogramOperation::Subtraction)? {
        return Ok(None);
    }
    if counter {
        let mut from = first + 1;
        let mut before: &FloatHistogram = &left;
        if smoothed && times[first] < window.start && detect_reset(&histograms[first + 1], &histograms[first]) {
            before = &histograms[first + 1];
            from += 1;
        }
        if from <= last {
            let mut lost: Option<FloatHistogram> = None;
            let mut steps: Vec<&FloatHistogram> = histograms[from..last].iter().map(|histogram| &**histogram).collect();
            steps.push(&right);
            for current in steps {
                if detect_reset(current, before) {
                    match &mut lost {
                        None => lost = Some(before.clone()),
                        Some(sum) => {
                            if !about.fine(add(sum, before), HistogramOperation::Addition)? {
                                return Ok(None);
                            }
                        }
                    }
                }
                before = current;
            }
            if let Some(lost) = lost
                && !about.fine(add(&mut result, &lost), HistogramOperation::Addition)?
            {
                return Ok(None);
            }
        }
    }
    if per_second {
        divide(&mut result, call.range_ms as f64 / 1e3);
    }
    result.reset = ResetHint::Gauge;
    compact(&mut result);
    Ok(Some(Sample::Histogram(Arc::new(result))))
}
