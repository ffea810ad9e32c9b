//! The text table of a batch and the encoding of nested values.

use super::super::value::Value;
use smol_str::SmolStr;
use std::sync::Arc;

/// Nesting at which an encoded value is cut, far above anything a sender means.
const MAX_DEPTH: u32 = 128;

/// Texts by number, each stored once, in one allocation. Number 0 is the empty text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StringTable {
    text: String,
    ends: Vec<u32>,
}

impl Default for StringTable {
    fn default() -> Self {
        Self { text: String::new(), ends: vec![0] }
    }
}

impl StringTable {
    /// Rebuilds a table from its parts: the concatenated text and each text's end in it, the first being 0.
    /// `None` when the ends do not fit the text.
    pub fn from_parts(text: String, ends: Vec<u32>) -> Option<Self> {
        let fits = ends.first() == Some(&0)
            && ends.is_sorted()
            && ends.last().is_some_and(|end| *end as usize == text.len())
            && ends.iter().all(|end| text.is_char_boundary(*end as usize));
        fits.then_some(Self { text, ends })
    }

    /// The concatenated text and the ends.
    pub fn parts(&self) -> (&str, &[u32]) {
        (&self.text, &self.ends)
    }

    /// The text under `id`; empty for an unknown number.
    pub fn get(&self, id: u32) -> &str {
        let at = id as usize;
        if at == 0 || at >= self.ends.len() {
            return "";
        }
        &self.text[self.ends[at - 1] as usize..self.ends[at] as usize]
    }

    /// Number of texts, the empty one included.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// True when only the empty text is there.
    pub fn is_empty(&self) -> bool {
        self.ends.len() == 1
    }

    /// The number of a text, found by walking the table; for a few look-ups a query, not for one a span.
    pub fn find(&self, text: &str) -> Option<u32> {
        (0..self.ends.len() as u32).find(|id| self.get(*id) == text)
    }

    /// Appends without looking for an equal text.
    pub(super) fn push(&mut self, text: &str) -> u32 {
        self.text.push_str(text);
        self.ends.push(self.text.len() as u32);
        self.ends.len() as u32 - 1
    }

    /// Memory held, in bytes.
    pub fn heap_bytes(&self) -> usize {
        self.text.capacity() + self.ends.capacity() * 4
    }

    pub(super) fn shrink(&mut self) {
        self.text.shrink_to_fit();
        self.ends.shrink_to_fit();
    }
}

/// Appends `value` in a self-describing form: a kind byte, then a little-endian number or a u32 length and content.
pub fn encode_value(value: &Value, out: &mut Vec<u8>) {
    let mut sized = |kind: u8, bytes: &[u8]| {
        out.push(kind);
        out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
        out.extend_from_slice(bytes);
    };
    match value {
        Value::Empty => out.push(0),
        Value::Str(text) => sized(1, text.as_bytes()),
        Value::Bool(value) => out.extend_from_slice(&[2, u8::from(*value)]),
        Value::Int(value) => {
            out.push(3);
            out.extend_from_slice(&value.to_le_bytes());
        }
        Value::Double(value) => {
            out.push(4);
            out.extend_from_slice(&value.to_bits().to_le_bytes());
        }
        Value::Bytes(bytes) => sized(5, bytes),
        Value::Array(values) => {
            out.push(6);
            out.extend_from_slice(&(values.len() as u32).to_le_bytes());
            for value in values.iter() {
                encode_value(value, out);
            }
        }
        Value::Map(entries) => {
            out.push(7);
            out.extend_from_slice(&(entries.len() as u32).to_le_bytes());
            for (key, value) in entries.iter() {
                out.extend_from_slice(&(key.len() as u32).to_le_bytes());
                out.extend_from_slice(key.as_bytes());
                encode_value(value, out);
            }
        }
    }
}

/// Reads what [`encode_value`] wrote. `None` for anything else, however damaged.
pub fn decode_value(bytes: &[u8]) -> Option<Value> {
    let mut rest = bytes;
    let value = decode_one(&mut rest, 0)?;
    rest.is_empty().then_some(value)
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (head, tail) = rest.split_at_checked(count)?;
    *rest = tail;
    Some(head)
}

fn take_len(rest: &mut &[u8]) -> Option<usize> {
    Some(u32::from_le_bytes(take(rest, 4)?.try_into().ok()?) as usize)
}

fn take_text(rest: &mut &[u8]) -> Option<SmolStr> {
    let count = take_len(rest)?;
    Some(std::str::from_utf8(take(rest, count)?).ok()?.into())
}

fn decode_one(rest: &mut &[u8], depth: u32) -> Option<Value> {
    if depth > MAX_DEPTH {
        return None;
    }
    Some(match take(rest, 1)?[0] {
        0 => Value::Empty,
        1 => Value::Str(take_text(rest)?),
        2 => Value::Bool(take(rest, 1)?[0] != 0),
        3 => Value::Int(i64::from_le_bytes(take(rest, 8)?.try_into().ok()?)),
        4 => Value::Double(f64::from_bits(u64::from_le_bytes(take(rest, 8)?.try_into().ok()?))),
        5 => {
            let count = take_len(rest)?;
            Value::Bytes(Arc::from(take(rest, count)?))
        }
        6 => {
            let count = take_len(rest)?;
            let values: Option<Vec<_>> = (0..count).map(|_| decode_one(rest, depth + 1)).collect();
            Value::Array(values?.into())
        }
        7 => {
            let count = take_len(rest)?;
            let entries: Option<Vec<_>> = (0..count).map(|_| Some((take_text(rest)?, decode_one(rest, depth + 1)?))).collect();
            Value::Map(entries?.into())
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_values_survive_and_damage_is_refused() {
        let value = Value::Map(Arc::from([
            ("a".into(), Value::Array(Arc::from([Value::Double(f64::INFINITY), Value::Bool(true)]))),
            ("b".into(), Value::Bytes(Arc::from([0_u8, 255].as_slice()))),
        ]));
        let mut bytes = Vec::new();
        encode_value(&value, &mut bytes);
        assert_eq!(decode_value(&bytes), Some(value));
        for cut in 0..bytes.len() {
            assert_eq!(decode_value(&bytes[..cut]), None, "cut at {cut}");
        }
        assert_eq!(decode_value(&[6, 255, 255, 255, 255]), None);
    }

    #[test]
    fn a_table_rebuilds_from_its_parts_and_refuses_wrong_ones() {
        let mut table = StringTable::default();
        let id = table.push("héllo");
        let (text, ends) = table.parts();
        let again = StringTable::from_parts(text.to_owned(), ends.to_vec()).unwrap();
        assert_eq!(again.get(id), "héllo");
        assert_eq!(again.get(99), "");
        assert!(StringTable::from_parts("é".into(), vec![0, 1, 2]).is_none());
        assert!(StringTable::from_parts("ab".into(), vec![0, 1]).is_none());
    }
}
