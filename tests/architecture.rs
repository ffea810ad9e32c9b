//! The house stands as drawn: rooms use lower floors only, egui stays in `ui`, colours stay in `ui/theme`, files stay short
//! and nothing that is tracked names a machine it was written on.

use crate::support::skip;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Room and floor, as in the table of `src/lib.rs`. A room uses rooms on lower floors, never one beside or above it.
const FLOORS: [(&str, u8); 23] = [
    ("model", 0),
    ("source", 0),
    ("telemetry", 0),
    ("store", 1),
    ("remote", 1),
    ("wire", 1),
    ("context", 1),
    ("analysis", 2),
    ("sampling", 2),
    ("promql", 2),
    ("search", 2),
    ("tracer", 2),
    ("collector", 3),
    ("alerting", 3),
    ("oncall", 3),
    ("notify", 3),
    ("dashboard", 3),
    ("demo", 3),
    ("engine", 4),
    ("api", 5),
    ("ui", 5),
    ("cli", 6),
    ("main", 7),
];

/// `source` is the traits over `model`: the one arrow inside a floor.
const BESIDE: [(&str, &str); 1] = [("source", "model")];

/// Longer files give their reason in the module comment, on a line with [`LONG_BECAUSE`].
const LONGEST_FILE: usize = 600;
const LONG_BECAUSE: &str = "//! Long because";

/// Colours that are no choice: nothing, the placeholder that egui replaces, and the tint that leaves a texture as it is.
const NEUTRAL_COLOURS: [&str; 3] = ["TRANSPARENT", "PLACEHOLDER", "WHITE"];

#[test]
fn every_room_stands_on_a_known_floor() {
    let rooms: Vec<String> = sources().iter().map(|source| source.room.clone()).collect();
    let unknown: Vec<&String> = rooms.iter().filter(|room| floor(room).is_none()).collect();
    assert!(unknown.is_empty(), "rooms without a floor, add them to FLOORS and to the table in src/lib.rs: {unknown:?}");
}

#[test]
fn rooms_use_only_lower_floors() {
    let wrong: Vec<String> = sources().iter().flat_map(forbidden_arrows).collect();
    assert!(wrong.is_empty(), "forbidden arrows:\n{}", wrong.join("\n"));
}

#[test]
fn only_the_window_knows_egui() {
    let wrong: Vec<String> = sources()
        .iter()
        .filter(|source| source.room != "ui" && source.room != "main")
        .flat_map(|source| source.lines_with(|line| ["egui::", "eframe::", "epaint::"].iter().any(|name| line.contains(name))))
        .collect();
    assert!(wrong.is_empty(), "egui outside ui:\n{}", wrong.join("\n"));
}

#[test]
fn colours_are_chosen_in_the_theme() {
    let wrong: Vec<String> = sources()
        .iter()
        .filter(|source| !source.path.starts_with("src/ui/theme"))
        // The rasteriser mixes the colours of pixels; it chooses none.
        .filter(|source| !source.path.ends_with("ui/offscreen.rs"))
        .flat_map(|source| source.lines_with(chooses_a_colour))
        .collect();
    assert!(wrong.is_empty(), "colours outside src/ui/theme:\n{}", wrong.join("\n"));
}

#[test]
fn long_files_say_why() {
    let mut wrong = Vec::new();
    for path in rust_files(&["src", "tests", "benches", "fuzz"]) {
        let text = fs::read_to_string(root().join(&path)).unwrap();
        let lines = text.lines().count();
        if lines > LONGEST_FILE
            && !text.lines().take_while(|line| line.starts_with("//!")).any(|line| line.contains(LONG_BECAUSE))
        {
            wrong.push(format!("{lines} lines without a `{LONG_BECAUSE}`: {}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_module_opens_by_saying_what_it_is() {
    let silent: Vec<String> = rust_files(&["src", "tests", "benches", "fuzz"])
        .into_iter()
        .filter(|path| !is_test(path) && !fs::read_to_string(root().join(path)).unwrap().starts_with("//!"))
        .map(|path| path.display().to_string())
        .collect();
    assert!(silent.is_empty(), "files without a module comment: {silent:?}");
}

#[test]
fn tracked_files_name_no_machine_and_no_mirror() {
    // Taken apart so that this file does not find itself.
    let places = [
        ["/wo", "rk/"],
        ["/ro", "ot/"],
        ["arti", "factory"],
        ["index.crat", "es.io"],
        ["registry.npm", "js"],
        ["pypi.", "org"],
    ];
    let listed = Command::new("git").args(["ls-files", "-z"]).current_dir(root()).output();
    let Some(listed) = listed.ok().filter(|listed| listed.status.success()) else {
        return skip("not a git checkout: which files are tracked is unknown");
    };
    let mut wrong = Vec::new();
    for name in String::from_utf8(listed.stdout).unwrap().split_terminator('\0') {
        let Ok(text) = fs::read_to_string(root().join(name)) else { continue };
        for (at, line) in text.lines().enumerate() {
            if places.iter().any(|[head, tail]| line.contains(&format!("{head}{tail}"))) {
                wrong.push(format!("{name}:{}: {}", at + 1, line.trim().chars().take(120).collect::<String>()));
            }
        }
    }
    assert!(wrong.is_empty(), "machine paths or registry hosts:\n{}", wrong.join("\n"));
}

#[test]
fn arrows_are_seen_in_single_grouped_and_inline_paths() {
    let seen = |text: &str, room: &str| {
        forbidden_arrows(&Source { path: "src/x.rs".into(), room: room.into(), text: text.into() }).len()
    };
    assert_eq!(seen("use crate::engine::Engine;", "store"), 1);
    assert_eq!(seen("use crate::{model::Span, wire::otlp, engine::Engine};", "store"), 2);
    assert_eq!(seen("use crate::{\n    model::Span,\n    ui,\n};", "store"), 1);
    assert_eq!(seen("fn f() { crate::cli::run(); }", "engine"), 1);
    assert_eq!(seen("use crate::model::Span; // crate::ui is told\n//! [`crate::ui`]", "engine"), 0);
    assert_eq!(seen("use crate::store::{Workspace, api::X};", "engine"), 0);
    assert_eq!(seen("#[cfg(test)]\nmod tests {\n    use crate::ui;\n}", "engine"), 0);
}

#[test]
fn chosen_colours_are_told_from_neutral_ones() {
    assert!(chooses_a_colour("let c = Color32::from_rgb(1, 2, 3);"));
    assert!(chooses_a_colour("Color32::RED"));
    assert!(!chooses_a_colour("painter.image(id, rect, uv, Color32::WHITE);"));
    assert!(!chooses_a_colour("fn tint(colour: Color32) -> Color32 {"));
}

/// One file of `src`.
struct Source {
    /// Relative to the repository.
    path: PathBuf,
    /// First folder or file below `src`.
    room: String,
    text: String,
}

impl Source {
    /// The lines that are compiled into the program: without comments, up to the tests.
    fn program(&self) -> impl Iterator<Item = (usize, &str)> {
        let until = self.text.find("#[cfg(test)]\nmod tests").unwrap_or(self.text.len());
        let lines = self.text[..until].lines().enumerate();
        lines.map(|(at, line)| (at + 1, line.split("//").next().unwrap_or_default()))
    }

    fn lines_with(&self, wrong: impl Fn(&str) -> bool) -> Vec<String> {
        let lines = self.program().filter(|(_, line)| wrong(line));
        lines.map(|(at, line)| format!("{}:{at}: {}", self.path.display(), line.trim())).collect()
    }
}

fn forbidden_arrows(source: &Source) -> Vec<String> {
    let mut code = String::new();
    for (_, line) in source.program() {
        code.push_str(line);
        code.push('\n');
    }
    let mut wrong = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        if code[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_' || before == '$') {
            continue;
        }
        for used in rooms_named(&code[at + "crate::".len()..]) {
            if let (Some(mine), Some(theirs)) = (floor(&source.room), floor(used)) {
                let allowed = theirs < mine || used == source.room || BESIDE.contains(&(source.room.as_str(), used));
                if !allowed {
                    wrong.push(format!(
                        "{}: {} (floor {mine}) uses {used} (floor {theirs})",
                        source.path.display(),
                        source.room
                    ));
                }
            }
        }
    }
    wrong
}

/// The first segments after `crate::`, one of them or those of a group: `a::b` gives `a`; `{a::b, c::{d, e}}` gives `a`, `c`.
fn rooms_named(path: &str) -> Vec<&str> {
    let word = |text| -> &str {
        let text: &str = text;
        let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(text.len());
        &text[..end]
    };
    let Some(group) = path.strip_prefix('{') else { return vec![word(path)] };
    let (mut rooms, mut depth, mut expecting) = (Vec::new(), 1, true);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 1 => break,
            '}' => depth -= 1,
            ',' if depth == 1 => expecting = true,
            c if expecting && !c.is_whitespace() => {
                rooms.push(word(&group[at..]));
                expecting = false;
            }
            _ => {}
        }
    }
    rooms
}

fn chooses_a_colour(line: &str) -> bool {
    line.match_indices("Color32::").any(|(at, name)| {
        let rest = &line[at + name.len()..];
        let named = rest.starts_with(|c: char| c.is_ascii_uppercase())
            && !NEUTRAL_COLOURS.iter().any(|neutral| rest.starts_with(neutral));
        named || ["from_rgb", "from_gray", "from_hex"].iter().any(|make| rest.starts_with(make))
    })
}

fn floor(room: &str) -> Option<u8> {
    FLOORS.iter().find(|(name, _)| *name == room).map(|(_, floor)| *floor)
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources() -> Vec<Source> {
    let files = rust_files(&["src"]).into_iter();
    files
        .filter(|path| path != Path::new("src/lib.rs") && !is_test(path))
        .map(|path| {
            let first = path.components().nth(1).unwrap().as_os_str().to_str().unwrap();
            let room = first.trim_end_matches(".rs").to_owned();
            let text = fs::read_to_string(root().join(&path)).unwrap();
            Source { path, room, text }
        })
        .collect()
}

/// Unit tests in files of their own may look across rooms, and their module says what they are.
fn is_test(path: &Path) -> bool {
    path.starts_with("src") && (path.ends_with("tests.rs") || path.components().any(|part| part.as_os_str() == "tests"))
}

/// Rust files below these folders of the repository, in order, without build output.
fn rust_files(folders: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open: Vec<PathBuf> = folders.iter().map(PathBuf::from).collect();
    while let Some(folder) = open.pop() {
        let Ok(entries) = fs::read_dir(root().join(&folder)) else { continue };
        for entry in entries {
            let entry = entry.unwrap();
            let path = folder.join(entry.file_name());
            if entry.file_type().unwrap().is_dir() {
                if entry.file_name() != "target" {
                    open.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}
