//! Every command of the window: one enum feeds the palette, the menu, the shortcuts and the shortcut sheet.
//!
//! A command belongs to the shell or to the view that is shown; a view says which ones it carries out
//! ([`super::View::supports`]), and what nobody carries out is not offered anywhere.

use egui::{InputState, Key, Modifiers};

/// Where a command is listed in the shortcut sheet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Group {
    /// Another screen.
    GoTo,
    /// Files and workspaces.
    Files,
    /// Panels and looks of the window.
    Window,
    /// Range and Live.
    Time,
    /// Lists of traces.
    Lists,
    /// Inside a trace.
    Trace,
}

impl Group {
    /// All, in the order of the sheet.
    pub const ALL: [Self; 6] = [Self::GoTo, Self::Files, Self::Window, Self::Time, Self::Lists, Self::Trace];

    /// Heading.
    pub fn title(self) -> &'static str {
        match self {
            Self::GoTo => "Go to",
            Self::Files => "Files and data",
            Self::Window => "Window",
            Self::Time => "Time",
            Self::Lists => "Lists",
            Self::Trace => "Trace",
        }
    }
}

/// How a command is reached from the keyboard.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Keys {
    /// Not at all.
    None,
    /// A key with modifiers; works in text fields too when it has Ctrl or Alt or is a function key.
    One(Modifiers, Key),
    /// A letter after another, `G T`.
    Chord(Key, Key),
}

macro_rules! commands {
    ($($(#[$doc:meta])* $name:ident($group:ident, $text:literal, $hint:literal, $keys:expr)),* $(,)?) => {
        /// A command. See the module comment.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum Command {
            $($(#[$doc])* $name,)*
        }

        impl Command {
            /// All, in the order of the enum.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// Where it is listed.
            pub fn group(self) -> Group {
                match self { $(Self::$name => Group::$group),* }
            }

            /// What the palette and the menu call it.
            pub fn text(self) -> &'static str {
                match self { $(Self::$name => $text),* }
            }

            /// One line more about it, shown on hover; may be empty.
            pub fn hint(self) -> &'static str {
                match self { $(Self::$name => $hint),* }
            }

            /// Its keys.
            pub fn keys(self) -> Keys {
                match self { $(Self::$name => $keys),* }
            }
        }
    };
}

const NONE: Modifiers = Modifiers::NONE;
const CTRL: Modifiers = Modifiers::COMMAND;
const SHIFT: Modifiers = Modifiers::SHIFT;
const ALT: Modifiers = Modifiers::ALT;
const CTRL_SHIFT: Modifiers = Modifiers::COMMAND.plus(Modifiers::SHIFT);

commands! {
    /// Home.
    GoHome(GoTo, "Home", "", Keys::Chord(Key::G, Key::H)),
    /// Traces.
    GoTraces(GoTo, "Traces", "", Keys::Chord(Key::G, Key::T)),
    /// Findings.
    GoFindings(GoTo, "Findings", "What is wrong with the traces that match", Keys::Chord(Key::G, Key::F)),
    /// Metrics.
    GoMetrics(GoTo, "Metrics", "Queries over metrics, as graphs and tables", Keys::Chord(Key::G, Key::X)),
    /// Compare.
    GoCompare(GoTo, "Compare", "Two traces, runs or selections beside each other", Keys::Chord(Key::G, Key::C)),
    /// Header inspector.
    GoHeaders(GoTo, "Headers", "What a request carries of its trace", Keys::Chord(Key::G, Key::I)),
    /// Settings.
    GoSettings(GoTo, "Settings", "", Keys::One(CTRL, Key::Comma)),
    /// Notifications.
    GoNotifications(GoTo, "Notifications", "", Keys::Chord(Key::G, Key::N)),
    /// Back in the history of places.
    Back(GoTo, "Back", "To the place before", Keys::One(ALT, Key::ArrowLeft)),
    /// Forward again.
    Forward(GoTo, "Forward", "To the place that Back left", Keys::One(ALT, Key::ArrowRight)),
    /// Palette.
    Palette(GoTo, "Search and commands", "", Keys::One(CTRL, Key::K)),
    /// Palette with commands only.
    PaletteCommands(GoTo, "Commands", "", Keys::One(CTRL_SHIFT, Key::P)),

    /// Every command that can be given now.
    Menu(GoTo, "Menu", "Every command that can be given now", Keys::One(NONE, Key::F10)),

    /// File dialog.
    OpenFile(Files, "Open file\u{2026}", "Trace files of every known format, plain or compressed", Keys::One(CTRL, Key::O)),
    /// Reads the clipboard as a trace file.
    PasteTrace(Files, "Paste trace", "JSON, a traceparent header or a trace id", Keys::None),
    /// Closes the opened file that is shown.
    CloseFile(Files, "Close file", "Its traces leave the window, the file stays", Keys::One(CTRL, Key::W)),
    /// Takes all telemetry away.
    ClearAll(Files, "Clear all traces", "Takes every stored trace away, with Undo", Keys::None),
    /// Sends one span to the own door.
    SendTestSpan(Files, "Send a test span", "Through the door that a client would use", Keys::None),
    /// Starts the demo shop.
    StartDemo(Files, "Start demo shop", "Services that call each other and send traces here", Keys::None),
    /// Stops it.
    StopDemo(Files, "Stop demo shop", "", Keys::None),
    /// Undoes the last command that says so.
    Undo(Files, "Undo", "", Keys::One(CTRL, Key::Z)),

    /// Rail with or without labels.
    ToggleRail(Window, "Toggle rail", "", Keys::One(CTRL, Key::B)),
    /// Details panel.
    ToggleDetails(Window, "Toggle details panel", "", Keys::One(CTRL_SHIFT, Key::B)),
    /// Shortcut sheet.
    Shortcuts(Window, "Keyboard shortcuts", "", Keys::One(NONE, Key::F1)),
    /// Dark theme.
    ThemeDark(Window, "Dark theme", "", Keys::None),
    /// Light theme.
    ThemeLight(Window, "Light theme", "", Keys::None),
    /// Theme of the system.
    ThemeSystem(Window, "Theme of the system", "", Keys::None),
    /// Larger interface.
    ZoomUiIn(Window, "Larger interface", "", Keys::One(CTRL, Key::Plus)),
    /// Smaller interface.
    ZoomUiOut(Window, "Smaller interface", "", Keys::One(CTRL, Key::Minus)),
    /// Interface at its own size.
    ZoomUiReset(Window, "Interface at 100 %", "", Keys::One(CTRL, Key::Num0)),
    /// Focus the search of the view.
    FocusSearch(Window, "Search in this view", "", Keys::One(NONE, Key::Slash)),

    /// Follow new data.
    ToggleLive(Time, "Toggle Live", "Views follow new data", Keys::One(NONE, Key::L)),
    /// Half a range earlier.
    RangeEarlier(Time, "Earlier", "Shift by half a range", Keys::Chord(Key::T, Key::ArrowLeft)),
    /// Half a range later.
    RangeLater(Time, "Later", "Shift by half a range", Keys::Chord(Key::T, Key::ArrowRight)),
    /// Twice the range.
    RangeWider(Time, "Twice the range", "", Keys::Chord(Key::T, Key::Z)),

    /// Run the query.
    RunQuery(Lists, "Run query", "", Keys::One(CTRL, Key::Enter)),
    /// The trace view moves to the latest match.
    FollowNewest(Lists, "Follow newest", "The trace view moves to each new match", Keys::One(SHIFT, Key::F)),
    /// Adds an exclusion for traces like the selected one.
    HideLikeThis(Lists, "Hide like this", "Health probes and the like leave the list", Keys::One(NONE, Key::H)),
    /// Takes one service's spans away.
    ClearService(Lists, "Clear this service", "Takes its stored spans away, with Undo", Keys::None),
    /// Next in the list.
    NextRow(Lists, "Next trace", "", Keys::One(NONE, Key::J)),
    /// Previous in the list.
    PreviousRow(Lists, "Previous trace", "", Keys::One(NONE, Key::K)),
    /// Open what is selected.
    OpenRow(Lists, "Open selected", "", Keys::One(NONE, Key::Enter)),

    /// Leaves a finding out of the list from now on.
    SilenceFinding(Lists, "Silence finding", "It leaves the list until it is brought back, with Undo", Keys::One(NONE, Key::S)),
    /// Copies the findings or the comparison for a ticket.
    CopyList(Lists, "Copy as Markdown", "What the view shows, for a ticket", Keys::One(NONE, Key::Y)),
    /// Sides of a comparison change places.
    SwapSides(Lists, "Swap sides", "", Keys::One(SHIFT, Key::S)),

    /// Compares the open trace with another one.
    CompareTrace(Trace, "Compare with\u{2026}", "With another trace of the same operation", Keys::One(SHIFT, Key::C)),
    /// Flame tab.
    ShowFlame(Trace, "Flame graph", "", Keys::One(NONE, Key::Num1)),
    /// Waterfall tab.
    ShowWaterfall(Trace, "Waterfall", "", Keys::One(NONE, Key::Num2)),
    /// Table tab.
    ShowTable(Trace, "Table of spans", "", Keys::One(NONE, Key::Num3)),
    /// Zoom in.
    ZoomIn(Trace, "Zoom in", "", Keys::One(NONE, Key::W)),
    /// Zoom out.
    ZoomOut(Trace, "Zoom out", "", Keys::One(NONE, Key::S)),
    /// Pan to earlier.
    PanEarlier(Trace, "Pan left", "", Keys::One(NONE, Key::A)),
    /// Pan to later.
    PanLater(Trace, "Pan right", "", Keys::One(NONE, Key::D)),
    /// Centre the selection, then fit it, then all.
    Fit(Trace, "Centre, then fit", "", Keys::One(NONE, Key::F)),
    /// Next error.
    NextError(Trace, "Next error", "", Keys::One(NONE, Key::N)),
    /// Previous error.
    PreviousError(Trace, "Previous error", "", Keys::One(SHIFT, Key::N)),
    /// Next span on the lane.
    NextOnLane(Trace, "Next span on this lane", "", Keys::One(NONE, Key::Period)),
    /// Previous span on the lane.
    PreviousOnLane(Trace, "Previous span on this lane", "", Keys::One(NONE, Key::Comma)),
    /// Fold.
    Fold(Trace, "Fold", "", Keys::One(NONE, Key::OpenBracket)),
    /// Unfold.
    Unfold(Trace, "Unfold", "", Keys::One(NONE, Key::CloseBracket)),
    /// The selected span becomes the root.
    ReRoot(Trace, "Re-root at span", "", Keys::One(NONE, Key::Enter)),
    /// One re-root back.
    ReRootBack(Trace, "Back to the parent's root", "", Keys::One(NONE, Key::Backspace)),
    /// Line, dimmed rest, off.
    CriticalPath(Trace, "Critical path", "Line, then the rest dimmed, then off", Keys::One(NONE, Key::C)),
    /// Hides what has no error in it or below it.
    OnlyErrors(Trace, "Only errors", "Errors and the spans above them, or everything again", Keys::One(SHIFT, Key::E)),
    /// Goes to the span that the selected one links to.
    FollowLink(Trace, "Follow link", "To the span that the selected one links to", Keys::One(SHIFT, Key::CloseBracket)),
    /// Copies a link to the selected span.
    CopyLink(Trace, "Copy link", "Opens this trace and span wherever its data is", Keys::One(CTRL_SHIFT, Key::L)),
    /// Copies the trace for a ticket.
    CopyMarkdown(Trace, "Copy trace as Markdown", "Figures, errors and the tree, for a ticket", Keys::None),
    /// Copies the request of the selected span.
    CopyCurl(Trace, "Copy request as curl", "What the span's HTTP attributes tell of it", Keys::None),
    /// Copies the trace id.
    CopyTraceId(Trace, "Copy trace id", "", Keys::None),
    /// Copies the span as attributes.
    CopySpan(Trace, "Copy span as JSON", "", Keys::None),
    /// Copies the trace as a text tree.
    CopyTextTree(Trace, "Copy trace as text tree", "", Keys::None),
    /// Exports as OTLP JSON.
    ExportOtlp(Trace, "Export trace as OTLP JSON\u{2026}", "", Keys::None),
    /// Exports as Jaeger JSON.
    ExportJaeger(Trace, "Export trace as Jaeger JSON\u{2026}", "", Keys::None),
    /// Exports as Zipkin JSON.
    ExportZipkin(Trace, "Export trace as Zipkin JSON\u{2026}", "", Keys::None),
    /// Exports for Chrome's trace viewer.
    ExportChrome(Trace, "Export trace for Chrome\u{2026}", "", Keys::None),
}

impl Command {
    /// Keys as they read in a tooltip: `Ctrl+K`, `G then T`; `None` without keys.
    pub fn keys_text(self) -> Option<String> {
        let parts = self.key_caps();
        match self.keys() {
            Keys::None => None,
            Keys::One(..) => Some(parts.join("+")),
            Keys::Chord(..) => Some(parts.join(" then ")),
        }
    }

    /// The caps to press, for key hints: `["Ctrl", "K"]`.
    pub fn key_caps(self) -> Vec<String> {
        match self.keys() {
            Keys::None => Vec::new(),
            Keys::Chord(first, then) => vec![cap(first), cap(then)],
            Keys::One(modifiers, key) => {
                let mut caps = Vec::new();
                let ctrl = if cfg!(target_os = "macos") { "Cmd" } else { "Ctrl" };
                for (on, name) in [(modifiers.command, ctrl), (modifiers.alt, "Alt"), (modifiers.shift, "Shift")] {
                    if on {
                        caps.push(name.to_owned());
                    }
                }
                caps.push(cap(key));
                caps
            }
        }
    }

    /// True when its keys work while a text field has the focus.
    fn works_while_typing(self) -> bool {
        match self.keys() {
            Keys::One(modifiers, key) => {
                (modifiers.command && key != Key::Z)
                    || (modifiers.alt && self != Self::Undo)
                    || matches!(key, Key::F1 | Key::F10)
            }
            Keys::None | Keys::Chord(..) => false,
        }
    }
}

fn cap(key: Key) -> String {
    match key {
        Key::ArrowLeft => "Left".to_owned(),
        Key::ArrowRight => "Right".to_owned(),
        Key::Num0 => "0".to_owned(),
        Key::Num1 => "1".to_owned(),
        Key::Num2 => "2".to_owned(),
        Key::Num3 => "3".to_owned(),
        Key::Slash => "/".to_owned(),
        Key::Comma => ",".to_owned(),
        Key::Period => ".".to_owned(),
        Key::OpenBracket => "[".to_owned(),
        Key::CloseBracket => "]".to_owned(),
        Key::Plus => "+".to_owned(),
        Key::Minus => "\u{2212}".to_owned(),
        key => key.name().to_owned(),
    }
}

/// Turns key presses into commands, chords included. Call once a frame.
#[derive(Default, Debug)]
pub struct Keyboard {
    /// First letter of a chord and when it was pressed, in seconds.
    pending: Option<(Key, f64)>,
}

/// A chord's second letter must follow within this many seconds.
const CHORD_S: f64 = 1.5;

impl Keyboard {
    /// Commands whose keys were pressed, among those that `offered` allows. Longer matches win: a pending chord is looked
    /// at first. While `typing`, single letters are text.
    pub fn take(&mut self, input: &mut InputState, typing: bool, offered: impl Fn(Command) -> bool) -> Vec<Command> {
        let mut taken = Vec::new();
        if self.pending.is_some_and(|(_, at)| input.time - at > CHORD_S) {
            self.pending = None;
        }
        if !typing {
            self.chords(input, &offered, &mut taken);
        }
        for command in Command::ALL.iter().copied() {
            let Keys::One(modifiers, key) = command.keys() else { continue };
            if (typing && !command.works_while_typing()) || !offered(command) {
                continue;
            }
            if take_key(input, modifiers, key) {
                taken.push(command);
            }
        }
        if !typing
            && offered(Command::Shortcuts)
            && input.events.iter().any(|event| *event == egui::Event::Text("?".to_owned()))
        {
            taken.push(Command::Shortcuts);
        }
        taken
    }

    fn chords(&mut self, input: &mut InputState, offered: &impl Fn(Command) -> bool, taken: &mut Vec<Command>) {
        let chords = || {
            Command::ALL.iter().copied().filter_map(|command| match command.keys() {
                Keys::Chord(first, then) if offered(command) => Some((command, first, then)),
                _ => None,
            })
        };
        if let Some((pressed, _)) = self.pending {
            for (command, _, then) in chords().filter(|(_, first, _)| *first == pressed) {
                if take_key(input, NONE, then) {
                    taken.push(command);
                    self.pending = None;
                    return;
                }
            }
            if input.events.iter().any(|event| matches!(event, egui::Event::Key { pressed: true, .. })) {
                self.pending = None;
            }
        }
        let Some(first) = chords().map(|(_, first, _)| first).find(|first| take_key(input, NONE, *first)) else { return };
        // Both letters may come within one slow frame.
        let both = chords().find(|(_, known, then)| *known == first && take_key(input, NONE, *then));
        match both {
            Some((command, ..)) => taken.push(command),
            None => self.pending = Some((first, input.time)),
        }
    }
}

/// Takes the press of a key with exactly these modifiers out of the events: Shift+N is not N, and Ctrl+K is not K. The
/// modifiers are those of the event; at the end of a slow frame they may be up again.
fn take_key(input: &mut InputState, modifiers: Modifiers, key: Key) -> bool {
    let found = input.events.iter().position(|event| match event {
        egui::Event::Key { key: known, pressed: true, modifiers: held, .. } => *known == key && held.matches_exact(modifiers),
        _ => false,
    });
    if let Some(index) = found {
        input.events.remove(index);
    }
    found.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn within_the_reach_of_one_screen_no_two_commands_share_keys() {
        // Lists and Trace are never on one screen, so they may share.
        for screen in [Group::Lists, Group::Trace] {
            let mut seen: HashMap<String, Command> = HashMap::new();
            for command in Command::ALL.iter().copied() {
                let elsewhere = matches!(command.group(), Group::Lists | Group::Trace) && command.group() != screen;
                let Some(keys) = command.keys_text().filter(|_| !elsewhere) else { continue };
                if let Some(other) = seen.insert(keys.clone(), command) {
                    panic!("{keys} is both {command:?} and {other:?}");
                }
            }
        }
    }

    #[test]
    fn texts_are_sentence_case_without_a_full_stop() {
        for command in Command::ALL {
            let text = command.text();
            assert!(text.chars().next().is_some_and(|c| c.is_uppercase() || c.is_numeric()), "{text}");
            assert!(!text.ends_with('.'), "{text}");
        }
    }

    fn press(keyboard: &mut Keyboard, time: f64, modifiers: Modifiers, key: Key, typing: bool) -> Vec<Command> {
        // The modifiers are up again when the frame begins.
        let mut input = InputState::default();
        input.time = time;
        input.events.push(egui::Event::Key { key, physical_key: None, pressed: true, repeat: false, modifiers });
        keyboard.take(&mut input, typing, |_| true)
    }

    #[test]
    fn keys_and_chords_become_commands() {
        let mut keyboard = Keyboard::default();
        assert_eq!(press(&mut keyboard, 0.0, CTRL, Key::K, false), [Command::Palette]);
        assert_eq!(press(&mut keyboard, 1.0, NONE, Key::G, false), []);
        assert_eq!(press(&mut keyboard, 1.2, NONE, Key::T, false), [Command::GoTraces]);
        // Too late: the second letter stands alone.
        assert_eq!(press(&mut keyboard, 2.0, NONE, Key::G, false), []);
        assert_eq!(press(&mut keyboard, 9.0, NONE, Key::L, false), [Command::ToggleLive]);
        assert_eq!(press(&mut keyboard, 10.0, SHIFT, Key::N, false), [Command::PreviousError]);
    }

    #[test]
    fn letters_are_text_while_typing_and_control_keys_are_not() {
        let mut keyboard = Keyboard::default();
        assert_eq!(press(&mut keyboard, 0.0, NONE, Key::L, true), []);
        assert_eq!(press(&mut keyboard, 0.1, NONE, Key::G, true), []);
        assert_eq!(press(&mut keyboard, 0.2, CTRL, Key::K, true), [Command::Palette]);
        assert_eq!(press(&mut keyboard, 0.3, CTRL, Key::Z, true), [], "undo belongs to the field");
    }
}
