//! Predicates as JSON, for rules that are kept in the workspace.
//!
//! `true` is every span; `{"and": [..]}`, `{"or": [..]}`, `{"not": ..}`, `{"exists": field}` and
//! `{"field": .., "op": "=", "value": ..}`. A field is a word, or `scope.key` for an attribute (`any.http.route`,
//! `resource.host.name`). Additive only: files of older programs stay readable.

use crate::source::{AttrScope, Comparison, Field, Literal, Predicate};
use serde_json::{Value, json};

/// Deeper nesting is refused on reading.
const DEPTH: usize = 64;

const FIELDS: [(&str, Field); 13] = [
    ("service", Field::Service),
    ("name", Field::Name),
    ("kind", Field::Kind),
    ("status", Field::Status),
    ("status_message", Field::StatusMessage),
    ("duration", Field::Duration),
    ("trace_id", Field::TraceId),
    ("span_id", Field::SpanId),
    ("parent_id", Field::ParentId),
    ("event_name", Field::EventName),
    ("scope_name", Field::ScopeName),
    ("scope_version", Field::ScopeVersion),
    ("text", Field::AnyText),
];

const SCOPES: [(&str, AttrScope); 6] = [
    ("any", AttrScope::Any),
    ("span", AttrScope::Span),
    ("resource", AttrScope::Resource),
    ("scope", AttrScope::Scope),
    ("event", AttrScope::Event),
    ("link", AttrScope::Link),
];

const COMPARISONS: [(&str, Comparison); 7] = [
    ("=", Comparison::Eq),
    ("!=", Comparison::Ne),
    ("<", Comparison::Lt),
    ("<=", Comparison::Le),
    (">", Comparison::Gt),
    (">=", Comparison::Ge),
    ("contains", Comparison::Contains),
];

/// The JSON form of a predicate.
pub fn to_json(predicate: &Predicate) -> Value {
    match predicate {
        Predicate::All => json!(true),
        Predicate::And(left, right) => json!({"and": [to_json(left), to_json(right)]}),
        Predicate::Or(left, right) => json!({"or": [to_json(left), to_json(right)]}),
        Predicate::Not(inner) => json!({"not": to_json(inner)}),
        Predicate::Exists(field) => json!({"exists": field_text(field)}),
        Predicate::Compare(field, comparison, literal) => {
            let op = COMPARISONS.iter().find(|(_, known)| known == comparison).map_or("=", |(op, _)| op);
            let value = match literal {
                Literal::Text(text) => json!(text.as_str()),
                Literal::Int(number) => json!(number),
                Literal::Float(number) => json!(number),
                Literal::Bool(value) => json!(value),
            };
            json!({"field": field_text(field), "op": op, "value": value})
        }
    }
}

/// Reads the JSON form; `None` for anything else.
pub fn from_json(value: &Value) -> Option<Predicate> {
    read(value, DEPTH)
}

fn read(value: &Value, depth: usize) -> Option<Predicate> {
    let depth = depth.checked_sub(1)?;
    if value == &json!(true) {
        return Some(Predicate::All);
    }
    let object = value.as_object()?;
    let both = |key: &str| -> Option<(Box<Predicate>, Box<Predicate>)> {
        let [left, right] = object.get(key)?.as_array()?.as_slice() else { return None };
        Some((Box::new(read(left, depth)?), Box::new(read(right, depth)?)))
    };
    if let Some((left, right)) = both("and") {
        return Some(Predicate::And(left, right));
    }
    if let Some((left, right)) = both("or") {
        return Some(Predicate::Or(left, right));
    }
    if let Some(inner) = object.get("not") {
        return Some(Predicate::Not(Box::new(read(inner, depth)?)));
    }
    if let Some(field) = object.get("exists") {
        return Some(Predicate::Exists(field_of(field.as_str()?)?));
    }
    let field = field_of(object.get("field")?.as_str()?)?;
    let op = object.get("op")?.as_str()?;
    let comparison = COMPARISONS.iter().find(|(known, _)| *known == op)?.1;
    let literal = match object.get("value")? {
        Value::String(text) => Literal::Text(text.as_str().into()),
        Value::Bool(value) => Literal::Bool(*value),
        Value::Number(number) => match number.as_i64() {
            Some(number) => Literal::Int(number),
            None => Literal::Float(number.as_f64()?),
        },
        _ => return None,
    };
    Some(Predicate::Compare(field, comparison, literal))
}

fn field_text(field: &Field) -> String {
    if let Field::Attr(scope, key) = field {
        let scope = SCOPES.iter().find(|(_, known)| known == scope).map_or("any", |(word, _)| word);
        return format!("{scope}.{key}");
    }
    FIELDS.iter().find(|(_, known)| known == field).map_or("text", |(word, _)| word).to_owned()
}

fn field_of(text: &str) -> Option<Field> {
    if let Some((_, field)) = FIELDS.iter().find(|(word, _)| *word == text) {
        return Some(field.clone());
    }
    let (scope, key) = text.split_once('.')?;
    let scope = SCOPES.iter().find(|(word, _)| *word == scope)?.1;
    Some(Field::Attr(scope, key.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_predicate_is_written_and_read_back() {
        let compare = |field, comparison, literal| Predicate::Compare(field, comparison, literal);
        let mut cases = vec![
            Predicate::All,
            Predicate::Exists(Field::ParentId),
            Predicate::Not(Box::new(Predicate::equals(Field::Service, "cart"))),
            compare(Field::Duration, Comparison::Ge, Literal::Int(5)),
            compare(Field::AnyText, Comparison::Contains, Literal::Text("ü \"x\"".into())),
            compare(Field::Attr(AttrScope::Resource, "host.name".into()), Comparison::Ne, Literal::Bool(true)),
            compare(Field::Attr(AttrScope::Any, "ratio".into()), Comparison::Lt, Literal::Float(0.5)),
        ];
        cases.extend(FIELDS.iter().map(|(_, field)| Predicate::Exists(field.clone())));
        cases.push(cases[1].clone().and(cases[3].clone()));
        cases.push(Predicate::Or(Box::new(cases[1].clone()), Box::new(cases[3].clone())));
        for predicate in cases {
            let text = to_json(&predicate).to_string();
            let read: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(from_json(&read), Some(predicate), "{text}");
        }
    }

    #[test]
    fn what_is_not_a_predicate_is_refused() {
        let mut deep = json!(true);
        for _ in 0..DEPTH {
            deep = json!({"not": deep});
        }
        let wrong = [json!(null), json!({"field": "nope", "op": "=", "value": 1}), json!({"and": [true]}), deep];
        for value in wrong {
            assert_eq!(from_json(&value), None, "{value}");
        }
    }
}
