//! Spans in columns: the form in which they travel from a codec through the store to the window.
//!
//! A [`SpanBatch`] keeps every text once (keys, values and names repeat heavily), every attribute in 16 bytes and every
//! span in one fixed row, about 450 bytes a span of ten attributes all told, where owned spans take a kilobyte and two
//! dozen allocations. It is built by [`SpanBatchBuilder`] and read through [`SpanRef`]; it never changes afterwards.
//! The rows are public so that the store can write them column by column; everybody else uses the references.

mod builder;
mod refs;
mod table;

pub use builder::{SpanBatchBuilder, SpanDraft};
pub use refs::{AttrsRef, EventRef, LinkRef, ResourceRef, ScopeRef, SpanRef, ValueRef};
pub use table::{StringTable, decode_value, encode_value};

use super::id::{SpanId, TraceId};
use super::resource::{Resource, Scope};
use super::span::Span;
use std::sync::Arc;

/// `end` of a span that has not ended.
pub const IN_FLIGHT: i64 = i64::MIN;

/// Index of a text in [`SpanBatch::strings`]. 0 is always the empty text.
pub type StrId = u32;

/// A run of rows in one of the side tables.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Run {
    /// First row.
    pub start: u32,
    /// Number of rows.
    pub len: u32,
}

impl Run {
    /// As a slice range.
    pub fn range(self) -> std::ops::Range<usize> {
        self.start as usize..self.start as usize + self.len as usize
    }
}

/// How [`AttrRow::bits`] is read. Numbers are stored in files: never renumber.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
#[repr(u8)]
pub enum ValueKind {
    /// Nothing set.
    #[default]
    Empty = 0,
    /// `bits` is a [`StrId`].
    Str = 1,
    /// `bits` is 0 or 1.
    Bool = 2,
    /// `bits` is the two's complement.
    Int = 3,
    /// `bits` is the IEEE 754 pattern.
    Double = 4,
    /// `bits` is an index into [`SpanBatch::blobs`].
    Bytes = 5,
    /// As `Bytes`; the blob is an encoded array ([`encode_value`]).
    Array = 6,
    /// As `Bytes`; the blob is an encoded map ([`encode_value`]).
    Map = 7,
}

impl ValueKind {
    /// All kinds, in the order of their numbers.
    pub const ALL: [Self; 8] =
        [Self::Empty, Self::Str, Self::Bool, Self::Int, Self::Double, Self::Bytes, Self::Array, Self::Map];
}

/// One attribute.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct AttrRow {
    /// Key.
    pub key: StrId,
    /// How to read `bits`.
    pub kind: ValueKind,
    /// The value or its index.
    pub bits: u64,
}

/// A resource. Equal neighbours share a row.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ResourceRow {
    /// `service.name` or `unknown_service`.
    pub service: StrId,
    /// Attributes, `service.name` among them when it came.
    pub attrs: Run,
    /// Schema URL.
    pub schema_url: StrId,
    /// Attributes the sender dropped.
    pub dropped_attributes: u32,
}

/// An instrumentation scope.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ScopeRow {
    /// Name.
    pub name: StrId,
    /// Version.
    pub version: StrId,
    /// Attributes.
    pub attrs: Run,
    /// Schema URL.
    pub schema_url: StrId,
    /// Attributes the sender dropped.
    pub dropped_attributes: u32,
}

/// One span; times in nanoseconds since the Unix epoch.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SpanRow {
    /// Trace.
    pub trace_id: TraceId,
    /// Span.
    pub span_id: SpanId,
    /// Parent, all zero for none.
    pub parent: SpanId,
    /// Start.
    pub start: i64,
    /// End, or [`IN_FLIGHT`].
    pub end: i64,
    /// Hash of the span's content, for telling a client's retry from another span with the same ids.
    pub content_hash: u64,
    /// Operation name.
    pub name: StrId,
    /// W3C `tracestate`.
    pub trace_state: StrId,
    /// Status message.
    pub status_message: StrId,
    /// W3C flags and the is-remote bits.
    pub flags: u32,
    /// Index into [`SpanBatch::resources`].
    pub resource: u32,
    /// Index into [`SpanBatch::scopes`].
    pub scope: u32,
    /// Attributes.
    pub attrs: Run,
    /// Events.
    pub events: Run,
    /// Links.
    pub links: Run,
    /// Attributes the sender dropped.
    pub dropped_attributes: u32,
    /// Events the sender dropped.
    pub dropped_events: u32,
    /// Links the sender dropped.
    pub dropped_links: u32,
    /// Number of [`super::SpanKind`].
    pub kind: u8,
    /// Number of [`super::StatusCode`].
    pub status: u8,
}

/// One event of a span.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct EventRow {
    /// When, nanoseconds since the Unix epoch.
    pub time: i64,
    /// Name.
    pub name: StrId,
    /// Attributes.
    pub attrs: Run,
    /// Attributes the sender dropped.
    pub dropped_attributes: u32,
}

/// One link of a span.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LinkRow {
    /// Trace pointed to.
    pub trace_id: TraceId,
    /// Span pointed to.
    pub span_id: SpanId,
    /// W3C `tracestate`.
    pub trace_state: StrId,
    /// Flags.
    pub flags: u32,
    /// Attributes.
    pub attrs: Run,
    /// Attributes the sender dropped.
    pub dropped_attributes: u32,
}

/// Spans with everything they refer to. See the module comment.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct SpanBatch {
    /// Every text once; 0 is the empty text.
    pub strings: StringTable,
    /// Bytes, arrays and maps.
    pub blobs: Vec<Box<[u8]>>,
    /// Resources.
    pub resources: Vec<ResourceRow>,
    /// Scopes.
    pub scopes: Vec<ScopeRow>,
    /// Spans.
    pub spans: Vec<SpanRow>,
    /// Attributes of everything.
    pub attrs: Vec<AttrRow>,
    /// Events.
    pub events: Vec<EventRow>,
    /// Links.
    pub links: Vec<LinkRow>,
}

impl SpanBatch {
    /// From owned spans, mostly for tests and small files.
    pub fn from_spans<'a>(spans: impl IntoIterator<Item = &'a Span>) -> Self {
        let mut builder = SpanBatchBuilder::default();
        for span in spans {
            builder.push_span(span);
        }
        builder.finish()
    }

    /// Number of spans.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// True without spans.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// The span at `index`, which must be below [`SpanBatch::len`].
    pub fn span(&self, index: usize) -> SpanRef<'_> {
        SpanRef { batch: self, row: &self.spans[index] }
    }

    /// All spans in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = SpanRef<'_>> {
        self.spans.iter().map(|row| SpanRef { batch: self, row })
    }

    /// All spans as owned values that share their resources and scopes.
    pub fn to_spans(&self) -> Vec<Span> {
        let resources: Vec<Arc<Resource>> =
            self.resources.iter().map(|row| Arc::new(ResourceRef { batch: self, row }.to_resource())).collect();
        let scopes: Vec<Arc<Scope>> =
            self.scopes.iter().map(|row| Arc::new(ScopeRef { batch: self, row }.to_scope())).collect();
        self.iter()
            .map(|span| {
                let (resource, scope) = (&resources[span.row.resource as usize], &scopes[span.row.scope as usize]);
                span.to_span_with(resource.clone(), scope.clone())
            })
            .collect()
    }

    /// Memory held, in bytes, for the store's budget.
    pub fn heap_bytes(&self) -> usize {
        use std::mem::size_of_val;
        self.strings.heap_bytes()
            + self.blobs.iter().map(|blob| blob.len() + 16).sum::<usize>()
            + size_of_val(self.resources.as_slice())
            + size_of_val(self.scopes.as_slice())
            + size_of_val(self.spans.as_slice())
            + size_of_val(self.attrs.as_slice())
            + size_of_val(self.events.as_slice())
            + size_of_val(self.links.as_slice())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Attributes, Event, Link, SpanKind, Status, StatusCode, UnixNanos, Value};
    use super::*;

    pub(super) fn sample() -> Span {
        let mut attributes = Attributes::default();
        attributes.push("http.request.method", "GET");
        attributes.push("http.response.status_code", 500_i64);
        attributes.push("ratio", 0.5);
        attributes.push("cached", false);
        attributes.push("nothing", Value::Empty);
        attributes.push("raw", Value::Bytes(Arc::from([1_u8, 2, 3].as_slice())));
        attributes.push(
            "nested",
            Value::Map(Arc::from([("list".into(), Value::Array(Arc::from([Value::from("x"), Value::Int(-7)])))].as_slice())),
        );
        Span {
            trace_id: TraceId([1; 16]),
            span_id: SpanId([2; 8]),
            parent: Some(SpanId([3; 8])),
            trace_state: "ot=th:8".into(),
            flags: 0x301,
            name: "GET /cart".into(),
            kind: SpanKind::Server,
            start: UnixNanos(100),
            end: Some(UnixNanos(250)),
            attributes,
            dropped_attributes: 1,
            events: vec![Event {
                time: UnixNanos(120),
                name: "exception".into(),
                attributes: [("exception.type", "Boom")].into_iter().collect(),
                dropped_attributes: 2,
            }],
            dropped_events: 3,
            links: vec![Link { trace_id: TraceId([9; 16]), span_id: SpanId([8; 8]), ..Link::default() }],
            dropped_links: 4,
            status: Status { code: StatusCode::Error, message: "boom".into() },
            resource: Arc::new(Resource::service("cart")),
            scope: Arc::new(Scope { name: "lib".into(), version: "1".into(), ..Scope::default() }),
        }
    }

    #[test]
    fn a_span_goes_in_and_comes_out_equal() {
        let mut in_flight = sample();
        in_flight.end = None;
        in_flight.span_id = SpanId([7; 8]);
        in_flight.parent = None;
        let spans = vec![sample(), in_flight];
        let batch = SpanBatch::from_spans(&spans);
        assert_eq!(batch.to_spans(), spans);
        assert_eq!(batch.resources.len(), 1, "equal resources share a row");
        assert_eq!(batch.span(0).service(), "cart");
        assert_eq!(batch.span(0).attr("http.response.status_code"), Some(ValueRef::Int(500)));
        assert_eq!(batch.span(1).end(), None);
    }

    #[test]
    fn copying_between_batches_keeps_every_field() {
        let spans = vec![sample(), Span { name: "other".into(), ..sample() }];
        let first = SpanBatch::from_spans(&spans);
        let mut builder = SpanBatchBuilder::default();
        builder.push_span(&Span { name: "before".into(), resource: Arc::new(Resource::service("x")), ..sample() });
        builder.copy(&first, [1, 0]);
        let copied = builder.finish().to_spans();
        assert_eq!(copied[1], spans[1]);
        assert_eq!(copied[2], spans[0]);
    }

    #[test]
    fn content_hash_differs_with_content_and_only_with_it() {
        let batch = SpanBatch::from_spans(&[sample(), sample(), Span { name: "other".into(), ..sample() }]);
        assert_eq!(batch.spans[0].content_hash, batch.spans[1].content_hash);
        assert_ne!(batch.spans[0].content_hash, batch.spans[2].content_hash);
    }
}
