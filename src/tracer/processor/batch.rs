//! Gathers ended spans and exports them in batches from a thread of its own.
//!
//! Ending a span costs a lock that few share and a pointer; it never waits for the exporter. When the queue is full the
//! span is dropped and counted. Exports never run at the same time. Defaults are the specification's: 2048 spans in the
//! queue, 512 in a batch, 5 s delay, 30 s for an export.
//!
//! The queue is in shards, one for every eighth thread. What it may hold together is one number, from which a shard takes
//! room for several spans at once, so threads seldom meet there either. A single thread can fill the whole queue; several
//! leave at most a sixteenth of it unused when it is full. Spans of one thread keep their order.

use super::{FlushError, Processor, is_sampled};
use crate::model::Span;
use crate::tracer::export::{ExportError, Exporter};
use crate::tracer::pool;
use std::cell::Cell;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

const SHARDS: usize = 8;
/// A shard takes this share of the queue's room at a time, and this much at most.
const ROOM_SHARE: usize = 16 * SHARDS;
const MOST_ROOM: usize = 64;

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
struct Shard {
    /// Boxed so that ending a span moves a pointer, not four hundred bytes, while others wait for the lock.
    #[allow(clippy::vec_box)]
    spans: Vec<Box<Span>>,
    /// Spans that may still come before more room has to be taken.
    room: usize,
    closed: bool,
}

/// A cache line of its own.
#[derive(Default)]
#[repr(align(128))]
struct Aligned(Mutex<Shard>);

impl Aligned {
    fn lock(&self) -> MutexGuard<'_, Shard> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Default)]
struct Control {
    /// Flushes asked for and done; whoever asks waits until the second has reached what the first was.
    asked: u64,
    done: u64,
    stop: bool,
    ended: bool,
    last_error: Option<ExportError>,
}

struct Inner {
    config: BatchConfig,
    shards: [Aligned; SHARDS],
    /// What the queue may still hold beyond the room that shards have taken.
    room: AtomicUsize,
    /// What a shard takes of it.
    share: usize,
    /// True while the thread waits for work.
    asleep: AtomicBool,
    control: Mutex<Control>,
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

/// The shard of this thread.
fn shard_of_thread() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static SHARD: Cell<usize> = const { Cell::new(usize::MAX) };
    }
    SHARD.with(|shard| {
        if shard.get() == usize::MAX {
            shard.set(NEXT.fetch_add(1, Ordering::Relaxed) % SHARDS);
        }
        shard.get()
    })
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, Control> {
        self.control.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes room for a shard, if there is any; also whether a batch may be full now.
    fn take_room(&self) -> (usize, bool) {
        let take = |room: usize| (room > 0).then(|| room - room.min(self.share));
        match self.room.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take) {
            Ok(before) => {
                let taken = before.min(self.share);
                (taken, self.config.queue - (before - taken) >= self.config.batch)
            }
            Err(_) => (0, true),
        }
    }

    /// Wakes the thread when it sleeps. It says that it will before it looks at the shards a last time, so either it sees
    /// a span or whoever brought the span sees it asleep.
    fn wake(&self) {
        if self.asleep.swap(false, Ordering::AcqRel) {
            drop(self.lock());
            self.work.notify_one();
        }
    }

    fn waiting(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().spans.len()).sum()
    }

    /// Sleeps until there is work: the flush to reach, whether everything goes out, whether to stop.
    fn sleep(&self, taken: usize, due: &mut Instant) -> (u64, bool, bool) {
        let mut control = self.lock();
        loop {
            self.asleep.store(true, Ordering::SeqCst);
            let waiting = taken + self.waiting();
            let now = Instant::now();
            let late = now >= *due;
            if control.stop || control.asked > control.done || waiting >= self.config.batch || (late && waiting > 0) {
                self.asleep.store(false, Ordering::Relaxed);
                return (control.asked, late || control.stop || control.asked > control.done, control.stop);
            }
            if late {
                *due = now + self.config.delay;
            }
            control = self.work.wait_timeout(control, *due - now).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn run(&self, mut exporter: Box<dyn Exporter>) {
        let (mut taken, mut batch) = (VecDeque::new(), Vec::new());
        let mut due = Instant::now() + self.config.delay;
        loop {
            let (flush, whole, stop) = self.sleep(taken.len(), &mut due);
            for shard in &self.shards {
                let mut shard = shard.lock();
                shard.closed |= stop;
                taken.extend(shard.spans.drain(..));
            }
            let mut last_error = None;
            while taken.len() >= self.config.batch || (whole && !taken.is_empty()) {
                let count = taken.len().min(self.config.batch);
                batch.extend(taken.drain(..count));
                self.room.fetch_add(count, Ordering::Relaxed);
                last_error = exporter.export(&batch, self.config.export_timeout).err();
                let counter = if last_error.is_none() { &self.exported } else { &self.failed };
                counter.fetch_add(count as u64, Ordering::Relaxed);
                pool::give(&mut batch);
            }
            due = Instant::now() + self.config.delay;
            let mut control = self.lock();
            control.done = flush;
            control.ended = stop;
            control.last_error = last_error;
            drop(control);
            self.progress.notify_all();
            if stop {
                exporter.shutdown();
                return;
            }
        }
    }

    /// Asks for a flush, or the stop, and waits for it.
    fn ask(&self, stop: bool, timeout: Duration) -> Result<(), FlushError> {
        let deadline = Instant::now() + timeout;
        let mut control = self.lock();
        if control.ended {
            return Ok(());
        }
        control.stop |= stop;
        control.asked += 1;
        let target = control.asked;
        self.work.notify_one();
        while control.done < target && !control.ended {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(FlushError::TimedOut(timeout));
            }
            control = self.progress.wait_timeout(control, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        control.last_error.clone().map_or(Ok(()), |error| Err(error.into()))
    }
}

impl Batch {
    /// Starts the thread that exports. Where the system gives no thread, every span is counted as dropped.
    pub fn new(exporter: impl Exporter + 'static, config: BatchConfig) -> Self {
        let queue = config.queue.max(1);
        let config = BatchConfig { queue, batch: config.batch.clamp(1, queue), ..config };
        let inner = Arc::new(Inner {
            config,
            shards: Default::default(),
            room: AtomicUsize::new(queue),
            share: (queue / ROOM_SHARE).clamp(1, MOST_ROOM),
            asleep: AtomicBool::new(false),
            control: Mutex::default(),
            work: Condvar::new(),
            progress: Condvar::new(),
            exported: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
        });
        let worker = inner.clone();
        let exporter: Box<dyn Exporter> = Box::new(exporter);
        if std::thread::Builder::new().name("span-export".into()).spawn(move || worker.run(exporter)).is_err() {
            inner.lock().ended = true;
            inner.shards.iter().for_each(|shard| shard.lock().closed = true);
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
        let mut shard = inner.shards[shard_of_thread()].lock();
        let mut full = false;
        if shard.room == 0 {
            (shard.room, full) = inner.take_room();
        }
        if shard.closed || shard.room == 0 {
            drop(shard);
            inner.dropped.fetch_add(1, Ordering::Relaxed);
        } else {
            shard.room -= 1;
            shard.spans.push(span);
            drop(shard);
        }
        if full {
            inner.wake();
        }
    }

    fn flush(&self, timeout: Duration) -> Result<(), FlushError> {
        self.0.ask(false, timeout)
    }

    fn shutdown(&self, timeout: Duration) -> Result<(), FlushError> {
        self.0.ask(true, timeout)
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        self.0.lock().stop = true;
        self.0.work.notify_one();
    }
}
