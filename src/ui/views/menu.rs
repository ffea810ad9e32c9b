//! Rows of the menus that open at a click.

use crate::ui::theme::size::radius;
use crate::ui::theme::{self, Face};
use egui::{Popup, PopupCloseBehavior, Response, Role, Sense, Ui, WidgetInfo, pos2, vec2};

/// Height of a row, points.
const ROW: f32 = 26.0;

/// A menu that opens at a click on `button`.
pub(crate) fn menu<R>(button: &Response, width: f32, content: impl FnOnce(&mut Ui) -> R) -> Option<R> {
    let popup = Popup::menu(button).close_behavior(PopupCloseBehavior::CloseOnClick).gap(4.0).width(width);
    popup.show(|ui| rows(ui, width, content)).map(|inner| inner.inner)
}

/// The menu of a right click on `response`.
pub(crate) fn context_menu<R>(response: &Response, width: f32, content: impl FnOnce(&mut Ui) -> R) -> Option<R> {
    Popup::context_menu(response).width(width).show(|ui| rows(ui, width, content)).map(|inner| inner.inner)
}

fn rows<R>(ui: &mut Ui, width: f32, content: impl FnOnce(&mut Ui) -> R) -> R {
    ui.set_width(width);
    ui.spacing_mut().item_spacing = vec2(0.0, 0.0);
    content(ui)
}

/// A row with its keys at the right; true when it was chosen.
pub(crate) fn item(ui: &mut Ui, text: &str, keys: Option<&str>, chosen: bool) -> bool {
    let theme = theme::of(ui.ctx());
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), ROW), Sense::click());
    response.widget_info(|| WidgetInfo::selected(Role::MenuItem, true, chosen, text));
    let lit = response.hovered() || response.has_focus();
    if lit || chosen {
        ui.painter().rect_filled(rect, radius::CHIP, if lit { theme.hover } else { theme.accent_soft });
    }
    let colour = if lit || chosen { theme.text_strong } else { theme.text };
    let galley = ui.painter().layout_no_wrap(text.to_owned(), Face::Body.font(), colour);
    ui.painter().galley(pos2(rect.left() + 8.0, rect.center().y - galley.size().y / 2.0), galley, colour);
    if let Some(keys) = keys {
        let galley = ui.painter().layout_no_wrap(keys.to_owned(), Face::Caption.font(), theme.text_faint);
        let at = pos2(rect.right() - 8.0 - galley.size().x, rect.center().y - galley.size().y / 2.0);
        ui.painter().galley(at, galley, theme.text_faint);
    }
    response.clicked()
}

/// A line between groups of rows.
pub(crate) fn separator(ui: &mut Ui) {
    let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), 9.0), Sense::hover());
    theme::paint_hairline(ui, pos2(rect.left(), rect.center().y), pos2(rect.right(), rect.center().y));
}
