//! The window. The one room that knows egui.
//!
//! [`theme`] holds looks, [`command`] what can be done, [`nav`] where one can be, [`view`] what a screen is.

mod act;
pub mod app;
pub mod canvas;
pub mod command;
pub mod facts;
pub mod fuzzy;
mod mark;
pub mod nav;
pub mod notices;
pub mod offscreen;
pub mod range;
pub mod range_text;
pub mod shell;
pub mod state;
pub mod theme;
pub mod view;
pub mod views;
pub mod widgets;

#[cfg(test)]
mod tests;

pub use app::{APP_ID, Ended, NoWindow, Options, run};
pub use command::Command;
pub use facts::Facts;
pub use nav::{Place, Screen};
pub use range::Range;
pub use view::{Crumb, Level, Request, Toast, View, ViewContext};
