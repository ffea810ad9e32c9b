//! The JSON objects of what stored traces say: findings, differences, paths. Additive only.

use crate::analysis::{Comparison, DiffRow, Difference, Finding};
use serde::{Deserialize, Serialize};

/// One finding of `belvedere analyze`.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct FindingObject {
    /// From 1, costliest first.
    pub rank: u64,
    /// Kind, `n_plus_one` and so on.
    pub kind: String,
    /// Service it is about; for calls the caller.
    pub service: String,
    /// Span name it is about.
    pub operation: String,
    /// Attribute that sets it apart, or what `value` is; empty without one.
    pub key: String,
    /// Its value.
    pub value: String,
    /// How often.
    pub count: u64,
    /// Ids of some traces that show it.
    pub traces: Vec<String>,
    /// What it would save over all traces, where time is the cost.
    pub saves_ns: i64,
    /// What happens and what to do, in a sentence.
    pub text: String,
}

/// `belvedere analyze`.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct Analysis {
    /// Costliest first.
    pub findings: Vec<FindingObject>,
}

impl From<Vec<Finding>> for Analysis {
    fn from(findings: Vec<Finding>) -> Self {
        let object = |(at, finding): (usize, Finding)| FindingObject {
            rank: at as u64 + 1,
            kind: finding.kind.word().to_owned(),
            service: finding.service.to_string(),
            operation: finding.operation.to_string(),
            key: finding.key.to_string(),
            value: finding.value.to_string(),
            count: finding.count,
            traces: finding.traces.iter().map(ToString::to_string).collect(),
            saves_ns: finding.saves_ns,
            text: finding.text,
        };
        Self { findings: findings.into_iter().enumerate().map(object).collect() }
    }
}

/// One difference of `belvedere compare`.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct DifferenceObject {
    /// `span`, `resource` or `intrinsic`.
    pub scope: String,
    /// Key.
    pub key: String,
    /// Value, or the range of a bin.
    pub value: String,
    /// Share of the spans inside that have it, 0 to 1.
    pub inside_share: f64,
    /// Share of the spans outside that have it, 0 to 1.
    pub outside_share: f64,
    /// At least this much more frequent inside, with 95 % confidence.
    pub score: f64,
}

/// `belvedere compare`.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct Compared {
    /// Spans inside.
    pub inside: u64,
    /// Spans outside.
    pub outside: u64,
    /// Strongest first.
    pub differences: Vec<DifferenceObject>,
}

impl From<Comparison> for Compared {
    fn from(comparison: Comparison) -> Self {
        let object = |difference: Difference| DifferenceObject {
            scope: difference.scope.to_owned(),
            key: difference.key.to_string(),
            value: difference.value.to_string(),
            inside_share: difference.inside_share,
            outside_share: difference.outside_share,
            score: difference.score,
        };
        let Comparison { inside, outside, differences } = comparison;
        Self { inside, outside, differences: differences.into_iter().map(object).collect() }
    }
}

/// One path of `belvedere diff`.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct DiffObject {
    /// Services and span names from the root down.
    pub path: String,
    /// Spans in A.
    pub count_a: u64,
    /// Spans in B.
    pub count_b: u64,
    /// Time in A; of several traces a trace.
    pub duration_ns_a: i64,
    /// Time in B.
    pub duration_ns_b: i64,
    /// Self time in A.
    pub self_ns_a: i64,
    /// Self time in B.
    pub self_ns_b: i64,
}

/// `belvedere diff`.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct Diffed {
    /// Each path under the one above it.
    pub rows: Vec<DiffObject>,
}

impl From<Vec<DiffRow>> for Diffed {
    fn from(rows: Vec<DiffRow>) -> Self {
        let object = |row: DiffRow| DiffObject {
            path: row.path,
            count_a: row.count_a,
            count_b: row.count_b,
            duration_ns_a: row.duration_ns_a,
            duration_ns_b: row.duration_ns_b,
            self_ns_a: row.self_ns_a,
            self_ns_b: row.self_ns_b,
        };
        Self { rows: rows.into_iter().map(object).collect() }
    }
}
