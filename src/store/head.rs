//! The head: received batches that are not sealed yet, and the view that readers take of everything.
//!
//! A batch is published after its commit and never changes; a reader copies the list of pointers and then works without
//! any lock. Memory is bounded: past the budget the oldest batches give up their decoded form and keep only their list of
//! traces; whoever needs the spans again reads the journal row back ([`HeadBatch::load`]).

use super::error::StoreError;
use super::journal;
use super::reading::in_order;
use super::segment::{self, Segment, TraceRun};
use crate::model::trace::summarise;
use crate::model::{Door, SpanBatch, SpanBatchBuilder, TraceId, TraceSummary, UnixNanos};
use rusqlite::{Connection, OptionalExtension as _};
use smol_str::SmolStr;
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// Where a trace's spans stand in a batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HeadTrace {
    pub(crate) id: TraceId,
    /// First of its places in [`HeadBatch::order`].
    first: u32,
    len: u32,
}

/// One row of the journal, as readers see it.
#[derive(Debug)]
pub(crate) struct HeadBatch {
    /// Journal row.
    pub(crate) id: i64,
    pub(crate) door: Door,
    pub(crate) received: UnixNanos,
    pub(crate) spans: usize,
    /// Earliest start and latest end or start.
    pub(crate) extent: (i64, i64),
    /// Spans by service.
    pub(crate) services: Vec<(SmolStr, u64)>,
    /// Traces, by id.
    pub(crate) traces: Box<[HeadTrace]>,
    /// True when a span has not ended.
    pub(crate) pending: bool,
    order: Box<[u32]>,
    decoded_bytes: usize,
    decoded: Mutex<Option<Arc<SpanBatch>>>,
    summaries: OnceLock<Arc<[TraceSummary]>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Spans of a batch by service.
pub(crate) fn by_service(batch: &SpanBatch) -> Vec<(SmolStr, u64)> {
    let mut by_resource = vec![0_u64; batch.resources.len()];
    batch.spans.iter().for_each(|span| by_resource[span.resource as usize] += 1);
    let mut services: Vec<(u32, u64)> = Vec::new();
    for (row, count) in batch.resources.iter().zip(by_resource).filter(|(_, count)| *count > 0) {
        match services.iter_mut().find(|(service, _)| *service == row.service) {
            Some((_, sum)) => *sum += count,
            None => services.push((row.service, count)),
        }
    }
    services.into_iter().map(|(service, count)| (batch.strings.get(service).into(), count)).collect()
}

impl HeadBatch {
    pub(crate) fn new(id: i64, door: Door, received: UnixNanos, batch: Arc<SpanBatch>) -> Self {
        let mut order: Vec<u32> = (0..batch.len() as u32).collect();
        order.sort_by_key(|at| {
            let span = &batch.spans[*at as usize];
            (span.trace_id, span.start)
        });
        let mut traces: Vec<HeadTrace> = Vec::new();
        for (place, at) in order.iter().enumerate() {
            let id = batch.spans[*at as usize].trace_id;
            match traces.last_mut() {
                Some(trace) if trace.id == id => trace.len += 1,
                _ => traces.push(HeadTrace { id, first: place as u32, len: 1 }),
            }
        }
        let first = batch.spans.iter().map(|span| span.start).min().unwrap_or(0);
        let last = batch.spans.iter().map(|span| span.end.max(span.start)).max().unwrap_or(0);
        Self {
            id,
            door,
            received,
            spans: batch.len(),
            extent: (first, last),
            services: by_service(&batch),
            traces: traces.into(),
            pending: batch.spans.iter().any(|span| span.end == crate::model::batch::IN_FLIGHT),
            order: order.into(),
            decoded_bytes: batch.heap_bytes(),
            decoded: Mutex::new(Some(batch)),
            summaries: OnceLock::new(),
        }
    }

    /// The spans, from memory or from the journal. `None` when the row has been sealed meanwhile: take a new view.
    pub(crate) fn load(&self, connection: &Connection) -> Result<Option<Arc<SpanBatch>>, StoreError> {
        if let Some(batch) = &*lock(&self.decoded) {
            return Ok(Some(batch.clone()));
        }
        let row = connection
            .prepare_cached("SELECT payload FROM journal WHERE id = ?1")
            .and_then(|mut statement| statement.query_row([self.id], |row| row.get::<_, Vec<u8>>(0)).optional())
            .map_err(StoreError::sqlite("reading the journal"))?;
        let Some(row) = row else { return Ok(None) };
        match journal::decode(&row) {
            Some(batch) if batch.len() == self.spans => Ok(Some(Arc::new(batch))),
            _ => Err(StoreError::Damaged(format!("journal row {}", self.id))),
        }
    }

    /// Gives up the decoded form; true when there was one.
    fn spill(&self) -> bool {
        lock(&self.decoded).take().is_some()
    }

    fn is_loaded(&self) -> bool {
        lock(&self.decoded).is_some()
    }

    /// Indices of the spans of a trace, by start.
    pub(crate) fn places(&self, id: TraceId) -> &[u32] {
        match self.traces.binary_search_by_key(&id, |trace| trace.id) {
            Ok(at) => self.places_of(&self.traces[at]),
            Err(_) => &[],
        }
    }

    pub(crate) fn places_of(&self, trace: &HeadTrace) -> &[u32] {
        &self.order[trace.first as usize..(trace.first + trace.len) as usize]
    }

    /// The summaries, when they have been worked out.
    pub(crate) fn known_summaries(&self) -> Option<Arc<[TraceSummary]>> {
        self.summaries.get().cloned()
    }

    /// One summary for each of [`HeadBatch::traces`], of its spans in this batch; worked out on first use.
    pub(crate) fn summaries(&self, batch: &SpanBatch) -> Arc<[TraceSummary]> {
        let make = || match self.pending {
            // A finished span may stand beside its pending form here: only the whole rule of reading tells.
            true => {
                let one = |trace: &HeadTrace| {
                    let mut builder = SpanBatchBuilder::default();
                    builder.copy(batch, self.places_of(trace).iter().map(|at| *at as usize));
                    summarise(&in_order(builder.finish())).unwrap_or_default()
                };
                self.traces.iter().map(one).collect()
            }
            false => {
                let run = |trace: &HeadTrace| TraceRun {
                    id: trace.id,
                    first: trace.first as usize,
                    len: trace.len as usize,
                    start: batch.spans[self.order[trace.first as usize] as usize].start,
                };
                let runs: Vec<TraceRun> = self.traces.iter().map(run).collect();
                segment::summarise(batch, &self.order, &runs).into()
            }
        };
        self.summaries.get_or_init(make).clone()
    }
}

/// A trace with spans in more than one place, and its share in each segment.
#[derive(Clone, Debug, Default)]
pub(crate) struct SplitTrace {
    /// Segment and the services it has there.
    pub(crate) parts: Vec<(i64, Vec<SmolStr>)>,
}

pub(crate) type Splits = HashMap<TraceId, SplitTrace>;

/// Everything stored, as of one moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct View {
    /// Unsealed batches in the order of their commit.
    pub(crate) head: Vec<Arc<HeadBatch>>,
    /// Segments in the order of their sealing, hidden ones left out.
    pub(crate) segments: Arc<Vec<Arc<Segment>>>,
    /// Traces with spans in more than one segment, or in a segment and the head.
    pub(crate) split: Arc<Splits>,
}

/// The current state, changed by the writer thread alone.
#[derive(Debug, Default)]
pub(crate) struct Head {
    pub(crate) batches: VecDeque<Arc<HeadBatch>>,
    pub(crate) segments: Arc<Vec<Arc<Segment>>>,
    pub(crate) split: Arc<Splits>,
    /// Decoded bytes in memory.
    loaded_bytes: usize,
}

impl Head {
    pub(crate) fn view(&self) -> View {
        View { head: self.batches.iter().cloned().collect(), segments: self.segments.clone(), split: self.split.clone() }
    }

    pub(crate) fn spans(&self) -> usize {
        self.batches.iter().map(|batch| batch.spans).sum()
    }

    /// Adds a committed batch and spills the oldest ones past `budget` bytes.
    pub(crate) fn push(&mut self, batch: HeadBatch, budget: usize) {
        if batch.is_loaded() {
            self.loaded_bytes += batch.decoded_bytes;
        }
        self.batches.push_back(Arc::new(batch));
        if self.loaded_bytes > budget {
            for batch in &self.batches {
                if self.loaded_bytes <= budget {
                    break;
                }
                if batch.spill() {
                    self.loaded_bytes -= batch.decoded_bytes;
                }
            }
        }
    }

    /// Puts a batch that was received before the others in front of them.
    pub(crate) fn push_front(&mut self, batch: HeadBatch) {
        self.loaded_bytes += batch.decoded_bytes;
        self.batches.push_front(Arc::new(batch));
    }

    /// Puts a changed batch in the place of the one with the number, or takes that out.
    pub(crate) fn replace(&mut self, (id, batch): (i64, Option<HeadBatch>)) {
        let Some(at) = self.batches.iter().position(|known| known.id == id) else { return };
        if self.batches[at].is_loaded() {
            self.loaded_bytes = self.loaded_bytes.saturating_sub(self.batches[at].decoded_bytes);
        }
        match batch {
            Some(batch) => {
                self.loaded_bytes += batch.decoded_bytes;
                self.batches[at] = Arc::new(batch);
            }
            None => drop(self.batches.remove(at)),
        }
    }

    /// Notes where the sealed spans of a trace stand.
    pub(crate) fn note_split(&mut self, id: TraceId, segment: i64, services: &[SmolStr]) {
        let parts = &mut Arc::make_mut(&mut self.split).entry(id).or_default().parts;
        if parts.iter().all(|(known, _)| *known != segment) {
            parts.push((segment, services.to_vec()));
        }
    }

    /// Forgets what stood in segments that are gone.
    pub(crate) fn forget_segments(&mut self, gone: &HashSet<i64>) {
        if self.split.values().any(|split| split.parts.iter().any(|(segment, _)| gone.contains(segment))) {
            let split = Arc::make_mut(&mut self.split);
            split.values_mut().for_each(|split| split.parts.retain(|(segment, _)| !gone.contains(segment)));
            let in_head: HashSet<TraceId> =
                self.batches.iter().flat_map(|batch| batch.traces.iter().map(|trace| trace.id)).collect();
            split.retain(|id, split| !split.parts.is_empty() || in_head.contains(id));
        }
    }

    /// Takes sealed, replaced or cleared batches out.
    pub(crate) fn remove(&mut self, ids: &HashSet<i64>) {
        for batch in self.batches.iter().filter(|batch| ids.contains(&batch.id) && batch.is_loaded()) {
            self.loaded_bytes = self.loaded_bytes.saturating_sub(batch.decoded_bytes);
        }
        self.batches.retain(|batch| !ids.contains(&batch.id));
    }
}
