//! Jaeger's own propagation: `uber-trace-id` and, for baggage, a header `uberctx-<name>` an entry.
//!
//! `{trace}:{span}:{parent}:{flags}` in hexadecimal. Ids may be short, leading zeros dropped; the whole value may be
//! URL-coded (`%3A`); the parent is deprecated and sent as 0; flag bit 0 is sampled, bit 1 debug (only together with
//! bit 0). The format is deprecated by OpenTelemetry and still met.

use super::baggage::{Baggage, Entry};
use super::carrier::{Extract, Inject};
use super::composite::Format;
use super::fault::{Fault, Located, Problems};
use super::hex;
use super::span_context::{Sampling, SpanContext, TraceFlags};
use super::w3c_baggage::{MAX_BYTES, MAX_MEMBERS, percent_decode, percent_encode};
use crate::model::{SpanId, TraceId};

/// The header with the ids.
pub const UBER_TRACE_ID: &str = "uber-trace-id";
/// What the header of a baggage entry begins with.
pub const BAGGAGE_PREFIX: &str = "uberctx-";

fn parse(text: &str) -> Result<SpanContext, Located> {
    let fields: Vec<&str> = text.splitn(5, ':').collect();
    let [trace, span, _parent, flags] = fields[..] else {
        return Err(Located::new(0..text.len(), Fault::Form("trace:span:parent:flags")));
    };
    let span_at = trace.len() + 1;
    let flags_at = text.len() - flags.len();
    let digits = |what| Fault::Character { what, allowed: "hexadecimal digits" };
    let too_long = |what, expected, found| Fault::Length { what, expected, found };
    if trace.is_empty() || trace.len() > 32 {
        return Err(Located::new(0..trace.len(), too_long("the trace id", "1 to 32", trace.len())));
    }
    let trace_id =
        hex::padded(trace.as_bytes()).map(TraceId).ok_or_else(|| Located::new(0..trace.len(), digits("the trace id")))?;
    if !trace_id.is_valid() {
        return Err(Located::new(0..trace.len(), Fault::Zero("the trace id")));
    }
    let place = span_at..span_at + span.len();
    if span.is_empty() || span.len() > 16 {
        return Err(Located::new(place, too_long("the span id", "1 to 16", span.len())));
    }
    let span_id = hex::padded(span.as_bytes()).map(SpanId).ok_or_else(|| Located::new(place.clone(), digits("the span id")))?;
    if !span_id.is_valid() {
        return Err(Located::new(place, Fault::Zero("the span id")));
    }
    let place = flags_at..text.len();
    let [flags] = hex::padded::<1>(flags.as_bytes()).ok_or_else(|| Located::new(place, digits("the flags")))?;
    let sampled = flags & 1 != 0;
    let sampling = if flags & 3 == 3 { Sampling::Debug } else { Sampling::Decided };
    let flags = TraceFlags::default().with_sampled(sampled);
    Ok(SpanContext { sampling, ..SpanContext::from_remote(trace_id, span_id, flags) })
}

/// Reads the context.
pub fn extract(carrier: &(impl Extract + ?Sized), problems: &mut Problems) -> Option<SpanContext> {
    let mut first = None;
    carrier.values(UBER_TRACE_ID, &mut |value| {
        first.get_or_insert(value);
    });
    let text = percent_decode(first?.trim_ascii());
    match parse(&text) {
        Ok(context) => Some(context),
        Err(located) => {
            problems.push(Format::Jaeger, UBER_TRACE_ID, 0, located);
            None
        }
    }
}

/// Reads the baggage. Names come in lower case, because HTTP/2 knows no other.
pub fn extract_baggage(carrier: &(impl Extract + ?Sized), problems: &mut Problems) -> Baggage {
    let mut baggage = Baggage::default();
    let mut bytes = 0;
    carrier.each(&mut |name, value| {
        let Some(prefix) = name.get(..BAGGAGE_PREFIX.len()).filter(|prefix| prefix.eq_ignore_ascii_case(BAGGAGE_PREFIX)) else {
            return;
        };
        let key = name[prefix.len()..].to_ascii_lowercase();
        bytes += key.len() + value.len();
        if key.is_empty() {
            problems.push(Format::Jaeger, name, 0, Located::new(0..0, Fault::Missing("the name")));
        } else if baggage.len() >= MAX_MEMBERS || bytes > MAX_BYTES {
            let fault = Fault::TooMany { what: "bytes of baggage", limit: MAX_BYTES };
            problems.push(Format::Jaeger, name, 0, Located::new(0..value.len(), fault));
        } else {
            baggage.set(Entry { name: key.into(), value: percent_decode(value).into(), ..Entry::default() });
        }
    });
    baggage
}

/// Writes the context.
pub fn inject(context: &SpanContext, carrier: &mut (impl Inject + ?Sized)) {
    if context.is_valid() {
        let flags = match context.sampling {
            Sampling::Debug => 3,
            _ => u8::from(context.is_sampled()),
        };
        carrier.set(UBER_TRACE_ID, &format!("{}:{}:0:{flags:x}", context.trace_id, context.span_id));
    }
}

/// Writes the baggage, one header an entry; names that HTTP can't carry are left out.
pub fn inject_baggage(baggage: &Baggage, carrier: &mut (impl Inject + ?Sized)) {
    for entry in baggage.iter().take(MAX_MEMBERS) {
        if !entry.name.is_empty() && entry.name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)) {
            let mut value = String::new();
            percent_encode(&entry.value, &mut value);
            carrier.set(&format!("{BAGGAGE_PREFIX}{}", entry.name), &value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<String, String> {
        let mut problems = Problems::default();
        extract(&[(UBER_TRACE_ID, text)], &mut problems)
            .map(|c| format!("{} {} {} {:?}", c.trace_id, c.span_id, c.is_sampled(), c.sampling))
            .ok_or_else(|| problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn contexts_that_are_taken() {
        let full = "80f198ee56343ba864fe8b2a57d3eff7";
        for (text, expected) in [
            (format!("{full}:e457b5a2e4d86bd1:0:1"), format!("{full} e457b5a2e4d86bd1 true Decided")),
            (format!("{full}:e457b5a2e4d86bd1:05e3ac9a4f6e3b90:0"), format!("{full} e457b5a2e4d86bd1 false Decided")),
            ("abc:1:0:3".into(), format!("{:032x} {:016x} true Debug", 0xabc, 1)),
            ("abc:1:0:2".into(), format!("{:032x} {:016x} false Decided", 0xabc, 1)),
            ("abc%3A1%3A0%3A01".into(), format!("{:032x} {:016x} true Decided", 0xabc, 1)),
            ("ABC:1::5".into(), format!("{:032x} {:016x} true Decided", 0xabc, 1)),
        ] {
            assert_eq!(read(&text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn contexts_that_are_not() {
        for (text, reason) in [
            ("", "not of the form"),
            ("a:b:c", "not of the form"),
            ("a:b:c:1:2", "not of the form"),
            ("0:1:0:1", "trace id is all zero"),
            ("1:0:0:1", "span id is all zero"),
            ("x:1:0:1", "trace id may not hold"),
            ("1:x:0:1", "span id may not hold"),
            (":1:0:1", "trace id has 0"),
            ("1:11111111111111111:0:1", "span id has 17"),
            ("1:1:0:", "flags may not hold"),
            ("1:1:0:100", "flags may not hold"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        let flags = TraceFlags::SAMPLED;
        let context =
            SpanContext { sampling: Sampling::Debug, ..SpanContext::from_remote(TraceId([7; 16]), SpanId([8; 8]), flags) };
        let baggage = Baggage::default().with("user", "Am\u{e9}lie 1").with("bad name", "x");
        let mut out = Vec::new();
        inject(&context, &mut out);
        inject_baggage(&baggage, &mut out);
        let mut problems = Problems::default();
        assert_eq!(extract(&out, &mut problems), Some(context));
        assert_eq!(extract_baggage(&out, &mut problems), baggage.without("bad name"));
        assert!(problems.is_empty());
    }
}
