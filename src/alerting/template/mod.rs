//! Templates of rules: the part of Go's `text/template` that labels and annotations of alerting rules use, with every
//! function that Prometheus adds.
//!
//! [`Template::parse`] reads a text once, [`Template::expand`] writes it for one sample. The words of errors are Go's, for
//! they end up in annotations; so is what stands out in print: 1234567 is `1.234567e+06`, a label that is not there is
//! nothing, `<no value>` is what only an absent field of nothing gives. Actions: pipelines, variables, `if`, `with`,
//! `range`, `define`, `template`, `block`, `break`, `continue`, comments, trimming. Methods: those of times and durations.

mod exec;
mod format;
mod functions;
mod lex;
mod parse;
mod time;
mod value;

pub use value::{TemplateSample, Value};

use crate::model::UnixNanos;
use parse::Parsed;
use std::collections::BTreeMap;

/// What Prometheus puts before the text of every label and annotation.
const DEFINITIONS: &str =
    "{{$labels := .Labels}}{{$externalLabels := .ExternalLabels}}{{$externalURL := .ExternalURL}}{{$value := .Value}}";

/// Why a template does not parse or expand, in Go's words.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct TemplateError(pub String);

/// Answers the queries of a template.
pub type QueryFunction<'a> = dyn Fn(&str) -> Result<Vec<TemplateSample>, String> + 'a;

/// What a template is expanded over.
pub struct Context<'a> {
    /// `.`
    pub data: Value,
    /// The moment of `now` and of `query`.
    pub now: UnixNanos,
    /// The address of this Prometheus for links, `http://host/prefix`.
    pub external_url: &'a str,
    /// Answers `query`.
    pub query: &'a QueryFunction<'a>,
}

/// A template that was read.
#[derive(Clone, Debug)]
pub struct Template {
    name: String,
    source: String,
    parsed: Parsed,
}

impl Template {
    /// Reads a text; `name` is what errors call it.
    pub fn parse(name: &str, text: &str) -> Result<Self, TemplateError> {
        let parsed = parse::parse(name, text)?;
        Ok(Self { name: name.to_owned(), source: text.to_owned(), parsed })
    }

    /// Reads the text of a label or annotation of an alert, in which `$labels`, `$value`, `$externalLabels` and
    /// `$externalURL` are known.
    pub fn parse_alert(alert: &str, text: &str) -> Result<Self, TemplateError> {
        Self::parse(&format!("__alert_{alert}"), &format!("{DEFINITIONS}{text}"))
    }

    /// True when it is plain text, the same for every sample.
    pub fn is_plain(&self) -> bool {
        !self.source.trim_start_matches(DEFINITIONS).contains("{{")
    }

    /// Writes it.
    pub fn expand(&self, context: &Context<'_>) -> Result<String, TemplateError> {
        exec::execute(&self.name, &self.source, &self.parsed, context)
            .map_err(|TemplateError(text)| TemplateError(format!("error executing template {}: {text}", self.name)))
    }
}

/// `.` of an alert's template.
pub fn alert_data<'a>(
    labels: impl IntoIterator<Item = (&'a str, &'a str)>,
    external_labels: impl IntoIterator<Item = (&'a str, &'a str)>,
    external_url: &str,
    value: Value,
) -> Value {
    Value::Record(BTreeMap::from([
        ("Labels", Value::texts(labels)),
        ("ExternalLabels", Value::texts(external_labels)),
        ("ExternalURL", Value::Text(external_url.to_owned())),
        ("Value", value),
    ]))
}

#[cfg(test)]
mod tests;
