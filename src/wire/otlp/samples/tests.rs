use super::*;
use crate::model::sample::is_stale;
use crate::model::{BucketSpan, Signal};
use crate::wire::otlp::json;

fn decode_with(text: &str, options: MetricOptions<'_>) -> DecodedMetrics {
    let converted = json::to_protobuf(Signal::Metrics, text.as_bytes()).unwrap();
    assert!(converted.recognised && converted.unknown.is_empty(), "{:?}", converted.unknown);
    decode_metrics(&converted.payload, options).unwrap()
}

/// One metric of a resource `shop/cart`, instance `a`, version 2.
fn one(metric: &str) -> DecodedMetrics {
    let attributes = r#"[{"key":"service.name","value":{"stringValue":"cart"}},{"key":"service.namespace","value":{"stringValue":"shop"}},
        {"key":"service.instance.id","value":{"stringValue":"a"}},{"key":"service.version","value":{"stringValue":"2"}}]"#;
    let text = format!(
        r#"{{"resourceMetrics":[{{"resource":{{"attributes":{attributes}}},"scopeMetrics":[{{"metrics":[{metric}]}}]}}]}}"#
    );
    decode_with(&text, MetricOptions::default())
}

/// Series as `name{labels} value@time`.
fn lines(decoded: &DecodedMetrics) -> Vec<String> {
    let batch = &decoded.batch;
    let mut lines = Vec::new();
    for series in &batch.series {
        let labels = Labels::from_packed(batch.packed_labels(series)).expect("a packed label set");
        for at in series.samples.clone() {
            let value = batch.values[at as usize];
            let value = if is_stale(value) { "stale".to_owned() } else { value.to_string() };
            lines.push(format!("{labels} {value}@{}", batch.times[at as usize]));
        }
    }
    lines
}

const TARGET: &str = r#"instance="a", job="shop/cart""#;

#[test]
fn sums_gauges_and_target_info_get_their_names_and_labels() {
    let decoded = one(
        r#"{"name":"http.requests","unit":"{request}","sum":{"aggregationTemporality":2,"isMonotonic":true,"dataPoints":[
            {"startTimeUnixNano":"500000000","timeUnixNano":"2000000000","asInt":"7","attributes":[
                {"key":"http.method","value":{"stringValue":"GET"}},{"key":"http_method","value":{"stringValue":"X"}},
                {"key":"empty","value":{"stringValue":""}},{"key":"job","value":{"stringValue":"mine"}}]}]}},
        {"name":"load","unit":"1","gauge":{"dataPoints":[{"timeUnixNano":"2000000000","asDouble":0.5}]}},
        {"name":"conns","unit":"1","sum":{"aggregationTemporality":2,"dataPoints":[{"timeUnixNano":"2000000000","asInt":"-3"}]}}"#,
    );
    assert_eq!(
        lines(&decoded),
        [
            format!(r#"http_requests_total{{http_method="GET;X", {TARGET}}} 7@2000"#),
            format!(r#"load_ratio{{{TARGET}}} 0.5@2000"#),
            format!(r#"conns{{{TARGET}}} -3@2000"#),
            format!(r#"target_info{{{TARGET}, service_version="2"}} 1@2000"#),
        ]
    );
    assert_eq!(decoded.batch.starts, [500, 0, 0, 0]);
    assert_eq!(decoded.points, [("cart".into(), 3)]);
    let kinds: Vec<_> = decoded.batch.metadata.iter().map(|about| (about.family.as_str(), about.kind)).collect();
    assert_eq!(kinds[..2], [("http_requests_total", MetricKind::Counter), ("load_ratio", MetricKind::Gauge)]);
}

#[test]
fn histograms_become_cumulative_buckets_with_their_exemplars() {
    let decoded = one(
        r#"{"name":"latency","unit":"s","histogram":{"aggregationTemporality":2,"dataPoints":[{"timeUnixNano":"1000000000",
            "count":"6","sum":3.5,"bucketCounts":["1","2","3"],"explicitBounds":[0.1,1],"exemplars":[
              {"timeUnixNano":"900000000","asDouble":0.5,"traceId":"000102030405060708090a0b0c0d0e0f","spanId":"0001020304050607"},
              {"timeUnixNano":"900000000","asDouble":9}]}]}}"#,
    );
    assert_eq!(
        lines(&decoded)[..5],
        [
            format!(r#"latency_seconds_sum{{{TARGET}}} 3.5@1000"#),
            format!(r#"latency_seconds_count{{{TARGET}}} 6@1000"#),
            format!(r#"latency_seconds_bucket{{{TARGET}, le="0.1"}} 1@1000"#),
            format!(r#"latency_seconds_bucket{{{TARGET}, le="1"}} 3@1000"#),
            format!(r#"latency_seconds_bucket{{{TARGET}, le="+Inf"}} 6@1000"#),
        ]
    );
    let exemplars: Vec<_> = decoded.batch.exemplars.iter().map(|(series, it)| (*series, it.value)).collect();
    assert_eq!(exemplars, [(3, 0.5), (4, 9.0)]);
    assert_eq!(decoded.batch.exemplars[0].1.labels.get("trace_id"), "000102030405060708090a0b0c0d0e0f");
}

#[test]
fn exponential_histograms_are_shifted_by_one_and_brought_down_to_schema_eight() {
    let point = |scale: i32, count: &str, counts: &str| {
        format!(
            r#"{{"name":"h","exponentialHistogram":{{"aggregationTemporality":2,"dataPoints":[{{"timeUnixNano":"1000000000",
            "count":"{count}","sum":9,"scale":{scale},"zeroCount":"1","positive":{{"offset":-1,"bucketCounts":[{counts}]}}}}]}}}}"#
        )
    };
    let decoded = one(&point(3, "6", r#""2","0","0","3""#));
    let histogram = &decoded.batch.histograms[0].1;
    assert_eq!(histogram.positive_spans, [BucketSpan { offset: 0, length: 4 }]);
    assert_eq!(histogram.positive_buckets, [2.0, 0.0, 0.0, 3.0]);
    assert_eq!((histogram.schema, histogram.count, histogram.zero_count, histogram.zero_threshold), (3, 6.0, 1.0, 1e-128));
    let finer = one(&point(9, "11", r#""1","2","3","4""#));
    let histogram = &finer.batch.histograms[0].1;
    // -1 | 0 1 | 2 of scale 9 end in -1 | 0 | 1 of scale 8, which are 0 | 1 | 2 of Prometheus.
    assert_eq!((histogram.schema, histogram.positive_buckets.as_slice()), (8, &[1.0, 5.0, 4.0][..]));
    let coarse = one(&point(-5, "1", r#""1""#));
    assert_eq!(coarse.rejected_count(), 1);
    assert!(coarse.message().contains("scale must be >= -4, was -5"), "{}", coarse.message());
}

#[test]
fn summaries_no_recorded_value_and_deltas() {
    let decoded = one(r#"{"name":"s","summary":{"dataPoints":[{"timeUnixNano":"1000000000","count":"2","sum":3,
            "quantileValues":[{"quantile":0.5,"value":1.5}]}]}},
        {"name":"gone","gauge":{"dataPoints":[{"timeUnixNano":"1000000000","flags":1}]}},
        {"name":"d","sum":{"aggregationTemporality":1,"isMonotonic":true,"dataPoints":[{"timeUnixNano":"1000000000","asInt":"4"}]}}"#);
    assert_eq!(
        lines(&decoded)[..5],
        [
            format!(r#"s_sum{{{TARGET}}} 3@1000"#),
            format!(r#"s_count{{{TARGET}}} 2@1000"#),
            format!(r#"s{{{TARGET}, quantile="0.5"}} 1.5@1000"#),
            format!(r#"gone{{{TARGET}}} stale@1000"#),
            format!(r#"d_total{{{TARGET}}} 4@1000"#),
        ]
    );
    assert_eq!(decoded.deltas, [4]);
}

#[test]
fn target_info_lasts_as_long_as_the_samples_and_is_said_once() {
    let text = |time: &str| {
        format!(r#"{{"name":"g","gauge":{{"dataPoints":[{{"timeUnixNano":"1000000000"}},{{"timeUnixNano":"{time}"}}]}}}}"#)
    };
    let decoded = one(&text("401000000000"));
    let times: Vec<_> = lines(&decoded).into_iter().filter(|line| line.starts_with("target_info")).collect();
    assert_eq!(times.len(), 4, "{times:?}");
    assert!(times[3].ends_with("@401000"));
    // A time far away must not make millions of them.
    assert!(one(&text("4000000000000000000")).batch.len() < 1_100);
}

#[test]
fn custom_buckets_and_utf8_names_are_options() {
    let text = r#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"a.b","unit":"s","histogram":{"aggregationTemporality":2,
        "dataPoints":[{"timeUnixNano":"1000000000","count":"3","sum":2,"bucketCounts":["1","2"],"explicitBounds":[0.5],
        "attributes":[{"key":"x.y","value":{"boolValue":true}}]}]}}]}]}]}"#;
    let options = MetricOptions { escaping: Escaping::Utf8, custom_buckets: true, ..MetricOptions::default() };
    let decoded = decode_with(text, options);
    let labels = Labels::from_packed(decoded.batch.packed_labels(&decoded.batch.series[0])).unwrap();
    assert_eq!(labels.to_string(), r#"{"a.b_seconds", "x.y"="true"}"#);
    let histogram = &decoded.batch.histograms[0].1;
    assert_eq!((histogram.custom_values.as_ref(), histogram.positive_buckets.as_slice()), (&[0.5][..], &[1.0, 2.0][..]));
}

#[test]
fn points_that_make_no_sense_are_refused_with_a_reason() {
    for (metric, reason) in [
        (r#"{"name":"...","gauge":{"dataPoints":[{"timeUnixNano":"1"}]}}"#, "nothing that a name is made of"),
        (r#"{"name":"g","gauge":{"dataPoints":[{"asInt":"1"}]}}"#, "has no time"),
        (r#"{"name":"s","sum":{"dataPoints":[{"timeUnixNano":"1"}]}}"#, "no aggregation temporality"),
        (
            r#"{"name":"h","histogram":{"aggregationTemporality":2,"dataPoints":[{"timeUnixNano":"1","bucketCounts":["1"],"explicitBounds":[1]}]}}"#,
            "1 bounds and 1 buckets",
        ),
    ] {
        let decoded = one(metric);
        assert_eq!((decoded.rejected_count(), decoded.batch.len()), (1, 0), "{metric}");
        assert!(decoded.message().contains(reason), "{}", decoded.message());
    }
}

#[test]
fn secrets_in_attributes_are_masked() {
    let text = r#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"g","gauge":{"dataPoints":[{"timeUnixNano":"1000000000",
        "attributes":[{"key":"api_key","value":{"stringValue":"hunter2"}}]}]}}]}]}]}"#;
    let redaction = Redaction::standard();
    let decoded = decode_with(text, MetricOptions { redaction: Some(&redaction), ..MetricOptions::default() });
    assert_eq!(decoded.masked, 1);
    assert!(!String::from_utf8_lossy(&decoded.batch.labels).contains("hunter2"));
}
