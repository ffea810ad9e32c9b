//! The Go SDK's `stdouttrace` exporter, which Docker and BuildKit also use: one object a span, pretty-printed one behind
//! the other without commas, or in a list. The names are Go's (`SpanContext.TraceID`), a parent of zeros is none, an end in
//! the year 1 is a span in flight. Kinds have the numbers of OTLP.

use super::assemble::Head;
use super::fault::OpenError;
use super::format::Format;
use super::json::{Json, List};
use super::reading::{Decoded, Reading, Watch, utf8};
use crate::model::{Attributes, SpanId, SpanKind, StatusCode, TraceId, UnixNanos, Value};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::HashMap;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SpanRecord<'a> {
    #[serde(borrow, default)]
    name: Json<'a>,
    #[serde(borrow, default)]
    span_context: ContextRecord<'a>,
    #[serde(borrow, default)]
    parent: ContextRecord<'a>,
    #[serde(borrow, default)]
    span_kind: Json<'a>,
    #[serde(borrow, default)]
    start_time: Json<'a>,
    #[serde(borrow, default)]
    end_time: Json<'a>,
    #[serde(borrow, default)]
    attributes: List<AttributeRecord<'a>>,
    #[serde(borrow, default)]
    events: List<EventRecord<'a>>,
    #[serde(borrow, default)]
    links: List<LinkRecord<'a>>,
    #[serde(borrow, default)]
    status: StatusRecord<'a>,
    #[serde(borrow, default)]
    dropped_attributes: Json<'a>,
    #[serde(borrow, default)]
    dropped_events: Json<'a>,
    #[serde(borrow, default)]
    dropped_links: Json<'a>,
    #[serde(borrow, default)]
    resource: Option<&'a RawValue>,
    #[serde(borrow, default, alias = "InstrumentationLibrary")]
    instrumentation_scope: ScopeRecord<'a>,
}

#[derive(Deserialize, Default)]
struct ContextRecord<'a> {
    #[serde(borrow, default, rename = "TraceID")]
    trace_id: Json<'a>,
    #[serde(borrow, default, rename = "SpanID")]
    span_id: Json<'a>,
    #[serde(borrow, default, rename = "TraceFlags")]
    flags: Json<'a>,
    #[serde(borrow, default, rename = "TraceState")]
    state: Json<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AttributeRecord<'a> {
    #[serde(borrow, default)]
    key: Json<'a>,
    #[serde(borrow, default)]
    value: ValueRecord<'a>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase")]
struct ValueRecord<'a> {
    #[serde(borrow, default)]
    r#type: Json<'a>,
    #[serde(borrow, default)]
    value: Json<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct EventRecord<'a> {
    #[serde(borrow, default)]
    name: Json<'a>,
    #[serde(borrow, default)]
    time: Json<'a>,
    #[serde(borrow, default)]
    attributes: List<AttributeRecord<'a>>,
    #[serde(borrow, default)]
    dropped_attribute_count: Json<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct LinkRecord<'a> {
    #[serde(borrow, default)]
    span_context: ContextRecord<'a>,
    #[serde(borrow, default)]
    attributes: List<AttributeRecord<'a>>,
    #[serde(borrow, default)]
    dropped_attribute_count: Json<'a>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase")]
struct StatusRecord<'a> {
    #[serde(borrow, default)]
    code: Json<'a>,
    #[serde(borrow, default)]
    description: Json<'a>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase")]
struct ScopeRecord<'a> {
    #[serde(borrow, default)]
    name: Json<'a>,
    #[serde(borrow, default)]
    version: Json<'a>,
}

impl AttributeRecord<'_> {
    fn key(&self) -> &str {
        self.key.text().unwrap_or_default()
    }

    /// The value by its Go type: a float without a fraction is written like an integer.
    fn value(&self) -> Value {
        let ValueRecord { r#type, value } = &self.value;
        match (r#type.text().unwrap_or_default(), value) {
            ("FLOAT64", json) => json.float().map_or_else(|| json.to_value(), Value::Double),
            ("INT64", json) => json.int().map_or_else(|| json.to_value(), Value::Int),
            ("FLOAT64SLICE", Json::List(items)) => {
                Value::Array(items.iter().map(|item| item.float().map_or_else(|| item.to_value(), Value::Double)).collect())
            }
            (_, json) => json.to_value(),
        }
    }
}

fn count(json: &Json<'_>) -> u32 {
    json.uint().map_or(0, |count| u32::try_from(count).unwrap_or(u32::MAX))
}

fn time(json: &Json<'_>) -> Option<i64> {
    json.text().and_then(UnixNanos::parse_rfc3339).map(|time| time.0)
}

impl ContextRecord<'_> {
    fn ids(&self) -> Option<(TraceId, SpanId)> {
        let trace: TraceId = self.trace_id.text()?.parse().ok()?;
        let span: SpanId = self.span_id.text()?.parse().ok()?;
        (trace.is_valid() && span.is_valid()).then_some((trace, span))
    }

    /// Two hexadecimal digits.
    fn flags(&self) -> u32 {
        self.flags.text().and_then(|text| u8::from_str_radix(text, 16).ok()).unwrap_or_default().into()
    }
}

/// Reads the output of `stdouttrace`.
pub(crate) fn read(bytes: &[u8], watch: &mut Watch<'_>) -> Result<Decoded, OpenError> {
    let text = utf8(Format::GoStdouttrace, bytes)?;
    let mut reading = Reading::of_file(Format::GoStdouttrace, text, watch);
    // The resource stands in every span, word for word the same.
    let mut resources: HashMap<&str, u32> = HashMap::new();
    reading.each_record(|reading, raw, path| {
        let Some(span) = reading.record::<SpanRecord<'_>>(raw, path)? else { return Ok(()) };
        let resource = match span.resource {
            None => reading.out.service(""),
            Some(raw) => match resources.get(raw.get()) {
                Some(known) => *known,
                None => {
                    let Some(List(attributes)) = reading.record::<List<AttributeRecord<'_>>>(raw, path)? else {
                        return Ok(());
                    };
                    let attributes: Attributes = attributes.iter().map(|record| (record.key(), record.value())).collect();
                    let number = reading.out.resource(&attributes);
                    resources.insert(raw.get(), number);
                    number
                }
            },
        };
        match lay(reading, &span, resource) {
            Ok(()) => Ok(()),
            Err(reason) => reading.reject(raw.get(), path(), reason),
        }
    })?;
    Ok(reading.finish())
}

fn lay(reading: &mut Reading<'_, '_>, span: &SpanRecord<'_>, resource: u32) -> Result<(), String> {
    let (trace_id, span_id) = span.span_context.ids().ok_or("SpanContext has no valid TraceID and SpanID")?;
    let start = time(&span.start_time).ok_or("StartTime is not a time of RFC 3339")?;
    let out = &mut reading.out;
    for attribute in &span.attributes.0 {
        out.value(attribute.key(), &attribute.value());
    }
    for event in &span.events.0 {
        out.event(time(&event.time).unwrap_or(start), event.name.text().unwrap_or_default());
        out.event_dropped(count(&event.dropped_attribute_count));
        for attribute in &event.attributes.0 {
            out.event_value(attribute.key(), &attribute.value());
        }
    }
    for link in &span.links.0 {
        let context = &link.span_context;
        let (trace, linked) = context.ids().unwrap_or_default();
        let state = context.state.text().unwrap_or_default();
        out.link(trace, linked, state, context.flags(), count(&link.dropped_attribute_count));
        for attribute in &link.attributes.0 {
            out.link_value(attribute.key(), &attribute.value());
        }
    }
    let scope = &span.instrumentation_scope;
    let scope = out.scope(scope.name.text().unwrap_or_default(), scope.version.text().unwrap_or_default());
    let code = span.status.code.text().unwrap_or_default();
    out.span(&Head {
        trace_id,
        span_id,
        parent: span.parent.span_id.text().and_then(|text| text.parse().ok()).and_then(SpanId::non_zero),
        name: span.name.text().unwrap_or_default(),
        kind: SpanKind::from_number(span.span_kind.uint().unwrap_or_default()),
        start,
        // Go's zero time lies in the year 1, far outside what nanoseconds can say.
        end: time(&span.end_time),
        status: super::jaeger::status_word(code).unwrap_or(StatusCode::Unset),
        message: span.status.description.text().unwrap_or_default(),
        trace_state: span.span_context.state.text().unwrap_or_default(),
        flags: span.span_context.flags(),
        resource,
        scope,
        dropped: [count(&span.dropped_attributes), count(&span.dropped_events), count(&span.dropped_links)],
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPAN: &str = r#"{
	"Name": "docker build",
	"SpanContext": {"TraceID": "4bf92f3577b34da6a3ce929d0e0e4736", "SpanID": "00f067aa0ba902b7", "TraceFlags": "01", "TraceState": "a=b", "Remote": false},
	"Parent": {"TraceID": "00000000000000000000000000000000", "SpanID": "0000000000000000", "TraceFlags": "00", "TraceState": "", "Remote": false},
	"SpanKind": 1,
	"StartTime": "2026-03-02T10:00:00.123456789+01:00",
	"EndTime": "2026-03-02T10:00:01+01:00",
	"Attributes": [{"Key": "layers", "Value": {"Type": "INT64", "Value": 7}}, {"Key": "share", "Value": {"Type": "FLOAT64", "Value": 1}},
		{"Key": "tags", "Value": {"Type": "STRINGSLICE", "Value": ["a", "b"]}}],
	"Events": [{"Name": "pulled", "Attributes": null, "DroppedAttributeCount": 2, "Time": "2026-03-02T10:00:00.5+01:00"}],
	"Links": [{"SpanContext": {"TraceID": "11111111111111111111111111111111", "SpanID": "2222222222222222", "TraceFlags": "01"}, "Attributes": [], "DroppedAttributeCount": 0}],
	"Status": {"Code": "Error", "Description": "no space"},
	"DroppedAttributes": 1, "DroppedEvents": 0, "DroppedLinks": 0, "ChildSpanCount": 0,
	"Resource": [{"Key": "service.name", "Value": {"Type": "STRING", "Value": "buildx"}}],
	"InstrumentationLibrary": {"Name": "github.com/docker/buildx", "Version": "0.12", "SchemaURL": ""}
}
"#;

    #[test]
    fn spans_one_behind_the_other_read_like_a_list() {
        let in_flight = SPAN.replace("2026-03-02T10:00:01+01:00", "0001-01-01T00:00:00Z");
        let text = format!("{SPAN}{in_flight}");
        let decoded = read(text.as_bytes(), &mut |_| true).unwrap();
        assert_eq!((decoded.batch.len(), decoded.rejected, decoded.batch.resources.len()), (2, 0, 1));
        let spans = decoded.batch.to_spans();
        let span = &spans[0];
        assert_eq!((span.name.as_str(), span.parent, span.kind), ("docker build", None, SpanKind::Internal));
        assert_eq!(span.start.to_rfc3339(), "2026-03-02T09:00:00.123456789Z");
        assert_eq!((span.end.map(|end| end.to_rfc3339()), spans[1].end), (Some("2026-03-02T09:00:01.000000000Z".into()), None));
        assert_eq!(span.attributes.get("layers"), Some(&Value::Int(7)));
        assert_eq!(span.attributes.get("share"), Some(&Value::Double(1.0)));
        assert_eq!(span.attributes.get("tags").map(ToString::to_string).as_deref(), Some("[\"a\", \"b\"]"));
        assert_eq!((span.events[0].name.as_str(), span.events[0].dropped_attributes), ("pulled", 2));
        assert_eq!((span.links[0].span_id, span.links[0].flags), (SpanId([0x22; 8]), 1));
        assert_eq!((span.status.code, span.status.message.as_str()), (StatusCode::Error, "no space"));
        assert_eq!((span.resource.service_name(), span.scope.version.as_str()), ("buildx", "0.12"));
        assert_eq!((span.flags, span.trace_state.as_str(), span.dropped_attributes), (1, "a=b", 1));
        let list = read(format!("[{SPAN},{in_flight}]").as_bytes(), &mut |_| true).unwrap();
        assert_eq!(list.batch, decoded.batch);
    }

    #[test]
    fn a_span_without_ids_is_rejected_with_its_line() {
        let text = format!("{SPAN}{}", SPAN.replace("00f067aa0ba902b7", "0000000000000000"));
        let decoded = read(text.as_bytes(), &mut |_| true).unwrap();
        assert_eq!((decoded.batch.len(), decoded.rejected), (1, 1));
        assert_eq!(decoded.problems[0].place.line, Some(17));
    }
}
