//! Settings: doors, storage with loss accounting, redaction, appearance, about.

mod doors;
mod looks;
mod redaction;
mod storage;

use crate::ui::nav::{Place, SettingsPage};
use crate::ui::theme::size::{part, radius, space};
use crate::ui::theme::{self, Face, Icon, icon};
use crate::ui::view::{Crumb, View, ViewContext};
use crate::ui::widgets::focus_ring;
use egui::{Color32, Rect, Role, Sense, Ui, UiBuilder, WidgetInfo, pos2, vec2};

/// Widest content column, in points.
const COLUMN: f32 = 960.0;
/// Width of the list of pages.
const PAGES: f32 = 168.0;

const ALL: [(SettingsPage, Icon, &str); 5] = [
    (SettingsPage::Doors, Icon::Download, "Doors"),
    (SettingsPage::Storage, Icon::Database, "Storage"),
    (SettingsPage::Redaction, Icon::Shield, "Redaction"),
    (SettingsPage::Appearance, Icon::Moon, "Appearance"),
    (SettingsPage::About, Icon::Info, "About"),
];

/// The view.
#[derive(Default)]
pub struct SettingsView {
    page: SettingsPage,
    storage: storage::Storage,
    redaction: redaction::Redaction,
    doors: doors::Doors,
}

impl View for SettingsView {
    fn crumbs(&self) -> Vec<Crumb> {
        let name = ALL.iter().find(|(page, ..)| *page == self.page).map_or("", |(.., name)| name);
        vec![Crumb::link("Settings", Place::Settings(SettingsPage::default())), Crumb::here(name)]
    }

    fn arrive(&mut self, place: &Place, _ctx: &mut ViewContext<'_>) {
        if let Place::Settings(page) = place {
            self.page = *page;
            self.storage.forget();
            self.redaction.forget();
        }
    }

    fn ui(&mut self, ui: &mut Ui, ctx: &mut ViewContext<'_>) {
        let area = ui.available_rect_before_wrap();
        let side = 24.0;
        let width = (area.width() - 2.0 * side).min(PAGES + space::SECTION + COLUMN);
        let left = area.left() + ((area.width() - width) / 2.0).max(side);
        let pages = Rect::from_min_size(pos2(left, area.top() + side), vec2(PAGES, area.height() - side));
        let mut list = ui.new_child(UiBuilder::new().id_salt("pages").max_rect(pages));
        list.spacing_mut().item_spacing.y = 0.0;
        for (page, shape, name) in ALL {
            if entry(&mut list, shape, name, page == self.page) {
                ctx.go(Place::Settings(page));
            }
        }
        let start = left + PAGES + space::SECTION;
        let content = Rect::from_min_max(pos2(start, area.top()), pos2(left + width, area.bottom()));
        let mut child = ui.new_child(UiBuilder::new().id_salt(("page", self.page as u8)).max_rect(content));
        egui::ScrollArea::vertical().auto_shrink(false).show(&mut child, |ui| {
            ui.spacing_mut().item_spacing = vec2(8.0, 0.0);
            ui.set_max_width(width - PAGES - space::SECTION);
            ui.add_space(side);
            match self.page {
                SettingsPage::Doors => self.doors.show(ui, ctx),
                SettingsPage::Storage => self.storage.show(ui, ctx),
                SettingsPage::Redaction => self.redaction.show(ui, ctx),
                SettingsPage::Appearance => looks::appearance(ui, ctx),
                SettingsPage::About => looks::about(ui, ctx),
            }
            ui.add_space(side);
        });
    }
}

fn entry(ui: &mut Ui, shape: Icon, name: &str, on: bool) -> bool {
    let theme = theme::of(ui.ctx());
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), part::ROW), Sense::click());
    response.widget_info(|| WidgetInfo::selected(Role::Tab, true, on, name));
    let fill = if on {
        theme.accent_soft
    } else if response.hovered() {
        theme.hover
    } else {
        Color32::TRANSPARENT
    };
    ui.painter().rect_filled(rect, radius::CONTROL, fill);
    let text = if on || response.hovered() { theme.text_strong } else { theme.text_subdued };
    let tint = if on { theme.accent } else { text };
    shape.paint(ui.painter(), pos2(rect.left() + 16.0, rect.center().y), icon::SIZE, tint);
    let galley = ui.painter().layout_no_wrap(name.to_owned(), Face::BodyMedium.font(), text);
    ui.painter().galley(pos2(rect.left() + 32.0, rect.center().y - galley.size().y / 2.0), galley, text);
    focus_ring(ui, &response, radius::CONTROL);
    response.clicked()
}

/// Title of a page with a sentence under it.
fn page_title(ui: &mut Ui, title: &str, note: &str) {
    let theme = theme::of(ui.ctx());
    ui.label(theme::text(title, Face::Title, theme.text_strong));
    ui.add_space(2.0);
    ui.add(egui::Label::new(theme::text(note, Face::Body, theme.text_subdued)).wrap());
    ui.add_space(space::SECTION);
}
