//! Lengths of time as they stand in rule files and routes: Prometheus' `1h30m` and Go's `1.5s`.

use crate::model::DurationNs;

const MILLISECOND: i64 = 1_000_000;
const SECOND: i64 = 1_000 * MILLISECOND;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// Prometheus' units, longest first, each at most once and in this order.
const UNITS: [(&str, i64); 7] =
    [("y", 365 * DAY), ("w", 7 * DAY), ("d", DAY), ("h", HOUR), ("m", MINUTE), ("s", SECOND), ("ms", MILLISECOND)];

/// Why a text is no length of time.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DurationError {
    /// No text.
    #[error("empty duration string")]
    Empty,
    /// Not digits and units in order.
    #[error("not a valid duration string: {0:?}")]
    Invalid(String),
    /// More than some 292 years.
    #[error("duration out of range")]
    OutOfRange,
}

/// Prometheus' form: `1y2w3d4h5m6s7ms`, any of them left out, whole numbers; `0` needs no unit.
pub fn parse(text: &str) -> Result<DurationNs, DurationError> {
    if text.is_empty() {
        return Err(DurationError::Empty);
    }
    if text == "0" {
        return Ok(DurationNs(0));
    }
    let invalid = || DurationError::Invalid(text.to_owned());
    let (mut rest, mut units, mut total) = (text, UNITS.iter(), 0_i64);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).filter(|digits| *digits > 0).ok_or_else(invalid)?;
        let (amount, after) = rest.split_at(digits);
        let unit_end = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_end);
        let (_, length) = units.find(|(name, _)| *name == unit).ok_or_else(invalid)?;
        let amount: i64 = amount.parse().map_err(|_| DurationError::OutOfRange)?;
        let part = amount.checked_mul(*length).ok_or(DurationError::OutOfRange)?;
        total = total.checked_add(part).ok_or(DurationError::OutOfRange)?;
        rest = after;
    }
    Ok(DurationNs(total))
}

/// As [`parse`], with a minus sign in front allowed.
pub fn parse_signed(text: &str) -> Result<DurationNs, DurationError> {
    match text.strip_prefix('-') {
        Some(rest) => parse(rest).map(|length| DurationNs(-length.0)),
        None => parse(text),
    }
}

/// As Prometheus prints it: years and weeks only where nothing remains, `0s` for nothing.
pub fn format(length: DurationNs) -> String {
    let mut rest = length.0 / MILLISECOND * MILLISECOND;
    if rest == 0 {
        return "0s".to_owned();
    }
    let mut text = String::new();
    if rest < 0 {
        text.push('-');
        rest = -rest;
    }
    for (unit, size) in UNITS {
        let only_whole = matches!(unit, "y" | "w");
        let amount = rest / size;
        if amount > 0 && !(only_whole && rest % size != 0) {
            text.push_str(&format!("{amount}{unit}"));
            rest -= amount * size;
        }
    }
    text
}

/// Go's `time.ParseDuration`: `1h30m`, `1.5s`, `-2ms`, `0`.
pub fn parse_go(text: &str) -> Result<DurationNs, DurationError> {
    let invalid = || DurationError::Invalid(text.to_owned());
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Ok(DurationNs(0));
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total = 0.0_f64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !(c.is_ascii_digit() || c == '.')).filter(|digits| *digits > 0);
        let (amount, after) = rest.split_at(digits.ok_or_else(invalid)?);
        let unit_end = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_end);
        let size = match unit {
            "ns" => 1,
            "us" | "\u{b5}s" | "\u{3bc}s" => 1_000,
            "ms" => MILLISECOND,
            "s" => SECOND,
            "m" => MINUTE,
            "h" => HOUR,
            _ => return Err(invalid()),
        };
        total += amount.parse::<f64>().map_err(|_| invalid())? * size as f64;
        rest = after;
    }
    if total >= i64::MAX as f64 {
        return Err(DurationError::OutOfRange);
    }
    Ok(DurationNs(if negative { -(total.round() as i64) } else { total.round() as i64 }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_read_and_print_as_prometheus_has_them() {
        for (text, nanos, printed) in [
            ("0", 0, "0s"),
            ("0s", 0, "0s"),
            ("5m", 5 * MINUTE, "5m"),
            ("1h30m", 90 * MINUTE, "1h30m"),
            ("300s", 300 * SECOND, "5m"),
            ("90d", 90 * DAY, "90d"),
            ("14d", 14 * DAY, "2w"),
            ("1y", 365 * DAY, "1y"),
            ("1w2d3h4m5s6ms", 9 * DAY + 3 * HOUR + 4 * MINUTE + 5 * SECOND + 6 * MILLISECOND, "9d3h4m5s6ms"),
        ] {
            assert_eq!(parse(text), Ok(DurationNs(nanos)), "{text}");
            assert_eq!(format(DurationNs(nanos)), printed);
        }
        for text in ["1", "m", "5m1h", "1.5h", "-5m", "5 m", "1m1m"] {
            assert_eq!(parse(text), Err(DurationError::Invalid(text.to_owned())), "{text}");
        }
        assert_eq!(parse("400y"), Err(DurationError::OutOfRange));
        assert_eq!(parse_signed("-5m"), Ok(DurationNs(-5 * MINUTE)));
    }

    #[test]
    fn go_lengths_have_fractions_and_signs() {
        for (text, nanos) in [("1.5s", 1_500 * MILLISECOND), ("-1h2m", -62 * MINUTE), ("10us", 10_000), ("0", 0)] {
            assert_eq!(parse_go(text), Ok(DurationNs(nanos)), "{text}");
        }
        assert!(parse_go("5").is_err() && parse_go("1d").is_err());
    }
}
