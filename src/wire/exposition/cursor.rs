//! A place in the text, and the small pieces that lines are made of.

use super::ExpositionError;
use std::borrow::Cow;

/// Reads forward. Positions are bytes.
pub(super) struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// The next byte, 0 at the end.
    #[inline]
    pub(super) fn peek(&self) -> u8 {
        self.text.as_bytes().get(self.at).copied().unwrap_or(0)
    }

    /// What was read since a place.
    pub(super) fn since(&self, start: usize) -> &'a str {
        self.text.get(start..self.at).unwrap_or_default()
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.at >= self.text.len()
    }

    #[inline]
    pub(super) fn take(&mut self, byte: u8) -> bool {
        let there = self.peek() == byte && !self.is_at_end();
        self.at += usize::from(there);
        there
    }

    #[inline]
    pub(super) fn blanks(&mut self) {
        while matches!(self.peek(), b' ' | b'\t') {
            self.at += 1;
        }
    }

    /// The end of a line, or of the text. A carriage return before it is skipped.
    #[inline]
    pub(super) fn line_end(&mut self) -> bool {
        self.blanks();
        if self.peek() == b'\r' && self.text.as_bytes().get(self.at + 1) == Some(&b'\n') {
            self.at += 1;
        }
        self.take(b'\n') || self.is_at_end()
    }

    /// Goes to the next line.
    pub(super) fn skip_line(&mut self) {
        let rest = &self.text.as_bytes()[self.at..];
        self.at += memchr::memchr(b'\n', rest).map_or(rest.len(), |end| end + 1);
    }

    /// The rest of the line; the cursor stands behind it.
    pub(super) fn rest_of_line(&mut self) -> &'a str {
        let start = self.at;
        self.skip_line();
        let line = &self.text[start..self.at];
        let line = line.strip_suffix('\n').unwrap_or(line);
        line.strip_suffix('\r').unwrap_or(line)
    }

    /// Bytes for which `inside` is true.
    #[inline]
    pub(super) fn run(&mut self, inside: impl Fn(u8) -> bool) -> &'a str {
        let start = self.at;
        let bytes = self.text.as_bytes();
        while bytes.get(self.at).is_some_and(|byte| inside(*byte)) {
            self.at += 1;
        }
        // Callers ask for ASCII, so the ends are character boundaries.
        self.text.get(start..self.at).unwrap_or_default()
    }

    /// What stands up to the next blank or line end: a number, a type.
    #[inline]
    pub(super) fn word(&mut self) -> &'a str {
        self.run(|byte| !matches!(byte, b' ' | b'\t' | b'\n' | b'\r'))
    }

    /// A text in quotes, its escapes undone: `\\`, `\"` and `\n`; others stay as they are.
    #[inline]
    pub(super) fn quoted(&mut self) -> Result<Cow<'a, str>, ExpositionError> {
        let open = self.at;
        if !self.take(b'"') {
            return Err(self.unexpected("\""));
        }
        let start = self.at;
        let mut escaped = false;
        loop {
            let rest = &self.text.as_bytes()[self.at..];
            match memchr::memchr2(b'"', b'\\', rest) {
                None => return Err(self.error_at(open, "the quotes do not end")),
                Some(end) if rest[end] == b'"' => {
                    self.at += end + 1;
                    let inside = &self.text[start..self.at - 1];
                    return Ok(if escaped { unescape(inside).into() } else { inside.into() });
                }
                Some(end) => {
                    escaped = true;
                    let mut next = self.at + end + 2;
                    while !self.text.is_char_boundary(next.min(self.text.len())) {
                        next += 1;
                    }
                    self.at = next.min(self.text.len());
                }
            }
        }
    }

    #[cold]
    pub(super) fn unexpected(&self, wanted: &str) -> ExpositionError {
        let found = match self.text[self.at..].chars().next() {
            None => "the end of the text".to_owned(),
            Some('\n') => "the end of the line".to_owned(),
            Some(c) => format!("{c:?}"),
        };
        self.error_at(self.at, format!("expected {wanted}, found {found}"))
    }

    #[cold]
    pub(super) fn error_at(&self, at: usize, reason: impl Into<String>) -> ExpositionError {
        error_at(self.text.as_bytes(), at, reason.into())
    }
}

#[cold]
pub(super) fn error_at(text: &[u8], at: usize, reason: String) -> ExpositionError {
    let before = &text[..at.min(text.len())];
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let column = before.len() - before.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1) + 1;
    ExpositionError { reason, line, column }
}

/// Undoes the escapes of quoted texts and help.
pub(super) fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => out.push('\n'),
            Some(c @ ('\\' | '"')) => out.push(c),
            Some(c) => out.extend(['\\', c]),
            None => out.push('\\'),
        }
    }
    out
}
