//! What the engine says about itself, gathered once for many frames: doors, figures, sources, recent files.
//!
//! Drawing reads these plain values, so a frame takes no lock, and tests can draw any situation.

use crate::engine::{
    DoorState, DoorStatus, Engine, OpenSource, Pulse, RecentFile, SourceId, WORKSPACE, WorkspacePlace, WrongCaller,
};
use crate::model::Door;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Facts are gathered again at most this often; the engine wakes the window when there is something new.
pub(super) const EVERY: Duration = Duration::from_millis(100);

/// See the module comment.
#[derive(Clone, Default)]
pub struct Facts {
    /// Open sources, the workspace first.
    pub sources: Vec<OpenSource>,
    /// Doors in the order of the command line.
    pub doors: Vec<DoorStatus>,
    /// Figures of the status bar.
    pub pulse: Pulse,
    /// Clients that came in a way that cannot work.
    pub wrong_callers: Vec<WrongCaller>,
    /// Files opened before.
    pub recent: Vec<RecentFile>,
    /// The workspace that the doors fill.
    pub workspace: Option<WorkspacePlace>,
    /// Workspaces known on this machine.
    pub known_workspaces: Vec<PathBuf>,
    /// Spans in the workspace.
    pub has_data: bool,
    /// Whether the sample shop is open; `None` when there is none to offer.
    pub demo: Option<bool>,
    pub(super) gathered: Option<Instant>,
    pub(super) frozen: bool,
}

impl Facts {
    /// Reads them again when they are old enough; true when they were read.
    pub fn refresh(&mut self, engine: &Engine) -> bool {
        let now = Instant::now();
        if self.frozen || self.gathered.is_some_and(|at| now.duration_since(at) < EVERY) {
            return false;
        }
        let sources = engine.sources();
        *self = Self {
            has_data: sources.iter().any(|source| source.id == WORKSPACE && source.spans.extent().is_some()),
            sources,
            doors: engine.doors(),
            pulse: engine.pulse(),
            wrong_callers: engine.wrong_callers(),
            recent: engine.recent_files(),
            workspace: engine.workspace(),
            known_workspaces: engine.known_workspaces(),
            demo: engine.has_demo().then(|| engine.demo_runs()),
            gathered: Some(now),
            frozen: false,
        };
        true
    }

    /// As they are for good: tests and pictures draw them.
    pub fn frozen(mut self) -> Self {
        self.frozen = true;
        self
    }

    /// What was gathered is out of date: the next frame reads again.
    pub fn expire(&mut self) {
        self.gathered = None;
    }

    /// One source.
    pub fn source(&self, id: SourceId) -> Option<&OpenSource> {
        self.sources.iter().find(|source| source.id == id)
    }

    /// Port that a door listens on now.
    pub fn port(&self, door: Door) -> Option<u16> {
        let status = self.doors.iter().find(|status| status.door == door)?;
        match &status.state {
            DoorState::Open(addresses) => addresses.first().map(std::net::SocketAddr::port),
            _ => None,
        }
    }

    /// Where a client finds OTLP over HTTP: either OTLP door takes it. While neither is open, the port that one would be
    /// moved to, never the one that another program holds; the usual port where nothing collects.
    pub fn http_port(&self) -> u16 {
        let moved = |door: Door| match &self.doors.iter().find(|status| status.door == door)?.state {
            DoorState::Busy { suggestion, .. } => *suggestion,
            _ => None,
        };
        let open = self.port(Door::OtlpHttp).or_else(|| self.port(Door::OtlpGrpc));
        open.or_else(|| moved(Door::OtlpHttp)).or_else(|| moved(Door::OtlpGrpc)).unwrap_or(4318)
    }

    /// True when spans can arrive over OTLP now.
    pub fn listens(&self) -> bool {
        self.port(Door::OtlpHttp).or_else(|| self.port(Door::OtlpGrpc)).is_some()
    }

    /// True when a door listens beyond loopback, on a container bridge.
    pub fn receives_from_containers(&self) -> bool {
        self.doors.iter().any(|status| match &status.state {
            DoorState::Open(addresses) => addresses.iter().any(|address| !address.ip().is_loopback()),
            _ => false,
        })
    }

    /// Name of a source for people: the workspace's own name, else what the source calls itself.
    pub fn name_of(&self, id: SourceId) -> String {
        match (&self.workspace, self.source(id)) {
            (Some(workspace), _) if id == WORKSPACE => workspace.name.clone(),
            (_, Some(source)) => source.spans.name(),
            _ => String::new(),
        }
    }
}
