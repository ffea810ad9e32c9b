//! Unit tests of rules in promtool's format, and what promtool's documentation leaves out: every group is evaluated each
//! `evaluation_interval`, whatever interval it names; an alert test at a time sees the evaluation at the last step before or at
//! it; only firing alerts count, as a set over all groups with that alert; the wait of alerts counts as restored; an
//! evaluation that fails ends its test; an expected NaN matches nothing.
//!
//! - [`mod@file`] the format, [`notation`] of histograms, [`mod@bench`] series in memory under PromQL, [`run`] one test, [`report`] what is told in promtool's words and as JUnit.
//!
//! Series and queries are those of a [`Bench`], which whoever has a query engine provides.

pub mod bench;
pub mod file;
pub mod notation;
pub mod report;
pub mod run;

use crate::alerting::rules::{QuerySample, RuleSample};
use crate::model::{DurationNs, FloatHistogram, Labels, UnixNanos};

/// A store in memory with a query engine over it, empty for each test.
pub trait Bench {
    /// Adds a series in promtool's notation: its samples stand `interval` apart from `start` on.
    fn load(&mut self, series: &str, values: &str, start: UnixNanos, interval: DurationNs) -> Result<(), String>;

    /// Makes the loaded samples up to a moment visible, later ones not yet.
    fn reveal(&mut self, until: UnixNanos);

    /// Stores what rules wrote.
    fn append(&mut self, samples: Vec<RuleSample>);

    /// Answers an expression at a moment; a scalar is one sample without labels.
    fn query(&self, expr: &str, at: UnixNanos) -> Result<Vec<QuerySample>, String>;

    /// Reads a metric as `name{label="value"}`.
    fn metric(&self, text: &str) -> Result<Labels, String>;

    /// Reads one histogram in promtool's notation.
    fn histogram(&self, text: &str) -> Result<FloatHistogram, String>;

    /// Writes a histogram in that notation.
    fn histogram_notation(&self, histogram: &FloatHistogram) -> String;
}
