//! An open chunk: samples of one series, each packed as it comes, in about a byte and a half.
//!
//! Time as the difference of differences, values as the exclusive or with the one before (the scheme of Facebook's Gorilla,
//! VLDB 2015, with the widths of time that suit milliseconds). Every bit pattern comes back exactly: stale markers, NaN
//! payloads, negative zero. The chunk only grows, so a reader that remembers a count sees the same samples for ever.
//!
//! A sample: `0` when the step of time is the one before, else `10`, `110`, `1110` or `1111` and the change in 14, 17, 20
//! or 64 bits; then `0` for the same value, `10` and the changed bits within the last window, or `11`, five bits of leading
//! zeros, six bits of length less one and the changed bits.

/// Widths of a change of step behind `10`, `110` and `1110`.
const STEP_BITS: [u32; 3] = [14, 17, 20];
/// Words that a new chunk has room for.
const FIRST_WORDS: usize = 6;
/// No window yet.
const NO_WINDOW: u8 = 0xff;

/// See the module comment.
#[derive(Clone, Debug)]
pub(crate) struct XorChunk {
    words: Vec<u64>,
    bits: u32,
    count: u32,
    first_time: i64,
    last_time: i64,
    last_step: i64,
    last_value: u64,
    leading: u8,
    length: u8,
}

impl Default for XorChunk {
    fn default() -> Self {
        Self {
            words: Vec::new(),
            bits: 0,
            count: 0,
            first_time: 0,
            last_time: 0,
            last_step: 0,
            last_value: 0,
            leading: NO_WINDOW,
            length: 0,
        }
    }
}

impl XorChunk {
    /// Samples.
    pub(crate) fn len(&self) -> usize {
        self.count as usize
    }

    /// Time of the last sample; `None` when empty.
    pub(crate) fn last_time(&self) -> Option<i64> {
        (self.count > 0).then_some(self.last_time)
    }

    /// Bytes on the heap.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.words.capacity() * 8
    }

    /// Appends a sample that is later than the last.
    pub(crate) fn push(&mut self, time: i64, value: u64) {
        if self.count == 0 {
            self.first_time = time;
            self.put(value, 64);
        } else {
            let step = time.wrapping_sub(self.last_time);
            self.put_step(step.wrapping_sub(self.last_step));
            self.last_step = step;
            self.put_value(value ^ self.last_value);
        }
        self.last_time = time;
        self.last_value = value;
        self.count += 1;
    }

    fn put_step(&mut self, change: i64) {
        if change == 0 {
            return self.put(0, 1);
        }
        for (at, width) in STEP_BITS.into_iter().enumerate() {
            let half = 1_i64 << (width - 1);
            if (-half..half).contains(&change) {
                let prefix = [0b10, 0b110, 0b1110][at];
                self.put(prefix, at as u32 + 2);
                return self.put(change as u64 & ((1 << width) - 1), width);
            }
        }
        self.put(0b1111, 4);
        self.put(change as u64, 64);
    }

    fn put_value(&mut self, change: u64) {
        if change == 0 {
            return self.put(0, 1);
        }
        let leading = change.leading_zeros().min(31) as u8;
        let trailing = change.trailing_zeros() as u8;
        let window_trailing = 64_u8.wrapping_sub(self.leading).wrapping_sub(self.length);
        if self.leading != NO_WINDOW && leading >= self.leading && trailing >= window_trailing {
            self.put(0b10, 2);
            return self.put(change >> window_trailing, u32::from(self.length));
        }
        let length = 64 - leading - trailing;
        self.put(0b11, 2);
        self.put(u64::from(leading), 5);
        self.put(u64::from(length - 1), 6);
        self.put(change >> trailing, u32::from(length));
        (self.leading, self.length) = (leading, length);
    }

    /// Appends the low `width` bits (1 to 64), the highest first.
    fn put(&mut self, value: u64, width: u32) {
        let used = self.bits & 63;
        if used == 0 {
            self.grow();
        }
        let free = 64 - used;
        let last = self.words.len() - 1;
        if width <= free {
            self.words[last] |= value << (free - width);
        } else {
            self.words[last] |= value >> (width - free);
            self.grow();
            self.words[last + 1] = value << (64 - (width - free));
        }
        self.bits += width;
    }

    /// One more word. Room grows by a quarter: doubling would leave a third of a hundred thousand chunks empty.
    fn grow(&mut self) {
        if self.words.len() == self.words.capacity() {
            self.words.reserve_exact((self.words.len() / 4).max(FIRST_WORDS));
        }
        self.words.push(0);
    }

    /// The bits.
    pub(crate) fn words(&self) -> &[u64] {
        &self.words
    }

    /// The first `count` samples (all with `usize::MAX`) in order.
    pub(crate) fn each(&self, count: usize, visit: impl FnMut(i64, u64)) {
        each_of_words(&self.words, self.first_time, count.min(self.count as usize), visit);
    }
}

/// `count` samples of a chunk's bits; zeros when there are fewer.
pub(crate) fn each_of_words(words: &[u64], first_time: i64, count: usize, mut visit: impl FnMut(i64, u64)) {
    if count == 0 {
        return;
    }
    let mut bits = Bits { words, at: 0 };
    let (mut time, mut step, mut value) = (first_time, 0_i64, bits.take(64));
    let (mut leading, mut length) = (0_u32, 1_u32);
    visit(time, value);
    for _ in 1..count {
        if bits.take(1) == 1 {
            step = step.wrapping_add(bits.take_step());
        }
        time = time.wrapping_add(step);
        if bits.take(1) == 1 {
            if bits.take(1) == 1 {
                let window = bits.take(11) as u32;
                (leading, length) = (window >> 6, (window & 63) + 1);
            }
            value ^= bits.take(length) << 64_u32.saturating_sub(leading + length);
        }
        visit(time, value);
    }
}

/// Reads what [`XorChunk::put`] wrote; zeros past the end, so that damage on disk cannot panic.
struct Bits<'a> {
    words: &'a [u64],
    at: usize,
}

impl Bits<'_> {
    #[inline]
    fn take(&mut self, width: u32) -> u64 {
        let (word, offset) = (self.at >> 6, (self.at & 63) as u32);
        self.at += width as usize;
        let of = |word: usize| self.words.get(word).copied().unwrap_or(0);
        let high = of(word) << offset;
        if width <= 64 - offset { high >> (64 - width) } else { (high | of(word + 1) >> (64 - offset)) >> (64 - width) }
    }

    /// A change of step, behind its first `1`.
    fn take_step(&mut self) -> i64 {
        for width in STEP_BITS {
            if self.take(1) == 0 {
                let shift = 64 - width;
                return ((self.take(width) << shift) as i64) >> shift;
            }
        }
        self.take(64) as i64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::sample::{NORMAL_NAN_BITS, STALE_NAN_BITS};
    use proptest::prelude::*;

    fn read(chunk: &XorChunk, count: usize) -> Vec<(i64, u64)> {
        let mut samples = Vec::new();
        chunk.each(count, |time, value| samples.push((time, value)));
        samples
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_samples_come_back_bit_by_bit(
            start in any::<i32>(),
            steps in proptest::collection::vec((prop_oneof![Just(15_000_i64), 1..40_000_i64, 1..i64::from(u32::MAX)], any::<u64>()), 0..80),
            few in any::<bool>(),
        ) {
            let mut time = i64::from(start);
            let samples: Vec<(i64, u64)> = steps.into_iter().map(|(step, value)| {
                time += step;
                (time, if few { value & 0x7 } else { value })
            }).collect();
            let mut chunk = XorChunk::default();
            samples.iter().for_each(|(time, value)| chunk.push(*time, *value));
            prop_assert_eq!(read(&chunk, usize::MAX), samples);
        }
    }

    #[test]
    fn markers_payloads_and_extremes_are_exact() {
        let values = [STALE_NAN_BITS, NORMAL_NAN_BITS, u64::MAX, 0, 1 << 63, f64::INFINITY.to_bits(), 1.5_f64.to_bits()];
        let mut chunk = XorChunk::default();
        let mut samples = Vec::new();
        for (at, value) in values.into_iter().enumerate() {
            let time = [i64::MIN, -1, 0, 7, 8_000, 1 << 40, i64::MAX][at];
            chunk.push(time, value);
            samples.push((time, value));
        }
        assert_eq!(read(&chunk, usize::MAX), samples);
    }

    #[test]
    fn a_reader_that_remembers_a_count_sees_the_same_samples_later() {
        let mut chunk = XorChunk::default();
        (0..50).for_each(|at| chunk.push(at * 1_000, (at as f64).to_bits()));
        let before = read(&chunk, 30);
        (50..500).for_each(|at| chunk.push(at * 1_000 + at % 3, (at as f64 * 0.1).to_bits()));
        assert_eq!(read(&chunk, 30), before);
        assert_eq!(read(&chunk, usize::MAX).len(), 500);
    }

    #[test]
    fn a_steady_counter_takes_less_than_two_bytes_a_sample() {
        let mut chunk = XorChunk::default();
        (0..480).for_each(|at: i64| chunk.push(at * 15_000, ((at * 30) as f64).to_bits()));
        assert!(chunk.bits / 8 < 2 * 480, "{} bytes", chunk.bits / 8);
    }
}
