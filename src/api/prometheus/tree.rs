//! A parsed query as JSON, for `parse_query`: the form of Prometheus' `translate_ast.go`.

use crate::promql::ast::{At, Cardinality, DurationValue, Expr, Matching, VectorSelector};
use crate::promql::text::{NS_PER_MS, float_f};
use crate::source::{MatchOp, Matcher};
use serde_json::{Map, Value, json};

/// The tree of an expression.
pub(super) fn of(expr: &Expr) -> Value {
    match expr {
        Expr::Number(node) => json!({ "type": "numberLiteral", "val": float_f(node.value) }),
        Expr::String(node) => json!({ "type": "stringLiteral", "val": node.value }),
        Expr::Vector(node) => {
            let mut object = selector(node);
            object.insert("type".to_owned(), "vectorSelector".into());
            object.into()
        }
        Expr::Matrix(node) => {
            let mut object = selector(&node.selector);
            object.insert("type".to_owned(), "matrixSelector".into());
            object.insert("range".to_owned(), millis(&node.range).into());
            object.into()
        }
        Expr::Subquery(node) => json!({
            "type": "subquery",
            "expr": of(&node.expr),
            "range": millis(&node.range),
            "offset": millis(&node.offset),
            "step": millis(&node.step),
            "timestamp": timestamp(node.at_time),
            "startOrEnd": start_or_end(node.at_time),
        }),
        Expr::Aggregate(node) => json!({
            "type": "aggregation",
            "op": node.op.text(),
            "expr": of(&node.expr),
            "param": node.param.as_ref().map(of),
            "grouping": texts(&node.grouping),
            "without": node.without,
        }),
        Expr::Binary(node) => {
            // Only vectors are matched.
            let vectors = [&node.lhs, &node.rhs].iter().all(|side| side.value_type().word() == "vector");
            json!({
                "type": "binaryExpr",
                "op": node.op.text(),
                "lhs": of(&node.lhs),
                "rhs": of(&node.rhs),
                "matching": vectors.then(|| matching(&node.matching)),
                "bool": node.return_bool,
            })
        }
        Expr::Call(node) => json!({
            "type": "call",
            "func": {
                "name": node.function.name,
                "argTypes": node.function.args.iter().map(|kind| kind.word()).collect::<Vec<_>>(),
                "variadic": node.function.variadic,
                "returnType": node.function.returns.word(),
            },
            "args": node.args.iter().map(of).collect::<Vec<_>>(),
        }),
        Expr::Paren(inner, _) => json!({ "type": "parenExpr", "expr": of(inner) }),
        Expr::Unary { negate, expr, .. } => {
            json!({ "type": "unaryExpr", "op": if *negate { "-" } else { "+" }, "expr": of(expr) })
        }
    }
}

fn selector(node: &VectorSelector) -> Map<String, Value> {
    let mut object = Map::new();
    object.insert("name".to_owned(), node.name.as_str().into());
    object.insert("offset".to_owned(), millis(&node.offset).into());
    object.insert("matchers".to_owned(), node.matchers.iter().map(matcher).collect());
    object.insert("timestamp".to_owned(), timestamp(node.at_time).into());
    object.insert("startOrEnd".to_owned(), start_or_end(node.at_time).into());
    object
}

fn matcher(matcher: &Matcher) -> Value {
    let kind = match matcher.op {
        MatchOp::Equal => "=",
        MatchOp::NotEqual => "!=",
        MatchOp::Regex => "=~",
        MatchOp::NotRegex => "!~",
    };
    json!({ "name": matcher.name.as_str(), "value": matcher.value.as_str(), "type": kind })
}

fn matching(matching: &Matching) -> Value {
    let card = match matching.card {
        Cardinality::OneToOne => "one-to-one",
        Cardinality::ManyToOne => "many-to-one",
        Cardinality::OneToMany => "one-to-many",
        Cardinality::ManyToMany => "many-to-many",
    };
    json!({
        "card": card,
        "labels": texts(&matching.labels),
        "on": matching.on,
        "include": texts(&matching.include),
        "fillValues": { "lhs": matching.fill_left, "rhs": matching.fill_right },
    })
}

/// Milliseconds; of arithmetic that needs the query's step, zero.
fn millis(duration: &DurationValue) -> i64 {
    match duration {
        DurationValue::Fixed(ns) => ns / NS_PER_MS,
        DurationValue::Expr(_) => 0,
    }
}

fn timestamp(at: Option<At>) -> Option<i64> {
    match at {
        Some(At::Time(millis)) => Some(millis),
        _ => None,
    }
}

fn start_or_end(at: Option<At>) -> Option<&'static str> {
    match at {
        Some(At::Start) => Some("start"),
        Some(At::End) => Some("end"),
        _ => None,
    }
}

fn texts(names: &[smol_str::SmolStr]) -> Vec<&str> {
    names.iter().map(smol_str::SmolStr::as_str).collect()
}
