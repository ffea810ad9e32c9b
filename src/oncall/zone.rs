//! IANA zones: from civil time to instants and back, by the two rules that schedules need.
//!
//! - **Start** of something at a civil time: the first instant at which the clock shows that time or later. A skipped time
//!   starts at the first instant after the jump (02:30 → 03:00 in Chicago, 02:15 → 02:30 on Lord Howe), a repeated one at
//!   its first occurrence.
//! - **End**: the last instant at which the clock reaches that time. A skipped time ends at the jump, a repeated one at
//!   its last occurrence, so that what spans the hour is one longer shift without a second hand-over.
//!
//! Both are total and monotone, whatever a zone does (Samoa left out a whole day in 2011). Instants are whole seconds since
//! 1970-01-01T00:00:00Z. Transitions of the years 1970 to 2100 are held in a table, because calendars ask often.

use super::civil::Civil;
use super::error::OncallError;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::fmt;

/// Years whose transitions are in the table, as Unix seconds: 1970 and 2100.
const TABLE: std::ops::Range<i64> = 0..4_102_444_800;
/// No zone is further from UTC, seconds; a jump of a whole day lies within as well.
const MAX_OFFSET: i64 = 26 * 3600;

/// A zone with its transitions.
#[derive(Clone)]
pub struct Zone {
    name: String,
    zone: TimeZone,
    /// Offset before the first transition of the table, seconds east.
    first_offset: i64,
    /// `(when, offset from then on)`, ascending.
    transitions: Vec<(i64, i64)>,
}

impl PartialEq for Zone {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Zone({})", self.name)
    }
}

impl Zone {
    /// The zone of this IANA name, from the system's data or the bundled ones.
    pub fn get(name: &str) -> Result<Self, OncallError> {
        let zone = TimeZone::get(name).map_err(|_| OncallError::Zone { name: name.to_owned() })?;
        Ok(Self::of(name, zone))
    }

    /// UTC.
    pub fn utc() -> Self {
        Self::of("UTC", TimeZone::UTC)
    }

    fn of(name: &str, zone: TimeZone) -> Self {
        let start = at(TABLE.start);
        let offset = |seconds: i64| i64::from(zone.to_offset(at(seconds)).seconds());
        let first_offset = offset(TABLE.start);
        let mut transitions = Vec::new();
        let mut last = first_offset;
        for transition in zone.following(start) {
            let (when, now) = (transition.timestamp().as_second(), i64::from(transition.offset().seconds()));
            if when >= TABLE.end {
                break;
            }
            // Some transitions change only the abbreviation.
            if now != last {
                transitions.push((when, now));
                last = now;
            }
        }
        Self { name: name.to_owned(), zone, first_offset, transitions }
    }

    /// IANA name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The same zone for `jiff`.
    pub fn jiff(&self) -> &TimeZone {
        &self.zone
    }

    /// Seconds east of UTC at an instant.
    pub fn offset(&self, instant: i64) -> i64 {
        if !TABLE.contains(&instant) {
            return i64::from(self.zone.to_offset(at(instant)).seconds());
        }
        match self.transitions.partition_point(|(when, _)| *when <= instant) {
            0 => self.first_offset,
            after => self.transitions[after - 1].1,
        }
    }

    /// What the clock shows at an instant, seconds cut off.
    pub fn civil(&self, instant: i64) -> Civil {
        Civil((instant + self.offset(instant)).div_euclid(60))
    }

    /// When something starts that starts at this civil time.
    pub fn start(&self, civil: Civil) -> i64 {
        let shown = civil.0 * 60;
        for (from, until, offset) in self.segments(shown) {
            let instant = (shown - offset).max(from);
            if instant < until {
                return instant;
            }
        }
        shown - self.offset(shown)
    }

    /// When something ends that ends at this civil time.
    pub fn end(&self, civil: Civil) -> i64 {
        let shown = civil.0 * 60;
        // The last stretch in which the clock shows the end or less, and the moment when that stops.
        let mut end = None;
        for (from, until, offset) in self.segments(shown) {
            if from <= shown - offset {
                end = Some((shown - offset).min(until));
            }
        }
        end.unwrap_or_else(|| shown - self.offset(shown))
    }

    /// Instants between two instants at which the clock jumps, with the seconds it jumps by.
    pub fn jumps(&self, from: i64, until: i64) -> Vec<(i64, i64)> {
        let first = self.transitions.partition_point(|(when, _)| *when < from);
        let jumps = self.transitions[first..].iter().take_while(|(when, _)| *when < until);
        jumps.map(|(when, offset)| (*when, offset - self.offset(when - 1))).collect()
    }

    /// Stretches of equal offset in which the clock may show this, ascending: from, until, offset.
    fn segments(&self, shown: i64) -> Segments {
        let (low, high) = (shown - MAX_OFFSET, shown + MAX_OFFSET);
        let mut segments = Segments::default();
        if TABLE.contains(&low) && TABLE.contains(&high) {
            let first = self.transitions.partition_point(|(when, _)| *when <= low);
            let offset = first.checked_sub(1).map_or(self.first_offset, |before| self.transitions[before].1);
            segments.push(low, offset);
            for (when, offset) in self.transitions[first..].iter().take_while(|(when, _)| *when < high) {
                segments.push(*when, *offset);
            }
        } else {
            segments.push(low, self.offset(low));
            for transition in self.zone.following(at(low)).take_while(|transition| transition.timestamp().as_second() < high) {
                segments.push(transition.timestamp().as_second(), i64::from(transition.offset().seconds()));
            }
        }
        segments.until = high;
        segments
    }
}

/// At most a few stretches, without a heap.
#[derive(Default)]
struct Segments {
    starts: [(i64, i64); Self::MOST],
    used: usize,
    next: usize,
    until: i64,
}

impl Segments {
    /// No zone changed its offset more often in two days.
    const MOST: usize = 4;

    fn push(&mut self, start: i64, offset: i64) {
        if self.used < Self::MOST {
            self.starts[self.used] = (start, offset);
            self.used += 1;
        }
    }
}

impl Iterator for Segments {
    type Item = (i64, i64, i64);

    fn next(&mut self) -> Option<Self::Item> {
        let at = self.next;
        self.next += 1;
        let (from, offset) = *self.starts[..self.used].get(at)?;
        let until = self.starts[..self.used].get(at + 1).map_or(self.until, |(start, _)| *start);
        Some((from, until, offset))
    }
}

fn at(seconds: i64) -> Timestamp {
    // The ends stay clear of what an offset of a day would leave.
    let (low, high) = (Timestamp::MIN.as_second() + 2 * MAX_OFFSET, Timestamp::MAX.as_second() - 2 * MAX_OFFSET);
    Timestamp::from_second(seconds.clamp(low, high)).unwrap_or(Timestamp::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(zone: &Zone, instant: i64) -> String {
        at(instant).to_zoned(zone.jiff().clone()).strftime("%Y-%m-%dT%H:%M%:z").to_string()
    }

    #[test]
    fn skipped_and_repeated_times_follow_the_two_rules() {
        let rows = [
            ("America/Chicago", "2026-03-08T02:30", "2026-03-08T03:00-05:00", "2026-03-08T03:00-05:00"),
            ("America/Chicago", "2026-03-08T02:00", "2026-03-08T03:00-05:00", "2026-03-08T03:00-05:00"),
            ("America/Chicago", "2026-03-08T03:00", "2026-03-08T03:00-05:00", "2026-03-08T03:00-05:00"),
            ("America/Chicago", "2026-11-01T01:30", "2026-11-01T01:30-05:00", "2026-11-01T01:30-06:00"),
            ("America/Chicago", "2026-11-01T01:00", "2026-11-01T01:00-05:00", "2026-11-01T01:00-06:00"),
            ("America/Chicago", "2026-11-01T02:00", "2026-11-01T02:00-06:00", "2026-11-01T02:00-06:00"),
            ("Australia/Lord_Howe", "2026-10-04T02:15", "2026-10-04T02:30+11:00", "2026-10-04T02:30+11:00"),
            ("Australia/Lord_Howe", "2026-04-05T01:45", "2026-04-05T01:45+11:00", "2026-04-05T01:45+10:30"),
            ("Pacific/Apia", "2011-12-30T12:00", "2011-12-31T00:00+14:00", "2011-12-31T00:00+14:00"),
            ("Asia/Kolkata", "2026-01-01T00:00", "2026-01-01T00:00+05:30", "2026-01-01T00:00+05:30"),
            ("America/Chicago", "2110-07-01T00:00", "2110-07-01T00:00-05:00", "2110-07-01T00:00-05:00"),
            ("America/New_York", "1950-07-01T00:00", "1950-07-01T00:00-04:00", "1950-07-01T00:00-04:00"),
        ];
        for (name, civil, start, end) in rows {
            let zone = Zone::get(name).unwrap();
            let civil_time = Civil::parse(civil).unwrap();
            assert_eq!(text(&zone, zone.start(civil_time)), start, "start of {civil} in {name}");
            assert_eq!(text(&zone, zone.end(civil_time)), end, "end of {civil} in {name}");
        }
    }

    #[test]
    fn the_table_agrees_with_jiff() {
        let mut seed = 7_u64;
        for name in
            ["America/Chicago", "Australia/Lord_Howe", "Africa/Casablanca", "Pacific/Apia", "Europe/Dublin", "Asia/Tehran"]
        {
            let zone = Zone::get(name).unwrap();
            for _ in 0..2_000 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let instant = (seed >> 31) as i64 % 4_600_000_000;
                assert_eq!(zone.offset(instant), i64::from(zone.jiff().to_offset(at(instant)).seconds()), "{name} {instant}");
            }
        }
    }

    #[test]
    fn a_zone_that_is_not_there_is_named() {
        assert!(Zone::get("Mars/Olympus").unwrap_err().to_string().contains("Mars/Olympus"));
    }
}
