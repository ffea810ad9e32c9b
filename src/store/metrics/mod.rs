//! The metric half of the store: samples by series.
//!
//! A batch ([`SampleBatch`]) is resolved to numbers of series on its sender's thread ([`index`]), checked for duplicates and
//! age on the writer's ([`desk`]), journaled in the group commit of everything else ([`row`]), and visible in the head
//! ([`head`]) before it is acknowledged. The keeper seals the head into blocks ([`seal`], [`block`], [`pack`]). Readers pick series by sorted lists ([`matching`]) and read them one at a time
//! ([`source`]).
//!
//! Rules of what is taken: a sample later than the last of its series is stored; an earlier one too, up to
//! [`OUT_OF_ORDER_WINDOW_MS`] before the last (imported files know no such limit); the same time with the same value is a
//! duplicate and ignored, with another value it is refused and the first one stays. A new series is refused when the door
//! that it came by has reached its limit; known ones never are.
//!
//! Times are milliseconds; receipts are nanoseconds.

mod block;
mod cardinality;
mod desk;
mod head;
mod histogram;
mod index;
mod matching;
mod pack;
mod row;
mod seal;
mod source;
#[cfg(test)]
mod tests;
mod xor;

pub use cardinality::Cardinality;
pub(crate) use desk::{Desk, Group};

use super::Appended;
use super::error::StoreError;
use super::shared::{lock, read_lock, write_lock};
use crate::model::{Door, Labels, MetricMetadata, SampleBatch, UnixNanos};
use crate::source::SeriesSource;
use block::Block;
use head::Generation;
use index::{Index, SeriesId};
use row::Rows;
use smol_str::SmolStr;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use tokio::sync::oneshot;

/// How far before the last sample of its series a sample may be, in milliseconds.
pub const OUT_OF_ORDER_WINDOW_MS: i64 = 30 * 60 * 1_000;
/// Bytes of a label set above which a series is refused.
const LONGEST_LABELS: usize = 64 << 10;

/// Why samples were refused for good.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum Refusal {
    /// The same time as a stored sample, with another value.
    Conflicting = 0,
    /// Too long before the last sample of the series.
    TooOld = 1,
    /// A new series, and the door has as many as it may.
    OverLimit = 2,
    /// A label set that is none, or too long.
    Invalid = 3,
}

impl Refusal {
    /// All reasons, in the order of their numbers.
    pub const ALL: [Self; 4] = [Self::Conflicting, Self::TooOld, Self::OverLimit, Self::Invalid];

    /// The word in labels of metrics and in the API.
    pub fn name(self) -> &'static str {
        ["conflicting", "too_old", "over_limit", "invalid"][self as usize]
    }

    /// The sentence for people.
    pub fn text(self) -> &'static str {
        [
            "another value is stored for the same time; the first one stays",
            "more than 30 minutes older than the last sample of the series",
            "the door has as many series as it may; raise its limit, or drop a label that has too many values",
            "the labels cannot be read or take more than 64 KiB",
        ][self as usize]
    }
}

/// Everything stored of metrics, as of one moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct View {
    /// Takes samples.
    pub(crate) active: Arc<Generation>,
    /// Being packed, oldest first.
    pub(crate) frozen: Vec<Arc<Generation>>,
    /// Sealed, oldest first, hidden ones left out.
    pub(crate) blocks: Arc<Vec<Arc<Block>>>,
}

/// What writer, keeper and readers share of metrics.
pub(crate) struct Metrics {
    pub(crate) index: RwLock<Index>,
    view: Mutex<View>,
    metadata: RwLock<BTreeMap<SmolStr, MetricMetadata>>,
    /// Metadata that is not written down yet.
    unwritten: Mutex<Vec<MetricMetadata>>,
    refusals: Mutex<BTreeMap<(Door, Refusal), u64>>,
    parts: Mutex<seal::PartCache>,
    revision: AtomicU64,
    series_limit: AtomicU64,
}

/// A batch on its way to the writer.
pub(crate) struct SamplesJob {
    door: Door,
    received: UnixNanos,
    rows: Rows,
    /// The journal row.
    row: Vec<u8>,
    /// Refused already: by reason, and by service.
    refused: Vec<(Refusal, SmolStr, u64)>,
    pub(crate) weight: usize,
    reply: oneshot::Sender<Result<Appended, StoreError>>,
}

impl SamplesJob {
    /// Bytes of its journal row.
    pub(crate) fn row_bytes(&self) -> usize {
        self.row.len()
    }
}

/// Bytes that a batch takes while it waits.
pub(crate) fn weight(batch: &SampleBatch) -> usize {
    let histograms: usize = batch.histograms.iter().map(|(_, one)| 160 + 8 * one.positive_buckets.len()).sum();
    batch.labels.len() + batch.times.len() * 24 + batch.series.len() * 24 + batch.exemplars.len() * 96 + histograms
}

impl Metrics {
    pub(crate) fn new(series_limit: u64) -> Self {
        Self {
            index: RwLock::default(),
            view: Mutex::default(),
            metadata: RwLock::default(),
            unwritten: Mutex::default(),
            refusals: Mutex::default(),
            parts: Mutex::default(),
            revision: AtomicU64::new(1),
            series_limit: AtomicU64::new(series_limit),
        }
    }

    /// Everything stored, as of now.
    pub(crate) fn view(&self) -> View {
        lock(&self.view).clone()
    }

    /// Samples that are not sealed yet.
    pub(crate) fn head_samples(&self) -> u64 {
        let view = self.view();
        view.active.samples() + view.frozen.iter().map(|frozen| frozen.samples()).sum::<u64>()
    }

    pub(crate) fn revision(&self) -> u64 {
        self.revision.load(Ordering::Acquire)
    }

    pub(crate) fn changed(&self) {
        self.revision.fetch_add(1, Ordering::AcqRel);
    }

    pub(crate) fn series_limit(&self) -> u64 {
        self.series_limit.load(Ordering::Relaxed)
    }

    pub(crate) fn set_series_limit(&self, limit: u64) {
        self.series_limit.store(limit, Ordering::Relaxed);
    }

    /// Refused samples by door and reason.
    pub(crate) fn refusals(&self) -> Vec<(Door, Refusal, u64)> {
        lock(&self.refusals).iter().map(|((door, refusal), count)| (*door, *refusal, *count)).collect()
    }

    /// Numbers the series of a batch, makes those that are new, and packs the journal row. Runs on the sender's thread.
    pub(crate) fn resolve(
        &self,
        door: Door,
        mut batch: SampleBatch,
        received: UnixNanos,
        weight: usize,
        reply: oneshot::Sender<Result<Appended, StoreError>>,
    ) -> SamplesJob {
        self.note_metadata(std::mem::take(&mut batch.metadata));
        let mut ids: Vec<Option<SeriesId>> = Vec::with_capacity(batch.series.len());
        let mut unknown = Vec::new();
        {
            let index = read_lock(&self.index);
            for (at, series) in batch.series.iter().enumerate() {
                let id = index.find(batch.packed_labels(series));
                if id.is_none() {
                    unknown.push(at);
                }
                ids.push(id);
            }
        }
        let mut refused = Vec::new();
        if !unknown.is_empty() {
            self.create(door, &batch, &unknown, &mut ids, &mut refused);
        }
        let rows = Rows::new(batch, &ids);
        let row = rows.encode();
        SamplesJob { door, received, rows, row, refused, weight, reply }
    }

    fn create(
        &self,
        door: Door,
        batch: &SampleBatch,
        unknown: &[usize],
        ids: &mut [Option<SeriesId>],
        refused: &mut Vec<(Refusal, SmolStr, u64)>,
    ) {
        let limit = self.series_limit();
        // Read before the lock is taken: this is most of the work.
        let read = |at: &usize| {
            let packed = batch.packed_labels(&batch.series[*at]);
            let fits = packed.len() <= LONGEST_LABELS;
            (*at, Labels::from_packed(packed).filter(|labels| fits && !labels.is_empty()))
        };
        let sets: Vec<(usize, Option<Labels>)> = unknown.iter().map(read).collect();
        let mut index = write_lock(&self.index);
        for (at, labels) in sets {
            let count = batch.series[at].samples.len() as u64;
            let Some(labels) = labels else {
                refused.push((Refusal::Invalid, SmolStr::default(), count));
                continue;
            };
            // Another sender, or the same batch, may have made it meanwhile.
            ids[at] = index.find(labels.packed());
            if ids[at].is_none() && (index.of_door(door) as u64) < limit {
                ids[at] = Some(index.create(labels, door));
            } else if ids[at].is_none() {
                refused.push((Refusal::OverLimit, index::service_of(&labels).into(), count));
            }
        }
    }

    fn note_metadata(&self, metadata: Vec<MetricMetadata>) {
        for one in metadata {
            if read_lock(&self.metadata).get(&one.family) == Some(&one) {
                continue;
            }
            write_lock(&self.metadata).insert(one.family.clone(), one.clone());
            lock(&self.unwritten).push(one);
            self.changed();
        }
    }

    /// Samples by service.
    fn services(&self, rows: &Rows) -> Vec<(SmolStr, u64)> {
        let index = read_lock(&self.index);
        let mut counts: Vec<(u32, u64)> = Vec::new();
        for entry in &rows.entries {
            let Some(series) = index.get(entry.series) else { continue };
            let samples = entry.samples.len() as u64;
            match counts.last_mut().filter(|(service, _)| *service == series.service) {
                Some((_, count)) => *count += samples,
                None => counts.push((series.service, samples)),
            }
        }
        counts.sort_unstable();
        let mut merged: Vec<(u32, u64)> = Vec::new();
        for (service, count) in counts {
            match merged.last_mut().filter(|(known, _)| *known == service) {
                Some((_, sum)) => *sum += count,
                None => merged.push((service, count)),
            }
        }
        merged.into_iter().map(|(service, count)| (index.service(service), count)).collect()
    }
}

/// The stored metrics, to read from.
pub(crate) fn open_source(shared: Arc<super::shared::Shared>) -> Arc<dyn SeriesSource> {
    Arc::new(source::MetricsSource::new(shared))
}
