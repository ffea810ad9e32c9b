//! The kinds of channels that Alertmanager 0.34 knows, their fields, and what must hold within one channel's section.
//!
//! Order of [`KINDS`], words of the messages, and which kinds hear of resolved alerts unless told otherwise, are
//! Alertmanager's (`config/notifiers.go`, `notify/*/config.go`, `config/receiver/receiver.go`).
//! Long because it is a table: one entry a kind, each with all of its fields.

use super::schema::Field::{
    self, Any, GoLength, HostPort, Integer, Length, List, Secret, SecretUrl, Section as In, Sections, TemplateUrl, Text,
    TextOrSection, Texts, Truth, Url,
};
use super::schema::{Schema, Section, anything};

/// A kind of channel.
pub struct Kind {
    /// `webhook`, `slack`: the name of its list without `_configs`.
    pub name: &'static str,
    /// Whether it hears of resolved alerts unless told otherwise.
    pub sends_resolved: bool,
    /// Whether an empty section will do, everything coming from `global`.
    pub(super) may_be_empty: bool,
    pub(super) schema: &'static Schema,
}

impl std::fmt::Debug for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

const fn kind(name: &'static str, sends_resolved: bool, may_be_empty: bool, schema: &'static Schema) -> Kind {
    Kind { name, sends_resolved, may_be_empty, schema }
}

/// All kinds, in the order in which a receiver's channels are numbered and sent to.
pub static KINDS: [Kind; 18] = [
    kind("webhook", true, false, &WEBHOOK),
    kind("email", false, false, &EMAIL),
    kind("pagerduty", true, false, &PAGERDUTY),
    kind("opsgenie", true, true, &OPSGENIE),
    kind("wechat", false, true, &WECHAT),
    kind("slack", false, true, &SLACK),
    kind("victorops", true, false, &VICTOROPS),
    kind("pushover", true, false, &PUSHOVER),
    kind("sns", true, false, &SNS),
    kind("telegram", true, false, &TELEGRAM),
    kind("discord", true, false, &DISCORD),
    kind("webex", true, false, &WEBEX),
    kind("msteams", true, false, &MSTEAMS),
    kind("msteamsv2", true, false, &MSTEAMSV2),
    kind("jira", true, false, &JIRA),
    kind("incidentio", true, false, &INCIDENTIO),
    kind("rocketchat", false, true, &ROCKETCHAT),
    kind("mattermost", true, false, &MATTERMOST),
];

const SEND_RESOLVED: (&str, Field) = ("send_resolved", Truth);
const HTTP_CONFIG: (&str, Field) = ("http_config", In(&HTTP));

fn at_most_one(section: Section<'_>, left: &str, right: &str) -> Result<(), String> {
    if section.set(left) && section.set(right) {
        return Err(format!("at most one of {left} & {right} must be configured"));
    }
    Ok(())
}

fn exactly_one(section: Section<'_>, left: &str, right: &str) -> Result<(), String> {
    if !section.set(left) && !section.set(right) {
        return Err(format!("one of {left} or {right} must be configured"));
    }
    at_most_one(section, left, right)
}

fn need(section: Section<'_>, name: &str, words: &str) -> Result<(), String> {
    if section.set(name) { Ok(()) } else { Err(words.to_owned()) }
}

static TLS: Schema = Schema {
    type_name: "type config.plain",
    fields: &[
        ("ca", Text),
        ("cert", Text),
        ("key", Secret),
        ("ca_file", Text),
        ("cert_file", Text),
        ("key_file", Text),
        ("ca_ref", Text),
        ("cert_ref", Text),
        ("key_ref", Text),
        ("server_name", Text),
        ("insecure_skip_verify", Truth),
        ("min_version", Text),
        ("max_version", Text),
    ],
    check: |tls| {
        for (what, names) in [
            ("ca", ["ca", "ca_file", "ca_ref"]),
            ("cert", ["cert", "cert_file", "cert_ref"]),
            ("key", ["key", "key_file", "key_ref"]),
        ] {
            if names.iter().filter(|name| tls.set(name)).count() > 1 {
                return Err(format!("at most one of {what}, {what}_file & {what}_ref must be configured"));
            }
        }
        Ok(())
    },
};

static HTTP: Schema = Schema {
    type_name: "type config.plain",
    fields: &[
        ("basic_auth", In(&BASIC_AUTH)),
        ("authorization", In(&AUTHORIZATION)),
        ("oauth2", In(&OAUTH2)),
        ("bearer_token", Secret),
        ("bearer_token_file", Text),
        ("tls_config", In(&TLS)),
        ("follow_redirects", Truth),
        ("enable_http2", Truth),
        ("proxy_url", Text),
        ("no_proxy", Text),
        ("proxy_from_environment", Truth),
        ("proxy_connect_header", Any),
        ("http_headers", Any),
    ],
    check: check_http,
};

static BASIC_AUTH: Schema = Schema {
    type_name: "type config.plain",
    fields: &[
        ("username", Text),
        ("username_file", Text),
        ("username_ref", Text),
        ("password", Secret),
        ("password_file", Text),
        ("password_ref", Text),
    ],
    check: anything,
};

static AUTHORIZATION: Schema = Schema {
    type_name: "type config.plain",
    fields: &[("type", Text), ("credentials", Secret), ("credentials_file", Text), ("credentials_ref", Text)],
    check: anything,
};

static OAUTH2: Schema = Schema {
    type_name: "type config.plain",
    fields: &[
        ("client_id", Text),
        ("client_secret", Secret),
        ("client_secret_file", Text),
        ("client_secret_ref", Text),
        ("client_certificate_key_id", Text),
        ("client_certificate_key", Secret),
        ("client_certificate_key_file", Text),
        ("client_certificate_key_ref", Text),
        ("grant_type", Text),
        ("signature_algorithm", Text),
        ("iss", Text),
        ("audience", Text),
        ("claims", Any),
        ("scopes", List),
        ("token_url", Text),
        ("endpoint_params", Texts),
        ("tls_config", In(&TLS)),
        ("proxy_url", Text),
        ("no_proxy", Text),
        ("proxy_from_environment", Truth),
        ("proxy_connect_header", Any),
    ],
    check: anything,
};

fn check_http(http: Section<'_>) -> Result<(), String> {
    at_most_one(http, "bearer_token", "bearer_token_file")?;
    let bearer = http.set("bearer_token") || http.set("bearer_token_file");
    let (basic, authorization, oauth2) = (http.has("basic_auth"), http.has("authorization"), http.has("oauth2"));
    if (basic || oauth2) && bearer {
        return Err("at most one of basic_auth, oauth2, bearer_token & bearer_token_file must be configured".to_owned());
    }
    let one_of = |section: Section<'_>, names: [&str; 3]| names.iter().filter(|name| section.set(name)).count() <= 1;
    let auth = http.section("basic_auth");
    if !one_of(auth, ["username", "username_file", "username_ref"]) {
        return Err("at most one of basic_auth username, username_file & username_ref must be configured".to_owned());
    }
    if !one_of(auth, ["password", "password_file", "password_ref"]) {
        return Err("at most one of basic_auth password, password_file & password_ref must be configured".to_owned());
    }
    if authorization {
        if bearer {
            return Err("authorization is not compatible with bearer_token & bearer_token_file".to_owned());
        }
        let section = http.section("authorization");
        if !one_of(section, ["credentials", "credentials_file", "credentials_ref"]) {
            return Err("at most one of authorization credentials & credentials_file must be configured".to_owned());
        }
        if section.text("type").trim().eq_ignore_ascii_case("basic") {
            return Err("authorization type cannot be set to \"basic\", use \"basic_auth\" instead".to_owned());
        }
        if basic || oauth2 {
            return Err("at most one of basic_auth, oauth2 & authorization must be configured".to_owned());
        }
    }
    if oauth2 {
        if basic {
            return Err("at most one of basic_auth, oauth2 & authorization must be configured".to_owned());
        }
        need(http.section("oauth2"), "client_id", "oauth2 client_id must be configured")?;
        need(http.section("oauth2"), "token_url", "oauth2 token_url must be configured")?;
    }
    let from_environment = http.truth("proxy_from_environment");
    if from_environment && http.set("proxy_url") {
        return Err("if proxy_from_environment is configured, proxy_url must not be configured".to_owned());
    }
    if from_environment && http.set("no_proxy") {
        return Err("if proxy_from_environment is configured, no_proxy must not be configured".to_owned());
    }
    if !http.set("proxy_url") && http.set("no_proxy") {
        return Err("if no_proxy is configured, proxy_url must also be configured".to_owned());
    }
    Ok(())
}

/// `global`.
pub(super) static GLOBAL: Schema = Schema {
    type_name: "type config.plain",
    fields: &[
        ("resolve_timeout", Length),
        HTTP_CONFIG,
        ("jira_api_url", Url),
        ("smtp_from", Text),
        ("smtp_hello", Text),
        ("smtp_smarthost", HostPort),
        ("smtp_auth_username", Text),
        ("smtp_auth_password", Secret),
        ("smtp_auth_password_file", Text),
        ("smtp_auth_secret", Secret),
        ("smtp_auth_secret_file", Text),
        ("smtp_auth_identity", Text),
        ("smtp_require_tls", Truth),
        ("smtp_tls_config", In(&TLS)),
        ("smtp_force_implicit_tls", Truth),
        ("slack_api_url", SecretUrl),
        ("slack_api_url_file", Text),
        ("slack_app_token", Secret),
        ("slack_app_token_file", Text),
        ("slack_app_url", Url),
        ("pagerduty_url", Url),
        ("opsgenie_api_url", Url),
        ("opsgenie_api_key", Secret),
        ("opsgenie_api_key_file", Text),
        ("wechat_api_url", Url),
        ("wechat_api_secret", Secret),
        ("wechat_api_secret_file", Text),
        ("wechat_api_corp_id", Text),
        ("victorops_api_url", Url),
        ("victorops_api_key", Secret),
        ("victorops_api_key_file", Text),
        ("telegram_api_url", Url),
        ("telegram_bot_token", Secret),
        ("telegram_bot_token_file", Text),
        ("webex_api_url", Url),
        ("rocketchat_api_url", Url),
        ("rocketchat_token", Secret),
        ("rocketchat_token_file", Text),
        ("rocketchat_token_id", Secret),
        ("rocketchat_token_id_file", Text),
        ("mattermost_webhook_url", SecretUrl),
        ("mattermost_webhook_url_file", Text),
    ],
    check: anything,
};

static WEBHOOK: Schema = Schema {
    type_name: "type webhook.plain",
    fields: &[
        SEND_RESOLVED,
        HTTP_CONFIG,
        ("url", TemplateUrl),
        ("url_file", Text),
        ("max_alerts", Integer),
        ("timeout", GoLength),
        ("payload", Any),
    ],
    check: |section| exactly_one(section, "url", "url_file"),
};

static EMAIL: Schema = Schema {
    type_name: "type config.plain",
    fields: &[
        SEND_RESOLVED,
        ("to", Text),
        ("from", Text),
        ("hello", Text),
        ("smarthost", HostPort),
        ("auth_username", Text),
        ("auth_password", Secret),
        ("auth_password_file", Text),
        ("auth_secret", Secret),
        ("auth_secret_file", Text),
        ("auth_identity", Text),
        ("headers", Texts),
        ("html", Text),
        ("text", Text),
        ("require_tls", Truth),
        ("tls_config", In(&TLS)),
        ("force_implicit_tls", Truth),
        ("threading", In(&THREADING)),
    ],
    check: check_email,
};

static THREADING: Schema = Schema {
    type_name: "type config.ThreadingConfig",
    fields: &[("enabled", Truth), ("thread_by_date", Text)],
    check: anything,
};

fn check_email(email: Section<'_>) -> Result<(), String> {
    need(email, "to", "missing to address in email config")?;
    let mut seen: Vec<String> = Vec::new();
    let headers = email.get("headers").and_then(|headers| headers.pairs().ok()).unwrap_or_default();
    for (name, _) in headers {
        let words = name.text().unwrap_or_default().split('-').map(|word| {
            let mut letters = word.chars();
            let first = letters.next().map(|letter| letter.to_ascii_uppercase());
            first.into_iter().chain(letters.map(|letter| letter.to_ascii_lowercase())).collect::<String>()
        });
        let canonical = words.collect::<Vec<_>>().join("-");
        if seen.contains(&canonical) {
            return Err(format!("duplicate header {canonical:?} in email config"));
        }
        seen.push(canonical);
    }
    let threading = email.section("threading");
    if threading.truth("enabled") {
        for header in ["References", "In-Reply-To"] {
            if seen.iter().any(|name| name == header) {
                return Err(format!("conflicting configuration: threading.enabled conflicts with custom {header} header"));
            }
        }
        if !["none", "daily"].contains(&threading.text("thread_by_date")) {
            return Err("threading.thread_by_date must be either 'none' or 'daily'".to_owned());
        }
    }
    Ok(())
}

static PAGERDUTY: Schema = Schema {
    type_name: "type pagerduty.plain",
    fields: &[
        SEND_RESOLVED,
        HTTP_CONFIG,
        ("service_key", Secret),
        ("service_key_file", Text),
        ("routing_key", Secret),
        ("routing_key_file", Text),
        ("url", Url),
        ("client", Text),
        ("client_url", Text),
        ("description", Text),
        ("details", Any),
        ("images", Sections(&PAGERDUTY_IMAGE)),
        ("links", Sections(&PAGERDUTY_LINK)),
        ("source", Text),
        ("severity", Text),
        ("class", Text),
        ("component", Text),
        ("group", Text),
        ("timeout", GoLength),
    ],
    check: |section| {
        let keys = ["routing_key", "service_key", "routing_key_file", "service_key_file"];
        if !keys.iter().any(|key| section.set(key)) {
            return Err("missing service or routing key in PagerDuty config".to_owned());
        }
        at_most_one(section, "routing_key", "routing_key_file")?;
        at_most_one(section, "service_key", "service_key_file")
    },
};

static PAGERDUTY_IMAGE: Schema = Schema {
    type_name: "type pagerduty.PagerdutyImage",
    fields: &[("src", Text), ("alt", Text), ("href", Text)],
    check: anything,
};

static PAGERDUTY_LINK: Schema =
    Schema { type_name: "type pagerduty.PagerdutyLink", fields: &[("href", Text), ("text", Text)], check: anything };

static OPSGENIE: Schema = Schema {
    type_name: "type opsgenie.plain",
    fields: &[
        SEND_RESOLVED,
        HTTP_CONFIG,
        ("api_key", Secret),
        ("api_key_file", Text),
        ("api_url", Url),
        ("message", Text),
        ("description", Text),
        ("source", Text),
        ("details", Texts),
        ("entity", Text),
        ("responders", Sections(&OPSGENIE_RESPONDER)),
        ("actions", Text),
        ("tags", Text),
        ("note", Text),
        ("priority", Text),
        ("update_alerts", Truth),
    ],
    check: |section| at_most_one(section, "api_key", "api_key_file"),
};

static OPSGENIE_RESPONDER: Schema = Schema {
    type_name: "type opsgenie.OpsGenieConfigResponder",
    fields: &[("id", Text), ("name", Text), ("username", Text), ("type", Text)],
    check: |one| {
        let (id, name, username, kind) = (one.text("id"), one.text("name"), one.text("username"), one.text("type"));
        let shown = format!("{{{id} {name} {username} {kind}}}");
        if id.is_empty() && name.is_empty() && username.is_empty() {
            return Err(format!("opsGenieConfig responder {shown} has to have at least one of id, username or name specified"));
        }
        let known = ["team", "teams", "user", "escalation", "schedule"].contains(&kind.to_lowercase().as_str());
        if !known && !kind.contains("{{") {
            return Err(format!(
                "opsGenieConfig responder {shown} type does not match valid options ^(team|teams|user|escalation|schedule)$"
            ));
        }
        Ok(())
    },
};

static WECHAT: Schema = Schema {
    type_name: "type config.plain",
    fields: &[
        SEND_RESOLVED,
        HTTP_CONFIG,
        ("api_secret", Secret),
        ("api_secret_file", Text),
        ("corp_id", Text),
        ("message", Text),
        ("api_url", Url),
        ("to_user", Text),
        ("to_party", Text),
        ("to_tag", Text),
        ("agent_id", Text),
        ("message_type", Text),
    ],
    check: |section| {
        let kind = section.text("message_type");
        if !["", "text", "markdown"].contains(&kind) {
            return Err(format!("weChat message type {kind:?} does not match valid options ^(text|markdown)$"));
        }
        at_most_one(section, "api_secret", "api_secret_file")
    },
};

static SLACK: Schema = Schema {
    type_name: "type config.plain",
    fields: &[
        SEND_RESOLVED,
        HTTP_CONFIG,
        ("api_url", SecretUrl),
        ("api_url_file", Text),
        ("app_token", Secret),
        ("app_token_file", Text),
        ("app_url", Url),
        ("channel", Text),
        ("username", Text),
        ("color", Text),
        ("title", Text),
        ("title_link", Text),
        ("pretext", Text),
        ("text", Text),
        ("message_text", Text),
        ("fields", Sections(&SLACK_FIELD)),
        ("short_fields", Truth),
        ("footer", Text),
        ("fallback", Text),
        ("callback_id", Text),
        ("icon_emoji", Text),
        ("icon_url", Text),
        ("image_url", Text),
        ("thumb_url", Text),
        ("link_names", Truth),
        ("mrkdwn_in", List),
        ("actions", Sections(&SLACK_ACTION)),
        ("update_message", Truth),
        ("timeout", GoLength),
    ],
    check: |slack| {
        at_most_one(slack, "api_url", "api_url_file")?;
        at_most_one(slack, "app_token", "app_token_file")?;
        let (url, token) =
            (slack.has("api_url") || slack.set("api_url_file"), slack.set("app_token") || slack.set("app_token_file"));
        if url && token {
            return Err("at most one of api_url/api_url_file & app_token/app_token_file must be configured".to_owned());
        }
        if slack.truth("update_message") && slack.text("api_url") != POST_MESSAGE {
            return Err(format!("update_message can only be used with bot tokens. api_url must be set to {POST_MESSAGE}"));
        }
        Ok(())
    },
};

/// Where Slack takes messages of apps.
pub(super) const POST_MESSAGE: &str = "https://slack.com/api/chat.postMessage";

static SLACK_FIELD: Schema = Schema {
    type_name: "type config.plain",
    fields: &[("title", Text), ("value", Text), ("short", Truth)],
    check: |field| {
        need(field, "title", "missing title in Slack field configuration")?;
        need(field, "value", "missing value in Slack field configuration")
    },
};

static SLACK_ACTION: Schema = Schema {
    type_name: "type config.plain",
    fields: &[
        ("type", Text),
        ("text", Text),
        ("url", Text),
        ("style", Text),
        ("name", Text),
        ("value", Text),
        ("confirm", In(&SLACK_CONFIRM)),
    ],
    check: |action| {
        need(action, "type", "missing type in Slack action configuration")?;
        need(action, "text", "missing text in Slack action configuration")?;
        if action.set("url") { Ok(()) } else { need(action, "name", "missing name or url in Slack action configuration") }
    },
};

static SLACK_CONFIRM: Schema = Schema {
    type_name: "type config.plain",
    fields: &[("text", Text), ("title", Text), ("ok_text", Text), ("dismiss_text", Text)],
    check: |confirm| need(confirm, "text", "missing text in Slack confirmation configuration"),
};

static VICTOROPS: Schema = Schema {
    type_name: "type config.plain",
    fields: &[
        SEND_RESOLVED,
        HTTP_CONFIG,
        ("api_key", Secret),
        ("api_key_file", Text),
        ("api_url", Url),
        ("routing_key", Text),
        ("message_type", Text),
        ("state_message", Text),
        ("entity_display_name", Text),
        ("monitoring_tool", Text),
        ("custom_fields", Texts),
    ],
    check: |section| {
        need(section, "routing_key", "missing Routing key in VictorOps config")?;
        at_most_one(section, "api_key", "api_key_file")?;
        let reserved = [
            "routing_key",
            "message_type",
            "state_message",
            "entity_display_name",
            "monitoring_tool",
            "entity_id",
            "entity_state",
        ];
        let custom = section.section("custom_fields");
        match reserved.iter().find(|name| custom.0.is_some_and(|fields| fields.get(name).is_some())) {
            Some(name) => Err(format!(
                "victorOps config contains custom field {name} which cannot be used as it conflicts with the fixed/static fields"
            )),
            None => Ok(()),
        }
    },
};

static PUSHOVER: Schema = Schema {
    type_name: "type config.plain",
    fields: &[
        SEND_RESOLVED,
        HTTP_CONFIG,
        ("user_key", Secret),
        ("user_key_file", Text),
        ("token", Secret),
        ("token_file", Text),
        ("title", Text),
        ("message", Text),
        ("url", Text),
        ("url_title", Text),
        ("device", Text),
        ("sound", Text),
        ("priority", Text),
        ("retry", GoLength),
        ("expire", GoLength),
        ("ttl", GoLength),
        ("html", Truth),
        ("monospace", Truth),
    ],
    check: |section| {
        exactly_one(section, "user_key", "user_key_file")?;
        exactly_one(section, "token", "token_file")?;
        if section.truth("html") && section.truth("monospace") {
            return Err("at most one of monospace & html must be configured".to_owned());
        }
        Ok(())
    },
};

static SNS: Schema = Schema {
    type_name: "type config.plain",
    fields: &[
        SEND_RESOLVED,
        HTTP_CONFIG,
        ("api_url", Text),
        ("sigv4", In(&SIGV4)),
        ("topic_arn", Text),
        ("phone_number", Text),
        ("target_arn", Text),
        ("subject", Text),
        ("message", Text),
        ("attributes", Texts),
        ("use_aws_http_client", Truth),
    ],
    check: |section| {
        // The original compares in a chain, so that all three together pass as well.
        let missing = |name| !section.set(name);
        if (missing("target_arn") != missing("topic_arn")) != missing("phone_number") {
            return Err("must provide either a Target ARN, Topic ARN, or Phone Number for SNS config".to_owned());
        }
        Ok(())
    },
};

static SIGV4: Schema = Schema {
    type_name: "type sigv4.plain",
    fields: &[
        ("region", Text),
        ("access_key", Text),
        ("secret_key", Secret),
        ("profile", Text),
        ("role_arn", Text),
        ("external_id", Text),
        ("session_name", Text),
        ("tags", Texts),
        ("use_fips_sts_endpoint", Truth),
        ("service_name", Text),
    ],
    check: |section| {
        if section.set("access_key") != section.set("secret_key") {
            return Err("must provide a AWS SigV4 Access key and Secret Key if credentials are specified in the SigV4 config"
                .to_owned());
        }
        Ok(())
    },
};

static TELEGRAM: Schema = Schema {
    type_name: "type telegram.plain",
    fields: &[
        SEND_RESOLVED,
        HTTP_CONFIG,
        ("api_url", Url),
        ("bot_token", Secret),
        ("bot_token_file", Text),
        ("chat_id", Integer),
        ("chat_id_file", Text),
        ("message_thread_id", Integer),
        ("message", Text),
        ("disable_notifications", Truth),
        ("parse_mode", Text),
    ],
    check: |section| {
        at_most_one(section, "bot_token", "bot_token_file")?;
        let chat = section.get("chat_id").is_some_and(|id| id.integer() != Ok(0));
        if !chat && !section.set("chat_id_file") {
            return Err("missing chat_id or chat_id_file on telegram_config".to_owned());
        }
        if chat && section.set("chat_id_file") {
            return Err("at most one of chat_id & chat_id_file must be configured".to_owned());
        }
        if !["", "Markdown", "MarkdownV2", "HTML"].contains(&section.text("parse_mode")) {
            return Err("unknown parse_mode on telegram_config, must be Markdown, MarkdownV2, HTML or empty string".to_owned());
        }
        Ok(())
    },
};

static DISCORD: Schema = Schema {
    type_name: "type discord.plain",
    fields: &[
        SEND_RESOLVED,
        HTTP_CONFIG,
        ("webhook_url", SecretUrl),
        ("webhook_url_file", Text),
        ("content", Text),
        ("title", Text),
        ("message", Text),
        ("username", Text),
        ("avatar_url", Text),
    ],
    check: |section| exactly_one(section, "webhook_url", "webhook_url_file"),
};

static WEBEX: Schema = Schema {
    type_name: "type config.plain",
    fields: &[SEND_RESOLVED, HTTP_CONFIG, ("api_url", Url), ("message", Text), ("room_id", Text)],
    check: |section| {
        need(section, "room_id", "missing room_id on webex_config")?;
        if section.section("http_config").has("authorization") {
            return Ok(());
        }
        Err("missing webex_configs.http_config.authorization".to_owned())
    },
};

static MSTEAMS: Schema = Schema {
    type_name: "type msteams.plain",
    fields: &[
        SEND_RESOLVED,
        HTTP_CONFIG,
        ("webhook_url", SecretUrl),
        ("webhook_url_file", Text),
        ("title", Text),
        ("summary", Text),
        ("text", Text),
    ],
    check: |section| exactly_one(section, "webhook_url", "webhook_url_file"),
};

static MSTEAMSV2: Schema = Schema {
    type_name: "type msteamsv2.plain",
    fields: &[
        SEND_RESOLVED,
        HTTP_CONFIG,
        ("webhook_url", SecretUrl),
        ("webhook_url_file", Text),
        ("title", Text),
        ("text", Text),
    ],
    check: |section| exactly_one(section, "webhook_url", "webhook_url_file"),
};

static JIRA: Schema = Schema {
    type_name: "type jira.plain",
    fields: &[
        SEND_RESOLVED,
        HTTP_CONFIG,
        ("api_url", Url),
        ("api_type", Text),
        ("project", Text),
        ("summary", TextOrSection(&JIRA_FIELD)),
        ("description", TextOrSection(&JIRA_FIELD)),
        ("labels", List),
        ("priority", Text),
        ("issue_type", Text),
        ("reopen_transition", Text),
        ("resolve_transition", Text),
        ("wont_fix_resolution", Text),
        ("reopen_duration", Length),
        ("fields", Any),
    ],
    check: |section| {
        need(section, "project", "missing project in jira_config")?;
        need(section, "issue_type", "missing issue_type in jira_config")?;
        // `auto` when not said; said to be nothing it is unknown.
        let unsaid = !section.has("api_type");
        if !unsaid && !["auto", "cloud", "datacenter"].contains(&section.text("api_type")) {
            return Err("unknown api_type on jira_config, must be auto, cloud or datacenter".to_owned());
        }
        Ok(())
    },
};

static JIRA_FIELD: Schema =
    Schema { type_name: "type jira.plain", fields: &[("template", Text), ("enable_update", Truth)], check: anything };

static INCIDENTIO: Schema = Schema {
    type_name: "type incidentio.plain",
    fields: &[
        SEND_RESOLVED,
        HTTP_CONFIG,
        ("url", Url),
        ("url_file", Text),
        ("alert_source_token", Secret),
        ("alert_source_token_file", Text),
        ("max_alerts", Integer),
        ("timeout", GoLength),
    ],
    check: |section| {
        exactly_one(section, "url", "url_file")?;
        at_most_one(section, "alert_source_token", "alert_source_token_file")?;
        let token = section.set("alert_source_token") || section.set("alert_source_token_file");
        let authorization = section.section("http_config").has("authorization");
        if authorization && token {
            return Err(
                "cannot specify alert_source_token or alert_source_token_file when using http_config.authorization".to_owned()
            );
        }
        if section.has("http_config") && !authorization && !token {
            return Err(
                "at least one of alert_source_token, alert_source_token_file or http_config.authorization must be configured"
                    .to_owned(),
            );
        }
        Ok(())
    },
};

static ROCKETCHAT: Schema = Schema {
    type_name: "type config.plain",
    fields: &[
        SEND_RESOLVED,
        HTTP_CONFIG,
        ("api_url", Url),
        ("token_id", Secret),
        ("token_id_file", Text),
        ("token", Secret),
        ("token_file", Text),
        ("channel", Text),
        ("color", Text),
        ("title", Text),
        ("title_link", Text),
        ("text", Text),
        ("fields", Any),
        ("short_fields", Truth),
        ("emoji", Text),
        ("icon_url", Text),
        ("image_url", Text),
        ("thumb_url", Text),
        ("link_names", Truth),
        ("actions", Any),
    ],
    check: |section| {
        at_most_one(section, "token", "token_file")?;
        at_most_one(section, "token_id", "token_id_file")
    },
};

static MATTERMOST: Schema = Schema {
    type_name: "type mattermost.plain",
    fields: &[
        SEND_RESOLVED,
        HTTP_CONFIG,
        ("webhook_url", SecretUrl),
        ("webhook_url_file", Text),
        ("channel", Text),
        ("username", Text),
        ("text", Text),
        ("fallback", Text),
        ("color", Text),
        ("pretext", Text),
        ("author_name", Text),
        ("author_link", Text),
        ("author_icon", Text),
        ("title", Text),
        ("title_link", Text),
        ("fields", Sections(&MATTERMOST_FIELD)),
        ("thumb_url", Text),
        ("footer", Text),
        ("footer_icon", Text),
        ("image_url", Text),
        ("icon_url", Text),
        ("icon_emoji", Text),
        ("attachments", Sections(&MATTERMOST_ATTACHMENT)),
        ("type", Text),
        ("props", In(&MATTERMOST_PROPS)),
        ("priority", In(&MATTERMOST_PRIORITY)),
    ],
    check: |section| at_most_one(section, "webhook_url", "webhook_url_file"),
};

static MATTERMOST_FIELD: Schema = Schema {
    type_name: "type mattermost.plain",
    fields: &[("title", Text), ("value", Text), ("short", Truth)],
    check: |field| {
        need(field, "title", "missing title in Mattermost field configuration")?;
        need(field, "value", "missing value in Mattermost field configuration")
    },
};

static MATTERMOST_ATTACHMENT: Schema = Schema {
    type_name: "type mattermost.MattermostAttachment",
    fields: &[
        ("fallback", Text),
        ("color", Text),
        ("pretext", Text),
        ("text", Text),
        ("author_name", Text),
        ("author_link", Text),
        ("author_icon", Text),
        ("title", Text),
        ("title_link", Text),
        ("fields", Sections(&MATTERMOST_FIELD)),
        ("thumb_url", Text),
        ("footer", Text),
        ("footer_icon", Text),
        ("image_url", Text),
    ],
    check: anything,
};

static MATTERMOST_PROPS: Schema =
    Schema { type_name: "type mattermost.MattermostProps", fields: &[("card", Text)], check: anything };

static MATTERMOST_PRIORITY: Schema = Schema {
    type_name: "type mattermost.MattermostPriority",
    fields: &[("priority", Text), ("requested_ack", Truth), ("persistent_notifications", Truth)],
    check: anything,
};
