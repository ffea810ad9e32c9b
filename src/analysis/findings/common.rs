//! What the slow, the failing and the repeated spans of an operation have in common.
//!
//! Every span says each attribute once: its own, its resource's, its root's (a tenant is usually known at the edge only)
//! and, for calls, the callee's resource (the host that answered). For each operation and each value that some but not all
//! of its spans have, the durations with and without it are compared by the Mann-Whitney U test, failures and retries by
//! the test of two proportions. One value is named an operation: the one that is most certain.

use super::super::marks::Marks;
use super::super::tree::Tree;
use super::{Examples, Finding, FindingKind, Whole};
use crate::model::units::{duration, factor, percent};
use crate::model::{DurationNs, SpanBatch, SpanKind, TraceId};
use smol_str::{SmolStr, ToSmolStr as _};
use std::collections::{BTreeMap, HashMap, HashSet};

/// Spans of an operation from which on they are compared.
const MIN_SPANS: usize = 20;
/// Spans with a value from which on it is considered.
const MIN_WITH: usize = 5;
/// Standard deviations from which on a difference is believed.
const MIN_Z: f64 = 4.0;
/// A value must make spans this much slower.
const MIN_RATIO: f64 = 1.4;
/// Chance that a span with the value is slower than one without.
const MIN_CHANCE: f64 = 0.7;

/// Keys that a failure or a retry itself sets: effects, not causes.
const EFFECTS: [&str; 9] = [
    "error.type",
    "http.response.status_code",
    "http.status_code",
    "rpc.grpc.status_code",
    "db.response.status_code",
    "http.request.resend_count",
    "otel.status_code",
    "otel.status_description",
    "error",
];

/// Keys of one process rather than of its kind: named only when nothing better explains.
const WEAK: [&str; 4] = ["service.instance.id", "process.pid", "thread.id", "thread.name"];

#[derive(Clone, Copy)]
struct Sample {
    duration: i64,
    own: i64,
    failed: bool,
    retried: bool,
    trace: u32,
    facts: (u32, u32),
}

#[derive(Default)]
struct Operation {
    /// Levels above its deepest span.
    depth: u32,
    samples: Vec<Sample>,
    exceptions: BTreeMap<SmolStr, u64>,
}

/// See the module comment.
#[derive(Default)]
pub(super) struct Operations {
    operations: BTreeMap<(SmolStr, SmolStr), Operation>,
    /// Attribute numbers of all samples, run after run.
    facts: Vec<u32>,
    numbers: HashMap<(SmolStr, SmolStr), u32>,
    names: Vec<(SmolStr, SmolStr)>,
    traces: Vec<TraceId>,
    /// First time a version of a service was seen, to know which is newer.
    first_seen: HashMap<(SmolStr, SmolStr), i64>,
}

impl Operations {
    fn number(&mut self, key: &str, value: SmolStr) -> u32 {
        let next = self.names.len() as u32;
        let fact = (SmolStr::from(key), value);
        if let Some(known) = self.numbers.get(&fact) {
            return *known;
        }
        self.names.push(fact.clone());
        self.numbers.insert(fact, next);
        next
    }

    /// Looks at one trace.
    pub(super) fn add(&mut self, id: TraceId, batch: &SpanBatch, tree: &Tree, retries: &HashSet<u32>) {
        let trace = self.traces.len() as u32;
        self.traces.push(id);
        let of_resource: Vec<Vec<u32>> = (0..batch.resources.len() as u32)
            .map(|at| {
                let resource = crate::model::batch::ResourceRef::of(batch, at);
                let facts: Vec<(&str, SmolStr)> = resource
                    .attrs()
                    .iter()
                    .filter(|(key, _)| *key != "service.name" && !key.starts_with("telemetry."))
                    .map(|(key, value)| (key, value.to_smolstr()))
                    .collect();
                facts.into_iter().map(|(key, value)| self.number(key, value)).collect()
            })
            .collect();
        let longest = tree.roots().iter().copied().max_by_key(|root| tree.duration(*root));
        let root = longest.map(|root| if tree.is_virtual(root) { tree.children(root)[0] } else { root });
        let own_facts = |all: &mut Self, node: u32| -> Vec<u32> {
            let span = batch.span(node as usize);
            let facts: Vec<_> = span.attrs().iter().map(|(key, value)| (key, value.to_smolstr())).collect();
            facts.into_iter().map(|(key, value)| all.number(key, value)).collect()
        };
        let root_facts = root.map(|root| own_facts(self, root)).unwrap_or_default();
        for node in 0..tree.spans() {
            if tree.marks(node).has(Marks::IN_FLIGHT) {
                continue;
            }
            let span = batch.span(node as usize);
            let mut facts = own_facts(self, node);
            facts.extend(&root_facts);
            facts.extend(&of_resource[span.row.resource as usize]);
            if span.kind() == SpanKind::Client {
                for child in tree.children(node).iter().filter(|child| !tree.is_virtual(**child)) {
                    let callee = &of_resource[batch.spans[*child as usize].resource as usize];
                    facts.extend(callee.iter().filter(|fact| self.says_where(**fact)));
                }
            }
            facts.sort_unstable();
            facts.dedup();
            let run = (self.facts.len() as u32, facts.len() as u32);
            self.facts.extend(facts);
            if let Some(version) = span.resource().attrs().get("service.version").map(|value| value.to_smolstr()) {
                let seen = self.first_seen.entry((span.service().into(), version)).or_insert(span.row.start);
                *seen = (*seen).min(span.row.start);
            }
            let operation = self.operations.entry((span.service().into(), span.name().into())).or_default();
            if span.is_error() {
                let exception = span.events().find_map(|event| event.attrs().get("exception.type"));
                let kind = exception.or_else(|| span.attr("error.type")).map(|value| value.to_smolstr());
                *operation.exceptions.entry(kind.unwrap_or_default()).or_default() += 1;
            }
            operation.depth = operation.depth.max(tree.depth(node));
            operation.samples.push(Sample {
                duration: tree.duration(node),
                own: tree.self_time(node),
                failed: span.is_error(),
                retried: retries.contains(&node),
                trace,
                facts: run,
            });
        }
    }

    fn facts_of(&self, sample: &Sample) -> &[u32] {
        &self.facts[sample.facts.0 as usize..(sample.facts.0 + sample.facts.1) as usize]
    }

    /// True for what tells one instance of a callee from another. Its version is its own matter.
    fn says_where(&self, fact: u32) -> bool {
        let key = self.names[fact as usize].0.as_str();
        ["host.", "k8s.", "cloud.", "container."].iter().any(|prefix| key.starts_with(prefix))
    }

    fn is_effect(&self, fact: u32) -> bool {
        let key = self.names[fact as usize].0.as_str();
        EFFECTS.contains(&key) || key.starts_with("exception.")
    }

    /// The value that most certainly goes with a flag, with the numbers of flagged and of all spans that have it.
    fn goes_with(&self, samples: &[Sample], flag: impl Fn(&Sample) -> bool) -> Option<(u32, usize, usize)> {
        let total = samples.len();
        let flagged = samples.iter().filter(|sample| flag(sample)).count();
        let mut counts: HashMap<u32, (usize, usize)> = HashMap::new();
        for sample in samples {
            for fact in self.facts_of(sample) {
                let count = counts.entry(*fact).or_default();
                count.0 += usize::from(flag(sample));
                count.1 += 1;
            }
        }
        let best = counts.into_iter().filter_map(|(fact, (hits, with))| {
            let without = total - with;
            if with < MIN_WITH || without < MIN_WITH || self.is_effect(fact) {
                return None;
            }
            let (inside, outside) = (hits as f64 / with as f64, (flagged - hits) as f64 / without as f64);
            let pooled = flagged as f64 / total as f64;
            let deviation = (pooled * (1.0 - pooled) * (1.0 / with as f64 + 1.0 / without as f64)).sqrt();
            let z = (inside - outside) / deviation.max(f64::MIN_POSITIVE);
            (z >= MIN_Z && inside >= 2.0 * outside).then_some((self.preferred(z, fact), fact, hits, with))
        });
        best.max_by(|a, b| a.0.total_cmp(&b.0).then_with(|| b.1.cmp(&a.1))).map(|(_, fact, hits, with)| (fact, hits, with))
    }

    /// Certainty, lowered for keys that name one process.
    fn preferred(&self, z: f64, fact: u32) -> f64 {
        if WEAK.contains(&self.names[fact as usize].0.as_str()) { z * 0.9 } else { z }
    }

    /// The value that most certainly makes spans slower.
    fn slows(&self, samples: &[Sample]) -> Option<Slow> {
        let total = samples.len() as f64;
        let mut order: Vec<u32> = (0..samples.len() as u32).collect();
        order.sort_unstable_by_key(|at| samples[*at as usize].duration);
        let mut sums: HashMap<u32, Sums> = HashMap::new();
        let mut all = Sums::default();
        let mut at = 0;
        while at < order.len() {
            // Equal durations share the middle of their ranks.
            let value = samples[order[at] as usize].duration;
            let ties = order[at..].iter().take_while(|other| samples[**other as usize].duration == value).count();
            let rank = at as f64 + (ties as f64 + 1.0) / 2.0;
            for index in &order[at..at + ties] {
                let sample = &samples[*index as usize];
                all.add(sample, rank);
                for fact in self.facts_of(sample) {
                    sums.entry(*fact).or_default().add(sample, rank);
                }
            }
            at += ties;
        }
        let candidates = sums.into_iter().filter_map(|(fact, with)| {
            let (n, m) = (with.count as f64, total - with.count as f64);
            if with.count < MIN_WITH || (m as usize) < MIN_WITH || self.is_effect(fact) {
                return None;
            }
            let u = with.ranks - n * (n + 1.0) / 2.0;
            let z = (u - n * m / 2.0) / (n * m * (total + 1.0) / 12.0).sqrt();
            let (mean_with, mean_without) = (with.duration / n, (all.duration - with.duration) / m);
            let own = n * (with.own / n - (all.own - with.own) / m);
            let believed = z >= MIN_Z && u / (n * m) >= MIN_CHANCE && mean_with >= MIN_RATIO * mean_without;
            let slow = Slow {
                fact,
                with: with.count as u64,
                excess: (n * (mean_with - mean_without)) as i64,
                own_excess: own as i64,
                ratio: mean_with / mean_without.max(1.0),
            };
            believed.then_some((self.preferred(z, fact), slow))
        });
        candidates.max_by(|a, b| a.0.total_cmp(&b.0).then_with(|| b.1.fact.cmp(&a.1.fact))).map(|(_, slow)| slow)
    }

    fn examples(&self, samples: &[Sample], wanted: impl Fn(&Sample) -> bool) -> Vec<TraceId> {
        let mut worst: Vec<&Sample> = samples.iter().filter(|sample| wanted(sample)).collect();
        worst.sort_by_key(|sample| std::cmp::Reverse(sample.duration));
        let mut examples = Examples::default();
        worst.iter().for_each(|sample| examples.add(self.traces[sample.trace as usize]));
        examples.list()
    }

    /// True when `version` came after another version of the service.
    fn is_newer(&self, service: &SmolStr, version: &SmolStr) -> bool {
        let Some(seen) = self.first_seen.get(&(service.clone(), version.clone())) else { return false };
        self.first_seen.iter().any(|((other, _), first)| other == service && first < seen)
    }

    /// The findings.
    pub(super) fn finish(self, whole: &Whole) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut slow: BTreeMap<(SmolStr, SmolStr), Vec<(i64, Finding)>> = BTreeMap::new();
        for ((service, operation), spans) in &self.operations {
            if spans.samples.len() >= MIN_SPANS {
                if let Some(found) = self.slows(&spans.samples) {
                    let finding = self.slow_finding(service, operation, &spans.samples, &found, whole);
                    slow.entry((finding.key.clone(), finding.value.clone())).or_default().push((found.own_excess, finding));
                }
                findings.extend(self.retry_finding(service, operation, &spans.samples, whole));
            }
            findings.extend(self.error_finding(service, operation, spans, whole));
        }
        // One cause shows all the way up: the operation that is itself slower is the culprit.
        for (_, mut chain) in slow {
            chain.sort_by_key(|(own, finding)| (std::cmp::Reverse(*own), finding.operation.clone()));
            let most = chain.iter().map(|(_, finding)| finding.cost).fold(0.0, f64::max);
            let saves = chain.iter().map(|(_, finding)| finding.saves_ns).max().unwrap_or(0);
            findings.extend(chain.into_iter().next().map(|(_, finding)| Finding { cost: most, saves_ns: saves, ..finding }));
        }
        let depth = |finding: &Finding| {
            self.operations.get(&(finding.service.clone(), finding.operation.clone())).map_or(0, |operation| operation.depth)
        };
        keep_root_causes(findings, depth)
    }

    fn slow_finding(&self, service: &SmolStr, operation: &SmolStr, samples: &[Sample], slow: &Slow, whole: &Whole) -> Finding {
        let (key, value) = self.names[slow.fact as usize].clone();
        let regression = key == "service.version" && self.is_newer(service, &value);
        let each = duration(DurationNs(slow.excess / slow.with.max(1) as i64));
        Finding {
            kind: if regression { FindingKind::Regression } else { FindingKind::SlowFor },
            service: service.clone(),
            operation: operation.clone(),
            text: format!(
                "{operation} in {service} takes {} as long where {key} is {value}, {each} more each time",
                factor(slow.ratio)
            ),
            key,
            value,
            count: slow.with,
            traces: self.examples(samples, |sample| self.facts_of(sample).contains(&slow.fact)),
            saves_ns: slow.excess,
            cost: whole.of_time(slow.excess),
        }
    }

    fn retry_finding(&self, service: &SmolStr, operation: &SmolStr, samples: &[Sample], whole: &Whole) -> Option<Finding> {
        let (fact, hits, _) = self.goes_with(samples, |sample| sample.failed)?;
        let retried = samples.iter().filter(|sample| sample.retried).count();
        if retried < MIN_WITH {
            return None;
        }
        let (key, value) = self.names[fact as usize].clone();
        let traces: HashSet<u32> = samples.iter().filter(|sample| sample.retried).map(|sample| sample.trace).collect();
        Some(Finding {
            kind: FindingKind::RetryStorm,
            service: service.clone(),
            operation: operation.clone(),
            text: format!(
                "{service} repeated {operation} {retried} times; {hits} of the attempts that failed had {key} {value}"
            ),
            key,
            value,
            count: retried as u64,
            traces: self.examples(samples, |sample| sample.retried),
            saves_ns: samples.iter().filter(|sample| sample.failed).map(|sample| sample.duration).sum(),
            cost: whole.of_traces(traces.len() as u64),
        })
    }

    fn error_finding(&self, service: &SmolStr, operation: &SmolStr, spans: &Operation, whole: &Whole) -> Option<Finding> {
        let samples = &spans.samples;
        let failed = samples.iter().filter(|sample| sample.failed).count();
        if failed == 0 {
            return None;
        }
        let traces: HashSet<u32> = samples.iter().filter(|sample| sample.failed).map(|sample| sample.trace).collect();
        let cause = if samples.len() >= MIN_SPANS { self.goes_with(samples, |sample| sample.failed) } else { None };
        let share = percent(failed as f64 / samples.len() as f64);
        let (key, value, text) = match cause {
            Some((fact, hits, with)) => {
                let (key, value) = self.names[fact as usize].clone();
                let rate = percent(hits as f64 / with as f64);
                let text =
                    format!("{operation} in {service} fails {rate} of the time where {key} is {value}, {share} altogether");
                (key, value, text)
            }
            None => {
                let top =
                    spans.exceptions.iter().max_by_key(|(_, count)| **count).map(|(kind, _)| kind.clone()).unwrap_or_default();
                let with = if top.is_empty() { String::new() } else { format!(", mostly with {top}") };
                let key = if top.is_empty() { SmolStr::default() } else { "exception.type".into() };
                (key, top, format!("{operation} in {service} failed {failed} times, {share} of its calls{with}"))
            }
        };
        let regression = key == "service.version" && self.is_newer(service, &value);
        // Failures that a value explains are a finding of their own; without one they are only as bad as they are many.
        let weight = if cause.is_some() { 1.0 } else { 0.4 };
        Some(Finding {
            kind: if regression { FindingKind::Regression } else { FindingKind::ErrorBurst },
            service: service.clone(),
            operation: operation.clone(),
            key,
            value,
            count: failed as u64,
            traces: self.examples(samples, |sample| sample.failed),
            saves_ns: 0,
            text,
            cost: weight * whole.of_traces(traces.len() as u64),
        })
    }
}

/// Failures travel up from callee to caller with the same cause: of findings with one cause, the one with the most
/// failures stays; of equal ones the deepest, where the failures began.
fn keep_root_causes(findings: Vec<Finding>, depth: impl Fn(&Finding) -> u32) -> Vec<Finding> {
    let mut best: BTreeMap<(FindingKind, SmolStr, SmolStr), Finding> = BTreeMap::new();
    let mut out = Vec::new();
    for finding in findings {
        let caused = !finding.key.is_empty() && finding.kind != FindingKind::SlowFor;
        if !caused {
            out.push(finding);
            continue;
        }
        let place = (finding.kind, finding.key.clone(), finding.value.clone());
        match best.get(&place) {
            Some(known) if (known.count, depth(known)) >= (finding.count, depth(&finding)) => {}
            _ => {
                best.insert(place, finding);
            }
        }
    }
    out.extend(best.into_values());
    out
}

#[derive(Default, Clone, Copy)]
struct Sums {
    count: usize,
    ranks: f64,
    duration: f64,
    own: f64,
}

impl Sums {
    fn add(&mut self, sample: &Sample, rank: f64) {
        self.count += 1;
        self.ranks += rank;
        self.duration += sample.duration as f64;
        self.own += sample.own as f64;
    }
}

struct Slow {
    fact: u32,
    with: u64,
    excess: i64,
    own_excess: i64,
    ratio: f64,
}
