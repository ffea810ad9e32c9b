//! Clocks that do not agree: how far each service's clock is off, seen from the root's.
//!
//! A server's span lies inside the client's span that called it. Each such pair of two services bounds the difference
//! of their clocks from both sides; the intersection of a trace's bounds is where the difference can lie (Zipkin's and
//! Jaeger's adjusters take the midpoint of one pair, which this refines). Nothing is moved here: the estimate is shown,
//! and [`super::TreeInput::clock_offsets`] moves the spans when the reader asks for it.

use super::marks::Marks;
use super::tree::Tree;
use crate::model::{DurationNs, SpanBatch, SpanKind};
use smol_str::SmolStr;
use std::collections::{BTreeMap, VecDeque};

/// Differences below this are the jitter of reading clocks, not skew.
const WORTH_SAYING_NS: i64 = 1_000_000;

/// A service with a clock that is off.
#[derive(Clone, PartialEq, Debug)]
pub struct ClockSkew {
    /// Whose clock.
    pub service: SmolStr,
    /// How far it is ahead of the root's; negative when it is behind.
    pub ahead: DurationNs,
    /// Calls into or out of it that say so.
    pub calls: u32,
}

/// What the calls from one service to another allow: nanoseconds to add to the callee's clock.
struct Bounds {
    low: i64,
    high: i64,
    middles: Vec<i64>,
    broken: u32,
}

impl Bounds {
    /// The correction; 0 while the clocks may agree.
    fn correction(&mut self) -> i64 {
        if self.low <= 0 && self.high >= 0 || (self.broken as usize) * 2 < self.middles.len() {
            return 0;
        }
        if self.low <= self.high {
            return self.low + (self.high - self.low) / 2;
        }
        // They contradict one another (a clock was set meanwhile): the median is the most robust guess.
        let middle = self.middles.len() / 2;
        *self.middles.select_nth_unstable(middle).1
    }
}

/// Clocks that are off by at least a millisecond, largest difference first. Takes the tree of what was sent, unadjusted.
pub fn estimate_skew(batch: &SpanBatch, tree: &Tree) -> Vec<ClockSkew> {
    let mut pairs = bounds(batch, tree);
    let mut neighbours: BTreeMap<u16, Vec<(u16, i64, u32)>> = BTreeMap::new();
    for ((caller, callee), bounds) in &mut pairs {
        let (correction, calls) = (bounds.correction(), bounds.middles.len() as u32);
        neighbours.entry(*caller).or_default().push((*callee, correction, calls));
        neighbours.entry(*callee).or_default().push((*caller, correction.saturating_neg(), calls));
    }
    let mut found: BTreeMap<u16, (i64, u32)> = BTreeMap::new();
    let roots = tree.roots().iter().map(|root| tree.service_index(*root));
    for from in roots.chain(neighbours.keys().copied().collect::<Vec<_>>()) {
        if found.contains_key(&from) {
            continue;
        }
        found.insert(from, (0, 0));
        let mut queue = VecDeque::from([from]);
        while let Some(service) = queue.pop_front() {
            let here = found.get(&service).map_or(0, |(offset, _)| *offset);
            for (other, correction, calls) in neighbours.get(&service).into_iter().flatten() {
                if !found.contains_key(other) {
                    found.insert(*other, (here.saturating_add(*correction), *calls));
                    queue.push_back(*other);
                }
            }
        }
    }
    let mut skews: Vec<ClockSkew> = found
        .into_iter()
        .filter(|(_, (offset, _))| offset.unsigned_abs() >= WORTH_SAYING_NS as u64)
        .filter_map(|(service, (offset, calls))| {
            let service = tree.services().get(usize::from(service))?.clone();
            Some(ClockSkew { service, ahead: DurationNs(offset.saturating_neg()), calls })
        })
        .collect();
    skews.sort_by(|a, b| b.ahead.0.unsigned_abs().cmp(&a.ahead.0.unsigned_abs()).then_with(|| a.service.cmp(&b.service)));
    skews
}

fn bounds(batch: &SpanBatch, tree: &Tree) -> BTreeMap<(u16, u16), Bounds> {
    let mut pairs: BTreeMap<(u16, u16), Bounds> = BTreeMap::new();
    let untimed = Marks::NO_TIME;
    let blurred = |node: u32| {
        let marks = tree.marks(node);
        marks.has(Marks::IN_FLIGHT) || marks.has(Marks::GIVEN_UP) || marks.has(untimed) || marks.has(Marks::NEGATIVE)
    };
    for child in 0..tree.spans() {
        let Some(parent) = tree.parent(child).filter(|parent| !tree.is_virtual(*parent)) else { continue };
        let (caller, callee) = (tree.service_index(parent), tree.service_index(child));
        let synchronous = batch.spans[child as usize].kind == SpanKind::Server as u8
            && batch.spans[parent as usize].kind != SpanKind::Producer as u8;
        if caller == callee || !synchronous || blurred(child) || blurred(parent) {
            continue;
        }
        let low = tree.start(parent).saturating_sub(tree.start(child));
        let high = tree.end(parent).saturating_sub(tree.end(child));
        if low > high {
            continue;
        }
        let pair = pairs.entry((caller, callee)).or_insert_with(|| Bounds {
            low: i64::MIN,
            high: i64::MAX,
            middles: Vec::new(),
            broken: 0,
        });
        pair.low = pair.low.max(low);
        pair.high = pair.high.min(high);
        pair.middles.push(low + (high - low) / 2);
        pair.broken += u32::from(low > 0 || high < 0);
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::super::tree::TreeInput;
    use super::super::tree::tests::{Draft, batch};
    use super::*;

    const MS: i64 = 1_000_000;

    fn call(id: u64, parent: u64, service: &'static str, kind: SpanKind, from_ms: i64, to_ms: i64) -> Draft {
        Draft { id, parent, service, kind, start: from_ms * MS, end: Some(to_ms * MS), ..Draft::default() }
    }

    #[test]
    fn a_clock_ahead_is_named_and_setting_it_right_puts_the_spans_inside() {
        let batch = batch(&[
            call(1, 0, "web", SpanKind::Client, 1_000, 1_100),
            call(2, 1, "payment", SpanKind::Server, 1_051, 1_131),
            call(3, 0, "web", SpanKind::Client, 1_200, 1_260),
            call(4, 3, "payment", SpanKind::Server, 1_245, 1_299),
        ]);
        let tree = Tree::build(&batch, &TreeInput::default());
        let skews = estimate_skew(&batch, &tree);
        assert_eq!(skews.len(), 1);
        assert_eq!(skews[0].service, "payment");
        assert!((39 * MS..=45 * MS).contains(&skews[0].ahead.0), "{:?}", skews[0].ahead);
        let clock_offsets = vec![(skews[0].service.clone(), -skews[0].ahead.0)];
        let adjusted = Tree::build(&batch, &TreeInput { clock_offsets, ..TreeInput::default() });
        assert_eq!(adjusted.marked(Marks::OUTSIDE_PARENT).count(), 0);
        assert_eq!(tree.marked(Marks::OUTSIDE_PARENT).count(), 2);
    }

    #[test]
    fn clocks_that_may_agree_and_one_odd_call_among_many_are_not_skew() {
        let mut drafts: Vec<Draft> = Vec::new();
        for at in 0..10 {
            let late = if at == 3 { 30 } else { 0 };
            drafts.push(call(1 + at * 2, 0, "web", SpanKind::Client, at as i64 * 100, at as i64 * 100 + 50));
            drafts.push(call(
                2 + at * 2,
                1 + at * 2,
                "db",
                SpanKind::Server,
                at as i64 * 100 + 2 + late,
                at as i64 * 100 + 45 + late,
            ));
        }
        let batch = batch(&drafts);
        let tree = Tree::build(&batch, &TreeInput::default());
        assert!(estimate_skew(&batch, &tree).is_empty());
    }
}
