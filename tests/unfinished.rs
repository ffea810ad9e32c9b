//! Work that has not ended, from the door or a file to the answer: in flight, given up with a reason, replaced by its end.

use crate::support::{Serve, get, post};
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

fn now_ns() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64
}

/// One span in OTLP JSON of a run of `job`; `end` 0 is none.
fn span(trace: &str, pid: i64, id: &str, parent: &str, start: u64, end: u64, attributes: &[(&str, &str)]) -> Vec<u8> {
    let text = |(key, value): &(&str, &str)| json!({"key": key, "value": {"stringValue": value}});
    let body = json!({"resourceSpans": [{
        "resource": {"attributes": [
            text(&("service.name", "job")), text(&("host.name", "box")),
            {"key": "process.pid", "value": {"intValue": pid.to_string()}},
        ]},
        "scopeSpans": [{"spans": [{
            "traceId": trace, "spanId": id, "parentSpanId": parent, "name": "import", "kind": 1,
            "startTimeUnixNano": start.to_string(), "endTimeUnixNano": end.to_string(),
            "attributes": attributes.iter().map(text).collect::<Vec<_>>(),
        }]}],
    }]});
    body.to_string().into_bytes()
}

fn send(serve: &Serve, body: &[u8]) {
    assert_eq!(post(serve.door("otlp-http"), "/v1/traces", "application/json", body).unwrap().status, 200);
}

fn unfinished(serve: &Serve, trace: &str) -> Vec<Value> {
    let reply = get(serve.door("api"), &format!("/belvedere/v1/traces/{trace}/unfinished")).unwrap();
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()["spans"].as_array().unwrap().clone()
}

fn give_up_after(serve: &Serve, millis: u64) {
    let reply = post(serve.door("api"), &format!("/belvedere/v1/give-up-after?ms={millis}"), "", b"").unwrap();
    assert_eq!((reply.status, reply.json()), (200, json!({"give_up_after_ns": millis * 1_000_000})));
}

#[test]
fn a_logfire_pending_span_is_in_flight_then_given_up_and_its_late_end_replaces_it() {
    let serve = Serve::start();
    let start = now_ns() - 120_000_000_000;
    let pending = [("logfire.span_type", "pending_span"), ("logfire.pending_parent_id", "0000000000000000")];
    send(&serve, &span(TRACE, 1, "00000000000000aa", "0000000000000002", start, start, &pending));
    let spans = unfinished(&serve, TRACE);
    assert_eq!((spans.len(), &spans[0]["span_id"], &spans[0]["state"]), (1, &json!("0000000000000002"), &json!("in flight")));
    assert!(spans[0]["so_far_ns"].as_i64().unwrap() >= 120_000_000_000, "{}", spans[0]);
    give_up_after(&serve, 60_000);
    let spans = unfinished(&serve, TRACE);
    assert_eq!(spans[0]["state"], json!("given up"));
    assert!(spans[0]["reason"].as_str().unwrap().starts_with("given up: nothing was heard of it for 2 min"), "{}", spans[0]);
    give_up_after(&serve, 0);
    assert_eq!(unfinished(&serve, TRACE)[0]["state"], json!("in flight"), "0 waits for ever");
    send(&serve, &span(TRACE, 1, "0000000000000002", "", start, now_ns(), &[("logfire.span_type", "span")]));
    assert!(unfinished(&serve, TRACE).is_empty(), "its end has come");
    let stored = serve.trace(TRACE).unwrap();
    assert_eq!(stored["spans"].as_array().unwrap().len(), 1, "the announcement is gone: {stored}");
}

#[test]
fn a_new_run_of_the_service_gives_up_what_the_old_one_left_open() {
    let serve = Serve::start();
    let start = now_ns();
    send(&serve, &span(TRACE, 1, "0000000000000002", "", start, 0, &[]));
    assert_eq!(unfinished(&serve, TRACE)[0]["state"], json!("in flight"));
    send(&serve, &span("1af7651916cd43dd8448eb211c80319c", 2, "0000000000000003", "", now_ns(), now_ns(), &[]));
    let spans = unfinished(&serve, TRACE);
    let reason = spans[0]["reason"].as_str().unwrap_or_default();
    assert!(reason.contains("its process ended, the service runs anew as box:2"), "{}", spans[0]);
}

#[test]
fn an_xray_segment_in_progress_is_in_flight_until_the_finished_one_comes() {
    let serve = Serve::start();
    let start = now_ns() / 1_000_000_000;
    let trace = format!("{start:08x}a006649127e371903a2de979");
    let segment = |rest: &str| {
        let id = format!("1-{start:08x}-a006649127e371903a2de979");
        format!(r#"{{"trace_id":"{id}","id":"70de5b6f19ff9a0a","name":"orders","start_time":{start}.5,{rest}}}"#)
    };
    let import = |rest: &str| {
        let text = segment(rest);
        let reply = post(serve.door("api"), "/belvedere/v1/import?name=a.json", "application/json", text.as_bytes()).unwrap();
        assert_eq!(reply.status, 200, "{}", reply.text());
    };
    import(r#""in_progress":true"#);
    assert_eq!(unfinished(&serve, &trace)[0]["state"], json!("in flight"));
    import(&format!(r#""end_time":{}.5"#, start + 1));
    assert!(unfinished(&serve, &trace).is_empty());
    assert_eq!(serve.trace(&trace).unwrap()["spans"].as_array().unwrap().len(), 1);
}
