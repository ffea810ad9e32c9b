//! What an open trace remembers: selection, folds, roots, finds, tab, viewport. All changes of them happen here.

use super::details::Details;
use super::flame::FlameState;
use super::load::{self, FindAnswer, Loaded, Shape, SpanKey, Sums};
use super::looks::Looks;
use super::table::TableState;
use super::waterfall::WaterfallState;
use crate::analysis::{ClassBy, LayoutInput, Marks};
use crate::engine::{Engine, Query};
use crate::model::SpanId;
use crate::ui::canvas::{Palette, Viewport};
use crate::ui::command::Command;
use crate::ui::view::ViewContext;
use crate::ui::views::shared::finished;
use egui::{Key, Modifiers, Ui};
use std::collections::HashSet;
use std::sync::Arc;

/// One look at a trace.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Tab {
    #[default]
    Flame,
    Waterfall,
    Table,
}

/// How the critical path is shown; `C` goes through them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Critical {
    /// A line over the bars.
    #[default]
    Line,
    /// The line, and what is off the path dimmed.
    Dim,
    /// Not at all.
    Off,
}

/// See the module comment.
pub(super) struct Open {
    pub(super) loaded: Arc<Loaded>,
    pub(super) shape: Option<Arc<Shape>>,
    shaping: Query<Shape>,
    pub(super) found: Option<Arc<FindAnswer>>,
    finding: Query<FindAnswer>,
    pub(super) sums: Option<Arc<Sums>>,
    summing: Query<Sums>,
    pub(super) find_text: String,
    pub(super) focus_find: bool,
    pub(super) tab: Tab,
    pub(super) selection: Option<u32>,
    /// The selection moved: lists and canvas bring it into view.
    pub(super) reveal: bool,
    pub(super) collapsed: HashSet<u32>,
    /// Re-roots, the current one last.
    pub(super) roots: Vec<u32>,
    pub(super) class_by: ClassBy,
    pub(super) critical: Critical,
    /// Only errors and what is above them.
    pub(super) only_errors: bool,
    pub(super) adjust: bool,
    pub(super) hide_skew: bool,
    pub(super) viewport: Viewport,
    pub(super) palette: Option<(u64, Palette)>,
    pub(super) flame: FlameState,
    pub(super) waterfall: WaterfallState,
    pub(super) table: TableState,
    pub(super) details: Details,
    pub(super) export: super::export::Export,
    /// Groups of repeats that were opened, by parent.
    pub(super) opened_groups: HashSet<u32>,
    /// Counts layouts and colourings, so that cached meshes know when they are old.
    pub(super) revision: usize,
}

impl Open {
    pub(super) fn new(loaded: Arc<Loaded>, span: Option<SpanId>, looks: Looks, engine: &Engine) -> Self {
        let root = loaded.figures.root;
        let mut open = Self {
            loaded,
            shape: None,
            shaping: Query::Idle,
            found: None,
            finding: Query::Idle,
            sums: None,
            summing: Query::Idle,
            find_text: String::new(),
            focus_find: false,
            tab: Tab::default(),
            selection: Some(root),
            reveal: true,
            collapsed: HashSet::new(),
            roots: Vec::new(),
            class_by: ClassBy::default(),
            critical: Critical::default(),
            only_errors: false,
            adjust: false,
            hide_skew: false,
            viewport: Viewport::default(),
            palette: None,
            flame: FlameState::default(),
            waterfall: WaterfallState::default(),
            table: TableState::default(),
            details: Details::default(),
            export: super::export::Export::default(),
            opened_groups: HashSet::new(),
            revision: 0,
        };
        looks.apply(&mut open);
        if let Some(span) = span {
            open.select_id(span);
        }
        open.reshape(engine);
        open
    }

    /// More of the trace has arrived, or its clocks were set right: everything keeps its place.
    pub(super) fn renew(&mut self, loaded: Arc<Loaded>, engine: &Engine) {
        let moved = |node: u32| -> Option<u32> {
            match self.loaded.key(node) {
                Some(key) => loaded.found.get(&key).copied(),
                // A missing parent is known by its id.
                None => {
                    let id = self.loaded.tree.missing_id(node)?;
                    (loaded.tree.spans()..loaded.tree.nodes()).find(|other| loaded.tree.missing_id(*other) == Some(id))
                }
            }
        };
        self.selection = self.selection.and_then(moved).or(Some(loaded.figures.root));
        self.collapsed = self.collapsed.iter().copied().filter_map(moved).collect();
        self.roots = self.roots.iter().copied().filter_map(moved).collect();
        self.opened_groups = self.opened_groups.iter().copied().filter_map(moved).collect();
        self.loaded = loaded;
        self.palette = None;
        self.reshape(engine);
    }

    /// Spans that must be found again after a renewal.
    pub(super) fn keys(&self) -> Vec<SpanKey> {
        let nodes = self.selection.iter().chain(&self.collapsed).chain(&self.roots).chain(&self.opened_groups);
        nodes.filter_map(|node| self.loaded.key(*node)).collect()
    }

    fn input(&self) -> LayoutInput {
        LayoutInput {
            collapsed: self.collapsed.clone(),
            root: self.roots.last().copied(),
            class_by: self.class_by,
            ..LayoutInput::default()
        }
    }

    pub(super) fn reshape(&mut self, engine: &Engine) {
        let (loaded, input) = (self.loaded.clone(), self.input());
        let only_errors = self.only_errors;
        self.shaping = engine.ask(move |_| Ok(load::shape(&loaded, input, only_errors)));
    }

    /// The layout, if it is of the trace as it is now.
    pub(super) fn current_shape(&self) -> Option<Arc<Shape>> {
        let current =
            |shape: &&Arc<Shape>| shape.fingerprint == self.loaded.fingerprint && shape.adjusted == self.loaded.adjusted;
        self.shape.as_ref().filter(current).cloned()
    }

    /// The find, if it is of the trace as it is now.
    pub(super) fn current_find(&self) -> Option<&Arc<FindAnswer>> {
        self.found.as_ref().filter(|found| found.fingerprint == self.loaded.fingerprint && !found.nodes.is_empty())
    }

    /// Takes finished answers in and asks for what is out of date.
    pub(super) fn poll(&mut self, ctx: &mut ViewContext<'_>) {
        if let Some(Ok(shape)) = finished(&mut self.shaping) {
            let reset = self.shape.as_ref().is_none_or(|old| old.input.root != shape.input.root);
            self.viewport.set_extent(shape.layout.extent(), reset);
            self.shape = Some(shape);
            self.revision += 1;
        }
        if let Some(Ok(found)) = finished(&mut self.finding) {
            self.found = Some(found);
        }
        if let Some(Ok(sums)) = finished(&mut self.summing) {
            self.sums = Some(sums);
        }
        self.export.poll(ctx);
        let fingerprint = self.loaded.fingerprint;
        let Some(shape) = self.current_shape() else { return };
        if self.find_text.trim().is_empty() {
            self.found = None;
            self.finding = Query::Idle;
        } else if !self.finding.is_running() {
            let fresh = |found: &Arc<FindAnswer>| {
                found.text == self.find_text && found.fingerprint == fingerprint && found.input == shape.input
            };
            if !self.found.as_ref().is_some_and(fresh) {
                let (loaded, shape, text) = (self.loaded.clone(), shape.clone(), self.find_text.clone());
                self.finding = ctx.engine.ask(move |_| Ok(load::find_spans(&loaded, &shape, text)));
            }
        }
        let view = self.viewport.shown();
        let summed = self.sums.as_ref().is_some_and(|sums| sums.view == view && sums.fingerprint == fingerprint);
        if !summed && !self.summing.is_running() && self.tab == Tab::Flame {
            let loaded = self.loaded.clone();
            self.summing = ctx.engine.ask(move |_| Ok(load::sum(&loaded, view)));
        }
        self.table.poll(&self.loaded, &self.find_text, self.tab == Tab::Table, ctx);
        let theme_key = u64::from(ctx.theme.dark) | (self.class_by as u64) << 1 | fingerprint.rotate_left(9);
        if self.palette.as_ref().is_none_or(|(key, _)| *key != theme_key) {
            self.palette = Some((theme_key, Palette::new(ctx.theme, ctx.services, &self.loaded.tree, self.class_by)));
            self.revision += 1;
        }
    }

    /// Selects a span and brings it into view.
    pub(super) fn select(&mut self, node: u32) {
        self.selection = Some(node);
        self.reveal = true;
        self.details.asked = true;
    }

    /// Selects by span id, the first that has it.
    pub(super) fn select_id(&mut self, id: SpanId) {
        if let Some(node) = self.loaded.batch().spans.iter().position(|span| span.span_id == id) {
            self.select(node as u32);
        }
    }

    /// The node itself, or its nearest ancestor that is shown.
    pub(super) fn visible(&self, node: u32) -> Option<u32> {
        let shape = self.current_shape()?;
        let tree = &self.loaded.tree;
        let mut at = Some(node);
        while let Some(node) = at {
            if shape.layout.lane_of(node).is_some() {
                return Some(node);
            }
            at = tree.parent(node);
        }
        None
    }

    /// Folds or unfolds a node.
    pub(super) fn fold(&mut self, node: u32, fold: bool, engine: &Engine) {
        let changed = match fold {
            true => !self.loaded.tree.children(node).is_empty() && self.collapsed.insert(node),
            false => self.collapsed.remove(&node),
        };
        if changed {
            self.reshape(engine);
        }
    }

    /// Shows only errors and what is above them, or everything again.
    pub(super) fn set_only_errors(&mut self, on: bool, engine: &Engine) {
        if self.only_errors != on {
            self.only_errors = on;
            self.reveal = true;
            self.reshape(engine);
        }
    }

    /// Folds every topmost span of a service, so that only its entries are left.
    pub(super) fn fold_service(&mut self, service: u16, engine: &Engine) {
        let tree = &self.loaded.tree;
        let of = |node: u32| !tree.is_virtual(node) && tree.service_index(node) == service;
        let tops = (0..tree.spans())
            .filter(|node| of(*node) && !tree.children(*node).is_empty())
            .filter(|node| tree.parent(*node).is_none_or(|parent| !of(parent)));
        let tops: Vec<u32> = tops.collect();
        self.collapsed.extend(tops);
        self.reveal = true;
        self.reshape(engine);
    }

    /// Unfolds everything.
    pub(super) fn unfold_all(&mut self, engine: &Engine) {
        self.collapsed.clear();
        self.reshape(engine);
    }

    /// Spans that a node holds while it is folded.
    pub(super) fn folded_in(&self, node: u32) -> u32 {
        if self.collapsed.contains(&node) { self.loaded.tree.subtree_size(node).saturating_sub(1) } else { 0 }
    }

    /// Makes a node the root of what is shown.
    pub(super) fn re_root(&mut self, node: u32, engine: &Engine) {
        if self.roots.last() != Some(&node) {
            self.roots.push(node);
            self.reshape(engine);
        }
    }

    /// Goes back to the `depth`-th root (0 is the whole trace).
    pub(super) fn re_root_back(&mut self, depth: usize, engine: &Engine) {
        if self.roots.len() > depth {
            self.roots.truncate(depth);
            self.reshape(engine);
        }
    }

    pub(super) fn set_class_by(&mut self, by: ClassBy, engine: &Engine) {
        if self.class_by != by {
            self.class_by = by;
            self.palette = None;
            self.reshape(engine);
        }
    }

    /// The next or previous of some spans by start; stops at the ends. Returns its position among them.
    pub(super) fn step(&self, nodes: &[u32], forward: bool) -> Option<u32> {
        let tree = &self.loaded.tree;
        let key = |node: u32| (tree.start(node), node);
        let Some(from) = self.selection.filter(|node| *node < tree.nodes()).map(key) else { return nodes.first().copied() };
        if forward {
            nodes.get(nodes.partition_point(|node| key(*node) <= from)).copied()
        } else {
            nodes.partition_point(|node| key(*node) < from).checked_sub(1).map(|at| nodes[at])
        }
    }

    /// Place of the selection among the spans that were found, from 1; 0 when it is none of them.
    pub(super) fn find_position(&self) -> usize {
        let found = self.current_find().zip(self.selection);
        found.and_then(|(found, node)| self.place_in(&found.nodes, node)).map_or(0, |at| at + 1)
    }

    /// True for a span that was found.
    pub(super) fn is_found(&self, node: u32) -> bool {
        self.current_find().is_some_and(|found| self.place_in(&found.nodes, node).is_some())
    }

    /// Place of a node among nodes by start.
    fn place_in(&self, nodes: &[u32], node: u32) -> Option<usize> {
        let tree = &self.loaded.tree;
        let key = |node: u32| (tree.start(node), node);
        nodes.binary_search_by_key(&key(node), |other| key(*other)).ok()
    }

    /// Goes to the next or previous match.
    pub(super) fn step_find(&mut self, forward: bool) {
        let next = self.current_find().and_then(|found| self.step(&found.nodes, forward));
        if let Some(node) = next {
            self.select(node);
        }
    }

    fn step_error(&mut self, forward: bool) {
        let tree = &self.loaded.tree;
        let errors: Vec<u32> = tree.by_start().iter().copied().filter(|node| tree.marks(*node).has(Marks::ERROR)).collect();
        if let Some(node) = self.step(&errors, forward) {
            self.select(node);
        }
    }

    fn step_lane(&mut self, forward: bool) {
        let Some(shape) = self.current_shape() else { return };
        let Some(node) = self.selection.and_then(|node| self.visible(node)) else { return };
        let item = shape.layout.item_of(&self.loaded.tree, node);
        if let Some(next) = item.and_then(|item| shape.layout.beside(item, forward)) {
            self.select(shape.layout.node(next));
        }
    }

    /// Parent, first child, previous and next sibling for the arrow keys.
    pub(super) fn relative(&self, key: Key) -> Option<u32> {
        let tree = &self.loaded.tree;
        let node = self.selection?;
        let above = self.roots.last() != Some(&node);
        match key {
            Key::ArrowUp => tree.parent(node).filter(|_| above),
            Key::ArrowDown => tree.children(node).first().copied().filter(|_| !self.collapsed.contains(&node)),
            Key::ArrowLeft | Key::ArrowRight => {
                let siblings = tree.parent(node).map_or(tree.roots(), |parent| tree.children(parent));
                let at = siblings.iter().position(|other| *other == node)?;
                let next = if key == Key::ArrowRight { at.checked_add(1) } else { at.checked_sub(1) }?;
                siblings.get(next).copied().filter(|_| above)
            }
            _ => None,
        }
    }

    pub(super) fn supports(&self, command: Command) -> bool {
        let canvas = matches!(self.tab, Tab::Flame | Tab::Waterfall);
        match command {
            Command::ZoomIn | Command::ZoomOut | Command::PanEarlier | Command::PanLater | Command::Fit => canvas,
            Command::Fold | Command::Unfold | Command::ReRoot => canvas && self.selection.is_some(),
            Command::NextOnLane | Command::PreviousOnLane => self.tab == Tab::Flame,
            Command::CriticalPath => canvas,
            Command::OnlyErrors => canvas && (self.loaded.figures.errors > 0 || self.only_errors),
            Command::FollowLink => self.linked().is_some(),
            Command::CopyCurl => super::actions::selected(self).is_some_and(super::copies::is_request),
            Command::ReRootBack => !self.roots.is_empty(),
            Command::NextError | Command::PreviousError => self.loaded.figures.errors > 0,
            Command::CopySpan => self.selection.is_some(),
            Command::ShowFlame
            | Command::ShowWaterfall
            | Command::ShowTable
            | Command::FocusSearch
            | Command::ToggleDetails
            | Command::CopyTraceId
            | Command::CopyTextTree
            | Command::CopyMarkdown
            | Command::CopyLink
            | Command::ExportOtlp
            | Command::ExportJaeger
            | Command::ExportZipkin
            | Command::ExportChrome => true,
            _ => false,
        }
    }

    /// Carries out the commands of this frame and the keys that no command has.
    pub(super) fn commands(&mut self, ui: &Ui, ctx: &mut ViewContext<'_>) {
        for command in ctx.commands.iter().copied() {
            self.command(command, ui, ctx);
        }
        if ui.ctx().text_edit_focused() || egui::Popup::is_any_open(ui.ctx()) {
            return;
        }
        if self.tab == Tab::Flame {
            for key in [Key::ArrowUp, Key::ArrowDown, Key::ArrowLeft, Key::ArrowRight] {
                if ui.input_mut(|input| input.consume_key(Modifiers::NONE, key))
                    && let Some(node) = self.relative(key)
                {
                    self.select(node);
                }
            }
        }
        let shifted = |key| ui.input_mut(|input| input.consume_key(Modifiers::SHIFT, key));
        if self.tab != Tab::Table {
            if shifted(Key::A) {
                self.viewport.pan(-0.8);
            }
            if shifted(Key::D) {
                self.viewport.pan(0.8);
            }
        }
        let escape = |ui: &Ui| ui.input_mut(|input| input.consume_key(Modifiers::NONE, Key::Escape));
        if !self.find_text.is_empty() && escape(ui) {
            self.find_text.clear();
        }
    }

    fn command(&mut self, command: Command, ui: &Ui, ctx: &mut ViewContext<'_>) {
        const STEP: f64 = 0.6;
        match command {
            Command::ShowFlame => self.show_tab(Tab::Flame),
            Command::ShowWaterfall => self.show_tab(Tab::Waterfall),
            Command::ShowTable => self.show_tab(Tab::Table),
            Command::ZoomIn => self.viewport.zoom(STEP, self.flame.pointer_share(ui)),
            Command::ZoomOut => self.viewport.zoom(1.0 / STEP, self.flame.pointer_share(ui)),
            Command::PanEarlier => self.viewport.pan(-0.2),
            Command::PanLater => self.viewport.pan(0.2),
            Command::Fit => self.fit(),
            Command::NextError => self.step_error(true),
            Command::PreviousError => self.step_error(false),
            Command::NextOnLane => self.step_lane(true),
            Command::PreviousOnLane => self.step_lane(false),
            Command::Fold => {
                if let Some(node) = self.selection {
                    self.fold(node, true, ctx.engine);
                }
            }
            Command::Unfold => {
                if let Some(node) = self.selection.and_then(|node| self.visible(node)) {
                    self.fold(node, false, ctx.engine);
                }
            }
            Command::ReRoot => self.enter(ctx),
            Command::ReRootBack => self.re_root_back(self.roots.len().saturating_sub(1), ctx.engine),
            Command::FocusSearch => self.focus_find = true,
            Command::ToggleDetails => {
                self.details.open = !self.details.open;
                self.details.asked = self.details.open;
            }
            Command::CopyTraceId => super::actions::copy_trace_id(self, ctx),
            Command::CopySpan => super::actions::copy_span(self, ctx),
            Command::CopyTextTree => super::actions::copy_outline(self, ctx),
            Command::CopyMarkdown => super::actions::copy_markdown(self, ctx),
            Command::CopyLink => super::actions::copy_link(self, ctx),
            Command::CopyCurl => super::actions::copy_curl(self, ctx),
            Command::CriticalPath => {
                self.critical = match self.critical {
                    Critical::Line => Critical::Dim,
                    Critical::Dim => Critical::Off,
                    Critical::Off => Critical::Line,
                };
            }
            Command::OnlyErrors => self.set_only_errors(!self.only_errors, ctx.engine),
            Command::FollowLink => {
                if let Some((id, span)) = self.linked() {
                    let source = ctx.source;
                    ctx.go(crate::ui::nav::Place::Trace { source, id, span });
                }
            }
            Command::ExportOtlp | Command::ExportJaeger | Command::ExportZipkin | Command::ExportChrome => {
                self.export.start(command, &self.loaded, ctx.engine);
            }
            _ => {}
        }
    }

    /// Where the first link of the selected span leads.
    pub(super) fn linked(&self) -> Option<(crate::model::TraceId, Option<SpanId>)> {
        let found = super::actions::selected(self)?.links().next()?;
        Some((found.row.trace_id, found.row.span_id.non_zero()))
    }

    pub(super) fn show_tab(&mut self, tab: Tab) {
        if self.tab != tab {
            self.tab = tab;
            self.reveal = true;
        }
    }

    /// Enter: opens a group of repeats, otherwise re-roots.
    fn enter(&mut self, ctx: &ViewContext<'_>) {
        let Some(node) = self.selection else { return };
        let parent = self.loaded.tree.parent(node);
        if self.loaded.tree.marks(node).has(Marks::REPEATED)
            && let Some(parent) = parent.filter(|parent| !self.opened_groups.contains(parent))
        {
            self.open_group(parent);
        } else {
            self.re_root(node, ctx.engine);
        }
    }

    /// Looks at the repeated children of a span one by one.
    pub(super) fn open_group(&mut self, parent: u32) {
        self.opened_groups.insert(parent);
        let repeat = self.loaded.tree.repeats().iter().find(|repeat| repeat.parent == parent).copied();
        if let (Some(repeat), Some(shape)) = (repeat, self.current_shape())
            && let Some(group) = shape.layout.groups().iter().find(|group| group.repeat == repeat)
        {
            self.viewport.show(group.start, group.end);
        }
    }

    /// Centre, then fit, then all.
    fn fit(&mut self) {
        let Some(node) = self.selection.filter(|node| *node < self.loaded.tree.nodes()) else {
            self.viewport.fit();
            return;
        };
        let (start, end) = (self.loaded.tree.start(node), self.loaded.tree.end(node));
        let before = self.viewport.goal();
        let middle = |(from, to): (i64, i64)| from.saturating_add(to.saturating_sub(from) / 2);
        let centred = middle(before).abs_diff(middle((start, end))) < before.1.abs_diff(before.0) / 50 + 2;
        let fitted = end.saturating_sub(start).saturating_mul(5) / 4 >= before.1.saturating_sub(before.0);
        if !centred {
            self.viewport.centre(start, end);
            // At an edge centring may move nothing: then fit at once.
            if self.viewport.goal() == before {
                self.viewport.show(start, end);
            }
        } else if !fitted {
            self.viewport.show(start, end);
        } else {
            self.viewport.fit();
        }
        if self.viewport.goal() == before {
            self.viewport.fit();
        }
        self.reveal = true;
    }
}
