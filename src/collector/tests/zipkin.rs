//! The Zipkin door.

use super::*;
use crate::model::value::MASKED;
use crate::model::{SpanKind, ValueRef};

const V2: &str = r#"[{"traceId":"1","id":"2","kind":"SERVER","name":"get","timestamp":1760000000000000,"duration":5,
    "localEndpoint":{"serviceName":"a"},"tags":{"error":"","authorization":"Basic x"}}]"#;
const V1: &str = r#"[{"traceId":"1","id":"3","name":"get","annotations":[
    {"timestamp":10,"value":"sr","endpoint":{"serviceName":"b"}},{"timestamp":15,"value":"ss","endpoint":{"serviceName":"b"}}]}]"#;
/// A shared server span of service `b`, encoded by Zipkin's own library.
const PROTOBUF: &str = "0a2b0a0800000000000000011a08000000000000000220022a01623140420f0000000000380542030a01616801";

async fn zipkin_house() -> House {
    house(|config| config.doors = vec![(Door::Zipkin, vec!["127.0.0.1:0".parse().unwrap()])]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn both_versions_are_taken_and_acknowledged_without_a_body() {
    let house = zipkin_house().await;
    let address = house.address(Door::Zipkin);
    let proto: Vec<u8> =
        (0..PROTOBUF.len()).step_by(2).map(|at| u8::from_str_radix(&PROTOBUF[at..at + 2], 16).unwrap()).collect();
    let requests = [
        post("/api/v2/spans", &[AS_JSON], V2),
        post("/api/v2/spans", &[("content-type", "application/x-protobuf")], proto),
        post("/api/v1/spans", &[AS_JSON, ("content-encoding", "gzip")], gzip(V1.as_bytes())),
        post("/api/v2/spans", &[AS_JSON], "[]"),
    ];
    for request in requests {
        let answer = send_http1(address, request).await;
        assert_eq!((answer.status, answer.body.len()), (StatusCode::ACCEPTED, 0), "{}", answer.text());
    }
    assert_eq!(house.stored(), 3);
    let trace = house.sink.workspace.spans().trace(TraceId::from_halves(0, 1), &Default::default()).unwrap().unwrap();
    let span = trace.spans.iter().find(|span| span.kind() == SpanKind::Server && span.is_error()).unwrap();
    assert_eq!(span.attr("authorization"), Some(ValueRef::Str(MASKED)));
    let text = house.registry.expose();
    assert!(text.contains("belvedere_received_total{door=\"zipkin\",signal=\"traces\"} 3\n"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_are_texts() {
    let house = zipkin_house().await;
    let address = house.address(Door::Zipkin);
    let answer = send_http1(address, post("/api/v2/spans", &[AS_JSON], r#"[{"traceId":"xyz","id":"1"}]"#)).await;
    assert_eq!((answer.status, answer.header("content-type")), (StatusCode::BAD_REQUEST, "text/plain; charset=utf-8"));
    assert!(!answer.text().is_empty());
    let answer = send_http1(address, post("/v1/traces", &[AS_JSON], "{}")).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert!(house.collector.wrong_callers()[0].fix.contains("4318"));
    house.sink.full.store(true, Ordering::SeqCst);
    let answer = send_http1(address, post("/api/v2/spans", &[AS_JSON], V2)).await;
    assert_eq!((answer.status, answer.header("retry-after")), (StatusCode::SERVICE_UNAVAILABLE, "2"));
    assert_eq!(house.stored(), 0);
}
