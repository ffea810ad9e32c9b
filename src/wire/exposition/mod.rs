//! The text in which programs expose metrics: Prometheus text 0.0.4 (and 1.0.0, which adds quoted names) and
//! OpenMetrics 1.0.
//!
//! Sources: the exposition format pages of Prometheus, the OpenMetrics 1.0 specification, and what the parsers of
//! Prometheus 3 accept where these leave room: names in quotes within the braces, `le` and `quantile` of classic histograms
//! and summaries written as floats (`1` becomes `1.0`), NaN always the normal one. One pass over the text, nothing owned
//! unless it is escaped; errors name line and column. [`read()`] collects a whole text, [`parse()`] hands sample by sample to
//! whoever edits labels on the way (scraping).

mod cursor;
mod float;
mod parse;
mod read;
#[cfg(test)]
mod tests;

pub use float::go_float;
pub use parse::{Exemplified, Exposed, Take, parse};
pub use read::read;

/// Which of the formats a text is in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Dialect {
    /// Prometheus text 0.0.4 and 1.0.0.
    #[default]
    Text,
    /// OpenMetrics 0.0.1 and 1.0.0.
    OpenMetrics,
}

impl Dialect {
    /// What a scraper offers, best first.
    pub const ACCEPT: &'static str = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,\
        application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,\
        text/plain;version=0.0.4;q=0.2,*/*;q=0.1";

    /// From a `Content-Type`. What is neither is read as text when it may be text; `None` for the rest.
    pub fn of_content_type(value: &str) -> Option<Self> {
        match value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
            "application/openmetrics-text" => Some(Self::OpenMetrics),
            "" | "text/plain" | "application/octet-stream" => Some(Self::Text),
            _ => None,
        }
    }
}

/// Where a text stops making sense.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{reason}, at line {line}, column {column}")]
pub struct ExpositionError {
    /// What is wrong.
    pub reason: String,
    /// From 1.
    pub line: usize,
    /// Bytes into the line, from 1.
    pub column: usize,
}
