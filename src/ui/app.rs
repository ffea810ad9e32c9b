//! The window's program: logic takes in what the engine has, a frame draws and collects requests, then they are carried out.

use super::act;
use super::command::Command;
use super::facts::Facts;
use super::nav::Place;
use super::shell::{close, palette, rail, shortcut_sheet, status_bar, toasts, top_bar};
use super::state::{Look, State};
use super::theme::{self, size::part};
use super::view::Request;
use super::views::Views;
use crate::engine::{DoorState, Engine};
use crate::model::UnixNanos;
use egui::{CentralPanel, Context, Frame, Id, Panel, Ui, ViewportCommand};
use jiff::tz::TimeZone;
use std::path::PathBuf;
use std::sync::Arc;
use std::task::{Wake, Waker};

/// Name of the program to the desktop; packages use it too.
pub const APP_ID: &str = "dev.belvedere.Belvedere";

/// How the window ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ended {
    /// The program is to stop.
    Quit,
    /// Go on without a window.
    KeepCollecting,
}

/// How the window opens.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Files to open in it.
    pub files: Vec<PathBuf>,
    /// Ask on close whether to keep collecting.
    pub may_keep_collecting: bool,
}

/// Why no window opened.
#[derive(Debug, thiserror::Error)]
#[error("the window cannot be opened: {0}. `belvedere serve` collects without one")]
pub struct NoWindow(String);

/// Opens the window and returns when it is closed. Blocks the main thread.
pub fn run(engine: Engine, options: Options) -> Result<Ended, NoWindow> {
    let native = eframe::NativeOptions {
        renderer: eframe::Renderer::Glow,
        viewport: egui::ViewportBuilder::default()
            .with_app_id(APP_ID)
            .with_title("Belvedere")
            .with_inner_size([1440.0, 900.0])
            .with_min_inner_size([1024.0, 700.0])
            .with_icon(super::mark::icon())
            .with_drag_and_drop(true),
        ..eframe::NativeOptions::default()
    };
    let ended = Arc::new(std::sync::Mutex::new(Ended::Quit));
    let its_ended = ended.clone();
    eframe::run_native(
        APP_ID,
        native,
        Box::new(move |creation| Ok(Box::new(Window { app: App::new(&creation.egui_ctx, engine, options), ended: its_ended }))),
    )
    .map_err(|error| NoWindow(error.to_string()))?;
    Ok(*ended.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
}

/// The app in an eframe window.
struct Window {
    app: App,
    ended: Arc<std::sync::Mutex<Ended>>,
}

impl eframe::App for Window {
    fn logic(&mut self, ctx: &Context, _frame: &mut eframe::Frame) {
        self.app.logic(ctx);
        if let Some(ended) = self.app.state.ended {
            *self.ended.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = ended;
        }
    }

    fn ui(&mut self, ui: &mut Ui, _frame: &mut eframe::Frame) {
        self.app.ui(ui);
    }

    fn clear_color(&self, _visuals: &egui::Visuals) -> [f32; 4] {
        self.app.state.theme.app.to_normalized_gamma_f32()
    }
}

/// The window without its frame of the desktop; tests drive it headless.
pub struct App {
    /// What the shell knows.
    pub state: State,
    views: Views,
    options: Options,
    title: String,
    /// Commands that wait for the view of the next frame.
    for_view: Vec<Command>,
    /// Tests set the clock.
    clock: fn() -> UnixNanos,
}

impl App {
    /// Opens over an engine in an egui context.
    pub fn new(ctx: &Context, engine: Engine, options: Options) -> Self {
        Self::with_zone(ctx, engine, options, TimeZone::system(), wall_clock)
    }

    /// As [`App::new`], with the zone and the clock given.
    pub fn with_zone(ctx: &Context, engine: Engine, options: Options, zone: TimeZone, clock: fn() -> UnixNanos) -> Self {
        theme::install(ctx);
        engine.set_waker(Waker::from(Arc::new(WakeWindow(ctx.clone()))));
        // The keys of zoom are commands of ours.
        ctx.options_mut(|options| options.zoom_with_keyboard = false);
        let mut state = State::new(engine, zone);
        for path in options.files.iter().cloned() {
            act::open_path(&mut state, path);
        }
        // Where the window was, unless it was asked for something else or there is nothing to see yet.
        if options.files.is_empty()
            && state.facts.has_data
            && let Some(place) = state.engine.setting(act::LAST_PLACE).and_then(|text| Place::read(&text))
        {
            state.requests.push(Request::Go(place));
        }
        Self { state, views: Views::default(), options, title: String::new(), for_view: Vec::new(), clock }
    }

    /// Replaces what the engine says; for tests and pictures.
    pub fn with_facts(mut self, facts: Facts) -> Self {
        self.state.facts = facts.frozen();
        self
    }

    /// Before a frame, and while the window is hidden: takes in what the engine has.
    pub fn logic(&mut self, ctx: &Context) {
        self.state.now = (self.clock)();
        if !self.state.facts.refresh(&self.state.engine) && !self.state.facts.frozen {
            // Read a moment ago; what has changed since must not wait for the next event.
            ctx.request_repaint_after(super::facts::EVERY);
        }
        act::harvest(&mut self.state);
        for request in self.state.engine.window_requests() {
            self.state.asks_close = false;
            request.files.into_iter().for_each(|path| act::open_path(&mut self.state, path));
            ctx.send_viewport_cmd(ViewportCommand::Minimized(false));
            ctx.send_viewport_cmd(ViewportCommand::Focus);
        }
        ctx.set_theme(match self.state.look {
            Look::System => egui::ThemePreference::System,
            Look::Dark => egui::ThemePreference::Dark,
            Look::Light => egui::ThemePreference::Light,
        });
        if self.state.engine.is_stopping() && self.state.ended.is_none() {
            self.state.ended = Some(Ended::Quit);
            ctx.send_viewport_cmd(ViewportCommand::Close);
        }
        if ctx.input(|input| input.viewport().close_requested()) && self.state.ended.is_none() && self.asks_on_close() {
            ctx.send_viewport_cmd(ViewportCommand::CancelClose);
            self.state.asks_close = true;
        }
    }

    fn asks_on_close(&self) -> bool {
        let open = |status: &crate::engine::DoorStatus| matches!(status.state, DoorState::Open(_));
        self.options.may_keep_collecting && self.state.facts.doors.iter().any(open)
    }

    /// Draws one frame and carries out what it asked for.
    pub fn ui(&mut self, ui: &mut Ui) {
        let ctx = ui.ctx().clone();
        self.state.theme = theme::of(&ctx);
        self.take_input(&ctx);
        let theme = self.state.theme;
        let panel = Frame::new().fill(theme.panel);
        let window = ui.max_rect().width();
        Panel::bottom(Id::unique("status"))
            .exact_size(part::STATUS_BAR)
            .resizable(false)
            .show_separator_line(false)
            .frame(panel)
            .show(ui, |ui| status_bar::show(ui, &mut self.state));
        let rail_width = rail::width(&self.state, window);
        Panel::left(Id::unique("rail")).exact_size(rail_width).resizable(false).show_separator_line(false).frame(panel).show(
            ui,
            |ui| {
                rail::show(ui, &mut self.state, &self.views);
            },
        );
        let screen = self.state.history.here().screen();
        if let Some(view) = self.views.of(screen) {
            Panel::top(Id::unique("top"))
                .exact_size(part::TOP_BAR)
                .resizable(false)
                .show_separator_line(false)
                .frame(panel)
                .show(ui, |ui| top_bar::show(ui, &mut self.state, view));
        }
        let commands = std::mem::take(&mut self.for_view);
        CentralPanel::default().frame(Frame::new().fill(theme.app)).show(ui, |ui| {
            if let Some(view) = self.views.of(screen) {
                ui.push_id(screen, |ui| top_bar::with_view_given(&mut self.state, &commands, |context| view.ui(ui, context)));
            }
        });
        self.over(&ctx);
        let asked = !self.state.requests.is_empty();
        act::carry_out(&ctx, &mut self.state, &mut self.views, &mut self.for_view);
        // What was carried out shows in the next frame, which nobody else may ask for.
        if asked || !self.for_view.is_empty() || !self.state.requests.is_empty() {
            ctx.request_repaint();
        }
        self.set_title(&ctx);
    }

    /// What lies over the views.
    fn over(&mut self, ctx: &Context) {
        let offered: Vec<Command> =
            Command::ALL.iter().copied().filter(|command| act::offered(*command, &self.state, &self.views)).collect();
        if let Some(mut open) = self.state.palette.take() {
            let (now, zone) = (self.state.now, &self.state.zone);
            let around = palette::Around { offered: offered.clone(), facts: &self.state.facts, now, zone };
            match open.show(ctx, &around) {
                None => self.state.palette = Some(open),
                Some(chosen) => {
                    self.state.requests.extend(chosen);
                    ctx.request_repaint();
                }
            }
        }
        shortcut_sheet::show(ctx, &mut self.state.sheet, |command| offered.contains(&command));
        close::show(ctx, &mut self.state);
        toasts::show(ctx, &mut self.state);
        toasts::drop_overlay(ctx);
    }

    /// Keys, pasted text and dropped files become requests.
    fn take_input(&mut self, ctx: &Context) {
        let modal = self.state.palette.is_some() || self.state.sheet || self.state.asks_close;
        let typing = ctx.text_edit_focused() || modal || egui::Popup::is_any_open(ctx);
        let offered: Vec<Command> =
            Command::ALL.iter().copied().filter(|command| act::offered(*command, &self.state, &self.views)).collect();
        let mut keyboard = std::mem::take(&mut self.state.keyboard);
        let commands = ctx.input_mut(|input| keyboard.take(input, typing, |command| offered.contains(&command)));
        self.state.keyboard = keyboard;
        for command in commands {
            if act::is_of_view(command, &self.state, &self.views) {
                self.for_view.push(command);
            } else {
                self.state.requests.push(Request::Run(command));
            }
        }
        let (pasted, dropped) = ctx.input(|input| {
            let pasted = input.events.iter().find_map(|event| match event {
                egui::Event::Paste(text) => Some(text.clone()),
                _ => None,
            });
            let dropped: Vec<PathBuf> = input.raw.dropped_files.iter().map(|file| file.path().to_owned()).collect();
            (pasted.filter(|_| !typing), dropped)
        });
        if let Some(text) = pasted {
            act::paste(&mut self.state, &self.views, &text);
        }
        if !dropped.is_empty() {
            self.state.requests.push(Request::Open(dropped));
        }
    }

    /// `POST /checkout 7f3a9c41 · Traces · shop — Belvedere`.
    fn set_title(&mut self, ctx: &Context) {
        let screen = self.state.history.here().screen();
        let Some(view) = self.views.get(screen) else { return };
        let name = self.state.facts.name_of(self.state.source);
        let parts = [view.subject(), screen.name().to_owned(), name];
        let joined = parts.iter().filter(|part| !part.is_empty()).map(String::as_str).collect::<Vec<_>>().join(" \u{b7} ");
        let title = format!("{joined} \u{2014} Belvedere");
        if title != self.title {
            ctx.send_viewport_cmd(ViewportCommand::Title(title.clone()));
            self.title = title;
        }
    }
}

/// Wakes the window from the engine's threads.
struct WakeWindow(Context);

impl Wake for WakeWindow {
    fn wake(self: Arc<Self>) {
        self.0.request_repaint();
    }
}

/// The wall clock, read once a frame at the edge.
fn wall_clock() -> UnixNanos {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    UnixNanos(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}
