use super::*;
use crate::model::{Span, UnixNanos};

fn spans(text: &str) -> Vec<Span> {
    let decoded = read(text.as_bytes(), &mut |_| true).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(decoded.rejected, 0, "{:?}", decoded.problems);
    decoded.batch.to_spans()
}

/// One span with these members besides the needed ones.
fn one(members: &str) -> Span {
    let text = format!(
        r#"{{"data":[{{"traceID":"1","spans":[{{"spanID":"2","operationName":"b","startTime":10,"duration":5,"processID":"p1"{members}}}],
        "processes":{{"p1":{{"serviceName":"a","tags":[{{"key":"host.name","type":"string","value":"h"}}]}}}}}}]}}"#
    );
    spans(&text).remove(0)
}

#[test]
fn the_example_of_the_query_api_reads_field_by_field() {
    let text = r#"{"data":[{"traceID":"0000000000000001","spans":[{"traceID":"0000000000000001","spanID":"0000000000000002","operationName":"b","references":[],"startTime":10,"duration":5,"tags":[{"key":"error","type":"bool","value":true}],"logs":[],"processID":"p1","warnings":null}],"processes":{"p1":{"serviceName":"a","tags":[]}},"warnings":null}],"total":0,"limit":0,"offset":0,"errors":null}"#;
    let span = spans(text).remove(0);
    assert_eq!((span.trace_id, span.span_id, span.parent), (TraceId::from_halves(0, 1), SpanId::from(2), None));
    assert_eq!((span.name.as_str(), span.resource.service_name()), ("b", "a"));
    assert_eq!((span.start, span.end), (UnixNanos(10_000), Some(UnixNanos(15_000))));
    assert_eq!(span.status.code, StatusCode::Error);
    assert!(span.attributes.is_empty(), "the error tag has become the status");
}

#[test]
fn tags_become_fields_where_the_model_has_them() {
    let span = one(r#","flags":1,"tags":[
        {"key":"span.kind","type":"string","value":"client"},
        {"key":"otel.status_code","type":"string","value":"ERROR"},
        {"key":"otel.status_description","type":"string","value":"gone"},
        {"key":"otel.scope.name","type":"string","value":"lib"},
        {"key":"otel.library.version","type":"string","value":"2"},
        {"key":"w3c.tracestate","type":"string","value":"ot=th:8"},
        {"key":"big","type":"int64","value":"9007199254740993"},
        {"key":"whole","type":"float64","value":1},
        {"key":"raw","type":"binary","value":"AQI="},
        {"key":"flag","type":"bool","value":"true"},
        {"key":"odd","type":"int64","value":"x"}],
        "logs":[{"timestamp":12,"fields":[{"key":"event","type":"string","value":"retry"},{"key":"n","type":"int64","value":3}]}],
        "warnings":["clock skew"]"#);
    assert_eq!((span.kind, span.status.code, span.status.message.as_str()), (SpanKind::Client, StatusCode::Error, "gone"));
    assert_eq!((span.scope.name.as_str(), span.scope.version.as_str()), ("lib", "2"));
    assert_eq!((span.trace_state.as_str(), span.flags), ("ot=th:8", 1));
    assert_eq!(span.attributes.get("big"), Some(&Value::Int(9_007_199_254_740_993)));
    assert_eq!(span.attributes.get("whole"), Some(&Value::Double(1.0)));
    assert_eq!(span.attributes.get("raw"), Some(&Value::Bytes([1_u8, 2].as_slice().into())));
    assert_eq!(span.attributes.get("flag"), Some(&Value::Bool(true)));
    assert_eq!(span.attributes.get("odd"), Some(&Value::from("x")), "a value against its type is kept as it is");
    assert_eq!(span.attributes.get(WARNINGS).map(ToString::to_string).as_deref(), Some("[\"clock skew\"]"));
    assert_eq!(span.attributes.len(), 6);
    assert_eq!(span.resource.attributes.text("host.name"), Some("h"));
    assert_eq!((span.events[0].name.as_str(), span.events[0].time), ("retry", UnixNanos(12_000)));
    assert_eq!(span.events[0].attributes.get("n"), Some(&Value::Int(3)));
}

#[test]
fn an_http_status_decides_only_where_nothing_else_does() {
    let status = |tags: &str| one(&format!(r#","tags":[{tags}]"#)).status.code;
    let http = |code: u32| format!(r#"{{"key":"http.status_code","type":"int64","value":{code}}}"#);
    let client = r#"{"key":"span.kind","value":"client"}"#;
    let ok = r#"{"key":"otel.status_code","value":"OK"}"#;
    let error = r#"{"key":"error","value":"true"}"#;
    assert_eq!(status(&http(404)), StatusCode::Unset);
    assert_eq!(status(&format!("{client},{}", http(404))), StatusCode::Error);
    assert_eq!(status(&http(500)), StatusCode::Error);
    assert_eq!(status(&format!("{ok},{}", http(500))), StatusCode::Ok);
    assert_eq!(status(&format!("{ok},{error}")), StatusCode::Error);
    assert_eq!(status(r#"{"key":"error","value":false}"#), StatusCode::Unset);
}

#[test]
fn references_give_a_parent_and_links() {
    let reference =
        |kind: &str, trace: &str, span: &str| format!(r#"{{"refType":"{kind}","traceID":"{trace}","spanID":"{span}"}}"#);
    let of = |references: &[String]| one(&format!(r#","references":[{}]"#, references.join(",")));
    let span = of(&[reference("FOLLOWS_FROM", "1", "7"), reference("CHILD_OF", "9", "8"), reference("CHILD_OF", "1", "6")]);
    assert_eq!(span.parent, Some(SpanId::from(6)), "the first CHILD_OF in the same trace");
    let links: Vec<_> = span.links.iter().map(|link| (link.trace_id, link.span_id, link.attributes.len())).collect();
    let trace = |low| TraceId::from_halves(0, low);
    assert_eq!(links, [(trace(1), 7.into(), 0), (trace(9), 8.into(), 1)]);
    assert_eq!(of(&[reference("FOLLOWS_FROM", "1", "7")]).parent, Some(SpanId::from(7)));
    assert_eq!(of(&[reference("CHILD_OF", "9", "8")]).parent, None, "a parent in another trace is a link");
    let stated = one(r#","parentSpanID":"5","references":[{"refType":"CHILD_OF","traceID":"1","spanID":"5"}]"#);
    assert_eq!((stated.parent, stated.links.len()), (Some(SpanId::from(5)), 0));
}

#[test]
fn missing_and_null_members_odd_ids_and_bare_traces_are_fine() {
    let bare = r#"{"processes":{},"traceID":"A","spans":[{"spanID":"B","startTime":0,"tags":null,"logs":null}]}"#;
    let span = spans(bare).remove(0);
    assert_eq!((span.trace_id, span.span_id), (TraceId::from_halves(0, 10), SpanId::from(11)));
    assert_eq!((span.start, span.end), (UnixNanos(0), None));
    assert_eq!(spans(&format!("[{bare},{bare}]")).len(), 2);
    assert_eq!(spans(&format!("{bare}\n{bare}")).len(), 2, "documents one after another");
}

#[test]
fn a_bad_span_is_rejected_alone_and_a_broken_file_whole() {
    let text = "{\"data\":[{\"traceID\":\"1\",\"spans\":[\n{\"spanID\":\"2\",\"startTime\":1},\n{\"startTime\":1},\n{\"spanID\":\"3\",\"startTime\":1,\"tags\":7}]}]}";
    let decoded = read(text.as_bytes(), &mut |_| true).unwrap();
    assert_eq!((decoded.batch.len(), decoded.rejected), (1, 2));
    assert_eq!(decoded.problems[0].to_string(), "the span has no spanID at line 3, column 1 (data[0].spans[1])");
    assert_eq!((decoded.problems[1].place.line, decoded.problems[1].place.path.as_str()), (Some(4), "data[0].spans[2]"));
    let error = read(&text.as_bytes()[..60], &mut |_| true).unwrap_err();
    assert_eq!(error.to_string(), "this Jaeger JSON file is broken: it breaks off in the middle at line 2, column 26");
    let error = read(&text.replace(":7}", ":7,]").into_bytes(), &mut |_| true).unwrap_err();
    assert_eq!(error.place().and_then(|place| place.line), Some(4), "{error}");
}

#[test]
fn reading_can_be_watched_and_cancelled() {
    let span = r#"{"spanID":"2","startTime":1}"#;
    let text = format!(r#"{{"traceID":"1","spans":[{}]}}"#, vec![span; 3000].join(","));
    let mut seen = Vec::new();
    read(text.as_bytes(), &mut |progress| {
        seen.push(progress.spans);
        true
    })
    .unwrap();
    assert_eq!(seen, [1023, 2047]);
    assert_eq!(read(text.as_bytes(), &mut |_| false).unwrap_err(), OpenError::Cancelled);
}
