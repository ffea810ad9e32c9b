//! Metric series in memory: an opened file, a test's data.

use super::{
    Matcher, MillisRange, PickedSeries, QueryControl, ReadyMatchers, SeriesRequest, SeriesSet, SeriesSource, SourceError,
    TimeRange,
};
use crate::model::{Exemplar, Labels, MetricMetadata, SampleColumn, UnixNanos};
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

const NANOS_PER_MILLI: i64 = 1_000_000;

/// One series.
#[derive(Clone, Debug, Default)]
struct Series {
    labels: Labels,
    samples: Arc<SampleColumn>,
    exemplars: Vec<Exemplar>,
}

/// Series in memory, sorted by labels. Cheap to query from several threads; changed by `&mut` alone.
#[derive(Clone, Debug, Default)]
pub struct MemorySeries {
    series: Vec<Series>,
    metadata: BTreeMap<SmolStr, MetricMetadata>,
    revision: u64,
}

impl MemorySeries {
    /// Adds samples of a series, those later than what is there; the caller brings them by rising time.
    pub fn append(&mut self, labels: &Labels, samples: &SampleColumn) {
        self.revision += 1;
        let series = self.series_mut(labels);
        let into = Arc::make_mut(&mut series.samples);
        let base = into.len() as u32;
        if into.starts.len() < into.len() || (into.starts.is_empty() && !samples.starts.is_empty()) {
            into.starts.resize(into.len(), 0);
        }
        into.times.extend_from_slice(&samples.times);
        into.values.extend_from_slice(&samples.values);
        into.starts.extend_from_slice(&samples.starts);
        if !into.starts.is_empty() {
            into.starts.resize(into.times.len(), 0);
        }
        into.histograms.extend(samples.histograms.iter().map(|(index, histogram)| (index + base, histogram.clone())));
    }

    /// Adds an exemplar of a series.
    pub fn append_exemplar(&mut self, labels: &Labels, exemplar: Exemplar) {
        self.revision += 1;
        self.series_mut(labels).exemplars.push(exemplar);
    }

    /// Sets what is known of a family.
    pub fn set_metadata(&mut self, metadata: MetricMetadata) {
        self.revision += 1;
        self.metadata.insert(metadata.family.clone(), metadata);
    }

    /// Number of series.
    pub fn len(&self) -> usize {
        self.series.len()
    }

    /// True without series.
    pub fn is_empty(&self) -> bool {
        self.series.is_empty()
    }

    fn series_mut(&mut self, labels: &Labels) -> &mut Series {
        let place = match self.series.binary_search_by(|series| series.labels.cmp(labels)) {
            Ok(place) => place,
            Err(place) => {
                self.series.insert(place, Series { labels: labels.clone(), ..Series::default() });
                place
            }
        };
        &mut self.series[place]
    }

    /// Series that any of the matcher lists picks, in order.
    fn any(&self, any_of: &[Vec<Matcher>], control: &QueryControl) -> Result<Vec<&Series>, SourceError> {
        let lists: Vec<ReadyMatchers> = any_of.iter().map(|list| ReadyMatchers::new(list)).collect::<Result<_, _>>()?;
        control.check()?;
        let picked = |series: &&Series| lists.is_empty() || lists.iter().any(|list| list.matches(&series.labels));
        Ok(self.series.iter().filter(picked).collect())
    }
}

/// Indices of the samples in a range.
fn window(times: &[i64], range: MillisRange) -> std::ops::Range<usize> {
    let start = times.partition_point(|time| *time < range.start);
    let end = times.partition_point(|time| *time <= range.end);
    start..end.max(start)
}

struct Picked {
    series: Vec<PickedSeries>,
    samples: Vec<Arc<SampleColumn>>,
}

impl SeriesSet for Picked {
    fn series(&self) -> &[PickedSeries] {
        &self.series
    }

    fn read(&self, index: usize, range: MillisRange, into: &mut SampleColumn) -> Result<(), SourceError> {
        into.clear();
        let Some(samples) = self.samples.get(index) else { return Ok(()) };
        let window = window(&samples.times, range);
        into.times.extend_from_slice(&samples.times[window.clone()]);
        into.values.extend_from_slice(&samples.values[window.clone()]);
        if !samples.starts.is_empty() {
            into.starts.extend_from_slice(&samples.starts[window.clone()]);
        }
        let first = samples.histograms.partition_point(|(index, _)| (*index as usize) < window.start);
        let inside = samples.histograms[first..].iter().take_while(|(index, _)| (*index as usize) < window.end);
        into.histograms.extend(inside.map(|(index, histogram)| (index - window.start as u32, histogram.clone())));
        Ok(())
    }
}

impl SeriesSource for MemorySeries {
    fn select(&self, request: &SeriesRequest<'_>, control: &QueryControl) -> Result<Box<dyn SeriesSet>, SourceError> {
        control.check()?;
        let matchers = ReadyMatchers::new(request.matchers)?;
        let mut picked = Picked { series: Vec::new(), samples: Vec::new() };
        for (id, series) in self.series.iter().enumerate() {
            if !matchers.matches(&series.labels) || window(&series.samples.times, request.range).is_empty() {
                continue;
            }
            if request.limit > 0 && picked.series.len() == request.limit {
                return Err(SourceError::TooMuch { what: "more series".to_owned(), limit: request.limit as u64 });
            }
            picked.series.push(PickedSeries { id: id as u64, labels: series.labels.clone() });
            picked.samples.push(series.samples.clone());
        }
        Ok(Box::new(picked))
    }

    fn label_names(
        &self,
        any_of: &[Vec<Matcher>],
        range: MillisRange,
        control: &QueryControl,
    ) -> Result<Vec<SmolStr>, SourceError> {
        let mut names: BTreeSet<&str> = BTreeSet::new();
        let series = self.any(any_of, control)?;
        for series in series.into_iter().filter(|series| !window(&series.samples.times, range).is_empty()) {
            names.extend(series.labels.iter().map(|(name, _)| name));
        }
        Ok(names.into_iter().map(SmolStr::new).collect())
    }

    fn label_values(
        &self,
        name: &str,
        any_of: &[Vec<Matcher>],
        range: MillisRange,
        control: &QueryControl,
    ) -> Result<Vec<SmolStr>, SourceError> {
        let series = self.any(any_of, control)?;
        let values: BTreeSet<&str> = series
            .into_iter()
            .filter(|series| !window(&series.samples.times, range).is_empty())
            .map(|series| series.labels.get(name))
            .filter(|value| !value.is_empty())
            .collect();
        Ok(values.into_iter().map(SmolStr::new).collect())
    }

    fn metadata(&self, family: &str) -> Result<Vec<MetricMetadata>, SourceError> {
        let wanted = |metadata: &&MetricMetadata| family.is_empty() || metadata.family == family;
        Ok(self.metadata.values().filter(wanted).cloned().collect())
    }

    fn exemplars(
        &self,
        any_of: &[Vec<Matcher>],
        range: MillisRange,
        control: &QueryControl,
    ) -> Result<Vec<(Labels, Vec<Exemplar>)>, SourceError> {
        let mut found = Vec::new();
        for series in self.any(any_of, control)? {
            let inside = |exemplar: &&Exemplar| (range.start..=range.end).contains(&exemplar.time);
            let mut exemplars: Vec<Exemplar> = series.exemplars.iter().filter(inside).cloned().collect();
            if !exemplars.is_empty() {
                exemplars.sort_by_key(|exemplar| exemplar.time);
                found.push((series.labels.clone(), exemplars));
            }
        }
        Ok(found)
    }

    fn samples_extent(&self) -> Option<TimeRange> {
        let first = self.series.iter().filter_map(|series| series.samples.times.first()).min()?;
        let last = self.series.iter().filter_map(|series| series.samples.times.last()).max()?;
        Some(TimeRange {
            start: UnixNanos(first.saturating_mul(NANOS_PER_MILLI)),
            end: UnixNanos(last.saturating_mul(NANOS_PER_MILLI).saturating_add(1)),
        })
    }

    fn samples_revision(&self) -> u64 {
        self.revision
    }
}

#[cfg(test)]
mod tests {
    use super::super::MatchOp;
    use super::*;
    use crate::model::{FloatHistogram, SampleValue};

    fn source() -> MemorySeries {
        let mut source = MemorySeries::default();
        for (name, zone) in [("up", "b"), ("up", "a"), ("down", "a")] {
            let mut samples = SampleColumn::default();
            for time in 0..5 {
                samples.push(time * 1_000, SampleValue::Float(time as f64));
            }
            source.append(&Labels::new([("__name__", name), ("zone", zone)]), &samples);
        }
        source
    }

    #[test]
    fn series_are_picked_in_order_and_read_in_a_closed_range() {
        let source = source();
        let matchers = [Matcher { name: "__name__".into(), op: MatchOp::Equal, value: "up".into() }];
        let request = SeriesRequest { matchers: &matchers, range: MillisRange::ALL, limit: 0 };
        let set = source.select(&request, &QueryControl::default()).unwrap();
        let zones: Vec<&str> = set.series().iter().map(|series| series.labels.get("zone")).collect();
        assert_eq!(zones, ["a", "b"]);
        let mut column = SampleColumn::default();
        set.read(1, MillisRange { start: 1_000, end: 3_000 }, &mut column).unwrap();
        assert_eq!(column.times, [1_000, 2_000, 3_000]);
        let limited = SeriesRequest { limit: 1, ..request };
        assert!(matches!(source.select(&limited, &QueryControl::default()), Err(SourceError::TooMuch { .. })));
    }

    #[test]
    fn histograms_keep_their_places() {
        let mut source = MemorySeries::default();
        let labels = Labels::new([("__name__", "h")]);
        let mut samples = SampleColumn::default();
        samples.push(0, SampleValue::Float(1.0));
        samples.push(1, SampleValue::Histogram(Arc::new(FloatHistogram { sum: 7.0, ..FloatHistogram::default() })));
        source.append(&labels, &samples);
        samples.clear();
        samples.push(2, SampleValue::Histogram(Arc::new(FloatHistogram { sum: 8.0, ..FloatHistogram::default() })));
        source.append(&labels, &samples);
        let request = SeriesRequest { matchers: &[], range: MillisRange::ALL, limit: 0 };
        let set = source.select(&request, &QueryControl::default()).unwrap();
        set.read(0, MillisRange { start: 1, end: 2 }, &mut samples).unwrap();
        let sums: Vec<(u32, f64)> = samples.histograms.iter().map(|(index, histogram)| (*index, histogram.sum)).collect();
        assert_eq!(sums, [(0, 7.0), (1, 8.0)]);
    }

    #[test]
    fn names_and_values_are_of_matching_series() {
        let source = source();
        let control = QueryControl::default();
        let up = vec![Matcher { name: "__name__".into(), op: MatchOp::Equal, value: "up".into() }];
        assert_eq!(source.label_values("zone", &[up], MillisRange::ALL, &control).unwrap(), ["a", "b"]);
        assert_eq!(source.label_names(&[], MillisRange::ALL, &control).unwrap(), ["__name__", "zone"]);
        let later = MillisRange { start: 9_000, end: 10_000 };
        assert!(source.label_names(&[], later, &control).unwrap().is_empty());
    }
}
