//! The inspector by keyboard and by name.

use super::super::stage::{Stage, settle, stage};
use super::*;
use crate::engine::WORKSPACE;
use crate::model::{Resource, Span, SpanId, UnixNanos};
use egui::Key;
use egui_kittest::{Harness, kittest::Queryable as _};

const ID: &str = "0af7651916cd43dd8448eb211c80319c";

fn open() -> Harness<'static, Stage<HeadersView>> {
    let span = Span {
        trace_id: ID.parse().unwrap(),
        span_id: SpanId::from(0xb7ad_6b71_6920_3331),
        name: "GET /checkout".into(),
        start: UnixNanos(1_000),
        end: Some(UnixNanos(2_000)),
        resource: Arc::new(Resource::service("shop")),
        ..Span::default()
    };
    stage(&[span], HeadersView::default(), Place::Headers)
}

fn paste(harness: &mut Harness<'_, Stage<HeadersView>>, text: &str) {
    harness.state_mut().view.text = text.to_owned();
    settle(harness);
}

#[test]
fn a_stored_trace_opens_from_its_header() {
    let mut harness = open();
    paste(&mut harness, &format!("curl -H 'traceparent: 00-{ID}-b7ad6b7169203331-01' http://shop.test"));
    harness.get_by_label("GET /checkout, 1 span stored");
    harness.get_by_label("Open trace").click();
    settle(&mut harness);
    let span = Some(SpanId::from(0xb7ad_6b71_6920_3331));
    let expected = Request::Go(Place::Trace { source: WORKSPACE, id: ID.parse().unwrap(), span });
    assert!(harness.state().requests.contains(&expected), "{:?}", harness.state().requests);
}

#[test]
fn every_broken_rule_is_said_with_its_place() {
    let mut harness = open();
    paste(&mut harness, "traceparent: 00-0af7651916cd43dd8448eb211c80319C-b7ad6b7169203331-01");
    harness.get_by_label("No usable trace context");
    harness.get_by_label("1 rule is broken");
    assert!(harness.query_by_label_contains("(character 35)").is_some());
    assert!(harness.query_by_label("Open trace").is_none(), "there is nothing to open");
}

#[test]
fn sampling_is_explained_and_an_example_is_at_hand() {
    let mut harness = open();
    harness.get_by_label("Show an example").click();
    settle(&mut harness);
    assert!(harness.query_by_label_contains("stands for 100").is_some());
    assert!(harness.query_by_label_contains("That contradicts the sampled flag").is_some());
    harness.get_by_label("Clear").click();
    settle(&mut harness);
    harness.get_by_label("Paste headers at the left to see what they mean");
}

#[test]
fn text_without_headers_says_so() {
    let mut harness = open();
    paste(&mut harness, "nothing here");
    harness.get_by_label("Nothing found");
    // Typing belongs to the field.
    harness.key_press(Key::N);
    settle(&mut harness);
    assert!(harness.state().requests.is_empty());
}
