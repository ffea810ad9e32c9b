//! Laying spans down: of foreign recordings, whose arguments become attributes, and of our own exports, whose `args` hold
//! everything that the format has no member for.
//!
//! Our `args`: `trace_id`, `span_id`, `parent_span_id`, `start_unix_nano` and `end_unix_nano` as texts (a double holds no
//! nanoseconds of today), `kind`, `status`, `status_message`, `trace_state`, `flags`, `scope`, `resource`, `attributes`,
//! `links`, `dropped`. Instants have `span_id`, `time_unix_nano`, `attributes`.

use super::super::assemble::{Assembler, Head};
use super::super::jaeger::status_word;
use super::super::json::Json;
use super::build::{Interval, Names};
use super::event::Event;
use crate::model::{Attributes, SpanId, SpanKind, TraceId};
use std::borrow::Cow;
use std::collections::HashMap;

/// Category of the arrows from parents to children that our exports draw; they say nothing new.
pub(crate) const ARROWS: &str = "parent";

fn id<T: std::str::FromStr>(json: Option<&Json<'_>>) -> Option<T> {
    json.and_then(Json::text)?.parse().ok()
}

/// The ids that an event carries in its arguments.
pub(super) fn ids(event: &Event<'_>) -> Option<(TraceId, SpanId)> {
    let (trace, span): (TraceId, SpanId) = (id(event.arg("trace_id"))?, id(event.arg("span_id"))?);
    (trace.is_valid() && span.is_valid()).then_some((trace, span))
}

/// The span that one of our instants belongs to.
pub(super) fn span_of(event: &Event<'_>) -> Option<SpanId> {
    event.arg("time_unix_nano")?;
    id(event.arg("span_id"))
}

/// Hands our instants to the spans that they name.
pub(super) fn attach(events: &[(Event<'_>, &str)], ids: &[(TraceId, SpanId)], intervals: &mut [Interval]) {
    let named: Vec<(usize, SpanId)> = events
        .iter()
        .enumerate()
        .filter(|(_, (event, _))| event.phase == b'i')
        .filter_map(|(at, (event, _))| Some((at, span_of(event)?)))
        .collect();
    if named.is_empty() {
        return;
    }
    let by_id: HashMap<SpanId, usize> = ids.iter().enumerate().rev().map(|(at, (_, span))| (*span, at)).collect();
    for (at, span) in named {
        if let Some(interval) = by_id.get(&span) {
            intervals[*interval].instants.push(at);
        }
    }
}

/// Where a foreign span stands.
pub(super) struct Place {
    pub ids: (TraceId, SpanId),
    pub parent: Option<SpanId>,
    pub resource: u32,
}

/// Lays down a span of a foreign recording.
pub(super) fn lay_foreign(
    out: &mut Assembler,
    events: &[(Event<'_>, &str)],
    interval: &Interval,
    place: &Place,
    links: impl Iterator<Item = (TraceId, SpanId)>,
    names: &Names<'_>,
) {
    let event = &events[interval.event].0;
    if !event.category.is_empty() {
        out.text("category", &event.category);
    }
    if let Some(thread) = names.thread(event) {
        out.text("thread.name", thread);
    }
    match event.thread.parse::<i64>() {
        Ok(number) => out.attr("thread.id", &Json::Int(number)),
        Err(_) if !event.thread.is_empty() => out.text("thread.id", &event.thread),
        Err(_) => {}
    }
    let closing = interval.closing.map_or(&[][..], |at| &events[at].0.args);
    for (key, value) in event.args.iter().chain(&event.others) {
        // An end that repeats an argument has its last value.
        if !closing.iter().any(|(other, _)| other == key) {
            out.attr(key, value);
        }
    }
    closing.iter().for_each(|(key, value)| out.attr(key, value));
    for at in &interval.instants {
        let instant = &events[*at].0;
        out.event(instant.time.unwrap_or_default(), &instant.name);
        instant.args.iter().chain(&instant.others).for_each(|(key, value)| out.event_attr(key, value));
    }
    for (trace, span) in links {
        out.link(trace, span, "", 0, 0);
    }
    let scope = out.scope("", "");
    out.span(&Head {
        trace_id: place.ids.0,
        span_id: place.ids.1,
        parent: place.parent,
        name: &event.name,
        kind: SpanKind::Internal,
        start: interval.start,
        end: interval.end,
        resource: place.resource,
        scope,
        ..Head::default()
    });
}

/// The members of an object; none of anything else.
fn map<'j, 'a>(json: Option<&'j Json<'a>>) -> &'j [(Cow<'a, str>, Json<'a>)] {
    if let Some(Json::Map(entries)) = json { entries } else { &[] }
}

/// A span of one of our exports.
pub(super) struct Written<'e, 'a>(&'e Event<'a>);

impl<'e, 'a> Written<'e, 'a> {
    /// `None` for events of others, also those that happen to carry ids.
    pub fn of(event: &'e Event<'a>) -> Option<Self> {
        (event.arg("start_unix_nano").is_some() && ids(event).is_some()).then_some(Self(event))
    }

    fn text(&self, key: &str) -> &str {
        self.0.arg(key).and_then(Json::text).unwrap_or_default()
    }

    fn number(&self, key: &str) -> u32 {
        self.0.arg(key).and_then(Json::uint).and_then(|number| u32::try_from(number).ok()).unwrap_or_default()
    }

    /// Lays it down as it was.
    pub fn lay(
        &self,
        out: &mut Assembler,
        resources: &mut HashMap<String, u32>,
        events: &[(Event<'_>, &str)],
        interval: &Interval,
        (trace_id, span_id): (TraceId, SpanId),
    ) {
        map(self.0.arg("attributes")).iter().for_each(|(key, value)| out.attr(key, value));
        for at in &interval.instants {
            let instant = &events[*at].0;
            let time = instant.arg("time_unix_nano").and_then(Json::int).or(instant.time);
            out.event(time.unwrap_or_default(), &instant.name);
            let dropped = instant.arg("dropped").and_then(Json::uint).and_then(|count| u32::try_from(count).ok());
            out.event_dropped(dropped.unwrap_or_default());
            if let Some(Json::Map(attributes)) = instant.arg("attributes") {
                attributes.iter().for_each(|(key, value)| out.event_attr(key, value));
            }
        }
        if let Some(Json::List(links)) = self.0.arg("links") {
            for link in links {
                let (Some(trace), Some(span)) = (id(link.get("trace_id")), id(link.get("span_id"))) else { continue };
                let number = |key| link.get(key).and_then(Json::uint).and_then(|number| u32::try_from(number).ok());
                let state = link.get("trace_state").and_then(Json::text).unwrap_or_default();
                out.link(trace, span, state, number("flags").unwrap_or_default(), number("dropped").unwrap_or_default());
                if let Some(Json::Map(attributes)) = link.get("attributes") {
                    attributes.iter().for_each(|(key, value)| out.link_value(key, &value.to_value()));
                }
            }
        }
        let resource = map(self.0.arg("resource"));
        let named = format!("{}:{resource:?}", self.0.process);
        let resource = match resources.get(&named) {
            Some(known) => *known,
            None => {
                let attributes: Attributes = resource.iter().map(|(key, value)| (key.as_ref(), value.to_value())).collect();
                let number = out.resource(&attributes);
                resources.insert(named, number);
                number
            }
        };
        let scope = |key: &str| self.0.arg("scope").and_then(|scope| scope.get(key)).and_then(Json::text).unwrap_or_default();
        let scope = out.scope(scope("name"), scope("version"));
        let dropped = |key| self.0.arg("dropped").and_then(|dropped| dropped.get(key)).and_then(Json::uint);
        let count = |key| dropped(key).and_then(|count| u32::try_from(count).ok()).unwrap_or_default();
        let time = |key| self.0.arg(key).and_then(Json::int);
        out.span(&Head {
            trace_id,
            span_id,
            parent: id(self.0.arg("parent_span_id")).and_then(SpanId::non_zero),
            name: &self.0.name,
            kind: SpanKind::from_word(self.text("kind")).unwrap_or_default(),
            start: time("start_unix_nano").unwrap_or(interval.start),
            end: time("end_unix_nano").or(interval.end),
            status: status_word(self.text("status")).unwrap_or_default(),
            message: self.text("status_message"),
            trace_state: self.text("trace_state"),
            flags: self.number("flags"),
            resource,
            scope,
            dropped: [count("attributes"), count("events"), count("links")],
        });
    }
}
