//! What the engine could not do, for people and for exit codes.

use std::net::SocketAddr;
use std::path::PathBuf;

/// Errors of this room.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// Another process serves the workspace.
    #[error("the workspace is open in another Belvedere (pid {pid}). Close it, or take another folder with --workspace: {}", dir.display())]
    Held {
        /// Its process id.
        pid: u32,
        /// Where its API listens, when it does.
        api: Option<SocketAddr>,
        /// The workspace.
        dir: PathBuf,
    },
    /// The workspace cannot be opened.
    #[error("{0}")]
    Workspace(String),
    /// There is nothing to write to: files were opened without a workspace.
    #[error("no workspace is open here, so there is nothing to {0}")]
    NoWorkspace(&'static str),
    /// A file cannot be read as telemetry.
    #[error("{0}")]
    File(String),
    /// A setting cannot be kept.
    #[error("the setting is not kept: {0}")]
    Setting(String),
    /// A door cannot be opened or changed.
    #[error("{0}")]
    Door(String),
    /// The operating system refuses something that the program needs.
    #[error("{what}: {reason}")]
    System {
        /// What was tried.
        what: &'static str,
        /// What the system said.
        reason: String,
    },
}

impl From<EngineError> for crate::source::SourceError {
    fn from(error: EngineError) -> Self {
        Self::Read(error.to_string())
    }
}
