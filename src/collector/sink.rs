//! Where what was received goes.

use crate::model::{Door, Signal, SpanBatch, UnixNanos};
use crate::store::{Busy, Receipt, Workspace};
use bytes::Bytes;
use smol_str::SmolStr;

/// Takes what was received. No call blocks; the receipt resolves when the data is on disk.
pub trait Sink: Send + Sync {
    /// Spans.
    fn append_spans(&self, door: Door, batch: SpanBatch, received: UnixNanos) -> Result<Receipt, Busy>;

    /// Metrics or logs as OTLP protobuf, with the number of data points or records by service.
    fn append_raw(
        &self,
        door: Door,
        signal: Signal,
        payload: Bytes,
        per_service: Vec<(SmolStr, u64)>,
        received: UnixNanos,
    ) -> Result<Receipt, Busy>;

    /// Counts items that were refused for good.
    fn note_rejected(&self, door: Door, service: &str, signal: Signal, count: u64);
}

impl Sink for Workspace {
    fn append_spans(&self, door: Door, batch: SpanBatch, received: UnixNanos) -> Result<Receipt, Busy> {
        Self::append_spans(self, door, batch, received)
    }

    fn append_raw(
        &self,
        door: Door,
        signal: Signal,
        payload: Bytes,
        per_service: Vec<(SmolStr, u64)>,
        received: UnixNanos,
    ) -> Result<Receipt, Busy> {
        Self::append_raw(self, door, signal, payload, per_service, received)
    }

    fn note_rejected(&self, door: Door, service: &str, signal: Signal, count: u64) {
        Self::note_rejected(self, door, service, signal, count);
    }
}
