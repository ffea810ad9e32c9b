//! Where the time went: the critical path summed by operation, as one bar and its largest parts.

use super::path::{Path, Step};
use super::small;
use super::state::Open;
use crate::model::{DurationNs, units};
use crate::ui::theme::size::space;
use crate::ui::theme::{self, Face};
use crate::ui::view::ViewContext;
use egui::{Align2, Color32, Rect, Role, Sense, Ui, WidgetInfo, pos2, vec2};

/// Height of the strip, points.
pub(super) const HEIGHT: f32 = 88.0;
/// Narrowest part of the legend, points.
const PART: f32 = 132.0;

pub(super) fn show(open: &mut Open, ui: &mut Ui, ctx: &ViewContext<'_>, path: &Path) {
    let theme = ctx.theme;
    let whole = ui.available_rect_before_wrap();
    ui.allocate_rect(whole, Sense::hover());
    theme::paint_hairline(ui, whole.left_top(), whole.right_top());
    let rect = whole.shrink2(vec2(space::PANEL, 0.0));
    let title = ui.painter().layout_no_wrap("Where the time went".to_owned(), Face::Heading.font(), theme.text_strong);
    let line = rect.top() + 16.0;
    let after = rect.left() + title.size().x + 8.0;
    ui.painter().galley(pos2(rect.left(), line - title.size().y / 2.0), title, theme.text_strong);
    let segments = units::count(path.segments.len() as u64);
    let word = super::header::plural("segment", path.segments.len());
    let about = format!("critical path {}, {segments} {word}", units::duration(DurationNs(path.total)));
    ui.painter().text(pos2(after, line), Align2::LEFT_CENTER, about, Face::Small.font(), theme.text_subdued);

    let bar = Rect::from_min_size(pos2(rect.left(), rect.top() + 30.0), vec2(rect.width(), 14.0));
    ui.painter().rect_filled(bar, 0.0, theme.raised);
    let room = ((rect.width() / PART) as usize).max(2);
    let named = if path.steps.len() > room { room - 1 } else { path.steps.len() };
    let width = |ns: i64| bar.width() * (ns as f64 / path.total.max(1) as f64) as f32;
    let mut x = bar.left();
    for step in path.steps.iter().take(named) {
        let part = Rect::from_min_size(pos2(x, bar.top()), vec2((width(step.ns) - 1.0).max(1.0), bar.height()));
        ui.painter().rect_filled(part, 0.0, fill(open, ctx, step));
        x += width(step.ns);
    }
    let column = rect.width() / room as f32;
    let mut chosen = None;
    for (at, step) in path.steps.iter().take(named).enumerate() {
        let cell = Rect::from_min_size(pos2(rect.left() + column * at as f32, bar.bottom() + 4.0), vec2(column - 8.0, 36.0));
        let name = name(open, step);
        let share = step.ns as f64 / path.total.max(1) as f64;
        let response = ui.interact(cell, ui.scope_id().with(("time_went", at)), Sense::click());
        let spoken = format!("{name}, {} of the critical path", units::percent(share));
        response.widget_info(|| WidgetInfo::labeled(Role::Button, true, &spoken));
        if response.hovered() || response.has_focus() {
            ui.painter().rect_filled(cell.expand2(vec2(4.0, 0.0)), 4.0, theme.hover);
        }
        part(ui, theme, cell, fill(open, ctx, step), &name, &units::duration(DurationNs(step.ns)), share);
        if response.on_hover_cursor(egui::CursorIcon::PointingHand).on_hover_ui(|ui| hover(open, ui, ctx, step)).clicked() {
            chosen = Some(step.most);
        }
    }
    if let Some(rest) = path.steps.get(named..).filter(|rest| !rest.is_empty()) {
        let cell = Rect::from_min_size(pos2(rect.left() + column * named as f32, bar.bottom() + 4.0), vec2(column - 8.0, 36.0));
        let ns: i64 = rest.iter().map(|step| step.ns).sum();
        let name = format!("{} more", units::count(rest.len() as u64));
        let share = ns as f64 / path.total.max(1) as f64;
        part(ui, theme, cell, theme.hairline_strong, &name, &units::duration(DurationNs(ns)), share);
    }
    if let Some(node) = chosen {
        open.select(node);
    }
}

fn part(ui: &Ui, theme: &theme::Theme, cell: Rect, fill: Color32, name: &str, length: &str, share: f64) {
    let painter = ui.painter().with_clip_rect(cell.intersect(ui.clip_rect()));
    let first = cell.top() + 9.0;
    painter.rect_filled(Rect::from_center_size(pos2(cell.left() + 5.0, first), vec2(10.0, 10.0)), 2.0, fill);
    let font = Face::Small.font();
    let cut = painter.fonts_mut(|fonts| crate::ui::canvas::elide::middle(fonts, &font, name, cell.width() - 16.0));
    painter.text(pos2(cell.left() + 16.0, first), Align2::LEFT_CENTER, cut, font.clone(), theme.text_subdued);
    let second = cell.top() + 26.0;
    let length = painter.text(
        pos2(cell.left() + 16.0, second),
        Align2::LEFT_CENTER,
        length,
        egui::FontId::new(12.0, Face::BodyMedium.font().family),
        theme.text_strong,
    );
    let share = units::percent(share);
    painter.text(pos2(length.right() + 6.0, second), Align2::LEFT_CENTER, share, font, theme.text_subdued);
}

fn fill(open: &Open, ctx: &ViewContext<'_>, step: &Step) -> Color32 {
    let service = open.loaded.tree.services().get(usize::from(step.service)).map_or("", |service| service.as_str());
    ctx.theme.series[usize::from(ctx.services.of(service).index)].fill
}

fn name(open: &Open, step: &Step) -> String {
    let text = step.name.map_or("parent not received", |name| open.loaded.batch().strings.get(name));
    if step.spans > 1 { format!("{} \u{d7} {text}", units::count(u64::from(step.spans))) } else { text.to_owned() }
}

fn hover(open: &Open, ui: &mut Ui, ctx: &ViewContext<'_>, step: &Step) {
    let service = open.loaded.tree.services().get(usize::from(step.service)).map_or("", |service| service.as_str());
    ui.label(theme::text(name(open, step), Face::BodyMedium, ctx.theme.text_strong));
    ui.label(small(
        format!("{service}; own time that nothing else hid. Click selects the span with most of it"),
        ctx.theme.text_subdued,
    ));
}
