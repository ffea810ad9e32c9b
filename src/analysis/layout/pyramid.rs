//! Aggregates of runs of items in logarithmic time: an implicit binary forest over the items in lane order.

use super::super::marks::Marks;
use super::super::tree::Tree;
use crate::model::SpanBatch;
use std::ops::Range;

const ERROR: u8 = 1;
const IN_FLIGHT: u8 = 1 << 1;
const CALLS: u8 = 1 << 2;
const VIRTUAL: u8 = 1 << 3;

/// What one item, or a run of items folded into one pixel column, looks like.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Aggregate {
    /// How much longer the dominant class was busy than the others, nanoseconds; decides when two runs are joined.
    weight: f32,
    /// What decides the colour, see [`ClassBy`]. Of a run the class that was busy for more than half of the time, where
    /// there is one (Boyer and Moore's majority vote, by busy time).
    pub class: u16,
    flags: u8,
}

/// What spans are told apart by; the window gives each class a colour.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ClassBy {
    /// Index of the service in [`Tree::services`].
    #[default]
    Service,
    /// 0 unset, 1 ok, 2 error.
    Status,
    /// Number of the kind.
    Kind,
    /// Share of self time in the duration, 0 (none) to [`SELF_TIME_STEPS`] − 1 (all).
    SelfTime,
}

/// Steps of [`ClassBy::SelfTime`].
pub const SELF_TIME_STEPS: u16 = 9;

impl ClassBy {
    fn of(self, batch: &SpanBatch, tree: &Tree, node: u32) -> u16 {
        match self {
            _ if tree.is_virtual(node) => tree.service_index(node),
            Self::Service => tree.service_index(node),
            Self::Status => u16::from(batch.spans[node as usize].status),
            Self::Kind => u16::from(batch.spans[node as usize].kind),
            Self::SelfTime => {
                let share = tree.self_time(node) as f64 / tree.duration(node).max(1) as f64;
                ((share * f64::from(SELF_TIME_STEPS)) as u16).min(SELF_TIME_STEPS - 1)
            }
        }
    }
}

impl Aggregate {
    /// Of one node.
    pub(super) fn of(batch: &SpanBatch, tree: &Tree, node: u32, by: ClassBy) -> Self {
        let marks = tree.marks(node);
        let flag = |mark: Marks, flag: u8| if marks.has(mark) { flag } else { 0 };
        let flags = flag(Marks::ERROR, ERROR)
            | flag(Marks::IN_FLIGHT, IN_FLIGHT)
            | flag(Marks::CALLS, CALLS)
            | if tree.is_virtual(node) { VIRTUAL } else { 0 };
        // A span of no length still has a say where nothing longer is.
        Self { weight: tree.duration(node).max(1) as f32, class: by.of(batch, tree, node), flags }
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
        if self.class == other.class {
            return Self { weight: self.weight + other.weight, flags, ..self };
        }
        let (more, less) = if self.weight >= other.weight { (self, other) } else { (other, self) };
        Self { weight: more.weight - less.weight, class: more.class, flags }
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
        let item = |class: u16, flags: u8| Aggregate { weight: 1.0, class, flags };
        let items: Vec<Aggregate> = (0..1_000_u32).map(|at| item(u16::from(at % 3 == 0), u8::from(at == 700))).collect();
        let pyramid = Pyramid::build(items.iter().copied());
        for range in [0..1_000, 1..999, 5..6, 699..702, 17..311, 0..0] {
            let all = pyramid.aggregate(range.clone());
            assert_eq!(all.is_error(), range.contains(&700), "{range:?}");
        }
        assert_eq!(pyramid.aggregate(0..1_000).class, 0);
        assert_eq!(pyramid.aggregate(3..4).class, 1);
        assert!(!pyramid.aggregate(0..0).is_error());
    }
}
