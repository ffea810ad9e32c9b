//! The screens, one folder each. [`Views`] keeps one of each kind alive, so that a screen is found as it was left.
//!
//! A screen whose view is not built is not in the rail, the palette or the shortcuts: nothing is offered that leads nowhere.

pub(crate) mod menu;
pub mod shared;
#[cfg(test)]
mod stage;
pub mod trace;
pub mod traces;

use super::nav::Screen;
use super::view::View;

/// One view a screen.
#[derive(Default)]
pub struct Views {
    all: Vec<(Screen, Box<dyn View>)>,
}

impl Views {
    /// True when the screen exists.
    pub fn has(&self, screen: Screen) -> bool {
        self.all.iter().any(|(known, _)| *known == screen)
    }

    /// The view of a screen.
    pub fn of(&mut self, screen: Screen) -> Option<&mut dyn View> {
        let found = self.all.iter_mut().find(|(known, _)| *known == screen);
        found.map(|(_, view)| view.as_mut() as &mut dyn View)
    }
}
