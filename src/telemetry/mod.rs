//! What the program counts about itself: counters, gauges and histograms on atomics, no lock on the hot path.
//!
//! Instruments are plain values owned by whoever updates them; [`Registry`] keeps shared handles for `/metrics` and for
//! the own workspace. Registering takes a lock, updating never does.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Upper bounds in seconds of [`Histogram`]'s buckets, the last one open: 100 µs to 10 s, about three a decade.
pub const SECONDS_BUCKETS: [f64; 16] =
    [1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0];

/// Only goes up.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `amount`.
    pub fn add(&self, amount: u64) {
        self.0.fetch_add(amount, Ordering::Relaxed);
    }

    /// The sum so far.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Goes up and down.
#[derive(Debug, Default)]
pub struct Gauge(AtomicI64);

impl Gauge {
    /// Sets the value.
    pub fn set(&self, value: i64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// Adds a signed amount.
    pub fn add(&self, amount: i64) {
        self.0.fetch_add(amount, Ordering::Relaxed);
    }

    /// The value now.
    pub fn get(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Durations in the fixed buckets of [`SECONDS_BUCKETS`].
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [AtomicU64; SECONDS_BUCKETS.len() + 1],
    sum_ns: AtomicU64,
}

impl Histogram {
    /// Counts one duration.
    pub fn observe(&self, length: std::time::Duration) {
        let seconds = length.as_secs_f64();
        let at = SECONDS_BUCKETS.partition_point(|bound| *bound < seconds);
        self.buckets[at].fetch_add(1, Ordering::Relaxed);
        self.sum_ns.fetch_add(u64::try_from(length.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

/// One registered instrument.
#[derive(Clone, Debug)]
enum Instrument {
    Counter(Arc<Counter>),
    Gauge(Arc<Gauge>),
    Histogram(Arc<Histogram>),
}

#[derive(Debug)]
struct Entry {
    name: &'static str,
    help: &'static str,
    /// Rendered labels, `a="b",c="d"`, escaped.
    labels: String,
    instrument: Instrument,
}

/// Every instrument of the program. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Registry(Arc<Mutex<Vec<Entry>>>);

impl Registry {
    fn register(&self, name: &'static str, help: &'static str, labels: &[(&str, &str)], instrument: Instrument) -> Instrument {
        let labels = render_labels(labels);
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = entries.iter().find(|entry| entry.name == name && entry.labels == labels) {
            return known.instrument.clone();
        }
        entries.push(Entry { name, help, labels, instrument: instrument.clone() });
        instrument
    }

    /// The counter of this name and these labels, made on first use. Names end in `_total`.
    pub fn counter(&self, name: &'static str, help: &'static str, labels: &[(&str, &str)]) -> Arc<Counter> {
        match self.register(name, help, labels, Instrument::Counter(Arc::default())) {
            Instrument::Counter(counter) => counter,
            _ => Arc::default(),
        }
    }

    /// The gauge of this name and these labels, made on first use.
    pub fn gauge(&self, name: &'static str, help: &'static str, labels: &[(&str, &str)]) -> Arc<Gauge> {
        match self.register(name, help, labels, Instrument::Gauge(Arc::default())) {
            Instrument::Gauge(gauge) => gauge,
            _ => Arc::default(),
        }
    }

    /// The histogram of this name and these labels, made on first use. Names end in `_seconds`.
    pub fn histogram(&self, name: &'static str, help: &'static str, labels: &[(&str, &str)]) -> Arc<Histogram> {
        match self.register(name, help, labels, Instrument::Histogram(Arc::default())) {
            Instrument::Histogram(histogram) => histogram,
            _ => Arc::default(),
        }
    }

    /// Everything in the Prometheus text format 0.0.4, families and series in a fixed order.
    pub fn expose(&self) -> String {
        let entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut order: Vec<&Entry> = entries.iter().collect();
        order.sort_by(|a, b| a.name.cmp(b.name).then_with(|| a.labels.cmp(&b.labels)));
        let mut text = String::new();
        let mut family = "";
        for entry in order {
            if entry.name != family {
                family = entry.name;
                let kind = match entry.instrument {
                    Instrument::Counter(_) => "counter",
                    Instrument::Gauge(_) => "gauge",
                    Instrument::Histogram(_) => "histogram",
                };
                writeln!(text, "# HELP {family} {}\n# TYPE {family} {kind}", entry.help).ok();
            }
            entry.expose(&mut text);
        }
        text
    }
}

impl Entry {
    fn expose(&self, text: &mut String) {
        let braces = |extra: &str| match (self.labels.as_str(), extra) {
            ("", "") => String::new(),
            (labels, "") => format!("{{{labels}}}"),
            ("", extra) => format!("{{{extra}}}"),
            (labels, extra) => format!("{{{labels},{extra}}}"),
        };
        match &self.instrument {
            Instrument::Counter(counter) => writeln!(text, "{}{} {}", self.name, braces(""), counter.get()).ok(),
            Instrument::Gauge(gauge) => writeln!(text, "{}{} {}", self.name, braces(""), gauge.get()).ok(),
            Instrument::Histogram(histogram) => {
                let mut total = 0;
                for (at, bucket) in histogram.buckets.iter().enumerate() {
                    total += bucket.load(Ordering::Relaxed);
                    let bound = SECONDS_BUCKETS.get(at).map_or_else(|| "+Inf".to_owned(), f64::to_string);
                    writeln!(text, "{}_bucket{} {total}", self.name, braces(&format!("le=\"{bound}\""))).ok();
                }
                let sum = histogram.sum_ns.load(Ordering::Relaxed) as f64 / 1e9;
                writeln!(text, "{}_sum{} {sum}\n{}_count{} {total}", self.name, braces(""), self.name, braces("")).ok()
            }
        };
    }
}

fn render_labels(labels: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (index, (name, value)) in labels.iter().enumerate() {
        let comma = if index > 0 { "," } else { "" };
        let escaped = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        write!(text, "{comma}{name}=\"{escaped}\"").ok();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exposition_is_ordered_and_escaped() {
        let registry = Registry::default();
        registry.counter("belvedere_spans_received_total", "Spans received", &[("service", "a\"b")]).add(3);
        registry.counter("belvedere_spans_received_total", "Spans received", &[("service", "a\"b")]).add(1);
        registry.gauge("belvedere_head_bytes", "Head", &[]).set(-1);
        let text = registry.expose();
        assert!(
            text.starts_with("# HELP belvedere_head_bytes Head\n# TYPE belvedere_head_bytes gauge\nbelvedere_head_bytes -1\n")
        );
        assert!(text.contains("belvedere_spans_received_total{service=\"a\\\"b\"} 4\n"));
    }

    #[test]
    fn a_histogram_counts_a_bound_into_its_own_bucket() {
        let registry = Registry::default();
        let histogram = registry.histogram("x_seconds", "X", &[]);
        histogram.observe(std::time::Duration::from_millis(1));
        histogram.observe(std::time::Duration::from_secs(60));
        let text = registry.expose();
        assert!(text.contains("x_seconds_bucket{le=\"0.001\"} 1\n"));
        assert!(text.contains("x_seconds_bucket{le=\"+Inf\"} 2\n"));
        assert!(text.contains("x_seconds_sum 60.001\nx_seconds_count 2\n"));
    }
}
