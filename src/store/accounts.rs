//! What became of everything that was received, by door, service and signal.
//!
//! Always: received = stored + duplicate + rejected + evicted + sampled out. To hold after a crash too, the table `account`
//! is changed in the transaction that makes the change true: duplicates with the commit that left them out, evictions with
//! the delete. Spans in the journal are not in the table; the journal row itself is their entry, and sealing moves them
//! into the table in the transaction that deletes the row. So the hot path writes no account row at all.

use super::error::StoreError;
use crate::model::{Door, Signal};
use rusqlite::{Connection, params};
use smol_str::SmolStr;
use std::collections::{BTreeMap, HashMap};

/// One line of the accounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountRow {
    /// Door it came by.
    pub door: Door,
    /// Service name.
    pub service: SmolStr,
    /// Kind of telemetry.
    pub signal: Signal,
    /// Arrived.
    pub received: u64,
    /// In the store now.
    pub stored: u64,
    /// Client retries that were already stored, and pending spans that their finished form replaced.
    pub duplicate: u64,
    /// Refused for good.
    pub rejected: u64,
    /// Dropped by retention or by Clear.
    pub evicted: u64,
    /// Dropped by a sampling decision.
    pub sampled_out: u64,
}

/// Names a line.
pub(crate) type Key = (Door, SmolStr, Signal);

/// A change of a line; the columns of [`AccountRow`] in order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) received: i64,
    pub(crate) stored: i64,
    pub(crate) duplicate: i64,
    pub(crate) rejected: i64,
    pub(crate) evicted: i64,
}

impl Change {
    pub(crate) fn stored(count: u64) -> Self {
        Self { received: count as i64, stored: count as i64, ..Self::default() }
    }

    pub(crate) fn duplicate(count: u64) -> Self {
        Self { received: count as i64, duplicate: count as i64, ..Self::default() }
    }

    pub(crate) fn rejected(count: u64) -> Self {
        Self { received: count as i64, rejected: count as i64, ..Self::default() }
    }

    /// From stored to evicted; a negative count goes back.
    pub(crate) fn evicted(count: i64) -> Self {
        Self { stored: -count, evicted: count, ..Self::default() }
    }

    /// From stored to duplicate.
    pub(crate) fn replaced(count: u64) -> Self {
        Self { stored: -(count as i64), duplicate: count as i64, ..Self::default() }
    }

    fn add(&mut self, other: Self) {
        self.received += other.received;
        self.stored += other.stored;
        self.duplicate += other.duplicate;
        self.rejected += other.rejected;
        self.evicted += other.evicted;
    }
}

/// Changes that belong together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Changes(HashMap<Key, Change>);

impl Changes {
    pub(crate) fn add(&mut self, key: Key, change: Change) {
        self.0.entry(key).or_default().add(change);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn merge(&mut self, other: Self) {
        other.0.into_iter().for_each(|(key, change)| self.add(key, change));
    }

    /// Writes the changes into the table; the caller holds the transaction.
    pub(crate) fn write(&self, connection: &Connection) -> Result<(), StoreError> {
        let sql = "INSERT INTO account (door, service, signal, received, stored, duplicate, rejected, evicted)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
            ON CONFLICT DO UPDATE SET received = received + ?4, stored = stored + ?5, duplicate = duplicate + ?6,
                rejected = rejected + ?7, evicted = evicted + ?8";
        let failed = || StoreError::sqlite("writing the accounts");
        let mut statement = connection.prepare_cached(sql).map_err(failed())?;
        for ((door, service, signal), change) in &self.0 {
            let Change { received, stored, duplicate, rejected, evicted } = *change;
            statement
                .execute(params![*door as u8, service.as_str(), *signal as u8, received, stored, duplicate, rejected, evicted])
                .map_err(failed())?;
        }
        Ok(())
    }
}

/// The lines as they are now, in memory: the table plus the journal.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger(BTreeMap<(u8, SmolStr, u8), AccountRow>);

impl Ledger {
    /// What the table says.
    pub(crate) fn read(connection: &Connection) -> Result<Self, StoreError> {
        let failed = || StoreError::sqlite("reading the accounts");
        let mut ledger = Self::default();
        let sql = "SELECT door, service, signal, received, stored, duplicate, rejected, evicted, sampled_out FROM account";
        let mut statement = connection.prepare(sql).map_err(failed())?;
        let mut rows = statement.query([]).map_err(failed())?;
        while let Some(row) = rows.next().map_err(failed())? {
            let number = |at: usize| row.get::<_, i64>(at).unwrap_or_default().max(0) as u64;
            let service = SmolStr::from(row.get::<_, String>(1).map_err(failed())?);
            let door = Door::ALL.get(number(0) as usize).copied().unwrap_or(Door::Import);
            let signal = Signal::ALL.get(number(2) as usize).copied().unwrap_or(Signal::Traces);
            let line = AccountRow {
                door,
                service: service.clone(),
                signal,
                received: number(3),
                stored: number(4),
                duplicate: number(5),
                rejected: number(6),
                evicted: number(7),
                sampled_out: number(8),
            };
            ledger.0.insert((door as u8, service, signal as u8), line);
        }
        Ok(ledger)
    }

    pub(crate) fn apply(&mut self, changes: &Changes) {
        for ((door, service, signal), change) in &changes.0 {
            let line = self.0.entry((*door as u8, service.clone(), *signal as u8)).or_insert_with(|| AccountRow {
                door: *door,
                service: service.clone(),
                signal: *signal,
                received: 0,
                stored: 0,
                duplicate: 0,
                rejected: 0,
                evicted: 0,
                sampled_out: 0,
            });
            line.received = line.received.saturating_add_signed(change.received);
            line.stored = line.stored.saturating_add_signed(change.stored);
            line.duplicate = line.duplicate.saturating_add_signed(change.duplicate);
            line.rejected = line.rejected.saturating_add_signed(change.rejected);
            line.evicted = line.evicted.saturating_add_signed(change.evicted);
        }
    }

    pub(crate) fn rows(&self) -> Vec<AccountRow> {
        self.0.values().cloned().collect()
    }
}
