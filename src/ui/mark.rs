//! The mark of the program as a picture for the desktop.

use super::theme::{Theme, icon};
use egui::{Color32, IconData, pos2};

/// Side of the picture in pixels.
const SIDE: usize = 64;

/// Drawn with the same shapes as the rail's.
pub fn icon() -> IconData {
    let mut screen = super::offscreen::Offscreen::new(egui::vec2(SIDE as f32, SIDE as f32), true);
    let theme = Theme::dark();
    let picture = screen.settle(2, |ui| {
        let area = egui::Rect::from_min_size(pos2(0.0, 0.0), egui::vec2(SIDE as f32, SIDE as f32));
        ui.painter().rect_filled(area, 14.0, theme.panel);
        icon::paint_logo(ui.painter(), area.center(), 44.0, theme.accent);
    });
    let rgba = picture.pixels.iter().flat_map(Color32::to_array).collect();
    IconData { rgba, width: SIDE as u32, height: SIDE as u32 }
}
