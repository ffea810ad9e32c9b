//! Patterns inside one trace: N+1, serial calls, retries, stragglers, cold connections, chatty pairs, gaps, and what owns
//! the critical path.

use super::super::critical_path::CriticalPath;
use super::super::marks::Marks;
use super::super::tree::Tree;
use super::{Examples, Finding, FindingKind, Whole};
use crate::model::units::{count, duration, percent};
use crate::model::{DurationNs, SpanBatch, SpanKind, TraceId};
use smol_str::{SmolStr, ToSmolStr as _};
use std::collections::{BTreeMap, HashMap, HashSet};

/// Calls in turn from which on they are worth running together.
const SERIAL_FROM: usize = 3;
/// Parallel calls from which on one can be a straggler.
const PARALLEL_FROM: usize = 3;
/// Calls between two services in one trace that make a chatty pair.
const CHATTY_FROM: u64 = 20;
/// Own time that may stay unexplained.
const GAP_FROM_NS: i64 = 50_000_000;
/// Share of the critical path that makes a dependency worth a look.
const OWNS_FROM: f64 = 0.25;

#[derive(Clone, Debug, Default)]
struct Tally {
    count: u64,
    traces: u64,
    saves_ns: i64,
    examples: Examples,
    key: SmolStr,
    value: SmolStr,
    last: Option<TraceId>,
}

impl Tally {
    fn add(&mut self, id: TraceId, count: u64, saves_ns: i64) {
        self.count += count;
        self.traces += u64::from(self.last != Some(id));
        self.last = Some(id);
        self.saves_ns = self.saves_ns.saturating_add(saves_ns.max(0));
        self.examples.add(id);
    }
}

type Place = (FindingKind, SmolStr, SmolStr, SmolStr);

/// Sums patterns over traces.
#[derive(Default)]
pub(super) struct Patterns {
    tallies: BTreeMap<Place, Tally>,
}

impl Patterns {
    fn tally(&mut self, kind: FindingKind, service: &str, operation: &str, detail: &str) -> &mut Tally {
        self.tallies.entry((kind, service.into(), operation.into(), detail.into())).or_default()
    }

    /// Looks at one trace; answers the spans that are retries, for the search for what they have in common.
    pub(super) fn add(&mut self, id: TraceId, batch: &SpanBatch, tree: &Tree) -> HashSet<u32> {
        let repeated = self.repeats(id, batch, tree);
        let mut retries = HashSet::new();
        for parent in tree.preorder().iter().copied().filter(|node| !tree.is_virtual(*node)) {
            let calls: Vec<u32> =
                tree.children(parent).iter().copied().filter(|child| tree.marks(*child).has(Marks::CALLS)).collect();
            if calls.len() >= 2 {
                self.retries(id, batch, tree, &calls, &mut retries);
                self.serial(id, batch, tree, parent, &calls, &repeated, &retries);
                self.straggler(id, batch, tree, parent, &calls);
            }
            self.gap(id, batch, tree, parent);
        }
        self.connections(id, batch, tree);
        self.pairs(id, batch, tree);
        self.dependencies(id, batch, tree);
        retries
    }

    fn repeats(&mut self, id: TraceId, batch: &SpanBatch, tree: &Tree) -> HashSet<u32> {
        let mut members = HashSet::new();
        for repeat in tree.repeats().iter().filter(|repeat| repeat.n_plus_one) {
            members.extend(tree.children(repeat.parent).iter().copied().filter(|child| {
                !tree.is_virtual(*child)
                    && tree.service_index(*child) == repeat.service
                    && batch.spans[*child as usize].name == repeat.name
            }));
            let first = batch.span(repeat.first as usize);
            let (parent_service, parent_name) = if tree.is_virtual(repeat.parent) {
                (first.service(), "")
            } else {
                let parent = batch.span(repeat.parent as usize);
                (parent.service(), parent.name())
            };
            let saves = repeat.total_ns - repeat.total_ns / i64::from(repeat.count.max(1));
            let tally = self.tally(FindingKind::NPlusOne, parent_service, parent_name, first.name());
            tally.key = "statement".into();
            let statement = first.attr("db.query.text").or_else(|| first.attr("db.statement")).and_then(|value| value.as_str());
            tally.value = statement.unwrap_or_else(|| first.name()).into();
            tally.add(id, u64::from(repeat.count), saves);
        }
        members
    }

    /// A call that is made again after it failed.
    fn retries(&mut self, id: TraceId, batch: &SpanBatch, tree: &Tree, calls: &[u32], retries: &mut HashSet<u32>) {
        let mut runs: HashMap<(u32, u16), Vec<u32>> = HashMap::new();
        for call in calls {
            runs.entry((batch.spans[*call as usize].name, tree.service_index(*call))).or_default().push(*call);
        }
        for run in runs.into_values().filter(|run| run.len() > 1) {
            // Calls stand by start: an attempt is a retry when the one before it failed and was over.
            let again: Vec<u32> = run
                .windows(2)
                .filter(|pair| tree.marks(pair[0]).has(Marks::ERROR) && tree.start(pair[1]) >= tree.end(pair[0]))
                .map(|pair| pair[1])
                .collect();
            let Some(last) = again.last() else { continue };
            let wasted = tree.start(*last) - tree.start(run[0]);
            let call = batch.span(run[0] as usize);
            self.tally(FindingKind::RetryStorm, call.service(), call.name(), "").add(id, again.len() as u64, wasted);
            retries.extend(again);
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn serial(
        &mut self,
        id: TraceId,
        batch: &SpanBatch,
        tree: &Tree,
        parent: u32,
        calls: &[u32],
        repeated: &HashSet<u32>,
        retries: &HashSet<u32>,
    ) {
        let calls: Vec<u32> =
            calls.iter().copied().filter(|call| !repeated.contains(call) && !retries.contains(call)).collect();
        let in_turn = calls.windows(2).all(|pair| tree.start(pair[1]) >= tree.end(pair[0]));
        let names: HashSet<u32> = calls.iter().map(|call| batch.spans[*call as usize].name).collect();
        if calls.len() < SERIAL_FROM || !in_turn || names.len() < SERIAL_FROM {
            return;
        }
        let durations = calls.iter().map(|call| tree.duration(*call));
        let saves = durations.clone().sum::<i64>() - durations.max().unwrap_or(0);
        if saves * 10 < tree.duration(parent) {
            return;
        }
        let span = batch.span(parent as usize);
        self.tally(FindingKind::SerialCalls, span.service(), span.name(), "").add(id, calls.len() as u64, saves);
    }

    fn straggler(&mut self, id: TraceId, batch: &SpanBatch, tree: &Tree, parent: u32, calls: &[u32]) {
        if calls.len() < PARALLEL_FROM {
            return;
        }
        let first_end = calls.iter().map(|call| tree.end(*call)).min().unwrap_or(0);
        if calls.iter().any(|call| tree.start(*call) > first_end) {
            return;
        }
        let mut durations: Vec<(i64, u32)> = calls.iter().map(|call| (tree.duration(*call), *call)).collect();
        durations.sort_unstable();
        let (second, (last, call)) = (durations[durations.len() - 2].0, durations[durations.len() - 1]);
        let median = durations[durations.len() / 2].0;
        if last < 2 * second || (last - median) * 10 < tree.duration(parent) {
            return;
        }
        let (caller, late) = (batch.span(parent as usize), batch.span(call as usize));
        let tally = self.tally(FindingKind::Straggler, caller.service(), caller.name(), late.name());
        (tally.key, tally.value) = ("call".into(), late.name().into());
        tally.add(id, 1, last - second);
    }

    fn gap(&mut self, id: TraceId, batch: &SpanBatch, tree: &Tree, node: u32) {
        let own = tree.self_time(node);
        // A leaf's own time is its work; a gap is time between children that nothing explains.
        let flying = tree.marks(node).has(Marks::IN_FLIGHT);
        if tree.children(node).is_empty() || flying || own < GAP_FROM_NS || own * 2 < tree.duration(node) {
            return;
        }
        let span = batch.span(node as usize);
        if !tree.marks(node).has(Marks::CALLS) {
            self.tally(FindingKind::Gap, span.service(), span.name(), "").add(id, 1, own);
        }
    }

    fn connections(&mut self, id: TraceId, batch: &SpanBatch, tree: &Tree) {
        for node in 0..tree.spans() {
            let span = batch.span(node as usize);
            let name = span.name().to_ascii_lowercase();
            let opens = ["tcp.connect", "tls.handshake", "dns.lookup", "tls.connect", "connect", "handshake"];
            if opens
                .iter()
                .any(|word| name == *word || name.ends_with(&format!(".{word}")) || name.ends_with(&format!(" {word}")))
            {
                self.tally(FindingKind::ColdConnection, span.service(), span.name(), "").add(id, 1, tree.duration(node));
            }
        }
    }

    fn pairs(&mut self, id: TraceId, batch: &SpanBatch, tree: &Tree) {
        let mut pairs: BTreeMap<(u16, u16), (u64, i64)> = BTreeMap::new();
        for node in 0..tree.spans() {
            let Some(parent) = tree.parent(node).filter(|parent| !tree.is_virtual(*parent)) else { continue };
            let (caller, callee) = (tree.service_index(parent), tree.service_index(node));
            if caller != callee && batch.spans[node as usize].kind == SpanKind::Server as u8 {
                let pair = pairs.entry((caller, callee)).or_default();
                pair.0 += 1;
                pair.1 += tree.duration(parent) - tree.duration(node);
            }
        }
        for ((caller, callee), (calls, overhead)) in pairs.into_iter().filter(|(_, (calls, _))| *calls >= CHATTY_FROM) {
            let name = |service: u16| tree.services()[usize::from(service)].clone();
            let tally = self.tally(FindingKind::ChattyPair, &name(caller), "", &name(callee));
            (tally.key, tally.value) = ("callee".into(), name(callee));
            tally.add(id, calls, overhead);
        }
    }

    fn dependencies(&mut self, id: TraceId, batch: &SpanBatch, tree: &Tree) {
        for (node, own) in CriticalPath::of(tree).by_node() {
            if tree.is_virtual(node) || !tree.marks(node).has(Marks::CALLS) {
                continue;
            }
            let span = batch.span(node as usize);
            let peer = ["peer.service", "db.system.name", "db.system", "messaging.system", "server.address"]
                .iter()
                .find_map(|key| span.attr(key).map(|value| value.to_smolstr()));
            let tally = self.tally(FindingKind::SlowDependency, span.service(), span.name(), "");
            if let Some(peer) = peer {
                (tally.key, tally.value) = ("callee".into(), peer);
            }
            tally.add(id, 1, own);
        }
    }

    /// The findings.
    pub(super) fn finish(self, whole: &Whole) -> Vec<Finding> {
        let time = |nanos: i64| duration(DurationNs(nanos));
        let mut findings = Vec::new();
        for ((kind, service, operation, _), tally) in self.tallies {
            let (calls, traces) = (count(tally.count), count(tally.traces));
            let per_trace = |sum: i64| time(sum / tally.traces.max(1) as i64);
            let share = whole.of_time(tally.saves_ns);
            let value = &tally.value;
            let (cost, text) = match kind {
                FindingKind::NPlusOne => (
                    share,
                    format!(
                        "{operation} in {service} runs the same call {} times a trace, one after the other. One call for all would save {} a trace",
                        tally.count / tally.traces.max(1),
                        per_trace(tally.saves_ns)
                    ),
                ),
                FindingKind::SerialCalls => (
                    share,
                    format!(
                        "{operation} in {service} makes calls in turn that could run together. It would save {} a trace",
                        per_trace(tally.saves_ns)
                    ),
                ),
                FindingKind::RetryStorm if tally.count < 2 => continue,
                FindingKind::RetryStorm => (
                    whole.of_traces(tally.traces).max(share),
                    format!(
                        "{service} repeated {operation} {calls} times in {traces} traces after a failure, {} a trace lost",
                        per_trace(tally.saves_ns)
                    ),
                ),
                FindingKind::Straggler => (
                    share,
                    format!(
                        "{operation} in {service} waits {} a trace for {value} after its other calls are done",
                        per_trace(tally.saves_ns)
                    ),
                ),
                FindingKind::SlowDependency if share < OWNS_FROM => continue,
                FindingKind::SlowDependency => {
                    (share, format!("{operation} from {service} owns {} of the critical path of all traces", percent(share)))
                }
                FindingKind::ColdConnection => (
                    share,
                    format!("{service} spends {} a trace on {operation}. Keep connections open", per_trace(tally.saves_ns)),
                ),
                FindingKind::ChattyPair => (
                    share.max(0.01),
                    format!(
                        "{service} calls {value} {} times a trace. Fewer, larger calls would save the way",
                        tally.count / tally.traces.max(1)
                    ),
                ),
                _ => (
                    share,
                    format!(
                        "{} a trace inside {operation} of {service} has no span. Instrument it to see where it goes",
                        per_trace(tally.saves_ns)
                    ),
                ),
            };
            findings.push(Finding {
                kind,
                service,
                operation,
                key: tally.key,
                value: tally.value,
                count: tally.count,
                traces: tally.examples.list(),
                saves_ns: tally.saves_ns,
                text,
                cost,
            });
        }
        findings
    }
}
