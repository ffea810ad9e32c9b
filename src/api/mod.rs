//! The local HTTP API: Prometheus' and Alertmanager's, Jaeger's query API, Belvedere's own under `/belvedere/v1/`, health and `/metrics`.
//!
//! Pure where it can be: a request becomes a question to a source, an answer becomes one of [`objects`]. Every question
//! runs on the engine's reader threads; the sockets never wait for it. The collector owns the door itself: its addresses,
//! its connections, and the gate that lets in only `Host` and `Origin` of this machine or origins that the user allowed.

mod alerting;
mod alertmanager;
mod answer;
mod health;
pub mod insight;
mod insight_objects;
mod jaeger;
pub mod objects;
mod own;
mod params;
pub mod prometheus;
mod rules;
mod server;
mod unfinished;

pub use jaeger::read_trace_id;
pub use own::{ExportError, export_trace, query_traces};
pub use server::start;

use crate::engine::{Engine, WORKSPACE};
use crate::source::{QueryControl, SourceError, SpanSource};

/// Asks the workspace on a reader thread.
async fn ask_workspace<T: Send + 'static>(
    engine: &Engine,
    question: impl FnOnce(&dyn SpanSource, &QueryControl) -> Result<T, SourceError> + Send + 'static,
) -> Result<T, SourceError> {
    let Some(workspace) = engine.source(WORKSPACE) else {
        return Err(SourceError::Read("no workspace is open here".to_owned()));
    };
    engine.answer(move |control| question(&*workspace.spans, control)).await
}
