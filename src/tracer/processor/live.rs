//! Also announces a span when it starts, so that unfinished work can be seen: the span is sent without an end at once and
//! whole when it has ended. The store replaces the pending one by the finished one.

use super::{Batch, FlushError, Processor, is_sampled};
use crate::context::SpanContext;
use crate::model::Span;
use std::time::Duration;

/// A batch processor that announces.
pub struct Live(Batch);

impl Live {
    /// Over a batch processor, whose delay says how soon a start is seen.
    pub fn new(batch: Batch) -> Self {
        Self(batch)
    }
}

impl Processor for Live {
    fn on_start(&self, span: &mut Span, _parent: Option<&SpanContext>) {
        if is_sampled(span) {
            self.0.on_end(Box::new(span.clone()));
        }
    }

    fn on_end(&self, span: Box<Span>) {
        self.0.on_end(span);
    }

    fn flush(&self, timeout: Duration) -> Result<(), FlushError> {
        self.0.flush(timeout)
    }

    fn shutdown(&self, timeout: Duration) -> Result<(), FlushError> {
        self.0.shutdown(timeout)
    }
}
