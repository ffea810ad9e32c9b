//! What stored traces say: findings, two sides merged by path, what sets some spans apart from others.
//!
//! The window, the API and the command line ask the same questions. Each walks the traces that match one by one with the
//! memory of one, newest first, [`MOST_TRACES`] at most, reports progress in traces and stops when it is cancelled.

use crate::analysis::{Comparer, Comparison, Finder, Finding, Paths, Tree, TreeInput};
use crate::model::{SpanBatch, SpanId, Trace, TraceId, TraceSummary};
use crate::search::{Query, SearchError, parse};
use crate::source::{Field, Predicate, QueryControl, Run, SpanSource, TimeRange, TraceRequest};
use smol_str::SmolStr;
use std::collections::HashSet;

/// Traces that one question looks at, the newest of those that match.
pub const MOST_TRACES: usize = 20_000;

/// What was found and in how much.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Findings {
    /// Costliest first.
    pub found: Vec<Finding>,
    /// Traces that were looked at.
    pub traces: u64,
    /// Their spans.
    pub spans: u64,
    /// Traces that match, looked at or not.
    pub total: u64,
}

/// Findings over the traces of a range that match; over all with an empty expression.
pub fn findings(
    source: &dyn SpanSource,
    expression: &str,
    range: TimeRange,
    control: &QueryControl,
) -> Result<Findings, SearchError> {
    let (mut finder, mut answer) = (Finder::default(), Findings::default());
    let request = TraceRequest { range, ..TraceRequest::default() };
    answer.total = each_trace(source, &parse(expression)?, request, control, |trace| {
        answer.traces += 1;
        answer.spans += trace.len() as u64;
        finder.add(trace.id, &trace.spans, &tree(trace));
        Ok(())
    })?;
    answer.found = finder.finish();
    Ok(answer)
}

/// The span of a trace that shows a finding: of its service and operation, with its attribute where a span has it; the
/// longest of those. `None` when the trace has no such span.
pub fn span_of(spans: &SpanBatch, finding: &Finding) -> Option<SpanId> {
    let about = |span: &crate::model::SpanRef<'_>| {
        (finding.service.is_empty() || span.service() == finding.service)
            && (finding.operation.is_empty() || span.name() == finding.operation)
    };
    let has = |span: &crate::model::SpanRef<'_>| {
        let own = span.attrs().iter().chain(span.resource().attrs().iter());
        own.into_iter().any(|(key, value)| key == finding.key && value.to_string() == finding.value.as_str())
    };
    let longest = spans.iter().filter(about).max_by_key(|span| (has(span), span.is_error(), span.duration().0));
    longest.map(|span| span.span_id())
}

/// What sets the spans that `inside` selects apart from those that `against` selects; without it, from the other spans of
/// the same operations.
pub fn compare(
    source: &dyn SpanSource,
    inside: &str,
    against: Option<&str>,
    control: &QueryControl,
) -> Result<Comparison, SearchError> {
    let inside = parse(inside)?;
    let mut comparer = Comparer::default();
    let all = TraceRequest::default;
    match against {
        Some(against) => {
            let against = parse(against)?;
            for (query, is_inside) in [(&inside, true), (&against, false)] {
                each_trace(source, query, all(), control, |trace| {
                    let chosen = selected(query, &trace.spans)?;
                    chosen.into_iter().for_each(|at| comparer.add(trace.spans.span(at as usize), is_inside));
                    Ok(())
                })?;
            }
        }
        None => {
            let mut operations: HashSet<(SmolStr, SmolStr)> = HashSet::new();
            each_trace(source, &inside, all(), control, |trace| {
                for at in selected(&inside, &trace.spans)? {
                    let span = trace.spans.span(at as usize);
                    operations.insert((span.service().into(), span.name().into()));
                }
                Ok(())
            })?;
            each_trace(source, &parse("")?, all(), control, |trace| {
                let chosen = selected(&inside, &trace.spans)?;
                for (at, span) in trace.spans.iter().enumerate() {
                    if operations.contains(&(SmolStr::from(span.service()), SmolStr::from(span.name()))) {
                        comparer.add(span, chosen.contains(&(at as u32)));
                    }
                }
                Ok(())
            })?;
        }
    }
    Ok(comparer.finish())
}

/// One side of a difference.
#[derive(Clone, Debug, PartialEq)]
pub enum Side {
    /// One trace.
    Trace(TraceId),
    /// Every trace that matches.
    Selection(String),
    /// Every trace of one life of a service.
    Run(Run),
}

impl Side {
    /// What a word on the command line, in the API or in a field stands for: a trace id of 16 or 32 digits, else an
    /// expression.
    pub fn of(text: &str) -> Self {
        let id = format!("{text:0>32}").parse().ok().filter(|_| text.len() == 32 || text.len() == 16);
        id.map_or_else(|| Self::Selection(text.to_owned()), Self::Trace)
    }
}

/// Calls `visit` with each trace of a side, those that overlap `range`; a single trace whenever it was.
pub fn each_of_side(
    source: &dyn SpanSource,
    side: &Side,
    range: TimeRange,
    control: &QueryControl,
    mut visit: impl FnMut(&Trace) -> Result<(), SearchError>,
) -> Result<(), SearchError> {
    let request = TraceRequest { range, ..TraceRequest::default() };
    match side {
        Side::Trace(id) => source.trace(*id, control)?.iter().try_for_each(visit),
        Side::Selection(expression) => each_trace(source, &parse(expression)?, request, control, visit).map(drop),
        Side::Run(run) => {
            let end = run.last_seen + crate::model::DurationNs(1);
            let range = TimeRange { start: range.start.max(run.first_seen), end: range.end.min(end) };
            let predicate = Predicate::equals(Field::Service, &run.service);
            each_trace(source, &parse("")?, TraceRequest { range, predicate, ..request }, control, &mut visit).map(drop)
        }
    }
}

/// A side merged by path; empty when nothing is there.
pub fn side_paths(source: &dyn SpanSource, side: &Side, control: &QueryControl) -> Result<Paths, SearchError> {
    let mut paths = Paths::default();
    each_of_side(source, side, TimeRange::ALL, control, |trace| {
        paths.add(trace.id, &trace.spans, &tree(trace));
        Ok(())
    })?;
    Ok(paths)
}

/// Summaries of the newest traces that a request finds.
pub(super) fn newest(
    source: &dyn SpanSource,
    request: &TraceRequest,
    control: &QueryControl,
) -> Result<Vec<TraceSummary>, SearchError> {
    Ok(source.traces(request, control)?.traces)
}

pub(super) fn tree(trace: &Trace) -> Tree {
    Tree::build(&trace.spans, &TreeInput::default())
}

/// Visits the newest traces that match and answers how many match.
fn each_trace(
    source: &dyn SpanSource,
    query: &Query,
    request: TraceRequest,
    control: &QueryControl,
    mut visit: impl FnMut(&Trace) -> Result<(), SearchError>,
) -> Result<u64, SearchError> {
    let found = query.run(source, &TraceRequest { limit: MOST_TRACES, ..request }, control)?;
    let of = found.traces.len() as u64;
    for (done, found) in found.traces.iter().enumerate() {
        control.check()?;
        control.progress(done as u64, of);
        if let Some(trace) = source.trace(found.summary.trace_id, control)? {
            visit(&trace)?;
        }
    }
    Ok(found.total)
}

fn selected(query: &Query, spans: &SpanBatch) -> Result<HashSet<u32>, SearchError> {
    Ok(query.matches(spans)?.into_iter().flat_map(|set| set.spans).collect())
}
