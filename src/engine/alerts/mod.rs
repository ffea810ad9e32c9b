//! Alerts live: what clients and rules report goes through the routing, decisions are on disk before they count, and groups
//! are flushed when they are due.
//!
//! Every change is decided by `alerting` under one lock, handed to the control file's writer in that order, and answered
//! once it is on disk; so a `kill -9` at any moment loses nothing that was acknowledged, and a flush is in the log together
//! with the notification it made. Receivers that are not armed are rehearsed: decided and logged, never sent.

mod desk;
mod rows;

pub(super) use rows::NOTIFICATION;

pub use desk::{AlertDesk, PostedOutcome, Snapshot};

use super::{Engine, EngineError, WeakEngine};
use crate::alerting::alert::PostedAlert;
use crate::alerting::route::config::ConfigError;
use crate::alerting::route::groups::Flush;
use crate::alerting::route::silence::{Silence, SilenceError};
use crate::model::UnixNanos;
use crate::notify::outbox::DeliveryState;
use crate::store::Record;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::time::Duration;

/// The task looks at least this often, for what expires and for a clock that was set.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// Why something about alerts was not done.
#[derive(Debug, thiserror::Error)]
pub enum AlertsError {
    /// There is no workspace or it can't be written.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The configuration is wrong.
    #[error("{0}")]
    Config(ConfigError),
    /// The silence is wrong.
    #[error(transparent)]
    Silence(#[from] SilenceError),
    /// A channel of a receiver can't be sent to.
    #[error("receiver {receiver:?} cannot be armed, its channel {channel} cannot send: {reason}")]
    Channel {
        /// The receiver.
        receiver: String,
        /// The channel.
        channel: String,
        /// Why.
        reason: String,
    },
    /// No receiver of this name.
    #[error("there is no receiver {0:?}")]
    NoReceiver(String),
}

impl Engine {
    fn desk(&self) -> Result<&AlertDesk, EngineError> {
        Ok(&self.live("keep alerts")?.alerts)
    }

    /// Takes alerts in; returns when they are on disk. Those that make no sense are counted with their reasons, the others
    /// are kept all the same.
    pub fn post_alerts(&self, posted: Vec<PostedAlert>) -> Result<PostedOutcome, AlertsError> {
        Ok(self.desk()?.post(posted, super::now())?)
    }

    /// Everything about alerts as it is now.
    pub fn alerts(&self) -> Result<Snapshot, EngineError> {
        Ok(self.desk()?.snapshot(super::now()))
    }

    /// Makes or edits a silence; the id under which it is.
    pub fn set_silence(&self, silence: Silence) -> Result<String, AlertsError> {
        let id = random_uuid()?;
        self.desk()?.set_silence(silence, super::now(), id)
    }

    /// Ends a silence now.
    pub fn expire_silence(&self, id: &str) -> Result<(), AlertsError> {
        self.desk()?.expire_silence(id, super::now())
    }

    /// Takes over an Alertmanager configuration. Its receivers are not armed, except those that were before and that stayed
    /// as they were.
    pub fn set_routes(&self, text: &str) -> Result<(), AlertsError> {
        self.desk()?.set_routes(text, super::now())
    }

    /// Arms a receiver, so that what is decided for it is sent, or disarms it, which withdraws what waits. One with a channel
    /// that can't be sent to is not armed.
    pub fn arm_receiver(&self, name: &str, armed: bool) -> Result<(), AlertsError> {
        if armed {
            super::notify::check(&self.desk()?.config(), name)?;
        }
        self.desk()?.arm(name, armed, super::now())
    }

    /// Flushes what is due and forgets what is over.
    pub fn flush_alerts(&self, now: UnixNanos) -> Result<Vec<Flush>, EngineError> {
        let live = self.live("keep alerts")?;
        let (flushes, deliveries) = live.alerts.flush(now)?;
        live.post.add(deliveries);
        Ok(flushes)
    }

    /// The last notifications that were decided, oldest first: JSON with the time, the channel, whether it was armed, whether
    /// it was sent, which is that the receiver has it, and the webhook's body.
    pub fn notifications(&self) -> Result<Vec<String>, EngineError> {
        let workspace = self.live("keep alerts")?.served.now();
        let rows = workspace.records(NOTIFICATION).map_err(|error| EngineError::Workspace(error.to_string()))?;
        let states: HashMap<String, DeliveryState> = self.deliveries()?.into_iter().map(|one| (one.id, one.state)).collect();
        let with_state = |row: Record| {
            let state = states.get(&super::notify::id(&row.key));
            let mut value: Value = serde_json::from_slice(&row.value).ok()?;
            value["sent"] = Value::from(state == Some(&DeliveryState::Delivered));
            value["delivery"] = json!(state);
            Some(value.to_string())
        };
        Ok(rows.into_iter().filter_map(with_state).collect())
    }
}

/// Flushes groups when they are due, until the engine ends.
pub(super) async fn flush_when_due(engine: WeakEngine) {
    loop {
        let Some(strong) = engine.upgrade() else { return };
        let Ok(desk) = strong.desk() else { return };
        let now = super::now();
        let due = desk.next_due();
        let until = due.map_or(LOOK_EVERY, |due| Duration::from_nanos(due.since(now).0.max(0) as u64).min(LOOK_EVERY));
        let changed = desk.changed();
        drop(strong);
        tokio::select! {
            () = tokio::time::sleep(until) => {}
            () = changed.notified() => continue,
        }
        let Some(strong) = engine.upgrade() else { return };
        let flushed = tokio::task::spawn_blocking(move || strong.flush_alerts(super::now())).await;
        if let Ok(Err(error)) = flushed {
            tracing::error!(%error, "alerts are not flushed; tried again");
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
}

/// A UUID of version 4.
fn random_uuid() -> Result<String, EngineError> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).map_err(|error| EngineError::System { what: "making an id", reason: error.to_string() })?;
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]))
}

#[cfg(test)]
mod tests;
