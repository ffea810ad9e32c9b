//! The sample shop beside a running Belvedere. The shop is a command of a floor above, which brings the way to open it;
//! the engine starts it towards its own OTLP door and stops it.

use super::{Engine, EngineError};
use std::sync::{Mutex, OnceLock, PoisonError};

/// Opens a shop that sends to this base address. Dropping what it gives closes the shop without waiting.
type Open = dyn Fn(&str) -> Result<Box<dyn Send>, String> + Send + Sync;

/// The way to open a shop, and the one that is open.
#[derive(Default)]
pub(super) struct Demo {
    open: OnceLock<Box<Open>>,
    shop: Mutex<Option<Box<dyn Send>>>,
}

impl Engine {
    /// Brings the way to open the shop; the first one stays.
    pub fn bring_demo(&self, open: impl Fn(&str) -> Result<Box<dyn Send>, String> + Send + Sync + 'static) {
        let _ = self.0.demo.open.set(Box::new(open));
    }

    /// True when a shop can be opened here.
    pub fn has_demo(&self) -> bool {
        self.0.demo.open.get().is_some()
    }

    /// True while the shop is open.
    pub fn demo_runs(&self) -> bool {
        self.0.demo.shop.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Opens the shop towards the OTLP door. Nothing happens when it is open already.
    pub fn start_demo(&self) -> Result<(), EngineError> {
        let open = self.0.demo.open.get().ok_or_else(|| EngineError::Door("this build has no demo shop".to_owned()))?;
        let endpoint = format!("http://{}", self.otlp_address()?);
        let mut shop = self.0.demo.shop.lock().unwrap_or_else(PoisonError::into_inner);
        if shop.is_none() {
            *shop = Some(open(&endpoint).map_err(EngineError::Door)?);
        }
        drop(shop);
        self.wake();
        Ok(())
    }

    /// Closes the shop; what it has to send still arrives within two seconds.
    pub fn stop_demo(&self) {
        drop(self.0.demo.shop.lock().unwrap_or_else(PoisonError::into_inner).take());
        self.wake();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::EngineOptions;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    struct Closes(Arc<AtomicUsize>);

    impl Drop for Closes {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn a_shop_opens_once_towards_the_door_and_closes_with_the_engine() {
        let place = crate::engine::Place::Memory;
        let doors = vec![(crate::model::Door::OtlpHttp, vec!["127.0.0.1:0".parse().unwrap()])];
        let engine = Engine::start(EngineOptions { doors, ..EngineOptions::quiet(place) }).unwrap();
        assert!(!engine.has_demo() && engine.start_demo().is_err());
        let (opened, closed) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicUsize::new(0)));
        let (log, closes) = (opened.clone(), closed.clone());
        engine.bring_demo(move |endpoint| {
            log.lock().unwrap().push(endpoint.to_owned());
            Ok(Box::new(Closes(closes.clone())))
        });
        engine.start_demo().unwrap();
        engine.start_demo().unwrap();
        assert!(engine.demo_runs() && opened.lock().unwrap().len() == 1);
        assert!(opened.lock().unwrap()[0].starts_with("http://127.0.0.1:"));
        engine.stop_demo();
        assert!(!engine.demo_runs() && closed.load(Ordering::SeqCst) == 1);
        engine.start_demo().unwrap();
        engine.stop();
        assert_eq!(closed.load(Ordering::SeqCst), 2, "the shop closes with the engine");
    }
}
