//! The times to draw by.

use super::{Marks, NONE, Tree, TreeInput};
use crate::model::SpanBatch;
use crate::model::batch::IN_FLIGHT;

/// A start before this (12 January 1970) in a trace that otherwise is of our days is no time at all: Zipkin lets
/// spans come without one. Nanoseconds since the epoch.
const NO_TIME_BEFORE: i64 = 1_000_000_000_000_000;
/// What counts as our days: 1973. Nanoseconds since the epoch.
const OUR_DAYS: i64 = 100_000_000_000_000_000;

impl Tree {
    pub(super) fn set_times(&mut self, batch: &SpanBatch, input: &TreeInput) {
        let offsets: Vec<i64> = self
            .services
            .iter()
            .map(|name| input.clock_offsets.iter().find(|(service, _)| service == name).map_or(0, |(_, offset)| *offset))
            .collect();
        let ours = batch.spans.iter().map(|span| span.start).max().unwrap_or(0) > OUR_DAYS;
        let timed = |start: i64| !ours || start >= NO_TIME_BEFORE;
        let (mut first, mut last) = (i64::MAX, i64::MIN);
        self.starts = Vec::with_capacity(batch.len());
        self.ends = Vec::with_capacity(batch.len());
        for (at, span) in batch.spans.iter().enumerate() {
            let offset = offsets[usize::from(self.service_of[at])];
            let start = span.start.saturating_add(offset);
            let end = if span.end == IN_FLIGHT { start } else { span.end.saturating_add(offset).max(start) };
            self.starts.push(start);
            self.ends.push(end);
            if timed(span.start) {
                first = first.min(start);
                last = last.max(end);
            }
        }
        if batch.is_empty() {
            return;
        }
        if batch.spans.iter().any(|span| span.end == IN_FLIGHT) {
            last = last.max(input.open_until.map_or(last, |time| time.0));
        }
        last = last.max(first.saturating_add(1));
        for (at, span) in batch.spans.iter().enumerate() {
            if !timed(span.start) {
                self.ends[at] = self.ends[at].saturating_sub(self.starts[at]);
                self.starts[at] = i64::MIN;
            } else if span.end == IN_FLIGHT {
                self.ends[at] = last;
            }
        }
        self.extent = (first, last);
    }

    /// Spans without a time start where their nearest timed ancestor does. Until here their start is `i64::MIN` and
    /// their end their length.
    pub(super) fn place_untimed(&mut self) {
        let spans = self.spans as usize;
        let mut path = Vec::new();
        for from in 0..spans {
            let mut at = from;
            while at < spans && self.starts[at] == i64::MIN {
                path.push(at);
                at = match self.parents[at] {
                    NONE => usize::MAX,
                    parent => parent as usize,
                };
            }
            let start = if at < spans { self.starts[at] } else { self.extent.0 };
            for node in path.drain(..) {
                self.starts[node] = start;
                self.ends[node] = start.saturating_add(self.ends[node]).min(self.extent.1).max(start);
                self.marks[node].set(Marks::NO_TIME);
            }
        }
    }
}
