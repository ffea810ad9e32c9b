//! Moments along the top of a canvas and the lines below them.

use super::Viewport;
use crate::model::{DurationNs, units};
use crate::ui::theme::{Face, Theme};
use egui::{Painter, Rect, Stroke, pos2};

/// Labels are at least this far apart, points.
const LABEL_EVERY: f32 = 96.0;

/// A moment with a mark.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Tick {
    /// Points from the left edge.
    pub x: f32,
    /// Nanoseconds since `origin`.
    pub at: DurationNs,
    /// Has a label.
    pub labelled: bool,
}

/// The ticks of what is shown, counted from `origin`, and the step between labels.
pub fn ticks(view: &Viewport, origin: i64, width: f32) -> (Vec<Tick>, DurationNs) {
    let (start, end) = view.shown();
    let length = end.saturating_sub(start).max(1);
    let pixels = view.pixels(f64::from(width));
    let step = units::nice_step(DurationNs((length as f64 * f64::from(LABEL_EVERY / width.max(1.0))).ceil() as i64));
    let half = (step.0 / 2).max(1);
    let halves = step.0 >= 2 && step.0 % 2 == 0;
    let by = if halves { half } else { step.0 };
    let from = start.saturating_sub(origin).div_euclid(by);
    let to = end.saturating_sub(origin).div_euclid(by);
    let ticks = (from..=to.min(from.saturating_add(400)))
        .map(|number| {
            let at = number.saturating_mul(by);
            Tick { x: pixels.x(origin.saturating_add(at)) as f32, at: DurationNs(at), labelled: at % step.0 == 0 }
        })
        .filter(|tick| (0.0..=width).contains(&tick.x))
        .collect();
    (ticks, step)
}

/// Paints the ruler into `rect`.
pub fn paint(painter: &Painter, rect: Rect, theme: &Theme, view: &Viewport, origin: i64) {
    let painter = painter.with_clip_rect(rect);
    painter.rect_filled(rect, 0.0, theme.panel);
    let (ticks, step) = ticks(view, origin, rect.width());
    for tick in ticks {
        let x = painter.round_to_pixel_center(rect.left() + tick.x);
        let top = rect.bottom() - if tick.labelled { 12.0 } else { 7.0 };
        painter.vline(x, top..=rect.bottom(), Stroke::new(1.0, theme.plot_axis));
        if tick.labelled {
            let text = units::offset(tick.at, step);
            let galley = painter.layout_no_wrap(text, Face::Caption.font(), theme.text_faint);
            // What would be cut by the edge is left out.
            if x + 4.0 + galley.size().x <= rect.right() {
                painter.galley(pos2(x + 4.0, rect.top() + 4.0), galley, theme.text_faint);
            }
        }
    }
}

/// Paints the lines below the ticks over `rect`.
pub fn paint_grid(painter: &Painter, rect: Rect, theme: &Theme, view: &Viewport, origin: i64) {
    for tick in ticks(view, origin, rect.width()).0 {
        let x = painter.round_to_pixel_center(rect.left() + tick.x);
        painter.vline(x, rect.y_range(), Stroke::new(1.0, theme.plot_grid));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_stand_at_round_moments_far_enough_apart() {
        let origin = 1_700_000_000_123_456_789;
        let mut view = Viewport::still();
        view.set_extent((origin, origin + 2_400_000_000), true);
        let (ticks, step) = ticks(&view, origin, 888.0);
        assert_eq!(step, DurationNs(500_000_000));
        assert_eq!(ticks[0], Tick { x: 0.0, at: DurationNs(0), labelled: true });
        let labels: Vec<f32> = ticks.iter().filter(|tick| tick.labelled).map(|tick| tick.x).collect();
        assert!(labels.windows(2).all(|pair| pair[1] - pair[0] >= LABEL_EVERY));
        view.jump((origin + 1_000_000_000, origin + 1_000_000_200));
        let (close, step) = super::ticks(&view, origin, 888.0);
        assert_eq!(units::offset(close[0].at, step), "1 s");
        assert!(close.len() > 5);
    }
}
