//! The critical path of what is shown, ready to paint: segments in the order of time, shares by span and by operation.

use super::load::Loaded;
use crate::analysis::{CriticalPath, Segment};
use crate::model::batch::StrId;
use std::collections::HashMap;

/// One operation's time on the path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Step {
    /// Index of the service in the tree; of the first child's for a missing parent.
    pub(super) service: u16,
    /// Span name; `None` for parents that were not received.
    pub(super) name: Option<StrId>,
    /// Nanoseconds on the path.
    pub(super) ns: i64,
    /// The span that has most of it.
    pub(super) most: u32,
    /// Spans that have some of it.
    pub(super) spans: u32,
}

/// See the module comment.
#[derive(Default)]
pub(super) struct Path {
    /// In the order of time.
    pub(super) segments: Vec<Segment>,
    /// The same by node, then by time.
    by_node: Vec<Segment>,
    shares: HashMap<u32, i64>,
    /// Most time first.
    pub(super) steps: Vec<Step>,
    /// Nanoseconds of the whole path.
    pub(super) total: i64,
}

impl Path {
    /// Of the whole trace, or under one node.
    pub(super) fn of(loaded: &Loaded, root: Option<u32>) -> Self {
        let tree = &loaded.tree;
        let found = root.map_or_else(|| CriticalPath::of(tree), |root| CriticalPath::under(tree, root));
        let (shares, total) = (found.by_node(), found.duration());
        let mut by_node = found.segments.clone();
        by_node.sort_unstable_by_key(|segment| (segment.node, segment.start));
        let mut steps: HashMap<(u16, Option<StrId>), Step> = HashMap::new();
        let mut nodes: Vec<(u32, i64)> = shares.iter().map(|(node, ns)| (*node, *ns)).collect();
        nodes.sort_unstable();
        for (node, ns) in nodes {
            let name = (!tree.is_virtual(node)).then(|| loaded.batch().spans[node as usize].name);
            let service = tree.service_index(node);
            let step = steps.entry((service, name)).or_insert(Step { service, name, ns: 0, most: node, spans: 0 });
            step.ns += ns;
            step.spans += 1;
            if ns > shares.get(&step.most).copied().unwrap_or(0) {
                step.most = node;
            }
        }
        let mut steps: Vec<Step> = steps.into_values().collect();
        steps.sort_unstable_by_key(|step| (std::cmp::Reverse(step.ns), step.most));
        Self { segments: found.segments, by_node, shares, steps, total }
    }

    /// Spans on it.
    pub(super) fn nodes(&self) -> Vec<u32> {
        let mut nodes: Vec<u32> = self.shares.keys().copied().collect();
        nodes.sort_unstable();
        nodes
    }

    /// The segments of one node.
    pub(super) fn of_node(&self, node: u32) -> &[Segment] {
        let from = self.by_node.partition_point(|segment| segment.node < node);
        let to = self.by_node.partition_point(|segment| segment.node <= node);
        &self.by_node[from..to]
    }

    /// Share of the path that a node owns, 0 to 1; `None` off the path.
    pub(super) fn share(&self, node: u32) -> Option<f64> {
        self.shares.get(&node).map(|ns| *ns as f64 / self.total.max(1) as f64)
    }

    /// Share of the path that an operation owns, 0 to 1; `None` off the path.
    pub(super) fn share_of(&self, service: u16, name: StrId) -> Option<f64> {
        let step = self.steps.iter().find(|step| step.service == service && step.name == Some(name))?;
        Some(step.ns as f64 / self.total.max(1) as f64)
    }
}
