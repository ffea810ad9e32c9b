//! What stored traces say, as objects: `belvedere analyze`, `compare` and `diff`, and the same under `/belvedere/v1/`.
//!
//! The questions are those of [`crate::engine::insight`]; here their answers become JSON.

use super::objects::{Analysis, Compared, Diffed};
use crate::analysis::{Paths, diff as diff_paths};
use crate::engine::insight;
pub use crate::engine::insight::{Side, side_paths};
use crate::search::SearchError;
use crate::source::{QueryControl, SpanSource, TimeRange};

/// Findings over the traces that match; over all with an empty expression.
pub fn analyze(source: &dyn SpanSource, expression: &str, control: &QueryControl) -> Result<Analysis, SearchError> {
    Ok(Analysis::from(insight::findings(source, expression, TimeRange::ALL, control)?.found))
}

/// What sets the spans that `inside` selects apart from those that `against` selects; without it, from the other spans of
/// the same operations.
pub fn compare(
    source: &dyn SpanSource,
    inside: &str,
    against: Option<&str>,
    control: &QueryControl,
) -> Result<Compared, SearchError> {
    Ok(Compared::from(insight::compare(source, inside, against, control)?))
}

/// Two traces or two selections of a source, matched by path.
pub fn diff(source: &dyn SpanSource, a: &Side, b: &Side, control: &QueryControl) -> Result<Diffed, SearchError> {
    Ok(diff_sides(&side_paths(source, a, control)?, &side_paths(source, b, control)?))
}

/// Two sides that are merged already.
pub fn diff_sides(a: &Paths, b: &Paths) -> Diffed {
    Diffed::from(diff_paths(a, b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Attributes, Resource, Span, SpanBatch, SpanId, Status, StatusCode, TraceId, UnixNanos};
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
