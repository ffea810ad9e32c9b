//! Recurring times: "weekdays from nine to five in Berlin", by which a route is active or muted.
//!
//! The rules of Alertmanager's `timeinterval` package. Every field that is given must hold, of the ranges in a field one
//! is enough. Times of day are half-open, in minutes; all other ranges include both ends. Weekdays count from Sunday and
//! do not wrap; days of the month may count from its end (-1 is the last) and are clamped into the month.

use crate::model::UnixNanos;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

/// Weekdays by number.
pub const WEEKDAYS: [&str; 7] = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];

/// Months by number less one.
pub const MONTHS: [&str; 12] =
    ["january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december"];

/// The least days that a month has, for checks that hold in every month.
const SHORTEST_MONTH: i32 = 28;

/// A range with both ends inside.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Inclusive {
    /// First.
    pub begin: i32,
    /// Last.
    pub end: i32,
}

/// A part of the day in minutes from midnight, the end outside; a whole day ends at 1440.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TimeRange {
    /// First minute inside.
    pub start: u16,
    /// First minute outside again.
    pub end: u16,
}

/// Where the clock hangs: the name as written and the zone it stands for.
#[derive(Clone, PartialEq, Debug)]
pub struct Location {
    /// IANA name.
    pub name: String,
    /// The zone.
    pub zone: TimeZone,
}

/// A set of moments. Without any field, all of them.
#[derive(Clone, PartialEq, Default, Debug)]
pub struct TimeInterval {
    /// Times of day.
    pub times: Option<Vec<TimeRange>>,
    /// 0 is Sunday.
    pub weekdays: Option<Vec<Inclusive>>,
    /// From 1, or from -1 backwards.
    pub days_of_month: Option<Vec<Inclusive>>,
    /// From 1.
    pub months: Option<Vec<Inclusive>>,
    /// Years.
    pub years: Option<Vec<Inclusive>>,
    /// UTC when not said.
    pub location: Option<Location>,
}

/// Time intervals under the name that routes call them by; a moment in any of them is inside.
#[derive(Clone, PartialEq, Default, Debug)]
pub struct NamedIntervals {
    /// Name.
    pub name: String,
    /// Intervals.
    pub intervals: Vec<TimeInterval>,
}

/// Why a text is no range.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct IntervalError(pub String);

impl NamedIntervals {
    /// True when the moment is in one of the intervals.
    pub fn contains(&self, moment: UnixNanos) -> bool {
        self.intervals.iter().any(|interval| interval.contains(moment))
    }
}

impl TimeInterval {
    /// True when every given field holds at the moment.
    pub fn contains(&self, moment: UnixNanos) -> bool {
        let timestamp = Timestamp::from_nanosecond(i128::from(moment.0)).unwrap_or(Timestamp::UNIX_EPOCH);
        let zone = self.location.as_ref().map_or(TimeZone::UTC, |location| location.zone.clone());
        let local = timestamp.to_zoned(zone);
        let minute = local.hour() as u16 * 60 + local.minute() as u16;
        let weekday = i32::from(local.weekday().to_sunday_zero_offset());
        self.times.as_ref().is_none_or(|times| times.iter().any(|time| time.start <= minute && minute < time.end))
            && self.days_of_month.as_ref().is_none_or(|days| days.iter().any(|range| holds_day(*range, &local)))
            && holds(self.months.as_ref(), i32::from(local.month()))
            && holds(self.weekdays.as_ref(), weekday)
            && holds(self.years.as_ref(), i32::from(local.year()))
    }
}

fn holds(ranges: Option<&Vec<Inclusive>>, value: i32) -> bool {
    ranges.is_none_or(|ranges| ranges.iter().any(|range| range.begin <= value && value <= range.end))
}

fn holds_day(range: Inclusive, local: &Zoned) -> bool {
    let days = i32::from(local.days_in_month());
    let from_start = |day: i32| if day < 0 { days + day + 1 } else { day };
    let (begin, end) = (from_start(range.begin), from_start(range.end));
    let day = i32::from(local.day());
    begin <= days && begin.clamp(-days, days) <= day && day <= end.clamp(-days, days)
}

fn wrong(text: String) -> IntervalError {
    IntervalError(text)
}

/// `HH:MM`, up to `24:00`, in minutes.
pub fn parse_time(text: &str) -> Result<u16, IntervalError> {
    let invalid = || wrong(format!("couldn't parse timestamp {text}, invalid format"));
    let (hours, minutes) = text.split_once(':').ok_or_else(invalid)?;
    if hours.len() != 2 || minutes.len() != 2 || !text.bytes().all(|byte| byte.is_ascii_digit() || byte == b':') {
        return Err(invalid());
    }
    let (hours, minutes): (u16, u16) = (hours.parse().map_err(|_| invalid())?, minutes.parse().map_err(|_| invalid())?);
    let inside = (hours < 24 && minutes < 60) || (hours == 24 && minutes == 0);
    if inside { Ok(hours * 60 + minutes) } else { Err(invalid()) }
}

/// A part of the day from its two ends.
pub fn parse_times(start: &str, end: &str) -> Result<TimeRange, IntervalError> {
    if start.is_empty() || end.is_empty() {
        return Err(wrong("both start and end times must be provided".to_owned()));
    }
    let (start, end) = (parse_time(start)?, parse_time(end)?);
    if start >= end {
        return Err(wrong("start time cannot be equal or greater than end time".to_owned()));
    }
    Ok(TimeRange { start, end })
}

/// `monday` or `monday:friday`.
pub fn parse_weekdays(text: &str) -> Result<Inclusive, IntervalError> {
    let range = parse_range(text, |day| {
        let number = WEEKDAYS.iter().position(|name| *name == day);
        number.map(|number| number as i32).ok_or_else(|| wrong(format!("{day} is not a valid weekday")))
    })?;
    if range.begin > range.end { Err(wrong("start day cannot be before end day".to_owned())) } else { Ok(range) }
}

/// `1`, `1:5`, `-3:-1`.
pub fn parse_days_of_month(text: &str) -> Result<Inclusive, IntervalError> {
    let range = parse_range(text, number)?;
    for day in [range.begin, range.end] {
        if day == 0 || !(-31..=31).contains(&day) {
            return Err(wrong(format!("{day} is not a valid day of the month: out of range")));
        }
    }
    if range.begin < 0 && range.end > 0 {
        return Err(wrong("end day must be negative if start day is negative".to_owned()));
    }
    let earliest = |day: i32| if day < 0 { SHORTEST_MONTH + day } else { day };
    if earliest(range.begin) > earliest(range.end) {
        return Err(wrong(format!("end day {} is always before start day {}", range.end, range.begin)));
    }
    Ok(range)
}

/// `january`, `1`, `march:may`.
pub fn parse_months(text: &str) -> Result<Inclusive, IntervalError> {
    let range = parse_range(text, |month| {
        let named = MONTHS.iter().position(|name| *name == month).map(|number| number as i32 + 1);
        named.or_else(|| month.parse().ok()).ok_or_else(|| wrong(format!("{month} is not a valid month")))
    })?;
    if range.begin > range.end {
        let name = |number: i32| MONTHS.get((number - 1) as usize).copied().unwrap_or_default();
        return Err(wrong(format!("end month {} is before start month {}", name(range.end), name(range.begin))));
    }
    Ok(range)
}

/// `2026`, `2026:2027`.
pub fn parse_years(text: &str) -> Result<Inclusive, IntervalError> {
    let range = parse_range(text, number)?;
    if range.begin > range.end {
        return Err(wrong(format!("end year {} is before start year {}", range.end, range.begin)));
    }
    Ok(range)
}

/// A zone by its IANA name; `Local` and the empty name as Go has them.
pub fn parse_location(name: &str) -> Result<Location, IntervalError> {
    let zone = match name {
        "" | "UTC" => TimeZone::UTC,
        "Local" => TimeZone::system(),
        name => TimeZone::get(name).map_err(|_| wrong(format!("unknown time zone {name}")))?,
    };
    Ok(Location { name: name.to_owned(), zone })
}

fn number(text: &str) -> Result<i32, IntervalError> {
    text.parse().map_err(|_| wrong(format!("{text:?} is not a number")))
}

fn parse_range(text: &str, member: impl Fn(&str) -> Result<i32, IntervalError>) -> Result<Inclusive, IntervalError> {
    let text = text.to_lowercase();
    let parts: Vec<&str> = text.split(':').collect();
    match parts[..] {
        [one] => member(one).map(|value| Inclusive { begin: value, end: value }),
        [begin, end] => Ok(Inclusive { begin: member(begin)?, end: member(end)? }),
        _ => Err(wrong(format!("couldn't parse range {text}, invalid format"))),
    }
}

impl Inclusive {
    /// As it is written: names where there are some.
    pub fn write(self, name: impl Fn(i32) -> Option<&'static str>) -> String {
        let word = |value: i32| name(value).map_or_else(|| value.to_string(), str::to_owned);
        if self.begin == self.end { word(self.begin) } else { format!("{}:{}", word(self.begin), word(self.end)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> UnixNanos {
        UnixNanos::parse_rfc3339(text).unwrap()
    }

    #[test]
    fn an_interval_holds_when_every_field_does() {
        let business = TimeInterval {
            times: Some(vec![parse_times("09:00", "17:00").unwrap()]),
            weekdays: Some(vec![parse_weekdays("monday:friday").unwrap()]),
            ..TimeInterval::default()
        };
        for (moment, inside) in [
            ("2020-07-08T09:00:00Z", true),
            ("2020-07-08T16:59:59Z", true),
            ("2020-07-08T17:00:00Z", false),
            ("2020-07-08T08:59:00Z", false),
            ("2020-07-05T10:00:00Z", false),
        ] {
            assert_eq!(business.contains(at(moment)), inside, "{moment}");
        }
        assert!(TimeInterval::default().contains(at("2020-07-05T10:00:00Z")), "nothing said is always");
        let whole_day = TimeInterval { times: Some(vec![parse_times("00:00", "24:00").unwrap()]), ..business };
        assert!(whole_day.contains(at("2020-07-08T23:59:59Z")));
    }

    #[test]
    fn days_of_the_month_count_from_its_end_and_are_clamped() {
        let days = |text: &str| TimeInterval {
            days_of_month: Some(vec![parse_days_of_month(text).unwrap()]),
            ..TimeInterval::default()
        };
        for (range, moment, inside) in [
            ("-1", "2020-06-30T00:00:00Z", true),
            ("-1", "2020-06-29T00:00:00Z", false),
            ("-3:-1", "2021-02-26T00:00:00Z", true),
            ("25:31", "2021-02-28T00:00:00Z", true),
            ("30:31", "2021-02-28T00:00:00Z", false),
            ("1:-1", "2021-02-14T00:00:00Z", true),
            ("-31:-1", "2021-02-01T00:00:00Z", true),
        ] {
            assert_eq!(days(range).contains(at(moment)), inside, "{range} at {moment}");
        }
    }

    #[test]
    fn months_years_and_zones_are_seen() {
        let winter = TimeInterval {
            months: Some(vec![parse_months("january:february").unwrap(), parse_months("12").unwrap()]),
            years: Some(vec![parse_years("2020:2021").unwrap()]),
            location: Some(parse_location("Australia/Sydney").unwrap()),
            ..TimeInterval::default()
        };
        assert!(winter.contains(at("2020-11-30T13:00:00Z")), "already December in Sydney");
        assert!(!winter.contains(at("2020-11-30T12:59:00Z")));
        assert!(!winter.contains(at("2021-12-31T13:30:00Z")), "already 2022 in Sydney");
        assert!(parse_location("Nowhere/City").is_err());
    }

    #[test]
    fn wrong_ranges_are_refused_in_alertmanagers_words() {
        for (error, words) in [
            (parse_weekdays("friday:monday").unwrap_err(), "start day cannot be before end day"),
            (parse_weekdays("blurgsday").unwrap_err(), "blurgsday is not a valid weekday"),
            (parse_days_of_month("0").unwrap_err(), "0 is not a valid day of the month: out of range"),
            (parse_days_of_month("-1:5").unwrap_err(), "end day must be negative if start day is negative"),
            (parse_days_of_month("10:5").unwrap_err(), "end day 5 is always before start day 10"),
            (parse_months("june:april").unwrap_err(), "end month april is before start month june"),
            (parse_months("mond").unwrap_err(), "mond is not a valid month"),
            (parse_years("2021:2020").unwrap_err(), "end year 2020 is before start year 2021"),
            (parse_times("17:00", "09:00").unwrap_err(), "start time cannot be equal or greater than end time"),
            (parse_times("9:00", "10:00").unwrap_err(), "couldn't parse timestamp 9:00, invalid format"),
            (parse_times("24:01", "24:00").unwrap_err(), "couldn't parse timestamp 24:01, invalid format"),
            (parse_times("", "10:00").unwrap_err(), "both start and end times must be provided"),
            (parse_months("a:b:c").unwrap_err(), "couldn't parse range a:b:c, invalid format"),
        ] {
            assert_eq!(error.to_string(), words);
        }
    }
}
