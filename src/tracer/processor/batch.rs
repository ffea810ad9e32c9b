//! Gathers ended spans and exports them in batches from a thread of its own.
//!
//! Ending a span costs one short lock and a pointer; it never waits for the exporter. When the queue is full the span is
//! dropped and counted. Exports never run at the same time. Defaults are the specification's: 2048 spans in the queue,
//! 512 in a batch, 5 s delay, 30 s for an export.

use super::{FlushError, Processor, is_sampled};
use crate::model::Span;
use crate::tracer::export::{ExportError, Exporter};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Sizes and delays.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BatchConfig {
    /// Spans that may wait.
    pub queue: usize,
    /// Spans in one export, at most the queue's size.
    pub batch: usize,
    /// Longest wait before what is there is exported.
    pub delay: Duration,
    /// How long one export may take.
    pub export_timeout: Duration,
}

impl Default for BatchConfig {
    fn default() -> Self {
        Self { queue: 2048, batch: 512, delay: Duration::from_secs(5), export_timeout: Duration::from_secs(30) }
    }
}

/// What became of the spans that ended; waiting ones are the difference.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct BatchCounts {
    /// Taken by the exporter.
    pub exported: u64,
    /// Refused by the exporter for good.
    pub failed: u64,
    /// Not queued, because the queue was full or the processor had stopped.
    pub dropped: u64,
}

#[derive(Default)]
struct Queue {
    /// Boxed so that ending a span moves a pointer, not four hundred bytes, while others wait for the lock.
    #[allow(clippy::vec_box)]
    spans: Vec<Box<Span>>,
    /// Spans ever queued and spans ever done with; a flush waits until the second has reached what the first was.
    queued: u64,
    done: u64,
    flush_to: u64,
    stopped: bool,
    last_error: Option<ExportError>,
}

struct Inner {
    config: BatchConfig,
    queue: Mutex<Queue>,
    /// Wakes the thread: a batch is full, a flush, the stop.
    work: Condvar,
    /// Wakes those who wait for a flush.
    progress: Condvar,
    exported: AtomicU64,
    failed: AtomicU64,
    dropped: AtomicU64,
}

/// See the module comment.
pub struct Batch(Arc<Inner>);

impl Inner {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, mut exporter: Box<dyn Exporter>) {
        let mut due = Instant::now() + self.config.delay;
        loop {
            let mut queue = self.lock();
            loop {
                let now = Instant::now();
                let pressing = queue.spans.len() >= self.config.batch || queue.flush_to > queue.done || queue.stopped;
                if pressing || (now >= due && !queue.spans.is_empty()) {
                    break;
                }
                if now >= due {
                    due = now + self.config.delay;
                }
                queue = self.work.wait_timeout(queue, due - now.min(due)).unwrap_or_else(PoisonError::into_inner).0;
            }
            if queue.spans.is_empty() {
                let stopped = queue.stopped;
                queue.flush_to = queue.flush_to.min(queue.done);
                drop(queue);
                self.progress.notify_all();
                if stopped {
                    exporter.shutdown();
                    return;
                }
                continue;
            }
            let take = queue.spans.len().min(self.config.batch);
            let batch: Vec<Box<Span>> = if take == queue.spans.len() {
                std::mem::replace(&mut queue.spans, Vec::with_capacity(take))
            } else {
                queue.spans.drain(..take).collect()
            };
            drop(queue);
            let result = exporter.export(batch, self.config.export_timeout);
            let counter = if result.is_ok() { &self.exported } else { &self.failed };
            counter.fetch_add(take as u64, Ordering::Relaxed);
            let mut queue = self.lock();
            queue.done += take as u64;
            queue.last_error = result.err();
            drop(queue);
            self.progress.notify_all();
            due = Instant::now() + self.config.delay;
        }
    }

    fn wait(&self, target: u64, timeout: Duration) -> Result<(), FlushError> {
        let deadline = Instant::now() + timeout;
        let mut queue = self.lock();
        loop {
            if queue.done >= target {
                return queue.last_error.clone().map_or(Ok(()), |error| Err(error.into()));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(FlushError::TimedOut(timeout));
            }
            queue = self.progress.wait_timeout(queue, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Batch {
    /// Starts the thread that exports. Where the system gives no thread, every span is counted as dropped.
    pub fn new(exporter: impl Exporter + 'static, config: BatchConfig) -> Self {
        let queue = config.queue.max(1);
        let config = BatchConfig { queue, batch: config.batch.clamp(1, queue), ..config };
        let inner = Arc::new(Inner {
            config,
            queue: Mutex::default(),
            work: Condvar::new(),
            progress: Condvar::new(),
            exported: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
        });
        let worker = inner.clone();
        let exporter: Box<dyn Exporter> = Box::new(exporter);
        if std::thread::Builder::new().name("span-export".into()).spawn(move || worker.run(exporter)).is_err() {
            inner.lock().stopped = true;
        }
        Self(inner)
    }

    /// What became of the spans so far.
    pub fn counts(&self) -> BatchCounts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        BatchCounts { exported: read(&self.0.exported), failed: read(&self.0.failed), dropped: read(&self.0.dropped) }
    }
}

impl Processor for Batch {
    fn on_end(&self, span: Box<Span>) {
        if !is_sampled(&span) {
            return;
        }
        let inner = &*self.0;
        let mut queue = inner.lock();
        if queue.stopped || queue.spans.len() >= inner.config.queue {
            drop(queue);
            inner.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        queue.spans.push(span);
        queue.queued += 1;
        let full = queue.spans.len() == inner.config.batch;
        drop(queue);
        if full {
            inner.work.notify_one();
        }
    }

    fn flush(&self, timeout: Duration) -> Result<(), FlushError> {
        let mut queue = self.0.lock();
        let target = queue.queued;
        if queue.done >= target {
            return Ok(());
        }
        queue.flush_to = target;
        drop(queue);
        self.0.work.notify_one();
        self.0.wait(target, timeout)
    }

    fn shutdown(&self, timeout: Duration) -> Result<(), FlushError> {
        let mut queue = self.0.lock();
        queue.stopped = true;
        let target = queue.queued;
        drop(queue);
        self.0.work.notify_one();
        self.0.wait(target, timeout)
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        self.0.lock().stopped = true;
        self.0.work.notify_one();
    }
}
