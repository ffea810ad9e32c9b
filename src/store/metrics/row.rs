//! A batch of samples by number of series, and as one row of the journal.
//!
//! The row is written on the way to the acknowledgement and lives until its samples are sealed, so it must be cheap rather
//! than small: series and times as differences, values as their leading bytes that are not zero (a whole number has few),
//! with the number of bytes in four bits each. Samples of the load generator take about 6 bytes in 10 ns.
//! Reading never panics; every index in the answer is in bounds.

use super::super::bytes::{In, Out};
use super::histogram;
use super::index::SeriesId;
use crate::model::{Exemplar, FloatHistogram, Labels, SampleBatch};
use std::ops::Range;
use std::sync::Arc;

/// First byte of a row.
const VERSION: u8 = 1;
/// Every series has one sample.
const SINGLE: u8 = 1;
/// Start times are given.
const STARTS: u8 = 2;

/// A series' samples in the columns.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Entry {
    pub(crate) series: SeriesId,
    pub(crate) samples: Range<u32>,
}

/// Samples by number of series; the columns are those of [`SampleBatch`].
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct Rows {
    pub(crate) entries: Vec<Entry>,
    pub(crate) times: Vec<i64>,
    pub(crate) values: Vec<f64>,
    pub(crate) starts: Vec<i64>,
    pub(crate) histograms: Vec<(u32, Arc<FloatHistogram>)>,
    pub(crate) exemplars: Vec<(SeriesId, Exemplar)>,
}

impl Rows {
    /// Takes a batch's columns; series that were refused (no number in `ids`) stay in the columns without an entry.
    pub(crate) fn new(batch: SampleBatch, ids: &[Option<SeriesId>]) -> Self {
        let entries = batch.series.iter().zip(ids).filter_map(|(series, id)| {
            let end = series.samples.end.min(batch.times.len() as u32);
            Some(Entry { series: (*id)?, samples: series.samples.start.min(end)..end })
        });
        let entries = entries.collect();
        let exemplar = |(at, exemplar): (u32, Exemplar)| Some((ids.get(at as usize).copied().flatten()?, exemplar));
        Self {
            entries,
            values: batch.values,
            starts: if batch.starts.len() == batch.times.len() { batch.starts } else { Vec::new() },
            times: batch.times,
            histograms: batch.histograms,
            exemplars: batch.exemplars.into_iter().filter_map(exemplar).collect(),
        }
    }

    /// Samples that entries name.
    pub(crate) fn len(&self) -> usize {
        self.entries.iter().map(|entry| entry.samples.len()).sum()
    }

    /// Start time of a sample; 0 is unknown.
    pub(crate) fn start(&self, at: usize) -> i64 {
        self.starts.get(at).copied().unwrap_or(0)
    }

    /// Where the histograms of samples from `at` on stand.
    pub(crate) fn first_histogram(&self, at: u32) -> usize {
        self.histograms.partition_point(|(sample, _)| *sample < at)
    }

    /// The same without some samples, by index.
    pub(crate) fn without(&self, dropped: &[bool]) -> Self {
        let mut kept = Self { exemplars: self.exemplars.clone(), ..Self::default() };
        for entry in &self.entries {
            let first = kept.times.len() as u32;
            let mut histograms = self.first_histogram(entry.samples.start);
            for at in entry.samples.clone() {
                let place = at as usize;
                while self.histograms.get(histograms).is_some_and(|(sample, _)| *sample < at) {
                    histograms += 1;
                }
                if dropped.get(place).copied().unwrap_or(false) {
                    continue;
                }
                if let Some((_, histogram)) = self.histograms.get(histograms).filter(|(sample, _)| *sample == at) {
                    kept.histograms.push((kept.times.len() as u32, histogram.clone()));
                }
                kept.times.push(self.times[place]);
                kept.values.push(self.values[place]);
                if !self.starts.is_empty() {
                    kept.starts.push(self.starts[place]);
                }
            }
            let end = kept.times.len() as u32;
            if end > first {
                kept.entries.push(Entry { series: entry.series, samples: first..end });
            }
        }
        kept
    }

    /// The journal row.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let count = self.len();
        let mut out = Out::with_capacity(count * 8 + self.entries.len() * 3 + 64);
        let single = self.entries.iter().all(|entry| entry.samples.len() == 1);
        out.u8(VERSION);
        out.u8(if single { SINGLE } else { 0 } | if self.starts.is_empty() { 0 } else { STARTS });
        out.varint(self.entries.len() as u64);
        let mut last = -1_i64;
        for entry in &self.entries {
            out.signed(i64::from(entry.series) - last - 1);
            last = i64::from(entry.series);
            if !single {
                out.varint(entry.samples.len() as u64);
            }
        }
        let samples = || self.entries.iter().flat_map(|entry| entry.samples.clone()).map(|at| at as usize);
        let mut last = 0_i64;
        for at in samples() {
            out.signed(self.times[at].wrapping_sub(last));
            last = self.times[at];
        }
        self.put_values(samples(), count, &mut out);
        if !self.starts.is_empty() {
            let mut last = 0_i64;
            for at in samples() {
                out.signed(self.starts[at].wrapping_sub(last));
                last = self.starts[at];
            }
        }
        self.put_histograms(&mut out);
        out.varint(self.exemplars.len() as u64);
        for (series, exemplar) in &self.exemplars {
            out.varint(u64::from(*series));
            out.signed(exemplar.time);
            out.u64(exemplar.value.to_bits());
            out.sized(exemplar.labels.packed());
        }
        out.0
    }

    /// Lengths in four bits each, then the bytes.
    fn put_values(&self, samples: impl Iterator<Item = usize>, count: usize, out: &mut Out) {
        let lengths = out.0.len();
        out.0.resize(lengths + count.div_ceil(2), 0);
        for (number, at) in samples.enumerate() {
            let bits = self.values[at].to_bits();
            let length = 8 - (bits.trailing_zeros() / 8).min(8) as usize;
            out.0[lengths + number / 2] |= (length as u8) << (4 * (number & 1));
            out.raw(&bits.to_be_bytes()[..length]);
        }
    }

    fn put_histograms(&self, out: &mut Out) {
        let mut kept = Out::default();
        let (mut number, mut count, mut before) = (0_u64, 0_u64, 0_u64);
        if !self.histograms.is_empty() {
            for entry in &self.entries {
                let mut place = self.first_histogram(entry.samples.start);
                let mut last: Option<&FloatHistogram> = None;
                while let Some((sample, histogram)) = self.histograms.get(place).filter(|(at, _)| *at < entry.samples.end) {
                    let at = number + u64::from(sample - entry.samples.start);
                    kept.varint(at - before);
                    histogram::encode(histogram, last, &mut kept);
                    (before, last) = (at, Some(&**histogram));
                    count += 1;
                    place += 1;
                }
                number += entry.samples.len() as u64;
            }
        }
        out.varint(count);
        out.raw(&kept.0);
    }

    /// Reads a row. `None` for anything that [`Rows::encode`] did not write.
    pub(crate) fn decode(row: &[u8]) -> Option<Self> {
        let mut bytes = In(row);
        if bytes.u8()? != VERSION {
            return None;
        }
        let flags = bytes.u8()?;
        let mut rows = Self::default();
        let (mut last, mut end) = (-1_i64, 0_u32);
        for _ in 0..bytes.count()? {
            last = last.checked_add(1)?.checked_add(bytes.signed()?)?;
            let length = if flags & SINGLE != 0 { 1 } else { bytes.u32()? };
            let series = SeriesId::try_from(last).ok()?;
            let start = end;
            end = end.checked_add(length)?;
            rows.entries.push(Entry { series, samples: start..end });
        }
        let count = end as usize;
        if count > bytes.0.len() {
            return None;
        }
        rows.times = take_differences(&mut bytes, count)?;
        let lengths = bytes.raw(count.div_ceil(2))?;
        for number in 0..count {
            let length = usize::from(lengths[number / 2] >> (4 * (number & 1)) & 15);
            let mut bits = [0; 8];
            bits.get_mut(..length)?.copy_from_slice(bytes.raw(length)?);
            rows.values.push(f64::from_bits(u64::from_be_bytes(bits)));
        }
        if flags & STARTS != 0 {
            rows.starts = take_differences(&mut bytes, count)?;
        }
        rows.take_histograms(&mut bytes)?;
        for _ in 0..bytes.count()? {
            let series = bytes.u32()?;
            let (time, value) = (bytes.signed()?, f64::from_bits(bytes.u64()?));
            rows.exemplars.push((series, Exemplar { labels: Labels::from_packed(bytes.sized()?)?, value, time }));
        }
        bytes.is_empty().then_some(rows)
    }

    fn take_histograms(&mut self, bytes: &mut In<'_>) -> Option<()> {
        let (mut at, mut entry, mut last): (u64, usize, Option<FloatHistogram>) = (0, 0, None);
        for _ in 0..bytes.count()? {
            at = at.checked_add(bytes.varint()?)?;
            while u64::from(self.entries.get(entry)?.samples.end) <= at {
                entry += 1;
                last = None;
            }
            let sum = *self.values.get(at as usize)?;
            let read = histogram::decode(bytes, last.as_ref(), sum)?;
            self.histograms.push((at as u32, Arc::new(read.clone())));
            last = Some(read);
        }
        Some(())
    }
}

fn take_differences(bytes: &mut In<'_>, count: usize) -> Option<Vec<i64>> {
    let mut last = 0_i64;
    let mut column = Vec::with_capacity(count);
    for _ in 0..count {
        last = last.wrapping_add(bytes.signed()?);
        column.push(last);
    }
    Some(column)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::SampleValue;
    use crate::model::sample::STALE_NAN;

    fn rows(starts: bool) -> Rows {
        let mut batch = SampleBatch::default();
        let labels = |n: u32| Labels::new([("__name__", "m".to_owned()), ("n", n.to_string())]);
        for n in 0..5 {
            batch.begin_series(&labels(n));
            for at in 0..i64::from(n) + 1 {
                let value = [0.0, -0.0, 300.0, 0.1, STALE_NAN, f64::MAX][at as usize];
                batch.push(1_700_000_000_000 + at * 15_000, SampleValue::Float(value));
            }
            if n % 2 == 1 {
                for at in 0..2 {
                    let histogram = FloatHistogram { count: f64::from(n) + at as f64, sum: 1.5, ..FloatHistogram::default() };
                    batch.push(1_700_000_900_000 + at, SampleValue::Histogram(Arc::new(histogram)));
                }
            }
        }
        if starts {
            batch.starts = batch.times.iter().map(|time| time - 7).collect();
        }
        batch.exemplars.push((2, Exemplar { labels: labels(9), value: 0.25, time: -3 }));
        Rows::new(batch, &[Some(7), Some(3), None, Some(4_000_000), Some(0)])
    }

    fn readable(rows: &Rows) -> Vec<String> {
        let of = |entry: &Entry| {
            let samples = entry.samples.clone().map(|at| {
                let histogram = rows.histograms.iter().find(|(sample, _)| *sample == at).map(|(_, histogram)| histogram);
                let at = at as usize;
                format!("{} {:x} {} {histogram:?}", rows.times[at], rows.values[at].to_bits(), rows.start(at))
            });
            format!("{} {:?}", entry.series, samples.collect::<Vec<_>>())
        };
        rows.entries.iter().map(of).collect()
    }

    #[test]
    fn a_row_comes_back_without_the_refused_series() {
        for starts in [false, true] {
            let rows = rows(starts);
            let read = Rows::decode(&rows.encode()).unwrap();
            assert_eq!(readable(&read), readable(&rows));
            assert_eq!(read.len(), 1 + 4 + 6 + 5);
            assert!(read.exemplars.is_empty(), "its series was refused");
        }
    }

    #[test]
    fn dropped_samples_are_gone_and_the_rest_is_as_it_was() {
        let rows = rows(true);
        let dropped: Vec<bool> = (0..rows.times.len()).map(|at| at % 3 == 0).collect();
        let kept = rows.without(&dropped);
        let expected: usize = rows.entries.iter().map(|entry| entry.samples.clone().filter(|at| at % 3 != 0).count()).sum();
        assert_eq!(kept.len(), expected);
        assert_eq!(readable(&Rows::decode(&kept.encode()).unwrap()), readable(&kept));
        assert_eq!(readable(&rows.without(&[])), readable(&rows));
    }

    #[test]
    fn damage_is_refused_without_a_panic() {
        let whole = rows(true).encode();
        for at in 0..whole.len() {
            assert_eq!(Rows::decode(&whole[..at]), None, "cut at {at}");
            for change in [0x55, 0x80, 0xff] {
                let mut damaged = whole.clone();
                damaged[at] ^= change;
                Rows::decode(&damaged);
            }
        }
    }
}
