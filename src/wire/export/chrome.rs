//! Chrome trace events, for `chrome://tracing` and Perfetto. Services are processes; each has as many threads as spans
//! overlap without nesting. What the format has no member for stands in `args` ([`super::super::chrome`] reads it back);
//! arrows lead from parents to children in other services. Lost: schema URLs, attributes of scopes, bytes (they become
//! base64 texts), numbers that JSON has no form for.

use super::super::chrome::ARROWS;
use super::super::json::to_json;
use super::push_record;
use crate::model::{AttrsRef, SpanId, SpanKind, SpanRef, StatusCode, Trace, Value};
use serde_json::{Map, Value as Json, json};
use std::collections::HashMap;

/// The trace as an object with `traceEvents`.
pub fn chrome(trace: &Trace) -> String {
    let mut out = "{\"displayTimeUnit\":\"ms\",\"traceEvents\":[".to_owned();
    let mut processes: HashMap<&str, usize> = HashMap::new();
    for span in trace.spans.iter() {
        let next = processes.len() + 1;
        let number = *processes.entry(span.service()).or_insert(next);
        if number == next {
            push_record(&mut out, &json!({"ph": "M", "pid": number, "name": "process_name", "args": {"name": span.service()}}));
        }
    }
    let process = |span: &SpanRef<'_>| processes.get(span.service()).copied().unwrap_or_default();
    let threads = threads(trace, &process);
    let mut first: HashMap<SpanId, usize> = HashMap::with_capacity(trace.len());
    for (at, span) in trace.spans.spans.iter().enumerate() {
        first.entry(span.span_id).or_insert(at);
    }
    for (at, span) in trace.spans.iter().enumerate() {
        let (pid, tid) = (process(&span), threads[at]);
        push_record(&mut out, &span_event(&span, pid, tid));
        for event in span.events() {
            let mut args = Map::new();
            args.insert("span_id".into(), span.span_id().to_string().into());
            args.insert("time_unix_nano".into(), event.time().0.to_string().into());
            put(&mut args, "attributes", attributes(event.attrs()));
            if event.row.dropped_attributes > 0 {
                args.insert("dropped".into(), event.row.dropped_attributes.into());
            }
            let time = micros(event.time().0);
            push_record(
                &mut out,
                &json!({"ph": "i", "s": "t", "pid": pid, "tid": tid, "ts": time, "name": event.name(), "args": args}),
            );
        }
        let parent = span.parent().and_then(|parent| first.get(&parent)).copied();
        if let Some(parent) = parent.filter(|parent| process(&trace.spans.span(*parent)) != pid) {
            let (from, id) = (trace.spans.span(parent), span.span_id().to_string());
            let arrow = |phase: &str, pid: usize, tid: u32, time: i64| json!({"ph": phase, "bp": "e", "cat": ARROWS, "id": id, "name": "call", "pid": pid, "tid": tid, "ts": micros(time)});
            let leaves = span.start().0.clamp(from.start().0, from.end().map_or(i64::MAX, |end| end.0).max(from.start().0));
            push_record(&mut out, &arrow("s", process(&from), threads[parent], leaves));
            push_record(&mut out, &arrow("f", pid, tid, span.start().0));
        }
    }
    out.push_str("]}\n");
    out
}

/// Microseconds with the fraction that a double of that size can hold.
fn micros(nanos: i64) -> Json {
    if nanos % 1_000 == 0 { (nanos / 1_000).into() } else { (nanos as f64 / 1_000.0).into() }
}

/// A thread for every span, numbered from 1 in each process, so that the spans of a thread nest.
fn threads(trace: &Trace, process: &dyn Fn(&SpanRef<'_>) -> usize) -> Vec<u32> {
    let mut order: Vec<usize> = (0..trace.len()).collect();
    let end = |at: usize| trace.spans.span(at).end().map_or(i64::MAX, |end| end.0);
    order.sort_by_key(|at| (trace.spans.spans[*at].start, std::cmp::Reverse(end(*at))));
    let mut threads = vec![1; trace.len()];
    // The ends of the spans open on each thread of each process, innermost last.
    let mut open: HashMap<usize, Vec<Vec<i64>>> = HashMap::new();
    for at in order {
        let span = trace.spans.span(at);
        let (start, end) = (span.start().0, end(at));
        let lanes = open.entry(process(&span)).or_default();
        let fits = lanes.iter_mut().position(|lane| {
            while lane.last().is_some_and(|last| *last <= start) {
                lane.pop();
            }
            lane.last().is_none_or(|last| *last >= end)
        });
        let lane = fits.unwrap_or_else(|| {
            lanes.push(Vec::new());
            lanes.len() - 1
        });
        lanes[lane].push(end);
        threads[at] = lane as u32 + 1;
    }
    threads
}

fn attributes(attributes: AttrsRef<'_>) -> Json {
    to_json(&Value::Map(attributes.to_attributes().0.into()))
}

/// Puts what is not empty.
fn put(args: &mut Map<String, Json>, key: &str, value: impl Into<Json>) {
    let value = value.into();
    let empty = match &value {
        Json::String(text) => text.is_empty(),
        Json::Object(members) => members.is_empty(),
        Json::Array(items) => items.is_empty(),
        Json::Number(number) => number.as_u64() == Some(0),
        _ => false,
    };
    if !empty {
        args.insert(key.to_owned(), value);
    }
}

fn span_event(span: &SpanRef<'_>, pid: usize, tid: u32) -> Json {
    let mut args = Map::new();
    put(&mut args, "trace_id", span.trace_id().to_string());
    put(&mut args, "span_id", span.span_id().to_string());
    put(&mut args, "parent_span_id", span.parent().map(|parent| parent.to_string()).unwrap_or_default());
    put(&mut args, "start_unix_nano", span.start().0.to_string());
    put(&mut args, "end_unix_nano", span.end().map(|end| end.0.to_string()).unwrap_or_default());
    if span.kind() != SpanKind::Unspecified {
        put(&mut args, "kind", span.kind().word());
    }
    if span.status() != StatusCode::Unset {
        put(&mut args, "status", span.status().word());
    }
    put(&mut args, "status_message", span.status_message());
    put(&mut args, "trace_state", span.trace_state());
    put(&mut args, "flags", span.row.flags);
    put(&mut args, "attributes", attributes(span.attrs()));
    let links: Vec<Json> = span
        .links()
        .map(|link| {
            let mut out = Map::new();
            put(&mut out, "trace_id", link.row.trace_id.to_string());
            put(&mut out, "span_id", link.row.span_id.to_string());
            put(&mut out, "trace_state", link.trace_state());
            put(&mut out, "flags", link.row.flags);
            put(&mut out, "attributes", attributes(link.attrs()));
            put(&mut out, "dropped", link.row.dropped_attributes);
            Json::Object(out)
        })
        .collect();
    put(&mut args, "links", links);
    let mut scope = Map::new();
    put(&mut scope, "name", span.scope().name());
    put(&mut scope, "version", span.scope().version());
    put(&mut args, "scope", scope);
    let mut dropped = Map::new();
    put(&mut dropped, "attributes", span.row.dropped_attributes);
    put(&mut dropped, "events", span.row.dropped_events);
    put(&mut dropped, "links", span.row.dropped_links);
    put(&mut args, "dropped", dropped);
    put(&mut args, "resource", attributes(span.resource().attrs()));
    let mut event = Map::new();
    event.insert("ph".into(), if span.end().is_some() { "X" } else { "B" }.into());
    event.insert("pid".into(), pid.into());
    event.insert("tid".into(), tid.into());
    event.insert("ts".into(), micros(span.start().0));
    if span.end().is_some() {
        event.insert("dur".into(), micros(span.duration().0.max(0)));
    }
    event.insert("name".into(), span.name().into());
    event.insert("cat".into(), span.service().into());
    event.insert("args".into(), args.into());
    Json::Object(event)
}
