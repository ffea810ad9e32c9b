//! Questions answered off the main thread.

use crate::model::{Attributes, StatusCode};
use crate::source::{QueryControl, SourceError};
use crate::tracer::Tracer;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::Waker;
use std::time::Instant;
use tokio::sync::oneshot;

/// Questions that wait for a reader thread; more are refused.
const WAITING: usize = 64;

type Job = Box<dyn FnOnce() + Send>;

/// A question and, in time, its answer. Dropping it cancels the work.
#[derive(Default)]
pub enum Query<T> {
    /// Nothing asked.
    #[default]
    Idle,
    /// Being worked on.
    Running {
        /// When it was asked.
        since: Instant,
        /// Cancels and reports progress.
        control: QueryControl,
        /// Where the answer will stand.
        answer: Arc<OnceLock<Result<Arc<T>, SourceError>>>,
    },
    /// Answered.
    Ready(Arc<T>),
    /// Could not be answered.
    Failed(SourceError),
}

impl<T> Query<T> {
    /// Moves a finished answer in; true when something changed. Call once a frame.
    pub fn poll(&mut self) -> bool {
        let Self::Running { answer, .. } = self else { return false };
        let Some(result) = answer.get().cloned() else { return false };
        *self = match result {
            Ok(value) => Self::Ready(value),
            Err(error) => Self::Failed(error),
        };
        true
    }

    /// The answer, when it is there.
    pub fn ready(&self) -> Option<&Arc<T>> {
        match self {
            Self::Ready(value) => Some(value),
            _ => None,
        }
    }

    /// True while it is being worked on.
    pub fn is_running(&self) -> bool {
        matches!(self, Self::Running { .. })
    }
}

impl<T> Drop for Query<T> {
    fn drop(&mut self) {
        if let Self::Running { control, .. } = self {
            control.cancel();
        }
    }
}

/// A small pool of reader threads with a bounded queue.
pub struct Readers {
    jobs: SyncSender<Job>,
    /// Records each question as a span.
    tracer: Option<Tracer>,
}

impl Readers {
    /// Starts `threads` readers. They end when the pool is dropped and its queue is empty.
    pub fn start(threads: usize) -> Self {
        Self::traced(threads, None)
    }

    /// As [`Readers::start`], each question a span of `tracer`.
    pub fn traced(threads: usize, tracer: Option<Tracer>) -> Self {
        let (jobs, queue) = sync_channel::<Job>(WAITING);
        let queue = Arc::new(Mutex::new(queue));
        for number in 0..threads {
            let queue = queue.clone();
            let spawned = std::thread::Builder::new().name(format!("reader-{number}")).spawn(move || work(&queue));
            if let Err(error) = spawned {
                tracing::error!(%error, "no reader thread");
            }
        }
        Self { jobs, tracer }
    }

    /// Queues a question. A full queue answers at once with an error.
    pub fn ask<T: Send + Sync + 'static>(
        &self,
        waker: Option<Waker>,
        question: impl FnOnce(&QueryControl) -> Result<T, SourceError> + Send + 'static,
    ) -> Query<T> {
        let control = QueryControl::default();
        let answer = Arc::new(OnceLock::new());
        let its_answer = answer.clone();
        let queued = self.queue(control.clone(), question, move |result| {
            its_answer.set(result.map(Arc::new)).ok();
            if let Some(waker) = waker {
                waker.wake();
            }
        });
        match queued {
            Ok(()) => Query::Running { since: Instant::now(), control, answer },
            Err(error) => Query::Failed(error),
        }
    }

    /// Queues a question and waits for the answer without blocking. Dropping the future cancels the work.
    pub async fn answer<T: Send + 'static>(
        &self,
        question: impl FnOnce(&QueryControl) -> Result<T, SourceError> + Send + 'static,
    ) -> Result<T, SourceError> {
        let cancel = CancelOnDrop(QueryControl::default());
        let (reply, answer) = oneshot::channel();
        self.queue(cancel.0.clone(), question, move |result| {
            reply.send(result).ok();
        })?;
        answer.await.unwrap_or(Err(SourceError::Cancelled))
    }

    fn queue<T: Send + 'static>(
        &self,
        control: QueryControl,
        question: impl FnOnce(&QueryControl) -> Result<T, SourceError> + Send + 'static,
        done: impl FnOnce(Result<T, SourceError>) + Send + 'static,
    ) -> Result<(), SourceError> {
        let mut span = self.tracer.as_ref().map(|tracer| tracer.span("query").start());
        let job = move || {
            if let Some(span) = &mut span {
                span.event("taken", Attributes::default());
            }
            let asked = AssertUnwindSafe(|| control.check().and_then(|()| question(&control)));
            let result = catch_unwind(asked)
                .unwrap_or_else(|_| Err(SourceError::Read("the query failed inside; details are in the log".to_owned())));
            if let (Some(span), Err(error)) = (&mut span, &result) {
                span.status(StatusCode::Error, &error.to_string());
            }
            drop(span);
            done(result);
        };
        self.jobs.try_send(Box::new(job)).map_err(|error| match error {
            TrySendError::Full(_) => SourceError::Busy,
            TrySendError::Disconnected(_) => SourceError::Read("the program is stopping".to_owned()),
        })
    }
}

struct CancelOnDrop(QueryControl);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

fn work(queue: &Mutex<Receiver<Job>>) {
    loop {
        // The lock is held while waiting: the next reader waits for the lock instead of the queue, which is the same.
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        match job {
            Ok(job) => job(),
            Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn wait<T>(query: &mut Query<T>) {
        let until = Instant::now() + Duration::from_secs(5);
        while query.is_running() && Instant::now() < until {
            query.poll();
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn a_question_is_answered_off_the_thread() {
        let readers = Readers::start(1);
        let mut query = readers.ask(None, |_| Ok(std::thread::current().name().map(str::to_owned)));
        wait(&mut query);
        assert_eq!(query.ready().unwrap().as_deref(), Some("reader-0"));
    }

    #[test]
    fn a_panic_inside_becomes_an_error_and_the_reader_lives_on() {
        let readers = Readers::start(1);
        let mut broken = readers.ask::<()>(None, |_| panic!("inside"));
        wait(&mut broken);
        assert!(matches!(broken, Query::Failed(_)));
        let mut query = readers.ask(None, |_| Ok(1));
        wait(&mut query);
        assert_eq!(query.ready().map(|value| **value), Some(1));
    }

    #[tokio::test]
    async fn an_answer_is_awaited_and_dropping_it_cancels_the_work() {
        let readers = Readers::start(1);
        assert_eq!(readers.answer(|_| Ok(5)).await.unwrap(), 5);
        let endless = readers.answer(|control| {
            while control.check().is_ok() {
                std::thread::sleep(Duration::from_millis(1));
            }
            Ok(())
        });
        assert!(tokio::time::timeout(Duration::from_millis(20), endless).await.is_err());
        assert_eq!(readers.answer(|_| Ok(6)).await.unwrap(), 6);
    }

    #[test]
    fn dropping_a_query_cancels_its_work() {
        let readers = Readers::start(1);
        let query = readers.ask(None, |control| {
            while control.check().is_ok() {
                std::thread::sleep(Duration::from_millis(1));
            }
            Ok(())
        });
        drop(query);
        let mut next = readers.ask(None, |_| Ok(()));
        wait(&mut next);
        assert!(next.ready().is_some());
    }
}
