//! What a span's twin decides: a resent span whose first copy is sealed, a pending span and its finished form.
//!
//! Content hashes are not stored in segments (8 bytes of noise a span). So where spans arrive for a trace with sealed spans
//! that the tables of `dedupe.rs` do not cover (a restart, or very many spans since), the trace is read and hashed once.

use super::accounts::{Change, Changes};
use super::dedupe::fingerprint;
use super::error::StoreError;
use super::head::{HeadBatch, View};
use super::journal;
use super::reading::Reading;
use super::shared::lock;
use super::writer::{Admitted, RETRY_HORIZON_NS, SpansJob, Writer};
use crate::model::batch::IN_FLIGHT;
use crate::model::{Signal, SpanBatch, SpanBatchBuilder, SpanId, TraceId};
use crate::source::QueryControl;
use rusqlite::{Connection, params};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Traces whose sealed spans stay hashed; past this all are forgotten.
const MOST_TRACES: usize = 256;

/// Sealed content hashes by span, of traces that get spans again.
pub(crate) type Sealed = HashMap<TraceId, HashMap<SpanId, Vec<u64>>>;

/// A batch of the head without the pending spans that were replaced.
pub(crate) struct Replaced {
    id: i64,
    head: HeadBatch,
    row: Vec<u8>,
    gone: Vec<(smol_str::SmolStr, u64)>,
}

/// Hashes of the content and its resource as the store sees them, whatever the codec hashed.
fn content(batch: &SpanBatch, rows: impl IntoIterator<Item = usize>) -> Vec<(SpanId, u64)> {
    let mut builder = SpanBatchBuilder::default();
    builder.copy(batch, rows);
    let mut copy = builder.finish();
    copy.spans.iter_mut().for_each(|span| span.content_hash = 0);
    let mut builder = SpanBatchBuilder::default();
    builder.copy(&copy, 0..copy.len());
    let copy = builder.peek();
    let resources = copy.resource_hashes();
    copy.spans.iter().map(|span| (span.span_id, fingerprint(span, resources[span.resource as usize]))).collect()
}

/// Pending spans that end, or come again, in the same group: only the finished form stays, or the latest pending one.
pub(crate) fn settle_group(admitted: &mut [Admitted]) {
    // Ids of pending spans: whether a finished form is here too, and the latest place of a pending one.
    let mut known: HashMap<(TraceId, SpanId), (bool, usize)> = HashMap::new();
    let mut place = 0;
    for one in admitted.iter() {
        if one.job.head.pending {
            let pending = one.job.batch.spans.iter().enumerate().filter(|(_, span)| span.end == IN_FLIGHT);
            known.extend(pending.map(|(at, span)| ((span.trace_id, span.span_id), (false, place + at))));
        }
        place += one.job.batch.len();
    }
    if known.is_empty() {
        return;
    }
    for span in admitted.iter().flat_map(|one| &one.job.batch.spans).filter(|span| span.end != IN_FLIGHT) {
        if let Some((finished, _)) = known.get_mut(&(span.trace_id, span.span_id)) {
            *finished = true;
        }
    }
    let mut place = 0;
    for one in admitted {
        let first = place;
        place += one.job.batch.len();
        if one.job.head.pending {
            let stays = |at: usize| {
                let span = &one.job.batch.spans[at];
                span.end != IN_FLIGHT || known.get(&(span.trace_id, span.span_id)) == Some(&(false, first + at))
            };
            let fresh: Vec<bool> = (0..one.job.batch.len()).map(stays).collect();
            one.leave_out(&fresh);
        }
    }
}

impl Writer {
    /// Marks spans as not fresh whose equal is sealed, as far back as clients retry.
    pub(crate) fn mark_sealed_twins(&mut self, job: &SpansJob, late: &[(TraceId, i64)], fresh: &mut [bool]) {
        let segments = lock(&self.shared.head).segments.clone();
        let received = job.head.received;
        let uncertain = |segment: i64| {
            segments.iter().filter(|known| known.id == segment).any(|segment| {
                segment.received.1.0 >= received.0.saturating_sub(RETRY_HORIZON_NS) && !self.seen.covers(segment.received.0)
            })
        };
        let traces: HashSet<TraceId> = late.iter().filter(|(_, segment)| uncertain(*segment)).map(|(id, _)| *id).collect();
        for id in traces {
            if !self.sealed.contains_key(&id) {
                let view = View { segments: segments.clone(), ..View::default() };
                let control = QueryControl::default();
                let reading = Reading { shared: &self.shared, view: &view, connection: &self.connection, control: &control };
                let mut builder = SpanBatchBuilder::default();
                // A segment that can't be read can't tell; the span is then stored again rather than lost.
                if reading.gather_sealed(id, &mut builder).is_err() {
                    continue;
                }
                if self.sealed.len() >= MOST_TRACES {
                    self.sealed.clear();
                }
                let mut known: HashMap<SpanId, Vec<u64>> = HashMap::new();
                let spans = builder.finish();
                content(&spans, 0..spans.len()).into_iter().for_each(|(id, hash)| known.entry(id).or_default().push(hash));
                self.sealed.insert(id, known);
            }
            let Some(known) = self.sealed.get(&id) else { continue };
            let places: Vec<usize> = job.head.places(id).iter().map(|at| *at as usize).collect();
            for (at, (span, hash)) in places.iter().zip(content(&job.batch, places.iter().copied())) {
                if known.get(&span).is_some_and(|hashes| hashes.contains(&hash)) {
                    fresh[*at] = false;
                }
            }
        }
    }

    /// Marks pending spans as not fresh whose finished form is there, and answers the pending spans that fresh ones replace.
    pub(crate) fn pending_twins(&mut self, job: &SpansJob, fresh: &mut [bool]) -> HashSet<(TraceId, SpanId)> {
        let mut replaced = HashSet::new();
        if self.seen.pending().is_empty() && !job.head.pending {
            return replaced;
        }
        for (span, fresh) in job.batch.spans.iter().zip(fresh.iter_mut()).filter(|(_, fresh)| **fresh) {
            let ids = (span.trace_id, span.span_id);
            if self.seen.pending().contains(&ids) {
                replaced.insert(ids);
            } else if span.end == IN_FLIGHT && self.is_finished(span.trace_id, span.span_id) {
                *fresh = false;
            }
        }
        replaced
    }

    /// True when a finished span of these ids is in the head or sealed.
    fn is_finished(&self, trace: TraceId, id: SpanId) -> bool {
        let view = lock(&self.shared.head).view();
        let control = QueryControl::default();
        let reading = Reading { shared: &self.shared, view: &view, connection: &self.connection, control: &control };
        let spans = reading.gather(trace).ok().flatten();
        spans.is_some_and(|spans| spans.spans.iter().any(|span| span.span_id == id && span.end != IN_FLIGHT))
    }

    /// Batches of the head without the pending spans in `ids`, ready to be written.
    pub(crate) fn without_pending(&self, ids: &HashSet<(TraceId, SpanId)>) -> Result<Vec<Replaced>, StoreError> {
        let mut changed = Vec::new();
        if ids.is_empty() {
            return Ok(changed);
        }
        let batches: Vec<Arc<HeadBatch>> =
            lock(&self.shared.head).batches.iter().filter(|batch| batch.pending).cloned().collect();
        for batch in batches {
            if ids.iter().all(|(trace, _)| batch.places(*trace).is_empty()) {
                continue;
            }
            let Some(spans) = batch.load(&self.connection)? else { continue };
            let goes = |at: &usize| {
                let span = &spans.spans[*at];
                span.end == IN_FLIGHT && ids.contains(&(span.trace_id, span.span_id))
            };
            let (gone, kept): (Vec<usize>, Vec<usize>) = (0..spans.len()).partition(goes);
            if gone.is_empty() {
                continue;
            }
            let part = |rows: Vec<usize>| {
                let mut builder = SpanBatchBuilder::default();
                builder.copy(&spans, rows);
                Arc::new(builder.finish())
            };
            let (gone, kept) = (super::head::by_service(&part(gone)), part(kept));
            let row = journal::encode(&kept);
            let head = HeadBatch::new(batch.id, batch.door, batch.received, kept);
            changed.push(Replaced { id: batch.id, head, row, gone });
        }
        Ok(changed)
    }
}

impl Replaced {
    /// Writes the row; the caller holds the transaction. The span that goes is a duplicate from now on, in the table as
    /// the journal row no longer counts it.
    pub(crate) fn write(&self, transaction: &Connection, changes: &mut Changes) -> Result<(), StoreError> {
        let failed = || StoreError::sqlite("replacing a pending span");
        if self.head.spans == 0 {
            transaction.execute("DELETE FROM journal WHERE id = ?1", [self.id]).map_err(failed())?;
        } else {
            let sql = "UPDATE journal SET spans = ?2, payload = ?3 WHERE id = ?1";
            transaction.execute(sql, params![self.id, self.head.spans as i64, self.row]).map_err(failed())?;
        }
        for (service, count) in &self.gone {
            changes.add((self.head.door, service.clone(), Signal::Traces), Change::duplicate(*count));
        }
        Ok(())
    }

    /// The change of the lines in memory, where the span was counted as stored.
    pub(crate) fn note(&self, changes: &mut Changes) {
        for (service, count) in &self.gone {
            changes.add((self.head.door, service.clone(), Signal::Traces), Change::replaced(*count));
        }
    }

    /// The batch that stands in the old one's place, if anything is left of it.
    pub(crate) fn into_head(self) -> (i64, Option<HeadBatch>) {
        (self.id, (self.head.spans > 0).then_some(self.head))
    }
}
