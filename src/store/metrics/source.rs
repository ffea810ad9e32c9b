//! The stored metrics as a [`SeriesSource`].

use super::super::error::StoreError;
use super::super::shared::{Shared, read_lock};
use super::View;
use super::block::SeriesBits;
use super::head::Mark;
use super::index::{Index, SeriesId};
use super::matching;
use super::seal::{SERIES_EXEMPLARS, read_blocks};
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

    /// Adds the exemplars on disk.
    fn sealed_exemplars(
        &self,
        picked: Option<&[SeriesId]>,
        range: MillisRange,
        found: &mut BTreeMap<SeriesId, Vec<Exemplar>>,
    ) -> Result<(), SourceError> {
        let sql = "SELECT series, time, value, labels FROM exemplar WHERE time >= ?1 AND time <= ?2";
        let read = self.shared.read(|connection| {
            let failed = || StoreError::sqlite("reading exemplars");
            let mut statement = connection.prepare_cached(sql).map_err(failed())?;
            let mut rows = statement.query([range.start, range.end]).map_err(failed())?;
            while let Some(row) = rows.next().map_err(failed())? {
                let id = row.get::<_, SeriesId>(0).map_err(failed())?;
                if picked.is_some_and(|picked| picked.binary_search(&id).is_err()) {
                    continue;
                }
                let packed = row.get::<_, Vec<u8>>(3).map_err(failed())?;
                let labels = Labels::from_packed(&packed).unwrap_or_default();
                let (time, value) = (row.get(1).map_err(failed())?, row.get(2).map_err(failed())?);
                found.entry(id).or_default().push(Exemplar { labels, value, time });
            }
            Ok(())
        });
        read.map_err(|error| SourceError::Read(error.to_string()))
    }

    /// Leaves out the series that surely have no sample in the range.
    fn within(&self, view: &View, range: MillisRange, picked: &mut Vec<SeriesId>) {
        let all = view.blocks.iter().all(|block| block.overlaps(range));
        let heads = view.frozen.iter().chain([&view.active]);
        if all && heads.clone().all(|head| head.extent().is_none_or(|extent| overlaps(extent, range))) {
            return;
        }
        let mut held = SeriesBits::default();
        view.blocks.iter().filter(|block| block.overlaps(range)).for_each(|block| held.join(&block.series));
        for head in heads.filter(|head| head.extent().is_some_and(|extent| overlaps(extent, range))) {
            head.series().into_iter().for_each(|id| held.insert(id));
        }
        picked.retain(|id| held.has(*id));
    }

    /// The series that any list picks and that may have a sample in the range; `None` for all of them.
    fn pick_within(
        &self,
        index: &Index,
        any_of: &[Vec<Matcher>],
        range: MillisRange,
    ) -> Result<Option<Vec<SeriesId>>, SourceError> {
        let picked = matching::pick_any(index, any_of)?;
        if range == MillisRange::ALL {
            return Ok(picked);
        }
        let mut picked = picked.unwrap_or_else(|| index.iter().map(|(id, _)| id).collect());
        self.within(&self.shared.metrics.view(), range, &mut picked);
        Ok(Some(picked))
    }
}

/// Picked series with all they had at that moment.
struct Picked {
    shared: Arc<Shared>,
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
        read_blocks(&self.shared, &self.view.blocks, id, range, into).map_err(|error| SourceError::Read(error.to_string()))?;
        // Blocks may overlap one another; a generation is in order, and may begin before what is sealed ends.
        let mut ordered = into.times.windows(2).all(|pair| pair[0] < pair[1]);
        let heads = self.view.frozen.iter().map(|frozen| (frozen, Mark::ALL)).chain([(&self.view.active, *mark)]);
        for (head, mark) in heads {
            let before = into.len();
            head.read(id, range, mark, into);
            ordered &= before == 0 || into.len() == before || into.times[before] > into.times[before - 1];
        }
        if !ordered {
            into_order(into);
        }
        Ok(())
    }
}

fn overlaps((first, last): (i64, i64), range: MillisRange) -> bool {
    first <= range.end && range.start <= last
}

/// Sorts by time; of equal times the one that was stored first stays.
pub(crate) fn into_order(column: &mut SampleColumn) {
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
            let mut picked = matching::pick(&index, request.matchers)?;
            self.within(&view, request.range, &mut picked);
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
        Ok(Box::new(Picked { shared: self.shared.clone(), view, series, marks }))
    }

    fn label_names(
        &self,
        any_of: &[Vec<Matcher>],
        range: MillisRange,
        control: &QueryControl,
    ) -> Result<Vec<SmolStr>, SourceError> {
        control.check()?;
        let index = read_lock(&self.shared.metrics.index);
        let picked = self.pick_within(&index, any_of, range)?;
        Ok(matching::names_of(&index, picked.as_deref()))
    }

    fn label_values(
        &self,
        name: &str,
        any_of: &[Vec<Matcher>],
        range: MillisRange,
        control: &QueryControl,
    ) -> Result<Vec<SmolStr>, SourceError> {
        control.check()?;
        let index = read_lock(&self.shared.metrics.index);
        let picked = self.pick_within(&index, any_of, range)?;
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
        self.sealed_exemplars(picked.as_deref(), range, &mut found)?;
        let one = |(id, mut list): (SeriesId, Vec<Exemplar>)| {
            list.sort_by_key(|exemplar| exemplar.time);
            list.dedup();
            list.drain(..list.len().saturating_sub(SERIES_EXEMPLARS));
            Some((index.get(id)?.labels.clone(), list))
        };
        let mut all: Vec<(Labels, Vec<Exemplar>)> = found.into_iter().filter_map(one).collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(all)
    }

    fn samples_extent(&self) -> Option<TimeRange> {
        let view = self.shared.metrics.view();
        let heads = view.frozen.iter().chain([&view.active]).filter_map(|generation| generation.extent());
        let extents = view.blocks.iter().map(|block| block.times).chain(heads);
        let (first, last) = extents.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))?;
        let nanos = |time: i64| UnixNanos(time.saturating_mul(MS));
        Some(TimeRange { start: nanos(first), end: nanos(last.saturating_add(1)) })
    }

    fn samples_revision(&self) -> u64 {
        self.shared.metrics.revision()
    }
}
