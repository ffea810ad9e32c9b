//! The shop against a collector of the test's own.
#![allow(clippy::unwrap_used)] // Helpers of tests; clippy looks at #[test] functions only.

use super::*;
use crate::model::{Span, SpanKind, StatusCode};
use crate::wire::otlp::{count_metrics, decode_logs, decode_traces};
use ::http::{Request, Response};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

type Bodies = Arc<Mutex<Vec<(String, Bytes)>>>;

async fn collector() -> (SocketAddr, Bodies) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, bodies) = (listener.local_addr().unwrap(), Bodies::default());
    let kept = bodies.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let bodies = bodies.clone();
            let service = service_fn(move |request: Request<Incoming>| {
                let bodies = bodies.clone();
                async move {
                    let path = request.uri().path().to_owned();
                    let body = request.into_body().collect().await.unwrap().to_bytes();
                    bodies.lock().unwrap().push((path, body));
                    Ok::<_, Infallible>(Response::new(Full::new(Bytes::new())))
                }
            });
            let io = TokioIo::new(stream);
            tokio::spawn(async move {
                let _ = hyper::server::conn::http1::Builder::new().serve_connection(io, service).await;
            });
        }
    });
    (address, kept)
}

struct Sent {
    spans: Vec<Span>,
    logs: usize,
    correlated: usize,
    points: u64,
    tally: Tally,
}

/// Runs a shop until `visits` have ended.
fn shop(seed: u64, visits: u64, story: bool) -> Sent {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (address, bodies) = runtime.block_on(collector());
    let config = ShopConfig { endpoint: format!("http://{address}"), seed, rate: 100.0, story };
    let shop = Shop::open(&config).unwrap();
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    while shop.tally().visits < visits && std::time::Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(20));
    }
    let tally = shop.stop();
    let mut sent = Sent { spans: Vec::new(), logs: 0, correlated: 0, points: 0, tally };
    for (path, body) in bodies.lock().unwrap().iter() {
        match path.as_str() {
            "/v1/traces" => sent.spans.extend(decode_traces(body).unwrap().batch.to_spans()),
            "/v1/logs" => {
                let logs = decode_logs(body, Default::default()).unwrap();
                sent.logs += logs.len();
                sent.correlated += logs.iter().filter(|log| log.trace_id.is_some() && log.span_id.is_some()).count();
            }
            "/v1/metrics" => sent.points += count_metrics(body).unwrap().total(),
            other => panic!("unexpected path {other}"),
        }
    }
    sent
}

#[test]
fn a_shop_sends_traces_that_hang_together_with_logs_and_metrics() {
    let sent = shop(7, 150, false);
    assert!(sent.tally.visits >= 150 && sent.tally.problem.is_none(), "{:?}", sent.tally);
    let services: BTreeSet<&str> = sent.spans.iter().map(|span| span.service()).collect();
    let all = ["cart", "checkout", "email", "frontend", "inventory", "payment", "recommendation", "shipping", "web"];
    assert_eq!(services.into_iter().collect::<Vec<_>>(), all);
    let versions: BTreeSet<String> = sent
        .spans
        .iter()
        .filter(|span| span.service() == "payment")
        .map(|span| span.resource.attributes.text("service.version").unwrap().to_owned())
        .collect();
    assert_eq!(versions.len(), 2, "two releases of payment run side by side");

    let kinds: BTreeSet<SpanKind> = sent.spans.iter().map(|span| span.kind).collect();
    assert_eq!(kinds.len(), 5, "all kinds of spans: {kinds:?}");
    let systems: BTreeSet<&str> = sent
        .spans
        .iter()
        .filter_map(|span| span.attributes.text("db.system.name").or(span.attributes.text("messaging.system")))
        .collect();
    assert_eq!(systems.into_iter().collect::<Vec<_>>(), ["kafka", "postgresql", "redis"]);

    let exceptions = sent.spans.iter().flat_map(|span| &span.events).filter(|event| event.name == "exception").count();
    let errors = sent.spans.iter().filter(|span| span.status.code == StatusCode::Error).count();
    let resent = sent.spans.iter().filter(|span| span.attributes.get("http.request.resend_count").is_some()).count();
    assert!(exceptions > 0 && errors > exceptions && resent > 0, "{exceptions} {errors} {resent}");
    assert!(sent.logs > 20 && sent.correlated == sent.logs && sent.points > 10, "{} {}", sent.logs, sent.points);
}

#[test]
fn every_message_links_to_its_sender_and_every_server_span_has_a_client() {
    let sent = shop(11, 60, false);
    let ids: BTreeMap<_, _> = sent.spans.iter().map(|span| ((span.trace_id, span.span_id), span)).collect();
    assert_eq!(ids.len(), sent.spans.len(), "no two spans share their ids");
    let consumers: Vec<&Span> = sent.spans.iter().filter(|span| span.kind == SpanKind::Consumer).collect();
    assert!(!consumers.is_empty());
    for consumer in consumers {
        let sender = ids[&(consumer.links[0].trace_id, consumer.links[0].span_id)];
        assert_eq!((sender.kind, consumer.parent), (SpanKind::Producer, None));
    }
    let finished: BTreeSet<_> = sent.spans.iter().filter(|span| span.name == "paint").map(|span| span.trace_id).collect();
    for server in sent.spans.iter().filter(|span| span.kind == SpanKind::Server && finished.contains(&span.trace_id)) {
        let client = ids.get(&(server.trace_id, server.parent.unwrap()));
        let client = client.unwrap_or_else(|| panic!("{} of {} has no caller", server.name, server.service()));
        assert_eq!((client.kind, server.flags & 0x300), (SpanKind::Client, 0x300));
        assert!(client.start <= server.start && client.end >= server.end, "{} lies within its caller", server.name);
    }
}

/// What must repeat of a span: everything but its times.
fn told(span: &Span) -> String {
    let parent = span.parent.map(|id| id.to_string()).unwrap_or_default();
    let attributes: Vec<String> = span.attributes.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let resource: Vec<String> = span.resource.attributes.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let events: Vec<String> = span.events.iter().map(|event| format!("{} {:?}", event.name, event.attributes)).collect();
    format!("{} {parent} {} {:?} {attributes:?} {resource:?} {events:?} {:?}", span.span_id, span.name, span.kind, span.status)
}

#[test]
fn a_seed_repeats_shape_ids_and_attributes() {
    let traces = |sent: &Sent| {
        let done: BTreeSet<_> = sent.spans.iter().filter(|span| span.name == "paint").map(|span| span.trace_id).collect();
        let mut traces: BTreeMap<_, BTreeSet<String>> = BTreeMap::new();
        for span in sent.spans.iter().filter(|span| done.contains(&span.trace_id)) {
            traces.entry(span.trace_id).or_default().insert(told(span));
        }
        traces
    };
    let (first, second) = (traces(&shop(42, 40, false)), traces(&shop(42, 40, false)));
    let shared: Vec<_> = first.keys().filter(|id| second.contains_key(id)).collect();
    assert!(shared.len() >= 35, "{} traces in both runs", shared.len());
    for id in shared {
        assert_eq!(first[id], second[id], "trace {id}");
    }
}

#[test]
fn a_shop_without_a_collector_says_so_and_stops_in_time() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let shop = Shop::start(&format!("http://{free}"), 1, 20.0).unwrap();
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while shop.tally().problem.is_none() && std::time::Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(20));
    }
    let problem = shop.tally().problem.unwrap();
    assert!(problem.contains(&free.to_string()), "{problem}");
    let began = std::time::Instant::now();
    shop.stop();
    assert!(began.elapsed() < Duration::from_millis(2500), "{:?}", began.elapsed());
}

#[test]
fn senseless_settings_are_refused_with_words() {
    assert!(Shop::start("http://127.0.0.1:1", 1, 0.0).is_err());
    assert!(Shop::start("http://127.0.0.1:1", 1, f64::NAN).is_err());
    let error = Shop::start("https://example.test", 1, 1.0).err().unwrap().to_string();
    assert!(error.contains("TLS"), "{error}");
}
