//! Places in a query's text: byte ranges, and the line and column that people are told.

/// Bytes of the query's text, half open.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// First byte behind.
    pub end: u32,
}

impl Span {
    /// From one byte to another.
    pub fn new(start: usize, end: usize) -> Self {
        Self { start: start as u32, end: end as u32 }
    }

    /// From the start of this one to the end of another.
    pub fn to(self, other: Self) -> Self {
        Self { start: self.start, end: other.end }
    }

    /// As a range of indices.
    pub fn range(self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }

    /// Line and column of the start, both from 1; the column counts bytes, as Prometheus' does.
    pub fn line_column(self, text: &str) -> (usize, usize) {
        let at = (self.start as usize).min(text.len());
        let before = &text.as_bytes()[..at];
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        let column = at - before.iter().rposition(|byte| *byte == b'\n').map_or(0, |place| place + 1) + 1;
        (line, column)
    }

    /// The start as messages name it: `1:5`. An empty text has no places.
    pub fn place(self, text: &str) -> String {
        if text.is_empty() {
            return "unknown position".to_owned();
        }
        let (line, column) = self.line_column(text);
        format!("{line}:{column}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_counts_lines_and_bytes_from_one() {
        let text = "sum(\n  up)";
        for (at, place) in [(0, "1:1"), (4, "1:5"), (5, "2:1"), (7, "2:3"), (10, "2:6"), (99, "2:6")] {
            assert_eq!(Span::new(at, at).place(text), place, "{at}");
        }
        assert_eq!(Span::default().place(""), "unknown position");
    }
}
