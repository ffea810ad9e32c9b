//! Which part of time a canvas shows: zoom, pan, fit, with a short movement between.

use crate::analysis::PixelView;
use crate::ui::theme::size::motion_ms;

/// The closest look, nanoseconds over the whole width.
const CLOSEST_NS: i64 = 200;
/// Room kept free at the right of everything, as a share of the width.
const MARGIN: f64 = 0.02;

/// See the module comment.
#[derive(Clone, Debug)]
pub struct Viewport {
    extent: (i64, i64),
    shown: (i64, i64),
    /// Until the reader zooms or pans, the view grows with the trace.
    touched: bool,
    moving: Option<Moving>,
    /// No movement, for readers who asked for none.
    still: bool,
}

#[derive(Clone, Copy, Debug)]
struct Moving {
    from: (i64, i64),
    to: (i64, i64),
    since: Option<f64>,
}

impl Default for Viewport {
    fn default() -> Self {
        Self { extent: (0, 1), shown: (0, 1), touched: false, moving: None, still: false }
    }
}

impl Viewport {
    /// One that jumps instead of moving, for readers who asked for no motion.
    pub fn still() -> Self {
        Self { still: true, ..Self::default() }
    }

    /// The first and the last moment shown.
    pub fn shown(&self) -> (i64, i64) {
        self.shown
    }

    /// What can be shown.
    pub fn extent(&self) -> (i64, i64) {
        self.extent
    }

    /// The shown part, `width` pixels wide.
    pub fn pixels(&self, width: f64) -> PixelView {
        PixelView { start: self.shown.0, end: self.shown.1, width: width.max(1.0) }
    }

    /// The trace has grown or another one is shown (`reset`). A view that the reader chose stays where it is.
    pub fn set_extent(&mut self, extent: (i64, i64), reset: bool) {
        self.extent = (extent.0, extent.1.max(extent.0.saturating_add(1)));
        if reset {
            self.touched = false;
            self.moving = None;
        }
        if !self.touched {
            self.shown = self.all();
        }
    }

    fn all(&self) -> (i64, i64) {
        let length = self.extent.1.saturating_sub(self.extent.0);
        (
            self.extent.0,
            self.extent.1.saturating_add(((length as f64) * MARGIN) as i64).max(self.extent.0.saturating_add(CLOSEST_NS)),
        )
    }

    /// True while everything is in view.
    pub fn is_all(&self) -> bool {
        self.goal() == self.all()
    }

    /// Where a movement ends, or what is shown.
    pub fn goal(&self) -> (i64, i64) {
        self.moving.map_or(self.shown, |moving| moving.to)
    }

    /// Zooms by `factor` (below 1 is closer) around the moment at `share` (0 left, 1 right) of the width.
    pub fn zoom(&mut self, factor: f64, share: f64) {
        let (start, end) = self.goal();
        let length = end.saturating_sub(start) as f64;
        let wanted = (length * factor).max(CLOSEST_NS as f64);
        let anchor = length * share.clamp(0.0, 1.0);
        let moved = anchor - wanted * share.clamp(0.0, 1.0);
        let start = start.saturating_add(moved as i64);
        self.jump((start, start.saturating_add(wanted as i64)));
    }

    /// Moves by a share of the width, later with a positive one.
    pub fn pan(&mut self, share: f64) {
        let (start, end) = self.goal();
        let by = (end.saturating_sub(start) as f64 * share) as i64;
        self.jump((start.saturating_add(by), end.saturating_add(by)));
    }

    /// Moves smoothly to a part of time, with some room around it.
    pub fn show(&mut self, start: i64, end: i64) {
        let length = end.saturating_sub(start).max(CLOSEST_NS / 2);
        let room = (length as f64 * 0.06) as i64 + 1;
        self.glide((start.saturating_sub(room), start.saturating_add(length).saturating_add(room)));
    }

    /// Moves smoothly so that a part of time is in the middle, at the same scale.
    pub fn centre(&mut self, start: i64, end: i64) {
        let (from, to) = self.goal();
        let length = to.saturating_sub(from);
        let middle = start.saturating_add(end.saturating_sub(start) / 2);
        let from = middle.saturating_sub(length / 2);
        self.glide((from, from.saturating_add(length)));
    }

    /// Moves smoothly to everything.
    pub fn fit(&mut self) {
        self.glide(self.all());
        self.touched = false;
    }

    /// Pans, without zooming, just far enough that some of `start..end` is well in view.
    pub fn reveal(&mut self, start: i64, end: i64) {
        let (from, to) = self.goal();
        if end <= from || start >= to {
            self.centre(start, end);
        }
    }

    /// Shows exactly this, at once.
    pub fn jump(&mut self, to: (i64, i64)) {
        self.moving = None;
        self.shown = self.kept_inside(to);
        self.touched = true;
    }

    fn glide(&mut self, to: (i64, i64)) {
        let to = self.kept_inside(to);
        self.touched = true;
        if self.still {
            self.shown = to;
        } else if to != self.shown {
            self.moving = Some(Moving { from: self.shown, to, since: None });
        }
    }

    fn kept_inside(&self, (start, end): (i64, i64)) -> (i64, i64) {
        let all = self.all();
        let longest = all.1.saturating_sub(all.0);
        let length = end.saturating_sub(start).clamp(CLOSEST_NS.min(longest), longest);
        let start = start.clamp(all.0, all.1.saturating_sub(length));
        (start, start.saturating_add(length))
    }

    /// Advances a movement at `time` seconds; true while it goes on.
    pub fn advance(&mut self, time: f64) -> bool {
        let Some(moving) = &mut self.moving else { return false };
        let since = *moving.since.get_or_insert(time);
        let share = ((time - since) * 1e3 / f64::from(motion_ms::ZOOM)).clamp(0.0, 1.0);
        if share >= 1.0 {
            self.shown = moving.to;
            self.moving = None;
            return false;
        }
        let eased = 1.0 - (1.0 - share).powi(3);
        let between = |from: i64, to: i64| from.saturating_add((to.saturating_sub(from) as f64 * eased) as i64);
        self.shown = (between(moving.from.0, moving.to.0), between(moving.from.1, moving.to.1));
        self.shown.1 = self.shown.1.max(self.shown.0.saturating_add(1));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn over(extent: (i64, i64)) -> Viewport {
        let mut view = Viewport::still();
        view.set_extent(extent, true);
        view
    }

    #[test]
    fn zooming_keeps_the_moment_under_the_pointer() {
        let mut view = over((0, 1_000_000));
        view.zoom(0.5, 0.25);
        let (start, end) = view.shown();
        assert_eq!(end - start, 510_000);
        let under = start + (end - start) / 4;
        assert!((under - 255_000).abs() <= 1, "{under}");
        for _ in 0..100 {
            view.zoom(0.5, 0.5);
        }
        assert_eq!(view.shown().1 - view.shown().0, CLOSEST_NS);
        for _ in 0..100 {
            view.zoom(3.0, 0.9);
        }
        assert!(view.is_all());
    }

    #[test]
    fn a_chosen_view_stays_when_the_trace_grows_and_an_untouched_one_grows_along() {
        let mut view = over((0, 1_000));
        view.set_extent((0, 2_000), false);
        assert!(view.is_all());
        view.jump((100, 500));
        view.set_extent((0, 9_000), false);
        assert_eq!(view.shown(), (100, 500));
        view.fit();
        assert!(view.is_all());
    }

    #[test]
    fn it_never_leaves_what_there_is() {
        let mut view = over((1_700_000_000_000_000_000, 1_700_000_000_500_000_000));
        view.zoom(0.1, 0.0);
        view.pan(-5.0);
        assert_eq!(view.shown().0, 1_700_000_000_000_000_000);
        view.pan(1_000.0);
        assert_eq!(view.shown().1, view.all().1);
        view.reveal(1_700_000_000_000_000_000, 1_700_000_000_000_000_100);
        assert_eq!(view.shown().0, 1_700_000_000_000_000_000);
        let mut odd = over((i64::MIN, i64::MAX));
        odd.zoom(0.5, 0.5);
        odd.pan(1.0);
        odd.fit();
    }

    #[test]
    fn a_movement_ends_where_it_was_going() {
        let mut view = over((0, 100_000));
        view.still = false;
        view.show(40_000, 50_000);
        assert!(view.advance(1.0) && view.advance(1.05));
        assert!(!view.advance(1.2));
        assert_eq!(view.shown(), (39_399, 50_601));
    }
}
