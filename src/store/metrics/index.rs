//! The series: what each is named, and which have a label.
//!
//! A series has a number, given in the order of first sight and never given again while the workspace is open. For each
//! label and value there is the rising list of the numbers that have it (postings), so that a question for series is a
//! meeting of sorted lists; see [`super::matching`]. Everything is in memory and is rebuilt from the dictionary at the start.
//!
//! Looking a known series up costs one hash and one comparison, and allocates nothing.

use super::super::bytes::{In, Out};
use crate::model::{Door, Labels};
use smol_str::SmolStr;
use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasherDefault, Hasher};
use xxhash_rust::xxh3::xxh3_64;

/// Number of a series.
pub(crate) type SeriesId = u32;
/// A series that was refused.
pub(crate) const NO_SERIES: SeriesId = SeriesId::MAX;
/// zstd level of the dictionary's rows: they are small and written once.
const DICTIONARY_LEVEL: i32 = 6;
/// A row of the dictionary above this size is taken for damage.
const MAX_DICTIONARY: usize = 1 << 28;
/// Series of one row at most.
const ROW_SERIES: usize = 1 << 16;
/// Bytes of label sets at which a row ends, far below the size that is refused.
const ROW_BYTES: usize = 1 << 26;

/// Values of one label, each with the series that have it, rising.
pub(crate) type Values = BTreeMap<SmolStr, Vec<SeriesId>>;

/// One series.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    pub(crate) labels: Labels,
    /// The door that it first came by.
    pub(crate) door: Door,
    /// Its service, as [`Index::service`] has it.
    pub(crate) service: u32,
}

/// Hands through a hash that is one already.
#[derive(Default, Clone, Copy)]
pub(crate) struct Passed(u64);

impl Hasher for Passed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.0 = self.0.rotate_left(8) ^ u64::from(*byte));
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

/// See the module comment.
#[derive(Default)]
pub(crate) struct Index {
    series: Vec<Option<Series>>,
    by_hash: HashMap<u64, SeriesId, BuildHasherDefault<Passed>>,
    postings: BTreeMap<SmolStr, Values>,
    services: Vec<SmolStr>,
    service_numbers: HashMap<SmolStr, u32>,
    per_door: [usize; Door::ALL.len()],
    live: usize,
    /// Series whose dictionary row is not written yet.
    unwritten: Vec<SeriesId>,
}

/// The service that a series counts for: its `job` without the namespace before the last slash, which is how OTLP's
/// `service.name` comes to be a job.
pub(crate) fn service_of(labels: &Labels) -> &str {
    let job = labels.get("job");
    job.rsplit_once('/').map_or(job, |(_, name)| name)
}

impl Index {
    /// The number of a packed label set; `None` for one that was never seen.
    pub(crate) fn find(&self, packed: &[u8]) -> Option<SeriesId> {
        let mut hash = xxh3_64(packed);
        loop {
            let id = *self.by_hash.get(&hash)?;
            if self.get(id).is_some_and(|series| series.labels.packed() == packed) {
                return Some(id);
            }
            // Two sets with one hash: the later one stands under the next number.
            hash = hash.wrapping_add(1);
        }
    }

    /// A series; `None` for one that is gone.
    pub(crate) fn get(&self, id: SeriesId) -> Option<&Series> {
        self.series.get(id as usize).and_then(Option::as_ref)
    }

    /// Gives a new series its number. The caller has looked that it is new.
    pub(crate) fn create(&mut self, labels: Labels, door: Door) -> SeriesId {
        let id = self.series.len() as SeriesId;
        self.insert(id, labels, door);
        self.unwritten.push(id);
        id
    }

    fn insert(&mut self, id: SeriesId, labels: Labels, door: Door) {
        if self.series.len() <= id as usize {
            self.series.resize(id as usize + 1, None);
        }
        let mut hash = xxh3_64(labels.packed());
        while self.by_hash.contains_key(&hash) {
            hash = hash.wrapping_add(1);
        }
        self.by_hash.insert(hash, id);
        for (name, value) in labels.iter() {
            let values = match self.postings.get_mut(name) {
                Some(values) => values,
                None => self.postings.entry(name.into()).or_default(),
            };
            match values.get_mut(value) {
                Some(list) => list.push(id),
                None => drop(values.insert(value.into(), vec![id])),
            }
        }
        let service = self.service_number(service_of(&labels));
        self.per_door[door as usize] += 1;
        self.live += 1;
        self.series[id as usize] = Some(Series { labels, door, service });
    }

    fn service_number(&mut self, service: &str) -> u32 {
        if let Some(number) = self.service_numbers.get(service) {
            return *number;
        }
        let number = self.services.len() as u32;
        self.services.push(service.into());
        self.service_numbers.insert(service.into(), number);
        number
    }

    /// The service of a number.
    pub(crate) fn service(&self, number: u32) -> SmolStr {
        self.services.get(number as usize).cloned().unwrap_or_default()
    }

    /// Series that first came by a door.
    pub(crate) fn of_door(&self, door: Door) -> usize {
        self.per_door[door as usize]
    }

    /// Series there are.
    pub(crate) fn len(&self) -> usize {
        self.live
    }

    /// One more than the largest number given.
    pub(crate) fn end(&self) -> SeriesId {
        self.series.len() as SeriesId
    }

    /// All series by number.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (SeriesId, &Series)> {
        self.series.iter().enumerate().filter_map(|(id, series)| Some((id as SeriesId, series.as_ref()?)))
    }

    /// Values of a label; `None` when no series has it.
    pub(crate) fn values(&self, name: &str) -> Option<&Values> {
        self.postings.get(name)
    }

    /// All labels with their values, by name.
    pub(crate) fn labels(&self) -> &BTreeMap<SmolStr, Values> {
        &self.postings
    }

    /// Takes the series whose dictionary row is to be written.
    pub(crate) fn take_unwritten(&mut self) -> Vec<SeriesId> {
        std::mem::take(&mut self.unwritten)
    }

    /// Puts them back after a write that failed.
    pub(crate) fn put_back_unwritten(&mut self, ids: Vec<SeriesId>) {
        let later = std::mem::replace(&mut self.unwritten, ids);
        self.unwritten.extend(later);
    }

    /// Forgets series that nothing is stored of any more.
    pub(crate) fn forget(&mut self, gone: &[SeriesId]) {
        let mut any = false;
        for id in gone {
            let Some(series) = self.series.get_mut(*id as usize).and_then(Option::take) else { continue };
            any = true;
            self.per_door[series.door as usize] -= 1;
            self.live -= 1;
            for (name, value) in series.labels.iter() {
                let Some(values) = self.postings.get_mut(name) else { continue };
                if let Some(list) = values.get_mut(value)
                    && let Ok(place) = list.binary_search(id)
                {
                    list.remove(place);
                    if list.is_empty() {
                        values.remove(value);
                    }
                }
                if values.is_empty() {
                    self.postings.remove(name);
                }
            }
        }
        if any {
            // Anew: a hole would break the chains of equal hashes.
            self.by_hash.clear();
            let Self { series, by_hash, .. } = self;
            for (id, series) in series.iter().enumerate().filter_map(|(id, series)| Some((id, series.as_ref()?))) {
                let mut hash = xxh3_64(series.labels.packed());
                while by_hash.contains_key(&hash) {
                    hash = hash.wrapping_add(1);
                }
                by_hash.insert(hash, id as SeriesId);
            }
        }
    }

    /// Gives no number below `end` any more.
    pub(crate) fn pass_over(&mut self, end: SeriesId) {
        if self.series.len() < end as usize {
            self.series.resize(end as usize, None);
        }
    }

    /// Rows of the dictionary with these series, each small enough to be read back.
    pub(crate) fn encode_rows(&self, ids: &[SeriesId]) -> Vec<Vec<u8>> {
        let (mut rows, mut first, mut bytes) = (Vec::new(), 0, 0);
        for (at, id) in ids.iter().enumerate() {
            bytes += self.get(*id).map_or(0, |series| series.labels.packed().len());
            if at + 1 - first == ROW_SERIES || bytes >= ROW_BYTES || at + 1 == ids.len() {
                rows.push(self.encode(&ids[first..=at]));
                (first, bytes) = (at + 1, 0);
            }
        }
        rows
    }

    /// A row of the dictionary with these series: number, door and what differs from the label set before.
    fn encode(&self, ids: &[SeriesId]) -> Vec<u8> {
        let mut out = Out::default();
        let (mut last, mut before): (i64, &[u8]) = (0, &[]);
        let known: Vec<(SeriesId, &Series)> = ids.iter().filter_map(|id| Some((*id, self.get(*id)?))).collect();
        out.varint(known.len() as u64);
        for (id, series) in known {
            let packed = series.labels.packed();
            let common = before.iter().zip(packed).take_while(|(a, b)| a == b).count();
            out.signed(i64::from(id) - last);
            out.u8(series.door as u8);
            out.varint(common as u64);
            out.sized(&packed[common..]);
            (last, before) = (i64::from(id), packed);
        }
        let mut row = Out::default();
        row.varint(out.0.len() as u64);
        // Compressing into a vector cannot fail; the plain form would still be read back.
        let small = zstd::bulk::compress(&out.0, DICTIONARY_LEVEL).ok().filter(|small| small.len() < out.0.len());
        row.u8(u8::from(small.is_some()));
        row.raw(small.as_deref().unwrap_or(&out.0));
        row.0
    }

    /// Adds the series of a dictionary row. `None` when it cannot be read; what could be is in.
    pub(crate) fn decode(&mut self, row: &[u8]) -> Option<()> {
        let mut row = In(row);
        let size = usize::try_from(row.varint()?).ok().filter(|size| *size <= MAX_DICTIONARY)?;
        let plain = match row.u8()? {
            0 => row.0.to_vec(),
            _ => zstd::bulk::decompress(row.0, size).ok()?,
        };
        let mut bytes = In(&plain);
        let (mut last, mut packed) = (0_i64, Vec::new());
        for _ in 0..bytes.count()? {
            let id = last.checked_add(bytes.signed()?)?;
            let door = Door::ALL.get(usize::from(bytes.u8()?)).copied()?;
            let common = usize::try_from(bytes.varint()?).ok().filter(|common| *common <= packed.len())?;
            packed.truncate(common);
            packed.extend_from_slice(bytes.sized()?);
            let labels = Labels::from_packed(&packed)?;
            let number = SeriesId::try_from(id).ok().filter(|number| *number < NO_SERIES)?;
            if self.get(number).is_none() {
                self.insert(number, labels, door);
            }
            last = id;
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(number: u64) -> Labels {
        Labels::new([("__name__", "m".to_owned()), ("job", "shop/cart".to_owned()), ("n", number.to_string())])
    }

    #[test]
    fn a_series_is_found_by_its_packed_labels_and_listed_by_each_label() {
        let mut index = Index::default();
        let ids: Vec<SeriesId> = (0..300).map(|n| index.create(named(n), Door::Api)).collect();
        for (n, id) in ids.iter().enumerate() {
            assert_eq!(index.find(named(n as u64).packed()), Some(*id));
        }
        assert_eq!(index.find(named(300).packed()), None);
        assert_eq!(index.values("__name__").unwrap()["m"], ids);
        assert_eq!(index.values("n").unwrap().len(), 300);
        assert_eq!((index.len(), index.of_door(Door::Api)), (300, 300));
        assert_eq!(index.service(index.get(0).unwrap().service), "cart");
    }

    #[test]
    fn a_forgotten_series_is_in_no_list_and_the_others_are_still_found() {
        let mut index = Index::default();
        (0..50).for_each(|n| _ = index.create(named(n), Door::Api));
        index.forget(&[3, 7]);
        assert_eq!(index.find(named(3).packed()), None);
        assert_eq!(index.find(named(4).packed()), Some(4));
        assert_eq!(index.values("__name__").unwrap()["m"].len(), 48);
        assert!(!index.values("n").unwrap().contains_key("7"));
        assert_eq!((index.len(), index.end()), (48, 50));
    }

    #[test]
    fn many_series_take_many_rows_and_come_back_whole() {
        let mut index = Index::default();
        let ids: Vec<SeriesId> = (0..ROW_SERIES as u64 + 10).map(|n| index.create(named(n), Door::Api)).collect();
        let rows = index.encode_rows(&ids);
        assert_eq!((rows.len(), index.encode_rows(&[]).len()), (2, 0));
        let mut read = Index::default();
        rows.iter().for_each(|row| read.decode(row).unwrap());
        assert_eq!((read.len(), read.get(ids[ROW_SERIES]).unwrap().labels.clone()), (ids.len(), named(ROW_SERIES as u64)));
        let wide = |n: u64| Labels::new([("__name__", "m".to_owned()), ("n", n.to_string()), ("x", "x".repeat(60_000))]);
        let wide: Vec<SeriesId> = (0..1_200).map(|n| index.create(wide(n), Door::Api)).collect();
        assert_eq!(index.encode_rows(&wide).len(), 2, "wide label sets end a row earlier");
    }

    #[test]
    fn the_dictionary_comes_back_and_takes_a_few_bytes_a_series() {
        let mut index = Index::default();
        let ids: Vec<SeriesId> = (0..1_000).map(|n| index.create(named(n), Door::Statsd)).collect();
        let row = index.encode(&ids);
        assert!(row.len() < 12_000, "{} bytes", row.len());
        let mut read = Index::default();
        read.decode(&row).unwrap();
        assert_eq!(read.iter().map(|(id, series)| (id, series.labels.clone(), series.door)).collect::<Vec<_>>(), {
            let all = index.iter().map(|(id, series)| (id, series.labels.clone(), series.door));
            all.collect::<Vec<_>>()
        });
        for at in 0..row.len() {
            let mut damaged = row.clone();
            damaged[at] ^= 0x41;
            Index::default().decode(&damaged);
        }
    }
}
