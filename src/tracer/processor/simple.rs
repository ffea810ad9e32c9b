//! Exports every span as it ends, on the thread that ends it. For tests and command line tools.

use super::{FlushError, Processor, is_sampled};
use crate::model::Span;
use crate::tracer::export::Exporter;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How long one export may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// See the module comment. Exports never run at the same time.
pub struct Simple(Mutex<Option<Box<dyn Exporter>>>);

impl Simple {
    /// Over an exporter.
    pub fn new(exporter: impl Exporter + 'static) -> Self {
        Self(Mutex::new(Some(Box::new(exporter))))
    }
}

impl Processor for Simple {
    fn on_end(&self, span: Box<Span>) {
        if is_sampled(&span)
            && let Some(exporter) = self.0.lock().unwrap_or_else(PoisonError::into_inner).as_mut()
            && let Err(error) = exporter.export(std::slice::from_ref(&span), TIMEOUT)
        {
            tracing::debug!(%error, "span not exported");
        }
    }

    fn flush(&self, _timeout: Duration) -> Result<(), FlushError> {
        Ok(())
    }

    fn shutdown(&self, _timeout: Duration) -> Result<(), FlushError> {
        if let Some(mut exporter) = self.0.lock().unwrap_or_else(PoisonError::into_inner).take() {
            exporter.shutdown();
        }
        Ok(())
    }
}
