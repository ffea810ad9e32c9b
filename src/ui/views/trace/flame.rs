//! The flame tab: minimap, ruler, canvas, operations in view.

use super::load::Shape;
use super::state::{Critical, Open};
use super::{operations, time_went, tooltip};
use crate::analysis::Group;
use crate::model::{DurationNs, units};
use crate::ui::canvas::flame::{self, Built, Hit, LabelText, ROW_HEIGHTS, Scene};
use crate::ui::canvas::minimap::{Minimap, Strip};
use crate::ui::canvas::{Palette, critical, elide::Elided, ruler};
use crate::ui::command::Command;
use crate::ui::theme::size::{radius, stroke};
use crate::ui::theme::{Face, Theme};
use crate::ui::view::ViewContext;
use crate::ui::views::menu;
use crate::ui::widgets;
use egui::{
    CentralPanel, CursorIcon, EventFilter, Frame, Id, Panel, PointerButton, Pos2, Rect, Response, Role, Sense, Stroke,
    StrokeKind, Ui, WidgetInfo, pos2, vec2,
};

/// Height of the ruler, points.
pub(super) const RULER: f32 = 24.0;
/// Groups with more room than this around their label show it, points.
const GROUP_ROOM: f32 = 16.0;

/// What the canvas keeps between frames.
#[derive(Default)]
pub(super) struct FlameState {
    built: Built,
    elided: Elided,
    minimap: Minimap,
    /// Scrolled up by, points.
    scroll: f32,
    /// Index into [`ROW_HEIGHTS`].
    pub(super) density: usize,
    /// Height of the operations below, points; 0 is the usual.
    pub(super) operations: f32,
    canvas: Option<Rect>,
    /// Where a range began to be dragged, nanoseconds.
    range_from: Option<i64>,
    /// The focus came by a click: no ring is needed to find it.
    clicked: bool,
}

impl FlameState {
    /// Where the pointer is over the canvas, 0 left to 1 right; the middle without one.
    pub(super) fn pointer_share(&self, ui: &Ui) -> f64 {
        let at = ui.input(|input| input.pointer.hover_pos());
        match (self.canvas, at) {
            (Some(rect), Some(at)) if rect.x_range().contains(at.x) => f64::from((at.x - rect.left()) / rect.width().max(1.0)),
            _ => 0.5,
        }
    }

    /// Remembers where the time axis is, for tabs that share it.
    pub(super) fn set_canvas(&mut self, rect: Rect) {
        self.canvas = Some(rect);
    }
}

pub(super) fn show(open: &mut Open, ui: &mut Ui, ctx: &mut ViewContext<'_>) {
    let Some(shape) = open.current_shape().or_else(|| open.shape.clone()) else { return };
    // A layout of the trace as it was is not painted over the trace as it is: node numbers have moved.
    if shape.fingerprint != open.loaded.fingerprint || shape.adjusted != open.loaded.adjusted {
        ui.ctx().request_repaint();
        return;
    }
    let Some((_, palette)) = open.palette.take() else { return };
    if open.viewport.advance(ui.input(|input| input.time)) {
        ui.ctx().request_repaint();
    }
    let height = ui.available_height();
    let strip = Strip {
        theme: ctx.theme,
        overview: &shape.overview,
        palette: &palette,
        extent: shape.layout.extent(),
        revision: open.revision,
    };
    let top = ui.cursor().top();
    let response = open.flame.minimap.show(ui, strip, &mut open.viewport);
    widgets::hairline_below(ui, response.rect.expand2(vec2(0.0, 1.0)));
    axis(open, ui, ctx.theme, shape.layout.extent().0);
    let used = ui.cursor().top() - top;
    let most = (height - used - 120.0).max(80.0);
    let usual = (height * 0.30).clamp(120.0, 232.0);
    let wanted = if open.flame.operations > 0.0 { open.flame.operations.max(80.0) } else { usual }.min(most);
    if height > 360.0 {
        let panel = Panel::bottom("trace_operations")
            .resizable(true)
            .default_size(wanted)
            .size_range(80.0..=most)
            .frame(Frame::new().fill(ctx.theme.panel))
            .show(ui, |ui| operations::show(open, ui, ctx));
        let shown = panel.response.rect.height();
        if (shown - wanted).abs() > 1.0 && !ui.input(|input| input.pointer.any_down()) {
            open.flame.operations = shown;
        }
    }
    if height > 460.0 && open.critical != Critical::Off && shape.path.total > 0 {
        Panel::bottom("trace_time_went")
            .exact_size(time_went::HEIGHT)
            .resizable(false)
            .show_separator_line(false)
            .frame(Frame::new().fill(ctx.theme.surface))
            .show(ui, |ui| time_went::show(open, ui, ctx, &shape.path));
    }
    CentralPanel::default().frame(Frame::new().fill(ctx.theme.surface)).show(ui, |ui| canvas(open, ui, ctx, &shape, &palette));
    open.palette = Some((palette_key(open, ctx), palette));
}

fn palette_key(open: &Open, ctx: &ViewContext<'_>) -> u64 {
    u64::from(ctx.theme.dark) | (open.class_by as u64) << 1 | open.loaded.fingerprint.rotate_left(9)
}

/// The ruler: a drag over it chooses what is shown, a double-click shows everything.
pub(super) fn axis(open: &mut Open, ui: &mut Ui, theme: &Theme, origin: i64) {
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), RULER), Sense::click_and_drag());
    axis_in(open, ui, theme, origin, rect, &response);
}

/// The ruler in a place of its own.
pub(super) fn axis_in(open: &mut Open, ui: &Ui, theme: &Theme, origin: i64, rect: Rect, response: &Response) {
    ruler::paint(ui.painter(), rect, theme, &open.viewport, origin);
    widgets::hairline_below(ui, rect.expand2(vec2(0.0, 1.0)));
    response.widget_info(|| WidgetInfo::labeled(Role::Slider, true, "Time axis"));
    if response.hovered() {
        ui.ctx().set_cursor_icon(CursorIcon::Crosshair);
    }
    if response.double_clicked() {
        open.viewport.fit();
    }
    range(open, ui, theme, rect, response);
}

/// A dragged range: shown while dragged, zoomed to when let go.
fn range(open: &mut Open, ui: &Ui, theme: &Theme, rect: Rect, response: &Response) {
    let pixels = open.viewport.pixels(f64::from(rect.width()));
    let time = |at: Pos2| pixels.time(f64::from((at.x - rect.left()).clamp(0.0, rect.width())));
    if response.drag_started_by(PointerButton::Primary) {
        open.flame.range_from = ui.input(|input| input.pointer.press_origin()).map(time);
    }
    let (Some(from), Some(at)) = (open.flame.range_from, response.interact_pointer_pos()) else { return };
    let to = time(at);
    if response.dragged_by(PointerButton::Primary) {
        let (left, right) = (rect.left() + pixels.x(from.min(to)) as f32, rect.left() + pixels.x(from.max(to)) as f32);
        let area = Rect::from_x_y_ranges(left..=right, rect.y_range());
        ui.painter().rect_filled(area, 0.0, theme.accent.gamma_multiply(0.22));
        ui.painter().rect_stroke(area, 0.0, Stroke::new(1.0, theme.accent), StrokeKind::Inside);
        let text = units::duration(DurationNs(from.abs_diff(to) as i64));
        let galley = ui.painter().layout_no_wrap(text, Face::Caption.font(), theme.text_strong);
        if area.width() > galley.size().x + 8.0 {
            let at = pos2(area.center().x - galley.size().x / 2.0, area.top() + 4.0);
            ui.painter().rect_filled(Rect::from_min_size(at, galley.size()).expand(2.0), radius::CHIP, theme.raised);
            ui.painter().galley(at, galley, theme.text_strong);
        }
    }
    if response.drag_stopped() {
        open.flame.range_from = None;
        if from != to {
            open.viewport.jump((from.min(to), from.max(to)));
        }
    }
}

fn canvas(open: &mut Open, ui: &mut Ui, ctx: &mut ViewContext<'_>, shape: &Shape, palette: &Palette) {
    let theme = ctx.theme;
    let rect = ui.available_rect_before_wrap();
    let response = ui.interact(rect, Id::unique("flame_canvas"), Sense::click_and_drag());
    open.flame.canvas = Some(rect);
    describe(open, ui, &response);
    let keep = EventFilter { horizontal_arrows: true, vertical_arrows: true, tab: false, escape: true };
    ui.memory_mut(|memory| memory.set_focus_lock_filter(response.id, keep));
    let row = ROW_HEIGHTS[open.flame.density.min(ROW_HEIGHTS.len() - 1)];
    let highest = (flame::TOP * 2.0 + shape.layout.lanes() as f32 * row - rect.height()).max(0.0);
    navigate(open, ui, &response, highest);
    if std::mem::take(&mut open.reveal) {
        bring_into_view(open, shape, rect, row);
    }
    open.flame.scroll = open.flame.scroll.clamp(0.0, highest);

    let batch = open.loaded.batch();
    let mut built = std::mem::take(&mut open.flame.built);
    let mut elided = std::mem::take(&mut open.flame.elided);
    let found = open.current_find().filter(|found| found.input == shape.input).cloned();
    let dimmed = (open.critical == Critical::Dim).then_some(&shape.on_path);
    let scene = Scene {
        layout: &shape.layout,
        palette,
        theme,
        rect,
        row,
        scroll: open.flame.scroll,
        view: &open.viewport,
        pixels_per_point: ui.pixels_per_point(),
        highlight: found.as_ref().map(|found| &found.highlight).or(dimmed),
    };
    ruler::paint_grid(ui.painter(), rect, theme, &open.viewport, shape.layout.extent().0);
    flame::build(&scene, &mut built);
    elided.begin(std::ptr::from_ref(batch).addr(), ui.pixels_per_point());
    let hidden = |node: u32| open.folded_in(node);
    let text = LabelText { batch, tree: &open.loaded.tree, hidden: &hidden };
    flame::paint(ui.painter(), &scene, &built, &text, &mut elided);
    if open.critical != Critical::Off {
        let lane_of = |node: u32| shape.layout.lane_of(node).or_else(|| shape.layout.lane_of(open.visible(node)?));
        let line = critical::build(&scene, &shape.path.segments, lane_of);
        ui.painter().with_clip_rect(rect).add(egui::Shape::mesh(line));
    }
    let labels = groups(open, ui, &scene, shape);
    let pointer = response.hover_pos().filter(|_| !response.dragged());
    let group = pointer.and_then(|at| labels.iter().find(|(rect, _)| rect.contains(at)).map(|(_, group)| *group));
    let hit = pointer.filter(|_| group.is_none()).and_then(|at| scene.hit(at));
    outlines(open, ui, &scene, shape, hit);
    if let Some(at) = pointer {
        crosshair(ui, theme, rect, at.x);
    }
    scroll_bar(ui, theme, rect, open.flame.scroll, highest);
    open.flame.clicked &= response.has_focus();
    if response.has_focus() && !open.flame.clicked {
        let ring = ui.painter().with_clip_rect(rect);
        ring.rect_stroke(rect, 0.0, Stroke::new(stroke::FOCUS, theme.focus_ring), StrokeKind::Inside);
    }
    open.flame.built = built;
    open.flame.elided = elided;
    if let (Some(hit), Some(at)) = (hit, pointer) {
        tooltip::show(open, ui, ctx, shape, hit, at);
        ui.ctx().set_cursor_icon(CursorIcon::PointingHand);
    }
    clicks(open, ui, ctx, shape, &response, hit, group);
}

/// Role, label and value for those who do not see the canvas.
fn describe(open: &Open, ui: &Ui, response: &Response) {
    let spans = units::exact_count(u64::from(open.loaded.tree.spans()));
    let label = format!("Flame graph, {spans} {}", super::header::plural("span", open.loaded.tree.spans() as usize));
    response.widget_info(|| WidgetInfo::labeled(Role::Canvas, true, label.as_str()));
    let value = spoken(open);
    ui.ctx().accesskit_node_builder(response.id, |node| node.set_value(value));
}

/// `selected: POST api.acme-pay.test/v1/charges, payment, 480 ms, error, 4 of 6`.
pub(super) fn spoken(open: &Open) -> String {
    let Some(node) = open.selection else { return "nothing selected".to_owned() };
    let tree = &open.loaded.tree;
    if tree.is_virtual(node) {
        return "selected: parent not received".to_owned();
    }
    let span = open.loaded.batch().span(node as usize);
    let length = match span.end() {
        Some(_) => units::duration(DurationNs(tree.duration(node))),
        None => "in flight".to_owned(),
    };
    let mut text = format!("selected: {}, {}, {length}", span.name(), span.service());
    if span.is_error() {
        text.push_str(", error");
    }
    if open.find_position() > 0 {
        text.push_str(", ");
        text.push_str(&super::header::counter(open));
    }
    text
}

fn navigate(open: &mut Open, ui: &Ui, response: &Response, highest: f32) {
    let rect = response.rect;
    if ui.rect_contains_pointer(rect) {
        let (scroll, zoom, shift) = ui.input(|input| (input.smooth_scroll_delta(), input.zoom_delta(), input.modifiers.shift));
        let share = open.flame.pointer_share(ui);
        if (zoom - 1.0).abs() > f32::EPSILON {
            open.viewport.zoom(f64::from(1.0 / zoom), share);
        } else {
            // Shift turns the wheel to time; so does a sideways wheel.
            let sideways = if shift && scroll.x == 0.0 { scroll.y } else { scroll.x };
            if sideways != 0.0 {
                open.viewport.pan(f64::from(-sideways / rect.width().max(1.0)));
            }
            if !shift {
                open.flame.scroll = (open.flame.scroll - scroll.y).clamp(0.0, highest);
            }
        }
    }
    let pans = response.dragged_by(PointerButton::Primary) || response.dragged_by(PointerButton::Middle);
    if pans {
        let moved = response.drag_delta();
        open.viewport.pan(f64::from(-moved.x / rect.width().max(1.0)));
        open.flame.scroll = (open.flame.scroll - moved.y).clamp(0.0, highest);
        ui.ctx().set_cursor_icon(CursorIcon::Grabbing);
    }
}

fn bring_into_view(open: &mut Open, shape: &Shape, rect: Rect, row: f32) {
    let Some(node) = open.selection.and_then(|node| open.visible(node)) else { return };
    let Some(lane) = shape.layout.lane_of(node) else { return };
    let tree = &open.loaded.tree;
    open.viewport.reveal(tree.start(node), tree.end(node));
    let (top, bottom) = (flame::TOP + lane as f32 * row, flame::TOP + (lane + 1) as f32 * row);
    if top - row < open.flame.scroll {
        open.flame.scroll = top - row;
    } else if bottom + row > open.flame.scroll + rect.height() {
        open.flame.scroll = bottom + row - rect.height();
    }
}

/// Labels over groups of repeated siblings: `24 × SELECT stock, N+1`. Answers where they are.
fn groups(open: &Open, ui: &Ui, scene: &Scene<'_>, shape: &Shape) -> Vec<(Rect, Group)> {
    if scene.row < 18.0 {
        return Vec::new();
    }
    let painter = ui.painter().with_clip_rect(scene.rect);
    let pixels = open.viewport.pixels(f64::from(scene.rect.width()));
    let mut places = Vec::new();
    let inside = |group: &&Group| {
        let top = scene.lane_top(group.lane);
        !open.opened_groups.contains(&group.repeat.parent)
            && group.end > open.viewport.shown().0
            && group.start < open.viewport.shown().1
            && top < scene.rect.bottom()
            && top + scene.row > scene.rect.top()
    };
    for group in shape.layout.groups().iter().filter(inside).take(200) {
        let left = (scene.rect.left() + pixels.x(group.start) as f32).max(scene.rect.left());
        let right = (scene.rect.left() + pixels.x(group.end) as f32).min(scene.rect.right());
        let each = pixels.x(group.end) - pixels.x(group.start);
        // Once every one of them is wide enough for a label of its own, the group has nothing to add.
        if right - left < 90.0 || each / f64::from(group.repeat.count) > 48.0 {
            continue;
        }
        let name = open.loaded.batch().strings.get(group.repeat.name);
        let short: String = name.chars().take(36).collect();
        let suffix = if group.repeat.n_plus_one { ", N+1" } else { "" };
        let text = format!("{} \u{d7} {short}{suffix}", units::count(u64::from(group.repeat.count)));
        let colour = if group.repeat.n_plus_one { scene.theme.warn } else { scene.theme.text_strong };
        let galley = painter.layout_no_wrap(text, Face::Caption.font(), colour);
        if galley.size().x + GROUP_ROOM > right - left {
            continue;
        }
        let middle = pos2((left + right) / 2.0, scene.lane_top(group.lane) + (scene.row - 1.0) / 2.0);
        let place = Rect::from_center_size(middle, vec2(galley.size().x + 16.0, scene.row - 7.0));
        painter.rect_filled(place, radius::CHIP, scene.theme.surface);
        painter.galley(middle - galley.size() / 2.0, galley, colour);
        places.push((place, *group));
    }
    places
}

/// Selection and hover, as real shapes.
fn outlines(open: &Open, ui: &Ui, scene: &Scene<'_>, shape: &Shape, hit: Option<Hit>) {
    let painter = ui.painter().with_clip_rect(scene.rect);
    if let Some(hit) = hit {
        painter.rect_stroke(hit.rect, 0.0, Stroke::new(1.0, scene.theme.canvas_select), StrokeKind::Inside);
    }
    let Some(node) = open.selection.and_then(|node| open.visible(node)) else { return };
    let (Some(lane), Some(item)) = (shape.layout.lane_of(node), shape.layout.item_of(&open.loaded.tree, node)) else { return };
    let bar = scene.bar(item, lane);
    if bar.intersects(scene.rect) {
        painter.rect_stroke(bar, 0.0, Stroke::new(stroke::SELECTION, scene.theme.canvas_select), StrokeKind::Outside);
        let ring = Stroke::new(stroke::SELECTION, scene.theme.focus_ring);
        painter.rect_stroke(bar.expand(stroke::SELECTION + 0.5), 0.0, ring, StrokeKind::Outside);
    }
}

fn crosshair(ui: &Ui, theme: &Theme, rect: Rect, x: f32) {
    let x = ui.painter().round_to_pixel_center(x);
    let line = [pos2(x, rect.top()), pos2(x, rect.bottom())];
    ui.painter().extend(egui::Shape::dashed_line(&line, Stroke::new(1.0, theme.plot_crosshair), 2.0, 3.0));
}

fn scroll_bar(ui: &Ui, theme: &Theme, rect: Rect, scroll: f32, highest: f32) {
    if highest <= 0.0 {
        return;
    }
    let length = (rect.height() * rect.height() / (rect.height() + highest)).max(24.0);
    let top = rect.top() + (rect.height() - length) * scroll / highest;
    let thumb = Rect::from_min_size(pos2(rect.right() - 6.0, top), vec2(4.0, length)).shrink2(vec2(0.0, 2.0));
    ui.painter().rect_filled(thumb, 2.0, theme.hairline_strong);
}

fn clicks(
    open: &mut Open,
    ui: &Ui,
    ctx: &mut ViewContext<'_>,
    shape: &Shape,
    response: &Response,
    hit: Option<Hit>,
    group: Option<Group>,
) {
    if response.clicked() || response.drag_started() || response.secondary_clicked() {
        response.request_focus();
        open.flame.clicked = true;
    }
    if let Some(group) = group {
        ui.ctx().set_cursor_icon(CursorIcon::PointingHand);
        if response.double_clicked() {
            open.open_group(group.repeat.parent);
        } else if response.clicked() {
            open.select(group.repeat.first);
            open.reveal = false;
        }
    } else if response.double_clicked() {
        match hit {
            Some(hit) => {
                let (start, end) = shape.layout.span(hit.item + hit.count - 1);
                let from = shape.layout.span(hit.item).0.min(start);
                open.viewport.show(from, end);
            }
            None => open.viewport.fit(),
        }
    } else if (response.clicked() || response.secondary_clicked())
        && let Some(hit) = hit
    {
        open.select(shape.layout.node(hit.item));
        open.reveal = false;
    } else if response.clicked() {
        open.details.asked = false;
    }
    if open.selection.is_some() {
        menu::context_menu(response, 230.0, |ui| span_menu(open, ui, ctx));
    }
}

/// What can be done with the selected span.
pub(super) fn span_menu(open: &mut Open, ui: &mut Ui, ctx: &mut ViewContext<'_>) {
    let Some(node) = open.selection else { return };
    let folded = open.collapsed.contains(&node);
    let inner = !open.loaded.tree.children(node).is_empty();
    let keys = |command: Command| command.keys_text();
    if menu::item(ui, "Zoom to span", keys(Command::Fit).as_deref(), false) {
        let (start, end) = (open.loaded.tree.start(node), open.loaded.tree.end(node));
        open.viewport.show(start, end);
    }
    if inner && menu::item(ui, "Re-root at span", keys(Command::ReRoot).as_deref(), false) {
        open.re_root(node, ctx.engine);
    }
    if inner && !folded && menu::item(ui, "Fold", keys(Command::Fold).as_deref(), false) {
        open.fold(node, true, ctx.engine);
    }
    if folded && menu::item(ui, "Unfold", keys(Command::Unfold).as_deref(), false) {
        open.fold(node, false, ctx.engine);
    }
    if let Some(span) = super::actions::selected(open) {
        let same = format!("name:\"{}\" service:\"{}\"", span.name(), span.service());
        let fold = format!("Fold spans of {}", span.service());
        if menu::item(ui, "Find this operation", None, false) {
            open.find_text = same;
        }
        let service = open.loaded.tree.service_index(node);
        if menu::item(ui, &fold, None, false) {
            open.fold_service(service, ctx.engine);
        }
        menu::separator(ui);
        for command in [Command::FollowLink, Command::CopyLink, Command::CopyCurl] {
            if open.supports(command) && menu::item(ui, command.text(), keys(command).as_deref(), false) {
                ctx.run(command);
            }
        }
        if menu::item(ui, "Copy span id", None, false) {
            super::actions::copy_span_id(open, ctx);
        }
        if menu::item(ui, "Copy span as OTLP JSON", None, false) {
            super::actions::copy_span(open, ctx);
        }
    }
}
