//! Why a query was not read.

use super::position::Span;

/// A query that is no PromQL, with the place, in Prometheus' own words.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{place}: parse error: {message}")]
pub struct ParseError {
    /// Bytes of the query that are wrong.
    pub at: Span,
    /// `line:column` of their start, as the message gives it.
    pub place: String,
    /// What is wrong.
    pub message: String,
}

impl ParseError {
    /// At a place of a text.
    pub fn new(text: &str, at: Span, message: impl Into<String>) -> Self {
        Self { at, place: at.place(text), message: message.into() }
    }
}
