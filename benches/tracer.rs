//! The cost of a span and of a propagated context, beside the official SDK on the same work in the same run.
//!
//! `cargo bench --no-default-features --features headless --bench tracer`. Dapper's numbers for scale (2010): a root span
//! 204 ns, another span 176 ns, an annotation 9 ns unsampled and 40 ns sampled.

#![allow(clippy::unwrap_used, missing_docs)]

use belvedere::context::{Extract, Inject, Problems, SpanContext, TraceFlags, w3c};
use belvedere::model::{Attributes, Resource, Span, SpanId, TraceId};
use belvedere::tracer::{Batch, BatchConfig, ExportError, Exporter, Provider, Sampler, Tracer};
use criterion::{Criterion, criterion_group, criterion_main};
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator};
use opentelemetry::trace::{Span as _, Tracer as _, TracerProvider as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{BatchSpanProcessor, SdkTracer, SdkTracerProvider, SpanData, SpanExporter};
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Large enough that nothing is dropped for want of room, which would be cheaper than keeping it.
const QUEUE: usize = 1 << 20;

struct Nowhere;

impl Exporter for Nowhere {
    fn export(&mut self, batch: &[Box<Span>], _timeout: Duration) -> Result<(), ExportError> {
        black_box(batch);
        Ok(())
    }
}

#[derive(Debug)]
struct OfficialNowhere;

impl SpanExporter for OfficialNowhere {
    async fn export(&self, batch: Vec<SpanData>) -> opentelemetry_sdk::error::OTelSdkResult {
        black_box(batch);
        Ok(())
    }
}

fn ours(sampler: Sampler) -> Tracer {
    let batch = Batch::new(Nowhere, BatchConfig { queue: QUEUE, ..BatchConfig::default() });
    Provider::builder(Resource::service("bench")).processor(batch).sampler(sampler).build().tracer("bench", "1")
}

fn official(sampler: opentelemetry_sdk::trace::Sampler) -> (SdkTracerProvider, SdkTracer) {
    let config = opentelemetry_sdk::trace::BatchConfigBuilder::default().with_max_queue_size(QUEUE).build();
    let processor = BatchSpanProcessor::builder(OfficialNowhere).with_batch_config(config).build();
    let provider = SdkTracerProvider::builder().with_span_processor(processor).with_sampler(sampler).build();
    let tracer = provider.tracer("bench");
    (provider, tracer)
}

fn our_span(tracer: &Tracer) {
    let mut span = tracer.span("GET /cart").start();
    span.set("http.request.method", "GET")
        .set("http.route", "/cart/{id}")
        .set("http.response.status_code", 200_i64)
        .set("server.port", 8080_i64)
        .set("shop.cache.hit", true);
    span.end();
}

fn official_span(tracer: &SdkTracer) {
    let mut span = tracer.start_with_context("GET /cart", &Context::new());
    span.set_attribute(KeyValue::new("http.request.method", "GET"));
    span.set_attribute(KeyValue::new("http.route", "/cart/{id}"));
    span.set_attribute(KeyValue::new("http.response.status_code", 200_i64));
    span.set_attribute(KeyValue::new("server.port", 8080_i64));
    span.set_attribute(KeyValue::new("shop.cache.hit", true));
    span.end();
}

fn spans(c: &mut Criterion) {
    let mut group = c.benchmark_group("span, 5 attributes, batch");
    let tracer = ours(Sampler::AlwaysOn);
    group.bench_function("ours", |b| b.iter(|| our_span(&tracer)));
    let (_provider, tracer) = official(opentelemetry_sdk::trace::Sampler::AlwaysOn);
    group.bench_function("official", |b| b.iter(|| official_span(&tracer)));
    group.finish();

    let mut group = c.benchmark_group("span, 5 attributes, not sampled");
    let tracer = ours(Sampler::AlwaysOff);
    group.bench_function("ours", |b| b.iter(|| our_span(&tracer)));
    let (_provider, tracer) = official(opentelemetry_sdk::trace::Sampler::AlwaysOff);
    group.bench_function("official", |b| b.iter(|| official_span(&tracer)));
    group.finish();

    let mut group = c.benchmark_group("start and end, not sampled");
    let tracer = ours(Sampler::AlwaysOff);
    group.bench_function("ours", |b| b.iter(|| tracer.span("GET /cart").start().end()));
    let (_provider, tracer) = official(opentelemetry_sdk::trace::Sampler::AlwaysOff);
    group.bench_function("official", |b| b.iter(|| tracer.start_with_context("GET /cart", &Context::new()).end()));
    group.finish();
}

/// One span takes 128 events; a thousand spans of a hundred events each are timed, their starts and ends included.
fn events(c: &mut Criterion) {
    const EVENTS: u64 = 100;
    let mut group = c.benchmark_group("event");
    for (name, sampler) in [("sampled", Sampler::AlwaysOn), ("not sampled", Sampler::AlwaysOff)] {
        let tracer = ours(sampler);
        group.throughput(criterion::Throughput::Elements(EVENTS));
        group.bench_function(format!("ours, {name}, a hundred"), |b| {
            b.iter(|| {
                let mut span = tracer.span("x").start();
                for _ in 0..EVENTS {
                    span.event(black_box("cache miss"), Attributes::default());
                }
            });
        });
    }
    for (name, sampler) in [
        ("sampled", opentelemetry_sdk::trace::Sampler::AlwaysOn),
        ("not sampled", opentelemetry_sdk::trace::Sampler::AlwaysOff),
    ] {
        let (_provider, tracer) = official(sampler);
        group.bench_function(format!("official, {name}, a hundred"), |b| {
            b.iter(|| {
                let mut span = tracer.start_with_context("x", &Context::new());
                for _ in 0..EVENTS {
                    span.add_event(black_box("cache miss"), Vec::new());
                }
            });
        });
    }
    group.finish();
}

/// Headers without allocation, so that what is measured is the propagator.
struct Slots {
    parent: [u8; 55],
    state: usize,
}

impl Slots {
    fn new() -> Self {
        Self { parent: [0; 55], state: 0 }
    }
}

impl Inject for Slots {
    fn set(&mut self, name: &str, value: &str) {
        if name == w3c::TRACEPARENT {
            self.parent.copy_from_slice(value.as_bytes());
        } else {
            self.state += value.len();
        }
    }
}

impl Injector for Slots {
    fn set(&mut self, key: &str, value: String) {
        Inject::set(self, key, &value);
    }
}

struct Headers([(&'static str, &'static str); 3]);

impl Extractor for Headers {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, value)| *value)
    }

    fn keys(&self) -> Vec<&str> {
        self.0.iter().map(|(name, _)| *name).collect()
    }
}

fn propagation(c: &mut Criterion) {
    let headers = Headers([
        ("host", "shop.example"),
        ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-03"),
        ("accept", "*/*"),
    ]);
    let mut group = c.benchmark_group("W3C extract and inject");
    group.bench_function("ours", |b| {
        b.iter(|| {
            let context = w3c::extract(black_box(headers.0.as_slice()), &mut Problems::default()).unwrap();
            let mut out = Slots::new();
            w3c::inject(&context, &mut out);
            black_box(out.parent)
        });
    });
    let propagator = TraceContextPropagator::new();
    group.bench_function("official", |b| {
        b.iter(|| {
            let context = propagator.extract_with_context(&Context::new(), black_box(&headers));
            let mut out = Slots::new();
            propagator.inject_context(&context, &mut out);
            black_box(out.parent)
        });
    });
    let context = SpanContext::from_remote(TraceId([7; 16]), SpanId([7; 8]), TraceFlags::SAMPLED);
    group.bench_function("ours, extract alone", |b| {
        b.iter(|| w3c::extract(black_box(headers.0.as_slice()), &mut Problems::default()));
    });
    group.bench_function("ours, inject alone", |b| {
        b.iter(|| {
            let mut out = Slots::new();
            w3c::inject(black_box(&context), &mut out);
            black_box(out.parent)
        });
    });
    let _: &dyn Extract = &headers.0;
    group.finish();
}

/// Eight threads end spans into one batch processor as fast as they can.
fn contention(c: &mut Criterion) {
    const THREADS: u64 = 8;
    let mut group = c.benchmark_group("span by 8 threads, batch");
    group.throughput(criterion::Throughput::Elements(1));
    group.sample_size(10);
    let tracer = ours(Sampler::AlwaysOn);
    group.bench_function("ours", |b| {
        b.iter_custom(|spans| {
            let begin = Instant::now();
            std::thread::scope(|scope| {
                for _ in 0..THREADS {
                    scope.spawn(|| (0..spans.div_ceil(THREADS)).for_each(|_| tracer.span("x").start().end()));
                }
            });
            begin.elapsed()
        });
    });
    let (_provider, tracer) = official(opentelemetry_sdk::trace::Sampler::AlwaysOn);
    group.bench_function("official", |b| {
        b.iter_custom(|spans| {
            let begin = Instant::now();
            std::thread::scope(|scope| {
                for _ in 0..THREADS {
                    let one = || tracer.start_with_context("x", &Context::new()).end();
                    scope.spawn(move || (0..spans.div_ceil(THREADS)).for_each(|_| one()));
                }
            });
            begin.elapsed()
        });
    });
    group.finish();
}

criterion_group!(benches, spans, events, propagation, contention);
criterion_main!(benches);
