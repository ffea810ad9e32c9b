//! Lanes to draw a trace in, true to time.
//!
//! A span stands on one lane with its children on the lanes below it; siblings that overlap, with all that hangs under
//! them, get lanes of their own. So each lane is sorted by start and nothing on it overlaps, which makes every question
//! of a frame (what is under the pointer, what does this pixel column hold) a binary search. What is narrower than a
//! few pixels is folded per pixel column ([`Layout::fold_lane`]) out of a pyramid of aggregates, so that a frame costs
//! what it shows and not what the trace holds. Built once a change of what is folded, off the frame.

mod fold;
mod overview;
mod place;
mod pyramid;

pub use fold::{Fold, PixelView};
pub use overview::{Overview, OverviewRun};
pub use pyramid::{Aggregate, ClassBy, SELF_TIME_STEPS};

use super::repeats::Repeat;
use super::tree::Tree;
use crate::model::SpanBatch;
use pyramid::Pyramid;
use std::collections::HashSet;
use std::ops::Range;

/// Lane of a node that is not shown: an ancestor is folded, or it is above the root.
pub const NO_LANE: u32 = u32::MAX;

/// What a layout depends on besides the tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LayoutInput {
    /// Nodes whose children are not shown.
    pub collapsed: HashSet<u32>,
    /// Nodes that are not shown, nor is anything under them.
    pub hidden: HashSet<u32>,
    /// Show only this node and what is under it.
    pub root: Option<u32>,
    /// What decides the colour.
    pub class_by: ClassBy,
}

/// A group of repeated siblings on the lane of the first of them.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Group {
    /// Who they are.
    pub repeat: Repeat,
    /// Lane of the first one.
    pub lane: u32,
    /// Start of the first one.
    pub start: i64,
    /// Latest end of those on this lane.
    pub end: i64,
}

/// See the module comment. An *item* is a position in lane order.
#[derive(Clone, Debug, Default)]
pub struct Layout {
    lane_starts: Vec<u32>,
    nodes: Vec<u32>,
    starts: Vec<i64>,
    ends: Vec<i64>,
    lane_of: Vec<u32>,
    pyramid: Pyramid,
    groups: Vec<Group>,
    extent: (i64, i64),
}

/// Lays a tree out.
pub fn layout(batch: &SpanBatch, tree: &Tree, input: &LayoutInput) -> Layout {
    let placed = place::place(tree, input);
    let mut layout = Layout { lane_of: placed.lane_of, extent: placed.extent, ..Layout::default() };
    layout.fill_lanes(tree);
    layout.pyramid = Pyramid::build(layout.nodes.iter().map(|node| Aggregate::of(batch, tree, *node, input.class_by)));
    layout.find_groups(batch, tree);
    layout
}

impl Layout {
    /// Number of lanes.
    pub fn lanes(&self) -> u32 {
        (self.lane_starts.len() as u32).saturating_sub(1)
    }

    /// Number of nodes shown.
    pub fn shown(&self) -> u32 {
        self.nodes.len() as u32
    }

    /// Earliest start and latest end of what is shown.
    pub fn extent(&self) -> (i64, i64) {
        self.extent
    }

    /// The lane of a node, unless it is not shown.
    pub fn lane_of(&self, node: u32) -> Option<u32> {
        self.lane_of.get(node as usize).copied().filter(|lane| *lane != NO_LANE)
    }

    /// The node of an item.
    pub fn node(&self, item: u32) -> u32 {
        self.nodes[item as usize]
    }

    /// The items of a lane, by start.
    pub fn lane(&self, lane: u32) -> Range<u32> {
        match self.lane_starts.get(lane as usize..lane as usize + 2) {
            Some(&[from, to]) => from..to,
            _ => 0..0,
        }
    }

    /// Start and end of an item, nanoseconds.
    pub fn span(&self, item: u32) -> (i64, i64) {
        (self.starts[item as usize], self.ends[item as usize])
    }

    /// What an item looks like.
    pub fn look(&self, item: u32) -> Aggregate {
        self.pyramid.one(item)
    }

    /// Groups of repeated siblings, in the order of their parents.
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// The item of a node that is shown.
    pub fn item_of(&self, tree: &Tree, node: u32) -> Option<u32> {
        let lane = self.lane(self.lane_of(node)?);
        let (from, to) = (lane.start as usize, lane.end as usize);
        let at = from + self.starts[from..to].partition_point(|start| *start < tree.start(node));
        // A lane holds at most one item a start, unless a clock ran out of numbers at the end of time.
        (at..to).find(|at| self.nodes[*at] == node).map(|at| at as u32)
    }

    /// The item at a moment on a lane; failing that the nearest within `slop` nanoseconds.
    pub fn item_at(&self, lane: u32, time: i64, slop: i64) -> Option<u32> {
        let lane = self.lane(lane);
        let (from, to) = (lane.start as usize, lane.end as usize);
        let after = from + self.starts[from..to].partition_point(|start| *start <= time);
        let before = after.checked_sub(1).filter(|at| *at >= from);
        let gap_before = before.map(|at| time.saturating_sub(self.ends[at]));
        if let (Some(at), Some(gap)) = (before, gap_before)
            && gap <= 0
        {
            return Some(at as u32);
        }
        let gap_after = (after < to).then(|| self.starts[after].saturating_sub(time));
        match (gap_before, gap_after) {
            (Some(gap), other) if gap <= slop && other.is_none_or(|other| gap <= other) => before.map(|at| at as u32),
            (_, Some(gap)) if gap <= slop => Some(after as u32),
            _ => None,
        }
    }

    /// The item before or after one on its lane.
    pub fn beside(&self, item: u32, forward: bool) -> Option<u32> {
        let lane = self.lane(self.lane_of(self.node(item))?);
        let other = if forward { item.checked_add(1) } else { item.checked_sub(1) }?;
        lane.contains(&other).then_some(other)
    }

    /// Count, errors and dominant service of a run of items.
    pub fn aggregate(&self, items: Range<u32>) -> Aggregate {
        self.pyramid.aggregate(items)
    }

    fn fill_lanes(&mut self, tree: &Tree) {
        let lanes = self.lane_of.iter().filter(|lane| **lane != NO_LANE).max().map_or(0, |last| *last as usize + 1);
        let mut starts = vec![0_u32; lanes + 1];
        for lane in self.lane_of.iter().filter(|lane| **lane != NO_LANE) {
            starts[*lane as usize + 1] += 1;
        }
        for lane in 0..lanes {
            starts[lane + 1] += starts[lane];
        }
        let shown = starts[lanes] as usize;
        let mut next = starts.clone();
        self.nodes = vec![0; shown];
        self.starts = vec![0; shown];
        self.ends = vec![0; shown];
        for node in tree.by_start().iter().copied() {
            let lane = self.lane_of[node as usize];
            if lane != NO_LANE {
                let item = next[lane as usize] as usize;
                next[lane as usize] += 1;
                self.nodes[item] = node;
                self.starts[item] = tree.start(node);
                self.ends[item] = tree.end(node);
            }
        }
        self.lane_starts = starts;
    }

    fn find_groups(&mut self, batch: &SpanBatch, tree: &Tree) {
        for repeat in tree.repeats() {
            let Some(lane) = self.lane_of(repeat.first) else { continue };
            let same = |child: &&u32| {
                !tree.is_virtual(**child)
                    && tree.service_index(**child) == repeat.service
                    && batch.spans[**child as usize].name == repeat.name
                    && self.lane_of(**child) == Some(lane)
            };
            let end = tree.children(repeat.parent).iter().filter(same).map(|child| tree.end(*child)).max();
            let start = tree.start(repeat.first);
            self.groups.push(Group { repeat: *repeat, lane, start, end: end.unwrap_or(start) });
        }
    }
}

#[cfg(test)]
mod tests;
