//! Conditions on one span that a source can check, columns first.

use crate::model::{SpanKind, SpanRef, StatusCode, Value, ValueRef};
use smol_str::SmolStr;
use std::cmp::Ordering;

/// Where an attribute is looked up.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum AttrScope {
    /// On the span, then on its resource.
    Any,
    /// On the span.
    Span,
    /// On the resource.
    Resource,
    /// On the instrumentation scope.
    Scope,
    /// On any event.
    Event,
    /// On any link.
    Link,
}

/// What a condition looks at.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Field {
    /// Service name of the resource, `unknown_service` when absent.
    Service,
    /// Span name.
    Name,
    /// Kind, as its lower-case word.
    Kind,
    /// Status code, as its lower-case word.
    Status,
    /// Status message.
    StatusMessage,
    /// Duration in nanoseconds.
    Duration,
    /// Trace id, lower-case hexadecimal.
    TraceId,
    /// Span id, lower-case hexadecimal.
    SpanId,
    /// Parent span id; absent on roots.
    ParentId,
    /// Name of any event.
    EventName,
    /// Scope name.
    ScopeName,
    /// Scope version.
    ScopeVersion,
    /// An attribute.
    Attr(AttrScope, SmolStr),
    /// Anything a person would type to find a span: name, service, any text attribute.
    AnyText,
}

/// The constant of a condition.
#[derive(Clone, PartialEq, Debug)]
pub enum Literal {
    /// Text.
    Text(SmolStr),
    /// Integer (durations in nanoseconds).
    Int(i64),
    /// Float.
    Float(f64),
    /// True or false.
    Bool(bool),
}

/// How field and constant are compared. A comparison of different types is false.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Comparison {
    /// Equal.
    Eq,
    /// Not equal, and present.
    Ne,
    /// Less.
    Lt,
    /// Less or equal.
    Le,
    /// Greater.
    Gt,
    /// Greater or equal.
    Ge,
    /// Contains the text, case-insensitively.
    Contains,
}

/// A condition on a span.
#[derive(Clone, PartialEq, Debug, Default)]
pub enum Predicate {
    /// Every span.
    #[default]
    All,
    /// A comparison with a constant.
    Compare(Field, Comparison, Literal),
    /// The field is there.
    Exists(Field),
    /// Both.
    And(Box<Predicate>, Box<Predicate>),
    /// Either.
    Or(Box<Predicate>, Box<Predicate>),
    /// Not.
    Not(Box<Predicate>),
}

impl Predicate {
    /// Both conditions, without wrapping [`Predicate::All`].
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::All, only) | (only, Self::All) => only,
            (left, right) => Self::And(Box::new(left), Box::new(right)),
        }
    }

    /// `field = text`.
    pub fn equals(field: Field, text: &str) -> Self {
        Self::Compare(field, Comparison::Eq, Literal::Text(text.into()))
    }

    /// True when the span meets the condition. The reference meaning: a source that checks columns must agree.
    pub fn matches(&self, span: SpanRef<'_>) -> bool {
        match self {
            Self::All => true,
            Self::Compare(field, comparison, literal) => {
                any_value(span, field, &mut |value| holds(value, *comparison, literal))
            }
            Self::Exists(field) => any_value(span, field, &mut |value| !matches!(value, ValueRef::Empty)),
            Self::And(left, right) => left.matches(span) && right.matches(span),
            Self::Or(left, right) => left.matches(span) || right.matches(span),
            Self::Not(inner) => !inner.matches(span),
        }
    }
}

impl Field {
    /// Shows `test` each value that this field has on `span`, until one passes; true when one did.
    pub fn each_value(&self, span: SpanRef<'_>, test: &mut dyn FnMut(ValueRef<'_>) -> bool) -> bool {
        any_value(span, self, test)
    }
}

fn any_value(span: SpanRef<'_>, field: &Field, test: &mut dyn FnMut(ValueRef<'_>) -> bool) -> bool {
    match field {
        Field::Service => test(ValueRef::Str(span.service())),
        Field::Name => test(ValueRef::Str(span.name())),
        Field::Kind => test(ValueRef::Str(SpanKind::word(span.kind()))),
        Field::Status => test(ValueRef::Str(StatusCode::word(span.status()))),
        Field::StatusMessage => test(ValueRef::Str(span.status_message())),
        Field::Duration => span.end().is_some() && test(ValueRef::Int(span.duration().0)),
        Field::TraceId => test(ValueRef::Str(&span.trace_id().to_string())),
        Field::SpanId => test(ValueRef::Str(&span.span_id().to_string())),
        Field::ParentId => span.parent().is_some_and(|parent| test(ValueRef::Str(&parent.to_string()))),
        Field::EventName => span.events().any(|event| test(ValueRef::Str(event.name()))),
        Field::ScopeName => test(ValueRef::Str(span.scope().name())),
        Field::ScopeVersion => test(ValueRef::Str(span.scope().version())),
        Field::Attr(scope, key) => match scope {
            AttrScope::Any => span.attr(key).or_else(|| span.resource().attrs().get(key)).is_some_and(test),
            AttrScope::Span => span.attr(key).is_some_and(test),
            AttrScope::Resource => span.resource().attrs().get(key).is_some_and(test),
            AttrScope::Scope => span.scope().attrs().get(key).is_some_and(test),
            AttrScope::Event => span.events().any(|event| event.attrs().get(key).is_some_and(&mut *test)),
            AttrScope::Link => span.links().any(|link| link.attrs().get(key).is_some_and(&mut *test)),
        },
        Field::AnyText => {
            test(ValueRef::Str(span.name()))
                || test(ValueRef::Str(span.service()))
                || test(ValueRef::Str(span.status_message()))
                || span.attrs().iter().any(|(_, value)| test(value))
                || span.resource().attrs().iter().any(|(_, value)| test(value))
        }
    }
}

fn holds(value: ValueRef<'_>, comparison: Comparison, literal: &Literal) -> bool {
    if comparison == Comparison::Contains {
        return match literal {
            Literal::Text(needle) => contains_folded(&value.to_string(), needle),
            _ => false,
        };
    }
    let order = match (value, literal) {
        (ValueRef::Str(text), Literal::Text(other)) => text.partial_cmp(other.as_str()),
        (ValueRef::Int(number), Literal::Int(other)) => number.partial_cmp(other),
        (ValueRef::Int(number), Literal::Float(other)) => (number as f64).partial_cmp(other),
        (ValueRef::Double(number), Literal::Int(other)) => number.partial_cmp(&(*other as f64)),
        (ValueRef::Double(number), Literal::Float(other)) => number.partial_cmp(other),
        (ValueRef::Bool(value), Literal::Bool(other)) => value.partial_cmp(other),
        (ValueRef::Nested(_), literal) => {
            // An array matches when one of its elements does, as TraceQL has it.
            return match value.to_value() {
                Value::Array(values) => values.iter().any(|value| holds_owned(value, comparison, literal)),
                _ => false,
            };
        }
        _ => None,
    };
    let Some(order) = order else { return false };
    match comparison {
        Comparison::Eq => order == Ordering::Equal,
        Comparison::Ne => order != Ordering::Equal,
        Comparison::Lt => order == Ordering::Less,
        Comparison::Le => order != Ordering::Greater,
        Comparison::Gt => order == Ordering::Greater,
        Comparison::Ge => order != Ordering::Less,
        Comparison::Contains => false,
    }
}

fn holds_owned(value: &Value, comparison: Comparison, literal: &Literal) -> bool {
    match value {
        Value::Str(text) => holds(ValueRef::Str(text), comparison, literal),
        Value::Int(number) => holds(ValueRef::Int(*number), comparison, literal),
        Value::Double(number) => holds(ValueRef::Double(*number), comparison, literal),
        Value::Bool(value) => holds(ValueRef::Bool(*value), comparison, literal),
        _ => false,
    }
}

/// True when `text` contains `needle`, ASCII case folded.
fn contains_folded(text: &str, needle: &str) -> bool {
    let (text, needle) = (text.as_bytes(), needle.as_bytes());
    needle.is_empty() || text.windows(needle.len()).any(|window| window.eq_ignore_ascii_case(needle))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Attributes, DurationNs, Resource, Span, SpanBatch, UnixNanos};
    use std::sync::Arc;

    fn batch() -> SpanBatch {
        let mut attributes = Attributes::default();
        attributes.push("http.route", "/api/cart");
        attributes.push("retries", 3);
        attributes.push("tags", Value::Array(Arc::from([Value::from("a"), Value::from("b")])));
        SpanBatch::from_spans(&[Span {
            name: "GET /cart".into(),
            start: UnixNanos(0),
            end: Some(UnixNanos(0) + DurationNs(5_000)),
            attributes,
            resource: Arc::new(Resource::service("cart")),
            ..Span::default()
        }])
    }

    #[test]
    fn each_kind_of_field_is_looked_up_where_it_is() {
        let batch = batch();
        let span = batch.span(0);
        let attr = |scope, key: &str| Field::Attr(scope, key.into());
        let number = |comparison, number| Predicate::Compare(Field::Duration, comparison, Literal::Int(number));
        let cases = [
            (Predicate::equals(Field::Service, "cart"), true),
            (Predicate::equals(attr(AttrScope::Any, "service.name"), "cart"), true),
            (Predicate::equals(attr(AttrScope::Span, "service.name"), "cart"), false),
            (Predicate::equals(attr(AttrScope::Span, "tags"), "b"), true),
            (number(Comparison::Gt, 4_999), true),
            (number(Comparison::Gt, 5_000), false),
            (Predicate::Compare(attr(AttrScope::Any, "retries"), Comparison::Ge, Literal::Float(2.5)), true),
            (Predicate::Compare(attr(AttrScope::Any, "retries"), Comparison::Eq, Literal::Text("3".into())), false),
            (Predicate::Exists(attr(AttrScope::Any, "missing")), false),
            (Predicate::Not(Box::new(Predicate::Exists(Field::ParentId))), true),
            (Predicate::Compare(Field::AnyText, Comparison::Contains, Literal::Text("API".into())), true),
            (Predicate::Compare(attr(AttrScope::Any, "missing"), Comparison::Ne, Literal::Text("x".into())), false),
        ];
        for (predicate, expected) in cases {
            assert_eq!(predicate.matches(span), expected, "{predicate:?}");
        }
    }
}
