//! A source over spans in memory: an opened file, a paste, a test.
//!
//! Read-only and complete from the start, so every answer is a walk; the largest file that opens holds some million spans,
//! which a walk of the fixed rows answers in tens of milliseconds.

use super::predicate::{AttrScope, Field, Predicate};
use super::tally::{ServiceTally, each_key, most_first, order_and_cut, run_of};
use super::{QueryControl, Run, ServiceSummary, SourceError, SpanSource, TimeRange, TraceList, TraceRequest, ValueCount};
use crate::model::trace::summarise;
use crate::model::{DurationNs, SpanBatch, SpanBatchBuilder, SpanRef, Trace, TraceId, TraceSummary};
use smol_str::{SmolStr, ToSmolStr as _};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Spans between two looks at the cancellation flag.
const CHECK_EVERY: usize = 8_192;

/// See the module comment.
pub struct MemorySource {
    name: String,
    traces: Vec<(Trace, TraceSummary)>,
    by_id: HashMap<TraceId, usize>,
    extent: Option<TimeRange>,
}

impl MemorySource {
    /// Splits spans into their traces.
    pub fn new(name: impl Into<String>, spans: &SpanBatch) -> Self {
        let mut members: BTreeMap<TraceId, Vec<usize>> = BTreeMap::new();
        for (index, span) in spans.spans.iter().enumerate() {
            members.entry(span.trace_id).or_default().push(index);
        }
        let mut traces = Vec::with_capacity(members.len());
        for (id, mut indices) in members {
            indices.sort_by_key(|index| spans.spans[*index].start);
            let mut builder = SpanBatchBuilder::default();
            builder.copy(spans, indices);
            let batch = Arc::new(builder.finish());
            if let Some(summary) = summarise(&batch) {
                traces.push((Trace::new(id, batch), summary));
            }
        }
        let by_id = traces.iter().enumerate().map(|(at, (trace, _))| (trace.id, at)).collect();
        let start = traces.iter().map(|(_, summary)| summary.start).min();
        let end = traces.iter().map(|(_, summary)| summary.start + summary.duration + DurationNs(1)).max();
        let extent = start.zip(end).map(|(start, end)| TimeRange { start, end });
        Self { name: name.into(), traces, by_id, extent }
    }

    /// Number of traces.
    pub fn trace_count(&self) -> usize {
        self.traces.len()
    }

    fn each_span(&self, control: &QueryControl, mut visit: impl FnMut(SpanRef<'_>)) -> Result<(), SourceError> {
        let mut seen = 0_usize;
        for (trace, _) in &self.traces {
            for span in trace.spans.iter() {
                if seen.is_multiple_of(CHECK_EVERY) {
                    control.check()?;
                }
                seen += 1;
                visit(span);
            }
        }
        Ok(())
    }
}

impl SpanSource for MemorySource {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn revision(&self) -> u64 {
        0
    }

    fn extent(&self) -> Option<TimeRange> {
        self.extent
    }

    fn trace(&self, id: TraceId, _: &QueryControl) -> Result<Option<Trace>, SourceError> {
        Ok(self.by_id.get(&id).map(|at| self.traces[*at].0.clone()))
    }

    fn traces(&self, request: &TraceRequest, control: &QueryControl) -> Result<TraceList, SourceError> {
        let mut found = Vec::new();
        for (trace, summary) in &self.traces {
            control.check()?;
            if !request.range.overlaps(summary.start, summary.start + summary.duration) {
                continue;
            }
            let matched = match &request.predicate {
                Predicate::All => summary.spans,
                predicate => trace.spans.iter().filter(|span| predicate.matches(*span)).count() as u32,
            };
            if matched > 0 {
                found.push(TraceSummary { matched, ..summary.clone() });
            }
        }
        Ok(order_and_cut(found, request))
    }

    fn services(&self, range: TimeRange, parts: usize, control: &QueryControl) -> Result<Vec<ServiceSummary>, SourceError> {
        let shown = if range == TimeRange::ALL { self.extent.unwrap_or(range) } else { range };
        let mut tally = ServiceTally::default();
        self.each_span(control, |span| {
            if range.contains(span.start()) {
                tally.add(span, shown, parts);
            }
        })?;
        Ok(tally.finish())
    }

    fn runs(&self, control: &QueryControl) -> Result<Vec<Run>, SourceError> {
        let mut runs: HashMap<(SmolStr, SmolStr, SmolStr), Run> = HashMap::new();
        self.each_span(control, |span| {
            let key = run_of(span);
            let run = runs.entry(key.clone()).or_insert_with(|| Run {
                service: key.0,
                instance: key.1,
                version: key.2,
                first_seen: span.start(),
                last_seen: span.start(),
                spans: 0,
            });
            run.first_seen = run.first_seen.min(span.start());
            run.last_seen = run.last_seen.max(span.start());
            run.spans += 1;
        })?;
        let mut runs: Vec<_> = runs.into_values().collect();
        runs.sort_by(|a, b| b.last_seen.cmp(&a.last_seen).then_with(|| a.service.cmp(&b.service)));
        Ok(runs)
    }

    fn operations(&self, service: &str, control: &QueryControl) -> Result<Vec<ValueCount>, SourceError> {
        let mut counts: HashMap<SmolStr, u64> = HashMap::new();
        self.each_span(control, |span| {
            if service.is_empty() || span.service() == service {
                *counts.entry(span.name().into()).or_default() += 1;
            }
        })?;
        Ok(most_first(counts, 0))
    }

    fn attribute_keys(&self, scope: AttrScope, control: &QueryControl) -> Result<Vec<ValueCount>, SourceError> {
        let mut counts: HashMap<SmolStr, u64> = HashMap::new();
        self.each_span(control, |span| each_key(span, scope, |key| *counts.entry(key.into()).or_default() += 1))?;
        Ok(most_first(counts, 0))
    }

    fn values(&self, field: &Field, limit: usize, control: &QueryControl) -> Result<Vec<ValueCount>, SourceError> {
        let mut counts: HashMap<SmolStr, u64> = HashMap::new();
        self.each_span(control, |span| {
            field.each_value(span, &mut |value| {
                *counts.entry(value.to_smolstr()).or_default() += 1;
                false
            });
        })?;
        Ok(most_first(counts, limit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Resource, Span, SpanId, UnixNanos};

    fn spans() -> SpanBatch {
        let span = |trace: u8, id: u64, start: i64, service: &str| Span {
            trace_id: TraceId([trace; 16]),
            span_id: SpanId::from(id),
            name: "op".into(),
            start: UnixNanos(start),
            end: Some(UnixNanos(start + 10)),
            resource: Arc::new(Resource::service(service)),
            ..Span::default()
        };
        SpanBatch::from_spans(&[span(1, 1, 0, "a"), span(2, 2, 100, "b"), span(1, 3, 5, "b")])
    }

    #[test]
    fn traces_are_split_listed_and_filtered() {
        let source = MemorySource::new("file", &spans());
        let control = QueryControl::default();
        let all = source.traces(&TraceRequest::default(), &control).unwrap();
        assert_eq!(all.total, 2);
        assert_eq!(all.traces[0].trace_id, TraceId([2; 16]), "newest first");
        let request = TraceRequest { predicate: Predicate::equals(Field::Service, "a"), ..TraceRequest::default() };
        let found = source.traces(&request, &control).unwrap();
        assert_eq!((found.total, found.traces[0].spans, found.traces[0].matched), (1, 2, 1));
        assert_eq!(source.trace(TraceId([1; 16]), &control).unwrap().unwrap().len(), 2);
    }

    #[test]
    fn services_are_summed_over_the_range() {
        let source = MemorySource::new("file", &spans());
        let services = source.services(TimeRange::ALL, 2, &QueryControl::default()).unwrap();
        assert_eq!(services.len(), 2);
        assert_eq!((services[1].service.as_str(), services[1].spans, services[1].p95), ("b", 2, DurationNs(10)));
        assert_eq!(services[1].spark, [1, 1]);
    }

    #[test]
    fn a_cancelled_query_says_so() {
        let control = QueryControl::default();
        control.cancel();
        let answer = MemorySource::new("file", &spans()).operations("", &control);
        assert!(matches!(answer, Err(SourceError::Cancelled)));
    }
}
