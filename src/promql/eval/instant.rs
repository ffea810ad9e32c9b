//! Functions over instant vectors and scalars.

use super::engine::{Engine, merge_equal};
use super::labels::{natural, of_absent, text_of};
use super::plan::{go_max, go_min};
use super::row::{Frame, Row, Sample, Steps, Value};
use super::{Evaluate, failed};
use crate::model::{FloatHistogram, Labels};
use crate::promql::annotation::Note;
use crate::promql::ast::{Call, Expr};
use crate::promql::functions::FunctionId;
use crate::promql::histogram::variance;
use std::cmp::Ordering;

const SECONDS_PER_DAY: i64 = 86_400;

impl Engine<'_> {
    pub(super) fn instant_call(&self, node: &Call, frame: &Frame) -> Evaluate<Value> {
        use FunctionId::*;
        let id = node.function.id;
        if let Some(values) = self.constant(id, frame) {
            return Ok(Value::Scalar(values));
        }
        let arg = node.args.first().map(Expr::unwrapped);
        Ok(match id {
            MaxOf | MinOf => {
                let (left, right) = (self.scalar(&node.args[0], frame)?, self.scalar(&node.args[1], frame)?);
                let pick = if id == MaxOf { go_max } else { go_min };
                Value::Scalar(left.into_iter().zip(right).map(|(left, right)| pick(left, right)).collect())
            }
            Scalar => Value::Scalar(only_value(&self.rows(&node.args[0], frame)?, frame)),
            Vector => {
                let values = self.scalar(&node.args[0], frame)?;
                Value::Rows(vec![full_row(Labels::default(), values)])
            }
            LabelReplace => Value::Rows(self.label_replace(node, frame)?),
            LabelJoin => Value::Rows(self.label_join(node, frame)?),
            Info => Value::Rows(self.info(node, frame)?),
            Absent => Value::Rows(absent(&self.rows(&node.args[0], frame)?, node, frame)),
            Timestamp | StartTimestamp => Value::Rows(self.times_of_samples(node, frame)?),
            Sort | SortDesc | SortByLabel | SortByLabelDesc => Value::Rows(self.sort(node, frame)?),
            HistogramQuantile | HistogramQuantiles | HistogramFraction => Value::Rows(self.histogram_call(node, frame)?),
            HistogramCount => self.of_histograms(node, frame, |histogram| histogram.count)?,
            HistogramSum => self.of_histograms(node, frame, |histogram| histogram.sum)?,
            HistogramAvg => self.of_histograms(node, frame, |histogram| histogram.sum / histogram.count)?,
            HistogramStddev => self.of_histograms(node, frame, |histogram| variance(histogram).sqrt())?,
            HistogramStdvar => self.of_histograms(node, frame, variance)?,
            Clamp | ClampMin | ClampMax => {
                let low =
                    if id == ClampMax { vec![f64::NEG_INFINITY; frame.steps] } else { self.scalar(&node.args[1], frame)? };
                let high = match id {
                    ClampMin => vec![f64::INFINITY; frame.steps],
                    ClampMax => self.scalar(&node.args[1], frame)?,
                    _ => self.scalar(&node.args[2], frame)?,
                };
                let mut rows = self.of_floats(node, frame, |value, step| go_max(low[step], go_min(high[step], value)))?;
                for step in (0..frame.steps).filter(|step| high[*step] < low[*step]) {
                    rows.iter_mut().for_each(|row| row.steps.unset(step));
                }
                Value::Rows(rows)
            }
            Round => {
                let nearest = if node.args.len() > 1 { self.scalar(&node.args[1], frame)? } else { vec![1.0; frame.steps] };
                Value::Rows(self.of_floats(node, frame, |value, step| {
                    let inverse = 1.0 / nearest[step];
                    (value * inverse + 0.5).floor() / inverse
                })?)
            }
            DaysInMonth | DayOfMonth | DayOfWeek | DayOfYear | Hour | Minute | Month | Year => {
                if arg.is_none() {
                    let values = (0..frame.steps).map(|step| calendar(id, frame.time(step).div_euclid(1_000))).collect();
                    Value::Rows(vec![full_row(Labels::default(), values)])
                } else {
                    Value::Rows(self.of_floats(node, frame, |value, _| calendar(id, value as i64))?)
                }
            }
            _ => {
                let Some(function) = plain(id) else {
                    return failed(format!("unexpected call of {}", node.function.name));
                };
                Value::Rows(self.of_floats(node, frame, |value, _| function(value))?)
            }
        })
    }

    /// Rows of the first argument, histograms left out, each number changed; the name goes.
    fn of_floats(&self, node: &Call, frame: &Frame, change: impl Fn(f64, usize) -> f64) -> Evaluate<Vec<Row>> {
        let mut rows = self.rows(&node.args[0], frame)?;
        for row in &mut rows {
            if !row.steps.histograms.is_empty() {
                for step in 0..frame.steps {
                    if row.steps.histogram(step).is_some() {
                        row.steps.unset(step);
                    }
                }
                row.steps.histograms.clear();
            }
            for (step, value) in row.steps.values.iter_mut().enumerate() {
                *value = change(*value, step);
            }
            row.labels = self.result_labels(&row.labels, true);
            row.drop_name = true;
        }
        self.finish_vector(rows)
    }

    fn of_histograms(&self, node: &Call, frame: &Frame, value: impl Fn(&FloatHistogram) -> f64) -> Evaluate<Value> {
        let mut out = Vec::new();
        for row in self.rows(&node.args[0], frame)? {
            let mut steps = Steps::new(frame.steps);
            for (step, histogram) in row.steps.histograms.iter().enumerate() {
                if let Some(histogram) = histogram {
                    steps.set_float(step, value(histogram));
                }
            }
            out.push(Row { labels: self.result_labels(&row.labels, true), drop_name: true, steps });
        }
        Ok(Value::Rows(self.finish_vector(out)?))
    }

    /// Leaves empty rows out and joins those whose labels became the same.
    pub(super) fn finish_vector(&self, mut rows: Vec<Row>) -> Evaluate<Vec<Row>> {
        rows.retain(|row| row.steps.present.any());
        if self.options.delayed_name_removal { Ok(rows) } else { merge_equal(rows) }
    }

    fn times_of_samples(&self, node: &Call, frame: &Frame) -> Evaluate<Vec<Row>> {
        let starts = node.function.id == FunctionId::StartTimestamp;
        if starts && !self.options.start_timestamps {
            return Ok(Vec::new());
        }
        let mut rows = match node.args.first().map(Expr::unwrapped) {
            Some(Expr::Vector(selector)) => self.latest_rows(selector, frame, |seen| {
                Sample::Float((if starts { seen.start } else { seen.time }) as f64 / 1e3)
            })?,
            _ if starts => return Ok(Vec::new()),
            _ => {
                let mut rows = self.rows(&node.args[0], frame)?;
                for row in &mut rows {
                    row.steps.histograms.clear();
                    for (step, value) in row.steps.values.iter_mut().enumerate() {
                        *value = frame.time(step) as f64 / 1e3;
                    }
                }
                rows
            }
        };
        for row in &mut rows {
            row.labels = self.result_labels(&row.labels, true);
            row.drop_name = true;
        }
        self.finish_vector(rows)
    }

    fn sort(&self, node: &Call, frame: &Frame) -> Evaluate<Vec<Row>> {
        use FunctionId::{Sort, SortByLabelDesc, SortDesc};
        let id = node.function.id;
        if frame.steps > 1 {
            self.note(Note::SortInRangeQuery, node.at);
        }
        let mut rows = self.rows(&node.args[0], frame)?;
        if matches!(id, Sort | SortDesc) {
            for row in rows.iter_mut().filter(|row| !row.steps.histograms.is_empty()) {
                for step in 0..frame.steps {
                    if row.steps.histogram(step).is_some() {
                        row.steps.unset(step);
                    }
                }
                row.steps.histograms.clear();
            }
            rows.retain(|row| row.steps.present.any());
            rows.sort_by(|a, b| by_value(a.steps.values[0], b.steps.values[0], id == SortDesc));
            return Ok(rows);
        }
        let labels: Vec<&str> = node.args[1..].iter().map(|arg| text_of(Some(arg))).collect();
        rows.sort_by(|a, b| {
            let order = labels
                .iter()
                .map(|label| (a.labels.get(label), b.labels.get(label)))
                .find(|(left, right)| left != right)
                .map_or_else(|| a.labels.cmp(&b.labels), |(left, right)| natural(left, right));
            if id == SortByLabelDesc { order.reverse() } else { order }
        });
        Ok(rows)
    }
}

/// Order by value, NaN last whichever the direction.
pub(super) fn by_value(a: f64, b: f64, descending: bool) -> Ordering {
    match (a.is_nan(), b.is_nan()) {
        (true, true) => Ordering::Equal,
        (true, false) => Ordering::Greater,
        (false, true) => Ordering::Less,
        _ => {
            let order = a.partial_cmp(&b).unwrap_or(Ordering::Equal);
            if descending { order.reverse() } else { order }
        }
    }
}

fn full_row(labels: Labels, values: Vec<f64>) -> Row {
    let mut steps = Steps::new(values.len());
    values.iter().enumerate().for_each(|(step, value)| steps.set_float(step, *value));
    Row { labels, drop_name: false, steps }
}

/// The one number at each step, NaN where there is none or several.
fn only_value(rows: &[Row], frame: &Frame) -> Vec<f64> {
    (0..frame.steps)
        .map(|step| {
            let mut values = rows.iter().filter_map(|row| row.steps.float(step));
            match (values.next(), values.next()) {
                (Some(value), None) => value,
                _ => f64::NAN,
            }
        })
        .collect()
}

fn absent(rows: &[Row], node: &Call, frame: &Frame) -> Vec<Row> {
    let mut steps = Steps::new(frame.steps);
    for step in 0..frame.steps {
        if !rows.iter().any(|row| row.steps.present.has(step)) {
            steps.set_float(step, 1.0);
        }
    }
    if !steps.present.any() {
        return Vec::new();
    }
    vec![Row { labels: of_absent(node.args.first()), drop_name: false, steps }]
}

fn plain(id: FunctionId) -> Option<fn(f64) -> f64> {
    use FunctionId::*;
    Some(match id {
        Abs => f64::abs,
        Acos => f64::acos,
        Acosh => f64::acosh,
        Asin => f64::asin,
        Asinh => f64::asinh,
        Atan => f64::atan,
        Atanh => f64::atanh,
        Ceil => f64::ceil,
        Cos => f64::cos,
        Cosh => f64::cosh,
        Deg => |value| value * (180.0 / std::f64::consts::PI),
        Exp => f64::exp,
        Floor => f64::floor,
        Ln => f64::ln,
        Log10 => f64::log10,
        Log2 => f64::log2,
        Rad => |value| value * (std::f64::consts::PI / 180.0),
        Sgn => |value| {
            if value < 0.0 {
                -1.0
            } else if value > 0.0 {
                1.0
            } else {
                value
            }
        },
        Sin => f64::sin,
        Sinh => f64::sinh,
        Sqrt => f64::sqrt,
        Tan => f64::tan,
        Tanh => f64::tanh,
        _ => return None,
    })
}

/// A part of a moment's date or time in UTC.
fn calendar(id: FunctionId, seconds: i64) -> f64 {
    use FunctionId::*;
    let days = seconds.div_euclid(SECONDS_PER_DAY);
    let of_day = seconds.rem_euclid(SECONDS_PER_DAY);
    let (year, month, day) = civil(days);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let value = match id {
        Hour => of_day / 3_600,
        Minute => of_day % 3_600 / 60,
        DayOfWeek => (days + 4).rem_euclid(7),
        DayOfMonth => day,
        Month => month,
        Year => year,
        DayOfYear => {
            const BEFORE: [i64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
            BEFORE[(month - 1).clamp(0, 11) as usize] + day + i64::from(leap && month > 2)
        }
        _ => match month {
            2 => 28 + i64::from(leap),
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        },
    };
    value as f64
}

/// Year, month and day of a day counted from 1970 (Howard Hinnant's `civil_from_days`).
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}
