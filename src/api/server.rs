//! The table of paths behind the API door.

use super::answer::{Answer, failure};
use super::params::Params;
use super::{alerting, alertmanager, health, jaeger, own, prometheus, rules};
use crate::collector::Handler;
use crate::engine::{Engine, EngineError, WeakEngine};
use crate::model::Door;
use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Incoming;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// Largest file that is imported over the API, in bytes.
const LARGEST_IMPORT: usize = 1 << 30;
/// Largest body of any other question, in bytes: alerts by the ten thousand, rule files.
const LARGEST_BODY: usize = 32 << 20;
/// Where files are imported.
const IMPORT: &str = "/belvedere/v1/import";
/// A body that has not come after this long is given up.
const BODY_WITHIN: Duration = Duration::from_secs(120);

/// Opens the API door on these addresses. Each has been tried once on return.
pub fn start(engine: &Engine, addresses: Vec<SocketAddr>) -> Result<(), EngineError> {
    engine.open_door(Door::Api, addresses, Arc::new(Api(engine.downgrade())))
}

struct Api(WeakEngine);

impl Handler for Api {
    fn answer(&self, request: Request<Incoming>) -> Pin<Box<dyn Future<Output = Answer> + Send>> {
        let engine = self.0.upgrade();
        Box::pin(async move {
            match engine {
                Some(engine) => route(&engine, request).await,
                None => failure(StatusCode::SERVICE_UNAVAILABLE, "the program is stopping"),
            }
        })
    }
}

async fn route(engine: &Engine, request: Request<Incoming>) -> Answer {
    let (head, incoming) = request.into_parts();
    let path = head.uri.path().to_owned();
    let mut query = head.uri.query().unwrap_or_default().to_owned();
    if let Some(answer) = health::answer(engine, &path) {
        return answer;
    }
    let body = match read_body(incoming, if path == IMPORT { LARGEST_IMPORT } else { LARGEST_BODY }).await {
        Ok(body) => body,
        Err(answer) => return answer,
    };
    let content_type = head.headers.get(http::header::CONTENT_TYPE).map(|value| value.as_bytes());
    if content_type.is_some_and(|value| value.starts_with(b"application/x-www-form-urlencoded"))
        && let Ok(form) = std::str::from_utf8(&body)
    {
        query = if query.is_empty() { form.to_owned() } else { format!("{query}&{form}") };
    }
    let params = Params::parse(&query);
    if let Some(rest) = path.strip_prefix("/belvedere/v1/alerts/") {
        let answer = alerting::answer(engine, &head.method, rest, &params, body).await;
        return answer.unwrap_or_else(|| failure(StatusCode::NOT_FOUND, format!("there is nothing at {path}")));
    }
    if let Some(rest) = path.strip_prefix("/belvedere/v1/") {
        let answer = own::answer(engine, &head.method, rest, params, body).await;
        return answer.unwrap_or_else(|| failure(StatusCode::NOT_FOUND, format!("there is nothing at {path}")));
    }
    if let Some(rest) = path.strip_prefix("/api/v1/")
        && let Some(answer) = prometheus::answer(engine, &head.method, rest, Params::parse(&query)).await
    {
        return answer;
    }
    if let Some(rest) = path.strip_prefix("/api/v2/")
        && let Some(answer) = alertmanager::answer(engine, &head.method, rest, Params::parse(&query), body).await
    {
        return answer;
    }
    if let Some(rest) = path.strip_prefix("/api/") {
        if head.method != Method::GET && head.method != Method::HEAD {
            return failure(StatusCode::METHOD_NOT_ALLOWED, format!("{} is not for this path, use GET: {path}", head.method));
        }
        if let Some(answer) = rest.strip_prefix("v1/").and_then(|rest| rules::answer(engine, rest, &params)) {
            return answer;
        }
        if let Some(answer) = jaeger::answer(engine, rest, params, crate::engine::now()).await {
            return answer;
        }
    }
    failure(
        StatusCode::NOT_FOUND,
        format!(
            "there is nothing at {path}. This is Belvedere's API: its objects are under /belvedere/v1/ and /api/, OTLP goes to port 4317 or 4318"
        ),
    )
}

async fn read_body(incoming: Incoming, largest: usize) -> Result<Bytes, Answer> {
    match tokio::time::timeout(BODY_WITHIN, Limited::new(incoming, largest).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            Err(failure(StatusCode::PAYLOAD_TOO_LARGE, format!("the body is larger than {} MiB. Split it", largest >> 20)))
        }
        Ok(Err(error)) => Err(failure(StatusCode::BAD_REQUEST, format!("the body breaks off: {error}"))),
        Err(_) => Err(failure(StatusCode::REQUEST_TIMEOUT, "the body did not come within two minutes")),
    }
}
