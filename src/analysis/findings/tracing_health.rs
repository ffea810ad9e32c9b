//! How well the traces are made: propagation, lost parents, id sizes, clocks, names, spans that never end.

use super::super::marks::Marks;
use super::super::skew::estimate_skew;
use super::super::tree::Tree;
use super::{Examples, Finding, FindingKind, Whole};
use crate::model::resource::UNKNOWN_SERVICE;
use crate::model::units::{count, duration, percent};
use crate::model::{DurationNs, SpanBatch, SpanKind, TraceId};
use smol_str::{SmolStr, ToSmolStr as _};
use std::collections::{BTreeMap, HashMap, HashSet};

/// Span names of a service from which on their number is suspect.
const MANY_NAMES: usize = 100;
/// Torn calls between two services from which on propagation is called broken.
const TORN_FROM: u64 = 3;

#[derive(Default)]
struct Seen {
    count: u64,
    examples: Examples,
}

impl Seen {
    fn add(&mut self, id: TraceId) {
        self.count += 1;
        self.examples.add(id);
    }
}

/// A call that no callee joined, or a request that joined no call.
#[derive(Clone)]
struct Loose {
    start: i64,
    end: i64,
    service: SmolStr,
    name: SmolStr,
    /// Words that tell whom a call went to or what a request asked for: addresses, paths, methods, topics.
    clues: Vec<SmolStr>,
    trace: TraceId,
}

/// See the module comment.
#[derive(Default)]
pub(super) struct Health {
    calls: Vec<Loose>,
    requests: Vec<Loose>,
    joined: HashSet<(SmolStr, SmolStr)>,
    server_spans: HashMap<SmolStr, u64>,
    orphans: BTreeMap<SmolStr, Seen>,
    short_ids: Seen,
    long_ids: u64,
    skews: BTreeMap<SmolStr, (Seen, Vec<i64>)>,
    unnamed: Seen,
    names: BTreeMap<SmolStr, HashMap<SmolStr, u64>>,
    open: BTreeMap<(SmolStr, SmolStr), Seen>,
}

const CLUES: [&str; 10] = [
    "server.address",
    "net.peer.name",
    "peer.service",
    "url.path",
    "http.target",
    "http.route",
    "url.full",
    "http.url",
    "messaging.destination.name",
    "rpc.service",
];

impl Health {
    /// Looks at one trace.
    pub(super) fn add(&mut self, id: TraceId, batch: &SpanBatch, tree: &Tree) {
        if id.0[..8] == [0; 8] {
            self.short_ids.add(id);
        } else {
            self.long_ids += 1;
        }
        for skew in estimate_skew(batch, tree) {
            let (seen, ahead) = self.skews.entry(skew.service).or_default();
            seen.add(id);
            ahead.push(skew.ahead.0);
        }
        for node in 0..tree.spans() {
            let span = batch.span(node as usize);
            let (service, marks) = (SmolStr::from(span.service()), tree.marks(node));
            *self.names.entry(service.clone()).or_default().entry(span.name().into()).or_default() += 1;
            if service.starts_with(UNKNOWN_SERVICE) {
                self.unnamed.add(id);
            }
            if marks.has(Marks::ORPHAN) {
                self.orphans.entry(service.clone()).or_default().add(id);
            }
            if marks.has(Marks::IN_FLIGHT) {
                self.open.entry((service.clone(), span.name().into())).or_default().add(id);
            }
            let serves = matches!(span.kind(), SpanKind::Server | SpanKind::Consumer);
            if serves {
                *self.server_spans.entry(service.clone()).or_default() += 1;
            }
            let loose = || {
                let clues = CLUES.iter().filter_map(|key| span.attr(key)).map(|value| value.to_smolstr()).collect();
                Loose {
                    start: tree.start(node),
                    end: tree.end(node),
                    service: service.clone(),
                    name: span.name().into(),
                    clues,
                    trace: id,
                }
            };
            match tree.parent(node).filter(|parent| !tree.is_virtual(*parent)) {
                Some(parent) if serves => {
                    let caller = tree.services()[usize::from(tree.service_index(parent))].clone();
                    if caller != service {
                        self.joined.insert((caller, service.clone()));
                    }
                }
                None if serves && !marks.has(Marks::ORPHAN) => self.requests.push(loose()),
                _ => {}
            }
            if matches!(span.kind(), SpanKind::Client | SpanKind::Producer) && tree.children(node).is_empty() {
                self.calls.push(loose());
            }
        }
    }

    /// Pairs requests that started a trace of their own with the calls they lie in.
    fn torn(&self) -> BTreeMap<(SmolStr, SmolStr), (Seen, SmolStr)> {
        let mut calls: Vec<&Loose> = self.calls.iter().collect();
        calls.sort_by_key(|call| call.start);
        let longest = calls.iter().map(|call| call.end - call.start).max().unwrap_or(0);
        let mut pairs: BTreeMap<(SmolStr, SmolStr), (Seen, SmolStr)> = BTreeMap::new();
        for request in &self.requests {
            let from = calls.partition_point(|call| call.start < request.start.saturating_sub(longest));
            let to = calls.partition_point(|call| call.start <= request.start);
            let around = calls[from..to].iter().rev().filter(|call| {
                call.end >= request.end
                    && call.trace != request.trace
                    && call.service != request.service
                    && speaks_of(call, request)
            });
            // The tightest call around the request is the one that made it.
            if let Some(call) = around.min_by_key(|call| call.end - call.start) {
                let pair = pairs.entry((call.service.clone(), request.service.clone())).or_default();
                pair.0.add(request.trace);
                pair.1 = call.name.clone();
            }
        }
        pairs
    }

    /// The findings.
    pub(super) fn finish(self, whole: &Whole) -> Vec<Finding> {
        let mut findings = Vec::new();
        let finding = |kind, service: &SmolStr, seen: &Seen, cost: f64, text: String| Finding {
            kind,
            service: service.clone(),
            operation: SmolStr::default(),
            key: SmolStr::default(),
            value: SmolStr::default(),
            count: seen.count,
            traces: seen.examples.list(),
            saves_ns: 0,
            text,
            cost,
        };
        for ((caller, callee), (seen, operation)) in self.torn() {
            let served = self.server_spans.get(&callee).copied().unwrap_or(1);
            let share = seen.count as f64 / served.max(1) as f64;
            // Chance containment happens; a broken pair is torn nearly always or quite often.
            if seen.count < TORN_FROM || share < 0.1 {
                continue;
            }
            let sometimes = if self.joined.contains(&(caller.clone(), callee.clone())) { "sometimes " } else { "" };
            let text = format!(
                "{callee} {sometimes}starts new traces when {caller} calls it, {} times. The context is not sent or not read between them",
                count(seen.count)
            );
            let base =
                finding(FindingKind::BrokenPropagation, &caller, &seen, whole.of_traces(seen.count).max(share.min(0.5)), text);
            findings.push(Finding { operation, key: "callee".into(), value: callee, ..base });
        }
        for (service, seen) in &self.orphans {
            let text = format!(
                "{} spans of {service} name a parent that never arrived: it is sampled out, lost or not exported",
                count(seen.count)
            );
            findings.push(finding(FindingKind::LostParents, service, seen, whole.of_traces(seen.count), text));
        }
        if self.short_ids.count > 0 && self.long_ids > 0 {
            let text = format!(
                "{} traces have 64-bit ids beside {} with 128 bits: some clients use another format",
                count(self.short_ids.count),
                count(self.long_ids)
            );
            let share = whole.of_traces(self.short_ids.count.min(self.long_ids));
            findings.push(finding(FindingKind::MixedFormats, &SmolStr::default(), &self.short_ids, share * 0.2, text));
        }
        for (service, (seen, mut ahead)) in self.skews {
            ahead.sort_unstable();
            let middle = DurationNs(ahead[ahead.len() / 2]);
            let side = if middle.0 < 0 { "behind" } else { "ahead of" };
            let text = format!(
                "The clock of {service} is {} {side} its callers'. Synchronise it",
                duration(DurationNs(middle.0.abs()))
            );
            let base = finding(FindingKind::ClockSkew, &service, &seen, whole.of_traces(seen.count), text);
            findings.push(Finding { key: "ahead".into(), value: duration(middle).into(), ..base });
        }
        if self.unnamed.count > 0 {
            let text = format!("{} spans have no service.name. Set OTEL_SERVICE_NAME", count(self.unnamed.count));
            findings.push(finding(
                FindingKind::MissingServiceName,
                &UNKNOWN_SERVICE.into(),
                &self.unnamed,
                whole.of_spans(self.unnamed.count),
                text,
            ));
        }
        for (service, names) in &self.names {
            let spans: u64 = names.values().sum();
            let once = names.values().filter(|count| **count == 1).count() as u64;
            if names.len() >= MANY_NAMES && once * 2 > spans {
                let seen = Seen { count: names.len() as u64, examples: Examples::default() };
                let text = format!(
                    "{service} has {} span names, {} of them used once. Put ids into attributes",
                    count(names.len() as u64),
                    percent(once as f64 / names.len() as f64)
                );
                let base = finding(FindingKind::HighCardinality, service, &seen, whole.of_spans(spans), text);
                findings.push(Finding { key: "span:name".into(), ..base });
            }
        }
        for ((service, operation), seen) in &self.open {
            let text = format!("{} spans of {operation} in {service} were started and never ended", count(seen.count));
            let base = finding(FindingKind::NeverEnds, service, seen, whole.of_traces(seen.count), text);
            findings.push(Finding { operation: operation.clone(), ..base });
        }
        findings
    }
}

/// True when the call's clues fit the request: it names the callee, or both speak of one path.
fn speaks_of(call: &Loose, request: &Loose) -> bool {
    let host = |clue: &SmolStr| {
        let bare = clue.split("://").last().unwrap_or(clue);
        bare.split(['/', ':', '.']).next().unwrap_or(bare).to_ascii_lowercase()
    };
    let callee = request.service.to_ascii_lowercase();
    let named = call.clues.iter().any(|clue| {
        let host = host(clue);
        host == callee || host.starts_with(&format!("{callee}-")) || callee.starts_with(&format!("{host}-")) && !host.is_empty()
    });
    let path = |clue: &SmolStr| -> Option<SmolStr> {
        let after = clue.split("://").last()?;
        let path = if clue.contains("://") { &after[after.find('/')?..] } else { after };
        let bare = path.split(['?', '#']).next()?;
        (bare.starts_with('/') && bare.len() > 1).then(|| bare.into())
    };
    let paths: Vec<SmolStr> = request.clues.iter().filter_map(path).collect();
    named
        || call.clues.iter().filter_map(path).any(|path| paths.contains(&path))
        || call
            .clues
            .iter()
            .any(|clue| clue.len() > 3 && !clue.contains('/') && request.clues.contains(clue) && clue != "localhost")
        || call.name == request.name
}
