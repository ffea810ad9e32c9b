//! Belvedere's own API under `/belvedere/v1/`: what the command line asks a running process.

use super::answer::{Answer, body, failure, json};
use super::ask_workspace;
use super::insight::{self, Side};
use super::jaeger::read_trace_id;
use super::objects::{
    AccountObject, Accounts, DoorObject, Doors, FoundTraces, Imported, Status, Waited, WindowShown, WrongCallerObject,
};
use super::params::Params;
use super::unfinished;
use crate::engine::{Engine, EngineError, WindowAnswer, WindowRequest};
use crate::model::{Trace, TraceId};
use crate::search::{self, SearchError};
use crate::source::{QueryControl, SourceError, SpanSource, TimeRange, TraceRequest};
use crate::wire::export;
use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::json;
use std::path::PathBuf;
use std::time::Duration;

/// The longest that one request waits for a trace.
const LONGEST_WAIT: Duration = Duration::from_secs(3_600);
/// Requests that list traces without `limit` get this many.
const DEFAULT_LIMIT: usize = 100;
/// Parts of a service's sparkline.
const SPARK: usize = 30;

/// Answers `path` below `/belvedere/v1/`; `None` when there is nothing by that name.
pub async fn answer(engine: &Engine, method: &Method, path: &str, params: Params, body: Bytes) -> Option<Answer> {
    let parts: Vec<&str> = path.split('/').collect();
    let is_get = method == Method::GET || method == Method::HEAD;
    let is_post = method == Method::POST;
    let given = match parts.as_slice() {
        ["status"] if is_get => json(StatusCode::OK, &status(engine)),
        ["doors"] if is_get => json(StatusCode::OK, &doors(engine)),
        ["discover-targets"] if is_get => {
            let found = engine.discover_targets().await;
            let targets: Vec<_> = found
                .iter()
                .map(|one| {
                    serde_json::json!({ "address": one.address.to_string(), "process": one.process, "samples": one.samples })
                })
                .collect();
            json(StatusCode::OK, &serde_json::json!({ "targets": targets }))
        }
        ["accounts"] if is_get => {
            let accounts: Vec<AccountObject> = engine.accounts().iter().map(Into::into).collect();
            json(StatusCode::OK, &Accounts { accounts })
        }
        ["services"] if is_get => services(engine).await,
        ["runs"] if is_get => runs(engine).await,
        ["traces"] if is_get => traces(engine, &params).await,
        ["traces", id] if is_get => write_trace(engine, id, params.first("format").unwrap_or("otlp-json")).await,
        ["traces", id, "unfinished"] if is_get => unfinished::of_trace(engine, id).await,
        ["give-up-after"] if is_get => unfinished::give_up_after(engine),
        ["give-up-after"] if is_post => unfinished::set_give_up_after(engine, &params),
        ["export"] if is_get => {
            let format = params.first("format").unwrap_or("otlp-json");
            write_trace(engine, params.first("trace").unwrap_or_default(), format).await
        }
        ["analyze"] if is_get => {
            let expression = params.first("query").unwrap_or_default().to_owned();
            said(ask_workspace(engine, move |source, control| Ok(insight::analyze(source, &expression, control))).await)
        }
        ["compare"] if is_get => compare(engine, &params).await,
        ["diff"] if is_get => diff(engine, &params).await,
        ["wait"] if is_get => wait(engine, &params).await,
        ["import"] if is_post => import(engine, params.first("name").unwrap_or("upload"), body).await,
        ["show-window"] if is_post => show_window(engine, &body),
        [
            "status" | "doors" | "discover-targets" | "accounts" | "services" | "runs" | "traces" | "export" | "analyze"
            | "compare" | "diff" | "wait" | "import" | "show-window" | "give-up-after",
            ..,
        ] => {
            let expected = if matches!(parts[0], "import" | "show-window") { "POST" } else { "GET" };
            failure(
                StatusCode::METHOD_NOT_ALLOWED,
                format!("{method} is not for this path, use {expected}: /belvedere/v1/{path}"),
            )
        }
        _ => return None,
    };
    Some(given)
}

fn failed(cause: &SourceError) -> Answer {
    let status = match cause {
        SourceError::Busy => StatusCode::SERVICE_UNAVAILABLE,
        SourceError::TooMuch { .. } | SourceError::Unsupported { .. } => StatusCode::UNPROCESSABLE_ENTITY,
        SourceError::Cancelled | SourceError::Read(_) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    failure(status, cause.to_string())
}

fn search_failed(cause: &SearchError) -> Answer {
    match cause {
        SearchError::Parse(_) | SearchError::Eval(_) => failure(StatusCode::BAD_REQUEST, cause.to_string()),
        SearchError::Source(cause) => failed(cause),
    }
}

fn status(engine: &Engine) -> Status {
    let pulse = engine.pulse();
    Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        workspace: engine.workspace().map(|place| place.dir.display().to_string()).unwrap_or_default(),
        started: pulse.started.to_rfc3339(),
        spans_per_s: pulse.spans_per_s,
        disk_bytes: pulse.disk_bytes,
        disk_limit: pulse.disk_limit,
        write_problem: pulse.write_problem,
    }
}

fn doors(engine: &Engine) -> Doors {
    Doors {
        doors: engine.doors().iter().map(DoorObject::from).collect(),
        wrong_callers: engine.wrong_callers().iter().map(WrongCallerObject::from).collect(),
    }
}

async fn services(engine: &Engine) -> Answer {
    let listed = ask_workspace(engine, |source, control| {
        let services = source.services(TimeRange::ALL, SPARK, control)?;
        let object = |service: crate::source::ServiceSummary| {
            json!({
                "service": service.service.as_str(), "spans": service.spans, "requests": service.requests,
                "errors": service.errors, "p50_ns": service.p50.0, "p95_ns": service.p95.0, "p99_ns": service.p99.0,
                "last_seen": service.last_seen.to_rfc3339(),
            })
        };
        Ok(json!({"services": services.into_iter().map(object).collect::<Vec<_>>()}))
    });
    listed.await.map_or_else(|cause| failed(&cause), |object| json(StatusCode::OK, &object))
}

async fn runs(engine: &Engine) -> Answer {
    let listed = ask_workspace(engine, |source, control| {
        let object = |run: crate::source::Run| {
            json!({
                "service": run.service.as_str(), "instance": run.instance.as_str(), "version": run.version.as_str(),
                "first_seen": run.first_seen.to_rfc3339(), "last_seen": run.last_seen.to_rfc3339(), "spans": run.spans,
            })
        };
        Ok(json!({"runs": source.runs(control)?.into_iter().map(object).collect::<Vec<_>>()}))
    });
    listed.await.map_or_else(|cause| failed(&cause), |object| json(StatusCode::OK, &object))
}

/// The answer to a question about what traces say.
fn said<T: serde::Serialize>(asked: Result<Result<T, SearchError>, SourceError>) -> Answer {
    match asked {
        Ok(Ok(object)) => json(StatusCode::OK, &object),
        Ok(Err(cause)) => search_failed(&cause),
        Err(cause) => failed(&cause),
    }
}

async fn compare(engine: &Engine, params: &Params) -> Answer {
    let Some(inside) = params.first("where").map(str::to_owned) else {
        return failure(StatusCode::BAD_REQUEST, "where is missing: which spans to look at");
    };
    let against = params.first("against").map(str::to_owned);
    let question = move |source: &dyn SpanSource, control: &QueryControl| {
        Ok(insight::compare(source, &inside, against.as_deref(), control))
    };
    said(ask_workspace(engine, question).await)
}

async fn diff(engine: &Engine, params: &Params) -> Answer {
    let (Some(a), Some(b)) = (params.first("a").map(Side::of), params.first("b").map(Side::of)) else {
        return failure(StatusCode::BAD_REQUEST, "a and b are needed: two trace ids or two expressions");
    };
    said(ask_workspace(engine, move |source, control| Ok(insight::diff(source, &a, &b, control))).await)
}

async fn traces(engine: &Engine, params: &Params) -> Answer {
    let expression = params.first("query").unwrap_or_default().to_owned();
    let limit = match params.first("limit").map(str::parse) {
        None => DEFAULT_LIMIT,
        Some(Ok(limit)) => limit,
        Some(Err(_)) => return failure(StatusCode::BAD_REQUEST, "limit is not a number; 0 is all"),
    };
    let question = move |source: &dyn SpanSource, control: &QueryControl| Ok(query_traces(source, &expression, limit, control));
    let asked = if params.first("own").is_some_and(|own| own == "true") {
        let its_engine = engine.clone();
        let none = || SourceError::Read("this process does not trace itself, because it has no open doors".to_owned());
        engine.answer(move |control| question(&*its_engine.own_traces().ok_or_else(none)?, control)).await
    } else {
        ask_workspace(engine, question).await
    };
    match asked {
        Ok(Ok(found)) => json(StatusCode::OK, &found),
        Ok(Err(cause)) => search_failed(&cause),
        Err(cause) => failed(&cause),
    }
}

/// Traces that match an expression, newest first.
pub fn query_traces(
    source: &dyn SpanSource,
    expression: &str,
    limit: usize,
    control: &QueryControl,
) -> Result<FoundTraces, SearchError> {
    let query = search::parse(expression)?;
    let result = query.run(source, &TraceRequest { limit, ..TraceRequest::default() }, control)?;
    Ok(FoundTraces { traces: result.traces.iter().map(|found| (&found.summary).into()).collect(), total: result.total })
}

/// Why a trace cannot be exported.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ExportError {
    /// The text is not an id.
    #[error("{0}")]
    Id(String),
    /// Nothing under that id.
    #[error("no trace {0} is stored here")]
    Absent(TraceId),
    /// The word names no format.
    #[error("`{0}` is not a format; use otlp-json, jaeger, zipkin or chrome")]
    Format(String),
    /// The source failed.
    #[error(transparent)]
    Source(#[from] SourceError),
}

/// One trace in the words of a format.
pub fn export_trace(source: &dyn SpanSource, id: &str, format: &str, control: &QueryControl) -> Result<String, ExportError> {
    let write: fn(&Trace) -> String = match format {
        "otlp-json" => export::otlp_json,
        "jaeger" => export::jaeger,
        "zipkin" => export::zipkin,
        "chrome" => export::chrome,
        other => return Err(ExportError::Format(other.to_owned())),
    };
    let id = read_trace_id(id).map_err(ExportError::Id)?;
    source.trace(id, control)?.map(|trace| write(&trace)).ok_or(ExportError::Absent(id))
}

async fn write_trace(engine: &Engine, id: &str, format: &str) -> Answer {
    let (id, format) = (id.to_owned(), format.to_owned());
    match ask_workspace(engine, move |source, control| Ok(export_trace(source, &id, &format, control))).await {
        Ok(Ok(text)) => body(StatusCode::OK, "application/json", text),
        Ok(Err(cause @ ExportError::Absent(_))) => failure(StatusCode::NOT_FOUND, cause.to_string()),
        Ok(Err(ExportError::Source(cause))) | Err(cause) => failed(&cause),
        Ok(Err(cause)) => failure(StatusCode::BAD_REQUEST, cause.to_string()),
    }
}

/// Waits until a stored trace matches, at most `timeout`.
async fn wait_for(engine: &Engine, expression: &str, timeout: Duration) -> Result<Waited, SearchError> {
    search::parse(expression)?;
    let mut changes = engine.changes();
    let look = async {
        loop {
            changes.borrow_and_update();
            let expression = expression.to_owned();
            let asked = ask_workspace(engine, move |source, control| Ok(query_traces(source, &expression, 1, control)));
            if let Some(trace) = asked.await??.traces.pop() {
                return Ok(Waited { matched: true, trace: Some(trace) });
            }
            if changes.changed().await.is_err() {
                return Err(SearchError::Source(SourceError::Read("the program is stopping".to_owned())));
            }
        }
    };
    tokio::time::timeout(timeout, look).await.unwrap_or(Ok(Waited::default()))
}

async fn wait(engine: &Engine, params: &Params) -> Answer {
    let timeout = match params.first("timeout_ms").map(str::parse) {
        None => Duration::from_secs(30),
        Some(Ok(millis)) => Duration::from_millis(millis).min(LONGEST_WAIT),
        Some(Err(_)) => return failure(StatusCode::BAD_REQUEST, "timeout_ms is not a number of milliseconds"),
    };
    match wait_for(engine, params.first("query").unwrap_or_default(), timeout).await {
        Ok(waited) => json(StatusCode::OK, &waited),
        Err(cause) => search_failed(&cause),
    }
}

async fn import(engine: &Engine, name: &str, bytes: Bytes) -> Answer {
    let (its_engine, name) = (engine.clone(), name.to_owned());
    let imported = engine.answer(move |_| Ok(its_engine.import_bytes_now(&bytes, &name, &mut |_| true))).await;
    match imported {
        Ok(Ok(report)) => json(StatusCode::OK, &Imported::from(&report)),
        Ok(Err(cause @ EngineError::File(_))) => failure(StatusCode::UNPROCESSABLE_ENTITY, cause.to_string()),
        Ok(Err(cause)) => failure(StatusCode::SERVICE_UNAVAILABLE, cause.to_string()),
        Err(cause) => failed(&cause),
    }
}

fn show_window(engine: &Engine, body: &[u8]) -> Answer {
    let files = match body {
        [] => Vec::new(),
        text => match serde_json::from_slice::<serde_json::Value>(text) {
            Ok(request) => {
                let files = request.get("files").and_then(|files| files.as_array()).cloned().unwrap_or_default();
                files.iter().filter_map(|file| file.as_str().map(PathBuf::from)).collect()
            }
            Err(error) => return failure(StatusCode::BAD_REQUEST, format!("expected {{\"files\": [..]}}: {error}")),
        },
    };
    let shown = match engine.ask_for_window(WindowRequest { files }) {
        WindowAnswer::Told => WindowShown { shown: true, reason: None },
        WindowAnswer::Impossible(reason) => WindowShown { shown: false, reason: Some(reason) },
    };
    json(StatusCode::OK, &shown)
}
