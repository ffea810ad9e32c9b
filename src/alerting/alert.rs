//! An alert as it travels: from a rule's evaluation or a client of the API, through the routing, to a receiver.
//!
//! Semantics of Alertmanager 0.34 (`alert/alert.go`, `model/alert.go`): the label set is the identity, the fingerprint its
//! FNV-1a hash, an alert is resolved once its end has come, a re-posted alert is merged with the stored one.

use crate::model::{DurationNs, Labels, UnixNanos};
use smol_str::SmolStr;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;

/// The label that names an alert.
pub const ALERT_NAME: &str = "alertname";

const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0100_0000_01b3;
/// Stands between names and values; it is in no UTF-8 text.
const SEPARATOR: u8 = 0xff;

/// Texts by name that describe an alert and are no part of its identity. Unlike labels, they may be empty.
pub type Annotations = BTreeMap<SmolStr, String>;

/// The hash of a label set by which Alertmanager's API, log and group keys speak of an alert.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Fingerprint(pub u64);

impl Fingerprint {
    /// Of a label set.
    pub fn of(labels: &Labels) -> Self {
        let mut sum = FNV_OFFSET;
        for (name, value) in labels {
            for text in [name, value] {
                for byte in text.bytes().chain([SEPARATOR]) {
                    sum = (sum ^ u64::from(byte)).wrapping_mul(FNV_PRIME);
                }
            }
        }
        Self(sum)
    }

    /// From sixteen hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        (text.len() == 16).then(|| u64::from_str_radix(text, 16).ok()).flatten().map(Self)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// An alert with the times that rule it.
#[derive(Clone, PartialEq, Debug)]
pub struct Alert {
    /// Identity.
    pub labels: Labels,
    /// Description.
    pub annotations: Annotations,
    /// When it began.
    pub starts_at: UnixNanos,
    /// When it ended or will be taken as ended.
    pub ends_at: UnixNanos,
    /// Where it came from, for people.
    pub generator_url: String,
    /// When it was last received.
    pub updated_at: UnixNanos,
    /// True when nobody gave the end: it is the time of receipt and the resolve timeout.
    pub timeout: bool,
}

/// Why a posted alert is refused.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AlertError {
    /// It ends before it starts.
    #[error("start time must be before end time")]
    EndsBeforeStart,
    /// Nothing identifies it.
    #[error("at least one label pair required")]
    NoLabels,
    /// A label's name is empty.
    #[error("invalid label set: invalid name {0:?}")]
    LabelName(String),
    /// An annotation's name is empty.
    #[error("invalid annotations: invalid name {0:?}")]
    AnnotationName(String),
}

/// An alert as a client posts it: times may be left out.
#[derive(Clone, PartialEq, Default, Debug)]
pub struct PostedAlert {
    /// Labels; those with an empty value are left out.
    pub labels: Vec<(String, String)>,
    /// Annotations.
    pub annotations: Annotations,
    /// When it began, if said.
    pub starts_at: Option<UnixNanos>,
    /// When it ended or ends, if said.
    pub ends_at: Option<UnixNanos>,
    /// Link to its origin.
    pub generator_url: String,
}

impl PostedAlert {
    /// Completes and checks what was posted: without a start it began now (or at its end), without an end it is taken as
    /// ended `resolve_timeout` from now unless it is posted again.
    pub fn accept(self, now: UnixNanos, resolve_timeout: DurationNs) -> Result<Alert, AlertError> {
        let starts_at = self.starts_at.or(self.ends_at).unwrap_or(now);
        let timeout = self.ends_at.is_none();
        let ends_at = self.ends_at.unwrap_or(now + resolve_timeout);
        if let Some((name, _)) = self.labels.iter().find(|(name, value)| name.is_empty() && !value.is_empty()) {
            return Err(AlertError::LabelName(name.clone()));
        }
        if let Some(name) = self.annotations.keys().find(|name| name.is_empty()) {
            return Err(AlertError::AnnotationName(name.to_string()));
        }
        let labels = Labels::new(self.labels);
        if ends_at < starts_at {
            return Err(AlertError::EndsBeforeStart);
        }
        if labels.is_empty() {
            return Err(AlertError::NoLabels);
        }
        let Self { annotations, generator_url, .. } = self;
        Ok(Alert { labels, annotations, starts_at, ends_at, generator_url, updated_at: now, timeout })
    }
}

impl Alert {
    /// Its name, empty when it has none.
    pub fn name(&self) -> &str {
        self.labels.get(ALERT_NAME)
    }

    /// The hash of its labels.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.labels)
    }

    /// True once its end has come.
    pub fn is_resolved(&self, now: UnixNanos) -> bool {
        self.ends_at <= now
    }

    /// What is kept when this alert arrives and `stored`, with the same labels, is there: merged when their times overlap,
    /// else the new one alone.
    pub fn replacing(self, stored: &Self, now: UnixNanos) -> Self {
        let inside = |time: UnixNanos| time > stored.starts_at && time < stored.ends_at;
        if inside(self.ends_at) || inside(self.starts_at) { stored.merged(&self, now) } else { self }
    }

    /// Two reports of one alert as one: the later one, with the earliest start. Its end is its own, but an explicit end of
    /// the earlier report that lies later stays, and of two resolved reports the later end.
    pub fn merged(&self, other: &Self, now: UnixNanos) -> Self {
        let (older, newer) = if other.updated_at < self.updated_at { (other, self) } else { (self, other) };
        let mut merged = newer.clone();
        merged.starts_at = older.starts_at.min(newer.starts_at);
        let later = older.ends_at > newer.ends_at;
        if newer.is_resolved(now) {
            if older.is_resolved(now) && later {
                merged.ends_at = older.ends_at;
            }
        } else if later && !older.timeout {
            merged.ends_at = older.ends_at;
        }
        merged
    }

    /// The order in which a notification lists alerts: by job, by instance, then by the label sets.
    pub fn listed_before(&self, other: &Self) -> Ordering {
        for name in ["job", "instance"] {
            let (mine, theirs) = (self.labels.get(name), other.labels.get(name));
            if mine != theirs {
                return match (mine.is_empty(), theirs.is_empty()) {
                    (true, _) => Ordering::Greater,
                    (_, true) => Ordering::Less,
                    _ => mine.cmp(theirs),
                };
            }
        }
        compare_label_sets(&self.labels, &other.labels)
    }
}

/// The order of label sets in Alertmanager: the smaller set first, then by the first name (of either) that only one has or
/// whose values differ.
pub fn compare_label_sets(left: &Labels, right: &Labels) -> Ordering {
    left.len().cmp(&right.len()).then_with(|| left.cmp(right))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000_000_000;

    fn at(minutes: i64) -> UnixNanos {
        UnixNanos(1_000 * MINUTE + minutes * MINUTE)
    }

    fn alert(starts: i64, ends: i64, updated: i64, timeout: bool) -> Alert {
        Alert {
            labels: Labels::new([("alertname", "x")]),
            annotations: Annotations::new(),
            starts_at: at(starts),
            ends_at: at(ends),
            generator_url: String::new(),
            updated_at: at(updated),
            timeout,
        }
    }

    #[test]
    fn fingerprints_are_those_of_prometheus() {
        // Taken from answers of a real Alertmanager 0.31.
        let labels = Labels::new([
            ("alertname", "Host_Down"),
            ("cluster", "dev"),
            ("instance", "server6"),
            ("ip", "127.0.0.6"),
            ("job", "node_ping"),
        ]);
        assert_eq!(Fingerprint::of(&Labels::default()).to_string(), "cbf29ce484222325");
        assert_eq!(Fingerprint::parse(&Fingerprint::of(&labels).to_string()), Some(Fingerprint::of(&labels)));
        assert_eq!(Fingerprint::parse("xyz"), None);
    }

    #[test]
    fn reports_of_one_alert_merge_by_who_is_later_and_who_said_the_end() {
        for (case, (older, newer), (starts, ends)) in [
            ("both by timeout", (alert(-2, 2, 0, true), alert(-1, 3, 1, true)), (-2, 3)),
            ("an explicit end later replaces a timeout", (alert(-1, 3, 0, true), alert(0, 2, 1, false)), (-1, 2)),
            ("an explicit end outlives a shorter timeout", (alert(-1, 3, 0, false), alert(0, 2, 1, true)), (-1, 3)),
            ("the later of two explicit ends", (alert(-1, 3, 0, false), alert(0, 2, 1, false)), (-1, 3)),
            ("the later, here the new one", (alert(-1, 3, 0, false), alert(-1, 4, 1, false)), (-1, 4)),
            ("fires again", (alert(-3, -1, 0, false), alert(-2, 1, 1, false)), (-3, 1)),
            ("resolves", (alert(-2, 3, 0, false), alert(-2, 0, 1, false)), (-2, 0)),
            ("both resolved", (alert(-3, -1, -1, false), alert(-4, -2, 1, false)), (-4, -1)),
        ] {
            for (left, right) in [(&older, &newer), (&newer, &older)] {
                let merged = left.merged(right, at(0));
                assert_eq!((merged.starts_at, merged.ends_at), (at(starts), at(ends)), "{case}");
                assert_eq!((merged.updated_at, merged.timeout), (newer.updated_at, newer.timeout), "{case}");
            }
        }
        let apart = alert(5, 9, 2, false);
        assert_eq!(apart.clone().replacing(&alert(-2, 2, 0, false), at(0)), apart, "no overlap, no merge");
    }

    #[test]
    fn what_is_left_out_of_a_posted_alert_is_filled_in() {
        let labels = || vec![("a".to_owned(), "1".to_owned()), ("b".to_owned(), String::new())];
        let timeout = DurationNs(5 * MINUTE);
        let posted = PostedAlert { labels: labels(), ..PostedAlert::default() };
        let accepted = posted.accept(at(0), timeout).unwrap();
        assert_eq!((accepted.starts_at, accepted.ends_at, accepted.timeout), (at(0), at(5), true));
        assert_eq!(accepted.labels, Labels::new([("a", "1")]));
        let ended = PostedAlert { labels: labels(), ends_at: Some(at(-1)), ..PostedAlert::default() };
        assert_eq!(ended.accept(at(0), timeout).unwrap().starts_at, at(-1));
        let empty = PostedAlert { labels: vec![("b".to_owned(), String::new())], ..PostedAlert::default() };
        assert_eq!(empty.accept(at(0), timeout), Err(AlertError::NoLabels));
        let reversed = PostedAlert { labels: labels(), starts_at: Some(at(1)), ends_at: Some(at(0)), ..PostedAlert::default() };
        assert_eq!(reversed.accept(at(0), timeout), Err(AlertError::EndsBeforeStart));
    }

    #[test]
    fn a_notification_lists_alerts_by_job_instance_and_labels() {
        let named = |pairs: &[(&str, &str)]| Alert { labels: Labels::new(pairs.iter().copied()), ..alert(0, 1, 0, false) };
        let first = named(&[("job", "j1"), ("instance", "i1"), ("alertname", "a")]);
        let second = named(&[("job", "j1"), ("instance", "i1"), ("alertname", "b")]);
        let third = named(&[("job", "j2"), ("instance", "i1"), ("alertname", "a")]);
        let last = named(&[("alertname", "a")]);
        let mut alerts = vec![last.clone(), third.clone(), second.clone(), first.clone()];
        alerts.sort_by(Alert::listed_before);
        assert_eq!(alerts, [first, second, third, last]);
    }
}
