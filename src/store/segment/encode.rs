//! Spans to a segment: ordered by trace, cut into blocks, a column a field and an attribute key.
//!
//! Traces stand in the order of their start and a trace's spans together, so neighbours in a column are neighbours in
//! meaning: a user or session repeats within its trace, starts are small steps. The list of attribute keys of a span (its
//! shape) is one code, which keeps their order and says which columns have a value for the span.
//!
//! Long because one pass over the spans fills every column, and `decode` reads them back in this order.

use super::super::bytes::Out;
use super::super::error::StoreError;
use super::super::journal;
use super::arrange::{TraceRun, arrange, cut, parents};
use super::chunks::Writing;
use super::column::Packer;
use super::directory;
use super::filter::Filter;
use super::tally::Tally;
use super::{AttrColumn, Block, FIRST_ATTR, HEAD_VERSION, Sealed, field};
use crate::model::TraceId;
use crate::model::batch::{AttrRow, IN_FLIGHT, ResourceRow, Run, ScopeRow, SpanBatch, SpanBatchBuilder, ValueKind};
use std::collections::HashMap;
use std::ops::Range;

/// Texts go to the segment's dictionary when each is used this often on average.
const USES: usize = 8;
/// No more texts than this from one column.
const MAX_DISTINCT: usize = 65_536;

/// Values of one attribute key and kind, over all rows that have it.
struct Values {
    column: AttrColumn,
    bits: Vec<u64>,
    /// First value of each block.
    starts: Vec<usize>,
}

/// Shapes of one of the three kinds of attribute lists.
#[derive(Default)]
struct Shapes {
    known: HashMap<Vec<(u32, u8)>, u32>,
    columns: Vec<Vec<u32>>,
}

struct Encoder<'a> {
    batch: &'a SpanBatch,
    rows: Vec<u32>,
    runs: Vec<TraceRun>,
    blocks: Vec<Range<usize>>,
    values: Vec<Values>,
    known_values: HashMap<(u8, u32, u8), u32>,
    shapes: [Shapes; 3],
    /// Blocks that `gather` has begun.
    begun: usize,
    /// Code in the segment's dictionary by text of the batch.
    codes: Vec<u32>,
    dictionary: Vec<u32>,
    stamp: Vec<u32>,
    stamps: u32,
    packer: Packer,
}

/// Seals a batch; `doors` has one number a span of it.
pub(crate) fn encode(batch: &SpanBatch, doors: &[u8]) -> Result<Sealed, StoreError> {
    let packer = Packer::new().map_err(|error| StoreError::Damaged(format!("zstd does not start: {error}")))?;
    let (rows, runs) = arrange(batch);
    let blocks = cut(&runs);
    let mut encoder = Encoder {
        batch,
        rows,
        runs,
        blocks,
        values: Vec::new(),
        known_values: HashMap::new(),
        shapes: Default::default(),
        begun: 0,
        codes: vec![u32::MAX; batch.strings.len()],
        dictionary: Vec::new(),
        stamp: vec![0; batch.strings.len()],
        stamps: 0,
        packer,
    };
    Ok(encoder.seal(doors))
}

impl Encoder<'_> {
    fn seal(&mut self, doors: &[u8]) -> Sealed {
        let (resource_of, scope_of, base) = self.owners();
        let mut tally = Tally::new(self.batch, &resource_of.1);
        let shapes = self.gather();
        let plans = self.plan_texts();
        let (parents, orphans) = parents(self.batch, &self.rows, &self.runs);
        let mut block_bytes = Vec::with_capacity(self.blocks.len());
        let mut zones = Vec::with_capacity(self.blocks.len());
        for number in 0..self.blocks.len() {
            let (bytes, zone) = self.block(number, doors, &resource_of.0, &scope_of, &shapes, &plans, &parents);
            block_bytes.push(bytes);
            zones.push(zone);
        }
        for row in &self.rows {
            let span = &self.batch.spans[*row as usize];
            tally.add(span, resource_of.0[span.resource as usize]);
        }
        for values in &self.values {
            tally.add_key(values.column.scope, values.column.key, values.bits.len() as u64);
        }
        let scopes: Vec<u32> = self.batch.spans.iter().map(|span| scope_of[span.scope as usize]).collect();
        tally.add_scopes(self.batch, &scopes, &base.scopes);
        let summaries = directory::summarise(self.batch, &self.rows, &self.runs, &orphans);
        Sealed {
            spans: self.rows.len(),
            runs: std::mem::take(&mut self.runs),
            first_start: self.batch.spans.iter().map(|span| span.start).min().unwrap_or(0),
            last_end: self.batch.spans.iter().map(|span| span.end.max(span.start)).max().unwrap_or(0),
            head: self.head(base, &zones, plans.name),
            directory: directory::encode(&mut self.packer, &summaries),
            tally: tally.encode(self.batch, &mut self.packer),
            blocks: block_bytes,
            filter: Filter::new(summaries.iter().map(|summary| summary.trace_id)),
            doors: super::count_doors(self.batch, doors),
            services: super::count_traces(&summaries),
        }
    }

    /// Resources and scopes, each once: for every row of the batch the number it gets, and the kept rows as they stand in
    /// the batch.
    #[allow(clippy::type_complexity)]
    fn owners(&self) -> ((Vec<u32>, Vec<ResourceRow>), Vec<u32>, Owners) {
        let batch = self.batch;
        let attrs = |run: Run| -> Vec<(u32, u8, Vec<u8>)> {
            let value = |row: &AttrRow| match row.kind {
                ValueKind::Bytes | ValueKind::Array | ValueKind::Map => batch.blobs[row.bits as usize].to_vec(),
                _ => row.bits.to_le_bytes().to_vec(),
            };
            batch.attrs[run.range()].iter().map(|row| (row.key, row.kind as u8, value(row))).collect()
        };
        let mut known = HashMap::new();
        let mut resources = Vec::new();
        let resource_of = batch
            .resources
            .iter()
            .map(|row| {
                *known.entry((attrs(row.attrs), row.schema_url, row.dropped_attributes)).or_insert_with(|| {
                    resources.push(*row);
                    resources.len() as u32 - 1
                })
            })
            .collect();
        let mut known = HashMap::new();
        let mut scopes = Vec::new();
        let scope_of = batch
            .scopes
            .iter()
            .map(|row| {
                let text = (row.name, row.version, row.schema_url, row.dropped_attributes);
                *known.entry((attrs(row.attrs), text)).or_insert_with(|| {
                    scopes.push(*row);
                    scopes.len() as u32 - 1
                })
            })
            .collect();
        ((resource_of, resources.clone()), scope_of, Owners { resources, scopes })
    }

    /// Walks every attribute list once: shapes by row, event and link, and the values of every column.
    fn gather(&mut self) -> [Vec<u64>; 3] {
        let mut found: [Vec<u64>; 3] = Default::default();
        for block in self.blocks.clone() {
            self.begun += 1;
            self.values.iter_mut().for_each(|values| values.starts.push(values.bits.len()));
            for at in block {
                let span = &self.batch.spans[self.rows[at] as usize];
                let shape = self.shape(0, span.attrs);
                found[0].push(shape);
                for event in &self.batch.events[span.events.range()] {
                    let shape = self.shape(1, event.attrs);
                    found[1].push(shape);
                }
                for link in &self.batch.links[span.links.range()] {
                    let shape = self.shape(2, link.attrs);
                    found[2].push(shape);
                }
            }
        }
        found
    }

    fn shape(&mut self, scope: u8, run: Run) -> u64 {
        let rows = &self.batch.attrs[run.range()];
        let list: Vec<(u32, u8)> = rows.iter().map(|row| (row.key, row.kind as u8)).collect();
        let shapes = &mut self.shapes[usize::from(scope)];
        let code = match shapes.known.get(&list) {
            Some(code) => *code,
            None => {
                let begun = self.begun;
                let columns = list.iter().map(|(key, kind)| {
                    *self.known_values.entry((scope, *key, *kind)).or_insert_with(|| {
                        let kind = ValueKind::ALL[usize::from(*kind)];
                        let column = AttrColumn { scope, key: *key, kind, known: false };
                        // Blocks before the first value are empty.
                        self.values.push(Values { column, bits: Vec::new(), starts: vec![0; begun] });
                        self.values.len() as u32 - 1
                    })
                });
                let columns: Vec<u32> = columns.collect();
                shapes.columns.push(columns);
                let code = shapes.columns.len() as u32 - 1;
                shapes.known.insert(list, code);
                code
            }
        };
        for (row, column) in rows.iter().zip(&shapes.columns[code as usize]) {
            self.values[*column as usize].bits.push(row.bits);
        }
        u64::from(code)
    }

    /// Notes a text in the segment's dictionary.
    fn note(&mut self, id: u32) -> u32 {
        let code = &mut self.codes[id as usize];
        if *code == u32::MAX {
            *code = self.dictionary.len() as u32;
            self.dictionary.push(id);
        }
        *code
    }

    /// True when a column's texts are few enough for the segment's dictionary; they are noted there then.
    fn plan(&mut self, ids: impl Iterator<Item = u32> + Clone) -> bool {
        self.stamps += 1;
        let (mut distinct, mut uses) = (Vec::new(), 0);
        for id in ids {
            uses += 1;
            if self.stamp[id as usize] != self.stamps {
                self.stamp[id as usize] = self.stamps;
                distinct.push(id);
            }
        }
        let few = distinct.len() * USES <= uses && distinct.len() <= MAX_DISTINCT;
        if few {
            for id in distinct {
                self.note(id);
            }
        }
        few
    }

    fn plan_texts(&mut self) -> Plans {
        let batch = self.batch;
        let values = std::mem::take(&mut self.values);
        let attrs: Vec<bool> = values
            .iter()
            .map(|values| values.column.kind == ValueKind::Str && self.plan(values.bits.iter().map(|bits| *bits as u32)))
            .collect();
        self.values = values;
        for (values, known) in self.values.iter_mut().zip(&attrs) {
            values.column.known = *known;
        }
        Plans {
            attrs,
            name: self.plan(batch.spans.iter().map(|span| span.name)),
            trace_state: self.plan(batch.spans.iter().map(|span| span.trace_state)),
            status_message: self.plan(batch.spans.iter().map(|span| span.status_message)),
            event_name: self.plan(batch.events.iter().map(|event| event.name)),
            link_state: self.plan(batch.links.iter().map(|link| link.trace_state)),
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn block(
        &mut self,
        number: usize,
        doors: &[u8],
        resource_of: &[u32],
        scope_of: &[u32],
        shapes: &[Vec<u64>; 3],
        plans: &Plans,
        parents: &[u32],
    ) -> (Vec<u8>, Block) {
        let batch = self.batch;
        let range = self.blocks[number].clone();
        let rows = self.rows[range.clone()].to_vec();
        let spans: Vec<_> = rows.iter().map(|row| &batch.spans[*row as usize]).collect();
        let mut chunks = Writing::default();
        chunks.numbers(&mut self.packer, field::SHAPE, shapes[0][range.clone()].to_vec());
        let texts: Vec<u32> = spans.iter().map(|span| span.name).collect();
        chunks.texts(&mut self.packer, self.batch, field::NAME, &texts, plans.name.then_some(&self.codes));
        let texts: Vec<u32> = spans.iter().map(|span| span.trace_state).collect();
        chunks.texts(&mut self.packer, self.batch, field::TRACE_STATE, &texts, plans.trace_state.then_some(&self.codes));
        let texts: Vec<u32> = spans.iter().map(|span| span.status_message).collect();
        chunks.texts(&mut self.packer, self.batch, field::STATUS_MESSAGE, &texts, plans.status_message.then_some(&self.codes));
        let word = |span: &&crate::model::batch::SpanRow| {
            u64::from(span.kind) | u64::from(span.status) << 8 | u64::from(span.end == IN_FLIGHT) << 16
        };
        chunks.numbers(&mut self.packer, field::KIND, spans.iter().map(word).collect());
        chunks.numbers(
            &mut self.packer,
            field::RESOURCE,
            spans.iter().map(|span| resource_of[span.resource as usize].into()).collect(),
        );
        chunks.numbers(&mut self.packer, field::SCOPE, spans.iter().map(|span| scope_of[span.scope as usize].into()).collect());
        chunks.raw(field::SPAN_ID, spans.iter().flat_map(|span| span.span_id.0).collect());
        let mut codes = Vec::with_capacity(rows.len());
        let mut far = Vec::new();
        for (at, span) in range.clone().zip(&spans) {
            let parent = parents[at];
            if !span.parent.is_valid() {
                codes.push(0);
            } else if parent != u32::MAX && range.contains(&(parent as usize)) {
                codes.push(2 + super::super::bytes::zigzag(at as i64 - i64::from(parent)));
            } else {
                codes.push(1);
                far.extend_from_slice(&span.parent.0);
            }
        }
        chunks.numbers(&mut self.packer, field::PARENT, codes);
        chunks.raw(field::PARENT_FAR, far);
        let steps = self.steps(&range);
        chunks.numbers(&mut self.packer, field::START, steps);
        chunks.numbers(
            &mut self.packer,
            field::DURATION,
            spans
                .iter()
                .map(
                    |span| {
                        if span.end == IN_FLIGHT { 0 } else { super::super::bytes::zigzag(span.end.wrapping_sub(span.start)) }
                    },
                )
                .collect(),
        );
        chunks.numbers(&mut self.packer, field::FLAGS, spans.iter().map(|span| span.flags.into()).collect());
        chunks.numbers(
            &mut self.packer,
            field::DROPPED_ATTRIBUTES,
            spans.iter().map(|span| span.dropped_attributes.into()).collect(),
        );
        chunks.numbers(&mut self.packer, field::DROPPED_EVENTS, spans.iter().map(|span| span.dropped_events.into()).collect());
        chunks.numbers(&mut self.packer, field::DROPPED_LINKS, spans.iter().map(|span| span.dropped_links.into()).collect());
        chunks.numbers(&mut self.packer, field::DOOR, rows.iter().map(|row| doors[*row as usize].into()).collect());
        self.events(&mut chunks, &spans, &shapes[1], number, plans);
        self.links(&mut chunks, &spans, &shapes[2], number, plans);
        self.attributes(&mut chunks, number, plans);
        let first = spans.iter().map(|span| span.start).min().unwrap_or(0);
        let last = spans.iter().map(|span| span.end.max(span.start)).max().unwrap_or(0);
        (chunks.finish(), Block { rows: rows.len() as u32, first, last })
    }

    /// Starts as steps from the span before, 0 for the first of a trace, whose start the directory knows.
    fn steps(&self, range: &Range<usize>) -> Vec<u64> {
        let start = |at: usize| self.batch.spans[self.rows[at] as usize].start;
        let mut steps = Vec::with_capacity(range.len());
        let mut run = self.runs.partition_point(|run| run.first + run.len <= range.start);
        for at in range.clone() {
            while self.runs[run].first + self.runs[run].len <= at {
                run += 1;
            }
            let before = if at == self.runs[run].first || at == range.start { self.runs[run].start } else { start(at - 1) };
            steps.push(start(at).wrapping_sub(before) as u64);
        }
        steps
    }

    fn events(
        &mut self,
        chunks: &mut Writing,
        spans: &[&crate::model::batch::SpanRow],
        shapes: &[u64],
        number: usize,
        plans: &Plans,
    ) {
        chunks.numbers(&mut self.packer, field::EVENTS, spans.iter().map(|span| span.events.len.into()).collect());
        let batch = self.batch;
        let events: Vec<_> =
            spans.iter().flat_map(|span| batch.events[span.events.range()].iter().map(|event| (event, span.start))).collect();
        let steps = events.iter().map(|(event, start)| super::super::bytes::zigzag(event.time.wrapping_sub(*start)));
        chunks.numbers(&mut self.packer, field::EVENT_TIME, steps.collect());
        let names: Vec<u32> = events.iter().map(|(event, _)| event.name).collect();
        chunks.texts(&mut self.packer, self.batch, field::EVENT_NAME, &names, plans.event_name.then_some(&self.codes));
        let dropped = events.iter().map(|(event, _)| event.dropped_attributes.into()).collect();
        chunks.numbers(&mut self.packer, field::EVENT_DROPPED, dropped);
        let before = self.before(number, |span| span.events.len);
        chunks.numbers(&mut self.packer, field::EVENT_SHAPE, shapes[before..before + events.len()].to_vec());
    }

    fn links(
        &mut self,
        chunks: &mut Writing,
        spans: &[&crate::model::batch::SpanRow],
        shapes: &[u64],
        number: usize,
        plans: &Plans,
    ) {
        chunks.numbers(&mut self.packer, field::LINKS, spans.iter().map(|span| span.links.len.into()).collect());
        let batch = self.batch;
        let links: Vec<_> =
            spans.iter().flat_map(|span| batch.links[span.links.range()].iter().map(|link| (link, span.trace_id))).collect();
        let other = |(link, own): &(&crate::model::batch::LinkRow, TraceId)| u64::from(link.trace_id != *own);
        chunks.numbers(&mut self.packer, field::LINK_OTHER, links.iter().map(other).collect());
        let foreign = links.iter().filter(|link| other(link) == 1);
        chunks.raw(field::LINK_TRACE, foreign.flat_map(|(link, _)| link.trace_id.0).collect());
        chunks.raw(field::LINK_SPAN, links.iter().flat_map(|(link, _)| link.span_id.0).collect());
        let states: Vec<u32> = links.iter().map(|(link, _)| link.trace_state).collect();
        chunks.texts(&mut self.packer, self.batch, field::LINK_STATE, &states, plans.link_state.then_some(&self.codes));
        chunks.numbers(&mut self.packer, field::LINK_FLAGS, links.iter().map(|(link, _)| link.flags.into()).collect());
        let dropped = links.iter().map(|(link, _)| link.dropped_attributes.into()).collect();
        chunks.numbers(&mut self.packer, field::LINK_DROPPED, dropped);
        let before = self.before(number, |span| span.links.len);
        chunks.numbers(&mut self.packer, field::LINK_SHAPE, shapes[before..before + links.len()].to_vec());
    }

    /// Events or links in the blocks before.
    fn before(&self, number: usize, count: impl Fn(&crate::model::batch::SpanRow) -> u32) -> usize {
        let rows = &self.rows[..self.blocks[number].start];
        rows.iter().map(|row| count(&self.batch.spans[*row as usize]) as usize).sum()
    }

    fn attributes(&mut self, chunks: &mut Writing, number: usize, plans: &Plans) {
        let values = std::mem::take(&mut self.values);
        for (at, column) in values.iter().enumerate() {
            let end = column.starts.get(number + 1).copied().unwrap_or(column.bits.len());
            let bits = &column.bits[column.starts[number]..end];
            let id = FIRST_ATTR + at as u32;
            match column.column.kind {
                _ if bits.is_empty() => {}
                ValueKind::Empty => {}
                ValueKind::Bool => chunks.numbers(&mut self.packer, id, bits.to_vec()),
                ValueKind::Int => chunks.numbers(&mut self.packer, id, bits.iter().map(|bits| bits ^ (1 << 63)).collect()),
                ValueKind::Double => chunks.doubles(&mut self.packer, id, bits),
                ValueKind::Str => {
                    let ids: Vec<u32> = bits.iter().map(|bits| *bits as u32).collect();
                    chunks.texts(&mut self.packer, self.batch, id, &ids, plans.attrs[at].then_some(&self.codes));
                }
                ValueKind::Bytes | ValueKind::Array | ValueKind::Map => {
                    let batch = self.batch;
                    // Equal neighbours are found by content: blobs are not interned.
                    let mut known: HashMap<&[u8], u32> = HashMap::new();
                    let mut blobs: Vec<&[u8]> = Vec::new();
                    let ids: Vec<u32> = bits
                        .iter()
                        .map(|bits| {
                            let blob = &*batch.blobs[*bits as usize];
                            *known.entry(blob).or_insert_with(|| {
                                blobs.push(blob);
                                blobs.len() as u32 - 1
                            })
                        })
                        .collect();
                    chunks.start(id);
                    self.packer.texts(&mut chunks.body, &ids, blobs.len(), None, |id| blobs[id as usize]);
                    chunks.end();
                }
            }
        }
        self.values = values;
    }

    /// Dictionary, resources, scopes, shapes, columns and blocks.
    fn head(&mut self, owners: Owners, zones: &[Block], known_names: bool) -> Vec<u8> {
        let batch = self.batch;
        // A batch without spans holds dictionary, resources and scopes. Its first texts are the dictionary in order.
        let mut builder = SpanBatchBuilder::default();
        let keys: Vec<u32> = self.values.iter().map(|values| values.column.key).collect();
        let keys: Vec<u32> = keys.into_iter().map(|key| self.note(key)).collect();
        let dictionary: Vec<u32> = self.dictionary.iter().map(|id| builder.intern(batch.strings.get(*id))).collect();
        let attrs = |builder: &mut SpanBatchBuilder, run: Run| -> Vec<AttrRow> {
            let one = |row: &AttrRow| {
                let key = builder.intern(batch.strings.get(row.key));
                let bits = match row.kind {
                    ValueKind::Str => u64::from(builder.intern(batch.strings.get(row.bits as u32))),
                    ValueKind::Bytes | ValueKind::Array | ValueKind::Map => {
                        builder.blob(batch.blobs[row.bits as usize].to_vec())
                    }
                    _ => row.bits,
                };
                AttrRow { key, kind: row.kind, bits }
            };
            batch.attrs[run.range()].iter().map(one).collect()
        };
        for row in &owners.resources {
            let rows = attrs(&mut builder, row.attrs);
            let url = builder.intern(batch.strings.get(row.schema_url));
            builder.add_resource(&rows, url, row.dropped_attributes);
        }
        for row in &owners.scopes {
            let rows = attrs(&mut builder, row.attrs);
            let [name, version, schema_url] =
                [row.name, row.version, row.schema_url].map(|id| builder.intern(batch.strings.get(id)));
            builder.add_scope(ScopeRow { name, version, schema_url, ..*row }, &rows);
        }
        let mut out = Out::default();
        out.sized(&journal::write(&builder.finish()));
        out.varint(dictionary.len() as u64);
        dictionary.iter().for_each(|id| out.varint(u64::from(*id)));
        out.varint(self.values.len() as u64);
        for (values, key) in self.values.iter().zip(keys) {
            out.u8(values.column.scope);
            out.u8(values.column.kind as u8);
            out.u8(u8::from(values.column.known));
            out.varint(u64::from(key));
        }
        for shapes in &self.shapes {
            out.varint(shapes.columns.len() as u64);
            for columns in &shapes.columns {
                out.varint(columns.len() as u64);
                columns.iter().for_each(|column| out.varint(u64::from(*column)));
            }
        }
        out.u8(u8::from(known_names));
        out.varint(zones.len() as u64);
        for zone in zones {
            out.varint(u64::from(zone.rows));
            out.u64(zone.first as u64);
            out.u64(zone.last as u64);
        }
        let mut packed = Out::default();
        packed.u8(HEAD_VERSION);
        packed.varint(out.0.len() as u64);
        self.packer.bytes(&mut packed, &out.0);
        packed.0
    }
}

/// Resources and scopes that are kept.
struct Owners {
    resources: Vec<ResourceRow>,
    scopes: Vec<ScopeRow>,
}

/// Which text columns use the segment's dictionary.
struct Plans {
    attrs: Vec<bool>,
    name: bool,
    trace_state: bool,
    status_message: bool,
    event_name: bool,
    link_state: bool,
}
