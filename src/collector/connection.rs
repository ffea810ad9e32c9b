//! One connection: looked at first, then served as what it is.
//!
//! The first bytes tell HTTP/2 with prior knowledge (gRPC), HTTP/1, and TLS, which cannot work on a plain port and is
//! named on Home. A client that sends nothing, or its head too slowly, is dropped; an HTTP/2 client that does not answer
//! pings is dropped.

use super::{Shared, route};
use crate::model::Door;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::watch;

/// Flow-control windows of HTTP/2: a batch of a few thousand spans fits without waiting for an update.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 4 << 20;
const FRAME_SIZE: u32 = 64 << 10;
const STREAMS: u32 = 64;
const HEADERS: u32 = 16 << 10;
const PING_EVERY: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(15);
/// Between two looks at the first bytes of a connection that sends them one by one.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// Fatal alert `protocol_version`: what a TLS client understands.
const TLS_ALERT: [u8; 7] = [0x15, 3, 3, 0, 2, 2, 70];
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

enum Opening {
    Tls,
    Http1,
    Http2,
    Gone,
}

/// Serves a connection until it ends, or soon after `stopping` turns true.
pub(super) async fn serve(shared: Arc<Shared>, door: Door, stream: TcpStream, mut stopping: watch::Receiver<bool>) {
    stream.set_nodelay(true).ok();
    let near = stream.local_addr().is_ok_and(|local| shared.is_near(local.ip()));
    let opening = tokio::select! {
        opening = tokio::time::timeout(shared.limits.head_timeout, look(&stream)) => opening.unwrap_or(Opening::Gone),
        () = stopped(&mut stopping) => Opening::Gone,
    };
    match opening {
        Opening::Gone => {}
        Opening::Tls => tls(&shared, door, stream).await,
        Opening::Http1 => http1(shared, door, near, stream, stopping).await,
        Opening::Http2 => http2(shared, door, near, stream, stopping).await,
    }
}

/// Resolves when the door closes.
pub(super) async fn stopped(stopping: &mut watch::Receiver<bool>) {
    stopping.wait_for(|stop| *stop).await.ok();
}

async fn look(stream: &TcpStream) -> Opening {
    let mut first = [0; PREFACE.len()];
    loop {
        let Ok(count) = stream.peek(&mut first).await else { return Opening::Gone };
        let seen = &first[..count];
        match seen {
            [] => return Opening::Gone,
            [0x16, ..] => return Opening::Tls,
            _ if seen == PREFACE => return Opening::Http2,
            // `PUT` and `POST` part from the preface at their second byte.
            _ if PREFACE.starts_with(seen) => tokio::time::sleep(LOOK_AGAIN).await,
            _ => return Opening::Http1,
        }
    }
}

async fn tls(shared: &Shared, door: Door, mut stream: TcpStream) {
    let fix = "This port is plain: use http:// instead of https://, or set OTEL_EXPORTER_OTLP_INSECURE=true for gRPC.";
    shared.callers.note(door, "TLS on a plain port", fix, None);
    shared.counters.refused(door, "tls");
    let goodbye = async {
        stream.write_all(&TLS_ALERT).await.ok();
        stream.shutdown().await.ok();
    };
    tokio::time::timeout(Duration::from_secs(1), goodbye).await.ok();
}

async fn http1(shared: Arc<Shared>, door: Door, near: bool, stream: TcpStream, mut stopping: watch::Receiver<bool>) {
    let head_timeout = shared.limits.head_timeout;
    let service = service_fn(move |request| route::answer(shared.clone(), door, near, request));
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head_timeout)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => return,
        () = stopped(&mut stopping) => connection.as_mut().graceful_shutdown(),
    }
    connection.await.ok();
}

async fn http2(shared: Arc<Shared>, door: Door, near: bool, stream: TcpStream, mut stopping: watch::Receiver<bool>) {
    let service = service_fn(move |request| route::answer(shared.clone(), door, near, request));
    let connection = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_frame_size(FRAME_SIZE)
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(HEADERS)
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => return,
        () = stopped(&mut stopping) => connection.as_mut().graceful_shutdown(),
    }
    connection.await.ok();
}
