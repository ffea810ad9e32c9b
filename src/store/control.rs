//! `control.sqlite`: settings, recent files and saved views, written by its own thread so that telemetry never delays them.
//!
//! Everything is small, so it is read once and answered from memory; a change returns after it is on disk.

use super::error::StoreError;
use super::schema::{self, Kind};
use rusqlite::{Connection, params};
use std::collections::HashMap;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError, RwLock};
use std::thread::JoinHandle;

/// Changes that may wait.
const WAITING: usize = 64;

struct Change {
    key: String,
    /// JSON; `None` forgets the key.
    value: Option<String>,
    reply: SyncSender<Result<(), StoreError>>,
}

/// The file and its thread.
#[derive(Debug)]
pub(crate) struct Control {
    settings: RwLock<HashMap<String, String>>,
    changes: Mutex<Option<SyncSender<Change>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Control {
    /// Opens, migrates and reads the file.
    pub(crate) fn open(dir: &Path) -> Result<Self, StoreError> {
        let connection = schema::open_writer(Kind::Control, dir)?;
        let settings = read(&connection).map_err(StoreError::sqlite("reading the settings"))?;
        let (changes, queue) = sync_channel(WAITING);
        let thread = std::thread::Builder::new()
            .name("control-writer".to_owned())
            .spawn(move || write(connection, &queue))
            .map_err(StoreError::io("starting the settings thread", dir))?;
        Ok(Self { settings: RwLock::new(settings), changes: Mutex::new(Some(changes)), thread: Mutex::new(Some(thread)) })
    }

    /// A setting's JSON text.
    pub(crate) fn get(&self, key: &str) -> Option<String> {
        self.settings.read().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    /// Writes a setting down, or forgets it.
    pub(crate) fn set(&self, key: &str, value: Option<&str>) -> Result<(), StoreError> {
        let changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner).clone().ok_or(StoreError::Closed)?;
        let (reply, answer) = sync_channel(1);
        let change = Change { key: key.to_owned(), value: value.map(str::to_owned), reply };
        changes.send(change).map_err(|_| StoreError::Closed)?;
        answer.recv().map_err(|_| StoreError::Closed)??;
        let mut settings = self.settings.write().unwrap_or_else(PoisonError::into_inner);
        match value {
            Some(value) => settings.insert(key.to_owned(), value.to_owned()),
            None => settings.remove(key),
        };
        Ok(())
    }

    /// Writes what waits and closes the file.
    pub(crate) fn close(&self) {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() {
            thread.join().ok();
        }
    }
}

fn read(connection: &Connection) -> rusqlite::Result<HashMap<String, String>> {
    let mut statement = connection.prepare("SELECT key, value FROM setting")?;
    statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

fn write(connection: Connection, queue: &Receiver<Change>) {
    for Change { key, value, reply } in queue {
        let result = match value {
            Some(value) => {
                let sql = "INSERT INTO setting (key, value) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = ?2";
                connection.execute(sql, params![key, value])
            }
            None => connection.execute("DELETE FROM setting WHERE key = ?1", [key]),
        };
        reply.send(result.map(|_| ()).map_err(StoreError::sqlite("writing a setting"))).ok();
    }
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).ok();
}
