//! The columns of one block as bytes: put together when it is sealed, found again when it is read. A list of ids and sizes,
//! then the bytes.

use super::super::bytes::{In, Out};
use super::column::{Packer, read_numbers};
use super::field;
use super::head::Head;
use super::projection::Projection;
use crate::model::batch::SpanBatch;
use std::collections::HashMap;
use std::ops::Range;

/// The columns of a block that were read.
#[derive(Debug, Default)]
pub(crate) struct Chunks {
    bytes: Vec<u8>,
    places: HashMap<u32, Range<usize>>,
}

impl Chunks {
    /// The columns of a whole part.
    pub(crate) fn whole(bytes: Vec<u8>) -> Option<Self> {
        let list = u32::from_le_bytes(bytes.get(..4)?.try_into().ok()?) as usize;
        let places = Self::list(bytes.get(4..4 + list)?)?.map(|(id, range)| (id, range.start + 4 + list..range.end + 4 + list));
        let places: HashMap<u32, Range<usize>> = places.collect();
        places.values().all(|range| range.end <= bytes.len()).then_some(Self { bytes, places })
    }

    fn list(bytes: &[u8]) -> Option<impl Iterator<Item = (u32, Range<usize>)>> {
        let mut bytes = In(bytes);
        let mut at = 0_usize;
        let mut places = Vec::new();
        for _ in 0..bytes.count()? {
            let (id, size) = (bytes.u32()?, bytes.u32()? as usize);
            places.push((id, at..at.checked_add(size)?));
            at += size;
        }
        Some(places.into_iter())
    }

    /// Reads only the wanted columns through `read(offset, buffer)`, which answers false at the end.
    pub(crate) fn wanted(head: &Head, projection: &Projection, mut read: impl FnMut(usize, &mut [u8]) -> bool) -> Option<Self> {
        let mut four = [0; 4];
        read(0, &mut four).then_some(())?;
        let size = u32::from_le_bytes(four) as usize;
        let mut list = vec![0; (size <= 1 << 24).then_some(size)?];
        read(4, &mut list).then_some(())?;
        let mut chunks = Self::default();
        for (id, range) in Self::list(&list)?.filter(|(id, _)| head.wants(*id, projection)) {
            let start = chunks.bytes.len();
            chunks.bytes.resize(start.checked_add(range.len())?, 0);
            read(4 + size + range.start, &mut chunks.bytes[start..]).then_some(())?;
            chunks.places.insert(id, start..chunks.bytes.len());
        }
        Some(chunks)
    }

    /// The bytes of a column; none where it was not read.
    pub(super) fn get(&self, id: u32) -> In<'_> {
        In(self.places.get(&id).map_or(&[][..], |range| &self.bytes[range.clone()]))
    }

    /// True for a column that was read and has something in it.
    pub(super) fn has(&self, id: u32) -> bool {
        self.places.contains_key(&id)
    }

    /// A column of numbers; zeros where it was not read.
    pub(super) fn numbers(&self, id: u32, count: usize) -> Option<Vec<u64>> {
        if self.has(id) { read_numbers(&mut self.get(id), count) } else { Some(vec![0; count]) }
    }

    /// The door of each row.
    pub(crate) fn doors(&self, rows: usize) -> Option<Vec<u8>> {
        Some(self.numbers(field::DOOR, rows)?.into_iter().map(|door| door as u8).collect())
    }
}

/// The columns of a block that is being sealed.
#[derive(Default)]
pub(super) struct Writing {
    sizes: Vec<(u32, usize)>,
    pub(super) body: Out,
}

impl Writing {
    /// Begins a column.
    pub(super) fn start(&mut self, id: u32) {
        self.sizes.push((id, self.body.0.len()));
    }

    /// Ends it; an empty one is left out.
    pub(super) fn end(&mut self) {
        let end = self.body.0.len();
        if let Some((_, size)) = self.sizes.last_mut() {
            *size = end - *size;
        }
        if self.sizes.last().is_some_and(|(_, size)| *size == 0) {
            self.sizes.pop();
        }
    }

    pub(super) fn numbers(&mut self, packer: &mut Packer, id: u32, values: Vec<u64>) {
        self.start(id);
        packer.numbers(&mut self.body, &values);
        self.end();
    }

    pub(super) fn raw(&mut self, id: u32, bytes: Vec<u8>) {
        self.start(id);
        self.body.raw(&bytes);
        self.end();
    }

    /// Texts of a batch; `codes` has the place of each in the segment's dictionary, where the column uses that.
    pub(super) fn texts(&mut self, packer: &mut Packer, batch: &SpanBatch, id: u32, ids: &[u32], codes: Option<&[u32]>) {
        self.start(id);
        packer.texts(&mut self.body, ids, batch.strings.len(), codes, |id| batch.strings.get(id).as_bytes());
        self.end();
    }

    /// Doubles that are short decimals (prices, shares) as integers after a scale of 10, others bit by bit.
    pub(super) fn doubles(&mut self, packer: &mut Packer, id: u32, bits: &[u64]) {
        self.start(id);
        let scaled = (0_u8..=4).find_map(|scale| {
            let values: Option<Vec<u64>> = bits.iter().map(|bits| to_decimal(*bits, scale)).collect();
            values.map(|values| (scale, values))
        });
        match scaled {
            Some((scale, values)) => {
                self.body.u8(scale);
                packer.numbers(&mut self.body, &values);
            }
            None => {
                self.body.u8(u8::MAX);
                packer.numbers(&mut self.body, bits);
            }
        }
        self.end();
    }

    /// The part as it is stored.
    pub(super) fn finish(self) -> Vec<u8> {
        let mut list = Out::default();
        list.varint(self.sizes.len() as u64);
        for (id, size) in &self.sizes {
            list.varint(u64::from(*id));
            list.varint(*size as u64);
        }
        let mut out = Out::with_capacity(list.0.len() + self.body.0.len() + 4);
        out.raw(&(list.0.len() as u32).to_le_bytes());
        out.raw(&list.0);
        out.raw(&self.body.0);
        out.0
    }
}

/// The integer that is a double times a power of ten, offset to be positive, if it gives the same double back.
fn to_decimal(bits: u64, scale: u8) -> Option<u64> {
    let value = f64::from_bits(bits);
    let scaled = (value * 10_f64.powi(scale.into())).round();
    if scaled.abs() >= 9e15 {
        return None;
    }
    let number = scaled as i64;
    (from_decimal_number(number, scale) == bits).then_some(number as u64 ^ (1 << 63))
}

fn from_decimal_number(number: i64, scale: u8) -> u64 {
    (number as f64 / 10_f64.powi(scale.into())).to_bits()
}

/// Undoes [`to_decimal`].
pub(super) fn from_decimal(number: u64, scale: u8) -> u64 {
    from_decimal_number((number ^ (1 << 63)) as i64, scale)
}
