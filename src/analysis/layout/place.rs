//! Which lane each node stands on.
//!
//! Every node with what is under it is a block: from the earliest start to the latest end in it, as high as its lanes.
//! The blocks of siblings are packed below their parent, first fit, in the order of their starts. No recursion, and no
//! step costs more than the logarithm of the siblings that overlap.

use super::super::marks::Marks;
use super::super::tree::Tree;
use super::{LayoutInput, NO_LANE};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

/// Free runs of lanes that are tried before a block goes below everything: bounds the cost of a hostile trace.
const TRIED: usize = 64;

/// Where things stand.
pub(super) struct Placed {
    /// By node; [`NO_LANE`] when not shown.
    pub(super) lane_of: Vec<u32>,
    /// Earliest start and latest drawn end of what is shown.
    pub(super) extent: (i64, i64),
}

#[derive(Clone, Copy, Default)]
struct Block {
    start: i64,
    /// Unlike the drawn end: at least a nanosecond after the start, and endless with a span in flight, so that nothing
    /// is put where it will grow.
    end: i64,
    height: u32,
    /// Lanes below the lane under the parent.
    offset: u32,
}

pub(super) fn place(tree: &Tree, input: &LayoutInput) -> Placed {
    let nodes = tree.nodes() as usize;
    let root = input.root.filter(|root| (*root as usize) < nodes);
    let mut roots = root.map_or_else(|| tree.roots().to_vec(), |root| vec![root]);
    roots.retain(|root| !input.hidden.contains(root));
    let order = shown(tree, input, root);
    let mut blocks = vec![Block::default(); nodes];
    let mut packer = Packer::default();
    let mut sorted = Vec::new();
    let mut left = Vec::new();
    for node in order.iter().rev().copied() {
        let children = if input.collapsed.contains(&node) {
            &[][..]
        } else if input.hidden.is_empty() {
            tree.children(node)
        } else {
            left.clear();
            left.extend(tree.children(node).iter().filter(|child| !input.hidden.contains(child)));
            &left
        };
        let (start, drawn) = (tree.start(node), tree.end(node));
        let end = if tree.marks(node).has(Marks::IN_FLIGHT) { i64::MAX } else { drawn.max(start.saturating_add(1)) };
        let below = packer.pack(children, &mut blocks, &mut sorted);
        blocks[node as usize] =
            Block { start: start.min(below.start), end: end.max(below.end), height: 1 + below.height, offset: 0 };
    }
    packer.pack(&roots, &mut blocks, &mut sorted);
    let mut lane_of = vec![NO_LANE; nodes];
    let (mut first, mut last) = (i64::MAX, i64::MIN);
    for node in order.iter().copied() {
        let above = match tree.parent(node) {
            Some(parent) if Some(node) != root => lane_of[parent as usize] + 1,
            _ => 0,
        };
        lane_of[node as usize] = above + blocks[node as usize].offset;
        first = first.min(tree.start(node));
        last = last.max(tree.end(node));
    }
    let extent = if order.is_empty() { (0, 1) } else { (first, last.max(first.saturating_add(1))) };
    Placed { lane_of, extent }
}

/// The nodes to show in pre-order.
fn shown(tree: &Tree, input: &LayoutInput, root: Option<u32>) -> Vec<u32> {
    let whole = tree.preorder();
    let range = match root.map(|root| (root, whole.iter().position(|node| *node == root))) {
        Some((root, Some(from))) => from..from + tree.subtree_size(root) as usize,
        _ => 0..whole.len(),
    };
    let mut order = Vec::with_capacity(range.len());
    let mut at = range.start;
    while at < range.end {
        let node = whole[at];
        let hidden = input.hidden.contains(&node);
        if !hidden {
            order.push(node);
        }
        at += if hidden || input.collapsed.contains(&node) { tree.subtree_size(node) as usize } else { 1 };
    }
    order
}

/// First fit of blocks into lanes, reused from parent to parent.
#[derive(Default)]
struct Packer {
    /// End, lane and height of the blocks that are still running.
    running: BinaryHeap<Reverse<(i64, u32, u32)>>,
    /// First lane and length of the runs of free lanes between them.
    free: BTreeMap<u32, u32>,
    /// Lanes taken so far by what is running.
    top: u32,
}

impl Packer {
    /// Sets the offset of each block and answers what they take together.
    fn pack(&mut self, nodes: &[u32], blocks: &mut [Block], sorted: &mut Vec<u32>) -> Block {
        let mut all = Block { start: i64::MAX, end: i64::MIN, ..Block::default() };
        let start_of = |node: &u32| blocks[*node as usize].start;
        let nodes = if nodes.is_sorted_by_key(start_of) {
            nodes
        } else {
            sorted.clear();
            sorted.extend_from_slice(nodes);
            sorted.sort_by_key(start_of);
            sorted
        };
        self.reset();
        for node in nodes {
            let block = blocks[*node as usize];
            // Most siblings follow one another; then nothing is running and no book needs to be kept.
            let offset = if block.start >= all.end {
                self.reset();
                0
            } else {
                self.fit(block.start, block.height)
            };
            self.top = self.top.max(offset + block.height);
            self.running.push(Reverse((block.end, offset, block.height)));
            blocks[*node as usize].offset = offset;
            all.start = all.start.min(block.start);
            all.end = all.end.max(block.end);
            all.height = all.height.max(offset + block.height);
        }
        all
    }

    fn reset(&mut self) {
        self.running.clear();
        self.free.clear();
        self.top = 0;
    }

    fn fit(&mut self, start: i64, height: u32) -> u32 {
        while let Some(Reverse((end, lane, its_height))) = self.running.peek().copied()
            && end <= start
        {
            self.running.pop();
            self.release(lane, its_height);
        }
        let found = self.free.iter().take(TRIED).find(|(_, length)| **length >= height).map(|(lane, length)| (*lane, *length));
        let Some((lane, length)) = found else { return self.top };
        self.free.remove(&lane);
        if length > height {
            self.free.insert(lane + height, length - height);
        }
        lane
    }

    /// Gives lanes back, joined with the free ones beside them; what is free at the bottom is no lane at all.
    fn release(&mut self, lane: u32, height: u32) {
        let (mut lane, mut height) = (lane, height);
        if let Some((before, length)) = self.free.range(..lane).next_back().map(|(before, length)| (*before, *length))
            && before + length == lane
        {
            self.free.remove(&before);
            lane = before;
            height += length;
        }
        if let Some(length) = self.free.remove(&(lane + height)) {
            height += length;
        }
        if lane + height == self.top {
            self.top = lane;
        } else {
            self.free.insert(lane, height);
        }
    }
}
