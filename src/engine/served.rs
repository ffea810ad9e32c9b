//! The workspace that the doors fill. It can be exchanged while they are open: what arrives afterwards goes to the new
//! one, what was queued is stored in the old one before it closes.

use super::settings::SettingStore;
use crate::collector::Sink;
use crate::model::{Door, SampleBatch, SampleValue, Signal, SpanBatch, UnixNanos};
use crate::store::{Busy, Receipt, Workspace};
use bytes::Bytes;
use smol_str::SmolStr;
use std::sync::{Arc, PoisonError, RwLock};

/// See the module comment. Cheap to clone.
#[derive(Clone)]
pub struct Served(Arc<RwLock<Workspace>>);

impl Served {
    /// Serves this one first.
    pub fn new(workspace: Workspace) -> Self {
        Self(Arc::new(RwLock::new(workspace)))
    }

    /// The one served now.
    pub fn now(&self) -> Workspace {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Serves another from now on, and answers the one before, which is still open.
    pub fn exchange(&self, workspace: Workspace) -> Workspace {
        std::mem::replace(&mut *self.0.write().unwrap_or_else(PoisonError::into_inner), workspace)
    }
}

impl Sink for Served {
    fn append_spans(&self, door: Door, batch: SpanBatch, received: UnixNanos) -> Result<Receipt, Busy> {
        self.now().append_spans(door, batch, received)
    }

    fn append_samples(&self, door: Door, batch: SampleBatch, received: UnixNanos) -> Result<Receipt, Busy> {
        self.now().append_samples(door, batch, received)
    }

    fn last_sample(&self, labels: &[u8]) -> Option<(i64, i64, SampleValue)> {
        Sink::last_sample(&self.now(), labels)
    }

    fn append_raw(
        &self,
        door: Door,
        signal: Signal,
        payload: Bytes,
        per_service: Vec<(SmolStr, u64)>,
        received: UnixNanos,
    ) -> Result<Receipt, Busy> {
        self.now().append_raw(door, signal, payload, per_service, received)
    }

    fn note_rejected(&self, door: Door, service: &str, signal: Signal, count: u64) {
        self.now().note_rejected(door, service, signal, count);
    }
}

impl SettingStore for Served {
    fn get(&self, key: &str) -> Option<String> {
        self.now().setting(key)
    }

    fn set(&self, key: &str, value: &str) -> Result<(), String> {
        self.now().set_setting(key, value).map_err(|error| error.to_string())
    }
}
