//! A door: its listeners, its state, and the five-second patience with a port that somebody else holds.

use super::{Shared, connection, holder, statsd};
use crate::model::Door;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// Added to a busy port for the one to use instead: 14317 for 4317.
const ASIDE: u16 = 10_000;
/// Ports tried for a suggestion.
const SUGGESTIONS: u16 = 50;
/// Tries to find a port that is free on every address, for port 0.
const FREE_TRIES: usize = 20;
/// Rest after an error of `accept` (out of file descriptors, say).
const ACCEPT_REST: Duration = Duration::from_millis(100);

/// Whether a door takes data.
#[derive(Clone, Debug, PartialEq)]
pub enum DoorState {
    /// Not enabled.
    Closed,
    /// Listening on these addresses.
    Open(Vec<SocketAddr>),
    /// The port is taken; it is tried again every five seconds.
    Busy {
        /// The address that is taken.
        address: SocketAddr,
        /// Who holds it: `jaeger (pid 4711)`, `container otel-lgtm`, or empty when the system does not tell.
        holder: String,
        /// A free port to use instead.
        suggestion: Option<u16>,
    },
    /// Opening failed for another reason.
    Failed(String),
}

/// One door as shown on Home, in the status bar and in Settings.
#[derive(Clone, Debug, PartialEq)]
pub struct DoorStatus {
    /// Which.
    pub door: Door,
    /// Whether it takes data.
    pub state: DoorState,
    /// Items received since start.
    pub received: u64,
    /// Items rejected since start.
    pub rejected: u64,
}

/// A door that was asked for, with the task that keeps it open.
pub(super) struct OpenDoor {
    pub(super) door: Door,
    state: Arc<Mutex<DoorState>>,
    stop: watch::Sender<bool>,
    tried: watch::Receiver<bool>,
    task: JoinHandle<()>,
    within: Duration,
}

impl OpenDoor {
    /// Starts to open a door, once `before` has let go of its ports.
    pub(super) fn start(shared: Arc<Shared>, door: Door, addresses: Vec<SocketAddr>, before: Option<Self>) -> Self {
        let state = Arc::new(Mutex::new(DoorState::Closed));
        let (stop, stopping) = watch::channel(false);
        let (tell, tried) = watch::channel(false);
        let within = shared.limits.stop_within;
        let keeper = Keeper { shared, door, addresses, state: state.clone() };
        let task = tokio::spawn(async move {
            if let Some(before) = before {
                before.close();
                before.let_go().await;
            }
            keeper.keep_open(stopping, tell).await;
        });
        Self { door, state, stop, tried, task, within }
    }

    pub(super) fn state(&self) -> DoorState {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Resolves when each address has been tried once.
    pub(super) async fn tried(&self) {
        self.tried.clone().wait_for(|tried| *tried).await.ok();
    }

    /// Starts to close it.
    pub(super) fn close(&self) {
        self.stop.send_replace(true);
    }

    /// Resolves when its ports are free; connections may still be ending.
    async fn let_go(&self) {
        // The task closes its listeners as its first act, or has never had any.
        self.tried().await;
        for _ in 0..100 {
            if self.state() == DoorState::Closed {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Resolves when its connections have ended or run out of time.
    pub(super) async fn ended(self) {
        let within = self.within + Duration::from_millis(100);
        let abort = self.task.abort_handle();
        if tokio::time::timeout(within, self.task).await.is_err() {
            abort.abort();
        }
    }
}

/// What an open door listens with.
enum Listeners {
    Streams(Vec<TcpListener>),
    Datagrams(Vec<UdpSocket>),
}

struct Keeper {
    shared: Arc<Shared>,
    door: Door,
    addresses: Vec<SocketAddr>,
    state: Arc<Mutex<DoorState>>,
}

impl Keeper {
    fn set(&self, state: DoorState) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }

    async fn keep_open(&self, mut stopping: watch::Receiver<bool>, tried: watch::Sender<bool>) {
        if self.addresses.is_empty() {
            tried.send_replace(true);
            return;
        }
        loop {
            match self.listen().await {
                Ok((listeners, addresses)) => {
                    self.shared.counters.opened(self.door);
                    self.set(DoorState::Open(addresses));
                    tried.send_replace(true);
                    match listeners {
                        Listeners::Streams(listeners) => self.accept(listeners, stopping).await,
                        Listeners::Datagrams(sockets) => {
                            statsd::serve(self.shared.clone(), sockets, stopping).await;
                            self.set(DoorState::Closed);
                        }
                    }
                    return;
                }
                Err((address, error)) if error.kind() == ErrorKind::AddrInUse => {
                    let busy = tokio::task::spawn_blocking(move || {
                        (holder::of_port(address).unwrap_or_default(), suggestion(address))
                    });
                    let (holder, suggestion) = busy.await.unwrap_or_default();
                    self.set(DoorState::Busy { address, holder, suggestion });
                }
                Err((address, error)) => {
                    let hint = match error.kind() {
                        ErrorKind::PermissionDenied => ": ports below 1024 need rights, use a higher one",
                        ErrorKind::AddrNotAvailable => ": this machine has no such address",
                        _ => "",
                    };
                    self.set(DoorState::Failed(format!("cannot listen on {address}: {error}{hint}")));
                }
            }
            tried.send_replace(true);
            tokio::select! {
                () = tokio::time::sleep(self.shared.limits.retry_every) => {}
                () = connection::stopped(&mut stopping) => {
                    self.set(DoorState::Closed);
                    return;
                }
            }
        }
    }

    async fn listen(&self) -> Result<(Listeners, Vec<SocketAddr>), (SocketAddr, std::io::Error)> {
        if self.door == Door::Statsd {
            let sockets = statsd::bind(&self.addresses).await?;
            let addresses = sockets.iter().filter_map(|socket| socket.local_addr().ok()).collect();
            return Ok((Listeners::Datagrams(sockets), addresses));
        }
        let listeners = bind_all(&self.addresses).await?;
        let addresses = listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect();
        Ok((Listeners::Streams(listeners), addresses))
    }

    /// Accepts on every listener until the door closes, then waits for the connections.
    async fn accept(&self, listeners: Vec<TcpListener>, stopping: watch::Receiver<bool>) {
        let mut accepting = JoinSet::new();
        for listener in listeners {
            accepting.spawn(accept_on(self.shared.clone(), self.door, listener, stopping.clone()));
        }
        let mut connections = Vec::new();
        while let Some(ended) = accepting.join_next().await {
            connections.extend(ended);
        }
        self.set(DoorState::Closed);
        let drained = async {
            for set in &mut connections {
                while set.join_next().await.is_some() {}
            }
        };
        tokio::time::timeout(self.shared.limits.stop_within, drained).await.ok();
    }
}

/// Accepts until the door closes; answers the connections that are still open.
async fn accept_on(shared: Arc<Shared>, door: Door, listener: TcpListener, mut stopping: watch::Receiver<bool>) -> JoinSet<()> {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = connection::stopped(&mut stopping) => return connections,
        };
        while connections.try_join_next().is_some() {}
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(ACCEPT_REST).await;
            continue;
        };
        let Ok(permit) = shared.connections.clone().try_acquire_owned() else {
            shared.counters.turned_away.add(1);
            continue;
        };
        let (shared, stopping) = (shared.clone(), stopping.clone());
        connections.spawn(async move {
            shared.counters.connections.add(1);
            let counted = Counted(&shared);
            connection::serve(shared.clone(), door, stream, stopping).await;
            drop(counted);
            drop(permit);
        });
    }
}

/// Takes a connection off the gauge, also when its task is aborted.
struct Counted<'a>(&'a Shared);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.counters.connections.add(-1);
    }
}

/// Listens on every address or on none. IPv6 loopback is left out on machines without IPv6. Port 0 picks a port that is
/// free on all of them.
async fn bind_all(addresses: &[SocketAddr]) -> Result<Vec<TcpListener>, (SocketAddr, std::io::Error)> {
    let free = addresses.iter().all(|address| address.port() == 0);
    for _ in 1..FREE_TRIES {
        match bind_each(addresses).await {
            Err((_, error)) if free && error.kind() == ErrorKind::AddrInUse => {}
            outcome => return outcome,
        }
    }
    bind_each(addresses).await
}

async fn bind_each(addresses: &[SocketAddr]) -> Result<Vec<TcpListener>, (SocketAddr, std::io::Error)> {
    let mut listeners: Vec<TcpListener> = Vec::new();
    for address in addresses {
        let mut address = *address;
        if address.port() == 0
            && let Some(Ok(first)) = listeners.first().map(TcpListener::local_addr)
        {
            address.set_port(first.port());
        }
        match TcpListener::bind(address).await {
            Ok(listener) => listeners.push(listener),
            Err(error) if addresses.len() > 1 && no_ipv6(address, &error) => {}
            Err(error) => return Err((address, error)),
        }
    }
    Ok(listeners)
}

pub(super) fn no_ipv6(address: SocketAddr, error: &std::io::Error) -> bool {
    let unsupported = matches!(error.kind(), ErrorKind::AddrNotAvailable | ErrorKind::Unsupported)
        || error.raw_os_error() == Some(rustix::io::Errno::AFNOSUPPORT.raw_os_error());
    matches!(address.ip(), IpAddr::V6(ip) if ip.is_loopback()) && unsupported
}

/// A port that can be listened on instead of a busy one.
fn suggestion(address: SocketAddr) -> Option<u16> {
    let first = address.port().checked_add(ASIDE).or_else(|| address.port().checked_sub(ASIDE))?;
    (first..first.saturating_add(SUGGESTIONS)).find(|port| std::net::TcpListener::bind((address.ip(), *port)).is_ok())
}
