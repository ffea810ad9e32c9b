//! Columns of numbers and of texts as bytes, the smallest piece that is read alone.
//!
//! Numbers: the smallest is subtracted, the rest is cut into planes of one byte each, and each plane is stored as the one
//! byte it repeats, compressed, or raw, whichever is smallest. Ids, times and measurements keep their low planes raw (they
//! are noise), codes and counts compress to a fraction of a byte.
//!
//! Texts: codes into the segment's dictionary where few texts repeat often, else a dictionary of the block's own, else the
//! texts one after the other. What repeats within a trace only (user, session) has a code in its block, not in the segment.

use super::super::bytes::{In, Out};
use std::ops::Range;

/// Compression level of zstd. On the sample shop level 1 gives 26.3 B a span, 3 gives 26.8 and 6 gives 26.1: columns this
/// short and this sorted leave the searching levels little to find.
const LEVEL: i32 = 1;
/// Below this many bytes compression is not tried.
const TINY: usize = 24;
/// A column may not unpack to more than this; above is damage.
const MAX_UNPACKED: usize = 1 << 28;

/// How a plane or a text is stored.
const CONSTANT: u8 = 0;
const RAW: u8 = 1;
const ZSTD: u8 = 2;

/// How texts are stored.
const ALL_SAME: u8 = 0;
const SEGMENT_CODES: u8 = 1;
const BLOCK_CODES: u8 = 2;
const PLAIN: u8 = 3;

/// Packs columns; keeps what compression needs between calls.
pub(crate) struct Packer {
    zstd: zstd::bulk::Compressor<'static>,
    plane: Vec<u8>,
    /// By text: the block that saw it last and the code it has there.
    seen: Vec<(u32, u32)>,
    stamp: u32,
}

impl Packer {
    pub(crate) fn new() -> Result<Self, std::io::Error> {
        let zstd = zstd::bulk::Compressor::new(LEVEL)?;
        Ok(Self { zstd, plane: Vec::new(), seen: Vec::new(), stamp: 0 })
    }

    /// Bytes, compressed when that helps.
    pub(crate) fn bytes(&mut self, out: &mut Out, bytes: &[u8]) {
        if let Some(first) = bytes.first().filter(|first| bytes.iter().all(|byte| byte == *first)) {
            out.u8(CONSTANT);
            out.u8(*first);
            return;
        }
        let packed = if bytes.len() >= TINY { self.zstd.compress(bytes).ok() } else { None };
        match packed.filter(|packed| packed.len() < bytes.len()) {
            Some(packed) => {
                out.u8(ZSTD);
                out.sized(&packed);
            }
            None => {
                out.u8(RAW);
                out.raw(bytes);
            }
        }
    }

    /// A column of numbers.
    pub(crate) fn numbers(&mut self, out: &mut Out, values: &[u64]) {
        let (Some(min), Some(max)) = (values.iter().min(), values.iter().max()) else { return };
        let width = (u64::BITS - (max - min).leading_zeros()).div_ceil(8);
        out.varint(*min);
        out.u8(width as u8);
        let mut plane = std::mem::take(&mut self.plane);
        for shift in (0..width).map(|byte| byte * 8) {
            plane.clear();
            plane.extend(values.iter().map(|value| ((value - min) >> shift) as u8));
            self.bytes(out, &plane);
        }
        self.plane = plane;
    }

    /// A column of texts, given as ids below `texts`; `code` is the id's place in the segment's dictionary, and `of` the
    /// bytes of an id.
    pub(crate) fn texts<'a>(
        &mut self,
        out: &mut Out,
        ids: &[u32],
        texts: usize,
        code: Option<&[u32]>,
        of: impl Fn(u32) -> &'a [u8],
    ) {
        let Some(first) = ids.first() else { return };
        if let Some(code) = code {
            let codes: Vec<u64> = ids.iter().map(|id| u64::from(code[*id as usize])).collect();
            out.u8(SEGMENT_CODES);
            self.numbers(out, &codes);
            return;
        }
        if ids.iter().all(|id| id == first) {
            out.u8(ALL_SAME);
            out.sized(of(*first));
            return;
        }
        self.seen.resize(texts.max(self.seen.len()), (0, 0));
        self.stamp += 1;
        let mut distinct = Vec::new();
        let mut codes = Vec::with_capacity(ids.len());
        for id in ids {
            let seen = &mut self.seen[*id as usize];
            if seen.0 != self.stamp {
                *seen = (self.stamp, distinct.len() as u32);
                distinct.push(*id);
            }
            codes.push(u64::from(seen.1));
        }
        if distinct.len() * 4 <= ids.len() * 3 {
            out.u8(BLOCK_CODES);
            out.varint(distinct.len() as u64);
            self.plain(out, &distinct, &of);
            self.numbers(out, &codes);
        } else {
            out.u8(PLAIN);
            self.plain(out, ids, &of);
        }
    }

    /// Texts one after the other.
    fn plain<'a>(&mut self, out: &mut Out, ids: &[u32], of: &impl Fn(u32) -> &'a [u8]) {
        let lengths: Vec<u64> = ids.iter().map(|id| of(*id).len() as u64).collect();
        let mut text = Vec::with_capacity(lengths.iter().sum::<u64>() as usize);
        ids.iter().for_each(|id| text.extend_from_slice(of(*id)));
        self.numbers(out, &lengths);
        out.varint(text.len() as u64);
        self.bytes(out, &text);
    }
}

/// Reads `count` bytes that [`Packer::bytes`] wrote.
pub(crate) fn read_bytes(bytes: &mut In<'_>, count: usize) -> Option<Vec<u8>> {
    if count > MAX_UNPACKED {
        return None;
    }
    match bytes.u8()? {
        CONSTANT => Some(vec![bytes.u8()?; count]),
        RAW => bytes.raw(count).map(<[u8]>::to_vec),
        ZSTD => {
            let unpacked = zstd::bulk::decompress(bytes.sized()?, count).ok()?;
            (unpacked.len() == count).then_some(unpacked)
        }
        _ => None,
    }
}

/// Reads `count` numbers.
pub(crate) fn read_numbers(bytes: &mut In<'_>, count: usize) -> Option<Vec<u64>> {
    if count == 0 {
        return Some(Vec::new());
    }
    if count > MAX_UNPACKED / 8 {
        return None;
    }
    let min = bytes.varint()?;
    let width = u32::from(bytes.u8()?);
    if width > 8 {
        return None;
    }
    let mut values = vec![0_u64; count];
    for shift in (0..width).map(|byte| byte * 8) {
        match bytes.0.first()? {
            &CONSTANT => {
                let byte = u64::from(*bytes.raw(2)?.last()?) << shift;
                values.iter_mut().for_each(|value| *value |= byte);
            }
            _ => {
                let plane = read_bytes(bytes, count)?;
                values.iter_mut().zip(plane).for_each(|(value, byte)| *value |= u64::from(byte) << shift);
            }
        }
    }
    if min > 0 {
        values.iter_mut().for_each(|value| *value = value.wrapping_add(min));
    }
    Some(values)
}

/// A column of texts as it was stored.
pub(crate) enum Texts {
    /// Codes into the segment's dictionary.
    Segment(Vec<u64>),
    /// Texts of its own, each row's text by its place among them.
    Own {
        /// The texts one after the other.
        text: Vec<u8>,
        /// Where each one ends.
        ends: Vec<usize>,
        /// By row; `None` when each row has its own.
        codes: Option<Vec<u64>>,
    },
}

impl Texts {
    /// The bytes of text `at` of [`Texts::Own`].
    pub(crate) fn own<'a>(text: &'a [u8], ends: &[usize], at: usize) -> Option<&'a [u8]> {
        let start = if at == 0 { 0 } else { *ends.get(at - 1)? };
        text.get(start..*ends.get(at)?)
    }

    /// Rows of [`Texts::Own`] that stand in `rows`, as places among the texts.
    pub(crate) fn places(codes: Option<&Vec<u64>>, rows: Range<usize>) -> Vec<usize> {
        match codes {
            Some(codes) => codes.get(rows).unwrap_or_default().iter().map(|code| *code as usize).collect(),
            None => rows.collect(),
        }
    }
}

/// Reads `count` texts.
pub(crate) fn read_texts(bytes: &mut In<'_>, count: usize) -> Option<Texts> {
    if count == 0 {
        return Some(Texts::Own { text: Vec::new(), ends: Vec::new(), codes: None });
    }
    let kind = bytes.u8()?;
    match kind {
        SEGMENT_CODES => Some(Texts::Segment(read_numbers(bytes, count)?)),
        ALL_SAME => {
            let text = bytes.sized()?.to_vec();
            Some(Texts::Own { ends: vec![text.len()], text, codes: Some(vec![0; count]) })
        }
        BLOCK_CODES => {
            let distinct = bytes.varint()? as usize;
            if distinct > count {
                return None;
            }
            let (text, ends) = read_plain(bytes, distinct)?;
            let codes = read_numbers(bytes, count)?;
            codes.iter().all(|code| *code < distinct as u64).then_some(Texts::Own { text, ends, codes: Some(codes) })
        }
        PLAIN => {
            let (text, ends) = read_plain(bytes, count)?;
            Some(Texts::Own { text, ends, codes: None })
        }
        _ => None,
    }
}

fn read_plain(bytes: &mut In<'_>, count: usize) -> Option<(Vec<u8>, Vec<usize>)> {
    let lengths = read_numbers(bytes, count)?;
    let size = bytes.varint()? as usize;
    let text = read_bytes(bytes, size)?;
    let mut end = 0_usize;
    let ends = lengths.iter().map(|length| {
        end = end.checked_add(*length as usize)?;
        Some(end)
    });
    let ends = ends.collect::<Option<Vec<_>>>()?;
    (end == text.len()).then_some((text, ends))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn numbers_come_back(values in proptest::collection::vec(prop_oneof![any::<u64>(), 0_u64..300], 0..200)) {
            let mut out = Out::default();
            Packer::new().unwrap().numbers(&mut out, &values);
            let mut bytes = In(&out.0);
            prop_assert_eq!(read_numbers(&mut bytes, values.len()), Some(values));
            prop_assert!(bytes.is_empty());
        }

        #[test]
        fn texts_come_back(texts in proptest::collection::vec("[ab]{0,3}", 1..40), rows in proptest::collection::vec(0_u32..40, 0..99)) {
            let rows: Vec<u32> = rows.iter().map(|row| row % texts.len() as u32).collect();
            let mut out = Out::default();
            Packer::new().unwrap().texts(&mut out, &rows, texts.len(), None, |id| texts[id as usize].as_bytes());
            match read_texts(&mut In(&out.0), rows.len()).unwrap() {
                Texts::Own { text, ends, codes } => {
                    for (place, id) in Texts::places(codes.as_ref(), 0..rows.len()).into_iter().zip(rows) {
                        prop_assert_eq!(Texts::own(&text, &ends, place), Some(texts[id as usize].as_bytes()));
                    }
                }
                Texts::Segment(_) => prop_assert!(false),
            }
        }

        #[test]
        fn noise_is_refused_without_a_panic(noise in proptest::collection::vec(any::<u8>(), 0..200), count in 0_usize..5_000) {
            read_numbers(&mut In(&noise), count);
            read_texts(&mut In(&noise), count);
        }
    }
}
