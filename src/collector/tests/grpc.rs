//! OTLP over gRPC.

use super::super::grpc::framed;
use super::*;
use base64::Engine as _;

const TRACES: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
const METRICS: &str = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";
const LOGS: &str = "/opentelemetry.proto.collector.logs.v1.LogsService/Export";

async fn call(address: SocketAddr, path: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Answer {
    let headers = [&[("content-type", "application/grpc"), ("te", "trailers")], headers].concat();
    send_http2(address, post(path, &headers, body)).await
}

/// The message behind the five bytes.
fn message(answer: &Answer) -> &[u8] {
    assert_eq!(answer.body[0], 0);
    assert_eq!(u32::from_be_bytes(answer.body[1..5].try_into().unwrap()) as usize, answer.body.len() - 5);
    &answer.body[5..]
}

#[tokio::test(flavor = "multi_thread")]
async fn each_service_stores_and_answers_an_empty_message() {
    let house = house(|_| {}).await;
    let address = house.address(Door::OtlpGrpc);
    let metrics = r#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"g","gauge":{"dataPoints":[{"timeUnixNano":"1760000000000000000","asInt":1}]}}]}]}]}"#;
    let metrics = otlp::json::to_protobuf(Signal::Metrics, metrics.as_bytes()).unwrap().payload;
    for (path, body) in [(TRACES, protobuf("a", 3)), (METRICS, metrics), (LOGS, otlp::encode_logs(&[Default::default()]))] {
        let answer = call(address, path, &[], framed(&body, false)).await;
        assert_eq!((answer.status, answer.header("content-type")), (StatusCode::OK, "application/grpc"));
        assert_eq!((message(&answer), answer.trailer("grpc-status")), (&[][..], "0"));
    }
    assert_eq!(house.account("a", Signal::Traces).stored, 3);
    assert_eq!(house.account("", Signal::Metrics).stored, 1);
    assert_eq!(house.account("unknown_service", Signal::Logs).stored, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_come_compressed() {
    let house = house(|_| {}).await;
    let address = house.address(Door::OtlpGrpc);
    let body = framed(&gzip(&protobuf("a", 50)), true);
    let answer = call(address, TRACES, &[("grpc-encoding", "gzip")], body).await;
    assert_eq!(answer.trailer("grpc-status"), "0", "{}", answer.trailer("grpc-message"));
    let body = framed(&zstd::bulk::compress(&protobuf("b", 50), 3).unwrap(), true);
    assert_eq!(call(address, TRACES, &[("grpc-encoding", "zstd")], body).await.trailer("grpc-status"), "0");
    // An uncompressed message on a compressed stream is legal.
    let plain = framed(&protobuf("c", 1), false);
    assert_eq!(call(address, TRACES, &[("grpc-encoding", "gzip")], plain).await.trailer("grpc-status"), "0");
    assert_eq!(house.stored(), 101);
    let unknown = call(address, TRACES, &[("grpc-encoding", "br")], framed(b"x", true)).await;
    assert_eq!(unknown.trailer("grpc-status"), "12");
    assert_eq!(unknown.header("grpc-accept-encoding"), "identity,gzip,zstd,deflate");
    let unnamed = call(address, TRACES, &[], framed(b"x", true)).await;
    assert_eq!(unnamed.trailer("grpc-status"), "3");
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_carry_the_right_code() {
    let house = house(|_| {}).await;
    let address = house.address(Door::OtlpGrpc);
    let garbage = call(address, TRACES, &[], framed(b"\x0a\xff", false)).await;
    assert_eq!((garbage.status, garbage.trailer("grpc-status")), (StatusCode::OK, "3"));
    assert!(garbage.trailer("grpc-message").contains("at byte 1"));
    for broken in [&b""[..], b"\0\0", b"\0\0\0\0\x09abc", b"\x07\0\0\0\0"] {
        assert_eq!(call(address, TRACES, &[], broken).await.trailer("grpc-status"), "3", "{broken:?}");
    }
    let unknown = call(address, "/jaeger.api_v2.CollectorService/PostSpans", &[], framed(b"", false)).await;
    assert_eq!(unknown.trailer("grpc-status"), "12");
    assert_eq!(house.wrong(), ["gRPC call /jaeger.api_v2.CollectorService/PostSpans"]);
    let healthy = call(address, "/grpc.health.v1.Health/Check", &[], framed(b"", false)).await;
    assert_eq!((message(&healthy), healthy.trailer("grpc-status")), (&[8, 1][..], "0"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_sink_is_unavailable_with_the_time_to_wait() {
    let house = house(|_| {}).await;
    house.sink.full.store(true, Ordering::SeqCst);
    let answer = call(house.address(Door::OtlpGrpc), TRACES, &[], framed(&protobuf("a", 1), false)).await;
    assert_eq!(answer.trailer("grpc-status"), "14");
    let details = base64::engine::general_purpose::STANDARD_NO_PAD.decode(answer.trailer("grpc-status-details-bin")).unwrap();
    assert!(String::from_utf8_lossy(&details).contains("google.rpc.RetryInfo"));
    assert_eq!(house.stored(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn too_large_is_not_to_be_sent_again() {
    let house = house(limits(|limits| limits.request_bytes = 100_000)).await;
    let address = house.address(Door::OtlpGrpc);
    let bomb = framed(&gzip(&vec![0; 8_000_000]), true);
    assert!(bomb.len() < 300_000);
    for (headers, body) in [(&[("grpc-encoding", "gzip")][..], bomb), (&[], framed(&vec![0; 200_000], false))] {
        let answer = call(address, TRACES, headers, body).await;
        assert_eq!(answer.trailer("grpc-status"), "8");
        let details =
            base64::engine::general_purpose::STANDARD_NO_PAD.decode(answer.trailer("grpc-status-details-bin")).unwrap();
        assert!(!String::from_utf8_lossy(&details).contains("RetryInfo"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn warnings_and_refused_spans_are_in_the_message() {
    let house = house(|_| {}).await;
    let mut span = batch("x", 1).span(0).to_span();
    span.resource = Arc::default();
    let body = otlp::encode_traces(&SpanBatch::from_spans([&span]));
    let answer = call(house.address(Door::OtlpGrpc), TRACES, &[], framed(&body, false)).await;
    assert_eq!(answer.trailer("grpc-status"), "0");
    assert!(String::from_utf8_lossy(message(&answer)).contains("without service.name"));
}

#[tokio::test(flavor = "multi_thread")]
async fn either_door_takes_grpc_and_http_over_either_loopback() {
    let house = house(|_| {}).await;
    let mut sent = 0;
    for door in [Door::OtlpGrpc, Door::OtlpHttp] {
        let addresses = house.addresses(door);
        assert_eq!(addresses.len(), 2, "IPv4 and IPv6");
        assert_eq!(addresses[0].port(), addresses[1].port());
        for address in addresses {
            let service = format!("s{sent}");
            let answer = call(address, TRACES, &[], framed(&protobuf(&service, 1), false)).await;
            assert_eq!(answer.trailer("grpc-status"), "0");
            let answer = send_http1(address, post("/v1/traces", &[AS_JSON], json(&format!("{service}-1"), 1))).await;
            assert_eq!(answer.status, StatusCode::OK);
            let answer = send_http2(address, post("/v1/traces", &[AS_PROTOBUF], protobuf(&format!("{service}-2"), 1))).await;
            assert_eq!(answer.status, StatusCode::OK);
            sent += 3;
        }
    }
    let received: u64 = house.sink.workspace.accounts().iter().map(|row| row.received).sum();
    assert_eq!(received, sent);
}

#[tokio::test(flavor = "multi_thread")]
async fn grpc_over_http1_is_named() {
    let house = house(|_| {}).await;
    let request = post(TRACES, &[("content-type", "application/grpc")], framed(&protobuf("a", 1), false));
    let answer = send_http1(house.address(Door::OtlpGrpc), request).await;
    assert_eq!(answer.status, StatusCode::HTTP_VERSION_NOT_SUPPORTED);
    assert_eq!(house.wrong(), ["gRPC over HTTP/1"]);
}
