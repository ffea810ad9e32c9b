//! The head of a segment: what its blocks share (dictionary, resources, scopes, shapes, columns), and what it alone says about
//! a predicate.

use super::super::bytes::In;
use super::super::journal;
use super::column::read_bytes;
use super::projection::Projection;
use super::{AttrColumn, Block, FIRST_ATTR, HEAD_VERSION, field};
use crate::model::batch::{SpanBatch, ValueKind};
use crate::source::{AttrScope, Comparison, Field, Literal, Predicate};
use std::ops::Range;

/// A segment's head, unpacked.
#[derive(Debug)]
pub(crate) struct Head {
    /// Dictionary, resources and scopes; no spans.
    pub(super) base: SpanBatch,
    /// The text of `base` by code.
    pub(super) dictionary: Vec<u32>,
    /// Keys are texts of `base`.
    pub(super) columns: Vec<AttrColumn>,
    pub(super) shapes: [Vec<Box<[u32]>>; 3],
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

    /// True for a column that a projection needs.
    pub(super) fn wants(&self, id: u32, projection: &Projection) -> bool {
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
