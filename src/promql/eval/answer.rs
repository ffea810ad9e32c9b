//! What a query evaluates to, as the API hands it out.

use super::row::MatrixSeries;
use crate::model::{Labels, SampleValue};
use crate::promql::annotation::Notes;

/// One series of an instant vector.
#[derive(Clone, PartialEq, Debug)]
pub struct VectorSample {
    /// What names it.
    pub labels: Labels,
    /// Value.
    pub value: SampleValue,
}

/// A query's value.
#[derive(Clone, Debug)]
pub enum Answer {
    /// A number.
    Scalar(f64),
    /// A text.
    String(String),
    /// A sample a series, in the order of the query.
    Vector(Vec<VectorSample>),
    /// Samples of series, sorted by labels.
    Matrix(Vec<MatrixSeries>),
}

/// What a query cost.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stats {
    /// Samples that the query was made of, those of overlapping windows again and again.
    pub total_samples: u64,
    /// Samples read from the source.
    pub samples_read: u64,
    /// Most samples in memory at once.
    pub peak_samples: u64,
}

/// A query's value with what is to be said about it.
#[derive(Clone, Debug)]
pub struct Evaluated {
    /// The value.
    pub answer: Answer,
    /// Moment of an instant query in milliseconds.
    pub time: i64,
    /// Warnings and infos.
    pub notes: Notes,
    /// Cost.
    pub stats: Stats,
}
