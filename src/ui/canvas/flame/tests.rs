//! What the meshes hold.

use super::*;
use crate::analysis::{LayoutInput, TreeInput, layout};
use crate::model::{Resource, Span, SpanId, SpanKind, Status, StatusCode, UnixNanos};
use crate::ui::theme::ServiceColours;

fn span(id: u64, parent: u64, start: i64, end: Option<i64>) -> Span {
    Span {
        span_id: id.into(),
        parent: SpanId::from(parent).non_zero(),
        name: format!("operation {id}").into(),
        kind: SpanKind::Client,
        start: UnixNanos(start),
        end: end.map(UnixNanos),
        resource: Arc::new(Resource::service("web")),
        ..Span::default()
    }
}

struct Drawn {
    batch: SpanBatch,
    tree: Tree,
    layout: Layout,
    palette: Palette,
    view: Viewport,
}

fn drawn(spans: &[Span]) -> Drawn {
    let batch = SpanBatch::from_spans(spans);
    let tree = Tree::build(&batch, &TreeInput::default());
    let layout = layout(&batch, &tree, &LayoutInput::default());
    let palette = Palette::new(Theme::dark(), &ServiceColours::default(), &tree, crate::analysis::ClassBy::Service);
    let mut view = Viewport::still();
    view.set_extent(layout.extent(), true);
    Drawn { batch, tree, layout, palette, view }
}

impl Drawn {
    fn scene(&self, width: f32) -> Scene<'_> {
        Scene {
            layout: &self.layout,
            palette: &self.palette,
            theme: Theme::dark(),
            rect: Rect::from_min_size(pos2(100.0, 50.0), vec2(width, 400.0)),
            row: ROW_HEIGHTS[0],
            scroll: 0.0,
            view: &self.view,
            pixels_per_point: 1.0,
            highlight: None,
        }
    }
}

#[test]
fn bars_are_snapped_and_a_million_neighbours_fold_into_columns() {
    let mut spans = vec![span(1, 0, 0, Some(1_000_000))];
    spans.extend((0..20_000).map(|at| span(at + 2, 1, at as i64 * 50, Some(at as i64 * 50 + 40))));
    spans[10_000].status = Status { code: StatusCode::Error, ..Status::default() };
    let drawn = drawn(&spans);
    let mut built = Built::default();
    build(&drawn.scene(500.0), &mut built);
    assert_eq!(built.bars.vertices.len() / 4, 2, "neighbours that look alike are one rectangle under the root");
    assert!(built.bars.vertices.iter().all(|vertex| vertex.pos.x.fract() == 0.0 && vertex.pos.y.fract() == 0.0));
    assert_eq!(built.marks.vertices.len() / 4, 1, "the one error shows in its column");
    assert_eq!(built.labels.len(), 1);
}

#[test]
fn columns_of_other_services_stay_apart_and_grow_wider_where_more_lanes_are_in_view() {
    let mut spans = vec![span(1, 0, 0, Some(1_000_000))];
    spans.extend((0..20_000).map(|at| Span {
        resource: Arc::new(Resource::service(["web", "db"][at / 1_000 % 2])),
        ..span(at as u64 + 2, 1, at as i64 * 50, Some(at as i64 * 50 + 50))
    }));
    let drawn = drawn(&spans);
    let mut built = Built::default();
    build(&drawn.scene(500.0), &mut built);
    assert_eq!(built.bars.vertices.len() / 4, 21);
    let scene = drawn.scene(500.0);
    assert_eq!(scene.column(), 1);
    assert_eq!(Scene { pixels_per_point: 100.0, ..scene }.column(), 3, "two lanes of 50,000 physical pixels");
}

#[test]
fn an_error_has_two_edges_and_a_span_in_flight_a_hatched_end() {
    let mut failed = span(1, 0, 0, Some(100));
    failed.status = Status { code: StatusCode::Error, ..Status::default() };
    let drawn = drawn(&[failed, span(2, 1, 10, None)]);
    let mut built = Built::default();
    build(&drawn.scene(400.0), &mut built);
    let red = Theme::dark().error_fill;
    let edges = built.marks.vertices.chunks(4).filter(|quad| quad[0].color == red).count();
    let stripes = built.marks.vertices.chunks(4).filter(|quad| quad[0].color == Theme::dark().surface).count();
    assert_eq!((edges, stripes), (2, 4));
    assert_ne!(built.bars.vertices[0].color, red, "an error is never the fill");
}

#[test]
fn the_pointer_hits_what_is_drawn_there() {
    let drawn = drawn(&[
        span(1, 0, 0, Some(1_000)),
        span(2, 1, 100, Some(400)),
        span(3, 1, 500, Some(501)),
        span(4, 1, 501, Some(502)),
    ]);
    let scene = drawn.scene(510.0);
    let hit = |x: f32, y: f32| scene.hit(pos2(100.0 + x, 50.0 + y)).map(|hit| (drawn.layout.node(hit.item), hit.count));
    assert_eq!(hit(10.0, TOP + 5.0), Some((0, 1)));
    assert_eq!(hit(120.0, TOP + 30.0), Some((1, 1)));
    assert_eq!(hit(20.0, TOP + 30.0), None);
    assert_eq!(hit(250.0, TOP + 30.0), Some((2, 2)), "both are in one column");
    assert_eq!(hit(10.0, 300.0), None);
    assert_eq!(drawn.tree.spans(), drawn.batch.len() as u32);
}

#[test]
fn a_find_dims_the_rest() {
    let drawn = drawn(&[span(1, 0, 0, Some(1_000)), span(2, 1, 100, Some(400))]);
    let found = Highlight::new(&drawn.layout, &[1]);
    let mut built = Built::default();
    build(&Scene { highlight: Some(&found), ..drawn.scene(500.0) }, &mut built);
    let class = drawn.palette.class(0);
    assert_eq!((built.bars.vertices[0].color, built.bars.vertices[4].color), (class.dim, class.fill));
}
