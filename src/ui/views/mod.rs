//! The screens, one folder each. [`Views`] keeps one of each kind alive, so that a screen is found as it was left.
//!
//! A screen whose view is not built is not in the rail, the palette or the shortcuts: nothing is offered that leads nowhere.

mod answer;
pub mod compare;
pub mod explore;
pub mod findings;
pub mod headers;
pub mod home;
pub(crate) mod menu;
pub mod notifications;
mod query_bar;
pub mod settings;
pub mod shared;
#[cfg(test)]
mod stage;
pub mod trace;
pub mod traces;

use super::nav::Screen;
use super::view::View;

/// One view a screen.
pub struct Views {
    all: Vec<(Screen, Box<dyn View>)>,
}

impl Default for Views {
    /// Every screen there is.
    fn default() -> Self {
        let list = shared::ListShared::default();
        Self {
            all: vec![
                (Screen::Home, Box::new(home::HomeView::default())),
                (Screen::Traces, Box::new(traces::TracesView::new(list.clone()))),
                (Screen::Trace, Box::new(trace::TraceView::new(list))),
                (Screen::Findings, Box::new(findings::FindingsView::default())),
                (Screen::Compare, Box::new(compare::CompareView::default())),
                (Screen::Explore, Box::new(explore::ExploreView::default())),
                (Screen::Headers, Box::new(headers::HeadersView::default())),
                (Screen::Notifications, Box::new(notifications::NotificationsView::default())),
                (Screen::Settings, Box::new(settings::SettingsView::default())),
            ],
        }
    }
}

impl Views {
    /// The view of a screen, to ask it something.
    pub fn get(&self, screen: Screen) -> Option<&dyn View> {
        self.all.iter().find(|(known, _)| *known == screen).map(|(_, view)| view.as_ref())
    }

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
