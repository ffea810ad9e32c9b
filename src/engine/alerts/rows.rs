//! The records of alerts in the control file: JSON, so that a person with `sqlite3` reads them too.

use crate::alerting::alert::{Alert, Annotations, Fingerprint};
use crate::alerting::route::groups::{Group, GroupId};
use crate::alerting::route::log::{LogEntry, LogKey};
use crate::alerting::route::matcher::{self, Matcher, Matchers};
use crate::alerting::route::silence::Silence;
use crate::model::{Labels, UnixNanos};
use crate::source::MatchOp;
use crate::store::RecordChange;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;

pub(super) const ALERT: &str = "alert";
pub(super) const GROUP: &str = "alert_group";
pub(super) const SILENCE: &str = "silence";
pub(super) const LOG: &str = "notification_log";
pub(in crate::engine) const NOTIFICATION: &str = "notification";
pub(super) const ROUTES: &str = "alert_routes";

/// Something under a key of its kind.
pub(super) trait Row: Sized {
    /// The kind.
    const KIND: &'static str;
    /// What it is about.
    type Key<'a>;
    fn key(key: Self::Key<'_>) -> Vec<u8>;

    fn put(&self, key: Self::Key<'_>) -> RecordChange
    where
        Self: Serialize,
    {
        let value = serde_json::to_vec(self).unwrap_or_default();
        RecordChange::Put { kind: Self::KIND, key: Self::key(key), value }
    }

    fn remove(key: Self::Key<'_>) -> RecordChange {
        RecordChange::Remove { kind: Self::KIND, key: Self::key(key) }
    }
}

fn pairs(labels: &Labels) -> BTreeMap<Cow<'_, str>, Cow<'_, str>> {
    labels.iter().map(|(name, value)| (Cow::Borrowed(name), Cow::Borrowed(value))).collect()
}

/// An alert.
#[derive(Serialize, Deserialize)]
pub(super) struct AlertRow<'a> {
    #[serde(borrow)]
    labels: BTreeMap<Cow<'a, str>, Cow<'a, str>>,
    annotations: BTreeMap<String, String>,
    starts_at: i64,
    ends_at: i64,
    generator_url: Cow<'a, str>,
    updated_at: i64,
    timeout: bool,
}

impl<'a> From<&'a Alert> for AlertRow<'a> {
    fn from(alert: &'a Alert) -> Self {
        Self {
            labels: pairs(&alert.labels),
            annotations: alert.annotations.iter().map(|(name, text)| (name.to_string(), text.clone())).collect(),
            starts_at: alert.starts_at.0,
            ends_at: alert.ends_at.0,
            generator_url: Cow::Borrowed(&alert.generator_url),
            updated_at: alert.updated_at.0,
            timeout: alert.timeout,
        }
    }
}

impl AlertRow<'_> {
    pub(super) fn into_alert(self) -> Alert {
        Alert {
            labels: Labels::new(self.labels),
            annotations: self.annotations.into_iter().map(|(name, text)| (name.into(), text)).collect::<Annotations>(),
            starts_at: UnixNanos(self.starts_at),
            ends_at: UnixNanos(self.ends_at),
            generator_url: self.generator_url.into_owned(),
            updated_at: UnixNanos(self.updated_at),
            timeout: self.timeout,
        }
    }
}

impl Row for AlertRow<'_> {
    const KIND: &'static str = ALERT;
    type Key<'a> = Fingerprint;

    fn key(key: Fingerprint) -> Vec<u8> {
        key.0.to_be_bytes().to_vec()
    }
}

/// When a group is flushed next.
#[derive(Serialize, Deserialize)]
pub(super) struct GroupRow {
    pub(super) route: String,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) next_flush: i64,
    pub(super) flushed: bool,
}

impl GroupRow {
    pub(super) fn new(route: &str, id: &GroupId, group: &Group) -> Self {
        let labels = id.labels.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Self { route: route.to_owned(), labels, next_flush: group.next_flush.0, flushed: group.flushed }
    }
}

impl Row for GroupRow {
    const KIND: &'static str = GROUP;
    type Key<'a> = (&'a str, &'a Labels);

    fn key((route, labels): (&str, &Labels)) -> Vec<u8> {
        let mut key = route.as_bytes().to_vec();
        key.push(0);
        key.extend_from_slice(labels.packed());
        key
    }
}

/// A matcher.
#[derive(Serialize, Deserialize)]
struct MatcherRow {
    name: String,
    sign: String,
    value: String,
}

/// A silence.
#[derive(Serialize, Deserialize)]
pub(super) struct SilenceRow {
    id: String,
    matcher_sets: Vec<Vec<MatcherRow>>,
    starts_at: i64,
    ends_at: i64,
    updated_at: i64,
    created_by: String,
    comment: String,
    annotations: BTreeMap<String, String>,
}

impl From<&Silence> for SilenceRow {
    fn from(silence: &Silence) -> Self {
        let matcher = |one: &Matcher| MatcherRow {
            name: one.name.to_string(),
            sign: one.sign().to_owned(),
            value: one.value.to_string(),
        };
        Self {
            id: silence.id.clone(),
            matcher_sets: silence.matcher_sets.iter().map(|set| set.0.iter().map(matcher).collect()).collect(),
            starts_at: silence.starts_at.0,
            ends_at: silence.ends_at.0,
            updated_at: silence.updated_at.0,
            created_by: silence.created_by.clone(),
            comment: silence.comment.clone(),
            annotations: silence.annotations.iter().map(|(name, text)| (name.to_string(), text.clone())).collect(),
        }
    }
}

impl SilenceRow {
    pub(super) fn into_silence(self) -> Option<Silence> {
        let matcher = |row: MatcherRow| {
            let all = [MatchOp::Equal, MatchOp::NotEqual, MatchOp::Regex, MatchOp::NotRegex];
            let op = all.into_iter().find(|op| matcher::sign(*op) == row.sign)?;
            Matcher::new(&row.name, op, &row.value).ok()
        };
        let set = |rows: Vec<MatcherRow>| rows.into_iter().map(matcher).collect::<Option<Vec<_>>>().map(Matchers);
        Some(Silence {
            matcher_sets: self.matcher_sets.into_iter().map(set).collect::<Option<_>>()?,
            id: self.id,
            starts_at: UnixNanos(self.starts_at),
            ends_at: UnixNanos(self.ends_at),
            updated_at: UnixNanos(self.updated_at),
            created_by: self.created_by,
            comment: self.comment,
            annotations: self.annotations.into_iter().map(|(name, text)| (name.into(), text)).collect(),
        })
    }
}

impl Row for SilenceRow {
    const KIND: &'static str = SILENCE;
    type Key<'a> = &'a str;

    fn key(id: &str) -> Vec<u8> {
        id.as_bytes().to_vec()
    }
}

/// What was last sent to a channel about a group.
#[derive(Serialize, Deserialize)]
pub(super) struct LogRow {
    group_key: String,
    receiver: String,
    integration: String,
    index: u32,
    at: i64,
    firing: Vec<u64>,
    resolved: Vec<u64>,
    expires_at: i64,
}

impl LogRow {
    pub(super) fn new(key: &LogKey, entry: &LogEntry) -> Self {
        Self {
            group_key: key.group_key.clone(),
            receiver: key.receiver.clone(),
            integration: key.integration.clone(),
            index: key.index,
            at: entry.at.0,
            firing: entry.firing.iter().map(|fingerprint| fingerprint.0).collect(),
            resolved: entry.resolved.iter().map(|fingerprint| fingerprint.0).collect(),
            expires_at: entry.expires_at.0,
        }
    }

    pub(super) fn into_entry(self) -> (LogKey, LogEntry) {
        let key =
            LogKey { group_key: self.group_key, receiver: self.receiver, integration: self.integration, index: self.index };
        let entry = LogEntry {
            at: UnixNanos(self.at),
            firing: self.firing.into_iter().map(Fingerprint).collect(),
            resolved: self.resolved.into_iter().map(Fingerprint).collect(),
            expires_at: UnixNanos(self.expires_at),
        };
        (key, entry)
    }
}

impl Row for LogRow {
    const KIND: &'static str = LOG;
    type Key<'a> = &'a LogKey;

    fn key(key: &LogKey) -> Vec<u8> {
        format!("{}\0{}\0{}\0{}", key.receiver, key.integration, key.index, key.group_key).into_bytes()
    }
}

/// The configuration and who is armed.
#[derive(Serialize, Deserialize)]
pub(super) struct RoutesRow {
    pub(super) text: String,
    pub(super) armed: Vec<String>,
    /// When it was taken over.
    pub(super) at: i64,
}

impl Row for RoutesRow {
    const KIND: &'static str = ROUTES;
    type Key<'a> = u64;

    /// The revision.
    fn key(revision: u64) -> Vec<u8> {
        revision.to_be_bytes().to_vec()
    }
}
