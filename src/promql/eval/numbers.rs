//! What functions over ranges make of the numbers in a window, each at least one.

use super::plan::go_max;
use crate::promql::histogram::kahan_inc;

pub(super) fn average(values: &[f64]) -> f64 {
    let (mut sum, mut count, mut mean, mut rest, mut incremental) = (values[0], 1.0, 0.0, 0.0, false);
    for value in &values[1..] {
        count += 1.0;
        if !incremental {
            let (next, next_rest) = kahan_inc(*value, sum, rest);
            if !next.is_infinite() {
                (sum, rest) = (next, next_rest);
                continue;
            }
            incremental = true;
            mean = sum / (count - 1.0);
            rest /= count - 1.0;
        }
        let q = (count - 1.0) / count;
        (mean, rest) = kahan_inc(value / count, q * mean, q * rest);
    }
    if incremental { mean + rest } else { sum / count + rest / count }
}

pub(super) fn time_of(times: &[i64], values: &[f64], better: impl Fn(f64, f64) -> bool) -> f64 {
    let (mut best, mut time) = (values[0], times[0]);
    for (value, at) in values.iter().zip(times) {
        if better(*value, best) {
            (best, time) = (*value, *at);
        }
    }
    time as f64 / 1e3
}

/// The quantile of numbers, which are sorted on the way.
pub(super) fn quantile(q: f64, values: &mut [f64]) -> f64 {
    if values.is_empty() || q.is_nan() {
        return f64::NAN;
    }
    if q < 0.0 {
        return f64::NEG_INFINITY;
    }
    if q > 1.0 {
        return f64::INFINITY;
    }
    // NaN sorts first.
    values.sort_by(|a, b| match (a.is_nan(), b.is_nan()) {
        (true, true) => std::cmp::Ordering::Equal,
        (true, false) => std::cmp::Ordering::Less,
        (false, true) => std::cmp::Ordering::Greater,
        _ => a.total_cmp(b),
    });
    let last = (values.len() - 1) as f64;
    let rank = q * last;
    let lower = go_max(0.0, rank.floor());
    let upper = last.min(lower + 1.0);
    let weight = rank - rank.floor();
    if weight == 0.0 {
        return values[lower as usize];
    }
    values[lower as usize] * (1.0 - weight) + values[upper as usize] * weight
}

pub(super) fn median_deviation(values: &[f64]) -> f64 {
    if values.iter().any(|value| value.is_nan()) {
        return f64::NAN;
    }
    let mut values = values.to_vec();
    let median = quantile(0.5, &mut values);
    values.iter_mut().for_each(|value| *value = (*value - median).abs());
    quantile(0.5, &mut values)
}

pub(super) fn variance(values: &[f64]) -> f64 {
    let (mut count, mut mean, mut mean_rest, mut sum, mut rest) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for value in values {
        count += 1.0;
        let delta = value - (mean + mean_rest);
        (mean, mean_rest) = kahan_inc(delta / count, mean, mean_rest);
        (sum, rest) = kahan_inc(delta * (value - (mean + mean_rest)), sum, rest);
    }
    (sum + rest) / count
}

/// Slope, and value at a moment, of the line through samples.
pub(super) fn regression(times: &[i64], values: &[f64], at: i64) -> (f64, f64) {
    if values[1..].iter().all(|value| *value == values[0]) {
        return if values[0].is_infinite() { (f64::NAN, f64::NAN) } else { (0.0, values[0]) };
    }
    let (mut x_sum, mut y_sum, mut xy_sum, mut xx_sum) = ((0.0, 0.0), (0.0, 0.0), (0.0, 0.0), (0.0, 0.0));
    for (time, y) in times.iter().zip(values) {
        let x = (time - at) as f64 / 1e3;
        x_sum = kahan_inc(x, x_sum.0, x_sum.1);
        y_sum = kahan_inc(*y, y_sum.0, y_sum.1);
        xy_sum = kahan_inc(x * y, xy_sum.0, xy_sum.1);
        xx_sum = kahan_inc(x * x, xx_sum.0, xx_sum.1);
    }
    let n = values.len() as f64;
    let (x, y, xy, xx) = (x_sum.0 + x_sum.1, y_sum.0 + y_sum.1, xy_sum.0 + xy_sum.1, xx_sum.0 + xx_sum.1);
    let slope = (xy - x * y / n) / (xx - x * x / n);
    (slope, y / n - slope * x / n)
}

pub(super) fn smooth(values: &[f64], smoothing: f64, trend: f64) -> f64 {
    let (mut before, mut current, mut slope) = (0.0, values[0], values[1] - values[0]);
    for (index, value) in values.iter().enumerate().skip(1) {
        if index > 1 {
            slope = trend * (current - before) + (1.0 - trend) * slope;
        }
        let next = smoothing * value + (1.0 - smoothing) * (current + slope);
        (before, current) = (current, next);
    }
    current
}

pub(super) fn integral(times: &[i64], values: &[f64], strategy: f64) -> f64 {
    let number = |value: f64| if value.is_nan() { 0.0 } else { value };
    let (mut sum, mut rest) = (0.0, 0.0);
    for index in 1..values.len() {
        let (before, now) = (number(values[index - 1]), number(values[index]));
        let (mut value, mut lost) = (0.0, 0.0);
        if strategy == 0.0 {
            value = before;
        } else if strategy == 1.0 {
            value = now;
        } else if before != 0.0 || now != 0.0 {
            (value, lost) = kahan_inc(now, before, 0.0);
            if value.is_infinite() && now.is_finite() && before.is_finite() {
                (value, lost) = kahan_inc(now / 2.0, before / 2.0, 0.0);
            } else {
                value /= 2.0;
                lost /= 2.0;
            }
        }
        if value != 0.0 || lost != 0.0 {
            let seconds = (times[index] - times[index - 1]) as f64 / 1e3;
            (sum, rest) = kahan_inc(value * seconds, sum, rest + lost * seconds);
        }
    }
    if sum.is_infinite() { sum } else { sum + rest }
}
