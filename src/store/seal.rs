//! The writer's side of sealing: a segment goes in, its journal rows go away, in one transaction.

use super::accounts::{Change, Changes};
use super::error::StoreError;
use super::head::HeadBatch;
use super::journal;
use super::reading::Miss;
use super::segment::{Directory, PARTS, Sealed, Segment};
use super::shared::lock;
use super::writer::Writer;
use crate::model::{Door, Signal, SpanBatch, SpanBatchBuilder, TraceId, UnixNanos};
use rusqlite::{Connection, TransactionBehavior, params};
use smol_str::SmolStr;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

/// Pages a step of the vacuum at the end; each step is a transaction.
const VACUUM_AT_CLOSE: u32 = 4_096;

/// Spans of sealed batches that stay in the journal because their traces still grow.
pub(crate) struct Carried {
    door: Door,
    pub(crate) received: UnixNanos,
    pub(crate) spans: SpanBatchBuilder,
}

/// The same, ready to be written.
pub(crate) struct CarriedRow {
    head: HeadBatch,
    row: Vec<u8>,
}

impl Carried {
    pub(crate) fn new(door: Door) -> Self {
        Self { door, received: UnixNanos(i64::MIN), spans: SpanBatchBuilder::default() }
    }

    pub(crate) fn finish(self) -> CarriedRow {
        let batch: Arc<SpanBatch> = Arc::new(self.spans.finish());
        let row = journal::encode(&batch);
        CarriedRow { head: HeadBatch::new(0, self.door, self.received, batch), row }
    }
}

/// A packed segment and what it stands for.
pub(crate) struct SealWork {
    /// The batches that it replaces.
    pub(crate) taken: Vec<Arc<HeadBatch>>,
    pub(crate) sealed: Sealed,
    pub(crate) received: (UnixNanos, UnixNanos),
    /// Trace, segment (0 for the new one) and services of traces that stand in several segments.
    pub(crate) split: Vec<(TraceId, i64, Vec<SmolStr>)>,
    pub(crate) carried: Vec<CarriedRow>,
}

/// An answer that is not there, as an error of background work.
pub(crate) fn as_store_error(miss: Miss) -> StoreError {
    match miss {
        Miss::Stale => StoreError::Damaged("a segment changed under the keeper".to_owned()),
        Miss::Failed(error) => StoreError::Damaged(error.to_string()),
    }
}

/// The column `services` of the table `split`.
fn services_column(services: &[SmolStr]) -> Vec<u8> {
    super::raw::encode_services(&services.iter().map(|service| (service.clone(), 1)).collect::<Vec<_>>())
}

/// Writes a segment's rows; the caller holds the transaction.
pub(crate) fn insert(transaction: &Connection, segment: &Segment, sealed: &Sealed) -> Result<(), StoreError> {
    let failed = || StoreError::sqlite("writing a segment");
    let sql =
        "INSERT INTO segment (id, spans, traces, first_start, last_end, first_received, last_received, bytes, counts, filter)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
    let (first, last) = segment.received;
    transaction
        .prepare_cached(sql)
        .and_then(|mut insert| {
            insert.execute(params![
                segment.id,
                segment.spans as i64,
                segment.traces as i64,
                segment.first_start,
                segment.last_end,
                first.0,
                last.0,
                segment.bytes as i64,
                segment.counts(),
                segment.filter.bytes(),
            ])
        })
        .map_err(failed())?;
    let mut insert = transaction.prepare_cached("INSERT INTO part (id, body) VALUES (?1, ?2)").map_err(failed())?;
    for (number, body) in sealed.parts().enumerate() {
        insert.execute(params![segment.id * PARTS + number as i64, body]).map_err(failed())?;
    }
    Ok(())
}

/// Reads every segment that is not hidden, and the largest number in use.
pub(crate) fn read_segments(connection: &Connection) -> Result<(Vec<Arc<Segment>>, i64), StoreError> {
    let largest = connection.query_row("SELECT COALESCE(MAX(id), 0) FROM segment", [], |row| row.get(0));
    let largest = largest.map_err(StoreError::sqlite("reading the segments"))?;
    Ok((read_hidden(connection, 0)?, largest))
}

/// Reads the segments that a Clear has hidden; 0 for those that nobody has.
pub(crate) fn read_hidden(connection: &Connection, token: i64) -> Result<Vec<Arc<Segment>>, StoreError> {
    let failed = || StoreError::sqlite("reading the segments");
    let sql = "SELECT id, spans, traces, first_start, last_end, first_received, last_received, bytes, counts, filter
        FROM segment WHERE hidden = ?1 ORDER BY first_received, id";
    let mut statement = connection.prepare(sql).map_err(failed())?;
    let mut rows = statement.query([token]).map_err(failed())?;
    let mut segments = Vec::new();
    while let Some(row) = rows.next().map_err(failed())? {
        let number = |at: usize| row.get::<_, i64>(at).unwrap_or_default();
        let blob = |at: usize| row.get::<_, Vec<u8>>(at).unwrap_or_default();
        let mut segment = Segment {
            id: number(0),
            spans: number(1) as u64,
            traces: number(2) as u64,
            first_start: number(3),
            last_end: number(4),
            received: (UnixNanos(number(5)), UnixNanos(number(6))),
            bytes: number(7) as u64,
            doors: Vec::new(),
            services: Vec::new(),
            filter: Arc::new(super::segment::Filter::from_bytes(&blob(9))),
        };
        if segment.set_counts(&blob(8)).is_none() {
            tracing::error!("the counts of segment {} cannot be read", segment.id);
        }
        segments.push(Arc::new(segment));
    }
    Ok(segments)
}

/// Reads where split traces stand.
pub(crate) fn read_splits(connection: &Connection) -> Result<Vec<(TraceId, i64, Vec<SmolStr>)>, StoreError> {
    let failed = || StoreError::sqlite("reading the split traces");
    let mut statement = connection.prepare("SELECT trace_id, segment, services FROM split").map_err(failed())?;
    let mut rows = statement.query([]).map_err(failed())?;
    let mut splits = Vec::new();
    while let Some(row) = rows.next().map_err(failed())? {
        let id = row.get::<_, Vec<u8>>(0).ok().and_then(|id| id.try_into().ok()).map(TraceId);
        let services = row.get::<_, Vec<u8>>(2).ok().and_then(|bytes| super::raw::decode_services(&bytes));
        if let (Some(id), Ok(segment), Some(services)) = (id, row.get(1), services) {
            splits.push((id, segment, services.into_iter().map(|(service, _)| service).collect()));
        }
    }
    Ok(splits)
}

impl Writer {
    /// Puts a segment in the place of its batches. Nothing happens when one of them has changed meanwhile.
    pub(crate) fn seal(&mut self, mut work: SealWork) -> Result<(), StoreError> {
        let failed = || StoreError::sqlite("sealing");
        let ids: HashSet<i64> = work.taken.iter().map(|batch| batch.id).collect();
        let current = {
            let head = lock(&self.shared.head);
            let same = |batch: &&Arc<HeadBatch>| work.taken.iter().any(|taken| Arc::ptr_eq(taken, batch));
            head.batches.iter().filter(|batch| ids.contains(&batch.id)).filter(same).count()
        };
        if current != work.taken.len() {
            return Ok(());
        }
        let id = self.next_segment;
        let segment = work.sealed.segment(id, work.received);
        let mut next_row = self.next_row;
        let late = self.late_in_head(&ids, &work.sealed);
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed())?;
        insert(&transaction, &segment, &work.sealed)?;
        Self::drop_rows(&transaction, &ids)?;
        for carried in &mut work.carried {
            carried.head.id = next_row;
            next_row += 1;
            super::writer::insert_row(&transaction, &carried.head, &carried.row)?;
        }
        for (trace, part, services) in &work.split {
            let part = if *part == 0 { id } else { *part };
            insert_split(&transaction, *trace, part, services)?;
        }
        let mut changes = Changes::default();
        for (door, service, count) in &segment.doors {
            let door = Door::ALL.get(usize::from(*door)).copied().unwrap_or(Door::Import);
            changes.add((door, service.clone(), Signal::Traces), Change::stored(*count));
        }
        changes.write(&transaction)?;
        for (trace, services) in &late {
            insert_split(&transaction, *trace, id, services)?;
        }
        transaction.commit().map_err(failed())?;
        self.next_row = next_row;
        self.next_segment += 1;
        {
            let mut head = lock(&self.shared.head);
            head.remove(&ids);
            work.carried.into_iter().for_each(|carried| head.push_front(carried.head));
            Arc::make_mut(&mut head.segments).push(Arc::new(segment));
            for (trace, part, services) in &work.split {
                head.note_split(*trace, if *part == 0 { id } else { *part }, services);
            }
            late.iter().for_each(|(trace, services)| head.note_split(*trace, id, services));
        }
        self.shared.changed();
        Ok(())
    }

    /// Traces of a new segment that batches which stay in the head have spans of too.
    fn late_in_head(&self, taken: &HashSet<i64>, sealed: &Sealed) -> Vec<(TraceId, Vec<SmolStr>)> {
        let places: HashMap<TraceId, usize> = sealed.runs.iter().enumerate().map(|(at, run)| (run.id, at)).collect();
        let mut late: Vec<usize> = {
            let head = lock(&self.shared.head);
            let staying = head.batches.iter().filter(|batch| !taken.contains(&batch.id));
            staying.flat_map(|batch| batch.traces.iter()).filter_map(|trace| places.get(&trace.id).copied()).collect()
        };
        late.sort_unstable();
        late.dedup();
        let Some(directory) = (if late.is_empty() { None } else { Directory::decode(&sealed.directory) }) else {
            return Vec::new();
        };
        late.into_iter().map(|at| (sealed.runs[at].id, directory.services(at))).collect()
    }

    /// Starts the write-ahead log over, as far as no reader stands in it.
    pub(crate) fn restart_log(&mut self) -> Result<(), StoreError> {
        let restart = self.connection.query_row("PRAGMA wal_checkpoint(RESTART)", [], |_| Ok(()));
        restart.map_err(StoreError::sqlite("restarting the write-ahead log"))
    }

    /// Leaves a small, closed file: free pages given back as far as the time goes, the write-ahead log copied and emptied.
    pub(crate) fn finish(&mut self, until: Instant) -> Result<(), StoreError> {
        let failed = || StoreError::sqlite("closing the workspace");
        let free = |connection: &Connection| connection.query_row("PRAGMA freelist_count", [], |row| row.get::<_, i64>(0));
        while free(&self.connection).map_err(failed())? > 0 && Instant::now() < until {
            self.vacuum(VACUUM_AT_CLOSE, 0)?;
        }
        self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).map_err(failed())
    }

    /// Gives at most `step` free pages back when more than `keep` are free.
    pub(crate) fn vacuum(&mut self, step: u32, keep: i64) -> Result<(), StoreError> {
        let failed = || StoreError::sqlite("giving space back");
        let free: i64 = self.connection.query_row("PRAGMA freelist_count", [], |row| row.get(0)).map_err(failed())?;
        if free > keep {
            let sql = format!("PRAGMA incremental_vacuum({step})");
            let mut vacuum = self.connection.prepare(&sql).map_err(failed())?;
            let mut rows = vacuum.query([]).map_err(failed())?;
            while rows.next().map_err(failed())?.is_some() {}
        }
        Ok(())
    }
}

/// Notes where a split trace stands.
pub(crate) fn insert_split(
    transaction: &Connection,
    trace: TraceId,
    segment: i64,
    services: &[SmolStr],
) -> Result<(), StoreError> {
    let sql = "INSERT INTO split (trace_id, segment, services) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
    transaction
        .prepare_cached(sql)
        .and_then(|mut insert| insert.execute(params![trace.0, segment, services_column(services)]))
        .map(drop)
        .map_err(StoreError::sqlite("noting a split trace"))
}
