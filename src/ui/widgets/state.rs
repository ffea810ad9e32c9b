//! States of a data view: empty, loading, error. The same looks everywhere.

use super::button::{Button, Kind};
use super::mark::severity_badge;
use crate::ui::theme::size::{motion_ms, radius};
use crate::ui::theme::{self, Face, Icon};
use crate::ui::view::Level;
use egui::{Align, Frame, Layout, Margin, Rect, Stroke, Ui, UiBuilder, vec2};
use std::time::{Duration, Instant};

/// Nothing to show: an icon, one sentence naming the reason, at most two actions. The index of the clicked action.
pub fn empty_state(ui: &mut Ui, icon: Icon, sentence: &str, actions: &[&str]) -> Option<usize> {
    let theme = theme::of(ui.ctx());
    let mut clicked = None;
    let area = ui.available_rect_before_wrap();
    let height = 32.0 + 12.0 + 20.0 + if actions.is_empty() { 0.0 } else { 16.0 + 28.0 };
    let top = (area.center().y - height / 2.0 - area.height() * 0.06).max(area.top() + 16.0);
    let inner = Rect::from_min_max(egui::pos2(area.left(), top), area.max);
    let mut child = ui.new_child(UiBuilder::new().max_rect(inner).layout(Layout::top_down(Align::Center)));
    let (rect, _) = child.allocate_exact_size(vec2(32.0, 32.0), egui::Sense::hover());
    icon.paint(child.painter(), rect.center(), 32.0, theme.text_faint);
    child.add_space(8.0);
    child.label(theme::text(sentence, Face::Body, theme.text_subdued));
    if !actions.is_empty() {
        child.add_space(12.0);
        let row = child.available_rect_before_wrap();
        let mut width = 0.0;
        for action in actions {
            let galley = child.painter().layout_no_wrap((*action).to_owned(), Face::BodyMedium.font(), theme.text);
            width += galley.size().x + 20.0 + 8.0;
        }
        let start = Rect::from_min_max(egui::pos2(row.center().x - (width - 8.0) / 2.0, row.top()), row.max);
        let mut buttons = child.new_child(UiBuilder::new().max_rect(start).layout(Layout::left_to_right(Align::Min)));
        for (index, action) in actions.iter().enumerate() {
            if Button::new(action).show(&mut buttons).clicked() {
                clicked = Some(index);
            }
        }
    }
    ui.allocate_rect(area, egui::Sense::hover());
    clicked
}

/// True once something that started at `since` has lasted long enough to say so (150 ms); asks for a repaint when it will.
fn late(ui: &Ui, since: Instant) -> bool {
    let delay = Duration::from_millis(motion_ms::LOADING_DELAY as u64);
    let elapsed = since.elapsed();
    if elapsed < delay {
        ui.ctx().request_repaint_after(delay - elapsed);
    }
    elapsed >= delay
}

/// The 2 point line under a toolbar while a query runs: nothing for 150 ms, then `done` of `of` (0 is unknown), redrawn ten
/// times a second.
pub fn progress_line(ui: &Ui, rect: Rect, since: Instant, done: u64, of: u64) {
    if !late(ui, since) {
        return;
    }
    let theme = theme::of(ui.ctx());
    let track = Rect::from_min_size(rect.left_bottom() - vec2(0.0, 2.0), vec2(rect.width(), 2.0));
    ui.painter().rect_filled(track, 0.0, theme.hairline);
    let share = if of > 0 { (done as f32 / of as f32).clamp(0.02, 1.0) } else { 0.3 };
    let bar = Rect::from_min_size(track.min, vec2(track.width() * share, 2.0));
    ui.painter().rect_filled(bar, 0.0, theme.accent);
    ui.ctx().request_repaint_after(Duration::from_millis(100));
}

/// A first load: nothing for 150 ms, then what loads and Cancel. True when Cancel was clicked or Esc pressed.
pub fn loading_state(ui: &mut Ui, what: &str, since: Instant) -> bool {
    if !late(ui, since) {
        return false;
    }
    let theme = theme::of(ui.ctx());
    let mut cancelled = false;
    ui.horizontal(|ui| {
        ui.label(theme::text(what, Face::Small, theme.text_subdued));
        cancelled = Button::new("Cancel").small().kind(Kind::Quiet).keys(vec!["Esc".to_owned()]).show(ui).clicked();
    });
    cancelled || ui.input_mut(|input| input.consume_key(egui::Modifiers::NONE, egui::Key::Escape))
}

/// An error in the place of the content: what happened, what to do. `Some(true)` Retry, `Some(false)` Copy details.
pub fn error_state(ui: &mut Ui, what: &str, details: &str) -> Option<bool> {
    let theme = theme::of(ui.ctx());
    let mut answer = None;
    Frame::new()
        .fill(theme.error_soft)
        .corner_radius(radius::CARD)
        .stroke(Stroke::new(1.0, theme.hairline))
        .inner_margin(Margin::same(12))
        .show(ui, |ui| {
            severity_badge(ui, Level::Error, what);
            ui.label(theme::text(details, Face::Body, theme.text));
            ui.add_space(4.0);
            ui.horizontal(|ui| {
                if Button::new("Retry").small().show(ui).clicked() {
                    answer = Some(true);
                }
                if Button::new("Copy details").small().kind(Kind::Quiet).show(ui).clicked() {
                    answer = Some(false);
                }
            });
        });
    answer
}
