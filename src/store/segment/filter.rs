//! Which traces a segment may hold: a Bloom filter of sixteen bits a trace or more, wrong less than three times in a
//! thousand.
//!
//! Trace ids are random as they come (W3C), but not surely (Datadog, hand-made ones), so they are mixed first.

use crate::model::TraceId;

/// Bits a trace.
const BITS: usize = 16;
/// Bits that are looked at.
const PROBES: u64 = 5;

/// The filter's bytes; a power of two long.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Filter(Box<[u8]>);

/// A trace id mixed once, to be asked of many filters.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mixed(u64, u64);

impl Mixed {
    pub(crate) fn new(id: TraceId) -> Self {
        let number = u128::from_le_bytes(id.0);
        let mix = |word: u64| {
            let wide = u128::from(word) * 0x9e37_79b9_7f4a_7c15_u128;
            wide as u64 ^ (wide >> 64) as u64
        };
        let first = mix(number as u64 ^ mix((number >> 64) as u64 ^ 0x5851_f42d_4c95_7f2d));
        Self(first, mix(first) | 1)
    }
}

impl Filter {
    pub(crate) fn new(ids: impl ExactSizeIterator<Item = TraceId>) -> Self {
        let size = (ids.len() * BITS / 8).next_power_of_two().max(8);
        let mut bytes = vec![0_u8; size];
        for id in ids {
            Self::places(Mixed::new(id), size).for_each(|bit| bytes[bit / 8] |= 1 << (bit % 8));
        }
        Self(bytes.into())
    }

    fn places(mixed: Mixed, size: usize) -> impl Iterator<Item = usize> {
        let mask = size as u64 * 8 - 1;
        (0..PROBES).map(move |probe| (mixed.0.wrapping_add(probe.wrapping_mul(mixed.1)) & mask) as usize)
    }

    /// From a column. Anything but a power of two is damage; such a filter says yes to everything.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Self {
        if bytes.len().is_power_of_two() { Self(bytes.into()) } else { Self(Box::from([255_u8; 8])) }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// False when the trace is surely not there.
    pub(crate) fn may_hold(&self, mixed: Mixed) -> bool {
        Self::places(mixed, self.0.len()).all(|bit| self.0[bit / 8] & (1 << (bit % 8)) != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_is_found_and_what_is_not_rarely() {
        let id = |number: u64| TraceId::from_halves(0, number);
        let ids: Vec<TraceId> = (0..3_000).map(id).collect();
        let filter = Filter::new(ids.iter().copied());
        assert!(ids.iter().all(|id| filter.may_hold(Mixed::new(*id))));
        let wrong = (10_000..110_000).filter(|number| filter.may_hold(Mixed::new(id(*number)))).count();
        assert!(wrong < 300, "{wrong} of 100000");
    }
}
