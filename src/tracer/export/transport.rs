//! One OTLP connection: HTTP with protobuf or gRPC, retries with back-off and jitter. Carries any signal.
//!
//! Rules: OTLP specification 1.11. Retried are lost connections and the answers that ask for it (HTTP 429, 502, 503,
//! 504; gRPC CANCELLED, DEADLINE_EXCEEDED, ABORTED, OUT_OF_RANGE, UNAVAILABLE, DATA_LOSS, and RESOURCE_EXHAUSTED);
//! `Retry-After` is honoured. Everything else is given up at once. Only plain text: a collector is on this machine or
//! behind something that speaks TLS.

use super::ExportError;
use crate::tracer::RandomIds;
use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderName, HeaderValue, Request, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::time::Duration;
use tokio::time::Instant;

/// Longest answer read.
const MAX_ANSWER: usize = 64 * 1024;
/// Longest wait that a receiver may ask for.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(30);

/// How OTLP travels.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Protocol {
    /// `http/protobuf`, port 4318.
    #[default]
    HttpProtobuf,
    /// `grpc`, port 4317.
    Grpc,
}

/// What a request carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SignalPath {
    /// `ExportTraceServiceRequest`.
    Traces,
    /// `ExportMetricsServiceRequest`.
    Metrics,
    /// `ExportLogsServiceRequest`.
    Logs,
}

impl SignalPath {
    fn path(self, protocol: Protocol) -> &'static str {
        match (protocol, self) {
            (Protocol::HttpProtobuf, Self::Traces) => "/v1/traces",
            (Protocol::HttpProtobuf, Self::Metrics) => "/v1/metrics",
            (Protocol::HttpProtobuf, Self::Logs) => "/v1/logs",
            (Protocol::Grpc, Self::Traces) => "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
            (Protocol::Grpc, Self::Metrics) => "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
            (Protocol::Grpc, Self::Logs) => "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
        }
    }
}

/// When to try again.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct RetryPolicy {
    /// First wait.
    pub first: Duration,
    /// Longest wait.
    pub longest: Duration,
    /// Factor from one wait to the next.
    pub factor: f64,
    /// Share by which a wait is spread, 0 to 1, so that clients don't come back together.
    pub jitter: f64,
    /// Tries in all; 1 is no retry.
    pub attempts: u32,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        let (first, longest) = (Duration::from_secs(1), Duration::from_secs(5));
        Self { first, longest, factor: 1.5, jitter: 0.2, attempts: 5 }
    }
}

impl RetryPolicy {
    /// The wait before try `attempt` (the second try is 1), spread by `random`.
    pub fn wait(&self, attempt: u32, random: u64) -> Duration {
        let exponent = i32::try_from(attempt.saturating_sub(1)).unwrap_or(i32::MAX);
        let base = (self.first.as_secs_f64() * self.factor.powi(exponent)).min(self.longest.as_secs_f64());
        let spread = (random >> 11) as f64 / (1_u64 << 53) as f64 * 2.0 - 1.0;
        Duration::from_secs_f64((base * (1.0 + self.jitter.clamp(0.0, 1.0) * spread)).max(0.0))
    }
}

/// Sends payloads of OTLP. Clones share their connections.
#[derive(Clone, Debug)]
pub struct Sender {
    client: Client<HttpConnector, Full<Bytes>>,
    protocol: Protocol,
    endpoint: String,
    headers: Vec<(HeaderName, HeaderValue)>,
    timeout: Duration,
    retry: RetryPolicy,
}

/// What came of one try.
enum Outcome {
    Accepted,
    Again { reason: String, after: Option<Duration> },
    Refused { status: u16, message: String },
}

impl Sender {
    /// A sender to the base address (`http://127.0.0.1:4318`, with or without a path before `/v1/traces`).
    pub fn new(endpoint: &str, protocol: Protocol, timeout: Duration, retry: RetryPolicy) -> Result<Self, ExportError> {
        let bad = |reason: &str| ExportError::Endpoint { reason: reason.to_owned(), endpoint: endpoint.to_owned() };
        let whole = if endpoint.contains("://") { endpoint.to_owned() } else { format!("http://{endpoint}") };
        let uri: Uri = whole.parse().map_err(|_| bad("it is no URL; write http://host:port"))?;
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") => return Err(bad("TLS is not spoken here; write http://, or put a collector in between")),
            _ => return Err(bad("it must begin with http://")),
        }
        if uri.query().is_some() {
            return Err(bad("it may have no query"));
        }
        let mut builder = Client::builder(TokioExecutor::new());
        builder.pool_timer(TokioTimer::new()).pool_idle_timeout(Duration::from_secs(30)).pool_max_idle_per_host(4);
        builder.http2_only(protocol == Protocol::Grpc);
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(timeout));
        let client = builder.build(connector);
        Ok(Self { client, protocol, endpoint: whole.trim_end_matches('/').to_owned(), headers: Vec::new(), timeout, retry })
    }

    /// Adds a header to every request, for tokens.
    pub fn header(mut self, name: &str, value: &str) -> Result<Self, ExportError> {
        let bad = |reason: &str| ExportError::Endpoint { reason: reason.to_owned(), endpoint: self.endpoint.clone() };
        let name: HeaderName = name.parse().map_err(|_| bad("a header name that HTTP can't carry"))?;
        let value: HeaderValue = value.parse().map_err(|_| bad("a header value that HTTP can't carry"))?;
        self.headers.push((name, value));
        Ok(self)
    }

    /// Sends one request of protobuf, tries again where that may help, and gives up after `timeout` at the latest.
    pub async fn send(&self, signal: SignalPath, body: Bytes, timeout: Duration) -> Result<(), ExportError> {
        let deadline = Instant::now() + timeout;
        let mut attempt = 1;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let limit = self.timeout.min(left);
            let outcome = match tokio::time::timeout(limit, self.attempt(signal, body.clone())).await {
                Ok(outcome) => outcome,
                Err(_) => Outcome::Again { reason: format!("no answer within {limit:?}"), after: None },
            };
            let (reason, after) = match outcome {
                Outcome::Accepted => return Ok(()),
                Outcome::Refused { status, message } => {
                    return Err(ExportError::Refused { status, message, endpoint: self.endpoint.clone() });
                }
                Outcome::Again { reason, after } => (reason, after),
            };
            let wait = after.map_or_else(|| self.retry.wait(attempt, RandomIds::number()), |after| after.min(MAX_RETRY_AFTER));
            if attempt >= self.retry.attempts || Instant::now() + wait >= deadline {
                return Err(ExportError::Unreachable { reason, endpoint: self.endpoint.clone() });
            }
            tokio::time::sleep(wait).await;
            attempt += 1;
        }
    }

    async fn attempt(&self, signal: SignalPath, body: Bytes) -> Outcome {
        let mut request = Request::post(format!("{}{}", self.endpoint, signal.path(self.protocol)))
            .header("user-agent", concat!("belvedere-tracer/", env!("CARGO_PKG_VERSION")));
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let body = match self.protocol {
            Protocol::HttpProtobuf => {
                request = request.header("content-type", "application/x-protobuf");
                body
            }
            Protocol::Grpc => {
                request = request.header("content-type", "application/grpc").header("te", "trailers");
                frame(&body)
            }
        };
        let request = match request.body(Full::new(body)) {
            Ok(request) => request,
            Err(error) => return Outcome::Refused { status: 0, message: error.to_string() },
        };
        let response = match self.client.request(request).await {
            Ok(response) => response,
            Err(error) => return Outcome::Again { reason: chain(&error), after: None },
        };
        let (parts, body) = response.into_parts();
        let collected = match Limited::new(body, MAX_ANSWER).collect().await {
            Ok(collected) => collected,
            Err(error) => return Outcome::Again { reason: chain(&*error), after: None },
        };
        let trailers = collected.trailers().cloned().unwrap_or_default();
        let after = retry_after(&parts.headers);
        match self.protocol {
            Protocol::Grpc if parts.status.is_success() => grpc_outcome(&parts.headers, &trailers, after),
            _ => {
                let text = collected.to_bytes();
                http_outcome(parts.status.as_u16(), &text, after)
            }
        }
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text = next.to_string();
        cause = next.source();
    }
    text
}

/// A message of gRPC: not compressed, its length, the bytes.
fn frame(body: &[u8]) -> Bytes {
    let mut framed = BytesMut::with_capacity(body.len() + 5);
    framed.put_u8(0);
    framed.put_u32(u32::try_from(body.len()).unwrap_or(u32::MAX));
    framed.put_slice(body);
    framed.freeze()
}

fn retry_after(headers: &http::HeaderMap) -> Option<Duration> {
    headers.get("retry-after")?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

fn http_outcome(status: u16, body: &[u8], after: Option<Duration>) -> Outcome {
    match status {
        200..300 => Outcome::Accepted,
        429 | 502 | 503 | 504 => Outcome::Again { reason: format!("HTTP {status}"), after },
        _ => {
            let printable = |c: &char| !c.is_control();
            let message: String = String::from_utf8_lossy(body).chars().filter(printable).take(300).collect();
            Outcome::Refused { status, message }
        }
    }
}

fn grpc_outcome(headers: &http::HeaderMap, trailers: &http::HeaderMap, after: Option<Duration>) -> Outcome {
    let find = |name| trailers.get(name).or_else(|| headers.get(name)).and_then(|value| value.to_str().ok());
    match find("grpc-status").and_then(|code| code.parse::<u16>().ok()) {
        Some(0) => Outcome::Accepted,
        Some(code @ (1 | 4 | 8 | 10 | 11 | 14 | 15)) => Outcome::Again { reason: format!("gRPC status {code}"), after },
        Some(status) => Outcome::Refused { status, message: find("grpc-message").unwrap_or_default().to_owned() },
        None => Outcome::Refused { status: 2, message: "the answer has no grpc-status; is this a gRPC port?".into() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_limit_and_are_spread() {
        let policy = RetryPolicy::default();
        let middle = u64::MAX / 2;
        let seconds: Vec<f64> = (1..6).map(|attempt| policy.wait(attempt, middle).as_secs_f64()).collect();
        for (got, expected) in seconds.iter().zip([1.0, 1.5, 2.25, 3.375, 5.0]) {
            assert!((got - expected).abs() < 1e-6, "{seconds:?}");
        }
        assert_eq!(policy.wait(1, 0), Duration::from_millis(800));
        assert!(policy.wait(u32::MAX, u64::MAX) <= Duration::from_secs(6));
    }

    #[test]
    fn addresses_are_checked_once_at_the_start() {
        let new = |endpoint| Sender::new(endpoint, Protocol::HttpProtobuf, Duration::from_secs(1), RetryPolicy::default());
        assert_eq!(new("127.0.0.1:4318/").unwrap().endpoint, "http://127.0.0.1:4318");
        assert_eq!(new("http://localhost:4318/otlp").unwrap().endpoint, "http://localhost:4318/otlp");
        for (bad, reason) in [("https://x", "TLS"), ("ftp://x", "must begin"), ("http://", "no URL"), ("http://x?a=1", "query")]
        {
            assert!(new(bad).unwrap_err().to_string().contains(reason), "{bad}");
        }
    }

    #[test]
    fn an_answer_may_say_when_to_come_back() {
        let mut headers = http::HeaderMap::new();
        assert_eq!(retry_after(&headers), None);
        headers.insert("retry-after", HeaderValue::from_static(" 7"));
        assert_eq!(retry_after(&headers), Some(Duration::from_secs(7)));
        headers.insert("retry-after", HeaderValue::from_static("Wed, 21 Oct 2026 07:28:00 GMT"));
        assert_eq!(retry_after(&headers), None, "a date falls back to our own wait");
        let after = Some(Duration::from_secs(7));
        assert!(matches!(http_outcome(503, b"", after), Outcome::Again { after: Some(wait), .. } if wait.as_secs() == 7));
    }

    #[test]
    fn answers_are_told_apart() {
        let again = |outcome| matches!(outcome, Outcome::Again { .. });
        for status in [429, 502, 503, 504] {
            assert!(again(http_outcome(status, b"", None)), "{status}");
        }
        for status in [400, 404, 413, 500] {
            assert!(!again(http_outcome(status, b"", None)), "{status}");
        }
        let grpc = |code: &str| {
            let mut trailers = http::HeaderMap::new();
            trailers.insert("grpc-status", code.parse().unwrap());
            grpc_outcome(&http::HeaderMap::new(), &trailers, None)
        };
        assert!(matches!(grpc("0"), Outcome::Accepted));
        assert!(again(grpc("14")) && again(grpc("8")));
        assert!(matches!(grpc("3"), Outcome::Refused { status: 3, .. }));
    }
}
