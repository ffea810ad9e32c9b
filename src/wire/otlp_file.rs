//! OTLP in files: one JSON object, objects one after another as the collector's file exporter writes them (signals mixed
//! in practice), wrapped by Tempo's and Jaeger's APIs, and protobuf, bare or each message behind its big-endian length.
//!
//! The codec itself is [`super::otlp`]; here documents are found, told apart by signal and joined: the protobuf forms of
//! several requests put one behind the other are one request.

use super::fault::{KEPT_PROBLEMS, OpenError, Place, Problem};
use super::format::Format;
use super::json::Key;
use super::otlp::{self, DecodeError, DecodedMetrics, DecodedTraces, MetricOptions, Options};
use super::protobuf::{Field, Fields};
use super::reading::{Progress, Watch, broken, utf8};
use crate::model::{LogRecord, Signal, SpanBatch};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

/// What an OTLP file holds.
#[derive(Default)]
pub(crate) struct Signals {
    pub batch: SpanBatch,
    pub logs: Vec<LogRecord>,
    pub samples: u64,
    pub metrics: DecodedMetrics,
    pub rejected: u64,
    pub problems: Vec<Problem>,
    /// Documents or messages one after another.
    pub documents: u64,
}

/// The requests of a file, joined by signal.
#[derive(Default)]
struct Joined {
    /// Protobuf by the number of the signal.
    payloads: [Vec<u8>; 3],
    rejected: u64,
    problems: Vec<Problem>,
    documents: u64,
}

impl Joined {
    fn reject(&mut self, place: Place, reason: &str) {
        self.rejected += 1;
        if self.problems.len() < KEPT_PROBLEMS {
            self.problems.push(Problem { place, reason: reason.to_owned(), rejected: true });
        }
    }

    fn decode(self, format: Format) -> Result<Signals, OpenError> {
        let [traces, metrics, logs] = &self.payloads;
        let refused = |error: DecodeError| refusal(format, &error, Place::default());
        let DecodedTraces { batch, warnings, rejected, .. } = otlp::decode_traces(traces).map_err(refused)?;
        let metrics = otlp::decode_metrics(metrics, MetricOptions::default()).map_err(refused)?;
        let samples = metrics.points.iter().map(|(_, count)| count).sum();
        let logs = if logs.is_empty() { Vec::new() } else { otlp::decode_logs(logs, Options::default()).map_err(refused)? };
        let mut signals = Signals {
            batch,
            logs,
            samples,
            metrics,
            rejected: self.rejected,
            problems: self.problems,
            documents: self.documents,
        };
        signals.rejected += signals.metrics.rejected_count();
        signals.rejected += rejected.iter().map(|rejection| rejection.count).sum::<u64>();
        let said = |text: String, rejected| Problem { place: Place::default(), reason: text, rejected };
        signals.problems.extend(rejected.iter().map(|rejection| said(rejection.to_string(), true)));
        let refused = signals.metrics.rejected.iter().map(|rejection| {
            let otlp::Rejection { service, count, reason } = rejection;
            said(format!("{count} data points of {service}: {reason}"), true)
        });
        signals.problems.extend(refused.collect::<Vec<_>>());
        signals.problems.extend(warnings.iter().map(|warning| said(warning.to_string(), false)));
        signals.problems.truncate(KEPT_PROBLEMS);
        Ok(signals)
    }
}

/// The codec's error as one of this room's, its place moved by where the document begins.
fn refusal(format: Format, error: &DecodeError, start: Place) -> OpenError {
    let (reason, place) = match error {
        DecodeError::Json(error) => {
            let line = start.line.unwrap_or(1) + error.line as u64 - 1;
            let column = error.column as u64 + if error.line == 1 { start.column.unwrap_or(1) - 1 } else { 0 };
            let place = Place { line: Some(line), column: Some(column), path: error.path.clone(), ..start };
            (error.what.clone(), place)
        }
        DecodeError::Protobuf { fault, position, path, .. } => {
            (fault.to_string(), Place::at_byte(start.byte as usize + position).on(path.clone()))
        }
    };
    OpenError::Broken { format, reason, place }
}

/// Reads OTLP JSON in any of its wrappings.
pub(crate) fn read_json(format: Format, bytes: &[u8], watch: &mut Watch<'_>) -> Result<Signals, OpenError> {
    let text = utf8(format, bytes)?;
    // The usual file is one object of spans: it needs no look for documents. Anything else, faults too, takes the long way.
    if let Ok(converted) = otlp::json::to_protobuf(Signal::Traces, text.as_bytes())
        && converted.recognised
        && converted.unknown.is_empty()
    {
        let progress = Progress { read: text.len() as u64 / 2, total: text.len() as u64, spans: 0 };
        if !watch(progress) {
            return Err(OpenError::Cancelled);
        }
        let joined = Joined { payloads: [converted.payload, Vec::new(), Vec::new()], documents: 1, ..Joined::default() };
        return joined.decode(format);
    }
    let mut joined = Joined::default();
    let mut stream = serde_json::Deserializer::from_str(text);
    let mut tell = |read: usize| {
        let progress = Progress { read: read as u64, total: text.len() as u64, spans: 0 };
        if watch(progress) { Ok(()) } else { Err(OpenError::Cancelled) }
    };
    loop {
        let raw = <&RawValue>::deserialize(&mut stream).map_err(|error| syntax(format, text, &error))?;
        let start = offset(text, raw.get());
        tell(start)?;
        document(format, text, raw.get(), &mut joined)?;
        joined.documents += 1;
        if stream.end().is_ok() {
            break;
        }
    }
    tell(text.len())?;
    joined.decode(format)
}

fn offset(text: &str, part: &str) -> usize {
    (part.as_ptr() as usize).saturating_sub(text.as_ptr() as usize).min(text.len())
}

fn syntax(format: Format, text: &str, error: &serde_json::Error) -> OpenError {
    broken(format, text, text, error)
}

fn document(format: Format, text: &str, raw: &str, joined: &mut Joined) -> Result<(), OpenError> {
    let place = |part: &str| Place::in_text(text.as_bytes(), offset(text, part));
    let top: Top<'_> = serde_json::from_str(raw).map_err(|error| broken(format, text, raw, &error))?;
    let whole = top.signals.iter().any(|there| *there).then_some((raw, top.signals));
    let mut requests: Vec<(&str, [bool; 3])> = whole.into_iter().collect();
    for inner in top.inner {
        let signals = serde_json::from_str::<Top<'_>>(inner.get()).map(|top| top.signals).unwrap_or_default();
        if signals.iter().any(|there| *there) {
            requests.push((inner.get(), signals));
        }
    }
    if requests.is_empty() {
        joined.reject(place(raw), "no spans, metrics or log records of OTLP");
    }
    for (request, signals) in requests {
        for signal in Signal::ALL.into_iter().filter(|signal| signals[*signal as usize]) {
            let converted = otlp::json::to_protobuf(signal, request.as_bytes())
                .map_err(|error| refusal(format, &DecodeError::Json(error), place(request)))?;
            let payload = &mut joined.payloads[signal as usize];
            if payload.is_empty() {
                *payload = converted.payload;
            } else {
                payload.extend_from_slice(&converted.payload);
            }
        }
    }
    Ok(())
}

/// Which signals an object names, and the objects that may hold a request in its stead.
#[derive(Default)]
struct Top<'a> {
    signals: [bool; 3],
    inner: Vec<&'a RawValue>,
}

struct TopVisitor;

impl<'de> Visitor<'de> for TopVisitor {
    type Value = Top<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an OTLP object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Top<'de>, A::Error> {
        let mut top = Top::default();
        while let Some(Key(key)) = map.next_key()? {
            let signal = match key.as_ref() {
                "resourceSpans" | "resource_spans" | "batches" => Signal::Traces,
                "resourceMetrics" | "resource_metrics" => Signal::Metrics,
                "resourceLogs" | "resource_logs" => Signal::Logs,
                "trace" | "result" => {
                    top.inner.push(map.next_value()?);
                    continue;
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            map.next_value::<IgnoredAny>()?;
            top.signals[signal as usize] = true;
        }
        Ok(top)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Top<'de>, A::Error> {
        let mut top = Top::default();
        while let Some(inner) = seq.next_element()? {
            top.inner.push(inner);
        }
        Ok(top)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Top<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(TopVisitor)
    }
}

/// The signal of a protobuf request, told by its first record: a span begins with a trace id, a log record with a time,
/// a metric with a name. `None` when the bytes are no such request; an empty one is of traces.
fn signal_of(request: &[u8]) -> Option<Signal> {
    let child = |message, number| {
        Fields::of(message).map_while(Result::ok).find_map(|(found, field)| if found == number { field.bytes() } else { None })
    };
    let mut named = None;
    for field in Fields::of(request) {
        let (1, Field::Bytes(resource)) = field.ok()? else { return None };
        // Every message on the way must be whole, or this is something else that begins alike.
        if Fields::of(resource).any(|field| !matches!(field, Ok((1 | 2 | 3 | 1000, _)))) {
            return None;
        }
        if let Some(record) = child(resource, 2).and_then(|scope| child(scope, 2)) {
            let first = Fields::of(record).next()?.ok()?;
            named = Some(match first {
                (1, Field::Bytes(id)) if id.len() == 16 => Signal::Traces,
                (1 | 11, Field::Fixed64(_)) | (2, Field::Varint(_)) => Signal::Logs,
                (2, Field::Bytes(id)) if id.len() == 8 => Signal::Traces,
                (1, Field::Bytes(_)) => Signal::Metrics,
                _ => return None,
            });
            break;
        }
    }
    Some(named.unwrap_or(Signal::Traces))
}

/// True when the bytes are OTLP protobuf, bare or behind lengths.
pub(crate) fn is_protobuf(bytes: &[u8]) -> bool {
    match bytes.first() {
        None => false,
        Some(0x0a) if signal_of(bytes).is_some() => true,
        _ => framed(bytes).is_some_and(|(first, _)| !first.is_empty() && signal_of(first).is_some()),
    }
}

/// The first message behind its length, and the rest.
fn framed(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)
}

/// Reads OTLP protobuf.
pub(crate) fn read_protobuf(bytes: &[u8], watch: &mut Watch<'_>) -> Result<Signals, OpenError> {
    let format = Format::OtlpProto;
    let messages = messages(bytes, watch)?;
    let mut joined = Joined { documents: messages.len() as u64, ..Joined::default() };
    for (at, request) in &messages {
        let Some(signal) = signal_of(request) else {
            let reason = "a message that is no OTLP request".to_owned();
            return Err(OpenError::Broken { format, reason, place: Place::at_byte(*at) });
        };
        joined.payloads[signal as usize].extend_from_slice(request);
    }
    joined.decode(format).map_err(|joined| {
        // Which message it was, for the byte in the file.
        let culprit = messages.iter().find_map(|(at, request)| {
            let fault = match signal_of(request)? {
                Signal::Traces => otlp::decode_traces(request).map(|_| ()),
                Signal::Metrics => otlp::decode_metrics(request, MetricOptions::default()).map(|_| ()),
                Signal::Logs => otlp::decode_logs(request, Options::default()).map(|_| ()),
            };
            fault.err().map(|error| refusal(format, &error, Place::at_byte(*at)))
        });
        culprit.unwrap_or(joined)
    })
}

/// The messages of a file with the bytes they begin at.
fn messages<'a>(bytes: &'a [u8], watch: &mut Watch<'_>) -> Result<Vec<(usize, &'a [u8])>, OpenError> {
    if bytes.first() == Some(&0x0a) && signal_of(bytes).is_some() {
        return Ok(vec![(0, bytes)]);
    }
    let mut messages = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let at = bytes.len() - rest.len();
        if !watch(Progress { read: at as u64, total: bytes.len() as u64, spans: 0 }) {
            return Err(OpenError::Cancelled);
        }
        let Some((request, behind)) = framed(rest) else {
            let reason = "it breaks off in the middle of a message".to_owned();
            return Err(OpenError::Broken { format: Format::OtlpProto, reason, place: Place::at_byte(at) });
        };
        messages.push((at + 4, request));
        rest = behind;
    }
    Ok(messages)
}
