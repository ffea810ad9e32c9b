//! What is fuzzed: every function that reads bytes from strangers, each with what must hold whatever they are.
//!
//! The libFuzzer targets in `targets/` call one entry each; `tests/fuzz_smoke.rs` calls all of them with mutated seeds.

use belvedere::context::{Composite, Extraction};
use belvedere::model::{SampleBatch, SpanBatch};
use belvedere::wire::otlp;
use belvedere::{promql as metric_queries, search, wire};

/// An entry by name. The name is that of its target and of its folder in `seeds/`.
pub type Entry = (&'static str, fn(&[u8]));

/// All of them.
pub const ENTRIES: [Entry; 13] = [
    ("otlp_protobuf", otlp_protobuf),
    ("otlp_json", otlp_json),
    ("otlp_signals", otlp_signals),
    ("zipkin", zipkin),
    ("jaeger_thrift", jaeger_thrift),
    ("datadog", datadog),
    ("open_file", open_file),
    ("trace_context", trace_context),
    ("promql", promql),
    ("trace_query", trace_query),
    ("remote_write", remote_write),
    ("exposition", exposition),
    ("statsd", statsd),
];

/// What is decoded encodes to a form that is stable from then on, in both encodings.
pub fn otlp_protobuf(bytes: &[u8]) {
    if let Ok(decoded) = otlp::decode_traces(bytes) {
        assert_stable(&decoded.batch);
    }
}

/// As [`otlp_protobuf`], from JSON.
pub fn otlp_json(bytes: &[u8]) {
    if let Ok(decoded) = otlp::json::decode_traces(bytes) {
        assert_stable(&decoded.batch);
    }
}

/// Metrics and logs are counted, logs are read, and no key that carries a secret survives masking.
pub fn otlp_signals(bytes: &[u8]) {
    let redaction = wire::redact::Redaction::standard();
    let options = otlp::Options { redaction: Some(&redaction), ..otlp::Options::default() };
    let text = String::from_utf8_lossy(bytes);
    if let Some(masked) = redaction.mask_text(&text) {
        assert_eq!(redaction.mask_text(&masked), None, "masking a text again changes nothing");
    }
    let counted = otlp::count_logs(bytes);
    if let (Ok(counted), Ok(records)) = (&counted, otlp::decode_logs(bytes, options)) {
        assert!(records.len() as u64 <= counted.total(), "more records than were counted");
    }
    otlp::count_metrics(bytes).ok();
    if let Ok(decoded) = otlp::decode_metrics(bytes, otlp::MetricOptions::default()) {
        assert_well_formed(&decoded.batch);
        assert!(decoded.deltas.iter().all(|series| (*series as usize) < decoded.batch.series.len()));
    }
    for signal in belvedere::model::Signal::ALL {
        if let Some((masked, count)) = otlp::mask_payload(signal, bytes, &redaction) {
            assert!(count > 0, "masking that masks nothing returns nothing");
            let again = otlp::mask_payload(signal, &masked, &redaction);
            assert!(again.is_none_or(|(again, _)| again == masked), "masking what is masked changes nothing");
        }
        otlp::json::to_protobuf(signal, bytes).ok();
    }
}

/// What the Zipkin door takes: version 2 as JSON and protobuf, version 1 as JSON.
pub fn zipkin(bytes: &[u8]) {
    for decode in [wire::zipkin::decode_json, wire::zipkin::decode_v1_json, wire::zipkin::decode_proto] {
        if let Ok(decoded) = decode(bytes) {
            assert_stable(&decoded.batch);
        }
    }
}

/// Jaeger's Thrift, posted and by datagram.
pub fn jaeger_thrift(bytes: &[u8]) {
    for decode in [wire::jaeger_thrift::decode_batch, wire::jaeger_thrift::decode_datagram] {
        if let Ok(decoded) = decode(bytes) {
            assert_stable(&decoded.batch);
        }
    }
}

/// Requests of Datadog's tracers in every version; the halves of trace ids that are remembered only fill a bounded table.
pub fn datadog(bytes: &[u8]) {
    use wire::datadog::{HighHalves, Version};
    for version in [Version::Maps, Version::Table, Version::Chunks] {
        if let Ok(decoded) = wire::datadog::decode(version, bytes, &mut HighHalves::default()) {
            assert_stable(&decoded.batch);
        }
    }
}

/// Open anything: the bytes decide the format.
pub fn open_file(bytes: &[u8]) {
    if let Ok(opened) = wire::open::read(bytes, "file") {
        assert_stable(&opened.batch);
    }
}

/// Headers of a request, one a line, `name: value`: what is extracted is valid, and injecting it gives the same ids back.
pub fn trace_context(bytes: &[u8]) {
    let headers: Vec<(String, Vec<u8>)> = bytes
        .split(|byte| *byte == b'\n')
        .filter_map(|line| {
            let colon = line.iter().position(|byte| *byte == b':')?;
            let name = std::str::from_utf8(&line[..colon]).ok()?;
            Some((name.to_owned(), line[colon + 1..].trim_ascii().to_vec()))
        })
        .collect();
    let formats = Composite::permissive();
    let extraction: Extraction = formats.extract(&headers);
    extraction.report();
    let Some(context) = &extraction.context else { return };
    assert!(context.is_valid());
    let mut carrier: Vec<(String, String)> = Vec::new();
    formats.inject(context, &extraction.baggage, &mut carrier);
    let again = formats.extract(&carrier).context.expect("what was injected is extracted");
    assert_eq!((again.trace_id, again.span_id), (context.trace_id, context.span_id));
}

/// A query is read or refused with a place inside the text; completing it proposes without panicking.
pub fn trace_query(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match search::parse(text) {
        Ok(query) => assert!(query.hints.iter().all(|hint| text.get(hint.at.clone()).is_some())),
        Err(error) => assert!(text.get(error.at.clone()).is_some(), "{error:?} is no place in {text:?}"),
    }
}

/// Both versions, as a payload and behind snappy: what is read is well formed, and reads the same after it was written.
pub fn remote_write(bytes: &[u8]) {
    use wire::remote_write::{Version, decode, decompress, encode_v1, encode_v2};
    decompress(bytes).ok();
    for (version, encode) in [(Version::V1, encode_v1 as fn(&SampleBatch) -> Vec<u8>), (Version::V2, encode_v2)] {
        let Ok(first) = decode(version, bytes) else { continue };
        assert_well_formed(&first.batch);
        let again = decode(version, &encode(&first.batch)).expect("what was written is read");
        assert_eq!(again.batch.labels, first.batch.labels);
        assert_eq!(again.batch.times.len(), first.batch.times.len());
    }
}

/// Both dialects: a batch, or an error at a line of the text.
pub fn exposition(bytes: &[u8]) {
    use wire::exposition::{Dialect, read};
    for dialect in [Dialect::Text, Dialect::OpenMetrics] {
        match read(bytes, dialect, 0) {
            Ok(batch) => assert_well_formed(&batch),
            Err(error) => assert!(error.line <= bytes.iter().filter(|byte| **byte == b'\n').count() + 1),
        }
    }
}

/// Every line is an item or a refusal.
pub fn statsd(bytes: &[u8]) {
    let mut count = 0;
    wire::statsd::read(bytes, |_| count += 1);
    assert!(count <= bytes.len());
}

/// Label sets are packed label sets, samples lie in the columns.
fn assert_well_formed(batch: &SampleBatch) {
    assert_eq!(batch.times.len(), batch.values.len());
    assert!(batch.starts.is_empty() || batch.starts.len() == batch.times.len());
    for series in &batch.series {
        assert!(belvedere::model::Labels::from_packed(batch.packed_labels(series)).is_some());
        assert!(series.samples.end as usize <= batch.times.len());
    }
    assert!(batch.histograms.iter().all(|(at, _)| (*at as usize) < batch.times.len()));
    assert!(batch.exemplars.iter().all(|(series, _)| (*series as usize) < batch.series.len()));
}

/// A metric query is read or refused with a place inside the text; what is read prints as text that reads the same.
pub fn promql(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match metric_queries::parse(text) {
        Ok(expr) => {
            let printed = expr.to_string();
            let again =
                metric_queries::parse(&printed).unwrap_or_else(|error| panic!("{text:?} printed as {printed:?}: {error}"));
            assert_eq!(again.to_string(), printed, "{text:?}");
        }
        Err(error) => assert!(error.at.end as usize <= text.len(), "{error:?} is no place in {text:?}"),
    }
    metric_queries::parse_selector(text).ok();
}

/// No span is lost on the way out and in, and what came in that way goes out the same from then on.
fn assert_stable(batch: &SpanBatch) {
    let decode = |bytes: &[u8]| otlp::decode_traces(bytes).expect("what was encoded decodes").batch;
    let first = decode(&otlp::encode_traces(batch));
    assert_eq!(first.len(), batch.len());
    let bytes = otlp::encode_traces(&first);
    assert!(otlp::encode_traces(&decode(&bytes)) == bytes, "encoding is stable");

    let read = |text: &str| otlp::json::decode_traces(text.as_bytes()).expect("what was written as JSON is read").batch;
    let first = read(&otlp::json::encode_traces(batch));
    assert_eq!(first.len(), batch.len());
    let text = otlp::json::encode_traces(&first);
    let again = otlp::json::encode_traces(&read(&text));
    assert!(again == text, "writing JSON is stable: {again} after {text}");
}
