//! The trace view by keyboard and by name.

use super::super::shared::ListShared;
use super::super::stage::{Stage, settle, stage};
use super::*;
use crate::engine::WORKSPACE;
use crate::model::{Resource, Span, SpanId, SpanKind, Status, StatusCode};
use egui::{Key, Modifiers, Role};
use egui_kittest::{Harness, kittest::NodeT as _, kittest::Queryable as _};

const BASE: i64 = 1_761_142_297_204_000_000;

fn span(id: u64, parent: u64, name: &str, from_ms: i64, length_ms: i64) -> Span {
    Span {
        trace_id: TraceId([7; 16]),
        span_id: id.into(),
        parent: SpanId::from(parent).non_zero(),
        name: name.into(),
        kind: SpanKind::Client,
        start: UnixNanos(BASE + from_ms * 1_000_000),
        end: Some(UnixNanos(BASE + (from_ms + length_ms) * 1_000_000)),
        attributes: [("http.route", format!("/{name}"))].into_iter().collect(),
        resource: Arc::new(Resource::service(if id.is_multiple_of(2) { "web" } else { "db" })),
        ..Span::default()
    }
}

fn failed(mut span: Span) -> Span {
    span.status = Status { code: StatusCode::Error, message: "boom".into() };
    span
}

/// root ─ cart ─ (select, failed), root ─ pay (failed), root ─ ship
fn shop() -> Vec<Span> {
    vec![
        span(2, 0, "root", 0, 1_000),
        span(4, 2, "cart", 10, 300),
        failed(span(5, 4, "select", 20, 100)),
        failed(span(6, 2, "pay", 400, 300)),
        span(8, 2, "ship", 800, 100),
    ]
}

fn open(spans: &[Span]) -> Harness<'static, Stage<TraceView>> {
    stage(spans, TraceView::new(ListShared::default()), Place::trace(WORKSPACE, TraceId([7; 16])))
}

fn selected(harness: &Harness<'_, Stage<TraceView>>) -> String {
    let node = harness.get_by_role(Role::Canvas);
    node.accesskit_node().value().unwrap_or_default()
}

fn press(harness: &mut Harness<'_, Stage<TraceView>>, key: Key) {
    harness.key_press(key);
    settle(harness);
}

fn state<'a>(harness: &'a Harness<'_, Stage<TraceView>>) -> &'a Open {
    harness.state().view.open.as_ref().unwrap()
}

#[test]
fn the_canvas_says_what_it_shows_and_arrows_walk_the_tree() {
    let mut harness = open(&shop());
    harness.get_by_role_and_label(Role::Canvas, "Flame graph, 5 spans");
    assert_eq!(selected(&harness), "selected: root, web, 1 s");
    press(&mut harness, Key::ArrowDown);
    assert_eq!(selected(&harness), "selected: cart, web, 300 ms");
    press(&mut harness, Key::ArrowRight);
    assert_eq!(selected(&harness), "selected: pay, web, 300 ms, error");
    press(&mut harness, Key::ArrowLeft);
    press(&mut harness, Key::ArrowDown);
    assert_eq!(selected(&harness), "selected: select, db, 100 ms, error");
    press(&mut harness, Key::ArrowUp);
    press(&mut harness, Key::ArrowUp);
    assert_eq!(selected(&harness), "selected: root, web, 1 s");
}

#[test]
fn dot_and_comma_walk_the_lane() {
    let mut harness = open(&shop());
    press(&mut harness, Key::ArrowDown);
    press(&mut harness, Key::Period);
    press(&mut harness, Key::Period);
    assert_eq!(selected(&harness), "selected: ship, web, 100 ms");
    press(&mut harness, Key::Period);
    assert_eq!(selected(&harness), "selected: ship, web, 100 ms", "it stops at the end");
    press(&mut harness, Key::Comma);
    assert_eq!(selected(&harness), "selected: pay, web, 300 ms, error");
}

#[test]
fn the_error_pager_stops_at_the_ends_and_never_reopens_a_fold() {
    let mut harness = open(&shop());
    press(&mut harness, Key::ArrowDown);
    press(&mut harness, Key::OpenBracket);
    assert_eq!(state(&harness).shape.as_ref().unwrap().layout.shown(), 4);
    press(&mut harness, Key::N);
    assert_eq!(selected(&harness), "selected: select, db, 100 ms, error");
    assert_eq!(state(&harness).shape.as_ref().unwrap().layout.shown(), 4, "what was folded stays folded");
    press(&mut harness, Key::N);
    press(&mut harness, Key::N);
    assert_eq!(selected(&harness), "selected: pay, web, 300 ms, error");
    harness.key_press_modifiers(Modifiers::SHIFT, Key::N);
    settle(&mut harness);
    assert_eq!(selected(&harness), "selected: select, db, 100 ms, error");
    press(&mut harness, Key::CloseBracket);
    assert_eq!(state(&harness).shape.as_ref().unwrap().layout.shown(), 5);
}

#[test]
fn finding_counts_dims_and_pages() {
    let mut harness = open(&shop());
    press(&mut harness, Key::Slash);
    let field = harness.get_by_role_and_label(Role::TextInput, "Find in trace");
    assert!(field.is_focused());
    field.type_text("status:error");
    settle(&mut harness);
    assert_eq!(header::counter(state(&harness)), "2");
    harness.get_by_label("Next match").click();
    settle(&mut harness);
    assert_eq!(selected(&harness), "selected: select, db, 100 ms, error, 1 of 2");
    harness.get_by_label("Next match").click();
    settle(&mut harness);
    harness.get_by_label("Next match").click();
    settle(&mut harness);
    assert_eq!(selected(&harness), "selected: pay, web, 300 ms, error, 2 of 2");
    harness.get_by_label("Previous match").click();
    settle(&mut harness);
    assert_eq!(header::counter(state(&harness)), "1 of 2");
}

#[test]
fn w_and_s_zoom_a_and_d_pan_and_f_fits() {
    let mut harness = open(&shop());
    let length = |harness: &Harness<'_, Stage<TraceView>>| {
        let (start, end) = state(harness).viewport.shown();
        end - start
    };
    let whole = length(&harness);
    press(&mut harness, Key::W);
    press(&mut harness, Key::W);
    assert!(length(&harness) < whole / 2);
    let before = state(&harness).viewport.shown().0;
    press(&mut harness, Key::D);
    assert!(state(&harness).viewport.shown().0 > before);
    press(&mut harness, Key::A);
    press(&mut harness, Key::S);
    press(&mut harness, Key::S);
    assert_eq!(length(&harness), whole);
    press(&mut harness, Key::ArrowDown);
    // While everything is in view there is nothing to centre: it fits at once.
    press(&mut harness, Key::F);
    let (start, end) = state(&harness).viewport.shown();
    assert!(start >= BASE - 30_000_000 && end < BASE + 400_000_000, "the span fills the view");
    press(&mut harness, Key::F);
    assert_eq!(length(&harness), whole);
}

#[test]
fn enter_re_roots_and_backspace_goes_back() {
    let mut harness = open(&shop());
    press(&mut harness, Key::ArrowDown);
    press(&mut harness, Key::Enter);
    assert_eq!(state(&harness).shape.as_ref().unwrap().layout.shown(), 2);
    harness.get_by_label("Whole trace");
    press(&mut harness, Key::ArrowUp);
    assert_eq!(selected(&harness), "selected: cart, web, 300 ms", "nothing above the root");
    press(&mut harness, Key::Backspace);
    assert_eq!(state(&harness).shape.as_ref().unwrap().layout.shown(), 5);
}

#[test]
fn the_waterfall_and_the_table_are_walked_by_key_too() {
    let mut harness = open(&shop());
    press(&mut harness, Key::Num2);
    harness.get_by_role_and_label(Role::TreeItem, "cart, web, 300 ms");
    press(&mut harness, Key::ArrowDown);
    press(&mut harness, Key::ArrowDown);
    let row = harness.get_by_role_and_label(Role::TreeItem, "select, db, 100 ms");
    assert_eq!(row.accesskit_node().toggled(), Some(egui::accesskit::Toggled::True));
    press(&mut harness, Key::ArrowUp);
    press(&mut harness, Key::ArrowLeft);
    assert!(harness.query_by_role_and_label(Role::TreeItem, "select, db, 100 ms").is_none(), "folded");
    press(&mut harness, Key::ArrowRight);
    press(&mut harness, Key::Num3);
    harness.get_by_label("Sort by Duration").click();
    settle(&mut harness);
    let sorted: Vec<String> = harness
        .get_all_by_role(Role::Row)
        .filter_map(|row| row.accesskit_node().label())
        .filter(|label| label.contains("ms") || label.contains(" s"))
        .collect();
    assert_eq!(sorted[0], "root, web, 1 s");
    assert_eq!(sorted.len(), 5);
}

#[test]
fn details_follow_the_selection_and_copy() {
    let mut harness = open(&shop());
    press(&mut harness, Key::N);
    harness.get_by_label("boom");
    harness.get_by_label("http.route /select");
    harness.get_by_label("Copy span id").click();
    settle(&mut harness);
    assert_eq!(harness.state().copied(), Some("0000000000000005"));
    harness.get_by_label("Raw").click();
    settle(&mut harness);
    harness.get_by_label_contains("\"spanId\"");
}

#[test]
fn a_missing_parent_has_a_bar_a_notice_and_a_find() {
    let mut spans = shop();
    spans.push(span(10, 99, "lost", 500, 50));
    let mut harness = open(&spans);
    harness.get_by_label("1 span has a parent that was not received");
    harness.get_by_label("Find").click();
    settle(&mut harness);
    assert_eq!(header::counter(state(&harness)), "1");
    harness.get_by_label("Dismiss notices").click();
    settle(&mut harness);
    assert!(harness.query_by_label("1 span has a parent that was not received").is_none());
}

#[test]
fn a_growing_trace_keeps_selection_folds_and_view() {
    let spans = shop();
    let mut harness = open(&spans);
    press(&mut harness, Key::ArrowDown);
    press(&mut harness, Key::OpenBracket);
    press(&mut harness, Key::W);
    let view = state(&harness).viewport.shown();
    // An earlier span moves every number.
    let mut more = spans;
    more.insert(0, span(20, 2, "early", -50, 20));
    more.push(span(22, 2, "late", 900, 400));
    let source: Arc<dyn crate::source::SpanSource> =
        Arc::new(crate::source::MemorySource::new("test", &crate::model::SpanBatch::from_spans(&more)));
    let request = LoadRequest {
        source,
        id: TraceId([7; 16]),
        known: None,
        keys: state(&harness).keys(),
        adjust: false,
        open_until: None,
    };
    let answer = load::load(&request, &crate::source::QueryControl::default()).unwrap();
    let LoadAnswer::New(loaded) = answer else { panic!("the trace has grown") };
    let engine = crate::engine::Engine::over(Vec::new());
    harness.state_mut().view.open.as_mut().unwrap().renew(loaded, &engine);
    settle(&mut harness);
    assert_eq!(selected(&harness), "selected: cart, web, 300 ms");
    let open = state(&harness);
    assert_eq!(open.viewport.shown(), view);
    assert_eq!(open.shape.as_ref().unwrap().layout.shown(), 6, "cart is still folded");
}

#[test]
fn a_trace_that_is_gone_says_so() {
    let view = TraceView::new(ListShared::default());
    let harness = stage(&shop(), view, Place::trace(WORKSPACE, TraceId([9; 16])));
    harness.get_by_label_contains("are stored; they may have been cleared");
}

#[test]
fn the_critical_path_is_drawn_summed_up_and_goes_through_its_looks() {
    let mut harness = open(&shop());
    // root owns what no child hid: 0 to 10, 310 to 400, 700 to 800 and 900 to 1000 ms.
    harness.get_by_label("root, 30 % of the critical path");
    harness.get_by_label("pay, 30 % of the critical path").click();
    settle(&mut harness);
    assert_eq!(selected(&harness), "selected: pay, web, 300 ms, error");
    assert_eq!(state(&harness).critical, state::Critical::Line);
    press(&mut harness, Key::C);
    assert_eq!(state(&harness).critical, state::Critical::Dim);
    press(&mut harness, Key::C);
    assert!(harness.query_by_label("root, 30 % of the critical path").is_none());
    press(&mut harness, Key::C);
    harness.get_by_label("root, 30 % of the critical path");
}

#[test]
fn only_errors_leaves_them_and_what_is_above_them() {
    let mut harness = open(&shop());
    harness.key_press_modifiers(Modifiers::SHIFT, Key::E);
    settle(&mut harness);
    let shown = |harness: &Harness<'_, Stage<TraceView>>| state(harness).shape.as_ref().unwrap().rows.len();
    assert_eq!(shown(&harness), 4, "ship has no error");
    harness.get_by_label("Shown spans").click();
    settle(&mut harness);
    harness.get_by_label("All spans").click();
    settle(&mut harness);
    assert_eq!(shown(&harness), 5);
}

#[test]
fn a_service_is_folded_to_its_entries() {
    let mut harness = open(&shop());
    harness.get_by_label("Shown spans").click();
    settle(&mut harness);
    harness.get_by_label("Fold spans of web").click();
    settle(&mut harness);
    assert_eq!(state(&harness).folded_in(0), 4);
    assert_eq!(state(&harness).shape.as_ref().unwrap().rows.len(), 1);
}

#[test]
fn a_link_to_the_selected_span_is_copied_and_read_back() {
    let mut harness = open(&shop());
    press(&mut harness, Key::ArrowDown);
    harness.key_press_modifiers(Modifiers::COMMAND | Modifiers::SHIFT, Key::L);
    settle(&mut harness);
    let link = harness.state().copied().unwrap().to_owned();
    assert_eq!(crate::ui::nav::read_link(&link), Some((TraceId([7; 16]), Some(SpanId::from(4)))));
}

#[test]
fn a_ticket_says_what_failed_and_where_the_time_went() {
    let harness = open(&shop());
    let text = copies::markdown(&state(&harness).loaded, None);
    for part in [
        "### root \u{b7} web",
        "| took | 1 s, 5 spans, 2 services, 2 errors |",
        "belvedere://trace/07070707070707070707070707070707",
        "- pay (web, 300 ms): boom",
        "critical path 1 s",
        "- root (web): 300 ms, 30 %",
        "```\nroot  web  1 s",
    ] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
}

#[test]
fn the_selected_span_is_placed_among_others_of_its_operation() {
    let mut spans = shop();
    for other in 1..=20_u8 {
        let mut span = span(2, 0, "root", 0, i64::from(other) * 10);
        span.trace_id = TraceId([100 + other; 16]);
        spans.push(span);
    }
    let mut harness = open(&spans);
    assert!(harness.query_by_label("Bar 1, 1 span like this one; click opens one").is_some());
    let of = &state(&harness).details.typical;
    assert_eq!(of.words(1_000_000_000).as_deref(), Some("slower than 95.2 %"));
    harness.get_by_label("Bar 1, 1 span like this one; click opens one").click();
    settle(&mut harness);
    let expected = Request::Go(Place::Trace { source: WORKSPACE, id: TraceId([101; 16]), span: Some(SpanId::from(2)) });
    assert!(harness.state().requests.contains(&expected), "{:?}", harness.state().requests);
}
