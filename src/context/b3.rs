//! B3, Zipkin's propagation, single header and multiple headers.
//!
//! Rules from openzipkin/b3-propagation and from OpenTelemetry's propagator specification: the single header is tried
//! first, then the multiple ones; 64-bit trace ids are filled up with zeros on the left; debug is kept; a missing sampled
//! field leaves the decision to us; the span id is never reused for the server span, and no parent span id is sent.

use super::carrier::{Extract, Inject};
use super::composite::Format;
use super::fault::{Fault, Located, Problems};
use super::hex;
use super::span_context::{Sampling, SpanContext, TraceFlags};
use crate::model::{SpanId, TraceId};

/// The single header.
pub const B3: &str = "b3";
/// Trace id, 16 or 32 digits.
pub const TRACE_ID: &str = "x-b3-traceid";
/// Span id, 16 digits.
pub const SPAN_ID: &str = "x-b3-spanid";
/// `0`, `1`, or the older `true`, `false`.
pub const SAMPLED: &str = "x-b3-sampled";
/// `1` is debug.
pub const FLAGS: &str = "x-b3-flags";

fn first<'a>(carrier: &'a (impl Extract + ?Sized), name: &str) -> Option<&'a [u8]> {
    let mut found = None;
    carrier.values(name, &mut |value| {
        found.get_or_insert(value);
    });
    found.map(|value| value.trim_ascii())
}

fn read_trace_id(text: &[u8]) -> Result<TraceId, Fault> {
    const WHAT: &str = "the trace id";
    if text.len() != 16 && text.len() != 32 {
        return Err(Fault::Length { what: WHAT, expected: "16 or 32", found: text.len() });
    }
    let id = TraceId(hex::padded(text).ok_or(Fault::Character { what: WHAT, allowed: "hexadecimal digits" })?);
    if id.is_valid() { Ok(id) } else { Err(Fault::Zero(WHAT)) }
}

fn read_span_id(text: &[u8]) -> Result<SpanId, Fault> {
    const WHAT: &str = "the span id";
    if text.len() != 16 {
        return Err(Fault::Length { what: WHAT, expected: "16", found: text.len() });
    }
    let id = SpanId(hex::either(text).ok_or(Fault::Character { what: WHAT, allowed: "hexadecimal digits" })?);
    if id.is_valid() { Ok(id) } else { Err(Fault::Zero(WHAT)) }
}

fn read_decision(text: &[u8]) -> Result<(TraceFlags, Sampling), Fault> {
    match text {
        b"1" | b"true" => Ok((TraceFlags::SAMPLED, Sampling::Decided)),
        b"0" | b"false" => Ok((TraceFlags::default(), Sampling::Decided)),
        b"d" => Ok((TraceFlags::SAMPLED, Sampling::Debug)),
        _ => Err(Fault::Word { what: "the sampling state", allowed: "0, 1 or d" }),
    }
}

fn read_single(text: &[u8]) -> Result<SpanContext, Located> {
    let mut fields = text.split(|byte| *byte == b'-');
    let head = fields.next().unwrap_or_default();
    if head.len() == text.len() && text.len() <= 5 {
        let (flags, sampling) = read_decision(text).map_err(|fault| Located::new(0..text.len(), fault))?;
        return Ok(SpanContext { flags, sampling, remote: true, ..SpanContext::default() });
    }
    let trace_id = read_trace_id(head).map_err(|fault| Located::new(0..head.len(), fault))?;
    let span_at = head.len() + 1;
    let Some(span) = fields.next() else { return Err(Located::new(0..text.len(), Fault::Missing("the span id"))) };
    let span_id = read_span_id(span).map_err(|fault| Located::new(span_at..span_at + span.len(), fault))?;
    let (flags, sampling) = match fields.next() {
        None => (TraceFlags::default(), Sampling::Deferred),
        // With three fields the third may be a parent id rather than a state in the wild; only the state is specified.
        Some(state) => {
            let at = span_at + span.len() + 1;
            read_decision(state).map_err(|fault| Located::new(at..at + state.len(), fault))?
        }
    };
    if let Some(parent) = fields.next() {
        let at = text.len() - parent.len();
        read_span_id(parent).map_err(|fault| Located::new(at..text.len(), fault))?;
    }
    Ok(SpanContext { sampling, ..SpanContext::from_remote(trace_id, span_id, flags) })
}

/// Reads the single header. A context without ids is a decision alone (`b3: 0`).
pub fn extract_single(carrier: &(impl Extract + ?Sized), problems: &mut Problems) -> Option<SpanContext> {
    match read_single(first(carrier, B3)?) {
        Ok(context) => Some(context),
        Err(located) => {
            problems.push(Format::B3Single, B3, 0, located);
            None
        }
    }
}

/// Reads the multiple headers. A context without ids is a decision alone.
pub fn extract_multi(carrier: &(impl Extract + ?Sized), problems: &mut Problems) -> Option<SpanContext> {
    let mut bad = |header, value: &[u8], fault| problems.push(Format::B3Multi, header, 0, Located::new(0..value.len(), fault));
    let debug = first(carrier, FLAGS) == Some(b"1");
    let (mut flags, mut sampling) = match first(carrier, SAMPLED) {
        None => (TraceFlags::default(), Sampling::Deferred),
        Some(text) => read_decision(&text.to_ascii_lowercase()).unwrap_or_else(|fault| {
            bad(SAMPLED, text, fault);
            (TraceFlags::default(), Sampling::Deferred)
        }),
    };
    if debug {
        (flags, sampling) = (TraceFlags::SAMPLED, Sampling::Debug);
    }
    match (first(carrier, TRACE_ID), first(carrier, SPAN_ID)) {
        (None, None) if sampling == Sampling::Deferred => None,
        (None, None) => Some(SpanContext { flags, sampling, remote: true, ..SpanContext::default() }),
        (Some(trace), Some(span)) => {
            let trace_id = read_trace_id(trace).map_err(|fault| bad(TRACE_ID, trace, fault)).ok()?;
            let span_id = read_span_id(span).map_err(|fault| bad(SPAN_ID, span, fault)).ok()?;
            Some(SpanContext { sampling, ..SpanContext::from_remote(trace_id, span_id, flags) })
        }
        (Some(_), None) => {
            bad(SPAN_ID, b"", Fault::Missing("the span id"));
            None
        }
        (None, Some(_)) => {
            bad(TRACE_ID, b"", Fault::Missing("the trace id"));
            None
        }
    }
}

fn state(context: &SpanContext) -> Option<&'static str> {
    match context.sampling {
        Sampling::Debug => Some("d"),
        Sampling::Deferred => None,
        Sampling::Decided => Some(if context.is_sampled() { "1" } else { "0" }),
    }
}

/// Writes the single header, the form to prefer.
pub fn inject_single(context: &SpanContext, carrier: &mut (impl Inject + ?Sized)) {
    if !context.is_valid() {
        return;
    }
    let mut text = [b'-'; 51];
    hex::write(&context.trace_id.0, &mut text[..32]);
    hex::write(&context.span_id.0, &mut text[33..49]);
    let length = match state(context) {
        Some(word) => {
            text[50] = word.as_bytes()[0];
            51
        }
        None => 49,
    };
    carrier.set(B3, std::str::from_utf8(&text[..length]).unwrap_or_default());
}

/// Writes the multiple headers; debug implies sampled, which is not sent with it.
pub fn inject_multi(context: &SpanContext, carrier: &mut (impl Inject + ?Sized)) {
    if !context.is_valid() {
        return;
    }
    carrier.set(TRACE_ID, &context.trace_id.to_string());
    carrier.set(SPAN_ID, &context.span_id.to_string());
    match state(context) {
        Some("d") => carrier.set(FLAGS, "1"),
        Some(word) => carrier.set(SAMPLED, word),
        None => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T64: &str = "a3ce929d0e0e4736";
    const T128: &str = "80f198ee56343ba864fe8b2a57d3eff7";
    const S: &str = "e457b5a2e4d86bd1";

    fn shown(context: Option<SpanContext>) -> String {
        context.map_or("none".into(), |c| {
            let ids = if c.is_valid() { format!("{} {} ", c.trace_id, c.span_id) } else { String::new() };
            format!("{ids}{} {:?}", c.flags.sampled(), c.sampling)
        })
    }

    #[test]
    fn the_single_header() {
        let padded = format!("0000000000000000{T64} {S}");
        for (text, expected) in [
            (format!("{T128}-{S}-1"), format!("{T128} {S} true Decided")),
            (format!("{T128}-{S}-0"), format!("{T128} {S} false Decided")),
            (format!("{T128}-{S}-d"), format!("{T128} {S} true Debug")),
            (format!("{T128}-{S}"), format!("{T128} {S} false Deferred")),
            (format!("{T64}-{S}-1-05e3ac9a4f6e3b90"), format!("{padded} true Decided")),
            (format!("{}-{S}-1", T64.to_uppercase()), format!("{padded} true Decided")),
            ("0".into(), "false Decided".into()),
            ("1".into(), "true Decided".into()),
            ("d".into(), "true Debug".into()),
        ] {
            let mut problems = Problems::default();
            assert_eq!(shown(extract_single(&[("B3", &text)], &mut problems)), expected, "{text}");
            assert!(problems.is_empty());
        }
        for text in [
            "",
            "x",
            "-",
            T64,
            "2",
            &format!("{T64}-"),
            &format!("{T64}-{S}-x"),
            &format!("{T64}-{S}-1-zz"),
            &format!("0000000000000000-{S}-1"),
            &format!("{T64}-0000000000000000-1"),
            &format!("{T64}1-{S}-1"),
        ] {
            let mut problems = Problems::default();
            assert_eq!(extract_single(&[("b3", text)], &mut problems), None, "{text}");
            assert_eq!(problems.iter().count(), 1, "{text}");
        }
    }

    #[test]
    fn the_multiple_headers() {
        type Row<'a> = (&'a [(&'a str, &'a str)], &'a str);
        let rows: [Row<'_>; 9] = [
            (&[(TRACE_ID, T128), (SPAN_ID, S), (SAMPLED, "1")], &format!("{T128} {S} true Decided")),
            (&[(TRACE_ID, T128), (SPAN_ID, S), (SAMPLED, "True")], &format!("{T128} {S} true Decided")),
            (&[(TRACE_ID, T128), (SPAN_ID, S), (SAMPLED, "false")], &format!("{T128} {S} false Decided")),
            (&[(TRACE_ID, T128), (SPAN_ID, S)], &format!("{T128} {S} false Deferred")),
            (&[(TRACE_ID, T128), (SPAN_ID, S), (FLAGS, "1")], &format!("{T128} {S} true Debug")),
            (&[(TRACE_ID, T128), (SPAN_ID, S), (FLAGS, "0"), (SAMPLED, "0")], &format!("{T128} {S} false Decided")),
            (&[(SAMPLED, "0")], "false Decided"),
            (&[(TRACE_ID, T128)], "none"),
            (&[("other", "1")], "none"),
        ];
        for (headers, expected) in rows {
            assert_eq!(shown(extract_multi(headers, &mut Problems::default())), expected, "{headers:?}");
        }
    }

    #[test]
    fn what_is_written_reads_back_with_debug_and_deferral_kept() {
        for (flags, sampling) in [
            (TraceFlags::SAMPLED, Sampling::Decided),
            (TraceFlags::default(), Sampling::Decided),
            (TraceFlags::SAMPLED, Sampling::Debug),
            (TraceFlags::default(), Sampling::Deferred),
        ] {
            let context =
                SpanContext { sampling, ..SpanContext::from_remote(T128.parse().unwrap(), S.parse().unwrap(), flags) };
            let (mut single, mut multi) = (Vec::new(), Vec::new());
            inject_single(&context, &mut single);
            inject_multi(&context, &mut multi);
            let mut problems = Problems::default();
            assert_eq!(extract_single(&single, &mut problems), Some(context.clone()));
            assert_eq!(extract_multi(&multi, &mut problems), Some(context));
        }
    }
}
