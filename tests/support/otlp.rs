//! Payloads: OTLP JSON with as many spans as a test wants, told apart by a number.

use serde_json::json;
use std::time::{SystemTime, UNIX_EPOCH};

/// A trace id that says which test trace it is.
pub fn hex_id(number: u64) -> String {
    format!("be1feedbe1feed00{number:016x}")
}

/// An export request of one trace: a root and `spans - 1` children, all of `service`, that ended just now.
pub fn json_request(service: &str, trace: u64, spans: u64) -> Vec<u8> {
    let now = u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos()).unwrap();
    let started = now - 1_000_000_000;
    let rows: Vec<serde_json::Value> = (0..spans)
        .map(|at| {
            json!({
                "traceId": hex_id(trace),
                "spanId": format!("{:016x}", at + 1),
                "parentSpanId": if at == 0 { String::new() } else { format!("{:016x}", 1) },
                "name": format!("step {at}"),
                "kind": if at == 0 { 2 } else { 1 },
                "startTimeUnixNano": (started + at * 1_000).to_string(),
                "endTimeUnixNano": (started + 500_000_000).to_string(),
                "attributes": [{"key": "step", "value": {"intValue": at.to_string()}}],
                "status": {},
            })
        })
        .collect();
    let service = json!([{"key": "service.name", "value": {"stringValue": service}}]);
    let request = json!({"resourceSpans": [{
        "resource": {"attributes": service},
        "scopeSpans": [{"scope": {"name": "belvedere-tests"}, "spans": rows}],
    }]});
    request.to_string().into_bytes()
}
