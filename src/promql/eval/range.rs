//! Functions over range vectors: one series at a time, a window slid along it.

use super::engine::{Engine, Scratch, merge_equal};
use super::numbers::{average, integral, median_deviation, quantile, regression, smooth, time_of, variance};
use super::plan::Reference;
use super::rate::{About, instant_rate, rate};
use super::row::{Frame, Row, Sample, Steps};
use super::select::Picked;
use super::window::{Samples, Window, slide, start_tells_reset};
use super::{Evaluate, failed};
use crate::model::{FloatHistogram, Labels, ResetHint};
use crate::promql::Span;
use crate::promql::annotation::{HistogramOperation, Note};
use crate::promql::ast::{Call, Expr, Extension};
use crate::promql::functions::FunctionId;
use crate::promql::histogram::{Compensated, HistogramError, has_overflow, kahan_inc, same};
use std::sync::Arc;

/// A call over a range vector, its arguments evaluated.
pub(super) struct RangeCall {
    pub id: FunctionId,
    pub range_ms: i64,
    pub extension: Extension,
    pub lookback_ms: i64,
    /// Place of the range vector.
    pub at: Span,
    /// Place of the first argument.
    first_arg: Span,
    /// Place of the second argument.
    second_arg: Span,
    /// The other arguments at each step.
    scalars: Vec<Vec<f64>>,
}

/// Where the series of a call come from.
enum Input {
    Set(Picked),
    Rows { rows: Vec<Row>, frame: Frame },
}

/// A call that is ready to be made for each series.
pub(super) struct Prepared {
    pub call: RangeCall,
    input: Input,
    reference: Reference,
    frame: Frame,
    drop_name: bool,
}

impl Prepared {
    pub fn count(&self) -> usize {
        match &self.input {
            Input::Set(picked) => picked.len(),
            Input::Rows { rows, .. } => rows.len(),
        }
    }

    pub fn labels(&self, index: usize) -> &Labels {
        match &self.input {
            Input::Set(picked) => picked.labels(index),
            Input::Rows { rows, .. } => &rows[index].labels,
        }
    }

    pub fn drops_name(&self, index: usize) -> bool {
        self.drop_name
            || match &self.input {
                Input::Set(_) => false,
                Input::Rows { rows, .. } => rows[index].drop_name,
            }
    }
}

impl Engine<'_> {
    pub(super) fn range_call(&self, node: &Call, place: usize, frame: &Frame) -> Evaluate<Vec<Row>> {
        let prepared = self.prepare_range(node, place, frame)?;
        let rows = self.each_series(prepared.count(), frame.steps, |index, scratch| {
            let mut steps = Steps::new(frame.steps);
            self.compute(&prepared, index, scratch, &mut steps)?;
            if !steps.present.any() {
                return Ok(None);
            }
            let drop_name = prepared.drops_name(index);
            Ok(Some(Row { labels: self.result_labels(prepared.labels(index), drop_name), drop_name, steps }))
        })?;
        if let Input::Rows { rows, .. } = &prepared.input {
            self.release_rows(rows);
        }
        if node.function.id == FunctionId::AbsentOverTime {
            return Ok(absent_rows(rows, node, frame));
        }
        if self.options.delayed_name_removal { Ok(rows) } else { merge_equal(rows) }
    }

    pub(super) fn prepare_range(&self, node: &Call, place: usize, frame: &Frame) -> Evaluate<Prepared> {
        let id = node.function.id;
        let arg = node.args[place].unwrapped();
        let mut scalars = Vec::new();
        for (index, other) in node.args.iter().enumerate() {
            if index != place {
                scalars.push(self.scalar(other, frame)?);
            }
        }
        let lookback = self.options.lookback_ms;
        let (input, reference, range_ms, extension) = match arg {
            Expr::Subquery(subquery) => {
                let (inner, range_ms, reference) = self.subquery_frame(subquery, frame)?;
                let rows = self.rows(&subquery.expr, &inner)?;
                (Input::Rows { rows, frame: inner }, reference, range_ms, Extension::None)
            }
            Expr::Matrix(matrix) => {
                let range_ms = self.millis(&matrix.range, false)?;
                let extension = matrix.selector.extension;
                use FunctionId::{Changes, Delta, Increase, Rate, Resets};
                if extension == Extension::Anchored && !matches!(id, Changes | Delta | Increase | Rate | Resets) {
                    return failed(format!(
                        "anchored modifier can only be used with: changes, delta, increase, rate, resets - not with {}",
                        node.function.name
                    ));
                }
                if extension == Extension::Smoothed && !matches!(id, Delta | Increase | Rate) {
                    return failed(format!(
                        "smoothed modifier can only be used with: delta, increase, rate - not with {}",
                        node.function.name
                    ));
                }
                let (back, ahead) = match extension {
                    Extension::None => (range_ms, 0),
                    Extension::Anchored => (range_ms + lookback, 0),
                    Extension::Smoothed => (range_ms + lookback, lookback),
                };
                let reference = self.reference(&matrix.selector, frame)?;
                let picked = self.pick(&matrix.selector, reference, back, ahead)?;
                (Input::Set(picked), reference, range_ms, extension)
            }
            _ => return failed("expected a range vector"),
        };
        let at_of = |index: usize| node.args.get(index).map_or(node.at, |arg| arg.unwrapped().at());
        let call = RangeCall {
            id,
            range_ms,
            extension,
            lookback_ms: lookback,
            at: arg.at(),
            first_arg: at_of(0),
            second_arg: at_of(1),
            scalars,
        };
        let drop_name = !matches!(id, FunctionId::LastOverTime | FunctionId::FirstOverTime);
        Ok(Prepared { call, input, reference, frame: *frame, drop_name })
    }

    /// The call's values for one series.
    pub(super) fn compute(&self, prepared: &Prepared, index: usize, scratch: &mut Scratch, steps: &mut Steps) -> Evaluate<()> {
        let (call, frame, reference) = (&prepared.call, &prepared.frame, prepared.reference);
        use FunctionId::{Delta, Increase, Irate, Rate, Resets};
        let from_source = match &prepared.input {
            Input::Set(picked) => {
                picked.read(index, &mut scratch.column)?;
                let with_starts = self.options.start_timestamps && matches!(call.id, Rate | Irate | Increase | Resets);
                scratch.samples.fill(&mut scratch.column, with_starts);
                true
            }
            Input::Rows { rows, frame } => {
                scratch.samples.fill_from_row(&rows[index], frame);
                false
            }
        };
        let metric = prepared.labels(index).metric_name();
        let (behind, ahead) = match call.extension {
            Extension::None => (call.range_ms, 0),
            Extension::Anchored => (call.range_ms + call.lookback_ms, 0),
            Extension::Smoothed => (call.range_ms + call.lookback_ms, call.lookback_ms),
        };
        let Scratch { samples, notes, total, read, .. } = scratch;
        let mut windows = 0;
        let plain = samples.histograms.is_empty() && samples.starts.is_empty() && call.extension == Extension::None;
        if plain && matches!(call.id, Rate | Increase | Delta) && reference.moving {
            windows = plain_rates(samples, call, frame, reference, steps);
        } else {
            let mut window = Window { floats: 0..0, histograms: 0..0, time: 0, start: 0, end: 0 };
            let mut about = About { metric, at: call.at, notes };
            for step in 0..frame.steps {
                let at = reference.at(frame, step);
                if step == 0 || reference.moving {
                    slide(&samples.times, &mut window.floats, at - behind, at + ahead);
                    slide(&samples.histogram_times, &mut window.histograms, at - behind, at + ahead);
                }
                if window.floats.is_empty() && window.histograms.is_empty() {
                    continue;
                }
                (window.time, window.start, window.end) = (frame.time(step), at - call.range_ms, at);
                windows += samples.weight(&window.floats, &window.histograms);
                if let Some(sample) = call.apply(samples, &window, step, &mut about)? {
                    steps.set(step, sample);
                }
            }
        }
        if from_source {
            *total += windows;
            *read += samples.weight(&(0..samples.times.len()), &(0..samples.histograms.len()));
        }
        if matches!(call.id, Rate | Increase) && !metric.is_empty() {
            let counts = |suffix: &str| metric.ends_with(suffix);
            let counter = if self.options.type_and_unit_labels {
                matches!(prepared.labels(index).get("__type__"), "counter" | "histogram")
            } else {
                counts("_total") || counts("_sum") || counts("_count") || counts("_bucket")
            };
            if !counter && steps.present.ones().any(|step| steps.histogram(step).is_none()) {
                let metric = metric.to_owned();
                let note = if self.options.type_and_unit_labels {
                    let kind = prepared.labels(index).get("__type__").to_owned();
                    Note::PossibleNonCounterType { metric, kind }
                } else {
                    Note::PossibleNonCounter(metric)
                };
                notes.add(note, call.first_arg);
            }
        }
        Ok(())
    }
}

/// `rate`, `increase` and `delta` of numbers alone: each step costs what its window moved by and the falls in it.
fn plain_rates(samples: &Samples, call: &RangeCall, frame: &Frame, reference: Reference, steps: &mut Steps) -> u64 {
    let counter = call.id != FunctionId::Delta;
    let seconds = if call.id == FunctionId::Rate { call.range_ms as f64 / 1e3 } else { 1.0 };
    let (times, values, falls) = (&samples.times[..], &samples.values[..], &samples.falls[..]);
    let mut window = 0..0;
    let mut fall = 0;
    let mut total = 0;
    for step in 0..frame.steps {
        let end = reference.at(frame, step);
        let start = end - call.range_ms;
        slide(times, &mut window, start, end);
        total += window.len() as u64;
        if window.len() < 2 {
            continue;
        }
        let (first, last) = (window.start, window.end - 1);
        let mut result = values[last] - values[first];
        if counter {
            while fall < falls.len() && falls[fall] as usize <= first {
                fall += 1;
            }
            for index in falls[fall..].iter().take_while(|index| **index as usize <= last) {
                result += values[*index as usize - 1];
            }
        }
        let mut to_start = (times[first] - start) as f64 / 1e3;
        let mut to_end = (end - times[last]) as f64 / 1e3;
        let sampled = (times[last] - times[first]) as f64 / 1e3;
        let distance = sampled / (last - first) as f64;
        let threshold = distance * 1.1;
        if to_start >= threshold {
            to_start = distance / 2.0;
        }
        if counter && result > 0.0 && values[first] >= 0.0 {
            let to_zero = sampled * (values[first] / result);
            if to_zero < to_start {
                to_start = to_zero;
            }
        }
        if to_end >= threshold {
            to_end = distance / 2.0;
        }
        let mut factor = (sampled + to_start + to_end) / sampled;
        if call.id == FunctionId::Rate {
            factor /= seconds;
        }
        steps.set_float(step, result * factor);
    }
    total
}

/// One row of ones where no series has a sample.
fn absent_rows(rows: Vec<Row>, node: &Call, frame: &Frame) -> Vec<Row> {
    let mut steps = Steps::new(frame.steps);
    for step in 0..frame.steps {
        if !rows.iter().any(|row| row.steps.present.has(step)) {
            steps.set_float(step, 1.0);
        }
    }
    if !steps.present.any() {
        return Vec::new();
    }
    vec![Row { labels: super::labels::of_absent(node.args.first()), drop_name: true, steps }]
}

impl RangeCall {
    fn scalar(&self, index: usize, step: usize) -> f64 {
        self.scalars.get(index).and_then(|values| values.get(step)).copied().unwrap_or(f64::NAN)
    }

    fn apply(&self, samples: &mut Samples, window: &Window, step: usize, about: &mut About<'_>) -> Evaluate<Option<Sample>> {
        use FunctionId::*;
        let floats = &samples.values[window.floats.clone()];
        let times = &samples.times[window.floats.clone()];
        let histograms = window.histograms.len();
        let float = |value: f64| Ok(Some(Sample::Float(value)));
        match self.id {
            Rate => return rate(samples, window, self, true, true, about),
            Increase => return rate(samples, window, self, true, false, about),
            Delta => return rate(samples, window, self, false, false, about),
            Irate => return instant_rate(samples, window, true, about),
            Idelta => return instant_rate(samples, window, false, about),
            Resets | Changes => return Ok(self.changes(samples, window)),
            CountOverTime => return float((floats.len() + histograms) as f64),
            PresentOverTime | AbsentOverTime => return float(1.0),
            SumOverTime | AvgOverTime if histograms > 0 => return self.fold_histograms(samples, window, about),
            FirstOverTime | LastOverTime | TsOfFirstOverTime | TsOfLastOverTime => return Ok(edge(self.id, samples, window)),
            _ => {}
        }
        if self.id == SumOverTime {
            let (sum, rest) = floats.iter().fold((0.0, 0.0), |(sum, rest), value| kahan_inc(*value, sum, rest));
            return float(if sum.is_infinite() { sum } else { sum + rest });
        }
        if self.id == AvgOverTime {
            return float(average(floats));
        }
        let least = if matches!(self.id, Deriv | PredictLinear | DoubleExponentialSmoothing) { 2 } else { 1 };
        if self.id == DoubleExponentialSmoothing {
            let (smoothing, trend) = (self.scalar(0, step), self.scalar(1, step));
            for (name, value) in [("smoothing", smoothing), ("trend", trend)] {
                if value <= 0.0 || value >= 1.0 {
                    let short = if name == "smoothing" { "sf" } else { "tf" };
                    return failed(format!("invalid {name} factor. Expected: 0 < {short} < 1, got: {value:.6}"));
                }
            }
        }
        if floats.is_empty() {
            return Ok(None);
        }
        if self.id == QuantileOverTime {
            let q = self.scalar(0, step);
            if !(0.0..=1.0).contains(&q) {
                about.notes.add(Note::InvalidQuantile(q.to_bits()), self.first_arg);
            }
        }
        if histograms > 0 {
            about.notes.add(
                Note::HistogramIgnoredInMixedRange(about.metric.to_owned()),
                if self.id == QuantileOverTime { self.first_arg } else { about.at },
            );
        }
        if floats.len() < least {
            return Ok(None);
        }
        float(match self.id {
            MaxOverTime => {
                floats.iter().copied().fold(floats[0], |best, value| if value > best || best.is_nan() { value } else { best })
            }
            MinOverTime => {
                floats.iter().copied().fold(floats[0], |best, value| if value < best || best.is_nan() { value } else { best })
            }
            TsOfMaxOverTime => time_of(times, floats, |value, best| value >= best || best.is_nan()),
            TsOfMinOverTime => time_of(times, floats, |value, best| value <= best || best.is_nan()),
            MadOverTime => median_deviation(floats),
            QuantileOverTime => quantile(self.scalar(0, step), &mut floats.to_vec()),
            StddevOverTime => variance(floats).sqrt(),
            StdvarOverTime => variance(floats),
            Deriv => regression(times, floats, times[0]).0,
            PredictLinear => {
                let (slope, intercept) = regression(times, floats, window.time);
                slope * self.scalar(0, step) + intercept
            }
            DoubleExponentialSmoothing => smooth(floats, self.scalar(0, step), self.scalar(1, step)),
            Integral => {
                let mut strategy = 2.0;
                if let Some(given) = self.scalars.first().and_then(|values| values.get(step)) {
                    if [0.0, 1.0, 2.0].contains(given) {
                        strategy = *given;
                    } else {
                        about.notes.add(Note::InvalidIntegralStrategy(given.to_bits()), self.second_arg);
                    }
                }
                integral(times, floats, strategy)
            }
            _ => return failed("this function takes no range vector"),
        })
    }

    /// `resets` and `changes`, of numbers and histograms in the order of time.
    fn changes(&self, samples: &mut Samples, window: &Window) -> Option<Sample> {
        let (mut float, mut histogram) = (window.floats.start, window.histograms.start);
        if self.extension == Extension::Anchored {
            let floats = &samples.times[window.floats.clone()];
            let histograms = &samples.histogram_times[window.histograms.clone()];
            let before = floats.partition_point(|time| *time <= window.start);
            let before_histograms = histograms.partition_point(|time| *time <= window.start);
            if before >= floats.len() && before_histograms >= histograms.len() {
                return None;
            }
            if before > 0 || before_histograms > 0 {
                let last = |times: &[i64], count: usize| count.checked_sub(1).map(|place| times[place]);
                let float_is_anchor = last(floats, before) >= last(histograms, before_histograms) && before > 0;
                float += if float_is_anchor { before - 1 } else { before };
                histogram += if float_is_anchor { before_histograms } else { before_histograms - 1 };
            }
        }
        let resets = self.id == FunctionId::Resets;
        let mut count = 0;
        let mut before: Option<(bool, usize)> = None;
        while float < window.floats.end || histogram < window.histograms.end {
            let take_float = histogram >= window.histograms.end
                || (float < window.floats.end && samples.times[float] < samples.histogram_times[histogram]);
            let current = if take_float { (false, float) } else { (true, histogram) };
            if take_float {
                float += 1
            } else {
                histogram += 1
            }
            let changed = match (before, current) {
                (None, _) => false,
                (Some((false, a)), (false, b)) if resets => {
                    samples.values[b] < samples.values[a]
                        || start_tells_reset(samples.start(a), samples.times[a], samples.start(b), samples.times[b])
                }
                (Some((false, a)), (false, b)) => {
                    let (a, b) = (samples.values[a], samples.values[b]);
                    a != b && !(a.is_nan() && b.is_nan())
                }
                (Some((true, a)), (true, b)) if resets => {
                    let told = start_tells_reset(
                        samples.histogram_start(a),
                        samples.histogram_times[a],
                        samples.histogram_start(b),
                        samples.histogram_times[b],
                    );
                    told || samples.histogram_fell(b)
                }
                (Some((true, a)), (true, b)) => !same(&samples.histograms[b], &samples.histograms[a]),
                _ => true,
            };
            count += u32::from(changed);
            before = Some(current);
        }
        Some(Sample::Float(f64::from(count)))
    }

    fn fold_histograms(&self, samples: &Samples, window: &Window, about: &mut About<'_>) -> Evaluate<Option<Sample>> {
        if !window.floats.is_empty() {
            about.note(Note::MixedFloatsHistograms);
            return Ok(None);
        }
        let histograms = &samples.histograms[window.histograms.clone()];
        let average = self.id == FunctionId::AvgOverTime;
        let (result, reconciled) = match fold(histograms.iter().map(|histogram| &**histogram), average) {
            Ok(folded) => folded,
            Err(HistogramError::IncompatibleSchema) => {
                about.note(Note::MixedExponentialCustom);
                return Ok(None);
            }
            Err(error) => return failed(error.to_string()),
        };
        let seen = |hint: ResetHint| histograms.iter().any(|histogram| histogram.reset == hint);
        if seen(ResetHint::Reset) && seen(ResetHint::NotReset) {
            about.notes.add(Note::ResetCollision(HistogramOperation::Aggregation), about.at);
        }
        if reconciled {
            about.notes.add(Note::MismatchedCustomBuckets(HistogramOperation::Aggregation), about.at);
        }
        Ok(Some(Sample::Histogram(Arc::new(result))))
    }
}

/// Sum or average of histograms; true when custom bounds were reconciled.
pub(super) fn fold<'a>(
    histograms: impl Iterator<Item = &'a FloatHistogram>,
    average: bool,
) -> Result<(FloatHistogram, bool), HistogramError> {
    let mut histograms = histograms;
    let Some(first) = histograms.next() else { return Ok((FloatHistogram::default(), false)) };
    let mut sum = Compensated::new(first);
    let (mut count, mut reconciled, mut incremental) = (1.0, false, false);
    for histogram in histograms {
        count += 1.0;
        if !average {
            reconciled |= sum.add(histogram)?.reconciled;
            continue;
        }
        if !incremental {
            let mut next = sum.clone();
            reconciled |= next.add(histogram)?.reconciled;
            if !has_overflow(&next.sum) {
                sum = next;
                continue;
            }
            incremental = true;
            sum.divide(count - 1.0);
        }
        sum.scale((count - 1.0) / count);
        let mut part = histogram.clone();
        crate::promql::histogram::divide(&mut part, count);
        reconciled |= sum.add(&part)?.reconciled;
    }
    if average && !incremental {
        sum.divide(count);
    }
    let (total, added) = sum.total()?;
    Ok((total, reconciled || added.reconciled))
}

fn edge(id: FunctionId, samples: &Samples, window: &Window) -> Option<Sample> {
    use FunctionId::{FirstOverTime, TsOfFirstOverTime, TsOfLastOverTime};
    let first = matches!(id, FirstOverTime | TsOfFirstOverTime);
    let pick = |range: &std::ops::Range<usize>| (!range.is_empty()).then(|| if first { range.start } else { range.end - 1 });
    let float = pick(&window.floats).map(|index| (samples.times[index], index));
    let histogram = pick(&window.histograms).map(|index| (samples.histogram_times[index], index));
    let take_float = match (float, histogram) {
        (Some((a, _)), Some((b, _))) => (first && a < b) || (!first && b < a),
        (Some(_), None) => true,
        _ => false,
    };
    if matches!(id, TsOfFirstOverTime | TsOfLastOverTime) {
        let time = if take_float { float?.0 } else { histogram?.0 };
        return Some(Sample::Float(time as f64 / 1e3));
    }
    Some(if take_float {
        Sample::Float(samples.values[float?.1])
    } else {
        Sample::Histogram(samples.histograms[histogram?.1].clone())
    })
}
