//! A group's rules, evaluated one after the other, and when the group is due.
//!
//! Instants are slotted: each group has an offset of its own within its interval, so that groups don't all run at once and
//! a restart does not move them. A cycle that comes late is skipped and counted, never made up for. Between two rules the
//! caller stores what the first one wrote, so that the second sees it.

use super::file::{RuleFile, RuleGroup};
use super::restore::{after_outage, is_outage};
use super::state::{EvalError, EvalSettings, Health, HistogramText, ReadyRule, RuleState, eval_alerting, eval_recording};
use super::{RuleQuery, RuleSample};
use crate::alerting::alert::{Alert, Fingerprint};
use crate::model::sample::STALE_NAN;
use crate::model::{DurationNs, Labels, SampleValue, UnixNanos};
use std::collections::{BTreeSet, HashMap, VecDeque};

/// How often groups are evaluated that don't say.
pub const DEFAULT_INTERVAL: DurationNs = DurationNs(60_000_000_000);
/// After what time an alert is sent again.
pub const RESEND_DELAY: DurationNs = DurationNs(60_000_000_000);
/// An alert that is sent holds for this many of the longer of interval and resend delay.
const VALID_FOR: i64 = 4;

/// A group, made ready.
#[derive(Clone, Debug)]
pub struct ReadyGroup {
    /// The file it is from, part of its identity.
    pub file: String,
    /// Its name.
    pub name: String,
    /// How often.
    pub interval: DurationNs,
    /// How far back queries look.
    pub query_offset: DurationNs,
    /// Most series or alerts of one rule, 0 for any number.
    pub limit: i64,
    /// Rules in order.
    pub rules: Vec<ReadyRule>,
}

/// What holds for all groups.
#[derive(Clone, Debug)]
pub struct GroupDefaults {
    /// How often, for groups that don't say.
    pub interval: DurationNs,
    /// How far back, for groups that don't say.
    pub query_offset: DurationNs,
    /// Labels that are added to what is sent, and `$externalLabels`.
    pub external_labels: Labels,
    /// The address for links.
    pub external_url: String,
    /// How a native histogram prints.
    pub histogram_text: HistogramText,
}

impl GroupDefaults {
    /// Every minute, without an offset, labels or an address.
    pub fn new(histogram_text: HistogramText) -> Self {
        Self {
            interval: DEFAULT_INTERVAL,
            query_offset: DurationNs(0),
            external_labels: Labels::default(),
            external_url: String::new(),
            histogram_text,
        }
    }
}

/// The groups of a file, made ready.
pub fn ready_groups(file_name: &str, file: &RuleFile, defaults: &GroupDefaults) -> Vec<ReadyGroup> {
    let ready = |group: &RuleGroup| ReadyGroup {
        file: file_name.to_owned(),
        name: group.name.clone(),
        interval: group.interval.unwrap_or(defaults.interval),
        query_offset: group.query_offset.unwrap_or(defaults.query_offset),
        limit: group.limit,
        rules: group.rules.iter().map(|rule| ReadyRule::new(rule, &group.labels)).collect(),
    };
    file.groups.iter().map(ready).collect()
}

impl ReadyGroup {
    /// The instant at or before `now` at which the group is evaluated.
    pub fn slot(&self, now: UnixNanos) -> UnixNanos {
        let identity = Labels::new([("name", self.name.as_str()), ("file", self.file.as_str())]);
        let interval = self.interval.0.max(1);
        let offset = (Fingerprint::of(&identity).0 % interval as u64) as i64;
        let shifted = now.0 - offset;
        UnixNanos(shifted - shifted.rem_euclid(interval) + offset)
    }

    /// The next instant after `last`, and how many were missed when it is `now` already.
    pub fn next(&self, last: UnixNanos, now: UnixNanos) -> (UnixNanos, u64) {
        let interval = self.interval.0.max(1);
        let missed = (now.since(last).0 / interval - 1).max(0);
        (UnixNanos(last.0 + (missed + 1) * interval), missed as u64)
    }
}

/// What is remembered of a group between evaluations.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct GroupState {
    /// Rules, in the group's order.
    pub rules: Vec<RuleState>,
    /// When it was last evaluated.
    pub evaluated_at: Option<UnixNanos>,
    /// Evaluations that were missed.
    pub missed: u64,
    /// Series of rules that are gone, to be ended.
    pub orphans: BTreeSet<Labels>,
}

/// What one rule's evaluation gave.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct RuleOutcome {
    /// To be stored before the next rule is evaluated.
    pub samples: Vec<RuleSample>,
    /// To be routed.
    pub alerts: Vec<Alert>,
    /// Why it failed, then nothing is stored nor sent.
    pub error: Option<EvalError>,
}

impl GroupState {
    /// For a new group. With `restored`, no state of waiting alerts is waited for.
    pub fn new(group: &ReadyGroup, restored: bool) -> Self {
        let rule = |_: &ReadyRule| RuleState { restored, ..RuleState::default() };
        Self { rules: group.rules.iter().map(rule).collect(), ..Self::default() }
    }

    /// For a group that was edited: each rule takes over the state of a rule with the same name and labels, several of them
    /// in order. The series of rules that are gone become [`Self::orphans`].
    pub fn carried_over(&self, before: &ReadyGroup, after: &ReadyGroup) -> Self {
        let identity = |rule: &ReadyRule| (rule.rule.name().to_owned(), rule.rule.labels.clone());
        let mut known: HashMap<_, VecDeque<&RuleState>> = HashMap::new();
        for (rule, state) in before.rules.iter().zip(&self.rules) {
            known.entry(identity(rule)).or_default().push_back(state);
        }
        let mut take = |rule: &ReadyRule| {
            let state = known.get_mut(&identity(rule)).and_then(VecDeque::pop_front);
            state.cloned().unwrap_or_else(|| RuleState { restored: true, ..RuleState::default() })
        };
        let rules: Vec<RuleState> = after.rules.iter().map(&mut take).collect();
        let mut orphans = self.orphans.clone();
        orphans.extend(known.into_values().flatten().flat_map(|state| state.written.iter().cloned()));
        Self { rules, evaluated_at: self.evaluated_at, missed: self.missed, orphans }
    }

    /// Begins an evaluation: after an outage, the waits of alerts are set right.
    pub fn begin(&mut self, group: &ReadyGroup, now: UnixNanos) {
        if let Some(last) = self.evaluated_at.filter(|last| is_outage(*last, now, group.interval)) {
            for (rule, state) in group.rules.iter().zip(&mut self.rules) {
                after_outage(state, rule.rule.hold, last, now);
            }
        }
        self.evaluated_at = Some(now);
    }

    /// Evaluates the rule at a place in the group.
    pub fn eval_rule(
        &mut self,
        group: &ReadyGroup,
        place: usize,
        now: UnixNanos,
        defaults: &GroupDefaults,
        query: &RuleQuery<'_>,
    ) -> RuleOutcome {
        let (Some(ready), Some(state)) = (group.rules.get(place), self.rules.get_mut(place)) else {
            return RuleOutcome::default();
        };
        let settings = EvalSettings {
            query_offset: group.query_offset,
            limit: group.limit,
            external_labels: &defaults.external_labels,
            external_url: &defaults.external_url,
            histogram_text: defaults.histogram_text,
        };
        let answer = query(&ready.rule.expr, now - group.query_offset);
        let is_alert = ready.rule.is_alert();
        let result = if is_alert {
            let ask = |expr: &str| query(expr, now);
            eval_alerting(ready, answer, state, now, settings, &ask)
        } else {
            eval_recording(ready, answer, now, settings)
        };
        state.evaluated_at = Some(now);
        let mut samples = match result {
            Ok(samples) => samples,
            Err(error) => {
                state.health = Health::Bad(error.to_string());
                return RuleOutcome { error: Some(error), ..RuleOutcome::default() };
            }
        };
        state.health = Health::Good;
        let alerts = if is_alert { send(state, ready, now, group.interval, defaults) } else { Vec::new() };
        let time_ms = (now - group.query_offset).0.div_euclid(1_000_000);
        let written: BTreeSet<Labels> = samples.iter().map(|sample| sample.labels.clone()).collect();
        samples.extend(ended(state.written.difference(&written), time_ms));
        state.written = written;
        RuleOutcome { samples, alerts, error: None }
    }

    /// The markers that end the series of rules that are gone; nothing of them is remembered afterwards.
    pub fn end_orphans(&mut self, now: UnixNanos) -> Vec<RuleSample> {
        let alive: BTreeSet<&Labels> = self.rules.iter().flat_map(|rule| &rule.written).collect();
        let gone = std::mem::take(&mut self.orphans);
        ended(gone.iter().filter(|labels| !alive.contains(labels)), now.0.div_euclid(1_000_000)).collect()
    }
}

fn ended<'a>(series: impl Iterator<Item = &'a Labels>, time_ms: i64) -> impl Iterator<Item = RuleSample> {
    let marker = move |labels: &Labels| RuleSample { labels: labels.clone(), time_ms, value: SampleValue::Float(STALE_NAN) };
    series.map(marker)
}

/// The alerts that are due to be sent, marked as sent now.
fn send(
    state: &mut RuleState,
    ready: &ReadyRule,
    now: UnixNanos,
    interval: DurationNs,
    defaults: &GroupDefaults,
) -> Vec<Alert> {
    let link = generator_url(&defaults.external_url, &ready.rule.expr);
    let mut sent = Vec::new();
    for alert in state.alerts.values_mut().filter(|alert| alert.needs_sending(now, RESEND_DELAY)) {
        alert.last_sent_at = Some(now);
        alert.valid_until = Some(now + DurationNs(interval.max(RESEND_DELAY).0.saturating_mul(VALID_FOR)));
        let mut outgoing = alert.to_alert(&link, now);
        if !defaults.external_labels.is_empty() {
            let mut labels = defaults.external_labels.edit();
            for (name, value) in &outgoing.labels {
                labels.set(name, value);
            }
            outgoing.labels = labels.build();
        }
        sent.push(outgoing);
    }
    sent
}

/// The link from an alert to its query.
pub fn generator_url(external_url: &str, expr: &str) -> String {
    let mut escaped = String::with_capacity(expr.len() + 16);
    for byte in expr.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => escaped.push(char::from(byte)),
            b' ' => escaped.push('+'),
            byte => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    format!("{}/graph?g0.expr={escaped}&g0.tab=1", external_url.trim_end_matches('/'))
}

#[cfg(test)]
mod tests;
