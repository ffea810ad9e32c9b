//! The writer thread of the data file: the only connection that writes it.
//!
//! Everything that waits is gathered into one transaction (group commit), committed with `synchronous=FULL`, published to
//! the head, and only then acknowledged. Work of the keeper (a sealed segment, retention, Clear) comes through the same
//! queue as a closure, so that no two writers ever meet.
//!
//! Gathering needs no timer: while one group is being synced the next one collects, so groups grow with the load; a timer
//! would only add its length to every acknowledgement of a client that sends one batch at a time.

use super::Appended;
use super::accounts::{Change, Changes};
use super::dedupe::{Seen, fingerprint};
use super::error::StoreError;
use super::head::{HeadBatch, View, by_service};
use super::journal;
use super::metrics::{Desk, Group, SamplesJob};
use super::reading::Reading;
use super::shared::{Shared, lock};
use super::twins::{self, Replaced};
use crate::model::batch::IN_FLIGHT;
use crate::model::{Door, Signal, SpanBatch, SpanBatchBuilder, SpanId, TraceId, UnixNanos};
use crate::source::QueryControl;
use rusqlite::{Connection, TransactionBehavior, params};
use smol_str::SmolStr;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// A group is closed at this many bytes of rows.
const GROUP_BYTES: usize = 4 << 20;
/// Refusals are written down at least this often.
const IDLE: Duration = Duration::from_millis(500);
/// Time for giving free pages back at the end.
const CLOSE_WITHIN: Duration = Duration::from_millis(500);
/// Spans whose sealed relatives may still be resent: the horizon of client retries, in nanoseconds.
pub(crate) const RETRY_HORIZON_NS: i64 = 3_600_000_000_000;

type Reply = oneshot::Sender<Result<Appended, StoreError>>;

/// A batch on its way.
pub(crate) struct SpansJob {
    /// Its place in the head, its row number still missing.
    pub(crate) head: HeadBatch,
    pub(crate) batch: Arc<SpanBatch>,
    /// The journal row.
    pub(crate) row: Vec<u8>,
    pub(crate) weight: usize,
    pub(crate) reply: Reply,
}

/// Metrics or logs on their way.
pub(crate) struct RawJob {
    pub(crate) door: Door,
    pub(crate) signal: Signal,
    pub(crate) received: UnixNanos,
    pub(crate) services: Vec<(SmolStr, u64)>,
    /// LZ4 with its size before it.
    pub(crate) row: Vec<u8>,
    pub(crate) weight: usize,
    pub(crate) reply: Reply,
}

/// What the writer is asked to do.
pub(crate) enum Job {
    /// Journal spans.
    Spans(Box<SpansJob>),
    /// Journal metrics or logs.
    Raw(Box<RawJob>),
    /// Journal samples.
    Samples(Box<SamplesJob>),
    /// Anything else that writes.
    Run(Box<dyn FnOnce(&mut Writer) + Send>),
    /// End the thread.
    Stop,
    /// End it without another write.
    #[cfg(test)]
    Crash,
}

/// The thread's state.
pub(crate) struct Writer {
    pub(crate) connection: Connection,
    pub(crate) shared: Arc<Shared>,
    pub(crate) seen: Seen,
    pub(crate) next_row: i64,
    pub(crate) next_segment: i64,
    /// Sealed spans of traces that got spans again.
    pub(crate) sealed: twins::Sealed,
    /// The metric half.
    pub(crate) metrics: Desk,
}

/// Writes a journal row; the caller holds the transaction.
pub(crate) fn insert_row(transaction: &Connection, head: &HeadBatch, row: &[u8]) -> Result<(), StoreError> {
    let sql = "INSERT INTO journal (id, door, received, spans, payload) VALUES (?1, ?2, ?3, ?4, ?5)";
    transaction
        .prepare_cached(sql)
        .and_then(|mut insert| insert.execute(params![head.id, head.door as u8, head.received.0, head.spans as i64, row]))
        .map(drop)
        .map_err(StoreError::sqlite("writing the journal"))
}

/// A batch after the look for duplicates.
pub(super) struct Admitted {
    pub(super) job: SpansJob,
    prints: Vec<u64>,
    appended: Appended,
    duplicates: Vec<(SmolStr, u64)>,
    /// Where the sealed spans of its traces stand.
    late: Vec<(TraceId, i64, Vec<SmolStr>)>,
    /// Pending spans that its spans replace.
    replaces: HashSet<(TraceId, SpanId)>,
}

impl Admitted {
    /// Takes the spans out that are not fresh, as duplicates, and packs the rest anew.
    pub(super) fn leave_out(&mut self, fresh: &[bool]) {
        let gone = fresh.iter().filter(|fresh| !**fresh).count() as u64;
        if gone == 0 {
            return;
        }
        let part = |wanted: bool| {
            let mut builder = SpanBatchBuilder::default();
            builder.copy(&self.job.batch, (0..fresh.len()).filter(|at| fresh[*at] == wanted));
            Arc::new(builder.finish())
        };
        self.duplicates.extend(by_service(&part(false)));
        let kept = part(true);
        self.job.row = journal::encode(&kept);
        self.job.head = HeadBatch::new(0, self.job.head.door, self.job.head.received, kept.clone());
        self.job.batch = kept;
        self.appended.stored -= gone;
        self.appended.duplicate += gone;
    }
}

impl Writer {
    /// Works until told to stop or until nobody can send any more.
    pub(crate) fn work(mut self, queue: &Receiver<Job>) {
        let mut stopping = false;
        while !stopping {
            let mut next = match queue.recv_timeout(IDLE) {
                Ok(job) => Some(job),
                Err(RecvTimeoutError::Timeout) => {
                    self.commit(Vec::new(), Vec::new(), Vec::new());
                    continue;
                }
                Err(RecvTimeoutError::Disconnected) => break,
            };
            let (mut spans, mut raws, mut samples) = (Vec::new(), Vec::new(), Vec::new());
            let (mut bytes, mut run) = (0, None);
            while let Some(job) = next {
                match job {
                    Job::Spans(job) => {
                        bytes += job.row.len();
                        spans.push(*job);
                    }
                    Job::Raw(job) => {
                        bytes += job.row.len();
                        raws.push(*job);
                    }
                    Job::Samples(job) => {
                        bytes += job.row_bytes();
                        samples.push(*job);
                    }
                    Job::Run(work) => run = Some(work),
                    Job::Stop => stopping = true,
                    #[cfg(test)]
                    Job::Crash => return,
                }
                next = if run.is_some() || stopping || bytes >= GROUP_BYTES { None } else { queue.try_recv().ok() };
            }
            self.commit(spans, raws, samples);
            if let Some(work) = run {
                work(&mut self);
            }
        }
        if let Err(error) = self.finish(Instant::now() + CLOSE_WITHIN) {
            tracing::warn!(%error, "the workspace is closed without being tidied; nothing is lost");
        }
    }

    /// One group commit, published and acknowledged.
    fn commit(&mut self, spans: Vec<SpansJob>, raws: Vec<RawJob>, samples: Vec<SamplesJob>) {
        let refused = std::mem::take(&mut *lock(&self.shared.rejected));
        if spans.is_empty() && raws.is_empty() && samples.is_empty() && refused.is_empty() {
            return;
        }
        let mut samples = self.admit_samples(samples);
        let weight =
            samples.weight() + spans.iter().map(|job| job.weight).chain(raws.iter().map(|job| job.weight)).sum::<usize>();
        let mut admitted: Vec<Admitted> = spans.into_iter().map(|job| self.admit(job)).collect();
        twins::settle_group(&mut admitted);
        let replaces = admitted.iter().flat_map(|one| one.replaces.iter().copied()).collect();
        let result = self.without_pending(&replaces).and_then(|replaced| {
            let next_sample_row = self.write(&mut admitted, &raws, &mut samples, &refused, &replaced)?;
            Ok((replaced, next_sample_row))
        });
        self.shared.waiting.fetch_sub(weight, Ordering::AcqRel);
        match result {
            Ok((replaced, next_sample_row)) => {
                self.shared.set_problem(None);
                self.publish(admitted, raws, replaced, (samples, next_sample_row));
            }
            Err(error) => {
                self.shared.set_problem(Some(error.to_string()));
                lock(&self.shared.rejected).merge(refused);
                for one in admitted {
                    self.seen.forget(&one.prints);
                    one.job.reply.send(Err(error.clone())).ok();
                }
                raws.into_iter().for_each(|job| drop(job.reply.send(Err(error.clone()))));
                self.fail_samples(samples, &error);
            }
        }
    }

    /// Leaves out what came before. A batch without any duplicate, nearly every one, keeps the row its sender packed.
    fn admit(&mut self, job: SpansJob) -> Admitted {
        let received = job.head.received;
        let resources = job.batch.resource_hashes();
        let mut prints = Vec::with_capacity(job.batch.len());
        let mut fresh = vec![true; job.batch.len()];
        for (span, fresh) in job.batch.spans.iter().zip(&mut fresh) {
            let print = fingerprint(span, resources[span.resource as usize]);
            *fresh = self.seen.insert(print, received);
            if *fresh {
                prints.push(print);
            }
        }
        let late = self.late(&job.head);
        if !late.is_empty() {
            let places: Vec<(TraceId, i64)> = late.iter().map(|(trace, segment, _)| (*trace, *segment)).collect();
            self.mark_sealed_twins(&job, &places, &mut fresh);
        }
        let replaces = self.pending_twins(&job, &mut fresh);
        let appended = Appended { stored: fresh.len() as u64, ..Appended::default() };
        let mut admitted = Admitted { job, prints, appended, duplicates: Vec::new(), late, replaces };
        admitted.leave_out(&fresh);
        admitted
    }

    fn write(
        &mut self,
        admitted: &mut [Admitted],
        raws: &[RawJob],
        samples: &mut Group,
        refused: &Changes,
        replaced: &[Replaced],
    ) -> Result<i64, StoreError> {
        let failed = || StoreError::sqlite("writing the journal");
        let mut next_row = self.next_row;
        let mut next_sample_row = self.metrics.next_row();
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed())?;
        {
            let mut changes = refused.clone();
            for batch in replaced {
                batch.write(&transaction, &mut changes)?;
            }
            for one in admitted.iter_mut() {
                let job = &mut one.job;
                for (service, count) in &one.duplicates {
                    changes.add((job.head.door, service.clone(), Signal::Traces), Change::duplicate(*count));
                }
                if job.head.spans == 0 {
                    continue;
                }
                job.head.id = next_row;
                next_row += 1;
                insert_row(&transaction, &job.head, &job.row)?;
            }
            let sql = "INSERT INTO raw (door, signal, received, services, payload) VALUES (?1, ?2, ?3, ?4, ?5)";
            let mut insert = transaction.prepare_cached(sql).map_err(failed())?;
            for job in raws {
                let services = super::raw::encode_services(&job.services);
                insert
                    .execute(params![job.door as u8, job.signal as u8, job.received.0, services, job.row])
                    .map_err(failed())?;
                for (service, count) in &job.services {
                    changes.add((job.door, service.clone(), job.signal), Change::stored(*count));
                }
            }
            next_sample_row = Self::write_samples(&transaction, &self.shared, next_sample_row, samples, &mut changes)?;
            changes.write(&transaction)?;
        }
        transaction.commit().map_err(failed())?;
        self.next_row = next_row;
        Ok(next_sample_row)
    }

    /// Traces of a batch that segments hold too, with the segment and the services they have there.
    fn late(&self, batch: &HeadBatch) -> Vec<(TraceId, i64, Vec<SmolStr>)> {
        let segments = lock(&self.shared.head).segments.clone();
        let view = View { segments, ..View::default() };
        let control = QueryControl::default();
        let reading = Reading { shared: &self.shared, view: &view, connection: &self.connection, control: &control };
        let mut late = Vec::new();
        for trace in &batch.traces {
            // A segment that cannot be read is reported to whoever reads it; here it only costs a look at its parts.
            for segment in reading.segments_with(trace.id).unwrap_or_default() {
                if let Some((directory, at)) =
                    reading.directory(&segment).ok().and_then(|directory| directory.find(trace.id).map(|at| (directory, at)))
                {
                    late.push((trace.id, segment.id, directory.services(at)));
                }
            }
        }
        late
    }

    fn publish(&mut self, admitted: Vec<Admitted>, raws: Vec<RawJob>, replaced: Vec<Replaced>, samples: (Group, i64)) {
        let mut changes = Changes::default();
        let mut replies = Vec::with_capacity(admitted.len() + raws.len());
        let budget = self.shared.options.head_bytes;
        {
            let shared = self.shared.clone();
            let mut head = lock(&shared.head);
            for one in admitted {
                let SpansJob { head: batch, batch: spans, reply, .. } = one.job;
                for (service, count) in &batch.services {
                    changes.add((batch.door, service.clone(), Signal::Traces), Change::stored(*count));
                }
                for (service, count) in one.duplicates {
                    changes.add((batch.door, service, Signal::Traces), Change::duplicate(count));
                }
                self.note_pending(&one.replaces, &batch, &spans);
                if batch.spans > 0 {
                    head.push(batch, budget);
                }
                replies.push((reply, one.appended));
                one.late.iter().for_each(|(trace, segment, services)| head.note_split(*trace, *segment, services));
            }
            for batch in replaced {
                batch.note(&mut changes);
                head.replace(batch.into_head());
            }
        }
        for job in raws {
            let stored = job.services.iter().map(|(_, count)| count).sum();
            for (service, count) in job.services {
                changes.add((job.door, service, job.signal), Change::stored(count));
            }
            replies.push((job.reply, Appended { stored, ..Appended::default() }));
        }
        replies.extend(self.publish_samples(samples.0, samples.1, &mut changes));
        lock(&self.shared.ledger).apply(&changes);
        self.shared.changed();
        replies.into_iter().for_each(|(reply, appended)| drop(reply.send(Ok(appended))));
    }

    /// Keeps in mind which spans of the head are pending.
    fn note_pending(&mut self, replaces: &HashSet<(TraceId, SpanId)>, head: &HeadBatch, batch: &SpanBatch) {
        if !replaces.is_empty() {
            self.seen.pending().retain(|ids| !replaces.contains(ids));
        }
        if head.pending {
            let unfinished = batch.spans.iter().filter(|span| span.end == IN_FLIGHT);
            self.seen.pending().extend(unfinished.map(|span| (span.trace_id, span.span_id)));
        }
    }

    /// Reads the journal into the head after a start. Damaged rows are reported, kept and passed over.
    pub(crate) fn replay(&mut self) -> Result<Vec<String>, StoreError> {
        let failed = || StoreError::sqlite("replaying the journal");
        let mut problems = Vec::new();
        let mut changes = Changes::default();
        let (segments, largest) = super::seal::read_segments(&self.connection)?;
        self.next_segment = largest + 1;
        {
            let splits = super::seal::read_splits(&self.connection)?;
            let mut head = lock(&self.shared.head);
            head.segments = Arc::new(segments);
            splits.iter().for_each(|(trace, segment, services)| head.note_split(*trace, *segment, services));
        }
        {
            let sql = "SELECT id, door, received, spans, payload FROM journal ORDER BY id";
            let mut statement = self.connection.prepare(sql).map_err(failed())?;
            let mut rows = statement.query([]).map_err(failed())?;
            let shared = self.shared.clone();
            while let Some(row) = rows.next().map_err(failed())? {
                let number = |at: usize| row.get::<_, i64>(at).unwrap_or_default();
                let (id, received) = (number(0), UnixNanos(number(2)));
                let door = Door::ALL.get(number(1).max(0) as usize).copied().unwrap_or(Door::Import);
                self.next_row = self.next_row.max(id + 1);
                let payload = row.get_ref(4).ok().and_then(|payload| payload.as_blob().ok()).unwrap_or_default();
                let Some(batch) = journal::decode(payload).filter(|batch| batch.len() as i64 == number(3)) else {
                    problems.push(format!("journal row {id} with {} spans cannot be read and is kept as it is", number(3)));
                    continue;
                };
                let batch = Arc::new(batch);
                let resources = batch.resource_hashes();
                for span in &batch.spans {
                    self.seen.insert(fingerprint(span, resources[span.resource as usize]), received);
                    if span.end == IN_FLIGHT {
                        self.seen.pending().insert((span.trace_id, span.span_id));
                    }
                }
                let entry = HeadBatch::new(id, door, received, batch);
                for (service, count) in &entry.services {
                    changes.add((door, service.clone(), Signal::Traces), Change::stored(*count));
                }
                let late = self.late(&entry);
                let mut head = lock(&shared.head);
                late.iter().for_each(|(trace, segment, services)| head.note_split(*trace, *segment, services));
                head.push(entry, shared.options.head_bytes);
            }
        }
        lock(&self.shared.ledger).apply(&changes);
        Ok(problems)
    }

    /// Journal rows that the head holds and that are now elsewhere or gone.
    pub(crate) fn drop_rows(transaction: &Connection, ids: &HashSet<i64>) -> Result<(), StoreError> {
        let failed = || StoreError::sqlite("deleting journal rows");
        let mut delete = transaction.prepare_cached("DELETE FROM journal WHERE id = ?1").map_err(failed())?;
        for id in ids {
            delete.execute([id]).map_err(failed())?;
        }
        Ok(())
    }
}
