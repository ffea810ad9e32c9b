//! A segment back to spans: whole, one trace, or only the columns that a predicate looks at.
//!
//! Texts of the dictionary keep their numbers, so nothing is hashed: a block becomes a [`SpanBatch`] by copying numbers.
//! The batch holds the whole dictionary; who keeps it copies the spans into a batch of their own. It mirrors `encode` column
//! by column.

use super::super::bytes::unzigzag;
use super::arrange::TraceRun;
use super::chunks::{Chunks, from_decimal};
use super::column::{Texts, read_numbers, read_texts};
use super::head::Head;
use super::projection::Projection;
use super::{AttrColumn, FIRST_ATTR, field};
use crate::model::batch::{AttrRow, EventRow, IN_FLIGHT, LinkRow, Run, SpanBatch, SpanRow, StringTable, ValueKind};
use crate::model::{SpanId, TraceId};
use std::ops::Range;

/// A text column on its way into a batch: numbers are given out on first use.
struct TextReader {
    texts: Option<Texts>,
    ids: Vec<u32>,
}

/// What a decoded block is put together in.
struct Target {
    text: String,
    ends: Vec<u32>,
}

impl Target {
    fn push(&mut self, text: &str) -> u32 {
        self.text.push_str(text);
        self.ends.push(self.text.len() as u32);
        self.ends.len() as u32 - 1
    }
}

impl TextReader {
    /// A missing column reads as empty texts.
    fn new(chunks: &Chunks, id: u32, count: usize) -> Option<Self> {
        let texts = if chunks.has(id) { Some(read_texts(&mut chunks.get(id), count)?) } else { None };
        let ids = match &texts {
            Some(Texts::Own { ends, .. }) => vec![u32::MAX; ends.len()],
            _ => Vec::new(),
        };
        Some(Self { texts, ids })
    }

    fn get(&mut self, at: usize, dictionary: &[u32], target: &mut Target) -> Option<u32> {
        match &self.texts {
            None => Some(0),
            Some(Texts::Segment(codes)) => dictionary.get(*codes.get(at)? as usize).copied(),
            Some(Texts::Own { text, ends, codes }) => {
                let place = codes.as_ref().map_or(Some(at), |codes| codes.get(at).map(|code| *code as usize))?;
                let known = self.ids.get_mut(place)?;
                if *known == u32::MAX {
                    let text = std::str::from_utf8(Texts::own(text, ends, place)?).ok()?;
                    *known = if text.is_empty() { 0 } else { target.push(text) };
                }
                Some(*known)
            }
        }
    }
}

/// Values of one attribute column with the place that comes next.
enum ValueReader {
    /// Not asked for.
    Skipped,
    Numbers(Vec<u64>),
    Texts(TextReader),
    Blobs(Texts),
    Empty,
}

struct AttrReader {
    values: Vec<(ValueReader, usize)>,
}

impl AttrReader {
    /// Counts values by the shapes of the rows, then unpacks the columns that are there.
    fn new(head: &Head, chunks: &Chunks, projection: &Projection, shapes: [&[u64]; 3]) -> Option<Self> {
        let mut counts = vec![0_usize; head.columns.len()];
        for (scope, shapes) in shapes.into_iter().enumerate() {
            for shape in shapes {
                head.shapes[scope].get(*shape as usize)?.iter().for_each(|column| counts[*column as usize] += 1);
            }
        }
        let one = |(at, column): (usize, &AttrColumn)| {
            let (id, count) = (FIRST_ATTR + at as u32, counts[at]);
            let values = match column.kind {
                _ if !head.wants(id, projection) || count == 0 => ValueReader::Skipped,
                ValueKind::Empty => ValueReader::Empty,
                _ if !chunks.has(id) => return None,
                ValueKind::Bool => ValueReader::Numbers(chunks.numbers(id, count)?),
                ValueKind::Int => {
                    let numbers = chunks.numbers(id, count)?.into_iter().map(|bits| bits ^ (1 << 63));
                    ValueReader::Numbers(numbers.collect())
                }
                ValueKind::Double => {
                    let mut bytes = chunks.get(id);
                    let scale = bytes.u8()?;
                    let numbers = read_numbers(&mut bytes, count)?;
                    match scale {
                        u8::MAX => ValueReader::Numbers(numbers),
                        scale => ValueReader::Numbers(numbers.into_iter().map(|bits| from_decimal(bits, scale)).collect()),
                    }
                }
                ValueKind::Str => ValueReader::Texts(TextReader::new(chunks, id, count)?),
                ValueKind::Bytes | ValueKind::Array | ValueKind::Map => {
                    ValueReader::Blobs(read_texts(&mut chunks.get(id), count)?)
                }
            };
            Some((values, 0))
        };
        Some(Self { values: head.columns.iter().enumerate().map(one).collect::<Option<_>>()? })
    }

    fn skip(&mut self, shape: &[u32]) {
        shape.iter().for_each(|column| self.values[*column as usize].1 += 1);
    }

    fn read(&mut self, head: &Head, shape: &[u32], batch: &mut SpanBatch, target: &mut Target) -> Option<Run> {
        let start = batch.attrs.len() as u32;
        for column in shape {
            let AttrColumn { key, kind, .. } = head.columns[*column as usize];
            let (values, next) = &mut self.values[*column as usize];
            let at = *next;
            *next += 1;
            let bits = match values {
                ValueReader::Skipped => continue,
                ValueReader::Empty => 0,
                ValueReader::Numbers(numbers) => *numbers.get(at)?,
                ValueReader::Texts(texts) => u64::from(texts.get(at, &head.dictionary, target)?),
                ValueReader::Blobs(Texts::Own { text, ends, codes }) => {
                    let place = codes.as_ref().map_or(Some(at), |codes| codes.get(at).map(|code| *code as usize))?;
                    batch.blobs.push(Texts::own(text, ends, place)?.into());
                    batch.blobs.len() as u64 - 1
                }
                ValueReader::Blobs(Texts::Segment(_)) => return None,
            };
            batch.attrs.push(AttrRow { key, kind, bits });
        }
        Some(Run { start, len: batch.attrs.len() as u32 - start })
    }
}

/// The rows `wanted` (of the segment, inside block `number`) as a batch, a span a row in order. `runs` are the traces of
/// the segment in order. `None` when the block is damaged.
pub(crate) fn decode(
    head: &Head,
    chunks: &Chunks,
    runs: &[TraceRun],
    number: usize,
    wanted: Range<usize>,
    projection: &Projection,
) -> Option<SpanBatch> {
    let rows = head.rows(number);
    let count = rows.len();
    let wanted = wanted.start.max(rows.start) - rows.start..wanted.end.min(rows.end).max(rows.start) - rows.start;
    let shapes = chunks.numbers(field::SHAPE, count)?;
    let event_counts = chunks.numbers(field::EVENTS, count)?;
    let link_counts = chunks.numbers(field::LINKS, count)?;
    let total = |counts: &[u64]| usize::try_from(counts.iter().sum::<u64>()).ok().filter(|total| *total < 1 << 28);
    let (events, links) = (total(&event_counts)?, total(&link_counts)?);
    let event_shapes = chunks.numbers(field::EVENT_SHAPE, events)?;
    let link_shapes = chunks.numbers(field::LINK_SHAPE, links)?;
    let attributed = head.wants(field::SHAPE, projection);
    let span_shapes = if attributed { shapes.as_slice() } else { &[] };
    let mut attrs = AttrReader::new(head, chunks, projection, [span_shapes, &event_shapes, &link_shapes])?;
    let mut texts = [field::NAME, field::TRACE_STATE, field::STATUS_MESSAGE]
        .into_iter()
        .map(|id| TextReader::new(chunks, id, count))
        .collect::<Option<Vec<_>>>()?;
    let column = |id: u32| chunks.numbers(id, count);
    let (kinds, resources, scopes) = (column(field::KIND)?, column(field::RESOURCE)?, column(field::SCOPE)?);
    let (steps, durations) = (column(field::START)?, column(field::DURATION)?);
    let flags = column(field::FLAGS)?;
    let dropped = [column(field::DROPPED_ATTRIBUTES)?, column(field::DROPPED_EVENTS)?, column(field::DROPPED_LINKS)?];
    let ids = chunks.get(field::SPAN_ID).0;
    let id_of = |at: usize| ids.get(at * 8..at * 8 + 8).and_then(|id| id.try_into().ok()).map(SpanId);
    let parents = column(field::PARENT)?;
    let mut far = chunks.get(field::PARENT_FAR);
    let mut event_reader = EventReader::new(chunks, events, event_shapes)?;
    let mut link_reader = LinkReader::new(chunks, links, link_shapes)?;

    let mut batch = SpanBatch {
        resources: head.base.resources.clone(),
        scopes: head.base.scopes.clone(),
        attrs: head.base.attrs.clone(),
        blobs: head.base.blobs.clone(),
        spans: Vec::with_capacity(wanted.len()),
        ..SpanBatch::default()
    };
    let (text, ends) = head.base.strings.parts();
    let mut target = Target { text: text.to_owned(), ends: ends.to_vec() };
    let mut run = runs.partition_point(|run| run.first + run.len <= rows.start);
    let mut start = 0_i64;
    for at in 0..wanted.end {
        let row = rows.start + at;
        while runs.get(run)?.first + runs[run].len <= row {
            run += 1;
        }
        if row == runs[run].first || at == 0 {
            start = runs[run].start;
        }
        start = start.wrapping_add(steps[at] as i64);
        let shape: &[u32] = if attributed { head.shapes[0].get(shapes[at] as usize)? } else { &[] };
        let parent = match parents[at] {
            0 => SpanId::default(),
            1 => SpanId(far.array()?),
            _ if at < wanted.start => SpanId::default(),
            code => id_of(usize::try_from(at as i64 - unzigzag(code - 2)).ok()?)?,
        };
        if at < wanted.start {
            attrs.skip(shape);
            event_reader.skip(head, event_counts[at], &mut attrs)?;
            link_reader.skip(head, link_counts[at], &mut attrs)?;
            continue;
        }
        let trace_id = runs[run].id;
        let in_flight = kinds[at] >> 16 != 0;
        let end = if in_flight { IN_FLIGHT } else { start.wrapping_add(unzigzag(durations[at])) };
        let resource = u32::try_from(resources[at]).ok().filter(|at| (*at as usize) < batch.resources.len())?;
        let scope = u32::try_from(scopes[at]).ok().filter(|at| (*at as usize) < batch.scopes.len())?;
        let mut text = |column: usize| texts[column].get(at, &head.dictionary, &mut target);
        let (name, trace_state, status_message) = (text(0)?, text(1)?, text(2)?);
        let own = attrs.read(head, shape, &mut batch, &mut target)?;
        let events = event_reader.read(head, event_counts[at], start, &mut attrs, &mut batch, &mut target)?;
        let links = link_reader.read(head, link_counts[at], trace_id, &mut attrs, &mut batch, &mut target)?;
        batch.spans.push(SpanRow {
            trace_id,
            span_id: if ids.is_empty() { SpanId::default() } else { id_of(at)? },
            parent,
            start,
            end,
            content_hash: 0,
            name,
            trace_state,
            status_message,
            flags: flags[at] as u32,
            resource,
            scope,
            attrs: own,
            events,
            links,
            dropped_attributes: dropped[0][at] as u32,
            dropped_events: dropped[1][at] as u32,
            dropped_links: dropped[2][at] as u32,
            kind: kinds[at] as u8,
            status: (kinds[at] >> 8) as u8,
        });
    }
    batch.strings = StringTable::from_parts(target.text, target.ends)?;
    Some(batch)
}

struct EventReader {
    next: usize,
    times: Vec<u64>,
    names: TextReader,
    dropped: Vec<u64>,
    shapes: Vec<u64>,
}

impl EventReader {
    fn new(chunks: &Chunks, count: usize, shapes: Vec<u64>) -> Option<Self> {
        Some(Self {
            next: 0,
            times: chunks.numbers(field::EVENT_TIME, count)?,
            names: TextReader::new(chunks, field::EVENT_NAME, count)?,
            dropped: chunks.numbers(field::EVENT_DROPPED, count)?,
            shapes,
        })
    }

    fn skip(&mut self, head: &Head, count: u64, attrs: &mut AttrReader) -> Option<()> {
        for _ in 0..count {
            attrs.skip(head.shapes[1].get(*self.shapes.get(self.next)? as usize)?);
            self.next += 1;
        }
        Some(())
    }

    fn read(
        &mut self,
        head: &Head,
        count: u64,
        span_start: i64,
        attrs: &mut AttrReader,
        batch: &mut SpanBatch,
        target: &mut Target,
    ) -> Option<Run> {
        let start = batch.events.len() as u32;
        for _ in 0..count {
            let at = self.next;
            self.next += 1;
            let shape = head.shapes[1].get(*self.shapes.get(at)? as usize)?;
            let own = attrs.read(head, shape, batch, target)?;
            let name = self.names.get(at, &head.dictionary, target)?;
            let time = span_start.wrapping_add(unzigzag(*self.times.get(at)?));
            let dropped_attributes = *self.dropped.get(at)? as u32;
            batch.events.push(EventRow { time, name, attrs: own, dropped_attributes });
        }
        Some(Run { start, len: count as u32 })
    }
}

struct LinkReader {
    next: usize,
    other: Vec<u64>,
    traces: Vec<u8>,
    next_trace: usize,
    spans: Vec<u8>,
    states: TextReader,
    flags: Vec<u64>,
    dropped: Vec<u64>,
    shapes: Vec<u64>,
}

impl LinkReader {
    fn new(chunks: &Chunks, count: usize, shapes: Vec<u64>) -> Option<Self> {
        Some(Self {
            next: 0,
            other: chunks.numbers(field::LINK_OTHER, count)?,
            traces: chunks.get(field::LINK_TRACE).0.to_vec(),
            next_trace: 0,
            spans: chunks.get(field::LINK_SPAN).0.to_vec(),
            states: TextReader::new(chunks, field::LINK_STATE, count)?,
            flags: chunks.numbers(field::LINK_FLAGS, count)?,
            dropped: chunks.numbers(field::LINK_DROPPED, count)?,
            shapes,
        })
    }

    fn skip(&mut self, head: &Head, count: u64, attrs: &mut AttrReader) -> Option<()> {
        for _ in 0..count {
            self.next_trace += usize::from(*self.other.get(self.next)? != 0);
            attrs.skip(head.shapes[2].get(*self.shapes.get(self.next)? as usize)?);
            self.next += 1;
        }
        Some(())
    }

    fn read(
        &mut self,
        head: &Head,
        count: u64,
        own_trace: TraceId,
        attrs: &mut AttrReader,
        batch: &mut SpanBatch,
        target: &mut Target,
    ) -> Option<Run> {
        let start = batch.links.len() as u32;
        for _ in 0..count {
            let at = self.next;
            self.next += 1;
            let mut trace_id = own_trace;
            if *self.other.get(at)? != 0 {
                trace_id = TraceId(self.traces.get(self.next_trace * 16..self.next_trace * 16 + 16)?.try_into().ok()?);
                self.next_trace += 1;
            }
            let span_id = SpanId(self.spans.get(at * 8..at * 8 + 8)?.try_into().ok()?);
            let shape = head.shapes[2].get(*self.shapes.get(at)? as usize)?;
            let own = attrs.read(head, shape, batch, target)?;
            let trace_state = self.states.get(at, &head.dictionary, target)?;
            let (flags, dropped_attributes) = (*self.flags.get(at)? as u32, *self.dropped.get(at)? as u32);
            batch.links.push(LinkRow { trace_id, span_id, trace_state, flags, attrs: own, dropped_attributes });
        }
        Some(Run { start, len: count as u32 })
    }
}
