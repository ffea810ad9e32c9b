//! Evaluation: series by series over a range of steps.
//!
//! A selector's series are decoded one at a time into a reused column; functions over ranges slide a window of two indices
//! along it, and aggregations fold each series into their groups. An instant query is a range of one step. Times are
//! milliseconds. Semantics are those of Prometheus 3.16.

mod aggregate;
mod answer;
mod binary;
mod classic;
mod engine;
mod extended;
mod fused;
mod info;
mod instant;
mod labels;
mod numbers;
mod plan;
mod range;
mod rate;
mod row;
mod select;
#[cfg(test)]
mod tests;
mod window;

pub use answer::{Answer, Evaluated, Stats, VectorSample};
pub use engine::evaluate;
pub use row::MatrixSeries;

use crate::source::SourceError;

/// When a query is evaluated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum When {
    /// At one moment, in milliseconds.
    Instant(i64),
    /// From `start` to `end`, both included, every `step` milliseconds (more than zero).
    Range {
        /// First step.
        start: i64,
        /// No step is later.
        end: i64,
        /// Milliseconds.
        step: i64,
    },
}

/// How queries are evaluated. The default is that of a Prometheus server without feature flags.
#[derive(Clone, Debug)]
pub struct Options {
    /// How far back a sample stands for now, in milliseconds.
    pub lookback_ms: i64,
    /// Samples in memory at once, at most.
    pub max_samples: u64,
    /// Milliseconds until a query is given up; 0 is never.
    pub timeout_ms: u64,
    /// Names are dropped when the whole query is done (feature `promql-delayed-name-removal`).
    pub delayed_name_removal: bool,
    /// Start times of samples tell counter resets (feature `use-start-timestamps`).
    pub start_timestamps: bool,
    /// `__type__` tells counters (feature `type-and-unit-labels`).
    pub type_and_unit_labels: bool,
    /// Step of subqueries without one, in milliseconds.
    pub subquery_step_ms: i64,
    /// Threads that large scans are shared by.
    pub threads: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            lookback_ms: 300_000,
            max_samples: 50_000_000,
            timeout_ms: 120_000,
            delayed_name_removal: false,
            start_timestamps: false,
            type_and_unit_labels: false,
            subquery_step_ms: 60_000,
            threads: 2,
        }
    }
}

/// Why a query has no answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum EvalError {
    /// The query cannot be asked this way.
    #[error("{0}")]
    Invalid(String),
    /// The query met data that it is not defined for.
    #[error("{0}")]
    Execution(String),
    /// More samples than allowed.
    #[error("query processing would load too many samples into memory in query execution")]
    TooManySamples,
    /// Took too long.
    #[error("query timed out in expression evaluation")]
    Timeout,
    /// The asker gave up.
    #[error("query was canceled in expression evaluation")]
    Canceled,
    /// The source failed.
    #[error("expanding series: {0}")]
    Source(SourceError),
}

impl From<SourceError> for EvalError {
    fn from(error: SourceError) -> Self {
        match error {
            SourceError::Cancelled => Self::Canceled,
            error => Self::Source(error),
        }
    }
}

type Evaluate<T> = Result<T, EvalError>;

fn failed<T>(message: impl Into<String>) -> Evaluate<T> {
    Err(EvalError::Execution(message.into()))
}
