//! Runs one test: evaluates the groups step by step, compares alerts as it goes and queries at the end.

use super::Bench;
use super::file::{AlertTest, ExprTest, RuleTest, TestFile};
use super::report::{alerts_differ, label_text, sample_text};
use crate::alerting::alert::ALERT_NAME;
use crate::alerting::duration;
use crate::alerting::go_text;
use crate::alerting::rules::QuerySample;
use crate::alerting::rules::file::RuleFile;
use crate::alerting::rules::group::{GroupDefaults, GroupState, ReadyGroup, ready_groups};
use crate::alerting::rules::state::{AlertState, HistogramText};
use crate::model::{DurationNs, Labels, SampleValue, UnixNanos};
use std::collections::BTreeMap;

/// How a test is run and told of.
#[derive(Clone, Copy, Debug)]
pub struct RunOptions {
    /// Differences as a diff of JSON instead of both sides in full.
    pub diff: bool,
    /// How a native histogram prints in templates.
    pub histogram_text: HistogramText,
}

/// Labels and annotations of an alert that fires.
pub type FiringAlert = (BTreeMap<String, String>, BTreeMap<String, String>);

/// Runs one test of a file over its rule files; what is wrong, in promtool's words.
pub fn run(
    file: &TestFile,
    test: &RuleTest,
    rules: &[(String, RuleFile)],
    bench: &mut dyn Bench,
    options: RunOptions,
) -> Vec<String> {
    let mut errors = Vec::new();
    for (series, values) in &test.input_series {
        if let Err(error) = bench.load(series, values, test.start, test.interval) {
            return vec![error];
        }
    }
    if let Some(alert) = test.alerts.iter().find(|alert| alert.alertname.is_empty()) {
        let within = if test.name.is_empty() { String::new() } else { format!(" (in TestGroup {})", test.name) };
        let time = duration::format(alert.eval_time);
        return vec![format!("an item under alert_rule_test misses required attribute alertname at eval_time {time}{within}")];
    }
    let defaults = GroupDefaults {
        interval: test.interval,
        external_labels: Labels::new(&test.external_labels),
        external_url: test.external_url.clone(),
        ..GroupDefaults::new(options.histogram_text)
    };
    let mut groups: Vec<(ReadyGroup, GroupState)> = rules
        .iter()
        .flat_map(|(name, rules)| ready_groups(name, rules, &defaults))
        .map(|group| {
            let state = GroupState::new(&group, true);
            (group, state)
        })
        .collect();
    let order = |name: &str| file.group_eval_order.iter().position(|known| known == name).unwrap_or(0);
    groups.sort_by_key(|(group, _)| order(&group.name));

    let mut waiting: Vec<&AlertTest> = test.alerts.iter().collect();
    waiting.sort_by_key(|alert| alert.eval_time);
    let mut waiting = waiting.into_iter().peekable();
    let times = test.alerts.iter().map(|one| one.eval_time).chain(test.exprs.iter().map(|one| one.eval_time));
    let last = times.max().unwrap_or_default();
    let step = file.evaluation_interval;
    let mut since = DurationNs(0);
    while since <= last {
        let now = test.start + since;
        bench.reveal(now);
        let failed = evaluate(&mut groups, bench, now, &defaults);
        if !failed.is_empty() {
            errors.extend(failed);
            return errors;
        }
        let next = DurationNs(since.0.saturating_add(step.0));
        while let Some(alert) = waiting.next_if(|alert| alert.eval_time < next) {
            errors.extend(check_alert(test, alert, &groups, options));
        }
        if next.0 == i64::MAX {
            break;
        }
        since = next;
    }
    for expr in &test.exprs {
        errors.extend(check_expr(test, expr, bench, file.fuzzy_compare));
    }
    errors
}

fn evaluate(
    groups: &mut [(ReadyGroup, GroupState)],
    bench: &mut dyn Bench,
    now: UnixNanos,
    defaults: &GroupDefaults,
) -> Vec<String> {
    let mut failed = Vec::new();
    for (group, state) in groups {
        // Not `begin`: no gap between steps is an outage here, however long they are.
        for place in 0..group.rules.len() {
            let outcome = {
                let bench: &dyn Bench = bench;
                state.eval_rule(group, place, now, defaults, &|expr, at| bench.query(expr, at))
            };
            if let Some(error) = outcome.error {
                let (name, time) = (group.rules[place].rule.name(), go_text::duration(now.0));
                failed.push(format!("    rule: {name}, time: {time}, err: {error}"));
            }
            bench.append(outcome.samples);
        }
    }
    failed
}

fn check_alert(
    test: &RuleTest,
    wanted: &AlertTest,
    groups: &[(ReadyGroup, GroupState)],
    options: RunOptions,
) -> Option<String> {
    let mut found: Vec<FiringAlert> = groups
        .iter()
        .flat_map(|(group, state)| group.rules.iter().zip(&state.rules))
        .filter(|(rule, _)| rule.rule.is_alert() && rule.rule.alert == wanted.alertname)
        .flat_map(|(_, state)| state.active())
        .filter(|alert| alert.state == AlertState::Firing)
        .map(|alert| {
            let labels = alert.labels.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
            let annotations = alert.annotations.iter().map(|(name, text)| (name.to_string(), text.clone())).collect();
            (labels, annotations)
        })
        .collect();
    let mut expected: Vec<FiringAlert> = wanted
        .expected
        .iter()
        .cloned()
        .map(|(mut labels, annotations)| {
            labels.insert(ALERT_NAME.to_owned(), wanted.alertname.clone());
            (labels, annotations)
        })
        .collect();
    found.sort();
    expected.sort();
    (found != expected).then(|| alerts_differ(&test.name, wanted, &expected, &found, options.diff))
}

/// A sample that is compared: labels, a number, a histogram in its notation.
type Compared = (Labels, f64, String);

fn check_expr(test: &RuleTest, wanted: &ExprTest, bench: &dyn Bench, fuzzy: bool) -> Option<String> {
    let time = duration::format(wanted.eval_time);
    let failed = |error: &str| Some(format!("    expr: {:?}, time: {time}, err: {error}", wanted.expr));
    let answer = match bench.query(&wanted.expr, test.start + wanted.eval_time) {
        Ok(answer) => answer,
        Err(error) => return failed(&error),
    };
    let compared = |sample: QuerySample| match sample.value {
        SampleValue::Float(value) => (sample.labels, value, String::new()),
        SampleValue::Histogram(histogram) => (sample.labels, 0.0, bench.histogram_notation(&histogram)),
    };
    let mut found: Vec<Compared> = answer.into_iter().map(compared).collect();
    let mut expected = Vec::new();
    for (labels, value, histogram) in &wanted.expected {
        let read = bench.metric(labels).and_then(|metric| {
            let notation = match histogram.as_str() {
                "" => String::new(),
                text => bench.histogram_notation(&bench.histogram(text)?),
            };
            Ok((metric, *value, notation))
        });
        match read {
            Ok(one) => expected.push(one),
            Err(error) => return failed(&format!("labels {labels:?}: {error}")),
        }
    }
    found.sort_by(|left, right| left.0.cmp(&right.0));
    expected.sort_by(|left, right| left.0.cmp(&right.0));
    let same =
        |(left, right): (&Compared, &Compared)| left.0 == right.0 && left.2 == right.2 && (same_number(left.1, right.1, fuzzy));
    let equal = found.len() == expected.len() && expected.iter().zip(&found).all(same);
    let all = |samples: &[Compared]| {
        let texts: Vec<String> =
            samples.iter().map(|(labels, value, notation)| sample_text(labels, *value, notation)).collect();
        if texts.is_empty() { "nil".to_owned() } else { texts.join(", ") }
    };
    (!equal).then(|| {
        let (expected, found) = (all(&expected), all(&found));
        format!("    expr: {:?}, time: {time},\n        exp: {expected}\n        got: {found}", wanted.expr)
    })
}

/// Equal, or with `fuzzy` neighbours; a NaN equals nothing.
fn same_number(left: f64, right: f64, fuzzy: bool) -> bool {
    left == right || (fuzzy && (left.next_up() == right || left.next_down() == right))
}

/// The label set in promtool's reports.
pub(super) fn labels_of(pairs: &BTreeMap<String, String>) -> String {
    label_text(pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())))
}
