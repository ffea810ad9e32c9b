//! The metric half of a workspace, from append to read, over restarts.

use super::super::{Appended, Options, Workspace};
use super::Refusal;
use crate::model::sample::{NORMAL_NAN_BITS, STALE_NAN_BITS};
use crate::model::{
    Door, Exemplar, FloatHistogram, Labels, MetricKind, MetricMetadata, SampleBatch, SampleColumn, SampleValue, UnixNanos,
};
use crate::source::{MatchOp, Matcher, MillisRange, QueryControl, SeriesRequest};
use std::path::Path;
use std::sync::Arc;

/// A time to count from, in milliseconds.
const T0: i64 = 1_790_000_000_000;
const MINUTE: i64 = 60_000;

fn options() -> Options {
    Options { clock: || UnixNanos(T0 * 1_000_000), ..Options::default() }
}

fn open(dir: &Path) -> Workspace {
    Workspace::open(dir, options()).unwrap()
}

fn series(name: &str, n: u64) -> Labels {
    Labels::new([("__name__", name.to_owned()), ("job", "shop/cart".to_owned()), ("n", n.to_string())])
}

fn batch(labels: &Labels, samples: &[(i64, f64)]) -> SampleBatch {
    let mut batch = SampleBatch::default();
    batch.begin_series(labels);
    samples.iter().for_each(|(time, value)| batch.push_float(*time, *value));
    batch
}

fn append(workspace: &Workspace, batch: SampleBatch) -> Appended {
    workspace.append_samples(Door::Api, batch, UnixNanos(T0 * 1_000_000)).unwrap().wait().unwrap()
}

fn stored(count: u64) -> Appended {
    Appended { stored: count, ..Appended::default() }
}

fn by_name(name: &str) -> Matcher {
    Matcher { name: "__name__".into(), op: MatchOp::Equal, value: name.into() }
}

fn columns(workspace: &Workspace, name: &str) -> Vec<(Labels, SampleColumn)> {
    let matchers = [by_name(name)];
    let request = SeriesRequest { matchers: &matchers, range: MillisRange::ALL, limit: 0 };
    let set = workspace.metrics().select(&request, &QueryControl::default()).unwrap();
    let mut column = SampleColumn::default();
    let read = |(at, series): (usize, &crate::source::PickedSeries)| {
        set.read(at, MillisRange::ALL, &mut column).unwrap();
        (series.labels.clone(), column.clone())
    };
    set.series().iter().enumerate().map(read).collect()
}

/// Samples of the one series of a name, values as bits.
fn samples(workspace: &Workspace, name: &str) -> Vec<(i64, u64)> {
    let columns = columns(workspace, name);
    assert_eq!(columns.len(), 1, "{columns:?}");
    let column = &columns[0].1;
    column.times.iter().copied().zip(column.values.iter().map(|value| value.to_bits())).collect()
}

fn bits(samples: &[(i64, f64)]) -> Vec<(i64, u64)> {
    samples.iter().map(|(time, value)| (*time, value.to_bits())).collect()
}

fn metrics_account(workspace: &Workspace) -> (u64, u64, u64, u64, u64) {
    let rows = workspace.accounts();
    let sum = |of: fn(&super::super::AccountRow) -> u64| rows.iter().map(of).sum::<u64>();
    let all = (sum(|r| r.received), sum(|r| r.stored), sum(|r| r.duplicate), sum(|r| r.rejected), sum(|r| r.evicted));
    assert_eq!(all.0, all.1 + all.2 + all.3 + all.4, "the accounts add up: {rows:?}");
    all
}

#[test]
fn samples_are_read_back_at_once_and_after_a_crash() {
    let dir = tempfile::tempdir().unwrap();
    let workspace = open(dir.path());
    let list = [(T0, 1.0), (T0 + 15_000, f64::from_bits(STALE_NAN_BITS)), (T0 + 30_000, f64::from_bits(NORMAL_NAN_BITS))];
    assert_eq!(append(&workspace, batch(&series("up", 1), &list)), stored(3));
    assert_eq!(append(&workspace, batch(&series("up", 1), &[(T0 + 45_000, -0.0)])), stored(1));
    let mut expected = bits(&list);
    expected.push((T0 + 45_000, (-0.0_f64).to_bits()));
    assert_eq!(samples(&workspace, "up"), expected);
    workspace.0.crash();
    drop(workspace);
    let workspace = open(dir.path());
    assert_eq!(workspace.problems(), &[] as &[String]);
    assert_eq!(samples(&workspace, "up"), expected);
    assert_eq!(metrics_account(&workspace), (4, 4, 0, 0, 0));
    assert_eq!(workspace.accounts()[0].service, "cart");
}

#[test]
fn the_first_value_of_a_time_stays_and_equal_ones_are_ignored() {
    let dir = tempfile::tempdir().unwrap();
    let workspace = open(dir.path());
    let labels = series("m", 1);
    assert_eq!(append(&workspace, batch(&labels, &[(T0, 1.0), (T0, 1.0), (T0, 2.0), (T0 + 1, 3.0)])), {
        Appended { stored: 2, duplicate: 1, conflicting: 1, ..Appended::default() }
    });
    assert_eq!(append(&workspace, batch(&labels, &[(T0, 1.0), (T0 + 1, 4.0), (T0 + 2, 5.0)])), {
        Appended { stored: 1, duplicate: 1, conflicting: 1, ..Appended::default() }
    });
    assert_eq!(samples(&workspace, "m"), bits(&[(T0, 1.0), (T0 + 1, 3.0), (T0 + 2, 5.0)]));
    assert_eq!(metrics_account(&workspace), (7, 3, 2, 2, 0));
    assert_eq!(workspace.refusals(), [(Door::Api, Refusal::Conflicting, 2)]);
    workspace.close();
    drop(workspace);
    let workspace = open(dir.path());
    assert_eq!(append(&workspace, batch(&labels, &[(T0 + 1, 3.0)])).duplicate, 1, "known after a restart too");
    assert_eq!(metrics_account(&workspace), (8, 3, 3, 2, 0));
    assert_eq!(workspace.refusals(), [(Door::Api, Refusal::Conflicting, 2)]);
}

#[test]
fn late_samples_are_taken_for_half_an_hour_and_come_back_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let workspace = open(dir.path());
    let labels = series("m", 1);
    append(&workspace, batch(&labels, &[(T0, 1.0), (T0 + 40 * MINUTE, 2.0)]));
    let late = [(T0 + 20 * MINUTE, 3.0), (T0 + 5 * MINUTE, 4.0), (T0 + 10 * MINUTE, 5.0), (T0 + 20 * MINUTE, 3.0)];
    assert_eq!(append(&workspace, batch(&labels, &late)), {
        Appended { stored: 2, out_of_order: 2, too_old: 1, duplicate: 1, ..Appended::default() }
    });
    let expected = [(T0, 1.0), (T0 + 10 * MINUTE, 5.0), (T0 + 20 * MINUTE, 3.0), (T0 + 40 * MINUTE, 2.0)];
    assert_eq!(samples(&workspace, "m"), bits(&expected));
    let old = batch(&labels, &[(T0 - 90 * MINUTE, 9.0)]);
    let imported = workspace.append_samples(Door::Import, old, UnixNanos(T0)).unwrap().wait().unwrap();
    assert_eq!((imported.stored, imported.out_of_order), (1, 1), "a file may be as old as it is");
    assert_eq!(samples(&workspace, "m").len(), 5);
    workspace.0.crash();
    drop(workspace);
    assert_eq!(samples(&open(dir.path()), "m").len(), 5);
}

#[test]
fn a_door_at_its_limit_refuses_new_series_and_never_known_ones() {
    let workspace = Workspace::in_memory(Options { series_limit: 3, ..options() }).unwrap();
    let mut all = SampleBatch::default();
    for n in 0..5 {
        all.begin_series(&series("m", n));
        all.push_float(T0, 1.0);
        all.push_float(T0 + 1, 1.0);
    }
    assert_eq!(append(&workspace, all), Appended { stored: 6, over_limit: 4, ..Appended::default() });
    assert_eq!(append(&workspace, batch(&series("m", 2), &[(T0 + 2, 1.0)])), stored(1));
    assert_eq!(append(&workspace, batch(&series("m", 4), &[(T0 + 2, 1.0)])).over_limit, 1);
    let other = workspace.append_samples(Door::OtlpHttp, batch(&series("m", 4), &[(T0 + 2, 1.0)]), UnixNanos(T0));
    assert_eq!(other.unwrap().wait().unwrap().stored, 1, "each door has a limit of its own");
    let broken = SampleBatch { labels: vec![1, 2, 3], ..batch(&Labels::default(), &[(T0, 1.0)]) };
    assert_eq!(append(&workspace, broken).invalid, 1);
    assert_eq!(metrics_account(&workspace).3, 6);
}

#[test]
fn histograms_start_times_exemplars_and_metadata_survive() {
    let dir = tempfile::tempdir().unwrap();
    let workspace = open(dir.path());
    let histogram = |count: f64| {
        let buckets = vec![count - 1.0, 1.0];
        let spans = vec![crate::model::BucketSpan { offset: 2, length: 2 }];
        let all = FloatHistogram { schema: 2, count, sum: count * 1.5, positive_spans: spans, ..FloatHistogram::default() };
        Arc::new(FloatHistogram { positive_buckets: buckets, ..all })
    };
    let labels = series("h", 1);
    for round in 0..3 {
        let mut batch = SampleBatch::default();
        batch.begin_series(&labels);
        for at in 0..4 {
            let count = f64::from(round * 4 + at) + 2.0;
            batch.push(T0 + i64::from(round * 4 + at) * 15_000, SampleValue::Histogram(histogram(count)));
        }
        batch.starts = vec![if round == 2 { T0 + 1 } else { T0 - 5 }; 4];
        let trace = Labels::new([("trace_id", "ab")]);
        batch.exemplars.push((0, Exemplar { labels: trace, value: f64::from(round), time: T0 + i64::from(round) }));
        batch.metadata.push(MetricMetadata {
            family: "h".into(),
            kind: MetricKind::Histogram,
            help: "Help.".into(),
            unit: "s".into(),
        });
        assert_eq!(append(&workspace, batch), stored(4));
    }
    let mut late = SampleBatch::default();
    late.begin_series(&labels);
    late.push(T0 + 7_000, SampleValue::Histogram(histogram(77.0)));
    append(&workspace, late);
    let check = |workspace: &Workspace| {
        let (_, column) = columns(workspace, "h").remove(0);
        assert_eq!(column.len(), 13);
        let counts: Vec<f64> = column.histograms.iter().map(|(_, histogram)| histogram.count).collect();
        assert_eq!(counts, [2.0, 77.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 12.0, 13.0]);
        assert_eq!(column.histograms[3].1, histogram(4.0));
        assert_eq!(column.starts[..3], [T0 - 5, 0, T0 - 5]);
        assert_eq!(column.starts[9..], [T0 + 1; 4]);
        let source = workspace.metrics();
        let exemplars = source.exemplars(&[vec![by_name("h")]], MillisRange::ALL, &QueryControl::default()).unwrap();
        assert_eq!(exemplars[0].1.iter().map(|exemplar| exemplar.value).collect::<Vec<_>>(), [0.0, 1.0, 2.0]);
        assert_eq!(source.metadata("h").unwrap()[0].kind, MetricKind::Histogram);
        assert_eq!(source.metadata("none").unwrap(), []);
    };
    check(&workspace);
    workspace.0.crash();
    drop(workspace);
    check(&open(dir.path()));
}

#[test]
fn a_picked_set_sees_no_later_samples() {
    let workspace = Workspace::in_memory(options()).unwrap();
    append(&workspace, batch(&series("m", 1), &[(T0, 1.0)]));
    let matchers = [by_name("m")];
    let request = SeriesRequest { matchers: &matchers, range: MillisRange::ALL, limit: 0 };
    let set = workspace.metrics().select(&request, &QueryControl::default()).unwrap();
    append(&workspace, batch(&series("m", 1), &[(T0 + 1, 1.0), (T0 - 1, 2.0)]));
    let mut column = SampleColumn::default();
    set.read(0, MillisRange::ALL, &mut column).unwrap();
    assert_eq!(column.times, [T0]);
    assert_eq!(samples(&workspace, "m").len(), 3);
    let few = SeriesRequest { limit: 1, ..request };
    append(&workspace, batch(&series("m", 2), &[(T0, 1.0)]));
    assert!(workspace.metrics().select(&few, &QueryControl::default()).is_err());
}

#[test]
fn a_full_disk_refuses_and_what_was_acknowledged_stays() {
    let dir = tempfile::tempdir().unwrap();
    let workspace = Workspace::open(dir.path(), Options { max_pages: Some(120), ..options() }).unwrap();
    let mut acknowledged = 0;
    let mut refused = 0;
    for round in 0..400_i64 {
        let mut batch = SampleBatch::default();
        for n in 0..200 {
            batch.begin_series(&series("m", n));
            batch.push_float(T0 + round * 1_000, (round as f64).sqrt());
        }
        match workspace.append_samples(Door::Api, batch, UnixNanos(T0)).map(super::super::Receipt::wait) {
            Ok(Ok(appended)) => acknowledged += appended.stored,
            _ => refused += 1,
        }
    }
    assert!(acknowledged > 0 && refused > 0, "{acknowledged} samples, {refused} refused");
    let count = |workspace: &Workspace| columns(workspace, "m").iter().map(|(_, column)| column.len() as u64).sum::<u64>();
    assert_eq!(count(&workspace), acknowledged);
    workspace.0.crash();
    drop(workspace);
    let workspace = open(dir.path());
    assert_eq!(count(&workspace), acknowledged);
    assert_eq!(metrics_account(&workspace).1, acknowledged);
}

/// Rounds of 40 series with a reset, a stale marker and a gap now and then.
fn rounds(workspace: &Workspace, rounds: std::ops::Range<i64>) -> u64 {
    let mut sent = 0;
    for round in rounds {
        let mut batch = SampleBatch::default();
        for n in 0..40 {
            batch.begin_series(&series("m", n));
            if round % 17 == 5 && n % 4 == 0 {
                continue;
            }
            let stale = round % 29 == 7 && n % 3 == 0;
            let value = if stale { f64::from_bits(STALE_NAN_BITS) } else { ((round % 50) * (n as i64 + 1)) as f64 / 10.0 };
            batch.push_float(T0 + round * 15_000, value);
        }
        sent += append(workspace, batch).stored;
    }
    sent
}

fn everything(workspace: &Workspace) -> Vec<String> {
    let one = |(labels, column): (Labels, SampleColumn)| {
        let values: Vec<u64> = column.values.iter().map(|value| value.to_bits()).collect();
        format!("{labels} {:?} {values:x?} {:?}", column.times, column.starts)
    };
    columns(workspace, "m").into_iter().map(one).collect()
}

#[test]
fn sealed_samples_answer_as_before_and_survive_a_crash_once() {
    let dir = tempfile::tempdir().unwrap();
    let workspace = open(dir.path());
    let plain = Workspace::in_memory(options()).unwrap();
    let sent = rounds(&workspace, 0..200) + rounds(&workspace, 200..300);
    assert_eq!(rounds(&plain, 0..300), sent);
    let expected = everything(&plain);
    workspace.seal().unwrap();
    assert_eq!(workspace.usage().head_samples, 0);
    assert_eq!(everything(&workspace), expected);
    assert_eq!(metrics_account(&workspace), (sent, sent, 0, 0, 0));
    rounds(&workspace, 300..310);
    rounds(&plain, 300..310);
    let expected = everything(&plain);
    workspace.0.crash();
    drop(workspace);
    let workspace = open(dir.path());
    assert_eq!(everything(&workspace), expected);
    let total = metrics_account(&workspace).1;
    // A resend of what is sealed and of what is not: nothing is doubled.
    assert_eq!(rounds(&workspace, 290..310), 0);
    assert_eq!(everything(&workspace), expected);
    assert_eq!(metrics_account(&workspace).1, total);
    assert_eq!(append(&workspace, batch(&series("m", 1), &[(T0 + 299 * 15_000, 1e9)])).conflicting, 1);
    let late = append(&workspace, batch(&series("m", 1), &[(T0 + 299 * 15_000 + 1, 1e9)]));
    assert_eq!((late.stored, late.out_of_order), (1, 1), "into a sealed time, by the window of its series");
    assert_eq!(append(&workspace, batch(&series("m", 1), &[(T0 + 1, 1.0)])).too_old, 1);
    workspace.seal().unwrap();
    let column = columns(&workspace, "m").remove(1).1;
    assert!(column.times.windows(2).all(|pair| pair[0] < pair[1]));
}

#[test]
fn small_blocks_are_joined_and_the_answer_stays() {
    let workspace = Workspace::in_memory(options()).unwrap();
    for part in 0..9 {
        rounds(&workspace, part * 20..(part + 1) * 20);
        workspace.seal().unwrap();
    }
    let (before, account) = (everything(&workspace), metrics_account(&workspace));
    assert_eq!(workspace.0.shared.metrics.view().blocks.len(), 9);
    workspace.retain().unwrap();
    assert_eq!(workspace.0.shared.metrics.view().blocks.len(), 1);
    assert_eq!(everything(&workspace), before);
    assert_eq!(metrics_account(&workspace), account);
}

fn parts(workspace: &Workspace) -> i64 {
    let count = |connection: &rusqlite::Connection| {
        let counted = connection.query_row("SELECT COUNT(DISTINCT id >> 20) FROM metric_part", [], |row| row.get(0));
        counted.map_err(super::super::StoreError::sqlite("counting"))
    };
    workspace.0.shared.read(count).unwrap()
}

#[test]
fn a_set_that_was_picked_before_blocks_are_joined_is_read_whole_after() {
    let dir = tempfile::tempdir().unwrap();
    let workspace = open(dir.path());
    for part in 0..9 {
        rounds(&workspace, part * 20..(part + 1) * 20);
        workspace.seal().unwrap();
    }
    let before = columns(&workspace, "m");
    *super::super::shared::lock(&workspace.0.shared.metrics.parts) = super::seal::PartCache::default();
    let matchers = [by_name("m")];
    let request = SeriesRequest { matchers: &matchers, range: MillisRange::ALL, limit: 0 };
    let set = workspace.metrics().select(&request, &QueryControl::default()).unwrap();
    workspace.retain().unwrap();
    workspace.retain().unwrap();
    assert_eq!((workspace.0.shared.metrics.view().blocks.len(), parts(&workspace)), (1, 10), "the set holds the nine");
    let mut column = SampleColumn::default();
    for (at, (_, expected)) in before.iter().enumerate() {
        *super::super::shared::lock(&workspace.0.shared.metrics.parts) = super::seal::PartCache::default();
        set.read(at, MillisRange::ALL, &mut column).unwrap();
        assert_eq!(column.times, expected.times);
    }
    workspace.0.crash();
    drop((set, workspace));
    let workspace = open(dir.path());
    assert_eq!(parts(&workspace), 1, "what a crash left behind is deleted at the start");
    for part in 9..18 {
        rounds(&workspace, part * 20..(part + 1) * 20);
        workspace.seal().unwrap();
    }
    workspace.retain().unwrap();
    workspace.retain().unwrap();
    assert_eq!(parts(&workspace) as usize, workspace.0.shared.metrics.view().blocks.len(), "nobody holds them");
}

#[test]
fn a_damaged_row_of_the_dictionary_gives_its_numbers_to_nobody_and_stays() {
    for sealed in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        let workspace = open(dir.path());
        append(&workspace, batch(&series("first", 1), &[(T0, 1.0)]));
        append(&workspace, batch(&series("lost", 1), &[(T0, 2.0)]));
        if sealed {
            workspace.seal().unwrap();
        }
        workspace.0.crash();
        drop(workspace);
        let file = dir.path().join("data.sqlite");
        let connection = rusqlite::Connection::open(file).unwrap();
        let damage = "UPDATE series SET payload = x'ff' WHERE id = (SELECT MAX(id) FROM series)";
        assert_eq!(connection.execute(damage, []).unwrap(), 1);
        drop(connection);
        let workspace = open(dir.path());
        assert!(!workspace.problems().is_empty());
        append(&workspace, batch(&series("new", 1), &[(T0 + 1, 3.0)]));
        assert_eq!(samples(&workspace, "new"), bits(&[(T0 + 1, 3.0)]), "not what the lost series had");
        assert_eq!(samples(&workspace, "first"), bits(&[(T0, 1.0)]));
    }
}

#[test]
fn clear_takes_samples_of_all_or_a_service_and_undo_brings_them_back() {
    let workspace = Workspace::in_memory(options()).unwrap();
    rounds(&workspace, 0..50);
    let other = Labels::new([("__name__", "m"), ("job", "web")]);
    append(&workspace, batch(&other, &[(T0, 1.0)]));
    let (before, account) = (everything(&workspace), metrics_account(&workspace));
    for (what, left) in [(super::super::Clear::All, 0), (super::super::Clear::Service("cart".into()), 1)] {
        let token = workspace.clear(what).unwrap();
        let now = columns(&workspace, "m").iter().filter(|(_, column)| !column.is_empty()).count();
        assert_eq!(now, left);
        assert_eq!(metrics_account(&workspace).1, left as u64);
        workspace.undo_clear(token).unwrap();
        assert_eq!(everything(&workspace), before);
        assert_eq!(metrics_account(&workspace), account);
    }
}

#[test]
fn retention_drops_old_samples_and_then_their_series() {
    let workspace = Workspace::in_memory(Options { max_age: std::time::Duration::from_secs(3_600), ..options() }).unwrap();
    let at = |labels: &Labels, hours: i64| {
        let received = UnixNanos((T0 - hours * 60 * MINUTE) * 1_000_000);
        let batch = batch(labels, &[(T0 - hours * 60 * MINUTE, 1.0)]);
        workspace.append_samples(Door::Api, batch, received).unwrap().wait().unwrap();
        workspace.seal().unwrap();
    };
    at(&series("old", 1), 3);
    at(&series("new", 1), 0);
    workspace.retain().unwrap();
    assert_eq!((columns(&workspace, "old").len(), columns(&workspace, "new").len()), (0, 1));
    assert_eq!(workspace.usage().series, 1);
    assert_eq!(metrics_account(&workspace), (2, 1, 0, 0, 1));
    at(&series("old", 1), 0);
    assert_eq!(samples(&workspace, "old").len(), 1, "a forgotten series may come again");
}

#[test]
fn series_without_samples_in_the_range_are_left_out() {
    let workspace = Workspace::in_memory(options()).unwrap();
    append(&workspace, batch(&series("m", 1), &[(T0, 1.0)]));
    workspace.seal().unwrap();
    append(&workspace, batch(&series("m", 2), &[(T0 + 90 * MINUTE, 1.0)]));
    let matchers = [by_name("m")];
    let source = workspace.metrics();
    let count = |start: i64, end: i64| {
        let request = SeriesRequest { matchers: &matchers, range: MillisRange { start, end }, limit: 0 };
        source.select(&request, &QueryControl::default()).unwrap().series().len()
    };
    assert_eq!((count(T0, T0), count(T0 + MINUTE, T0 + 90 * MINUTE), count(T0, T0 + 90 * MINUTE), count(0, 5)), (1, 1, 2, 0));
    let range = MillisRange { start: T0 + MINUTE, end: i64::MAX };
    assert_eq!(source.label_values("n", &[], range, &QueryControl::default()).unwrap(), ["2"]);
    assert_eq!(source.label_values("n", &[], MillisRange::ALL, &QueryControl::default()).unwrap(), ["1", "2"]);
}

#[test]
fn a_crash_between_freezing_and_sealing_loses_and_doubles_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let workspace = open(dir.path());
    let first = rounds(&workspace, 0..30);
    let frozen = workspace.0.ask_keeper(|keeper| {
        keeper.write(|writer| {
            writer.freeze_samples();
            Ok(())
        })
    });
    frozen.unwrap();
    let second = rounds(&workspace, 30..60);
    let expected = everything(&workspace);
    workspace.0.crash();
    drop(workspace);
    let workspace = open(dir.path());
    assert_eq!(everything(&workspace), expected);
    assert_eq!(metrics_account(&workspace).1, first + second);
    assert_eq!(rounds(&workspace, 0..60), 0, "a resend is known");
    workspace.seal().unwrap();
    assert_eq!(everything(&workspace), expected);
}

#[test]
fn what_is_sealed_while_others_append_is_there_once() {
    let dir = tempfile::tempdir().unwrap();
    let workspace = open(dir.path());
    let total: u64 = std::thread::scope(|scope| {
        let senders: Vec<_> = (0..3)
            .map(|sender| {
                let workspace = &workspace;
                scope.spawn(move || {
                    let send = |round: i64| {
                        let mut batch = SampleBatch::default();
                        for n in 0..20 {
                            batch.begin_series(&series("m", sender * 100 + n));
                            batch.push_float(T0 + round * 1_000, round as f64);
                        }
                        append(workspace, batch).stored
                    };
                    (0..40).map(send).sum::<u64>()
                })
            })
            .collect();
        (0..6).for_each(|_| workspace.seal().unwrap());
        senders.into_iter().map(|sender| sender.join().unwrap()).sum()
    });
    assert_eq!(total, 3 * 40 * 20);
    let check = |workspace: &Workspace| {
        let all = columns(workspace, "m");
        assert_eq!(all.len(), 60);
        for (labels, column) in all {
            let expected: Vec<i64> = (0..40).map(|round| T0 + round * 1_000).collect();
            assert_eq!(column.times, expected, "{labels}");
        }
        assert_eq!(metrics_account(workspace).1, total);
    };
    check(&workspace);
    workspace.0.crash();
    drop(workspace);
    check(&open(dir.path()));
}

#[test]
fn cardinality_names_the_largest_metric_label_and_pair() {
    let workspace = Workspace::in_memory(Options { series_limit: 77, ..options() }).unwrap();
    append(&workspace, batch(&series("gone", 1), &[(T0, 1.0)]));
    workspace.seal().unwrap();
    (0..5).for_each(|n| _ = append(&workspace, batch(&series("m", n), &[(T0, 1.0)])));
    let counts = workspace.cardinality(2);
    assert_eq!((counts.series, counts.active, counts.limit), (6, 5, 77));
    assert_eq!(counts.names, [("m".into(), 5), ("gone".into(), 1)]);
    assert_eq!(counts.labels, [("n".into(), 5), ("__name__".into(), 2)]);
    assert_eq!(counts.pairs, [("job".into(), "shop/cart".into(), 6), ("__name__".into(), "m".into(), 5)]);
    assert_eq!(counts.doors, [(Door::Api, 6)]);
}
