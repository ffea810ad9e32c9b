//! Exporters: where ended spans go.

use crate::model::Span;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

#[cfg(feature = "headless")]
mod otlp;
#[cfg(feature = "headless")]
mod store;
#[cfg(feature = "headless")]
mod transport;

#[cfg(feature = "headless")]
pub use otlp::{Otlp, OtlpConfig};
#[cfg(feature = "headless")]
pub use store::IntoStore;
#[cfg(feature = "headless")]
pub use transport::{Protocol, RetryPolicy, Sender, SignalPath};

/// Why spans did not get where they should.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ExportError {
    /// The address can't be used.
    #[error("can't export to {endpoint}: {reason}")]
    Endpoint {
        /// What is wrong with it.
        reason: String,
        /// The address.
        endpoint: String,
    },
    /// No answer in time, or no connection, after all retries.
    #[error("no answer from {endpoint}: {reason}; is a collector listening there?")]
    Unreachable {
        /// What the last try met.
        reason: String,
        /// The address.
        endpoint: String,
    },
    /// The receiver refused for good.
    #[error("refused with {status} by {endpoint}: {message}")]
    Refused {
        /// HTTP or gRPC status.
        status: u16,
        /// What the receiver said.
        message: String,
        /// The address.
        endpoint: String,
    },
    /// The exporter has been shut down.
    #[error("the exporter has been shut down")]
    ShutDown,
}

/// Sends batches away. Called from one thread at a time.
pub trait Exporter: Send {
    /// Sends a batch, retries included, within `timeout`.
    fn export(&mut self, batch: &[Box<Span>], timeout: Duration) -> Result<(), ExportError>;

    /// Called once, after the last batch.
    fn shutdown(&mut self) {}
}

/// Keeps spans in memory, for tests.
#[derive(Clone, Default, Debug)]
pub struct InMemory(Arc<Mutex<Vec<Span>>>);

impl InMemory {
    /// What has come so far, in order.
    pub fn spans(&self) -> Vec<Span> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Forgets what has come.
    pub fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl Exporter for InMemory {
    fn export(&mut self, batch: &[Box<Span>], _timeout: Duration) -> Result<(), ExportError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(batch.iter().map(|span| Span::clone(span)));
        Ok(())
    }
}

#[cfg(all(test, feature = "headless"))]
mod tests;
