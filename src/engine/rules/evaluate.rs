//! One evaluation of a group: queries over the workspace, samples back into it, alerts into the routing.

use super::schedule::{Due, LiveGroup, RuleDesk};
use crate::alerting::alert::{Alert, PostedAlert};
use crate::alerting::rules::restore::{ForState, OUTAGE_TOLERANCE, restore};
use crate::alerting::rules::state::ReadyRule;
use crate::alerting::rules::{QuerySample, RuleSample};
use crate::alerting::unit_test::bench::samples;
use crate::engine::Engine;
use crate::model::labels::METRIC_NAME;
use crate::model::{Door, DurationNs, Labels, SampleBatch, SampleColumn, UnixNanos};
use crate::promql::eval::{self, When};
use crate::source::{MatchOp, Matcher, MillisRange, QueryControl, SeriesRequest, SeriesSource, SourceError};
use crate::store::Workspace;
use std::collections::HashMap;
use std::time::Instant;

/// Evaluates the group for its slot. `now` is when the evaluation began.
pub(super) fn evaluate(engine: &Engine, due: Due, now: UnixNanos) {
    let (Ok(live_engine), Ok(desk)) = (engine.live("evaluate rules"), engine.rule_desk()) else { return };
    let workspace = live_engine.served.now();
    due.slot.work(|live| work(engine, desk, &workspace, live, Slotted { at: due.at, missed: due.missed, now }));
}

/// Which evaluation it is.
struct Slotted {
    /// The slot.
    at: UnixNanos,
    /// Slots that were missed before it.
    missed: u64,
    /// When it began.
    now: UnixNanos,
}

fn work(engine: &Engine, desk: &RuleDesk, workspace: &Workspace, live: &mut LiveGroup, due: Slotted) {
    let (series, now, begun) = (workspace.metrics(), due.now, Instant::now());
    let group = live.group.clone();
    if due.missed > 0 {
        tracing::warn!(group = group.name, missed = due.missed, "evaluations of a rule group were missed");
    }
    live.state.begin(&group, due.at);
    live.rules_took.resize(group.rules.len(), DurationNs(0));
    let query = |expr: &str, at: UnixNanos| answer(&*series, expr, at);
    for place in 0..group.rules.len() {
        let rule_begun = Instant::now();
        let outcome = live.state.eval_rule(&group, place, due.at, desk.defaults(), &query);
        if let Some(error) = &outcome.error {
            tracing::warn!(group = group.name, rule = group.rules[place].rule.name(), %error, "a rule failed");
        }
        store(workspace, outcome.samples, now);
        tell(engine, outcome.alerts);
        live.rules_took[place] = rule_begun.elapsed().into();
    }
    let ended = live.state.end_orphans(due.at);
    store(workspace, ended, now);
    live.evaluations = live.evaluations.saturating_add(1);
    if live.evaluations == 2 {
        for (rule, state) in group.rules.iter().zip(&mut live.state.rules) {
            if !state.restored {
                let known = for_states(&*series, rule, due.at).unwrap_or_else(|error| {
                    tracing::warn!(rule = rule.rule.name(), %error, "the waits of alerts are not restored");
                    HashMap::new()
                });
                restore(state, rule.rule.hold, &known, due.at);
            }
        }
    }
    live.took = begun.elapsed().into();
}

fn answer(series: &dyn SeriesSource, expr: &str, at: UnixNanos) -> Result<Vec<QuerySample>, String> {
    let read = crate::promql::parse(expr).map_err(|error| error.to_string())?;
    let options = eval::Options { threads: 1, ..eval::Options::default() };
    let when = When::Instant(at.0.div_euclid(1_000_000));
    let evaluated = eval::evaluate(&read, when, series, &options, &QueryControl::default());
    samples(evaluated.map_err(|error| error.to_string())?.answer)
}

/// Stores what a rule wrote, and waits until it is: the next rule reads it.
fn store(workspace: &Workspace, samples: Vec<RuleSample>, received: UnixNanos) {
    if samples.is_empty() {
        return;
    }
    let mut batch = SampleBatch::default();
    for sample in samples {
        batch.begin_series(&sample.labels);
        batch.push(sample.time_ms, sample.value);
    }
    match workspace.append_samples(Door::Own, batch, received) {
        Ok(receipt) => {
            if let Err(error) = receipt.wait() {
                tracing::error!(%error, "what a rule found is not stored");
            }
        }
        Err(error) => tracing::error!(%error, "what a rule found is not stored"),
    }
}

fn tell(engine: &Engine, alerts: Vec<Alert>) {
    if alerts.is_empty() {
        return;
    }
    let posted = alerts.into_iter().map(|alert| PostedAlert {
        labels: alert.labels.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        annotations: alert.annotations,
        starts_at: Some(alert.starts_at),
        ends_at: Some(alert.ends_at),
        generator_url: alert.generator_url,
    });
    if let Err(error) = engine.post_alerts(posted.collect()) {
        tracing::error!(%error, "alerts are not kept; they are sent again with the next evaluation");
    }
}

/// The last samples of the series from which the waits of a rule's alerts are restored, by labels without the name.
fn for_states(series: &dyn SeriesSource, rule: &ReadyRule, now: UnixNanos) -> Result<HashMap<Labels, ForState>, SourceError> {
    if !rule.rule.is_alert() {
        return Ok(HashMap::new());
    }
    let labels = rule.fixed_labels();
    let matcher = |(name, value): (&str, &str)| Matcher { name: name.into(), op: MatchOp::Equal, value: value.into() };
    let matchers: Vec<Matcher> = labels.iter().map(matcher).collect();
    let millis = |at: UnixNanos| at.0.div_euclid(1_000_000);
    let range = MillisRange { start: millis(now - OUTAGE_TOLERANCE), end: millis(now) };
    let request = SeriesRequest { matchers: &matchers, range, limit: 0 };
    let set = series.select(&request, &QueryControl::default())?;
    let (mut known, mut column) = (HashMap::new(), SampleColumn::default());
    for (index, picked) in set.series().iter().enumerate() {
        set.read(index, range, &mut column)?;
        if let (Some(time_ms), Some(active_second)) = (column.times.last(), column.values.last()) {
            let labels = picked.labels.without(|name| name == METRIC_NAME);
            known.insert(labels, ForState { time_ms: *time_ms, active_second: *active_second });
        }
    }
    Ok(known)
}
