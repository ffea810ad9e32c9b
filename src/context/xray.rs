//! AWS X-Ray: `X-Amzn-Trace-Id: Root=1-{8 hex seconds}-{24 hex};Parent={16 hex};Sampled={0|1|?}`.
//!
//! Keys in any order, spaces around them trimmed, other keys (`Self`, `Lineage`) ignored. `Sampled=?` and no `Sampled`
//! leave the decision to us. The trace id is the seconds followed by the rest, so its top 32 bits are not random while
//! the low 96 are: the random bit, which speaks of the low 56, is set.

use super::carrier::{Extract, Inject};
use super::composite::Format;
use super::fault::{Fault, Located, Problems};
use super::hex;
use super::span_context::{Sampling, SpanContext, TraceFlags};
use crate::model::{SpanId, TraceId};

/// The header.
pub const HEADER: &str = "x-amzn-trace-id";
/// Characters of `1-{8}-{24}`.
const ROOT_LENGTH: usize = 35;

fn read_root(root: &[u8]) -> Result<TraceId, Fault> {
    const WHAT: &str = "Root";
    if root.len() != ROOT_LENGTH {
        return Err(Fault::Length { what: WHAT, expected: "35", found: root.len() });
    }
    if &root[..2] != b"1-" || root[10] != b'-' {
        return Err(Fault::Form("1-{8 digits}-{24 digits}"));
    }
    let mut digits = [0; 32];
    digits[..8].copy_from_slice(&root[2..10]);
    digits[8..].copy_from_slice(&root[11..]);
    let id = TraceId(hex::either(&digits).ok_or(Fault::Character { what: WHAT, allowed: "hexadecimal digits" })?);
    if id.is_valid() { Ok(id) } else { Err(Fault::Zero(WHAT)) }
}

fn read_parent(parent: &[u8]) -> Result<SpanId, Fault> {
    const WHAT: &str = "Parent";
    if parent.len() != 16 {
        return Err(Fault::Length { what: WHAT, expected: "16", found: parent.len() });
    }
    let id = SpanId(hex::either(parent).ok_or(Fault::Character { what: WHAT, allowed: "hexadecimal digits" })?);
    if id.is_valid() { Ok(id) } else { Err(Fault::Zero(WHAT)) }
}

fn parse(text: &[u8]) -> Result<SpanContext, Located> {
    let (mut root, mut parent) = (None, None);
    let (mut sampled, mut sampling) = (false, Sampling::Deferred);
    let mut at = 0;
    for piece in text.split(|byte| *byte == b';') {
        let place = at..at + piece.len();
        at = place.end + 1;
        let Some(equals) = piece.iter().position(|byte| *byte == b'=') else { continue };
        let (key, value) = (piece[..equals].trim_ascii(), piece[equals + 1..].trim_ascii());
        let here = |fault| Located::new(place.clone(), fault);
        if key.eq_ignore_ascii_case(b"root") {
            root = Some(read_root(value).map_err(here)?);
        } else if key.eq_ignore_ascii_case(b"parent") {
            parent = Some(read_parent(value).map_err(here)?);
        } else if key.eq_ignore_ascii_case(b"sampled") {
            (sampled, sampling) = match value {
                b"1" => (true, Sampling::Decided),
                b"0" => (false, Sampling::Decided),
                b"?" | b"" => (false, Sampling::Deferred),
                _ => return Err(here(Fault::Word { what: "Sampled", allowed: "0, 1 or ?" })),
            };
        }
    }
    let trace_id = root.ok_or_else(|| Located::new(0..text.len(), Fault::Missing("Root")))?;
    let span_id = parent.ok_or_else(|| Located::new(0..text.len(), Fault::Missing("Parent")))?;
    let flags = TraceFlags::RANDOM.with_sampled(sampled);
    Ok(SpanContext { sampling, ..SpanContext::from_remote(trace_id, span_id, flags) })
}

/// Reads the context.
pub fn extract(carrier: &(impl Extract + ?Sized), problems: &mut Problems) -> Option<SpanContext> {
    let mut first = None;
    carrier.values(HEADER, &mut |value| {
        first.get_or_insert(value);
    });
    match parse(first?) {
        Ok(context) => Some(context),
        Err(located) => {
            problems.push(Format::XRay, HEADER, 0, located);
            None
        }
    }
}

/// Writes the context.
pub fn inject(context: &SpanContext, carrier: &mut (impl Inject + ?Sized)) {
    if context.is_valid() {
        let id = context.trace_id.to_string();
        let sampled = match context.sampling {
            Sampling::Deferred => "?",
            _ if context.is_sampled() => "1",
            _ => "0",
        };
        carrier.set(HEADER, &format!("Root=1-{}-{};Parent={};Sampled={sampled}", &id[..8], &id[8..], context.span_id));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<String, String> {
        let mut problems = Problems::default();
        extract(&[("X-Amzn-Trace-Id", text)], &mut problems)
            .map(|c| format!("{} {} {} {:?}", c.trace_id, c.span_id, c.is_sampled(), c.sampling))
            .ok_or_else(|| problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn contexts_that_are_taken() {
        let ids = "5759e988bd862e3fe1be46a994272793 53995c3f42cd8ad8";
        for (text, rest) in [
            ("Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1", "true Decided"),
            ("Sampled=0 ; Parent=53995c3f42cd8ad8 ;  Root=1-5759e988-bd862e3fe1be46a994272793", "false Decided"),
            ("Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=?", "false Deferred"),
            ("Self=1-1-2;Root=1-5759E988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Lineage=x:0", "false Deferred"),
        ] {
            assert_eq!(read(text), Ok(format!("{ids} {rest}")), "{text}");
        }
    }

    #[test]
    fn contexts_that_are_not() {
        for (text, reason) in [
            ("", "Root is missing"),
            ("Root=1-5759e988-bd862e3fe1be46a994272793", "Parent is missing"),
            ("Root=1-5759e988-bd862e3fe1be46a99427279;Parent=53995c3f42cd8ad8", "Root has 34"),
            ("Root=2-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8", "not of the form"),
            ("Root=1-5759e98g-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8", "Root may not hold"),
            ("Root=1-00000000-000000000000000000000000;Parent=53995c3f42cd8ad8", "Root is all zero"),
            ("Root=1-5759e988-bd862e3fe1be46a994272793;Parent=0000000000000000", "Parent is all zero"),
            ("Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=yes", "Sampled must be"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        for sampling in [Sampling::Decided, Sampling::Deferred] {
            let context =
                SpanContext { sampling, ..SpanContext::from_remote(TraceId([7; 16]), SpanId([8; 8]), TraceFlags::RANDOM) };
            let mut out = Vec::new();
            inject(&context, &mut out);
            assert_eq!(extract(&out, &mut Problems::default()), Some(context));
        }
    }
}
