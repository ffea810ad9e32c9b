//! The exporter against a receiver on loopback that answers as it is told.
#![allow(clippy::unwrap_used)] // Helpers of tests; clippy looks at #[test] functions only.

use super::*;
use crate::model::{Resource, SpanKind};
use crate::tracer::{Batch, BatchConfig, Provider, Simple};
use crate::wire::otlp::decode_traces;
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use std::convert::Infallible;
use std::net::SocketAddr;
use tokio::runtime::{Handle, Runtime};

const SOON: Duration = Duration::from_secs(10);

#[derive(Clone, Debug)]
struct Seen {
    path: String,
    content_type: String,
    body: Vec<u8>,
}

type Log = Arc<Mutex<Vec<Seen>>>;

/// Answers the n-th request with the n-th HTTP and gRPC status, and with success after that.
async fn receiver(statuses: &'static [(u16, &'static str)]) -> (SocketAddr, Log) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, log) = (listener.local_addr().unwrap(), Log::default());
    let seen = log.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let log = log.clone();
            let service = service_fn(move |request: Request<Incoming>| {
                let log = log.clone();
                async move {
                    let (parts, body) = request.into_parts();
                    let body = body.collect().await.unwrap().to_bytes().to_vec();
                    let content_type = parts.headers["content-type"].to_str().unwrap().to_owned();
                    let at = {
                        let mut log = log.lock().unwrap();
                        log.push(Seen { path: parts.uri.path().to_owned(), content_type, body });
                        log.len() - 1
                    };
                    let (status, grpc) = statuses.get(at).copied().unwrap_or((200, "0"));
                    let mut trailers = HeaderMap::new();
                    trailers.insert("grpc-status", grpc.parse().unwrap());
                    let body = Full::new(Bytes::from_static(b"")).with_trailers(async { Some(Ok::<_, Infallible>(trailers)) });
                    Ok::<_, Infallible>(Response::builder().status(status).body(body).unwrap())
                }
            });
            tokio::spawn(async move {
                let _ = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    (address, seen)
}

fn config(address: SocketAddr, protocol: Protocol) -> OtlpConfig {
    let retry = RetryPolicy { first: Duration::from_millis(5), ..RetryPolicy::default() };
    OtlpConfig { endpoint: format!("http://{address}"), protocol, retry, timeout: SOON }
}

fn send_one(runtime: &Runtime, config: &OtlpConfig) -> Result<(), crate::tracer::FlushError> {
    let exporter = Otlp::new(config, runtime.handle().clone()).unwrap();
    let provider = Provider::builder(Resource::service("shop")).processor(Batch::new(exporter, BatchConfig::default())).build();
    let mut span = provider.tracer("lib", "").span("GET /").kind(SpanKind::Server).start();
    span.set("http.request.method", "GET");
    span.end();
    provider.flush(SOON)
}

#[test]
fn spans_arrive_over_http_and_over_grpc() {
    let runtime = Runtime::new().unwrap();
    for (protocol, path, content_type, header) in [
        (Protocol::HttpProtobuf, "/v1/traces", "application/x-protobuf", 0),
        (Protocol::Grpc, "/opentelemetry.proto.collector.trace.v1.TraceService/Export", "application/grpc", 5),
    ] {
        let (address, log) = runtime.block_on(receiver(&[]));
        send_one(&runtime, &config(address, protocol)).unwrap();
        let seen = log.lock().unwrap().clone();
        assert_eq!((seen.len(), seen[0].path.as_str(), seen[0].content_type.as_str()), (1, path, content_type));
        let spans = decode_traces(&seen[0].body[header..]).unwrap().batch.to_spans();
        assert_eq!((spans.len(), spans[0].name.as_str(), spans[0].service()), (1, "GET /", "shop"));
        assert_eq!(spans[0].attributes.text("http.request.method"), Some("GET"));
    }
}

#[test]
fn what_may_pass_is_tried_again_and_what_is_refused_is_not() {
    let runtime = Runtime::new().unwrap();
    let http = Protocol::HttpProtobuf;
    for (protocol, statuses, tries, fine) in [
        (http, [(503, "0"), (429, "0")].as_slice(), 3, true),
        (http, &[(400, "0")], 1, false),
        (http, &[(503, "0"); 9], 5, false),
        (Protocol::Grpc, &[(200, "14"), (200, "8")], 3, true),
        (Protocol::Grpc, &[(200, "3")], 1, false),
    ] {
        let (address, log) = runtime.block_on(receiver(statuses));
        let result = send_one(&runtime, &config(address, protocol));
        assert_eq!((log.lock().unwrap().len(), result.is_ok()), (tries, fine), "{protocol:?} {statuses:?}: {result:?}");
    }
}

#[test]
fn nobody_listening_is_told_with_the_address() {
    let runtime = Runtime::new().unwrap();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = send_one(&runtime, &config(free, Protocol::HttpProtobuf)).unwrap_err().to_string();
    assert!(error.contains(&free.to_string()) && error.contains("is a collector listening there?"), "{error}");
}

#[test]
fn a_span_may_end_on_a_thread_of_the_runtime() {
    let runtime = Runtime::new().unwrap();
    let log = runtime.block_on(async {
        let (address, log) = receiver(&[]).await;
        let exporter = Otlp::new(&config(address, Protocol::HttpProtobuf), Handle::current()).unwrap();
        let provider = Provider::builder(Resource::service("x")).processor(Simple::new(exporter)).build();
        drop(provider.tracer("", "").span("x").start());
        log
    });
    assert_eq!(log.lock().unwrap().len(), 1);
}
