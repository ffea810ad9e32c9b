//! Garbage, truncated, oversize, deeply nested and zip-bomb payloads get the documented error, and the collector goes on.

use crate::support::grpc::{EXPORT_TRACES, call, frame};
use crate::support::{Reply, Serve, get, request};
use flate2::{Compression, write::GzEncoder};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// Resident memory that a collector may reach while bombs are thrown at it: the limit of one payload, twice, and itself.
const MEMORY_UNDER_FIRE: u64 = 400 << 20;

/// One above the largest payload that is taken, in bytes after decompression.
const TOO_LARGE: usize = (64 << 20) + 1;

const PROTOBUF: (&str, &str) = ("content-type", "application/x-protobuf");
const JSON: (&str, &str) = ("content-type", "application/json");
const GZIP: (&str, &str) = ("content-encoding", "gzip");
const ZSTD: (&str, &str) = ("content-encoding", "zstd");

/// A request and the status that its answer must have.
struct Case {
    name: &'static str,
    headers: Vec<(&'static str, &'static str)>,
    body: Vec<u8>,
    status: u16,
}

fn case(name: &'static str, headers: &[(&'static str, &'static str)], body: impl Into<Vec<u8>>, status: u16) -> Case {
    Case { name, headers: headers.to_vec(), body: body.into(), status }
}

#[test]
fn bad_payloads_over_http_get_a_status_and_the_collector_goes_on() {
    let serve = Serve::start();
    let good = crate::support::json_request("checkout", 7, 20);
    let packed = gzip(&good);
    let cases = [
        case("garbage as protobuf", &[PROTOBUF], b"\xff\xfe\x00garbage".to_vec(), 400),
        case("protobuf cut in the middle", &[PROTOBUF], b"\x0a\x7f\x0a\x02".to_vec(), 400),
        case("protobuf nested 20,000 deep", &[PROTOBUF], nested_protobuf(20_000), 400),
        case("JSON cut in the middle", &[JSON], &good[..good.len() / 2], 400),
        case("no JSON at all", &[JSON], b"<html>".to_vec(), 400),
        case("JSON nested 200,000 deep", &[JSON], "[".repeat(200_000), 400),
        case("attributes nested 20,000 deep", &[JSON], nested_attribute(20_000), 400),
        case("gzip that is none", &[JSON, GZIP], good.clone(), 400),
        case("gzip cut in the middle", &[JSON, GZIP], &packed[..packed.len() / 2], 400),
        case("zstd that is none", &[JSON, ZSTD], good.clone(), 400),
        case("an encoding that nobody asked for", &[JSON, ("content-encoding", "br")], good.clone(), 415),
        case("a content type that is none of ours", &[("content-type", "text/html")], b"<html>".to_vec(), 415),
        case("a gzip bomb", &[PROTOBUF, GZIP], gzip(&vec![0; TOO_LARGE]), 413),
        case("a zstd bomb", &[PROTOBUF, ZSTD], zstd::bulk::compress(&vec![0; TOO_LARGE], 1).unwrap(), 413),
    ];
    for case in &cases {
        let reply = request(serve.door("otlp-http"), "POST", "/v1/traces", &case.headers, &case.body)
            .unwrap_or_else(|error| panic!("{}: {error}", case.name));
        assert_eq!(reply.status, case.status, "{}: {}", case.name, reply.text());
        assert_is_a_status(case, &reply);
    }
    assert!(serve.memory() < MEMORY_UNDER_FIRE, "{} MiB", serve.memory() >> 20);
    serve.assert_works(8);
}

#[test]
fn a_payload_that_is_declared_too_large_is_refused_before_it_is_read() {
    let serve = Serve::start();
    let mut stream = TcpStream::connect(serve.door("otlp-http")).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let length = 1_u64 << 40;
    let head = format!(
        "POST /v1/traces HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut start = [0; 12];
    stream.read_exact(&mut start).unwrap();
    assert_eq!(&start, b"HTTP/1.1 413");
    serve.assert_works(1);
}

#[test]
fn bad_payloads_over_grpc_get_a_code_and_the_collector_goes_on() {
    const INVALID_ARGUMENT: u32 = 3;
    const RESOURCE_EXHAUSTED: u32 = 8;
    const UNIMPLEMENTED: u32 = 12;
    let serve = Serve::start();
    let door = serve.door("otlp-grpc");
    let bomb = gzip(&vec![0; TOO_LARGE]);
    for (name, method, encoding, body, status) in [
        ("garbage", EXPORT_TRACES, None, frame(false, b"\xff\xfegarbage"), INVALID_ARGUMENT),
        ("cut in the middle", EXPORT_TRACES, None, frame(false, b"\x0a\x7f\x0a\x02"), INVALID_ARGUMENT),
        ("nested 20,000 deep", EXPORT_TRACES, None, frame(false, &nested_protobuf(20_000)), INVALID_ARGUMENT),
        ("a gzip bomb", EXPORT_TRACES, Some("gzip"), frame(true, &bomb), RESOURCE_EXHAUSTED),
        ("an unknown encoding", EXPORT_TRACES, Some("snappy"), frame(true, b"xx"), UNIMPLEMENTED),
        ("an unknown method", "/some.Service/Method", None, frame(false, b""), UNIMPLEMENTED),
    ] {
        let reply = call(door, method, encoding, body).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(reply.status, status, "{name}: {}", reply.message);
        assert!(!reply.message.is_empty(), "{name} says why");
    }
    let empty = call(door, EXPORT_TRACES, None, frame(false, b"")).unwrap();
    assert_eq!(empty.status, 0, "an empty request is fine: {}", empty.message);
    assert!(serve.memory() < MEMORY_UNDER_FIRE, "{} MiB", serve.memory() >> 20);
    serve.assert_works(1);
}

#[test]
fn bytes_that_are_no_request_close_the_connection_and_the_collector_goes_on() {
    let serve = Serve::start();
    // The first bytes of a TLS ClientHello, of SSH, of nothing in particular, and of HTTP/2 followed by rubbish.
    let openings: [&[u8]; 5] = [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        &[0xa5; 4096],
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        b"POST /v1/traces HTTP/9.9\r\n\r\n",
    ];
    for door in ["otlp-grpc", "otlp-http", "api"] {
        for opening in openings {
            let mut stream = TcpStream::connect(serve.door(door)).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
            stream.write_all(opening).ok();
            stream.shutdown(std::net::Shutdown::Write).ok();
            stream.read_to_end(&mut Vec::new()).ok();
        }
    }
    serve.assert_works(1);
}

#[test]
fn what_is_refused_is_counted_with_its_reason() {
    let serve = Serve::start();
    let refused = |reason: &str| {
        let text = get(serve.door("api"), "/metrics").unwrap().text();
        let series = format!("belvedere_refused_requests_total{{door=\"otlp-http\",reason=\"{reason}\"}} ");
        text.lines().find_map(|line| line.strip_prefix(&series)?.parse::<u64>().ok()).unwrap_or(0)
    };
    assert_eq!(refused("malformed"), 0);
    request(serve.door("otlp-http"), "POST", "/v1/traces", &[PROTOBUF], b"\xff\xff").unwrap();
    assert_eq!(refused("malformed"), 1);
}

/// Errors carry a `google.rpc.Status` in the client's own encoding.
#[track_caller]
fn assert_is_a_status(case: &Case, reply: &Reply) {
    let content_type = reply.header("content-type").unwrap_or_default();
    if case.headers.contains(&PROTOBUF) {
        assert_eq!(content_type, "application/x-protobuf", "{}", case.name);
        // Field 2 is the message: its text must be among the bytes.
        assert!(reply.body.windows(2).any(|pair| pair[0] == 0x12 && pair[1] > 0), "{}: {:?}", case.name, reply.body);
    } else if case.headers.contains(&JSON) {
        assert!(content_type.starts_with("application/json"), "{}: {content_type}", case.name);
        assert!(reply.json()["message"].as_str().is_some_and(|message| !message.is_empty()), "{}", case.name);
    }
}

/// ResourceSpans › ScopeSpans › Span › KeyValue › AnyValue, the last in arrays of arrays.
fn nested_protobuf(depth: usize) -> Vec<u8> {
    let mut message = Vec::new();
    // Built from the inside out, in reverse, so that each layer is an append.
    for _ in 0..depth {
        for tag in [0x0a_u8, 0x2a] {
            put_length_reversed(&mut message);
            message.push(tag);
        }
    }
    for tag in [0x12_u8, 0x4a, 0x12, 0x12, 0x0a] {
        put_length_reversed(&mut message);
        message.push(tag);
    }
    message.reverse();
    message
}

fn put_length_reversed(message: &mut Vec<u8>) {
    let mut length = message.len();
    let mut varint = Vec::new();
    loop {
        let low = u8::try_from(length & 0x7f).unwrap();
        length >>= 7;
        varint.push(if length > 0 { low | 0x80 } else { low });
        if length == 0 {
            break;
        }
    }
    message.extend(varint.iter().rev());
}

fn nested_attribute(depth: usize) -> Vec<u8> {
    let open = r#"{"arrayValue":{"values":["#.repeat(depth);
    let close = "]}}".repeat(depth);
    format!(
        r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{{"traceId":"0af7651916cd43dd8448eb211c80319c","spanId":"b7ad6b7169203331","name":"deep","attributes":[{{"key":"k","value":{open}{close}}}]}}]}}]}}]}}"#
    )
    .into_bytes()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
