//! Why something in a header was not taken, in words a person can act on, with the place.

use super::composite::Format;
use smol_str::SmolStr;
use std::fmt;
use std::ops::Range;

/// Problems kept of one extraction; the rest are only counted, so that a hostile header costs no memory.
pub const MAX_PROBLEMS: usize = 32;

/// What is wrong.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Fault {
    /// A header that must come once came more often.
    #[error("came {0} times; it must come once, so the whole trace context is ignored")]
    Repeated(usize),
    /// Wrong number of characters.
    #[error("{what} has {found} characters, it must have {expected}")]
    Length {
        /// Field.
        what: &'static str,
        /// Characters it must have.
        expected: &'static str,
        /// Characters it has.
        found: usize,
    },
    /// A character that is not allowed where it stands.
    #[error("{what} may not hold this character: {allowed}")]
    Character {
        /// Field.
        what: &'static str,
        /// What is allowed.
        allowed: &'static str,
    },
    /// All zero.
    #[error("{0} is all zero, which means no id at all")]
    Zero(&'static str),
    /// `ff`.
    #[error("version ff is forbidden")]
    Version,
    /// Version 00 has exactly four fields.
    #[error("version 00 ends after the flags, there is something behind them")]
    Trailing,
    /// Something is missing.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// The list is too long.
    #[error("more than {limit} {what}")]
    TooMany {
        /// What there is too many of.
        what: &'static str,
        /// How many are allowed.
        limit: usize,
    },
    /// Not a member of a list.
    #[error("not of the form {0}")]
    Form(&'static str),
    /// Without a parent the vendors' data has nothing to belong to.
    #[error("ignored, because traceparent was not usable")]
    WithoutParent,
    /// A number out of range.
    #[error("{what} is not a number from {range}")]
    Number {
        /// Field.
        what: &'static str,
        /// Allowed range.
        range: &'static str,
    },
    /// A word that is not one of those allowed.
    #[error("{what} must be {allowed}")]
    Word {
        /// Field.
        what: &'static str,
        /// Allowed words.
        allowed: &'static str,
    },
}

/// A fault with its place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    /// Whose rule it breaks.
    pub format: Format,
    /// Header, lower case.
    pub header: SmolStr,
    /// Which of the values under that header, counted from 0.
    pub index: usize,
    /// Bytes of that value the fault is about.
    pub place: Range<usize>,
    /// What is wrong.
    pub fault: Fault,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.header, self.fault)?;
        if !self.place.is_empty() {
            write!(f, " (characters {} to {})", self.place.start + 1, self.place.end)?;
        }
        Ok(())
    }
}

/// A fault inside one header value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Located {
    /// Bytes it is about.
    pub place: Range<usize>,
    /// What is wrong.
    pub fault: Fault,
}

impl Located {
    /// A fault at `place`.
    pub fn new(place: Range<usize>, fault: Fault) -> Self {
        Self { place, fault }
    }
}

/// The problems of one extraction. Costs nothing while there are none.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Problems {
    kept: Vec<Problem>,
    left_out: usize,
}

impl Problems {
    /// Adds one, or counts it when there are already [`MAX_PROBLEMS`].
    pub fn push(&mut self, format: Format, header: impl Into<SmolStr>, index: usize, located: Located) {
        if self.kept.len() < MAX_PROBLEMS {
            let Located { place, fault } = located;
            self.kept.push(Problem { format, header: header.into(), index, place, fault });
        } else {
            self.left_out += 1;
        }
    }

    /// Those that were kept, in the order they were found.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.kept.iter()
    }

    /// True when everything was in order.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// How many were found after the list was full.
    pub fn left_out(&self) -> usize {
        self.left_out
    }
}
