//! The tree of a trace as structural operators see it.
//!
//! Numbering starts at spans without a parent; several roots are siblings. Orphan subtrees, cycles, rootless traces and
//! traces with an id used three times or more stay unnumbered: never in `op` or `&op`, always in `!op`.

use crate::model::{SpanBatch, SpanId, SpanKind};
use std::collections::HashMap;

/// No parent among the numbered spans.
pub(super) const NONE: u32 = u32::MAX;

/// A trace with what a query may ask about its shape.
pub(in crate::search) struct TraceContext<'a> {
    /// Its spans.
    pub(in crate::search) batch: &'a SpanBatch,
    /// Index of the root, when there is one.
    pub(super) root: Option<usize>,
    /// Nanoseconds from the earliest start to the latest end.
    pub(super) duration: i64,
    /// Parent by index; [`NONE`] for roots and unnumbered spans.
    pub(super) parents: Vec<u32>,
    /// Nested-set left number by index, from 1; 0 for unnumbered spans.
    pub(super) left: Vec<u32>,
    /// Nested-set right number by index.
    pub(super) right: Vec<u32>,
    /// Number of direct children by index, by ids alone.
    pub(super) children: Vec<u32>,
}

impl<'a> TraceContext<'a> {
    /// Numbers the spans.
    pub(in crate::search) fn new(batch: &'a SpanBatch) -> Self {
        let count = batch.len();
        let mut by_id: HashMap<SpanId, Vec<usize>> = HashMap::with_capacity(count);
        for (index, span) in batch.spans.iter().enumerate() {
            by_id.entry(span.span_id).or_default().push(index);
        }
        let root = batch
            .spans
            .iter()
            .enumerate()
            .filter(|(_, span)| !span.parent.is_valid())
            .min_by_key(|(_, span)| span.start)
            .map(|(index, _)| index);
        let first = batch.spans.iter().map(|span| span.start).min().unwrap_or(0);
        let last = batch.spans.iter().map(|span| span.end.max(span.start)).max().unwrap_or(0);
        let mut context = Self {
            batch,
            root,
            duration: last.saturating_sub(first),
            parents: vec![NONE; count],
            left: vec![0; count],
            right: vec![0; count],
            children: vec![0; count],
        };
        let mut below: Vec<Vec<u32>> = vec![Vec::new(); count];
        for (index, span) in batch.spans.iter().enumerate() {
            let Some(twins) = by_id.get(&span.parent).filter(|_| span.parent.is_valid()) else { continue };
            let server_child = span.kind == SpanKind::Server as u8;
            // Of two spans with the parent's id, a server child hangs on the client half, any other on the server half.
            let wanted = if server_child { SpanKind::Client } else { SpanKind::Server } as u8;
            let chosen =
                twins.iter().copied().find(|at| twins.len() > 1 && batch.spans[*at].kind == wanted).unwrap_or(twins[0]);
            if chosen != index {
                context.children[chosen] += 1;
                below[chosen].push(index as u32);
            }
        }
        if by_id.values().all(|twins| twins.len() < 3) {
            context.number(&below);
        }
        context
    }

    fn number(&mut self, below: &[Vec<u32>]) {
        let mut next = 1;
        let mut path: Vec<(u32, usize)> = Vec::new();
        let roots: Vec<u32> =
            (0..self.batch.len() as u32).filter(|at| !self.batch.spans[*at as usize].parent.is_valid()).collect();
        for root in roots {
            self.left[root as usize] = next;
            next += 1;
            path.push((root, 0));
            while let Some((at, child)) = path.last_mut() {
                let (index, nth) = (*at, *child);
                *child += 1;
                match below[index as usize].get(nth) {
                    Some(down) => {
                        self.parents[*down as usize] = index;
                        self.left[*down as usize] = next;
                        next += 1;
                        path.push((*down, 0));
                    }
                    None => {
                        self.right[index as usize] = next;
                        next += 1;
                        path.pop();
                    }
                }
            }
        }
    }

    /// True when the span takes part in structural relations.
    pub(super) fn is_numbered(&self, index: u32) -> bool {
        self.left[index as usize] != 0
    }

    /// True when `below` is a strict descendant of `above`.
    pub(super) fn is_descendant(&self, below: u32, above: u32) -> bool {
        let (b, a) = (below as usize, above as usize);
        self.left[a] != 0 && self.left[b] > self.left[a] && self.right[b] < self.right[a] && self.left[b] != 0
    }
}
