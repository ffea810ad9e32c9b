//! Explore by name and by keyboard: a query that runs, one that is wrong, proposals, one series alone, no metrics.

use super::super::stage::{Stage, settle, stage_over};
use super::*;
use crate::engine::Engine;
use crate::model::{MetricKind, MetricMetadata, SampleColumn, SampleValue};
use crate::source::MemorySeries;
use egui::Key;
use egui_kittest::{Harness, kittest::Queryable as _};

/// Ten minutes of two counters and a gauge, five seconds apart.
fn series() -> MemorySeries {
    let mut memory = MemorySeries::default();
    let start = 1_761_142_300_000 - 600_000;
    for (name, job, slope) in [("jobs_total", "cart", 2.0), ("jobs_total", "checkout", 5.0), ("pool_in_use", "cart", 0.0)] {
        let mut column = SampleColumn::default();
        (0..120).for_each(|n| column.push(start + n * 5_000, SampleValue::Float(3.0 + slope * n as f64)));
        memory.append(&Labels::new([("__name__", name), ("job", job)]), &column);
    }
    let about =
        |family: &str, kind, help: &str| MetricMetadata { family: family.into(), kind, help: help.into(), unit: "".into() };
    memory.set_metadata(about("jobs_total", MetricKind::Counter, "Jobs that were done"));
    memory.set_metadata(about("pool_in_use", MetricKind::Gauge, "Connections in use"));
    memory
}

fn open(queries: &[&str]) -> Harness<'static, Stage<ExploreView>> {
    let engine = Engine::over_series(Vec::new(), Arc::new(series()));
    let queries = queries.iter().map(|text| (*text).to_owned()).collect();
    stage_over(engine, ExploreView::default(), Place::Explore { queries })
}

#[test]
fn a_query_gives_lines_with_their_figures_and_a_table() {
    let mut harness = open(&["jobs_total"]);
    harness.get_by_label("Graph of 2 series");
    harness.get_by_label_contains("job=\"checkout\"}, last 598");
    harness.get_by_label("Table").click();
    settle(&mut harness);
    harness.get_by_label_contains("job=\"cart\"} is 241");
}

#[test]
fn a_wrong_query_is_told_at_its_place_and_the_others_are_answered() {
    let harness = open(&["sum(jobs_total", "pool_in_use"]);
    harness.get_by_label_contains("unclosed left parenthesis");
    harness.get_by_label("Graph of 1 series");
}

#[test]
fn a_metric_of_the_list_is_asked_for_and_kept_in_the_history() {
    let mut harness = open(&[]);
    harness.get_by_label("jobs_total, counter, 2 series").click();
    settle(&mut harness);
    assert_eq!(harness.state().view.queries, ["rate(jobs_total[5m])"]);
    harness.get_by_label("Graph of 2 series");
    let kept = harness.state().requests.iter().any(|request| matches!(request, Request::Keep(kept::KEY, _)));
    assert!(kept, "it is kept");
}

#[test]
fn proposals_are_taken_with_tab_and_enter_runs() {
    let mut harness = open(&[]);
    harness.get_by_label("Query A").focus();
    harness.run_steps(2);
    harness.get_by_label("Query A").type_text("poo");
    settle(&mut harness);
    harness.get_by_label("pool_in_use gauge, 1");
    harness.key_press(Key::Tab);
    settle(&mut harness);
    harness.key_press(Key::Enter);
    settle(&mut harness);
    assert_eq!(harness.state().view.queries, ["pool_in_use"]);
    harness.get_by_label("Graph of 1 series");
}

#[test]
fn a_click_shows_one_series_alone_and_another_shows_all() {
    let mut harness = open(&["jobs_total"]);
    harness.get_by_label_contains("job=\"cart\"}, last").click();
    settle(&mut harness);
    harness.get_by_label("Graph of 1 series");
    harness.get_by_label_contains("job=\"cart\"}, last").click();
    settle(&mut harness);
    harness.get_by_label("Graph of 2 series");
}

#[test]
fn queries_are_added_and_removed() {
    let mut harness = open(&["jobs_total"]);
    harness.get_by_label("Add query").click();
    settle(&mut harness);
    harness.get_by_label("Remove query B").click();
    settle(&mut harness);
    assert_eq!(harness.state().view.rows.len(), 1);
}

#[test]
fn without_metrics_it_says_how_one_comes_to_be() {
    let engine = Engine::over_series(Vec::new(), Arc::new(MemorySeries::default()));
    let harness = stage_over(engine, ExploreView::default(), Place::Explore { queries: Vec::new() });
    harness.get_by_label_contains("http://127.0.0.1:4318/v1/metrics");
}
