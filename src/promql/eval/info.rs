//! `info()`: labels of info metrics added to the series that they describe, matched by `instance` and `job`.

use super::engine::{Engine, is_reserved};
use super::row::{Frame, Row, Sample, Steps};
use super::select::Seen;
use super::{Evaluate, failed};
use crate::model::Labels;
use crate::model::labels::METRIC_NAME;
use crate::promql::ast::{At, Call, DurationValue, Expr, Extension, VectorSelector};
use crate::promql::functions::FunctionId;
use crate::source::{MatchOp, Matcher, ReadyMatcher};
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// Labels that say which target a series is of.
const IDENTIFYING: [&str; 2] = ["instance", "job"];

/// When the samples of info series are looked up: fixed, or a distance from the step.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct InfoReference {
    fixed: Option<i64>,
    offset_ms: i64,
}

impl InfoReference {
    fn same(self, other: Self) -> bool {
        match (self.fixed, other.fixed) {
            (Some(a), Some(b)) => a - self.offset_ms == b - other.offset_ms,
            (None, None) => self.offset_ms == other.offset_ms,
            _ => false,
        }
    }
}

fn matcher(name: &str, op: MatchOp, value: &str) -> Matcher {
    Matcher { name: SmolStr::new(name), op, value: SmolStr::new(value) }
}

/// Matchers on the name that info series are picked by.
fn name_matchers(given: &[Matcher]) -> Vec<Matcher> {
    if given.iter().any(|matcher| matches!(matcher.op, MatchOp::Equal | MatchOp::Regex)) {
        given.to_vec()
    } else if given.is_empty() {
        vec![matcher(METRIC_NAME, MatchOp::Equal, "target_info")]
    } else {
        let mut all = vec![matcher(METRIC_NAME, MatchOp::Regex, ".+_info")];
        all.extend_from_slice(given);
        all
    }
}

impl Engine<'_> {
    pub(super) fn info(&self, node: &Call, frame: &Frame) -> Evaluate<Vec<Row>> {
        let rows = self.rows(&node.args[0], frame)?;
        let selected: &[Matcher] = match node.args.get(1).map(Expr::unwrapped) {
            Some(Expr::Vector(selector)) => &selector.matchers,
            _ => &[],
        };
        let (names, data): (Vec<Matcher>, Vec<Matcher>) =
            selected.iter().cloned().partition(|matcher| matcher.name == METRIC_NAME);
        let names = name_matchers(&names);
        let ready: Vec<ReadyMatcher> = names.iter().map(ReadyMatcher::new).collect::<Result<_, _>>()?;
        let ignored: Vec<bool> =
            rows.iter().map(|row| ready.iter().all(|matcher| matcher.matches(row.labels.metric_name()))).collect();
        let infos = self.info_rows(&rows, &ignored, &names, &data, node, frame)?;
        let wanted: HashSet<&str> = data.iter().map(|matcher| matcher.name.as_str()).collect();
        let may_miss =
            data.iter().map(ReadyMatcher::new).collect::<Result<Vec<_>, _>>()?.iter().all(|matcher| matcher.matches(""));
        let mut by_target: HashMap<Labels, BTreeMap<String, Vec<usize>>> = HashMap::new();
        for (index, info) in infos.iter().enumerate() {
            let metric = info.labels.metric_name().to_owned();
            by_target.entry(target(&info.labels)).or_default().entry(metric).or_default().push(index);
        }
        let mut out: Vec<Row> = Vec::new();
        let mut places: HashMap<Labels, usize> = HashMap::new();
        let mut put = |labels: &Labels, drop_name: bool, step: usize, sample: Sample| -> Evaluate<()> {
            let place = *places.entry(labels.clone()).or_insert_with(|| {
                out.push(Row { labels: labels.clone(), drop_name, steps: Steps::new(frame.steps) });
                out.len() - 1
            });
            if out[place].steps.present.has(step) {
                return failed("vector cannot contain metrics with the same labelset");
            }
            out[place].steps.set(step, sample);
            Ok(())
        };
        for (row, ignored) in rows.iter().zip(ignored) {
            let groups = by_target.get(&target(&row.labels));
            let mut known: HashMap<Vec<usize>, Labels> = HashMap::new();
            for step in row.steps.present.ones() {
                let Some(sample) = row.steps.get(step) else { continue };
                if ignored {
                    put(&row.labels, row.drop_name, step, sample)?;
                    continue;
                }
                let mut newest = Vec::new();
                for candidates in groups.into_iter().flat_map(|groups| groups.values()) {
                    if let Some(index) = self.newest(&infos, candidates, step)? {
                        newest.push(index);
                    }
                }
                if newest.is_empty() && !may_miss {
                    continue;
                }
                let labels = match known.get(&newest) {
                    Some(labels) => labels.clone(),
                    None => {
                        let labels = enrich(&row.labels, newest.iter().map(|index| &infos[*index].labels), &wanted)?;
                        known.insert(newest.clone(), labels.clone());
                        labels
                    }
                };
                put(&labels, row.drop_name, step, sample)?;
            }
        }
        Ok(out)
    }

    /// The info series with the latest sample at a step. Values are the times of samples.
    fn newest(&self, infos: &[Row], candidates: &[usize], step: usize) -> Evaluate<Option<usize>> {
        let mut best: Option<(f64, usize)> = None;
        for index in candidates {
            let Some(time) = infos[*index].steps.float(step) else { continue };
            match best {
                Some((known, _)) if known > time => {}
                Some((known, before)) if known == time => {
                    return failed(format!(
                        "found duplicate series for info metric: existing {} @ {}, new {} @ {}",
                        infos[before].labels, known as i64, infos[*index].labels, time as i64
                    ));
                }
                _ => best = Some((time, *index)),
            }
        }
        Ok(best.map(|(_, index)| index))
    }

    /// Info series of the targets of these rows; values are the times of samples in milliseconds.
    fn info_rows(
        &self,
        rows: &[Row],
        ignored: &[bool],
        names: &[Matcher],
        data: &[Matcher],
        node: &Call,
        frame: &Frame,
    ) -> Evaluate<Vec<Row>> {
        // Values of the identifying labels, by which of them are there.
        let mut groups: BTreeMap<[bool; 2], [BTreeSet<String>; 2]> = BTreeMap::new();
        for (row, _) in rows.iter().zip(ignored).filter(|(_, ignored)| !**ignored) {
            let values = IDENTIFYING.map(|label| row.labels.get(label).to_owned());
            let there = [!values[0].is_empty(), !values[1].is_empty()];
            if there == [false, false] {
                continue;
            }
            let group = groups.entry(there).or_default();
            for (set, value) in group.iter_mut().zip(values) {
                set.insert(value);
            }
        }
        let reference = self.info_reference(&node.args[0]).unwrap_or(InfoReference { fixed: None, offset_ms: 0 });
        let mut infos = Vec::new();
        for (there, values) in groups {
            let mut matchers = Vec::new();
            for ((label, there), values) in IDENTIFYING.iter().zip(there).zip(values) {
                if there {
                    let any: Vec<String> = values.iter().map(|value| regex::escape(value)).collect();
                    matchers.push(matcher(label, MatchOp::Regex, &any.join("|")));
                } else {
                    matchers.push(matcher(label, MatchOp::Equal, ""));
                }
            }
            matchers.extend_from_slice(data);
            matchers.extend_from_slice(names);
            let selector = VectorSelector {
                name: SmolStr::default(),
                matchers,
                offset: DurationValue::Fixed(reference.offset_ms * crate::promql::text::NS_PER_MS),
                at_time: reference.fixed.map(At::Time),
                extension: Extension::None,
                at: node.at,
            };
            let rows = self.latest_rows(&selector, frame, |seen: Seen| match seen.sample {
                Sample::Float(_) => Sample::Float(seen.time as f64),
                histogram => histogram,
            })?;
            if let Some(wrong) = rows.iter().find(|row| row.steps.has_histograms()) {
                return failed(format!("this should be an info metric, with float samples: {}", wrong.labels));
            }
            infos.extend(rows);
        }
        Ok(infos)
    }

    /// The one reference that all selectors of an expression share.
    pub(super) fn info_reference(&self, expr: &Expr) -> Option<InfoReference> {
        let mut found = Found { first: None, uniform: true, free: false };
        self.inspect(expr, &mut Vec::new(), &mut found);
        found.first.filter(|_| found.uniform && !found.free)
    }

    fn inspect(&self, expr: &Expr, path: &mut Vec<(i64, Option<i64>)>, found: &mut Found) -> bool {
        use crate::promql::ast::ValueType;
        if !matches!(expr.value_type(), ValueType::Vector | ValueType::Matrix) {
            return false;
        }
        let selector = match expr {
            Expr::Vector(selector) => Some(&**selector),
            Expr::Matrix(matrix) => Some(&matrix.selector),
            _ => None,
        };
        if let Some(selector) = selector {
            let mut reference = InfoReference {
                fixed: self.fixed(selector.at_time),
                offset_ms: self.millis(&selector.offset, true).unwrap_or(0),
            };
            for (offset, fixed) in path.iter().rev() {
                if reference.fixed.is_some() {
                    break;
                }
                reference.offset_ms += offset;
                reference.fixed = *fixed;
            }
            match found.first {
                None => found.first = Some(reference),
                Some(first) => found.uniform &= first.same(reference),
            }
            return true;
        }
        let has = match expr {
            Expr::Call(call) if call.function.id == FunctionId::Info => {
                return self.inspect(&call.args[0], path, found);
            }
            Expr::Call(call) => {
                let mut has = false;
                for arg in &call.args {
                    has |= self.inspect(arg, path, found);
                }
                has
            }
            Expr::Subquery(node) => {
                path.push((self.millis(&node.offset, true).unwrap_or(0), self.fixed(node.at_time)));
                let has = self.inspect(&node.expr, path, found);
                path.pop();
                has
            }
            Expr::Aggregate(node) => {
                let has = self.inspect(&node.expr, path, found);
                node.param.as_ref().is_some_and(|param| self.inspect(param, path, found)) || has
            }
            Expr::Binary(node) => {
                let left = self.inspect(&node.lhs, path, found);
                self.inspect(&node.rhs, path, found) || left
            }
            Expr::Paren(inner, _) | Expr::Unary { expr: inner, .. } => self.inspect(inner, path, found),
            _ => false,
        };
        found.free |= !has;
        has
    }
}

struct Found {
    first: Option<InfoReference>,
    uniform: bool,
    free: bool,
}

fn target(labels: &Labels) -> Labels {
    labels.without(|name| !IDENTIFYING.contains(&name))
}

/// Labels with those of info series added that it does not have.
fn enrich<'a>(base: &Labels, infos: impl Iterator<Item = &'a Labels>, wanted: &HashSet<&str>) -> Evaluate<Labels> {
    let mut added = Labels::default().edit();
    for info in infos {
        for (name, value) in info {
            if is_reserved(name) || (!wanted.is_empty() && !wanted.contains(name)) {
                continue;
            }
            let known = added.get(name);
            if !known.is_empty() && known != value {
                return failed(format!("conflicting label: {name}"));
            }
            if !base.has(name) {
                added.set(name, value);
            }
        }
    }
    let mut builder = base.edit();
    for (name, value) in &added.build() {
        builder.set(name, value);
    }
    Ok(builder.build())
}
