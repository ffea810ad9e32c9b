//! OTLP over HTTP: every row of the table of the specification.

use super::*;
use crate::model::ValueRef;
use crate::model::value::MASKED;
use serde_json::Value;

#[tokio::test(flavor = "multi_thread")]
async fn each_signal_is_stored_in_both_forms_and_answered_in_its_own() {
    let house = house(|_| {}).await;
    let address = house.address(Door::OtlpHttp);
    let answer = send_http1(address, post("/v1/traces", &[AS_PROTOBUF], protobuf("pb", 3))).await;
    assert_eq!(
        (answer.status, answer.header("content-type"), answer.body.len()),
        (StatusCode::OK, "application/x-protobuf", 0)
    );
    let answer = send_http1(address, post("/v1/traces", &[AS_JSON], json("js", 2))).await;
    assert_eq!(
        (answer.status, answer.header("content-type"), answer.text().as_str()),
        (StatusCode::OK, "application/json", "{}")
    );
    assert_eq!(house.account("pb", Signal::Traces).stored, 3);
    assert_eq!(house.account("js", Signal::Traces).stored, 2);

    let metrics = r#"{"resourceMetrics":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"m"}}]},"scopeMetrics":[{"metrics":[{"name":"x","gauge":{"dataPoints":[{"timeUnixNano":"1760000000000000000","asInt":"1"},{"timeUnixNano":"1760000001000000000","asInt":"2"}]}}]}]}]}"#;
    let answer = send_http1(address, post("/v1/metrics", &[AS_JSON], metrics)).await;
    assert_eq!((answer.status, answer.text().as_str()), (StatusCode::OK, "{}"));
    assert_eq!(house.account("m", Signal::Metrics).stored, 2);
    let logs = r#"{"resourceLogs":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"l"}}]},"scopeLogs":[{"logRecords":[{"body":{"stringValue":"x"}}]}]}]}"#;
    let payload = otlp::json::to_protobuf(Signal::Logs, logs.as_bytes()).unwrap().payload;
    let answer = send_http1(address, post("/v1/logs/", &[AS_PROTOBUF], payload)).await;
    assert_eq!((answer.status, answer.body.len()), (StatusCode::OK, 0));
    assert_eq!(house.account("l", Signal::Logs).stored, 1);
    let text = house.registry.expose();
    assert!(text.contains("belvedere_received_total{door=\"otlp-http\",signal=\"metrics\"} 2\n"), "{text}");
    assert!(text.contains("belvedere_request_duration_seconds_count{door=\"otlp-http\",signal=\"traces\"} 2\n"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_request_is_a_success() {
    let house = house(|_| {}).await;
    for path in ["/v1/traces", "/v1/metrics", "/v1/logs"] {
        let answer = send_http1(house.address(Door::OtlpHttp), post(path, &[AS_PROTOBUF], "")).await;
        assert_eq!((answer.status, answer.body.len()), (StatusCode::OK, 0));
        let answer = send_http1(house.address(Door::OtlpHttp), post(path, &[AS_JSON], "{}")).await;
        assert_eq!((answer.status, answer.text().as_str()), (StatusCode::OK, "{}"));
    }
    assert!(house.wrong().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn content_types_are_read_with_their_parameters_and_json_is_sniffed() {
    let house = house(|_| {}).await;
    let address = house.address(Door::OtlpHttp);
    let accepted = [
        ("application/json; charset=utf-8", json("a", 1)),
        ("Application/X-Protobuf", protobuf("b", 1)),
        ("text/plain;charset=UTF-8", json("c", 1)),
        ("application/x-www-form-urlencoded", json("d", 1)),
        ("application/octet-stream", protobuf("e", 1)),
        ("", protobuf("f", 1)),
    ];
    for (media, body) in accepted {
        let answer = send_http1(address, post("/v1/traces", &[("content-type", media)], body)).await;
        assert_eq!(answer.status, StatusCode::OK, "{media}: {}", answer.text());
    }
    assert_eq!(house.stored(), 6);
    let answer = send_http1(address, post("/v1/traces", &[("content-type", "text/html")], "<p>")).await;
    assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
}

#[tokio::test(flavor = "multi_thread")]
async fn payloads_come_compressed() {
    let house = house(|_| {}).await;
    let address = house.address(Door::OtlpHttp);
    let zlib = |bytes: &[u8], bare: bool| {
        use std::io::Write;
        let level = flate2::Compression::fast();
        if bare {
            let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), level);
            encoder.write_all(bytes).unwrap();
            return encoder.finish().unwrap();
        }
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), level);
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let cases = [
        ("gzip", gzip(&protobuf("a", 50))),
        ("zstd", zstd::bulk::compress(&protobuf("b", 50), 3).unwrap()),
        ("deflate", zlib(&protobuf("c", 50), false)),
        ("deflate", zlib(&protobuf("d", 50), true)),
        ("identity", protobuf("e", 50)),
    ];
    for (encoding, body) in cases {
        let answer = send_http1(address, post("/v1/traces", &[AS_PROTOBUF, ("content-encoding", encoding)], body)).await;
        assert_eq!(answer.status, StatusCode::OK, "{encoding}: {}", answer.text());
    }
    assert_eq!(house.stored(), 250);
    let broken = send_http1(address, post("/v1/traces", &[AS_JSON, ("content-encoding", "gzip")], "not gzip")).await;
    assert_eq!(broken.status, StatusCode::BAD_REQUEST);
    let unknown = send_http1(address, post("/v1/traces", &[AS_JSON, ("content-encoding", "br")], "x")).await;
    assert_eq!(unknown.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(unknown.header("accept-encoding"), "gzip, zstd, deflate, identity");
    let forgotten = send_http1(address, post("/v1/traces", &[AS_PROTOBUF], gzip(&protobuf("a", 1)))).await;
    assert!(forgotten.text().contains("set Content-Encoding: gzip"), "{}", forgotten.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_answered_with_a_status_in_the_form_it_came_in() {
    let house = house(|_| {}).await;
    let address = house.address(Door::OtlpHttp);
    let answer = send_http1(address, post("/v1/traces", &[AS_PROTOBUF], &b"\x0a\xff"[..])).await;
    assert_eq!((answer.status, answer.header("content-type")), (StatusCode::BAD_REQUEST, "application/x-protobuf"));
    assert_eq!(answer.body[..3], [0x08, 3, 0x12], "google.rpc.Status with INVALID_ARGUMENT");
    assert!(answer.text().contains("at byte 1"), "{}", answer.text());
    for (path, body) in [("/v1/metrics", "{\"resourceMetrics\":5}"), ("/v1/logs", "{\"resourceLogs\":[{]}"), ("/v1/traces", "")]
    {
        let answer = send_http1(address, post(path, &[AS_JSON], body)).await;
        assert_eq!((answer.status, answer.header("content-type")), (StatusCode::BAD_REQUEST, "application/json"));
        let status: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(status["code"], 3);
        assert!(status["message"].as_str().unwrap().contains("line 1"), "{status}");
    }
    let answer = send_http1(address, post("/v1/traces", &[AS_PROTOBUF], json("a", 1))).await;
    assert!(answer.text().contains("set Content-Type: application/json"), "{}", answer.text());
    let answer = send_http1(address, post("/v1/traces", &[AS_JSON], protobuf("a", 1))).await;
    assert!(answer.text().contains("set Content-Type: application/x-protobuf"), "{}", answer.text());
    assert_eq!(house.stored(), 0);
    assert!(house.registry.expose().contains("belvedere_refused_requests_total{door=\"otlp-http\",reason=\"malformed\"}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_spans_and_warnings_are_a_partial_success() {
    let house = house(|_| {}).await;
    let address = house.address(Door::OtlpHttp);
    let body = format!(
        r#"{{"resourceSpans":[{{"resource":{{"attributes":[{{"key":"service.name","value":{{"stringValue":"shop"}}}}]}},"scopeSpans":[{{"spans":[
        {{"traceId":"00000000000000000000000000000001","spanId":"0000000000000001","startTimeUnixNano":"{NOW}","endTimeUnixNano":"{NOW}"}},
        {{"traceId":"0001","spanId":"0000000000000001","name":"short","startTimeUnixNano":"{NOW}","endTimeUnixNano":"{NOW}"}}]}}]}}]}}"#
    );
    let answer = send_http1(address, post("/v1/traces", &[AS_JSON], body)).await;
    assert_eq!(answer.status, StatusCode::OK);
    let partial: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(partial["partialSuccess"]["rejectedSpans"], "1");
    let message = partial["partialSuccess"]["errorMessage"].as_str().unwrap();
    assert_eq!(message, "rejected 1 span of shop: trace_id has 2 bytes, not 16 (span \"short\")");
    let account = house.account("shop", Signal::Traces);
    assert_eq!((account.received, account.stored, account.rejected), (2, 1, 1));

    let mut span = batch("x", 1).span(0).to_span();
    span.resource = Arc::default();
    (span.start, span.end) = (UnixNanos(NOW + 10_800_000_000_000), Some(UnixNanos(NOW + 10_799_000_000_000)));
    let body = otlp::encode_traces(&SpanBatch::from_spans([&span]));
    let answer = send_http1(address, post("/v1/traces", &[AS_PROTOBUF], body)).await;
    let text = answer.text();
    assert_eq!(answer.status, StatusCode::OK);
    for part in ["without service.name", "ahead of this clock", "end before the start"] {
        assert!(text.contains(part), "{text}");
    }
    assert_eq!(house.account("unknown_service", Signal::Traces).stored, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resent_request_is_stored_once() {
    let house = house(|_| {}).await;
    for _ in 0..2 {
        let answer = send_http1(house.address(Door::OtlpHttp), post("/v1/traces", &[AS_PROTOBUF], protobuf("a", 5))).await;
        assert_eq!(answer.status, StatusCode::OK);
    }
    let account = house.account("a", Signal::Traces);
    assert_eq!((account.received, account.stored, account.duplicate), (10, 5, 5));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_sink_asks_for_a_retry() {
    let house = house(|_| {}).await;
    let address = house.address(Door::OtlpHttp);
    house.sink.full.store(true, Ordering::SeqCst);
    let answer = send_http1(address, post("/v1/traces", &[AS_JSON], json("a", 1))).await;
    assert_eq!((answer.status, answer.header("retry-after")), (StatusCode::SERVICE_UNAVAILABLE, "2"));
    assert!(answer.text().contains("\"code\":14"), "{}", answer.text());
    house.sink.full.store(false, Ordering::SeqCst);
    let answer = send_http1(address, post("/v1/traces", &[AS_JSON], json("a", 1))).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(house.account("a", Signal::Traces).received, 1);
    house.sink.workspace.close();
    let answer = send_http1(address, post("/v1/logs", &[AS_PROTOBUF], otlp::encode_logs(&[Default::default()]))).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "what could not be written is not acknowledged");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_local_and_allowed_origins_may_send() {
    let house = house(|_| {}).await;
    let address = house.address(Door::OtlpHttp);
    for origin in ["http://localhost:3000", "http://127.0.0.1:5173", "https://app.test"] {
        let preflight = Request::options("/v1/traces")
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "content-type, x-custom")
            .header("access-control-request-private-network", "true")
            .body(Full::default())
            .unwrap();
        let answer = send_http1(address, preflight).await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT);
        assert_eq!(answer.header("access-control-allow-origin"), origin);
        assert_eq!(answer.header("access-control-allow-credentials"), "true");
        assert_eq!(answer.header("access-control-allow-headers"), "content-type, x-custom");
        assert_eq!(answer.header("access-control-allow-methods"), "POST");
        assert_eq!(answer.header("access-control-allow-private-network"), "true");
        assert_eq!(answer.header("vary"), "Origin");
        let answer = send_http1(address, post("/v1/traces", &[AS_JSON, ("origin", origin)], json("a", 1))).await;
        assert_eq!((answer.status, answer.header("access-control-allow-origin")), (StatusCode::OK, origin));
        let refused = send_http1(address, post("/v1/traces", &[AS_JSON, ("origin", origin)], "x")).await;
        assert_eq!((refused.status, refused.header("access-control-allow-origin")), (StatusCode::BAD_REQUEST, origin));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_origin_is_named_and_can_be_allowed() {
    let house = house(|_| {}).await;
    let address = house.address(Door::OtlpHttp);
    for origin in ["https://evil.test", "null"] {
        let answer = send_http1(address, post("/v1/traces", &[AS_JSON, ("origin", origin)], json("a", 1))).await;
        assert_eq!((answer.status, answer.header("access-control-allow-origin")), (StatusCode::FORBIDDEN, ""));
    }
    assert_eq!(house.wrong(), ["Origin refused: null", "Origin refused: https://evil.test"]);
    assert_eq!(house.collector.wrong_callers()[1].origin.as_deref(), Some("https://evil.test"));
    house.collector.allow_origin("https://evil.test/");
    let answer = send_http1(address, post("/v1/traces", &[AS_JSON, ("origin", "https://evil.test")], json("a", 1))).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(house.wrong(), ["Origin refused: null"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_a_page_could_rebind_is_refused() {
    let house = house(|_| {}).await;
    let address = house.address(Door::OtlpHttp);
    for (host, status) in [
        ("host.docker.internal:4318", StatusCode::OK),
        ("[::1]:16686", StatusCode::OK),
        ("evil.example", StatusCode::FORBIDDEN),
        ("127.0.0.1.evil.example", StatusCode::FORBIDDEN),
    ] {
        let answer = send_http1(address, post("/v1/traces", &[AS_JSON, ("host", host)], json("a", 1))).await;
        assert_eq!(answer.status, status, "{host}");
    }
    let uri = format!("http://evil.example:{}/v1/traces", address.port());
    let answer = send_http2(address, post(&uri, &[AS_JSON], json("a", 1))).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN, ":authority counts as the host");
    assert_eq!(house.wrong()[0], format!("Host refused: evil.example:{}", address.port()));
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_paths_and_methods_are_explained_and_named() {
    let house = house(|_| {}).await;
    let address = house.address(Door::OtlpHttp);
    for (path, part) in [("/v1/traces/v1/traces", "twice"), ("/", "/v1/traces"), ("/api/v2/spans", "Zipkin")] {
        let answer = send_http1(address, post(path, &[AS_JSON], json("a", 1))).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND);
        let status: Value = serde_json::from_slice(&answer.body).unwrap();
        assert!(status["message"].as_str().unwrap().contains(part), "{status}");
        assert!(house.collector.wrong_callers()[0].fix.contains(part));
    }
    assert_eq!(house.wrong(), ["path /api/v2/spans", "path /", "path /v1/traces/v1/traces"]);
    let get = |path: &str| Request::get(path).body(Full::default()).unwrap();
    let answer = send_http1(address, get("/v1/traces")).await;
    assert_eq!((answer.status, answer.header("allow")), (StatusCode::METHOD_NOT_ALLOWED, "POST, OPTIONS"));
    assert!(send_http1(address, get("/")).await.text().contains("collects OTLP"));
}

#[tokio::test(flavor = "multi_thread")]
async fn json_of_another_kind_is_named_and_not_an_error() {
    let house = house(|_| {}).await;
    let address = house.address(Door::OtlpHttp);
    let answer = send_http1(address, post("/v1/traces", &[AS_JSON], r#"{"traceEvents":[],"x":1}"#)).await;
    assert_eq!(answer.status, StatusCode::OK, "unknown fields are ignored");
    assert!(answer.text().contains("not the resourceSpans of OTLP"), "{}", answer.text());
    assert_eq!(house.wrong(), ["JSON that is not OTLP, sent as traces: traceEvents, x"]);
    let answer = send_http1(address, post("/v1/traces", &[AS_JSON], "[{\"traceId\":\"1\"}]")).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert_eq!(house.wrong()[0], "JSON that is not OTLP, sent as traces");
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_masked_before_anything_is_stored() {
    let house = house(|_| {}).await;
    let address = house.address(Door::OtlpHttp);
    send_http1(address, post("/v1/traces", &[AS_PROTOBUF], protobuf("a", 1))).await;
    let trace = house.sink.workspace.spans().trace(trace_id("a", 0), &Default::default()).unwrap().unwrap();
    let span = trace.spans.span(0);
    assert_eq!(span.attr("http.request.header.authorization"), Some(ValueRef::Str(MASKED)));
    assert_eq!(span.attr("http.request.method"), Some(ValueRef::Str("GET")));
    assert!(house.registry.expose().contains("belvedere_masked_values_total 1\n"));
    house.collector.redact(["http.request.method"]);
    send_http1(address, post("/v1/traces", &[AS_JSON], json("b", 2))).await;
    assert!(house.registry.expose().contains("belvedere_masked_values_total 3\n"));
}
