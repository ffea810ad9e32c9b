//! The flame graph's bars as meshes.
//!
//! [`build`] turns what is in view into one mesh of bars, one of marks over them, and the places of labels; a pure
//! function that a bench calls without a display. Corners are square and snapped to physical pixels, because a raw mesh
//! has no smoothing. Its cost follows lanes in view times pixel columns, which are bounded (`benches/flame.rs`: 1M spans).

use super::elide::Elided;
use super::palette::Palette;
use super::viewport::Viewport;
use crate::analysis::{Aggregate, Fold, Layout, PixelView, Tree};
use crate::model::{DurationNs, SpanBatch, units};
use crate::ui::theme::{Face, Theme};
use egui::epaint::{Mesh, Vertex, WHITE_UV};
use egui::{Color32, Painter, Rect, pos2, vec2};
use std::ops::Range;
use std::sync::Arc;

/// Height of a bar's row in its three densities, points; the widest is that of the mock.
pub const ROW_HEIGHTS: [f32; 3] = [26.0, 20.0, 14.0];
/// Space over the first row, points.
pub const TOP: f32 = 6.0;
/// Bars narrower than this have no label, points.
const LABELLED: f32 = 32.0;
/// Bars wider than this show their duration, points.
const TIMED: f32 = 150.0;
/// Labels in a frame.
const LABELS: usize = 1_500;
/// Error edges at the top and left of a bar, points.
const ERROR_EDGE: f32 = 3.0;
/// Pixel columns of all lanes in view together; with more, columns are made wider. Bounds what a frame costs on a large screen
/// (`benches/flame.rs` measures it).
const COLUMNS: f32 = 45_000.0;
/// Length of the hatched end of a span in flight, points.
const HATCHED: f32 = 16.0;

/// What is drawn and where.
#[derive(Clone, Copy)]
pub struct Scene<'a> {
    /// Bars.
    pub layout: &'a Layout,
    /// Colours.
    pub palette: &'a Palette,
    /// Theme.
    pub theme: &'a Theme,
    /// The canvas, points.
    pub rect: Rect,
    /// Height of a row, points.
    pub row: f32,
    /// How far the rows are scrolled up, points.
    pub scroll: f32,
    /// Part of time that is shown.
    pub view: &'a Viewport,
    /// Physical pixels a point.
    pub pixels_per_point: f32,
    /// Everything else is dimmed.
    pub highlight: Option<&'a Highlight>,
}

/// Items that a find matched, as counts up to each item, so that a column knows at once whether it holds one.
#[derive(Clone, Debug, Default)]
pub struct Highlight {
    upto: Vec<u32>,
}

/// A place for a label.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Label {
    /// Whose.
    pub item: u32,
    /// The part of the bar that is in view, points.
    pub rect: Rect,
    /// The bar is dimmed.
    pub dim: bool,
}

/// What [`build`] made; reused from frame to frame.
#[derive(Default)]
pub struct Built {
    /// Bars. Shared with what is being painted; its memory is used again once that is done.
    pub bars: Arc<Mesh>,
    /// Error edges, hatches, stripes.
    pub marks: Arc<Mesh>,
    /// Labels.
    pub labels: Vec<Label>,
}

/// What is under the pointer: one item, or the first of several that are folded into a pixel column.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Hit {
    /// The item, or the first of them.
    pub item: u32,
    /// How many.
    pub count: u32,
    /// Where it is drawn, points.
    pub rect: Rect,
}

impl Highlight {
    /// Of the nodes that were found.
    pub fn new(layout: &Layout, nodes: &[u32]) -> Self {
        let mut found: Vec<u32> = nodes.to_vec();
        found.sort_unstable();
        let mut upto = Vec::with_capacity(layout.shown() as usize + 1);
        let mut count = 0;
        upto.push(0);
        for item in 0..layout.shown() {
            count += u32::from(found.binary_search(&layout.node(item)).is_ok());
            upto.push(count);
        }
        Self { upto }
    }

    fn any(&self, items: Range<u32>) -> bool {
        let at = |index: u32| self.upto.get(index as usize).copied().unwrap_or(0);
        at(items.end) > at(items.start)
    }
}

impl Scene<'_> {
    pub(super) fn pixels(&self) -> PixelView {
        self.view.pixels(f64::from(self.rect.width() * self.pixels_per_point))
    }

    fn snap(&self, point: f32) -> f32 {
        (point * self.pixels_per_point).round() / self.pixels_per_point
    }

    /// Top of a lane's row.
    pub fn lane_top(&self, lane: u32) -> f32 {
        self.snap(self.rect.top() + TOP - self.scroll + lane as f32 * self.row)
    }

    /// The lane at a height, if any.
    pub fn lane_at(&self, y: f32) -> Option<u32> {
        let at = (y - self.rect.top() - TOP + self.scroll) / self.row;
        (at >= 0.0 && (at as u32) < self.layout.lanes()).then_some(at as u32)
    }

    /// Height of all rows.
    pub fn height(&self) -> f32 {
        TOP * 2.0 + self.layout.lanes() as f32 * self.row
    }

    fn lanes_in_view(&self) -> Range<u32> {
        let first = ((self.scroll - TOP) / self.row).floor().max(0.0) as u32;
        let last = ((self.scroll - TOP + self.rect.height()) / self.row).ceil().max(0.0) as u32;
        first.min(self.layout.lanes())..last.min(self.layout.lanes())
    }

    /// Where an item's bar is, at least a pixel wide; may be out of view.
    pub fn bar(&self, item: u32, lane: u32) -> Rect {
        let view = self.pixels();
        let (start, end) = self.layout.span(item);
        let (left, right) = (view.x(start).round(), view.x(end).round());
        self.bar_at(lane, left, right.max(left + 1.0))
    }

    pub(super) fn bar_at(&self, lane: u32, left: f64, right: f64) -> Rect {
        self.line(lane).rect(left, right)
    }

    fn line(&self, lane: u32) -> Line {
        let top = self.lane_top(lane);
        let gap = if self.row > 6.0 { 1.0 } else { 0.0 };
        Line {
            top,
            bottom: self.snap(top + self.row) - gap,
            origin: self.snap(self.rect.left()),
            scale: self.pixels_per_point.recip(),
            width: f64::from(self.rect.width() * self.pixels_per_point),
        }
    }

    /// Physical pixels of a column that folded bars share.
    fn column(&self) -> u32 {
        let width = self.rect.width() * self.pixels_per_point;
        ((self.lanes_in_view().len() as f32 * width / COLUMNS).ceil() as u32).clamp(1, 8)
    }

    /// What is at a position.
    pub fn hit(&self, at: egui::Pos2) -> Option<Hit> {
        let lane = self.lane_at(at.y)?;
        let view = self.pixels();
        let x = f64::from((at.x - self.snap(self.rect.left())) * self.pixels_per_point);
        // Only the pixels around the pointer are folded.
        let near = PixelView { start: view.time(x - 4.0), end: view.time(x + 4.0).max(view.time(x - 4.0) + 1), ..view };
        let shift = view.x(near.start);
        let scale = PixelView { start: near.start, width: view.x(near.end) - shift, ..near };
        let mut best: Option<(f64, Hit)> = None;
        self.layout.fold_lane(lane, scale, |piece| {
            let (left, right, item, count) = match piece {
                Fold::Bar { item, left, right } => (left, right, item, 1),
                Fold::Column { first, count, left, right, .. } => (left, right, first, count),
            };
            let (left, right) = (left + shift, right + shift);
            let gap = if x < left { left - x } else { (x - right).max(0.0) };
            if gap <= 2.0 && best.as_ref().is_none_or(|(other, _)| gap < *other) {
                best = Some((gap, Hit { item, count, rect: self.bar_at(lane, left, right) }));
            }
        });
        best.map(|(_, hit)| hit)
    }
}

/// What the bars of a lane have in common.
struct Line {
    top: f32,
    bottom: f32,
    origin: f32,
    /// Points a physical pixel.
    scale: f32,
    /// Physical pixels of the canvas.
    width: f64,
}

impl Line {
    /// A bar between two physical pixels.
    fn rect(&self, left: f64, right: f64) -> Rect {
        // Far outside the view `f32` would lose its way.
        let x = |pixel: f64| self.origin + pixel.clamp(-64.0, self.width + 64.0) as f32 * self.scale;
        Rect { min: pos2(x(left), self.top), max: pos2(x(right), self.bottom) }
    }
}

pub(super) fn quad(mesh: &mut Mesh, rect: Rect, colour: Color32) {
    let first = mesh.vertices.len() as u32;
    let corner = |pos| Vertex { pos, uv: WHITE_UV, color: colour };
    mesh.vertices.extend([
        corner(rect.left_top()),
        corner(rect.right_top()),
        corner(rect.left_bottom()),
        corner(rect.right_bottom()),
    ]);
    mesh.indices.extend([first, first + 1, first + 2, first + 2, first + 1, first + 3]);
}

/// A folded column; one that looks like what was drawn just left of it only makes that wider.
fn column_quad(mesh: &mut Mesh, rect: Rect, colour: Color32) {
    if let [.., top_left, top_right, _, bottom_right] = mesh.vertices.as_mut_slice()
        && top_left.color == colour
        && top_right.pos == rect.min
        && bottom_right.pos.y == rect.max.y
    {
        top_right.pos.x = rect.max.x;
        bottom_right.pos.x = rect.max.x;
        return;
    }
    quad(mesh, rect, colour);
}

struct Meshes<'a> {
    bars: &'a mut Mesh,
    marks: &'a mut Mesh,
}

/// The mesh emptied for writing; a new one while the last is still being painted.
fn unshared(mesh: &mut Arc<Mesh>) -> &mut Mesh {
    if Arc::get_mut(mesh).is_none() {
        *mesh = Arc::default();
    }
    let mesh = Arc::make_mut(mesh);
    mesh.clear();
    mesh
}

/// Fills `built` with what is in view.
pub fn build(scene: &Scene<'_>, built: &mut Built) {
    built.labels.clear();
    let mut meshes = Meshes { bars: unshared(&mut built.bars), marks: unshared(&mut built.marks) };
    let labels = &mut built.labels;
    let (view, column) = (scene.pixels(), scene.column());
    for lane in scene.lanes_in_view() {
        let line = scene.line(lane);
        scene.layout.fold_lane_by(lane, view, column, |piece| match piece {
            Fold::Bar { item, left, right } => {
                let look = scene.layout.look(item);
                let dim = scene.highlight.is_some_and(|found| !found.any(item..item + 1));
                // A pixel between neighbours, unless that would halve a bar.
                let (left, right) = (left.round(), right.round());
                let gap = if right - left > 4.0 { 1.0 } else { 0.0 };
                let rect = line.rect(left, right - gap);
                bar(scene, &mut meshes, rect, look, dim, left >= 0.0);
                let seen = rect.intersect(scene.rect);
                if seen.width() > LABELLED && labels.len() < LABELS && scene.row >= 12.0 {
                    labels.push(Label { item, rect: seen, dim });
                }
            }
            Fold::Column { first, count, left, right, look } => {
                let dim = scene.highlight.is_some_and(|found| !found.any(first..first + count));
                let rect = line.rect(left, right);
                column_quad(meshes.bars, rect, colour_of(scene, look, dim));
                if look.is_error() {
                    let edge = Rect::from_min_size(rect.min, vec2(rect.width(), ERROR_EDGE.min(rect.height())));
                    column_quad(meshes.marks, edge, scene.theme.error_fill);
                }
            }
        });
    }
}

fn colour_of(scene: &Scene<'_>, look: Aggregate, dim: bool) -> Color32 {
    let class = if look.is_virtual() { scene.palette.missing } else { scene.palette.class(look.class) };
    if dim { class.dim } else { class.fill }
}

fn bar(scene: &Scene<'_>, meshes: &mut Meshes<'_>, rect: Rect, look: Aggregate, dim: bool, starts: bool) {
    let theme = scene.theme;
    quad(meshes.bars, rect, colour_of(scene, look, dim));
    let width = rect.width();
    let class = scene.palette.class(look.class);
    if class.stripe && width > 6.0 && starts {
        quad(meshes.marks, Rect::from_min_size(rect.min, vec2(2.0, rect.height())), theme.canvas_select);
    }
    if look.is_virtual() {
        // An outline, for what is only known by its children.
        for edge in [
            Rect::from_min_size(rect.min, vec2(width, 1.0)),
            Rect::from_min_size(pos2(rect.left(), rect.bottom() - 1.0), vec2(width, 1.0)),
        ] {
            dashes(meshes.marks, edge, theme.text_faint);
        }
    }
    if look.is_in_flight() {
        let mut x = (rect.right() - HATCHED).max(rect.left() + 2.0);
        while x < rect.right() {
            let stripe = Rect::from_min_max(pos2(x, rect.top()), pos2((x + 2.0).min(rect.right()), rect.bottom()));
            quad(meshes.marks, stripe, theme.surface);
            x += 4.0;
        }
    }
    if look.is_error() {
        let edge = ERROR_EDGE.min(rect.height() / 2.0);
        quad(meshes.marks, Rect::from_min_size(rect.min, vec2(width, edge)), theme.error_fill);
        if starts {
            quad(meshes.marks, Rect::from_min_size(rect.min, vec2(ERROR_EDGE.min(width), rect.height())), theme.error_fill);
        }
    }
}

fn dashes(mesh: &mut Mesh, line: Rect, colour: Color32) {
    let mut x = line.left();
    while x < line.right() {
        quad(mesh, Rect::from_min_max(pos2(x, line.top()), pos2((x + 4.0).min(line.right()), line.bottom())), colour);
        x += 8.0;
    }
}

/// Paints what was built: bars, marks, labels with durations.
pub fn paint(painter: &Painter, scene: &Scene<'_>, built: &Built, text: &LabelText<'_>, elided: &mut Elided) {
    let painter = painter.with_clip_rect(scene.rect);
    for mesh in [&built.bars, &built.marks] {
        if !mesh.is_empty() {
            painter.add(egui::Shape::Mesh(mesh.clone()));
        }
    }
    let font = Face::Caption.font();
    for label in &built.labels {
        let node = scene.layout.node(label.item);
        let look = scene.layout.look(label.item);
        let class = if look.is_virtual() { scene.palette.missing } else { scene.palette.class(look.class) };
        let colour = if label.dim { scene.theme.text_faint } else { class.text };
        let mut right = label.rect.right() - if look.is_in_flight() { HATCHED + 2.0 } else { 5.0 };
        if label.rect.width() > TIMED && !look.is_virtual() {
            let time = if look.is_in_flight() {
                "in flight".to_owned()
            } else {
                units::duration(DurationNs(text.tree.duration(node)))
            };
            let galley = painter.layout_no_wrap(time, font.clone(), colour);
            right -= galley.size().x;
            let y = label.rect.center().y - galley.size().y / 2.0;
            painter.galley(pos2(right, y), galley, colour);
            right -= 8.0;
        }
        let left = label.rect.left() + if look.is_error() { 8.0 } else { 5.0 };
        let hidden = (text.hidden)(node);
        if hidden > 0 {
            // How many spans the fold holds, in place of them.
            let galley = painter.layout_no_wrap(format!("+{}", units::count(u64::from(hidden))), font.clone(), colour);
            if right - galley.size().x > left {
                right -= galley.size().x;
                painter.galley(pos2(right, label.rect.center().y - galley.size().y / 2.0), galley, colour);
                right -= 8.0;
            }
        }
        let variant = u8::from(look.calls()) | u8::from(look.is_virtual()) << 2;
        let id = if look.is_virtual() { 0 } else { text.batch.spans[node as usize].name };
        let cut = elided.text(&painter, &font, id, variant, right - left, || text.of(node));
        if !cut.is_empty() {
            let galley = painter.layout_no_wrap(cut.to_string(), font.clone(), colour);
            painter.galley(pos2(left, label.rect.center().y - galley.size().y / 2.0), galley, colour);
        }
    }
}

/// Where the words of labels come from.
pub struct LabelText<'a> {
    /// Names.
    pub batch: &'a SpanBatch,
    /// Durations.
    pub tree: &'a Tree,
    /// Spans that a folded node holds; 0 for one that is not folded.
    pub hidden: &'a dyn Fn(u32) -> u32,
}

impl LabelText<'_> {
    fn of(&self, node: u32) -> String {
        if self.tree.is_virtual(node) {
            return "parent not received".to_owned();
        }
        let span = self.batch.span(node as usize);
        let arrow = if self.tree.marks(node).has(crate::analysis::Marks::CALLS) { "\u{2192} " } else { "" };
        format!("{arrow}{}", span.name())
    }
}

#[cfg(test)]
mod tests;
