use super::*;
use crate::model::{Labels, MetricKind, SampleBatch};

fn lines(batch: &SampleBatch) -> Vec<String> {
    let line = |series: &crate::model::sample::BatchSeries| {
        let labels = Labels::from_packed(batch.packed_labels(series)).expect("a packed label set");
        let at = series.samples.start as usize;
        format!("{labels} {}@{}", batch.values[at], batch.times[at])
    };
    batch.series.iter().map(line).collect()
}

fn text(text: &str) -> Vec<String> {
    lines(&read(text.as_bytes(), Dialect::Text, 9).unwrap())
}

#[test]
fn the_text_format_is_read() {
    assert_eq!(
        text(
            "# HELP http_requests_total The total.\\nSecond line.\n# TYPE http_requests_total counter\n\
             http_requests_total{method=\"post\",code=\"200\"} 1027 1395066363000\n\
             \n# a comment\n#another\n  spaced {a=\"x\" , b = \"y}\\\"\\\\\\n\",}  +Inf  \n\
             job:rate:5m 3.5e-3\nlast NaN"
        ),
        [
            r#"http_requests_total{code="200", method="post"} 1027@1395066363000"#,
            r#"spaced{a="x", b="y}\"\\\n"} inf@9"#,
            "job:rate:5m 0.0035@9",
            "last NaN@9",
        ]
    );
}

#[test]
fn quoted_names_stand_in_the_braces() {
    assert_eq!(
        text("# TYPE \"my.metric\" gauge\n{\"my.metric\",\"my.label\"=\"x\",b=\"y\"} 1\n{\"plain\"} 2\nempty{} 3\n"),
        [
            r#"{"my.metric", "my.label"="x", b="y"} 1@9"#.replace("\"my.label\"=\"x\", b=\"y\"", "b=\"y\", \"my.label\"=\"x\""),
            "plain 2@9".into(),
            "empty 3@9".into()
        ]
    );
}

#[test]
fn open_metrics_is_read_with_exemplars_units_and_created_times() {
    let batch = read(
        b"# TYPE foo_seconds histogram\n# UNIT foo_seconds seconds\n# HELP foo_seconds A \\\"help\\\".\n\
          foo_seconds_bucket{le=\"1\"} 3 1520879607.789 # {trace_id=\"KOO5S4vxi0o\"} 0.67 1520879607.7\n\
          foo_seconds_bucket{le=\"+Inf\"} 4 # {trace_id=\"x\"} 9\nfoo_seconds_count 4\nfoo_seconds_sum 1\n\
          foo_seconds_created 1520872607.123\n# TYPE bar counter\nbar_total 17\n# TYPE i info\ni_info{v=\"2\"} 1\n# EOF\n",
        Dialect::OpenMetrics,
        5,
    )
    .unwrap();
    assert_eq!(
        lines(&batch)[..3],
        [r#"foo_seconds_bucket{le="1.0"} 3@1520879607789"#, r#"foo_seconds_bucket{le="+Inf"} 4@5"#, "foo_seconds_count 4@5"]
    );
    let exemplars: Vec<_> = batch.exemplars.iter().map(|(series, it)| (*series, it.value, it.time)).collect();
    assert_eq!(exemplars, [(0, 0.67, 1_520_879_607_700), (1, 9.0, 5)]);
    assert_eq!(batch.starts[..4], [1_520_872_607_123; 4]);
    assert_eq!(batch.starts[5], 0, "another family has no created time");
    let about = &batch.metadata[0];
    assert_eq!((about.family.as_str(), about.kind, about.unit.as_str()), ("foo_seconds", MetricKind::Histogram, "seconds"));
    assert_eq!(about.help, "A \"help\".");
}

#[test]
fn errors_name_line_and_column() {
    for (dialect, text, line, column, reason) in [
        (Dialect::Text, "a 1\nb{x=1} 2\n", 2, 5, "expected \""),
        (Dialect::Text, "a\n", 1, 2, "expected a value, found the end of the line"),
        (Dialect::Text, "a 1 2 3\n", 1, 7, "expected the end of the line"),
        (Dialect::Text, "a 1x\n", 1, 3, "\"1x\" is no number"),
        (Dialect::Text, "a 1 1.5\n", 1, 5, "is no timestamp"),
        (Dialect::Text, "a{b=\"x} 1\n", 1, 5, "the quotes do not end"),
        (Dialect::Text, "{b=\"x\"} 1\n", 1, 1, "no metric name"),
        (Dialect::Text, "9a 1\n", 1, 1, "starts with a digit"),
        (Dialect::Text, "a{b=\"1\",b=\"2\"} 1\n", 1, 1, "label \"b\" is there twice"),
        (Dialect::Text, "a{b=\"1\" c=\"2\"} 1\n", 1, 9, "expected , or }"),
        (Dialect::Text, "# TYPE a thing\n", 1, 10, "invalid metric type \"thing\""),
        (Dialect::OpenMetrics, "a 1\n", 2, 1, "does not end with # EOF"),
        (Dialect::OpenMetrics, "a 1\n\n# EOF\n", 2, 1, "expected a metric name or #"),
        (Dialect::OpenMetrics, "# EOF\na 1\n", 2, 1, "more after # EOF"),
        (Dialect::OpenMetrics, "# UNIT a_b seconds\n# EOF\n", 1, 12, "not a suffix"),
    ] {
        let error = read(text.as_bytes(), dialect, 0).unwrap_err();
        assert!(error.reason.contains(reason), "{text:?}: {error}");
        assert_eq!((error.line, error.column), (line, column), "{text:?}: {error}");
    }
    assert_eq!(read(b"a 1\n\xff 2\n", Dialect::Text, 0).unwrap_err().line, 2);
}

#[test]
fn the_content_type_tells_the_dialect() {
    for (value, dialect) in [
        ("text/plain; version=0.0.4; charset=utf-8", Some(Dialect::Text)),
        ("application/openmetrics-text; version=1.0.0", Some(Dialect::OpenMetrics)),
        ("", Some(Dialect::Text)),
        ("text/html", None),
    ] {
        assert_eq!(Dialect::of_content_type(value), dialect, "{value}");
    }
}
