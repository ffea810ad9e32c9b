use super::*;
use crate::model::{Span, UnixNanos};
use crate::wire::OpenError;

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn file(text: &str) -> Vec<Span> {
    let decoded = read(text.as_bytes(), &mut |_| true).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(decoded.rejected, 0, "{:?}", decoded.problems);
    decoded.batch.to_spans()
}

#[test]
fn an_empty_request_is_fine() {
    assert!(decode(Version::Maps, &hex("90"), &mut HighHalves::default()).unwrap().batch.is_empty());
}

#[test]
fn a_table_request_tells_texts_once_and_the_high_half_of_the_trace() {
    let body = hex(
        "9294a0a161a95f64642e702e746964b03131313131313131313131313131313191919c0101010102000705018102038101cb3ff800000000000000",
    );
    let mut halves = HighHalves::default();
    let span = decode(Version::Table, &body, &mut halves).unwrap().batch.to_spans().remove(0);
    assert_eq!(span.trace_id, TraceId::from_halves(0x1111_1111_1111_1111, 1));
    assert_eq!((span.span_id, span.parent, span.name.as_str()), (2.into(), None, "a"));
    assert_eq!((span.resource.service_name(), span.status.code), ("a", StatusCode::Error));
    assert_eq!((span.start, span.end), (UnixNanos(7), Some(UnixNanos(12))));
    assert_eq!(span.attributes.get("a"), Some(&Value::Double(1.5)));
    assert_eq!(span.attributes.get("_dd.p.tid"), None);
    let again = decode(Version::Maps, &hex("919182a874726163655f696401a77370616e5f696402"), &mut halves).unwrap();
    assert_eq!(again.batch.span(0).trace_id(), span.trace_id, "the door remembers the high half");
}

#[test]
fn a_map_request_may_leave_everything_but_ids_out() {
    let body = hex("919183a874726163655f696401a77370616e5f696402a56572726f7201");
    let span = decode(Version::Maps, &body, &mut HighHalves::default()).unwrap().batch.to_spans().remove(0);
    assert_eq!((span.trace_id, span.span_id, span.status.code), (TraceId::from_halves(0, 1), 2.into(), StatusCode::Error));
    let no_id = decode(Version::Maps, &hex("919181a874726163655f696401"), &mut HighHalves::default()).unwrap();
    assert_eq!((no_id.batch.len(), no_id.rejected), (0, 1));
    for cut in 0..body.len() {
        let result = decode(Version::Maps, &body[..cut], &mut HighHalves::default());
        assert!(matches!(result, Err(OpenError::Broken { .. })), "cut at {cut}");
    }
}

#[test]
fn a_chunked_request_says_the_environment_once() {
    // {env: "dev", chunks: [{origin: "rum", spans: [{trace_id: 1, span_id: 2, service: "a"}]}]}
    let body = hex(
        "82a3656e76a3646576a66368756e6b739182a66f726967696ea372756da57370616e739183a874726163655f696401a77370616e5f696402a773657276696365a161",
    );
    let span = decode(Version::Chunks, &body, &mut HighHalves::default()).unwrap().batch.to_spans().remove(0);
    assert_eq!(span.resource.attributes.text("deployment.environment.name"), Some("dev"));
    assert_eq!((span.resource.service_name(), span.attributes.text("_dd.origin")), ("a", Some("rum")));
}

#[test]
fn the_agents_json_keeps_ids_beyond_what_a_float_holds() {
    let spans = file(
        r#"[[{"trace_id":18446744073709551615,"span_id":9007199254740993,"parent_id":0,"name":"web.request","resource":"GET /cart","service":"web","type":"web",
            "start":1700000000000000000,"duration":5000000,"error":1,"metrics":{"_sampling_priority_v1":1},
            "meta":{"env":"dev","version":"1.2","http.url":"/cart","error.message":"boom","error.type":"Oops","error.stack":"at x",
                "_dd.span_links":"[{\"trace_id\":\"0000000000000000000000000000000a\",\"span_id\":\"000000000000000b\",\"attributes\":{\"k\":\"v\"},\"flags\":2147483649}]",
                "events":"[{\"name\":\"retry\",\"time_unix_nano\":1700000000000000001,\"attributes\":{\"n\":2}}]"}},
          {"trace_id":18446744073709551615,"span_id":3,"parent_id":9007199254740993,"name":"http.request","service":"web","type":"http","start":1700000000000000001,"duration":1,
            "span_events":[{"name":"e","time_unix_nano":1700000000000000002,"attributes":{"a":{"type":2,"int_value":7},"l":{"type":4,"array_value":{"values":[{"type":0,"string_value":"x"}]}}}}],
            "span_links":[{"trace_id":1,"trace_id_high":2,"span_id":3,"tracestate":"a=b"}]}]]"#,
    );
    let [web, http] = spans.as_slice() else { panic!() };
    assert_eq!(
        (web.trace_id, web.span_id, web.parent),
        (TraceId::from_halves(0, u64::MAX), 9_007_199_254_740_993.into(), None)
    );
    assert_eq!(
        (web.name.as_str(), web.attributes.text("operation.name"), web.kind),
        ("GET /cart", Some("web.request"), SpanKind::Server)
    );
    assert_eq!((web.start, web.end), (UnixNanos(1_700_000_000_000_000_000), Some(UnixNanos(1_700_000_000_005_000_000))));
    assert_eq!((web.status.code, web.status.message.as_str()), (StatusCode::Error, "boom"));
    assert_eq!(web.resource.attributes.text("service.version"), Some("1.2"));
    let events: Vec<_> = web.events.iter().map(|event| event.name.as_str()).collect();
    assert_eq!(events, ["exception", "retry"]);
    assert_eq!(web.events[0].attributes.text("exception.stacktrace"), Some("at x"));
    assert_eq!((web.links[0].trace_id, web.links[0].span_id, web.links[0].flags), (TraceId::from_halves(0, 10), 11.into(), 1));
    assert_eq!((http.parent, http.kind, http.status.code), (Some(web.span_id), SpanKind::Client, StatusCode::Unset));
    assert_eq!(http.events[0].attributes.get("a"), Some(&Value::Int(7)));
    assert_eq!(http.events[0].attributes.get("l").map(ToString::to_string).as_deref(), Some("[\"x\"]"));
    assert_eq!((http.links[0].trace_id, http.links[0].trace_state.as_str()), (TraceId::from_halves(2, 1), "a=b"));
}

#[test]
fn the_trace_views_download_has_seconds_and_spans_under_their_ids() {
    let spans = file(
        r#"{"trace":{"root_id":"11","spans":{
            "11":{"trace_id":"5","span_id":"11","parent_id":"0","start":1669200840.25,"end":1669200841.5,"duration":1.25,"name":"rack.request","resource":"Cart#show","service":"shop","type":"web","error":0,"meta":{},"metrics":{},"children_ids":["12"]},
            "12":{"trace_id":"5","span_id":"12","parent_id":"11","start":1669200840.5,"duration":0.5,"name":"pg.query","resource":"SELECT","service":"pg","error":0}}},"orphaned":[]}"#,
    );
    let root = spans.iter().find(|span| span.parent.is_none()).unwrap();
    assert_eq!((root.start, root.end), (UnixNanos(1_669_200_840_250_000_000), Some(UnixNanos(1_669_200_841_500_000_000))));
    let child = spans.iter().find(|span| span.parent == Some(root.span_id)).unwrap();
    assert_eq!((child.end, child.resource.service_name()), (Some(UnixNanos(1_669_200_841_000_000_000)), "pg"));
}
