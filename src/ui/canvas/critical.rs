//! The critical path over the bars: a line on the lower edge of each stretch and thin connectors from lane to lane.
//!
//! What is narrower than half a pixel is drawn once a pixel column, so that the cost follows the width of the canvas.

use super::flame::{Scene, quad};
use crate::analysis::Segment;
use egui::epaint::Mesh;
use egui::{Rect, pos2};

/// Thickness of the line on high rows and on dense ones, points.
const LINE: (f32, f32) = (3.0, 2.0);
/// Rows lower than this are dense, points.
const DENSE: f32 = 16.0;

/// The lines of `segments` (in the order of time) that are in view. `lane_of` names the lane that stands for a node.
pub fn build(scene: &Scene<'_>, segments: &[Segment], lane_of: impl Fn(u32) -> Option<u32>) -> Mesh {
    let mut mesh = Mesh::default();
    let view = scene.pixels();
    let (from, to) = scene.view.shown();
    let first = segments.partition_point(|segment| segment.end <= from);
    let last = segments.partition_point(|segment| segment.start < to);
    let line = if scene.row < DENSE { LINE.1 } else { LINE.0 };
    let colour = scene.theme.critical_path;
    let mut before: Option<(u32, f64)> = None;
    for segment in segments.get(first..last.max(first)).unwrap_or_default() {
        let Some(lane) = lane_of(segment.node) else { continue };
        let (left, right) = (view.x(segment.start).round(), view.x(segment.end).round());
        let bar = scene.bar_at(lane, left, right.max(left + 1.0));
        if let Some((other, at)) = before {
            if other == lane && right <= at {
                continue;
            }
            if other != lane {
                let joint = scene.bar_at(other, left, left + 1.0);
                let (top, bottom) = (joint.bottom().min(bar.bottom()) - line, joint.bottom().max(bar.bottom()));
                let x = bar.left();
                quad(&mut mesh, Rect::from_min_max(pos2(x, top), pos2(x + joint.width().max(1.0), bottom)), colour);
            }
        }
        before = Some((lane, right.max(left + 1.0)));
        quad(&mut mesh, Rect::from_min_max(pos2(bar.left(), bar.bottom() - line), bar.max), colour);
    }
    mesh
}
