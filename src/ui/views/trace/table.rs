//! The table tab: every span, sorted and filtered off the frame; the canvas' equal for those who do not see it.

use super::load::{self, Column, Loaded, Sorted};
use super::state::Open;
use crate::analysis::Marks;
use crate::engine::Query;
use crate::model::{DurationNs, SpanKind, units};
use crate::ui::canvas::Rows;
use crate::ui::theme::size::{part, space};
use crate::ui::theme::{self, Face, Icon};
use crate::ui::view::ViewContext;
use crate::ui::views::shared::finished;
use crate::ui::widgets::empty_state;
use egui::{Align2, Color32, Key, Modifiers, Rect, Role, Sense, Stroke, StrokeKind, Ui, WidgetInfo, pos2, vec2};
use std::sync::Arc;

/// What the table keeps between frames.
#[derive(Default)]
pub(super) struct TableState {
    rows: Rows,
    column: Column,
    descending: bool,
    sorted: Option<Arc<Sorted>>,
    sorting: Query<Sorted>,
}

/// Columns with their width in points; the name takes what is left.
const COLUMNS: [(Column, &str, f32, bool); 7] = [
    (Column::Name, "Name", 0.0, false),
    (Column::Service, "Service", 160.0, false),
    (Column::Kind, "Kind", 92.0, false),
    (Column::Start, "Starts at", 104.0, true),
    (Column::Duration, "Duration", 104.0, true),
    (Column::SelfTime, "Self time", 104.0, true),
    (Column::Status, "Status", 92.0, false),
];

impl TableState {
    pub(super) fn poll(&mut self, loaded: &Arc<Loaded>, find: &str, shown: bool, ctx: &ViewContext<'_>) {
        if let Some(Ok(sorted)) = finished(&mut self.sorting) {
            self.sorted = Some(sorted);
        }
        let (column, descending) = (self.column, self.descending);
        let fresh = self.sorted.as_ref().is_some_and(|sorted| {
            sorted.fingerprint == loaded.fingerprint
                && sorted.column == column
                && sorted.descending == descending
                && sorted.text == find.trim()
        });
        if shown && !fresh && !self.sorting.is_running() {
            let (loaded, text) = (loaded.clone(), find.trim().to_owned());
            self.sorting = ctx.engine.ask(move |_| Ok(load::sort(&loaded, column, descending, text)));
        }
    }
}

fn places(rect: Rect) -> [Rect; 7] {
    let fixed: f32 = COLUMNS.iter().map(|(_, _, width, _)| width).sum();
    let name = (rect.width() - fixed - 2.0 * space::PANEL).max(120.0);
    let mut x = rect.left() + space::PANEL;
    COLUMNS.map(|(column, _, width, _)| {
        let width = if column == Column::Name { name } else { width };
        let place = Rect::from_min_size(pos2(x, rect.top()), vec2(width, rect.height()));
        x += width;
        place.with_max_x(place.right() - 16.0)
    })
}

pub(super) fn show(open: &mut Open, ui: &mut Ui, ctx: &mut ViewContext<'_>) {
    let theme = ctx.theme;
    let area = ui.available_rect_before_wrap();
    let header = Rect::from_min_size(area.min, vec2(area.width(), part::TABLE_HEADER));
    ui.painter().rect_filled(header, 0.0, theme.panel);
    for ((column, title, _, right), place) in
        COLUMNS.into_iter().zip(places(header.with_max_x(header.right() - crate::ui::canvas::rows::BAR)))
    {
        heading(open, ui, ctx, column, title, right, place);
    }
    theme::paint_hairline(ui, header.left_bottom(), header.right_bottom());
    let body = Rect::from_min_max(pos2(area.left(), header.bottom() + 1.0), area.max);
    let Some(sorted) = open.table.sorted.clone().filter(|sorted| sorted.fingerprint == open.loaded.fingerprint) else { return };
    if sorted.nodes.is_empty() {
        let mut child = ui.new_child(egui::UiBuilder::new().max_rect(body));
        let sentence = format!("No span of this trace matches {}", sorted.text);
        if empty_state(&mut child, Icon::Search, &sentence, &["Clear find"]).is_some() {
            open.find_text.clear();
        }
        return;
    }
    let in_view = body.height() / part::ROW_DENSE;
    keys(open, ui, &sorted, in_view);
    let mut rows = std::mem::take(&mut open.table.rows);
    let mut chosen = None;
    let mut opened = None;
    rows.show(ui, body, sorted.nodes.len(), part::ROW_DENSE, |ui, at, rect| {
        let node = sorted.nodes[at];
        let response = row(open, ui, ctx, node, rect);
        if response.double_clicked() {
            opened = Some(node);
        } else if response.clicked() {
            chosen = Some(node);
        }
    });
    open.table.rows = rows;
    if let Some(node) = opened {
        open.select(node);
        open.show_tab(super::state::Tab::Flame);
        let (start, end) = (open.loaded.tree.start(node), open.loaded.tree.end(node));
        open.viewport.show(start, end);
    } else if let Some(node) = chosen {
        open.select(node);
        open.reveal = false;
    }
}

fn heading(open: &mut Open, ui: &mut Ui, ctx: &ViewContext<'_>, column: Column, title: &str, right: bool, place: Rect) {
    let theme = ctx.theme;
    let on = open.table.column == column;
    let response = ui.interact(place, ui.scope_id().with(("heading", title)), Sense::click());
    response.widget_info(|| WidgetInfo::selected(Role::ColumnHeader, true, on, format!("Sort by {title}")));
    let colour = if on || response.hovered() { theme.text_strong } else { theme.text_faint };
    let galley = ui.painter().layout_no_wrap(title.to_owned(), Face::Caption.font(), colour);
    let mark = if on { 16.0 } else { 0.0 };
    let x = if right { place.right() - galley.size().x - mark } else { place.left() };
    let y = place.center().y - galley.size().y / 2.0;
    let end = x + galley.size().x;
    ui.painter().galley(pos2(x, y), galley, colour);
    if on {
        let icon = if open.table.descending { Icon::Down } else { Icon::Up };
        icon.paint(ui.painter(), pos2(end + 9.0, place.center().y), 12.0, colour);
    }
    if response.clicked() {
        // Numbers are looked at from their large end first.
        open.table.descending = if on { !open.table.descending } else { right && column != Column::Start };
        open.table.column = column;
        open.table.rows.to_top();
    }
}

fn keys(open: &mut Open, ui: &Ui, sorted: &Sorted, in_view: f32) {
    let position = |node: u32| sorted.nodes.iter().position(|other| *other == node);
    if std::mem::take(&mut open.reveal)
        && let Some(at) = open.selection.and_then(position)
    {
        open.table.rows.reveal(at, f64::from(in_view));
    }
    if ui.ctx().text_edit_focused() || egui::Popup::is_any_open(ui.ctx()) {
        return;
    }
    open.table.rows.keys(ui, sorted.nodes.len(), f64::from(in_view));
    for (key, by) in [(Key::ArrowUp, -1_isize), (Key::ArrowDown, 1)] {
        if ui.input_mut(|input| input.consume_key(Modifiers::NONE, key)) {
            let at = open.selection.and_then(position);
            let next = at.map_or(Some(0), |at| at.checked_add_signed(by)).and_then(|at| sorted.nodes.get(at)).copied();
            if let Some(node) = next {
                open.select(node);
            }
        }
    }
}

fn row(open: &Open, ui: &mut Ui, ctx: &ViewContext<'_>, node: u32, rect: Rect) -> egui::Response {
    let theme = ctx.theme;
    let tree = &open.loaded.tree;
    let span = open.loaded.batch().span(node as usize);
    let on = open.selection == Some(node);
    let response = ui.interact(rect, ui.scope_id().with(("table", node)), Sense::click());
    let length = units::duration(DurationNs(tree.duration(node)));
    response
        .widget_info(|| WidgetInfo::selected(Role::Row, true, on, format!("{}, {}, {length}", span.name(), span.service())));
    let fill = match (on, response.hovered()) {
        (true, _) => theme.selection,
        (false, true) => theme.hover,
        _ => Color32::TRANSPARENT,
    };
    ui.painter().rect_filled(rect, 0.0, fill);
    let colour = |other: Color32| if on { theme.selection_text } else { other };
    let marks = tree.marks(node);
    let middle = rect.center().y;
    for ((column, _, _, right), place) in COLUMNS.into_iter().zip(places(rect)) {
        let painter = ui.painter().with_clip_rect(place.intersect(ui.clip_rect()));
        let mut x = if right { place.right() } else { place.left() };
        let align = if right { Align2::RIGHT_CENTER } else { Align2::LEFT_CENTER };
        let (text, tint) = match column {
            Column::Name => (span.name().to_owned(), theme.text_strong),
            Column::Service => {
                let given = ctx.services.of(span.service());
                let series = theme.series[usize::from(given.index)];
                let swatch = Rect::from_center_size(pos2(x + 5.0, middle), vec2(10.0, 10.0));
                painter.rect(swatch, 2.0, series.fill, Stroke::new(1.0, series.line), StrokeKind::Inside);
                x += 16.0;
                (span.service().to_owned(), theme.text_subdued)
            }
            Column::Kind => {
                let kind = span.kind();
                let word = if kind == SpanKind::Unspecified { units::ABSENT } else { kind.word() };
                (word.to_owned(), theme.text_subdued)
            }
            Column::Start => {
                let since = tree.start(node).saturating_sub(tree.extent().0);
                (units::duration_change(DurationNs(since)), theme.text)
            }
            Column::Duration if marks.has(Marks::IN_FLIGHT) => ("in flight".to_owned(), theme.info),
            Column::Duration => (length.clone(), theme.text),
            Column::SelfTime => (units::duration(DurationNs(tree.self_time(node))), theme.text),
            Column::Status => match (marks.has(Marks::ERROR), span.status().word()) {
                (true, _) => {
                    Icon::Error.paint(&painter, pos2(x + 7.0, middle), 12.0, theme.error);
                    x += 18.0;
                    ("error".to_owned(), theme.error)
                }
                (false, "unset") => (units::ABSENT.to_owned(), theme.text_faint),
                (false, word) => (word.to_owned(), theme.text_subdued),
            },
        };
        painter.text(pos2(x, middle), align, text, Face::Small.font(), colour(tint));
    }
    response
}
