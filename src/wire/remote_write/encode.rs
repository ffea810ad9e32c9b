//! Batches as remote write bodies, without the snappy block around them: for tests, and for whoever forwards samples.

use super::super::otlp::pb::Writer;
use crate::model::{Exemplar, FloatHistogram, Labels, MetricKind, ResetHint, SampleBatch};
use std::collections::HashMap;

/// A `prometheus.WriteRequest`. Start times have no place in it.
pub fn encode_v1(batch: &SampleBatch) -> Vec<u8> {
    let mut out = Writer::default();
    let mut histograms = batch.histograms.iter().peekable();
    for (number, series) in batch.series.iter().enumerate() {
        out.message(1, |out| {
            label_messages(out, &labels_of(batch, number));
            for at in series.samples.clone() {
                match histograms.next_if(|(index, _)| *index == at) {
                    Some((_, histogram)) => {
                        out.message(4, |out| write_histogram(out, histogram, batch.times[at as usize], 0));
                    }
                    None => out.message(2, |out| write_sample(out, batch.values[at as usize], batch.times[at as usize], 0)),
                }
            }
            for exemplar in exemplars(batch, number) {
                out.message(3, |out| {
                    label_messages(out, &exemplar.labels);
                    out.fixed64(2, exemplar.value.to_bits());
                    out.varint(3, exemplar.time as u64);
                });
            }
        });
    }
    for metadata in &batch.metadata {
        out.message(3, |out| {
            out.varint(1, kind_number(metadata.kind));
            out.text(2, &metadata.family);
            out.text(4, &metadata.help);
            out.text(5, &metadata.unit);
        });
    }
    out.0
}

/// An `io.prometheus.write.v2.Request`.
pub fn encode_v2(batch: &SampleBatch) -> Vec<u8> {
    let mut symbols = SymbolTable::default();
    symbols.number("");
    let mut all = Writer::default();
    let mut histograms = batch.histograms.iter().peekable();
    for (number, series) in batch.series.iter().enumerate() {
        all.message(5, |out| {
            let labels = labels_of(batch, number);
            write_refs(out, &labels, &mut symbols);
            for at in series.samples.clone() {
                let time = batch.times[at as usize];
                let start = batch.starts.get(at as usize).copied().unwrap_or_default();
                match histograms.next_if(|(index, _)| *index == at) {
                    Some((_, histogram)) => out.message(3, |out| write_histogram(out, histogram, time, start)),
                    None => out.message(2, |out| write_sample(out, batch.values[at as usize], time, start)),
                }
            }
            for exemplar in exemplars(batch, number) {
                out.message(4, |out| {
                    write_refs(out, &exemplar.labels, &mut symbols);
                    out.fixed64(2, exemplar.value.to_bits());
                    out.varint(3, exemplar.time as u64);
                });
            }
            if let Some(metadata) = batch.metadata.iter().find(|metadata| metadata.family == labels.metric_name()) {
                let (help, unit) = (symbols.number(&metadata.help), symbols.number(&metadata.unit));
                out.message(5, |out| {
                    out.varint(1, kind_number(metadata.kind));
                    out.varint(3, help);
                    out.varint(4, unit);
                });
            }
        });
    }
    let mut out = Writer::default();
    for text in &symbols.texts {
        out.bytes(4, text.as_bytes());
    }
    out.0.extend_from_slice(&all.0);
    out.0
}

#[derive(Default)]
struct SymbolTable {
    texts: Vec<String>,
    numbers: HashMap<String, u64>,
}

impl SymbolTable {
    fn number(&mut self, text: &str) -> u64 {
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        let number = self.texts.len() as u64;
        self.texts.push(text.to_owned());
        self.numbers.insert(text.to_owned(), number);
        number
    }
}

fn labels_of(batch: &SampleBatch, number: usize) -> Labels {
    batch.series.get(number).and_then(|series| Labels::from_packed(batch.packed_labels(series))).unwrap_or_default()
}

fn exemplars(batch: &SampleBatch, number: usize) -> impl Iterator<Item = &Exemplar> {
    batch.exemplars.iter().filter(move |(series, _)| *series as usize == number).map(|(_, exemplar)| exemplar)
}

fn label_messages(out: &mut Writer, labels: &Labels) {
    for (name, value) in labels {
        out.message(1, |out| {
            out.bytes(1, name.as_bytes());
            out.bytes(2, value.as_bytes());
        });
    }
}

fn write_refs(out: &mut Writer, labels: &Labels, symbols: &mut SymbolTable) {
    out.message(1, |out| {
        for (name, value) in labels {
            out.raw_varint(symbols.number(name));
            out.raw_varint(symbols.number(value));
        }
    });
}

fn write_sample(out: &mut Writer, value: f64, time: i64, start: i64) {
    out.fixed64(1, value.to_bits());
    out.varint(2, time as u64);
    out.varint(3, start as u64);
}

fn write_histogram(out: &mut Writer, histogram: &FloatHistogram, time: i64, start: i64) {
    let zigzag = |value: i32| u64::from((value << 1 ^ value >> 31) as u32);
    out.fixed64(2, histogram.count.to_bits());
    out.fixed64(3, histogram.sum.to_bits());
    out.varint(4, zigzag(histogram.schema));
    out.fixed64(5, histogram.zero_threshold.to_bits());
    out.fixed64(7, histogram.zero_count.to_bits());
    for (number, spans, buckets) in [
        (8, &histogram.negative_spans, &histogram.negative_buckets),
        (11, &histogram.positive_spans, &histogram.positive_buckets),
    ] {
        for span in spans {
            out.message(number, |out| {
                out.varint(1, zigzag(span.offset));
                out.varint(2, u64::from(span.length));
            });
        }
        write_doubles(out, number + 2, buckets);
    }
    out.varint(
        14,
        match histogram.reset {
            ResetHint::Unknown => 0,
            ResetHint::Reset => 1,
            ResetHint::NotReset => 2,
            ResetHint::Gauge => 3,
        },
    );
    out.varint(15, time as u64);
    write_doubles(out, 16, &histogram.custom_values);
    out.varint(17, start as u64);
}

fn write_doubles(out: &mut Writer, number: u32, values: &[f64]) {
    if !values.is_empty() {
        out.message(number, |out| values.iter().for_each(|value| out.0.extend_from_slice(&value.to_le_bytes())));
    }
}

fn kind_number(kind: MetricKind) -> u64 {
    match kind {
        MetricKind::Unknown => 0,
        MetricKind::Counter => 1,
        MetricKind::Gauge => 2,
        MetricKind::Histogram => 3,
        MetricKind::GaugeHistogram => 4,
        MetricKind::Summary => 5,
        MetricKind::Info => 6,
        MetricKind::StateSet => 7,
    }
}
