//! Spans as OTLP/JSON: hexadecimal ids, 64-bit integers as strings, enums as numbers, what is unset left out.

use super::super::encode::{grouped, same_resource};
use crate::model::batch::{IN_FLIGHT, SpanRef};
use crate::model::{AttrsRef, SpanBatch, Value, ValueRef};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::fmt::Write as _;

/// A batch as the JSON form of an `ExportTraceServiceRequest`, on one line.
pub fn encode_traces(batch: &SpanBatch) -> String {
    encode_spans(batch.iter())
}

/// Spans out of any batches as the JSON form of an `ExportTraceServiceRequest`, on one line.
pub fn encode_spans<'a>(spans: impl IntoIterator<Item = SpanRef<'a>>) -> String {
    let spans = grouped(spans);
    let mut out = Out { text: String::with_capacity(spans.len() * 900) };
    out.text.push_str("{\"resourceSpans\":[");
    for (index, of_resource) in spans.chunk_by(same_resource).enumerate() {
        out.comma(index);
        let resource = of_resource[0].resource();
        out.text.push_str("{\"resource\":{");
        out.attrs("attributes", resource.attrs());
        out.number("droppedAttributesCount", resource.row.dropped_attributes);
        out.close('}');
        out.text.push_str(",\"scopeSpans\":[");
        for (index, of_scope) in of_resource.chunk_by(|a, b| a.row.scope == b.row.scope).enumerate() {
            out.comma(index);
            let scope = of_scope[0].scope();
            out.text.push_str("{\"scope\":{");
            out.text_field("name", scope.name());
            out.text_field("version", scope.version());
            out.attrs("attributes", scope.attrs());
            out.number("droppedAttributesCount", scope.row.dropped_attributes);
            out.close('}');
            out.text.push_str(",\"spans\":[");
            for (index, span) in of_scope.iter().enumerate() {
                out.comma(index);
                out.span(span);
            }
            out.text.push_str("],");
            out.text_field("schemaUrl", scope.batch.strings.get(scope.row.schema_url));
            out.close('}');
        }
        out.text.push_str("],");
        out.text_field("schemaUrl", resource.batch.strings.get(resource.row.schema_url));
        out.close('}');
    }
    out.text.push_str("]}");
    out.text
}

/// JSON text; members end in a comma that [`Out::close`] takes away.
struct Out {
    text: String,
}

impl Out {
    fn comma(&mut self, index: usize) {
        if index > 0 {
            self.text.push(',');
        }
    }

    fn close(&mut self, bracket: char) {
        if self.text.ends_with(',') {
            self.text.pop();
        }
        self.text.push(bracket);
    }

    fn put(&mut self, arguments: std::fmt::Arguments<'_>) {
        self.text.write_fmt(arguments).unwrap_or_default();
    }

    fn string(&mut self, text: &str) {
        self.text.push('"');
        let mut rest = text;
        while let Some(at) = rest.find(|c: char| c < ' ' || c == '"' || c == '\\') {
            self.text.push_str(&rest[..at]);
            match rest.as_bytes()[at] {
                b'"' => self.text.push_str("\\\""),
                b'\\' => self.text.push_str("\\\\"),
                b'\n' => self.text.push_str("\\n"),
                b'\t' => self.text.push_str("\\t"),
                b'\r' => self.text.push_str("\\r"),
                control => self.put(format_args!("\\u{control:04x}")),
            }
            rest = &rest[at + 1..];
        }
        self.text.push_str(rest);
        self.text.push('"');
    }

    fn text_field(&mut self, name: &str, text: &str) {
        if !text.is_empty() {
            self.put(format_args!("\"{name}\":"));
            self.string(text);
            self.text.push(',');
        }
    }

    fn number(&mut self, name: &str, number: u32) {
        if number != 0 {
            self.put(format_args!("\"{name}\":{number},"));
        }
    }

    fn attrs(&mut self, name: &str, attrs: AttrsRef<'_>) {
        if attrs.is_empty() {
            return;
        }
        self.put(format_args!("\"{name}\":["));
        for (index, (key, value)) in attrs.iter().enumerate() {
            self.comma(index);
            self.text.push_str("{\"key\":");
            self.string(key);
            self.text.push_str(",\"value\":");
            match value {
                ValueRef::Str(text) => {
                    self.text.push_str("{\"stringValue\":");
                    self.string(text);
                    self.text.push('}');
                }
                other => self.value(&other.to_value()),
            }
            self.text.push('}');
        }
        self.text.push_str("],");
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::Empty => self.text.push_str("{}"),
            Value::Str(text) => {
                self.text.push_str("{\"stringValue\":");
                self.string(text);
                self.text.push('}');
            }
            Value::Bool(value) => self.put(format_args!("{{\"boolValue\":{value}}}")),
            Value::Int(value) => self.put(format_args!("{{\"intValue\":\"{value}\"}}")),
            Value::Double(value) if value.is_nan() => self.text.push_str("{\"doubleValue\":\"NaN\"}"),
            Value::Double(value) if value.is_infinite() => {
                let sign = if *value < 0.0 { "-" } else { "" };
                self.put(format_args!("{{\"doubleValue\":\"{sign}Infinity\"}}"));
            }
            Value::Double(value) => self.put(format_args!("{{\"doubleValue\":{value:?}}}")),
            Value::Bytes(bytes) => {
                let encoded = STANDARD.encode(bytes);
                self.put(format_args!("{{\"bytesValue\":\"{encoded}\"}}"));
            }
            Value::Array(values) => {
                self.text.push_str("{\"arrayValue\":{\"values\":[");
                for (index, value) in values.iter().enumerate() {
                    self.comma(index);
                    self.value(value);
                }
                self.text.push_str("]}}");
            }
            Value::Map(entries) => {
                self.text.push_str("{\"kvlistValue\":{\"values\":[");
                for (index, (key, value)) in entries.iter().enumerate() {
                    self.comma(index);
                    self.text.push_str("{\"key\":");
                    self.string(key);
                    self.text.push_str(",\"value\":");
                    self.value(value);
                    self.text.push('}');
                }
                self.text.push_str("]}}");
            }
        }
    }

    fn span(&mut self, span: &SpanRef<'_>) {
        let row = span.row;
        self.put(format_args!("{{\"traceId\":\"{}\",\"spanId\":\"{}\",", row.trace_id, row.span_id));
        self.text_field("traceState", span.trace_state());
        if row.parent.is_valid() {
            self.put(format_args!("\"parentSpanId\":\"{}\",", row.parent));
        }
        self.number("flags", row.flags);
        self.text_field("name", span.name());
        self.number("kind", u32::from(row.kind));
        self.put(format_args!("\"startTimeUnixNano\":\"{}\",", row.start.max(0) as u64));
        if row.end != IN_FLIGHT {
            self.put(format_args!("\"endTimeUnixNano\":\"{}\",", row.end.max(0) as u64));
        }
        self.attrs("attributes", span.attrs());
        self.number("droppedAttributesCount", row.dropped_attributes);
        if row.events.len > 0 {
            self.text.push_str("\"events\":[");
            for (index, event) in span.events().enumerate() {
                self.comma(index);
                self.put(format_args!("{{\"timeUnixNano\":\"{}\",", event.row.time.max(0) as u64));
                self.text_field("name", event.name());
                self.attrs("attributes", event.attrs());
                self.number("droppedAttributesCount", event.row.dropped_attributes);
                self.close('}');
            }
            self.text.push_str("],");
        }
        self.number("droppedEventsCount", row.dropped_events);
        if row.links.len > 0 {
            self.text.push_str("\"links\":[");
            for (index, link) in span.links().enumerate() {
                self.comma(index);
                self.put(format_args!("{{\"traceId\":\"{}\",\"spanId\":\"{}\",", link.row.trace_id, link.row.span_id));
                self.text_field("traceState", link.trace_state());
                self.attrs("attributes", link.attrs());
                self.number("droppedAttributesCount", link.row.dropped_attributes);
                self.number("flags", link.row.flags);
                self.close('}');
            }
            self.text.push_str("],");
        }
        self.number("droppedLinksCount", row.dropped_links);
        self.text.push_str("\"status\":{");
        self.text_field("message", span.status_message());
        self.number("code", u32::from(row.status));
        self.close('}');
        self.close('}');
    }
}
