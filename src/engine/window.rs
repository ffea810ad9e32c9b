//! Requests to show the window, from a second start of the program or from the API to whoever owns the main thread.
//!
//! The window (or the loop of `belvedere serve`) is the one host. It registers how it is told; a request is kept until the
//! host takes it, so that nothing is lost between two frames.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// Requests that wait; more are dropped, the window comes up all the same.
const WAITING: usize = 32;

/// "Come to the front", with files to open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WindowRequest {
    /// Files to open in it.
    pub files: Vec<PathBuf>,
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WindowAnswer {
    /// The host has been told.
    Told,
    /// There is nobody to show a window, and why.
    Impossible(String),
}

type Tell = Arc<dyn Fn() -> WindowAnswer + Send + Sync>;

/// See the module comment.
#[derive(Default)]
pub struct WindowRequests {
    host: Mutex<Option<Tell>>,
    waiting: Mutex<Vec<WindowRequest>>,
}

impl WindowRequests {
    /// The host from now on. `tell` is called from any thread and must not block.
    pub fn set_host(&self, tell: impl Fn() -> WindowAnswer + Send + Sync + 'static) {
        *self.host.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(tell));
    }

    /// Passes a request on.
    pub fn ask(&self, request: WindowRequest) -> WindowAnswer {
        let host = self.host.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(tell) = host else {
            return WindowAnswer::Impossible("this Belvedere has no window".to_owned());
        };
        {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            if waiting.len() < WAITING {
                waiting.push(request);
            }
        }
        let answer = tell();
        if answer != WindowAnswer::Told {
            self.take();
        }
        answer
    }

    /// What the host should do now.
    pub fn take(&self) -> Vec<WindowRequest> {
        std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_waits_for_the_host_and_is_refused_without_one() {
        let requests = WindowRequests::default();
        let request = WindowRequest { files: vec!["a.json".into()] };
        assert!(matches!(requests.ask(request.clone()), WindowAnswer::Impossible(_)));
        requests.set_host(|| WindowAnswer::Told);
        assert_eq!(requests.ask(request.clone()), WindowAnswer::Told);
        assert_eq!(requests.take(), [request]);
        assert!(requests.take().is_empty());
    }
}
