//! `histogram_quantile`, `histogram_quantiles` and `histogram_fraction`, of classic buckets and of native histograms.

use super::Evaluate;
use super::engine::Engine;
use super::labels::text_of;
use super::row::{Frame, Row, Steps};
use crate::model::Labels;
use crate::promql::annotation::{Extent, Note};
use crate::promql::ast::Call;
use crate::promql::functions::FunctionId;
use crate::promql::histogram::{Skew, fraction, quantile};
use crate::promql::text::float_g;
use std::collections::HashMap;

/// Differences between buckets smaller than this share are rounding.
const TOLERANCE: f64 = 1e-12;

/// The label of a classic bucket's upper bound.
const BUCKET: &str = "le";

/// Classic buckets of one histogram: bounds, sorted, and the rows that count under them.
struct Classic {
    labels: Labels,
    drop_labels: Labels,
    buckets: Vec<(f64, usize)>,
}

/// What is asked of the histograms.
enum Question {
    Quantile(Vec<f64>),
    Fraction(Vec<f64>, Vec<f64>),
}

impl Engine<'_> {
    pub(super) fn histogram_call(&self, node: &Call, frame: &Frame) -> Evaluate<Vec<Row>> {
        let id = node.function.id;
        let (vector, questions): (usize, Vec<(Question, Option<String>)>) = match id {
            FunctionId::HistogramFraction => {
                let bounds = (self.scalar(&node.args[0], frame)?, self.scalar(&node.args[1], frame)?);
                (2, vec![(Question::Fraction(bounds.0, bounds.1), None)])
            }
            FunctionId::HistogramQuantile => (1, vec![(Question::Quantile(self.quantiles(node, 0, frame)?), None)]),
            _ => {
                let mut questions = Vec::new();
                for index in 2..node.args.len() {
                    let values = self.quantiles(node, index, frame)?;
                    let shown = values.first().map_or_else(String::new, |q| open_metrics_float(*q));
                    questions.push((Question::Quantile(values), Some(shown)));
                }
                (0, questions)
            }
        };
        let rows = self.rows(&node.args[vector], frame)?;
        let at = node.args[vector].unwrapped().at();
        let delayed = self.options.delayed_name_removal;
        let shown = |labels: &Labels| if delayed { labels.metric_name().to_owned() } else { String::new() };
        // Bounds are read once; a row without one counts for nothing, and says so at steps where it has a number.
        let mut groups: HashMap<Labels, usize> = HashMap::new();
        let mut classics: Vec<Classic> = Vec::new();
        for (index, row) in rows.iter().enumerate() {
            if !row.steps.present.ones().any(|step| row.steps.histogram(step).is_none()) {
                continue;
            }
            let text = row.labels.get(BUCKET);
            let Some(bound) = parse_bound(text) else {
                let note = Note::BadBucketLabel { metric: shown(&row.labels), label: text.to_owned() };
                self.note(note, at);
                continue;
            };
            let labels = row.labels.without(|name| name == BUCKET);
            let place = *groups.entry(labels.clone()).or_insert_with(|| {
                let drop_labels = self.result_labels(&labels, true);
                classics.push(Classic { labels, drop_labels, buckets: Vec::new() });
                classics.len() - 1
            });
            classics[place].buckets.push((bound, index));
        }
        for classic in &mut classics {
            classic.buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        }
        let mut natives: Vec<(usize, Option<usize>)> = Vec::new();
        for (index, row) in rows.iter().enumerate() {
            if row.steps.has_histograms() {
                natives.push((index, groups.get(&row.labels).copied()));
            }
        }
        let label = text_of(node.args.get(1));
        let named = |labels: &Labels, quantile: &Option<String>| match quantile {
            Some(quantile) => labels.edit().set(label, quantile).build(),
            None => labels.clone(),
        };
        let mut out = Vec::new();
        for (question, quantile_label) in &questions {
            let mut silenced: HashMap<usize, Vec<usize>> = HashMap::new();
            for (index, classic) in &natives {
                let row = &rows[*index];
                let mut steps = Steps::new(frame.steps);
                for step in 0..frame.steps {
                    let Some(histogram) = row.steps.histogram(step) else { continue };
                    if let Some(classic) = classic
                        && classics[*classic].buckets.iter().any(|(_, row)| rows[*row].steps.float(step).is_some())
                    {
                        self.note(Note::MixedClassicNative(shown(&row.labels)), at);
                        silenced.entry(*classic).or_default().push(step);
                        continue;
                    }
                    let (value, skew) = match question {
                        Question::Quantile(values) => quantile(values[step], histogram),
                        Question::Fraction(lower, upper) => fraction(lower[step], upper[step], histogram),
                    };
                    if let Some(skew) = skew {
                        let metric = shown(&row.labels);
                        let note = match (question, skew) {
                            (Question::Fraction(..), _) => Note::FractionNan(metric),
                            (_, Skew::Nan) => Note::QuantileNan(metric),
                            (_, Skew::Skewed) => Note::QuantileSkew(metric),
                        };
                        self.note(note, at);
                    }
                    steps.set_float(step, value);
                }
                let labels = named(&self.result_labels(&row.labels, true), quantile_label);
                out.push(Row { labels, drop_name: true, steps });
            }
            let mut buckets: Vec<(f64, f64)> = Vec::new();
            for (place, classic) in classics.iter().enumerate() {
                let mut steps = Steps::new(frame.steps);
                let mut fixed: Option<Extent> = None;
                for step in 0..frame.steps {
                    if silenced.get(&place).is_some_and(|steps| steps.contains(&step)) {
                        continue;
                    }
                    buckets.clear();
                    for (bound, row) in &classic.buckets {
                        let Some(count) = rows[*row].steps.float(step) else { continue };
                        match buckets.last_mut() {
                            Some(last) if last.0 == *bound => last.1 += count,
                            _ => buckets.push((*bound, count)),
                        }
                    }
                    if buckets.is_empty() {
                        continue;
                    }
                    let value = match question {
                        Question::Quantile(values) => {
                            let (value, forced) = bucket_quantile(values[step], &mut buckets);
                            if let Some(mut extent) = forced {
                                extent.times = (frame.time(step), frame.time(step));
                                fixed = Some(match fixed {
                                    None => extent,
                                    Some(known) => Extent {
                                        times: (known.times.0, extent.times.1),
                                        buckets: (known.buckets.0.min(extent.buckets.0), known.buckets.1.max(extent.buckets.1)),
                                        largest: known.largest.max(extent.largest),
                                        count: known.count + 1,
                                    },
                                });
                            }
                            value
                        }
                        Question::Fraction(lower, upper) => bucket_fraction(lower[step], upper[step], &buckets),
                    };
                    steps.set_float(step, value);
                }
                if let Some(extent) = fixed {
                    self.note_extent(Note::ForcedMonotonicity(shown(&classic.labels)), at, extent);
                }
                out.push(Row { labels: named(&classic.drop_labels, quantile_label), drop_name: true, steps });
            }
        }
        self.release_rows(&rows);
        self.finish_vector(out)
    }

    fn quantiles(&self, node: &Call, index: usize, frame: &Frame) -> Evaluate<Vec<f64>> {
        let values = self.scalar(&node.args[index], frame)?;
        for q in values.iter().filter(|q| !(0.0..=1.0).contains(*q)) {
            self.note(Note::InvalidQuantile(q.to_bits()), node.args[index].unwrapped().at());
        }
        Ok(values)
    }
}

/// A bound as Go's `ParseFloat` reads it, NaN left out.
fn parse_bound(text: &str) -> Option<f64> {
    let plain = text.trim_start_matches(['+', '-']);
    let word = plain.eq_ignore_ascii_case("inf") || plain.eq_ignore_ascii_case("infinity");
    if !word && !plain.starts_with(|letter: char| letter.is_ascii_digit() || letter == '.') {
        return None;
    }
    text.parse::<f64>().ok().filter(|bound| !bound.is_nan())
}

/// As OpenMetrics writes a number: always with a point or an exponent.
fn open_metrics_float(value: f64) -> String {
    if value.is_finite() {
        let text = float_g(value);
        if text.contains(['.', 'e']) { text } else { text + ".0" }
    } else {
        float_g(value)
    }
}

/// Quantile of cumulative counts under rising bounds; what was fixed to make them rise.
fn bucket_quantile(q: f64, buckets: &mut [(f64, f64)]) -> (f64, Option<Extent>) {
    if q.is_nan() {
        return (f64::NAN, None);
    }
    if q < 0.0 {
        return (f64::NEG_INFINITY, None);
    }
    if q > 1.0 {
        return (f64::INFINITY, None);
    }
    let last = buckets.len() - 1;
    if buckets[last].0 != f64::INFINITY {
        return (f64::NAN, None);
    }
    let forced = make_rise(buckets);
    if buckets.len() < 2 || buckets[last].1 == 0.0 {
        return (f64::NAN, forced);
    }
    let mut rank = q * buckets[last].1;
    // As Go's binary search finds it; counts that are NaN compare false.
    let (mut low, mut high) = (0, last);
    while low < high {
        let middle = (low + high) / 2;
        if buckets[middle].1 >= rank { high = middle } else { low = middle + 1 }
    }
    if low == last {
        return (buckets[last - 1].0, forced);
    }
    if low == 0 && buckets[0].0 <= 0.0 {
        return (buckets[0].0, forced);
    }
    let (end, mut count) = buckets[low];
    let mut start = 0.0;
    if low > 0 {
        start = buckets[low - 1].0;
        count -= buckets[low - 1].1;
        rank -= buckets[low - 1].1;
    }
    (start + (end - start) * (rank / count), forced)
}

fn make_rise(buckets: &mut [(f64, f64)]) -> Option<Extent> {
    let mut extent = Extent::default();
    let mut forced = false;
    let mut before = buckets[0].1;
    for bucket in &mut buckets[1..] {
        let now = bucket.1;
        if now == before {
            continue;
        }
        if almost_equal(before, now, TOLERANCE) {
            bucket.1 = before;
            continue;
        }
        if now < before {
            bucket.1 = before;
            forced = true;
            extent.buckets = (extent.buckets.0.min(bucket.0), extent.buckets.1.max(bucket.0));
            extent.largest = extent.largest.max(before - now);
            continue;
        }
        before = now;
    }
    forced.then_some(extent)
}

/// Equal but for rounding, relative to their size.
pub(super) fn almost_equal(a: f64, b: f64, epsilon: f64) -> bool {
    if a.is_nan() && b.is_nan() {
        return true;
    }
    if a == b {
        return true;
    }
    let sum = a.abs() + b.abs();
    let difference = (a - b).abs();
    if a == 0.0 || b == 0.0 || sum < f64::MIN_POSITIVE {
        return difference < epsilon * f64::MIN_POSITIVE;
    }
    difference / sum.min(f64::MAX) < epsilon
}

/// Share of observations between two values, from cumulative counts under rising bounds.
fn bucket_fraction(lower: f64, upper: f64, buckets: &[(f64, f64)]) -> f64 {
    let last = buckets[buckets.len() - 1];
    if last.0 != f64::INFINITY {
        return f64::NAN;
    }
    let count = last.1;
    if count == 0.0 || lower.is_nan() || upper.is_nan() {
        return f64::NAN;
    }
    if lower >= upper {
        return 0.0;
    }
    let mut start = if buckets[0].0 <= 0.0 { f64::NEG_INFINITY } else { 0.0 };
    let mut rank = 0.0;
    let (mut lower_rank, mut upper_rank): (Option<f64>, Option<f64>) = (None, None);
    for (index, (end, total)) in buckets.iter().enumerate() {
        if index > 0 {
            start = buckets[index - 1].0;
        }
        let interpolate = |value: f64| {
            if start == f64::NEG_INFINITY { *total } else { rank + (total - rank) * (value - start) / (end - start) }
        };
        for (slot, value) in [(&mut lower_rank, lower), (&mut upper_rank, upper)] {
            if slot.is_none() && start >= value {
                *slot = Some(rank);
            }
        }
        for (slot, value) in [(&mut lower_rank, lower), (&mut upper_rank, upper)] {
            if slot.is_none() && start < value && *end > value {
                *slot = Some(interpolate(value));
            }
        }
        if lower_rank.is_some() && upper_rank.is_some() {
            break;
        }
        rank = *total;
    }
    let capped = |rank: Option<f64>| rank.map_or(count, |rank| if rank > count { count } else { rank });
    (capped(upper_rank) - capped(lower_rank)) / count
}
