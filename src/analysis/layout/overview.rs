//! The whole layout in a fixed number of cells, for the minimap: prepared off the frame, whatever the trace holds.

use super::{Fold, Layout, PixelView};

const EMPTY: u16 = u16::MAX;
const ERROR: u16 = 1 << 15;

/// Cells by row and column. A cell holds the class that was busy most, or an error if there is one in it.
#[derive(Clone, Debug, Default)]
pub struct Overview {
    /// Rows, at most as many as lanes; the first is at the top.
    pub rows: u32,
    /// Columns over the extent of the layout.
    pub columns: u32,
    cells: Vec<u16>,
}

/// Neighbouring cells of a row that look the same.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OverviewRun {
    /// First column.
    pub from: u32,
    /// Column after the last.
    pub to: u32,
    /// Class, as in [`super::Aggregate`].
    pub class: u16,
    /// Holds an error.
    pub error: bool,
}

impl Overview {
    /// What a row shows, left to right.
    pub fn runs(&self, row: u32) -> impl Iterator<Item = OverviewRun> + '_ {
        let from = (row * self.columns) as usize;
        let cells = self.cells.get(from..from + self.columns as usize).unwrap_or_default();
        let mut at = 0;
        std::iter::from_fn(move || {
            let cell = *cells.get(at..)?.first()?;
            let from = at;
            at += cells[at..].iter().take_while(|other| **other == cell).count();
            Some((cell, from as u32, at as u32))
        })
        .filter(|(cell, _, _)| *cell != EMPTY)
        .map(|(cell, from, to)| OverviewRun { from, to, class: cell & !ERROR, error: cell & ERROR != 0 })
    }
}

impl Layout {
    /// The whole layout in at most `rows` rows of `columns` cells.
    pub fn overview(&self, columns: u32, rows: u32) -> Overview {
        let rows = rows.min(self.lanes());
        let mut cells = vec![EMPTY; (rows * columns) as usize];
        let (start, end) = self.extent;
        let view = PixelView { start, end: end.saturating_add(1), width: f64::from(columns) };
        for lane in 0..self.lanes() {
            let row = (u64::from(lane) * u64::from(rows) / u64::from(self.lanes())) as u32;
            let cells = &mut cells[(row * columns) as usize..((row + 1) * columns) as usize];
            self.fold_lane(lane, view, |piece| {
                let (left, right, look) = match piece {
                    Fold::Bar { item, left, right } => (left, right, self.look(item)),
                    Fold::Column { left, right, look, .. } => (left, right, look),
                };
                let from = (left.max(0.0) as usize).min(cells.len().saturating_sub(1));
                let to = (right.ceil().max(0.0) as usize).clamp(from + 1, cells.len().max(from + 1));
                let class = look.class.min(ERROR - 2);
                for cell in cells.get_mut(from..to).into_iter().flatten() {
                    let error = look.is_error() || (*cell != EMPTY && *cell & ERROR != 0);
                    *cell = class | if error { ERROR } else { 0 };
                }
            });
        }
        Overview { rows, columns, cells }
    }
}
