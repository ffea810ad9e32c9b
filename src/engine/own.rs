//! Belvedere traces itself: what arrives at the doors, what the store takes for it, and the queries that are asked.
//!
//! The spans belong to the service `belvedere` and go into a workspace of their own, the folder `own` inside the one that
//! is served when the program starts. So they are in no list, count, alert or retention of the user's data; they are seen by
//! asking for them (`belvedere query traces --own`, [`Engine::own_traces`]). One root a second is recorded at most, and what
//! is not costs tens of nanoseconds a request (`benches/tracer.rs`, "not sampled"). Storing them is not traced and passes no
//! door, so there is no loop. The folder is made with the first span. A process without doors does not trace itself.

use super::{Engine, now};
use crate::model::{Door, Resource, SampleBatch};
use crate::source::{SeriesSource, SpanSource};
use crate::store::{Options, StoreError, Workspace};
use crate::tracer::{Batch, BatchConfig, IntoStore, Provider, Sampler, Tracer};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The service of the spans.
pub const OWN_SERVICE: &str = "belvedere";
/// The folder inside the served workspace.
const FOLDER: &str = "own";
/// Roots recorded a second.
const PER_SECOND: f64 = 1.0;
/// What the workspace may take, in bytes, and how old its spans get.
const DISK_LIMIT: u64 = 64 << 20;
const MAX_AGE: Duration = Duration::from_secs(2 * 86_400);
/// Little is kept in memory.
const HEAD_BYTES: usize = 1 << 20;
const QUEUE_BYTES: usize = 4 << 20;
/// How long the program waits for its own spans.
const PATIENCE: Duration = Duration::from_millis(300);

/// Where Belvedere's own traces of a workspace are.
pub fn own_folder(workspace: &Path) -> PathBuf {
    workspace.join(FOLDER)
}

/// See the module comment.
pub(super) struct OwnTraces {
    provider: Provider,
    opened: Opened,
}

/// Opened with the first span or the first question, whichever comes first.
#[derive(Clone)]
struct Opened {
    dir: PathBuf,
    workspace: Arc<Mutex<Option<Workspace>>>,
}

impl Opened {
    fn open(&self) -> Result<Workspace, StoreError> {
        let mut workspace = self.workspace.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(workspace) = &*workspace {
            return Ok(workspace.clone());
        }
        let options = Options {
            disk_limit: DISK_LIMIT,
            max_age: MAX_AGE,
            head_bytes: HEAD_BYTES,
            queue_bytes: QUEUE_BYTES,
            ..Options::default()
        };
        Ok(workspace.insert(Workspace::open(&self.dir, options)?).clone())
    }
}

impl OwnTraces {
    /// Traces into the folder inside `served`.
    pub(super) fn start(served: &Path) -> Self {
        let opened = Opened { dir: own_folder(served), workspace: Arc::default() };
        let its = opened.clone();
        let batch = Batch::new(IntoStore::new(move || its.open()), BatchConfig::default());
        let mut resource = Resource::service(OWN_SERVICE);
        resource.attributes.push("service.version", env!("CARGO_PKG_VERSION"));
        resource.attributes.push("service.instance.id", format!("{}-{}", std::process::id(), now().0));
        resource.attributes.push("process.pid", i64::from(std::process::id()));
        let sampler = Sampler::parent_based(Sampler::rate_limited(PER_SECOND));
        Self { provider: Provider::builder(resource).processor(batch).sampler(sampler).build(), opened }
    }

    pub(super) fn tracer(&self) -> Tracer {
        self.provider.tracer("belvedere", env!("CARGO_PKG_VERSION"))
    }

    /// Keeps samples beside the spans. One look more or less is no loss, so nobody waits.
    pub(super) fn keep_samples(&self, batch: SampleBatch) {
        match self.opened.open() {
            Ok(workspace) => drop(workspace.append_samples(Door::Own, batch, now())),
            Err(error) => tracing::debug!(%error, "Belvedere's own metrics are not kept"),
        }
    }

    /// The last spans are stored, then the workspace closes.
    pub(super) fn stop(&self) {
        if let Err(error) = self.provider.shutdown(PATIENCE) {
            tracing::debug!(%error, "the last spans of Belvedere itself are lost");
        }
        if let Some(workspace) = self.opened.workspace.lock().unwrap_or_else(PoisonError::into_inner).take() {
            workspace.close();
        }
    }
}

impl Engine {
    /// Belvedere's own traces, the latest included; `None` in a process that does not trace itself. Waits for the disk, so
    /// it is called from a reader thread.
    pub fn own_traces(&self) -> Option<Arc<dyn SpanSource>> {
        let own = self.0.live.as_ref()?.own.as_ref()?;
        own.provider.flush(PATIENCE).ok();
        match own.opened.open() {
            Ok(workspace) => Some(workspace.spans()),
            Err(error) => {
                tracing::warn!(%error, "Belvedere's own traces cannot be opened");
                None
            }
        }
    }

    /// Belvedere's own metrics; as [`Engine::own_traces`].
    pub fn own_series(&self) -> Option<Arc<dyn SeriesSource>> {
        let own = self.0.live.as_ref()?.own.as_ref()?;
        own.opened.open().ok().map(|workspace| workspace.metrics())
    }
}
