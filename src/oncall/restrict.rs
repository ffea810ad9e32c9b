//! Restrictions: the windows of the week in which a layer counts.
//!
//! A window belongs to the day it starts on. `from` after `to` runs past midnight; `from` equal to `to` is a whole day from
//! that clock time, so that neighbouring days join and the last one ends at `to` of the first day that is out; no day at all
//! is never; all days with equal times is always. Times follow the start and end rules of [`Zone`].

use super::civil::{Civil, DAY, Weekdays, weekday_of};
use super::zone::Zone;

/// One window of the week.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Restriction {
    /// Days on which the window starts.
    pub days: Weekdays,
    /// Minutes after midnight.
    pub from: i64,
    /// Minutes after midnight, up to 1440.
    pub to: i64,
}

impl Restriction {
    /// True when the window never closes.
    pub fn is_always(&self) -> bool {
        self.days == Weekdays::ALL && self.length() == DAY
    }

    /// Minutes of the clock that the window is open.
    fn length(&self) -> i64 {
        if self.to > self.from { self.to - self.from } else { self.to + DAY - self.from }
    }

    /// The civil window that starts on this day.
    fn on(&self, day: i64) -> Option<(Civil, Civil)> {
        let start = Civil(day * DAY + self.from);
        self.days.contains(weekday_of(day)).then(|| (start, start.plus(self.length())))
    }

    /// True when the window is open at an instant.
    pub fn is_open(&self, zone: &Zone, instant: i64) -> bool {
        if self.is_always() {
            return true;
        }
        let today = zone.civil(instant).day();
        // Two days back, for a clock that jumped over a day.
        (today - 2..=today + 1)
            .filter_map(|day| self.on(day))
            .any(|(from, to)| zone.start(from) <= instant && instant < zone.end(to))
    }
}

/// When any of the windows is open between two instants: ascending and apart.
pub fn open_spans(restrictions: &[Restriction], zone: &Zone, from: i64, to: i64) -> Vec<(i64, i64)> {
    if restrictions.iter().any(Restriction::is_always) {
        return vec![(from, to)];
    }
    let days = zone.civil(from).day() - 2..=zone.civil(to).day() + 1;
    let mut spans: Vec<(i64, i64)> = days
        .flat_map(|day| restrictions.iter().filter_map(move |restriction| restriction.on(day)))
        .map(|(start, end)| (zone.start(start).max(from), zone.end(end).min(to)))
        .filter(|(start, end)| start < end)
        .collect();
    spans.sort_unstable();
    let mut joined: Vec<(i64, i64)> = Vec::with_capacity(spans.len());
    for (start, end) in spans {
        match joined.last_mut() {
            Some(last) if start <= last.1 => last.1 = last.1.max(end),
            _ => joined.push((start, end)),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oncall::civil::{Weekday, parse_clock};

    fn restriction(days: &[Weekday], from: &str, to: &str) -> Restriction {
        Restriction { days: Weekdays::of(days.iter().copied()), from: parse_clock(from).unwrap(), to: parse_clock(to).unwrap() }
    }

    fn spans(restriction: Restriction, zone: &str, from: &str, to: &str) -> Vec<String> {
        let zone = Zone::get(zone).unwrap();
        let (from, to) = (zone.start(Civil::parse(from).unwrap()), zone.start(Civil::parse(to).unwrap()));
        let spans = open_spans(&[restriction], &zone, from, to);
        for instant in (from..to).step_by(900) {
            let inside = spans.iter().any(|(start, end)| (*start..*end).contains(&instant));
            assert_eq!(restriction.is_open(&zone, instant), inside, "{}", zone.civil(instant));
        }
        spans.iter().map(|(start, end)| format!("{} {}h", zone.civil(*start), (end - start) as f64 / 3600.0)).collect()
    }

    #[test]
    fn windows_follow_the_table_of_weekday_rules() {
        use Weekday::{Fri, Mon, Sat, Sun, Tue};
        let week = ("2026-03-02", "2026-03-09");
        let seen = |rule| spans(rule, "UTC", week.0, week.1);
        assert_eq!(seen(restriction(&[Mon, Tue], "09:00", "17:00")), ["2026-03-02T09:00 8h", "2026-03-03T09:00 8h"]);
        // Past midnight the window belongs to the day it starts on; the first hours are Sunday's.
        assert_eq!(seen(restriction(&[Sun], "22:00", "06:00")), ["2026-03-02T00:00 6h", "2026-03-08T22:00 2h"]);
        // Equal times join neighbouring days, up to that time on the first day that is out.
        assert_eq!(seen(restriction(&[Fri, Sat], "17:00", "17:00")), ["2026-03-06T17:00 48h"]);
        assert!(seen(restriction(&[], "00:00", "00:00")).is_empty());
        assert_eq!(seen(restriction(&Weekday::ALL, "08:00", "08:00")), ["2026-03-02T00:00 168h"]);
        assert_eq!(seen(restriction(&[Mon], "00:00", "24:00")), ["2026-03-02T00:00 24h"]);
    }

    #[test]
    fn windows_over_clock_changes_are_longer_or_shorter() {
        let night = restriction(&Weekday::ALL, "01:30", "02:30");
        assert_eq!(spans(night, "America/Chicago", "2026-03-08", "2026-03-09"), ["2026-03-08T01:30 0.5h"]);
        assert_eq!(spans(night, "America/Chicago", "2026-11-01", "2026-11-02"), ["2026-11-01T01:30 2h"]);
        let skipped = restriction(&Weekday::ALL, "02:00", "03:00");
        assert!(spans(skipped, "America/Chicago", "2026-03-08", "2026-03-09").is_empty());
        let twice = restriction(&Weekday::ALL, "01:00", "01:45");
        assert_eq!(spans(twice, "America/Chicago", "2026-11-01", "2026-11-02"), ["2026-11-01T01:00 1.75h"]);
    }
}
