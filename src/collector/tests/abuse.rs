//! What bad input and bad luck get: oversize, bombs, nesting, garbage, slow and half-open clients.

use super::*;
use std::time::Instant;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// What the collector does with raw bytes until it closes the connection.
async fn raw(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut answer)).await.expect("closed in time").ok();
    answer
}

async fn still_works(house: &House) {
    let answer = send_http1(house.address(Door::OtlpHttp), post("/v1/traces", &[AS_JSON], json("after", 1))).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(house.account("after", Signal::Traces).rejected, 0);
}

#[test]
fn the_limit_is_that_of_the_specification() {
    assert_eq!(Limits::default().request_bytes, 64 << 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_four_mebibytes_are_taken_and_more_than_the_limit_refused() {
    let house = house(limits(|limits| limits.request_bytes = 8 << 20)).await;
    let address = house.address(Door::OtlpHttp);
    let body = protobuf("big", 40_000);
    assert!(body.len() > 5 << 20, "{}", body.len());
    let answer = send_http1(address, post("/v1/traces", &[AS_PROTOBUF, ("content-encoding", "gzip")], gzip(&body))).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(house.account("big", Signal::Traces).stored, 40_000);
    let answer = send_http1(address, post("/v1/traces", &[AS_PROTOBUF], vec![0; 9 << 20])).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(answer.body[..3], [0x08, 8, 0x12], "google.rpc.Status with RESOURCE_EXHAUSTED");
    still_works(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bombs_are_refused_without_being_inflated() {
    let house = house(limits(|limits| {
        limits.request_bytes = 64 << 10;
        limits.pending_bytes = 4 << 20;
    }))
    .await;
    let address = house.address(Door::OtlpHttp);
    let zeros = vec![0; 24 << 20];
    let bombs = [("gzip", gzip(&zeros)), ("zstd", zstd::bulk::compress(&zeros, 1).unwrap())];
    drop(zeros);
    for (encoding, bomb) in bombs {
        assert!(bomb.len() < 32 << 10);
        let started = Instant::now();
        let answer = send_http1(address, post("/v1/traces", &[AS_JSON, ("content-encoding", encoding)], bomb)).await;
        assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE, "{encoding}");
        assert!(started.elapsed() < Duration::from_secs(2), "{encoding}");
    }
    still_works(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_large_requests_at_once_are_bounded_and_asked_to_come_again() {
    let house = house(limits(|limits| limits.pending_bytes = 300 << 10)).await;
    let address = house.address(Door::OtlpHttp);
    let mut waiting = Vec::new();
    // Four clients that each announce and send 100 KiB but never finish.
    for _ in 0..4 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"POST /v1/traces HTTP/1.1\r\nhost: localhost\r\ncontent-length: 200000\r\n\r\n").await.unwrap();
        stream.write_all(&vec![b' '; 100 << 10]).await.unwrap();
        waiting.push(stream);
    }
    let mut turned_away = 0;
    for stream in &mut waiting {
        let mut answer = [0; 12];
        if tokio::time::timeout(Duration::from_millis(300), stream.read_exact(&mut answer)).await.is_ok_and(|read| read.is_ok())
        {
            assert_eq!(&answer, b"HTTP/1.1 503");
            turned_away += 1;
        }
    }
    assert!((1..4).contains(&turned_away), "{turned_away}");
    drop(waiting);
    tokio::time::sleep(Duration::from_millis(50)).await;
    still_works(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deep_nesting_is_refused() {
    let house = house(|_| {}).await;
    let address = house.address(Door::OtlpHttp);
    let deep = |open: &str, close: &str, levels: usize| {
        format!(
            r#"{{"resourceSpans":[{{"resource":{{"attributes":[{{"key":"a","value":{}{}}}]}}}}]}}"#,
            open.repeat(levels),
            close.repeat(levels)
        )
    };
    for body in [
        deep(r#"{"arrayValue":{"values":["#, "]}}", 50_000),
        deep(r#"{"unknown":"#, "}", 100_000),
        "[".repeat(200_000),
        format!("{{\"x\":{}", "[".repeat(200_000)),
    ] {
        let answer = send_http1(address, post("/v1/traces", &[AS_JSON], body)).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    }
    // The same in protobuf: an array in an array, each two bytes longer than what it holds.
    let mut nested: Vec<u8> = vec![];
    for _ in 0..2_000 {
        for tag in [0x0a, 0x2a] {
            let mut outer = vec![tag];
            let mut length = nested.len();
            while length >= 0x80 {
                outer.push(length as u8 | 0x80);
                length >>= 7;
            }
            outer.push(length as u8);
            outer.extend(&nested);
            nested = outer;
        }
    }
    let mut body = Vec::new();
    for tag in [0x12, 0x0a, 0x0a, 0x0a] {
        let inner = if body.is_empty() { &nested } else { &body };
        let mut outer = vec![tag];
        let mut length = inner.len();
        while length >= 0x80 {
            outer.push(length as u8 | 0x80);
            length >>= 7;
        }
        outer.push(length as u8);
        outer.extend(inner);
        body = outer;
    }
    for path in ["/v1/traces", "/v1/metrics", "/v1/logs"] {
        let answer = send_http1(address, post(path, &[AS_PROTOBUF], body.clone())).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{path}");
        assert!(answer.text().contains("deeper"), "{}", answer.text());
    }
    still_works(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_and_truncation_are_refused_and_work_goes_on() {
    let house = house(|_| {}).await;
    let address = house.address(Door::OtlpHttp);
    let whole = protobuf("a", 2);
    let mut state = 7_u64;
    for round in 0..60 {
        let body: Vec<u8> = if round % 2 == 0 {
            let mut next = || {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (state >> 33) as u8 | 1
            };
            (0..200).map(|_| next()).collect()
        } else {
            whole[..whole.len() - 1 - round].to_vec()
        };
        let media = if round % 3 == 0 { AS_JSON } else { AS_PROTOBUF };
        let answer = send_http1(address, post("/v1/traces", &[media], body)).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "round {round}");
    }
    raw(address, b"\x00\x01\x02garbage\r\n\r\n").await;
    raw(address, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff").await;
    still_works(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_on_a_plain_port_is_recognised_and_named() {
    let house = house(|_| {}).await;
    let hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
    let answer = raw(house.address(Door::OtlpGrpc), hello).await;
    assert_eq!(answer, [0x15, 3, 3, 0, 2, 2, 70], "a fatal alert that TLS clients understand");
    raw(house.address(Door::OtlpGrpc), hello).await;
    let caller = &house.collector.wrong_callers()[0];
    assert_eq!((caller.door, caller.what.as_str(), caller.count), (Door::OtlpGrpc, "TLS on a plain port", 2));
    assert!(caller.fix.contains("http://"));
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_and_half_open_clients_are_timed_out() {
    let house = house(limits(|limits| {
        limits.head_timeout = Duration::from_millis(200);
        limits.idle_timeout = Duration::from_millis(200);
        limits.body_timeout = Duration::from_millis(400);
    }))
    .await;
    let address = house.address(Door::OtlpHttp);
    let started = Instant::now();
    assert!(raw(address, b"").await.is_empty(), "says nothing");
    raw(address, b"P").await;
    raw(address, b"PRI * HTTP/2.0\r\n").await;
    raw(address, b"POST /v1/traces HTTP/1.1\r\nhost: loc").await;
    let stuck = raw(address, b"POST /v1/traces HTTP/1.1\r\nhost: localhost\r\ncontent-length: 10\r\n\r\nabc").await;
    assert!(stuck.starts_with(b"HTTP/1.1 408"), "{}", String::from_utf8_lossy(&stuck));
    // One byte now and then keeps within the idle time, not within the whole.
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"POST /v1/traces HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000\r\n\r\n").await.unwrap();
    let mut answer = [0; 12];
    for _ in 0..20 {
        stream.write_all(b" ").await.ok();
        if tokio::time::timeout(Duration::from_millis(100), stream.read_exact(&mut answer)).await.is_ok() {
            break;
        }
    }
    assert_eq!(&answer, b"HTTP/1.1 408");
    assert!(started.elapsed() < Duration::from_secs(8));
    still_works(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_capped_and_the_rest_goes_on_when_some_end() {
    let house = house(limits(|limits| limits.connections = 3)).await;
    let address = house.address(Door::OtlpHttp);
    let mut open = Vec::new();
    for _ in 0..3 {
        open.push(TcpStream::connect(address).await.unwrap());
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(raw(address, b"").await.is_empty(), "closed at once");
    assert!(house.registry.expose().contains("belvedere_connections_refused_total 1\n"));
    assert!(house.registry.expose().contains("belvedere_connections 3\n"));
    open.clear();
    tokio::time::sleep(Duration::from_millis(50)).await;
    still_works(&house).await;
}
