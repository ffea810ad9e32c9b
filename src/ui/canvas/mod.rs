//! Canvases that are painted rather than laid out: their cost follows the pixels they cover, not what they hold.
//!
//! [`viewport`] is which part of time is looked at, [`flame`] turns a layout into one mesh a layer, [`critical`] lays the critical path over it, [`minimap`] shows all
//! of it with a window to drag, [`ruler`] names the moments, [`rows`] lists without end. No widget stands for a span: what is under the pointer is
//! found by binary search. Times are nanoseconds, positions points; sums of times are made in `i64` before they become
//! positions.

pub mod critical;
pub mod difference;
pub mod elide;
pub mod flame;
pub mod minimap;
pub mod palette;
pub mod rows;
pub mod ruler;
pub mod viewport;

pub use palette::Palette;
pub use rows::Rows;
pub use viewport::Viewport;
