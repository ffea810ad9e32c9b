//! The line over the list, and its rows: kind and culprit, what happens, how often, what it would save.

use super::{FindingsView, kinds, small, text};
use crate::analysis::Finding;
use crate::engine::insight::Findings;
use crate::model::units;
use crate::ui::canvas::elide;
use crate::ui::command::Command;
use crate::ui::theme::size::space;
use crate::ui::theme::{self, Face, Icon, icon};
use crate::ui::view::ViewContext;
use crate::ui::widgets::{Button, Kind, chip, focus_ring};
use egui::text::{LayoutJob, TextWrapping};
use egui::{Align, Align2, Color32, Layout, Rect, Role, Sense, Stroke, StrokeKind, Ui, UiBuilder, WidgetInfo, pos2, vec2};

/// Height of a row, points.
const ROW: f32 = 56.0;
/// Width of the figures at the right, points.
const COUNT: f32 = 72.0;
const SAVES: f32 = 88.0;
/// Width of the bar of cost, points.
const COST: f32 = 96.0;

/// How many, of how much; silenced ones; copy and look again.
pub(super) fn header(view: &mut FindingsView, ui: &mut Ui, ctx: &mut ViewContext<'_>) {
    let theme = ctx.theme;
    let whole = ui.max_rect();
    theme::paint_hairline(ui, whole.left_bottom() - vec2(0.0, 1.0), whole.right_bottom() - vec2(0.0, 1.0));
    let rect = whole.shrink2(vec2(space::PANEL, 0.0));
    let mut right = ui.new_child(UiBuilder::new().max_rect(rect).layout(Layout::right_to_left(Align::Center)));
    right.spacing_mut().item_spacing.x = 6.0;
    let Some(shown) = view.answer.shown.clone() else { return };
    let keys = |command: Command| command.keys_text().unwrap_or_default();
    if !view.listed.is_empty() {
        let hint = format!("{}  {}", Command::CopyList.hint(), keys(Command::CopyList));
        let copy = Button::new(Command::CopyList.text()).small().kind(Kind::Quiet).icon(Icon::Copy).hint(hint);
        if copy.show(&mut right).clicked() {
            view.copy(ctx);
        }
    }
    let silenced = view.silenced_count();
    if silenced > 0 {
        let word = format!("{} silenced", units::count(silenced as u64));
        let hint = if view.show_silenced { "Leave them out again" } else { "Show them in the list" };
        let button = Button::new(&word).small().kind(Kind::Quiet).icon(Icon::EyeOff).on(view.show_silenced).hint(hint);
        if button.show(&mut right).clicked() {
            view.show_silenced = !view.show_silenced;
            view.list();
        }
    }
    let behind = ctx.engine.source(view.source).map(|source| source.spans.revision()) != view.revision;
    if behind && !ctx.live && view.answer.progress().is_none() {
        let (response, _) = chip(&mut right, "newer traces", theme.success_soft, theme.success, None);
        if response.on_hover_text("Look at what has arrived since").clicked() {
            view.again += 1;
        }
    }
    let end = right.min_rect().left() - 8.0;
    let place = rect.with_max_x(end.max(rect.left()));
    let mut left = ui.new_child(UiBuilder::new().max_rect(place).layout(Layout::left_to_right(Align::Center)));
    left.shrink_clip_rect(place);
    left.spacing_mut().item_spacing.x = 8.0;
    let count = view.listed.len() as u64;
    let word = if count == 1 { "finding" } else { "findings" };
    left.label(theme::text(format!("{} {word}", units::count(count)), Face::Heading, theme.text_strong));
    let (traces, spans) = (units::count(shown.traces), units::count(shown.spans));
    let exact = format!("{} traces, {} spans", units::exact_count(shown.traces), units::exact_count(shown.spans));
    left.label(small(format!("in {spans} spans of {traces} traces, costliest first"), theme.text_faint)).on_hover_text(exact);
    if shown.total > shown.traces {
        let word = format!("newest {traces} of {}", units::count(shown.total));
        chip(&mut left, &word, theme.accent_soft, theme.accent, None)
            .0
            .on_hover_text("Narrow the query or the range to look at all");
    }
}

/// The rows.
pub(super) fn show(view: &mut FindingsView, ui: &mut Ui, ctx: &mut ViewContext<'_>, shown: &Findings) {
    let area = ui.available_rect_before_wrap();
    let in_view = f64::from(area.height() / ROW);
    if std::mem::take(&mut view.reveal) {
        view.rows.reveal(view.selected, in_view);
    }
    let most = shown.found.iter().map(|finding| finding.cost).fold(0.0, f64::max);
    let mut rows = std::mem::take(&mut view.rows);
    let (mut clicked, mut opened) = (None, false);
    rows.show(ui, area, view.listed.len(), ROW, |ui, at, rect| {
        let Some(finding) = view.listed.get(at).and_then(|at| shown.found.get(*at)) else { return };
        let on = view.selected == at;
        let silenced = view.silenced.has(finding);
        let response =
            row(ui, ctx, finding, &Looks { on, silenced, rank: at + 1, cost: (finding.cost / most.max(1e-9)) as f32 }, rect);
        if response.clicked() {
            clicked = Some(at);
            opened |= on || response.double_clicked();
        }
    });
    view.rows = rows;
    if let Some(at) = clicked {
        view.selected = at;
        view.sheet = true;
        if opened {
            view.open(0, ctx);
        }
    }
}

struct Looks {
    on: bool,
    silenced: bool,
    rank: usize,
    /// Cost, the costliest being 1.
    cost: f32,
}

fn row(ui: &Ui, ctx: &ViewContext<'_>, finding: &Finding, looks: &Looks, rect: Rect) -> egui::Response {
    let theme = ctx.theme;
    let response = ui.interact(rect, ui.scope_id().with(("finding", looks.rank)), Sense::click());
    let headline = text::headline(finding);
    let (count, saving) = (units::count(finding.count), text::saving(finding));
    response.widget_info(|| {
        let silenced = if looks.silenced { ", silenced" } else { "" };
        let name = format!("{headline}, {count} times, saves {saving}{silenced}. {}", finding.text);
        WidgetInfo::selected(Role::Row, true, looks.on, name)
    });
    let fill = match (looks.on, response.hovered()) {
        (true, _) => theme.selection,
        (false, true) => theme.hover,
        _ => Color32::TRANSPARENT,
    };
    ui.painter().rect_filled(rect, 0.0, fill);
    theme::paint_hairline(ui, rect.left_bottom() - vec2(0.0, 0.5), rect.right_bottom() - vec2(0.0, 0.5));
    let pick = |colour: Color32| if looks.on { theme.selection_text } else { colour };
    let (strong, plain, faint) = (pick(theme.text_strong), pick(theme.text), pick(theme.text_faint));
    let painter = ui.painter();
    let (upper, lower) = (rect.top() + 19.0, rect.top() + 38.0);
    let (mark, tint) = kinds::mark(finding.kind, theme);
    let left = rect.left() + space::PANEL;
    if looks.silenced {
        Icon::EyeOff.paint(painter, pos2(left + 8.0, upper), icon::SIZE, faint);
    } else {
        mark.paint(painter, pos2(left + 8.0, upper), icon::SIZE, tint);
    }
    let mut x = left + 26.0;
    let right = rect.right() - space::PANEL;
    let wide = rect.width() > 620.0;
    let figures = COUNT + SAVES + if wide { COST } else { 0.0 };
    let end = right - figures - 12.0;
    let clip = painter.with_clip_rect(Rect::from_min_max(rect.min, pos2(end, rect.bottom())).intersect(ui.clip_rect()));
    let drawn = clip.text(pos2(x, upper), Align2::LEFT_CENTER, kinds::title(finding.kind), Face::BodyMedium.font(), strong);
    x = drawn.right() + 12.0;
    if !finding.service.is_empty() {
        let series = theme.series[usize::from(ctx.services.of(&finding.service).index)];
        let swatch = Rect::from_center_size(pos2(x + 5.0, upper), vec2(10.0, 10.0));
        clip.rect(swatch, 2.0, series.fill, Stroke::new(1.0, series.line), StrokeKind::Inside);
        x = clip.text(pos2(x + 16.0, upper), Align2::LEFT_CENTER, &finding.service, Face::Small.font(), plain).right() + 8.0;
    }
    if !finding.operation.is_empty() {
        x = clip.text(pos2(x, upper), Align2::LEFT_CENTER, &finding.operation, Face::Small.font(), faint).right() + 12.0;
    }
    let culprit = text::culprit(finding);
    if !culprit.is_empty() && x < end - 40.0 {
        let shown = painter.fonts_mut(|fonts| elide::middle(fonts, &Face::MonoSmall.font(), &culprit, end - x));
        clip.text(pos2(x, upper), Align2::LEFT_CENTER, shown, Face::MonoSmall.font(), pick(theme.accent));
    }
    let room = end - left - 26.0;
    let mut said = LayoutJob::simple_singleline(finding.text.clone(), Face::Small.font(), pick(theme.text_subdued));
    said.wrap = TextWrapping::truncate_at_width(room);
    let said = painter.layout_job(said);
    clip.galley(pos2(left + 26.0, lower - said.size().y / 2.0), said, theme.text_subdued);
    // Figures, from the right: cost, saving, count.
    let mut x = right;
    if wide {
        let track = Rect::from_min_max(pos2(x - COST + 24.0, upper - 4.0), pos2(x, upper + 4.0));
        painter.rect_filled(track, 1.0, theme.hairline);
        let bar = Rect::from_min_size(track.min, vec2((track.width() * looks.cost).max(2.0), track.height()));
        painter.rect_filled(bar, 1.0, pick(theme.accent));
        painter.text(
            pos2(x, lower),
            Align2::RIGHT_CENTER,
            format!("{} of all", units::percent(finding.cost)),
            Face::Caption.font(),
            faint,
        );
        x -= COST;
    }
    painter.text(pos2(x, upper), Align2::RIGHT_CENTER, saving, Face::Small.font(), plain);
    painter.text(pos2(x, lower), Align2::RIGHT_CENTER, "saves", Face::Caption.font(), faint);
    x -= SAVES;
    painter.text(pos2(x, upper), Align2::RIGHT_CENTER, count, Face::Small.font(), plain);
    painter.text(pos2(x, lower), Align2::RIGHT_CENTER, "times", Face::Caption.font(), faint);
    focus_ring(ui, &response, 0.0);
    response
}
