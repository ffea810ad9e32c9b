//! What the shell knows between frames: place, range, source, theme, notices, and what runs in the background.

use super::command::Keyboard;
use super::facts::Facts;
use super::nav::History;
use super::notices::Notices;
use super::range::Range;
use super::shell::palette::Palette;
use super::theme::{ServiceColours, Theme};
use super::view::Request;
use crate::engine::{ClearId, Engine, OpenReport, OpenSource, Query, SourceId, WORKSPACE};
use crate::model::{TraceId, UnixNanos};
use jiff::tz::TimeZone;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};

/// Which theme is wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Look {
    /// As the system says.
    #[default]
    System,
    /// Dark.
    Dark,
    /// Light.
    Light,
}

impl Look {
    /// Name in the settings.
    pub fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Dark => "dark",
            Self::Light => "light",
        }
    }
}

/// Something that can be undone from a toast or with Ctrl+Z.
#[derive(Clone, Debug)]
pub enum Step {
    /// Spans that were cleared.
    Clear(ClearId),
    /// A setting of the workspace and its text before.
    Setting(&'static str, String),
    /// The range and Live before a drag.
    Range(Range, bool),
}

/// A file or text that is being opened.
pub struct Opening {
    /// For people.
    pub name: String,
    /// The file, when it is one.
    pub path: Option<PathBuf>,
    /// The answer to come.
    pub query: Query<OpenSource>,
    /// Which workspace place the answer takes: true replaces the served one.
    pub switch: bool,
}

/// See the module comment.
pub struct State {
    /// Answers questions.
    pub engine: Engine,
    /// What the engine says about itself.
    pub facts: Facts,
    /// Places.
    pub history: History,
    /// Chosen range.
    pub range: Range,
    /// Views follow new data.
    pub live: bool,
    /// Selected source.
    pub source: SourceId,
    /// Zone that times are shown in.
    pub zone: TimeZone,
    /// The theme that is on this frame.
    pub theme: &'static Theme,
    /// Chosen theme.
    pub look: Look,
    /// The rail shows icons only.
    pub rail_collapsed: bool,
    /// Colours of services.
    pub services: ServiceColours,
    /// Toasts and notifications.
    pub notices: Notices,
    /// Open palette.
    pub palette: Option<Palette>,
    /// The shortcut sheet is open.
    pub sheet: bool,
    /// The window asks whether to keep collecting.
    pub asks_close: bool,
    /// How the window ends.
    pub ended: Option<super::app::Ended>,
    /// Pressed letters.
    pub keyboard: Keyboard,
    /// Files that are being opened.
    pub opening: Vec<Opening>,
    /// A test span on its way.
    pub test_span: Query<TraceId>,
    /// Copies into the workspace that run, with the name of what is copied.
    pub imports: Vec<(String, Query<OpenReport>)>,
    /// What can be undone, oldest first.
    pub steps: Vec<(u64, Step)>,
    /// Writes that run.
    pub background: Vec<Query<()>>,
    /// Requests made outside a view.
    pub requests: Vec<Request>,
    /// Files chosen in a dialog arrive here.
    pub chosen: (Sender<Vec<PathBuf>>, Receiver<Vec<PathBuf>>),
    /// Text of the range popup.
    pub range_text: String,
    /// Time when the frame began.
    pub now: UnixNanos,
    /// Next undo number.
    pub next_step: u64,
}

impl State {
    /// Over an engine, as the window opens. Reads the kept looks.
    pub fn new(engine: Engine, zone: TimeZone) -> Self {
        let mut state = Self {
            engine,
            facts: Facts::default(),
            history: History::default(),
            range: Range::default(),
            live: true,
            source: WORKSPACE,
            zone,
            theme: Theme::dark(),
            look: Look::default(),
            rail_collapsed: false,
            services: ServiceColours::default(),
            notices: Notices::default(),
            palette: None,
            sheet: false,
            asks_close: false,
            ended: None,
            keyboard: Keyboard::default(),
            opening: Vec::new(),
            test_span: Query::Idle,
            imports: Vec::new(),
            steps: Vec::new(),
            background: Vec::new(),
            requests: Vec::new(),
            chosen: channel(),
            range_text: String::new(),
            now: UnixNanos(0),
            next_step: 1,
        };
        state.read_looks();
        state.facts.refresh(&state.engine);
        state
    }

    fn read_looks(&mut self) {
        let Some(text) = self.engine.setting(LOOKS) else { return };
        let value: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        self.look = match value["theme"].as_str() {
            Some("dark") => Look::Dark,
            Some("light") => Look::Light,
            _ => Look::System,
        };
        self.rail_collapsed = value["rail_collapsed"].as_bool().unwrap_or(false);
    }

    /// Keeps the looks, off this thread.
    pub fn keep_looks(&mut self) {
        let value = serde_json::json!({"theme": self.look.name(), "rail_collapsed": self.rail_collapsed}).to_string();
        self.in_background(move |engine| engine.set_setting(LOOKS, &value));
    }

    /// Runs something that may touch the disk on a reader thread; a failure becomes a toast.
    pub fn in_background<E: ToString>(&mut self, work: impl FnOnce(&Engine) -> Result<(), E> + Send + 'static) {
        let engine = self.engine.clone();
        let query =
            self.engine.ask(move |_| work(&engine).map_err(|error| crate::source::SourceError::Read(error.to_string())));
        self.background.push(query);
    }

    /// Keeps what can be undone; its number is for [`Request::UndoStep`].
    pub fn undoable(&mut self, step: Step) -> u64 {
        let number = self.next_step;
        self.next_step += 1;
        self.steps.push((number, step));
        number
    }
}

/// Key of the looks in the settings of a workspace.
const LOOKS: &str = "window_looks";
