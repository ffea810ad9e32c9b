//! Metric samples: a value at a time, a column of them for one series, and the batch in which they travel to the store.
//!
//! Times are milliseconds since 1970 (the resolution of Prometheus, whose semantics rule here). NaN payloads are data:
//! [`STALE_NAN`] marks a series that has ended, and no code may rewrite one NaN as another.

use super::{FloatHistogram, Labels};
use smol_str::SmolStr;
use std::ops::Range;
use std::sync::Arc;

/// Bits of the NaN that marks a series as ended.
pub const STALE_NAN_BITS: u64 = 0x7ff0_0000_0000_0002;

/// Bits of the NaN that arithmetic and Prometheus' parsers give.
pub const NORMAL_NAN_BITS: u64 = 0x7ff8_0000_0000_0001;

/// The stale marker.
pub const STALE_NAN: f64 = f64::from_bits(STALE_NAN_BITS);

/// True for the stale marker and for no other NaN.
pub fn is_stale(value: f64) -> bool {
    value.to_bits() == STALE_NAN_BITS
}

/// A sample's value.
#[derive(Clone, PartialEq, Debug)]
pub enum SampleValue {
    /// A number.
    Float(f64),
    /// A native histogram; a stale one has the stale marker as its sum.
    Histogram(Arc<FloatHistogram>),
}

/// Samples of one series by time, strictly rising. Reused between series, so that a scan allocates once.
#[derive(Clone, Debug, Default)]
pub struct SampleColumn {
    /// Milliseconds.
    pub times: Vec<i64>,
    /// Values; where a histogram stands, its place holds the histogram's sum.
    pub values: Vec<f64>,
    /// Histograms with the index of their sample, by index; empty for series of floats.
    pub histograms: Vec<(u32, Arc<FloatHistogram>)>,
    /// Start times of a cumulative value in milliseconds (0 is unknown), one a sample; empty when none is known.
    pub starts: Vec<i64>,
}

impl SampleColumn {
    /// Empties it, keeping its memory.
    pub fn clear(&mut self) {
        self.times.clear();
        self.values.clear();
        self.histograms.clear();
        self.starts.clear();
    }

    /// Number of samples.
    pub fn len(&self) -> usize {
        self.times.len()
    }

    /// True without samples.
    pub fn is_empty(&self) -> bool {
        self.times.is_empty()
    }

    /// Appends a sample that is later than the last.
    pub fn push(&mut self, time: i64, value: SampleValue) {
        self.times.push(time);
        match value {
            SampleValue::Float(value) => self.values.push(value),
            SampleValue::Histogram(histogram) => {
                self.values.push(histogram.sum);
                self.histograms.push((self.times.len() as u32 - 1, histogram));
            }
        }
    }
}

/// What a metric is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
pub enum MetricKind {
    /// Not said.
    #[default]
    Unknown,
    /// Rises, and starts again at zero.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Buckets, classic or native.
    Histogram,
    /// A histogram that goes up and down.
    GaugeHistogram,
    /// Quantiles.
    Summary,
    /// Constant 1, its labels are the message.
    Info,
    /// One of several states.
    StateSet,
}

impl MetricKind {
    /// The word of the exposition formats and of the HTTP API.
    pub fn word(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::GaugeHistogram => "gaugehistogram",
            Self::Summary => "summary",
            Self::Info => "info",
            Self::StateSet => "stateset",
        }
    }
}

/// What is known of a metric by its family's name.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct MetricMetadata {
    /// The family: `http_requests` of `http_requests_total` in OpenMetrics, the whole name in the text format.
    pub family: SmolStr,
    /// Kind.
    pub kind: MetricKind,
    /// Help text.
    pub help: SmolStr,
    /// Unit, empty when not said.
    pub unit: SmolStr,
}

/// An example behind a sample: a trace, most often.
#[derive(Clone, PartialEq, Debug)]
pub struct Exemplar {
    /// `trace_id`, `span_id` and others.
    pub labels: Labels,
    /// The observed value.
    pub value: f64,
    /// Milliseconds.
    pub time: i64,
}

/// The samples of one series within a [`SampleBatch`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BatchSeries {
    /// The label set in [`SampleBatch::labels`], packed as [`Labels::packed`] has it.
    pub labels: Range<u32>,
    /// Its samples in `times` and `values`.
    pub samples: Range<u32>,
}

/// Samples on their way to the store: columns, each label set once and already in the form of the series dictionary, so
/// that a known series costs a hash and no allocation.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct SampleBatch {
    /// Packed label sets, one after the other.
    pub labels: Vec<u8>,
    /// Series, in the order they came; the same set may come twice.
    pub series: Vec<BatchSeries>,
    /// Milliseconds.
    pub times: Vec<i64>,
    /// Values; where a histogram stands, its sum.
    pub values: Vec<f64>,
    /// Start times in milliseconds, one a sample; empty when none is known.
    pub starts: Vec<i64>,
    /// Histograms with the index of their sample, by index.
    pub histograms: Vec<(u32, Arc<FloatHistogram>)>,
    /// Exemplars with the index of their series.
    pub exemplars: Vec<(u32, Exemplar)>,
    /// Metadata that came along.
    pub metadata: Vec<MetricMetadata>,
}

impl SampleBatch {
    /// Begins a series; samples pushed from here on are its own.
    pub fn begin_series(&mut self, labels: &Labels) {
        let start = self.labels.len() as u32;
        self.labels.extend_from_slice(labels.packed());
        self.begin_packed(start);
    }

    /// Begins a series whose packed label set was appended to [`Self::labels`] from `start` on.
    pub fn begin_packed(&mut self, start: u32) {
        let at = self.times.len() as u32;
        self.series.push(BatchSeries { labels: start..self.labels.len() as u32, samples: at..at });
    }

    /// Appends a sample to the series begun last.
    pub fn push(&mut self, time: i64, value: SampleValue) {
        match value {
            SampleValue::Float(value) => self.push_float(time, value),
            SampleValue::Histogram(histogram) => {
                self.push_float(time, histogram.sum);
                self.histograms.push((self.times.len() as u32 - 1, histogram));
            }
        }
    }

    /// Appends a number to the series begun last.
    pub fn push_float(&mut self, time: i64, value: f64) {
        self.times.push(time);
        self.values.push(value);
        if let Some(series) = self.series.last_mut() {
            series.samples.end = self.times.len() as u32;
        }
    }

    /// The packed label set of a series.
    pub fn packed_labels(&self, series: &BatchSeries) -> &[u8] {
        self.labels.get(series.labels.start as usize..series.labels.end as usize).unwrap_or_default()
    }

    /// Samples in all.
    pub fn len(&self) -> usize {
        self.times.len()
    }

    /// True without samples.
    pub fn is_empty(&self) -> bool {
        self.times.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_keeps_series_apart_and_the_stale_marker_exact() {
        let mut batch = SampleBatch::default();
        let up = Labels::new([("__name__", "up")]);
        batch.begin_series(&up);
        batch.push_float(1_000, 1.0);
        batch.push_float(2_000, STALE_NAN);
        batch.begin_series(&Labels::new([("__name__", "h")]));
        batch.push(
            1_000,
            SampleValue::Histogram(Arc::new(FloatHistogram { sum: 3.5, count: 2.0, ..FloatHistogram::default() })),
        );
        assert_eq!(batch.series.iter().map(|series| series.samples.clone()).collect::<Vec<_>>(), [0..2, 2..3]);
        assert_eq!(batch.packed_labels(&batch.series[0]), up.packed());
        assert!(is_stale(batch.values[1]));
        assert!(!is_stale(f64::NAN));
        assert_eq!(batch.histograms[0].0, 2);
    }
}
