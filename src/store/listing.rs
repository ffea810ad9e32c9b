//! Lists of traces: candidates from directories and head summaries, sorted, cut, and only then made into summaries.
//!
//! The newest traces of all or of one service need the newest segments alone: the others are counted by the numbers that
//! every segment has at hand, so the list takes the same few milliseconds however much is stored. A trace that stands in
//! more than one place (a split trace) is taken out of those counts, put together from its parts, and read whole if shown.

use super::head::HeadBatch;
use super::reading::{Miss, Reading};
use super::segment::{Directory, Projection, Segment};
use crate::model::trace::{ServiceShare, summarise};
use crate::model::{DurationNs, SpanBatch, TraceId, TraceSummary, UnixNanos};
use crate::source::{Comparison, Field, Literal, Predicate, TimeRange, TraceList, TraceOrder, TraceRequest};
use std::collections::HashMap;
use std::sync::Arc;

/// How matching spans are counted.
enum Mode<'a> {
    /// All match.
    All,
    /// Those of a service.
    Service(&'a str),
    /// Each is looked at.
    Scan,
}

enum Place {
    /// In the directory of a segment.
    Segment(Arc<Directory>, usize),
    /// Put together.
    Known(Box<TraceSummary>),
    /// Put together from parts: read it whole before it is shown.
    Parts(Box<TraceSummary>),
}

struct Candidate {
    id: TraceId,
    /// Larger comes first.
    rank: i64,
    matched: u32,
    place: Place,
}

fn mode_of(predicate: &Predicate) -> Mode<'_> {
    match predicate {
        Predicate::All => Mode::All,
        Predicate::Compare(Field::Service, Comparison::Eq, Literal::Text(service)) => Mode::Service(service),
        _ => Mode::Scan,
    }
}

fn matched_in(summary: &TraceSummary, mode: &Mode<'_>) -> u32 {
    match mode {
        Mode::Service(service) => {
            summary.services.iter().filter(|share| share.service == *service).map(|share| share.spans).sum()
        }
        _ => summary.spans,
    }
}

fn rank(summary: &TraceSummary, order: TraceOrder) -> i64 {
    match order {
        TraceOrder::Newest => summary.start.0,
        TraceOrder::Longest => summary.duration.0,
        TraceOrder::MostSpans => summary.spans.into(),
        TraceOrder::MostErrors => summary.errors.into(),
        TraceOrder::Oldest => summary.start.0.saturating_neg(),
        TraceOrder::Shortest => summary.duration.0.saturating_neg(),
        TraceOrder::FewestSpans => -i64::from(summary.spans),
        TraceOrder::FewestErrors => -i64::from(summary.errors),
    }
}

/// Adds a part of a trace to another.
fn merge(whole: &mut TraceSummary, part: TraceSummary) {
    let end = (whole.start + whole.duration).max(part.start + part.duration);
    let earlier = part.start < whole.start;
    if (part.has_root && !whole.has_root) || (part.has_root == whole.has_root && earlier) {
        (whole.root_service, whole.root_name, whole.has_root) = (part.root_service, part.root_name, part.has_root);
    }
    whole.start = whole.start.min(part.start);
    whole.duration = end.since(whole.start);
    whole.spans += part.spans;
    whole.errors += part.errors;
    whole.in_flight += part.in_flight;
    whole.orphans += part.orphans;
    whole.matched += part.matched;
    for share in part.services {
        match whole.services.iter_mut().find(|known| known.service == share.service) {
            Some(known) => {
                known.spans += share.spans;
                known.errors += share.errors;
            }
            None => whole.services.push(share),
        }
    }
    whole.services.sort_by(|a: &ServiceShare, b| b.spans.cmp(&a.spans).then_with(|| a.service.cmp(&b.service)));
}

struct Listing<'a, 'b> {
    reading: &'a Reading<'b>,
    request: &'a TraceRequest,
    mode: Mode<'a>,
    /// Traces in several places, with how many parts have been added.
    parts: HashMap<TraceId, TraceSummary>,
    found: Vec<Candidate>,
    /// Matching traces that are not among the candidates.
    counted: u64,
}

/// Answers a request. See the module comment.
pub(crate) fn traces(reading: &Reading<'_>, request: &TraceRequest) -> Result<TraceList, Miss> {
    let mode = mode_of(&request.predicate);
    let mut listing = Listing { reading, request, mode, parts: HashMap::new(), found: Vec::new(), counted: 0 };
    listing.add_head()?;
    match listing.mode {
        Mode::Scan => listing.scan_segments()?,
        _ => listing.add_segments()?,
    }
    listing.finish()
}

impl Listing<'_, '_> {
    fn in_range(&self, start: UnixNanos, duration: DurationNs) -> bool {
        self.request.range.overlaps(start, start + duration)
    }

    fn add_known(&mut self, summary: TraceSummary) {
        if summary.matched > 0 && self.in_range(summary.start, summary.duration) {
            let (id, rank, matched) = (summary.trace_id, rank(&summary, self.request.order), summary.matched);
            self.found.push(Candidate { id, rank, matched, place: Place::Known(Box::new(summary)) });
        }
    }

    fn add_part(&mut self, summary: TraceSummary) {
        match self.parts.get_mut(&summary.trace_id) {
            Some(whole) => merge(whole, summary),
            None => drop(self.parts.insert(summary.trace_id, summary)),
        }
    }

    fn head_matches(&self, batch: &HeadBatch, spans: &SpanBatch, at: usize) -> u32 {
        let matches = |place: &&u32| self.request.predicate.matches(spans.span(**place as usize));
        batch.places_of(&batch.traces[at]).iter().filter(matches).count() as u32
    }

    fn add_head(&mut self) -> Result<(), Miss> {
        let mut places: HashMap<TraceId, u32> = HashMap::new();
        for batch in &self.reading.view.head {
            batch.traces.iter().for_each(|trace| *places.entry(trace.id).or_default() += 1);
        }
        for batch in &self.reading.view.head {
            self.reading.control.check()?;
            let known = batch.known_summaries().filter(|_| !matches!(self.mode, Mode::Scan));
            let (summaries, spans) = match known {
                Some(summaries) => (summaries, None),
                None => {
                    let spans = self.reading.load(batch)?;
                    (batch.summaries(&spans), Some(spans))
                }
            };
            for (at, summary) in summaries.iter().enumerate() {
                let matched = match (&self.mode, &spans) {
                    (Mode::Scan, Some(spans)) => self.head_matches(batch, spans, at),
                    (mode, _) => matched_in(summary, mode),
                };
                let alone =
                    places.get(&summary.trace_id) == Some(&1) && !self.reading.view.split.contains_key(&summary.trace_id);
                if !alone {
                    self.add_part(TraceSummary { matched, ..summary.clone() });
                } else if matched > 0 && self.in_range(summary.start, summary.duration) {
                    self.add_known(TraceSummary { matched, ..summary.clone() });
                }
            }
        }
        Ok(())
    }

    /// The rank that a trace needs to be shown, once there are enough.
    fn threshold(&mut self) -> Option<i64> {
        let limit = self.request.limit;
        if self.request.order != TraceOrder::Newest || limit == 0 || self.found.len() < limit {
            return None;
        }
        let mut ranks: Vec<i64> = self.found.iter().map(|candidate| candidate.rank).collect();
        let (_, rank, _) = ranks.select_nth_unstable_by(limit - 1, |a, b| b.cmp(a));
        Some(*rank)
    }

    /// Segments by their directories, the newest first, the rest by their counts.
    fn add_segments(&mut self) -> Result<(), Miss> {
        let view = self.reading.view;
        let mut split_in: HashMap<i64, u64> = HashMap::new();
        for (segment, services) in view.split.values().flat_map(|split| &split.parts) {
            let counts = match self.mode {
                Mode::Service(service) => services.iter().any(|known| known == service),
                _ => true,
            };
            *split_in.entry(*segment).or_default() += u64::from(counts);
        }
        let mut segments: Vec<&Arc<Segment>> = view.segments.iter().collect();
        segments.sort_by_key(|segment| std::cmp::Reverse(segment.last_end));
        let range = self.request.range;
        for segment in segments {
            let (first, last) = (UnixNanos(segment.first_start), UnixNanos(segment.last_end));
            if !range.overlaps(first, last) {
                continue;
            }
            let holds = match self.mode {
                Mode::Service(service) => {
                    segment.services.iter().find(|(name, _)| name == service).map_or(0, |(_, count)| *count)
                }
                _ => segment.traces,
            };
            if holds == 0 {
                continue;
            }
            let inside = range == TimeRange::ALL || (range.contains(first) && range.contains(last));
            if inside && self.threshold().is_some_and(|threshold| segment.last_end < threshold) {
                self.counted += holds.saturating_sub(split_in.get(&segment.id).copied().unwrap_or(0));
                continue;
            }
            self.add_directory(segment)?;
        }
        self.add_split_parts()
    }

    fn add_directory(&mut self, segment: &Segment) -> Result<(), Miss> {
        let directory = self.reading.directory(segment)?;
        let service = match self.mode {
            Mode::Service(service) => match directory.text(service) {
                Some(number) => Some(number),
                None => return Ok(()),
            },
            _ => None,
        };
        let split = &self.reading.view.split;
        for (at, run) in directory.runs.iter().enumerate() {
            let duration = directory.durations[at];
            if !self.in_range(UnixNanos(run.start), DurationNs(duration)) || (!split.is_empty() && split.contains_key(&run.id))
            {
                continue;
            }
            let matched = service.map_or(run.len as u32, |service| directory.spans_of(at, service));
            if matched > 0 {
                let rank = match self.request.order {
                    TraceOrder::Newest => run.start,
                    TraceOrder::Longest => duration,
                    TraceOrder::MostSpans => run.len as i64,
                    TraceOrder::MostErrors => directory.errors(at).into(),
                    TraceOrder::Oldest => run.start.saturating_neg(),
                    TraceOrder::Shortest => duration.saturating_neg(),
                    TraceOrder::FewestSpans => -(run.len as i64),
                    TraceOrder::FewestErrors => -i64::from(directory.errors(at)),
                };
                self.found.push(Candidate { id: run.id, rank, matched, place: Place::Segment(directory.clone(), at) });
            }
        }
        Ok(())
    }

    /// Sealed parts of split traces. Those too old to be shown are only counted.
    fn add_split_parts(&mut self) -> Result<(), Miss> {
        let view = self.reading.view;
        let threshold = self.threshold();
        let by_id: HashMap<i64, &Arc<Segment>> = view.segments.iter().map(|segment| (segment.id, segment)).collect();
        for (id, split) in view.split.iter() {
            let segments: Vec<_> = split.parts.iter().filter_map(|(segment, _)| by_id.get(segment)).collect();
            let latest = segments.iter().map(|segment| segment.last_end).min();
            let old = latest.zip(threshold).is_some_and(|(latest, threshold)| latest < threshold);
            if old && self.request.range == TimeRange::ALL {
                let in_head = self.parts.remove(id).is_some_and(|summary| summary.matched > 0);
                let sealed = split.parts.iter().filter(|(segment, _)| by_id.contains_key(segment));
                let matches = match self.mode {
                    Mode::Service(service) => sealed.flat_map(|(_, services)| services).any(|known| known == service),
                    _ => sealed.count() > 0,
                };
                self.counted += u64::from(in_head || matches);
                continue;
            }
            for segment in segments {
                let directory = self.reading.directory(segment)?;
                if let Some(at) = directory.find(*id) {
                    let mut summary = directory.summary(at);
                    summary.matched = matched_in(&summary, &self.mode);
                    self.add_part(summary);
                }
            }
        }
        Ok(())
    }

    /// Every block with a trace in range, with the columns that the predicate needs.
    fn scan_segments(&mut self) -> Result<(), Miss> {
        let view = self.reading.view;
        let projection = Projection::of(&self.request.predicate);
        let total: u64 = view.segments.iter().map(|segment| segment.spans).sum();
        let mut done = 0;
        for segment in view.segments.iter() {
            done += segment.spans;
            self.reading.control.progress(done, total);
            if !self.request.range.overlaps(UnixNanos(segment.first_start), UnixNanos(segment.last_end))
                && view.split.is_empty()
            {
                continue;
            }
            let (head, directory) = (self.reading.head(segment)?, self.reading.directory(segment)?);
            if !head.may_match(&self.request.predicate) {
                // A split trace may match elsewhere and then counts these spans too.
                for id in view.split.iter().filter(|(_, split)| split.parts.iter().any(|(part, _)| *part == segment.id)) {
                    if let Some(at) = directory.find(*id.0) {
                        self.add_part(TraceSummary { matched: 0, ..directory.summary(at) });
                    }
                }
                continue;
            }
            let mut at = 0;
            let mut matched = vec![0_u32; directory.len()];
            for number in 0..head.blocks.len() {
                let spans = self.reading.block(segment, &head, &directory, number, head.rows(number), &projection)?;
                for (row, span) in head.rows(number).zip(spans.iter()) {
                    while directory.runs[at].first + directory.runs[at].len <= row {
                        at += 1;
                    }
                    matched[at] += u32::from(self.request.predicate.matches(span));
                }
            }
            for (at, matched) in matched.into_iter().enumerate() {
                let id = directory.runs[at].id;
                if view.split.contains_key(&id) {
                    self.add_part(TraceSummary { matched, ..directory.summary(at) });
                } else if matched > 0 && self.in_range(UnixNanos(directory.runs[at].start), DurationNs(directory.durations[at]))
                {
                    let rank = rank(&directory.summary(at), self.request.order);
                    self.found.push(Candidate { id, rank, matched, place: Place::Segment(directory.clone(), at) });
                }
            }
        }
        Ok(())
    }

    fn finish(mut self) -> Result<TraceList, Miss> {
        for summary in std::mem::take(&mut self.parts).into_values() {
            if summary.matched > 0 && self.in_range(summary.start, summary.duration) {
                let (id, rank, matched) = (summary.trace_id, rank(&summary, self.request.order), summary.matched);
                self.found.push(Candidate { id, rank, matched, place: Place::Parts(Box::new(summary)) });
            }
        }
        let total = self.found.len() as u64 + self.counted;
        self.found.sort_by(|a, b| b.rank.cmp(&a.rank).then_with(|| a.id.cmp(&b.id)));
        if self.request.limit > 0 {
            self.found.truncate(self.request.limit);
        }
        let mut traces = Vec::with_capacity(self.found.len());
        for candidate in self.found {
            traces.push(match candidate.place {
                Place::Segment(directory, at) => TraceSummary { matched: candidate.matched, ..directory.summary(at) },
                Place::Known(summary) => *summary,
                Place::Parts(summary) => match self.reading.gather(candidate.id)? {
                    Some(whole) => {
                        let matched = whole.iter().filter(|span| self.request.predicate.matches(*span)).count() as u32;
                        TraceSummary { matched, ..summarise(&whole).unwrap_or(*summary) }
                    }
                    None => *summary,
                },
            });
        }
        Ok(TraceList { traces, total })
    }
}
