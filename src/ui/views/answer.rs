//! An answer that stands until the next one is there: asked for off the frame when the question changes.
//!
//! The question is a value; what moves by itself (now, live data) is in it only as far as it should be asked again.

use super::shared::finished;
use crate::engine::{Engine, Query};
use crate::source::{QueryControl, SourceError};
use std::sync::Arc;
use std::time::Instant;

/// See the module comment.
pub(super) struct Answer<Q, T> {
    asking: Query<T>,
    asked: Option<Q>,
    /// When the running question was asked.
    since: Option<Instant>,
    /// The last answer.
    pub(super) shown: Option<Arc<T>>,
    /// Why there is none.
    pub(super) failed: Option<String>,
    /// The running question was given up.
    pub(super) cancelled: bool,
}

impl<Q, T> Default for Answer<Q, T> {
    fn default() -> Self {
        Self { asking: Query::Idle, asked: None, since: None, shown: None, failed: None, cancelled: false }
    }
}

impl<Q: PartialEq, T: Send + Sync + 'static> Answer<Q, T> {
    /// Polls, and asks when the question is another; true when another answer is shown.
    pub(super) fn update(
        &mut self,
        engine: &Engine,
        question: Q,
        work: impl FnOnce(&QueryControl) -> Result<T, SourceError> + Send + 'static,
    ) -> bool {
        let mut changed = false;
        match finished(&mut self.asking) {
            Some(Ok(answer)) => {
                (self.shown, self.failed) = (Some(answer), None);
                changed = true;
            }
            Some(Err(SourceError::Cancelled)) | None => {}
            Some(Err(error)) => self.failed = Some(error.to_string()),
        }
        if self.asks(&question) {
            self.asked = Some(question);
            self.since = Some(Instant::now());
            self.cancelled = false;
            self.asking = engine.ask(work);
        }
        changed
    }

    /// True when the next update with this question asks it.
    pub(super) fn asks(&self, question: &Q) -> bool {
        self.asked.as_ref() != Some(question)
    }

    /// Since when an answer is on its way, and how far it is.
    pub(super) fn progress(&self) -> Option<(Instant, (u64, u64))> {
        match &self.asking {
            Query::Running { control, .. } => self.since.map(|since| (since, control.progressed())),
            _ => None,
        }
    }

    /// Gives the running question up; what was shown stays.
    pub(super) fn cancel(&mut self) {
        self.cancelled = self.asking.is_running();
        self.asking = Query::Idle;
    }

    /// Asks again at the next update.
    pub(super) fn retry(&mut self) {
        (self.failed, self.cancelled) = (None, false);
        self.asked = None;
    }

    /// Forgets question and answer.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}
