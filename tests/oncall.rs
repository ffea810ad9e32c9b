//! `belvedere oncall` and `belvedere check schedule`, as scripts call them.

use crate::support::belvedere;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::Output;

const DESIGN: &str = "\
schedule: Primary
zone: America/Chicago
layers:
  - name: weekly
    rotation: {every: 1 week, start: 2026-03-02T09:00, people: [ana, ben, chi]}
    restrict: [{days: [mon, tue, wed, thu, fri], from: \"09:00\", to: \"17:00\"}]
overrides:
  - {replace: ana, with: chi, from: 2026-03-08T01:00, to: 2026-03-08T05:00}
  - {add: ben, from: 2026-03-09T01:00, to: 2026-03-09T05:00}
  - {remove: chi, from: 2026-03-10T01:00, to: 2026-03-10T05:00}
";

struct File {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

fn file(text: &str) -> File {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("schedule.yaml");
    std::fs::write(&path, text).unwrap();
    File { _folder: folder, path }
}

fn run(file: &File, command: &[&str], rest: &[&str]) -> Output {
    belvedere().args(command).arg(&file.path).args(rest).output().unwrap()
}

fn object(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)))
}

#[test]
fn who_names_the_people_and_until_when() {
    let file = file(DESIGN);
    let output = run(&file, &["oncall", "who"], &["--at", "2026-03-06T16:00:00Z", "--json"]);
    assert_eq!(output.status.code(), Some(0));
    let object = object(&output);
    assert_eq!((&object["people"], &object["until"]), (&json!(["ana"]), &json!("2026-03-06T23:00:00.000000000Z")));
    // Local to the schedule's zone, and nobody: exit code 1.
    let output = run(&file, &["oncall", "who"], &["--at", "2026-03-07T12:00"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "Nobody  until 2026-03-09T01:00 -05:00\n");
}

#[test]
fn render_gives_shifts_and_gaps_that_fill_the_window() {
    let file = file(DESIGN);
    let output = run(&file, &["oncall", "render"], &["--from", "2026-03-08", "--to", "2026-03-10", "--json"]);
    assert_eq!(output.status.code(), Some(1), "there are gaps");
    let shift = |from: &str, to: &str, source: &str| json!({"person": "ben", "from": format!("2026-03-09T{from}:00:00.000000000Z"), "to": format!("2026-03-09T{to}:00:00.000000000Z"), "source": source});
    let object = object(&output);
    assert_eq!(object["shifts"], json!([shift("06", "10", "override"), shift("14", "22", "weekly")]));
    assert_eq!(object["gaps"].as_array().unwrap().len(), 3);
    assert_eq!(object["gaps"][0]["from"], json!("2026-03-08T06:00:00.000000000Z"));
    let text = run(&file, &["oncall", "render"], &["--from", "2026-03-08", "--to", "2026-03-10"]);
    assert!(String::from_utf8_lossy(&text.stdout).contains("nobody"), "{text:?}");
}

#[test]
fn check_tells_gaps_and_clock_changes_and_mistakes_with_their_place() {
    let output = run(&file(DESIGN), &["check", "schedule"], &["--from", "2026-03-01", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let told = object(&output);
    let kinds: Vec<&str> =
        told["findings"].as_array().unwrap().iter().map(|finding| finding["kind"].as_str().unwrap()).collect();
    assert!(kinds.contains(&"gap") && kinds.contains(&"dst"), "{kinds:?}");
    assert!(told["people"].as_array().unwrap().len() == 3 && told["score"].as_f64().unwrap() < 100.0);

    let whole = "schedule: P\nzone: UTC\nlayers:\n  - rotation: {every: 1 week, start: 2026-03-02T09:00, people: [ana, ben]}\n";
    assert_eq!(run(&file(whole), &["check", "schedule"], &[]).status.code(), Some(0));

    let wrong = file("schedule: P\nzone: UTC\nlayer: []\n");
    let output = run(&wrong, &["check", "schedule"], &["--json"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("schedule.yaml:3:1: field layer not found"), "{output:?}");
    assert_eq!(object(&output)["errors"][0]["place"], json!({"line": 3, "column": 1}));
    for (command, rest) in [
        (&["oncall", "who"][..], &["--at", "tomorrow"][..]),
        (&["oncall", "render"], &["--from", "2026-03-08", "--to", "2026-03-01"]),
    ] {
        assert_eq!(run(&file(DESIGN), command, rest).status.code(), Some(2), "{command:?}");
    }
}
