use super::*;
use crate::model::sample::{STALE_NAN, STALE_NAN_BITS};
use crate::model::{BucketSpan, Exemplar, FloatHistogram, Labels, MetricKind, MetricMetadata, SampleValue};
use std::sync::Arc;

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn sample_batch() -> SampleBatch {
    let mut batch = SampleBatch::default();
    batch.begin_series(&Labels::new([("__name__", "up"), ("job", "node"), ("zone", "süd")]));
    batch.push_float(1_000, 1.0);
    batch.push_float(2_000, STALE_NAN);
    batch.begin_series(&Labels::new([("__name__", "h"), ("long", &"x".repeat(300))]));
    let histogram = FloatHistogram {
        schema: 3,
        count: 6.0,
        sum: 3.5,
        zero_count: 1.0,
        zero_threshold: 1e-128,
        positive_spans: vec![BucketSpan { offset: -2, length: 2 }, BucketSpan { offset: 4, length: 1 }],
        positive_buckets: vec![1.0, 2.0, 1.0],
        negative_spans: vec![BucketSpan { offset: 0, length: 1 }],
        negative_buckets: vec![1.0],
        ..FloatHistogram::default()
    };
    batch.push(3_000, SampleValue::Histogram(Arc::new(histogram)));
    batch.exemplars.push((1, Exemplar { labels: Labels::new([("trace_id", "abc")]), value: 0.5, time: 2_500 }));
    batch.metadata.push(MetricMetadata {
        family: "up".into(),
        kind: MetricKind::Gauge,
        help: "Whether it answers.".into(),
        unit: "".into(),
    });
    batch
}

#[test]
fn the_golden_body_is_read() {
    let body = decompress(&unhex("207c0a1e0a0e0a085f5f6e616d655f5f12027570120c09000000000000f03f10e807")).unwrap();
    let decoded = decode(Version::V1, &body).unwrap();
    assert_eq!(Labels::from_packed(decoded.batch.packed_labels(&decoded.batch.series[0])).unwrap().to_string(), "up");
    assert_eq!((decoded.batch.times.as_slice(), decoded.batch.values.as_slice()), (&[1_000][..], &[1.0][..]));
}

#[test]
fn what_is_written_is_read_in_both_versions_nan_payloads_included() {
    let batch = sample_batch();
    let same = |decoded: &SampleBatch| {
        assert_eq!(decoded.labels, batch.labels);
        assert_eq!(decoded.series, batch.series);
        assert_eq!(decoded.times, batch.times);
        assert_eq!(decoded.values[1].to_bits(), STALE_NAN_BITS);
        assert_eq!(decoded.histograms, batch.histograms);
        assert_eq!(decoded.exemplars, batch.exemplars);
        assert_eq!(decoded.metadata, batch.metadata);
    };
    let first = decode(Version::V1, &encode_v1(&batch)).unwrap();
    assert_eq!(first.refused, Refused::default());
    same(&first.batch);
    let mut started = batch.clone();
    started.starts = vec![500, 500, 0];
    let second = decode(Version::V2, &encode_v2(&started)).unwrap();
    assert_eq!(second.refused, Refused::default());
    same(&second.batch);
    assert_eq!(second.batch.starts, started.starts);
}

#[test]
fn the_content_type_tells_the_version() {
    for (value, version) in [
        ("", Some(Version::V1)),
        ("application/x-protobuf", Some(Version::V1)),
        ("application/x-protobuf;proto=prometheus.WriteRequest", Some(Version::V1)),
        ("application/x-protobuf; proto=io.prometheus.write.v2.Request", Some(Version::V2)),
        ("application/x-protobuf;proto=io.prometheus.write.v3.Request", None),
        ("application/json", None),
    ] {
        assert_eq!(Version::of_content_type(value), version, "{value:?}");
    }
}

#[test]
fn a_series_that_makes_no_sense_is_refused_alone() {
    let label = |name: &str, value: &str| {
        let mut bytes = vec![0x0a, name.len() as u8];
        bytes.extend(name.bytes());
        bytes.extend([0x12, value.len() as u8]);
        bytes.extend(value.bytes());
        bytes
    };
    let series = |labels: &[(&str, &str)]| {
        let mut bytes = Vec::new();
        for (name, value) in labels {
            let label = label(name, value);
            bytes.extend([0x0a, label.len() as u8]);
            bytes.extend(label);
        }
        bytes.extend([0x12, 12, 0x09, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f, 0x10, 0xe8, 0x07]);
        let mut out = vec![0x0a, bytes.len() as u8];
        out.append(&mut bytes);
        out
    };
    let mut body = series(&[("__name__", "up"), ("a", "1"), ("a", "2")]);
    body.extend(series(&[("job", "x")]));
    body.extend(series(&[("zone", "b"), ("__name__", "up"), ("empty", "")]));
    let decoded = decode(Version::V1, &body).unwrap();
    assert_eq!((decoded.refused.series, decoded.refused.samples), (2, 2));
    assert!(decoded.refused.reasons[0].contains("duplicated label \"a\""), "{:?}", decoded.refused.reasons);
    assert!(decoded.refused.reasons[1].contains("no __name__"), "{:?}", decoded.refused.reasons);
    assert_eq!(decoded.batch.len(), 1);
    let labels = Labels::from_packed(decoded.batch.packed_labels(&decoded.batch.series[0])).unwrap();
    assert_eq!(labels.to_string(), r#"up{zone="b"}"#, "labels out of order are put in order, empty ones are none");
}

#[test]
fn damage_is_named_with_its_place_and_size_is_bounded_before_memory_is_taken() {
    let mut body = encode_v1(&sample_batch());
    body.truncate(body.len() - 3);
    let error = decode(Version::V1, &body).unwrap_err().to_string();
    assert!(error.contains("WriteRequest") && error.contains("at byte"), "{error}");
    assert!(matches!(decompress(b"\xff\xff\xff\xff\x0f"), Err(RemoteWriteError::TooLarge(4_294_967_295))));
    assert!(matches!(decompress(b"\x05\x00"), Err(RemoteWriteError::Snappy(_))));
}

#[test]
fn references_beyond_the_symbols_are_refused() {
    // One symbol, a series that names symbols 0 and 7, one sample.
    let mut body = vec![0x22, 0x00];
    let series = [0x0a, 2, 0, 7, 0x12, 9, 0x09, 0, 0, 0, 0, 0, 0, 0, 0];
    body.extend([0x2a, series.len() as u8]);
    body.extend(series);
    let decoded = decode(Version::V2, &body).unwrap();
    assert!(decoded.batch.is_empty() && decoded.batch.series.is_empty());
    assert_eq!(decoded.refused.samples, 1);
    assert!(decoded.refused.reasons[0].contains("reference 7 is beyond the 1 symbols"), "{:?}", decoded.refused.reasons);
}

#[test]
fn a_histogram_that_does_not_add_up_is_refused_and_its_series_kept() {
    let mut batch = sample_batch();
    let (at, histogram) = batch.histograms[0].clone();
    batch.histograms[0] = (at, Arc::new(FloatHistogram { count: 1.0, ..(*histogram).clone() }));
    let decoded = decode(Version::V2, &encode_v2(&batch)).unwrap();
    assert_eq!((decoded.refused.histograms, decoded.batch.len()), (1, 2));
    assert!(decoded.refused.reasons[0].contains("observations found in buckets"), "{:?}", decoded.refused.reasons);
}
