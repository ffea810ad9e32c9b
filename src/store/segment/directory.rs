//! One summary a trace of a segment: what lists are made of, and where the trace's rows stand.

use super::super::bytes::{In, Out, unzigzag, zigzag};
use super::arrange::TraceRun;
use super::column::{Packer, Texts, read_numbers, read_texts};
use crate::model::batch::{IN_FLIGHT, SpanBatch};
use crate::model::trace::ServiceShare;
use crate::model::{DurationNs, StatusCode, TraceId, TraceSummary, UnixNanos};
use smol_str::SmolStr;
use std::collections::HashMap;

/// Sums up the traces of a segment as [`crate::model::trace::summarise`] does one, without a batch for each.
pub(super) fn summarise(batch: &SpanBatch, rows: &[u32], runs: &[TraceRun], orphans: &[u32]) -> Vec<TraceSummary> {
    let mut names: HashMap<u32, SmolStr> = HashMap::new();
    let mut text = |id: u32| names.entry(id).or_insert_with(|| batch.strings.get(id).into()).clone();
    let mut shares: Vec<(u32, u32, u32)> = Vec::new();
    let mut summaries = Vec::with_capacity(runs.len());
    for (run, orphans) in runs.iter().zip(orphans) {
        shares.clear();
        let (mut root, mut last, mut in_flight) = (None, i64::MIN, 0);
        for row in &rows[run.first..run.first + run.len] {
            let span = &batch.spans[*row as usize];
            if root.is_none() && !span.parent.is_valid() {
                root = Some(span);
            }
            last = last.max(span.end.max(span.start));
            in_flight += u32::from(span.end == IN_FLIGHT);
            let service = batch.resources[span.resource as usize].service;
            let failed = u32::from(span.status == StatusCode::Error as u8);
            match shares.iter_mut().find(|share| share.0 == service) {
                Some(share) => {
                    share.1 += 1;
                    share.2 += failed;
                }
                None => shares.push((service, 1, failed)),
            }
        }
        let shown = root.unwrap_or(&batch.spans[rows[run.first] as usize]);
        let mut services: Vec<ServiceShare> = shares
            .iter()
            .map(|(service, spans, errors)| ServiceShare { service: text(*service), spans: *spans, errors: *errors })
            .collect();
        services.sort_by(|a, b| b.spans.cmp(&a.spans).then_with(|| a.service.cmp(&b.service)));
        summaries.push(TraceSummary {
            trace_id: run.id,
            root_service: text(batch.resources[shown.resource as usize].service),
            root_name: text(shown.name),
            has_root: root.is_some(),
            start: UnixNanos(run.start),
            duration: DurationNs(last.saturating_sub(run.start)),
            spans: run.len as u32,
            errors: services.iter().map(|share| share.errors).sum(),
            in_flight,
            orphans: *orphans,
            services,
            matched: run.len as u32,
        });
    }
    summaries
}

/// Packs summaries in the order of their rows.
pub(super) fn encode(packer: &mut Packer, summaries: &[TraceSummary]) -> Vec<u8> {
    let mut out = Out::default();
    out.varint(summaries.len() as u64);
    summaries.iter().for_each(|summary| out.raw(&summary.trace_id.0));
    let mut last = 0_i64;
    let steps = summaries.iter().map(|summary| {
        let step = zigzag(summary.start.0.wrapping_sub(last));
        last = summary.start.0;
        step
    });
    let steps: Vec<u64> = steps.collect();
    out.varint(steps.first().copied().unwrap_or(0));
    packer.numbers(&mut out, steps.get(1..).unwrap_or_default());
    let mut numbers = |of: &dyn Fn(&TraceSummary) -> u64| {
        packer.numbers(&mut out, &summaries.iter().map(of).collect::<Vec<u64>>());
    };
    numbers(&|summary| summary.duration.0 as u64);
    numbers(&|summary| summary.spans.into());
    numbers(&|summary| u64::from(summary.has_root));
    numbers(&|summary| summary.in_flight.into());
    numbers(&|summary| summary.orphans.into());
    numbers(&|summary| summary.services.len() as u64);
    let mut texts: Vec<&str> = Vec::new();
    let mut known: HashMap<&str, u32> = HashMap::new();
    let shares: Vec<&ServiceShare> = summaries.iter().flat_map(|summary| &summary.services).collect();
    let mut columns: [Vec<u32>; 3] = Default::default();
    let services = summaries.iter().map(|summary| (0, &summary.root_service));
    let names = summaries.iter().map(|summary| (1, &summary.root_name));
    for (column, text) in services.chain(names).chain(shares.iter().map(|share| (2, &share.service))) {
        let id = *known.entry(text).or_insert_with(|| {
            texts.push(text);
            texts.len() as u32 - 1
        });
        columns[column].push(id);
    }
    let of = |id: u32| texts[id as usize].as_bytes();
    for ids in &columns {
        packer.texts(&mut out, ids, texts.len(), None, of);
    }
    packer.numbers(&mut out, &shares.iter().map(|share| share.spans.into()).collect::<Vec<u64>>());
    packer.numbers(&mut out, &shares.iter().map(|share| share.errors.into()).collect::<Vec<u64>>());
    out.0
}

/// A directory unpacked, a column a field.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    pub(crate) runs: Vec<TraceRun>,
    pub(crate) durations: Vec<i64>,
    has_root: Vec<bool>,
    in_flight: Vec<u32>,
    orphans: Vec<u32>,
    root_service: Vec<u32>,
    root_name: Vec<u32>,
    texts: Vec<SmolStr>,
    /// Where each trace's shares end.
    share_ends: Vec<u32>,
    /// Service, spans, errors.
    shares: Vec<(u32, u32, u32)>,
}

impl Directory {
    /// Unpacks the part. `None` when it is damaged.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut bytes = In(bytes);
        let count = bytes.count()?;
        if count == 0 {
            return None;
        }
        let ids = (0..count).map(|_| bytes.array().map(TraceId)).collect::<Option<Vec<_>>>()?;
        let mut start = unzigzag(bytes.varint()?);
        let mut starts = vec![start];
        for step in read_numbers(&mut bytes, count - 1)? {
            start = start.wrapping_add(unzigzag(step));
            starts.push(start);
        }
        let durations = read_numbers(&mut bytes, count)?.into_iter().map(|number| number as i64).collect();
        let small = |bytes: &mut In<'_>, count: usize| -> Option<Vec<u32>> {
            read_numbers(bytes, count)?.into_iter().map(|number| u32::try_from(number).ok()).collect()
        };
        let spans = small(&mut bytes, count)?;
        let has_root = small(&mut bytes, count)?.into_iter().map(|flag| flag != 0).collect();
        let (in_flight, orphans) = (small(&mut bytes, count)?, small(&mut bytes, count)?);
        let mut share_ends = small(&mut bytes, count)?;
        let mut end = 0_u32;
        for share in &mut share_ends {
            end = end.checked_add(*share)?;
            *share = end;
        }
        let mut texts = Vec::new();
        let root_service = read_column(&mut bytes, count, &mut texts)?;
        let root_name = read_column(&mut bytes, count, &mut texts)?;
        let services = read_column(&mut bytes, end as usize, &mut texts)?;
        let (counts, errors) = (small(&mut bytes, end as usize)?, small(&mut bytes, end as usize)?);
        let shares = services.into_iter().zip(counts).zip(errors).map(|((service, spans), errors)| (service, spans, errors));
        let mut first = 0_usize;
        let mut runs = Vec::with_capacity(count);
        for ((id, start), spans) in ids.into_iter().zip(starts).zip(spans) {
            runs.push(TraceRun { id, first, len: spans as usize, start });
            first = first.checked_add(spans as usize)?;
        }
        let shares = shares.collect();
        Some(Self { runs, durations, has_root, in_flight, orphans, root_service, root_name, texts, share_ends, shares })
    }

    pub(crate) fn len(&self) -> usize {
        self.runs.len()
    }

    /// Place of a trace.
    pub(crate) fn find(&self, id: TraceId) -> Option<usize> {
        self.runs.iter().position(|run| run.id == id)
    }

    /// The number of a text, for [`Directory::spans_of`].
    pub(crate) fn text(&self, text: &str) -> Option<u32> {
        self.texts.iter().position(|known| known == text).map(|at| at as u32)
    }

    fn shares_of(&self, at: usize) -> &[(u32, u32, u32)] {
        let start = if at == 0 { 0 } else { self.share_ends[at - 1] };
        &self.shares[start as usize..self.share_ends[at] as usize]
    }

    /// Spans that a service has in a trace.
    pub(crate) fn spans_of(&self, at: usize, service: u32) -> u32 {
        self.shares_of(at).iter().filter(|share| share.0 == service).map(|share| share.1).sum()
    }

    /// The service that started a trace.
    pub(crate) fn root_service(&self, at: usize) -> &SmolStr {
        &self.texts[self.root_service[at] as usize]
    }

    /// Services of a trace.
    pub(crate) fn services(&self, at: usize) -> Vec<SmolStr> {
        self.shares_of(at).iter().map(|share| self.texts[share.0 as usize].clone()).collect()
    }

    /// Spans with an error.
    pub(crate) fn errors(&self, at: usize) -> u32 {
        self.shares_of(at).iter().map(|share| share.2).sum()
    }

    /// The summary of a trace, all of its spans matching.
    pub(crate) fn summary(&self, at: usize) -> TraceSummary {
        let text = |id: u32| self.texts[id as usize].clone();
        TraceSummary {
            trace_id: self.runs[at].id,
            root_service: text(self.root_service[at]),
            root_name: text(self.root_name[at]),
            has_root: self.has_root[at],
            start: UnixNanos(self.runs[at].start),
            duration: DurationNs(self.durations[at]),
            spans: self.runs[at].len as u32,
            errors: self.errors(at),
            in_flight: self.in_flight[at],
            orphans: self.orphans[at],
            services: self
                .shares_of(at)
                .iter()
                .map(|(service, spans, errors)| ServiceShare { service: text(*service), spans: *spans, errors: *errors })
                .collect(),
            matched: self.runs[at].len as u32,
        }
    }

    /// Memory held, in bytes.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.runs.len() * (40 + 8 + 5 * 4 + 1) + self.shares.len() * 12 + self.texts.len() * 48
    }
}

/// A text column as numbers of `texts`, to which its texts are added.
fn read_column(bytes: &mut In<'_>, count: usize, texts: &mut Vec<SmolStr>) -> Option<Vec<u32>> {
    let Texts::Own { text, ends, codes } = read_texts(bytes, count)? else { return None };
    let mut known: HashMap<SmolStr, u32> = texts.iter().cloned().zip(0..).collect();
    let mut numbers = Vec::with_capacity(ends.len());
    for at in 0..ends.len() {
        let one = SmolStr::from(std::str::from_utf8(Texts::own(&text, &ends, at)?).ok()?);
        numbers.push(*known.entry(one.clone()).or_insert_with(|| {
            texts.push(one);
            texts.len() as u32 - 1
        }));
    }
    Texts::places(codes.as_ref(), 0..count).into_iter().map(|place| numbers.get(place).copied()).collect()
}
