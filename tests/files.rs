//! Files that other programs wrote are read whole: the eleven of `../shared/data/traces` give the counts of its README.

use crate::support::{belvedere, shared_data};
use serde_json::{Value, json};
use std::path::Path;

/// File, spans and log records.
const EXPECTED: [(&str, u64, u64); 11] = [
    ("otlp-jsonl-otel-demo-mixed-signals.jsonl", 547, 23),
    ("otlp-json-proto-repo-example.json", 1, 0),
    ("jaeger-api-export-data-wrapper.json", 4, 0),
    ("jaeger-bare-trace-genai-57-spans.json", 57, 0),
    ("jaeger-crisp-orphans-two-missing-parents.json", 4, 0),
    ("jaeger-crisp-11-critical-path.json", 2, 0),
    ("zipkin-v2-smartthings-1041-records.json", 1_041, 0),
    ("zipkin-v2-clock-skew-shared-span.json", 4, 0),
    ("chrome-trace-2018-array-4793-events.json.gz", 4_259, 0),
    ("chrome-trace-rspack-tokio-async.json.gz", 51, 0),
    ("xray-segment-in-progress.json", 1, 0),
];

#[test]
fn every_shared_file_is_imported_whole() {
    let Some(files) = shared_data("traces") else { return };
    for (name, spans, logs) in EXPECTED {
        let folder = tempfile::tempdir().unwrap();
        let object = import(&folder.path().join("workspace"), &files.join(name));
        assert_eq!((&object["spans"], &object["logs"]), (&json!(spans), &json!(logs)), "{name}: {object}");
        assert_eq!(object["rejected"], json!(0), "{name}: {object}");
    }
}

#[test]
fn what_was_imported_is_found_by_a_query() {
    let Some(files) = shared_data("traces") else { return };
    let folder = tempfile::tempdir().unwrap();
    let workspace = folder.path().join("workspace");
    let object = import(&workspace, &files.join("otlp-jsonl-otel-demo-mixed-signals.jsonl"));
    assert_eq!(object["traces"], json!(141));
    let output =
        belvedere().args(["query", "traces", "{}", "--limit", "0", "--json", "--workspace"]).arg(&workspace).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(found["total"], json!(141));
    let spans: u64 = found["traces"].as_array().unwrap().iter().map(|trace| trace["spans"].as_u64().unwrap()).sum();
    assert_eq!(spans, 547);
}

#[test]
fn a_file_that_cannot_be_read_is_named_with_the_place_and_nothing_of_it_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let (file, workspace) = (folder.path().join("broken.json"), folder.path().join("workspace"));
    let text = "{\"resourceSpans\": [\n  {\"scopeSpans\": [{\"spans\": [{\"traceId\": 12, ]}]}\n]}";
    std::fs::write(&file, text).unwrap();
    let output = belvedere().args(["import", "--json", "--workspace"]).arg(&workspace).arg(&file).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stdout));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("broken.json"), "{said}");
    assert!(said.contains("line 2"), "the place in it: {said}");
}

#[track_caller]
fn import(workspace: &Path, file: &Path) -> Value {
    let output = belvedere().args(["import", "--json", "--workspace"]).arg(workspace).arg(file).output().unwrap();
    assert!(output.status.success(), "{}: {}", file.display(), String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}
