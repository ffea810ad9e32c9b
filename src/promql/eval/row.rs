//! Rows: one series over the steps of a frame, as flat arrays with presence bits.

use crate::model::{FloatHistogram, Labels, SampleColumn, SampleValue};
use crate::promql::histogram;
use std::sync::Arc;

/// The steps that an expression is evaluated at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Frame {
    pub start: i64,
    pub interval: i64,
    pub steps: usize,
}

impl Frame {
    pub fn new(start: i64, end: i64, interval: i64) -> Self {
        let steps = if end < start { 0 } else { usize::try_from((end - start) / interval.max(1) + 1).unwrap_or(0) };
        Self { start, interval: interval.max(1), steps }
    }

    pub fn time(&self, step: usize) -> i64 {
        self.start + self.interval * step as i64
    }

    pub fn last(&self) -> i64 {
        self.time(self.steps.saturating_sub(1))
    }

    pub fn first_only(&self) -> Self {
        Self { steps: self.steps.min(1), ..*self }
    }
}

/// One bit a step.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Bits(Vec<u64>);

impl Bits {
    pub fn new(length: usize) -> Self {
        Self(vec![0; length.div_ceil(64)])
    }

    #[inline]
    pub fn set(&mut self, at: usize) {
        self.0[at >> 6] |= 1 << (at & 63);
    }

    #[inline]
    pub fn clear(&mut self, at: usize) {
        self.0[at >> 6] &= !(1 << (at & 63));
    }

    #[inline]
    pub fn has(&self, at: usize) -> bool {
        self.0[at >> 6] >> (at & 63) & 1 == 1
    }

    pub fn reset(&mut self) {
        self.0.fill(0);
    }

    pub fn count(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    pub fn any(&self) -> bool {
        self.0.iter().any(|word| *word != 0)
    }

    pub fn overlaps(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).any(|(a, b)| a & b != 0)
    }

    pub fn and(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(a, b)| *a &= b);
    }

    pub fn and_not(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(a, b)| *a &= !b);
    }

    pub fn or(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(a, b)| *a |= b);
    }

    pub fn ones(&self) -> impl Iterator<Item = usize> + '_ {
        self.0.iter().enumerate().flat_map(|(index, word)| {
            let mut word = *word;
            std::iter::from_fn(move || {
                if word == 0 {
                    return None;
                }
                let bit = word.trailing_zeros() as usize;
                word &= word - 1;
                Some(index * 64 + bit)
            })
        })
    }
}

/// A value at a step.
#[derive(Clone, Debug)]
pub(super) enum Sample {
    Float(f64),
    Histogram(Arc<FloatHistogram>),
}

/// Values over the steps.
#[derive(Clone, Debug, Default)]
pub(super) struct Steps {
    pub values: Vec<f64>,
    pub present: Bits,
    /// Empty while there is none.
    pub histograms: Vec<Option<Arc<FloatHistogram>>>,
}

impl Steps {
    pub fn new(steps: usize) -> Self {
        Self { values: vec![0.0; steps], present: Bits::new(steps), histograms: Vec::new() }
    }

    #[inline]
    pub fn set_float(&mut self, step: usize, value: f64) {
        self.values[step] = value;
        self.present.set(step);
    }

    pub fn set(&mut self, step: usize, sample: Sample) {
        match sample {
            Sample::Float(value) => self.set_float(step, value),
            Sample::Histogram(histogram) => {
                if self.histograms.is_empty() {
                    self.histograms = vec![None; self.values.len()];
                }
                self.histograms[step] = Some(histogram);
                self.present.set(step);
            }
        }
    }

    pub fn unset(&mut self, step: usize) {
        self.present.clear(step);
        if let Some(slot) = self.histograms.get_mut(step) {
            *slot = None;
        }
    }

    /// Drops histograms at steps that are not present.
    pub fn tidy(&mut self) {
        for (step, slot) in self.histograms.iter_mut().enumerate() {
            if slot.is_some() && !self.present.has(step) {
                *slot = None;
            }
        }
    }

    #[inline]
    pub fn get(&self, step: usize) -> Option<Sample> {
        if !self.present.has(step) {
            return None;
        }
        Some(match self.histogram(step) {
            Some(histogram) => Sample::Histogram(histogram.clone()),
            None => Sample::Float(self.values[step]),
        })
    }

    #[inline]
    pub fn float(&self, step: usize) -> Option<f64> {
        (self.present.has(step) && self.histogram(step).is_none()).then(|| self.values[step])
    }

    #[inline]
    pub fn histogram(&self, step: usize) -> Option<&Arc<FloatHistogram>> {
        self.histograms.get(step).and_then(Option::as_ref)
    }

    pub fn has_histograms(&self) -> bool {
        self.histograms.iter().any(Option::is_some)
    }

    /// Samples that these count for.
    pub fn weight(&self) -> u64 {
        let histograms: u64 = self.histograms.iter().flatten().map(|histogram| histogram::size(histogram)).sum();
        let count = self.histograms.iter().flatten().count();
        (self.present.count() - count.min(self.present.count())) as u64 + histograms
    }
}

/// One series over the steps.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub labels: Labels,
    /// The name goes away when the query is done.
    pub drop_name: bool,
    pub steps: Steps,
}

/// What an expression evaluates to.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Rows(Vec<Row>),
    Scalar(Vec<f64>),
    Text(String),
}

/// Samples of one series of a range query's answer, or of a range vector.
#[derive(Clone, Debug)]
pub struct MatrixSeries {
    /// What names it.
    pub labels: Labels,
    /// Samples by time.
    pub samples: SampleColumn,
}

impl Row {
    pub fn into_series(self, frame: &Frame) -> MatrixSeries {
        let mut samples = SampleColumn::default();
        for step in self.steps.present.ones() {
            match self.steps.get(step) {
                Some(Sample::Float(value)) => {
                    samples.times.push(frame.time(step));
                    samples.values.push(value);
                }
                Some(Sample::Histogram(histogram)) => samples.push(frame.time(step), SampleValue::Histogram(histogram)),
                None => {}
            }
        }
        MatrixSeries { labels: self.labels, samples }
    }
}
