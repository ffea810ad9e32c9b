//! Metrics and logs as they came, until their own rooms take them: LZ4 over the OTLP protobuf, with the counts by service.

use super::accounts::{Change, Changes};
use super::bytes::{In, Out};
use super::error::StoreError;
use super::shared::lock;
use super::writer::Writer;
use crate::model::{Door, Signal, UnixNanos};
use rusqlite::{Connection, params};
use smol_str::SmolStr;

/// Packs a payload.
pub(crate) fn encode(payload: &[u8]) -> Vec<u8> {
    lz4_flex::block::compress_prepend_size(payload)
}

/// Unpacks it. `None` for a damaged row.
fn decode(row: &[u8]) -> Option<Vec<u8>> {
    lz4_flex::block::decompress_size_prepended(row).ok()
}

/// Counts by service as a column.
pub(crate) fn encode_services(services: &[(SmolStr, u64)]) -> Vec<u8> {
    let mut out = Out::default();
    out.varint(services.len() as u64);
    for (service, count) in services {
        out.sized(service.as_bytes());
        out.varint(*count);
    }
    out.0
}

/// Reads the column back.
pub(crate) fn decode_services(bytes: &[u8]) -> Option<Vec<(SmolStr, u64)>> {
    let mut bytes = In(bytes);
    (0..bytes.count()?).map(|_| Some((bytes.text()?.into(), bytes.varint()?))).collect()
}

/// From stored to evicted (or back, with a negative sign), for the rows that a condition on `?1` selects.
fn counts(connection: &Connection, condition: &str, value: i64, sign: i64) -> Result<Changes, StoreError> {
    let failed = || StoreError::sqlite("counting metrics and logs");
    let mut changes = Changes::default();
    let sql = format!("SELECT door, signal, services FROM raw WHERE {condition}");
    let mut statement = connection.prepare(&sql).map_err(failed())?;
    let mut rows = statement.query([value]).map_err(failed())?;
    while let Some(row) = rows.next().map_err(failed())? {
        let number = |at: usize| row.get::<_, i64>(at).unwrap_or_default().max(0) as usize;
        let door = Door::ALL.get(number(0)).copied().unwrap_or(Door::Import);
        let signal = Signal::ALL.get(number(1)).copied().unwrap_or(Signal::Logs);
        let services = row.get::<_, Vec<u8>>(2).ok().and_then(|bytes| decode_services(&bytes)).unwrap_or_default();
        for (service, count) in services {
            changes.add((door, service, signal), Change::evicted(sign * count as i64));
        }
    }
    Ok(changes)
}

/// Shows `visit` every kept payload of a signal in the order it came, with its door and receipt.
pub(crate) fn each(
    connection: &Connection,
    signal: Signal,
    visit: &mut dyn FnMut(Door, UnixNanos, &[u8]),
) -> Result<(), StoreError> {
    let failed = || StoreError::sqlite("reading metrics and logs");
    let sql = "SELECT id, door, received, payload FROM raw WHERE signal = ?1 AND hidden = 0 ORDER BY id";
    let mut statement = connection.prepare_cached(sql).map_err(failed())?;
    let mut rows = statement.query([signal as u8]).map_err(failed())?;
    while let Some(row) = rows.next().map_err(failed())? {
        let number = |at: usize| row.get::<_, i64>(at).unwrap_or_default();
        let door = Door::ALL.get(number(1).max(0) as usize).copied().unwrap_or(Door::Import);
        let packed = row.get_ref(3).ok().and_then(|payload| payload.as_blob().ok()).unwrap_or_default();
        let payload = decode(packed).ok_or_else(|| StoreError::Damaged(format!("row {} of raw", number(0))))?;
        visit(door, UnixNanos(number(2)), &payload);
    }
    Ok(())
}

/// What a Clear has hidden.
pub(crate) fn hidden_counts(connection: &Connection, token: i64, sign: i64) -> Result<Changes, StoreError> {
    counts(connection, "hidden = ?1", token, sign)
}

impl Writer {
    /// One statement with its change of the accounts, in a transaction.
    fn change_raw(&mut self, sql: &str, condition: &str, value: i64) -> Result<(), StoreError> {
        let failed = || StoreError::sqlite("dropping metrics and logs");
        let changes = counts(&self.connection, condition, value, 1)?;
        if changes.is_empty() {
            return Ok(());
        }
        let transaction = self.connection.transaction().map_err(failed())?;
        transaction.execute(&format!("{sql} WHERE {condition}"), params![value]).map_err(failed())?;
        changes.write(&transaction)?;
        transaction.commit().map_err(failed())?;
        lock(&self.shared.ledger).apply(&changes);
        self.shared.changed();
        Ok(())
    }

    /// Hides everything under a Clear.
    pub(crate) fn hide_raw(&mut self, token: i64) -> Result<(), StoreError> {
        // The condition also binds the number that hides.
        self.change_raw("UPDATE raw SET hidden = ?1", "hidden = 0 AND ?1 = ?1", token)
    }

    /// Drops what was received before a time.
    pub(crate) fn drop_raw_before(&mut self, oldest: i64) -> Result<(), StoreError> {
        self.change_raw("DELETE FROM raw", "hidden = 0 AND received <= ?1", oldest)
    }

    /// Drops the oldest rows until at most `most` bytes stay; answers how many do.
    pub(crate) fn shrink_raw(&mut self, most: u64) -> Result<u64, StoreError> {
        let failed = || StoreError::sqlite("measuring metrics and logs");
        let sql = "SELECT id, LENGTH(payload) FROM raw WHERE hidden = 0 ORDER BY id DESC";
        // Nothing is kept until a row fits.
        let (mut bytes, mut first_kept) = (0, i64::MAX);
        {
            let mut statement = self.connection.prepare(sql).map_err(failed())?;
            let mut rows = statement.query([]).map_err(failed())?;
            while let Some(row) = rows.next().map_err(failed())? {
                let size = row.get::<_, i64>(1).map_err(failed())?.max(0) as u64;
                if bytes + size > most {
                    break;
                }
                bytes += size;
                first_kept = row.get(0).map_err(failed())?;
            }
        }
        self.change_raw("DELETE FROM raw", "hidden = 0 AND id < ?1", first_kept)?;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_and_its_counts_come_back() {
        let payload = b"otlp otlp otlp".repeat(20);
        assert_eq!(decode(&encode(&payload)), Some(payload));
        assert_eq!(decode(&[1, 2]), None);
        let services = vec![("a".into(), 3), ("".into(), u64::MAX)];
        assert_eq!(decode_services(&encode_services(&services)), Some(services));
    }
}
