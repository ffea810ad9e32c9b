//! What was decided, read back from Alertmanager's webhook body of version 4, and its words for people.
//!
//! Title and list of alerts read as Alertmanager's default templates write them (`template/default.tmpl`), so that a channel
//! that moves from there looks the same.

use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// An alert of a message.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ToldAlert {
    /// `firing` or `resolved`.
    pub status: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    pub annotations: BTreeMap<String, String>,
    /// RFC 3339.
    pub starts_at: String,
    /// Where it came from.
    #[serde(rename = "generatorURL")]
    pub generator_url: String,
    /// Names its label set.
    pub fingerprint: String,
}

/// See the module comment.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    /// Names the group to receivers.
    pub group_key: String,
    /// `firing` while any alert fires, else `resolved`.
    pub status: String,
    /// Whom it is for.
    pub receiver: String,
    /// The alerts.
    pub alerts: Vec<ToldAlert>,
    /// What they are put together by.
    pub group_labels: BTreeMap<String, String>,
    /// What all of them share.
    pub common_labels: BTreeMap<String, String>,
    /// The same of annotations.
    pub common_annotations: BTreeMap<String, String>,
    /// Where people look.
    #[serde(rename = "externalURL")]
    pub external_url: String,
    /// Why it is told.
    #[serde(rename = "notification_reason")]
    pub reason: String,
}

/// `alertname` first, then by name: `SortedPairs`.
fn sorted(labels: &BTreeMap<String, String>) -> impl Iterator<Item = (&String, &String)> {
    let is_name = |(name, _): &(&String, &String)| name.as_str() == "alertname";
    labels.iter().filter(is_name).chain(labels.iter().filter(move |pair| !is_name(pair)))
}

fn values<'a>(pairs: impl Iterator<Item = (&'a String, &'a String)>) -> String {
    pairs.map(|(_, value)| value.as_str()).collect::<Vec<_>>().join(" ")
}

impl Message {
    /// Reads a stored body.
    pub fn read(body: &RawValue) -> Result<Self, serde_json::Error> {
        serde_json::from_str(body.get())
    }

    /// Whether any alert fires.
    pub fn fires(&self) -> bool {
        self.status == "firing"
    }

    /// The alerts that it is about.
    pub fn fingerprints(&self) -> BTreeSet<String> {
        self.alerts.iter().map(|alert| alert.fingerprint.clone()).collect()
    }

    /// `[FIRING:2] HighLatency (prod api)`.
    pub fn title(&self) -> String {
        let mut title = format!("[{}", self.status.to_uppercase());
        if self.fires() {
            let firing = self.alerts.iter().filter(|alert| alert.status == "firing").count();
            write!(title, ":{firing}").ok();
        }
        write!(title, "] {} ", values(sorted(&self.group_labels))).ok();
        if self.common_labels.len() > self.group_labels.len() {
            let rest = sorted(&self.common_labels).filter(|(name, _)| !self.group_labels.contains_key(*name));
            write!(title, "({})", values(rest)).ok();
        }
        title.trim_end().to_owned()
    }

    /// The alerts one by one with labels, annotations and source, those that fire first.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (status, heading) in [("firing", "Alerts Firing:"), ("resolved", "Alerts Resolved:")] {
            let mut alerts = self.alerts.iter().filter(|alert| alert.status == status).peekable();
            if alerts.peek().is_none() {
                continue;
            }
            writeln!(text, "{heading}").ok();
            for alert in alerts {
                for (what, pairs) in [("Labels", &alert.labels), ("Annotations", &alert.annotations)] {
                    if !pairs.is_empty() {
                        writeln!(text, "{what}:").ok();
                        for (name, value) in sorted(pairs) {
                            writeln!(text, " - {name} = {value}").ok();
                        }
                    }
                }
                if !alert.generator_url.is_empty() {
                    writeln!(text, "Source: {}", alert.generator_url).ok();
                }
            }
        }
        text.trim_end().to_owned()
    }

    /// The severity that the alerts share; the first of theirs when they differ.
    pub fn severity(&self) -> Option<&str> {
        let shared = self.common_labels.get("severity");
        let first = || self.alerts.iter().filter(|alert| alert.status == "firing").find_map(|one| one.labels.get("severity"));
        shared.or_else(first).map(String::as_str)
    }
}

/// At most so many characters, the last an ellipsis when something was cut.
pub fn cut(text: &str, characters: usize) -> String {
    if text.chars().count() <= characters {
        return text.to_owned();
    }
    let kept: String = text.chars().take(characters.saturating_sub(1)).collect();
    kept + "…"
}

/// At most so many bytes, cut between characters, the last character an ellipsis when something was cut.
pub fn cut_bytes(text: &str, bytes: usize) -> String {
    if text.len() <= bytes {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(bytes.saturating_sub('…'.len_utf8()));
    format!("{}…", &text[..end])
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use serde_json::json;

    /// A body with alerts by number; those in `resolved` are over.
    pub(in crate::notify) fn body(firing: &[u32], resolved: &[u32], summary: &str) -> Box<RawValue> {
        let alert = |status: &str, n: &u32| {
            json!({
                "status": status, "labels": {"alertname": "High", "n": n.to_string(), "severity": "critical"},
                "annotations": {"summary": summary}, "startsAt": "2026-01-02T03:04:05Z", "endsAt": "0001-01-01T00:00:00Z",
                "generatorURL": "http://p/graph", "fingerprint": format!("{n:016x}"),
            })
        };
        let alerts: Vec<_> =
            firing.iter().map(|n| alert("firing", n)).chain(resolved.iter().map(|n| alert("resolved", n))).collect();
        let text = json!({
            "version": "4", "groupKey": "{}:{alertname=\"High\"}", "truncatedAlerts": 0, "receiver": "ops",
            "status": if firing.is_empty() { "resolved" } else { "firing" }, "alerts": alerts,
            "groupLabels": {"alertname": "High"}, "commonLabels": {"alertname": "High", "severity": "critical"},
            "commonAnnotations": {"summary": summary}, "routeLabels": {}, "externalURL": "http://b",
            "notification_reason": "first notification",
        });
        RawValue::from_string(text.to_string()).unwrap()
    }

    #[test]
    fn a_message_reads_as_alertmanager_words_it() {
        let message = Message::read(&body(&[1, 2], &[3], "slow")).unwrap();
        assert_eq!(message.title(), "[FIRING:2] High (critical)");
        assert!(message.text().starts_with("Alerts Firing:\nLabels:\n - alertname = High\n - n = 1\n"), "{}", message.text());
        assert!(message.text().contains("Alerts Resolved:\nLabels:\n - alertname = High\n - n = 3"));
        assert_eq!(message.severity(), Some("critical"));
        assert_eq!(Message::read(&body(&[], &[3], "slow")).unwrap().title(), "[RESOLVED] High (critical)");
    }

    #[test]
    fn texts_are_cut_between_characters() {
        assert_eq!((cut("abc", 3).as_str(), cut("äbcd", 3).as_str()), ("abc", "äb…"));
        assert_eq!((cut_bytes("abc", 3).as_str(), cut_bytes("ääää", 6).as_str()), ("abc", "ä…"));
    }
}
