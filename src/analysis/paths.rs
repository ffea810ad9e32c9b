//! Many traces merged by path, and two such merges compared.
//!
//! A path is the chain of service and name from the root down; spans on the same path are one frame. One table serves
//! the flame graph of many traces, the difference of two traces and the difference of two selections.

use super::critical_path::CriticalPath;
use super::tree::{NONE, Tree};
use crate::model::{SpanBatch, TraceId};
use crate::source::tally::quantile;
use smol_str::SmolStr;
use std::collections::HashMap;

/// Traces of which a frame remembers the id.
const EXAMPLES: usize = 5;

/// Parts the steps of a path when it is printed.
pub const STEP: &str = " > ";

/// All spans on one path.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Frame {
    /// Frame above; [`NONE`] at the top.
    pub parent: u32,
    /// Service.
    pub service: SmolStr,
    /// Span name.
    pub name: SmolStr,
    /// Spans.
    pub count: u64,
    /// Those with an error.
    pub errors: u64,
    /// Sum of durations.
    pub total_ns: i64,
    /// Sum of self times.
    pub self_ns: i64,
    /// Time on critical paths.
    pub critical_ns: i64,
    /// Every duration, for quantiles; unsorted.
    pub durations: Vec<i64>,
    /// Some traces that have it.
    pub examples: Vec<TraceId>,
}

/// See the module comment.
#[derive(Clone, Debug, Default)]
pub struct Paths {
    frames: Vec<Frame>,
    by_step: HashMap<(u32, SmolStr, SmolStr), u32>,
    traces: u64,
}

impl Paths {
    /// Adds a trace whose tree is built.
    pub fn add(&mut self, id: TraceId, batch: &SpanBatch, tree: &Tree) {
        self.traces += 1;
        let critical = CriticalPath::of(tree).by_node();
        let mut frame_of = vec![NONE; tree.nodes() as usize];
        // Names of a batch are numbers; each is turned into a text once.
        let mut names: HashMap<u32, SmolStr> = HashMap::new();
        for node in tree.preorder().iter().copied() {
            let above = tree.parent(node).map_or(NONE, |parent| frame_of[parent as usize]);
            if tree.is_virtual(node) {
                // A parent that was not received adds no step: its children are tops.
                frame_of[node as usize] = above;
                continue;
            }
            let span = batch.span(node as usize);
            let service = tree.services()[usize::from(tree.service_index(node))].clone();
            let name = names.entry(span.row.name).or_insert_with(|| span.name().into()).clone();
            let frame = self.frame(above, service, name);
            frame_of[node as usize] = frame;
            let frame = &mut self.frames[frame as usize];
            frame.count += 1;
            frame.errors += u64::from(span.is_error());
            frame.total_ns = frame.total_ns.saturating_add(tree.duration(node));
            frame.self_ns = frame.self_ns.saturating_add(tree.self_time(node));
            frame.critical_ns += critical.get(&node).copied().unwrap_or(0);
            frame.durations.push(tree.duration(node));
            if frame.examples.len() < EXAMPLES && frame.examples.last() != Some(&id) {
                frame.examples.push(id);
            }
        }
    }

    fn frame(&mut self, parent: u32, service: SmolStr, name: SmolStr) -> u32 {
        let next = self.frames.len() as u32;
        let key = (parent, service, name);
        if let Some(known) = self.by_step.get(&key) {
            return *known;
        }
        let (service, name) = (key.1.clone(), key.2.clone());
        self.frames.push(Frame { parent, service, name, ..Frame::default() });
        self.by_step.insert(key, next);
        next
    }

    /// Frames, parents before children.
    pub fn frames(&self) -> &[Frame] {
        &self.frames
    }

    /// Traces added.
    pub fn traces(&self) -> u64 {
        self.traces
    }

    /// The path of a frame from the top: `frontend: GET / > cart: GetCart`.
    pub fn path(&self, frame: u32) -> String {
        let mut steps = Vec::new();
        let mut at = frame;
        while at != NONE {
            let frame = &self.frames[at as usize];
            steps.push(format!("{}: {}", frame.service, frame.name));
            at = frame.parent;
        }
        steps.reverse();
        steps.join(STEP)
    }

    /// The `q` quantile (0 to 1) of a frame's durations, nearest rank.
    pub fn quantile(&self, frame: u32, q: f64) -> i64 {
        let mut durations = self.frames[frame as usize].durations.clone();
        durations.sort_unstable();
        quantile(&durations, q).0
    }
}

/// One path on both sides; zero where a side lacks it.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct DiffRow {
    /// As [`Paths::path`] prints it.
    pub path: String,
    /// Service of its last step.
    pub service: SmolStr,
    /// Span name of its last step.
    pub name: SmolStr,
    /// Steps above it.
    pub depth: u32,
    /// Spans in A.
    pub count_a: u64,
    /// Spans in B.
    pub count_b: u64,
    /// Sum of durations in A.
    pub duration_ns_a: i64,
    /// Sum of durations in B.
    pub duration_ns_b: i64,
    /// Sum of self times in A.
    pub self_ns_a: i64,
    /// Sum of self times in B.
    pub self_ns_b: i64,
    /// Spans with an error in A.
    pub errors_a: u64,
    /// Spans with an error in B.
    pub errors_b: u64,
    /// A trace of A that has it.
    pub example_a: Option<TraceId>,
    /// A trace of B that has it.
    pub example_b: Option<TraceId>,
}

/// Every path of either side, parents before children, in the order A has them, then those only B has. Sums of several
/// traces are divided by the number of traces, so that selections of different sizes compare.
pub fn diff(a: &Paths, b: &Paths) -> Vec<DiffRow> {
    let mut merged = Paths::default();
    let mut rows: Vec<DiffRow> = Vec::new();
    for (side, paths) in [a, b].into_iter().enumerate() {
        let traces = paths.traces.max(1);
        let per_trace = |sum: i64| sum / traces as i64;
        let mut map: Vec<u32> = Vec::with_capacity(paths.frames.len());
        for frame in &paths.frames {
            let parent = if frame.parent == NONE { NONE } else { map[frame.parent as usize] };
            let at = merged.frame(parent, frame.service.clone(), frame.name.clone());
            map.push(at);
            if at as usize == rows.len() {
                let depth = if parent == NONE { 0 } else { rows[parent as usize].depth + 1 };
                let (service, name) = (frame.service.clone(), frame.name.clone());
                rows.push(DiffRow { path: merged.path(at), service, name, depth, ..DiffRow::default() });
            }
            let row = &mut rows[at as usize];
            let (count, duration, own) = if side == 0 {
                (&mut row.count_a, &mut row.duration_ns_a, &mut row.self_ns_a)
            } else {
                (&mut row.count_b, &mut row.duration_ns_b, &mut row.self_ns_b)
            };
            *count = frame.count;
            *duration = per_trace(frame.total_ns);
            *own = per_trace(frame.self_ns);
            let example = frame.examples.first().copied();
            if side == 0 {
                (row.errors_a, row.example_a) = (frame.errors, example);
            } else {
                (row.errors_b, row.example_b) = (frame.errors, example);
            }
        }
    }
    in_tree_order(&merged, rows)
}

/// Frames were numbered as they came; a reader wants each under its parent.
fn in_tree_order(merged: &Paths, rows: Vec<DiffRow>) -> Vec<DiffRow> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for (at, frame) in merged.frames.iter().enumerate() {
        children.entry(frame.parent).or_default().push(at as u32);
    }
    let mut rows: Vec<Option<DiffRow>> = rows.into_iter().map(Some).collect();
    let mut out = Vec::with_capacity(rows.len());
    let mut stack: Vec<u32> = children.get(&NONE).cloned().unwrap_or_default().into_iter().rev().collect();
    while let Some(at) = stack.pop() {
        out.extend(rows[at as usize].take());
        stack.extend(children.get(&at).into_iter().flatten().rev());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::tree::TreeInput;
    use super::super::tree::tests::{Draft, batch};
    use super::*;

    fn paths(traces: &[&[Draft]]) -> Paths {
        let mut paths = Paths::default();
        for (at, spans) in traces.iter().enumerate() {
            let batch = batch(spans);
            paths.add(TraceId([at as u8 + 1; 16]), &batch, &Tree::build(&batch, &TreeInput::default()));
        }
        paths
    }

    fn span(id: u64, parent: u64, name: &'static str, start: i64, end: i64) -> Draft {
        Draft { id, parent, name, start, end: Some(end), ..Draft::default() }
    }

    #[test]
    fn spans_on_one_path_are_one_frame_over_many_traces() {
        let one = [span(1, 0, "GET", 0, 100), span(2, 1, "query", 10, 30), span(3, 1, "query", 40, 80)];
        let two = [span(1, 0, "GET", 0, 50), span(2, 1, "query", 10, 20)];
        let merged = paths(&[&one, &two]);
        assert_eq!(merged.frames().len(), 2);
        let query = &merged.frames()[1];
        assert_eq!((query.count, query.total_ns, query.critical_ns, query.examples.len()), (3, 70, 70, 2));
        assert_eq!(merged.quantile(1, 0.5), 20);
        assert!(merged.path(1).ends_with("query") && merged.path(1).contains(STEP));
    }

    #[test]
    fn a_difference_has_every_path_once_under_its_parent() {
        let a = paths(&[&[span(1, 0, "GET", 0, 100), span(2, 1, "old", 10, 30), span(3, 2, "deep", 12, 20)]]);
        let b = paths(&[&[span(1, 0, "GET", 0, 150), span(2, 1, "new", 10, 90)]]);
        let rows = diff(&a, &b);
        let shape: Vec<_> = rows.iter().map(|row| (row.depth, row.count_a, row.count_b)).collect();
        assert_eq!(shape, [(0, 1, 1), (1, 1, 0), (2, 1, 0), (1, 0, 1)]);
        assert_eq!((rows[0].duration_ns_a, rows[0].duration_ns_b, rows[0].self_ns_a, rows[0].self_ns_b), (100, 150, 80, 70));
    }

    #[test]
    fn selections_of_different_sizes_compare_by_trace() {
        let slow = [span(1, 0, "GET", 0, 200)];
        let fast = [span(1, 0, "GET", 0, 100)];
        let rows = diff(&paths(&[&fast]), &paths(&[&slow, &slow, &slow]));
        assert_eq!((rows[0].count_b, rows[0].duration_ns_a, rows[0].duration_ns_b), (3, 100, 200));
    }
}
