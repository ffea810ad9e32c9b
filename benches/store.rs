//! The workspace on disk: append, seal, read. One row a figure, fixed seed.
//!
//! `cargo bench --no-default-features --features headless --bench store -- [SPANS]` (a million without a number).

#![allow(clippy::unwrap_used, missing_docs)]

use belvedere::model::{Door, SpanBatch, UnixNanos};
use belvedere::source::{AttrScope, Field, Predicate, QueryControl, TimeRange, TraceRequest};
use belvedere::store::samples::{EPOCH, journal_row, shop};
use belvedere::store::{Options, Workspace};
use std::collections::VecDeque;
use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

/// Spans of a batch, as an SDK's exporter sends them.
const BATCH: usize = 500;
/// Batches on their way at once, as four connections have them.
const IN_FLIGHT: usize = 4;
/// Traces made at a time.
const ROUND: u64 = 2_000;

fn row(what: &str, figure: String) {
    println!("{what:<58} {figure}");
}

/// With a clock of the time that the samples are of, so that retention leaves them.
fn options() -> Options {
    Options { clock: || UnixNanos(EPOCH), ..Options::default() }
}

/// Median milliseconds of `times` runs.
fn millis(times: usize, mut run: impl FnMut()) -> f64 {
    let mut lengths: Vec<f64> = (0..times)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    lengths.sort_by(f64::total_cmp);
    lengths[times / 2]
}

fn bytes_of(dir: &Path) -> u64 {
    std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum()
}

/// Why a journal row is LZ4.
fn journal() {
    let batches: Vec<SpanBatch> = shop(1, ROUND).chunks(BATCH).map(SpanBatch::from_spans).collect();
    let spans: usize = batches.iter().map(SpanBatch::len).sum();
    let per_span = |millis: f64| millis * 1e3 / spans as f64;
    let (mut lz4, mut zstd) = (0, 0);
    let raw: Vec<Vec<u8>> = batches.iter().map(|batch| journal_row(batch).0).collect();
    let write = millis(5, || batches.iter().for_each(|batch| drop(black_box(journal_row(batch)))));
    let lz4_time = millis(5, || lz4 = raw.iter().map(|raw| lz4_flex::block::compress(raw).len()).sum());
    let zstd_time = millis(5, || zstd = raw.iter().map(|raw| zstd::bulk::compress(raw, 1).unwrap().len()).sum());
    let size = |bytes: usize| bytes as f64 / spans as f64;
    row("journal row, columns twice and LZ4 once", format!("{:.2} us/span", per_span(write)));
    row("  LZ4 alone", format!("{:.2} us/span, {:.0} B/span", per_span(lz4_time), size(lz4)));
    row("  zstd level 1 alone", format!("{:.2} us/span, {:.0} B/span", per_span(zstd_time), size(zstd)));
}

fn main() {
    let wanted = std::env::args().skip(1).find_map(|argument| argument.parse::<usize>().ok()).unwrap_or(1_000_000);
    journal();
    let dir = tempfile::tempdir().unwrap();
    let workspace = Workspace::open(dir.path(), options()).unwrap();
    let (mut spans, mut seconds, mut latencies, mut some_id) = (0, 0.0, Vec::new(), None);
    for seed in 0.. {
        if spans >= wanted {
            break;
        }
        let made = shop(seed, ROUND);
        some_id.get_or_insert(made[0].trace_id);
        let batches: Vec<SpanBatch> = made.chunks(BATCH).map(SpanBatch::from_spans).collect();
        spans += made.len();
        let start = Instant::now();
        let mut pending = VecDeque::new();
        for batch in batches {
            let sent = Instant::now();
            let receipt = workspace.append_spans(Door::OtlpGrpc, batch, UnixNanos(EPOCH + seed as i64 * 100_000_000)).unwrap();
            pending.push_back((sent, receipt));
            if pending.len() >= IN_FLIGHT {
                let (sent, receipt) = pending.pop_front().unwrap();
                receipt.wait().unwrap();
                latencies.push(sent.elapsed().as_secs_f64() * 1e3);
            }
        }
        for (_, receipt) in pending {
            receipt.wait().unwrap();
        }
        seconds += start.elapsed().as_secs_f64();
    }
    latencies.sort_by(f64::total_cmp);
    row("append and commit, one sender", format!("{:.0} spans/s", spans as f64 / seconds));
    row("acknowledgement p99", format!("{:.1} ms", latencies[latencies.len() * 99 / 100]));
    let start = Instant::now();
    workspace.close();
    row("close", format!("{:.2} s", start.elapsed().as_secs_f64()));
    row("on disk after close", format!("{:.1} B/span", bytes_of(dir.path()) as f64 / spans as f64));
    let start = Instant::now();
    let workspace = Workspace::open(dir.path(), options()).unwrap();
    row(&format!("open, {spans} spans stored"), format!("{:.1} ms", start.elapsed().as_secs_f64() * 1e3));
    let (source, control) = (workspace.spans(), QueryControl::default());
    let id = some_id.unwrap();
    row("trace by id", format!("{:.2} ms", millis(9, || drop(black_box(source.trace(id, &control).unwrap().unwrap())))));
    let list = |predicate: Predicate| {
        let request = TraceRequest { predicate, ..TraceRequest::default() };
        millis(5, || drop(black_box(source.traces(&request, &control).unwrap())))
    };
    row("newest 100 traces", format!("{:.2} ms", list(Predicate::All)));
    row("newest 100 traces of a service", format!("{:.2} ms", list(Predicate::equals(Field::Service, "cart"))));
    let route = Predicate::equals(Field::Attr(AttrScope::Any, "http.route".into()), "POST /cart");
    row("newest 100 traces with an attribute, every span looked at", format!("{:.0} ms", list(route)));
    let services = || drop(black_box(source.services(TimeRange::ALL, 60, &control).unwrap()));
    row("services with sparklines over everything", format!("{:.2} ms", millis(5, services)));
    let operations = || drop(black_box(source.operations("cart", &control).unwrap()));
    row("operations of a service", format!("{:.2} ms", millis(5, operations)));
}
