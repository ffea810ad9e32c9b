//! Segments replaced by what is kept of them: retention, Clear, and small segments made into one.
//!
//! Segments never change in place. What is kept is read, packed anew and put in the place of the old ones in one
//! transaction; the old rows are deleted, or hidden when the change can be undone. A list of tombstones would save the
//! packing (some microseconds a span, in the background), but every reader would have to look at it for ever after.

use super::accounts::{Change, Changes};
use super::error::StoreError;
use super::head::View;
use super::keeper::Keeper;
use super::reading::Reading;
use super::seal::{self, as_store_error};
use super::segment::{self, Directory, PARTS, Sealed, Segment};
use super::shared::lock;
use super::writer::Writer;
use crate::model::{Door, Signal, SpanBatchBuilder, SpanRef, TraceId, UnixNanos};
use crate::source::QueryControl;
use rusqlite::{Connection, TransactionBehavior, params};
use smol_str::SmolStr;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// What stands in the place of segments.
pub(crate) struct Replacement {
    pub(crate) old: Vec<Arc<Segment>>,
    /// `None` when nothing is kept.
    pub(crate) new: Option<(Sealed, (UnixNanos, UnixNanos))>,
    /// Under which number the old ones are hidden instead of deleted.
    pub(crate) hide: Option<i64>,
}

impl Keeper {
    /// Packs the spans of segments that `keep` wants; it is asked once a span, with the service that started the trace.
    pub(crate) fn repack(
        &self,
        view: &View,
        old: Vec<Arc<Segment>>,
        keep: impl Fn(SpanRef<'_>, &str) -> bool,
        hide: Option<i64>,
    ) -> Result<Replacement, StoreError> {
        let control = QueryControl::default();
        let (mut builder, mut doors) = (SpanBatchBuilder::default(), Vec::new());
        self.shared.read(|connection| {
            let reading = Reading { shared: &self.shared, view, connection, control: &control };
            for segment in &old {
                let head = reading.head(segment).map_err(as_store_error)?;
                let directory = reading.directory(segment).map_err(as_store_error)?;
                let mut trace = 0;
                for number in 0..head.blocks.len() {
                    let rows = head.rows(number);
                    let (spans, its_doors) =
                        reading.block_with_doors(segment, &head, &directory, number).map_err(as_store_error)?;
                    let mut kept = Vec::new();
                    for (at, row) in rows.enumerate() {
                        while directory.runs[trace].first + directory.runs[trace].len <= row {
                            trace += 1;
                        }
                        if keep(spans.span(at), directory.root_service(trace)) {
                            kept.push(at);
                            doors.push(its_doors[at]);
                        }
                    }
                    builder.copy(&spans, kept);
                }
            }
            Ok(())
        })?;
        let new = if builder.is_empty() { None } else { Some(segment::encode(&builder.finish(), &doors)?) };
        let received = old.iter().map(|segment| segment.received).reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)));
        Ok(Replacement { new: new.zip(received), old, hide })
    }

    /// Puts a replacement in place; answers the new segment's number. What stands in the place of cleared segments is kept
    /// in mind through every further replacement, so that an undo finds it.
    pub(crate) fn replace(&mut self, replacement: Replacement) -> Result<Option<i64>, StoreError> {
        let old: Vec<i64> = replacement.old.iter().map(|segment| segment.id).collect();
        let hides = replacement.hide.is_some();
        let new = self.write(move |writer| writer.replace(replacement))?;
        for made in self.made.values_mut().filter(|made| old.iter().any(|id| made.contains(id))) {
            if !hides {
                made.retain(|id| !old.contains(id));
            }
            made.extend(new);
        }
        Ok(new)
    }
}

/// From stored to evicted, for every span of segments; a negative sign takes it back.
pub(crate) fn evictions(segments: &[Arc<Segment>], sign: i64) -> Changes {
    let mut changes = Changes::default();
    for (door, service, count) in segments.iter().flat_map(|segment| &segment.doors) {
        let door = Door::ALL.get(usize::from(*door)).copied().unwrap_or(Door::Import);
        changes.add((door, service.clone(), Signal::Traces), Change::evicted(sign * *count as i64));
    }
    changes
}

/// Deletes a segment's rows; the caller holds the transaction.
pub(crate) fn delete(transaction: &Connection, id: i64) -> Result<(), StoreError> {
    let run = |sql: &str, one: i64, other: i64| {
        transaction
            .prepare_cached(sql)
            .and_then(|mut statement| statement.execute(params![one, other]))
            .map(drop)
            .map_err(StoreError::sqlite("dropping a segment"))
    };
    run("DELETE FROM part WHERE id >= ?1 AND id < ?2", id * PARTS, (id + 1) * PARTS)?;
    run("DELETE FROM segment WHERE id = ?1 AND ?2 = ?2", id, 0)?;
    run("DELETE FROM split WHERE segment = ?1 AND ?2 = ?2", id, 0)
}

impl Writer {
    fn replace(&mut self, replacement: Replacement) -> Result<Option<i64>, StoreError> {
        let failed = || StoreError::sqlite("replacing segments");
        let Replacement { old, new, hide } = replacement;
        let gone: HashSet<i64> = old.iter().map(|segment| segment.id).collect();
        let id = self.next_segment;
        let mut changes = evictions(&old, 1);
        let split = lock(&self.shared.head).split.clone();
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed())?;
        for segment in &old {
            match hide {
                None => delete(&transaction, segment.id)?,
                Some(token) => {
                    let sql = "UPDATE segment SET hidden = ?2 WHERE id = ?1";
                    transaction.execute(sql, params![segment.id, token]).map_err(failed())?;
                }
            }
        }
        let mut made = None;
        let mut parts: Vec<(TraceId, Vec<SmolStr>)> = Vec::new();
        if let Some((sealed, received)) = &new {
            let segment = Arc::new(sealed.segment(id, *received));
            seal::insert(&transaction, &segment, sealed)?;
            changes.merge(evictions(std::slice::from_ref(&segment), -1));
            if let Some(directory) = Directory::decode(&sealed.directory) {
                for (at, run) in directory.runs.iter().enumerate().filter(|(_, run)| split.contains_key(&run.id)) {
                    seal::insert_split(&transaction, run.id, id, &directory.services(at))?;
                    parts.push((run.id, directory.services(at)));
                }
            }
            made = Some(segment);
        }
        changes.write(&transaction)?;
        transaction.commit().map_err(failed())?;
        let answer = made.as_ref().map(|segment| segment.id);
        {
            let mut head = lock(&self.shared.head);
            let segments = Arc::make_mut(&mut head.segments);
            segments.retain(|segment| !gone.contains(&segment.id));
            if let Some(segment) = made {
                self.next_segment += 1;
                segments.push(segment);
                segments.sort_by_key(|segment| (segment.received.0, segment.id));
            }
            head.forget_segments(&gone);
            parts.iter().for_each(|(trace, services)| head.note_split(*trace, id, services));
        }
        lock(&self.shared.ledger).apply(&changes);
        self.shared.changed();
        Ok(answer)
    }

    /// Shows hidden segments again, and drops those that stood in their place, hidden by a later Clear or not.
    pub(crate) fn unhide(&mut self, token: i64, made: &HashSet<i64>) -> Result<(), StoreError> {
        let failed = || StoreError::sqlite("undoing Clear");
        let hidden: Vec<Arc<Segment>> = seal::read_hidden(&self.connection, token)?;
        let current = lock(&self.shared.head).segments.clone();
        let replaced: Vec<Arc<Segment>> = current.iter().filter(|segment| made.contains(&segment.id)).cloned().collect();
        let mut changes = evictions(&hidden, -1);
        changes.merge(evictions(&replaced, 1));
        changes.merge(super::raw::hidden_counts(&self.connection, token, -1)?);
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed())?;
        for id in made {
            delete(&transaction, *id)?;
        }
        transaction.execute("UPDATE segment SET hidden = 0 WHERE hidden = ?1", [token]).map_err(failed())?;
        transaction.execute("UPDATE raw SET hidden = 0 WHERE hidden = ?1", [token]).map_err(failed())?;
        changes.write(&transaction)?;
        transaction.commit().map_err(failed())?;
        let splits = seal::read_splits(&self.connection)?;
        {
            let mut head = lock(&self.shared.head);
            let segments = Arc::make_mut(&mut head.segments);
            segments.retain(|segment| !made.contains(&segment.id));
            segments.extend(hidden);
            segments.sort_by_key(|segment| (segment.received.0, segment.id));
            head.forget_segments(made);
            splits.iter().for_each(|(trace, segment, services)| head.note_split(*trace, *segment, services));
        }
        lock(&self.shared.ledger).apply(&changes);
        self.shared.changed();
        Ok(())
    }

    /// Deletes what Clear has hidden, once it can't be undone any more.
    pub(crate) fn purge(&mut self) -> Result<(), StoreError> {
        let failed = || StoreError::sqlite("deleting cleared data");
        let ids: Vec<i64> = {
            let mut statement = self.connection.prepare("SELECT id FROM segment WHERE hidden <> 0").map_err(failed())?;
            let rows = statement.query_map([], |row| row.get(0)).map_err(failed())?;
            rows.collect::<Result<_, _>>().map_err(failed())?
        };
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed())?;
        for id in ids {
            delete(&transaction, id)?;
        }
        transaction.execute("DELETE FROM raw WHERE hidden <> 0", []).map_err(failed())?;
        transaction.commit().map_err(failed())
    }
}

/// What whole segments weigh by the service that started each trace.
pub(crate) fn by_root(directory: &Directory, bytes: u64) -> Vec<(SmolStr, u64)> {
    let mut spans: HashMap<&SmolStr, u64> = HashMap::new();
    let mut total = 0;
    for (at, run) in directory.runs.iter().enumerate() {
        *spans.entry(directory.root_service(at)).or_default() += run.len as u64;
        total += run.len as u64;
    }
    let share = |spans: u64| (u128::from(bytes) * u128::from(spans) / u128::from(total.max(1))) as u64;
    let mut list: Vec<_> = spans.into_iter().map(|(service, spans)| (service.clone(), share(spans))).collect();
    list.sort();
    list
}
