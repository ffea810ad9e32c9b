//! From a payload to the sink: decode, redact, hand over, wait until it is on disk.

use super::delta::Applied;
use super::status::Problem;
use super::{Shared, remote_write};
use crate::model::{Door, Signal, SpanKind, StatusCode, UnixNanos};
use crate::store::{Receipt, StoreError};
use crate::tracer::Span;
use crate::wire::otlp::{self, DecodeError, MetricOptions, Options, json};
use crate::wire::redact::Redaction;
use bytes::Bytes;
use smol_str::SmolStr;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

/// Payloads above this are decoded off the runtime's workers, in bytes. Below it decoding takes under three milliseconds,
/// and handing it over costs more than it gives.
pub(super) const OFF_WORKER: usize = 1 << 20;
/// Bytes of a partial success's message.
const LONGEST_MESSAGE: usize = 4096;
/// What a client is told to wait when writing failed.
const RETRY_WRITE: Duration = Duration::from_secs(5);

/// The two forms of OTLP.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Form {
    Protobuf,
    Json,
}

/// What the client is told of a request that was taken.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Accepted {
    pub(super) rejected: u64,
    /// Empty when all is well.
    pub(super) message: String,
}

/// A payload that was decoded and handed over.
struct Handed {
    receipt: Option<Receipt>,
    accepted: Accepted,
    received: u64,
    rejected: Vec<(SmolStr, u64)>,
    /// Values that were masked.
    masked: u64,
    /// What became of the running totals.
    applied: Applied,
}

/// Takes a decompressed payload. Resolves when it is on disk.
pub(super) async fn ingest(
    shared: &Arc<Shared>,
    door: Door,
    signal: Signal,
    form: Form,
    body: Bytes,
) -> Result<Accepted, Problem> {
    let started = Instant::now();
    let mut span = shared.tracer.as_ref().map(|tracer| tracer.span("receive").kind(SpanKind::Server).start());
    if let Some(span) = span.as_mut().filter(|span| span.is_recording()) {
        span.set("belvedere.door", door.name()).set("belvedere.signal", signal.name());
        span.set("http.request.body.size", i64::try_from(body.len()).unwrap_or(i64::MAX));
    }
    let taken = take(shared, door, signal, form, body, span.as_ref()).await;
    if let Some(span) = &mut span {
        match &taken {
            Ok((accepted, received)) => {
                span.set("belvedere.received", i64::try_from(*received).unwrap_or(i64::MAX));
                span.set("belvedere.rejected", i64::try_from(accepted.rejected).unwrap_or(i64::MAX));
            }
            Err(problem) => {
                span.set("error.type", problem.reason).status(StatusCode::Error, "");
            }
        }
    }
    let (accepted, received) = taken?;
    let counters = shared.counters.of(door, signal);
    counters.received.add(received);
    counters.rejected.add(accepted.rejected);
    counters.seconds.observe(started.elapsed());
    Ok(accepted)
}

/// Decodes and stores; the spans `decode` and `store` below `span` tell the two apart.
async fn take(
    shared: &Arc<Shared>,
    door: Door,
    signal: Signal,
    form: Form,
    body: Bytes,
    span: Option<&Span>,
) -> Result<(Accepted, u64), Problem> {
    let step = |name: &'static str| {
        let (tracer, span) = (shared.tracer.as_ref()?, span.filter(|span| span.is_recording())?);
        Some(tracer.span(name).parent(span.context()).start())
    };
    let decode = step("decode");
    let handed = if body.len() > OFF_WORKER {
        let shared = shared.clone();
        let task = tokio::task::spawn_blocking(move || hand_over(&shared, door, signal, form, body));
        task.await.map_err(|error| Problem::internal(format!("decoding stopped: {error}")))??
    } else {
        hand_over(shared, door, signal, form, body)?
    };
    drop(decode);
    let mut accepted = handed.accepted;
    if let Some(receipt) = handed.receipt {
        let _store = step("store");
        let appended = receipt.await.map_err(|error| {
            shared.totals.take_back(handed.applied);
            unwritten(error)
        })?;
        // Of a batch that was sent again everything was counted the first time.
        if appended.stored > 0 {
            shared.counters.masked.add(handed.masked);
        }
        let refused = appended.rejected();
        if refused > 0 {
            accepted.rejected += refused;
            let texts = remote_write::refusals(&appended);
            let parts = std::iter::once(accepted.message).filter(|text| !text.is_empty()).chain(texts);
            accepted.message = shortened(parts.collect::<Vec<_>>().join("; "));
        }
    }
    for (service, count) in &handed.rejected {
        shared.sink.note_rejected(door, service, signal, *count);
    }
    Ok((accepted, handed.received))
}

pub(super) fn unwritten(error: StoreError) -> Problem {
    Problem::busy(format!("not stored: {error}"), RETRY_WRITE)
}

fn hand_over(shared: &Shared, door: Door, signal: Signal, form: Form, body: Bytes) -> Result<Handed, Problem> {
    let received = (shared.clock)();
    let redaction = shared.redaction.read().unwrap_or_else(PoisonError::into_inner).clone();
    let (payload, note) = match form {
        Form::Protobuf => (body, String::new()),
        Form::Json => from_json(shared, door, signal, &body)?,
    };
    match signal {
        Signal::Traces => traces(shared, door, form, payload, note, received, &redaction),
        Signal::Metrics => metrics(shared, door, form, &payload, note, received, &redaction),
        Signal::Logs => raw(shared, door, signal, form, payload, note, received, &redaction),
    }
}

fn from_json(shared: &Shared, door: Door, signal: Signal, body: &Bytes) -> Result<(Bytes, String), Problem> {
    let converted = json::to_protobuf(signal, body).map_err(|error| {
        if body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[') {
            shared.callers.note(door, format!("JSON that is not OTLP, sent as {}", signal.name()), NOT_OTLP, None);
        }
        malformed(DecodeError::Json(error), Form::Json, body)
    })?;
    let mut note = String::new();
    if !converted.recognised && !converted.unknown.is_empty() {
        let names = converted.unknown.join(", ");
        let what = format!("JSON that is not OTLP, sent as {}: {names}", signal.name());
        shared.callers.note(door, what, NOT_OTLP, None);
        note = format!("nothing was stored: the JSON has {names}, not the resource{} of OTLP", capitalised(signal));
    }
    Ok((converted.payload.into(), note))
}

const NOT_OTLP: &str =
    "Send OTLP/JSON ({\"resourceSpans\":[…]}). Zipkin has a door of its own; files of other formats open with Open file.";

fn capitalised(signal: Signal) -> &'static str {
    match signal {
        Signal::Traces => "Spans",
        Signal::Metrics => "Metrics",
        Signal::Logs => "Logs",
    }
}

/// The refusal of a payload that cannot be read, with a guess at what it is instead.
fn malformed(error: DecodeError, form: Form, body: &[u8]) -> Problem {
    let first = body.iter().find(|byte| !byte.is_ascii_whitespace());
    let hint = match (form, first) {
        _ if body.starts_with(&[0x1f, 0x8b]) => ". It looks like gzip: set Content-Encoding: gzip",
        _ if body.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) => ". It looks like zstd: set Content-Encoding: zstd",
        (Form::Protobuf, Some(b'{' | b'[')) => ". It looks like JSON: set Content-Type: application/json",
        (Form::Json, Some(byte)) if !matches!(byte, b'{' | b'[') && body[0] == 0x0a => {
            ". It looks like protobuf: set Content-Type: application/x-protobuf"
        }
        _ => "",
    };
    Problem::malformed(format!("{error}{hint}"))
}

pub(super) fn busy(busy: crate::store::Busy) -> Problem {
    Problem::busy(busy.to_string(), busy.retry_after)
}

fn traces(
    shared: &Shared,
    door: Door,
    form: Form,
    payload: Bytes,
    note: String,
    received: UnixNanos,
    redaction: &Redaction,
) -> Result<Handed, Problem> {
    let options = Options { received: Some(received), redaction: Some(redaction) };
    let decoded = otlp::decode_traces_with(&payload, options).map_err(|error| malformed(error, form, &payload))?;
    drop(payload);
    let message = [note, decoded.message()].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join("; ");
    let rejected = decoded.rejected_count();
    let stored = decoded.batch.len() as u64;
    let masked = decoded.masked;
    let receipt = match stored {
        0 => None,
        _ => Some(shared.sink.append_spans(door, decoded.batch, received).map_err(busy)?),
    };
    let by_service = decoded.rejected.into_iter().map(|rejection| (rejection.service, rejection.count)).collect();
    let accepted = Accepted { rejected, message: shortened(message) };
    Ok(Handed { receipt, accepted, received: stored + rejected, rejected: by_service, masked, applied: Applied::default() })
}

/// Metrics become samples; deltas become cumulative on the way.
fn metrics(
    shared: &Shared,
    door: Door,
    form: Form,
    payload: &Bytes,
    note: String,
    received: UnixNanos,
    redaction: &Redaction,
) -> Result<Handed, Problem> {
    let options = MetricOptions { redaction: Some(redaction), ..shared.metric_options };
    let mut decoded = otlp::decode_metrics(payload, options).map_err(|error| malformed(error, form, payload))?;
    let mut masked = decoded.masked;
    if let Some((batch, count)) = redaction.mask_samples(&decoded.batch) {
        decoded.batch = batch;
        masked += count;
    }
    let rejected = decoded.rejected_count();
    let applied = shared.totals.apply(&mut decoded, |labels| shared.sink.last_sample(labels));
    let mut parts = vec![note, decoded.message()];
    if applied.late > 0 {
        parts.push(format!("{} deltas came after a later one of their series and were not added", applied.late));
    }
    let message = parts.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join("; ");
    let stored = decoded.batch.len() as u64;
    let receipt = match stored {
        0 => None,
        _ => match shared.sink.append_samples(door, decoded.batch, received) {
            Ok(receipt) => Some(receipt),
            Err(full) => {
                shared.totals.take_back(applied);
                return Err(busy(full));
            }
        },
    };
    let by_service = decoded.rejected.into_iter().map(|rejection| (rejection.service, rejection.count)).collect();
    let accepted = Accepted { rejected, message: shortened(message) };
    Ok(Handed { receipt, accepted, received: stored + rejected, rejected: by_service, masked, applied })
}

/// The answer must stay small whatever names the payload holds.
fn shortened(mut message: String) -> String {
    if message.len() > LONGEST_MESSAGE {
        message.truncate(message.floor_char_boundary(LONGEST_MESSAGE));
        message.push('…');
    }
    message
}

#[expect(clippy::too_many_arguments, reason = "one step of a pipeline, called in one place")]
fn raw(
    shared: &Shared,
    door: Door,
    signal: Signal,
    form: Form,
    payload: Bytes,
    note: String,
    received: UnixNanos,
    redaction: &Redaction,
) -> Result<Handed, Problem> {
    let counted = otlp::count_logs(&payload);
    let counted = counted.map_err(|error| malformed(error, form, &payload))?;
    let (payload, masked) =
        otlp::mask_payload(signal, &payload, redaction).map_or((payload, 0), |(masked, count)| (masked.into(), count));
    let total = counted.total();
    let receipt = match total {
        0 => None,
        _ => Some(shared.sink.append_raw(door, signal, payload, counted.per_service, received).map_err(busy)?),
    };
    let accepted = Accepted { rejected: 0, message: note };
    Ok(Handed { receipt, accepted, received: total, rejected: Vec::new(), masked, applied: Applied::default() })
}
