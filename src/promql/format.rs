//! Writes a tree back as text: on one line, or over several as `promtool promql format` does.

use super::ast::{
    Aggregate, At, Binary, Call, Cardinality, DurationExpr, DurationOp, DurationValue, Expr, Extension, MatrixSelector,
    NumberLiteral, Subquery, ValueType, VectorSelector,
};
use super::text::{duration, float_f, float_g, push_quoted, quote};
use crate::model::labels::{METRIC_NAME, is_label_identifier};
use crate::source::MatchOp;
use smol_str::SmolStr;
use std::fmt;

/// Longest line before an expression is split.
const MAX_LINE: usize = 100;
const INDENT: &str = "  ";

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = String::new();
        expr(&mut out, self);
        f.write_str(&out)
    }
}

impl fmt::Display for DurationExpr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = String::new();
        duration_expr(&mut out, self);
        f.write_str(&out)
    }
}

/// The query over as many lines as it needs.
pub fn pretty(expr: &Expr) -> String {
    pretty_at(expr, 0)
}

fn indent(level: usize) -> String {
    INDENT.repeat(level)
}

fn pretty_at(node: &Expr, level: usize) -> String {
    let flat = node.to_string();
    let tab = indent(level);
    let short = flat.len() <= MAX_LINE;
    match node {
        Expr::Subquery(_) if short => flat,
        Expr::Subquery(subquery) => format!("{}{}", pretty_at(&subquery.expr, level), subquery_suffix(subquery)),
        Expr::Unary { negate, expr, .. } => {
            format!("{tab}{}{}", if *negate { "-" } else { "+" }, pretty_at(expr, level).trim())
        }
        Expr::Aggregate(aggregate) if !short => {
            let mut out = format!("{tab}{}(\n", aggregate_head(aggregate));
            if let Some(param) = &aggregate.param {
                out.push_str(&pretty_at(param, level + 1));
                out.push_str(",\n");
            }
            out.push_str(&pretty_at(&aggregate.expr, level + 1));
            out + "\n" + &tab + ")"
        }
        Expr::Binary(binary) if !short => {
            format!("{}\n{tab}{}\n{}", pretty_at(&binary.lhs, level + 1), operator(binary), pretty_at(&binary.rhs, level + 1))
        }
        Expr::Call(call) if !short => {
            let args: Vec<String> = call.args.iter().map(|arg| pretty_at(arg, level + 1)).collect();
            format!("{tab}{}(\n{}\n{tab})", call.function.name, args.join(",\n"))
        }
        Expr::Paren(inner, _) if !short => format!("{tab}(\n{}\n{tab})", pretty_at(inner, level + 1)),
        _ => tab + &flat,
    }
}

fn expr(out: &mut String, node: &Expr) {
    match node {
        Expr::Number(literal) => number(out, literal),
        Expr::String(literal) => push_quoted(out, &literal.value),
        Expr::Vector(node) => vector(out, node),
        Expr::Matrix(node) => matrix(out, node),
        Expr::Subquery(node) => {
            expr(out, &node.expr);
            out.push_str(&subquery_suffix(node));
        }
        Expr::Aggregate(node) => {
            out.push_str(&aggregate_head(node));
            out.push('(');
            if let Some(param) = &node.param {
                expr(out, param);
                out.push_str(", ");
            }
            expr(out, &node.expr);
            out.push(')');
        }
        Expr::Binary(node) => {
            expr(out, &node.lhs);
            out.push(' ');
            out.push_str(&operator(node));
            out.push(' ');
            expr(out, &node.rhs);
        }
        Expr::Call(node) => call(out, node),
        Expr::Paren(inner, _) => {
            out.push('(');
            expr(out, inner);
            out.push(')');
        }
        Expr::Unary { negate, expr: inner, .. } => {
            out.push(if *negate { '-' } else { '+' });
            expr(out, inner);
        }
    }
}

fn call(out: &mut String, node: &Call) {
    out.push_str(node.function.name);
    out.push('(');
    for (index, arg) in node.args.iter().enumerate() {
        if index > 0 {
            out.push_str(", ");
        }
        expr(out, arg);
    }
    out.push(')');
}

fn number(out: &mut String, literal: &NumberLiteral) {
    if literal.duration {
        out.push_str(&duration((literal.value * 1e9) as i64));
    } else {
        out.push_str(&float_f(literal.value));
    }
}

fn aggregate_head(node: &Aggregate) -> String {
    let mut out = node.op.text().to_owned();
    if node.without || !node.grouping.is_empty() {
        out.push_str(if node.without { " without (" } else { " by (" });
        labels(&mut out, &node.grouping);
        out.push_str(") ");
    }
    out
}

fn labels(out: &mut String, names: &[SmolStr]) {
    for (index, name) in names.iter().enumerate() {
        if index > 0 {
            out.push_str(", ");
        }
        if is_label_identifier(name) { out.push_str(name) } else { push_quoted(out, name) }
    }
}

fn operator(node: &Binary) -> String {
    let mut out = node.op.text().to_owned();
    if node.return_bool {
        out.push_str(" bool");
    }
    let matching = &node.matching;
    if node.lhs.value_type() != ValueType::Vector || node.rhs.value_type() != ValueType::Vector {
        return out;
    }
    let grouped = matches!(matching.card, Cardinality::ManyToOne | Cardinality::OneToMany);
    if !matching.labels.is_empty() || matching.on || grouped {
        out.push_str(if matching.on { " on (" } else { " ignoring (" });
        labels(&mut out, &matching.labels);
        out.push(')');
    }
    if grouped {
        out.push_str(if matching.card == Cardinality::ManyToOne { " group_left (" } else { " group_right (" });
        labels(&mut out, &matching.include);
        out.push(')');
    }
    match (matching.fill_left, matching.fill_right) {
        (Some(left), Some(right)) if left == right => out.push_str(&format!(" fill ({})", float_g(left))),
        (left, right) => {
            if let Some(left) = left {
                out.push_str(&format!(" fill_left ({})", float_g(left)));
            }
            if let Some(right) = right {
                out.push_str(&format!(" fill_right ({})", float_g(right)));
            }
        }
    }
    out
}

fn name_and_matchers(out: &mut String, node: &VectorSelector) {
    out.push_str(&node.name);
    let mut texts: Vec<String> = node
        .matchers
        .iter()
        .filter(|matcher| {
            !(matcher.name == METRIC_NAME
                && matcher.op == MatchOp::Equal
                && matcher.value == node.name
                && !matcher.value.is_empty())
        })
        .map(|matcher| {
            let op = match matcher.op {
                MatchOp::Equal => "=",
                MatchOp::NotEqual => "!=",
                MatchOp::Regex => "=~",
                MatchOp::NotRegex => "!~",
            };
            let mut text = if is_label_identifier(&matcher.name) { matcher.name.to_string() } else { quote(&matcher.name) };
            text.push_str(op);
            push_quoted(&mut text, &matcher.value);
            text
        })
        .collect();
    if !texts.is_empty() {
        texts.sort();
        out.push('{');
        out.push_str(&texts.join(","));
        out.push('}');
    } else if node.name.is_empty() {
        out.push_str("{}");
    }
}

fn extension(out: &mut String, node: &VectorSelector) {
    match node.extension {
        Extension::None => {}
        Extension::Anchored => out.push_str(" anchored"),
        Extension::Smoothed => out.push_str(" smoothed"),
    }
}

fn vector(out: &mut String, node: &VectorSelector) {
    name_and_matchers(out, node);
    at_time(out, node.at_time);
    extension(out, node);
    offset(out, &node.offset);
}

fn matrix(out: &mut String, node: &MatrixSelector) {
    name_and_matchers(out, &node.selector);
    out.push('[');
    out.push_str(&duration_value(&node.range));
    out.push(']');
    extension(out, &node.selector);
    at_time(out, node.selector.at_time);
    offset(out, &node.selector.offset);
}

fn subquery_suffix(node: &Subquery) -> String {
    let step = if node.step.is_zero() { String::new() } else { duration_value(&node.step) };
    let mut out = format!("[{}:{step}]", duration_value(&node.range));
    at_time(&mut out, node.at_time);
    offset(&mut out, &node.offset);
    out
}

fn at_time(out: &mut String, at: Option<At>) {
    match at {
        None => {}
        Some(At::Time(ms)) => out.push_str(&format!(" @ {:.3}", ms as f64 / 1e3)),
        Some(At::Start) => out.push_str(" @ start()"),
        Some(At::End) => out.push_str(" @ end()"),
    }
}

fn offset(out: &mut String, value: &DurationValue) {
    if value.is_zero() {
        return;
    }
    out.push_str(" offset ");
    // What is below a millisecond prints as nothing, and keeps its sign as Prometheus' does.
    if let DurationValue::Fixed(ns @ -999_999..=-1) = value {
        out.push('-');
        out.push_str(&duration(-ns));
        return;
    }
    out.push_str(&duration_value(value));
}

fn duration_value(value: &DurationValue) -> String {
    match value {
        DurationValue::Fixed(ns) => duration(*ns),
        DurationValue::Expr(expr) => expr.to_string(),
    }
}

fn duration_expr(out: &mut String, node: &DurationExpr) {
    match node {
        DurationExpr::Number(literal) => number(out, literal),
        DurationExpr::Step(_) => out.push_str("step()"),
        DurationExpr::Range(_) => out.push_str("range()"),
        DurationExpr::Negate(inner, _) => {
            out.push('-');
            duration_expr(out, inner);
        }
        DurationExpr::Paren(inner, _) => {
            out.push('(');
            duration_expr(out, inner);
            out.push(')');
        }
        DurationExpr::Binary(op, lhs, rhs, _) => {
            let infix = match op {
                DurationOp::MinOf | DurationOp::MaxOf => {
                    out.push_str(if *op == DurationOp::MinOf { "min_of(" } else { "max_of(" });
                    ", "
                }
                DurationOp::Add => " + ",
                DurationOp::Sub => " - ",
                DurationOp::Mul => " * ",
                DurationOp::Div => " / ",
                DurationOp::Mod => " % ",
                DurationOp::Pow => " ^ ",
            };
            duration_expr(out, lhs);
            out.push_str(infix);
            duration_expr(out, rhs);
            if matches!(op, DurationOp::MinOf | DurationOp::MaxOf) {
                out.push(')');
            }
        }
    }
}
