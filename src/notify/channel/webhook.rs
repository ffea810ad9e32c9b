//! The generic webhook: Alertmanager's body as it is, under the id and time headers of Standard Webhooks.

use super::settings::Settings;
use super::{ChannelError, Envelope};
use crate::notify::message::Message;
use serde_json::Value;

/// Where it goes and how many alerts it lists; 0 is all.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Webhook {
    max_alerts: usize,
}

/// The address and the channel.
pub(super) fn read(settings: Settings<'_>) -> Result<(String, Webhook), ChannelError> {
    if settings.own.get("payload").is_some_and(|node| !node.is_null()) {
        return Err(ChannelError("payload is not supported: the body is always Alertmanager's, version 4".to_owned()));
    }
    let max_alerts = settings.integer("max_alerts").unwrap_or(0).max(0) as usize;
    Ok((settings.need("url", "")?, Webhook { max_alerts }))
}

impl Webhook {
    pub(super) fn body(&self, message: &Message, envelope: &Envelope<'_>) -> Result<Vec<u8>, ChannelError> {
        if self.max_alerts == 0 || message.alerts.len() <= self.max_alerts {
            return Ok(envelope.body.get().as_bytes().to_vec());
        }
        let wrong = |error: serde_json::Error| ChannelError(format!("the stored notification is not read: {error}"));
        let mut body: Value = serde_json::from_str(envelope.body.get()).map_err(wrong)?;
        if let Some(alerts) = body.get_mut("alerts").and_then(Value::as_array_mut) {
            alerts.truncate(self.max_alerts);
        }
        body["truncatedAlerts"] = Value::from(message.alerts.len() - self.max_alerts);
        serde_json::to_vec(&body).map_err(wrong)
    }

    pub(super) fn headers(envelope: &Envelope<'_>) -> [(String, String); 3] {
        let seconds = envelope.now.0.div_euclid(1_000_000_000).to_string();
        [
            ("webhook-id".to_owned(), envelope.id.to_owned()),
            ("webhook-timestamp".to_owned(), seconds),
            ("idempotency-key".to_owned(), envelope.id.to_owned()),
        ]
    }
}
