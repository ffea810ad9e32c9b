//! The spans of a trace summed up by operation: service and name.

use super::marks::Marks;
use super::tree::Tree;
use crate::model::SpanBatch;
use crate::model::batch::StrId;
use std::collections::HashMap;

/// One operation over a range of time.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Operation {
    /// Index of the service in [`Tree::services`].
    pub service: u16,
    /// Name, a text of the batch.
    pub name: StrId,
    /// Spans.
    pub count: u32,
    /// Those with an error.
    pub errors: u32,
    /// Those that have not ended.
    pub in_flight: u32,
    /// Sum of their durations.
    pub total_ns: i64,
    /// Sum of their self times.
    pub self_ns: i64,
    /// The longest of them.
    pub longest: u32,
}

/// Operations with a span that overlaps `[start, end]`, most self time first. Spans at the edges count whole.
pub fn operations(batch: &SpanBatch, tree: &Tree, start: i64, end: i64) -> Vec<Operation> {
    let mut found: HashMap<(u16, StrId), Operation> = HashMap::new();
    for node in 0..tree.spans() {
        if tree.end(node) < start || tree.start(node) > end {
            continue;
        }
        let (service, name) = (tree.service_index(node), batch.spans[node as usize].name);
        let duration = tree.duration(node);
        let marks = tree.marks(node);
        let operation =
            found.entry((service, name)).or_insert_with(|| Operation { service, name, longest: node, ..Operation::default() });
        operation.count += 1;
        operation.errors += u32::from(marks.has(Marks::ERROR));
        operation.in_flight += u32::from(marks.has(Marks::IN_FLIGHT));
        operation.total_ns = operation.total_ns.saturating_add(duration);
        operation.self_ns = operation.self_ns.saturating_add(tree.self_time(node));
        if duration > tree.duration(operation.longest) {
            operation.longest = node;
        }
    }
    let mut operations: Vec<Operation> = found.into_values().collect();
    operations.sort_unstable_by_key(|operation| (-operation.self_ns, operation.service, operation.name));
    operations
}

#[cfg(test)]
mod tests {
    use super::super::tree::TreeInput;
    use super::super::tree::tests::{Draft, batch};
    use super::*;

    #[test]
    fn operations_in_view_are_summed_most_self_time_first() {
        let span = |id: u64, parent: u64, name: &'static str, start: i64, end: i64| Draft {
            id,
            parent,
            name,
            start,
            end: Some(end),
            ..Draft::default()
        };
        let batch = batch(&[span(1, 0, "root", 0, 100), span(2, 1, "query", 10, 40), span(3, 1, "query", 50, 90)]);
        let tree = Tree::build(&batch, &TreeInput::default());
        let all = operations(&batch, &tree, 0, 100);
        assert_eq!(all.iter().map(|op| (op.count, op.total_ns, op.self_ns)).collect::<Vec<_>>(), [(2, 70, 70), (1, 100, 30)]);
        assert_eq!(all[0].longest, 2);
        assert_eq!(operations(&batch, &tree, 0, 20)[0].count, 1);
    }
}
