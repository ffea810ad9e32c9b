//! Jaeger JSON. Lost: nanoseconds below a microsecond, nested values (they become JSON texts), schema URLs, attributes of
//! scopes and links, the trace state of links, W3C flags beyond "sampled", the difference between kinds unset and absent.

use super::super::jaeger::{DROPPED, IN_FLIGHT, NOT_ENDED, REF_TYPE};
use super::{as_text, push_record};
use crate::model::batch::ResourceRef;
use crate::model::{AttrsRef, SpanKind, SpanRef, StatusCode, Trace, TraceId, ValueRef};
use base64::Engine as _;
use serde::Serialize;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SpanOut<'a> {
    #[serde(rename = "traceID")]
    trace_id: &'a str,
    #[serde(rename = "spanID")]
    span_id: String,
    #[serde(skip_serializing_if = "is_zero")]
    flags: u32,
    operation_name: &'a str,
    references: Vec<Reference>,
    start_time: i64,
    duration: i64,
    tags: Vec<Tag<'a>>,
    logs: Vec<Log<'a>>,
    #[serde(rename = "processID")]
    process_id: String,
    warnings: Option<[&'static str; 1]>,
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

fn is_zero(flags: &u32) -> bool {
    *flags == 0
}

/// The trace as Jaeger's UI downloads it.
pub fn jaeger(trace: &Trace) -> String {
    jaeger_list([trace])
}

/// Traces as Jaeger's query API answers them.
pub fn jaeger_list<'a>(traces: impl IntoIterator<Item = &'a Trace>) -> String {
    let mut out = String::from("{\"data\":[");
    for (number, trace) in traces.into_iter().enumerate() {
        if number > 0 {
            out.push(',');
        }
        push_trace(&mut out, trace);
    }
    out.push_str("],\"total\":0,\"limit\":0,\"offset\":0,\"errors\":null}");
    out
}

fn push_trace(out: &mut String, trace: &Trace) {
    let id = short_id(trace.id);
    let processes = Processes::of(trace);
    out.push_str(&format!("{{\"traceID\":\"{id}\",\"spans\":["));
    for span in trace.spans.iter() {
        push_record(out, &span_out(&id, &span, processes.id_of(span.row.resource)));
    }
    out.push_str("],\"processes\":{");
    for (number, resource) in processes.resources.iter().enumerate() {
        let resource = ResourceRef::of(&trace.spans, *resource);
        let mut tags = Tag::list(resource.attrs());
        tags.retain(|tag| tag.key != "service.name");
        let process = Process { service_name: resource.service(), tags };
        let text = serde_json::to_string(&process).unwrap_or_else(|_| "{}".to_owned());
        out.push_str(if number > 0 { "," } else { "" });
        out.push_str(&format!("\"{}\":{text}", process_id(number)));
    }
    out.push_str("},\"warnings\":null}");
}

/// 32 digits, or 16 when the high half is zero, as Jaeger has it.
fn short_id(id: TraceId) -> String {
    let mut text = id.to_string();
    if id.0[..8] == [0; 8] {
        text.drain(..16);
    }
    text
}

/// Resources as processes. Equal ones that came in different requests are rows of their own in a batch, and one process.
struct Processes {
    /// A row of each process.
    resources: Vec<u32>,
    /// Process by row.
    of_row: Vec<usize>,
}

impl Processes {
    fn of(trace: &Trace) -> Self {
        let mut processes = Self { resources: Vec::new(), of_row: Vec::new() };
        let batch = &trace.spans;
        for row in 0..batch.resources.len() as u32 {
            let attrs = |row: u32| &batch.attrs[batch.resources[row as usize].attrs.range()];
            let known = processes.resources.iter().position(|known| attrs(*known) == attrs(row));
            processes.of_row.push(known.unwrap_or_else(|| {
                processes.resources.push(row);
                processes.resources.len() - 1
            }));
        }
        processes
    }

    fn id_of(&self, row: u32) -> String {
        process_id(self.of_row.get(row as usize).copied().unwrap_or(0))
    }
}

fn process_id(number: usize) -> String {
    format!("p{}", number + 1)
}

fn span_out<'a>(trace_id: &'a str, span: &SpanRef<'a>, process_id: String) -> SpanOut<'a> {
    let reference = |kind, trace_id: &str, span_id: String| Reference { kind, trace_id: trace_id.to_owned(), span_id };
    let parent = span.parent().map(|parent| reference("CHILD_OF", trace_id, parent.to_string()));
    let links = span.links().map(|link| {
        let child = link.attrs().get(REF_TYPE).and_then(ValueRef::as_str) == Some("child_of");
        let kind = if child { "CHILD_OF" } else { "FOLLOWS_FROM" };
        reference(kind, &short_id(link.row.trace_id), link.row.span_id.to_string())
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
        process_id,
        warnings: span.end().is_none().then_some([NOT_ENDED]),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Attributes, Event, Link, Resource, Scope, Span, SpanBatch, SpanId, Status, UnixNanos, Value};
    use serde_json::json;
    use std::sync::Arc;

    fn written(spans: &[Span]) -> serde_json::Value {
        let trace = Trace::new(spans[0].trace_id, Arc::new(SpanBatch::from_spans(spans)));
        serde_json::from_str::<serde_json::Value>(&jaeger(&trace)).unwrap()["data"][0].take()
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
        let golden = r#"{"data":[{"traceID":"0000000000000001","spans":[{"traceID":"0000000000000001","spanID":"0000000000000002","operationName":"b","references":[],"startTime":10,"duration":5,"tags":[{"key":"error","type":"bool","value":true}],"logs":[],"processID":"p1","warnings":null}],"processes":{"p1":{"serviceName":"a","tags":[]}},"warnings":null}],"total":0,"limit":0,"offset":0,"errors":null}"#;
        let trace = Trace::new(TraceId::from_halves(0, 1), Arc::new(SpanBatch::from_spans(&[small()])));
        assert_eq!(jaeger(&trace), golden);
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
        let expected = [
            "span.kind",
            "error",
            "otel.status_code",
            "otel.status_description",
            "otel.scope.name",
            "w3c.tracestate",
            "belvedere.in_flight",
        ];
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
