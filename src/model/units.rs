//! The one formatter for numbers on screen: durations, counts, bytes, percentages, rates, changes, times of day.
//!
//! Three significant digits, thousands parted by a narrow no-break space, a true minus sign, `–` for what is absent.
//! Everything the window, the command line's tables and the dashboards print goes through here.

use super::time::{DurationNs, UnixNanos};
use jiff::{Timestamp, tz::TimeZone};

/// What stands for an absent value.
pub const ABSENT: &str = "\u{2013}";
/// Parts thousands.
const THIN_SPACE: char = '\u{202f}';
/// Typographic minus.
const MINUS: char = '\u{2212}';

const US: f64 = 1e3;
const MS: f64 = 1e6;
const SECOND: f64 = 1e9;
const MINUTE: i64 = 60;
const HOUR: i64 = 3_600;
const DAY: i64 = 86_400;

/// At most three significant digits of a value of 0 to 999, trailing zeros cut after two digits: `2.31`, `7.4`, `480`.
fn three_digits(value: f64) -> String {
    let decimals = if value >= 99.95 {
        0
    } else if value >= 9.995 {
        1
    } else {
        2
    };
    let text = format!("{value:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

fn signed(negative: bool, text: String) -> String {
    if negative { format!("{MINUS}{text}") } else { text }
}

/// `640 ns`, `640 µs`, `7.4 ms`, `480 ms`, `2.31 s`, `44.1 s`, `1 min 16 s`, `2 h 5 min`, `3 d 18 h`.
pub fn duration(length: DurationNs) -> String {
    let nanos = length.0.unsigned_abs() as f64;
    // The limits are where the rounded text would need a fourth digit.
    let text = if nanos < 999.5 {
        format!("{nanos} ns")
    } else if nanos < 999.5 * US {
        format!("{} \u{b5}s", three_digits(nanos / US))
    } else if nanos < 999.5 * MS {
        format!("{} ms", three_digits(nanos / MS))
    } else if nanos < 59.95 * SECOND {
        format!("{} s", three_digits(nanos / SECOND))
    } else {
        let seconds = (nanos / SECOND).round() as i64;
        let pair = |big: i64, big_unit: &str, small: i64, small_unit: &str| match small {
            0 => format!("{big} {big_unit}"),
            small => format!("{big} {big_unit} {small} {small_unit}"),
        };
        if seconds < HOUR {
            pair(seconds / MINUTE, "min", seconds % MINUTE, "s")
        } else if seconds < DAY {
            pair(seconds / HOUR, "h", seconds % HOUR / MINUTE, "min")
        } else {
            pair(seconds / DAY, "d", seconds % DAY / HOUR, "h")
        }
    };
    signed(length.0 < 0, text)
}

/// A moment since a start on an axis with steps of `step`, with as many digits as tell neighbours apart: `0`, `1.2 s`,
/// `1.442 s`, `1 min 16 s`.
pub fn offset(at: DurationNs, step: DurationNs) -> String {
    let (nanos, step) = (at.0.unsigned_abs(), step.0.max(1) as f64);
    if nanos == 0 {
        return "0".to_owned();
    }
    let (unit, name) = match nanos as f64 {
        n if n < US => (1.0, "ns"),
        n if n < MS => (US, "\u{b5}s"),
        n if n < SECOND => (MS, "ms"),
        n if n < 60.0 * SECOND || step < SECOND => (SECOND, "s"),
        _ => return duration(at),
    };
    let decimals = (unit / step).log10().ceil().clamp(0.0, 9.0) as usize;
    let text = format!("{:.decimals$}", nanos as f64 / unit);
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    signed(at.0 < 0, format!("{text} {name}"))
}

/// `0`, `999`, `18 420`, `214 k`, `1.2 M`, `3.5 G`; exact below 100 000.
pub fn count(number: u64) -> String {
    if number < 100_000 {
        return exact_count(number);
    }
    let value = number as f64;
    if value < 999.5e3 {
        format!("{} k", three_digits(value / 1e3))
    } else if value < 999.5e6 {
        format!("{} M", three_digits(value / 1e6))
    } else {
        format!("{} G", three_digits(value / 1e9))
    }
}

/// Every digit, thousands parted: the hover of [`count`].
pub fn exact_count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3 * 3);
    for (index, digit) in digits.chars().enumerate() {
        // Four digits stand together in most typesetting, but columns of counts read better with one rule for all.
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(THIN_SPACE);
        }
        text.push(digit);
    }
    text
}

/// A sample's value without a unit, three digits: `0`, `0.042`, `3.14`, `512`, `18.4 k`, `1.2 M`, `−3.5 G`, `4.1e-7`; `NaN` and
/// infinities as PromQL writes them.
pub fn figure(value: f64) -> String {
    if !value.is_finite() {
        return if value.is_nan() {
            "NaN"
        } else if value > 0.0 {
            "+Inf"
        } else {
            "\u{2212}Inf"
        }
        .to_owned();
    }
    let size = value.abs();
    let text = match size {
        0.0 => "0".to_owned(),
        v if v < 1e-3 => format!("{v:.1e}"),
        v if v < 0.9995 => {
            // Three digits behind the leading zeros.
            let places = (2.0 - v.log10().floor()) as usize;
            format!("{v:.places$}").trim_end_matches('0').to_owned()
        }
        v if v < 9_999.5 && v.fract() == 0.0 => exact_count(v as u64),
        v if v < 999.5 => three_digits(v),
        v if v < 999.5e3 => format!("{} k", three_digits(v / 1e3)),
        v if v < 999.5e6 => format!("{} M", three_digits(v / 1e6)),
        v if v < 999.5e9 => format!("{} G", three_digits(v / 1e9)),
        v if v < 999.5e12 => format!("{} T", three_digits(v / 1e12)),
        v => format!("{v:.2e}"),
    };
    signed(value < 0.0, text)
}

/// SI bytes: `512 B`, `4.2 MB`, `2.1 GB`.
pub fn bytes(number: u64) -> String {
    let value = number as f64;
    let (scaled, unit) = match value {
        v if v < 999.5 => return format!("{number} B"),
        v if v < 999.5e3 => (v / 1e3, "kB"),
        v if v < 999.5e6 => (v / 1e6, "MB"),
        v if v < 999.5e9 => (v / 1e9, "GB"),
        v => (v / 1e12, "TB"),
    };
    format!("{} {unit}", three_digits(scaled))
}

/// A share of 0 to 1 as `6.2 %`; a share that is not nothing never prints as `0 %`.
pub fn percent(share: f64) -> String {
    if !share.is_finite() {
        return ABSENT.to_owned();
    }
    let value = share.abs() * 100.0;
    if value > 0.0 && value < 0.005 {
        return "< 0.01 %".to_owned();
    }
    signed(share < 0.0, format!("{} %", three_digits(value)))
}

/// Events a second: `24/s`, `0.5/s`, `1 284/s`.
pub fn rate(per_second: f64) -> String {
    if !per_second.is_finite() {
        return ABSENT.to_owned();
    }
    let text = if per_second < 999.5 { three_digits(per_second) } else { count(per_second.round() as u64) };
    format!("{text}/s")
}

/// A change by a factor: `×6.8`.
pub fn factor(ratio: f64) -> String {
    if ratio.is_finite() { format!("\u{d7}{}", three_digits(ratio)) } else { ABSENT.to_owned() }
}

/// A change in duration with its sign: `+974 ms`, `−7 ms`, `0`.
pub fn duration_change(change: DurationNs) -> String {
    match change.0 {
        0 => "0".to_owned(),
        n if n > 0 => format!("+{}", duration(change)),
        _ => duration(change),
    }
}

/// Time of day to the millisecond in `zone`: `14:11:37.204`.
pub fn time_of_day(time: UnixNanos, zone: &TimeZone) -> String {
    in_zone(time, zone).strftime("%H:%M:%S%.3f").to_string()
}

/// Day and minute in `zone`: `Thu 22 Oct 14:11`.
pub fn day_and_minute(time: UnixNanos, zone: &TimeZone) -> String {
    in_zone(time, zone).strftime("%a %-d %b %H:%M").to_string()
}

/// Day and time to the millisecond in `zone`: `Thu 22 Oct 14:11:37.204`.
pub fn day_and_time(time: UnixNanos, zone: &TimeZone) -> String {
    in_zone(time, zone).strftime("%a %-d %b %H:%M:%S%.3f").to_string()
}

/// How long ago, for things that are about now: `2 min`, `now` under a second.
pub fn ago(time: UnixNanos, now: UnixNanos) -> String {
    let past = now.since(time).0.max(0) / 1_000_000_000;
    match past {
        0 => "now".to_owned(),
        s if s < MINUTE => format!("{s} s"),
        s if s < HOUR => format!("{} min", s / MINUTE),
        s if s < DAY => format!("{} h", s / HOUR),
        s => format!("{} d", s / DAY),
    }
}

fn in_zone(time: UnixNanos, zone: &TimeZone) -> jiff::Zoned {
    Timestamp::from_nanosecond(i128::from(time.0)).unwrap_or(Timestamp::UNIX_EPOCH).to_zoned(zone.clone())
}

/// Ruler steps of 1, 2 or 5 times a power of ten, in seconds then 15, 30 s, minutes and hours above: the smallest that
/// is at least `at_least`.
pub fn nice_step(at_least: DurationNs) -> DurationNs {
    let wanted = at_least.0.max(1);
    let mut step = 1_i64;
    while step < 10_000_000_000 {
        for factor in [1, 2, 5] {
            if step * factor >= wanted && step * factor <= 10_000_000_000 {
                return DurationNs(step * factor);
            }
        }
        step *= 10;
    }
    let seconds = [15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400];
    let found = seconds.into_iter().map(|s| s * 1_000_000_000_i64).find(|step| *step >= wanted);
    DurationNs(found.unwrap_or_else(|| (wanted / (DAY * 1_000_000_000) + 1) * DAY * 1_000_000_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_three_digits() {
        for (value, text) in [
            (0.0, "0"),
            (0.25, "0.25"),
            (0.0421, "0.0421"),
            (0.5, "0.5"),
            (3.5, "3.5"),
            (42.0, "42"),
            (1_284.0, "1\u{202f}284"),
            (18_420.0, "18.4 k"),
            (-2.5e6, "\u{2212}2.5 M"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "\u{2212}Inf"),
        ] {
            assert_eq!(figure(value), text, "{value}");
        }
    }

    #[test]
    fn durations_read_as_the_specification_shows_them() {
        let cases: [(i64, &str); 14] = [
            (0, "0 ns"),
            (640, "640 ns"),
            (640_000, "640 \u{b5}s"),
            (7_400_000, "7.4 ms"),
            (480_000_000, "480 ms"),
            (999_600_000, "1 s"),
            (2_310_000_000, "2.31 s"),
            (44_100_000_000, "44.1 s"),
            (59_980_000_000, "1 min"),
            (76_000_000_000, "1 min 16 s"),
            (7_500_000_000_000, "2 h 5 min"),
            (324_000_000_000_000, "3 d 18 h"),
            (-5_000_000, "\u{2212}5 ms"),
            (1_000_000, "1 ms"),
        ];
        for (nanos, text) in cases {
            assert_eq!(duration(DurationNs(nanos)), text, "{nanos}");
        }
    }

    #[test]
    fn moments_on_an_axis_have_the_digits_that_tell_them_apart() {
        let cases = [
            (0, 1, "0"),
            (1_200_000_000, 400_000_000, "1.2 s"),
            (1_442_000_000, 1_000_000, "1.442 s"),
            (1_000_000_050, 50, "1.00000005 s"),
            (800_000_000, 200_000_000, "800 ms"),
            (76_000_000_000, 2_000_000_000, "1 min 16 s"),
            (76_500_000_000, 500_000_000, "76.5 s"),
            (-1_500_000, 500_000, "\u{2212}1.5 ms"),
        ];
        for (at, step, text) in cases {
            assert_eq!(offset(DurationNs(at), DurationNs(step)), text);
        }
    }

    #[test]
    fn counts_are_exact_below_a_hundred_thousand() {
        assert_eq!(count(999), "999");
        assert_eq!(count(18_420), "18\u{202f}420");
        assert_eq!(count(214_000), "214 k");
        assert_eq!(count(1_234_567), "1.23 M");
        assert_eq!(exact_count(1_234_567), "1\u{202f}234\u{202f}567");
    }

    #[test]
    fn bytes_percentages_rates_and_changes() {
        assert_eq!(bytes(4_200_000), "4.2 MB");
        assert_eq!(bytes(999), "999 B");
        assert_eq!(percent(0.062), "6.2 %");
        assert_eq!(percent(0.00001), "< 0.01 %");
        assert_eq!(percent(0.0), "0 %");
        assert_eq!(percent(f64::NAN), ABSENT);
        assert_eq!(rate(24.0), "24/s");
        assert_eq!(rate(1284.2), "1\u{202f}284/s");
        assert_eq!(factor(6.8), "\u{d7}6.8");
        assert_eq!(duration_change(DurationNs(974_000_000)), "+974 ms");
    }

    #[test]
    fn times_follow_the_zone() {
        let time = UnixNanos(1_761_142_297_204_000_000);
        assert_eq!(time_of_day(time, &TimeZone::UTC), "14:11:37.204");
        assert_eq!(day_and_minute(time, &TimeZone::UTC), "Wed 22 Oct 14:11");
        assert_eq!(ago(time, time + DurationNs(125_000_000_000)), "2 min");
    }

    #[test]
    fn ruler_steps_are_round() {
        assert_eq!(nice_step(DurationNs(130_000_000)), DurationNs(200_000_000));
        assert_eq!(nice_step(DurationNs(11_000_000_000)), DurationNs(15_000_000_000));
        assert_eq!(nice_step(DurationNs(1)), DurationNs(1));
    }
}
