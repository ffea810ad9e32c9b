//! Whole files: real ones, our fixtures of every format and trap, and damaged ones.

use super::*;
use crate::model::{Signal, Value};
use crate::wire::otlp;
use proptest::prelude::*;
use std::io::Write;
use std::path::{Path, PathBuf};

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

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/traces")
}

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(folder().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Fixture, format, spans, rejected records.
const FIXTURES: [(&str, Format, usize, u64); 22] = [
    ("chrome-unclosed.json", Format::Chrome, 2, 0),
    ("chrome.json", Format::Chrome, 4, 1),
    ("datadog-agent.json", Format::Datadog, 2, 1),
    ("datadog-view.json", Format::Datadog, 2, 0),
    ("go-stdouttrace-list.json", Format::GoStdouttrace, 2, 0),
    ("go-stdouttrace.json", Format::GoStdouttrace, 2, 0),
    ("jaeger-bare.json", Format::Jaeger, 1, 0),
    ("jaeger-v3.json", Format::OtlpJson, 1, 0),
    ("jaeger.json", Format::Jaeger, 2, 1),
    ("otlp-2021.json", Format::OtlpJson, 1, 0),
    ("otlp-mixed.jsonl", Format::OtlpJsonLines, 2, 0),
    ("otlp.json", Format::OtlpJson, 2, 0),
    ("tempo-plain.json", Format::Tempo, 2, 0),
    ("tempo-v1.json", Format::Tempo, 2, 0),
    ("tempo-v2.json", Format::Tempo, 2, 0),
    ("xray-batch-get-traces.json", Format::XRay, 2, 1),
    ("xray-daemon.jsonl", Format::XRay, 2, 0),
    ("xray.json", Format::XRay, 2, 0),
    ("zipkin-v1.json", Format::ZipkinV1, 2, 0),
    ("zipkin-v2-lines.jsonl", Format::ZipkinV2, 2, 0),
    ("zipkin-v2-lists.json", Format::ZipkinV2, 2, 0),
    ("zipkin-v2.json", Format::ZipkinV2, 3, 1),
];

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
        let got = (opened.format, opened.batch.len(), opened.rejected);
        assert_eq!(got, (format, spans, 0), "{name}: {:?}", opened.problems);
    }
}

#[test]
fn the_capture_of_the_demo_has_what_its_readme_counts() {
    let Some(bytes) = shared("otlp-jsonl-otel-demo-mixed-signals.jsonl") else { return };
    let opened = read(&bytes, "").unwrap();
    let spans = || opened.batch.iter();
    let distinct = |keys: Vec<String>| keys.into_iter().collect::<std::collections::HashSet<_>>().len();
    assert_eq!(distinct(spans().map(|span| span.trace_id().to_string()).collect()), 141);
    assert_eq!(distinct(spans().map(|span| span.service().to_owned()).collect()), 8);
    assert_eq!(spans().filter(|span| span.parent().is_none()).count(), 140);
    assert_eq!(spans().filter(|span| span.is_error()).count(), 107);
    assert_eq!((opened.batch.events.len(), opened.batch.links.len()), (139, 53));
    let with_trace = opened.logs.iter().filter(|record| record.trace_id.is_some()).count();
    assert_eq!((opened.logs.len(), with_trace), (23, 13));
    assert!(opened.samples > 0);
}

#[test]
fn every_fixture_opens_as_its_format() {
    let mut known: Vec<_> = FIXTURES.iter().map(|(name, ..)| (*name).to_owned()).collect();
    known.sort_unstable();
    let mut there: Vec<_> =
        std::fs::read_dir(folder()).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    there.sort_unstable();
    assert_eq!(there, known, "each file has its line in the table");
    for (name, format, spans, rejected) in FIXTURES {
        // The name says nothing to the reader.
        let opened = read(&fixture(name), "trace.bin").unwrap_or_else(|error| panic!("{name}: {error}"));
        let got = (opened.format, opened.batch.len(), opened.rejected);
        assert_eq!(got, (format, spans, rejected), "{name}: {:?}", opened.problems);
        assert_eq!(opened.problems.iter().filter(|problem| problem.rejected).count() as u64, rejected, "{name}");
    }
}

#[test]
fn packing_and_a_byte_order_mark_change_nothing() {
    for (name, ..) in FIXTURES {
        let plain = fixture(name);
        let expected = read(&plain, "").unwrap().batch.len();
        let marked = [b"\xef\xbb\xbf", plain.as_slice()].concat();
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&marked).unwrap();
        let zstd = zstd::encode_all(plain.as_slice(), 1).unwrap();
        let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        zip.start_file("README.txt", zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(b"not a trace").unwrap();
        zip.start_file("inner.zst", zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(&zstd).unwrap();
        let zip = zip.finish().unwrap().into_inner();
        for (packing, bytes) in [("plain", marked), ("gzip", gzip.finish().unwrap()), ("zstd", zstd), ("zip", zip)] {
            let opened = read(&bytes, name).unwrap_or_else(|error| panic!("{name} in {packing}: {error}"));
            assert_eq!(opened.batch.len(), expected, "{name} in {packing}");
        }
    }
}

#[test]
fn otlp_fixtures_read_to_the_letter() {
    let opened = read(&fixture("otlp.json"), "").unwrap();
    let spans = opened.batch.to_spans();
    assert_eq!(spans[1].span_id.to_string(), "00000000000000ab", "upper case reads");
    assert_eq!((spans[1].kind.word(), spans[1].start.0), ("client", 1_761_142_297_204_001_000));
    assert_eq!(spans[0].resource.attributes.get("big"), Some(&Value::Int(9_007_199_254_740_993)));
    let mixed = read(&fixture("otlp-mixed.jsonl"), "").unwrap();
    assert_eq!((mixed.logs.len(), mixed.samples), (1, 2));
    let tempo = read(&fixture("tempo-v1.json"), "").unwrap().batch.to_spans();
    assert_eq!(tempo[1].trace_id.to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!((tempo[1].parent, tempo[1].kind.word()), (Some(tempo[0].span_id), "server"));
}

#[test]
fn protobuf_opens_bare_and_behind_lengths() {
    let json = read(&fixture("otlp-mixed.jsonl"), "").unwrap();
    let traces = otlp::encode_traces(&json.batch);
    let logs = otlp::encode_logs(&json.logs);
    let lines = String::from_utf8(fixture("otlp-mixed.jsonl")).unwrap();
    let metrics = otlp::json::to_protobuf(Signal::Metrics, lines.lines().nth(2).unwrap().as_bytes()).unwrap().payload;
    let framed: Vec<u8> = [&traces, &logs, &metrics, &traces]
        .into_iter()
        .flat_map(|message| [(message.len() as u32).to_be_bytes().as_slice(), message].concat())
        .collect();
    for (bytes, spans, records, samples) in [(&traces, 2, 0, 0), (&logs, 0, 1, 0), (&metrics, 0, 0, 2), (&framed, 4, 1, 2)] {
        let opened = read(bytes, "").unwrap();
        let got = (opened.format, opened.batch.len(), opened.logs.len(), opened.samples);
        assert_eq!(got, (Format::OtlpProto, spans, records, samples));
    }
    let error = read(&framed[..framed.len() - 3], "").unwrap_err();
    assert_eq!(error.place().map(|place| place.byte), Some((framed.len() - 4 - traces.len()) as u64), "{error}");
    let zipkin =
        [0x0a, 0x1a, 0x0a, 8, 0, 0, 0, 0, 0, 0, 0, 1, 0x1a, 8, 0, 0, 0, 0, 0, 0, 0, 2, 0x2a, 4, b'n', b'a', b'm', b'e'];
    assert_eq!(read(&zipkin, "").unwrap().format, Format::ZipkinV2);
}

#[test]
fn what_is_no_trace_is_named_as_what_it_is() {
    let cases: [(&[u8], &str); 8] = [
        (b"", "the file is empty"),
        (b" \n\t", "the file is empty"),
        (b"<html></html>", "XML or HTML"),
        (b"hello", "plain text"),
        (b"{\"name\":\"package\"}", "JSON with other keys"),
        (b"[1,2,3]", "a JSON list of something else"),
        (b"\x89PNG\r\n\x1a\n", "a picture"),
        (b"\x00\x01\x02\x03", "binary content"),
    ];
    for (bytes, said) in cases {
        let error = read(bytes, "x.json").unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
}

#[test]
fn a_line_that_is_no_otlp_is_rejected_and_one_that_is_no_json_refuses_the_file() {
    let good = String::from_utf8(fixture("otlp-mixed.jsonl")).unwrap();
    let first = good.lines().next().unwrap();
    let opened = read(format!("{first}\n{{\"hello\":1}}\n{first}\n").as_bytes(), "").unwrap();
    assert_eq!((opened.batch.len(), opened.rejected), (4, 1));
    assert_eq!(opened.problems[0].place.line, Some(2));
    let error = read(format!("{first}\n{{\"resourceSpans\":[,]}}\n").as_bytes(), "").unwrap_err();
    assert_eq!(error.place().and_then(|place| place.line), Some(2), "{error}");
    let error = read(format!("{first}\n{}", &first[..40]).as_bytes(), "").unwrap_err();
    assert_eq!(error.place().and_then(|place| place.line), Some(2), "{error}");
    let wrong_type = r#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":12}]}]}]}"#;
    let error = read(format!("{first}\n  {wrong_type}\n").as_bytes(), "").unwrap_err();
    let place = error.place().unwrap();
    assert_eq!((place.line, place.column), (Some(2), Some(57)), "{error}");
    assert!(place.path.ends_with("spans[0].traceId"), "{error}");
}

#[test]
fn a_document_cut_anywhere_is_refused() {
    // Lists of documents may be cut between two of them, and Chrome's list after an event.
    let several = ["chrome", "lines", "daemon", "mixed", "go-stdouttrace.json"];
    for (name, ..) in FIXTURES {
        let bytes = fixture(name);
        let end = bytes.trim_ascii_end().len();
        for cut in 0..end {
            let result = read(&bytes[..cut], name);
            assert!(result.is_err() || several.iter().any(|word| name.contains(word)), "{name} cut at {cut}");
            if let Err(OpenError::Broken { place, reason, .. }) = result {
                assert!(place.line.is_some() && !reason.is_empty(), "{name} cut at {cut}");
            }
        }
    }
}

#[test]
fn depth_and_size_are_bounded() {
    for head in [
        "",
        "{\"resourceSpans\":",
        "[{\"ph\":\"X\",\"args\":",
        "[{\"traceId\":\"1\",\"id\":\"2\",\"tags\":",
        "{\"traceID\":\"1\",\"spans\":",
    ] {
        for open in ["[", "{\"a\":"] {
            read(format!("{head}{}", open.repeat(200_000)).as_bytes(), "").unwrap_err();
        }
    }
    let nested =
        format!(r#"[{{"ph":"X","ts":1,"dur":1,"name":"deep","args":{{"a":{}{}}}}}]"#, "[".repeat(5000), "]".repeat(5000));
    let opened = read(nested.as_bytes(), "").unwrap();
    assert_eq!((opened.batch.len(), opened.rejected), (0, 1), "one event nested too deep is rejected alone");
    let limits = Limits { unpacked: 100, ..Limits::default() };
    let packed = zstd::encode_all(&[b' '; 1000][..], 1).unwrap();
    assert!(matches!(read_with(&packed, "", &limits, &mut |_| true), Err(OpenError::TooLarge { .. })));
}

#[test]
fn a_reading_can_be_cancelled_in_every_format_with_records() {
    let span = |id: usize| format!(r#"{{"traceId":"1","id":"{id:x}","timestamp":1}}"#);
    let zipkin = format!("[{}]", (1..3000).map(span).collect::<Vec<_>>().join(","));
    assert_eq!(read_with(zipkin.as_bytes(), "", &Limits::default(), &mut |_| false).unwrap_err(), OpenError::Cancelled);
    assert_eq!(read_with(&fixture("otlp.json"), "", &Limits::default(), &mut |_| false).unwrap_err(), OpenError::Cancelled);
}

/// Reading never panics; what it gives can be walked and written again.
fn survives(bytes: &[u8]) {
    let limits = Limits { unpacked: 1 << 22, ..Limits::default() };
    if let Ok(opened) = read_with(bytes, "x", &limits, &mut |_| true)
        && let Some(id) = opened.batch.spans.first().map(|span| span.trace_id)
    {
        assert_eq!(opened.batch.to_spans().len(), opened.batch.len());
        let trace = crate::model::Trace::new(id, std::sync::Arc::new(opened.batch));
        for write in [crate::wire::export::jaeger, crate::wire::export::zipkin, crate::wire::export::chrome] {
            read(write(&trace).as_bytes(), "").unwrap_or_else(|error| panic!("{error}"));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200), head in 0_usize..6) {
        let heads: [&[u8]; 6] = [b"", b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd", b"PK\x03\x04", b"\x0a", b"["];
        survives(&[heads[head], &bytes].concat());
    }

    #[test]
    fn damaged_files_are_survived(
        which in 0..FIXTURES.len(),
        edits in proptest::collection::vec((any::<prop::sample::Index>(), 0_usize..12, any::<u8>()), 1..6),
    ) {
        let pieces: [&[u8]; 11] = [
            b"null", b"-1", b"1e400", b"18446744073709551616", b"\"\"", b"{", b"}", b"[", b"]", b"\\ud800", b"9223372036854775807",
        ];
        let mut bytes = fixture(FIXTURES[which].0);
        for (at, edit, byte) in edits {
            let at = at.index(bytes.len().max(1)).min(bytes.len().saturating_sub(1));
            match pieces.get(edit) {
                Some(piece) if byte < 128 => drop(bytes.splice(at..at, piece.iter().copied())),
                Some(piece) => {
                    let end = (at + usize::from(byte) % 24).min(bytes.len());
                    drop(bytes.splice(at..end, piece.iter().copied()));
                }
                None if at < bytes.len() => bytes[at] = byte,
                None => {}
            }
        }
        survives(&bytes);
    }
}
