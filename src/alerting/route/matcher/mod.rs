//! Conditions on labels: `name="value"`, `name!="value"`, `name=~"regex"`, `name!~"regex"`. An absent label is the empty
//! string; regular expressions are anchored at both ends.
//!
//! Alertmanager reads two notations. The older, [`classic`], takes names of the data model before UTF-8, OpenMetrics
//! escapes, and a value that may be left out; the newer, [`utf8`], takes any name, Go's escapes, and wants the value.
//! [`parse`] is what Alertmanager does unless told otherwise: both are tried, and where they disagree the older one wins,
//! with a word to the user.

pub mod classic;
pub mod utf8;

use crate::alerting::go_text;
use crate::model::Labels;
use crate::source::MatchOp;
use regex::Regex;
use smol_str::SmolStr;
use std::cmp::Ordering;
use std::fmt;

/// A condition on one label.
#[derive(Clone, Debug)]
pub struct Matcher {
    /// Label.
    pub name: SmolStr,
    /// Comparison.
    pub op: MatchOp,
    /// Value or regular expression, as written.
    pub value: SmolStr,
    regex: Option<Regex>,
}

/// Why a text is no matcher.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum MatcherError {
    /// In the words of the parser that refused it.
    #[error("{0}")]
    Syntax(String),
    /// The regular expression.
    #[error("invalid regular expression {pattern:?}: {reason}")]
    Regex {
        /// As written.
        pattern: String,
        /// In the words of the engine, one line.
        reason: String,
    },
}

/// What [`parse`] has to say about a text that it read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum MatcherNote {
    /// Only the older notation reads it; here is how to write it for both.
    ClassicOnly {
        /// The same matchers, quoted.
        suggestion: String,
        /// What the newer parser said.
        reason: String,
    },
    /// Both notations read it, differently; the older meaning was taken.
    Disagreement {
        /// How the newer one reads it.
        newer: String,
    },
}

impl fmt::Display for MatcherNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ClassicOnly { suggestion, reason } => {
                write!(f, "read by the classic rules only ({reason}); write {suggestion}")
            }
            Self::Disagreement { newer } => write!(f, "read by the classic rules; the UTF-8 rules would read {newer}"),
        }
    }
}

impl Matcher {
    /// A matcher; fails when a regular expression does not compile.
    pub fn new(name: &str, op: MatchOp, value: &str) -> Result<Self, MatcherError> {
        let regex = match op {
            MatchOp::Equal | MatchOp::NotEqual => None,
            MatchOp::Regex | MatchOp::NotRegex => Some(anchored(value)?),
        };
        Ok(Self { name: name.into(), op, value: value.into(), regex })
    }

    /// True when the value of the label satisfies it.
    pub fn matches_value(&self, value: &str) -> bool {
        let matched = match &self.regex {
            Some(regex) => regex.is_match(value),
            None => self.value == value,
        };
        matched == self.is_positive()
    }

    /// True when the label set satisfies it.
    pub fn matches(&self, labels: &Labels) -> bool {
        self.matches_value(labels.get(&self.name))
    }

    /// `=` and `=~`.
    pub fn is_positive(&self) -> bool {
        matches!(self.op, MatchOp::Equal | MatchOp::Regex)
    }

    /// `=~` and `!~`.
    pub fn is_regex(&self) -> bool {
        matches!(self.op, MatchOp::Regex | MatchOp::NotRegex)
    }

    /// The sign between name and value.
    pub fn sign(&self) -> &'static str {
        sign(self.op)
    }
}

/// The sign of a comparison.
pub fn sign(op: MatchOp) -> &'static str {
    match op {
        MatchOp::Equal => "=",
        MatchOp::NotEqual => "!=",
        MatchOp::Regex => "=~",
        MatchOp::NotRegex => "!~",
    }
}

/// A regular expression as Alertmanager compiles it.
pub fn anchored(pattern: &str) -> Result<Regex, MatcherError> {
    Regex::new(&format!("^(?:{pattern})$")).map_err(|error| MatcherError::Regex {
        pattern: pattern.to_owned(),
        reason: error.to_string().lines().last().unwrap_or_default().trim().to_owned(),
    })
}

impl PartialEq for Matcher {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, self.op, &self.value) == (&other.name, other.op, &other.value)
    }
}

impl Eq for Matcher {}

impl PartialOrd for Matcher {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Matcher {
    /// By name, value, then sign, as Alertmanager sorts the matchers of a route (its keys depend on it).
    fn cmp(&self, other: &Self) -> Ordering {
        let rank = |op| match op {
            MatchOp::Equal => 0,
            MatchOp::NotEqual => 1,
            MatchOp::Regex => 2,
            MatchOp::NotRegex => 3,
        };
        (&self.name, &self.value, rank(self.op)).cmp(&(&other.name, &other.value, rank(other.op)))
    }
}

impl fmt::Display for Matcher {
    /// The form of Alertmanager's logs and keys, which both notations read.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.name.chars().any(utf8::is_reserved) {
            write!(f, "{}{}{}", go_text::quote(&self.name), self.sign(), go_text::quote(&self.value))
        } else {
            let value = self.value.replace('\\', "\\\\").replace('\n', "\\n").replace('"', "\\\"");
            write!(f, "{}{}\"{value}\"", self.name, self.sign())
        }
    }
}

/// Matchers of which all must hold; without any, every alert matches.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
pub struct Matchers(pub Vec<Matcher>);

impl Matchers {
    /// True when all hold.
    pub fn matches(&self, labels: &Labels) -> bool {
        self.0.iter().all(|matcher| matcher.matches(labels))
    }

    /// True without any.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Matchers {
    /// `{a="b",c=~"d"}`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (index, matcher) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            write!(f, "{matcher}")?;
        }
        f.write_str("}")
    }
}

/// Matchers from a text such as `{team="web", severity=~"warn.*"}`, braces optional, by both notations.
pub fn parse(text: &str) -> Result<(Matchers, Option<MatcherNote>), MatcherError> {
    let newer = utf8::parse(text);
    let classic = classic::parse(text);
    match (newer, classic) {
        (Ok(newer), Ok(classic)) if newer != classic => {
            Ok((classic, Some(MatcherNote::Disagreement { newer: newer.to_string() })))
        }
        (Ok(newer), _) => Ok((newer, None)),
        (Err(reason), Ok(classic)) => {
            let written: Vec<String> = classic.0.iter().map(ToString::to_string).collect();
            let note = MatcherNote::ClassicOnly { suggestion: written.join(","), reason: reason.to_string() };
            Ok((classic, Some(note)))
        }
        (Err(_), Err(reason)) => Err(reason),
    }
}

/// One matcher without braces, as a filter of the API gives it.
pub fn parse_one(text: &str) -> Result<Matcher, MatcherError> {
    if text.starts_with('{') || text.ends_with('}') {
        return Err(MatcherError::Syntax(format!("unexpected open or close brace: {text}")));
    }
    let newer = utf8::parse(text).and_then(|found| match <[Matcher; 1]>::try_from(found.0) {
        Ok([one]) => Ok(one),
        Err(found) if found.is_empty() => Err(MatcherError::Syntax("no matchers".to_owned())),
        Err(found) => Err(MatcherError::Syntax(format!("expected 1 matcher, found {}", found.len()))),
    });
    match (newer, classic::parse_one(text)) {
        (Ok(newer), Ok(classic)) if newer != classic => Ok(classic),
        (Ok(newer), _) => Ok(newer),
        (Err(_), classic) => classic,
    }
}

#[cfg(test)]
mod tests;
