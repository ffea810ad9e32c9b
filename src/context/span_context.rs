//! The part of a span that travels: ids, flags, tracestate, and where it came from.

use super::trace_state::TraceState;
use crate::model::{SpanId, TraceId};
use std::fmt;

/// The `trace-flags` byte of W3C trace context level 2. Only the two bits that are defined can be set; the others are
/// kept zero, as the specification demands of whoever sends. Compare bits, never the whole byte.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct TraceFlags(u8);

impl TraceFlags {
    /// The caller may have recorded the trace.
    pub const SAMPLED: Self = Self(1);
    /// The low 56 bits of the trace id are random.
    pub const RANDOM: Self = Self(2);

    /// From the byte on the wire; unknown bits are cleared.
    pub const fn from_byte(byte: u8) -> Self {
        Self(byte & 3)
    }

    /// The byte to send.
    pub const fn byte(self) -> u8 {
        self.0
    }

    /// The sampled bit.
    pub const fn sampled(self) -> bool {
        self.0 & 1 != 0
    }

    /// The random bit.
    pub const fn random(self) -> bool {
        self.0 & 2 != 0
    }

    /// The same flags with the sampled bit set or cleared.
    #[must_use]
    pub const fn with_sampled(self, sampled: bool) -> Self {
        Self(self.0 & 2 | sampled as u8)
    }

    /// The same flags with the random bit set or cleared.
    #[must_use]
    pub const fn with_random(self, random: bool) -> Self {
        Self(self.0 & 1 | (random as u8) << 1)
    }
}

impl fmt::Debug for TraceFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02x}", self.0)
    }
}

/// What the caller said about sampling beyond the sampled bit; formats other than W3C can say more.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Sampling {
    /// The sampled bit is the decision.
    #[default]
    Decided,
    /// The caller left the decision to us (B3 without a sampled field, X-Ray `Sampled=?`); the sampled bit is clear.
    Deferred,
    /// Recorded at a person's wish (B3 and Jaeger debug); the sampled bit is set, and samplers must not drop it.
    Debug,
}

/// What identifies a span to its children and to other services. Immutable in use: children get their own.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SpanContext {
    /// Trace.
    pub trace_id: TraceId,
    /// Span.
    pub span_id: SpanId,
    /// W3C flags.
    pub flags: TraceFlags,
    /// What the caller said beyond the flags.
    pub sampling: Sampling,
    /// True when it came from another process.
    pub remote: bool,
    /// Vendors' own data.
    pub trace_state: TraceState,
}

impl SpanContext {
    /// A context that came from another process.
    pub fn from_remote(trace_id: TraceId, span_id: SpanId, flags: TraceFlags) -> Self {
        Self { trace_id, span_id, flags, remote: true, ..Self::default() }
    }

    /// True when neither id is all zero.
    pub fn is_valid(&self) -> bool {
        self.trace_id.is_valid() && self.span_id.is_valid()
    }

    /// True when both the sampled bit says so and the ids can be used.
    pub fn is_sampled(&self) -> bool {
        self.flags.sampled()
    }

    /// The `flags` of an OTLP span whose parent, or of an OTLP link whose target, is this: W3C flags in bits 0 to 7,
    /// bit 8 "has is-remote", bit 9 "is remote".
    pub fn otlp_flags(&self) -> u32 {
        u32::from(self.flags.byte()) | 0x100 | if self.remote { 0x200 } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_keep_the_two_bits_and_no_other() {
        let flags = TraceFlags::from_byte(0xff);
        assert_eq!(flags.byte(), 3);
        assert!(flags.sampled() && flags.random());
        assert_eq!(flags.with_sampled(false), TraceFlags::RANDOM);
        assert_eq!(flags.with_random(false), TraceFlags::SAMPLED);
        assert_eq!(format!("{flags:?}"), "03");
    }

    #[test]
    fn otlp_flags_tell_where_the_parent_lives() {
        let remote = SpanContext::from_remote(TraceId([1; 16]), SpanId([1; 8]), TraceFlags::SAMPLED);
        assert_eq!(remote.otlp_flags(), 0x301);
        assert_eq!(SpanContext { remote: false, ..remote }.otlp_flags(), 0x101);
    }
}
