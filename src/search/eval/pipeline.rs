//! Stages and spanset operators over the spans of one trace.

use super::super::ast::{Aggregate, BinaryOp, Expr, Pipeline, Relation, SpansetExpr, SpansetOp, Stage, Static, StructuralMode};
use super::EvalError;
use super::expr::{Scene, number, passes, value};
use super::structure::{NONE, TraceContext};
use std::collections::BTreeSet;

/// Spans of one trace that a query selected, by their index in the trace.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Spanset {
    /// Indices, ascending, each once.
    pub spans: Vec<u32>,
    /// `by(…)` values, in the order of the stages.
    pub groups: Vec<(String, Static)>,
}

impl Spanset {
    pub(super) fn of(spans: Vec<u32>) -> Self {
        Self { spans, groups: Vec::new() }
    }
}

/// Runs every stage in turn; empty spansets vanish.
pub(super) fn run(pipeline: &Pipeline, trace: &TraceContext<'_>, mut sets: Vec<Spanset>) -> Result<Vec<Spanset>, EvalError> {
    for stage in &pipeline.stages {
        sets = match stage {
            Stage::Spanset(expr) => {
                let mut out = Vec::new();
                for set in &sets {
                    out.extend(spanset(expr, trace, set)?);
                }
                out
            }
            Stage::By(expr) => group(expr, trace, &sets)?,
            Stage::Coalesce => coalesce(&sets),
            Stage::Select(_) => sets,
            Stage::Filter { aggregate, op, value, .. } => {
                let mut out = Vec::new();
                for set in sets {
                    if let Some(found) = aggregate_of(aggregate, trace, &set)?
                        && holds(*op, &found, value)
                    {
                        out.push(set);
                    }
                }
                out
            }
        };
        sets.retain(|set| !set.spans.is_empty());
    }
    Ok(sets)
}

fn spanset(expr: &SpansetExpr, trace: &TraceContext<'_>, input: &Spanset) -> Result<Vec<Spanset>, EvalError> {
    match expr {
        SpansetExpr::Filter(None) => Ok(vec![input.clone()]),
        SpansetExpr::Filter(Some(filter)) => {
            let mut spans = Vec::new();
            for index in &input.spans {
                if passes(filter, Scene::new(trace, *index))? {
                    spans.push(*index);
                }
            }
            Ok(vec![Spanset { spans, groups: input.groups.clone() }])
        }
        SpansetExpr::Pipeline(inner) => run(inner, trace, vec![input.clone()]),
        SpansetExpr::Binary(op, left, right) => {
            let without_empty = |mut sets: Vec<Spanset>| {
                sets.retain(|set| !set.spans.is_empty());
                sets
            };
            let a = without_empty(spanset(left, trace, input)?);
            let b = without_empty(spanset(right, trace, input)?);
            let spans = match op {
                SpansetOp::And if a.is_empty() || b.is_empty() => Vec::new(),
                SpansetOp::And | SpansetOp::Or => union(a.iter().chain(&b)),
                SpansetOp::Structural { relation, mode } => {
                    if a.len() > 1 || b.len() > 1 {
                        return Err(EvalError::Groups);
                    }
                    let side = |sets: &[Spanset]| sets.first().map(|set| set.spans.clone()).unwrap_or_default();
                    structural(*relation, *mode, trace, &side(&a), &side(&b))
                }
            };
            Ok(vec![Spanset { spans, groups: input.groups.clone() }])
        }
    }
}

fn union<'a>(sets: impl Iterator<Item = &'a Spanset>) -> Vec<u32> {
    let all: BTreeSet<u32> = sets.flat_map(|set| set.spans.iter().copied()).collect();
    all.into_iter().collect()
}

/// Spans whose subtree or ancestry is asked about, sorted so that a look-up is a binary search.
struct Side<'a> {
    trace: &'a TraceContext<'a>,
    /// Numbered spans by their left number.
    by_left: Vec<u32>,
    /// For each of `by_left`, the greatest right number up to and including it: a descendant test in one look.
    reach: Vec<u32>,
    members: BTreeSet<u32>,
    /// Number of members under each parent, by index; roots count under [`NONE`].
    siblings: std::collections::HashMap<u32, u32>,
}

impl<'a> Side<'a> {
    fn new(trace: &'a TraceContext<'a>, spans: &[u32]) -> Self {
        let mut by_left: Vec<u32> = spans.iter().copied().filter(|at| trace.is_numbered(*at)).collect();
        by_left.sort_by_key(|at| trace.left[*at as usize]);
        let mut furthest = 0;
        let reach = by_left
            .iter()
            .map(|at| {
                furthest = furthest.max(trace.right[*at as usize]);
                furthest
            })
            .collect();
        let mut siblings = std::collections::HashMap::new();
        for at in &by_left {
            *siblings.entry(trace.parents[*at as usize]).or_insert(0) += 1;
        }
        Self { trace, members: by_left.iter().copied().collect(), by_left, reach, siblings }
    }

    /// A member above `span`, strictly.
    fn has_above(&self, span: u32) -> bool {
        let left = self.trace.left[span as usize];
        let before = self.by_left.partition_point(|at| self.trace.left[*at as usize] < left);
        before > 0 && self.reach[before - 1] > self.trace.right[span as usize]
    }

    /// A member below `span`, strictly.
    fn has_below(&self, span: u32) -> bool {
        let left = self.trace.left[span as usize];
        let after = self.by_left.partition_point(|at| self.trace.left[*at as usize] <= left);
        self.by_left.get(after).is_some_and(|at| self.trace.is_descendant(*at, span))
    }

    fn has_child(&self, span: u32) -> bool {
        self.siblings.contains_key(&span)
    }

    fn has_parent(&self, span: u32) -> bool {
        let parent = self.trace.parents[span as usize];
        parent != NONE && self.members.contains(&parent)
    }

    fn has_sibling(&self, span: u32) -> bool {
        let others = self.siblings.get(&self.trace.parents[span as usize]).copied().unwrap_or(0);
        others > u32::from(self.members.contains(&span))
    }
}

fn related(relation: Relation, side: &Side<'_>, span: u32) -> bool {
    side.trace.is_numbered(span)
        && match relation {
            Relation::Child => side.has_parent(span),
            Relation::Descendant => side.has_above(span),
            Relation::Parent => side.has_child(span),
            Relation::Ancestor => side.has_below(span),
            Relation::Sibling => side.has_sibling(span),
        }
}

fn structural(relation: Relation, mode: StructuralMode, trace: &TraceContext<'_>, left: &[u32], right: &[u32]) -> Vec<u32> {
    let side = Side::new(trace, left);
    let wanted = mode != StructuralMode::Not;
    let mut found: BTreeSet<u32> = right.iter().copied().filter(|span| related(relation, &side, *span) == wanted).collect();
    if mode == StructuralMode::Union && !found.is_empty() {
        let inverse = match relation {
            Relation::Child => Relation::Parent,
            Relation::Descendant => Relation::Ancestor,
            Relation::Parent => Relation::Child,
            Relation::Ancestor => Relation::Descendant,
            Relation::Sibling => Relation::Sibling,
        };
        let other = Side::new(trace, right);
        found.extend(left.iter().copied().filter(|span| related(inverse, &other, *span)));
    }
    found.into_iter().collect()
}

fn group(expr: &Expr, trace: &TraceContext<'_>, sets: &[Spanset]) -> Result<Vec<Spanset>, EvalError> {
    let mut out: Vec<Spanset> = Vec::new();
    for set in sets {
        let first = out.len();
        for index in &set.spans {
            let key = value(expr, Scene::new(trace, *index))?;
            let same = |known: &&mut Spanset| known.groups.last().is_some_and(|(_, value)| *value == key);
            match out[first..].iter_mut().find(same) {
                Some(known) => known.spans.push(*index),
                None => {
                    let mut groups = set.groups.clone();
                    groups.push((expr.to_string(), key));
                    out.push(Spanset { spans: vec![*index], groups });
                }
            }
        }
    }
    Ok(out)
}

fn coalesce(sets: &[Spanset]) -> Vec<Spanset> {
    vec![Spanset::of(union(sets.iter()))]
}

/// `None` when every value is absent.
fn aggregate_of(aggregate: &Aggregate, trace: &TraceContext<'_>, set: &Spanset) -> Result<Option<Static>, EvalError> {
    let expr = match aggregate {
        Aggregate::Count => return Ok(Some(Static::Int(set.spans.len() as i64))),
        Aggregate::Avg(expr) | Aggregate::Min(expr) | Aggregate::Max(expr) | Aggregate::Sum(expr) => expr,
    };
    let mut values = Vec::with_capacity(set.spans.len());
    for index in &set.spans {
        let found = value(expr, Scene::new(trace, *index))?;
        if number(&found).is_some() {
            values.push(found);
        }
    }
    if values.is_empty() {
        return Ok(None);
    }
    let durations = values.iter().all(|value| matches!(value, Static::Duration(_)));
    let integers = values.iter().all(|value| matches!(value, Static::Int(_)));
    let numbers = || values.iter().filter_map(number);
    let sum: f64 = numbers().sum();
    let result = match aggregate {
        Aggregate::Avg(_) => sum / values.len() as f64,
        Aggregate::Min(_) => numbers().fold(f64::INFINITY, f64::min),
        Aggregate::Max(_) => numbers().fold(f64::NEG_INFINITY, f64::max),
        _ => sum,
    };
    let average = matches!(aggregate, Aggregate::Avg(_));
    Ok(Some(match (durations, integers) {
        (true, _) => Static::Duration(result as i64),
        (_, true) if !average => Static::Int(result as i64),
        _ => Static::Float(result),
    }))
}

fn holds(op: BinaryOp, found: &Static, wanted: &Static) -> bool {
    let (Some(a), Some(b)) = (number(found), number(wanted)) else { return false };
    match op {
        BinaryOp::Eq => a == b,
        BinaryOp::Ne => a != b,
        BinaryOp::Lt => a < b,
        BinaryOp::Le => a <= b,
        BinaryOp::Gt => a > b,
        BinaryOp::Ge => a >= b,
        _ => false,
    }
}
