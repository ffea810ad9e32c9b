//! What the list of traces and the view of one trace have in common: the list one came from, and following the newest.

use crate::engine::{Query, SourceId};
use crate::model::TraceId;
use crate::source::SourceError;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// See the module comment. Clones share it.
#[derive(Clone, Default)]
pub struct ListShared(Arc<Mutex<ListState>>);

/// The list as it was shown last.
#[derive(Clone, Debug, Default)]
pub struct ListState {
    /// Source of the list.
    pub source: Option<SourceId>,
    /// Query of the list.
    pub query: String,
    /// Traces in the order of the list.
    pub traces: Vec<TraceId>,
    /// Traces that match, listed or not.
    pub total: u64,
    /// The trace view moves to each new match.
    pub follow: bool,
}

impl ListShared {
    /// The list.
    pub fn lock(&self) -> MutexGuard<'_, ListState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ListState {
    /// Place of a trace in the list, from 0.
    pub fn position(&self, source: SourceId, id: TraceId) -> Option<usize> {
        (self.source == Some(source)).then(|| self.traces.iter().position(|other| *other == id)).flatten()
    }

    /// The trace `by` places further down, if there is one.
    pub fn beside(&self, source: SourceId, id: TraceId, by: isize) -> Option<TraceId> {
        let at = self.position(source, id)?.checked_add_signed(by)?;
        self.traces.get(at).copied()
    }
}

/// The answer of a query that has just finished, which is idle afterwards.
pub(crate) fn finished<T>(query: &mut Query<T>) -> Option<Result<Arc<T>, SourceError>> {
    if !query.poll() {
        return None;
    }
    let answer = match query {
        Query::Ready(answer) => Some(Ok(answer.clone())),
        Query::Failed(error) => Some(Err(error.clone())),
        _ => None,
    };
    *query = Query::Idle;
    answer
}
