//! `belvedere serve` and the window: whoever owns the main thread while the doors are open.
//!
//! The main thread waits for one of two things: the end (SIGTERM, SIGINT), or somebody who asks for the window, which it
//! then runs. Closing the window may leave the doors open; then it waits again.

use super::args::{Arguments, DoorArguments, ServeArguments};
use super::remote::{Running, place};
use super::{DONE, Failure};
use crate::api::objects::{Status, WindowShown};
use crate::engine::{DoorState, Engine, EngineError, EngineOptions, Place, WeakEngine, WindowAnswer};
use crate::model::Door;
use bytes::Bytes;
use serde_json::json;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

/// A command that reads the workspace holds it for a moment; a start waits this long for it.
const FREE_WITHIN: Duration = Duration::from_secs(3);
/// The running Belvedere answers within this time.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// A window that was told to close has this long; sealing needs the rest of two seconds.
const WINDOW_CLOSES_WITHIN: Duration = Duration::from_millis(900);
/// Events that wait for the main thread.
const WAITING: usize = 16;

/// What the main thread waits for.
#[derive(Debug, PartialEq)]
enum Event {
    Stop,
    ShowWindow,
}

/// `belvedere serve`.
pub fn serve(arguments: &Arguments, serve: &ServeArguments) -> Result<u8, Failure> {
    let engine = match open(arguments, Some(&serve.doors)) {
        Ok(engine) => engine,
        Err(error) => return Err(Failure::new(error.to_string())),
    };
    for folder in &serve.provision {
        provision(&engine, folder)?;
    }
    let main = MainThread::start(engine)?;
    announce(&main.engine);
    main.wait();
    main.engine.stop();
    Ok(DONE)
}

/// `belvedere [FILE...]`: the window, or the window of the Belvedere that serves this workspace already.
pub fn window(arguments: &Arguments) -> Result<u8, Failure> {
    let files: Vec<PathBuf> = arguments.files.iter().map(|file| absolute(file)).collect();
    if let Some(reason) = no_window() {
        // A machine without a display may still reach a Belvedere that has one.
        let place = place(arguments.common.workspace.as_deref())?;
        return match served(&place) {
            Some(api) => join(api, &files),
            None => Err(Failure::new(format!("{reason}. Start `belvedere serve` to collect without one"))),
        };
    }
    let engine = match open(arguments, None) {
        Ok(engine) => engine,
        Err(EngineError::Held { api: Some(api), .. }) => return join(api, &files),
        Err(error) => return Err(Failure::new(error.to_string())),
    };
    let main = MainThread::start(engine)?;
    let ended = main.show(files);
    if ended == Ok(true) {
        eprintln!("belvedere: the window is closed, collecting goes on. Start `belvedere` to show it again");
        main.wait();
    }
    main.engine.stop();
    ended.map(|_| DONE)
}

/// Reads a folder of rules and routes; what is wrong in it is told and left out.
fn provision(engine: &Engine, folder: &Path) -> Result<(), Failure> {
    let done = engine.provision(folder).map_err(|error| Failure::new(error.to_string()))?;
    for problem in &done.problems {
        eprintln!("belvedere: not provisioned: {problem}");
    }
    let routes = if done.routes { ", and routes, disarmed" } else { "" };
    eprintln!("belvedere: {} rules of {} files{routes} from {}", done.rules, done.rule_files, folder.display());
    Ok(())
}

/// The file as the window finds it from any folder; a link to a trace stays as it is.
fn absolute(file: &Path) -> PathBuf {
    if file.to_str().is_some_and(|text| text.starts_with("belvedere://")) {
        return file.to_owned();
    }
    std::path::absolute(file).unwrap_or_else(|_| file.to_owned())
}

/// Asks the running Belvedere to show its window with these files.
fn join(api: SocketAddr, files: &[PathBuf]) -> Result<u8, Failure> {
    let files: Vec<_> = files.iter().map(|file| file.to_string_lossy()).collect();
    let body = Bytes::from(json!({ "files": files }).to_string());
    let shown: WindowShown = Running::at(api)?.post("show-window", &[], body, ANSWER_WITHIN)?;
    if shown.shown {
        eprintln!("belvedere: this workspace is served already, its window is shown");
        return Ok(DONE);
    }
    let reason = shown.reason.unwrap_or_else(|| "it has no window".to_owned());
    Err(Failure::new(format!(
        "a running Belvedere serves this workspace and cannot show its window: {reason}. Stop it, or take another folder with --workspace. It answers on http://{api}"
    )))
}

/// Where the process that serves a workspace answers, when it does.
fn served(place: &Place) -> Option<SocketAddr> {
    let Place::Folder(dir) = place else { return None };
    let api = crate::engine::served_at(dir)?;
    let status = Running::at(api).ok()?.get::<Status>("status", &[], ANSWER_WITHIN).ok()?;
    // A port may have been taken by another Belvedere since the lock file was written.
    std::fs::canonicalize(&status.workspace).ok().filter(|known| std::fs::canonicalize(dir).is_ok_and(|dir| dir == *known))?;
    Some(api)
}

fn open(arguments: &Arguments, over: Option<&DoorArguments>) -> Result<Engine, EngineError> {
    let given = |flag: fn(&DoorArguments) -> bool| flag(&arguments.doors) || over.is_some_and(flag);
    let doors = arguments.doors.addresses(over);
    let allow_remote = given(|doors| doors.allow_remote);
    for (door, addresses) in doors.iter().filter(|_| !allow_remote) {
        if let Some(far) = addresses.iter().find(|address| !crate::engine::is_loopback(**address)) {
            return Err(EngineError::Door(format!(
                "the {door} door is not opened on {far}, which other machines can reach. Add --allow-remote to open it there"
            )));
        }
    }
    let place = place(arguments.common.workspace.as_deref()).map_err(|Failure(text)| EngineError::Workspace(text))?;
    let api = doors.iter().find(|(door, _)| *door == Door::Api).map(|(_, addresses)| addresses.clone()).unwrap_or_default();
    let containers = given(|doors| doors.containers);
    let host_metrics = given(|doors| doors.host_metrics);
    let scrape_config = over.and_then(|doors| doors.scrape_config.clone()).or_else(|| arguments.doors.scrape_config.clone());
    let options = EngineOptions { doors, containers, allow_remote, scrape_config, host_metrics, ..EngineOptions::quiet(place) };
    let since = Instant::now();
    let engine = loop {
        match Engine::start(options.clone()) {
            // Held by something without an API: a command that is done in a moment.
            Err(EngineError::Held { api: None, .. }) if since.elapsed() < FREE_WITHIN => {
                std::thread::sleep(Duration::from_millis(50));
            }
            started => break started?,
        }
    };
    crate::api::start(&engine, api)?;
    engine.bring_demo(super::demo::open_beside);
    if let Some((token, true)) = engine.remote_token() {
        eprintln!("belvedere: clients from other machines need this header, shown only now: Authorization: Bearer {token}");
    }
    Ok(engine)
}

/// One line per open door on standard output, then `ready`; what is not open on standard error.
fn announce(engine: &Engine) {
    for status in engine.doors() {
        match status.state {
            DoorState::Open(addresses) => {
                for address in addresses {
                    say(&format!("listening {} {address}", status.door));
                }
            }
            DoorState::Busy { address, holder, suggestion } => {
                let by = if holder.is_empty() { "another program".to_owned() } else { holder };
                let other = suggestion.map(|port| format!(", or use --{} 127.0.0.1:{port}", status.door)).unwrap_or_default();
                eprintln!("belvedere: {} is used by {by}; trying again every 5 s. Stop it{other}", address);
            }
            DoorState::Failed(reason) => eprintln!("belvedere: the {} door is not open: {reason}", status.door),
            DoorState::Closed => {}
        }
    }
    say("ready");
}

/// Prints a line; who started us may have stopped reading, which is no reason to stop collecting.
fn say(line: &str) {
    super::print::line(line).ok();
}

/// The main thread while doors are open: it waits, or runs the window.
struct MainThread {
    engine: Engine,
    events: SyncSender<Event>,
    waiting: Receiver<Event>,
}

impl MainThread {
    /// Listens to signals and to who asks for the window.
    fn start(engine: Engine) -> Result<Self, Failure> {
        let (events, waiting) = sync_channel(WAITING);
        let (stop, weak) = (events.clone(), engine.downgrade());
        let listening = engine
            .block_on(async move { Signals::listen().map(|signals| drop(tokio::spawn(stop_on_signal(signals, weak, stop)))) });
        let failed = |error: &dyn std::fmt::Display| Failure::new(format!("signals cannot be waited for: {error}"));
        listening.map_err(|error| failed(&error))?.map_err(|error| failed(&error))?;
        let main = Self { engine, events, waiting };
        main.host_window();
        Ok(main)
    }

    /// Requests for the window come here. A window that is open takes them itself, so this is repeated when it has closed.
    fn host_window(&self) {
        let events = self.events.clone();
        self.engine.set_window_host(move || match no_window() {
            Some(reason) => WindowAnswer::Impossible(reason),
            None => {
                events.try_send(Event::ShowWindow).ok();
                WindowAnswer::Told
            }
        });
    }

    /// Runs the window on this thread until it is closed; true when collecting goes on without it.
    fn show(&self, files: Vec<PathBuf>) -> Result<bool, Failure> {
        let ended = run_window(&self.engine, files);
        self.host_window();
        ended
    }

    /// Until the end.
    fn wait(&self) {
        loop {
            match self.waiting.recv() {
                Ok(Event::ShowWindow) => {
                    let requests = self.engine.window_requests();
                    if requests.is_empty() {
                        // Asked for while the window was open, which has answered it.
                        continue;
                    }
                    match self.show(requests.into_iter().flat_map(|request| request.files).collect()) {
                        Ok(true) => {}
                        Ok(false) => return,
                        Err(Failure(text)) => eprintln!("belvedere: {text}"),
                    }
                }
                Ok(Event::Stop) | Err(_) => return,
            }
        }
    }
}

#[cfg(feature = "window")]
fn run_window(engine: &Engine, files: Vec<PathBuf>) -> Result<bool, Failure> {
    let options = crate::ui::Options { files, may_keep_collecting: true };
    match crate::ui::run(engine.clone(), options) {
        Ok(ended) => Ok(ended == crate::ui::Ended::KeepCollecting),
        Err(error) => Err(Failure::new(error.to_string())),
    }
}

#[cfg(not(feature = "window"))]
fn run_window(_engine: &Engine, _files: Vec<PathBuf>) -> Result<bool, Failure> {
    Err(Failure::new("this build of Belvedere has no window. Start `belvedere serve` instead"))
}

/// SIGTERM, SIGINT and SIGHUP end the program. The window is told through the engine; one that does not close in time (a
/// stuck display server, say) does not keep what was received from being stored.
async fn stop_on_signal(signals: Signals, engine: WeakEngine, events: SyncSender<Event>) {
    signals.arrived().await;
    events.try_send(Event::Stop).ok();
    let Some(engine) = engine.upgrade() else { return };
    engine.request_stop();
    let late = std::thread::Builder::new().name("late-stop".to_owned()).spawn(move || {
        std::thread::sleep(WINDOW_CLOSES_WITHIN);
        engine.stop();
        std::process::exit(i32::from(DONE));
    });
    if let Err(error) = late {
        tracing::error!(%error, "no thread to stop a window that does not close");
    }
}

/// The signals that end the program. Made before `ready` is printed: until then they end it the hard way.
#[cfg(unix)]
struct Signals([tokio::signal::unix::Signal; 3]);

#[cfg(unix)]
impl Signals {
    fn listen() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self([signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?, signal(SignalKind::hangup())?]))
    }

    async fn arrived(mut self) {
        let [term, int, hangup] = &mut self.0;
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self)
    }

    async fn arrived(self) {
        tokio::signal::ctrl_c().await.ok();
    }
}

/// Why this process cannot show a window; `None` when it can.
fn no_window() -> Option<String> {
    if !cfg!(feature = "window") {
        return Some("this build of Belvedere has no window".to_owned());
    }
    let display =
        ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()));
    let needs_one = cfg!(all(unix, not(target_os = "macos")));
    (needs_one && !display).then(|| "there is no display (neither DISPLAY nor WAYLAND_DISPLAY is set)".to_owned())
}
