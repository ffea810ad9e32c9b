//! Chance that repeats: the same seed rolls the same numbers, and forks don't disturb each other.

use crate::tracer::mix;
use std::time::Duration;

/// A stream of numbers that follows from its seed.
#[derive(Clone, Debug)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(mix(seed))
    }

    pub(super) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// Another stream, for work that runs beside this one.
    pub(super) fn fork(&mut self) -> Self {
        Self::new(self.roll())
    }

    fn unit(&mut self) -> f64 {
        (self.roll() >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub(super) fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// From `low` to `high`, both included.
    pub(super) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.roll() % (high.saturating_sub(low) + 1)
    }

    pub(super) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[(self.roll() % from.len() as u64) as usize]
    }

    /// A latency around `median_ms` with the long tail that services have.
    pub(super) fn latency(&mut self, median_ms: f64) -> Duration {
        let bell = (self.unit() + self.unit() + self.unit() + self.unit() - 2.0) * 3_f64.sqrt();
        Duration::from_secs_f64(median_ms / 1000.0 * (0.4 * bell).exp())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_rolls_the_same_numbers() {
        let rolls = |seed| {
            let mut dice = Dice::new(seed);
            let mut fork = dice.fork();
            (dice.roll(), fork.roll(), dice.between(3, 5), dice.latency(10.0))
        };
        assert_eq!(rolls(1), rolls(1));
        assert_ne!(rolls(1), rolls(2));
    }

    #[test]
    fn latencies_lie_around_their_median() {
        let mut dice = Dice::new(1);
        let below = (0..1000).filter(|_| dice.latency(10.0) < Duration::from_millis(10)).count();
        assert!((430..570).contains(&below), "{below}");
    }
}
