//! MessagePack into [`Json`], as Datadog's tracers use it: any width of integers, bytes for texts, bad UTF-8 replaced.
//! Keys that are numbers become their digits.

use super::super::json::Json;
use std::borrow::Cow;

/// Nesting of lists and maps, far above any payload's.
const MAX_DEPTH: u32 = 64;

/// Reads one value after another. The position stands for messages.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// What is wrong with the bytes.
pub(super) type Wrong = &'static str;

impl<'a> Reader<'a> {
    /// At the beginning of `bytes`.
    pub fn of(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Byte reached.
    pub fn at(&self) -> usize {
        self.at
    }

    /// True at the end.
    pub fn is_done(&self) -> bool {
        self.at == self.bytes.len()
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], Wrong> {
        let part =
            self.at.checked_add(count).and_then(|end| self.bytes.get(self.at..end)).ok_or("it breaks off in the middle")?;
        self.at += count;
        Ok(part)
    }

    fn number(&mut self, width: usize) -> Result<u64, Wrong> {
        Ok(self.take(width)?.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    /// The next value.
    pub fn value(&mut self) -> Result<Json<'a>, Wrong> {
        self.nested(0)
    }

    fn nested(&mut self, depth: u32) -> Result<Json<'a>, Wrong> {
        if depth > MAX_DEPTH {
            return Err("it is nested deeper than 64 levels");
        }
        let head = self.take(1)?[0];
        let unsigned = |number: u64| i64::try_from(number).map_or(Json::Uint(number), Json::Int);
        Ok(match head {
            0x00..=0x7f => Json::Int(head.into()),
            0x80..=0x8f => self.map(usize::from(head & 0x0f), depth)?,
            0x90..=0x9f => self.list(usize::from(head & 0x0f), depth)?,
            0xa0..=0xbf => self.text(usize::from(head & 0x1f))?,
            0xc0 => Json::Null,
            0xc1 => return Err("a byte that MessagePack does not use"),
            0xc2 | 0xc3 => Json::Bool(head == 0xc3),
            0xc4..=0xc6 => {
                let length = self.length(1 << (head - 0xc4))?;
                self.text(length)?
            }
            0xc7..=0xc9 => {
                let length = self.length(1 << (head - 0xc7))?;
                self.take(length.saturating_add(1))?;
                Json::Null
            }
            0xca => Json::Float(f32::from_bits(self.number(4)? as u32).into()),
            0xcb => Json::Float(f64::from_bits(self.number(8)?)),
            0xcc..=0xcf => unsigned(self.number(1 << (head - 0xcc))?),
            0xd0 => Json::Int((self.number(1)? as i8).into()),
            0xd1 => Json::Int((self.number(2)? as i16).into()),
            0xd2 => Json::Int((self.number(4)? as i32).into()),
            0xd3 => Json::Int(self.number(8)? as i64),
            0xd4..=0xd8 => {
                self.take(1 + (1 << (head - 0xd4)))?;
                Json::Null
            }
            0xd9..=0xdb => {
                let length = self.length(1 << (head - 0xd9))?;
                self.text(length)?
            }
            0xdc | 0xdd => {
                let length = self.length(2 << (head - 0xdc))?;
                self.list(length, depth)?
            }
            0xde | 0xdf => {
                let length = self.length(2 << (head - 0xde))?;
                self.map(length, depth)?
            }
            0xe0..=0xff => Json::Int((head as i8).into()),
        })
    }

    fn length(&mut self, width: usize) -> Result<usize, Wrong> {
        usize::try_from(self.number(width)?).map_err(|_| "a length that no memory holds")
    }

    fn text(&mut self, length: usize) -> Result<Json<'a>, Wrong> {
        Ok(Json::Text(String::from_utf8_lossy(self.take(length)?)))
    }

    /// Room is set aside only for what the rest of the bytes can hold.
    fn list(&mut self, length: usize, depth: u32) -> Result<Json<'a>, Wrong> {
        let mut items = Vec::with_capacity(length.min(self.bytes.len() - self.at).min(1024));
        for _ in 0..length {
            items.push(self.nested(depth + 1)?);
        }
        Ok(Json::List(items))
    }

    fn map(&mut self, length: usize, depth: u32) -> Result<Json<'a>, Wrong> {
        let mut entries = Vec::with_capacity(length.min(self.bytes.len() - self.at).min(1024));
        for _ in 0..length {
            let key = match self.nested(depth + 1)? {
                Json::Text(text) => text,
                Json::Int(number) => Cow::Owned(number.to_string()),
                Json::Uint(number) => Cow::Owned(number.to_string()),
                Json::Null => Cow::Borrowed(""),
                _ => return Err("a key that is neither text nor number"),
            };
            entries.push((key, self.nested(depth + 1)?));
        }
        Ok(Json::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_width_reads_and_damage_is_an_error() {
        let cases: [(&[u8], Json<'_>); 9] = [
            (&[0x05], Json::Int(5)),
            (&[0xff], Json::Int(-1)),
            (&[0xcf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], Json::Uint(u64::MAX)),
            (&[0xd1, 0xff, 0xfe], Json::Int(-2)),
            (&[0xca, 0x3f, 0x80, 0, 0], Json::Float(1.0)),
            (&[0xc4, 2, b'h', b'i'], Json::Text("hi".into())),
            (&[0xa1, 0xff], Json::Text("\u{fffd}".into())),
            (&[0x92, 0xc0, 0xc3], Json::List(vec![Json::Null, Json::Bool(true)])),
            (&[0x81, 0x07, 0xd9, 1, b'x'], Json::Map(vec![("7".into(), Json::Text("x".into()))])),
        ];
        for (bytes, value) in cases {
            let mut reader = Reader::of(bytes);
            assert_eq!(reader.value(), Ok(value));
            assert!(reader.is_done());
            for cut in 0..bytes.len() {
                assert!(Reader::of(&bytes[..cut]).value().is_err(), "{bytes:?} cut at {cut}");
            }
        }
        assert!(Reader::of(&[0x91; 100_000]).value().is_err());
        assert!(Reader::of(&[0xdd, 0xff, 0xff, 0xff, 0xff]).value().is_err());
    }
}
