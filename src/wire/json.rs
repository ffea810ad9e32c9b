//! JSON as the codecs read it: borrowed, lenient in types, bounded in depth.
//!
//! Big arrays are split into raw records first (a scan that builds nothing), then each record is read into a struct
//! whose fields are [`Json`]; so one odd record is rejected alone, and its place is known from where its text lies.

use crate::model::Value;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use smol_str::SmolStr;
use std::borrow::Cow;
use std::fmt;

/// Nesting of attribute values, well within what OTLP's readers and the batch take; the parser's own limit is 128.
const MAX_NESTED: usize = 32;

/// Any JSON value, texts borrowed from the input where they have no escapes. Nesting is bounded by the parser.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) enum Json<'a> {
    /// `null` or absent.
    #[default]
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number that fits.
    Int(i64),
    /// A whole number above `i64::MAX`.
    Uint(u64),
    /// Any other number.
    Float(f64),
    /// Text.
    Text(Cow<'a, str>),
    /// An array.
    List(Vec<Json<'a>>),
    /// An object in its order, repeated keys kept.
    Map(Vec<(Cow<'a, str>, Json<'a>)>),
}

impl Json<'_> {
    /// The text of a string.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// True unless absent or null.
    pub fn is_some(&self) -> bool {
        !matches!(self, Self::Null)
    }

    /// A whole number, also from a text of digits or a float without fraction.
    pub fn int(&self) -> Option<i64> {
        match self {
            Self::Int(value) => Some(*value),
            Self::Uint(_) => None,
            Self::Float(value) if value.fract() == 0.0 && value.abs() < 9.0e18 => Some(*value as i64),
            Self::Text(text) => text.trim().parse().ok(),
            _ => None,
        }
    }

    /// An unsigned whole number, also from a text of digits. Never by way of a float.
    pub fn uint(&self) -> Option<u64> {
        match self {
            Self::Int(value) => u64::try_from(*value).ok(),
            Self::Uint(value) => Some(*value),
            Self::Text(text) => text.trim().parse().ok(),
            _ => None,
        }
    }

    /// A number, also from its text.
    pub fn float(&self) -> Option<f64> {
        match self {
            Self::Int(value) => Some(*value as f64),
            Self::Uint(value) => Some(*value as f64),
            Self::Float(value) => Some(*value),
            Self::Text(text) => text.trim().parse().ok(),
            _ => None,
        }
    }

    /// Nanoseconds from a number of microseconds, fractions kept to the nanosecond; clamped.
    pub fn micros(&self) -> Option<i64> {
        match self {
            Self::Int(value) => Some(value.saturating_mul(1_000)),
            Self::Uint(_) => Some(i64::MAX),
            Self::Float(value) => Some(nanos(*value, 1e3)),
            Self::Text(text) => match text.trim().parse::<i64>() {
                Ok(value) => Some(value.saturating_mul(1_000)),
                Err(_) => text.trim().parse().ok().map(|value| nanos(value, 1e3)),
            },
            _ => None,
        }
    }

    /// The value under `key` of an object.
    pub fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Map(entries) => entries.iter().find(|(name, _)| name == key).map(|(_, value)| value),
            _ => None,
        }
    }

    /// The same, free of the input.
    pub fn into_owned(self) -> Json<'static> {
        let owned = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        match self {
            Self::Null => Json::Null,
            Self::Bool(value) => Json::Bool(value),
            Self::Int(value) => Json::Int(value),
            Self::Uint(value) => Json::Uint(value),
            Self::Float(value) => Json::Float(value),
            Self::Text(text) => Json::Text(owned(text)),
            Self::List(items) => Json::List(items.into_iter().map(Json::into_owned).collect()),
            Self::Map(entries) => Json::Map(entries.into_iter().map(|(key, value)| (owned(key), value.into_owned())).collect()),
        }
    }

    /// As an attribute value. What is nested deeper than [`MAX_NESTED`] levels stands there as text.
    pub fn to_value(&self) -> Value {
        self.value_at(0)
    }

    fn value_at(&self, depth: usize) -> Value {
        let nested = |depth: usize| -> Value {
            match self {
                Self::List(items) => Value::Array(items.iter().map(|item| item.value_at(depth)).collect()),
                Self::Map(entries) => {
                    Value::Map(entries.iter().map(|(key, value)| (SmolStr::new(key), value.value_at(depth))).collect())
                }
                _ => Value::Empty,
            }
        };
        match self {
            Self::Null => Value::Empty,
            Self::Bool(value) => Value::Bool(*value),
            Self::Int(value) => Value::Int(*value),
            // Digits beyond i64 are identifiers in practice: kept exactly as text.
            Self::Uint(value) => Value::Str(value.to_string().into()),
            Self::Float(value) => Value::Double(*value),
            Self::Text(text) => Value::Str(text.as_ref().into()),
            Self::List(_) | Self::Map(_) if depth == MAX_NESTED => Value::from(nested(MAX_NESTED + 1).to_string()),
            Self::List(_) | Self::Map(_) => nested(depth + 1),
        }
    }
}

/// `value` units of `factor` nanoseconds each, rounded and clamped; what is not a number is 0.
pub(crate) fn nanos(value: f64, factor: f64) -> i64 {
    // The whole part is scaled apart: microseconds since 1970 with a fraction need more than 53 bits as nanoseconds.
    let whole = value.trunc();
    let scaled = (whole as i128).saturating_mul(factor as i128) + ((value - whole) * factor).round() as i128;
    scaled.clamp(i128::from(i64::MIN + 1), i128::from(i64::MAX)) as i64
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Json<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json<'de>, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json<'de>, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json<'de>, E> {
        Ok(Json::Int(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json<'de>, E> {
        Ok(i64::try_from(value).map_or(Json::Uint(value), Json::Int))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json<'de>, E> {
        Ok(Json::Float(value))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Json<'de>, E> {
        Ok(Json::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Json<'de>, E> {
        Ok(Json::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_string<E>(self, text: String) -> Result<Json<'de>, E> {
        Ok(Json::Text(Cow::Owned(text)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Json<'de>, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Json::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json<'de>, A::Error> {
        let mut entries = Vec::new();
        while let Some((Key(key), value)) = map.next_entry()? {
            entries.push((key, value));
        }
        Ok(Json::Map(entries))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Json<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(JsonVisitor)
    }
}

/// An object key, borrowed where it can be.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Key<'a>(pub Cow<'a, str>);

struct KeyVisitor;

impl<'de> Visitor<'de> for KeyVisitor {
    type Value = Key<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Key<'de>, E> {
        Ok(Key(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Key<'de>, E> {
        Ok(Key(Cow::Owned(text.to_owned())))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Key<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_str(KeyVisitor)
    }
}

/// A list that may be null; absent with `#[serde(default)]`.
#[derive(Debug)]
pub(crate) struct List<T>(pub Vec<T>);

impl<T> Default for List<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(Self(Option::<Vec<T>>::deserialize(from)?.unwrap_or_default()))
    }
}

/// An object as its entries in order; may be null, absent with `#[serde(default)]`.
#[derive(Debug)]
pub(crate) struct Entries<'a, T>(pub Vec<(Cow<'a, str>, T)>);

impl<T> Default for Entries<'_, T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

struct EntriesVisitor<T>(std::marker::PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for EntriesVisitor<T> {
    type Value = Entries<'de, T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Entries::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        while let Some((Key(key), value)) = map.next_entry()? {
            entries.push((key, value));
        }
        Ok(Entries(entries))
    }
}

impl<'de: 'a, 'a, T: Deserialize<'de>> Deserialize<'de> for Entries<'a, T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(EntriesVisitor(std::marker::PhantomData))
    }
}

/// A model value as a JSON value. Numbers that JSON has no form for become texts, bytes base64.
pub(crate) fn to_json(value: &Value) -> serde_json::Value {
    use base64::Engine as _;
    match value {
        Value::Empty => serde_json::Value::Null,
        Value::Str(text) => text.as_str().into(),
        Value::Bool(value) => (*value).into(),
        Value::Int(value) => (*value).into(),
        Value::Double(value) => {
            serde_json::Number::from_f64(*value).map_or_else(|| value.to_string().into(), serde_json::Value::Number)
        }
        Value::Bytes(bytes) => base64::engine::general_purpose::STANDARD.encode(bytes).into(),
        Value::Array(items) => items.iter().map(to_json).collect(),
        Value::Map(entries) => {
            serde_json::Value::Object(entries.iter().map(|(key, value)| (key.to_string(), to_json(value))).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Json<'_> {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn numbers_keep_every_digit_that_matters() {
        assert_eq!(read("18446744073709551615").uint(), Some(u64::MAX));
        assert_eq!(read("\"9007199254740993\"").uint(), Some(9_007_199_254_740_993));
        assert_eq!(read("1543549826259342").micros(), Some(1_543_549_826_259_342_000));
        assert_eq!(read("141171.917").micros(), Some(141_171_917));
        assert_eq!(read("1543549826259342.5").micros(), Some(1_543_549_826_259_342_500));
        assert_eq!(read("1e300").micros(), Some(i64::MAX));
        assert_eq!(read("\"x\"").micros(), None);
        assert_eq!(nanos(f64::NAN, 1e3), 0);
    }

    #[test]
    fn deep_nesting_is_an_error_not_a_crash() {
        let deep = "[".repeat(100_000);
        assert!(serde_json::from_str::<Json<'_>>(&deep).is_err());
        assert!(serde_json::from_str::<serde::de::IgnoredAny>(&deep).is_err());
    }

    #[test]
    fn values_nested_absurdly_deep_become_text_and_can_be_stored() {
        let text = format!("{}1{}", "{\"a\":[".repeat(50), "]}".repeat(50));
        let value = read(&text).to_value();
        let span = crate::model::Span {
            trace_id: crate::model::TraceId([1; 16]),
            span_id: 1.into(),
            attributes: [("deep", value)].into_iter().collect(),
            ..Default::default()
        };
        let batch = crate::model::SpanBatch::from_spans([&span]);
        assert_eq!(batch.to_spans(), std::slice::from_ref(&span));
        let stored = crate::wire::otlp::decode_traces(&crate::wire::otlp::encode_traces(&batch)).unwrap();
        assert_eq!(stored.batch.to_spans()[0].attributes, span.attributes);
    }

    #[test]
    fn texts_without_escapes_are_borrowed() {
        assert!(matches!(read("\"abc\""), Json::Text(Cow::Borrowed("abc"))));
        assert_eq!(read("\"a\\nb\"").text(), Some("a\nb"));
        assert_eq!(read("{\"a\":[1,null]}").to_value().to_string(), "{\"a\": [1, null]}");
    }
}
