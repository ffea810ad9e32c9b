//! Messages that both versions share: samples and native histograms. 2.0 adds a start time to either.

use super::super::native::from_deltas;
use super::super::otlp::pb::{Fault, Field, Fields, Read, broken};
use crate::model::{BucketSpan, FloatHistogram, ResetHint};

/// A `Sample`: 1 value, 2 time, 3 start time (2.0).
#[inline]
pub(super) fn sample(message: &[u8]) -> Read<(i64, f64, i64)> {
    let (mut time, mut value, mut start) = (0, 0.0, 0);
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next()? {
        match field {
            (1, Field::Fixed64(bits)) => value = f64::from_bits(bits),
            (2, Field::Varint(millis)) => time = millis as i64,
            (3, Field::Varint(millis)) => start = millis as i64,
            (1..=3, _) => return broken(Fault::Mismatch, fields.rest()),
            _ => {}
        }
    }
    Ok((time, value, start))
}

/// A `Histogram`: time, start time, histogram; not checked yet.
pub(super) fn histogram(message: &[u8]) -> Read<(i64, i64, FloatHistogram)> {
    let mut histogram = FloatHistogram::default();
    let (mut time, mut start) = (0, 0);
    let (mut negative_deltas, mut positive_deltas) = (Vec::new(), Vec::new());
    let mut custom = Vec::new();
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next()? {
        match field {
            (1, Field::Varint(count)) => histogram.count = count as f64,
            (2, Field::Fixed64(bits)) => histogram.count = f64::from_bits(bits),
            (3, Field::Fixed64(bits)) => histogram.sum = f64::from_bits(bits),
            (4, Field::Varint(value)) => histogram.schema = zigzag(value) as i32,
            (5, Field::Fixed64(bits)) => histogram.zero_threshold = f64::from_bits(bits),
            (6, Field::Varint(count)) => histogram.zero_count = count as f64,
            (7, Field::Fixed64(bits)) => histogram.zero_count = f64::from_bits(bits),
            (8, Field::Bytes(bytes)) => histogram.negative_spans.push(span(bytes)?),
            (9, field) => signed(field, &mut negative_deltas)?,
            (10, field) => doubles(field, &mut histogram.negative_buckets)?,
            (11, Field::Bytes(bytes)) => histogram.positive_spans.push(span(bytes)?),
            (12, field) => signed(field, &mut positive_deltas)?,
            (13, field) => doubles(field, &mut histogram.positive_buckets)?,
            (14, Field::Varint(hint)) => {
                histogram.reset = match hint {
                    1 => ResetHint::Reset,
                    2 => ResetHint::NotReset,
                    3 => ResetHint::Gauge,
                    _ => ResetHint::Unknown,
                };
            }
            (15, Field::Varint(millis)) => time = millis as i64,
            (16, field) => doubles(field, &mut custom)?,
            (17, Field::Varint(millis)) => start = millis as i64,
            (1..=17, _) => return broken(Fault::Mismatch, fields.rest()),
            _ => {}
        }
    }
    histogram.negative_buckets.extend(from_deltas(&negative_deltas));
    histogram.positive_buckets.extend(from_deltas(&positive_deltas));
    histogram.custom_values = custom.into();
    Ok((time, start, histogram))
}

fn span(message: &[u8]) -> Read<BucketSpan> {
    let mut span = BucketSpan::default();
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next()? {
        match field {
            (1, Field::Varint(value)) => span.offset = zigzag(value) as i32,
            (2, Field::Varint(value)) => span.length = value as u32,
            (1 | 2, _) => return broken(Fault::Mismatch, fields.rest()),
            _ => {}
        }
    }
    Ok(span)
}

fn zigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

/// Repeated `sint64`, packed or one by one.
fn signed(field: Field<'_>, into: &mut Vec<i64>) -> Read<()> {
    match field {
        Field::Varint(value) => into.push(zigzag(value)),
        Field::Bytes(packed) => {
            let mut packed = Fields::new(packed);
            while !packed.rest().is_empty() {
                into.push(zigzag(packed.varint()?));
            }
        }
        _ => return broken(Fault::Mismatch, &[]),
    }
    Ok(())
}

/// Repeated `double`, packed or one by one.
fn doubles(field: Field<'_>, into: &mut Vec<f64>) -> Read<()> {
    match field {
        Field::Fixed64(bits) => into.push(f64::from_bits(bits)),
        Field::Bytes(packed) => {
            let (values, []) = packed.as_chunks::<8>() else { return broken(Fault::Truncated, packed) };
            into.extend(values.iter().map(|bytes| f64::from_le_bytes(*bytes)));
        }
        _ => return broken(Fault::Mismatch, &[]),
    }
    Ok(())
}
