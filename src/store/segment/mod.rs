//! Sealed spans: about 64k of them in columns, never changed in place.
//!
//! A segment has a row in the table `segment` (what is asked of every segment: sizes, times, counts, a filter over its trace
//! ids) and its columns in the table `part`: the head (dictionary, resources, scopes, shapes), the directory (one summary a
//! trace), the tally (sums by service, operation, key and run) and one part a block of about 4k spans. A trace is found by
//! filter and directory and read from its one block; a list needs directories alone; a search unpacks only the columns that
//! its predicate looks at.
//!
//! Why an encoder of our own: the load generator's spans take 29 B each here, everything included (`compare.sh disk`), where
//! the goal is 60 and general column stores need 50 to 54 on such data, because this one knows that a trace's spans stand
//! together, that parents are rows nearby and that attribute lists repeat as shapes. The `parquet` and Arrow crates were
//! not measured beside it: with the figure at half of the goal they could only have brought their dependencies.

mod arrange;
mod chunks;
mod column;
mod decode;
mod directory;
mod encode;
mod filter;
mod head;
mod projection;
mod tally;
#[cfg(test)]
mod tests;

pub(crate) use arrange::{TraceRun, summarise};
pub(crate) use chunks::Chunks;
pub(crate) use decode::decode;
pub(crate) use directory::Directory;
pub(crate) use encode::encode;
pub(crate) use filter::{Filter, Mixed};
pub(crate) use head::Head;
pub(crate) use projection::Projection;
pub(crate) use tally::{Buckets, Tallied};

use super::bytes::{In, Out};
use crate::model::batch::{SpanBatch, ValueKind};
use crate::model::{TraceSummary, UnixNanos};
use smol_str::SmolStr;
use std::collections::HashMap;
use std::sync::Arc;

/// First byte of a segment's head.
const HEAD_VERSION: u8 = 2;
/// Columns of attributes are numbered from here.
const FIRST_ATTR: u32 = 64;
/// Parts a segment may have; `part.id` is the segment's id times this plus the part's number.
pub(crate) const PARTS: i64 = 1 << 10;
/// Part numbers; blocks follow from [`part::BLOCK`].
pub(crate) mod part {
    pub(crate) const HEAD: i64 = 0;
    pub(crate) const DIRECTORY: i64 = 1;
    pub(crate) const TALLY: i64 = 2;
    pub(crate) const BLOCK: i64 = 3;
}

/// Numbers of the columns that every span has. They stand in files: never renumber.
mod field {
    pub(super) const SHAPE: u32 = 0;
    pub(super) const NAME: u32 = 1;
    pub(super) const TRACE_STATE: u32 = 2;
    pub(super) const STATUS_MESSAGE: u32 = 3;
    pub(super) const KIND: u32 = 4;
    pub(super) const RESOURCE: u32 = 5;
    pub(super) const SCOPE: u32 = 6;
    pub(super) const SPAN_ID: u32 = 7;
    pub(super) const PARENT: u32 = 8;
    pub(super) const PARENT_FAR: u32 = 9;
    pub(super) const START: u32 = 10;
    pub(super) const DURATION: u32 = 11;
    pub(super) const FLAGS: u32 = 12;
    pub(super) const DROPPED_ATTRIBUTES: u32 = 13;
    pub(super) const DROPPED_EVENTS: u32 = 14;
    pub(super) const DROPPED_LINKS: u32 = 15;
    pub(super) const DOOR: u32 = 16;
    pub(super) const EVENTS: u32 = 17;
    pub(super) const EVENT_TIME: u32 = 18;
    pub(super) const EVENT_NAME: u32 = 19;
    pub(super) const EVENT_DROPPED: u32 = 20;
    pub(super) const EVENT_SHAPE: u32 = 21;
    pub(super) const LINKS: u32 = 22;
    pub(super) const LINK_OTHER: u32 = 23;
    pub(super) const LINK_TRACE: u32 = 24;
    pub(super) const LINK_SPAN: u32 = 25;
    pub(super) const LINK_STATE: u32 = 26;
    pub(super) const LINK_FLAGS: u32 = 27;
    pub(super) const LINK_DROPPED: u32 = 28;
    pub(super) const LINK_SHAPE: u32 = 29;
}

/// An attribute column: whose attribute (0 span, 1 event, 2 link), its key and the kind of its values.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AttrColumn {
    pub(crate) scope: u8,
    pub(crate) key: u32,
    pub(crate) kind: ValueKind,
    /// Texts, all of them in the segment's dictionary.
    pub(crate) known: bool,
}

/// A block and its zone: earliest start, latest end or start.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Block {
    pub(crate) rows: u32,
    pub(crate) first: i64,
    pub(crate) last: i64,
}

/// What [`encode()`] made.
pub(crate) struct Sealed {
    pub(crate) spans: usize,
    pub(crate) runs: Vec<TraceRun>,
    pub(crate) first_start: i64,
    pub(crate) last_end: i64,
    pub(crate) head: Vec<u8>,
    pub(crate) directory: Vec<u8>,
    pub(crate) tally: Vec<u8>,
    pub(crate) blocks: Vec<Vec<u8>>,
    pub(crate) filter: Filter,
    /// Spans by door and service.
    pub(crate) doors: Vec<(u8, SmolStr, u64)>,
    /// Traces by service.
    pub(crate) services: Vec<(SmolStr, u64)>,
}

impl Sealed {
    /// Parts in the order of their numbers.
    pub(crate) fn parts(&self) -> impl Iterator<Item = &[u8]> {
        [&self.head, &self.directory, &self.tally].into_iter().chain(&self.blocks).map(Vec::as_slice)
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.parts().map(|part| part.len() as u64).sum()
    }

    /// The row that describes it.
    pub(crate) fn segment(&self, id: i64, received: (UnixNanos, UnixNanos)) -> Segment {
        Segment {
            id,
            spans: self.spans as u64,
            traces: self.runs.len() as u64,
            first_start: self.first_start,
            last_end: self.last_end,
            received,
            bytes: self.bytes(),
            doors: self.doors.clone(),
            services: self.services.clone(),
            filter: Arc::new(self.filter.clone()),
        }
    }
}

/// One segment without its columns: what every reader has at hand.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    pub(crate) id: i64,
    pub(crate) spans: u64,
    pub(crate) traces: u64,
    pub(crate) first_start: i64,
    pub(crate) last_end: i64,
    /// First and last receipt of a span.
    pub(crate) received: (UnixNanos, UnixNanos),
    pub(crate) bytes: u64,
    /// Spans by door and service.
    pub(crate) doors: Vec<(u8, SmolStr, u64)>,
    /// Traces by service.
    pub(crate) services: Vec<(SmolStr, u64)>,
    pub(crate) filter: Arc<Filter>,
}

impl Segment {
    /// The column `counts`.
    pub(crate) fn counts(&self) -> Vec<u8> {
        let mut out = Out::default();
        out.varint(self.doors.len() as u64);
        for (door, service, count) in &self.doors {
            out.u8(*door);
            out.sized(service.as_bytes());
            out.varint(*count);
        }
        out.varint(self.services.len() as u64);
        for (service, count) in &self.services {
            out.sized(service.as_bytes());
            out.varint(*count);
        }
        out.0
    }

    /// Reads the column `counts` into the segment.
    pub(crate) fn set_counts(&mut self, bytes: &[u8]) -> Option<()> {
        let mut bytes = In(bytes);
        let doors = bytes.count()?;
        self.doors = (0..doors).map(|_| Some((bytes.u8()?, bytes.text()?.into(), bytes.varint()?))).collect::<Option<_>>()?;
        let services = bytes.count()?;
        self.services = (0..services).map(|_| Some((bytes.text()?.into(), bytes.varint()?))).collect::<Option<_>>()?;
        Some(())
    }
}

/// Spans by door and service.
fn count_doors(batch: &SpanBatch, doors: &[u8]) -> Vec<(u8, SmolStr, u64)> {
    let mut counts: HashMap<(u8, u32), u64> = HashMap::new();
    for (span, door) in batch.spans.iter().zip(doors) {
        *counts.entry((*door, batch.resources[span.resource as usize].service)).or_default() += 1;
    }
    let mut list: Vec<_> =
        counts.into_iter().map(|((door, service), count)| (door, SmolStr::from(batch.strings.get(service)), count)).collect();
    list.sort();
    list
}

/// Traces by service.
fn count_traces(summaries: &[TraceSummary]) -> Vec<(SmolStr, u64)> {
    let mut counts: HashMap<SmolStr, u64> = HashMap::new();
    for share in summaries.iter().flat_map(|summary| &summary.services) {
        *counts.entry(share.service.clone()).or_default() += 1;
    }
    let mut list: Vec<_> = counts.into_iter().collect();
    list.sort();
    list
}
