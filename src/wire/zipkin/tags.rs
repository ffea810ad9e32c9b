//! What OpenTelemetry's Zipkin exporters put into tags and annotations because Zipkin has no field for it.

use super::super::assemble::Assembler;
use super::super::ids;
use super::super::jaeger::{DROPPED, status_word};
use super::super::json::{Json, to_json};
use crate::model::{EventRef, LinkRef, StatusCode};

/// Tags `otlp.link.0`, `otlp.link.1` and so on hold links.
pub(crate) const LINK_TAG: &str = "otlp.link.";

/// What the tags say that the model has fields for.
#[derive(Default)]
pub(super) struct Said<'a> {
    pub error: bool,
    pub status: Option<StatusCode>,
    pub message: &'a str,
    pub trace_state: &'a str,
    pub scope: [&'a str; 2],
    pub dropped: [u32; 3],
}

impl<'a> Said<'a> {
    /// True when the tag became a field or a link and is no attribute any more.
    pub fn takes(&mut self, out: &mut Assembler, key: &str, value: &'a str) -> bool {
        match key {
            "error" => {
                self.error = true;
                if !value.is_empty() && value != "true" {
                    self.message = value;
                }
            }
            "otel.status_code" => match status_word(value) {
                Some(status) => {
                    self.status = Some(status);
                    self.error |= status == StatusCode::Error;
                }
                None => return false,
            },
            "otel.status_description" => self.message = value,
            "w3c.tracestate" => self.trace_state = value,
            "otel.scope.name" => self.scope[0] = value,
            "otel.scope.version" => self.scope[1] = value,
            // The old names come beside the new ones.
            "otel.library.name" if self.scope[0].is_empty() => self.scope[0] = value,
            "otel.library.version" if self.scope[1].is_empty() => self.scope[1] = value,
            "otel.library.name" | "otel.library.version" => {}
            _ => {
                let count = value.parse().ok();
                if let (Some(at), Some(count)) = (DROPPED.iter().position(|name| *name == key), count) {
                    self.dropped[at] = count;
                    return true;
                }
                return key.starts_with(LINK_TAG) && link(out, value).is_some();
            }
        }
        true
    }
}

/// `trace|span|state|{json}|dropped`.
fn link(out: &mut Assembler, text: &str) -> Option<()> {
    let mut head = text.splitn(4, '|');
    let (trace, span, state, rest) = (head.next()?, head.next()?, head.next()?, head.next()?);
    let (json, dropped) = rest.rsplit_once('|')?;
    let (trace, span) = (ids::any_trace(trace)?, ids::any_span(span)?);
    let Ok(Json::Map(attributes)) = serde_json::from_str::<Json<'_>>(json) else { return None };
    out.link(trace, span, state, 0, dropped.parse().ok()?);
    for (key, value) in &attributes {
        out.link_value(key, &value.to_value());
    }
    Some(())
}

/// An annotation as an event: `"name": {json}` of the specification, `name|{json}|dropped` of the collector, or the name.
pub(super) fn event(out: &mut Assembler, time: i64, text: &str) {
    if text.starts_with('"') {
        let mut stream = serde_json::Deserializer::from_str(text).into_iter::<Json<'_>>();
        let name = stream.next().and_then(Result::ok);
        let rest = text.get(stream.byte_offset()..).and_then(|rest| rest.trim_start().strip_prefix(':'));
        if let (Some(Json::Text(name)), Some(rest)) = (name, rest)
            && let Ok(Json::Map(attributes)) = serde_json::from_str::<Json<'_>>(rest)
        {
            return event_of(out, time, &name, &attributes, 0);
        }
    } else if let Some((name, rest)) = text.split_once("|{")
        && let Some((json, dropped)) = rest.rsplit_once('|')
        && let (Ok(Json::Map(attributes)), Ok(dropped)) =
            (serde_json::from_str::<Json<'_>>(&format!("{{{json}")), dropped.parse())
    {
        return event_of(out, time, name, &attributes, dropped);
    }
    out.event(time, text);
}

fn event_of(out: &mut Assembler, time: i64, name: &str, attributes: &[(std::borrow::Cow<'_, str>, Json<'_>)], dropped: u32) {
    out.event(time, name);
    out.event_dropped(dropped);
    for (key, value) in attributes {
        out.event_attr(key, value);
    }
}

/// An event as an annotation that [`event`] reads back.
pub(crate) fn event_text(event: &EventRef<'_>) -> String {
    let attributes = to_json(&crate::model::Value::Map(event.attrs().to_attributes().0.into()));
    let name = event.name();
    match event.row.dropped_attributes {
        0 if event.attrs().is_empty() && !name.starts_with('"') && !name.contains("|{") => name.to_owned(),
        dropped if dropped > 0 && !name.starts_with('"') && !name.contains("|{") => {
            format!("{name}|{attributes}|{dropped}")
        }
        _ => format!("{}: {attributes}", serde_json::Value::from(name)),
    }
}

/// A link as the value of a [`LINK_TAG`] tag.
pub(crate) fn link_text(link: &LinkRef<'_>) -> String {
    let attributes = to_json(&crate::model::Value::Map(link.attrs().to_attributes().0.into()));
    let state = link.trace_state().replace('|', "%7C");
    format!("{}|{}|{state}|{attributes}|{}", link.row.trace_id, link.row.span_id, link.row.dropped_attributes)
}
