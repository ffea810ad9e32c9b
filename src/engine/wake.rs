//! Wakes the window when there is something new, at most once per [`WAKE_EVERY`].
//!
//! Anybody may call [`WakeUp::poke`] as often as they like; a thread of its own passes pokes on. The first poke after a
//! rest goes through at once, so that a single span is on screen without delay; those that follow wait their turn.

use super::WAKE_EVERY;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Waker;

/// See the module comment. Cheap to clone.
#[derive(Clone)]
pub struct WakeUp {
    waker: Arc<Mutex<Option<Waker>>>,
    pokes: SyncSender<()>,
}

impl WakeUp {
    /// Starts the thread; it ends when the last clone is dropped.
    pub fn start() -> Self {
        let waker: Arc<Mutex<Option<Waker>>> = Arc::default();
        let (pokes, poked) = sync_channel::<()>(1);
        let its_waker = waker.clone();
        let spawned = std::thread::Builder::new().name("waker".to_owned()).spawn(move || {
            while poked.recv().is_ok() {
                let waker = its_waker.lock().unwrap_or_else(PoisonError::into_inner).clone();
                if let Some(waker) = waker {
                    waker.wake();
                }
                std::thread::sleep(WAKE_EVERY);
            }
        });
        if let Err(error) = spawned {
            tracing::error!(%error, "no thread to wake the window");
        }
        Self { waker, pokes }
    }

    /// Who is woken from now on.
    pub fn set(&self, waker: Waker) {
        *self.waker.lock().unwrap_or_else(PoisonError::into_inner) = Some(waker);
    }

    /// Who is woken now, for answers that should not wait their turn.
    pub fn waker(&self) -> Option<Waker> {
        self.waker.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Something changed. Never blocks; pokes that come while one waits are the same poke.
    pub fn poke(&self) {
        self.pokes.try_send(()).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;
    use std::time::{Duration, Instant};

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn the_first_poke_wakes_at_once_and_a_burst_is_one_more() {
        let count = Arc::new(Count::default());
        let wake = WakeUp::start();
        wake.set(count.clone().into());
        let since = Instant::now();
        wake.poke();
        while count.0.load(Ordering::Relaxed) == 0 && since.elapsed() < Duration::from_secs(5) {
            std::thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        for _ in 0..1_000 {
            wake.poke();
        }
        std::thread::sleep(WAKE_EVERY * 4);
        assert_eq!(count.0.load(Ordering::Relaxed), 2);
    }
}
