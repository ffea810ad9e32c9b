//! Jaeger's query API, versions 1 and 3, for Grafana, Jaeger's UI and scripts that speak it.
//!
//! Rules and goldens: `reference/doors.md` section 6. Version 1 wraps everything in `{data, total, limit, offset, errors}`
//! and answers bad parameters as such an object too; version 3 answers OTLP JSON under `result`.

mod dependencies;
mod search;

pub use search::read_trace_id;

use self::search::TraceSearch;
use super::answer::{Answer, body, json};
use super::params::Params;
use crate::engine::Engine;
use crate::model::{Trace, TraceId, UnixNanos};
use crate::source::{Field, Predicate, QueryControl, SourceError, SpanSource, TimeRange, TraceOrder, TraceRequest};
use http::StatusCode;
use serde::Serialize;
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Newest traces of a service whose spans tell the kinds of its operations.
const TRACES_FOR_KINDS: usize = 50;
/// How far back dependencies look without `lookback`, in milliseconds (a day, as Jaeger has it).
const DEPENDENCY_LOOKBACK_MS: i64 = 86_400_000;

#[derive(Serialize)]
struct Envelope<T> {
    data: Option<T>,
    total: usize,
    limit: usize,
    offset: usize,
    errors: Option<Vec<EnvelopeError>>,
}

#[derive(Serialize)]
struct EnvelopeError {
    code: u16,
    msg: String,
}

#[derive(Serialize, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[serde(rename_all = "camelCase")]
struct Operation {
    name: String,
    span_kind: &'static str,
}

fn list<T: Serialize>(data: Vec<T>) -> Answer {
    json(StatusCode::OK, &Envelope { total: data.len(), data: Some(data), limit: 0, offset: 0, errors: None })
}

fn error(status: StatusCode, msg: impl Into<String>) -> Answer {
    let errors = Some(vec![EnvelopeError { code: status.as_u16(), msg: msg.into() }]);
    json(status, &Envelope::<()> { data: None, total: 0, limit: 0, offset: 0, errors })
}

fn failed(cause: &SourceError) -> Answer {
    let status = match cause {
        SourceError::TooMuch { .. } | SourceError::Unsupported { .. } => StatusCode::UNPROCESSABLE_ENTITY,
        SourceError::Busy => StatusCode::SERVICE_UNAVAILABLE,
        SourceError::Cancelled | SourceError::Read(_) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    error(status, cause.to_string())
}

/// Several traces in one envelope; `total` is 0, as Jaeger has it.
fn traces(found: &[Trace]) -> Answer {
    body(StatusCode::OK, "application/json", crate::wire::export::jaeger_list(found))
}

/// Answers `path` below `/api/`; `None` when it is not one of Jaeger's.
pub async fn answer(engine: &Engine, path: &str, params: Params, now: UnixNanos) -> Option<Answer> {
    let parts: Vec<&str> = path.split('/').collect();
    let given = match parts.as_slice() {
        ["services"] => ask(engine, service_names, list).await,
        ["services", service, "operations"] => {
            let service = decoded(service);
            ask(
                engine,
                move |source, control| source.operations(&service, control),
                |operations| list(operations.into_iter().map(|operation| operation.value.to_string()).collect::<Vec<_>>()),
            )
            .await
        }
        ["operations"] => {
            let Some(service) = params.first("service").filter(|name| !name.is_empty()).map(str::to_owned) else {
                return Some(error(StatusCode::BAD_REQUEST, "parameter 'service' is required"));
            };
            let kind = params.first("spanKind").unwrap_or_default().to_owned();
            ask(engine, move |source, control| operations(source, &service, &kind, control), list).await
        }
        ["traces"] => match TraceSearch::read(&params) {
            Err(message) => error(StatusCode::BAD_REQUEST, message),
            Ok(search) => ask(engine, move |source, control| find(source, search, control), |found| traces(&found)).await,
        },
        ["traces", id] => match read_trace_id(id) {
            Err(message) => error(StatusCode::BAD_REQUEST, message),
            Ok(id) => {
                let found = move |source: &dyn SpanSource, control: &QueryControl| source.trace(id, control);
                ask(engine, found, |trace| match trace {
                    Some(trace) => traces(&[trace]),
                    None => error(StatusCode::NOT_FOUND, "trace not found"),
                })
                .await
            }
        },
        ["dependencies"] => match dependency_range(&params, now) {
            Err(message) => error(StatusCode::BAD_REQUEST, message),
            Ok(range) => ask(engine, move |source, control| dependencies::count(source, range, control), list).await,
        },
        ["v3", "services"] => {
            ask(engine, service_names, |services| json(StatusCode::OK, &json!({ "services": services }))).await
        }
        ["v3", "operations"] => {
            let service = params.first("service").unwrap_or_default().to_owned();
            let kind = params.first("span_kind").unwrap_or_default().to_owned();
            ask(
                engine,
                move |source, control| operations(source, &service, &kind, control),
                |operations| json(StatusCode::OK, &json!({ "operations": operations })),
            )
            .await
        }
        ["v3", "traces", id] => match read_trace_id(id) {
            Err(message) => v3_error(StatusCode::BAD_REQUEST, &message),
            Ok(id) => {
                let found = move |source: &dyn SpanSource, control: &QueryControl| source.trace(id, control);
                ask(engine, found, |trace| match trace {
                    Some(trace) => v3_traces(&[trace]),
                    None => v3_error(StatusCode::NOT_FOUND, "No traces found"),
                })
                .await
            }
        },
        ["v3", "traces"] => match v3_request(&params) {
            Err(message) => v3_error(StatusCode::BAD_REQUEST, &message),
            Ok(request) => {
                ask(
                    engine,
                    move |source, control| read_all(source, &request, control),
                    |found| match found.as_slice() {
                        [] => v3_error(StatusCode::NOT_FOUND, "No traces found"),
                        found => v3_traces(found),
                    },
                )
                .await
            }
        },
        _ => return None,
    };
    Some(given)
}

async fn ask<T: Send + 'static>(
    engine: &Engine,
    question: impl FnOnce(&dyn SpanSource, &QueryControl) -> Result<T, SourceError> + Send + 'static,
    write: impl FnOnce(T) -> Answer + Send + 'static,
) -> Answer {
    // The answer is written on the reader thread too: a trace of a million spans would hold up the sockets otherwise.
    let answered = super::ask_workspace(engine, move |source, control| question(source, control).map(write)).await;
    answered.unwrap_or_else(|cause| failed(&cause))
}

fn decoded(part: &str) -> String {
    // `form_urlencoded` would turn `+` into a space, which a path does not.
    let escaped = part.replace('+', "%2B");
    form_urlencoded::parse(escaped.as_bytes()).next().map(|(text, _)| text.into_owned()).unwrap_or_default()
}

fn service_names(source: &dyn SpanSource, control: &QueryControl) -> Result<Vec<String>, SourceError> {
    let counts = source.values(&Field::Service, 0, control)?;
    let mut names: Vec<String> = counts.into_iter().map(|count| count.value.to_string()).collect();
    names.sort();
    Ok(names)
}

/// Names of a service's spans with their kinds. Kinds are those of its newest traces, empty for names not among them.
fn operations(
    source: &dyn SpanSource,
    service: &str,
    kind: &str,
    control: &QueryControl,
) -> Result<Vec<Operation>, SourceError> {
    let names = source.operations(service, control)?;
    let request = TraceRequest {
        predicate: if service.is_empty() { Predicate::All } else { Predicate::equals(Field::Service, service) },
        limit: TRACES_FOR_KINDS,
        ..TraceRequest::default()
    };
    let mut operations = BTreeSet::new();
    for trace in read_all(source, &request, control)? {
        for span in trace.spans.iter().filter(|span| service.is_empty() || span.service() == service) {
            let span_kind = match span.kind() {
                crate::model::SpanKind::Unspecified => "",
                kind => kind.word(),
            };
            operations.insert(Operation { name: span.name().into(), span_kind });
        }
    }
    for name in names {
        if !operations.iter().any(|operation| name.value == operation.name) {
            operations.insert(Operation { name: name.value.to_string(), span_kind: "" });
        }
    }
    Ok(operations.into_iter().filter(|operation| kind.is_empty() || operation.span_kind == kind).collect())
}

fn find(source: &dyn SpanSource, search: TraceSearch, control: &QueryControl) -> Result<Vec<Trace>, SourceError> {
    match search {
        TraceSearch::Ids(ids) => read_ids(source, ids, control),
        TraceSearch::Matching { range, predicate, limit } => {
            read_all(source, &TraceRequest { range, predicate, order: TraceOrder::Newest, limit }, control)
        }
    }
}

fn read_all(source: &dyn SpanSource, request: &TraceRequest, control: &QueryControl) -> Result<Vec<Trace>, SourceError> {
    let found = source.traces(request, control)?;
    read_ids(source, found.traces.into_iter().map(|summary| summary.trace_id), control)
}

fn read_ids(
    source: &dyn SpanSource,
    ids: impl IntoIterator<Item = TraceId>,
    control: &QueryControl,
) -> Result<Vec<Trace>, SourceError> {
    let mut found = Vec::new();
    for id in ids {
        control.check()?;
        found.extend(source.trace(id, control)?);
    }
    Ok(found)
}

fn dependency_range(params: &Params, now: UnixNanos) -> Result<TimeRange, String> {
    let millis = |name: &str| -> Result<Option<i64>, String> {
        let text = params.first(name).filter(|text| !text.is_empty());
        text.map(|text| {
            text.parse().map_err(|_| format!("unable to parse param '{name}': \"{text}\" is not a number of milliseconds"))
        })
        .transpose()
    };
    let end = millis("endTs")?.map_or(now, UnixNanos::from_millis);
    let lookback = UnixNanos::from_millis(millis("lookback")?.unwrap_or(DEPENDENCY_LOOKBACK_MS));
    Ok(TimeRange { start: UnixNanos(end.0.saturating_sub(lookback.0)), end })
}

fn v3_request(params: &Params) -> Result<TraceRequest, String> {
    let get = |name: &str| {
        let snake = match name {
            "serviceName" => "service_name",
            "operationName" => "operation_name",
            "startTimeMin" => "start_time_min",
            "startTimeMax" => "start_time_max",
            "durationMin" => "duration_min",
            "durationMax" => "duration_max",
            other => other,
        };
        let value = params.first(&format!("query.{name}")).map(str::to_owned);
        value.or_else(|| params.first(&format!("query.{snake}")).map(str::to_owned)).filter(|text| !text.is_empty())
    };
    let time = |name: &str| {
        let text = get(name).ok_or_else(|| format!("query.{name} is required"))?;
        UnixNanos::parse_rfc3339(&text)
            .ok_or_else(|| format!("malformed parameter query.{name}: \"{text}\" is not an RFC 3339 time"))
    };
    let range = TimeRange { start: time("startTimeMin")?, end: time("startTimeMax")? };
    // The rest is the search of version 1 under other names.
    let mut pairs = form_urlencoded::Serializer::new(String::new());
    let depth = get("searchDepth").or_else(|| get("numTraces"));
    let names = [("service", get("serviceName")), ("operation", get("operationName")), ("limit", depth)];
    for (name, value) in names.into_iter().chain([("minDuration", get("durationMin")), ("maxDuration", get("durationMax"))]) {
        if let Some(value) = value {
            pairs.append_pair(name, &value);
        }
    }
    match TraceSearch::read(&Params::parse(&pairs.finish())) {
        Ok(TraceSearch::Matching { predicate, limit, .. }) => {
            Ok(TraceRequest { range, predicate, order: TraceOrder::Newest, limit })
        }
        Ok(TraceSearch::Ids(_)) => Err("query.serviceName is required".to_owned()),
        Err(message) => Err(message.replace("'service'", "query.serviceName")),
    }
}

fn v3_traces(found: &[Trace]) -> Answer {
    let mut builder = crate::model::SpanBatchBuilder::default();
    let batch = match found {
        [only] => only.spans.clone(),
        several => {
            for trace in several {
                builder.copy(&trace.spans, 0..trace.len());
            }
            Arc::new(builder.finish())
        }
    };
    let result = crate::wire::otlp::json::encode_traces(&batch);
    body(StatusCode::OK, "application/json", format!("{{\"result\":{result}}}"))
}

fn v3_error(status: StatusCode, message: &str) -> Answer {
    json(status, &json!({"error": {"httpCode": status.as_u16(), "message": message}}))
}
