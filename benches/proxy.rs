//! What a request pays for going through `belvedere proxy`: the same requests on one kept connection, straight to a
//! service and through the real binary, in turns, so that whatever else the machine does meets both.
//!
//! `cargo bench --no-default-features --features headless --bench proxy`. Spans go to a sink that answers 200.

#![allow(clippy::unwrap_used, missing_docs)]

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const WARM: usize = 500;
const ROUNDS: usize = 10_000;

/// A service that answers everything with the same 128 bytes, on a thread of its own.
fn service() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    listener.set_nonblocking(true).unwrap();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).unwrap();
                let answer = service_fn(|request: Request<Incoming>| async {
                    request.into_body().collect().await.ok();
                    Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(&[b'x'; 128]))))
                });
                tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
            }
        });
    });
    address
}

struct Client(TcpStream);

impl Client {
    fn to(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        Self(stream)
    }

    fn ask(&mut self) -> Duration {
        const REQUEST: &[u8] = b"GET /cart?id=7 HTTP/1.1\r\nhost: shop.test\r\nuser-agent: bench\r\naccept: */*\r\ntraceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n\r\n";
        let started = Instant::now();
        self.0.write_all(REQUEST).unwrap();
        let (mut answer, mut filled) = ([0; 2048], 0);
        while !answer[..filled].ends_with(&[b'x'; 128]) {
            let count = self.0.read(&mut answer[filled..]).unwrap();
            assert!(count > 0, "the connection closed");
            filled += count;
        }
        started.elapsed()
    }
}

fn main() {
    let (target, sink) = (service(), service());
    let mut proxy = Command::new(env!("CARGO_BIN_EXE_belvedere"))
        .args(["proxy", &format!("127.0.0.1:0={target}"), "--endpoint", &format!("http://{sink}")])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let first = BufReader::new(proxy.stdout.take().unwrap()).lines().next().unwrap().unwrap();
    let (mut direct, mut through) = (Client::to(target), Client::to(first.rsplit_once(' ').unwrap().1.parse().unwrap()));
    let (mut without, mut with) = (Vec::new(), Vec::new());
    for round in 0..WARM + ROUNDS {
        let (short, long) = (direct.ask(), through.ask());
        if round >= WARM {
            without.push(short);
            with.push(long);
        }
    }
    proxy.kill().unwrap();
    proxy.wait().unwrap();
    let mut added: Vec<Duration> = with.iter().zip(&without).map(|(with, without)| with.saturating_sub(*without)).collect();
    for times in [&mut without, &mut with, &mut added] {
        times.sort();
    }
    let at = |times: &[Duration], share: f64| times[((times.len() - 1) as f64 * share) as usize];
    println!("{ROUNDS} requests on one kept connection each      p50       p90       p99");
    for (what, times) in [("straight to the service", &without), ("through the proxy", &with), ("added by the proxy", &added)] {
        println!("{what:<42} {:>9.1?} {:>9.1?} {:>9.1?}", at(times, 0.5), at(times, 0.9), at(times, 0.99));
    }
}
