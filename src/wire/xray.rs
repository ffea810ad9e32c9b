//! AWS X-Ray: segment documents, one or many, alone, in a list, one a line (with the daemon's header), or as
//! `BatchGetTraces` answers them, where each `Document` is a JSON text in the JSON.
//!
//! A segment is a server's work in the service that it names; a subsegment is a call when it has a namespace (`aws`,
//! `remote`) and internal otherwise. Times are seconds since 1970 as floats, good to about a microsecond, and are rounded
//! to it. A segment with `in_progress` or without an end is in flight. `fault`, `error` and `throttle` are an error status,
//! exceptions become events, annotations attributes, and `metadata`, `aws` and `sql` attributes of their dotted names.

use super::assemble::{Assembler, Head};
use super::fault::OpenError;
use super::format::Format;
use super::ids;
use super::json::{Json, Key, List, nanos};
use super::reading::{Decoded, Reading, Watch, utf8};
use crate::model::{Attributes, SpanId, SpanKind, StatusCode, TraceId, Value};
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// Nesting of objects that is spelled out as dotted attribute names; deeper ones stay nested values.
const DOTTED: usize = 3;

/// An answer of `BatchGetTraces`, one of its traces, or one of its segments.
#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase")]
struct Answer<'a> {
    #[serde(borrow, default)]
    traces: List<Answer<'a>>,
    #[serde(borrow, default)]
    segments: List<Answer<'a>>,
    #[serde(borrow, default)]
    document: Option<&'a RawValue>,
}

/// A segment or subsegment, its well-known members in place and the others in order.
#[derive(Default)]
struct Segment<'a> {
    trace_id: Json<'a>,
    id: Json<'a>,
    parent_id: Json<'a>,
    name: Json<'a>,
    start_time: Json<'a>,
    end_time: Json<'a>,
    in_progress: Json<'a>,
    kind: Json<'a>,
    namespace: Json<'a>,
    http: Json<'a>,
    cause: Json<'a>,
    service: Json<'a>,
    links: Json<'a>,
    subsegments: Vec<Segment<'a>>,
    others: Vec<(Cow<'a, str>, Json<'a>)>,
}

struct SegmentVisitor;

impl<'de> Visitor<'de> for SegmentVisitor {
    type Value = Segment<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a segment document")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Segment<'de>, A::Error> {
        let mut segment = Segment::default();
        while let Some(Key(key)) = map.next_key()? {
            match key.as_ref() {
                "trace_id" => segment.trace_id = map.next_value()?,
                "id" => segment.id = map.next_value()?,
                "parent_id" => segment.parent_id = map.next_value()?,
                "name" => segment.name = map.next_value()?,
                "start_time" => segment.start_time = map.next_value()?,
                "end_time" => segment.end_time = map.next_value()?,
                "in_progress" => segment.in_progress = map.next_value()?,
                "type" => segment.kind = map.next_value()?,
                "namespace" => segment.namespace = map.next_value()?,
                "http" => segment.http = map.next_value()?,
                "cause" => segment.cause = map.next_value()?,
                "service" => segment.service = map.next_value()?,
                "links" => segment.links = map.next_value()?,
                "subsegments" => segment.subsegments = map.next_value::<List<_>>()?.0,
                _ => {
                    let value = map.next_value()?;
                    segment.others.push((key, value));
                }
            }
        }
        Ok(segment)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Segment<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(SegmentVisitor)
    }
}

/// Reads X-Ray documents.
pub(crate) fn read(bytes: &[u8], watch: &mut Watch<'_>) -> Result<Decoded, OpenError> {
    let text = utf8(Format::XRay, bytes)?;
    let mut reading = Reading::of_file(Format::XRay, text, watch);
    reading.each_record(|reading, raw, path| {
        let Some(answer) = reading.record::<Answer<'_>>(raw, path)? else { return Ok(()) };
        let wrapped = answer.document.is_some() || !answer.segments.0.is_empty() || !answer.traces.0.is_empty();
        if wrapped { read_answer(reading, answer, &path()) } else { read_document(reading, raw, raw.get(), &path()) }
    })?;
    Ok(reading.finish())
}

fn read_answer<'a>(reading: &mut Reading<'a, '_>, answer: Answer<'a>, path: &str) -> Result<(), OpenError> {
    if let Some(raw) = answer.document {
        let path = format!("{path}.Document");
        return match serde_json::from_str::<Json<'_>>(raw.get()) {
            Ok(Json::Text(document)) => read_document(reading, raw, &document, &path),
            _ => read_document(reading, raw, raw.get(), &path),
        };
    }
    for (name, answers) in [("Traces", answer.traces.0), ("Segments", answer.segments.0)] {
        for (index, answer) in answers.into_iter().enumerate() {
            read_answer(reading, answer, &format!("{path}.{name}[{index}]"))?;
        }
    }
    Ok(())
}

/// Reads one document, which stands at `raw` or in the text there.
fn read_document(reading: &mut Reading<'_, '_>, raw: &RawValue, document: &str, path: &str) -> Result<(), OpenError> {
    let segment: Segment<'_> = match serde_json::from_str(document) {
        Ok(segment) => segment,
        Err(error) => return reading.reject(raw.get(), path.to_owned(), format!("not a segment document: {error}")),
    };
    // The daemon's header before each document.
    if segment.others.iter().any(|(key, _)| key == "format") && !segment.id.is_some() {
        return Ok(());
    }
    let Some(trace_id) = segment.trace_id.text().and_then(trace_of) else {
        let reason = "trace_id is not of the form 1-5f187253-6a106696d56b1f4ef9eba2ed";
        return reading.reject(raw.get(), path.to_owned(), reason);
    };
    let inner = segment.kind.text() == Some("subsegment");
    let resource = if inner { reading.out.service("") } else { resource_of(&mut reading.out, &segment) };
    let family = Family { trace_id, resource, raw: raw.get() };
    lay(reading, &family, &segment, inner, None, path)
}

/// `1-` 8 hexadecimal digits of time `-` 24 of chance; also the 32 digits of W3C.
fn trace_of(text: &str) -> Option<TraceId> {
    let mut parts = text.split('-');
    let digits = match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some("1"), Some(time), Some(rest), None) if time.len() == 8 && rest.len() == 24 => format!("{time}{rest}"),
        (Some(all), None, None, None) if all.len() == 32 => all.to_owned(),
        _ => return None,
    };
    ids::any_trace(&digits).filter(|_| ids::hex(&digits).is_some())
}

fn resource_of(out: &mut Assembler, segment: &Segment<'_>) -> u32 {
    let name = segment.name.text().unwrap_or_default();
    let Json::Map(service) = &segment.service else { return out.service(name) };
    let mut attributes = Attributes::default();
    attributes.push("service.name", name);
    for (key, value) in service {
        attributes.push(format!("service.{key}"), value.to_value());
    }
    out.resource(&attributes)
}

/// What a document's segments have in common.
struct Family<'a> {
    trace_id: TraceId,
    resource: u32,
    raw: &'a str,
}

/// Seconds since 1970, rounded to the microsecond that a float of that size is good for.
fn seconds(json: &Json<'_>) -> Option<i64> {
    json.float().filter(|time| time.is_finite()).map(|time| nanos(time, 1e6).saturating_mul(1_000))
}

fn is_true(json: &Json<'_>) -> bool {
    matches!(json, Json::Bool(true))
}

fn lay(
    reading: &mut Reading<'_, '_>,
    family: &Family<'_>,
    segment: &Segment<'_>,
    inner: bool,
    parent: Option<SpanId>,
    path: &str,
) -> Result<(), OpenError> {
    let id = segment.id.text().filter(|text| text.len() == 16).and_then(|text| text.parse::<SpanId>().ok());
    let (Some(span_id), Some(start)) = (id.and_then(SpanId::non_zero), seconds(&segment.start_time)) else {
        let reason = if id.is_none() { "id must have 16 hexadecimal digits" } else { "start_time is missing" };
        return reading.reject(family.raw, path.to_owned(), reason);
    };
    let end = seconds(&segment.end_time).filter(|_| !is_true(&segment.in_progress));
    let mut failed = false;
    let out = &mut reading.out;
    if let Json::Map(http) = &segment.http {
        http_attributes(out, http);
    }
    if let Some(namespace) = segment.namespace.text() {
        out.text("aws.xray.namespace", namespace);
    }
    for (key, value) in &segment.others {
        match (key.as_ref(), value) {
            ("fault" | "error" | "throttle", flag) => {
                if is_true(flag) {
                    failed = true;
                    out.attr(&format!("aws.xray.{key}"), flag);
                }
            }
            ("annotations", Json::Map(entries)) => entries.iter().for_each(|(key, value)| out.attr(key, value)),
            ("aws", value) => dotted(out, "aws", value, DOTTED),
            ("sql", Json::Map(entries)) => sql_attributes(out, entries),
            ("user", value) => out.attr("enduser.id", value),
            (key, value) => dotted(out, &format!("aws.xray.{key}"), value, DOTTED),
        }
    }
    let message = exceptions(out, &segment.cause, end.unwrap_or(start));
    if let Json::List(links) = &segment.links {
        for link in links {
            let Json::Map(link) = link else { continue };
            let text = |wanted: &str| link.iter().find(|(key, _)| key == wanted).and_then(|(_, value)| value.text());
            let ids = (text("trace_id").and_then(trace_of), text("id").and_then(ids::any_span));
            if let (Some(trace), Some(span)) = ids {
                out.link(trace, span, "", 0, 0);
            }
        }
    }
    let stated = segment.parent_id.text().and_then(ids::any_span);
    let scope = out.scope("", "");
    out.span(&Head {
        trace_id: family.trace_id,
        span_id,
        parent: stated.or(parent),
        name: segment.name.text().unwrap_or_default(),
        kind: match (inner, segment.namespace.is_some()) {
            (false, _) => SpanKind::Server,
            (true, true) => SpanKind::Client,
            (true, false) => SpanKind::Internal,
        },
        start,
        end,
        status: if failed { StatusCode::Error } else { StatusCode::Unset },
        message: message.unwrap_or_default(),
        resource: family.resource,
        scope,
        ..Head::default()
    });
    for (index, inner) in segment.subsegments.iter().enumerate() {
        lay(reading, family, inner, true, Some(span_id), &format!("{path}.subsegments[{index}]"))?;
    }
    Ok(())
}

fn http_attributes(out: &mut Assembler, http: &[(Cow<'_, str>, Json<'_>)]) {
    for (side, members) in http {
        let Json::Map(members) = members else { continue };
        for (key, value) in members {
            let name = match (side.as_ref(), key.as_ref()) {
                ("request", "method") => "http.request.method",
                ("request", "url") => "url.full",
                ("request", "client_ip") => "client.address",
                ("request", "user_agent") => "user_agent.original",
                ("response", "status") => "http.response.status_code",
                ("response", "content_length") => "http.response.body.size",
                _ => &format!("http.{side}.{key}"),
            };
            out.attr(name, value);
        }
    }
}

fn sql_attributes(out: &mut Assembler, sql: &[(Cow<'_, str>, Json<'_>)]) {
    for (key, value) in sql {
        let name = match key.as_ref() {
            "sanitized_query" => "db.query.text",
            "database_type" => "db.system.name",
            "user" => "db.user",
            other => &format!("sql.{other}"),
        };
        out.attr(name, value);
    }
}

/// Spells objects out as `prefix.key`, down to a depth.
fn dotted(out: &mut Assembler, prefix: &str, value: &Json<'_>, depth: usize) {
    match value {
        Json::Map(entries) if depth > 0 && !entries.is_empty() => {
            for (key, value) in entries {
                dotted(out, &format!("{prefix}.{key}"), value, depth - 1);
            }
        }
        value => out.attr(prefix, value),
    }
}

/// Lays the exceptions of a cause down as events and answers the first message.
fn exceptions<'s>(out: &mut Assembler, cause: &'s Json<'_>, time: i64) -> Option<&'s str> {
    let Json::Map(cause) = cause else { return None };
    let mut first = None;
    for (key, value) in cause {
        match (key.as_ref(), value) {
            ("exceptions", Json::List(exceptions)) => {
                for exception in exceptions {
                    let Json::Map(exception) = exception else { continue };
                    let member = |wanted: &str| exception.iter().find(|(key, _)| key == wanted).map(|(_, value)| value);
                    out.event(time, "exception");
                    for (key, name) in [("type", "exception.type"), ("message", "exception.message")] {
                        if let Some(value) = member(key) {
                            out.event_attr(name, value);
                        }
                    }
                    if let Some(Json::List(frames)) = member("stack") {
                        out.event_value("exception.stacktrace", &Value::from(stack(frames)));
                    }
                    first = first.or_else(|| member("message").and_then(Json::text));
                }
            }
            ("message", value) => first = first.or(value.text()),
            _ => {}
        }
    }
    first
}

fn stack(frames: &[Json<'_>]) -> String {
    let mut text = String::new();
    for frame in frames {
        let Json::Map(frame) = frame else { continue };
        let member = |wanted: &str| frame.iter().find(|(key, _)| key == wanted).map(|(_, value)| value.to_value().to_string());
        let (label, path) = (member("label").unwrap_or_default(), member("path").unwrap_or_default());
        let line = member("line").unwrap_or_default();
        text.push_str(&format!("    at {label} ({path}:{line})\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Span, UnixNanos};

    const SEGMENT: &str = r#"{"trace_id":"1-581cf771-a006649127e371903a2de979","id":"70de5b6f19ff9a0a","name":"orders","start_time":1.478293361271E9,"end_time":1478293361.449,
        "http":{"request":{"method":"POST","url":"http://orders/","x":1},"response":{"status":500}},"fault":true,"service":{"version":"1.2"},
        "annotations":{"customer":"c1","vip":true},"metadata":{"default":{"a":{"b":{"c":1}}}},"aws":{"ec2":{"instance_id":"i-1"}},
        "cause":{"working_directory":"/","exceptions":[{"id":"x","type":"Boom","message":"no stock","stack":[{"path":"a.js","line":7,"label":"f"}]}]},
        "subsegments":[{"id":"53995c3f42cd8ad8","name":"dynamodb","start_time":1478293361.3,"end_time":1478293361.4,"namespace":"aws","throttle":true,
            "subsegments":[{"id":"53995c3f42cd8ad9","name":"retry","start_time":1478293361.35,"in_progress":true}]},
            {"id":"bad","name":"x","start_time":1}]}"#;

    fn decode(text: &str) -> (Vec<Span>, Decoded) {
        let decoded = read(text.as_bytes(), &mut |_| true).unwrap_or_else(|error| panic!("{error}"));
        (decoded.batch.to_spans(), decoded)
    }

    #[test]
    fn a_segment_and_its_subsegments_are_spans() {
        let (spans, decoded) = decode(SEGMENT);
        assert_eq!((spans.len(), decoded.rejected), (3, 1));
        assert_eq!(decoded.problems[0].place.path, "[0].subsegments[1]");
        let [segment, call, inner] = spans.as_slice() else { panic!() };
        assert_eq!(segment.trace_id.to_string(), "581cf771a006649127e371903a2de979");
        assert_eq!(
            (segment.start, segment.end),
            (UnixNanos(1_478_293_361_271_000_000), Some(UnixNanos(1_478_293_361_449_000_000)))
        );
        assert_eq!(
            (segment.kind, segment.status.code, segment.status.message.as_str()),
            (SpanKind::Server, StatusCode::Error, "no stock")
        );
        assert_eq!(segment.attributes.text("http.request.method"), Some("POST"));
        assert_eq!(segment.attributes.get("http.response.status_code"), Some(&Value::Int(500)));
        assert_eq!(segment.attributes.get("vip"), Some(&Value::Bool(true)));
        assert_eq!(segment.attributes.text("aws.ec2.instance_id"), Some("i-1"));
        assert_eq!(
            segment.attributes.get("aws.xray.metadata.default.a.b").map(ToString::to_string).as_deref(),
            Some("{\"c\": 1}")
        );
        assert_eq!(segment.resource.attributes.text("service.version"), Some("1.2"));
        assert_eq!(segment.events[0].attributes.text("exception.stacktrace"), Some("    at f (a.js:7)\n"));
        assert_eq!((call.kind, call.parent, call.status.code), (SpanKind::Client, Some(segment.span_id), StatusCode::Error));
        assert_eq!(call.resource.service_name(), "orders");
        assert_eq!((inner.kind, inner.parent, inner.end), (SpanKind::Internal, Some(call.span_id), None));
    }

    #[test]
    fn documents_in_an_answer_and_behind_the_daemons_header_are_found() {
        let quoted = serde_json::to_string(SEGMENT).unwrap();
        let answer = format!(
            r#"{{"Traces":[{{"Id":"1-1","Duration":0.1,"Segments":[{{"Id":"a","Document":{quoted}}},{{"Id":"b","Document":"{{"}}]}}]}}"#
        );
        let (spans, decoded) = decode(&answer);
        assert_eq!((spans.len(), decoded.rejected), (3, 2));
        assert_eq!(decoded.problems[1].place.path, "[0].Traces[0].Segments[1].Document");
        let daemon = format!("{{\"format\":\"json\",\"version\":1}}\n{}\n", SEGMENT.replace('\n', " "));
        assert_eq!((decode(&daemon).0.len(), decode(&daemon).1.rejected), (3, 1));
        assert_eq!(decode(&format!("[{SEGMENT},{SEGMENT}]")).0.len(), 6);
    }

    #[test]
    fn a_trace_id_of_another_form_is_rejected() {
        let (spans, decoded) = decode(r#"{"trace_id":"1-5f187253","id":"5cc4a447f5d4d696","start_time":1.5}"#);
        assert_eq!((spans.len(), decoded.rejected), (0, 1));
    }
}
