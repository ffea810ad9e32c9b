//! Operations in view: the spans of the visible part summed up by service and name.

use super::small;
use super::state::Open;
use crate::analysis::Operation;
use crate::model::{DurationNs, units};
use crate::ui::canvas::Rows;
use crate::ui::canvas::rows::BAR as BAR_AT_RIGHT;
use crate::ui::theme::size::{part, space};
use crate::ui::theme::{self, Face, Theme};
use crate::ui::view::ViewContext;
use egui::{Align2, Color32, Rect, Role, Sense, Ui, WidgetInfo, pos2, vec2};

/// Edges of the columns from the right end, points: count, total, self time, critical path, errors.
const COUNT: f32 = 480.0;
const TOTAL: f32 = 402.0;
const SELF: f32 = 312.0;
const CRITICAL: f32 = 72.0;
const BAR: f32 = 96.0;

pub(super) fn show(open: &mut Open, ui: &mut Ui, ctx: &mut ViewContext<'_>) {
    let theme = ctx.theme;
    let area = ui.available_rect_before_wrap();
    // Taken at once: a panel is as high as what is in it, also before there is something to show.
    ui.allocate_rect(area, Sense::hover());
    let header = Rect::from_min_size(area.min, vec2(area.width(), part::TABLE_HEADER));
    titles(ui, theme, header.with_max_x(header.right() - BAR_AT_RIGHT), open.viewport.is_all());
    theme::paint_hairline(ui, header.left_bottom(), header.right_bottom());
    let rows_area = Rect::from_min_max(pos2(area.left(), header.bottom() + 1.0), area.max);
    let Some(sums) = open.sums.clone().filter(|sums| sums.fingerprint == open.loaded.fingerprint) else { return };
    let most = sums.operations.first().map_or(1, |operation| operation.self_ns.max(1));
    let mut rows = std::mem::take(&mut open.details.operation_rows);
    let selected = open
        .selection
        .filter(|node| *node < open.loaded.tree.spans())
        .map(|node| (open.loaded.tree.service_index(node), open.loaded.batch().spans[node as usize].name));
    let mut chosen = None;
    rows.show(ui, rows_area, sums.operations.len(), part::ROW_DENSE, |ui, at, rect| {
        let operation = &sums.operations[at];
        let on = selected == Some((operation.service, operation.name));
        if row(open, ui, ctx, operation, rect, on, most) {
            chosen = Some(*operation);
        }
    });
    open.details.operation_rows = rows;
    if let Some(operation) = chosen {
        open.select(operation.longest);
        let service = &open.loaded.tree.services()[usize::from(operation.service)];
        let name = open.loaded.batch().strings.get(operation.name);
        if ui.input(|input| input.modifiers.command) {
            open.find_text = format!("service:\"{service}\" name:\"{name}\"");
        }
    }
}

fn titles(ui: &Ui, theme: &Theme, rect: Rect, whole: bool) {
    let text = |x: f32, align: Align2, text: &str| {
        ui.painter().text(pos2(x, rect.center().y), align, text, Face::Caption.font(), theme.text_faint);
    };
    text(rect.left() + space::PANEL, Align2::LEFT_CENTER, if whole { "Operation" } else { "Operation in view" });
    text(rect.right() - COUNT, Align2::RIGHT_CENTER, "Count");
    text(rect.right() - TOTAL, Align2::RIGHT_CENTER, "Total");
    text(rect.right() - SELF, Align2::LEFT_CENTER, "Self time");
    text(rect.right() - CRITICAL, Align2::RIGHT_CENTER, "Critical path");
    text(rect.right() - space::PANEL, Align2::RIGHT_CENTER, "Errors");
}

fn row(open: &Open, ui: &mut Ui, ctx: &ViewContext<'_>, operation: &Operation, rect: Rect, on: bool, most: i64) -> bool {
    let theme = ctx.theme;
    let service = open.loaded.tree.services()[usize::from(operation.service)].as_str();
    let name = open.loaded.batch().strings.get(operation.name);
    let id = ui.scope_id().with(("operation", operation.service, operation.name));
    let response = ui.interact(rect, id, Sense::click());
    response.widget_info(|| WidgetInfo::selected(Role::Row, true, on, format!("{service} {name}, {}", operation.count)));
    let fill = match (on, response.hovered()) {
        (true, _) => theme.selection,
        (false, true) => theme.hover,
        _ => Color32::TRANSPARENT,
    };
    ui.painter().rect_filled(rect, 0.0, fill);
    let middle = rect.center().y;
    let colour = |other: Color32| if on { theme.selection_text } else { other };
    let painter = ui.painter();
    let number = |x: f32, text: String, tint: Color32| {
        painter.text(pos2(x, middle), Align2::RIGHT_CENTER, text, Face::Small.font(), tint);
    };
    let given = ctx.services.of(service);
    let series = theme.series[usize::from(given.index)];
    let swatch = Rect::from_center_size(pos2(rect.left() + space::PANEL + 5.0, middle), vec2(10.0, 10.0));
    painter.rect(swatch, 2.0, series.fill, egui::Stroke::new(1.0, series.line), egui::StrokeKind::Inside);
    let names = Rect::from_min_max(pos2(swatch.right() + 6.0, rect.top()), pos2(rect.right() - COUNT - 56.0, rect.bottom()));
    let clipped = painter.with_clip_rect(names.intersect(painter.clip_rect()));
    let service_rect =
        clipped.text(pos2(names.left(), middle), Align2::LEFT_CENTER, service, Face::Small.font(), colour(theme.text_subdued));
    let galley = clipped.layout_no_wrap(name.to_owned(), Face::Small.font(), colour(theme.text_strong));
    clipped.galley(pos2(service_rect.right() + 6.0, middle - galley.size().y / 2.0), galley, colour(theme.text_strong));
    number(rect.right() - COUNT, units::count(u64::from(operation.count)), colour(theme.text));
    number(rect.right() - TOTAL, units::duration(DurationNs(operation.total_ns)), colour(theme.text));
    let share = operation.self_ns as f32 / most as f32;
    let bar = Rect::from_min_size(pos2(rect.right() - SELF, middle - 5.0), vec2((BAR * share).max(1.0), 10.0));
    painter.rect_filled(bar, 0.0, series.fill);
    painter.text(
        pos2(rect.right() - SELF + BAR + 6.0, middle),
        Align2::LEFT_CENTER,
        units::duration(DurationNs(operation.self_ns)),
        Face::Small.font(),
        colour(theme.text),
    );
    let on_path = open.current_shape().and_then(|shape| shape.path.share_of(operation.service, operation.name));
    match on_path {
        Some(share) => number(rect.right() - CRITICAL, units::percent(share), colour(theme.text)),
        None => number(rect.right() - CRITICAL, "off path".to_owned(), colour(theme.text_faint)),
    }
    let (text, tint) = match (operation.errors, operation.in_flight) {
        (0, 0) => ("0".to_owned(), theme.text_faint),
        (0, _) => ("in flight".to_owned(), theme.info),
        (errors, _) => (units::count(u64::from(errors)), theme.error),
    };
    number(rect.right() - space::PANEL, text, if on && operation.errors == 0 { theme.selection_text } else { tint });
    response
        .on_hover_ui(|ui| {
            ui.label(small("Click selects the longest, Ctrl+click finds all", theme.text_subdued));
        })
        .clicked()
}

/// For the state: the scroll position.
pub(super) type OperationRows = Rows;
