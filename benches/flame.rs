//! What a frame of the flame graph costs, and opening a trace: 1M spans, fixed seed, the CPU's part before the GPU.
//!
//! `cargo bench --bench flame` prints a line for each figure of the performance table that it shows: tree and layout of
//! 1,000,000 spans, then the median and the slowest of many frames at each zoom, each a little further on (folding and
//! meshes, as `ui/canvas/flame.rs` makes them). The median counts: the slowest of many is a frame that the machine took away.

use belvedere::analysis::{ClassBy, LayoutInput, Tree, TreeInput, layout};
use belvedere::model::batch::SpanRow;
use belvedere::model::{SpanBatch, SpanBatchBuilder, TraceId};
use belvedere::ui::canvas::flame::{Built, ROW_HEIGHTS, Scene, build};
use belvedere::ui::canvas::{Palette, Viewport};
use belvedere::ui::theme::{ServiceColours, Theme};
use egui::{Rect, pos2, vec2};
use std::time::{Duration, Instant};

const FRAMES: usize = 40;

/// A small xorshift; the same numbers on every machine.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// A trace of `spans` spans of ten services: requests in a row, each a tree with calls that overlap, 1 % errors.
fn trace(spans: u32) -> SpanBatch {
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let mut builder = SpanBatchBuilder::default();
    let key = builder.intern("service.name");
    let resources: Vec<u32> = (0..10)
        .map(|at| {
            let name = format!("service-{at}").as_str().into();
            let row = builder.attr_at(key, &belvedere::model::Value::Str(name));
            builder.add_resource(&[row], 0, 0)
        })
        .collect();
    let names: Vec<u32> = (0..200).map(|at| builder.intern(&format!("GET /resource/{at}"))).collect();
    let scope = builder.add_scope(Default::default(), &[]);
    let start = 1_700_000_000_000_000_000_i64;
    let length = i64::from(spans) * 10_000;
    let mut rows: Vec<SpanRow> = Vec::with_capacity(spans as usize);
    let row = |id: u32, parent: u32, from: i64, to: i64, dice: &mut Dice| SpanRow {
        trace_id: TraceId([1; 16]),
        span_id: u64::from(id).wrapping_mul(0x9e37_79b9_7f4a_7c15).into(),
        parent: u64::from(parent).wrapping_mul(0x9e37_79b9_7f4a_7c15).into(),
        start: from,
        end: to,
        name: names[dice.below(200) as usize],
        resource: resources[dice.below(10) as usize],
        scope,
        kind: 1 + dice.below(5) as u8,
        status: if dice.below(100) == 0 { 2 } else { 0 },
        content_hash: 1,
        ..SpanRow::default()
    };
    rows.push(row(1, 0, start, start + length, &mut dice));
    // Requests of about 500 spans each: a random tree whose children lie somewhere inside their parent.
    let mut id = 2;
    while id <= spans {
        let (first, size) = (id, (300 + dice.below(400) as u32).min(spans - id + 1));
        let from = start + length / i64::from(spans) * i64::from(id);
        let to = from + length / i64::from(spans) * i64::from(size);
        rows.push(row(id, 1, from, to, &mut dice));
        for step in 1..size {
            let parent = first + dice.below(u64::from(step)) as u32;
            let above = rows[parent as usize - 1];
            let inside = (above.end - above.start).max(2) as u64;
            let begin = above.start + dice.below(inside) as i64;
            let end = begin + 1 + dice.below((above.end - begin).max(2) as u64) as i64;
            rows.push(row(first + step, parent, begin, end.min(above.end), &mut dice));
        }
        id += size;
    }
    rows.sort_by_key(|row| row.start);
    for row in rows {
        builder.finish_span(row);
    }
    builder.finish()
}

fn print(what: &str, took: Duration, target: &str) {
    println!("{what:<58} {:>9.2} ms   target {target}", took.as_secs_f64() * 1e3);
}

fn main() {
    let batch = trace(1_000_000);
    println!("flame graph, {} spans, seed 9e3779b97f4a7c15", batch.len());
    let begun = Instant::now();
    let tree = Tree::build(&batch, &TreeInput::default());
    let built_tree = begun.elapsed();
    let begun = Instant::now();
    let laid_out = layout(&batch, &tree, &LayoutInput::default());
    let built_layout = begun.elapsed();
    print("tree (parents, order, self time, marks, repeats)", built_tree, "1 s with the layout");
    print(&format!("layout ({} lanes)", laid_out.lanes()), built_layout, "1 s with the tree");
    let begun = Instant::now();
    let overview = laid_out.overview(belvedere::ui::canvas::minimap::COLUMNS, belvedere::ui::canvas::minimap::ROWS);
    print(&format!("minimap ({} rows)", overview.rows), begun.elapsed(), "off the frame");

    let palette = Palette::new(Theme::dark(), &ServiceColours::default(), &tree, ClassBy::Service);
    let mut view = Viewport::still();
    view.set_extent(laid_out.extent(), true);
    let mut built = Built::default();
    let mut worst = Duration::ZERO;
    for (row, height) in [(ROW_HEIGHTS[0], 500.0), (ROW_HEIGHTS[2], 860.0)] {
        for zoom in [1.0, 0.3, 0.1, 0.03, 0.01, 1e-3, 1e-4, 1e-5, 1e-6] {
            let mut frames = Vec::with_capacity(FRAMES);
            let mut quads = 0;
            let rows = tree_rows(laid_out.lanes(), row, height);
            for frame in 0..FRAMES {
                view.fit();
                view.zoom(zoom, 0.37 + frame as f64 * 1e-3);
                view.pan(frame as f64 * 0.01);
                let scene = Scene {
                    layout: &laid_out,
                    palette: &palette,
                    theme: Theme::dark(),
                    rect: Rect::from_min_size(pos2(152.0, 200.0), vec2(1_288.0, height)),
                    row,
                    scroll: if frame % 2 == 0 { 0.0 } else { rows },
                    view: &view,
                    pixels_per_point: 1.0,
                    highlight: None,
                };
                let begun = Instant::now();
                build(&scene, &mut built);
                frames.push(begun.elapsed());
                quads = quads.max((built.bars.vertices.len() + built.marks.vertices.len()) / 4);
            }
            frames.sort_unstable();
            let (middle, slowest) = (frames[FRAMES / 2], frames[FRAMES - 1].as_secs_f64() * 1e3);
            worst = worst.max(middle);
            let what = format!("frame, rows of {row}, {height} high, zoom {zoom:e}, {quads} quads");
            print(&what, middle, &format!("4 ms   slowest {slowest:.2} ms"));
        }
    }
    print("median frame at the slowest zoom", worst, "4 ms");
}

/// A scroll position in the middle of the lanes.
fn tree_rows(lanes: u32, row: f32, height: f32) -> f32 {
    (lanes as f32 * row / 2.0 - height / 2.0).max(0.0)
}
