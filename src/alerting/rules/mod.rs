//! Rules: files of recording and alerting rules, and what an evaluation makes of a query's answer.
//!
//! - [`mod@file`] reads Prometheus' rule files strictly, with the place of every mistake, and writes them back;
//! - [`lint`] finds what is allowed and still wrong;
//! - [`state`] the state machine of one alerting rule, and recording rules;
//! - [`group`] a group's rules in their order: what is written, what is sent, what became stale, and when it is due;
//! - [`restore`] what is kept of waiting alerts over a restart or an outage.
//!
//! Queries are answered by whoever calls: a function from an expression and a moment to samples.

pub mod file;
pub mod group;
pub mod lint;
pub mod restore;
pub mod state;

use crate::model::{Labels, SampleValue, UnixNanos};

/// A sample of a query's answer.
#[derive(Clone, PartialEq, Debug)]
pub struct QuerySample {
    /// Labels.
    pub labels: Labels,
    /// A number or a histogram.
    pub value: SampleValue,
}

/// Answers an expression at a moment; a scalar is one sample without labels.
pub type RuleQuery<'a> = dyn Fn(&str, UnixNanos) -> Result<Vec<QuerySample>, String> + 'a;

/// A sample that a rule writes.
#[derive(Clone, PartialEq, Debug)]
pub struct RuleSample {
    /// Labels, the metric's name among them.
    pub labels: Labels,
    /// Milliseconds since 1970.
    pub time_ms: i64,
    /// The value, or the stale marker.
    pub value: SampleValue,
}
