use super::*;
use crate::model::{Span, SpanKind, StatusCode, UnixNanos, Value};
use crate::wire::otlp::{count_logs, count_metrics};

fn spans(json: &str) -> Vec<Span> {
    decode_traces(json.as_bytes()).unwrap().batch.to_spans()
}

fn one(span: &str) -> Span {
    let json = format!(
        r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{{"traceId":"5B8EFFF798038103D269B633813FC60C","spanId":"eee19b7ec3c1b174",{span}}}]}}]}}]}}"#
    );
    spans(&json).remove(0)
}

#[test]
fn every_rule_of_the_json_encoding_is_read() {
    let span = one(
        r#""name":"a","kind":2,"startTimeUnixNano":1544712660000000000,"endTimeUnixNano":"1544712661000000000","flags":257,
        "parentSpanId":null,"unknown":{"x":[1,{"y":"z"}]},"status":{"code":2,"message":"bad"},
        "attributes":[
          {"key":"i1","value":{"intValue":"9007199254740993"}},{"key":"i2","value":{"intValue":-7}},
          {"key":"d1","value":{"doubleValue":"NaN"}},{"key":"d2","value":{"doubleValue":"-Infinity"}},{"key":"d3","value":{"doubleValue":1}},
          {"key":"e","value":{}},{"key":"n","value":null},{"key":"b","value":{"bytesValue":"AQI="}},
          {"key":"s0","value":{"stringValue":""}},{"key":"f","value":{"boolValue":false}},
          {"key":"a","value":{"arrayValue":{"values":[{"stringValue":"x"},{"kvlistValue":{"values":[{"key":"k","value":{"intValue":1}}]}}]}}}
        ]"#,
    );
    assert_eq!(span.trace_id.to_string(), "5b8efff798038103d269b633813fc60c");
    assert_eq!((span.kind, span.status.code, span.flags, span.parent), (SpanKind::Server, StatusCode::Error, 257, None));
    assert_eq!(span.start, UnixNanos(1_544_712_660_000_000_000));
    assert_eq!(span.end, Some(UnixNanos(1_544_712_661_000_000_000)));
    let value = |key: &str| span.attributes.get(key).cloned().unwrap();
    assert_eq!(value("i1"), Value::Int(9_007_199_254_740_993));
    assert_eq!(value("i2"), Value::Int(-7));
    assert!(matches!(value("d1"), Value::Double(nan) if nan.is_nan()));
    assert_eq!(value("d2"), Value::Double(f64::NEG_INFINITY));
    assert_eq!(value("d3"), Value::Double(1.0));
    assert_eq!((value("e"), value("n")), (Value::Empty, Value::Empty));
    assert_eq!(value("b").to_string(), "0102");
    assert_eq!(value("s0"), Value::from(""));
    assert_eq!(value("f"), Value::Bool(false));
    assert_eq!(value("a").to_string(), r#"["x", {"k": 1}]"#);
}

#[test]
fn foreign_and_old_spellings_are_read() {
    let tempo = r#"{"batches":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"a"}}]},
        "instrumentationLibrarySpans":[{"instrumentationLibrary":{"name":"lib"},
        "spans":[{"traceId":"W47/95gDgQPSabYzgT/GDA==","spanId":"7uGbfsPBsXQ=","name":"x","kind":"SPAN_KIND_CLIENT","status":{"code":"STATUS_CODE_ERROR"}}]}]}]}"#;
    let span = &spans(tempo)[0];
    assert_eq!(span.trace_id.to_string(), "5b8efff798038103d269b633813fc60c");
    assert_eq!(span.span_id.to_string(), "eee19b7ec3c1b174");
    assert_eq!((span.service(), span.scope.name.as_str()), ("a", "lib"));
    assert_eq!((span.kind, span.status.code), (SpanKind::Client, StatusCode::Error));
    let snake = r#"{"resource_spans":[{"scope_spans":[{"spans":[{"trace_id":"5b8efff798038103d269b633813fc60c","span_id":"eee19b7ec3c1b174","start_time_unix_nano":"5"}]}]}]}"#;
    assert_eq!(spans(snake)[0].start, UnixNanos(5));
}

#[test]
fn errors_name_line_column_and_path() {
    let error = |json: &str| to_protobuf(Signal::Traces, json.as_bytes()).unwrap_err().to_string();
    assert_eq!(
        error("{\"resourceSpans\":[{},\n {\"scopeSpans\":[{\"spans\":[{\"kind\":true}]}]}]}"),
        "not OTLP/JSON: expected a number, at line 2, column 35 in resourceSpans[1].scopeSpans[0].spans[0].kind"
    );
    assert_eq!(error("[]"), "not OTLP/JSON: expected an object with resourceSpans, at line 1, column 1");
    assert!(error("{\"resourceSpans\":{}}").contains("expected an array"));
    assert!(error("{} x").contains("something follows"));
    assert!(error("").contains("expected an object"));
}

#[test]
fn a_text_without_a_known_name_is_told_from_an_empty_request() {
    let convert = |json: &str| to_protobuf(Signal::Traces, json.as_bytes()).unwrap();
    assert_eq!(convert("{}"), Converted::default());
    let other = convert(r#"{"traceEvents":[],"x":1}"#);
    assert!(!other.recognised);
    assert_eq!(other.unknown, ["traceEvents", "x"]);
    assert!(convert(r#"{"resourceSpans":null}"#).recognised);
}

#[test]
fn nesting_is_capped_where_protobuf_caps_it() {
    let nested = |levels: usize| {
        let (open, close) = (r#"{"arrayValue":{"values":["#.repeat(levels), "]}}".repeat(levels));
        format!(
            r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{{"traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174","attributes":[{{"key":"a","value":{open}{{"intValue":1}}{close}}}]}}]}}]}}]}}"#
        )
    };
    let deepest = spans(&nested(100)).remove(0);
    assert!(deepest.attributes.get("a").unwrap().to_string().starts_with(&"[".repeat(100)));
    assert!(decode_traces(nested(101).as_bytes()).unwrap_err().to_string().contains("deeper"));
    assert!(decode_traces(nested(100_000).as_bytes()).is_err());
}

#[test]
fn metrics_and_logs_become_protobuf_that_counts() {
    let metrics = r#"{"resourceMetrics":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"m"}}]},"scopeMetrics":[{"metrics":[
        {"name":"g","gauge":{"dataPoints":[{"asInt":"5","timeUnixNano":"1"},{"asDouble":1.5}]}},
        {"name":"h","histogram":{"aggregationTemporality":2,"dataPoints":[{"count":"3","sum":"NaN","bucketCounts":["1",2,"0"],"explicitBounds":[1,2.5]}]}},
        {"name":"e","exponentialHistogram":{"dataPoints":[{"scale":-3,"positive":{"offset":-1,"bucketCounts":["1","300"]}}]}},
        {"name":"s","summary":{"dataPoints":[{"quantileValues":[{"quantile":0.5,"value":2}]}]}}]}]}]}"#;
    let payload = to_protobuf(Signal::Metrics, metrics.as_bytes()).unwrap().payload;
    assert_eq!(count_metrics(&payload).unwrap().per_service, [("m".into(), 5)]);

    let logs = r#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"timeUnixNano":"7","severityNumber":"SEVERITY_NUMBER_WARN",
        "severityText":"warn","body":{"stringValue":"hello"},"traceId":"5b8efff798038103d269b633813fc60c","spanId":"","eventName":"e"},{"body":{}}]}]}]}"#;
    let payload = to_protobuf(Signal::Logs, logs.as_bytes()).unwrap().payload;
    assert_eq!(count_logs(&payload).unwrap().per_service, [("unknown_service".into(), 2)]);
    let records = decode_logs(logs.as_bytes(), Options::default()).unwrap();
    assert_eq!((records[0].severity, records[0].body.clone(), records[0].span_id), (13, Value::from("hello"), None));
    assert_eq!(records[0].observed, UnixNanos(7));
    assert_eq!(records[1].body, Value::Empty);
}

#[test]
fn what_is_encoded_is_read_back_equal() {
    let span = one(
        r#""name":"quote \" and \u0001 é","startTimeUnixNano":"3","endTimeUnixNano":"9","traceState":"a=b","attributes":[
        {"key":"d","value":{"doubleValue":0.1}},{"key":"i","value":{"doubleValue":"Infinity"}},{"key":"b","value":{"bytesValue":"/w=="}},
        {"key":"l","value":{"arrayValue":{"values":[{},{"boolValue":true}]}}},{"key":"m","value":{"kvlistValue":{"values":[{"key":"k","value":{"doubleValue":-2}}]}}}],
        "events":[{"timeUnixNano":"4","name":"e","attributes":[{"key":"x","value":{"intValue":"1"}}],"droppedAttributesCount":2}],
        "links":[{"traceId":"00000000000000000000000000000001","spanId":"0000000000000002","traceState":"c=d","flags":256}],
        "droppedAttributesCount":1,"droppedEventsCount":2,"droppedLinksCount":3,"status":{"code":1}"#,
    );
    let batch = crate::model::SpanBatch::from_spans([&span]);
    let text = encode_traces(&batch);
    assert_eq!(spans(&text), [span]);
    serde_json::from_str::<serde_json::Value>(&text).unwrap();
}

#[test]
fn the_example_of_the_protocol_and_a_capture_of_a_real_shop_are_read() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/traces");
    if !folder.exists() {
        assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "shared data is missing");
        println!("skipped: {} is missing", folder.display());
        return;
    }
    let example = std::fs::read(folder.join("otlp-json-proto-repo-example.json")).unwrap();
    let decoded = decode_traces(&example).unwrap();
    assert_eq!((decoded.batch.len(), decoded.rejected_count()), (1, 0));
    let lines = std::fs::read_to_string(folder.join("otlp-jsonl-otel-demo-mixed-signals.jsonl")).unwrap();
    let (mut count, mut errors, mut events, mut links, mut logs, mut points) = (0, 0, 0, 0, 0, 0);
    for line in lines.lines() {
        let batch = decode_traces(line.as_bytes()).unwrap().batch;
        count += batch.len();
        errors += batch.iter().filter(|span| span.is_error()).count();
        events += batch.events.len();
        links += batch.links.len();
        logs += decode_logs(line.as_bytes(), Options::default()).unwrap().len();
        points += count_metrics(&to_protobuf(Signal::Metrics, line.as_bytes()).unwrap().payload).unwrap().total();
    }
    assert_eq!((count, errors, events, links, logs), (547, 107, 139, 53, 23));
    assert!(points > 18);
}

#[test]
fn damage_anywhere_is_an_error_or_a_reading_but_never_a_panic() {
    let text = br#"{"resourceSpans":[{"resource":{"attributes":[{"key":"a\u00e9","value":{"kvlistValue":{"values":[{"key":"k","value":{"bytesValue":"AQ=="}}]}}}]},
        "scopeSpans":[{"spans":[{"traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174","kind":-1,"startTimeUnixNano":1e18}]}]}]}"#;
    for cut in 0..text.len() {
        assert!(decode_traces(&text[..cut]).is_err(), "cut at {cut}");
    }
    for at in 0..text.len() {
        for byte in [0_u8, b'"', b'\\', b'{', b']', b',', b'9', 0xff] {
            let mut damaged = text.to_vec();
            damaged[at] = byte;
            decode_traces(&damaged).ok();
            to_protobuf(Signal::Logs, &damaged).ok();
        }
    }
}
