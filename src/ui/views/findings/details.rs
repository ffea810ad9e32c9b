//! The selected finding in full: what it means, its culprit, its cost, and the traces that show it.

use super::{FindingsView, kinds, small, text};
use crate::model::units;
use crate::ui::command::Command;
use crate::ui::nav::Place;
use crate::ui::theme::{self, Face, Icon, icon};
use crate::ui::view::{Request, ViewContext};
use crate::ui::widgets::{Button, IconButton, Kind, card_header, icon_button, link, section, service_label};
use egui::{Frame, Label, Margin, ScrollArea, Sense, Ui, vec2};

pub(super) fn show(view: &mut FindingsView, ui: &mut Ui, ctx: &mut ViewContext<'_>) {
    let theme = ctx.theme;
    let Some(finding) = view.chosen().cloned() else { return };
    ui.spacing_mut().item_spacing.y = 0.0;
    card_header(ui, kinds::title(finding.kind), |ui| {
        if icon_button(ui, Icon::Close, "Close details") {
            (view.details, view.sheet) = (view.sheet, false);
        }
    });
    ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
        Frame::new().inner_margin(Margin::same(12)).show(ui, |ui| {
            ui.spacing_mut().item_spacing.y = 6.0;
            ui.horizontal_top(|ui| {
                let (mark, tint) = kinds::mark(finding.kind, theme);
                let (place, _) = ui.allocate_exact_size(vec2(18.0, 20.0), Sense::hover());
                mark.paint(ui.painter(), place.center(), icon::SIZE, tint);
                ui.add(Label::new(theme::text(&finding.text, Face::BodyMedium, theme.text_strong)).wrap());
            });
            ui.add(Label::new(small(kinds::meaning(finding.kind), theme.text_subdued)).wrap());
            ui.add_space(6.0);
            actions(view, ui, ctx);
            ui.add_space(10.0);
            let row = |ui: &mut Ui, name: &str, value: &mut dyn FnMut(&mut Ui)| {
                ui.horizontal(|ui| {
                    ui.set_height(22.0);
                    let (place, _) = ui.allocate_exact_size(vec2(84.0, 20.0), Sense::hover());
                    let at = place.left_center();
                    ui.painter().text(at, egui::Align2::LEFT_CENTER, name, Face::Small.font(), theme.text_faint);
                    value(ui);
                });
            };
            ui.spacing_mut().item_spacing.y = 0.0;
            if !finding.service.is_empty() {
                row(ui, "Service", &mut |ui| {
                    service_label(ui, ctx.services, &finding.service, Face::Body, theme.text);
                });
            }
            if !finding.operation.is_empty() {
                row(ui, "Operation", &mut |ui| {
                    ui.add(Label::new(theme::text(&*finding.operation, Face::Body, theme.text)).truncate());
                });
            }
            if !finding.key.is_empty() {
                row(ui, &finding.key, &mut |ui| {
                    ui.add(Label::new(theme::text(&*finding.value, Face::Mono, theme.text)).truncate())
                        .on_hover_text(text::culprit(&finding));
                });
            }
            row(ui, "Count", &mut |ui| {
                ui.label(theme::text(units::exact_count(finding.count), Face::Body, theme.text));
            });
            if finding.saves_ns > 0 {
                row(ui, "Saves", &mut |ui| {
                    ui.label(theme::text(text::saving(&finding), Face::Body, theme.text));
                    ui.label(small("over all these traces", theme.text_faint));
                });
            }
            row(ui, "Cost", &mut |ui| {
                ui.label(theme::text(units::percent(finding.cost), Face::Body, theme.text));
                ui.label(small("of everything that was looked at", theme.text_faint));
            });
            ui.add_space(12.0);
            section(ui, "Traces that show it");
            ui.add_space(2.0);
            for (at, id) in finding.traces.iter().enumerate() {
                ui.horizontal(|ui| {
                    ui.set_height(24.0);
                    if link(ui, &id.to_string(), Face::Mono).on_hover_text("Open at the span that shows it").clicked() {
                        view.open(at, ctx);
                    }
                    if IconButton::new(Icon::Copy, &format!("Copy trace id {id}")).show(ui).clicked() {
                        ctx.requests.push(Request::Copy(id.to_string(), "Trace id".to_owned()));
                    }
                });
            }
        });
    });
}

fn actions(view: &mut FindingsView, ui: &mut Ui, ctx: &mut ViewContext<'_>) {
    let Some(finding) = view.chosen().cloned() else { return };
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing = vec2(6.0, 6.0);
        let keys = Command::OpenRow.key_caps();
        let some = !finding.traces.is_empty();
        if Button::new("Open example").kind(Kind::Primary).small().keys(keys).enabled(some).show(ui).clicked() {
            view.open(0, ctx);
        }
        if let Some(query) = text::query(&finding)
            && Button::new("Show traces").small().icon(Icon::Traces).hint(query.as_str()).show(ui).clicked()
        {
            ctx.go(Place::Traces { source: view.source, query });
        }
        let silenced = view.silenced.has(&finding);
        let word = if silenced { "Bring back" } else { "Silence" };
        let keys = Command::SilenceFinding.keys_text().unwrap_or_default();
        let icon = if silenced { Icon::Eye } else { Icon::EyeOff };
        let hint = format!("{}  {keys}", Command::SilenceFinding.hint());
        if Button::new(word).small().kind(Kind::Quiet).icon(icon).hint(hint).show(ui).clicked() {
            view.silence(ctx);
        }
    });
}
