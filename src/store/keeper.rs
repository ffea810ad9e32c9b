//! The keeper: the thread that seals, checkpoints, retains and compacts in the background.
//!
//! It reads and packs with connections of its own and hands finished work to the writer thread as a closure, so that an
//! acknowledgement never waits for more than the insert of a segment.

use super::error::StoreError;
use super::head::{HeadBatch, View};
use super::reading::Reading;
use super::schema::{self, Kind};
use super::seal::{self, Carried, SealWork};
use super::segment::{self, Directory};
use super::shared::Shared;
use super::writer::{Job, Writer};
use crate::model::batch::IN_FLIGHT;
use crate::model::{SpanBatchBuilder, TraceId, UnixNanos};
use crate::source::QueryControl;
use smol_str::SmolStr;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

/// Spans of a segment. Packing holds them decoded beside the head, so this is half of the 64k that the architecture
/// names: blocks, not segments, set the compression.
pub(crate) const SEGMENT_SPANS: usize = 32_768;
/// Journal rows at which even few spans are sealed, so that a replay stays short.
const MOST_ROWS: usize = 4_096;
/// A trace that got a span in this time is still growing and stays in the head, in nanoseconds.
const QUIET_NS: i64 = 5_000_000_000;
/// A batch this old is sealed, growing or not, in nanoseconds.
const OVERDUE_NS: i64 = 60_000_000_000;
/// A pending span waits this long for its end before it is sealed as it is, in nanoseconds.
const PENDING_NS: i64 = 3_600_000_000_000;
/// With so many spans waiting, traces are not given time to grow.
const CROWDED: usize = 8 * SEGMENT_SPANS;
/// Fewer spans than this stay in the journal at the end: replaying them is faster than a segment is worth.
const WORTH_SEALING: usize = 1_024;
/// How often the keeper looks.
const TICK: Duration = Duration::from_millis(100);
/// How often the write-ahead log is copied into the file while it grows.
const CHECKPOINT_EVERY: Duration = Duration::from_millis(500);
/// Size of the write-ahead log at which it is copied.
const CHECKPOINT_BYTES: u64 = 4 << 20;
/// Size at which the writer itself starts it over.
const RESTART_BYTES: u64 = 64 << 20;
/// Free pages that are given back to the file system in one step, and how many may stay for reuse.
pub(crate) const VACUUM_STEP: u32 = 512;
pub(crate) const FREE_PAGES_KEPT: i64 = 4_096;
/// How often memory that sealing has used goes back to the system.
const TIDY_EVERY: Duration = Duration::from_secs(1);
/// How often retention looks.
const RETAIN_EVERY: Duration = Duration::from_secs(5);
/// Time for sealing when the workspace closes.
const CLOSE_WITHIN: Duration = Duration::from_millis(1_500);

/// What the keeper is asked to do besides its rounds.
pub(crate) enum Order {
    /// Anything on the keeper's thread.
    Run(Box<dyn FnOnce(&mut Keeper) + Send>),
    /// Seal what fits in the time and end.
    Stop,
    /// End at once.
    #[cfg(test)]
    Crash,
}

/// Gives memory that is free inside of the allocator back to the system. Sealing takes some 40 MB for a moment, of which the
/// allocator would keep the most.
#[allow(unsafe_code, reason = "the allocator has no safe call for it")]
fn give_memory_back() {
    // SAFETY: takes no pointers, may be called on any thread at any time, and does nothing where another allocator is in use.
    unsafe { libmimalloc_sys::mi_collect(true) };
}

/// The thread's state.
pub(crate) struct Keeper {
    pub(crate) shared: Arc<Shared>,
    pub(crate) jobs: SyncSender<Job>,
    pub(crate) checkpointer: rusqlite::Connection,
    /// Number of the next Clear.
    pub(crate) next_token: i64,
    /// By the number of a Clear: segments that stand in the place of those it has hidden.
    pub(crate) made: HashMap<i64, HashSet<i64>>,
    /// The same for blocks of samples.
    pub(crate) made_blocks: HashMap<i64, Vec<i64>>,
}

impl Keeper {
    pub(crate) fn new(shared: Arc<Shared>, jobs: SyncSender<Job>) -> Result<Self, StoreError> {
        let checkpointer = schema::open_checkpointer(Kind::Data, &shared.dir)?;
        Ok(Self { shared, jobs, checkpointer, next_token: 1, made: HashMap::new(), made_blocks: HashMap::new() })
    }

    /// Works until told to stop.
    pub(crate) fn work(mut self, orders: &Receiver<Order>) {
        // What a Clear of the last session has hidden can't be undone any more.
        self.say(self.write(Writer::purge));
        self.say(self.write(Writer::purge_samples));
        let (mut checkpointed, mut retained, mut tidied) = (Instant::now(), Instant::now(), Instant::now());
        let mut tidy = false;
        loop {
            match orders.recv_timeout(TICK) {
                Ok(Order::Run(work)) => work(&mut self),
                #[cfg(test)]
                Ok(Order::Crash) => return,
                Ok(Order::Stop) | Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {}
            }
            let sealed = self.seal_due();
            tidy |= matches!(sealed, Ok(true));
            self.say(sealed.map(drop));
            if tidy && tidied.elapsed() >= TIDY_EVERY {
                give_memory_back();
                (tidy, tidied) = (false, Instant::now());
            }
            self.say(self.seal_samples_due());
            if checkpointed.elapsed() >= CHECKPOINT_EVERY {
                self.say(self.checkpoint());
                checkpointed = Instant::now();
            }
            if retained.elapsed() >= RETAIN_EVERY {
                let done = self.retain();
                self.say(done);
                retained = Instant::now();
            }
        }
        let until = Instant::now() + CLOSE_WITHIN;
        self.say(self.write(Writer::purge));
        self.say(self.write(Writer::purge_samples));
        self.say(self.seal_samples_at_close(until));
        let unsealed: usize = self.shared.view().head.iter().map(|batch| batch.spans).sum();
        if unsealed >= WORTH_SEALING {
            self.say(self.seal_all(Some(until)));
        }
    }

    fn say(&self, result: Result<(), StoreError>) {
        match result {
            Ok(()) | Err(StoreError::Closed) => {}
            Err(error) => tracing::warn!(%error, "background work on the workspace failed and will be tried again"),
        }
    }

    /// Runs `work` on the writer's thread and waits for it.
    pub(crate) fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Writer) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = sync_channel(1);
        let job = Job::Run(Box::new(move |writer| drop(reply.send(work(writer)))));
        self.jobs.send(job).map_err(|_| StoreError::Closed)?;
        answer.recv().map_err(|_| StoreError::Closed)?
    }

    /// Seals while enough waits; true when something was sealed.
    fn seal_due(&self) -> Result<bool, StoreError> {
        let mut sealed = false;
        loop {
            let view = self.shared.view();
            let unsealed: usize = view.head.iter().map(|batch| batch.spans).sum();
            if unsealed < SEGMENT_SPANS + SEGMENT_SPANS / 4 && view.head.len() < MOST_ROWS {
                return Ok(sealed);
            }
            if !self.seal_some(&view, unsealed, false)? {
                return Ok(sealed);
            }
            sealed = true;
        }
    }

    /// Seals everything, as far as it goes before `until`.
    pub(crate) fn seal_all(&self, until: Option<Instant>) -> Result<(), StoreError> {
        loop {
            let view = self.shared.view();
            let unsealed: usize = view.head.iter().map(|batch| batch.spans).sum();
            if unsealed == 0 || until.is_some_and(|until| Instant::now() > until) {
                return Ok(());
            }
            if !self.seal_some(&view, unsealed, true)? {
                return Ok(());
            }
        }
    }

    /// Seals the oldest batches; false when there was nothing to seal yet.
    fn seal_some(&self, view: &View, unsealed: usize, everything: bool) -> Result<bool, StoreError> {
        let mut count = 0;
        let taken = view.head.iter().take_while(|batch| {
            let more = count < SEGMENT_SPANS;
            count += batch.spans;
            more
        });
        let taken: Vec<Arc<HeadBatch>> = taken.cloned().collect();
        let Some(newest) = view.head.last().map(|batch| batch.received.0) else { return Ok(false) };
        let mut growing: HashSet<TraceId> = HashSet::new();
        if !everything {
            for (at, batch) in view.head.iter().enumerate() {
                let later = at >= taken.len();
                let quiet = unsealed > CROWDED || newest.saturating_sub(batch.received.0) > QUIET_NS;
                if later || !quiet {
                    growing.extend(batch.traces.iter().map(|trace| trace.id));
                }
            }
        }
        let Some(work) = self.pack(view, &taken, &mut growing, newest, everything)? else { return Ok(false) };
        self.write(move |writer| writer.seal(work)).map(|()| true)
    }

    /// Packs a segment out of batches; `None` when nearly all of them are still growing.
    fn pack(
        &self,
        view: &View,
        taken: &[Arc<HeadBatch>],
        growing: &mut HashSet<TraceId>,
        newest: i64,
        everything: bool,
    ) -> Result<Option<SealWork>, StoreError> {
        let total: usize = taken.iter().map(|batch| batch.spans).sum();
        let overdue = |batch: &HeadBatch| everything || newest.saturating_sub(batch.received.0) > OVERDUE_NS;
        let stays: usize = taken
            .iter()
            .filter(|batch| !overdue(batch))
            .flat_map(|batch| batch.traces.iter().map(move |trace| (batch, trace)))
            .filter(|(_, trace)| growing.contains(&trace.id))
            .map(|(batch, trace)| batch.places_of(trace).len())
            .sum();
        if stays * 2 > total {
            // A long trace that fills the head on its own: it is sealed in pieces.
            if view.head.iter().map(|batch| batch.spans).sum::<usize>() < 2 * SEGMENT_SPANS && view.head.len() < 2 * MOST_ROWS {
                return Ok(None);
            }
            growing.clear();
        }
        let mut loaded = Vec::with_capacity(taken.len());
        for batch in taken {
            let Some(spans) = self.shared.read(|connection| batch.load(connection))? else { return Ok(None) };
            loaded.push(spans);
        }
        let mut builder = SpanBatchBuilder::default();
        builder.reserve(loaded.iter().map(|spans| &**spans));
        let mut doors = Vec::with_capacity(total);
        let mut carried: HashMap<u8, Carried> = HashMap::new();
        // Each batch is let go of once it is copied.
        for (batch, spans) in taken.iter().zip(loaded) {
            let unfinished = batch.pending && !everything && newest.saturating_sub(batch.received.0) < PENDING_NS;
            let keeps = |trace: TraceId| !overdue(batch) && growing.contains(&trace);
            let (stay, go): (Vec<usize>, Vec<usize>) = (0..spans.len()).partition(|at| {
                let span = &spans.spans[*at];
                keeps(span.trace_id) || (unfinished && span.end == IN_FLIGHT)
            });
            builder.copy(&spans, go.iter().copied());
            doors.resize(builder.len(), batch.door as u8);
            if !stay.is_empty() {
                let carried = carried.entry(batch.door as u8).or_insert_with(|| Carried::new(batch.door));
                carried.received = carried.received.max(batch.received);
                carried.spans.copy(&spans, stay);
            }
        }
        if builder.is_empty() {
            return Ok(None);
        }
        let received = taken.iter().map(|batch| (batch.received, batch.received));
        let received = received.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1))).unwrap_or((UnixNanos(0), UnixNanos(0)));
        let sealed = segment::encode(&builder.finish(), &doors)?;
        let split = self.splits(view, &sealed)?;
        let carried = carried.into_values().map(Carried::finish).collect();
        Ok(Some(SealWork { taken: taken.to_vec(), sealed, received, split, carried }))
    }

    /// Traces of a new segment that older ones hold too, with the services they have in each.
    fn splits(&self, view: &View, sealed: &segment::Sealed) -> Result<Vec<(TraceId, i64, Vec<SmolStr>)>, StoreError> {
        let control = QueryControl::default();
        let damaged = || StoreError::Damaged("a segment that was just packed".to_owned());
        let directory = Directory::decode(&sealed.directory).ok_or_else(damaged)?;
        self.shared.read(|connection| {
            let reading = Reading { shared: &self.shared, view, connection, control: &control };
            let mut split = Vec::new();
            for (at, run) in directory.runs.iter().enumerate() {
                let known = split.len();
                for segment in reading.segments_with(run.id).map_err(seal::as_store_error)? {
                    let older = reading.directory(&segment).map_err(seal::as_store_error)?;
                    if let Some(at) = older.find(run.id) {
                        split.push((run.id, segment.id, older.services(at)));
                    }
                }
                if split.len() > known {
                    // Segment 0 stands for the new one, which has no number yet.
                    split.push((run.id, 0, directory.services(at)));
                }
            }
            Ok(split)
        })
    }

    /// Copies the write-ahead log into the file; the writer starts it over when it has grown long.
    fn checkpoint(&self) -> Result<(), StoreError> {
        let log = self.shared.dir.join("data.sqlite-wal");
        let size = std::fs::metadata(&log).map_or(0, |file| file.len());
        if size > CHECKPOINT_BYTES {
            self.checkpointer
                .query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))
                .map_err(StoreError::sqlite("copying the write-ahead log"))?;
        }
        if size > RESTART_BYTES {
            self.write(|writer| writer.restart_log())?;
        }
        Ok(())
    }
}
