use super::pb::Writer;
use super::*;
use crate::model::value::MASKED;
use crate::model::{Signal, Span, SpanBatch, SpanKind, StatusCode, Value};
use proptest::prelude::*;

/// Written by the protobuf library of another language: one span with every field.
const TRACES: &str = "0a93020a180a160a0c736572766963652e6e616d6512060a0473686f7012f3010a080a036c696212013112e6010a100102030405060708090a0b0c0d0e0f10120802020202020202021a036b3d76220803030303030303032a05474554202f300239e80300000000000041c4090000000000004a080a017312030a01784a070a0162120210014a100a0169120b18fbffffffffffffffff014a0e0a0164120921000000000000e03f4a090a017912043a0201ff4a140a0161120f2a0d0a0218010a0732050a030a01714a030a016550015a0f09dc0500000000000012026576200460026a1c0a10090909090909090909090909090909091208080808080808080870037a081204626f6f6d18028501010300001a0175";
/// As above: a gauge of two points (one with an attribute `password`), a histogram, an exponential histogram.
const METRICS: &str = "0a9e010a180a160a0c736572766963652e6e616d6512060a0473686f7012810112320a01672a2d0a0931fbffffffffffffff0a2021000000000000f83f3a150a0870617373776f726412090a0768756e7465723212370a01684a320a302103000000000000003210010000000000000002000000000000003a08000000000000f03f420919000000000000f03f12120a0165520d0a0b300542070801120301ac02";
/// As above: one record with an attribute `n` that holds a map with a key `token`.
const LOGS: &str = "0a4712451243090700000000000000100d1a047761726e2a040a02686932150a016e1210320e0a0c0a05746f6b656e12030a01744a1001010101010101010101010101010101620165";

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn golden() -> Span {
    decode_traces(&bytes(TRACES)).unwrap().batch.span(0).to_span()
}

/// A request of one span of service `shop`, filled by the caller.
fn request(service: Option<&str>, fill: impl Fn(&mut Writer)) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.message(1, |writer| {
        if let Some(service) = service {
            writer
                .message(1, |writer| writer.message(1, |writer| encode::write_entry(writer, "service.name", &service.into())));
        }
        writer.message(2, |writer| writer.message(2, &fill));
    });
    writer.0
}

fn ids(writer: &mut Writer) {
    writer.bytes(1, &[1; 16]);
    writer.bytes(2, &[2; 8]);
    writer.text(5, "op");
}

#[test]
fn every_field_of_a_span_is_read() {
    let span = golden();
    assert_eq!(span.trace_id.to_string(), "0102030405060708090a0b0c0d0e0f10");
    assert_eq!((span.span_id.to_u64(), span.parent.unwrap().to_u64()), (0x0202_0202_0202_0202, 0x0303_0303_0303_0303));
    assert_eq!(
        (span.name.as_str(), span.trace_state.as_str(), span.kind, span.flags),
        ("GET /", "k=v", SpanKind::Server, 0x301)
    );
    assert_eq!((span.start.0, span.end.unwrap().0), (1000, 2500));
    let text: Vec<String> = span.attributes.iter().map(|(key, value)| format!("{key}={value}")).collect();
    assert_eq!(text, ["s=x", "b=true", "i=-5", "d=0.5", "y=01ff", "a=[1, {\"q\": null}]", "e="]);
    assert_eq!(span.attributes.get("e"), Some(&Value::Empty));
    assert_eq!((span.dropped_attributes, span.dropped_events, span.dropped_links), (1, 2, 3));
    assert_eq!((span.events[0].time.0, span.events[0].name.as_str(), span.events[0].dropped_attributes), (1500, "ev", 4));
    assert_eq!((span.links[0].trace_id.0, span.links[0].span_id.0), ([9; 16], [8; 8]));
    assert_eq!((span.status.code, span.status.message.as_str()), (StatusCode::Error, "boom"));
    assert_eq!((span.service(), span.resource.schema_url.as_str()), ("shop", "u"));
    assert_eq!((span.scope.name.as_str(), span.scope.version.as_str()), ("lib", "1"));
}

#[test]
fn what_is_encoded_is_read_back_equal() {
    let mut other = golden();
    other.resource = std::sync::Arc::new(crate::model::Resource::service("other"));
    other.end = None;
    let spans = [golden(), other, golden()];
    let again = decode_traces(&encode_traces(&SpanBatch::from_spans(&spans))).unwrap().batch.to_spans();
    assert_eq!(again, [&spans[0], &spans[1], &spans[2]].map(Clone::clone), "neighbours only share rows");
}

#[test]
fn a_resent_span_has_the_hash_it_had() {
    let hash = |body: &[u8]| decode_traces(body).unwrap().batch.spans[0].content_hash;
    let first = bytes(TRACES);
    assert_eq!(hash(&first), hash(&first));
    let other = request(Some("shop"), ids);
    assert_ne!(hash(&first), hash(&other));
}

type Fill = fn(&mut Writer);

#[test]
fn unusable_ids_reject_that_span_alone() {
    let cases: [(&str, Fill); 5] = [
        ("trace_id is missing", |writer| writer.bytes(2, &[2; 8])),
        ("trace_id has 8 bytes, not 16", |writer| {
            writer.bytes(1, &[1; 8]);
            writer.bytes(2, &[2; 8]);
        }),
        ("trace_id is all zero", |writer| {
            writer.bytes(1, &[0; 16]);
            writer.bytes(2, &[2; 8]);
        }),
        ("span_id is missing", |writer| writer.bytes(1, &[1; 16])),
        ("parent_span_id has 4 bytes, not 8", |writer| {
            ids(writer);
            writer.bytes(4, &[1; 4]);
        }),
    ];
    for (reason, fill) in cases {
        let mut body = request(Some("cart"), fill);
        body.extend(request(Some("shop"), ids));
        let decoded = decode_traces(&body).unwrap();
        assert_eq!(decoded.batch.len(), 1, "{reason}");
        assert_eq!(decoded.rejected_count(), 1, "{reason}");
        assert_eq!(decoded.rejected[0].service, "cart");
        assert!(decoded.message().starts_with(&format!("rejected 1 span of cart: {reason}")), "{}", decoded.message());
    }
}

#[test]
fn oddities_are_kept_and_told() {
    let hour = 3_600_000_000_000_u64;
    let decode = |service, start: u64, end: u64, now: u64| {
        let body = request(service, |writer| {
            ids(writer);
            writer.fixed64(7, start);
            writer.fixed64(8, end);
        });
        let options = Options { received: Some(UnixNanos::from_u64(now)), redaction: None };
        let decoded = decode_traces_with(&body, options).unwrap();
        assert_eq!(decoded.batch.len(), 1);
        decoded.message()
    };
    assert_eq!(decode(Some("a"), 99 * hour, 99 * hour + 5, 99 * hour), "");
    assert_eq!(decode(Some("a"), 90 * hour, 99 * hour, 99 * hour + 9), "", "a long job is not a wrong clock");
    assert_eq!(
        decode(None, 99 * hour, 99 * hour, 99 * hour),
        "1 span without service.name, kept as unknown_service; set OTEL_SERVICE_NAME"
    );
    assert_eq!(
        decode(Some("a"), 102 * hour, 102 * hour, 99 * hour),
        "a: times 3.0 h ahead of this clock (1 span); check the sender's clock"
    );
    assert_eq!(
        decode(Some("a"), 90 * hour, 90 * hour, 99 * hour),
        "a: times 9.0 h behind this clock (1 span); check the sender's clock"
    );
    assert_eq!(
        decode(Some("a"), 99 * hour + 5, 99 * hour, 99 * hour),
        "a: 1 span with the end before the start, first \"op\"; use a monotonic clock"
    );
}

#[test]
fn a_span_without_an_end_is_in_flight() {
    let body = request(Some("a"), |writer| {
        ids(writer);
        writer.fixed64(7, 5);
    });
    assert_eq!(decode_traces(&body).unwrap().batch.span(0).end(), None);
}

#[test]
fn text_that_is_not_utf8_is_repaired_and_told() {
    let body = request(Some("a"), |writer| {
        ids(writer);
        writer.bytes(5, b"caf\xe9");
    });
    let decoded = decode_traces(&body).unwrap();
    assert_eq!(decoded.batch.span(0).name(), "caf\u{fffd}");
    assert_eq!(decoded.warnings, [Warning::InvalidUtf8 { texts: 1 }]);
}

#[test]
fn fields_in_any_order_and_unknown_ones_are_read() {
    let mut writer = Writer::default();
    writer.message(1, |writer| {
        writer.message(2, |writer| {
            writer.message(2, ids);
            writer.message(1, |writer| writer.text(1, "late scope"));
            writer.varint(99, 7);
        });
        writer.message(1, |writer| {
            writer.message(1, |writer| encode::write_entry(writer, "service.name", &"late".into()));
            writer.bytes(3, b"entity");
        });
        writer.fixed32(77, 1);
    });
    let span = decode_traces(&writer.0).unwrap().batch.span(0).to_span();
    assert_eq!((span.service(), span.scope.name.as_str()), ("late", "late scope"));
}

#[test]
fn errors_name_the_byte_and_the_field() {
    let body = request(Some("a"), |writer| {
        ids(writer);
        writer.varint(9, 1);
    });
    let text = decode_traces(&body).unwrap_err().to_string();
    let expected = "not an OTLP ExportTraceServiceRequest: the field has the wire type of another kind of field, at byte ";
    assert!(text.starts_with(expected), "{text}");
    assert!(text.ends_with("in resource_spans[0].scope_spans[0].spans[0]"), "{text}");
    let group = decode_traces(&[0x0a, 1, 0x0b]).unwrap_err();
    let DecodeError::Protobuf { fault, position, path, .. } = group else { panic!("{group}") };
    assert_eq!((fault, position, path.as_str()), (Fault::WireType, 2, "resource_spans[0]"));
    let cut = decode_traces(&bytes(TRACES)[..200]).unwrap_err();
    assert!(matches!(cut, DecodeError::Protobuf { fault: Fault::Truncated, position: 0, .. }), "{cut}");
}

#[test]
fn nesting_is_capped() {
    let nested = |levels: usize| {
        let value = (0..levels).fold(Value::Int(1), |value, _| Value::Array([value].into()));
        request(Some("a"), |writer| {
            ids(writer);
            writer.message(9, |writer| encode::write_entry(writer, "k", &value));
        })
    };
    let deepest = decode_traces(&nested(100)).unwrap().batch.span(0).to_span();
    assert_eq!(deepest.attributes.get("k").unwrap().to_string(), format!("{}1{}", "[".repeat(100), "]".repeat(100)));
    let error = decode_traces(&nested(101)).unwrap_err();
    assert!(matches!(error, DecodeError::Protobuf { fault: Fault::Depth, .. }), "{error}");
}

#[test]
fn secrets_are_masked_at_every_level_and_counted() {
    let list = Redaction::standard();
    let headers = Value::Map([("Authorization".into(), "Bearer x".into()), ("accept".into(), "*/*".into())].into());
    let body = request(Some("a"), |writer| {
        ids(writer);
        for (key, value) in [("db.password", "hunter2".into()), ("headers", headers.clone()), ("token_count", Value::Int(7))] {
            writer.message(9, |writer| encode::write_entry(writer, key, &value));
        }
        writer.message(11, |writer| writer.message(3, |writer| encode::write_entry(writer, "cookie", &"c=1".into())));
    });
    let options = Options { received: None, redaction: Some(&list) };
    let decoded = decode_traces_with(&body, options).unwrap();
    let span = decoded.batch.span(0).to_span();
    assert_eq!(decoded.masked, 3);
    assert_eq!(span.attributes.get("db.password"), Some(&Value::from(MASKED)));
    assert_eq!(
        span.attributes.get("headers").unwrap().to_string(),
        format!("{{\"Authorization\": {MASKED:?}, \"accept\": \"*/*\"}}")
    );
    assert_eq!(span.attributes.get("token_count"), Some(&Value::Int(7)));
    assert_eq!(span.events[0].attributes.get("cookie"), Some(&Value::from(MASKED)));
    assert_eq!(decode_traces(&body).unwrap().masked, 0, "nothing is masked unasked");

    let (masked, count) = mask_payload(Signal::Metrics, &bytes(METRICS), &list).unwrap();
    assert_eq!(count, 1);
    assert!(!masked.windows(7).any(|part| part == b"hunter2"));
    assert_eq!(count_metrics(&masked).unwrap(), count_metrics(&bytes(METRICS)).unwrap());
    let (masked, _) = mask_payload(Signal::Logs, &bytes(LOGS), &list).unwrap();
    let record = decode_logs(&masked, Options::default()).unwrap().remove(0);
    assert_eq!(record.attributes.get("n").unwrap().to_string(), format!("{{\"token\": {MASKED:?}}}"));
    assert_eq!(mask_payload(Signal::Logs, &masked_free(), &list), None);
}

fn masked_free() -> Vec<u8> {
    encode_logs(&[crate::model::LogRecord { body: "x".into(), ..Default::default() }])
}

#[test]
fn points_and_records_are_counted_by_service() {
    assert_eq!(count_metrics(&bytes(METRICS)).unwrap().per_service, [("shop".into(), 4)]);
    assert_eq!(count_logs(&bytes(LOGS)).unwrap().per_service, [("unknown_service".into(), 1)]);
    assert_eq!(count_logs(&[]).unwrap(), Counted::default());
    assert!(count_metrics(b"not protobuf").is_err());
    assert!(count_metrics(&bytes(METRICS)[..100]).is_err());
}

#[test]
fn log_records_are_read_and_read_back() {
    let records = decode_logs(&bytes(LOGS), Options::default()).unwrap();
    let record = &records[0];
    assert_eq!((record.time.0, record.severity, record.severity_text.as_str()), (7, 13, "warn"));
    assert_eq!((record.body.clone(), record.event_name.as_str()), (Value::from("hi"), "e"));
    assert_eq!(record.trace_id.unwrap().0, [1; 16]);
    assert_eq!(decode_logs(&encode_logs(&records), Options::default()).unwrap(), records);
}

#[test]
fn a_hostile_payload_of_many_services_stays_linear() {
    let mut body = Vec::new();
    for number in 0..20_000 {
        body.extend(request(Some(&number.to_string()), |writer| {
            writer.bytes(1, &[1; 16]);
            writer.fixed64(7, 9);
            writer.fixed64(8, 1);
        }));
    }
    let decoded = decode_traces(&body).unwrap();
    assert_eq!(decoded.rejected_count(), 20_000);
    assert!(decoded.rejected.len() <= 65);
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        decode_traces(&body).ok();
        decode_logs(&body, Options::default()).ok();
        count_metrics(&body).ok();
        mask_payload(Signal::Metrics, &body, &Redaction::standard());
        json::to_protobuf(Signal::Traces, &body).ok();
    }

    #[test]
    fn damaged_payloads_are_read_or_refused(at in 0_usize..280, byte in any::<u8>(), cut in 0_usize..280) {
        for hex in [TRACES, METRICS, LOGS] {
            let mut body = bytes(hex);
            let length = body.len();
            body[at % length] = byte;
            body.truncate(length - cut % length);
            let list = Redaction::standard();
            if let Ok(decoded) = decode_traces_with(&body, Options { received: None, redaction: Some(&list) }) {
                decoded.batch.to_spans();
            }
            decode_logs(&body, Options::default()).ok();
            count_metrics(&body).ok();
            count_logs(&body).ok();
            mask_payload(Signal::Metrics, &body, &list);
        }
    }
}
