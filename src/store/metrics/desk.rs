//! The writer's side of metrics: what is taken and what is not, the journal, and the way back when a commit fails.
//!
//! A sample later than the last of its series, nearly every one, costs one look into an array. Any other is compared with
//! what is stored at its time: in the head, and among what waits in the same group. Nothing is published before its commit,
//! so a commit that fails leaves no trace but the numbers of new series, which the next commit writes down.

use super::super::Appended;
use super::super::accounts::{Change, Changes};
use super::super::error::StoreError;
use super::super::shared::{Shared, lock, read_lock, write_lock};
use super::super::writer::Writer;
use super::block::{Block, PARTS};
use super::index::SeriesId;
use super::row::Rows;
use super::seal::{load_part, read_all_series, read_block_rows, read_blocks};
use super::{OUT_OF_ORDER_WINDOW_MS, Refusal, SamplesJob};
use crate::model::{Door, MetricKind, MetricMetadata, SampleColumn, Signal, UnixNanos};
use crate::source::MillisRange;
use rusqlite::{Connection, params};
use smol_str::SmolStr;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::oneshot;

/// Whom to tell what became of a batch.
type Reply = (oneshot::Sender<Result<Appended, StoreError>>, Appended);
/// Kinds by the number in the table `metric`.
const KINDS: [MetricKind; 8] = [
    MetricKind::Unknown,
    MetricKind::Counter,
    MetricKind::Gauge,
    MetricKind::Histogram,
    MetricKind::GaugeHistogram,
    MetricKind::Summary,
    MetricKind::Info,
    MetricKind::StateSet,
];

/// What the writer knows of metrics.
#[derive(Default)]
pub(crate) struct Desk {
    /// Latest time taken of each series; `i64::MIN` when none is known.
    tails: Vec<i64>,
    next_row: i64,
    /// Number of the next block.
    pub(crate) next_block: i64,
    /// Latest sealed sample of any series.
    pub(crate) sealed_last: i64,
    /// Series that were there at the start: their sealed samples are looked for when it matters.
    known_at_start: SeriesId,
    /// Journal rows that could not be read and stay as they are.
    pub(crate) damaged: Vec<i64>,
    /// A row of the dictionary could not be read: it stays, and no series is forgotten.
    pub(crate) dictionary_damaged: bool,
    /// Blocks that were replaced and whose parts a view may still read.
    pub(crate) condemned: Vec<Arc<Block>>,
}

impl Desk {
    /// Number of the next journal row.
    pub(crate) fn next_row(&self) -> i64 {
        self.next_row
    }

    /// True for a time that is surely after every sample of the series.
    #[inline]
    fn is_later(&self, id: SeriesId, time: i64) -> bool {
        let tail = self.tails[id as usize];
        time > tail && (tail != i64::MIN || id >= self.known_at_start || time > self.sealed_last)
    }

    /// Knows nothing of a series any more.
    pub(crate) fn forget_tail(&mut self, id: SeriesId) {
        if let Some(tail) = self.tails.get_mut(id as usize) {
            *tail = i64::MIN;
        }
    }
}

/// A batch after the look for duplicates.
struct Admitted {
    job: SamplesJob,
    row: i64,
    appended: Appended,
    services: Vec<(SmolStr, u64)>,
    changes: Vec<(SmolStr, Change)>,
}

/// The batches of one group commit.
#[derive(Default)]
pub(crate) struct Group {
    admitted: Vec<Admitted>,
    /// Tails as they were, to be put back.
    undo: Vec<(SeriesId, i64)>,
    /// Every sample taken in this group; made when the first one out of order asks.
    taken: Option<HashMap<(SeriesId, i64), u64>>,
    /// Series whose dictionary row this commit writes.
    series: Vec<SeriesId>,
    metadata: Vec<MetricMetadata>,
    weight: usize,
}

impl Group {
    /// True when there is nothing to write.
    pub(crate) fn is_empty(&self) -> bool {
        self.admitted.is_empty()
    }

    /// Bytes that waited.
    pub(crate) fn weight(&self) -> usize {
        self.weight
    }

    fn taken(&mut self) -> &mut HashMap<(SeriesId, i64), u64> {
        let Self { taken, admitted, .. } = self;
        taken.get_or_insert_with(|| {
            let mut map = HashMap::new();
            admitted.iter().for_each(|one| note_rows(&mut map, &one.job.rows));
            map
        })
    }
}

fn note_rows(map: &mut HashMap<(SeriesId, i64), u64>, rows: &Rows) {
    for entry in &rows.entries {
        for at in entry.samples.clone() {
            map.insert((entry.series, rows.times[at as usize]), rows.values[at as usize].to_bits());
        }
    }
}

/// What becomes of one sample.
enum Verdict {
    Late,
    Duplicate,
    Refused(Refusal),
}

impl Verdict {
    /// For a sample whose time has one already.
    fn of_twin(known: u64, bits: u64) -> Self {
        if known == bits { Self::Duplicate } else { Self::Refused(Refusal::Conflicting) }
    }
}

/// The samples of the first entries, of the last of them those before `until`.
fn brought(rows: &Rows, last: usize, until: u32) -> HashMap<(SeriesId, i64), u64> {
    let mut map = HashMap::new();
    for (number, entry) in rows.entries[..=last].iter().enumerate() {
        let end = if number == last { until } else { entry.samples.end };
        for at in entry.samples.start..end {
            map.insert((entry.series, rows.times[at as usize]), rows.values[at as usize].to_bits());
        }
    }
    map
}

impl Writer {
    /// Decides about the batches of a group.
    pub(crate) fn admit_samples(&mut self, jobs: Vec<SamplesJob>) -> Group {
        let mut group = Group::default();
        for job in jobs {
            group.weight += job.weight;
            let admitted = self.admit_batch(job, &mut group);
            if let Some(taken) = &mut group.taken {
                note_rows(taken, &admitted.job.rows);
            }
            group.admitted.push(admitted);
        }
        if !group.is_empty() {
            group.series = write_lock(&self.shared.metrics.index).take_unwritten();
            group.metadata = std::mem::take(&mut *lock(&self.shared.metrics.unwritten));
        }
        group
    }

    fn admit_batch(&mut self, mut job: SamplesJob, group: &mut Group) -> Admitted {
        let mut appended = Appended::default();
        let mut changes: Vec<(SmolStr, Change)> = Vec::new();
        for (refusal, service, count) in &job.refused {
            appended.note(*refusal, *count);
            changes.push((service.clone(), Change::rejected(*count)));
        }
        let end = job.rows.entries.iter().map(|entry| entry.series as usize + 1).max().unwrap_or(0);
        if self.metrics.tails.len() < end {
            self.metrics.tails.resize(end, i64::MIN);
        }
        let mut dropped: Vec<bool> = Vec::new();
        // What this batch has brought, from its first sample on that is not later than the last of its series.
        let mut own: Option<HashMap<(SeriesId, i64), u64>> = None;
        for (number, entry) in job.rows.entries.iter().enumerate() {
            let id = entry.series as usize;
            let before = self.metrics.tails[id];
            for at in entry.samples.clone() {
                let (time, bits) = (job.rows.times[at as usize], job.rows.values[at as usize].to_bits());
                if self.metrics.is_later(entry.series, time) {
                    self.metrics.tails[id] = time;
                    appended.stored += 1;
                    if let Some(own) = &mut own {
                        own.insert((entry.series, time), bits);
                    }
                    continue;
                }
                if self.metrics.tails[id] == i64::MIN {
                    self.metrics.tails[id] = self.sealed_tail(entry.series);
                    if time > self.metrics.tails[id] {
                        self.metrics.tails[id] = time;
                        appended.stored += 1;
                        if let Some(own) = &mut own {
                            own.insert((entry.series, time), bits);
                        }
                        continue;
                    }
                }
                let own = own.get_or_insert_with(|| brought(&job.rows, number, at));
                let verdict = match own.get(&(entry.series, time)) {
                    Some(known) => Verdict::of_twin(*known, bits),
                    None => self.look_at(job.door, entry.series, time, bits, group),
                };
                let change = match verdict {
                    Verdict::Late => {
                        appended.stored += 1;
                        appended.out_of_order += 1;
                        own.insert((entry.series, time), bits);
                        continue;
                    }
                    Verdict::Refused(refusal) => {
                        appended.note(refusal, 1);
                        Change::rejected(1)
                    }
                    Verdict::Duplicate => {
                        appended.duplicate += 1;
                        Change::duplicate(1)
                    }
                };
                dropped.resize(job.rows.times.len(), false);
                dropped[at as usize] = true;
                let index = read_lock(&self.shared.metrics.index);
                let service = index.get(entry.series).map(|series| index.service(series.service)).unwrap_or_default();
                changes.push((service, change));
            }
            if self.metrics.tails[id] != before {
                group.undo.push((entry.series, before));
            }
        }
        if !dropped.is_empty() {
            job.rows = job.rows.without(&dropped);
            job.row = job.rows.encode();
        }
        let services = self.shared.metrics.services(&job.rows);
        Admitted { job, row: 0, appended, services, changes }
    }

    /// Decides about a sample that is not later than the last of its series.
    fn look_at(&self, door: Door, id: SeriesId, time: i64, bits: u64, group: &mut Group) -> Verdict {
        let tail = self.metrics.tails[id as usize];
        let known = match group.taken().get(&(id, time)) {
            Some(known) => Some(*known),
            None => self.stored_at(id, time),
        };
        match known {
            Some(known) => Verdict::of_twin(known, bits),
            None if door != Door::Import && time < tail.saturating_sub(OUT_OF_ORDER_WINDOW_MS) => {
                Verdict::Refused(Refusal::TooOld)
            }
            None => Verdict::Late,
        }
    }

    /// The value stored for a time.
    fn stored_at(&self, id: SeriesId, time: i64) -> Option<u64> {
        let view = self.shared.metrics.view();
        let range = MillisRange { start: time, end: time };
        let mut column = SampleColumn::default();
        if let Err(error) = read_blocks(&self.shared, &view.blocks, id, range, &mut column) {
            tracing::warn!(%error, "a sample is taken for new because what is stored cannot be read");
        }
        for generation in view.frozen.iter().chain([&view.active]) {
            generation.read(id, range, super::head::Mark::ALL, &mut column);
        }
        column.values.first().map(|value| value.to_bits())
    }

    /// The latest sealed sample of a series; `i64::MIN` when there is none.
    fn sealed_tail(&self, id: SeriesId) -> i64 {
        let view = self.shared.metrics.view();
        let mut last = i64::MIN;
        for block in view.blocks.iter() {
            if block.times.1 <= last {
                continue;
            }
            let part = block.part_of(id).and_then(|row| load_part(&self.shared, row).ok().flatten());
            last = part.and_then(|part| part.last_time(id)).map_or(last, |time| time.max(last));
        }
        last
    }

    /// Gives the batches their journal rows; the caller holds the transaction.
    pub(crate) fn write_samples(
        transaction: &Connection,
        shared: &Shared,
        mut next_row: i64,
        group: &mut Group,
        changes: &mut Changes,
    ) -> Result<i64, StoreError> {
        let failed = || StoreError::sqlite("writing the journal of samples");
        if !group.series.is_empty() {
            let rows = read_lock(&shared.metrics.index).encode_rows(&group.series);
            let sql = "INSERT INTO series (payload) VALUES (?1)";
            for row in rows {
                transaction.prepare_cached(sql).and_then(|mut insert| insert.execute([row])).map_err(failed())?;
            }
        }
        for one in &group.metadata {
            let kind = KINDS.iter().position(|kind| *kind == one.kind).unwrap_or(0) as i64;
            let sql = "INSERT INTO metric (family, kind, help, unit) VALUES (?1, ?2, ?3, ?4)
                ON CONFLICT DO UPDATE SET kind = ?2, help = ?3, unit = ?4";
            transaction
                .prepare_cached(sql)
                .and_then(|mut insert| insert.execute(params![one.family.as_str(), kind, one.help.as_str(), one.unit.as_str()]))
                .map_err(failed())?;
        }
        let sql = "INSERT INTO sample_journal (id, door, received, samples, payload) VALUES (?1, ?2, ?3, ?4, ?5)";
        let mut insert = transaction.prepare_cached(sql).map_err(failed())?;
        for one in &mut group.admitted {
            for (service, change) in &one.changes {
                changes.add((one.job.door, service.clone(), Signal::Metrics), *change);
            }
            for refusal in Refusal::ALL {
                let count = one.appended.refused(refusal);
                if count > 0 {
                    let sql = "INSERT INTO refusal (door, reason, samples) VALUES (?1, ?2, ?3)
                        ON CONFLICT DO UPDATE SET samples = samples + ?3";
                    transaction
                        .prepare_cached(sql)
                        .and_then(|mut insert| insert.execute(params![one.job.door as u8, refusal as u8, count as i64]))
                        .map_err(failed())?;
                }
            }
            let samples = one.job.rows.len();
            if samples == 0 && one.job.rows.exemplars.is_empty() {
                continue;
            }
            one.row = next_row;
            next_row += 1;
            insert
                .execute(params![one.row, one.job.door as u8, one.job.received.0, samples as i64, one.job.row])
                .map_err(failed())?;
        }
        Ok(next_row)
    }

    /// Shows a committed group to readers; answers whom to tell.
    pub(crate) fn publish_samples(&mut self, group: Group, next_row: i64, changes: &mut Changes) -> Vec<Reply> {
        self.metrics.next_row = next_row;
        let metrics = &self.shared.metrics;
        let active = metrics.view().active;
        let mut replies = Vec::with_capacity(group.admitted.len());
        for one in group.admitted {
            let door = one.job.door;
            for (service, change) in one.changes {
                changes.add((door, service, Signal::Metrics), change);
            }
            for refusal in Refusal::ALL.into_iter().filter(|refusal| one.appended.refused(*refusal) > 0) {
                *lock(&metrics.refusals).entry((door, refusal)).or_default() += one.appended.refused(refusal);
            }
            if one.row > 0 {
                active.push(&one.job.rows);
                let mut counts = Vec::with_capacity(one.services.len());
                for (service, count) in one.services {
                    changes.add((door, service.clone(), Signal::Metrics), Change::stored(count));
                    counts.push(((door, service), count));
                }
                active.note(one.row, one.job.row.len(), one.job.received.0, &counts);
            }
            replies.push((one.job.reply, one.appended));
        }
        if !replies.is_empty() {
            metrics.changed();
        }
        replies
    }

    /// Takes back what a group that could not be written has changed, and tells its senders.
    pub(crate) fn fail_samples(&mut self, group: Group, error: &StoreError) {
        for (id, tail) in group.undo.into_iter().rev() {
            self.metrics.tails[id as usize] = tail;
        }
        write_lock(&self.shared.metrics.index).put_back_unwritten(group.series);
        let mut unwritten = lock(&self.shared.metrics.unwritten);
        let later = std::mem::replace(&mut *unwritten, group.metadata);
        unwritten.extend(later);
        drop(unwritten);
        for one in group.admitted {
            one.job.reply.send(Err(error.clone())).ok();
        }
    }

    /// Reads series, metadata and the journal after a start. Damaged rows are reported, kept and passed over.
    pub(crate) fn replay_samples(&mut self) -> Result<Vec<String>, StoreError> {
        let failed = || StoreError::sqlite("reading the stored metrics");
        let mut problems = Vec::new();
        if let Err(error) = self.free_orphans() {
            tracing::warn!(%error, "samples of blocks that are gone take room until the next start");
        }
        self.read_dictionary(&mut problems)?;
        self.metrics.dictionary_damaged = !problems.is_empty();
        let mut changes = Changes::default();
        let end = read_lock(&self.shared.metrics.index).end();
        self.metrics.tails = vec![i64::MIN; end as usize];
        // Above every number that was ever given, read or not: none is given to another series.
        let sealed = read_all_series(&self.connection)?.iter().filter_map(|series| series.iter().last()).max();
        let told = self.connection.query_row("SELECT MAX(series) FROM exemplar", [], |row| row.get::<_, Option<SeriesId>>(0));
        let mut given = sealed.max(told.map_err(failed())?);
        let blocks = read_block_rows(&self.connection, 0)?;
        self.metrics.sealed_last = blocks.iter().map(|block| block.times.1).max().unwrap_or(i64::MIN);
        let largest =
            self.connection.query_row("SELECT COALESCE(MAX(id), 0) FROM metric_block", [], |row| row.get::<_, i64>(0));
        let parts = self.connection.query_row("SELECT COALESCE(MAX(id), 0) FROM metric_part", [], |row| row.get::<_, i64>(0));
        self.metrics.next_block = largest.map_err(failed())?.max(parts.map_err(failed())? / PARTS) + 1;
        lock(&self.shared.metrics.view).blocks = Arc::new(blocks);
        let active = self.shared.metrics.view().active;
        let sql = "SELECT id, door, received, samples, payload FROM sample_journal ORDER BY id";
        let mut statement = self.connection.prepare(sql).map_err(failed())?;
        let mut found = statement.query([]).map_err(failed())?;
        while let Some(row) = found.next().map_err(failed())? {
            let number = |at: usize| row.get::<_, i64>(at).unwrap_or_default();
            let (id, received) = (number(0), UnixNanos(number(2)));
            let door = Door::ALL.get(number(1).max(0) as usize).copied().unwrap_or(Door::Import);
            self.metrics.next_row = self.metrics.next_row.max(id + 1);
            let payload = row.get_ref(4).ok().and_then(|payload| payload.as_blob().ok()).unwrap_or_default();
            let rows = Rows::decode(payload).filter(|rows| rows.len() as i64 == number(3));
            given = given.max(rows.iter().flat_map(|rows| &rows.entries).map(|entry| entry.series).max());
            let Some(rows) = rows.filter(|rows| rows.entries.iter().all(|entry| entry.series < end)) else {
                problems.push(format!("journal row {id} with {} samples cannot be read and is kept as it is", number(3)));
                self.metrics.damaged.push(id);
                continue;
            };
            for entry in &rows.entries {
                let tail = &mut self.metrics.tails[entry.series as usize];
                let times = entry.samples.clone().map(|at| rows.times[at as usize]);
                *tail = times.max().map_or(*tail, |last| last.max(*tail));
            }
            active.push(&rows);
            let mut counts = Vec::new();
            for (service, count) in self.shared.metrics.services(&rows) {
                changes.add((door, service.clone(), Signal::Metrics), Change::stored(count));
                counts.push(((door, service), count));
            }
            active.note(id, payload.len(), received.0, &counts);
        }
        let end = given.map_or(end, |given| end.max(given.saturating_add(1)));
        write_lock(&self.shared.metrics.index).pass_over(end);
        self.metrics.known_at_start = end;
        lock(&self.shared.ledger).apply(&changes);
        self.metrics.next_row = self.metrics.next_row.max(1);
        Ok(problems)
    }

    fn read_dictionary(&self, problems: &mut Vec<String>) -> Result<(), StoreError> {
        let failed = || StoreError::sqlite("reading the series");
        let metrics = &self.shared.metrics;
        let mut statement = self.connection.prepare("SELECT id, payload FROM series ORDER BY id").map_err(failed())?;
        let mut rows = statement.query([]).map_err(failed())?;
        let mut index = write_lock(&metrics.index);
        while let Some(row) = rows.next().map_err(failed())? {
            let payload = row.get_ref(1).ok().and_then(|payload| payload.as_blob().ok()).unwrap_or_default();
            if index.decode(payload).is_none() {
                let id: i64 = row.get(0).unwrap_or_default();
                problems.push(format!("row {id} of the series cannot be read: samples of its series are not shown"));
            }
        }
        drop(index);
        let mut statement = self.connection.prepare("SELECT family, kind, help, unit FROM metric").map_err(failed())?;
        let mut rows = statement.query([]).map_err(failed())?;
        let mut metadata = write_lock(&metrics.metadata);
        while let Some(row) = rows.next().map_err(failed())? {
            let text = |at: usize| row.get::<_, String>(at).map(SmolStr::from).unwrap_or_default();
            let kind = KINDS.get(row.get::<_, i64>(1).unwrap_or_default().max(0) as usize).copied().unwrap_or_default();
            metadata.insert(text(0), MetricMetadata { family: text(0), kind, help: text(2), unit: text(3) });
        }
        drop(metadata);
        let mut statement = self.connection.prepare("SELECT door, reason, samples FROM refusal").map_err(failed())?;
        let mut rows = statement.query([]).map_err(failed())?;
        while let Some(row) = rows.next().map_err(failed())? {
            let number = |at: usize| row.get::<_, i64>(at).unwrap_or_default().max(0);
            let door = Door::ALL.get(number(0) as usize).copied();
            if let (Some(door), Some(refusal)) = (door, Refusal::ALL.get(number(1) as usize).copied()) {
                lock(&metrics.refusals).insert((door, refusal), number(2) as u64);
            }
        }
        Ok(())
    }
}
