//! Alertmanager's API, version 2, as its clients use it: Prometheus posts alerts, amtool and karma list, silence, and read
//! the configuration.
//!
//! Paths, parameters, statuses and shapes of Alertmanager 0.34's `openapi.yaml`. Lists are `[]` when empty, never `null`;
//! an answer to a wrong request is a JSON string, as the original's generated server gives it.

mod objects;
mod silences;

use super::answer::{Answer, failure, json};
use super::params::Params;
use crate::alerting::alert::{Alert, PostedAlert};
use crate::alerting::route::groups::{AlertStatus, Quiet};
use crate::alerting::route::matcher::{self, Matcher, Matchers};
use crate::engine::alerts::{AlertsError, Snapshot};
use crate::engine::{Engine, EngineError};
use crate::model::Labels;
use bytes::Bytes;
use http::{Method, StatusCode};
use objects::{alert_object, read_alerts};
use regex::Regex;
use serde_json::{Value, json as object};
use std::collections::BTreeMap;

/// The version whose API this is; clients decide by it what they may ask.
pub const VERSION: &str = "0.34.0";

/// Answers a request below `/api/v2/`; `None` when there is nothing at the path.
pub async fn answer(engine: &Engine, method: &Method, path: &str, params: Params, body: Bytes) -> Option<Answer> {
    let parts: Vec<&str> = path.trim_end_matches('/').split('/').collect();
    let is = |wanted: Method| *method == wanted || (wanted == Method::GET && *method == Method::HEAD);
    let given = match parts[..] {
        ["alerts"] if is(Method::POST) => post_alerts(engine, body).await,
        ["alerts"] if is(Method::GET) => list(engine, move |snapshot| alerts(snapshot, &params)).await,
        ["alerts", "groups"] if is(Method::GET) => list(engine, move |snapshot| groups(snapshot, &params)).await,
        ["silences"] if is(Method::GET) => list(engine, move |snapshot| silences::list(snapshot, &params)).await,
        ["silences"] if is(Method::POST) => silences::post(engine, body).await,
        ["silence", id] if is(Method::GET) => {
            let id = id.to_owned();
            list(engine, move |snapshot| silences::one(snapshot, &id)).await
        }
        ["silence", id] if is(Method::DELETE) => silences::expire(engine, id.to_owned()).await,
        ["status"] if is(Method::GET) => {
            let started = engine.started();
            list(engine, move |snapshot| Ok(objects::status(snapshot, started))).await
        }
        ["receivers"] if is(Method::GET) => list(engine, move |snapshot| receivers(snapshot, &params)).await,
        ["alerts" | "silences" | "status" | "receivers"] | ["silence", _] | ["alerts", "groups"] => {
            failure(StatusCode::METHOD_NOT_ALLOWED, format!("{method} is not for this path: /api/v2/{path}"))
        }
        _ => return None,
    };
    Some(given)
}

/// A refusal: status and words.
type Refused = (StatusCode, String);

fn bad(words: impl Into<String>) -> Refused {
    (StatusCode::BAD_REQUEST, words.into())
}

fn refused((status, words): Refused) -> Answer {
    json(status, &words)
}

fn not_kept(error: &EngineError) -> Answer {
    refused((StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))
}

/// Answers from a snapshot, on a reader thread.
async fn list(engine: &Engine, make: impl FnOnce(&Snapshot) -> Result<Value, Refused> + Send + 'static) -> Answer {
    let its_engine = engine.clone();
    let made = engine.answer(move |_| Ok(its_engine.alerts().map(|snapshot| make(&snapshot)))).await;
    match made {
        Ok(Ok(Ok(object))) => json(StatusCode::OK, &object),
        Ok(Ok(Err(words))) => refused(words),
        Ok(Err(error)) => not_kept(&error),
        Err(error) => refused((StatusCode::INTERNAL_SERVER_ERROR, error.to_string())),
    }
}

/// Takes in what makes sense; 400 names what does not.
async fn post_alerts(engine: &Engine, body: Bytes) -> Answer {
    let its_engine = engine.clone();
    let posted = engine.answer(move |_| {
        let alerts: Vec<PostedAlert> = match read_alerts(&body) {
            Ok(alerts) => alerts,
            Err(words) => return Ok(Err(bad(words))),
        };
        Ok(match its_engine.post_alerts(alerts) {
            Ok(outcome) if outcome.refused.is_empty() => Ok(()),
            Ok(outcome) => {
                let words: Vec<String> = outcome.refused.iter().map(ToString::to_string).collect();
                Err(bad(words.join("\n")))
            }
            Err(error) => Err((StatusCode::INTERNAL_SERVER_ERROR, error.to_string())),
        })
    });
    match posted.await {
        Ok(Ok(())) => json(StatusCode::OK, &object!({})),
        Ok(Err(words)) => refused(words),
        Err(error) => refused((StatusCode::SERVICE_UNAVAILABLE, error.to_string())),
    }
}

/// What a list leaves out.
struct Filter {
    matchers: Vec<Matcher>,
    receiver: Option<Regex>,
    receiver_matchers: Matchers,
    active: bool,
    silenced: bool,
    inhibited: bool,
    muted: bool,
}

fn matchers(params: &Params, name: &str) -> Result<Vec<Matcher>, Refused> {
    params.all(name).map(|text| matcher::parse_one(text).map_err(|error| bad(error.to_string()))).collect()
}

impl Filter {
    fn new(params: &Params) -> Result<Self, Refused> {
        let truth = |name: &str| match params.first(name) {
            None | Some("true" | "1") => Ok(true),
            Some("false" | "0") => Ok(false),
            Some(other) => {
                Err((StatusCode::UNPROCESSABLE_ENTITY, format!("{name} in query must be of type boolean: {other:?}")))
            }
        };
        let receiver = params
            .first("receiver")
            .map(|text| matcher::anchored(text).map_err(|error| bad(format!("failed to parse receiver param: {error}"))));
        Ok(Self {
            matchers: matchers(params, "filter")?,
            receiver: receiver.transpose()?,
            receiver_matchers: Matchers(
                matchers(params, "receiver_matchers")
                    .map_err(|(status, words)| (status, format!("failed to parse receiver_matchers param: {words}")))?,
            ),
            active: truth("active")?,
            silenced: truth("silenced")?,
            inhibited: truth("inhibited")?,
            muted: truth("muted")?,
        })
    }

    fn shows(&self, alert: &Alert, status: &AlertStatus) -> bool {
        self.matchers.iter().all(|matcher| matcher.matches(&alert.labels))
            && (self.active || status.word() != "active")
            && (self.silenced || status.silenced_by.is_empty())
            && (self.inhibited || status.inhibited_by.is_empty())
    }

    fn shows_receiver(&self, snapshot: &Snapshot, name: &str) -> bool {
        let labels = || {
            let labels = snapshot.config.receiver(name).map(|receiver| &receiver.labels);
            labels.map_or_else(Labels::default, Labels::new)
        };
        self.receiver.as_ref().is_none_or(|receiver| receiver.is_match(name))
            && (self.receiver_matchers.is_empty() || self.receiver_matchers.matches(&labels()))
    }
}

fn alerts(snapshot: &Snapshot, params: &Params) -> Result<Value, Refused> {
    let filter = Filter::new(params)?;
    let quiet = snapshot.router.quiet(&snapshot.routing, snapshot.now);
    let mut found: Vec<_> = snapshot
        .router
        .alerts
        .iter()
        .filter(|(_, alert)| !alert.is_resolved(snapshot.now))
        .filter_map(|(fingerprint, alert)| {
            let status = quiet.status(&alert.labels);
            if !filter.shows(alert, &status) {
                return None;
            }
            let nodes = snapshot.routing.tree.route(&alert.labels);
            let receivers: Vec<&str> = nodes.iter().map(|node| node.options.receiver.as_str()).collect();
            let shown = receivers.iter().any(|receiver| filter.shows_receiver(snapshot, receiver));
            shown.then(|| (*fingerprint, alert_object(alert, *fingerprint, &status, &receivers)))
        })
        .collect();
    found.sort_by_key(|(fingerprint, _)| *fingerprint);
    Ok(Value::Array(found.into_iter().map(|(_, object)| object).collect()))
}

fn groups(snapshot: &Snapshot, params: &Params) -> Result<Value, Refused> {
    let filter = Filter::new(params)?;
    let quiet: Quiet<'_> = snapshot.router.quiet(&snapshot.routing, snapshot.now);
    let mut receivers: BTreeMap<_, Vec<&str>> = BTreeMap::new();
    let mut found = Vec::new();
    for (id, group) in &snapshot.router.groups {
        let node = &snapshot.routing.tree.nodes[id.node];
        let receiver = node.options.receiver.as_str();
        if !filter.shows_receiver(snapshot, receiver) || (!filter.muted && !group.muted_by.is_empty()) {
            continue;
        }
        let mut alerts = Vec::new();
        for fingerprint in &group.alerts {
            let Some(alert) = snapshot.router.alerts.get(fingerprint).filter(|alert| !alert.is_resolved(snapshot.now)) else {
                continue;
            };
            let status = AlertStatus { muted_by: group.muted_by.clone(), ..quiet.status(&alert.labels) };
            if filter.shows(alert, &status) {
                receivers.entry(*fingerprint).or_default().push(receiver);
                alerts.push((*fingerprint, alert.clone(), status));
            }
        }
        if !alerts.is_empty() {
            alerts.sort_by(|left, right| left.1.listed_before(&right.1));
            found.push((id, node, alerts));
        }
    }
    receivers.values_mut().for_each(|names| names.sort_unstable());
    found.sort_by(|left, right| {
        let by_labels = crate::alerting::alert::compare_label_sets(&left.0.labels, &right.0.labels);
        by_labels.then_with(|| left.1.options.receiver.cmp(&right.1.options.receiver))
    });
    let none = Vec::new();
    let group =
        |(id, node, alerts): &(&_, &crate::alerting::route::tree::Node, Vec<(_, std::sync::Arc<Alert>, AlertStatus)>)| {
            let id: &crate::alerting::route::groups::GroupId = id;
            let alerts: Vec<Value> = alerts
                .iter()
                .map(|(fingerprint, alert, status)| {
                    alert_object(alert, *fingerprint, status, receivers.get(fingerprint).unwrap_or(&none))
                })
                .collect();
            object!({
                "alerts": alerts, "labels": objects::labels(&id.labels), "routeLabels": node.options.labels,
                "receiver": {"name": node.options.receiver},
            })
        };
    Ok(Value::Array(found.iter().map(group).collect()))
}

fn receivers(snapshot: &Snapshot, params: &Params) -> Result<Value, Refused> {
    let wanted = Matchers(matchers(params, "receiver_matchers")?);
    let shown = snapshot.config.receivers.iter().filter(|receiver| wanted.matches(&Labels::new(&receiver.labels)));
    Ok(shown.map(|receiver| object!({"name": receiver.name, "labels": receiver.labels})).collect())
}

/// How an error about silences is answered.
fn alerts_error(error: AlertsError) -> Answer {
    match error {
        AlertsError::Engine(error) => not_kept(&error),
        AlertsError::Silence(crate::alerting::route::silence::SilenceError::NotFound) => {
            refused((StatusCode::NOT_FOUND, "silence not found".to_owned()))
        }
        other => refused(bad(other.to_string())),
    }
}
