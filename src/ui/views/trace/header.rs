//! What the trace is (its root, id, start, figures), and the strip of tabs with the find.

use super::small;
use super::state::{Critical, Open, Tab};
use crate::analysis::ClassBy;
use crate::model::{DurationNs, UnixNanos, units};
use crate::ui::canvas::flame::ROW_HEIGHTS;
use crate::ui::command::Command;
use crate::ui::theme::size::{part, radius, space};
use crate::ui::theme::{self, Face, Icon, Theme, icon};
use crate::ui::view::ViewContext;
use crate::ui::views::menu;
use crate::ui::widgets::{self, Button, IconButton, Kind, Tab as TabChoice};
use egui::{
    Align, Color32, Layout, Rect, Response, Role, Sense, Stroke, StrokeKind, TextEdit, Ui, UiBuilder, WidgetInfo, pos2, vec2,
};

/// Services that the menu of folds lists.
const SERVICES: usize = 16;

/// A chip that is a filter: icon, text, soft background. True when it was clicked.
fn mark(ui: &mut Ui, icon: Option<Icon>, text: &str, fill: Color32, colour: Color32, hint: &str) -> bool {
    let galley = ui.painter().layout_no_wrap(text.to_owned(), Face::Small.font(), colour);
    let lead = if icon.is_some() { icon::SIZE_SMALL + 5.0 } else { 0.0 };
    let (rect, response) = ui.allocate_exact_size(vec2(galley.size().x + lead + 12.0, part::HIT), Sense::click());
    response.widget_info(|| WidgetInfo::labeled(Role::Button, true, text));
    let shown = Rect::from_center_size(rect.center(), vec2(rect.width(), 20.0));
    ui.painter().rect_filled(shown, radius::CHIP, fill);
    if let Some(icon) = icon {
        icon.paint(ui.painter(), pos2(shown.left() + 6.0 + 7.0, shown.center().y), icon::SIZE_SMALL, colour);
    }
    ui.painter().galley(pos2(shown.left() + 6.0 + lead, shown.center().y - galley.size().y / 2.0), galley, colour);
    widgets::focus_ring(ui, &response, radius::CHIP);
    response.on_hover_text(hint).on_hover_cursor(egui::CursorIcon::PointingHand).clicked()
}

fn figure(ui: &mut Ui, theme: &Theme, value: &str, word: &str) {
    ui.spacing_mut().item_spacing.x = 4.0;
    // From the right: the word first.
    ui.label(small(word, theme.text_subdued));
    ui.label(theme::text(value, Face::Small, theme.text_strong).font(Face::Caption.font()).size(12.0));
}

fn bar(ui: &mut Ui) {
    let (rect, _) = ui.allocate_exact_size(vec2(17.0, 16.0), Sense::hover());
    theme::paint_hairline(ui, rect.center_top(), rect.center_bottom());
}

/// The row with the name, 44 high.
pub(super) fn title(open: &mut Open, ui: &mut Ui, ctx: &mut ViewContext<'_>) {
    let theme = ctx.theme;
    let loaded = open.loaded.clone();
    let (tree, figures) = (&loaded.tree, &loaded.figures);
    let root = loaded.batch().span(figures.root as usize);
    let rect = ui.max_rect().shrink2(vec2(space::PANEL, 0.0));
    // Figures first, from the right: the name gets what is left.
    let mut right = ui.new_child(UiBuilder::new().max_rect(rect).layout(Layout::right_to_left(Align::Center)));
    right.spacing_mut().item_spacing.x = 6.0;
    marks(open, &mut right, theme);
    right.add_space(6.0);
    let wide = rect.width() > 760.0;
    if wide {
        figure(&mut right, theme, &units::count(tree.services().len() as u64), &plural("service", tree.services().len()));
        bar(&mut right);
    }
    figure(&mut right, theme, &units::count(u64::from(tree.spans())), &plural("span", tree.spans() as usize));
    bar(&mut right);
    let (start, end) = tree.extent();
    let whole = DurationNs(end.saturating_sub(start));
    let own = DurationNs(tree.duration(figures.root));
    if figures.has_root && own != whole && wide {
        figure(&mut right, theme, &units::duration(whole), "in all");
        bar(&mut right);
    }
    let (length, word) = if figures.has_root { (own, "root") } else { (whole, "in all") };
    figure(&mut right, theme, &units::duration(length), word);
    let left_end = right.min_rect().left() - 16.0;

    let mut left = ui.new_child(
        UiBuilder::new()
            .max_rect(Rect::from_min_max(rect.min, pos2(left_end, rect.bottom())))
            .layout(Layout::left_to_right(Align::Center)),
    );
    left.shrink_clip_rect(Rect::from_min_max(rect.min, pos2(left_end, rect.bottom())));
    left.spacing_mut().item_spacing.x = 12.0;
    widgets::service_swatch(&mut left, ctx.services, root.service()).on_hover_text(root.service());
    let id = loaded.trace.id.to_string();
    let time = UnixNanos(start);
    let when = units::day_and_time(time, ctx.zone);
    let room = left_end - left.cursor().left();
    let needed = 380.0;
    let name_width = if room > 240.0 + needed { room - needed } else { room };
    let name = theme::text(root.name(), Face::Title, theme.text_strong);
    left.scope(|ui| {
        ui.set_max_width(name_width.max(60.0));
        ui.add(egui::Label::new(name).truncate()).on_hover_text(root.name());
    });
    if room > 240.0 + needed {
        if id_chip(&mut left, theme, &id).clicked() {
            super::actions::copy_trace_id(open, ctx);
        }
        let hover = format!("{}\n{} ns since 1970", time.to_rfc3339(), time.0);
        left.label(small(when, theme.text_subdued)).on_hover_text(hover);
    }
}

pub(super) fn plural(word: &str, count: usize) -> String {
    if count == 1 { word.to_owned() } else { format!("{word}s") }
}

fn id_chip(ui: &mut Ui, theme: &Theme, id: &str) -> Response {
    let galley = ui.painter().layout_no_wrap(id.to_owned(), Face::MonoSmall.font(), theme.text);
    let (rect, response) = ui.allocate_exact_size(vec2(galley.size().x + 32.0, part::HIT), Sense::click());
    response.widget_info(|| WidgetInfo::labeled(Role::Button, true, format!("Copy trace id {id}")));
    let shown = Rect::from_center_size(rect.center(), vec2(rect.width(), 20.0));
    ui.painter().rect_filled(shown, radius::CHIP, if response.hovered() { theme.hover } else { theme.raised });
    ui.painter().galley(pos2(shown.left() + 6.0, shown.center().y - galley.size().y / 2.0), galley, theme.text);
    Icon::Copy.paint(ui.painter(), pos2(shown.right() - 13.0, shown.center().y), icon::SIZE_SMALL, theme.text_subdued);
    widgets::focus_ring(ui, &response, radius::CHIP);
    response.on_hover_text("Copy trace id")
}

/// What is worth knowing, each a find inside the trace.
fn marks(open: &mut Open, ui: &mut Ui, theme: &Theme) {
    let figures = open.loaded.figures.clone();
    let mut find = None;
    let counted = |count: u32, word: &str| format!("{} {}", units::count(u64::from(count)), word);
    if figures.in_flight > 0 {
        let text = counted(figures.in_flight, "in flight");
        if mark(ui, None, &text, theme.info_soft, theme.info, "Spans that have not ended; click to find them") {
            find = Some("is:in-flight");
        }
    }
    if figures.n_plus_one > 0
        && mark(ui, Some(Icon::Warn), "N+1", theme.warn_soft, theme.warn, "The same call over and over; click to find them")
    {
        find = Some("is:repeated");
    }
    if figures.errors > 0 {
        let text = counted(figures.errors, &plural("error", figures.errors as usize));
        if mark(ui, Some(Icon::Error), &text, theme.error_soft, theme.error, "Click to find them, N goes to the next") {
            find = Some("status:error");
        }
    }
    if let Some(find) = find {
        let same = open.find_text == find;
        open.find_text = if same { String::new() } else { find.to_owned() };
    }
}

/// The strip with the tabs, 36 high.
pub(super) fn strip(open: &mut Open, ui: &mut Ui, ctx: &mut ViewContext<'_>) {
    let theme = ctx.theme;
    let whole = ui.max_rect();
    theme::paint_hairline(ui, pos2(whole.left(), whole.bottom() - 1.0), pos2(whole.right(), whole.bottom() - 1.0));
    let rect = Rect::from_min_max(pos2(whole.left() + 2.0, whole.top()), pos2(whole.right() - space::PANEL, whole.bottom()));
    let mut tabs = ui.new_child(UiBuilder::new().max_rect(rect).layout(Layout::left_to_right(Align::Min)));
    let tab = |value, text, icon| TabChoice { value, text, icon: Some(icon) };
    let mut chosen = open.tab;
    let choices = [
        tab(Tab::Flame, "Flame", Icon::Flame),
        tab(Tab::Waterfall, "Waterfall", Icon::Traces),
        tab(Tab::Table, "Table", Icon::Table),
    ];
    if widgets::tabs(&mut tabs, 36.0, &mut chosen, &choices) {
        open.show_tab(chosen);
    }
    let beside = rect.with_min_x(tabs.min_rect().right());
    let mut left = ui.new_child(UiBuilder::new().max_rect(beside).layout(Layout::left_to_right(Align::Center)));
    roots(open, &mut left, ctx);
    let mut right = ui.new_child(UiBuilder::new().max_rect(rect).layout(Layout::right_to_left(Align::Center)));
    right.spacing_mut().item_spacing.x = 6.0;
    if open.tab != Tab::Table {
        let fit = IconButton::new(Icon::Target, "Centre the selection, then fit, then all").keys(Command::Fit.keys_text());
        if fit.show(&mut right).clicked() {
            ctx.run(Command::Fit);
        }
        colours(open, &mut right, ctx);
        if open.tab == Tab::Flame {
            rows(open, &mut right);
        }
        shown(open, &mut right, ctx);
        bar(&mut right);
    }
    pager(open, &mut right);
    find_field(open, &mut right, theme);
}

/// What is drawn: the critical path, only errors, folds by service.
fn shown(open: &mut Open, ui: &mut Ui, ctx: &mut ViewContext<'_>) {
    let filtered = open.only_errors || !open.collapsed.is_empty();
    let text = match (open.only_errors, open.collapsed.is_empty()) {
        (true, true) => "Only errors".to_owned(),
        (true, false) => "Only errors, folded".to_owned(),
        (false, false) => format!("{} folded", units::count(open.collapsed.len() as u64)),
        (false, true) => "All spans".to_owned(),
    };
    let button = Button::new(&text).small().kind(Kind::Quiet).on(filtered).after(Icon::Down).named("Shown spans").show(ui);
    let tree = open.loaded.clone();
    menu::menu(&button, 280.0, |ui| {
        let keys = |command: Command| command.keys_text();
        if menu::item(ui, "All spans", None, !filtered) {
            open.set_only_errors(false, ctx.engine);
            open.unfold_all(ctx.engine);
        }
        if open.supports(Command::OnlyErrors)
            && menu::item(ui, "Only errors and what is above them", keys(Command::OnlyErrors).as_deref(), open.only_errors)
        {
            open.set_only_errors(!open.only_errors, ctx.engine);
        }
        let services = tree.tree.services();
        if services.len() > 1 {
            menu::separator(ui);
            for (index, service) in services.iter().enumerate().take(SERVICES) {
                if menu::item(ui, &format!("Fold spans of {service}"), None, false) {
                    open.fold_service(index as u16, ctx.engine);
                }
            }
        }
    });
    let on = open.critical != Critical::Off;
    let keys = Command::CriticalPath.keys_text().unwrap_or_default();
    let hint = format!("{}  {keys}", Command::CriticalPath.hint());
    if Button::new("Critical path").small().on(on).toggled(on).hint(hint).show(ui).clicked() {
        ctx.run(Command::CriticalPath);
    }
}

fn rows(open: &mut Open, ui: &mut Ui) {
    let next = (open.flame.density + 1) % ROW_HEIGHTS.len();
    let name = ["Denser rows", "Densest rows", "High rows"][open.flame.density.min(2)];
    if IconButton::new(Icon::Layers, name).show(ui).clicked() {
        open.flame.density = next;
        open.reveal = true;
    }
}

/// What decides the colour of a bar, by name.
pub(super) const CLASSES: [(ClassBy, &str); 4] =
    [(ClassBy::Service, "service"), (ClassBy::Status, "status"), (ClassBy::Kind, "kind"), (ClassBy::SelfTime, "self time")];

fn colours(open: &mut Open, ui: &mut Ui, ctx: &ViewContext<'_>) {
    let word = CLASSES.iter().find(|(by, _)| *by == open.class_by).map_or("", |(_, word)| word);
    let text = format!("Colour by {word}");
    let button = Button::new(&text).small().kind(Kind::Quiet).after(Icon::Down).show(ui);
    let picked = menu::menu(&button, 160.0, |ui| {
        CLASSES.into_iter().find(|(by, word)| menu::item(ui, word, None, *by == open.class_by)).map(|(by, _)| by)
    });
    if let Some(Some(by)) = picked {
        open.set_class_by(by, ctx.engine);
    }
}

/// Re-roots as a breadcrumb.
fn roots(open: &mut Open, ui: &mut Ui, ctx: &ViewContext<'_>) {
    if open.roots.is_empty() {
        return;
    }
    let theme = ctx.theme;
    let mut back = None;
    ui.spacing_mut().item_spacing.x = 6.0;
    ui.add_space(8.0);
    if widgets::link(ui, "Whole trace", Face::Small).clicked() {
        back = Some(0);
    }
    let count = open.roots.len();
    for (at, node) in open.roots.iter().copied().enumerate().skip(count.saturating_sub(2)) {
        ui.label(small("/", theme.text_faint));
        let name: String = if open.loaded.tree.is_virtual(node) {
            "parent not received".to_owned()
        } else {
            let name = open.loaded.batch().span(node as usize).name();
            name.chars().take(28).collect()
        };
        if at + 1 == count {
            ui.label(small(name, theme.text_strong));
        } else if widgets::link(ui, &name, Face::Small).clicked() {
            back = Some(at + 1);
        }
    }
    if let Some(depth) = back {
        open.re_root_back(depth, ctx.engine);
    }
}

fn pager(open: &mut Open, ui: &mut Ui) {
    let some = open.current_find().is_some_and(|found| !found.nodes.is_empty());
    let next = IconButton::new(Icon::Right, "Next match").enabled(some).show(ui).clicked();
    let back = IconButton::new(Icon::Left, "Previous match").enabled(some).show(ui).clicked();
    if next || back {
        open.step_find(next);
    }
}

fn find_field(open: &mut Open, ui: &mut Ui, theme: &Theme) {
    let width = 210.0_f32.min(ui.available_width() - 8.0);
    if width < 90.0 {
        return;
    }
    let (rect, _) = ui.allocate_exact_size(vec2(width, part::BUTTON_SMALL), Sense::hover());
    ui.painter().rect_filled(rect, radius::CONTROL, theme.field);
    Icon::Search.paint(ui.painter(), pos2(rect.left() + 15.0, rect.center().y), icon::SIZE_SMALL, theme.text_faint);
    let counter = counter(open);
    let galley = ui.painter().layout_no_wrap(counter, Face::Small.font(), theme.text_faint);
    let counter_width = galley.size().x;
    ui.painter().galley(
        pos2(rect.right() - 8.0 - counter_width, rect.center().y - galley.size().y / 2.0),
        galley,
        theme.text_faint,
    );
    let inner =
        Rect::from_min_max(pos2(rect.left() + 27.0, rect.top()), pos2(rect.right() - counter_width - 14.0, rect.bottom()));
    let mut child = ui.new_child(UiBuilder::new().max_rect(inner));
    let edit = TextEdit::singleline(&mut open.find_text)
        .font(Face::MonoSmall.font())
        .text_color(theme.text)
        .hint_text(theme::text("Find in trace", Face::Small, theme.text_faint))
        .frame(egui::Frame::NONE)
        .align(egui::Align2::LEFT_CENTER)
        .desired_width(inner.width());
    let response = child.add_sized(inner.size(), edit);
    response.widget_info(|| WidgetInfo::labeled(Role::TextInput, true, "Find in trace"));
    if std::mem::take(&mut open.focus_find) {
        response.request_focus();
    }
    let outline = if response.has_focus() { theme.focus_ring } else { theme.hairline_strong };
    ui.painter().rect_stroke(rect, radius::CONTROL, Stroke::new(1.0, outline), StrokeKind::Inside);
    widgets::focus_ring(ui, &response.clone().with_new_rect(rect), radius::CONTROL);
    if response.lost_focus() && ui.input(|input| input.key_pressed(egui::Key::Enter)) {
        let back = ui.input(|input| input.modifiers.shift);
        open.step_find(!back);
        response.request_focus();
    }
}

/// `4 of 6`, `6`, `none`; nothing while nothing is asked.
pub(super) fn counter(open: &Open) -> String {
    if open.find_text.trim().is_empty() {
        return String::new();
    }
    match open.found.as_ref() {
        None => String::new(),
        Some(found) if found.nodes.is_empty() => "none".to_owned(),
        Some(found) => {
            let total = units::count(found.nodes.len() as u64);
            match open.find_position() {
                0 => total,
                at => format!("{} of {total}", units::count(at as u64)),
            }
        }
    }
}
