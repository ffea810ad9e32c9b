//! Trees of awkward traces, and the small way of writing spans that the room's tests share.

use super::*;
use crate::model::{Resource, Span, Status, StatusCode, TraceId};
use proptest::prelude::*;
use std::sync::Arc;

/// A span in few words. `parent` 0 is none.
#[derive(Clone, Debug)]
pub(in crate::analysis) struct Draft {
    pub id: u64,
    pub parent: u64,
    pub name: &'static str,
    pub service: &'static str,
    pub kind: SpanKind,
    pub start: i64,
    pub end: Option<i64>,
    pub error: bool,
    pub attr: Option<(&'static str, &'static str)>,
}

impl Default for Draft {
    fn default() -> Self {
        Self {
            id: 1,
            parent: 0,
            name: "op",
            service: "web",
            kind: SpanKind::Internal,
            start: 0,
            end: Some(1),
            error: false,
            attr: None,
        }
    }
}

pub(in crate::analysis) fn batch(drafts: &[Draft]) -> SpanBatch {
    let spans: Vec<Span> = drafts
        .iter()
        .map(|draft| Span {
            trace_id: TraceId([1; 16]),
            span_id: draft.id.into(),
            parent: SpanId::from(draft.parent).non_zero(),
            name: draft.name.into(),
            kind: draft.kind,
            start: UnixNanos(draft.start),
            end: draft.end.map(UnixNanos),
            attributes: draft.attr.into_iter().collect(),
            resource: Arc::new(Resource::service(draft.service)),
            status: if draft.error { Status { code: StatusCode::Error, message: "boom".into() } } else { Status::default() },
            ..Span::default()
        })
        .collect();
    SpanBatch::from_spans(&spans)
}

fn span(id: u64, parent: u64, start: i64, end: i64) -> Draft {
    Draft { id, parent, start, end: Some(end), ..Draft::default() }
}

fn tree(drafts: &[Draft]) -> Tree {
    Tree::build(&batch(drafts), &TreeInput::default())
}

#[test]
fn children_stand_by_start_and_self_time_is_what_they_leave() {
    // Two children overlap each other and one outlives the parent: the union clipped to the parent is [10, 60] and [90, 100].
    let tree = tree(&[span(1, 0, 0, 100), span(4, 1, 90, 120), span(2, 1, 10, 50), span(3, 1, 40, 60)]);
    assert_eq!(tree.children(0), [2, 3, 1]);
    assert_eq!(tree.self_time(0), 40);
    assert!(tree.marks(1).has(Marks::OUTSIDE_PARENT));
    assert_eq!((tree.depth(0), tree.depth(3), tree.subtree_size(0)), (0, 1, 4));
    assert_eq!(tree.preorder(), [0, 2, 3, 1]);
    assert_eq!(tree.extent(), (0, 120));
}

#[test]
fn orphans_of_one_parent_share_a_virtual_root() {
    let tree = tree(&[span(1, 77, 10, 20), span(2, 77, 15, 40), span(3, 88, 5, 6), span(4, 0, 0, 50)]);
    assert_eq!(tree.nodes(), 6);
    assert_eq!(tree.roots().len(), 3);
    let missing = tree.parent(0).unwrap();
    assert!(tree.is_virtual(missing));
    assert_eq!(tree.missing_id(missing), Some(SpanId::from(77)));
    assert_eq!((tree.start(missing), tree.end(missing)), (10, 40));
    assert_eq!(tree.children(missing), [0, 1]);
    assert_eq!(tree.marked(Marks::ORPHAN).count(), 3);
}

#[test]
fn a_circle_is_cut_above_its_earliest_span_and_nothing_is_lost() {
    let tree = tree(&[span(1, 3, 10, 20), span(2, 1, 5, 20), span(3, 2, 12, 20), span(4, 3, 13, 14), span(5, 5, 1, 2)]);
    assert_eq!(tree.preorder().len(), 5);
    assert_eq!(tree.marked(Marks::CYCLE).collect::<Vec<_>>(), [4, 1]);
    assert_eq!(tree.parent(1), None);
    assert_eq!(tree.parent(2), Some(1));
    assert_eq!(tree.parent(0), Some(2));
}

#[test]
fn the_halves_of_a_shared_span_stand_one_in_the_other() {
    let half = |kind, service, start, end| Draft { id: 2, parent: 1, kind, service, start, end: Some(end), ..Draft::default() };
    let below = Draft { id: 3, parent: 2, service: "db", kind: SpanKind::Client, start: 30, end: Some(40), ..Draft::default() };
    let inside = Draft { id: 4, parent: 2, service: "back", start: 32, end: Some(35), ..Draft::default() };
    let tree = tree(&[
        span(1, 0, 0, 100),
        half(SpanKind::Client, "web", 10, 90),
        half(SpanKind::Server, "back", 20, 80),
        below,
        inside,
    ]);
    assert_eq!(tree.parent(1), Some(0));
    assert_eq!(tree.parent(2), Some(1));
    assert_eq!(tree.parent(3), Some(2), "work goes under the half that does it");
    assert_eq!(tree.parent(4), Some(2));
    assert!(tree.marks(1).has(Marks::SHARED_ID) && !tree.marks(0).has(Marks::SHARED_ID));
}

#[test]
fn flight_negative_lengths_and_missing_times_are_marked_and_drawn() {
    const DAY: i64 = 1_700_000_000_000_000_000;
    let tree = tree(&[
        span(1, 0, DAY, DAY + 100),
        Draft { end: None, ..span(2, 1, DAY + 10, 0) },
        span(3, 1, DAY + 50, DAY + 40),
        span(4, 2, 0, 0),
    ]);
    assert!(tree.marks(1).has(Marks::IN_FLIGHT));
    assert_eq!(tree.end(1), DAY + 100);
    assert!(tree.marks(2).has(Marks::NEGATIVE));
    assert_eq!(tree.duration(2), 0);
    assert!(tree.marks(3).has(Marks::NO_TIME));
    assert_eq!(tree.start(3), DAY + 10);
    assert_eq!(tree.extent(), (DAY, DAY + 100));
    let open = TreeInput { open_until: Some(UnixNanos(DAY + 500)), ..TreeInput::default() };
    let later = Tree::build(&batch(&[Draft { end: None, ..span(2, 0, DAY + 10, 0) }]), &open);
    assert_eq!(later.end(0), DAY + 500);
}

#[test]
fn five_equal_siblings_are_a_group_and_calls_in_turn_an_n_plus_one() {
    let mut drafts = vec![span(1, 0, 0, 1_000)];
    for at in 0..6 {
        let query =
            Draft { name: "SELECT stock", kind: SpanKind::Client, ..span(10 + at, 1, at as i64 * 10, at as i64 * 10 + 8) };
        drafts.push(query);
    }
    drafts.extend((0..4).map(|at| Draft { name: "few", ..span(30 + at, 1, 100, 110) }));
    let batch = batch(&drafts);
    let tree = Tree::build(&batch, &TreeInput::default());
    let [repeat] = tree.repeats() else { panic!("one group: {:?}", tree.repeats()) };
    assert_eq!((repeat.count, repeat.total_ns, repeat.n_plus_one, repeat.first), (6, 48, true, 1));
    assert_eq!(tree.marked(Marks::REPEATED).count(), 6);
}

#[test]
fn a_chain_of_a_hundred_thousand_needs_no_stack() {
    let drafts: Vec<Draft> = (0..100_000).map(|at| span(at + 1, at, at as i64, 200_000 - at as i64)).collect();
    let tree = tree(&drafts);
    assert_eq!(tree.depth(99_999), 99_999);
    assert_eq!(tree.subtree_size(0), 100_000);
    assert_eq!(tree.self_time(0), 2);
}

#[test]
fn a_hundred_thousand_spans_of_one_id_take_linear_time() {
    let drafts: Vec<Draft> = (0..100_000).map(|at| span(7, 7, at, at + 5)).collect();
    let tree = tree(&drafts);
    assert_eq!(tree.preorder().len(), 100_000);
}

pub(in crate::analysis) fn any_trace() -> impl Strategy<Value = Vec<Draft>> {
    let draft = (1_u64..24, 0_u64..28, 0_i64..60, -5_i64..40, 0_u8..12).prop_map(|(id, parent, start, length, look)| Draft {
        id,
        parent,
        start,
        end: (look != 0).then_some(start + length),
        kind: SpanKind::from_number(u64::from(look % 6)),
        service: ["web", "cart", "db"][usize::from(look % 3)],
        error: look == 5,
        ..Draft::default()
    });
    prop::collection::vec(draft, 0..60)
}

proptest! {
    #[test]
    fn whatever_comes_every_span_stands_in_the_tree_once(drafts in any_trace()) {
        let tree = tree(&drafts);
        let mut seen = tree.preorder().to_vec();
        seen.sort_unstable();
        prop_assert_eq!(seen, (0..tree.nodes()).collect::<Vec<_>>());
        for node in 0..tree.nodes() {
            let duration = tree.duration(node);
            prop_assert!((0..=duration.max(0)).contains(&tree.self_time(node)));
            let inside: u32 = tree.children(node).iter().map(|child| tree.subtree_size(*child)).sum();
            prop_assert_eq!(tree.subtree_size(node), inside + 1);
            prop_assert!(tree.children(node).is_sorted_by_key(|child| tree.start(*child)));
        }
    }
}
