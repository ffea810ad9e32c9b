//! What StatsD lines add up to: cumulative counters, gauges, native histograms, distinct values of a flush.
//!
//! Rules: `reference/doors.md` section 4. A counter is `NAME_total` and only rises; `ms` is a histogram `NAME_seconds`; `h`
//! and `d` are histograms; a set is a gauge of its members since the last flush; a check is a gauge `NAME_check` of its
//! status. Every series is told again at each flush until nothing was heard of it for an hour, so that it does not go
//! stale. Pure: the clock is the caller's.

use crate::model::labels::is_label_identifier;
use crate::model::{FloatHistogram, Labels, MetricKind, MetricMetadata, SampleBatch, SampleValue};
use crate::wire::native;
use crate::wire::statsd::{StatsdCheck, StatsdKind, StatsdMetric, StatsdValue};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;

/// Resolution of histograms: buckets grow by 9 %.
const SCHEMA: i32 = 3;
/// Observations of at most this absolute value count as zero; the default of Prometheus' clients.
const ZERO_THRESHOLD: f64 = 2.938_735_877_055_719e-39;
/// Series that are kept; new ones above are refused.
const MOST_SERIES: usize = 100_000;
/// Members of one set between two flushes.
const MOST_MEMBERS: usize = 1_000_000;
/// A series that nobody spoke of for this long is forgotten, in milliseconds.
const FORGOTTEN_AFTER_MS: i64 = 3_600_000;

/// Why a line was not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Refused(pub(super) &'static str);

#[derive(Debug)]
enum Sum {
    Counter(f64),
    Gauge(f64),
    Set(HashSet<u64>),
    Histogram(Observed),
}

#[derive(Debug, Default)]
struct Observed {
    count: f64,
    sum: f64,
    zero: f64,
    positive: BTreeMap<i32, f64>,
    negative: BTreeMap<i32, f64>,
}

struct Entry {
    sum: Sum,
    /// When the series began, in milliseconds.
    since: i64,
    /// When it was heard of last.
    heard: i64,
}

/// What a flush took out and what comes back when it is not stored; sums stay where they are.
#[derive(Default)]
pub(super) struct Taken {
    sets: Vec<(Labels, HashSet<u64>)>,
    timed: Vec<(Labels, i64, f64)>,
    kinds: BTreeMap<String, MetricKind>,
}

/// Sums by label set.
pub(super) struct Tally {
    entries: HashMap<Labels, Entry>,
    /// Gauges that came with a time of their own.
    timed: Vec<(Labels, i64, f64)>,
    kinds: BTreeMap<String, MetricKind>,
    hasher: RandomState,
}

impl Tally {
    pub(super) fn new() -> Self {
        Self { entries: HashMap::new(), timed: Vec::new(), kinds: BTreeMap::new(), hasher: RandomState::new() }
    }

    /// Takes a metric line.
    pub(super) fn metric(&mut self, metric: &StatsdMetric<'_>, now: i64) -> Result<(), Refused> {
        let name = sanitised(metric.name);
        let (name, kind) = match metric.kind {
            StatsdKind::Counter if name.ends_with("_total") => (name, MetricKind::Counter),
            StatsdKind::Counter => (name + "_total", MetricKind::Counter),
            StatsdKind::Timer if name.ends_with("_seconds") => (name, MetricKind::Histogram),
            StatsdKind::Timer => (name + "_seconds", MetricKind::Histogram),
            StatsdKind::Histogram => (name, MetricKind::Histogram),
            StatsdKind::Gauge | StatsdKind::GaugeChange | StatsdKind::Set => (name, MetricKind::Gauge),
        };
        let labels = labels(&name, &metric.tags);
        if let (StatsdKind::Gauge, Some(time)) = (metric.kind, metric.time) {
            if self.timed.len() >= MOST_SERIES {
                return Err(Refused("too many samples with times of their own wait"));
            }
            self.kinds.insert(name, kind);
            let mut numbers = metric.values.iter().filter_map(number);
            self.timed.extend(numbers.next_back().map(|value| (labels, time, value)));
            return Ok(());
        }
        // A client that sends a share of its events means the others too.
        let weight = match metric.kind {
            StatsdKind::Timer | StatsdKind::Histogram => (1.0 / metric.rate).trunc().max(1.0),
            _ => 1.0 / metric.rate,
        };
        let fresh = || match metric.kind {
            StatsdKind::Counter => Sum::Counter(0.0),
            StatsdKind::Gauge | StatsdKind::GaugeChange => Sum::Gauge(0.0),
            StatsdKind::Set => Sum::Set(HashSet::new()),
            StatsdKind::Timer | StatsdKind::Histogram => Sum::Histogram(Observed::default()),
        };
        let hasher = self.hasher.clone();
        let entry = self.entry(labels, now, fresh)?;
        for value in &metric.values {
            match (&mut entry.sum, value, metric.kind) {
                (Sum::Counter(sum), StatsdValue::Number(value), StatsdKind::Counter) => *sum += value * weight,
                (Sum::Gauge(gauge), StatsdValue::Number(value), StatsdKind::Gauge) => *gauge = *value,
                (Sum::Gauge(gauge), StatsdValue::Number(value), StatsdKind::GaugeChange) => *gauge += value,
                (Sum::Histogram(histogram), StatsdValue::Number(value), StatsdKind::Timer) => {
                    histogram.observe(value / 1000.0, weight);
                }
                (Sum::Histogram(histogram), StatsdValue::Number(value), StatsdKind::Histogram) => {
                    histogram.observe(*value, weight);
                }
                (Sum::Set(members), StatsdValue::Text(text), StatsdKind::Set) => {
                    if members.len() < MOST_MEMBERS {
                        members.insert(hasher.hash_one(text));
                    }
                }
                _ => return Err(Refused("the name is used for another type already")),
            }
        }
        self.kinds.insert(name, kind);
        Ok(())
    }

    /// Takes a check.
    pub(super) fn check(&mut self, check: &StatsdCheck<'_>, now: i64) -> Result<(), Refused> {
        let name = sanitised(check.name) + "_check";
        let mut tags = check.tags.clone();
        if !check.host.is_empty() {
            tags.push(("host", check.host));
        }
        let labels = labels(&name, &tags);
        self.kinds.insert(name, MetricKind::Gauge);
        let entry = self.entry(labels, now, || Sum::Gauge(0.0))?;
        entry.sum = Sum::Gauge(f64::from(check.status));
        Ok(())
    }

    fn entry(&mut self, labels: Labels, now: i64, fresh: impl Fn() -> Sum) -> Result<&mut Entry, Refused> {
        if self.entries.len() >= MOST_SERIES && !self.entries.contains_key(&labels) {
            return Err(Refused("there are as many series as this door keeps: use fewer names or tags"));
        }
        let entry = self.entries.entry(labels).or_insert_with(|| Entry { sum: fresh(), since: now, heard: now });
        entry.heard = now;
        Ok(entry)
    }

    /// Everything as of now. Sets begin anew; what was taken out is to be put back when the batch is not stored.
    pub(super) fn flush(&mut self, now: i64) -> (SampleBatch, Taken) {
        let (mut batch, mut taken) = (SampleBatch::default(), Taken::default());
        self.entries.retain(|_, entry| now - entry.heard < FORGOTTEN_AFTER_MS);
        for (labels, entry) in &mut self.entries {
            batch.begin_series(labels);
            let cumulative = matches!(entry.sum, Sum::Counter(_) | Sum::Histogram(_));
            match &mut entry.sum {
                Sum::Counter(value) | Sum::Gauge(value) => batch.push_float(now, *value),
                Sum::Set(members) => {
                    batch.push_float(now, members.len() as f64);
                    taken.sets.push((labels.clone(), std::mem::take(members)));
                }
                Sum::Histogram(observed) => {
                    batch.push(now, SampleValue::Histogram(Arc::new(observed.histogram())));
                }
            }
            batch.starts.push(if cumulative && entry.since < now { entry.since } else { 0 });
        }
        taken.timed = std::mem::take(&mut self.timed);
        for (labels, time, value) in &taken.timed {
            batch.begin_series(labels);
            batch.push_float(*time, *value);
            batch.starts.push(0);
        }
        let about = |(family, kind)| MetricMetadata { family: String::into(family), kind, ..MetricMetadata::default() };
        taken.kinds = std::mem::take(&mut self.kinds);
        batch.metadata = taken.kinds.clone().into_iter().map(about).collect();
        (batch, taken)
    }

    /// Takes back what a flush that was not stored had taken out: the next one tells it.
    pub(super) fn put_back(&mut self, taken: Taken) {
        for (labels, before) in taken.sets {
            if let Some(Entry { sum: Sum::Set(members), .. }) = self.entries.get_mut(&labels) {
                let room = MOST_MEMBERS.saturating_sub(members.len());
                members.extend(before.into_iter().take(room));
            }
        }
        let later = std::mem::replace(&mut self.timed, taken.timed);
        self.timed.extend(later);
        self.timed.truncate(MOST_SERIES);
        for (name, kind) in taken.kinds {
            self.kinds.entry(name).or_insert(kind);
        }
    }
}

impl Observed {
    fn observe(&mut self, value: f64, weight: f64) {
        self.count += weight;
        self.sum += value * weight;
        let bucket = |value: f64| {
            let mut index = (value.log2() * f64::from(SCHEMA).exp2()).ceil() as i32;
            // The logarithm rounds: a bound belongs to the bucket that ends there.
            if native::bound(SCHEMA, index - 1) >= value {
                index -= 1;
            }
            index
        };
        if value.abs() <= ZERO_THRESHOLD {
            self.zero += weight;
        } else if value > 0.0 {
            *self.positive.entry(bucket(value)).or_default() += weight;
        } else {
            *self.negative.entry(bucket(-value)).or_default() += weight;
        }
    }

    fn histogram(&self) -> FloatHistogram {
        let side = |buckets: &BTreeMap<i32, f64>| native::spanned(buckets.iter().map(|(index, count)| (*index, *count)));
        let (positive_spans, positive_buckets) = side(&self.positive);
        let (negative_spans, negative_buckets) = side(&self.negative);
        FloatHistogram {
            schema: SCHEMA,
            zero_threshold: ZERO_THRESHOLD,
            zero_count: self.zero,
            count: self.count,
            sum: self.sum,
            positive_spans,
            positive_buckets,
            negative_spans,
            negative_buckets,
            ..FloatHistogram::default()
        }
    }
}

fn number(value: &StatsdValue<'_>) -> Option<f64> {
    match value {
        StatsdValue::Number(number) => Some(*number),
        StatsdValue::Text(_) => None,
    }
}

/// Outside `[A-Za-z0-9_]` becomes `_`, a leading digit gets one.
fn sanitised(name: &str) -> String {
    let mut clean: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    if !is_label_identifier(&clean) {
        clean.insert(0, '_');
    }
    clean
}

fn labels(name: &str, tags: &[(&str, &str)]) -> Labels {
    let mut labels = Labels::default().edit();
    for (key, value) in tags {
        labels.set(&sanitised(key), value);
    }
    labels.set("__name__", name);
    labels.build()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::statsd::{self, StatsdItem};

    fn send(tally: &mut Tally, packet: &str, now: i64) -> Vec<&'static str> {
        let mut refused = Vec::new();
        statsd::read(packet.as_bytes(), |item| match item.unwrap() {
            StatsdItem::Metric(metric) => refused.extend(tally.metric(&metric, now).err().map(|refused| refused.0)),
            StatsdItem::Check(check) => tally.check(&check, now).unwrap(),
            StatsdItem::Event(_) => {}
        });
        refused
    }

    fn lines(batch: &SampleBatch) -> Vec<String> {
        let mut lines: Vec<String> = batch
            .series
            .iter()
            .map(|series| {
                let at = series.samples.start;
                let labels = Labels::from_packed(batch.packed_labels(series)).unwrap();
                match batch.histograms.iter().find(|(index, _)| *index == at) {
                    Some((_, histogram)) => format!("{labels} count {} sum {}", histogram.count, histogram.sum),
                    None => format!("{labels} {}", batch.values[at as usize]),
                }
            })
            .collect();
        lines.sort();
        lines
    }

    #[test]
    fn lines_add_up_as_the_goldens_say() {
        let mut tally = Tally::new();
        send(
            &mut tally,
            "a.b:1|c|@0.1\na.t:2:3|ms|#env:dev\ng:333|g\ng:-10|g\ng:+4|g\nu:x|s\nu:y|s\nu:x|s\n_sc|db|2|m:down",
            1_000,
        );
        let batch = tally.flush(11_000).0;
        assert_eq!(
            lines(&batch),
            ["a_b_total 10", r#"a_t_seconds{env="dev"} count 2 sum 0.005"#, "db_check 2", "g 327", "u 2"]
        );
        send(&mut tally, "a.b:5|c", 12_000);
        let lines = lines(&tally.flush(21_000).0);
        assert!(lines.contains(&"a_b_total 15".to_owned()), "counters are cumulative: {lines:?}");
        assert!(lines.contains(&"u 0".to_owned()), "sets begin anew: {lines:?}");
    }

    #[test]
    fn what_was_not_stored_is_told_by_the_next_flush() {
        let mut tally = Tally::new();
        send(&mut tally, "u:x|s\nu:y|s\ng:7|g|T5", 0);
        let (_, taken) = tally.flush(10_000);
        send(&mut tally, "u:y|s\nu:z|s\ng:8|g|T15", 11_000);
        tally.put_back(taken);
        let (batch, _) = tally.flush(20_000);
        assert_eq!(lines(&batch), ["g 7", "g 8", "u 3"]);
        assert_eq!(batch.metadata.len(), 2, "kinds are told again too");
        assert_eq!(lines(&tally.flush(30_000).0), ["u 0"], "and once only");
    }

    #[test]
    fn histograms_put_a_bound_into_the_bucket_that_ends_there() {
        let mut tally = Tally::new();
        send(&mut tally, "h:1:2:0:-4|h|@0.5", 0);
        let batch = tally.flush(1).0;
        let histogram = &batch.histograms[0].1;
        assert_eq!((histogram.count, histogram.zero_count), (8.0, 2.0));
        let positive: Vec<_> =
            native::indexed(&histogram.positive_spans, &histogram.positive_buckets).filter(|(_, count)| *count > 0.0).collect();
        assert_eq!(positive, [(0, 2.0), (8, 2.0)]);
        let negative: Vec<_> = native::indexed(&histogram.negative_spans, &histogram.negative_buckets).collect();
        assert_eq!(negative, [(16, 2.0)]);
    }

    #[test]
    fn names_that_clash_are_refused_and_series_nobody_speaks_of_are_forgotten() {
        let mut tally = Tally::new();
        assert_eq!(send(&mut tally, "x:1|g\nx:1|h", 0), ["the name is used for another type already"]);
        assert_eq!(send(&mut tally, "9.x:1|g|T7", 0), Vec::<&str>::new());
        assert_eq!(lines(&tally.flush(1).0), ["_9_x 1", "x 1"]);
        assert_eq!(lines(&tally.flush(FORGOTTEN_AFTER_MS).0), Vec::<String>::new());
    }
}
