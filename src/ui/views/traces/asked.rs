//! An answer that is asked for again when the question or the data changes; the one before stays until then.

use super::list::Question;
use crate::engine::{Engine, Query};
use crate::search::{ParseError, Query as Search, parse};
use crate::source::{QueryControl, SourceError, SpanSource, TimeRange};
use crate::ui::views::shared::finished;
use std::sync::Arc;
use std::time::Instant;

/// New data is asked for at most this often, seconds.
const ASK_EVERY_S: f64 = 1.0;

/// When and for which time it is asked.
#[derive(Clone, Copy)]
pub(super) struct Moment {
    /// Range of time of the question.
    pub(super) range: TimeRange,
    /// What is shown stays while only the data changed.
    pub(super) still: bool,
    /// Seconds since the window opened.
    pub(super) time: f64,
}

/// How an answer is found: source, query, question, key, range of time.
pub(super) type Work<K, T> = fn(&dyn SpanSource, &Search, &Question, &K, TimeRange, &QueryControl) -> Result<T, SourceError>;

/// See the module comment. `K` is what the question depends on besides the list's.
pub(super) struct Asked<K, T> {
    asking: Query<T>,
    asked: Option<(Question, K)>,
    revision: Option<u64>,
    at: f64,
    pub(super) since: Option<Instant>,
    pub(super) shown: Option<Arc<T>>,
    pub(super) failed: Option<String>,
}

impl<K, T> Default for Asked<K, T> {
    fn default() -> Self {
        Self { asking: Query::Idle, asked: None, revision: None, at: 0.0, since: None, shown: None, failed: None }
    }
}

impl<K: Clone + PartialEq + Send + 'static, T: Send + Sync + 'static> Asked<K, T> {
    /// Polls and asks; a range that moves with now is part of the question by its name, not by its end. True when another
    /// answer is shown.
    pub(super) fn update(
        &mut self,
        engine: &Engine,
        question: Question,
        key: K,
        moment: Moment,
        work: Work<K, T>,
    ) -> Result<bool, ParseError> {
        let Moment { range, still, time } = moment;
        let mut changed = false;
        match finished(&mut self.asking) {
            Some(Ok(answer)) => {
                self.failed = None;
                self.shown = Some(answer);
                changed = true;
            }
            Some(Err(SourceError::Cancelled)) | None => {}
            Some(Err(error)) => self.failed = Some(error.to_string()),
        }
        let search = parse(&question.text)?;
        let Some(source) = engine.source(question.source).map(|source| source.spans) else { return Ok(changed) };
        let revision = source.revision();
        let wanted = Some((question.clone(), key.clone()));
        let other = self.asked != wanted;
        let newer = !still && self.revision != Some(revision) && !self.asking.is_running() && time - self.at >= ASK_EVERY_S;
        if other || newer {
            self.asked = wanted;
            self.revision = Some(revision);
            self.at = time;
            self.since = Some(Instant::now());
            self.asking = engine.ask(move |control| work(&*source, &search, &question, &key, range, control));
        }
        Ok(changed)
    }

    /// True while an answer is on its way.
    pub(super) fn is_asking(&self) -> bool {
        self.asking.is_running()
    }

    /// Done and to do of the running question.
    pub(super) fn progress(&self) -> (u64, u64) {
        match &self.asking {
            Query::Running { control, .. } => control.progressed(),
            _ => (0, 0),
        }
    }

    /// True when the data is newer than what was asked for.
    pub(super) fn is_behind(&self, revision: u64) -> bool {
        self.revision != Some(revision)
    }

    /// Gives the running question up.
    pub(super) fn cancel(&mut self) {
        self.asking = Query::Idle;
    }

    /// Asks again at the next update.
    pub(super) fn retry(&mut self) {
        self.failed = None;
        self.asked = None;
    }
}
