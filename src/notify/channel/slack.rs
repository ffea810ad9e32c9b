//! Slack: incoming webhooks and `chat.postMessage`. One attachment, coloured by the state, with Alertmanager's limits.

use super::settings::Settings;
use super::{Answer, ChannelError};
use crate::notify::message::{Message, cut};
use crate::notify::policy::Verdict;
use serde_json::{Map, Value, json};

const POST_MESSAGE: &str = "https://slack.com/api/chat.postMessage";
/// Characters of a title.
const TITLE: usize = 1_024;
/// Characters of a text.
const TEXT: usize = 3_000;
/// Errors of the Web API that pass.
const PASSING: [&str; 6] =
    ["ratelimited", "rate_limited", "internal_error", "fatal_error", "service_unavailable", "request_timeout"];

/// What is said beside the alerts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Slack {
    extra: Map<String, Value>,
    title: Option<String>,
    text: Option<String>,
    /// Asks the Web API, which answers 200 to everything.
    is_api: bool,
}

/// The address, the token if there is one, and the channel.
pub(super) fn read(settings: Settings<'_>) -> Result<(String, Option<String>, Slack), ChannelError> {
    let own_url = settings.secret("api_url", "")?;
    let token =
        if own_url.is_some() { settings.secret("app_token", "")? } else { settings.secret("app_token", "slack_app_token")? };
    let url = match (own_url, &token) {
        (Some(url), _) => url,
        (None, Some(_)) => settings.secret("app_url", "slack_app_url")?.unwrap_or_else(|| POST_MESSAGE.to_owned()),
        (None, None) => settings.need("api_url", "slack_api_url")?,
    };
    let mut extra = Map::new();
    for name in ["channel", "username", "icon_emoji", "icon_url"] {
        if let Some(text) = settings.text(name) {
            extra.insert(name.to_owned(), Value::from(text));
        }
    }
    let text = |name| settings.text(name).map(str::to_owned);
    let is_api = token.is_some() || url.ends_with("/api/chat.postMessage");
    Ok((url, token, Slack { extra, title: text("title"), text: text("text"), is_api }))
}

impl Slack {
    pub(super) fn body(&self, message: &Message) -> Value {
        let title = cut(self.title.as_deref().unwrap_or(&message.title()), TITLE);
        let text = cut(self.text.as_deref().unwrap_or(&message.text()), TEXT);
        let mut body = Value::Object(self.extra.clone());
        body["attachments"] = json!([{
            "title": title, "title_link": message.external_url, "text": text, "fallback": title,
            "color": if message.fires() { "danger" } else { "good" }, "mrkdwn_in": ["fallback", "pretext", "text"],
        }]);
        body
    }

    pub(super) fn judge(&self, answer: &Answer<'_>) -> Option<Verdict> {
        if !self.is_api {
            return None;
        }
        let said: Value = serde_json::from_slice(answer.body).unwrap_or_default();
        match (said["ok"].as_bool(), said["error"].as_str()) {
            (Some(true), _) => Some(Verdict::Delivered),
            (Some(false), error) => {
                let error = error.unwrap_or("unknown");
                let reason = format!("Slack says {error}");
                let passes = PASSING.contains(&error);
                Some(if passes { Verdict::Later { reason, pause: None } } else { Verdict::Never { reason } })
            }
            (None, _) => Some(Verdict::Later { reason: "Slack's answer is no JSON".to_owned(), pause: None }),
        }
    }
}
