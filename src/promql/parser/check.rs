//! Types and other rules that hold over the whole tree, checked in Prometheus' order, so that the first message is the same.

use super::Parsed;
use crate::model::labels::METRIC_NAME;
use crate::promql::ast::{AggregateOp, Binary, Call, Cardinality, Expr, ValueType, VectorSelector};
use crate::promql::error::ParseError;
use crate::promql::functions::FunctionId;
use crate::promql::position::Span;
use crate::promql::text::quote;
use crate::source::{MatchOp, Matcher};

/// Checks a tree.
pub(super) fn check(text: &str, expr: &Expr) -> Parsed<()> {
    Check { text }.expr(expr)
}

struct Check<'a> {
    text: &'a str,
}

impl Check<'_> {
    fn fail<T>(&self, at: Span, message: impl Into<String>) -> Parsed<T> {
        Err(ParseError::new(self.text, at, message))
    }

    fn expr(&self, expr: &Expr) -> Parsed<()> {
        match expr {
            Expr::Number(_) | Expr::String(_) => Ok(()),
            Expr::Vector(selector) => self.selector(selector, false),
            Expr::Matrix(matrix) => self.selector(&matrix.selector, false),
            Expr::Subquery(subquery) => {
                self.expr(&subquery.expr)?;
                let found = subquery.expr.value_type();
                if found != ValueType::Vector {
                    return self.fail(
                        subquery.at,
                        format!("subquery is only allowed on instant vector, got {} instead", found.word()),
                    );
                }
                Ok(())
            }
            Expr::Paren(inner, _) => self.expr(inner),
            Expr::Unary { expr: inner, at, .. } => {
                self.expr(inner)?;
                let found = inner.value_type();
                if !matches!(found, ValueType::Scalar | ValueType::Vector) {
                    let message = format!(
                        "unary expression only allowed on expressions of type scalar or instant vector, got {}",
                        quote(found.documented())
                    );
                    return self.fail(*at, message);
                }
                Ok(())
            }
            Expr::Aggregate(aggregate) => {
                self.typed(&aggregate.expr, ValueType::Vector, "aggregation expression")?;
                let Some(param) = &aggregate.param else { return Ok(()) };
                let wanted = if aggregate.op == AggregateOp::CountValues { ValueType::String } else { ValueType::Scalar };
                self.typed(param, wanted, "aggregation parameter")
            }
            Expr::Binary(binary) => self.binary(binary),
            Expr::Call(call) => self.call(call),
        }
    }

    fn typed(&self, expr: &Expr, wanted: ValueType, context: &str) -> Parsed<()> {
        self.expr(expr)?;
        let found = expr.value_type();
        if found == wanted {
            return Ok(());
        }
        self.fail(expr.at(), format!("expected type {} in {context}, got {}", wanted.documented(), found.documented()))
    }

    fn binary(&self, node: &Binary) -> Parsed<()> {
        self.expr(&node.lhs)?;
        self.expr(&node.rhs)?;
        let (left, right) = (node.lhs.value_type(), node.rhs.value_type());
        let at = node.lhs.at().to(node.rhs.at());
        let matching = &node.matching;
        if node.return_bool && !node.op.is_comparison() {
            return self.fail(node.op_at, "bool modifier can only be used on comparison operators");
        }
        let scalars = left == ValueType::Scalar && right == ValueType::Scalar;
        if node.op.is_comparison() && !node.return_bool && scalars {
            return self.fail(node.op_at, "comparisons between scalars must use BOOL modifier");
        }
        if let Some(label) = matching.labels.iter().find(|label| matching.on && matching.include.contains(label)) {
            return self.fail(node.op_at, format!("label {} must not occur in ON and GROUP clause at once", quote(label)));
        }
        for (side, found) in [(&node.lhs, left), (&node.rhs, right)] {
            if !matches!(found, ValueType::Scalar | ValueType::Vector) {
                return self.fail(side.at(), "binary expression must contain only scalar and instant vector types");
            }
        }
        let filled = matching.fill_left.is_some() || matching.fill_right.is_some();
        if left != ValueType::Vector || right != ValueType::Vector {
            if !matching.labels.is_empty() {
                return self.fail(at, "vector matching only allowed between instant vectors");
            }
            if filled {
                return self.fail(at, "filling in missing series only allowed between instant vectors");
            }
        } else if node.op.is_set() {
            if matching.card != Cardinality::ManyToMany {
                return self.fail(at, format!("no grouping allowed for {} operation", quote(node.op.text())));
            }
            if filled {
                return self.fail(at, "filling in missing series not allowed for set operators");
            }
        }
        if node.op.is_set() && (left == ValueType::Scalar || right == ValueType::Scalar) {
            let message = format!("set operator {} not allowed in binary scalar expression", quote(node.op.text()));
            return self.fail(at, message);
        }
        Ok(())
    }

    fn call(&self, node: &Call) -> Parsed<()> {
        let function = node.function;
        let (wanted, given) = (function.args.len(), node.args.len());
        if function.variadic == 0 {
            if wanted != given {
                let message = format!("expected {wanted} argument(s) in call to {}, got {given}", quote(function.name));
                return self.fail(node.at, message);
            }
        } else {
            let least = wanted - 1;
            let most = least + usize::try_from(function.variadic).unwrap_or(usize::MAX / 2);
            if least > given {
                let message = format!("expected at least {least} argument(s) in call to {}, got {given}", quote(function.name));
                return self.fail(node.at, message);
            }
            if given > most {
                let message = format!("expected at most {most} argument(s) in call to {}, got {given}", quote(function.name));
                return self.fail(node.at, message);
            }
        }
        let info = function.id == FunctionId::Info;
        if info && let Some(second) = node.args.get(1) {
            let found = second.value_type();
            if found != ValueType::Vector {
                let message = format!("expected type instant vector in call to function \"info\", got {}", found.documented());
                return self.fail(node.at, message);
            }
            match second {
                Expr::Vector(selector) if selector.name.is_empty() => {}
                Expr::Vector(_) => {
                    return self.fail(second.at(), "expected label selectors only, got vector selector instead");
                }
                _ => return self.fail(second.at(), "expected label selectors only"),
            }
        }
        for (index, arg) in node.args.iter().enumerate() {
            match arg {
                Expr::Vector(selector) if info && index == 1 => self.selector(selector, true)?,
                arg => self.expr(arg)?,
            }
            let Some(wanted) = function.args.get(index).or(function.args.last()) else { continue };
            let found = arg.value_type();
            if found != *wanted {
                let message = format!(
                    "expected type {} in call to function {}, got {}",
                    wanted.documented(),
                    quote(function.name),
                    found.documented()
                );
                return self.fail(arg.at(), message);
            }
        }
        Ok(())
    }

    fn selector(&self, node: &VectorSelector, may_be_empty: bool) -> Parsed<()> {
        if let (false, Some((_, others))) = (node.name.is_empty(), node.matchers.split_last()) {
            if let Some(twice) = others.iter().find(|matcher| matcher.name == METRIC_NAME) {
                let message = format!("metric name must not be set twice: {} or {}", quote(&node.name), quote(&twice.value));
                return self.fail(node.at, message);
            }
            return Ok(());
        }
        if !may_be_empty && node.matchers.iter().all(matches_empty) {
            return self.fail(node.at, "vector selector must contain at least one non-empty matcher");
        }
        Ok(())
    }
}

/// True for a matcher that a series without the label fulfils.
fn matches_empty(matcher: &Matcher) -> bool {
    let regex =
        || matcher.value.is_empty() || crate::source::anchored_regex(&matcher.value).is_ok_and(|regex| regex.is_match(""));
    match matcher.op {
        MatchOp::Equal => matcher.value.is_empty(),
        MatchOp::NotEqual => !matcher.value.is_empty(),
        MatchOp::Regex => regex(),
        MatchOp::NotRegex => !regex(),
    }
}
