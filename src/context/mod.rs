//! Propagation of trace context and baggage in every format people use; extract and inject over any carrier.
//!
//! Each format is a file with its rules and their edge cases as table tests; [`Composite`] puts them in an order. No format
//! ever fails: what it can't take it leaves, and says why ([`Problem`]). Any bytes in any header are survived, every list
//! has a limit. Used by the tracer, the receivers, the header inspector, and by services as a library (no dependency
//! beyond `model`). Rules: W3C trace context level 2, W3C baggage, OpenTelemetry's propagators specification and the
//! formats' own documents.

pub mod b3;
mod baggage;
mod carrier;
mod composite;
pub mod datadog;
mod fault;
mod hex;
pub mod inspect;
pub mod jaeger;
mod span_context;
pub mod threshold;
mod trace_state;
pub mod w3c;
pub mod w3c_baggage;
pub mod xray;

pub use baggage::{Baggage, Entry};
pub use carrier::{Environment, Extract, Inject};
pub use composite::{Behavior, Composite, Extraction, Format};
pub use fault::{Fault, Located, Problem, Problems};
pub use span_context::{Sampling, SpanContext, TraceFlags};
pub use trace_state::TraceState;
