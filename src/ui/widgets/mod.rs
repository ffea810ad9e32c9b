//! Controls of the window, made from the theme's roles. Each takes its accessible name where its looks do not say it.

mod button;
mod card;
mod choice;
mod code;
mod figure;
mod mark;
mod state;
mod text_field;

pub use button::{Button, IconButton, Kind, icon_button, link};
pub use card::{card, card_header, details_panel, hairline_below, section};
pub use choice::{Tab, chip, segmented, tabs, toggle};
pub use code::{CodeLine, Part, code_block, plain as code_text};
pub use figure::{duration_bar, spark, stat};
pub use mark::{dot, key_hint, service_label, service_swatch, severity_badge};
pub use state::{empty_state, error_state, loading_state, progress_line};
pub use text_field::field;

use super::theme;
use egui::{Response, Ui};

/// Paints the focus ring (1 point and a halo of 2) around a focused control.
pub fn focus_ring(ui: &Ui, response: &Response, radius: f32) {
    if !response.has_focus() {
        return;
    }
    use theme::size::stroke;
    let colour = theme::of(ui.ctx()).focus_ring;
    let halo = egui::Stroke::new(stroke::FOCUS_HALO, colour.gamma_multiply(0.35));
    let rect = response.rect;
    ui.painter().rect_stroke(rect.expand(1.0), radius + 1.0, halo, egui::StrokeKind::Outside);
    ui.painter().rect_stroke(rect, radius, egui::Stroke::new(stroke::FOCUS, colour), egui::StrokeKind::Outside);
}
