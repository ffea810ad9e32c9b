//! Protobuf `zipkin.proto3.ListOfSpans`.

use super::super::assemble::Assembler;
use super::super::fault::{OpenError, Place};
use super::super::format::Format;
use super::super::protobuf::{Field, Fields};
use super::super::reading::Decoded;
use super::{Endpoint, Fact, Record, lay, shared};
use crate::model::{SpanId, SpanKind, TraceId};
use std::borrow::Cow;
use std::net::{Ipv4Addr, Ipv6Addr};

fn broken(byte: usize, reason: &str) -> OpenError {
    OpenError::Broken { format: Format::ZipkinV2, reason: reason.to_owned(), place: Place::at_byte(byte) }
}

/// True when the bytes begin as a `ListOfSpans` does: with a whole span.
pub(crate) fn is_protobuf(bytes: &[u8]) -> bool {
    matches!(Fields::of(bytes).next(), Some(Ok((1, Field::Bytes(span)))) if span_of(span).is_ok())
}

/// Reads a `ListOfSpans`; one bad span refuses all, as Zipkin does.
pub(super) fn decode(body: &[u8]) -> Result<Decoded, OpenError> {
    let (mut out, mut facts): (Assembler, Vec<Fact>) = Default::default();
    let mut list = Fields::of(body);
    let mut index = 0;
    loop {
        let at = list.offset();
        let Some(field) = list.next() else { break };
        let (number, field) = field.map_err(|byte| broken(byte, "it breaks off in the middle"))?;
        if let (1, Field::Bytes(span)) = (number, field) {
            let record = span_of(span).map_err(|reason| match broken(at, &reason) {
                OpenError::Broken { format, reason, place } => {
                    OpenError::Broken { format, reason, place: place.on(format!("spans[{index}]")) }
                }
                other => other,
            })?;
            lay(&mut out, &mut facts, &record);
            index += 1;
        }
    }
    let mut batch = out.finish();
    shared::resolve(&mut batch, &facts);
    Ok(Decoded { batch, ..Decoded::default() })
}

fn text<'a>(field: Field<'a>, what: &str) -> Result<Cow<'a, str>, String> {
    let bytes = field.bytes().ok_or_else(|| format!("{what} is not a text"))?;
    std::str::from_utf8(bytes).map(Cow::Borrowed).map_err(|_| format!("{what} is not UTF-8"))
}

fn fields<'a>(message: &'a [u8]) -> impl Iterator<Item = Result<(u32, Field<'a>), String>> {
    Fields::of(message).map(|field| field.map_err(|_| "a message in it is damaged".to_owned()))
}

fn micros(field: Field<'_>) -> Option<i64> {
    let micros = i64::try_from(field.number()?).unwrap_or(i64::MAX);
    (micros > 0).then(|| micros.saturating_mul(1_000))
}

fn id_of(field: Field<'_>, what: &str) -> Result<SpanId, String> {
    let bytes = field.bytes().and_then(|bytes| <[u8; 8]>::try_from(bytes).ok());
    bytes.map(SpanId).ok_or_else(|| format!("{what} must have 8 bytes"))
}

fn span_of(message: &[u8]) -> Result<Record<'_>, String> {
    let mut record = Record { kind: SpanKind::Internal, ..Record::default() };
    for field in fields(message) {
        let (number, field) = field?;
        match number {
            1 => {
                let bytes = field.bytes().filter(|bytes| bytes.len() == 8 || bytes.len() == 16);
                let bytes = bytes.ok_or("trace_id must have 8 or 16 bytes")?;
                let mut id = [0; 16];
                id[16 - bytes.len()..].copy_from_slice(bytes);
                record.trace_id = TraceId(id);
            }
            2 if field.bytes().is_some_and(<[u8]>::is_empty) => {}
            2 => record.parent = id_of(field, "parent_id")?.non_zero(),
            3 => record.id = id_of(field, "id")?,
            4 => {
                record.kind = match field.number() {
                    Some(0) => SpanKind::Internal,
                    Some(1) => SpanKind::Client,
                    Some(2) => SpanKind::Server,
                    Some(3) => SpanKind::Producer,
                    Some(4) => SpanKind::Consumer,
                    _ => return Err("kind is none of 0 to 4".to_owned()),
                }
            }
            5 => record.name = text(field, "name")?,
            6 => record.start = micros(field),
            7 => record.duration = micros(field),
            8 => record.local = endpoint_of(field)?,
            9 => record.remote = endpoint_of(field)?,
            10 => {
                let (mut time, mut value) = (None, Cow::Borrowed(""));
                for part in fields(field.bytes().unwrap_or_default()) {
                    match part? {
                        (1, stamp) => time = micros(stamp),
                        (2, field) => value = text(field, "annotation value")?,
                        _ => {}
                    }
                }
                record.annotations.extend(time.map(|time| (time, value)));
            }
            11 => {
                let (mut key, mut value) = (Cow::Borrowed(""), Cow::Borrowed(""));
                for part in fields(field.bytes().unwrap_or_default()) {
                    match part? {
                        (1, field) => key = text(field, "tag key")?,
                        (2, field) => value = text(field, "tag value")?,
                        _ => {}
                    }
                }
                record.tags.push((key, value));
            }
            13 => record.shared = field.number() == Some(1),
            _ => {}
        }
    }
    if !record.trace_id.is_valid() || !record.id.is_valid() {
        return Err(format!("{} is missing or all zeros", if record.id.is_valid() { "trace_id" } else { "id" }));
    }
    record.parent = record.parent.filter(|parent| *parent != record.id);
    Ok(record)
}

fn endpoint_of(field: Field<'_>) -> Result<Endpoint<'_>, String> {
    let mut endpoint = Endpoint::default();
    for part in fields(field.bytes().unwrap_or_default()) {
        match part? {
            (1, field) => endpoint.service = text(field, "service_name")?,
            (2, Field::Bytes(bytes)) => {
                if let Ok(bytes) = <[u8; 4]>::try_from(bytes) {
                    endpoint.address = Ipv4Addr::from(bytes).to_string().into();
                }
            }
            (3, Field::Bytes(bytes)) if endpoint.address.is_empty() => {
                if let Ok(bytes) = <[u8; 16]>::try_from(bytes) {
                    endpoint.address = Ipv6Addr::from(bytes).to_string().into();
                }
            }
            (4, field) => endpoint.port = field.number().and_then(|port| u16::try_from(port).ok()).unwrap_or_default(),
            _ => {}
        }
    }
    Ok(endpoint)
}
