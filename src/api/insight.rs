//! What stored traces say, as objects: `belvedere analyze`, `compare` and `diff`, and the same under `/belvedere/v1/`.
//!
//! Each walks traces one by one with the memory of one, newest first, [`MOST_TRACES`] at most.

use super::jaeger::read_trace_id;
use super::objects::{Analysis, Compared, Diffed};
use crate::analysis::{Comparer, Finder, Paths, Tree, TreeInput, diff as diff_paths};
use crate::model::{SpanBatch, Trace, TraceId};
use crate::search::{Query, SearchError, parse};
use crate::source::{QueryControl, SpanSource, TraceRequest};
use smol_str::SmolStr;
use std::collections::HashSet;

/// Traces that one question looks at, the newest of those that match.
pub const MOST_TRACES: usize = 20_000;

/// Findings over the traces that match; over all with an empty expression.
pub fn analyze(source: &dyn SpanSource, expression: &str, control: &QueryControl) -> Result<Analysis, SearchError> {
    let query = parse(expression)?;
    let mut finder = Finder::default();
    each_trace(source, &query, control, |trace| {
        finder.add(trace.id, &trace.spans, &Tree::build(&trace.spans, &TreeInput::default()));
        Ok(())
    })?;
    Ok(Analysis::from(finder.finish()))
}

/// What sets the spans that `inside` selects apart from those that `against` selects; without it, from the other spans of
/// the same operations.
pub fn compare(
    source: &dyn SpanSource,
    inside: &str,
    against: Option<&str>,
    control: &QueryControl,
) -> Result<Compared, SearchError> {
    let inside = parse(inside)?;
    let mut comparer = Comparer::default();
    match against {
        Some(against) => {
            let against = parse(against)?;
            for (query, is_inside) in [(&inside, true), (&against, false)] {
                each_trace(source, query, control, |trace| {
                    let chosen = selected(query, &trace.spans)?;
                    chosen.into_iter().for_each(|at| comparer.add(trace.spans.span(at as usize), is_inside));
                    Ok(())
                })?;
            }
        }
        None => {
            let mut operations: HashSet<(SmolStr, SmolStr)> = HashSet::new();
            each_trace(source, &inside, control, |trace| {
                for at in selected(&inside, &trace.spans)? {
                    let span = trace.spans.span(at as usize);
                    operations.insert((span.service().into(), span.name().into()));
                }
                Ok(())
            })?;
            each_trace(source, &parse("")?, control, |trace| {
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
    Ok(Compared::from(comparer.finish()))
}

/// One side of a difference.
#[derive(Clone, Debug, PartialEq)]
pub enum Side {
    /// One trace.
    Trace(TraceId),
    /// Every trace that matches.
    Selection(String),
}

impl Side {
    /// What a word on the command line or in the API stands for: a trace id, else an expression.
    pub fn of(text: &str) -> Self {
        let id = read_trace_id(text).ok().filter(|_| text.len() == 32 || text.len() == 16);
        id.map_or_else(|| Self::Selection(text.to_owned()), Self::Trace)
    }
}

/// Two traces or two selections of a source, matched by path.
pub fn diff(source: &dyn SpanSource, a: &Side, b: &Side, control: &QueryControl) -> Result<Diffed, SearchError> {
    Ok(diff_sides(&side_paths(source, a, control)?, &side_paths(source, b, control)?))
}

/// Two sides that are merged already.
pub fn diff_sides(a: &Paths, b: &Paths) -> Diffed {
    Diffed::from(diff_paths(a, b))
}

/// A side merged by path; empty when nothing is there.
pub fn side_paths(source: &dyn SpanSource, side: &Side, control: &QueryControl) -> Result<Paths, SearchError> {
    let mut paths = Paths::default();
    let mut add = |trace: &Trace| paths.add(trace.id, &trace.spans, &Tree::build(&trace.spans, &TreeInput::default()));
    match side {
        Side::Trace(id) => source.trace(*id, control)?.iter().for_each(add),
        Side::Selection(expression) => each_trace(source, &parse(expression)?, control, |trace| {
            add(trace);
            Ok(())
        })?,
    }
    Ok(paths)
}

fn each_trace(
    source: &dyn SpanSource,
    query: &Query,
    control: &QueryControl,
    mut visit: impl FnMut(&Trace) -> Result<(), SearchError>,
) -> Result<(), SearchError> {
    let request = TraceRequest { limit: MOST_TRACES, ..TraceRequest::default() };
    let found = query.run(source, &request, control)?;
    let of = found.traces.len() as u64;
    for (done, found) in found.traces.iter().enumerate() {
        control.check()?;
        control.progress(done as u64, of);
        if let Some(trace) = source.trace(found.summary.trace_id, control)? {
            visit(&trace)?;
        }
    }
    Ok(())
}

fn selected(query: &Query, spans: &SpanBatch) -> Result<HashSet<u32>, SearchError> {
    Ok(query.matches(spans)?.into_iter().flat_map(|set| set.spans).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Attributes, Resource, Span, SpanId, Status, StatusCode, UnixNanos};
    use crate::source::MemorySource;
    use std::sync::Arc;

    fn source() -> MemorySource {
        let span = |trace: u64| {
            let bad = trace.is_multiple_of(4);
            let mut attributes = Attributes::default();
            attributes.push("app.tenant", if bad { "dune" } else { ["acme", "blue"][trace as usize % 2] });
            Span {
                trace_id: TraceId::from_halves(1, trace + 1),
                span_id: SpanId::from(trace + 1),
                name: "GET /cart".into(),
                start: UnixNanos(trace as i64 * 1_000_000),
                end: Some(UnixNanos(trace as i64 * 1_000_000 + if bad { 900_000 } else { 100_000 })),
                status: Status { code: if bad { StatusCode::Error } else { StatusCode::Unset }, ..Status::default() },
                attributes,
                resource: Arc::new(Resource::service("cart")),
                ..Span::default()
            }
        };
        MemorySource::new("test", &SpanBatch::from_spans(&(0..200).map(span).collect::<Vec<_>>()))
    }

    #[test]
    fn failing_spans_are_compared_with_the_others_of_their_operation() {
        let answer = compare(&source(), "status = error", None, &QueryControl::default()).unwrap();
        assert_eq!((answer.inside, answer.outside), (50, 150));
        let tenant = answer.differences.iter().find(|difference| difference.key == "app.tenant").unwrap();
        assert_eq!((tenant.scope.as_str(), tenant.value.as_str(), tenant.inside_share), ("span", "dune", 1.0));
    }

    #[test]
    fn two_selections_are_compared_with_each_other() {
        let answer = compare(&source(), "app.tenant = acme", Some("app.tenant = blue"), &QueryControl::default()).unwrap();
        assert_eq!((answer.inside, answer.outside), (50, 100));
    }

    #[test]
    fn findings_are_ranked_from_one_and_name_the_tenant() {
        let answer = analyze(&source(), "", &QueryControl::default()).unwrap();
        assert_eq!(answer.findings[0].rank, 1);
        assert!(answer.findings.iter().any(|finding| finding.kind == "slow_for" && finding.value == "dune"), "{answer:?}");
    }

    #[test]
    fn two_selections_differ_by_path() {
        let side = |text: &str| Side::Selection(text.to_owned());
        let answer = diff(&source(), &side("app.tenant = blue"), &side("app.tenant = dune"), &QueryControl::default()).unwrap();
        assert_eq!(answer.rows.len(), 1);
        assert_eq!((answer.rows[0].path.as_str(), answer.rows[0].duration_ns_a), ("cart: GET /cart", 100_000));
        assert_eq!(answer.rows[0].duration_ns_b, 900_000);
        assert!(diff(&source(), &side("= bad"), &side(""), &QueryControl::default()).is_err());
    }
}
