//! Consistent probability sampling: rejection thresholds and randomness, 56 bits each.
//!
//! OpenTelemetry, "TraceState: probability sampling": a span is kept when R ≥ T, where R is `rv` of the tracestate member
//! `ot`, or else the low 56 bits of the trace id; T goes along as `th`, hexadecimal digits with trailing zeros left out.
//! The probability is (2⁵⁶ − T) / 2⁵⁶ and a kept span stands for its inverse. Who can't know T erases it.

use super::trace_state::TraceState;
use crate::model::TraceId;

/// 2⁵⁶, one more than the largest threshold.
pub const RANGE: u64 = 1 << 56;
/// Digits of precision that thresholds are rounded to, beyond leading `f`s.
pub const DEFAULT_PRECISION: u32 = 4;
/// Least probability that can be expressed.
pub const MIN_PROBABILITY: f64 = 1.0 / RANGE as f64;
/// Key of OpenTelemetry's tracestate member.
const MEMBER: &str = "ot";

/// A rejection threshold: spans whose randomness is below it are dropped.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Threshold(u64);

/// 56 random bits of a trace.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Randomness(u64);

impl Threshold {
    /// Keeps everything.
    pub const ALWAYS: Self = Self(0);

    /// For a probability from 2⁻⁵⁶ to 1, rounded to `precision` hexadecimal digits (1 to 14) beyond the leading `f`s of
    /// a small probability. `None` for a probability that can't be expressed.
    pub fn from_probability(probability: f64, precision: u32) -> Option<Self> {
        if !(MIN_PROBABILITY..=1.0).contains(&probability) {
            return None;
        }
        if probability == 1.0 {
            return Some(Self::ALWAYS);
        }
        // The leading f digits of a small probability carry no information, so precision grows by one for each of them.
        let leading = hex_zeros(probability);
        let digits = (precision.clamp(1, 14) + leading).min(14);
        let exact = RANGE - ((probability * RANGE as f64).round() as u64).clamp(1, RANGE);
        let shift = 4 * (14 - digits);
        if shift == 0 {
            return Some(Self(exact.min(RANGE - 1)));
        }
        let rounded = (exact + (1 << (shift - 1))) >> shift << shift;
        Some(Self(rounded.min(RANGE - (1 << shift))))
    }

    /// From the digits of `th`.
    pub fn parse(digits: &str) -> Option<Self> {
        read_digits(digits, 1..=14).map(|number| Self(number << (4 * (14 - digits.len() as u32))))
    }

    /// The digits of `th`, trailing zeros left out.
    pub fn digits(self) -> String {
        let text = format!("{:014x}", self.0);
        let short = text.trim_end_matches('0');
        if short.is_empty() { "0".to_owned() } else { short.to_owned() }
    }

    /// Share of traces kept.
    pub fn probability(self) -> f64 {
        (RANGE - self.0) as f64 / RANGE as f64
    }

    /// How many spans a kept one stands for.
    pub fn adjusted_count(self) -> f64 {
        RANGE as f64 / (RANGE - self.0) as f64
    }

    /// True when a trace of that randomness is kept.
    pub fn keeps(self, randomness: Randomness) -> bool {
        randomness.0 >= self.0
    }
}

impl Randomness {
    /// From the digits of `rv`, always 14.
    pub fn parse(digits: &str) -> Option<Self> {
        read_digits(digits, 14..=14).map(Self)
    }

    /// The digits of `rv`.
    pub fn digits(self) -> String {
        format!("{:014x}", self.0)
    }

    /// The low 56 bits of a trace id.
    pub fn of(trace_id: TraceId) -> Self {
        let mut low = [0; 8];
        low.copy_from_slice(&trace_id.0[8..]);
        Self(u64::from_be_bytes(low) & (RANGE - 1))
    }

    /// `rv` where tracestate gives it, else the trace id's.
    pub fn find(trace_id: TraceId, state: &TraceState) -> Self {
        sub_value(state, "rv").and_then(Self::parse).unwrap_or_else(|| Self::of(trace_id))
    }
}

/// How many hexadecimal digits behind the point are zero; `share` lies between 0 and 1.
fn hex_zeros(share: f64) -> u32 {
    let exponent = ((share.to_bits() >> 52) & 0x7ff) as i64 - 1022;
    (-exponent).clamp(0, 56) as u32 / 4
}

fn read_digits(digits: &str, length: std::ops::RangeInclusive<usize>) -> Option<u64> {
    let fine = length.contains(&digits.len()) && digits.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
    fine.then(|| u64::from_str_radix(digits, 16).ok()).flatten()
}

fn sub_value<'a>(state: &'a TraceState, key: &str) -> Option<&'a str> {
    state.get(MEMBER)?.split(';').filter_map(|part| part.split_once(':')).find(|(name, _)| *name == key).map(|(_, value)| value)
}

/// The threshold that tracestate tells, if it is a legal one.
pub fn threshold_of(state: &TraceState) -> Option<Threshold> {
    sub_value(state, "th").and_then(Threshold::parse)
}

/// Tracestate with `th` set, or erased; other sub-keys of `ot` stay.
pub fn with_threshold(state: &TraceState, threshold: Option<Threshold>) -> TraceState {
    if threshold.is_none() && sub_value(state, "th").is_none() {
        return state.clone();
    }
    let mut parts: Vec<String> = threshold.map(|threshold| format!("th:{}", threshold.digits())).into_iter().collect();
    let old = state.get(MEMBER).unwrap_or_default();
    parts.extend(old.split(';').filter(|part| !part.is_empty() && !part.starts_with("th:")).map(str::to_owned));
    if parts.is_empty() {
        return state.without(MEMBER);
    }
    state.with(MEMBER, &parts.join(";")).unwrap_or_else(|_| state.without(MEMBER))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_of_round_probabilities() {
        for (probability, digits) in [(1.0, "0"), (0.5, "8"), (0.25, "c"), (0.01, "fd70a"), (0.1, "e666"), (0.75, "4")] {
            assert_eq!(Threshold::from_probability(probability, DEFAULT_PRECISION).unwrap().digits(), digits, "{probability}");
        }
        assert_eq!(Threshold::from_probability(0.0, 4), None);
        assert_eq!(Threshold::from_probability(1.1, 4), None);
        assert_eq!(Threshold::from_probability(f64::NAN, 4), None);
        assert_eq!(Threshold::from_probability(MIN_PROBABILITY, 14).unwrap().digits(), "ffffffffffffff");
    }

    /// The specification's table of one in N, at precision 3, 4 and 5.
    #[test]
    fn one_in_n_at_three_precisions() {
        for (n, digits) in [
            (1, ["0", "0", "0"]),
            (2, ["8", "8", "8"]),
            (3, ["aab", "aaab", "aaaab"]),
            (4, ["c", "c", "c"]),
            (5, ["ccd", "cccd", "ccccd"]),
            (8, ["e", "e", "e"]),
            (10, ["e66", "e666", "e6666"]),
            (16, ["f", "f", "f"]),
            (100, ["fd71", "fd70a", "fd70a4"]),
            (1000, ["ffbe7", "ffbe77", "ffbe76d"]),
            (10_000, ["fff972", "fff9724", "fff97247"]),
            (100_000, ["ffff584", "ffff583a", "ffff583a5"]),
            (1_000_000, ["ffffef4", "ffffef39", "ffffef391"]),
        ] {
            for (precision, expected) in (3..).zip(digits) {
                let threshold = Threshold::from_probability(1.0 / f64::from(n), precision).unwrap();
                assert_eq!(threshold.digits(), expected, "1 in {n} at {precision}");
                assert!((threshold.adjusted_count() / f64::from(n) - 1.0).abs() < 0.002, "1 in {n} at {precision}");
            }
        }
    }

    #[test]
    fn digits_read_back_and_bad_ones_do_not() {
        assert_eq!(Threshold::parse("c").unwrap().probability(), 0.25);
        assert_eq!(Threshold::parse("0"), Some(Threshold::ALWAYS));
        assert_eq!(Threshold::parse("fd70a").unwrap().digits(), "fd70a");
        for bad in ["", "C", "x", "123456789012345", "+1"] {
            assert_eq!(Threshold::parse(bad), None, "{bad}");
        }
        assert_eq!(Randomness::parse("8"), None);
    }

    #[test]
    fn randomness_is_rv_before_the_trace_id() {
        let id: TraceId = "0af7651916cd43ddff48eb211c80319c".parse().unwrap();
        assert_eq!(Randomness::of(id), Randomness(0x48_eb21_1c80_319c));
        let state = TraceState::parse([b"ot=rv:80000000000000".as_slice()]).unwrap();
        assert_eq!(Randomness::find(id, &state), Randomness(0x80_0000_0000_0000));
        assert!(Threshold::parse("8").unwrap().keeps(Randomness::find(id, &state)));
        assert!(!Threshold::parse("8000000000001").unwrap().keeps(Randomness::find(id, &state)));
    }

    #[test]
    fn th_is_set_and_erased_beside_other_sub_keys() {
        let state = TraceState::parse([b"a=1,ot=rv:80000000000000;th:4".as_slice()]).unwrap();
        assert_eq!(with_threshold(&state, Threshold::parse("c")).as_str(), "ot=th:c;rv:80000000000000,a=1");
        assert_eq!(with_threshold(&state, None).as_str(), "ot=rv:80000000000000,a=1");
        let only = TraceState::parse([b"ot=th:4,a=1".as_slice()]).unwrap();
        assert_eq!(with_threshold(&only, None).as_str(), "a=1");
        assert_eq!(threshold_of(&only).unwrap().digits(), "4");
    }
}
