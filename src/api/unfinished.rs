//! `/belvedere/v1/traces/ID/unfinished`: the spans of a trace that have not ended, each in flight or given up with its
//! reason; `/belvedere/v1/give-up-after`: how long a span may be silent.

use super::answer::{Answer, failure, json};
use super::ask_workspace;
use super::jaeger::read_trace_id;
use super::params::Params;
use crate::analysis::{Marks, Tree, TreeInput};
use crate::engine::Engine;
use crate::model::DurationNs;
use http::StatusCode;
use serde_json::{Value, json};
use std::time::Duration;

/// The spans of trace `id` that have not ended, by start.
pub(super) async fn of_trace(engine: &Engine, id: &str) -> Answer {
    let id = match read_trace_id(id) {
        Ok(id) => id,
        Err(reason) => return failure(StatusCode::BAD_REQUEST, reason.to_string()),
    };
    let its_engine = engine.clone();
    let asked = ask_workspace(engine, move |source, control| {
        let Some(trace) = source.trace(id, control)? else { return Ok(None) };
        let rule = its_engine.give_up(source, control)?;
        let input = TreeInput { open_until: Some(rule.now), give_up: Some(rule), ..TreeInput::default() };
        let tree = Tree::build(&trace.spans, &input);
        let object = |node: u32| -> Value {
            let span = trace.spans.span(node as usize);
            json!({
                "span_id": span.span_id().to_string(), "service": span.service(), "name": span.name(),
                "start": span.start().to_rfc3339(), "so_far_ns": tree.duration(node),
                "state": if tree.marks(node).has(Marks::GIVEN_UP) { "given up" } else { "in flight" },
                "reason": tree.given_up(node).map(ToString::to_string),
            })
        };
        let open = |node: &u32| tree.marks(*node).has(Marks::IN_FLIGHT) || tree.marks(*node).has(Marks::GIVEN_UP);
        let spans: Vec<Value> = tree.by_start().iter().copied().filter(open).map(object).collect();
        Ok(Some(json!({"trace_id": id.to_string(), "spans": spans})))
    });
    match asked.await {
        Ok(Some(object)) => json(StatusCode::OK, &object),
        Ok(None) => failure(StatusCode::NOT_FOUND, format!("trace {id} is not stored")),
        Err(cause) => failure(StatusCode::INTERNAL_SERVER_ERROR, cause.to_string()),
    }
}

/// Says how long a span may be silent.
pub(super) fn give_up_after(engine: &Engine) -> Answer {
    json(StatusCode::OK, &json!({"give_up_after_ns": engine.give_up_after().0}))
}

/// Sets how long a span may be silent: `?ms=90000`; 0 waits for ever.
pub(super) fn set_give_up_after(engine: &Engine, params: &Params) -> Answer {
    let Some(Ok(millis)) = params.first("ms").map(str::parse::<u64>) else {
        return failure(StatusCode::BAD_REQUEST, "ms is not a number of milliseconds; 0 waits for ever");
    };
    let silence = Duration::from_millis(millis).as_nanos().try_into().unwrap_or(i64::MAX);
    match engine.set_give_up_after(DurationNs(silence)) {
        Ok(()) => give_up_after(engine),
        Err(cause) => failure(StatusCode::INTERNAL_SERVER_ERROR, cause.to_string()),
    }
}
