//! Version 1 JSON, read as Zipkin's own converter does: core annotations tell the kind and missing times, and a record
//! that both sides wrote into becomes two spans.

use super::super::fault::OpenError;
use super::super::json::{Json, List};
use super::super::reading::{Decoded, Reading};
use super::v2::EndpointRecord;
use super::{Endpoint, Record, ids_of, lay, shared, time_of};
use crate::model::SpanKind;
use serde::Deserialize;
use std::borrow::Cow;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SpanRecord<'a> {
    #[serde(borrow, default)]
    trace_id: Json<'a>,
    #[serde(borrow, default)]
    id: Json<'a>,
    #[serde(borrow, default)]
    parent_id: Json<'a>,
    #[serde(borrow, default)]
    name: Json<'a>,
    #[serde(borrow, default)]
    timestamp: Json<'a>,
    #[serde(borrow, default)]
    duration: Json<'a>,
    #[serde(borrow, default)]
    annotations: List<AnnotationRecord<'a>>,
    #[serde(borrow, default)]
    binary_annotations: List<BinaryRecord<'a>>,
}

#[derive(Deserialize)]
struct AnnotationRecord<'a> {
    #[serde(borrow, default)]
    timestamp: Json<'a>,
    #[serde(borrow, default)]
    value: Json<'a>,
    #[serde(borrow, default)]
    endpoint: Option<EndpointRecord<'a>>,
}

#[derive(Deserialize)]
struct BinaryRecord<'a> {
    #[serde(borrow, default)]
    key: Json<'a>,
    #[serde(borrow, default)]
    value: Json<'a>,
    #[serde(borrow, default)]
    endpoint: Option<EndpointRecord<'a>>,
}

/// The role that a core annotation begins or ends.
fn core(value: &str) -> Option<(SpanKind, bool)> {
    Some(match value {
        "cs" => (SpanKind::Client, true),
        "cr" => (SpanKind::Client, false),
        "sr" => (SpanKind::Server, true),
        "ss" => (SpanKind::Server, false),
        "ms" => (SpanKind::Producer, true),
        "mr" => (SpanKind::Consumer, true),
        _ => return None,
    })
}

/// Reads the whole text.
pub(super) fn read(mut reading: Reading<'_, '_>) -> Result<Decoded, OpenError> {
    let mut facts = Vec::new();
    reading.each_record(|reading, raw, path| {
        let Some(span) = reading.record::<SpanRecord<'_>>(raw, path)? else { return Ok(()) };
        match records_of(reading.is_strict(), span) {
            Ok(records) => records.iter().for_each(|record| lay(&mut reading.out, &mut facts, record)),
            Err(reason) => reading.reject(raw.get(), path(), reason)?,
        }
        Ok(())
    })?;
    let mut decoded = reading.finish();
    shared::resolve(&mut decoded.batch, &facts);
    Ok(decoded)
}

/// One side of a version 1 span.
#[derive(Default)]
struct Side<'a> {
    record: Record<'a>,
    begin: Option<i64>,
    end: Option<i64>,
}

fn records_of(strict: bool, span: SpanRecord<'_>) -> Result<Vec<Record<'_>>, String> {
    let (trace_id, id, parent) = ids_of(strict, &span.trace_id, &span.id, &span.parent_id)?;
    let mut sides: Vec<Side<'_>> = Vec::new();
    let mut events: Vec<(i64, Cow<'_, str>, Endpoint<'_>)> = Vec::new();
    for annotation in span.annotations.0 {
        let (Some(time), Json::Text(value)) = (time_of(&annotation.timestamp), annotation.value) else { continue };
        let named = annotation.endpoint.is_some();
        let endpoint = annotation.endpoint.map(EndpointRecord::take).unwrap_or_default();
        match core(&value).filter(|_| named) {
            Some((kind, begins)) => {
                let at = sides.iter().position(|side| side.record.kind == kind).unwrap_or_else(|| {
                    let record = Record { kind, local: endpoint, ..Record::default() };
                    sides.push(Side { record, ..Side::default() });
                    sides.len() - 1
                });
                let slot = if begins { &mut sides[at].begin } else { &mut sides[at].end };
                slot.get_or_insert(time);
            }
            None => events.push((time, value, endpoint)),
        }
    }
    // Without core annotations the span is local to whoever is named first.
    if sides.is_empty() {
        let named = events.iter().map(|(_, _, endpoint)| endpoint).find(|endpoint| !endpoint.service.is_empty());
        let record = Record { kind: SpanKind::Internal, local: named.cloned().unwrap_or_default(), ..Record::default() };
        sides.push(Side { record, ..Side::default() });
    }
    // A client side first: it owns the times of the record.
    sides.sort_by_key(|side| side.record.kind != SpanKind::Client);
    for (time, value, endpoint) in events {
        side_of(&mut sides, &endpoint).annotations.push((time, value));
    }
    for binary in span.binary_annotations.0 {
        let Json::Text(key) = binary.key else { continue };
        let endpoint = binary.endpoint.map(EndpointRecord::take).unwrap_or_default();
        let flag = matches!(binary.value, Json::Bool(true)) || binary.value.text() == Some("true");
        let role = match key.as_ref() {
            "sa" => Some([SpanKind::Client, SpanKind::Client]),
            "ca" => Some([SpanKind::Server, SpanKind::Server]),
            "ma" => Some([SpanKind::Producer, SpanKind::Consumer]),
            _ => None,
        };
        if let (Some(role), true) = (role, flag) {
            let at = sides.iter().position(|side| role.contains(&side.record.kind)).unwrap_or_default();
            sides[at].record.remote = endpoint;
            continue;
        }
        let lone = sides.len() == 1 && sides[0].record.local == Endpoint::default();
        if lone {
            sides[0].record.local = endpoint.clone();
        }
        if key == "lc" {
            continue;
        }
        let value = match binary.value {
            Json::Text(text) => text,
            Json::Null if strict => return Err(format!("the binary annotation {key:?} is null")),
            Json::Null => continue,
            other => Cow::Owned(other.to_value().to_string()),
        };
        side_of(&mut sides, &endpoint).tags.push((key, value));
    }
    let name = if let Json::Text(name) = span.name { name } else { Cow::Borrowed("") };
    let stated = (time_of(&span.timestamp), time_of(&span.duration));
    let with_client = sides[0].record.kind == SpanKind::Client;
    let both = sides.len() > 1;
    let mut records = Vec::with_capacity(sides.len());
    for (at, Side { mut record, begin, end }) in sides.into_iter().enumerate() {
        let server = record.kind == SpanKind::Server;
        record.shared = server && (both && with_client || stated.0.is_none());
        let owns = at == 0 && !record.shared;
        let spread = begin.zip(end).map(|(begin, end)| end.saturating_sub(begin)).filter(|length| *length > 0);
        (record.start, record.duration) = if owns && stated.0.is_some() {
            (stated.0, stated.1.or(spread))
        } else {
            (begin, spread.or(if at == 0 { stated.1 } else { None }))
        };
        record.start = record.start.or(end);
        records.push(Record { trace_id, id, parent, name: name.clone(), ..record });
    }
    Ok(records)
}

/// The side on `endpoint`, else the first.
fn side_of<'s, 'a>(sides: &'s mut [Side<'a>], endpoint: &Endpoint<'_>) -> &'s mut Record<'a> {
    let at = sides.iter().position(|side| side.record.local == *endpoint).unwrap_or_default();
    &mut sides[at].record
}
