//! Label sets on their way from the wire into the packed form: in place when they are sorted already, as senders must
//! sort them, rebuilt when they are not.

use super::super::otlp::pb::{Fault, Field, Fields, Read, broken};
use crate::model::Labels;
use crate::model::labels::METRIC_NAME;
use std::fmt;

/// Why a label set names no series.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum LabelFault {
    /// A name twice.
    Duplicate(String),
    /// No `__name__`.
    NoName,
    /// Bytes that are no UTF-8.
    NotUtf8,
    /// A label without a name.
    EmptyName,
}

impl fmt::Display for LabelFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Duplicate(name) => write!(f, "duplicated label {name:?}"),
            Self::NoName => f.write_str("the series has no __name__"),
            Self::NotUtf8 => f.write_str("a label is not UTF-8"),
            Self::EmptyName => f.write_str("a label has no name"),
        }
    }
}

/// Collects one label set at the end of a batch's packed labels.
pub(super) struct LabelWriter {
    start: usize,
    /// Where the name before stands.
    before: (usize, usize),
    sorted: bool,
    named: bool,
    empty_name: bool,
}

impl LabelWriter {
    pub(super) fn new(packed: &[u8]) -> Self {
        let start = packed.len();
        Self { start, before: (start, start), sorted: true, named: false, empty_name: false }
    }

    /// Where the set begins.
    pub(super) fn start(&self) -> usize {
        self.start
    }

    /// Appends a label; one with an empty value is none.
    #[inline]
    pub(super) fn push(&mut self, packed: &mut Vec<u8>, name: &[u8], value: &[u8]) {
        if value.is_empty() {
            return;
        }
        self.sorted &= packed.get(self.before.0..self.before.1).is_some_and(|before| before < name);
        self.empty_name |= name.is_empty();
        self.named |= name == METRIC_NAME.as_bytes();
        put_text(packed, name);
        self.before = (packed.len() - name.len(), packed.len());
        put_text(packed, value);
    }

    /// Checks the set and puts it in order.
    #[inline]
    pub(super) fn finish(&self, packed: &mut Vec<u8>, ascii: bool) -> Result<(), LabelFault> {
        if self.empty_name {
            return Err(LabelFault::EmptyName);
        }
        if !ascii && !packed[self.start..].is_ascii() && !is_utf8(&packed[self.start..]) {
            return Err(LabelFault::NotUtf8);
        }
        if !self.sorted {
            sort(packed, self.start)?;
        }
        if self.named { Ok(()) } else { Err(LabelFault::NoName) }
    }
}

/// Reads a `Label` message (1 name, 2 value) and appends it.
#[inline]
pub(super) fn push_message(writer: &mut LabelWriter, packed: &mut Vec<u8>, message: &[u8]) -> Read<()> {
    // Nearly every label is a short name and then a short value.
    if let [0x0a, length, rest @ ..] = message
        && *length < 0x80
        && let Some((name, [0x12, length, value @ ..])) = rest.split_at_checked(usize::from(*length))
        && usize::from(*length) == value.len()
        && *length < 0x80
    {
        writer.push(packed, name, value);
        return Ok(());
    }
    let (mut name, mut value) = (&[][..], &[][..]);
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next()? {
        match field {
            (1, Field::Bytes(bytes)) => name = bytes,
            (2, Field::Bytes(bytes)) => value = bytes,
            (1 | 2, _) => return broken(Fault::Mismatch, fields.rest()),
            _ => {}
        }
    }
    writer.push(packed, name, value);
    Ok(())
}

#[inline]
fn put_text(packed: &mut Vec<u8>, text: &[u8]) {
    let mut length = text.len();
    while length >= 0x80 {
        packed.push(length as u8 | 0x80);
        length >>= 7;
    }
    packed.push(length as u8);
    packed.extend_from_slice(text);
}

fn take_text<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let mut length = 0_usize;
    for (index, byte) in rest.iter().enumerate().take(5) {
        length |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            let (text, after) = rest.get(index + 1..)?.split_at_checked(length)?;
            *rest = after;
            return Some(text);
        }
    }
    None
}

#[cold]
fn is_utf8(mut packed: &[u8]) -> bool {
    while !packed.is_empty() {
        match take_text(&mut packed) {
            Some(text) if std::str::from_utf8(text).is_ok() => {}
            _ => return false,
        }
    }
    true
}

#[cold]
fn sort(packed: &mut Vec<u8>, start: usize) -> Result<(), LabelFault> {
    let old = packed.split_off(start);
    let mut rest = old.as_slice();
    let mut pairs = Vec::new();
    while let (Some(name), Some(value)) = (take_text(&mut rest), take_text(&mut rest)) {
        pairs.push((name, value));
    }
    pairs.sort_by_key(|(name, _)| *name);
    if let Some(pair) = pairs.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        return Err(LabelFault::Duplicate(String::from_utf8_lossy(pair[0].0).into_owned()));
    }
    for (name, value) in pairs {
        put_text(packed, name);
        put_text(packed, value);
    }
    Ok(())
}

/// A label set for a message to people, cut to a readable length.
pub(super) fn shown(packed: &[u8]) -> String {
    const LONGEST: usize = 200;
    let mut text = Labels::from_packed(packed).map_or_else(|| "{…}".to_owned(), |labels| labels.to_string());
    if text.len() > LONGEST {
        text.truncate(text.floor_char_boundary(LONGEST));
        text.push('…');
    }
    text
}
