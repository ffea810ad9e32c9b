//! Where trace and span ids come from. Random ids come from a generator a thread, so that threads never meet.

use crate::model::{SpanId, TraceId};
use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

/// Gives ids. None may be all zero.
pub trait IdSource: Send + Sync {
    /// An id for a new trace.
    fn trace_id(&self) -> TraceId;

    /// An id for a new span.
    fn span_id(&self) -> SpanId;

    /// True when the low 56 bits of the trace ids are uniformly random, which W3C level 2 lets us say in the flags.
    fn is_random(&self) -> bool {
        true
    }
}

/// One step of xoshiro256++ (Blackman and Vigna); 256 bits of state, so that 128-bit ids don't repeat early.
fn xoshiro(state: &mut [u64; 4]) -> u64 {
    let result = state[0].wrapping_add(state[3]).rotate_left(23).wrapping_add(state[0]);
    let shifted = state[1] << 17;
    state[2] ^= state[0];
    state[3] ^= state[1];
    state[1] ^= state[2];
    state[0] ^= state[3];
    state[2] ^= shifted;
    state[3] = state[3].rotate_left(45);
    result
}

/// Mixes a number; a good hash of one word (splitmix64).
pub fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

thread_local! {
    /// Seeded from the operating system's randomness, as the standard hash maps are.
    static STATE: Cell<[u64; 4]> = Cell::new({
        let words = RandomState::new();
        [1_u8, 2, 3, 4].map(|word| words.hash_one(word) | 1)
    });
}

/// Random ids, the default.
#[derive(Clone, Copy, Debug, Default)]
pub struct RandomIds;

impl RandomIds {
    /// A random number.
    pub fn number() -> u64 {
        let [number] = Self::numbers();
        number
    }

    fn numbers<const N: usize>() -> [u64; N] {
        STATE.with(|cell| {
            let mut state = cell.get();
            let numbers = std::array::from_fn(|_| xoshiro(&mut state));
            cell.set(state);
            numbers
        })
    }
}

impl IdSource for RandomIds {
    fn trace_id(&self) -> TraceId {
        let [high, low] = Self::numbers();
        TraceId::from_halves(high, low.max(1))
    }

    fn span_id(&self) -> SpanId {
        SpanId::from(Self::number().max(1))
    }
}

/// Ids that follow from a seed and the order of the calls; for tests and repeatable demonstrations.
#[derive(Debug)]
pub struct SeededIds(AtomicU64);

impl SeededIds {
    /// From a seed.
    pub fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    fn next(&self) -> u64 {
        mix(self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed)).max(1)
    }
}

impl IdSource for SeededIds {
    fn trace_id(&self) -> TraceId {
        TraceId::from_halves(self.next(), self.next())
    }

    fn span_id(&self) -> SpanId {
        SpanId::from(self.next())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn random_ids_differ_between_calls_and_threads() {
        let made = || (0..1000).map(|_| RandomIds.trace_id()).collect::<Vec<_>>();
        let other = std::thread::spawn(made).join().unwrap();
        let all: HashSet<TraceId> = made().into_iter().chain(other).collect();
        assert_eq!(all.len(), 2000);
        assert!(all.iter().all(|id| id.is_valid()));
    }

    #[test]
    fn seeded_ids_repeat() {
        let (first, second) = (SeededIds::new(7), SeededIds::new(7));
        assert_eq!((first.trace_id(), first.span_id()), (second.trace_id(), second.span_id()));
        assert_ne!(SeededIds::new(8).trace_id(), SeededIds::new(7).trace_id());
    }
}
