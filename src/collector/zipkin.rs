//! Zipkin over HTTP, version 2 (JSON, protobuf) and version 1 (JSON): 202 without a body, 400 with a text.
//!
//! Rules: the Zipkin API specification. A list with one bad span is refused whole, as Zipkin does.

use super::Shared;
use super::body::{self, Encoding, Reservation};
use super::ingest;
use super::route::{Reply, content_type, plain};
use super::status::Problem;
use crate::model::{Door, Signal, SpanBatch};
use crate::wire::zipkin;
use bytes::Bytes;
use http::header::{ALLOW, CONTENT_ENCODING, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use std::sync::{Arc, PoisonError};
use std::time::Instant;

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// Answers one request at the Zipkin door.
pub(super) async fn answer(shared: &Arc<Shared>, request: Request<Incoming>) -> Response<Reply> {
    let path = request.uri().path().trim_end_matches('/').to_owned();
    let problem = match path.as_str() {
        "/api/v2/spans" | "/api/v1/spans" if request.method() == Method::POST => {
            match receive(shared, path.ends_with("v1/spans"), request).await {
                Ok(()) => return plain(StatusCode::ACCEPTED, None, Bytes::new()),
                Err(problem) => problem,
            }
        }
        "/api/v2/spans" | "/api/v1/spans" => Problem::method("send spans with POST"),
        // What clients of Zipkin ask to see whether it is there.
        "/health" if request.method() == Method::GET => {
            return plain(StatusCode::OK, Some(HeaderValue::from_static("application/json")), Bytes::from_static(UP));
        }
        _ => {
            let fix = "Send spans to /api/v2/spans.";
            if request.method() == Method::POST {
                let fix =
                    if path.starts_with("/v1/") { "This is OTLP's path: send to the otlp-http door (4318)." } else { fix };
                shared.callers.note(Door::Zipkin, format!("path {path}"), fix, None);
            }
            Problem::not_found(format!("nothing is at {}. {fix}", path.chars().take(100).collect::<String>()))
        }
    };
    shared.counters.refused(Door::Zipkin, problem.reason);
    refuse(&problem)
}

const UP: &[u8] = br#"{"status":"UP"}"#;

/// A refusal as text.
pub(super) fn refuse(problem: &Problem) -> Response<Reply> {
    let mut response = plain(problem.http, Some(TEXT), problem.message.clone().into());
    if let Some(seconds) = problem.retry_after_seconds() {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if problem.http == StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
    }
    response
}

async fn receive(shared: &Arc<Shared>, first_version: bool, request: Request<Incoming>) -> Result<(), Problem> {
    let (head, mut incoming) = request.into_parts();
    let encoding = encoding(&head.headers)?;
    let mut reservation = Reservation::new(shared);
    let limit = shared.limits.request_bytes;
    let payload = body::read(shared, &mut incoming, limit, &mut reservation, |_| Ok(())).await?;
    let payload = body::decompress(encoding, payload, limit, &mut reservation)?;
    let started = Instant::now();
    let media = content_type(&head.headers);
    let batch = if payload.len() > ingest::OFF_WORKER {
        let task = tokio::task::spawn_blocking(move || decode(first_version, media.as_deref(), &payload));
        task.await.map_err(|error| Problem::internal(format!("decoding stopped: {error}")))??
    } else {
        decode(first_version, media.as_deref(), &payload)?
    };
    let redaction = shared.redaction.read().unwrap_or_else(PoisonError::into_inner).clone();
    let (batch, masked) = redaction.mask_batch(&batch).unwrap_or((batch, 0));
    let count = batch.len() as u64;
    if count > 0 {
        let receipt = shared.sink.append_spans(Door::Zipkin, batch, (shared.clock)()).map_err(ingest::busy)?;
        let appended = receipt.await.map_err(ingest::unwritten)?;
        // Of a batch that was sent again everything was counted the first time.
        if appended.stored > 0 {
            shared.counters.masked.add(masked);
        }
    }
    let counters = shared.counters.of(Door::Zipkin, Signal::Traces);
    counters.received.add(count);
    counters.seconds.observe(started.elapsed());
    Ok(())
}

fn decode(first_version: bool, media: Option<&str>, payload: &[u8]) -> Result<SpanBatch, Problem> {
    let decoded = match (first_version, media) {
        (true, Some("application/x-thrift")) => {
            return Err(Problem::unsupported("version 1 Thrift is not taken: send version 2, or version 1 as JSON"));
        }
        (true, _) => zipkin::decode_v1_json(payload),
        (false, Some("application/x-protobuf" | "application/protobuf")) => zipkin::decode_proto(payload),
        (false, _) => zipkin::decode_json(payload),
    };
    Ok(decoded.map_err(|error| Problem::malformed(error.to_string()))?.batch)
}

/// What a body is compressed with.
pub(super) fn encoding(headers: &HeaderMap) -> Result<Encoding, Problem> {
    headers.get(CONTENT_ENCODING).map_or(Ok(Encoding::Identity), |name| {
        Encoding::from_name(&String::from_utf8_lossy(name.as_bytes()))
            .ok_or_else(|| Problem::unsupported(format!("Content-Encoding {name:?} is not known: use {}", Encoding::ACCEPTED)))
    })
}
