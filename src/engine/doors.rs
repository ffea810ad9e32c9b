//! The doors, as the window, the API and the command line use them. The collector owns their sockets.

use super::settings::{ORIGINS, REDACTION};
use super::{Engine, EngineError};
use crate::collector::Handler;
use crate::model::Door;
use crate::wire::redact::{Redaction, STANDARD};
use std::net::SocketAddr;
use std::sync::Arc;

pub use crate::collector::{DoorState, DoorStatus, WrongCaller};

impl Engine {
    /// State of every door that was asked for, in the order of the command line.
    pub fn doors(&self) -> Vec<DoorStatus> {
        self.0.live.as_ref().map(|live| live.collector.doors()).unwrap_or_default()
    }

    /// Clients that came in a way that cannot work, latest first.
    pub fn wrong_callers(&self) -> Vec<WrongCaller> {
        self.0.live.as_ref().map(|live| live.collector.wrong_callers()).unwrap_or_default()
    }

    /// Opens a door that a floor above answers at. Each address has been tried once on return. Not from a task of the
    /// engine's own runtime.
    pub fn open_door(&self, door: Door, addresses: Vec<SocketAddr>, handler: Arc<dyn Handler>) -> Result<(), EngineError> {
        let live = self.live("serve")?;
        live.handle.block_on(live.collector.open(door, addresses, handler));
        live.publish();
        Ok(())
    }

    /// Opens a door on this address instead of those it has, enabling it. The state follows in [`Engine::doors`].
    pub fn reopen_door(&self, door: Door, address: SocketAddr) -> Result<(), EngineError> {
        let absent = || EngineError::Door(format!("the {door} door is not here: only files are open"));
        let live = self.0.live.as_ref().ok_or_else(absent)?;
        if !live.options.allow_remote && !super::options::is_loopback(address) {
            let text = "can be reached from other machines. Take 127.0.0.1, or start with --allow-remote";
            return Err(EngineError::Door(format!("{address} {text}")));
        }
        live.collector.reopen(door, vec![address]);
        Ok(())
    }

    /// The bearer token of clients from other machines and whether it was made just now; `None` unless they are allowed.
    pub fn remote_token(&self) -> Option<(String, bool)> {
        self.0.live.as_ref()?.token.clone()
    }

    /// Lets pages of a web origin reach the doors, from now on and after a restart.
    pub fn allow_origin(&self, origin: &str) -> Result<(), EngineError> {
        self.0.settings.add_text(ORIGINS, origin).map_err(EngineError::Setting)?;
        if let Some(live) = &self.0.live {
            live.collector.allow_origin(origin);
        }
        Ok(())
    }

    /// Web origins that the user allowed to reach the doors.
    pub fn allowed_origins(&self) -> Vec<String> {
        self.0.settings.texts(ORIGINS)
    }

    /// Keys whose values are masked before they are stored, as [`crate::wire::redact`] writes them: the user's list, or the
    /// standard one.
    pub fn masked_keys(&self) -> Vec<String> {
        self.0.settings.masked_keys()
    }

    /// Masks these keys from now on and after a restart. What is stored already stays as it is.
    pub fn set_masked_keys(&self, keys: &[String]) -> Result<(), EngineError> {
        keys.iter().try_for_each(|key| Redaction::check(key)).map_err(EngineError::Setting)?;
        self.0.settings.put_texts(REDACTION, keys).map_err(EngineError::Setting)?;
        if let Some(live) = &self.0.live {
            live.collector.redact(keys);
        }
        Ok(())
    }

    /// The same list, compiled.
    pub(super) fn redaction(&self) -> Redaction {
        Redaction::new(self.masked_keys())
    }

    /// Opens the OTLP doors on the container bridges too. Answers the addresses that containers can use.
    pub fn receive_from_containers(&self) -> Result<Vec<SocketAddr>, EngineError> {
        let live = self.live("receive into")?;
        let mut opened = Vec::new();
        for status in live.collector.doors() {
            let (Door::OtlpGrpc | Door::OtlpHttp, DoorState::Open(mut addresses)) = (status.door, status.state) else {
                continue;
            };
            let Some(port) = addresses.first().map(SocketAddr::port) else { continue };
            let bridges = container_addresses(port);
            let new: Vec<SocketAddr> = bridges.iter().filter(|address| !addresses.contains(address)).copied().collect();
            opened.extend(bridges);
            if !new.is_empty() {
                live.collector.trust(new.iter().map(SocketAddr::ip));
                addresses.extend(new);
                live.collector.reopen(status.door, addresses);
            }
        }
        if opened.is_empty() {
            let text = "no container bridge is on this machine. Start Docker or Podman first";
            return Err(EngineError::Door(text.to_owned()));
        }
        Ok(opened)
    }
}

/// The addresses of the container bridges with a port.
pub(super) fn container_addresses(port: u16) -> Vec<SocketAddr> {
    super::containers::bridge_addresses().into_iter().map(|ip| SocketAddr::new(ip, port)).collect()
}

/// What is masked unless the user edits the list.
pub(super) fn standard_masked_keys() -> Vec<String> {
    STANDARD.map(str::to_owned).to_vec()
}
