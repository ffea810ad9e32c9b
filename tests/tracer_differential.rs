//! The same program of span operations through our tracer and through the official SDK exports the same spans.
//!
//! Left out on purpose, where the official SDK (0.33) differs from the specification: it keeps both values of a key that
//! is set twice, and takes the second of two error descriptions only when it sorts behind the first. Propagation faults of
//! the official SDK are listed in `docs/compliance.md`.

use belvedere::context::{SpanContext, TraceFlags};
use belvedere::model::{self, Attributes, Resource, SpanId, SpanKind, StatusCode, TraceId, UnixNanos, Value};
use belvedere::tracer::{InMemory, Provider, SpanLimits};
use opentelemetry::trace::{self as official, Span as _, SpanBuilder, TraceContextExt as _, Tracer as _, TracerProvider as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanExporter};
use proptest::prelude::*;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

/// Small, so that programs run into them.
const LIMITS: SpanLimits =
    SpanLimits { attributes: 5, value_length: None, events: 3, links: 2, event_attributes: 2, link_attributes: 1 };

/// One operation on an open span.
#[derive(Clone, Debug)]
enum Op {
    Set(i64),
    Event { name: u8, at: u32, attributes: u8 },
    Link { id: u8, attributes: u8 },
    Status(u8),
    Rename(u8),
    End { at: u32 },
}

/// A span: what it starts with, and what is done to it.
#[derive(Clone, Debug)]
struct Program {
    kind: u8,
    start: u32,
    remote_parent: Option<u8>,
    attributes: u8,
    ops: Vec<Op>,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => any::<i64>().prop_map(Op::Set),
        3 => (0..4_u8, any::<u32>(), 0..4_u8).prop_map(|(name, at, attributes)| Op::Event { name, at, attributes }),
        2 => (1..9_u8, 0..3_u8).prop_map(|(id, attributes)| Op::Link { id, attributes }),
        2 => (0..3_u8).prop_map(Op::Status),
        1 => any::<u8>().prop_map(Op::Rename),
        1 => any::<u32>().prop_map(|at| Op::End { at }),
    ]
}

fn program() -> impl Strategy<Value = Program> {
    (0..5_u8, any::<u32>(), proptest::option::of(0..4_u8), 0..8_u8, proptest::collection::vec(op(), 0..24))
        .prop_map(|(kind, start, remote_parent, attributes, ops)| Program { kind, start, remote_parent, attributes, ops })
}

/// What an exported span says, ids aside, in one form for both.
#[derive(PartialEq, Debug)]
struct Told {
    name: String,
    kind: u8,
    times: (u128, u128),
    parent: Option<(u64, bool)>,
    flags: u8,
    attributes: Vec<(String, String)>,
    events: Vec<(String, u128, usize, u32)>,
    links: Vec<(u128, u64, usize, u32)>,
    dropped: (u32, u32, u32),
    status: String,
}

fn key(number: usize) -> String {
    format!("key.{number}")
}

fn ours(program: &Program) -> Vec<Told> {
    let exporter = InMemory::default();
    let processor = belvedere::tracer::Simple::new(exporter.clone());
    let provider = Provider::builder(Resource::service("x")).processor(processor).limits(LIMITS).build();
    let tracer = provider.tracer("lib", "1");
    let list = |count: u8| -> Attributes { (0..count).map(|n| (key(n.into()), i64::from(n))).collect() };
    let context =
        |id: u8, flags: u8| SpanContext::from_remote(TraceId([id; 16]), SpanId([id; 8]), TraceFlags::from_byte(flags));
    let parent = program.remote_parent.map(|flags| context(7, flags)).unwrap_or_default();
    let mut builder = tracer.span("start").kind(SpanKind::ALL[program.kind as usize + 1]).at(at(program.start));
    builder = builder.parent(&parent);
    for (name, value) in list(program.attributes).0 {
        builder = builder.set(name, value);
    }
    let mut span = builder.start();
    let mut next = 100;
    for op in &program.ops {
        match op {
            Op::Set(value) => {
                span.set(key(next), *value);
                next += 1;
            }
            Op::Event { name, at: time, attributes } => {
                span.event_at(format!("event {name}"), at(*time), list(*attributes));
            }
            Op::Link { id, attributes } => {
                span.link(&context(*id, 1), list(*attributes));
            }
            Op::Status(code) => {
                span.status([StatusCode::Unset, StatusCode::Ok, StatusCode::Error][*code as usize], "why");
            }
            Op::Rename(name) => {
                span.rename(format!("name {name}"));
            }
            Op::End { at: time } => span.end_at(at(*time)),
        }
    }
    span.end_at(at(u32::MAX));
    exporter.spans().iter().map(told_ours).collect()
}

fn at(nanos: u32) -> UnixNanos {
    UnixNanos(1_000_000_000 + i64::from(nanos))
}

fn told_ours(span: &model::Span) -> Told {
    let text = |value: &Value| value.to_string();
    Told {
        name: span.name.to_string(),
        kind: span.kind as u8,
        times: (span.start.0 as u128, span.end.unwrap().0 as u128),
        parent: span.parent.map(|parent| (parent.to_u64(), span.flags & 0x200 != 0)),
        flags: (span.flags & 1) as u8,
        attributes: span.attributes.iter().map(|(key, value)| (key.to_owned(), text(value))).collect(),
        events: span
            .events
            .iter()
            .map(|event| (event.name.to_string(), event.time.0 as u128, event.attributes.len(), event.dropped_attributes))
            .collect(),
        links: span
            .links
            .iter()
            .map(|link| {
                (u128::from_be_bytes(link.trace_id.0), link.span_id.to_u64(), link.attributes.len(), link.dropped_attributes)
            })
            .collect(),
        dropped: (span.dropped_attributes, span.dropped_events, span.dropped_links),
        status: format!("{} {}", span.status.code.word(), span.status.message),
    }
}

#[derive(Clone, Default, Debug)]
struct Kept(Arc<Mutex<Vec<SpanData>>>);

impl SpanExporter for Kept {
    async fn export(&self, batch: Vec<SpanData>) -> opentelemetry_sdk::error::OTelSdkResult {
        self.0.lock().unwrap().extend(batch);
        Ok(())
    }
}

fn system(nanos: u32) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_nanos(1_000_000_000 + u64::from(nanos))
}

fn theirs(program: &Program) -> Vec<Told> {
    let exporter = Kept::default();
    let provider = SdkTracerProvider::builder()
        .with_simple_exporter(exporter.clone())
        .with_max_attributes_per_span(LIMITS.attributes as u32)
        .with_max_events_per_span(LIMITS.events as u32)
        .with_max_links_per_span(LIMITS.links as u32)
        .with_max_attributes_per_event(LIMITS.event_attributes as u32)
        .with_max_attributes_per_link(LIMITS.link_attributes as u32)
        .build();
    let tracer = provider.tracer("lib");
    let list = |count: u8| -> Vec<KeyValue> { (0..count).map(|n| KeyValue::new(key(n.into()), i64::from(n))).collect() };
    let context = |id: u8, flags: u8| {
        official::SpanContext::new(
            official::TraceId::from_bytes([id; 16]),
            official::SpanId::from_bytes([id; 8]),
            official::TraceFlags::new(flags),
            true,
            official::TraceState::default(),
        )
    };
    let parent = program.remote_parent.map(|flags| context(7, flags));
    let parent = parent.map_or_else(Context::new, |parent| Context::new().with_remote_span_context(parent));
    let kinds = [
        official::SpanKind::Internal,
        official::SpanKind::Server,
        official::SpanKind::Client,
        official::SpanKind::Producer,
        official::SpanKind::Consumer,
    ];
    let builder = SpanBuilder::from_name("start")
        .with_kind(kinds[program.kind as usize].clone())
        .with_start_time(system(program.start))
        .with_attributes(list(program.attributes));
    let mut span = tracer.build_with_context(builder, &parent);
    let mut next = 100;
    for op in &program.ops {
        match op {
            Op::Set(value) => {
                span.set_attribute(KeyValue::new(key(next), *value));
                next += 1;
            }
            Op::Event { name, at, attributes } => {
                span.add_event_with_timestamp(format!("event {name}"), system(*at), list(*attributes));
            }
            Op::Link { id, attributes } => span.add_link(context(*id, 1), list(*attributes)),
            Op::Status(code) => span.set_status(match code {
                0 => official::Status::Unset,
                1 => official::Status::Ok,
                _ => official::Status::error("why"),
            }),
            Op::Rename(name) => span.update_name(format!("name {name}")),
            Op::End { at } => span.end_with_timestamp(system(*at)),
        }
    }
    span.end_with_timestamp(system(u32::MAX));
    let spans = exporter.0.lock().unwrap();
    spans.iter().map(told_theirs).collect()
}

fn told_theirs(span: &SpanData) -> Told {
    let nanos = |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos();
    let id = |id: official::SpanId| u64::from_be_bytes(id.to_bytes());
    let has_parent = span.parent_span_id != official::SpanId::INVALID;
    Told {
        name: span.name.to_string(),
        kind: match span.span_kind {
            official::SpanKind::Internal => 1,
            official::SpanKind::Server => 2,
            official::SpanKind::Client => 3,
            official::SpanKind::Producer => 4,
            official::SpanKind::Consumer => 5,
        },
        times: (nanos(span.start_time), nanos(span.end_time)),
        parent: has_parent.then(|| (id(span.parent_span_id), span.parent_span_is_remote)),
        flags: span.span_context.trace_flags().to_u8() & 1,
        attributes: span.attributes.iter().map(|pair| (pair.key.to_string(), pair.value.to_string())).collect(),
        events: span
            .events
            .iter()
            .map(|event| {
                (event.name.to_string(), nanos(event.timestamp), event.attributes.len(), event.dropped_attributes_count)
            })
            .collect(),
        links: span
            .links
            .iter()
            .map(|link| {
                let trace = u128::from_be_bytes(link.span_context.trace_id().to_bytes());
                (trace, id(link.span_context.span_id()), link.attributes.len(), link.dropped_attributes_count)
            })
            .collect(),
        dropped: (span.dropped_attributes_count, span.events.dropped_count, span.links.dropped_count),
        status: match &span.status {
            official::Status::Unset => "unset ".to_owned(),
            official::Status::Ok => "ok ".to_owned(),
            official::Status::Error { description } => format!("error {description}"),
        },
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_same_program_exports_the_same_spans(program in program()) {
        prop_assert_eq!(ours(&program), theirs(&program));
    }
}
