//! What goes wrong while reading: errors that refuse a whole input, and problems with single records in it. Both say
//! where they are, so that a person can open the file at that place.

use super::format::Format;
use std::fmt;

/// Problems kept word for word; the rest is only counted.
pub const KEPT_PROBLEMS: usize = 100;

/// A place in an input, after unpacking. Lines and columns count from 1, columns in bytes as editors' `file:line:column`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Place {
    /// Line, for text.
    pub line: Option<u64>,
    /// Column in bytes, for text.
    pub column: Option<u64>,
    /// Byte from the start of the unpacked input, from 0.
    pub byte: u64,
    /// JSON path or the member of an archive, empty when the place says enough.
    pub path: String,
}

impl Place {
    /// A byte of a binary input.
    pub fn at_byte(byte: usize) -> Self {
        Self { byte: byte as u64, ..Self::default() }
    }

    /// The line and column of byte `offset` of `text`.
    pub fn in_text(text: &[u8], offset: usize) -> Self {
        let before = &text[..offset.min(text.len())];
        let line = memchr::memchr_iter(b'\n', before).count() as u64 + 1;
        let start = memchr::memrchr(b'\n', before).map_or(0, |at| at + 1);
        let column = (before.len() - start) as u64 + 1;
        Self { line: Some(line), column: Some(column), byte: offset as u64, path: String::new() }
    }

    /// With a path.
    pub fn on(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }
}

impl fmt::Display for Place {
    /// `line 3, column 14 (data[0].spans[2])` or `byte 512`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.line, self.column) {
            (Some(line), Some(column)) => write!(f, "line {line}, column {column}")?,
            _ => write!(f, "byte {}", self.byte)?,
        }
        if self.path.is_empty() { Ok(()) } else { write!(f, " ({})", self.path) }
    }
}

/// Something that was noticed in a file that otherwise reads.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// What, in one sentence without a full stop.
    pub reason: String,
    /// True when the record is not among the spans because of it.
    pub rejected: bool,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.reason, self.place)
    }
}

/// Why an input is refused whole.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum OpenError {
    /// Nothing in it.
    #[error("the file is empty")]
    Empty,
    /// No known format.
    #[error(
        "not a trace file that Belvedere knows: {found}. It opens OTLP, Jaeger, Zipkin, Tempo, Go stdouttrace, Chrome trace, X-Ray and Datadog files, plain or packed with gzip, zstd or zip"
    )]
    Unknown {
        /// What the content looks like.
        found: String,
    },
    /// The format is known and the content breaks its grammar.
    #[error("this {format} file is broken: {reason} at {place}")]
    Broken {
        /// Format as far as it was told.
        format: Format,
        /// What is wrong.
        reason: String,
        /// Where.
        place: Place,
    },
    /// Readable, but without anything that Belvedere keeps.
    #[error("this {format} file has nothing to show: {reason}")]
    Nothing {
        /// Format.
        format: Format,
        /// Why not.
        reason: String,
    },
    /// A packed file does not unpack.
    #[error("the {packing} packing is damaged: {reason} at {place}")]
    Packing {
        /// `gzip`, `zstd` or `zip`.
        packing: &'static str,
        /// What is wrong.
        reason: String,
        /// Where in the packed bytes.
        place: Place,
    },
    /// A packed file grows beyond the limit.
    #[error("unpacked, the file is larger than {limit} bytes; raise the limit or split it. Refused at {place}")]
    TooLarge {
        /// Limit in bytes.
        limit: u64,
        /// Where in the packed bytes, or which member.
        place: Place,
    },
    /// Packed in itself too many times.
    #[error("the file is packed more than {limit} times over; unpack it first. Refused at {place}")]
    TooDeep {
        /// Layers that are unpacked.
        limit: u32,
        /// Which member.
        place: Place,
    },
    /// The caller stopped the reading.
    #[error("reading was cancelled")]
    Cancelled,
}

impl OpenError {
    /// The place, where there is one.
    pub fn place(&self) -> Option<&Place> {
        match self {
            Self::Broken { place, .. }
            | Self::Packing { place, .. }
            | Self::TooLarge { place, .. }
            | Self::TooDeep { place, .. } => Some(place),
            _ => None,
        }
    }

    /// The same error inside `member` of an archive.
    pub(crate) fn inside(mut self, member: &str) -> Self {
        if let Self::Broken { place, .. }
        | Self::Packing { place, .. }
        | Self::TooLarge { place, .. }
        | Self::TooDeep { place, .. } = &mut self
        {
            place.path = if place.path.is_empty() { member.to_owned() } else { format!("{member}: {}", place.path) };
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_counts_lines_and_columns_from_one() {
        let text = b"ab\ncd\n";
        assert_eq!(Place::in_text(text, 0).to_string(), "line 1, column 1");
        assert_eq!(Place::in_text(text, 4).on("[1].id").to_string(), "line 2, column 2 ([1].id)");
        assert_eq!(Place::in_text(text, 99).line, Some(3));
        assert_eq!(Place::at_byte(512).to_string(), "byte 512");
    }
}
