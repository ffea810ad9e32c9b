//! Borrowed views of what stands in a [`SpanBatch`]. Copy them freely; they are two pointers.

use super::super::id::{SpanId, TraceId};
use super::super::resource::{Resource, Scope};
use super::super::span::{Event, Link, Span, SpanKind, Status, StatusCode};
use super::super::time::{DurationNs, UnixNanos};
use super::super::value::{Attributes, Value};
use super::{AttrRow, EventRow, IN_FLIGHT, LinkRow, ResourceRow, Run, ScopeRow, SpanBatch, SpanRow, ValueKind, decode_value};
use std::fmt;
use std::sync::Arc;

/// A span in a batch.
#[derive(Clone, Copy)]
pub struct SpanRef<'a> {
    /// The batch it stands in.
    pub batch: &'a SpanBatch,
    /// Its row.
    pub row: &'a SpanRow,
}

/// A list of attributes in a batch.
#[derive(Clone, Copy)]
pub struct AttrsRef<'a> {
    batch: &'a SpanBatch,
    rows: &'a [AttrRow],
}

/// One attribute value in a batch.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum ValueRef<'a> {
    /// Nothing set.
    Empty,
    /// UTF-8 text.
    Str(&'a str),
    /// True or false.
    Bool(bool),
    /// Signed 64-bit integer.
    Int(i64),
    /// IEEE 754 double.
    Double(f64),
    /// Raw bytes.
    Bytes(&'a [u8]),
    /// An encoded array or map; [`ValueRef::to_value`] decodes it.
    Nested(&'a [u8]),
}

/// An event in a batch.
#[derive(Clone, Copy)]
pub struct EventRef<'a> {
    batch: &'a SpanBatch,
    /// Its row.
    pub row: &'a EventRow,
}

/// A link in a batch.
#[derive(Clone, Copy)]
pub struct LinkRef<'a> {
    batch: &'a SpanBatch,
    /// Its row.
    pub row: &'a LinkRow,
}

/// A resource in a batch.
#[derive(Clone, Copy)]
pub struct ResourceRef<'a> {
    /// The batch it stands in.
    pub batch: &'a SpanBatch,
    /// Its row.
    pub row: &'a ResourceRow,
}

/// A scope in a batch.
#[derive(Clone, Copy)]
pub struct ScopeRef<'a> {
    /// The batch it stands in.
    pub batch: &'a SpanBatch,
    /// Its row.
    pub row: &'a ScopeRow,
}

fn attrs_of(batch: &SpanBatch, run: Run) -> AttrsRef<'_> {
    AttrsRef { batch, rows: &batch.attrs[run.range()] }
}

impl<'a> SpanRef<'a> {
    /// Trace.
    pub fn trace_id(&self) -> TraceId {
        self.row.trace_id
    }

    /// Span.
    pub fn span_id(&self) -> SpanId {
        self.row.span_id
    }

    /// Parent, if any.
    pub fn parent(&self) -> Option<SpanId> {
        self.row.parent.non_zero()
    }

    /// Operation name.
    pub fn name(&self) -> &'a str {
        self.batch.strings.get(self.row.name)
    }

    /// Service name of the resource.
    pub fn service(&self) -> &'a str {
        self.batch.strings.get(self.batch.resources[self.row.resource as usize].service)
    }

    /// Start.
    pub fn start(&self) -> UnixNanos {
        UnixNanos(self.row.start)
    }

    /// End; `None` in flight.
    pub fn end(&self) -> Option<UnixNanos> {
        (self.row.end != IN_FLIGHT).then_some(UnixNanos(self.row.end))
    }

    /// End minus start; zero in flight.
    pub fn duration(&self) -> DurationNs {
        self.end().map_or(DurationNs(0), |end| end.since(self.start()))
    }

    /// Role in the call.
    pub fn kind(&self) -> SpanKind {
        SpanKind::from_number(u64::from(self.row.kind))
    }

    /// Status code.
    pub fn status(&self) -> StatusCode {
        StatusCode::from_number(u64::from(self.row.status))
    }

    /// True when the status is an error.
    pub fn is_error(&self) -> bool {
        self.row.status == StatusCode::Error as u8
    }

    /// Status message.
    pub fn status_message(&self) -> &'a str {
        self.batch.strings.get(self.row.status_message)
    }

    /// W3C `tracestate`.
    pub fn trace_state(&self) -> &'a str {
        self.batch.strings.get(self.row.trace_state)
    }

    /// Attributes.
    pub fn attrs(&self) -> AttrsRef<'a> {
        attrs_of(self.batch, self.row.attrs)
    }

    /// The first attribute under `key`.
    pub fn attr(&self, key: &str) -> Option<ValueRef<'a>> {
        self.attrs().get(key)
    }

    /// Events in order.
    pub fn events(&self) -> impl ExactSizeIterator<Item = EventRef<'a>> + use<'a> {
        let batch = self.batch;
        batch.events[self.row.events.range()].iter().map(move |row| EventRef { batch, row })
    }

    /// Links in order.
    pub fn links(&self) -> impl ExactSizeIterator<Item = LinkRef<'a>> + use<'a> {
        let batch = self.batch;
        batch.links[self.row.links.range()].iter().map(move |row| LinkRef { batch, row })
    }

    /// Resource.
    pub fn resource(&self) -> ResourceRef<'a> {
        ResourceRef::of(self.batch, self.row.resource)
    }

    /// Scope.
    pub fn scope(&self) -> ScopeRef<'a> {
        ScopeRef::of(self.batch, self.row.scope)
    }

    /// An owned copy.
    pub fn to_span(&self) -> Span {
        self.to_span_with(Arc::new(self.resource().to_resource()), Arc::new(self.scope().to_scope()))
    }

    /// An owned copy with the resource and scope given.
    pub fn to_span_with(&self, resource: Arc<Resource>, scope: Arc<Scope>) -> Span {
        Span {
            trace_id: self.trace_id(),
            span_id: self.span_id(),
            parent: self.parent(),
            trace_state: self.trace_state().into(),
            flags: self.row.flags,
            name: self.name().into(),
            kind: self.kind(),
            start: self.start(),
            end: self.end(),
            attributes: self.attrs().to_attributes(),
            dropped_attributes: self.row.dropped_attributes,
            events: self.events().map(|event| event.to_event()).collect(),
            dropped_events: self.row.dropped_events,
            links: self.links().map(|link| link.to_link()).collect(),
            dropped_links: self.row.dropped_links,
            status: Status { code: self.status(), message: self.status_message().into() },
            resource,
            scope,
        }
    }
}

impl<'a> AttrsRef<'a> {
    /// The first value under `key`.
    pub fn get(&self, key: &str) -> Option<ValueRef<'a>> {
        self.iter().find(|(name, _)| *name == key).map(|(_, value)| value)
    }

    /// Keys and values in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&'a str, ValueRef<'a>)> + use<'a> {
        let batch = self.batch;
        self.rows.iter().map(move |row| (batch.strings.get(row.key), ValueRef::of(batch, row)))
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// True without entries.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// An owned copy.
    pub fn to_attributes(&self) -> Attributes {
        self.iter().map(|(key, value)| (key, value.to_value())).collect()
    }
}

impl<'a> ValueRef<'a> {
    /// The value of a row.
    pub fn of(batch: &'a SpanBatch, row: &AttrRow) -> Self {
        let blob = || batch.blobs.get(row.bits as usize).map_or(&[][..], |blob| blob);
        match row.kind {
            ValueKind::Empty => Self::Empty,
            ValueKind::Str => Self::Str(batch.strings.get(row.bits as u32)),
            ValueKind::Bool => Self::Bool(row.bits != 0),
            ValueKind::Int => Self::Int(row.bits as i64),
            ValueKind::Double => Self::Double(f64::from_bits(row.bits)),
            ValueKind::Bytes => Self::Bytes(blob()),
            ValueKind::Array | ValueKind::Map => Self::Nested(blob()),
        }
    }

    /// The text of a string value.
    pub fn as_str(self) -> Option<&'a str> {
        match self {
            Self::Str(text) => Some(text),
            _ => None,
        }
    }

    /// An owned copy.
    pub fn to_value(self) -> Value {
        match self {
            Self::Empty => Value::Empty,
            Self::Str(text) => Value::Str(text.into()),
            Self::Bool(value) => Value::Bool(value),
            Self::Int(value) => Value::Int(value),
            Self::Double(value) => Value::Double(value),
            Self::Bytes(bytes) => Value::Bytes(Arc::from(bytes)),
            Self::Nested(bytes) => decode_value(bytes).unwrap_or_default(),
        }
    }
}

impl fmt::Display for ValueRef<'_> {
    /// As [`Value`] prints; text is not copied.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Str(text) => f.write_str(text),
            other => write!(f, "{}", other.to_value()),
        }
    }
}

impl<'a> EventRef<'a> {
    /// When it happened.
    pub fn time(&self) -> UnixNanos {
        UnixNanos(self.row.time)
    }

    /// Name.
    pub fn name(&self) -> &'a str {
        self.batch.strings.get(self.row.name)
    }

    /// Attributes.
    pub fn attrs(&self) -> AttrsRef<'a> {
        attrs_of(self.batch, self.row.attrs)
    }

    /// An owned copy.
    pub fn to_event(&self) -> Event {
        Event {
            time: self.time(),
            name: self.name().into(),
            attributes: self.attrs().to_attributes(),
            dropped_attributes: self.row.dropped_attributes,
        }
    }
}

impl<'a> LinkRef<'a> {
    /// Attributes.
    pub fn attrs(&self) -> AttrsRef<'a> {
        attrs_of(self.batch, self.row.attrs)
    }

    /// W3C `tracestate`.
    pub fn trace_state(&self) -> &'a str {
        self.batch.strings.get(self.row.trace_state)
    }

    /// An owned copy.
    pub fn to_link(&self) -> Link {
        Link {
            trace_id: self.row.trace_id,
            span_id: self.row.span_id,
            trace_state: self.trace_state().into(),
            flags: self.row.flags,
            attributes: self.attrs().to_attributes(),
            dropped_attributes: self.row.dropped_attributes,
        }
    }
}

impl<'a> ResourceRef<'a> {
    /// The resource at `index`.
    pub fn of(batch: &'a SpanBatch, index: u32) -> Self {
        Self { batch, row: &batch.resources[index as usize] }
    }

    /// Service name.
    pub fn service(&self) -> &'a str {
        self.batch.strings.get(self.row.service)
    }

    /// Attributes.
    pub fn attrs(&self) -> AttrsRef<'a> {
        attrs_of(self.batch, self.row.attrs)
    }

    /// An owned copy.
    pub fn to_resource(&self) -> Resource {
        Resource {
            attributes: self.attrs().to_attributes(),
            schema_url: self.batch.strings.get(self.row.schema_url).into(),
            dropped_attributes: self.row.dropped_attributes,
        }
    }
}

impl<'a> ScopeRef<'a> {
    /// The scope at `index`.
    pub fn of(batch: &'a SpanBatch, index: u32) -> Self {
        Self { batch, row: &batch.scopes[index as usize] }
    }

    /// Name.
    pub fn name(&self) -> &'a str {
        self.batch.strings.get(self.row.name)
    }

    /// Version.
    pub fn version(&self) -> &'a str {
        self.batch.strings.get(self.row.version)
    }

    /// Attributes.
    pub fn attrs(&self) -> AttrsRef<'a> {
        attrs_of(self.batch, self.row.attrs)
    }

    /// An owned copy.
    pub fn to_scope(&self) -> Scope {
        Scope {
            name: self.name().into(),
            version: self.version().into(),
            attributes: self.attrs().to_attributes(),
            schema_url: self.batch.strings.get(self.row.schema_url).into(),
            dropped_attributes: self.row.dropped_attributes,
        }
    }
}
