//! A query's value as Prometheus' HTTP API writes it, byte for byte.

use super::eval::{Answer, Evaluated, MatrixSeries, Stats};
use super::histogram::all_buckets;
use super::text::float_json;
use crate::model::{FloatHistogram, Labels, SampleValue};
use std::fmt::Write;

/// The whole body of a successful answer.
pub fn success(evaluated: &Evaluated, query: &str, with_stats: bool) -> String {
    let mut out = String::from("{\"status\":\"success\",\"data\":");
    data(&mut out, evaluated, with_stats);
    let (warnings, infos) = evaluated.notes.texts(query);
    for (name, texts) in [("warnings", warnings), ("infos", infos)] {
        if !texts.is_empty() {
            let _ = write!(out, ",\"{name}\":[");
            for (index, text) in texts.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                string(&mut out, text, true);
            }
            out.push(']');
        }
    }
    out.push('}');
    out
}

/// The body of a failed answer.
pub fn failure(kind: &str, message: &str) -> String {
    let mut out = String::from("{\"status\":\"error\",\"errorType\":");
    string(&mut out, kind, true);
    out.push_str(",\"error\":");
    string(&mut out, message, true);
    out.push('}');
    out
}

/// The `data` object.
pub fn data(out: &mut String, evaluated: &Evaluated, with_stats: bool) {
    let time = evaluated.time;
    let kind = match &evaluated.answer {
        Answer::Scalar(_) => "scalar",
        Answer::String(_) => "string",
        Answer::Vector(_) => "vector",
        Answer::Matrix(_) => "matrix",
    };
    let _ = write!(out, "{{\"resultType\":\"{kind}\",\"result\":");
    match &evaluated.answer {
        Answer::Scalar(value) => float_point(out, time, *value),
        Answer::String(text) => {
            out.push('[');
            timestamp(out, time);
            out.push(',');
            string(out, text, true);
            out.push(']');
        }
        Answer::Vector(samples) => list(out, samples, |out, sample| {
            metric(out, &sample.labels);
            match &sample.value {
                SampleValue::Float(value) => {
                    out.push_str(",\"value\":");
                    float_point(out, time, *value);
                }
                SampleValue::Histogram(histogram) => {
                    out.push_str(",\"histogram\":");
                    histogram_point(out, time, histogram);
                }
            }
            out.push('}');
        }),
        Answer::Matrix(series) => list(out, series, matrix_series),
    }
    if with_stats {
        stats(out, &evaluated.stats);
    }
    out.push('}');
}

fn stats(out: &mut String, stats: &Stats) {
    let _ = write!(
        out,
        ",\"stats\":{{\"samples\":{{\"totalQueryableSamples\":{},\"samplesRead\":{},\"peakSamples\":{}}}}}",
        stats.total_samples, stats.samples_read, stats.peak_samples
    );
}

fn matrix_series(out: &mut String, series: &MatrixSeries) {
    metric(out, &series.labels);
    let samples = &series.samples;
    let mut histograms = samples.histograms.iter().peekable();
    let mut is_histogram = vec![false; samples.len()];
    samples.histograms.iter().for_each(|(index, _)| is_histogram[*index as usize] = true);
    if is_histogram.iter().any(|histogram| !histogram) {
        out.push_str(",\"values\":[");
        let mut first = true;
        for (index, (time, value)) in samples.times.iter().zip(&samples.values).enumerate() {
            if !is_histogram[index] {
                if !std::mem::take(&mut first) {
                    out.push(',');
                }
                float_point(out, *time, *value);
            }
        }
        out.push(']');
    }
    if histograms.peek().is_some() {
        out.push_str(",\"histograms\":[");
        for (place, (index, histogram)) in histograms.enumerate() {
            if place > 0 {
                out.push(',');
            }
            histogram_point(out, samples.times[*index as usize], histogram);
        }
        out.push(']');
    }
    out.push('}');
}

fn list<T>(out: &mut String, items: &[T], item: impl Fn(&mut String, &T)) {
    out.push('[');
    for (index, each) in items.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        item(out, each);
    }
    out.push(']');
}

/// Opens an item with its labels.
fn metric(out: &mut String, labels: &Labels) {
    out.push_str("{\"metric\":{");
    for (index, (name, value)) in labels.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        string(out, name, false);
        out.push(':');
        string(out, value, false);
    }
    out.push('}');
}

/// Seconds, with three digits of a fraction where there is one.
pub fn timestamp(out: &mut String, ms: i64) {
    let sign = if ms < 0 { "-" } else { "" };
    let ms = ms.unsigned_abs();
    let _ = write!(out, "{sign}{}", ms / 1_000);
    if !ms.is_multiple_of(1_000) {
        let _ = write!(out, ".{:03}", ms % 1_000);
    }
}

fn float_point(out: &mut String, time: i64, value: f64) {
    out.push('[');
    timestamp(out, time);
    let _ = write!(out, ",\"{}\"]", float_json(value));
}

fn histogram_point(out: &mut String, time: i64, histogram: &FloatHistogram) {
    out.push('[');
    timestamp(out, time);
    let _ = write!(out, ",{{\"count\":\"{}\",\"sum\":\"{}\"", float_json(histogram.count), float_json(histogram.sum));
    let mut first = true;
    for bucket in all_buckets(histogram).into_iter().filter(|bucket| bucket.count != 0.0) {
        out.push_str(if std::mem::take(&mut first) { ",\"buckets\":[" } else { "," });
        let rule = match (bucket.lower_inclusive, bucket.upper_inclusive) {
            (false, true) => 0,
            (true, false) => 1,
            (false, false) => 2,
            (true, true) => 3,
        };
        let (lower, upper, count) = (float_json(bucket.lower), float_json(bucket.upper), float_json(bucket.count));
        let _ = write!(out, "[{rule},\"{lower}\",\"{upper}\",\"{count}\"]");
    }
    if !first {
        out.push(']');
    }
    out.push_str("}]");
}

/// A JSON string; texts of HTML are escaped in all but labels, as Go's encoder does.
pub fn string(out: &mut String, text: &str, html: bool) {
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '<' | '>' | '&' if html => {
                let _ = write!(out, "\\u{:04x}", letter as u32);
            }
            '\u{2028}' | '\u{2029}' if html => {
                let _ = write!(out, "\\u{:04x}", letter as u32);
            }
            letter if (letter as u32) < 0x20 => {
                let _ = write!(out, "\\u{:04x}", letter as u32);
            }
            letter => out.push(letter),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::super::annotation::Notes;
    use super::super::eval::VectorSample;
    use super::*;
    use crate::model::{BucketSpan, SampleColumn};
    use std::sync::Arc;

    fn shown(answer: Answer, time: i64) -> String {
        success(&Evaluated { answer, time, notes: Notes::default(), stats: Stats::default() }, "x", false)
    }

    #[test]
    fn values_are_written_as_prometheus_writes_them() {
        let nan = VectorSample { labels: Labels::default(), value: SampleValue::Float(f64::NAN) };
        for (answer, time, body) in [
            (Answer::Vector(vec![nan]), 1_500, r#"{"resultType":"vector","result":[{"metric":{},"value":[1.500,"NaN"]}]}"#),
            (Answer::Vector(Vec::new()), 0, r#"{"resultType":"vector","result":[]}"#),
            (Answer::Scalar(1e21), 1_000, r#"{"resultType":"scalar","result":[1,"1e+21"]}"#),
            (Answer::String("a<b".into()), -1, r#"{"resultType":"string","result":[-0.001,"a\u003cb"]}"#),
        ] {
            assert_eq!(shown(answer, time), format!("{{\"status\":\"success\",\"data\":{body}}}"));
        }
    }

    #[test]
    fn a_series_writes_numbers_and_histograms_apart() {
        let histogram = FloatHistogram {
            count: 3.0,
            sum: 5.0,
            zero_count: 1.0,
            zero_threshold: 0.001,
            positive_spans: vec![BucketSpan { offset: 0, length: 2 }],
            positive_buckets: vec![2.0, 0.0],
            negative_spans: vec![BucketSpan { offset: 1, length: 1 }],
            negative_buckets: vec![4.0],
            ..FloatHistogram::default()
        };
        let mut samples = SampleColumn::default();
        samples.push(0, SampleValue::Float(0.5));
        samples.push(1_000, SampleValue::Histogram(Arc::new(histogram)));
        let labels = Labels::new([("a", "<é>")]);
        let body = shown(Answer::Matrix(vec![MatrixSeries { labels, samples }]), 0);
        assert_eq!(
            body,
            r#"{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"a":"<é>"},"values":[[0,"0.5"]],"histograms":[[1,{"count":"3","sum":"5","buckets":[[1,"-2","-1","4"],[3,"-0.001","0.001","1"],[0,"0.5","1","2"]]}]]}]}}"#
        );
    }

    #[test]
    fn an_error_is_written_as_prometheus_writes_it() {
        assert_eq!(
            failure(
                "bad_data",
                "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)"
            ),
            r#"{"status":"error","errorType":"bad_data","error":"exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)"}"#
        );
    }
}
