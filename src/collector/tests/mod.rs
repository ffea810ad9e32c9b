//! The collector over real loopback sockets, with a real workspace behind it.

mod abuse;
mod doors;
mod grpc;
mod http;
mod metrics;
mod zipkin;

use super::{Collector, CollectorConfig, DoorState, Limits, Sink, start};
use crate::model::{Door, Resource, SampleBatch, SampleValue, Signal, Span, SpanBatch, SpanId, TraceId, UnixNanos};
use crate::store::{AccountRow, Busy, Options, Receipt, Workspace};
use crate::telemetry::Registry;
use crate::wire::otlp;
use ::http::{HeaderMap, Request, StatusCode};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use smol_str::SmolStr;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::net::TcpStream;

/// The receive clock of every test.
pub(super) const NOW: i64 = 1_760_000_000_000_000_000;

/// A workspace that can be told to be full.
pub(super) struct TestSink {
    pub(super) workspace: Workspace,
    pub(super) full: AtomicBool,
}

impl TestSink {
    fn admit(&self) -> Result<(), Busy> {
        let busy = || Busy { retry_after: Duration::from_millis(1500), reason: "the queue is full".into() };
        if self.full.load(Ordering::SeqCst) { Err(busy()) } else { Ok(()) }
    }
}

impl Sink for TestSink {
    fn append_spans(&self, door: Door, batch: SpanBatch, received: UnixNanos) -> Result<Receipt, Busy> {
        self.admit()?;
        self.workspace.append_spans(door, batch, received)
    }

    fn append_samples(&self, door: Door, batch: SampleBatch, received: UnixNanos) -> Result<Receipt, Busy> {
        self.admit()?;
        self.workspace.append_samples(door, batch, received)
    }

    fn last_sample(&self, labels: &[u8]) -> Option<(i64, i64, SampleValue)> {
        Sink::last_sample(&self.workspace, labels)
    }

    fn append_raw(
        &self,
        door: Door,
        signal: Signal,
        payload: Bytes,
        per_service: Vec<(SmolStr, u64)>,
        received: UnixNanos,
    ) -> Result<Receipt, Busy> {
        self.admit()?;
        self.workspace.append_raw(door, signal, payload, per_service, received)
    }

    fn note_rejected(&self, door: Door, service: &str, signal: Signal, count: u64) {
        self.workspace.note_rejected(door, service, signal, count);
    }
}

pub(super) struct House {
    pub(super) collector: Collector,
    pub(super) sink: Arc<TestSink>,
    pub(super) registry: Registry,
}

/// Both OTLP doors on free ports of IPv4 and IPv6 loopback.
pub(super) async fn house(change: impl FnOnce(&mut CollectorConfig)) -> House {
    let free: Vec<SocketAddr> = vec!["127.0.0.1:0".parse().unwrap(), "[::1]:0".parse().unwrap()];
    let mut config = CollectorConfig {
        doors: vec![(Door::OtlpGrpc, free.clone()), (Door::OtlpHttp, free)],
        allow_origins: vec!["https://app.test".into()],
        clock: Arc::new(|| UnixNanos(NOW)),
        ..CollectorConfig::default()
    };
    change(&mut config);
    let workspace = Workspace::in_memory(Options::default()).unwrap();
    let sink = Arc::new(TestSink { workspace, full: AtomicBool::new(false) });
    let registry = Registry::default();
    let collector = start(config, sink.clone(), registry.clone()).await;
    House { collector, sink, registry }
}

impl House {
    pub(super) fn address(&self, door: Door) -> SocketAddr {
        self.addresses(door)[0]
    }

    pub(super) fn addresses(&self, door: Door) -> Vec<SocketAddr> {
        let status = self.collector.doors().into_iter().find(|status| status.door == door).unwrap();
        match status.state {
            DoorState::Open(addresses) => addresses,
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn account(&self, service: &str, signal: Signal) -> AccountRow {
        let rows = self.sink.workspace.accounts();
        let found = rows.into_iter().find(|row| row.service == service && row.signal == signal);
        found.unwrap_or_else(|| panic!("no account of {service}"))
    }

    pub(super) fn stored(&self) -> u64 {
        self.sink.workspace.accounts().iter().map(|row| row.stored).sum()
    }

    pub(super) fn wrong(&self) -> Vec<String> {
        self.collector.wrong_callers().into_iter().map(|caller| caller.what).collect()
    }
}

pub(super) fn limits(change: impl FnOnce(&mut Limits)) -> impl FnOnce(&mut CollectorConfig) {
    move |config| change(&mut config.limits)
}

pub(super) fn trace_id(service: &str, number: u64) -> TraceId {
    TraceId::from_halves(service.bytes().fold(7, |sum, byte| sum * 31 + u64::from(byte)), number + 1)
}

/// `count` spans of a service, ended just now.
pub(super) fn batch(service: &str, count: u64) -> SpanBatch {
    let resource = Arc::new(Resource::service(service));
    let span = |number: u64| Span {
        trace_id: trace_id(service, number),
        span_id: SpanId::from(number + 1),
        name: "GET /cart".into(),
        start: UnixNanos(NOW - 2_000_000),
        end: Some(UnixNanos(NOW - 1_000_000)),
        attributes: [("http.request.method", "GET"), ("http.request.header.authorization", "Bearer x")].into_iter().collect(),
        resource: resource.clone(),
        ..Span::default()
    };
    SpanBatch::from_spans(&(0..count).map(span).collect::<Vec<_>>())
}

pub(super) fn protobuf(service: &str, count: u64) -> Vec<u8> {
    otlp::encode_traces(&batch(service, count))
}

pub(super) fn json(service: &str, count: u64) -> Vec<u8> {
    otlp::json::encode_traces(&batch(service, count)).into_bytes()
}

pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) trailers: HeaderMap,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// A gRPC header or trailer.
    pub(super) fn trailer(&self, name: &str) -> &str {
        self.trailers.get(name).or(self.headers.get(name)).map_or("", |value| value.to_str().unwrap())
    }

    async fn read(response: ::http::Response<hyper::body::Incoming>) -> Self {
        let (head, body) = response.into_parts();
        let collected = body.collect().await.unwrap();
        let trailers = collected.trailers().cloned().unwrap_or_default();
        Self { status: head.status, headers: head.headers, body: collected.to_bytes(), trailers }
    }
}

pub(super) async fn send_http1(address: SocketAddr, mut request: Request<Full<Bytes>>) -> Answer {
    if !request.headers().contains_key("host") {
        request.headers_mut().insert("host", address.to_string().parse().unwrap());
    }
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    Answer::read(sender.send_request(request).await.unwrap()).await
}

pub(super) async fn send_http2(address: SocketAddr, mut request: Request<Full<Bytes>>) -> Answer {
    if request.uri().authority().is_none() {
        *request.uri_mut() = format!("http://{address}{}", request.uri().path()).parse().unwrap();
    }
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    Answer::read(sender.send_request(request).await.unwrap()).await
}

pub(super) fn post(path: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    let mut request = Request::post(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Full::new(body.into())).unwrap()
}

pub(super) const AS_PROTOBUF: (&str, &str) = ("content-type", "application/x-protobuf");
pub(super) const AS_JSON: (&str, &str) = ("content-type", "application/json");
