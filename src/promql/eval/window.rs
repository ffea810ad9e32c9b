//! A series' samples made ready for windows: numbers and histograms apart, stale markers left out.

use super::row::Row;
use crate::model::{FloatHistogram, ResetHint, SampleColumn, sample::is_stale};
use crate::promql::eval::row::Frame;
use crate::promql::histogram::{detect_reset, size};
use std::ops::Range;
use std::sync::Arc;

/// Samples of one series.
#[derive(Default, Debug)]
pub(super) struct Samples {
    pub times: Vec<i64>,
    pub values: Vec<f64>,
    /// Start times of `values`; empty when none is of use.
    pub starts: Vec<i64>,
    /// Indices whose value is lower than the one before.
    pub falls: Vec<u32>,
    pub histogram_times: Vec<i64>,
    pub histograms: Vec<Arc<FloatHistogram>>,
    pub histogram_starts: Vec<i64>,
    /// Is there a reset between this histogram and the one before? Filled when first asked for.
    resets: Vec<Option<bool>>,
}

impl Samples {
    fn clear(&mut self) {
        self.times.clear();
        self.values.clear();
        self.starts.clear();
        self.falls.clear();
        self.histogram_times.clear();
        self.histograms.clear();
        self.histogram_starts.clear();
        self.resets.clear();
    }

    /// From a column that was read; its memory is taken over where nothing must be left out.
    pub fn fill(&mut self, column: &mut SampleColumn, with_starts: bool) {
        self.clear();
        if column.histograms.is_empty() && !column.values.iter().any(|value| is_stale(*value)) {
            std::mem::swap(&mut self.times, &mut column.times);
            std::mem::swap(&mut self.values, &mut column.values);
            if with_starts {
                std::mem::swap(&mut self.starts, &mut column.starts);
            }
        } else {
            let mut histograms = column.histograms.iter().peekable();
            for (index, (time, value)) in column.times.iter().zip(&column.values).enumerate() {
                let histogram = histograms.next_if(|(at, _)| *at as usize == index);
                let start = column.starts.get(index).filter(|_| with_starts);
                if is_stale(*value) {
                    continue;
                }
                if let Some((_, histogram)) = histogram {
                    self.histogram_times.push(*time);
                    self.histograms.push(histogram.clone());
                    self.histogram_starts.extend(start);
                } else {
                    self.times.push(*time);
                    self.values.push(*value);
                    self.starts.extend(start);
                }
            }
        }
        self.index();
    }

    /// From a row of a subquery.
    pub fn fill_from_row(&mut self, row: &Row, frame: &Frame) {
        self.clear();
        for step in row.steps.present.ones() {
            if let Some(histogram) = row.steps.histogram(step) {
                self.histogram_times.push(frame.time(step));
                // What is known of resets concerned neighbours that may not be here.
                self.histograms.push(if matches!(histogram.reset, ResetHint::Reset | ResetHint::NotReset) {
                    Arc::new(FloatHistogram { reset: ResetHint::Unknown, ..histogram.as_ref().clone() })
                } else {
                    histogram.clone()
                });
            } else if !is_stale(row.steps.values[step]) {
                self.times.push(frame.time(step));
                self.values.push(row.steps.values[step]);
            }
        }
        self.index();
    }

    fn index(&mut self) {
        let falls = self.values.windows(2).enumerate().filter(|(_, pair)| pair[1] < pair[0]);
        self.falls.extend(falls.map(|(index, _)| index as u32 + 1));
        self.resets.resize(self.histograms.len(), None);
    }

    /// Samples that windows of these count for.
    pub fn weight(&self, floats: &Range<usize>, histograms: &Range<usize>) -> u64 {
        let histograms: u64 = self.histograms[histograms.clone()].iter().map(|histogram| size(histogram)).sum();
        floats.len() as u64 + histograms
    }

    /// True when a counter histogram begins again at an index.
    pub fn histogram_fell(&mut self, index: usize) -> bool {
        if let Some(known) = self.resets[index] {
            return known;
        }
        let fell = detect_reset(&self.histograms[index], &self.histograms[index - 1]);
        self.resets[index] = Some(fell);
        fell
    }

    pub fn start(&self, index: usize) -> i64 {
        self.starts.get(index).copied().unwrap_or(0)
    }

    pub fn histogram_start(&self, index: usize) -> i64 {
        self.histogram_starts.get(index).copied().unwrap_or(0)
    }
}

/// What stands in a window: indices into [`Samples`], and the window's place in time.
#[derive(Clone, Debug)]
pub(super) struct Window {
    pub floats: Range<usize>,
    pub histograms: Range<usize>,
    /// Step.
    pub time: i64,
    /// The range, without what `anchored` and `smoothed` look at beyond it: open at the start, closed at the end.
    pub start: i64,
    pub end: i64,
}

/// Moves a half-open pair of indices so that it covers `(from, to]`.
pub(super) fn slide(times: &[i64], range: &mut Range<usize>, from: i64, to: i64) {
    while range.end < times.len() && times[range.end] <= to {
        range.end += 1;
    }
    while range.start < range.end && times[range.start] <= from {
        range.start += 1;
    }
}

/// True when a start time tells of a reset between two samples.
pub(super) fn start_tells_reset(before_start: i64, before: i64, start: i64, time: i64) -> bool {
    if before_start == start || start == 0 || start >= time || start < before {
        return false;
    }
    if start > before {
        return true;
    }
    before_start <= before && before_start != 0 && before_start != before
}

/// True when a start time tells of a reset after a moment.
pub(super) fn start_tells_reset_after(moment: i64, start: i64, time: i64) -> bool {
    start > moment && time > moment && start_tells_reset(moment, moment, start, time)
}
