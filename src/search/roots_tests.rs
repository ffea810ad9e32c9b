//! Conditions on the root of a trace are answered by summaries, and find what the evaluator finds.

use super::*;
use crate::model::{Attributes, Resource, Span, SpanBatch, SpanId, Trace, TraceId, UnixNanos};
use crate::source::{
    AttrScope, Field, MemorySource, QueryControl, Run, ServiceSummary, SourceError, SpanSource, TimeRange, TraceList,
    TraceRequest, ValueCount,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A source that counts the traces that are read whole.
struct Reads {
    inner: MemorySource,
    whole: AtomicUsize,
}

impl SpanSource for Reads {
    fn name(&self) -> String {
        self.inner.name()
    }

    fn revision(&self) -> u64 {
        self.inner.revision()
    }

    fn extent(&self) -> Option<TimeRange> {
        self.inner.extent()
    }

    fn trace(&self, id: TraceId, control: &QueryControl) -> Result<Option<Trace>, SourceError> {
        self.whole.fetch_add(1, Ordering::Relaxed);
        self.inner.trace(id, control)
    }

    fn traces(&self, request: &TraceRequest, control: &QueryControl) -> Result<TraceList, SourceError> {
        self.inner.traces(request, control)
    }

    fn services(&self, range: TimeRange, parts: usize, control: &QueryControl) -> Result<Vec<ServiceSummary>, SourceError> {
        self.inner.services(range, parts, control)
    }

    fn runs(&self, control: &QueryControl) -> Result<Vec<Run>, SourceError> {
        self.inner.runs(control)
    }

    fn operations(&self, service: &str, control: &QueryControl) -> Result<Vec<ValueCount>, SourceError> {
        self.inner.operations(service, control)
    }

    fn attribute_keys(&self, scope: AttrScope, control: &QueryControl) -> Result<Vec<ValueCount>, SourceError> {
        self.inner.attribute_keys(scope, control)
    }

    fn values(&self, field: &Field, limit: usize, control: &QueryControl) -> Result<Vec<ValueCount>, SourceError> {
        self.inner.values(field, limit, control)
    }
}

const TRACES: u64 = 60;

/// Traces of three root services and two root names; every seventh has lost its root.
fn source() -> Reads {
    let mut spans = Vec::new();
    for trace in 1..=TRACES {
        let (services, names) = (["web", "cart", "batch"], ["GET /", "POST /"]);
        let span = |at: u64, parent: u64, service: &str, name: &str| {
            let mut attributes = Attributes::default();
            attributes.push("n", (trace % 5) as i64);
            Span {
                trace_id: TraceId::from_halves(3, trace),
                span_id: SpanId::from(trace * 10 + at),
                parent: SpanId::from(parent).non_zero(),
                name: name.into(),
                start: UnixNanos((trace * 1_000 + at) as i64),
                end: Some(UnixNanos((trace * 1_000 + at + 10) as i64)),
                attributes,
                resource: Arc::new(Resource::service(service)),
                ..Span::default()
            }
        };
        if !trace.is_multiple_of(7) {
            spans.push(span(1, 0, services[trace as usize % 3], names[trace as usize % 2]));
        }
        // The other services stand below, so that the service of a span is not that of the root.
        spans.push(span(2, trace * 10 + 1, services[(trace as usize + 1) % 3], "GET /"));
    }
    Reads { inner: MemorySource::new("test", &SpanBatch::from_spans(&spans)), whole: AtomicUsize::new(0) }
}

/// Traces that a query selects by evaluating it on each, with the number of spans selected; newest first.
fn naive(source: &Reads, query: &Query) -> Vec<(TraceId, u32)> {
    let control = QueryControl::default();
    let all = source.inner.traces(&TraceRequest { limit: 0, ..TraceRequest::default() }, &control).unwrap();
    let found = all.traces.iter().filter_map(|summary| {
        let trace = source.inner.trace(summary.trace_id, &control).unwrap().unwrap();
        let sets = query.matches(&trace.spans).unwrap();
        (!sets.is_empty()).then(|| (summary.trace_id, sets.iter().map(|set| set.spans.len() as u32).sum()))
    });
    found.collect()
}

#[test]
fn root_conditions_find_what_the_evaluator_finds_and_read_only_what_else_must_be_evaluated() {
    // The query, and at most how many traces it may read whole.
    let cases = [
        ("rootServiceName = cart", 0),
        ("rootServiceName = cart and rootName = \"GET /\"", 0),
        ("{ rootName = \"POST /\" && rootServiceName = \"web\" }", 0),
        ("{ \"web\" = rootServiceName }", 0),
        ("{ rootServiceName = \"web\" && rootServiceName = \"cart\" }", 0),
        ("{ rootServiceName = \"nobody\" }", 0),
        ("{ rootName = \"\" }", 0),
        ("{ rootServiceName = \"web\" } | select(.n)", 0),
        ("{ rootServiceName = \"web\" && .n = 1 }", 20),
        ("{ .n = 1 } && { rootServiceName = \"web\" }", 20),
        ("{ rootServiceName = \"web\" } >> { .n > 1 }", 20),
        ("{ rootServiceName = \"web\" } !>> { .n > 1 }", 60),
        ("{ rootServiceName = \"web\" } | count() > 1", 20),
        ("{ rootServiceName = \"web\" || .n = 1 }", 60),
        ("{ rootServiceName != \"web\" }", 60),
        ("{ rootServiceName = \"web\" } || { .n = 1 }", 60),
        ("{ !(rootServiceName = \"web\") }", 60),
    ];
    for (text, most) in cases {
        let source = source();
        let query = parse(text).unwrap();
        let request = TraceRequest { limit: 0, ..TraceRequest::default() };
        let found = query.run(&source, &request, &QueryControl::default()).unwrap();
        let ids: Vec<_> = found.traces.iter().map(|found| (found.summary.trace_id, found.summary.matched)).collect();
        assert_eq!(ids, naive(&source, &query), "{text}");
        assert_eq!(found.total, ids.len() as u64, "{text}");
        let read = source.whole.load(Ordering::Relaxed);
        assert!(read <= most, "{text} read {read} traces");
        let few = query.run(&source, &TraceRequest { limit: 3, ..TraceRequest::default() }, &QueryControl::default()).unwrap();
        assert_eq!((few.traces.len(), few.total), (ids.len().min(3), ids.len() as u64), "{text}");
    }
}

#[test]
fn a_range_and_a_condition_of_the_caller_still_count() {
    let source = source();
    let query = parse("rootServiceName = cart").unwrap();
    let range = TimeRange { start: UnixNanos(30_000), end: UnixNanos(60_000) };
    let predicate = crate::source::Predicate::equals(Field::Service, "batch");
    let request = TraceRequest { range, predicate, limit: 0, ..TraceRequest::default() };
    let found = query.run(&source, &request, &QueryControl::default()).unwrap();
    let ids: Vec<u64> = found.traces.iter().map(|found| found.summary.start.0 as u64 / 1_000).collect();
    let expected: Vec<u64> = (30..60).rev().filter(|trace| trace % 3 == 1 && trace % 7 != 0).collect();
    assert_eq!(ids, expected);
}
