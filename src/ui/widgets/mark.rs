//! Small marks: state dots, service swatches, severity badges, key caps.

use crate::ui::theme::size::radius;
use crate::ui::theme::{self, Face, Icon, ServiceColours};
use crate::ui::view::Level;
use egui::{Color32, Rect, Response, Sense, Stroke, StrokeKind, Ui, vec2};

/// A dot of 8 points. Never alone: a word stands beside it.
pub fn dot(ui: &mut Ui, colour: Color32) -> Response {
    let (rect, response) = ui.allocate_exact_size(vec2(8.0, 8.0), Sense::hover());
    ui.painter().circle_filled(rect.center(), 4.0, colour);
    response
}

/// Square of 10 points in the service's fill with its line as border.
pub fn service_swatch(ui: &mut Ui, services: &ServiceColours, service: &str) -> Response {
    let (rect, response) = ui.allocate_exact_size(vec2(10.0, 10.0), Sense::hover());
    paint_swatch(ui, rect, services, service);
    response
}

fn paint_swatch(ui: &Ui, rect: Rect, services: &ServiceColours, service: &str) {
    let theme = theme::of(ui.ctx());
    let colour = services.of(service);
    let series = theme.series[usize::from(colour.index)];
    ui.painter().rect(rect, 2.0, series.fill, Stroke::new(1.0, series.line), StrokeKind::Inside);
    if colour.stripe {
        let stripe = Rect::from_min_size(rect.min, vec2(2.0, rect.height()));
        ui.painter().rect_filled(stripe, 0.0, theme.canvas_select);
    }
}

/// Swatch and name.
pub fn service_label(ui: &mut Ui, services: &ServiceColours, service: &str, face: Face, colour: Color32) -> Response {
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 6.0;
        service_swatch(ui, services, service);
        ui.add(egui::Label::new(theme::text(service, face, colour)).truncate())
    })
    .inner
}

/// Icon and word in the colour of the severity.
pub fn severity_badge(ui: &mut Ui, level: Level, word: &str) -> Response {
    let theme = theme::of(ui.ctx());
    let (icon, colour) = match level {
        Level::Info => (Icon::Info, theme.info),
        Level::Success => (Icon::Ok, theme.success),
        Level::Warn => (Icon::Warn, theme.warn),
        Level::Error => (Icon::Error, theme.error),
    };
    let galley = ui.painter().layout_no_wrap(word.to_owned(), Face::Small.font(), colour);
    let (rect, response) = ui.allocate_exact_size(vec2(20.0 + galley.size().x, 20.0), Sense::hover());
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Label, true, word));
    icon.paint(ui.painter(), egui::pos2(rect.left() + 7.0, rect.center().y), 14.0, colour);
    let at = egui::pos2(rect.left() + 20.0, rect.center().y - galley.size().y / 2.0);
    ui.painter().galley(at, galley, colour);
    response
}

/// Key caps in a row.
pub fn key_hint(ui: &mut Ui, caps: &[String]) {
    let theme = theme::of(ui.ctx());
    for cap in caps {
        let galley = ui.painter().layout_no_wrap(cap.clone(), Face::Caption.font(), theme.text_subdued);
        let (rect, _) = ui.allocate_exact_size(vec2((galley.size().x + 10.0).max(18.0), 18.0), Sense::hover());
        ui.painter().rect_stroke(rect, radius::CHIP, Stroke::new(1.0, theme.hairline_strong), StrokeKind::Inside);
        ui.painter().galley(rect.center() - galley.size() / 2.0, galley, theme.text_subdued);
    }
}
