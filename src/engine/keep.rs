//! What stays and what goes: Clear with undo, pins, retention.
//!
//! The store works on these one after the other, which may take a moment while it seals; the window must not wait for it.
//! So they are chores: done in the order they were asked for, on a task of their own. One that fails is told through
//! [`Engine::take_problems`].

use super::live::Live;
use super::settings::{PINNED, Retention};
use super::{ClearId, ClearWhat, Engine, EngineError};
use crate::model::TraceId;
use crate::store::{Clear, ClearToken, StoreError, Workspace};
use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

/// Chores that wait; more are refused.
const WAITING: usize = 64;

type Chore = Box<dyn FnOnce() -> Result<(), StoreError> + Send>;

/// What was cleared and can be brought back, with the workspace it was cleared from.
type Cleared = Arc<Mutex<HashMap<u64, (Workspace, ClearToken)>>>;

/// See the module comment.
pub(super) struct Chores {
    queue: mpsc::Sender<Chore>,
    problems: Arc<Mutex<Vec<String>>>,
    cleared: Cleared,
}

impl Chores {
    /// Starts the task; it ends with the runtime or with the last handle. `done` is called after each chore.
    pub(super) fn start(handle: &Handle, done: impl Fn() + Send + 'static) -> Self {
        let (queue, mut waiting) = mpsc::channel::<Chore>(WAITING);
        let problems: Arc<Mutex<Vec<String>>> = Arc::default();
        let its_problems = problems.clone();
        handle.spawn(async move {
            while let Some(chore) = waiting.recv().await {
                let problem = match tokio::task::spawn_blocking(chore).await {
                    Ok(Ok(())) => None,
                    Ok(Err(error)) => Some(error.to_string()),
                    Err(error) => Some(error.to_string()),
                };
                its_problems.lock().unwrap_or_else(PoisonError::into_inner).extend(problem);
                done();
            }
        });
        Self { queue, problems, cleared: Cleared::default() }
    }

    fn add(&self, chore: impl FnOnce() -> Result<(), StoreError> + Send + 'static) -> Result<(), EngineError> {
        let full = |_| EngineError::Workspace("the workspace is busy or closing; try again in a moment".to_owned());
        self.queue.try_send(Box::new(chore)).map_err(full)
    }
}

impl Live {
    /// Sets size and age at which retention drops: those of the start, else the workspace's own setting.
    pub(super) fn apply_retention(&self, workspace: &Workspace) {
        let kept = Retention::read(workspace.setting(super::settings::RETENTION).as_deref());
        let bytes = self.options.disk_limit.unwrap_or(kept.bytes);
        workspace.set_retention(bytes, self.options.max_age.unwrap_or(kept.age));
    }
}

impl Engine {
    /// Drops spans from the workspace. They come back with [`Engine::undo_clear`] while the workspace is open.
    pub fn clear(&self, what: ClearWhat) -> Result<ClearId, EngineError> {
        let live = self.live("clear")?;
        let id = self.0.next_clear.fetch_add(1, Ordering::Relaxed);
        let (workspace, cleared) = (live.served.now(), live.chores.cleared.clone());
        live.chores.add(move || {
            let token = workspace.clear(match what {
                ClearWhat::All => Clear::All,
                ClearWhat::Service(name) => Clear::Service(name),
            })?;
            cleared.lock().unwrap_or_else(PoisonError::into_inner).insert(id, (workspace, token));
            Ok(())
        })?;
        Ok(ClearId(id))
    }

    /// Brings back what one [`Engine::clear`] dropped.
    pub fn undo_clear(&self, clear: ClearId) -> Result<(), EngineError> {
        let chores = &self.live("bring back")?.chores;
        let cleared = chores.cleared.clone();
        chores.add(move || {
            let known = cleared.lock().unwrap_or_else(PoisonError::into_inner).remove(&clear.0);
            known.map_or(Ok(()), |(workspace, token)| workspace.undo_clear(token))
        })
    }

    /// Pins a trace, so that it stays when retention makes room, or lets it go.
    pub fn set_pinned(&self, trace: TraceId, pinned: bool) -> Result<(), EngineError> {
        let text = trace.to_string();
        let kept = match pinned {
            true => self.0.settings.add_text(PINNED, &text),
            false => self.0.settings.remove_text(PINNED, &text),
        };
        kept.map_err(EngineError::Setting)?;
        let Some(live) = &self.0.live else { return Ok(()) };
        let workspace = live.served.now();
        live.chores.add(move || workspace.set_pinned(trace, pinned))
    }

    /// Size in bytes and age by receipt at which retention drops.
    pub fn retention(&self) -> (u64, Duration) {
        let kept = Retention::read(self.setting(super::settings::RETENTION).as_deref());
        (kept.bytes, kept.age)
    }

    /// Sets size and age at which retention drops, from now on and after a restart.
    pub fn set_retention(&self, bytes: u64, age: Duration) -> Result<(), EngineError> {
        self.set_setting(super::settings::RETENTION, &Retention { bytes, age }.to_json())?;
        if let Some(live) = &self.0.live {
            live.served.now().set_retention(bytes, age);
        }
        Ok(())
    }

    /// What failed in the background since the last call, for people.
    pub fn take_problems(&self) -> Vec<String> {
        let problems = self.0.live.as_ref().map(|live| &live.chores.problems);
        problems.map(|list| std::mem::take(&mut *list.lock().unwrap_or_else(PoisonError::into_inner))).unwrap_or_default()
    }
}
