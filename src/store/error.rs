//! What can go wrong in the store, and what to do about it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Why the workspace could not do what was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// Another process serves this workspace.
    #[error("the workspace is in use by process {pid}{}. Ask it instead, stop it, or name another folder with --workspace: {}", served(.api), .dir.display())]
    Locked {
        /// Process that holds it; 0 when the lock file does not say.
        pid: u32,
        /// Where that process answers.
        api: Option<SocketAddr>,
        /// The workspace.
        dir: PathBuf,
    },
    /// The file was not written by Belvedere. It was not touched.
    #[error("{what}, so it is not a Belvedere workspace and was left untouched. Name another folder with --workspace: {}", .path.display())]
    Foreign {
        /// What it is instead.
        what: String,
        /// The file.
        path: PathBuf,
    },
    /// A newer Belvedere wrote the file. It was not touched.
    #[error("a newer Belvedere wrote this (version {found} of the file, this program knows {known}), it was left untouched. Update the program, or name another folder with --workspace: {}", .path.display())]
    Newer {
        /// Version of the file.
        found: i32,
        /// Latest version that this program knows.
        known: i32,
        /// The file.
        path: PathBuf,
    },
    /// The disk or the quota is full; what was acknowledged is safe and writing goes on when there is room.
    #[error("no room to write: {0}")]
    Full(String),
    /// Reading or writing a file failed.
    #[error("{what}: {cause}. Path: {}", .path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// The system's text.
        cause: String,
        /// The file or folder.
        path: PathBuf,
    },
    /// SQLite answered with an error.
    #[error("{what}: {cause}")]
    Sqlite {
        /// What was tried.
        what: &'static str,
        /// SQLite's text.
        cause: String,
    },
    /// What stands in a row cannot be read.
    #[error("damaged: {0}")]
    Damaged(String),
    /// The workspace is closing or its writer has stopped.
    #[error("the workspace is closed")]
    Closed,
}

fn served(api: &Option<SocketAddr>) -> String {
    api.map(|address| format!(", which answers on http://{address}")).unwrap_or_default()
}

impl StoreError {
    /// Turns an error of SQLite into ours, with what was tried.
    pub(crate) fn sqlite(what: &'static str) -> impl FnOnce(rusqlite::Error) -> Self {
        move |error| {
            let full =
                matches!(error.sqlite_error_code(), Some(rusqlite::ErrorCode::DiskFull | rusqlite::ErrorCode::SystemIoFailure));
            if full { Self::Full(format!("{what}: {error}")) } else { Self::Sqlite { what, cause: error.to_string() } }
        }
    }

    /// Turns an error of the file system into ours.
    pub(crate) fn io(what: &'static str, path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |error| Self::Io { what, cause: error.to_string(), path }
    }
}

/// Not taken now: the queue or the disk is full. Nothing was stored; send it again after `retry_after`.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{reason}; try again in {} ms", .retry_after.as_millis())]
pub struct Busy {
    /// When to try again.
    pub retry_after: Duration,
    /// What is full.
    pub reason: String,
}
