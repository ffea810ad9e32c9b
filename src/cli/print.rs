//! What commands print: one JSON object, or a table for people.

use super::Failure;
use serde::Serialize;
use std::io::{IsTerminal as _, Write as _};

/// One JSON object and a line end on standard output.
pub fn json(object: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string(object).map_err(|error| Failure::new(format!("the answer cannot be written: {error}")))?;
    line(&text)
}

/// One line on standard output. A reader that has gone (`| head`) ends the command.
pub fn line(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).map_err(|error| Failure::new(format!("standard output: {error}")))
}

/// Rows in columns as wide as their widest cell. Numbers (columns named in `right`) stand on the right.
pub fn table(head: &[&str], rows: &[Vec<String>], right: &[usize]) -> Result<(), Failure> {
    let width = |at: usize| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or(0).max(head[at].chars().count());
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let write = |cells: &mut dyn Iterator<Item = &str>| {
        let cell = |(at, text): (usize, &str)| {
            let room = widths[at];
            if right.contains(&at) { format!("{text:>room$}") } else { format!("{text:<room$}") }
        };
        line(cells.enumerate().map(cell).collect::<Vec<_>>().join("  ").trim_end())
    };
    write(&mut head.iter().copied())?;
    rows.iter().try_for_each(|row| write(&mut row.iter().map(String::as_str)))
}

/// A line on standard error that is written over, for a person who watches; silent in a pipe.
pub struct Progress {
    shown: bool,
    enabled: bool,
}

impl Progress {
    /// Shown when standard error is a terminal.
    pub fn new() -> Self {
        Self { shown: false, enabled: std::io::stderr().is_terminal() }
    }

    /// A bar for `done` of `of`, with what is being done.
    pub fn show(&mut self, done: u64, of: u64, what: &str) {
        if self.enabled {
            const WIDTH: u64 = 24;
            let filled = (done.saturating_mul(WIDTH) / of.max(1)).min(WIDTH) as usize;
            let bar = format!("{}{}", "█".repeat(filled), "░".repeat(WIDTH as usize - filled));
            eprint!("\r\x1b[2K{bar} {what}");
            self.shown = true;
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown {
            eprint!("\r\x1b[2K");
        }
    }
}
