//! The cases of the reference, run through parser, checker and evaluator, and through a source with push-down.

use super::*;
use crate::model::{Attributes, Event, Resource, Span, SpanBatch, SpanId, Status, StatusCode, TraceId, UnixNanos, Value};
use crate::source::{MemorySource, QueryControl, TraceRequest};
use std::sync::Arc;

/// Root 10 s, C1 2 s error and C2 3 s ok below it, G1 below C1, G2 below C2, orphan O with OC below it.
fn trace() -> SpanBatch {
    let second = 1_000_000_000;
    let span = |id: u64, parent: u64, name: &str, seconds: f64, code: StatusCode, s: Option<&str>, resource: Option<&str>| {
        let mut attributes = Attributes::default();
        if let Some(s) = s {
            attributes.push("s", s);
        }
        if name == "C2" {
            attributes.push("arr", Value::Array(Arc::from([Value::from("a"), Value::from("b")])));
        }
        let mut sender = Resource::service("svc");
        if let Some(s) = resource {
            sender.attributes.push("s", s);
        }
        Span {
            trace_id: TraceId([5; 16]),
            span_id: SpanId::from(id),
            parent: SpanId::from(parent).non_zero(),
            name: name.into(),
            start: UnixNanos(second * id as i64),
            end: Some(UnixNanos(second * id as i64 + (seconds * 1e9) as i64)),
            attributes,
            status: Status { code, ..Status::default() },
            resource: Arc::new(sender),
            ..Span::default()
        }
    };
    use StatusCode::{Error, Ok, Unset};
    SpanBatch::from_spans(&[
        span(1, 0, "R", 10.0, Unset, Some("x"), Some("res")),
        span(2, 1, "C1", 2.0, Error, Some("y"), Some("res")),
        span(3, 1, "C2", 3.0, Ok, None, Some("res")),
        span(4, 2, "G1", 1.0, Error, None, None),
        span(5, 3, "G2", 0.5, Unset, None, None),
        span(6, 99, "O", 1.0, Unset, Some("x"), None),
        span(7, 6, "OC", 1.0, Unset, Some("x"), None),
    ])
}

fn names(batch: &SpanBatch, sets: &[Spanset]) -> String {
    let mut all: Vec<u32> = sets.iter().flat_map(|set| set.spans.iter().copied()).collect();
    all.sort_unstable();
    all.iter().map(|at| batch.span(*at as usize).name()).collect::<Vec<_>>().join(" ")
}

#[test]
fn spans_are_selected_as_tempo_selects_them() {
    let cases = [
        (r#"{.s="res"}"#, "C2"),
        (r#"{span.s!="x"}"#, "C1"),
        ("{span.s=nil}", "C2 G1 G2"),
        ("{span.s != nil}", "R C1 O OC"),
        ("{nil = span.s}", "C2 G1 G2"),
        (r#"{name=~"C"}"#, ""),
        (r#"{name=~"C."}"#, "C1 C2"),
        ("count() > 6", "R C1 C2 G1 G2 O OC"),
        ("by(.s) | count() = 1 | coalesce()", "C1 C2"),
        (r#"{name="G2"||name="R"&&status=ok}"#, ""),
        (r#"{span.arr=~"a|z"}"#, "C2"),
        (r#"{span.arr!="a"}"#, ""),
        (r#"{span.arr="b"}"#, "C2"),
        ("{duration>1500000000}", "R C1 C2"),
        ("{duration > 1.5s}", "R C1 C2"),
        (r#"{name="R"}>{}"#, "C1 C2"),
        (r#"{name="G1"}<<{}"#, "R C1"),
        (r#"{name="C1"}~{name="C1"}"#, ""),
        (r#"{name="C1"}~{}"#, "C2"),
        (r#"{name="R"}!>{name!=""}"#, "R G1 G2 O OC"),
        (r#"{name="zz"}!>{name="C1"}"#, "C1"),
        (r#"{name="R"}&>>{name="G1"}"#, "R G1"),
        ("{}&>{}", "R C1 C2 G1 G2"),
        (r#"{name="O"}>{name="OC"}"#, ""),
        (r#"{name="R"}&&{name=~"R|C1"}"#, "R C1"),
        (r#"{name="R"}&&{name="zz"}"#, ""),
        (r#"{name="R"}||{name="zz"}"#, "R"),
        ("{status=error}!<{status=error}", "G1"),
        ("{}|by(span.s)|count()>2", "R C2 G1 G2 O OC"),
        (r#"{span.s="x"}|avg(duration)=4s"#, "R O OC"),
        (r#"{span.s="x"}|avg(duration)>4s"#, ""),
        (r#"{name="zz"}|count()=0"#, ""),
        (r#"{!(.s = "x")}"#, "C1 C2 G1 G2"),
        ("{span:childCount = 2}", "R"),
        ("{trace:rootName = \"R\" && kind = unspecified}", "R C1 C2 G1 G2 O OC"),
        ("{span.n + 1 > 0}", ""),
        ("{2 ^ 3 = 8}", "R C1 C2 G1 G2 O OC"),
        (r#"{trace:id = "05050505050505050505050505050505"} | select(span.s)"#, "R C1 C2 G1 G2 O OC"),
        (r#"({status=error}) >> ({status=error} | count() > 1)"#, "G1"),
    ];
    let batch = trace();
    let source = MemorySource::new("test", &batch);
    for (text, expected) in cases {
        let query = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let sets = query.matches(&batch).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(names(&batch, &sets), expected, "{text}");
        let found = query.run(&source, &TraceRequest::default(), &QueryControl::default()).unwrap();
        assert_eq!(found.total, u64::from(!expected.is_empty()), "through the source: {text}");
        let matched = found.traces.first().map_or(0, |found| found.summary.matched);
        assert_eq!(matched as usize, expected.split_whitespace().count(), "matched: {text}");
    }
}

#[test]
fn what_must_fail_fails() {
    let cases = [
        "{.a == 1}",
        "{a = 1}",
        "{.a > nil}",
        "{} + {}",
        "!{}",
        "{}|count()",
        "{}|by(.a,.b)",
        "coalesce() | {}",
        "{}|topk(2)",
        "{}|rate()|{}",
        "{1}",
        "{name}",
        "{status > ok}",
        "{name = nil}",
        "{resource.service.name = nil}",
        "{.a =~ .b}",
        r#"{.a =~ "["}"#,
        "{} | by(1)",
        "{} | max(name) = 1",
        r#"{status = "error"}"#,
        "{} | 1 < count()",
        "{} | count() + 1 > 2",
        "{} | avg(.a) > max(.b)",
        "{ duration > 0x10 }",
        "{ duration > 1.5d }",
        "{ duration > 1h1d }",
        "{ .a = 'x' }",
        "{ parent.a = 1 }",
        "{ .a = \"x }",
        "{",
        "{}}",
    ];
    for text in cases {
        let error = parse(text).expect_err(text);
        assert!(error.at.end <= text.len() && !error.message.is_empty(), "{text}: {error:?}");
    }
}

#[test]
fn a_name_ends_only_where_the_grammar_says() {
    let mut attributes = Attributes::default();
    attributes.push("a-1", 1);
    attributes.push("a b.c", 2);
    let batch = SpanBatch::from_spans(&[Span { attributes, ..Span::default() }]);
    for text in ["{.a-1=1}", "{span.\"a b\".c = 2}", "{ .a-1 = 1 && 3 > 1 } // remark"] {
        assert_eq!(parse(text).unwrap().matches(&batch).unwrap().len(), 1, "{text}");
    }
}

#[test]
fn event_terms_under_and_hold_on_one_event() {
    let event = |name: &str, code: i64| Event {
        name: name.into(),
        attributes: [("code", code)].into_iter().collect(),
        ..Event::default()
    };
    let span = Span { events: vec![event("a", 1), event("b", 2)], ..Span::default() };
    let batch = SpanBatch::from_spans(&[span]);
    let hits = |text: &str| parse(text).unwrap().matches(&batch).unwrap().len();
    assert_eq!(hits(r#"{event:name = "a" && event.code = 1}"#), 1);
    assert_eq!(hits(r#"{event:name = "a" && event.code = 2}"#), 0);
    assert_eq!(hits(r#"{event:name = "a"} && {event.code = 2}"#), 1);
    assert_eq!(hits(r#"{event.code != 1}"#), 1);
    assert_eq!(hits(r#"{!(event.code = 1)}"#), 0);
}

#[test]
fn a_query_that_cannot_be_computed_says_why() {
    let batch = trace();
    for text in ["{ !span.b }", "{ -span.s = 1 }", "{ 1 / 0 = 1 }", "{ span.s + 1 = 2 }"] {
        let error = parse(text).unwrap().matches(&batch).expect_err(text);
        assert!(matches!(error, SearchError::Eval(_)), "{text}");
    }
    assert!(parse("{} | by(name) > {}").is_err());
    let groups = parse("({} | by(name)) > ({} | by(name))").unwrap().matches(&batch);
    assert!(matches!(groups, Err(SearchError::Eval(EvalError::Groups))));
}

#[test]
fn plain_conditions_read_as_a_person_means_them() {
    let cases = [
        ("service = svc and duration > 2500 ms", "R C2"),
        ("service=svc duration>2.5s", "R C2"),
        ("status:error", "C1 G1"),
        ("s = x", "R O OC"),
        ("s exists and not status = error", "R C2 O OC"),
        ("s missing", "G1 G2"),
        ("name =~ G.", "G1 G2"),
        ("name contains c", "C1 C2 OC"),
        ("oc", "OC"),
        ("(name = R or name = G1) and status = error", "G1"),
        ("trace = 05050505050505050505050505050505 name:O", "O"),
        ("", "R C1 C2 G1 G2 O OC"),
        ("\"res\"", "R C1 C2"),
    ];
    let batch = trace();
    let source = MemorySource::new("test", &batch);
    for (text, expected) in cases {
        let query = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(names(&batch, &query.matches(&batch).unwrap()), expected, "{text}");
        let found = query.run(&source, &TraceRequest::default(), &QueryControl::default()).unwrap();
        assert_eq!(found.traces[0].summary.matched as usize, expected.split(' ').count(), "{text}");
    }
    for text in ["= x", "service =", "status = bad", "duration > fast", "(a = 1", "kind = x", "a = \"b"] {
        assert!(parse(text).is_err(), "{text}");
    }
}

#[test]
fn mixing_and_with_or_is_remarked_on() {
    assert_eq!(parse("{.a = 1 || .b = 2 && .c = 3}").unwrap().hints.len(), 1);
    assert!(parse("{(.a = 1 || .b = 2) && .c = 3}").unwrap().hints.is_empty());
    assert_eq!(parse("{} && {} || {}").unwrap().hints.len(), 1);
}

#[test]
fn deep_nesting_is_refused_not_overflowed() {
    let deep = format!("{{{}.a{}}}", "(".repeat(10_000), ")".repeat(10_000));
    assert!(parse(&deep).is_err());
    assert!(parse(&format!("{{{}.a}}", "!".repeat(10_000))).is_err());
    assert!(parse(&format!("{}a", "(".repeat(10_000))).is_err());
    assert!(parse(&"not ".repeat(100_000)).is_err());
}

mod properties {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,60}") {
            let _ = parse(&text);
        }

        #[test]
        fn no_mix_of_tokens_panics(words in proptest::collection::vec(
            prop::sample::select(vec!["{", "}", "(", ")", "&&", "||", "!", ">", ">>", "~", "=", ".a", "span.b", "1", "1ms", "\"x\"",
                "nil", "count()", "|", "by(", "name", "-", "event.c", "and", "not"]), 0..20)) {
            let text = words.join(" ");
            if let Ok(query) = parse(&text) {
                let _ = query.matches(&trace());
            }
        }
    }
}
