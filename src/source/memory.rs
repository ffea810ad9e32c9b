//! A source over spans in memory: an opened file, a paste, a test.
//!
//! Read-only and complete from the start, so every answer is a walk; the largest file that opens holds some million spans,
//! which a walk of the fixed rows answers in tens of milliseconds.

use super::predicate::{AttrScope, Field, Predicate};
use super::{
    QueryControl, Run, ServiceSummary, SourceError, SpanSource, TimeRange, TraceList, TraceOrder, TraceRequest, ValueCount,
};
use crate::model::trace::summarise;
use crate::model::{AttrsRef, DurationNs, SpanBatch, SpanBatchBuilder, SpanKind, SpanRef, Trace, TraceId, TraceSummary};
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

/// Sorts summaries in the order asked for and cuts them; shared by every source that has its summaries at hand.
pub(crate) fn order_and_cut(mut traces: Vec<TraceSummary>, request: &TraceRequest) -> TraceList {
    let total = traces.len() as u64;
    traces.sort_by(|a, b| {
        match request.order {
            TraceOrder::Newest => b.start.cmp(&a.start),
            TraceOrder::Longest => b.duration.cmp(&a.duration),
            TraceOrder::MostSpans => b.spans.cmp(&a.spans),
            TraceOrder::MostErrors => b.errors.cmp(&a.errors),
        }
        .then_with(|| a.trace_id.cmp(&b.trace_id))
    });
    if request.limit > 0 {
        traces.truncate(request.limit);
    }
    TraceList { traces, total }
}

/// The `q` quantile (0 to 1) of sorted durations, nearest rank; zero without any.
pub(crate) fn quantile(sorted: &[i64], q: f64) -> DurationNs {
    let rank = (q * sorted.len() as f64).ceil().max(1.0) as usize;
    DurationNs(sorted.get(rank - 1).copied().unwrap_or(0))
}

/// True for spans that count as a request to their service.
pub(crate) fn is_request(span: SpanRef<'_>) -> bool {
    matches!(span.kind(), SpanKind::Server | SpanKind::Consumer) || span.parent().is_none()
}

/// Sums up services over spans, in one pass; shared with the store.
#[derive(Default)]
pub(crate) struct ServiceTally {
    services: BTreeMap<SmolStr, (ServiceSummary, Vec<i64>)>,
}

impl ServiceTally {
    /// Counts one span that lies in `range`.
    pub(crate) fn add(&mut self, span: SpanRef<'_>, range: TimeRange, parts: usize) {
        if !self.services.contains_key(span.service()) {
            let service: SmolStr = span.service().into();
            let summary = ServiceSummary { service: service.clone(), spark: vec![0; parts], ..ServiceSummary::default() };
            self.services.insert(service, (summary, Vec::new()));
        }
        let Some((summary, durations)) = self.services.get_mut(span.service()) else { return };
        summary.spans += 1;
        summary.last_seen = summary.last_seen.max(span.start());
        if !is_request(span) {
            return;
        }
        summary.requests += 1;
        summary.errors += u64::from(span.is_error());
        if span.end().is_some() {
            durations.push(span.duration().0);
        }
        let width = range.end.0.saturating_sub(range.start.0).max(1) as f64;
        let at = (span.start().0.saturating_sub(range.start.0) as f64 / width * parts as f64).max(0.0) as usize;
        if let Some(last) = parts.checked_sub(1) {
            summary.spark[at.min(last)] += 1;
        }
    }

    /// The services by name.
    pub(crate) fn finish(self) -> Vec<ServiceSummary> {
        let finish = |(mut summary, mut durations): (ServiceSummary, Vec<i64>)| {
            durations.sort_unstable();
            summary.p50 = quantile(&durations, 0.5);
            summary.p95 = quantile(&durations, 0.95);
            summary.p99 = quantile(&durations, 0.99);
            summary
        };
        self.services.into_values().map(finish).collect()
    }
}

/// The run a span belongs to: service, instance (`service.instance.id`, else `host.name` and `process.pid`), version.
pub(crate) fn run_of(span: SpanRef<'_>) -> (SmolStr, SmolStr, SmolStr) {
    let attrs = span.resource().attrs();
    let text = |key: &str| attrs.get(key).map(|value| value.to_smolstr()).unwrap_or_default();
    let mut instance = text("service.instance.id");
    if instance.is_empty() {
        let (host, pid) = (text("host.name"), text("process.pid"));
        if !host.is_empty() || !pid.is_empty() {
            instance = smol_str::format_smolstr!("{host}:{pid}");
        }
    }
    (span.service().into(), instance, text("service.version"))
}

fn most_first(counts: HashMap<SmolStr, u64>, limit: usize) -> Vec<ValueCount> {
    let mut list: Vec<_> = counts.into_iter().map(|(value, spans)| ValueCount { value, spans }).collect();
    list.sort_by(|a, b| b.spans.cmp(&a.spans).then_with(|| a.value.cmp(&b.value)));
    if limit > 0 {
        list.truncate(limit);
    }
    list
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
        let mut add = |attrs: AttrsRef<'_>| attrs.iter().for_each(|(key, _)| *counts.entry(key.into()).or_default() += 1);
        self.each_span(control, |span| match scope {
            AttrScope::Any => {
                add(span.attrs());
                add(span.resource().attrs());
            }
            AttrScope::Span => add(span.attrs()),
            AttrScope::Resource => add(span.resource().attrs()),
            AttrScope::Scope => add(span.scope().attrs()),
            AttrScope::Event => span.events().for_each(|event| add(event.attrs())),
            AttrScope::Link => span.links().for_each(|link| add(link.attrs())),
        })?;
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
