//! Times as people type them: `14:05`, `14:05:30.5`, `-2h`, `yesterday 9am`, `2025-10-22 14:05`, RFC 3339, `now`.

use crate::model::{DurationNs, UnixNanos};
use crate::source::TimeRange;
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, Zoned};

const SECOND_NS: f64 = 1e9;

/// A moment; `None` when the text is none of the forms.
pub fn moment(text: &str, now: UnixNanos, zone: &TimeZone) -> Option<UnixNanos> {
    let text = text.trim().to_lowercase();
    if text == "now" {
        return Some(now);
    }
    if let Some(length) = text.strip_prefix(['-', '\u{2212}']) {
        return Some(now - length_of(length)?);
    }
    if let Some(time) = UnixNanos::parse_rfc3339(&text.to_uppercase()) {
        return Some(time);
    }
    let today = zoned(now, zone).date();
    let (day, time) = match text.split_once(' ') {
        Some((day, time)) => (day_of(day, today)?, time_of(time)?),
        None => match day_of(&text, today) {
            Some(day) => (day, Time::midnight()),
            None => (today, time_of(&text)?),
        },
    };
    let at = day.to_datetime(time).to_zoned(zone.clone()).ok()?;
    i64::try_from(at.timestamp().as_nanosecond()).ok().map(UnixNanos)
}

/// A range: two moments parted by ` – `, ` to ` or `..`; one moment is the range from there to now.
pub fn range(text: &str, now: UnixNanos, zone: &TimeZone) -> Option<TimeRange> {
    let parted = [" \u{2013} ", " - ", " to ", ".."].iter().find_map(|mark| text.split_once(mark));
    let (start, end) = match parted {
        Some((start, end)) => (moment(start, now, zone)?, moment(end, now, zone)?),
        None => (moment(text, now, zone)?, now),
    };
    (start < end).then_some(TimeRange { start, end })
}

/// A moment in the form that [`moment`] reads back: `2025-10-22 14:11:37`.
pub fn write(time: UnixNanos, zone: &TimeZone) -> String {
    zoned(time, zone).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

fn zoned(time: UnixNanos, zone: &TimeZone) -> Zoned {
    Timestamp::from_nanosecond(i128::from(time.0)).unwrap_or(Timestamp::UNIX_EPOCH).to_zoned(zone.clone())
}

fn length_of(text: &str) -> Option<DurationNs> {
    let split = text.find(|c: char| c.is_alphabetic())?;
    let (number, unit) = text.split_at(split);
    let seconds = match unit.trim() {
        "s" | "sec" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3_600.0,
        "d" => 86_400.0,
        "w" => 604_800.0,
        _ => return None,
    };
    let number: f64 = number.trim().parse().ok().filter(|n: &f64| n.is_finite() && *n >= 0.0)?;
    Some(DurationNs((number * seconds * SECOND_NS) as i64))
}

fn day_of(text: &str, today: Date) -> Option<Date> {
    match text {
        "today" => Some(today),
        "yesterday" => today.checked_sub(1.day()).ok(),
        _ => text.parse().ok(),
    }
}

fn time_of(text: &str) -> Option<Time> {
    let twelve = |text: &str, shift: i8| {
        let (hour, minute) = text.split_once(':').unwrap_or((text, "0"));
        let hour: i8 = hour.trim().parse().ok().filter(|hour| (1..=12).contains(hour))?;
        Time::new(hour % 12 + shift, minute.trim().parse().ok()?, 0, 0).ok()
    };
    if let Some(morning) = text.strip_suffix("am") {
        return twelve(morning, 0);
    }
    if let Some(evening) = text.strip_suffix("pm") {
        return twelve(evening, 12);
    }
    if !text.contains(':') {
        return None;
    }
    let padded = if text.find(':') == Some(1) { format!("0{text}") } else { text.to_owned() };
    padded.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_that_the_popup_names_is_read() {
        let now = UnixNanos::parse_rfc3339("2025-10-22T14:11:37Z").unwrap();
        let cases = [
            ("now", "2025-10-22T14:11:37Z"),
            ("-2h", "2025-10-22T12:11:37Z"),
            ("-90 s", "2025-10-22T14:10:07Z"),
            ("14:05", "2025-10-22T14:05:00Z"),
            ("9:30", "2025-10-22T09:30:00Z"),
            ("14:05:30.5", "2025-10-22T14:05:30.5Z"),
            ("yesterday 9am", "2025-10-21T09:00:00Z"),
            ("yesterday", "2025-10-21T00:00:00Z"),
            ("12pm", "2025-10-22T12:00:00Z"),
            ("2025-10-01 08:15", "2025-10-01T08:15:00Z"),
            ("2025-10-22T14:00:00+02:00", "2025-10-22T12:00:00Z"),
        ];
        for (text, want) in cases {
            assert_eq!(moment(text, now, &TimeZone::UTC), UnixNanos::parse_rfc3339(want), "{text}");
        }
        for text in ["", "25:00", "soon", "-5", "13pm", "tomorrow-ish 9am"] {
            assert_eq!(moment(text, now, &TimeZone::UTC), None, "{text}");
        }
        let written = write(now, &TimeZone::UTC);
        assert_eq!(moment(&written, now, &TimeZone::UTC), Some(now));
    }

    #[test]
    fn a_range_has_its_start_before_its_end() {
        let now = UnixNanos::parse_rfc3339("2025-10-22T14:11:37Z").unwrap();
        let zone = TimeZone::UTC;
        let range_of = |text: &str| range(text, now, &zone);
        assert_eq!(range_of("-1h").unwrap().end, now);
        assert_eq!(range_of("13:00 to 14:00").unwrap().end.to_rfc3339(), "2025-10-22T14:00:00.000000000Z");
        assert_eq!(range_of("14:00 \u{2013} 13:00"), None);
    }
}
