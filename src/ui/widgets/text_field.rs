//! A one-line text field with an optional icon, 28 high.

use crate::ui::theme::size::{part, radius, stroke};
use crate::ui::theme::{self, Face, Icon};
use egui::{Response, Stroke, StrokeKind, TextEdit, Ui, UiBuilder, vec2};

/// Shows the field `width` wide. `name` is its accessible name, `placeholder` stands in it while it is empty.
pub fn field(ui: &mut Ui, text: &mut String, name: &str, placeholder: &str, icon: Option<Icon>, width: f32) -> Response {
    let theme = theme::of(ui.ctx());
    let (rect, _) = ui.allocate_exact_size(vec2(width, part::FIELD), egui::Sense::hover());
    ui.painter().rect_filled(rect, radius::CONTROL, theme.field);
    let mut left = 8.0;
    if let Some(icon) = icon {
        icon.paint(ui.painter(), egui::pos2(rect.left() + 15.0, rect.center().y), 14.0, theme.text_faint);
        left = 28.0;
    }
    let inner = egui::Rect::from_min_max(rect.min + vec2(left, 0.0), rect.max - vec2(8.0, 0.0));
    let mut child = ui.new_child(UiBuilder::new().max_rect(inner));
    let edit = TextEdit::singleline(text)
        .font(Face::Body.font())
        .text_color(theme.text)
        .hint_text(theme::text(placeholder, Face::Body, theme.text_faint))
        .frame(egui::Frame::NONE)
        .align(egui::Align2::LEFT_CENTER)
        .desired_width(inner.width());
    let response = child.add_sized(inner.size(), edit);
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::TextInput, true, name));
    let outline = if response.has_focus() { theme.focus_ring } else { theme.hairline_strong };
    ui.painter().rect_stroke(rect, radius::CONTROL, Stroke::new(stroke::HAIRLINE, outline), StrokeKind::Inside);
    super::focus_ring(ui, &response.clone().with_new_rect(rect), radius::CONTROL);
    response
}
