//! The window. The one room that knows egui.
//!
//! [`theme`] holds looks, [`command`] what can be done, [`nav`] where one can be, [`view`] what a screen is.

pub mod canvas;
pub mod command;
pub mod nav;
pub mod offscreen;
pub mod range;
pub mod theme;
pub mod view;
pub mod views;
pub mod widgets;

pub use command::Command;
pub use nav::{Place, Screen};
pub use range::Range;
pub use view::{Crumb, Level, Request, Toast, View, ViewContext};
