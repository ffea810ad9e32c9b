//! From a request to its answer: the gate, the paths, OTLP over HTTP, and what is said to those who knock wrongly.

use super::body::{self, Encoding, Reservation};
use super::ingest::{Accepted, Form, ingest};
use super::status::Problem;
use super::{Shared, gate, grpc, remote_write, zipkin};
use crate::model::{Door, Signal};
use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, ALLOW, CONTENT_TYPE, EXPECT, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

const PROTOBUF: HeaderValue = HeaderValue::from_static("application/x-protobuf");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// The body of an answer: at most one piece of data, then trailers.
#[derive(Default)]
pub(super) struct Reply {
    pub(super) data: Option<Bytes>,
    pub(super) trailers: Option<HeaderMap>,
}

impl Body for Reply {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let frame = match self.data.take() {
            Some(data) => Some(Frame::data(data)),
            None => self.trailers.take().map(Frame::trailers),
        };
        Poll::Ready(frame.map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        self.data.is_none() && self.trailers.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.data.as_ref().map_or(0, |data| data.len() as u64))
    }
}

/// Answers one request at a door.
pub(super) async fn answer(
    shared: Arc<Shared>,
    door: Door,
    near: bool,
    request: Request<Incoming>,
) -> Result<Response<Reply>, Infallible> {
    let is_grpc = grpc::is_grpc(&request);
    let form = answer_form(request.headers());
    let origin = match gate::check(&shared, door, near, &request) {
        Ok(origin) => origin,
        Err(problem) => {
            shared.counters.refused(door, problem.reason);
            return Ok(match door {
                Door::Zipkin => zipkin::refuse(&problem),
                _ if is_grpc => grpc::refuse(&problem),
                _ => refuse(form, &problem),
            });
        }
    };
    let mut response = if request.method() == Method::OPTIONS {
        let mut response = plain(StatusCode::NO_CONTENT, None, Bytes::new());
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST, OPTIONS"));
        if origin.is_some() {
            gate::preflight(request.headers(), response.headers_mut());
        }
        response
    } else if door == Door::Api && request.uri().path() == remote_write::PATH {
        remote_write::answer(&shared, request).await
    } else if let Some(handler) = shared.handler(door) {
        let (head, body) = handler.answer(request).await.into_parts();
        Response::from_parts(head, Reply { data: Some(body), trailers: None })
    } else if door == Door::Zipkin {
        zipkin::answer(&shared, request).await
    } else if is_grpc {
        grpc::answer(&shared, door, request).await
    } else {
        http(&shared, door, request, form).await
    };
    if let Some(origin) = origin {
        gate::cors(&origin, response.headers_mut());
    }
    Ok(response)
}

async fn http(shared: &Arc<Shared>, door: Door, request: Request<Incoming>, form: Form) -> Response<Reply> {
    let path = request.uri().path().to_owned();
    let signal = match path.trim_end_matches('/') {
        "/v1/traces" => Signal::Traces,
        "/v1/metrics" => Signal::Metrics,
        "/v1/logs" => Signal::Logs,
        "" if matches!(*request.method(), Method::GET | Method::HEAD) => return greeting(),
        _ => {
            let fix = lost(&path);
            if request.method() == Method::POST || request.method() == Method::PUT {
                shared.callers.note(door, format!("path {path}"), fix.clone(), None);
            }
            shared.counters.refused(door, "not_found");
            let shown: String = path.chars().take(100).collect();
            return refuse(form, &Problem::not_found(format!("nothing is at {shown}. {fix}")));
        }
    };
    if request.method() != Method::POST {
        shared.counters.refused(door, "method");
        let mut response = refuse(form, &Problem::method(format!("send {} with POST", signal.name())));
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST, OPTIONS"));
        return response;
    }
    match export(shared, door, signal, request).await {
        Ok((form, accepted)) => success(form, signal, &accepted),
        Err(problem) => {
            shared.counters.refused(door, problem.reason);
            let mut response = refuse(form, &problem);
            if problem.http == StatusCode::UNSUPPORTED_MEDIA_TYPE {
                response.headers_mut().insert(ACCEPT_ENCODING, HeaderValue::from_static(Encoding::ACCEPTED));
            }
            response
        }
    }
}

async fn export(
    shared: &Arc<Shared>,
    door: Door,
    signal: Signal,
    request: Request<Incoming>,
) -> Result<(Form, Accepted), Problem> {
    let (head, mut incoming) = request.into_parts();
    let encoding = zipkin::encoding(&head.headers)?;
    let limit = shared.limits.request_bytes;
    let mut reservation = Reservation::new(shared);
    let read = body::read(shared, &mut incoming, limit, &mut reservation, |_| Ok(())).await;
    let payload = match read {
        Ok(payload) => payload,
        Err(problem) => {
            if head.version < Version::HTTP_2
                && !head.headers.contains_key(EXPECT)
                && problem.http == StatusCode::PAYLOAD_TOO_LARGE
            {
                body::discard(shared, &mut incoming).await;
            }
            return Err(problem);
        }
    };
    let payload = body::decompress(encoding, payload, limit, &mut reservation)?;
    let form = match content_type(&head.headers).as_deref() {
        Some("application/x-protobuf" | "application/protobuf" | "application/vnd.google.protobuf") => Form::Protobuf,
        Some("application/json") => Form::Json,
        other => {
            // Some clients send JSON as text, to get by without a preflight; some say nothing at all.
            let first = payload.iter().find(|byte| !byte.is_ascii_whitespace());
            match (first, other) {
                (Some(b'{' | b'['), _) => Form::Json,
                (_, None | Some("application/octet-stream")) => Form::Protobuf,
                (_, Some(other)) => {
                    return Err(Problem::unsupported(format!(
                        "Content-Type {other:?} is not OTLP: use application/x-protobuf or application/json"
                    )));
                }
            }
        }
    };
    let accepted = ingest(shared, door, signal, form, payload).await?;
    Ok((form, accepted))
}

/// The media type, lower case, without its parameters.
pub(super) fn content_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    let media = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    (!media.is_empty()).then_some(media)
}

/// The form of an answer to a request that may not have been understood.
fn answer_form(headers: &HeaderMap) -> Form {
    match content_type(headers) {
        Some(media) if media.contains("protobuf") => Form::Protobuf,
        _ => Form::Json,
    }
}

pub(super) fn plain(status: StatusCode, media: Option<HeaderValue>, data: Bytes) -> Response<Reply> {
    let mut response = Response::new(Reply { data: (!data.is_empty()).then_some(data), trailers: None });
    *response.status_mut() = status;
    if let Some(media) = media {
        response.headers_mut().insert(CONTENT_TYPE, media);
    }
    response
}

fn refuse(form: Form, problem: &Problem) -> Response<Reply> {
    let (media, data) = match form {
        Form::Protobuf => (PROTOBUF, problem.to_protobuf()),
        Form::Json => (JSON, problem.to_json()),
    };
    let mut response = plain(problem.http, Some(media), data.into());
    if let Some(seconds) = problem.retry_after_seconds() {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

fn success(form: Form, signal: Signal, accepted: &Accepted) -> Response<Reply> {
    match form {
        Form::Protobuf => plain(StatusCode::OK, Some(PROTOBUF), response_message(accepted).into()),
        Form::Json if accepted.rejected == 0 && accepted.message.is_empty() => {
            plain(StatusCode::OK, Some(JSON), Bytes::from_static(b"{}"))
        }
        Form::Json => {
            let rejected = match signal {
                Signal::Traces => "rejectedSpans",
                Signal::Metrics => "rejectedDataPoints",
                Signal::Logs => "rejectedLogRecords",
            };
            let partial = serde_json::json!({"partialSuccess": {
                rejected: accepted.rejected.to_string(),
                "errorMessage": accepted.message,
            }});
            plain(StatusCode::OK, Some(JSON), partial.to_string().into())
        }
    }
}

/// `Export*ServiceResponse`; the three have the same form. Empty when all is well.
pub(super) fn response_message(accepted: &Accepted) -> Vec<u8> {
    crate::wire::otlp::encode_partial_success(accepted.rejected, &accepted.message)
}

fn greeting() -> Response<Reply> {
    let text = "Belvedere collects OTLP here: POST /v1/traces, /v1/metrics or /v1/logs, or gRPC.\n\
                Set OTEL_EXPORTER_OTLP_ENDPOINT to this address, without a path.\n";
    plain(StatusCode::OK, Some(TEXT), Bytes::from_static(text.as_bytes()))
}

/// What to do instead of sending to this path.
pub(super) fn lost(path: &str) -> String {
    const SIGNALS: [&str; 3] = ["/v1/traces", "/v1/metrics", "/v1/logs"];
    let bare = path.trim_end_matches('/');
    if SIGNALS
        .iter()
        .any(|end| bare.ends_with(end) && SIGNALS.iter().any(|start| bare[..bare.len() - end.len()].ends_with(start)))
    {
        return "The path is there twice: OTEL_EXPORTER_OTLP_ENDPOINT takes the address alone, the SDK appends /v1/traces. \
                Only OTEL_EXPORTER_OTLP_TRACES_ENDPOINT takes a path."
            .to_owned();
    }
    if let Some(end) = SIGNALS.iter().find(|end| bare.ends_with(*end)) {
        return format!("Send to {end}, with nothing before it.");
    }
    match bare {
        "" => {
            "An endpoint for one signal is used as it is: give OTEL_EXPORTER_OTLP_TRACES_ENDPOINT the path /v1/traces, or set \
               OTEL_EXPORTER_OTLP_ENDPOINT instead."
                .to_owned()
        }
        "/api/v2/spans" | "/api/v1/spans" => "This is Zipkin's path: open the zipkin door (9411) and send there.".to_owned(),
        "/api/traces" => "This is Jaeger's path: send OTLP to /v1/traces.".to_owned(),
        "/api/v1/write" => "Prometheus remote write goes to the api door (4319).".to_owned(),
        "/v1development/profiles" => "Profiles are not collected.".to_owned(),
        _ if bare.starts_with("/v0.") && bare.ends_with("/traces") => {
            "This is the Datadog agent's path: open the datadog door (8126) and send there.".to_owned()
        }
        _ => "Send to /v1/traces, /v1/metrics or /v1/logs.".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_paths_are_explained() {
        for (path, part) in [
            ("/v1/traces/v1/traces", "twice"),
            ("/v1/traces/v1/logs/", "twice"),
            ("/otlp/v1/metrics", "Send to /v1/metrics"),
            ("/", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"),
            ("/api/v2/spans", "Zipkin"),
            ("/v0.4/traces", "Datadog"),
            ("/v1development/profiles", "not collected"),
            ("/x", "Send to /v1/traces,"),
        ] {
            assert!(lost(path).contains(part), "{path}: {}", lost(path));
        }
    }
}
