//! A span batch as one row of the journal: its columns one after the other, then compressed as a whole.
//!
//! The row must be cheap, because it is written on the way to the acknowledgement and read once when it is sealed, and it
//! must be exact, content hashes included, because after a crash it is all there is. Measured on the sample shop in
//! batches of 500 spans (158 B a span raw; `benches/store.rs` prints both): LZ4 takes 0.45 us a span for 75 B, zstd level 1
//! takes 0.68 us for 67 B; a row lives for seconds, so the time counts and the bytes do not.
//!
//! Layout: version byte, then LZ4 with the size of the raw form before it. Text is stored once as in the batch.

use super::bytes::{In, Out};
use crate::model::batch::{AttrRow, EventRow, LinkRow, ResourceRow, Run, ScopeRow, SpanBatch, SpanRow, StringTable, ValueKind};
use crate::model::{SpanId, TraceId};

/// First byte of a row.
const VERSION: u8 = 1;
/// A raw row above this size is taken for damage, not allocated.
const MAX_RAW: usize = 1 << 30;

/// Packs a batch. See the module comment.
pub(crate) fn encode(batch: &SpanBatch) -> Vec<u8> {
    let raw = write(batch);
    let packed = lz4_flex::block::compress(&raw);
    let mut row = Out::with_capacity(packed.len() + 8);
    row.u8(VERSION);
    row.varint(raw.len() as u64);
    row.raw(&packed);
    row.0
}

/// A batch as its columns, not compressed.
pub(crate) fn write(batch: &SpanBatch) -> Vec<u8> {
    let mut out = Out::with_capacity(batch.heap_bytes() / 2 + 64);
    let (text, ends) = batch.strings.parts();
    out.varint(ends.len() as u64);
    ends.windows(2).for_each(|pair| out.varint(u64::from(pair[1] - pair[0])));
    out.sized(text.as_bytes());
    out.varint(batch.blobs.len() as u64);
    batch.blobs.iter().for_each(|blob| out.sized(blob));
    out.varint(batch.attrs.len() as u64);
    batch.attrs.iter().for_each(|row| out.varint(u64::from(row.key)));
    batch.attrs.iter().for_each(|row| out.u8(row.kind as u8));
    for row in &batch.attrs {
        match row.kind {
            ValueKind::Int => out.signed(row.bits as i64),
            ValueKind::Double => out.u64(row.bits),
            _ => out.varint(row.bits),
        }
    }
    out.varint(batch.resources.len() as u64);
    for row in &batch.resources {
        [row.service, row.schema_url, row.dropped_attributes].into_iter().for_each(|value| out.varint(u64::from(value)));
        run(&mut out, row.attrs);
    }
    out.varint(batch.scopes.len() as u64);
    for row in &batch.scopes {
        [row.name, row.version, row.schema_url, row.dropped_attributes]
            .into_iter()
            .for_each(|value| out.varint(u64::from(value)));
        run(&mut out, row.attrs);
    }
    events_and_links(&mut out, batch);
    spans(&mut out, &batch.spans);
    out.0
}

fn run(out: &mut Out, run: Run) {
    out.varint(u64::from(run.start));
    out.varint(u64::from(run.len));
}

/// Starts of runs, which nearly always follow one another: the difference to where the last one ended.
fn runs(out: &mut Out, runs: impl Iterator<Item = Run>) {
    let mut expected = 0_i64;
    for run in runs {
        out.signed(i64::from(run.start) - expected);
        out.varint(u64::from(run.len));
        expected = i64::from(run.start) + i64::from(run.len);
    }
}

fn events_and_links(out: &mut Out, batch: &SpanBatch) {
    out.varint(batch.events.len() as u64);
    for row in &batch.events {
        out.u64(row.time as u64);
        out.varint(u64::from(row.name));
        out.varint(u64::from(row.dropped_attributes));
        run(out, row.attrs);
    }
    out.varint(batch.links.len() as u64);
    for row in &batch.links {
        out.raw(&row.trace_id.0);
        out.raw(&row.span_id.0);
        [row.trace_state, row.flags, row.dropped_attributes].into_iter().for_each(|value| out.varint(u64::from(value)));
        run(out, row.attrs);
    }
}

fn spans(out: &mut Out, spans: &[SpanRow]) {
    out.varint(spans.len() as u64);
    let mut last = TraceId::default();
    for span in spans {
        out.u8(u8::from(span.trace_id != last));
        if span.trace_id != last {
            out.raw(&span.trace_id.0);
            last = span.trace_id;
        }
    }
    spans.iter().for_each(|span| out.raw(&span.span_id.0));
    spans.iter().for_each(|span| out.raw(&span.parent.0));
    spans.iter().for_each(|span| out.u64(span.content_hash));
    let mut last = 0_i64;
    for span in spans {
        out.signed(span.start.wrapping_sub(last));
        last = span.start;
    }
    spans.iter().for_each(|span| out.signed(span.end.wrapping_sub(span.start)));
    for field in [
        |span: &SpanRow| span.name,
        |span: &SpanRow| span.trace_state,
        |span: &SpanRow| span.status_message,
        |span: &SpanRow| span.flags,
        |span: &SpanRow| span.resource,
        |span: &SpanRow| span.scope,
        |span: &SpanRow| span.dropped_attributes,
        |span: &SpanRow| span.dropped_events,
        |span: &SpanRow| span.dropped_links,
        |span: &SpanRow| u32::from(span.kind),
        |span: &SpanRow| u32::from(span.status),
    ] {
        spans.iter().for_each(|span| out.varint(u64::from(field(span))));
    }
    runs(out, spans.iter().map(|span| span.attrs));
    runs(out, spans.iter().map(|span| span.events));
    runs(out, spans.iter().map(|span| span.links));
}

/// Unpacks a row. `None` for anything that [`encode`] did not write; every index in the answer is in bounds.
pub(crate) fn decode(row: &[u8]) -> Option<SpanBatch> {
    let mut row = In(row);
    if row.u8()? != VERSION {
        return None;
    }
    let size = usize::try_from(row.varint()?).ok().filter(|size| *size <= MAX_RAW)?;
    let raw = lz4_flex::block::decompress(row.0, size).ok()?;
    read(&raw)
}

/// Reads what [`write()`] wrote, sound or not at all.
pub(crate) fn read(raw: &[u8]) -> Option<SpanBatch> {
    let mut bytes = In(raw);
    let batch = read_columns(&mut bytes)?;
    (bytes.is_empty() && is_sound(&batch)).then_some(batch)
}

fn read_columns(bytes: &mut In<'_>) -> Option<SpanBatch> {
    let mut ends = vec![0_u32];
    for _ in 1..bytes.count()? {
        ends.push(ends.last()?.checked_add(bytes.u32()?)?);
    }
    let strings = StringTable::from_parts(bytes.text()?.to_owned(), ends)?;
    let blobs = (0..bytes.count()?).map(|_| bytes.sized().map(Box::from)).collect::<Option<Vec<Box<[u8]>>>>()?;
    let mut attrs = vec![AttrRow::default(); bytes.count()?];
    for row in &mut attrs {
        row.key = bytes.u32()?;
    }
    for row in &mut attrs {
        row.kind = *ValueKind::ALL.get(usize::from(bytes.u8()?))?;
    }
    for row in &mut attrs {
        row.bits = match row.kind {
            ValueKind::Int => bytes.signed()? as u64,
            ValueKind::Double => bytes.u64()?,
            _ => bytes.varint()?,
        };
    }
    let mut resources = vec![ResourceRow::default(); bytes.count()?];
    for row in &mut resources {
        (row.service, row.schema_url, row.dropped_attributes) = (bytes.u32()?, bytes.u32()?, bytes.u32()?);
        row.attrs = read_run(bytes)?;
    }
    let mut scopes = vec![ScopeRow::default(); bytes.count()?];
    for row in &mut scopes {
        (row.name, row.version, row.schema_url, row.dropped_attributes) =
            (bytes.u32()?, bytes.u32()?, bytes.u32()?, bytes.u32()?);
        row.attrs = read_run(bytes)?;
    }
    let mut events = vec![EventRow::default(); bytes.count()?];
    for row in &mut events {
        (row.time, row.name, row.dropped_attributes) = (bytes.u64()? as i64, bytes.u32()?, bytes.u32()?);
        row.attrs = read_run(bytes)?;
    }
    let mut links = vec![LinkRow::default(); bytes.count()?];
    for row in &mut links {
        (row.trace_id, row.span_id) = (TraceId(bytes.array()?), SpanId(bytes.array()?));
        (row.trace_state, row.flags, row.dropped_attributes) = (bytes.u32()?, bytes.u32()?, bytes.u32()?);
        row.attrs = read_run(bytes)?;
    }
    let spans = read_spans(bytes)?;
    Some(SpanBatch { strings, blobs, resources, scopes, spans, attrs, events, links })
}

fn read_run(bytes: &mut In<'_>) -> Option<Run> {
    Some(Run { start: bytes.u32()?, len: bytes.u32()? })
}

fn read_runs(bytes: &mut In<'_>, spans: &mut [SpanRow], set: impl Fn(&mut SpanRow, Run)) -> Option<()> {
    let mut expected = 0_i64;
    for span in spans {
        let start = u32::try_from(expected.checked_add(bytes.signed()?)?).ok()?;
        let run = Run { start, len: bytes.u32()? };
        expected = i64::from(run.start) + i64::from(run.len);
        set(span, run);
    }
    Some(())
}

fn read_spans(bytes: &mut In<'_>) -> Option<Vec<SpanRow>> {
    let mut spans = vec![SpanRow::default(); bytes.count()?];
    let mut last = TraceId::default();
    for span in &mut spans {
        if bytes.u8()? != 0 {
            last = TraceId(bytes.array()?);
        }
        span.trace_id = last;
    }
    for span in &mut spans {
        span.span_id = SpanId(bytes.array()?);
    }
    for span in &mut spans {
        span.parent = SpanId(bytes.array()?);
    }
    for span in &mut spans {
        span.content_hash = bytes.u64()?;
    }
    let mut last = 0_i64;
    for span in &mut spans {
        last = last.wrapping_add(bytes.signed()?);
        span.start = last;
    }
    for span in &mut spans {
        span.end = span.start.wrapping_add(bytes.signed()?);
    }
    for set in [
        |span: &mut SpanRow, value: u32| span.name = value,
        |span: &mut SpanRow, value: u32| span.trace_state = value,
        |span: &mut SpanRow, value: u32| span.status_message = value,
        |span: &mut SpanRow, value: u32| span.flags = value,
        |span: &mut SpanRow, value: u32| span.resource = value,
        |span: &mut SpanRow, value: u32| span.scope = value,
        |span: &mut SpanRow, value: u32| span.dropped_attributes = value,
        |span: &mut SpanRow, value: u32| span.dropped_events = value,
        |span: &mut SpanRow, value: u32| span.dropped_links = value,
        |span: &mut SpanRow, value: u32| span.kind = value as u8,
        |span: &mut SpanRow, value: u32| span.status = value as u8,
    ] {
        for span in &mut spans {
            set(span, bytes.u32()?);
        }
    }
    read_runs(bytes, &mut spans, |span, run| span.attrs = run)?;
    read_runs(bytes, &mut spans, |span, run| span.events = run)?;
    read_runs(bytes, &mut spans, |span, run| span.links = run)?;
    Some(spans)
}

/// True when every index points at something, so that reading the batch cannot panic.
fn is_sound(batch: &SpanBatch) -> bool {
    let attrs = |run: Run| run.start as usize + run.len as usize <= batch.attrs.len();
    let blob = |row: &AttrRow| match row.kind {
        ValueKind::Bytes | ValueKind::Array | ValueKind::Map => (row.bits as usize) < batch.blobs.len(),
        _ => true,
    };
    batch.attrs.iter().all(blob)
        && batch.resources.iter().all(|row| attrs(row.attrs))
        && batch.scopes.iter().all(|row| attrs(row.attrs))
        && batch.events.iter().all(|row| attrs(row.attrs))
        && batch.links.iter().all(|row| attrs(row.attrs))
        && batch.spans.iter().all(|span| {
            attrs(span.attrs)
                && span.events.start as usize + span.events.len as usize <= batch.events.len()
                && span.links.start as usize + span.links.len as usize <= batch.links.len()
                && (span.resource as usize) < batch.resources.len()
                && (span.scope as usize) < batch.scopes.len()
        })
}

#[cfg(test)]
mod tests {
    use super::super::samples::{any_spans, shop};
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_batch_comes_back_as_it_was(spans in any_spans(12)) {
            let batch = SpanBatch::from_spans(&spans);
            prop_assert_eq!(decode(&encode(&batch)), Some(batch));
        }

        #[test]
        fn noise_is_refused_without_a_panic(noise in proptest::collection::vec(any::<u8>(), 0..300)) {
            decode(&noise);
            let mut row = vec![VERSION, 200];
            row.extend(noise);
            decode(&row);
        }
    }

    #[test]
    fn a_damaged_row_is_refused_or_stays_readable() {
        let whole = encode(&SpanBatch::from_spans(&shop(7, 3)));
        for at in 0..whole.len() {
            assert!(decode(&whole[..at]).is_none(), "cut at {at}");
            let mut damaged = whole.clone();
            damaged[at] ^= 0x55;
            if let Some(batch) = decode(&damaged) {
                batch.to_spans();
            }
        }
    }
}
