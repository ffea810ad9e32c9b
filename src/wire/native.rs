//! Native histograms as they come over the wire: checked before anything stores them, built from deltas or from buckets.
//!
//! Source of the checks: `model/histogram` of Prometheus (`Validate`), of the resolution: schemas -4 to 8 are stored as
//! they are, 9 to 52 are brought down to 8 by merging buckets, anything else is refused.

use crate::model::histogram::CUSTOM_BUCKETS_SCHEMA;
use crate::model::{BucketSpan, FloatHistogram};

/// Finest schema that is stored.
pub const FINEST: i32 = 8;
/// Coarsest schema that is stored.
pub const COARSEST: i32 = -4;
/// Finest schema that the format reserves; finer than [`FINEST`] is merged down.
const FINEST_RESERVED: i32 = 52;
/// Observations that a whole-number histogram may miss between its count and its buckets, relative: floats round.
const ROUNDING: f64 = 1e-9;

/// Absolute counts from the deltas of a whole-number histogram.
pub fn from_deltas(deltas: &[i64]) -> impl Iterator<Item = f64> + '_ {
    let mut count = 0_i64;
    deltas.iter().map(move |delta| {
        count = count.wrapping_add(*delta);
        count as f64
    })
}

/// Checks a histogram and brings it to a schema that is stored. The text says what is wrong.
pub fn check(histogram: &mut FloatHistogram) -> Result<(), String> {
    let stale = crate::model::sample::is_stale(histogram.sum);
    let custom = histogram.schema == CUSTOM_BUCKETS_SCHEMA;
    if !custom && !(COARSEST..=FINEST_RESERVED).contains(&histogram.schema) {
        return Err(format!("histogram has unknown schema {}, only -4 to 52 and -53 are valid", histogram.schema));
    }
    check_side("positive", &histogram.positive_spans, &histogram.positive_buckets)?;
    check_side("negative", &histogram.negative_spans, &histogram.negative_buckets)?;
    if custom {
        check_custom(histogram)?;
    } else if !histogram.custom_values.is_empty() {
        return Err("histogram with exponential schema must not have custom bounds".to_owned());
    }
    for (what, value) in [("count", histogram.count), ("zero count", histogram.zero_count)] {
        if value < 0.0 {
            return Err(format!("histogram has a {what} of {value}, which is below zero"));
        }
    }
    if histogram.zero_threshold < 0.0 || histogram.zero_threshold.is_nan() {
        return Err(format!("histogram has a zero threshold of {}, which is below zero", histogram.zero_threshold));
    }
    let buckets: f64 = histogram.positive_buckets.iter().chain(&histogram.negative_buckets).sum::<f64>() + histogram.zero_count;
    if !stale && buckets > histogram.count * (1.0 + ROUNDING) {
        return Err(format!("{buckets} observations found in buckets, but the count field is {}", histogram.count));
    }
    if !custom {
        while histogram.schema > FINEST {
            reduce(histogram);
        }
    }
    Ok(())
}

fn check_side(side: &str, spans: &[BucketSpan], buckets: &[f64]) -> Result<(), String> {
    let mut index = 0_i64;
    let mut named = 0_u64;
    for (at, span) in spans.iter().enumerate() {
        if at > 0 && span.offset < 0 {
            return Err(format!("{side} side: span number {} has a negative offset of {}", at + 1, span.offset));
        }
        index += i64::from(span.offset) + i64::from(span.length);
        named += u64::from(span.length);
    }
    if i32::try_from(index).is_err() {
        return Err(format!("{side} side: the bucket index {index} is out of range"));
    }
    if named != buckets.len() as u64 {
        return Err(format!("{side} side: spans need {named} buckets, have {} buckets", buckets.len()));
    }
    match buckets.iter().position(|count| *count < 0.0) {
        Some(at) => Err(format!("{side} side: bucket number {} has a count of {}, which is below zero", at + 1, buckets[at])),
        None => Ok(()),
    }
}

fn check_custom(histogram: &FloatHistogram) -> Result<(), String> {
    if !histogram.negative_spans.is_empty() || histogram.zero_count != 0.0 || histogram.zero_threshold != 0.0 {
        return Err("histogram with custom bounds must have neither negative buckets nor a zero bucket".to_owned());
    }
    let bounds = &histogram.custom_values;
    if bounds.iter().any(|bound| bound.is_nan()) || bounds.windows(2).any(|pair| pair[0] >= pair[1]) {
        return Err("histogram custom bounds must be in strictly increasing order".to_owned());
    }
    if bounds.last().is_some_and(|last| *last == f64::INFINITY) {
        return Err("last +Inf bound must not be explicitly defined for custom buckets".to_owned());
    }
    let mut index = 0_i64;
    for span in &histogram.positive_spans {
        index += i64::from(span.offset);
        if index < 0 {
            return Err("histogram custom buckets start before the first bound".to_owned());
        }
        index += i64::from(span.length);
    }
    if index > bounds.len() as i64 + 1 {
        return Err(format!("only {} custom bounds defined, too few to cover {index} buckets", bounds.len()));
    }
    Ok(())
}

/// Halves the resolution: bucket i of the finer schema lies in bucket ceil(i/2) of the coarser.
pub fn reduce(histogram: &mut FloatHistogram) {
    for (spans, buckets) in [
        (&mut histogram.positive_spans, &mut histogram.positive_buckets),
        (&mut histogram.negative_spans, &mut histogram.negative_buckets),
    ] {
        let mut merged: Vec<(i32, f64)> = Vec::with_capacity(buckets.len());
        for (index, count) in indexed(spans, buckets) {
            // Rounds up also below zero: -1 is in 0, -2 and -3 are in -1.
            let coarse = (index + 1) >> 1;
            match merged.last_mut() {
                Some((last, sum)) if *last == coarse => *sum += count,
                _ => merged.push((coarse, count)),
            }
        }
        (*spans, *buckets) = spanned(merged);
    }
    histogram.schema -= 1;
}

/// Makes the zero bucket at least this wide; buckets that end inside it join it whole.
pub fn widen_zero(histogram: &mut FloatHistogram, threshold: f64) {
    if threshold <= histogram.zero_threshold || histogram.schema == CUSTOM_BUCKETS_SCHEMA {
        return;
    }
    histogram.zero_threshold = threshold;
    let schema = histogram.schema;
    let ends_inside = |index: i32| bound(schema, index) <= threshold;
    let mut joined = 0.0;
    for (spans, buckets) in [
        (&mut histogram.positive_spans, &mut histogram.positive_buckets),
        (&mut histogram.negative_spans, &mut histogram.negative_buckets),
    ] {
        let (inside, outside): (Vec<_>, Vec<_>) = indexed(spans, buckets).partition(|(index, _)| ends_inside(*index));
        joined += inside.iter().map(|(_, count)| count).sum::<f64>();
        if !inside.is_empty() {
            (*spans, *buckets) = spanned(outside);
        }
    }
    histogram.zero_count += joined;
}

/// Upper bound of a bucket of an exponential schema.
pub fn bound(schema: i32, index: i32) -> f64 {
    (f64::from(index) * f64::from(-schema).exp2()).exp2()
}

/// Buckets with their index.
pub fn indexed<'a>(spans: &'a [BucketSpan], buckets: &'a [f64]) -> impl Iterator<Item = (i32, f64)> + 'a {
    let mut next = 0_i32;
    let indexes = spans.iter().flat_map(move |span| {
        let start = next.wrapping_add(span.offset);
        next = start.wrapping_add(span.length as i32);
        (0..span.length as i32).map(move |at| start.wrapping_add(at))
    });
    indexes.zip(buckets.iter().copied())
}

/// Spans and counts of buckets by rising index; gaps of at most two are filled with zeros, as Prometheus does it.
pub fn spanned(buckets: impl IntoIterator<Item = (i32, f64)>) -> (Vec<BucketSpan>, Vec<f64>) {
    const FILLED_GAP: i32 = 2;
    let (mut spans, mut counts): (Vec<BucketSpan>, Vec<f64>) = (Vec::new(), Vec::new());
    let mut next = 0_i32;
    for (index, count) in buckets {
        let gap = index.wrapping_sub(next);
        match spans.last_mut() {
            Some(span) if gap <= FILLED_GAP => {
                counts.extend(std::iter::repeat_n(0.0, gap.max(0) as usize));
                span.length += gap.max(0) as u32 + 1;
            }
            _ => spans.push(BucketSpan { offset: gap, length: 1 }),
        }
        counts.push(count);
        next = index.wrapping_add(1);
    }
    (spans, counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exponential(schema: i32, offset: i32, counts: &[f64]) -> FloatHistogram {
        FloatHistogram {
            schema,
            count: counts.iter().sum(),
            positive_spans: vec![BucketSpan { offset, length: counts.len() as u32 }],
            positive_buckets: counts.to_vec(),
            ..FloatHistogram::default()
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_the_reason() {
        let good = exponential(3, -2, &[1.0, 2.0]);
        let edit = |change: fn(&mut FloatHistogram)| {
            let mut histogram = good.clone();
            change(&mut histogram);
            check(&mut histogram).unwrap_err()
        };
        assert_eq!(check(&mut good.clone()), Ok(()));
        assert!(edit(|h| h.schema = -5).contains("unknown schema -5"));
        assert!(edit(|h| h.positive_buckets.push(1.0)).contains("need 2 buckets, have 3"));
        assert!(edit(|h| h.positive_buckets[1] = -1.0).contains("bucket number 2"));
        assert!(edit(|h| h.count = 1.0).contains("3 observations found in buckets"));
        assert!(edit(|h| h.positive_spans.push(BucketSpan { offset: -1, length: 0 })).contains("negative offset"));
        assert!(edit(|h| h.positive_spans[0].offset = i32::MAX).contains("out of range"));
        assert!(edit(|h| h.custom_values = [1.0].into()).contains("must not have custom bounds"));
        let custom = |bounds: &[f64], counts: &[f64]| {
            let mut histogram = exponential(CUSTOM_BUCKETS_SCHEMA, 0, counts);
            histogram.custom_values = bounds.into();
            check(&mut histogram)
        };
        assert_eq!(custom(&[1.0, 2.0], &[1.0, 1.0, 1.0]), Ok(()));
        assert!(custom(&[2.0, 1.0], &[1.0]).unwrap_err().contains("strictly increasing"));
        assert!(custom(&[1.0], &[1.0, 1.0, 1.0]).unwrap_err().contains("too few"));
    }

    #[test]
    fn a_finer_schema_is_merged_down_to_eight() {
        let mut histogram = exponential(9, -3, &[1.0, 2.0, 3.0, 4.0, 5.0]);
        check(&mut histogram).unwrap();
        assert_eq!(histogram.schema, 8);
        // -3 -2 -1 0 1 lie in -1 -1 0 0 1.
        assert_eq!(histogram.positive_spans, [BucketSpan { offset: -1, length: 3 }]);
        assert_eq!(histogram.positive_buckets, [3.0, 7.0, 5.0]);
    }

    #[test]
    fn small_gaps_are_filled_and_large_ones_begin_a_span() {
        let (spans, counts) = spanned([(2, 1.0), (5, 2.0), (9, 3.0)]);
        assert_eq!(spans, [BucketSpan { offset: 2, length: 4 }, BucketSpan { offset: 3, length: 1 }]);
        assert_eq!(counts, [1.0, 0.0, 0.0, 2.0, 3.0]);
        assert_eq!(
            indexed(&spans, &counts).filter(|(_, count)| *count > 0.0).collect::<Vec<_>>(),
            [(2, 1.0), (5, 2.0), (9, 3.0)]
        );
    }
}
