//! A list of rows of one height of which only those in view are touched, however many there are.
//!
//! The position is kept in rows as `f64`: with egui's scroll areas, whose offset is a single float in points, a million
//! rows stop moving smoothly.

use crate::ui::theme;
use egui::{Id, Key, Modifiers, Rect, Sense, Ui, UiBuilder, pos2, vec2};

/// Width of the bar at the right, points.
pub const BAR: f32 = 8.0;
/// Shortest thumb, points.
const THUMB: f32 = 24.0;

/// See the module comment.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    top: f64,
}

impl Rows {
    /// The first row in view, fractions count.
    pub fn top(&self) -> f64 {
        self.top
    }

    /// Back to the first row.
    pub fn to_top(&mut self) {
        self.top = 0.0;
    }

    /// Keeps rows in their place when `count` rows were put before them.
    pub fn shift(&mut self, count: usize) {
        self.top += count as f64;
    }

    /// Scrolls just far enough that a row is in view, `height` being that of the list in rows.
    pub fn reveal(&mut self, row: usize, height: f64) {
        let row = row as f64;
        // A little of what comes next stays in view.
        let margin = if height > 8.0 { 2.0 } else { 0.0 };
        if row - margin < self.top {
            self.top = (row - margin).max(0.0);
        } else if row + 1.0 + margin > self.top + height {
            self.top = row + 1.0 + margin - height;
        }
    }

    /// Shows the rows in `rect`, calling `draw` with each one's number and place, [`BAR`] narrower than `rect`.
    pub fn show(&mut self, ui: &mut Ui, rect: Rect, count: usize, height: f32, mut draw: impl FnMut(&mut Ui, usize, Rect)) {
        let in_view = f64::from(rect.height() / height);
        let last_top = (count as f64 - in_view).max(0.0);
        if ui.rect_contains_pointer(rect) {
            let delta = ui.input(|input| if input.modifiers.command { 0.0 } else { input.smooth_scroll_delta().y });
            self.top -= f64::from(delta / height);
        }
        self.top = self.top.clamp(0.0, last_top);
        let scrolls = last_top > 0.0;
        // The bar's place is kept free also without one, so that headers and rows have one width.
        let width = rect.width() - BAR;
        let mut child = ui.new_child(UiBuilder::new().max_rect(rect));
        child.shrink_clip_rect(rect);
        let first = self.top.floor() as usize;
        let mut y = rect.top() - (self.top.fract() * f64::from(height)) as f32;
        for row in first..count {
            if y >= rect.bottom() {
                break;
            }
            let top = child.painter().round_to_pixel_center(y) - 0.5 / child.pixels_per_point();
            draw(&mut child, row, Rect::from_min_size(pos2(rect.left(), top), vec2(width, height)));
            y += height;
        }
        if scrolls {
            self.bar(ui, rect, last_top, in_view / count as f64);
        }
    }

    fn bar(&mut self, ui: &Ui, rect: Rect, last_top: f64, share: f64) {
        let theme = theme::of(ui.ctx());
        let track = Rect::from_min_max(pos2(rect.right() - BAR, rect.top()), rect.max);
        let id: Id = ui.scope_id().with(("rows", rect.left() as i32, rect.top() as i32));
        let response = ui.interact(track, id, Sense::click_and_drag());
        let length = (track.height() * share as f32).max(THUMB).min(track.height());
        let free = (track.height() - length).max(1.0);
        if response.dragged() {
            self.top = (self.top + f64::from(response.drag_delta().y / free) * last_top).clamp(0.0, last_top);
        } else if response.clicked()
            && let Some(at) = response.interact_pointer_pos()
        {
            self.top = (f64::from((at.y - track.top() - length / 2.0) / free) * last_top).clamp(0.0, last_top);
        }
        let top = track.top() + free * (self.top / last_top) as f32;
        let thumb = Rect::from_min_size(pos2(track.left() + 2.0, top), vec2(BAR - 3.0, length)).shrink2(vec2(0.0, 2.0));
        let colour = if response.hovered() || response.dragged() { theme.text_faint } else { theme.hairline_strong };
        ui.painter().rect_filled(thumb, 2.5, colour);
    }

    /// A page up or down, first or last row, when those keys are pressed; for lists that have no cursor of their own.
    pub fn keys(&mut self, ui: &Ui, count: usize, in_view: f64) {
        ui.input_mut(|input| {
            let mut pressed = |key| input.consume_key(Modifiers::NONE, key);
            if pressed(Key::PageDown) {
                self.top += in_view - 1.0;
            }
            if pressed(Key::PageUp) {
                self.top -= in_view - 1.0;
            }
            if pressed(Key::Home) {
                self.top = 0.0;
            }
            if pressed(Key::End) {
                self.top = count as f64;
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_brought_into_view_with_the_least_movement() {
        let mut rows = Rows::default();
        rows.reveal(5, 10.0);
        assert_eq!(rows.top(), 0.0);
        rows.reveal(999_999, 10.0);
        assert_eq!(rows.top(), 999_992.0);
        rows.reveal(999_995, 10.0);
        assert_eq!(rows.top(), 999_992.0);
        rows.reveal(3, 10.0);
        assert_eq!(rows.top(), 1.0);
        rows.shift(2);
        assert_eq!(rows.top(), 3.0);
    }
}
