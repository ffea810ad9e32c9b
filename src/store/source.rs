//! The workspace as a [`SpanSource`]: head and segments read as one.
//!
//! A question takes a [`View`] and a reading connection of its own, so it never waits for ingest. Where the view has grown
//! old under the reader (a batch was sealed, a segment dropped), the question starts over with a new one.

use super::error::StoreError;
use super::head::{HeadBatch, View};
use super::shared::Shared;
use crate::model::trace::summarise;
use crate::model::{SpanBatch, SpanBatchBuilder, SpanId, SpanRef, Trace, TraceId, TraceSummary, UnixNanos};
use crate::source::tally::{ServiceTally, most_first, order_and_cut, run_of};
use crate::source::{
    AttrScope, Field, QueryControl, Run, ServiceSummary, SourceError, SpanSource, TimeRange, TraceList, TraceRequest,
    ValueCount,
};
use rusqlite::Connection;
use smol_str::{SmolStr, ToSmolStr as _};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// How often a question starts over before it gives up; sealing takes longer than most questions.
const ATTEMPTS: usize = 8;

/// See the module comment.
pub(crate) struct WorkspaceSource {
    shared: Arc<Shared>,
}

/// Why a question has no answer.
pub(crate) enum Miss {
    /// The view is out of date: take a new one.
    Stale,
    /// It cannot be answered.
    Failed(SourceError),
}

impl From<SourceError> for Miss {
    fn from(error: SourceError) -> Self {
        Self::Failed(error)
    }
}

impl From<StoreError> for Miss {
    fn from(error: StoreError) -> Self {
        Self::Failed(SourceError::Read(error.to_string()))
    }
}

/// A question at work.
struct Reading<'a> {
    view: &'a View,
    connection: &'a Connection,
    control: &'a QueryControl,
}

impl WorkspaceSource {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    fn answer<T>(&self, control: &QueryControl, ask: impl Fn(&Reading<'_>) -> Result<T, Miss>) -> Result<T, SourceError> {
        for _ in 0..ATTEMPTS {
            control.check()?;
            let view = self.shared.view();
            let answer = self.shared.read(|connection| Ok(ask(&Reading { view: &view, connection, control })));
            match answer.map_err(|error| SourceError::Read(error.to_string()))? {
                Ok(answer) => return Ok(answer),
                Err(Miss::Failed(error)) => return Err(error),
                Err(Miss::Stale) => {}
            }
        }
        Err(SourceError::Read("the workspace changed too fast under the query; ask again".to_owned()))
    }
}

impl Reading<'_> {
    fn load(&self, batch: &HeadBatch) -> Result<Arc<SpanBatch>, Miss> {
        self.control.check()?;
        batch.load(self.connection)?.ok_or(Miss::Stale)
    }

    /// Every span of a trace by start, the halves of replaced pending spans left out.
    fn gather(&self, id: TraceId) -> Result<Option<SpanBatch>, Miss> {
        let mut builder = SpanBatchBuilder::default();
        for batch in &self.view.head {
            let places = batch.places(id);
            if !places.is_empty() {
                builder.copy(&*self.load(batch)?, places.iter().map(|at| *at as usize));
            }
        }
        Ok((!builder.is_empty()).then(|| in_order(builder.finish())))
    }

    /// Visits every span, batch by batch.
    fn each_span(&self, mut visit: impl FnMut(SpanRef<'_>)) -> Result<(), Miss> {
        for batch in &self.view.head {
            self.load(batch)?.iter().for_each(&mut visit);
        }
        Ok(())
    }

    /// Summaries of the traces in the head with their matching spans counted, those without any left out.
    fn head_traces(&self, request: &TraceRequest, found: &mut Vec<TraceSummary>) -> Result<(), Miss> {
        let mut places: HashMap<TraceId, Vec<(usize, usize)>> = HashMap::new();
        for (number, batch) in self.view.head.iter().enumerate() {
            for (at, trace) in batch.traces.iter().enumerate() {
                places.entry(trace.id).or_default().push((number, at));
            }
        }
        for (number, batch) in self.view.head.iter().enumerate() {
            let spans = self.load(batch)?;
            let summaries = batch.summaries(&spans);
            for (at, trace) in batch.traces.iter().enumerate() {
                let known = places.get(&trace.id).map_or(&[][..], |places| places);
                if known.first() != Some(&(number, at)) {
                    continue;
                }
                let (mut summary, matched) = if known.len() == 1 {
                    let matching = |place: &&u32| request.predicate.matches(spans.span(**place as usize));
                    (summaries[at].clone(), batch.places(trace.id).iter().filter(matching).count())
                } else {
                    let Some(whole) = self.gather(trace.id)? else { continue };
                    let matched = whole.iter().filter(|span| request.predicate.matches(*span)).count();
                    (summarise(&whole).unwrap_or_default(), matched)
                };
                summary.matched = matched as u32;
                if matched > 0 && request.range.overlaps(summary.start, summary.start + summary.duration) {
                    found.push(summary);
                }
            }
        }
        Ok(())
    }
}

/// Sorted by start (ties as they came), a pending span left out where a finished one has the same id.
pub(crate) fn in_order(batch: SpanBatch) -> SpanBatch {
    use crate::model::batch::IN_FLIGHT;
    let finished: HashSet<SpanId> = if batch.spans.iter().any(|span| span.end == IN_FLIGHT) {
        batch.spans.iter().filter(|span| span.end != IN_FLIGHT).map(|span| span.span_id).collect()
    } else {
        HashSet::new()
    };
    let gone = |at: &usize| batch.spans[*at].end == IN_FLIGHT && finished.contains(&batch.spans[*at].span_id);
    if finished.is_empty() && batch.spans.is_sorted_by_key(|span| span.start) {
        return batch;
    }
    let mut order: Vec<usize> = (0..batch.len()).filter(|at| !gone(at)).collect();
    order.sort_by_key(|at| batch.spans[*at].start);
    let mut builder = SpanBatchBuilder::default();
    builder.copy(&batch, order);
    builder.finish()
}

impl SpanSource for WorkspaceSource {
    fn name(&self) -> String {
        self.shared.dir.file_name().map_or_else(|| "workspace".to_owned(), |name| name.to_string_lossy().into_owned())
    }

    fn revision(&self) -> u64 {
        self.shared.revision()
    }

    fn extent(&self) -> Option<TimeRange> {
        let view = self.shared.view();
        let head = view.head.iter().map(|batch| batch.extent);
        let (start, end) = head.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))?;
        Some(TimeRange { start: UnixNanos(start), end: UnixNanos(end.saturating_add(1)) })
    }

    fn trace(&self, id: TraceId, control: &QueryControl) -> Result<Option<Trace>, SourceError> {
        let batch = self.answer(control, |reading| reading.gather(id))?;
        Ok(batch.map(|batch| Trace::new(id, Arc::new(batch))))
    }

    fn traces(&self, request: &TraceRequest, control: &QueryControl) -> Result<TraceList, SourceError> {
        self.answer(control, |reading| {
            let mut found = Vec::new();
            reading.head_traces(request, &mut found)?;
            Ok(order_and_cut(found, request))
        })
    }

    fn services(&self, range: TimeRange, parts: usize, control: &QueryControl) -> Result<Vec<ServiceSummary>, SourceError> {
        let shown = if range == TimeRange::ALL { self.extent().unwrap_or(range) } else { range };
        self.answer(control, |reading| {
            let mut tally = ServiceTally::default();
            reading.each_span(|span| {
                if range.contains(span.start()) {
                    tally.add(span, shown, parts);
                }
            })?;
            Ok(tally.finish())
        })
    }

    fn runs(&self, control: &QueryControl) -> Result<Vec<Run>, SourceError> {
        self.answer(control, |reading| {
            let mut runs: HashMap<(SmolStr, SmolStr, SmolStr), Run> = HashMap::new();
            reading.each_span(|span| {
                let (service, instance, version) = run_of(span);
                let run = runs.entry((service.clone(), instance.clone(), version.clone())).or_insert_with(|| Run {
                    service,
                    instance,
                    version,
                    first_seen: span.start(),
                    last_seen: span.start(),
                    spans: 0,
                });
                run.first_seen = run.first_seen.min(span.start());
                run.last_seen = run.last_seen.max(span.start());
                run.spans += 1;
            })?;
            let mut runs: Vec<_> = runs.into_values().collect();
            runs.sort_by(|a, b| b.last_seen.cmp(&a.last_seen).then_with(|| a.service.cmp(&b.service)));
            Ok(runs)
        })
    }

    fn operations(&self, service: &str, control: &QueryControl) -> Result<Vec<ValueCount>, SourceError> {
        self.answer(control, |reading| {
            let mut counts: HashMap<SmolStr, u64> = HashMap::new();
            reading.each_span(|span| {
                if service.is_empty() || span.service() == service {
                    *counts.entry(span.name().into()).or_default() += 1;
                }
            })?;
            Ok(most_first(counts, 0))
        })
    }

    fn attribute_keys(&self, scope: AttrScope, control: &QueryControl) -> Result<Vec<ValueCount>, SourceError> {
        self.answer(control, |reading| {
            let mut counts: HashMap<SmolStr, u64> = HashMap::new();
            reading.each_span(|span| {
                crate::source::tally::each_key(span, scope, |key| *counts.entry(key.into()).or_default() += 1);
            })?;
            Ok(most_first(counts, 0))
        })
    }

    fn values(&self, field: &Field, limit: usize, control: &QueryControl) -> Result<Vec<ValueCount>, SourceError> {
        self.answer(control, |reading| {
            let mut counts: HashMap<SmolStr, u64> = HashMap::new();
            reading.each_span(|span| {
                field.each_value(span, &mut |value| {
                    *counts.entry(value.to_smolstr()).or_default() += 1;
                    false
                });
            })?;
            Ok(most_first(counts, limit))
        })
    }
}
