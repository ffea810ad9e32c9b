//! Binary operators: between scalars, a vector and a scalar, and two vectors.

use super::engine::{Engine, is_reserved, merge_equal};
use super::row::{Bits, Frame, Row, Sample, Steps};
use super::{Evaluate, failed};
use crate::model::labels::is_label_identifier;
use crate::model::{FloatHistogram, Labels, ResetHint};
use crate::promql::annotation::{HistogramOperation, Note, Notes};
use crate::promql::ast::{Binary, BinaryOp, Cardinality, Expr, Matching};
use crate::promql::histogram::{HistogramError, add, compact, divide, same, scale, subtract, trim};
use crate::promql::text::push_quoted;
use std::collections::HashMap;
use std::sync::Arc;

/// Of two numbers; comparisons give 0 or 1.
pub(super) fn scalars(op: BinaryOp, left: f64, right: f64) -> f64 {
    match floats(op, left, right) {
        (value, _) if !op.is_comparison() => value,
        (_, keep) => f64::from(u8::from(keep)),
    }
}

/// Value, and whether a comparison holds.
#[inline]
fn floats(op: BinaryOp, left: f64, right: f64) -> (f64, bool) {
    match op {
        BinaryOp::Add => (left + right, true),
        BinaryOp::Sub => (left - right, true),
        BinaryOp::Mul => (left * right, true),
        BinaryOp::Div => (left / right, true),
        BinaryOp::Pow => (left.powf(right), true),
        BinaryOp::Mod => (left % right, true),
        BinaryOp::Atan2 => (left.atan2(right), true),
        BinaryOp::Equal => (left, left == right),
        BinaryOp::NotEqual => (left, left != right),
        BinaryOp::Greater => (left, left > right),
        BinaryOp::Less => (left, left < right),
        BinaryOp::GreaterEqual => (left, left >= right),
        BinaryOp::LessEqual => (left, left <= right),
        _ => (0.0, false),
    }
}

/// What two samples give: `None` when the comparison fails or the operation is not defined.
fn samples(
    op: BinaryOp,
    left: &Sample,
    right: &Sample,
    at: crate::promql::Span,
    notes: &mut Notes,
) -> Evaluate<Option<Sample>> {
    let incompatible = |left: &'static str, right: &'static str| Note::IncompatibleTypes { left, op: op.text(), right };
    let changed = |histogram: &FloatHistogram, change: &dyn Fn(&mut FloatHistogram)| {
        let mut histogram = histogram.clone();
        change(&mut histogram);
        Ok(Some(Sample::Histogram(Arc::new(histogram))))
    };
    match (left, right) {
        (Sample::Float(left), Sample::Float(right)) => {
            if matches!(op, BinaryOp::TrimLower | BinaryOp::TrimUpper) {
                notes.add(incompatible("float", "float"), at);
                return Ok(None);
            }
            let (value, keep) = floats(op, *left, *right);
            Ok(keep.then_some(Sample::Float(value)))
        }
        (Sample::Float(left), Sample::Histogram(right)) => {
            if op == BinaryOp::Mul {
                return changed(right, &|histogram| {
                    scale(histogram, *left);
                    compact(histogram);
                });
            }
            notes.add(incompatible("float", "histogram"), at);
            Ok(None)
        }
        (Sample::Histogram(left), Sample::Float(right)) => match op {
            BinaryOp::Mul => changed(left, &|histogram| {
                scale(histogram, *right);
                compact(histogram);
            }),
            BinaryOp::Div => changed(left, &|histogram| {
                divide(histogram, *right);
                compact(histogram);
            }),
            BinaryOp::TrimUpper | BinaryOp::TrimLower => {
                changed(left, &|histogram| trim(histogram, *right, op == BinaryOp::TrimUpper))
            }
            _ => {
                notes.add(incompatible("histogram", "float"), at);
                Ok(None)
            }
        },
        (Sample::Histogram(left), Sample::Histogram(right)) => match op {
            BinaryOp::Equal => Ok(same(left, right).then(|| Sample::Histogram(left.clone()))),
            BinaryOp::NotEqual => Ok((!same(left, right)).then(|| Sample::Histogram(left.clone()))),
            BinaryOp::Add | BinaryOp::Sub => {
                let mut result = left.as_ref().clone();
                let (added, operation) = if op == BinaryOp::Add {
                    (add(&mut result, right), HistogramOperation::Addition)
                } else {
                    (subtract(&mut result, right), HistogramOperation::Subtraction)
                };
                let added = match added {
                    Ok(added) => added,
                    Err(HistogramError::IncompatibleSchema) => {
                        notes.add(Note::IncompatibleBucketLayout(op.text()), at);
                        return Ok(None);
                    }
                    Err(error) => return failed(error.to_string()),
                };
                if op == BinaryOp::Sub {
                    result.reset = ResetHint::Gauge;
                }
                if added.reconciled {
                    notes.add(Note::MismatchedCustomBuckets(operation), at);
                }
                if added.collision {
                    notes.add(Note::ResetCollision(operation), at);
                }
                compact(&mut result);
                Ok(Some(Sample::Histogram(Arc::new(result))))
            }
            _ => {
                notes.add(incompatible("histogram", "histogram"), at);
                Ok(None)
            }
        },
    }
}

impl Engine<'_> {
    /// A vector and a scalar; `swapped` when the scalar stands left.
    pub(super) fn vector_scalar(
        &self,
        node: &Binary,
        vector: &Expr,
        scalar: &Expr,
        swapped: bool,
        frame: &Frame,
    ) -> Evaluate<Vec<Row>> {
        let mut rows = self.rows(vector, frame)?;
        let values = self.scalar(scalar, frame)?;
        let (op, at) = (node.op, node.lhs.at().to(node.rhs.at()));
        let drop_name = op.changes_metric() || node.return_bool;
        let mut notes = Notes::default();
        for row in &mut rows {
            if row.steps.histograms.is_empty() && !matches!(op, BinaryOp::TrimLower | BinaryOp::TrimUpper) {
                float_row(&mut row.steps, op, &values, swapped, node.return_bool);
            } else {
                let mut steps = Steps::new(frame.steps);
                for step in row.steps.present.ones() {
                    let Some(sample) = row.steps.get(step) else { continue };
                    let number = Sample::Float(values[step]);
                    let (left, right) = if swapped { (&number, &sample) } else { (&sample, &number) };
                    let result = samples(op, left, right, at, &mut notes)?;
                    match result {
                        _ if node.return_bool && !undefined(op, left, right) => {
                            steps.set_float(step, f64::from(u8::from(result.is_some())));
                        }
                        // A comparison gives the vector's own value whichever side it stands on.
                        Some(_) if op.is_comparison() => steps.set(step, sample),
                        Some(result) => steps.set(step, result),
                        None => {}
                    }
                }
                row.steps = steps;
            }
            if drop_name {
                row.labels = self.result_labels(&row.labels, true);
                row.drop_name = true;
            }
        }
        self.merge_notes(notes);
        self.finish_vector(rows)
    }

    pub(super) fn vectors(&self, node: &Binary, frame: &Frame) -> Evaluate<Vec<Row>> {
        let (left, right) = (self.rows(&node.lhs, frame)?, self.rows(&node.rhs, frame)?);
        let signatures = Signatures::new(&left, &right, &node.matching);
        if node.op.is_set() {
            return self.set_operation(node.op, left, right, &signatures, frame);
        }
        let weight: u64 = left.iter().chain(&right).map(|row| row.steps.weight()).sum();
        let rows = Match { engine: self, node, frame, signatures: &signatures }.run(&left, &right)?;
        self.release(weight);
        self.hold(rows.iter().map(|row| row.steps.weight()).sum())?;
        self.finish_vector(rows)
    }

    fn set_operation(
        &self,
        op: BinaryOp,
        mut left: Vec<Row>,
        mut right: Vec<Row>,
        signatures: &Signatures,
        frame: &Frame,
    ) -> Evaluate<Vec<Row>> {
        let present = |rows: &[Row], places: &[usize]| {
            let mut present = vec![Bits::new(frame.steps); signatures.count];
            for (row, place) in rows.iter().zip(places) {
                present[*place].or(&row.steps.present);
            }
            present
        };
        if op == BinaryOp::Or {
            let there = present(&left, &signatures.left);
            for (row, place) in right.iter_mut().zip(&signatures.right) {
                row.steps.present.and_not(&there[*place]);
                row.steps.tidy();
            }
            left.append(&mut right);
        } else {
            let there = present(&right, &signatures.right);
            for (row, place) in left.iter_mut().zip(&signatures.left) {
                if op == BinaryOp::And {
                    row.steps.present.and(&there[*place]);
                } else {
                    row.steps.present.and_not(&there[*place]);
                }
                row.steps.tidy();
            }
        }
        left.retain(|row| row.steps.present.any());
        merge_equal(left)
    }
}

/// The quick way for rows of numbers.
fn float_row(steps: &mut Steps, op: BinaryOp, values: &[f64], swapped: bool, return_bool: bool) {
    if !op.is_comparison() {
        for (value, scalar) in steps.values.iter_mut().zip(values) {
            *value = if swapped { floats(op, *scalar, *value).0 } else { floats(op, *value, *scalar).0 };
        }
        return;
    }
    for (step, scalar) in values.iter().copied().enumerate() {
        let (left, right) = if swapped { (scalar, steps.values[step]) } else { (steps.values[step], scalar) };
        let keep = floats(op, left, right).1;
        if return_bool {
            steps.values[step] = f64::from(u8::from(keep));
        } else if !keep && steps.present.has(step) {
            steps.present.clear(step);
        }
    }
}

/// Which match group each row of the two sides belongs to.
struct Signatures {
    left: Vec<usize>,
    right: Vec<usize>,
    count: usize,
}

impl Signatures {
    fn new(left: &[Row], right: &[Row], matching: &Matching) -> Self {
        let mut places: HashMap<Labels, usize> = HashMap::with_capacity(left.len());
        let mut side = |rows: &[Row]| -> Vec<usize> {
            rows.iter()
                .map(|row| {
                    let count = places.len();
                    *places.entry(match_labels(&row.labels, matching)).or_insert(count)
                })
                .collect()
        };
        let (left, right) = (side(left), side(right));
        Self { left, right, count: places.len() }
    }
}

/// The labels that two sides are matched by.
fn match_labels(labels: &Labels, matching: &Matching) -> Labels {
    if matching.on {
        labels.without(|name| !matching.labels.iter().any(|label| label == name))
    } else {
        labels.without(|name| is_reserved(name) || matching.labels.iter().any(|label| label == name))
    }
}

/// A row of the one side or the other; `None` is a filled-in one.
type Place = Option<usize>;

struct Match<'a> {
    engine: &'a Engine<'a>,
    node: &'a Binary,
    frame: &'a Frame,
    signatures: &'a Signatures,
}

/// Rows that come out, by their labels.
#[derive(Default)]
struct Output {
    rows: Vec<Row>,
    by_labels: HashMap<Labels, usize>,
    /// Output row of a pair of input rows within a group.
    by_pair: HashMap<(usize, Place, Place), usize>,
}

impl Match<'_> {
    fn run(&self, left: &[Row], right: &[Row]) -> Evaluate<Vec<Row>> {
        let matching = &self.node.matching;
        let swapped = matching.card == Cardinality::OneToMany;
        // `many` may have several rows in a group, `one` may not.
        let (many, one) = if swapped { (right, left) } else { (left, right) };
        let (many_groups, one_groups) = if swapped {
            (&self.signatures.right, &self.signatures.left)
        } else {
            (&self.signatures.left, &self.signatures.right)
        };
        let (fill_many, fill_one) =
            if swapped { (matching.fill_right, matching.fill_left) } else { (matching.fill_left, matching.fill_right) };
        let mut groups: Vec<(Vec<usize>, Vec<usize>)> = vec![Default::default(); self.signatures.count];
        many_groups.iter().enumerate().for_each(|(row, group)| groups[*group].0.push(row));
        one_groups.iter().enumerate().for_each(|(row, group)| groups[*group].1.push(row));
        let mut active = Bits::new(self.frame.steps);
        let (mut any_many, mut any_one) = (Bits::new(self.frame.steps), Bits::new(self.frame.steps));
        many.iter().for_each(|row| any_many.or(&row.steps.present));
        one.iter().for_each(|row| any_one.or(&row.steps.present));
        active.or(&any_many);
        if fill_many.is_none() && fill_one.is_none() {
            active.and(&any_one);
        } else {
            active.or(&any_one);
        }
        let mut output = Output::default();
        let mut notes = Notes::default();
        let mut present_many: Vec<usize> = Vec::new();
        let mut seen: Vec<usize> = Vec::new();
        for (group, (many_rows, one_rows)) in groups.iter().enumerate() {
            if (many_rows.is_empty() && fill_many.is_none())
                || (one_rows.is_empty() && fill_one.is_none() && many_rows.is_empty())
            {
                // Duplicates on the one side are an error even when nothing matches them.
                self.check_duplicates(one_rows, one, &active)?;
                continue;
            }
            if let (&[a], &[b]) = (many_rows.as_slice(), one_rows.as_slice())
                && fill_many.is_none()
                && fill_one.is_none()
                && many[a].steps.histograms.is_empty()
                && one[b].steps.histograms.is_empty()
                && !matches!(self.node.op, BinaryOp::TrimLower | BinaryOp::TrimUpper)
            {
                self.float_pair((a, &many[a]), (b, &one[b]), group, &mut output)?;
                continue;
            }
            for step in active.ones() {
                if step % 1024 == 0 {
                    self.engine.check()?;
                }
                let single = self.single(one_rows, one, step)?;
                present_many.clear();
                present_many.extend(many_rows.iter().copied().filter(|row| many[*row].steps.present.has(step)));
                seen.clear();
                for row in &present_many {
                    let other = match (single, fill_one) {
                        (Some(other), _) => Some(other),
                        (None, Some(_)) => None,
                        (None, None) => continue,
                    };
                    let pair = (Some(*row), other);
                    self.pair(pair, many, one, (fill_many, fill_one), group, step, &mut output, &mut notes, &mut seen)?;
                }
                if fill_many.is_some()
                    && seen.is_empty()
                    && let Some(other) = single
                {
                    let pair = (None, Some(other));
                    self.pair(pair, many, one, (fill_many, fill_one), group, step, &mut output, &mut notes, &mut seen)?;
                }
            }
        }
        self.engine.merge_notes(notes);
        Ok(output.rows)
    }

    /// The row of the one side at a step.
    fn single(&self, rows: &[usize], side: &[Row], step: usize) -> Evaluate<Place> {
        let mut present = rows.iter().copied().filter(|row| side[*row].steps.present.has(step));
        let (first, second) = (present.next(), present.next());
        let (Some(first), Some(second)) = (first, second) else { return Ok(first) };
        let matching = &self.node.matching;
        let which = if matching.card == Cardinality::OneToMany { "left" } else { "right" };
        let mut names = [braced(&side[first].labels), braced(&side[second].labels)];
        names.sort();
        failed(format!(
            "found duplicate series for the match group {} on the {which} hand-side of the operation: [{}, {}];many-to-many matching not allowed: matching labels must be unique on one side",
            braced(&match_labels(&side[second].labels, matching)),
            names[0],
            names[1]
        ))
    }

    fn check_duplicates(&self, rows: &[usize], side: &[Row], active: &Bits) -> Evaluate<()> {
        if rows.len() > 1 {
            for step in active.ones() {
                self.single(rows, side, step)?;
            }
        }
        Ok(())
    }

    fn output_row(&self, many: &Labels, one: &Labels, output: &mut Output, key: (usize, Place, Place)) -> usize {
        if let Some(row) = output.by_pair.get(&key) {
            return *row;
        }
        let labels = self.result_metric(many, one);
        let row = *output.by_labels.entry(labels.clone()).or_insert_with(|| {
            let steps = Steps::new(self.frame.steps);
            output.rows.push(Row { labels, drop_name: self.node.return_bool, steps });
            output.rows.len() - 1
        });
        output.by_pair.insert(key, row);
        row
    }

    /// One row on each side, numbers alone.
    fn float_pair(&self, many: (usize, &Row), one: (usize, &Row), group: usize, output: &mut Output) -> Evaluate<()> {
        let place = self.output_row(&many.1.labels, &one.1.labels, output, (group, Some(many.0), Some(one.0)));
        let swapped = self.node.matching.card == Cardinality::OneToMany;
        let mut both = many.1.steps.present.clone();
        both.and(&one.1.steps.present);
        let out = &mut output.rows[place].steps;
        for step in both.ones() {
            let (a, b) = (many.1.steps.values[step], one.1.steps.values[step]);
            let (left, right) = if swapped { (b, a) } else { (a, b) };
            let (value, keep) = floats(self.node.op, left, right);
            if !keep && !self.node.return_bool {
                continue;
            }
            if out.present.has(step) {
                return failed("vector cannot contain metrics with the same labelset");
            }
            out.set_float(step, if self.node.return_bool { f64::from(u8::from(keep)) } else { value });
        }
        Ok(())
    }

    #[allow(clippy::too_many_arguments, reason = "one step of a loop over two sides")]
    fn pair(
        &self,
        pair: (Place, Place),
        many: &[Row],
        one: &[Row],
        fills: (Option<f64>, Option<f64>),
        group: usize,
        step: usize,
        output: &mut Output,
        notes: &mut Notes,
        seen: &mut Vec<usize>,
    ) -> Evaluate<()> {
        let matching = &self.node.matching;
        let get = |place: Place, side: &[Row], fill: Option<f64>| match place {
            Some(row) => side[row].steps.get(step),
            None => fill.map(Sample::Float),
        };
        let (Some(a), Some(b)) = (get(pair.0, many, fills.0), get(pair.1, one, fills.1)) else { return Ok(()) };
        let swapped = matching.card == Cardinality::OneToMany;
        let (left, right) = if swapped { (&b, &a) } else { (&a, &b) };
        let at = self.node.lhs.at().to(self.node.rhs.at());
        let result = samples(self.node.op, left, right, at, notes)?;
        if undefined(self.node.op, left, right) {
            return Ok(());
        }
        let empty = Labels::default();
        let labels = |place: Place, side: &[Row], other: &Labels| match place {
            Some(row) => side[row].labels.clone(),
            None => match_labels(other, matching),
        };
        let many_labels = labels(pair.0, many, pair.1.map_or(&empty, |row| &one[row].labels));
        let one_labels = labels(pair.1, one, pair.0.map_or(&empty, |row| &many[row].labels));
        let place = self.output_row(&many_labels, &one_labels, output, (group, pair.0, pair.1));
        if matching.card == Cardinality::OneToOne {
            if !seen.is_empty() {
                return failed("multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)");
            }
        } else if seen.contains(&place) {
            return failed("multiple matches for labels: grouping labels must ensure unique matches");
        }
        seen.push(place);
        let sample = match result {
            result if self.node.return_bool => Sample::Float(f64::from(u8::from(result.is_some()))),
            Some(sample) => sample,
            None => return Ok(()),
        };
        let steps = &mut output.rows[place].steps;
        if steps.present.has(step) {
            return failed("vector cannot contain metrics with the same labelset");
        }
        steps.set(step, sample);
        Ok(())
    }

    fn result_metric(&self, many: &Labels, one: &Labels) -> Labels {
        let matching = &self.node.matching;
        let drop_reserved =
            self.node.op.changes_metric() || (self.node.return_bool && !self.engine.options.delayed_name_removal);
        let mut labels = if drop_reserved { many.without(is_reserved) } else { many.clone() };
        if matching.card == Cardinality::OneToOne {
            labels = labels.without(|name| matching.labels.iter().any(|label| label == name) != matching.on);
        }
        if !matching.include.is_empty() {
            let mut builder = labels.edit();
            for label in &matching.include {
                builder.set(label, one.get(label));
            }
            labels = builder.build();
        }
        labels
    }
}

/// True where an operation between these kinds of samples has no result at all, noted or not.
fn undefined(op: BinaryOp, left: &Sample, right: &Sample) -> bool {
    match (left, right) {
        (Sample::Float(_), Sample::Float(_)) => matches!(op, BinaryOp::TrimLower | BinaryOp::TrimUpper),
        (Sample::Float(_), Sample::Histogram(_)) => op != BinaryOp::Mul,
        (Sample::Histogram(_), Sample::Float(_)) => {
            !matches!(op, BinaryOp::Mul | BinaryOp::Div | BinaryOp::TrimLower | BinaryOp::TrimUpper)
        }
        (Sample::Histogram(left), Sample::Histogram(right)) => match op {
            BinaryOp::Equal | BinaryOp::NotEqual => false,
            BinaryOp::Add | BinaryOp::Sub => left.has_custom_buckets() != right.has_custom_buckets(),
            _ => true,
        },
    }
}

/// A label set in braces, its name among the labels, as Prometheus' messages write it.
fn braced(labels: &Labels) -> String {
    let mut out = String::from("{");
    for (name, value) in labels {
        if out.len() > 1 {
            out.push_str(", ");
        }
        if is_label_identifier(name) {
            out.push_str(name)
        } else {
            push_quoted(&mut out, name)
        }
        out.push('=');
        push_quoted(&mut out, value);
    }
    out.push('}');
    out
}
