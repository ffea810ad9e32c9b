//! All of a trace in a strip, with a window over what the canvas below shows: drag it, drag its handles, double-click to
//! see everything.

use super::palette::Palette;
use super::viewport::Viewport;
use crate::analysis::Overview;
use crate::ui::theme::Theme;
use crate::ui::theme::size::part;
use egui::epaint::Mesh;
use egui::{CursorIcon, Id, Rect, Response, Role, Sense, Stroke, StrokeKind, Ui, WidgetInfo, pos2, vec2};
use std::sync::Arc;

/// Columns of the overview that is drawn.
pub const COLUMNS: u32 = 1_024;
/// Rows of the overview that is drawn.
pub const ROWS: u32 = 44;
/// Highest bar, points.
const TALLEST: f32 = 4.0;
/// Grab width of a handle, points; drawn half as wide.
const HANDLE: f32 = 10.0;

/// The mesh of the bars, kept while nothing changes.
#[derive(Default)]
pub struct Minimap {
    mesh: Arc<Mesh>,
    key: Option<(usize, Rect, bool)>,
}

/// What the strip shows.
#[derive(Clone, Copy)]
pub struct Strip<'a> {
    /// Theme.
    pub theme: &'a Theme,
    /// Bars.
    pub overview: &'a Overview,
    /// Their colours.
    pub palette: &'a Palette,
    /// What the overview reaches over.
    pub extent: (i64, i64),
    /// Changes with the overview or its colours.
    pub revision: usize,
}

impl Minimap {
    /// Shows the strip over the whole width; drags change `view`.
    pub fn show(&mut self, ui: &mut Ui, strip: Strip<'_>, view: &mut Viewport) -> Response {
        let Strip { theme, overview, palette, extent, revision } = strip;
        let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), part::MINIMAP), Sense::click_and_drag());
        response.widget_info(|| WidgetInfo::labeled(Role::Slider, true, "Shown part of the trace"));
        let key = Some((revision, rect, theme.dark));
        if self.key != key {
            self.mesh = Arc::new(bars(rect, theme, overview, palette));
            self.key = key;
        }
        let painter = ui.painter().with_clip_rect(rect);
        painter.rect_filled(rect, 0.0, theme.app);
        if !self.mesh.is_empty() {
            painter.add(egui::Shape::Mesh(self.mesh.clone()));
        }
        let scale = Scale { rect, extent };
        let window = scale.window(view);
        let shade = theme.scrim.gamma_multiply(0.55);
        painter.rect_filled(Rect::from_min_max(rect.min, pos2(window.left(), rect.bottom())), 0.0, shade);
        painter.rect_filled(Rect::from_min_max(pos2(window.right(), rect.top()), rect.max), 0.0, shade);
        painter.rect_stroke(window, 0.0, Stroke::new(1.0, theme.accent), StrokeKind::Inside);
        for x in [window.left(), window.right() - HANDLE / 2.0 + 1.0] {
            let handle = Rect::from_min_size(pos2(x, rect.center().y - 9.0), vec2(HANDLE / 2.0 - 1.0, 18.0));
            painter.rect_filled(handle, 0.0, theme.accent);
        }
        drag(ui, &response, scale, window, view);
        response
    }
}

#[derive(Clone, Copy)]
struct Scale {
    rect: Rect,
    extent: (i64, i64),
}

impl Scale {
    fn length(self) -> f64 {
        self.extent.1.saturating_sub(self.extent.0).max(1) as f64 * 1.02
    }

    fn x(self, time: i64) -> f32 {
        let share = time.saturating_sub(self.extent.0) as f64 / self.length();
        self.rect.left() + (share.clamp(0.0, 1.0) * f64::from(self.rect.width())) as f32
    }

    fn time(self, x: f32) -> i64 {
        let share = f64::from((x - self.rect.left()) / self.rect.width().max(1.0));
        self.extent.0.saturating_add((share * self.length()) as i64)
    }

    /// At least so wide that it can be grabbed.
    fn window(self, view: &Viewport) -> Rect {
        let (start, end) = view.shown();
        let (left, right) = (self.x(start), self.x(end));
        let missing = (HANDLE - (right - left)).max(0.0) / 2.0;
        Rect::from_x_y_ranges(left - missing..=right + missing, self.rect.y_range())
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Grip {
    Left,
    Right,
    Window,
    /// Outside the window: draws a new one.
    New(i64),
}

fn grip_at(x: f32, window: Rect, scale: Scale) -> Grip {
    let near = |edge: f32| (x - edge).abs() <= HANDLE;
    // In a narrow window the middle third still moves it.
    let narrow = window.width() < HANDLE * 3.0;
    if !narrow && near(window.left()) || narrow && x < window.left() && near(window.left()) {
        Grip::Left
    } else if !narrow && near(window.right()) || narrow && x > window.right() && near(window.right()) {
        Grip::Right
    } else if window.x_range().contains(x) {
        Grip::Window
    } else {
        Grip::New(scale.time(x))
    }
}

fn drag(ui: &Ui, response: &Response, scale: Scale, window: Rect, view: &mut Viewport) {
    let id: Id = response.id.with("grip");
    if response.double_clicked() {
        view.fit();
        return;
    }
    if let Some(at) = response.hover_pos().filter(|_| !response.dragged()) {
        let icon = match grip_at(at.x, window, scale) {
            Grip::Left | Grip::Right => CursorIcon::ResizeHorizontal,
            Grip::Window if !view.is_all() => CursorIcon::Grab,
            _ => CursorIcon::Crosshair,
        };
        ui.ctx().set_cursor_icon(icon);
    }
    if response.drag_started()
        && let Some(at) = ui.input(|input| input.pointer.press_origin())
    {
        let grip = match grip_at(at.x, window, scale) {
            Grip::Window if view.is_all() => Grip::New(scale.time(at.x)),
            grip => grip,
        };
        ui.data_mut(|data| data.insert_temp(id, grip));
    }
    let held = ui.data(|data| data.get_temp::<Grip>(id));
    if response.dragged()
        && let (Some(grip), Some(at)) = (held, response.interact_pointer_pos())
    {
        let (start, end) = view.shown();
        let time = scale.time(at.x.clamp(scale.rect.left(), scale.rect.right()));
        match grip {
            Grip::Left => view.jump((time.min(end.saturating_sub(1)), end)),
            Grip::Right => view.jump((start, time.max(start.saturating_add(1)))),
            Grip::Window => {
                let moved = f64::from(response.drag_delta().x / scale.rect.width().max(1.0)) * scale.length();
                view.jump((start.saturating_add(moved as i64), end.saturating_add(moved as i64)));
            }
            Grip::New(from) if from != time => view.jump((from.min(time), from.max(time))),
            Grip::New(_) => {}
        }
    }
    if response.drag_stopped() {
        ui.data_mut(|data| data.remove::<Grip>(id));
    }
    // A click beside the window brings it there.
    if response.clicked()
        && let Some(at) = response.interact_pointer_pos().filter(|at| !window.contains(*at))
    {
        let time = scale.time(at.x);
        view.centre(time, time);
    }
}

/// The bars of an overview in `rect`.
pub fn bars(rect: Rect, theme: &Theme, overview: &Overview, palette: &Palette) -> Mesh {
    let mut mesh = Mesh::default();
    let inside = rect.shrink2(vec2(0.0, 5.0));
    let height = (inside.height() / overview.rows.max(1) as f32).min(TALLEST);
    let gap = if height >= 3.0 { 1.0 } else { 0.0 };
    // The strip has the margin of a canvas that shows everything.
    let column = rect.width() / 1.02 / overview.columns.max(1) as f32;
    for row in 0..overview.rows {
        let top = (inside.top() + row as f32 * height).round();
        for run in overview.runs(row) {
            let left = rect.left() + run.from as f32 * column;
            let right = (rect.left() + run.to as f32 * column).max(left + 1.0);
            let fill = if run.error { theme.error } else { palette.class(run.class).fill };
            mesh.add_colored_rect(
                Rect::from_min_max(
                    pos2(left.round(), top),
                    pos2(right.round().max(left.round() + 1.0), top + (height - gap).max(1.0)),
                ),
                fill,
            );
        }
    }
    mesh
}
