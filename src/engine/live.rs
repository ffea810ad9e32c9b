//! The workspace that the doors fill, as the window and the command line use it.

use super::{ClearId, ClearWhat, Engine, EngineError, OpenReport, OpenSource, Query, SourceId, WorkspacePlace, WrongCaller};
use crate::model::{Door, TraceId};
use std::net::SocketAddr;
use std::path::PathBuf;

impl Engine {
    /// The workspace that the doors fill; `None` when only files are open.
    pub fn workspace(&self) -> Option<WorkspacePlace> {
        None
    }

    /// Workspaces that were opened before or stand beside the default one, by name. They may be gone.
    pub fn known_workspaces(&self) -> Vec<PathBuf> {
        Vec::new()
    }

    /// Makes the doors fill another workspace, made when the folder is empty. The answer is its source, which takes the
    /// place of the one before under [`super::WORKSPACE`].
    pub fn switch_workspace(&self, dir: PathBuf) -> Query<OpenSource> {
        self.ask(move |_| Err(EngineError::Workspace(format!("no doors are open to fill {}", dir.display())).into()))
    }

    /// Opens a second workspace beside the one that the doors fill. Close it with [`Engine::close_source`].
    pub fn open_workspace(&self, dir: PathBuf) -> Query<OpenSource> {
        self.ask(move |_| Err(EngineError::Workspace(format!("cannot be opened beside files: {}", dir.display())).into()))
    }

    /// Copies an opened file into the workspace.
    pub fn import_source(&self, _source: SourceId) -> Query<OpenReport> {
        self.ask(move |_| Err(EngineError::NoWorkspace("import into").into()))
    }

    /// Copies a file into the workspace without opening it.
    pub fn import_file(&self, _path: PathBuf) -> Query<OpenReport> {
        self.ask(move |_| Err(EngineError::NoWorkspace("import into").into()))
    }

    /// Drops spans from the workspace at once. They come back with [`Engine::undo_clear`] while the program runs.
    pub fn clear(&self, _what: ClearWhat) -> Result<ClearId, EngineError> {
        Err(EngineError::NoWorkspace("clear"))
    }

    /// Brings back what one [`Engine::clear`] dropped.
    pub fn undo_clear(&self, _clear: ClearId) -> Result<(), EngineError> {
        Err(EngineError::NoWorkspace("bring back"))
    }

    /// Clients that came in a way that cannot work, latest first.
    pub fn wrong_callers(&self) -> Vec<WrongCaller> {
        Vec::new()
    }

    /// Opens a door on this address instead of those it has, enabling it. The state follows in [`Engine::doors`].
    pub fn reopen_door(&self, door: Door, _address: SocketAddr) -> Result<(), EngineError> {
        Err(EngineError::Door(format!("the {door} door is not here: only files are open")))
    }

    /// Lets pages of a web origin reach the doors, from now on and after a restart.
    pub fn allow_origin(&self, origin: &str) -> Result<(), EngineError> {
        self.0.settings.add_text(super::settings::ORIGINS, origin).map_err(EngineError::Setting)
    }

    /// Opens the OTLP doors on the container bridges too, or closes them there. Answers the addresses that containers use.
    pub fn receive_from_containers(&self, _on: bool) -> Result<Vec<SocketAddr>, EngineError> {
        Err(EngineError::Door("no door is here: only files are open".to_owned()))
    }

    /// Sends one span through the OTLP/HTTP door as any client would, and answers its trace once the door has acknowledged.
    pub fn send_test_span(&self) -> Query<TraceId> {
        self.ask(move |_| Err(EngineError::Door("no OTLP door is open to send to".to_owned()).into()))
    }

    /// Ends everything: doors first, then what is queued is stored and sealed. At most two seconds.
    pub fn stop(&self) {}
}
