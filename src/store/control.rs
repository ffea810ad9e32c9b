//! `control.sqlite`: settings, recent files and saved views, and the records of rooms above (alerts, silences), written by
//! its own thread so that telemetry never delays them.
//!
//! Settings are small, so they are read once and answered from memory. Whatever waits is written in one transaction, so
//! that many senders share one wait for the disk; a change counts once it is on disk.

use super::error::StoreError;
use super::schema::{self, Kind};
use rusqlite::{Connection, Transaction, params};
use std::collections::HashMap;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError, RwLock};
use std::thread::JoinHandle;

/// Changes that may wait.
const WAITING: usize = 64;

/// A record of a kind.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    /// Unique within its kind.
    pub key: Vec<u8>,
    /// What it says.
    pub value: Vec<u8>,
}

/// A change of one record, or of several.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RecordChange {
    /// Writes a record, in place of the one under its key.
    Put {
        /// Whose records.
        kind: &'static str,
        /// Unique among them.
        key: Vec<u8>,
        /// The record.
        value: Vec<u8>,
    },
    /// Forgets a record.
    Remove {
        /// Whose records.
        kind: &'static str,
        /// Its key.
        key: Vec<u8>,
    },
    /// Forgets all records whose key is less than this one.
    RemoveBefore {
        /// Whose records.
        kind: &'static str,
        /// The first key that stays.
        key: Vec<u8>,
    },
    /// Forgets all records of a kind.
    RemoveAll {
        /// Whose records.
        kind: &'static str,
    },
}

/// Tells when changes are on disk.
#[derive(Debug)]
pub struct Written(Receiver<Result<(), StoreError>>);

impl Written {
    /// Waits for it.
    pub fn wait(self) -> Result<(), StoreError> {
        self.0.recv().map_err(|_| StoreError::Closed)?
    }
}

enum What {
    /// A key and its JSON; `None` forgets it.
    Setting(String, Option<String>),
    Records(Vec<RecordChange>),
}

struct Change {
    what: What,
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
        self.submit(What::Setting(key.to_owned(), value.map(str::to_owned)))?.wait()?;
        let mut settings = self.settings.write().unwrap_or_else(PoisonError::into_inner);
        match value {
            Some(value) => settings.insert(key.to_owned(), value.to_owned()),
            None => settings.remove(key),
        };
        Ok(())
    }

    /// Hands changes of records to the writer. Changes are written in the order in which they were handed over, those of one
    /// call together or not at all.
    pub(crate) fn change_records(&self, changes: Vec<RecordChange>) -> Result<Written, StoreError> {
        self.submit(What::Records(changes))
    }

    fn submit(&self, what: What) -> Result<Written, StoreError> {
        let changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner).clone().ok_or(StoreError::Closed)?;
        let (reply, answer) = sync_channel(1);
        changes.send(Change { what, reply }).map_err(|_| StoreError::Closed)?;
        Ok(Written(answer))
    }

    /// Writes what waits and closes the file.
    pub(crate) fn close(&self) {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() {
            thread.join().ok();
        }
    }
}

/// All records of a kind, by key.
pub(crate) fn records(dir: &Path, kind: &str) -> Result<Vec<Record>, StoreError> {
    let connection = schema::open_reader(Kind::Control, dir)?;
    let read = || -> rusqlite::Result<Vec<Record>> {
        let mut statement = connection.prepare("SELECT key, value FROM record WHERE kind = ?1 ORDER BY key")?;
        statement.query_map([kind], |row| Ok(Record { key: row.get(0)?, value: row.get(1)? }))?.collect()
    };
    read().map_err(StoreError::sqlite("reading records"))
}

fn read(connection: &Connection) -> rusqlite::Result<HashMap<String, String>> {
    let mut statement = connection.prepare("SELECT key, value FROM setting")?;
    statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

fn write(mut connection: Connection, queue: &Receiver<Change>) {
    while let Ok(first) = queue.recv() {
        let waiting: Vec<Change> = std::iter::once(first).chain(queue.try_iter().take(WAITING)).collect();
        if commit(&mut connection, &waiting).is_ok() {
            for change in waiting {
                change.reply.send(Ok(())).ok();
            }
            continue;
        }
        // One of them fails: each alone, so that its own sender hears why and the others are written.
        for change in waiting {
            let result = commit(&mut connection, std::slice::from_ref(&change));
            change.reply.send(result.map_err(StoreError::sqlite("writing to the control file"))).ok();
        }
    }
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).ok();
}

fn commit(connection: &mut Connection, changes: &[Change]) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    for change in changes {
        match &change.what {
            What::Setting(key, Some(value)) => {
                let sql = "INSERT INTO setting (key, value) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = ?2";
                transaction.execute(sql, params![key, value])?;
            }
            What::Setting(key, None) => drop(transaction.execute("DELETE FROM setting WHERE key = ?1", [key])?),
            What::Records(records) => records.iter().try_for_each(|record| apply(&transaction, record))?,
        }
    }
    transaction.commit()
}

fn apply(transaction: &Transaction<'_>, change: &RecordChange) -> rusqlite::Result<()> {
    let cached = |sql| transaction.prepare_cached(sql);
    match change {
        RecordChange::Put { kind, key, value } => {
            cached("INSERT INTO record (kind, key, value) VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET value = ?3")?
                .execute(params![kind, key, value])?;
        }
        RecordChange::Remove { kind, key } => {
            cached("DELETE FROM record WHERE kind = ?1 AND key = ?2")?.execute(params![kind, key])?;
        }
        RecordChange::RemoveBefore { kind, key } => {
            cached("DELETE FROM record WHERE kind = ?1 AND key < ?2")?.execute(params![kind, key])?;
        }
        RecordChange::RemoveAll { kind } => {
            cached("DELETE FROM record WHERE kind = ?1")?.execute([kind])?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_written_together_replaced_and_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let control = Control::open(dir.path()).unwrap();
        let put = |key: u8, value: &str| RecordChange::Put { kind: "a", key: vec![key], value: value.into() };
        control.change_records(vec![put(1, "x"), put(2, "y"), put(3, "z"), put(2, "yy")]).unwrap().wait().unwrap();
        let read = || -> Vec<(Vec<u8>, Vec<u8>)> {
            records(dir.path(), "a").unwrap().into_iter().map(|record| (record.key, record.value)).collect()
        };
        assert_eq!(read(), [(vec![1], b"x".to_vec()), (vec![2], b"yy".to_vec()), (vec![3], b"z".to_vec())]);
        control
            .change_records(vec![
                RecordChange::RemoveBefore { kind: "a", key: vec![2] },
                RecordChange::Remove { kind: "a", key: vec![3] },
                RecordChange::RemoveAll { kind: "b" },
            ])
            .unwrap()
            .wait()
            .unwrap();
        assert_eq!(read(), [(vec![2], b"yy".to_vec())]);
        control.close();
        assert!(control.change_records(vec![put(1, "x")]).is_err(), "closed");
        assert_eq!(read().len(), 1, "still there after the file was closed");
    }
}
