//! Notifications: everything that was said in a toast, latest first.

use crate::model::units;
use crate::ui::nav::Place;
use crate::ui::theme::size::{part, space};
use crate::ui::theme::{self, Face, Icon};
use crate::ui::view::{Crumb, Level, Request, View, ViewContext};
use crate::ui::widgets::{Button, Kind, empty_state, hairline_below, segmented};
use egui::{Align, Layout, Ui, UiBuilder, vec2};

/// The view.
#[derive(Default)]
pub struct NotificationsView {
    only: Only,
}

#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum Only {
    #[default]
    All,
    Problems,
}

impl View for NotificationsView {
    fn crumbs(&self) -> Vec<Crumb> {
        vec![Crumb::here("Notifications")]
    }

    fn arrive(&mut self, _place: &Place, _ctx: &mut ViewContext<'_>) {}

    fn ui(&mut self, ui: &mut Ui, ctx: &mut ViewContext<'_>) {
        let theme = ctx.theme;
        if ctx.notices.kept().len() == 0 {
            empty_state(ui, Icon::Bell, "Nothing has happened yet", &[]);
            return;
        }
        let area = ui.available_rect_before_wrap();
        let width = area.width().min(960.0);
        let column = egui::Rect::from_min_size(area.min + vec2((area.width() - width) / 2.0, 0.0), vec2(width, area.height()));
        let mut ui = ui.new_child(UiBuilder::new().max_rect(column.shrink2(vec2(space::SECTION, space::SECTION))));
        ui.horizontal(|ui| {
            segmented(ui, &mut self.only, &[(Only::All, "All"), (Only::Problems, "Warnings and errors")]);
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                if Button::new("Clear").kind(Kind::Quiet).show(ui).clicked() {
                    ctx.requests.push(Request::ClearNotices);
                }
            });
        });
        ui.add_space(space::CONTROL);
        let shown: Vec<_> = ctx
            .notices
            .kept()
            .filter(|notice| self.only == Only::All || matches!(notice.toast.level, Level::Warn | Level::Error))
            .collect();
        egui::ScrollArea::vertical().auto_shrink(false).show_rows(&mut ui, part::ROW_COMFORTABLE, shown.len(), |ui, rows| {
            for notice in &shown[rows] {
                let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), part::ROW_COMFORTABLE), egui::Sense::hover());
                hairline_below(ui, rect);
                let (icon, colour) = match notice.toast.level {
                    Level::Info => (Icon::Info, theme.info),
                    Level::Success => (Icon::Ok, theme.success),
                    Level::Warn => (Icon::Warn, theme.warn),
                    Level::Error => (Icon::Error, theme.error),
                };
                icon.paint(ui.painter(), egui::pos2(rect.left() + 12.0, rect.center().y), 16.0, colour);
                let inner = egui::Rect::from_min_max(rect.min + vec2(32.0, 0.0), rect.max);
                let mut row = ui.new_child(UiBuilder::new().max_rect(inner).layout(Layout::right_to_left(Align::Center)));
                row.label(theme::text(units::time_of_day(notice.at, ctx.zone), Face::Small, theme.text_faint));
                row.with_layout(Layout::left_to_right(Align::Center), |ui| {
                    ui.add(egui::Label::new(theme::text(&notice.toast.text, Face::Body, theme.text)).truncate())
                        .on_hover_text(&notice.toast.text);
                });
            }
        });
    }
}
