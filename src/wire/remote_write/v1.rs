//! `prometheus.WriteRequest`: 1 timeseries {1 labels, 2 samples, 3 exemplars, 4 histograms}, 3 metadata.

use super::super::native;
use super::super::otlp::pb::{Fault, Field, Fields, Read, Within, broken};
use super::labels::{LabelFault, LabelWriter, push_message, shown};
use super::{Decoded, message};
use crate::model::sample::BatchSeries;
use crate::model::{Exemplar, Labels, MetricKind, MetricMetadata, SampleBatch};
use std::sync::Arc;

pub(super) fn decode(body: &[u8], decoded: &mut Decoded) -> Read<()> {
    let mut fields = Fields::new(body);
    let (mut series, mut metadata) = (0, 0);
    while let Some(field) = fields.next()? {
        match field {
            (1, Field::Bytes(message)) => {
                time_series(message, decoded).within("timeseries", series)?;
                series += 1;
            }
            (3, Field::Bytes(message)) => {
                let read = self::metadata(message).within("metadata", metadata)?;
                decoded.batch.metadata.push(read);
                metadata += 1;
            }
            (1 | 3, _) => return broken(Fault::Mismatch, fields.rest()),
            _ => {}
        }
    }
    Ok(())
}

#[inline]
fn time_series(message: &[u8], decoded: &mut Decoded) -> Read<()> {
    let mut series = OpenSeries::begin(&decoded.batch);
    let mut labels = LabelWriter::new(&decoded.batch.labels);
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next()? {
        match field {
            (1, Field::Bytes(label)) => push_message(&mut labels, &mut decoded.batch.labels, label).inside("labels")?,
            (2, Field::Bytes(sample)) => {
                let (time, value, _) = message::sample(sample).inside("samples")?;
                decoded.batch.times.push(time);
                decoded.batch.values.push(value);
            }
            (3, Field::Bytes(bytes)) => series.exemplars.push(exemplar(bytes).inside("exemplars")?),
            (4, Field::Bytes(bytes)) => {
                let (time, _, histogram) = message::histogram(bytes).inside("histograms")?;
                series.histogram(decoded, time, histogram);
            }
            (1..=4, _) => return broken(Fault::Mismatch, fields.rest()),
            _ => {}
        }
    }
    let named = labels.finish(&mut decoded.batch.labels, false);
    series.end(decoded, labels.start(), named);
    Ok(())
}

/// `Exemplar`: 1 labels, 2 value, 3 time. `None` for labels that are none.
fn exemplar(message: &[u8]) -> Read<Option<Exemplar>> {
    let mut packed = Vec::new();
    let mut labels = LabelWriter::new(&packed);
    let (mut value, mut time) = (0.0, 0);
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next()? {
        match field {
            (1, Field::Bytes(label)) => push_message(&mut labels, &mut packed, label)?,
            (2, Field::Fixed64(bits)) => value = f64::from_bits(bits),
            (3, Field::Varint(millis)) => time = millis as i64,
            (1..=3, _) => return broken(Fault::Mismatch, fields.rest()),
            _ => {}
        }
    }
    Ok(match labels.finish(&mut packed, false) {
        Ok(()) | Err(LabelFault::NoName) => Labels::from_packed(&packed).map(|labels| Exemplar { labels, value, time }),
        Err(_) => None,
    })
}

/// `MetricMetadata`: 1 type, 2 family, 4 help, 5 unit.
fn metadata(message: &[u8]) -> Read<MetricMetadata> {
    let mut metadata = MetricMetadata::default();
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next()? {
        let text = |bytes| String::from_utf8_lossy(bytes).into();
        match field {
            (1, Field::Varint(kind)) => metadata.kind = self::kind(kind),
            (2, Field::Bytes(bytes)) => metadata.family = text(bytes),
            (4, Field::Bytes(bytes)) => metadata.help = text(bytes),
            (5, Field::Bytes(bytes)) => metadata.unit = text(bytes),
            (1 | 2 | 4 | 5, _) => return broken(Fault::Mismatch, fields.rest()),
            _ => {}
        }
    }
    Ok(metadata)
}

/// The number of a metric's kind, the same in both versions.
pub(super) fn kind(number: u64) -> MetricKind {
    match number {
        1 => MetricKind::Counter,
        2 => MetricKind::Gauge,
        3 => MetricKind::Histogram,
        4 => MetricKind::GaugeHistogram,
        5 => MetricKind::Summary,
        6 => MetricKind::Info,
        7 => MetricKind::StateSet,
        _ => MetricKind::Unknown,
    }
}

/// A series whose samples are being read: it can still be taken back.
pub(super) struct OpenSeries {
    samples: usize,
    histograms: usize,
    pub(super) exemplars: Vec<Option<Exemplar>>,
}

impl OpenSeries {
    #[inline]
    pub(super) fn begin(batch: &SampleBatch) -> Self {
        Self { samples: batch.times.len(), histograms: batch.histograms.len(), exemplars: Vec::new() }
    }

    /// Takes a histogram, or refuses it alone.
    pub(super) fn histogram(&mut self, decoded: &mut Decoded, time: i64, mut histogram: crate::model::FloatHistogram) -> bool {
        match native::check(&mut histogram) {
            Ok(()) => {
                let batch = &mut decoded.batch;
                batch.histograms.push((batch.times.len() as u32, Arc::new(histogram)));
                let sum = batch.histograms.last().map_or(0.0, |(_, histogram)| histogram.sum);
                batch.times.push(time);
                batch.values.push(sum);
                true
            }
            Err(reason) => {
                decoded.refused.histograms += 1;
                decoded.refused.because(|| format!("invalid histogram: {reason}"));
                false
            }
        }
    }

    /// Keeps the series, or takes it back when its labels name none.
    #[inline]
    pub(super) fn end(self, decoded: &mut Decoded, labels: usize, named: Result<(), LabelFault>) {
        let batch = &mut decoded.batch;
        let samples = self.samples as u32..batch.times.len() as u32;
        match named {
            Ok(()) if samples.is_empty() && self.exemplars.is_empty() => batch.labels.truncate(labels),
            Ok(()) => {
                let number = batch.series.len() as u32;
                batch.series.push(BatchSeries { labels: labels as u32..batch.labels.len() as u32, samples });
                for exemplar in self.exemplars {
                    match exemplar {
                        Some(exemplar) => batch.exemplars.push((number, exemplar)),
                        None => {
                            decoded.refused.exemplars += 1;
                            decoded.refused.because(|| "an exemplar has labels twice or not in UTF-8".to_owned());
                        }
                    }
                }
            }
            Err(fault) => self.take_back(decoded, labels, &fault),
        }
    }

    #[cold]
    fn take_back(self, decoded: &mut Decoded, labels: usize, fault: &LabelFault) {
        let Decoded { batch, refused } = decoded;
        let histograms = (batch.histograms.len() - self.histograms) as u64;
        refused.series += 1;
        refused.histograms += histograms;
        refused.samples += (batch.times.len() - self.samples) as u64 - histograms;
        refused.exemplars += self.exemplars.len() as u64;
        refused.because(|| {
            format!("invalid labels for series {}: {fault}", shown(&batch.labels[labels.min(batch.labels.len())..]))
        });
        batch.labels.truncate(labels);
        batch.times.truncate(self.samples);
        batch.values.truncate(self.samples);
        batch.histograms.truncate(self.histograms);
        if !batch.starts.is_empty() {
            batch.starts.truncate(self.samples);
        }
    }
}
