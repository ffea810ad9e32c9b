//! Which source is looked at: the workspace with its switcher, and a chip for each opened file.

use crate::engine::{SourceId, WORKSPACE};
use crate::ui::command::Command;
use crate::ui::state::State;
use crate::ui::theme::size::{part, radius};
use crate::ui::theme::{self, Face, Icon, icon};
use crate::ui::view::Request;
use crate::ui::widgets::{Button, Kind, chip, focus_ring, section};
use egui::{Color32, Popup, Role, Sense, Ui, WidgetInfo, pos2, vec2};
use std::path::PathBuf;

/// Chips of opened files beside the workspace; more are in the popup.
const CHIPS: usize = 3;
/// Longest name on a chip, in characters.
const NAME: usize = 24;

/// Draws it; the caller lays out from the right.
pub fn show(ui: &mut Ui, state: &mut State, width: f32) {
    let files: Vec<(SourceId, String)> = state
        .facts
        .sources
        .iter()
        .filter(|source| source.id != WORKSPACE)
        .map(|source| (source.id, source.spans.name()))
        .collect();
    let has_workspace = state.facts.workspace.is_some();
    if !has_workspace && files.is_empty() {
        return;
    }
    let theme = theme::of(ui.ctx());
    let room = if width < 1000.0 { 1 } else { CHIPS };
    for (id, name) in files.iter().take(room).rev() {
        let on = state.source == *id;
        let (fill, colour) = if on { (theme.accent_soft, theme.accent) } else { (theme.raised, theme.text) };
        let close = format!("Close {name}");
        let (response, closed) = chip(ui, &shorten(name), fill, colour, Some(&close));
        if closed {
            state.requests.push(Request::Close(*id));
        } else if response.on_hover_text(name).clicked() {
            state.requests.push(Request::SetSource(*id));
        }
    }
    let name = if has_workspace { state.facts.name_of(WORKSPACE) } else { "Files".to_owned() };
    let hidden = files.len().saturating_sub(room);
    let text = if hidden > 0 { format!("{} +{hidden}", shorten(&name)) } else { shorten(&name) };
    let menu = Button::new(&text).icon(Icon::Database).after(Icon::Down).kind(Kind::Quiet).hint("Workspace and opened files");
    let menu = if state.source == WORKSPACE && has_workspace && !files.is_empty() { menu.tint(theme.accent) } else { menu };
    let response = menu.named("Workspace and opened files").show(ui);
    Popup::menu(&response).accessible_name("Workspace and opened files").width(300.0).show(|ui| popup(ui, state, &files));
}

fn popup(ui: &mut Ui, state: &mut State, files: &[(SourceId, String)]) {
    ui.set_width(300.0);
    ui.spacing_mut().item_spacing.y = 2.0;
    if let Some(workspace) = state.facts.workspace.clone() {
        section(ui, "Workspace");
        let path = workspace.dir.display().to_string();
        let where_is = if workspace.temporary { "gone when the program ends" } else { path.as_str() };
        if row(ui, Icon::Database, &workspace.name, where_is, state.source == WORKSPACE) {
            state.requests.push(Request::SetSource(WORKSPACE));
            ui.close();
        }
        let others: Vec<PathBuf> =
            state.facts.known_workspaces.iter().filter(|dir| **dir != workspace.dir).take(8).cloned().collect();
        for dir in others {
            let name = dir.file_name().map_or_else(|| dir.display().to_string(), |name| name.to_string_lossy().into_owned());
            let beside = ui.input(|input| input.modifiers.command);
            if row(ui, Icon::Database, &name, "click switches, Ctrl+click opens beside", false) {
                state.requests.push(Request::Workspace(dir, !beside));
                ui.close();
            }
        }
    }
    if !files.is_empty() {
        ui.add_space(4.0);
        section(ui, "Opened files");
        for (id, name) in files {
            let report = state.facts.source(*id).and_then(|source| source.report.as_ref());
            let format = report.map(|report| format!("{}, {} spans", report.format, report.spans)).unwrap_or_default();
            if row(ui, Icon::File, name, &format, state.source == *id) {
                state.requests.push(Request::SetSource(*id));
                ui.close();
            }
        }
    }
    ui.add_space(4.0);
    if row(ui, Icon::Folder, Command::OpenFile.text(), "", false) {
        state.requests.push(Request::Run(Command::OpenFile));
        ui.close();
    }
    let shown = state.source;
    if shown != WORKSPACE && state.facts.workspace.is_some() && row(ui, Icon::Download, "Import into workspace", "", false) {
        state.requests.push(Request::Import(shown));
        ui.close();
    }
}

/// A row of a popup; true when it was clicked.
fn row(ui: &mut Ui, shape: Icon, text: &str, note: &str, on: bool) -> bool {
    let theme = theme::of(ui.ctx());
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), part::ROW), Sense::click());
    response.widget_info(|| WidgetInfo::selected(Role::Button, true, on, text));
    let fill = if on {
        theme.selection
    } else if response.hovered() {
        theme.hover
    } else {
        Color32::TRANSPARENT
    };
    ui.painter().rect_filled(rect, radius::CHIP, fill);
    let middle = rect.center().y;
    let (strong, faint) = if on { (theme.selection_text, theme.selection_text) } else { (theme.text, theme.text_faint) };
    shape.paint(ui.painter(), pos2(rect.left() + 15.0, middle), icon::SIZE_SMALL, faint);
    let name = ui.painter().layout_no_wrap(text.to_owned(), Face::Body.font(), Color32::PLACEHOLDER);
    let left = rect.left() + 28.0;
    let end = left + name.size().x + 8.0;
    ui.painter().galley(pos2(left, middle - name.size().y / 2.0), name, strong);
    let clip = rect.shrink2(vec2(8.0, 0.0));
    let clipped = ui.painter().with_clip_rect(clip);
    let galley = clipped.layout_no_wrap(note.to_owned(), Face::Small.font(), Color32::PLACEHOLDER);
    let at = (clip.right() - galley.size().x).max(end);
    clipped.galley(pos2(at, middle - galley.size().y / 2.0), galley, faint);
    focus_ring(ui, &response, radius::CHIP);
    response.clicked()
}

/// The end of a long name is what tells files apart.
fn shorten(name: &str) -> String {
    let count = name.chars().count();
    if count <= NAME {
        return name.to_owned();
    }
    let tail: String = name.chars().skip(count - NAME + 1).collect();
    format!("\u{2026}{tail}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_name_keeps_its_end() {
        assert_eq!(shorten("short.json"), "short.json");
        let cut = shorten("a-very-long-directory-name-checkout-slow.json");
        assert_eq!(cut.chars().count(), NAME);
        assert!(cut.ends_with("checkout-slow.json") && cut.starts_with('\u{2026}'), "{cut}");
    }
}
