//! The workspace as a [`SpanSource`]: head and segments answer as one.
//!
//! A question takes a [`View`] and a reading connection of its own, so it never waits for ingest. Where the view has grown
//! old under the reader (a batch was sealed, a segment dropped), the question starts over with a new one.

use super::head::View;
use super::listing;
use super::reading::{Miss, Reading};
use super::segment::{Buckets, Projection};
use super::shared::Shared;
use crate::model::{SpanRef, Trace, TraceId, UnixNanos};
use crate::source::tally::{ServiceTally, each_key, most_first, quantile, run_of};
use crate::source::{
    AttrScope, Field, QueryControl, Run, ServiceSummary, SourceError, SpanSource, TimeRange, TraceList, TraceRequest,
    ValueCount,
};
use smol_str::{SmolStr, ToSmolStr as _};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// How often a question starts over before it gives up; sealing takes longer than most questions.
const ATTEMPTS: usize = 8;
/// A segment at most this many sparkline parts long is counted by its own 64 parts, a longer one span by span.
const COARSE_PARTS: i64 = 8;

/// See the module comment.
pub(crate) struct WorkspaceSource {
    shared: Arc<Shared>,
}

impl WorkspaceSource {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    fn answer<T>(&self, control: &QueryControl, ask: impl Fn(&Reading<'_>) -> Result<T, Miss>) -> Result<T, SourceError> {
        for _ in 0..ATTEMPTS {
            control.check()?;
            let view = self.shared.view();
            let shared = &*self.shared;
            let answer = shared.read(|connection| Ok(ask(&Reading { shared, view: &view, connection, control })));
            match answer.map_err(|error| SourceError::Read(error.to_string()))? {
                Ok(answer) => return Ok(answer),
                Err(Miss::Failed(error)) => return Err(error),
                Err(Miss::Stale) => {}
            }
        }
        Err(SourceError::Read("the workspace changed too fast under the query; ask again".to_owned()))
    }
}

/// Earliest start and latest end of a view.
fn extent_of(view: &View) -> Option<TimeRange> {
    let head = view.head.iter().map(|batch| batch.extent);
    let segments = view.segments.iter().map(|segment| (segment.first_start, segment.last_end));
    let (start, end) = head.chain(segments).reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))?;
    Some(TimeRange { start: UnixNanos(start), end: UnixNanos(end.saturating_add(1)) })
}

/// Visits every span of the head.
fn each_head_span(reading: &Reading<'_>, mut visit: impl FnMut(SpanRef<'_>)) -> Result<(), Miss> {
    for batch in &reading.view.head {
        reading.load(batch)?.iter().for_each(&mut visit);
    }
    Ok(())
}

/// Visits every sealed span with the columns of a projection.
fn each_sealed_span(reading: &Reading<'_>, projection: &Projection, mut visit: impl FnMut(SpanRef<'_>)) -> Result<(), Miss> {
    let total: u64 = reading.view.segments.iter().map(|segment| segment.spans).sum();
    let mut done = 0;
    for segment in reading.view.segments.iter() {
        let (head, directory) = (reading.head(segment)?, reading.directory(segment)?);
        for number in 0..head.blocks.len() {
            let spans = reading.block(segment, &head, &directory, number, head.rows(number), projection)?;
            spans.iter().for_each(&mut visit);
        }
        done += segment.spans;
        reading.control.progress(done, total);
    }
    Ok(())
}

/// One service summed up from exact spans and from the sums of segments.
struct Sum {
    summary: ServiceSummary,
    durations: Vec<i64>,
    buckets: Buckets,
}

fn services(reading: &Reading<'_>, range: TimeRange, parts: usize) -> Result<Vec<ServiceSummary>, Miss> {
    let shown = if range == TimeRange::ALL { extent_of(reading.view).unwrap_or(range) } else { range };
    let width = shown.end.0.saturating_sub(shown.start.0) / (parts.max(1) as i64);
    let mut tally = ServiceTally::default();
    each_head_span(reading, |span| {
        if range.contains(span.start()) {
            tally.add(span, shown, parts);
        }
    })?;
    let mut summed = Vec::new();
    for segment in reading.view.segments.iter() {
        if !range.overlaps(UnixNanos(segment.first_start), UnixNanos(segment.last_end)) {
            continue;
        }
        let tallied = reading.tallied(segment)?;
        let (first, last) = tallied.starts;
        let inside = range.contains(UnixNanos(first)) && range.contains(UnixNanos(last));
        if inside && (parts == 0 || last.saturating_sub(first) / COARSE_PARTS <= width) {
            summed.push(tallied);
            continue;
        }
        let projection = Projection { parents: true, ..Projection::least() };
        let (head, directory) = (reading.head(segment)?, reading.directory(segment)?);
        for number in 0..head.blocks.len() {
            let block = head.blocks[number];
            if range.overlaps(UnixNanos(block.first), UnixNanos(block.last)) {
                let spans = reading.block(segment, &head, &directory, number, head.rows(number), &projection)?;
                spans.iter().filter(|span| range.contains(span.start())).for_each(|span| tally.add(span, shown, parts));
            }
        }
    }
    let fresh = |(service, (summary, durations))| (service, Sum { summary, durations, buckets: Buckets::default() });
    let mut sums: BTreeMap<SmolStr, Sum> = tally.into_parts().into_iter().map(fresh).collect();
    for tallied in summed {
        let (first, last) = tallied.starts;
        for service in tallied.services.iter().filter(|service| service.spans > 0) {
            let sum = sums.entry(service.service.clone()).or_insert_with(|| Sum {
                summary: ServiceSummary {
                    service: service.service.clone(),
                    spark: vec![0; parts],
                    last_seen: UnixNanos(i64::MIN),
                    ..ServiceSummary::default()
                },
                durations: Vec::new(),
                buckets: Buckets::default(),
            });
            sum.summary.spans += service.spans;
            sum.summary.requests += service.requests;
            sum.summary.errors += service.errors;
            sum.summary.last_seen = sum.summary.last_seen.max(UnixNanos(service.last_seen));
            sum.buckets.merge(&service.durations);
            for (at, count) in service.spark.iter().enumerate().filter(|(_, count)| **count > 0 && parts > 0) {
                let share = (at as f64 + 0.5) / service.spark.len() as f64;
                let start = first.saturating_add((last.saturating_sub(first) as f64 * share) as i64);
                let part = (start.saturating_sub(shown.start.0) / width.max(1)).clamp(0, parts as i64 - 1) as usize;
                sum.summary.spark[part] += count;
            }
        }
    }
    let finish = |mut sum: Sum| {
        let ServiceSummary { p50, p95, p99, .. } = &mut sum.summary;
        let of: Box<dyn Fn(f64) -> crate::model::DurationNs> = if sum.buckets == Buckets::default() {
            sum.durations.sort_unstable();
            Box::new(|q| quantile(&sum.durations, q))
        } else {
            sum.durations.iter().for_each(|duration| sum.buckets.add(*duration));
            Box::new(|q| sum.buckets.quantile(q))
        };
        (*p50, *p95, *p99) = (of(0.5), of(0.95), of(0.99));
        drop(of);
        sum.summary
    };
    Ok(sums.into_values().map(finish).collect())
}

impl SpanSource for WorkspaceSource {
    fn name(&self) -> String {
        self.shared.dir.file_name().map_or_else(|| "workspace".to_owned(), |name| name.to_string_lossy().into_owned())
    }

    fn revision(&self) -> u64 {
        self.shared.revision()
    }

    fn extent(&self) -> Option<TimeRange> {
        extent_of(&self.shared.view())
    }

    fn trace(&self, id: TraceId, control: &QueryControl) -> Result<Option<Trace>, SourceError> {
        let batch = self.answer(control, |reading| reading.gather(id))?;
        Ok(batch.map(|batch| Trace::new(id, Arc::new(batch))))
    }

    fn traces(&self, request: &TraceRequest, control: &QueryControl) -> Result<TraceList, SourceError> {
        self.answer(control, |reading| listing::traces(reading, request))
    }

    fn services(&self, range: TimeRange, parts: usize, control: &QueryControl) -> Result<Vec<ServiceSummary>, SourceError> {
        self.answer(control, |reading| services(reading, range, parts))
    }

    fn runs(&self, control: &QueryControl) -> Result<Vec<Run>, SourceError> {
        self.answer(control, |reading| {
            let mut runs: HashMap<(SmolStr, SmolStr, SmolStr), Run> = HashMap::new();
            let mut add = |other: Run| {
                let key = (other.service.clone(), other.instance.clone(), other.version.clone());
                match runs.get_mut(&key) {
                    Some(run) => {
                        run.first_seen = run.first_seen.min(other.first_seen);
                        run.last_seen = run.last_seen.max(other.last_seen);
                        run.spans += other.spans;
                    }
                    None => drop(runs.insert(key, other)),
                }
            };
            each_head_span(reading, |span| {
                let (service, instance, version) = run_of(span);
                let seen = span.start();
                add(Run { service, instance, version, first_seen: seen, last_seen: seen, spans: 1 });
            })?;
            for segment in reading.view.segments.iter() {
                reading.tallied(segment)?.runs.into_iter().for_each(&mut add);
            }
            let mut runs: Vec<_> = runs.into_values().collect();
            runs.sort_by(|a, b| b.last_seen.cmp(&a.last_seen).then_with(|| a.service.cmp(&b.service)));
            Ok(runs)
        })
    }

    fn operations(&self, service: &str, control: &QueryControl) -> Result<Vec<ValueCount>, SourceError> {
        self.answer(control, |reading| {
            let mut counts: HashMap<SmolStr, u64> = HashMap::new();
            each_head_span(reading, |span| {
                if service.is_empty() || span.service() == service {
                    *counts.entry(span.name().into()).or_default() += 1;
                }
            })?;
            for segment in reading.view.segments.iter() {
                for (of, name, count) in reading.tallied(segment)?.operations {
                    if service.is_empty() || of == service {
                        *counts.entry(name).or_default() += count;
                    }
                }
            }
            Ok(most_first(counts, 0))
        })
    }

    fn attribute_keys(&self, scope: AttrScope, control: &QueryControl) -> Result<Vec<ValueCount>, SourceError> {
        self.answer(control, |reading| {
            let mut counts: HashMap<SmolStr, u64> = HashMap::new();
            each_head_span(reading, |span| each_key(span, scope, |key| *counts.entry(key.into()).or_default() += 1))?;
            for segment in reading.view.segments.iter() {
                for (key, count) in reading.tallied(segment)?.keys(scope).filter(|(_, count)| *count > 0) {
                    *counts.entry(key.clone()).or_default() += count;
                }
            }
            Ok(most_first(counts, 0))
        })
    }

    fn values(&self, field: &Field, limit: usize, control: &QueryControl) -> Result<Vec<ValueCount>, SourceError> {
        self.answer(control, |reading| {
            let mut counts: HashMap<SmolStr, u64> = HashMap::new();
            let mut add = |span: SpanRef<'_>| {
                field.each_value(span, &mut |value| {
                    let value = value.to_smolstr();
                    match counts.get_mut(&value) {
                        Some(count) => *count += 1,
                        None => drop(counts.insert(value, 1)),
                    }
                    false
                });
            };
            each_head_span(reading, &mut add)?;
            let mut projection = Projection::least();
            projection.add_field(field);
            each_sealed_span(reading, &projection, &mut add)?;
            Ok(most_first(counts, limit))
        })
    }
}
