//! Datadog in files: the agent's JSON (`[[span…]…]`, `[span…]`, one span) and the trace view's download
//! (`{"trace":{"root_id","spans":{id: span}},"orphaned":[…]}`).

use super::super::fault::OpenError;
use super::super::format::Format;
use super::super::json::Entries;
use super::super::reading::{Decoded, Reading, Watch, utf8};
use super::{HighHalves, Sender, SpanRecord, lay, learn};
use serde::Deserialize;
use serde_json::value::RawValue;

/// The trace view's form; everything in it may be missing.
#[derive(Deserialize)]
struct View<'a> {
    #[serde(borrow, default)]
    trace: Option<&'a RawValue>,
    #[serde(borrow, default)]
    spans: Option<&'a RawValue>,
    #[serde(borrow, default)]
    orphaned: Option<&'a RawValue>,
}

/// Spans under their ids.
type ById<'a> = Entries<'a, &'a RawValue>;

/// Reads Datadog JSON.
pub(crate) fn read(bytes: &[u8], watch: &mut Watch<'_>) -> Result<Decoded, OpenError> {
    let text = utf8(Format::Datadog, bytes)?;
    let mut reading = Reading::of_file(Format::Datadog, text, watch);
    let mut raws: Vec<(&RawValue, String)> = Vec::new();
    reading.each_record(|reading, raw, path| {
        let Some(view) = reading.record::<View<'_>>(raw, path)? else { return Ok(()) };
        if view.trace.is_none() && view.spans.is_none() {
            raws.push((raw, path()));
            return Ok(());
        }
        collect(reading, &view, &path(), &mut raws)
    })?;
    // The high half may stand in a later span than the first: look at all of them before any is laid down.
    let mut spans = Vec::with_capacity(raws.len());
    let mut halves = HighHalves::default();
    for (raw, path) in raws {
        if let Some(span) = reading.record::<SpanRecord<'_>>(raw, || path.clone())? {
            learn(&mut halves, &span);
            spans.push((span, raw, path));
        }
    }
    let mut sender = Sender::default();
    for (span, raw, path) in &spans {
        if let Err(reason) = lay(&mut reading.out, &mut sender, &halves, span) {
            reading.reject(raw.get(), path.clone(), reason)?;
        }
    }
    Ok(reading.finish())
}

fn collect<'a>(
    reading: &mut Reading<'a, '_>,
    view: &View<'a>,
    path: &str,
    raws: &mut Vec<(&'a RawValue, String)>,
) -> Result<(), OpenError> {
    if let Some(spans) = view.spans {
        push_spans(reading, spans, &format!("{path}.spans"), raws)?;
    }
    if let Some(orphaned) = view.orphaned {
        push_spans(reading, orphaned, &format!("{path}.orphaned"), raws)?;
    }
    if let Some(trace) = view.trace {
        let path = format!("{path}.trace");
        let Some(inner) = reading.record::<View<'_>>(trace, || path.clone())? else { return Ok(()) };
        if let Some(spans) = inner.spans {
            push_spans(reading, spans, &format!("{path}.spans"), raws)?;
        }
    }
    Ok(())
}

/// Spans in a list or under their ids.
fn push_spans<'a>(
    reading: &mut Reading<'a, '_>,
    raw: &'a RawValue,
    path: &str,
    raws: &mut Vec<(&'a RawValue, String)>,
) -> Result<(), OpenError> {
    if raw.get().starts_with('[') {
        let list = reading.record::<Vec<&RawValue>>(raw, || path.to_owned())?.unwrap_or_default();
        raws.extend(list.into_iter().enumerate().map(|(index, raw)| (raw, format!("{path}[{index}]"))));
    } else {
        let spans = reading.record::<ById<'_>>(raw, || path.to_owned())?.unwrap_or_default();
        raws.extend(spans.0.into_iter().map(|(id, raw)| (raw, format!("{path}[{id:?}]"))));
    }
    Ok(())
}
