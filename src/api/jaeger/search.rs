//! Parameters of Jaeger's trace search, as a request to a source.

use super::super::params::Params;
use crate::model::{TraceId, UnixNanos};
use crate::source::{AttrScope, Comparison, Field, Literal, Predicate, TimeRange};

/// Traces that one search answers without `limit`.
pub const DEFAULT_LIMIT: usize = 100;
/// Traces that one search answers at most; each is read whole.
pub const LARGEST_LIMIT: usize = 2_000;

/// What a client searches for.
#[derive(Debug, PartialEq)]
pub enum TraceSearch {
    /// These traces, in this order.
    Ids(Vec<TraceId>),
    /// The newest that match.
    Matching {
        /// Range of time.
        range: TimeRange,
        /// What one span must meet.
        predicate: Predicate,
        /// At most this many.
        limit: usize,
    },
}

impl TraceSearch {
    /// From the query string; the error is the text of the 400 answer.
    pub fn read(params: &Params) -> Result<Self, String> {
        let ids: Vec<&str> = params.all("traceID").filter(|id| !id.is_empty()).collect();
        if !ids.is_empty() {
            return ids.into_iter().map(read_trace_id).collect::<Result<_, _>>().map(Self::Ids);
        }
        let service = params.first("service").filter(|name| !name.is_empty()).ok_or("parameter 'service' is required")?;
        let mut predicate = Predicate::equals(Field::Service, service);
        if let Some(operation) = params.first("operation").filter(|name| !name.is_empty() && *name != "all") {
            predicate = predicate.and(Predicate::equals(Field::Name, operation));
        }
        for tag in params.all("tag") {
            let (key, value) = tag
                .split_once(':')
                .ok_or_else(|| format!("malformed 'tag' parameter, expecting key:value, received: {tag}"))?;
            predicate = predicate.and(tag_predicate(key, value));
        }
        for tags in params.all("tags").filter(|tags| !tags.is_empty()) {
            let tags: serde_json::Map<String, serde_json::Value> = serde_json::from_str(tags)
                .map_err(|error| format!("malformed 'tags' parameter, cannot unmarshal JSON: {error}"))?;
            for (key, value) in tags {
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                predicate = predicate.and(tag_predicate(&key, &text));
            }
        }
        for (name, comparison) in [("minDuration", Comparison::Ge), ("maxDuration", Comparison::Le)] {
            if let Some(text) = params.first(name).filter(|text| !text.is_empty()) {
                let nanos =
                    go_duration(text).ok_or_else(|| format!("cannot parse {name}: time: invalid duration \"{text}\""))?;
                predicate = predicate.and(Predicate::Compare(Field::Duration, comparison, Literal::Int(nanos)));
            }
        }
        let micros = |name: &str, default: UnixNanos| match params.first(name).filter(|text| !text.is_empty()) {
            None => Ok(default),
            Some(text) => text
                .parse()
                .map(UnixNanos::from_micros)
                .map_err(|_| format!("cannot parse {name}: \"{text}\" is not a number of microseconds")),
        };
        let range = TimeRange { start: micros("start", TimeRange::ALL.start)?, end: micros("end", TimeRange::ALL.end)? };
        let limit = match params.first("limit").filter(|text| !text.is_empty()) {
            None => DEFAULT_LIMIT,
            Some(text) => match text.parse() {
                Ok(0) => DEFAULT_LIMIT,
                Ok(limit) => LARGEST_LIMIT.min(limit),
                Err(_) => return Err(format!("cannot parse limit: \"{text}\" is not a number")),
            },
        };
        Ok(Self::Matching { range, predicate, limit })
    }
}

/// A trace id of up to 32 digits; short ones are padded on the left, as Jaeger has it.
pub fn read_trace_id(text: &str) -> Result<TraceId, String> {
    let padded = format!("{text:0>32}");
    padded.parse().map_err(|error| format!("error parsing trace ID \"{text}\": {error}"))
}

/// `key = value` whatever the type of the attribute; Jaeger's own tags ask the fields that they were made from.
fn tag_predicate(key: &str, value: &str) -> Predicate {
    let field = Field::Attr(AttrScope::Any, key.into());
    let mut predicate = Predicate::equals(field.clone(), value);
    let mut or = |other: Predicate| {
        let before = std::mem::take(&mut predicate);
        predicate = Predicate::Or(Box::new(before), Box::new(other));
    };
    if let Ok(number) = value.parse() {
        or(Predicate::Compare(field.clone(), Comparison::Eq, Literal::Int(number)));
    } else if let Ok(number) = value.parse() {
        or(Predicate::Compare(field.clone(), Comparison::Eq, Literal::Float(number)));
    }
    if let Ok(flag) = value.parse() {
        or(Predicate::Compare(field, Comparison::Eq, Literal::Bool(flag)));
    }
    match (key, value) {
        ("error", "true") => or(Predicate::equals(Field::Status, "error")),
        ("span.kind", kind) => or(Predicate::equals(Field::Kind, kind)),
        ("otel.status_code", code) => or(Predicate::equals(Field::Status, &code.to_ascii_lowercase())),
        ("otel.status_description", text) => or(Predicate::equals(Field::StatusMessage, text)),
        ("otel.scope.name", name) => or(Predicate::equals(Field::ScopeName, name)),
        _ => {}
    }
    predicate
}

/// A duration as Go writes it, `1.2s`, `1h30m`, `250us`, in nanoseconds.
pub fn go_duration(text: &str) -> Option<i64> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0);
    }
    let mut total = 0.0_f64;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let unit_at = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..unit_at].parse().ok()?;
        rest = &rest[unit_at..];
        let end = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
        let scale = match &rest[..end] {
            "ns" => 1.0,
            "us" | "µs" | "μs" => 1e3,
            "ms" => 1e6,
            "s" => 1e9,
            "m" => 60e9,
            "h" => 3_600e9,
            _ => return None,
        };
        total += number * scale;
        rest = &rest[end..];
    }
    let total = if negative { -total } else { total };
    (total.abs() < 9.2e18).then_some(total.round() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Resource, Span, SpanBatch, SpanKind, Status, StatusCode};
    use std::sync::Arc;

    fn read(query: &str) -> Result<TraceSearch, String> {
        TraceSearch::read(&Params::parse(query))
    }

    #[test]
    fn a_search_without_service_is_refused_unless_it_names_traces() {
        assert_eq!(read("limit=3"), Err("parameter 'service' is required".to_owned()));
        let ids = read("traceID=1&traceID=000000000000000000000000000000ff").unwrap();
        assert_eq!(ids, TraceSearch::Ids(vec![TraceId::from_halves(0, 1), TraceId::from_halves(0, 255)]));
        assert!(read("traceID=xyz").is_err());
    }

    #[test]
    fn parameters_become_a_predicate_range_and_limit() {
        let query = "service=a%20b&operation=GET&minDuration=1.2s&maxDuration=1m30s&start=5&end=9&limit=7&tag=http.method:GET&tags=%7B%22n%22%3A%22200%22%7D";
        let Ok(TraceSearch::Matching { range, predicate, limit }) = read(query) else { panic!("{query}") };
        assert_eq!((range.start, range.end, limit), (UnixNanos(5_000), UnixNanos(9_000), 7));
        let span = Span {
            name: "GET".into(),
            resource: Arc::new(Resource::service("a b")),
            attributes: [("http.method", crate::model::Value::from("GET")), ("n", crate::model::Value::Int(200))]
                .into_iter()
                .collect(),
            end: Some(UnixNanos(2_000_000_000)),
            ..Span::default()
        };
        let quick = Span { end: Some(UnixNanos(1_000_000)), ..span.clone() };
        let batch = SpanBatch::from_spans(&[span, quick]);
        assert!(predicate.matches(batch.span(0)));
        assert!(!predicate.matches(batch.span(1)));
    }

    #[test]
    fn tags_that_jaeger_derives_ask_the_fields() {
        let span = Span {
            kind: SpanKind::Client,
            status: Status { code: StatusCode::Error, message: "no".into() },
            resource: Arc::new(Resource::service("a")),
            ..Span::default()
        };
        let batch = SpanBatch::from_spans(&[span]);
        for (tag, expected) in
            [("error:true", true), ("span.kind:client", true), ("span.kind:server", false), ("otel.status_code:ERROR", true)]
        {
            let Ok(TraceSearch::Matching { predicate, .. }) = read(&format!("service=a&tag={tag}")) else { panic!("{tag}") };
            assert_eq!(predicate.matches(batch.span(0)), expected, "{tag}");
        }
    }

    #[test]
    fn wrong_parameters_are_named() {
        for query in
            ["service=a&limit=x", "service=a&start=x", "service=a&minDuration=5", "service=a&tag=x", "service=a&tags=x"]
        {
            assert!(read(query).is_err(), "{query}");
        }
        assert_eq!(go_duration("1h2m3.5s"), Some(3_723_500_000_000));
        assert_eq!(go_duration("250us"), Some(250_000));
        assert_eq!(go_duration("-1ms"), Some(-1_000_000));
        assert_eq!(go_duration(""), None);
    }
}
