//! The final schedule of a year and who is on call at a moment, for a schedule of six layers and fifty overrides.
//!
//! `cargo bench --no-default-features --features headless --bench oncall`. The figures: 5 ms and 20 µs.

#![allow(clippy::unwrap_used, missing_docs)]

use belvedere::oncall::{Schedule, final_schedule, read, who};
use criterion::{Criterion, criterion_group, criterion_main};
use std::fmt::Write as _;
use std::hint::black_box;

fn schedule() -> Schedule {
    let mut text = "schedule: Primary\nzone: America/Chicago\nlayers:\n".to_owned();
    for (index, every) in ["1 week", "1 day", "12 hours", "1 month", "3 days", "4 hours"].iter().enumerate() {
        writeln!(
            text,
            "  - rotation: {{every: {every}, start: 2026-01-0{}T09:00, people: [ana, ben, chi, dan, eve, fay]}}",
            index + 1
        )
        .unwrap();
        if index > 0 {
            writeln!(text, "    restrict: [{{days: weekdays, from: \"{:02}:00\", to: \"{:02}:00\"}}]", index, index + 8)
                .unwrap();
        }
    }
    text.push_str("overrides:\n");
    for index in 0..50 {
        let (month, day) = (index % 12 + 1, index % 27 + 1);
        let change = ["replace: ana, with: gus", "add: gus", "remove: ben"][index % 3];
        writeln!(text, "  - {{{change}, from: 2026-{month:02}-{day:02}T01:00, to: 2026-{month:02}-{:02}T05:00}}", day + 1)
            .unwrap();
    }
    read(&text).unwrap().schedule
}

fn figures(criterion: &mut Criterion) {
    let schedule = schedule();
    let from = 1_767_225_600;
    criterion.bench_function("final schedule, one year, 6 layers, 50 overrides", |bencher| {
        bencher.iter(|| black_box(final_schedule(&schedule, from, from + 365 * 86_400)));
    });
    let mut at = from;
    criterion.bench_function("who at t", |bencher| {
        bencher.iter(|| {
            at = from + (at - from + 7_919_003) % (365 * 86_400);
            black_box(who(&schedule, at))
        });
    });
}

criterion_group! { name = benches; config = Criterion::default().sample_size(20).warm_up_time(std::time::Duration::from_millis(500)).measurement_time(std::time::Duration::from_secs(2)); targets = figures }
criterion_main!(benches);
