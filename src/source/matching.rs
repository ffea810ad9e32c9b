//! Matchers made ready to be asked many times: literals stay comparisons, the rest is one compiled regular expression.

use super::{MatchOp, Matcher, SourceError};
use crate::model::Labels;
use regex::Regex;
use smol_str::SmolStr;

/// Alternatives of a regular expression that are plain text, at most this many, are compared instead.
const MAX_LITERALS: usize = 4_096;

/// A regular expression as a matcher means it: anchored at both ends, `.` matches line breaks too.
pub fn anchored_regex(pattern: &str) -> Result<Regex, regex::Error> {
    Regex::new(&format!("^(?s:{pattern})$"))
}

/// One matcher, ready.
#[derive(Clone, Debug)]
pub struct ReadyMatcher {
    /// Label.
    pub name: SmolStr,
    test: Test,
    negated: bool,
}

#[derive(Clone, Debug)]
enum Test {
    /// One of these, sorted.
    OneOf(Vec<SmolStr>),
    /// `.*`
    Anything,
    /// `.+`
    Something,
    /// `text.*`
    Prefix(SmolStr),
    Regex(Regex),
}

impl ReadyMatcher {
    /// Compiles a matcher.
    pub fn new(matcher: &Matcher) -> Result<Self, SourceError> {
        let test = match matcher.op {
            MatchOp::Equal | MatchOp::NotEqual => Test::OneOf(vec![matcher.value.clone()]),
            MatchOp::Regex | MatchOp::NotRegex => regex_test(&matcher.value)?,
        };
        let negated = matches!(matcher.op, MatchOp::NotEqual | MatchOp::NotRegex);
        Ok(Self { name: matcher.name.clone(), test, negated })
    }

    /// True for a value that fulfils the matcher; the empty string is an absent label.
    pub fn matches(&self, value: &str) -> bool {
        let found = match &self.test {
            Test::OneOf(values) => values.binary_search_by(|candidate| candidate.as_str().cmp(value)).is_ok(),
            Test::Anything => true,
            Test::Something => !value.is_empty(),
            Test::Prefix(prefix) => value.starts_with(prefix.as_str()),
            Test::Regex(regex) => regex.is_match(value),
        };
        found != self.negated
    }

    /// The only values that can match, sorted, where these are known: what an index is asked for.
    pub fn only_values(&self) -> Option<&[SmolStr]> {
        match &self.test {
            Test::OneOf(values) if !self.negated => Some(values),
            _ => None,
        }
    }
}

/// Several matchers, ready; all of them hold.
#[derive(Clone, Debug, Default)]
pub struct ReadyMatchers(pub Vec<ReadyMatcher>);

impl ReadyMatchers {
    /// Compiles matchers.
    pub fn new(matchers: &[Matcher]) -> Result<Self, SourceError> {
        matchers.iter().map(ReadyMatcher::new).collect::<Result<_, _>>().map(Self)
    }

    /// True for a label set that fulfils all.
    pub fn matches(&self, labels: &Labels) -> bool {
        self.0.iter().all(|matcher| matcher.matches(labels.get(&matcher.name)))
    }
}

fn regex_test(pattern: &str) -> Result<Test, SourceError> {
    match pattern {
        ".*" => return Ok(Test::Anything),
        ".+" => return Ok(Test::Something),
        _ => {}
    }
    let plain = |text: &str| !text.contains(['.', '*', '+', '?', '(', ')', '[', ']', '{', '}', '\\', '^', '$', '|']);
    if let Some(prefix) = pattern.strip_suffix(".*").filter(|prefix| plain(prefix)) {
        return Ok(Test::Prefix(SmolStr::new(prefix)));
    }
    let body = pattern.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')).unwrap_or(pattern);
    if body.split('|').take(MAX_LITERALS + 1).all(plain) && body.split('|').count() <= MAX_LITERALS {
        let mut values: Vec<SmolStr> = body.split('|').map(SmolStr::new).collect();
        values.sort();
        values.dedup();
        return Ok(Test::OneOf(values));
    }
    anchored_regex(pattern)
        .map(Test::Regex)
        .map_err(|error| SourceError::Read(format!("the regular expression {pattern:?} is not supported: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_matcher_holds_as_prometheus_has_it() {
        for (op, pattern, value, expected) in [
            (MatchOp::Equal, "", "", true),
            (MatchOp::NotEqual, "a", "", true),
            (MatchOp::Regex, ".*", "", true),
            (MatchOp::Regex, ".+", "", false),
            (MatchOp::Regex, "a|b|", "", true),
            (MatchOp::Regex, "a|b", "b", true),
            (MatchOp::Regex, "(a|b)", "c", false),
            (MatchOp::Regex, "ab.*", "abc", true),
            (MatchOp::Regex, "ab.*", "xabc", false),
            (MatchOp::Regex, "a.c", "a\nc", true),
            (MatchOp::NotRegex, "4..", "404", false),
            (MatchOp::NotRegex, "4..", "4040", true),
        ] {
            let matcher = Matcher { name: "l".into(), op, value: pattern.into() };
            assert_eq!(ReadyMatcher::new(&matcher).unwrap().matches(value), expected, "{op:?} {pattern:?} {value:?}");
        }
    }
}
