//! Runs a query over a source: narrow by columns, then evaluate what is left.

use super::eval::{Spanset, TraceContext, evaluate};
use super::pushdown::{push_down, roots_of};
use super::{Query, SearchError};
use crate::model::{SpanBatch, TraceSummary};
use crate::source::{Predicate, QueryControl, SpanSource, TraceList, TraceRequest};

/// One trace that matches.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// Its summary; `matched` is the number of spans the query selected.
    pub summary: TraceSummary,
    /// The spansets at the end of the pipeline, one a group. Empty when the source answered by its columns alone.
    pub spansets: Vec<Spanset>,
}

/// An answer to a query.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SearchResult {
    /// In the order asked for, at most the limit.
    pub traces: Vec<Found>,
    /// Traces that match, shown or not.
    pub total: u64,
}

impl Query {
    /// Traces of `source` that match, in the range, order and limit of `request` (whose own predicate is added).
    pub fn run(
        &self,
        source: &dyn SpanSource,
        request: &TraceRequest,
        control: &QueryControl,
    ) -> Result<SearchResult, SearchError> {
        let pushed = push_down(&self.pipeline);
        let predicate = pushed.predicate.and(request.predicate.clone());
        let roots = roots_of(&self.pipeline);
        let limit = if pushed.exact { request.limit } else { 0 };
        // The root is a span of the trace: where nothing else narrows, its service does.
        let predicate = if predicate == Predicate::All { roots.predicate() } else { predicate };
        let mut candidates = source.traces(&TraceRequest { predicate, limit, ..request.clone() }, control)?;
        if pushed.exact {
            let TraceList { traces, total } = candidates;
            let found = |summary| Found { summary, spansets: Vec::new() };
            return Ok(SearchResult { traces: traces.into_iter().map(found).collect(), total });
        }
        candidates.traces.retain(|summary| roots.may_match(summary));
        if roots.alone && request.predicate == Predicate::All {
            let total = candidates.traces.len() as u64;
            if request.limit > 0 {
                candidates.traces.truncate(request.limit);
            }
            let whole = |summary: TraceSummary| TraceSummary { matched: summary.spans, ..summary };
            let found = |summary| Found { summary: whole(summary), spansets: Vec::new() };
            return Ok(SearchResult { traces: candidates.traces.into_iter().map(found).collect(), total });
        }
        let mut result = SearchResult::default();
        let of = candidates.traces.len() as u64;
        for (done, summary) in candidates.traces.into_iter().enumerate() {
            control.check()?;
            control.progress(done as u64, of);
            let Some(trace) = source.trace(summary.trace_id, control)? else { continue };
            let spansets = self.matches(&trace.spans)?;
            if spansets.is_empty() {
                continue;
            }
            result.total += 1;
            if request.limit == 0 || result.traces.len() < request.limit {
                let matched = spansets.iter().map(|set| set.spans.len() as u32).sum();
                result.traces.push(Found { summary: TraceSummary { matched, ..summary }, spansets });
            }
        }
        Ok(result)
    }

    /// The spans of one trace that the query selects; empty when the trace does not match.
    pub fn matches(&self, trace: &SpanBatch) -> Result<Vec<Spanset>, SearchError> {
        Ok(evaluate(&self.pipeline, &TraceContext::new(trace))?)
    }
}
