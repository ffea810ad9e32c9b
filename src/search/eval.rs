//! Evaluates a pipeline over the spans of one trace.

mod expr;
mod pipeline;
mod structure;

pub use pipeline::Spanset;
pub(super) use structure::TraceContext;

use super::ast::Pipeline;

/// Why a query failed while it ran.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvalError {
    /// An operator met a value it cannot take.
    #[error("{0}")]
    Type(String),
    /// Integer division by zero.
    #[error("division by zero")]
    DivisionByZero,
    /// A structural operator over groups.
    #[error("a structural operator needs one spanset on each side; add coalesce() after by()")]
    Groups,
}

/// The spansets that are left at the end of the pipeline; empty when the trace does not match.
pub(super) fn evaluate(pipeline: &Pipeline, trace: &TraceContext<'_>) -> Result<Vec<Spanset>, EvalError> {
    let all = Spanset::of((0..trace.batch.len() as u32).collect());
    pipeline::run(pipeline, trace, vec![all])
}
