//! What is wrong with these traces: patterns inside each, what slow and failing spans have in common, and how well the
//! traces are made.
//!
//! Traces are added one by one; nothing of them is kept but numbers. [`Finder::finish`] ranks the findings by what they
//! cost, as a share of everything that was looked at: time that would be saved, requests that fail, calls that are torn
//! apart. A kind that names a cause (a tenant, a version, a host) weighs more than one that every healthy system shows to
//! some degree (gaps, chatty pairs).

mod common;
mod pattern;
mod tracing_health;

use super::tree::Tree;
use crate::model::{SpanBatch, TraceId};
use common::Operations;
use pattern::Patterns;
use smol_str::SmolStr;
use std::collections::BTreeSet;
use tracing_health::Health;

/// Traces a finding points at.
const EXAMPLES: usize = 10;

macro_rules! kinds {
    ($($name:ident $word:literal $weight:literal $doc:literal;)*) => {
        /// Kinds of findings; the words are those of `belvedere analyze --json`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum FindingKind { $(#[doc = $doc] $name,)* }

        impl FindingKind {
            /// The word in JSON.
            pub fn word(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }

            /// How much a unit of cost counts when findings are ranked.
            fn weight(self) -> f64 {
                match self { $(Self::$name => $weight,)* }
            }
        }
    };
}

kinds! {
    NPlusOne "n_plus_one" 2.5 "The same call over and over under one parent.";
    SerialCalls "serial_calls" 1.5 "Different calls one after the other that could run together.";
    RetryStorm "retry_storm" 3.0 "A call repeated after its failure.";
    Straggler "straggler" 1.0 "One of several parallel calls that keeps the rest waiting.";
    SlowDependency "slow_dependency" 1.0 "A call that owns much of the critical path.";
    SlowFor "slow_for" 3.0 "An operation that is slow for one value of an attribute.";
    ColdConnection "cold_connection" 1.0 "Time spent on opening connections.";
    ChattyPair "chatty_pair" 0.5 "Two services with very many calls in a trace.";
    Gap "gap" 0.4 "Time inside a span that no child explains.";
    BrokenPropagation "broken_propagation" 4.0 "A callee that starts a new trace where it should join its caller's.";
    LostParents "lost_parents" 1.0 "Spans whose parent never arrived.";
    MixedFormats "mixed_formats" 1.0 "64-bit and 128-bit trace ids side by side.";
    ClockSkew "clock_skew" 0.8 "A service whose clock is off.";
    MissingServiceName "missing_service_name" 0.8 "Spans without a service name.";
    HighCardinality "high_cardinality" 0.8 "Span names that hold ids.";
    NeverEnds "never_ends" 1.0 "Spans that were started and not ended.";
    ErrorBurst "error_burst" 3.0 "Failures of one operation.";
    Regression "regression" 3.0 "A version that is slower or fails more than the one before.";
}

/// One finding with its evidence.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// What.
    pub kind: FindingKind,
    /// Service it is about; for calls the caller.
    pub service: SmolStr,
    /// Span name it is about.
    pub operation: SmolStr,
    /// Attribute that sets it apart, or what `value` is (`callee`, `statement`); empty without one.
    pub key: SmolStr,
    /// Its value.
    pub value: SmolStr,
    /// How often.
    pub count: u64,
    /// Some traces that show it, worst first where that is known.
    pub traces: Vec<TraceId>,
    /// Nanoseconds over all traces that would be saved; 0 where time is not the cost.
    pub saves_ns: i64,
    /// One sentence: what happens and what to do.
    pub text: String,
    /// Share of everything that it costs, 0 to 1.
    pub cost: f64,
}

impl Finding {
    /// What findings are ranked by.
    fn score(&self) -> f64 {
        self.kind.weight() * self.cost
    }
}

/// Example traces, a few, each once.
#[derive(Clone, Debug, Default)]
struct Examples(BTreeSet<TraceId>);

impl Examples {
    fn add(&mut self, id: TraceId) {
        if self.0.len() < EXAMPLES {
            self.0.insert(id);
        }
    }

    fn list(&self) -> Vec<TraceId> {
        self.0.iter().copied().collect()
    }
}

/// What was looked at altogether: costs are shares of it.
#[derive(Clone, Copy, Debug, Default)]
struct Whole {
    traces: u64,
    spans: u64,
    /// Sum of the durations of the longest root of each trace.
    root_ns: i64,
}

impl Whole {
    fn of_time(&self, saved: i64) -> f64 {
        (saved as f64 / self.root_ns.max(1) as f64).clamp(0.0, 1.0)
    }

    fn of_traces(&self, count: u64) -> f64 {
        (count as f64 / self.traces.max(1) as f64).clamp(0.0, 1.0)
    }

    fn of_spans(&self, count: u64) -> f64 {
        (count as f64 / self.spans.max(1) as f64).clamp(0.0, 1.0)
    }
}

/// See the module comment.
#[derive(Default)]
pub struct Finder {
    whole: Whole,
    patterns: Patterns,
    operations: Operations,
    health: Health,
}

impl Finder {
    /// Looks at one trace.
    pub fn add(&mut self, id: TraceId, batch: &SpanBatch, tree: &Tree) {
        if batch.is_empty() {
            return;
        }
        self.whole.traces += 1;
        self.whole.spans += batch.len() as u64;
        let longest = tree.roots().iter().map(|root| tree.duration(*root)).max().unwrap_or(0);
        self.whole.root_ns = self.whole.root_ns.saturating_add(longest);
        let retries = self.patterns.add(id, batch, tree);
        self.operations.add(id, batch, tree, &retries);
        self.health.add(id, batch, tree);
    }

    /// Every finding, costliest first.
    pub fn finish(self) -> Vec<Finding> {
        let Self { whole, patterns, operations, health } = self;
        let mut findings = patterns.finish(&whole);
        findings.extend(operations.finish(&whole));
        findings.extend(health.finish(&whole));
        findings.retain(|finding| finding.cost > 0.0);
        let explained: Vec<(FindingKind, SmolStr, SmolStr)> = findings
            .iter()
            .filter(|finding| finding.kind == FindingKind::RetryStorm && !finding.key.is_empty())
            .map(|finding| (finding.kind, finding.service.clone(), finding.operation.clone()))
            .collect();
        // The same storm without its cause says less.
        findings.retain(|finding| {
            let place = (finding.kind, finding.service.clone(), finding.operation.clone());
            !finding.key.is_empty() || !explained.contains(&place)
        });
        findings.sort_by(|a, b| {
            let place =
                |finding: &Finding| (finding.kind, finding.service.clone(), finding.operation.clone(), finding.value.clone());
            b.score().total_cmp(&a.score()).then_with(|| place(a).cmp(&place(b)))
        });
        findings
    }
}

#[cfg(test)]
mod tests;
