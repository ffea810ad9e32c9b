//! Spans to a collector over OTLP.

use super::transport::{Protocol, RetryPolicy, Sender, SignalPath};
use super::{ExportError, Exporter};
use crate::model::{Span, SpanBatch};
use crate::wire::otlp::encode_traces;
use bytes::Bytes;
use std::time::Duration;
use tokio::runtime::Handle;

/// Where and how to send; the defaults are OpenTelemetry's.
#[derive(Clone, PartialEq, Debug)]
pub struct OtlpConfig {
    /// Base address.
    pub endpoint: String,
    /// Transport.
    pub protocol: Protocol,
    /// Longest wait for one answer.
    pub timeout: Duration,
    /// Retries.
    pub retry: RetryPolicy,
}

impl Default for OtlpConfig {
    fn default() -> Self {
        Self {
            endpoint: "http://localhost:4318".into(),
            protocol: Protocol::HttpProtobuf,
            timeout: Duration::from_secs(10),
            retry: RetryPolicy::default(),
        }
    }
}

/// See the module comment. Called from a thread that may block; the sockets live on the runtime it is given.
pub struct Otlp {
    sender: Sender,
    runtime: Handle,
}

impl Otlp {
    /// An exporter whose sockets live on `runtime`.
    pub fn new(config: &OtlpConfig, runtime: Handle) -> Result<Self, ExportError> {
        Ok(Self { sender: Sender::new(&config.endpoint, config.protocol, config.timeout, config.retry)?, runtime })
    }

    /// Over a connection that other signals use too.
    pub fn over(sender: Sender, runtime: Handle) -> Self {
        Self { sender, runtime }
    }
}

impl Exporter for Otlp {
    fn export(&mut self, batch: &[Box<Span>], timeout: Duration) -> Result<(), ExportError> {
        let body = Bytes::from(encode_traces(&SpanBatch::from_spans(batch.iter().map(|span| &**span))));
        let send = self.sender.send(SignalPath::Traces, body, timeout);
        if Handle::try_current().is_err() {
            return self.runtime.block_on(send);
        }
        // The simple processor may end a span on a thread of a runtime, which must not be blocked on itself.
        std::thread::scope(|scope| scope.spawn(|| self.runtime.block_on(send)).join()).unwrap_or(Err(ExportError::ShutDown))
    }
}
