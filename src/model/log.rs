//! A log record, as the OpenTelemetry log data model has it.

use super::id::{SpanId, TraceId};
use super::resource::{Resource, Scope};
use super::time::UnixNanos;
use super::value::{Attributes, Value};
use smol_str::SmolStr;
use std::sync::Arc;

/// One log record.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct LogRecord {
    /// When it happened; the observed time stands in where the sender gave none.
    pub time: UnixNanos,
    /// When a collector first saw it.
    pub observed: UnixNanos,
    /// Severity number 1–24, 0 when unset.
    pub severity: u8,
    /// The sender's own word for the severity.
    pub severity_text: SmolStr,
    /// Event name, empty for plain records.
    pub event_name: SmolStr,
    /// Body, usually text.
    pub body: Value,
    /// Attributes.
    pub attributes: Attributes,
    /// Attributes the sender dropped.
    pub dropped_attributes: u32,
    /// Trace it belongs to.
    pub trace_id: Option<TraceId>,
    /// Span it belongs to.
    pub span_id: Option<SpanId>,
    /// W3C flags.
    pub flags: u32,
    /// Sender.
    pub resource: Arc<Resource>,
    /// Instrumentation scope.
    pub scope: Arc<Scope>,
}
