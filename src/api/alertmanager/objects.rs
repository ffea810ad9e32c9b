//! The shapes of Alertmanager's API.

use super::VERSION;
use crate::alerting::alert::{Alert, Annotations, Fingerprint, PostedAlert};
use crate::alerting::route::groups::AlertStatus;
use crate::engine::alerts::Snapshot;
use crate::model::{Labels, UnixNanos};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::borrow::Cow;

/// What Go writes for a time that is not set.
const ZERO_TIME: &str = "0001-01-01T00:00:00";

/// A time as the API writes it: UTC, milliseconds.
pub(super) fn time(time: UnixNanos) -> String {
    let text = time.to_rfc3339();
    format!("{}Z", text.get(..23).unwrap_or(&text))
}

pub(super) fn labels(labels: &Labels) -> Value {
    Value::Object(labels.iter().map(|(name, value)| (name.to_owned(), Value::from(value))).collect::<Map<_, _>>())
}

pub(super) fn texts(texts: &Annotations) -> Value {
    Value::Object(texts.iter().map(|(name, text)| (name.to_string(), Value::from(text.as_str()))).collect::<Map<_, _>>())
}

/// An alert with its status.
pub(super) fn alert_object(alert: &Alert, fingerprint: Fingerprint, status: &AlertStatus, receivers: &[&str]) -> Value {
    let inhibited_by: Vec<String> = status.inhibited_by.iter().map(ToString::to_string).collect();
    json!({
        "annotations": texts(&alert.annotations),
        "endsAt": time(alert.ends_at),
        "fingerprint": fingerprint.to_string(),
        "receivers": receivers.iter().map(|name| json!({"name": name})).collect::<Vec<_>>(),
        "startsAt": time(alert.starts_at),
        "status": {
            "inhibitedBy": inhibited_by, "mutedBy": status.muted_by, "silencedBy": status.silenced_by,
            "state": status.word(),
        },
        "updatedAt": time(alert.updated_at),
        "generatorURL": alert.generator_url,
        "labels": labels(&alert.labels),
    })
}

/// The configuration in Alertmanager's dialect (amtool reads it), the version, no cluster.
pub(super) fn status(snapshot: &Snapshot, started: UnixNanos) -> Value {
    json!({
        "cluster": {"status": "disabled", "peers": []},
        "config": {"original": snapshot.config.masked()},
        "uptime": time(started),
        "versionInfo": {
            "branch": "", "buildDate": "", "buildUser": "belvedere", "goVersion": "",
            "revision": env!("CARGO_PKG_VERSION"), "version": VERSION,
        },
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Posted<'a> {
    #[serde(borrow)]
    labels: Pairs<'a>,
    #[serde(borrow, default)]
    annotations: Pairs<'a>,
    #[serde(default, borrow)]
    starts_at: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    ends_at: Option<Cow<'a, str>>,
    #[serde(default, borrow, rename = "generatorURL")]
    generator_url: Option<Cow<'a, str>>,
}

/// An object of texts, in the order it came.
#[derive(Default)]
struct Pairs<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'de: 'a, 'a> Deserialize<'de> for Pairs<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor<'a>(std::marker::PhantomData<&'a ()>);
        impl<'de: 'a, 'a> serde::de::Visitor<'de> for Visitor<'a> {
            type Value = Pairs<'a>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object of strings")
            }

            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Pairs::default())
            }

            fn visit_map<M: serde::de::MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                let mut pairs = Vec::new();
                while let Some(Text(name)) = map.next_key()? {
                    let Text(value) = map.next_value()?;
                    pairs.push((name, value));
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_any(Visitor(std::marker::PhantomData))
    }
}

/// A text that is borrowed where it can be.
#[derive(Deserialize)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// A time that may be left out, also as Go's zero.
pub(super) fn read_time(text: Option<&str>) -> Result<Option<UnixNanos>, String> {
    match text {
        None | Some("") => Ok(None),
        Some(text) if text.starts_with(ZERO_TIME) => Ok(None),
        Some(text) => {
            let time = UnixNanos::parse_rfc3339(text);
            time.map(Some).ok_or_else(|| format!("parsing time {text:?}: expected RFC 3339, as 2026-01-02T15:04:05Z"))
        }
    }
}

/// The body of a POST of alerts.
pub(super) fn read_alerts(body: &[u8]) -> Result<Vec<PostedAlert>, String> {
    let posted: Vec<Posted<'_>> =
        serde_json::from_slice(body).map_err(|error| format!("parsing alerts body failed: {error}"))?;
    let alert = |posted: Posted<'_>| {
        let annotations = posted.annotations.0.into_iter().map(|(name, text)| (name.into(), text.into_owned()));
        Ok(PostedAlert {
            labels: posted.labels.0.into_iter().map(|(name, value)| (name.into_owned(), value.into_owned())).collect(),
            annotations: annotations.collect(),
            starts_at: read_time(posted.starts_at.as_deref())?,
            ends_at: read_time(posted.ends_at.as_deref())?,
            generator_url: posted.generator_url.map(Cow::into_owned).unwrap_or_default(),
        })
    };
    posted.into_iter().map(alert).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn posted_alerts_are_read_with_and_without_times() {
        let body = br#"[{"labels":{"alertname":"a","x":"q\"uoted"},"startsAt":"0001-01-01T00:00:00Z","endsAt":"2026-01-01T00:00:00.5+01:00"},{"labels":{},"annotations":null,"generatorURL":"http://x"}]"#;
        let alerts = read_alerts(body).unwrap();
        assert_eq!(alerts[0].labels[1], ("x".to_owned(), "q\"uoted".to_owned()));
        assert_eq!((alerts[0].starts_at, alerts[0].ends_at.map(time).as_deref()), (None, Some("2025-12-31T23:00:00.500Z")));
        assert_eq!(alerts[1].generator_url, "http://x");
        for wrong in [&b"{}"[..], br#"[{"labels":{"a":1}}]"#, br#"[{"labels":{},"startsAt":"soon"}]"#, b""] {
            assert!(read_alerts(wrong).is_err());
        }
    }
}
