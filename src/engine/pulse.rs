//! The figures of the status bar: rates over the last seconds from totals that only go up.
//!
//! [`PulseMeter`] is a pure function of the totals and moments it is shown, so that a test needs no clock.

use std::collections::VecDeque;
use std::time::Duration;

/// Bars of the sparkline.
pub const SPARK: usize = 16;
/// How often totals are looked at.
pub const SAMPLE_EVERY: Duration = Duration::from_secs(1);
/// A rate is the mean of this many newest samples.
const SMOOTH: usize = 3;

/// Spans, metric points and log records counted since some beginning.
pub type Totals = [u64; 3];

/// See the module comment.
#[derive(Clone, Debug, Default)]
pub struct PulseMeter {
    last: Option<(Duration, Totals)>,
    rates: VecDeque<[f64; 3]>,
}

impl PulseMeter {
    /// Notes the totals at `at` (time since any fixed moment).
    pub fn sample(&mut self, at: Duration, totals: Totals) {
        if let Some((before, old)) = self.last {
            let seconds = at.saturating_sub(before).as_secs_f64();
            if seconds <= 0.0 {
                return;
            }
            let rate = |signal: usize| totals[signal].saturating_sub(old[signal]) as f64 / seconds;
            if self.rates.len() == SPARK {
                self.rates.pop_front();
            }
            self.rates.push_back([rate(0), rate(1), rate(2)]);
        }
        self.last = Some((at, totals));
    }

    /// Items a second of each signal, over the last seconds.
    pub fn rates(&self) -> [f64; 3] {
        let taken = self.rates.len().min(SMOOTH);
        if taken == 0 {
            return [0.0; 3];
        }
        let mut sums = [0.0; 3];
        for rates in self.rates.iter().rev().take(taken) {
            sums.iter_mut().zip(rates).for_each(|(sum, rate)| *sum += rate);
        }
        sums.map(|sum| sum / taken as f64)
    }

    /// Spans a second, [`SPARK`] values, oldest first, zero where nothing was measured yet.
    pub fn spark(&self) -> Vec<f32> {
        let missing = SPARK - self.rates.len();
        std::iter::repeat_n(0.0, missing).chain(self.rates.iter().map(|rates| rates[0] as f32)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_follow_the_totals_and_fall_to_zero() {
        let mut meter = PulseMeter::default();
        assert_eq!(meter.spark(), vec![0.0; SPARK]);
        for second in 0..=20_u64 {
            meter.sample(Duration::from_secs(second), [second * 100, second * 10, 0]);
        }
        assert_eq!(meter.rates(), [100.0, 10.0, 0.0]);
        assert_eq!(meter.spark(), vec![100.0; SPARK]);
        for second in 21..=23_u64 {
            meter.sample(Duration::from_secs(second), [2_000, 200, 0]);
        }
        assert_eq!(meter.rates(), [0.0; 3]);
        assert_eq!(meter.spark()[SPARK - 4..], [100.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn totals_that_step_back_count_as_nothing() {
        let mut meter = PulseMeter::default();
        meter.sample(Duration::from_secs(0), [500, 0, 0]);
        meter.sample(Duration::from_secs(1), [0, 0, 0]);
        assert_eq!(meter.rates(), [0.0; 3]);
    }
}
