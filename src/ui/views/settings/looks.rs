//! Appearance and About.

use super::page_title;
use crate::ui::state::Look;
use crate::ui::theme::size::space;
use crate::ui::theme::{self, Face};
use crate::ui::view::{Request, ViewContext};
use crate::ui::widgets::{IconButton, card, segmented};
use egui::{Align, Layout, Sense, Ui, UiBuilder, vec2};

/// A row with its label at the left and its control at the right.
fn row(ui: &mut Ui, label: &str, note: &str, control: impl FnOnce(&mut Ui)) {
    let theme = theme::of(ui.ctx());
    let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), 52.0), Sense::hover());
    let inner = rect.shrink2(vec2(space::CARD, 0.0));
    let mut child = ui.new_child(UiBuilder::new().id_salt(label).max_rect(inner).layout(Layout::right_to_left(Align::Center)));
    control(&mut child);
    child.with_layout(Layout::left_to_right(Align::Center), |ui| {
        ui.vertical(|ui| {
            ui.spacing_mut().item_spacing.y = 0.0;
            ui.add_space((ui.available_height() - 36.0).max(0.0) / 2.0);
            ui.label(theme::text(label, Face::BodyMedium, theme.text_strong));
            ui.add(egui::Label::new(theme::text(note, Face::Small, theme.text_faint)).truncate());
        });
    });
}

/// Theme and zoom.
pub fn appearance(ui: &mut Ui, ctx: &mut ViewContext<'_>) {
    page_title(ui, "Appearance", "Of this window; nothing of it touches the data");
    let theme = ctx.theme;
    card(ui, |ui| {
        row(ui, "Theme", "follows the system unless one is chosen", |ui| {
            let mut look = ctx.look;
            if segmented(ui, &mut look, &[(Look::System, "System"), (Look::Dark, "Dark"), (Look::Light, "Light")]) {
                ctx.requests.push(Request::Look(look));
            }
        });
        let (line, _) = ui.allocate_exact_size(vec2(ui.available_width(), 1.0), Sense::hover());
        theme::paint_hairline(ui, line.left_top(), line.right_top());
        let percent = (ui.ctx().zoom_factor() * 100.0).round() as u32;
        row(ui, "Size of the interface", "70 to 200 %", |ui| {
            let larger = IconButton::new(theme::Icon::Plus, "Larger interface").enabled(percent < 200);
            if larger.show(ui).clicked() {
                ctx.requests.push(Request::ZoomUi(percent + 10));
            }
            ui.label(theme::text(format!("{percent} %"), Face::BodyMedium, theme.text));
            let smaller = IconButton::new(theme::Icon::Minus, "Smaller interface").enabled(percent > 70);
            if smaller.show(ui).clicked() {
                ctx.requests.push(Request::ZoomUi(percent - 10));
            }
        });
    });
}

/// Version and licences.
pub fn about(ui: &mut Ui, ctx: &mut ViewContext<'_>) {
    let theme = ctx.theme;
    page_title(ui, "Belvedere", env!("CARGO_PKG_DESCRIPTION"));
    card(ui, |ui| {
        let lines = [
            ("Version", env!("CARGO_PKG_VERSION")),
            ("Licence", "MIT OR Apache-2.0"),
            ("Fonts", "Inter and JetBrains Mono, SIL Open Font License 1.1"),
        ];
        for (name, value) in lines {
            let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), 32.0), Sense::hover());
            let left = rect.left_center() + vec2(space::CARD, 0.0);
            ui.painter().text(left, egui::Align2::LEFT_CENTER, name, Face::Body.font(), theme.text_subdued);
            ui.painter().text(left + vec2(120.0, 0.0), egui::Align2::LEFT_CENTER, value, Face::Body.font(), theme.text);
        }
    });
}
