//! How much a span may hold, and the rules for what does not fit (OpenTelemetry SDK, "Span limits").

use crate::model::{Attributes, Value};
use smol_str::SmolStr;
use std::sync::Arc;

/// Limits of a span. What goes beyond is dropped and counted in the exported span.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SpanLimits {
    /// Attributes of a span.
    pub attributes: usize,
    /// Characters of a text value, also inside lists and maps; `None` is no limit.
    pub value_length: Option<usize>,
    /// Events of a span.
    pub events: usize,
    /// Links of a span.
    pub links: usize,
    /// Attributes of one event.
    pub event_attributes: usize,
    /// Attributes of one link.
    pub link_attributes: usize,
}

impl Default for SpanLimits {
    /// The specification's: 128 of everything, values of any length.
    fn default() -> Self {
        Self { attributes: 128, value_length: None, events: 128, links: 128, event_attributes: 128, link_attributes: 128 }
    }
}

impl SpanLimits {
    /// The value, shortened where the limit asks for it.
    pub(super) fn shorten(&self, value: Value) -> Value {
        match self.value_length {
            None => value,
            Some(limit) => cut(value, limit),
        }
    }

    /// Puts an attribute in: an old key gets the new value, a new key is added or, when full, counted.
    pub(super) fn put(&self, attributes: &mut Attributes, dropped: &mut u32, limit: usize, key: SmolStr, value: Value) {
        let value = self.shorten(value);
        if let Some((_, old)) = attributes.0.iter_mut().find(|(name, _)| *name == key) {
            *old = value;
        } else if key.is_empty() || attributes.len() >= limit {
            *dropped += 1;
        } else {
            attributes.0.push((key, value));
        }
    }

    /// Attributes of an event or link within `limit`, with the number of those left out.
    pub(super) fn list(&self, entries: Attributes, limit: usize) -> (Attributes, u32) {
        let (mut kept, mut dropped) = (Attributes::default(), 0);
        for (key, value) in entries.0 {
            self.put(&mut kept, &mut dropped, limit, key, value);
        }
        (kept, dropped)
    }
}

fn cut(value: Value, limit: usize) -> Value {
    match value {
        Value::Str(text) => match text.char_indices().nth(limit) {
            Some((end, _)) => Value::Str(SmolStr::new(&text[..end])),
            None => Value::Str(text),
        },
        Value::Bytes(bytes) if bytes.len() > limit => Value::Bytes(Arc::from(&bytes[..limit])),
        Value::Array(values) => Value::Array(values.iter().map(|value| cut(value.clone(), limit)).collect()),
        Value::Map(entries) => {
            Value::Map(entries.iter().map(|(key, value)| (key.clone(), cut(value.clone(), limit))).collect())
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_values_are_cut_by_characters_wherever_they_stand() {
        let limits = SpanLimits { value_length: Some(2), ..SpanLimits::default() };
        assert_eq!(limits.shorten(Value::from("\u{e4}\u{e4}\u{e4}")), Value::from("\u{e4}\u{e4}"));
        let list = Value::Array(Arc::new([Value::from("abc"), Value::Int(12345)]));
        assert_eq!(limits.shorten(list), Value::Array(Arc::new([Value::from("ab"), Value::Int(12345)])));
    }

    #[test]
    fn an_old_key_gets_its_new_value_even_when_full() {
        let limits = SpanLimits::default();
        let (mut attributes, mut dropped) = (Attributes::default(), 0);
        for (key, value) in [("a", 1), ("b", 2), ("c", 3), ("a", 4)] {
            limits.put(&mut attributes, &mut dropped, 2, key.into(), value.into());
        }
        assert_eq!((attributes.get("a"), attributes.len(), dropped), (Some(&Value::Int(4)), 2, 1));
    }
}
