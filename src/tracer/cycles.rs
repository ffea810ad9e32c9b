//! The wall clock at the price of reading the processor's cycle counter.
//!
//! Asking the system for the time cost 29 ns on the virtual machine this was written for, and a span asks twice. Here a
//! line through two readings of counter and wall clock gives the time, and is drawn anew every second: it stays continuous
//! and bends towards the wall clock, unless that was set or the machine slept, when it jumps with it. The counter is
//! trusted where the kernel trusts it (its clock source is `tsc`, so it runs evenly and alike on all cores); anywhere
//! else, and in the first milliseconds, the system is asked. Of a crate only the reading of the counter would be used,
//! which is one instruction; the tie to the wall clock is what is made here.

use super::clock::{Clock, SystemClock};
use crate::model::UnixNanos;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering, fence};

/// The least time between the two readings of the first line.
const FIRST_NS: i64 = 10_000_000;
/// How long the first line holds; each later one holds four times longer, until [`LONGEST_NS`].
const SHORTEST_NS: i64 = 50_000_000;
const LONGEST_NS: i64 = 1_000_000_000;
/// Further than this from the wall clock, the line jumps instead of bending.
const JUMP_NS: i64 = 1_000_000;
/// A rate that differs by more than this share from the one before tells that the wall clock was set.
const ODD: f64 = 0.01;
/// Believable lengths of a cycle, in nanoseconds.
const CYCLE_NS: std::ops::Range<f64> = 0.05..50.0;
/// Rates are fractions of 2^32.
const FRACTION_BITS: u32 = 32;

/// Time as a function of cycles.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
struct Line {
    from: u64,
    at: i64,
    /// Nanoseconds a cycle, times 2^32.
    rate: u64,
    /// Cycles from `from` on for which it holds; 0 for none.
    holds: u64,
}

impl Line {
    fn read(&self, cycles: u64) -> Option<i64> {
        // A counter that went back wraps to a number far beyond.
        let passed = cycles.wrapping_sub(self.from);
        (passed < self.holds).then(|| self.project(passed))
    }

    fn project(&self, passed: u64) -> i64 {
        self.at.wrapping_add(((u128::from(passed) * u128::from(self.rate)) >> FRACTION_BITS) as i64)
    }
}

/// Draws lines from readings. Pure: readings come in, lines go out.
#[derive(Debug, Default)]
struct Drawing {
    last: Option<(u64, i64)>,
    line: Option<Line>,
    hold_ns: i64,
}

impl Drawing {
    /// A reading of both clocks; the line from there on, once there is one.
    fn observe(&mut self, cycles: u64, wall: i64) -> Option<Line> {
        let Some((from, at)) = self.last else {
            self.last = Some((cycles, wall));
            return None;
        };
        let (passed, elapsed) = (cycles.wrapping_sub(from), wall.wrapping_sub(at));
        if (0..FIRST_NS).contains(&elapsed) && self.line.is_none() {
            return None;
        }
        self.last = Some((cycles, wall));
        let measured = elapsed as f64 / passed as f64;
        let before = self.line.map(|line| line.rate as f64 / (1_u64 << FRACTION_BITS) as f64);
        let even = CYCLE_NS.contains(&measured) && before.is_none_or(|before| (measured / before - 1.0).abs() < ODD);
        let rate = if even { measured } else { before? };
        self.hold_ns = (self.hold_ns * 4).clamp(SHORTEST_NS, LONGEST_NS);
        let predicted = self.line.map(|line| line.project(cycles.wrapping_sub(line.from)));
        let (at, rate) = match predicted {
            Some(predicted) if even && (wall - predicted).abs() < JUMP_NS => {
                (predicted, rate * (1.0 + (wall - predicted) as f64 / self.hold_ns as f64))
            }
            _ => (wall, rate),
        };
        let holds = (self.hold_ns as f64 / rate) as u64;
        self.line = Some(Line { from: cycles, at, rate: (rate * (1_u64 << FRACTION_BITS) as f64) as u64, holds });
        self.line
    }
}

/// See the module comment.
pub struct CycleClock {
    /// Odd while the line is being written.
    version: AtomicU64,
    from: AtomicU64,
    at: AtomicI64,
    rate: AtomicU64,
    holds: AtomicU64,
    /// None where the counter is not to be trusted.
    drawing: Option<Mutex<Drawing>>,
}

impl Default for CycleClock {
    fn default() -> Self {
        Self {
            version: AtomicU64::new(0),
            from: AtomicU64::new(0),
            at: AtomicI64::new(0),
            rate: AtomicU64::new(0),
            holds: AtomicU64::new(0),
            drawing: counter::is_trusted().then(Mutex::default),
        }
    }
}

impl CycleClock {
    fn line(&self) -> Option<Line> {
        let version = self.version.load(Ordering::Acquire);
        let line = Line {
            from: self.from.load(Ordering::Relaxed),
            at: self.at.load(Ordering::Relaxed),
            rate: self.rate.load(Ordering::Relaxed),
            holds: self.holds.load(Ordering::Relaxed),
        };
        fence(Ordering::Acquire);
        (version & 1 == 0 && self.version.load(Ordering::Relaxed) == version).then_some(line)
    }

    /// Only called under the lock of `drawing`.
    fn publish(&self, line: Line) {
        self.version.fetch_add(1, Ordering::Relaxed);
        fence(Ordering::Release);
        self.from.store(line.from, Ordering::Relaxed);
        self.at.store(line.at, Ordering::Relaxed);
        self.rate.store(line.rate, Ordering::Relaxed);
        self.holds.store(line.holds, Ordering::Relaxed);
        self.version.fetch_add(1, Ordering::Release);
    }

    /// Asks the system, and draws the line anew unless somebody else does.
    #[cold]
    fn ask(&self) -> i64 {
        let Some(Ok(mut drawing)) = self.drawing.as_ref().map(Mutex::try_lock) else { return SystemClock.now().0 };
        if let Some(time) = self.line().and_then(|line| line.read(counter::cycles())) {
            return time;
        }
        // The reading with the least time around it is the truest.
        let reading = || {
            let before = counter::cycles();
            let wall = SystemClock.now().0;
            let around = counter::cycles().wrapping_sub(before);
            (around, before.wrapping_add(around / 2), wall)
        };
        let (_, cycles, wall) = (0..3).map(|_| reading()).min().unwrap_or_else(reading);
        let Some(line) = drawing.observe(cycles, wall) else { return wall };
        self.publish(line);
        line.at
    }
}

impl Clock for CycleClock {
    fn now(&self) -> UnixNanos {
        let time = self.line().and_then(|line| line.read(counter::cycles()));
        UnixNanos(time.unwrap_or_else(|| self.ask()))
    }
}

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod counter {
    /// Where the kernel says which clock it trusts; it checks the counter itself and leaves it when it drifts.
    const SOURCE: &str = "/sys/devices/system/clocksource/clocksource0/current_clocksource";

    pub(super) fn is_trusted() -> bool {
        std::fs::read_to_string(SOURCE).is_ok_and(|source| source.trim() == "tsc")
    }

    #[inline]
    #[allow(
        unsafe_code,
        reason = "the instruction reads a register and touches no memory; the library has no safe call for it"
    )]
    pub(super) fn cycles() -> u64 {
        // SAFETY: every x86-64 processor has the instruction, and Linux lets programs use it where its clock source is
        // `tsc`, which `is_trusted` asks for before anything else is read.
        unsafe { core::arch::x86_64::_rdtsc() }
    }
}

#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
mod counter {
    pub(super) fn is_trusted() -> bool {
        false
    }

    pub(super) fn cycles() -> u64 {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A counter of 2.5 GHz that began at the wall time 1000 s.
    fn at(seconds: f64) -> (u64, i64) {
        ((seconds * 2.5e9) as u64 + 77, 1_000_000_000_000 + (seconds * 1e9) as i64)
    }

    fn drawn(readings: &[f64]) -> Drawing {
        let mut drawing = Drawing::default();
        for seconds in readings {
            let (cycles, wall) = at(*seconds);
            drawing.observe(cycles, wall);
        }
        drawing
    }

    #[test]
    fn the_first_line_needs_two_readings_far_enough_apart() {
        assert_eq!(drawn(&[0.0, 0.005]).line, None);
        let line = drawn(&[0.0, 0.005, 0.012]).line.unwrap();
        let (cycles, wall) = at(0.04);
        assert!((line.read(cycles).unwrap() - wall).abs() < 100);
        assert_eq!(line.read(at(0.07).0), None, "it holds fifty milliseconds");
        assert_eq!(line.read(line.from - 1), None, "a counter that goes back is not believed");
    }

    #[test]
    fn lines_hold_longer_as_they_prove_themselves() {
        let line = drawn(&[0.0, 0.02, 0.1, 0.5, 1.5]).line.unwrap();
        assert!((line.holds as f64 / 2.5e9 - 1.0).abs() < 1e-6);
    }

    #[test]
    fn a_small_error_bends_the_line_and_never_turns_time_back() {
        let mut drawing = drawn(&[0.0, 0.02, 0.1, 0.5, 1.5]);
        let (cycles, wall) = at(2.5);
        let before = drawing.line.unwrap().project(cycles - drawing.line.unwrap().from);
        let line = drawing.observe(cycles, wall - 20_000).unwrap();
        assert_eq!(line.at, before, "no jump");
        let (later, wall) = at(3.499);
        assert!((line.read(later).unwrap() - (wall - 20_000)).abs() < 50_000, "it meets the wall clock again");
        assert!(line.read(cycles + 1000).unwrap() > before);
    }

    #[test]
    fn a_wall_clock_that_was_set_is_followed_at_once_at_the_old_rate() {
        let mut drawing = drawn(&[0.0, 0.02, 0.1, 0.5, 1.5]);
        let rate = drawing.line.unwrap().rate;
        for hour in [3_600_000_000_000, -3_600_000_000_000] {
            let (cycles, wall) = at(2.5);
            let line = drawing.observe(cycles, wall + hour).unwrap();
            assert_eq!((line.at, line.rate), (wall + hour, rate));
        }
    }

    #[test]
    fn it_agrees_with_the_system_and_runs_forward() {
        let clock = CycleClock::default();
        let until = std::time::Instant::now() + std::time::Duration::from_millis(120);
        let mut last = clock.now();
        let (mut least, mut turned_back) = (i64::MAX, 0);
        while std::time::Instant::now() < until {
            let (before, now, after) = (SystemClock.now(), clock.now(), SystemClock.now());
            least = least.min((before.0 - now.0).max(now.0 - after.0));
            turned_back = turned_back.max(last.0 - now.0);
            last = now;
        }
        assert!(least < 1_000_000, "never nearer than {least} ns to the system's time");
        assert!(turned_back < 1_000_000, "it turned back by {turned_back} ns");
    }
}
