//! A native histogram as bytes: the layout once, then what changed against the histogram before it.
//!
//! Counts are whole numbers nearly always, and then differences in LEB128; else their bits as they are. The sum is not here:
//! it stands in the column of values, where a stale marker is seen without unpacking anything. Reading never panics.

use super::super::bytes::{In, Out};
use crate::model::FloatHistogram;
use crate::model::histogram::{BucketSpan, ResetHint};

/// The layout is the one before.
const SAME_LAYOUT: u8 = 1;
/// Counts are whole numbers.
const WHOLE: u8 = 2;
/// Where the reset hint stands.
const RESET_SHIFT: u8 = 2;
/// Whole numbers up to here are exact in a float.
const LARGEST_WHOLE: f64 = 9_007_199_254_740_992.0;

fn is_whole(value: f64) -> bool {
    value.abs() <= LARGEST_WHOLE && (value as i64 as f64).to_bits() == value.to_bits()
}

fn same_layout(a: &FloatHistogram, b: &FloatHistogram) -> bool {
    a.schema == b.schema
        && a.zero_threshold.to_bits() == b.zero_threshold.to_bits()
        && a.positive_spans == b.positive_spans
        && a.negative_spans == b.negative_spans
        && a.positive_buckets.len() == b.positive_buckets.len()
        && a.negative_buckets.len() == b.negative_buckets.len()
        && a.custom_values.len() == b.custom_values.len()
        && a.custom_values.iter().zip(b.custom_values.iter()).all(|(a, b)| a.to_bits() == b.to_bits())
}

fn counts(histogram: &FloatHistogram) -> impl Iterator<Item = f64> + '_ {
    [histogram.count, histogram.zero_count]
        .into_iter()
        .chain(histogram.positive_buckets.iter().copied())
        .chain(histogram.negative_buckets.iter().copied())
}

fn put_spans(out: &mut Out, spans: &[BucketSpan], buckets: usize) {
    out.varint(spans.len() as u64);
    for span in spans {
        out.signed(i64::from(span.offset));
        out.varint(u64::from(span.length));
    }
    out.varint(buckets as u64);
}

/// Appends a histogram; `before` is the one appended before it to the same bytes.
pub(crate) fn encode(histogram: &FloatHistogram, before: Option<&FloatHistogram>, out: &mut Out) {
    let before = before.filter(|before| same_layout(before, histogram));
    let whole = counts(histogram).all(is_whole) && before.is_none_or(|before| counts(before).all(is_whole));
    let reset = match histogram.reset {
        ResetHint::Unknown => 0,
        ResetHint::Reset => 1,
        ResetHint::NotReset => 2,
        ResetHint::Gauge => 3,
    };
    let flag = |set: bool, bit: u8| if set { bit } else { 0 };
    out.u8(flag(before.is_some(), SAME_LAYOUT) | flag(whole, WHOLE) | reset << RESET_SHIFT);
    if before.is_none() {
        out.signed(i64::from(histogram.schema));
        out.u64(histogram.zero_threshold.to_bits());
        put_spans(out, &histogram.positive_spans, histogram.positive_buckets.len());
        put_spans(out, &histogram.negative_spans, histogram.negative_buckets.len());
        out.varint(histogram.custom_values.len() as u64);
        histogram.custom_values.iter().for_each(|bound| out.u64(bound.to_bits()));
    }
    let mut old = before.map(counts);
    for count in counts(histogram) {
        let old = old.as_mut().and_then(Iterator::next).unwrap_or(0.0);
        if whole { out.signed((count as i64).wrapping_sub(old as i64)) } else { out.u64(count.to_bits()) }
    }
}

fn take_spans(bytes: &mut In<'_>) -> Option<(Vec<BucketSpan>, usize)> {
    let spans = (0..bytes.count()?)
        .map(|_| Some(BucketSpan { offset: i32::try_from(bytes.signed()?).ok()?, length: bytes.u32()? }))
        .collect::<Option<Vec<_>>>()?;
    Some((spans, bytes.count()?))
}

/// Reads what [`encode`] wrote, with the histogram read before and the sum from the column of values.
pub(crate) fn decode(bytes: &mut In<'_>, before: Option<&FloatHistogram>, sum: f64) -> Option<FloatHistogram> {
    let flags = bytes.u8()?;
    let reset = [ResetHint::Unknown, ResetHint::Reset, ResetHint::NotReset, ResetHint::Gauge]
        .get(usize::from(flags >> RESET_SHIFT))
        .copied()?;
    let before = if flags & SAME_LAYOUT != 0 { Some(before?) } else { None };
    let mut histogram = match before {
        Some(before) => before.clone(),
        None => {
            let schema = i32::try_from(bytes.signed()?).ok()?;
            let zero_threshold = f64::from_bits(bytes.u64()?);
            let (positive_spans, positive) = take_spans(bytes)?;
            let (negative_spans, negative) = take_spans(bytes)?;
            let bounds = bytes.count()?;
            let custom = (0..bounds).map(|_| bytes.u64().map(f64::from_bits)).collect::<Option<Vec<_>>>()?;
            FloatHistogram {
                schema,
                zero_threshold,
                positive_spans,
                positive_buckets: vec![0.0; positive],
                negative_spans,
                negative_buckets: vec![0.0; negative],
                custom_values: custom.into(),
                ..FloatHistogram::default()
            }
        }
    };
    let whole = flags & WHOLE != 0;
    let mut next = |old: &mut f64| {
        *old = if whole { (*old as i64).wrapping_add(bytes.signed()?) as f64 } else { f64::from_bits(bytes.u64()?) };
        Some(())
    };
    next(&mut histogram.count)?;
    next(&mut histogram.zero_count)?;
    histogram.positive_buckets.iter_mut().try_for_each(&mut next)?;
    histogram.negative_buckets.iter_mut().try_for_each(&mut next)?;
    (histogram.reset, histogram.sum) = (reset, sum);
    Some(histogram)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::sample::STALE_NAN;

    fn sample(scale: f64) -> FloatHistogram {
        FloatHistogram {
            schema: 3,
            zero_threshold: 1e-128,
            zero_count: 2.0 * scale,
            count: 17.0 * scale,
            sum: 12.5 * scale,
            positive_spans: vec![BucketSpan { offset: -3, length: 2 }, BucketSpan { offset: 4, length: 1 }],
            positive_buckets: vec![5.0 * scale, 0.0, 3.0 * scale],
            negative_spans: vec![BucketSpan { offset: 1, length: 1 }],
            negative_buckets: vec![7.0 * scale],
            ..FloatHistogram::default()
        }
    }

    #[test]
    fn histograms_come_back_one_after_the_other() {
        let custom = FloatHistogram { schema: -53, custom_values: vec![0.1, 1.0].into(), ..sample(1.0) };
        let list = [
            sample(1.0),
            sample(4.0),
            FloatHistogram { reset: ResetHint::Reset, ..sample(1.0) },
            sample(0.5),
            custom.clone(),
            FloatHistogram { reset: ResetHint::Gauge, count: f64::NAN, ..custom },
            FloatHistogram { sum: STALE_NAN, ..FloatHistogram::default() },
        ];
        let mut out = Out::default();
        let mut before = None;
        for histogram in &list {
            encode(histogram, before, &mut out);
            before = Some(histogram);
        }
        let mut bytes = In(&out.0);
        let mut before: Option<FloatHistogram> = None;
        for histogram in &list {
            let read = decode(&mut bytes, before.as_ref(), histogram.sum).unwrap();
            assert_eq!(format!("{read:?}"), format!("{histogram:?}"));
            assert_eq!(read.sum.to_bits(), histogram.sum.to_bits());
            before = Some(read);
        }
        assert!(bytes.is_empty());
    }

    #[test]
    fn a_repeated_layout_costs_a_few_bytes_and_noise_is_refused() {
        let mut out = Out::default();
        encode(&sample(1.0), None, &mut out);
        let first = out.0.len();
        encode(&sample(2.0), Some(&sample(1.0)), &mut out);
        assert!(out.0.len() - first <= 7, "{}", out.0.len() - first);
        for at in 0..first {
            let mut damaged = out.0[..first].to_vec();
            assert_eq!(decode(&mut In(&damaged[..at]), None, 0.0), None);
            damaged[at] ^= 0x55;
            decode(&mut In(&damaged), None, 0.0);
        }
    }
}
