//! Whole files, real ones and ours.

use super::*;
use std::path::Path;

/// A file of the shared collection, or `None` with a note where that is not checked out; it must be there in CI.
fn shared(name: &str) -> Option<Vec<u8>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/traces").join(name);
    match std::fs::read(&path) {
        Ok(bytes) => Some(bytes),
        Err(error) => {
            assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "{}: {error}", path.display());
            println!("skipped: {} is not here", path.display());
            None
        }
    }
}

#[test]
fn the_real_files_open_with_the_counts_their_readme_states() {
    let cases = [
        ("jaeger-api-export-data-wrapper.json", Format::Jaeger, 4),
        ("jaeger-bare-trace-genai-57-spans.json", Format::Jaeger, 57),
        ("jaeger-crisp-orphans-two-missing-parents.json", Format::Jaeger, 4),
        ("jaeger-crisp-11-critical-path.json", Format::Jaeger, 2),
        ("zipkin-v2-smartthings-1041-records.json", Format::ZipkinV2, 1041),
        ("zipkin-v2-clock-skew-shared-span.json", Format::ZipkinV2, 4),
        ("otlp-jsonl-otel-demo-mixed-signals.jsonl", Format::OtlpJsonLines, 547),
        ("otlp-json-proto-repo-example.json", Format::OtlpJson, 1),
        ("chrome-trace-2018-array-4793-events.json.gz", Format::Chrome, 4259),
        ("chrome-trace-rspack-tokio-async.json.gz", Format::Chrome, 51),
        ("xray-segment-in-progress.json", Format::XRay, 1),
    ];
    for (name, format, spans) in cases {
        let Some(bytes) = shared(name) else { return };
        let opened = read(&bytes, name).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!((opened.format, opened.batch.len(), opened.rejected), (format, spans, 0), "{name}: {:?}", opened.problems);
    }
}
