//! What runs while doors are open or a workspace is written: the runtime, the served workspace, the collector, and the
//! task that measures rates. Started and stopped in one place.

use super::alerts::AlertDesk;
use super::keep::Chores;
use super::notify::Post;
use super::options::{EngineOptions, Place};
use super::own::OwnTraces;
use super::pulse::{PulseMeter, SAMPLE_EVERY, Totals};
use super::rules::RuleDesk;
use super::served::Served;
use super::settings::Settings;
use super::wake::WakeUp;
use super::{Account, DoorState, Engine, EngineError, OpenSource, Pulse, SourceId, WORKSPACE, WeakEngine};
use crate::collector::scrape::Scraper;
use crate::collector::{self, Collector, CollectorConfig};
use crate::model::{Door, Signal, TraceId, UnixNanos};
use crate::store::{self, StoreError, Workspace};
use crate::telemetry::Registry;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::runtime::{Handle, Runtime};
use tokio::sync::watch;

/// Sockets and timers run on this many threads.
const RUNTIME_WORKERS: usize = 2;
/// The doors get this long to finish what they have begun when the program stops; storing and sealing get the rest of two
/// seconds.
const DOORS_STOP_WITHIN: Duration = Duration::from_millis(700);

/// See the module comment.
pub(super) struct Live {
    runtime: Mutex<Option<Runtime>>,
    pub(super) handle: Handle,
    pub(super) served: Served,
    pub(super) alerts: AlertDesk,
    /// Notifications on their way.
    pub(super) post: Post,
    pub(super) rules: RuleDesk,
    /// Workspaces that are open beside the served one.
    pub(super) beside: Mutex<HashMap<SourceId, Workspace>>,
    pub(super) collector: Collector,
    pub(super) options: EngineOptions,
    /// What clients from other machines must show, and whether it was made just now.
    pub(super) token: Option<(String, bool)>,
    pub(super) changes: watch::Sender<u64>,
    pub(super) chores: Chores,
    /// What the program records of itself; `None` without doors.
    pub(super) own: Option<OwnTraces>,
    /// Asks targets for their metrics; `None` without a configuration.
    pub(super) scraper: Option<Scraper>,
    pulse: Mutex<Pulse>,
    /// What the lock file of which workspace says.
    published: Mutex<Option<(PathBuf, SocketAddr)>>,
}

impl Live {
    pub(super) fn start(options: EngineOptions, registry: &Registry, wake: &WakeUp) -> Result<Self, EngineError> {
        let workspace = open_workspace(&options.place, &options)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(RUNTIME_WORKERS)
            .thread_name("belvedere-io")
            .enable_all()
            .build()
            .map_err(|error| EngineError::System { what: "starting the runtime", reason: error.to_string() })?;
        let served = Served::new(workspace.clone());
        let alerts = AlertDesk::open(served.clone(), super::now())?;
        let post = Post::open(&workspace).map_err(|error| EngineError::Workspace(error.to_string()))?;
        let rules = RuleDesk::open(served.clone(), super::now());
        let changes = watch::Sender::new(workspace.revision());
        let settings = Settings(Arc::new(served.clone()));
        let token = if options.allow_remote { Some(settings.remote_token(random_token)?) } else { None };
        let own = (!options.doors.is_empty()).then(|| OwnTraces::start(workspace.dir()));
        let config = CollectorConfig {
            tracer: own.as_ref().map(OwnTraces::tracer),
            doors: options.collector_doors(),
            allow_origins: settings.texts(super::settings::ORIGINS),
            token: token.as_ref().map(|(token, _)| token.clone()),
            near: if options.containers { super::containers::bridge_addresses() } else { Vec::new() },
            redact: settings.masked_keys(),
            ..CollectorConfig::default()
        };
        let collector = runtime.block_on(collector::start(config, Arc::new(served.clone()), registry.clone()));
        let its_wake = wake.clone();
        let chores = Chores::start(runtime.handle(), move || its_wake.poke());
        let mut live = Self {
            handle: runtime.handle().clone(),
            runtime: Mutex::new(Some(runtime)),
            served,
            alerts,
            post,
            rules,
            beside: Mutex::default(),
            collector,
            options,
            token,
            changes,
            chores,
            own,
            scraper: None,
            pulse: Mutex::new(Pulse { started: super::now(), ..Pulse::default() }),
            published: Mutex::default(),
        };
        live.scraper = super::metrics::start_scraper(&live, &settings)?;
        live.apply_retention(&workspace);
        live.watch(&workspace, wake);
        Ok(live)
    }

    /// Records what the program does, where it traces itself.
    pub(super) fn own_tracer(&self) -> Option<crate::tracer::Tracer> {
        self.own.as_ref().map(OwnTraces::tracer)
    }

    /// Passes changes of a workspace on to whoever waits for them.
    pub(super) fn watch(&self, workspace: &Workspace, wake: &WakeUp) {
        let (changes, wake) = (self.changes.clone(), wake.clone());
        workspace.on_change(Arc::new(move || {
            changes.send_modify(|count| *count = count.wrapping_add(1));
            wake.poke();
        }));
    }

    /// Writes into the lock file where the API listens, when that has changed. IPv4 wins over IPv6.
    pub(super) fn publish(&self) {
        let api = self.collector.doors().into_iter().find(|status| status.door == Door::Api);
        let Some(DoorState::Open(addresses)) = api.map(|status| status.state) else { return };
        let Some(address) = addresses.iter().find(|address| address.is_ipv4()).or(addresses.first()) else { return };
        let workspace = self.served.now();
        let told = (workspace.dir().to_owned(), *address);
        let mut published = self.published.lock().unwrap_or_else(PoisonError::into_inner);
        if published.as_ref() == Some(&told) {
            return;
        }
        match workspace.publish_api(*address) {
            Ok(()) => *published = Some(told),
            Err(error) => tracing::warn!(%error, "other commands will not find this process"),
        }
    }

    pub(super) fn pulse(&self) -> Pulse {
        self.pulse.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Doors first, so that nothing new is acknowledged, then the workspaces. Who calls it second waits for the first.
    pub(super) fn stop(&self) {
        let mut running = self.runtime.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(runtime) = running.take() else { return };
        let stop = async {
            self.collector.stop().await;
            if let Some(scraper) = &self.scraper {
                scraper.stop().await;
            }
        };
        runtime.block_on(async { tokio::time::timeout(DOORS_STOP_WITHIN, stop).await }).ok();
        if let Some(own) = &self.own {
            own.stop();
        }
        for (_, workspace) in self.beside.lock().unwrap_or_else(PoisonError::into_inner).drain() {
            workspace.close();
        }
        let served = self.served.now();
        served.close();
        if self.options.place == Place::Memory {
            // The last handle would do it too, but a connection that still ends may hold it beyond the program.
            std::fs::remove_dir_all(served.dir()).ok();
        }
        runtime.shutdown_background();
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        // A runtime must not be dropped where its own tasks run, and the last handle may be held by one of them.
        if let Some(runtime) = self.runtime.get_mut().unwrap_or_else(PoisonError::into_inner).take() {
            runtime.shutdown_background();
        }
    }
}

/// Opens the workspace of a place.
pub(super) fn open_workspace(place: &Place, options: &EngineOptions) -> Result<Workspace, EngineError> {
    let defaults = store::Options::default();
    let wanted = store::Options {
        disk_limit: options.disk_limit.unwrap_or(defaults.disk_limit),
        max_age: options.max_age.unwrap_or(defaults.max_age),
        ..defaults
    };
    let opened = match place {
        Place::Folder(dir) => Workspace::open(dir, wanted),
        Place::Memory => Workspace::in_memory(wanted),
    };
    opened.map_err(|error| match error {
        StoreError::Locked { pid, api, dir } => EngineError::Held { pid, api, dir },
        other => EngineError::Workspace(other.to_string()),
    })
}

/// 128 bits from the operating system, in hexadecimal.
fn random_token() -> Result<String, EngineError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| EngineError::System { what: "making a token", reason: error.to_string() })?;
    Ok(TraceId(bytes).to_string())
}

/// The source under which the window finds a workspace.
pub(super) fn source_of(id: SourceId, workspace: &Workspace) -> OpenSource {
    let path: Option<PathBuf> = (id != WORKSPACE).then(|| workspace.dir().to_owned());
    OpenSource { id, spans: workspace.spans(), path, report: None }
}

pub(super) fn accounts(workspace: &Workspace) -> Vec<Account> {
    let account = |row: store::AccountRow| Account {
        door: row.door.name().to_owned(),
        service: row.service.to_string(),
        signal: row.signal.name().to_owned(),
        received: row.received,
        stored: row.stored,
        duplicate: row.duplicate,
        rejected: row.rejected,
        evicted: row.evicted,
        sampled_out: row.sampled_out,
    };
    workspace.accounts().into_iter().map(account).collect()
}

/// Received by signal, rejected, and services, over everything the workspace has seen.
fn totals(workspace: &Workspace) -> (Totals, u64, u64) {
    let mut received = Totals::default();
    let (mut rejected, mut services) = (0, std::collections::BTreeSet::new());
    for row in workspace.accounts() {
        let at = Signal::ALL.iter().position(|signal| *signal == row.signal).unwrap_or(0);
        received[at] += row.received;
        rejected += row.rejected;
        services.insert(row.service);
    }
    (received, rejected, services.len() as u64)
}

/// Measures once a second for as long as the engine lives.
async fn measure(engine: WeakEngine) {
    let (started, mut meter) = (Instant::now(), PulseMeter::default());
    let mut counted: Option<(PathBuf, Totals, u64)> = None;
    let mut ticks = tokio::time::interval(SAMPLE_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(engine) = engine.upgrade() else { return };
        let Some(live) = &engine.0.live else { return };
        live.publish();
        let workspace = live.served.now();
        let (now, rejected, services) = totals(&workspace);
        if counted.as_ref().is_none_or(|(dir, ..)| dir != workspace.dir()) {
            // A workspace counts from its own past; this program's figures start with it.
            counted = Some((workspace.dir().to_owned(), now, rejected));
            meter = PulseMeter::default();
        }
        let Some((_, base, base_rejected)) = &counted else { continue };
        meter.sample(started.elapsed(), now);
        let usage = workspace.usage();
        let [spans_per_s, samples_per_s, logs_per_s] = meter.rates();
        let since = |signal: usize| now[signal].saturating_sub(base[signal]);
        let mut shown = live.pulse.lock().unwrap_or_else(PoisonError::into_inner);
        let next = Pulse {
            spans_per_s,
            samples_per_s,
            logs_per_s,
            spark: meter.spark(),
            dropped: rejected.saturating_sub(*base_rejected),
            disk_bytes: usage.disk_bytes,
            disk_limit: usage.disk_limit,
            started: shown.started,
            received: [since(0), since(1), since(2), services],
            write_problem: usage.write_problem,
        };
        if *shown != next {
            *shown = next;
            engine.0.wake.poke();
        }
    }
}

impl Engine {
    /// Opens the workspace and every door of `options` but the API's, which `api::start` opens.
    pub fn start(options: EngineOptions) -> Result<Self, EngineError> {
        let (registry, wake) = (Registry::default(), WakeUp::start());
        let live = Live::start(options, &registry, &wake)?;
        let settings = Settings(Arc::new(live.served.clone()));
        let sources = vec![source_of(WORKSPACE, &live.served.now())];
        let handle = live.handle.clone();
        let engine = Self::assemble(sources, settings, wake, registry, Some(live));
        handle.spawn(measure(engine.downgrade()));
        handle.spawn(super::alerts::flush_when_due(engine.downgrade()));
        handle.spawn(super::notify::deliver_when_due(engine.downgrade()));
        handle.spawn(super::metrics::look(engine.downgrade()));
        handle.spawn(super::rules::evaluate_when_due(engine.downgrade()));
        Ok(engine)
    }

    /// Ends everything: doors first, then what is queued is stored and sealed. At most two seconds. Not from a task of the
    /// engine's own runtime.
    pub fn stop(&self) {
        self.stop_demo();
        if let Some(live) = &self.0.live {
            live.stop();
        }
    }

    /// Asks whoever owns the main thread to end: the window closes when it sees [`Engine::is_stopping`].
    pub fn request_stop(&self) {
        self.0.stopping.store(true, Ordering::Release);
        self.0.wake.poke();
    }

    /// True once the program was asked to end. The window looks at it once a frame.
    pub fn is_stopping(&self) -> bool {
        self.0.stopping.load(Ordering::Acquire)
    }

    /// Figures of the status bar, measured once a second.
    pub fn pulse(&self) -> Pulse {
        self.0.live.as_ref().map(Live::pulse).unwrap_or_default()
    }

    /// Received, stored and lost, by door, service and signal.
    pub fn accounts(&self) -> Vec<Account> {
        self.0.live.as_ref().map(|live| accounts(&live.served.now())).unwrap_or_default()
    }

    /// Counts up whenever the workspace changed.
    pub fn changes(&self) -> watch::Receiver<u64> {
        match &self.0.live {
            Some(live) => live.changes.subscribe(),
            None => watch::Sender::new(0).subscribe(),
        }
    }

    /// Runs a future of the engine's sockets and timers, from a thread outside the runtime.
    pub fn block_on<T>(&self, future: impl Future<Output = T>) -> Result<T, EngineError> {
        let live = self.0.live.as_ref().ok_or(EngineError::NoWorkspace("serve"))?;
        Ok(live.handle.block_on(future))
    }

    /// When the program started.
    pub fn started(&self) -> UnixNanos {
        self.pulse().started
    }
}
