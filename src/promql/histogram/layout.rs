//! Spans and buckets: walking, merging, changing resolution, taking empty buckets out.

use super::HistogramError;
use crate::model::{BucketSpan, FloatHistogram};

/// Index of each bucket that spans name.
pub(super) fn indices(spans: &[BucketSpan]) -> impl Iterator<Item = i32> + '_ {
    let mut next = 0_i32;
    spans.iter().flat_map(move |span| {
        let start = next.saturating_add(span.offset);
        next = start.saturating_add_unsigned(span.length);
        start..next
    })
}

/// Indices with counts.
pub(super) fn entries<'a>(spans: &'a [BucketSpan], buckets: &'a [f64]) -> impl Iterator<Item = (i32, f64)> + 'a {
    indices(spans).zip(buckets.iter().copied())
}

/// Appends a bucket behind all others.
pub(super) fn push(spans: &mut Vec<BucketSpan>, last: &mut Option<i32>, index: i32) {
    match (spans.last_mut(), *last) {
        (Some(span), Some(before)) if index == before + 1 => span.length += 1,
        (Some(_), Some(before)) => spans.push(BucketSpan { offset: index - before - 1, length: 1 }),
        _ => spans.push(BucketSpan { offset: index, length: 1 }),
    }
    *last = Some(index);
}

/// Index of a bucket at a coarser schema.
pub(super) fn index_at(index: i32, from: i32, to: i32) -> i32 {
    ((index - 1) >> (from - to)) + 1
}

/// Two sides added up; `combine` gets what each side has, in order of the index.
pub(super) fn merge(
    a: (&[BucketSpan], &[f64]),
    b: impl Iterator<Item = (i32, f64)>,
    combine: impl Fn(f64, f64) -> f64,
) -> (Vec<BucketSpan>, Vec<f64>) {
    let (mut spans, mut buckets, mut last) = (Vec::with_capacity(a.0.len() + 1), Vec::with_capacity(a.1.len()), None);
    let mut left = entries(a.0, a.1).peekable();
    let mut right = b.peekable();
    loop {
        let (index, value) = match (left.peek().copied(), right.peek().copied()) {
            (None, None) => break,
            (Some(first), None) => {
                left.next();
                first
            }
            (None, Some((index, value))) => {
                right.next();
                (index, combine(0.0, value))
            }
            (Some(first), Some(second)) => {
                if first.0 < second.0 {
                    left.next();
                    first
                } else if first.0 > second.0 {
                    right.next();
                    (second.0, combine(0.0, second.1))
                } else {
                    left.next();
                    right.next();
                    (first.0, combine(first.1, second.1))
                }
            }
        };
        push(&mut spans, &mut last, index);
        buckets.push(value);
    }
    (spans, buckets)
}

/// The sides of a histogram at a coarser schema.
pub(super) fn reduce(spans: &[BucketSpan], buckets: &[f64], from: i32, to: i32) -> (Vec<BucketSpan>, Vec<f64>) {
    let (mut reduced, mut counts, mut last): (Vec<BucketSpan>, Vec<f64>, Option<i32>) = (Vec::new(), Vec::new(), None);
    for (index, value) in entries(spans, buckets) {
        let index = index_at(index, from, to);
        match counts.last_mut() {
            Some(count) if last == Some(index) => *count += value,
            _ => {
                push(&mut reduced, &mut last, index);
                counts.push(value);
            }
        }
    }
    (reduced, counts)
}

/// An error when spans and buckets do not fit together.
pub(super) fn check(spans: &[BucketSpan], buckets: &[f64]) -> Result<(), HistogramError> {
    let mut end = 0_i64;
    let mut named = 0_u64;
    for (number, span) in spans.iter().enumerate() {
        if number > 0 && span.offset < 0 {
            let text = format!(
                "span number {} with offset {}: histogram has a span whose offset is negative",
                number + 1,
                span.offset
            );
            return Err(HistogramError::Layout(text));
        }
        end += i64::from(span.offset) + i64::from(span.length);
        named += u64::from(span.length);
        if end - 1 > i64::from(i32::MAX) {
            let text =
                format!("span number {} ends at bucket index {}: histogram span index out of range", number + 1, end - 1);
            return Err(HistogramError::Layout(text));
        }
    }
    if named != buckets.len() as u64 {
        let text = format!(
            "spans need {named} buckets, have {} buckets: histogram spans specify different number of buckets than provided",
            buckets.len()
        );
        return Err(HistogramError::Layout(text));
    }
    Ok(())
}

/// A copy at a schema that is not finer.
pub fn copy_to_schema(histogram: &FloatHistogram, schema: i32) -> Result<FloatHistogram, HistogramError> {
    let mut copy = histogram.clone();
    if schema >= histogram.schema || histogram.has_custom_buckets() {
        return Ok(copy);
    }
    check(&copy.positive_spans, &copy.positive_buckets)?;
    check(&copy.negative_spans, &copy.negative_buckets)?;
    (copy.positive_spans, copy.positive_buckets) =
        reduce(&histogram.positive_spans, &histogram.positive_buckets, histogram.schema, schema);
    (copy.negative_spans, copy.negative_buckets) =
        reduce(&histogram.negative_spans, &histogram.negative_buckets, histogram.schema, schema);
    copy.schema = schema;
    Ok(copy)
}

/// Takes empty buckets out; spans are what remains.
pub fn compact(histogram: &mut FloatHistogram) {
    for (spans, buckets) in [
        (&mut histogram.positive_spans, &mut histogram.positive_buckets),
        (&mut histogram.negative_spans, &mut histogram.negative_buckets),
    ] {
        let plain = spans.iter().skip(1).all(|span| span.offset > 0) && spans.iter().all(|span| span.length > 0);
        if plain && buckets.iter().all(|count| *count != 0.0) {
            continue;
        }
        let (mut kept, mut counts, mut last) = (Vec::with_capacity(spans.len()), Vec::with_capacity(buckets.len()), None);
        for (index, count) in entries(spans, buckets).filter(|(_, count)| *count != 0.0) {
            push(&mut kept, &mut last, index);
            counts.push(count);
        }
        (*spans, *buckets) = (kept, counts);
    }
}

/// Bounds that both have.
pub(super) fn common_bounds(a: &[f64], b: &[f64]) -> Vec<f64> {
    let (mut i, mut j, mut common) = (0, 0, Vec::new());
    while i < a.len() && j < b.len() {
        if a[i] == b[j] {
            common.push(a[i]);
            i += 1;
            j += 1;
        } else if a[i] < b[j] {
            i += 1;
        } else {
            j += 1;
        }
    }
    common
}

/// Which of the common bounds each custom bucket falls under: the last place is that of `+Inf`.
pub(super) fn place_under(common: &[f64], bounds: &[f64], index: i32) -> usize {
    let Some(bound) = usize::try_from(index).ok().and_then(|index| bounds.get(index)) else { return common.len() };
    common.partition_point(|candidate| candidate < bound)
}
