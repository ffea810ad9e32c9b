//! What a screen is to the shell, and what the shell is to a screen.
//!
//! A view draws itself into the content area and pushes [`Request`]s; the shell carries them out after the frame, in one
//! place. A view keeps its own state while the window lives, and is told when the window arrives at one of its places.

use super::command::Command;
use super::facts::Facts;
use super::nav::Place;
use super::notices::Notices;
use super::range::Range;
use super::state::Look;
use super::theme::{ServiceColours, Theme};
use crate::engine::{Engine, OpenSource, SourceId};
use crate::model::{Door, UnixNanos};
use crate::source::TimeRange;
use egui::Ui;
use jiff::tz::TimeZone;
use std::net::SocketAddr;
use std::path::PathBuf;

/// A screen.
pub trait View {
    /// Subject of the window title: `POST /checkout 7f3a9c41`; empty when the screen's name says it all.
    fn subject(&self) -> String {
        String::new()
    }

    /// Parts of the breadcrumb, each with the place it leads to.
    fn crumbs(&self) -> Vec<Crumb>;

    /// The window arrived at a place of this view, by a link, by Back or by Forward.
    fn arrive(&mut self, place: &Place, ctx: &mut ViewContext<'_>);

    /// True for the commands of the groups Lists and Trace (and `FocusSearch`, `ToggleDetails`) that it carries out now.
    fn supports(&self, command: Command) -> bool {
        let _ = command;
        false
    }

    /// Controls beside the breadcrumb in the top bar.
    fn actions(&mut self, ui: &mut Ui, ctx: &mut ViewContext<'_>) {
        let _ = (ui, ctx);
    }

    /// True when the time range and Live mean something here; the top bar shows them then.
    fn uses_range(&self) -> bool {
        false
    }

    /// Draws the content. Commands that were given and that it supports are in `ctx.commands`.
    fn ui(&mut self, ui: &mut Ui, ctx: &mut ViewContext<'_>);
}

/// A part of the breadcrumb.
#[derive(Clone, PartialEq, Debug)]
pub struct Crumb {
    /// Text.
    pub text: String,
    /// Where a click leads; `None` for the last one.
    pub place: Option<Place>,
}

impl Crumb {
    /// The last part.
    pub fn here(text: impl Into<String>) -> Self {
        Self { text: text.into(), place: None }
    }

    /// A link.
    pub fn link(text: impl Into<String>, place: Place) -> Self {
        Self { text: text.into(), place: Some(place) }
    }
}

/// What the shell gives a view for one frame.
pub struct ViewContext<'a> {
    /// Answers questions.
    pub engine: &'a Engine,
    /// What the engine says about itself.
    pub facts: &'a Facts,
    /// The theme that is on.
    pub theme: &'static Theme,
    /// Colours of services.
    pub services: &'a ServiceColours,
    /// The chosen range.
    pub range: Range,
    /// True while views follow new data.
    pub live: bool,
    /// The selected source.
    pub source: SourceId,
    /// Now, once for the frame.
    pub now: UnixNanos,
    /// Zone that times are shown in.
    pub zone: &'a TimeZone,
    /// Commands given this frame that the view supports.
    pub commands: &'a [Command],
    /// Toasts and notifications so far.
    pub notices: &'a Notices,
    /// Chosen theme.
    pub look: Look,
    /// What the view wants done after the frame.
    pub requests: &'a mut Vec<Request>,
}

impl ViewContext<'_> {
    /// The selected source, the workspace when it was closed meanwhile.
    pub fn open_source(&self) -> Option<OpenSource> {
        self.facts.source(self.source).or_else(|| self.facts.sources.first()).cloned()
    }

    /// True when this command was given this frame.
    pub fn given(&self, command: Command) -> bool {
        self.commands.contains(&command)
    }

    /// Goes to a place.
    pub fn go(&mut self, place: Place) {
        self.requests.push(Request::Go(place));
    }

    /// Asks for a command to be carried out.
    pub fn run(&mut self, command: Command) {
        self.requests.push(Request::Run(command));
    }

    /// Shows a toast.
    pub fn toast(&mut self, toast: Toast) {
        self.requests.push(Request::Toast(toast));
    }
}

/// What a view wants done.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// Go to a place: adds to the history.
    Go(Place),
    /// The place changed in a way that Back should not stop at.
    Adjust(Place),
    /// Carry out a command.
    Run(Command),
    /// Show a toast.
    Toast(Toast),
    /// Look at another range; absolute ones turn Live off.
    SetRange(Range),
    /// Look at these moments.
    Zoom(TimeRange),
    /// Follow new data or not.
    SetLive(bool),
    /// Select another source.
    SetSource(SourceId),
    /// Put text on the clipboard; the second part names it for the toast, `Trace id`.
    Copy(String, String),
    /// Open files.
    Open(Vec<PathBuf>),
    /// Close an opened file.
    Close(SourceId),
    /// Take the spans of a service away, undoable.
    ClearService(String),
    /// Show again what a rule of "Hide like this" hides.
    Unhide(u32),
    /// Undo what a toast named by this number offered.
    UndoStep(u64),
    /// Copy an opened file into the workspace.
    Import(SourceId),
    /// Let the doors fill another workspace (`true`), or open it beside.
    Workspace(PathBuf, bool),
    /// Open a door on another address.
    ReopenDoor(Door, SocketAddr),
    /// Let pages of an origin reach the doors.
    AllowOrigin(String),
    /// Open the OTLP doors to containers on this machine.
    Containers,
    /// Take a file out of the recent ones; all of them without a path.
    ForgetRecent(Option<PathBuf>),
    /// Choose a theme.
    Look(Look),
    /// Set the zoom of the interface, in per cent.
    ZoomUi(u32),
    /// Empty the list of notifications.
    ClearNotices,
    /// Keep a setting of the window in the workspace: key and JSON text.
    Keep(&'static str, String),
    /// As [`Request::Keep`], with a toast that says what was done and offers Undo.
    KeepUndoable {
        /// Key.
        key: &'static str,
        /// JSON text.
        value: String,
        /// What was done, for the toast.
        said: String,
    },
    /// Mask the values of these keys from now on.
    MaskKeys(Vec<String>),
}

/// How loud a toast or notification is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Level {
    /// Something happened.
    Info,
    /// Something went well that one waited for.
    Success,
    /// Needs an eye.
    Warn,
    /// Failed.
    Error,
}

/// A short message with at most one action.
#[derive(Clone, Debug, PartialEq)]
pub struct Toast {
    /// How loud.
    pub level: Level,
    /// What happened, one sentence without a full stop.
    pub text: String,
    /// Text of the button and what it asks for.
    pub action: Option<(String, Box<Request>)>,
}

impl Toast {
    /// Without an action.
    pub fn new(level: Level, text: impl Into<String>) -> Self {
        Self { level, text: text.into(), action: None }
    }

    /// With a button.
    pub fn with_action(mut self, label: impl Into<String>, request: Request) -> Self {
        self.action = Some((label.into(), Box::new(request)));
        self
    }
}
