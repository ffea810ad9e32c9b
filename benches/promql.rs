//! Metric queries: reading them, and evaluating them over series in memory. One row a figure, fixed data.
//!
//! `cargo bench --no-default-features --features headless --bench promql`

#![allow(clippy::unwrap_used, missing_docs)]

use belvedere::model::{Labels, SampleColumn};
use belvedere::promql::eval::{Options, When, evaluate};
use belvedere::promql::parse;
use belvedere::source::{MemorySeries, QueryControl};
use std::hint::black_box;
use std::time::Instant;

/// Between samples and steps.
const INTERVAL_MS: i64 = 10_000;
const STEPS: i64 = 1_000;
const SAMPLES: i64 = STEPS + 60;

/// Counters of this many series, those of a hundred jobs.
fn counters(series: usize, name: &str) -> MemorySeries {
    let mut source = MemorySeries::default();
    fill(&mut source, series, name, |pairs| pairs);
    source
}

fn fill(source: &mut MemorySeries, series: usize, name: &str, more: impl Fn(Vec<(String, String)>) -> Vec<(String, String)>) {
    for index in 0..series {
        let pairs = more(vec![
            ("__name__".into(), name.into()),
            ("instance".into(), format!("host-{index:05}:9100")),
            ("job".into(), format!("job-{:02}", index % 100)),
        ]);
        let mut column = SampleColumn::default();
        for sample in 0..SAMPLES {
            column.times.push(sample * INTERVAL_MS + index as i64 % 7);
            column.values.push((sample * (index as i64 % 13 + 1)) as f64);
        }
        source.append(&Labels::new(pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()))), &column);
    }
}

fn histograms(count: usize) -> MemorySeries {
    let mut source = MemorySeries::default();
    for index in 0..count {
        for bucket in 0..11 {
            let le = if bucket == 10 { "+Inf".to_owned() } else { format!("{}", 1 << bucket) };
            let labels =
                Labels::new([("__name__", "h_bucket"), ("instance", &format!("host-{index:05}")), ("le", le.as_str())]);
            let mut column = SampleColumn::default();
            for sample in 0..SAMPLES {
                column.times.push(sample * INTERVAL_MS);
                column.values.push((sample * (bucket + 1)) as f64);
            }
            source.append(&labels, &column);
        }
    }
    source
}

/// Median nanoseconds of `times` runs.
fn nanos(times: usize, mut run: impl FnMut()) -> f64 {
    let mut lengths: Vec<f64> = (0..times)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed().as_secs_f64() * 1e9
        })
        .collect();
    lengths.sort_by(f64::total_cmp);
    lengths[times / 2]
}

fn parsing() {
    for query in [
        "up",
        "sum by (job) (rate(http_requests_total{code=~\"5..\",job!=\"\"}[5m]))",
        "histogram_quantile(0.99, sum by (le, handler) (rate(http_request_duration_seconds_bucket{job=\"api\"}[5m]))) > 0.5",
        "100 * (1 - sum(rate(errors_total{job=\"api\",code=~\"5..|429\"}[5m])) / on () group_left () sum(rate(requests_total[5m])))",
    ] {
        const ROUNDS: u32 = 1_000;
        let time = nanos(21, || (0..ROUNDS).for_each(|_| drop(black_box(parse(black_box(query)).unwrap()))));
        println!("parse {:<80} {:>8.2} us", &query[..query.len().min(80)], time / f64::from(ROUNDS) / 1e3);
    }
}

fn range(source: &MemorySeries, series: usize, query: &str) {
    let expr = parse(query).unwrap();
    let when = When::Range { start: 50 * INTERVAL_MS, end: (50 + STEPS - 1) * INTERVAL_MS, step: INTERVAL_MS };
    for threads in [1, 2] {
        let options = Options { threads, ..Options::default() };
        let run = || drop(black_box(evaluate(&expr, when, source, &options, &QueryControl::default()).unwrap()));
        run();
        let time = nanos(5, run);
        println!(
            "{query:<56} {series:>6} x {STEPS} threads {threads} {:>9.1} ms {:>7.1} ns/point",
            time / 1e6,
            time / (series as f64 * STEPS as f64)
        );
    }
}

fn main() {
    parsing();
    let a = counters(1, "a_one");
    range(&a, 1, "rate(a_one[1m])");
    let a = counters(100, "a_hundred");
    for query in
        ["a_hundred", "rate(a_hundred[1m])", "a_hundred - a_hundred", "topk(5, a_hundred)", "max_over_time(a_hundred[5m])"]
    {
        range(&a, 100, query);
    }
    let a = counters(10_000, "x");
    for query in
        ["x", "sum by (job) (rate(x[5m]))", "sum(rate(x[5m]))", "sum by (job) (x)", "quantile by (job) (0.9, rate(x[5m]))"]
    {
        range(&a, 10_000, query);
    }
    let h = histograms(1_000);
    range(&h, 11_000, "histogram_quantile(0.9, rate(h_bucket[5m]))");
    range(&h, 11_000, "histogram_quantile(0.9, sum by (le) (rate(h_bucket[5m])))");
}
