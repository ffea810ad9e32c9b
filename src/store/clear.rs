//! Clear with undo, pins and retention: what the keeper takes away, and what it leaves.

use super::error::StoreError;
use super::keeper::Keeper;
use super::reading::Reading;
use super::retention::{self, Charge, Drop};
use super::rewrite::by_root;
use super::seal::as_store_error;
use super::segment::Segment;
use crate::model::TraceId;
use crate::source::QueryControl;
use rusqlite::params;
use std::collections::HashSet;
use std::sync::Arc;

/// Retention drops down to this share of the limit, so that it does not start again at once.
const DROP_TO: f64 = 0.95;
/// Metrics and logs that wait for their rooms may have this share of the limit.
const RAW_SHARE: f64 = 0.5;
/// Samples may have this share of the limit when it is reached.
const SAMPLES_SHARE: f64 = 0.4;
/// Fewer spans than this make a segment small.
const SMALL: u64 = 16_384;
/// Small segments beside each other that are made into one.
const SMALL_RUN: usize = 8;

/// What to clear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Clear {
    /// Everything.
    All,
    /// The spans and metrics of a service.
    Service(String),
}

/// Undoes a Clear, until the workspace is closed.
#[derive(Debug, PartialEq, Eq)]
pub struct ClearToken {
    pub(crate) number: i64,
}

impl Keeper {
    /// Hides what is cleared.
    pub(crate) fn clear(&mut self, what: &Clear) -> Result<ClearToken, StoreError> {
        self.seal_all(None)?;
        let number = self.next_token;
        self.next_token += 1;
        let view = self.shared.view();
        let mut made = HashSet::new();
        let affected = view.segments.iter().filter(|segment| match what {
            Clear::All => true,
            Clear::Service(service) => segment.doors.iter().any(|(_, name, _)| name == service),
        });
        for segment in affected.cloned() {
            let keep = |span: crate::model::SpanRef<'_>, _: &str| match what {
                Clear::All => false,
                Clear::Service(service) => span.service() != service,
            };
            let replacement = match what {
                Clear::All => super::rewrite::Replacement { old: vec![segment], new: None, hide: Some(number) },
                Clear::Service(_) => self.repack(&view, vec![segment], keep, Some(number))?,
            };
            made.extend(self.replace(replacement)?);
        }
        if *what == Clear::All {
            self.write(move |writer| writer.hide_raw(number))?;
        }
        self.made.insert(number, made);
        let service = match what {
            Clear::All => None,
            Clear::Service(service) => Some(service.as_str()),
        };
        let blocks = self.clear_samples(service, number)?;
        self.made_blocks.insert(number, blocks);
        Ok(ClearToken { number })
    }

    /// Takes a Clear back.
    pub(crate) fn undo(&mut self, token: ClearToken) -> Result<(), StoreError> {
        let made = self.made.remove(&token.number).unwrap_or_default();
        let blocks = self.made_blocks.remove(&token.number).unwrap_or_default();
        self.write(move |writer| {
            writer.unhide(token.number, &made)?;
            writer.unhide_samples(token.number, &blocks)
        })
    }

    /// Pins a trace against retention, or lets it go.
    pub(crate) fn pin(&mut self, id: TraceId, pinned: bool) -> Result<(), StoreError> {
        self.write(move |writer| {
            let sql = if pinned {
                "INSERT INTO pin (trace_id) VALUES (?1) ON CONFLICT DO NOTHING"
            } else {
                "DELETE FROM pin WHERE trace_id = ?1"
            };
            writer.connection.execute(sql, params![id.0]).map(drop).map_err(StoreError::sqlite("pinning a trace"))
        })
    }

    fn pinned(&self) -> Result<HashSet<TraceId>, StoreError> {
        let failed = || StoreError::sqlite("reading the pinned traces");
        self.shared.read(|connection| {
            let mut statement = connection.prepare_cached("SELECT trace_id FROM pin").map_err(failed())?;
            let ids = statement.query_map([], |row| row.get::<_, [u8; 16]>(0)).map_err(failed())?;
            ids.map(|id| id.map(TraceId)).collect::<Result<_, _>>().map_err(failed())
        })
    }

    /// Bytes in use, free pages not counted.
    fn used(&self) -> Result<u64, StoreError> {
        let failed = || StoreError::sqlite("measuring the workspace");
        self.shared.read(|connection| {
            let number = |pragma: &str| connection.query_row(&format!("PRAGMA {pragma}"), [], |row| row.get::<_, i64>(0));
            let pages = number("page_count").map_err(failed())? - number("freelist_count").map_err(failed())?;
            Ok(pages.max(0) as u64 * number("page_size").map_err(failed())? as u64)
        })
    }

    /// One round of retention: by age, then by size with fair share, then small segments made into one.
    pub(crate) fn retain(&mut self) -> Result<(), StoreError> {
        let (limit, max_age) = self.shared.retention();
        let max_age = i64::try_from(max_age.as_nanos()).unwrap_or(i64::MAX);
        let oldest = (self.shared.options.clock)().0.saturating_sub(max_age);
        let view = self.shared.view();
        let too_old: Vec<Arc<Segment>> =
            view.segments.iter().filter(|segment| segment.received.1.0 <= oldest).cloned().collect();
        for segment in too_old {
            self.drop_from(segment, &Drop::Whole)?;
        }
        self.write(move |writer| writer.drop_raw_before(oldest))?;
        self.retain_samples(oldest, None)?;
        let used = self.used()?;
        if used > limit {
            let raw = self.write({
                let most = (limit as f64 * RAW_SHARE) as u64;
                move |writer| writer.shrink_raw(most)
            })?;
            let samples = self.retain_samples(oldest, Some((limit as f64 * SAMPLES_SHARE) as u64))?;
            let view = self.shared.view();
            let control = QueryControl::default();
            let charges = self.shared.read(|connection| {
                let reading = Reading { shared: &self.shared, view: &view, connection, control: &control };
                let charge = |segment: &Arc<Segment>| {
                    let directory = reading.directory(segment).map_err(as_store_error)?;
                    Ok(Charge { segment: segment.id, bytes: by_root(&directory, segment.bytes) })
                };
                view.segments.iter().map(charge).collect::<Result<Vec<_>, StoreError>>()
            })?;
            let target = ((limit as f64 * DROP_TO) as u64).saturating_sub(raw + samples);
            for (id, drop) in retention::plan(&charges, target) {
                if let Some(segment) = view.segments.iter().find(|segment| segment.id == id) {
                    self.drop_from(segment.clone(), &drop)?;
                }
            }
        }
        self.join_small()?;
        self.join_small_blocks()?;
        self.write(|writer| writer.vacuum(super::keeper::VACUUM_STEP, super::keeper::FREE_PAGES_KEPT))
    }

    fn drop_from(&mut self, segment: Arc<Segment>, what: &Drop) -> Result<(), StoreError> {
        let pinned = self.pinned()?;
        let holds_pinned = pinned.iter().any(|id| segment.filter.may_hold(super::segment::Mixed::new(*id)));
        let replacement = match what {
            Drop::Whole if !holds_pinned => super::rewrite::Replacement { old: vec![segment], new: None, hide: None },
            what => {
                let keep = |span: crate::model::SpanRef<'_>, root: &str| {
                    pinned.contains(&span.trace_id())
                        || match what {
                            Drop::Whole => false,
                            Drop::Of(services) => !services.contains(root),
                        }
                };
                self.repack(&self.shared.view(), vec![segment.clone()], keep, None)?
            }
        };
        if replacement.new.as_ref().is_some_and(|(sealed, _)| sealed.spans as u64 == replacement.old[0].spans) {
            return Ok(());
        }
        self.replace(replacement).map(drop)
    }

    /// Makes a run of small segments into one. Those that an undo would take out stay apart.
    pub(crate) fn join_small(&mut self) -> Result<(), StoreError> {
        let view = self.shared.view();
        let mut run: Vec<Arc<Segment>> = Vec::new();
        for segment in view.segments.iter() {
            let spans: u64 = run.iter().map(|segment| segment.spans).sum();
            let free = self.made.values().all(|made| !made.contains(&segment.id));
            if free && segment.spans < SMALL && spans + segment.spans <= super::keeper::SEGMENT_SPANS as u64 {
                run.push(segment.clone());
            } else if run.len() >= SMALL_RUN {
                break;
            } else {
                run.clear();
            }
        }
        if run.len() < SMALL_RUN {
            return Ok(());
        }
        let replacement = self.repack(&view, run, |_, _| true, None)?;
        self.replace(replacement).map(drop)
    }
}
