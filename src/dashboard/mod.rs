//! Dashboards: what they are, how their variables fill queries, what becomes of the answers before they are drawn, and how
//! they come from and go to Grafana's JSON.
//!
//! The room owns the model ([`model`], [`options`], [`field`]), the tables that panels draw ([`frame`]), variables and
//! transformations. It asks nobody: the engine runs the queries and the window draws, both by what stands here. Times are
//! milliseconds since 1970, positions are cells of a grid 24 wide. Facts on what real dashboards use:
//! Grafana's documentation and the dashboards of the monitoring mixins.

#[macro_use]
mod record;

pub mod answer;
pub mod field;
pub mod frame;
pub mod model;
pub mod options;

pub use answer::{Dot, PanelAnswer, PanelRange, TargetCost};
pub use field::{ColourMode, FieldConfig, FieldMatcher, FieldOptions, Mapping, Override, Threshold, Thresholds};
pub use frame::{Column, Frame, FrameField};
pub use model::{Dashboard, Grid, Panel, Row, Target, TargetQuery, Variable, VariableKind};
pub use options::{Calc, PanelKind};
