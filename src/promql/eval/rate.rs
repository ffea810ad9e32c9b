//! `rate`, `increase`, `delta`, `irate` and `idelta`: differences over a window, with counter resets made up for, and
//! extrapolated, anchored or interpolated to the window's edges.

use super::extended::{extended_histogram_rate, extended_rate};
use super::range::RangeCall;
use super::row::Sample;
use super::window::{Samples, Window, start_tells_reset};
use super::{Evaluate, failed};
use crate::model::{FloatHistogram, ResetHint};
use crate::promql::Span;
use crate::promql::annotation::{HistogramOperation, Note, Notes};
use crate::promql::ast::Extension;
use crate::promql::histogram::{HistogramError, add, compact, copy_to_schema, detect_reset, divide, scale, subtract};
use std::sync::Arc;

/// Past this many average distances, a window's edge is not reached by extrapolation.
const FAR: f64 = 1.1;

/// Where notes of a call go, and what they are about.
pub(super) struct About<'a> {
    pub metric: &'a str,
    pub at: Span,
    pub notes: &'a mut Notes,
}

impl About<'_> {
    pub fn note(&mut self, note: fn(String) -> Note) {
        self.notes.add(note(self.metric.to_owned()), self.at);
    }

    /// True when it went well; a mix of schemas is noted, anything else ends the query.
    pub fn fine(
        &mut self,
        result: Result<crate::promql::histogram::Added, HistogramError>,
        operation: HistogramOperation,
    ) -> Evaluate<bool> {
        match result {
            Ok(added) => {
                if added.reconciled {
                    self.notes.add(Note::MismatchedCustomBuckets(operation), self.at);
                }
                Ok(true)
            }
            Err(HistogramError::IncompatibleSchema) => {
                self.note(Note::MixedExponentialCustom);
                Ok(false)
            }
            Err(error) => failed(error.to_string()),
        }
    }
}

/// `delta` (a gauge's), `increase` and `rate` (a counter's).
pub(super) fn rate(
    samples: &mut Samples,
    window: &Window,
    call: &RangeCall,
    counter: bool,
    per_second: bool,
    about: &mut About<'_>,
) -> Evaluate<Option<Sample>> {
    if !window.floats.is_empty() && !window.histograms.is_empty() {
        about.note(Note::MixedFloatsHistograms);
        return Ok(None);
    }
    let seconds = call.range_ms as f64 / 1e3;
    if call.extension != Extension::None {
        return if !window.histograms.is_empty() {
            extended_histogram_rate(samples, window, call, counter, per_second, about)
        } else if !window.floats.is_empty() {
            Ok(extended_rate(samples, window, call, counter, per_second))
        } else {
            Ok(None)
        };
    }
    let floats = !window.floats.is_empty();
    if !floats && window.histograms.is_empty() {
        return Ok(None);
    }
    let places = if floats { window.floats.clone() } else { window.histograms.clone() };
    let (first, last) = (places.start, places.end - 1);
    let (mut result, mut histogram) = (0.0, None);
    let (first_time, last_time, first_start) = if floats {
        result = samples.values[last] - samples.values[first];
        if counter {
            result = add_falls(samples, first, last, result, about);
        }
        (samples.times[first], samples.times[last], samples.start(first))
    } else {
        if last > first {
            match histogram_difference(samples, first, last, counter, about)? {
                Some(difference) => histogram = Some(difference),
                None => return Ok(None),
            }
        }
        (samples.histogram_times[first], samples.histogram_times[last], samples.histogram_start(first))
    };
    let mut to_start = (first_time - window.start) as f64 / 1e3;
    let mut to_end = (window.end - last_time) as f64 / 1e3;
    let mut sampled = (last_time - first_time) as f64 / 1e3;
    let distance = if last > first { sampled / (last - first) as f64 } else { 0.0 };
    let threshold = distance * FAR;
    if counter && first_start != 0 && first_start > window.start && first_start < first_time {
        to_start = 0.0;
        sampled = (last_time - first_start) as f64 / 1e3;
        if floats {
            result += samples.values[first];
        } else {
            let whole = &samples.histograms[first];
            match &mut histogram {
                None => histogram = Some(whole.as_ref().clone()),
                Some(sum) => {
                    if !about.fine(add(sum, whole), HistogramOperation::Addition)? {
                        return Ok(None);
                    }
                }
            }
        }
    } else if last == first {
        return Ok(None);
    } else {
        if to_start >= threshold {
            to_start = distance / 2.0;
        }
        if counter {
            let mut to_zero = to_start;
            if floats {
                if result > 0.0 && samples.values[first] >= 0.0 {
                    to_zero = sampled * (samples.values[first] / result);
                }
            } else if let Some(sum) = &histogram
                && sum.count > 0.0
                && samples.histograms[first].count >= 0.0
            {
                to_zero = sampled * (samples.histograms[first].count / sum.count);
            }
            if to_zero < to_start {
                to_start = to_zero;
            }
        }
    }
    if to_end >= threshold {
        to_end = distance / 2.0;
    }
    let mut factor = if sampled == 0.0 { 1.0 } else { (sampled + to_start + to_end) / sampled };
    if per_second {
        factor /= seconds;
    }
    Ok(Some(match histogram {
        None => Sample::Float(result * factor),
        Some(mut histogram) => {
            scale(&mut histogram, factor);
            Sample::Histogram(Arc::new(histogram))
        }
    }))
}

/// Adds what a counter lost by falling, in the order of the samples.
fn add_falls(samples: &Samples, first: usize, last: usize, difference: f64, about: &mut About<'_>) -> f64 {
    let mut result = difference;
    if samples.starts.is_empty() {
        let from = samples.falls.partition_point(|index| *index as usize <= first);
        for index in samples.falls[from..].iter().take_while(|index| **index as usize <= last) {
            result += samples.values[*index as usize - 1];
        }
        return result;
    }
    let mut overlap = false;
    for index in first + 1..=last {
        let (before, start) = (samples.start(index - 1), samples.start(index));
        if !overlap && start != 0 && start < samples.times[index - 1] && start != before {
            about.note(Note::StartTimeOverlap);
            overlap = true;
        }
        if samples.values[index] < samples.values[index - 1]
            || start_tells_reset(before, samples.times[index - 1], start, samples.times[index])
        {
            result += samples.values[index - 1];
        }
    }
    result
}

fn histogram_difference(
    samples: &mut Samples,
    first: usize,
    last: usize,
    counter: bool,
    about: &mut About<'_>,
) -> Evaluate<Option<FloatHistogram>> {
    let gauge = |histogram: &FloatHistogram| histogram.reset == ResetHint::Gauge;
    if counter && (gauge(&samples.histograms[first]) || gauge(&samples.histograms[last])) {
        about.note(Note::NotCounter);
    }
    let told = |samples: &Samples, index: usize| {
        !samples.histogram_starts.is_empty()
            && start_tells_reset(
                samples.histogram_start(index - 1),
                samples.histogram_times[index - 1],
                samples.histogram_start(index),
                samples.histogram_times[index],
            )
    };
    // Of a first sample before a reset nothing counts, not even its buckets.
    let mut before = samples.histograms[first].clone();
    let mut custom = before.has_custom_buckets();
    if counter && (told(samples, first + 1) || samples.histogram_fell(first + 1)) {
        let second = &samples.histograms[first + 1];
        before = Arc::new(FloatHistogram {
            schema: second.schema,
            custom_values: second.custom_values.clone(),
            ..FloatHistogram::default()
        });
        custom = second.has_custom_buckets();
    }
    let final_one = samples.histograms[last].clone();
    if final_one.has_custom_buckets() != custom {
        about.note(Note::MixedExponentialCustom);
        return Ok(None);
    }
    let mut schema = final_one.schema.min(before.schema);
    if counter {
        for index in first + 1..last {
            let current = &samples.histograms[index];
            if gauge(current) {
                about.note(Note::NotCounter);
            }
            schema = schema.min(current.schema);
            if current.has_custom_buckets() != custom {
                about.note(Note::MixedExponentialCustom);
                return Ok(None);
            }
        }
    }
    let mut difference = match copy_to_schema(&final_one, schema) {
        Ok(copy) => copy,
        Err(error) => return failed(error.to_string()),
    };
    if !about.fine(subtract(&mut difference, &before), HistogramOperation::Subtraction)? {
        return Ok(None);
    }
    if counter {
        let mut overlap = false;
        for index in first + 1..=last {
            if !overlap && !samples.histogram_starts.is_empty() {
                let (known, start) = (samples.histogram_start(index - 1), samples.histogram_start(index));
                if start != 0 && start < samples.histogram_times[index - 1] && start != known {
                    about.note(Note::StartTimeOverlap);
                    overlap = true;
                }
            }
            if told(samples, index) || samples.histogram_fell(index) {
                let lost = if index == first + 1 { before.clone() } else { samples.histograms[index - 1].clone() };
                if !about.fine(add(&mut difference, &lost), HistogramOperation::Addition)? {
                    return Ok(None);
                }
            }
        }
    } else if !gauge(&samples.histograms[first]) || !gauge(&final_one) {
        about.note(Note::NotGauge);
    }
    difference.reset = ResetHint::Gauge;
    compact(&mut difference);
    Ok(Some(difference))
}

/// `irate` and `idelta`: the last two samples.
pub(super) fn instant_rate(
    samples: &mut Samples,
    window: &Window,
    per_second: bool,
    about: &mut About<'_>,
) -> Evaluate<Option<Sample>> {
    if window.floats.len() + window.histograms.len() < 2 {
        return Ok(None);
    }
    // The last two of either kind, by time: index and whether it is a histogram.
    let floats = window.floats.clone().rev().take(2).map(|index| (samples.times[index], false, index));
    let histograms = window.histograms.clone().rev().take(2).map(|index| (samples.histogram_times[index], true, index));
    let mut latest: Vec<(i64, bool, usize)> = floats.chain(histograms).collect();
    latest.sort();
    let (second, first) = (latest[latest.len() - 1], latest[latest.len() - 2]);
    let interval = second.0 - first.0;
    if interval == 0 {
        return Ok(None);
    }
    let seconds = interval as f64 / 1e3;
    match (first.1, second.1) {
        (false, false) => {
            let (before, now) = (samples.values[first.2], samples.values[second.2]);
            let told = start_tells_reset(samples.start(first.2), first.0, samples.start(second.2), second.0);
            let mut result = if per_second && (now < before || told) { now } else { now - before };
            if per_second {
                result /= seconds;
            }
            Ok(Some(Sample::Float(result)))
        }
        (true, true) => {
            let (before, now) = (samples.histograms[first.2].clone(), samples.histograms[second.2].clone());
            let gauges = [&before, &now].map(|histogram| histogram.reset == ResetHint::Gauge);
            if per_second && (gauges[0] || gauges[1]) {
                about.note(Note::NotCounter);
            }
            if !per_second && gauges != [true, true] {
                about.note(Note::NotGauge);
            }
            let mut result = now.as_ref().clone();
            let told =
                start_tells_reset(samples.histogram_start(first.2), first.0, samples.histogram_start(second.2), second.0);
            if (!per_second || (!told && !detect_reset(&now, &before)))
                && !about.fine(subtract(&mut result, &before), HistogramOperation::Subtraction)?
            {
                return Ok(None);
            }
            result.reset = ResetHint::Gauge;
            compact(&mut result);
            if per_second {
                divide(&mut result, seconds);
            }
            Ok(Some(Sample::Histogram(Arc::new(result))))
        }
        _ => {
            about.note(Note::MixedFloatsHistograms);
            Ok(None)
        }
    }
}
