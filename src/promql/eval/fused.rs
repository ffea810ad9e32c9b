//! Aggregations folded straight from series: a series is read, its steps computed, and they are added to its group's row
//! before the next is read. Only numbers go this way; a histogram on it sends the query the general way.

use super::Evaluate;
use super::aggregate::Groups;
use super::engine::{Engine, Scratch};
use super::range::Prepared;
use super::row::{Frame, Row, Sample, Steps};
use crate::promql::ast::{Aggregate, AggregateOp, Expr, Extension, VectorSelector};
use crate::promql::histogram::kahan_inc;

/// Fewer series than this are not worth it.
const LEAST_SERIES: usize = 8;

/// What is folded.
enum Source<'a> {
    Range(Prepared),
    Vector(&'a VectorSelector),
}

/// Group rows of one thread.
struct Fold {
    steps: usize,
    sums: Vec<f64>,
    rests: Vec<f64>,
    counts: Vec<u32>,
}

impl Fold {
    fn new(op: AggregateOp, groups: usize, steps: usize) -> Self {
        let cells = groups * steps;
        let summed = matches!(op, AggregateOp::Sum | AggregateOp::Avg);
        Self { steps, sums: vec![0.0; cells], rests: vec![0.0; if summed { cells } else { 0 }], counts: vec![0; cells] }
    }

    /// Adds a series' steps to a group. Gives up (`false`) where a sum overflows.
    fn add(&mut self, op: AggregateOp, group: usize, row: &Steps) -> bool {
        let cells = group * self.steps..(group + 1) * self.steps;
        let (sums, counts) = (&mut self.sums[cells.clone()], &mut self.counts[cells.clone()]);
        match op {
            AggregateOp::Sum | AggregateOp::Avg => {
                let rests = &mut self.rests[cells];
                for step in row.present.ones() {
                    let value = row.values[step];
                    if counts[step] == 0 {
                        sums[step] = value;
                    } else {
                        (sums[step], rests[step]) = kahan_inc(value, sums[step], rests[step]);
                        if op == AggregateOp::Avg && sums[step].is_infinite() {
                            return false;
                        }
                    }
                    counts[step] += 1;
                }
            }
            AggregateOp::Min | AggregateOp::Max => {
                for step in row.present.ones() {
                    let (value, best) = (row.values[step], sums[step]);
                    let better = if op == AggregateOp::Max { value > best } else { value < best };
                    if counts[step] == 0 || better || best.is_nan() {
                        sums[step] = value;
                    }
                    counts[step] += 1;
                }
            }
            _ => row.present.ones().for_each(|step| counts[step] += 1),
        }
        true
    }

    /// Takes another thread's rows over, whose series come later.
    fn merge(&mut self, op: AggregateOp, other: &Self) -> bool {
        for cell in 0..self.counts.len() {
            if other.counts[cell] == 0 {
                continue;
            }
            let (mine, theirs) = (self.sums[cell], other.sums[cell]);
            if self.counts[cell] == 0 {
                self.sums[cell] = theirs;
                if let Some(rest) = self.rests.get_mut(cell) {
                    *rest = other.rests[cell];
                }
            } else {
                match op {
                    AggregateOp::Sum | AggregateOp::Avg => {
                        let (sum, rest) = kahan_inc(theirs, mine, self.rests[cell] + other.rests[cell]);
                        (self.sums[cell], self.rests[cell]) = (sum, rest);
                        if op == AggregateOp::Avg && sum.is_infinite() {
                            return false;
                        }
                    }
                    AggregateOp::Max if theirs > mine || mine.is_nan() => self.sums[cell] = theirs,
                    AggregateOp::Min if theirs < mine || mine.is_nan() => self.sums[cell] = theirs,
                    _ => {}
                }
            }
            self.counts[cell] += other.counts[cell];
        }
        true
    }
}

impl Engine<'_> {
    /// The aggregation, where it can be folded.
    pub(super) fn fused(&self, node: &Aggregate, frame: &Frame) -> Evaluate<Option<Vec<Row>>> {
        use AggregateOp::{Avg, Count, Group, Max, Min, Sum};
        let (op, inner) = (node.op, node.expr.unwrapped());
        if !matches!(op, Sum | Avg | Count | Min | Max | Group) || frame.steps == 0 {
            return Ok(None);
        }
        let source = match inner {
            Expr::Vector(selector) if selector.extension != Extension::Smoothed && selector.at_time.is_none() => {
                Source::Vector(selector)
            }
            Expr::Call(call) => {
                let place = call.args.iter().position(|arg| matches!(arg.unwrapped(), Expr::Matrix(_)));
                match place.map(|place| (place, call.args[place].unwrapped())) {
                    Some((place, Expr::Matrix(matrix)))
                        if matrix.selector.at_time.is_none()
                            && call.function.id != crate::promql::functions::FunctionId::AbsentOverTime =>
                    {
                        Source::Range(self.prepare_range(call, place, frame)?)
                    }
                    _ => return Ok(None),
                }
            }
            _ => return Ok(None),
        };
        match source {
            Source::Range(prepared) => {
                let count = prepared.count();
                let drops = (0..count).any(|index| prepared.drops_name(index));
                // Names that go before grouping could make two series one: the general way tells.
                let groups = Groups::new((0..count).map(|index| prepared.labels(index)), &node.grouping, node.without);
                if count < LEAST_SERIES || (drops && !self.options.delayed_name_removal && names_matter(node, &prepared)) {
                    return Ok(None);
                }
                self.fold(op, &groups, count, frame, drops, |index, scratch, steps| {
                    self.compute(&prepared, index, scratch, steps)
                })
            }
            Source::Vector(selector) => {
                let reference = self.reference(selector, frame)?;
                let picked = self.pick(selector, reference, self.options.lookback_ms, 0)?;
                let count = picked.len();
                if count < LEAST_SERIES {
                    return Ok(None);
                }
                let labels = picked.set.series().iter().map(|series| &series.labels);
                let groups = Groups::new(labels, &node.grouping, node.without);
                self.fold(op, &groups, count, frame, false, |index, scratch, steps| {
                    self.latest(&picked, index, reference, frame, scratch, |step, seen| match seen.sample {
                        Sample::Float(value) => steps.set_float(step, value),
                        sample => steps.set(step, sample),
                    })
                })
            }
        }
    }

    fn fold(
        &self,
        op: AggregateOp,
        groups: &Groups,
        count: usize,
        frame: &Frame,
        drop_name: bool,
        compute: impl Fn(usize, &mut Scratch, &mut Steps) -> Evaluate<()> + Sync,
    ) -> Evaluate<Option<Vec<Row>>> {
        let cells = (groups.labels.len() * frame.steps) as u64;
        self.hold(cells)?;
        let folds = self.in_runs(count, frame.steps, |indices, scratch| {
            let mut fold = Fold::new(op, groups.labels.len(), frame.steps);
            let mut steps = Steps::new(frame.steps);
            for index in indices {
                if index % 64 == 0 {
                    self.check()?;
                }
                steps.present.reset();
                compute(index, scratch, &mut steps)?;
                if !steps.histograms.is_empty() || !fold.add(op, groups.of[index], &steps) {
                    return Ok(None);
                }
            }
            Ok(Some(fold))
        })?;
        let mut folds = folds.into_iter();
        let Some(Some(mut total)) = folds.next() else {
            self.release(cells);
            return Ok(None);
        };
        for fold in folds {
            if !fold.is_some_and(|fold| total.merge(op, &fold)) {
                self.release(cells);
                return Ok(None);
            }
        }
        let mut rows = Vec::with_capacity(groups.labels.len());
        for (group, labels) in groups.labels.iter().enumerate() {
            let mut steps = Steps::new(frame.steps);
            for step in 0..frame.steps {
                let cell = group * frame.steps + step;
                let count = f64::from(total.counts[cell]);
                if total.counts[cell] == 0 {
                    continue;
                }
                let value = match op {
                    AggregateOp::Sum => total.sums[cell] + total.rests[cell],
                    AggregateOp::Avg => total.sums[cell] / count + total.rests[cell] / count,
                    AggregateOp::Count => count,
                    AggregateOp::Group => 1.0,
                    _ => total.sums[cell],
                };
                steps.set_float(step, value);
            }
            if steps.present.any() {
                rows.push(Row { labels: labels.clone(), drop_name, steps });
            }
        }
        Ok(Some(rows))
    }
}

/// True when series differ in nothing but their names, or a grouping names the name.
fn names_matter(node: &Aggregate, prepared: &Prepared) -> bool {
    let first = (0..prepared.count()).map(|index| prepared.labels(index).metric_name()).next().unwrap_or_default().to_owned();
    let named = |label: &smol_str::SmolStr| super::engine::is_reserved(label);
    (!node.without && node.grouping.iter().any(named))
        || (0..prepared.count()).any(|index| prepared.labels(index).metric_name() != first)
}
