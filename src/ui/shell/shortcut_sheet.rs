//! The shortcut sheet (`?`, F1), generated from the commands that can be given now.

use crate::ui::command::{Command, Group};
use crate::ui::theme::size::{part, space};
use crate::ui::theme::{self, Face};
use crate::ui::widgets::{icon_button, key_hint};
use egui::{Align, Context, Frame, Layout, Margin, Modal, Ui, vec2};

/// Width of the sheet in points.
const WIDTH: f32 = 720.0;

/// Draws it while `open`; Esc, the cross and a click outside close it.
pub fn show(ctx: &Context, open: &mut bool, offered: impl Fn(Command) -> bool) {
    if !*open {
        return;
    }
    let theme = theme::of(ctx);
    let frame = Frame::popup(&ctx.global_style()).inner_margin(Margin::same(20));
    let modal = Modal::new(egui::Id::unique("shortcut sheet")).frame(frame).backdrop_color(theme.scrim).show(ctx, |ui| {
        ui.set_width(WIDTH.min(ctx.content_rect().width() - 80.0));
        let mut close = false;
        ui.horizontal(|ui| {
            ui.label(theme::text("Keyboard shortcuts", Face::Title, theme.text_strong));
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                close = icon_button(ui, theme::Icon::Close, "Close");
            });
        });
        ui.add_space(space::CONTROL);
        let height = (ctx.content_rect().height() - 180.0).max(200.0);
        egui::ScrollArea::vertical().max_height(height).min_scrolled_height(height).show(ui, |ui| {
            let left = [Group::GoTo, Group::Files, Group::Time];
            let right = [Group::Window, Group::Lists, Group::Trace];
            ui.spacing_mut().item_spacing.x = 32.0;
            ui.columns(2, |columns| {
                for (column, groups) in columns.iter_mut().zip([left, right]) {
                    for group in groups {
                        list(column, group, &offered);
                    }
                }
            });
        });
        close
    });
    if modal.inner || modal.should_close() {
        *open = false;
        // What lay over the views must go at once, not at the next event.
        ctx.request_repaint();
    }
}

fn list(ui: &mut Ui, group: Group, offered: &impl Fn(Command) -> bool) {
    let theme = theme::of(ui.ctx());
    let with_keys = |command: &&Command| command.group() == group && command.keys_text().is_some() && offered(**command);
    let commands: Vec<&Command> = Command::ALL.iter().filter(with_keys).collect();
    if commands.is_empty() {
        return;
    }
    ui.add_space(space::CONTROL);
    ui.label(theme::text(group.title(), Face::Caption, theme.text_faint));
    ui.spacing_mut().item_spacing = vec2(space::CONTROL, 0.0);
    for command in commands {
        ui.allocate_ui_with_layout(vec2(ui.available_width(), part::ROW_DENSE), Layout::left_to_right(Align::Center), |ui| {
            ui.set_min_width(ui.available_width());
            ui.label(theme::text(command.text(), Face::Body, theme.text));
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                ui.spacing_mut().item_spacing.x = 4.0;
                let mut caps = command.key_caps();
                caps.reverse();
                key_hint(ui, &caps);
            });
        });
    }
}
