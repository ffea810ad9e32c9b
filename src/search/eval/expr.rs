//! Evaluates an expression on one span.
//!
//! Absent is nil; nil makes every operator false except the comparisons with `nil` itself. Terms on events (and on links)
//! that are joined by `&&` must hold on one event (link): the whole filter is tried with each in turn, `!( )` starts anew.

use super::super::ast::{BinaryOp, Expr, ExprKind, Field, Intrinsic, Scope, Static, UnaryOp};
use super::EvalError;
use super::structure::{NONE, TraceContext};
use crate::model::{AttrsRef, SpanRef, Value, ValueRef};
use smol_str::{SmolStr, ToSmolStr as _};
use std::cmp::Ordering;

/// The span looked at, with the event and link that are bound.
#[derive(Clone, Copy)]
pub(super) struct Scene<'a> {
    trace: &'a TraceContext<'a>,
    index: u32,
    event: Option<usize>,
    link: Option<usize>,
}

impl<'a> Scene<'a> {
    /// A span with nothing bound.
    pub(super) fn new(trace: &'a TraceContext<'a>, index: u32) -> Self {
        Self { trace, index, event: None, link: None }
    }

    fn span(&self) -> SpanRef<'a> {
        self.trace.batch.span(self.index as usize)
    }
}

/// Which lists an expression reads, outside of `!( )`.
#[derive(Default, Clone, Copy)]
struct Reads {
    events: bool,
    links: bool,
}

fn reads(expr: &Expr, found: &mut Reads) {
    match &expr.kind {
        ExprKind::Static(_) | ExprKind::Unary(UnaryOp::Not, _) => {}
        ExprKind::Field(field) => match field {
            Field::Attr(Scope::Event, _) | Field::Intrinsic(Intrinsic::EventName | Intrinsic::EventTime) => found.events = true,
            Field::Attr(Scope::Link, _) | Field::Intrinsic(Intrinsic::LinkTraceId | Intrinsic::LinkSpanId) => {
                found.links = true
            }
            _ => {}
        },
        ExprKind::Unary(_, inner) => reads(inner, found),
        ExprKind::Binary(_, left, right) => {
            reads(left, found);
            reads(right, found);
        }
        ExprKind::Regex { value, .. } => reads(value, found),
    }
}

/// True when the span passes the filter, with any one of its events and any one of its links bound.
pub(super) fn passes(expr: &Expr, scene: Scene<'_>) -> Result<bool, EvalError> {
    let mut found = Reads::default();
    reads(expr, &mut found);
    let span = scene.span();
    let choices = |wanted: bool, count: usize| if wanted && count > 0 { count } else { 1 };
    let (event_count, link_count) = (span.row.events.len as usize, span.row.links.len as usize);
    for event in 0..choices(found.events, event_count) {
        for link in 0..choices(found.links, link_count) {
            let bound = Scene {
                event: (found.events && event_count > 0).then_some(event),
                link: (found.links && link_count > 0).then_some(link),
                ..scene
            };
            if value(expr, bound)? == Static::Bool(true) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// The value of an expression; [`Static::Nil`] when absent.
pub(super) fn value(expr: &Expr, scene: Scene<'_>) -> Result<Static, EvalError> {
    match &expr.kind {
        ExprKind::Static(constant) => Ok(constant.clone()),
        ExprKind::Field(field) => Ok(field_value(field, scene)),
        ExprKind::Unary(UnaryOp::Neg, inner) => match value(inner, scene)? {
            Static::Int(number) => Ok(Static::Int(number.wrapping_neg())),
            Static::Float(number) => Ok(Static::Float(-number)),
            Static::Duration(nanos) => Ok(Static::Duration(nanos.wrapping_neg())),
            other => Err(EvalError::Type(format!("- cannot be applied to {}: {inner}", name_of(&other)))),
        },
        ExprKind::Unary(UnaryOp::Not, inner) => {
            // A complement: the inner condition is asked of the span as a whole, all events and links.
            let bare = matches!(inner.kind, ExprKind::Field(_) | ExprKind::Static(_));
            if !bare {
                return Ok(Static::Bool(!passes(inner, scene)?));
            }
            match value(inner, scene)? {
                Static::Bool(held) => Ok(Static::Bool(!held)),
                other => Err(EvalError::Type(format!("! cannot be applied to {}: {inner}", name_of(&other)))),
            }
        }
        ExprKind::Regex { negated, value: subject, regex, .. } => Ok(Static::Bool(match value(subject, scene)? {
            Static::Str(text) => regex.is_match(&text) != *negated,
            Static::Array(values) => {
                let hit = |value: &Static| matches!(value, Static::Str(text) if regex.is_match(text));
                let texts = values.iter().all(|value| matches!(value, Static::Str(_)));
                texts && if *negated { !values.iter().any(hit) } else { values.iter().any(hit) }
            }
            _ => false,
        })),
        ExprKind::Binary(op, left, right) => binary(*op, left, right, scene),
    }
}

fn binary(op: BinaryOp, left: &Expr, right: &Expr, scene: Scene<'_>) -> Result<Static, EvalError> {
    let a = value(left, scene)?;
    match (op, &a) {
        (BinaryOp::Or, Static::Bool(true)) => return Ok(Static::Bool(true)),
        (BinaryOp::And, Static::Bool(false)) => return Ok(Static::Bool(false)),
        _ => {}
    }
    let b = value(right, scene)?;
    let is_nil = |expr: &Expr| matches!(expr.kind, ExprKind::Static(Static::Nil));
    if op == BinaryOp::Or {
        // A side that is not a boolean is false here; `a || nil` is a.
        return Ok(Static::Bool(a == Static::Bool(true) || b == Static::Bool(true)));
    }
    if matches!(op, BinaryOp::Eq | BinaryOp::Ne) && (is_nil(left) || is_nil(right)) {
        let other = if is_nil(left) { &b } else { &a };
        if is_nil(left) && is_nil(right) {
            return Ok(Static::Bool(false));
        }
        return Ok(Static::Bool((*other == Static::Nil) == (op == BinaryOp::Eq)));
    }
    if a == Static::Nil || b == Static::Nil {
        return Ok(if op.is_arithmetic() { Static::Nil } else { Static::Bool(false) });
    }
    if op.is_arithmetic() {
        return arithmetic(op, &a, &b);
    }
    let is_trace_id = |expr: &Expr| matches!(expr.kind, ExprKind::Field(Field::Intrinsic(Intrinsic::TraceId)));
    if is_trace_id(left) || is_trace_id(right) {
        return Ok(Static::Bool(compare(op, &without_zeros(a), &without_zeros(b))));
    }
    Ok(Static::Bool(compare(op, &a, &b)))
}

/// Trace ids compare without their leading zeros.
fn without_zeros(value: Static) -> Static {
    match value {
        Static::Str(text) => Static::Str(text.trim_start_matches('0').into()),
        other => other,
    }
}

fn compare(op: BinaryOp, a: &Static, b: &Static) -> bool {
    match (a, b) {
        (Static::Array(values), single) | (single, Static::Array(values)) => {
            let on_left = matches!(a, Static::Array(_));
            let holds = |value: &Static| if on_left { compare(op, value, single) } else { compare(op, single, value) };
            if op == BinaryOp::Ne { values.iter().all(holds) } else { values.iter().any(holds) }
        }
        (Static::Bool(x), Static::Bool(y)) => match op {
            BinaryOp::And => *x && *y,
            op => ordered(op, x.cmp(y)),
        },
        (Static::Str(x), Static::Str(y)) => ordered(op, x.as_bytes().cmp(y.as_bytes())),
        (Static::Status(x), Static::Status(y)) => ordered(op, x.cmp(y)),
        (Static::Kind(x), Static::Kind(y)) => ordered(op, x.cmp(y)),
        _ => match (integer(a), integer(b), number(a), number(b)) {
            (Some(x), Some(y), ..) => ordered(op, x.cmp(&y)),
            (_, _, Some(x), Some(y)) => match x.partial_cmp(&y) {
                Some(order) => ordered(op, order),
                None => op == BinaryOp::Ne,
            },
            _ => false,
        },
    }
}

fn ordered(op: BinaryOp, order: Ordering) -> bool {
    match op {
        BinaryOp::Eq => order == Ordering::Equal,
        BinaryOp::Ne => order != Ordering::Equal,
        BinaryOp::Lt => order == Ordering::Less,
        BinaryOp::Le => order != Ordering::Greater,
        BinaryOp::Gt => order == Ordering::Greater,
        BinaryOp::Ge => order != Ordering::Less,
        _ => false,
    }
}

fn integer(value: &Static) -> Option<i64> {
    match value {
        Static::Int(number) | Static::Duration(number) => Some(*number),
        _ => None,
    }
}

/// A number as a float; durations are their nanoseconds.
pub(super) fn number(value: &Static) -> Option<f64> {
    match value {
        Static::Int(number) | Static::Duration(number) => Some(*number as f64),
        Static::Float(number) => Some(*number),
        _ => None,
    }
}

fn arithmetic(op: BinaryOp, a: &Static, b: &Static) -> Result<Static, EvalError> {
    if let (Some(x), Some(y)) = (integer(a), integer(b)) {
        let result = match op {
            BinaryOp::Add => x.wrapping_add(y),
            BinaryOp::Sub => x.wrapping_sub(y),
            BinaryOp::Mul => x.wrapping_mul(y),
            BinaryOp::Div => x.checked_div(y).ok_or(EvalError::DivisionByZero)?,
            BinaryOp::Rem => x.checked_rem(y).ok_or(EvalError::DivisionByZero)?,
            _ => (x as f64).powf(y as f64) as i64,
        };
        let durations = matches!(a, Static::Duration(_)) || matches!(b, Static::Duration(_));
        return Ok(if durations { Static::Duration(result) } else { Static::Int(result) });
    }
    match (number(a), number(b)) {
        (Some(x), Some(y)) => {
            let result = match op {
                BinaryOp::Add => x + y,
                BinaryOp::Sub => x - y,
                BinaryOp::Mul => x * y,
                BinaryOp::Div => x / y,
                BinaryOp::Rem => x % y,
                _ => x.powf(y),
            };
            Ok(Static::Float(result))
        }
        _ => Err(EvalError::Type(format!("{} cannot be applied to {} and {}", op.text(), name_of(a), name_of(b)))),
    }
}

fn name_of(value: &Static) -> &'static str {
    match value {
        Static::Nil => "an absent value",
        Static::Int(_) | Static::Float(_) => "a number",
        Static::Duration(_) => "a duration",
        Static::Str(_) => "text",
        Static::Bool(_) => "a boolean",
        Static::Status(_) => "a status",
        Static::Kind(_) => "a kind",
        Static::Array(_) => "an array",
    }
}

fn from_value(value: ValueRef<'_>) -> Static {
    match value {
        ValueRef::Str(text) => Static::Str(text.into()),
        ValueRef::Bool(value) => Static::Bool(value),
        ValueRef::Int(number) => Static::Int(number),
        ValueRef::Double(number) => Static::Float(number),
        ValueRef::Empty | ValueRef::Bytes(_) => Static::Nil,
        ValueRef::Nested(_) => match value.to_value() {
            Value::Array(values) => from_array(&values),
            _ => Static::Nil,
        },
    }
}

/// One element is a scalar; empty and mixed arrays are absent.
fn from_array(values: &[Value]) -> Static {
    let mut list: Vec<Static> = values
        .iter()
        .map(|value| match value {
            Value::Str(text) => Static::Str(text.clone()),
            Value::Bool(value) => Static::Bool(*value),
            Value::Int(number) => Static::Int(*number),
            Value::Double(number) => Static::Float(*number),
            _ => Static::Nil,
        })
        .collect();
    let same = list.windows(2).all(|pair| std::mem::discriminant(&pair[0]) == std::mem::discriminant(&pair[1]));
    match list.len() {
        1 => list.remove(0),
        n if n > 1 && same && list[0] != Static::Nil => Static::Array(list),
        _ => Static::Nil,
    }
}

fn attr_value(attrs: AttrsRef<'_>, key: &str) -> Option<Static> {
    attrs.get(key).map(from_value)
}

fn field_value(field: &Field, scene: Scene<'_>) -> Static {
    let span = scene.span();
    match field {
        Field::FreeText(needle) => Static::Bool(mentions(span, needle)),
        Field::Intrinsic(intrinsic) => intrinsic_value(*intrinsic, scene),
        Field::Attr(scope, key) => {
            let found = match scope {
                Scope::Any => attr_value(span.attrs(), key).or_else(|| attr_value(span.resource().attrs(), key)),
                Scope::Span => attr_value(span.attrs(), key),
                Scope::Resource if key == "service.name" => {
                    attr_value(span.resource().attrs(), key).or_else(|| Some(Static::Str(span.service().into())))
                }
                Scope::Resource => attr_value(span.resource().attrs(), key),
                Scope::Instrumentation => attr_value(span.scope().attrs(), key),
                Scope::Event => {
                    scene.event.and_then(|at| span.events().nth(at)).and_then(|event| attr_value(event.attrs(), key))
                }
                Scope::Link => scene.link.and_then(|at| span.links().nth(at)).and_then(|link| attr_value(link.attrs(), key)),
            };
            found.unwrap_or(Static::Nil)
        }
    }
}

fn mentions(span: SpanRef<'_>, needle: &SmolStr) -> bool {
    use crate::source::{Comparison, Field, Literal, Predicate};
    Predicate::Compare(Field::AnyText, Comparison::Contains, Literal::Text(needle.clone())).matches(span)
}

fn intrinsic_value(intrinsic: Intrinsic, scene: Scene<'_>) -> Static {
    let (span, trace, index) = (scene.span(), scene.trace, scene.index as usize);
    let text = |text: &str| Static::Str(text.into());
    let root = trace.root.map(|at| trace.batch.span(at));
    match intrinsic {
        Intrinsic::Duration => Static::Duration(span.duration().0),
        Intrinsic::Name => text(span.name()),
        Intrinsic::Kind => Static::Kind(span.kind()),
        Intrinsic::Status => Static::Status(span.status()),
        Intrinsic::StatusMessage => text(span.status_message()),
        Intrinsic::SpanId => Static::Str(span.span_id().to_smolstr()),
        Intrinsic::ParentId => Static::Str(span.row.parent.to_smolstr()),
        Intrinsic::ChildCount => Static::Int(trace.children[index].into()),
        Intrinsic::TraceDuration => Static::Duration(trace.duration),
        Intrinsic::RootName => root.map_or_else(|| text(""), |root| text(root.name())),
        Intrinsic::RootService => root.map_or_else(|| text(""), |root| text(root.service())),
        Intrinsic::TraceId => Static::Str(span.trace_id().to_smolstr()),
        Intrinsic::EventName => {
            scene.event.and_then(|at| span.events().nth(at)).map_or(Static::Nil, |event| text(event.name()))
        }
        Intrinsic::EventTime => scene
            .event
            .and_then(|at| span.events().nth(at))
            .map_or(Static::Nil, |event| Static::Duration(event.time().since(span.start()).0)),
        Intrinsic::LinkTraceId => scene
            .link
            .and_then(|at| span.links().nth(at))
            .map_or(Static::Nil, |link| Static::Str(link.row.trace_id.to_smolstr())),
        Intrinsic::LinkSpanId => scene
            .link
            .and_then(|at| span.links().nth(at))
            .map_or(Static::Nil, |link| Static::Str(link.row.span_id.to_smolstr())),
        Intrinsic::ScopeName => text(span.scope().name()),
        Intrinsic::ScopeVersion => text(span.scope().version()),
        Intrinsic::NestedSetLeft => Static::Int(trace.left[index].into()),
        Intrinsic::NestedSetRight => Static::Int(trace.right[index].into()),
        Intrinsic::NestedSetParent => match trace.parents[index] {
            NONE if trace.left[index] == 0 => Static::Int(0),
            NONE => Static::Int(-1),
            parent => Static::Int(trace.left[parent as usize].into()),
        },
    }
}
