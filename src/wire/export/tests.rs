//! Round trips: a trace written in a format and read again has what that format can hold.

use super::*;
use crate::model::{
    Attributes, Event, Link, Resource, Scope, Span, SpanBatch, SpanId, SpanKind, Status, StatusCode, TraceId, UnixNanos, Value,
};
use crate::wire::format::Format;
use crate::wire::open;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

const TRACE: TraceId = TraceId([0x5b, 8, 0xef, 0xf7, 0x98, 3, 0x81, 3, 0xd2, 0x69, 0xb6, 0x33, 0x81, 0x3f, 0xc6, 0x0c]);
/// 2025, so that times need all their digits.
const BASE: i64 = 1_761_142_297_204_000_000;

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z]{0,8}",
        "[ -~]{1,12}",
        "\\PC{1,6}",
        Just("a|b".to_owned()),
        Just("\"q\\".to_owned()),
        Just("x|{".to_owned())
    ]
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        text().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        Just(Value::Double(3.0)),
        Just(Value::Empty),
        proptest::collection::vec(any::<u8>(), 0..6).prop_map(|bytes| Value::Bytes(bytes.into())),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    scalar().prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(|items| Value::Array(items.into())),
            proptest::collection::btree_map("[a-z]{1,4}", inner, 0..3)
                .prop_map(|entries| { Value::Map(entries.into_iter().map(|(key, value)| (key.into(), value)).collect()) }),
        ]
    })
}

/// Keys that no format has another meaning for, in the order of a map.
fn attributes() -> impl Strategy<Value = Attributes> {
    proptest::collection::btree_map("k[a-z.]{0,6}", value(), 0..4).prop_map(|entries| entries.into_iter().collect())
}

fn kind() -> impl Strategy<Value = SpanKind> {
    (0_u64..6).prop_map(SpanKind::from_number)
}

fn event() -> impl Strategy<Value = Event> {
    (text(), 0..2_000_000_000_i64, attributes(), 0_u32..3).prop_map(|(name, time, attributes, dropped_attributes)| Event {
        time: UnixNanos(BASE + time),
        name: name.into(),
        attributes,
        dropped_attributes,
    })
}

fn link() -> impl Strategy<Value = Link> {
    (1_u64.., 1_u64.., "[a-z=]{0,6}", 0_u32..2, attributes(), 0_u32..3).prop_map(
        |(trace, span, state, flags, attributes, dropped_attributes)| Link {
            trace_id: TraceId::from_halves(7, trace),
            span_id: span.into(),
            trace_state: state.into(),
            flags,
            attributes,
            dropped_attributes,
        },
    )
}

prop_compose! {
    fn span(id: u64)(
        (parent, name, kind, start, length) in (0_u64..9, text(), kind(), 0..1_000_000_000_i64, proptest::option::of(0..1_000_000_000_i64)),
        (attributes, events, links) in (attributes(), proptest::collection::vec(event(), 0..3), proptest::collection::vec(link(), 0..2)),
        (status, message, state, flags) in (0_u64..3, text(), "[a-z=]{0,6}", 0_u32..2),
        (dropped, service, scope) in ([0_u32..3, 0..3, 0..3], 0_usize..3, 0_usize..2),
    ) -> Span {
        let code = StatusCode::from_number(status);
        let services = ["", "cart", "größe"];
        let mut resource = Resource::default();
        if service > 0 {
            resource.attributes.push("service.name", services[service]);
            resource.attributes.push("host.name", "h");
            resource.attributes.push("process.pid", 7_i64);
        }
        Span {
            trace_id: TRACE,
            span_id: id.into(),
            // Some parents are missing; nobody is their own.
            parent: SpanId::from(if parent == id { 0 } else { parent }).non_zero(),
            trace_state: state.into(),
            flags,
            name: name.into(),
            kind,
            start: UnixNanos(BASE + start),
            end: length.map(|length| UnixNanos(BASE + start + length)),
            attributes,
            dropped_attributes: dropped[0],
            events,
            dropped_events: dropped[1],
            links,
            dropped_links: dropped[2],
            status: Status { code, message: if code == StatusCode::Error { message.into() } else { "".into() } },
            resource: Arc::new(resource),
            scope: Arc::new(Scope { name: ["", "lib"][scope].into(), version: ["", "1.0"][scope].into(), ..Scope::default() }),
        }
    }
}

fn spans() -> impl Strategy<Value = Vec<Span>> {
    (span(1), span(2), span(3), span(4), 1_usize..5).prop_map(|(a, b, c, d, count)| {
        let mut spans = vec![a, b, c, d];
        spans.truncate(count);
        spans
    })
}

/// Writes, reads again and answers the spans by id, in a form that compares doubles by their text.
fn again(spans: &[Span], format: Format, write: fn(&Trace) -> String) -> BTreeMap<SpanId, String> {
    let trace = Trace::new(TRACE, Arc::new(SpanBatch::from_spans(spans)));
    let written = write(&trace);
    let opened = open::read(written.as_bytes(), "again").unwrap_or_else(|error| panic!("{error}\n{written}"));
    assert_eq!((opened.format, opened.rejected), (format, 0), "{:?}\n{written}", opened.problems);
    by_id(&opened.batch.to_spans())
}

fn by_id(spans: &[Span]) -> BTreeMap<SpanId, String> {
    spans.iter().map(|span| (span.span_id, format!("{span:#?}"))).collect()
}

fn micros(time: UnixNanos) -> UnixNanos {
    UnixNanos(time.0.div_euclid(1_000) * 1_000)
}

/// Start to the microsecond and length cut to it, at least `least` microseconds.
fn to_micros(span: &mut Span, least: i64) {
    let length = span.end.map(|end| (end.0 - span.start.0).div_euclid(1_000).max(least) * 1_000);
    span.start = micros(span.start);
    span.end = length.map(|length| UnixNanos(span.start.0 + length));
    span.events.iter_mut().for_each(|event| event.time = micros(event.time));
}

fn map_values(attributes: &mut Attributes, change: &dyn Fn(&Value) -> Value) {
    attributes.0.iter_mut().for_each(|(_, value)| *value = change(value));
}

/// A value through JSON: what JSON has no form for becomes text.
fn through_json(value: &Value) -> Value {
    match value {
        Value::Bytes(_) => Value::from(as_text_of(value)),
        Value::Double(number) if !number.is_finite() => Value::from(number.to_string()),
        Value::Array(items) => Value::Array(items.iter().map(through_json).collect()),
        Value::Map(entries) => Value::Map(entries.iter().map(|(key, value)| (key.clone(), through_json(value))).collect()),
        other => other.clone(),
    }
}

/// A value as a Zipkin tag.
fn as_tag(value: &Value) -> Value {
    Value::from(as_text_of(value))
}

/// A value as a Jaeger tag: plain ones keep their type.
fn as_jaeger(value: &Value) -> Value {
    match value {
        Value::Array(_) | Value::Map(_) | Value::Empty => as_tag(value),
        other => other.clone(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn otlp_json_keeps_everything(mut spans in spans()) {
        // OTLP has no word for a span in flight; the collector's convention of an end of zero is its own codec's test.
        spans.iter_mut().for_each(|span| span.end = span.end.or(Some(span.start)));
        prop_assert_eq!(again(&spans, Format::OtlpJson, otlp_json), by_id(&spans));
    }

    #[test]
    fn jaeger_keeps_what_it_can_hold(spans in spans()) {
        let mut expected = spans.clone();
        for span in &mut expected {
            to_micros(span, 0);
            span.resource = Arc::new(jaeger_resource(&span.resource));
            map_values(&mut span.attributes, &as_jaeger);
            span.events.iter_mut().for_each(|event| map_values(&mut event.attributes, &as_jaeger));
            for link in &mut span.links {
                *link = Link { trace_id: link.trace_id, span_id: link.span_id, ..Link::default() };
            }
        }
        prop_assert_eq!(again(&spans, Format::Jaeger, jaeger), by_id(&expected));
    }

    #[test]
    fn zipkin_keeps_what_it_can_hold(spans in spans()) {
        let mut expected = spans.clone();
        for span in &mut expected {
            to_micros(span, 1);
            span.flags = 0;
            span.kind = if span.kind == SpanKind::Unspecified { SpanKind::Internal } else { span.kind };
            if span.status.message == "true" {
                span.status.message = "".into();
            }
            let service = span.resource.attributes.text("service.name").unwrap_or_default().to_owned();
            span.resource = Arc::new(if service.is_empty() { Resource::default() } else { Resource::service(&service) });
            map_values(&mut span.attributes, &as_tag);
            for event in &mut span.events {
                map_values(&mut event.attributes, &through_json);
                if event.name.starts_with('"') || event.name.contains("|{") {
                    event.dropped_attributes = 0;
                }
            }
            for link in &mut span.links {
                map_values(&mut link.attributes, &through_json);
                link.flags = 0;
            }
        }
        prop_assert_eq!(again(&spans, Format::ZipkinV2, zipkin), by_id(&expected));
    }

    #[test]
    fn chrome_keeps_what_it_can_hold(spans in spans()) {
        let mut expected = spans.clone();
        for span in &mut expected {
            map_values(&mut span.attributes, &through_json);
            span.events.iter_mut().for_each(|event| map_values(&mut event.attributes, &through_json));
            // Instants stand by themselves in the file and come back in the order of time.
            span.links.iter_mut().for_each(|link| map_values(&mut link.attributes, &through_json));
        }
        prop_assert_eq!(again(&spans, Format::Chrome, chrome), by_id(&expected));
    }
}

/// The service is a member of its own; without a name Jaeger needs one all the same.
fn jaeger_resource(resource: &Resource) -> Resource {
    let mut attributes = Attributes::default();
    attributes.push("service.name", resource.service_name());
    attributes.0.extend(resource.attributes.0.iter().filter(|(key, _)| key != "service.name").cloned());
    Resource { attributes, ..Resource::default() }
}

#[test]
fn halves_of_a_zipkin_span_go_back_under_their_id() {
    let text = r#"[{"traceId":"0000000000000001","id":"0000000000000002","parentId":"0000000000000001","kind":"CLIENT","name":"get","timestamp":10,"duration":9,"localEndpoint":{"serviceName":"a"}},
{"traceId":"0000000000000001","id":"0000000000000002","parentId":"0000000000000001","kind":"SERVER","name":"get","timestamp":12,"duration":5,"localEndpoint":{"serviceName":"b"},"shared":true},
{"traceId":"0000000000000001","id":"0000000000000003","parentId":"0000000000000002","name":"work","timestamp":13,"duration":2,"localEndpoint":{"serviceName":"b"}}]"#;
    let first = open::read(text.as_bytes(), "").unwrap();
    let written = zipkin(&Trace::new(TraceId::from_halves(0, 1), Arc::new(first.batch.clone())));
    let records: Vec<serde_json::Value> = serde_json::from_str(&written).unwrap();
    let field = |at: usize, key: &str| records[at][key].as_str().unwrap_or_default().to_owned();
    assert_eq!((field(0, "id"), field(1, "id")), ("0000000000000002".into(), "0000000000000002".into()));
    assert_eq!((field(1, "parentId"), field(2, "parentId")), ("0000000000000001".into(), "0000000000000002".into()));
    assert_eq!(records[1]["shared"], serde_json::Value::Bool(true));
    assert_eq!(open::read(written.as_bytes(), "").unwrap().batch.to_spans(), first.batch.to_spans());
}

/// `sample-data/` holds one trace in four forms; with `BELVEDERE_WRITE_SAMPLES=1` the three others are written anew.
#[test]
fn the_sample_files_tell_the_same_trace_in_four_forms() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("sample-data");
    let file = |name: &str| std::fs::read(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    let original = open::read(&file("slow-checkout.otlp.json"), "").unwrap();
    let trace = Trace::new(original.batch.span(0).trace_id(), Arc::new(original.batch));
    type Write = fn(&Trace) -> String;
    let forms: [(&str, Write, Format); 3] = [
        ("slow-checkout.jaeger.json", jaeger, Format::Jaeger),
        ("slow-checkout.zipkin.json", zipkin, Format::ZipkinV2),
        ("slow-checkout.chrome.json", chrome, Format::Chrome),
    ];
    for (name, write, format) in forms {
        if std::env::var_os("BELVEDERE_WRITE_SAMPLES").is_some() {
            std::fs::write(folder.join(name), write(&trace)).unwrap();
        }
        assert_eq!(String::from_utf8(file(name)).unwrap(), write(&trace), "{name} is what the export writes");
        let opened = open::read(&file(name), "").unwrap();
        assert_eq!((opened.format, opened.batch.len(), opened.rejected), (format, trace.len(), 0));
        let tree = |batch: &SpanBatch| -> BTreeMap<SpanId, (Option<SpanId>, String, String, bool, UnixNanos)> {
            let of = |span: crate::model::SpanRef<'_>| {
                (span.parent(), span.name().to_owned(), span.service().to_owned(), span.is_error(), span.start())
            };
            batch.iter().map(|span| (span.span_id(), of(span))).collect()
        };
        assert_eq!(tree(&opened.batch), tree(&trace.spans), "{name}");
    }
    let two = open::read(&file("two-checkouts.otlp.jsonl"), "").unwrap();
    assert_eq!((two.format, two.batch.len()), (Format::OtlpJsonLines, 22 + trace.len()));
}
