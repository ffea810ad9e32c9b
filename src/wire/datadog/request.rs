//! What a tracer posts to `/v0.N/traces`.

use super::super::assemble::Assembler;
use super::super::fault::{KEPT_PROBLEMS, OpenError, Place, Problem};
use super::super::format::Format;
use super::super::json::Json;
use super::super::reading::Decoded;
use super::msgpack::Reader;
use super::{HighHalves, Pairs, Sender, SpanRecord, lay, learn};
use std::borrow::Cow;

/// The version in the path, which decides the form of the payload.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Version {
    /// 0.3 and 0.4: lists of spans as maps.
    Maps,
    /// 0.5: a table of texts and spans as lists of twelve.
    Table,
    /// 0.7: a map with chunks.
    Chunks,
}

fn broken(reason: impl Into<String>, byte: usize) -> OpenError {
    OpenError::Broken { format: Format::Datadog, reason: reason.into(), place: Place::at_byte(byte) }
}

/// Reads a MessagePack payload. A payload that breaks off is refused; a span without ids is rejected alone.
pub fn decode(version: Version, body: &[u8], halves: &mut HighHalves) -> Result<Decoded, OpenError> {
    let mut reader = Reader::of(body);
    let payload = reader.value().map_err(|reason| broken(reason, reader.at()))?;
    if !reader.is_done() {
        return Err(broken("more bytes than the payload", reader.at()));
    }
    let mut sender = Sender::default();
    let chunks = match version {
        Version::Maps => chunks_of(payload)?.into_iter().map(|spans| spans.into_iter().map(record_of).collect()).collect(),
        Version::Table => table_chunks(payload)?,
        Version::Chunks => map_chunks(payload, &mut sender)?,
    };
    let mut out = Assembler::default();
    let mut decoded = Decoded::default();
    for (at, chunk) in chunks.iter().enumerate() {
        chunk.iter().for_each(|span| learn(halves, span));
        for (index, span) in chunk.iter().enumerate() {
            if let Err(reason) = lay(&mut out, &mut sender, halves, span) {
                out.abandon();
                decoded.rejected += 1;
                if decoded.problems.len() < KEPT_PROBLEMS {
                    let place = Place::default().on(format!("[{at}][{index}]"));
                    decoded.problems.push(Problem { place, reason, rejected: true });
                }
            }
        }
    }
    decoded.batch = out.finish();
    Ok(decoded)
}

/// A list of lists; nil is an empty one.
fn chunks_of(payload: Json<'_>) -> Result<Vec<Vec<Json<'_>>>, OpenError> {
    let list = |json| match json {
        Json::List(items) => Ok(items),
        Json::Null => Ok(Vec::new()),
        _ => Err(broken("a list of traces was expected", 0)),
    };
    list(payload)?.into_iter().map(list).collect()
}

fn pairs(json: Json<'_>) -> Pairs<'_> {
    if let Json::Map(entries) = json { Pairs(entries) } else { Pairs::default() }
}

fn record_of(span: Json<'_>) -> SpanRecord<'_> {
    let mut record = SpanRecord::default();
    let Json::Map(members) = span else { return record };
    for (key, value) in members {
        match key.as_ref() {
            "service" => record.service = value,
            "name" => record.name = value,
            "resource" => record.resource = value,
            "type" => record.kind = value,
            "trace_id" => record.trace_id = value,
            "span_id" => record.span_id = value,
            "parent_id" => record.parent_id = value,
            "start" => record.start = value,
            "duration" => record.duration = value,
            "error" => record.error = value,
            "meta" => record.meta = pairs(value),
            "metrics" => record.metrics = pairs(value),
            "meta_struct" => record.meta_struct = pairs(value),
            "span_links" => record.span_links = value,
            "span_events" => record.span_events = value,
            _ => {}
        }
    }
    // The protocol leaves zeros out.
    if !record.start.is_some() {
        record.start = Json::Int(0);
    }
    if !record.duration.is_some() {
        record.duration = Json::Int(0);
    }
    record
}

/// Version 0.5: `[texts, [[[12 members]…]…]]`.
fn table_chunks(payload: Json<'_>) -> Result<Vec<Vec<SpanRecord<'_>>>, OpenError> {
    let Json::List(mut parts) = payload else { return Err(broken("a list of texts and traces was expected", 0)) };
    let (Some(traces), Some(Json::List(texts)), None) = (parts.pop(), parts.pop(), parts.pop()) else {
        return Err(broken("a list of texts and a list of traces were expected", 0));
    };
    let text = |index: &Json<'_>| -> Result<Cow<'_, str>, OpenError> {
        let found = index.uint().and_then(|at| texts.get(usize::try_from(at).ok()?));
        let text = found.and_then(Json::text).ok_or_else(|| broken("an index beyond the table of texts", 0))?;
        Ok(Cow::Owned(text.to_owned()))
    };
    let tags = |json: Json<'_>, indexed: bool| -> Result<Pairs<'static>, OpenError> {
        let mut entries = Vec::new();
        for (key, value) in pairs(json).0 {
            let key = text(&Json::Text(key))?.into_owned();
            let value = if indexed { Json::Text(Cow::Owned(text(&value)?.into_owned())) } else { value.into_owned() };
            entries.push((Cow::Owned(key), value));
        }
        Ok(Pairs(entries))
    };
    let mut chunks = Vec::new();
    for spans in chunks_of(traces)? {
        let mut chunk = Vec::with_capacity(spans.len());
        for span in spans {
            let Json::List(members) = span else { return Err(broken("a span that is no list", 0)) };
            let Ok([service, name, resource, trace_id, span_id, parent_id, start, duration, error, meta, metrics, kind]) =
                <[Json<'_>; 12]>::try_from(members)
            else {
                return Err(broken("a span that has not twelve members", 0));
            };
            let owned = |json: &Json<'_>| Ok::<_, OpenError>(Json::Text(Cow::Owned(text(json)?.into_owned())));
            chunk.push(SpanRecord {
                service: owned(&service)?,
                name: owned(&name)?,
                resource: owned(&resource)?,
                kind: owned(&kind)?,
                trace_id: trace_id.into_owned(),
                span_id: span_id.into_owned(),
                parent_id: parent_id.into_owned(),
                start: start.into_owned(),
                duration: duration.into_owned(),
                error: error.into_owned(),
                meta: tags(meta, true)?,
                metrics: tags(metrics, false)?,
                ..SpanRecord::default()
            });
        }
        chunks.push(chunk);
    }
    Ok(chunks)
}

/// Version 0.7: `{chunks: [{spans, tags, origin, priority}], env, hostname, app_version, tags}`.
fn map_chunks<'a>(payload: Json<'a>, sender: &mut Sender<'a>) -> Result<Vec<Vec<SpanRecord<'a>>>, OpenError> {
    let Json::Map(members) = payload else { return Err(broken("a map with chunks was expected", 0)) };
    let mut chunks = Vec::new();
    for (key, value) in members {
        match (key.as_ref(), value) {
            ("env", Json::Text(text)) => sender.env = text,
            ("hostname", Json::Text(text)) => sender.host = text,
            ("app_version", Json::Text(text)) => sender.version = text,
            ("chunks", Json::List(list)) => {
                for chunk in list {
                    let (mut spans, mut tags) = (Vec::new(), Vec::new());
                    for (key, value) in pairs(chunk).0 {
                        match (key.as_ref(), value) {
                            ("spans", Json::List(list)) => spans = list.into_iter().map(record_of).collect(),
                            ("tags", Json::Map(entries)) => tags = entries,
                            ("origin", Json::Text(text)) if !text.is_empty() => {
                                tags.push((Cow::Borrowed("_dd.origin"), Json::Text(text)));
                            }
                            _ => {}
                        }
                    }
                    // The tags of a chunk belong to its first span, where the older versions put them.
                    if let Some(first) = spans.first_mut() {
                        first.meta.0.extend(tags);
                    }
                    chunks.push(spans);
                }
            }
            _ => {}
        }
    }
    Ok(chunks)
}
