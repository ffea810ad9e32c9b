//! Home: the first span within two minutes, then what the services do.
//!
//! While the workspace is empty it shows the set-up; after the first span the overview, with the set-up behind
//! `Add a source`.

mod cards;
mod overview;
mod recipe;
mod setup;

pub use cards::speaks;

use self::overview::Overview;
use self::setup::Setup;
use crate::engine::Query;
use crate::ui::command::Command;
use crate::ui::nav::Place;
use crate::ui::view::{Crumb, View, ViewContext};
use crate::ui::views::shared::finished;
use egui::{Rect, Ui, UiBuilder, vec2};
use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

/// Widest content column, in points.
const COLUMN: f32 = 1200.0;
/// Space beside the column in a wide window and in a narrow one.
const SIDE: (f32, f32) = (44.0, 24.0);
/// From this width of the content on the window is wide.
const WIDE: f32 = 1040.0;

/// The view.
#[derive(Default)]
pub struct HomeView {
    setup: Setup,
    overview: Overview,
    /// The set-up although there is data.
    wants_setup: bool,
    /// Recent files that are no longer there, looked for when Home opens.
    gone: Gone,
}

/// Recent files that are no longer where they were.
#[derive(Default)]
struct Gone {
    asked: Vec<PathBuf>,
    asking: Query<HashSet<PathBuf>>,
    found: Arc<HashSet<PathBuf>>,
}

impl Gone {
    /// Looks again when the list changed; off the frame, for a file may lie on a slow disk.
    fn update(&mut self, ctx: &ViewContext<'_>) {
        if let Some(Ok(found)) = finished(&mut self.asking) {
            self.found = found;
        }
        let same = self.asked.iter().eq(ctx.facts.recent.iter().map(|recent| &recent.path));
        if !same {
            self.asked = ctx.facts.recent.iter().map(|recent| recent.path.clone()).collect();
            let paths = self.asked.clone();
            let missing = |path: &PathBuf| matches!(path.try_exists(), Ok(false));
            self.asking = ctx.engine.ask(move |_| Ok(paths.into_iter().filter(missing).collect()));
        }
    }
}

impl View for HomeView {
    fn crumbs(&self) -> Vec<Crumb> {
        if self.wants_setup {
            vec![Crumb::link("Home", Place::HOME), Crumb::here("Add a source")]
        } else {
            vec![Crumb::here("Home")]
        }
    }

    fn arrive(&mut self, place: &Place, _ctx: &mut ViewContext<'_>) {
        self.gone.asked.clear();
        self.wants_setup = matches!(place, Place::Home { setup: true });
    }

    fn supports(&self, command: Command) -> bool {
        let _ = command;
        false
    }

    fn ui(&mut self, ui: &mut Ui, ctx: &mut ViewContext<'_>) {
        self.gone.update(ctx);
        let gone = self.gone.found.clone();
        let area = ui.available_rect_before_wrap();
        egui::ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
            let side = if area.width() >= WIDE { SIDE.0 } else { SIDE.1 };
            let width = (area.width() - 2.0 * side).min(COLUMN);
            let left = area.left() + (area.width() - width) / 2.0;
            let top = ui.cursor().top() + side;
            let column = Rect::from_min_size(egui::pos2(left, top), vec2(width, f32::INFINITY));
            let mut child = ui.new_child(UiBuilder::new().max_rect(column));
            child.spacing_mut().item_spacing = vec2(8.0, 0.0);
            if ctx.facts.has_data && !self.wants_setup {
                self.overview.show(&mut child, ctx, &gone);
            } else {
                self.setup.show(&mut child, ctx, self.wants_setup, &gone);
            }
            let bottom = child.min_rect().bottom() + side;
            ui.allocate_rect(Rect::from_min_max(area.left_top(), egui::pos2(area.left() + 1.0, bottom)), egui::Sense::hover());
        });
    }
}
