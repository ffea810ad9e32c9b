//! What the window, the API and the command line know of a door.

use crate::model::Door;
use std::net::SocketAddr;

/// Whether a door takes data.
#[derive(Clone, Debug, PartialEq)]
pub enum DoorState {
    /// Not enabled.
    Closed,
    /// Listening on these addresses.
    Open(Vec<SocketAddr>),
    /// The port is taken; it is tried again every five seconds.
    Busy {
        /// The address that is taken.
        address: SocketAddr,
        /// Who holds it: `jaeger (pid 4711)`, `container otel-lgtm`, or empty when the system does not tell.
        holder: String,
        /// A free port to use instead.
        suggestion: Option<u16>,
    },
    /// Opening failed for another reason.
    Failed(String),
}

/// One door as shown on Home, in the status bar and in Settings.
#[derive(Clone, Debug, PartialEq)]
pub struct DoorStatus {
    /// Which.
    pub door: Door,
    /// Whether it takes data.
    pub state: DoorState,
    /// Items received since start.
    pub received: u64,
    /// Items rejected since start.
    pub rejected: u64,
}

/// A client that came in a way that cannot work, named on Home with the fix.
#[derive(Clone, Debug, PartialEq)]
pub struct WrongCaller {
    /// Door it knocked on.
    pub door: Door,
    /// What happened: `TLS on a plain port`, `path /v1/traces/v1/traces`, `Origin refused: https://app.test`.
    pub what: String,
    /// What to do about it.
    pub fix: String,
    /// The origin to allow, when that is the fix.
    pub origin: Option<String>,
    /// How often.
    pub count: u64,
}
