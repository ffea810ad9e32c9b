//! Under the graph: a row a series with its figures, a click shows it alone; or the table of the instant query.

use super::ask::{Line, Outcome, Ran};
use super::editor::letter;
use super::{ExploreView, Key, key_of, plot};
use crate::model::units;
use crate::ui::canvas::elide;
use crate::ui::theme::size::{part, radius, space};
use crate::ui::theme::{self, Face, Theme};
use crate::ui::view::{Request, ViewContext};
use crate::ui::widgets;
use egui::{Align2, Rect, Role, Sense, Stroke, StrokeKind, Ui, WidgetInfo, pos2, vec2};

/// Width of a column of figures, points.
const FIGURE: f32 = 92.0;

/// What the rows are sorted by, greatest first; names from A.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) enum SortBy {
    /// As the query gives them.
    #[default]
    Query,
    /// Name.
    Name,
    /// Last value.
    Last,
    /// Least value.
    Min,
    /// Greatest value.
    Max,
    /// Mean.
    Mean,
}

const COLUMNS: [(SortBy, &str); 4] =
    [(SortBy::Last, "Last"), (SortBy::Min, "Min"), (SortBy::Max, "Max"), (SortBy::Mean, "Mean")];

fn figure(line: &Line, by: SortBy) -> f64 {
    match by {
        SortBy::Min => line.min,
        SortBy::Max => line.max,
        SortBy::Mean => line.mean,
        _ => line.last,
    }
}

/// Puts the lines of an answer in the chosen order; numbers of lines as the graph counts them.
pub(super) fn order(outcome: &Outcome, by: SortBy, reversed: bool) -> Vec<usize> {
    let lines: Vec<&Line> = outcome.ran().flat_map(|ran| &ran.lines).collect();
    let mut order: Vec<usize> = (0..lines.len()).collect();
    match by {
        SortBy::Query => {}
        SortBy::Name => order.sort_by(|a, b| lines[*a].name.cmp(&lines[*b].name)),
        by => order.sort_by(|a, b| figure(lines[*b], by).total_cmp(&figure(lines[*a], by))),
    }
    if reversed {
        order.reverse();
    }
    order
}

/// The list under the graph, over what is left of `ui`.
pub(super) fn legend(view: &mut ExploreView, ui: &mut Ui, ctx: &ViewContext<'_>, outcome: &Outcome) {
    let theme = ctx.theme;
    let area = ui.available_rect_before_wrap();
    let header = Rect::from_min_size(area.min, vec2(area.width(), part::TABLE_HEADER));
    let figures = if area.width() < 620.0 { &COLUMNS[..2] } else { &COLUMNS[..] };
    let right = header.right() - space::PANEL - 8.0;
    let mut sorted = None;
    let name_end = right - figures.len() as f32 * FIGURE;
    let name_cell = Rect::from_min_max(pos2(header.left() + 40.0, header.top()), pos2(name_end - 8.0, header.bottom()));
    if head(ui, theme, name_cell, "Series", SortBy::Name, view, Align2::LEFT_CENTER) {
        sorted = Some(SortBy::Name);
    }
    for (at, (by, name)) in figures.iter().enumerate() {
        let end = right - (figures.len() - 1 - at) as f32 * FIGURE;
        let cell = Rect::from_min_max(pos2(end - FIGURE + 8.0, header.top()), pos2(end, header.bottom()));
        if head(ui, theme, cell, name, *by, view, Align2::RIGHT_CENTER) {
            sorted = Some(*by);
        }
    }
    theme::paint_hairline(ui, header.left_bottom(), header.right_bottom());
    if let Some(by) = sorted {
        view.reversed = view.sort == by && !view.reversed;
        view.sort = by;
        view.ordered = order(outcome, view.sort, view.reversed);
    }
    let lines: Vec<(&Ran, &Line)> = outcome.ran().flat_map(|ran| ran.lines.iter().map(move |line| (ran, line))).collect();
    let several = outcome.ran().count() > 1;
    let list = Rect::from_min_max(header.left_bottom(), area.max);
    let mut rows = std::mem::take(&mut view.series_rows);
    let (mut hot, mut clicked) = (None, None);
    rows.show(ui, list, view.ordered.len(), part::ROW_DENSE, |ui, at, rect| {
        let Some((number, (ran, line))) = view.ordered.get(at).and_then(|at| Some((*at, *lines.get(*at)?))) else { return };
        let key = key_of(ran.row, &line.labels);
        let shown = view.is_shown(&key);
        let response = ui.interact(rect, ui.scope_id().with(("series", number)), Sense::click());
        let said = format!("{}, last {}", line.name, units::figure(line.last));
        response.widget_info(|| WidgetInfo::selected(Role::Button, true, shown, said.as_str()));
        if response.hovered() {
            ui.painter().rect_filled(rect, 0.0, theme.hover);
            hot = Some(key.clone());
        }
        let middle = rect.center().y;
        let swatch = Rect::from_center_size(pos2(rect.left() + 24.0, middle), vec2(10.0, 10.0));
        let colour = plot::colour(theme, ctx, line, number);
        let fill = if shown { colour } else { theme.surface };
        ui.painter().rect(
            swatch,
            2.0,
            fill,
            Stroke::new(1.0, if shown { colour } else { theme.hairline_strong }),
            StrokeKind::Inside,
        );
        let text = if shown { theme.text } else { theme.text_disabled };
        let name = if several { format!("{}  {}", letter(ran.row), line.name) } else { line.name.clone() };
        let width = name_end - rect.left() - 48.0;
        let name = ui.painter().fonts_mut(|fonts| elide::middle(fonts, &Face::MonoSmall.font(), &name, width));
        ui.painter().text(pos2(rect.left() + 40.0, middle), Align2::LEFT_CENTER, name, Face::MonoSmall.font(), text);
        for (at, (by, _)) in figures.iter().enumerate() {
            let end = right - (figures.len() - 1 - at) as f32 * FIGURE;
            let colour = if shown && *by == SortBy::Last { theme.text_strong } else { text };
            let value = units::figure(figure(line, *by));
            ui.painter().text(pos2(end, middle), Align2::RIGHT_CENTER, value, Face::Small.font(), colour);
        }
        widgets::focus_ring(ui, &response, radius::CHIP);
        if response.clicked() {
            clicked = Some((key, ui.input(|input| input.modifiers.command)));
        }
        response.on_hover_text(format!("{}\nClick shows it alone, Ctrl+click adds it or takes it away", line.name));
    });
    view.series_rows = rows;
    view.hot = hot;
    if let Some((key, add)) = clicked {
        let all = || lines.iter().map(|(ran, line)| key_of(ran.row, &line.labels));
        isolate(&mut view.alone, key, add, all);
    }
}

/// A click shows one series alone, again shows all; with Ctrl it is added or taken away.
fn isolate<I: Iterator<Item = Key>>(alone: &mut Vec<Key>, key: Key, add: bool, all: impl Fn() -> I) {
    if !add {
        if alone.as_slice() == [key.clone()] {
            alone.clear();
        } else {
            *alone = vec![key];
        }
        return;
    }
    if alone.is_empty() {
        *alone = all().collect();
    }
    match alone.iter().position(|known| *known == key) {
        Some(at) => _ = alone.remove(at),
        None => alone.push(key),
    }
    if alone.len() == all().count() {
        alone.clear();
    }
}

fn head(ui: &Ui, theme: &Theme, cell: Rect, text: &str, by: SortBy, view: &ExploreView, align: Align2) -> bool {
    let response = ui.interact(cell, ui.scope_id().with(("head", text)), Sense::click());
    let on = view.sort == by;
    response.widget_info(|| WidgetInfo::selected(Role::Button, true, on, format!("Sort by {}", text.to_lowercase())));
    let arrow = match (on, view.reversed == (by == SortBy::Name)) {
        (false, _) => String::new(),
        (true, true) => " \u{2193}".to_owned(),
        (true, false) => " \u{2191}".to_owned(),
    };
    let colour = if on || response.hovered() { theme.text_strong } else { theme.text_faint };
    let at = align.pos_in_rect(&cell);
    ui.painter().text(at, align, format!("{text}{arrow}"), Face::Caption.font(), colour);
    widgets::focus_ring(ui, &response, radius::CHIP);
    response.clicked()
}

/// The table of the instant query, over what is left of `ui`.
pub(super) fn table(view: &mut ExploreView, ui: &mut Ui, ctx: &mut ViewContext<'_>, outcome: &Outcome) {
    let theme = ctx.theme;
    let area = ui.available_rect_before_wrap();
    let cells: Vec<(usize, &super::ask::Cell)> =
        outcome.ran().flat_map(|ran| ran.cells.iter().map(move |cell| (ran.row, cell))).collect();
    let header = Rect::from_min_size(area.min, vec2(area.width(), part::TABLE_HEADER));
    let right = header.right() - space::PANEL - 8.0;
    let caption =
        |ui: &Ui, at, align, text: &str| _ = ui.painter().text(at, align, text, Face::Caption.font(), theme.text_faint);
    caption(ui, header.left_center() + vec2(16.0, 0.0), Align2::LEFT_CENTER, "Series");
    caption(ui, pos2(right, header.center().y), Align2::RIGHT_CENTER, "Value");
    theme::paint_hairline(ui, header.left_bottom(), header.right_bottom());
    if cells.is_empty() {
        let at = pos2(area.center().x, header.bottom() + 24.0);
        let text = "No series has a value at the end of the range";
        ui.painter().text(at, Align2::CENTER_CENTER, text, Face::Small.font(), theme.text_subdued);
    }
    let several = outcome.ran().count() > 1;
    let list = Rect::from_min_max(header.left_bottom(), area.max);
    let mut rows = std::mem::take(&mut view.cell_rows);
    let mut copied = None;
    rows.show(ui, list, cells.len(), part::ROW_DENSE, |ui, at, rect| {
        let Some((row, cell)) = cells.get(at) else { return };
        let response = ui.interact(rect, ui.scope_id().with(("cell", at)), Sense::click());
        let name = if cell.labels.is_empty() { "value".to_owned() } else { cell.labels.to_string() };
        let name = if several { format!("{}  {name}", letter(*row)) } else { name };
        response.widget_info(|| WidgetInfo::labeled(Role::Button, true, format!("{name} is {}", cell.value)));
        if response.hovered() {
            ui.painter().rect_filled(rect, 0.0, theme.hover);
        }
        let middle = rect.center().y;
        let value = ui.painter().layout_no_wrap(cell.value.clone(), Face::Mono.font(), theme.text_strong);
        let left = right - value.size().x;
        ui.painter().galley(pos2(left, middle - value.size().y / 2.0), value, theme.text_strong);
        let width = left - rect.left() - 32.0;
        let text = ui.painter().fonts_mut(|fonts| elide::middle(fonts, &Face::MonoSmall.font(), &name, width));
        ui.painter().text(pos2(rect.left() + 16.0, middle), Align2::LEFT_CENTER, text, Face::MonoSmall.font(), theme.text);
        widgets::focus_ring(ui, &response, radius::CHIP);
        if response.clicked() {
            copied = Some(format!("{name}\t{}", cell.value));
        }
        response.on_hover_text("Click copies name and value");
    });
    view.cell_rows = rows;
    if let Some(text) = copied {
        ctx.requests.push(Request::Copy(text, "Series".to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Labels;

    #[test]
    fn a_click_shows_one_alone_and_ctrl_click_takes_one_away() {
        let key = |n: usize| key_of(n, &Labels::default());
        let all = || (0..3).map(key);
        let mut alone = Vec::new();
        isolate(&mut alone, key(1), false, all);
        assert_eq!(alone, [key(1)]);
        isolate(&mut alone, key(1), false, all);
        assert!(alone.is_empty());
        isolate(&mut alone, key(1), true, all);
        assert_eq!(alone, [key(0), key(2)]);
        isolate(&mut alone, key(1), true, all);
        assert!(alone.is_empty(), "all are shown again");
    }
}
