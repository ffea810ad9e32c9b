//! Looks: colours by role, sizes, typefaces, icons, and egui's style made from them. The only place that names a colour.

pub mod face;
pub mod icon;
mod path;
mod roles;
mod service;
pub mod size;
mod style;

pub use face::Face;
pub use icon::Icon;
pub use roles::{Roles, SERIES, Series, Theme};
pub use service::{ServiceColour, ServiceColours};
pub use style::install;

use egui::{Color32, Context, Pos2, RichText, Stroke, Ui};

/// The theme that is on: `theme::of(ui.ctx()).text_strong`.
pub fn of(ctx: &Context) -> &'static Theme {
    match ctx.theme() {
        egui::Theme::Dark => Theme::dark(),
        egui::Theme::Light => Theme::light(),
    }
}

/// Text in a style of the tokens and a colour of the theme.
pub fn text(text: impl Into<String>, face: Face, colour: Color32) -> RichText {
    RichText::new(text).font(face.font()).color(colour).line_height(Some(face.line()))
}

/// One physical pixel wide, or the nearest whole number of them to a point.
pub fn hairline(ctx: &Context) -> Stroke {
    let per_point = ctx.pixels_per_point();
    Stroke::new(per_point.round().max(1.0) / per_point, of(ctx).hairline)
}

/// A separator from `from` to `to` (horizontal or vertical), snapped to physical pixels.
pub fn paint_hairline(ui: &Ui, from: Pos2, to: Pos2) {
    let stroke = hairline(ui.ctx());
    let per_point = ui.ctx().pixels_per_point();
    let snap = |v: f32| (v * per_point).floor() / per_point + stroke.width / 2.0;
    let (from, to) = if (from.x - to.x).abs() < (from.y - to.y).abs() {
        let x = snap(from.x);
        (Pos2::new(x, from.y), Pos2::new(x, to.y))
    } else {
        let y = snap(from.y);
        (Pos2::new(from.x, y), Pos2::new(to.x, y))
    };
    ui.painter().line_segment([from, to], stroke);
}
