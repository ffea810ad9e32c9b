//! Types of a parsed query: what cannot ever hold, or cannot be computed, is refused before it runs.

use super::ParseError;
use super::ast::{
    Aggregate, BinaryOp, Expr, ExprKind, Field, Intrinsic, Pipeline, Scope, SpansetExpr, Stage, Static, Type, UnaryOp,
};
use super::lexer::error;

/// Refuses a query with a type error.
pub(super) fn check(pipeline: &Pipeline) -> Result<(), ParseError> {
    for stage in &pipeline.stages {
        match stage {
            Stage::Spanset(spanset) => check_spanset(spanset)?,
            Stage::By(expr) => {
                type_of(expr)?;
                if !reads_span(expr) {
                    return Err(error(expr.at.clone(), "by() must look at the span, as in by(resource.service.name)"));
                }
            }
            Stage::Filter { aggregate, value, at, .. } => {
                if let Aggregate::Avg(expr) | Aggregate::Min(expr) | Aggregate::Max(expr) | Aggregate::Sum(expr) = aggregate {
                    if !matches!(type_of(expr)?, Type::Number | Type::Unknown) {
                        return Err(error(expr.at.clone(), "only numbers and durations can be aggregated"));
                    }
                    if !reads_span(expr) {
                        return Err(error(expr.at.clone(), "an aggregate must look at the span"));
                    }
                }
                if !matches!(value, Static::Int(_) | Static::Float(_) | Static::Duration(_)) {
                    return Err(error(at.clone(), "an aggregate is compared with a number or a duration"));
                }
            }
            Stage::Coalesce | Stage::Select(_) => {}
        }
    }
    Ok(())
}

fn check_spanset(spanset: &SpansetExpr) -> Result<(), ParseError> {
    match spanset {
        SpansetExpr::Filter(None) => Ok(()),
        SpansetExpr::Filter(Some(expr)) => match type_of(expr)? {
            Type::Bool | Type::Unknown => Ok(()),
            _ => Err(error(expr.at.clone(), "a span filter must be true or false; compare it with something")),
        },
        SpansetExpr::Pipeline(inner) => check(inner),
        SpansetExpr::Binary(_, left, right) => {
            check_spanset(left)?;
            check_spanset(right)
        }
    }
}

fn reads_span(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Static(_) => false,
        ExprKind::Field(_) => true,
        ExprKind::Unary(_, inner) => reads_span(inner),
        ExprKind::Binary(_, left, right) => reads_span(left) || reads_span(right),
        ExprKind::Regex { value, .. } => reads_span(value),
    }
}

/// Always there, so a comparison with nil can only be a mistake.
fn never_nil(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Field(Field::Attr(Scope::Resource, key)) => key == "service.name",
        ExprKind::Field(Field::Intrinsic(known)) => !matches!(
            known,
            Intrinsic::EventName
                | Intrinsic::EventTime
                | Intrinsic::LinkTraceId
                | Intrinsic::LinkSpanId
                | Intrinsic::ScopeName
                | Intrinsic::ScopeVersion
        ),
        _ => false,
    }
}

fn type_of(expr: &Expr) -> Result<Type, ParseError> {
    match &expr.kind {
        ExprKind::Static(value) => Ok(match value {
            Static::Nil | Static::Array(_) => Type::Nil,
            Static::Int(_) | Static::Float(_) | Static::Duration(_) => Type::Number,
            Static::Str(_) => Type::Str,
            Static::Bool(_) => Type::Bool,
            Static::Status(_) => Type::Status,
            Static::Kind(_) => Type::Kind,
        }),
        ExprKind::Field(Field::Intrinsic(known)) => Ok(known.value_type()),
        ExprKind::Field(Field::Attr(..)) => Ok(Type::Unknown),
        ExprKind::Field(Field::FreeText(_)) => Ok(Type::Bool),
        ExprKind::Unary(op, inner) => {
            let wanted = if *op == UnaryOp::Not { Type::Bool } else { Type::Number };
            match type_of(inner)? {
                found if found == wanted || found == Type::Unknown => Ok(wanted),
                _ if *op == UnaryOp::Not => Err(error(inner.at.clone(), "! needs something that is true or false")),
                _ => Err(error(inner.at.clone(), "- needs a number or a duration")),
            }
        }
        ExprKind::Regex { value, .. } => match type_of(value)? {
            Type::Str | Type::Unknown => Ok(Type::Bool),
            _ => Err(error(value.at.clone(), "a regular expression is matched against text")),
        },
        ExprKind::Binary(op, left, right) => binary_type(*op, left, right, expr),
    }
}

fn binary_type(op: BinaryOp, left: &Expr, right: &Expr, whole: &Expr) -> Result<Type, ParseError> {
    let (a, b) = (type_of(left)?, type_of(right)?);
    let refuse = |message: &str| Err(error(whole.at.clone(), format!("{message} {}", op.text())));
    let numeric = |found: Type| matches!(found, Type::Number | Type::Unknown);
    match op {
        BinaryOp::And | BinaryOp::Or => {
            let fits = |found: Type| matches!(found, Type::Bool | Type::Unknown);
            if fits(a) && fits(b) { Ok(Type::Bool) } else { refuse("both sides must be true or false for") }
        }
        op if op.is_arithmetic() => {
            if numeric(a) && numeric(b) {
                Ok(Type::Number)
            } else {
                refuse("both sides must be numbers for")
            }
        }
        BinaryOp::Eq | BinaryOp::Ne if a == Type::Nil || b == Type::Nil => {
            let other = if a == Type::Nil { right } else { left };
            if never_nil(other) {
                return Err(error(whole.at.clone(), "this is never absent; comparing it with nil has no meaning"));
            }
            Ok(Type::Bool)
        }
        _ if a == Type::Nil || b == Type::Nil => refuse("nil cannot be compared with"),
        _ if a != b && a != Type::Unknown && b != Type::Unknown => refuse("the two sides have different types for"),
        BinaryOp::Eq | BinaryOp::Ne => Ok(Type::Bool),
        _ => {
            let ordered = |found: Type| matches!(found, Type::Number | Type::Str | Type::Unknown);
            if ordered(a) && ordered(b) { Ok(Type::Bool) } else { refuse("statuses, kinds and booleans have no order for") }
        }
    }
}
