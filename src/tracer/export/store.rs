//! Spans into a workspace of this process, by the way that received ones take: on disk before they count as exported.
//!
//! Nothing here is traced, and nothing here passes a door, so a program that traces itself into its own store makes no
//! spans by storing spans. For the batch processor, whose thread may wait; not for a thread of a runtime.

use super::{ExportError, Exporter};
use crate::model::{Door, Span, SpanBatch};
use crate::store::{StoreError, Workspace};
use crate::tracer::{Clock as _, SystemClock};
use std::time::Duration;

/// See the module comment. The workspace is asked for with each batch, so that it need not be open before there is one.
pub struct IntoStore(Box<dyn FnMut() -> Result<Workspace, StoreError> + Send>);

impl IntoStore {
    /// Into the workspace that `open` gives.
    pub fn new(open: impl FnMut() -> Result<Workspace, StoreError> + Send + 'static) -> Self {
        Self(Box::new(open))
    }
}

impl Exporter for IntoStore {
    fn export(&mut self, batch: &[Box<Span>], _timeout: Duration) -> Result<(), ExportError> {
        let failed = |reason: String| ExportError::Unreachable { reason, endpoint: "the store".to_owned() };
        let workspace = (self.0)().map_err(|error| failed(error.to_string()))?;
        let spans = SpanBatch::from_spans(batch.iter().map(|span| &**span));
        let receipt = workspace.append_spans(Door::Own, spans, SystemClock.now()).map_err(|busy| failed(busy.to_string()))?;
        receipt.wait().map(drop).map_err(|error| failed(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Resource;
    use crate::source::{QueryControl, TraceRequest};
    use crate::tracer::{Batch, BatchConfig, Live, Provider};

    #[test]
    fn spans_arrive_in_the_store_and_an_announced_one_is_in_flight_until_it_ends() {
        let workspace = Workspace::in_memory(crate::store::Options::default()).unwrap();
        let opened = workspace.clone();
        let batch = Batch::new(IntoStore::new(move || Ok(opened.clone())), BatchConfig::default());
        let provider = Provider::builder(Resource::service("x")).processor(Live::new(batch)).build();
        let list = || workspace.spans().traces(&TraceRequest::default(), &QueryControl::default()).unwrap().traces;
        let mut span = provider.tracer("", "").span("long work").start();
        provider.flush(Duration::from_secs(5)).unwrap();
        assert_eq!((list()[0].spans, list()[0].in_flight), (1, 1));
        span.end();
        provider.flush(Duration::from_secs(5)).unwrap();
        assert_eq!((list()[0].spans, list()[0].in_flight), (1, 0), "the finished span takes the place of the announced one");
        workspace.close();
    }
}
