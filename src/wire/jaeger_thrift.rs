//! Jaeger's Thrift: a bare `Batch` in the binary protocol, as clients post it to port 14268, and `emitBatch` messages in
//! the compact or binary protocol, as they come by UDP on 6831 and 6832.
//!
//! The structures are those of `jaeger.thrift` (`reference/doors.md` section 2); they become the records of
//! [`super::jaeger`], so that a span means the same whichever way it comes. Unknown fields are skipped.

use super::assemble::Assembler;
use super::fault::{KEPT_PROBLEMS, OpenError, Place, Problem};
use super::format::Format;
use super::jaeger::{LogRecord, ProcessRecord, ReferenceRecord, SpanRecord, TagRecord, lay, resource_of};
use super::json::{Json, List};
use super::reading::Decoded;
use base64::Engine as _;
use std::borrow::Cow;
use std::collections::HashMap;

/// Nesting of structures and lists, far above the six of a batch.
const MAX_DEPTH: u32 = 32;

type Wrong = &'static str;

const CUT: Wrong = "it breaks off in the middle";

/// What the two protocols have in common: the types of fields.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Type {
    /// A Boolean; the compact protocol gives its value with the field's type.
    Bool(Option<bool>),
    Byte,
    I16,
    I32,
    I64,
    Double,
    Binary,
    Struct,
    Map,
    Set,
    List,
}

/// Reads either protocol.
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    compact: bool,
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Wrong> {
        let part = self.at.checked_add(count).and_then(|end| self.bytes.get(self.at..end)).ok_or(CUT)?;
        self.at += count;
        Ok(part)
    }

    fn byte(&mut self) -> Result<u8, Wrong> {
        Ok(self.take(1)?[0])
    }

    /// A big-endian number of `width` bytes, sign kept.
    fn fixed(&mut self, width: usize) -> Result<i64, Wrong> {
        let raw = self.take(width)?.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        let unused = 64 - 8 * width as u32;
        Ok((raw << unused) as i64 >> unused)
    }

    fn varint(&mut self) -> Result<u64, Wrong> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err("a number longer than 64 bits")
    }

    fn zigzag(&mut self) -> Result<i64, Wrong> {
        let number = self.varint()?;
        Ok((number >> 1) as i64 ^ -((number & 1) as i64))
    }

    fn int(&mut self, width: usize) -> Result<i64, Wrong> {
        if self.compact { self.zigzag() } else { self.fixed(width) }
    }

    fn length(&mut self) -> Result<usize, Wrong> {
        let length = if self.compact { self.varint()? as i64 } else { self.fixed(4)? };
        let length = usize::try_from(length).map_err(|_| "a negative length")?;
        // Nothing is shorter than a byte: a longer list cannot be there.
        if length > self.bytes.len() - self.at { Err(CUT) } else { Ok(length) }
    }

    fn binary(&mut self) -> Result<&'a [u8], Wrong> {
        let length = self.length()?;
        self.take(length)
    }

    fn text(&mut self) -> Result<Json<'a>, Wrong> {
        Ok(Json::Text(String::from_utf8_lossy(self.binary()?)))
    }

    fn double(&mut self) -> Result<f64, Wrong> {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(self.take(8)?);
        Ok(if self.compact { f64::from_le_bytes(bytes) } else { f64::from_be_bytes(bytes) })
    }

    fn boolean(&mut self, known: Option<bool>) -> Result<bool, Wrong> {
        match known {
            Some(value) => Ok(value),
            None => Ok(self.byte()? == 1),
        }
    }

    fn type_of(&self, code: u8) -> Result<Type, Wrong> {
        Ok(if self.compact {
            match code {
                1 => Type::Bool(Some(true)),
                2 => Type::Bool(Some(false)),
                3 => Type::Byte,
                4 => Type::I16,
                5 => Type::I32,
                6 => Type::I64,
                7 => Type::Double,
                8 => Type::Binary,
                9 => Type::List,
                10 => Type::Set,
                11 => Type::Map,
                12 => Type::Struct,
                _ => return Err("an unknown type"),
            }
        } else {
            match code {
                2 => Type::Bool(None),
                3 => Type::Byte,
                4 => Type::Double,
                6 => Type::I16,
                8 => Type::I32,
                10 => Type::I64,
                11 => Type::Binary,
                12 => Type::Struct,
                13 => Type::Map,
                14 => Type::Set,
                15 => Type::List,
                _ => return Err("an unknown type"),
            }
        })
    }

    /// The next field of a structure; `last` is the number of the one before.
    fn field(&mut self, last: &mut i64) -> Result<Option<(i64, Type)>, Wrong> {
        let head = self.byte()?;
        if head == 0 {
            return Ok(None);
        }
        let (number, code) = match (self.compact, head >> 4) {
            (false, _) => (self.fixed(2)?, head),
            (true, 0) => (self.zigzag()?, head & 15),
            (true, step) => (last.saturating_add(step.into()), head & 15),
        };
        *last = number;
        Ok(Some((number, self.type_of(code)?)))
    }

    /// Type and number of a list's elements. Booleans in lists have a byte each in both protocols.
    fn list(&mut self) -> Result<(Type, usize), Wrong> {
        let head = self.byte()?;
        let (code, short) = if self.compact { (head & 15, usize::from(head >> 4)) } else { (head, 15) };
        let length = if short == 15 { self.length()? } else { short };
        let of = match self.type_of(code) {
            Ok(Type::Bool(_)) => Type::Bool(None),
            Ok(other) => other,
            // An empty list may not say of what.
            Err(_) if length == 0 => Type::Byte,
            Err(wrong) => return Err(wrong),
        };
        Ok((of, length))
    }

    fn skip(&mut self, of: Type, depth: u32) -> Result<(), Wrong> {
        if depth > MAX_DEPTH {
            return Err("it is nested deeper than 32 levels");
        }
        match of {
            Type::Bool(known) => self.boolean(known).map(|_| ()),
            Type::Byte => self.byte().map(|_| ()),
            Type::I16 => self.int(2).map(|_| ()),
            Type::I32 => self.int(4).map(|_| ()),
            Type::I64 => self.int(8).map(|_| ()),
            Type::Double => self.double().map(|_| ()),
            Type::Binary => self.binary().map(|_| ()),
            Type::Struct => {
                let mut last = 0;
                while let Some((_, of)) = self.field(&mut last)? {
                    self.skip(of, depth + 1)?;
                }
                Ok(())
            }
            Type::List | Type::Set => {
                let (of, length) = self.list()?;
                (0..length).try_for_each(|_| self.skip(of, depth + 1))
            }
            Type::Map => self.skip_map(depth),
        }
    }

    fn skip_map(&mut self, depth: u32) -> Result<(), Wrong> {
        let plain = |of| if let Type::Bool(_) = of { Type::Bool(None) } else { of };
        let (key, value, length) = if self.compact {
            let length = self.length()?;
            if length == 0 {
                return Ok(());
            }
            let types = self.byte()?;
            (self.type_of(types >> 4)?, self.type_of(types & 15)?, length)
        } else {
            let (key, value) = (self.byte()?, self.byte()?);
            let length = self.length()?;
            if length == 0 {
                return Ok(());
            }
            (self.type_of(key)?, self.type_of(value)?, length)
        };
        for _ in 0..length {
            self.skip(plain(key), depth + 1)?;
            self.skip(plain(value), depth + 1)?;
        }
        Ok(())
    }

    /// A list of structures, each read by `one`.
    fn structs<T>(&mut self, mut one: impl FnMut(&mut Self) -> Result<T, Wrong>) -> Result<List<T>, Wrong> {
        let (of, length) = self.list()?;
        if of != Type::Struct && length > 0 {
            return Err("a list of structures was expected");
        }
        let mut items = Vec::with_capacity(length.min(256));
        for _ in 0..length {
            items.push(one(self)?);
        }
        Ok(List(items))
    }
}

fn broken(reason: Wrong, byte: usize) -> OpenError {
    OpenError::Broken { format: Format::Jaeger, reason: reason.to_owned(), place: Place::at_byte(byte) }
}

/// Reads a bare `Batch` in the binary protocol, the body of a request to port 14268.
pub fn decode_batch(body: &[u8]) -> Result<Decoded, OpenError> {
    let mut reader = Reader { bytes: body, at: 0, compact: false };
    let batch = batch(&mut reader).map_err(|reason| broken(reason, reader.at))?;
    Ok(laid(batch))
}

/// Reads a datagram: an `emitBatch` message in either protocol, which its first byte tells.
pub fn decode_datagram(datagram: &[u8]) -> Result<Decoded, OpenError> {
    let mut reader = Reader { bytes: datagram, at: 0, compact: datagram.first() == Some(&0x82) };
    let batch = message(&mut reader).map_err(|reason| broken(reason, reader.at))?;
    Ok(laid(batch))
}

/// What a batch holds.
#[derive(Default)]
struct Batch<'a> {
    process: ProcessRecord<'a>,
    spans: List<SpanRecord<'a>>,
}

/// The head of a message, one-way or call, then its arguments, of which the first is the batch.
fn message<'a>(reader: &mut Reader<'a>) -> Result<Batch<'a>, Wrong> {
    let head = reader.take(2)?;
    let kind = if reader.compact {
        let kind = head[1] >> 5;
        if head[1] & 0x1f != 1 {
            return Err("a compact message of another version");
        }
        reader.varint()?;
        kind
    } else {
        if head != [0x80, 0x01] {
            return Err("neither a compact nor a binary Thrift message");
        }
        (reader.fixed(2)? & 0xff) as u8
    };
    if kind != 1 && kind != 4 {
        return Err("a message that is neither a call nor one-way");
    }
    let name = reader.binary()?;
    if name != b"emitBatch" {
        return Err("a call of another function than emitBatch");
    }
    if !reader.compact {
        reader.fixed(4)?;
    }
    let mut found = None;
    let mut last = 0;
    while let Some((number, of)) = reader.field(&mut last)? {
        match (number, of) {
            (1, Type::Struct) => found = Some(batch(reader)?),
            (_, of) => reader.skip(of, 0)?,
        }
    }
    found.ok_or("emitBatch without a batch")
}

fn batch<'a>(reader: &mut Reader<'a>) -> Result<Batch<'a>, Wrong> {
    let mut batch = Batch::default();
    let mut last = 0;
    while let Some((number, of)) = reader.field(&mut last)? {
        match (number, of) {
            (1, Type::Struct) => batch.process = process(reader)?,
            (2, Type::List) => batch.spans = reader.structs(span)?,
            (_, of) => reader.skip(of, 0)?,
        }
    }
    Ok(batch)
}

fn process<'a>(reader: &mut Reader<'a>) -> Result<ProcessRecord<'a>, Wrong> {
    let mut process = ProcessRecord::default();
    let mut last = 0;
    while let Some((number, of)) = reader.field(&mut last)? {
        match (number, of) {
            (1, Type::Binary) => process.service_name = reader.text()?,
            (2, Type::List) => process.tags = reader.structs(tag)?,
            (_, of) => reader.skip(of, 0)?,
        }
    }
    Ok(process)
}

fn hex(number: i64) -> Json<'static> {
    if number == 0 { Json::Null } else { Json::Text(Cow::Owned(format!("{number:016x}"))) }
}

fn trace_hex(high: i64, low: i64) -> Json<'static> {
    if high == 0 { hex(low) } else { Json::Text(Cow::Owned(format!("{high:016x}{low:016x}"))) }
}

fn span<'a>(reader: &mut Reader<'a>) -> Result<SpanRecord<'a>, Wrong> {
    let mut span = SpanRecord::default();
    let (mut low, mut high) = (0, 0);
    let mut last = 0;
    while let Some((number, of)) = reader.field(&mut last)? {
        match (number, of) {
            (1, Type::I64) => low = reader.int(8)?,
            (2, Type::I64) => high = reader.int(8)?,
            (3, Type::I64) => span.span_id = hex(reader.int(8)?),
            (4, Type::I64) => span.parent_id = hex(reader.int(8)?),
            (5, Type::Binary) => span.name = reader.text()?,
            (6, Type::List) => span.references = reader.structs(reference)?,
            (7, Type::I32) => span.flags = Json::Int(reader.int(4)?),
            (8, Type::I64) => span.start = Json::Int(reader.int(8)?),
            (9, Type::I64) => span.duration = Json::Int(reader.int(8)?),
            (10, Type::List) => span.tags = reader.structs(tag)?,
            (11, Type::List) => span.logs = reader.structs(log)?,
            (_, of) => reader.skip(of, 0)?,
        }
    }
    span.trace_id = trace_hex(high, low);
    Ok(span)
}

fn reference<'a>(reader: &mut Reader<'a>) -> Result<ReferenceRecord<'a>, Wrong> {
    let mut reference = ReferenceRecord::default();
    let (mut low, mut high) = (0, 0);
    let mut last = 0;
    while let Some((number, of)) = reader.field(&mut last)? {
        match (number, of) {
            (1, Type::I32) => {
                let word = if reader.int(4)? == 1 { "FOLLOWS_FROM" } else { "CHILD_OF" };
                reference.kind = Json::Text(Cow::Borrowed(word));
            }
            (2, Type::I64) => low = reader.int(8)?,
            (3, Type::I64) => high = reader.int(8)?,
            (4, Type::I64) => reference.span_id = hex(reader.int(8)?),
            (_, of) => reader.skip(of, 0)?,
        }
    }
    reference.trace_id = trace_hex(high, low);
    Ok(reference)
}

fn log<'a>(reader: &mut Reader<'a>) -> Result<LogRecord<'a>, Wrong> {
    let mut log = LogRecord::default();
    let mut last = 0;
    while let Some((number, of)) = reader.field(&mut last)? {
        match (number, of) {
            (1, Type::I64) => log.timestamp = Json::Int(reader.int(8)?),
            (2, Type::List) => log.fields = reader.structs(tag)?,
            (_, of) => reader.skip(of, 0)?,
        }
    }
    Ok(log)
}

/// The value is the one that `vType` names; others that came along are dropped.
fn tag<'a>(reader: &mut Reader<'a>) -> Result<TagRecord<'a>, Wrong> {
    let mut tag = TagRecord::default();
    let mut kind = 0;
    let mut values: [Json<'a>; 5] = Default::default();
    let mut last = 0;
    while let Some((number, of)) = reader.field(&mut last)? {
        match (number, of) {
            (1, Type::Binary) => tag.key = reader.text()?,
            (2, Type::I32) => kind = reader.int(4)?,
            (3, Type::Binary) => values[0] = reader.text()?,
            (4, Type::Double) => values[1] = Json::Float(reader.double()?),
            (5, Type::Bool(known)) => values[2] = Json::Bool(reader.boolean(known)?),
            (6, Type::I64) => values[3] = Json::Int(reader.int(8)?),
            (7, Type::Binary) => {
                let text = base64::engine::general_purpose::STANDARD.encode(reader.binary()?);
                values[4] = Json::Text(Cow::Owned(text));
            }
            (_, of) => reader.skip(of, 0)?,
        }
    }
    let words = ["string", "float64", "bool", "int64", "binary"];
    let at = usize::try_from(kind).ok().filter(|at| *at < words.len()).ok_or("a tag of an unknown type")?;
    tag.kind = Json::Text(Cow::Borrowed(words[at]));
    tag.value = std::mem::take(&mut values[at]);
    Ok(tag)
}

/// Lays a batch down; a span without ids is rejected alone.
fn laid(batch: Batch<'_>) -> Decoded {
    let mut out = Assembler::default();
    let mut decoded = Decoded::default();
    let resource = out.resource(&resource_of(&batch.process));
    let processes = HashMap::from([(Cow::Borrowed(""), resource)]);
    for (at, mut span) in batch.spans.0.into_iter().enumerate() {
        span.process_id = Json::Text(Cow::Borrowed(""));
        if let Err(reason) = lay(&mut out, &Json::Null, &processes, &span) {
            out.abandon();
            decoded.rejected += 1;
            if decoded.problems.len() < KEPT_PROBLEMS {
                let place = Place::default().on(format!("spans[{at}]"));
                decoded.problems.push(Problem { place, reason, rejected: true });
            }
        }
    }
    decoded.batch = out.finish();
    decoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{SpanId, StatusCode, TraceId, UnixNanos};

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
    }

    const BINARY: &str = "0c00010b00010000000161000f00020c000000010a000100000000000000010a000200000000000000000a000300000000000000020a000400000000000000000b00050000000162080007000000010a000800000000000f42400a000900000000000000050000";
    const COMPACT: &str =
        "82810009656d697442617463681c1c18016100191c160216001604160018016225021680897a160a191c18056572726f7215043100000000";

    #[test]
    fn a_posted_batch_and_a_datagram_read_alike() {
        let posted = decode_batch(&hex(BINARY)).unwrap().batch.to_spans().remove(0);
        assert_eq!((posted.trace_id, posted.span_id, posted.parent), (TraceId::from_halves(0, 1), SpanId::from(2), None));
        assert_eq!((posted.name.as_str(), posted.resource.service_name(), posted.flags), ("b", "a", 1));
        assert_eq!((posted.start, posted.end), (UnixNanos(1_000_000_000), Some(UnixNanos(1_000_005_000))));
        let sent = decode_datagram(&hex(COMPACT)).unwrap().batch.to_spans().remove(0);
        assert_eq!(sent.status.code, StatusCode::Error, "the tag error=true");
        assert_eq!(
            (sent.trace_id, sent.span_id, sent.start, sent.end),
            (posted.trace_id, posted.span_id, posted.start, posted.end)
        );
        let message = hex(&format!("8001000100000009656d69744261746368000000000c0001{BINARY}00"));
        assert_eq!(decode_datagram(&message).unwrap().batch.to_spans(), [posted]);
    }

    #[test]
    fn damage_anywhere_is_an_error_and_never_a_panic() {
        for (whole, decode) in
            [(hex(BINARY), decode_batch as fn(&[u8]) -> Result<Decoded, OpenError>), (hex(COMPACT), decode_datagram)]
        {
            for cut in 0..whole.len() {
                assert!(decode(&whole[..cut]).is_err(), "cut at {cut}");
            }
            for at in 0..whole.len() {
                for bit in 0..8 {
                    let mut bytes = whole.clone();
                    bytes[at] ^= 1 << bit;
                    decode(&bytes).ok();
                }
            }
        }
        assert!(decode_batch(&[0x0f, 0, 9, 0x0f, 0, 0, 0, 1].repeat(1000)).is_err(), "lists in lists");
    }
}
