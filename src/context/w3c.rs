//! W3C trace context, level 2: the headers `traceparent` and `tracestate`.
//!
//! Rules from the recommendation and from the working group's own test suite. A `traceparent` that breaks a rule restarts
//! the trace and takes `tracestate` with it; a `tracestate` that breaks a rule is discarded alone. Versions above 00 are
//! read by their first four fields and sent on as 00. Reading and writing allocate nothing while tracestate is empty.

use super::carrier::{Extract, Inject};
use super::composite::Format;
use super::fault::{Fault, Located, Problems};
use super::hex;
use super::span_context::{SpanContext, TraceFlags};
use super::trace_state::TraceState;
use crate::model::{SpanId, TraceId};

/// Header with the ids and flags.
pub const TRACEPARENT: &str = "traceparent";
/// Header with the vendors' data.
pub const TRACESTATE: &str = "tracestate";
/// Characters of a version 00 `traceparent`.
pub const LENGTH: usize = 55;
/// Longest `tracestate` sent; at least 512 characters must be.
pub const MAX_TRACESTATE_SENT: usize = 8192;

fn trim(value: &[u8]) -> (usize, &[u8]) {
    let leading = value.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    let rest = &value[leading..];
    let trailing = rest.iter().rev().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    (leading, &rest[..rest.len() - trailing])
}

/// Reads one `traceparent` value.
pub fn parse_traceparent(value: &[u8]) -> Result<(TraceId, SpanId, TraceFlags), Located> {
    let (at, text) = trim(value);
    read_fields(text).ok_or_else(|| diagnose(text, at))
}

fn read_fields(text: &[u8]) -> Option<(TraceId, SpanId, TraceFlags)> {
    if text.len() < LENGTH || text[2] != b'-' || text[35] != b'-' || text[52] != b'-' {
        return None;
    }
    let [version] = hex::lower::<1>(&text[..2])?;
    match version {
        0 if text.len() != LENGTH => return None,
        0xff => return None,
        _ if text.len() > LENGTH && text[LENGTH] != b'-' => return None,
        _ => {}
    }
    let trace_id = TraceId(hex::lower(&text[3..35])?);
    let span_id = SpanId(hex::lower(&text[36..52])?);
    let [flags] = hex::lower::<1>(&text[53..55])?;
    (trace_id.is_valid() && span_id.is_valid()).then_some((trace_id, span_id, TraceFlags::from_byte(flags)))
}

/// Says what [`read_fields`] disliked; only called after it failed.
fn diagnose(text: &[u8], at: usize) -> Located {
    const FIELDS: [(&str, usize, &str); 4] =
        [("the version", 2, "2"), ("the trace id", 32, "32"), ("the parent id", 16, "16"), ("the flags", 2, "2")];
    let mut start = 0;
    for (index, (what, length, expected)) in FIELDS.into_iter().enumerate() {
        if start > text.len() {
            return Located::new(at..at + text.len(), Fault::Missing(what));
        }
        let end = text[start..].iter().position(|byte| *byte == b'-').map_or(text.len(), |dash| start + dash);
        let field = &text[start..end];
        let place = at + start..at + end;
        if field.len() != length {
            return Located::new(place, Fault::Length { what, expected, found: field.len() });
        }
        if let Some(bad) = hex::bad_lower(field) {
            let fault = Fault::Character { what, allowed: "lower-case hexadecimal digits" };
            return Located::new(at + start + bad..at + start + bad + 1, fault);
        }
        if index == 0 && field == b"ff" {
            return Located::new(place, Fault::Version);
        }
        if (index == 1 || index == 2) && field.iter().all(|digit| *digit == b'0') {
            return Located::new(place, Fault::Zero(what));
        }
        start = end + 1;
    }
    Located::new(at + LENGTH.min(text.len())..at + text.len(), Fault::Trailing)
}

/// Reads the context, or tells why there is none it could take.
pub fn extract(carrier: &(impl Extract + ?Sized), problems: &mut Problems) -> Option<SpanContext> {
    let mut parent = None;
    let mut count = 0;
    carrier.values(TRACEPARENT, &mut |value| {
        parent = Some(value);
        count += 1;
    });
    let parsed = match (parent, count) {
        (Some(value), 1) => match parse_traceparent(value) {
            Ok(fields) => Some(fields),
            Err(located) => {
                problems.push(Format::W3c, TRACEPARENT, 0, located);
                None
            }
        },
        (_, 0) => None,
        (_, count) => {
            problems.push(Format::W3c, TRACEPARENT, 1, Located::new(0..0, Fault::Repeated(count)));
            None
        }
    };
    let Some((trace_id, span_id, flags)) = parsed else {
        let mut orphaned = false;
        carrier.values(TRACESTATE, &mut |_| orphaned = true);
        if orphaned {
            problems.push(Format::W3c, TRACESTATE, 0, Located::new(0..0, Fault::WithoutParent));
        }
        return None;
    };
    let trace_state = read_tracestate(carrier, problems);
    Some(SpanContext { trace_state, ..SpanContext::from_remote(trace_id, span_id, flags) })
}

/// The one header that nearly everyone sends is read in place; several are gathered first.
fn read_tracestate(carrier: &(impl Extract + ?Sized), problems: &mut Problems) -> TraceState {
    let mut first: Option<&[u8]> = None;
    let mut others = Vec::new();
    carrier.values(TRACESTATE, &mut |value| match first {
        None => first = Some(value),
        Some(_) => others.push(value),
    });
    let Some(first) = first else { return TraceState::default() };
    match TraceState::parse(std::iter::once(first).chain(others)) {
        Ok(state) => state,
        Err((index, located)) => {
            problems.push(Format::W3c, TRACESTATE, index, located);
            TraceState::default()
        }
    }
}

/// The `traceparent` text of a context, always version 00.
pub fn format_traceparent(context: &SpanContext) -> [u8; LENGTH] {
    let mut text = *b"00-00000000000000000000000000000000-0000000000000000-00";
    hex::write(&context.trace_id.0, &mut text[3..35]);
    hex::write(&context.span_id.0, &mut text[36..52]);
    hex::write(&[context.flags.byte()], &mut text[53..55]);
    text
}

/// Writes the context; an invalid one writes nothing.
pub fn inject(context: &SpanContext, carrier: &mut (impl Inject + ?Sized)) {
    if !context.is_valid() {
        return;
    }
    let text = format_traceparent(context);
    carrier.set(TRACEPARENT, std::str::from_utf8(&text).unwrap_or_default());
    if !context.trace_state.is_empty() {
        if context.trace_state.as_str().len() > MAX_TRACESTATE_SENT {
            carrier.set(TRACESTATE, context.trace_state.truncated(MAX_TRACESTATE_SENT).as_str());
        } else {
            carrier.set(TRACESTATE, context.trace_state.as_str());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDS: &str = "12345678901234567890123456789012-1234567890123456";

    fn read(headers: &[(&str, &str)]) -> (Option<SpanContext>, Vec<String>) {
        let mut problems = Problems::default();
        let context = extract(headers, &mut problems);
        (context, problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn parents_that_are_taken() {
        for (text, flags) in [
            (format!("00-{IDS}-01"), 1),
            (format!("00-{IDS}-00"), 0),
            (format!("00-{IDS}-03"), 3),
            (format!("00-{IDS}-ff"), 3),
            (format!(" \t00-{IDS}-01\t "), 1),
            (format!("cc-{IDS}-01"), 1),
            (format!("cc-{IDS}-01-what-the-future-will-be-like"), 1),
            (format!("cc-{IDS}-01-"), 1),
            (format!("01-{IDS}-02-.x"), 2),
        ] {
            let (context, problems) = read(&[("TraceParent", &text)]);
            let context = context.unwrap_or_else(|| panic!("{text}: {problems:?}"));
            assert_eq!(context.flags.byte(), flags, "{text}");
            assert!(context.remote);
            assert_eq!(format_traceparent(&context)[..53], *format!("00-{IDS}-").as_bytes(), "{text} goes on as version 00");
        }
    }

    #[test]
    fn parents_that_restart_the_trace_are_told_why() {
        for (text, reason) in [
            (format!("00-{IDS}-01."), "flags has 3 characters"),
            (format!("00-{IDS}-01-"), "version 00 ends after the flags"),
            (format!("00-{IDS}-01-what"), "version 00 ends after the flags"),
            (format!("cc-{IDS}-01.what"), "flags has 7 characters"),
            (format!("ff-{IDS}-01"), "version ff is forbidden"),
            (format!("0-{IDS}-01"), "version has 1 characters"),
            (format!("000-{IDS}-01"), "version has 3 characters"),
            (format!(".0-{IDS}-01"), "version may not hold"),
            (format!("0.-{IDS}-01"), "version may not hold"),
            (format!("00-{IDS}-1"), "flags has 1 characters"),
            (format!("00-{IDS}-001"), "flags has 3 characters"),
            (format!("00-{IDS}-.0"), "flags may not hold"),
            (format!("00-{IDS}"), "flags is missing"),
            ("00-00000000000000000000000000000000-1234567890123456-01".into(), "trace id is all zero"),
            ("00-12345678901234567890123456789012-0000000000000000-01".into(), "parent id is all zero"),
            ("00-.2345678901234567890123456789012-1234567890123456-01".into(), "trace id may not hold"),
            ("00-1234567890123456789012345678901.-1234567890123456-01".into(), "trace id may not hold"),
            ("00-12345678901234567890123456789012-123456789012345.-01".into(), "parent id may not hold"),
            ("00-1234567890123456789012345678901-1234567890123456-01".into(), "trace id has 31"),
            ("00-123456789012345678901234567890123-1234567890123456-01".into(), "trace id has 33"),
            ("00-12345678901234567890123456789012-123456789012345-01".into(), "parent id has 15"),
            ("00-ABCDEF78901234567890123456789012-1234567890123456-01".into(), "trace id may not hold"),
            (String::new(), "version has 0 characters"),
        ] {
            let (context, problems) = read(&[("traceparent", &text), ("tracestate", "foo=1")]);
            assert_eq!(context, None, "{text}");
            assert!(problems[0].contains(reason), "{text}: {problems:?}");
            assert!(problems[1].starts_with("tracestate: ignored"), "{problems:?}");
        }
    }

    #[test]
    fn two_parents_are_none_and_look_alikes_are_not_read() {
        let text = format!("00-{IDS}-01");
        assert_eq!(read(&[("traceparent", &text), ("traceparent", &text)]).0, None);
        assert_eq!(read(&[("trace-parent", &text), ("trace.parent", &text)]), (None, vec![]));
    }

    #[test]
    fn a_bad_tracestate_leaves_the_parent() {
        let text = format!("00-{IDS}-01");
        let (context, problems) = read(&[("traceparent", &text), ("tracestate", "foo=1"), ("TraceState", "bar=")]);
        assert!(context.unwrap().trace_state.is_empty());
        assert_eq!(problems.len(), 1);
        let (context, problems) = read(&[("traceparent", &text), ("tracestate", "foo=1"), ("TraceState", "bar=2")]);
        assert_eq!(context.unwrap().trace_state.as_str(), "foo=1,bar=2");
        assert!(problems.is_empty());
    }

    #[test]
    fn what_is_written_reads_back() {
        let text = format!("00-{IDS}-03");
        let (context, _) = read(&[("traceparent", &text), ("tracestate", "foo=1,bar=2")]);
        let context = context.unwrap();
        let mut out = Vec::new();
        inject(&context, &mut out);
        let mut problems = Problems::default();
        assert_eq!(extract(&out, &mut problems), Some(context));
        let mut nothing: Vec<(String, String)> = Vec::new();
        inject(&SpanContext::default(), &mut nothing);
        assert!(nothing.is_empty());
    }
}
