//! No colour is written outside the theme.

use std::path::{Path, PathBuf};

/// Ways to write a colour. `Color32::TRANSPARENT` and `PLACEHOLDER` are not colours but their absence.
const COLOURS: [&str; 8] = [
    "Color32::from_",
    "Rgba::from_",
    "Hsva::new",
    "Color32::WHITE",
    "Color32::GRAY",
    "Color32::RED",
    "hex_color!",
    "Color32::YELLOW",
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn colours_come_from_roles_everywhere_but_in_the_theme() {
    let ui = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/ui");
    let mut files = Vec::new();
    sources(&ui, &mut files);
    assert!(files.len() > 20);
    for file in files {
        let inside = file.strip_prefix(&ui).unwrap();
        // The theme defines them; the rasteriser computes with pixels; this file names them.
        if inside.starts_with("theme") || inside == Path::new("offscreen.rs") || inside == Path::new("tests/lint.rs") {
            continue;
        }
        let text = std::fs::read_to_string(&file).unwrap();
        for (number, line) in text.lines().enumerate() {
            let colour = COLOURS.iter().find(|colour| line.contains(**colour));
            assert_eq!(colour, None, "{}:{}", inside.display(), number + 1);
        }
    }
}
