//! The table of groups.

use super::TracesView;
use super::groups::{Group, GroupOrder, Groups};
use crate::model::units;
use crate::ui::nav::Place;
use crate::ui::theme::size::{part, space};
use crate::ui::theme::{self, Face, Icon, Theme};
use crate::ui::view::ViewContext;
use crate::ui::widgets::spark;
use egui::{Align2, Color32, Rect, Response, Role, Sense, Stroke, StrokeKind, Ui, UiBuilder, WidgetInfo, pos2, vec2};

/// Numeric columns from the right end: title, width, what they sort by.
const COLUMNS: [(&str, f32, GroupOrder); 5] = [
    ("Traces", 84.0, GroupOrder::Traces),
    ("Errors", 84.0, GroupOrder::Failed),
    ("p50", 84.0, GroupOrder::P50),
    ("p95", 84.0, GroupOrder::P95),
    ("Longest", 92.0, GroupOrder::Longest),
];
/// Width of the line over time, points.
const SPARK: f32 = 150.0;

pub(super) fn show(view: &mut TracesView, ui: &mut Ui, ctx: &mut ViewContext<'_>, shown: &Groups, area: Rect) {
    let theme = ctx.theme;
    let header = Rect::from_min_size(area.min, vec2(area.width() - crate::ui::canvas::rows::BAR, part::TABLE_HEADER));
    let title = match &view.group {
        super::groups::GroupBy::Service => "Service".to_owned(),
        super::groups::GroupBy::Operation => "Operation".to_owned(),
        super::groups::GroupBy::Status => "Status".to_owned(),
        other => other.name().to_owned(),
    };
    let label = Rect::from_min_size(header.min + vec2(space::PANEL, 0.0), vec2(160.0, header.height()));
    heading(view, ui, theme, &title, label, false, GroupOrder::Label);
    for ((title, _, order), place) in COLUMNS.into_iter().zip(places(header)) {
        heading(view, ui, theme, title, place, true, order);
    }
    if let Some(place) = spark_place(header) {
        let at = pos2(place.left(), header.center().y);
        ui.painter().text(at, Align2::LEFT_CENTER, "Over time", Face::Caption.font(), theme.text_faint);
    }
    theme::paint_hairline(ui, header.left_bottom(), pos2(area.right(), header.bottom()));
    let body = Rect::from_min_max(pos2(area.left(), header.bottom() + 1.0), area.max);
    view.table.hovered = ui.rect_contains_pointer(body);
    let in_view = f64::from(body.height() / part::ROW);
    if std::mem::take(&mut view.reveal)
        && let Some(at) = view.group_at
    {
        view.table.rows.reveal(at, in_view);
    }
    let mut rows = std::mem::take(&mut view.table.rows);
    let mut opened = None;
    rows.show(ui, body, shown.groups.len(), part::ROW, |ui, at, rect| {
        let group = &shown.groups[at];
        if row(ui, ctx, group, view.group_at == Some(at), at, rect).clicked() {
            opened = Some(at);
        }
    });
    view.table.rows = rows;
    if let Some(at) = opened {
        view.group_at = Some(at);
        open(view, ctx, &shown.groups[at]);
    }
}

/// The traces of a group: the query narrowed to them, or the newest of them where no condition tells them apart.
pub(super) fn open(view: &mut TracesView, ctx: &mut ViewContext<'_>, group: &Group) {
    match group.shared.narrow(&view.query, &view.group) {
        Some(query) => {
            view.set_group(super::groups::GroupBy::Nothing, ctx);
            ctx.go(Place::Traces { source: view.source, query });
        }
        None => ctx.go(Place::trace(view.source, group.newest)),
    }
}

fn places(rect: Rect) -> [Rect; COLUMNS.len()] {
    let mut right = rect.right() - space::PANEL - spark_width(rect);
    let mut places = [Rect::NOTHING; COLUMNS.len()];
    for (place, (_, width, _)) in places.iter_mut().zip(COLUMNS).rev() {
        *place = Rect::from_min_max(pos2(right - width, rect.top()), pos2(right, rect.bottom()));
        right -= width;
    }
    places
}

fn spark_width(rect: Rect) -> f32 {
    if rect.width() > 820.0 { SPARK + 24.0 } else { 0.0 }
}

fn spark_place(rect: Rect) -> Option<Rect> {
    let right = rect.right() - space::PANEL;
    let place = Rect::from_min_max(pos2(right - SPARK, rect.top() + 6.0), pos2(right, rect.bottom() - 6.0));
    (spark_width(rect) > 0.0).then_some(place)
}

fn heading(view: &mut TracesView, ui: &mut Ui, theme: &Theme, title: &str, place: Rect, right: bool, order: GroupOrder) {
    let on = view.group_order.0 == order;
    let response = ui.interact(place, ui.scope_id().with(("group column", order as u8)), Sense::click());
    response.widget_info(|| WidgetInfo::selected(Role::ColumnHeader, true, on, format!("Sort groups by {title}")));
    let colour = if on || response.hovered() { theme.text_strong } else { theme.text_faint };
    let galley = ui.painter().layout_no_wrap(title.to_owned(), Face::Caption.font(), colour);
    let mark = if on { 16.0 } else { 0.0 };
    let x = if right { place.right() - galley.size().x - mark } else { place.left() };
    let end = x + galley.size().x;
    ui.painter().galley(pos2(x, place.center().y - galley.size().y / 2.0), galley, colour);
    if on {
        let icon = if view.group_order.1 { Icon::Down } else { Icon::Up };
        icon.paint(ui.painter(), pos2(end + 9.0, place.center().y), 12.0, colour);
    }
    if response.clicked() {
        view.group_order = if on { (order, !view.group_order.1) } else { (order, order != GroupOrder::Label) };
        view.table.rows.to_top();
    }
}

fn row(ui: &mut Ui, ctx: &ViewContext<'_>, group: &Group, on: bool, at: usize, rect: Rect) -> Response {
    let theme = ctx.theme;
    let response = ui.interact(rect, ui.scope_id().with(("group", at)), Sense::click());
    let label = group.shared.label();
    let share = units::percent(group.failed as f64 / group.traces.max(1) as f64);
    let count = units::count(group.traces);
    let p95 = units::duration(group.p95);
    response.widget_info(|| {
        WidgetInfo::selected(Role::Row, true, on, format!("{label}, {count} traces, {share} failed, p95 {p95}"))
    });
    let fill = match (on, response.hovered()) {
        (true, _) => theme.selection,
        (false, true) => theme.hover,
        _ => Color32::TRANSPARENT,
    };
    ui.painter().rect_filled(rect, 0.0, fill);
    let strong = if on { theme.selection_text } else { theme.text_strong };
    let plain = if on { theme.selection_text } else { theme.text };
    let middle = rect.center().y;
    let mut x = rect.left() + space::PANEL;
    let painter = ui.painter();
    let series = theme.series[usize::from(ctx.services.of(group.shared.service().unwrap_or_default()).index)];
    if group.shared.service().is_some() {
        let swatch = Rect::from_center_size(pos2(x + 5.0, middle), vec2(10.0, 10.0));
        painter.rect(swatch, 2.0, series.fill, Stroke::new(1.0, series.line), StrokeKind::Inside);
        x += 16.0;
    }
    let cells = places(rect);
    let room = cells[0].left() - x - 8.0;
    let name = painter.fonts_mut(|fonts| crate::ui::canvas::elide::middle(fonts, &Face::BodyMedium.font(), &label, room));
    let drawn = painter.text(pos2(x, middle), Align2::LEFT_CENTER, name, Face::BodyMedium.font(), strong);
    if let super::groups::Shared::Operation(service, _) = &group.shared {
        let clip = painter
            .with_clip_rect(Rect::from_min_max(rect.min, pos2(cells[0].left(), rect.bottom())).intersect(ui.clip_rect()));
        let tint = if on { theme.selection_text } else { theme.text_faint };
        clip.text(pos2(drawn.right() + 8.0, middle), Align2::LEFT_CENTER, service, Face::Small.font(), tint);
    }
    let tint = match (group.failed, on) {
        (0, false) => theme.text_faint,
        (0, true) => theme.selection_text,
        _ => theme.error,
    };
    let values = [
        (count, plain),
        (if group.failed == 0 { "0".to_owned() } else { share }, tint),
        (units::duration(group.p50), plain),
        (p95, plain),
        (units::duration(group.longest), plain),
    ];
    for ((text, tint), place) in values.into_iter().zip(cells) {
        painter.text(pos2(place.right(), middle), Align2::RIGHT_CENTER, text, Face::Small.font(), tint);
    }
    if let Some(place) = spark_place(rect) {
        let colour = if group.shared.service().is_some() { series.line } else { theme.accent };
        let mut child = ui.new_child(UiBuilder::new().id_salt(("group spark", at)).max_rect(place));
        spark(&mut child, &group.spark, place.size(), colour);
    }
    response
}
