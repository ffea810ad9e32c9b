//! Sums that carry what rounding lost (Kahan, in Neumaier's form), of numbers and of histograms.

use super::add::{Added, add, adjust_reset, lower_schema, reconcile_zero, same_bounds, set_custom, skipped};
use super::layout::{common_bounds, entries, indices, place_under, push, reduce};
use super::{HistogramError, divide, scale};
use crate::model::{BucketSpan, FloatHistogram};

/// Adds to a sum with its compensation.
#[inline]
pub fn kahan_inc(value: f64, sum: f64, compensation: f64) -> (f64, f64) {
    let total = sum + value;
    let compensation = if total.is_infinite() {
        0.0
    } else if sum.abs() >= value.abs() {
        compensation + ((sum - total) + value)
    } else {
        compensation + ((value - total) + sum)
    };
    (total, compensation)
}

/// A running sum of histograms. The compensation has the buckets of the sum.
#[derive(Clone, Debug)]
pub struct Compensated {
    /// The sum so far.
    pub sum: FloatHistogram,
    rest: Option<FloatHistogram>,
}

impl Compensated {
    /// Starts with one histogram.
    pub fn new(first: &FloatHistogram) -> Self {
        Self { sum: first.clone(), rest: None }
    }

    /// Multiplies sum and compensation.
    pub fn scale(&mut self, factor: f64) {
        scale(&mut self.sum, factor);
        if let Some(rest) = &mut self.rest {
            scale(rest, factor);
        }
    }

    /// Divides sum and compensation.
    pub fn divide(&mut self, by: f64) {
        divide(&mut self.sum, by);
        if let Some(rest) = &mut self.rest {
            divide(rest, by);
        }
    }

    /// The sum with its compensation.
    pub fn total(mut self) -> Result<(FloatHistogram, Added), HistogramError> {
        let added = match &self.rest {
            Some(rest) => add(&mut self.sum, rest)?,
            None => Added::default(),
        };
        Ok((self.sum, added))
    }

    /// Adds a histogram.
    pub fn add(&mut self, other: &FloatHistogram) -> Result<Added, HistogramError> {
        let sum = &mut self.sum;
        if sum.has_custom_buckets() != other.has_custom_buckets() {
            return Err(HistogramError::IncompatibleSchema);
        }
        let collision = adjust_reset(sum, other);
        let rest = self.rest.get_or_insert_with(|| FloatHistogram {
            zero_count: 0.0,
            count: 0.0,
            sum: 0.0,
            positive_buckets: vec![0.0; sum.positive_buckets.len()],
            negative_buckets: vec![0.0; sum.negative_buckets.len()],
            ..sum.clone()
        });
        let mut reconciled = false;
        if sum.has_custom_buckets() {
            (sum.count, rest.count) = kahan_inc(other.count, sum.count, rest.count);
            (sum.sum, rest.sum) = kahan_inc(other.sum, sum.sum, rest.sum);
            if same_bounds(&sum.custom_values, &other.custom_values) {
                let (spans, buckets) = (&other.positive_spans, &other.positive_buckets);
                add_side(&mut sum.positive_spans, &mut sum.positive_buckets, &mut rest.positive_buckets, spans, buckets, None);
            } else {
                reconciled = true;
                add_custom(sum, rest, other);
            }
            rest.positive_spans.clone_from(&sum.positive_spans);
            return Ok(Added { collision, reconciled });
        }
        if sum.zero_threshold != other.zero_threshold {
            // Widening the zero bucket is rare: what rounding lost so far is added in first.
            settle(sum, rest);
        }
        let zero_count = reconcile_zero(sum, other);
        if rest.positive_buckets.len() != sum.positive_buckets.len()
            || rest.negative_buckets.len() != sum.negative_buckets.len()
        {
            rest.positive_buckets = vec![0.0; sum.positive_buckets.len()];
            rest.negative_buckets = vec![0.0; sum.negative_buckets.len()];
        }
        (sum.zero_count, rest.zero_count) = kahan_inc(zero_count, sum.zero_count, rest.zero_count);
        (sum.count, rest.count) = kahan_inc(other.count, sum.count, rest.count);
        (sum.sum, rest.sum) = kahan_inc(other.sum, sum.sum, rest.sum);
        if other.schema < sum.schema {
            settle(sum, rest);
            lower_schema(sum, other.schema);
            rest.positive_buckets = vec![0.0; sum.positive_buckets.len()];
            rest.negative_buckets = vec![0.0; sum.negative_buckets.len()];
        }
        let skip = Some((sum.schema, sum.zero_threshold));
        let reduced;
        let (positive, negative) = if other.schema > sum.schema {
            reduced = (
                reduce(&other.positive_spans, &other.positive_buckets, other.schema, sum.schema),
                reduce(&other.negative_spans, &other.negative_buckets, other.schema, sum.schema),
            );
            ((reduced.0.0.as_slice(), reduced.0.1.as_slice()), (reduced.1.0.as_slice(), reduced.1.1.as_slice()))
        } else {
            (
                (other.positive_spans.as_slice(), other.positive_buckets.as_slice()),
                (other.negative_spans.as_slice(), other.negative_buckets.as_slice()),
            )
        };
        add_side(&mut sum.positive_spans, &mut sum.positive_buckets, &mut rest.positive_buckets, positive.0, positive.1, skip);
        add_side(&mut sum.negative_spans, &mut sum.negative_buckets, &mut rest.negative_buckets, negative.0, negative.1, skip);
        rest.schema = sum.schema;
        rest.zero_threshold = sum.zero_threshold;
        rest.positive_spans.clone_from(&sum.positive_spans);
        rest.negative_spans.clone_from(&sum.negative_spans);
        Ok(Added { collision, reconciled })
    }
}

/// Adds the compensation of buckets into them.
fn settle(sum: &mut FloatHistogram, rest: &mut FloatHistogram) {
    for (buckets, rest) in
        [(&mut sum.positive_buckets, &mut rest.positive_buckets), (&mut sum.negative_buckets, &mut rest.negative_buckets)]
    {
        for (count, rest) in buckets.iter_mut().zip(rest.iter_mut()) {
            *count += std::mem::take(rest);
        }
    }
    sum.zero_count += std::mem::take(&mut rest.zero_count);
}

fn add_side(
    spans: &mut Vec<BucketSpan>,
    buckets: &mut Vec<f64>,
    rest: &mut Vec<f64>,
    other_spans: &[BucketSpan],
    other_buckets: &[f64],
    skip: Option<(i32, f64)>,
) {
    let skipped = skipped(other_spans, skip);
    if skipped == 0 && spans.as_slice() == other_spans && buckets.len() == other_buckets.len() {
        for ((count, rest), other) in buckets.iter_mut().zip(rest.iter_mut()).zip(other_buckets) {
            (*count, *rest) = kahan_inc(*other, *count, *rest);
        }
        return;
    }
    let mut left = indices(spans).zip(buckets.iter().copied().zip(rest.iter().copied())).peekable();
    let mut right = entries(other_spans, other_buckets).skip(skipped).peekable();
    let (mut merged, mut counts, mut compensations, mut last) = (Vec::new(), Vec::new(), Vec::new(), None);
    loop {
        let first = left.peek().map(|entry| entry.0);
        let second = right.peek().map(|entry| entry.0);
        let Some(index) = first.into_iter().chain(second).min() else { break };
        let (mut count, mut compensation) = (0.0, 0.0);
        if first == Some(index)
            && let Some((_, pair)) = left.next()
        {
            (count, compensation) = pair;
        }
        if second == Some(index)
            && let Some((_, other)) = right.next()
        {
            if first == Some(index) {
                (count, compensation) = kahan_inc(other, count, compensation);
            } else {
                count = other;
            }
        }
        push(&mut merged, &mut last, index);
        counts.push(count);
        compensations.push(compensation);
    }
    drop(left);
    (*spans, *buckets, *rest) = (merged, counts, compensations);
}

fn add_custom(sum: &mut FloatHistogram, rest: &mut FloatHistogram, other: &FloatHistogram) {
    let common = common_bounds(&sum.custom_values, &other.custom_values);
    let mut counts = vec![(0.0, 0.0); common.len() + 1];
    for ((index, value), rest) in entries(&sum.positive_spans, &sum.positive_buckets).zip(&rest.positive_buckets) {
        let place = place_under(&common, &sum.custom_values, index);
        let (count, compensation) = kahan_inc(value, counts[place].0, counts[place].1);
        counts[place] = kahan_inc(*rest, count, compensation);
    }
    for (index, value) in entries(&other.positive_spans, &other.positive_buckets) {
        let place = place_under(&common, &other.custom_values, index);
        counts[place] = kahan_inc(value, counts[place].0, counts[place].1);
    }
    rest.positive_buckets = set_custom(sum, common, &counts);
    rest.custom_values = sum.custom_values.clone();
}
