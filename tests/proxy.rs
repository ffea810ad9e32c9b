//! `belvedere proxy` between real sockets: what the service gets, what the client gets, what is stored of it.

use crate::support::{Serve, belvedere, wait_until};
use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, Version};
use http_body_util::{BodyExt, Full, combinators::BoxBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::convert::Infallible;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::pin::Pin;
use std::process::{Child, Stdio};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

struct Proxy {
    child: Child,
    address: SocketAddr,
}

impl Proxy {
    fn start(target: SocketAddr, collector: Option<&Serve>, more: &[&str]) -> Self {
        let mapping = format!("127.0.0.1:0={target}");
        let endpoint = collector.map_or("http://127.0.0.1:1".to_owned(), |serve| format!("http://{}", serve.door("otlp-http")));
        let mut command = belvedere();
        command.args(["proxy", &mapping, "--service", "shop", "--endpoint", &endpoint]).args(more);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let said: Vec<String> = lines.take_while(|line| line != "ready").collect();
        let address = said[0].strip_prefix("listening proxy ").unwrap().parse().unwrap();
        Self { child, address }
    }

    fn ask_to_stop(&self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
    }

    fn stopped(mut self) -> Option<i32> {
        let status = wait_until(Duration::from_secs(15), || self.child.try_wait().unwrap());
        status.expect("it ends").code()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

type Body = BoxBody<Bytes, hyper::Error>;

fn full(text: impl Into<Bytes>) -> Body {
    Full::new(text.into()).map_err(|never: Infallible| match never {}).boxed()
}

/// Frames that are there one after the other, with a pause before each.
struct Slow(Vec<Frame<Bytes>>, Pin<Box<tokio::time::Sleep>>);

impl Slow {
    const PAUSE: Duration = Duration::from_millis(150);

    fn body(frames: Vec<Frame<Bytes>>) -> Body {
        Self(frames.into_iter().rev().collect(), Box::pin(tokio::time::sleep(Self::PAUSE))).boxed()
    }
}

impl hyper::body::Body for Slow {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        std::task::ready!(self.1.as_mut().poll(cx));
        self.1.as_mut().reset(tokio::time::Instant::now() + Self::PAUSE);
        Poll::Ready(self.0.pop().map(Ok))
    }
}

/// The service without instrumentation.
async fn service(mut request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let headers: Vec<String> =
        request.headers().iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
    let path = request.uri().path().to_owned();
    let mut response = match path.as_str() {
        "/headers" => Response::new(full(format!("{:?} {}\n{}", request.version(), request.uri(), headers.join("\n")))),
        "/echo" => Response::new(request.into_body().boxed()),
        "/parts" => Response::new(Slow::body(vec![Frame::data("one,".into()), Frame::data("two".into())])),
        "/trailers" => {
            let mut fields = HeaderMap::new();
            fields.insert("grpc-status", "13".parse().unwrap());
            let mut response = Response::new(Slow::body(vec![Frame::data("body".into()), Frame::trailers(fields)]));
            response.headers_mut().insert("trailer", "grpc-status".parse().unwrap());
            response
        }
        "/slow" => {
            tokio::time::sleep(Duration::from_millis(800)).await;
            Response::new(full("late"))
        }
        "/missing" => Response::builder().status(404).body(full("no")).unwrap(),
        "/socket" => {
            let upgraded = hyper::upgrade::on(&mut request);
            tokio::spawn(async move {
                let mut stream = TokioIo::new(upgraded.await.unwrap());
                let mut bytes = [0; 64];
                while let Ok(count @ 1..) = stream.read(&mut bytes).await {
                    stream.write_all(&bytes[..count].to_ascii_uppercase()).await.unwrap();
                }
            });
            let response = Response::builder().status(101).header("connection", "Upgrade").header("upgrade", "websocket");
            response.header("sec-websocket-accept", "x").body(full("")).unwrap()
        }
        _ => Response::new(full("hello")),
    };
    response.headers_mut().insert("x-service", "shop".parse().unwrap());
    Ok(response)
}

async fn start_service() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let builder = auto::Builder::new(TokioExecutor::new());
                builder.serve_connection_with_upgrades(TokioIo::new(stream), service_fn(service)).await.ok();
            });
        }
    });
    address
}

fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(Duration::from_secs(60), test).await.expect("within a minute") })
}

/// Sends the text as it is and reads until the connection closes.
async fn raw(address: SocketAddr, text: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8(answer).unwrap()
}

fn get(path: &str, headers: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: shop.test:9000\r\nConnection: close\r\n{headers}\r\n")
}

/// The spans of a trace once there are `count`, by their kind.
async fn spans(serve: &Serve, trace: &str, count: usize) -> Vec<Value> {
    let until = Instant::now() + Duration::from_secs(15);
    loop {
        let mut spans = serve.trace(trace).map(|trace| trace["spans"].as_array().unwrap().clone()).unwrap_or_default();
        if spans.len() >= count {
            spans.sort_by_key(|span| tag(span, "span.kind").to_string());
            return spans;
        }
        assert!(Instant::now() < until, "{count} spans of {trace}, there are {spans:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn tag(span: &Value, key: &str) -> Value {
    let tags = span["tags"].as_array().unwrap();
    tags.iter().find(|tag| tag["key"] == key).map(|tag| tag["value"].clone()).unwrap_or_default()
}

#[test]
fn a_request_continues_its_trace_through_a_server_and_a_client_span() {
    run(async {
        let serve = Serve::start();
        let target = start_service().await;
        let proxy = Proxy::start(target, Some(&serve), &["--route", "/users/{id}", "--route", "/headers"]);
        let headers = format!("traceparent: {PARENT}\r\ntracestate: a=1\r\nx-forwarded-for: 1.2.3.4\r\nkeep-alive: 5\r\n");
        let answer = raw(proxy.address, &get("/headers?q=1&sig=secret", &headers)).await;
        let body = answer.split_once("\r\n\r\n").unwrap().1;
        assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.contains("x-service: shop"), "{answer}");
        assert!(body.starts_with("HTTP/1.1 /headers?q=1&sig=secret\n"), "the address is as it was: {body}");
        for line in
            ["host: shop.test:9000", "tracestate: a=1", "x-forwarded-for: 1.2.3.4, 127.0.0.1", "x-forwarded-proto: http"]
        {
            assert!(body.contains(line), "{line} in {body}");
        }
        assert!(!body.contains("keep-alive") && !body.contains("connection"), "one hop's headers stay behind: {body}");

        let spans = spans(&serve, TRACE, 2).await;
        let (client, server) = (&spans[0], &spans[1]);
        let inner = format!("traceparent: 00-{TRACE}-{}-01", client["spanID"].as_str().unwrap());
        assert!(body.contains(&inner), "the service joins below the client span: {body}");
        assert_eq!(client["references"][0]["spanID"], server["spanID"]);
        assert_eq!(server["references"][0]["spanID"], "b7ad6b7169203331");
        assert_eq!((&server["operationName"], &client["operationName"]), (&"GET /headers".into(), &"GET /headers".into()));
        for (key, value) in [
            ("http.request.method", Value::from("GET")),
            ("url.path", "/headers".into()),
            ("url.query", "q=1&sig=REDACTED".into()),
            ("url.scheme", "http".into()),
            ("http.route", "/headers".into()),
            ("server.address", "shop.test".into()),
            ("server.port", 9000.into()),
            ("client.address", "1.2.3.4".into()),
            ("network.peer.address", "127.0.0.1".into()),
            ("network.protocol.version", "1.1".into()),
            ("http.response.status_code", 200.into()),
            ("http.response.body.size", body.len().into()),
        ] {
            assert_eq!(tag(server, key), value, "{key}");
        }
        assert_eq!(tag(client, "url.full"), format!("http://{target}/headers?q=1&sig=REDACTED"));
        assert_eq!(tag(client, "server.port"), Value::from(target.port()));
    });
}

#[test]
fn bodies_stream_both_ways_untouched() {
    run(async {
        let target = start_service().await;
        let proxy = Proxy::start(target, None, &[]);
        // The first part comes before the last was made.
        let mut stream = TcpStream::connect(proxy.address).await.unwrap();
        stream.write_all(get("/parts", "").as_bytes()).await.unwrap();
        let (mut seen, mut bytes, started) = (String::new(), [0; 512], Instant::now());
        let mut first = None;
        while let Ok(count @ 1..) = stream.read(&mut bytes).await {
            seen.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
            if seen.contains("one,") && first.is_none() {
                first = Some((started.elapsed(), seen.contains("two")));
            }
        }
        assert!(!first.unwrap().1 && seen.contains("transfer-encoding: chunked"), "{seen}");

        // A body larger than any buffer, on one kept connection, with a length and in chunks.
        let stream = TokioIo::new(TcpStream::connect(proxy.address).await.unwrap());
        let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        let large: Bytes = (0..3_000_000_u32).map(|number| (number % 251) as u8).collect::<Vec<u8>>().into();
        for _ in 0..2 {
            let request = Request::post("/echo").header("host", "x").body(full(large.clone())).unwrap();
            sender.ready().await.unwrap();
            let answer = sender.send_request(request).await.unwrap();
            assert_eq!(answer.headers()["content-length"], "3000000");
            assert!(answer.into_body().collect().await.unwrap().to_bytes() == large);
        }
        let chunks = (0..20).map(|_| Frame::data(large.slice(..10_000))).collect();
        let request = Request::post("/echo").header("host", "x").body(Slow::body(chunks)).unwrap();
        sender.ready().await.unwrap();
        let answer = sender.send_request(request).await.unwrap();
        assert_eq!(answer.headers().get("content-length"), None);
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes().len(), 200_000);
        let request = Request::head("/echo").header("host", "x").body(full("")).unwrap();
        sender.ready().await.unwrap();
        assert_eq!(sender.send_request(request).await.unwrap().status(), StatusCode::OK, "the connection is still good");
    });
}

#[test]
fn trailers_pass_in_both_versions_and_http2_stays_http2() {
    run(async {
        let serve = Serve::start();
        let target = start_service().await;
        let proxy = Proxy::start(target, Some(&serve), &[]);
        let answer = raw(proxy.address, &get("/trailers", "te: trailers\r\n")).await;
        assert!(answer.contains("4\r\nbody\r\n0\r\ngrpc-status: 13\r\n"), "{answer}");

        let stream = TokioIo::new(TcpStream::connect(proxy.address).await.unwrap());
        let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await.unwrap();
        tokio::spawn(connection);
        let url = |path| format!("http://shop.test:9000{path}");
        let request = Request::post(url("/trailers")).header("te", "trailers").header("traceparent", PARENT);
        let answer = sender.send_request(request.body(full("x")).unwrap()).await.unwrap();
        assert_eq!(answer.version(), Version::HTTP_2);
        let collected = answer.into_body().collect().await.unwrap();
        assert_eq!(collected.trailers().unwrap()["grpc-status"], "13");
        let answer = sender.send_request(Request::get(url("/headers")).body(full("")).unwrap()).await.unwrap();
        let text = String::from_utf8(answer.into_body().collect().await.unwrap().to_bytes().into()).unwrap();
        assert!(text.starts_with("HTTP/2.0 http://shop.test:9000/headers\n"), "{text}");

        let spans = spans(&serve, TRACE, 2).await;
        for span in &spans {
            assert_eq!((tag(span, "rpc.grpc.status_code"), tag(span, "error")), (13.into(), true.into()), "{span}");
            assert_eq!((tag(span, "network.protocol.version"), tag(span, "error.type")), ("2".into(), "13".into()));
        }
    });
}

#[test]
fn an_upgraded_connection_is_a_tunnel_and_its_spans_last_as_long() {
    run(async {
        let serve = Serve::start();
        let proxy = Proxy::start(start_service().await, Some(&serve), &[]);
        let mut stream = TcpStream::connect(proxy.address).await.unwrap();
        let ask = format!(
            "GET /socket HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\ntraceparent: {PARENT}\r\n\r\n"
        );
        stream.write_all(ask.as_bytes()).await.unwrap();
        let (mut seen, mut bytes) = (String::new(), [0; 512]);
        while !seen.contains("\r\n\r\n") {
            let count = stream.read(&mut bytes).await.unwrap();
            seen.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
        }
        assert!(seen.starts_with("HTTP/1.1 101") && seen.contains("upgrade: websocket"), "{seen}");
        for word in ["first", "second"] {
            stream.write_all(word.as_bytes()).await.unwrap();
            let count = stream.read(&mut bytes).await.unwrap();
            assert_eq!(&bytes[..count], word.to_uppercase().as_bytes());
        }
        assert!(serve.trace(TRACE).is_none(), "the spans are still open");
        drop(stream);
        let spans = spans(&serve, TRACE, 2).await;
        assert_eq!(tag(&spans[1], "http.response.status_code"), Value::from(101));
        assert_eq!(tag(&spans[1], "belvedere.tunnel.sent"), Value::from("firstsecond".len()));
    });
}

#[test]
fn a_service_that_is_gone_or_late_is_answered_for() {
    run(async {
        let serve = Serve::start();
        let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let proxy = Proxy::start(gone, Some(&serve), &[]);
        let answer = raw(proxy.address, &get("/", &format!("traceparent: {PARENT}\r\n"))).await;
        assert!(answer.starts_with("HTTP/1.1 502") && answer.contains("Is the service running?"), "{answer}");
        let both = spans(&serve, TRACE, 2).await;
        assert_eq!((tag(&both[0], "error.type"), tag(&both[0], "error")), ("connection_refused".into(), true.into()));
        assert_eq!((tag(&both[1], "error.type"), tag(&both[1], "http.response.status_code")), ("502".into(), 502.into()));

        let other = "1".repeat(32);
        let proxy = Proxy::start(start_service().await, Some(&serve), &["--timeout", "100ms"]);
        let parent = format!("traceparent: 00-{other}-b7ad6b7169203331-01\r\n");
        let answer = raw(proxy.address, &get("/slow", &parent)).await;
        assert!(answer.starts_with("HTTP/1.1 504") && answer.contains("did not begin to answer"), "{answer}");
        let both = spans(&serve, &other, 2).await;
        assert_eq!((tag(&both[0], "error.type"), tag(&both[1], "error.type")), ("timeout".into(), "504".into()));

        let third = "2".repeat(32);
        raw(proxy.address, &get("/missing", &format!("traceparent: 00-{third}-b7ad6b7169203331-01\r\n"))).await;
        let both = spans(&serve, &third, 2).await;
        let errors = (tag(&both[0], "error"), tag(&both[1], "error"));
        assert_eq!(errors, (true.into(), Value::Null), "404 is the caller's error, not the service's");
    });
}

#[test]
fn a_client_that_goes_away_leaves_spans_that_say_so() {
    run(async {
        let serve = Serve::start();
        let proxy = Proxy::start(start_service().await, Some(&serve), &[]);
        let mut stream = TcpStream::connect(proxy.address).await.unwrap();
        stream.write_all(get("/slow", &format!("traceparent: {PARENT}\r\n")).as_bytes()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
        drop(stream);
        let spans = spans(&serve, TRACE, 2).await;
        assert_eq!((tag(&spans[0], "error.type"), tag(&spans[1], "error.type")), ("cancelled".into(), "cancelled".into()));
    });
}

#[test]
fn a_stop_waits_for_the_request_under_way_and_sends_its_spans() {
    run(async {
        let serve = Serve::start();
        let proxy = Proxy::start(start_service().await, Some(&serve), &[]);
        let address = proxy.address;
        let request = get("/slow", &format!("traceparent: {PARENT}\r\n"));
        let answer = tokio::spawn(async move { raw(address, &request).await });
        tokio::time::sleep(Duration::from_millis(150)).await;
        proxy.ask_to_stop();
        let answer = answer.await.unwrap();
        assert!(answer.ends_with("late"), "{answer}");
        assert_eq!(proxy.stopped(), Some(0));
        assert_eq!(serve.trace(TRACE).unwrap()["spans"].as_array().unwrap().len(), 2, "sent before it ended");
        assert!(TcpStream::connect(address).await.is_err());
    });
}

#[test]
fn mistakes_in_the_addresses_are_told_at_the_start() {
    let said = |arguments: &[&str]| {
        let output = belvedere().arg("proxy").args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(said(&["0.0.0.0:0=127.0.0.1:1"]).contains("--allow-remote"));
    assert!(said(&["9000"]).contains("LISTEN=TARGET"));
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let own = said(&[&format!("{taken}={taken}")]);
    assert!(own.contains("call itself"), "{own}");
    let held = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let busy = said(&[&format!("{}=127.0.0.1:1", held.local_addr().unwrap())]);
    assert!(busy.contains("cannot listen"), "{busy}");
}
