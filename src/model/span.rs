//! An owned span: what codecs build, tests compare and the tracer produces.

use super::id::{SpanId, TraceId};
use super::resource::{Resource, Scope};
use super::time::{DurationNs, UnixNanos};
use super::value::Attributes;
use smol_str::SmolStr;
use std::sync::Arc;

/// Attribute of a span in flight that is not waited for any more; its value says why, in words. Exporters of this program
/// set it on the spans that are open when they shut down.
pub const GIVEN_UP: &str = "belvedere.given_up";

/// The role of a span in a call. Numbers are those of OTLP.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
#[repr(u8)]
pub enum SpanKind {
    /// The sender did not say.
    #[default]
    Unspecified = 0,
    /// Work inside a service.
    Internal = 1,
    /// Answers a remote call.
    Server = 2,
    /// Makes a remote call.
    Client = 3,
    /// Hands a message to a broker.
    Producer = 4,
    /// Takes a message from a broker.
    Consumer = 5,
}

impl SpanKind {
    /// All kinds, in the order of their numbers.
    pub const ALL: [Self; 6] = [Self::Unspecified, Self::Internal, Self::Server, Self::Client, Self::Producer, Self::Consumer];

    /// From the number of OTLP; unknown numbers are unspecified.
    pub fn from_number(number: u64) -> Self {
        usize::try_from(number).ok().and_then(|at| Self::ALL.get(at)).copied().unwrap_or_default()
    }

    /// The lower-case word, `unspecified` to `consumer`.
    pub fn word(self) -> &'static str {
        ["unspecified", "internal", "server", "client", "producer", "consumer"][self as usize]
    }

    /// From the lower-case or upper-case word, with or without `SPAN_KIND_`.
    pub fn from_word(word: &str) -> Option<Self> {
        let lower = word.to_ascii_lowercase();
        let bare = lower.strip_prefix("span_kind_").unwrap_or(&lower);
        Self::ALL.into_iter().find(|kind| kind.word() == bare)
    }
}

/// Status code, in the numbers of OTLP.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
#[repr(u8)]
pub enum StatusCode {
    /// Nobody said.
    #[default]
    Unset = 0,
    /// Explicitly fine.
    Ok = 1,
    /// Failed.
    Error = 2,
}

impl StatusCode {
    /// From the number of OTLP; unknown numbers are unset.
    pub fn from_number(number: u64) -> Self {
        match number {
            1 => Self::Ok,
            2 => Self::Error,
            _ => Self::Unset,
        }
    }

    /// `unset`, `ok` or `error`.
    pub fn word(self) -> &'static str {
        ["unset", "ok", "error"][self as usize]
    }
}

/// Outcome of a span.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Status {
    /// Code.
    pub code: StatusCode,
    /// Only meaningful with an error.
    pub message: SmolStr,
}

/// Something that happened during a span (or, in practice, near it).
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Event {
    /// When; may lie outside the span.
    pub time: UnixNanos,
    /// `exception`, `message`, …
    pub name: SmolStr,
    /// Attributes.
    pub attributes: Attributes,
    /// Attributes the sender dropped.
    pub dropped_attributes: u32,
}

/// A pointer to another span, in this trace or another.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Link {
    /// Trace pointed to.
    pub trace_id: TraceId,
    /// Span pointed to.
    pub span_id: SpanId,
    /// W3C `tracestate` of the linked context, verbatim.
    pub trace_state: SmolStr,
    /// W3C flags in bits 0–7, bit 8 "has is-remote", bit 9 "is remote".
    pub flags: u32,
    /// Attributes.
    pub attributes: Attributes,
    /// Attributes the sender dropped.
    pub dropped_attributes: u32,
}

/// One span with everything OTLP can say of it.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Span {
    /// Trace it belongs to.
    pub trace_id: TraceId,
    /// Its own id.
    pub span_id: SpanId,
    /// Parent, if any; it may never arrive.
    pub parent: Option<SpanId>,
    /// W3C `tracestate`, verbatim.
    pub trace_state: SmolStr,
    /// W3C flags in bits 0–7, bit 8 "has is-remote", bit 9 "is remote".
    pub flags: u32,
    /// Operation name.
    pub name: SmolStr,
    /// Role in the call.
    pub kind: SpanKind,
    /// Start.
    pub start: UnixNanos,
    /// End; `None` while the span is in flight (pending, `in_progress`).
    pub end: Option<UnixNanos>,
    /// Attributes.
    pub attributes: Attributes,
    /// Attributes the sender dropped.
    pub dropped_attributes: u32,
    /// Events in the order they came.
    pub events: Vec<Event>,
    /// Events the sender dropped.
    pub dropped_events: u32,
    /// Links in the order they came.
    pub links: Vec<Link>,
    /// Links the sender dropped.
    pub dropped_links: u32,
    /// Outcome.
    pub status: Status,
    /// Sender.
    pub resource: Arc<Resource>,
    /// Instrumentation scope.
    pub scope: Arc<Scope>,
}

impl Span {
    /// End minus start; zero in flight; negative when the sender's clock stepped back.
    pub fn duration(&self) -> DurationNs {
        self.end.map_or(DurationNs(0), |end| end.since(self.start))
    }

    /// `service.name` of the resource.
    pub fn service(&self) -> &str {
        self.resource.service_name()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_read_from_numbers_and_words() {
        assert_eq!(SpanKind::from_number(3), SpanKind::Client);
        assert_eq!(SpanKind::from_number(99), SpanKind::Unspecified);
        assert_eq!(SpanKind::from_word("SPAN_KIND_SERVER"), Some(SpanKind::Server));
        assert_eq!(SpanKind::from_word("x"), None);
    }
}
