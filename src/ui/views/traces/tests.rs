//! The list by keyboard and by name.

use super::super::stage::{Stage, settle, stage};
use super::*;
use crate::engine::WORKSPACE;
use crate::model::{Resource, Span, Status, StatusCode, UnixNanos};
use egui::Role;
use egui_kittest::{Harness, kittest::NodeT as _, kittest::Queryable as _};
use std::sync::Arc;

fn trace(number: u8, name: &str, length_ms: i64, error: bool) -> Span {
    let start = UnixNanos(1_761_142_297_204_000_000 + i64::from(number) * 1_000_000_000);
    Span {
        trace_id: TraceId([number; 16]),
        span_id: u64::from(number).into(),
        name: name.into(),
        start,
        end: Some(UnixNanos(start.0 + length_ms * 1_000_000)),
        resource: Arc::new(Resource::service("web")),
        status: Status { code: if error { StatusCode::Error } else { StatusCode::Unset }, ..Status::default() },
        ..Span::default()
    }
}

fn list(query: &str) -> Harness<'static, Stage<TracesView>> {
    let spans = [
        trace(1, "GET /a", 30, false),
        trace(2, "GET /b", 500, true),
        trace(3, "GET /healthz", 1, false),
        trace(4, "GET /a", 40, false),
    ];
    let place = Place::Traces { source: WORKSPACE, query: query.to_owned() };
    stage(&spans, TracesView::new(ListShared::default()), place)
}

fn rows(harness: &Harness<'_, Stage<TracesView>>) -> Vec<String> {
    harness.query_all_by_role(Role::Row).filter_map(|row| row.accesskit_node().label()).collect()
}

fn press(harness: &mut Harness<'_, Stage<TracesView>>, key: Key) {
    harness.key_press(key);
    settle(harness);
}

#[test]
fn the_newest_stands_first_and_a_click_on_a_header_sorts() {
    let mut harness = list("");
    harness.get_by_label("4 traces");
    assert_eq!(rows(&harness)[0], "web GET /a, 40 ms, 1 spans, 0 errors");
    harness.get_by_label("Sort by Duration").click();
    settle(&mut harness);
    assert_eq!(rows(&harness)[0], "web GET /b, 500 ms, 1 spans, 1 errors");
    harness.get_by_label("slowest first");
}

#[test]
fn j_k_enter_space_and_x_walk_open_preview_and_pick() {
    let mut harness = list("");
    press(&mut harness, Key::J);
    press(&mut harness, Key::J);
    press(&mut harness, Key::K);
    press(&mut harness, Key::J);
    press(&mut harness, Key::Space);
    harness.get_by_label("Close preview");
    press(&mut harness, Key::X);
    harness.get_by_label("1 picked");
    press(&mut harness, Key::Enter);
    let expected = Request::Go(Place::trace(WORKSPACE, TraceId([3; 16])));
    assert!(harness.state().requests.contains(&expected), "{:?}", harness.state().requests);
}

#[test]
fn a_query_is_typed_completed_and_run() {
    let mut harness = list("");
    press(&mut harness, Key::Slash);
    let field = harness.get_by_role_and_label(Role::SearchInput, "Query");
    assert!(field.is_focused());
    field.type_text("name");
    settle(&mut harness);
    harness.get_by_role_and_label(Role::ListBoxOption, "name");
    press(&mut harness, Key::Tab);
    let field = harness.get_by_role_and_label(Role::SearchInput, "Query");
    field.type_text("= \"GET /a\"");
    settle(&mut harness);
    press(&mut harness, Key::Enter);
    assert_eq!(rows(&harness).len(), 2);
    let adjusted = Request::Adjust(Place::Traces { source: WORKSPACE, query: "name = \"GET /a\"".to_owned() });
    assert!(harness.state().requests.contains(&adjusted), "{:?}", harness.state().requests);
}

#[test]
fn a_wrong_query_names_the_place_and_keeps_the_rows() {
    let mut harness = list("");
    press(&mut harness, Key::Slash);
    harness.get_by_role_and_label(Role::SearchInput, "Query").type_text("duration > (");
    settle(&mut harness);
    press(&mut harness, Key::Escape);
    press(&mut harness, Key::Enter);
    assert!(harness.state().view.problem.is_some());
    assert_eq!(rows(&harness).len(), 4);
}

#[test]
fn hide_like_this_takes_them_out_and_undo_brings_them_back() {
    let mut harness = list("");
    press(&mut harness, Key::J);
    press(&mut harness, Key::J);
    press(&mut harness, Key::H);
    assert_eq!(rows(&harness).len(), 3);
    harness.get_by_label("GET /healthz of web hidden");
    harness.get_by_label("Undo").click();
    settle(&mut harness);
    assert_eq!(rows(&harness).len(), 4);
}

#[test]
fn nothing_that_matches_is_said_with_a_way_out() {
    let mut harness = list("name = nothing");
    harness.get_by_label("No traces match");
    harness.get_by_label("Clear filter").click();
    settle(&mut harness);
    assert_eq!(rows(&harness).len(), 4);
}

#[test]
fn picked_rows_are_copied_as_tab_separated_values() {
    let mut harness = list("");
    press(&mut harness, Key::J);
    press(&mut harness, Key::X);
    press(&mut harness, Key::J);
    press(&mut harness, Key::X);
    harness.get_by_label("Copy rows").click();
    settle(&mut harness);
    let text = harness.state().copied().unwrap_or_default();
    assert_eq!(text.lines().count(), 3);
    assert!(text.lines().nth(1).is_some_and(|line| line.contains("\tweb\tGET /a\t40000000\t1\t0\t")), "{text}");
}

#[test]
fn following_opens_the_newest() {
    let mut harness = list("");
    harness.get_by_label("Follow newest").click();
    settle(&mut harness);
    assert!(harness.state().requests.contains(&Request::Go(Place::trace(WORKSPACE, TraceId([4; 16])))));
    assert!(harness.state().view.shared.lock().follow);
}

#[test]
fn a_second_click_on_a_header_turns_the_order_round_and_it_is_kept() {
    let mut harness = list("");
    for _ in 0..2 {
        harness.get_by_label("Sort by Duration").click();
        settle(&mut harness);
    }
    harness.get_by_label("fastest first");
    let kept = harness.state().requests.iter().rev().find_map(|request| match request {
        Request::Keep(key, value) => Some((*key, value.clone())),
        _ => None,
    });
    let (key, value) = kept.unwrap();
    assert_eq!(key, "window_traces");
    assert!(value.contains("\"order\":\"shortest\""), "{value}");
}

#[test]
fn traces_are_grouped_and_a_group_narrows_the_query() {
    let mut harness = list("");
    harness.get_by_label("Group by").click();
    settle(&mut harness);
    harness.get_by_role_and_label(Role::MenuItem, "operation").click();
    settle(&mut harness);
    harness.get_by_label("3 groups");
    assert_eq!(rows(&harness)[0], "GET /a, 2 traces, 0 % failed, p95 40 ms");
    press(&mut harness, Key::J);
    press(&mut harness, Key::Enter);
    let query = "rootServiceName = \"web\" and rootName = \"GET /a\"".to_owned();
    let expected = Request::Go(Place::Traces { source: WORKSPACE, query });
    assert!(harness.state().requests.contains(&expected), "{:?}", harness.state().requests);
}

#[test]
fn rows_can_be_spans_and_open_their_trace_at_the_span() {
    let mut harness = list("");
    harness.get_by_label("Spans").click();
    settle(&mut harness);
    harness.get_by_label("4 spans");
    harness.get_by_label("Sort spans by Duration").click();
    settle(&mut harness);
    assert_eq!(rows(&harness)[0], "web GET /b, 500 ms, error");
    press(&mut harness, Key::J);
    press(&mut harness, Key::Enter);
    let opened = harness
        .state()
        .requests
        .iter()
        .any(|request| matches!(request, Request::Go(Place::Trace { id, span: Some(_), .. }) if *id == TraceId([2; 16])));
    assert!(opened, "{:?}", harness.state().requests);
}

#[test]
fn columns_are_chosen_and_kept() {
    let mut harness = list("");
    harness.get_by_label("Columns").click();
    settle(&mut harness);
    harness.get_by_role_and_label(Role::MenuItem, "Spans").click();
    settle(&mut harness);
    assert!(harness.query_by_label("Sort by Spans").is_none());
    let columns = harness.state().view.table.columns.clone();
    assert_eq!(table::Columns::read(&columns.to_json()), columns);
}
