//! The stored metrics as a [`SeriesSource`].

use super::super::shared::{Shared, read_lock};
use super::View;
use super::head::Mark;
use super::index::SeriesId;
use super::matching;
use crate::model::{Exemplar, Labels, MetricMetadata, SampleColumn, UnixNanos};
use crate::source::{
    Matcher, MillisRange, PickedSeries, QueryControl, SeriesRequest, SeriesSet, SeriesSource, SourceError, TimeRange,
};
use smol_str::SmolStr;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Nanoseconds of a millisecond.
const MS: i64 = 1_000_000;

/// See the module comment.
pub(crate) struct MetricsSource {
    shared: Arc<Shared>,
}

impl MetricsSource {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }
}

/// Picked series with all they had at that moment.
struct Picked {
    view: View,
    series: Vec<PickedSeries>,
    /// Of each series, what the active generation had.
    marks: Vec<Mark>,
}

impl SeriesSet for Picked {
    fn series(&self) -> &[PickedSeries] {
        &self.series
    }

    fn read(&self, index: usize, range: MillisRange, into: &mut SampleColumn) -> Result<(), SourceError> {
        into.clear();
        let (Some(series), Some(mark)) = (self.series.get(index), self.marks.get(index)) else { return Ok(()) };
        let id = series.id as SeriesId;
        let mut ordered = true;
        let mut part = |read: &mut dyn FnMut(&mut SampleColumn)| {
            let before = into.len();
            read(into);
            ordered &= before == 0 || into.len() == before || into.times[before] > into.times[before - 1];
        };
        for frozen in &self.view.frozen {
            part(&mut |into| frozen.read(id, range, Mark::ALL, into));
        }
        part(&mut |into| self.view.active.read(id, range, *mark, into));
        if !ordered {
            into_order(into);
        }
        Ok(())
    }
}

/// Sorts by time; of equal times the one that was stored first stays.
fn into_order(column: &mut SampleColumn) {
    let mut order: Vec<u32> = (0..column.len() as u32).collect();
    order.sort_by_key(|at| column.times[*at as usize]);
    order.dedup_by_key(|at| column.times[*at as usize]);
    let mut sorted = SampleColumn::default();
    for at in order {
        let place = at as usize;
        if let Ok(found) = column.histograms.binary_search_by_key(&at, |(sample, _)| *sample) {
            sorted.histograms.push((sorted.times.len() as u32, column.histograms[found].1.clone()));
        }
        sorted.times.push(column.times[place]);
        sorted.values.push(column.values[place]);
        if let Some(start) = column.starts.get(place) {
            sorted.starts.push(*start);
        }
    }
    *column = sorted;
}

impl SeriesSource for MetricsSource {
    fn select(&self, request: &SeriesRequest<'_>, control: &QueryControl) -> Result<Box<dyn SeriesSet>, SourceError> {
        control.check()?;
        let metrics = &self.shared.metrics;
        let view = metrics.view();
        let mut series: Vec<PickedSeries> = {
            let index = read_lock(&metrics.index);
            let picked = matching::pick(&index, request.matchers)?;
            if request.limit > 0 && picked.len() > request.limit {
                let what = format!("{} series", picked.len());
                return Err(SourceError::TooMuch { what, limit: request.limit as u64 });
            }
            let one = |id: SeriesId| Some(PickedSeries { id: u64::from(id), labels: index.get(id)?.labels.clone() });
            picked.into_iter().filter_map(one).collect()
        };
        control.check()?;
        series.sort_unstable_by(|a, b| a.labels.cmp(&b.labels));
        let ids: Vec<SeriesId> = series.iter().map(|series| series.id as SeriesId).collect();
        let marks = view.active.marks(&ids);
        Ok(Box::new(Picked { view, series, marks }))
    }

    fn label_names(
        &self,
        any_of: &[Vec<Matcher>],
        _range: MillisRange,
        control: &QueryControl,
    ) -> Result<Vec<SmolStr>, SourceError> {
        control.check()?;
        let index = read_lock(&self.shared.metrics.index);
        let picked = matching::pick_any(&index, any_of)?;
        Ok(matching::names_of(&index, picked.as_deref()))
    }

    fn label_values(
        &self,
        name: &str,
        any_of: &[Vec<Matcher>],
        _range: MillisRange,
        control: &QueryControl,
    ) -> Result<Vec<SmolStr>, SourceError> {
        control.check()?;
        let index = read_lock(&self.shared.metrics.index);
        let picked = matching::pick_any(&index, any_of)?;
        Ok(matching::values_of(&index, name, picked.as_deref()))
    }

    fn metadata(&self, family: &str) -> Result<Vec<MetricMetadata>, SourceError> {
        let metadata = read_lock(&self.shared.metrics.metadata);
        Ok(match family {
            "" => metadata.values().cloned().collect(),
            family => metadata.get(family).cloned().into_iter().collect(),
        })
    }

    fn exemplars(
        &self,
        any_of: &[Vec<Matcher>],
        range: MillisRange,
        control: &QueryControl,
    ) -> Result<Vec<(Labels, Vec<Exemplar>)>, SourceError> {
        control.check()?;
        let view = self.shared.metrics.view();
        let index = read_lock(&self.shared.metrics.index);
        let picked = matching::pick_any(&index, any_of)?;
        let mut found: BTreeMap<SeriesId, Vec<Exemplar>> = BTreeMap::new();
        for generation in view.frozen.iter().chain([&view.active]) {
            for (id, exemplar) in generation.exemplars() {
                let inside = range.start <= exemplar.time && exemplar.time <= range.end;
                if inside && picked.as_ref().is_none_or(|picked| picked.binary_search(&id).is_ok()) {
                    found.entry(id).or_default().push(exemplar);
                }
            }
        }
        let one = |(id, mut list): (SeriesId, Vec<Exemplar>)| {
            list.sort_by_key(|exemplar| exemplar.time);
            list.dedup();
            Some((index.get(id)?.labels.clone(), list))
        };
        let mut all: Vec<(Labels, Vec<Exemplar>)> = found.into_iter().filter_map(one).collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(all)
    }

    fn samples_extent(&self) -> Option<TimeRange> {
        let view = self.shared.metrics.view();
        let extents = view.frozen.iter().chain([&view.active]).filter_map(|generation| generation.extent());
        let (first, last) = extents.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))?;
        let nanos = |time: i64| UnixNanos(time.saturating_mul(MS));
        Some(TimeRange { start: nanos(first), end: nanos(last.saturating_add(1)) })
    }

    fn samples_revision(&self) -> u64 {
        self.shared.metrics.revision()
    }
}
