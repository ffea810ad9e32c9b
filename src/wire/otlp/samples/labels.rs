//! Attributes as labels: sorted, renamed, colliding ones joined with `;`, `job` and `instance` of the resource.

use super::names::{Escaping, label_name};
use crate::model::Value;
use crate::model::labels::put_label;
use base64::Engine as _;
use smol_str::SmolStr;
use std::collections::HashMap;

/// Resource attributes that name the target; they become `job` and `instance`.
pub(super) const IDENTIFYING: [&str; 3] = ["service.namespace", "service.name", "service.instance.id"];

/// Labels by name, each once, none empty.
pub(super) type Pairs = Vec<(SmolStr, SmolStr)>;

/// Names by attribute key; most payloads have few.
pub(super) struct LabelNames {
    escaping: Escaping,
    known: HashMap<SmolStr, Option<SmolStr>>,
}

impl LabelNames {
    pub(super) fn new(escaping: Escaping) -> Self {
        Self { escaping, known: HashMap::new() }
    }

    fn of(&mut self, key: &SmolStr) -> Option<SmolStr> {
        if let Some(name) = self.known.get(key) {
            return name.clone();
        }
        let name = label_name(key, self.escaping).map(SmolStr::from);
        self.known.insert(key.clone(), name.clone());
        name
    }

    /// Attributes as labels, those of `base` added where no attribute has their name; `over` wins over either.
    pub(super) fn pairs(&mut self, mut attributes: Vec<(SmolStr, Value)>, over: &Pairs) -> Pairs {
        attributes.sort_by(|(a, _), (b, _)| a.cmp(b));
        let mut pairs = Pairs::with_capacity(attributes.len() + over.len());
        for (key, value) in attributes {
            let Some(name) = self.of(&key) else { continue };
            let value = label_text(&value);
            match pairs.iter_mut().find(|(known, _)| *known == name) {
                Some((_, joined)) => *joined = format!("{joined};{value}").into(),
                None => pairs.push((name, value)),
            }
        }
        for (name, value) in over {
            match pairs.iter_mut().find(|(known, _)| known == name) {
                Some((_, old)) => old.clone_from(value),
                None => pairs.push((name.clone(), value.clone())),
            }
        }
        pairs.retain(|(_, value)| !value.is_empty());
        pairs.sort_by(|(a, _), (b, _)| a.cmp(b));
        pairs
    }
}

/// `job` and `instance` of a resource.
pub(super) fn target(resource: &[(SmolStr, Value)]) -> Pairs {
    let get = |key: &str| {
        resource.iter().find(|(known, _)| known == key).map(|(_, value)| label_text(value)).filter(|text| !text.is_empty())
    };
    let job = get("service.name").map(|name| match get("service.namespace") {
        Some(namespace) => format!("{namespace}/{name}").into(),
        None => name,
    });
    let instance = get("service.instance.id");
    let pairs = [("instance", instance), ("job", job)];
    pairs.into_iter().filter_map(|(name, value)| value.map(|value| (name.into(), value))).collect()
}

/// Appends a label set in the packed form: `pairs`, the name, and up to one more label, which win over pairs of their name.
pub(super) fn put_set(packed: &mut Vec<u8>, pairs: &Pairs, name: &str, more: Option<(&str, &str)>) {
    let mut extra = [Some(("__name__", name)), more];
    extra.sort();
    let mut extra = extra.into_iter().flatten().peekable();
    for (key, value) in pairs {
        while let Some((key, value)) = extra.next_if(|(extra, _)| *extra < key.as_str()) {
            put_label(packed, key, value);
        }
        if extra.peek().is_none_or(|(extra, _)| *extra != key.as_str()) {
            put_label(packed, key, value);
        }
    }
    for (key, value) in extra {
        put_label(packed, key, value);
    }
}

/// A value as the collector writes it into a label: bytes in base64, lists and maps as JSON.
pub(super) fn label_text(value: &Value) -> SmolStr {
    match value {
        Value::Str(text) => text.clone(),
        Value::Bytes(bytes) => base64::engine::general_purpose::STANDARD.encode(bytes).into(),
        Value::Array(_) | Value::Map(_) => json(value).to_string().into(),
        other => other.to_string().into(),
    }
}

fn json(value: &Value) -> serde_json::Value {
    match value {
        Value::Empty => serde_json::Value::Null,
        Value::Bool(value) => (*value).into(),
        Value::Int(value) => (*value).into(),
        Value::Double(value) => (*value).into(),
        Value::Array(values) => values.iter().map(json).collect(),
        Value::Map(entries) => {
            serde_json::Value::Object(entries.iter().map(|(key, value)| (key.to_string(), json(value))).collect())
        }
        Value::Str(_) | Value::Bytes(_) => label_text(value).as_str().into(),
    }
}
