//! Receivers behind every door: admission, decoding, redaction, acknowledgement.
//!
//! A door is a set of listening addresses. Every connection is looked at before a server takes it (TLS on a plain port is
//! told apart, HTTP/1 and HTTP/2 are served alike), every request passes the gate (host, origin), is read within the
//! limits, decoded on the spot, redacted while it is decoded and handed to the [`Sink`]; the client is answered when the
//! sink has it on disk. Nothing received is dropped silently: a full sink is an answer, a refusal is counted.
//!
//! The room owns no data. It is started by `engine`, which also shows what [`Collector::doors`] and
//! [`Collector::wrong_callers`] say. Rules: OTLP specification 1.11, gRPC over HTTP/2, the CORS part of the fetch standard.

mod body;
mod callers;
mod connection;
mod counters;
mod delta;
mod door;
mod gate;
mod grpc;
mod holder;
mod ingest;
mod remote_write;
mod route;
pub mod scrape;
mod sink;
mod statsd;
mod status;
#[cfg(test)]
mod tests;
mod zipkin;

pub use callers::WrongCaller;
pub use delta::Totals;
pub use door::{DoorState, DoorStatus};
pub use sink::Sink;

use crate::model::{Door, UnixNanos};
use crate::telemetry::Registry;
use crate::tracer::Tracer;
use crate::wire::otlp::{Escaping, MetricOptions};
use crate::wire::redact::{Redaction, STANDARD};
use bytes::Bytes;
use callers::Callers;
use counters::Counters;
use door::OpenDoor;
use http::{Request, Response};
use hyper::body::Incoming;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::Semaphore;

/// What time it is.
pub type Clock = Arc<dyn Fn() -> UnixNanos + Send + Sync>;

/// Bounds on what clients may take up.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes of one request, before and after decompression. The specification recommends 64 MiB.
    pub request_bytes: usize,
    /// Bytes of all requests that are being read or decoded; more is answered as overload.
    pub pending_bytes: usize,
    /// Connections in all; more are closed at once.
    pub connections: usize,
    /// Time for the first bytes of a connection, and for the head of a request.
    pub head_timeout: Duration,
    /// Time between two pieces of a body.
    pub idle_timeout: Duration,
    /// Time for a whole body.
    pub body_timeout: Duration,
    /// Time that connections get to end when a door closes.
    pub stop_within: Duration,
    /// A busy port is tried again this often.
    pub retry_every: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            request_bytes: 64 << 20,
            pending_bytes: 192 << 20,
            connections: 512,
            head_timeout: Duration::from_secs(15),
            idle_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(60),
            stop_within: Duration::from_millis(600),
            retry_every: Duration::from_secs(5),
        }
    }
}

/// How a collector is set up.
#[derive(Clone)]
pub struct CollectorConfig {
    /// Doors to open, each on all of its addresses. A door without addresses is closed.
    pub doors: Vec<(Door, Vec<SocketAddr>)>,
    /// Web origins that may send, beside local ones: `https://app.test`.
    pub allow_origins: Vec<String>,
    /// Host names that clients may call this machine by, beside local ones.
    pub allow_hosts: Vec<String>,
    /// What clients that come by an address beyond this machine must send as `Authorization: Bearer`. Without a token they
    /// are all refused.
    pub token: Option<String>,
    /// Addresses that need no token beside loopback: those of container bridges.
    pub near: Vec<IpAddr>,
    /// Keys whose values are masked; [`crate::wire::redact`] says how they are written.
    pub redact: Vec<String>,
    /// How names of OTLP metrics are written.
    pub escaping: Escaping,
    /// Explicit-bucket histograms of OTLP become native ones with custom buckets.
    pub custom_buckets: bool,
    /// Bounds.
    pub limits: Limits,
    /// What time it is.
    pub clock: Clock,
    /// Records each request as a span.
    pub tracer: Option<Tracer>,
}

impl Default for CollectorConfig {
    fn default() -> Self {
        Self {
            doors: Vec::new(),
            allow_origins: Vec::new(),
            allow_hosts: Vec::new(),
            token: None,
            near: Vec::new(),
            redact: STANDARD.map(str::to_owned).to_vec(),
            escaping: Escaping::default(),
            custom_buckets: false,
            limits: Limits::default(),
            clock: Arc::new(|| {
                let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
                UnixNanos(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
            }),
            tracer: None,
        }
    }
}

/// Answers requests at a door whose paths are not the collector's own (the API). The gate has let them in.
pub trait Handler: Send + Sync {
    /// Reads the request and answers it whole.
    fn answer(&self, request: Request<Incoming>) -> Pin<Box<dyn Future<Output = Response<Bytes>> + Send>>;
}

/// What every request needs.
struct Shared {
    handlers: RwLock<Vec<(Door, Arc<dyn Handler>)>>,
    sink: Arc<dyn Sink>,
    clock: Clock,
    tracer: Option<Tracer>,
    limits: Limits,
    redaction: RwLock<Arc<Redaction>>,
    metric_options: MetricOptions<'static>,
    totals: Totals,
    origins: RwLock<Vec<String>>,
    hosts: Vec<String>,
    token: Option<String>,
    near: RwLock<Vec<IpAddr>>,
    callers: Callers,
    counters: Counters,
    /// Kibibytes of pending requests.
    budget: Arc<Semaphore>,
    connections: Arc<Semaphore>,
}

/// Open doors. Dropping it closes them without waiting; [`Collector::stop`] waits.
pub struct Collector {
    shared: Arc<Shared>,
    doors: Mutex<Vec<OpenDoor>>,
    runtime: tokio::runtime::Handle,
}

/// Opens the doors; each address has been tried once when this answers. Busy ones are tried again in the background.
pub async fn start(config: CollectorConfig, sink: Arc<dyn Sink>, registry: Registry) -> Collector {
    let CollectorConfig {
        doors,
        allow_origins,
        allow_hosts,
        token,
        near,
        redact,
        escaping,
        custom_buckets,
        limits,
        clock,
        tracer,
    } = config;
    let shared = Arc::new(Shared {
        handlers: RwLock::default(),
        sink,
        clock,
        tracer,
        redaction: RwLock::new(Arc::new(Redaction::new(redact))),
        metric_options: MetricOptions { redaction: None, escaping, custom_buckets },
        totals: Totals::default(),
        origins: RwLock::new(allow_origins.iter().map(|origin| gate::normal_origin(origin)).collect()),
        hosts: allow_hosts.iter().map(|host| host.to_lowercase()).collect(),
        token,
        near: RwLock::new(near),
        callers: Callers::default(),
        counters: Counters::new(&registry),
        budget: Arc::new(Semaphore::new(limits.pending_bytes >> 10)),
        connections: Arc::new(Semaphore::new(limits.connections)),
        limits,
    });
    let mut open = Vec::new();
    for (door, addresses) in doors {
        let door = OpenDoor::start(shared.clone(), door, addresses, None);
        door.tried().await;
        open.push(door);
    }
    Collector { shared, doors: Mutex::new(open), runtime: tokio::runtime::Handle::current() }
}

impl Shared {
    /// True for addresses of this machine that only this machine and its containers reach.
    fn is_near(&self, local: IpAddr) -> bool {
        let local = local.to_canonical();
        local.is_loopback() || self.near.read().unwrap_or_else(PoisonError::into_inner).contains(&local)
    }

    fn handler(&self, door: Door) -> Option<Arc<dyn Handler>> {
        let handlers = self.handlers.read().unwrap_or_else(PoisonError::into_inner);
        handlers.iter().find(|(known, _)| *known == door).map(|(_, handler)| handler.clone())
    }
}

impl Collector {
    /// Opens a door that `handler` answers at; each address has been tried once when this answers.
    pub async fn open(&self, door: Door, addresses: Vec<SocketAddr>, handler: Arc<dyn Handler>) {
        self.shared.handlers.write().unwrap_or_else(PoisonError::into_inner).push((door, handler));
        let open = OpenDoor::start(self.shared.clone(), door, addresses, None);
        open.tried().await;
        self.doors.lock().unwrap_or_else(PoisonError::into_inner).push(open);
    }

    /// State of every door that was asked for, in the order of [`Door`].
    pub fn doors(&self) -> Vec<DoorStatus> {
        let doors = self.doors.lock().unwrap_or_else(PoisonError::into_inner);
        let mut list: Vec<DoorStatus> = doors
            .iter()
            .map(|open| {
                let (received, rejected) = self.shared.counters.door(open.door);
                DoorStatus { door: open.door, state: open.state(), received, rejected }
            })
            .collect();
        list.sort_by_key(|status| status.door);
        list
    }

    /// Clients that came in a way that cannot work, latest first.
    pub fn wrong_callers(&self) -> Vec<WrongCaller> {
        self.shared.callers.list()
    }

    /// Opens a door on these addresses instead of those it has, or closes it when there are none. Connections that are
    /// open end after what they do. The state follows in [`Collector::doors`].
    pub fn reopen(&self, door: Door, addresses: Vec<SocketAddr>) {
        let _inside = self.runtime.enter();
        let mut doors = self.doors.lock().unwrap_or_else(PoisonError::into_inner);
        let before = doors.iter().position(|open| open.door == door).map(|at| doors.remove(at));
        doors.push(OpenDoor::start(self.shared.clone(), door, addresses, before));
    }

    /// Clients that come by these addresses need no token from now on.
    pub fn trust(&self, near: impl IntoIterator<Item = IpAddr>) {
        self.shared.near.write().unwrap_or_else(PoisonError::into_inner).extend(near);
    }

    /// Lets pages of a web origin send from now on.
    pub fn allow_origin(&self, origin: &str) {
        let origin = gate::normal_origin(origin);
        let mut origins = self.shared.origins.write().unwrap_or_else(PoisonError::into_inner);
        if !origins.contains(&origin) {
            origins.push(origin.clone());
        }
        self.shared.callers.forget_origin(&origin);
    }

    /// Masks the values of these keys from now on.
    pub fn redact<T: AsRef<str>>(&self, keys: impl IntoIterator<Item = T>) {
        let redaction = Arc::new(Redaction::new(keys));
        *self.shared.redaction.write().unwrap_or_else(PoisonError::into_inner) = redaction;
    }

    /// Closes every door: no new connections, requests that were read are stored and answered, then all ends. Takes at
    /// most [`Limits::stop_within`] and a little.
    pub async fn stop(&self) {
        let doors = std::mem::take(&mut *self.doors.lock().unwrap_or_else(PoisonError::into_inner));
        for door in &doors {
            door.close();
        }
        for door in doors {
            door.ended().await;
        }
    }
}
