//! What a panel is asked and what it gets: frames that are ready to be drawn, and what asking cost.

use super::frame::Frame;
use crate::model::{Labels, TraceId};
use std::time::Duration;

/// The times a panel is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PanelRange {
    /// First moment, milliseconds.
    pub start: i64,
    /// Last moment, milliseconds.
    pub end: i64,
    /// Points along the panel's width that make sense: steps at most.
    pub points: u32,
}

/// The answer to a panel.
#[derive(Clone, Debug, Default)]
pub struct PanelAnswer {
    /// Tables, transformed, each field with its resolved options and title.
    pub frames: Vec<Frame>,
    /// Start of the axis, milliseconds.
    pub start: i64,
    /// End of the axis, milliseconds.
    pub end: i64,
    /// Milliseconds between points of the first target; 0 when none was asked over a range.
    pub step: i64,
    /// Exemplars of targets that ask for them, latest first.
    pub exemplars: Vec<Dot>,
    /// What each target cost, for the query inspector.
    pub targets: Vec<TargetCost>,
}

impl PanelAnswer {
    /// The first failure of a target; the other targets' frames are there all the same.
    pub fn problem(&self) -> Option<&str> {
        self.targets.iter().find_map(|target| target.problem.as_deref())
    }
}

/// An exemplar.
#[derive(Clone, PartialEq, Debug)]
pub struct Dot {
    /// Milliseconds.
    pub time: i64,
    /// Observed value.
    pub value: f64,
    /// Its trace.
    pub trace: Option<TraceId>,
    /// Labels of its series.
    pub series: Labels,
    /// Its target.
    pub ref_id: String,
}

/// What asking a target cost.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct TargetCost {
    /// Which.
    pub ref_id: String,
    /// What was asked, variables filled in.
    pub text: String,
    /// Milliseconds between points; 0 for one moment.
    pub step: i64,
    /// Series of the answer.
    pub series: u64,
    /// Samples read; 0 when all stood in the cache.
    pub samples: u64,
    /// Steps that were computed and those that stood in the cache.
    pub computed_steps: u64,
    /// See there.
    pub cached_steps: u64,
    /// How long it took.
    pub took: Duration,
    /// Warnings and infos.
    pub notes: Vec<String>,
    /// Why there is no answer.
    pub problem: Option<String>,
}
