//! What the writer, the keeper and the readers of one workspace share.

use super::Options;
use super::accounts::{Changes, Ledger};
use super::error::StoreError;
use super::head::{Head, View};
use super::metrics::Metrics;
use super::reading::Cache;
use super::schema::{self, Kind};
use rusqlite::Connection;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

/// After a failed write, new data is turned away without a try for this long.
pub(crate) const PAUSE_AFTER_FAILURE: Duration = Duration::from_millis(500);
/// Idle reader connections that are kept.
const IDLE_READERS: usize = 4;

/// Whom to tell of a change.
type Listeners = Vec<Arc<dyn Fn() + Send + Sync>>;

/// See the module comment.
pub(crate) struct Shared {
    pub(crate) dir: PathBuf,
    pub(crate) options: Options,
    pub(crate) head: Mutex<Head>,
    pub(crate) ledger: Mutex<Ledger>,
    /// Size and age at which retention drops; settable while running.
    pub(crate) retention: Mutex<(u64, Duration)>,
    /// Refusals that are not written down yet.
    pub(crate) rejected: Mutex<Changes>,
    /// Bytes of batches that wait for the writer.
    pub(crate) waiting: AtomicUsize,
    revision: AtomicU64,
    listeners: Mutex<Listeners>,
    problem: Mutex<Option<(String, Instant)>>,
    readers: Mutex<Vec<Connection>>,
    /// The metric half.
    pub(crate) metrics: Metrics,
    /// Unpacked parts of segments.
    pub(crate) cache: Mutex<Cache>,
}

/// Locks even when a thread panicked with the lock held: every change behind these locks is made in one step.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// As [`lock`], to read.
pub(crate) fn read_lock<T>(shared: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    shared.read().unwrap_or_else(PoisonError::into_inner)
}

/// As [`lock`], to write.
pub(crate) fn write_lock<T>(shared: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    shared.write().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub(crate) fn new(dir: PathBuf, options: Options, ledger: Ledger) -> Self {
        let retention = Mutex::new((options.disk_limit, options.max_age));
        Self {
            metrics: Metrics::new(options.series_limit),
            dir,
            options,
            retention,
            head: Mutex::default(),
            ledger: Mutex::new(ledger),
            rejected: Mutex::default(),
            waiting: AtomicUsize::new(0),
            revision: AtomicU64::new(1),
            listeners: Mutex::default(),
            problem: Mutex::default(),
            readers: Mutex::default(),
            cache: Mutex::default(),
        }
    }

    /// Size and age at which retention drops.
    pub(crate) fn retention(&self) -> (u64, Duration) {
        *lock(&self.retention)
    }

    /// Everything stored, as of now.
    pub(crate) fn view(&self) -> View {
        lock(&self.head).view()
    }

    pub(crate) fn revision(&self) -> u64 {
        self.revision.load(Ordering::Acquire)
    }

    /// Counts a change of the data and tells whoever wants to know.
    pub(crate) fn changed(&self) {
        self.revision.fetch_add(1, Ordering::AcqRel);
        let listeners = lock(&self.listeners).clone();
        listeners.iter().for_each(|listener| listener());
    }

    pub(crate) fn listen(&self, listener: Arc<dyn Fn() + Send + Sync>) {
        lock(&self.listeners).push(listener);
    }

    /// Notes that a write failed, or that writing works again.
    pub(crate) fn set_problem(&self, problem: Option<String>) {
        let mut known = lock(&self.problem);
        match problem {
            Some(text) => {
                if known.is_none() {
                    tracing::error!("writing stopped: {text}");
                }
                *known = Some((text, Instant::now()));
            }
            None => {
                if known.take().is_some() {
                    tracing::info!("writing works again");
                }
            }
        }
    }

    pub(crate) fn problem(&self) -> Option<String> {
        lock(&self.problem).as_ref().map(|(text, _)| text.clone())
    }

    /// Why new data should not even be tried right now.
    pub(crate) fn paused(&self) -> Option<String> {
        lock(&self.problem).as_ref().filter(|(_, at)| at.elapsed() < PAUSE_AFTER_FAILURE).map(|(text, _)| text.clone())
    }

    /// Runs `work` with a reading connection of its own.
    pub(crate) fn read<T>(&self, work: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let idle = lock(&self.readers).pop();
        let connection = match idle {
            Some(connection) => connection,
            None => schema::open_reader(Kind::Data, &self.dir)?,
        };
        let result = work(&connection);
        let mut readers = lock(&self.readers);
        if readers.len() < IDLE_READERS {
            readers.push(connection);
        }
        result
    }

    /// Closes the idle readers, so that the last connection can put the write-ahead log away.
    pub(crate) fn close_readers(&self) {
        lock(&self.readers).clear();
    }
}
