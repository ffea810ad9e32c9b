//! Records under one id: Zipkin's client and server halves of a call, and late reports.
//!
//! The client half keeps the id. Every other record of the id (up to 255 of a service) gets one derived from the trace, the id and its service,
//! so that reading the file again gives the same, and becomes a child of the client half. A span whose parent is such an
//! id joins the half on its own endpoint, the server's first (`reference/doors.md` section 1). A lone half keeps its id.

use super::super::ids;
use super::Endpoint;
use crate::model::{SpanBatch, SpanId, SpanKind, TraceId};
use std::collections::HashMap;
use xxhash_rust::xxh3::{Xxh3Builder, Xxh3Default, xxh3_64};

/// What is known of a row besides the row.
pub(super) struct Fact {
    /// Hash of the local endpoint.
    pub endpoint: u64,
    /// The record said `shared`.
    pub shared: bool,
    /// False when the start has to be found elsewhere.
    pub starts: bool,
    /// Duration in nanoseconds, for rows whose start is found later.
    pub length: Option<i64>,
}

/// A number for an endpoint, equal for equal endpoints.
pub(super) fn endpoint_key(endpoint: &Endpoint<'_>) -> u64 {
    let mut hasher = Xxh3Default::new();
    hasher.update(endpoint.service.as_bytes());
    hasher.update(&[0]);
    hasher.update(endpoint.address.as_bytes());
    hasher.update(&endpoint.port.to_be_bytes());
    hasher.digest()
}

/// The id of the record number `repeat` (from 0) of `service` under an id that another record keeps.
pub(crate) fn derived_id(trace: TraceId, id: SpanId, service: &str, repeat: u8) -> SpanId {
    let mut salt = Vec::with_capacity(service.len() + 1);
    salt.extend_from_slice(service.as_bytes());
    salt.push(repeat);
    ids::derived(trace, id, &salt)
}

type Ids<T> = HashMap<(TraceId, SpanId), T, Xxh3Builder>;

/// Parts the halves of a batch whose rows stand in the order of `facts`, and fills in missing starts.
pub(super) fn resolve(batch: &mut SpanBatch, facts: &[Fact]) {
    let groups = groups(batch);
    // The rows of each id that several records have; the one that keeps the id first.
    let mut halves: Ids<Vec<usize>> = Ids::default();
    for ((trace, id), mut rows) in groups {
        let keeper = keeper(batch, facts, &rows);
        rows.retain(|row| *row != keeper);
        let mut repeats: HashMap<u64, u8> = HashMap::new();
        let mut renamed = Vec::with_capacity(rows.len());
        for row in rows.iter().copied() {
            let service = batch.span(row).service();
            let repeat = repeats.entry(xxh3_64(service.as_bytes())).or_default();
            renamed.push((row, derived_id(trace, id, service, *repeat)));
            *repeat = repeat.saturating_add(1);
        }
        for (row, new_id) in renamed {
            batch.spans[row].span_id = new_id;
            batch.spans[row].parent = id;
        }
        rows.insert(0, keeper);
        halves.insert((trace, id), rows);
    }
    if !halves.is_empty() {
        join_children(batch, facts, &halves);
    }
    if facts.iter().any(|fact| !fact.starts) {
        find_starts(batch, facts);
    }
}

/// The ids that more than one row has, with their rows.
fn groups(batch: &SpanBatch) -> Vec<((TraceId, SpanId), Vec<usize>)> {
    let mut first: Ids<usize> = Ids::with_capacity_and_hasher(batch.len(), Xxh3Builder::new());
    let mut several: Ids<Vec<usize>> = Ids::default();
    for (row, span) in batch.spans.iter().enumerate() {
        let key = (span.trace_id, span.span_id);
        match first.get(&key) {
            None => {
                first.insert(key, row);
            }
            Some(earlier) => several.entry(key).or_insert_with(|| vec![*earlier]).push(row),
        }
    }
    let mut groups: Vec<_> = several.into_iter().collect();
    groups.sort_unstable_by_key(|(_, rows)| rows[0]);
    groups
}

/// The half that began the span: a client before others, one with a time before one without, the first of equals.
fn keeper(batch: &SpanBatch, facts: &[Fact], rows: &[usize]) -> usize {
    let begins = |row: &usize| {
        let (span, fact) = (&batch.spans[*row], &facts[*row]);
        let calls = span.kind == SpanKind::Client as u8 || span.kind == SpanKind::Producer as u8;
        (!fact.shared, calls, fact.starts)
    };
    let best = rows.iter().map(begins).max();
    rows.iter().copied().find(|row| Some(begins(row)) == best).unwrap_or_default()
}

fn join_children(batch: &mut SpanBatch, facts: &[Fact], halves: &Ids<Vec<usize>>) {
    for row in 0..batch.spans.len() {
        let (trace, parent) = (batch.spans[row].trace_id, batch.spans[row].parent);
        let Some(rows) = halves.get(&(trace, parent)) else { continue };
        if rows.contains(&row) {
            continue;
        }
        let server = |other: &&usize| facts[**other].shared;
        let here = |other: &&usize| facts[**other].endpoint == facts[row].endpoint;
        let joined = rows
            .iter()
            .find(|other| here(other) && server(other))
            .or_else(|| rows.iter().find(here))
            .or_else(|| rows.iter().find(server))
            .unwrap_or(&rows[0]);
        batch.spans[row].parent = batch.spans[*joined].span_id;
    }
}

/// Starts for rows without one: the parent's (for a half that is the other half's), else the trace's earliest.
fn find_starts(batch: &mut SpanBatch, facts: &[Fact]) {
    let mut known: Ids<i64> = Ids::default();
    let mut earliest: HashMap<TraceId, i64> = HashMap::new();
    for (span, _) in batch.spans.iter().zip(facts).filter(|(_, fact)| fact.starts) {
        known.insert((span.trace_id, span.span_id), span.start);
        earliest.entry(span.trace_id).and_modify(|first| *first = span.start.min(*first)).or_insert(span.start);
    }
    for (row, fact) in facts.iter().enumerate().filter(|(_, fact)| !fact.starts) {
        let span = &mut batch.spans[row];
        let start = known.get(&(span.trace_id, span.parent)).or_else(|| earliest.get(&span.trace_id));
        span.start = start.copied().unwrap_or_default();
        if let Some(length) = fact.length {
            span.end = span.start.saturating_add(length);
        }
    }
}
