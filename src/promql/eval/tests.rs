//! Properties: a range query is its instant queries, printing is reading backwards, limits and cancellation hold.

use super::{Answer, EvalError, Options, When, evaluate};
use crate::model::{Labels, SampleColumn, SampleValue, sample::STALE_NAN};
use crate::promql::parse;
use crate::source::{MemorySeries, QueryControl};
use proptest::prelude::*;

/// Between samples and steps.
const INTERVAL_MS: i64 = 10_000;

fn source(values: &[Vec<Option<f64>>]) -> MemorySeries {
    let mut source = MemorySeries::default();
    for (index, values) in values.iter().enumerate() {
        let mut column = SampleColumn::default();
        for (sample, value) in values.iter().enumerate() {
            if let Some(value) = value {
                column.push(sample as i64 * INTERVAL_MS, SampleValue::Float(*value));
            }
        }
        let labels =
            Labels::new([("__name__", "x_total"), ("job", if index % 2 == 0 { "a" } else { "b" }), ("i", &index.to_string())]);
        source.append(&labels, &column);
    }
    source
}

fn ask(source: &MemorySeries, query: &str, when: When) -> Answer {
    let expr = parse(query).unwrap();
    evaluate(&expr, when, source, &Options::default(), &QueryControl::default()).unwrap().answer
}

fn selector() -> impl Strategy<Value = String> {
    prop_oneof![Just("x_total"), Just("x_total{job=\"a\"}"), Just("x_total{i=~\"1|2\"} offset 20s")].prop_map(str::to_owned)
}

fn query() -> impl Strategy<Value = String> {
    let functions = prop_oneof![
        Just("rate"),
        Just("increase"),
        Just("delta"),
        Just("irate"),
        Just("sum_over_time"),
        Just("max_over_time"),
        Just("avg_over_time"),
        Just("changes"),
        Just("resets"),
        Just("deriv"),
        Just("last_over_time"),
        Just("stddev_over_time"),
    ];
    let range = (
        functions,
        prop_oneof![Just("x_total[35s]"), Just("x_total{job=\"b\"}[1m] offset 10s"), Just("sum by (job) (x_total)[1m:20s]")],
    )
        .prop_map(|(function, range)| format!("{function}({range})"));
    let leaf = prop_oneof![selector(), range, Just("vector(time())".to_owned())];
    leaf.prop_recursive(3, 12, 2, |inner| {
        prop_oneof![
            (prop_oneof![Just("sum"), Just("avg"), Just("min"), Just("max"), Just("count"), Just("stddev")], inner.clone())
                .prop_map(|(op, inner)| format!("{op} by (job) ({inner})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("sum by (job) ({a}) / sum by (job) ({b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) or ({b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) unless on (job) ({b})")),
            inner.clone().prop_map(|inner| format!("-({inner}) > -5")),
            inner.prop_map(|inner| format!("abs({inner})")),
        ]
    })
}

fn values() -> impl Strategy<Value = Vec<Vec<Option<f64>>>> {
    let value = prop_oneof![
        6 => (0_u32..50).prop_map(|value| Some(f64::from(value))),
        1 => Just(None),
        1 => Just(Some(STALE_NAN)),
    ];
    prop::collection::vec(prop::collection::vec(value, 20), 3..12)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_range_query_is_its_instant_queries(values in values(), query in query()) {
        let source = source(&values);
        let (start, end) = (45_000, 165_000);
        let expr = parse(&query).unwrap();
        let run = |when| evaluate(&expr, when, &source, &Options::default(), &QueryControl::default());
        let Ok(range) = run(When::Range { start, end, step: INTERVAL_MS }) else { return Ok(()) };
        let Answer::Matrix(series) = range.answer else { panic!("a range query gives a matrix") };
        for time in (start..=end).step_by(INTERVAL_MS as usize) {
            let Ok(instant) = run(When::Instant(time)) else { return Err(TestCaseError::fail(format!("{query} at {time}"))) };
            let Answer::Vector(mut vector) = instant.answer else { panic!("an instant query gives a vector") };
            vector.sort_by(|a, b| a.labels.cmp(&b.labels));
            let at: Vec<(String, u64)> = series
                .iter()
                .filter_map(|series| {
                    let place = series.samples.times.iter().position(|at| *at == time)?;
                    Some((series.labels.to_string(), series.samples.values[place].to_bits()))
                })
                .collect();
            let alone: Vec<(String, u64)> = vector
                .iter()
                .filter_map(|sample| match &sample.value {
                    SampleValue::Float(value) => Some((sample.labels.to_string(), value.to_bits())),
                    SampleValue::Histogram(_) => None,
                })
                .collect();
            prop_assert_eq!(at, alone, "{} at {}", query, time);
        }
    }

    #[test]
    fn what_is_printed_reads_as_the_same(query in query()) {
        let expr = parse(&query).unwrap();
        let text = expr.to_string();
        prop_assert_eq!(parse(&text).unwrap().to_string(), text);
    }
}

#[test]
fn limits_and_cancellation_end_a_query() {
    let source = source(&vec![vec![Some(1.0); 20]; 10]);
    let expr = parse("x_total").unwrap();
    let when = When::Range { start: 0, end: 190_000, step: INTERVAL_MS };
    let few = Options { max_samples: 100, ..Options::default() };
    let control = QueryControl::default();
    let error = evaluate(&expr, when, &source, &few, &control).unwrap_err();
    assert!(matches!(error, EvalError::TooManySamples), "{error}");
    control.cancel();
    let error = evaluate(&expr, when, &source, &Options::default(), &control).unwrap_err();
    assert!(matches!(error, EvalError::Canceled), "{error}");
}

#[test]
fn threads_change_no_answer() {
    let source = source(&vec![(0..20).map(|value| Some(f64::from(value * value % 7))).collect(); 40]);
    let expr = parse("sum by (job) (rate(x_total[40s]))").unwrap();
    let when = When::Range { start: 0, end: 190_000, step: 50 };
    let answers = [1, 2, 3].map(|threads| {
        let options = Options { threads, ..Options::default() };
        let evaluated = evaluate(&expr, when, &source, &options, &QueryControl::default()).unwrap();
        crate::promql::json::success(&evaluated, "", false)
    });
    assert_eq!(answers[0].len(), answers[1].len());
    assert!(matches!(ask(&source, "count(x_total)", When::Instant(100_000)), Answer::Vector(vector) if vector.len() == 1));
}
