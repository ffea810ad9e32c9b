//! Puts spans of the foreign formats together in a [`SpanBatchBuilder`], field by field, without owned spans between.
//!
//! A codec fills the current span (attributes, events, links in wire order), then ends it with [`Assembler::span`].
//! Equal resources and scopes share a row.

use super::json::Json;
use crate::model::batch::{AttrRow, EventRow, LinkRow, Run, ScopeRow, SpanRow, ValueKind};
use crate::model::{Attributes, SpanBatch, SpanBatchBuilder, SpanId, SpanKind, StatusCode, TraceId, Value};
use std::collections::HashMap;

/// See the module comment.
#[derive(Default, Debug)]
pub(crate) struct Assembler {
    /// The batch being built.
    pub builder: SpanBatchBuilder,
    services: HashMap<String, u32>,
    scopes: HashMap<(String, String), u32>,
}

/// What a span has besides its lists. Texts are borrowed until the span is ended.
#[derive(Default, Debug)]
pub(crate) struct Head<'a> {
    /// Trace.
    pub trace_id: TraceId,
    /// Span.
    pub span_id: SpanId,
    /// Parent.
    pub parent: Option<SpanId>,
    /// Operation name.
    pub name: &'a str,
    /// Role.
    pub kind: SpanKind,
    /// Start, nanoseconds since the Unix epoch.
    pub start: i64,
    /// End; `None` in flight.
    pub end: Option<i64>,
    /// Status code.
    pub status: StatusCode,
    /// Status message.
    pub message: &'a str,
    /// W3C `tracestate`.
    pub trace_state: &'a str,
    /// W3C flags.
    pub flags: u32,
    /// Resource number.
    pub resource: u32,
    /// Scope number.
    pub scope: u32,
    /// Attributes, events and links that the sender dropped.
    pub dropped: [u32; 3],
}

impl Assembler {
    fn row(&mut self, key: &str, value: &Json<'_>) -> AttrRow {
        let key = self.builder.intern(key);
        let (kind, bits) = match value {
            Json::Text(text) => (ValueKind::Str, u64::from(self.builder.intern(text))),
            Json::Bool(value) => (ValueKind::Bool, u64::from(*value)),
            Json::Int(value) => (ValueKind::Int, *value as u64),
            Json::Float(value) => (ValueKind::Double, value.to_bits()),
            other => return self.builder.attr_at(key, &other.to_value()),
        };
        AttrRow { key, kind, bits }
    }

    /// Adds an attribute to the current span.
    pub fn attr(&mut self, key: &str, value: &Json<'_>) {
        let row = self.row(key, value);
        self.builder.draft().attrs.push(row);
    }

    /// Adds a text attribute to the current span.
    pub fn text(&mut self, key: &str, text: &str) {
        let (key, text) = (self.builder.intern(key), self.builder.intern(text));
        self.builder.draft().attrs.push(AttrRow { key, kind: ValueKind::Str, bits: u64::from(text) });
    }

    /// Adds an attribute of the model to the current span.
    pub fn value(&mut self, key: &str, value: &Value) {
        let row = self.builder.attr(key, value);
        self.builder.draft().attrs.push(row);
    }

    /// True when the current span has an attribute under `key`.
    pub fn has(&mut self, key: &str) -> bool {
        let key = self.builder.intern(key);
        self.builder.draft().attrs.iter().any(|row| row.key == key)
    }

    /// Adds an event to the current span; its attributes follow with [`Assembler::event_value`].
    pub fn event(&mut self, time: i64, name: &str) {
        let name = self.builder.intern(name);
        let draft = self.builder.draft();
        let attrs = Run { start: draft.event_attrs.len() as u32, len: 0 };
        draft.events.push(EventRow { time, name, attrs, dropped_attributes: 0 });
    }

    /// Adds an attribute to the last event.
    pub fn event_attr(&mut self, key: &str, value: &Json<'_>) {
        let row = self.row(key, value);
        let draft = self.builder.draft();
        if let Some(event) = draft.events.last_mut() {
            event.attrs.len += 1;
            draft.event_attrs.push(row);
        }
    }

    /// Adds an attribute of the model to the last event.
    pub fn event_value(&mut self, key: &str, value: &Value) {
        let row = self.builder.attr(key, value);
        let draft = self.builder.draft();
        if let Some(event) = draft.events.last_mut() {
            event.attrs.len += 1;
            draft.event_attrs.push(row);
        }
    }

    /// Says how many attributes of the last event the sender dropped.
    pub fn event_dropped(&mut self, count: u32) {
        if let Some(event) = self.builder.draft().events.last_mut() {
            event.dropped_attributes = count;
        }
    }

    /// Adds a link to the current span; its attributes follow with [`Assembler::link_value`].
    pub fn link(&mut self, trace_id: TraceId, span_id: SpanId, trace_state: &str, flags: u32, dropped_attributes: u32) {
        let trace_state = self.builder.intern(trace_state);
        let draft = self.builder.draft();
        let attrs = Run { start: draft.link_attrs.len() as u32, len: 0 };
        draft.links.push(LinkRow { trace_id, span_id, trace_state, flags, attrs, dropped_attributes });
    }

    /// Adds an attribute to the last link.
    pub fn link_value(&mut self, key: &str, value: &Value) {
        let row = self.builder.attr(key, value);
        let draft = self.builder.draft();
        if let Some(link) = draft.links.last_mut() {
            link.attrs.len += 1;
            draft.link_attrs.push(row);
        }
    }

    /// A resource of attributes. Not shared: callers keep the number where their format names a process once.
    pub fn resource(&mut self, attributes: &Attributes) -> u32 {
        let rows: Vec<AttrRow> = attributes.iter().map(|(key, value)| self.builder.attr(key, value)).collect();
        self.builder.add_resource(&rows, 0, 0)
    }

    /// The resource that says only its service, shared; without a name it says nothing.
    pub fn service(&mut self, name: &str) -> u32 {
        if let Some(known) = self.services.get(name) {
            return *known;
        }
        let mut attributes = Attributes::default();
        if !name.is_empty() {
            attributes.push("service.name", name);
        }
        let number = self.resource(&attributes);
        self.services.insert(name.to_owned(), number);
        number
    }

    /// The scope of this name and version, shared.
    pub fn scope(&mut self, name: &str, version: &str) -> u32 {
        let key = (name.to_owned(), version.to_owned());
        if let Some(known) = self.scopes.get(&key) {
            return *known;
        }
        let row = ScopeRow { name: self.builder.intern(name), version: self.builder.intern(version), ..ScopeRow::default() };
        let number = self.builder.add_scope(row, &[]);
        self.scopes.insert(key, number);
        number
    }

    /// Ends the current span.
    pub fn span(&mut self, head: &Head<'_>) {
        let row = SpanRow {
            trace_id: head.trace_id,
            span_id: head.span_id,
            parent: head.parent.unwrap_or_default(),
            start: head.start,
            end: head.end.unwrap_or(crate::model::batch::IN_FLIGHT),
            name: self.builder.intern(head.name),
            trace_state: self.builder.intern(head.trace_state),
            status_message: self.builder.intern(head.message),
            flags: head.flags,
            resource: head.resource,
            scope: head.scope,
            dropped_attributes: head.dropped[0],
            dropped_events: head.dropped[1],
            dropped_links: head.dropped[2],
            kind: head.kind as u8,
            status: head.status as u8,
            ..SpanRow::default()
        };
        self.builder.finish_span(row);
    }

    /// Forgets what the current span has so far, for a record that turns out to be none.
    pub fn abandon(&mut self) {
        *self.builder.draft() = Default::default();
    }

    /// Number of spans so far.
    pub fn len(&self) -> usize {
        self.builder.len()
    }

    /// The finished batch.
    pub fn finish(self) -> SpanBatch {
        self.builder.finish()
    }
}
