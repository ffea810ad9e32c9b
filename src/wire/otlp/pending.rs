//! Spans that are announced before they end, in the convention of Pydantic's Logfire SDKs (`PendingSpanProcessor`).
//!
//! When a span starts, the SDK also exports a copy that ends as it starts, under a new id, as a child of the span that it
//! announces. The attribute `logfire.span_type` is `pending_span`, and `logfire.pending_parent_id` is the announced span's
//! own parent, sixteen hexadecimal digits, all zero for a root. Read as what it announces, it is that span in flight, and
//! the store replaces it by the finished one. What does not follow the convention to the letter stays the span that was sent.

use crate::model::batch::{AttrRow, IN_FLIGHT, SpanRow, ValueKind};
use crate::model::{SpanBatch, SpanBatchBuilder, SpanId};

const SPAN_TYPE: &str = "logfire.span_type";
const PENDING: &str = "pending_span";
const REAL_PARENT: &str = "logfire.pending_parent_id";

/// Turns an announcement into the span that it announces, in flight; its attributes stand in the draft. Costs a
/// comparison for a span that ends after it starts.
#[inline]
pub(super) fn announced(builder: &mut SpanBatchBuilder, row: &mut SpanRow) {
    if row.start == row.end && row.parent != SpanId::default() {
        let attrs = std::mem::take(&mut builder.draft().attrs);
        let parent = real_parent(builder.peek(), &attrs);
        builder.draft().attrs = attrs;
        if let Some(parent) = parent {
            (row.span_id, row.parent, row.end) = (row.parent, parent, IN_FLIGHT);
        }
    }
}

/// The parent of the span that these attributes announce; zero for a root.
fn real_parent(batch: &SpanBatch, attrs: &[AttrRow]) -> Option<SpanId> {
    let text = |wanted: &str| {
        let row = attrs.iter().find(|row| row.kind == ValueKind::Str && batch.strings.get(row.key) == wanted)?;
        Some(batch.strings.get(row.bits as u32))
    };
    if text(SPAN_TYPE)? != PENDING {
        return None;
    }
    let digits = text(REAL_PARENT)?;
    let plain = digits.len() == 16 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    plain.then(|| u64::from_str_radix(digits, 16).ok()).flatten().map(SpanId::from)
}

#[cfg(test)]
mod tests {
    use super::super::json::decode_traces;
    use serde_json::json;

    fn read(kind: &str, real_parent: &str, end: &str) -> (u64, Option<u64>, bool) {
        let attribute = |key: &str, value: &str| json!({"key": key, "value": {"stringValue": value}});
        let span = json!({
            "traceId": "0af7651916cd43dd8448eb211c80319c", "spanId": "00000000000000aa", "parentSpanId": "0000000000000002",
            "name": "import", "startTimeUnixNano": "1700000000000000000", "endTimeUnixNano": end,
            "attributes": [
                attribute("logfire.span_type", kind),
                attribute("logfire.pending_parent_id", real_parent),
            ],
        });
        let body = json!({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}).to_string();
        let span = decode_traces(body.as_bytes()).unwrap().batch.span(0).to_span();
        (span.span_id.to_u64(), span.parent.map(|parent| parent.to_u64()), span.end.is_none())
    }

    #[test]
    fn a_pending_span_is_the_one_that_it_announces() {
        const START: &str = "1700000000000000000";
        let as_sent = (0xaa, Some(2), false);
        let cases = [
            ("pending_span", "0000000000000001", START, (2, Some(1), true), "a child"),
            ("pending_span", "0000000000000000", START, (2, None, true), "a root"),
            ("span", "0000000000000001", START, as_sent, "an ordinary span without a length"),
            ("log", "0000000000000001", START, as_sent, "a log record as a span"),
            ("pending_span", "1", START, as_sent, "a parent that is no id"),
            ("pending_span", "+000000000000001", START, as_sent, "a sign is no digit"),
            ("pending_span", "0000000000000001", "1700000000000000009", as_sent, "one that has a length"),
        ];
        for (kind, parent, end, expected, why) in cases {
            assert_eq!(read(kind, parent, end), expected, "{why}");
        }
    }
}
