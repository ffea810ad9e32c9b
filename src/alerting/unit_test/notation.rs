//! Histograms in promtool's notation, `{{schema:1 count:3 sum:5 buckets:[1 2]}}`, as it compares and prints them.

use crate::alerting::go_text;
use crate::model::histogram::CUSTOM_BUCKETS_SCHEMA;
use crate::model::{BucketSpan, FloatHistogram, ResetHint};

/// Writes a histogram, one run of buckets from the first to the last that count something.
pub fn write_histogram(histogram: &FloatHistogram) -> String {
    let mut parts = Vec::new();
    if histogram.schema != 0 {
        parts.push(format!("schema:{}", histogram.schema));
    }
    let numbers = [
        ("count", histogram.count),
        ("sum", histogram.sum),
        ("z_bucket", histogram.zero_count),
        ("z_bucket_w", histogram.zero_threshold),
    ];
    let there = numbers.iter().filter(|(_, value)| *value != 0.0);
    parts.extend(there.map(|(key, value)| format!("{key}:{}", go_text::float(*value))));
    let list = |values: &[f64]| {
        let texts: Vec<String> = values.iter().map(|value| go_text::float(*value)).collect();
        format!("[{}]", texts.join(" "))
    };
    if histogram.schema == CUSTOM_BUCKETS_SCHEMA {
        parts.push(format!("custom_values:{}", list(&histogram.custom_values)));
    }
    match histogram.reset {
        ResetHint::Unknown => {}
        ResetHint::Reset => parts.push("counter_reset_hint:reset".to_owned()),
        ResetHint::NotReset => parts.push("counter_reset_hint:not_reset".to_owned()),
        ResetHint::Gauge => parts.push("counter_reset_hint:gauge".to_owned()),
    }
    for (offset_key, key, spans, buckets) in [
        ("offset", "buckets", &histogram.positive_spans, &histogram.positive_buckets),
        ("n_offset", "n_buckets", &histogram.negative_spans, &histogram.negative_buckets),
    ] {
        let (offset, values) = one_run(spans, buckets);
        if offset != 0 && !values.is_empty() {
            parts.push(format!("{offset_key}:{offset}"));
        }
        if !values.is_empty() {
            parts.push(format!("{key}:{}", list(&values)));
        }
    }
    format!("{{{{{}}}}}", parts.join(" "))
}

/// The index of the first bucket that counts something, and the buckets from there to the last that does.
fn one_run(spans: &[BucketSpan], buckets: &[f64]) -> (i32, Vec<f64>) {
    let (mut index, mut next, mut dense) = (0, 0, Vec::<(i32, f64)>::new());
    for span in spans {
        index += span.offset;
        for _ in 0..span.length {
            if let Some(count) = buckets.get(next).filter(|count| **count != 0.0) {
                dense.push((index, *count));
            }
            (index, next) = (index + 1, next + 1);
        }
    }
    let (Some((first, _)), Some((last, _))) = (dense.first().copied(), dense.last().copied()) else { return (0, Vec::new()) };
    let mut values = vec![0.0; (last - first + 1) as usize];
    for (index, count) in dense {
        values[(index - first) as usize] = count;
    }
    (first, values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn a_histogram_is_written_as_one_run_of_buckets() {
        let span = |offset, length| BucketSpan { offset, length };
        let sparse = FloatHistogram {
            count: 3.0,
            positive_spans: vec![span(0, 2), span(1, 2)],
            positive_buckets: vec![0.0, 1.0, 2.0, 0.0],
            reset: ResetHint::NotReset,
            ..FloatHistogram::default()
        };
        assert_eq!(write_histogram(&sparse), "{{count:3 counter_reset_hint:not_reset offset:1 buckets:[1 0 2]}}");
        let full = FloatHistogram {
            schema: 1,
            count: 32.1,
            sum: -0.3,
            zero_count: 7.1,
            zero_threshold: 0.05,
            positive_spans: vec![span(-3, 3)],
            positive_buckets: vec![5.1, 10.0, 7.0],
            negative_spans: vec![span(-5, 2)],
            negative_buckets: vec![4.1, 5.0],
            ..FloatHistogram::default()
        };
        let text = "{{schema:1 count:32.1 sum:-0.3 z_bucket:7.1 z_bucket_w:0.05 offset:-3 buckets:[5.1 10 7] n_offset:-5 n_buckets:[4.1 5]}}";
        assert_eq!(write_histogram(&full), text);
        let custom = FloatHistogram {
            schema: CUSTOM_BUCKETS_SCHEMA,
            count: 1.0,
            custom_values: Arc::from([5.0, 10.0]),
            positive_spans: vec![span(0, 1)],
            positive_buckets: vec![1.0],
            ..FloatHistogram::default()
        };
        assert_eq!(write_histogram(&custom), "{{schema:-53 count:1 custom_values:[5 10] buckets:[1]}}");
    }
}
