//! The critical path of a trace: the chain of work that no other work hid, from the root's end back to its start.
//!
//! The last-finishing-child walk of Uber's CRISP and of Jaeger: from the end of a span, whatever child finished last
//! before the moment looked at was being waited for; before it started, the child that finished last before that; what
//! no child covers is the span's own. Children are clamped to their parent first, so that an asynchronous child which
//! outlives it counts only while the parent was there, and one that starts after it counts not at all.

use super::tree::Tree;
use std::collections::HashMap;

/// A stretch of time that belongs to one node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Segment {
    /// Node whose own work it was.
    pub node: u32,
    /// Start, nanoseconds since the Unix epoch.
    pub start: i64,
    /// End, exclusive.
    pub end: i64,
}

/// The path in the order of time.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CriticalPath {
    /// Gapless from the root's start to its end; each is longer than nothing.
    pub segments: Vec<Segment>,
}

/// A node with its bounds after clamping and the moment up to which it is still to be explained.
struct Frame {
    node: u32,
    start: i64,
    cursor: i64,
    /// Children by end, latest first; how many of them have been looked at.
    children: Vec<(i64, i64, u32)>,
    seen: usize,
}

impl CriticalPath {
    /// The path of the longest root, which is the whole request in all but damaged traces.
    pub fn of(tree: &Tree) -> Self {
        let longest = tree.roots().iter().copied().max_by_key(|root| (tree.duration(*root), std::cmp::Reverse(*root)));
        longest.map(|root| Self::under(tree, root)).unwrap_or_default()
    }

    /// The path of the subtree of one node.
    pub fn under(tree: &Tree, root: u32) -> Self {
        let mut segments = Vec::new();
        let mut frames = vec![frame(tree, root, tree.start(root), tree.end(root))];
        while let Some(top) = frames.last_mut() {
            let (node, start, cursor) = (top.node, top.start, top.cursor);
            let next = top.children[top.seen..].iter().position(|(end, _, _)| *end <= cursor);
            match next {
                Some(skipped) => {
                    let (child_end, child_start, child) = top.children[top.seen + skipped];
                    top.seen += skipped + 1;
                    top.cursor = child_start;
                    push(&mut segments, node, child_end, cursor);
                    frames.push(frame(tree, child, child_start, child_end));
                }
                None => {
                    push(&mut segments, node, start, cursor);
                    frames.pop();
                }
            }
        }
        segments.reverse();
        Self { segments }
    }

    /// Time on the path by node.
    pub fn by_node(&self) -> HashMap<u32, i64> {
        let mut shares = HashMap::new();
        for segment in &self.segments {
            *shares.entry(segment.node).or_insert(0) += segment.end - segment.start;
        }
        shares
    }

    /// Length of the whole path.
    pub fn duration(&self) -> i64 {
        self.segments.iter().map(|segment| segment.end - segment.start).sum()
    }
}

fn push(segments: &mut Vec<Segment>, node: u32, start: i64, end: i64) {
    if start < end {
        segments.push(Segment { node, start, end });
    }
}

fn frame(tree: &Tree, node: u32, start: i64, end: i64) -> Frame {
    let mut children: Vec<(i64, i64, u32)> = tree
        .children(node)
        .iter()
        .map(|child| (tree.end(*child).min(end), tree.start(*child).max(start), *child))
        .filter(|(child_end, child_start, _)| child_start < child_end)
        .collect();
    children.sort_unstable_by(|a, b| b.cmp(a));
    Frame { node, start, cursor: end, children, seen: 0 }
}

#[cfg(test)]
mod tests {
    use super::super::tree::TreeInput;
    use super::super::tree::tests::{Draft, batch};
    use super::*;

    fn path(drafts: &[(u64, u64, i64, i64)]) -> Vec<(u32, i64, i64)> {
        let spans: Vec<Draft> = drafts
            .iter()
            .map(|(id, parent, start, end)| Draft {
                id: *id,
                parent: *parent,
                start: *start,
                end: Some(*end),
                ..Draft::default()
            })
            .collect();
        let tree = Tree::build(&batch(&spans), &TreeInput::default());
        CriticalPath::of(&tree).segments.iter().map(|segment| (segment.node, segment.start, segment.end)).collect()
    }

    #[test]
    fn golden_cases_worked_out_by_hand() {
        // CRISP's case 11: A owns 70, B 30.
        assert_eq!(path(&[(1, 0, 0, 100), (2, 1, 30, 60)]), [(0, 0, 30), (1, 30, 60), (0, 60, 100)]);
        // Two parallel children: the one that finished last was waited for, the other hid behind it.
        assert_eq!(path(&[(1, 0, 0, 100), (2, 1, 10, 50), (3, 1, 10, 90)]), [(0, 0, 10), (2, 10, 90), (0, 90, 100)]);
        // In turn: both are on the path.
        assert_eq!(
            path(&[(1, 0, 0, 100), (2, 1, 10, 40), (3, 1, 50, 90)]),
            [(0, 0, 10), (1, 10, 40), (0, 40, 50), (2, 50, 90), (0, 90, 100)]
        );
        // An asynchronous child that outlives its parent counts only inside it; one after it not at all.
        assert_eq!(path(&[(1, 0, 0, 100), (2, 1, 60, 500), (3, 1, 200, 300)]), [(0, 0, 60), (1, 60, 100)]);
        // Grandchildren: the path goes down.
        assert_eq!(path(&[(1, 0, 0, 100), (2, 1, 0, 100), (3, 2, 20, 30)]), [(1, 0, 20), (2, 20, 30), (1, 30, 100)]);
    }

    #[test]
    fn the_path_is_gapless_over_the_root_whatever_the_children_do() {
        let mut seed = 7_u64;
        let mut random = move |below: i64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            ((seed >> 33) as i64) % below
        };
        for _ in 0..200 {
            let mut drafts = vec![(1, 0, 0, 1_000)];
            for id in 2..40 {
                let start = random(1_200) - 100;
                drafts.push((id, 1 + random(id as i64 - 1) as u64, start, start + random(600)));
            }
            let segments = path(&drafts);
            assert_eq!((segments[0].1, segments[segments.len() - 1].2), (0, 1_000));
            assert!(segments.windows(2).all(|pair| pair[0].2 == pair[1].1), "{segments:?}");
        }
    }

    #[test]
    fn a_trace_without_spans_has_no_path() {
        assert_eq!(CriticalPath::of(&Tree::build(&batch(&[]), &TreeInput::default())), CriticalPath::default());
    }
}
