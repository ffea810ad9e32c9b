//! Version 2 JSON: a list of spans, a list of lists (the query API), or spans one a line.

use super::super::fault::OpenError;
use super::super::json::{Entries, Json};
use super::super::reading::{Decoded, Reading};
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
    kind: Json<'a>,
    #[serde(borrow, default)]
    timestamp: Json<'a>,
    #[serde(borrow, default)]
    duration: Json<'a>,
    #[serde(borrow, default)]
    local_endpoint: Option<EndpointRecord<'a>>,
    #[serde(borrow, default)]
    remote_endpoint: Option<EndpointRecord<'a>>,
    #[serde(borrow, default)]
    annotations: super::super::json::List<AnnotationRecord<'a>>,
    #[serde(borrow, default)]
    tags: Entries<'a, Json<'a>>,
    #[serde(default)]
    shared: Option<bool>,
}

/// An endpoint of either version.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct EndpointRecord<'a> {
    #[serde(borrow, default)]
    service_name: Json<'a>,
    #[serde(borrow, default)]
    ipv4: Json<'a>,
    #[serde(borrow, default)]
    ipv6: Json<'a>,
    #[serde(borrow, default)]
    port: Json<'a>,
}

impl<'a> EndpointRecord<'a> {
    /// The endpoint, its texts taken out of the record.
    pub fn take(self) -> Endpoint<'a> {
        let text = |json| if let Json::Text(text) = json { text } else { Cow::Borrowed("") };
        let (ipv4, ipv6) = (text(self.ipv4), text(self.ipv6));
        Endpoint {
            service: text(self.service_name),
            address: if ipv4.is_empty() { ipv6 } else { ipv4 },
            port: self.port.uint().and_then(|port| u16::try_from(port).ok()).unwrap_or_default(),
        }
    }
}

#[derive(Deserialize)]
struct AnnotationRecord<'a> {
    #[serde(borrow, default)]
    timestamp: Json<'a>,
    #[serde(borrow, default)]
    value: Json<'a>,
}

/// Reads the whole text.
pub(super) fn read(mut reading: Reading<'_, '_>) -> Result<Decoded, OpenError> {
    let mut facts = Vec::new();
    reading.each_record(|reading, raw, path| {
        let Some(span) = reading.record::<SpanRecord<'_>>(raw, path)? else { return Ok(()) };
        match record_of(reading.is_strict(), span) {
            Ok(record) => lay(&mut reading.out, &mut facts, &record),
            Err(reason) => reading.reject(raw.get(), path(), reason)?,
        }
        Ok(())
    })?;
    let mut decoded = reading.finish();
    shared::resolve(&mut decoded.batch, &facts);
    Ok(decoded)
}

fn record_of(strict: bool, span: SpanRecord<'_>) -> Result<Record<'_>, String> {
    let (trace_id, id, parent) = ids_of(strict, &span.trace_id, &span.id, &span.parent_id)?;
    let kind = match &span.kind {
        Json::Null => SpanKind::Internal,
        Json::Text(word) => match word.as_ref() {
            "CLIENT" => SpanKind::Client,
            "SERVER" => SpanKind::Server,
            "PRODUCER" => SpanKind::Producer,
            "CONSUMER" => SpanKind::Consumer,
            other => return Err(format!("kind {other:?} is none of CLIENT, SERVER, PRODUCER and CONSUMER")),
        },
        _ => return Err("kind is not a text".to_owned()),
    };
    let mut tags = Vec::with_capacity(span.tags.0.len());
    for (key, value) in span.tags.0 {
        let value = match value {
            Json::Text(text) => text,
            Json::Null if strict => return Err(format!("the tag {key:?} is null")),
            Json::Null => continue,
            other => Cow::Owned(other.to_value().to_string()),
        };
        tags.push((key, value));
    }
    let mut annotations = Vec::with_capacity(span.annotations.0.len());
    for annotation in span.annotations.0 {
        let (Some(time), Json::Text(text)) = (time_of(&annotation.timestamp), annotation.value) else { continue };
        annotations.push((time, text));
    }
    Ok(Record {
        trace_id,
        id,
        parent,
        name: if let Json::Text(name) = span.name { name } else { Cow::Borrowed("") },
        kind,
        start: time_of(&span.timestamp),
        duration: time_of(&span.duration),
        local: span.local_endpoint.map(EndpointRecord::take).unwrap_or_default(),
        remote: span.remote_endpoint.map(EndpointRecord::take).unwrap_or_default(),
        shared: span.shared.unwrap_or_default(),
        annotations,
        tags,
    })
}
