//! OTLP payloads of 500 spans with 11 attributes each, a fifth of the values never seen before: decoding with redaction and
//! the clock check, as the doors do it, and encoding. Fixed seed.

#![allow(missing_docs, reason = "criterion_group! writes a public function without one")]

use belvedere::model::{Attributes, Event, Resource, Scope, Span, SpanBatch, SpanId, SpanKind, TraceId, UnixNanos};
use belvedere::wire::otlp::{self, Options, json};
use belvedere::wire::redact::Redaction;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use std::sync::Arc;

const SPANS: u64 = 500;
const NOW: i64 = 1_760_000_000_000_000_000;

/// The numbers of SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[(self.next() % of.len() as u64) as usize]
    }
}

fn batch() -> SpanBatch {
    let mut random = Random(7);
    let services = ["frontend", "cart", "checkout", "payment", "shipping", "ads"];
    let resources = services.map(|name| Arc::new(Resource::service(name)));
    let scope = Arc::new(Scope { name: "http".into(), version: "1.4.0".into(), ..Scope::default() });
    let mut spans: Vec<Span> = (0..SPANS)
        .map(|number| {
            let start = NOW - (random.next() % 1_000_000_000) as i64;
            let mut attributes = Attributes::default();
            attributes.push("http.request.method", random.pick(&["GET", "POST", "PUT"]));
            attributes.push("http.route", random.pick(&["/cart", "/cart/{id}", "/checkout", "/product/{id}"]));
            attributes
                .push("url.full", format!("http://shop.test/product/{:08x}?session={:x}", random.next() as u32, random.next()));
            attributes.push("http.response.status_code", [200_i64, 200, 200, 404, 500][(random.next() % 5) as usize]);
            attributes.push("server.address", random.pick(&["shop.test", "cart.test"]));
            attributes.push("server.port", 8080_i64);
            attributes.push("network.protocol.version", "1.1");
            attributes.push("user_agent.original", random.pick(&["Mozilla/5.0 (X11; Linux x86_64)", "curl/8.0"]));
            attributes.push("enduser.id", format!("user-{}", random.next() % 100_000));
            attributes.push("cart.total", (random.next() % 10_000) as f64 / 100.0);
            attributes.push("cache.hit", random.next().is_multiple_of(2));
            let trace = number / 20;
            Span {
                trace_id: TraceId::from_halves(trace + 1, trace ^ 0x5555),
                span_id: SpanId::from(random.next() | 1),
                parent: (!number.is_multiple_of(20)).then(|| SpanId::from(random.next() | 1)),
                flags: 0x101,
                name: random.pick(&["GET /cart", "POST /checkout", "SELECT products", "redis GET"]).into(),
                kind: SpanKind::from_number(1 + random.next() % 5),
                start: UnixNanos(start),
                end: Some(UnixNanos(start + (random.next() % 50_000_000) as i64)),
                attributes,
                events: if number.is_multiple_of(20) {
                    vec![Event { time: UnixNanos(start), name: "retry".into(), ..Event::default() }]
                } else {
                    Vec::new()
                },
                resource: resources[(random.next() % 6) as usize].clone(),
                scope: scope.clone(),
                ..Span::default()
            }
        })
        .collect();
    spans.sort_by_key(|span| span.service().to_owned());
    SpanBatch::from_spans(&spans)
}

fn otlp_payloads(criterion: &mut Criterion) {
    let batch = batch();
    let (payload, text) = (otlp::encode_traces(&batch), json::encode_traces(&batch));
    let redaction = Redaction::standard();
    let options = Options { received: Some(UnixNanos(NOW)), redaction: Some(&redaction) };
    println!("{} B protobuf, {} B JSON a span", payload.len() / SPANS as usize, text.len() / SPANS as usize);
    let mut group = criterion.benchmark_group("otlp");
    group.throughput(Throughput::Elements(SPANS));
    group.bench_function("decode protobuf", |bench| {
        bench.iter(|| black_box(otlp::decode_traces_with(black_box(&payload), options)));
    });
    group.bench_function("decode JSON", |bench| {
        bench.iter(|| black_box(json::decode_traces_with(black_box(text.as_bytes()), options)));
    });
    group.bench_function("encode protobuf", |bench| bench.iter(|| otlp::encode_traces(black_box(&batch))));
    group.bench_function("encode JSON", |bench| bench.iter(|| json::encode_traces(black_box(&batch))));
    group.finish();
}

criterion_group!(benches, otlp_payloads);
criterion_main!(benches);
