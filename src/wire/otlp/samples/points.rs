//! Data points as the messages have them, read whole before they are mapped.

use super::super::pb::{Fault, Field, Fields, Read, Within, broken};
use super::super::value::Texts;
use crate::model::Value;
use smol_str::SmolStr;

/// The flag of a point without a value.
const NO_RECORDED_VALUE: u64 = 1;

/// What every kind of point has.
#[derive(Default)]
pub(super) struct Point {
    pub(super) attributes: Vec<(SmolStr, Value)>,
    /// Nanoseconds.
    pub(super) start: u64,
    /// Nanoseconds.
    pub(super) time: u64,
    pub(super) exemplars: Vec<RawExemplar>,
    pub(super) no_value: bool,
}

impl Point {
    pub(super) fn millis(&self) -> i64 {
        (self.time / 1_000_000) as i64
    }

    /// Start in milliseconds, 0 when it says nothing.
    pub(super) fn start_millis(&self) -> i64 {
        (self.start / 1_000_000) as i64
    }
}

/// An exemplar before its labels are made.
#[derive(Default)]
pub(super) struct RawExemplar {
    pub(super) attributes: Vec<(SmolStr, Value)>,
    /// Nanoseconds.
    pub(super) time: u64,
    pub(super) value: f64,
    pub(super) trace_id: Vec<u8>,
    pub(super) span_id: Vec<u8>,
}

/// `NumberDataPoint`.
pub(super) fn number(message: &[u8], texts: &mut Texts<'_>) -> Read<(Point, f64)> {
    let (mut point, mut value) = (Point::default(), 0.0);
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next()? {
        match field {
            (2, Field::Fixed64(nanos)) => point.start = nanos,
            (3, Field::Fixed64(nanos)) => point.time = nanos,
            (4, Field::Fixed64(bits)) => value = f64::from_bits(bits),
            (5, Field::Bytes(bytes)) => point.exemplars.push(exemplar(bytes, texts).inside("exemplars")?),
            (6, Field::Fixed64(bits)) => value = bits as i64 as f64,
            (7, Field::Bytes(bytes)) => point.attributes.push(texts.owned_attr(bytes).inside("attributes")?),
            (8, Field::Varint(flags)) => point.no_value = flags & NO_RECORDED_VALUE != 0,
            (2..=8, _) => return broken(Fault::Mismatch, fields.rest()),
            _ => {}
        }
    }
    Ok((point, value))
}

/// `HistogramDataPoint` without its point.
#[derive(Default)]
pub(super) struct Buckets {
    pub(super) count: u64,
    pub(super) sum: Option<f64>,
    pub(super) counts: Vec<u64>,
    pub(super) bounds: Vec<f64>,
}

/// `HistogramDataPoint`.
pub(super) fn histogram(message: &[u8], texts: &mut Texts<'_>) -> Read<(Point, Buckets)> {
    let (mut point, mut buckets) = (Point::default(), Buckets::default());
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next()? {
        match field {
            (2, Field::Fixed64(nanos)) => point.start = nanos,
            (3, Field::Fixed64(nanos)) => point.time = nanos,
            (4, Field::Fixed64(count)) => buckets.count = count,
            (5, Field::Fixed64(bits)) => buckets.sum = Some(f64::from_bits(bits)),
            (6, field) => fixed(field, |bits| buckets.counts.push(bits)).inside("bucket_counts")?,
            (7, field) => fixed(field, |bits| buckets.bounds.push(f64::from_bits(bits))).inside("explicit_bounds")?,
            (8, Field::Bytes(bytes)) => point.exemplars.push(exemplar(bytes, texts).inside("exemplars")?),
            (9, Field::Bytes(bytes)) => point.attributes.push(texts.owned_attr(bytes).inside("attributes")?),
            (10, Field::Varint(flags)) => point.no_value = flags & NO_RECORDED_VALUE != 0,
            (11 | 12, Field::Fixed64(_)) => {}
            (2..=12, _) => return broken(Fault::Mismatch, fields.rest()),
            _ => {}
        }
    }
    Ok((point, buckets))
}

/// `ExponentialHistogramDataPoint` without its point. Buckets: the index of the first, and counts.
#[derive(Default)]
pub(super) struct Exponential {
    pub(super) count: u64,
    pub(super) sum: Option<f64>,
    pub(super) scale: i32,
    pub(super) zero_count: u64,
    pub(super) zero_threshold: f64,
    pub(super) positive: (i32, Vec<u64>),
    pub(super) negative: (i32, Vec<u64>),
}

/// `ExponentialHistogramDataPoint`.
pub(super) fn exponential(message: &[u8], texts: &mut Texts<'_>) -> Read<(Point, Exponential)> {
    let (mut point, mut histogram) = (Point::default(), Exponential::default());
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next()? {
        match field {
            (1, Field::Bytes(bytes)) => point.attributes.push(texts.owned_attr(bytes).inside("attributes")?),
            (2, Field::Fixed64(nanos)) => point.start = nanos,
            (3, Field::Fixed64(nanos)) => point.time = nanos,
            (4, Field::Fixed64(count)) => histogram.count = count,
            (5, Field::Fixed64(bits)) => histogram.sum = Some(f64::from_bits(bits)),
            (6, Field::Varint(value)) => histogram.scale = zigzag(value),
            (7, Field::Fixed64(count)) => histogram.zero_count = count,
            (8, Field::Bytes(bytes)) => histogram.positive = exponential_buckets(bytes).inside("positive")?,
            (9, Field::Bytes(bytes)) => histogram.negative = exponential_buckets(bytes).inside("negative")?,
            (10, Field::Varint(flags)) => point.no_value = flags & NO_RECORDED_VALUE != 0,
            (11, Field::Bytes(bytes)) => point.exemplars.push(exemplar(bytes, texts).inside("exemplars")?),
            (12 | 13, Field::Fixed64(_)) => {}
            (14, Field::Fixed64(bits)) => histogram.zero_threshold = f64::from_bits(bits),
            (1..=14, _) => return broken(Fault::Mismatch, fields.rest()),
            _ => {}
        }
    }
    Ok((point, histogram))
}

fn exponential_buckets(message: &[u8]) -> Read<(i32, Vec<u64>)> {
    let (mut offset, mut counts) = (0, Vec::new());
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next()? {
        match field {
            (1, Field::Varint(value)) => offset = zigzag(value),
            (2, Field::Varint(count)) => counts.push(count),
            (2, Field::Bytes(packed)) => {
                let mut packed = Fields::new(packed);
                while !packed.rest().is_empty() {
                    counts.push(packed.varint()?);
                }
            }
            (1 | 2, _) => return broken(Fault::Mismatch, fields.rest()),
            _ => {}
        }
    }
    Ok((offset, counts))
}

/// `SummaryDataPoint` without its point.
#[derive(Default)]
pub(super) struct Quantiles {
    pub(super) count: u64,
    pub(super) sum: f64,
    /// Quantile and value.
    pub(super) values: Vec<(f64, f64)>,
}

/// `SummaryDataPoint`.
pub(super) fn summary(message: &[u8], texts: &mut Texts<'_>) -> Read<(Point, Quantiles)> {
    let (mut point, mut quantiles) = (Point::default(), Quantiles::default());
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next()? {
        match field {
            (2, Field::Fixed64(nanos)) => point.start = nanos,
            (3, Field::Fixed64(nanos)) => point.time = nanos,
            (4, Field::Fixed64(count)) => quantiles.count = count,
            (5, Field::Fixed64(bits)) => quantiles.sum = f64::from_bits(bits),
            (6, Field::Bytes(bytes)) => {
                let mut pair = (0.0, 0.0);
                let mut fields = Fields::new(bytes);
                while let Some(field) = fields.next()? {
                    match field {
                        (1, Field::Fixed64(bits)) => pair.0 = f64::from_bits(bits),
                        (2, Field::Fixed64(bits)) => pair.1 = f64::from_bits(bits),
                        (1 | 2, _) => return broken(Fault::Mismatch, fields.rest()),
                        _ => {}
                    }
                }
                quantiles.values.push(pair);
            }
            (7, Field::Bytes(bytes)) => point.attributes.push(texts.owned_attr(bytes).inside("attributes")?),
            (8, Field::Varint(flags)) => point.no_value = flags & NO_RECORDED_VALUE != 0,
            (2..=8, _) => return broken(Fault::Mismatch, fields.rest()),
            _ => {}
        }
    }
    Ok((point, quantiles))
}

fn exemplar(message: &[u8], texts: &mut Texts<'_>) -> Read<RawExemplar> {
    let mut exemplar = RawExemplar::default();
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next()? {
        match field {
            (2, Field::Fixed64(nanos)) => exemplar.time = nanos,
            (3, Field::Fixed64(bits)) => exemplar.value = f64::from_bits(bits),
            (4, Field::Bytes(id)) => exemplar.span_id = id.to_vec(),
            (5, Field::Bytes(id)) => exemplar.trace_id = id.to_vec(),
            (6, Field::Fixed64(bits)) => exemplar.value = bits as i64 as f64,
            (7, Field::Bytes(bytes)) => exemplar.attributes.push(texts.owned_attr(bytes)?),
            (2..=7, _) => return broken(Fault::Mismatch, fields.rest()),
            _ => {}
        }
    }
    Ok(exemplar)
}

fn zigzag(value: u64) -> i32 {
    ((value >> 1) as i64 ^ -((value & 1) as i64)) as i32
}

/// Repeated fixed64, packed or one by one.
fn fixed(field: Field<'_>, mut push: impl FnMut(u64)) -> Read<()> {
    match field {
        Field::Fixed64(bits) => push(bits),
        Field::Bytes(packed) => {
            let (values, []) = packed.as_chunks::<8>() else { return broken(Fault::Truncated, packed) };
            values.iter().for_each(|bytes| push(u64::from_le_bytes(*bytes)));
        }
        _ => return broken(Fault::Mismatch, &[]),
    }
    Ok(())
}
