//! Civil time: what the clock on the wall shows, in whole minutes, without a zone.
//!
//! Schedules are written, kept and calculated in civil time; an instant appears only when [`super::Zone`] is asked what a
//! clock showed. Minutes count from 1970-01-01T00:00 on the proleptic Gregorian calendar.

use jiff::civil::{Date, DateTime};
use jiff::{SignedDuration, Span, ToSpan as _};
use std::fmt;

/// Minutes of a civil day.
pub const DAY: i64 = 24 * 60;
/// Minutes of a civil hour.
pub const HOUR: i64 = 60;

const EPOCH: DateTime = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);

/// A civil date and time of day, in minutes since 1970-01-01T00:00.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Civil(pub i64);

/// A day of the week.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Weekday {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

impl Weekday {
    /// Monday first.
    pub const ALL: [Self; 7] = [Self::Mon, Self::Tue, Self::Wed, Self::Thu, Self::Fri, Self::Sat, Self::Sun];

    /// Reads `mon` or `Monday`, in any case.
    pub fn parse(text: &str) -> Option<Self> {
        let lower = text.to_ascii_lowercase();
        let long = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
        Self::ALL.into_iter().zip(long).find(|(day, long)| lower == day.word() || lower == *long).map(|(day, _)| day)
    }

    /// `mon`.
    pub fn word(self) -> &'static str {
        ["mon", "tue", "wed", "thu", "fri", "sat", "sun"][self as usize]
    }
}

/// A set of weekdays.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Weekdays(u8);

impl Weekdays {
    /// Every day.
    pub const ALL: Self = Self(0x7f);
    /// No day.
    pub const NONE: Self = Self(0);

    /// These days.
    pub fn of(days: impl IntoIterator<Item = Weekday>) -> Self {
        days.into_iter().fold(Self::NONE, |set, day| Self(set.0 | 1 << day as u8))
    }

    /// True when the day is in.
    pub fn contains(self, day: Weekday) -> bool {
        self.0 & 1 << day as u8 != 0
    }

    /// Monday first.
    pub fn iter(self) -> impl Iterator<Item = Weekday> {
        Weekday::ALL.into_iter().filter(move |day| self.contains(*day))
    }

    /// How many.
    pub fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// True for no day.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl Civil {
    /// From a date and minutes after its midnight.
    pub fn new(date: Date, minutes: i64) -> Self {
        Self(date.to_datetime(jiff::civil::Time::midnight()).duration_since(EPOCH).as_mins() + minutes)
    }

    /// From `jiff`'s civil time; seconds are cut off.
    pub fn from_datetime(time: DateTime) -> Self {
        Self(time.duration_since(EPOCH).as_secs().div_euclid(60))
    }

    /// As `jiff` knows it; clamped to the years -9999 to 9999.
    pub fn datetime(self) -> DateTime {
        EPOCH.saturating_add(SignedDuration::from_mins(self.0))
    }

    /// Days since 1970-01-01.
    pub fn day(self) -> i64 {
        self.0.div_euclid(DAY)
    }

    /// Minutes after midnight, 0 to 1439.
    pub fn minute_of_day(self) -> i64 {
        self.0.rem_euclid(DAY)
    }

    /// Day of the week.
    pub fn weekday(self) -> Weekday {
        weekday_of(self.day())
    }

    /// Whole months later (or earlier), on the same day of the month or the month's last day.
    pub fn plus_months(self, months: i64) -> Self {
        let months = months.clamp(-200_000, 200_000);
        let span: Span = i32::try_from(months).unwrap_or(0).months();
        Self::from_datetime(self.datetime().saturating_add(span))
    }

    /// This many minutes later.
    pub fn plus(self, minutes: i64) -> Self {
        Self(self.0.saturating_add(minutes))
    }

    /// Reads `2026-03-02T09:00`, also with a space, with seconds of zero, or a date alone, which is its midnight.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("expected a local date and time such as 2026-03-02T09:00, found `{text}`");
        let date_end = text.find(['T', 't', ' ']).unwrap_or(text.len());
        let date: Date = text.get(..date_end).and_then(|date| date.parse().ok()).ok_or_else(wrong)?;
        let clock = text[date_end..].trim_start_matches(['T', 't', ' ']);
        if clock.is_empty() && date_end == text.len() {
            return Ok(Self::new(date, 0));
        }
        if clock.contains(['Z', 'z', '+', '-', '[']) {
            return Err(format!("times here are local to the schedule's zone; leave the offset out of `{text}`"));
        }
        parse_clock(clock).map(|minutes| Self::new(date, minutes)).ok_or_else(wrong)
    }
}

impl fmt::Display for Civil {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.datetime().strftime("%Y-%m-%dT%H:%M"))
    }
}

/// Weekday of a count of days since 1970-01-01, which was a Thursday.
pub fn weekday_of(day: i64) -> Weekday {
    Weekday::ALL[(day + 3).rem_euclid(7) as usize]
}

/// Reads `09:00`, `9:00`, `24:00` and `09:00:00` as minutes after midnight.
pub fn parse_clock(text: &str) -> Option<i64> {
    let mut parts = text.split(':');
    let number = |part: Option<&str>| -> Option<i64> {
        let part = part?;
        (matches!(part.len(), 1 | 2) && part.bytes().all(|byte| byte.is_ascii_digit())).then(|| part.parse().ok())?
    };
    let (hour, minute) = (number(parts.next())?, number(parts.next())?);
    let second = match parts.next() {
        None => 0,
        part => number(part)?,
    };
    let inside = parts.next().is_none() && second == 0 && minute < 60 && (hour < 24 || (hour == 24 && minute == 0));
    inside.then_some(hour * HOUR + minute)
}

/// `09:00`; the end of the day is `24:00`.
pub fn clock_text(minutes: i64) -> String {
    format!("{:02}:{:02}", minutes / HOUR, minutes % HOUR)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn civil_times_read_and_print() {
        for (text, printed) in [
            ("2026-03-02T09:00", "2026-03-02T09:00"),
            ("2026-03-02 09:00:00", "2026-03-02T09:00"),
            ("2026-03-02", "2026-03-02T00:00"),
            ("2026-03-02T24:00", "2026-03-03T00:00"),
            ("1969-12-31T23:59", "1969-12-31T23:59"),
        ] {
            assert_eq!(Civil::parse(text).unwrap().to_string(), printed);
        }
        for wrong in ["", "09:00", "2026-13-01T00:00", "2026-03-02T25:00", "2026-03-02T09:00:30", "2026-03-02T", "2026-03-02T9"]
        {
            assert!(Civil::parse(wrong).is_err(), "{wrong}");
        }
        assert!(Civil::parse("2026-03-02T09:00Z").unwrap_err().contains("leave the offset out"));
    }

    #[test]
    fn months_clamp_to_the_last_day_and_do_not_drift() {
        let anchor = Civil::parse("2026-01-31T10:00").unwrap();
        let ends: Vec<String> = (-2..=3).map(|months| anchor.plus_months(months).to_string()).collect();
        assert_eq!(
            ends,
            [
                "2025-11-30T10:00",
                "2025-12-31T10:00",
                "2026-01-31T10:00",
                "2026-02-28T10:00",
                "2026-03-31T10:00",
                "2026-04-30T10:00"
            ]
        );
    }

    #[test]
    fn weekdays_are_those_of_the_calendar() {
        assert_eq!(Civil::parse("2026-03-02T09:00").unwrap().weekday(), Weekday::Mon);
        assert_eq!(Civil::parse("1969-12-28T09:00").unwrap().weekday(), Weekday::Sun);
        let set = Weekdays::of([Weekday::Sun, Weekday::Mon]);
        assert_eq!(set.iter().map(Weekday::word).collect::<Vec<_>>(), ["mon", "sun"]);
    }
}
