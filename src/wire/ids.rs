//! Ids as the formats spell them. OTLP's fixed hexadecimal is read by the ids themselves; here is what the others allow.

use crate::model::{SpanId, TraceId};
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

/// Up to 32 hexadecimal digits in either case, left-padded with zeros.
pub(crate) fn hex(text: &str) -> Option<u128> {
    let usable = (1..=32).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if usable { u128::from_str_radix(text, 16).ok() } else { None }
}

/// A trace id of any spelling: up to 32 hexadecimal digits (dashes of a UUID left out) are taken as a number and padded,
/// anything else is hashed, the same text always to the same id. `None` for the empty text and for all zeros.
pub(crate) fn any_trace(text: &str) -> Option<TraceId> {
    if text.is_empty() {
        return None;
    }
    let number = match hex(text) {
        Some(number) => number,
        None if text.len() == 36 && text.contains('-') => hex(&text.replace('-', "")).unwrap_or(xxh3_128(text.as_bytes())),
        None => xxh3_128(text.as_bytes()),
    };
    (number != 0).then_some(TraceId(number.to_be_bytes()))
}

/// A span id of any spelling, by the rules of [`any_trace`] with 16 digits.
pub(crate) fn any_span(text: &str) -> Option<SpanId> {
    if text.is_empty() {
        return None;
    }
    let number = if text.len() <= 16 { hex(text).and_then(|number| u64::try_from(number).ok()) } else { None };
    SpanId::from(number.unwrap_or_else(|| xxh3_64(text.as_bytes()))).non_zero()
}

/// A new span id that depends only on what is given, never zero.
pub(crate) fn derived(trace: TraceId, span: SpanId, salt: &[u8]) -> SpanId {
    let mut bytes = Vec::with_capacity(24 + salt.len());
    bytes.extend_from_slice(&trace.0);
    bytes.extend_from_slice(&span.0);
    bytes.extend_from_slice(salt);
    SpanId::from(xxh3_64(&bytes).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_hexadecimal_is_padded_and_other_texts_are_hashed() {
        assert_eq!(any_span("A"), Some(SpanId::from(10)));
        assert_eq!(any_trace("1e223ff1f80f1c69").unwrap().to_string(), "00000000000000001e223ff1f80f1c69");
        assert_eq!(any_trace("4bf92f35-77b3-4da6-a3ce-929d0e0e4736").unwrap().to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(any_span("request-1"), any_span("request-1"));
        assert_ne!(any_span("request-1"), any_span("request-2"));
        assert_eq!((any_span(""), any_span("0"), any_trace("000")), (None, None, None));
        assert!(any_span("0000000000000000ff").is_some());
        assert_eq!(hex("+1"), None);
    }
}
