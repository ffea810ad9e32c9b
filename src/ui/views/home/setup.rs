//! The set-up: pick a language, three steps with copy buttons, doors and counters beside them.

use super::cards;
use super::recipe::{self, Language, Ports, RecipeStep, Shell, Target};
use crate::ui::command::Command;
use crate::ui::theme::size::space;
use crate::ui::theme::{self, Face, Icon};
use crate::ui::view::{Request, ViewContext};
use crate::ui::widgets::{Button, Kind, Tab, card, code_block, code_text, hairline_below, tabs};
use egui::{Align, Layout, Rect, Sense, Ui, UiBuilder, pos2, vec2};
use std::collections::HashSet;
use std::path::PathBuf;

/// Height of the card of counters.
const RECEIVED: f32 = 112.0;
/// Height of the strip of languages.
const STRIP: f32 = 36.0;

/// State of the set-up.
#[derive(Default)]
pub struct Setup {
    language: Language,
    target: Target,
    /// Steps whose text was copied.
    copied: [bool; 3],
}

impl Setup {
    /// Draws it. `again` is true when there is data already.
    pub fn show(&mut self, ui: &mut Ui, ctx: &mut ViewContext<'_>, again: bool, gone: &HashSet<PathBuf>) {
        let collects = !ctx.facts.doors.is_empty();
        self.headline(ui, ctx, again, collects);
        cards::banners(ui, ctx);
        let width = ui.available_width();
        let right = if width >= 1000.0 { 420.0 } else { 320.0 };
        let left = width - right - space::SECTION;
        let origin = ui.cursor().min;
        let column = |x: f32, width: f32| {
            UiBuilder::new().id_salt(x as i32).max_rect(Rect::from_min_size(origin + vec2(x, 0.0), vec2(width, f32::INFINITY)))
        };
        let mut beside = ui.new_child(column(left + space::SECTION, right));
        let mut main = ui.new_child(column(0.0, left));
        beside.spacing_mut().item_spacing.y = 0.0;
        main.spacing_mut().item_spacing.y = 0.0;
        if collects {
            self.steps_card(&mut main, ctx, left);
            main.add_space(space::SECTION);
            cards::doors(&mut beside, ctx);
            beside.add_space(space::SECTION);
            cards::received(&mut beside, ctx, RECEIVED);
            beside.add_space(space::SECTION);
        }
        match ctx.facts.demo.filter(|_| collects) {
            None => cards::open_file(&mut main, ctx, cards::LOWER),
            Some(running) => {
                let half = (left - space::SECTION) / 2.0;
                let at = main.cursor().min;
                let place = |x: f32| {
                    let rect = Rect::from_min_size(at + vec2(x, 0.0), vec2(half, cards::LOWER));
                    UiBuilder::new().id_salt(("lower", x as i32)).max_rect(rect)
                };
                cards::open_file(&mut main.new_child(place(0.0)), ctx, cards::LOWER);
                cards::demo(&mut main.new_child(place(half + space::SECTION)), ctx, cards::LOWER, running);
                main.allocate_rect(Rect::from_min_size(at, vec2(left, cards::LOWER)), Sense::hover());
            }
        }
        // Both columns end together: the list of recent files takes what the left one leaves.
        let room = main.min_rect().height() - beside.min_rect().height();
        cards::recent(&mut beside, ctx, room.max(cards::LOWER), gone);
        let height = main.min_rect().height().max(beside.min_rect().height());
        ui.allocate_rect(Rect::from_min_size(origin, vec2(width, height)), Sense::hover());
    }

    fn headline(&self, ui: &mut Ui, ctx: &mut ViewContext<'_>, again: bool, collects: bool) {
        let theme = ctx.theme;
        let (title, note) = match (again, collects) {
            (true, _) => ("Add a source", "Point another service at this machine. Data stays in one local folder"),
            (false, true) => {
                ("Waiting for the first span", "Point any OpenTelemetry client at this machine. Data stays in one local folder")
            }
            (false, false) => ("Open a trace file", "Files are read where they are; nothing leaves this machine"),
        };
        let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), 56.0), Sense::hover());
        let mut left = ui.new_child(UiBuilder::new().id_salt("headline").max_rect(rect));
        left.spacing_mut().item_spacing.y = 4.0;
        left.label(theme::text(title, Face::Display, theme.text_strong));
        left.label(theme::text(note, Face::Body, theme.text_subdued));
        if collects {
            let layout = Layout::right_to_left(Align::Max);
            let mut right = ui.new_child(UiBuilder::new().id_salt("headline actions").max_rect(rect).layout(layout));
            let send = Button::new(Command::SendTestSpan.text()).icon(Icon::Send).hint(Command::SendTestSpan.hint());
            if send.show(&mut right).clicked() {
                ctx.run(Command::SendTestSpan);
            }
        }
        ui.add_space(20.0);
    }

    fn steps_card(&mut self, ui: &mut Ui, ctx: &mut ViewContext<'_>, width: f32) {
        let ports = Ports { http: ctx.facts.http_port() };
        let steps = recipe::steps(self.language, self.target, Shell::of_system(), ports);
        card(ui, |ui| {
            ui.set_width(width - 2.0);
            let (strip, _) = ui.allocate_exact_size(vec2(ui.available_width(), STRIP), Sense::hover());
            hairline_below(ui, strip);
            let inner = strip.shrink2(vec2(4.0, 0.0));
            let mut right =
                ui.new_child(UiBuilder::new().id_salt("copy all").max_rect(inner).layout(Layout::right_to_left(Align::Center)));
            if Button::new("Copy all").icon(Icon::Copy).small().kind(Kind::Quiet).show(&mut right).clicked() {
                let all: Vec<String> = steps.iter().map(|step| code_text(&step.code)).collect();
                ctx.requests.push(Request::Copy(all.join("\n"), "All steps".to_owned()));
                self.copied = [true; 3];
            }
            let mut left = ui.new_child(UiBuilder::new().id_salt("languages").max_rect(inner));
            let languages = Language::ALL.map(|language| Tab { value: language, text: language.name(), icon: None });
            if tabs(&mut left, STRIP, &mut self.language, &languages) {
                self.copied = [false; 3];
            }
            ui.add_space(space::SECTION);
            let got_anything = ctx.facts.pulse.received[..3].iter().any(|count| *count > 0);
            let count = steps.len();
            for (index, step) in steps.iter().enumerate() {
                let done = got_anything || self.copied.get(index).copied().unwrap_or(false);
                let current = !done && (0..index).all(|before| got_anything || self.copied[before]);
                let state = if done { Mark::Done } else { Mark::Number(index + 1, current) };
                self.step(ui, ctx, index, step, state);
            }
            numbered(ui, Mark::Number(count + 1, false), |ui| {
                let text = "This page moves on by itself when the first span arrives";
                ui.label(theme::text(text, Face::Body, ctx.theme.text_subdued));
            });
            ui.add_space(2.0);
        });
    }

    fn step(&mut self, ui: &mut Ui, ctx: &mut ViewContext<'_>, index: usize, step: &RecipeStep, mark: Mark) {
        let theme = ctx.theme;
        let is_settings = index == 1 && self.language.has_environment();
        numbered(ui, mark, |ui| {
            let (line, _) = ui.allocate_exact_size(vec2(ui.available_width(), 20.0), Sense::hover());
            let mut title =
                ui.new_child(UiBuilder::new().id_salt(step.title).max_rect(line).layout(Layout::left_to_right(Align::Center)));
            title.label(theme::text(step.title, Face::BodyMedium, theme.text_strong));
            if is_settings {
                let place = line.expand2(vec2(0.0, 2.0));
                let layout = Layout::right_to_left(Align::Center);
                let mut choice = ui.new_child(UiBuilder::new().id_salt("target").max_rect(place).layout(layout));
                target_choice(&mut choice, &mut self.target);
            }
            ui.add_space(6.0);
            let name = format!("Copy {}", step.title.to_lowercase());
            if let Some(text) = code_block(ui, &step.code, &name) {
                ctx.requests.push(Request::Copy(text, step.title.to_owned()));
                self.copied[index.min(2)] = true;
            }
            if is_settings && !ctx.facts.listens() {
                ui.add_space(6.0);
                let text = format!("Nothing listens on {} yet; the ports are chosen above", ctx.facts.http_port());
                ui.label(theme::text(text, Face::Small, theme.warn));
            }
            if is_settings && self.target != Target::Shell && !ctx.facts.receives_from_containers() {
                ui.add_space(6.0);
                ui.horizontal(|ui| {
                    let text = "Containers reach this machine once the doors listen on their bridge";
                    ui.label(theme::text(text, Face::Small, theme.text_faint));
                    if Button::new("Receive from containers").small().show(ui).clicked() {
                        ctx.requests.push(Request::Containers);
                    }
                });
            }
        });
    }
}

/// Where the service runs, from the right end; one is chosen.
fn target_choice(ui: &mut Ui, target: &mut Target) {
    ui.spacing_mut().item_spacing.x = 0.0;
    let chosen = *target;
    for (value, text) in [(Target::Compose, "Compose"), (Target::Container, "Container"), (Target::Shell, "Shell")] {
        let on = chosen == value;
        if Button::new(text).small().kind(Kind::Quiet).on(on).toggled(on).show(ui).clicked() {
            *target = value;
        }
    }
}

#[derive(Clone, Copy)]
enum Mark {
    Done,
    /// Number, and whether it is the one to do now.
    Number(usize, bool),
}

/// A numbered circle at the left, content at the right.
fn numbered(ui: &mut Ui, mark: Mark, content: impl FnOnce(&mut Ui)) {
    let theme = theme::of(ui.ctx());
    let origin = ui.cursor().min + vec2(space::SECTION, 0.0);
    let centre = origin + vec2(10.0, 10.0);
    match mark {
        Mark::Done => {
            ui.painter().circle_filled(centre, 10.0, theme.success_soft);
            Icon::Check.paint(ui.painter(), centre, 12.0, theme.success);
        }
        Mark::Number(number, current) => {
            let (fill, text) =
                if current { (theme.accent_fill, theme.text_on_accent) } else { (theme.raised, theme.text_subdued) };
            ui.painter().circle_filled(centre, 10.0, fill);
            let number = number.to_string();
            ui.painter().text(centre, egui::Align2::CENTER_CENTER, number, Face::Caption.font(), text);
        }
    }
    let width = ui.available_width() - 2.0 * space::SECTION - 32.0;
    let place = Rect::from_min_size(pos2(origin.x + 32.0, origin.y), vec2(width, f32::INFINITY));
    let mut child = ui.new_child(UiBuilder::new().id_salt(origin.y as i32).max_rect(place));
    child.spacing_mut().item_spacing.y = 0.0;
    content(&mut child);
    let height = child.min_rect().height().max(20.0);
    ui.allocate_exact_size(vec2(ui.available_width(), height + 14.0), Sense::hover());
}
