//! Choices: segmented control, tabs, chips, toggles.

use super::focus_ring;
use crate::ui::theme::size::{part, radius};
use crate::ui::theme::{self, Face, Icon, icon};
use egui::{Color32, CornerRadius, Rect, Response, Role, Sense, Stroke, StrokeKind, Ui, WidgetInfo, pos2, vec2};

/// Segments side by side, one chosen. True when the choice changed.
pub fn segmented<T: PartialEq + Copy>(ui: &mut Ui, chosen: &mut T, options: &[(T, &str)]) -> bool {
    let theme = theme::of(ui.ctx());
    let font = Face::BodyMedium.font();
    let galleys: Vec<_> = options
        .iter()
        .map(|(_, text)| ui.painter().layout_no_wrap((*text).to_owned(), font.clone(), Color32::PLACEHOLDER))
        .collect();
    let widths: Vec<f32> = galleys.iter().map(|galley| (galley.size().x + 20.0).ceil()).collect();
    let (rect, _) = ui.allocate_exact_size(vec2(widths.iter().sum(), part::BUTTON), Sense::hover());
    let mut changed = false;
    let mut x = rect.left();
    let last = options.len().saturating_sub(1);
    for (index, (((value, text), galley), width)) in options.iter().zip(galleys).zip(widths).enumerate() {
        let cell = Rect::from_min_size(pos2(x, rect.top()), vec2(width, rect.height()));
        let response = ui.interact(cell, ui.scope_id().with(("segment", *text, index)), Sense::click());
        let on = *chosen == *value;
        response.widget_info(|| WidgetInfo::selected(Role::RadioButton, true, on, *text));
        if response.clicked() && !on {
            *chosen = *value;
            changed = true;
        }
        let r = radius::CONTROL as u8;
        let corners = CornerRadius {
            nw: if index == 0 { r } else { 0 },
            sw: if index == 0 { r } else { 0 },
            ne: if index == last { r } else { 0 },
            se: if index == last { r } else { 0 },
        };
        let fill = if on {
            theme.accent_soft
        } else if response.hovered() {
            theme.hover
        } else {
            Color32::TRANSPARENT
        };
        ui.painter().rect_filled(cell, corners, fill);
        let colour = if on { theme.text_strong } else { theme.text_subdued };
        ui.painter().galley(cell.center() - galley.size() / 2.0, galley, colour);
        if index != last {
            ui.painter().vline(cell.right() - 0.5, cell.y_range(), Stroke::new(1.0, theme.hairline_strong));
        }
        focus_ring(ui, &response, radius::CONTROL);
        x += width;
    }
    ui.painter().rect_stroke(rect, radius::CONTROL, Stroke::new(1.0, theme.hairline_strong), StrokeKind::Inside);
    changed
}

/// One tab of [`tabs`].
pub struct Tab<'a, T> {
    /// What it chooses.
    pub value: T,
    /// Text.
    pub text: &'a str,
    /// Icon before the text.
    pub icon: Option<Icon>,
}

/// A strip of tabs, the chosen one underlined in the accent. True when the choice changed.
pub fn tabs<T: PartialEq + Copy>(ui: &mut Ui, height: f32, chosen: &mut T, options: &[Tab<'_, T>]) -> bool {
    let theme = theme::of(ui.ctx());
    let mut changed = false;
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 2.0;
        for tab in options {
            let font = Face::BodyMedium.font();
            let galley = ui.painter().layout_no_wrap(tab.text.to_owned(), font, Color32::PLACEHOLDER);
            let icon_width = if tab.icon.is_some() { icon::SIZE_SMALL + 6.0 } else { 0.0 };
            let size = vec2(galley.size().x + 20.0 + icon_width, height);
            let (rect, response) = ui.allocate_exact_size(size, Sense::click());
            let on = *chosen == tab.value;
            response.widget_info(|| WidgetInfo::selected(Role::Tab, true, on, tab.text));
            if response.clicked() && !on {
                *chosen = tab.value;
                changed = true;
            }
            let colour = if on || response.hovered() { theme.text_strong } else { theme.text_subdued };
            let middle = rect.center().y;
            if let Some(shape) = tab.icon {
                shape.paint(ui.painter(), pos2(rect.left() + 10.0 + 7.0, middle), icon::SIZE_SMALL, colour);
            }
            let at = pos2(rect.left() + 10.0 + icon_width, middle - galley.size().y / 2.0);
            ui.painter().galley(at, galley, colour);
            if on {
                let line = Rect::from_min_max(pos2(rect.left(), rect.bottom() - 2.0), rect.right_bottom());
                ui.painter().rect_filled(line, 0.0, theme.accent);
            }
            focus_ring(ui, &response, radius::CHIP);
        }
    });
    changed
}

/// A chip: 20 high, soft background. `closable` adds a cross; answers (chip clicked, cross clicked).
pub fn chip(ui: &mut Ui, text: &str, fill: Color32, colour: Color32, closable: Option<&str>) -> (Response, bool) {
    let galley = ui.painter().layout_no_wrap(text.to_owned(), Face::Small.font(), colour);
    let cross = if closable.is_some() { 20.0 } else { 0.0 };
    let (rect, response) = ui.allocate_exact_size(vec2(galley.size().x + 12.0 + cross, 20.0), Sense::click());
    response.widget_info(|| WidgetInfo::labeled(Role::Button, true, text));
    ui.painter().rect_filled(rect, radius::CHIP, fill);
    ui.painter().galley(pos2(rect.left() + 6.0, rect.center().y - galley.size().y / 2.0), galley, colour);
    focus_ring(ui, &response, radius::CHIP);
    let mut closed = false;
    if let Some(name) = closable {
        let cell = Rect::from_min_max(pos2(rect.right() - 22.0, rect.top()), rect.max);
        let close = ui.interact(cell, response.id.with("close"), Sense::click());
        close.widget_info(|| WidgetInfo::labeled(Role::Button, true, name));
        let tint = if close.hovered() { theme::of(ui.ctx()).text_strong } else { colour };
        Icon::Close.paint(ui.painter(), cell.center(), 12.0, tint);
        focus_ring(ui, &close, radius::CHIP);
        closed = close.on_hover_text(name).clicked();
    }
    (response, closed)
}

/// A switch with its text at the right. True when it was switched.
pub fn toggle(ui: &mut Ui, on: &mut bool, text: &str) -> bool {
    let theme = theme::of(ui.ctx());
    let galley = ui.painter().layout_no_wrap(text.to_owned(), Face::Body.font(), theme.text);
    let (rect, response) = ui.allocate_exact_size(vec2(26.0 + 8.0 + galley.size().x, part::HIT), Sense::click());
    if response.clicked() {
        *on = !*on;
    }
    response.widget_info(|| WidgetInfo::selected(Role::CheckBox, true, *on, text));
    let track = Rect::from_min_size(pos2(rect.left(), rect.center().y - 7.0), vec2(26.0, 14.0));
    ui.painter().rect_filled(track, 7.0, if *on { theme.accent_fill } else { theme.hairline_strong });
    let knob = pos2(if *on { track.right() - 7.0 } else { track.left() + 7.0 }, track.center().y);
    ui.painter().circle_filled(knob, 5.0, if *on { theme.text_on_accent } else { theme.text_subdued });
    ui.painter().galley(pos2(track.right() + 8.0, rect.center().y - galley.size().y / 2.0), galley, theme.text);
    focus_ring(ui, &response, radius::CONTROL);
    response.clicked()
}
