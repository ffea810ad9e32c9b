//! Answers that are not success: `google.rpc.Status`, in HTTP bodies and in gRPC trailers.

use http::StatusCode;
use std::time::Duration;

/// Codes of `google.rpc.Code` that a receiver uses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(super) enum Code {
    InvalidArgument = 3,
    DeadlineExceeded = 4,
    NotFound = 5,
    PermissionDenied = 7,
    ResourceExhausted = 8,
    Unimplemented = 12,
    Internal = 13,
    Unavailable = 14,
    Unauthenticated = 16,
}

/// Why a request was not taken.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Problem {
    /// For HTTP.
    pub(super) http: StatusCode,
    /// For gRPC.
    pub(super) code: Code,
    /// What happened and what to do.
    pub(super) message: String,
    /// When to send it again; only where that makes sense.
    pub(super) retry_after: Option<Duration>,
    /// Label of the counter.
    pub(super) reason: &'static str,
}

impl Problem {
    fn new(http: StatusCode, code: Code, reason: &'static str, message: impl Into<String>) -> Self {
        Self { http, code, message: message.into(), retry_after: None, reason }
    }

    /// The payload cannot be read: do not send it again.
    pub(super) fn malformed(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, Code::InvalidArgument, "malformed", message)
    }

    /// Larger than the limit: do not send it again.
    pub(super) fn too_large(limit: usize) -> Self {
        let message = format!(
            "the request is larger than {} MiB (after decompression): send smaller batches",
            (limit as f64 / f64::from(1 << 20)).ceil()
        );
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, Code::ResourceExhausted, "too_large", message)
    }

    /// Send it again later.
    pub(super) fn busy(message: impl Into<String>, retry_after: Duration) -> Self {
        let problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, Code::Unavailable, "busy", message);
        Self { retry_after: Some(retry_after), ..problem }
    }

    /// The body did not come in time.
    pub(super) fn slow() -> Self {
        let message = "the request body did not arrive in time";
        Self::new(StatusCode::REQUEST_TIMEOUT, Code::DeadlineExceeded, "slow", message)
    }

    /// The client broke off or spoke HTTP wrongly.
    pub(super) fn broken_off(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, Code::InvalidArgument, "broken_off", message)
    }

    pub(super) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, Code::PermissionDenied, "forbidden", message)
    }

    pub(super) fn unauthenticated(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, Code::Unauthenticated, "unauthenticated", message)
    }

    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, Code::NotFound, "not_found", message)
    }

    pub(super) fn method(message: impl Into<String>) -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, Code::Unimplemented, "method", message)
    }

    pub(super) fn unsupported(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, Code::Unimplemented, "unsupported", message)
    }

    pub(super) fn internal(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, Code::Internal, "internal", message)
    }

    /// As protobuf `google.rpc.Status`, with `RetryInfo` where a retry makes sense.
    pub(super) fn to_protobuf(&self) -> Vec<u8> {
        let mut out = vec![0x08, self.code as u8];
        sized(0x12, self.message.as_bytes(), &mut out);
        if let Some(delay) = self.retry_after {
            let mut duration = Vec::new();
            for (tag, value) in [(0x08, delay.as_secs()), (0x10, u64::from(delay.subsec_nanos()))] {
                if value != 0 {
                    duration.push(tag);
                    varint(value, &mut duration);
                }
            }
            let mut info = Vec::new();
            sized(0x0a, &duration, &mut info);
            let mut any = Vec::new();
            sized(0x0a, b"type.googleapis.com/google.rpc.RetryInfo", &mut any);
            sized(0x12, &info, &mut any);
            sized(0x1a, &any, &mut out);
        }
        out
    }

    /// As JSON `google.rpc.Status`.
    pub(super) fn to_json(&self) -> Vec<u8> {
        serde_json::json!({"code": self.code as u8, "message": self.message}).to_string().into_bytes()
    }

    /// `Retry-After` in whole seconds, at least one.
    pub(super) fn retry_after_seconds(&self) -> Option<u64> {
        self.retry_after.map(|delay| (delay.as_secs_f64().ceil() as u64).max(1))
    }
}

fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn sized(tag: u8, bytes: &[u8], out: &mut Vec<u8>) {
    out.push(tag);
    varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_has_the_bytes_of_the_protobuf_library() {
        let status = Problem { message: "x".into(), ..Problem::malformed("") };
        assert_eq!(status.to_protobuf(), [0x08, 3, 0x12, 1, b'x']);
        let busy = Problem::busy("x", Duration::from_millis(1500)).to_protobuf();
        let mut expected = vec![0x08, 14, 0x12, 1, b'x', 0x1a, 54, 0x0a, 40];
        expected.extend(b"type.googleapis.com/google.rpc.RetryInfo");
        expected.extend([0x12, 10, 0x0a, 8, 0x08, 1, 0x10, 0x80, 0xca, 0xb5, 0xee, 1]);
        assert_eq!(busy, expected);
        assert_eq!(Problem::busy("x", Duration::from_millis(200)).retry_after_seconds(), Some(1));
    }
}
