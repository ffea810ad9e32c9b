//! Samples in memory: what is journaled and not sealed yet, series by series, packed.
//!
//! A generation takes samples until it is frozen; then it is packed into a block in the background and goes away together
//! with its journal rows. Readers hold generations by pointer, so what they picked stays whole whatever happens meanwhile,
//! and remember how much of a series they saw ([`Mark`]), since chunks only grow.

use super::super::bytes::{In, Out};
use super::super::shared::read_lock;
use super::histogram;
use super::index::SeriesId;
use super::row::Rows;
use super::xor::XorChunk;
use crate::model::{Door, Exemplar, FloatHistogram, SampleColumn};
use crate::source::MillisRange;
use smol_str::SmolStr;
use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, RwLock};

/// No place.
const NONE: u32 = u32::MAX;

/// A sample that came after a later one.
#[derive(Clone, Debug)]
struct Late {
    time: i64,
    value: u64,
    start: i64,
    histogram: Option<Arc<FloatHistogram>>,
}

/// What few series have.
#[derive(Default, Debug)]
struct Extra {
    late: Vec<Late>,
    /// From which sample of the chunk on which start time holds.
    starts: Vec<(u32, i64)>,
    /// Samples of the chunk that are histograms, rising.
    at: Vec<u32>,
    /// Those histograms, each against the one before.
    packed: Vec<u8>,
    last: Option<Arc<FloatHistogram>>,
}

#[derive(Default, Debug)]
struct HeadSeries {
    chunk: XorChunk,
    extra: Option<Box<Extra>>,
}

/// How much of a series was there: samples in order, samples that came late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) count: u32,
    pub(crate) late: u32,
}

impl Mark {
    /// All there is.
    pub(crate) const ALL: Self = Self { count: u32::MAX, late: u32::MAX };
    /// Nothing.
    pub(crate) const NONE: Self = Self { count: 0, late: 0 };
}

#[derive(Default, Debug)]
struct Chunks {
    place: Vec<u32>,
    ids: Vec<SeriesId>,
    series: Vec<HeadSeries>,
    exemplars: Vec<(SeriesId, Exemplar)>,
    counts: HashMap<(Door, SmolStr), u64>,
}

/// See the module comment.
#[derive(Debug)]
pub(crate) struct Generation {
    chunks: RwLock<Chunks>,
    samples: AtomicU64,
    bytes: AtomicU64,
    first: AtomicI64,
    last: AtomicI64,
    /// Last journal row in it.
    pub(crate) last_row: AtomicI64,
    /// Bytes of its journal rows.
    pub(crate) row_bytes: AtomicU64,
    /// Earliest and latest receipt, in nanoseconds.
    pub(crate) received: (AtomicI64, AtomicI64),
}

impl Default for Generation {
    fn default() -> Self {
        Self {
            chunks: RwLock::default(),
            samples: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            first: AtomicI64::new(i64::MAX),
            last: AtomicI64::new(i64::MIN),
            last_row: AtomicI64::new(0),
            row_bytes: AtomicU64::new(0),
            received: (AtomicI64::new(i64::MAX), AtomicI64::new(i64::MIN)),
        }
    }
}

impl HeadSeries {
    fn push(&mut self, time: i64, value: u64, start: i64, histogram: Option<&Arc<FloatHistogram>>) {
        let late = self.chunk.last_time().is_some_and(|last| time <= last);
        if late {
            let extra = self.extra.get_or_insert_default();
            extra.late.push(Late { time, value, start, histogram: histogram.cloned() });
            return;
        }
        let at = self.chunk.len() as u32;
        if start != 0 || self.extra.is_some() {
            let extra = self.extra.get_or_insert_default();
            if extra.starts.last().map_or(0, |(_, start)| *start) != start {
                extra.starts.push((at, start));
            }
        }
        if let Some(histogram) = histogram {
            let extra = self.extra.get_or_insert_default();
            let mut out = Out(std::mem::take(&mut extra.packed));
            histogram::encode(histogram, extra.last.as_deref(), &mut out);
            extra.packed = out.0;
            extra.at.push(at);
            extra.last = Some(histogram.clone());
        }
        self.chunk.push(time, value);
    }

    fn heap_bytes(&self) -> usize {
        let extra = self.extra.as_ref().map_or(0, |extra| {
            size_of::<Extra>()
                + extra.late.capacity() * size_of::<Late>()
                + extra.starts.capacity() * 16
                + extra.at.capacity() * 4
                + extra.packed.capacity()
        });
        self.chunk.heap_bytes() + extra
    }

    /// Appends the samples within the range and the mark, by time.
    fn read(&self, range: MillisRange, mark: Mark, into: &mut SampleColumn) {
        let first = into.len();
        let inside = |time: i64| range.start <= time && time <= range.end;
        let Some(extra) = &self.extra else {
            self.chunk.each(mark.count as usize, |time, value| {
                if inside(time) {
                    into.times.push(time);
                    into.values.push(f64::from_bits(value));
                    if !into.starts.is_empty() {
                        into.starts.push(0);
                    }
                }
            });
            return;
        };
        let mut packed = In(&extra.packed);
        let (mut number, mut run, mut next): (u32, usize, usize) = (0, 0, 0);
        let mut last: Option<FloatHistogram> = None;
        let mut late: Vec<&Late> = extra.late.iter().take(mark.late as usize).filter(|late| inside(late.time)).collect();
        late.sort_by_key(|late| late.time);
        let mut late = late.into_iter().peekable();
        let with_starts = !extra.starts.is_empty() || !into.starts.is_empty() || extra.late.iter().any(|late| late.start != 0);
        if with_starts {
            into.starts.resize(first, 0);
        }
        let push = |into: &mut SampleColumn, time: i64, value: u64, start: i64, histogram: Option<Arc<FloatHistogram>>| {
            if let Some(histogram) = histogram {
                into.histograms.push((into.times.len() as u32, histogram));
            }
            into.times.push(time);
            into.values.push(f64::from_bits(value));
            if with_starts {
                into.starts.push(start);
            }
        };
        self.chunk.each(mark.count as usize, |time, value| {
            while let Some(late) = late.next_if(|late| late.time < time) {
                push(into, late.time, late.value, late.start, late.histogram.clone());
            }
            while extra.starts.get(run).is_some_and(|(from, _)| *from <= number) {
                run += 1;
            }
            let mut shown = None;
            if extra.at.get(next) == Some(&number) {
                next += 1;
                last = histogram::decode(&mut packed, last.as_ref(), f64::from_bits(value));
                shown = last.as_ref().filter(|_| inside(time)).map(|histogram| Arc::new(histogram.clone()));
            }
            if inside(time) {
                let start = if run == 0 { 0 } else { extra.starts[run - 1].1 };
                push(into, time, value, start, shown);
            }
            number += 1;
        });
        late.for_each(|late| push(into, late.time, late.value, late.start, late.histogram.clone()));
    }
}

impl Generation {
    /// Adds the rows of a committed batch. The writer alone calls it.
    pub(crate) fn push(&self, rows: &Rows) {
        let mut chunks = self.chunks.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        let (mut first, mut last) = (i64::MAX, i64::MIN);
        let (mut samples, mut before, mut after) = (0, 0, 0);
        for entry in &rows.entries {
            let place = chunks.place_of(entry.series);
            let series = &mut chunks.series[place];
            before += series.heap_bytes();
            let mut next = if rows.histograms.is_empty() { 0 } else { rows.first_histogram(entry.samples.start) };
            for at in entry.samples.clone() {
                let histogram = rows.histograms.get(next).filter(|(sample, _)| *sample == at).map(|(_, histogram)| histogram);
                next += usize::from(histogram.is_some());
                let place = at as usize;
                series.push(rows.times[place], rows.values[place].to_bits(), rows.start(place), histogram);
                first = first.min(rows.times[place]);
                last = last.max(rows.times[place]);
            }
            samples += entry.samples.len() as u64;
            after += series.heap_bytes();
        }
        chunks.exemplars.extend(rows.exemplars.iter().cloned());
        drop(chunks);
        self.samples.fetch_add(samples, Ordering::Relaxed);
        self.bytes.fetch_add((after - before) as u64, Ordering::Relaxed);
        self.first.fetch_min(first, Ordering::Relaxed);
        self.last.fetch_max(last, Ordering::Relaxed);
    }

    /// Notes the journal row, its receipt and what it counts for.
    pub(crate) fn note(&self, row: i64, bytes: usize, received: i64, counts: &[((Door, SmolStr), u64)]) {
        self.last_row.fetch_max(row, Ordering::Relaxed);
        self.row_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        self.received.0.fetch_min(received, Ordering::Relaxed);
        self.received.1.fetch_max(received, Ordering::Relaxed);
        let mut chunks = self.chunks.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        for (key, count) in counts {
            *chunks.counts.entry(key.clone()).or_default() += count;
        }
    }

    /// Samples by door and service.
    pub(crate) fn counts(&self) -> HashMap<(Door, SmolStr), u64> {
        read_lock(&self.chunks).counts.clone()
    }

    /// Samples.
    pub(crate) fn samples(&self) -> u64 {
        self.samples.load(Ordering::Relaxed)
    }

    /// Bytes of chunks.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Earliest and latest sample; `None` when empty.
    pub(crate) fn extent(&self) -> Option<(i64, i64)> {
        (self.samples() > 0).then(|| (self.first.load(Ordering::Relaxed), self.last.load(Ordering::Relaxed)))
    }

    /// Series with samples, by number.
    pub(crate) fn series(&self) -> Vec<SeriesId> {
        let mut ids = read_lock(&self.chunks).ids.clone();
        ids.sort_unstable();
        ids
    }

    /// Exemplars in the order they came.
    pub(crate) fn exemplars(&self) -> Vec<(SeriesId, Exemplar)> {
        read_lock(&self.chunks).exemplars.clone()
    }

    /// How much there is of each of some series.
    pub(crate) fn marks(&self, ids: &[SeriesId]) -> Vec<Mark> {
        let chunks = read_lock(&self.chunks);
        let of = |series: &HeadSeries| Mark {
            count: series.chunk.len() as u32,
            late: series.extra.as_ref().map_or(0, |extra| extra.late.len() as u32),
        };
        ids.iter().map(|id| chunks.get(*id).map_or(Mark::NONE, of)).collect()
    }

    /// Appends a series' samples within the range and the mark, by time.
    pub(crate) fn read(&self, id: SeriesId, range: MillisRange, mark: Mark, into: &mut SampleColumn) {
        if mark == Mark::NONE {
            return;
        }
        if let Some(series) = read_lock(&self.chunks).get(id) {
            series.read(range, mark, into);
        }
    }
}

impl Chunks {
    fn get(&self, id: SeriesId) -> Option<&HeadSeries> {
        let place = *self.place.get(id as usize)?;
        self.series.get(place as usize)
    }

    fn place_of(&mut self, id: SeriesId) -> usize {
        let at = id as usize;
        if self.place.len() <= at {
            self.place.resize(at + 1, NONE);
        }
        if self.place[at] == NONE {
            self.place[at] = self.series.len() as u32;
            self.series.push(HeadSeries::default());
            self.ids.push(id);
        }
        self.place[at] as usize
    }
}
