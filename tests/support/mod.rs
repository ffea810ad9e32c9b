//! What the tests share.

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
