//! Draws every state in both themes and both sizes. With `BELVEDERE_PICTURES=DIR` the pictures are kept there.

use super::scene;
use crate::engine::{Engine, WORKSPACE};
use crate::model::TraceId;
use crate::ui::app::{App, Options};
use crate::ui::command::Command;
use crate::ui::facts::Facts;
use crate::ui::nav::{CompareBy, Place, SettingsPage};
use crate::ui::offscreen::{Offscreen, Picture};
use crate::ui::state::Look;
use crate::ui::theme::Theme;
use crate::ui::view::{Level, Request, Toast};
use egui::vec2;
use jiff::tz::TimeZone;
use std::collections::HashSet;
use std::path::Path;

/// Default size and least size of the window.
const SIZES: [(f32, f32); 2] = [(1440.0, 900.0), (1024.0, 700.0)];

/// Draws the window in both themes and sizes after these requests; every picture must hold more than one surface.
fn draw(name: &str, engine: impl Fn() -> Engine, facts: impl Fn(&Engine) -> Facts, requests: &[Request]) {
    let folder = std::env::var_os("BELVEDERE_PICTURES");
    for dark in [true, false] {
        for (width, height) in SIZES {
            // Four pictures of each state take a while unoptimised: the least size in each theme is enough to see it drawn.
            if folder.is_none() && width > SIZES[1].0 {
                continue;
            }
            let picture = one(vec2(width, height), dark, &engine, &facts, requests);
            let theme = if dark { Theme::dark() } else { Theme::light() };
            assert_eq!((picture.width, picture.height), (width as usize, height as usize));
            let colours: HashSet<_> = picture.pixels.iter().step_by(7).collect();
            let covered = requests.iter().any(|request| matches!(request, Request::Run(_)));
            let background = colours.contains(&theme.app) || colours.contains(&theme.surface);
            assert!(covered || background, "{name}: the background shows");
            assert!(covered || colours.contains(&theme.panel), "{name}: rail and bars show");
            assert!(colours.len() > 20, "{name}: text is drawn");
            if let Some(folder) = &folder {
                let file = format!("{name}-{}-{width}.png", if dark { "dark" } else { "light" });
                picture.save(&Path::new(folder).join(file)).unwrap();
            }
        }
    }
}

fn one(
    size: egui::Vec2,
    dark: bool,
    engine: &impl Fn() -> Engine,
    facts: &impl Fn(&Engine) -> Facts,
    requests: &[Request],
) -> Picture {
    let mut screen = Offscreen::new(size, dark);
    let engine = engine();
    let facts = facts(&engine);
    let mut app = App::with_zone(&screen.ctx, engine, Options::default(), TimeZone::UTC, scene::now).with_facts(facts);
    app.state.look = if dark { Look::Dark } else { Look::Light };
    for colour in ["frontend", "checkout", "cart", "payment", "inventory", "postgres", "redis"] {
        app.state.services.of(colour);
    }
    app.state.requests.extend_from_slice(requests);
    let ctx = screen.ctx.clone();
    let mut frame = |screen: &mut Offscreen| {
        screen.frame(Vec::new(), |ui| {
            app.logic(&ctx);
            app.ui(ui);
        })
    };
    for _ in 0..6 {
        frame(&mut screen);
        std::thread::sleep(std::time::Duration::from_millis(30));
    }
    frame(&mut screen);
    screen.picture()
}

fn none() -> Engine {
    Engine::over(Vec::new())
}

#[test]
fn home_waits_for_the_first_span() {
    draw("home-waiting", none, |_| Facts { demo: Some(false), ..scene::waiting() }, &[]);
}

#[test]
fn home_names_busy_ports_and_refused_pages() {
    draw("home-busy", none, |_| scene::busy(), &[]);
}

#[test]
fn home_without_doors_offers_files() {
    draw("home-files", none, |_| Facts::default(), &[]);
}

#[test]
fn home_shows_services_once_there_is_data() {
    draw("home-overview", scene::shop, scene::receiving, &[]);
}

#[test]
fn the_palette_lies_over_the_view() {
    draw("palette", scene::shop, scene::receiving, &[Request::Run(Command::Palette)]);
}

#[test]
fn the_shortcut_sheet_lists_what_can_be_pressed() {
    draw("shortcuts", scene::shop, scene::receiving, &[Request::Run(Command::Shortcuts)]);
}

#[test]
fn settings_have_their_pages() {
    for (page, name) in [
        (SettingsPage::Doors, "settings-doors"),
        (SettingsPage::Storage, "settings-storage"),
        (SettingsPage::Redaction, "settings-redaction"),
        (SettingsPage::Appearance, "settings-appearance"),
        (SettingsPage::About, "settings-about"),
    ] {
        draw(name, scene::shop, scene::receiving, &[Request::Go(Place::Settings(page))]);
    }
}

#[test]
fn toasts_stand_above_the_status_bar_and_are_kept() {
    let undo = Toast::new(Level::Info, "All traces are cleared").with_action("Undo", Request::UndoStep(1));
    let error = Toast::new(Level::Error, "line 3: expected `}`, found end of file. Check that the file is whole: broken.json");
    let both = [Request::Toast(undo), Request::Toast(error), Request::Go(Place::Notifications)];
    draw("toasts", scene::shop, scene::receiving, &both);
}

#[test]
fn the_list_of_traces_is_drawn() {
    draw("traces", scene::shop, scene::receiving, &[Request::Go(Place::traces_of(WORKSPACE))]);
}

#[test]
fn the_list_of_traces_is_drawn_in_groups() {
    let shop = || {
        let engine = scene::shop();
        engine.set_setting("window_traces", "{\"group\": \"operation\"}").unwrap();
        engine
    };
    draw("traces-groups", shop, scene::receiving, &[Request::Go(Place::traces_of(WORKSPACE))]);
}

#[test]
fn a_trace_is_drawn_with_its_critical_path() {
    let id = TraceId::from_halves(7, 17 * 7_919 + 1);
    draw("trace", scene::shop, scene::receiving, &[Request::Go(Place::trace(WORKSPACE, id))]);
}

#[test]
fn the_header_inspector_is_drawn() {
    draw("headers", scene::shop, scene::receiving, &[Request::Go(Place::Headers)]);
}

#[test]
fn findings_are_drawn() {
    let place = Place::Findings { source: WORKSPACE, query: String::new() };
    draw("findings", scene::shop, scene::receiving, &[Request::Go(place)]);
}

#[test]
fn two_traces_are_drawn_beside_each_other() {
    let id = |trace: u64| TraceId::from_halves(7, trace * 7_919 + 1).to_string();
    let place = Place::Compare { source: WORKSPACE, by: CompareBy::Traces, a: id(3), b: id(85) };
    draw("compare", scene::shop, scene::receiving, &[Request::Go(place)]);
}
