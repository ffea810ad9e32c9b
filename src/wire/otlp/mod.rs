//! OTLP, the OpenTelemetry protocol: protobuf and JSON, both ways, for traces, metrics and logs (opentelemetry-proto 1.11).
//!
//! Traces are walked straight from the payload into a [`SpanBatch`]: texts are interned, nothing is owned on the way.
//! Metrics are walked into a batch of samples ([`decode_metrics`]). Logs are counted and checked and stay protobuf until
//! their room reads them. JSON becomes
//! protobuf first ([`json`]), so that everything behind it knows one form. No function here panics, whatever the bytes.

mod encode;
pub mod json;
mod logs;
mod metrics;
pub(in crate::wire) mod pb;
mod pending;
mod rewrite;
mod samples;
mod schema;
mod traces;
mod value;

pub use encode::{encode_partial_success, encode_spans, encode_traces};
pub use logs::{decode_logs, encode_logs};
pub use metrics::{Counted, count_logs, count_metrics};
pub use pb::{Fault, MAX_DEPTH};
pub use rewrite::mask_payload;
pub use samples::{DecodedMetrics, Escaping, MetricOptions, decode_metrics};

use super::redact::Redaction;
use crate::model::{DurationNs, SpanBatch, UnixNanos};
use pb::{Broken, Step};
use smol_str::SmolStr;
use std::fmt;

/// A span's start or end further than this from the receive clock is worth a warning, in nanoseconds.
pub const CLOCK_TOLERANCE_NS: i64 = 3_600_000_000_000;

/// What decoding needs to know beyond the bytes.
#[derive(Clone, Copy, Default)]
pub struct Options<'a> {
    /// When the payload came, for warnings about clocks; `None` for files.
    pub received: Option<UnixNanos>,
    /// Keys whose values are masked; `None` masks nothing.
    pub redaction: Option<&'a Redaction>,
}

/// Spans and what was odd about them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DecodedTraces {
    /// The spans that are fit to store.
    pub batch: SpanBatch,
    /// Things the sender should know; the spans are stored all the same.
    pub warnings: Vec<Warning>,
    /// Spans that were refused, by service.
    pub rejected: Vec<Rejection>,
    /// Values that were masked.
    pub masked: u64,
}

impl DecodedTraces {
    /// Number of spans refused.
    pub fn rejected_count(&self) -> u64 {
        self.rejected.iter().map(|rejection| rejection.count).sum()
    }

    /// The English text for a partial success: reasons of refusals first, then warnings. Empty when all is well.
    pub fn message(&self) -> String {
        let mut lines: Vec<String> = self.rejected.iter().map(Rejection::to_string).collect();
        lines.extend(self.warnings.iter().map(Warning::to_string));
        lines.join("; ")
    }
}

/// Spans of one service that were refused.
#[derive(Clone, Debug, PartialEq)]
pub struct Rejection {
    /// Service.
    pub service: SmolStr,
    /// How many.
    pub count: u64,
    /// Why the first one was.
    pub reason: String,
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rejected {} of {}: {}", spans(self.count), self.service, self.reason)
    }
}

/// Something odd in a payload that is stored nevertheless.
#[derive(Clone, Debug, PartialEq)]
pub enum Warning {
    /// The resource has no `service.name`.
    MissingServiceName {
        /// Spans of such resources.
        spans: u64,
    },
    /// A start or end more than [`CLOCK_TOLERANCE_NS`] from the receive clock.
    ClockFar {
        /// Service.
        service: SmolStr,
        /// Spans with such times.
        spans: u64,
        /// Time of the first one minus the receive clock.
        offset: DurationNs,
    },
    /// The end lies before the start.
    EndBeforeStart {
        /// Service.
        service: SmolStr,
        /// Spans with such times.
        spans: u64,
        /// Name of the first one.
        name: SmolStr,
    },
    /// Texts that are not UTF-8; what could not be read stands as U+FFFD.
    InvalidUtf8 {
        /// How many texts.
        texts: u64,
    },
}

fn spans(count: u64) -> String {
    if count == 1 { "1 span".to_owned() } else { format!("{count} spans") }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MissingServiceName { spans: count } => {
                write!(f, "{} without service.name, kept as unknown_service; set OTEL_SERVICE_NAME", spans(*count))
            }
            Self::ClockFar { service, spans: count, offset } => {
                let (hours, side) = (offset.as_secs_f64().abs() / 3600.0, if offset.0 < 0 { "behind" } else { "ahead of" });
                let count = spans(*count);
                write!(f, "{service}: times {hours:.1} h {side} this clock ({count}); check the sender's clock")
            }
            Self::EndBeforeStart { service, spans: count, name } => {
                let count = spans(*count);
                write!(f, "{service}: {count} with the end before the start, first \"{name}\"; use a monotonic clock")
            }
            Self::InvalidUtf8 { texts } => write!(f, "{texts} texts are not UTF-8; the bad bytes were replaced"),
        }
    }
}

/// Why a payload cannot be read. Nothing of it is kept.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum DecodeError {
    /// Not the protobuf message it should be.
    #[error("not an OTLP {message}: {fault}, at byte {position}{}", display_path(.path))]
    Protobuf {
        /// Message that was expected.
        message: &'static str,
        /// What is wrong.
        fault: Fault,
        /// Byte position in the payload, from 0.
        position: usize,
        /// Fields around it, `resource_spans[0].scope_spans[1]`; empty at the top.
        path: String,
    },
    /// Not the JSON it should be.
    #[error(transparent)]
    Json(#[from] json::JsonError),
}

fn display_path(path: &str) -> String {
    if path.is_empty() { String::new() } else { format!(" in {path}") }
}

impl DecodeError {
    pub(in crate::wire::otlp) fn protobuf(message: &'static str, body: &[u8], broken: &Broken) -> Self {
        let position = broken.address.saturating_sub(body.as_ptr() as usize).min(body.len());
        let path: Vec<String> = broken.path.iter().rev().map(Step::to_string).collect();
        Self::Protobuf { message, fault: broken.fault, position, path: path.join(".") }
    }
}

/// Reads an `ExportTraceServiceRequest` (or a `TracesData`, which has the same form) with nothing masked and no clock.
pub fn decode_traces(body: &[u8]) -> Result<DecodedTraces, DecodeError> {
    decode_traces_with(body, Options::default())
}

/// Reads an `ExportTraceServiceRequest`. The content hash of a span is one over its bytes as they came.
pub fn decode_traces_with(body: &[u8], options: Options<'_>) -> Result<DecodedTraces, DecodeError> {
    traces::decode(body, options).map_err(|broken| DecodeError::protobuf("ExportTraceServiceRequest", body, &broken))
}

#[cfg(test)]
mod tests;
