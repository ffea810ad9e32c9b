//! A channel's section of the configuration, with what it takes from `global` and from files.

use super::ChannelError;
use crate::wire::yaml::Node;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

/// What of `http_config` changes a request in a way that is not done here.
const NOT_DONE: [&str; 6] = ["oauth2", "tls_config", "proxy_url", "proxy_from_environment", "no_proxy", "proxy_connect_header"];
/// What stands where a secret was taken out of a shown configuration.
const MASKED: &str = "<secret>";

/// Reads a file that the configuration names.
pub type ReadFile<'a> = &'a dyn Fn(&str) -> Result<String, String>;

/// Names and values.
pub(super) type Headers = Vec<(String, String)>;

/// See the module comment.
#[derive(Clone, Copy)]
pub struct Settings<'a> {
    /// The channel's section.
    pub own: &'a Node,
    /// `global`.
    pub global: Option<&'a Node>,
    /// Reads the files of `…_file`.
    pub read: ReadFile<'a>,
}

fn in_node<'a>(node: &'a Node, name: &str) -> Option<&'a str> {
    node.get(name).and_then(|node| node.text().ok()).filter(|text| !text.is_empty())
}

impl<'a> Settings<'a> {
    /// A text that is plain; one with a template is not, see [`Settings::templates`].
    pub fn text(&self, name: &str) -> Option<&'a str> {
        in_node(self.own, name).filter(|text| !text.contains("{{"))
    }

    /// Which of these fields hold templates of their own.
    pub fn templates(&self, names: &[&str]) -> Vec<String> {
        let has = |name: &&&str| in_node(self.own, name).is_some_and(|text| text.contains("{{"));
        names.iter().filter(has).map(|name| (*name).to_owned()).collect()
    }

    /// A truth value.
    pub fn truth(&self, name: &str) -> bool {
        self.own.get(name).is_some_and(|node| node.truth() == Ok(true))
    }

    /// A whole number.
    pub fn integer(&self, name: &str) -> Option<i64> {
        self.own.get(name).and_then(|node| node.integer().ok())
    }

    /// A length of time in whole seconds: `1m`, `1h30m`.
    pub fn seconds(&self, name: &str) -> Option<i64> {
        self.text(name)?.parse::<jiff::SignedDuration>().ok().map(|length| length.as_secs())
    }

    /// A text or the content of the file that `…_file` names: the channel's own, then that of `global`.
    pub fn secret(&self, own: &str, global: &str) -> Result<Option<String>, ChannelError> {
        let places = [(Some(self.own), own), (self.global.filter(|_| !global.is_empty()), global)];
        for (node, name) in places.into_iter().filter_map(|(node, name)| Some((node?, name))) {
            if let Some(text) = in_node(node, name) {
                if text == MASKED {
                    return Err(ChannelError(format!("{name} is masked: write the secret itself in place of {MASKED}")));
                }
                return Ok(Some(text.to_owned()));
            }
            if let Some(path) = in_node(node, &format!("{name}_file")) {
                let text =
                    (self.read)(path).map_err(|error| ChannelError(format!("{name}_file cannot be read: {error}: {path}")))?;
                return Ok(Some(text.trim().to_owned()));
            }
        }
        Ok(None)
    }

    /// The same, which must be there.
    pub fn need(&self, own: &str, global: &str) -> Result<String, ChannelError> {
        self.secret(own, global)?.ok_or_else(|| ChannelError(format!("{own} is missing")))
    }

    /// Headers of `http_config` (the channel's own, else that of `global`) and the secrets among them.
    pub(super) fn http(&self) -> Result<(Headers, Vec<String>), ChannelError> {
        let mut headers = Vec::new();
        let mut secrets = Vec::new();
        let section = self.own.get("http_config").or_else(|| self.global.and_then(|global| global.get("http_config")));
        let Some(section) = section else { return Ok((headers, secrets)) };
        if let Some(name) = NOT_DONE.iter().find(|name| section.get(name).is_some_and(|node| !node.is_null())) {
            return Err(ChannelError(format!("http_config.{name} is not supported; take it out to send directly")));
        }
        let inside = |node| Settings { own: node, global: None, read: self.read };
        let mut authorize = |value: String, secret: String| {
            headers.push(("authorization".to_owned(), value));
            secrets.push(secret);
        };
        if let Some(token) = inside(section).secret("bearer_token", "")? {
            authorize(format!("Bearer {token}"), token);
        }
        if let Some(node) = section.get("authorization") {
            let credentials = inside(node).need("credentials", "")?;
            authorize(format!("{} {credentials}", in_node(node, "type").unwrap_or("Bearer")), credentials);
        }
        if let Some(node) = section.get("basic_auth") {
            let user = inside(node).secret("username", "")?.unwrap_or_default();
            let password = inside(node).secret("password", "")?.unwrap_or_default();
            let encoded = BASE64_STANDARD.encode(format!("{user}:{password}"));
            authorize(format!("Basic {encoded}"), encoded);
        }
        for (name, node) in section.get("http_headers").and_then(|node| node.pairs().ok()).unwrap_or_default() {
            let name = name.text().map_err(|error| ChannelError(error.to_string()))?.to_ascii_lowercase();
            for (list, secret) in [("values", false), ("secrets", true), ("files", true)] {
                for value in node.get(list).and_then(|node| node.items().ok()).unwrap_or_default() {
                    let text = value.text().map_err(|error| ChannelError(error.to_string()))?;
                    let text = if list == "files" {
                        (self.read)(text).map_err(ChannelError)?.trim().to_owned()
                    } else {
                        text.to_owned()
                    };
                    if secret {
                        secrets.push(text.clone());
                    }
                    headers.push((name.clone(), text));
                }
            }
        }
        Ok((headers, secrets))
    }
}
