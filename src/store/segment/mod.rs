//! Sealed spans.

/// One segment, without its columns.
#[derive(Debug, Default)]
pub(crate) struct Segment {
    pub(crate) id: i64,
}
