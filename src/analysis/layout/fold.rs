//! A lane as a frame draws it: bars that are wide enough, and pixel columns that hold the rest.

use super::{Aggregate, Layout};

/// What is narrower than this, or than a column, is folded, physical pixels.
const NARROW_PX: f64 = 3.0;

/// The whole number at or below; `f64::floor` is a call on processors that may lack the instruction.
fn floor(x: f64) -> i64 {
    let whole = x as i64;
    whole.saturating_sub(i64::from(whole as f64 > x))
}

/// The whole number at or above, see [`floor`].
fn ceil(x: f64) -> i64 {
    let whole = x as i64;
    whole.saturating_add(i64::from((whole as f64) < x))
}

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
        self.start.saturating_add(ceil(x / self.scale()))
    }
}

impl Layout {
    /// Shows `emit` the pieces of a lane that the view holds, left to right. Costs a few binary searches for each pixel
    /// column that has something in it, whatever the lane holds.
    pub fn fold_lane(&self, lane: u32, view: PixelView, emit: impl FnMut(Fold)) {
        self.fold_lane_by(lane, view, 1, emit);
    }

    /// As [`Layout::fold_lane`] with columns of `column` physical pixels, for a frame that shows very many lanes.
    pub fn fold_lane_by(&self, lane: u32, view: PixelView, column: u32, mut emit: impl FnMut(Fold)) {
        let step = i64::from(column.max(1));
        let lane = self.lane(lane);
        let (from, to) = (lane.start as usize, lane.end as usize);
        let (starts, ends) = (&self.starts[..to], &self.ends[..to]);
        let scale = view.scale();
        let narrow = NARROW_PX.max(f64::from(column));
        let x = |time: i64| time.saturating_sub(view.start) as f64 * scale;
        let mut at = from + ends[from..].partition_point(|end| *end < view.start);
        while at < to && starts[at] < view.end {
            let (left, right) = (x(starts[at]), x(ends[at]));
            if right - left >= narrow {
                emit(Fold::Bar { item: at as u32, left, right });
                at += 1;
                continue;
            }
            let column = (floor(left).div_euclid(step) * step) as f64;
            let end = column + step as f64;
            let mut next = gallop(starts, at + 1, view.start.saturating_add(ceil(end / scale)));
            // The last may be wide enough to stand alone.
            if next - 1 > at && x(ends[next - 1]) - x(starts[next - 1]) >= narrow {
                next -= 1;
            }
            let right = (floor(x(ends[next - 1])) as f64).max(end);
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
