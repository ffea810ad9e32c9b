//! The one icon family: outlines on a grid of 16, stroke 1.5, round ends, tinted with the text beside them.
//!
//! Shapes are SVG path strings, flattened to polylines once. They are painted as strokes; nothing is a glyph of a font.

use super::path;
use super::size::stroke;
use egui::{Color32, Painter, Pos2, Rect, Shape, Stroke, Vec2, pos2};
use std::sync::OnceLock;

/// Side of the grid that shapes are drawn on.
const GRID: f32 = 16.0;
/// Side of an icon beside text, in points.
pub const SIZE: f32 = 16.0;
/// Side of an icon in a small button.
pub const SIZE_SMALL: f32 = 14.0;

macro_rules! icons {
    ($($(#[$doc:meta])* $name:ident = $path:literal),* $(,)?) => {
        /// An icon. Its looks only; the control that shows it carries the name.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum Icon {
            $($(#[$doc])* $name,)*
        }

        impl Icon {
            /// All, in the order of the enum.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            const PATHS: &'static [&'static str] = &[$($path),*];
        }
    };
}

icons! {
    /// Home.
    Home = "M2.5 7.5 8 3l5.5 4.5M4 6.8V13h8V6.8",
    /// Traces.
    Traces = "M2 4h7M5 8h8M4 12h5",
    /// Notifications.
    Bell = "M4 7a4 4 0 0 1 8 0c0 3.2 1.2 4 1.2 4H2.8S4 10.2 4 7ZM6.7 13.3a1.4 1.4 0 0 0 2.6 0",
    /// No notifications.
    BellOff = "M5 4.3A4 4 0 0 1 12 7c0 1.5.3 2.5.6 3.1M10.5 11H2.8S4 10.2 4 7M2 2l12 12M6.7 13.3a1.4 1.4 0 0 0 2.6 0",
    /// Settings.
    Gear = "M8 10.2a2.2 2.2 0 1 0 0-4.4 2.2 2.2 0 0 0 0 4.4ZM8 1.8v2M8 12.2v2M1.8 8h2M12.2 8h2M3.6 3.6 5 5M11 11l1.4 1.4M12.4 3.6 11 5M5 11l-1.4 1.4",
    /// Search.
    Search = "M7 11.5a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9ZM10.3 10.3l3.4 3.4",
    /// Start.
    Play = "M4.5 3v10l8-5z",
    /// Stop following.
    Pause = "M5.5 3v10M10.5 3v10",
    /// Chevron down.
    Down = "M4 6l4 4 4-4",
    /// Chevron right.
    Right = "M6 4l4 4-4 4",
    /// Chevron left.
    Left = "M10 4L6 8l4 4",
    /// Chevron up.
    Up = "M4 10l4-4 4 4",
    /// Close.
    Close = "M4 4l8 8M12 4l-8 8",
    /// Add.
    Plus = "M8 3v10M3 8h10",
    /// Done.
    Check = "M3 8.5 6.5 12 13 4.5",
    /// Warning triangle.
    Warn = "M8 2.5 14.2 13H1.8zM8 6.5v3M8 11.3v.1",
    /// Circle with a cross.
    Error = "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12ZM6 6l4 4M10 6l-4 4",
    /// Circle with an i.
    Info = "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12ZM8 7.5V11M8 5.2v.1",
    /// Circle with a check.
    Ok = "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12ZM5.5 8.2 7.3 10l3.3-3.7",
    /// Octagon.
    Critical = "M5.5 2h5L14 5.5v5L10.5 14h-5L2 10.5v-5zM8 5v3.5M8 10.8v.1",
    /// Link.
    Link = "M6.5 9.5l3-3M7 4.5l1.2-1.2a3 3 0 0 1 4.3 4.3L11.2 9M9 11.5l-1.2 1.2a3 3 0 0 1-4.3-4.3L4.8 7",
    /// Copy.
    Copy = "M5.5 5.5h8v8h-8zM3 10.5h-.5v-8h8V3",
    /// Clock.
    Clock = "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12ZM8 4.8V8l2.2 1.5",
    /// File.
    File = "M4 2h5l3 3v9H4zM9 2v3h3",
    /// Folder.
    Folder = "M2 4h4.5L8 5.5h6V13H2z",
    /// Filter lines.
    Filter = "M2.5 4h11M4.5 8h7M6.5 12h3",
    /// Funnel.
    Funnel = "M2.5 3h11L9.5 8v5l-3-1.5V8z",
    /// More.
    Dots = "M3.5 8h.1M8 8h.1M12.5 8h.1",
    /// Pin.
    Pin = "M6 2.5h4l-.5 4 2 2.5h-7l2-2.5zM8 9v4.5",
    /// Expand.
    Expand = "M9.5 2.5h4v4M13.5 2.5 9.5 6.5M6.5 13.5h-4v-4M2.5 13.5l4-4",
    /// Flame graph.
    Flame = "M2.5 3h11M2.5 6.3h7M4 9.6h4.5M5 13h2",
    /// Table.
    Table = "M2.5 3h11v10h-11zM2.5 6.5h11M6.5 3v10",
    /// Zoom in.
    ZoomIn = "M7 11.5a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9ZM10.3 10.3l3.4 3.4M7 5.2v3.6M5.2 7h3.6",
    /// Zoom out.
    ZoomOut = "M7 11.5a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9ZM10.3 10.3l3.4 3.4M5.2 7h3.6",
    /// Service map.
    Map = "M3.5 5.5a1.5 1.5 0 1 0 0-3 1.5 1.5 0 0 0 0 3ZM12.5 9.5a1.5 1.5 0 1 0 0-3 1.5 1.5 0 0 0 0 3ZM4.5 13.5a1.5 1.5 0 1 0 0-3 1.5 1.5 0 0 0 0 3ZM5 4.6l6.1 2.7M6 11.4l5.2-2.6",
    /// Logs.
    Logs = "M2.5 4h2M6.5 4h7M2.5 8h2M6.5 8h7M2.5 12h2M6.5 12h5",
    /// Metrics.
    Metrics = "M2.5 2.5v11h11M5 10l2.5-3.5L10 9l3.5-5",
    /// Trace id.
    Hash = "M5.8 2.5l-1 11M11.2 2.5l-1 11M2.8 5.5h11M2.2 10.5h11",
    /// Undo.
    Undo = "M5.5 3 2.5 6l3 3M2.5 6h7a4 4 0 0 1 0 8H7",
    /// Redo.
    Redo = "M10.5 3l3 3-3 3M13.5 6h-7a4 4 0 0 0 0 8H9",
    /// Database.
    Database = "M3 4c0-1.1 2.2-2 5-2s5 .9 5 2-2.2 2-5 2-5-.9-5-2ZM3 4v8c0 1.1 2.2 2 5 2s5-.9 5-2V4M3 8c0 1.1 2.2 2 5 2s5-.9 5-2",
    /// Export.
    Download = "M8 2.5v7.5M4.8 7 8 10.2 11.2 7M3 13.5h10",
    /// Import.
    Upload = "M8 10.5V3M4.8 6 8 2.8 11.2 6M3 13.5h10",
    /// Drag handle.
    Grip = "M6 4h.1M10 4h.1M6 8h.1M10 8h.1M6 12h.1M10 12h.1",
    /// Show.
    Eye = "M1.8 8S4 3.8 8 3.8 14.2 8 14.2 8 12 12.2 8 12.2 1.8 8 1.8 8ZM8 9.8a1.8 1.8 0 1 0 0-3.6 1.8 1.8 0 0 0 0 3.6Z",
    /// Selection.
    Target = "M8 13.5a5.5 5.5 0 1 0 0-11 5.5 5.5 0 0 0 0 11ZM8 10a2 2 0 1 0 0-4 2 2 0 0 0 0 4Z",
    /// Opens elsewhere.
    External = "M9 2.5h4.5V7M13.5 2.5 7.5 8.5M12 9.5v4H2.5V4h4",
    /// Saved.
    Star = "M8 2.2l1.8 3.7 4 .6-2.9 2.8.7 4L8 11.4l-3.6 1.9.7-4L2.2 6.5l4-.6z",
    /// Fork.
    Branch = "M4.5 5.5a1.5 1.5 0 1 0 0-3 1.5 1.5 0 0 0 0 3ZM4.5 13.5a1.5 1.5 0 1 0 0-3 1.5 1.5 0 0 0 0 3ZM11.5 6.5a1.5 1.5 0 1 0 0-3 1.5 1.5 0 0 0 0 3ZM4.5 5.5v5M11.5 6.5c0 2.5-3 2.5-7 2.5",
    /// Terminal.
    Terminal = "M2 3h12v10H2zM4.5 6l2 2-2 2M8.5 10.5h3",
    /// Cause.
    Bolt = "M9 2 4 9h3.5L7 14l5-7H8.5z",
    /// Edit.
    Edit = "M3 13l.5-2.8L11 2.7l2.3 2.3-7.5 7.5z",
    /// Theme.
    Moon = "M13 9.5A5.5 5.5 0 1 1 6.5 3a4.5 4.5 0 0 0 6.5 6.5Z",
    /// Arrow right.
    Forward = "M3 8h10M9 4l4 4-4 4",
    /// Keyboard.
    Keyboard = "M1.8 4h12.4v8H1.8zM4 6.5h.1M6.7 6.5h.1M9.3 6.5h.1M12 6.5h.1M5 9.5h6",
    /// Send.
    Send = "M14 2 2 7l4.5 2L9 13.5z",
    /// Redaction.
    Shield = "M8 2l5 2v4c0 3-2 5-5 6-3-1-5-3-5-6V4z",
    /// Layers.
    Layers = "M8 2.5 14 6 8 9.5 2 6zM2.5 9.5 8 12.7l5.5-3.2",
    /// Histogram.
    Histogram = "M2.5 13.5h11M4 13V9M6.7 13V4M9.3 13V6.5M12 13v-3",
    /// Two columns.
    Compare = "M2.5 3h4.5v10H2.5zM9 3h4.5v10H9z",
    /// Question mark in a circle.
    Help = "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12ZM6.2 6.4a1.8 1.8 0 1 1 2.6 1.6c-.5.3-.8.6-.8 1.2M8 11.2v.1",
    /// Hidden.
    EyeOff = "M1.8 8S4 3.8 8 3.8 14.2 8 14.2 8 12 12.2 8 12.2 1.8 8 1.8 8ZM2.5 13.5l11-11",
    /// Less.
    Minus = "M3 8h10",
    /// Return key.
    Return = "M12.5 4v4.5h-9M6 6 3.5 8.5 6 11",
    /// Child of.
    Elbow = "M5 2.5V8.5h7",
}

/// Polylines of one icon, in grid units.
type Lines = Vec<Vec<Pos2>>;

fn lines(icon: Icon) -> &'static Lines {
    static ALL: OnceLock<Vec<Lines>> = OnceLock::new();
    static NONE: Lines = Vec::new();
    let all = ALL.get_or_init(|| Icon::PATHS.iter().map(|text| path::flatten(text).unwrap_or_default()).collect());
    all.get(icon as usize).unwrap_or(&NONE)
}

impl Icon {
    /// Paints it with its centre at `centre`, `size` points wide.
    pub fn paint(self, painter: &Painter, centre: Pos2, size: f32, tint: Color32) {
        let scale = size / GRID;
        let origin = centre - Vec2::splat(size / 2.0);
        let width = stroke::ICON * scale;
        let place = |point: Pos2| origin + point.to_vec2() * scale;
        for line in lines(self) {
            let (Some(first), Some(last)) = (line.first(), line.last()) else { continue };
            let closed = line.len() > 2 && first == last;
            if closed {
                let points = line[..line.len() - 1].iter().map(|point| place(*point)).collect();
                painter.add(Shape::closed_line(points, Stroke::new(width, tint)));
                continue;
            }
            if first.distance(*last) > 0.2 || line.len() > 2 {
                painter.add(Shape::line(line.iter().map(|point| place(*point)).collect(), Stroke::new(width, tint)));
            }
            // Round ends, and the whole of a dot.
            let radius = if line.len() == 2 && first.distance(*last) <= 0.2 { width * 0.6 } else { width * 0.45 };
            painter.circle_filled(place(*first), radius, tint);
            painter.circle_filled(place(*last), radius, tint);
        }
    }

    /// Paints it in the middle of `rect` at the usual size.
    pub fn paint_in(self, painter: &Painter, rect: Rect, tint: Color32) {
        self.paint(painter, rect.center(), SIZE, tint);
    }
}

/// The mark of the program: a view from a height. `size` points wide.
pub fn paint_logo(painter: &Painter, centre: Pos2, size: f32, tint: Color32) {
    let scale = size / 18.0;
    let place = |x: f32, y: f32| centre + (pos2(x, y) - pos2(9.0, 9.0)) * scale;
    let outline = vec![place(1.5, 14.5), place(9.0, 2.5), place(16.5, 14.5)];
    painter.add(Shape::closed_line(outline, Stroke::new(1.6 * scale, tint)));
    let inside = vec![place(4.6, 14.5), place(9.0, 7.5), place(13.4, 14.5)];
    painter.add(Shape::convex_polygon(inside, tint, Stroke::NONE));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_icon_has_lines_within_its_grid() {
        for icon in Icon::ALL {
            let lines = lines(*icon);
            assert!(!lines.is_empty(), "{icon:?}");
            for point in lines.iter().flatten() {
                assert!((0.0..=GRID).contains(&point.x) && (0.0..=GRID).contains(&point.y), "{icon:?} {point:?}");
            }
        }
    }
}
