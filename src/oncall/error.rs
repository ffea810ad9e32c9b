//! Why something about on-call could not be read or done.

use crate::wire::yaml::{Place, YamlError};

/// What went wrong, where, and what to do.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum OncallError {
    /// The text is no YAML, or says what a schedule has no word for.
    #[error(transparent)]
    Yaml(#[from] YamlError),
    /// No such zone.
    #[error("there is no time zone `{name}`; use an IANA name such as Europe/Berlin")]
    Zone {
        /// As it was written.
        name: String,
    },
    /// A calendar could not be read.
    #[error("line {line}: {text}")]
    Calendar {
        /// From 1.
        line: usize,
        /// What is wrong.
        text: String,
    },
    /// A JSON export of another program could not be read.
    #[error("{text}: {at}")]
    Export {
        /// What is wrong.
        text: String,
        /// Path inside the document, `$.schedules[0].name`.
        at: String,
    },
    /// Something was asked that the state does not allow.
    #[error("{0}")]
    Refused(String),
}

impl OncallError {
    /// Line and column, where the error has them.
    pub fn place(&self) -> Option<Place> {
        match self {
            Self::Yaml(error) => Some(error.place),
            Self::Calendar { line, .. } => Some(Place { line: u32::try_from(*line).unwrap_or(u32::MAX), column: 1 }),
            Self::Zone { .. } | Self::Export { .. } | Self::Refused(_) => None,
        }
    }
}
