//! Rooms of people that take a title and a text: Discord, Microsoft Teams (Workflows), Telegram, Pushover, Webex, ntfy.
//!
//! Limits are the vendors'. Office 365 connectors of Teams are retired and not built.

use super::ChannelError;
use super::settings::Settings;
use crate::notify::message::{Message, cut, cut_bytes};
use serde_json::{Value, json};

/// Which room, and what it needs to know.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Room {
    Discord {
        content: Option<String>,
        username: Option<String>,
        avatar_url: Option<String>,
    },
    Teams,
    Telegram {
        chat: ChatId,
        thread: Option<i64>,
        quiet: bool,
        parse_mode: Option<String>,
    },
    Pushover {
        token: String,
        user: String,
        fields: Vec<(&'static str, String)>,
        priority: Option<i64>,
        retry: i64,
        expire: i64,
    },
    Webex {
        room: String,
    },
    Ntfy {
        topic: String,
    },
}

/// A chat's number or its name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum ChatId {
    Number(i64),
    Name(String),
}

/// A room with the words that replace the usual ones.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Chat {
    room: Room,
    title: Option<String>,
    text: Option<String>,
}

/// The address, the secrets and the channel of a kind; `None` when it is no chat.
pub(super) fn read(kind: &str, settings: Settings<'_>) -> Result<Option<(String, Vec<String>, Chat)>, ChannelError> {
    let text = |name: &str| settings.text(name).map(str::to_owned);
    let (url, secrets, room, words) = match kind {
        "discord" => {
            let room = Room::Discord { content: text("content"), username: text("username"), avatar_url: text("avatar_url") };
            (settings.need("webhook_url", "")?, Vec::new(), room, "message")
        }
        "msteamsv2" => (settings.need("webhook_url", "")?, Vec::new(), Room::Teams, "text"),
        "telegram" => {
            let token = settings.need("bot_token", "telegram_bot_token")?;
            let base = settings.secret("api_url", "telegram_api_url")?.unwrap_or_else(|| "https://api.telegram.org".to_owned());
            let chat = settings.need("chat_id", "")?;
            let chat = chat.parse().map_or_else(|_| ChatId::Name(chat.clone()), ChatId::Number);
            let room = Room::Telegram {
                chat,
                thread: settings.integer("message_thread_id").filter(|id| *id != 0),
                quiet: settings.truth("disable_notifications"),
                parse_mode: text("parse_mode"),
            };
            (format!("{}/bot{token}/sendMessage", base.trim_end_matches('/')), vec![token], room, "message")
        }
        "pushover" => {
            let (token, user) = (settings.need("token", "")?, settings.need("user_key", "")?);
            let fields =
                ["url", "url_title", "device", "sound"].into_iter().filter_map(|name| Some((name, text(name)?))).collect();
            let priority = match text("priority") {
                Some(text) => Some(
                    text.parse::<i64>()
                        .ok()
                        .filter(|priority| (-2..=2).contains(priority))
                        .ok_or_else(|| ChannelError(format!("priority {text:?} is no number from -2 to 2")))?,
                ),
                None => None,
            };
            let (retry, expire) =
                (settings.seconds("retry").unwrap_or(60).max(30), settings.seconds("expire").unwrap_or(3_600));
            let secrets = vec![token.clone(), user.clone()];
            let room = Room::Pushover { token, user, fields, priority, retry, expire: expire.min(10_800) };
            ("https://api.pushover.net/1/messages.json".to_owned(), secrets, room, "message")
        }
        "webex" => {
            let url = settings.secret("api_url", "webex_api_url")?;
            let room = Room::Webex { room: settings.need("room_id", "")? };
            (url.unwrap_or_else(|| "https://webexapis.com/v1/messages".to_owned()), Vec::new(), room, "message")
        }
        // A webhook whose address says `ntfy://` or `ntfys://host/topic`: Alertmanager's file has no list of its own for it.
        "webhook" => {
            let url = settings.secret("url", "")?.unwrap_or_default();
            let Some((scheme, rest)) = url.split_once("://").filter(|(scheme, _)| matches!(*scheme, "ntfy" | "ntfys")) else {
                return Ok(None);
            };
            let (host, topic) = rest
                .split_once('/')
                .filter(|(_, topic)| !topic.is_empty())
                .ok_or_else(|| ChannelError("an ntfy address is ntfys://host/topic".to_owned()))?;
            let base = if scheme == "ntfys" { "https" } else { "http" };
            (format!("{base}://{host}/"), vec![topic.to_owned()], Room::Ntfy { topic: topic.to_owned() }, "")
        }
        _ => return Ok(None),
    };
    Ok(Some((url, secrets, Chat { room, title: text("title"), text: text(words) })))
}

impl Chat {
    pub(super) fn kind(&self) -> &'static str {
        match self.room {
            Room::Discord { .. } => "discord",
            Room::Teams => "msteamsv2",
            Room::Telegram { .. } => "telegram",
            Room::Pushover { .. } => "pushover",
            Room::Webex { .. } => "webex",
            Room::Ntfy { .. } => "ntfy",
        }
    }

    /// The body and its type.
    pub(super) fn body(&self, message: &Message) -> (Vec<u8>, &'static str) {
        let title = self.title.clone().unwrap_or_else(|| message.title());
        let text = self.text.clone().unwrap_or_else(|| message.text());
        let both = || format!("{title}\n{text}");
        let body = match &self.room {
            Room::Discord { content, username, avatar_url } => {
                let color = if message.fires() { 10_038_562 } else { 3_066_993 };
                let mut body = json!({
                    "content": cut(content.as_deref().unwrap_or_default(), 2_000),
                    "embeds": [{"title": cut(&title, 256), "description": cut(&text, 4_096), "color": color}],
                });
                for (name, value) in [("username", username), ("avatar_url", avatar_url)] {
                    if let Some(value) = value {
                        body[name] = Value::from(value.as_str());
                    }
                }
                body
            }
            Room::Teams => json!({"type": "message", "attachments": [{
                "contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": null,
                "content": {
                    "$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "type": "AdaptiveCard", "version": "1.2",
                    "body": [
                        {"type": "TextBlock", "text": title, "weight": "Bolder", "size": "Medium", "wrap": true, "style": "heading",
                         "color": if message.fires() { "attention" } else { "good" }},
                        {"type": "TextBlock", "text": cut_bytes(&text, 20_000), "wrap": true},
                    ],
                    "msteams": {"width": "full"},
                },
            }]}),
            Room::Telegram { chat, thread, quiet, parse_mode } => {
                let chat = match chat {
                    ChatId::Number(id) => Value::from(*id),
                    ChatId::Name(name) => Value::from(name.as_str()),
                };
                let mut body = json!({"chat_id": chat, "text": cut(&both(), 4_096), "disable_web_page_preview": true, "disable_notification": quiet});
                if let Some(thread) = thread {
                    body["message_thread_id"] = Value::from(*thread);
                }
                // The usual words are no markup; a mode is for words of one's own.
                if let Some(mode) = parse_mode.as_ref().filter(|_| self.text.is_some()) {
                    body["parse_mode"] = Value::from(mode.as_str());
                }
                body
            }
            Room::Pushover { token, user, fields, priority, retry, expire } => {
                // Alertmanager's default: emergency while it fires.
                let priority = priority.unwrap_or(if message.fires() { 2 } else { 0 });
                let mut form = form_urlencoded::Serializer::new(String::new());
                form.append_pair("token", token).append_pair("user", user).append_pair("title", &cut(&title, 250));
                form.append_pair("message", &cut(if text.is_empty() { "(no details)" } else { &text }, 1_024));
                form.append_pair("priority", &priority.to_string());
                if priority == 2 {
                    form.append_pair("retry", &retry.to_string()).append_pair("expire", &expire.to_string());
                }
                for (name, value) in fields {
                    form.append_pair(name, &cut(value, 512));
                }
                return (form.finish().into_bytes(), "application/x-www-form-urlencoded");
            }
            Room::Webex { room } => json!({"roomId": room, "markdown": cut_bytes(&both(), 7_439)}),
            Room::Ntfy { topic } => {
                let mut body = json!({
                    "topic": topic, "title": title, "message": cut_bytes(&text, 4_000),
                    "priority": if !message.fires() { 2 } else if message.severity() == Some("critical") { 5 } else { 4 },
                    "tags": [if message.fires() { "rotating_light" } else { "white_check_mark" }],
                });
                if message.external_url.starts_with("http") {
                    body["click"] = Value::from(message.external_url.as_str());
                }
                body
            }
        };
        (body.to_string().into_bytes(), "application/json")
    }
}
