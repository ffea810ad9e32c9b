//! Zipkin version 2 JSON. Lost: nanoseconds below a microsecond, the types of attributes (all become texts), attributes
//! of resources and scopes, schema URLs, W3C flags, the kind "unspecified", times at or before 1970, and an attribute
//! `error` on a span that did not fail.

use super::super::jaeger::DROPPED;
use super::super::zipkin::{ABSENT_START, LINK_TAG, SHARED, derived_id, event_text, link_text};
use super::{as_text, push_record};
use crate::model::{SpanId, SpanKind, SpanRef, StatusCode, Trace, ValueRef};
use serde::Serialize;
use std::collections::HashMap;
use std::net::IpAddr;

/// Records of one service under one id that are recognised as halves of one span.
const HALVES: u8 = 8;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SpanOut<'a> {
    trace_id: &'a str,
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_id: Option<String>,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration: Option<i64>,
    local_endpoint: Endpoint<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remote_endpoint: Option<Endpoint<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    annotations: Vec<Annotation>,
    #[serde(skip_serializing_if = "serde_json::Map::is_empty")]
    tags: serde_json::Map<String, serde_json::Value>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    shared: bool,
}

#[derive(Serialize, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
struct Endpoint<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    service_name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ipv4: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ipv6: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    port: Option<u16>,
}

impl<'a> Endpoint<'a> {
    /// Takes the value when it is one that comes back from an endpoint unchanged.
    fn takes_address(&mut self, value: ValueRef<'a>) -> bool {
        let Some(text) = value.as_str() else { return false };
        match text.parse() {
            Ok(IpAddr::V4(_)) => self.ipv4 = Some(text),
            Ok(IpAddr::V6(_)) => self.ipv6 = Some(text),
            Err(_) => return false,
        }
        true
    }

    fn takes_port(&mut self, value: ValueRef<'a>) -> bool {
        let ValueRef::Int(number) = value else { return false };
        self.port = u16::try_from(number).ok().filter(|port| *port != 0);
        self.port.is_some()
    }
}

#[derive(Serialize)]
struct Annotation {
    timestamp: i64,
    value: String,
}

/// The trace as a Zipkin list of spans.
pub fn zipkin(trace: &Trace) -> String {
    let id = trace.id.to_string();
    let mut rows: HashMap<SpanId, usize> = HashMap::with_capacity(trace.len());
    for (at, span) in trace.spans.spans.iter().enumerate() {
        rows.entry(span.span_id).or_insert(at);
    }
    // A half that was given an id of its own goes back under the one it shared.
    let under = |span: &SpanRef<'_>| -> Option<SpanId> {
        let other = span.parent()?;
        let derived = |repeat| derived_id(trace.id, other, span.service(), repeat) == span.span_id();
        (0..HALVES).any(derived).then_some(other)
    };
    let mut out = "[".to_owned();
    for span in trace.spans.iter() {
        let row = |id: SpanId| rows.get(&id).map(|at| trace.spans.span(*at));
        let shared_id = under(&span);
        let parent = match shared_id {
            Some(other) => row(other).and_then(|half| half.parent()),
            None => span.parent(),
        };
        let parent = parent.map(|parent| row(parent).and_then(|span| under(&span)).unwrap_or(parent));
        push_record(&mut out, &span_out(&id, &span, shared_id.unwrap_or_else(|| span.span_id()), parent));
    }
    out.push_str("]\n");
    out
}

fn span_out<'a>(trace_id: &'a str, span: &SpanRef<'a>, id: SpanId, parent: Option<SpanId>) -> SpanOut<'a> {
    let service = |span: &SpanRef<'a>| if span.resource().attrs().get("service.name").is_some() { span.service() } else { "" };
    let mut local = Endpoint { service_name: service(span), ..Endpoint::default() };
    let mut remote = Endpoint::default();
    let mut tags = serde_json::Map::new();
    let (mut shared, mut absent) = (false, false);
    for (key, value) in span.attrs().iter() {
        let taken = match (key, value) {
            (SHARED, ValueRef::Bool(true)) => {
                shared = true;
                true
            }
            (ABSENT_START, ValueRef::Bool(true)) => {
                absent = true;
                true
            }
            ("peer.service", ValueRef::Str(name)) if !name.is_empty() => {
                remote.service_name = name;
                true
            }
            ("network.local.address", value) => local.takes_address(value),
            ("network.local.port", value) => local.takes_port(value),
            ("network.peer.address", value) => remote.takes_address(value),
            ("network.peer.port", value) => remote.takes_port(value),
            // Zipkin takes the mere presence of this tag for a failure.
            ("error", _) => span.status() != StatusCode::Error,
            _ => false,
        };
        if !taken && !tags.contains_key(key) {
            tags.insert(key.to_owned(), as_text(value).into());
        }
    }
    let mut tag = |key: &str, text: &str| {
        if !text.is_empty() {
            tags.insert(key.to_owned(), text.into());
        }
    };
    match span.status() {
        StatusCode::Unset => {}
        StatusCode::Ok => tag("otel.status_code", "OK"),
        StatusCode::Error => {
            tag("otel.status_code", "ERROR");
            tag("error", if span.status_message().is_empty() { "true" } else { span.status_message() });
        }
    }
    tag("otel.scope.name", span.scope().name());
    tag("otel.scope.version", span.scope().version());
    tag("w3c.tracestate", span.trace_state());
    let row = span.row;
    for (key, count) in DROPPED.iter().zip([row.dropped_attributes, row.dropped_events, row.dropped_links]) {
        if count > 0 {
            tag(key, &count.to_string());
        }
    }
    for (at, link) in span.links().enumerate() {
        tag(&format!("{LINK_TAG}{at}"), &link_text(&link));
    }
    SpanOut {
        trace_id,
        id: id.to_string(),
        parent_id: parent.map(|parent| parent.to_string()),
        name: span.name(),
        kind: match span.kind() {
            SpanKind::Unspecified | SpanKind::Internal => None,
            SpanKind::Server => Some("SERVER"),
            SpanKind::Client => Some("CLIENT"),
            SpanKind::Producer => Some("PRODUCER"),
            SpanKind::Consumer => Some("CONSUMER"),
        },
        timestamp: Some(span.start().0.div_euclid(1_000)).filter(|micros| *micros > 0 && !absent),
        // Zipkin takes zero for "not finished".
        duration: span.end().map(|_| (span.duration().0.div_euclid(1_000)).max(1)),
        local_endpoint: local,
        remote_endpoint: Some(remote).filter(|remote| *remote != Endpoint::default()),
        annotations: span
            .events()
            .map(|event| Annotation { timestamp: event.time().0.div_euclid(1_000), value: event_text(&event) })
            .collect(),
        tags,
        shared,
    }
}
