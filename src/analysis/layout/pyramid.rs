//! Aggregates of runs of items in logarithmic time: an implicit binary forest over the items in lane order.

use super::super::marks::Marks;
use super::super::tree::Tree;
use std::ops::Range;

const ERROR: u8 = 1;
const IN_FLIGHT: u8 = 1 << 1;
const CALLS: u8 = 1 << 2;
const VIRTUAL: u8 = 1 << 3;

/// What one item, or a run of items folded into one pixel column, looks like.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Aggregate {
    /// How much longer the dominant service was busy than the others, nanoseconds; decides when two runs are joined.
    weight: f32,
    /// Index of the dominant service in [`Tree::services`]: the one busy for more than half of the time, where there
    /// is one (Boyer and Moore's majority vote, by busy time).
    pub service: u16,
    flags: u8,
}

impl Aggregate {
    /// Of one node.
    pub fn of(tree: &Tree, node: u32) -> Self {
        let marks = tree.marks(node);
        let flag = |mark: Marks, flag: u8| if marks.has(mark) { flag } else { 0 };
        let flags = flag(Marks::ERROR, ERROR)
            | flag(Marks::IN_FLIGHT, IN_FLIGHT)
            | flag(Marks::CALLS, CALLS)
            | if tree.is_virtual(node) { VIRTUAL } else { 0 };
        // A span of no length still has a say where nothing longer is.
        Self { weight: tree.duration(node).max(1) as f32, service: tree.service_index(node), flags }
    }

    /// One of them has an error: errors win a column.
    pub fn is_error(self) -> bool {
        self.flags & ERROR != 0
    }

    /// One of them has not ended.
    pub fn is_in_flight(self) -> bool {
        self.flags & IN_FLIGHT != 0
    }

    /// One of them calls something else.
    pub fn calls(self) -> bool {
        self.flags & CALLS != 0
    }

    /// One of them stands for a parent that was not received.
    pub fn is_virtual(self) -> bool {
        self.flags & VIRTUAL != 0
    }

    fn join(self, other: Self) -> Self {
        let flags = self.flags | other.flags;
        if self.service == other.service {
            return Self { weight: self.weight + other.weight, flags, ..self };
        }
        let (more, less) = if self.weight >= other.weight { (self, other) } else { (other, self) };
        Self { weight: more.weight - less.weight, service: more.service, flags }
    }
}

/// Level `k` holds the aggregates of aligned runs of `2^k` items.
#[derive(Clone, Debug, Default)]
pub(super) struct Pyramid {
    levels: Vec<Vec<Aggregate>>,
}

impl Pyramid {
    pub(super) fn build(items: impl Iterator<Item = Aggregate>) -> Self {
        let mut levels = vec![items.collect::<Vec<_>>()];
        while let Some(below) = levels.last().filter(|level| level.len() > 1) {
            let level = below.chunks_exact(2).map(|pair| pair[0].join(pair[1])).collect();
            levels.push(level);
        }
        Self { levels }
    }

    pub(super) fn one(&self, item: u32) -> Aggregate {
        self.levels[0][item as usize]
    }

    pub(super) fn aggregate(&self, items: Range<u32>) -> Aggregate {
        let (mut at, end) = (items.start, items.end);
        let mut all: Option<Aggregate> = None;
        while at < end {
            let level = at.trailing_zeros().min((end - at).ilog2());
            let found = self.levels[level as usize][(at >> level) as usize];
            all = Some(all.map_or(found, |all| all.join(found)));
            at += 1 << level;
        }
        all.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_of_items_knows_its_errors_and_its_majority() {
        let item = |service: u16, flags: u8| Aggregate { weight: 1.0, service, flags };
        let items: Vec<Aggregate> = (0..1_000_u32).map(|at| item(u16::from(at % 3 == 0), u8::from(at == 700))).collect();
        let pyramid = Pyramid::build(items.iter().copied());
        for range in [0..1_000, 1..999, 5..6, 699..702, 17..311, 0..0] {
            let all = pyramid.aggregate(range.clone());
            assert_eq!(all.is_error(), range.contains(&700), "{range:?}");
        }
        assert_eq!(pyramid.aggregate(0..1_000).service, 0);
        assert_eq!(pyramid.aggregate(3..4).service, 1);
        assert!(!pyramid.aggregate(0..0).is_error());
    }
}
