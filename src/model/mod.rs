//! Plain data that every room speaks: ids, times, attribute values, spans, traces, logs, labels, units.
//!
//! No I/O, no clock and no randomness here. [`Span`] is the owned form that is pleasant to build and to compare;
//! [`SpanBatch`] is the columnar form in which spans travel from a codec through the store to the window, read through
//! [`SpanRef`]. Anything may use this room; it uses nothing.

pub mod batch;
pub mod door;
pub mod histogram;
pub mod id;
pub mod labels;
pub mod log;
pub mod resource;
pub mod sample;
pub mod span;
pub mod time;
pub mod trace;
pub mod units;
pub mod value;

pub use batch::{AttrsRef, EventRef, LinkRef, ResourceRef, SpanBatch, SpanBatchBuilder, SpanRef, ValueRef};
pub use door::{Door, Signal};
pub use histogram::{BucketSpan, FloatHistogram, ResetHint};
pub use id::{SpanId, TraceId};
pub use labels::{Labels, LabelsBuilder};
pub use log::LogRecord;
pub use resource::{Resource, Scope};
pub use sample::{Exemplar, MetricKind, MetricMetadata, SampleBatch, SampleColumn, SampleValue};
pub use span::{Event, Link, Span, SpanKind, Status, StatusCode};
pub use time::{DurationNs, UnixNanos};
pub use trace::{Trace, TraceSummary};
pub use value::{Attributes, Value};
