//! Selectors: instant vectors, range vectors as they are, and the times of samples.

use super::Evaluate;
use super::engine::{Engine, Scratch};
use super::plan::Reference;
use super::row::{Frame, MatrixSeries, Row, Sample, Steps};
use super::window::{Window, slide};
use crate::model::{FloatHistogram, Labels, ResetHint, SampleColumn, SampleValue, sample::is_stale};
use crate::promql::annotation::Note;
use crate::promql::ast::{Expr, Extension, VectorSelector};
use crate::promql::histogram::{detect_reset, size};
use crate::source::{MillisRange, SeriesSet};
use std::sync::Arc;

/// A sample as a selector sees it at a step.
pub(super) struct Seen {
    pub time: i64,
    pub start: i64,
    pub sample: Sample,
}

/// Series of a selector, with the range that they are read in.
#[derive(Clone)]
pub(super) struct Picked {
    pub set: Arc<dyn SeriesSet>,
    range: MillisRange,
    /// Buckets of histograms are of no use to the query: what comparing them tells of resets is told here.
    tell_resets: bool,
}

impl Picked {
    pub fn len(&self) -> usize {
        self.set.series().len()
    }

    pub fn labels(&self, index: usize) -> &Labels {
        &self.set.series()[index].labels
    }

    pub fn read(&self, index: usize, column: &mut SampleColumn) -> Evaluate<()> {
        self.set.read(index, self.range, column)?;
        if self.tell_resets {
            tell_resets(column);
        }
        Ok(())
    }
}

/// Writes into each histogram whether it begins again after the one before it.
fn tell_resets(column: &mut SampleColumn) {
    let mut before: Option<Arc<FloatHistogram>> = None;
    for (_, histogram) in &mut column.histograms {
        if is_stale(histogram.sum) {
            continue;
        }
        let current = histogram.clone();
        if let Some(before) = before.filter(|_| histogram.reset == ResetHint::Unknown) {
            let reset = if detect_reset(&current, &before) { ResetHint::Reset } else { ResetHint::NotReset };
            *histogram = Arc::new(FloatHistogram { reset, ..current.as_ref().clone() });
        }
        before = Some(current);
    }
}

impl Engine<'_> {
    /// Picks the series of a selector.
    pub(super) fn pick(&self, selector: &VectorSelector, reference: Reference, back: i64, ahead: i64) -> Evaluate<Picked> {
        let range = MillisRange { start: reference.first - back + 1, end: reference.last + ahead };
        let set = self.select(&selector.matchers, range)?;
        Ok(Picked { set, range, tell_resets: self.needs_no_buckets(selector) })
    }

    pub(super) fn vector_selector(&self, selector: &VectorSelector, frame: &Frame) -> Evaluate<Vec<Row>> {
        if selector.extension == Extension::Smoothed {
            return self.smoothed(selector, frame);
        }
        self.latest_rows(selector, frame, |seen| seen.sample)
    }

    /// Rows of what `value` makes of the latest sample at each step.
    pub(super) fn latest_rows(
        &self,
        selector: &VectorSelector,
        frame: &Frame,
        value: impl Fn(Seen) -> Sample + Sync,
    ) -> Evaluate<Vec<Row>> {
        let reference = self.reference(selector, frame)?;
        let lookback = self.options.lookback_ms;
        let picked = self.pick(selector, reference, lookback, 0)?;
        self.each_series(picked.len(), frame.steps, |index, scratch| {
            let mut steps = Steps::new(frame.steps);
            self.latest(&picked, index, reference, frame, scratch, |step, seen| steps.set(step, value(seen)))?;
            let labels = picked.labels(index).clone();
            Ok(steps.present.any().then_some(Row { labels, drop_name: false, steps }))
        })
    }

    /// Calls `each` with the latest sample at each step that has one.
    pub(super) fn latest(
        &self,
        picked: &Picked,
        index: usize,
        reference: Reference,
        frame: &Frame,
        scratch: &mut Scratch,
        mut each: impl FnMut(usize, Seen),
    ) -> Evaluate<()> {
        let column = &mut scratch.column;
        picked.read(index, column)?;
        let (mut next, mut counted) = (0, 0);
        for step in 0..frame.steps {
            let at = reference.at(frame, step);
            while next < column.times.len() && column.times[next] <= at {
                next += 1;
            }
            let Some(place) = next.checked_sub(1) else { continue };
            let (time, value) = (column.times[place], column.values[place]);
            if time <= at - self.options.lookback_ms || is_stale(value) {
                continue;
            }
            let sample = if column.histograms.is_empty() { Sample::Float(value) } else { sample_at(column, place) };
            counted += match &sample {
                Sample::Float(_) => 1,
                Sample::Histogram(histogram) => size(histogram),
            };
            each(step, Seen { time, start: column.starts.get(place).copied().unwrap_or(0), sample });
        }
        scratch.total += counted;
        scratch.read += counted;
        Ok(())
    }

    fn smoothed(&self, selector: &VectorSelector, frame: &Frame) -> Evaluate<Vec<Row>> {
        let reference = self.reference(selector, frame)?;
        let lookback = self.options.lookback_ms;
        let picked = self.pick(selector, reference, lookback, lookback)?;
        self.each_series(picked.len(), frame.steps, |index, scratch| {
            picked.read(index, &mut scratch.column)?;
            scratch.samples.fill(&mut scratch.column, false);
            let samples = &scratch.samples;
            let labels = picked.labels(index);
            let mut steps = Steps::new(frame.steps);
            let mut window = Window { floats: 0..0, histograms: 0..0, time: 0, start: 0, end: 0 };
            for step in 0..frame.steps {
                let at = reference.at(frame, step);
                slide(&samples.times, &mut window.floats, at - lookback, at + lookback);
                slide(&samples.histogram_times, &mut window.histograms, at - lookback, at + lookback);
                let weight = samples.weight(&window.floats, &window.histograms);
                scratch.total += weight;
                scratch.read += weight;
                if !window.floats.is_empty() && !window.histograms.is_empty() {
                    scratch.notes.add(Note::MixedFloatsHistograms(labels.metric_name().to_owned()), selector.at);
                } else if !window.histograms.is_empty() {
                    let sample = super::extended::smoothed_histogram(
                        samples,
                        &window,
                        at,
                        labels.metric_name(),
                        selector.at,
                        &mut scratch.notes,
                    )?;
                    if let Some(histogram) = sample {
                        steps.set(step, Sample::Histogram(Arc::new(histogram)));
                    }
                } else if !window.floats.is_empty() {
                    let inside = &samples.times[window.floats.clone()];
                    let place = inside.partition_point(|time| *time < at);
                    let value = |place: usize| samples.values[window.floats.start + place];
                    if place < inside.len() && inside[place] == at {
                        steps.set_float(step, value(place));
                    } else if place > 0 && place < inside.len() {
                        let (first, second) = ((inside[place - 1], value(place - 1)), (inside[place], value(place)));
                        steps.set_float(step, super::extended::interpolate(first, second, at, false));
                    } else if place > 0 {
                        steps.set_float(step, value(place - 1));
                    }
                }
            }
            Ok(steps.present.any().then(|| Row { labels: labels.clone(), drop_name: false, steps }))
        })
    }

    /// A range vector as the value of a query.
    pub(super) fn range_vector(&self, expr: &Expr, frame: &Frame) -> Evaluate<Vec<MatrixSeries>> {
        match expr {
            Expr::Matrix(node) => {
                let range_ms = self.millis(&node.range, false)?;
                let reference = self.reference(&node.selector, frame)?;
                let lookback = self.options.lookback_ms;
                let (back, ahead) = match node.selector.extension {
                    Extension::None => (range_ms, 0),
                    Extension::Anchored => (range_ms + lookback, 0),
                    Extension::Smoothed => (range_ms + lookback, lookback),
                };
                let picked = self.pick(&node.selector, reference, back, ahead)?;
                let mut scratch = Scratch::default();
                let mut out = Vec::new();
                for index in 0..picked.len() {
                    self.check()?;
                    picked.read(index, &mut scratch.column)?;
                    let samples = self.plain_samples(&mut scratch, node.selector.extension, reference.first, range_ms)?;
                    if samples.is_empty() {
                        continue;
                    }
                    let weight = samples.len() as u64;
                    self.hold(weight)?;
                    scratch.total += weight;
                    out.push(MatrixSeries { labels: picked.labels(index).clone(), samples });
                }
                self.count(&scratch);
                Ok(out)
            }
            Expr::Subquery(node) => {
                let (inner, _, _) = self.subquery_frame(node, frame)?;
                let rows = self.finish_names(self.rows(&node.expr, &inner)?)?;
                Ok(rows.into_iter().filter(|row| row.steps.present.any()).map(|row| row.into_series(&inner)).collect())
            }
            _ => super::failed("expected a range vector"),
        }
    }

    fn plain_samples(&self, scratch: &mut Scratch, extension: Extension, end: i64, range_ms: i64) -> Evaluate<SampleColumn> {
        let column = &scratch.column;
        let mut out = SampleColumn::default();
        if extension == Extension::None {
            for place in 0..column.len() {
                if !is_stale(column.values[place]) {
                    let value = match sample_at(column, place) {
                        Sample::Float(value) => SampleValue::Float(value),
                        Sample::Histogram(histogram) => SampleValue::Histogram(histogram),
                    };
                    out.push(column.times[place], value);
                }
            }
            return Ok(out);
        }
        scratch.samples.fill(&mut scratch.column, self.options.start_timestamps);
        let samples = &scratch.samples;
        if !samples.histograms.is_empty() {
            let word = if extension == Extension::Anchored { "anchored" } else { "smoothed" };
            return super::failed(format!("{word} modifier is not supported with histograms"));
        }
        let window = Window { floats: 0..samples.times.len(), histograms: 0..0, time: end, start: end - range_ms, end };
        for (time, value) in super::extended::extended(samples, &window, extension, self.options.lookback_ms) {
            out.times.push(time);
            out.values.push(value);
        }
        Ok(out)
    }
}

fn sample_at(column: &SampleColumn, place: usize) -> Sample {
    match column.histograms.binary_search_by_key(&(place as u32), |(index, _)| *index) {
        Ok(found) => Sample::Histogram(column.histograms[found].1.clone()),
        Err(_) => Sample::Float(column.values[place]),
    }
}
