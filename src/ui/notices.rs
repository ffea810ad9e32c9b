//! Toasts and the list of notifications they also land in.

use super::view::{Level, Toast};
use crate::model::UnixNanos;
use std::collections::VecDeque;

/// Toasts on screen at once.
pub const SHOWN: usize = 3;
/// Seconds a toast stays.
const STAYS_S: f64 = 5.0;
/// Seconds an error stays.
const ERROR_STAYS_S: f64 = 10.0;
/// Notifications that are kept.
const KEPT: usize = 500;

/// A toast on screen.
#[derive(Clone, Debug)]
pub struct Shown {
    /// Distinguishes it from others with the same text.
    pub id: u64,
    /// What it says.
    pub toast: Toast,
    /// Seconds it still stays; stands still while the pointer is on it.
    pub left_s: f64,
}

/// A notification.
#[derive(Clone, Debug)]
pub struct Notice {
    /// When.
    pub at: UnixNanos,
    /// What.
    pub toast: Toast,
}

/// Toasts and notifications.
#[derive(Default, Debug)]
pub struct Notices {
    shown: Vec<Shown>,
    kept: VecDeque<Notice>,
    unread: usize,
    next: u64,
}

impl Notices {
    /// Shows a toast and keeps it. The oldest makes room. The same text again replaces the one on screen.
    pub fn push(&mut self, toast: Toast, at: UnixNanos) {
        self.shown.retain(|shown| shown.toast.text != toast.text);
        if self.shown.len() >= SHOWN {
            self.shown.remove(0);
        }
        let left_s = if toast.level == Level::Error { ERROR_STAYS_S } else { STAYS_S };
        self.next += 1;
        self.shown.push(Shown { id: self.next, toast: toast.clone(), left_s });
        self.kept.push_front(Notice { at, toast });
        self.kept.truncate(KEPT);
        self.unread += 1;
    }

    /// Lets `seconds` pass for every toast but the one under the pointer.
    pub fn pass(&mut self, seconds: f64, hovered: Option<u64>) {
        for shown in &mut self.shown {
            if hovered != Some(shown.id) {
                shown.left_s -= seconds;
            }
        }
        self.shown.retain(|shown| shown.left_s > 0.0);
    }

    /// Takes one off the screen.
    pub fn dismiss(&mut self, id: u64) {
        self.shown.retain(|shown| shown.id != id);
    }

    /// On screen, oldest first.
    pub fn shown(&self) -> &[Shown] {
        &self.shown
    }

    /// All, latest first.
    pub fn kept(&self) -> impl ExactSizeIterator<Item = &Notice> {
        self.kept.iter()
    }

    /// Not looked at yet.
    pub fn unread(&self) -> usize {
        self.unread
    }

    /// The list was looked at.
    pub fn mark_read(&mut self) {
        self.unread = 0;
    }

    /// Empties the list.
    pub fn clear(&mut self) {
        self.kept.clear();
        self.unread = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_are_shown_five_seconds_and_errors_ten() {
        let mut notices = Notices::default();
        for text in ["a", "b", "c", "d"] {
            notices.push(Toast::new(Level::Info, text), UnixNanos(0));
        }
        assert_eq!(notices.shown().iter().map(|s| s.toast.text.as_str()).collect::<Vec<_>>(), ["b", "c", "d"]);
        notices.push(Toast::new(Level::Error, "e"), UnixNanos(1));
        let hovered = notices.shown()[0].id;
        notices.pass(6.0, Some(hovered));
        assert_eq!(notices.shown().iter().map(|s| s.toast.text.as_str()).collect::<Vec<_>>(), ["c", "e"]);
        notices.pass(6.0, None);
        assert!(notices.shown().is_empty());
        assert_eq!((notices.kept().len(), notices.unread()), (5, 5));
        notices.mark_read();
        assert_eq!(notices.unread(), 0);
    }
}
