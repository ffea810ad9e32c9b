//! Cutting observations above or below a value off a histogram: the operators `</` and `>/`.

use super::bucket::{Bucket, negative, positive, zero};
use super::compact;
use crate::model::FloatHistogram;

/// Keeps what lies below `at` (`upper`) or above it.
pub fn trim(histogram: &mut FloatHistogram, at: f64, upper: bool) {
    let custom = histogram.has_custom_buckets();
    let (mut count, mut sum, mut changed) = (0.0, 0.0, false);
    let mut sides = [(false, Vec::new()), (false, Vec::new())];
    for (side, buckets) in [positive(histogram).collect::<Vec<_>>(), negative(histogram).collect()].into_iter().enumerate() {
        for bucket in buckets {
            if bucket.count == 0.0 {
                sides[side].1.push(0.0);
                continue;
            }
            sides[side].0 = true;
            let (kept, middle) = trim_bucket(bucket, at, upper, side == 0, custom);
            count += kept;
            sum += middle * kept;
            changed |= kept != bucket.count;
            sides[side].1.push(kept);
        }
    }
    let [(has_positive, positive), (has_negative, negative)] = sides;
    histogram.positive_buckets = positive;
    histogram.negative_buckets = negative;
    if histogram.zero_count > 0.0 {
        let (kept, middle) = trim_zero(zero(histogram), at, has_negative, has_positive, upper);
        changed |= kept != histogram.zero_count;
        histogram.zero_count = kept;
        sum += middle * kept;
        count += kept;
    }
    if changed {
        histogram.count = count;
        histogram.sum = sum;
        compact(histogram);
    }
}

/// The count that is kept, and the value that it is taken to have.
fn trim_bucket(bucket: Bucket, at: f64, upper: bool, positive: bool, custom: bool) -> (f64, f64) {
    let (all, some) = if upper { (bucket.upper <= at, bucket.lower < at) } else { (bucket.lower >= at, bucket.upper > at) };
    if all {
        return (bucket.count, middle(bucket.lower, bucket.upper, positive, custom));
    }
    if !some {
        return (0.0, 0.0);
    }
    if bucket.lower == f64::NEG_INFINITY || bucket.upper == f64::INFINITY {
        return trim_infinite(bucket, at, upper);
    }
    let under = if at <= bucket.lower {
        0.0
    } else if at >= bucket.upper {
        bucket.count
    } else {
        bucket.count * bucket.part_below(at, custom)
    };
    if upper {
        (under, middle(bucket.lower, at, positive, custom))
    } else {
        (bucket.count - under, middle(at, bucket.upper, positive, custom))
    }
}

fn trim_infinite(bucket: Bucket, at: f64, upper: bool) -> (f64, f64) {
    let finite = |value: f64| if value.is_infinite() { 0.0 } else { value };
    if bucket.lower == f64::NEG_INFINITY {
        if upper {
            if at >= bucket.upper {
                return (bucket.count, 0.0);
            }
            if at > 0.0 && bucket.upper > 0.0 && bucket.upper != f64::INFINITY {
                return (bucket.count * at / bucket.upper, at / 2.0);
            }
            if bucket.upper <= 0.0 {
                return (bucket.count, at);
            }
            return (0.0, finite(bucket.upper));
        }
        if at <= bucket.lower {
            return (bucket.count, 0.0);
        }
        if at >= 0.0 && bucket.upper > at && bucket.upper != f64::INFINITY {
            return (bucket.count * (1.0 - at / bucket.upper), (at + bucket.upper) / 2.0);
        }
        return (0.0, finite(bucket.upper));
    }
    if !upper && at >= bucket.lower { (bucket.count, at) } else { (0.0, finite(bucket.lower)) }
}

fn trim_zero(bucket: Bucket, at: f64, has_negative: bool, has_positive: bool, upper: bool) -> (f64, f64) {
    let high = if has_negative && !has_positive { 0.0 } else { bucket.upper };
    let low = if has_positive && !has_negative { 0.0 } else { bucket.lower };
    let whole = (bucket.count, (low + high) / 2.0);
    let (part, middle) = if upper {
        if at <= low {
            return (0.0, 0.0);
        }
        if at >= high {
            return whole;
        }
        ((at - low) / (high - low), (low + at) / 2.0)
    } else {
        if at <= low {
            return whole;
        }
        if at >= high {
            return (0.0, 0.0);
        }
        ((high - at) / (high - low), (at + high) / 2.0)
    };
    (bucket.count * part, middle)
}

fn middle(lower: f64, upper: f64, positive: bool, linear: bool) -> f64 {
    if lower.is_infinite() {
        return if upper.is_infinite() {
            0.0
        } else if upper > 0.0 {
            upper / 2.0
        } else {
            upper
        };
    }
    if upper.is_infinite() {
        return lower;
    }
    if linear {
        return (lower + upper) / 2.0;
    }
    let middle = (lower * upper).abs().sqrt();
    if positive { middle } else { -middle }
}
