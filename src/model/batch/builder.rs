//! Builds a [`SpanBatch`], from owned spans or field by field straight from a codec.

use super::super::resource::{Resource, Scope, UNKNOWN_SERVICE};
use super::super::span::Span;
use super::super::value::{Attributes, Value};
use super::{
    AttrRow, EventRow, IN_FLIGHT, LinkRow, ResourceRow, Run, ScopeRow, SpanBatch, SpanRow, StrId, ValueKind, encode_value,
};
use std::collections::HashMap;

const EMPTY_SLOT: u32 = u32::MAX;

/// One span being put together. Codecs fill the lists in wire order; [`SpanBatchBuilder::finish_span`] lays them out
/// and leaves the draft empty for the next span, its memory kept.
#[derive(Default, Debug)]
pub struct SpanDraft {
    /// Attributes of the span.
    pub attrs: Vec<AttrRow>,
    /// Events; their `attrs` are runs in `event_attrs`.
    pub events: Vec<EventRow>,
    /// Attributes of the events.
    pub event_attrs: Vec<AttrRow>,
    /// Links; their `attrs` are runs in `link_attrs`.
    pub links: Vec<LinkRow>,
    /// Attributes of the links.
    pub link_attrs: Vec<AttrRow>,
}

/// See the module comment.
#[derive(Debug)]
pub struct SpanBatchBuilder {
    batch: SpanBatch,
    /// Open addressing over text numbers; a power of two long, at most half full.
    slots: Vec<u32>,
    draft: SpanDraft,
}

impl Default for SpanBatchBuilder {
    fn default() -> Self {
        Self { batch: SpanBatch::default(), slots: vec![EMPTY_SLOT; 256], draft: SpanDraft::default() }
    }
}

/// A fast hash of short byte strings, eight bytes at a step; not for hostile-input guarantees beyond a bounded table.
pub(super) fn hash_bytes(seed: u64, bytes: &[u8]) -> u64 {
    const K: u64 = 0x9e37_79b9_7f4a_7c15;
    let fold = |state: u64, word: u64| {
        let wide = u128::from(state ^ word) * u128::from(K);
        (wide as u64) ^ ((wide >> 64) as u64)
    };
    let mut state = seed ^ (bytes.len() as u64).wrapping_mul(K);
    let mut chunks = bytes.chunks_exact(8);
    for chunk in &mut chunks {
        let mut word = [0; 8];
        word.copy_from_slice(chunk);
        state = fold(state, u64::from_le_bytes(word));
    }
    let tail = chunks.remainder();
    if !tail.is_empty() {
        let mut word = [0; 8];
        word[..tail.len()].copy_from_slice(tail);
        state = fold(state, u64::from_le_bytes(word) ^ K);
    }
    fold(state, K)
}

/// Keys and values of a list of attributes.
fn hash_attrs(batch: &SpanBatch, mut hash: u64, run: Run) -> u64 {
    for attr in &batch.attrs[run.range()] {
        hash = hash_bytes(hash, batch.strings.get(attr.key).as_bytes());
        hash = hash_bytes(hash, &(attr.kind as u64).to_le_bytes());
        hash = match attr.kind {
            ValueKind::Str => hash_bytes(hash, batch.strings.get(attr.bits as u32).as_bytes()),
            ValueKind::Bytes | ValueKind::Array | ValueKind::Map => hash_bytes(hash, &batch.blobs[attr.bits as usize]),
            _ => hash_bytes(hash, &attr.bits.to_le_bytes()),
        };
    }
    hash
}

impl SpanBatch {
    /// A hash of each resource's attributes: content hashes of spans leave their resource out.
    pub fn resource_hashes(&self) -> Vec<u64> {
        self.resources.iter().map(|row| hash_attrs(self, 0, row.attrs)).collect()
    }
}

impl SpanBatchBuilder {
    /// The number of `text`, added when new.
    pub fn intern(&mut self, text: &str) -> StrId {
        if text.is_empty() {
            return 0;
        }
        let mask = self.slots.len() - 1;
        let mut at = hash_bytes(0, text.as_bytes()) as usize & mask;
        loop {
            match self.slots[at] {
                EMPTY_SLOT => break,
                id if self.batch.strings.get(id) == text => return id,
                _ => at = (at + 1) & mask,
            }
        }
        let id = self.batch.strings.push(text);
        self.slots[at] = id;
        if self.batch.strings.len() * 2 > self.slots.len() {
            self.grow();
        }
        id
    }

    fn grow(&mut self) {
        let size = self.slots.len() * 4;
        let mut slots = vec![EMPTY_SLOT; size];
        for id in 1..self.batch.strings.len() as u32 {
            let mut at = hash_bytes(0, self.batch.strings.get(id).as_bytes()) as usize & (size - 1);
            while slots[at] != EMPTY_SLOT {
                at = (at + 1) & (size - 1);
            }
            slots[at] = id;
        }
        self.slots = slots;
    }

    /// A row for one owned attribute.
    pub fn attr(&mut self, key: &str, value: &Value) -> AttrRow {
        let key = self.intern(key);
        self.attr_at(key, value)
    }

    /// A row for one owned value under a key that is already interned.
    pub fn attr_at(&mut self, key: StrId, value: &Value) -> AttrRow {
        let (kind, bits) = match value {
            Value::Empty => (ValueKind::Empty, 0),
            Value::Str(text) => (ValueKind::Str, u64::from(self.intern(text))),
            Value::Bool(value) => (ValueKind::Bool, u64::from(*value)),
            Value::Int(value) => (ValueKind::Int, *value as u64),
            Value::Double(value) => (ValueKind::Double, value.to_bits()),
            Value::Bytes(bytes) => (ValueKind::Bytes, self.blob(bytes.to_vec())),
            nested @ (Value::Array(_) | Value::Map(_)) => {
                let mut bytes = Vec::new();
                encode_value(nested, &mut bytes);
                let kind = if matches!(nested, Value::Array(_)) { ValueKind::Array } else { ValueKind::Map };
                (kind, self.blob(bytes))
            }
        };
        AttrRow { key, kind, bits }
    }

    /// Keeps bytes and answers their number, for [`AttrRow::bits`] of a bytes, array or map value.
    pub fn blob(&mut self, bytes: Vec<u8>) -> u64 {
        self.batch.blobs.push(bytes.into_boxed_slice());
        self.batch.blobs.len() as u64 - 1
    }

    fn attrs(&mut self, attributes: &Attributes) -> Vec<AttrRow> {
        attributes.iter().map(|(key, value)| self.attr(key, value)).collect()
    }

    fn append_attrs(&mut self, rows: &[AttrRow]) -> Run {
        let start = self.batch.attrs.len() as u32;
        self.batch.attrs.extend_from_slice(rows);
        Run { start, len: rows.len() as u32 }
    }

    /// Adds a resource from rows; its service name is looked up among them.
    pub fn add_resource(&mut self, rows: &[AttrRow], schema_url: StrId, dropped_attributes: u32) -> u32 {
        let named = rows.iter().find(|row| row.kind == ValueKind::Str && self.batch.strings.get(row.key) == "service.name");
        let service = match named {
            Some(row) if row.bits != 0 => row.bits as u32,
            _ => self.intern(UNKNOWN_SERVICE),
        };
        let attrs = self.append_attrs(rows);
        self.batch.resources.push(ResourceRow { service, attrs, schema_url, dropped_attributes });
        self.batch.resources.len() as u32 - 1
    }

    /// Adds a scope from rows.
    pub fn add_scope(&mut self, mut scope: ScopeRow, rows: &[AttrRow]) -> u32 {
        scope.attrs = self.append_attrs(rows);
        self.batch.scopes.push(scope);
        self.batch.scopes.len() as u32 - 1
    }

    /// The draft to fill for the next span.
    pub fn draft(&mut self) -> &mut SpanDraft {
        &mut self.draft
    }

    /// Adds the span whose lists stand in the draft. The runs of `row` are set here; a `content_hash` of 0 is computed
    /// from the content, otherwise the given one stands (codecs hash the bytes they read).
    pub fn finish_span(&mut self, mut row: SpanRow) -> u32 {
        let mut draft = std::mem::take(&mut self.draft);
        row.attrs = self.append_attrs(&draft.attrs);
        let shift = self.append_attrs(&draft.event_attrs).start;
        row.events = Run { start: self.batch.events.len() as u32, len: draft.events.len() as u32 };
        self.batch.events.extend(draft.events.drain(..).map(|mut event| {
            event.attrs.start += shift;
            event
        }));
        let shift = self.append_attrs(&draft.link_attrs).start;
        row.links = Run { start: self.batch.links.len() as u32, len: draft.links.len() as u32 };
        self.batch.links.extend(draft.links.drain(..).map(|mut link| {
            link.attrs.start += shift;
            link
        }));
        if row.content_hash == 0 {
            row.content_hash = self.hash_row(&row);
        }
        draft.attrs.clear();
        draft.event_attrs.clear();
        draft.link_attrs.clear();
        self.draft = draft;
        self.batch.spans.push(row);
        self.batch.spans.len() as u32 - 1
    }

    fn hash_row(&self, row: &SpanRow) -> u64 {
        let batch = &self.batch;
        let number = |hash: u64, number: u64| hash_bytes(hash, &number.to_le_bytes());
        let text = |hash: u64, id: StrId| hash_bytes(hash, batch.strings.get(id).as_bytes());
        let attrs = |hash: u64, run: Run| hash_attrs(batch, hash, run);
        let mut hash = hash_bytes(hash_bytes(hash_bytes(0, &row.trace_id.0), &row.span_id.0), &row.parent.0);
        for word in [row.start as u64, row.end as u64, u64::from(row.kind), u64::from(row.status), u64::from(row.flags)] {
            hash = number(hash, word);
        }
        for id in [row.name, row.trace_state, row.status_message] {
            hash = text(hash, id);
        }
        hash = attrs(hash, row.attrs);
        for event in &batch.events[row.events.range()] {
            hash = attrs(text(number(hash, event.time as u64), event.name), event.attrs);
        }
        for link in &batch.links[row.links.range()] {
            hash = attrs(hash_bytes(hash_bytes(hash, &link.trace_id.0), &link.span_id.0), link.attrs);
        }
        hash.max(1)
    }

    /// Adds an owned span; a resource or scope equal to the last one shares its row.
    pub fn push_span(&mut self, span: &Span) -> u32 {
        let resource = self.resource(&span.resource);
        let scope = self.scope(&span.scope);
        self.draft.attrs = self.attrs(&span.attributes);
        for event in &span.events {
            let rows = self.attrs(&event.attributes);
            let attrs = Run { start: self.draft.event_attrs.len() as u32, len: rows.len() as u32 };
            self.draft.event_attrs.extend(rows);
            let name = self.intern(&event.name);
            let dropped_attributes = event.dropped_attributes;
            self.draft.events.push(EventRow { time: event.time.0, name, attrs, dropped_attributes });
        }
        for link in &span.links {
            let rows = self.attrs(&link.attributes);
            let attrs = Run { start: self.draft.link_attrs.len() as u32, len: rows.len() as u32 };
            self.draft.link_attrs.extend(rows);
            let trace_state = self.intern(&link.trace_state);
            self.draft.links.push(LinkRow {
                trace_id: link.trace_id,
                span_id: link.span_id,
                trace_state,
                flags: link.flags,
                attrs,
                dropped_attributes: link.dropped_attributes,
            });
        }
        let row = SpanRow {
            trace_id: span.trace_id,
            span_id: span.span_id,
            parent: span.parent.unwrap_or_default(),
            start: span.start.0,
            end: span.end.map_or(IN_FLIGHT, |end| end.0),
            name: self.intern(&span.name),
            trace_state: self.intern(&span.trace_state),
            status_message: self.intern(&span.status.message),
            flags: span.flags,
            resource,
            scope,
            dropped_attributes: span.dropped_attributes,
            dropped_events: span.dropped_events,
            dropped_links: span.dropped_links,
            kind: span.kind as u8,
            status: span.status.code as u8,
            ..SpanRow::default()
        };
        self.finish_span(row)
    }

    fn resource(&mut self, resource: &Resource) -> u32 {
        let equal = |at: &u32| super::ResourceRef::of(&self.batch, *at).to_resource() == *resource;
        if let Some(last) = (self.batch.resources.len() as u32).checked_sub(1).filter(equal) {
            return last;
        }
        let rows = self.attrs(&resource.attributes);
        let schema_url = self.intern(&resource.schema_url);
        self.add_resource(&rows, schema_url, resource.dropped_attributes)
    }

    fn scope(&mut self, scope: &Scope) -> u32 {
        let equal = |at: &u32| super::ScopeRef::of(&self.batch, *at).to_scope() == *scope;
        if let Some(last) = (self.batch.scopes.len() as u32).checked_sub(1).filter(equal) {
            return last;
        }
        let rows = self.attrs(&scope.attributes);
        let row = ScopeRow {
            name: self.intern(&scope.name),
            version: self.intern(&scope.version),
            schema_url: self.intern(&scope.schema_url),
            dropped_attributes: scope.dropped_attributes,
            ..ScopeRow::default()
        };
        self.add_scope(row, &rows)
    }

    /// Makes room for all that `batches` hold, so that copying them never moves what was copied before.
    pub fn reserve<'a>(&mut self, batches: impl Iterator<Item = &'a SpanBatch>) {
        let (mut spans, mut attrs, mut events, mut links) = (0, 0, 0, 0);
        for batch in batches {
            spans += batch.spans.len();
            attrs += batch.attrs.len();
            events += batch.events.len();
            links += batch.links.len();
        }
        self.batch.spans.reserve_exact(spans);
        self.batch.attrs.reserve_exact(attrs);
        self.batch.events.reserve_exact(events);
        self.batch.links.reserve_exact(links);
    }

    /// Copies the spans at `indices` out of another batch. Each text, resource and scope is looked up once a call.
    pub fn copy(&mut self, from: &SpanBatch, indices: impl IntoIterator<Item = usize>) {
        let mut copier =
            Copier { from, texts: vec![u32::MAX; from.strings.len()], resources: HashMap::new(), scopes: HashMap::new() };
        for index in indices {
            copier.span(self, &from.spans[index]);
        }
    }

    /// Number of spans so far.
    pub fn len(&self) -> usize {
        self.batch.spans.len()
    }

    /// True before the first span.
    pub fn is_empty(&self) -> bool {
        self.batch.spans.is_empty()
    }

    /// The batch as far as it is built.
    pub fn peek(&self) -> &SpanBatch {
        &self.batch
    }

    /// The finished batch, its memory trimmed.
    pub fn finish(mut self) -> SpanBatch {
        self.batch.strings.shrink();
        self.batch.attrs.shrink_to_fit();
        self.batch.spans.shrink_to_fit();
        self.batch.events.shrink_to_fit();
        self.batch.links.shrink_to_fit();
        self.batch
    }
}

/// Copies from one batch into another with the numbers of texts, resources and scopes translated once each.
struct Copier<'a> {
    from: &'a SpanBatch,
    texts: Vec<u32>,
    resources: HashMap<u32, u32>,
    scopes: HashMap<u32, u32>,
}

impl Copier<'_> {
    fn text(&mut self, to: &mut SpanBatchBuilder, id: StrId) -> StrId {
        let known = self.texts[id as usize];
        if known != u32::MAX {
            return known;
        }
        let copied = to.intern(self.from.strings.get(id));
        self.texts[id as usize] = copied;
        copied
    }

    fn rows(&mut self, to: &mut SpanBatchBuilder, run: Run, out: &mut Vec<AttrRow>) -> Run {
        let start = out.len() as u32;
        for attr in &self.from.attrs[run.range()] {
            let key = self.text(to, attr.key);
            let bits = match attr.kind {
                ValueKind::Str => u64::from(self.text(to, attr.bits as u32)),
                ValueKind::Bytes | ValueKind::Array | ValueKind::Map => to.blob(self.from.blobs[attr.bits as usize].to_vec()),
                _ => attr.bits,
            };
            out.push(AttrRow { key, kind: attr.kind, bits });
        }
        Run { start, len: run.len }
    }

    fn resource(&mut self, to: &mut SpanBatchBuilder, index: u32) -> u32 {
        if let Some(known) = self.resources.get(&index) {
            return *known;
        }
        let row = self.from.resources[index as usize];
        let mut rows = Vec::new();
        self.rows(to, row.attrs, &mut rows);
        let schema_url = self.text(to, row.schema_url);
        let copied = to.add_resource(&rows, schema_url, row.dropped_attributes);
        self.resources.insert(index, copied);
        copied
    }

    fn scope(&mut self, to: &mut SpanBatchBuilder, index: u32) -> u32 {
        if let Some(known) = self.scopes.get(&index) {
            return *known;
        }
        let row = self.from.scopes[index as usize];
        let mut rows = Vec::new();
        self.rows(to, row.attrs, &mut rows);
        let (name, version, schema_url) = (self.text(to, row.name), self.text(to, row.version), self.text(to, row.schema_url));
        let copied = to.add_scope(ScopeRow { name, version, schema_url, ..row }, &rows);
        self.scopes.insert(index, copied);
        copied
    }

    fn span(&mut self, to: &mut SpanBatchBuilder, row: &SpanRow) {
        let mut draft = std::mem::take(&mut to.draft);
        self.rows(to, row.attrs, &mut draft.attrs);
        for event in &self.from.events[row.events.range()] {
            let attrs = self.rows(to, event.attrs, &mut draft.event_attrs);
            draft.events.push(EventRow { name: self.text(to, event.name), attrs, ..*event });
        }
        for link in &self.from.links[row.links.range()] {
            let attrs = self.rows(to, link.attrs, &mut draft.link_attrs);
            draft.links.push(LinkRow { trace_state: self.text(to, link.trace_state), attrs, ..*link });
        }
        to.draft = draft;
        let copied = SpanRow {
            name: self.text(to, row.name),
            trace_state: self.text(to, row.trace_state),
            status_message: self.text(to, row.status_message),
            resource: self.resource(to, row.resource),
            scope: self.scope(to, row.scope),
            ..*row
        };
        to.finish_span(copied);
    }
}
