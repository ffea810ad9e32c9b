//! Trace query language: TraceQL to the letter, and plain conditions as a shorthand for one `{ }`.
//!
//! [`parse`] turns text into a [`Query`] with positions for every complaint; [`Query::run`] answers it over any
//! [`crate::source::SpanSource`]. A query is first turned into a [`crate::source::Predicate`] that never rejects a trace the query would
//! accept ([`pushdown`]); the source narrows by its columns, and what is left is evaluated span by span ([`eval`]).
//!
//! Meaning follows Tempo's evaluator, not its storage search where the two differ, and the bugs that are known upstream
//! are not copied (int `^` keeps its operands in order, `.k = nil` means absent). `&&` and `||` have one precedence level,
//! as there; a query that mixes them without parentheses gets a [`Hint`].

pub mod ast;
mod check;
mod complete;
mod eval;
mod lexer;
mod parser;
mod plain;
mod pushdown;
mod run;

pub use complete::{Completion, CompletionKind, complete};
pub use eval::{EvalError, Spanset};
pub use run::{Found, SearchResult};

use crate::source::SourceError;
use std::ops::Range;

/// A query that can be run.
#[derive(Clone, Debug)]
pub struct Query {
    /// What stands between the pipes.
    pub pipeline: ast::Pipeline,
    /// Remarks that don't stop the query.
    pub hints: Vec<Hint>,
}

/// A remark on a part of the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hint {
    /// Bytes of the text it is about.
    pub at: Range<usize>,
    /// What to know.
    pub text: String,
}

/// Why a text is not a query: what is wrong, where, what would do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}, at {}", at.start + 1)]
pub struct ParseError {
    /// Bytes of the text it is about; empty at the end.
    pub at: Range<usize>,
    /// What is wrong and what to write instead.
    pub message: String,
}

/// Why a query has no answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SearchError {
    /// The text is not a query.
    #[error(transparent)]
    Parse(#[from] ParseError),
    /// The query failed on a span, as `!name` does.
    #[error(transparent)]
    Eval(#[from] EvalError),
    /// The source failed.
    #[error(transparent)]
    Source(#[from] SourceError),
}

/// Reads a query: TraceQL when the text has a `{` or starts with a pipeline stage, plain conditions otherwise. An empty
/// text is every trace.
pub fn parse(text: &str) -> Result<Query, ParseError> {
    let query = if is_traceql(text) { parser::parse(text)? } else { plain::parse(text)? };
    check::check(&query.pipeline)?;
    Ok(query)
}

/// True when [`parse`] reads the text as TraceQL.
pub fn is_traceql(text: &str) -> bool {
    let start = text.trim_start();
    let stage = ["by", "select", "coalesce", "count", "avg", "min", "max", "sum"]
        .iter()
        .any(|word| start.strip_prefix(word).is_some_and(|rest| rest.trim_start().starts_with('(')));
    stage || start.starts_with("//") || text.contains('{')
}

#[cfg(test)]
mod roots_tests;
#[cfg(test)]
mod tests;
