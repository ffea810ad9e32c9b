//! The table of traces.

use super::TracesView;
use super::header::Runs;
use super::list::Answer;
use crate::model::{TraceId, TraceSummary, units};
use crate::source::TraceOrder;
use crate::ui::canvas::{Rows, elide};
use crate::ui::command::Command;
use crate::ui::theme::size::{motion_ms, part, radius, space};
use crate::ui::theme::{self, Face, Icon, Theme};
use crate::ui::view::ViewContext;
use crate::ui::views::menu;
use egui::{Align2, Color32, Rect, Response, Role, Sense, Stroke, StrokeKind, Ui, WidgetInfo, pos2, vec2};

/// What the table keeps between frames.
#[derive(Default)]
pub(super) struct Table {
    pub(super) rows: Rows,
    /// The pointer is over the rows: they keep their place.
    pub(super) hovered: bool,
    pub(super) runs: Runs,
    /// The rule that Hide like this made last.
    pub(super) undo_hide: Option<u32>,
    pub(super) columns: Columns,
    /// A column is being dragged; kept once the pointer is up.
    resized: bool,
}

/// Which columns are shown, how wide.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Columns {
    hidden: Vec<Column>,
    /// By position in [`COLUMNS`], points.
    widths: [f32; COLUMNS.len()],
}

impl Default for Columns {
    fn default() -> Self {
        Self { hidden: Vec::new(), widths: COLUMNS.map(|column| column.2) }
    }
}

impl Columns {
    fn width(&self, column: Column) -> f32 {
        self.widths[column as usize]
    }

    /// For the settings: hidden titles and widths by title.
    pub(super) fn to_json(&self) -> serde_json::Value {
        let title = |column: &Column| COLUMNS[*column as usize].1;
        let widths: serde_json::Map<String, serde_json::Value> =
            COLUMNS.iter().zip(self.widths).map(|(column, width)| (column.1.to_owned(), width.round().into())).collect();
        serde_json::json!({"hidden": self.hidden.iter().map(title).collect::<Vec<_>>(), "widths": widths})
    }

    /// Reads [`Columns::to_json`]; what is not understood keeps its default.
    pub(super) fn read(value: &serde_json::Value) -> Self {
        let mut columns = Self::default();
        for (at, (column, title, ..)) in COLUMNS.into_iter().enumerate() {
            let names = value["hidden"].as_array().map(Vec::as_slice).unwrap_or_default();
            if column != Column::Root && names.iter().any(|name| name.as_str() == Some(title)) {
                columns.hidden.push(column);
            }
            if let Some(width) = value["widths"][title].as_f64().filter(|_| column != Column::Root) {
                columns.widths[at] = (width as f32).clamp(LEAST, MOST);
            }
        }
        columns
    }

    fn toggle(&mut self, column: Column) {
        match self.hidden.iter().position(|other| *other == column) {
            Some(at) => drop(self.hidden.remove(at)),
            None => self.hidden.push(column),
        }
    }
}

/// Narrowest and widest column, points.
const LEAST: f32 = 52.0;
/// See [`LEAST`].
const MOST: f32 = 480.0;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Column {
    Started,
    Root,
    Duration,
    Spans,
    Services,
    Errors,
    Marks,
    Trace,
}

/// What a column sorts by, falling and rising.
type Orders = Option<(TraceOrder, TraceOrder)>;

/// Column, title, width in points (the root takes what is left), right-aligned, orders it sorts by.
const COLUMNS: [(Column, &str, f32, bool, Orders); 8] = [
    (Column::Started, "Started", 112.0, false, Some((TraceOrder::Newest, TraceOrder::Oldest))),
    (Column::Root, "Root", 0.0, false, None),
    (Column::Duration, "Duration", 190.0, false, Some((TraceOrder::Longest, TraceOrder::Shortest))),
    (Column::Spans, "Spans", 60.0, true, Some((TraceOrder::MostSpans, TraceOrder::FewestSpans))),
    (Column::Services, "Spans by service", 140.0, false, None),
    (Column::Errors, "Errors", 60.0, true, Some((TraceOrder::MostErrors, TraceOrder::FewestErrors))),
    (Column::Marks, "Marks", 150.0, false, None),
    (Column::Trace, "Trace", 76.0, false, None),
];
/// Narrowest root; columns go, last first, until it has that much.
const ROOT: f32 = 190.0;
/// The order in which columns give way.
const GIVE_WAY: [Column; 3] = [Column::Trace, Column::Services, Column::Marks];

fn places(columns: &Columns, rect: Rect) -> Vec<(Column, Rect)> {
    let mut shown: Vec<Column> =
        COLUMNS.iter().map(|column| column.0).filter(|column| !columns.hidden.contains(column)).collect();
    let fixed = |shown: &[Column]| -> f32 { shown.iter().map(|column| columns.width(*column)).sum::<f32>() };
    let room = rect.width() - 2.0 * space::PANEL;
    for column in GIVE_WAY {
        if room - fixed(&shown) < ROOT {
            shown.retain(|other| *other != column);
        }
    }
    let root = (room - fixed(&shown)).max(80.0);
    let mut x = rect.left() + space::PANEL;
    COLUMNS
        .iter()
        .filter(|column| shown.contains(&column.0))
        .map(|(column, ..)| {
            let width = if *column == Column::Root { root } else { columns.width(*column) };
            let place = Rect::from_min_size(pos2(x, rect.top()), vec2(width - 16.0, rect.height()));
            x += width;
            (*column, place)
        })
        .collect()
}

pub(super) fn show(view: &mut TracesView, ui: &mut Ui, ctx: &mut ViewContext<'_>, shown: &Answer, area: Rect) {
    let theme = ctx.theme;
    let header = Rect::from_min_size(area.min, vec2(area.width(), part::TABLE_HEADER));
    let before = view.table.columns.clone();
    let whole = ui.interact(header, ui.scope_id().with("columns"), Sense::click());
    menu::context_menu(&whole, 220.0, |ui| column_menu(&mut view.table.columns, ui));
    for (column, place) in places(&before, header.with_max_x(header.right() - crate::ui::canvas::rows::BAR)) {
        heading(view, ui, theme, column, place);
        if column != Column::Root {
            edge(view, ui, column, place);
        }
    }
    if view.table.columns != before && !ui.input(|input| input.pointer.any_down()) {
        view.keep(ctx);
    } else if view.table.columns != before {
        view.table.resized = true;
    } else if view.table.resized && !ui.input(|input| input.pointer.any_down()) {
        view.table.resized = false;
        view.keep(ctx);
    }
    theme::paint_hairline(ui, header.left_bottom(), header.right_bottom());
    let body = Rect::from_min_max(pos2(area.left(), header.bottom() + 1.0), area.max);
    view.table.hovered = ui.rect_contains_pointer(body);
    let in_view = f64::from(body.height() / part::ROW);
    if std::mem::take(&mut view.reveal)
        && let Some(at) = view.position()
    {
        view.table.rows.reveal(at, in_view);
    }
    if !ui.ctx().text_edit_focused() {
        view.table.rows.keys(ui, shown.traces.len(), in_view);
    }
    let mut rows = std::mem::take(&mut view.table.rows);
    let mut act = None;
    rows.show(ui, body, shown.traces.len(), part::ROW, |ui, at, rect| {
        let trace = &shown.traces[at];
        let response = row(view, ui, ctx, shown, trace, rect);
        let id = trace.trace_id;
        if response.double_clicked() {
            act = Some(Act::Open(id));
        } else if response.clicked() {
            let modifiers = ui.input(|input| input.modifiers);
            act = Some(match (modifiers.command, modifiers.shift) {
                (true, _) => Act::Pick(id),
                (false, true) => Act::PickTo(at),
                _ => Act::Select(id),
            });
        } else if response.secondary_clicked() {
            act = Some(Act::Select(id));
        }
        menu::context_menu(&response, 230.0, |ui| {
            act = context(ui, ctx, trace).or(act.take());
        });
    });
    view.table.rows = rows;
    starts(view, ui, ctx, shown, body);
    match act {
        Some(Act::Select(id)) => {
            view.selection = Some(id);
            view.picked.clear();
        }
        Some(Act::Open(id)) => {
            view.selection = Some(id);
            view.open(ctx);
        }
        Some(Act::Pick(id)) => {
            if view.picked.is_empty()
                && let Some(first) = view.selection
            {
                view.picked.insert(first);
            }
            if !view.picked.remove(&id) {
                view.picked.insert(id);
            }
            view.selection = Some(id);
        }
        Some(Act::PickTo(at)) => {
            let from = view.position().unwrap_or(at);
            let ids = shown.traces[from.min(at)..=from.max(at)].iter().map(|trace| trace.trace_id);
            view.picked.extend(ids);
        }
        Some(Act::Preview(id)) => {
            view.selection = Some(id);
            view.preview.open = true;
        }
        Some(Act::Hide(id)) => {
            view.selection = Some(id);
            view.hide_like_this(ctx);
        }
        None => {}
    }
}

/// Lines between the rows where a service was started again, over the rows: what is on one side came from another run.
fn starts(view: &TracesView, ui: &Ui, ctx: &ViewContext<'_>, shown: &Answer, body: Rect) {
    let theme = ctx.theme;
    let painter = ui.painter().with_clip_rect(body);
    let right = body.right() - crate::ui::canvas::rows::BAR;
    // The root's column has most room beside its text.
    let roots = places(&view.table.columns, body.with_max_x(right));
    let end = roots.iter().find(|(column, _)| *column == Column::Root).map_or(right, |(_, place)| place.right());
    for (before, text) in &shown.starts {
        let y = body.top() + ((*before as f64 - view.table.rows.top()) * f64::from(part::ROW)) as f32;
        if y < body.top() - part::ROW || y > body.bottom() {
            continue;
        }
        let y = painter.round_to_pixel_center(y);
        painter.hline(body.left()..=right, y, Stroke::new(1.0, theme.info));
        let galley = painter.layout_no_wrap(text.clone(), Face::Caption.font(), theme.info);
        let size = vec2(galley.size().x + 12.0, 15.0);
        let chip = Rect::from_center_size(pos2(end - size.x / 2.0, y), size);
        painter.rect_filled(chip, radius::CHIP, theme.info_soft);
        painter.galley(chip.center() - galley.size() / 2.0, galley, theme.info);
    }
}

#[derive(Clone, Copy)]
enum Act {
    Select(TraceId),
    Open(TraceId),
    Pick(TraceId),
    PickTo(usize),
    Preview(TraceId),
    Hide(TraceId),
}

fn context(ui: &mut Ui, ctx: &mut ViewContext<'_>, trace: &TraceSummary) -> Option<Act> {
    let id = trace.trace_id;
    let mut act = None;
    if menu::item(ui, "Open", Command::OpenRow.keys_text().as_deref(), false) {
        act = Some(Act::Open(id));
    }
    if menu::item(ui, "Preview", Some("Space"), false) {
        act = Some(Act::Preview(id));
    }
    menu::separator(ui);
    if menu::item(ui, "Hide like this", Command::HideLikeThis.keys_text().as_deref(), false) {
        act = Some(Act::Hide(id));
    }
    if menu::item(ui, "Copy trace id", None, false) {
        ctx.requests.push(crate::ui::view::Request::Copy(id.to_string(), "Trace id".to_owned()));
    }
    act
}

fn heading(view: &mut TracesView, ui: &mut Ui, theme: &Theme, column: Column, place: Rect) {
    let Some((_, title, _, right, orders)) = COLUMNS.into_iter().find(|other| other.0 == column) else { return };
    let rising = orders.is_some_and(|(_, rising)| rising == view.order);
    let on = rising || orders.is_some_and(|(falling, _)| falling == view.order);
    let response = orders.map(|_| {
        let response = ui.interact(place, ui.scope_id().with(("column", title)), Sense::click());
        response.widget_info(|| WidgetInfo::selected(Role::ColumnHeader, true, on, format!("Sort by {title}")));
        response
    });
    let lit = on || response.as_ref().is_some_and(Response::hovered);
    let colour = if lit { theme.text_strong } else { theme.text_faint };
    let galley = ui.painter().layout_no_wrap(title.to_owned(), Face::Caption.font(), colour);
    let mark = if on && right { 16.0 } else { 0.0 };
    let x = if right { place.right() - galley.size().x - mark } else { place.left() };
    let end = x + galley.size().x;
    ui.painter().galley(pos2(x, place.center().y - galley.size().y / 2.0), galley, colour);
    if on {
        let icon = if rising { Icon::Up } else { Icon::Down };
        icon.paint(ui.painter(), pos2(end + 9.0, place.center().y), 12.0, colour);
    }
    if let Some(response) = &response {
        menu::context_menu(response, 220.0, |ui| column_menu(&mut view.table.columns, ui));
    }
    if let (Some((falling, its_rising)), Some(response)) = (orders, response)
        && response.clicked()
    {
        // Again turns it round.
        view.order = if on && !rising { its_rising } else { falling };
        view.reordered = true;
        view.table.rows.to_top();
    }
}

/// The edge behind a column: a drag resizes it, a double-click gives it its usual width.
fn edge(view: &mut TracesView, ui: &Ui, column: Column, place: Rect) {
    let x = place.right() + 8.0;
    let grip = Rect::from_x_y_ranges(x - 4.0..=x + 4.0, place.y_range());
    let title = COLUMNS[column as usize].1;
    let response = ui.interact(grip, ui.scope_id().with(("column edge", title)), Sense::click_and_drag());
    response.widget_info(|| WidgetInfo::labeled(Role::Splitter, true, format!("Width of {title}")));
    if response.hovered() || response.dragged() {
        ui.ctx().set_cursor_icon(egui::CursorIcon::ResizeHorizontal);
        let line = theme::of(ui.ctx()).hairline_strong;
        ui.painter().vline(x, place.y_range().shrink(6.0), Stroke::new(1.0, line));
    }
    let width = &mut view.table.columns.widths[column as usize];
    if response.double_clicked() {
        *width = COLUMNS[column as usize].2;
    } else if response.dragged() {
        *width = (*width + response.drag_delta().x).clamp(LEAST, MOST);
    }
}

/// The same menu as a button.
pub(super) fn columns_button(view: &mut TracesView, ui: &mut Ui, ctx: &mut ViewContext<'_>) {
    let button = crate::ui::widgets::Button::new("Columns").small().kind(crate::ui::widgets::Kind::Quiet).icon(Icon::Table);
    let button = button.show(ui);
    let before = view.table.columns.clone();
    menu::menu(&button, 220.0, |ui| column_menu(&mut view.table.columns, ui));
    if view.table.columns != before {
        view.keep(ctx);
    }
}

/// Which columns are shown; the root always is.
fn column_menu(columns: &mut Columns, ui: &mut Ui) {
    for (column, title, ..) in COLUMNS.into_iter().filter(|column| column.0 != Column::Root) {
        let on = !columns.hidden.contains(&column);
        if menu::item(ui, title, Some(if on { "shown" } else { "" }), on) {
            columns.toggle(column);
        }
    }
    menu::separator(ui);
    if menu::item(ui, "Usual columns and widths", None, false) {
        *columns = Columns::default();
    }
}

fn row(view: &TracesView, ui: &mut Ui, ctx: &ViewContext<'_>, shown: &Answer, trace: &TraceSummary, rect: Rect) -> Response {
    let theme = ctx.theme;
    let on = view.selection == Some(trace.trace_id);
    let picked = view.picked.contains(&trace.trace_id);
    let response = ui.interact(rect, ui.scope_id().with(("trace", trace.trace_id)), Sense::click());
    let length = units::duration(trace.duration);
    response.widget_info(|| {
        let name =
            format!("{} {}, {length}, {} spans, {} errors", trace.root_service, trace.root_name, trace.spans, trace.errors);
        WidgetInfo::selected(Role::Row, true, on || picked, name)
    });
    let fill = match (on || picked, response.hovered()) {
        (true, _) => theme.selection,
        (false, true) => theme.hover,
        _ => flash(view, ui, theme, trace.trace_id),
    };
    ui.painter().rect_filled(rect, 0.0, fill);
    let lit = on || picked;
    for (column, place) in places(&view.table.columns, rect) {
        cell(ui, ctx, shown, trace, column, place, lit, &length);
    }
    response
}

/// Rows that arrive flash their background once.
fn flash(view: &TracesView, ui: &Ui, theme: &Theme, id: TraceId) -> Color32 {
    let Some(at) = view.list.arrived.get(&id) else { return Color32::TRANSPARENT };
    let past = (ui.input(|input| input.time) - at) * 1e3 / f64::from(motion_ms::ROW_FLASH);
    if past >= 1.0 {
        return Color32::TRANSPARENT;
    }
    ui.ctx().request_repaint();
    theme.accent_soft.gamma_multiply(1.0 - past as f32)
}

#[expect(clippy::too_many_arguments, reason = "one cell of a row: what, where, how")]
fn cell(
    ui: &Ui,
    ctx: &ViewContext<'_>,
    shown: &Answer,
    trace: &TraceSummary,
    column: Column,
    place: Rect,
    lit: bool,
    length: &str,
) {
    let theme = ctx.theme;
    let painter = ui.painter().with_clip_rect(place.expand2(vec2(4.0, 0.0)).intersect(ui.clip_rect()));
    let middle = place.center().y;
    let colour = |other: Color32| if lit { theme.selection_text } else { other };
    let text = |x: f32, align: Align2, text: String, face: Face, tint: Color32| {
        painter.text(pos2(x, middle), align, text, face.font(), tint);
    };
    let fit = |text: &str, face: Face, width: f32| painter.fonts_mut(|fonts| elide::middle(fonts, &face.font(), text, width));
    match column {
        Column::Started => {
            // A list over days needs the day.
            let same_day = ctx.now.since(trace.start).0 < 20 * 3_600 * 1_000_000_000;
            let time = units::time_of_day(trace.start, ctx.zone);
            let shown = if same_day { time } else { units::day_and_minute(trace.start, ctx.zone) };
            text(place.left(), Align2::LEFT_CENTER, shown, Face::MonoSmall, colour(theme.text_subdued));
        }
        Column::Root => {
            let given = ctx.services.of(&trace.root_service);
            let series = theme.series[usize::from(given.index)];
            let swatch = Rect::from_center_size(pos2(place.left() + 5.0, middle), vec2(10.0, 10.0));
            painter.rect(swatch, 2.0, series.fill, Stroke::new(1.0, series.line), StrokeKind::Inside);
            let mut x = swatch.right() + 6.0;
            let name = fit(&trace.root_name, Face::BodyMedium, place.right() - x);
            let galley = painter.layout_no_wrap(name, Face::BodyMedium.font(), colour(theme.text_strong));
            painter.galley(pos2(x, middle - galley.size().y / 2.0), galley.clone(), colour(theme.text_strong));
            x += galley.size().x + 8.0;
            let service = fit(&trace.root_service, Face::Small, place.right() - x);
            text(x, Align2::LEFT_CENTER, service, Face::Small, colour(theme.text_faint));
        }
        Column::Duration => {
            let given = ctx.services.of(&trace.root_service);
            let series = theme.series[usize::from(given.index)];
            let share = trace.duration.0 as f32 / shown.full_bar_ns.max(1) as f32;
            let bar =
                Rect::from_min_size(pos2(place.left(), middle - 5.0), vec2((112.0 * share.clamp(0.0, 1.0)).max(1.0), 10.0));
            painter.rect_filled(bar, 0.0, series.fill.gamma_multiply(0.85));
            if share > 1.0 {
                // Longer than a full bar: broken near its end.
                let gap = Rect::from_min_size(pos2(bar.right() - 10.0, bar.top()), vec2(3.0, bar.height()));
                painter.rect_filled(gap, 0.0, if lit { theme.selection } else { theme.surface });
            }
            text(place.left() + 118.0, Align2::LEFT_CENTER, length.to_owned(), Face::Small, colour(theme.text));
        }
        Column::Spans => {
            let count = units::count(u64::from(trace.spans));
            text(place.right(), Align2::RIGHT_CENTER, count, Face::Small, colour(theme.text));
        }
        Column::Services => services(&painter, ctx, trace, Rect::from_center_size(place.center(), vec2(place.width(), 10.0))),
        Column::Errors => {
            let tint = if trace.errors > 0 { theme.error } else { theme.text_faint };
            let tint = if lit && trace.errors == 0 { theme.selection_text } else { tint };
            text(place.right(), Align2::RIGHT_CENTER, units::count(u64::from(trace.errors)), Face::Small, tint);
        }
        Column::Marks => {
            let mut x = place.left();
            for (word, fill, tint) in marks(trace, theme) {
                let galley = painter.layout_no_wrap(word, Face::Caption.font(), tint);
                let chip = Rect::from_min_size(pos2(x, middle - 9.0), vec2(galley.size().x + 12.0, 18.0));
                if chip.right() > place.right() + 16.0 {
                    break;
                }
                painter.rect_filled(chip, radius::CHIP, fill);
                painter.galley(pos2(x + 6.0, middle - galley.size().y / 2.0), galley, tint);
                x = chip.right() + 4.0;
            }
        }
        Column::Trace => {
            text(place.left(), Align2::LEFT_CENTER, trace.trace_id.short(), Face::MonoSmall, colour(theme.text_faint));
        }
    }
}

/// Each service's share of the spans, most first.
fn services(painter: &egui::Painter, ctx: &ViewContext<'_>, trace: &TraceSummary, rect: Rect) {
    let total = trace.spans.max(1) as f32;
    let mut x = rect.left();
    for share in &trace.services {
        let width = rect.width() * share.spans as f32 / total;
        let series = ctx.theme.series[usize::from(ctx.services.of(&share.service).index)];
        let place = Rect::from_min_size(pos2(x, rect.top()), vec2((width - 1.0).max(1.0), rect.height()));
        painter.rect_filled(place, 0.0, series.fill);
        x += width.max(2.0);
        if x >= rect.right() {
            break;
        }
    }
}

fn marks(trace: &TraceSummary, theme: &Theme) -> Vec<(String, Color32, Color32)> {
    let mut marks = Vec::new();
    if trace.in_flight > 0 {
        marks.push((format!("{} in flight", units::count(u64::from(trace.in_flight))), theme.info_soft, theme.info));
    }
    if trace.orphans > 0 {
        marks.push(("orphan spans".to_owned(), theme.hairline, theme.text));
    } else if !trace.has_root {
        marks.push(("no root".to_owned(), theme.hairline, theme.text));
    }
    marks
}
