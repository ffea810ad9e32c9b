//! Every door with its state, its address to change, and the origins that may reach in.

use super::page_title;
use crate::engine::{DoorState, DoorStatus};
use crate::model::{Door, units};
use crate::ui::shell::status_bar::door_name;
use crate::ui::theme::size::space;
use crate::ui::theme::{self, Face};
use crate::ui::view::{Level, Request, ViewContext};
use crate::ui::views::home::speaks;
use crate::ui::widgets::{Button, card, card_header, dot, field, hairline_below, severity_badge};
use egui::{Align, Layout, Sense, Ui, UiBuilder, vec2};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Texts that are being edited, by door.
#[derive(Default)]
pub struct Doors {
    ports: BTreeMap<&'static str, String>,
}

impl Doors {
    /// Draws the page.
    pub fn show(&mut self, ui: &mut Ui, ctx: &mut ViewContext<'_>) {
        page_title(ui, "Doors", "Where data comes in. Doors listen on this machine only");
        if ctx.facts.doors.is_empty() {
            let theme = ctx.theme;
            let text = "No door is open: this window shows files only";
            ui.label(theme::text(text, Face::Body, theme.text_subdued));
            return;
        }
        let doors = ctx.facts.doors.clone();
        card(ui, |ui| {
            let last = doors.len().saturating_sub(1);
            for (index, status) in doors.iter().enumerate() {
                let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), 52.0), Sense::hover());
                if index != last {
                    hairline_below(ui, rect);
                }
                self.row(ui, ctx, rect.shrink2(vec2(space::CARD, 0.0)), status);
            }
        });
        ui.add_space(space::SECTION);
        containers(ui, ctx);
        origins(ui, ctx);
    }

    fn row(&mut self, ui: &mut Ui, ctx: &mut ViewContext<'_>, rect: egui::Rect, status: &DoorStatus) {
        let theme = ctx.theme;
        let name = status.door.name();
        let (colour, state, address) = match &status.state {
            DoorState::Closed => (theme.text_disabled, "closed".to_owned(), None),
            DoorState::Open(addresses) => {
                let all: Vec<String> = addresses.iter().map(ToString::to_string).collect();
                (theme.success, all.join(", "), addresses.first().copied())
            }
            DoorState::Busy { address, holder, .. } => {
                let who = if holder.is_empty() { "another program" } else { holder };
                (theme.error, format!("{} is used by {who}", address.port()), Some(*address))
            }
            DoorState::Failed(reason) => (theme.error, reason.clone(), None),
        };
        let layout = Layout::right_to_left(Align::Center);
        let mut row = ui.new_child(UiBuilder::new().id_salt(name).max_rect(rect).layout(layout));
        let now = address.map(|address| address.port().to_string()).unwrap_or_default();
        let usual = usual_port(status.door).map(|port| port.to_string()).unwrap_or_default();
        let text = self.ports.entry(name).or_insert_with(|| if now.is_empty() { usual } else { now.clone() });
        let port: Option<u16> = text.trim().parse().ok().filter(|port| *port > 0);
        let changed = text.trim() != now;
        let label = if address.is_some() { "Change" } else { "Open" };
        if changed || address.is_none() {
            let usable = port.filter(|_| changed);
            if Button::new(label).small().enabled(usable.is_some()).show(&mut row).clicked()
                && let Some(port) = usable
            {
                let ip = address.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |address| address.ip());
                ctx.requests.push(Request::ReopenDoor(status.door, SocketAddr::new(ip, port)));
            }
        }
        let field_name = format!("Port of {}", door_name(status.door));
        field(&mut row, text, &field_name, "port", None, 72.0);
        let counts = match status.rejected {
            0 => format!("{} received", units::count(status.received)),
            lost => format!("{} received, {} rejected", units::count(status.received), units::count(lost)),
        };
        let counted = if status.rejected > 0 { theme.error } else { theme.text_faint };
        if status.received + status.rejected > 0 {
            row.label(theme::text(counts, Face::Small, counted));
        }
        row.with_layout(Layout::left_to_right(Align::Center), |ui| {
            dot(ui, colour);
            ui.vertical(|ui| {
                ui.spacing_mut().item_spacing.y = 0.0;
                ui.spacing_mut().interact_size.y = 18.0;
                ui.add_space((ui.available_height() - 36.0).max(0.0) / 2.0);
                ui.horizontal(|ui| {
                    ui.label(theme::text(door_name(status.door), Face::BodyMedium, theme.text_strong));
                    ui.label(theme::text(speaks(status.door), Face::Small, theme.text_faint));
                });
                ui.add(egui::Label::new(theme::text(state, Face::MonoSmall, theme.text_subdued)).truncate());
            });
        });
    }
}

/// The port that clients of a door expect.
fn usual_port(door: Door) -> Option<u16> {
    match door {
        Door::OtlpGrpc => Some(4317),
        Door::OtlpHttp => Some(4318),
        Door::Api => Some(4319),
        Door::Zipkin => Some(9411),
        Door::JaegerThrift => Some(14268),
        Door::JaegerUdp => Some(6831),
        Door::Datadog => Some(8126),
        Door::Statsd => Some(8125),
        Door::Sampling => Some(5778),
        Door::Import | Door::Own | Door::Scrape => None,
    }
}

fn containers(ui: &mut Ui, ctx: &mut ViewContext<'_>) {
    let theme = ctx.theme;
    card(ui, |ui| {
        card_header(ui, "Containers", |_| {});
        let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), 52.0), Sense::hover());
        let inner = rect.shrink2(vec2(space::CARD, 0.0));
        let mut row = ui.new_child(UiBuilder::new().max_rect(inner).layout(Layout::right_to_left(Align::Center)));
        let on = ctx.facts.receives_from_containers();
        if on {
            severity_badge(&mut row, Level::Success, "containers reach the OTLP doors");
        } else if Button::new("Receive from containers").small().show(&mut row).clicked() {
            ctx.requests.push(Request::Containers);
        }
        row.with_layout(Layout::left_to_right(Align::Center), |ui| {
            let text = "Listens on the container bridge's gateway too, on nothing else";
            ui.add(egui::Label::new(theme::text(text, Face::Body, theme.text_subdued)).truncate());
        });
    });
    ui.add_space(space::SECTION);
}

fn origins(ui: &mut Ui, ctx: &mut ViewContext<'_>) {
    let theme = ctx.theme;
    card(ui, |ui| {
        card_header(ui, "Web pages that may send", |_| {});
        let allowed = ctx.engine.allowed_origins();
        let mut lines = vec!["Pages served from this machine".to_owned()];
        lines.extend(allowed);
        for line in lines {
            let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), 28.0), Sense::hover());
            let at = rect.left_center() + vec2(space::CARD, 0.0);
            ui.painter().text(at, egui::Align2::LEFT_CENTER, line, Face::Body.font(), theme.text);
        }
        ui.add_space(4.0);
    });
}
