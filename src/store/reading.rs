//! Reading a view: traces out of head and segments, blocks by column, and the little that is kept unpacked between reads.

use super::error::StoreError;
use super::head::{HeadBatch, View};
use super::segment::{self, Chunks, Directory, Mixed, PARTS, Projection, Segment, Tallied, part};
use super::shared::{Shared, lock};
use crate::model::{SpanBatch, SpanBatchBuilder, SpanId, TraceId};
use crate::source::{QueryControl, SourceError};
use rusqlite::{Connection, MAIN_DB, OptionalExtension as _};
use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

/// Bytes of unpacked directories that are kept.
const DIRECTORY_BYTES: usize = 16 << 20;
/// Bytes of unpacked heads that are kept.
const HEAD_BYTES: usize = 4 << 20;

/// Why a question has no answer.
#[derive(Debug)]
pub(crate) enum Miss {
    /// The view is out of date: take a new one.
    Stale,
    /// It cannot be answered.
    Failed(SourceError),
}

impl From<SourceError> for Miss {
    fn from(error: SourceError) -> Self {
        Self::Failed(error)
    }
}

impl From<StoreError> for Miss {
    fn from(error: StoreError) -> Self {
        Self::Failed(SourceError::Read(error.to_string()))
    }
}

/// Values by segment, the longest unused going first when there are too many bytes.
#[derive(Debug)]
struct Kept<T> {
    values: HashMap<i64, (Arc<T>, usize, u64)>,
    bytes: usize,
    limit: usize,
    clock: u64,
}

impl<T> Kept<T> {
    fn new(limit: usize) -> Self {
        Self { values: HashMap::new(), bytes: 0, limit, clock: 0 }
    }

    fn get(&mut self, id: i64) -> Option<Arc<T>> {
        self.clock += 1;
        let clock = self.clock;
        self.values.get_mut(&id).map(|(value, _, used)| {
            *used = clock;
            value.clone()
        })
    }

    fn put(&mut self, id: i64, value: Arc<T>, bytes: usize) {
        self.clock += 1;
        if let Some((_, old, _)) = self.values.insert(id, (value, bytes, self.clock)) {
            self.bytes -= old;
        }
        self.bytes += bytes;
        while self.bytes > self.limit && self.values.len() > 1 {
            let Some(oldest) = self.values.iter().min_by_key(|(_, (_, _, used))| *used).map(|(id, _)| *id) else { return };
            if let Some((_, bytes, _)) = self.values.remove(&oldest) {
                self.bytes -= bytes;
            }
        }
    }
}

/// What is kept unpacked.
#[derive(Debug)]
pub(crate) struct Cache {
    directories: Kept<Directory>,
    heads: Kept<segment::Head>,
}

impl Default for Cache {
    fn default() -> Self {
        Self { directories: Kept::new(DIRECTORY_BYTES), heads: Kept::new(HEAD_BYTES) }
    }
}

/// A question at work.
pub(crate) struct Reading<'a> {
    pub(crate) shared: &'a Shared,
    pub(crate) view: &'a View,
    pub(crate) connection: &'a Connection,
    pub(crate) control: &'a QueryControl,
}

impl Reading<'_> {
    /// The spans of a batch of the head.
    pub(crate) fn load(&self, batch: &HeadBatch) -> Result<Arc<SpanBatch>, Miss> {
        self.control.check()?;
        batch.load(self.connection)?.ok_or(Miss::Stale)
    }

    fn part(&self, segment: &Segment, number: i64) -> Result<Vec<u8>, Miss> {
        self.control.check()?;
        let row = self
            .connection
            .prepare_cached("SELECT body FROM part WHERE id = ?1")
            .and_then(|mut read| read.query_row([segment.id * PARTS + number], |row| row.get(0)).optional())
            .map_err(StoreError::sqlite("reading a segment"))?;
        row.ok_or(Miss::Stale)
    }

    fn damaged(segment: &Segment, what: &str) -> Miss {
        StoreError::Damaged(format!("the {what} of segment {}", segment.id)).into()
    }

    pub(crate) fn directory(&self, segment: &Segment) -> Result<Arc<Directory>, Miss> {
        if let Some(directory) = lock(&self.shared.cache).directories.get(segment.id) {
            return Ok(directory);
        }
        let bytes = self.part(segment, part::DIRECTORY)?;
        let directory = Arc::new(Directory::decode(&bytes).ok_or_else(|| Self::damaged(segment, "directory"))?);
        lock(&self.shared.cache).directories.put(segment.id, directory.clone(), directory.heap_bytes());
        Ok(directory)
    }

    pub(crate) fn head(&self, segment: &Segment) -> Result<Arc<segment::Head>, Miss> {
        if let Some(head) = lock(&self.shared.cache).heads.get(segment.id) {
            return Ok(head);
        }
        let bytes = self.part(segment, part::HEAD)?;
        let head = Arc::new(segment::Head::decode(&bytes).ok_or_else(|| Self::damaged(segment, "head"))?);
        lock(&self.shared.cache).heads.put(segment.id, head.clone(), head.heap_bytes());
        Ok(head)
    }

    pub(crate) fn tallied(&self, segment: &Segment) -> Result<Tallied, Miss> {
        let bytes = self.part(segment, part::TALLY)?;
        Tallied::decode(&bytes).ok_or_else(|| Self::damaged(segment, "sums"))
    }

    /// The columns of a block that a projection wants.
    pub(crate) fn chunks(
        &self,
        segment: &Segment,
        head: &segment::Head,
        number: usize,
        projection: &Projection,
    ) -> Result<Chunks, Miss> {
        let number = part::BLOCK + number as i64;
        let chunks = if projection.whole {
            Chunks::whole(self.part(segment, number)?)
        } else {
            self.control.check()?;
            let blob = self.connection.blob_open(MAIN_DB, "part", "body", segment.id * PARTS + number, true);
            let blob = blob.map_err(|error| match error.sqlite_error_code() {
                Some(rusqlite::ErrorCode::Unknown) => Miss::Stale,
                _ => StoreError::sqlite("reading a block")(error).into(),
            })?;
            Chunks::wanted(head, projection, |offset, buffer| blob.read_at_exact(buffer, offset).is_ok())
        };
        chunks.ok_or_else(|| Self::damaged(segment, "block"))
    }

    /// Rows of a segment inside one block.
    pub(crate) fn block(
        &self,
        segment: &Segment,
        head: &segment::Head,
        directory: &Directory,
        number: usize,
        rows: Range<usize>,
        projection: &Projection,
    ) -> Result<SpanBatch, Miss> {
        let chunks = self.chunks(segment, head, number, projection)?;
        segment::decode(head, &chunks, &directory.runs, number, rows, projection).ok_or_else(|| Self::damaged(segment, "block"))
    }

    /// A whole block with the door of each span.
    pub(crate) fn block_with_doors(
        &self,
        segment: &Segment,
        head: &segment::Head,
        directory: &Directory,
        number: usize,
    ) -> Result<(SpanBatch, Vec<u8>), Miss> {
        let (projection, rows) = (Projection::whole(), head.rows(number));
        let chunks = self.chunks(segment, head, number, &projection)?;
        let doors = chunks.doors(rows.len());
        segment::decode(head, &chunks, &directory.runs, number, rows, &projection)
            .zip(doors)
            .ok_or_else(|| Self::damaged(segment, "block"))
    }

    /// Adds the spans of a trace in a segment; false when it has none.
    fn add_part(&self, segment: &Segment, id: TraceId, builder: &mut SpanBatchBuilder) -> Result<bool, Miss> {
        let directory = self.directory(segment)?;
        let Some(at) = directory.find(id) else { return Ok(false) };
        let head = self.head(segment)?;
        let run = directory.runs[at];
        let rows = run.first..run.first + run.len;
        for number in head.blocks_of(rows.clone()) {
            let part = self.block(segment, &head, &directory, number, rows.clone(), &Projection::whole())?;
            builder.copy(&part, 0..part.len());
        }
        Ok(true)
    }

    /// Segments that hold spans of a trace.
    pub(crate) fn segments_with(&self, id: TraceId) -> Result<Vec<Arc<Segment>>, Miss> {
        let mixed = Mixed::new(id);
        let mut found = Vec::new();
        for segment in self.view.segments.iter().filter(|segment| segment.filter.may_hold(mixed)) {
            if self.directory(segment)?.find(id).is_some() {
                found.push(segment.clone());
            }
        }
        Ok(found)
    }

    /// The sealed spans of a trace.
    pub(crate) fn gather_sealed(&self, id: TraceId, builder: &mut SpanBatchBuilder) -> Result<(), Miss> {
        let mixed = Mixed::new(id);
        for segment in self.view.segments.iter().filter(|segment| segment.filter.may_hold(mixed)) {
            self.add_part(segment, id, builder)?;
        }
        Ok(())
    }

    /// Every span of a trace by start, pending spans left out that a finished one has replaced.
    pub(crate) fn gather(&self, id: TraceId) -> Result<Option<SpanBatch>, Miss> {
        let mut builder = SpanBatchBuilder::default();
        self.gather_sealed(id, &mut builder)?;
        for batch in &self.view.head {
            let places = batch.places(id);
            if !places.is_empty() {
                builder.copy(&*self.load(batch)?, places.iter().map(|at| *at as usize));
            }
        }
        Ok((!builder.is_empty()).then(|| in_order(builder.finish())))
    }
}

/// Sorted by start (ties as they came), a pending span left out where a finished one has the same id.
pub(crate) fn in_order(batch: SpanBatch) -> SpanBatch {
    use crate::model::batch::IN_FLIGHT;
    let finished: HashSet<SpanId> = if batch.spans.iter().any(|span| span.end == IN_FLIGHT) {
        batch.spans.iter().filter(|span| span.end != IN_FLIGHT).map(|span| span.span_id).collect()
    } else {
        HashSet::new()
    };
    let gone = |at: &usize| batch.spans[*at].end == IN_FLIGHT && finished.contains(&batch.spans[*at].span_id);
    if finished.is_empty() && batch.spans.is_sorted_by_key(|span| span.start) {
        return batch;
    }
    let mut order: Vec<usize> = (0..batch.len()).filter(|at| !gone(at)).collect();
    order.sort_by_key(|at| batch.spans[*at].start);
    let mut builder = SpanBatchBuilder::default();
    builder.copy(&batch, order);
    builder.finish()
}
