//! What a waiting alert keeps of its wait over a restart, or over an outage of which the program knew nothing.
//!
//! Prometheus' arithmetic (`RestoreForState`): with `remaining = for - (down_at - active_at)`, an alert that had waited long
//! enough keeps its time and fires at the next evaluation; one whose `for` is shorter than the grace period begins anew; one
//! with less than the grace period remaining fires a grace period from now; any other goes on where it stopped.
//!
//! A laptop that slept is such an outage, seen from within: nothing was measured, so the sleep must not count as waiting
//! ([`after_outage`]); otherwise a pending alert would fire at the first evaluation after waking, with no data in between.

use super::state::{AlertState, RuleState};
use crate::model::sample::is_stale;
use crate::model::{DurationNs, Labels, UnixNanos};
use std::collections::HashMap;

/// How far back the state of alerts is looked for.
pub const OUTAGE_TOLERANCE: DurationNs = DurationNs(3_600 * 1_000_000_000);
/// The least time from a restart to the firing of an alert that was waiting.
pub const FOR_GRACE_PERIOD: DurationNs = DurationNs(600 * 1_000_000_000);
/// Evaluations that may be missing before a gap is an outage: as many as until receivers take an alert as resolved.
pub const OUTAGE_INTERVALS: i64 = 4;

/// The last sample of a series of [`super::state::ALERTS_FOR_STATE`].
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct ForState {
    /// Milliseconds since 1970.
    pub time_ms: i64,
    /// The second at which the alert became active, or the stale marker.
    pub active_second: f64,
}

/// Restores the alerts of a rule from the series (by labels without the metric's name) after the second evaluation.
pub fn restore(state: &mut RuleState, hold: DurationNs, series: &HashMap<Labels, ForState>, now: UnixNanos) {
    for (labels, alert) in &mut state.alerts {
        let Some(last) = series.get(labels).filter(|last| !is_stale(last.active_second)) else { continue };
        let down_at = UnixNanos(last.time_ms.div_euclid(1_000).saturating_mul(1_000_000_000));
        let active_at = UnixNanos((last.active_second as i64).saturating_mul(1_000_000_000));
        if let Some(restored) = restored_active_at(active_at, down_at, hold, now) {
            alert.active_at = restored;
        }
    }
    state.restored = true;
}

/// When an alert became active as far as `for` is concerned, given that nothing is known from `down_at` to `now`; `None`
/// when it begins anew.
fn restored_active_at(active_at: UnixNanos, down_at: UnixNanos, hold: DurationNs, now: UnixNanos) -> Option<UnixNanos> {
    let remaining = DurationNs(hold.0 - down_at.since(active_at).0);
    if remaining.0 <= 0 {
        Some(active_at)
    } else if hold < FOR_GRACE_PERIOD {
        None
    } else if remaining < FOR_GRACE_PERIOD {
        Some(now + FOR_GRACE_PERIOD - hold)
    } else {
        Some(active_at + now.since(down_at))
    }
}

/// True when so much time lies between two evaluations that what was in between is not known.
pub fn is_outage(last: UnixNanos, now: UnixNanos, interval: DurationNs) -> bool {
    now.since(last).0 > interval.0.saturating_mul(OUTAGE_INTERVALS)
}

/// Applies the same arithmetic to a state that lived through an outage, before the first evaluation after it. Alerts that
/// fire go on; their `keep_firing_for` does not run while nothing was measured. After more than the tolerance, waiting begins
/// anew.
pub fn after_outage(state: &mut RuleState, hold: DurationNs, last: UnixNanos, now: UnixNanos) {
    let gap = now.since(last);
    for alert in state.alerts.values_mut() {
        match alert.state {
            AlertState::Pending => {
                let within = if gap > OUTAGE_TOLERANCE { None } else { restored_active_at(alert.active_at, last, hold, now) };
                alert.active_at = within.unwrap_or(now);
            }
            AlertState::Firing => alert.keep_firing_since = alert.keep_firing_since.map(|since| since + gap),
            AlertState::Inactive | AlertState::Unknown => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000_000_000;

    #[test]
    fn a_wait_is_taken_up_by_the_time_that_remained() {
        let at = |minutes: i64| UnixNanos(minutes * MINUTE);
        let hold = |minutes: i64| DurationNs(minutes * MINUTE);
        for (case, active, down, held, now, restored) in [
            ("was firing", 0, 30, 25, 40, Some(0)),
            ("short for begins anew", 0, 3, 5, 10, None),
            ("much remains: goes on where it stopped", 0, 5, 60, 20, Some(15)),
            ("little remains: a grace period from now", 0, 20, 25, 40, Some(25)),
            ("exactly a grace period remains", 0, 15, 25, 40, Some(25)),
        ] {
            assert_eq!(restored_active_at(at(active), at(down), hold(held), at(now)), restored.map(at), "{case}");
        }
    }

    #[test]
    fn a_gap_is_an_outage_from_more_than_four_intervals_on() {
        let interval = DurationNs(MINUTE);
        assert!(!is_outage(UnixNanos(0), UnixNanos(4 * MINUTE), interval));
        assert!(is_outage(UnixNanos(0), UnixNanos(4 * MINUTE + 1), interval));
    }
}
