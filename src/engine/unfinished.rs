//! Spans that were announced and have not ended: which are in flight, which are given up, and why.
//!
//! The rule is [`crate::analysis::GiveUp`]; here it gets the runs of a source, the time, and how long the user waits,
//! which is a setting of the workspace.

use super::{Engine, EngineError, now};
use crate::analysis::{GiveUp, SILENCE};
use crate::model::{DurationNs, UnixNanos};
use crate::source::{QueryControl, SourceError, SpanSource};

/// Key of the setting: nanoseconds of silence after which a span is given up; 0 waits for ever.
const GIVE_UP_AFTER: &str = "give_up_after_ns";

/// The rule at `now` over what a source knows.
pub fn give_up(
    source: &dyn SpanSource,
    silence: DurationNs,
    now: UnixNanos,
    control: &QueryControl,
) -> Result<GiveUp, SourceError> {
    Ok(GiveUp { now, silence, runs: source.runs(control)? })
}

impl Engine {
    /// How long a span may be silent before it is given up; zero waits for ever.
    pub fn give_up_after(&self) -> DurationNs {
        let kept = self.setting(GIVE_UP_AFTER).and_then(|text| text.parse().ok());
        kept.filter(|silence: &i64| *silence >= 0).map_or(SILENCE, DurationNs)
    }

    /// Sets it, from now on and after a restart.
    pub fn set_give_up_after(&self, silence: DurationNs) -> Result<(), EngineError> {
        self.set_setting(GIVE_UP_AFTER, &silence.0.max(0).to_string())?;
        self.0.wake.poke();
        Ok(())
    }

    /// The rule now, for a source. Called from a reader thread.
    pub fn give_up(&self, source: &dyn SpanSource, control: &QueryControl) -> Result<GiveUp, SourceError> {
        give_up(source, self.give_up_after(), now(), control)
    }
}
