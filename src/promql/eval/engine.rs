//! The evaluator: walks the tree, keeps the limits, resolves durations and `@`.

use super::answer::{Answer, Evaluated, Stats, VectorSample};
use super::plan::without_buckets;
use super::row::{Frame, Row, Sample, Steps, Value};
use super::window::Samples;
use super::{EvalError, Evaluate, Options, When, failed};
use crate::model::{Labels, SampleColumn, SampleValue};
use crate::promql::annotation::{Note, Notes};
use crate::promql::ast::{Binary, Call, Expr, ValueType, VectorSelector};
use crate::source::{Matcher, MillisRange, QueryControl, SeriesRequest, SeriesSet, SeriesSource};
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Stack of the thread that evaluates deep trees.
const DEEP_STACK: usize = 256 << 20;
/// Trees deeper than this get that thread.
const DEEP: usize = 24;
/// Series times steps from which work is shared between threads.
const PARALLEL_FROM: usize = 100_000;

/// Evaluates a query that [`crate::promql::parse`] has read.
pub fn evaluate(
    expr: &Expr,
    when: When,
    source: &dyn SeriesSource,
    options: &Options,
    control: &QueryControl,
) -> Evaluate<Evaluated> {
    if depth(expr) <= DEEP {
        return Engine::run(expr, when, source, options, control);
    }
    std::thread::scope(|scope| {
        let run = || Engine::run(expr, when, source, options, control);
        match std::thread::Builder::new().stack_size(DEEP_STACK).spawn_scoped(scope, run) {
            Ok(thread) => thread.join().unwrap_or_else(|_| failed("the evaluation stopped unexpectedly")),
            Err(error) => failed(format!("no thread for a deeply nested query: {error}")),
        }
    })
}

fn depth(expr: &Expr) -> usize {
    1 + match expr {
        Expr::Number(_) | Expr::String(_) | Expr::Vector(_) | Expr::Matrix(_) => 0,
        Expr::Subquery(node) => depth(&node.expr),
        Expr::Aggregate(node) => depth(&node.expr).max(node.param.as_ref().map_or(0, depth)),
        Expr::Binary(node) => depth(&node.lhs).max(depth(&node.rhs)),
        Expr::Call(node) => node.args.iter().map(depth).max().unwrap_or(0),
        Expr::Paren(inner, _) | Expr::Unary { expr: inner, .. } => depth(inner),
    }
}

/// The query as a whole: what `start()`, `end()`, `step()` and `range()` mean.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    pub start: i64,
    pub end: i64,
    pub step: i64,
}

pub(super) struct Engine<'a> {
    pub source: &'a dyn SeriesSource,
    pub options: &'a Options,
    control: &'a QueryControl,
    pub times: Times,
    deadline: Option<Instant>,
    current: AtomicU64,
    peak: AtomicU64,
    total: AtomicU64,
    read: AtomicU64,
    notes: Mutex<Notes>,
    sets: Mutex<HashMap<SetKey, Arc<dyn SeriesSet>>>,
    /// Addresses of selectors whose histograms are used without their buckets.
    without_buckets: HashSet<usize>,
}

/// Matchers as text, and the range.
type SetKey = (String, i64, i64);

/// What a thread reuses from series to series.
#[derive(Default)]
pub(super) struct Scratch {
    pub column: SampleColumn,
    pub samples: Samples,
    pub notes: Notes,
    pub total: u64,
    pub read: u64,
}

impl<'a> Engine<'a> {
    fn run(
        expr: &Expr,
        when: When,
        source: &'a dyn SeriesSource,
        options: &'a Options,
        control: &'a QueryControl,
    ) -> Evaluate<Evaluated> {
        let (times, frame) = match when {
            When::Instant(time) => (Times { start: time, end: time, step: 0 }, Frame::new(time, time, 1)),
            When::Range { start, end, step } => (Times { start, end, step }, Frame::new(start, end, step)),
        };
        let kind = expr.value_type();
        if matches!(when, When::Range { .. }) && !matches!(kind, ValueType::Vector | ValueType::Scalar) {
            let message =
                format!("invalid expression type \"{}\" for range query, must be Scalar or instant Vector", kind.documented());
            return Err(EvalError::Invalid(message));
        }
        let engine = Self {
            source,
            options,
            control,
            times,
            deadline: (options.timeout_ms > 0).then(|| Instant::now() + Duration::from_millis(options.timeout_ms)),
            current: AtomicU64::new(0),
            peak: AtomicU64::new(0),
            total: AtomicU64::new(0),
            read: AtomicU64::new(0),
            notes: Mutex::default(),
            sets: Mutex::default(),
            without_buckets: without_buckets(expr),
        };
        engine.check_durations(expr)?;
        let answer = engine.answer(expr, when, &frame)?;
        let stats = Stats {
            total_samples: engine.total.into_inner(),
            samples_read: engine.read.into_inner(),
            peak_samples: engine.peak.into_inner(),
        };
        let notes = engine.notes.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok(Evaluated { answer, time: times.start, notes, stats })
    }

    fn answer(&self, expr: &Expr, when: When, frame: &Frame) -> Evaluate<Answer> {
        if matches!(expr.unwrapped(), Expr::Matrix(_) | Expr::Subquery(_)) {
            let mut series = self.range_vector(expr.unwrapped(), frame)?;
            series.sort_by(|a, b| a.labels.cmp(&b.labels));
            return Ok(Answer::Matrix(series));
        }
        let value = self.eval(expr, frame)?;
        Ok(match (value, when) {
            (Value::Text(text), _) => Answer::String(text),
            (Value::Scalar(values), When::Instant(_)) => Answer::Scalar(values.first().copied().unwrap_or(f64::NAN)),
            (Value::Scalar(values), When::Range { .. }) => {
                let mut steps = Steps::new(frame.steps);
                values.iter().enumerate().for_each(|(step, value)| steps.set_float(step, *value));
                let row = Row { labels: Labels::default(), drop_name: false, steps };
                Answer::Matrix(if frame.steps == 0 { Vec::new() } else { vec![row.into_series(frame)] })
            }
            (Value::Rows(rows), when) => {
                let mut rows = self.finish_names(rows)?;
                if let When::Instant(_) = when {
                    let sample = |row: Row| {
                        let value = match row.steps.get(0)? {
                            Sample::Float(value) => SampleValue::Float(value),
                            Sample::Histogram(histogram) => SampleValue::Histogram(histogram),
                        };
                        Some(VectorSample { labels: row.labels, value })
                    };
                    Answer::Vector(rows.into_iter().filter_map(sample).collect())
                } else {
                    rows.retain(|row| row.steps.present.any());
                    rows.sort_by(|a, b| a.labels.cmp(&b.labels));
                    Answer::Matrix(rows.into_iter().map(|row| row.into_series(frame)).collect())
                }
            }
        })
    }

    /// Takes the counts of a scratch over.
    pub fn count(&self, scratch: &Scratch) {
        self.total.fetch_add(scratch.total, Ordering::Relaxed);
        self.read.fetch_add(scratch.read, Ordering::Relaxed);
    }

    /// Takes the names away that were to go at the end.
    pub fn finish_names(&self, mut rows: Vec<Row>) -> Evaluate<Vec<Row>> {
        if !self.options.delayed_name_removal {
            return Ok(rows);
        }
        for row in &mut rows {
            if row.drop_name {
                row.labels = without_reserved(&row.labels);
            }
        }
        merge_equal(rows)
    }

    /// Stops a query that was cancelled or takes too long.
    pub fn check(&self) -> Evaluate<()> {
        self.control.check()?;
        match self.deadline {
            Some(deadline) if Instant::now() > deadline => Err(EvalError::Timeout),
            _ => Ok(()),
        }
    }

    /// Counts samples that are held from now on.
    pub fn hold(&self, samples: u64) -> Evaluate<()> {
        let now = self.current.fetch_add(samples, Ordering::Relaxed) + samples;
        self.peak.fetch_max(now, Ordering::Relaxed);
        if now > self.options.max_samples { Err(EvalError::TooManySamples) } else { Ok(()) }
    }

    /// Counts samples that are held no longer.
    pub fn release(&self, samples: u64) {
        let _ = self.current.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |now| Some(now.saturating_sub(samples)));
    }

    pub fn note(&self, note: Note, at: crate::promql::Span) {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).add(note, at);
    }

    pub fn note_extent(&self, note: Note, at: crate::promql::Span, extent: crate::promql::annotation::Extent) {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).add_extent(note, at, extent);
    }

    pub fn merge_notes(&self, notes: Notes) {
        if !notes.is_empty() {
            self.notes.lock().unwrap_or_else(PoisonError::into_inner).merge(notes);
        }
    }

    /// Labels of a result whose name goes: at once, or marked to go at the end.
    pub fn result_labels(&self, labels: &Labels, drop: bool) -> Labels {
        if drop && !self.options.delayed_name_removal { without_reserved(labels) } else { labels.clone() }
    }

    /// True for a selector of the query whose histograms are used without their buckets.
    pub fn needs_no_buckets(&self, selector: &VectorSelector) -> bool {
        self.without_buckets.contains(&(std::ptr::from_ref(selector) as usize))
    }

    /// Picks series; the same question is asked once a query.
    pub fn select(&self, matchers: &[Matcher], range: MillisRange) -> Evaluate<Arc<dyn SeriesSet>> {
        let key = (format!("{matchers:?}"), range.start, range.end);
        if let Some(set) = self.sets.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(set.clone());
        }
        let request = SeriesRequest { matchers, range, limit: 0 };
        let set: Arc<dyn SeriesSet> = Arc::from(self.source.select(&request, self.control)?);
        self.sets.lock().unwrap_or_else(PoisonError::into_inner).insert(key, set.clone());
        Ok(set)
    }

    /// Calls `work` for runs of consecutive indices below `count`, on several threads when there is much to do, each with
    /// its own scratch. Results come in order.
    pub fn in_runs<R: Send>(
        &self,
        count: usize,
        steps: usize,
        work: impl Fn(std::ops::Range<usize>, &mut Scratch) -> Evaluate<R> + Sync,
    ) -> Evaluate<Vec<R>> {
        let threads = self.options.threads.max(1);
        let runs = if threads > 1 && count >= threads && count.saturating_mul(steps) >= PARALLEL_FROM { threads } else { 1 };
        let bounds = |run: usize| count * run / runs..count * (run + 1) / runs;
        let finish = |scratch: Scratch| {
            self.count(&scratch);
            self.merge_notes(scratch.notes);
        };
        if runs == 1 {
            let mut scratch = Scratch::default();
            let result = work(bounds(0), &mut scratch);
            finish(scratch);
            return Ok(vec![result?]);
        }
        let work = &work;
        let results: Vec<(Evaluate<R>, Scratch)> =
            std::thread::scope(|scope| {
                let spawned: Vec<_> = (1..runs)
                    .map(|run| {
                        scope.spawn(move || {
                            let mut scratch = Scratch::default();
                            (work(bounds(run), &mut scratch), scratch)
                        })
                    })
                    .collect();
                let mut scratch = Scratch::default();
                let first = work(bounds(0), &mut scratch);
                let mut results = vec![(first, scratch)];
                results.extend(spawned.into_iter().map(|thread| {
                    thread.join().unwrap_or_else(|_| (failed("a scan stopped unexpectedly"), Scratch::default()))
                }));
                results
            });
        let mut out = Vec::with_capacity(runs);
        for (result, scratch) in results {
            finish(scratch);
            out.push(result);
        }
        out.into_iter().collect()
    }

    /// One result an index, in order; `None` is left out.
    pub fn each_series(
        &self,
        count: usize,
        steps: usize,
        work: impl Fn(usize, &mut Scratch) -> Evaluate<Option<Row>> + Sync,
    ) -> Evaluate<Vec<Row>> {
        let runs = self.in_runs(count, steps, |indices, scratch| {
            let mut rows = Vec::new();
            for index in indices {
                if index % 64 == 0 {
                    self.check()?;
                }
                if let Some(row) = work(index, scratch)? {
                    self.hold(row.steps.weight())?;
                    rows.push(row);
                }
            }
            Ok(rows)
        })?;
        Ok(runs.into_iter().flatten().collect())
    }

    /// The sum of what rows count for, released.
    pub fn release_rows(&self, rows: &[Row]) {
        self.release(rows.iter().map(|row| row.steps.weight()).sum());
    }

    // ---- expressions

    pub fn rows(&self, expr: &Expr, frame: &Frame) -> Evaluate<Vec<Row>> {
        match self.eval(expr, frame)? {
            Value::Rows(rows) => Ok(rows),
            _ => failed("expected an instant vector"),
        }
    }

    pub fn scalar(&self, expr: &Expr, frame: &Frame) -> Evaluate<Vec<f64>> {
        match self.eval(expr, frame)? {
            Value::Scalar(values) => Ok(values),
            Value::Rows(rows) if rows.is_empty() => Ok(Vec::new()),
            _ => failed("expected a scalar"),
        }
    }

    pub fn eval(&self, expr: &Expr, frame: &Frame) -> Evaluate<Value> {
        self.check()?;
        if frame.steps == 0 {
            return Ok(if expr.value_type() == ValueType::Scalar {
                Value::Scalar(Vec::new())
            } else {
                Value::Rows(Vec::new())
            });
        }
        if frame.steps > 1 && self.stands_still(expr) {
            return Ok(repeat(self.eval(expr, &frame.first_only())?, frame.steps));
        }
        match expr {
            Expr::Number(number) => Ok(Value::Scalar(vec![number.value; frame.steps])),
            Expr::String(text) => Ok(Value::Text(text.value.clone())),
            Expr::Vector(selector) => Ok(Value::Rows(self.vector_selector(selector, frame)?)),
            Expr::Matrix(_) | Expr::Subquery(_) => failed("cannot do range evaluation of matrix selector"),
            Expr::Paren(inner, _) => self.eval(inner, frame),
            Expr::Unary { negate, expr: inner, .. } => self.unary(*negate, inner, frame),
            Expr::Aggregate(node) => Ok(Value::Rows(self.aggregate(node, frame)?)),
            Expr::Binary(node) => self.binary(node, frame),
            Expr::Call(node) => self.call(node, frame),
        }
    }

    fn unary(&self, negate: bool, inner: &Expr, frame: &Frame) -> Evaluate<Value> {
        match self.eval(inner, frame)? {
            value if !negate => Ok(value),
            Value::Scalar(values) => Ok(Value::Scalar(values.into_iter().map(|value| -value).collect())),
            Value::Rows(mut rows) => {
                for row in &mut rows {
                    row.labels = self.result_labels(&row.labels, true);
                    row.drop_name = true;
                    row.steps.values.iter_mut().for_each(|value| *value = -*value);
                    for slot in row.steps.histograms.iter_mut().flatten() {
                        let mut negative = slot.as_ref().clone();
                        crate::promql::histogram::scale(&mut negative, -1.0);
                        *slot = Arc::new(negative);
                    }
                }
                Ok(Value::Rows(if self.options.delayed_name_removal { rows } else { merge_equal(rows)? }))
            }
            Value::Text(_) => failed("a string has no sign"),
        }
    }

    fn binary(&self, node: &Binary, frame: &Frame) -> Evaluate<Value> {
        match (node.lhs.value_type(), node.rhs.value_type()) {
            (ValueType::Scalar, ValueType::Scalar) => {
                let (left, right) = (self.scalar(&node.lhs, frame)?, self.scalar(&node.rhs, frame)?);
                let values = left.iter().zip(&right).map(|(left, right)| super::binary::scalars(node.op, *left, *right));
                Ok(Value::Scalar(values.collect()))
            }
            (ValueType::Vector, ValueType::Vector) => Ok(Value::Rows(self.vectors(node, frame)?)),
            (ValueType::Vector, _) => Ok(Value::Rows(self.vector_scalar(node, &node.lhs, &node.rhs, false, frame)?)),
            _ => Ok(Value::Rows(self.vector_scalar(node, &node.rhs, &node.lhs, true, frame)?)),
        }
    }

    fn call(&self, node: &Call, frame: &Frame) -> Evaluate<Value> {
        let matrix = node.args.iter().position(|arg| matches!(arg.unwrapped(), Expr::Matrix(_) | Expr::Subquery(_)));
        match matrix {
            Some(place) => Ok(Value::Rows(self.range_call(node, place, frame)?)),
            None => self.instant_call(node, frame),
        }
    }
}

fn repeat(value: Value, steps: usize) -> Value {
    match value {
        Value::Scalar(values) => Value::Scalar(vec![values.first().copied().unwrap_or(f64::NAN); steps]),
        Value::Text(text) => Value::Text(text),
        Value::Rows(rows) => Value::Rows(
            rows.into_iter()
                .map(|row| {
                    let mut repeated = Steps::new(steps);
                    if let Some(sample) = row.steps.get(0) {
                        (0..steps).for_each(|step| repeated.set(step, sample.clone()));
                    }
                    Row { steps: repeated, ..row }
                })
                .collect(),
        ),
    }
}

/// True for the labels that belong to a metric's identity: its name, type and unit.
pub(super) fn is_reserved(name: &str) -> bool {
    matches!(name, "__name__" | "__type__" | "__unit__")
}

pub(super) fn without_reserved(labels: &Labels) -> Labels {
    labels.without(is_reserved)
}

/// Joins rows whose labels have become the same; two samples at one step are an error.
pub(super) fn merge_equal(rows: Vec<Row>) -> Evaluate<Vec<Row>> {
    let mut places: HashMap<Labels, usize> = HashMap::with_capacity(rows.len());
    let mut merged: Vec<Row> = Vec::with_capacity(rows.len());
    for row in rows {
        let Some(place) = places.get(&row.labels) else {
            places.insert(row.labels.clone(), merged.len());
            merged.push(row);
            continue;
        };
        let into = &mut merged[*place];
        if into.steps.present.overlaps(&row.steps.present) {
            return failed("vector cannot contain metrics with the same labelset");
        }
        for step in row.steps.present.ones() {
            if let Some(sample) = row.steps.get(step) {
                into.steps.set(step, sample);
            }
        }
    }
    Ok(merged)
}
