use super::*;
use crate::model::{Span, UnixNanos, Value};

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn spans(text: &str) -> Vec<Span> {
    decode_json(text.as_bytes()).unwrap_or_else(|error| panic!("{error}")).batch.to_spans()
}

#[test]
fn an_error_tag_without_a_value_is_an_error() {
    let span = spans(r#"[{"traceId":"1","id":"2","kind":"SERVER","localEndpoint":{"serviceName":"a"},"tags":{"error":""}}]"#)
        .remove(0);
    assert_eq!((span.status.code, span.status.message.as_str()), (StatusCode::Error, ""));
    assert_eq!((span.kind, span.resource.service_name()), (SpanKind::Server, "a"));
    assert_eq!(span.attributes.get(ABSENT_START), Some(&Value::Bool(true)));
}

#[test]
fn protobuf_reads_as_json_does() {
    let body = hex("0a2b0a0800000000000000011a08000000000000000220022a01623140420f0000000000380542030a01616801");
    let span = decode_proto(&body).unwrap().batch.to_spans().remove(0);
    assert_eq!((span.trace_id, span.span_id), (TraceId::from_halves(0, 1), SpanId::from(2)));
    assert_eq!((span.kind, span.name.as_str(), span.resource.service_name()), (SpanKind::Server, "b", "a"));
    assert_eq!((span.start, span.end), (UnixNanos(1_000_000_000), Some(UnixNanos(1_000_005_000))));
    assert_eq!(span.attributes.get(SHARED), Some(&Value::Bool(true)));
    assert!(decode_proto(&body[..20]).is_err());
    assert_eq!(decode_proto(&[]).unwrap().batch.len(), 0);
}

#[test]
fn version_one_core_annotations_tell_kind_and_times() {
    let text = r#"[{"traceId":"1","id":"2","annotations":[{"timestamp":10,"value":"sr","endpoint":{"serviceName":"a"}},{"timestamp":15,"value":"ss","endpoint":{"serviceName":"a"}}]}]"#;
    let span = decode_v1_json(text.as_bytes()).unwrap().batch.to_spans().remove(0);
    assert_eq!((span.kind, span.start, span.end), (SpanKind::Server, UnixNanos(10_000), Some(UnixNanos(15_000))));
    assert_eq!(span.attributes.get(SHARED), Some(&Value::Bool(true)));
    assert_eq!(span.span_id, SpanId::from(2), "a lone half keeps its id");
}

#[test]
fn a_version_one_span_of_both_sides_becomes_two() {
    let text = r#"[{"traceId":"1","id":"2","name":"get","timestamp":10,"duration":20,
        "annotations":[{"timestamp":10,"value":"cs","endpoint":{"serviceName":"a"}},
            {"timestamp":14,"value":"sr","endpoint":{"serviceName":"b","ipv4":"1.2.3.4","port":80}},
            {"timestamp":15,"value":"cache miss","endpoint":{"serviceName":"b","ipv4":"1.2.3.4","port":80}},
            {"timestamp":20,"value":"ss","endpoint":{"serviceName":"b","ipv4":"1.2.3.4","port":80}},
            {"timestamp":30,"value":"cr","endpoint":{"serviceName":"a"}}],
        "binaryAnnotations":[{"key":"http.path","value":"/x","endpoint":{"serviceName":"a"}},
            {"key":"sa","value":true,"endpoint":{"serviceName":"bee"}},
            {"key":"rows","value":7,"type":"I64","endpoint":{"serviceName":"b","ipv4":"1.2.3.4","port":80}}]}]"#;
    let spans = decode_v1_json(text.as_bytes()).unwrap().batch.to_spans();
    let [client, server] = spans.as_slice() else { panic!("{spans:?}") };
    assert_eq!(
        (client.kind, client.span_id, client.start, client.end),
        (SpanKind::Client, 2.into(), UnixNanos(10_000), Some(UnixNanos(30_000)))
    );
    assert_eq!((client.attributes.text("http.path"), client.attributes.text("peer.service")), (Some("/x"), Some("bee")));
    assert_eq!((server.kind, server.parent), (SpanKind::Server, Some(client.span_id)));
    assert_eq!((server.start, server.end), (UnixNanos(14_000), Some(UnixNanos(20_000))));
    assert_eq!((server.attributes.text("rows"), server.events[0].name.as_str()), (Some("7"), "cache miss"));
    assert_eq!(server.attributes.text("network.local.address"), Some("1.2.3.4"));
    assert_ne!(server.span_id, client.span_id);
}

#[test]
fn a_local_version_one_span_belongs_to_its_local_component() {
    let text = r#"[{"traceId":"1","id":"2","timestamp":10,"duration":20,"binaryAnnotations":[{"key":"lc","value":"work","endpoint":{"serviceName":"a"}}]}]"#;
    let span = decode_v1_json(text.as_bytes()).unwrap().batch.to_spans().remove(0);
    assert_eq!((span.kind, span.resource.service_name()), (SpanKind::Internal, "a"));
    assert!(span.attributes.is_empty());
}

#[test]
fn halves_are_parted_and_children_join_their_side() {
    let at = |id: &str, parent: &str, kind: &str, service: &str, more: &str| {
        format!(
            r#"{{"traceId":"1","id":"{id}","parentId":"{parent}","kind":"{kind}","timestamp":5,"duration":2,"localEndpoint":{{"serviceName":"{service}"}}{more}}}"#
        )
    };
    let text = [
        at("2", "1", "SERVER", "b", r#","shared":true"#),
        at("2", "1", "CLIENT", "a", ""),
        at("3", "2", "CLIENT", "b", ""),
        at("4", "2", "CLIENT", "a", ""),
        at("5", "2", "CLIENT", "c", ""),
        r#"{"traceId":"1","id":"2","parentId":"1","localEndpoint":{"serviceName":"b"}}"#.to_owned(),
    ];
    let text = format!("[{}]", text.join(","));
    let all = spans(&text);
    let [server, client, in_b, in_a, in_c, late] = all.as_slice() else { panic!() };
    assert_eq!((client.span_id, client.parent), (2.into(), Some(1.into())));
    assert_eq!(server.parent, Some(client.span_id));
    assert_eq!(in_b.parent, Some(server.span_id));
    assert_eq!(in_a.parent, Some(client.span_id));
    assert_eq!(in_c.parent, Some(server.span_id), "without a side of its own: the server's");
    assert_eq!((late.parent, late.start, late.end), (Some(client.span_id), client.start, None));
    let ids: std::collections::HashSet<_> = all.iter().map(|span| span.span_id).collect();
    assert_eq!(ids.len(), 6);
    assert_eq!(spans(&text), all, "derived ids are the same every time");
}

#[test]
fn everything_else_of_a_record_has_its_place() {
    let span = spans(r#"[{"traceId":"463ac35c9f6413ad48485a3953bb6124","id":"a","parentId":"a","name":"get","timestamp":1.5,"duration":0,
        "localEndpoint":{"serviceName":"a","ipv4":"10.0.0.1","port":8080},"remoteEndpoint":{"serviceName":"db","ipv6":"::1"},
        "annotations":[{"timestamp":2,"value":"flush"},{"timestamp":3,"value":"\"ev\": {\"n\":1}"},{"timestamp":4,"value":"ev|{\"n\":\"|\"}|2"}],
        "tags":{"n":7,"otel.status_code":"OK","otel.library.name":"old","otel.scope.name":"lib","w3c.tracestate":"a=b",
            "otlp.link.0":"1|2|x=y|{\"k\":1.5}|3","otel.dropped_events_count":"4"},"unknown":[{}],"debug":null}]"#)
    .remove(0);
    assert_eq!((span.kind, span.parent, span.start, span.end), (SpanKind::Internal, None, UnixNanos(1_500), None));
    let text = |key: &str| span.attributes.text(key);
    assert_eq!(
        (text("peer.service"), text("network.peer.address"), text("network.local.address")),
        (Some("db"), Some("::1"), Some("10.0.0.1"))
    );
    assert_eq!((span.attributes.get("network.local.port"), text("n")), (Some(&Value::Int(8080)), Some("7")));
    assert_eq!((span.scope.name.as_str(), span.trace_state.as_str(), span.status.code), ("lib", "a=b", StatusCode::Ok));
    let events: Vec<_> =
        span.events.iter().map(|event| (event.name.as_str(), event.attributes.len(), event.dropped_attributes)).collect();
    assert_eq!(events, [("flush", 0, 0), ("ev", 1, 0), ("ev", 1, 2)]);
    let link = &span.links[0];
    assert_eq!((link.trace_id, link.span_id, link.trace_state.as_str()), (TraceId::from_halves(0, 1), 2.into(), "x=y"));
    assert_eq!((link.attributes.get("k"), link.dropped_attributes, span.dropped_events), (Some(&Value::Double(1.5)), 3, 4));
}

#[test]
fn the_door_refuses_what_zipkin_refuses() {
    let refused = [
        (r#"[{"traceId":"0","id":"2"}]"#, "traceId is all zeros"),
        (r#"[{"traceId":"1","id":"0"}]"#, "id is all zeros"),
        (r#"[{"traceId":"1","id":"A"}]"#, "id must be lower-case hexadecimal"),
        (r#"[{"traceId":"1","id":"11112222333344445"}]"#, "id must have 1 to 16 hexadecimal digits, found 17"),
        (r#"[{"id":"2"}]"#, "traceId is missing"),
        (r#"[{"traceId":"1","id":"2","kind":"BOSS"}]"#, "kind \"BOSS\" is none of CLIENT, SERVER, PRODUCER and CONSUMER"),
        (r#"[{"traceId":"1","id":"2","tags":{"a":null}}]"#, "the tag \"a\" is null"),
    ];
    for (text, reason) in refused {
        match decode_json(text.as_bytes()) {
            Err(OpenError::Broken { reason: given, place, .. }) => assert_eq!((given.as_str(), place.line), (reason, Some(1))),
            other => panic!("{text}: {other:?}"),
        }
    }
    assert!(spans("[]").is_empty());
    let file = br#"[{"traceId":"1","id":"0"},{"traceId":"1","id":"A"}]"#;
    let decoded = read_v2(file, false, &mut |_| true).unwrap();
    assert_eq!((decoded.batch.len(), decoded.rejected), (1, 1), "a file keeps its good records");
}
