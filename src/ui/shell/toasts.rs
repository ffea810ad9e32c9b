//! Toasts at the bottom right above the status bar, and the overlay while files are dragged over the window.

use crate::ui::state::State;
use crate::ui::theme::size::{part, radius, space};
use crate::ui::theme::{self, Face, Icon, icon};
use crate::ui::view::Level;
use crate::ui::widgets::{Button, IconButton, Kind};
use egui::{Align, Area, Context, Frame, Layout, Margin, Order, Stroke, pos2, vec2};

/// Draws the toasts; lets their time pass and wakes the window when the next one ends.
pub fn show(ctx: &Context, state: &mut State) {
    let screen = ctx.content_rect();
    let mut bottom = screen.bottom() - part::STATUS_BAR - space::PANEL;
    let mut hovered = None;
    let (mut dismissed, mut request) = (None, None);
    let shown: Vec<_> = state.notices.shown().to_vec();
    for shown in shown.iter().rev() {
        let theme = theme::of(ctx);
        let (shape, colour) = match shown.toast.level {
            Level::Info => (Icon::Info, theme.info),
            Level::Success => (Icon::Ok, theme.success),
            Level::Warn => (Icon::Warn, theme.warn),
            Level::Error => (Icon::Error, theme.error),
        };
        let area = Area::new(egui::Id::unique(("toast", shown.id)))
            .order(Order::Foreground)
            .pivot(egui::Align2::RIGHT_BOTTOM)
            .fixed_pos(pos2(screen.right() - space::PANEL, bottom));
        let response = area.show(ctx, |ui| {
            Frame::new()
                .fill(theme.raised)
                .stroke(Stroke::new(1.0, theme.hairline_strong))
                .corner_radius(radius::POPUP)
                .shadow(egui::Shadow { offset: [0, 4], blur: 8, spread: 0, color: theme.shadow })
                .inner_margin(Margin { left: 12, right: 6, top: 8, bottom: 8 })
                .show(ui, |ui| {
                    ui.set_width(part::TOAST - 18.0);
                    ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                        ui.spacing_mut().item_spacing.x = 4.0;
                        if IconButton::new(Icon::Close, "Dismiss").show(ui).clicked() {
                            dismissed = Some(shown.id);
                        }
                        if let Some((label, wanted)) = &shown.toast.action
                            && Button::new(label).small().kind(Kind::Quiet).tint(theme.accent).show(ui).clicked()
                        {
                            request = Some(wanted.as_ref().clone());
                            dismissed = Some(shown.id);
                        }
                        ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                            ui.spacing_mut().item_spacing.x = 8.0;
                            let (rect, _) = ui.allocate_exact_size(vec2(16.0, 24.0), egui::Sense::hover());
                            shape.paint(ui.painter(), rect.center(), icon::SIZE, colour);
                            let text = theme::text(&shown.toast.text, Face::Body, theme.text_strong);
                            ui.add(egui::Label::new(text).wrap());
                        });
                    });
                });
        });
        if ctx.pointer_hover_pos().is_some_and(|at| response.response.rect.contains(at)) {
            hovered = Some(shown.id);
        }
        bottom = response.response.rect.top() - space::CONTROL;
    }
    if let Some(id) = dismissed {
        state.notices.dismiss(id);
    }
    state.requests.extend(request);
    let seconds = f64::from(ctx.input(|input| input.stable_dt.min(1.0)));
    state.notices.pass(seconds, hovered);
    if let Some(next) = state.notices.shown().iter().map(|shown| shown.left_s).reduce(f64::min) {
        ctx.request_repaint_after(std::time::Duration::from_secs_f64(next.clamp(0.05, 0.5)));
    }
}

/// Says what dropping does while files hang over the window.
pub fn drop_overlay(ctx: &Context) {
    let hovering = ctx.input(|input| input.raw.hovered_files.len());
    if hovering == 0 {
        return;
    }
    let theme = theme::of(ctx);
    let screen = ctx.content_rect();
    let painter = ctx.layer_painter(egui::LayerId::new(Order::Foreground, egui::Id::unique("drop overlay")));
    painter.rect_filled(screen, 0.0, theme.scrim);
    let frame = egui::Rect::from_center_size(screen.center(), vec2(480.0, 180.0));
    painter.rect(frame, radius::POPUP, theme.raised, Stroke::new(1.5, theme.accent), egui::StrokeKind::Inside);
    Icon::Folder.paint(&painter, frame.center() - vec2(0.0, 36.0), 32.0, theme.accent);
    let title = if hovering == 1 { "Drop to open".to_owned() } else { format!("Drop to open {hovering} files") };
    let at = frame.center();
    painter.text(at + vec2(0.0, 6.0), egui::Align2::CENTER_CENTER, title, Face::Title.font(), theme.text_strong);
    let formats = "OTLP, Jaeger, Zipkin, Tempo, Chrome trace, X-Ray, Datadog, Go stdouttrace";
    painter.text(at + vec2(0.0, 34.0), egui::Align2::CENTER_CENTER, formats, Face::Small.font(), theme.text_subdued);
    painter.text(
        at + vec2(0.0, 54.0),
        egui::Align2::CENTER_CENTER,
        "plain, gz, zst and zip",
        Face::Small.font(),
        theme.text_faint,
    );
}
