//! The findings by name and by keyboard: found, opened at the span, silenced, copied, and nothing found.

use super::super::stage::{Stage, settle, stage};
use super::*;
use crate::model::{Attributes, Resource, Span, SpanKind, Status, StatusCode, UnixNanos};
use egui_kittest::{Harness, kittest::Queryable as _};
use std::sync::Arc;

const MS: i64 = 1_000_000;

/// Two hundred requests; every fourth, of one tenant, is slow and fails when `bad`.
fn requests(bad: bool) -> Vec<Span> {
    let span = |trace: u64| {
        let slow = bad && trace.is_multiple_of(4);
        let mut attributes = Attributes::default();
        attributes.push("app.tenant", if trace.is_multiple_of(4) { "dune" } else { ["acme", "blue"][trace as usize % 2] });
        let start = trace as i64 * 1_000 * MS;
        Span {
            trace_id: TraceId::from_halves(1, trace + 1),
            span_id: SpanId::from(trace + 1),
            name: "GET /cart".into(),
            kind: SpanKind::Server,
            start: UnixNanos(start),
            end: Some(UnixNanos(start + if slow { 900 * MS } else { 100 * MS })),
            status: Status { code: if slow { StatusCode::Error } else { StatusCode::Unset }, ..Status::default() },
            attributes,
            resource: Arc::new(Resource::service("cart")),
            ..Span::default()
        }
    };
    (0..200).map(span).collect()
}

fn open(spans: &[Span], query: &str) -> Harness<'static, Stage<FindingsView>> {
    stage(spans, FindingsView::default(), Place::Findings { source: WORKSPACE, query: query.to_owned() })
}

#[test]
fn the_culprit_is_ranked_and_opens_at_its_span() {
    let mut harness = open(&requests(true), "");
    harness.get_by_label_contains("Slow for a value in cart, 50 times, saves 40 s");
    harness.key_press(Key::Enter);
    settle(&mut harness);
    let gone = harness.state().requests.iter().find_map(|request| match request {
        Request::Go(Place::Trace { id, span, .. }) => Some((*id, *span)),
        _ => None,
    });
    let (id, span) = gone.expect("a trace opens");
    let number = u64::from_be_bytes(id.0[8..].try_into().unwrap());
    assert_eq!((number - 1) % 4, 0, "a trace of the slow tenant");
    assert_eq!(span, Some(SpanId::from(number)));
}

#[test]
fn the_query_narrows_what_is_looked_at() {
    let harness = open(&requests(true), "app.tenant = acme");
    harness.get_by_label_contains("Nothing found in");
    let harness = open(&requests(true), "app.tenant =");
    assert!(harness.state().view.problem.is_some());
}

#[test]
fn healthy_traces_say_what_was_looked_at() {
    let harness = open(&requests(false), "");
    harness.get_by_label("Nothing found in 200 spans of 200 traces");
    let harness = open(&[], "");
    harness.get_by_label("No traces to look at");
}

#[test]
fn a_silenced_finding_leaves_the_list_and_can_be_brought_back() {
    let mut harness = open(&requests(true), "");
    let before = harness.state().view.listed.len();
    assert!(before > 0);
    harness.get_by_label("Silence").click();
    settle(&mut harness);
    let kept = harness.state().requests.iter().find_map(|request| match request {
        Request::KeepUndoable { key, value, said } => Some((*key, value.clone(), said.clone())),
        _ => None,
    });
    let (key, value, said) = kept.expect("it is kept with Undo");
    assert!(said.ends_with("is silenced"), "{said}");
    harness.state().engine.set_setting(key, &value).unwrap();
    settle(&mut harness);
    assert_eq!(harness.state().view.listed.len(), before - 1);
    harness.get_by_label("1 silenced").click();
    settle(&mut harness);
    assert_eq!(harness.state().view.listed.len(), before);
    // Undo puts the text before back.
    harness.state().engine.set_setting(key, "").unwrap();
    settle(&mut harness);
    assert_eq!(harness.state().view.silenced_count(), 0);
}

#[test]
fn findings_are_copied_as_markdown_with_links() {
    let mut harness = open(&requests(true), "");
    harness.key_press(Key::Y);
    settle(&mut harness);
    let copied = harness.state().copied().expect("copied").to_owned();
    assert!(copied.starts_with("### Findings in 200 traces, all time"), "{copied}");
    assert!(copied.contains("belvedere://trace/"), "{copied}");
}

#[test]
fn the_traces_of_a_finding_are_a_query_that_parses() {
    let mut harness = open(&requests(true), "");
    harness.get_by_label("Show traces").click();
    settle(&mut harness);
    let query = harness.state().requests.iter().find_map(|request| match request {
        Request::Go(Place::Traces { query, .. }) => Some(query.clone()),
        _ => None,
    });
    let query = query.expect("a list opens");
    assert!(parse(&query).is_ok(), "{query}");
    assert!(query.contains("service = \"cart\""), "{query}");
}
