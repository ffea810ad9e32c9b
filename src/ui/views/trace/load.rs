//! What the trace view asks for off the frame: the trace with its tree, its layout, finds, sums and sorted rows.

use super::path::Path;
use crate::analysis::{
    ClockSkew, Find, Layout, LayoutInput, Marks, Operation, Overview, Tree, TreeInput, estimate_skew, find, layout, operations,
    visible_rows,
};
use crate::model::{SpanBatch, SpanId, Trace, TraceId, UnixNanos};
use crate::source::{QueryControl, SourceError, SpanSource};
use crate::ui::canvas::flame::Highlight;
use crate::ui::canvas::minimap;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Finds a span again when more spans of its trace have arrived and the numbers have moved.
pub(super) type SpanKey = (SpanId, i64);

/// A trace, read and understood.
pub(super) struct Loaded {
    pub(super) trace: Trace,
    pub(super) tree: Tree,
    /// Clocks that are off, estimated from what was sent.
    pub(super) skews: Vec<ClockSkew>,
    /// The skews are set right in the tree.
    pub(super) adjusted: bool,
    pub(super) figures: Figures,
    /// Tells whether a later answer is the same trace.
    pub(super) fingerprint: u64,
    /// The keys that were asked for, where they stand now.
    pub(super) found: HashMap<SpanKey, u32>,
}

/// What the header says.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Figures {
    /// The span that names the trace: the earliest root, or the earliest span.
    pub(super) root: u32,
    pub(super) has_root: bool,
    pub(super) errors: u32,
    pub(super) in_flight: u32,
    pub(super) orphans: u32,
    pub(super) cycles: u32,
    pub(super) outside: u32,
    pub(super) n_plus_one: u32,
    pub(super) untimed: u32,
}

impl Loaded {
    pub(super) fn batch(&self) -> &SpanBatch {
        &self.trace.spans
    }

    pub(super) fn key(&self, node: u32) -> Option<SpanKey> {
        let span = self.batch().spans.get(node as usize)?;
        Some((span.span_id, span.start))
    }
}

/// What to load.
pub(super) struct LoadRequest {
    pub(super) source: Arc<dyn SpanSource>,
    pub(super) id: TraceId,
    /// An answer with this fingerprint is no news.
    pub(super) known: Option<u64>,
    pub(super) keys: Vec<SpanKey>,
    pub(super) adjust: bool,
    pub(super) open_until: Option<UnixNanos>,
}

/// What came of it.
pub(super) enum LoadAnswer {
    Missing,
    Same,
    New(Arc<Loaded>),
}

pub(super) fn load(request: &LoadRequest, control: &QueryControl) -> Result<LoadAnswer, SourceError> {
    let Some(trace) = request.source.trace(request.id, control)? else { return Ok(LoadAnswer::Missing) };
    if trace.is_empty() {
        return Ok(LoadAnswer::Missing);
    }
    let fingerprint = trace.spans.spans.iter().fold(trace.len() as u64, |sum, span| {
        sum.rotate_left(5) ^ span.content_hash ^ span.start as u64 ^ (span.end as u64).rotate_left(17)
    });
    let flying = trace.spans.spans.iter().any(|span| span.end == crate::model::batch::IN_FLIGHT);
    if request.known == Some(fingerprint) && !(flying && request.open_until.is_some()) {
        return Ok(LoadAnswer::Same);
    }
    control.check()?;
    let input = TreeInput { open_until: request.open_until, ..TreeInput::default() };
    let mut tree = Tree::build(&trace.spans, &input);
    let skews = estimate_skew(&trace.spans, &tree);
    let adjusted = request.adjust && !skews.is_empty();
    if adjusted {
        let clock_offsets = skews.iter().map(|skew| (skew.service.clone(), skew.ahead.0.saturating_neg())).collect();
        tree = Tree::build(&trace.spans, &TreeInput { clock_offsets, ..input });
    }
    control.check()?;
    let figures = figures(&tree);
    let wanted: HashSet<SpanKey> = request.keys.iter().copied().collect();
    let mut found = HashMap::new();
    if !wanted.is_empty() {
        for (node, span) in trace.spans.spans.iter().enumerate() {
            let key = (span.span_id, span.start);
            if wanted.contains(&key) {
                found.entry(key).or_insert(node as u32);
            }
        }
    }
    Ok(LoadAnswer::New(Arc::new(Loaded { trace, tree, skews, adjusted, figures, fingerprint, found })))
}

fn figures(tree: &Tree) -> Figures {
    let mut figures = Figures::default();
    let real = tree.roots().iter().copied().find(|root| !tree.is_virtual(*root));
    let first = tree.by_start().iter().copied().find(|node| !tree.is_virtual(*node));
    figures.has_root = real.is_some();
    figures.root = real.or(first).unwrap_or(0);
    for node in 0..tree.spans() {
        let marks = tree.marks(node);
        let count = |mark: Marks| u32::from(marks.has(mark));
        figures.errors += count(Marks::ERROR);
        figures.in_flight += count(Marks::IN_FLIGHT);
        figures.orphans += count(Marks::ORPHAN);
        figures.cycles += count(Marks::CYCLE);
        figures.outside += count(Marks::OUTSIDE_PARENT);
        figures.untimed += count(Marks::NO_TIME);
    }
    figures.n_plus_one = tree.repeats().iter().filter(|repeat| repeat.n_plus_one).count() as u32;
    figures
}

/// A layout with what is made from it.
pub(super) struct Shape {
    pub(super) layout: Layout,
    pub(super) overview: Overview,
    /// Rows of the waterfall.
    pub(super) rows: Vec<u32>,
    pub(super) input: LayoutInput,
    /// What was being waited for, from the start of what is shown to its end.
    pub(super) path: Path,
    /// The items on the path.
    pub(super) on_path: Highlight,
    /// The trace it is of.
    pub(super) fingerprint: u64,
    pub(super) adjusted: bool,
}

/// Lays out, `only_errors` with nothing but errors and what is above them.
pub(super) fn shape(loaded: &Loaded, input: LayoutInput, only_errors: bool) -> Shape {
    let hidden = if only_errors { without_errors(&loaded.tree) } else { HashSet::new() };
    let input = LayoutInput { hidden, ..input };
    let layout = layout(loaded.batch(), &loaded.tree, &input);
    let overview = layout.overview(minimap::COLUMNS, minimap::ROWS);
    let mut rows = visible_rows(&loaded.tree, &input.collapsed, &input.hidden);
    if input.root.is_some() {
        rows.retain(|node| layout.lane_of(*node).is_some());
    }
    let path = Path::of(loaded, input.root);
    let on_path = Highlight::new(&layout, &path.nodes());
    Shape { layout, overview, rows, input, path, on_path, fingerprint: loaded.fingerprint, adjusted: loaded.adjusted }
}

/// The topmost nodes that hold no error, neither themselves nor below them. Nothing in a trace without errors.
fn without_errors(tree: &Tree) -> HashSet<u32> {
    let mut holds: Vec<bool> = (0..tree.nodes()).map(|node| tree.marks(node).has(Marks::ERROR)).collect();
    for node in tree.preorder().iter().rev().copied() {
        if holds[node as usize]
            && let Some(parent) = tree.parent(node)
        {
            holds[parent as usize] = true;
        }
    }
    if !holds.contains(&true) {
        return HashSet::new();
    }
    let above = |node: u32| tree.parent(node).is_none_or(|parent| holds[parent as usize]);
    (0..tree.nodes()).filter(|node| !holds[*node as usize] && above(*node)).collect()
}

/// What a find found.
pub(super) struct FindAnswer {
    pub(super) text: String,
    /// By start.
    pub(super) nodes: Vec<u32>,
    pub(super) highlight: Highlight,
    pub(super) fingerprint: u64,
    /// The layout that the highlight is of.
    pub(super) input: LayoutInput,
}

pub(super) fn find_spans(loaded: &Loaded, shape: &Shape, text: String) -> FindAnswer {
    let nodes = find(loaded.batch(), &loaded.tree, &Find::parse(&text));
    let highlight = Highlight::new(&shape.layout, &nodes);
    FindAnswer { text, nodes, highlight, fingerprint: loaded.fingerprint, input: shape.input.clone() }
}

/// Sums of what is in view.
pub(super) struct Sums {
    pub(super) operations: Vec<Operation>,
    pub(super) view: (i64, i64),
    pub(super) fingerprint: u64,
}

pub(super) fn sum(loaded: &Loaded, view: (i64, i64)) -> Sums {
    Sums { operations: operations(loaded.batch(), &loaded.tree, view.0, view.1), view, fingerprint: loaded.fingerprint }
}

/// A column of the table of spans.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Column {
    Name,
    Service,
    Kind,
    #[default]
    Start,
    Duration,
    SelfTime,
    Status,
}

/// Spans in the order of a column.
pub(super) struct Sorted {
    pub(super) nodes: Vec<u32>,
    pub(super) column: Column,
    pub(super) descending: bool,
    /// The find they were filtered by.
    pub(super) text: String,
    pub(super) fingerprint: u64,
}

pub(super) fn sort(loaded: &Loaded, column: Column, descending: bool, text: String) -> Sorted {
    let (batch, tree) = (loaded.batch(), &loaded.tree);
    let question = Find::parse(&text);
    let mut nodes: Vec<u32> = if question.is_empty() {
        tree.by_start().iter().copied().filter(|node| !tree.is_virtual(*node)).collect()
    } else {
        find(batch, tree, &question)
    };
    let span = |node: &u32| batch.span(*node as usize);
    match column {
        Column::Start => {}
        Column::Name => nodes.sort_by(|a, b| span(a).name().cmp(span(b).name())),
        Column::Service => nodes.sort_by(|a, b| span(a).service().cmp(span(b).service())),
        Column::Kind => nodes.sort_by_key(|node| batch.spans[*node as usize].kind),
        Column::Duration => nodes.sort_by_key(|node| tree.duration(*node)),
        Column::SelfTime => nodes.sort_by_key(|node| tree.self_time(*node)),
        Column::Status => nodes.sort_by_key(|node| batch.spans[*node as usize].status),
    }
    if descending {
        nodes.reverse();
    }
    Sorted { nodes, column, descending, text, fingerprint: loaded.fingerprint }
}

/// The shape of a trace for a preview; `None` when it is gone.
pub fn preview_of(
    source: &dyn SpanSource,
    id: TraceId,
    input: &LayoutInput,
    control: &QueryControl,
) -> Result<Option<crate::ui::views::traces::Shape>, SourceError> {
    let Some(trace) = source.trace(id, control)? else { return Ok(None) };
    let tree = Tree::build(&trace.spans, &TreeInput::default());
    control.check()?;
    let overview = layout(&trace.spans, &tree, input).overview(minimap::COLUMNS, minimap::ROWS);
    Ok(Some(crate::ui::views::traces::Shape { overview, tree }))
}
