//! One rule's evaluation: the state machine of alerts, in the order that Prometheus' `rules/alerting.go` has, and recording.
//!
//! A query that fails leaves everything as it is. Otherwise each sample becomes an alert with the rule's labels over its
//! own; one that was not known or had ended begins pending, one that was goes on with a new value and new annotations.
//! An alert that the query no longer returns is dropped while pending, goes on firing for `keep_firing_for`, or ends and is
//! remembered for a quarter of an hour, so that its end is told often enough. Pending becomes firing once `for` is over,
//! firing becomes pending again when somebody raised `for` in the meantime.

use super::file::Rule;
use super::{QuerySample, RuleSample};
use crate::alerting::alert::{ALERT_NAME, Alert, Annotations};
use crate::alerting::template::{self, Template, TemplateError, TemplateSample, Value};
use crate::model::labels::METRIC_NAME;
use crate::model::{DurationNs, FloatHistogram, Labels, SampleValue, UnixNanos};
use std::collections::{BTreeMap, BTreeSet};

/// How long an alert that ended is remembered and told of.
pub const RESOLVED_RETENTION: DurationNs = DurationNs(15 * 60 * 1_000_000_000);

/// The series of active alerts.
pub const ALERTS: &str = "ALERTS";
/// The series from which waiting alerts are restored: its value is the second at which the alert became active.
pub const ALERTS_FOR_STATE: &str = "ALERTS_FOR_STATE";
/// The label of [`ALERTS`] that says pending or firing.
pub const ALERT_STATE: &str = "alertstate";

/// Where an alert, or the worst alert of a rule, is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Hash)]
pub enum AlertState {
    /// Not evaluated yet.
    #[default]
    Unknown,
    /// Ended, or none.
    Inactive,
    /// Its query returns it, not long enough yet.
    Pending,
    /// It fires.
    Firing,
}

impl AlertState {
    /// The word of series and API.
    pub fn word(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Inactive => "inactive",
            Self::Pending => "pending",
            Self::Firing => "firing",
        }
    }
}

/// An alert of a rule.
#[derive(Clone, PartialEq, Debug)]
pub struct RuleAlert {
    /// Pending, firing or inactive.
    pub state: AlertState,
    /// Labels.
    pub labels: Labels,
    /// Annotations.
    pub annotations: Annotations,
    /// The sample's value; of a histogram zero, as in Prometheus.
    pub value: f64,
    /// When the query first returned it.
    pub active_at: UnixNanos,
    /// When it began to fire.
    pub fired_at: Option<UnixNanos>,
    /// When it ended.
    pub resolved_at: Option<UnixNanos>,
    /// When it was last sent.
    pub last_sent_at: Option<UnixNanos>,
    /// Until when the last sending holds.
    pub valid_until: Option<UnixNanos>,
    /// Since when it fires only because of `keep_firing_for`.
    pub keep_firing_since: Option<UnixNanos>,
}

impl RuleAlert {
    /// Whether it is to be sent: never while pending; at once when it ended since it was last sent; else after the delay.
    pub fn needs_sending(&self, now: UnixNanos, resend_delay: DurationNs) -> bool {
        if self.state == AlertState::Pending {
            return false;
        }
        // Without a time stands before every time.
        if self.resolved_at > self.last_sent_at {
            return true;
        }
        self.last_sent_at.is_none_or(|sent| sent + resend_delay < now)
    }

    /// As it is sent: it began when it fired and ends when it ended, or when nobody will have sent it again.
    pub fn to_alert(&self, generator_url: &str, now: UnixNanos) -> Alert {
        Alert {
            labels: self.labels.clone(),
            annotations: self.annotations.clone(),
            starts_at: self.fired_at.unwrap_or(self.active_at),
            ends_at: self.resolved_at.or(self.valid_until).unwrap_or(now),
            generator_url: generator_url.to_owned(),
            updated_at: now,
            timeout: false,
        }
    }
}

/// How the last evaluation went.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Health {
    /// There was none.
    #[default]
    Unknown,
    /// Well.
    Good,
    /// Not.
    Bad(String),
}

impl Health {
    /// The word of the API.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Good => "ok",
            Self::Bad(_) => "err",
        }
    }
}

/// What is remembered of a rule between evaluations.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct RuleState {
    /// Alerts by labels, ended ones for a while.
    pub alerts: BTreeMap<Labels, RuleAlert>,
    /// Whether waiting alerts were restored, so that [`ALERTS`] may be written.
    pub restored: bool,
    /// How the last evaluation went.
    pub health: Health,
    /// When that was.
    pub evaluated_at: Option<UnixNanos>,
    /// Series written by the last evaluation that succeeded.
    pub written: BTreeSet<Labels>,
}

impl RuleState {
    /// The worst of its alerts.
    pub fn state(&self) -> AlertState {
        if self.evaluated_at.is_none() {
            return AlertState::Unknown;
        }
        self.alerts.values().map(|alert| alert.state).max().unwrap_or(AlertState::Inactive).max(AlertState::Inactive)
    }

    /// Pending and firing alerts.
    pub fn active(&self) -> impl Iterator<Item = &RuleAlert> {
        self.alerts.values().filter(|alert| alert.resolved_at.is_none())
    }
}

/// A text that may be a template, read once.
#[derive(Clone, Debug)]
enum Text {
    Plain(String),
    Template(Template),
    Broken(TemplateError),
}

impl Text {
    fn new(alert: &str, text: &str) -> Self {
        match Template::parse_alert(alert, text) {
            Ok(template) if template.is_plain() => Self::Plain(text.to_owned()),
            Ok(template) => Self::Template(template),
            Err(error) => Self::Broken(error),
        }
    }

    fn expand(&self, context: impl FnOnce() -> Result<String, TemplateError>) -> String {
        let result = match self {
            Self::Plain(text) => return text.clone(),
            Self::Template(_) => context(),
            Self::Broken(error) => Err(error.clone()),
        };
        result.unwrap_or_else(|error| format!("<error expanding template: {error}>"))
    }
}

/// A rule, made ready.
#[derive(Clone, Debug)]
pub struct ReadyRule {
    /// As written, the group's labels among its own.
    pub rule: Rule,
    labels: Vec<(String, Text)>,
    annotations: Vec<(String, Text)>,
}

impl ReadyRule {
    /// A rule with its group's labels, over which its own win.
    pub fn new(rule: &Rule, group_labels: &BTreeMap<String, String>) -> Self {
        let mut rule = rule.clone();
        for (name, value) in group_labels {
            rule.labels.entry(name.clone()).or_insert_with(|| value.clone());
        }
        let texts = |texts: &BTreeMap<String, String>| {
            texts.iter().map(|(name, text)| (name.clone(), Text::new(&rule.alert, text))).collect()
        };
        let (labels, annotations) = (texts(&rule.labels), texts(&rule.annotations));
        Self { rule, labels, annotations }
    }

    /// Labels as written, with which the series [`ALERTS_FOR_STATE`] is asked for: those that are no template.
    pub fn fixed_labels(&self) -> Labels {
        let mut labels = Labels::new(self.rule.labels.iter().filter(|(_, value)| !value.contains("{{"))).edit();
        labels.set(METRIC_NAME, ALERTS_FOR_STATE).set(ALERT_NAME, &self.rule.alert);
        labels.build()
    }
}

/// What an evaluation goes by besides the rule.
#[derive(Clone, Copy)]
pub struct EvalSettings<'a> {
    /// How far back the query looked.
    pub query_offset: DurationNs,
    /// Most series or alerts, 0 for any number.
    pub limit: i64,
    /// `$externalLabels`.
    pub external_labels: &'a Labels,
    /// `$externalURL` and links.
    pub external_url: &'a str,
    /// How a native histogram prints.
    pub histogram_text: HistogramText,
}

/// Prints a native histogram as PromQL does.
pub type HistogramText = fn(&FloatHistogram) -> String;

/// Why a rule's evaluation failed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum EvalError {
    /// The query did.
    #[error("{0}")]
    Query(String),
    /// Two samples became one alert.
    #[error("vector contains metrics with the same labelset after applying alert labels")]
    SameAlert,
    /// Two samples became one series.
    #[error("vector contains metrics with the same labelset after applying rule labels")]
    SameSeries,
    /// More than allowed.
    #[error("exceeded limit of {limit} with {found} {what}")]
    Limit {
        /// Allowed.
        limit: i64,
        /// Found.
        found: usize,
        /// Alerts or series.
        what: &'static str,
    },
}

/// Answers the `query` function of templates.
pub type TemplateQuery<'a> = dyn Fn(&str) -> Result<Vec<QuerySample>, String> + 'a;

/// A value of a sample as templates see it.
fn template_value(value: &SampleValue, histogram_text: HistogramText) -> Value {
    match value {
        SampleValue::Float(value) => Value::Float(*value),
        SampleValue::Histogram(histogram) => Value::Histogram(histogram_text(histogram)),
    }
}

fn template_sample(sample: QuerySample, histogram_text: HistogramText) -> TemplateSample {
    TemplateSample {
        labels: sample.labels.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        value: template_value(&sample.value, histogram_text),
    }
}

/// Evaluates an alerting rule: the answer of its query at `now - query_offset` against what is remembered. The samples of
/// [`ALERTS`] and [`ALERTS_FOR_STATE`] to write, none before waiting alerts were restored.
pub fn eval_alerting(
    ready: &ReadyRule,
    answer: Result<Vec<QuerySample>, String>,
    state: &mut RuleState,
    now: UnixNanos,
    settings: EvalSettings<'_>,
    query: &TemplateQuery<'_>,
) -> Result<Vec<RuleSample>, EvalError> {
    let rule = &ready.rule;
    let found = alerts_of(ready, answer.map_err(EvalError::Query)?, now, settings, query)?;
    let returned: BTreeSet<Labels> = found.keys().cloned().collect();
    for (labels, alert) in found {
        match state.alerts.get_mut(&labels) {
            Some(known) if known.state != AlertState::Inactive => {
                (known.value, known.annotations) = (alert.value, alert.annotations);
            }
            _ => {
                state.alerts.insert(labels, alert);
            }
        }
    }

    let mut samples = Vec::new();
    let mut active = 0;
    let stamp = (now - settings.query_offset).0.div_euclid(1_000_000);
    state.alerts.retain(|labels, alert| {
        let mut keep = true;
        if returned.contains(labels) {
            alert.keep_firing_since = None;
        } else {
            let mut keeps_firing = false;
            if alert.state == AlertState::Firing && rule.keep_firing_for.0 > 0 {
                let since = *alert.keep_firing_since.get_or_insert(now);
                keeps_firing = now.since(since) < rule.keep_firing_for;
            }
            let old = alert.resolved_at.is_some_and(|resolved| now.since(resolved) > RESOLVED_RETENTION);
            keep = alert.state != AlertState::Pending && !old;
            if alert.state != AlertState::Inactive && !keeps_firing {
                alert.state = AlertState::Inactive;
                alert.resolved_at = Some(now);
            }
            if !keeps_firing {
                return keep;
            }
        }
        active += 1;
        if alert.state == AlertState::Pending && now.since(alert.active_at) >= rule.hold {
            alert.state = AlertState::Firing;
            alert.fired_at = Some(now);
        }
        if alert.state == AlertState::Firing && now.since(alert.active_at) < rule.hold {
            alert.state = AlertState::Pending;
            (alert.fired_at, alert.last_sent_at, alert.keep_firing_since) = (None, None, None);
        }
        if state.restored {
            samples.extend(alert_samples(rule, alert, stamp));
        }
        keep
    });
    if settings.limit > 0 && active > settings.limit as usize {
        state.alerts.clear();
        return Err(EvalError::Limit { limit: settings.limit, found: active, what: "alerts" });
    }
    Ok(samples)
}

/// The alerts that an answer makes, all of them pending since now.
fn alerts_of(
    ready: &ReadyRule,
    answer: Vec<QuerySample>,
    now: UnixNanos,
    settings: EvalSettings<'_>,
    query: &TemplateQuery<'_>,
) -> Result<BTreeMap<Labels, RuleAlert>, EvalError> {
    let rule = &ready.rule;
    let mut found = BTreeMap::new();
    for sample in answer {
        let data = template::alert_data(
            sample.labels.iter(),
            settings.external_labels.iter(),
            settings.external_url,
            template_value(&sample.value, settings.histogram_text),
        );
        let read = |sample| template_sample(sample, settings.histogram_text);
        let ask = |expr: &str| query(expr).map(|samples| samples.into_iter().map(read).collect());
        let context = template::Context { data, now, external_url: settings.external_url, query: &ask };
        let expand = |text: &Text| {
            text.expand(|| match text {
                Text::Template(template) => template.expand(&context),
                Text::Plain(text) => Ok(text.clone()),
                Text::Broken(error) => Err(error.clone()),
            })
        };
        let mut labels = sample.labels.edit();
        labels.remove(METRIC_NAME);
        for (name, text) in &ready.labels {
            labels.set(name, &expand(text));
        }
        labels.set(ALERT_NAME, &rule.alert);
        let labels = labels.build();
        let annotations = ready.annotations.iter().map(|(name, text)| (name.as_str().into(), expand(text))).collect();
        let alert = RuleAlert {
            state: AlertState::Pending,
            labels: labels.clone(),
            annotations,
            value: match sample.value {
                SampleValue::Float(value) => value,
                SampleValue::Histogram(_) => 0.0,
            },
            active_at: now,
            fired_at: None,
            resolved_at: None,
            last_sent_at: None,
            valid_until: None,
            keep_firing_since: None,
        };
        if found.insert(labels, alert).is_some() {
            return Err(EvalError::SameAlert);
        }
    }
    Ok(found)
}

fn alert_samples(rule: &Rule, alert: &RuleAlert, time_ms: i64) -> [RuleSample; 2] {
    // The rule's labels as written stand below: one whose template gave nothing shows its text here, as in Prometheus.
    let mut labels = Labels::new(&rule.labels).edit();
    for (name, value) in &alert.labels {
        labels.set(name, value);
    }
    labels.set(ALERT_NAME, &rule.alert);
    let for_state = labels.clone().set(METRIC_NAME, ALERTS_FOR_STATE).build();
    let state = labels.set(METRIC_NAME, ALERTS).set(ALERT_STATE, alert.state.word()).build();
    let active_second = alert.active_at.0.div_euclid(1_000_000_000) as f64;
    [
        RuleSample { labels: state, time_ms, value: SampleValue::Float(1.0) },
        RuleSample { labels: for_state, time_ms, value: SampleValue::Float(active_second) },
    ]
}

/// Evaluates a recording rule: the samples to write.
pub fn eval_recording(
    ready: &ReadyRule,
    answer: Result<Vec<QuerySample>, String>,
    now: UnixNanos,
    settings: EvalSettings<'_>,
) -> Result<Vec<RuleSample>, EvalError> {
    let answer = answer.map_err(EvalError::Query)?;
    let time_ms = (now - settings.query_offset).0.div_euclid(1_000_000);
    let mut seen = BTreeSet::new();
    let mut samples = Vec::with_capacity(answer.len());
    for sample in answer {
        let mut labels = sample.labels.edit();
        labels.set(METRIC_NAME, &ready.rule.record);
        for (name, value) in &ready.rule.labels {
            labels.set(name, value);
        }
        let labels = labels.build();
        if !seen.insert(labels.clone()) {
            return Err(EvalError::SameSeries);
        }
        samples.push(RuleSample { labels, time_ms, value: sample.value });
    }
    if settings.limit > 0 && samples.len() > settings.limit as usize {
        return Err(EvalError::Limit { limit: settings.limit, found: samples.len(), what: "series" });
    }
    Ok(samples)
}

#[cfg(test)]
mod tests;
