//! Answers of the API: status, type, body.

use super::objects::Failure;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};
use serde::Serialize;

/// What every handler gives.
pub type Answer = Response<Bytes>;

/// A body of this type.
pub fn body(status: StatusCode, content_type: &'static str, bytes: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(bytes.into());
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

/// A JSON object.
pub fn json(status: StatusCode, object: &impl Serialize) -> Answer {
    match serde_json::to_vec(object) {
        Ok(bytes) => body(status, "application/json", bytes),
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("the answer cannot be written: {error}\n")),
    }
}

/// Plain text.
pub fn text(status: StatusCode, text: impl Into<String>) -> Answer {
    body(status, "text/plain; charset=utf-8", text.into())
}

/// An error of `/belvedere/v1`.
pub fn failure(status: StatusCode, error: impl Into<String>) -> Answer {
    json(status, &Failure { error: error.into() })
}
