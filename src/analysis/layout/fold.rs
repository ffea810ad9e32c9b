//! A lane as a frame draws it: bars that are wide enough, and pixel columns that hold the rest.

use super::{Aggregate, Layout};

/// What is narrower than this is folded, physical pixels.
const NARROW_PX: f64 = 3.0;

/// The part of time that is looked at, in physical pixels.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct PixelView {
    /// First moment, nanoseconds.
    pub start: i64,
    /// First moment to the right of the view, nanoseconds; after `start`.
    pub end: i64,
    /// Width in physical pixels.
    pub width: f64,
}

/// A piece of a lane. Positions are pixels from the left edge of the view and may lie outside it.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Fold {
    /// One item at its true width.
    Bar {
        /// Which.
        item: u32,
        /// Left edge.
        left: f64,
        /// Right edge.
        right: f64,
    },
    /// Items that start in one pixel column.
    Column {
        /// The first of them.
        first: u32,
        /// How many.
        count: u32,
        /// Left edge, a whole pixel.
        left: f64,
        /// Right edge, a whole pixel.
        right: f64,
        /// What they look like together.
        look: Aggregate,
    },
}

impl PixelView {
    /// Pixels a nanosecond.
    fn scale(self) -> f64 {
        self.width / (self.end.saturating_sub(self.start)).max(1) as f64
    }

    /// Position of a moment.
    pub fn x(self, time: i64) -> f64 {
        time.saturating_sub(self.start) as f64 * self.scale()
    }

    /// The first moment at or right of a position.
    pub fn time(self, x: f64) -> i64 {
        self.start.saturating_add((x / self.scale()).ceil() as i64)
    }
}

impl Layout {
    /// Shows `emit` the pieces of a lane that the view holds, left to right. Costs a few binary searches for each pixel
    /// column that has something in it, whatever the lane holds.
    pub fn fold_lane(&self, lane: u32, view: PixelView, mut emit: impl FnMut(Fold)) {
        let lane = self.lane(lane);
        let (from, to) = (lane.start as usize, lane.end as usize);
        let (starts, ends) = (&self.starts[..to], &self.ends[..to]);
        let scale = view.scale();
        let x = |time: i64| time.saturating_sub(view.start) as f64 * scale;
        let mut at = from + ends[from..].partition_point(|end| *end < view.start);
        while at < to && starts[at] < view.end {
            let (left, right) = (x(starts[at]), x(ends[at]));
            if right - left >= NARROW_PX {
                emit(Fold::Bar { item: at as u32, left, right });
                at += 1;
                continue;
            }
            let column = left.floor();
            let mut next = gallop(starts, at + 1, view.time(column + 1.0));
            // The last may be wide enough to stand alone.
            if next - 1 > at && x(ends[next - 1]) - x(starts[next - 1]) >= NARROW_PX {
                next -= 1;
            }
            let right = x(ends[next - 1]).floor().max(column + 1.0);
            let look = self.aggregate(at as u32..next as u32);
            emit(Fold::Column { first: at as u32, count: (next - at) as u32, left: column, right, look });
            at = next;
        }
    }
}

/// The first position from `at` on with a start of at least `time`; steps double, so that the near is found fast.
fn gallop(starts: &[i64], at: usize, time: i64) -> usize {
    let (mut low, mut step) = (at, 1);
    while low + step < starts.len() && starts[low + step - 1] < time {
        low += step;
        step *= 2;
    }
    let high = (low + step).min(starts.len());
    low + starts[low..high].partition_point(|start| *start < time)
}
