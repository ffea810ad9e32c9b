//! The shop as a whole: its services on loopback, their visitors, and the reports that leave it.

use super::background::consume;
use super::cast::{CAST, Name, Service, now};
use super::{DemoError, http, load};
use crate::context::Baggage;
use crate::model::{LogRecord, Signal};
use crate::tracer::{Protocol, RetryPolicy, Sender, SignalPath};
use crate::wire::otlp::{encode_logs, json::to_protobuf};
use bytes::Bytes;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::mpsc::{self, Receiver};
use tokio::sync::{Semaphore, watch};

/// Messages that wait between checkout and email.
const QUEUE: usize = 1024;
/// Between two reports of logs.
const REPORT_EVERY: Duration = Duration::from_secs(1);
/// Metrics leave with every fifth report.
const METRICS_EVERY: u64 = 5;
/// Longest wait for a collector to take a report.
const SEND_TIMEOUT: Duration = Duration::from_secs(4);
/// What a stop may take: visits under way, and then what is left to send.
const STOP_VISITS: Duration = Duration::from_millis(600);
const STOP_FLUSH: Duration = Duration::from_millis(1200);

/// A message on its way from checkout to email.
pub(super) struct Message {
    pub(super) headers: Vec<(String, String)>,
    pub(super) key: String,
    pub(super) body: String,
    pub(super) partition: u64,
    pub(super) baggage: Baggage,
    pub(super) weather: super::weather::Weather,
}

/// What all parts of the shop share.
pub(super) struct World {
    services: Vec<Arc<Service>>,
    addresses: Vec<SocketAddr>,
    pub(super) queue: mpsc::Sender<Message>,
    pub(super) depth: AtomicI64,
    pub(super) visitors: Arc<Semaphore>,
    pub(super) tally: Counts,
}

impl World {
    pub(super) fn service(&self, name: Name) -> &Arc<Service> {
        &self.services[name as usize]
    }

    pub(super) fn address(&self, name: Name) -> SocketAddr {
        self.addresses[name as usize]
    }
}

/// What has happened in the shop.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Tally {
    /// Page visits that ended.
    pub visits: u64,
    /// Visits that ended with an error page.
    pub failed: u64,
    /// Orders placed.
    pub orders: u64,
    /// Why telemetry does not arrive, if it does not.
    pub problem: Option<String>,
    /// What the story tells now.
    pub chapter: Option<&'static str>,
}

#[derive(Default)]
pub(super) struct Counts {
    visits: AtomicU64,
    failed: AtomicU64,
    orders: AtomicU64,
    problem: Mutex<Option<String>>,
    chapter: Mutex<Option<&'static str>>,
}

impl Counts {
    pub(super) fn visit(&self, failed: bool) {
        self.visits.fetch_add(1, Ordering::Relaxed);
        self.failed.fetch_add(u64::from(failed), Ordering::Relaxed);
    }

    pub(super) fn order(&self) {
        self.orders.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn tell(&self, text: &'static str) {
        *self.chapter.lock().unwrap_or_else(PoisonError::into_inner) = Some(text);
    }

    fn problem(&self, problem: Option<String>) {
        *self.problem.lock().unwrap_or_else(PoisonError::into_inner) = problem;
    }
}

/// How to run a shop.
#[derive(Clone, PartialEq, Debug)]
pub struct ShopConfig {
    /// Base address of the collector, OTLP over HTTP.
    pub endpoint: String,
    /// What ids, paths through the shop and failures follow from.
    pub seed: u64,
    /// Page visits a second, from 0.01 to 1000.
    pub rate: f64,
    /// Whether the weather follows the story.
    pub story: bool,
}

/// A running shop, on threads of its own. Dropping it stops it without waiting.
pub struct Shop {
    runtime: Option<Runtime>,
    world: Arc<World>,
    sender: Sender,
    stop: watch::Sender<bool>,
}

impl Shop {
    /// Opens the shop: services on loopback at free ports, visitors at `rate` a second, telemetry to `endpoint`.
    pub fn start(endpoint: &str, seed: u64, rate: f64) -> Result<Self, DemoError> {
        Self::open(&ShopConfig { endpoint: endpoint.to_owned(), seed, rate, story: false })
    }

    /// Opens the shop as configured.
    pub fn open(config: &ShopConfig) -> Result<Self, DemoError> {
        if !(0.01..=1000.0).contains(&config.rate) {
            return Err(DemoError::Rate(config.rate));
        }
        let retry = RetryPolicy { attempts: 2, ..RetryPolicy::default() };
        let sender = Sender::new(&config.endpoint, Protocol::HttpProtobuf, SEND_TIMEOUT, retry)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("demo-shop")
            .enable_all()
            .build()
            .map_err(DemoError::Runtime)?;
        let mut listeners = Vec::new();
        for _ in &CAST {
            let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(DemoError::Listen)?;
            listener.set_nonblocking(true).map_err(DemoError::Listen)?;
            listeners.push(listener);
        }
        let addresses = listeners.iter().map(|l| l.local_addr()).collect::<Result<_, _>>().map_err(DemoError::Listen)?;
        let (queue, waiting) = mpsc::channel(QUEUE);
        let service = |profile| Arc::new(Service::new(profile, config.seed, sender.clone(), runtime.handle()));
        let world = Arc::new(World {
            services: CAST.iter().map(service).collect(),
            addresses,
            queue,
            depth: AtomicI64::new(0),
            visitors: Arc::new(Semaphore::new(load::MAX_VISITS)),
            tally: Counts::default(),
        });
        let (stop, stopped) = watch::channel(false);
        let shop = Self { runtime: Some(runtime), world, sender, stop };
        shop.spawn(config, listeners, waiting, stopped)?;
        Ok(shop)
    }

    fn spawn(
        &self,
        config: &ShopConfig,
        listeners: Vec<std::net::TcpListener>,
        waiting: Receiver<Message>,
        stopped: watch::Receiver<bool>,
    ) -> Result<(), DemoError> {
        let Some(runtime) = &self.runtime else { return Ok(()) };
        let _inside = runtime.enter();
        for (profile, listener) in CAST.iter().zip(listeners) {
            let listener = TcpListener::from_std(listener).map_err(DemoError::Listen)?;
            // The browser calls and is not called; its listener would only take a port.
            if profile.name != Name::Web {
                runtime.spawn(http::serve(self.world.clone(), profile.name, listener));
            }
        }
        runtime.spawn(consume(self.world.clone(), waiting));
        let (world, sender, mut until) = (self.world.clone(), self.sender.clone(), stopped.clone());
        runtime.spawn(async move {
            for round in 1_u64.. {
                tokio::select! {
                    () = tokio::time::sleep(REPORT_EVERY) => {}
                    _ = until.wait_for(|stop| *stop) => return,
                }
                report(&world, &sender, round % METRICS_EVERY == 1, SEND_TIMEOUT).await;
            }
        });
        runtime.spawn(load::run(self.world.clone(), config.seed, config.rate, config.story, stopped));
        Ok(())
    }

    /// What has happened so far.
    pub fn tally(&self) -> Tally {
        let counts = &self.world.tally;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Tally {
            visits: read(&counts.visits),
            failed: read(&counts.failed),
            orders: read(&counts.orders),
            problem: counts.problem.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            chapter: *counts.chapter.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }

    /// Closes the shop: no new visits, the rest of the telemetry sent, within two seconds. Tells what happened.
    pub fn stop(mut self) -> Tally {
        if let Some(closing) = self.close() {
            let _ = closing.join();
        }
        self.tally()
    }

    /// Runs `wait` on the shop's threads, for the command line's signals.
    pub(super) fn block_on<T>(&self, wait: impl Future<Output = T>) -> Option<T> {
        self.runtime.as_ref().map(|runtime| runtime.block_on(wait))
    }

    /// Closing happens on a thread of its own, because a caller may be on a runtime, which must not be blocked.
    fn close(&mut self) -> Option<std::thread::JoinHandle<()>> {
        let runtime = self.runtime.take()?;
        self.stop.send_replace(true);
        let (world, sender) = (self.world.clone(), self.sender.clone());
        let closing = move || {
            let deadline = Instant::now() + STOP_VISITS;
            while world.visitors.available_permits() < load::MAX_VISITS && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(10));
            }
            let deadline = Instant::now() + STOP_FLUSH;
            for service in &world.services {
                let _ = service.provider.shutdown(deadline.saturating_duration_since(Instant::now()));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            runtime.block_on(async { tokio::time::timeout(left, report(&world, &sender, true, left)).await.ok() });
            runtime.shutdown_background();
        };
        std::thread::Builder::new().name("demo-shop-close".into()).spawn(closing).ok()
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        self.close();
    }
}

/// Sends the logs of all services, and their metrics when asked to.
async fn report(world: &World, sender: &Sender, metrics: bool, timeout: Duration) {
    let logs: Vec<LogRecord> = world.services.iter().flat_map(|service| service.take_logs()).collect();
    let mut outcome = Ok(());
    if !logs.is_empty() {
        outcome = sender.send(SignalPath::Logs, Bytes::from(encode_logs(&logs)), timeout).await;
    }
    if metrics && outcome.is_ok() {
        world.service(Name::Email).meter.queue_depth(world.depth.load(Ordering::Relaxed));
        let at = now();
        let collected: Vec<_> = world.services.iter().filter_map(|service| service.meter.collect(at)).collect();
        let text = serde_json::json!({ "resourceMetrics": collected }).to_string();
        if let Ok(converted) = to_protobuf(Signal::Metrics, text.as_bytes()) {
            outcome = sender.send(SignalPath::Metrics, Bytes::from(converted.payload), timeout).await;
        }
    }
    world.tally.problem(outcome.err().map(|error| error.to_string()));
}
