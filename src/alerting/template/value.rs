//! What a template computes with.

use super::format;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A sample of a query's answer.
#[derive(Clone, PartialEq, Debug)]
pub struct TemplateSample {
    /// Labels, the metric's name among them.
    pub labels: BTreeMap<String, String>,
    /// A number or a histogram.
    pub value: Value,
}

/// A value.
#[derive(Clone, PartialEq, Debug)]
pub enum Value {
    /// `nil`, and what an absent entry of a map of anything gives.
    Nil,
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// One without a sign.
    Uint(u64),
    /// A number.
    Float(f64),
    /// Text.
    Text(String),
    /// Texts by name; what is absent is empty.
    Texts(Arc<BTreeMap<String, String>>),
    /// Anything by name.
    Map(Arc<BTreeMap<String, Value>>),
    /// Fields; another one is an error.
    Record(BTreeMap<&'static str, Value>),
    /// A list.
    List(Vec<Value>),
    /// A sample of a query.
    Sample(Arc<TemplateSample>),
    /// A query's answer.
    Samples(Vec<Arc<TemplateSample>>),
    /// A moment, nanoseconds since 1970, in UTC.
    Time(i64),
    /// A length of time in nanoseconds.
    Duration(i64),
    /// A native histogram as PromQL prints it.
    Histogram(String),
}

impl Value {
    /// Texts by name.
    pub fn texts<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        Self::Texts(Arc::new(pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()))
    }

    /// What `if` and `and` go by: not empty, not zero.
    pub fn is_true(&self) -> bool {
        match self {
            Self::Nil => false,
            Self::Bool(truth) => *truth,
            Self::Int(number) => *number != 0,
            Self::Uint(number) => *number != 0,
            Self::Float(number) => *number != 0.0,
            Self::Text(text) => !text.is_empty(),
            Self::Texts(map) => !map.is_empty(),
            Self::Map(map) => !map.is_empty(),
            Self::List(list) => !list.is_empty(),
            Self::Samples(samples) => !samples.is_empty(),
            Self::Duration(nanos) => *nanos != 0,
            Self::Record(_) | Self::Sample(_) | Self::Time(_) | Self::Histogram(_) => true,
        }
    }

    /// The name of its type in Go.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Nil => "<nil>",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Uint(_) => "uint",
            Self::Float(_) => "float64",
            Self::Text(_) => "string",
            Self::Texts(_) => "map[string]string",
            Self::Map(_) => "map[string]interface {}",
            Self::Record(_) => {
                "struct { Labels map[string]string; ExternalLabels map[string]string; ExternalURL string; Value interface {} }"
            }
            Self::List(_) => "[]interface {}",
            Self::Sample(_) => "*template.sample",
            Self::Samples(_) => "template.queryResult",
            Self::Time(_) => "*time.Time",
            Self::Duration(_) => "*time.Duration",
            Self::Histogram(_) => "*histogram.FloatHistogram",
        }
    }

    /// As an action prints it.
    pub fn print(&self) -> String {
        match self {
            Self::Nil => "<no value>".to_owned(),
            other => format::plain(other),
        }
    }
}
