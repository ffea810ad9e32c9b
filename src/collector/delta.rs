//! Deltas into cumulative values, so that everything behind the doors knows one kind of counter.
//!
//! The running total of a series is its last stored sample; this room only remembers it. After a restart, or when the
//! memory of a series was given up, the total is read from the store again, so no counter ever starts twice, whatever
//! ended the program. A delta that is not later than the total is one sent again (or too late) and is not added a second
//! time. When storing fails the totals are forgotten and the next delta reads what is really stored.

use crate::model::histogram::CUSTOM_BUCKETS_SCHEMA;
use crate::model::sample::is_stale;
use crate::model::{FloatHistogram, ResetHint, SampleValue};
use crate::wire::native;
use crate::wire::otlp::DecodedMetrics;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Series whose totals are remembered; when there are more all are read from the store again.
const MOST_SERIES: usize = 500_000;

/// The last cumulative sample of a series.
#[derive(Clone, Debug, PartialEq)]
struct Total {
    time: i64,
    start: i64,
    value: SampleValue,
}

/// Running totals by packed label set.
#[derive(Default)]
pub struct Totals(Mutex<HashMap<Box<[u8]>, Total>>);

/// What became of the deltas of a payload.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Applied {
    /// Deltas that were not added, because their series is further already.
    pub late: u64,
    /// The series that were touched, to forget when storing fails.
    pub touched: Vec<Box<[u8]>>,
}

impl Totals {
    /// Makes the deltas of a payload cumulative. `stored` answers the last sample of a series: time, start and value.
    pub fn apply(&self, decoded: &mut DecodedMetrics, stored: impl Fn(&[u8]) -> Option<(i64, i64, SampleValue)>) -> Applied {
        let mut applied = Applied::default();
        if decoded.deltas.is_empty() {
            return applied;
        }
        let mut totals = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if totals.len() > MOST_SERIES {
            totals.clear();
        }
        let batch = &mut decoded.batch;
        if batch.starts.is_empty() {
            batch.starts.resize(batch.times.len(), 0);
        }
        for number in &decoded.deltas {
            let Some(series) = batch.series.get(*number as usize).cloned() else { continue };
            let key = batch.packed_labels(&series);
            if !totals.contains_key(key) {
                let before = stored(key).map(|(time, start, value)| Total { time, start, value });
                if let Some(before) = before {
                    totals.insert(key.into(), before);
                }
            }
            applied.touched.push(key.into());
            for at in series.samples.start as usize..series.samples.end as usize {
                let place = batch.histograms.binary_search_by_key(&(at as u32), |(index, _)| *index);
                let delta = match place {
                    Ok(place) => SampleValue::Histogram(batch.histograms[place].1.clone()),
                    Err(_) => SampleValue::Float(batch.values[at]),
                };
                let key = batch.packed_labels(&series);
                let total = match totals.get_mut(key) {
                    None => {
                        let total = Total { time: batch.times[at], start: batch.starts[at], value: unhinted(delta) };
                        totals.entry(key.into()).or_insert(total)
                    }
                    Some(total) if batch.times[at] <= total.time => {
                        applied.late += u64::from(batch.times[at] < total.time);
                        total
                    }
                    Some(total) => {
                        match added(&total.value, &delta) {
                            Some(sum) => total.value = sum,
                            // The series changed its kind or its bounds: it starts again.
                            None => (total.value, total.start) = (unhinted(delta), batch.starts[at]),
                        }
                        total.time = batch.times[at];
                        total
                    }
                };
                // One that was not added says again what is stored, which the store knows as a duplicate.
                batch.times[at] = total.time;
                batch.starts[at] = total.start;
                match (&total.value, place) {
                    (SampleValue::Float(value), Err(_)) => batch.values[at] = *value,
                    (SampleValue::Histogram(histogram), Ok(place)) => {
                        batch.values[at] = histogram.sum;
                        batch.histograms[place].1 = histogram.clone();
                    }
                    _ => {}
                }
            }
        }
        applied
    }

    /// Forgets series whose samples were not stored.
    pub fn forget(&self, touched: &[Box<[u8]>]) {
        let mut totals = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        touched.iter().for_each(|key| drop(totals.remove(key)));
    }
}

fn unhinted(value: SampleValue) -> SampleValue {
    match value {
        SampleValue::Histogram(histogram) if histogram.reset == ResetHint::Gauge => {
            SampleValue::Histogram(Arc::new(FloatHistogram { reset: ResetHint::Unknown, ..(*histogram).clone() }))
        }
        value => value,
    }
}

/// The sum of a total and a delta. `None` where they cannot be added.
fn added(total: &SampleValue, delta: &SampleValue) -> Option<SampleValue> {
    match (total, delta) {
        // A series that had ended goes on from nothing.
        (SampleValue::Float(total), _) if is_stale(*total) => None,
        (SampleValue::Float(total), SampleValue::Float(delta)) => Some(SampleValue::Float(total + delta)),
        (SampleValue::Histogram(total), SampleValue::Histogram(delta)) if !is_stale(total.sum) => {
            native_sum(total, delta).map(|sum| SampleValue::Histogram(Arc::new(sum)))
        }
        _ => None,
    }
}

/// Adds two native histograms: at the coarser of their resolutions, with the wider of their zero buckets.
fn native_sum(a: &FloatHistogram, b: &FloatHistogram) -> Option<FloatHistogram> {
    let custom = |histogram: &FloatHistogram| histogram.schema == CUSTOM_BUCKETS_SCHEMA;
    if custom(a) != custom(b) || (custom(a) && a.custom_values != b.custom_values) {
        return None;
    }
    let (mut a, mut b) = (a.clone(), b.clone());
    while !custom(&a) && a.schema > b.schema {
        native::reduce(&mut a);
    }
    while !custom(&b) && b.schema > a.schema {
        native::reduce(&mut b);
    }
    let threshold = a.zero_threshold.max(b.zero_threshold);
    native::widen_zero(&mut a, threshold);
    native::widen_zero(&mut b, threshold);
    let merge = |spans: &[crate::model::BucketSpan], buckets: &[f64], more: &[crate::model::BucketSpan], counts: &[f64]| {
        let mut sums: std::collections::BTreeMap<i32, f64> = native::indexed(spans, buckets).collect();
        for (index, count) in native::indexed(more, counts) {
            *sums.entry(index).or_default() += count;
        }
        native::spanned(sums)
    };
    let (positive_spans, positive_buckets) =
        merge(&a.positive_spans, &a.positive_buckets, &b.positive_spans, &b.positive_buckets);
    let (negative_spans, negative_buckets) =
        merge(&a.negative_spans, &a.negative_buckets, &b.negative_spans, &b.negative_buckets);
    Some(FloatHistogram {
        reset: ResetHint::Unknown,
        schema: a.schema,
        zero_threshold: threshold,
        zero_count: a.zero_count + b.zero_count,
        count: a.count + b.count,
        sum: a.sum + b.sum,
        positive_spans,
        positive_buckets,
        negative_spans,
        negative_buckets,
        custom_values: a.custom_values,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{BucketSpan, Labels, SampleBatch};

    fn delta(time: i64, value: SampleValue) -> DecodedMetrics {
        let mut batch = SampleBatch::default();
        batch.begin_series(&Labels::new([("__name__", "d_total")]));
        batch.push(time, value);
        batch.starts = vec![time - 10];
        DecodedMetrics { batch, deltas: vec![0], ..DecodedMetrics::default() }
    }

    fn apply(totals: &Totals, time: i64, value: f64, stored: Option<(i64, f64)>) -> (i64, f64, u64) {
        let mut decoded = delta(time, SampleValue::Float(value));
        let applied = totals.apply(&mut decoded, |_| stored.map(|(time, value)| (time, 1, SampleValue::Float(value))));
        (decoded.batch.times[0], decoded.batch.values[0], applied.late)
    }

    #[test]
    fn deltas_add_up_and_one_sent_again_does_not() {
        let totals = Totals::default();
        assert_eq!(apply(&totals, 100, 3.0, None), (100, 3.0, 0));
        assert_eq!(apply(&totals, 200, 4.0, None), (200, 7.0, 0));
        assert_eq!(apply(&totals, 200, 4.0, None), (200, 7.0, 0), "sent again");
        assert_eq!(apply(&totals, 150, 9.0, None), (200, 7.0, 1), "too late");
        assert_eq!(apply(&totals, 300, 1.0, None), (300, 8.0, 0));
    }

    #[test]
    fn the_total_is_what_the_store_has_after_a_restart_and_after_a_failure() {
        let totals = Totals::default();
        assert_eq!(apply(&totals, 300, 2.0, Some((200, 7.0))), (300, 9.0, 0));
        let mut decoded = delta(400, SampleValue::Float(5.0));
        let applied = totals.apply(&mut decoded, |_| None);
        totals.forget(&applied.touched);
        assert_eq!(apply(&totals, 400, 5.0, Some((300, 9.0))), (400, 14.0, 0), "it was not stored, so it counts now");
        let ended = crate::model::sample::STALE_NAN;
        assert_eq!(
            apply(&Totals::default(), 500, 2.0, Some((400, ended))),
            (500, 2.0, 0),
            "a series that had ended begins anew"
        );
    }

    #[test]
    fn histograms_add_at_the_coarser_resolution() {
        let histogram = |schema, offset, counts: &[f64], zero_threshold| {
            SampleValue::Histogram(Arc::new(FloatHistogram {
                schema,
                zero_threshold,
                zero_count: 1.0,
                count: counts.iter().sum::<f64>() + 1.0,
                sum: 2.0,
                positive_spans: vec![BucketSpan { offset, length: counts.len() as u32 }],
                positive_buckets: counts.to_vec(),
                ..FloatHistogram::default()
            }))
        };
        let totals = Totals::default();
        totals.apply(&mut delta(100, histogram(1, 0, &[1.0, 2.0, 3.0], 0.0)), |_| None);
        let mut second = delta(200, histogram(0, 1, &[5.0], 0.0));
        totals.apply(&mut second, |_| None);
        let sum = &second.batch.histograms[0].1;
        // 0, 1 and 2 of schema 1 lie in 0, 1 and 1 of schema 0.
        assert_eq!((sum.schema, sum.positive_buckets.as_slice()), (0, &[1.0, 10.0][..]));
        assert_eq!((sum.count, sum.sum, sum.zero_count), (13.0, 4.0, 2.0));
        let mut third = delta(300, histogram(0, 1, &[1.0], 1.0));
        totals.apply(&mut third, |_| None);
        let sum = &third.batch.histograms[0].1;
        assert_eq!((sum.zero_count, sum.positive_buckets.as_slice()), (4.0, &[11.0][..]), "bucket 0 ends at 1, inside zero");
    }
}
