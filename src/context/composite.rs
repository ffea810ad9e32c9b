//! Several formats in an order: who wins, what becomes of the others, and a report in words.
//!
//! The first format in the order that gives a usable context wins. Another format that names another trace is a conflict
//! and becomes a link, as Datadog's tracers do, so that no trail is lost. `Restart` starts a new trace and links to what
//! came; `Ignore` takes nothing.

use super::baggage::Baggage;
use super::carrier::{Extract, Inject};
use super::fault::Problems;
use super::span_context::{Sampling, SpanContext};
use super::{b3, datadog, jaeger, w3c, w3c_baggage, xray};
use std::fmt;

/// A propagation format.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Format {
    /// `traceparent`, `tracestate`.
    W3c,
    /// `baggage`.
    Baggage,
    /// `b3`.
    B3Single,
    /// `X-B3-…`.
    B3Multi,
    /// `uber-trace-id`, `uberctx-…`.
    Jaeger,
    /// `X-Amzn-Trace-Id`.
    XRay,
    /// `x-datadog-…`.
    Datadog,
}

impl Format {
    /// All formats, in the order in which the header inspector tries them.
    pub const ALL: [Self; 7] =
        [Self::W3c, Self::Baggage, Self::B3Single, Self::B3Multi, Self::Jaeger, Self::XRay, Self::Datadog];

    /// The name that `OTEL_PROPAGATORS` uses.
    pub fn word(self) -> &'static str {
        match self {
            Self::W3c => "tracecontext",
            Self::Baggage => "baggage",
            Self::B3Single => "b3",
            Self::B3Multi => "b3multi",
            Self::Jaeger => "jaeger",
            Self::XRay => "xray",
            Self::Datadog => "datadog",
        }
    }

    /// From the name that `OTEL_PROPAGATORS` uses.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.word() == word)
    }

    fn extract(self, carrier: &(impl Extract + ?Sized), problems: &mut Problems) -> Option<SpanContext> {
        match self {
            Self::W3c => w3c::extract(carrier, problems),
            Self::Baggage => None,
            Self::B3Single => b3::extract_single(carrier, problems),
            Self::B3Multi => b3::extract_multi(carrier, problems),
            Self::Jaeger => jaeger::extract(carrier, problems),
            Self::XRay => xray::extract(carrier, problems),
            Self::Datadog => datadog::extract(carrier, problems),
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::W3c => "W3C trace context",
            Self::Baggage => "W3C baggage",
            Self::B3Single => "B3 (single header)",
            Self::B3Multi => "B3 (multiple headers)",
            Self::Jaeger => "Jaeger",
            Self::XRay => "AWS X-Ray",
            Self::Datadog => "Datadog",
        })
    }
}

/// What to do with a context that came.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Behavior {
    /// Join the trace.
    #[default]
    Continue,
    /// Start a new trace that links to it; baggage is kept.
    Restart,
    /// As if nothing had come.
    Ignore,
}

/// What one request carried.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Extraction {
    /// The context to be the parent, if any. Always valid.
    pub context: Option<SpanContext>,
    /// The format it came in.
    pub format: Option<Format>,
    /// Contexts of other traces, to be linked.
    pub links: Vec<(Format, SpanContext)>,
    /// A decision that came without ids (`b3: 0`), for the root span to honour.
    pub decision: Option<(Format, bool)>,
    /// Formats that were there too and named the same trace.
    pub agreeing: Vec<Format>,
    /// Baggage of all formats; the earlier format wins a name.
    pub baggage: Baggage,
    /// What was not taken.
    pub problems: Problems,
}

impl Extraction {
    /// The report, a sentence a line: what won, what was set aside, what broke which rule.
    pub fn report(&self) -> Vec<String> {
        let mut lines = Vec::new();
        match (&self.context, self.format) {
            (Some(context), Some(format)) => {
                let sampled = match context.sampling {
                    Sampling::Debug => "sampled at a person's wish (debug)",
                    Sampling::Deferred => "the decision is left to the receiver",
                    Sampling::Decided if context.is_sampled() => "sampled",
                    Sampling::Decided => "not sampled",
                };
                lines.push(format!("{format} gives trace {}, parent span {}, {sampled}.", context.trace_id, context.span_id));
            }
            _ => lines.push("No usable trace context: a new trace starts here.".to_owned()),
        }
        for format in &self.agreeing {
            lines.push(format!("{format} names the same trace and was not needed."));
        }
        for (format, context) in &self.links {
            lines.push(format!("{format} names trace {}, which is kept as a link.", context.trace_id));
        }
        if let Some((format, sampled)) = self.decision {
            let word = if sampled { "to record" } else { "not to record" };
            lines.push(format!("{format} carries no ids but asks {word} the trace."));
        }
        lines.extend(self.problems.iter().map(|problem| format!("{problem}.")));
        if self.problems.left_out() > 0 {
            lines.push(format!("{} more problems.", self.problems.left_out()));
        }
        lines
    }
}

/// See the module comment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Composite {
    /// Formats to read, the first that has something wins.
    pub extract: Vec<Format>,
    /// Formats to write.
    pub inject: Vec<Format>,
    /// What to do with a context that came.
    pub behavior: Behavior,
}

impl Default for Composite {
    /// W3C trace context and baggage, OpenTelemetry's default.
    fn default() -> Self {
        Self::of(vec![Format::W3c, Format::Baggage])
    }
}

impl Composite {
    /// The same formats, in the same order, both ways.
    pub fn of(formats: Vec<Format>) -> Self {
        Self { extract: formats.clone(), inject: formats, behavior: Behavior::Continue }
    }

    /// Reads everything, writes W3C: for a receiver that wants to join any caller.
    pub fn permissive() -> Self {
        Self { extract: Format::ALL.to_vec(), inject: vec![Format::W3c, Format::Baggage], behavior: Behavior::Continue }
    }

    /// From the words of `OTEL_PROPAGATORS` (`tracecontext,baggage,b3,none`); an unknown word is the error.
    pub fn from_words(words: &str) -> Result<Self, String> {
        let mut formats = Vec::new();
        for word in words.split(',').map(str::trim).filter(|word| !word.is_empty() && *word != "none") {
            let format = Format::from_word(word).ok_or_else(|| word.to_owned())?;
            if !formats.contains(&format) {
                formats.push(format);
            }
        }
        Ok(Self::of(formats))
    }

    /// Reads what the carrier holds.
    pub fn extract(&self, carrier: &(impl Extract + ?Sized)) -> Extraction {
        let mut found = Extraction::default();
        if self.behavior == Behavior::Ignore {
            return found;
        }
        for format in &self.extract {
            match format.extract(carrier, &mut found.problems) {
                Some(context) if context.is_valid() => match &found.context {
                    None => {
                        found.context = Some(context);
                        found.format = Some(*format);
                    }
                    Some(winner) if winner.trace_id == context.trace_id => found.agreeing.push(*format),
                    Some(_) => found.links.push((*format, context)),
                },
                Some(decision) => {
                    found.decision.get_or_insert((*format, decision.is_sampled()));
                }
                None => {}
            }
            let baggage = match format {
                Format::Baggage => w3c_baggage::extract(carrier, &mut found.problems),
                Format::Jaeger => jaeger::extract_baggage(carrier, &mut found.problems),
                _ => Baggage::default(),
            };
            if found.baggage.is_empty() {
                found.baggage = baggage;
            } else {
                for entry in baggage.iter() {
                    if found.baggage.get(&entry.name).is_none() {
                        found.baggage.set(entry.clone());
                    }
                }
            }
        }
        if self.behavior == Behavior::Restart
            && let (Some(context), Some(format)) = (found.context.take(), found.format.take())
        {
            found.links.insert(0, (format, context));
        }
        found
    }

    /// Writes the context and the baggage in every format.
    pub fn inject(&self, context: &SpanContext, baggage: &Baggage, carrier: &mut (impl Inject + ?Sized)) {
        for format in &self.inject {
            match format {
                Format::W3c => w3c::inject(context, carrier),
                Format::Baggage => w3c_baggage::inject(baggage, carrier),
                Format::B3Single => b3::inject_single(context, carrier),
                Format::B3Multi => b3::inject_multi(context, carrier),
                Format::Jaeger => {
                    jaeger::inject(context, carrier);
                    jaeger::inject_baggage(baggage, carrier);
                }
                Format::XRay => xray::inject(context, carrier),
                Format::Datadog => datadog::inject(context, carrier),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{SpanId, TraceId};

    const PARENT: (&str, &str) = ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");

    #[test]
    fn the_first_format_in_order_wins_and_another_trace_becomes_a_link() {
        let headers = [PARENT, ("b3", "80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-1")];
        let found = Composite::of(vec![Format::W3c, Format::B3Single]).extract(&headers);
        assert_eq!(found.format, Some(Format::W3c));
        assert_eq!(found.links.len(), 1);
        let other = Composite::of(vec![Format::B3Single, Format::W3c]).extract(&headers);
        assert_eq!(other.format, Some(Format::B3Single));
        assert_eq!(other.links[0].0, Format::W3c);
        let report = found.report();
        assert!(report[0].starts_with("W3C trace context gives trace 0af76519"), "{report:?}");
        assert!(report[1].contains("kept as a link"), "{report:?}");
    }

    #[test]
    fn the_same_trace_in_two_formats_is_no_conflict() {
        let found = Composite::permissive().extract(&[PARENT, ("uber-trace-id", "af7651916cd43dd8448eb211c80319c:1:0:1")]);
        assert_eq!((found.agreeing, found.links), (vec![Format::Jaeger], vec![]));
    }

    #[test]
    fn a_broken_winner_leaves_the_place_to_the_next_with_the_reason() {
        let headers = [("traceparent", "00-zz"), ("b3", "80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-1")];
        let found = Composite::permissive().extract(&headers);
        assert_eq!(found.format, Some(Format::B3Single));
        assert_eq!(found.problems.iter().count(), 1);
    }

    #[test]
    fn restart_links_and_ignore_takes_nothing() {
        let headers = [PARENT, ("baggage", "a=1")];
        let found = Composite { behavior: Behavior::Restart, ..Composite::default() }.extract(&headers);
        assert_eq!((found.context.is_none(), found.links.len(), found.baggage.get("a")), (true, 1, Some("1")));
        let found = Composite { behavior: Behavior::Ignore, ..Composite::default() }.extract(&headers);
        assert_eq!(found, Extraction::default());
    }

    #[test]
    fn a_decision_without_ids_is_kept() {
        let found = Composite::permissive().extract(&[("b3", "0")]);
        assert_eq!((found.context.is_none(), found.decision), (true, Some((Format::B3Single, false))));
    }

    #[test]
    fn words_of_otel_propagators_are_read() {
        let formats = Composite::from_words("b3multi, tracecontext,none,b3multi").unwrap().extract;
        assert_eq!(formats, [Format::B3Multi, Format::W3c]);
        assert_eq!(Composite::from_words("ottrace"), Err("ottrace".to_owned()));
    }

    #[test]
    fn every_format_carries_the_ids_across() {
        let context = SpanContext::from_remote(TraceId([0x5b; 16]), SpanId([0x12; 8]), super::super::TraceFlags::SAMPLED);
        for format in Format::ALL.into_iter().filter(|format| *format != Format::Baggage) {
            let composite = Composite::of(vec![format]);
            let mut headers = Vec::new();
            composite.inject(&context, &Baggage::default(), &mut headers);
            let found = composite.extract(&headers);
            let back = found.context.unwrap_or_else(|| panic!("{format}: {:?}", found.problems));
            assert_eq!((back.trace_id, back.span_id, back.is_sampled()), (context.trace_id, context.span_id, true), "{format}");
        }
    }

    #[test]
    fn any_bytes_in_any_header_are_survived() {
        let names = [
            "traceparent",
            "tracestate",
            "baggage",
            "b3",
            "x-b3-traceid",
            "x-b3-spanid",
            "x-b3-sampled",
            "x-b3-flags",
            "uber-trace-id",
            "uberctx-a",
            "x-amzn-trace-id",
            "x-datadog-trace-id",
            "x-datadog-parent-id",
            "x-datadog-sampling-priority",
            "x-datadog-origin",
            "x-datadog-tags",
        ];
        let alphabet = b"0123456789abcdefABCDEF-:;=,%?. \t\xff\x00Rotdsp_@";
        let mut state = 7_u64;
        let mut next = move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize
        };
        for _ in 0..4000 {
            let headers: Vec<(&str, Vec<u8>)> = names
                .iter()
                .map(|name| (*name, (0..next() % 64).map(|_| alphabet[next() % alphabet.len()]).collect()))
                .collect();
            let found = Composite::permissive().extract(&headers);
            let mut out = Vec::new();
            let all = Composite::of(Format::ALL.to_vec());
            all.inject(&found.context.clone().unwrap_or_default(), &found.baggage, &mut out);
            assert!(found.report().len() <= 64);
        }
    }
}
