//! Sealing: a generation of the head becomes a block, and blocks become other blocks.
//!
//! The keeper packs; the writer puts the block in, takes the journal rows out and moves the counts into the accounts, in one
//! transaction. A generation is frozen first, on the writer's thread, so that its journal rows are exactly those up to a
//! number; a new one takes samples at once. Retention, Clear and the joining of small blocks replace blocks in the same way.
//!
//! A reader reads its blocks part by part, long after it took its view. So a block that is replaced loses its own row in that
//! transaction, and its parts only when no view holds it any more; those that a program's end leaves behind go at the start.
//!
//! Long because what packs, what swaps and what sweeps share the order of one transaction, which is the invariant here.

use super::super::accounts::{Change, Changes};
use super::super::error::StoreError;
use super::super::keeper::Keeper;
use super::super::shared::{Shared, lock, read_lock, write_lock};
use super::super::writer::Writer;
use super::block::{self, Block, Counts, PARTS, Packer, Part};
use super::head::{Generation, Mark};
use super::index::SeriesId;
use super::source::into_order;
use crate::model::{Exemplar, SampleColumn, Signal};
use crate::source::MillisRange;
use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

/// Bytes of chunks at which the head is sealed.
const HEAD_BYTES: u64 = 64 << 20;
/// Bytes of journal rows at which it is, so that a replay stays short.
const JOURNAL_BYTES: u64 = 128 << 20;
/// Age of its first receipt at which it is, in nanoseconds: two hours, 480 samples at 15 s.
const HEAD_AGE_NS: i64 = 2 * 3_600_000_000_000;
/// Fewer samples than this stay in the journal at the end.
const WORTH_SEALING: u64 = 4_096;
/// A block of fewer samples a series than this is small.
const SMALL_SAMPLES: u64 = 240;
/// Small blocks beside each other that are made into one.
const SMALL_RUN: usize = 8;
/// Samples of a block made of small ones.
const JOINED_SAMPLES: u64 = 64 << 20;
/// Exemplars that are kept of a series.
pub(crate) const SERIES_EXEMPLARS: usize = 64;
/// Bytes of unpacked parts that are kept.
const PARTS_BYTES: usize = 48 << 20;

/// Parts that were read lately.
#[derive(Default)]
pub(crate) struct PartCache {
    parts: HashMap<i64, (Arc<Part>, u64)>,
    bytes: usize,
    clock: u64,
}

impl PartCache {
    fn get(&mut self, id: i64) -> Option<Arc<Part>> {
        self.clock += 1;
        let (part, used) = self.parts.get_mut(&id)?;
        *used = self.clock;
        Some(part.clone())
    }

    fn put(&mut self, id: i64, part: &Arc<Part>) {
        self.clock += 1;
        self.bytes += part.heap_bytes();
        if let Some((old, _)) = self.parts.insert(id, (part.clone(), self.clock)) {
            self.bytes -= old.heap_bytes();
        }
        if self.bytes > PARTS_BYTES {
            // The less recently used half goes at once, so that this is rare.
            let mut uses: Vec<u64> = self.parts.values().map(|(_, used)| *used).collect();
            uses.sort_unstable();
            let middle = uses[uses.len() / 2];
            self.parts.retain(|_, (_, used)| *used > middle);
            self.bytes = self.parts.values().map(|(part, _)| part.heap_bytes()).sum();
        }
    }
}

/// A part, from memory or from its row; `None` when it is gone, though the block was held.
pub(crate) fn load_part(shared: &Shared, id: i64) -> Result<Option<Arc<Part>>, StoreError> {
    if let Some(part) = lock(&shared.metrics.parts).get(id) {
        return Ok(Some(part));
    }
    let body = shared.read(|connection| read_part(connection, id))?;
    let Some(body) = body else { return Ok(None) };
    let part = Part::decode(body).ok_or_else(|| StoreError::Damaged(format!("part {id} of the sealed samples")))?;
    let part = Arc::new(part);
    lock(&shared.metrics.parts).put(id, &part);
    Ok(Some(part))
}

fn read_part(connection: &Connection, id: i64) -> Result<Option<Vec<u8>>, StoreError> {
    connection
        .prepare_cached("SELECT body FROM metric_part WHERE id = ?1")
        .and_then(|mut statement| statement.query_row([id], |row| row.get(0)).optional())
        .map_err(StoreError::sqlite("reading sealed samples"))
}

/// Appends a series' sealed samples within the range, block after block; times may go back where blocks overlap.
pub(crate) fn read_blocks(
    shared: &Shared,
    blocks: &[Arc<Block>],
    id: SeriesId,
    range: MillisRange,
    into: &mut SampleColumn,
) -> Result<(), StoreError> {
    for block in blocks.iter().filter(|block| block.overlaps(range)) {
        let Some(row) = block.part_of(id) else { continue };
        let part = load_part(shared, row)?.ok_or_else(|| gone(row))?;
        part.read(id, range, into)
            .ok_or_else(|| StoreError::Damaged(format!("series {id} in part {row} of the sealed samples")))?;
    }
    Ok(())
}

fn gone(part: i64) -> StoreError {
    StoreError::Damaged(format!("part {part} of the sealed samples, which is not there; if they were just cleared, ask again"))
}

/// A packed block and what it stands for.
pub(crate) struct BlockWork {
    packer: Packer,
    block: Block,
    exemplars: Vec<(SeriesId, Exemplar)>,
}

/// Reads the blocks under a Clear's number; 0 for those that nobody has hidden.
pub(crate) fn read_block_rows(connection: &Connection, hidden: i64) -> Result<Vec<Arc<Block>>, StoreError> {
    let failed = || StoreError::sqlite("reading the blocks of samples");
    let sql = "SELECT id, first_time, last_time, first_received, last_received, samples, bytes, parts, series, counts
        FROM metric_block WHERE hidden = ?1 ORDER BY id";
    let mut statement = connection.prepare(sql).map_err(failed())?;
    let mut rows = statement.query([hidden]).map_err(failed())?;
    let mut blocks = Vec::new();
    while let Some(row) = rows.next().map_err(failed())? {
        let number = |at: usize| row.get::<_, i64>(at).unwrap_or_default();
        let blob = |at: usize| row.get::<_, Vec<u8>>(at).unwrap_or_default();
        let parts = blob(7).chunks_exact(4).filter_map(|four| four.try_into().ok().map(SeriesId::from_le_bytes)).collect();
        let (Some(series), Some(counts)) = (block::SeriesBits::decode(&blob(8)), block::decode_counts(&blob(9))) else {
            tracing::error!("block {} of samples cannot be read and is left as it is", number(0));
            continue;
        };
        blocks.push(Arc::new(Block {
            id: number(0),
            times: (number(1), number(2)),
            received: (number(3), number(4)),
            samples: number(5) as u64,
            bytes: number(6) as u64,
            parts,
            series,
            counts,
        }));
    }
    Ok(blocks)
}

fn insert_block(transaction: &Connection, block: &Block, parts: &[Vec<u8>]) -> Result<(), StoreError> {
    let failed = || StoreError::sqlite("writing a block of samples");
    let sql = "INSERT INTO metric_block
        (id, first_time, last_time, first_received, last_received, samples, bytes, parts, series, counts)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
    let firsts: Vec<u8> = block.parts.iter().flat_map(|first| first.to_le_bytes()).collect();
    transaction
        .prepare_cached(sql)
        .and_then(|mut insert| {
            insert.execute(params![
                block.id,
                block.times.0,
                block.times.1,
                block.received.0,
                block.received.1,
                block.samples as i64,
                block.bytes as i64,
                firsts,
                block.series.encode(),
                block::encode_counts(&block.counts),
            ])
        })
        .map_err(failed())?;
    let mut insert = transaction.prepare_cached("INSERT INTO metric_part (id, body) VALUES (?1, ?2)").map_err(failed())?;
    for (number, body) in parts.iter().enumerate() {
        insert.execute(params![block.id * PARTS + number as i64, body]).map_err(failed())?;
    }
    Ok(())
}

fn delete_parts(transaction: &Connection, block: i64) -> Result<(), StoreError> {
    transaction
        .execute("DELETE FROM metric_part WHERE id >= ?1 AND id < ?2", params![block * PARTS, (block + 1) * PARTS])
        .map(drop)
        .map_err(StoreError::sqlite("deleting sealed samples"))
}

/// Deletes a block's own row; its parts stay.
fn delete_block(transaction: &Connection, id: i64) -> Result<(), StoreError> {
    let failed = || StoreError::sqlite("deleting a block of samples");
    transaction.execute("DELETE FROM metric_block WHERE id = ?1", [id]).map(drop).map_err(failed())
}

/// From stored to evicted, or back with a negative sign.
fn evictions(blocks: &[Arc<Block>], sign: i64) -> Changes {
    let mut changes = Changes::default();
    for ((door, service), count) in blocks.iter().flat_map(|block| &block.counts) {
        changes.add((*door, service.clone(), Signal::Metrics), Change::evicted(sign * *count as i64));
    }
    changes
}

impl Keeper {
    /// Seals the head of samples when it has grown large or old.
    pub(crate) fn seal_samples_due(&self) -> Result<(), StoreError> {
        let view = self.shared.metrics.view();
        let active = &view.active;
        let first = active.received.0.load(Ordering::Relaxed);
        let age = (self.shared.options.clock)().0.saturating_sub(first);
        let due = active.samples() > 0
            && (active.bytes() > HEAD_BYTES || active.row_bytes.load(Ordering::Relaxed) > JOURNAL_BYTES || age > HEAD_AGE_NS);
        if due || !view.frozen.is_empty() { self.seal_samples() } else { Ok(()) }
    }

    /// Seals at the end what is worth it.
    pub(crate) fn seal_samples_at_close(&self, until: Instant) -> Result<(), StoreError> {
        if self.shared.metrics.head_samples() >= WORTH_SEALING && Instant::now() < until { self.seal_samples() } else { Ok(()) }
    }

    /// Seals every sample there is now.
    pub(crate) fn seal_samples(&self) -> Result<(), StoreError> {
        self.write(|writer| {
            writer.freeze_samples();
            Ok(())
        })?;
        for frozen in self.shared.metrics.view().frozen {
            let work = pack(&frozen);
            self.write(move |writer| writer.seal_generation(&frozen, work))?;
        }
        Ok(())
    }

    /// Packs the series of blocks that `keep` is true for into one; the counts are those of the services in it.
    fn repack_blocks(
        &self,
        blocks: &[Arc<Block>],
        keep: impl Fn(SeriesId) -> bool,
        counted: impl Fn(&str) -> bool,
    ) -> Result<Option<BlockWork>, StoreError> {
        let mut all = block::SeriesBits::default();
        blocks.iter().for_each(|block| all.join(&block.series));
        let (mut packer, mut column) = (Packer::default(), SampleColumn::default());
        for id in all.iter().filter(|id| keep(*id)) {
            column.clear();
            read_blocks(&self.shared, blocks, id, MillisRange::ALL, &mut column)?;
            if column.times.windows(2).any(|pair| pair[0] >= pair[1]) {
                into_order(&mut column);
            }
            packer.push(id, &column);
        }
        packer.finish();
        if packer.samples == 0 {
            return Ok(None);
        }
        let mut counts = Counts::default();
        for ((door, service), count) in blocks.iter().flat_map(|block| &block.counts).filter(|((_, name), _)| counted(name)) {
            *counts.entry((*door, service.clone())).or_default() += count;
        }
        let received = blocks.iter().map(|block| block.received).reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)));
        let block = packer.block(received.unwrap_or((0, 0)), counts);
        Ok(Some(BlockWork { packer, block, exemplars: Vec::new() }))
    }

    /// Makes small blocks that lie beside each other into one.
    pub(crate) fn join_small_blocks(&self) -> Result<(), StoreError> {
        self.write(Writer::free_parts)?;
        let blocks = self.shared.metrics.view().blocks;
        let mut run: Vec<Arc<Block>> = Vec::new();
        for block in blocks.iter() {
            let samples: u64 = run.iter().map(|block| block.samples).sum();
            let small = block.samples < SMALL_SAMPLES * block.series.len() as u64;
            // Undoing a Clear takes its blocks out again, as they are.
            let free = self.made_blocks.values().all(|made| !made.contains(&block.id));
            if small && free && samples + block.samples <= JOINED_SAMPLES {
                run.push(block.clone());
            } else if run.len() >= SMALL_RUN {
                break;
            } else {
                run.clear();
            }
        }
        if run.len() < SMALL_RUN {
            return Ok(());
        }
        let work = self.repack_blocks(&run, |_| true, |_| true)?;
        self.write(move |writer| writer.replace_blocks(&run, work, None).map(drop))
    }

    /// Hides what a Clear takes of the samples; answers the blocks that stand in the place of hidden ones.
    pub(crate) fn clear_samples(&self, service: Option<&str>, token: i64) -> Result<Vec<i64>, StoreError> {
        self.seal_samples()?;
        let mut made = Vec::new();
        for block in self.shared.metrics.view().blocks.iter() {
            let has = |service: &str| block.counts.keys().any(|(_, name)| name == service);
            if service.is_some_and(|service| !has(service)) {
                continue;
            }
            let one = vec![block.clone()];
            let work = match service {
                None => None,
                Some(service) => {
                    let index = read_lock(&self.shared.metrics.index);
                    let of = |id: SeriesId| index.get(id).map(|series| index.service(series.service));
                    let gone: block::SeriesBits = block
                        .series
                        .iter()
                        .filter(|id| of(*id).is_some_and(|name| name == service))
                        .fold(block::SeriesBits::default(), |mut bits, id| {
                            bits.insert(id);
                            bits
                        });
                    drop(index);
                    self.repack_blocks(&one, |id| !gone.has(id), |name| name != service)?
                }
            };
            made.extend(self.write(move |writer| writer.replace_blocks(&one, work, Some(token)))?);
        }
        Ok(made)
    }

    /// Drops blocks received before a time, then the oldest until at most `most` bytes stay; answers how many do.
    pub(crate) fn retain_samples(&self, oldest: i64, most: Option<u64>) -> Result<u64, StoreError> {
        let blocks = self.shared.metrics.view().blocks;
        let mut kept: u64 = blocks.iter().map(|block| block.bytes).sum();
        let mut gone = Vec::new();
        for block in blocks.iter() {
            if block.received.1 <= oldest || most.is_some_and(|most| kept > most) {
                kept -= block.bytes;
                gone.push(block.clone());
            }
        }
        if !gone.is_empty() {
            self.write(move |writer| {
                writer.replace_blocks(&gone, None, None)?;
                writer.forget_series()
            })?;
        }
        Ok(kept)
    }
}

/// Packs a frozen generation.
fn pack(frozen: &Generation) -> BlockWork {
    let (mut packer, mut column) = (Packer::default(), SampleColumn::default());
    for id in frozen.series() {
        column.clear();
        frozen.read(id, MillisRange::ALL, Mark::ALL, &mut column);
        packer.push(id, &column);
    }
    packer.finish();
    let received = (frozen.received.0.load(Ordering::Relaxed), frozen.received.1.load(Ordering::Relaxed));
    let block = packer.block(received, frozen.counts());
    BlockWork { packer, block, exemplars: frozen.exemplars() }
}

impl Writer {
    /// Lets a new generation take samples.
    pub(crate) fn freeze_samples(&mut self) {
        let mut view = lock(&self.shared.metrics.view);
        if view.active.last_row.load(Ordering::Relaxed) > 0 {
            let full = std::mem::take(&mut view.active);
            view.frozen.push(full);
        }
    }

    /// Puts a block in the place of a generation and of its journal rows.
    pub(crate) fn seal_generation(&mut self, frozen: &Arc<Generation>, mut work: BlockWork) -> Result<(), StoreError> {
        let failed = || StoreError::sqlite("sealing samples");
        if !lock(&self.shared.metrics.view).frozen.iter().any(|one| Arc::ptr_eq(one, frozen)) {
            return Ok(());
        }
        work.block.id = self.metrics.next_block;
        let damaged = self.metrics.damaged.clone();
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed())?;
        if work.block.samples > 0 {
            insert_block(&transaction, &work.block, &work.packer.parts)?;
        }
        insert_exemplars(&transaction, &work.exemplars)?;
        {
            let last = frozen.last_row.load(Ordering::Relaxed);
            let mut from = i64::MIN;
            for row in damaged.into_iter().filter(|row| *row <= last).chain([last + 1]) {
                let sql = "DELETE FROM sample_journal WHERE id >= ?1 AND id < ?2";
                transaction.execute(sql, params![from, row]).map_err(failed())?;
                from = row + 1;
            }
        }
        let mut changes = Changes::default();
        for ((door, service), count) in &work.block.counts {
            changes.add((*door, service.clone(), Signal::Metrics), Change::stored(*count));
        }
        changes.write(&transaction)?;
        transaction.commit().map_err(failed())?;
        self.metrics.next_block += 1;
        self.metrics.sealed_last = self.metrics.sealed_last.max(work.block.times.1);
        {
            let mut view = lock(&self.shared.metrics.view);
            view.frozen.retain(|one| !Arc::ptr_eq(one, frozen));
            if work.block.samples > 0 {
                Arc::make_mut(&mut view.blocks).push(Arc::new(work.block));
            }
        }
        self.shared.metrics.changed();
        self.shared.changed();
        Ok(())
    }

    /// Takes blocks away, or hides them, with another one in their place; answers its number.
    fn replace_blocks(
        &mut self,
        old: &[Arc<Block>],
        new: Option<BlockWork>,
        hide: Option<i64>,
    ) -> Result<Option<i64>, StoreError> {
        let failed = || StoreError::sqlite("replacing blocks of samples");
        let current = lock(&self.shared.metrics.view).blocks.clone();
        let is_current = |one: &Arc<Block>| current.iter().any(|known| known.id == one.id);
        if !old.iter().all(is_current) {
            return Ok(None);
        }
        let mut changes = evictions(old, 1);
        let mut made = None;
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed())?;
        for block in old {
            match hide {
                None => delete_block(&transaction, block.id)?,
                Some(token) => {
                    let sql = "UPDATE metric_block SET hidden = ?2 WHERE id = ?1";
                    transaction.execute(sql, params![block.id, token]).map_err(failed())?;
                }
            }
        }
        if let Some(BlockWork { packer, mut block, .. }) = new {
            block.id = self.metrics.next_block;
            insert_block(&transaction, &block, &packer.parts)?;
            let block = Arc::new(block);
            changes.merge(evictions(std::slice::from_ref(&block), -1));
            made = Some(block);
        }
        changes.write(&transaction)?;
        transaction.commit().map_err(failed())?;
        let id = made.as_ref().map(|block| block.id);
        {
            let mut view = lock(&self.shared.metrics.view);
            let blocks = Arc::make_mut(&mut view.blocks);
            let place = blocks.iter().position(|block| old.iter().any(|gone| gone.id == block.id)).unwrap_or(blocks.len());
            if let Some(block) = made {
                blocks.insert(place, block);
                self.metrics.next_block += 1;
            }
            blocks.retain(|block| !old.iter().any(|gone| gone.id == block.id));
        }
        if hide.is_none() {
            self.metrics.condemned.extend(current.iter().filter(|block| old.iter().any(|gone| gone.id == block.id)).cloned());
        }
        lock(&self.shared.ledger).apply(&changes);
        self.shared.metrics.changed();
        self.shared.changed();
        Ok(id)
    }

    /// Shows the blocks of a Clear again and drops those that stand in their place; the caller tells the ledger.
    pub(crate) fn unhide_samples(&mut self, token: i64, made: &[i64]) -> Result<(), StoreError> {
        let failed = || StoreError::sqlite("undoing Clear of samples");
        let hidden = read_block_rows(&self.connection, token)?;
        let current = lock(&self.shared.metrics.view).blocks.clone();
        let replaced: Vec<Arc<Block>> = current.iter().filter(|block| made.contains(&block.id)).cloned().collect();
        let mut changes = evictions(&hidden, -1);
        changes.merge(evictions(&replaced, 1));
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed())?;
        for block in &replaced {
            delete_block(&transaction, block.id)?;
        }
        transaction.execute("UPDATE metric_block SET hidden = 0 WHERE hidden = ?1", [token]).map_err(failed())?;
        changes.write(&transaction)?;
        transaction.commit().map_err(failed())?;
        {
            let mut view = lock(&self.shared.metrics.view);
            let blocks = Arc::make_mut(&mut view.blocks);
            blocks.retain(|block| !made.contains(&block.id));
            blocks.extend(hidden);
            blocks.sort_by_key(|block| (block.received.0, block.id));
        }
        self.metrics.condemned.extend(replaced);
        lock(&self.shared.ledger).apply(&changes);
        self.shared.metrics.changed();
        self.shared.changed();
        Ok(())
    }

    /// Deletes the parts of replaced blocks that no view holds any more.
    pub(crate) fn free_parts(&mut self) -> Result<(), StoreError> {
        // No view can come to hold one again: views are copied from the current one or from one that holds it.
        let free: Vec<i64> =
            self.metrics.condemned.iter().filter(|block| Arc::strong_count(block) == 1).map(|block| block.id).collect();
        if free.is_empty() {
            return Ok(());
        }
        let failed = || StoreError::sqlite("deleting sealed samples");
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed())?;
        for id in &free {
            delete_parts(&transaction, *id)?;
        }
        transaction.commit().map_err(failed())?;
        self.metrics.condemned.retain(|block| !free.contains(&block.id));
        Ok(())
    }

    /// Deletes parts whose block is gone: the program ended before they were freed.
    pub(crate) fn free_orphans(&mut self) -> Result<(), StoreError> {
        let failed = || StoreError::sqlite("deleting sealed samples");
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed())?;
        let mut from = 0;
        loop {
            let sql = "SELECT MIN(id) FROM metric_part WHERE id >= ?1";
            let part: Option<i64> = transaction.query_row(sql, [from], |row| row.get(0)).map_err(failed())?;
            let Some(block) = part.map(|part| part / PARTS) else { break };
            let sql = "SELECT EXISTS (SELECT 1 FROM metric_block WHERE id = ?1)";
            if !transaction.query_row(sql, [block], |row| row.get::<_, bool>(0)).map_err(failed())? {
                delete_parts(&transaction, block)?;
            }
            from = (block + 1) * PARTS;
        }
        transaction.commit().map_err(failed())
    }

    /// Deletes what Clear has hidden, once it can't be undone any more.
    pub(crate) fn purge_samples(&mut self) -> Result<(), StoreError> {
        let failed = || StoreError::sqlite("deleting cleared samples");
        let ids: Vec<i64> = {
            let mut statement = self.connection.prepare("SELECT id FROM metric_block WHERE hidden <> 0").map_err(failed())?;
            let rows = statement.query_map([], |row| row.get(0)).map_err(failed())?;
            rows.collect::<Result<_, _>>().map_err(failed())?
        };
        if ids.is_empty() {
            return Ok(());
        }
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed())?;
        for id in ids {
            delete_parts(&transaction, id)?;
            delete_block(&transaction, id)?;
        }
        transaction.commit().map_err(failed())?;
        self.forget_series()
    }

    /// Forgets series that nothing is stored of, in memory and in the dictionary. Does nothing while a sender may be about to
    /// name one: the next round comes.
    fn forget_series(&mut self) -> Result<(), StoreError> {
        let failed = || StoreError::sqlite("forgetting series");
        // The dictionary would be written anew without the rows that could not be read.
        if self.metrics.dictionary_damaged {
            return Ok(());
        }
        let metrics = &self.shared.metrics;
        let mut held = block::SeriesBits::default();
        for hidden in read_all_series(&self.connection)? {
            held.join(&hidden);
        }
        let view = metrics.view();
        view.frozen.iter().chain([&view.active]).flat_map(|one| one.series()).for_each(|id| held.insert(id));
        let mut index = write_lock(&metrics.index);
        if self.shared.waiting.load(Ordering::Acquire) > 0 {
            return Ok(());
        }
        let gone: Vec<SeriesId> = index.iter().map(|(id, _)| id).filter(|id| !held.has(*id)).collect();
        if gone.is_empty() {
            return Ok(());
        }
        let kept: Vec<SeriesId> = index.iter().map(|(id, _)| id).filter(|id| held.has(*id)).collect();
        let rows = index.encode_rows(&kept);
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed())?;
        transaction.execute("DELETE FROM series", []).map_err(failed())?;
        for row in rows {
            transaction.execute("INSERT INTO series (payload) VALUES (?1)", [row]).map_err(failed())?;
        }
        for id in &gone {
            transaction.execute("DELETE FROM exemplar WHERE series = ?1", [id]).map_err(failed())?;
        }
        transaction.commit().map_err(failed())?;
        index.forget(&gone);
        drop(index);
        for id in gone {
            self.metrics.forget_tail(id);
        }
        self.shared.metrics.changed();
        Ok(())
    }
}

/// The series of every block, hidden ones too.
pub(crate) fn read_all_series(connection: &Connection) -> Result<Vec<block::SeriesBits>, StoreError> {
    let failed = || StoreError::sqlite("reading the blocks of samples");
    let mut statement = connection.prepare("SELECT series FROM metric_block").map_err(failed())?;
    let rows = statement.query_map([], |row| row.get::<_, Vec<u8>>(0)).map_err(failed())?;
    rows.map(|row| Ok(block::SeriesBits::decode(&row.map_err(failed())?).unwrap_or_default())).collect()
}

/// Writes exemplars and keeps of each series the latest.
fn insert_exemplars(transaction: &Connection, exemplars: &[(SeriesId, Exemplar)]) -> Result<(), StoreError> {
    let failed = || StoreError::sqlite("writing exemplars");
    let mut by_series: HashMap<SeriesId, Vec<&Exemplar>> = HashMap::new();
    exemplars.iter().for_each(|(id, exemplar)| by_series.entry(*id).or_default().push(exemplar));
    let sql = "INSERT INTO exemplar (series, time, value, labels) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING";
    let mut insert = transaction.prepare_cached(sql).map_err(failed())?;
    let sql = "DELETE FROM exemplar WHERE series = ?1 AND time <
        (SELECT time FROM exemplar WHERE series = ?1 ORDER BY time DESC LIMIT 1 OFFSET ?2)";
    let mut trim = transaction.prepare_cached(sql).map_err(failed())?;
    for (id, mut list) in by_series {
        list.sort_by_key(|exemplar| exemplar.time);
        for exemplar in list.iter().skip(list.len().saturating_sub(SERIES_EXEMPLARS)) {
            insert.execute(params![id, exemplar.time, exemplar.value, exemplar.labels.packed()]).map_err(failed())?;
        }
        trim.execute(params![id, SERIES_EXEMPLARS as i64 - 1]).map_err(failed())?;
    }
    Ok(())
}
