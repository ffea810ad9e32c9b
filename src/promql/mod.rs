//! PromQL: reads queries, formats them, and evaluates them over a [`crate::source::SeriesSource`].
//!
//! Syntax, messages and semantics are those of Prometheus 3.16. A query is text, then a tree whose nodes know their places
//! ([`ast`]), then a plan for one range of time that is evaluated series by series.

pub mod ast;
mod error;
mod format;
pub mod functions;
pub mod histogram;
mod lexer;
mod parser;
mod position;
pub mod text;

pub use error::ParseError;
pub use format::pretty;
pub use lexer::Kind as TokenKind;
pub use parser::{parse, parse_selector};
pub use position::Span;
