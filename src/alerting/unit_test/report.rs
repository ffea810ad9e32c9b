//! What a failed test says, in promtool's words, and the JUnit report.

use super::file::AlertTest;
use super::run::{FiringAlert, labels_of};
use crate::alerting::duration;
use crate::alerting::go_text;
use crate::model::Labels;
use crate::model::labels::is_label_identifier;
use serde_json::{Value, json};

/// Labels as Prometheus' `labels.Labels` prints them, the metric's name among them.
pub(super) fn label_text<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let name = |name: &str| if is_label_identifier(name) { name.to_owned() } else { go_text::quote(name) };
    let pairs: Vec<String> = pairs.map(|(key, value)| format!("{}={}", name(key), go_text::quote(value))).collect();
    format!("{{{}}}", pairs.join(", "))
}

/// A sample: labels and a number, or a histogram in its notation.
pub(super) fn sample_text(labels: &Labels, value: f64, histogram: &str) -> String {
    let labels = label_text(labels.iter());
    if histogram.is_empty() { format!("{labels} {}", go_text::float_upper_e(value)) } else { format!("{labels} {histogram}") }
}

fn indent(text: &str, by: &str) -> String {
    text.split('\n')
        .enumerate()
        .map(|(at, line)| if at == 0 { line.to_owned() } else { format!("{by}{line}") })
        .collect::<Vec<_>>()
        .join("\n")
}

fn list(alerts: &[FiringAlert]) -> String {
    if alerts.is_empty() {
        return "[]".to_owned();
    }
    let one = |(place, (labels, annotations)): (usize, &FiringAlert)| {
        let text = format!("\nLabels:{}\nAnnotations:{}", labels_of(labels), labels_of(annotations));
        format!("{place}:{}", indent(&text, "  "))
    };
    format!("[\n{}\n]", alerts.iter().enumerate().map(one).collect::<Vec<_>>().join(",\n"))
}

/// That other alerts fire than expected.
pub(super) fn alerts_differ(
    test: &str,
    wanted: &AlertTest,
    expected: &[FiringAlert],
    found: &[FiringAlert],
    diff: bool,
) -> String {
    let name = if test.is_empty() { String::new() } else { format!("    name: {test},\n") };
    let (alert, time) = (&wanted.alertname, duration::format(wanted.eval_time));
    if diff {
        let lines = diff_lines(&object(expected), &object(found));
        let shown = indent(&lines, "            ");
        return format!("{name}    alertname: {alert}, time: {time}, \n        diff: {shown}");
    }
    let by = "            ";
    let (expected, found) = (indent(&list(expected), by), indent(&list(found), by));
    format!("{name}    alertname: {alert}, time: {time}, \n        exp:{expected}, \n        got:{found}")
}

fn object(alerts: &[FiringAlert]) -> String {
    let objects: Vec<Value> =
        alerts.iter().map(|(labels, annotations)| json!({"Annotations": annotations, "Labels": labels})).collect();
    serde_json::to_string_pretty(&objects).unwrap_or_default()
}

/// Lines of both texts, those of one alone with `-` or `+`.
fn diff_lines(left: &str, right: &str) -> String {
    let (left, right): (Vec<&str>, Vec<&str>) = (left.lines().collect(), right.lines().collect());
    // Longest common subsequence; the texts are as long as an alert list.
    let mut longest = vec![vec![0_u32; right.len() + 1]; left.len() + 1];
    for at in (0..left.len()).rev() {
        for other in (0..right.len()).rev() {
            longest[at][other] = if left[at] == right[other] {
                longest[at + 1][other + 1] + 1
            } else {
                longest[at + 1][other].max(longest[at][other + 1])
            };
        }
    }
    let (mut at, mut other, mut lines) = (0, 0, Vec::new());
    while at < left.len() || other < right.len() {
        if at < left.len() && other < right.len() && left[at] == right[other] {
            lines.push(format!("  {}", left[at]));
            (at, other) = (at + 1, other + 1);
        } else if other == right.len() || (at < left.len() && longest[at + 1][other] >= longest[at][other + 1]) {
            lines.push(format!("- {}", left[at]));
            at += 1;
        } else {
            lines.push(format!("+ {}", right[other]));
            other += 1;
        }
    }
    lines.join("\n")
}

/// The tests of a file for the JUnit report.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Suite {
    /// The file.
    pub name: String,
    /// When it was begun, `2006-01-02T15:04:05`.
    pub time: String,
    /// Why nothing of it was run.
    pub aborted: Option<String>,
    /// Tests by name with what is wrong.
    pub cases: Vec<(String, Vec<String>)>,
}

/// The JUnit report of promtool.
pub fn junit(suites: &[Suite]) -> String {
    let mut out = String::from("<testsuites>\n");
    for suite in suites {
        let failures: usize = suite.cases.iter().map(|(_, failures)| failures.len()).sum();
        out.push_str(&format!(
            "    <testsuite name=\"{}\" tests=\"{}\" failures=\"{failures}\" errors=\"{}\" timestamp=\"{}\">\n",
            escape(&suite.name),
            suite.cases.len() + usize::from(suite.aborted.is_some()),
            usize::from(suite.aborted.is_some()),
            escape(&suite.time)
        ));
        for (name, failures) in &suite.cases {
            out.push_str(&format!("        <testcase name=\"{}\">", escape(name)));
            for failure in failures {
                out.push_str(&format!("\n            <failure>{}</failure>", escape(failure)));
            }
            out.push_str(if failures.is_empty() { "</testcase>\n" } else { "\n        </testcase>\n" });
        }
        if let Some(reason) = &suite.aborted {
            out.push_str(&format!(
                "        <testcase name=\"abort\">\n            <error>{}</error>\n        </testcase>\n",
                escape(reason)
            ));
        }
        out.push_str("    </testsuite>\n");
    }
    out + "</testsuites>"
}

/// Text in XML; what XML cannot hold is replaced.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&#34;"),
            '\n' => out.push_str("&#xA;"),
            '\t' => out.push_str("&#x9;"),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::DurationNs;
    use std::collections::BTreeMap;

    fn alert(severity: &str) -> FiringAlert {
        let labels = BTreeMap::from([("alertname".to_owned(), "A".to_owned()), ("severity".to_owned(), severity.to_owned())]);
        (labels, BTreeMap::new())
    }

    #[test]
    fn both_sides_are_told_in_promtools_form() {
        let wanted = AlertTest { eval_time: DurationNs(60_000_000_000), alertname: "A".to_owned(), expected: Vec::new() };
        let text = alerts_differ("t", &wanted, &[alert("page")], &[], false);
        assert_eq!(
            text,
            "    name: t,\n    alertname: A, time: 1m, \n        exp:[\n            0:\n              Labels:{alertname=\"A\", severity=\"page\"}\n              Annotations:{}\n            ], \n        got:[]"
        );
        let diff = alerts_differ("", &wanted, &[alert("page")], &[alert("warn")], true);
        assert!(diff.contains("-       \"severity\": \"page\"") && diff.contains("+       \"severity\": \"warn\""), "{diff}");
        assert!(diff.contains("        \"alertname\": \"A\""), "{diff}");
    }

    #[test]
    fn the_junit_report_names_each_test_and_escapes() {
        let suite = Suite {
            name: "a.yml".to_owned(),
            time: "2026-01-01T00:00:00".to_owned(),
            aborted: None,
            cases: vec![("good".to_owned(), Vec::new()), ("bad".to_owned(), vec!["exp: <\"1\">\n".to_owned()])],
        };
        let text = junit(&[suite]);
        assert!(text.contains("tests=\"2\" failures=\"1\" errors=\"0\""));
        assert!(text.contains("<testcase name=\"good\"></testcase>"));
        assert!(text.contains("<failure>exp: &lt;&#34;1&#34;&gt;&#xA;</failure>"));
    }
}
