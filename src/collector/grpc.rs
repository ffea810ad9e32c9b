//! Unary gRPC over HTTP/2: five bytes before the message, the outcome in trailers.

use super::Shared;
use super::body::{self, Encoding, Reservation};
use super::ingest::{Accepted, Form, ingest};
use super::route::{Reply, content_type, response_message};
use super::status::{Code, Problem};
use crate::model::{Door, Signal};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use bytes::{BufMut, BytesMut};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, Version};
use hyper::body::Incoming;
use std::fmt::Write as _;
use std::sync::Arc;

const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");
const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const GRPC_DETAILS: HeaderName = HeaderName::from_static("grpc-status-details-bin");
const GRPC_ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
const GRPC_ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");
/// Compressed flag and length.
const PREFIX: usize = 5;
/// Bytes of a message in `grpc-message`; headers are bounded by clients.
const LONGEST_MESSAGE: usize = 1024;

/// True for requests that are gRPC by their content type (not gRPC-Web, which browsers speak).
pub(super) fn is_grpc<B>(request: &Request<B>) -> bool {
    content_type(request.headers()).is_some_and(|media| media == "application/grpc" || media.starts_with("application/grpc+"))
}

/// Answers one gRPC call.
pub(super) async fn answer(shared: &Arc<Shared>, door: Door, request: Request<Incoming>) -> Response<Reply> {
    if request.version() < Version::HTTP_2 {
        let fix = "gRPC needs HTTP/2: let the proxy in between speak HTTP/2, or use http/protobuf.";
        shared.callers.note(door, "gRPC over HTTP/1", fix, None);
        let mut response = refuse(&Problem::unsupported(fix));
        *response.status_mut() = http::StatusCode::HTTP_VERSION_NOT_SUPPORTED;
        return response;
    }
    let path = request.uri().path().to_owned();
    let signal = match path.as_str() {
        "/opentelemetry.proto.collector.trace.v1.TraceService/Export" => Signal::Traces,
        "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export" => Signal::Metrics,
        "/opentelemetry.proto.collector.logs.v1.LogsService/Export" => Signal::Logs,
        // A health check asks whether this process serves; it does.
        "/grpc.health.v1.Health/Check" => return message(&[0x08, 1]),
        _ => {
            let fix = "Use the Export method of OTLP's TraceService, MetricsService or LogsService.";
            shared.callers.note(door, format!("gRPC call {path}"), fix, None);
            shared.counters.refused(door, "not_found");
            let shown: String = path.chars().take(100).collect();
            let problem = Problem::not_found(format!("unknown method {shown}. {fix}"));
            return refuse(&Problem { code: Code::Unimplemented, ..problem });
        }
    };
    match export(shared, door, signal, request).await {
        Ok(accepted) => message(&response_message(&accepted)),
        Err(problem) => {
            shared.counters.refused(door, problem.reason);
            refuse(&problem)
        }
    }
}

async fn export(shared: &Arc<Shared>, door: Door, signal: Signal, request: Request<Incoming>) -> Result<Accepted, Problem> {
    let (head, mut incoming) = request.into_parts();
    let encoding = head
        .headers
        .get(GRPC_ENCODING)
        .map_or(Some(Encoding::Identity), |name| Encoding::from_name(&String::from_utf8_lossy(name.as_bytes())));
    let encoding = encoding
        .ok_or_else(|| Problem::unsupported(format!("grpc-encoding is not known: use one of {}", Encoding::ACCEPTED)))?;
    let limit = shared.limits.request_bytes;
    let mut reservation = Reservation::new(shared);
    let length = |data: &[u8]| -> Option<usize> {
        let bytes = data.get(1..PREFIX)?.try_into().ok()?;
        usize::try_from(u32::from_be_bytes(bytes)).ok()
    };
    let fits = |data: &[u8]| match length(data) {
        Some(length) if length > limit => Err(Problem::too_large(limit)),
        _ => Ok(()),
    };
    let payload = body::read(shared, &mut incoming, limit.saturating_add(PREFIX), &mut reservation, fits).await?;
    let Some(length) = length(&payload) else {
        return Err(Problem::malformed(format!("a gRPC message has {PREFIX} bytes before it, the body has {}", payload.len())));
    };
    let rest = payload.slice(PREFIX..);
    if rest.len() != length {
        let problem = format!("the gRPC message should have {length} bytes, the body holds {}", rest.len());
        return Err(Problem::malformed(problem));
    }
    let payload = match payload[0] {
        0 => rest,
        1 if encoding == Encoding::Identity => {
            return Err(Problem::malformed("the message is flagged as compressed, but grpc-encoding names no compression"));
        }
        1 => body::decompress(encoding, rest, limit, &mut reservation)?,
        flag => return Err(Problem::malformed(format!("{flag} is not a flag of a gRPC message"))),
    };
    ingest(shared, door, signal, Form::Protobuf, payload).await
}

/// A message and the trailers of success.
fn message(message: &[u8]) -> Response<Reply> {
    let mut data = BytesMut::with_capacity(PREFIX + message.len());
    data.put_u8(0);
    data.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    data.put_slice(message);
    let mut trailers = HeaderMap::with_capacity(1);
    trailers.insert(GRPC_STATUS, HeaderValue::from_static("0"));
    respond(Reply { data: Some(data.freeze()), trailers: Some(trailers) })
}

fn respond(reply: Reply) -> Response<Reply> {
    let mut response = Response::new(reply);
    response.headers_mut().insert(CONTENT_TYPE, GRPC);
    response.headers_mut().insert(GRPC_ACCEPT_ENCODING, HeaderValue::from_static("identity,gzip,zstd,deflate"));
    response
}

/// An answer without a message: the outcome stands in the headers.
pub(super) fn refuse(problem: &Problem) -> Response<Reply> {
    let mut response = respond(Reply::default());
    let headers = response.headers_mut();
    headers.insert(GRPC_STATUS, HeaderValue::from(problem.code as u16));
    if let Ok(message) = HeaderValue::from_str(&percent_encoded(&problem.message)) {
        headers.insert(GRPC_MESSAGE, message);
    }
    let mut shown = problem.clone();
    shown.message.truncate(shown.message.floor_char_boundary(LONGEST_MESSAGE));
    if let Ok(details) = HeaderValue::from_str(&STANDARD_NO_PAD.encode(shown.to_protobuf())) {
        headers.insert(GRPC_DETAILS, details);
    }
    response
}

/// As the gRPC specification writes messages: printable ASCII but `%` stays, every other byte becomes `%XX`.
fn percent_encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes().take(LONGEST_MESSAGE) {
        if (0x20..0x7f).contains(&byte) && byte != b'%' {
            out.push(byte as char);
        } else {
            write!(out, "%{byte:02X}").unwrap_or_default();
        }
    }
    out
}

/// A message with its prefix, for tests of clients.
#[cfg(test)]
pub(super) fn framed(message: &[u8], compressed: bool) -> bytes::Bytes {
    let mut data = vec![u8::from(compressed)];
    data.extend(u32::try_from(message.len()).unwrap_or(u32::MAX).to_be_bytes());
    data.extend(message);
    data.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_percent_encoded() {
        assert_eq!(percent_encoded("50% of é\n"), "50%25 of %C3%A9%0A");
    }
}
