//! Protobuf wire format: a reader that borrows from the payload and a writer that nests without measuring first.
//!
//! Source: the protocol buffers encoding guide. A reader is one slice; where an error happened is told by the address it
//! happened at, so that the hot path carries no positions. Groups are refused, as every OTLP receiver does.

use std::fmt;

/// What is wrong with a payload.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Fault {
    /// The payload ends inside a field.
    #[error("the payload ends inside a field")]
    Truncated,
    /// A varint of more than ten bytes.
    #[error("a number is longer than ten bytes")]
    Varint,
    /// A field with the number 0 or above 2^29.
    #[error("the field number is not valid")]
    Number,
    /// Groups (wire types 3 and 4) or the unused wire types 6 and 7.
    #[error("the wire type is not one that is in use")]
    WireType,
    /// A known field with the wire type of another kind.
    #[error("the field has the wire type of another kind of field")]
    Mismatch,
    /// Values nested deeper than the cap.
    #[error("values are nested deeper than {MAX_DEPTH} levels")]
    Depth,
}

/// Depth to which arrays and maps may nest, that of other protobuf readers.
pub const MAX_DEPTH: u32 = 100;

/// A fault, the place it happened at and the fields around it, innermost first.
#[derive(Debug)]
pub(in crate::wire) struct Broken {
    pub(in crate::wire) fault: Fault,
    pub(in crate::wire) address: usize,
    pub(in crate::wire) path: Vec<Step>,
}

/// One step of a field path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::wire) struct Step(pub(in crate::wire) &'static str, pub(in crate::wire) Option<usize>);

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.1 {
            Some(index) => write!(f, "{}[{index}]", self.0),
            None => f.write_str(self.0),
        }
    }
}

/// Result of reading.
pub(in crate::wire) type Read<T> = Result<T, Box<Broken>>;

#[cold]
pub(in crate::wire) fn broken<T>(fault: Fault, at: &[u8]) -> Read<T> {
    Err(Box::new(Broken { fault, address: at.as_ptr() as usize, path: Vec::new() }))
}

/// Adds the field that an error happened in.
pub(in crate::wire) trait Within<T> {
    fn within(self, name: &'static str, index: usize) -> Read<T>;
    fn inside(self, name: &'static str) -> Read<T>;
}

impl<T> Within<T> for Read<T> {
    #[inline]
    fn within(self, name: &'static str, index: usize) -> Self {
        self.map_err(|broken| step(broken, Step(name, Some(index))))
    }

    #[inline]
    fn inside(self, name: &'static str) -> Self {
        self.map_err(|broken| step(broken, Step(name, None)))
    }
}

#[cold]
fn step(mut broken: Box<Broken>, step: Step) -> Box<Broken> {
    broken.path.push(step);
    broken
}

/// The value of one field.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(in crate::wire) enum Field<'a> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'a [u8]),
    Fixed32(u32),
}

/// Walks the fields of one message.
#[derive(Clone, Copy)]
pub(in crate::wire) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(in crate::wire) fn new(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    /// What has not been read; for errors.
    pub(in crate::wire) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    #[inline(always)]
    pub(in crate::wire) fn varint(&mut self) -> Read<u64> {
        match self.rest {
            [byte, rest @ ..] if *byte < 0x80 => {
                self.rest = rest;
                Ok(u64::from(*byte))
            }
            _ => self.long_varint(),
        }
    }

    fn long_varint(&mut self) -> Read<u64> {
        let mut value = 0_u64;
        for (index, byte) in self.rest.iter().take(10).enumerate() {
            value |= u64::from(byte & 0x7f) << (7 * index);
            if *byte < 0x80 {
                if index == 9 && *byte > 1 {
                    return broken(Fault::Varint, self.rest);
                }
                self.rest = &self.rest[index + 1..];
                return Ok(value);
            }
        }
        broken(if self.rest.len() < 10 { Fault::Truncated } else { Fault::Varint }, self.rest)
    }

    #[inline(always)]
    fn take<const N: usize>(&mut self) -> Read<[u8; N]> {
        match self.rest.split_first_chunk::<N>() {
            Some((head, rest)) => {
                self.rest = rest;
                Ok(*head)
            }
            None => broken(Fault::Truncated, self.rest),
        }
    }

    /// The number and value of the next field.
    #[inline(always)]
    pub(in crate::wire) fn next(&mut self) -> Read<Option<(u32, Field<'a>)>> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let start = self.rest;
        let tag = self.varint()?;
        let number = tag >> 3;
        if number == 0 || number > 0x1fff_ffff {
            return broken(Fault::Number, start);
        }
        let value = match tag & 7 {
            0 => Field::Varint(self.varint()?),
            1 => Field::Fixed64(u64::from_le_bytes(self.take()?)),
            2 => {
                let length = self.varint()?;
                match usize::try_from(length).ok().and_then(|length| self.rest.split_at_checked(length)) {
                    Some((bytes, rest)) => {
                        self.rest = rest;
                        Field::Bytes(bytes)
                    }
                    None => return broken(Fault::Truncated, start),
                }
            }
            5 => Field::Fixed32(u32::from_le_bytes(self.take()?)),
            _ => return broken(Fault::WireType, start),
        };
        Ok(Some((number as u32, value)))
    }
}

/// Writes messages; nested ones get their length when they are closed.
#[derive(Default)]
pub(in crate::wire) struct Writer(pub(in crate::wire) Vec<u8>);

impl Writer {
    #[inline]
    pub(in crate::wire) fn raw_varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    #[inline]
    pub(in crate::wire) fn tag(&mut self, number: u32, wire: u32) {
        self.raw_varint(u64::from(number << 3 | wire));
    }

    /// A varint field, left out when 0.
    pub(in crate::wire) fn varint(&mut self, number: u32, value: u64) {
        if value != 0 {
            self.tag(number, 0);
            self.raw_varint(value);
        }
    }

    /// A fixed64 field, written even when 0.
    pub(in crate::wire) fn fixed64(&mut self, number: u32, value: u64) {
        self.tag(number, 1);
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    /// A fixed32 field, left out when 0.
    pub(in crate::wire) fn fixed32(&mut self, number: u32, value: u32) {
        if value != 0 {
            self.tag(number, 5);
            self.0.extend_from_slice(&value.to_le_bytes());
        }
    }

    /// A length-delimited field, written even when empty.
    pub(in crate::wire) fn bytes(&mut self, number: u32, bytes: &[u8]) {
        self.tag(number, 2);
        self.raw_varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    /// A text field, left out when empty.
    pub(in crate::wire) fn text(&mut self, number: u32, text: &str) {
        if !text.is_empty() {
            self.bytes(number, text.as_bytes());
        }
    }

    /// Opens a nested message; give the answer to [`Writer::close`].
    pub(in crate::wire) fn open(&mut self, number: u32) -> usize {
        self.tag(number, 2);
        self.0.push(0);
        self.0.len()
    }

    /// Writes the length of what was opened. One byte was kept for it; a longer one moves the content up.
    pub(in crate::wire) fn close(&mut self, start: usize) {
        let length = self.0.len() - start;
        if length < 0x80 {
            self.0[start - 1] = length as u8;
            return;
        }
        let more = (63 - (length as u64).leading_zeros() as usize) / 7;
        self.0.resize(self.0.len() + more, 0);
        self.0.copy_within(start..start + length, start + more);
        let mut value = length as u64;
        for byte in &mut self.0[start - 1..start - 1 + more] {
            *byte = value as u8 | 0x80;
            value >>= 7;
        }
        self.0[start - 1 + more] = value as u8;
    }

    /// A nested message.
    pub(in crate::wire) fn message(&mut self, number: u32, fill: impl FnOnce(&mut Self)) {
        let start = self.open(number);
        fill(self);
        self.close(start);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_whatever_its_length() {
        for length in [0_usize, 1, 127, 128, 16_383, 16_384, 2_097_152] {
            let mut writer = Writer::default();
            writer.message(2, |writer| writer.bytes(1, &vec![7; length]));
            writer.varint(3, u64::MAX);
            let mut fields = Fields::new(&writer.0);
            let Some((2, Field::Bytes(inner))) = fields.next().unwrap() else { panic!("no message") };
            assert_eq!(Fields::new(inner).next().unwrap(), Some((1, Field::Bytes(vec![7; length].as_slice()))));
            assert_eq!(fields.next().unwrap(), Some((3, Field::Varint(u64::MAX))));
            assert_eq!(fields.next().unwrap(), None);
        }
    }

    #[test]
    fn faults_are_told_apart() {
        let fault = |bytes: &[u8]| Fields::new(bytes).next().unwrap_err().fault;
        assert_eq!(fault(&[0x0a, 5, 1]), Fault::Truncated);
        assert_eq!(fault(&[0x09, 1]), Fault::Truncated);
        assert_eq!(fault(&[0x08, 0x80]), Fault::Truncated);
        assert_eq!(fault(&[0x08, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1]), Fault::Varint);
        assert_eq!(fault(&[0x00, 0]), Fault::Number);
        assert_eq!(fault(&[0x0b]), Fault::WireType);
    }
}
