//! The differential flame graph: two sides merged by path, one block a path, painted by what changed.
//!
//! A block is as wide as the larger self time of the two sides and all blocks below it, so that nothing that was or is
//! disappears. Slower is the error colour, faster the success colour, stronger the more of the largest change it is; what
//! changed less than [`Blocks::quiet_ns`] is neutral. The change is also said in figures, so that colour is never alone.

use super::elide;
use crate::analysis::DiffRow;
use crate::model::{DurationNs, units};
use crate::ui::theme::{Face, Theme};
use egui::{Align2, Color32, Mesh, Painter, Rect, Shape, Stroke, StrokeKind, pos2};

/// Height of a lane with its gap, points.
pub const LANE: f32 = 22.0;
/// Blocks narrower than this have no text, points.
const TEXT_FROM: f32 = 32.0;
/// Changes under this are neutral, nanoseconds, or [`QUIET_SHARE`] of the whole where that is less.
const QUIET_NS: i64 = 10_000_000;
const QUIET_SHARE: i64 = 50;

/// One path in the graph.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Block {
    /// Number of its row.
    pub row: u32,
    /// Lane from the top.
    pub depth: u32,
    /// Left and right edge as shares of the width.
    pub from: f32,
    /// Right edge.
    pub to: f32,
}

/// Where every path stands.
#[derive(Clone, Debug, Default)]
pub struct Blocks {
    /// In the order of the rows.
    pub blocks: Vec<Block>,
    /// Lanes.
    pub lanes: u32,
    /// Largest change of a path.
    most_ns: i64,
    /// Changes smaller than this count as none.
    pub quiet_ns: i64,
}

/// Change of a row's time, B less A.
pub fn change(row: &DiffRow) -> i64 {
    row.duration_ns_b.saturating_sub(row.duration_ns_a)
}

impl Blocks {
    /// Lays rows out that stand each under the one above it.
    pub fn of(rows: &[DiffRow]) -> Self {
        let own = |row: &DiffRow| row.self_ns_a.max(row.self_ns_b).max(1) as f64;
        let mut widths: Vec<f64> = rows.iter().map(own).collect();
        // From the last up: a row is followed by all that is below it.
        let mut above: Vec<usize> = Vec::new();
        let mut parents = vec![usize::MAX; rows.len()];
        for (at, row) in rows.iter().enumerate() {
            above.truncate(row.depth as usize);
            parents[at] = above.last().copied().unwrap_or(usize::MAX);
            above.push(at);
        }
        for at in (0..rows.len()).rev() {
            if parents[at] != usize::MAX {
                widths[parents[at]] += widths[at];
            }
        }
        let whole: f64 = (0..rows.len()).filter(|at| parents[*at] == usize::MAX).map(|at| widths[at]).sum();
        // Where the next block below a row begins; the last entry is for the top.
        let mut next = vec![0.0_f64; rows.len() + 1];
        let mut blocks = Vec::with_capacity(rows.len());
        for (at, row) in rows.iter().enumerate() {
            let parent = if parents[at] == usize::MAX { rows.len() } else { parents[at] };
            let from = next[parent];
            next[parent] += widths[at];
            next[at] = from;
            let share = |x: f64| (x / whole.max(1.0)) as f32;
            blocks.push(Block { row: at as u32, depth: row.depth, from: share(from), to: share(from + widths[at]) });
        }
        let length = rows.first().map_or(0, |row| row.duration_ns_a.max(row.duration_ns_b));
        Self {
            lanes: rows.iter().map(|row| row.depth + 1).max().unwrap_or(0),
            most_ns: rows.iter().map(|row| change(row).abs()).max().unwrap_or(0),
            quiet_ns: QUIET_NS.min(length / QUIET_SHARE).max(1),
            blocks,
        }
    }

    /// Height of all lanes, points.
    pub fn height(&self) -> f32 {
        self.lanes as f32 * LANE
    }

    /// The colour of a row on `theme`.
    pub fn colour(&self, row: &DiffRow, theme: &Theme) -> Color32 {
        let changed = change(row);
        if changed.abs() < self.quiet_ns {
            return theme.hairline_strong;
        }
        let strength = 0.3 + 0.45 * (changed.abs() as f32 / self.most_ns.max(1) as f32);
        let tint = if changed > 0 { theme.error } else { theme.success };
        theme.surface.lerp_to_gamma(tint, strength)
    }

    /// The row under a point of `rect`.
    pub fn hit(&self, rect: Rect, at: egui::Pos2) -> Option<u32> {
        let lane = ((at.y - rect.top()) / LANE).floor();
        let share = (at.x - rect.left()) / rect.width().max(1.0);
        let over = |block: &&Block| block.depth as f32 == lane && block.from <= share && share < block.to;
        self.blocks.iter().find(over).map(|block| block.row)
    }

    /// Paints the graph over `rect`.
    pub fn paint(&self, painter: &Painter, rect: Rect, theme: &Theme, rows: &[DiffRow], selected: Option<u32>) {
        let mut mesh = Mesh::default();
        let place = |block: &Block| {
            let per = painter.pixels_per_point();
            let x = |share: f32| ((rect.left() + share * rect.width()) * per).round() / per;
            let top = rect.top() + block.depth as f32 * LANE;
            Rect::from_min_max(pos2(x(block.from), top), pos2((x(block.to) - 1.0).max(x(block.from) + 1.0), top + LANE - 1.0))
        };
        for block in &self.blocks {
            mesh.add_colored_rect(place(block), self.colour(&rows[block.row as usize], theme));
        }
        painter.add(Shape::mesh(mesh));
        for block in &self.blocks {
            let bar = place(block);
            let row = &rows[block.row as usize];
            if row.count_a == 0 || row.count_b == 0 {
                // New and vanished ones have an edge: colour alone would not tell them from changed ones.
                let tint = if row.count_a == 0 { theme.error } else { theme.success };
                painter.rect_stroke(bar, 0.0, Stroke::new(1.0, tint), StrokeKind::Inside);
            }
            if bar.width() < TEXT_FROM || !painter.clip_rect().intersects(bar) {
                continue;
            }
            let font = Face::MonoSmall.font();
            let mut room = bar.width() - 10.0;
            if bar.width() > 150.0 {
                let said = said(row, self.quiet_ns);
                let at = pos2(bar.right() - 5.0, bar.center().y);
                let drawn = painter.text(at, Align2::RIGHT_CENTER, said, font.clone(), theme.text_strong);
                room -= drawn.width() + 8.0;
            }
            let name = painter.fonts_mut(|fonts| elide::middle(fonts, &font, &row.name, room));
            painter.text(pos2(bar.left() + 5.0, bar.center().y), Align2::LEFT_CENTER, name, font, theme.text_strong);
        }
        if let Some(block) = selected.and_then(|row| self.blocks.iter().find(|block| block.row == row)) {
            painter.rect_stroke(place(block), 0.0, Stroke::new(2.0, theme.canvas_select), StrokeKind::Inside);
        }
    }
}

/// The change in a word or a figure.
pub fn said(row: &DiffRow, quiet_ns: i64) -> String {
    let changed = change(row);
    match (row.count_a, row.count_b) {
        (0, _) => format!("new, {}", units::duration(DurationNs(row.duration_ns_b))),
        (_, 0) => format!("gone, {}", units::duration(DurationNs(row.duration_ns_a))),
        _ if changed.abs() < quiet_ns => units::duration(DurationNs(row.duration_ns_b)),
        _ => units::duration_change(DurationNs(changed)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(depth: u32, self_a: i64, self_b: i64) -> DiffRow {
        DiffRow { depth, self_ns_a: self_a, self_ns_b: self_b, count_a: 1, count_b: 1, ..DiffRow::default() }
    }

    #[test]
    fn blocks_lie_within_the_one_above_and_fill_the_width() {
        let rows = [row(0, 50, 50), row(1, 100, 300), row(2, 50, 10), row(1, 100, 0), row(0, 500, 100)];
        let blocks = Blocks::of(&rows).blocks;
        assert_eq!((blocks[0].from, blocks[4].to), (0.0, 1.0));
        assert_eq!(blocks[0].to, blocks[4].from);
        for (child, parent) in [(1, 0), (2, 1), (3, 0)] {
            assert!(blocks[parent].from <= blocks[child].from && blocks[child].to <= blocks[parent].to, "{child}");
        }
        assert_eq!(blocks[1].to, blocks[3].from);
        let width = |at: usize| blocks[at].to - blocks[at].from;
        assert!((width(0) - 0.5).abs() < 1e-6 && (width(1) - 0.35).abs() < 1e-6, "{blocks:?}");
        let rect = Rect::from_min_max(pos2(0.0, 0.0), pos2(1_000.0, 66.0));
        let all = Blocks::of(&rows);
        assert_eq!(all.hit(rect, pos2(10.0, 30.0)), Some(1));
        assert_eq!(all.hit(rect, pos2(900.0, 30.0)), None);
    }

    #[test]
    fn slower_faster_and_neither_have_their_colours() {
        let theme = Theme::dark();
        let changed = |a: i64, b: i64| DiffRow { duration_ns_a: a, duration_ns_b: b, ..row(0, 1, 1) };
        let rows = [changed(1_000_000_000, 2_000_000_000), changed(900_000_000, 100_000_000), changed(5, 9)];
        let blocks = Blocks::of(&rows);
        let colours: Vec<Color32> = rows.iter().map(|row| blocks.colour(row, theme)).collect();
        assert!(colours[0].r() > colours[0].g() && colours[1].g() > colours[1].r());
        assert_eq!(colours[2], theme.hairline_strong);
        assert_eq!(said(&rows[2], blocks.quiet_ns), units::duration(DurationNs(9)));
        assert!(said(&DiffRow { count_a: 0, ..rows[0].clone() }, 1).starts_with("new"));
    }
}
