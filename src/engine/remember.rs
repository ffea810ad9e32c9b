//! What the window and the command line ask the engine to remember; see [`super::settings`].

use super::{Engine, EngineError, HiddenRule, RecentFile, WindowAnswer, WindowRequest};
use crate::model::{TraceId, TraceSummary};
use crate::source::Predicate;
use std::path::Path;

impl Engine {
    /// A setting of the workspace, a JSON text.
    pub fn setting(&self, key: &str) -> Option<String> {
        self.0.settings.0.get(key)
    }

    /// Keeps a setting of the workspace, a JSON text.
    pub fn set_setting(&self, key: &str, value: &str) -> Result<(), EngineError> {
        self.0.settings.0.set(key, value).map_err(EngineError::Setting)
    }

    /// Files opened before, latest first. They may be gone.
    pub fn recent_files(&self) -> Vec<RecentFile> {
        self.0.settings.recent()
    }

    /// Takes a file out of the list of recent ones.
    pub fn forget_recent(&self, path: &Path) -> Result<(), EngineError> {
        self.0.settings.forget_recent(path).map_err(EngineError::Setting)
    }

    /// Rules of "Hide like this".
    pub fn hidden_rules(&self) -> Vec<HiddenRule> {
        self.0.settings.hidden()
    }

    /// Hides traces whose root matches, from now on and after a restart. Answers the rule's number for [`Engine::unhide`].
    pub fn hide_like(&self, label: &str, predicate: Predicate) -> Result<u32, EngineError> {
        let id = self.0.settings.hide(label, predicate).map_err(EngineError::Setting)?;
        self.0.wake.poke();
        Ok(id)
    }

    /// Shows them again.
    pub fn unhide(&self, id: u32) -> Result<(), EngineError> {
        self.0.settings.unhide(id).map_err(EngineError::Setting)?;
        self.0.wake.poke();
        Ok(())
    }

    /// True for a trace that a rule of "Hide like this" leaves out of lists.
    pub fn is_hidden(rules: &[HiddenRule], trace: &TraceSummary) -> bool {
        rules.iter().any(|rule| rule.hides(trace))
    }

    /// Traces that stay when retention makes room.
    pub fn pinned(&self) -> Vec<TraceId> {
        self.0.settings.pinned()
    }

    /// The host of the window: called when somebody asks for it, from any thread; must not block.
    pub fn set_window_host(&self, tell: impl Fn() -> WindowAnswer + Send + Sync + 'static) {
        self.0.window.set_host(tell);
    }

    /// Asks the host to show the window.
    pub fn ask_for_window(&self, request: WindowRequest) -> WindowAnswer {
        self.0.window.ask(request)
    }

    /// What the host should do now: bring the window to the front and open these files. Call once a frame.
    pub fn window_requests(&self) -> Vec<WindowRequest> {
        self.0.window.take()
    }
}
