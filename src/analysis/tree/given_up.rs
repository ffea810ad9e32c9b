//! When a span that was announced and never ended is given up, and why.
//!
//! Three reasons, looked for in this order: its exporter said so when it shut down
//! ([`crate::model::span::GIVEN_UP`]); its run was last heard of before a new run of the same service began; nothing was
//! heard of it for as long as the reader waits. What is heard of a span is its start, its events, and the same of
//! everything below it. Two runs that were heard of at the same time are replicas, not one after the other, and say
//! nothing; runs of `host:pid` on different hosts neither. A span that is given up is drawn up to what was last heard of
//! it. Nothing is stored: when the end comes after all, the finished span is in the place of the announced one.

use super::{Marks, Tree};
use crate::model::batch::IN_FLIGHT;
use crate::model::span::GIVEN_UP;
use crate::model::{DurationNs, ResourceRef, SpanBatch, UnixNanos, units};
use crate::source::Run;
use crate::source::tally::run_of_resource;
use smol_str::ToSmolStr as _;
use std::fmt;

/// How long a reader waits unless told otherwise: an hour, as the store keeps a span open for its end.
pub const SILENCE: DurationNs = DurationNs(3_600_000_000_000);

/// What is needed to give a span up.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct GiveUp {
    /// The moment of asking.
    pub now: UnixNanos,
    /// How long a span may be silent; zero or less waits for ever.
    pub silence: DurationNs,
    /// The runs that are known.
    pub runs: Vec<Run>,
}

/// Why a span is given up. `Display` says it in words.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum GivenUp {
    /// The exporter shut down first; what it said.
    Shutdown(String),
    /// Its process has ended, because the service runs anew.
    NewRun {
        /// The new run's instance.
        instance: String,
        /// When the new run was first heard of.
        began: UnixNanos,
    },
    /// Nothing was heard of it.
    Silent(DurationNs),
}

impl fmt::Display for GivenUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shutdown(reason) => write!(f, "given up: {reason}"),
            Self::NewRun { instance, began } => {
                write!(f, "given up: its process ended, the service runs anew as {instance} since {began}")
            }
            Self::Silent(silence) => write!(f, "given up: nothing was heard of it for {}", units::duration(*silence)),
        }
    }
}

/// The host of an instance that is called `host:pid`.
fn host(instance: &str) -> Option<&str> {
    instance.rsplit_once(':').filter(|(_, pid)| !pid.is_empty() && pid.bytes().all(|byte| byte.is_ascii_digit())).map(|it| it.0)
}

impl GiveUp {
    /// The run after this one of the same service, on the same host where hosts are told.
    fn next_run(&self, service: &str, instance: &str, version: &str) -> Option<GivenUp> {
        let mine = self.runs.iter().filter(|run| run.service == service && run.instance == instance && run.version == version);
        let last_seen = mine.map(|run| run.last_seen).max()?;
        let elsewhere = |other: &str| matches!((host(instance), host(other)), (Some(here), Some(there)) if here != there);
        let later = self.runs.iter().filter(|run| {
            run.service == service
                && run.instance != instance
                && !run.instance.is_empty()
                && run.first_seen > last_seen
                && !elsewhere(&run.instance)
        });
        let next = later.min_by_key(|run| run.first_seen)?;
        Some(GivenUp::NewRun { instance: next.instance.to_string(), began: next.first_seen })
    }
}

impl Tree {
    /// Gives spans up. Parents come before children in the order already; times are not summed yet.
    pub(super) fn give_up(&mut self, batch: &SpanBatch, rule: Option<&GiveUp>) {
        if !batch.spans.iter().any(|span| span.end == IN_FLIGHT) {
            return;
        }
        let heard = self.heard(batch);
        let runs: Vec<Option<GivenUp>> = match rule {
            Some(rule) => (0..batch.resources.len() as u32)
                .map(|row| {
                    let (service, instance, version) = run_of_resource(ResourceRef::of(batch, row));
                    if instance.is_empty() { None } else { rule.next_run(&service, &instance, &version) }
                })
                .collect(),
            None => vec![None; batch.resources.len()],
        };
        for (at, span) in batch.spans.iter().enumerate().filter(|(_, span)| span.end == IN_FLIGHT) {
            let told = batch.span(at).attrs().get(GIVEN_UP).map(|reason| GivenUp::Shutdown(reason.to_smolstr().to_string()));
            let silent = || {
                let rule = rule.filter(|rule| rule.silence.0 > 0)?;
                let silence = rule.now.0.saturating_sub(heard[at]);
                (silence >= rule.silence.0).then_some(GivenUp::Silent(DurationNs(silence)))
            };
            if let Some(reason) = told.or_else(|| runs[span.resource as usize].clone()).or_else(silent) {
                self.marks[at].unset(Marks::IN_FLIGHT);
                self.marks[at].set(Marks::GIVEN_UP);
                self.ends[at] = heard[at].max(self.starts[at]);
                self.given_up.push((at as u32, reason));
            }
        }
        if !self.given_up.is_empty() {
            self.close_extent(batch);
        }
    }

    /// The last moment that anything was heard of each node.
    fn heard(&self, batch: &SpanBatch) -> Vec<i64> {
        let mut heard = vec![i64::MIN; self.nodes() as usize];
        for (at, span) in batch.spans.iter().enumerate() {
            // Events move with their span when clocks are set right; those of a span without times say nothing.
            let shift = self.starts[at].saturating_sub(span.start);
            let events = batch.events[span.events.range()].iter().map(|event| event.time.saturating_add(shift));
            let known = if span.end == IN_FLIGHT { self.starts[at] } else { self.ends[at] };
            let last = if self.marks[at].has(Marks::NO_TIME) { None } else { events.max() };
            heard[at] = known.max(last.unwrap_or(known));
        }
        for node in self.order.iter().rev() {
            let parent = self.parents[*node as usize];
            if parent != super::NONE {
                heard[parent as usize] = heard[parent as usize].max(heard[*node as usize]);
            }
        }
        heard
    }

    /// The trace ends with what was heard last, unless something in it is in flight; virtual roots as their children do.
    fn close_extent(&mut self, batch: &SpanBatch) {
        let open = self.marks.iter().any(|marks| marks.has(Marks::IN_FLIGHT));
        if !open {
            let last = self.ends[..batch.len()].iter().copied().max().unwrap_or(self.extent.1);
            self.extent.1 = last.max(self.extent.0.saturating_add(1));
        }
        for root in self.spans..self.nodes() {
            if let Some(last) = self.children(root).iter().map(|child| self.ends[*child as usize]).max() {
                self.ends[root as usize] = last;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::TreeInput;
    use super::*;
    use crate::model::{Resource, Span, SpanId, TraceId};
    use std::sync::Arc;

    const MINUTE: i64 = 60_000_000_000;

    fn span(id: u64, parent: u64, start: i64, end: Option<i64>) -> Span {
        let mut resource = Resource::service("job");
        resource.attributes.push("host.name", "box");
        resource.attributes.push("process.pid", 1_i64);
        Span {
            trace_id: TraceId([1; 16]),
            span_id: id.into(),
            parent: SpanId::from(parent).non_zero(),
            start: UnixNanos(start),
            end: end.map(UnixNanos),
            resource: Arc::new(resource),
            ..Span::default()
        }
    }

    fn run(instance: &str, first: i64, last: i64) -> Run {
        let seen = |at| UnixNanos(at);
        let (first_seen, last_seen) = (seen(first), seen(last));
        Run { service: "job".into(), instance: instance.into(), version: "".into(), first_seen, last_seen, spans: 1 }
    }

    fn tree(spans: &[Span], runs: &[Run], now: i64) -> Tree {
        let give_up = GiveUp { now: UnixNanos(now), silence: DurationNs(10 * MINUTE), runs: runs.to_vec() };
        let input = TreeInput { open_until: Some(UnixNanos(now)), give_up: Some(give_up), ..TreeInput::default() };
        Tree::build(&SpanBatch::from_spans(spans), &input)
    }

    #[test]
    fn a_silent_span_is_given_up_and_ends_where_it_was_last_heard_of() {
        let spans = [span(1, 0, 0, None), span(2, 1, MINUTE, Some(3 * MINUTE)), span(3, 1, 2 * MINUTE, None)];
        let soon = tree(&spans, &[], 11 * MINUTE);
        assert!(soon.marks(0).has(Marks::IN_FLIGHT) && soon.given_up(0).is_none(), "a child was heard of 8 minutes ago");
        assert!(soon.marks(2).has(Marks::IN_FLIGHT));
        assert_eq!(soon.end(0), 11 * MINUTE, "it grows");
        let late = tree(&spans, &[], 13 * MINUTE);
        assert!(late.marks(0).has(Marks::GIVEN_UP) && !late.marks(0).has(Marks::IN_FLIGHT));
        assert_eq!(late.given_up(0).unwrap().to_string(), "given up: nothing was heard of it for 10 min");
        assert_eq!((late.end(0), late.end(2), late.extent()), (3 * MINUTE, 2 * MINUTE, (0, 3 * MINUTE)));
        let for_ever =
            TreeInput { give_up: Some(GiveUp { now: UnixNanos(i64::MAX), ..GiveUp::default() }), ..TreeInput::default() };
        assert!(Tree::build(&SpanBatch::from_spans(&spans), &for_ever).given_up(0).is_none());
    }

    #[test]
    fn a_new_run_tells_that_the_process_has_ended_unless_it_is_a_replica_or_elsewhere() {
        let mine = run("box:1", 0, 5);
        let cases = [
            (vec![mine.clone(), run("box:2", 6, 9)], true, "a run after it on the same host"),
            (vec![mine.clone(), run("box:2", 4, 9)], false, "a replica, heard of at the same time"),
            (vec![mine.clone(), run("far:2", 6, 9)], false, "another host"),
            (vec![mine.clone(), Run { service: "other".into(), ..run("box:2", 6, 9) }], false, "another service"),
            (vec![run("box:2", 6, 9)], false, "its own run is not known"),
            (vec![mine, run("", 6, 9)], false, "a sender that does not say who it is"),
        ];
        for (runs, given_up, why) in cases {
            let tree = tree(&[span(1, 0, 0, None)], &runs, MINUTE);
            assert_eq!(tree.marks(0).has(Marks::GIVEN_UP), given_up, "{why}");
            if given_up {
                let reason = tree.given_up(0).unwrap().to_string();
                assert!(reason.starts_with("given up: its process ended, the service runs anew as box:2"), "{reason}");
            }
        }
    }

    #[test]
    fn what_the_exporter_says_needs_no_rule_and_an_end_needs_no_reason() {
        let mut told = span(1, 0, 0, None);
        told.attributes.push(GIVEN_UP, "its exporter was shut down");
        let spans = SpanBatch::from_spans([&told]);
        let tree = Tree::build(&spans, &TreeInput::default());
        assert_eq!(tree.given_up(0).unwrap().to_string(), "given up: its exporter was shut down");
        told.end = Some(UnixNanos(5));
        let ended = Tree::build(&SpanBatch::from_spans([&told]), &TreeInput::default());
        assert!(ended.given_up(0).is_none() && ended.marks(0) == Marks::NONE);
    }
}
