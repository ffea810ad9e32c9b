//! Also announces a span when it starts, so that unfinished work can be seen: the span is sent without an end at once and
//! whole when it has ended. The store replaces the pending one by the finished one. Spans that are open when the processor
//! shuts down are announced once more with the reason why their end will not come ([`GIVEN_UP`]).

use super::{Batch, FlushError, Processor, is_sampled};
use crate::context::SpanContext;
use crate::model::span::GIVEN_UP;
use crate::model::{Span, SpanId, TraceId};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What is said of a span that was open at the shutdown.
const SHUT_DOWN: &str = "its exporter shut down before it ended";

type Open = HashMap<(TraceId, SpanId), Box<Span>>;

/// A batch processor that announces.
pub struct Live {
    batch: Batch,
    /// Spans that were announced and have not ended.
    open: Mutex<Open>,
}

impl Live {
    /// Over a batch processor, whose delay says how soon a start is seen.
    pub fn new(batch: Batch) -> Self {
        Self { batch, open: Mutex::default() }
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Processor for Live {
    fn on_start(&self, span: &mut Span, _parent: Option<&SpanContext>) {
        if is_sampled(span) {
            self.open().insert((span.trace_id, span.span_id), Box::new(span.clone()));
            self.batch.on_end(Box::new(span.clone()));
        }
    }

    fn on_end(&self, span: Box<Span>) {
        self.open().remove(&(span.trace_id, span.span_id));
        self.batch.on_end(span);
    }

    fn flush(&self, timeout: Duration) -> Result<(), FlushError> {
        self.batch.flush(timeout)
    }

    fn shutdown(&self, timeout: Duration) -> Result<(), FlushError> {
        let open = std::mem::take(&mut *self.open());
        for mut span in open.into_values() {
            span.attributes.push(GIVEN_UP, SHUT_DOWN);
            self.batch.on_end(span);
        }
        self.batch.shutdown(timeout)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Resource;
    use crate::tracer::{BatchConfig, InMemory, Provider};

    #[test]
    fn what_is_open_at_the_shutdown_is_announced_again_with_the_reason() {
        const SOON: Duration = Duration::from_secs(5);
        let exporter = InMemory::default();
        let live = Live::new(Batch::new(exporter.clone(), BatchConfig::default()));
        let provider = Provider::builder(Resource::service("x")).processor(live).build();
        let tracer = provider.tracer("", "");
        let open = tracer.span("open").start();
        tracer.span("ended").start().end();
        provider.shutdown(SOON).unwrap();
        let said: Vec<_> = exporter
            .spans()
            .iter()
            .map(|span| (span.name.to_string(), span.end.is_some(), span.attributes.text(GIVEN_UP).is_some()))
            .collect();
        let expected = [("open", false, false), ("ended", false, false), ("ended", true, false), ("open", false, true)]
            .map(|(name, ended, given_up)| (name.to_owned(), ended, given_up));
        assert_eq!(said, expected);
        drop(open);
    }
}
