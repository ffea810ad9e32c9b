//! Datadog: what tracers send their agent (msgpack and JSON, versions 0.3, 0.4, 0.5 and 0.7) and what the trace view
//! downloads; for files and for the door on 8126.
//!
//! The mapping follows `reference/doors.md` section 3. Ids are decimal and unsigned and never pass through a float; the
//! high half of a 128-bit trace id stands in `_dd.p.tid` of the chunk's first span and holds for every span of that low
//! half. The resource ("GET /cart") is the span's name, because that is what people look for; Datadog's operation name is
//! kept as `operation.name`, its type as `span.type`. `service`, `env` and `version` become the resource.

mod file;
mod msgpack;
mod request;

pub(crate) use file::read;
pub use request::{Version, decode};

use super::assemble::{Assembler, Head};
use super::json::Json;
use crate::model::{Attributes, SpanId, SpanKind, StatusCode, TraceId, Value};
use serde::Deserialize;
use std::borrow::Cow;
use std::collections::HashMap;

/// High halves of trace ids by their low halves. The door keeps one between requests, because only the first span of a
/// chunk tells it.
#[derive(Default, Clone, Debug)]
pub struct HighHalves(HashMap<u64, u64>);

/// Low halves remembered; beyond it the memory begins anew.
const REMEMBERED: usize = 1 << 16;

impl HighHalves {
    fn learn(&mut self, low: u64, tags: &Pairs<'_>) {
        let told = tags.text("_dd.p.tid").filter(|text| text.len() == 16);
        if let Some(high) = told.and_then(|text| u64::from_str_radix(text, 16).ok()) {
            if self.0.len() >= REMEMBERED {
                self.0.clear();
            }
            self.0.insert(low, high);
        }
    }

    fn of(&self, low: u64) -> TraceId {
        TraceId::from_halves(self.0.get(&low).copied().unwrap_or_default(), low)
    }
}

/// Keyed values in order.
#[derive(Default, Debug)]
pub(crate) struct Pairs<'a>(Vec<(Cow<'a, str>, Json<'a>)>);

impl Pairs<'_> {
    fn get(&self, key: &str) -> Option<&Json<'_>> {
        self.0.iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    fn text(&self, key: &str) -> Option<&str> {
        self.get(key).and_then(Json::text)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Pairs<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        super::json::Entries::deserialize(from).map(|entries| Self(entries.0))
    }
}

/// One span as any of the encodings gives it.
#[derive(Deserialize, Default, Debug)]
pub(crate) struct SpanRecord<'a> {
    #[serde(borrow, default)]
    service: Json<'a>,
    #[serde(borrow, default)]
    name: Json<'a>,
    #[serde(borrow, default)]
    resource: Json<'a>,
    #[serde(borrow, default, rename = "type")]
    kind: Json<'a>,
    #[serde(borrow, default)]
    trace_id: Json<'a>,
    #[serde(borrow, default)]
    span_id: Json<'a>,
    #[serde(borrow, default)]
    parent_id: Json<'a>,
    #[serde(borrow, default)]
    start: Json<'a>,
    #[serde(borrow, default)]
    end: Json<'a>,
    #[serde(borrow, default)]
    duration: Json<'a>,
    #[serde(borrow, default)]
    error: Json<'a>,
    #[serde(borrow, default)]
    meta: Pairs<'a>,
    #[serde(borrow, default)]
    metrics: Pairs<'a>,
    #[serde(borrow, default)]
    meta_struct: Pairs<'a>,
    #[serde(borrow, default)]
    span_links: Json<'a>,
    #[serde(borrow, default)]
    span_events: Json<'a>,
}

/// What the payload around the spans says of all of them (version 0.7), and the resources given out so far.
#[derive(Default, Debug)]
pub(crate) struct Sender<'a> {
    env: Cow<'a, str>,
    version: Cow<'a, str>,
    host: Cow<'a, str>,
    resources: HashMap<[String; 4], u32>,
}

impl Sender<'_> {
    fn resource(&mut self, out: &mut Assembler, span: &SpanRecord<'_>) -> u32 {
        let own = |key: &str, common: &str| span.meta.text(key).unwrap_or(common).to_owned();
        let key = [
            span.service.text().unwrap_or_default().to_owned(),
            own("env", &self.env),
            own("version", &self.version),
            own("_dd.hostname", &self.host),
        ];
        if let Some(known) = self.resources.get(&key) {
            return *known;
        }
        let names = ["service.name", "deployment.environment.name", "service.version", "host.name"];
        let attributes: Attributes =
            names.iter().zip(&key).filter(|(_, text)| !text.is_empty()).map(|(name, text)| (*name, text.as_str())).collect();
        let number = out.resource(&attributes);
        self.resources.insert(key, number);
        number
    }
}

/// A decimal id; 32 hexadecimal digits are a whole trace id.
fn trace_of(json: &Json<'_>, halves: &HighHalves) -> Option<TraceId> {
    if let Some(text) = json.text().filter(|text| text.len() == 32) {
        return text.parse().ok().filter(|id: &TraceId| id.is_valid());
    }
    json.uint().filter(|low| *low != 0).map(|low| halves.of(low))
}

fn span_id_of(json: &Json<'_>) -> Option<SpanId> {
    let number = match json {
        // Some tracers write ids as signed numbers.
        Json::Int(number) => Some(*number as u64),
        other => other.uint(),
    };
    number.and_then(|number| SpanId::from(number).non_zero())
}

/// Tells the high halves what the span knows of its trace.
fn learn(halves: &mut HighHalves, span: &SpanRecord<'_>) {
    if let Some(low) = span.trace_id.uint() {
        halves.learn(low, &span.meta);
    }
}

/// Start and end in nanoseconds. The agent's are whole nanoseconds; the trace view writes seconds or milliseconds.
fn times(span: &SpanRecord<'_>) -> Option<(i64, Option<i64>)> {
    if let Json::Int(start) = span.start
        && start.unsigned_abs() >= 100_000_000_000_000_000
    {
        return Some((start, span.duration.int().map(|length| start.saturating_add(length.max(0)))));
    }
    let start = span.start.float().filter(|start| start.is_finite())?;
    if matches!(span.start, Json::Int(_)) && start.abs() < 1e9 && !span.end.is_some() {
        // Test spans near 1970: the agent's form all the same.
        let start = start as i64;
        return Some((start, span.duration.int().map(|length| start.saturating_add(length.max(0)))));
    }
    let factor = if start.abs() >= 1e14 {
        1e3
    } else if start.abs() >= 1e11 {
        1e6
    } else {
        1e9
    };
    // Floats of this size are good to a microsecond at best.
    let scale = |time: f64| super::json::nanos(time, factor).saturating_add(500).div_euclid(1_000).saturating_mul(1_000);
    let start_ns = scale(start);
    let length = span.duration.float().map(|length| scale(length).max(0));
    let end = span.end.float().filter(|end| end.is_finite()).map(scale);
    Some((start_ns, end.or_else(|| length.map(|length| start_ns.saturating_add(length)))))
}

/// Lays one span down, or says why it is none.
fn lay(out: &mut Assembler, sender: &mut Sender<'_>, halves: &HighHalves, span: &SpanRecord<'_>) -> Result<(), String> {
    let trace_id = trace_of(&span.trace_id, halves).ok_or("trace_id is missing or zero")?;
    let span_id = span_id_of(&span.span_id).ok_or("span_id is missing or zero")?;
    let (start, end) = times(span).ok_or("start is not a time")?;
    let resource = sender.resource(out, span);
    let operation = span.name.text().unwrap_or_default();
    let name = span.resource.text().filter(|text| !text.is_empty()).unwrap_or(operation);
    let kind = span.kind.text().unwrap_or_default();
    if !operation.is_empty() && operation != name {
        out.text("operation.name", operation);
    }
    if !kind.is_empty() {
        out.text("span.type", kind);
    }
    let failed = match &span.error {
        Json::Bool(error) => *error,
        other => other.int().unwrap_or_default() != 0,
    };
    let mut said = SpanKind::Unspecified;
    let mut exception = [None; 3];
    let (mut links, mut events) = (Json::Null, Json::Null);
    for (key, value) in &span.meta.0 {
        match key.as_ref() {
            "env" | "version" | "_dd.p.tid" | "_dd.hostname" => {}
            "span.kind" => match value.text().and_then(SpanKind::from_word) {
                Some(kind) => said = kind,
                None => out.attr(key, value),
            },
            "error.message" | "error.msg" => exception[1] = value.text().or(exception[1]),
            "error.type" => exception[0] = value.text(),
            "error.stack" => exception[2] = value.text(),
            "_dd.span_links" => links = embedded(out, key, value),
            "events" => events = embedded(out, key, value),
            _ => out.attr(key, value),
        }
    }
    for (key, value) in &span.metrics.0 {
        match value.float() {
            Some(number) => out.attr(key, &Json::Float(number)),
            None => out.attr(key, value),
        }
    }
    span.meta_struct.0.iter().for_each(|(key, value)| out.attr(key, value));
    if exception.iter().any(Option::is_some) {
        out.event(end.unwrap_or(start), "exception");
        for (key, text) in ["exception.type", "exception.message", "exception.stacktrace"].into_iter().zip(exception) {
            if let Some(text) = text {
                out.event_value(key, &Value::from(text));
            }
        }
    }
    for list in [&span.span_events, &events] {
        lay_events(out, list, start);
    }
    for list in [&span.span_links, &links] {
        lay_links(out, list, halves);
    }
    if said == SpanKind::Unspecified {
        said = match kind {
            "web" => SpanKind::Server,
            "http" => SpanKind::Client,
            _ => SpanKind::Unspecified,
        };
    }
    let scope = out.scope("", "");
    out.span(&Head {
        trace_id,
        span_id,
        parent: span_id_of(&span.parent_id),
        name,
        kind: said,
        start,
        end,
        status: if failed { StatusCode::Error } else { StatusCode::Unset },
        message: exception[1].filter(|_| failed).unwrap_or_default(),
        resource,
        scope,
        ..Head::default()
    });
    Ok(())
}

/// A list written as a JSON text in a tag; one that is not stays an attribute.
fn embedded(out: &mut Assembler, key: &str, value: &Json<'_>) -> Json<'static> {
    match value.text().map(serde_json::from_str::<Json<'_>>) {
        Some(Ok(list @ Json::List(_))) => list.into_owned(),
        _ => {
            out.attr(key, value);
            Json::Null
        }
    }
}

/// `{name, time_unix_nano, attributes}`, the attributes plain or as `{type, string_value…}`.
fn lay_events(out: &mut Assembler, list: &Json<'_>, start: i64) {
    let Json::List(events) = list else { return };
    for event in events {
        let time = event.get("time_unix_nano").and_then(Json::int).unwrap_or(start);
        out.event(time, event.get("name").and_then(Json::text).unwrap_or_default());
        if let Some(Json::Map(attributes)) = event.get("attributes") {
            for (key, value) in attributes {
                out.event_value(key, &typed(value));
            }
        }
    }
}

/// An attribute of an event: `type` says which member holds the value.
fn typed(value: &Json<'_>) -> Value {
    let members = ["string_value", "bool_value", "int_value", "double_value"];
    let member = value.get("type").and_then(Json::uint).and_then(|at| members.get(usize::try_from(at).ok()?));
    if let Some(found) = member.and_then(|member| value.get(member)) {
        return found.to_value();
    }
    match value.get("array_value").and_then(|array| array.get("values")) {
        Some(Json::List(items)) => Value::Array(items.iter().map(|item| single(item).to_value()).collect()),
        _ => value.to_value(),
    }
}

fn single<'j>(item: &'j Json<'j>) -> &'j Json<'j> {
    let members = ["string_value", "bool_value", "int_value", "double_value"];
    members.iter().find_map(|member| item.get(member)).unwrap_or(item)
}

/// `{trace_id, trace_id_high, span_id, attributes, tracestate, flags}`; in tags the ids are hexadecimal texts.
fn lay_links(out: &mut Assembler, list: &Json<'_>, halves: &HighHalves) {
    let Json::List(links) = list else { return };
    for link in links {
        let member = |key: &str| link.get(key).unwrap_or(&Json::Null);
        let trace = match (member("trace_id"), member("trace_id_high")) {
            (low, Json::Null) => trace_of(low, halves),
            (low, high) => low.uint().map(|low| TraceId::from_halves(high.uint().unwrap_or_default(), low)),
        };
        let span = match member("span_id") {
            Json::Text(text) if text.len() == 16 => text.parse().ok(),
            other => span_id_of(other),
        };
        let (Some(trace), Some(span)) = (trace, span) else { continue };
        // Bit 31 only says that the flags are set.
        let flags = member("flags").uint().unwrap_or_default() as u32 & 0xff;
        out.link(trace, span, member("tracestate").text().unwrap_or_default(), flags, 0);
        if let Json::Map(attributes) = member("attributes") {
            attributes.iter().for_each(|(key, value)| out.link_value(key, &value.to_value()));
        }
    }
}

#[cfg(test)]
mod tests;
