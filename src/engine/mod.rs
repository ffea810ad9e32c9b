//! Composition root: owns the sources, the doors, the reader threads and the background tasks, and answers the window,
//! the API and the command line.
//!
//! [`Engine`] is the one handle that floors above hold. It is cheap to clone, never blocks its caller on I/O except where
//! a method says so, and wakes the window through a [`Waker`] at most once per [`WAKE_EVERY`].

pub mod alerts;
pub mod client;
mod containers;
pub mod contrast;
mod demo;
mod doors;
mod error;
mod files;
mod host;
pub mod insight;
mod keep;
mod live;
mod metrics;
mod notify;
mod options;
mod own;
mod pulse;
mod query;
mod remember;
pub mod rules;
mod served;
mod settings;
mod stored_predicate;
mod test_span;
#[cfg(test)]
mod tests;
mod unfinished;
mod wake;
mod window;
mod workspaces;

pub use crate::collector::scrape::{DroppedTarget, Health, TargetStatus, Targets};
pub use doors::{DoorState, DoorStatus, WrongCaller};
pub use error::EngineError;
pub use files::now;
pub use options::{EngineOptions, Place, default_workspace, is_loopback, served_at};
pub use own::{OWN_SERVICE, own_folder};
pub use query::{Query, Readers};
pub use settings::{HiddenRule, RecentFile};
pub use unfinished::give_up;
pub use window::{WindowAnswer, WindowRequest};

use self::live::Live;
use self::settings::{MemorySettings, Settings};
use self::wake::WakeUp;
use self::window::WindowRequests;
use crate::model::UnixNanos;
use crate::source::{QueryControl, SeriesSource, SourceError, SpanSource};
use crate::telemetry::Registry;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::Waker;
use std::time::Duration;

/// Live data wakes the window at most this often.
pub const WAKE_EVERY: Duration = Duration::from_millis(100);

/// Questions that are worked on at once.
const READERS: usize = 3;

/// Names one source among those that are open.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct SourceId(pub u32);

/// The workspace that the program serves.
pub const WORKSPACE: SourceId = SourceId(0);

/// A source that the window can read.
#[derive(Clone)]
pub struct OpenSource {
    /// Its id.
    pub id: SourceId,
    /// What to read from.
    pub spans: Arc<dyn SpanSource>,
    /// The file it came from; `None` for the workspace and for pasted text.
    pub path: Option<PathBuf>,
    /// What opening it found.
    pub report: Option<OpenReport>,
}

/// What reading a file gave: the counts of `belvedere import --json` and what could not be read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OpenReport {
    /// Name of the detected format, `otlp-json`, `jaeger`, `zipkin-v2` and so on.
    pub format: String,
    /// Spans read.
    pub spans: u64,
    /// Traces among them.
    pub traces: u64,
    /// Log records read.
    pub logs: u64,
    /// Metric samples read.
    pub samples: u64,
    /// Records refused.
    pub rejected: u64,
    /// The first reasons, each with its place.
    pub problems: Vec<String>,
}

/// Received, stored and lost, of one door, service and signal. `received` is the sum of the others.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Account {
    /// Door name.
    pub door: String,
    /// Service name.
    pub service: String,
    /// `traces`, `metrics` or `logs`.
    pub signal: String,
    /// Arrived.
    pub received: u64,
    /// In the store now.
    pub stored: u64,
    /// Client retries that were already stored.
    pub duplicate: u64,
    /// Refused for good.
    pub rejected: u64,
    /// Dropped by retention or by Clear.
    pub evicted: u64,
    /// Dropped by a sampling decision.
    pub sampled_out: u64,
}

/// Figures of the status bar.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pulse {
    /// Spans a second over the last seconds.
    pub spans_per_s: f64,
    /// Samples a second.
    pub samples_per_s: f64,
    /// Log records a second.
    pub logs_per_s: f64,
    /// Spans a second, sixteen recent values, oldest first.
    pub spark: Vec<f32>,
    /// Rejected and lost since start.
    pub dropped: u64,
    /// Size of the workspace files in bytes.
    pub disk_bytes: u64,
    /// Size at which retention starts to drop, in bytes.
    pub disk_limit: u64,
    /// When the program started.
    pub started: UnixNanos,
    /// Spans, metric points and log records received since start, and services seen.
    pub received: [u64; 4],
    /// Why writing is stopped (a full disk, say); `None` when all is well.
    pub write_problem: Option<String>,
}

/// What [`Engine::clear`] drops.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClearWhat {
    /// Everything in the workspace.
    All,
    /// Every span of one service.
    Service(String),
}

/// Names one [`Engine::clear`] for [`Engine::undo_clear`], as long as the program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClearId(pub u64);

/// The workspace that the doors fill.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkspacePlace {
    /// For people: the folder's name, or `temporary`.
    pub name: String,
    /// The folder.
    pub dir: PathBuf,
    /// True when the folder goes away with the program (`:memory:`).
    pub temporary: bool,
}

/// The handle. See the module comment.
#[derive(Clone)]
pub struct Engine(Arc<Inner>);

/// A handle that does not keep the engine alive.
#[derive(Clone)]
pub struct WeakEngine(Weak<Inner>);

impl WeakEngine {
    /// The engine, while it lives.
    pub fn upgrade(&self) -> Option<Engine> {
        self.0.upgrade().map(Engine)
    }
}

struct Inner {
    readers: Readers,
    sources: Mutex<Vec<OpenSource>>,
    next_source: AtomicU32,
    settings: Settings,
    wake: WakeUp,
    window: WindowRequests,
    registry: Registry,
    next_clear: AtomicU64,
    stopping: AtomicBool,
    demo: demo::Demo,
    live: Option<Live>,
    /// Series without a workspace.
    series: Option<Arc<dyn SeriesSource>>,
}

impl Engine {
    /// An engine over sources that are already there, without workspace and doors: tests and opened files alone.
    pub fn over(sources: Vec<OpenSource>) -> Self {
        let settings = Settings(Arc::new(MemorySettings::default()));
        Self::assemble(sources, settings, WakeUp::start(), Registry::default(), None)
    }

    /// As [`Engine::over`], with series to answer queries over metrics from.
    pub fn over_series(sources: Vec<OpenSource>, series: Arc<dyn SeriesSource>) -> Self {
        let mut engine = Self::over(sources);
        if let Some(inner) = Arc::get_mut(&mut engine.0) {
            inner.series = Some(series);
        }
        engine
    }

    fn assemble(sources: Vec<OpenSource>, settings: Settings, wake: WakeUp, registry: Registry, live: Option<Live>) -> Self {
        let next = sources.iter().map(|source| source.id.0 + 1).max().unwrap_or(0).max(WORKSPACE.0 + 1);
        Self(Arc::new(Inner {
            readers: Readers::traced(READERS, live.as_ref().and_then(Live::own_tracer)),
            sources: Mutex::new(sources),
            next_source: AtomicU32::new(next),
            settings,
            wake,
            window: WindowRequests::default(),
            registry,
            next_clear: AtomicU64::new(1),
            stopping: AtomicBool::new(false),
            demo: demo::Demo::default(),
            live,
            series: None,
        }))
    }

    /// A handle for tasks that must not keep the engine alive.
    pub fn downgrade(&self) -> WeakEngine {
        WeakEngine(Arc::downgrade(&self.0))
    }

    fn live(&self, purpose: &'static str) -> Result<&Live, EngineError> {
        self.0.live.as_ref().ok_or(EngineError::NoWorkspace(purpose))
    }

    /// Sources that are open, the workspace first.
    pub fn sources(&self) -> Vec<OpenSource> {
        self.0.sources.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// One source.
    pub fn source(&self, id: SourceId) -> Option<OpenSource> {
        self.0.sources.lock().unwrap_or_else(PoisonError::into_inner).iter().find(|source| source.id == id).cloned()
    }

    /// Runs a question on a reader thread; the answer is polled from the [`Query`]. Wakes the window when it is there.
    pub fn ask<T: Send + Sync + 'static>(
        &self,
        question: impl FnOnce(&QueryControl) -> Result<T, SourceError> + Send + 'static,
    ) -> Query<T> {
        self.0.readers.ask(self.0.wake.waker(), question)
    }

    /// Runs a question on a reader thread and waits for the answer without blocking. Dropping the future cancels it.
    pub async fn answer<T: Send + 'static>(
        &self,
        question: impl FnOnce(&QueryControl) -> Result<T, SourceError> + Send + 'static,
    ) -> Result<T, SourceError> {
        self.0.readers.answer(question).await
    }

    /// Who is to be woken when there is something new to show.
    pub fn set_waker(&self, waker: Waker) {
        self.0.wake.set(waker);
    }

    /// Wakes the window without waiting for new data, from any thread.
    pub fn wake(&self) {
        self.0.wake.poke();
    }

    /// What the program counts of itself.
    pub fn registry(&self) -> &Registry {
        &self.0.registry
    }
}
