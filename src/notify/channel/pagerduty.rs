//! PagerDuty Events API v2: trigger and resolve under one `dedup_key` a group.

use super::settings::Settings;
use super::{ChannelError, Envelope};
use crate::notify::message::{Message, cut, cut_bytes};
use serde_json::{Value, json};

const ENQUEUE: &str = "https://events.pagerduty.com/v2/enqueue";
/// Characters of a summary.
const SUMMARY: usize = 1_024;
/// Bytes of a `dedup_key`.
const DEDUP_KEY: usize = 255;
/// Bytes of an event.
const EVENT: usize = 512_000;
const SEVERITIES: [&str; 4] = ["critical", "error", "warning", "info"];

/// What an event says beside the alerts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct PagerDuty {
    routing_key: String,
    severity: Option<String>,
    texts: Vec<(&'static str, String)>,
    description: Option<String>,
    source: Option<String>,
    client: String,
    client_url: Option<String>,
}

/// The address, the secret and the channel.
pub(super) fn read(settings: Settings<'_>) -> Result<(String, String, PagerDuty), ChannelError> {
    if settings.secret("service_key", "")?.is_some() {
        return Err(ChannelError("service_key belongs to Events v1, use a routing_key of Events API v2".to_owned()));
    }
    let key = settings.need("routing_key", "")?;
    let url = settings.secret("url", "pagerduty_url")?.unwrap_or_else(|| ENQUEUE.to_owned());
    let text = |name| settings.text(name).map(str::to_owned);
    let channel = PagerDuty {
        routing_key: key.clone(),
        severity: text("severity"),
        texts: ["class", "component", "group"].into_iter().filter_map(|name| Some((name, text(name)?))).collect(),
        description: text("description"),
        source: text("source"),
        client: text("client").unwrap_or_else(|| "Belvedere".to_owned()),
        client_url: text("client_url"),
    };
    Ok((url, key, channel))
}

impl PagerDuty {
    pub(super) fn body(&self, message: &Message, envelope: &Envelope<'_>) -> Value {
        let mut event = json!({
            "routing_key": self.routing_key,
            "event_action": if message.fires() { "trigger" } else { "resolve" },
            "dedup_key": cut_bytes(envelope.dedup_key, DEDUP_KEY),
        });
        if !message.fires() {
            return event;
        }
        let client_url = self.client_url.as_deref().unwrap_or(&message.external_url);
        event["client"] = Value::from(self.client.as_str());
        if !client_url.is_empty() {
            event["client_url"] = Value::from(client_url);
        }
        let severity = self.severity.as_deref().or(message.severity()).unwrap_or("error").to_lowercase();
        let severity = if SEVERITIES.contains(&severity.as_str()) { severity.as_str() } else { "error" };
        let firing = message.alerts.iter().filter(|alert| alert.status == "firing");
        let mut payload = json!({
            "summary": cut(self.description.as_deref().unwrap_or(&message.title()), SUMMARY),
            "source": self.source.as_deref().unwrap_or(&self.client),
            "severity": severity,
            "custom_details": {
                "firing": message.text(), "num_firing": firing.clone().count(),
                "num_resolved": message.alerts.len() - firing.clone().count(), "reason": message.reason,
            },
        });
        if let Some(first) = firing.map(|alert| &alert.starts_at).min() {
            payload["timestamp"] = Value::from(first.as_str());
        }
        for (name, text) in &self.texts {
            payload[*name] = Value::from(text.as_str());
        }
        event["payload"] = payload;
        let size = event.to_string().len();
        if size > EVENT {
            event["payload"]["custom_details"] = json!({
                "error": format!("Custom details have been removed because the original event exceeds the maximum size of {EVENT} bytes"),
            });
        }
        event
    }
}
