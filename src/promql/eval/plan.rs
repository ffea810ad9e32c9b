//! What is settled before a step is evaluated: durations, the moments of `@`, the frames of subqueries, and which parts of
//! a query have the same value at every step.

use super::engine::Engine;
use super::row::Frame;
use super::{Evaluate, failed};
use crate::promql::ast::{AggregateOp, At, BinaryOp, DurationExpr, DurationOp, DurationValue, Expr, Subquery, VectorSelector};
use crate::promql::functions::FunctionId;
use crate::promql::text::NS_PER_MS;
use std::collections::HashSet;

/// Reference times of a selector over a frame.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reference {
    pub first: i64,
    pub last: i64,
    /// Moves with the step; else `@` holds it.
    pub moving: bool,
}

impl Reference {
    pub fn at(&self, frame: &Frame, step: usize) -> i64 {
        if self.moving { self.first + frame.interval * step as i64 } else { self.first }
    }
}

impl Engine<'_> {
    /// True for an expression that has the same value at every step, other than a literal.
    pub(super) fn stands_still(&self, expr: &Expr) -> bool {
        !matches!(expr.unwrapped(), Expr::Number(_) | Expr::String(_) | Expr::Matrix(_) | Expr::Subquery(_))
            && self.invariant(expr)
    }

    fn invariant(&self, expr: &Expr) -> bool {
        match expr {
            Expr::Number(_) | Expr::String(_) => true,
            Expr::Vector(node) => node.at_time.is_some(),
            Expr::Matrix(node) => node.selector.at_time.is_some(),
            Expr::Subquery(node) => node.at_time.is_some(),
            Expr::Aggregate(node) => {
                self.invariant(&node.expr) && node.param.as_ref().is_none_or(|param| self.invariant(param))
            }
            Expr::Binary(node) => self.invariant(&node.lhs) && self.invariant(&node.rhs),
            Expr::Paren(inner, _) | Expr::Unary { expr: inner, .. } => self.invariant(inner),
            Expr::Call(node) => {
                use FunctionId::*;
                match node.function.id {
                    Start | End | Range | Step => true,
                    Timestamp => {
                        matches!(node.args.first().map(Expr::unwrapped), Some(Expr::Vector(selector)) if selector.at_time.is_some())
                    }
                    DaysInMonth | DayOfMonth | DayOfWeek | DayOfYear | Hour | Minute | Month | Year | PredictLinear | Time => {
                        false
                    }
                    Info => {
                        node.args.first().is_some_and(|arg| self.invariant(arg)) && self.info_reference(&node.args[0]).is_some()
                    }
                    _ => node.args.iter().all(|arg| self.invariant(arg)),
                }
            }
        }
    }

    // ---- times

    /// Milliseconds of a duration.
    pub(super) fn millis(&self, value: &DurationValue, may_be_negative: bool) -> Evaluate<i64> {
        let expr = match value {
            DurationValue::Fixed(ns) => return Ok(ns / NS_PER_MS),
            DurationValue::Expr(expr) => expr,
        };
        let at = expr.at();
        let wrong = |what: &str| failed(format!("{}:{}: duration {what}", at.start, at.end));
        let seconds = self.seconds(expr)?;
        if !seconds.is_finite() {
            return wrong("is NaN or infinite");
        }
        if seconds <= 0.0 && !may_be_negative {
            return wrong("must be greater than 0");
        }
        if seconds.abs() > (1_u64 << 63) as f64 / 1e9 {
            return wrong("is out of range");
        }
        Ok((seconds * 1e3) as i64)
    }

    fn seconds(&self, expr: &DurationExpr) -> Evaluate<f64> {
        Ok(match expr {
            DurationExpr::Number(number) => number.value,
            DurationExpr::Step(_) => self.times.step as f64 / 1e3,
            DurationExpr::Range(_) => (self.times.end - self.times.start) as f64 / 1e3,
            DurationExpr::Negate(inner, _) => -self.seconds(inner)?,
            DurationExpr::Paren(inner, _) => self.seconds(inner)?,
            DurationExpr::Binary(op, lhs, rhs, at) => {
                let (left, right) = (self.seconds(lhs)?, self.seconds(rhs)?);
                match op {
                    DurationOp::Add => left + right,
                    DurationOp::Sub => left - right,
                    DurationOp::Mul => left * right,
                    DurationOp::Div if right == 0.0 => return failed(format!("{}:{}: division by zero", at.start, at.end)),
                    DurationOp::Div => left / right,
                    DurationOp::Mod if right == 0.0 => return failed(format!("{}:{}: modulo by zero", at.start, at.end)),
                    DurationOp::Mod => left % right,
                    DurationOp::Pow => left.powf(right),
                    DurationOp::MinOf => go_min(left, right),
                    DurationOp::MaxOf => go_max(left, right),
                }
            }
        })
    }

    pub(super) fn check_durations(&self, expr: &Expr) -> Evaluate<()> {
        let mut result = Ok(());
        expr.walk(&mut |node| {
            if result.is_err() {
                return;
            }
            result = match node {
                Expr::Vector(selector) => self.millis(&selector.offset, true).map(drop),
                Expr::Matrix(matrix) => {
                    self.millis(&matrix.range, false).and_then(|_| self.millis(&matrix.selector.offset, true)).map(drop)
                }
                Expr::Subquery(subquery) => self
                    .millis(&subquery.offset, true)
                    .and_then(|_| if subquery.step.is_zero() { Ok(0) } else { self.millis(&subquery.step, false) })
                    .and_then(|_| self.millis(&subquery.range, false))
                    .map(drop),
                _ => Ok(()),
            };
        });
        result
    }

    /// The moment that `@` fixes.
    pub(super) fn fixed(&self, at: Option<At>) -> Option<i64> {
        Some(match at? {
            At::Time(time) => time,
            At::Start => self.times.start,
            At::End => self.times.end,
        })
    }

    /// First and last reference time of a selector, and what is added to a step's time to get its own (`None`: fixed).
    pub(super) fn reference(&self, selector: &VectorSelector, frame: &Frame) -> Evaluate<Reference> {
        let offset = self.millis(&selector.offset, true)?;
        Ok(match self.fixed(selector.at_time) {
            Some(time) => Reference { first: time - offset, last: time - offset, moving: false },
            None => Reference { first: frame.start - offset, last: frame.last() - offset, moving: true },
        })
    }

    /// The frame that a subquery is evaluated in, its range, and the reference of its windows.
    pub(super) fn subquery_frame(&self, node: &Subquery, frame: &Frame) -> Evaluate<(Frame, i64, Reference)> {
        let range = self.millis(&node.range, false)?;
        let offset = self.millis(&node.offset, true)?;
        let step = match &node.step {
            step if step.is_zero() => self.options.subquery_step_ms,
            step => self.millis(step, false)?,
        };
        let step = step.max(1);
        let reference = match self.fixed(node.at_time) {
            Some(time) => Reference { first: time - offset, last: time - offset, moving: false },
            None => Reference { first: frame.start - offset, last: frame.last() - offset, moving: true },
        };
        let from = reference.first - range;
        let mut start = step * (from / step);
        if start <= from {
            start += step;
        }
        Ok((Frame::new(start, reference.last, step), range, reference))
    }

    /// `time()`, `start()` and the like.
    pub(super) fn constant(&self, id: FunctionId, frame: &Frame) -> Option<Vec<f64>> {
        let value = match id {
            FunctionId::Time => return Some((0..frame.steps).map(|step| frame.time(step) as f64 / 1e3).collect()),
            FunctionId::Start => self.times.start as f64 / 1e3,
            FunctionId::End => self.times.end as f64 / 1e3,
            FunctionId::Range => (self.times.end - self.times.start) as f64 / 1e3,
            FunctionId::Step if self.times.start == self.times.end => 0.0,
            FunctionId::Step => self.times.step as f64 / 1e3,
            FunctionId::Pi => std::f64::consts::PI,
            _ => return None,
        };
        Some(vec![value; frame.steps])
    }
}

/// Addresses of the selectors below a function that looks at counts and sums alone, with nothing between them and the
/// whole that looks at buckets.
pub(super) fn without_buckets(expr: &Expr) -> HashSet<usize> {
    fn visit(expr: &Expr, counts: bool, buckets: bool, found: &mut HashSet<usize>) {
        use FunctionId::*;
        let selector = match expr {
            Expr::Vector(selector) => Some(&**selector),
            Expr::Matrix(matrix) => Some(&matrix.selector),
            _ => None,
        };
        if let Some(selector) = selector.filter(|_| counts && !buckets) {
            found.insert(std::ptr::from_ref(selector) as usize);
        }
        match expr {
            Expr::Number(_) | Expr::String(_) | Expr::Vector(_) | Expr::Matrix(_) => {}
            Expr::Subquery(node) => visit(&node.expr, counts, true, found),
            Expr::Paren(inner, _) | Expr::Unary { expr: inner, .. } => visit(inner, counts, buckets, found),
            Expr::Aggregate(node) => {
                let buckets = buckets || node.op == AggregateOp::CountValues;
                visit(&node.expr, counts, buckets, found);
                if let Some(param) = &node.param {
                    visit(param, counts, buckets, found);
                }
            }
            Expr::Binary(node) => {
                use BinaryOp::{Equal, NotEqual, TrimLower, TrimUpper};
                let buckets = buckets || matches!(node.op, Equal | NotEqual | TrimLower | TrimUpper);
                visit(&node.lhs, counts, buckets, found);
                visit(&node.rhs, counts, buckets, found);
            }
            Expr::Call(node) => {
                let id = node.function.id;
                let counts =
                    counts || matches!(id, HistogramCount | HistogramSum | HistogramAvg | Timestamp | StartTimestamp | Absent);
                let buckets = buckets
                    || matches!(
                        id,
                        HistogramQuantile
                            | HistogramQuantiles
                            | HistogramFraction
                            | HistogramStddev
                            | HistogramStdvar
                            | Changes
                    );
                node.args.iter().for_each(|arg| visit(arg, counts, buckets, found));
            }
        }
    }
    let mut found = HashSet::new();
    visit(expr, false, false, &mut found);
    found
}

/// Go's `math.Max`: NaN wins.
pub(super) fn go_max(a: f64, b: f64) -> f64 {
    if a.is_infinite() && a > 0.0 || b.is_infinite() && b > 0.0 {
        f64::INFINITY
    } else if a.is_nan() || b.is_nan() {
        f64::NAN
    } else {
        a.max(b)
    }
}

/// Go's `math.Min`: NaN wins.
pub(super) fn go_min(a: f64, b: f64) -> f64 {
    -go_max(-a, -b)
}
