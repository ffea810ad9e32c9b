//! The frame around the views: rail, top bar, status bar, palette, shortcut sheet, toasts.

pub mod close;
pub mod palette;
pub mod rail;
pub mod range_popup;
pub mod shortcut_sheet;
pub mod source_menu;
pub mod status_bar;
pub mod toasts;
pub mod top_bar;
