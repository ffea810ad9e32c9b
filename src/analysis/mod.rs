//! What a trace says: who called whom, self time, lanes to draw it in, and what is odd about it.
//!
//! Pure functions of a [`crate::model::Trace`]: no clock, no I/O, no recursion (a trace may be a hundred thousand spans
//! deep), parallel arrays indexed by `u32` (a trace may have millions of spans). They run on reader threads and their
//! results are painted by the window. [`Tree`] is built once a trace revision; [`Layout`] once a change of what is
//! folded. A *node* is a number: below [`Tree::spans`] it is the index of a span in the batch, above it a virtual root
//! that stands for a parent which was not received.

mod compare;
mod critical_path;
mod find;
mod findings;
mod layout;
mod marks;
mod operations;
mod outline;
mod paths;
mod repeats;
mod skew;
mod tree;

pub use compare::{Comparer, Comparison, Difference};
pub use critical_path::{CriticalPath, Segment};
pub use find::{Find, find};
pub use findings::{Finder, Finding, FindingKind};
pub use layout::{
    Aggregate, ClassBy, Fold, Group, Layout, LayoutInput, NO_LANE, Overview, OverviewRun, PixelView, SELF_TIME_STEPS, layout,
};
pub use marks::Marks;
pub use operations::{Operation, operations};
pub use outline::{outline, visible_rows};
pub use paths::{DiffRow, Frame, Paths, STEP, diff};
pub use repeats::{REPEATS_FROM, Repeat};
pub use skew::{ClockSkew, estimate_skew};
pub use tree::{GiveUp, GivenUp, NONE, SILENCE, Tree, TreeInput};
