//! Datadog: decimal 64-bit ids, the upper half of the trace id in `x-datadog-tags: _dd.p.tid`.
//!
//! What W3C has no place for (priority, origin, propagated tags) is kept in the tracestate member
//! `dd=s:2;o:rum;t.dm:-4`, as Datadog's own tracers do, and read from there when the context is sent on. A bad tid is
//! dropped and not fatal; a span id of 0 is allowed only from the origin `synthetics`; a tags header over 512 characters
//! is dropped whole.

use super::carrier::{Extract, Inject};
use super::composite::Format;
use super::fault::{Fault, Located, Problems};
use super::hex;
use super::span_context::{Sampling, SpanContext, TraceFlags};
use crate::model::{SpanId, TraceId};

/// Low 64 bits of the trace id, decimal.
pub const TRACE_ID: &str = "x-datadog-trace-id";
/// Span id, decimal.
pub const PARENT_ID: &str = "x-datadog-parent-id";
/// -1 rejected by a person, 0 rejected, 1 kept, 2 kept by a person.
pub const PRIORITY: &str = "x-datadog-sampling-priority";
/// Where the trace began (`rum`, `synthetics`, …).
pub const ORIGIN: &str = "x-datadog-origin";
/// Propagated tags, `key=value,key=value`.
pub const TAGS: &str = "x-datadog-tags";
/// Longest tags header read or sent.
pub const MAX_TAGS: usize = 512;
/// Key of the tracestate member.
const MEMBER: &str = "dd";
/// Longest tracestate member.
const MAX_MEMBER: usize = 256;

fn first<'a>(carrier: &'a (impl Extract + ?Sized), name: &str) -> Option<&'a [u8]> {
    let mut found = None;
    carrier.values(name, &mut |value| {
        found.get_or_insert(value);
    });
    found.map(|value| value.trim_ascii())
}

fn number(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok().filter(|text| !text.starts_with('+')).and_then(|text| text.parse().ok())
}

/// What the tracestate member may hold in a value; other characters become `_`, and `=` becomes `~`.
fn member_text(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '=' => '~',
            ' '..='~' if c != ',' && c != ';' => c,
            _ => '_',
        })
        .collect()
}

/// Reads the context.
pub fn extract(carrier: &(impl Extract + ?Sized), problems: &mut Problems) -> Option<SpanContext> {
    let trace = first(carrier, TRACE_ID)?;
    let mut bad = |header, value: &[u8], fault| problems.push(Format::Datadog, header, 0, Located::new(0..value.len(), fault));
    let decimal = |what| Fault::Number { what, range: "1 to 18446744073709551615" };
    let Some(low) = number(trace).filter(|low| *low > 0) else {
        bad(TRACE_ID, trace, decimal("the trace id"));
        return None;
    };
    let origin = first(carrier, ORIGIN).map(|origin| String::from_utf8_lossy(origin).into_owned());
    let parent = first(carrier, PARENT_ID).unwrap_or_default();
    let synthetic = origin.as_deref().is_some_and(|origin| origin.starts_with("synthetics"));
    let span = match number(parent) {
        Some(span) if span > 0 => span,
        // The trace was started from outside without a span; one of our own stands in, so that there is something to join.
        Some(0) if synthetic => low,
        _ => {
            bad(PARENT_ID, parent, decimal("the parent id"));
            return None;
        }
    };
    let priority = first(carrier, PRIORITY).and_then(|text| {
        let value: Option<i8> =
            std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).filter(|p| (-1..=2).contains(p));
        if value.is_none() {
            bad(PRIORITY, text, Fault::Number { what: "the priority", range: "-1 to 2" });
        }
        value
    });
    let mut member = String::new();
    if let Some(priority) = priority {
        member.push_str(&format!("s:{priority}"));
    }
    if let Some(origin) = &origin {
        member.push_str(&format!(";o:{}", member_text(origin)));
    }
    let mut high = 0;
    if let Some(tags) = first(carrier, TAGS) {
        if tags.len() > MAX_TAGS {
            bad(TAGS, tags, Fault::TooMany { what: "characters", limit: MAX_TAGS });
        } else {
            for tag in String::from_utf8_lossy(tags).split(',') {
                match tag.split_once('=') {
                    Some(("_dd.p.tid", tid)) => match hex::lower::<8>(tid.as_bytes()) {
                        Some(bytes) => high = u64::from_be_bytes(bytes),
                        None => bad(TAGS, tags, Fault::Character { what: "_dd.p.tid", allowed: "16 hexadecimal digits" }),
                    },
                    Some((key, value)) if key.starts_with("_dd.p.") => {
                        let part = format!(";t.{}:{}", member_text(&key[6..]), member_text(value));
                        if member.len() + part.len() <= MAX_MEMBER {
                            member.push_str(&part);
                        }
                    }
                    _ => {}
                }
            }
        }
    }
    let sampling = if priority.is_some() { Sampling::Decided } else { Sampling::Deferred };
    let flags = TraceFlags::default().with_sampled(priority.is_some_and(|priority| priority > 0));
    let mut context =
        SpanContext { sampling, ..SpanContext::from_remote(TraceId::from_halves(high, low), SpanId::from(span), flags) };
    let member = member.trim_start_matches(';').trim_end();
    if !member.is_empty() {
        context.trace_state = context.trace_state.with(MEMBER, member).unwrap_or_default();
    }
    Some(context)
}

/// Writes the context. Priority, origin and tags come from the `dd` member of tracestate; the priority agrees with the
/// sampled bit in any case.
pub fn inject(context: &SpanContext, carrier: &mut (impl Inject + ?Sized)) {
    if !context.is_valid() {
        return;
    }
    let (mut high, mut low) = ([0; 8], [0; 8]);
    high.copy_from_slice(&context.trace_id.0[..8]);
    low.copy_from_slice(&context.trace_id.0[8..]);
    carrier.set(TRACE_ID, &u64::from_be_bytes(low).to_string());
    carrier.set(PARENT_ID, &context.span_id.to_u64().to_string());
    let mut tags = String::new();
    if high != [0; 8] {
        tags = format!("_dd.p.tid={:016x}", u64::from_be_bytes(high));
    }
    let mut priority = i8::from(context.is_sampled());
    for part in context.trace_state.get(MEMBER).unwrap_or_default().split(';') {
        match part.split_once(':') {
            Some(("s", value)) => {
                let said = value.parse::<i8>().unwrap_or(priority);
                if (said > 0) == context.is_sampled() {
                    priority = said.clamp(-1, 2);
                }
            }
            Some(("o", value)) => carrier.set(ORIGIN, &value.replace('~', "=")),
            Some((key, value)) => {
                if let Some(key) = key.strip_prefix("t.") {
                    let tag = format!("_dd.p.{key}={}", value.replace('~', "="));
                    if tags.len() + 1 + tag.len() <= MAX_TAGS {
                        if !tags.is_empty() {
                            tags.push(',');
                        }
                        tags.push_str(&tag);
                    }
                }
            }
            None => {}
        }
    }
    if context.sampling != Sampling::Deferred {
        carrier.set(PRIORITY, &priority.to_string());
    }
    if !tags.is_empty() {
        carrier.set(TAGS, &tags);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: (&str, &str) = (TRACE_ID, "1234567890123456789");
    const PARENT: (&str, &str) = (PARENT_ID, "42");

    fn read(headers: &[(&str, &str)]) -> (Option<SpanContext>, usize) {
        let mut problems = Problems::default();
        let context = extract(headers, &mut problems);
        (context, problems.iter().count())
    }

    #[test]
    fn the_halves_of_the_trace_id_join() {
        let (context, problems) =
            read(&[ID, PARENT, (PRIORITY, "2"), (ORIGIN, "rum"), (TAGS, "_dd.p.tid=640cfd8d00000000,_dd.p.dm=-4,other=1")]);
        let context = context.unwrap();
        assert_eq!(problems, 0);
        assert_eq!(context.trace_id.to_string(), format!("640cfd8d00000000{:016x}", 1_234_567_890_123_456_789_u64));
        assert_eq!(context.span_id.to_u64(), 42);
        assert!(context.is_sampled());
        assert_eq!(context.trace_state.as_str(), "dd=s:2;o:rum;t.dm:-4");
    }

    #[test]
    fn edges() {
        let long = format!("_dd.p.tid=640cfd8d00000000,_dd.p.x={}", "y".repeat(600));
        type Row<'a> = (&'a [(&'a str, &'a str)], Option<(u128, bool, Sampling)>, usize);
        let low = 1_234_567_890_123_456_789_u128;
        let rows: [Row<'_>; 12] = [
            (&[ID, PARENT], Some((low, false, Sampling::Deferred)), 0),
            (&[ID, PARENT, (PRIORITY, "1")], Some((low, true, Sampling::Decided)), 0),
            (&[ID, PARENT, (PRIORITY, "-1")], Some((low, false, Sampling::Decided)), 0),
            (&[ID, PARENT, (PRIORITY, "7")], Some((low, false, Sampling::Deferred)), 1),
            (&[ID, PARENT, (TAGS, "_dd.p.tid=xyz")], Some((low, false, Sampling::Deferred)), 1),
            (&[ID, PARENT, (TAGS, &long)], Some((low, false, Sampling::Deferred)), 1),
            (&[ID, (PARENT_ID, "0"), (ORIGIN, "synthetics")], Some((low, false, Sampling::Deferred)), 0),
            (&[ID, (PARENT_ID, "0")], None, 1),
            (&[(TRACE_ID, "0"), PARENT], None, 1),
            (&[(TRACE_ID, "18446744073709551616"), PARENT], None, 1),
            (&[(TRACE_ID, "+5"), PARENT], None, 1),
            (&[PARENT], None, 0),
        ];
        for (headers, expected, problems) in rows {
            let (context, found) = read(headers);
            let got = context.map(|c| (u128::from_be_bytes(c.trace_id.0), c.is_sampled(), c.sampling));
            assert_eq!((got, found), (expected, problems), "{headers:?}");
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        let (context, _) =
            read(&[ID, PARENT, (PRIORITY, "2"), (ORIGIN, "a=b"), (TAGS, "_dd.p.dm=-4,_dd.p.tid=640cfd8d00000000")]);
        let context = context.unwrap();
        let mut out = Vec::new();
        inject(&context, &mut out);
        assert_eq!(extract(&out, &mut Problems::default()), Some(context.clone()));
        let dropped = SpanContext { flags: TraceFlags::default(), ..context };
        inject(&dropped, &mut out);
        assert!(out.contains(&(PRIORITY.into(), "0".into())), "the sampled bit rules over what tracestate remembers: {out:?}");
    }
}
