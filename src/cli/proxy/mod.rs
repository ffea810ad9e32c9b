//! `belvedere proxy LISTEN=TARGET`: traces a service that has no instrumentation, from outside.
//!
//! A reverse proxy for one service on this machine or near it. Each request continues the trace it carries, in any format
//! that `context` reads, or starts one; it is recorded as a server span (what the caller sees) and a client span below it
//! (what the service took), and goes on with the client span's context, so that a service which is instrumented joins.
//! Bodies, trailers, HTTP/2 by prior knowledge and upgraded connections (WebSocket) pass unchanged. Interim answers other
//! than 101 are not passed on. Plain text only: TLS ends before the proxy.
//!
//! One thread does all the forwarding, so that no request is handed between threads; `benches/proxy.rs` prints what a
//! request pays.

mod body;
mod forward;
mod headers;
mod semantics;
mod upstream;

use super::args::{DoorAddress, loopback, parse_duration};
use super::reporting::{self, FLUSH};
use super::{DONE, Failure};
use crate::context::Composite;
use crate::engine::is_loopback;
use crate::model::Resource;
use crate::tracer::Tracer;
use forward::Proxy;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use semantics::Route;
use std::convert::Infallible;
use std::io::Write as _;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use upstream::Upstream;

/// Longest wait for requests under way when the proxy is told to stop.
const GRACE: Duration = Duration::from_secs(10);
/// How long a connection may take to send its headers.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// A span is seen this long after its end at the latest.
const DELAY: Duration = Duration::from_millis(500);
/// Pause after a connection that could not be accepted, most likely for want of file handles.
const PAUSE: Duration = Duration::from_millis(50);
/// HTTP/2 windows towards the client.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 4 << 20;

/// `belvedere proxy`.
#[derive(clap::Args, Debug)]
pub struct ProxyArguments {
    /// Where to listen and where the service is, ports or addresses: `9000=3000`, `127.0.0.1:9000=http://localhost:3000`
    #[arg(value_name = "LISTEN=TARGET", value_parser = Mapping::parse)]
    mapping: Mapping,
    /// Service the spans belong to [default: the target's address]
    #[arg(long)]
    service: Option<String>,
    /// A pattern of paths that names spans and groups them, `/users/{id}`, `/static/*`; may be repeated, the first that fits
    #[arg(long, value_name = "PATTERN", value_parser = Route::parse)]
    route: Vec<Route>,
    /// How long the service may take to begin its answer
    #[arg(long, default_value = "5m", value_parser = parse_duration)]
    timeout: Duration,
    /// Send the target's address as Host instead of the client's
    #[arg(long)]
    rewrite_host: bool,
    /// Also announce spans when they start, so that requests which hang are seen
    #[arg(long)]
    live: bool,
    /// Allow to listen on addresses that other machines reach
    #[arg(long)]
    allow_remote: bool,
    /// Collector to send to, OTLP over HTTP [default: OTEL_EXPORTER_OTLP_ENDPOINT, else http://127.0.0.1:4318]
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,
}

/// Both ends of a proxy.
#[derive(Clone, Debug, PartialEq)]
struct Mapping {
    listen: Vec<SocketAddr>,
    /// `host:port`.
    target: String,
}

impl Mapping {
    fn parse(text: &str) -> Result<Self, String> {
        let (listen, target) = text.split_once('=').ok_or("expected LISTEN=TARGET, such as 9000=3000")?;
        let listen = match DoorAddress::parse(listen)? {
            DoorAddress::Off => return Err("a proxy has to listen somewhere".to_owned()),
            DoorAddress::Port(port) => loopback(port),
            DoorAddress::At(address) => vec![address],
        };
        if target.starts_with("https://") {
            return Err("TLS is not spoken here; give an http:// address".to_owned());
        }
        let bare = target.strip_prefix("http://").unwrap_or(target).trim_end_matches('/');
        if bare.is_empty() || bare.contains(['/', '?', '#', '@']) {
            return Err(format!("`{target}` is no address of a service; give a port, host:port or http://host:port"));
        }
        let target = match bare.parse::<u16>() {
            Ok(port) => format!("localhost:{port}"),
            Err(_) => {
                let authority: http::uri::Authority = bare.parse().map_err(|_| format!("`{bare}` is no host and port"))?;
                if authority.port_u16().is_some() { bare.to_owned() } else { format!("{bare}:80") }
            }
        };
        Ok(Self { listen, target })
    }
}

/// Runs the proxy until it is told to stop.
pub fn run(arguments: &ProxyArguments) -> Result<u8, Failure> {
    let Mapping { listen, target } = &arguments.mapping;
    if let (false, Some(far)) = (arguments.allow_remote, listen.iter().find(|address| !is_loopback(**address))) {
        let text = format!("the proxy does not listen on {far}, which other machines can reach, without --allow-remote");
        return Err(Failure::new(text));
    }
    let thread = |error| Failure::new(format!("no thread could be started: {error}"));
    let sending = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().map_err(thread)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(thread)?;
    let variable = std::env::var("OTEL_EXPORTER_OTLP_ENDPOINT").ok();
    let endpoint = reporting::endpoint(arguments.endpoint.as_deref(), variable.as_deref());
    let resource = Resource::service(arguments.service.as_deref().unwrap_or(target));
    let provider = reporting::provider(&endpoint, resource, DELAY, arguments.live, sending.handle())?;
    let tracer = provider.tracer("belvedere-proxy", env!("CARGO_PKG_VERSION"));
    let ended = runtime.block_on(serve(arguments, tracer));
    if let Err(error) = provider.shutdown(FLUSH) {
        eprintln!("belvedere: the last spans were not taken: {error}");
    }
    sending.shutdown_background();
    ended.map(|()| DONE)
}

async fn serve(arguments: &ProxyArguments, tracer: Tracer) -> Result<(), Failure> {
    let Mapping { listen, target } = &arguments.mapping;
    let mut listeners = Vec::new();
    for address in listen {
        match TcpListener::bind(address).await {
            Ok(listener) => listeners.push(listener),
            // A machine without IPv6 still has the other address.
            Err(_) if !listeners.is_empty() => {}
            Err(error) => return Err(Failure::new(format!("the proxy cannot listen: {error}: {address}"))),
        }
    }
    let own: Vec<SocketAddr> = listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect();
    if let Ok(mut resolved) = tokio::net::lookup_host(target).await
        && let Some(same) = resolved.find(|address| own.contains(address))
    {
        return Err(Failure::new(format!("the proxy would call itself: both ends are {same}. Give the service's own address")));
    }
    let stop = stop_signals()?;
    {
        let mut out = std::io::stdout().lock();
        let told = own.iter().try_for_each(|address| writeln!(out, "listening proxy {address}"));
        told.and_then(|()| writeln!(out, "ready")).and_then(|()| out.flush()).ok();
    }

    let (stopping, stopped) = watch::channel(false);
    let (alive, mut tunnels) = mpsc::channel(1);
    let proxy = Arc::new(Proxy {
        upstream: Arc::new(Upstream::new(target.clone())),
        tracer,
        formats: Composite::permissive(),
        routes: arguments.route.clone(),
        timeout: arguments.timeout,
        rewrite_host: arguments.rewrite_host,
        stopping: stopped,
        alive,
    });
    let mut doors: JoinSet<()> = listeners.into_iter().map(|listener| accept(listener, proxy.clone())).collect();
    stop.await;
    stopping.send(true).ok();
    drop(proxy);
    let finished = async {
        while doors.join_next().await.is_some() {}
        while tunnels.recv().await.is_some() {}
    };
    if tokio::time::timeout(GRACE, finished).await.is_err() {
        eprintln!("belvedere: requests that were not answered {GRACE:?} after the stop are broken off");
    }
    Ok(())
}

/// Resolves on SIGINT and SIGTERM.
fn stop_signals() -> Result<impl Future<Output = ()>, Failure> {
    use tokio::signal::unix::{SignalKind, signal};
    let hear = |kind| signal(kind).map_err(|error| Failure::new(format!("signals cannot be heard: {error}")));
    let (mut interrupt, mut terminate) = (hear(SignalKind::interrupt())?, hear(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// Resolves when the proxy stops.
async fn stopped(stopping: &mut watch::Receiver<bool>) {
    stopping.wait_for(|stop| *stop).await.ok();
}

/// Accepts until the stop, then waits for the connections.
async fn accept(listener: TcpListener, proxy: Arc<Proxy>) {
    let mut connections: JoinSet<Result<(), Infallible>> = JoinSet::new();
    let mut stopping = proxy.stopping.clone();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stopped(&mut stopping) => break,
            Some(_) = connections.join_next() => continue,
        };
        match accepted {
            Ok((stream, peer)) => {
                let proxy = proxy.clone();
                connections.spawn(async move {
                    connection(proxy, stream, peer).await;
                    Ok(())
                });
            }
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
    drop((listener, proxy));
    while connections.join_next().await.is_some() {}
}

async fn connection(proxy: Arc<Proxy>, stream: TcpStream, peer: SocketAddr) {
    stream.set_nodelay(true).ok();
    let mut stopping = proxy.stopping.clone();
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
    builder
        .http2()
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW);
    let service = service_fn(move |request| forward::forward(proxy.clone(), peer, request));
    let mut connection = pin!(builder.serve_connection_with_upgrades(TokioIo::new(stream), service));
    tokio::select! {
        _ = connection.as_mut() => return,
        () = stopped(&mut stopping) => connection.as_mut().graceful_shutdown(),
    }
    connection.await.ok();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_are_read_from_ports_and_addresses() {
        let parse = |text| Mapping::parse(text).map(|mapping| (mapping.listen.len(), mapping.listen[0].port(), mapping.target));
        for (text, expected) in [
            ("9000=3000", (2, 9000, "localhost:3000")),
            ("127.0.0.1:9000=127.0.0.1:3000", (1, 9000, "127.0.0.1:3000")),
            ("0=http://shop.test:3000/", (1, 0, "shop.test:3000")),
            (":9000=shop.test", (2, 9000, "shop.test:80")),
            ("9000=[::1]:3000", (2, 9000, "[::1]:3000")),
        ] {
            assert_eq!(parse(text), Ok((expected.0, expected.1, expected.2.to_owned())), "{text}");
        }
        for (text, reason) in [
            ("9000", "LISTEN=TARGET"),
            ("x=3000", "a port or an address"),
            ("off=3000", "listen somewhere"),
            ("9000=https://x", "TLS"),
            ("9000=http://x/path", "no address"),
            ("9000=", "no address"),
        ] {
            assert!(parse(text).unwrap_err().contains(reason), "{text}");
        }
    }
}
