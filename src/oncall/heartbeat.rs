//! Heartbeats: something that has to call in, and pages when it does not.
//!
//! Pure: the last beat and the clock in, the state out. While this machine slept no beat could arrive, so the time that
//! somebody is given counts from waking up at the earliest.

use smol_str::SmolStr;

/// Shortest expected interval, seconds.
pub const SHORTEST: i64 = 60;

/// A monitor.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Heartbeat {
    /// Name.
    pub name: SmolStr,
    /// A beat is expected every so many seconds.
    pub every: i64,
    /// It may be so many seconds late.
    pub grace: i64,
    /// Policy that is started when it is later.
    pub policy: SmolStr,
}

/// How it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Beat {
    /// No beat was ever seen, so there is nothing to miss yet.
    Waiting,
    /// In time.
    Alive {
        /// The last moment for the next beat.
        until: i64,
    },
    /// Overdue.
    Missing {
        /// Since when.
        since: i64,
    },
}

impl Heartbeat {
    /// The state at `now`. `awake_since` is when this machine last woke up or Belvedere started.
    pub fn state(&self, last: Option<i64>, awake_since: i64, now: i64) -> Beat {
        let Some(last) = last else { return Beat::Waiting };
        let allowed = self.every + self.grace;
        // A beat that was due during the sleep gets its full time again from waking up.
        let until = if last + allowed > awake_since { last + allowed } else { awake_since + allowed };
        if now < until { Beat::Alive { until } } else { Beat::Missing { since: until } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_beat_is_missed_and_sleep_is_forgiven() {
        let backup = Heartbeat { name: "b".into(), every: 3600, grace: 60, policy: "p".into() };
        assert_eq!(backup.state(None, 0, 99_999), Beat::Waiting);
        assert_eq!(backup.state(Some(1000), 0, 4659), Beat::Alive { until: 4660 });
        assert_eq!(backup.state(Some(1000), 0, 4660), Beat::Missing { since: 4660 });
        assert_eq!(backup.state(Some(1000), 50_000, 50_001), Beat::Alive { until: 53_660 });
        assert_eq!(backup.state(Some(1000), 50_000, 53_660), Beat::Missing { since: 53_660 });
    }
}
