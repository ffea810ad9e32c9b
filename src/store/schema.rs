//! Opening the two files: whose they are, how new they are, how SQLite treats them, and the numbered migrations.
//!
//! A file that another program or a newer Belvedere wrote is recognised from its first hundred bytes, before SQLite
//! touches anything. Pages have 4 KiB: blobs of some 100 kB dominate, and each leaves half of its last page empty, which is
//! 2 % now and would grow with the page.

use super::error::StoreError;
use rusqlite::{Connection, OpenFlags};
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// `BELV` in ASCII: SQLite's application id of our files.
const APPLICATION_ID: i32 = 0x4245_4c56;
/// Pages of a reader's cache, in KiB when negative.
const READER_CACHE: i32 = -2_048;
/// As above, of the writer.
const WRITER_CACHE: i32 = -8_192;

/// One of the files of a workspace.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// Telemetry.
    Data,
    /// Definitions and settings.
    Control,
}

impl Kind {
    pub(crate) fn path(self, dir: &Path) -> PathBuf {
        dir.join(match self {
            Self::Data => "data.sqlite",
            Self::Control => "control.sqlite",
        })
    }

    /// Migrations in order; the first brings an empty file to version 1.
    fn migrations(self) -> &'static [&'static str] {
        match self {
            Self::Data => &[
                include_str!("migrations/data_001.sql"),
                include_str!("migrations/data_002.sql"),
                include_str!("migrations/data_003.sql"),
            ],
            Self::Control => &[include_str!("migrations/control_001.sql"), include_str!("migrations/control_002.sql")],
        }
    }
}

/// Refuses a foreign or newer file without opening it in SQLite. Absent and empty files are fine.
pub(crate) fn inspect(kind: Kind, dir: &Path) -> Result<(), StoreError> {
    let path = kind.path(dir);
    let mut header = Vec::new();
    match std::fs::File::open(&path) {
        Ok(file) => file.take(100).read_to_end(&mut header).map_err(StoreError::io("reading the workspace", &path))?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(StoreError::io("reading the workspace", &path)(error)),
    };
    if header.is_empty() {
        return Ok(());
    }
    let number = |at: usize| header.get(at..at + 4).and_then(|four| four.try_into().ok()).map_or(0, i32::from_be_bytes);
    if !header.starts_with(b"SQLite format 3\0") || header.len() < 100 {
        return Err(StoreError::Foreign { what: "this file is not an SQLite database".to_owned(), path });
    }
    if number(68) != APPLICATION_ID {
        let what = format!("this SQLite database belongs to another program (application id {:#x})", number(68));
        return Err(StoreError::Foreign { what, path });
    }
    let (found, known) = (number(60), kind.migrations().len() as i32);
    if found > known { Err(StoreError::Newer { found, known, path }) } else { Ok(()) }
}

/// The writing connection, migrated.
pub(crate) fn open_writer(kind: Kind, dir: &Path) -> Result<Connection, StoreError> {
    let path = kind.path(dir);
    let mut connection = Connection::open(&path).map_err(StoreError::sqlite("opening the workspace"))?;
    let setup = |connection: &Connection| {
        connection.busy_timeout(std::time::Duration::from_secs(5))?;
        // Only takes effect on a new file.
        connection.execute_batch("PRAGMA page_size = 4096; PRAGMA auto_vacuum = INCREMENTAL;")?;
        connection.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0;")?;
        connection.pragma_update(None, "cache_size", WRITER_CACHE)?;
        connection.pragma_update(None, "temp_store", "MEMORY")
    };
    setup(&connection).map_err(StoreError::sqlite("setting up the workspace"))?;
    migrate(&mut connection, kind).map_err(StoreError::sqlite("migrating the workspace"))?;
    Ok(connection)
}

fn migrate(connection: &mut Connection, kind: Kind) -> rusqlite::Result<()> {
    let version: i32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let missing = kind.migrations().iter().enumerate().skip(version.max(0) as usize);
    let mut applied = false;
    for (at, script) in missing {
        let transaction = connection.transaction()?;
        transaction.execute_batch(script)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", at as i32 + 1)?;
        transaction.commit()?;
        applied = true;
    }
    if applied {
        // The version must stand in the main file, where `inspect` looks.
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    }
    Ok(())
}

/// A connection that only copies the write-ahead log into the file; it never starts a transaction that writes.
pub(crate) fn open_checkpointer(kind: Kind, dir: &Path) -> Result<Connection, StoreError> {
    let connection = Connection::open(kind.path(dir)).map_err(StoreError::sqlite("opening the workspace to checkpoint"))?;
    let setup = |connection: &Connection| {
        connection.execute_batch("PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0;")?;
        connection.pragma_update(None, "cache_size", READER_CACHE)
    };
    setup(&connection).map_err(StoreError::sqlite("setting up the checkpointer"))?;
    Ok(connection)
}

/// A connection that only reads.
pub(crate) fn open_reader(kind: Kind, dir: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection =
        Connection::open_with_flags(kind.path(dir), flags).map_err(StoreError::sqlite("opening the workspace to read"))?;
    connection
        .busy_timeout(std::time::Duration::from_secs(5))
        .and_then(|()| connection.pragma_update(None, "cache_size", READER_CACHE))
        .map_err(StoreError::sqlite("setting up a reader"))?;
    Ok(connection)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_foreign_or_newer_file_is_refused_and_stays_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let path = Kind::Data.path(dir.path());
        std::fs::write(&path, "not a database, a shopping list of more than a hundred bytes ".repeat(3)).unwrap();
        assert!(matches!(inspect(Kind::Data, dir.path()), Err(StoreError::Foreign { .. })));
        std::fs::remove_file(&path).unwrap();
        Connection::open(&path).unwrap().execute_batch("CREATE TABLE other (x)").unwrap();
        let before = std::fs::read(&path).unwrap();
        assert!(matches!(inspect(Kind::Data, dir.path()), Err(StoreError::Foreign { .. })));
        assert_eq!(std::fs::read(&path).unwrap(), before);
        std::fs::remove_file(&path).unwrap();
        drop(open_writer(Kind::Data, dir.path()).unwrap());
        inspect(Kind::Data, dir.path()).unwrap();
        Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
        let refused = inspect(Kind::Data, dir.path());
        assert!(matches!(refused, Err(StoreError::Newer { found: 99, known: 3, .. })), "{refused:?}");
    }
}
