//! The one time range of the window: relative to now, absolute, or all of a source.

use crate::model::{DurationNs, UnixNanos, units};
use crate::source::TimeRange;
use jiff::tz::TimeZone;

const MINUTE_NS: i64 = 60 * 1_000_000_000;

/// Which part of time is looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Range {
    /// The last while, moving with now while Live is on.
    Last(DurationNs),
    /// Between two moments.
    Between(TimeRange),
    /// Everything the source holds: what opening a file shows.
    All,
}

impl Default for Range {
    fn default() -> Self {
        Self::Last(DurationNs(15 * MINUTE_NS))
    }
}

/// Quick choices of the range popup, shortest first.
pub const QUICK: [(&str, Range); 9] = [
    ("Last 5 min", last(5)),
    ("Last 15 min", last(15)),
    ("Last 30 min", last(30)),
    ("Last 1 h", last(60)),
    ("Last 6 h", last(360)),
    ("Last 24 h", last(1_440)),
    ("Last 7 d", last(10_080)),
    ("Last 30 d", last(43_200)),
    ("All time", Range::All),
];

const fn last(minutes: i64) -> Range {
    Range::Last(DurationNs(minutes * MINUTE_NS))
}

impl Range {
    /// The moments it means at `now`, in a source that reaches over `extent`.
    pub fn at(self, now: UnixNanos, extent: Option<TimeRange>) -> TimeRange {
        match self {
            Self::Last(length) => TimeRange { start: now - length, end: now },
            Self::Between(range) => range,
            Self::All => extent.unwrap_or(TimeRange { start: now - DurationNs(15 * MINUTE_NS), end: now }),
        }
    }

    /// The range to ask a source for: a little open at the end, so that what arrives while the question runs is in it.
    pub fn asked(self, now: UnixNanos) -> TimeRange {
        match self {
            // Clocks of other hosts may run a little ahead.
            Self::Last(length) => TimeRange { start: now - length, end: now + DurationNs(MINUTE_NS) },
            Self::Between(range) => range,
            Self::All => TimeRange::ALL,
        }
    }

    /// `Last 15 min`, `Thu 22 Oct 14:11 – 14:20`, `All time`.
    pub fn label(self, zone: &TimeZone) -> String {
        match self {
            Self::All => "All time".to_owned(),
            Self::Last(length) => {
                let quick = QUICK.iter().find(|(_, range)| *range == self);
                quick.map_or_else(|| format!("Last {}", units::duration(length)), |(label, _)| (*label).to_owned())
            }
            Self::Between(range) => {
                let (start, end) = (units::day_and_minute(range.start, zone), units::day_and_minute(range.end, zone));
                match (start.rsplit_once(' '), end.rsplit_once(' ')) {
                    (Some((day, _)), Some((same, time))) if day == same => format!("{start} \u{2013} {time}"),
                    _ => format!("{start} \u{2013} {end}"),
                }
            }
        }
    }

    /// Half a range earlier (`-1`) or later (`1`); absolute afterwards.
    pub fn shifted(self, half_steps: i64, now: UnixNanos, extent: Option<TimeRange>) -> Self {
        let range = self.at(now, extent);
        let by = DurationNs(range.end.since(range.start).0 / 2 * half_steps);
        Self::Between(TimeRange { start: range.start + by, end: range.end + by })
    }

    /// Twice as long around the same middle; a relative range stays relative.
    pub fn widened(self, now: UnixNanos, extent: Option<TimeRange>) -> Self {
        match self {
            Self::Last(length) => Self::Last(DurationNs(length.0.saturating_mul(2))),
            Self::All => Self::All,
            Self::Between(_) => {
                let range = self.at(now, extent);
                let half = DurationNs(range.end.since(range.start).0 / 2);
                Self::Between(TimeRange { start: range.start - half, end: range.end + half })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixNanos = UnixNanos(1_761_142_297_000_000_000);

    #[test]
    fn a_relative_range_ends_now_and_shifting_makes_it_absolute() {
        let range = Range::default();
        assert_eq!(range.at(NOW, None), TimeRange { start: NOW - DurationNs(15 * MINUTE_NS), end: NOW });
        assert_eq!(range.label(&TimeZone::UTC), "Last 15 min");
        let earlier = range.shifted(-1, NOW, None);
        assert_eq!(earlier.label(&TimeZone::UTC), "Wed 22 Oct 13:49 \u{2013} 14:04");
        assert_eq!(earlier.shifted(1, NOW, None).at(NOW, None), range.at(NOW, None));
    }

    #[test]
    fn widening_doubles_and_keeps_the_middle() {
        assert_eq!(Range::default().widened(NOW, None), Range::Last(DurationNs(30 * MINUTE_NS)));
        let narrow = Range::Between(TimeRange { start: UnixNanos(100), end: UnixNanos(200) });
        assert_eq!(narrow.widened(NOW, None), Range::Between(TimeRange { start: UnixNanos(50), end: UnixNanos(250) }));
        assert_eq!(Range::All.widened(NOW, None), Range::All);
    }
}
