//! Has a counter histogram begun again?

use super::add::{same_bounds, zero_count_at};
use super::bucket::bound;
use super::layout::{common_bounds, entries, index_at, place_under};
use crate::model::{BucketSpan, FloatHistogram, ResetHint};

/// True when `current` cannot have grown out of `previous`: a count fell, a populated bucket is gone, the resolution rose.
pub fn detect_reset(current: &FloatHistogram, previous: &FloatHistogram) -> bool {
    match current.reset {
        ResetHint::Reset => return true,
        ResetHint::NotReset => return false,
        ResetHint::Unknown | ResetHint::Gauge => {}
    }
    if current.count < previous.count {
        return true;
    }
    if current.has_custom_buckets() {
        if !previous.has_custom_buckets() {
            return true;
        }
        if !same_bounds(&current.custom_values, &previous.custom_values) {
            return custom_fell(current, previous);
        }
    }
    if current.schema > previous.schema || current.zero_threshold < previous.zero_threshold {
        return true;
    }
    if previous.has_custom_buckets() && !current.has_custom_buckets() {
        return true;
    }
    let (zero_count, threshold) = zero_count_at(previous, current.zero_threshold);
    if threshold != current.zero_threshold || current.zero_count < zero_count {
        return true;
    }
    let sides = [
        (&current.positive_spans, &current.positive_buckets, &previous.positive_spans, &previous.positive_buckets),
        (&current.negative_spans, &current.negative_buckets, &previous.negative_spans, &previous.negative_buckets),
    ];
    sides.into_iter().any(|(spans, buckets, previous_spans, previous_buckets)| {
        side_fell(beyond(current, spans, buckets, current), beyond(previous, previous_spans, previous_buckets, current))
    })
}

/// Buckets of one side at the schema of `like` that end beyond its zero bucket.
fn beyond(
    of: &FloatHistogram,
    spans: &[BucketSpan],
    buckets: &[f64],
    like: &FloatHistogram,
) -> impl Iterator<Item = (i32, f64)> {
    let mut merged: Vec<(i32, f64)> = Vec::with_capacity(buckets.len());
    let exponential = !like.has_custom_buckets();
    for (index, count) in entries(spans, buckets) {
        let index = if exponential { index_at(index, of.schema, like.schema) } else { index };
        match merged.last_mut() {
            Some(last) if last.0 == index => last.1 += count,
            _ => merged.push((index, count)),
        }
    }
    let skip = if exponential && like.zero_threshold > 0.0 {
        merged.iter().take_while(|(index, _)| bound(*index, like.schema, &[]) <= like.zero_threshold).count()
    } else {
        0
    };
    merged.into_iter().skip(skip)
}

fn side_fell(current: impl Iterator<Item = (i32, f64)>, previous: impl Iterator<Item = (i32, f64)>) -> bool {
    let mut current = current.peekable();
    for (index, before) in previous {
        while current.next_if(|(candidate, _)| *candidate < index).is_some() {}
        let now = current.next_if(|(candidate, _)| *candidate == index);
        let fell = match now {
            Some((_, now)) => now < before,
            None => before != 0.0,
        };
        if fell {
            return true;
        }
    }
    false
}

/// With differing custom bounds: a count under the common bounds fell.
fn custom_fell(current: &FloatHistogram, previous: &FloatHistogram) -> bool {
    let common = common_bounds(&current.custom_values, &previous.custom_values);
    let counts = |histogram: &FloatHistogram| {
        let mut counts = vec![0.0; common.len() + 1];
        for (index, value) in entries(&histogram.positive_spans, &histogram.positive_buckets) {
            counts[place_under(&common, &histogram.custom_values, index)] += value;
        }
        counts
    };
    counts(current).iter().zip(counts(previous)).any(|(now, before)| *now < before)
}
