//! Questions and answers over series in memory.

use super::*;
use crate::model::{FloatHistogram, Labels, SampleBatch, SampleValue};
use crate::source::{MemorySeries, QueryControl};
use std::sync::Arc;

fn source() -> MemorySeries {
    let mut batch = SampleBatch::default();
    batch.begin_series(&Labels::new([("__name__", "up"), ("job", "a<b")]));
    batch.push_float(1_000, 1.0);
    batch.push_float(2_500, f64::NAN);
    batch.begin_series(&Labels::new([("__name__", "up"), ("job", "c")]));
    batch.push_float(1_000, 0.25);
    batch.begin_series(&Labels::new([("__name__", "h")]));
    let histogram = FloatHistogram {
        count: 3.0,
        sum: 5.0,
        zero_count: 1.0,
        zero_threshold: 0.001,
        positive_spans: vec![crate::model::BucketSpan { offset: 1, length: 1 }],
        positive_buckets: vec![2.0],
        ..FloatHistogram::default()
    };
    batch.push(1_000, SampleValue::Histogram(Arc::new(histogram)));
    memory(&batch)
}

fn run(asked: Result<Asked, Refusal>) -> String {
    let given = asked.and_then(|asked| asked.run(&source(), &QueryControl::default()));
    match given {
        Ok(success) => success.body(),
        Err(refusal) => refusal.body(),
    }
}

fn instant_body(query: &str) -> String {
    run(instant(&Params::parse(query), 1_000))
}

#[test]
fn instant_answers_have_the_shapes_of_prometheus() {
    for (query, data) in [
        (
            "query=up&time=1",
            r#"{"resultType":"vector","result":[{"metric":{"__name__":"up","job":"a<b"},"value":[1,"1"]},{"metric":{"__name__":"up","job":"c"},"value":[1,"0.25"]}]}"#,
        ),
        (
            "query=up{job=\"a<b\"}&time=2.5",
            r#"{"resultType":"vector","result":[{"metric":{"__name__":"up","job":"a<b"},"value":[2.500,"NaN"]}]}"#,
        ),
        ("query=1e21&time=1", r#"{"resultType":"scalar","result":[1,"1e+21"]}"#),
        ("query='a<b'&time=1", r#"{"resultType":"string","result":[1,"a\u003cb"]}"#),
        ("query=none&time=1", r#"{"resultType":"vector","result":[]}"#),
        (
            "query=h&time=1",
            r#"{"resultType":"vector","result":[{"metric":{"__name__":"h"},"histogram":[1,{"count":"3","sum":"5","buckets":[[3,"-0.001","0.001","1"],[0,"1","2","2"]]}]}]}"#,
        ),
        (
            "query=up{job=\"c\"}[5s]&time=1",
            r#"{"resultType":"matrix","result":[{"metric":{"__name__":"up","job":"c"},"values":[[1,"0.25"]]}]}"#,
        ),
    ] {
        assert_eq!(instant_body(query), format!(r#"{{"status":"success","data":{data}}}"#), "{query}");
    }
    assert!(instant_body("query=up&limit=1").contains(r#""warnings":["results truncated due to limit"]"#));
    assert!(instant_body("query=up&stats=all").contains(r#""totalQueryableSamples":2"#));
}

#[test]
fn errors_have_the_types_and_texts_of_prometheus() {
    for (body, kind, text) in [
        (
            instant_body("query=up&time=x"),
            "bad_data",
            r#"invalid parameter \"time\": invalid time value for 'time': cannot parse \"x\" to a valid timestamp"#,
        ),
        (instant_body("query=up("), "bad_data", r#"invalid parameter \"query\": 1:"#),
        (instant_body("query=up&limit=-1"), "bad_data", "limit must be non-negative"),
        (
            run(range(&Params::parse("query=up&start=2&end=1&step=1"))),
            "bad_data",
            r#"invalid parameter \"end\": end timestamp must not be before start time"#,
        ),
        (
            run(range(&Params::parse("query=up&start=x&end=1&step=1"))),
            "bad_data",
            r#"invalid parameter \"start\": cannot parse \"x\" to a valid timestamp"#,
        ),
        (
            run(range(&Params::parse("query=up&start=0&end=1&step=0"))),
            "bad_data",
            "zero or negative query resolution step widths are not accepted. Try a positive integer",
        ),
        (
            run(range(&Params::parse("query=up&start=0&end=1&step=soon"))),
            "bad_data",
            r#"cannot parse \"soon\" to a valid duration"#,
        ),
        (
            run(range(&Params::parse("query=up&start=0&end=20000&step=1"))),
            "bad_data",
            "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)",
        ),
        (run(range(&Params::parse("query=up[5m]&start=0&end=1&step=1"))), "bad_data", "invalid expression type"),
    ] {
        assert!(body.starts_with(&format!(r#"{{"status":"error","errorType":"{kind}","error":"#)), "{body}");
        assert!(body.contains(text), "{body} has no {text}");
    }
}

#[test]
fn a_range_is_a_sorted_matrix() {
    let body = run(range(&Params::parse("query=up&start=1&end=2&step=1&limit=0")));
    let data = r#"{"resultType":"matrix","result":[{"metric":{"__name__":"up","job":"a<b"},"values":[[1,"1"],[2,"1"]]},{"metric":{"__name__":"up","job":"c"},"values":[[1,"0.25"],[2,"0.25"]]}]}"#;
    assert_eq!(body, format!(r#"{{"status":"success","data":{data}}}"#));
}

#[test]
fn queries_are_formatted_and_taken_apart() {
    let text = |given: Given| given.unwrap().body();
    let params = Params::parse("query=sum+by(job)(rate(up[5m]))");
    assert!(text(evaluate::format(&params)).contains(r#""data":"sum by (job) (rate(up[5m]))""#));
    let tree = text(evaluate::parsed(&params));
    for part in [r#""type":"aggregation""#, r#""op":"sum""#, r#""grouping":["job"]"#, r#""range":300000"#, r#""name":"rate""#] {
        assert!(tree.contains(part), "{tree}");
    }
}

fn memory(batch: &SampleBatch) -> MemorySeries {
    let mut source = MemorySeries::default();
    for series in &batch.series {
        let mut column = crate::model::SampleColumn::default();
        for at in series.samples.clone() {
            let value = match batch.histograms.iter().find(|(index, _)| *index == at) {
                Some((_, histogram)) => SampleValue::Histogram(histogram.clone()),
                None => SampleValue::Float(batch.values[at as usize]),
            };
            column.push(batch.times[at as usize], value);
        }
        source.append(&Labels::from_packed(batch.packed_labels(series)).unwrap(), &column);
    }
    source
}
