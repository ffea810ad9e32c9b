//! Sealed samples: a block is what one generation held, cut into parts of some series each.
//!
//! Series are numbered in the order of their first sight, so those of one target lie beside each other and nearly always
//! share their times: a part holds each different column of times once, and of each series which one it has. A part is a
//! few ten to a few hundred kilobytes, one row of the table `metric_part`; a row for each chunk of each series would add
//! 0.1 to 0.5 B a sample. A block says which series it holds in a set of bits, so that a look at memory tells whether it
//! has to be read.
//!
//! Layout of a part: number of series and of columns of times; for each column its count, its bytes; for each series the
//! step of its number, its column, its bytes; then all of those bytes. A series' bytes: flags, values ([`pack`]), runs of
//! start times, histograms. Reading never panics.

use super::super::bytes::{In, Out};
use super::histogram;
use super::index::SeriesId;
use super::pack;
use crate::model::{Door, FloatHistogram, SampleColumn};
use crate::source::MillisRange;
use smol_str::SmolStr;
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

/// Series of a part.
const PART_SERIES: usize = 256;
/// Samples of a part.
const PART_SAMPLES: usize = 1 << 18;
/// Parts of a block: the number of a part is that of its block times this, and its place.
pub(crate) const PARTS: i64 = 1 << 20;
/// Start times are given.
const STARTS: u8 = 1;
/// Histograms are there.
const HISTOGRAMS: u8 = 2;
/// zstd level of the sets of bits.
const SET_LEVEL: i32 = 3;

/// A set of series.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct SeriesBits(Vec<u64>);

impl SeriesBits {
    pub(crate) fn insert(&mut self, id: SeriesId) {
        let word = id as usize / 64;
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        self.0[word] |= 1 << (id % 64);
    }

    pub(crate) fn has(&self, id: SeriesId) -> bool {
        self.0.get(id as usize / 64).is_some_and(|word| word >> (id % 64) & 1 == 1)
    }

    /// Adds those of another set.
    pub(crate) fn join(&mut self, other: &Self) {
        if self.0.len() < other.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        self.0.iter_mut().zip(&other.0).for_each(|(word, other)| *word |= other);
    }

    /// All, rising.
    pub(crate) fn iter(&self) -> impl Iterator<Item = SeriesId> + '_ {
        self.0
            .iter()
            .enumerate()
            .flat_map(|(at, word)| (0..64).filter(move |bit| word >> bit & 1 == 1).map(move |bit| at as SeriesId * 64 + bit))
    }

    pub(crate) fn len(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let plain: Vec<u8> = self.0.iter().flat_map(|word| word.to_le_bytes()).collect();
        let mut out = Out::default();
        out.varint(self.0.len() as u64);
        out.raw(&zstd::bulk::compress(&plain, SET_LEVEL).unwrap_or_default());
        out.0
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut bytes = In(bytes);
        let words = usize::try_from(bytes.varint()?).ok().filter(|words| *words <= 1 << 26)?;
        let plain = zstd::bulk::decompress(bytes.0, words * 8).ok().filter(|plain| plain.len() == words * 8)?;
        Some(Self(plain.chunks_exact(8).filter_map(|eight| eight.try_into().ok().map(u64::from_le_bytes)).collect()))
    }
}

/// Samples by door and service.
pub(crate) type Counts = HashMap<(Door, SmolStr), u64>;

/// Packs [`Counts`] for a row.
pub(crate) fn encode_counts(counts: &Counts) -> Vec<u8> {
    let mut sorted: Vec<_> = counts.iter().collect();
    sorted.sort();
    let mut out = Out::default();
    out.varint(sorted.len() as u64);
    for ((door, service), count) in sorted {
        out.u8(*door as u8);
        out.sized(service.as_bytes());
        out.varint(*count);
    }
    out.0
}

/// Reads what [`encode_counts`] wrote.
pub(crate) fn decode_counts(bytes: &[u8]) -> Option<Counts> {
    let mut bytes = In(bytes);
    let mut counts = Counts::default();
    for _ in 0..bytes.count()? {
        let door = Door::ALL.get(usize::from(bytes.u8()?)).copied()?;
        counts.insert((door, bytes.text()?.into()), bytes.varint()?);
    }
    Some(counts)
}

/// One sealed block, without its samples.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    pub(crate) id: i64,
    /// Earliest and latest sample.
    pub(crate) times: (i64, i64),
    /// Earliest and latest receipt, in nanoseconds.
    pub(crate) received: (i64, i64),
    pub(crate) samples: u64,
    /// Bytes of its parts.
    pub(crate) bytes: u64,
    /// First series of each part, rising.
    pub(crate) parts: Vec<SeriesId>,
    pub(crate) series: SeriesBits,
    pub(crate) counts: Counts,
}

impl Block {
    /// Row of the part that may hold a series.
    pub(crate) fn part_of(&self, id: SeriesId) -> Option<i64> {
        if !self.series.has(id) {
            return None;
        }
        let place = self.parts.partition_point(|first| *first <= id).checked_sub(1)?;
        Some(self.id * PARTS + place as i64)
    }

    /// True when it may hold samples of the range.
    pub(crate) fn overlaps(&self, range: MillisRange) -> bool {
        self.times.0 <= range.end && range.start <= self.times.1
    }
}

/// Packs series into parts.
#[derive(Default)]
pub(crate) struct Packer {
    /// Finished parts.
    pub(crate) parts: Vec<Vec<u8>>,
    pub(crate) first_series: Vec<SeriesId>,
    pub(crate) series: SeriesBits,
    pub(crate) times: Option<(i64, i64)>,
    pub(crate) samples: u64,
    columns: Vec<Vec<i64>>,
    column_places: HashMap<u64, Vec<u32>>,
    entries: Vec<(SeriesId, u32, usize)>,
    bodies: Out,
    open_samples: usize,
}

impl Packer {
    /// Adds a series; numbers rise from call to call.
    pub(crate) fn push(&mut self, id: SeriesId, column: &SampleColumn) {
        let (Some(first), Some(last)) = (column.times.first(), column.times.last()) else { return };
        if self.entries.is_empty() {
            self.first_series.push(id);
        }
        self.series.insert(id);
        self.samples += column.len() as u64;
        self.times = Some(self.times.map_or((*first, *last), |(a, b)| (a.min(*first), b.max(*last))));
        let place = self.place_of(&column.times);
        let start = self.bodies.0.len();
        put_series(column, &mut self.bodies);
        self.entries.push((id, place, self.bodies.0.len() - start));
        self.open_samples += column.len();
        if self.entries.len() >= PART_SERIES || self.open_samples >= PART_SAMPLES {
            self.end_part();
        }
    }

    fn place_of(&mut self, times: &[i64]) -> u32 {
        let mut hash = 0_u64;
        // Different columns of one target nearly always differ at an end or in their number.
        for part in [times.len() as u64, times[0] as u64, times[times.len() / 2] as u64, times[times.len() - 1] as u64] {
            hash = (hash ^ part).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
        }
        let same = self.column_places.entry(hash).or_default();
        if let Some(place) = same.iter().find(|place| self.columns[**place as usize] == times) {
            return *place;
        }
        let place = self.columns.len() as u32;
        same.push(place);
        self.columns.push(times.to_vec());
        place
    }

    fn end_part(&mut self) {
        if self.entries.is_empty() {
            return;
        }
        let mut out = Out::with_capacity(self.bodies.0.len() + self.entries.len() * 4 + 256);
        out.varint(self.entries.len() as u64);
        out.varint(self.columns.len() as u64);
        let mut columns = Out::default();
        for column in &self.columns {
            let start = columns.0.len();
            pack::put_numbers(column, &mut columns);
            out.varint(column.len() as u64);
            out.varint((columns.0.len() - start) as u64);
        }
        let mut last = -1_i64;
        for (id, column, length) in self.entries.drain(..) {
            out.varint((i64::from(id) - last - 1) as u64);
            out.varint(u64::from(column));
            out.varint(length as u64);
            last = i64::from(id);
        }
        out.raw(&columns.0);
        out.raw(&self.bodies.0);
        self.parts.push(out.0);
        self.columns.clear();
        self.column_places.clear();
        self.bodies.0.clear();
        self.open_samples = 0;
    }

    /// Ends the last part.
    pub(crate) fn finish(&mut self) {
        self.end_part();
    }

    /// The block of these parts.
    pub(crate) fn block(&self, received: (i64, i64), counts: Counts) -> Block {
        Block {
            id: 0,
            times: self.times.unwrap_or((i64::MAX, i64::MIN)),
            received,
            samples: self.samples,
            bytes: self.parts.iter().map(|part| part.len() as u64).sum(),
            parts: self.first_series.clone(),
            series: self.series.clone(),
            counts,
        }
    }
}

fn put_series(column: &SampleColumn, out: &mut Out) {
    let with_starts = column.starts.iter().any(|start| *start != 0);
    let flag = |set: bool, bit: u8| if set { bit } else { 0 };
    out.u8(flag(with_starts, STARTS) | flag(!column.histograms.is_empty(), HISTOGRAMS));
    pack::put_values(&column.values, out);
    if with_starts {
        let mut runs: Vec<(usize, i64)> = Vec::new();
        for (at, start) in column.starts.iter().enumerate() {
            if runs.last().is_none_or(|(_, last)| last != start) {
                runs.push((at, *start));
            }
        }
        out.varint(runs.len() as u64);
        let (mut place, mut value) = (0, 0);
        for (at, start) in runs {
            out.varint((at - place) as u64);
            out.signed(start.wrapping_sub(value));
            (place, value) = (at, start);
        }
    }
    if !column.histograms.is_empty() {
        out.varint(column.histograms.len() as u64);
        let (mut place, mut last): (u32, Option<&FloatHistogram>) = (0, None);
        for (at, histogram) in &column.histograms {
            out.varint(u64::from(at - place));
            histogram::encode(histogram, last, out);
            (place, last) = (*at, Some(&**histogram));
        }
    }
}

/// A part read from its row.
#[derive(Debug)]
pub(crate) struct Part {
    body: Vec<u8>,
    /// Number of a series, its column of times, where its bytes begin and end.
    entries: Vec<(SeriesId, u32, u32, u32)>,
    /// Number of times, where their bytes begin and end.
    columns: Vec<(u32, u32, u32)>,
    times: Vec<OnceLock<Option<Arc<[i64]>>>>,
}

impl Part {
    /// Reads the directory.
    pub(crate) fn decode(body: Vec<u8>) -> Option<Self> {
        let mut bytes = In(&body);
        let (series, columns) = (bytes.count()?, bytes.count()?);
        let mut sizes = Vec::with_capacity(columns);
        for _ in 0..columns {
            sizes.push((bytes.u32()?, bytes.u32()?));
        }
        let mut places = Vec::with_capacity(series);
        let mut last = -1_i64;
        for _ in 0..series {
            last = last.checked_add(1)?.checked_add(i64::try_from(bytes.varint()?).ok()?)?;
            let (column, length) = (bytes.u32()?, bytes.u32()?);
            if column as usize >= columns {
                return None;
            }
            places.push((SeriesId::try_from(last).ok()?, column, length));
        }
        let mut at = u32::try_from(body.len() - bytes.0.len()).ok()?;
        let mut within = |length: u32| {
            let start = at;
            at = at.checked_add(length)?;
            Some((start, at))
        };
        let columns = sizes.into_iter().map(|(count, length)| within(length).map(|(start, end)| (count, start, end)));
        let columns: Vec<(u32, u32, u32)> = columns.collect::<Option<_>>()?;
        let entries =
            places.into_iter().map(|(id, column, length)| within(length).map(|(start, end)| (id, column, start, end)));
        let entries: Vec<(SeriesId, u32, u32, u32)> = entries.collect::<Option<_>>()?;
        let times = columns.iter().map(|_| OnceLock::new()).collect();
        (at as usize == body.len()).then_some(Self { body, entries, columns, times })
    }

    /// Bytes in memory, unpacked times included.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.body.len()
            + self.entries.len() * 16
            + self.columns.iter().map(|(count, ..)| *count as usize * 8 + 40).sum::<usize>()
    }

    fn times(&self, column: u32) -> Option<Arc<[i64]>> {
        let (count, start, end) = *self.columns.get(column as usize)?;
        let read = || pack::take_numbers(&mut In(self.body.get(start as usize..end as usize)?), count as usize).map(Arc::from);
        self.times[column as usize].get_or_init(read).clone()
    }

    /// Latest time of a series.
    pub(crate) fn last_time(&self, id: SeriesId) -> Option<i64> {
        let place = self.entries.binary_search_by_key(&id, |entry| entry.0).ok()?;
        self.times(self.entries[place].1)?.last().copied()
    }

    /// Appends the samples of a series within the range; `None` for damage.
    pub(crate) fn read(&self, id: SeriesId, range: MillisRange, into: &mut SampleColumn) -> Option<()> {
        let Ok(place) = self.entries.binary_search_by_key(&id, |entry| entry.0) else { return Some(()) };
        let (_, column, start, end) = self.entries[place];
        let times = self.times(column)?;
        let from = times.partition_point(|time| *time < range.start);
        let until = times.partition_point(|time| *time <= range.end);
        if from >= until {
            return Some(());
        }
        let mut bytes = In(self.body.get(start as usize..end as usize)?);
        let flags = bytes.u8()?;
        let first = into.len();
        pack::take_values(&mut bytes, times.len(), &mut into.values)?;
        if flags & HISTOGRAMS == 0 || flags & STARTS != 0 {
            // The values before the range give way; those behind it are cut off.
            into.values.truncate(first + until);
        }
        let sums = if flags & HISTOGRAMS != 0 { into.values[first..].to_vec() } else { Vec::new() };
        into.values.truncate(first + until);
        into.values.drain(first..first + from);
        into.times.extend_from_slice(&times[from..until]);
        if flags & STARTS != 0 {
            into.starts.resize(first, 0);
            let (mut place, mut value) = (0_usize, 0_i64);
            for _ in 0..bytes.count()? {
                place = place.checked_add(usize::try_from(bytes.varint()?).ok()?)?;
                value = value.wrapping_add(bytes.signed()?);
                // The last run that begins before the range is the one that holds in it.
                let at = first + place.clamp(from, until) - from;
                into.starts.truncate(at);
                into.starts.resize(at, 0);
                into.starts.resize(first + until - from, value);
            }
        } else if !into.starts.is_empty() {
            into.starts.resize(first + until - from, 0);
        }
        if flags & HISTOGRAMS != 0 {
            let (mut at, mut last): (usize, Option<FloatHistogram>) = (0, None);
            for _ in 0..bytes.count()? {
                at = at.checked_add(usize::try_from(bytes.varint()?).ok()?)?;
                if at >= until {
                    break;
                }
                let read = histogram::decode(&mut bytes, last.as_ref(), *sums.get(at)?)?;
                if at >= from {
                    into.histograms.push(((first + at - from) as u32, Arc::new(read.clone())));
                }
                last = Some(read);
            }
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::SampleValue;
    use crate::model::sample::STALE_NAN;

    fn column(id: u32) -> SampleColumn {
        let mut column = SampleColumn::default();
        for at in 0..200_i64 {
            let time = 1_000_000 + at * 15_000 + i64::from(id % 7 == 3) * (at % 5);
            match id % 5 {
                1 if at % 3 == 0 => {
                    let histogram = FloatHistogram { count: at as f64, sum: at as f64 * 0.1, ..FloatHistogram::default() };
                    column.push(time, SampleValue::Histogram(Arc::new(histogram)));
                }
                _ if at == 50 => column.push(time, SampleValue::Float(STALE_NAN)),
                _ => column.push(time, SampleValue::Float((at * i64::from(id)) as f64 / 10.0)),
            }
            if id % 5 == 2 {
                column.starts.push(if at < 20 { 0 } else { at / 50 });
            }
        }
        column
    }

    fn readable(column: &SampleColumn, range: MillisRange) -> Vec<String> {
        let inside = (0..column.len()).filter(|at| (range.start..=range.end).contains(&column.times[*at]));
        let one = |at: usize| {
            let histogram = column.histograms.iter().find(|(sample, _)| *sample == at as u32);
            let start = column.starts.get(at).copied().unwrap_or(0);
            format!("{} {:x} {start} {:?}", column.times[at], column.values[at].to_bits(), histogram.map(|(_, one)| one))
        };
        inside.map(one).collect()
    }

    #[test]
    fn series_come_back_whole_and_in_part_and_share_their_times() {
        let mut packer = Packer::default();
        let ids: Vec<u32> = (0..600).map(|n| n * 3 + 1).collect();
        ids.iter().for_each(|id| packer.push(*id, &column(*id)));
        packer.finish();
        let mut block = packer.block((0, 0), Counts::default());
        block.id = 4;
        assert_eq!(packer.parts.len(), 3);
        assert_eq!((block.series.len(), block.samples), (600, 120_000));
        let parts: Vec<Part> = packer.parts.iter().map(|part| Part::decode(part.clone()).unwrap()).collect();
        assert_eq!(parts[0].columns.len(), 2, "one shared column, and one of those with times of their own");
        for id in ids {
            let part = &parts[(block.part_of(id).unwrap() - 4 * PARTS) as usize];
            let whole = column(id);
            for (start, end) in
                [(i64::MIN, i64::MAX), (1_300_000, 2_000_001), (1_750_000, 1_750_000), (0, 5), (3_000_000, i64::MAX)]
            {
                let range = MillisRange { start, end };
                let mut read = column(7);
                read.starts.resize(read.len(), 9);
                part.read(id, range, &mut read).unwrap();
                assert_eq!(read.starts.len(), read.len());
                assert_eq!(readable(&read, MillisRange::ALL)[200..], readable(&whole, range), "{id} {range:?}");
            }
            assert_eq!(part.last_time(id), whole.times.last().copied());
        }
        assert_eq!(block.part_of(2), None);
    }

    #[test]
    fn damage_is_refused_or_stays_readable() {
        let mut packer = Packer::default();
        (0..6).for_each(|id| packer.push(id, &column(id)));
        packer.finish();
        let whole = packer.parts.remove(0);
        for at in (0..whole.len()).step_by(3) {
            assert!(Part::decode(whole[..at].to_vec()).is_none(), "cut at {at}");
            let mut damaged = whole.clone();
            damaged[at] ^= 0x55;
            if let Some(part) = Part::decode(damaged) {
                (0..6).for_each(|id| _ = part.read(id, MillisRange::ALL, &mut SampleColumn::default()));
            }
        }
    }

    #[test]
    fn sets_and_counts_come_back() {
        let mut bits = SeriesBits::default();
        [0, 63, 64, 1_000].into_iter().for_each(|id| bits.insert(id));
        assert_eq!(SeriesBits::decode(&bits.encode()), Some(bits.clone()));
        assert_eq!(bits.iter().collect::<Vec<_>>(), [0, 63, 64, 1_000]);
        assert!(bits.has(64) && !bits.has(65) && !bits.has(100_000));
        let counts: Counts = [((Door::Api, "a".into()), 3), ((Door::Own, "".into()), 1 << 40)].into();
        assert_eq!(decode_counts(&encode_counts(&counts)), Some(counts));
        assert_eq!(decode_counts(&[9]), None);
    }
}
