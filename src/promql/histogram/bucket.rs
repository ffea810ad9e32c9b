//! Buckets with their bounds, in order.

use super::layout::entries;
use crate::model::FloatHistogram;
use crate::promql::text::float_g;
use std::fmt::Write;
use std::sync::LazyLock;

/// Finest schema of exponential buckets.
const FINEST: i32 = 8;

/// `2^(i/256)` halved: the upper bounds between 0.5 and 1 at the finest schema.
static BOUNDS: LazyLock<[f64; 256]> = LazyLock::new(|| std::array::from_fn(|index| 0.5 * 2_f64.powf(index as f64 / 256.0)));

/// One bucket.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Bucket {
    /// Lower bound.
    pub lower: f64,
    /// Upper bound.
    pub upper: f64,
    /// The lower bound belongs to it.
    pub lower_inclusive: bool,
    /// The upper bound belongs to it.
    pub upper_inclusive: bool,
    /// Observations.
    pub count: f64,
}

impl Bucket {
    /// Which part of the bucket lies below a value inside it: linear, or on the scale of exponential buckets.
    pub(super) fn part_below(&self, value: f64, linear: bool) -> f64 {
        if linear {
            return (value - self.lower) / (self.upper - self.lower);
        }
        let (lower, upper, value) = (self.lower.abs().log2(), self.upper.abs().log2(), value.abs().log2());
        if self.lower > 0.0 { (value - lower) / (upper - lower) } else { 1.0 - (value - upper) / (lower - upper) }
    }
}

/// `fraction * 2^power`, right at the ends of what floats hold.
fn times_power_of_two(fraction: f64, power: i32) -> f64 {
    let step = |power: i32| f64::from_bits(((power + 1023) as u64) << 52);
    match power {
        -1022..=1023 => fraction * step(power),
        1024.. => fraction * step(1023) * step((power - 1023).min(1023)),
        _ => fraction * step(-1022) * step((power + 1022).max(-1022)),
    }
}

/// Upper bound of the positive bucket at an index; of custom buckets, the bound itself.
pub fn bound(index: i32, schema: i32, custom: &[f64]) -> f64 {
    if schema == crate::model::histogram::CUSTOM_BUCKETS_SCHEMA {
        return match usize::try_from(index) {
            Ok(index) => custom.get(index).copied().unwrap_or(f64::INFINITY),
            Err(_) => f64::NEG_INFINITY,
        };
    }
    if schema < 0 {
        let power = i64::from(index) << -schema;
        return if power == 1024 { f64::MAX } else { times_power_of_two(1.0, power.clamp(-3000, 3000) as i32) };
    }
    let schema = schema.min(FINEST);
    let fraction = BOUNDS[((index & ((1 << schema) - 1)) << (FINEST - schema)) as usize];
    let power = (index >> schema) + 1;
    if fraction == 0.5 && power == 1025 { f64::MAX } else { times_power_of_two(fraction, power) }
}

/// Positive buckets by rising bound, empty ones included.
pub(super) fn positive(histogram: &FloatHistogram) -> impl Iterator<Item = Bucket> + '_ {
    let custom = histogram.has_custom_buckets();
    entries(&histogram.positive_spans, &histogram.positive_buckets).map(move |(index, count)| Bucket {
        lower: bound(index - 1, histogram.schema, &histogram.custom_values),
        upper: bound(index, histogram.schema, &histogram.custom_values),
        lower_inclusive: custom && index == 0,
        upper_inclusive: true,
        count,
    })
}

/// Negative buckets, those nearest to zero first.
pub(super) fn negative(histogram: &FloatHistogram) -> impl Iterator<Item = Bucket> + '_ {
    entries(&histogram.negative_spans, &histogram.negative_buckets).map(move |(index, count)| Bucket {
        lower: -bound(index, histogram.schema, &[]),
        upper: -bound(index - 1, histogram.schema, &[]),
        lower_inclusive: true,
        upper_inclusive: false,
        count,
    })
}

/// The zero bucket.
pub(super) fn zero(histogram: &FloatHistogram) -> Bucket {
    Bucket {
        lower: -histogram.zero_threshold,
        upper: histogram.zero_threshold,
        lower_inclusive: true,
        upper_inclusive: true,
        count: histogram.zero_count,
    }
}

/// All buckets from the lowest to the highest; the zero bucket only when it counts something. Those that reach into the
/// zero bucket end at its threshold.
pub fn all_buckets(histogram: &FloatHistogram) -> Vec<Bucket> {
    let threshold = histogram.zero_threshold;
    let clip = |mut bucket: Bucket| {
        if bucket.upper < 0.0 && bucket.upper > -threshold {
            bucket.upper = -threshold;
        } else if bucket.lower > 0.0 && bucket.lower < threshold {
            bucket.lower = threshold;
        }
        bucket
    };
    let mut buckets: Vec<Bucket> = negative(histogram).map(clip).collect();
    buckets.reverse();
    if histogram.zero_count > 0.0 {
        buckets.push(zero(histogram));
    }
    buckets.extend(positive(histogram).map(clip));
    buckets
}

/// As Prometheus prints a histogram: `{count:3, sum:5, (0.5,1]:2}`.
pub fn text(histogram: &FloatHistogram) -> String {
    let mut out = format!("{{count:{}, sum:{}", float_g(histogram.count), float_g(histogram.sum));
    let mut buckets: Vec<Bucket> = negative(histogram).filter(|bucket| bucket.count != 0.0).collect();
    buckets.reverse();
    if histogram.zero_count != 0.0 {
        buckets.push(zero(histogram));
    }
    buckets.extend(positive(histogram).filter(|bucket| bucket.count != 0.0));
    for bucket in buckets {
        let open = if bucket.lower_inclusive { '[' } else { '(' };
        let close = if bucket.upper_inclusive { ']' } else { ')' };
        let (lower, upper, count) = (float_g(bucket.lower), float_g(bucket.upper), float_g(bucket.count));
        let _ = write!(out, ", {open}{lower},{upper}{close}:{count}");
    }
    out.push('}');
    out
}
