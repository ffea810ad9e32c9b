//! The tree of a trace: parents, children by start, depth, self time, marks.
//!
//! Every span stands in it exactly once, whatever came: a parent that is missing gets a virtual root, a circle of
//! parents is cut above its earliest span, spans with one id (the halves of a Zipkin span, a client's double) are told
//! apart. Times are nanoseconds; [`Tree::start`] and [`Tree::end`] are those to draw by: of a span in flight the end is
//! the latest moment known, of one that came without a time the start is its parent's, and a skewed clock is set right
//! when asked. Built in linear time; 1M spans in a few hundred milliseconds (`benches/flame.rs`).

mod given_up;
mod ids;
mod times;

use super::marks::Marks;
use super::repeats::{Repeat, repeats};
use crate::model::batch::IN_FLIGHT;
use crate::model::{SpanBatch, SpanId, SpanKind, UnixNanos};
pub use given_up::{GiveUp, GivenUp, SILENCE};
use ids::{IdIndex, choose_parent};
use smol_str::SmolStr;
use std::collections::HashMap;

/// No node.
pub const NONE: u32 = u32::MAX;

/// What a tree depends on besides the spans.
#[derive(Clone, Debug, Default)]
pub struct TreeInput {
    /// Spans in flight are drawn up to here, or up to the latest moment in the trace if that is later.
    pub open_until: Option<UnixNanos>,
    /// Nanoseconds added to every time of a service, as [`super::estimate_skew`] suggests; empty draws what was sent.
    pub clock_offsets: Vec<(SmolStr, i64)>,
    /// When spans in flight are given up; without it only where their exporter said so.
    pub give_up: Option<GiveUp>,
}

/// See the module comment.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    spans: u32,
    parents: Vec<u32>,
    first_child: Vec<u32>,
    children: Vec<u32>,
    roots: Vec<u32>,
    missing: Vec<SpanId>,
    order: Vec<u32>,
    subtree: Vec<u32>,
    depths: Vec<u32>,
    starts: Vec<i64>,
    ends: Vec<i64>,
    self_ns: Vec<i64>,
    marks: Vec<Marks>,
    services: Vec<SmolStr>,
    service_of: Vec<u16>,
    by_start: Vec<u32>,
    repeats: Vec<Repeat>,
    extent: (i64, i64),
    given_up: Vec<(u32, GivenUp)>,
}

impl Tree {
    /// Builds the tree of one trace's spans.
    pub fn build(batch: &SpanBatch, input: &TreeInput) -> Self {
        let count = batch.len();
        let mut tree = Self { spans: count as u32, ..Self::default() };
        tree.name_services(batch);
        tree.set_times(batch, input);
        tree.set_parents(batch);
        tree.cut_cycles();
        tree.place_untimed();
        tree.add_missing_roots();
        tree.sort_by_start();
        tree.index_children();
        tree.walk();
        tree.give_up(batch, input.give_up.as_ref());
        tree.sum_self_time();
        tree.set_marks(batch);
        tree.mark_repeats(batch);
        tree
    }

    /// Number of spans; nodes from here on are virtual.
    pub fn spans(&self) -> u32 {
        self.spans
    }

    /// Number of nodes, virtual ones included.
    pub fn nodes(&self) -> u32 {
        self.parents.len() as u32
    }

    /// True for a node that stands for a parent which was not received.
    pub fn is_virtual(&self, node: u32) -> bool {
        node >= self.spans
    }

    /// The id of the parent that was not received.
    pub fn missing_id(&self, node: u32) -> Option<SpanId> {
        node.checked_sub(self.spans).and_then(|at| self.missing.get(at as usize)).copied()
    }

    /// Parent node, if any.
    pub fn parent(&self, node: u32) -> Option<u32> {
        Some(self.parents[node as usize]).filter(|parent| *parent != NONE)
    }

    /// Children by start.
    pub fn children(&self, node: u32) -> &[u32] {
        let at = node as usize;
        &self.children[self.first_child[at] as usize..self.first_child[at + 1] as usize]
    }

    /// Roots by start: parentless spans, cut circles, virtual roots.
    pub fn roots(&self) -> &[u32] {
        &self.roots
    }

    /// Every node, parents before children, siblings by start.
    pub fn preorder(&self) -> &[u32] {
        &self.order
    }

    /// Nodes in the subtree of `node`, itself included: they stand together in [`Tree::preorder`].
    pub fn subtree_size(&self, node: u32) -> u32 {
        self.subtree[node as usize]
    }

    /// Every node by start.
    pub fn by_start(&self) -> &[u32] {
        &self.by_start
    }

    /// Groups of siblings that do the same.
    pub fn repeats(&self) -> &[Repeat] {
        &self.repeats
    }

    /// Steps up to the root.
    pub fn depth(&self, node: u32) -> u32 {
        self.depths[node as usize]
    }

    /// Start to draw by.
    pub fn start(&self, node: u32) -> i64 {
        self.starts[node as usize]
    }

    /// End to draw by, never before the start.
    pub fn end(&self, node: u32) -> i64 {
        self.ends[node as usize]
    }

    /// End minus start, never negative.
    pub fn duration(&self, node: u32) -> i64 {
        self.end(node).saturating_sub(self.start(node))
    }

    /// Duration minus the union of the children, clipped to the span.
    pub fn self_time(&self, node: u32) -> i64 {
        self.self_ns[node as usize]
    }

    /// Marks.
    pub fn marks(&self, node: u32) -> Marks {
        self.marks[node as usize]
    }

    /// Why a span that never ended is given up; `None` for every other.
    pub fn given_up(&self, node: u32) -> Option<&GivenUp> {
        let at = self.given_up.binary_search_by_key(&node, |(at, _)| *at).ok()?;
        self.given_up.get(at).map(|(_, reason)| reason)
    }

    /// Services in the order of their first span.
    pub fn services(&self) -> &[SmolStr] {
        &self.services
    }

    /// Index of the node's service in [`Tree::services`]; a virtual root has its first child's.
    pub fn service_index(&self, node: u32) -> u16 {
        self.service_of[node as usize]
    }

    /// Earliest start and latest end; a nanosecond apart at least, unless there are no spans.
    pub fn extent(&self) -> (i64, i64) {
        self.extent
    }

    /// Every node of which `mark` is set, in the order of [`Tree::preorder`].
    pub fn marked(&self, mark: Marks) -> impl Iterator<Item = u32> + '_ {
        self.order.iter().copied().filter(move |node| self.marks(*node).has(mark))
    }

    fn name_services(&mut self, batch: &SpanBatch) {
        let mut known: HashMap<&str, u16> = HashMap::new();
        let mut of_resource = Vec::with_capacity(batch.resources.len());
        for row in &batch.resources {
            let name = batch.strings.get(row.service);
            let next = known.len().min(usize::from(u16::MAX)) as u16;
            of_resource.push(*known.entry(name).or_insert(next));
        }
        self.service_of = batch.spans.iter().map(|span| of_resource[span.resource as usize]).collect();
        let mut by_number: Vec<(u16, &str)> = known.into_iter().map(|(name, number)| (number, name)).collect();
        by_number.sort_unstable();
        self.services = by_number.into_iter().map(|(_, name)| SmolStr::from(name)).collect();
    }

    fn set_parents(&mut self, batch: &SpanBatch) {
        let index = IdIndex::of(batch);
        self.marks = vec![Marks::NONE; batch.len()];
        self.parents = Vec::with_capacity(batch.len());
        for (at, span) in batch.spans.iter().enumerate() {
            let at = at as u32;
            let shared = index.is_shared(at);
            let (parent, orphan) = choose_parent(batch, &index, &self.service_of, at, shared);
            let mark = &mut self.marks[at as usize];
            if shared {
                mark.set(Marks::SHARED_ID);
            }
            if orphan {
                mark.set(Marks::ORPHAN);
            }
            if parent == at {
                mark.set(Marks::CYCLE);
            }
            if span.end == IN_FLIGHT {
                mark.set(Marks::IN_FLIGHT);
            }
            self.parents.push(if parent == at { NONE } else { parent });
        }
        // Orphans remember whom they miss through the virtual roots.
        let mut roots: HashMap<SpanId, u32> = HashMap::new();
        for at in 0..batch.len() {
            if self.marks[at].has(Marks::ORPHAN) {
                let id = batch.spans[at].parent;
                let next = batch.len() as u32 + self.missing.len() as u32;
                let root = *roots.entry(id).or_insert_with(|| {
                    self.missing.push(id);
                    next
                });
                self.parents[at] = root;
            }
        }
    }

    /// Cuts each circle of parents above its earliest span. Every span is walked over a constant number of times.
    fn cut_cycles(&mut self) {
        const NEW: u8 = 0;
        const ON_PATH: u8 = 1;
        const DONE: u8 = 2;
        let spans = self.spans;
        let mut state = vec![NEW; spans as usize];
        let mut path = Vec::new();
        for from in 0..spans {
            let mut at = from;
            while at < spans && state[at as usize] == NEW {
                state[at as usize] = ON_PATH;
                path.push(at);
                at = self.parents[at as usize];
            }
            if at < spans && state[at as usize] == ON_PATH {
                let circle = path.iter().rposition(|node| *node == at).map_or(&path[..], |begin| &path[begin..]);
                if let Some(first) = circle.iter().copied().min_by_key(|node| (self.starts[*node as usize], *node)) {
                    self.parents[first as usize] = NONE;
                    self.marks[first as usize].set(Marks::CYCLE);
                }
            }
            for node in path.drain(..) {
                state[node as usize] = DONE;
            }
        }
    }

    fn add_missing_roots(&mut self) {
        let spans = self.spans as usize;
        let nodes = spans + self.missing.len();
        self.parents.resize(nodes, NONE);
        self.marks.resize(nodes, Marks::NONE);
        self.starts.resize(nodes, i64::MAX);
        self.ends.resize(nodes, i64::MIN);
        self.service_of.resize(nodes, u16::MAX);
        for at in 0..spans {
            let parent = self.parents[at] as usize;
            if parent >= spans && parent < nodes {
                self.starts[parent] = self.starts[parent].min(self.starts[at]);
                self.ends[parent] = self.ends[parent].max(self.ends[at]);
                if self.service_of[parent] == u16::MAX {
                    self.service_of[parent] = self.service_of[at];
                }
            }
        }
    }

    /// Nodes by start, a virtual root before the span it starts with.
    fn sort_by_start(&mut self) {
        let mut order: Vec<u32> = (0..self.nodes()).collect();
        let key = |node: &u32| (self.starts[*node as usize], !self.is_virtual(*node), *node);
        if !order.is_sorted_by_key(key) {
            order.sort_unstable_by_key(key);
        }
        self.by_start = order;
    }

    fn index_children(&mut self) {
        let nodes = self.parents.len();
        let mut first = vec![0_u32; nodes + 1];
        for parent in self.parents.iter().filter(|parent| **parent != NONE) {
            first[*parent as usize + 1] += 1;
        }
        for at in 0..nodes {
            first[at + 1] += first[at];
        }
        let mut next = first.clone();
        let mut children = vec![0_u32; first[nodes] as usize];
        for node in &self.by_start {
            match self.parents[*node as usize] {
                NONE => self.roots.push(*node),
                parent => {
                    let slot = &mut next[parent as usize];
                    children[*slot as usize] = *node;
                    *slot += 1;
                }
            }
        }
        self.first_child = first;
        self.children = children;
    }

    /// Pre-order, depths and subtree sizes with an explicit stack.
    fn walk(&mut self) {
        let nodes = self.parents.len();
        let mut order = Vec::with_capacity(nodes);
        let mut depths = vec![0_u32; nodes];
        let mut stack: Vec<u32> = self.roots.iter().rev().copied().collect();
        while let Some(node) = stack.pop() {
            order.push(node);
            let depth = depths[node as usize] + 1;
            for child in self.children(node).iter().rev() {
                depths[*child as usize] = depth;
                stack.push(*child);
            }
        }
        let mut subtree = vec![1_u32; nodes];
        for node in order.iter().rev() {
            let parent = self.parents[*node as usize];
            if parent != NONE {
                subtree[parent as usize] += subtree[*node as usize];
            }
        }
        self.order = order;
        self.depths = depths;
        self.subtree = subtree;
    }

    fn sum_self_time(&mut self) {
        self.self_ns = (0..self.nodes()).map(|node| self.self_time_of(node)).collect();
    }

    fn self_time_of(&self, node: u32) -> i64 {
        if self.is_virtual(node) {
            return 0;
        }
        let (start, end) = (self.start(node), self.end(node));
        let (mut covered, mut until) = (0_i64, start);
        for child in self.children(node) {
            let (from, to) = (self.start(*child).max(until), self.end(*child).min(end));
            if to > from {
                covered = covered.saturating_add(to.saturating_sub(from));
                until = to;
            }
        }
        end.saturating_sub(start).saturating_sub(covered)
    }

    fn set_marks(&mut self, batch: &SpanBatch) {
        for (at, span) in batch.spans.iter().enumerate() {
            let mut mark = self.marks[at];
            if span.status == crate::model::StatusCode::Error as u8 {
                mark.set(Marks::ERROR);
            }
            if span.kind == SpanKind::Client as u8 || span.kind == SpanKind::Producer as u8 {
                mark.set(Marks::CALLS);
            }
            if span.end != IN_FLIGHT && span.end < span.start {
                mark.set(Marks::NEGATIVE);
            }
            let last = if span.end == IN_FLIGHT { i64::MAX } else { span.end.max(span.start) };
            if batch.events[span.events.range()].iter().any(|event| event.time < span.start || event.time > last) {
                mark.set(Marks::EVENT_OUTSIDE);
            }
            let parent = self.parents[at];
            if parent < self.spans {
                let (parent, at) = (parent as usize, at);
                let open = self.marks[parent].has(Marks::IN_FLIGHT) || self.marks[parent].has(Marks::GIVEN_UP);
                if self.starts[at] < self.starts[parent] || (!open && self.ends[at] > self.ends[parent]) {
                    mark.set(Marks::OUTSIDE_PARENT);
                }
            }
            self.marks[at] = mark;
        }
    }
}

impl Tree {
    fn mark_repeats(&mut self, batch: &SpanBatch) {
        self.repeats = repeats(batch, self);
        for at in 0..self.repeats.len() {
            let Repeat { parent, service, name, .. } = self.repeats[at];
            for slot in self.first_child[parent as usize]..self.first_child[parent as usize + 1] {
                let child = self.children[slot as usize];
                if child < self.spans && self.service_of[child as usize] == service && batch.spans[child as usize].name == name
                {
                    self.marks[child as usize].set(Marks::REPEATED);
                }
            }
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
