//! Span lifecycle: tracer, span, limits, samplers, processors and exporters, by the rules of the OpenTelemetry SDK
//! specification (trace SDK and API; the reading behind it is Dapper).
//!
//! ```
//! use belvedere::model::{Attributes, Resource, SpanKind};
//! use belvedere::tracer::{InMemory, Provider, Simple};
//!
//! let exporter = InMemory::default();
//! let provider = Provider::builder(Resource::service("shop")).processor(Simple::new(exporter.clone())).build();
//! let tracer = provider.tracer("checkout", "1.0");
//! let mut root = tracer.span("POST /orders").kind(SpanKind::Server).start();
//! root.set("http.request.method", "POST");
//! let mut child = tracer.span("reserve").parent(root.context()).start();
//! child.event("reserved", Attributes::default());
//! child.end();
//! root.end();
//! assert_eq!(exporter.spans().len(), 2);
//! ```
//!
//! Parents are passed as values; there is no ambient "current span", so nothing depends on threads. Builds without the
//! application (`--no-default-features`); the OTLP exporter needs the feature `headless`. Clock and ids are injected.

mod clock;
mod cycles;
mod export;
mod ids;
mod limits;
mod pool;
mod processor;
mod provider;
mod sampler;
mod span;

pub use crate::context::threshold;
pub use clock::{Clock, ManualClock, SystemClock};
pub use cycles::CycleClock;
pub use export::{ExportError, Exporter, InMemory};
#[cfg(feature = "headless")]
pub use export::{IntoStore, Otlp, OtlpConfig, Protocol, RetryPolicy, Sender, SignalPath};
pub use ids::{IdSource, RandomIds, SeededIds, mix};
pub use limits::SpanLimits;
pub use processor::{Batch, BatchConfig, BatchCounts, FlushError, Live, Processor, Simple};
pub use provider::{Provider, ProviderBuilder, SpanBuilder, Tracer};
pub use sampler::{Candidate, Decision, ParentBased, RateLimit, Sampled, Sampler, ShouldSample};
pub use span::Span;

use smol_str::SmolStr;

/// A name or an attribute key. A literal costs no allocation, however long.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Key(pub SmolStr);

impl From<&'static str> for Key {
    fn from(text: &'static str) -> Self {
        Self(SmolStr::new_static(text))
    }
}

impl From<String> for Key {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl From<SmolStr> for Key {
    fn from(text: SmolStr) -> Self {
        Self(text)
    }
}

#[cfg(test)]
mod tests;
