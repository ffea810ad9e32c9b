//! Cards of Home: doors, what was received, open a file, recent files; banners for busy ports and wrong callers.

use crate::engine::{DoorState, DoorStatus};
use crate::model::{Door, units};
use crate::ui::command::Command;
use crate::ui::nav::{Place, SettingsPage};
use crate::ui::shell::status_bar::door_name;
use crate::ui::theme::size::{radius, space};
use crate::ui::theme::{self, Face, Icon, icon};
use crate::ui::view::{Request, ViewContext};
use crate::ui::widgets::{Button, IconButton, Kind, card, card_header, dot, hairline_below, icon_button, service_swatch, stat};
use egui::{Align, Frame, Layout, Margin, Rect, Sense, Stroke, Ui, UiBuilder, pos2, vec2};
use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Height of the cards of the lower row.
pub const LOWER: f32 = 232.0;
/// Services of the demo shop.
const DEMO: [&str; 9] = ["web", "frontend", "checkout", "cart", "payment", "inventory", "shipping", "recommendation", "email"];
/// Height of a row of the doors.
const DOOR: f32 = 44.0;

/// What a door takes.
pub fn speaks(door: Door) -> &'static str {
    match door {
        Door::OtlpGrpc => "traces, metrics, logs; HTTP too",
        Door::OtlpHttp => "protobuf and JSON; gRPC too",
        Door::Api => "local HTTP API",
        Door::Zipkin => "v2 and v1 JSON, protobuf",
        Door::JaegerThrift => "Thrift over HTTP",
        Door::JaegerUdp => "compact Thrift over UDP",
        Door::Datadog => "agent traces",
        Door::Statsd => "StatsD and DogStatsD over UDP",
        Door::Sampling => "Jaeger remote sampling",
        Door::Import | Door::Own | Door::Scrape => "",
    }
}

/// One banner for all busy ports, and a line for each client that came in a way that cannot work.
pub fn banners(ui: &mut Ui, ctx: &mut ViewContext<'_>) {
    let busy: Vec<(Door, SocketAddr, &str, Option<u16>)> = ctx
        .facts
        .doors
        .iter()
        .filter_map(|status| match &status.state {
            DoorState::Busy { address, holder, suggestion } => Some((status.door, *address, holder.as_str(), *suggestion)),
            _ => None,
        })
        .collect();
    if !busy.is_empty() {
        busy_banner(ui, ctx, &busy);
    }
    let callers = ctx.facts.wrong_callers.clone();
    for caller in callers.iter().take(3) {
        let theme = ctx.theme;
        banner(ui, Icon::Warn, theme.warn, theme.warn_soft, |ui| {
            let times = if caller.count > 1 { format!(" \u{d7}{}", units::count(caller.count)) } else { String::new() };
            let what = format!("{}{times}", caller.what);
            if let Some(origin) = &caller.origin
                && Button::new("Allow origin").small().show(ui).clicked()
            {
                ctx.requests.push(Request::AllowOrigin(origin.clone()));
            }
            (what, caller.fix.clone())
        });
    }
    if !callers.is_empty() || ctx.facts.doors.iter().any(|status| matches!(status.state, DoorState::Busy { .. })) {
        ui.add_space(space::CONTROL);
    }
}

fn busy_banner(ui: &mut Ui, ctx: &mut ViewContext<'_>, busy: &[(Door, SocketAddr, &str, Option<u16>)]) {
    let theme = ctx.theme;
    let join = |ports: Vec<String>| ports.join(" and ");
    let ports = join(busy.iter().map(|(_, address, ..)| address.port().to_string()).collect());
    let mut holders: Vec<&str> = busy.iter().map(|(_, _, holder, _)| *holder).filter(|holder| !holder.is_empty()).collect();
    holders.dedup();
    let who = if holders.is_empty() { "another program".to_owned() } else { holders.join(" and ") };
    let verb = if busy.len() == 1 { "is" } else { "are" };
    banner(ui, Icon::Error, theme.error, theme.error_soft, |ui| {
        let instead: Vec<(Door, SocketAddr)> = busy
            .iter()
            .filter_map(|(door, address, _, suggestion)| suggestion.map(|port| (*door, SocketAddr::new(address.ip(), port))))
            .collect();
        if !instead.is_empty() {
            let label = format!("Use {}", join(instead.iter().map(|(_, address)| address.port().to_string()).collect()));
            if Button::new(&label).small().show(ui).clicked() {
                ctx.requests.extend(instead.into_iter().map(|(door, address)| Request::ReopenDoor(door, address)));
            }
        }
        (format!("{ports} {verb} used by {who}"), "Tried again every 5 s; the other doors work".to_owned())
    });
}

/// A coloured line over the content: `right` draws its buttons from the right end and gives the two texts.
fn banner(
    ui: &mut Ui,
    shape: Icon,
    colour: egui::Color32,
    fill: egui::Color32,
    right: impl FnOnce(&mut Ui) -> (String, String),
) {
    let theme = theme::of(ui.ctx());
    let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), 40.0), Sense::hover());
    ui.painter().rect_filled(rect, radius::CARD, fill);
    shape.paint(ui.painter(), pos2(rect.left() + 20.0, rect.center().y), icon::SIZE, colour);
    let inner = Rect::from_min_max(rect.min + vec2(36.0, 0.0), rect.max - vec2(8.0, 0.0));
    let salt = ("banner", rect.top() as i32);
    let mut child = ui.new_child(UiBuilder::new().id_salt(salt).max_rect(inner).layout(Layout::right_to_left(Align::Center)));
    let (what, fix) = right(&mut child);
    child.add_space(8.0);
    child.with_layout(Layout::left_to_right(Align::Center), |ui| {
        ui.label(theme::text(what, Face::BodyMedium, theme.text_strong));
        ui.add(egui::Label::new(theme::text(fix, Face::Body, theme.text)).truncate());
    });
    ui.add_space(space::CONTROL);
}

/// Doors with state, address and copy. Closed ones are in the settings.
pub fn doors(ui: &mut Ui, ctx: &mut ViewContext<'_>) {
    let theme = ctx.theme;
    card(ui, |ui| {
        card_header(ui, "Listening on this machine", |ui| {
            let ports = Button::new("Ports").icon(Icon::Gear).small().kind(Kind::Quiet).hint("Settings of the doors");
            if ports.show(ui).clicked() {
                ctx.go(Place::Settings(SettingsPage::Doors));
            }
        });
        let shown = |status: &&DoorStatus| match status.state {
            DoorState::Closed => false,
            DoorState::Open(_) => !matches!(status.door, Door::Own | Door::Import),
            _ => true,
        };
        let doors: Vec<DoorStatus> = ctx.facts.doors.iter().filter(shown).cloned().collect();
        let last = doors.len().saturating_sub(1);
        for (index, status) in doors.iter().enumerate() {
            let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), DOOR), Sense::hover());
            if index != last {
                hairline_below(ui, rect);
            }
            door_row(ui, ctx, rect.shrink2(vec2(space::CARD, 0.0)), status);
        }
        if doors.is_empty() {
            let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), DOOR), Sense::hover());
            let text = "Every door is closed";
            ui.painter().text(
                rect.left_center() + vec2(space::CARD, 0.0),
                egui::Align2::LEFT_CENTER,
                text,
                Face::Body.font(),
                theme.text_subdued,
            );
        }
    });
}

fn door_row(ui: &mut Ui, ctx: &mut ViewContext<'_>, rect: Rect, status: &DoorStatus) {
    let theme = ctx.theme;
    let builder = UiBuilder::new().id_salt(status.door.name()).max_rect(rect).layout(Layout::right_to_left(Align::Center));
    let mut row = ui.new_child(builder);
    let (colour, note) = match &status.state {
        DoorState::Open(addresses) => {
            let port = addresses.first().map_or(0, SocketAddr::port);
            let address = format!("localhost:{port}");
            let name = format!("Copy address of {}", door_name(status.door));
            if IconButton::new(Icon::Copy, &name).show(&mut row).clicked() {
                ctx.requests.push(Request::Copy(format!("http://{address}"), "Address".to_owned()));
            }
            row.label(theme::text(address, Face::Mono, theme.text));
            (theme.success, speaks(status.door).to_owned())
        }
        DoorState::Busy { address, holder, suggestion } => {
            if let Some(port) = suggestion {
                let label = format!("Use {port}");
                if Button::new(&label).small().show(&mut row).clicked() {
                    let address = SocketAddr::new(address.ip(), *port);
                    ctx.requests.push(Request::ReopenDoor(status.door, address));
                }
            }
            let who = if holder.is_empty() { "another program" } else { holder };
            (theme.error, format!("{} is used by {who}", address.port()))
        }
        DoorState::Failed(reason) => (theme.error, reason.clone()),
        DoorState::Closed => (theme.text_disabled, "closed".to_owned()),
    };
    row.with_layout(Layout::left_to_right(Align::Center), |ui| {
        dot(ui, colour);
        ui.vertical(|ui| {
            ui.spacing_mut().item_spacing.y = 0.0;
            ui.add_space((ui.available_height() - 36.0).max(0.0) / 2.0);
            ui.label(theme::text(door_name(status.door), Face::BodyMedium, theme.text_strong));
            ui.add(egui::Label::new(theme::text(note, Face::Small, theme.text_faint)).truncate());
        });
    });
}

/// Counters since start.
pub fn received(ui: &mut Ui, ctx: &mut ViewContext<'_>, height: f32) {
    let theme = ctx.theme;
    let pulse = &ctx.facts.pulse;
    let rejected: u64 = ctx.facts.doors.iter().map(|status| status.rejected).sum();
    let started = pulse.started;
    let zone = ctx.zone;
    let mut storage = false;
    card(ui, |ui| {
        ui.set_min_height(height - 2.0);
        card_header(ui, "Received", |ui| {
            let text = format!("{} rejected", units::count(rejected));
            let colour = if rejected > 0 { theme.error } else { theme.text_faint };
            let response = ui.add(egui::Label::new(theme::text(text, Face::Small, colour)).sense(Sense::click()));
            storage = response.on_hover_text("By door and service").clicked();
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                ui.add_space(66.0);
                if started.0 > 0 {
                    let time: String = units::time_of_day(started, zone).chars().take(5).collect();
                    ui.label(theme::text(format!("since {time}"), Face::Small, theme.text_faint));
                }
            });
        });
        let names = match ui.available_width() >= 380.0 {
            true => ["spans", "metric points", "log records", "services"],
            false => ["spans", "points", "logs", "services"],
        };
        let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), (height - 34.0).max(72.0)), Sense::hover());
        let width = rect.width() / 4.0;
        for (index, (number, name)) in pulse.received.iter().zip(names).enumerate() {
            let left = rect.left() + width * index as f32;
            if index > 0 {
                theme::paint_hairline(ui, pos2(left, rect.top()), pos2(left, rect.bottom()));
            }
            let cell = Rect::from_min_size(pos2(left + 12.0, rect.top() + 10.0), vec2(width - 16.0, rect.height() - 12.0));
            let mut child = ui.new_child(UiBuilder::new().id_salt(name).max_rect(cell));
            stat(&mut child, &units::count(*number), name, &units::exact_count(*number));
        }
    });
    if storage {
        ctx.go(Place::Settings(SettingsPage::Storage));
    }
}

/// A card of the lower row with an icon in its title.
pub fn titled(ui: &mut Ui, height: f32, shape: Icon, title: &str, note: &str, content: impl FnOnce(&mut Ui)) {
    let theme = theme::of(ui.ctx());
    Frame::new()
        .fill(theme.surface)
        .stroke(Stroke::new(1.0, theme.hairline))
        .corner_radius(radius::CARD)
        .inner_margin(Margin { left: 16, right: 16, top: 14, bottom: 14 })
        .show(ui, |ui| {
            ui.set_width(ui.available_width());
            ui.set_height(height - 30.0);
            ui.spacing_mut().item_spacing.y = 0.0;
            ui.spacing_mut().interact_size.y = 20.0;
            ui.horizontal(|ui| {
                ui.spacing_mut().item_spacing.x = space::ICON_TEXT;
                let (rect, _) = ui.allocate_exact_size(vec2(16.0, 20.0), Sense::hover());
                shape.paint(ui.painter(), rect.center(), icon::SIZE, theme.text_strong);
                ui.label(theme::text(title, Face::Heading, theme.text_strong));
            });
            ui.add_space(2.0);
            ui.label(theme::text(note, Face::Small, theme.text_subdued));
            ui.add_space(10.0);
            content(ui);
        });
}

/// Open a file: drop zone, button, formats.
pub fn open_file(ui: &mut Ui, ctx: &mut ViewContext<'_>, height: f32) {
    let theme = ctx.theme;
    titled(ui, height, Icon::Folder, "Open a file", "format is detected, nothing to choose", |ui| {
        let zone_height = (ui.available_height() - 44.0).max(72.0);
        let (zone, _) = ui.allocate_exact_size(vec2(ui.available_width(), zone_height), Sense::hover());
        let outline = zone.shrink(0.5);
        let corners =
            [outline.left_top(), outline.right_top(), outline.right_bottom(), outline.left_bottom(), outline.left_top()];
        let stroke = Stroke::new(1.0, theme.hairline_strong);
        ui.painter().extend(egui::Shape::dashed_line(&corners, stroke, 3.0, 3.0));
        let wayland = std::env::var_os("WAYLAND_DISPLAY").is_some() && !cfg!(test);
        let hint = if wayland { "Open a file or paste JSON" } else { "Drop files here or paste JSON" };
        let centre = zone.center();
        ui.painter().text(centre - vec2(0.0, 17.0), egui::Align2::CENTER_CENTER, hint, Face::Body.font(), theme.text_subdued);
        let place = Rect::from_center_size(centre + vec2(0.0, 14.0), vec2(62.0, 24.0));
        let mut child = ui.new_child(UiBuilder::new().max_rect(place).layout(Layout::top_down(Align::Center)));
        if Button::new("Open\u{2026}").named(Command::OpenFile.text()).small().show(&mut child).clicked() {
            ctx.run(Command::OpenFile);
        }
        ui.add_space(10.0);
        let formats = "OTLP, Jaeger, Zipkin, Tempo, Chrome trace, X-Ray, Datadog, Go stdouttrace, zip, gz and zst";
        ui.add(egui::Label::new(theme::text(formats, Face::Small, theme.text_faint)).wrap());
    });
}

/// Run the demo shop.
pub fn demo(ui: &mut Ui, ctx: &mut ViewContext<'_>, height: f32, running: bool) {
    let theme = ctx.theme;
    titled(ui, height, Icon::Play, "Run the demo shop", "nine services on this machine that call each other", |ui| {
        ui.allocate_ui(vec2(ui.available_width(), (ui.available_height() - 28.0).max(48.0)), |ui| {
            ui.set_min_height(ui.available_height());
            ui.spacing_mut().item_spacing = vec2(6.0, 6.0);
            ui.horizontal_wrapped(|ui| {
                for name in DEMO {
                    let galley = ui.painter().layout_no_wrap(name.to_owned(), Face::Small.font(), theme.text);
                    let (rect, _) = ui.allocate_exact_size(vec2(galley.size().x + 28.0, 20.0), Sense::hover());
                    ui.painter().rect_filled(rect, radius::CHIP, theme.raised);
                    let swatch = Rect::from_min_size(rect.min + vec2(6.0, 5.0), vec2(10.0, 10.0));
                    let mut child = ui.new_child(UiBuilder::new().id_salt(name).max_rect(swatch));
                    service_swatch(&mut child, ctx.services, name);
                    ui.painter().galley(rect.min + vec2(22.0, 10.0 - galley.size().y / 2.0), galley, theme.text);
                }
            });
        });
        ui.horizontal(|ui| {
            let command = if running { Command::StopDemo } else { Command::StartDemo };
            let kind = if running { Kind::Plain } else { Kind::Primary };
            let label = if running { "Stop demo" } else { "Start demo" };
            if Button::new(label).kind(kind).hint(command.hint()).show(ui).clicked() {
                ctx.run(command);
            }
            let note = if running { "running" } else { "into this workspace, Clear takes it away" };
            ui.add(egui::Label::new(theme::text(note, Face::Small, theme.text_faint)).truncate());
        });
    });
}

/// Recent files; those that are `gone` are grey and can only be removed.
pub fn recent(ui: &mut Ui, ctx: &mut ViewContext<'_>, height: f32, gone: &HashSet<PathBuf>) {
    let theme = ctx.theme;
    let files = ctx.facts.recent.clone();
    card(ui, |ui| {
        ui.set_width(ui.available_width());
        ui.set_min_height(height - 2.0);
        card_header(ui, "Recent", |ui| {
            if !files.is_empty() && Button::new("Clear").small().kind(Kind::Quiet).show(ui).clicked() {
                ctx.requests.push(Request::ForgetRecent(None));
            }
        });
        ui.add_space(4.0);
        let room = ((height - 44.0) / 32.0).floor() as usize;
        for file in files.iter().take(room) {
            let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), 32.0), Sense::click());
            let name = file.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let missing = gone.contains(&file.path);
            response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, !missing, format!("Open {name}")));
            if response.hovered() || response.has_focus() {
                ui.painter().rect_filled(rect.shrink2(vec2(1.0, 0.0)), 0.0, theme.hover);
            }
            Icon::File.paint(ui.painter(), pos2(rect.left() + 20.0, rect.center().y), icon::SIZE, theme.text_subdued);
            let inner = Rect::from_min_max(rect.min + vec2(38.0, 0.0), rect.max - vec2(12.0, 0.0));
            let builder = UiBuilder::new().id_salt(&file.path).max_rect(inner).layout(Layout::right_to_left(Align::Center));
            let mut row = ui.new_child(builder);
            row.spacing_mut().item_spacing.x = 8.0;
            let hovered = missing || response.hovered() || row.rect_contains_pointer(rect);
            if hovered && icon_button(&mut row, Icon::Close, &format!("Remove {name} from the list")) {
                ctx.requests.push(Request::ForgetRecent(Some(file.path.clone())));
            }
            let note = if missing { "gone".to_owned() } else { units::ago(file.opened, ctx.now) };
            row.label(theme::text(note, Face::Small, theme.text_faint));
            row.with_layout(Layout::left_to_right(Align::Center), |ui| {
                let tint = if missing { theme.text_disabled } else { theme.text };
                ui.label(theme::text(&name, Face::BodyMedium, tint));
                let folder = folder_of(&file.path);
                ui.add(egui::Label::new(theme::text(folder, Face::Small, theme.text_faint)).truncate());
            });
            if response.on_hover_text(file.path.display().to_string()).clicked() && !missing {
                ctx.requests.push(Request::Open(vec![file.path.clone()]));
            }
        }
        if files.is_empty() {
            ui.add_space(space::CONTROL);
            ui.horizontal(|ui| {
                ui.add_space(space::CARD);
                ui.label(theme::text("Files that you open are listed here", Face::Body, theme.text_faint));
            });
        }
    });
}

/// The folder with the home directory as `~`.
fn folder_of(path: &Path) -> String {
    let folder = path.parent().map(|folder| folder.display().to_string()).unwrap_or_default();
    let home = directories::BaseDirs::new().map(|dirs| dirs.home_dir().display().to_string());
    match home.and_then(|home| folder.strip_prefix(&home).map(str::to_owned)) {
        Some(rest) => format!("~{rest}"),
        None => folder,
    }
}
