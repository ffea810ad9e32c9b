//! The tree as rows: what a waterfall shows, and the text that is pasted into an issue.

use super::marks::Marks;
use super::tree::Tree;
use crate::model::{DurationNs, SpanBatch, units};
use std::collections::HashSet;
use std::fmt::Write as _;

/// Nodes in pre-order without those under a collapsed one, and without hidden ones and what is under them.
pub fn visible_rows(tree: &Tree, collapsed: &HashSet<u32>, hidden: &HashSet<u32>) -> Vec<u32> {
    let whole = tree.preorder();
    let mut rows = Vec::with_capacity(whole.len());
    let mut at = 0;
    while let Some(node) = whole.get(at).copied() {
        let left_out = hidden.contains(&node);
        if !left_out {
            rows.push(node);
        }
        at += if left_out || collapsed.contains(&node) { tree.subtree_size(node) as usize } else { 1 };
    }
    rows
}

/// `node` and what is under it, one line a span, indented by two spaces a step, at most `limit` lines and a last one
/// that counts the rest: `POST /pay  payment  480 ms  self 12 ms  error: deadline exceeded`.
pub fn outline(batch: &SpanBatch, tree: &Tree, node: Option<u32>, limit: usize) -> String {
    let whole = tree.preorder();
    let nodes = match node.map(|node| (node, whole.iter().position(|at| *at == node))) {
        Some((node, Some(from))) => &whole[from..from + tree.subtree_size(node) as usize],
        _ => whole,
    };
    let base = nodes.first().map_or(0, |node| tree.depth(*node));
    let mut text = String::new();
    for node in nodes.iter().copied().take(limit) {
        // Deep chains would otherwise be mostly white.
        let indent = ((tree.depth(node) - base) as usize).min(40) * 2;
        write!(text, "{:indent$}", "").ok();
        if let Some(missing) = tree.missing_id(node) {
            writeln!(text, "(parent {missing} not received)").ok();
            continue;
        }
        let span = batch.span(node as usize);
        let length = DurationNs(tree.duration(node));
        write!(text, "{}  {}  ", span.name(), span.service()).ok();
        if tree.marks(node).has(Marks::IN_FLIGHT) {
            text.push_str("in flight");
        } else {
            text.push_str(&units::duration(length));
        }
        if !tree.children(node).is_empty() {
            write!(text, "  self {}", units::duration(DurationNs(tree.self_time(node)))).ok();
        }
        if span.is_error() {
            text.push_str("  error");
            if !span.status_message().is_empty() {
                write!(text, ": {}", span.status_message()).ok();
            }
        }
        text.push('\n');
    }
    if nodes.len() > limit {
        writeln!(text, "and {} more spans", nodes.len() - limit).ok();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::tree::TreeInput;
    use super::super::tree::tests::{Draft, batch};
    use super::*;

    #[test]
    fn an_outline_shows_the_tree_as_text_and_counts_what_it_leaves_out() {
        let span = |id: u64, parent: u64, start: i64, end: i64| Draft {
            id,
            parent,
            name: ["", "root", "call", "deep", "lost"][id as usize],
            start: start * 1_000_000,
            end: Some(end * 1_000_000),
            error: id == 3,
            ..Draft::default()
        };
        let batch = batch(&[span(1, 0, 0, 100), span(2, 1, 10, 60), span(3, 2, 20, 30), span(4, 99, 40, 50)]);
        let tree = Tree::build(&batch, &TreeInput::default());
        let text = outline(&batch, &tree, None, 100);
        assert_eq!(
            text,
            "root  web  100 ms  self 50 ms\n  call  web  50 ms  self 40 ms\n    deep  web  10 ms  error: boom\n\
             (parent 0000000000000063 not received)\n  lost  web  10 ms\n"
        );
        assert_eq!(outline(&batch, &tree, Some(1), 1), "call  web  50 ms  self 40 ms\nand 1 more spans\n");
        let none = HashSet::new();
        assert_eq!(visible_rows(&tree, &HashSet::from([1]), &none).len(), 4);
        assert_eq!(visible_rows(&tree, &none, &HashSet::from([1])).len(), 3);
    }
}
