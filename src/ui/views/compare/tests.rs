//! Two sides beside each other: chosen, resolved, read, copied, opened.

use super::super::stage::{Stage, settle, stage};
use super::*;
use crate::model::{Attributes, Resource, Span, SpanId, Status, StatusCode, UnixNanos};
use egui_kittest::{Harness, kittest::Queryable as _};

const MS: i64 = 1_000_000;

/// Requests 1 to 60; every third is of the new version, slower, with many queries and an error.
fn requests() -> Vec<Span> {
    (1..=60).flat_map(request).collect()
}

fn request(trace: u64) -> Vec<Span> {
    let new = trace.is_multiple_of(3);
    let mut attributes = Attributes::default();
    attributes.push("app.version", if new { "2.14" } else { "2.13" });
    let mut resource = Resource::service("shop");
    let start = 1_000_000 * MS + trace as i64 * 10_000 * MS;
    // The service was started again half way.
    resource.attributes.push("service.instance.id", if trace < 30 { "one" } else { "two" });
    let root = Span {
        trace_id: TraceId::from_halves(1, trace),
        span_id: SpanId::from(trace * 100),
        name: "POST /checkout".into(),
        start: UnixNanos(start),
        end: Some(UnixNanos(start + if new { 700 } else { 100 } * MS)),
        status: Status { code: if new { StatusCode::Error } else { StatusCode::Unset }, ..Status::default() },
        attributes,
        resource: Arc::new(resource),
        ..Span::default()
    };
    let call = |at: u64| Span {
        span_id: SpanId::from(trace * 100 + 1 + at),
        parent: Some(root.span_id),
        name: "SELECT stock".into(),
        start: UnixNanos(start + at as i64 * 20 * MS),
        end: Some(UnixNanos(start + (at as i64 * 20 + 20) * MS)),
        status: Status::default(),
        resource: Arc::new(Resource::service("db")),
        ..root.clone()
    };
    (0..if new { 24 } else { 1 }).map(call).chain([root.clone()]).collect()
}

fn open(by: CompareBy, a: &str, b: &str) -> Harness<'static, Stage<CompareView>> {
    let place = Place::Compare { source: WORKSPACE, by, a: a.to_owned(), b: b.to_owned() };
    stage(&requests(), CompareView::default(), place)
}

fn id(trace: u64) -> String {
    TraceId::from_halves(1, trace).to_string()
}

#[test]
fn a_trace_stands_beside_the_one_before_of_its_operation() {
    let harness = open(CompareBy::Traces, "", &id(3));
    let shown = harness.state().view.shown().unwrap();
    assert_eq!(shown.names, [id(2), id(3)]);
    harness.get_by_label("+600 ms, \u{d7}7 as long");
    harness.get_by_label("1 trace on a side: may be chance");
    harness.get_by_label_contains("SELECT stock, db, A 20 ms, B 480 ms");
    harness.get_by_label("app.version was 2.13, is 2.14 in SELECT stock");
}

#[test]
fn a_path_opens_its_example_by_enter_and_the_sides_swap() {
    let mut harness = open(CompareBy::Traces, &id(1), &id(3));
    harness.key_press(Key::ArrowDown);
    settle(&mut harness);
    harness.key_press(Key::Enter);
    settle(&mut harness);
    let expected = Request::Go(Place::trace(WORKSPACE, TraceId::from_halves(1, 3)));
    assert!(harness.state().requests.contains(&expected), "{:?}", harness.state().requests);
    harness.get_by_label("Swap sides").click();
    settle(&mut harness);
    assert_eq!(harness.state().view.shown().unwrap().names, [id(3), id(1)]);
    harness.get_by_label("\u{2212}600 ms, \u{d7}7 faster");
}

#[test]
fn two_selections_name_the_attribute_that_a_click_filters_by() {
    let mut harness = open(CompareBy::Selections, "app.version = \"2.13\"", "app.version = \"2.14\"");
    assert!(harness.query_by_label_contains("may be chance").is_none(), "twenty on each side are enough");
    harness.get_by_label_contains("Filter to app.version = 2.14").click();
    settle(&mut harness);
    let query = harness.state().requests.iter().find_map(|request| match request {
        Request::Go(Place::Traces { query, .. }) => Some(query.clone()),
        _ => None,
    });
    assert_eq!(query.as_deref(), Some("app.version = 2.14"));
}

#[test]
fn the_latest_run_stands_beside_the_one_before_it() {
    let harness = open(CompareBy::Runs, "", "");
    let names = &harness.state().view.shown().expect("two runs").names;
    assert!(names[0].starts_with("shop\u{1f}one") && names[1].starts_with("shop\u{1f}two"), "{names:?}");
}

#[test]
fn what_cannot_be_compared_says_why() {
    let harness = open(CompareBy::Traces, "", "");
    assert!(harness.query_by_label_contains("Choose two traces").is_some());
    let harness = open(CompareBy::Traces, "nonsense", &id(1));
    assert!(harness.query_by_label_contains("a trace id of 32 hex digits").is_some());
    let harness = open(CompareBy::Traces, &id(99), &id(1));
    assert!(harness.query_by_label_contains("Nothing is stored that side A").is_some());
    let harness = open(CompareBy::Selections, "name =", "");
    assert!(harness.query_by_label("The two could not be compared").is_some());
}

#[test]
fn a_comparison_is_copied_as_markdown() {
    let mut harness = open(CompareBy::Traces, &id(1), &id(3));
    harness.key_press(Key::Y);
    settle(&mut harness);
    let copied = harness.state().copied().expect("copied").to_owned();
    assert!(copied.contains("| took | 100 ms | 700 ms |"), "{copied}");
    assert!(copied.contains("shop: POST /checkout > db: SELECT stock"), "{copied}");
}
