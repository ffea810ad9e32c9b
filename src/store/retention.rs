//! What retention drops: a pure decision over sizes.
//!
//! Each trace is charged to the service that started it. When everything together is over the limit, the services are
//! levelled: the largest give up their oldest traces first, down to the level at which all fit, and whoever is below that
//! level loses nothing. One noisy service therefore evicts itself.

use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};

/// A segment's bytes by the service that started its traces.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Charge {
    pub(crate) segment: i64,
    pub(crate) bytes: Vec<(SmolStr, u64)>,
}

/// What goes of a segment.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Drop {
    /// All of it.
    Whole,
    /// The traces that these services started.
    Of(BTreeSet<SmolStr>),
}

/// The level at which the sizes, cut to it, add up to `target`.
fn level(sizes: &BTreeMap<SmolStr, u64>, target: u64) -> u64 {
    let mut sorted: Vec<u64> = sizes.values().copied().collect();
    sorted.sort_unstable();
    let mut left = target;
    for (at, size) in sorted.iter().enumerate() {
        let share = left / (sorted.len() - at) as u64;
        if *size > share {
            return share;
        }
        left -= size;
    }
    u64::MAX
}

/// What to drop so that at most `target` bytes stay; `charges` oldest first.
pub(crate) fn plan(charges: &[Charge], target: u64) -> Vec<(i64, Drop)> {
    let mut sizes: BTreeMap<SmolStr, u64> = BTreeMap::new();
    for (service, bytes) in charges.iter().flat_map(|charge| &charge.bytes) {
        *sizes.entry(service.clone()).or_default() += bytes;
    }
    if sizes.values().sum::<u64>() <= target {
        return Vec::new();
    }
    let level = level(&sizes, target);
    let mut over: BTreeMap<&SmolStr, u64> =
        sizes.iter().filter(|(_, size)| **size > level).map(|(service, size)| (service, size - level)).collect();
    let mut drops = Vec::new();
    for charge in charges {
        let mut gone = BTreeSet::new();
        for (service, bytes) in &charge.bytes {
            if let Some(left) = over.get_mut(service).filter(|left| **left > 0) {
                *left = left.saturating_sub(*bytes);
                gone.insert(service.clone());
            }
        }
        if gone.len() == charge.bytes.len() {
            drops.push((charge.segment, Drop::Whole));
        } else if !gone.is_empty() {
            drops.push((charge.segment, Drop::Of(gone)));
        }
    }
    drops
}

#[cfg(test)]
mod tests {
    use super::*;

    fn charge(segment: i64, noisy: u64, quiet: u64) -> Charge {
        let all = [("noisy", noisy), ("quiet", quiet)];
        let bytes = all.into_iter().filter(|(_, bytes)| *bytes > 0).map(|(service, bytes)| (service.into(), bytes)).collect();
        Charge { segment, bytes }
    }

    #[test]
    fn nothing_goes_while_everything_fits() {
        assert_eq!(plan(&[charge(1, 50, 50)], 100), []);
    }

    #[test]
    fn a_noisy_service_evicts_its_own_oldest_traces() {
        let charges = [charge(1, 100, 10), charge(2, 100, 0), charge(3, 100, 10)];
        let noisy: BTreeSet<SmolStr> = ["noisy".into()].into();
        assert_eq!(plan(&charges, 150), [(1, Drop::Of(noisy.clone())), (2, Drop::Whole)]);
        assert_eq!(plan(&charges, 250), [(1, Drop::Of(noisy))]);
    }

    #[test]
    fn equal_services_go_together_oldest_first() {
        let charges = [charge(1, 50, 50), charge(2, 50, 50)];
        assert_eq!(plan(&charges, 100), [(1, Drop::Whole)]);
    }
}
