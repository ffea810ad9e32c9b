//! A service that passes trace context on, for the W3C working group's conformance harness (`w3c/trace-context`, `test/`).
//!
//! `POST /test` with a JSON array of `{"url", "arguments"}`: for each element, in order, it POSTs `arguments` as JSON to
//! `url` with the context of a client span of its own, and it answers when all of them have been answered.
//!
//! ```text
//! cargo run --example trace_context_service --features headless -- 127.0.0.1:8790
//! SPEC_LEVEL=2 STRICT_LEVEL=2 python test.py http://127.0.0.1:8790/test
//! ```
//!
//! It is also the shortest service that uses `context` and `tracer` as a library: extract, a server span, client spans,
//! inject. Spans go to a collector when `OTEL_EXPORTER_OTLP_ENDPOINT` names one.

use belvedere::context::{Composite, SpanContext};
use belvedere::model::{Resource, SpanKind, StatusCode};
use belvedere::tracer::{Batch, BatchConfig, Otlp, OtlpConfig, Provider, Tracer};
use bytes::Bytes;
use http::{Method, Request, Response, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::convert::Infallible;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;

/// Longest body read.
const MAX_BODY: usize = 1 << 20;
/// Longest wait for a callback.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// One callback that the caller asks for.
#[derive(serde::Deserialize)]
struct Call {
    url: String,
    arguments: serde_json::Value,
}

struct Service {
    tracer: Tracer,
    propagator: Composite,
    client: Client<HttpConnector, Full<Bytes>>,
}

#[tokio::main(flavor = "current_thread")]
#[allow(dead_code)] // The conformance tests include this file as a module and call `serve`.
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8790".to_owned());
    let listener = TcpListener::bind(&address).await.map_err(|error| format!("can't listen on {address}: {error}"))?;
    println!("listening {}", listener.local_addr()?);
    let mut provider = Provider::builder(Resource::service("trace-context-service"));
    if let Ok(endpoint) = std::env::var("OTEL_EXPORTER_OTLP_ENDPOINT") {
        let exporter = Otlp::new(&OtlpConfig { endpoint, ..OtlpConfig::default() }, tokio::runtime::Handle::current())?;
        provider = provider.processor(Batch::new(exporter, BatchConfig::default()));
    }
    serve(listener, provider.build().tracer("trace-context-service", env!("CARGO_PKG_VERSION"))).await;
    Ok(())
}

/// Answers until the listener fails.
pub async fn serve(listener: TcpListener, tracer: Tracer) {
    let client = Client::builder(TokioExecutor::new()).build(HttpConnector::new());
    let service = Arc::new(Service { tracer, propagator: Composite::default(), client });
    while let Ok((stream, _)) = listener.accept().await {
        let service = service.clone();
        tokio::spawn(async move {
            let answer = service_fn(move |request| answer(service.clone(), request));
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
        });
    }
}

async fn answer(service: Arc<Service>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let found = service.propagator.extract(&parts.headers);
    let parent = found.context.unwrap_or_default();
    let mut span = service.tracer.span("POST /test").kind(SpanKind::Server).parent(&parent).start();
    span.set("http.request.method", parts.method.as_str()).set("url.path", parts.uri.path());
    let (status, text) = if parts.method != Method::POST || parts.uri.path() != "/test" {
        (404, "POST /test is all there is".to_owned())
    } else {
        match Limited::new(body, MAX_BODY).collect().await {
            Err(error) => (400, error.to_string()),
            Ok(body) => match serde_json::from_slice::<Vec<Call>>(&body.to_bytes()) {
                Err(error) => (400, error.to_string()),
                Ok(calls) => {
                    for call in calls {
                        service.call(span.context(), &found.baggage, call).await;
                    }
                    (200, "done".to_owned())
                }
            },
        }
    };
    span.set("http.response.status_code", i64::from(status));
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = http::StatusCode::from_u16(status).unwrap_or_default();
    Ok(response)
}

impl Service {
    async fn call(&self, parent: &SpanContext, baggage: &belvedere::context::Baggage, call: Call) {
        let mut span = self.tracer.span("POST").kind(SpanKind::Client).parent(parent).start();
        span.set("http.request.method", "POST").set("url.full", call.url.as_str());
        let mut request = Request::post(&call.url).header(header::CONTENT_TYPE, "application/json");
        if let Some(headers) = request.headers_mut() {
            self.propagator.inject(span.context(), baggage, headers);
        }
        let Ok(request) = request.body(Full::new(Bytes::from(call.arguments.to_string()))) else {
            span.status(StatusCode::Error, "the URL can't be used");
            return;
        };
        let sent = async {
            let response = self.client.request(request).await?;
            let status = response.status().as_u16();
            response.into_body().collect().await?;
            Ok::<_, Box<dyn Error + Send + Sync>>(status)
        };
        match tokio::time::timeout(CALL_TIMEOUT, sent).await {
            Ok(Ok(status)) => {
                span.set("http.response.status_code", i64::from(status));
            }
            Ok(Err(error)) => {
                span.status(StatusCode::Error, &error.to_string());
            }
            Err(_) => {
                span.status(StatusCode::Error, "no answer in time");
            }
        }
    }
}
