//! PromQL: reads queries, formats them, and evaluates them over a [`crate::source::SeriesSource`].
//!
//! Syntax, messages and semantics are those of Prometheus 3.16. A query is text, then a tree whose nodes know their places
//! ([`ast`]), then a plan for one range of time that is evaluated series by series.

mod annotation;
pub mod ast;
mod error;
pub mod eval;
mod format;
pub mod functions;
pub mod histogram;
pub mod json;
mod lexer;
mod parser;
mod position;
pub mod series_desc;
pub mod text;
mod token;

pub use annotation::{HistogramOperation, Note, Notes};
pub use error::ParseError;
pub use format::pretty;
pub use parser::{parse, parse_selector};
pub use position::Span;
pub use token::{Kind as TokenKind, Token};

/// The tokens of a text that may be no query yet: up to its end or to the first that is none, which is
/// [`TokenKind::Error`].
pub fn tokens(text: &str) -> Vec<Token> {
    let mut lexer = lexer::Lexer::new(text);
    let mut tokens = Vec::new();
    loop {
        let token = lexer.next_token();
        if token.kind == TokenKind::Eof {
            return tokens;
        }
        tokens.push(token);
        if token.kind == TokenKind::Error {
            return tokens;
        }
    }
}
