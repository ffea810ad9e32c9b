//! What an engine is started with.

use crate::model::Door;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where the workspace is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A folder, made when missing.
    Folder(PathBuf),
    /// A temporary folder that goes away with the program.
    Memory,
}

/// See the module comment.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// The workspace.
    pub place: Place,
    /// Doors to open, with their addresses; the API's too, which is opened by `api::start`. None for commands that only
    /// read or import.
    pub doors: Vec<(Door, Vec<SocketAddr>)>,
    /// Receive OTLP from containers too.
    pub containers: bool,
    /// Addresses that other machines reach may be listened on; who comes by them needs the bearer token.
    pub allow_remote: bool,
    /// The prometheus.yml whose targets are scraped; `None` for the setting, or none.
    pub scrape_config: Option<PathBuf>,
    /// The machine's processors, memory, disks and network are recorded.
    pub host_metrics: bool,
    /// Size of the workspace at which retention starts to drop, in bytes; `None` for the setting or 5 GB.
    pub disk_limit: Option<u64>,
    /// Age by receipt at which retention drops; `None` for the setting or 14 days.
    pub max_age: Option<Duration>,
}

impl EngineOptions {
    /// The doors that the collector opens at start, those of containers included.
    pub(super) fn collector_doors(&self) -> Vec<(Door, Vec<SocketAddr>)> {
        let mut doors: Vec<_> = self.doors.iter().filter(|(door, _)| *door != Door::Api).cloned().collect();
        if self.containers {
            for (_, addresses) in doors.iter_mut().filter(|(door, _)| matches!(door, Door::OtlpGrpc | Door::OtlpHttp)) {
                let port = addresses.first().map(SocketAddr::port).filter(|port| *port != 0);
                addresses.extend(port.into_iter().flat_map(super::doors::container_addresses));
            }
        }
        doors
    }

    /// A workspace without doors.
    pub fn quiet(place: Place) -> Self {
        Self {
            place,
            doors: Vec::new(),
            containers: false,
            allow_remote: false,
            scrape_config: None,
            host_metrics: false,
            disk_limit: None,
            max_age: None,
        }
    }
}

/// The folder where workspaces stand side by side, in the user's data folder.
pub fn workspaces_dir() -> Option<PathBuf> {
    directories::ProjectDirs::from("", "", "belvedere").map(|dirs| dirs.data_dir().join("workspaces"))
}

/// The workspace that is opened when none is named.
pub fn default_workspace() -> Option<PathBuf> {
    workspaces_dir().map(|dir| dir.join("default"))
}

/// Where the process that serves a workspace answers, by its lock file; that process may have ended since.
pub fn served_at(dir: &Path) -> Option<SocketAddr> {
    crate::store::Lock::holder(dir).and_then(|(_, api)| api)
}

/// True when everything stays on this machine.
pub fn is_loopback(address: SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}
