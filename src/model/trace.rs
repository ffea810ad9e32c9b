//! A trace as the window reads it, and the one-line summary that lists show.

use super::batch::SpanBatch;
use super::id::TraceId;
use super::time::{DurationNs, UnixNanos};
use smol_str::SmolStr;
use std::sync::Arc;

/// Every stored span of one trace, in the order of their start (ties in the order of arrival).
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    /// Its id.
    pub id: TraceId,
    /// Its spans and nothing else.
    pub spans: Arc<SpanBatch>,
}

/// How many spans of a trace one service has.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct ServiceShare {
    /// Service name.
    pub service: SmolStr,
    /// Its spans.
    pub spans: u32,
    /// Those with an error.
    pub errors: u32,
}

/// One trace in a list. Start and duration are those of the whole trace (earliest start to latest end), the root's
/// own duration stands beside it.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct TraceSummary {
    /// Trace.
    pub trace_id: TraceId,
    /// Service of the root; of the earliest span while the root is missing.
    pub root_service: SmolStr,
    /// Name of the root; of the earliest span while the root is missing.
    pub root_name: SmolStr,
    /// False while no parentless span has arrived.
    pub has_root: bool,
    /// Earliest start.
    pub start: UnixNanos,
    /// Latest end minus earliest start.
    pub duration: DurationNs,
    /// Stored spans.
    pub spans: u32,
    /// Spans with an error.
    pub errors: u32,
    /// Spans without an end.
    pub in_flight: u32,
    /// Spans whose parent is not stored.
    pub orphans: u32,
    /// Services, most spans first.
    pub services: Vec<ServiceShare>,
    /// Spans that matched the search; all of them without one.
    pub matched: u32,
}

/// Sums up spans of one trace. `None` without any.
pub fn summarise(batch: &SpanBatch) -> Option<TraceSummary> {
    let first = batch.spans.iter().min_by_key(|span| span.start)?;
    let known: std::collections::HashSet<_> = batch.spans.iter().map(|span| span.span_id).collect();
    let root = batch.spans.iter().filter(|span| !span.parent.is_valid()).min_by_key(|span| span.start);
    let last = batch.spans.iter().map(|span| span.end.max(span.start)).max().unwrap_or(first.start);
    let shown = batch.spans.iter().position(|span| std::ptr::eq(span, root.unwrap_or(first)))?;
    let shown = batch.span(shown);
    let mut services: Vec<ServiceShare> = Vec::new();
    for span in batch.iter() {
        let service = span.service();
        let at = services.iter().position(|share| share.service == service).unwrap_or_else(|| {
            services.push(ServiceShare { service: service.into(), ..ServiceShare::default() });
            services.len() - 1
        });
        services[at].spans += 1;
        services[at].errors += u32::from(span.is_error());
    }
    services.sort_by(|a, b| b.spans.cmp(&a.spans).then_with(|| a.service.cmp(&b.service)));
    Some(TraceSummary {
        trace_id: first.trace_id,
        root_service: shown.service().into(),
        root_name: shown.name().into(),
        has_root: root.is_some(),
        start: UnixNanos(first.start),
        duration: DurationNs(last.saturating_sub(first.start)),
        spans: batch.len() as u32,
        errors: services.iter().map(|share| share.errors).sum(),
        in_flight: batch.iter().filter(|span| span.end().is_none()).count() as u32,
        orphans: batch.spans.iter().filter(|span| span.parent.is_valid() && !known.contains(&span.parent)).count() as u32,
        services,
        matched: batch.len() as u32,
    })
}

impl Trace {
    /// From a batch that holds this trace alone.
    pub fn new(id: TraceId, spans: Arc<SpanBatch>) -> Self {
        Self { id, spans }
    }

    /// Number of spans.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// True without spans.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Resource, Span, SpanId, Status, StatusCode};
    use super::*;

    #[test]
    fn a_summary_counts_roots_orphans_errors_and_flight() {
        let span = |id: u64, parent: u64, start: i64, end: Option<i64>, service: &str| Span {
            trace_id: TraceId([1; 16]),
            span_id: id.into(),
            parent: SpanId::from(parent).non_zero(),
            name: format!("op{id}").into(),
            start: UnixNanos(start),
            end: end.map(UnixNanos),
            resource: Arc::new(Resource::service(service)),
            status: Status { code: if id == 2 { StatusCode::Error } else { StatusCode::Unset }, ..Status::default() },
            ..Span::default()
        };
        let batch = SpanBatch::from_spans(&[
            span(1, 0, 10, Some(50), "web"),
            span(2, 1, 5, Some(70), "db"),
            span(3, 9, 20, None, "db"),
        ]);
        let summary = summarise(&batch).unwrap();
        assert_eq!((summary.root_name.as_str(), summary.root_service.as_str()), ("op1", "web"));
        assert_eq!((summary.start, summary.duration), (UnixNanos(5), DurationNs(65)));
        assert_eq!((summary.spans, summary.errors, summary.in_flight, summary.orphans), (3, 1, 1, 1));
        assert_eq!(summary.services[0].service, "db");
        assert!(summarise(&SpanBatch::default()).is_none());
    }
}
