//! The traits that rooms read telemetry by, and what goes down with a call: predicates, ranges, limits, cancellation.
//!
//! A workspace, an opened file and (later) other people's backends all answer the same traits, so that analysis, search,
//! the window and the command line never know which one they read. No trait hands out a type of a storage engine.

#[cfg(feature = "headless")]
mod matching;
mod memory;
mod predicate;
mod series;
#[cfg(feature = "headless")]
mod series_memory;
pub(crate) mod tally;

#[cfg(feature = "headless")]
pub use matching::{ReadyMatcher, ReadyMatchers, anchored_regex};
pub use memory::MemorySource;
pub use predicate::{AttrScope, Comparison, Field, Literal, Predicate};
pub use series::{MatchOp, Matcher, MillisRange, PickedSeries, SeriesRequest, SeriesSet, SeriesSource};
#[cfg(feature = "headless")]
pub use series_memory::MemorySeries;

use crate::model::{DurationNs, Trace, TraceId, TraceSummary, UnixNanos};
use smol_str::SmolStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// A half-open range of time, `start <= t < end`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TimeRange {
    /// First moment inside.
    pub start: UnixNanos,
    /// First moment outside.
    pub end: UnixNanos,
}

impl TimeRange {
    /// All of time.
    pub const ALL: Self = Self { start: UnixNanos(i64::MIN), end: UnixNanos(i64::MAX) };

    /// True for a moment inside.
    pub fn contains(self, time: UnixNanos) -> bool {
        self.start <= time && time < self.end
    }

    /// True when `[start, end]` (both inclusive, as a span's times are) has a moment in the range.
    pub fn overlaps(self, start: UnixNanos, end: UnixNanos) -> bool {
        start < self.end && end >= self.start
    }
}

/// Order of a list of traces. Ties go by trace id, so that an order is always the same.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum TraceOrder {
    /// Latest start first.
    #[default]
    Newest,
    /// Longest first.
    Longest,
    /// Most spans first.
    MostSpans,
    /// Most errors first.
    MostErrors,
    /// Earliest start first.
    Oldest,
    /// Shortest first.
    Shortest,
    /// Fewest spans first.
    FewestSpans,
    /// Fewest errors first.
    FewestErrors,
}

/// A question for traces.
#[derive(Clone, Debug)]
pub struct TraceRequest {
    /// Traces that overlap this range.
    pub range: TimeRange,
    /// At least one span of the trace matches.
    pub predicate: Predicate,
    /// Order.
    pub order: TraceOrder,
    /// At most this many; 0 is all.
    pub limit: usize,
}

impl Default for TraceRequest {
    fn default() -> Self {
        Self { range: TimeRange::ALL, predicate: Predicate::All, order: TraceOrder::Newest, limit: 100 }
    }
}

/// An answer to a [`TraceRequest`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TraceList {
    /// In the order asked for.
    pub traces: Vec<TraceSummary>,
    /// Traces that match, shown or not.
    pub total: u64,
}

/// One service over a range.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ServiceSummary {
    /// Name.
    pub service: SmolStr,
    /// Spans.
    pub spans: u64,
    /// Requests: server and consumer spans, and parentless spans of any kind.
    pub requests: u64,
    /// Requests with an error.
    pub errors: u64,
    /// Median, 95th and 99th percentile of the duration of requests.
    pub p50: DurationNs,
    /// 95th percentile.
    pub p95: DurationNs,
    /// 99th percentile.
    pub p99: DurationNs,
    /// Latest start of a span.
    pub last_seen: UnixNanos,
    /// Requests in each of a fixed number of equal parts of the range, oldest first.
    pub spark: Vec<u32>,
}

/// One life of a service instance (see the architecture's words: run).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Run {
    /// Service.
    pub service: SmolStr,
    /// `service.instance.id`, else host and process id.
    pub instance: SmolStr,
    /// `service.version`, empty when unknown.
    pub version: SmolStr,
    /// First span received.
    pub first_seen: UnixNanos,
    /// Last span received.
    pub last_seen: UnixNanos,
    /// Spans.
    pub spans: u64,
}

/// A value of an attribute with the number of spans that have it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ValueCount {
    /// As it prints.
    pub value: SmolStr,
    /// Spans.
    pub spans: u64,
}

/// Why a source could not answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SourceError {
    /// The asker gave up.
    #[error("cancelled")]
    Cancelled,
    /// The question would read more than is allowed.
    #[error("the query would read {what}, more than the limit of {limit}. Narrow the time range or the filter")]
    TooMuch {
        /// What and how much.
        what: String,
        /// The limit.
        limit: u64,
    },
    /// This source cannot answer this kind of question.
    #[error("{source_name} cannot {what}")]
    Unsupported {
        /// Name of the source.
        source_name: String,
        /// What was asked.
        what: String,
    },
    /// As many questions wait as are allowed; a later one may be taken.
    #[error("too many queries are waiting. Ask again in a moment")]
    Busy,
    /// Reading failed; the text names the place.
    #[error("{0}")]
    Read(String),
}

/// Carried by a query from the asker to whoever works on it: cancellation one way, progress the other.
#[derive(Clone, Debug, Default)]
pub struct QueryControl {
    cancelled: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
    of: Arc<AtomicU64>,
}

impl QueryControl {
    /// Asks the worker to stop at its next check.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// An error once cancelled; workers call it every few thousand spans.
    pub fn check(&self) -> Result<(), SourceError> {
        if self.cancelled.load(Ordering::Relaxed) { Err(SourceError::Cancelled) } else { Ok(()) }
    }

    /// Reports progress as a count of spans.
    pub fn progress(&self, done: u64, of: u64) {
        self.done.store(done, Ordering::Relaxed);
        self.of.store(of, Ordering::Relaxed);
    }

    /// Spans done and spans to do.
    pub fn progressed(&self) -> (u64, u64) {
        (self.done.load(Ordering::Relaxed), self.of.load(Ordering::Relaxed))
    }
}

/// Where traces are read from.
pub trait SpanSource: Send + Sync {
    /// A name for people: the workspace's, the file's.
    fn name(&self) -> String;

    /// Changes whenever an answer could change; equal numbers mean equal answers.
    fn revision(&self) -> u64;

    /// Earliest start and latest end of what is there; `None` when empty.
    fn extent(&self) -> Option<TimeRange>;

    /// Every stored span of a trace, or `None` when there is none.
    fn trace(&self, id: TraceId, control: &QueryControl) -> Result<Option<Trace>, SourceError>;

    /// Traces with a matching span.
    fn traces(&self, request: &TraceRequest, control: &QueryControl) -> Result<TraceList, SourceError>;

    /// Services with spans in the range, by name; sparklines of `parts` parts.
    fn services(&self, range: TimeRange, parts: usize, control: &QueryControl) -> Result<Vec<ServiceSummary>, SourceError>;

    /// Runs of all services, latest first.
    fn runs(&self, control: &QueryControl) -> Result<Vec<Run>, SourceError>;

    /// Span names of a service (all services when empty) with their span counts, most first.
    fn operations(&self, service: &str, control: &QueryControl) -> Result<Vec<ValueCount>, SourceError>;

    /// Attribute keys of a scope with the number of spans that have them, most first; for completion.
    fn attribute_keys(&self, scope: AttrScope, control: &QueryControl) -> Result<Vec<ValueCount>, SourceError>;

    /// Values of a field with their span counts, most first, at most `limit`; for completion.
    fn values(&self, field: &Field, limit: usize, control: &QueryControl) -> Result<Vec<ValueCount>, SourceError>;
}
