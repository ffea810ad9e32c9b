//! Where what was received goes.

use crate::model::{Door, Labels, SampleBatch, SampleColumn, SampleValue, Signal, SpanBatch, UnixNanos};
use crate::source::{MatchOp, Matcher, MillisRange, QueryControl, SeriesRequest, SeriesSource};
use crate::store::{Busy, Receipt, Workspace};
use bytes::Bytes;
use smol_str::SmolStr;

/// Takes what was received. No call blocks; the receipt resolves when the data is on disk.
pub trait Sink: Send + Sync {
    /// Spans.
    fn append_spans(&self, door: Door, batch: SpanBatch, received: UnixNanos) -> Result<Receipt, Busy>;

    /// Samples. The receipt says what became of each of them.
    fn append_samples(&self, door: Door, batch: SampleBatch, received: UnixNanos) -> Result<Receipt, Busy>;

    /// The last stored sample of a series, by its packed labels: time, start and value, times in milliseconds.
    fn last_sample(&self, labels: &[u8]) -> Option<(i64, i64, SampleValue)>;

    /// Metrics or logs as OTLP protobuf, with the number of data points or records by service.
    fn append_raw(
        &self,
        door: Door,
        signal: Signal,
        payload: Bytes,
        per_service: Vec<(SmolStr, u64)>,
        received: UnixNanos,
    ) -> Result<Receipt, Busy>;

    /// Counts items that were refused for good.
    fn note_rejected(&self, door: Door, service: &str, signal: Signal, count: u64);
}

impl Sink for Workspace {
    fn append_spans(&self, door: Door, batch: SpanBatch, received: UnixNanos) -> Result<Receipt, Busy> {
        Self::append_spans(self, door, batch, received)
    }

    fn append_samples(&self, door: Door, batch: SampleBatch, received: UnixNanos) -> Result<Receipt, Busy> {
        Self::append_samples(self, door, batch, received)
    }

    fn last_sample(&self, labels: &[u8]) -> Option<(i64, i64, SampleValue)> {
        last_of(&*self.metrics(), labels)
    }

    fn append_raw(
        &self,
        door: Door,
        signal: Signal,
        payload: Bytes,
        per_service: Vec<(SmolStr, u64)>,
        received: UnixNanos,
    ) -> Result<Receipt, Busy> {
        Self::append_raw(self, door, signal, payload, per_service, received)
    }

    fn note_rejected(&self, door: Door, service: &str, signal: Signal, count: u64) {
        Self::note_rejected(self, door, service, signal, count);
    }
}

/// How far back the last sample of a series is looked for, in milliseconds, one step after the other.
const LOOK_BACK_MS: [i64; 3] = [3_600_000, 86_400_000, i64::MAX];

/// The last sample of a series of a source. A failed read is as if there were none: the series starts again.
pub(crate) fn last_of(source: &dyn SeriesSource, labels: &[u8]) -> Option<(i64, i64, SampleValue)> {
    let labels = Labels::from_packed(labels)?;
    let equal = |(name, value): (&str, &str)| Matcher { name: name.into(), op: MatchOp::Equal, value: value.into() };
    let matchers: Vec<Matcher> = labels.iter().map(equal).collect();
    let control = QueryControl::default();
    let end = source.samples_extent().map(|extent| extent.end.0.div_euclid(1_000_000))?;
    for back in LOOK_BACK_MS {
        let range = MillisRange { start: end.saturating_sub(back), end: i64::MAX };
        let set = source.select(&SeriesRequest { matchers: &matchers, range, limit: 0 }, &control).ok()?;
        let Some(index) = set.series().iter().position(|series| series.labels == labels) else { continue };
        let mut column = SampleColumn::default();
        set.read(index, range, &mut column).ok()?;
        if let (Some(time), Some(value)) = (column.times.last(), column.values.last()) {
            let last = column.times.len() as u32 - 1;
            let value = match column.histograms.last().filter(|(at, _)| *at == last) {
                Some((_, histogram)) => SampleValue::Histogram(histogram.clone()),
                None => SampleValue::Float(*value),
            };
            return Some((*time, column.starts.last().copied().unwrap_or_default(), value));
        }
    }
    None
}
