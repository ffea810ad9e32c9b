//! The lock file of a workspace: one writer, and whom to ask instead.
//!
//! The lock itself is the operating system's (it ends with the process, however that ends); the text in the file (process
//! id, API address, program version, one a line) only tells others whom to ask.

use super::error::StoreError;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Seek as _, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Name of the file in the workspace folder.
const FILE: &str = "lock";

/// A workspace that this process alone may write.
#[derive(Debug)]
pub struct Lock {
    file: Mutex<File>,
    path: PathBuf,
}

impl Lock {
    /// Takes the lock, or says who holds it.
    pub fn take(dir: &Path) -> Result<Self, StoreError> {
        let path = dir.join(FILE);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(StoreError::io("opening the lock file", &path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let (pid, api) = Self::holder(dir).unwrap_or((0, None));
                return Err(StoreError::Locked { pid, api, dir: dir.to_owned() });
            }
            Err(TryLockError::Error(error)) => return Err(StoreError::io("locking the workspace", &path)(error)),
        }
        let lock = Self { file: Mutex::new(file), path };
        lock.publish(None)?;
        Ok(lock)
    }

    /// Writes down where this process answers.
    pub fn publish(&self, api: Option<SocketAddr>) -> Result<(), StoreError> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let address = api.map(|address| address.to_string()).unwrap_or_default();
        let text = format!("{}\n{address}\n{}\n", std::process::id(), env!("CARGO_PKG_VERSION"));
        file.rewind()
            .and_then(|()| file.write_all(text.as_bytes()))
            .and_then(|()| file.set_len(text.len() as u64))
            .map_err(StoreError::io("writing the lock file", &self.path))
    }

    /// Gives the workspace up before the value is dropped.
    pub(crate) fn release(&self) {
        self.file.lock().unwrap_or_else(PoisonError::into_inner).unlock().ok();
    }

    /// Process id and API address that the file tells, whether or not that process still runs.
    pub fn holder(dir: &Path) -> Option<(u32, Option<SocketAddr>)> {
        let text = std::fs::read_to_string(dir.join(FILE)).ok()?;
        let mut lines = text.lines();
        let pid = lines.next()?.parse().ok()?;
        Some((pid, lines.next().and_then(|line| line.parse().ok())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_lock_names_the_first_holder() {
        let dir = tempfile::tempdir().unwrap();
        let lock = Lock::take(dir.path()).unwrap();
        let api: SocketAddr = "127.0.0.1:4319".parse().unwrap();
        lock.publish(Some(api)).unwrap();
        match Lock::take(dir.path()) {
            Err(StoreError::Locked { pid, api: told, .. }) => assert_eq!((pid, told), (std::process::id(), Some(api))),
            other => panic!("{other:?}"),
        }
        drop(lock);
        Lock::take(dir.path()).unwrap();
    }
}
