//! Quantiles, fractions and the variance of native histograms.

use super::bucket::{Bucket, all_buckets};
use super::kahan_inc;
use crate::model::FloatHistogram;

/// What observations of NaN did to a result.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Skew {
    /// The quantile lies among them: it is NaN.
    Nan,
    /// They count as high values (quantile), or are left out (fraction).
    Skewed,
}

/// The value below which a share `q` of the observations lies.
pub fn quantile(q: f64, histogram: &FloatHistogram) -> (f64, Option<Skew>) {
    if q < 0.0 {
        return (f64::NEG_INFINITY, None);
    }
    if q > 1.0 {
        return (f64::INFINITY, None);
    }
    if histogram.count == 0.0 || q.is_nan() {
        return (f64::NAN, None);
    }
    let custom = histogram.has_custom_buckets();
    let nan_sum = histogram.sum.is_nan();
    let forward = nan_sum || q < 0.5;
    let buckets = all_buckets(histogram);
    let mut rank = if forward { q * histogram.count } else { (1.0 - q) * histogram.count };
    let mut count = 0.0;
    let mut bucket = Bucket { lower: 0.0, upper: 0.0, lower_inclusive: false, upper_inclusive: false, count: 0.0 };
    let mut looked_at = 0;
    for step in 0..buckets.len() {
        looked_at = step + 1;
        let candidate = buckets[if forward { step } else { buckets.len() - 1 - step }];
        bucket = candidate;
        if candidate.count == 0.0 {
            continue;
        }
        count += candidate.count;
        if count >= rank {
            break;
        }
    }
    if !custom && bucket.lower < 0.0 && bucket.upper > 0.0 {
        if histogram.negative_buckets.is_empty() && !histogram.positive_buckets.is_empty() {
            bucket.lower = 0.0;
        } else if histogram.positive_buckets.is_empty() && !histogram.negative_buckets.is_empty() {
            bucket.upper = 0.0;
        }
    } else if custom {
        if bucket.lower == f64::NEG_INFINITY {
            if bucket.upper <= 0.0 {
                return (bucket.upper, None);
            }
            bucket.lower = 0.0;
        } else if bucket.upper == f64::INFINITY {
            return (bucket.lower, None);
        }
    }
    count = count.min(histogram.count);
    if count < rank {
        return if nan_sum { (f64::NAN, Some(Skew::Nan)) } else { (bucket.upper, None) };
    }
    rank = if forward { rank - (count - bucket.count) } else { count - rank };
    let mut skew = None;
    if nan_sum {
        let rest: f64 = buckets[looked_at..].iter().map(|bucket| bucket.count).sum();
        if count + rest < histogram.count {
            skew = Some(Skew::Skewed);
        }
    }
    let part = rank / bucket.count;
    if custom || (bucket.lower <= 0.0 && bucket.upper >= 0.0) {
        return (bucket.lower + (bucket.upper - bucket.lower) * part, skew);
    }
    let (lower, upper) = (bucket.lower.abs().log2(), bucket.upper.abs().log2());
    let value = if bucket.lower > 0.0 {
        (lower + (upper - lower) * part).exp2()
    } else {
        -(upper + (lower - upper) * (1.0 - part)).exp2()
    };
    (value, skew)
}

/// The share of observations between two values.
pub fn fraction(lower: f64, upper: f64, histogram: &FloatHistogram) -> (f64, Option<Skew>) {
    if histogram.count == 0.0 || lower.is_nan() || upper.is_nan() {
        return (f64::NAN, None);
    }
    if lower >= upper {
        return (0.0, None);
    }
    let custom = histogram.has_custom_buckets();
    let buckets = all_buckets(histogram);
    let (mut count, mut rank) = (0.0, 0.0);
    let (mut lower_rank, mut upper_rank): (Option<f64>, Option<f64>) = (None, None);
    let mut looked_at = 0;
    for (step, bucket) in buckets.iter().enumerate() {
        looked_at = step + 1;
        let mut bucket = *bucket;
        count += bucket.count;
        let mut zero = false;
        if custom {
            if bucket.lower == f64::NEG_INFINITY && bucket.upper > 0.0 {
                bucket.lower = 0.0;
            }
        } else if bucket.lower <= 0.0 && bucket.upper >= 0.0 {
            zero = true;
            if histogram.negative_buckets.is_empty() && !histogram.positive_buckets.is_empty() {
                bucket.lower = 0.0;
            } else if histogram.positive_buckets.is_empty() && !histogram.negative_buckets.is_empty() {
                bucket.upper = 0.0;
            }
        }
        let linear = custom || zero;
        let interpolate = |value: f64| {
            if linear && bucket.lower == f64::NEG_INFINITY {
                bucket.count
            } else {
                rank + bucket.count * bucket.part_below(value, linear)
            }
        };
        for (slot, value) in [(&mut lower_rank, lower), (&mut upper_rank, upper)] {
            if slot.is_none() && bucket.lower >= value {
                *slot = Some(rank);
            }
        }
        if lower_rank.is_some() && upper_rank.is_some() {
            break;
        }
        for (slot, value) in [(&mut lower_rank, lower), (&mut upper_rank, upper)] {
            if slot.is_none() && bucket.lower < value && bucket.upper > value {
                *slot = Some(interpolate(value));
            }
        }
        if lower_rank.is_some() && upper_rank.is_some() {
            break;
        }
        rank += bucket.count;
    }
    let mut skew = None;
    if histogram.sum.is_nan() {
        count += buckets[looked_at..].iter().map(|bucket| bucket.count).sum::<f64>();
        if count < histogram.count {
            skew = Some(Skew::Skewed);
        }
    } else {
        count = histogram.count;
    }
    let capped = |rank: Option<f64>| rank.map_or(count, |rank| if rank > count { count } else { rank });
    ((capped(upper_rank) - capped(lower_rank)) / histogram.count, skew)
}

/// The variance, each bucket taken at its middle.
pub fn variance(histogram: &FloatHistogram) -> f64 {
    let mean = histogram.sum / histogram.count;
    let (mut sum, mut compensation) = (0.0, 0.0);
    for bucket in all_buckets(histogram).into_iter().filter(|bucket| bucket.count != 0.0) {
        let middle = if histogram.has_custom_buckets() {
            (bucket.upper + bucket.lower) / 2.0
        } else if bucket.lower <= 0.0 && bucket.upper >= 0.0 {
            0.0
        } else {
            let middle = (bucket.upper * bucket.lower).sqrt();
            if bucket.upper < 0.0 { -middle } else { middle }
        };
        let delta = middle - mean;
        (sum, compensation) = kahan_inc(bucket.count * delta * delta, sum, compensation);
    }
    (sum + compensation) / histogram.count
}
