//! The window. The one room that knows egui.
