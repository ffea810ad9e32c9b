//! Zipkin: version 2 JSON and protobuf, version 1 JSON; for files and for the door on 9411.
//!
//! The mapping follows `reference/doors.md` section 1. Times are microseconds; a time of zero or less is absent. A span
//! without `timestamp` starts with its earliest annotation, else with its other half, its parent or its trace, and says
//! so in the attribute [`ABSENT_START`]; one without `duration` is in flight. The tag `error` makes the status, whatever
//! its value; `otel.*` tags and `w3c.tracestate` become fields. Every record is a span: of the records that share an id
//! the client half keeps it and the others get derived ones ([`shared`]).

mod proto;
mod shared;
mod tags;
mod v1;
mod v2;

pub(crate) use proto::is_protobuf;
pub(crate) use shared::derived_id;
pub(crate) use tags::{LINK_TAG, event_text, link_text};

use super::assemble::{Assembler, Head};
use super::fault::OpenError;
use super::format::Format;
use super::ids;
use super::json::Json;
use super::reading::{Decoded, Reading, Watch, utf8};
use crate::model::{SpanId, SpanKind, StatusCode, TraceId};
use shared::Fact;
use std::borrow::Cow;

/// Says that the span came without a timestamp; the name is the one of the collector's translator.
pub const ABSENT_START: &str = "otel.zipkin.absentField.startTime";
/// Says that the span is the server's half of a span that the client began under the same id.
pub const SHARED: &str = "zipkin.shared";

/// One span as any of the encodings gives it. Times in nanoseconds.
#[derive(Default, Debug)]
pub(crate) struct Record<'a> {
    trace_id: TraceId,
    id: SpanId,
    parent: Option<SpanId>,
    name: Cow<'a, str>,
    kind: SpanKind,
    start: Option<i64>,
    duration: Option<i64>,
    local: Endpoint<'a>,
    remote: Endpoint<'a>,
    shared: bool,
    annotations: Vec<(i64, Cow<'a, str>)>,
    tags: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

/// Who an endpoint is.
#[derive(Clone, Default, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Endpoint<'a> {
    service: Cow<'a, str>,
    address: Cow<'a, str>,
    port: u16,
}

/// What a request to the door gave: the collector answers 202, or 400 with the error's text.
pub fn decode_json(body: &[u8]) -> Result<Decoded, OpenError> {
    read_v2(body, true, &mut |_| true)
}

/// Version 1 JSON at the door.
pub fn decode_v1_json(body: &[u8]) -> Result<Decoded, OpenError> {
    read_v1(body, true, &mut |_| true)
}

/// Protobuf `ListOfSpans`, at the door or as a file.
pub fn decode_proto(body: &[u8]) -> Result<Decoded, OpenError> {
    proto::decode(body)
}

/// Reads version 2 JSON; `strict` refuses everything for one bad record, as Zipkin does.
pub(crate) fn read_v2(bytes: &[u8], strict: bool, watch: &mut Watch<'_>) -> Result<Decoded, OpenError> {
    let text = utf8(Format::ZipkinV2, bytes)?;
    let reading = if strict {
        Reading::of_request(Format::ZipkinV2, text, watch)
    } else {
        Reading::of_file(Format::ZipkinV2, text, watch)
    };
    v2::read(reading)
}

/// Reads version 1 JSON.
pub(crate) fn read_v1(bytes: &[u8], strict: bool, watch: &mut Watch<'_>) -> Result<Decoded, OpenError> {
    let text = utf8(Format::ZipkinV1, bytes)?;
    let reading = if strict {
        Reading::of_request(Format::ZipkinV1, text, watch)
    } else {
        Reading::of_file(Format::ZipkinV1, text, watch)
    };
    v1::read(reading)
}

/// A time in nanoseconds; absent when zero or less.
fn time_of(json: &Json<'_>) -> Option<i64> {
    json.micros().filter(|time| *time > 0)
}

/// The ids of a record by Zipkin's rules: up to 32 and 16 lower-case digits, not all zero, parents of zero and of the
/// span itself are none. Files may have upper case.
fn ids_of(
    strict: bool,
    trace: &Json<'_>,
    id: &Json<'_>,
    parent: &Json<'_>,
) -> Result<(TraceId, SpanId, Option<SpanId>), String> {
    let hex = |what: &str, json: &Json<'_>, digits: usize| -> Result<u128, String> {
        let Some(text) = json.text() else { return Err(format!("{what} is missing")) };
        if text.is_empty() || text.len() > digits {
            return Err(format!("{what} must have 1 to {digits} hexadecimal digits, found {}", text.chars().count()));
        }
        if strict && text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(format!("{what} must be lower-case hexadecimal"));
        }
        ids::hex(text).ok_or_else(|| format!("{what} must be lower-case hexadecimal"))
    };
    let trace = hex("traceId", trace, 32)?;
    let id = hex("id", id, 16)? as u64;
    if trace == 0 || id == 0 {
        return Err(format!("{} is all zeros", if trace == 0 { "traceId" } else { "id" }));
    }
    let parent = match parent {
        Json::Null => None,
        parent => SpanId::from(hex("parentId", parent, 16)? as u64).non_zero(),
    };
    Ok((TraceId(trace.to_be_bytes()), id.into(), parent.filter(|parent| *parent != SpanId::from(id))))
}

/// Lays one record down as a span and notes what [`shared`] needs to know of it.
fn lay(out: &mut Assembler, facts: &mut Vec<Fact>, record: &Record<'_>) {
    let mut said = tags::Said::default();
    for (key, value) in &record.tags {
        if !said.takes(out, key, value) {
            out.text(key, value);
        }
    }
    let tagged = |out: &mut Assembler, key: &str, text: &str| {
        if !text.is_empty() && !out.has(key) {
            out.text(key, text);
        }
    };
    tagged(out, "peer.service", &record.remote.service);
    for (endpoint, address, port) in [
        (&record.local, "network.local.address", "network.local.port"),
        (&record.remote, "network.peer.address", "network.peer.port"),
    ] {
        tagged(out, address, &endpoint.address);
        if endpoint.port != 0 && !out.has(port) {
            out.attr(port, &Json::Int(endpoint.port.into()));
        }
    }
    if record.shared {
        out.attr(SHARED, &Json::Bool(true));
    }
    if record.start.is_none() {
        out.attr(ABSENT_START, &Json::Bool(true));
    }
    for (time, text) in &record.annotations {
        tags::event(out, *time, text);
    }
    let annotated = record.annotations.iter().map(|(time, _)| *time).min();
    let start = record.start.or(annotated);
    let resource = out.service(&record.local.service);
    let scope = out.scope(said.scope[0], said.scope[1]);
    facts.push(Fact {
        endpoint: shared::endpoint_key(&record.local),
        shared: record.shared,
        starts: start.is_some(),
        length: record.duration,
    });
    out.span(&Head {
        trace_id: record.trace_id,
        span_id: record.id,
        parent: record.parent,
        name: &record.name,
        kind: record.kind,
        start: start.unwrap_or_default(),
        end: start.and_then(|start| record.duration.map(|length| start.saturating_add(length))),
        status: if said.error { StatusCode::Error } else { said.status.unwrap_or_default() },
        message: said.message,
        trace_state: said.trace_state,
        flags: 0,
        resource,
        scope,
        dropped: said.dropped,
    });
}

#[cfg(test)]
mod tests;
