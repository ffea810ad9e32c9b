//! Cards, their headers, hairlines and the frame of a details panel.

use crate::ui::theme::size::{part, radius, space};
use crate::ui::theme::{self, Face};
use egui::{Align, Frame, InnerResponse, Layout, Margin, Panel, Rect, Stroke, Ui, UiBuilder, vec2};

/// A card: surface, 1 point outline, radius 6. Inner margins are the content's own.
pub fn card<R>(ui: &mut Ui, content: impl FnOnce(&mut Ui) -> R) -> InnerResponse<R> {
    let theme = theme::of(ui.ctx());
    Frame::new().fill(theme.surface).stroke(Stroke::new(1.0, theme.hairline)).corner_radius(radius::CARD).show(ui, |ui| {
        ui.spacing_mut().item_spacing.y = 0.0;
        content(ui)
    })
}

/// Header of a card or panel, 32 high with a hairline below: title at the left, `right` from the right end.
pub fn card_header(ui: &mut Ui, title: &str, right: impl FnOnce(&mut Ui)) {
    let theme = theme::of(ui.ctx());
    let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), part::PANEL_HEADER), egui::Sense::hover());
    hairline_below(ui, rect);
    let inner = rect.shrink2(vec2(space::PANEL, 0.0));
    let mut left = ui.new_child(UiBuilder::new().max_rect(inner).layout(Layout::left_to_right(Align::Center)));
    left.label(theme::text(title, Face::Heading, theme.text_strong));
    let mut child = ui.new_child(UiBuilder::new().max_rect(inner).layout(Layout::right_to_left(Align::Center)));
    right(&mut child);
}

/// A hairline along the lower edge of `rect`.
pub fn hairline_below(ui: &Ui, rect: Rect) {
    let y = rect.bottom() - 1.0;
    theme::paint_hairline(ui, egui::pos2(rect.left(), y), egui::pos2(rect.right(), y));
}

/// Caption over a group of rows.
pub fn section(ui: &mut Ui, title: &str) {
    let theme = theme::of(ui.ctx());
    ui.label(theme::text(title, Face::Caption, theme.text_faint));
}

/// The panel at the right of a view, 320 to 480 wide, resizable: header with `title`, then the content, scrolled.
pub fn details_panel<R>(
    ui: &mut Ui,
    id: &str,
    title: &str,
    header: impl FnOnce(&mut Ui),
    content: impl FnOnce(&mut Ui) -> R,
) -> R {
    let theme = theme::of(ui.ctx());
    let frame = Frame::new().fill(theme.panel).inner_margin(Margin::ZERO);
    let panel =
        Panel::right(egui::Id::unique(id)).resizable(true).default_size(part::DETAILS).size_range(part::DETAILS_MIN..=480.0);
    panel
        .frame(frame)
        .show(ui, |ui| {
            ui.spacing_mut().item_spacing.y = 0.0;
            card_header(ui, title, header);
            egui::ScrollArea::vertical().auto_shrink(false).show(ui, content).inner
        })
        .inner
}
