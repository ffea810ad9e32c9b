//! Keys whose values are masked before anything is written.

use super::page_title;
use crate::ui::theme::size::space;
use crate::ui::theme::{self, Face, Icon};
use crate::ui::view::{Request, ViewContext};
use crate::ui::widgets::{Button, card, card_header, field, hairline_below, icon_button};
use egui::{Align, Layout, Sense, Ui, UiBuilder, vec2};

/// State of the page.
#[derive(Default)]
pub struct Redaction {
    text: String,
    /// As they are set; read when the page is opened.
    keys: Option<Vec<String>>,
}

impl Redaction {
    /// Reads the keys again at the next frame.
    pub fn forget(&mut self) {
        self.keys = None;
    }

    /// Draws the page.
    pub fn show(&mut self, ui: &mut Ui, ctx: &mut ViewContext<'_>) {
        page_title(
            ui,
            "Redaction",
            "Values of attributes whose key holds one of these words are masked before they are written",
        );
        let theme = ctx.theme;
        let mut keys = self.keys.get_or_insert_with(|| ctx.engine.masked_keys()).clone();
        let mut changed = false;
        card(ui, |ui| {
            card_header(ui, "Masked keys", |_| {});
            let mut gone = None;
            for (index, key) in keys.iter().enumerate() {
                let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), 28.0), Sense::hover());
                hairline_below(ui, rect);
                let inner = rect.shrink2(vec2(space::CARD, 0.0));
                let mut row =
                    ui.new_child(UiBuilder::new().id_salt(key).max_rect(inner).layout(Layout::right_to_left(Align::Center)));
                if icon_button(&mut row, Icon::Close, &format!("Stop masking {key}")) {
                    gone = Some(index);
                }
                row.with_layout(Layout::left_to_right(Align::Center), |ui| {
                    ui.label(theme::text(key, Face::Mono, theme.text));
                });
            }
            if let Some(index) = gone {
                keys.remove(index);
                changed = true;
            }
            ui.add_space(space::CONTROL);
            ui.horizontal(|ui| {
                ui.add_space(space::CARD);
                let edit = field(ui, &mut self.text, "Key to mask", "another key", None, 240.0);
                let wanted = self.text.trim().to_lowercase();
                let new = !wanted.is_empty() && !keys.contains(&wanted);
                let entered = edit.lost_focus() && ui.input(|input| input.key_pressed(egui::Key::Enter));
                if (Button::new("Mask").enabled(new).show(ui).clicked() || entered) && new {
                    keys.push(wanted);
                    self.text.clear();
                    changed = true;
                }
            });
            ui.add_space(space::CONTROL);
        });
        if changed {
            self.keys = Some(keys.clone());
            ctx.requests.push(Request::MaskKeys(keys));
        }
    }
}
