//! `belvedere check rules` and `belvedere test rules` against promtool's own fixtures, with its exit codes.

use crate::support::{belvedere, shared_data};
use std::path::Path;
use std::process::Output;

fn run(folder: &Path, arguments: &[&str]) -> Output {
    belvedere().current_dir(folder).args(arguments).output().unwrap()
}

#[track_caller]
fn exits(folder: &Path, arguments: &[&str], code: i32) -> (String, String) {
    let output = run(folder, arguments);
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{arguments:?}\n{out}{err}");
    (out.into_owned(), err.into_owned())
}

#[test]
fn promtools_rule_tests_get_promtools_verdicts() {
    let Some(folder) = shared_data("promtool-rules") else { return };
    let folder = folder.join("testdata");
    for (arguments, code) in [
        (&["unittest.yml"][..], 0),
        (&["long-period.yml"], 0),
        (&["no-test-group-interval.yml"], 0),
        (&["start-time-test.yml"], 0),
        (&["at-modifier-test.yml"], 0),
        (&["negative-offset-test.yml"], 0),
        (&["bad-input-series.yml"], 1),
        (&["bad-promql.yml"], 1),
        (&["bad-rules-syntax-test.yml"], 1),
        (&["bad-rules-error-test.yml"], 1),
        (&["failing.yml"], 1),
        (&["rules_run.yml"], 1),
        (&["rules_run.yml", "--run", "correct"], 0),
        (&["rules_run.yml", "--run", "wrong"], 1),
        (&["rules_run_extrafields.yml"], 1),
        (&["rules_run_extrafields.yml", "--ignore-unknown-fields"], 0),
        (&["rules_run_no_fuzzy.yml"], 1),
        (&["rules_run_fuzzy.yml", "--run", "correct"], 0),
        (&["rules_run_fuzzy.yml", "--run", "wrong"], 1),
    ] {
        exits(&folder, &[&["test", "rules"], arguments].concat(), code);
    }
    let (_, said) = exits(&folder, &["test", "rules", "failing.yml", "--diff"], 1);
    assert!(said.contains("diff:"), "{said}");
}

#[test]
fn good_and_bad_rule_files_are_told_apart() {
    let Some(folder) = shared_data("promtool-rules") else { return };
    let testdata = folder.join("rulefmt-testdata");
    let mut seen = 0;
    for entry in std::fs::read_dir(&testdata).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        // These are about the names of before UTF-8.
        if name.starts_with("legacy_validation") {
            continue;
        }
        let bad = name.contains(".bad.");
        exits(&testdata, &["check", "rules", &name], i32::from(bad));
        seen += 1;
    }
    assert!(seen >= 12, "{seen} files");
    let rules = folder.join("testdata");
    let (said, _) = exits(&rules, &["check", "rules", "rules.yml"], 0);
    assert!(said.contains("  SUCCESS: 5 rules found"), "{said}");
    let (_, said) = exits(&rules, &["check", "rules", "rules_duplicates.yml"], 0);
    assert!(said.contains("duplicate rule(s) found"), "{said}");
    exits(&rules, &["check", "rules", "rules_duplicates.yml", "--lint-fatal"], 3);
    exits(&rules, &["check", "rules", "rules_duplicates.yml", "--lint-fatal", "--lint", "none"], 0);
    exits(&rules, &["check", "rules", "rules-bad.yml"], 1);
    exits(&rules, &["check", "rules", "rules_extrafields.yml"], 1);
    exits(&rules, &["check", "rules", "rules_extrafields.yml", "--ignore-unknown-fields"], 0);
    exits(&rules, &["check", "rules", "rules_large.yml"], 0);
    exits(&rules, &["check", "rules", "nowhere.yml"], 1);
}

#[test]
fn the_mixins_rules_are_right() {
    let Some(folder) = shared_data("prometheus-rules") else { return };
    for entry in std::fs::read_dir(&folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.ends_with(".yaml") {
            exits(&folder, &["check", "rules", &name], 0);
        }
    }
}

#[test]
fn a_failed_test_is_told_in_full_and_as_junit() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    write(
        "rules.yml",
        "groups: [{name: g, rules: [{alert: Down, expr: up == 0, for: 2m, labels: {severity: page}, annotations: {text: '{{ $value }}'}}]}]\n",
    );
    write(
        "good.yml",
        "
rule_files: ['rul*.yml']
tests:
  - input_series: [{series: 'up{job=\"a\"}', values: '1 0x5'}]
    alert_rule_test:
      - {eval_time: 2m, alertname: Down, exp_alerts: []}
      - {eval_time: 3m30s, alertname: Down, exp_alerts: [{exp_labels: {job: a, severity: page}, exp_annotations: {text: '0'}}]}
    promql_expr_test:
      - {expr: 'ALERTS{alertstate=\"pending\"}', eval_time: 2m, exp_samples: [{labels: 'ALERTS{alertname=\"Down\",alertstate=\"pending\",job=\"a\",severity=\"page\"}', value: 1}]}
",
    );
    write(
        "bad.yml",
        "
rule_files: [rules.yml]
tests:
  - name: wrong
    input_series: [{series: 'up{job=\"a\"}', values: '0x5'}]
    alert_rule_test: [{eval_time: 5m, alertname: Down, exp_alerts: []}]
    promql_expr_test: [{expr: up, eval_time: 1m, exp_samples: [{labels: 'up{job=\"a\"}', value: 1}]}]
",
    );
    exits(dir.path(), &["test", "rules", "good.yml"], 0);
    let (_, said) = exits(dir.path(), &["test", "rules", "good.yml", "bad.yml", "--junit", "out.xml"], 1);
    assert!(said.contains("    name: wrong,\n    alertname: Down, time: 5m, \n        exp:[], \n        got:[\n"), "{said}");
    assert!(said.contains("Labels:{alertname=\"Down\", job=\"a\", severity=\"page\"}"), "{said}");
    assert!(
        said.contains("exp: {__name__=\"up\", job=\"a\"} 1E+00\n        got: {__name__=\"up\", job=\"a\"} 0E+00"),
        "{said}"
    );
    let report = std::fs::read_to_string(dir.path().join("out.xml")).unwrap();
    assert!(report.contains("<testcase name=\"unnamed#0\"></testcase>") && report.contains("failures=\"2\""), "{report}");
}
