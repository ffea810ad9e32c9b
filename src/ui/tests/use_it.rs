//! Uses the window as a person would: clicks, keys, the palette; every input is named, and at rest nothing is drawn.

use super::scene;
use crate::engine::Engine;
use crate::ui::app::{App, Options};
use crate::ui::facts::Facts;
use crate::ui::nav::{Place, Screen, SettingsPage};
use crate::ui::theme;
use crate::ui::view::{Level, Request, Toast};
use egui::{Key, Modifiers};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable;
use jiff::tz::TimeZone;
use std::time::Duration;

type Window = Harness<'static, Option<App>>;

/// A window over an engine; kittest refuses nameless inputs and missing glyphs in every step.
fn open(engine: Engine, facts: Facts) -> Window {
    let mut window = Harness::builder()
        .with_size((1440.0, 900.0))
        .with_max_steps(20)
        .with_step_dt(0.1)
        .with_context_setup(theme::install)
        .build_ui_state(
            move |ui, app: &mut Option<App>| {
                let app = app.get_or_insert_with(|| {
                    let (engine, facts) = (engine.clone(), facts.clone());
                    App::with_zone(ui.ctx(), engine, Options::default(), TimeZone::UTC, scene::now).with_facts(facts)
                });
                app.logic(&ui.ctx().clone());
                app.ui(ui);
            },
            None,
        );
    settle(&mut window);
    window
}

/// Runs until the answers that were asked for are there.
fn settle(window: &mut Window) {
    for _ in 0..5 {
        window.run_ok();
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn here(window: &Window) -> Place {
    window.state().as_ref().unwrap().state.history.here().clone()
}

fn with_data() -> Window {
    let engine = scene::shop();
    let facts = scene::receiving(&engine);
    open(engine, facts)
}

#[test]
fn the_rail_leads_to_every_screen_that_exists() {
    let mut window = with_data();
    for (label, screen) in [("Settings", Screen::Settings), ("Notifications", Screen::Notifications), ("Home", Screen::Home)] {
        window.get_by_label(label).click();
        settle(&mut window);
        assert_eq!(here(&window).screen(), screen, "{label}");
    }
    for missing in ["Alerts", "Dashboards", "On-call"] {
        assert!(window.query_by_label(missing).is_none(), "{missing} does not work yet and is not shown");
    }
}

#[test]
fn back_returns_and_keys_do_what_the_sheet_says() {
    let mut window = with_data();
    window.key_press(Key::G);
    window.run_ok();
    window.key_press(Key::N);
    settle(&mut window);
    assert_eq!(here(&window), Place::Notifications);
    window.key_press_modifiers(Modifiers::COMMAND, Key::Comma);
    settle(&mut window);
    assert_eq!(here(&window), Place::Settings(SettingsPage::Doors));
    window.key_press_modifiers(Modifiers::ALT, Key::ArrowLeft);
    settle(&mut window);
    assert_eq!(here(&window), Place::Notifications);
    window.key_press_modifiers(Modifiers::ALT, Key::ArrowRight);
    settle(&mut window);
    assert_eq!(here(&window), Place::Settings(SettingsPage::Doors));
    window.key_press(Key::F1);
    settle(&mut window);
    assert!(window.state().as_ref().unwrap().state.sheet);
    window.key_press(Key::Escape);
    settle(&mut window);
    assert!(!window.state().as_ref().unwrap().state.sheet);
}

#[test]
fn the_palette_finds_by_letters_and_enter_opens() {
    let mut window = with_data();
    window.key_press_modifiers(Modifiers::COMMAND, Key::K);
    settle(&mut window);
    window.event(egui::Event::Text("loss acc".to_owned()));
    settle(&mut window);
    window.key_press(Key::Enter);
    settle(&mut window);
    assert_eq!(here(&window), Place::Settings(SettingsPage::Storage));
    assert!(window.state().as_ref().unwrap().state.palette.is_none());
    // Letters belong to the open palette, not to commands.
    window.key_press_modifiers(Modifiers::COMMAND, Key::K);
    settle(&mut window);
    window.key_press(Key::G);
    window.run_ok();
    window.key_press(Key::H);
    settle(&mut window);
    assert_eq!(here(&window), Place::Settings(SettingsPage::Storage));
    window.key_press(Key::Escape);
    settle(&mut window);
    assert!(window.state().as_ref().unwrap().state.palette.is_none());
}

#[test]
fn every_page_names_its_inputs_and_rests_without_frames() {
    let mut window = with_data();
    window.state_mut().as_mut().unwrap().state.live = false;
    let pages =
        [SettingsPage::Doors, SettingsPage::Storage, SettingsPage::Redaction, SettingsPage::Appearance, SettingsPage::About];
    let mut places: Vec<Place> = pages.map(Place::Settings).to_vec();
    places.extend([Place::Notifications, Place::Home { setup: true }, Place::HOME]);
    for place in places {
        window.state_mut().as_mut().unwrap().state.requests.push(Request::Go(place.clone()));
        settle(&mut window);
        window.run();
        assert_eq!(here(&window), place);
        let delay = window.output().viewport_output[&egui::ViewportId::ROOT].repaint_delay;
        assert!(delay > Duration::from_secs(60), "{place:?} asks for a frame after {delay:?}");
    }
}

#[test]
fn set_up_steps_are_checked_off_as_they_are_copied() {
    let mut window = open(Engine::over(Vec::new()), scene::waiting());
    window.get_by_label("Python").click();
    settle(&mut window);
    window.get_by_label("Copy install").click();
    settle(&mut window);
    let copied = window.state().as_ref().unwrap().state.notices.kept().next().map(|notice| notice.toast.text.clone());
    assert_eq!(copied.as_deref(), Some("Install copied"));
    assert!(window.query_by_label("Send a test span").is_some());
}

#[test]
fn a_busy_port_is_moved_with_one_click() {
    let mut window = open(Engine::over(Vec::new()), scene::busy());
    window.get_by_label("Use 14317 and 14318").click();
    window.step();
    // This engine has no doors, so what it answers is an error that names the reason: the request did arrive.
    settle(&mut window);
    settle(&mut window);
    let said: Vec<String> =
        window.state().as_ref().unwrap().state.notices.kept().map(|notice| notice.toast.text.clone()).collect();
    assert!(said.iter().any(|text| text.contains("otlp-grpc")), "{said:?}");
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let mut window = with_data();
    let missing = std::path::PathBuf::from("/nowhere/missing.json");
    window.state_mut().as_mut().unwrap().state.requests.push(Request::Open(vec![missing]));
    settle(&mut window);
    settle(&mut window);
    let said = window.state().as_ref().unwrap().state.notices.kept().next().map(|notice| notice.toast.text.clone());
    assert!(said.is_some_and(|text| text.contains("/nowhere/missing.json")));
}

#[test]
fn a_toast_offers_its_action_and_goes_by_itself() {
    let mut window = with_data();
    let toast = Toast::new(Level::Info, "Gone").with_action("Look", Request::Go(Place::Notifications));
    window.state_mut().as_mut().unwrap().state.requests.push(Request::Toast(toast));
    settle(&mut window);
    window.get_by_label("Look").click();
    settle(&mut window);
    assert_eq!(here(&window), Place::Notifications);
    assert!(window.state().as_ref().unwrap().state.notices.shown().is_empty());
}

#[test]
fn the_window_opens_where_it_was() {
    let engine = scene::shop();
    let place = Place::Traces { source: crate::engine::WORKSPACE, query: "service = cart".to_owned() };
    engine.set_setting("window_place", &place.to_json().unwrap()).unwrap();
    let facts = scene::receiving(&engine);
    let mut window = open(engine, facts);
    settle(&mut window);
    assert_eq!(here(&window), place);
    window.key_press_modifiers(Modifiers::ALT, Key::ArrowLeft);
    settle(&mut window);
    assert_eq!(here(&window), Place::HOME);
}

#[test]
fn escape_leaves_nothing_over_the_views_in_the_very_frame() {
    let mut window = with_data();
    let layers = |window: &Window| window.ctx.memory(|memory| memory.areas().visible_layer_ids().len());
    let before = layers(&window);
    for key in [Key::K, Key::F1] {
        let modifiers = if key == Key::K { Modifiers::COMMAND } else { Modifiers::NONE };
        window.key_press_modifiers(modifiers, key);
        settle(&mut window);
        assert!(layers(&window) > before, "{key:?}");
        window.key_press(Key::Escape);
        settle(&mut window);
        assert_eq!(layers(&window), before, "{key:?}");
    }
}
