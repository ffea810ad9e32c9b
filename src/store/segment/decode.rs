//! A segment back to spans: whole, one trace, or only the columns that a predicate looks at.
//!
//! Texts of the dictionary keep their numbers, so nothing is hashed: a block becomes a [`SpanBatch`] by copying numbers.
//! The batch holds the whole dictionary; who keeps it copies the spans into a batch of their own.
//!
//! Long because it mirrors `encode` column by column, and what a predicate may skip is decided where a column is read.

use super::super::bytes::{In, unzigzag};
use super::super::journal;
use super::column::{Texts, read_bytes, read_numbers, read_texts};
use super::encode::{TraceRun, from_decimal};
use super::{AttrColumn, Block, FIRST_ATTR, HEAD_VERSION, field};
use crate::model::batch::{AttrRow, EventRow, IN_FLIGHT, LinkRow, Run, SpanBatch, SpanRow, StringTable, ValueKind};
use crate::model::{SpanId, TraceId};
use crate::source::{AttrScope, Comparison, Field, Literal, Predicate};
use smol_str::SmolStr;
use std::collections::HashMap;
use std::ops::Range;

/// What is read of each span; times, kind, status, resource and scope always are.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Projection {
    /// Everything, flags and dropped counts too.
    pub(crate) whole: bool,
    pub(crate) name: bool,
    pub(crate) status_message: bool,
    pub(crate) ids: bool,
    pub(crate) parents: bool,
    pub(crate) events: bool,
    pub(crate) links: bool,
    /// Span attributes by key; `None` is all.
    pub(crate) keys: Option<Vec<SmolStr>>,
}

impl Projection {
    /// Everything.
    pub(crate) fn whole() -> Self {
        Self { whole: true, name: true, status_message: true, ids: true, parents: true, events: true, links: true, keys: None }
    }

    /// No more than what is always read.
    pub(crate) fn least() -> Self {
        Self { keys: Some(Vec::new()), ..Self::default() }
    }

    /// What a predicate looks at.
    pub(crate) fn of(predicate: &Predicate) -> Self {
        let mut projection = Self::least();
        projection.add(predicate);
        projection
    }

    fn add(&mut self, predicate: &Predicate) {
        match predicate {
            Predicate::All => {}
            Predicate::Compare(field, ..) | Predicate::Exists(field) => self.add_field(field),
            Predicate::And(one, other) | Predicate::Or(one, other) => {
                self.add(one);
                self.add(other);
            }
            Predicate::Not(inner) => self.add(inner),
        }
    }

    /// Adds what a field needs.
    pub(crate) fn add_field(&mut self, field: &Field) {
        match field {
            Field::Name => self.name = true,
            Field::StatusMessage => self.status_message = true,
            Field::SpanId => self.ids = true,
            Field::ParentId => self.parents = true,
            Field::EventName | Field::Attr(AttrScope::Event, _) => self.events = true,
            Field::Attr(AttrScope::Link, _) => self.links = true,
            Field::Attr(AttrScope::Any | AttrScope::Span, key) => {
                if let Some(keys) = &mut self.keys {
                    keys.push(key.clone());
                }
            }
            Field::AnyText => {
                (self.name, self.status_message) = (true, true);
                self.keys = None;
            }
            Field::Attr(AttrScope::Resource | AttrScope::Scope, _)
            | Field::Service
            | Field::Kind
            | Field::Status
            | Field::Duration
            | Field::TraceId
            | Field::ScopeName
            | Field::ScopeVersion => {}
        }
    }
}

/// A segment's head, unpacked.
#[derive(Debug)]
pub(crate) struct Head {
    /// Dictionary, resources and scopes; no spans.
    base: SpanBatch,
    /// The text of `base` by code.
    dictionary: Vec<u32>,
    /// Keys are texts of `base`.
    columns: Vec<AttrColumn>,
    shapes: [Vec<Box<[u32]>>; 3],
    /// Every span name is in the dictionary.
    known_names: bool,
    pub(crate) blocks: Vec<Block>,
    /// First row of each block.
    pub(crate) firsts: Vec<usize>,
}

impl Head {
    /// Unpacks the part. `None` when it is damaged or of another version.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut bytes = In(bytes);
        if bytes.u8()? != HEAD_VERSION {
            return None;
        }
        let size = bytes.varint()? as usize;
        let raw = read_bytes(&mut bytes, size)?;
        let mut bytes = In(&raw);
        let base = journal::read(bytes.sized()?)?;
        let texts = base.strings.len() as u32;
        let dictionary = bytes.count()?;
        let dictionary = (0..dictionary).map(|_| bytes.u32().filter(|id| *id < texts)).collect::<Option<Vec<_>>>()?;
        let count = bytes.count()?;
        let mut columns = Vec::with_capacity(count);
        for _ in 0..count {
            let (scope, kind) = (bytes.u8()?, *ValueKind::ALL.get(usize::from(bytes.u8()?))?);
            let known = bytes.u8()? != 0;
            columns.push(AttrColumn { scope, key: *dictionary.get(bytes.varint()? as usize)?, kind, known });
        }
        let mut shapes: [Vec<Box<[u32]>>; 3] = Default::default();
        for shapes in &mut shapes {
            for _ in 0..bytes.count()? {
                let len = bytes.count()?;
                let columns = (0..len).map(|_| bytes.u32().filter(|column| (*column as usize) < columns.len()));
                shapes.push(columns.collect::<Option<_>>()?);
            }
        }
        let known_names = bytes.u8()? != 0;
        let count = bytes.count()?;
        let (mut blocks, mut firsts, mut first) = (Vec::with_capacity(count), Vec::with_capacity(count), 0_usize);
        for _ in 0..count {
            let block = Block { rows: bytes.u32()?, first: bytes.u64()? as i64, last: bytes.u64()? as i64 };
            firsts.push(first);
            first = first.checked_add(block.rows as usize)?;
            blocks.push(block);
        }
        Some(Self { base, dictionary, columns, shapes, known_names, blocks, firsts })
    }

    /// Memory held, in bytes.
    pub(crate) fn heap_bytes(&self) -> usize {
        let shapes: usize = self.shapes.iter().flatten().map(|shape| shape.len() * 4 + 16).sum();
        self.base.heap_bytes() + self.dictionary.len() * 4 + self.columns.len() * 12 + self.blocks.len() * 32 + shapes
    }

    /// Blocks that hold rows of a range.
    pub(crate) fn blocks_of(&self, rows: Range<usize>) -> Range<usize> {
        let first = self.firsts.partition_point(|first| *first <= rows.start).saturating_sub(1);
        first..self.firsts.partition_point(|first| *first < rows.end)
    }

    /// Rows of a block.
    pub(crate) fn rows(&self, block: usize) -> Range<usize> {
        self.firsts[block]..self.firsts[block] + self.blocks[block].rows as usize
    }

    /// False when surely no span matches, told from services, dictionary and columns alone.
    pub(crate) fn may_match(&self, predicate: &Predicate) -> bool {
        match predicate {
            Predicate::And(one, other) => self.may_match(one) && self.may_match(other),
            Predicate::Or(one, other) => self.may_match(one) || self.may_match(other),
            Predicate::Compare(Field::Service, Comparison::Eq, Literal::Text(service)) => {
                self.base.resources.iter().any(|row| self.base.strings.get(row.service) == service)
            }
            Predicate::Compare(Field::Name, Comparison::Eq, Literal::Text(name)) if self.known_names => self.knows(name),
            Predicate::Compare(Field::Attr(scope @ (AttrScope::Any | AttrScope::Span), key), Comparison::Eq, literal) => {
                let on_resource = *scope == AttrScope::Any && self.on_resource(key);
                on_resource || self.own_columns(key).any(|column| self.column_may_match(column, literal))
            }
            Predicate::Compare(Field::Attr(AttrScope::Span, key), ..)
            | Predicate::Exists(Field::Attr(AttrScope::Span, key)) => self.own_columns(key).next().is_some(),
            _ => true,
        }
    }

    fn own_columns(&self, key: &str) -> impl Iterator<Item = &AttrColumn> {
        self.columns.iter().filter(move |column| column.scope == 0 && self.base.strings.get(column.key) == key)
    }

    fn on_resource(&self, key: &str) -> bool {
        let rows = self.base.resources.iter().flat_map(|row| &self.base.attrs[row.attrs.range()]);
        rows.into_iter().any(|attr| self.base.strings.get(attr.key) == key)
    }

    /// True when a text is in the dictionary.
    fn knows(&self, text: &str) -> bool {
        text.is_empty() || self.base.strings.find(text).is_some()
    }

    /// False when no value of a column can equal a literal. An array matches by its elements, so it always may.
    fn column_may_match(&self, column: &AttrColumn, literal: &Literal) -> bool {
        match (column.kind, literal) {
            (ValueKind::Array | ValueKind::Map, _) => true,
            (ValueKind::Str, Literal::Text(text)) => !column.known || self.knows(text),
            (ValueKind::Int | ValueKind::Double, Literal::Int(_) | Literal::Float(_)) => true,
            (ValueKind::Bool, Literal::Bool(_)) => true,
            _ => false,
        }
    }

    fn wants(&self, id: u32, projection: &Projection) -> bool {
        match id {
            field::NAME => projection.name,
            field::STATUS_MESSAGE => projection.status_message,
            field::SPAN_ID => projection.ids || projection.parents,
            field::PARENT | field::PARENT_FAR => projection.parents,
            field::EVENTS..=field::EVENT_SHAPE => projection.events,
            field::LINKS..=field::LINK_SHAPE => projection.links,
            field::SHAPE => projection.keys.as_ref().is_none_or(|keys| !keys.is_empty()),
            field::KIND | field::RESOURCE | field::SCOPE | field::START | field::DURATION => true,
            id if id < FIRST_ATTR => projection.whole,
            id => {
                let Some(column) = self.columns.get((id - FIRST_ATTR) as usize) else { return false };
                match (column.scope, &projection.keys) {
                    (0, None) => true,
                    (0, Some(keys)) => keys.iter().any(|key| key == self.base.strings.get(column.key)),
                    (1, _) => projection.events,
                    _ => projection.links,
                }
            }
        }
    }
}

/// The columns of a block that were read.
#[derive(Debug, Default)]
pub(crate) struct Chunks {
    bytes: Vec<u8>,
    places: HashMap<u32, Range<usize>>,
}

impl Chunks {
    /// The columns of a whole part.
    pub(crate) fn whole(bytes: Vec<u8>) -> Option<Self> {
        let list = u32::from_le_bytes(bytes.get(..4)?.try_into().ok()?) as usize;
        let places = Self::list(bytes.get(4..4 + list)?)?.map(|(id, range)| (id, range.start + 4 + list..range.end + 4 + list));
        let places: HashMap<u32, Range<usize>> = places.collect();
        places.values().all(|range| range.end <= bytes.len()).then_some(Self { bytes, places })
    }

    fn list(bytes: &[u8]) -> Option<impl Iterator<Item = (u32, Range<usize>)>> {
        let mut bytes = In(bytes);
        let mut at = 0_usize;
        let mut places = Vec::new();
        for _ in 0..bytes.count()? {
            let (id, size) = (bytes.u32()?, bytes.u32()? as usize);
            places.push((id, at..at.checked_add(size)?));
            at += size;
        }
        Some(places.into_iter())
    }

    /// Reads only the wanted columns through `read(offset, buffer)`, which answers false at the end.
    pub(crate) fn wanted(head: &Head, projection: &Projection, mut read: impl FnMut(usize, &mut [u8]) -> bool) -> Option<Self> {
        let mut four = [0; 4];
        read(0, &mut four).then_some(())?;
        let size = u32::from_le_bytes(four) as usize;
        let mut list = vec![0; (size <= 1 << 24).then_some(size)?];
        read(4, &mut list).then_some(())?;
        let mut chunks = Self::default();
        for (id, range) in Self::list(&list)?.filter(|(id, _)| head.wants(*id, projection)) {
            let start = chunks.bytes.len();
            chunks.bytes.resize(start.checked_add(range.len())?, 0);
            read(4 + size + range.start, &mut chunks.bytes[start..]).then_some(())?;
            chunks.places.insert(id, start..chunks.bytes.len());
        }
        Some(chunks)
    }

    fn get(&self, id: u32) -> In<'_> {
        In(self.places.get(&id).map_or(&[][..], |range| &self.bytes[range.clone()]))
    }

    fn has(&self, id: u32) -> bool {
        self.places.contains_key(&id)
    }

    fn numbers(&self, id: u32, count: usize) -> Option<Vec<u64>> {
        if self.has(id) { read_numbers(&mut self.get(id), count) } else { Some(vec![0; count]) }
    }

    /// The door of each row.
    pub(crate) fn doors(&self, rows: usize) -> Option<Vec<u8>> {
        Some(self.numbers(field::DOOR, rows)?.into_iter().map(|door| door as u8).collect())
    }
}

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
