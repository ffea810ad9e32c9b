//! Every path of either side: A, B, what changed, calls, errors.

use super::{CompareView, Compared, Only, text};
use crate::analysis::DiffRow;
use crate::model::{DurationNs, units};
use crate::ui::canvas::difference::change;
use crate::ui::canvas::elide;
use crate::ui::theme::size::{part, radius, space};
use crate::ui::theme::{self, Face};
use crate::ui::view::ViewContext;
use crate::ui::widgets::{focus_ring, segmented};
use egui::{
    Align, Align2, Color32, Layout, Rect, Response, Role, Sense, Stroke, StrokeKind, Ui, UiBuilder, WidgetInfo, pos2, vec2,
};

/// Columns from the right end: title and width.
const COLUMNS: [(&str, f32); 6] =
    [("A", 76.0), ("B", 76.0), ("Change", 160.0), ("Self", 84.0), ("Calls", 84.0), ("Note", 132.0)];
/// The same without what a narrow window has no room for.
const INDENT: f32 = 14.0;

fn places(rect: Rect) -> [Rect; COLUMNS.len()] {
    let narrow = rect.width() < 800.0;
    let mut right = rect.right() - space::PANEL;
    let mut places = [Rect::NOTHING; COLUMNS.len()];
    for (place, (title, width)) in places.iter_mut().zip(COLUMNS).rev() {
        if narrow && matches!(title, "Self" | "Note") {
            continue;
        }
        *place = Rect::from_min_max(pos2(right - width, rect.top()), pos2(right, rect.bottom()));
        right -= width;
    }
    places
}

pub(super) fn show(view: &mut CompareView, ui: &mut Ui, ctx: &mut ViewContext<'_>, shown: &Compared) {
    let theme = ctx.theme;
    let rows = &shown.contrast.rows;
    let (bar, _) = ui.allocate_exact_size(vec2(ui.available_width(), 36.0), Sense::hover());
    let inner = bar.shrink2(vec2(space::PANEL, 0.0));
    let mut left = ui.new_child(UiBuilder::new().max_rect(inner).layout(Layout::left_to_right(Align::Center)));
    left.spacing_mut().item_spacing.x = 8.0;
    left.label(theme::text("By path", Face::Heading, theme.text_strong));
    let both = rows.iter().filter(|row| row.count_a > 0 && row.count_b > 0).count();
    left.label(theme::text(format!("{both} of {} on both sides", rows.len()), Face::Small, theme.text_faint));
    let new = rows.iter().filter(|row| row.count_a == 0).count();
    let gone = rows.iter().filter(|row| row.count_b == 0).count();
    let mut right = ui.new_child(UiBuilder::new().max_rect(inner).layout(Layout::right_to_left(Align::Center)));
    let (only_b, only_a) = (format!("Only in B {new}"), format!("Only in A {gone}"));
    if segmented(&mut right, &mut view.only, &[(Only::All, "All"), (Only::New, &only_b), (Only::Gone, &only_a)]) {
        view.list();
        view.rows.to_top();
    }
    let area = ui.available_rect_before_wrap();
    let header = Rect::from_min_size(area.min, vec2(area.width() - crate::ui::canvas::rows::BAR, part::TABLE_HEADER));
    theme::paint_hairline(ui, header.left_top(), pos2(area.right(), header.top()));
    let caption = |ui: &Ui, at, align, title: &str| {
        ui.painter().text(at, align, title, Face::Caption.font(), theme.text_faint);
    };
    caption(ui, pos2(header.left() + space::PANEL, header.center().y), Align2::LEFT_CENTER, "Path");
    for ((title, _), place) in COLUMNS.into_iter().zip(places(header)).filter(|(_, place)| place.is_positive()) {
        match title {
            "Change" => caption(ui, place.left_center() + vec2(16.0, 0.0), Align2::LEFT_CENTER, title),
            "Note" => caption(ui, place.left_center() + vec2(12.0, 0.0), Align2::LEFT_CENTER, title),
            _ => caption(ui, place.right_center(), Align2::RIGHT_CENTER, title),
        }
    }
    theme::paint_hairline(ui, header.left_bottom(), pos2(area.right(), header.bottom()));
    let body = Rect::from_min_max(pos2(area.left(), header.bottom() + 1.0), area.max);
    if view.listed.is_empty() {
        let word = if view.only == Only::New { "No path is new in B" } else { "No path of A is gone" };
        ui.painter().text(body.center(), Align2::CENTER_CENTER, word, Face::Body.font(), theme.text_faint);
        return;
    }
    let selected = view.selected.and_then(|row| view.listed.iter().position(|known| *known == row));
    if std::mem::take(&mut view.reveal)
        && let Some(at) = selected
    {
        view.rows.reveal(at, f64::from(body.height() / part::ROW));
    }
    let most = rows.iter().map(|row| change(row).abs()).max().unwrap_or(0).max(1);
    let mut list = std::mem::take(&mut view.rows);
    let (mut clicked, mut opened) = (None, false);
    list.show(ui, body, view.listed.len(), part::ROW, |ui, at, rect| {
        let number = view.listed[at];
        let on = view.selected == Some(number);
        let response = draw(ui, ctx, &rows[number as usize], shown, &Looks { on, most, number }, rect);
        if response.clicked() {
            clicked = Some(number);
            opened |= response.double_clicked();
        }
    });
    view.rows = list;
    if clicked.is_some() {
        view.selected = clicked;
        if opened {
            view.open(ctx);
        }
    }
}

struct Looks {
    on: bool,
    most: i64,
    number: u32,
}

fn draw(ui: &Ui, ctx: &ViewContext<'_>, row: &DiffRow, shown: &Compared, looks: &Looks, rect: Rect) -> Response {
    let theme = ctx.theme;
    let response = ui.interact(rect, ui.scope_id().with(("path", looks.number)), Sense::click());
    response.widget_info(|| {
        let name = format!("{}, {}", row.name, text::sentence(row, &shown.contrast));
        WidgetInfo::selected(Role::Row, true, looks.on, name)
    });
    let fill = match (looks.on, response.hovered()) {
        (true, _) => theme.selection,
        (false, true) => theme.hover,
        _ => Color32::TRANSPARENT,
    };
    ui.painter().rect_filled(rect, 0.0, fill);
    let pick = |colour: Color32| if looks.on { theme.selection_text } else { colour };
    let painter = ui.painter();
    let middle = rect.center().y;
    let cells = places(rect);
    let mut x = rect.left() + space::PANEL + (row.depth as f32).min(16.0) * INDENT;
    let series = theme.series[usize::from(ctx.services.of(&row.service).index)];
    let swatch = Rect::from_center_size(pos2(x + 5.0, middle), vec2(10.0, 10.0));
    painter.rect(swatch, 2.0, series.fill, Stroke::new(1.0, series.line), StrokeKind::Inside);
    x += 16.0;
    let end = cells[0].left() - 8.0;
    let clip = painter.with_clip_rect(rect.with_max_x(end).intersect(ui.clip_rect()));
    x = clip.text(pos2(x, middle), Align2::LEFT_CENTER, &row.service, Face::Small.font(), pick(theme.text_subdued)).right()
        + 8.0;
    let name = painter.fonts_mut(|fonts| elide::middle(fonts, &Face::BodyMedium.font(), &row.name, (end - x).max(8.0)));
    clip.text(pos2(x, middle), Align2::LEFT_CENTER, name, Face::BodyMedium.font(), pick(theme.text_strong));
    let right = |place: Rect, text: String, colour: Color32| {
        if place.is_positive() {
            painter.text(place.right_center(), Align2::RIGHT_CENTER, text, Face::Small.font(), pick(colour));
        }
    };
    let absent = |count: u64| if count == 0 { theme.text_faint } else { theme.text };
    right(cells[0], text::time(row.count_a, row.duration_ns_a), absent(row.count_a));
    right(cells[1], text::time(row.count_b, row.duration_ns_b), absent(row.count_b));
    let changed = change(row);
    let loud = changed.abs() >= shown.blocks.quiet_ns;
    let tint = match changed {
        _ if !loud => theme.text_faint,
        more if more > 0 => theme.error,
        _ => theme.success,
    };
    // Bars grow from the middle: to the right slower, to the left faster.
    let track = Rect::from_min_max(cells[2].left_top() + vec2(16.0, 0.0), cells[2].right_bottom() - vec2(76.0, 0.0));
    let half = track.width() / 2.0;
    let length = (half * (changed.abs() as f32 / looks.most as f32).sqrt()).max(1.0);
    let (from, to) = if changed >= 0 {
        (track.center().x, track.center().x + length)
    } else {
        (track.center().x - length, track.center().x)
    };
    painter.rect_filled(
        Rect::from_min_max(pos2(from, middle - 5.0), pos2(to, middle + 5.0)),
        0.0,
        if loud { tint } else { theme.hairline_strong },
    );
    painter.vline(track.center().x, (middle - 7.0)..=(middle + 7.0), Stroke::new(1.0, theme.hairline_strong));
    right(cells[2], units::duration_change(DurationNs(changed)), tint);
    right(cells[3], units::duration_change(DurationNs(row.self_ns_b - row.self_ns_a)), theme.text_subdued);
    let (calls_a, calls_b) =
        (text::calls(row.count_a, shown.contrast.a.traces), text::calls(row.count_b, shown.contrast.b.traces));
    let same = calls_a == calls_b;
    let calls = if same { calls_a } else { format!("{calls_a} \u{2192} {calls_b}") };
    right(cells[4], calls, if same { theme.text_faint } else { theme.text_strong });
    if let Some((note, bad)) = text::note(row).filter(|_| cells[5].is_positive()) {
        let colours = if bad { (theme.warn_soft, theme.warn) } else { (theme.raised, theme.text_subdued) };
        let galley = painter.layout_no_wrap(note, Face::Caption.font(), colours.1);
        let chip = Rect::from_min_size(pos2(cells[5].left() + 12.0, middle - 9.0), galley.size() + vec2(12.0, 2.0));
        let chip_clip = painter.with_clip_rect(cells[5].intersect(ui.clip_rect()));
        chip_clip.rect_filled(chip, radius::CHIP, colours.0);
        chip_clip.galley(pos2(chip.left() + 6.0, middle - galley.size().y / 2.0), galley, colours.1);
    }
    focus_ring(ui, &response, 0.0);
    response
}
