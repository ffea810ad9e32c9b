//! The older notation (Alertmanager's `pkg/labels/parse.go`): names `[a-zA-Z_:][a-zA-Z0-9_:]*`, a value that is quoted or
//! bare and may be empty, the escapes `\"`, `\n` and `\\` (any other backslash stands for itself).

use super::{Matcher, MatcherError, Matchers};
use crate::source::MatchOp;

/// Matchers separated by commas, braces optional and not checked to be paired.
pub fn parse(text: &str) -> Result<Matchers, MatcherError> {
    let text = text.strip_prefix('{').unwrap_or(text);
    let text = text.strip_suffix('}').unwrap_or(text);
    let (mut tokens, mut token) = (Vec::new(), String::new());
    let (mut inside_quotes, mut escaped) = (false, false);
    for c in text.chars() {
        match c {
            ',' if !inside_quotes => {
                tokens.push(std::mem::take(&mut token));
                continue;
            }
            // A comma inside quotes leaves a pending escape as it is, as the original does.
            ',' => {}
            '"' if escaped => escaped = false,
            '"' => inside_quotes = !inside_quotes,
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
        token.push(c);
    }
    if !token.trim().is_empty() {
        tokens.push(token.trim().to_owned());
    }
    tokens.iter().map(|token| parse_one(token)).collect::<Result<_, _>>().map(Matchers)
}

/// One matcher.
pub fn parse_one(text: &str) -> Result<Matcher, MatcherError> {
    let bad = || MatcherError::Syntax(format!("bad matcher format: {text}"));
    let trimmed = text.trim_matches(|c: char| matches!(c, ' ' | '\t' | '\n' | '\u{c}' | '\r'));
    let name_end = trimmed.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':')).ok_or_else(bad)?;
    let (name, rest) = trimmed.split_at(name_end);
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(bad());
    }
    let rest = rest.trim_start();
    let (op, rest) = [("=~", MatchOp::Regex), ("=", MatchOp::Equal), ("!=", MatchOp::NotEqual), ("!~", MatchOp::NotRegex)]
        .into_iter()
        .find_map(|(sign, op)| rest.strip_prefix(sign).map(|rest| (op, rest)))
        .ok_or_else(bad)?;
    let raw = rest.trim_start();
    let quotes = || MatcherError::Syntax(format!("matcher value contains unescaped double quote: {raw}"));
    let (body, mut open) = raw.strip_prefix('"').map_or((raw, false), |body| (body, true));
    let mut value = String::with_capacity(body.len());
    let mut escaped = false;
    for (at, c) in body.char_indices() {
        let last = at + 1 == body.len();
        if std::mem::take(&mut escaped) {
            match c {
                'n' => value.push('\n'),
                '"' | '\\' => value.push(c),
                other => value.extend(['\\', other]),
            }
        } else if c == '\\' && !last {
            escaped = true;
        } else if c == '"' {
            if !open || !last {
                return Err(quotes());
            }
            open = false;
        } else {
            value.push(c);
        }
    }
    if open {
        return Err(quotes());
    }
    Matcher::new(name, op, &value)
}
