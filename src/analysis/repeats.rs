//! Siblings that do the same over and over: the shape of an N+1 query.

use super::tree::Tree;
use crate::model::batch::StrId;
use crate::model::{SpanBatch, SpanKind};
use std::collections::HashMap;

/// Siblings of one operation from which on they are one group.
pub const REPEATS_FROM: u32 = 5;

/// At least [`REPEATS_FROM`] children of one span with the same service and name.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Repeat {
    /// Their parent.
    pub parent: u32,
    /// The first of them by start.
    pub first: u32,
    /// Index of their service in [`Tree::services`].
    pub service: u16,
    /// Their name.
    pub name: StrId,
    /// How many.
    pub count: u32,
    /// Sum of their durations.
    pub total_ns: i64,
    /// They call something else and mostly one after the other: one call could have done.
    pub n_plus_one: bool,
}

struct Running {
    repeat: Repeat,
    calls: u32,
    in_turn: u32,
    last_end: i64,
}

/// Every group of repeated siblings, by parent in the order of the nodes, then by first start.
pub(super) fn repeats(batch: &SpanBatch, tree: &Tree) -> Vec<Repeat> {
    let mut found = Vec::new();
    let mut groups: HashMap<(u16, StrId), Running> = HashMap::new();
    for parent in 0..tree.nodes() {
        let children = tree.children(parent);
        if children.len() < REPEATS_FROM as usize {
            continue;
        }
        for child in children.iter().copied().filter(|child| !tree.is_virtual(*child)) {
            let span = &batch.spans[child as usize];
            let service = tree.service_index(child);
            let running = groups.entry((service, span.name)).or_insert_with(|| Running {
                repeat: Repeat { parent, first: child, service, name: span.name, count: 0, total_ns: 0, n_plus_one: false },
                calls: 0,
                in_turn: 0,
                last_end: i64::MIN,
            });
            running.repeat.count += 1;
            running.repeat.total_ns = running.repeat.total_ns.saturating_add(tree.duration(child));
            running.calls += u32::from(span.kind == SpanKind::Client as u8);
            running.in_turn += u32::from(tree.start(child) >= running.last_end);
            running.last_end = running.last_end.max(tree.end(child));
        }
        let from = found.len();
        found.extend(groups.drain().map(|(_, running)| running).filter(|running| running.repeat.count >= REPEATS_FROM).map(
            |running| {
                let most = running.repeat.count - running.repeat.count / 5;
                Repeat { n_plus_one: running.calls >= most && running.in_turn >= most, ..running.repeat }
            },
        ));
        found[from..].sort_unstable_by_key(|repeat| (tree.start(repeat.first), repeat.first));
    }
    found
}
