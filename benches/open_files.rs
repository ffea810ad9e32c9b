//! How long files take to open: traces of 100,000 spans in the forms that people send each other.
//!
//! `cargo bench --no-default-features --features headless --bench open_files`. With `SPANS=1000000` larger ones.

use belvedere::model::{Attributes, Event, Resource, Span, SpanBatch, SpanId, SpanKind, Trace, TraceId, UnixNanos, Value};
use belvedere::wire::{export, open, otlp};
use criterion::{Criterion, Throughput, criterion_main};
use std::sync::Arc;

const BASE: i64 = 1_761_142_297_204_000_000;

/// A trace of the usual kind: twelve services, ten attributes a span, some of high cardinality, an event on every tenth.
fn trace(spans: u64) -> Trace {
    let services: Vec<Arc<Resource>> = (0..12).map(|at| Arc::new(Resource::service(&format!("service-{at}")))).collect();
    let id = TraceId([7; 16]);
    let span = |at: u64| {
        let mut attributes = Attributes::default();
        attributes.push("http.request.method", ["GET", "POST"][at as usize % 2]);
        attributes.push("http.route", format!("/api/v1/things/{}", at % 40));
        attributes.push("url.full", format!("http://service-{}:8080/api/v1/things/{at}?page=2", at % 12));
        attributes.push("http.response.status_code", 200_i64 + (at % 3) as i64);
        attributes.push("server.address", format!("10.0.0.{}", at % 12));
        attributes.push("server.port", 8080_i64);
        attributes.push("db.query.text", "SELECT id, name FROM things WHERE id = $1");
        attributes.push("request.id", format!("{:016x}", at.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        attributes.push("cached", at.is_multiple_of(2));
        attributes.push("share", at as f64 / 7.0);
        let start = BASE + at as i64 * 1_000;
        let event = Event {
            time: UnixNanos(start + 500),
            name: "retry".into(),
            attributes: [("attempt", Value::Int(2))].into_iter().collect(),
            dropped_attributes: 0,
        };
        Span {
            trace_id: id,
            span_id: (at + 1).into(),
            // Every span has up to eight children.
            parent: SpanId::from(at.div_ceil(8)).non_zero().filter(|_| at > 0),
            name: format!("GET /api/v1/things/{}", at % 40).into(),
            kind: SpanKind::from_number(at % 5 + 1),
            start: UnixNanos(start),
            end: Some(UnixNanos(start + 900_000)),
            attributes,
            events: if at.is_multiple_of(10) { vec![event] } else { Vec::new() },
            resource: services[(at % 12) as usize].clone(),
            ..Span::default()
        }
    };
    Trace::new(id, Arc::new(SpanBatch::from_spans(&(0..spans).map(span).collect::<Vec<_>>())))
}

fn files(criterion: &mut Criterion) {
    let spans = std::env::var("SPANS").ok().and_then(|spans| spans.parse().ok()).unwrap_or(100_000);
    let trace = trace(spans);
    let mut group = criterion.benchmark_group(format!("open_{spans}_spans"));
    group.sample_size(10).throughput(Throughput::Elements(spans));
    let forms: [(&str, Vec<u8>); 5] = [
        ("otlp-json", export::otlp_json(&trace).into_bytes()),
        ("otlp-proto", otlp::encode_traces(&trace.spans)),
        ("jaeger", export::jaeger(&trace).into_bytes()),
        ("zipkin-v2", export::zipkin(&trace).into_bytes()),
        ("chrome", export::chrome(&trace).into_bytes()),
    ];
    for (name, bytes) in &forms {
        println!("{name}: {} MB", bytes.len() / 1_000_000);
        group.bench_function(*name, |bencher| {
            bencher.iter(|| {
                let opened = open::read(bytes, name);
                assert!(opened.as_ref().is_ok_and(|opened| opened.batch.len() as u64 == spans));
                opened
            });
        });
    }
    group.finish();
}

criterion_main!(benches);

fn benches() {
    files(&mut Criterion::default().configure_from_args());
}
