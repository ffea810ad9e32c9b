//! The question when the window is closed while doors are open: keep collecting, or stop.

use crate::ui::app::Ended;
use crate::ui::state::State;
use crate::ui::theme::size::space;
use crate::ui::theme::{self, Face};
use crate::ui::widgets::{Button, Kind};
use egui::{Context, Frame, Margin, Modal};

/// Draws the question while it is asked; sets how the window ends.
pub fn show(ctx: &Context, state: &mut State) {
    if !state.asks_close {
        return;
    }
    let theme = theme::of(ctx);
    let frame = Frame::popup(&ctx.global_style()).inner_margin(Margin::same(20));
    let modal = Modal::new(egui::Id::unique("close question")).frame(frame).backdrop_color(theme.scrim).show(ctx, |ui| {
        ui.set_width(440.0);
        ui.label(theme::text("Keep collecting without the window?", Face::Title, theme.text_strong));
        ui.add_space(space::UNIT);
        let text = "Services go on sending to this machine. Belvedere can receive and store in the background; starting it \
                    again shows the window";
        ui.label(theme::text(text, Face::Body, theme.text_subdued));
        ui.add_space(space::SECTION);
        let mut answer = None;
        ui.horizontal(|ui| {
            if Button::new("Keep collecting").kind(Kind::Primary).show(ui).clicked() {
                answer = Some(Ended::KeepCollecting);
            }
            if Button::new("Stop and quit").show(ui).clicked() {
                answer = Some(Ended::Quit);
            }
            if Button::new("Stay here").kind(Kind::Quiet).show(ui).clicked() {
                state.asks_close = false;
            }
        });
        answer
    });
    if modal.should_close() {
        state.asks_close = false;
    }
    if !state.asks_close {
        ctx.request_repaint();
    }
    if let Some(ended) = modal.inner {
        state.ended = Some(ended);
        state.asks_close = false;
        ctx.send_viewport_cmd(egui::ViewportCommand::Close);
    }
}
