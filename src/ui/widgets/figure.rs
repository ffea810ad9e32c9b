//! Figures: a stat with its label, a sparkline, a duration bar.

use crate::ui::theme::{self, Face};
use egui::{Color32, Rect, Sense, Shape, Stroke, Ui, pos2, vec2};

/// A large value over its label, as wide as it is given.
pub fn stat(ui: &mut Ui, value: &str, label: &str, exact: &str) {
    let theme = theme::of(ui.ctx());
    ui.vertical(|ui| {
        ui.spacing_mut().item_spacing.y = 0.0;
        let font = egui::FontId::new(22.0, Face::Display.font().family);
        let text = egui::RichText::new(value).font(font).color(theme.text_strong).line_height(Some(28.0));
        let response = ui.label(text);
        if exact != value {
            response.on_hover_text(exact);
        }
        ui.label(theme::text(label, Face::Small, theme.text_subdued));
    });
}

/// A line over evenly spaced values, 0 at the bottom. Without values a flat hairline.
pub fn spark(ui: &mut Ui, values: &[f32], size: egui::Vec2, colour: Color32) -> egui::Response {
    let (rect, response) = ui.allocate_exact_size(size, Sense::hover());
    paint_spark(ui, rect, values, colour);
    response
}

fn paint_spark(ui: &Ui, rect: Rect, values: &[f32], colour: Color32) {
    let theme = theme::of(ui.ctx());
    let most = values.iter().copied().fold(0.0_f32, f32::max);
    if most <= 0.0 || values.len() < 2 {
        ui.painter().hline(rect.x_range(), rect.bottom() - 1.5, Stroke::new(1.0, theme.hairline_strong));
        return;
    }
    let step = rect.width() / (values.len() - 1) as f32;
    let points = values
        .iter()
        .enumerate()
        .map(|(index, value)| {
            let height = (rect.height() - 2.0) * (value / most).clamp(0.0, 1.0);
            pos2(rect.left() + step * index as f32, rect.bottom() - 1.0 - height)
        })
        .collect();
    ui.painter().add(Shape::line(points, Stroke::new(1.2, colour)));
}

/// A bar of `share` (0 to 1) of `width`, then the text at a fixed place behind it.
pub fn duration_bar(ui: &mut Ui, share: f32, width: f32, text: &str, colour: Color32) -> egui::Response {
    let theme = theme::of(ui.ctx());
    let (rect, response) = ui.allocate_exact_size(vec2(width + 64.0, 16.0), Sense::hover());
    let bar =
        Rect::from_min_size(pos2(rect.left(), rect.center().y - 5.0), vec2((width * share.clamp(0.0, 1.0)).max(1.0), 10.0));
    ui.painter().rect_filled(bar, 0.0, colour);
    let galley = ui.painter().layout_no_wrap(text.to_owned(), Face::Small.font(), theme.text);
    ui.painter().galley(pos2(rect.left() + width + 8.0, rect.center().y - galley.size().y / 2.0), galley, theme.text);
    response
}
