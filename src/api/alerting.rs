//! Belvedere's own objects about alerts, under `/belvedere/v1/alerts/`: the routes and who is armed, rule files, what was
//! decided, and the way of a label set through every stage.

use super::answer::{Answer, body, failure, json};
use super::params::Params;
use crate::alerting::route::tree::Tree;
use crate::engine::Engine;
use crate::engine::alerts::{AlertsError, Snapshot};
use crate::engine::rules::RulesError;
use crate::model::Labels;
use bytes::Bytes;
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json as object};

/// Answers a path below `/belvedere/v1/alerts/`; `None` when there is nothing by that name.
pub async fn answer(engine: &Engine, method: &Method, path: &str, params: &Params, bytes: Bytes) -> Option<Answer> {
    let parts: Vec<&str> = path.split('/').collect();
    let is_get = method == Method::GET || method == Method::HEAD;
    let is_put = method == Method::PUT || method == Method::POST;
    let given = match parts.as_slice() {
        ["routes"] if is_get => match engine.alerts() {
            Ok(snapshot) => body(StatusCode::OK, "application/yaml", snapshot.config.masked()),
            Err(error) => failure(StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
        },
        ["routes"] if is_put => set_routes(engine, bytes).await,
        ["receivers"] if is_get => match engine.alerts() {
            Ok(snapshot) => json(StatusCode::OK, &receivers(&snapshot)),
            Err(error) => failure(StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
        },
        ["receivers", name] if is_put => arm(engine, name, &bytes).await,
        ["rules", name @ ..] if is_put && !name.is_empty() => {
            let (its_engine, name) = (engine.clone(), name.join("/"));
            let text = String::from_utf8_lossy(&bytes).into_owned();
            rules_told(engine.answer(move |_| Ok(its_engine.set_rule_file(&name, &text))).await)
        }
        ["rules", name @ ..] if method == Method::DELETE && !name.is_empty() => {
            let (its_engine, name) = (engine.clone(), name.join("/"));
            rules_told(engine.answer(move |_| Ok(its_engine.remove_rule_file(&name))).await)
        }
        ["notifications"] if is_get => notifications(engine).await,
        ["deliveries"] if is_get => deliveries(engine).await,
        ["deliveries", "test"] if method == Method::POST => test(engine, &bytes).await,
        ["way"] if is_get => match engine.alerts() {
            Ok(snapshot) => way(&snapshot, params),
            Err(error) => failure(StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
        },
        ["routes" | "receivers" | "notifications" | "deliveries" | "way" | "rules", ..] => {
            failure(StatusCode::METHOD_NOT_ALLOWED, format!("{method} is not for this path: /belvedere/v1/alerts/{path}"))
        }
        _ => return None,
    };
    Some(given)
}

fn told(result: Result<Result<(), AlertsError>, crate::source::SourceError>) -> Answer {
    match result {
        Ok(Ok(())) => json(StatusCode::OK, &object!({})),
        Ok(Err(AlertsError::Config(error))) => {
            let (line, column) = (error.place.map(|place| place.line), error.place.map(|place| place.column));
            json(StatusCode::BAD_REQUEST, &object!({"error": error.to_string(), "line": line, "column": column}))
        }
        Ok(Err(error @ AlertsError::Channel { .. })) => failure(StatusCode::BAD_REQUEST, error.to_string()),
        Ok(Err(error @ AlertsError::NoReceiver(_))) => failure(StatusCode::NOT_FOUND, error.to_string()),
        Ok(Err(error)) => failure(StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
        Err(error) => failure(StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
    }
}

fn rules_told(result: Result<Result<(), RulesError>, crate::source::SourceError>) -> Answer {
    match result {
        Ok(Ok(())) => json(StatusCode::OK, &object!({})),
        Ok(Err(RulesError::File(errors))) => {
            let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
            json(StatusCode::BAD_REQUEST, &object!({"error": errors.join("\n"), "errors": errors}))
        }
        Ok(Err(error @ RulesError::Provisioned(_))) => failure(StatusCode::CONFLICT, error.to_string()),
        Ok(Err(error)) => failure(StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
        Err(error) => failure(StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
    }
}

async fn set_routes(engine: &Engine, bytes: Bytes) -> Answer {
    let Ok(text) = String::from_utf8(bytes.to_vec()) else {
        return failure(StatusCode::BAD_REQUEST, "the configuration is not UTF-8");
    };
    let its_engine = engine.clone();
    told(engine.answer(move |_| Ok(its_engine.set_routes(&text))).await)
}

#[derive(Deserialize)]
struct Arming {
    armed: bool,
}

async fn arm(engine: &Engine, name: &str, bytes: &[u8]) -> Answer {
    let Ok(Arming { armed }) = serde_json::from_slice(bytes) else {
        return failure(StatusCode::BAD_REQUEST, "expected {\"armed\": true} or {\"armed\": false}");
    };
    let (its_engine, name) = (engine.clone(), name.to_owned());
    told(engine.answer(move |_| Ok(its_engine.arm_receiver(&name, armed))).await)
}

/// Receivers with their channels; those that are not armed are rehearsed only.
fn receivers(snapshot: &Snapshot) -> Value {
    let receiver = |receiver: &crate::alerting::route::config::Receiver| {
        let channels: Vec<&str> = receiver.integrations.iter().map(|one| one.kind.as_str()).collect();
        object!({"name": receiver.name, "channels": channels, "armed": receiver.armed})
    };
    object!({"receivers": snapshot.config.receivers.iter().map(receiver).collect::<Vec<_>>()})
}

async fn notifications(engine: &Engine) -> Answer {
    let its_engine = engine.clone();
    match engine.answer(move |_| Ok(its_engine.notifications())).await {
        Ok(Ok(rows)) => body(StatusCode::OK, "application/json", format!("{{\"notifications\":[{}]}}", rows.join(","))),
        Ok(Err(error)) => failure(StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
        Err(error) => failure(StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
    }
}

/// Every delivery with its requests and answers, secrets masked.
async fn deliveries(engine: &Engine) -> Answer {
    let its_engine = engine.clone();
    match engine.answer(move |_| Ok(its_engine.deliveries())).await {
        Ok(Ok(deliveries)) => json(StatusCode::OK, &object!({"deliveries": deliveries, "waiting": engine.undelivered()})),
        Ok(Err(error)) => failure(StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
        Err(error) => failure(StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
    }
}

#[derive(Deserialize)]
struct Test {
    receiver: String,
}

/// Sends a test through every channel of a receiver, armed or not.
async fn test(engine: &Engine, bytes: &[u8]) -> Answer {
    let Ok(Test { receiver }) = serde_json::from_slice(bytes) else {
        return failure(StatusCode::BAD_REQUEST, "expected {\"receiver\": \"name\"}");
    };
    match engine.test_receiver(&receiver).await {
        Ok(deliveries) => json(StatusCode::OK, &object!({"deliveries": deliveries})),
        Err(error) => told(Ok(Err(error))),
    }
}

/// The way of a label set (`?label=name=value`, repeated): every route that was looked at, and what would keep an alert with
/// these labels quiet now.
fn way(snapshot: &Snapshot, params: &Params) -> Answer {
    let mut pairs = Vec::new();
    for text in params.all("label") {
        match text.split_once('=') {
            Some(pair) => pairs.push(pair),
            None => return failure(StatusCode::BAD_REQUEST, format!("expected label=name=value, found {text:?}")),
        }
    }
    let labels = Labels::new(pairs);
    let tree: &Tree = &snapshot.routing.tree;
    let status = snapshot.router.quiet(&snapshot.routing, snapshot.now).status(&labels);
    let inhibited_by: Vec<String> = status.inhibited_by.iter().map(ToString::to_string).collect();
    let steps: Vec<Value> = tree
        .explain(&labels)
        .into_iter()
        .map(|step| {
            let node = &tree.nodes[step.node];
            let result = step.is_result.then(|| {
                object!({
                    "receiver": node.options.receiver,
                    "group_key": node.group_key(&node.group_labels(&labels)),
                    "muted_by": snapshot.routing.muted_by(node, snapshot.now),
                })
            });
            object!({
                "route": node.id, "line": node.place.line, "matched": step.matched, "failed": step.failed, "result": result,
            })
        })
        .collect();
    json(
        StatusCode::OK,
        &object!({"steps": steps, "inhibited_by": inhibited_by, "silenced_by": status.silenced_by, "state": status.word()}),
    )
}
