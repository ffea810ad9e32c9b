//! Warnings and infos that an answer comes with, in Prometheus' words, each with the place it is about.

use super::position::Span;
use super::text::{float_g, quote};
use std::collections::HashMap;

/// During what custom bounds or reset hints met.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[allow(missing_docs, reason = "named after the operation")]
pub enum HistogramOperation {
    Addition,
    Subtraction,
    Aggregation,
}

impl HistogramOperation {
    fn word(self) -> &'static str {
        match self {
            Self::Addition => "addition",
            Self::Subtraction => "subtraction",
            Self::Aggregation => "aggregation",
        }
    }
}

/// What is noted. Numbers are kept as bits, so that equal notes are one.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[allow(missing_docs, reason = "each is named after what its text says")]
pub enum Note {
    InvalidQuantile(u64),
    InvalidRatio(u64, u64),
    InvalidIntegralStrategy(u64),
    BadBucketLabel { metric: String, label: String },
    MixedFloatsHistograms(String),
    MixedFloatsHistogramsAggregation,
    MixedClassicNative(String),
    NotCounter(String),
    NotGauge(String),
    MixedExponentialCustom(String),
    IncompatibleBucketLayout(&'static str),
    SortInRangeQuery,
    ResetCollision(HistogramOperation),
    StartTimeOverlap(String),
    PossibleNonCounter(String),
    PossibleNonCounterType { metric: String, kind: String },
    ForcedMonotonicity(String),
    IncompatibleTypes { left: &'static str, op: &'static str, right: &'static str },
    HistogramIgnoredInAggregation(&'static str),
    HistogramIgnoredInMixedRange(String),
    QuantileNan(String),
    QuantileSkew(String),
    FractionNan(String),
    MismatchedCustomBuckets(HistogramOperation),
}

impl Note {
    /// True for a warning, false for an info.
    pub fn is_warning(&self) -> bool {
        !matches!(
            self,
            Self::PossibleNonCounter(_)
                | Self::PossibleNonCounterType { .. }
                | Self::ForcedMonotonicity(_)
                | Self::IncompatibleTypes { .. }
                | Self::HistogramIgnoredInAggregation(_)
                | Self::HistogramIgnoredInMixedRange(_)
                | Self::QuantileNan(_)
                | Self::QuantileSkew(_)
                | Self::FractionNan(_)
                | Self::MismatchedCustomBuckets(_)
        )
    }

    fn text(&self) -> String {
        let named = |text: &str, metric: &str| {
            if metric.is_empty() { text.to_owned() } else { format!("{text} for metric name {}", quote(metric)) }
        };
        let number = |bits: u64| float_g(f64::from_bits(bits));
        match self {
            Self::InvalidQuantile(bits) => format!("quantile value should be between 0 and 1, got {}", number(*bits)),
            Self::InvalidRatio(bits, to) => {
                format!("ratio value should be between -1 and 1, got {}, capping to {}", number(*bits), number(*to))
            }
            Self::InvalidIntegralStrategy(bits) => {
                format!("strategy should be 0, 1, or 2 (default), using 2, got {}", number(*bits))
            }
            Self::BadBucketLabel { metric, label } => {
                named(&format!("bucket label \"le\" is missing or has a malformed value of {}", quote(label)), metric)
            }
            Self::MixedFloatsHistograms(metric) => {
                format!("encountered a mix of histograms and floats for metric name {}", quote(metric))
            }
            Self::MixedFloatsHistogramsAggregation => "encountered a mix of histograms and floats for aggregation".to_owned(),
            Self::MixedClassicNative(metric) => named("vector contains a mix of classic and native histograms", metric),
            Self::NotCounter(metric) => format!("this native histogram metric is not a counter: {}", quote(metric)),
            Self::NotGauge(metric) => format!("this native histogram metric is not a gauge: {}", quote(metric)),
            Self::MixedExponentialCustom(metric) => format!(
                "vector contains a mix of histograms with exponential and custom buckets schemas for metric name {}",
                quote(metric)
            ),
            Self::IncompatibleBucketLayout(op) => format!("incompatible bucket layout encountered for binary operator {op}"),
            Self::SortInRangeQuery => {
                "sort is ineffective for range queries since results are always ordered by labels".to_owned()
            }
            Self::ResetCollision(operation) => format!("conflicting counter resets during histogram {}", operation.word()),
            Self::StartTimeOverlap(metric) => {
                format!("sample has start time that overlaps with previous sample timestamp for metric {}", quote(metric))
            }
            Self::PossibleNonCounter(metric) => {
                format!("metric might not be a counter, name does not end in _total/_sum/_count/_bucket: {}", quote(metric))
            }
            Self::PossibleNonCounterType { metric, kind } => format!(
                "metric might not be a counter, __type__ label is not set to \"counter\" or \"histogram\", got {}: {}",
                quote(kind),
                quote(metric)
            ),
            Self::ForcedMonotonicity(metric) => named(
                "input to histogram_quantile needed to be fixed for monotonicity (see https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile)",
                metric,
            ),
            Self::IncompatibleTypes { left, op, right } => {
                format!("incompatible sample types encountered for binary operator {}: {left} {op} {right}", quote(op))
            }
            Self::HistogramIgnoredInAggregation(op) => format!("ignored histogram in {op} aggregation"),
            Self::HistogramIgnoredInMixedRange(metric) => {
                format!("ignored histograms in a range containing both floats and histograms for metric name {}", quote(metric))
            }
            Self::QuantileNan(metric) => named("input to histogram_quantile has NaN observations, result is NaN", metric),
            Self::QuantileSkew(metric) => {
                named("input to histogram_quantile has NaN observations, result is skewed higher", metric)
            }
            Self::FractionNan(metric) => {
                named("input to histogram_fraction has NaN observations, which are excluded from all fractions", metric)
            }
            Self::MismatchedCustomBuckets(operation) => {
                format!("mismatched custom buckets were reconciled during {}", operation.word())
            }
        }
    }
}

/// What several equal notes add up to.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Extent {
    /// Milliseconds of the first and last.
    pub times: (i64, i64),
    /// Lowest and highest bucket bound that was fixed.
    pub buckets: (f64, f64),
    /// Largest fix.
    pub largest: f64,
    /// How many.
    pub count: u64,
}

impl Default for Extent {
    fn default() -> Self {
        Self { times: (0, 0), buckets: (f64::INFINITY, f64::NEG_INFINITY), largest: 0.0, count: 1 }
    }
}

/// Notes of an evaluation; equal ones are kept once, with the place of the last.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Notes(HashMap<Note, (Span, Extent)>);

impl Notes {
    /// Adds a note about a place.
    pub fn add(&mut self, note: Note, at: Span) {
        self.add_extent(note, at, Extent::default());
    }

    pub(crate) fn add_extent(&mut self, note: Note, at: Span, extent: Extent) {
        self.0
            .entry(note)
            .and_modify(|(place, known)| {
                *place = at;
                known.times = (known.times.0.min(extent.times.0), known.times.1.max(extent.times.1));
                known.buckets = (known.buckets.0.min(extent.buckets.0), known.buckets.1.max(extent.buckets.1));
                known.largest = known.largest.max(extent.largest);
                known.count += extent.count;
            })
            .or_insert((at, extent));
    }

    /// Takes over those of another.
    pub fn merge(&mut self, other: Self) {
        for (note, (at, extent)) in other.0 {
            self.add_extent(note, at, extent);
        }
    }

    /// True without any.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Warnings and infos as the API gives them, with their places in the query, sorted.
    pub fn texts(&self, query: &str) -> (Vec<String>, Vec<String>) {
        let (mut warnings, mut infos) = (Vec::new(), Vec::new());
        for (note, (at, extent)) in &self.0 {
            let place = at.place(query);
            let level = if note.is_warning() { "warning" } else { "info" };
            let mut text = format!("PromQL {level}: {}", note.text());
            match note {
                Note::ForcedMonotonicity(_) => text.push_str(&format!(
                    ", from buckets {} to {}, with a max diff of {}, over {} samples from {} to {}",
                    float_g(extent.buckets.0),
                    float_g(extent.buckets.1),
                    two_digits(extent.largest),
                    extent.count,
                    rfc3339(extent.times.0),
                    rfc3339(extent.times.1)
                )),
                Note::StartTimeOverlap(_) if extent.count > 1 => text.push_str(&format!(" ({} occurrences)", extent.count)),
                _ => {}
            }
            text.push_str(&format!(" ({place})"));
            if note.is_warning() { warnings.push(text) } else { infos.push(text) }
        }
        warnings.sort();
        infos.sort();
        (warnings, infos)
    }
}

/// Go's `%.2g`.
fn two_digits(value: f64) -> String {
    let text = format!("{value:.1e}");
    let Some((digits, exponent)) = text.split_once('e') else { return text };
    let power: i32 = exponent.parse().unwrap_or(0);
    if (-4..2).contains(&power) {
        return float_g(text.parse().unwrap_or(value));
    }
    let digits = digits.strip_suffix(".0").unwrap_or(digits);
    format!("{digits}e{}{:02}", if power < 0 { '-' } else { '+' }, power.abs())
}

fn rfc3339(ms: i64) -> String {
    jiff::Timestamp::from_second(ms.div_euclid(1_000)).map_or_else(|_| ms.to_string(), |time| time.to_string())
}
