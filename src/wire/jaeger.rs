//! Jaeger's JSON: what its UI downloads and its query API answers, `{"data":[trace…]}`, a bare trace, or a list of traces.
//!
//! The mapping is that of Jaeger's and the collector's own translators (`reference/doors.md` section 2): process tags
//! become the resource, `span.kind`, the status tags, `otel.scope.*` and `w3c.tracestate` become fields and leave the
//! attributes; the parent is `parentSpanID`, else the first `CHILD_OF` in the same trace, else the first `FOLLOWS_FROM`;
//! other references are links. Times are microseconds. Ids of 64 bits are padded; ids like `A` are numbers when they are
//! hexadecimal and hashed when they are not ([`super::ids`]). Warnings are kept as the attribute `jaeger.warnings`.

use super::assemble::{Assembler, Head};
use super::fault::OpenError;
use super::format::Format;
use super::ids;
use super::json::{Entries, Json, Key, List};
use super::reading::{Decoded, Reading, Watch, utf8};
use crate::model::{Attributes, SpanId, SpanKind, StatusCode, TraceId, Value};
use base64::Engine as _;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

/// The attribute that keeps Jaeger's warnings about a span.
pub const WARNINGS: &str = "jaeger.warnings";
/// The attribute of a link that says it was a `CHILD_OF`; links are `FOLLOWS_FROM` unless they say so.
pub const REF_TYPE: &str = "opentracing.ref_type";
/// The tag that an export puts on a span in flight, which Jaeger cannot say.
pub const IN_FLIGHT: &str = "belvedere.in_flight";
/// The warning that stands beside it, for the readers of Jaeger's window.
pub const NOT_ENDED: &str = "the span has not ended";

/// A whole document: traces under `data`, a bare trace, or a list of traces.
struct Document<'a>(Vec<TraceRecord<'a>>);

struct DocumentVisitor;

impl<'de> Visitor<'de> for DocumentVisitor {
    type Value = Document<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a Jaeger trace or a list of them")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut traces = Vec::new();
        while let Some(trace) = seq.next_element()? {
            traces.push(trace);
        }
        Ok(Document(traces))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut traces = Vec::new();
        let mut bare = TraceRecord::default();
        while let Some(Key(key)) = map.next_key()? {
            match key.as_ref() {
                "data" => traces = map.next_value::<List<_>>()?.0,
                "traceID" => bare.trace_id = map.next_value()?,
                "spans" => bare.spans = map.next_value()?,
                "processes" => bare.processes = map.next_value()?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        if !bare.spans.0.is_empty() {
            traces.push(bare);
        }
        Ok(Document(traces))
    }
}

impl<'de> Deserialize<'de> for Document<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(DocumentVisitor)
    }
}

#[derive(Deserialize, Default)]
struct TraceRecord<'a> {
    #[serde(borrow, default, rename = "traceID")]
    trace_id: Json<'a>,
    #[serde(borrow, default)]
    spans: List<&'a RawValue>,
    #[serde(borrow, default)]
    processes: Entries<'a, ProcessRecord<'a>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
pub(super) struct ProcessRecord<'a> {
    #[serde(borrow, default)]
    pub(super) service_name: Json<'a>,
    #[serde(borrow, default)]
    pub(super) tags: List<TagRecord<'a>>,
}

#[derive(Deserialize, Default)]
pub(super) struct TagRecord<'a> {
    #[serde(borrow, default)]
    pub(super) key: Json<'a>,
    #[serde(borrow, default, rename = "type")]
    pub(super) kind: Json<'a>,
    #[serde(borrow, default)]
    pub(super) value: Json<'a>,
}

#[derive(Deserialize, Default)]
pub(super) struct LogRecord<'a> {
    #[serde(borrow, default)]
    pub(super) timestamp: Json<'a>,
    #[serde(borrow, default)]
    pub(super) fields: List<TagRecord<'a>>,
}

#[derive(Deserialize, Default)]
pub(super) struct ReferenceRecord<'a> {
    #[serde(borrow, default, rename = "refType")]
    pub(super) kind: Json<'a>,
    #[serde(borrow, default, rename = "traceID")]
    pub(super) trace_id: Json<'a>,
    #[serde(borrow, default, rename = "spanID")]
    pub(super) span_id: Json<'a>,
}

#[derive(Deserialize, Default)]
pub(super) struct SpanRecord<'a> {
    #[serde(borrow, default, rename = "traceID")]
    pub(super) trace_id: Json<'a>,
    #[serde(borrow, default, rename = "spanID")]
    pub(super) span_id: Json<'a>,
    #[serde(borrow, default, rename = "parentSpanID")]
    pub(super) parent_id: Json<'a>,
    #[serde(borrow, default)]
    pub(super) flags: Json<'a>,
    #[serde(borrow, default, rename = "operationName")]
    pub(super) name: Json<'a>,
    #[serde(borrow, default)]
    pub(super) references: List<ReferenceRecord<'a>>,
    #[serde(borrow, default, rename = "startTime")]
    pub(super) start: Json<'a>,
    #[serde(borrow, default)]
    pub(super) duration: Json<'a>,
    #[serde(borrow, default)]
    pub(super) tags: List<TagRecord<'a>>,
    #[serde(borrow, default)]
    pub(super) logs: List<LogRecord<'a>>,
    #[serde(borrow, default, rename = "processID")]
    pub(super) process_id: Json<'a>,
    #[serde(borrow, default)]
    pub(super) process: Option<ProcessRecord<'a>>,
    #[serde(borrow, default)]
    pub(super) warnings: Json<'a>,
}

/// Reads Jaeger JSON.
pub(crate) fn read(bytes: &[u8], watch: &mut Watch<'_>) -> Result<Decoded, OpenError> {
    let text = utf8(Format::Jaeger, bytes)?;
    let mut reading = Reading::of_file(Format::Jaeger, text, watch);
    reading.documents(|reading, Document(traces)| {
        for (index, trace) in traces.into_iter().enumerate() {
            read_trace(reading, index, trace)?;
        }
        Ok(())
    })?;
    Ok(reading.finish())
}

fn read_trace<'a>(reading: &mut Reading<'a, '_>, index: usize, trace: TraceRecord<'a>) -> Result<(), OpenError> {
    let mut processes = HashMap::with_capacity(trace.processes.0.len());
    for (id, process) in trace.processes.0 {
        let number = reading.out.resource(&resource_of(&process));
        processes.insert(id, number);
    }
    for (at, raw) in trace.spans.0.into_iter().enumerate() {
        let path = || format!("data[{index}].spans[{at}]");
        let Some(span) = reading.record::<SpanRecord<'a>>(raw, path)? else { continue };
        if let Err(reason) = lay(&mut reading.out, &trace.trace_id, &processes, &span) {
            reading.reject(raw.get(), path(), reason)?;
        }
    }
    Ok(())
}

pub(super) fn resource_of(process: &ProcessRecord<'_>) -> Attributes {
    let mut attributes = Attributes::default();
    if let Some(name) = process.service_name.text().filter(|name| !name.is_empty()) {
        attributes.push("service.name", name);
    }
    for tag in &process.tags.0 {
        let key = tag.key.text().unwrap_or_default();
        if key != "service.name" {
            attributes.push(key, tag.value());
        }
    }
    attributes
}

impl TagRecord<'_> {
    /// The value by the declared type; one that contradicts its type is taken as JSON has it.
    fn typed(&self) -> Typed<'_> {
        let value = &self.value;
        let typed = match self.kind.text() {
            Some("int64") => value.int().map(|number| Typed::Json(Cow::Owned(Json::Int(number)))),
            Some("float64") => value.float().map(|number| Typed::Json(Cow::Owned(Json::Float(number)))),
            Some("bool") => match value.text() {
                Some("true") => Some(Typed::Json(Cow::Owned(Json::Bool(true)))),
                Some("false") => Some(Typed::Json(Cow::Owned(Json::Bool(false)))),
                _ => None,
            },
            Some("binary") => value
                .text()
                .and_then(|text| base64::engine::general_purpose::STANDARD.decode(text).ok())
                .map(|bytes| Typed::Value(Value::Bytes(bytes.into()))),
            Some("string") if !matches!(value, Json::Text(_) | Json::Null) => {
                Some(Typed::Value(Value::from(value.to_value().to_string())))
            }
            _ => None,
        };
        typed.unwrap_or(Typed::Json(Cow::Borrowed(value)))
    }

    fn value(&self) -> Value {
        match self.typed() {
            Typed::Json(json) => json.to_value(),
            Typed::Value(value) => value,
        }
    }

    fn is_true(&self) -> bool {
        matches!(self.value, Json::Bool(true)) || self.value.text() == Some("true")
    }
}

enum Typed<'a> {
    Json(Cow<'a, Json<'a>>),
    Value(Value),
}

/// What the tags say that the model has fields for.
#[derive(Default)]
struct Said<'a> {
    kind: SpanKind,
    error: bool,
    status: Option<StatusCode>,
    message: &'a str,
    http_status: i64,
    scope: [&'a str; 2],
    trace_state: &'a str,
    dropped: [u32; 3],
    in_flight: bool,
}

/// Lays one span down, or says why it is none.
pub(super) fn lay(
    out: &mut Assembler,
    trace_id: &Json<'_>,
    processes: &HashMap<Cow<'_, str>, u32>,
    span: &SpanRecord<'_>,
) -> Result<(), String> {
    let trace_id = span.trace_id.text().or(trace_id.text()).unwrap_or_default();
    let trace_id = ids::any_trace(trace_id).ok_or("the span has no traceID")?;
    let span_id = span.span_id.text().and_then(ids::any_span).ok_or("the span has no spanID")?;
    let start = span.start.micros().ok_or("the span has no startTime in microseconds")?;
    let said = read_tags(out, span);
    for log in &span.logs.0 {
        let event = log.fields.0.iter().find(|field| field.key.text() == Some("event"));
        let name = event.and_then(|field| field.value.text()).unwrap_or_default();
        out.event(log.timestamp.micros().unwrap_or(start), name);
        for field in log.fields.0.iter().filter(|field| field.key.text() != Some("event") || field.value.text().is_none()) {
            let key = field.key.text().unwrap_or_default();
            match field.typed() {
                Typed::Json(json) if key == DROPPED[0] => {
                    let count = json.uint().and_then(|count| u32::try_from(count).ok());
                    out.event_dropped(count.unwrap_or_default());
                }
                Typed::Json(json) => out.event_attr(key, &json),
                Typed::Value(value) => out.event_value(key, &value),
            }
        }
    }
    let parent = read_references(out, span, trace_id);
    let resource = match (&span.process, span.process_id.text().and_then(|id| processes.get(id))) {
        (Some(process), _) => out.resource(&resource_of(process)),
        (None, Some(number)) => *number,
        (None, None) => out.service(""),
    };
    let failed_http = said.http_status >= if said.kind == SpanKind::Client { 400 } else { 500 };
    let status = match said.status {
        _ if said.error => StatusCode::Error,
        Some(status) => status,
        None if failed_http => StatusCode::Error,
        None => StatusCode::Unset,
    };
    let end = span.duration.micros().filter(|_| !said.in_flight).map(|length| start.saturating_add(length));
    let scope = out.scope(said.scope[0], said.scope[1]);
    out.span(&Head {
        trace_id,
        span_id,
        parent,
        name: span.name.text().unwrap_or_default(),
        kind: said.kind,
        start,
        end,
        status,
        message: said.message,
        trace_state: said.trace_state,
        // Jaeger's bit 1 is "debug", which W3C has another meaning for.
        flags: span.flags.uint().unwrap_or_default() as u32 & 1,
        resource,
        scope,
        dropped: said.dropped,
    });
    Ok(())
}

/// How the specification names dropped counts in formats without a field for them.
pub(crate) const DROPPED: [&str; 3] =
    ["otel.dropped_attributes_count", "otel.dropped_events_count", "otel.dropped_links_count"];

fn read_tags<'s>(out: &mut Assembler, span: &'s SpanRecord<'_>) -> Said<'s> {
    let mut said = Said::default();
    for tag in &span.tags.0 {
        let key = tag.key.text().unwrap_or_default();
        let text = tag.value.text();
        match key {
            "span.kind" => {
                if let Some(kind) = text.and_then(SpanKind::from_word) {
                    said.kind = kind;
                    continue;
                }
            }
            "error" if tag.is_true() => {
                said.error = true;
                continue;
            }
            "otel.status_code" => {
                if let Some(status) = status_word(text.unwrap_or_default()) {
                    said.status = Some(status);
                    continue;
                }
            }
            "otel.status_description" => {
                if let Some(text) = text {
                    said.message = text;
                    continue;
                }
            }
            "http.status_code" => said.http_status = tag.value.int().unwrap_or_default(),
            "otel.scope.name" | "otel.library.name" => {
                if let Some(text) = text {
                    said.scope[0] = text;
                    continue;
                }
            }
            "otel.scope.version" | "otel.library.version" => {
                if let Some(text) = text {
                    said.scope[1] = text;
                    continue;
                }
            }
            "w3c.tracestate" => {
                if let Some(text) = text {
                    said.trace_state = text;
                    continue;
                }
            }
            IN_FLIGHT if tag.is_true() => {
                said.in_flight = true;
                continue;
            }
            _ => {
                let count = tag.value.uint().and_then(|count| u32::try_from(count).ok());
                if let (Some(at), Some(count)) = (DROPPED.iter().position(|name| *name == key), count) {
                    said.dropped[at] = count;
                    continue;
                }
            }
        }
        match tag.typed() {
            Typed::Json(json) => out.attr(key, &json),
            Typed::Value(value) => out.value(key, &value),
        }
    }
    let warned = match &span.warnings {
        // What our own export says for people, beside the tag.
        Json::List(items) if said.in_flight && items.len() == 1 && items[0].text() == Some(NOT_ENDED) => false,
        Json::List(items) => !items.is_empty(),
        other => other.is_some(),
    };
    if warned {
        out.attr(WARNINGS, &span.warnings);
    }
    said
}

/// `OK`, `ERROR`, `UNSET` in either case, with or without `STATUS_CODE_`.
pub(crate) fn status_word(word: &str) -> Option<StatusCode> {
    let bare = word.strip_prefix("STATUS_CODE_").unwrap_or(word);
    [StatusCode::Unset, StatusCode::Ok, StatusCode::Error].into_iter().find(|code| code.word().eq_ignore_ascii_case(bare))
}

/// Lays the links down and answers the parent.
fn read_references(out: &mut Assembler, span: &SpanRecord<'_>, trace_id: TraceId) -> Option<SpanId> {
    let known = |reference: &ReferenceRecord<'_>| {
        let trace = reference.trace_id.text().and_then(ids::any_trace).unwrap_or(trace_id);
        reference.span_id.text().and_then(ids::any_span).map(|span| (trace, span))
    };
    let references = &span.references.0;
    let follows = |reference: &ReferenceRecord<'_>| reference.kind.text() == Some("FOLLOWS_FROM");
    let first = |following: bool| {
        references.iter().position(|reference| {
            follows(reference) == following && known(reference).is_some_and(|(trace, _)| trace == trace_id)
        })
    };
    let stated = span.parent_id.text().and_then(ids::any_span);
    let chosen = match stated {
        Some(parent) => references.iter().position(|reference| known(reference) == Some((trace_id, parent))),
        None => first(false).or_else(|| first(true)),
    };
    for (at, reference) in references.iter().enumerate() {
        if let (Some((trace, span)), true) = (known(reference), Some(at) != chosen) {
            out.link(trace, span, "", 0, 0);
            if !follows(reference) {
                out.link_value(REF_TYPE, &Value::from("child_of"));
            }
        }
    }
    stated.or_else(|| chosen.and_then(|at| known(&references[at])).map(|(_, span)| span))
}

#[cfg(test)]
mod tests;
