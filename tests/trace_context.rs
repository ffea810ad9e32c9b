//! The conformance service of `examples/` against the cases of the W3C working group's harness, told in our own words:
//! raw requests on loopback, callbacks caught, the context in them checked. The harness itself runs against the same
//! service (see the example's own comment).

#[path = "../examples/trace_context_service.rs"]
mod service;

use belvedere::model::Resource;
use belvedere::tracer::Provider;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const TRACE: &str = "12345678901234567890123456789012";
const PARENT: &str = "00-12345678901234567890123456789012-1234567890123456-01";

/// What one callback carried.
#[derive(Clone, Debug)]
struct Callback {
    path: String,
    trace_id: String,
    parent_id: String,
    flags: u8,
    state: String,
}

type Callbacks = Arc<Mutex<Vec<Callback>>>;

struct Bench {
    service: SocketAddr,
    harness: SocketAddr,
    callbacks: Callbacks,
}

fn read(request: &Request<Incoming>) -> Callback {
    let all = |name: &str| {
        let values = request.headers().get_all(name).iter();
        values.map(|value| value.to_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let parents = all("traceparent");
    assert_eq!(parents.len(), 1, "one traceparent goes out: {parents:?}");
    let fields: Vec<&str> = parents[0].split('-').collect();
    let lengths: Vec<usize> = fields.iter().map(|field| field.len()).collect();
    assert_eq!((fields[0], lengths.as_slice()), ("00", [2, 32, 16, 2].as_slice()), "{parents:?}");
    Callback {
        path: request.uri().path().to_owned(),
        trace_id: fields[1].to_owned(),
        parent_id: fields[2].to_owned(),
        flags: u8::from_str_radix(fields[3], 16).unwrap(),
        state: all("tracestate").join(","),
    }
}

impl Bench {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let service = listener.local_addr().unwrap();
        let tracer = Provider::builder(Resource::service("conformance")).build().tracer("", "");
        tokio::spawn(service::serve(listener, tracer));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (harness, callbacks) = (listener.local_addr().unwrap(), Callbacks::default());
        let caught = callbacks.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let caught = caught.clone();
                let catch = service_fn(move |request: Request<Incoming>| {
                    caught.lock().unwrap().push(read(&request));
                    async { Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"{}")))) }
                });
                let io = TokioIo::new(stream);
                tokio::spawn(async move { hyper::server::conn::http1::Builder::new().serve_connection(io, catch).await });
            }
        });
        Self { service, harness, callbacks }
    }

    /// Sends the headers byte for byte and gives the callbacks that had come when the answer came.
    async fn send(&self, headers: &[(&str, &str)], count: usize) -> Vec<Callback> {
        self.callbacks.lock().unwrap().clear();
        let calls: Vec<String> =
            (0..count).map(|n| format!(r#"{{"url":"http://{}/{n}","arguments":[]}}"#, self.harness)).collect();
        let body = format!("[{}]", calls.join(","));
        let mut text = format!("POST /test HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
        for (name, value) in headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str("\r\n");
        text.push_str(&body);
        let mut stream = TcpStream::connect(self.service).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut answer)).await.unwrap().unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
        let callbacks = self.callbacks.lock().unwrap().clone();
        assert_eq!(callbacks.len(), count, "all callbacks come before the answer");
        callbacks
    }

    async fn one(&self, headers: &[(&str, &str)]) -> Callback {
        self.send(headers, 1).await.remove(0)
    }
}

fn run<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test)
}

#[test]
fn parents_that_break_a_rule_restart_the_trace() {
    run(async {
        let bench = Bench::start().await;
        for parent in [
            &format!("{PARENT}."),
            &format!("{PARENT}-what-the-future-will-be-like"),
            &format!("cc{}.what-the-future-will-be-like", &PARENT[2..]),
            &format!("ff{}", &PARENT[2..]),
            &format!(".0{}", &PARENT[2..]),
            &format!("0.{}", &PARENT[2..]),
            &format!("000{}", &PARENT[2..]),
            &format!("0000{}", &PARENT[2..]),
            &format!("0{}", &PARENT[2..]),
            "00-00000000000000000000000000000000-1234567890123456-01",
            "00-.2345678901234567890123456789012-1234567890123456-01",
            "00-1234567890123456789012345678901.-1234567890123456-01",
            "00-123456789012345678901234567890123-1234567890123456-01",
            "00-1234567890123456789012345678901-1234567890123456-01",
            "00-12345678901234567890123456789012-0000000000000000-01",
            "00-12345678901234567890123456789012-.234567890123456-01",
            "00-12345678901234567890123456789012-123456789012345.-01",
            "00-12345678901234567890123456789012-12345678901234567-01",
            "00-12345678901234567890123456789012-123456789012345-01",
            "00-12345678901234567890123456789012-1234567890123456-.0",
            "00-12345678901234567890123456789012-1234567890123456-0.",
            "00-12345678901234567890123456789012-1234567890123456-001",
            "00-12345678901234567890123456789012-1234567890123456-1",
        ] {
            let got = bench.one(&[("traceparent", parent), ("tracestate", "foo=1")]).await;
            assert_ne!(got.trace_id, TRACE, "{parent}");
            assert_ne!(got.trace_id, "0".repeat(32), "{parent}");
            assert_eq!(
                (got.flags & 2, got.state.as_str()),
                (2, ""),
                "{parent}: a new trace says it is random and has no state"
            );
        }
        for headers in [
            [("traceparent", PARENT), ("traceparent", "00-12345678901234567890123456789011-1234567890123456-01")].as_slice(),
            &[("trace-parent", PARENT)],
            &[("trace.parent", PARENT)],
            &[],
            &[("tracestate", "foo=1")],
            &[("tracestate", "foo=1,bar=2")],
        ] {
            let got = bench.one(headers).await;
            assert!(got.trace_id != TRACE && got.state.is_empty(), "{headers:?} {got:?}");
        }
    });
}

#[test]
fn parents_that_hold_are_joined_in_any_case_and_with_blanks() {
    run(async {
        let bench = Bench::start().await;
        let future = format!("cc{}", &PARENT[2..]);
        let suffix = format!("{future}-what-the-future-will-be-like");
        for (name, parent) in [
            ("traceparent", PARENT),
            ("TraceParent", PARENT),
            ("TrAcEpArEnT", PARENT),
            ("TRACEPARENT", PARENT),
            ("traceparent", &format!(" {PARENT}")),
            ("traceparent", &format!("\t{PARENT}")),
            ("traceparent", &format!("{PARENT} ")),
            ("traceparent", &format!("{PARENT}\t")),
            ("traceparent", &format!("\t {PARENT} \t")),
            ("traceparent", &future),
            ("traceparent", &suffix),
        ] {
            let got = bench.one(&[(name, parent)]).await;
            assert_eq!(got.trace_id, TRACE, "{name}: {parent:?}");
            assert_ne!(got.parent_id, "1234567890123456", "{name}: {parent:?}");
        }
    });
}

#[test]
fn the_random_bit_is_passed_on_as_it_came_and_other_bits_are_zero() {
    run(async {
        let bench = Bench::start().await;
        for (came, sent) in [("00", 0), ("01", 1), ("02", 2), ("03", 3), ("ff", 3), ("fc", 0)] {
            let got = bench.one(&[("traceparent", &format!("{}{came}", &PARENT[..53]))]).await;
            assert_eq!((got.trace_id.as_str(), got.flags), (TRACE, sent), "{came}");
        }
    });
}

#[test]
fn tracestate_is_kept_combined_and_in_order() {
    run(async {
        let bench = Bench::start().await;
        let members: Vec<String> = (1..=32).map(|n| format!("bar{n:02}={n:02}")).collect();
        let long_key = format!("foo=1,{}=1", "z".repeat(256));
        let long_value = format!("foo={}", "v".repeat(256));
        let two_long = format!("{}=1,{}=2", "t".repeat(256), format_args!("{}@v", "u".repeat(254)));
        let (tens, all_members) = ([0, 10, 20, 30].map(|from| members[from..(from + 10).min(32)].join(",")), members.join(","));
        let vendor = format!("foo=1,{}@{}=1", "t".repeat(241), "v".repeat(14));
        let tenant = format!("foo=1,{}@v=1", "t".repeat(242));
        let system = format!("foo=1,t@{}=1", "v".repeat(15));
        let value: String = (' '..='~').filter(|c| !matches!(c, ',' | '=')).collect();
        let key = "abcdefghijklmnopqrstuvwxyz0123456789_-*/";
        let (plain, at_vendor) = (format!("{key}={value}"), format!("{key}@a-z0-9_-*/={value}"));
        type Case<'a> = (&'a [(&'a str, &'a str)], &'a str);
        let cases: [Case<'_>; 34] = [
            (&[("tracestate", "")], ""),
            (&[("tracestate", ""), ("tracestate", "foo=1")], "foo=1"),
            (&[("trace-state", "foo=1")], ""),
            (&[("trace.state", "foo=1")], ""),
            (&[("TrAcEsTaTe", "foo=1")], "foo=1"),
            (&[("tracestate", "\tfoo=1")], "foo=1"),
            (&[("tracestate", "foo=1 ")], "foo=1"),
            (&[("tracestate", "\t foo=1 \t")], "foo=1"),
            (&[("tracestate", &plain)], &plain),
            (&[("tracestate", &at_vendor)], &at_vendor),
            (&[("tracestate", &vendor)], &vendor),
            (&[("tracestate", &tenant)], &tenant),
            (&[("tracestate", &system)], &system),
            (&[("tracestate", "foo@bar@baz=1,bar=2")], "foo@bar@baz=1,bar=2"),
            (&[("tracestate", "z0=1"), ("tracestate", "0z=2")], "z0=1,0z=2"),
            (&[("tracestate", "foo= 1")], "foo= 1"),
            (
                &[("tracestate", &tens[0]), ("tracestate", &tens[1]), ("tracestate", &tens[2]), ("tracestate", &tens[3])],
                &all_members,
            ),
            (&[("tracestate", "foo=1,bar=2")], "foo=1,bar=2"),
            (&[("TraceState", "foo=1")], "foo=1"),
            (&[("TRACESTATE", "foo=1")], "foo=1"),
            (&[("tracestate", "foo=1,"), ("tracestate", "")], "foo=1"),
            (&[("tracestate", "foo=1"), ("tracestate", ""), ("tracestate", "bar=2")], "foo=1,bar=2"),
            (
                &[("tracestate", "foo=1,bar=2"), ("tracestate", "rojo=1,congo=2"), ("tracestate", "baz=3")],
                "foo=1,bar=2,rojo=1,congo=2,baz=3",
            ),
            (&[("tracestate", "foo=1 \t , \t bar=2, \t baz=3")], "foo=1,bar=2,baz=3"),
            (&[("tracestate", "foo=1\t \t,\t \tbar=2,\t \tbaz=3")], "foo=1,bar=2,baz=3"),
            (&[("tracestate", " foo=1")], "foo=1"),
            (&[("tracestate", "foo=1\t")], "foo=1"),
            (&[("tracestate", &long_key)], &long_key),
            (&[("tracestate", &long_value)], &long_value),
            (&[("tracestate", &two_long)], &two_long),
            (&[("tracestate", &members.join(","))], &members.join(",")),
            (&[("tracestate", "foo@=1,bar=2")], "foo@=1,bar=2"),
            (&[("tracestate", "foo@@bar=1,bar=2")], "foo@@bar=1,bar=2"),
            (&[("tracestate", "0_-*/@=1")], "0_-*/@=1"),
        ];
        for (headers, expected) in cases {
            let mut all = vec![("traceparent", PARENT)];
            all.extend(headers);
            let got = bench.one(&all).await;
            assert_eq!((got.trace_id.as_str(), got.state.as_str()), (TRACE, expected), "{headers:?}");
        }
        for twice in ["foo=1,foo=1", "foo=1,foo=2"] {
            let (first, second) = twice.split_once(',').unwrap();
            let got = bench.one(&[("traceparent", PARENT), ("tracestate", first), ("tracestate", second)]).await;
            assert!(got.state == twice || !got.state.contains(','), "also from two headers: {}", got.state);
            let got = bench.one(&[("traceparent", PARENT), ("tracestate", twice)]).await;
            assert!(got.state == twice || !got.state.contains(','), "a key that came twice stays or loses one: {}", got.state);
        }
    });
}

#[test]
fn a_tracestate_that_breaks_a_rule_is_discarded_alone() {
    run(async {
        let bench = Bench::start().await;
        let many: Vec<String> = (1..=33).map(|n| format!("bar{n:02}={n:02}")).collect();
        for state in [
            &many.join(","),
            &format!("{}=1", "z".repeat(257)),
            &format!("foo={}", "v".repeat(257)),
            "foo",
            "foo=",
            "=1",
            "foo =1",
            "FOO=1",
            "foo.bar=1",
            "@foo=1,bar=2",
            "foo=bar=baz",
            "foo=,bar=3",
            "foo=1,bar",
        ] {
            let got = bench.one(&[("traceparent", PARENT), ("tracestate", state)]).await;
            assert_eq!((got.trace_id.as_str(), got.state.as_str()), (TRACE, ""), "{state}");
        }
        let (most, rest) = (many[..30].join(","), many[30..].join(","));
        let got = bench.one(&[("traceparent", PARENT), ("tracestate", &most), ("tracestate", &rest)]).await;
        assert_eq!(got.state, "", "thirty-three members in two headers are as many");
    });
}

#[test]
fn several_callbacks_share_the_trace_and_nothing_else() {
    run(async {
        let bench = Bench::start().await;
        for headers in [[].as_slice(), &[("traceparent", PARENT)], &[("traceparent", "00-bad")]] {
            let callbacks = bench.send(headers, 3).await;
            let traces: BTreeSet<&str> = callbacks.iter().map(|callback| callback.trace_id.as_str()).collect();
            let parents: BTreeSet<&str> = callbacks.iter().map(|callback| callback.parent_id.as_str()).collect();
            let paths: Vec<&str> = callbacks.iter().map(|callback| callback.path.as_str()).collect();
            assert_eq!((traces.len(), parents.len()), (1, 3), "{headers:?}");
            assert_eq!(paths, ["/0", "/1", "/2"]);
        }
        let first = bench.one(&[]).await.trace_id;
        assert_ne!(bench.one(&[]).await.trace_id, first, "requests without a parent are traces of their own");
    });
}

#[test]
fn a_body_that_is_no_list_of_calls_is_refused() {
    run(async {
        let bench = Bench::start().await;
        let mut stream = TcpStream::connect(bench.service).await.unwrap();
        stream.write_all(b"POST /test HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 3\r\n\r\n{x}").await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 400"));
    });
}
