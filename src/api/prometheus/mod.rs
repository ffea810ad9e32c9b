//! Prometheus' HTTP API, version 1: queries, metadata, targets, status. What Grafana, promtool and client libraries ask.
//!
//! Rules and goldens: `reference/doors.md` section 5; shapes, error types and texts are those of Prometheus 3.16. Every
//! question runs on a reader thread, and its answer is written there too. Rules and alerts are answered beside it.

mod evaluate;
mod lists;
mod params;
mod status;
mod tree;
mod write;

pub use evaluate::{Asked, instant, range};

use super::answer::{Answer, body};
use super::params::Params;
use crate::engine::Engine;
use crate::promql::json;
use crate::source::{QueryControl, SeriesSource, SourceError};
use http::{Method, StatusCode};
use std::sync::Arc;

/// What went wrong, as the API names it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ErrorKind {
    /// The question makes no sense.
    BadData,
    /// The data makes no sense of it.
    Execution,
    /// The asker has left.
    Canceled,
    /// It took too long.
    Timeout,
    /// Too many questions wait.
    Unavailable,
    /// Something here failed.
    Internal,
    /// Nothing is there.
    NotFound,
}

impl ErrorKind {
    fn word(self) -> &'static str {
        match self {
            Self::BadData => "bad_data",
            Self::Execution => "execution",
            Self::Canceled => "canceled",
            Self::Timeout => "timeout",
            Self::Unavailable => "unavailable",
            Self::Internal => "internal",
            Self::NotFound => "not_found",
        }
    }

    fn status(self) -> StatusCode {
        match self {
            Self::BadData => StatusCode::BAD_REQUEST,
            Self::Execution => StatusCode::UNPROCESSABLE_ENTITY,
            // 499, nginx's "client closed request".
            Self::Canceled => StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST),
            Self::Timeout | Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::NotFound => StatusCode::NOT_FOUND,
        }
    }
}

/// An error of the API.
#[derive(Clone, PartialEq, Debug)]
pub struct Refusal {
    /// Its type.
    pub kind: ErrorKind,
    /// Its text.
    pub text: String,
}

impl Refusal {
    fn bad(text: impl Into<String>) -> Self {
        Self { kind: ErrorKind::BadData, text: text.into() }
    }

    fn parameter(name: &str, text: impl std::fmt::Display) -> Self {
        Self::bad(format!("invalid parameter {name:?}: {text}"))
    }

    /// The body.
    pub fn body(&self) -> String {
        json::failure(self.kind.word(), &self.text)
    }

    fn answer(&self) -> Answer {
        body(self.kind.status(), "application/json", self.body())
    }
}

impl From<SourceError> for Refusal {
    fn from(error: SourceError) -> Self {
        let kind = match error {
            SourceError::Cancelled => ErrorKind::Canceled,
            SourceError::TooMuch { .. } | SourceError::Unsupported { .. } => ErrorKind::Execution,
            SourceError::Busy => ErrorKind::Unavailable,
            SourceError::Read(_) => ErrorKind::Internal,
        };
        Self { kind, text: error.to_string() }
    }
}

/// A success: `data` as it is written, and what is said about it.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Success {
    /// JSON.
    pub data: String,
    /// Warnings.
    pub warnings: Vec<String>,
    /// Infos.
    pub infos: Vec<String>,
}

impl Success {
    fn of(data: impl Into<String>) -> Self {
        Self { data: data.into(), ..Self::default() }
    }

    /// The body.
    pub fn body(&self) -> String {
        let mut out = String::with_capacity(self.data.len() + 64);
        out.push_str(r#"{"status":"success","data":"#);
        out.push_str(&self.data);
        for (name, texts) in [("warnings", &self.warnings), ("infos", &self.infos)] {
            if !texts.is_empty() {
                out.push_str(&format!(",\"{name}\":"));
                write::texts(&mut out, texts);
            }
        }
        out.push('}');
        out
    }
}

/// What a path gives.
pub type Given = Result<Success, Refusal>;

/// Writes what a path gives as an answer.
fn answered(given: &Given) -> Answer {
    match given {
        Ok(success) => body(StatusCode::OK, "application/json", success.body()),
        Err(refusal) => refusal.answer(),
    }
}

/// Answers `path` below `/api/v1/`; `None` when it is not of this API.
pub async fn answer(engine: &Engine, method: &Method, path: &str, params: Params) -> Option<Answer> {
    const FORMS: [&str; 7] = ["query", "query_range", "query_exemplars", "format_query", "parse_query", "labels", "series"];
    let posted = *method == Method::POST;
    if !(matches!(*method, Method::GET | Method::HEAD) || posted && FORMS.contains(&path)) {
        return None;
    }
    let now = crate::engine::now().0.div_euclid(1_000_000);
    let parts: Vec<&str> = path.split('/').collect();
    let given = match parts.as_slice() {
        ["query"] => evaluate::query(engine, &params, now).await,
        ["query_range"] => evaluate::query_range(engine, &params).await,
        ["query_exemplars"] => lists::exemplars(engine, &params).await,
        ["format_query"] => evaluate::format(&params),
        ["parse_query"] => evaluate::parsed(&params),
        ["labels"] => lists::labels(engine, &params).await,
        ["label", name, "values"] => lists::values(engine, name, &params).await,
        ["series"] => lists::series(engine, &params).await,
        ["metadata"] => lists::metadata(engine, &params).await,
        ["targets"] => Ok(status::targets(&engine.scrape_targets(), params.first("state").unwrap_or_default())),
        ["targets", "metadata"] => Ok(Success::of("[]")),
        ["alertmanagers"] => Ok(Success::of(r#"{"activeAlertmanagers":[],"droppedAlertmanagers":[]}"#)),
        ["status", "buildinfo"] => Ok(status::build()),
        ["status", "runtimeinfo"] => Ok(status::runtime(engine)),
        ["status", "config"] => Ok(status::config(engine)),
        ["status", "flags"] => Ok(Success::of("{}")),
        ["status", "tsdb"] => status::tsdb(engine, &params).await,
        _ => return None,
    };
    Some(answered(&given))
}

/// Asks a source as `query` does, or as `query_range` when there is a `start`: the body, and whether it is a success.
/// `pairs` are the parameters; without `time` it is about `now` (milliseconds).
pub fn ask_source(source: &dyn SeriesSource, pairs: &[(&str, &str)], now: i64, control: &QueryControl) -> (bool, String) {
    let text = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    let params = Params::parse(&text);
    let asked = if pairs.iter().any(|(name, _)| *name == "start") { range(&params) } else { instant(&params, now) };
    match asked.and_then(|asked| asked.run(source, control)) {
        Ok(success) => (true, success.body()),
        Err(refusal) => (false, refusal.body()),
    }
}

/// Asks the series of the workspace on a reader thread.
async fn ask(engine: &Engine, question: impl FnOnce(&dyn SeriesSource, &QueryControl) -> Given + Send + 'static) -> Given {
    ask_of(engine, engine.series(), question).await
}

/// Asks on a reader thread.
async fn ask_of(
    engine: &Engine,
    source: Option<Arc<dyn SeriesSource>>,
    question: impl FnOnce(&dyn SeriesSource, &QueryControl) -> Given + Send + 'static,
) -> Given {
    let Some(source) = source else {
        return Err(Refusal { kind: ErrorKind::Internal, text: "no workspace is open here".to_owned() });
    };
    engine.answer(move |control| Ok(question(&*source, control))).await.unwrap_or_else(|error| Err(error.into()))
}

#[cfg(test)]
mod tests;
