//! Attribute values: `AnyValue` into a row of a batch, into the nested form of the model, or into an owned value.

use super::super::redact::Redaction;
use super::pb::{Fault, Field, Fields, MAX_DEPTH, Read, Within, broken};
use crate::model::Value;
use crate::model::batch::{AttrRow, SpanBatchBuilder, StrId, ValueKind, decode_value};
use crate::model::value::MASKED;
use smol_str::SmolStr;
use std::borrow::Cow;

/// Interns texts and masks what must not be kept. One for a payload.
pub(super) struct Texts<'a> {
    redaction: Option<&'a Redaction>,
    /// By text number: 0 not asked yet, 1 keep, 2 mask.
    answers: Vec<u8>,
    /// Values masked so far.
    pub(super) masked: u64,
    /// Texts that were not UTF-8.
    pub(super) invalid: u64,
}

impl<'a> Texts<'a> {
    pub(super) fn new(redaction: Option<&'a Redaction>) -> Self {
        Self { redaction: redaction.filter(|list| !list.is_empty()), answers: Vec::new(), masked: 0, invalid: 0 }
    }

    /// The number of a text; bytes that are not UTF-8 are replaced and counted.
    #[inline]
    pub(super) fn intern(&mut self, builder: &mut SpanBatchBuilder, bytes: &[u8]) -> StrId {
        match std::str::from_utf8(bytes) {
            Ok(text) => builder.intern(text),
            Err(_) => builder.intern(&self.repair(bytes)),
        }
    }

    /// As text; bytes that are not UTF-8 are replaced and counted.
    pub(super) fn text<'b>(&mut self, bytes: &'b [u8]) -> Cow<'b, str> {
        match std::str::from_utf8(bytes) {
            Ok(text) => Cow::Borrowed(text),
            Err(_) => Cow::Owned(self.repair(bytes)),
        }
    }

    #[cold]
    fn repair(&mut self, bytes: &[u8]) -> String {
        self.invalid += 1;
        String::from_utf8_lossy(bytes).into_owned()
    }

    /// Whether the value under this key must not be kept; each key is looked up once a payload.
    #[inline]
    fn masks_id(&mut self, builder: &SpanBatchBuilder, key: StrId) -> bool {
        let Some(list) = self.redaction else { return false };
        match self.answers.get(key as usize) {
            Some(1) => return false,
            Some(2) => return true,
            Some(_) => {}
            None => self.answers.resize(key as usize + 64, 0),
        }
        let masks = list.masks(builder.peek().strings.get(key));
        self.answers[key as usize] = 1 + u8::from(masks);
        masks
    }

    pub(super) fn masks(&self, key: &str) -> bool {
        self.redaction.is_some_and(|list| list.masks(key))
    }

    /// A `KeyValue` into a row.
    #[inline]
    pub(super) fn attr(&mut self, builder: &mut SpanBatchBuilder, message: &[u8]) -> Read<AttrRow> {
        let (mut key, mut value) = (&[][..], None);
        let mut fields = Fields::new(message);
        while let Some(field) = fields.next()? {
            match field {
                (1, Field::Bytes(bytes)) => key = bytes,
                (2, Field::Bytes(bytes)) => value = Some(bytes),
                (1 | 2, _) => return broken(Fault::Mismatch, fields.rest()),
                _ => {}
            }
        }
        let key = self.intern(builder, key);
        if self.masks_id(builder, key) {
            self.masked += 1;
            return Ok(AttrRow { key, kind: ValueKind::Str, bits: u64::from(builder.intern(MASKED)) });
        }
        match value {
            Some(bytes) => self.row(builder, key, bytes).inside("value"),
            None => Ok(AttrRow { key, ..AttrRow::default() }),
        }
    }

    /// An `AnyValue` into a row. Where several members of the oneof are there, the last one counts.
    #[inline]
    fn row(&mut self, builder: &mut SpanBatchBuilder, key: StrId, message: &[u8]) -> Read<AttrRow> {
        let mut row = AttrRow { key, ..AttrRow::default() };
        let mut fields = Fields::new(message);
        while let Some(field) = fields.next()? {
            (row.kind, row.bits) = match field {
                (1, Field::Bytes(bytes)) => (ValueKind::Str, u64::from(self.intern(builder, bytes))),
                (2, Field::Varint(value)) => (ValueKind::Bool, u64::from(value != 0)),
                (3, Field::Varint(value)) => (ValueKind::Int, value),
                (4, Field::Fixed64(bits)) => (ValueKind::Double, bits),
                (number @ (5 | 6), Field::Bytes(bytes)) => {
                    let mut nested = Vec::with_capacity(bytes.len());
                    self.nested(number, bytes, &mut nested, 1)?;
                    let kind = if number == 5 { ValueKind::Array } else { ValueKind::Map };
                    (kind, builder.blob(nested))
                }
                (7, Field::Bytes(bytes)) => (ValueKind::Bytes, builder.blob(bytes.to_vec())),
                (1..=7, _) => return broken(Fault::Mismatch, fields.rest()),
                _ => continue,
            };
        }
        Ok(row)
    }

    /// The list (5) or map (6) in `message` in the form of [`crate::model::batch::encode_value`].
    fn nested(&mut self, number: u32, message: &[u8], out: &mut Vec<u8>, depth: u32) -> Read<()> {
        if depth > MAX_DEPTH {
            return broken(Fault::Depth, message);
        }
        out.push(if number == 5 { 6 } else { 7 });
        let count_at = out.len();
        out.extend_from_slice(&[0; 4]);
        let mut count = 0_u32;
        let mut fields = Fields::new(message);
        while let Some(field) = fields.next()? {
            match field {
                (1, Field::Bytes(bytes)) if number == 5 => {
                    self.nested_value(bytes, out, depth).within("values", count as usize)?
                }
                (1, Field::Bytes(bytes)) => self.nested_entry(bytes, out, depth).within("values", count as usize)?,
                (1, _) => return broken(Fault::Mismatch, fields.rest()),
                _ => continue,
            }
            count += 1;
        }
        out[count_at..count_at + 4].copy_from_slice(&count.to_le_bytes());
        Ok(())
    }

    fn nested_entry(&mut self, message: &[u8], out: &mut Vec<u8>, depth: u32) -> Read<()> {
        let (mut key, mut value) = (&[][..], &[][..]);
        let mut fields = Fields::new(message);
        while let Some(field) = fields.next()? {
            match field {
                (1, Field::Bytes(bytes)) => key = bytes,
                (2, Field::Bytes(bytes)) => value = bytes,
                (1 | 2, _) => return broken(Fault::Mismatch, fields.rest()),
                _ => {}
            }
        }
        let key = self.text(key);
        push_sized(out, key.as_bytes());
        if self.masks(&key) {
            self.masked += 1;
            out.push(1);
            push_sized(out, MASKED.as_bytes());
            return Ok(());
        }
        self.nested_value(value, out, depth)
    }

    fn nested_value(&mut self, message: &[u8], out: &mut Vec<u8>, depth: u32) -> Read<()> {
        let start = out.len();
        out.push(0);
        let mut fields = Fields::new(message);
        while let Some(field) = fields.next()? {
            if (1..=7).contains(&field.0) {
                out.truncate(start);
            }
            match field {
                (1, Field::Bytes(bytes)) => {
                    out.push(1);
                    push_sized(out, self.text(bytes).as_bytes());
                }
                (2, Field::Varint(value)) => out.extend_from_slice(&[2, u8::from(value != 0)]),
                (3, Field::Varint(value)) => {
                    out.push(3);
                    out.extend_from_slice(&value.to_le_bytes());
                }
                (4, Field::Fixed64(bits)) => {
                    out.push(4);
                    out.extend_from_slice(&bits.to_le_bytes());
                }
                (number @ (5 | 6), Field::Bytes(bytes)) => self.nested(number, bytes, out, depth + 1)?,
                (7, Field::Bytes(bytes)) => {
                    out.push(5);
                    push_sized(out, bytes);
                }
                (1..=7, _) => return broken(Fault::Mismatch, fields.rest()),
                _ => {}
            }
        }
        Ok(())
    }

    /// An `AnyValue` as an owned value.
    pub(super) fn owned(&mut self, message: &[u8]) -> Read<Value> {
        let mut encoded = Vec::new();
        self.nested_value(message, &mut encoded, 0)?;
        Ok(decode_value(&encoded).unwrap_or_default())
    }

    /// A `KeyValue` as an owned pair.
    pub(super) fn owned_attr(&mut self, message: &[u8]) -> Read<(SmolStr, Value)> {
        let mut encoded = vec![7, 1, 0, 0, 0];
        self.nested_entry(message, &mut encoded, 0)?;
        Ok(match decode_value(&encoded) {
            Some(Value::Map(entries)) => entries.first().cloned().unwrap_or_default(),
            _ => Default::default(),
        })
    }
}

fn push_sized(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    out.extend_from_slice(bytes);
}
