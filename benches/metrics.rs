//! Metrics on disk: append, seal, read. One row a figure, fixed seed; the data is like that of node exporters at 15 s.
//!
//! `cargo bench --no-default-features --features headless --bench metrics -- [SERIES]` (20,000 without a number).

#![allow(clippy::unwrap_used, missing_docs)]

use belvedere::model::{Door, Labels, SampleBatch, SampleColumn, UnixNanos};
use belvedere::source::{MatchOp, Matcher, MillisRange, QueryControl, SeriesRequest};
use belvedere::store::{Options, Workspace};
use std::collections::VecDeque;
use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

/// Samples of each series: an hour.
const ROUNDS: i64 = 240;
/// Series of a batch, as Prometheus sends them.
const BATCH: usize = 2_000;
/// Batches on their way at once.
const IN_FLIGHT: usize = 4;
/// First sample, in milliseconds.
const EPOCH: i64 = 1_790_000_000_000;
/// Time between samples, in milliseconds.
const STEP: i64 = 15_000;
/// Series of one target.
const TARGET: usize = 400;

fn row(what: &str, figure: String) {
    println!("{what:<58} {figure}");
}

/// With a clock of the time that the samples are of, so that retention leaves them.
fn options() -> Options {
    Options { clock: || UnixNanos(EPOCH * 1_000_000), ..Options::default() }
}

/// splitmix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = self.0;
        value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ (value >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}

/// A series and how it moves: of four node-exporter series one moves like CPU seconds or a counter of bytes or operations,
/// one like memory in pages, the rest stands still or nearly, as was measured on real hosts (72 % constant).
struct Series {
    labels: Labels,
    kind: usize,
    value: f64,
    rate: u64,
    random: Random,
}

impl Series {
    fn new(number: usize) -> Self {
        let (target, place) = (number / TARGET, number % TARGET);
        let mut random = Random(number as u64 ^ 0x5eed);
        let labels = Labels::new([
            (
                "__name__",
                format!(
                    "node_{}_{}",
                    ["cpu_seconds_total", "disk_read_bytes_total", "memory_bytes", "info"][place % 4],
                    place / 40
                ),
            ),
            ("job", "node".to_owned()),
            ("instance", format!("node-{target:04}:9100")),
            ("device", format!("dev{}", place / 4 % 10)),
        ]);
        let kind = match random.below(100) {
            0..12 => 0,
            12..20 => 1,
            20..28 => 2,
            _ => 3,
        };
        Self { labels, kind, value: random.below(1 << 20) as f64, rate: 1 + random.below(400), random }
    }

    fn next(&mut self) -> f64 {
        match self.kind {
            0 => self.value = ((self.value * 100.0).round() + self.random.below(2 * self.rate) as f64) / 100.0,
            1 => self.value += self.random.below(self.rate * 4) as f64,
            2 => self.value = ((self.value / 4096.0).round() + self.random.below(200) as f64 - 100.0).abs() * 4096.0,
            _ => {}
        }
        self.value
    }
}

fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

fn resident_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<f64>().unwrap() / 1024.0
}

fn bytes_of(dir: &Path) -> u64 {
    std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum()
}

/// Median milliseconds of five reads of every sample of a name.
fn read_all(workspace: &Workspace, value: &str) -> (usize, usize, f64) {
    let matchers = [Matcher { name: "__name__".into(), op: MatchOp::Regex, value: value.into() }];
    let request = SeriesRequest { matchers: &matchers, range: MillisRange::ALL, limit: 0 };
    let (mut series, mut samples, mut times) = (0, 0, Vec::new());
    for _ in 0..5 {
        let start = Instant::now();
        let set = workspace.metrics().select(&request, &QueryControl::default()).unwrap();
        let mut column = SampleColumn::default();
        samples = 0;
        for at in 0..set.series().len() {
            set.read(at, MillisRange::ALL, &mut column).unwrap();
            samples += black_box(&column).len();
        }
        series = set.series().len();
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    (series, samples, times[2])
}

fn print_reads(workspace: &Workspace, state: &str) {
    for (what, pattern) in [("an eighth of the series", "node_(cpu_seconds_total|memory_bytes)_[0-4]"), ("all series", ".+")] {
        let (series, samples, millis) = read_all(workspace, pattern);
        let rate = samples as f64 / millis / 1e3;
        row(&format!("read {what}, {state}"), format!("{series} series, {millis:.1} ms, {rate:.0} M samples/s"));
    }
}

fn main() {
    let wanted = std::env::args().skip(1).find_map(|argument| argument.parse::<usize>().ok()).unwrap_or(20_000);
    let dir = tempfile::tempdir().unwrap();
    let workspace = Workspace::open(dir.path(), options()).unwrap();
    let mut series: Vec<Series> = (0..wanted).map(Series::new).collect();
    let idle = resident_mb();
    let (mut seconds, mut cpu, mut sent, mut pending) = (0.0, 0.0, 0_u64, VecDeque::new());
    for round in 0..ROUNDS {
        let batches: Vec<SampleBatch> = series
            .chunks_mut(BATCH)
            .map(|chunk| {
                let mut batch = SampleBatch::default();
                for one in chunk {
                    batch.begin_series(&one.labels);
                    batch.push_float(EPOCH + round * STEP, one.next());
                }
                batch
            })
            .collect();
        let (start, before) = (Instant::now(), cpu_seconds());
        for batch in batches {
            sent += batch.len() as u64;
            pending.push_back(workspace.append_samples(Door::Api, batch, UnixNanos(EPOCH * 1_000_000)).unwrap());
            if pending.len() >= IN_FLIGHT {
                pending.pop_front().unwrap().wait().unwrap();
            }
        }
        if round + 1 == ROUNDS {
            pending.drain(..).for_each(|receipt| _ = receipt.wait().unwrap());
        }
        seconds += start.elapsed().as_secs_f64();
        cpu += cpu_seconds() - before;
    }
    let millions = sent as f64 / 1e6;
    row(
        "append and commit, one sender",
        format!("{:.2} M samples/s, {:.2} CPU s a million", millions / seconds, cpu / millions),
    );
    row("resident memory for the series and an hour of samples", format!("{:.0} MB above {idle:.0}", resident_mb() - idle));
    print_reads(&workspace, "open chunks");
    let (start, before) = (Instant::now(), cpu_seconds());
    workspace.seal().unwrap();
    let cpu = (cpu_seconds() - before) / millions;
    row("seal", format!("{:.2} s, {cpu:.2} CPU s a million", start.elapsed().as_secs_f64()));
    print_reads(&workspace, "sealed");
    let start = Instant::now();
    workspace.close();
    row("close", format!("{:.2} s", start.elapsed().as_secs_f64()));
    drop(workspace);
    row("on disk after close, series included", format!("{:.2} B/sample", bytes_of(dir.path()) as f64 / sent as f64));
    let start = Instant::now();
    let workspace = Workspace::open(dir.path(), options()).unwrap();
    row(&format!("open, {wanted} series"), format!("{:.1} ms", start.elapsed().as_secs_f64() * 1e3));
    print_reads(&workspace, "after opening");
}
