//! Arithmetic on native histograms, with the rules of Prometheus: schemas and zero buckets are reconciled, custom bounds
//! intersected, counter resets found by comparing.

mod add;
mod bucket;
mod kahan;
mod layout;
mod quantile;
mod reset;
mod trim;

pub use add::{Added, add, subtract};
pub use bucket::{Bucket, all_buckets, bound, text};
pub use kahan::{Compensated, kahan_inc};
pub use layout::{compact, copy_to_schema};
pub use quantile::{Skew, fraction, quantile, variance};
pub use reset::detect_reset;
pub use trim::trim;

use crate::model::{FloatHistogram, ResetHint};

/// Why two histograms do not combine.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum HistogramError {
    /// One has exponential buckets, the other custom bounds.
    #[error("cannot apply this operation on histograms with a mix of exponential and custom bucket schemas")]
    IncompatibleSchema,
    /// Spans and buckets do not fit together.
    #[error("{0}")]
    Layout(String),
}

/// Multiplies every count and the sum.
pub fn scale(histogram: &mut FloatHistogram, factor: f64) {
    each(histogram, |value| *value *= factor);
    if factor < 0.0 {
        histogram.reset = ResetHint::Gauge;
    }
}

/// Divides every count and the sum; by zero takes the buckets away.
pub fn divide(histogram: &mut FloatHistogram, by: f64) {
    each(histogram, |value| *value /= by);
    if by == 0.0 {
        histogram.positive_spans.clear();
        histogram.positive_buckets.clear();
        histogram.negative_spans.clear();
        histogram.negative_buckets.clear();
    } else if by < 0.0 {
        histogram.reset = ResetHint::Gauge;
    }
}

fn each(histogram: &mut FloatHistogram, change: impl Fn(&mut f64)) {
    change(&mut histogram.zero_count);
    change(&mut histogram.count);
    change(&mut histogram.sum);
    histogram.positive_buckets.iter_mut().for_each(&change);
    histogram.negative_buckets.iter_mut().for_each(&change);
}

/// True when a count or the sum is infinite.
pub fn has_overflow(histogram: &FloatHistogram) -> bool {
    [histogram.zero_count, histogram.count, histogram.sum].iter().any(|value| value.is_infinite())
        || histogram.positive_buckets.iter().chain(&histogram.negative_buckets).any(|value| value.is_infinite())
}

/// True for the same data bit by bit; how empty spans lie does not matter, the reset hint neither.
pub fn same(a: &FloatHistogram, b: &FloatHistogram) -> bool {
    let bits = |a: &[f64], b: &[f64]| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits());
    a.schema == b.schema
        && bits(&[a.count, a.sum, a.zero_count], &[b.count, b.sum, b.zero_count])
        && (!a.has_custom_buckets() || bits(&a.custom_values, &b.custom_values))
        && a.zero_threshold == b.zero_threshold
        && layout::indices(&a.negative_spans).eq(layout::indices(&b.negative_spans))
        && bits(&a.negative_buckets, &b.negative_buckets)
        && layout::indices(&a.positive_spans).eq(layout::indices(&b.positive_spans))
        && bits(&a.positive_buckets, &b.positive_buckets)
}

/// Samples that a histogram counts for against a query's limit: its size in units of a float sample.
pub fn size(histogram: &FloatHistogram) -> u64 {
    let parts = histogram.positive_spans.len()
        + histogram.negative_spans.len()
        + histogram.positive_buckets.len()
        + histogram.negative_buckets.len()
        + histogram.custom_values.len();
    (168 + 8 * parts as u64 + 8) / 16
}
