//! The waterfall tab: the tree at the left, bars true to time at the right, one row a span.

use super::flame;
use super::load::Shape;
use super::state::{Critical, Open};
use crate::analysis::Marks;
use crate::model::{DurationNs, units};
use crate::ui::canvas::{Palette, Rows, ruler};
use crate::ui::theme::size::{part, stroke};
use crate::ui::theme::{self, Face, Icon};
use crate::ui::view::ViewContext;
use crate::ui::views::menu;
use egui::{Align2, Color32, Id, Key, Modifiers, Rect, Role, Sense, Stroke, StrokeKind, Ui, WidgetInfo, pos2, vec2};

/// Share of the width that the tree takes.
const TREE: f32 = 0.4;
/// Indent a level, points; deeper than [`DEEPEST`] stays there.
const INDENT: f32 = 12.0;
const DEEPEST: u32 = 24;

/// What the waterfall keeps between frames.
#[derive(Default)]
pub(super) struct WaterfallState {
    rows: Rows,
    /// Width of the tree when it was dragged, as a share.
    split: Option<f32>,
}

pub(super) fn show(open: &mut Open, ui: &mut Ui, ctx: &mut ViewContext<'_>) {
    let Some(shape) = open.current_shape() else {
        ui.ctx().request_repaint();
        return;
    };
    let Some(held) = open.palette.take() else { return };
    if open.viewport.advance(ui.input(|input| input.time)) {
        ui.ctx().request_repaint();
    }
    let area = ui.available_rect_before_wrap();
    let split = area.left() + area.width() * open.waterfall.split.unwrap_or(TREE);
    let split = ui.painter().round_to_pixel_center(split);
    top(open, ui, ctx, area, split, &shape);
    let body = Rect::from_min_max(pos2(area.left(), area.top() + flame::RULER), area.max);
    navigate(open, ui, body, split, &shape);
    keys(open, ui, ctx, &shape, body.height() / part::ROW_DENSE);
    ruler::paint_grid(
        ui.painter(),
        Rect::from_min_max(pos2(split, body.top()), body.max),
        ctx.theme,
        &open.viewport,
        shape.layout.extent().0,
    );
    let mut rows = std::mem::take(&mut open.waterfall.rows);
    let mut action = None;
    rows.show(ui, body, shape.rows.len(), part::ROW_DENSE, |ui, at, rect| {
        let done = row(open, ui, ctx, shape.rows[at], rect, split, &held.1);
        action = done.or(action.take());
    });
    open.waterfall.rows = rows;
    open.palette = Some(held);
    theme::paint_hairline(ui, pos2(split, area.top()), pos2(split, area.bottom()));
    match action {
        Some(Action::Select(node)) => {
            open.select(node);
            open.reveal = false;
        }
        Some(Action::Toggle(node)) => {
            let fold = !open.collapsed.contains(&node);
            open.fold(node, fold, ctx.engine);
        }
        Some(Action::Zoom(node)) => {
            let (start, end) = (open.loaded.tree.start(node), open.loaded.tree.end(node));
            open.viewport.show(start, end);
        }
        None => {}
    }
}

enum Action {
    Select(u32),
    Toggle(u32),
    Zoom(u32),
}

fn top(open: &mut Open, ui: &mut Ui, ctx: &ViewContext<'_>, area: Rect, split: f32, shape: &Shape) {
    let theme = ctx.theme;
    let axis = Rect::from_min_max(
        pos2(split, area.top()),
        pos2(area.right() - crate::ui::canvas::rows::BAR, area.top() + flame::RULER),
    );
    open.flame.set_canvas(axis);
    let left = Rect::from_min_max(area.min, pos2(split, axis.bottom()));
    ui.painter().rect_filled(Rect::from_min_max(area.min, pos2(area.right(), axis.bottom())), 0.0, theme.panel);
    ui.painter().text(
        pos2(left.left() + 12.0, left.center().y),
        Align2::LEFT_CENTER,
        "Span",
        Face::Caption.font(),
        theme.text_faint,
    );
    let response = ui.interact(axis, Id::unique("waterfall_axis"), Sense::click_and_drag());
    flame::axis_in(open, ui, theme, shape.layout.extent().0, axis, &response);
    theme::paint_hairline(ui, pos2(area.left(), axis.bottom()), pos2(area.right(), axis.bottom()));
    let grip = Rect::from_center_size(pos2(split, area.center().y), vec2(part::SPLITTER_HIT, area.height()));
    let grip = ui.interact(grip, Id::unique("waterfall_split"), Sense::drag());
    if grip.hovered() || grip.dragged() {
        ui.ctx().set_cursor_icon(egui::CursorIcon::ResizeColumn);
    }
    if grip.dragged()
        && let Some(at) = grip.interact_pointer_pos()
    {
        open.waterfall.split = Some(((at.x - area.left()) / area.width().max(1.0)).clamp(0.2, 0.7));
    }
}

fn navigate(open: &mut Open, ui: &Ui, body: Rect, split: f32, shape: &Shape) {
    if !ui.rect_contains_pointer(body) {
        return;
    }
    let (scroll, zoom, shift) = ui.input(|input| (input.smooth_scroll_delta(), input.zoom_delta(), input.modifiers.shift));
    if (zoom - 1.0).abs() > f32::EPSILON {
        let share = open.flame.pointer_share(ui);
        open.viewport.zoom(f64::from(1.0 / zoom), share);
    } else {
        let sideways = if shift && scroll.x == 0.0 { scroll.y } else { scroll.x };
        if sideways != 0.0 {
            open.viewport.pan(f64::from(-sideways / (body.right() - split).max(1.0)));
        }
    }
    let in_view = f64::from(body.height() / part::ROW_DENSE);
    if !ui.ctx().text_edit_focused() {
        open.waterfall.rows.keys(ui, shape.rows.len(), in_view);
    }
}

/// Up and down walk the rows; left folds or goes to the parent, right unfolds or goes to the first child.
fn keys(open: &mut Open, ui: &Ui, ctx: &ViewContext<'_>, shape: &Shape, in_view: f32) {
    if std::mem::take(&mut open.reveal)
        && let Some(at) = open.selection.and_then(|node| open.visible(node)).and_then(|node| position(shape, node))
    {
        open.waterfall.rows.reveal(at, f64::from(in_view));
        if let Some(node) = open.selection {
            let (start, end) = (open.loaded.tree.start(node), open.loaded.tree.end(node));
            open.viewport.reveal(start, end);
        }
    }
    if ui.ctx().text_edit_focused() || egui::Popup::is_any_open(ui.ctx()) {
        return;
    }
    let pressed = |key| ui.input_mut(|input| input.consume_key(Modifiers::NONE, key));
    let (up, down, left, right) =
        (pressed(Key::ArrowUp), pressed(Key::ArrowDown), pressed(Key::ArrowLeft), pressed(Key::ArrowRight));
    let Some(node) = open.selection.filter(|_| up || down || left || right) else { return };
    let at = open.visible(node).and_then(|node| position(shape, node));
    let beside = |by: isize| at.and_then(|at| at.checked_add_signed(by)).and_then(|at| shape.rows.get(at)).copied();
    let folded = open.collapsed.contains(&node);
    let inner = !open.loaded.tree.children(node).is_empty();
    let next = if up {
        beside(-1)
    } else if down {
        beside(1)
    } else if left && inner && !folded {
        open.fold(node, true, ctx.engine);
        None
    } else if left {
        open.loaded.tree.parent(node)
    } else if right && folded {
        open.fold(node, false, ctx.engine);
        None
    } else if right && inner {
        open.loaded.tree.children(node).first().copied()
    } else {
        None
    };
    if let Some(next) = next {
        open.select(next);
    }
}

fn position(shape: &Shape, node: u32) -> Option<usize> {
    shape.rows.iter().position(|other| *other == node)
}

fn row(
    open: &Open,
    ui: &mut Ui,
    ctx: &mut ViewContext<'_>,
    node: u32,
    rect: Rect,
    split: f32,
    palette: &Palette,
) -> Option<Action> {
    let theme = ctx.theme;
    let tree = &open.loaded.tree;
    let on = open.selection == Some(node);
    let response = ui.interact(rect, ui.scope_id().with(("waterfall", node)), Sense::click());
    let missing = tree.is_virtual(node);
    let span = (!missing).then(|| open.loaded.batch().span(node as usize));
    let name = span.map_or("parent not received", |span| span.name());
    let service = span.map_or("", |span| span.service());
    let length = units::duration(DurationNs(tree.duration(node)));
    response.widget_info(|| WidgetInfo::selected(Role::TreeItem, true, on, format!("{name}, {service}, {length}")));
    let fill = match (on, response.hovered()) {
        (true, _) => theme.selection,
        (false, true) => theme.hover,
        _ => Color32::TRANSPARENT,
    };
    ui.painter().rect_filled(rect, 0.0, fill);
    let base = open.roots.last().map_or(0, |root| tree.depth(*root));
    let indent = tree.depth(node).saturating_sub(base).min(DEEPEST) as f32 * INDENT;
    let middle = rect.center().y;
    let mut action = None;
    let mut x = rect.left() + 8.0 + indent;
    let folded = open.collapsed.contains(&node);
    if !tree.children(node).is_empty() {
        let place = Rect::from_center_size(pos2(x + 8.0, middle), vec2(18.0, rect.height()));
        let toggle = ui.interact(place, response.id.with("fold"), Sense::click());
        let word = if folded { "Unfold" } else { "Fold" };
        toggle.widget_info(|| WidgetInfo::labeled(Role::Button, true, format!("{word} {name}")));
        let icon = if folded { Icon::Right } else { Icon::Down };
        icon.paint(ui.painter(), place.center(), 12.0, if toggle.hovered() { theme.text_strong } else { theme.text_faint });
        if toggle.clicked() {
            action = Some(Action::Toggle(node));
        }
    }
    x += 20.0;
    let tree_area = Rect::from_min_max(rect.min, pos2(split - 6.0, rect.bottom()));
    let painter = ui.painter().with_clip_rect(tree_area.intersect(ui.clip_rect()));
    if let Some(span) = span {
        let given = ctx.services.of(span.service());
        let series = theme.series[usize::from(given.index)];
        let swatch = Rect::from_center_size(pos2(x + 4.0, middle), vec2(8.0, 8.0));
        painter.rect(swatch, 2.0, series.fill, Stroke::new(1.0, series.line), StrokeKind::Inside);
        x += 14.0;
    }
    let strong = if on {
        theme.selection_text
    } else if missing {
        theme.text_subdued
    } else {
        theme.text
    };
    let mut end = tree_area.right();
    if folded {
        let hidden = format!("+{}", units::count(u64::from(tree.subtree_size(node) - 1)));
        let galley = painter.layout_no_wrap(hidden, Face::Caption.font(), theme.text_faint);
        end -= galley.size().x + 4.0;
        painter.galley(pos2(end, middle - galley.size().y / 2.0), galley, theme.text_faint);
    }
    let inner =
        painter.with_clip_rect(Rect::from_min_max(tree_area.min, pos2(end - 4.0, rect.bottom())).intersect(ui.clip_rect()));
    let arrow = if tree.marks(node).has(Marks::CALLS) { "\u{2192} " } else { "" };
    let galley = inner.layout_no_wrap(format!("{arrow}{name}"), Face::Small.font(), strong);
    let name_end = x + galley.size().x;
    inner.galley(pos2(x, middle - galley.size().y / 2.0), galley, strong);
    inner.text(pos2(name_end + 8.0, middle), Align2::LEFT_CENTER, service, Face::Small.font(), theme.text_faint);
    bar(open, ui, ctx, node, Rect::from_min_max(pos2(split, rect.top()), rect.max), palette, &length);
    if open.is_found(node) {
        let mark = Rect::from_min_size(rect.min, vec2(2.0, rect.height()));
        ui.painter().rect_filled(mark, 0.0, theme.accent);
    }
    if response.double_clicked() {
        action = Some(Action::Zoom(node));
    } else if response.clicked() || response.secondary_clicked() {
        action = action.or(Some(Action::Select(node)));
    }
    menu::context_menu(&response, 230.0, |ui| {
        if menu::item(ui, "Zoom to span", None, false) {
            action = Some(Action::Zoom(node));
        }
        if !tree.children(node).is_empty() && menu::item(ui, if folded { "Unfold" } else { "Fold" }, None, false) {
            action = Some(Action::Toggle(node));
        }
        if menu::item(ui, "Copy span id", None, false)
            && let Some(span) = span
        {
            ctx.requests.push(crate::ui::view::Request::Copy(span.span_id().to_string(), "Span id".to_owned()));
        }
    });
    action
}

fn bar(open: &Open, ui: &Ui, ctx: &ViewContext<'_>, node: u32, rect: Rect, palette: &Palette, length: &str) {
    let theme = ctx.theme;
    let tree = &open.loaded.tree;
    let area = Rect::from_min_max(rect.min, pos2(rect.right(), rect.bottom()));
    let painter = ui.painter().with_clip_rect(area.intersect(ui.clip_rect()));
    let view = open.viewport.pixels(f64::from(area.width()));
    let x = |time: i64| area.left() + view.x(time).clamp(-64.0, f64::from(area.width()) + 64.0) as f32;
    let snap = |v: f32| (v * ui.pixels_per_point()).round() / ui.pixels_per_point();
    let (left, right) = (snap(x(tree.start(node))), snap(x(tree.end(node))));
    let place = Rect::from_min_max(pos2(left, rect.top() + 5.0), pos2(right.max(left + 1.0), rect.bottom() - 5.0));
    let marks = tree.marks(node);
    let colour = if tree.is_virtual(node) {
        palette.missing
    } else {
        palette.class(
            open.shape
                .as_ref()
                .and_then(|shape| shape.layout.item_of(tree, node).map(|item| shape.layout.look(item).class))
                .unwrap_or(0),
        )
    };
    painter.rect_filled(place, 0.0, colour.fill);
    if tree.is_virtual(node) {
        painter.rect_stroke(place, 0.0, Stroke::new(stroke::HAIRLINE, theme.text_faint), StrokeKind::Inside);
    }
    if open.critical != Critical::Off
        && let Some(shape) = open.shape.as_ref()
    {
        for segment in shape.path.of_node(node) {
            let (from, to) = (snap(x(segment.start)), snap(x(segment.end)));
            let line = Rect::from_min_max(pos2(from, place.bottom() - 2.0), pos2(to.max(from + 1.0), place.bottom() + 1.0));
            painter.rect_filled(line, 0.0, theme.critical_path);
        }
    }
    if marks.has(Marks::ERROR) {
        painter.rect_filled(Rect::from_min_size(place.min, vec2(place.width(), 3.0)), 0.0, theme.error_fill);
        painter.rect_filled(
            Rect::from_min_size(place.min, vec2(3.0_f32.min(place.width()), place.height())),
            0.0,
            theme.error_fill,
        );
    }
    let (text, tint) = if marks.has(Marks::IN_FLIGHT) { ("in flight", theme.info) } else { (length, theme.text_subdued) };
    let galley = painter.layout_no_wrap(text.to_owned(), Face::Caption.font(), tint);
    // Behind the bar where there is room, before it otherwise, on it as the last resort.
    let y = rect.center().y - galley.size().y / 2.0;
    let wide = galley.size().x + 6.0;
    let at = if place.right() + wide < area.right() {
        place.right().max(area.left()) + 6.0
    } else if place.left() - wide > area.left() {
        place.left().min(area.right()) - wide
    } else {
        place.right().min(area.right()) - wide
    };
    let on_bar = at > place.left() && at + wide <= place.right();
    painter.galley_with_override_text_color(pos2(at, y), galley, if on_bar { colour.text } else { tint });
}
