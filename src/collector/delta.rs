//! Deltas into cumulative values, so that everything behind the doors knows one kind of counter.
//!
//! The running total of a series is its last stored sample; this room only remembers it. After a restart, or when the
//! memory of a series was given up, the total is read from the store again, so no counter ever starts twice, whatever
//! ended the program. A delta that is not later than the total is one sent again (or too late) and is not added a second
//! time. When storing fails a payload's own deltas are taken back, unless later ones stand on them: then the sum that is on
//! its way holds them already. Totals are never read from the store while samples of theirs wait for it.

use crate::model::histogram::CUSTOM_BUCKETS_SCHEMA;
use crate::model::sample::is_stale;
use crate::model::{FloatHistogram, ResetHint, SampleValue};
use crate::wire::native;
use crate::wire::otlp::DecodedMetrics;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Series whose totals are remembered; above it the half that moved longest ago is read from the store when it is needed again.
const MOST_SERIES: usize = 500_000;

/// The last cumulative sample of a series.
#[derive(Clone, Debug, PartialEq)]
struct Total {
    /// Number of the payload that spoke of it last.
    payload: u64,
    time: i64,
    start: i64,
    value: SampleValue,
}

/// Running totals by packed label set.
#[derive(Default)]
pub struct Totals(Mutex<Known>);

#[derive(Default)]
struct Known {
    totals: HashMap<Box<[u8]>, Total>,
    payloads: u64,
}

/// A series that a payload spoke of, and its total before.
#[derive(Clone, Debug, PartialEq)]
struct Touched {
    series: Box<[u8]>,
    before: Option<Total>,
}

/// What became of the deltas of a payload.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Applied {
    /// Deltas that were not added, because their series is further already.
    pub late: u64,
    /// Number of the payload.
    payload: u64,
    /// The series that were touched, to take back when storing fails.
    touched: Vec<Touched>,
}

impl Totals {
    /// Makes the deltas of a payload cumulative. `stored` answers the last sample of a series: time, start and value.
    pub fn apply(&self, decoded: &mut DecodedMetrics, stored: impl Fn(&[u8]) -> Option<(i64, i64, SampleValue)>) -> Applied {
        let mut applied = Applied::default();
        if decoded.deltas.is_empty() {
            return applied;
        }
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.shrink(MOST_SERIES);
        known.payloads += 1;
        let Known { totals, payloads } = &mut *known;
        let payload = *payloads;
        applied.payload = payload;
        let batch = &mut decoded.batch;
        if batch.starts.is_empty() {
            batch.starts.resize(batch.times.len(), 0);
        }
        for number in &decoded.deltas {
            let Some(series) = batch.series.get(*number as usize).cloned() else { continue };
            let key = batch.packed_labels(&series);
            if !totals.contains_key(key) {
                let before = stored(key).map(|(time, start, value)| Total { payload: 0, time, start, value });
                if let Some(before) = before {
                    totals.insert(key.into(), before);
                }
            }
            applied.touched.push(Touched { series: key.into(), before: totals.get(key).cloned() });
            for at in series.samples.start as usize..series.samples.end as usize {
                let place = batch.histograms.binary_search_by_key(&(at as u32), |(index, _)| *index);
                let delta = match place {
                    Ok(place) => SampleValue::Histogram(batch.histograms[place].1.clone()),
                    Err(_) => SampleValue::Float(batch.values[at]),
                };
                let key = batch.packed_labels(&series);
                let total = match totals.get_mut(key) {
                    None => {
                        let total = Total { payload, time: batch.times[at], start: batch.starts[at], value: unhinted(delta) };
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
                total.payload = payload;
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

    /// Takes back the deltas of a payload that was not stored.
    pub fn take_back(&self, applied: Applied) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for Touched { series, before } in applied.touched.into_iter().rev() {
            if known.totals.get(&series).is_none_or(|total| total.payload != applied.payload) {
                continue;
            }
            match before {
                Some(before) => drop(known.totals.insert(series, before)),
                None => drop(known.totals.remove(&series)),
            }
        }
    }
}

impl Known {
    /// Keeps the half that moved last when there are more than `most`: samples of the others are long stored.
    fn shrink(&mut self, most: usize) {
        if self.totals.len() > most {
            let mut payloads: Vec<u64> = self.totals.values().map(|total| total.payload).collect();
            let (_, middle, _) = payloads.select_nth_unstable(self.totals.len() / 2);
            let middle = *middle;
            self.totals.retain(|_, total| total.payload >= middle);
        }
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
        totals.take_back(applied);
        assert_eq!(apply(&totals, 400, 5.0, Some((300, 9.0))), (400, 14.0, 0), "it was not stored, so it counts now");
        let ended = crate::model::sample::STALE_NAN;
        assert_eq!(
            apply(&Totals::default(), 500, 2.0, Some((400, ended))),
            (500, 2.0, 0),
            "a series that had ended begins anew"
        );
    }

    #[test]
    fn a_payload_that_fails_takes_back_its_own_deltas_and_none_that_are_on_their_way() {
        let totals = Totals::default();
        let put = |time, value| {
            let mut decoded = delta(time, SampleValue::Float(value));
            let applied = totals.apply(&mut decoded, |_| Some((50, 1, SampleValue::Float(10.0))));
            (decoded.batch.values[0], applied)
        };
        let (first, _waiting) = put(100, 3.0);
        let (second, failed) = put(200, 4.0);
        assert_eq!((first, second), (13.0, 17.0));
        totals.take_back(failed);
        let (second, failed) = put(200, 4.0);
        assert_eq!(second, 17.0, "the first one is not in the store yet and not lost");
        let (third, last) = put(300, 5.0);
        totals.take_back(failed);
        assert_eq!((third, put(300, 5.0).0), (22.0, 22.0), "the third holds the second, which may not be added again");
        totals.take_back(last);
        assert_eq!(put(400, 1.0).0, 23.0);
        let mut known = totals.0.lock().unwrap();
        let total = |payload| Total { payload, time: 1, start: 1, value: SampleValue::Float(1.0) };
        known.totals = (0..10_u8).map(|n| (Box::from([n]), total(u64::from(n)))).collect();
        known.shrink(10);
        assert_eq!(known.totals.len(), 10);
        known.shrink(9);
        assert_eq!((known.totals.len(), known.totals.contains_key(&[9_u8][..])), (5, true), "what moved last stays");
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
