//! The workspace on disk: a folder with `data.sqlite` (telemetry), `control.sqlite` (settings, rules, alerts, silences, notifications) and a lock.
//!
//! A received batch goes three steps: a compressed row of the **journal**, committed before it is acknowledged; the
//! **head**, decoded in memory and visible to readers at once; a **segment**, columnar and compressed, sealed in the
//! background with the journal rows deleted in the same transaction. One writer thread a file owns its only writing
//! connection; readers have connections of their own and never wait for it.
//!
//! The room owns the files' layout, durability, duplicates, retention and the accounts. It is called by `collector`
//! (append), `engine` and everything above (read). It never interprets what telemetry means beyond that.

mod accounts;
mod bytes;
mod clear;
mod control;
mod dedupe;
mod error;
mod head;
mod journal;
mod keeper;
mod listing;
mod lock;
mod metrics;
mod raw;
mod reading;
mod retention;
mod rewrite;
#[doc(hidden)]
pub mod samples;
mod schema;
mod seal;
mod segment;
mod shared;
mod source;
#[cfg(test)]
mod tests;
mod twins;
mod writer;

pub use accounts::AccountRow;
pub use clear::{Clear, ClearToken};
pub use control::{Record, RecordChange, Written};
pub use error::{Busy, StoreError};
pub use lock::Lock;
pub use metrics::{Cardinality, OUT_OF_ORDER_WINDOW_MS, Refusal};

use crate::model::{Door, SampleBatch, Signal, SpanBatch, TraceId, UnixNanos};
use crate::source::{SeriesSource, SpanSource};
use accounts::{Change, Ledger};
use control::Control;
use dedupe::Seen;
use head::HeadBatch;
use keeper::{Keeper, Order};
use schema::Kind;
use shared::Shared;
use smol_str::SmolStr;
use std::future::Future;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::oneshot;
use writer::{Job, RawJob, SpansJob, Writer};

/// Batches that may wait for the writer.
const WAITING_BATCHES: usize = 1_024;
/// What a client is told to wait when the queue is full.
const RETRY_QUEUE: Duration = Duration::from_millis(200);
/// What a client is told to wait when the disk is full.
const RETRY_DISK: Duration = Duration::from_secs(5);

/// How a workspace is kept.
#[derive(Clone, Debug)]
pub struct Options {
    /// Size at which retention starts to drop, in bytes.
    pub disk_limit: u64,
    /// Age by receipt at which retention drops.
    pub max_age: Duration,
    /// Decoded bytes of unsealed spans that stay in memory.
    pub head_bytes: usize,
    /// Bytes of batches that may wait for the writer before new ones are turned away.
    pub queue_bytes: usize,
    /// Series that may come by one door; new ones above it are refused, known ones never.
    pub series_limit: u64,
    /// Pages of 4 KiB that the data file may have; `None` for as many as the disk holds. Stands in for a full disk in tests.
    pub max_pages: Option<u32>,
    /// What time it is, for retention.
    pub clock: fn() -> UnixNanos,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            disk_limit: 5_000_000_000,
            max_age: Duration::from_secs(14 * 86_400),
            head_bytes: 10 << 20,
            queue_bytes: 64 << 20,
            series_limit: 1_000_000,
            max_pages: None,
            clock: system_time,
        }
    }
}

fn system_time() -> UnixNanos {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    UnixNanos(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}

/// What became of an acknowledged batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Appended {
    /// Items written down.
    pub stored: u64,
    /// Items that were there already.
    pub duplicate: u64,
    /// Of the stored samples, those that came after a later one of their series.
    pub out_of_order: u64,
    /// Samples refused because another value is stored for their time.
    pub conflicting: u64,
    /// Samples refused because they are too long before the last of their series.
    pub too_old: u64,
    /// Samples refused because their series is new and its door has as many as it may.
    pub over_limit: u64,
    /// Samples refused because their labels cannot be read.
    pub invalid: u64,
}

impl Appended {
    /// Samples that were refused for a reason.
    pub fn refused(&self, refusal: Refusal) -> u64 {
        match refusal {
            Refusal::Conflicting => self.conflicting,
            Refusal::TooOld => self.too_old,
            Refusal::OverLimit => self.over_limit,
            Refusal::Invalid => self.invalid,
        }
    }

    /// Samples that were refused.
    pub fn rejected(&self) -> u64 {
        Refusal::ALL.into_iter().map(|refusal| self.refused(refusal)).sum()
    }

    /// Counts refused samples.
    pub(crate) fn note(&mut self, refusal: Refusal, count: u64) {
        match refusal {
            Refusal::Conflicting => self.conflicting += count,
            Refusal::TooOld => self.too_old += count,
            Refusal::OverLimit => self.over_limit += count,
            Refusal::Invalid => self.invalid += count,
        }
    }
}

/// Resolves when the batch is on disk. Dropping it does not take the batch back.
#[derive(Debug)]
pub struct Receipt(oneshot::Receiver<Result<Appended, StoreError>>);

impl Future for Receipt {
    type Output = Result<Appended, StoreError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context).map(|answer| answer.unwrap_or(Err(StoreError::Closed)))
    }
}

impl Receipt {
    /// Blocks until the batch is on disk; for threads outside the runtime.
    pub fn wait(self) -> Result<Appended, StoreError> {
        self.0.blocking_recv().unwrap_or(Err(StoreError::Closed))
    }
}

/// Size and state of a workspace.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Usage {
    /// Bytes of the files.
    pub disk_bytes: u64,
    /// Bytes at which retention starts to drop.
    pub disk_limit: u64,
    /// Spans that are not sealed yet.
    pub head_spans: u64,
    /// Samples that are not sealed yet.
    pub head_samples: u64,
    /// Series.
    pub series: u64,
    /// Bytes of the write-ahead log.
    pub journal_bytes: u64,
    /// Why writing is stopped; `None` when all is well.
    pub write_problem: Option<String>,
}

/// A workspace that this process serves. Cheap to clone.
#[derive(Clone)]
pub struct Workspace(Arc<Inner>);

struct Inner {
    shared: Arc<Shared>,
    jobs: SyncSender<Job>,
    orders: SyncSender<Order>,
    control: Control,
    lock: Lock,
    threads: Mutex<Vec<JoinHandle<()>>>,
    closed: AtomicBool,
    problems: Vec<String>,
    /// Removed at the end.
    temporary: Option<PathBuf>,
}

impl Workspace {
    /// Opens the workspace in `dir`, made when missing: takes the lock, migrates, replays the journal.
    pub fn open(dir: &Path, options: Options) -> Result<Self, StoreError> {
        Self::open_in(dir, options, None)
    }

    /// A workspace in a temporary folder that goes away when the last handle does.
    pub fn in_memory(options: Options) -> Result<Self, StoreError> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("belvedere-{}-{number}", std::process::id()));
        Self::open_in(&dir, options, Some(dir.clone()))
    }

    fn open_in(dir: &Path, options: Options, temporary: Option<PathBuf>) -> Result<Self, StoreError> {
        schema::inspect(Kind::Data, dir)?;
        schema::inspect(Kind::Control, dir)?;
        std::fs::create_dir_all(dir).map_err(StoreError::io("making the workspace folder", dir))?;
        let lock = Lock::take(dir)?;
        let control = Control::open(dir)?;
        let connection = schema::open_writer(Kind::Data, dir)?;
        if let Some(pages) = options.max_pages {
            let limit = connection.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()));
            limit.map_err(StoreError::sqlite("limiting the workspace"))?;
        }
        let ledger = Ledger::read(&connection)?;
        let shared = Arc::new(Shared::new(dir.to_owned(), options, ledger));
        let mut writer = Writer {
            connection,
            shared: shared.clone(),
            seen: Seen::default(),
            next_row: 1,
            next_segment: 1,
            sealed: twins::Sealed::new(),
            metrics: metrics::Desk::default(),
        };
        let mut problems = writer.replay()?;
        problems.extend(writer.replay_samples()?);
        for problem in &problems {
            tracing::error!("{problem}");
        }
        let (jobs, queue) = sync_channel(WAITING_BATCHES);
        let thread = std::thread::Builder::new()
            .name("data-writer".to_owned())
            .spawn(move || writer.work(&queue))
            .map_err(StoreError::io("starting the writer", dir))?;
        let keeper = Keeper::new(shared.clone(), jobs.clone())?;
        let (orders, queue) = sync_channel(16);
        let keeping = std::thread::Builder::new()
            .name("data-keeper".to_owned())
            .spawn(move || keeper.work(&queue))
            .map_err(StoreError::io("starting the keeper", dir))?;
        let threads = Mutex::new(vec![keeping, thread]);
        let closed = AtomicBool::new(false);
        Ok(Self(Arc::new(Inner { shared, jobs, orders, control, lock, threads, closed, problems, temporary })))
    }

    /// Hands a batch to the writer. Never blocks; packing the row is the caller's work, so senders share it.
    pub fn append_spans(&self, door: Door, batch: SpanBatch, received: UnixNanos) -> Result<Receipt, Busy> {
        let weight = batch.heap_bytes();
        self.0.admit(weight)?;
        let row = journal::encode(&batch);
        let batch = Arc::new(batch);
        let head = HeadBatch::new(0, door, received, batch.clone());
        // Here, where senders share the work, so that the first list after a burst finds them made.
        head.summaries(&batch);
        let (reply, receipt) = oneshot::channel();
        self.0.send(Job::Spans(Box::new(SpansJob { head, batch, row, weight, reply })), weight)?;
        Ok(Receipt(receipt))
    }

    /// Hands samples to the writer. Never blocks; finding the series and packing the row are the caller's work. The receipt
    /// says what became of each sample.
    pub fn append_samples(&self, door: Door, batch: SampleBatch, received: UnixNanos) -> Result<Receipt, Busy> {
        let weight = metrics::weight(&batch);
        self.0.admit(weight)?;
        let (reply, receipt) = oneshot::channel();
        let job = self.0.shared.metrics.resolve(door, batch, received, weight, reply);
        self.0.send(Job::Samples(Box::new(job)), weight)?;
        Ok(Receipt(receipt))
    }

    /// Hands metrics or logs to the writer as they came (OTLP protobuf), with their counts by service.
    pub fn append_raw(
        &self,
        door: Door,
        signal: Signal,
        payload: impl AsRef<[u8]>,
        per_service: Vec<(SmolStr, u64)>,
        received: UnixNanos,
    ) -> Result<Receipt, Busy> {
        let payload = payload.as_ref();
        let weight = payload.len();
        self.0.admit(weight)?;
        let row = raw::encode(payload);
        let (reply, receipt) = oneshot::channel();
        let job = RawJob { door, signal, received, services: per_service, row, weight, reply };
        self.0.send(Job::Raw(Box::new(job)), weight)?;
        Ok(Receipt(receipt))
    }

    /// Counts items that were refused for good.
    pub fn note_rejected(&self, door: Door, service: &str, signal: Signal, count: u64) {
        let mut change = accounts::Changes::default();
        change.add((door, SmolStr::from(service), signal), Change::rejected(count));
        // Counted at once, written down with the next commit.
        shared::lock(&self.0.shared.ledger).apply(&change);
        shared::lock(&self.0.shared.rejected).merge(change);
    }

    /// Everything stored, as a source to read from.
    pub fn spans(&self) -> Arc<dyn SpanSource> {
        Arc::new(source::WorkspaceSource::new(self.0.shared.clone()))
    }

    /// Every stored sample, as a source to read from.
    pub fn metrics(&self) -> Arc<dyn SeriesSource> {
        metrics::open_source(self.0.shared.clone())
    }

    /// Samples refused since the workspace was made, by door and reason.
    pub fn refusals(&self) -> Vec<(Door, Refusal, u64)> {
        self.0.shared.metrics.refusals()
    }

    /// How many series there are, and by what; lists of at most `most` lines.
    pub fn cardinality(&self, most: usize) -> Cardinality {
        self.0.shared.metrics.cardinality(most)
    }

    /// Sets how many series may come by one door, from now on.
    pub fn set_series_limit(&self, limit: u64) {
        self.0.shared.metrics.set_series_limit(limit);
    }

    /// Shows `visit` every kept payload of metrics or logs (OTLP protobuf) in the order it came, with door and receipt.
    pub fn each_raw(&self, signal: Signal, visit: &mut dyn FnMut(Door, UnixNanos, &[u8])) -> Result<(), StoreError> {
        self.0.shared.read(|connection| raw::each(connection, signal, visit))
    }

    /// Received, stored and lost, by door, service and signal.
    pub fn accounts(&self) -> Vec<AccountRow> {
        shared::lock(&self.0.shared.ledger).rows()
    }

    /// Size and state.
    pub fn usage(&self) -> Usage {
        let size = |name: &str| std::fs::metadata(self.0.shared.dir.join(name)).map_or(0, |file| file.len());
        let journal_bytes = size("data.sqlite-wal");
        let rest: u64 = ["data.sqlite", "control.sqlite", "control.sqlite-wal"].into_iter().map(size).sum();
        Usage {
            disk_bytes: rest + journal_bytes,
            disk_limit: self.0.shared.retention().0,
            head_spans: shared::lock(&self.0.shared.head).spans() as u64,
            head_samples: self.0.shared.metrics.head_samples(),
            series: shared::read_lock(&self.0.shared.metrics.index).len() as u64,
            journal_bytes,
            write_problem: self.0.shared.problem(),
        }
    }

    /// Changes with every change of what is stored.
    pub fn revision(&self) -> u64 {
        self.0.shared.revision()
    }

    /// Calls `listener` after every change, on the writer's thread: it must only set a flag or wake somebody.
    pub fn on_change(&self, listener: Arc<dyn Fn() + Send + Sync>) {
        self.0.shared.listen(listener);
    }

    /// A setting's JSON text.
    pub fn setting(&self, key: &str) -> Option<String> {
        self.0.control.get(key)
    }

    /// Writes a setting down; returns when it is on disk.
    pub fn set_setting(&self, key: &str, value: &str) -> Result<(), StoreError> {
        self.0.control.set(key, Some(value))
    }

    /// Forgets a setting.
    pub fn remove_setting(&self, key: &str) -> Result<(), StoreError> {
        self.0.control.set(key, None)
    }

    /// Hands changes of records to the writer of the control file: written in this order, those of one call together.
    pub fn change_records(&self, changes: Vec<RecordChange>) -> Result<Written, StoreError> {
        self.0.control.change_records(changes)
    }

    /// All records of a kind, by key.
    pub fn records(&self, kind: &str) -> Result<Vec<Record>, StoreError> {
        control::records(self.dir(), kind)
    }

    /// Writes into the lock file where this process answers.
    pub fn publish_api(&self, api: SocketAddr) -> Result<(), StoreError> {
        self.0.lock.publish(Some(api))
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.0.shared.dir
    }

    /// What could not be read when the workspace was opened.
    pub fn problems(&self) -> &[String] {
        &self.0.problems
    }

    /// Clears everything or a service, undoable until the workspace is closed. Blocks while it works: call it on a worker.
    pub fn clear(&self, what: Clear) -> Result<ClearToken, StoreError> {
        self.0.ask_keeper(move |keeper| keeper.clear(&what))
    }

    /// Takes a Clear back.
    pub fn undo_clear(&self, token: ClearToken) -> Result<(), StoreError> {
        self.0.ask_keeper(move |keeper| keeper.undo(token))
    }

    /// Keeps a trace from retention, or lets it go again.
    pub fn set_pinned(&self, trace: TraceId, pinned: bool) -> Result<(), StoreError> {
        self.0.ask_keeper(move |keeper| keeper.pin(trace, pinned))
    }

    /// Sets size and age at which retention drops, from now on.
    pub fn set_retention(&self, disk_limit: u64, max_age: Duration) {
        *shared::lock(&self.0.shared.retention) = (disk_limit, max_age);
    }

    /// Drops what retention drops now instead of in its next round.
    pub fn retain(&self) -> Result<(), StoreError> {
        self.0.ask_keeper(Keeper::retain)
    }

    /// Seals everything now and waits for it.
    pub fn seal(&self) -> Result<(), StoreError> {
        self.0.ask_keeper(|keeper| {
            keeper.seal_samples()?;
            keeper.seal_all(None)
        })
    }

    /// Drains, seals, puts the write-ahead log away. Later calls answer `Busy` or `Closed`.
    pub fn close(&self) {
        self.0.close();
    }
}

impl Inner {
    /// Runs `work` on the keeper's thread and waits for it.
    fn ask_keeper<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Keeper) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = sync_channel(1);
        let order = Order::Run(Box::new(move |keeper| drop(reply.send(work(keeper)))));
        self.orders.send(order).map_err(|_| StoreError::Closed)?;
        answer.recv().map_err(|_| StoreError::Closed)?
    }

    /// Turns data away while the disk is full, the queue is, or the workspace closes.
    fn admit(&self, weight: usize) -> Result<(), Busy> {
        if let Some(reason) = self.shared.paused() {
            return Err(Busy { retry_after: RETRY_DISK, reason });
        }
        if self.closed.load(Ordering::Acquire) {
            return Err(Busy { retry_after: RETRY_DISK, reason: "the workspace is closing".to_owned() });
        }
        let before = self.shared.waiting.fetch_add(weight, Ordering::AcqRel);
        if before > 0 && before + weight > self.shared.options.queue_bytes {
            self.shared.waiting.fetch_sub(weight, Ordering::AcqRel);
            return Err(Busy { retry_after: RETRY_QUEUE, reason: "the write queue is full".to_owned() });
        }
        Ok(())
    }

    fn send(&self, job: Job, weight: usize) -> Result<(), Busy> {
        self.jobs.try_send(job).map_err(|error| {
            self.shared.waiting.fetch_sub(weight, Ordering::AcqRel);
            match error {
                TrySendError::Full(_) => Busy { retry_after: RETRY_QUEUE, reason: "the write queue is full".to_owned() },
                TrySendError::Disconnected(_) => {
                    Busy { retry_after: RETRY_DISK, reason: "the workspace is closing".to_owned() }
                }
            }
        })
    }

    fn close(&self) {
        if self.closed.swap(true, Ordering::AcqRel) {
            return;
        }
        self.orders.send(Order::Stop).ok();
        let mut threads = shared::lock(&self.threads);
        // The keeper first: it still needs the writer to seal.
        let writer = threads.pop();
        threads.drain(..).for_each(|keeper| drop(keeper.join()));
        self.shared.close_readers();
        self.jobs.send(Job::Stop).ok();
        writer.map(JoinHandle::join);
        self.control.close();
        self.shared.close_readers();
        self.lock.release();
    }
}

#[cfg(test)]
impl Inner {
    /// Stops as a kill would: what was not committed is lost, nothing is drained or sealed.
    fn crash(&self) {
        self.closed.store(true, Ordering::Release);
        self.jobs.send(Job::Crash).ok();
        self.orders.send(Order::Crash).ok();
        for thread in shared::lock(&self.threads).drain(..) {
            thread.join().ok();
        }
        self.control.close();
        self.shared.close_readers();
        self.lock.release();
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.close();
        if let Some(dir) = &self.temporary {
            std::fs::remove_dir_all(dir).ok();
        }
    }
}
