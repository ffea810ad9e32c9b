//! Adding and subtracting. The first histogram is changed, the second never.

use super::bucket::{bound, negative, positive};
use super::layout::{check, common_bounds, compact, entries, merge, place_under, push, reduce};
use super::{HistogramError, kahan_inc};
use crate::model::{BucketSpan, FloatHistogram, ResetHint};
use std::sync::Arc;

/// What happened on the way.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Added {
    /// One side said "reset", the other "no reset".
    pub collision: bool,
    /// Custom bounds differed and were reduced to the common ones.
    pub reconciled: bool,
}

/// `into += other`
pub fn add(into: &mut FloatHistogram, other: &FloatHistogram) -> Result<Added, HistogramError> {
    combine(into, other, 1.0)
}

/// `into -= other`
pub fn subtract(into: &mut FloatHistogram, other: &FloatHistogram) -> Result<Added, HistogramError> {
    combine(into, other, -1.0)
}

fn combine(into: &mut FloatHistogram, other: &FloatHistogram, sign: f64) -> Result<Added, HistogramError> {
    if into.has_custom_buckets() != other.has_custom_buckets() {
        return Err(HistogramError::IncompatibleSchema);
    }
    if other.schema != into.schema {
        let finer = if other.schema < into.schema { &*into } else { other };
        check(&finer.positive_spans, &finer.positive_buckets)?;
        check(&finer.negative_spans, &finer.negative_buckets)?;
    }
    let collision = adjust_reset(into, other);
    if into.has_custom_buckets() {
        into.count += sign * other.count;
        into.sum += sign * other.sum;
        let reconciled = !same_bounds(&into.custom_values, &other.custom_values);
        if reconciled {
            add_custom(into, other, sign);
        } else {
            add_side(
                &mut into.positive_spans,
                &mut into.positive_buckets,
                &other.positive_spans,
                &other.positive_buckets,
                sign,
                None,
            );
        }
        return Ok(Added { collision, reconciled });
    }
    let zero_count = reconcile_zero(into, other);
    into.zero_count += sign * zero_count;
    into.count += sign * other.count;
    into.sum += sign * other.sum;
    if other.schema < into.schema {
        lower_schema(into, other.schema);
    }
    let skip = Some((into.schema, into.zero_threshold));
    if other.schema > into.schema {
        let (spans, buckets) = reduce(&other.positive_spans, &other.positive_buckets, other.schema, into.schema);
        add_side(&mut into.positive_spans, &mut into.positive_buckets, &spans, &buckets, sign, skip);
        let (spans, buckets) = reduce(&other.negative_spans, &other.negative_buckets, other.schema, into.schema);
        add_side(&mut into.negative_spans, &mut into.negative_buckets, &spans, &buckets, sign, skip);
    } else {
        let (spans, buckets) = (&other.positive_spans, &other.positive_buckets);
        add_side(&mut into.positive_spans, &mut into.positive_buckets, spans, buckets, sign, skip);
        let (spans, buckets) = (&other.negative_spans, &other.negative_buckets);
        add_side(&mut into.negative_spans, &mut into.negative_buckets, spans, buckets, sign, skip);
    }
    Ok(Added { collision, reconciled: false })
}

pub(super) fn same_bounds(a: &Arc<[f64]>, b: &Arc<[f64]>) -> bool {
    Arc::ptr_eq(a, b) || (a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| a.to_bits() == b.to_bits()))
}

pub(super) fn lower_schema(histogram: &mut FloatHistogram, schema: i32) {
    let from = histogram.schema;
    (histogram.positive_spans, histogram.positive_buckets) =
        reduce(&histogram.positive_spans, &histogram.positive_buckets, from, schema);
    (histogram.negative_spans, histogram.negative_buckets) =
        reduce(&histogram.negative_spans, &histogram.negative_buckets, from, schema);
    histogram.schema = schema;
}

/// Adds one side. Leading buckets of the other that lie within the zero bucket are already counted there.
fn add_side(
    spans: &mut Vec<BucketSpan>,
    buckets: &mut Vec<f64>,
    other_spans: &[BucketSpan],
    other_buckets: &[f64],
    sign: f64,
    skip: Option<(i32, f64)>,
) {
    let skipped = skipped(other_spans, skip);
    if skipped == 0 && spans.as_slice() == other_spans && buckets.len() == other_buckets.len() {
        buckets.iter_mut().zip(other_buckets).for_each(|(count, other)| *count += sign * other);
        return;
    }
    let right = entries(other_spans, other_buckets).skip(skipped);
    (*spans, *buckets) = merge((spans, buckets), right, |a, b| a + sign * b);
}

/// How many leading buckets end at or below the zero threshold.
pub(super) fn skipped(spans: &[BucketSpan], skip: Option<(i32, f64)>) -> usize {
    let Some((schema, threshold)) = skip.filter(|(_, threshold)| *threshold > 0.0) else { return 0 };
    super::layout::indices(spans).take_while(|index| bound(*index, schema, &[]) <= threshold).count()
}

/// Adds histograms whose custom bounds differ, under the bounds that both have.
fn add_custom(into: &mut FloatHistogram, other: &FloatHistogram, sign: f64) {
    let common = common_bounds(&into.custom_values, &other.custom_values);
    let mut counts = vec![(0.0, 0.0); common.len() + 1];
    for (histogram, sign) in [(&*into, 1.0), (other, sign)] {
        for (index, value) in entries(&histogram.positive_spans, &histogram.positive_buckets) {
            let place = place_under(&common, &histogram.custom_values, index);
            counts[place] = kahan_inc(sign * value, counts[place].0, counts[place].1);
        }
    }
    set_custom(into, common, &counts);
}

/// Sets custom bounds and the counts under them, empty ones left out; gives the compensations of the counts that stay.
pub(super) fn set_custom(into: &mut FloatHistogram, common: Vec<f64>, counts: &[(f64, f64)]) -> Vec<f64> {
    let (mut spans, mut buckets, mut rest, mut last) = (Vec::new(), Vec::new(), Vec::new(), None);
    for (index, (count, compensation)) in counts.iter().enumerate() {
        if *count != 0.0 || *compensation != 0.0 {
            push(&mut spans, &mut last, index as i32);
            buckets.push(*count);
            rest.push(*compensation);
        }
    }
    (into.positive_spans, into.positive_buckets) = (spans, buckets);
    into.custom_values = common.into();
    rest
}

/// What the sum of two counters knows of resets; true when the two contradict each other.
pub(super) fn adjust_reset(into: &mut FloatHistogram, other: &FloatHistogram) -> bool {
    match (into.reset, other.reset) {
        (a, b) if a == b => {}
        (ResetHint::Gauge, _) | (ResetHint::Unknown, ResetHint::Reset | ResetHint::NotReset) => {}
        (_, ResetHint::Gauge) => into.reset = ResetHint::Gauge,
        (_, ResetHint::Unknown) => into.reset = ResetHint::Unknown,
        _ => {
            into.reset = ResetHint::Unknown;
            return true;
        }
    }
    false
}

/// The zero count that a histogram has at a larger threshold, and that threshold, moved up to the end of a populated
/// bucket that it falls into.
pub(super) fn zero_count_at(histogram: &FloatHistogram, threshold: f64) -> (f64, f64) {
    if threshold <= histogram.zero_threshold {
        return (histogram.zero_count, threshold);
    }
    let mut threshold = threshold;
    loop {
        let (mut count, mut compensation) = (histogram.zero_count, 0.0);
        for bucket in positive(histogram) {
            if bucket.lower >= threshold {
                break;
            }
            (count, compensation) = kahan_inc(bucket.count, count, compensation);
            if bucket.upper > threshold {
                if bucket.count != 0.0 {
                    threshold = bucket.upper;
                }
                break;
            }
        }
        let mut again = false;
        for bucket in negative(histogram) {
            if bucket.upper <= -threshold {
                break;
            }
            (count, compensation) = kahan_inc(bucket.count, count, compensation);
            if bucket.lower < -threshold {
                if bucket.count != 0.0 {
                    threshold = -bucket.lower;
                    again = true;
                }
                break;
            }
        }
        if !again {
            return (count, threshold);
        }
    }
}

/// Widens the zero bucket of `into` until both have the same threshold; gives the other's zero count at it.
pub(super) fn reconcile_zero(into: &mut FloatHistogram, other: &FloatHistogram) -> f64 {
    let (mut count, mut threshold) = (other.zero_count, other.zero_threshold);
    while threshold != into.zero_threshold && !(threshold.is_nan() || into.zero_threshold.is_nan()) {
        if into.zero_threshold > threshold {
            (count, threshold) = zero_count_at(other, into.zero_threshold);
        }
        if threshold > into.zero_threshold {
            (into.zero_count, into.zero_threshold) = zero_count_at(into, threshold);
            drop_within_zero(into);
        }
    }
    count
}

/// Empties the buckets that the zero bucket has taken over.
pub(super) fn drop_within_zero(histogram: &mut FloatHistogram) {
    let threshold = histogram.zero_threshold;
    let within = positive(histogram).take_while(|bucket| bucket.lower < threshold).count();
    let within_negative = negative(histogram).take_while(|bucket| bucket.upper > -threshold).count();
    histogram.positive_buckets[..within].fill(0.0);
    histogram.negative_buckets[..within_negative].fill(0.0);
    compact(histogram);
}
