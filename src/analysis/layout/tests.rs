//! Lanes of awkward traces.

use super::super::tree::TreeInput;
use super::super::tree::tests::{Draft, any_trace, batch};
use super::*;
use crate::analysis::Marks;
use proptest::prelude::*;

fn span(id: u64, parent: u64, start: i64, end: i64) -> Draft {
    Draft { id, parent, start, end: Some(end), ..Draft::default() }
}

fn laid_out(drafts: &[Draft], input: &LayoutInput) -> (Tree, Layout) {
    let batch = batch(drafts);
    let tree = Tree::build(&batch, &TreeInput::default());
    let layout = layout(&batch, &tree, input);
    (tree, layout)
}

fn lanes(drafts: &[Draft]) -> Vec<u32> {
    let (tree, layout) = laid_out(drafts, &LayoutInput::default());
    (0..tree.nodes()).map(|node| layout.lane_of(node).unwrap()).collect()
}

#[test]
fn siblings_in_turn_share_a_lane_and_overlapping_ones_get_their_own() {
    let in_turn = [span(1, 0, 0, 100), span(2, 1, 0, 40), span(3, 1, 40, 90), span(4, 3, 50, 60)];
    assert_eq!(lanes(&in_turn), [0, 1, 1, 2]);
    // 2 has a child, so 3 goes below both; 4 starts after 2 and takes its lane again.
    let overlapping = [span(1, 0, 0, 100), span(2, 1, 0, 40), span(5, 2, 5, 10), span(3, 1, 20, 90), span(4, 1, 50, 60)];
    assert_eq!(lanes(&overlapping), [0, 1, 2, 3, 1]);
}

#[test]
fn nothing_is_put_behind_a_span_in_flight() {
    let drafts = [span(1, 0, 0, 100), Draft { end: None, ..span(2, 1, 10, 0) }, span(3, 1, 90, 95)];
    assert_eq!(lanes(&drafts), [0, 1, 2]);
}

#[test]
fn folding_hides_what_is_below_and_a_new_root_hides_what_is_above() {
    let drafts = [span(1, 0, 0, 100), span(2, 1, 0, 40), span(3, 2, 5, 10), span(4, 1, 50, 60)];
    let (_, folded) = laid_out(&drafts, &LayoutInput { collapsed: HashSet::from([1]), ..LayoutInput::default() });
    assert_eq!((folded.shown(), folded.lanes(), folded.lane_of(2)), (3, 2, None));
    let (tree, re_rooted) = laid_out(&drafts, &LayoutInput { root: Some(1), ..LayoutInput::default() });
    assert_eq!((re_rooted.shown(), re_rooted.lane_of(1), re_rooted.lane_of(0)), (2, Some(0), None));
    assert_eq!(re_rooted.extent(), (0, 40));
    assert_eq!(re_rooted.item_of(&tree, 2).map(|item| re_rooted.node(item)), Some(2));
}

#[test]
fn the_pointer_finds_the_item_under_it_or_the_nearest() {
    let (tree, layout) = laid_out(&[span(1, 0, 0, 100), span(2, 1, 10, 20), span(3, 1, 40, 50)], &LayoutInput::default());
    let node = |time, slop| layout.item_at(1, time, slop).map(|item| layout.node(item));
    assert_eq!(node(15, 0), Some(1));
    assert_eq!(node(25, 0), None);
    assert_eq!(node(25, 5), Some(1));
    assert_eq!(node(38, 5), Some(2));
    assert_eq!(node(0, 3), None);
    assert_eq!(layout.item_at(9, 0, 0), None);
    let first = layout.item_of(&tree, 1).unwrap();
    assert_eq!(layout.beside(first, true).map(|item| layout.node(item)), Some(2));
    assert_eq!(layout.beside(first, false), None);
}

#[test]
fn a_group_of_repeats_spans_its_lane() {
    let mut drafts = vec![span(1, 0, 0, 100)];
    drafts.extend((0..5).map(|at| Draft { name: "SELECT", ..span(10 + at, 1, at as i64 * 10, at as i64 * 10 + 9) }));
    let (_, layout) = laid_out(&drafts, &LayoutInput::default());
    let [group] = layout.groups() else { panic!("{:?}", layout.groups()) };
    assert_eq!((group.lane, group.start, group.end, group.repeat.count), (1, 0, 49, 5));
}

#[test]
fn a_wide_fan_and_a_deep_chain_are_laid_out_fast() {
    let fan: Vec<Draft> = (0..50_000).map(|at| span(at + 1, u64::from(at > 0), at as i64, 200_000)).collect();
    let (_, layout) = laid_out(&fan, &LayoutInput::default());
    assert_eq!(layout.lanes(), 50_000);
    // Each span of the chain has a second child beside the next link, under which everything else hangs.
    let mut chain = Vec::new();
    for at in 0..20_000_u64 {
        chain.push(span(2 * at + 1, (2 * at).saturating_sub(1), at as i64, 100_000 - at as i64));
        chain.push(span(2 * at + 2, 2 * at + 1, at as i64 + 1, 100_000 - at as i64));
    }
    let (_, layout) = laid_out(&chain, &LayoutInput::default());
    assert_eq!(layout.shown(), 40_000);
}

/// Every item that a view holds shows up in exactly one piece, and pieces do not overlap.
fn check_fold(layout: &Layout, lane: u32, view: PixelView, column: u32) -> Result<(), TestCaseError> {
    let mut seen = Vec::new();
    let mut edge = f64::NEG_INFINITY;
    let mut errors = 0;
    layout.fold_lane_by(lane, view, column, |piece| match piece {
        Fold::Bar { item, left, right } => {
            assert!(left >= edge - f64::from(column) && right - left >= 3.0, "bars keep their place");
            edge = right;
            seen.push(item);
            errors += u32::from(layout.look(item).is_error());
        }
        Fold::Column { first, count, left, right, look } => {
            assert!(left >= edge - f64::from(column) && right > left, "columns keep their place");
            edge = right;
            seen.extend(first..first + count);
            let inside = (first..first + count).filter(|item| layout.look(*item).is_error()).count() as u32;
            assert_eq!(look.is_error(), inside > 0, "errors win a column");
            errors += inside;
        }
    });
    let expected: Vec<u32> =
        layout.lane(lane).filter(|item| layout.span(*item).1 >= view.start && layout.span(*item).0 < view.end).collect();
    prop_assert_eq!(seen, expected);
    Ok(())
}

proptest! {
    #[test]
    fn lanes_never_overlap_and_hold_every_span_once(drafts in any_trace(), folded in 0_u32..60, root in 0_u32..90) {
        let batch = batch(&drafts);
        let tree = Tree::build(&batch, &TreeInput::default());
        for input in [
            LayoutInput::default(),
            LayoutInput { collapsed: HashSet::from([folded]), class_by: ClassBy::SelfTime, ..LayoutInput::default() },
            LayoutInput { collapsed: HashSet::from([folded]), root: Some(root), ..LayoutInput::default() },
        ] {
            let layout = layout(&batch, &tree, &input);
            let mut nodes: Vec<u32> = (0..layout.lanes()).flat_map(|lane| layout.lane(lane)).map(|item| layout.node(item)).collect();
            prop_assert_eq!(nodes.len() as u32, layout.shown());
            for lane in 0..layout.lanes() {
                let mut until = i64::MIN;
                for item in layout.lane(lane) {
                    let (start, end) = layout.span(item);
                    prop_assert!(start >= until, "lane {} overlaps at {}", lane, start);
                    until = end.max(start + 1);
                    if tree.marks(layout.node(item)).has(Marks::IN_FLIGHT) {
                        until = i64::MAX;
                    }
                    let node = layout.node(item);
                    prop_assert_eq!(layout.item_of(&tree, node), Some(item));
                    if let Some(above) = tree.parent(node).and_then(|parent| layout.lane_of(parent)) {
                        prop_assert!(above < lane, "children stand below");
                    }
                }
                for (start, end, width, column) in [(0, 100, 40.0, 1), (20, 30, 7.0, 1), (-10, 300, 1_000.0, 1), (0, 100, 400.0, 5)] {
                    check_fold(&layout, lane, PixelView { start, end, width }, column)?;
                }
            }
            let overview = layout.overview(64, 8);
            let errors = (0..layout.shown()).any(|item| layout.look(item).is_error());
            prop_assert_eq!((0..overview.rows).any(|row| overview.runs(row).any(|run| run.error)), errors);
            nodes.sort_unstable();
            nodes.dedup();
            prop_assert_eq!(nodes.len() as u32, layout.shown());
            if input == LayoutInput::default() {
                prop_assert_eq!(layout.shown(), tree.nodes());
            }
        }
    }
}
