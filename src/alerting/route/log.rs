//! The notification log: what was last sent to whom about which group, and from it whether there is a reason to send again.
//!
//! Rules of Alertmanager 0.34 (`notify/dedup_stage.go`, `nflog`). An entry is kept for twice the repeat interval, but not
//! longer than the data retention; a group that was only ever seen resolved is never told of.

use crate::alerting::alert::Fingerprint;
use crate::model::{DurationNs, UnixNanos};
use std::collections::{BTreeSet, HashMap};

/// How long entries and expired silences are kept.
pub const DATA_RETENTION: DurationNs = DurationNs(120 * 3_600_000_000_000);

/// Whom an entry is about: one way of one receiver to be told.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LogKey {
    /// The group.
    pub group_key: String,
    /// The receiver.
    pub receiver: String,
    /// The kind of channel: `webhook`, `slack`.
    pub integration: String,
    /// Which of the receiver's channels of that kind.
    pub index: u32,
}

/// What was last sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogEntry {
    /// When.
    pub at: UnixNanos,
    /// The alerts that fired.
    pub firing: BTreeSet<Fingerprint>,
    /// The alerts that were resolved.
    pub resolved: BTreeSet<Fingerprint>,
    /// When the entry is forgotten.
    pub expires_at: UnixNanos,
}

/// Why a group is sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reason {
    /// Nobody heard of it yet, or all they heard of was resolved.
    FirstNotification,
    /// Alerts joined.
    NewAlertsInGroup,
    /// None fires any more.
    AllAlertsResolved,
    /// Some are newly resolved, and the receiver wants to know.
    NewResolvedAlerts,
    /// Nothing changed for so long that it is told again.
    RepeatIntervalElapsed,
}

impl Reason {
    /// The words of the webhook's `notification_reason`.
    pub fn words(self) -> &'static str {
        match self {
            Self::FirstNotification => "first notification",
            Self::NewAlertsInGroup => "new alerts added",
            Self::AllAlertsResolved => "all alerts resolved",
            Self::NewResolvedAlerts => "some alerts resolved",
            Self::RepeatIntervalElapsed => "repeat interval elapsed",
        }
    }
}

/// Whether there is a reason to send, given what was sent last and what there is now.
pub fn reason(
    entry: Option<&LogEntry>,
    firing: &BTreeSet<Fingerprint>,
    resolved: &BTreeSet<Fingerprint>,
    sends_resolved: bool,
    repeat_interval: DurationNs,
    now: UnixNanos,
) -> Option<Reason> {
    let Some(entry) = entry else {
        return (!firing.is_empty()).then_some(Reason::FirstNotification);
    };
    if !firing.is_subset(&entry.firing) {
        return Some(if entry.firing.is_empty() { Reason::FirstNotification } else { Reason::NewAlertsInGroup });
    }
    if firing.is_empty() {
        // Also when the receiver wants no resolved alerts: the log must forget that they fire.
        return (!entry.firing.is_empty()).then_some(Reason::AllAlertsResolved);
    }
    if sends_resolved && !resolved.is_subset(&entry.resolved) {
        return Some(Reason::NewResolvedAlerts);
    }
    (entry.at < now - repeat_interval).then_some(Reason::RepeatIntervalElapsed)
}

/// When an entry that is written now is forgotten.
pub fn expiry(now: UnixNanos, repeat_interval: DurationNs) -> UnixNanos {
    now + DurationNs(repeat_interval.0.saturating_mul(2)).min(DATA_RETENTION)
}

/// Entries by whom they are about.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct NotificationLog {
    entries: HashMap<LogKey, LogEntry>,
}

impl NotificationLog {
    /// The entry, unless it is forgotten by now.
    pub fn get(&self, key: &LogKey, now: UnixNanos) -> Option<&LogEntry> {
        self.entries.get(key).filter(|entry| entry.expires_at > now)
    }

    /// Writes an entry in place of the last one.
    pub fn put(&mut self, key: LogKey, entry: LogEntry) {
        self.entries.insert(key, entry);
    }

    /// Drops what is forgotten by now; the keys that went.
    pub fn forget_expired(&mut self, now: UnixNanos) -> Vec<LogKey> {
        let gone: Vec<LogKey> =
            self.entries.iter().filter(|(_, entry)| entry.expires_at <= now).map(|(key, _)| key.clone()).collect();
        for key in &gone {
            self.entries.remove(key);
        }
        gone
    }

    /// All entries, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&LogKey, &LogEntry)> {
        self.entries.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(numbers: &[u64]) -> BTreeSet<Fingerprint> {
        numbers.iter().copied().map(Fingerprint).collect()
    }

    #[test]
    fn there_is_a_reason_to_send_or_there_is_none() {
        let entry = |firing: &[u64], resolved: &[u64], at: i64| {
            Some(LogEntry { at: UnixNanos(at), firing: set(firing), resolved: set(resolved), expires_at: UnixNanos(9_999) })
        };
        use Reason::*;
        for (case, entry, firing, resolved, sends_resolved, wanted) in [
            ("nothing known, fires", None, &[1][..], &[][..], true, Some(FirstNotification)),
            ("only seen resolved", None, &[], &[1], true, None),
            ("same", entry(&[1], &[], 95), &[1], &[], true, None),
            ("another joined", entry(&[1], &[], 95), &[1, 2], &[], true, Some(NewAlertsInGroup)),
            ("fires again after all resolved", entry(&[], &[1], 95), &[1], &[], true, Some(FirstNotification)),
            ("all resolved", entry(&[1], &[], 95), &[], &[1], true, Some(AllAlertsResolved)),
            ("all resolved, unwanted", entry(&[1], &[], 95), &[], &[1], false, Some(AllAlertsResolved)),
            ("resolved before, still", entry(&[], &[1], 95), &[], &[1], true, None),
            ("came and went between", entry(&[], &[], 95), &[], &[1], true, None),
            ("one resolved", entry(&[1, 2], &[], 95), &[1], &[2], true, Some(NewResolvedAlerts)),
            ("one resolved, unwanted", entry(&[1, 2], &[], 95), &[1], &[2], false, None),
            ("one resolved, told", entry(&[1, 2], &[2], 95), &[1], &[2], true, None),
            ("repeat not yet over", entry(&[1], &[], 90), &[1], &[], true, None),
            ("repeat over", entry(&[1], &[], 89), &[1], &[], true, Some(RepeatIntervalElapsed)),
        ] {
            let found = reason(entry.as_ref(), &set(firing), &set(resolved), sends_resolved, DurationNs(10), UnixNanos(100));
            assert_eq!(found, wanted, "{case}");
        }
    }

    #[test]
    fn an_entry_is_forgotten_after_two_repeats_or_the_retention() {
        assert_eq!(expiry(UnixNanos(5), DurationNs(10)), UnixNanos(25));
        assert_eq!(expiry(UnixNanos(0), DATA_RETENTION), UnixNanos(DATA_RETENTION.0));
        let key = LogKey { group_key: "{}:{}".into(), receiver: "a".into(), integration: "webhook".into(), index: 0 };
        let mut log = NotificationLog::default();
        let entry = LogEntry { at: UnixNanos(1), firing: set(&[1]), resolved: set(&[]), expires_at: UnixNanos(25) };
        log.put(key.clone(), entry);
        assert!(log.get(&key, UnixNanos(24)).is_some());
        assert!(log.get(&key, UnixNanos(25)).is_none());
        assert_eq!(log.forget_expired(UnixNanos(25)), [key]);
        assert_eq!(log.iter().count(), 0);
    }
}
