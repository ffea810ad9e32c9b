//! Carries out what was asked for during a frame, in one place, after drawing.

use super::command::Command;
use super::nav::{Place, Screen, read_link};
use super::range::Range;
use super::shell::palette::{Palette, trace_id_in};
use super::shell::rail;
use super::state::{Look, Opening, State, Step};
use super::view::{Level, Request, Toast};
use super::views::Views;
use crate::engine::{ClearWhat, Engine, Query, SourceId, WORKSPACE};
use crate::model::units;
use egui::{Context, ViewportCommand};
use std::path::PathBuf;

/// Interface zoom in per cent, least and most.
const ZOOM: (u32, u32) = (70, 200);
/// Pasted text of more than this is not looked at; a file is the way for it.
const LARGEST_PASTE: usize = 64 << 20;

/// Key of the place where the window was, in the settings of a workspace.
pub const LAST_PLACE: &str = "window_place";

/// True for commands that can be given now.
pub fn offered(command: Command, state: &State, views: &Views) -> bool {
    let has_doors = !state.facts.doors.is_empty();
    let here = state.history.here().screen();
    match command {
        Command::GoHome
        | Command::GoSettings
        | Command::GoNotifications
        | Command::Palette
        | Command::PaletteCommands
        | Command::Menu
        | Command::OpenFile
        | Command::PasteTrace
        | Command::ToggleRail
        | Command::Shortcuts
        | Command::ThemeDark
        | Command::ThemeLight
        | Command::ThemeSystem
        | Command::ZoomUiIn
        | Command::ZoomUiOut
        | Command::ZoomUiReset => true,
        Command::GoTraces => views.has(Screen::Traces),
        Command::GoFindings => views.has(Screen::Findings),
        Command::GoMetrics => views.has(Screen::Explore),
        Command::GoCompare => views.has(Screen::Compare),
        Command::GoHeaders => views.has(Screen::Headers),
        Command::Back => state.history.can_back(),
        Command::Forward => state.history.can_forward(),
        Command::CloseFile => state.source != WORKSPACE,
        Command::ClearAll => state.facts.workspace.is_some() && state.facts.has_data,
        Command::SendTestSpan => has_doors,
        Command::StartDemo => has_doors && state.engine.has_demo() && !state.engine.demo_runs(),
        Command::StopDemo => state.engine.demo_runs(),
        Command::Undo => !state.steps.is_empty(),
        Command::ToggleLive | Command::RangeEarlier | Command::RangeLater | Command::RangeWider => {
            views.get(here).is_some_and(|view| view.uses_range())
        }
        other => views.get(here).is_some_and(|view| view.supports(other)),
    }
}

/// True for commands that the view carries out itself.
pub fn is_of_view(command: Command, state: &State, views: &Views) -> bool {
    views.get(state.history.here().screen()).is_some_and(|view| view.supports(command))
}

/// Carries out every request; views hear of new places afterwards.
pub fn carry_out(ctx: &Context, state: &mut State, views: &mut Views, for_view: &mut Vec<Command>) {
    // A request may lead to another; two rounds are as deep as they go.
    for _ in 0..3 {
        for request in std::mem::take(&mut state.requests) {
            one(ctx, state, views, for_view, request);
        }
    }
}

fn one(ctx: &Context, state: &mut State, views: &mut Views, for_view: &mut Vec<Command>, request: Request) {
    match request {
        Request::Go(place) => {
            state.history.go(place);
            arrived(state, views);
        }
        Request::Adjust(place) => state.history.adjust(place),
        Request::Run(command) if is_of_view(command, state, views) => for_view.push(command),
        Request::Run(command) => run(ctx, state, views, command),
        Request::Toast(toast) => state.notices.push(toast, state.now),
        Request::SetRange(range) => set_range(state, range),
        Request::Zoom(range) => {
            let undo = state.undoable(Step::Range(state.range, state.live));
            let was_live = state.live;
            set_range(state, Range::Between(range));
            if was_live {
                let toast = Toast::new(Level::Info, "The range stands still, Live is off");
                state.notices.push(toast.with_action("Undo", Request::UndoStep(undo)), state.now);
            }
        }
        Request::SetLive(live) => state.live = live,
        Request::SetSource(source) => {
            state.source = source;
            if source != WORKSPACE {
                state.range = Range::All;
            } else if state.range == Range::All {
                state.range = Range::default();
            }
            let place = match state.history.here() {
                Place::Traces { query, .. } => Place::Traces { source, query: query.clone() },
                Place::Findings { query, .. } => Place::Findings { source, query: query.clone() },
                _ => Place::traces_of(source),
            };
            if views.has(place.screen()) {
                state.history.go(place);
                arrived(state, views);
            }
        }
        Request::Copy(text, name) => {
            ctx.copy_text(text);
            state.notices.push(Toast::new(Level::Info, format!("{name} copied")), state.now);
        }
        Request::Open(paths) => paths.into_iter().for_each(|path| open_path(state, path)),
        Request::Close(source) => close(state, views, source),
        Request::ClearService(service) => clear(state, ClearWhat::Service(service)),
        Request::Unhide(rule) => state.in_background(move |engine| engine.unhide(rule)),
        Request::UndoStep(number) => undo(state, number),
        Request::Import(source) => {
            let name = state.facts.name_of(source);
            let query = state.engine.import_source(source);
            state.imports.push((name, query));
        }
        Request::Workspace(dir, switch) => {
            let name = dir.file_name().map_or_else(|| dir.display().to_string(), |name| name.to_string_lossy().into_owned());
            let query = match switch {
                true => state.engine.switch_workspace(dir.clone()),
                false => state.engine.open_workspace(dir.clone()),
            };
            state.opening.push(Opening { name, path: None, query, switch });
        }
        Request::ReopenDoor(door, address) => {
            state.in_background(move |engine| engine.reopen_door(door, address));
            state.facts.expire();
        }
        Request::AllowOrigin(origin) => {
            let text = format!("Pages of {origin} may send data now");
            state.in_background(move |engine| engine.allow_origin(&origin));
            state.notices.push(Toast::new(Level::Success, text), state.now);
            state.facts.expire();
        }
        Request::Containers => {
            state.in_background(|engine| engine.receive_from_containers().map(drop));
            state.facts.expire();
        }
        Request::ForgetRecent(path) => {
            let paths: Vec<PathBuf> = match path {
                Some(path) => vec![path],
                None => state.facts.recent.iter().map(|recent| recent.path.clone()).collect(),
            };
            state.in_background(move |engine| paths.iter().try_for_each(|path| engine.forget_recent(path)));
            state.facts.expire();
        }
        Request::Look(look) => {
            state.look = look;
            state.keep_looks();
        }
        Request::ZoomUi(percent) => zoom(ctx, percent),
        Request::ClearNotices => state.notices.clear(),
        Request::KeepUndoable { key, value, said } => {
            let before = state.engine.setting(key).unwrap_or_default();
            let number = state.undoable(Step::Setting(key, before));
            let toast = Toast::new(Level::Info, said).with_action("Undo", Request::UndoStep(number));
            state.notices.push(toast, state.now);
            state.in_background(move |engine| engine.set_setting(key, &value));
        }
        Request::Keep(key, value) => state.in_background(move |engine| engine.set_setting(key, &value)),
        Request::MaskKeys(keys) => state.in_background(move |engine| engine.set_masked_keys(&keys)),
    }
}

fn run(ctx: &Context, state: &mut State, views: &mut Views, command: Command) {
    let percent = (ctx.zoom_factor() * 100.0).round() as u32;
    match command {
        Command::GoHome
        | Command::GoTraces
        | Command::GoFindings
        | Command::GoMetrics
        | Command::GoCompare
        | Command::GoHeaders
        | Command::GoSettings
        | Command::GoNotifications => {
            if let Some(place) = rail::place_of(command, state) {
                state.history.go(place);
                arrived(state, views);
            }
        }
        Command::Back if state.history.back() => arrived(state, views),
        Command::Forward if state.history.forward() => arrived(state, views),
        Command::Palette => state.palette = Some(Palette::open(&state.engine, state.source, "")),
        Command::PaletteCommands | Command::Menu => state.palette = Some(Palette::open(&state.engine, state.source, ">")),
        Command::OpenFile => choose_files(ctx, state),
        Command::PasteTrace => ctx.send_viewport_cmd(ViewportCommand::RequestPaste),
        Command::CloseFile => close(state, views, state.source),
        Command::ClearAll => clear(state, ClearWhat::All),
        Command::SendTestSpan => state.test_span = state.engine.send_test_span(),
        Command::StartDemo => state.in_background(Engine::start_demo),
        Command::StopDemo => state.engine.stop_demo(),
        Command::Undo => {
            if let Some(number) = state.steps.last().map(|(number, _)| *number) {
                undo(state, number);
            }
        }
        Command::ToggleRail => {
            state.rail_collapsed = !state.rail_collapsed;
            state.keep_looks();
        }
        Command::Shortcuts => state.sheet = !state.sheet,
        Command::ThemeDark => state.requests.push(Request::Look(Look::Dark)),
        Command::ThemeLight => state.requests.push(Request::Look(Look::Light)),
        Command::ThemeSystem => state.requests.push(Request::Look(Look::System)),
        Command::ZoomUiIn => zoom(ctx, percent + 10),
        Command::ZoomUiOut => zoom(ctx, percent.saturating_sub(10)),
        Command::ZoomUiReset => zoom(ctx, 100),
        Command::ToggleLive => state.live = !state.live,
        Command::RangeEarlier => shift(state, -1),
        Command::RangeLater => shift(state, 1),
        Command::RangeWider => {
            let extent = extent(state);
            let range = state.range.widened(state.now, extent);
            set_range(state, range);
        }
        _ => {}
    }
}

fn extent(state: &State) -> Option<crate::source::TimeRange> {
    state.facts.source(state.source).and_then(|source| source.spans.extent())
}

fn shift(state: &mut State, half_steps: i64) {
    let range = state.range.shifted(half_steps, state.now, extent(state));
    set_range(state, range);
}

fn set_range(state: &mut State, range: Range) {
    state.range = range;
    if matches!(range, Range::Between(_)) {
        state.live = false;
    }
}

fn zoom(ctx: &Context, percent: u32) {
    ctx.set_zoom_factor(percent.clamp(ZOOM.0, ZOOM.1) as f32 / 100.0);
}

/// The window came to another place: the source follows it and its view hears of it.
fn arrived(state: &mut State, views: &mut Views) {
    let place = state.history.here().clone();
    if matches!(place, Place::Traces { .. } | Place::Trace { .. } | Place::Findings { .. } | Place::Compare { .. }) {
        state.source = place.source();
    }
    if place == Place::Notifications {
        state.notices.mark_read();
    }
    if let Some(text) = place.to_json() {
        state.in_background(move |engine| engine.set_setting(LAST_PLACE, &text));
    }
    if let Some(view) = views.of(place.screen()) {
        super::shell::top_bar::with_view(state, |context| view.arrive(&place, context));
    }
}

/// Opens a file, a folder being a workspace, a link being a trace of the workspace.
pub fn open_path(state: &mut State, path: PathBuf) {
    if let Some((id, span)) = path.to_str().and_then(read_link) {
        state.requests.push(Request::Go(Place::Trace { source: WORKSPACE, id, span }));
        return;
    }
    let name = path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned());
    let query = if path.is_dir() { state.engine.open_workspace(path.clone()) } else { state.engine.open_file(path.clone()) };
    state.opening.push(Opening { name, path: Some(path), query, switch: false });
}

/// Pasted text outside a field: a link, a trace id, a traceparent, or the text of a trace file.
pub fn paste(state: &mut State, views: &Views, text: &str) {
    if let Some((id, span)) = read_link(text) {
        state.requests.push(Request::Go(Place::Trace { source: state.source, id, span }));
        return;
    }
    if let Some(id) = trace_id_in(text) {
        if views.has(Screen::Trace) {
            state.requests.push(Request::Go(Place::trace(state.source, id)));
        }
        return;
    }
    let looks_like_a_file = text.trim_start().starts_with(['{', '[']);
    if looks_like_a_file && text.len() <= LARGEST_PASTE {
        let query = state.engine.open_text("pasted", text.to_owned());
        state.opening.push(Opening { name: "pasted text".to_owned(), path: None, query, switch: false });
    } else {
        let toast = Toast::new(Level::Warn, "What was pasted is no link, trace id, traceparent or JSON of traces");
        state.notices.push(toast, state.now);
    }
}

fn choose_files(ctx: &Context, state: &State) {
    let (sender, ctx) = (state.chosen.0.clone(), ctx.clone());
    let spawned = std::thread::Builder::new().name("file dialog".to_owned()).spawn(move || {
        if let Some(paths) = rfd::FileDialog::new().set_title("Open trace files").pick_files()
            && sender.send(paths).is_ok()
        {
            ctx.request_repaint();
        }
    });
    if let Err(error) = spawned {
        tracing::error!(%error, "no file dialog");
    }
}

fn close(state: &mut State, views: &mut Views, source: SourceId) {
    if source == WORKSPACE {
        return;
    }
    state.engine.close_source(source);
    state.facts.expire();
    let was_here = state.history.here().clone();
    state.history.forget(source);
    if state.source == source {
        state.source = WORKSPACE;
        state.range = Range::default();
    }
    if *state.history.here() != was_here {
        arrived(state, views);
    }
}

fn clear(state: &mut State, what: ClearWhat) {
    let text = match &what {
        ClearWhat::All => "All traces are cleared".to_owned(),
        ClearWhat::Service(service) => format!("Spans of {service} are cleared"),
    };
    let toast = match state.engine.clear(what) {
        Ok(id) => {
            let number = state.undoable(Step::Clear(id));
            Toast::new(Level::Info, text).with_action("Undo", Request::UndoStep(number))
        }
        Err(error) => Toast::new(Level::Error, error.to_string()),
    };
    state.notices.push(toast, state.now);
    state.facts.expire();
}

fn undo(state: &mut State, number: u64) {
    let Some(index) = state.steps.iter().position(|(known, _)| *known == number) else { return };
    match state.steps.remove(index).1 {
        Step::Clear(id) => {
            if let Err(error) = state.engine.undo_clear(id) {
                state.notices.push(Toast::new(Level::Error, error.to_string()), state.now);
            }
            state.facts.expire();
        }
        Step::Setting(key, before) => state.in_background(move |engine| engine.set_setting(key, &before)),
        Step::Range(range, live) => {
            state.range = range;
            state.live = live;
        }
    }
}

/// Takes in what finished in the background: opened files, imports, the test span, writes.
pub fn harvest(state: &mut State) {
    for problem in state.engine.take_problems() {
        state.notices.push(Toast::new(Level::Error, problem), state.now);
    }
    let mut opening = std::mem::take(&mut state.opening);
    opening.retain_mut(|opening| !opened(state, opening));
    state.opening.append(&mut opening);
    let mut imports = std::mem::take(&mut state.imports);
    imports.retain_mut(|(name, query)| {
        query.poll();
        let toast = match query {
            Query::Ready(report) => {
                let (spans, traces) = (units::count(report.spans), units::count(report.traces));
                Toast::new(Level::Success, format!("{spans} spans of {traces} traces imported from {name}"))
            }
            Query::Failed(error) => Toast::new(Level::Error, error.to_string()),
            _ => return true,
        };
        state.notices.push(toast, state.now);
        false
    });
    state.imports.append(&mut imports);
    if state.test_span.poll() {
        match &std::mem::take(&mut state.test_span) {
            Query::Ready(id) => state.requests.push(Request::Go(Place::trace(WORKSPACE, **id))),
            Query::Failed(error) => state.notices.push(Toast::new(Level::Error, error.to_string()), state.now),
            _ => {}
        }
    }
    let mut background = std::mem::take(&mut state.background);
    background.retain_mut(|query| {
        query.poll();
        if let Query::Failed(error) = query {
            state.notices.push(Toast::new(Level::Error, error.to_string()), state.now);
        }
        query.is_running()
    });
    state.background.append(&mut background);
    while let Ok(paths) = state.chosen.1.try_recv() {
        paths.into_iter().for_each(|path| open_path(state, path));
    }
}

/// True when it is done, well or not.
fn opened(state: &mut State, opening: &mut Opening) -> bool {
    opening.query.poll();
    match &opening.query {
        Query::Ready(source) => {
            state.facts.expire();
            if opening.switch {
                state.history = super::nav::History::default();
                state.source = WORKSPACE;
                let text = format!("Workspace {} is open", opening.name);
                state.notices.push(Toast::new(Level::Success, text), state.now);
                return true;
            }
            if let Some(report) = source.report.as_ref().filter(|report| report.rejected > 0) {
                let first = report.problems.first().map(|problem| format!(": {problem}")).unwrap_or_default();
                let count = units::count(report.rejected);
                let text = format!("{count} records of {} could not be read{first}", opening.name);
                state.notices.push(Toast::new(Level::Warn, text), state.now);
            }
            state.requests.push(Request::SetSource(source.id));
            true
        }
        Query::Failed(error) => {
            state.notices.push(Toast::new(Level::Error, error.to_string()), state.now);
            true
        }
        _ => false,
    }
}
