//! What fields a section may have, as data: unknown fields are refused, values are of their kind, secrets are found.

use super::{ConfigError, SECRET, at};
use crate::alerting::duration;
use crate::wire::yaml::Node;
use std::ops::Range;

/// What a field holds.
#[derive(Clone, Copy)]
pub(super) enum Field {
    /// Text.
    Text,
    /// Text that is not shown.
    Secret,
    /// An absolute http or https address.
    Url,
    /// One that is not shown.
    SecretUrl,
    /// One that is not shown and may be a template.
    TemplateUrl,
    /// `host:port`.
    HostPort,
    /// A truth value.
    Truth,
    /// A whole number.
    Integer,
    /// A length of time, Prometheus' form.
    Length,
    /// A length of time, Go's form.
    GoLength,
    /// Texts by name.
    Texts,
    /// A list of texts.
    List,
    /// Anything.
    Any,
    /// A section.
    Section(&'static Schema),
    /// A list of sections.
    Sections(&'static Schema),
    /// Text, or a section.
    TextOrSection(&'static Schema),
}

/// The fields of a section and what must hold between them.
pub(super) struct Schema {
    /// The name of the type in messages, as Alertmanager has it.
    pub type_name: &'static str,
    /// Fields by name.
    pub fields: &'static [(&'static str, Field)],
    /// What is wrong with a section whose fields are right.
    pub check: fn(Section<'_>) -> Result<(), String>,
}

/// Nothing more to check.
pub(super) fn anything(_: Section<'_>) -> Result<(), String> {
    Ok(())
}

/// A section by its fields, absent ones as empty.
#[derive(Clone, Copy)]
pub(super) struct Section<'a>(pub Option<&'a Node>);

impl<'a> Section<'a> {
    /// The value of a field that is there and is not null.
    pub fn get(self, name: &str) -> Option<&'a Node> {
        self.0?.get(name).filter(|node| !node.is_null())
    }

    /// Whether it is there and not null, for fields that the original keeps behind a pointer.
    pub fn has(self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// The text of a field, empty when absent.
    pub fn text(self, name: &str) -> &'a str {
        self.get(name).and_then(|node| node.text().ok()).unwrap_or_default()
    }

    /// Whether a text is there and not empty.
    pub fn set(self, name: &str) -> bool {
        !self.text(name).is_empty()
    }

    /// A section within.
    pub fn section(self, name: &str) -> Self {
        Self(self.get(name))
    }

    /// Whether a truth value is there and true.
    pub fn truth(self, name: &str) -> bool {
        self.get(name).is_some_and(|node| node.truth() == Ok(true))
    }
}

/// Checks a section, collecting where its secrets stand.
pub(super) fn check(node: &Node, schema: &Schema, secrets: &mut Vec<Range<usize>>) -> Result<(), ConfigError> {
    let mut fields = node.fields(schema.type_name)?;
    for (name, field) in schema.fields {
        if let Some(value) = fields.take(name).filter(|value| !value.is_null()) {
            check_field(value, *field, secrets)?;
        }
    }
    fields.finish()?;
    (schema.check)(Section(Some(node))).map_err(|text| at(node, text))
}

fn check_field(value: &Node, field: Field, secrets: &mut Vec<Range<usize>>) -> Result<(), ConfigError> {
    match field {
        Field::Text => drop(value.text()?),
        Field::Secret => {
            value.text()?;
            secrets.push(value.bytes.clone());
        }
        Field::Url => url(value, value.text()?)?,
        Field::SecretUrl | Field::TemplateUrl => {
            let text = value.text()?;
            let template = matches!(field, Field::TemplateUrl) && (text.is_empty() || text.contains("{{"));
            if text != SECRET && !template {
                url(value, text)?;
            }
            secrets.push(value.bytes.clone());
        }
        Field::HostPort => host_port(value, value.text()?)?,
        Field::Truth => drop(value.truth()?),
        Field::Integer => drop(value.integer()?),
        Field::Length => drop(duration::parse(value.text()?).map_err(|error| at(value, error.to_string()))?),
        Field::GoLength => drop(duration::parse_go(value.text()?).map_err(|error| at(value, error.to_string()))?),
        Field::Texts => {
            for (key, value) in value.pairs()? {
                key.text()?;
                value.text()?;
            }
        }
        Field::List => {
            for item in value.items()? {
                item.text()?;
            }
        }
        Field::Any => {}
        Field::Section(schema) => check(value, schema, secrets)?,
        Field::Sections(schema) => {
            for item in value.items()? {
                check(item, schema, secrets)?;
            }
        }
        Field::TextOrSection(schema) => {
            if value.text().is_err() {
                check(value, schema, secrets)?;
            }
        }
    }
    Ok(())
}

fn url(node: &Node, text: &str) -> Result<(), ConfigError> {
    let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return Err(at(node, format!("unsupported scheme {scheme:?} for URL")));
    }
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if host.is_empty() { Err(at(node, "missing host for URL")) } else { Ok(()) }
}

fn host_port(node: &Node, text: &str) -> Result<(), ConfigError> {
    if text.is_empty() {
        return Ok(());
    }
    let Some((host, port)) = text.rsplit_once(':') else {
        return Err(at(node, format!("address {text}: missing port in address")));
    };
    if host.contains(':') && !(host.starts_with('[') && host.ends_with(']')) {
        return Err(at(node, format!("address {text}: too many colons in address")));
    }
    if port.is_empty() { Err(at(node, format!("address {text:?}: port cannot be empty"))) } else { Ok(()) }
}
