//! The time range control: earlier, the range with its popup, later, twice the range.

use crate::model::units;
use crate::ui::command::Command;
use crate::ui::range::{QUICK, Range};
use crate::ui::range_text;
use crate::ui::state::State;
use crate::ui::theme::size::{part, radius};
use crate::ui::theme::{self, Face, Icon, icon};
use crate::ui::view::Request;
use crate::ui::widgets::{Button, Kind, field, focus_ring, section};
use egui::{Color32, Popup, Rect, Role, Sense, Stroke, StrokeKind, Ui, WidgetInfo, pos2, vec2};

/// Under this width of the top bar the moments are left out of the control.
const NARROW: f32 = 1000.0;

/// Draws the control; the caller lays out from the right.
pub fn show(ui: &mut Ui, state: &mut State, width: f32) {
    let theme = theme::of(ui.ctx());
    let label = state.range.label(&state.zone);
    let moments = match state.range {
        Range::Last(_) if width >= NARROW => {
            let range = state.range.at(state.now, None);
            let time = |at| units::time_of_day(at, &state.zone).chars().take(8).collect::<String>();
            format!("{} \u{2013} {}", time(range.start), time(range.end))
        }
        _ => String::new(),
    };
    if state.live && !moments.is_empty() {
        // A clock is on screen.
        ui.ctx().request_repaint_after(std::time::Duration::from_secs(1));
    }
    let label = ui.painter().layout_no_wrap(label, Face::BodyMedium.font(), Color32::PLACEHOLDER);
    let moments = ui.painter().layout_no_wrap(moments, Face::Body.font(), Color32::PLACEHOLDER);
    let gap = if moments.size().x > 0.0 { 6.0 } else { 0.0 };
    let middle_width = (10.0 + 20.0 + label.size().x + gap + moments.size().x + 20.0 + 10.0).ceil();
    let (rect, _) = ui.allocate_exact_size(vec2(3.0 * 27.0 + middle_width, part::BUTTON), Sense::hover());
    let at = |left: f32, width: f32| Rect::from_min_size(pos2(rect.left() + left, rect.top()), vec2(width, rect.height()));
    let cells = [
        (at(0.0, 27.0), Some(Icon::Left), Command::RangeEarlier),
        (at(27.0 + middle_width, 27.0), Some(Icon::Right), Command::RangeLater),
        (at(54.0 + middle_width, 27.0), Some(Icon::ZoomOut), Command::RangeWider),
    ];
    for (cell, shape, command) in cells {
        let response = ui.interact(cell, ui.scope_id().with(command), Sense::click());
        response.widget_info(|| WidgetInfo::labeled(Role::Button, true, command.text()));
        if response.hovered() {
            ui.painter().rect_filled(cell, 0.0, theme.hover);
        }
        if let Some(shape) = shape {
            let tint = if response.hovered() { theme.text_strong } else { theme.text_subdued };
            shape.paint(ui.painter(), cell.center(), icon::SIZE_SMALL, tint);
        }
        focus_ring(ui, &response, radius::CONTROL);
        let keys = command.keys_text().unwrap_or_default();
        if response.on_hover_text(format!("{}  {keys}", command.text())).clicked() {
            state.requests.push(Request::Run(command));
        }
    }
    let cell = at(27.0, middle_width);
    let response = ui.interact(cell, ui.scope_id().with("range"), Sense::click());
    response.widget_info(|| WidgetInfo::labeled(Role::Button, true, format!("Time range {}", label.text())));
    if response.hovered() {
        ui.painter().rect_filled(cell, 0.0, theme.hover);
    }
    let middle = cell.center().y;
    Icon::Clock.paint(ui.painter(), pos2(cell.left() + 17.0, middle), icon::SIZE_SMALL, theme.text);
    let mut x = cell.left() + 30.0;
    let (label_size, moments_size) = (label.size(), moments.size());
    ui.painter().galley(pos2(x, middle - label_size.y / 2.0), label, theme.text);
    x += label_size.x + gap;
    ui.painter().galley(pos2(x, middle - moments_size.y / 2.0), moments, theme.text_faint);
    Icon::Down.paint(ui.painter(), pos2(cell.right() - 17.0, middle), icon::SIZE_SMALL, theme.text_subdued);
    for x in [cell.left(), cell.right(), cell.right() + 27.0] {
        ui.painter().vline(x - 0.5, rect.y_range(), Stroke::new(1.0, theme.hairline_strong));
    }
    ui.painter().rect_stroke(rect, radius::CONTROL, Stroke::new(1.0, theme.hairline_strong), StrokeKind::Inside);
    focus_ring(ui, &response, radius::CONTROL);
    if response.clicked() {
        let range = state.range.at(state.now, state.facts.source(state.source).and_then(|source| source.spans.extent()));
        let (from, to) = (range_text::write(range.start, &state.zone), range_text::write(range.end, &state.zone));
        state.range_text = format!("{from} \u{2013} {to}");
    }
    Popup::menu(&response)
        .close_behavior(egui::PopupCloseBehavior::CloseOnClickOutside)
        .accessible_name("Time range")
        .width(280.0)
        .show(|ui| popup(ui, state));
}

fn popup(ui: &mut Ui, state: &mut State) {
    let theme = theme::of(ui.ctx());
    ui.set_width(280.0);
    ui.spacing_mut().item_spacing.y = 2.0;
    for (label, range) in QUICK {
        let on = state.range == range;
        let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), part::HIT), Sense::click());
        response.widget_info(|| WidgetInfo::selected(Role::Button, true, on, label));
        let fill = if on {
            theme.selection
        } else if response.hovered() {
            theme.hover
        } else {
            Color32::TRANSPARENT
        };
        ui.painter().rect_filled(rect, radius::CHIP, fill);
        let galley = ui.painter().layout_no_wrap(label.to_owned(), Face::Body.font(), Color32::PLACEHOLDER);
        let colour = if on { theme.selection_text } else { theme.text };
        ui.painter().galley(pos2(rect.left() + 8.0, rect.center().y - galley.size().y / 2.0), galley, colour);
        focus_ring(ui, &response, radius::CHIP);
        if response.clicked() {
            state.requests.push(Request::SetRange(range));
            ui.close();
        }
    }
    ui.add_space(6.0);
    let (line, _) = ui.allocate_exact_size(vec2(ui.available_width(), 1.0), Sense::hover());
    theme::paint_hairline(ui, line.left_top(), line.right_top());
    ui.add_space(6.0);
    section(ui, "From and to");
    let mut text = std::mem::take(&mut state.range_text);
    let edit = field(ui, &mut text, "From and to", "14:05 \u{2013} now", None, ui.available_width());
    let read = range_text::range(&text, state.now, &state.zone);
    state.range_text = text;
    let entered = edit.lost_focus() && ui.input(|input| input.key_pressed(egui::Key::Enter));
    let hint = match read {
        Some(_) => "-2h, yesterday 9am, 2025-10-22 14:05 are read too",
        None => "Not a range. Write 14:05 \u{2013} 14:20, -2h or yesterday 9am",
    };
    let colour = if read.is_some() { theme.text_faint } else { theme.error };
    ui.add_space(2.0);
    ui.add(egui::Label::new(theme::text(hint, Face::Caption, colour)).wrap());
    ui.add_space(6.0);
    let apply = Button::new("Apply").small().kind(Kind::Primary).enabled(read.is_some()).show(ui).clicked();
    if let (true, Some(range)) = (apply || entered, read) {
        state.requests.push(Request::SetRange(Range::Between(range)));
        ui.close();
    }
}
