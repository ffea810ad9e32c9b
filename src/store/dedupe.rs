//! Which spans came before: what makes a client's retry count as a duplicate.
//!
//! A span is the same when trace id, span id, content hash and the content of its resource are; a 64-bit hash of the four
//! stands for it. Two
//! generations of [`GENERATION`] spans are kept, 9.4 MB each when full, so between 0.9 and 1.8 million of the latest spans
//! are recognised without reading anything; what is older is looked up in its segment (`writer.rs`).

use crate::model::batch::SpanRow;
use crate::model::{SpanId, TraceId, UnixNanos};
use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};

/// Spans in a generation: what a table of 2^20 places holds.
const GENERATION: usize = 900_000;

/// Takes a number that is a hash already as its own hash.
#[derive(Default, Clone, Copy)]
pub(crate) struct AsIs(u64);

impl Hasher for AsIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }
}

type Numbers = HashSet<u64, BuildHasherDefault<AsIs>>;

/// The latest spans. Owned by the writer thread.
#[derive(Default)]
pub(crate) struct Seen {
    current: Numbers,
    previous: Numbers,
    /// Receipt of the first span of `current` and of `previous`.
    since: (Option<UnixNanos>, Option<UnixNanos>),
    /// Unfinished spans of the head.
    pending: HashSet<(TraceId, SpanId)>,
}

/// The number that stands for a span of a resource with this hash ([`SpanBatch::resource_hashes`]).
///
/// [`SpanBatch::resource_hashes`]: crate::model::SpanBatch::resource_hashes
pub(crate) fn fingerprint(span: &SpanRow, resource: u64) -> u64 {
    let number = |bytes: &[u8]| bytes.try_into().map_or(0, u64::from_le_bytes);
    let mut hash = number(&span.trace_id.0[..8]) ^ number(&span.trace_id.0[8..]).rotate_left(32);
    for word in [number(&span.span_id.0), span.content_hash, resource] {
        let wide = u128::from(hash ^ word) * 0x9e37_79b9_7f4a_7c15_u128;
        hash = wide as u64 ^ (wide >> 64) as u64;
    }
    hash
}

impl Seen {
    /// Notes a span; false when it was there.
    pub(crate) fn insert(&mut self, print: u64, received: UnixNanos) -> bool {
        if self.previous.contains(&print) || !self.current.insert(print) {
            return false;
        }
        self.since.0.get_or_insert(received);
        if self.current.len() >= GENERATION {
            self.previous = std::mem::take(&mut self.current);
            self.since = (None, self.since.0);
        }
        true
    }

    /// Forgets spans whose commit failed.
    pub(crate) fn forget(&mut self, prints: &[u64]) {
        for print in prints {
            if !self.current.remove(print) {
                self.previous.remove(print);
            }
        }
    }

    /// Everything received since then is known here.
    pub(crate) fn covers(&self, received: UnixNanos) -> bool {
        self.since.1.or(self.since.0).is_some_and(|since| received > since)
    }

    /// Unfinished spans of the head.
    pub(crate) fn pending(&mut self) -> &mut HashSet<(TraceId, SpanId)> {
        &mut self.pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_known_through_a_change_of_generation_and_forgotten_on_demand() {
        let mut seen = Seen::default();
        let span = |at: u64| SpanRow { span_id: SpanId::from(at), content_hash: 7, ..SpanRow::default() };
        assert!(seen.insert(fingerprint(&span(1), 3), UnixNanos(1)));
        assert!(!seen.insert(fingerprint(&span(1), 3), UnixNanos(2)));
        for at in 2..=GENERATION as u64 + 10 {
            assert!(seen.insert(fingerprint(&span(at), 3), UnixNanos(3)), "{at} collides");
        }
        assert!(!seen.insert(fingerprint(&span(1), 3), UnixNanos(4)), "the first one is in the previous generation");
        seen.forget(&[fingerprint(&span(1), 3)]);
        assert!(seen.insert(fingerprint(&span(1), 3), UnixNanos(5)));
        assert!(seen.covers(UnixNanos(2)));
        assert!(!seen.covers(UnixNanos(1)));
    }
}
