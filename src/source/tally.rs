//! Sums over spans that every source with its spans at hand works out the same way.

use super::predicate::AttrScope;
use super::{ServiceSummary, TimeRange, TraceList, TraceOrder, TraceRequest, ValueCount};
use crate::model::{AttrsRef, DurationNs, ResourceRef, SpanKind, SpanRef, TraceSummary};
use smol_str::{SmolStr, ToSmolStr as _};
use std::collections::{BTreeMap, HashMap};

/// Sorts summaries in the order asked for and cuts them; shared by every source that has its summaries at hand.
pub(crate) fn order_and_cut(mut traces: Vec<TraceSummary>, request: &TraceRequest) -> TraceList {
    let total = traces.len() as u64;
    traces.sort_by(|a, b| {
        match request.order {
            TraceOrder::Newest => b.start.cmp(&a.start),
            TraceOrder::Longest => b.duration.cmp(&a.duration),
            TraceOrder::MostSpans => b.spans.cmp(&a.spans),
            TraceOrder::MostErrors => b.errors.cmp(&a.errors),
            TraceOrder::Oldest => a.start.cmp(&b.start),
            TraceOrder::Shortest => a.duration.cmp(&b.duration),
            TraceOrder::FewestSpans => a.spans.cmp(&b.spans),
            TraceOrder::FewestErrors => a.errors.cmp(&b.errors),
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

    /// The sums so far with the durations of requests, for a source that adds sums of its own.
    #[cfg(feature = "headless")]
    pub(crate) fn into_parts(self) -> BTreeMap<SmolStr, (ServiceSummary, Vec<i64>)> {
        self.services
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
    run_of_resource(span.resource())
}

/// As [`run_of`], of all spans of a resource.
pub(crate) fn run_of_resource(resource: ResourceRef<'_>) -> (SmolStr, SmolStr, SmolStr) {
    let attrs = resource.attrs();
    let text = |key: &str| attrs.get(key).map(|value| value.to_smolstr()).unwrap_or_default();
    let mut instance = text("service.instance.id");
    if instance.is_empty() {
        let (host, pid) = (text("host.name"), text("process.pid"));
        if !host.is_empty() || !pid.is_empty() {
            instance = smol_str::format_smolstr!("{host}:{pid}");
        }
    }
    (resource.service().into(), instance, text("service.version"))
}

/// Counts as a list, most first, at most `limit` (0 is all).
pub(crate) fn most_first(counts: HashMap<SmolStr, u64>, limit: usize) -> Vec<ValueCount> {
    let mut list: Vec<_> = counts.into_iter().map(|(value, spans)| ValueCount { value, spans }).collect();
    list.sort_by(|a, b| b.spans.cmp(&a.spans).then_with(|| a.value.cmp(&b.value)));
    if limit > 0 {
        list.truncate(limit);
    }
    list
}

/// Shows `add` every attribute key of a span in a scope.
pub(crate) fn each_key(span: SpanRef<'_>, scope: AttrScope, mut add: impl FnMut(&str)) {
    let mut all = |attrs: AttrsRef<'_>| attrs.iter().for_each(|(key, _)| add(key));
    match scope {
        AttrScope::Any => {
            all(span.attrs());
            all(span.resource().attrs());
        }
        AttrScope::Span => all(span.attrs()),
        AttrScope::Resource => all(span.resource().attrs()),
        AttrScope::Scope => all(span.scope().attrs()),
        AttrScope::Event => span.events().for_each(|event| all(event.attrs())),
        AttrScope::Link => span.links().for_each(|link| all(link.attrs())),
    }
}
