//! A trace as Jaeger's query service writes it, so that its UI, Grafana and scripts read ours.
//!
//! Mapping of the OpenTelemetry specification ("OpenTelemetry to Jaeger"): resource to process, events to logs with the
//! name under `event`, links to `FOLLOWS_FROM`, kind, status, scope and `tracestate` to tags. Times in microseconds, cut.
//! Goldens: `reference/doors.md` section 6.

use crate::model::{AttrsRef, EventRef, SpanKind, SpanRef, StatusCode, Trace, TraceId, Value, ValueRef};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::ser::{Serialize, SerializeMap as _, SerializeSeq as _, SerializeStruct as _, Serializer};
use std::collections::HashMap;

/// Integers beyond this are written as text, as Jaeger does for readers in JavaScript.
const SAFE_INTEGER: i64 = (1 << 53) - 1;

/// Writes `trace` as one element of `data`.
pub struct JaegerTrace<'a>(pub &'a Trace);

impl Serialize for JaegerTrace<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Equal resources that came in different requests are rows of their own in the batch, and one process here.
        let mut processes: Vec<u32> = Vec::new();
        let mut process_of: HashMap<u32, usize> = HashMap::new();
        let batch = &self.0.spans;
        for span in batch.iter() {
            process_of.entry(span.row.resource).or_insert_with(|| {
                let attrs = |index: u32| batch.resources[index as usize].attrs.range();
                let same = |known: &u32| batch.attrs[attrs(*known)] == batch.attrs[attrs(span.row.resource)];
                processes.iter().position(same).unwrap_or_else(|| {
                    processes.push(span.row.resource);
                    processes.len() - 1
                })
            });
        }
        let mut object = serializer.serialize_struct("trace", 4)?;
        object.serialize_field("traceID", &trace_id(self.0.id))?;
        object.serialize_field("spans", &Spans(self.0, &process_of))?;
        object.serialize_field("processes", &Processes(self.0, &processes))?;
        object.serialize_field("warnings", &None::<()>)?;
        object.end()
    }
}

/// 32 digits, or 16 when the high half is zero.
pub fn trace_id(id: TraceId) -> String {
    let text = id.to_string();
    if id.0[..8] == [0; 8] { text[16..].to_owned() } else { text }
}

struct Spans<'a>(&'a Trace, &'a HashMap<u32, usize>);

impl Serialize for Spans<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.spans.iter().map(|span| {
            let process = self.1.get(&span.row.resource).copied().unwrap_or(0);
            JaegerSpan(span, process)
        }))
    }
}

struct Processes<'a>(&'a Trace, &'a [u32]);

impl Serialize for Processes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.1.len()))?;
        for (number, resource) in self.1.iter().enumerate() {
            let resource = crate::model::batch::ResourceRef::of(&self.0.spans, *resource);
            map.serialize_entry(&process_id(number), &Process(resource.service(), resource.attrs()))?;
        }
        map.end()
    }
}

fn process_id(number: usize) -> String {
    format!("p{}", number + 1)
}

struct Process<'a>(&'a str, AttrsRef<'a>);

impl Serialize for Process<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("process", 2)?;
        object.serialize_field("serviceName", self.0)?;
        object.serialize_field("tags", &Tags { attrs: Some(self.1), skip: "service.name", more: &[] })?;
        object.end()
    }
}

struct JaegerSpan<'a>(SpanRef<'a>, usize);

impl Serialize for JaegerSpan<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let span = &self.0;
        let mut object = serializer.serialize_struct("span", 11)?;
        object.serialize_field("traceID", &trace_id(span.trace_id()))?;
        object.serialize_field("spanID", &span.span_id().to_string())?;
        if span.row.flags & 0xff != 0 {
            object.serialize_field("flags", &(span.row.flags & 0xff))?;
        }
        object.serialize_field("operationName", span.name())?;
        object.serialize_field("references", &References(*span))?;
        object.serialize_field("startTime", &span.start().0.div_euclid(1_000))?;
        object.serialize_field("duration", &(span.duration().0 / 1_000))?;
        object.serialize_field("tags", &Tags { attrs: Some(span.attrs()), skip: "", more: &derived_tags(*span) })?;
        object.serialize_field("logs", &Logs(*span))?;
        object.serialize_field("processID", &process_id(self.1))?;
        let unfinished = span.end().is_none().then_some(["the span has not ended"]);
        object.serialize_field("warnings", &unfinished)?;
        object.end()
    }
}

/// What OTLP keeps in fields and Jaeger in tags. Attributes of the same key win.
fn derived_tags<'a>(span: SpanRef<'a>) -> Vec<(&'a str, ValueRef<'a>)> {
    let mut tags = Vec::new();
    let mut add = |key: &'a str, value: ValueRef<'a>| {
        if span.attr(key).is_none() {
            tags.push((key, value));
        }
    };
    if span.kind() != SpanKind::Unspecified {
        add("span.kind", ValueRef::Str(span.kind().word()));
    }
    match span.status() {
        StatusCode::Unset => {}
        StatusCode::Ok => add("otel.status_code", ValueRef::Str("OK")),
        StatusCode::Error => {
            add("otel.status_code", ValueRef::Str("ERROR"));
            add("error", ValueRef::Bool(true));
        }
    }
    let texts = [
        ("otel.status_description", span.status_message()),
        ("otel.scope.name", span.scope().name()),
        ("otel.scope.version", span.scope().version()),
        ("w3c.tracestate", span.trace_state()),
    ];
    for (key, text) in texts {
        if !text.is_empty() {
            add(key, ValueRef::Str(text));
        }
    }
    tags
}

struct References<'a>(SpanRef<'a>);

impl Serialize for References<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let span = &self.0;
        let mut list = serializer.serialize_seq(None)?;
        if let Some(parent) = span.parent() {
            let id = parent.to_string();
            list.serialize_element(&Reference { kind: "CHILD_OF", trace: trace_id(span.trace_id()), span: id })?;
        }
        for link in span.links() {
            let (trace, span) = (trace_id(link.row.trace_id), link.row.span_id.to_string());
            list.serialize_element(&Reference { kind: "FOLLOWS_FROM", trace, span })?;
        }
        list.end()
    }
}

#[derive(serde::Serialize)]
struct Reference {
    #[serde(rename = "refType")]
    kind: &'static str,
    #[serde(rename = "traceID")]
    trace: String,
    #[serde(rename = "spanID")]
    span: String,
}

struct Logs<'a>(SpanRef<'a>);

impl Serialize for Logs<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.events().map(Log))
    }
}

struct Log<'a>(EventRef<'a>);

impl Serialize for Log<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let event = &self.0;
        let mut object = serializer.serialize_struct("log", 2)?;
        object.serialize_field("timestamp", &event.time().0.div_euclid(1_000))?;
        let name = [("event", ValueRef::Str(event.name()))];
        let named = event.attrs().get("event").is_none() && !event.name().is_empty();
        let more = if named { &name[..] } else { &[] };
        object.serialize_field("fields", &Tags { attrs: Some(event.attrs()), skip: "", more })?;
        object.end()
    }
}

struct Tags<'a> {
    attrs: Option<AttrsRef<'a>>,
    skip: &'static str,
    more: &'a [(&'a str, ValueRef<'a>)],
}

impl Serialize for Tags<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let attrs = self.attrs.iter().flat_map(AttrsRef::iter).filter(|(key, _)| *key != self.skip);
        let more = self.more.iter().copied();
        serializer.collect_seq(attrs.chain(more).map(|(key, value)| Tag(key, value)))
    }
}

struct Tag<'a>(&'a str, ValueRef<'a>);

impl Serialize for Tag<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("tag", 3)?;
        object.serialize_field("key", self.0)?;
        match self.1 {
            ValueRef::Str(text) => {
                object.serialize_field("type", "string")?;
                object.serialize_field("value", text)?;
            }
            ValueRef::Bool(value) => {
                object.serialize_field("type", "bool")?;
                object.serialize_field("value", &value)?;
            }
            ValueRef::Int(number) => {
                object.serialize_field("type", "int64")?;
                if number.abs_diff(0) > SAFE_INTEGER.unsigned_abs() {
                    object.serialize_field("value", &number.to_string())?;
                } else {
                    object.serialize_field("value", &number)?;
                }
            }
            ValueRef::Double(number) => {
                object.serialize_field("type", "float64")?;
                if number.is_finite() {
                    object.serialize_field("value", &number)?;
                } else {
                    object.serialize_field("value", &number.to_string())?;
                }
            }
            ValueRef::Bytes(bytes) => {
                object.serialize_field("type", "binary")?;
                object.serialize_field("value", &STANDARD.encode(bytes))?;
            }
            ValueRef::Empty => {
                object.serialize_field("type", "string")?;
                object.serialize_field("value", "")?;
            }
            nested @ ValueRef::Nested(_) => {
                object.serialize_field("type", "string")?;
                object.serialize_field("value", &json_of(&nested.to_value()).to_string())?;
            }
        }
        object.end()
    }
}

/// Arrays and maps as the JSON text that the specification asks for.
fn json_of(value: &Value) -> serde_json::Value {
    match value {
        Value::Empty => serde_json::Value::Null,
        Value::Str(text) => text.as_str().into(),
        Value::Bool(value) => (*value).into(),
        Value::Int(number) => (*number).into(),
        Value::Double(number) => (*number).into(),
        Value::Bytes(bytes) => STANDARD.encode(bytes).into(),
        Value::Array(values) => values.iter().map(json_of).collect(),
        Value::Map(entries) => entries.iter().map(|(key, value)| (key.to_string(), json_of(value))).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Attributes, Event, Link, Resource, Scope, Span, SpanBatch, SpanId, Status, UnixNanos};
    use serde_json::json;
    use std::sync::Arc;

    fn written(spans: &[Span]) -> serde_json::Value {
        let trace = Trace::new(spans[0].trace_id, Arc::new(SpanBatch::from_spans(spans)));
        serde_json::to_value(JaegerTrace(&trace)).unwrap()
    }

    fn small() -> Span {
        Span {
            trace_id: TraceId::from_halves(0, 1),
            span_id: SpanId::from(2),
            name: "b".into(),
            start: UnixNanos(10_000),
            end: Some(UnixNanos(15_000)),
            attributes: [("error", true)].into_iter().collect(),
            resource: Arc::new(Resource::service("a")),
            ..Span::default()
        }
    }

    #[test]
    fn the_golden_trace_is_written_byte_for_byte() {
        let golden = r#"{"traceID":"0000000000000001","spans":[{"traceID":"0000000000000001","spanID":"0000000000000002","operationName":"b","references":[],"startTime":10,"duration":5,"tags":[{"key":"error","type":"bool","value":true}],"logs":[],"processID":"p1","warnings":null}],"processes":{"p1":{"serviceName":"a","tags":[]}},"warnings":null}"#;
        let trace = Trace::new(TraceId::from_halves(0, 1), Arc::new(SpanBatch::from_spans(&[small()])));
        assert_eq!(serde_json::to_string(&JaegerTrace(&trace)).unwrap(), golden);
    }

    #[test]
    fn every_type_of_value_has_its_tag() {
        let mut attributes = Attributes::default();
        attributes.push("small", 7_i64);
        attributes.push("large", 1_i64 << 60);
        attributes.push("least", i64::MIN);
        attributes.push("ratio", 0.5);
        attributes.push("nan", f64::NAN);
        attributes.push("raw", Value::Bytes(Arc::from([1_u8, 2].as_slice())));
        attributes.push("list", Value::Array(Arc::from([Value::from("x"), Value::Int(1)])));
        attributes.push("none", Value::Empty);
        let tags = &written(&[Span { attributes, ..small() }])["spans"][0]["tags"];
        let expected = json!([
            {"key": "small", "type": "int64", "value": 7},
            {"key": "large", "type": "int64", "value": "1152921504606846976"},
            {"key": "least", "type": "int64", "value": "-9223372036854775808"},
            {"key": "ratio", "type": "float64", "value": 0.5},
            {"key": "nan", "type": "float64", "value": "NaN"},
            {"key": "raw", "type": "binary", "value": "AQI="},
            {"key": "list", "type": "string", "value": "[\"x\",1]"},
            {"key": "none", "type": "string", "value": ""},
        ]);
        assert_eq!(tags, &expected);
    }

    #[test]
    fn fields_of_otlp_become_tags_references_and_logs() {
        let span = Span {
            trace_id: TraceId([0xab; 16]),
            parent: Some(SpanId::from(1)),
            kind: SpanKind::Server,
            status: Status { code: StatusCode::Error, message: "boom".into() },
            attributes: Attributes::default(),
            scope: Arc::new(Scope { name: "lib".into(), ..Scope::default() }),
            trace_state: "a=1".into(),
            events: vec![Event { time: UnixNanos(11_999), name: "exception".into(), ..Event::default() }],
            links: vec![Link { trace_id: TraceId([9; 16]), span_id: SpanId::from(8), ..Link::default() }],
            end: None,
            ..small()
        };
        let trace = written(&[span]);
        let span = &trace["spans"][0];
        let keys: Vec<_> = span["tags"].as_array().unwrap().iter().map(|tag| tag["key"].as_str().unwrap()).collect();
        let expected =
            ["span.kind", "otel.status_code", "error", "otel.status_description", "otel.scope.name", "w3c.tracestate"];
        assert_eq!(keys, expected);
        assert_eq!(span["references"][0]["refType"], "CHILD_OF");
        assert_eq!(
            span["references"][1],
            json!({"refType": "FOLLOWS_FROM", "traceID": "09".repeat(16), "spanID": "0000000000000008"})
        );
        assert_eq!(
            span["logs"],
            json!([{"timestamp": 11, "fields": [{"key": "event", "type": "string", "value": "exception"}]}])
        );
        assert_eq!(span["traceID"], "ab".repeat(16));
        assert_eq!(span["warnings"], json!(["the span has not ended"]));
    }

    #[test]
    fn equal_resources_are_one_process() {
        let other = Span { span_id: SpanId::from(3), resource: Arc::new(Resource::service("z")), ..small() };
        let again = Span { span_id: SpanId::from(4), resource: Arc::new(Resource::service("a")), ..small() };
        let trace = written(&[small(), other, again]);
        assert_eq!(trace["processes"].as_object().unwrap().len(), 2);
        assert_eq!(trace["spans"][2]["processID"], "p1");
        assert_eq!(trace["processes"]["p2"]["serviceName"], "z");
    }
}
