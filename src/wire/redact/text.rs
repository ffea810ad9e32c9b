//! Secrets inside texts: URLs, logs, statements, JSON in a message. What is found is a list of places to mask.
//!
//! Three things are looked for: the value of a `name=value` or `"name":"value"` whose name would be masked as a key, the
//! password of a URL (`//user:password@host`), and whatever a pattern of the list matches. Nearly every text has none of
//! them, and the look must cost little: a name is only read where an `=` or a quoted `:` stands.

use crate::model::value::MASKED;
use regex::{Regex, RegexBuilder};
use std::ops::Range;

/// Parameters of signed URLs, which are no secrets as the keys of attributes. The first four are those that the semantic
/// conventions of HTTP ask to be masked in `url.full`.
const SIGNED_URL: [&str; 9] = [
    "awsaccesskeyid",
    "signature",
    "sig",
    "x-goog-signature",
    "x-goog-credential",
    "x-amz-signature",
    "x-amz-credential",
    "x-amz-security-token",
    "code_verifier",
];
/// What instrumentation puts in the place of a secret in a URL, as the semantic conventions of HTTP ask.
const REDACTED: &str = "REDACTED";
/// A longer name before `=` or `:` is none.
const LONGEST_NAME: usize = 64;
/// Memory of one compiled pattern, in bytes.
const PATTERN_BYTES: usize = 1 << 20;
/// Memory that matching may use on a thread, in bytes; each pattern and thread has its own.
const MATCHING_BYTES: usize = 128 << 10;

/// Patterns over texts: `/…/` in the list. Where a pattern has a group, the group is masked, else the whole match.
#[derive(Clone, Debug, Default)]
pub(super) struct Patterns {
    sources: Vec<String>,
    compiled: Vec<Regex>,
    /// All of them in one, to see quickly that none matches.
    any: Option<Regex>,
}

impl PartialEq for Patterns {
    fn eq(&self, other: &Self) -> bool {
        self.sources == other.sources
    }
}

/// The pattern in an entry of the list, without its slashes.
pub(super) fn pattern_of(entry: &str) -> Option<&str> {
    entry.strip_prefix('/')?.strip_suffix('/').filter(|pattern| !pattern.is_empty())
}

/// Compiles a pattern. Without a capital letter it is read without case.
pub(super) fn compile(pattern: &str) -> Result<Regex, regex::Error> {
    let sensitive = pattern.chars().any(char::is_uppercase);
    RegexBuilder::new(pattern).case_insensitive(!sensitive).size_limit(PATTERN_BYTES).dfa_size_limit(MATCHING_BYTES).build()
}

impl Patterns {
    /// From what stands between the slashes; what does not compile is left out ([`super::Redaction::check`] says so).
    pub(super) fn new(sources: Vec<String>) -> Self {
        let compiled: Vec<Regex> = sources.iter().filter_map(|source| compile(source).ok()).collect();
        let flagged = |regex: &Regex| match regex.as_str().chars().any(char::is_uppercase) {
            true => format!("(?:{})", regex.as_str()),
            false => format!("(?i:{})", regex.as_str()),
        };
        let all = compiled.iter().map(flagged).collect::<Vec<_>>().join("|");
        let any = RegexBuilder::new(&all).size_limit(PATTERN_BYTES * 8).dfa_size_limit(MATCHING_BYTES * 4).build().ok();
        Self { sources, compiled, any }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.compiled.is_empty()
    }

    fn find(&self, text: &str, found: &mut Vec<Range<usize>>) {
        if self.is_empty() || self.any.as_ref().is_some_and(|any| !any.is_match(text)) {
            return;
        }
        for regex in &self.compiled {
            for captures in regex.captures_iter(text) {
                found.extend(captures.get(1).or_else(|| captures.get(0)).map(|hit| hit.range()));
            }
        }
    }
}

/// `text` with its secrets masked; `None` when it has none. `names` says which names carry secrets.
pub(super) fn mask(text: &str, patterns: &Patterns, names: impl Fn(&str) -> bool) -> Option<String> {
    let mut found = Vec::new();
    named_values(text, &names, &mut found);
    passwords_of_urls(text, &mut found);
    patterns.find(text, &mut found);
    // What is masked already stays as it is, by us or by an instrumentation that keeps the semantic conventions.
    found.retain(|range| {
        let masked = text[range.start..].starts_with(MASKED) || &text[range.clone()] == REDACTED;
        !range.is_empty() && !masked && !inside_mask(text, range)
    });
    if found.is_empty() {
        return None;
    }
    found.sort_by_key(|range| (range.start, std::cmp::Reverse(range.end)));
    let mut masked = String::with_capacity(text.len());
    let mut done = 0;
    for range in found {
        if range.start >= done {
            masked.push_str(&text[done..range.start]);
            masked.push_str(MASKED);
            done = range.end;
        } else {
            done = done.max(range.end);
        }
    }
    masked.push_str(&text[done..]);
    Some(masked)
}

/// True when `range` begins inside of a place that was masked before.
fn inside_mask(text: &str, range: &Range<usize>) -> bool {
    let from = text.floor_char_boundary(range.start.saturating_sub(MASKED.len() - 1));
    text[from..].match_indices(MASKED).any(|(at, _)| from + at < range.end && range.start < from + at + MASKED.len())
}

/// Values whose name carries a secret: `?token=x`, `password=x`, `"api_key": "x"`, also inside a quoted text.
fn named_values(text: &str, names: &impl Fn(&str) -> bool, found: &mut Vec<Range<usize>>) {
    let bytes = text.as_bytes();
    for at in memchr::memchr2_iter(b'=', b':', bytes) {
        let before = &text[..at];
        let range = if bytes[at] == b'=' {
            let name = last_name(before);
            if name.is_empty() || !(names(name) || is_signature(before, name)) {
                continue;
            }
            plain_value(text, at + 1)
        } else {
            // Only with the name in quotes: `token: x` in prose is mostly about something else.
            let Some(quote) = ["\\\"", "\"", "'"].into_iter().find(|quote| before.ends_with(quote)) else { continue };
            let name = last_name(&before[..before.len() - quote.len()]);
            if name.is_empty() || !before[..before.len() - quote.len() - name.len()].ends_with(quote) || !names(name) {
                continue;
            }
            quoted_value(text, at + 1, quote)
        };
        found.extend(range);
    }
}

/// The name at the end of `before`.
fn last_name(before: &str) -> &str {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    let length = before.bytes().rev().take(LONGEST_NAME + 1).take_while(|byte| is_part(byte)).count();
    if length > LONGEST_NAME { "" } else { &before[before.len() - length..] }
}

/// True for a parameter of a URL that makes it a signed one.
fn is_signature(before: &str, name: &str) -> bool {
    before[..before.len() - name.len()].ends_with(['?', '&']) && SIGNED_URL.iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// A value up to where the next parameter or word begins, or to its closing quote.
fn plain_value(text: &str, start: usize) -> Option<Range<usize>> {
    let rest = &text[start..];
    if let Some(quote) = ["\\\"", "\"", "'"].into_iter().find(|quote| rest.starts_with(quote)) {
        return quoted_value(text, start, quote);
    }
    let end = rest.find(|c: char| c.is_whitespace() || "&#;,)]}\"'<>\\".contains(c)).unwrap_or(rest.len());
    let value = &rest[..end];
    // What a statement or a format stands a value in for.
    let stands_in = value.starts_with(['$', '?', '{', ':', '@']) || matches!(value, "%s" | "%d" | "%v" | "%q");
    (!stands_in).then_some(start..start + end)
}

/// What stands between quotes after `start`; to the end where the text was cut.
fn quoted_value(text: &str, start: usize, quote: &str) -> Option<Range<usize>> {
    let rest = &text[start..];
    let opened = rest.len() - rest.trim_start().len();
    let value = rest[opened..].strip_prefix(quote)?;
    let from = start + opened + quote.len();
    let mut end = 0;
    while let Some(at) = value[end..].find(quote) {
        end += at;
        // A quote after an odd number of backslashes belongs to the value.
        let slashes = value[..end].bytes().rev().take_while(|byte| *byte == b'\\').count();
        if slashes % 2 == 0 {
            return Some(from..from + end);
        }
        end += quote.len();
    }
    Some(from..text.len())
}

/// `//user:password@host`: the password.
fn passwords_of_urls(text: &str, found: &mut Vec<Range<usize>>) {
    if memchr::memchr(b'@', text.as_bytes()).is_none() {
        return;
    }
    for (at, _) in text.match_indices("://") {
        let start = at + 3;
        let rest = &text[start..];
        let end = rest.find(|c: char| c.is_whitespace() || "/?#\"'<>\\".contains(c)).unwrap_or(rest.len());
        if let Some((user, password)) = rest[..end].rfind('@').and_then(|at| rest[..at].split_once(':')) {
            let from = start + user.len() + 1;
            found.push(from..from + password.len());
        }
    }
}
