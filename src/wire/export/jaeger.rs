//! Jaeger JSON. Lost: nanoseconds below a microsecond, nested values (they become JSON texts), schema URLs, attributes of
//! scopes and links, the trace state of links, W3C flags beyond "sampled", the difference between kinds unset and absent.

use super::super::jaeger::{DROPPED, IN_FLIGHT, REF_TYPE};
use super::{as_text, push_record};
use crate::model::{AttrsRef, SpanKind, SpanRef, StatusCode, Trace, ValueRef};
use base64::Engine as _;
use serde::Serialize;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SpanOut<'a> {
    #[serde(rename = "traceID")]
    trace_id: &'a str,
    #[serde(rename = "spanID")]
    span_id: String,
    flags: u32,
    operation_name: &'a str,
    references: Vec<Reference>,
    start_time: i64,
    duration: i64,
    tags: Vec<Tag<'a>>,
    logs: Vec<Log<'a>>,
    #[serde(rename = "processID")]
    process_id: String,
    warnings: Option<Vec<String>>,
}

#[derive(Serialize)]
struct Reference {
    #[serde(rename = "refType")]
    kind: &'static str,
    #[serde(rename = "traceID")]
    trace_id: String,
    #[serde(rename = "spanID")]
    span_id: String,
}

#[derive(Serialize)]
struct Tag<'a> {
    key: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    value: serde_json::Value,
}

#[derive(Serialize)]
struct Log<'a> {
    timestamp: i64,
    fields: Vec<Tag<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Process<'a> {
    service_name: &'a str,
    tags: Vec<Tag<'a>>,
}

impl<'a> Tag<'a> {
    fn text(key: &'a str, text: &str) -> Self {
        Self { key, kind: "string", value: text.into() }
    }

    fn of(key: &'a str, value: ValueRef<'a>) -> Self {
        let (kind, value) = match value {
            ValueRef::Bool(value) => ("bool", value.into()),
            // JavaScript reads numbers as doubles: beyond 2^53 the API writes texts.
            ValueRef::Int(value) if value.unsigned_abs() < 1 << 53 => ("int64", value.into()),
            ValueRef::Int(value) => ("int64", value.to_string().into()),
            ValueRef::Double(value) => {
                let number = serde_json::Number::from_f64(value).map(serde_json::Value::Number);
                ("float64", number.unwrap_or_else(|| value.to_string().into()))
            }
            ValueRef::Bytes(bytes) => ("binary", base64::engine::general_purpose::STANDARD.encode(bytes).into()),
            other => ("string", as_text(other).into()),
        };
        Self { key, kind, value }
    }

    fn list(attributes: AttrsRef<'a>) -> Vec<Self> {
        attributes.iter().map(|(key, value)| Self::of(key, value)).collect()
    }
}

/// The trace as Jaeger's UI downloads it.
pub fn jaeger(trace: &Trace) -> String {
    let id = trace.id.to_string();
    let mut out = format!("{{\"data\":[{{\"traceID\":\"{id}\",\"spans\":[");
    for span in trace.spans.iter() {
        push_record(&mut out, &span_out(&id, &span));
    }
    out.push_str("],\"processes\":");
    let processes: serde_json::Map<String, serde_json::Value> = (0..trace.spans.resources.len() as u32)
        .filter_map(|number| {
            let resource = crate::model::batch::ResourceRef::of(&trace.spans, number);
            let mut tags = Tag::list(resource.attrs());
            tags.retain(|tag| tag.key != "service.name");
            let process = Process { service_name: resource.service(), tags };
            Some((process_id(number), serde_json::to_value(process).ok()?))
        })
        .collect();
    out.push_str(&serde_json::Value::Object(processes).to_string());
    out.push_str(",\"warnings\":null}],\"total\":0,\"limit\":0,\"offset\":0,\"errors\":null}\n");
    out
}

fn process_id(resource: u32) -> String {
    format!("p{}", resource + 1)
}

fn span_out<'a>(trace_id: &'a str, span: &SpanRef<'a>) -> SpanOut<'a> {
    let reference = |kind, trace_id: &str, span_id: String| Reference { kind, trace_id: trace_id.to_owned(), span_id };
    let parent = span.parent().map(|parent| reference("CHILD_OF", trace_id, parent.to_string()));
    let links = span.links().map(|link| {
        let child = link.attrs().get(REF_TYPE).and_then(ValueRef::as_str) == Some("child_of");
        let kind = if child { "CHILD_OF" } else { "FOLLOWS_FROM" };
        reference(kind, &link.row.trace_id.to_string(), link.row.span_id.to_string())
    });
    let mut tags = Vec::with_capacity(span.attrs().len() + 4);
    if span.kind() != SpanKind::Unspecified {
        tags.push(Tag::text("span.kind", span.kind().word()));
    }
    match span.status() {
        StatusCode::Unset => {}
        StatusCode::Ok => tags.push(Tag::text("otel.status_code", "OK")),
        StatusCode::Error => {
            tags.push(Tag::of("error", ValueRef::Bool(true)));
            tags.push(Tag::text("otel.status_code", "ERROR"));
        }
    }
    for (key, text) in [
        ("otel.status_description", span.status_message()),
        ("otel.scope.name", span.scope().name()),
        ("otel.scope.version", span.scope().version()),
        ("w3c.tracestate", span.trace_state()),
    ] {
        if !text.is_empty() {
            tags.push(Tag::text(key, text));
        }
    }
    let row = span.row;
    for (key, count) in DROPPED.iter().zip([row.dropped_attributes, row.dropped_events, row.dropped_links]) {
        if count > 0 {
            tags.push(Tag::of(key, ValueRef::Int(count.into())));
        }
    }
    if span.end().is_none() {
        tags.push(Tag::of(IN_FLIGHT, ValueRef::Bool(true)));
    }
    tags.extend(Tag::list(span.attrs()));
    SpanOut {
        trace_id,
        span_id: span.span_id().to_string(),
        flags: row.flags & 1,
        operation_name: span.name(),
        references: parent.into_iter().chain(links).collect(),
        start_time: span.start().0.div_euclid(1_000),
        duration: span.duration().0.div_euclid(1_000),
        tags,
        logs: span.events().map(|event| log_out(&event)).collect(),
        process_id: process_id(row.resource),
        warnings: None,
    }
}

fn log_out<'a>(event: &crate::model::EventRef<'a>) -> Log<'a> {
    let mut fields = Vec::with_capacity(event.attrs().len() + 1);
    if !event.name().is_empty() {
        fields.push(Tag::text("event", event.name()));
    }
    if event.row.dropped_attributes > 0 {
        fields.push(Tag::of(DROPPED[0], ValueRef::Int(event.row.dropped_attributes.into())));
    }
    fields.extend(Tag::list(event.attrs()));
    Log { timestamp: event.time().0.div_euclid(1_000), fields }
}
