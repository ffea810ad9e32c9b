//! Attribute values and ordered attribute lists, as the OpenTelemetry data model has them.

use smol_str::SmolStr;
use std::fmt;
use std::sync::Arc;

/// What stands in the place of a value that redaction masked before it was stored. The window marks it as masked.
pub const MASKED: &str = "\u{2022}\u{2022}\u{2022}\u{2022} masked";

/// One attribute value. Cheap to clone.
#[derive(Clone, PartialEq, Debug, Default)]
pub enum Value {
    /// No value (an `AnyValue` with nothing set); not the empty string.
    #[default]
    Empty,
    /// UTF-8 text.
    Str(SmolStr),
    /// True or false.
    Bool(bool),
    /// Signed 64-bit integer.
    Int(i64),
    /// IEEE 754 double; NaN and infinities are legal.
    Double(f64),
    /// Raw bytes.
    Bytes(Arc<[u8]>),
    /// A list of values, mixed types allowed.
    Array(Arc<[Value]>),
    /// A nested list of keyed values, order kept.
    Map(Arc<[(SmolStr, Value)]>),
}

impl Value {
    /// The text of a string value.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Str(text) => Some(text),
            _ => None,
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Str(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Str(text.into())
    }
}

impl From<SmolStr> for Value {
    fn from(text: SmolStr) -> Self {
        Self::Str(text)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<i32> for Value {
    fn from(value: i32) -> Self {
        Self::Int(value.into())
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Double(value)
    }
}

impl fmt::Display for Value {
    /// Text as it is, numbers in their shortest form, bytes as hexadecimal, lists and maps in a JSON-like form.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => Ok(()),
            Self::Str(text) => f.write_str(text),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Int(value) => write!(f, "{value}"),
            Self::Double(value) => write!(f, "{value}"),
            Self::Bytes(bytes) => bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}")),
            Self::Array(values) => {
                f.write_str("[")?;
                for (index, value) in values.iter().enumerate() {
                    if index > 0 {
                        f.write_str(", ")?;
                    }
                    fmt_nested(value, f)?;
                }
                f.write_str("]")
            }
            Self::Map(entries) => {
                f.write_str("{")?;
                for (index, (key, value)) in entries.iter().enumerate() {
                    if index > 0 {
                        f.write_str(", ")?;
                    }
                    write!(f, "{key:?}: ")?;
                    fmt_nested(value, f)?;
                }
                f.write_str("}")
            }
        }
    }
}

fn fmt_nested(value: &Value, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match value {
        Value::Str(text) => write!(f, "{text:?}"),
        Value::Empty => f.write_str("null"),
        other => write!(f, "{other}"),
    }
}

/// Attributes in the order they came. A key may occur twice in bad input; [`Attributes::get`] answers the first.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Attributes(pub Vec<(SmolStr, Value)>);

impl Attributes {
    /// The first value under `key`.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0.iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    /// The first value under `key` when it is text.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.get(key).and_then(Value::as_str)
    }

    /// Appends without looking for the key.
    pub fn push(&mut self, key: impl Into<SmolStr>, value: impl Into<Value>) {
        self.0.push((key.into(), value.into()));
    }

    /// Replaces the value under `key` or appends it.
    pub fn set(&mut self, key: impl Into<SmolStr>, value: impl Into<Value>) {
        let key = key.into();
        let value = value.into();
        match self.0.iter_mut().find(|(name, _)| *name == key) {
            Some((_, old)) => *old = value,
            None => self.0.push((key, value)),
        }
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True without entries.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Entries in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value))
    }
}

impl<K: Into<SmolStr>, V: Into<Value>> FromIterator<(K, V)> for Attributes {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        Self(entries.into_iter().map(|(key, value)| (key.into(), value.into())).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn set_replaces_and_push_keeps_both() {
        let mut attributes = Attributes::default();
        attributes.push("a", 1);
        attributes.set("a", 2);
        attributes.push("a", 3);
        assert_eq!(attributes.get("a"), Some(&Value::Int(2)));
        assert_eq!(attributes.len(), 2);
    }

    #[test]
    fn nested_values_print_like_json() {
        let value = Value::Array(Arc::new([Value::from("x"), Value::Int(-1), Value::Empty]));
        assert_eq!(value.to_string(), "[\"x\", -1, null]");
    }
}
