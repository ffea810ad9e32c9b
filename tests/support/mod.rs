//! What the tests share: the real binary, a small HTTP client, payloads, shared data, and an honest way to skip.

mod data;
pub mod grpc;
mod http;
mod otlp;
pub mod promql_script;
#[cfg(feature = "window")]
pub mod screen;
mod serve;

pub use data::{shared_data, shared_tool_folder};
pub use http::{Reply, get, post, request};
pub use otlp::{hex_id, json_request};
pub use serve::{Serve, belvedere, serve_command, wait_until};

/// Says why a test has nothing to check here. With `CI=true` everything must be there, so it fails instead.
#[track_caller]
pub fn skip(reason: &str) {
    assert!(!must_not_skip(), "CI=true and {reason}");
    eprintln!("skipped: {reason}");
}

/// Whether this run has to check everything.
pub fn must_not_skip() -> bool {
    std::env::var_os("CI").is_some_and(|value| value == "true")
}
