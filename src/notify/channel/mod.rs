//! Kinds of channels: the request of each, what its answer means, and what of it must not be shown.
//!
//! A channel is read from its section of Alertmanager's configuration. What a section asks for that is not done here is
//! refused when the receiver is armed, with the reason; templates of one's own are named in [`Channel::notes`] and the usual
//! words are sent in their place.

mod chat;
mod pagerduty;
mod settings;
mod slack;
#[cfg(test)]
mod tests;
mod webhook;

pub use settings::{ReadFile, Settings};

use super::message::Message;
use super::policy::{self, Verdict};
use crate::model::UnixNanos;
use serde_json::value::RawValue;

/// What stands in place of a secret.
const MASK: &str = "***";

/// Why nothing can be sent through a channel.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct ChannelError(pub String);

/// What is around a message.
#[derive(Clone, Copy, Debug)]
pub struct Envelope<'a> {
    /// Names the delivery, the same for every try.
    pub id: &'a str,
    /// Names the group, the same for trigger and resolve.
    pub dedup_key: &'a str,
    /// The moment of this try.
    pub now: UnixNanos,
    /// Alertmanager's body.
    pub body: &'a RawValue,
}

/// A POST.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Request {
    /// Absolute.
    pub url: String,
    /// Beside `host` and `content-length`.
    pub headers: Vec<(String, String)>,
    /// What is sent.
    pub body: Vec<u8>,
}

/// What came back.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// Status.
    pub status: u16,
    /// The header `Retry-After`.
    pub retry_after: Option<&'a str>,
    /// The beginning of the body.
    pub body: &'a [u8],
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Kind {
    Webhook(webhook::Webhook),
    Slack(slack::Slack),
    PagerDuty(pagerduty::PagerDuty),
    Chat(chat::Chat),
}

/// A way to tell somebody, ready.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Channel {
    kind: Kind,
    url: String,
    headers: Vec<(String, String)>,
    secrets: Vec<String>,
    /// What of the section is not done, in words.
    pub notes: Vec<String>,
}

impl Channel {
    /// Reads a section; `kind` is the name of its list without `_configs`.
    pub fn read(kind: &str, settings: Settings<'_>) -> Result<Self, ChannelError> {
        let (mut headers, mut secrets) = settings.http()?;
        let (url, channel) = if let Some((url, own, chat)) = chat::read(kind, settings)? {
            secrets.extend(own);
            (url, Kind::Chat(chat))
        } else {
            match kind {
                "webhook" => webhook::read(settings).map(|(url, webhook)| (url, Kind::Webhook(webhook)))?,
                "slack" => {
                    let (url, token, slack) = slack::read(settings)?;
                    if let Some(token) = token {
                        headers.push(("authorization".to_owned(), format!("Bearer {token}")));
                        secrets.push(token);
                    }
                    (url, Kind::Slack(slack))
                }
                "pagerduty" => {
                    let (url, key, pagerduty) = pagerduty::read(settings)?;
                    secrets.push(key);
                    (url, Kind::PagerDuty(pagerduty))
                }
                other => return Err(ChannelError(format!("{other}_configs can be routed to but not sent to yet"))),
            }
        };
        let uri: http::Uri = url.parse().map_err(|error| ChannelError(format!("the address is not read: {error}")))?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.host().is_none_or(str::is_empty) {
            return Err(ChannelError("the address is neither http:// nor https://, or it is a template".to_owned()));
        }
        // The path of an address is its secret where the vendor gives the address out.
        let path = uri.path_and_query().map_or("", |path| path.as_str());
        if path.len() > 1 && !matches!(channel, Kind::PagerDuty(_)) {
            secrets.push(path.to_owned());
        }
        if let Some((user, _)) = uri.authority().and_then(|authority| authority.as_str().split_once('@')) {
            secrets.push(user.to_owned());
        }
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        let own = settings.templates(&["title", "text", "message", "content", "description", "severity", "details", "payload"]);
        let notes =
            own.into_iter().map(|name| format!("{name}: templates of one's own are not expanded, the usual words are sent"));
        Ok(Self { kind: channel, url, headers, secrets, notes: notes.collect() })
    }

    /// By which rate it is sent to.
    pub fn rate_kind(&self) -> &'static str {
        match &self.kind {
            Kind::Webhook(_) => "webhook",
            Kind::Slack(_) => "slack",
            Kind::PagerDuty(_) => "pagerduty",
            Kind::Chat(chat) => chat.kind(),
        }
    }

    /// What to ask.
    pub fn request(&self, envelope: &Envelope<'_>) -> Result<Request, ChannelError> {
        let wrong = |error| ChannelError(format!("the stored notification is not read: {error}"));
        let message = Message::read(envelope.body).map_err(wrong)?;
        let mut headers = self.headers.clone();
        let (body, content_type) = match &self.kind {
            Kind::Webhook(webhook) => {
                headers.extend(webhook::Webhook::headers(envelope));
                (webhook.body(&message, envelope)?, "application/json")
            }
            Kind::Slack(slack) => (slack.body(&message).to_string().into_bytes(), "application/json; charset=utf-8"),
            Kind::PagerDuty(pagerduty) => (pagerduty.body(&message, envelope).to_string().into_bytes(), "application/json"),
            Kind::Chat(chat) => chat.body(&message),
        };
        headers.push(("content-type".to_owned(), content_type.to_owned()));
        headers.push(("user-agent".to_owned(), concat!("Belvedere/", env!("CARGO_PKG_VERSION")).to_owned()));
        Ok(Request { url: self.url.clone(), headers, body })
    }

    /// What an answer means.
    pub fn judge(&self, answer: &Answer<'_>, now: UnixNanos) -> Verdict {
        let by_status = policy::by_status(answer.status, answer.retry_after, answer.body, now);
        match (&self.kind, &by_status) {
            (Kind::Slack(slack), Verdict::Delivered) => slack.judge(answer).unwrap_or(by_status),
            // Workflows answer 412 when they are throttled.
            (Kind::Chat(chat), Verdict::Never { reason }) if chat.kind() == "msteamsv2" && answer.status == 412 => {
                Verdict::Later { reason: reason.clone(), pause: None }
            }
            _ => by_status,
        }
    }

    /// A text in which secrets of this channel are masked, also as JSON and forms write them.
    pub fn masked(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in self.secrets.iter().filter(|secret| !secret.is_empty()) {
            let form: String = form_urlencoded::byte_serialize(secret.as_bytes()).collect();
            let json = serde_json::Value::from(secret.as_str()).to_string();
            for written in [secret.as_str(), json.trim_matches('"'), &form] {
                text = text.replace(written, MASK);
            }
        }
        text
    }

    /// A request in words: address, headers, body; without secrets.
    pub fn shown(&self, request: &Request) -> String {
        let headers: String = request.headers.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
        self.masked(&format!("POST {}\n{headers}\n{}", request.url, String::from_utf8_lossy(&request.body)))
    }
}
