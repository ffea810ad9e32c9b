//! Spans by id, and which of several spans with one id is meant.

use super::NONE;
use crate::model::{SpanBatch, SpanId, SpanKind};

const EMPTY: u32 = u32::MAX;
/// Spans with one id that are looked at before giving up on telling them apart; a hostile trace may give a million.
const LOOKED_AT: usize = 16;

/// Open addressing from a span id to the first span that has it, and chains through the others.
pub(super) struct IdIndex<'a> {
    batch: &'a SpanBatch,
    slots: Vec<u32>,
    /// Next span with the same id.
    next: Vec<u32>,
    /// True for spans of which the id is not theirs alone.
    shared: Vec<bool>,
}

fn slot_of(id: SpanId, mask: usize) -> usize {
    let mixed = id.to_u64().wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ (mixed >> 29)) as usize & mask
}

impl<'a> IdIndex<'a> {
    pub(super) fn of(batch: &'a SpanBatch) -> Self {
        let size = (batch.len() * 2).next_power_of_two().max(16);
        let mut slots = vec![EMPTY; size];
        // The tail of a chain stands at its head, so that a million spans of one id still take linear time.
        let mut next = vec![EMPTY; batch.len()];
        let mut tail: Vec<u32> = (0..batch.len() as u32).collect();
        let mut shared = vec![false; batch.len()];
        for (at, span) in batch.spans.iter().enumerate() {
            let mut slot = slot_of(span.span_id, size - 1);
            loop {
                match slots[slot] {
                    EMPTY => {
                        slots[slot] = at as u32;
                        break;
                    }
                    head if batch.spans[head as usize].span_id == span.span_id => {
                        next[tail[head as usize] as usize] = at as u32;
                        tail[head as usize] = at as u32;
                        shared[head as usize] = true;
                        shared[at] = true;
                        break;
                    }
                    _ => slot = (slot + 1) & (size - 1),
                }
            }
        }
        Self { batch, slots, next, shared }
    }

    pub(super) fn is_shared(&self, span: u32) -> bool {
        self.shared[span as usize]
    }

    /// The spans with this id in the order of the batch, at most [`LOOKED_AT`].
    fn spans(&self, id: SpanId) -> impl Iterator<Item = u32> + '_ {
        let mask = self.slots.len() - 1;
        let mut slot = slot_of(id, mask);
        let head = loop {
            match self.slots[slot] {
                EMPTY => break EMPTY,
                head if self.batch.spans[head as usize].span_id == id => break head,
                _ => slot = (slot + 1) & mask,
            }
        };
        let following = move |at: &u32| Some(self.next[*at as usize]).filter(|at| *at != EMPTY);
        std::iter::successors(Some(head).filter(|at| *at != EMPTY), following).take(LOOKED_AT)
    }
}

fn receives(kind: u8) -> bool {
    kind == SpanKind::Server as u8 || kind == SpanKind::Consumer as u8
}

fn sends(kind: u8) -> bool {
    kind == SpanKind::Client as u8 || kind == SpanKind::Producer as u8
}

/// The parent of a span and whether it is missing. A span that is its own parent answers itself.
pub(super) fn choose_parent(batch: &SpanBatch, index: &IdIndex<'_>, service_of: &[u16], at: u32, shared: bool) -> (u32, bool) {
    let span = &batch.spans[at as usize];
    // Zipkin's shared spans: the server's half belongs under the client's, whatever both say of their parent.
    if shared
        && receives(span.kind)
        && let Some(half) = index.spans(span.span_id).find(|other| *other != at && sends(batch.spans[*other as usize].kind))
    {
        return (half, false);
    }
    if !span.parent.is_valid() {
        return (NONE, false);
    }
    let mut best = (NONE, 0);
    for candidate in index.spans(span.parent).filter(|candidate| *candidate != at) {
        let other = &batch.spans[candidate as usize];
        // A request comes from the sending half; work inside a service from the half of the same service.
        let same_service = service_of[candidate as usize] == service_of[at as usize];
        let fits = if receives(span.kind) { sends(other.kind) } else { same_service };
        let rank = 1 + 2 * u8::from(fits) + u8::from(receives(other.kind) && !receives(span.kind));
        if rank > best.1 {
            best = (candidate, rank);
        }
    }
    match best {
        (NONE, _) if span.parent == span.span_id => (at, false),
        (NONE, _) => (NONE, true),
        (parent, _) => (parent, false),
    }
}
