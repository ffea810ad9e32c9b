//! Spans as an `ExportTraceServiceRequest`, for export, for forwarding and for the Jaeger v3 API.

use super::pb::Writer;
use crate::model::batch::{IN_FLIGHT, ResourceRef, ScopeRef, SpanRef};
use crate::model::{AttrsRef, SpanBatch, Value, ValueRef};
use std::collections::HashMap;

/// A batch as protobuf. Spans keep their order within their resource and scope.
pub fn encode_traces(batch: &SpanBatch) -> Vec<u8> {
    encode_spans(batch.iter())
}

/// Spans out of any batches as protobuf.
pub fn encode_spans<'a>(spans: impl IntoIterator<Item = SpanRef<'a>>) -> Vec<u8> {
    let spans = grouped(spans);
    let mut writer = Writer(Vec::with_capacity(spans.len() * 400));
    for of_resource in spans.chunk_by(same_resource) {
        writer.message(1, |writer| {
            let resource = of_resource[0].resource();
            write_resource(writer, &resource);
            for of_scope in of_resource.chunk_by(|a, b| a.row.scope == b.row.scope) {
                writer.message(2, |writer| {
                    let scope = of_scope[0].scope();
                    write_scope(writer, &scope);
                    for span in of_scope {
                        writer.message(2, |writer| write_span(writer, span));
                    }
                    writer.text(3, scope.batch.strings.get(scope.row.schema_url));
                });
            }
            writer.text(3, resource.batch.strings.get(resource.row.schema_url));
        });
    }
    writer.0
}

fn resource_key(span: &SpanRef<'_>) -> (usize, u32) {
    (std::ptr::from_ref(span.batch) as usize, span.row.resource)
}

/// Spans with those of a resource together, and those of a scope together in it; groups in the order they first appear.
pub(super) fn grouped<'a>(spans: impl IntoIterator<Item = SpanRef<'a>>) -> Vec<SpanRef<'a>> {
    let mut order: HashMap<(usize, u32), usize> = HashMap::new();
    let mut last = None;
    let mut spans: Vec<(usize, SpanRef<'a>)> = spans
        .into_iter()
        .map(|span| {
            let key = resource_key(&span);
            let group = match last {
                Some((known, group)) if known == key => group,
                _ => {
                    let next = order.len();
                    *order.entry(key).or_insert(next)
                }
            };
            last = Some((key, group));
            (group, span)
        })
        .collect();
    spans.sort_by_key(|(group, span)| (*group, span.row.scope));
    spans.into_iter().map(|(_, span)| span).collect()
}

pub(super) fn same_resource(a: &SpanRef<'_>, b: &SpanRef<'_>) -> bool {
    resource_key(a) == resource_key(b)
}

fn write_resource(writer: &mut Writer, resource: &ResourceRef<'_>) {
    writer.message(1, |writer| {
        write_attrs(writer, 1, resource.attrs());
        writer.varint(2, u64::from(resource.row.dropped_attributes));
    });
}

fn write_scope(writer: &mut Writer, scope: &ScopeRef<'_>) {
    writer.message(1, |writer| {
        writer.text(1, scope.name());
        writer.text(2, scope.version());
        write_attrs(writer, 3, scope.attrs());
        writer.varint(4, u64::from(scope.row.dropped_attributes));
    });
}

fn write_span(writer: &mut Writer, span: &SpanRef<'_>) {
    let row = span.row;
    writer.bytes(1, &row.trace_id.0);
    writer.bytes(2, &row.span_id.0);
    writer.text(3, span.trace_state());
    if row.parent.is_valid() {
        writer.bytes(4, &row.parent.0);
    }
    writer.text(5, span.name());
    writer.varint(6, u64::from(row.kind));
    writer.fixed64(7, row.start.max(0) as u64);
    writer.fixed64(8, if row.end == IN_FLIGHT { 0 } else { row.end.max(0) as u64 });
    write_attrs(writer, 9, span.attrs());
    writer.varint(10, u64::from(row.dropped_attributes));
    for event in span.events() {
        writer.message(11, |writer| {
            writer.fixed64(1, event.row.time.max(0) as u64);
            writer.text(2, event.name());
            write_attrs(writer, 3, event.attrs());
            writer.varint(4, u64::from(event.row.dropped_attributes));
        });
    }
    writer.varint(12, u64::from(row.dropped_events));
    for link in span.links() {
        writer.message(13, |writer| {
            writer.bytes(1, &link.row.trace_id.0);
            writer.bytes(2, &link.row.span_id.0);
            writer.text(3, link.trace_state());
            write_attrs(writer, 4, link.attrs());
            writer.varint(5, u64::from(link.row.dropped_attributes));
            writer.fixed32(6, link.row.flags);
        });
    }
    writer.varint(14, u64::from(row.dropped_links));
    if row.status != 0 || row.status_message != 0 {
        writer.message(15, |writer| {
            writer.text(2, span.status_message());
            writer.varint(3, u64::from(row.status));
        });
    }
    writer.fixed32(16, row.flags);
}

fn write_attrs(writer: &mut Writer, number: u32, attrs: AttrsRef<'_>) {
    for (key, value) in attrs.iter() {
        writer.message(number, |writer| {
            writer.text(1, key);
            writer.message(2, |writer| match value {
                ValueRef::Empty => {}
                ValueRef::Str(text) => writer.bytes(1, text.as_bytes()),
                ValueRef::Bool(value) => write_bool(writer, value),
                ValueRef::Int(value) => write_int(writer, value),
                ValueRef::Double(value) => writer.fixed64(4, value.to_bits()),
                ValueRef::Bytes(bytes) => writer.bytes(7, bytes),
                ValueRef::Nested(_) => write_value(writer, &value.to_value()),
            });
        });
    }
}

fn write_bool(writer: &mut Writer, value: bool) {
    writer.tag(2, 0);
    writer.raw_varint(u64::from(value));
}

fn write_int(writer: &mut Writer, value: i64) {
    writer.tag(3, 0);
    writer.raw_varint(value as u64);
}

/// The members of an `AnyValue`.
pub(super) fn write_value(writer: &mut Writer, value: &Value) {
    match value {
        Value::Empty => {}
        Value::Str(text) => writer.bytes(1, text.as_bytes()),
        Value::Bool(value) => write_bool(writer, *value),
        Value::Int(value) => write_int(writer, *value),
        Value::Double(value) => writer.fixed64(4, value.to_bits()),
        Value::Bytes(bytes) => writer.bytes(7, bytes),
        Value::Array(values) => writer.message(5, |writer| {
            for value in values.iter() {
                writer.message(1, |writer| write_value(writer, value));
            }
        }),
        Value::Map(entries) => writer.message(6, |writer| {
            for (key, value) in entries.iter() {
                writer.message(1, |writer| write_entry(writer, key, value));
            }
        }),
    }
}

/// The members of a `KeyValue`.
pub(super) fn write_entry(writer: &mut Writer, key: &str, value: &Value) {
    writer.text(1, key);
    writer.message(2, |writer| write_value(writer, value));
}

/// An `Export*ServiceResponse`, the same for all signals: empty when nothing was rejected and nothing is to be said.
pub fn encode_partial_success(rejected: u64, message: &str) -> Vec<u8> {
    let mut writer = Writer::default();
    if rejected > 0 || !message.is_empty() {
        writer.message(1, |writer| {
            writer.varint(1, rejected);
            writer.text(2, message);
        });
    }
    writer.0
}
