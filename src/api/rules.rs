//! Prometheus' `/api/v1/rules` and `/api/v1/alerts`.

use super::answer::{Answer, json};
use super::params::Params;
use crate::alerting::go_text;
use crate::alerting::rules::state::{AlertState, Health, RuleAlert, RuleState};
use crate::alerting::rules::{group::ReadyGroup, state::ReadyRule};
use crate::engine::Engine;
use crate::engine::rules::GroupView;
use crate::model::{DurationNs, UnixNanos};
use http::StatusCode;
use serde_json::{Map, Value, json as object};

/// Answers `rules` or `alerts` below `/api/v1/`; `None` for another path.
pub fn answer(engine: &Engine, path: &str, params: &Params) -> Option<Answer> {
    if !matches!(path.trim_end_matches('/'), "rules" | "alerts") {
        return None;
    }
    let groups = match engine.rule_groups() {
        Ok(groups) => groups,
        Err(error) => return Some(failed(StatusCode::SERVICE_UNAVAILABLE, "unavailable", &error.to_string())),
    };
    let data = if path.starts_with("rules") { rules(&groups, params) } else { Ok(alerts(&groups)) };
    Some(match data {
        Ok(data) => json(StatusCode::OK, &object!({"status": "success", "data": data})),
        Err(words) => failed(StatusCode::BAD_REQUEST, "bad_data", &words),
    })
}

fn failed(status: StatusCode, kind: &str, words: &str) -> Answer {
    json(status, &object!({"status": "error", "errorType": kind, "error": words}))
}

/// `1e+00`, as Prometheus prints values of alerts.
fn value(value: f64) -> String {
    go_text::float_upper_e(value).replace('E', "e")
}

fn time(time: Option<UnixNanos>) -> String {
    time.map_or_else(|| "0001-01-01T00:00:00Z".to_owned(), crate::alerting::route::payload::rfc3339)
}

fn alert(alert: &RuleAlert) -> Value {
    let mut made = object!({
        "labels": alert.labels.iter().map(|(name, value)| (name.to_owned(), Value::from(value))).collect::<Map<_, _>>(),
        "annotations": alert.annotations.iter().map(|(name, text)| (name.to_string(), Value::from(text.as_str()))).collect::<Map<_, _>>(),
        "state": alert.state.word(),
        "activeAt": time(Some(alert.active_at)),
        "value": value(alert.value),
    });
    if alert.keep_firing_since.is_some() {
        made["keepFiringSince"] = time(alert.keep_firing_since).into();
    }
    made
}

fn alerts(groups: &[GroupView]) -> Value {
    let states = groups.iter().flat_map(|view| view.group.rules.iter().zip(&view.state.rules));
    let active = states.filter(|(rule, _)| rule.rule.is_alert()).flat_map(|(_, state)| state.active());
    object!({"alerts": active.map(alert).collect::<Vec<_>>()})
}

fn truth(params: &Params, name: &str) -> Result<bool, String> {
    match params.first(name) {
        None | Some("" | "false" | "0") => Ok(false),
        Some("true" | "1") => Ok(true),
        Some(other) => Err(format!("invalid parameter {name:?}: {other:?} is not true or false")),
    }
}

fn rules(groups: &[GroupView], params: &Params) -> Result<Value, String> {
    let kind = params.first("type").unwrap_or_default();
    if !matches!(kind, "" | "alert" | "record") {
        return Err(format!("not supported value {kind:?}"));
    }
    let without_alerts = truth(params, "exclude_alerts")?;
    let among = |name: &str, value: &str| {
        let mut wanted = params.all(name).peekable();
        wanted.peek().is_none() || wanted.any(|wanted| wanted == value)
    };
    // Prometheus takes the names of lists with `[]`.
    let listed = |name: &str, value: &str| among(&format!("{name}[]"), value) && among(name, value);
    let mut made = Vec::new();
    for view in groups {
        let group = &*view.group;
        if !listed("rule_group", &group.name) || !listed("file", &group.file) {
            continue;
        }
        let shown: Vec<Value> = group
            .rules
            .iter()
            .zip(&view.state.rules)
            .zip(view.rules_took.iter().copied().chain(std::iter::repeat(DurationNs(0))))
            .filter(|((rule, _), _)| listed("rule_name", rule.rule.name()))
            .filter(|((rule, _), _)| kind.is_empty() || (kind == "alert") == rule.rule.is_alert())
            .map(|((rule, state), took)| rule_object(rule, state, took, without_alerts))
            .collect();
        let filtered = !kind.is_empty() || ["rule_name", "rule_name[]"].iter().any(|name| params.first(name).is_some());
        if filtered && shown.is_empty() {
            continue;
        }
        made.push(group_object(group, view, shown));
    }
    Ok(object!({"groups": made}))
}

fn group_object(group: &ReadyGroup, view: &GroupView, rules: Vec<Value>) -> Value {
    object!({
        "name": group.name,
        "file": group.file,
        "rules": rules,
        "interval": group.interval.as_secs_f64(),
        "limit": group.limit,
        "evaluationTime": view.took.as_secs_f64(),
        "lastEvaluation": time(view.state.evaluated_at),
    })
}

fn rule_object(rule: &ReadyRule, state: &RuleState, took: DurationNs, without_alerts: bool) -> Value {
    let written = &rule.rule;
    let mut made = object!({
        "name": written.name(),
        "query": written.expr,
        "labels": written.labels,
        "health": state.health.word(),
        "evaluationTime": took.as_secs_f64(),
        "lastEvaluation": time(state.evaluated_at),
        "type": if written.is_alert() { "alerting" } else { "recording" },
    });
    if let Health::Bad(error) = &state.health {
        made["lastError"] = error.as_str().into();
    }
    if written.is_alert() {
        made["state"] = state.state().word().into();
        made["duration"] = written.hold.as_secs_f64().into();
        made["keepFiringFor"] = written.keep_firing_for.as_secs_f64().into();
        made["annotations"] = object!(written.annotations);
        let active = state.active().filter(|alert| alert.state != AlertState::Inactive);
        made["alerts"] = if without_alerts { Value::Array(Vec::new()) } else { active.map(alert).collect() };
    }
    made
}
