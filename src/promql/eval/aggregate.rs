//! Aggregations over rows, group by group.

use super::engine::Engine;
use super::instant::by_value;
use super::labels::{group_labels, hash, is_label_name, text_of};
use super::numbers::quantile;
use super::row::{Frame, Row, Sample, Steps};
use super::{Evaluate, failed};
use crate::model::{FloatHistogram, Labels, ResetHint};
use crate::promql::annotation::{HistogramOperation, Note, Notes};
use crate::promql::ast::{Aggregate, AggregateOp};
use crate::promql::histogram::{Compensated, HistogramError, compact, divide, has_overflow, kahan_inc, text};
use crate::promql::text::{float_f, float_g};
use smol_str::SmolStr;
use std::collections::HashMap;
use std::sync::Arc;

/// Which group each row belongs to, and the labels of the groups.
pub(super) struct Groups {
    pub of: Vec<usize>,
    pub labels: Vec<Labels>,
}

impl Groups {
    pub fn new<'a>(rows: impl Iterator<Item = &'a Labels>, grouping: &[SmolStr], without: bool) -> Self {
        let mut places: HashMap<Labels, usize> = HashMap::new();
        let mut labels = Vec::new();
        let of = rows
            .map(|row| {
                let key = group_labels(row, grouping, without);
                *places.entry(key).or_insert_with_key(|key| {
                    labels.push(key.clone());
                    labels.len() - 1
                })
            })
            .collect();
        Self { of, labels }
    }
}

/// A group at a step.
#[derive(Default)]
struct Cell {
    seen: bool,
    has_float: bool,
    has_histogram: bool,
    incompatible: bool,
    incremental: bool,
    reset_seen: bool,
    no_reset_seen: bool,
    count: f64,
    value: f64,
    mean: f64,
    rest: f64,
    histogram: Option<Box<(Compensated, bool)>>,
    values: Vec<f64>,
}

impl Engine<'_> {
    pub(super) fn aggregate(&self, node: &Aggregate, frame: &Frame) -> Evaluate<Vec<Row>> {
        if node.op == AggregateOp::CountValues {
            return self.count_values(node, frame);
        }
        let params = match &node.param {
            Some(param) => self.scalar(param.unwrapped(), frame)?,
            None => Vec::new(),
        };
        if let Some(rows) = self.fused(node, frame)? {
            return Ok(rows);
        }
        let rows = self.rows(node.expr.unwrapped(), frame)?;
        let groups = Groups::new(rows.iter().map(|row| &row.labels), &node.grouping, node.without);
        let out = match node.op {
            AggregateOp::Topk | AggregateOp::Bottomk | AggregateOp::Limitk | AggregateOp::LimitRatio => {
                self.pick_rows(node, &rows, &groups, &params, frame)?
            }
            _ => self.fold_rows(node, &rows, &groups, &params, frame)?,
        };
        self.release_rows(&rows);
        self.hold(out.iter().map(|row| row.steps.weight()).sum())?;
        Ok(out)
    }

    fn fold_rows(&self, node: &Aggregate, rows: &[Row], groups: &Groups, params: &[f64], frame: &Frame) -> Evaluate<Vec<Row>> {
        let at = node.expr.unwrapped().at();
        let param_at = node.param.as_ref().map_or(node.at, |param| param.unwrapped().at());
        let mut notes = Notes::default();
        if node.op == AggregateOp::Quantile {
            let (low, high) = extremes(params);
            if params.iter().any(|q| q.is_nan()) {
                notes.add(Note::InvalidQuantile(f64::NAN.to_bits()), param_at);
            }
            if high > 1.0 {
                notes.add(Note::InvalidQuantile(high.to_bits()), param_at);
            }
            if low < 0.0 {
                notes.add(Note::InvalidQuantile(low.to_bits()), param_at);
            }
        }
        let mut cells: Vec<Cell> = Vec::new();
        cells.resize_with(groups.labels.len() * frame.steps, Cell::default);
        let mut drop_name = vec![false; groups.labels.len()];
        for (index, row) in rows.iter().enumerate() {
            if index % 64 == 0 {
                self.check()?;
            }
            let group = groups.of[index];
            drop_name[group] |= row.drop_name;
            let cells = &mut cells[group * frame.steps..][..frame.steps];
            for step in row.steps.present.ones() {
                let cell = &mut cells[step];
                match row.steps.histogram(step) {
                    None => cell.add_float(node.op, row.steps.values[step]),
                    Some(histogram) => {
                        cell.add_histogram(node.op, histogram, row.labels.metric_name(), at, &mut notes)?;
                    }
                }
            }
        }
        let mut out = Vec::new();
        let mut cells = cells.into_iter();
        for (labels, drop_name) in groups.labels.iter().zip(drop_name) {
            let mut steps = Steps::new(frame.steps);
            for step in 0..frame.steps {
                let Some(cell) = cells.next() else { break };
                if let Some(sample) = cell.finish(node.op, params.get(step).copied(), at, &mut notes)? {
                    steps.set(step, sample);
                }
            }
            if steps.present.any() {
                out.push(Row { labels: labels.clone(), drop_name, steps });
            }
        }
        self.merge_notes(notes);
        Ok(out)
    }

    fn pick_rows(&self, node: &Aggregate, rows: &[Row], groups: &Groups, params: &[f64], frame: &Frame) -> Evaluate<Vec<Row>> {
        let op = node.op;
        let (low, high) = extremes(params);
        let param_at = node.param.as_ref().map_or(node.at, |param| param.unwrapped().at());
        let nan = params.iter().any(|value| value.is_nan());
        if op == AggregateOp::LimitRatio {
            if nan {
                return failed("Ratio value is NaN");
            }
            if high == 0.0 && low == 0.0 {
                return Ok(Vec::new());
            }
            if high > 1.0 {
                self.note(Note::InvalidRatio(high.to_bits(), 1_f64.to_bits()), param_at);
            }
            if low < -1.0 {
                self.note(Note::InvalidRatio(low.to_bits(), (-1_f64).to_bits()), param_at);
            }
        } else {
            if nan {
                return failed("Parameter value is NaN");
            }
            if high < 1.0 {
                return Ok(Vec::new());
            }
            if low <= i64::MIN as f64 {
                return failed(format!("Scalar value {} underflows int64", float_g(low)));
            }
            if high >= i64::MAX as f64 {
                return failed(format!("Scalar value {} overflows int64", float_g(high)));
            }
        }
        let mut members: Vec<Vec<usize>> = vec![Vec::new(); groups.labels.len()];
        groups.of.iter().enumerate().for_each(|(row, group)| members[*group].push(row));
        let offsets: Vec<f64> = if op == AggregateOp::LimitRatio {
            rows.iter().map(|row| hash(&row.labels) as f64 / u64::MAX as f64).collect()
        } else {
            Vec::new()
        };
        let mut kept: Vec<Option<Steps>> = vec![None; rows.len()];
        let mut order: Vec<usize> = Vec::new();
        let mut ignored = false;
        for step in 0..frame.steps {
            if step % 256 == 0 {
                self.check()?;
            }
            let param = params.get(step).copied().unwrap_or(0.0);
            let limit = (param as i64).clamp(0, rows.len() as i64) as usize;
            for members in &members {
                let present = members.iter().copied().filter(|row| rows[*row].steps.present.has(step));
                let mut picked: Vec<usize> = match op {
                    AggregateOp::Limitk => present.take(limit).collect(),
                    AggregateOp::LimitRatio => {
                        let ratio = param.clamp(-1.0, 1.0);
                        present
                            .filter(|row| if ratio >= 0.0 { offsets[*row] < ratio } else { offsets[*row] >= 1.0 + ratio })
                            .collect()
                    }
                    _ if limit == 0 => Vec::new(),
                    _ => {
                        let mut floats: Vec<usize> = Vec::new();
                        for row in present {
                            if rows[row].steps.histogram(step).is_some() { ignored = true } else { floats.push(row) }
                        }
                        let descending = op == AggregateOp::Topk;
                        let value = |row: &usize| rows[*row].steps.values[step];
                        floats.sort_by(|a, b| by_value(value(a), value(b), descending));
                        floats.truncate(limit);
                        floats
                    }
                };
                for row in picked.drain(..) {
                    let steps = kept[row].get_or_insert_with(|| {
                        order.push(row);
                        Steps::new(frame.steps)
                    });
                    if let Some(sample) = rows[row].steps.get(step) {
                        steps.set(step, sample);
                    }
                }
            }
        }
        if ignored {
            self.note(Note::HistogramIgnoredInAggregation(op.text()), node.at);
        }
        Ok(order
            .into_iter()
            .filter_map(|row| {
                let steps = kept[row].take()?;
                Some(Row { labels: rows[row].labels.clone(), drop_name: rows[row].drop_name, steps })
            })
            .collect())
    }

    fn count_values(&self, node: &Aggregate, frame: &Frame) -> Evaluate<Vec<Row>> {
        let label = text_of(node.param.as_ref());
        if !is_label_name(label) {
            return failed(format!("invalid label name {}", crate::promql::text::quote(label)));
        }
        let mut grouping = node.grouping.clone();
        if !node.without {
            grouping.push(SmolStr::new(label));
        }
        let mut places: HashMap<Labels, usize> = HashMap::new();
        let mut out: Vec<Row> = Vec::new();
        for row in self.rows(node.expr.unwrapped(), frame)? {
            let mut last: Option<(u64, usize)> = None;
            for step in row.steps.present.ones() {
                let histogram = row.steps.histogram(step);
                let bits = row.steps.values[step].to_bits();
                let place = match last {
                    Some((known, place)) if known == bits && histogram.is_none() => place,
                    _ => {
                        let value = histogram.map_or_else(|| float_f(row.steps.values[step]), |histogram| text(histogram));
                        let labels = row.labels.edit().set(label, &value).build();
                        let labels = group_labels(&labels, &grouping, node.without);
                        let place = *places.entry(labels).or_insert_with_key(|labels| {
                            out.push(Row { labels: labels.clone(), drop_name: false, steps: Steps::new(frame.steps) });
                            out.len() - 1
                        });
                        if histogram.is_none() {
                            last = Some((bits, place));
                        }
                        place
                    }
                };
                let steps = &mut out[place].steps;
                let count = if steps.present.has(step) { steps.values[step] } else { 0.0 };
                steps.set_float(step, count + 1.0);
            }
        }
        Ok(out)
    }
}

fn extremes(values: &[f64]) -> (f64, f64) {
    values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(*value), high.max(*value)))
}

impl Cell {
    fn add_float(&mut self, op: AggregateOp, value: f64) {
        let first = !std::mem::replace(&mut self.seen, true);
        if self.incompatible {
            return;
        }
        self.count += 1.0;
        match op {
            AggregateOp::Sum => {
                self.has_float = true;
                (self.value, self.rest) = if first { (value, 0.0) } else { kahan_inc(value, self.value, self.rest) };
            }
            AggregateOp::Avg => {
                self.has_float = true;
                if first {
                    self.value = value;
                    return;
                }
                if !self.incremental {
                    let (sum, rest) = kahan_inc(value, self.value, self.rest);
                    if !sum.is_infinite() {
                        (self.value, self.rest) = (sum, rest);
                        return;
                    }
                    self.incremental = true;
                    self.mean = self.value / (self.count - 1.0);
                    self.rest /= self.count - 1.0;
                }
                let q = (self.count - 1.0) / self.count;
                (self.mean, self.rest) = kahan_inc(value / self.count, q * self.mean, q * self.rest);
            }
            AggregateOp::Max if first || self.value < value || self.value.is_nan() => self.value = value,
            AggregateOp::Min if first || self.value > value || self.value.is_nan() => self.value = value,
            AggregateOp::Stddev | AggregateOp::Stdvar => {
                if first {
                    self.mean = value;
                    self.value = if value.is_finite() { 0.0 } else { f64::NAN };
                } else {
                    let delta = value - self.mean;
                    self.mean += delta / self.count;
                    self.value += delta * (value - self.mean);
                }
            }
            AggregateOp::Quantile => self.values.push(value),
            _ => {}
        }
    }

    fn add_histogram(
        &mut self,
        op: AggregateOp,
        histogram: &FloatHistogram,
        metric: &str,
        at: crate::promql::Span,
        notes: &mut Notes,
    ) -> Evaluate<()> {
        match op {
            AggregateOp::Count | AggregateOp::Group => {
                self.seen = true;
                self.count += 1.0;
            }
            AggregateOp::Sum | AggregateOp::Avg => {
                let first = !std::mem::replace(&mut self.seen, true);
                if self.incompatible {
                    return Ok(());
                }
                self.count += 1.0;
                self.has_histogram = true;
                if first {
                    self.histogram = Some(Box::new((Compensated::new(histogram), false)));
                } else if self.histogram.is_none() {
                    return Ok(());
                }
                self.reset_seen |= histogram.reset == ResetHint::Reset;
                self.no_reset_seen |= histogram.reset == ResetHint::NotReset;
                if !first && let Some(sum) = &mut self.histogram {
                    match fold_in(sum, histogram, self.count, op == AggregateOp::Avg) {
                        Ok(false) => {}
                        Ok(true) => notes.add(Note::MismatchedCustomBuckets(HistogramOperation::Aggregation), at),
                        Err(HistogramError::IncompatibleSchema) => {
                            notes.add(Note::MixedExponentialCustom(metric.to_owned()), at);
                            self.incompatible = true;
                        }
                        Err(error) => return failed(error.to_string()),
                    }
                }
            }
            op => notes.add(Note::HistogramIgnoredInAggregation(op.text()), at),
        }
        Ok(())
    }

    fn finish(
        self,
        op: AggregateOp,
        param: Option<f64>,
        at: crate::promql::Span,
        notes: &mut Notes,
    ) -> Evaluate<Option<Sample>> {
        if !self.seen {
            return Ok(None);
        }
        let mut cell = self;
        Ok(Some(Sample::Float(match op {
            AggregateOp::Sum | AggregateOp::Avg => {
                if cell.has_float && cell.has_histogram {
                    notes.add(Note::MixedFloatsHistogramsAggregation, at);
                    return Ok(None);
                }
                if cell.incompatible {
                    return Ok(None);
                }
                if let Some(sum) = cell.histogram.take() {
                    let (mut sum, incremental) = *sum;
                    if op == AggregateOp::Avg && !incremental {
                        sum.divide(cell.count);
                    }
                    let mut total = match sum.total() {
                        Ok((total, _)) => total,
                        Err(error) => return failed(error.to_string()),
                    };
                    compact(&mut total);
                    if cell.reset_seen && cell.no_reset_seen {
                        notes.add(Note::ResetCollision(HistogramOperation::Aggregation), at);
                    }
                    return Ok(Some(Sample::Histogram(Arc::new(total))));
                }
                match (op, cell.incremental) {
                    (AggregateOp::Sum, _) => cell.value + cell.rest,
                    (_, true) => cell.mean + cell.rest,
                    _ => cell.value / cell.count + cell.rest / cell.count,
                }
            }
            AggregateOp::Count => cell.count,
            AggregateOp::Group => 1.0,
            AggregateOp::Stdvar => cell.value / cell.count,
            AggregateOp::Stddev => (cell.value / cell.count).sqrt(),
            AggregateOp::Quantile => quantile(param.unwrap_or(f64::NAN), &mut cell.values),
            _ => cell.value,
        })))
    }
}

/// Adds a histogram to a running sum or average; true when custom bounds were reconciled.
fn fold_in(
    sum: &mut (Compensated, bool),
    histogram: &FloatHistogram,
    count: f64,
    average: bool,
) -> Result<bool, HistogramError> {
    if !average {
        return Ok(sum.0.add(histogram)?.reconciled);
    }
    let mut reconciled = false;
    if !sum.1 {
        let mut next = sum.0.clone();
        reconciled = next.add(histogram)?.reconciled;
        if !has_overflow(&next.sum) {
            sum.0 = next;
            return Ok(reconciled);
        }
        sum.1 = true;
        sum.0.divide(count - 1.0);
    }
    sum.0.scale((count - 1.0) / count);
    let mut part = histogram.clone();
    divide(&mut part, count);
    Ok(sum.0.add(&part)?.reconciled || reconciled)
}
