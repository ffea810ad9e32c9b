//! Processors: what happens to spans when they start and when they have ended.

mod batch;
mod live;
mod simple;

pub use batch::{Batch, BatchConfig, BatchCounts};
pub use live::Live;
pub use simple::Simple;

use crate::context::SpanContext;
use crate::model::Span;
use std::time::Duration;

/// Why a flush or a shutdown did not get everything out.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FlushError {
    /// Out of time; what is left is still tried after a flush, and dropped after a shutdown.
    #[error("not everything was exported within {0:?}")]
    TimedOut(Duration),
    /// The exporter refused.
    #[error("the last export failed: {0}")]
    Export(#[from] super::export::ExportError),
}

/// Told of spans on the thread that starts and ends them, so it must never block.
pub trait Processor: Send + Sync {
    /// A recorded span has started; it may still be written on.
    fn on_start(&self, _span: &mut Span, _parent: Option<&SpanContext>) {}

    /// A span is about to end; it may still be written on.
    fn on_ending(&self, _span: &mut Span) {}

    /// A span has ended.
    fn on_end(&self, span: Box<Span>);

    /// Hands on what is waiting, and waits at most `timeout` for it.
    fn flush(&self, timeout: Duration) -> Result<(), FlushError>;

    /// Flushes and stops.
    fn shutdown(&self, timeout: Duration) -> Result<(), FlushError>;
}

/// The sampled bit of a recorded span; exporters get no other.
fn is_sampled(span: &Span) -> bool {
    span.flags & 1 != 0
}
