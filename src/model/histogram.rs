//! A native histogram sample, as Prometheus has it (schemas -4 to 8, and -53 for custom bucket bounds), in floats.
//!
//! Arithmetic, quantiles and merging live with the query engine; this is the plain data that codecs, the store and the
//! engine share. Buckets are absolute counts, not deltas.

use std::sync::Arc;

/// The schema of histograms whose bucket bounds stand in [`FloatHistogram::custom_values`].
pub const CUSTOM_BUCKETS_SCHEMA: i32 = -53;

/// What is known of a counter reset between the sample before and this one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ResetHint {
    /// Nothing: it is found by comparing.
    #[default]
    Unknown,
    /// There was one.
    Reset,
    /// There was none.
    NotReset,
    /// The histogram is a gauge: it knows no resets.
    Gauge,
}

/// Consecutive buckets: how many are skipped before them, and how many there are.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct BucketSpan {
    /// Gap to the span before; of the first span, the index of its first bucket.
    pub offset: i32,
    /// Buckets.
    pub length: u32,
}

/// One histogram sample.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct FloatHistogram {
    /// Counter reset hint.
    pub reset: ResetHint,
    /// Resolution: the base is `2^(2^-schema)`; or [`CUSTOM_BUCKETS_SCHEMA`].
    pub schema: i32,
    /// Observations of at most this absolute value count as zero.
    pub zero_threshold: f64,
    /// Observations counted as zero.
    pub zero_count: f64,
    /// All observations, NaN ones included.
    pub count: f64,
    /// Sum of observations.
    pub sum: f64,
    /// Spans of positive buckets (index i is `(base^(i-1), base^i]`; custom: `(bound[i-1], bound[i]]`).
    pub positive_spans: Vec<BucketSpan>,
    /// Counts of the positive buckets that the spans name.
    pub positive_buckets: Vec<f64>,
    /// Spans of negative buckets.
    pub negative_spans: Vec<BucketSpan>,
    /// Counts of the negative buckets.
    pub negative_buckets: Vec<f64>,
    /// Upper bounds of custom buckets, `+Inf` left out; empty for other schemas.
    pub custom_values: Arc<[f64]>,
}

impl FloatHistogram {
    /// True when bucket bounds are custom.
    pub fn has_custom_buckets(&self) -> bool {
        self.schema == CUSTOM_BUCKETS_SCHEMA
    }
}
