//! Writes a trace in other tools' formats. Reading the text again with [`super::open`] gives what that format can hold;
//! each writer's comment says what it cannot.

mod chrome;
mod jaeger;
mod zipkin;

pub use chrome::chrome;
pub use jaeger::{jaeger, jaeger_list};
pub use zipkin::zipkin;

use crate::model::{Trace, Value, ValueRef};
use serde::Serialize;

/// The trace as OTLP JSON. Nothing is lost but spans' being in flight, which OTLP writes as an end of zero.
pub fn otlp_json(trace: &Trace) -> String {
    super::otlp::json::encode_traces(&trace.spans)
}

/// Appends one record to a JSON list. Plain structures of texts and numbers: they always have a JSON form.
fn push_record(out: &mut String, record: &impl Serialize) {
    match serde_json::to_string(record) {
        Ok(text) => {
            if !out.ends_with('[') {
                out.push_str(",\n");
            }
            out.push_str(&text);
        }
        Err(error) => tracing::error!(%error, "a span has no JSON form and is missing from the export"),
    }
}

/// An attribute where a format has room for text alone; arrays and maps as JSON, bytes in base64.
fn as_text(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Str(text) => text.to_owned(),
        other => as_text_of(&other.to_value()),
    }
}

fn as_text_of(value: &Value) -> String {
    match value {
        Value::Bytes(_) | Value::Array(_) | Value::Map(_) => match super::json::to_json(value) {
            serde_json::Value::String(text) => text,
            other => other.to_string(),
        },
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests;
