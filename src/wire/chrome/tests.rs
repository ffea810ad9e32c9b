use super::*;
use crate::model::{Span, SpanKind, UnixNanos, Value};

fn decode(text: &str) -> (Vec<Span>, Decoded) {
    let decoded = read(text.as_bytes(), &mut |_| true).unwrap_or_else(|error| panic!("{error}"));
    (decoded.batch.to_spans(), decoded)
}

fn named<'s>(spans: &'s [Span], name: &str) -> &'s Span {
    spans.iter().find(|span| span.name == name).unwrap_or_else(|| panic!("no {name}"))
}

#[test]
fn complete_events_nest_by_time_on_their_thread() {
    let (spans, decoded) = decode(
        r#"[{"ph":"X","pid":1,"tid":1,"name":"inner","ts":10,"dur":5,"args":{"n":1}},
            {"ph":"X","pid":1,"tid":1,"name":"outer","ts":10,"dur":20.5,"cat":"c"},
            {"ph":"X","pid":1,"tid":1,"name":"overlaps","ts":12,"dur":6},
            {"ph":"X","pid":1,"tid":1,"name":"past the end","ts":25,"dur":10},
            {"ph":"X","pid":1,"tid":2,"name":"elsewhere","ts":11,"dur":1},
            {"ph":"M","pid":1,"name":"process_name","args":{"name":"web"}},{"ph":"M","pid":1,"tid":2,"name":"thread_name","args":{"name":"io"}},
            {"ph":"C","pid":1,"name":"heap","ts":1,"args":{"mb":5}},{"ph":"X","pid":1,"tid":1,"name":"bad"}]"#,
    );
    assert_eq!((spans.len(), decoded.rejected), (5, 1));
    let outer = named(&spans, "outer");
    assert_eq!((outer.parent, outer.start, outer.end), (None, UnixNanos(10_000), Some(UnixNanos(30_500))));
    assert_eq!((outer.attributes.text("category"), outer.kind), (Some("c"), SpanKind::Internal));
    for (name, parent) in
        [("inner", Some(outer.span_id)), ("overlaps", Some(outer.span_id)), ("past the end", None), ("elsewhere", None)]
    {
        assert_eq!(named(&spans, name).parent, parent, "{name}");
    }
    assert_eq!(named(&spans, "inner").attributes.get("n"), Some(&Value::Int(1)));
    assert_eq!(named(&spans, "elsewhere").attributes.text("thread.name"), Some("io"));
    assert_eq!(outer.resource.service_name(), "web");
    assert!(spans.iter().all(|span| span.trace_id == outer.trace_id));
}

#[test]
fn pairs_match_last_in_first_out_whatever_their_order_in_the_file() {
    let (spans, decoded) = decode(
        r#"[{"ph":"E","pid":1,"tid":1,"ts":4,"args":{"result":"ok"}},{"ph":"B","pid":1,"tid":1,"name":"a","ts":1,"args":{"result":"?","k":1}},
            {"ph":"B","pid":1,"tid":1,"name":"b","ts":2},{"ph":"E","pid":1,"tid":1,"ts":3},
            {"ph":"B","pid":1,"tid":1,"name":"open","ts":6},{"ph":"E","pid":1,"tid":9,"ts":7}]"#,
    );
    let (a, b, open) = (named(&spans, "a"), named(&spans, "b"), named(&spans, "open"));
    assert_eq!((a.end, b.end, open.end), (Some(UnixNanos(4_000)), Some(UnixNanos(3_000)), None));
    assert_eq!((b.parent, open.parent), (Some(a.span_id), None));
    assert_eq!((a.attributes.text("result"), a.attributes.get("k")), (Some("ok"), Some(&Value::Int(1))));
    assert_eq!((decoded.rejected, decoded.problems.len()), (0, 1), "the end without a beginning is noted");
    assert_eq!(decoded.problems[0].place.line, Some(3));
}

#[test]
fn async_pairs_match_by_category_id_and_scope() {
    let (spans, _) = decode(
        r#"[{"ph":"b","cat":"net","id":"0x1","name":"request","pid":1,"tid":1,"ts":1},{"ph":"b","cat":"net","id":"0x1","name":"dns","pid":1,"tid":1,"ts":2},
            {"ph":"n","cat":"net","id":"0x1","name":"hit","pid":1,"tid":1,"ts":3},{"ph":"e","cat":"net","id":"0x1","name":"dns","pid":1,"tid":1,"ts":4},
            {"ph":"b","cat":"disk","id":"0x1","name":"read","pid":1,"tid":1,"ts":2},{"ph":"e","cat":"net","id":"0x1","name":"request","pid":1,"tid":1,"ts":9},
            {"ph":"b","cat":"net","id2":{"local":"7"},"name":"mine","pid":1,"tid":1,"ts":1},{"ph":"e","cat":"net","id2":{"local":"7"},"name":"mine","pid":2,"tid":1,"ts":5}]"#,
    );
    let request = named(&spans, "request");
    assert_eq!((named(&spans, "dns").parent, named(&spans, "dns").events[0].name.as_str()), (Some(request.span_id), "hit"));
    assert_eq!((request.end, named(&spans, "read").end, named(&spans, "mine").end), (Some(UnixNanos(9_000)), None, None));
}

#[test]
fn legacy_async_instants_and_flows_find_their_spans() {
    let (spans, _) = decode(
        r#"[{"ph":"S","cat":"x","id":1,"name":"load","pid":1,"tid":1,"ts":1},{"ph":"T","cat":"x","id":1,"name":"load","pid":1,"tid":1,"ts":2,"args":{"step":"parse"}},
            {"ph":"F","cat":"x","id":1,"name":"load","pid":1,"tid":1,"ts":3},
            {"ph":"X","name":"post","pid":1,"tid":1,"ts":10,"dur":5},{"ph":"s","cat":"f","id":5,"name":"task","pid":1,"tid":1,"ts":12},
            {"ph":"X","name":"run","pid":1,"tid":2,"ts":20,"dur":5},{"ph":"f","cat":"f","id":5,"name":"task","pid":1,"tid":2,"ts":19},
            {"ph":"I","name":"click","pid":1,"tid":2,"ts":21,"s":"t"},{"ph":"i","name":"late","pid":1,"tid":2,"ts":40},
            {"ph":"X","name":"out","pid":1,"tid":3,"ts":1,"dur":1,"bind_id":"0x9","flow_out":true},{"ph":"X","name":"in","pid":1,"tid":4,"ts":3,"dur":1,"bind_id":"0x9","flow_in":true}]"#,
    );
    assert_eq!((named(&spans, "load").end, named(&spans, "load").events.len()), (Some(UnixNanos(3_000)), 1));
    let (post, run) = (named(&spans, "post"), named(&spans, "run"));
    assert_eq!(run.links.iter().map(|link| link.span_id).collect::<Vec<_>>(), [post.span_id]);
    assert_eq!(run.events.iter().map(|event| event.name.as_str()).collect::<Vec<_>>(), ["click", "late"]);
    assert_eq!(named(&spans, "in").links[0].span_id, named(&spans, "out").span_id);
}

#[test]
fn a_list_that_was_never_closed_opens_and_one_cut_in_an_event_does_not() {
    let event = r#"{"ph":"X","pid":1,"tid":1,"name":"a","ts":1,"dur":1}"#;
    for text in [format!("[{event}"), format!("[{event},\n"), format!("[{event},]"), format!("{{\"traceEvents\":[{event},")] {
        assert_eq!(decode(&text).0.len(), 1, "{text}");
    }
    let error = read(format!("[{event},\n{{\"ph\":\"X").as_bytes(), &mut |_| true).unwrap_err();
    assert_eq!(error.place().and_then(|place| place.line), Some(2), "{error}");
    assert_eq!(decode(r#"{"traceEvents":[],"displayTimeUnit":"ms"}"#).0.len(), 0);
}
