//! Text to tokens. An attribute is one token: its name runs to whitespace or one of `{}()=~!<>&|^,`, so `.a-1` is a name.

use super::ParseError;
use super::ast::{Field, Intrinsic, Scope, Static};
use smol_str::SmolStr;
use std::ops::Range;

/// What a token is.
#[derive(Clone, Debug, PartialEq)]
pub enum Token {
    /// A constant: number, duration, text, `true`, `ok`, `client`, `nil` and so on.
    Static(Static),
    /// An attribute or intrinsic.
    Field(Field),
    /// A bare word that is neither: `count`, `by`, `with`.
    Word(SmolStr),
    /// An operator or bracket.
    Op(&'static str),
}

/// A token with its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Spanned {
    /// What it is.
    pub token: Token,
    /// Bytes of the text.
    pub at: Range<usize>,
}

/// Longest first.
const OPERATORS: [&str; 36] = [
    "!>>", "!<<", "&>>", "&<<", "&&", "||", "=~", "!~", "!=", "<=", ">=", ">>", "<<", "!>", "!<", "&>", "&<", "&~", "{", "}",
    "(", ")", ",", "=", "<", ">", "~", "!", "+", "-", "*", "/", "%", "^", "|", "&",
];

/// True for a character that ends an attribute's name.
pub(super) fn ends_name(c: char) -> bool {
    c.is_whitespace() || "{}()=~!<>&|^,".contains(c)
}

pub(super) fn error(at: Range<usize>, message: impl Into<String>) -> ParseError {
    ParseError { at, message: message.into() }
}

/// All tokens of a text.
pub fn lex(text: &str) -> Result<Vec<Spanned>, ParseError> {
    let mut lexer = Lexer { text, at: 0 };
    let mut tokens = Vec::new();
    while let Some(token) = lexer.next()? {
        tokens.push(token);
    }
    Ok(tokens)
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn next(&mut self) -> Result<Option<Spanned>, ParseError> {
        loop {
            self.at += self.rest().len() - self.rest().trim_start().len();
            if !self.rest().starts_with("//") {
                break;
            }
            self.at += self.rest().find('\n').unwrap_or(self.rest().len());
        }
        let start = self.at;
        let mut chars = self.rest().chars();
        let Some(first) = chars.next() else { return Ok(None) };
        let second = chars.next();
        let token = if first == '"' || first == '`' {
            Token::Static(Static::Str(self.quoted()?.into()))
        } else if first.is_ascii_digit() || (first == '.' && second.is_some_and(|c| c.is_ascii_digit())) {
            Token::Static(self.number()?)
        } else if first == '.' {
            self.at += 1;
            Token::Field(Field::Attr(Scope::Any, self.name()?))
        } else if first.is_alphabetic() || first == '_' {
            self.word()?
        } else if let Some(op) = OPERATORS.iter().find(|op| self.rest().starts_with(**op)) {
            self.at += op.len();
            Token::Op(op)
        } else if first == '\'' {
            return Err(error(start..start + 1, "text stands in double quotes or backquotes"));
        } else {
            return Err(error(start..start + first.len_utf8(), format!("unexpected character {first:?}")));
        };
        Ok(Some(Spanned { token, at: start..self.at }))
    }

    /// A quoted text; Go escapes in double quotes, none in backquotes.
    fn quoted(&mut self) -> Result<String, ParseError> {
        let start = self.at;
        let quote = self.rest().chars().next().unwrap_or('"');
        let mut out = String::new();
        let mut chars = self.rest().char_indices().skip(1);
        while let Some((offset, c)) = chars.next() {
            match c {
                c if c == quote => {
                    self.at = start + offset + 1;
                    return Ok(out);
                }
                '\n' if quote == '"' => return Err(error(start..start + offset, "the text is not closed on its line")),
                '\\' if quote == '"' => {
                    let place = start + offset;
                    let bad = |len: usize| error(place..(place + len).min(self.text.len()), "unknown escape in text");
                    let (_, escape) = chars.next().ok_or_else(|| bad(1))?;
                    let simple = match escape {
                        'n' => Some('\n'),
                        't' => Some('\t'),
                        'r' => Some('\r'),
                        'a' => Some('\u{7}'),
                        'b' => Some('\u{8}'),
                        'f' => Some('\u{c}'),
                        'v' => Some('\u{b}'),
                        '\\' | '"' => Some(escape),
                        _ => None,
                    };
                    if let Some(simple) = simple {
                        out.push(simple);
                        continue;
                    }
                    let digits = match escape {
                        'x' => 2,
                        'u' => 4,
                        'U' => 8,
                        _ => return Err(bad(2)),
                    };
                    let hex: String = chars.by_ref().take(digits).map(|(_, c)| c).collect();
                    let code = u32::from_str_radix(&hex, 16).ok().filter(|_| hex.len() == digits);
                    out.push(code.and_then(char::from_u32).ok_or_else(|| bad(2 + digits))?);
                }
                c => out.push(c),
            }
        }
        Err(error(start..self.text.len(), "the text is not closed"))
    }

    /// An attribute's name after its scope; quoted parts join.
    fn name(&mut self) -> Result<SmolStr, ParseError> {
        let start = self.at;
        let mut name = String::new();
        while let Some(c) = self.rest().chars().next() {
            if c == '"' {
                let open = self.at;
                let mut escaped = false;
                let close = self.rest().char_indices().skip(1).find(|(_, c)| {
                    let ends = *c == '"' && !escaped;
                    escaped = *c == '\\' && !escaped;
                    ends
                });
                let Some((length, _)) = close else {
                    return Err(error(open..self.text.len(), "the quoted name is not closed"));
                };
                name.push_str(&self.rest()[1..length].replace("\\\"", "\"").replace("\\\\", "\\"));
                self.at += length + 1;
            } else if ends_name(c) {
                break;
            } else {
                name.push(c);
                self.at += c.len_utf8();
            }
        }
        if name.is_empty() {
            return Err(error(start.saturating_sub(1)..start, "an attribute name must follow the dot"));
        }
        Ok(name.into())
    }

    fn word(&mut self) -> Result<Token, ParseError> {
        let start = self.at;
        let plain = |c: char| c.is_alphanumeric() || c == '_';
        let length = self.rest().find(|c| !plain(c)).unwrap_or(self.rest().len());
        let word = &self.rest()[..length];
        let after = self.rest()[length..].chars().next();
        if after == Some('.') {
            let scope = match word {
                "span" => Scope::Span,
                "resource" => Scope::Resource,
                "event" => Scope::Event,
                "link" => Scope::Link,
                "instrumentation" => Scope::Instrumentation,
                "parent" => {
                    return Err(error(start..start + length, "attributes of the parent are not supported; use { … } > { … }"));
                }
                _ => {
                    let message = format!("unknown scope {word:?}; scopes are span, resource, event, link, instrumentation");
                    return Err(error(start..start + length, message));
                }
            };
            self.at += length + 1;
            return Ok(Token::Field(Field::Attr(scope, self.name()?)));
        }
        if after == Some(':') {
            let tail = self.rest()[length + 1..].find(|c| !plain(c)).unwrap_or(self.rest().len() - length - 1);
            let text = &self.rest()[..length + 1 + tail];
            let found = Intrinsic::from_text(text);
            self.at += text.len();
            return found
                .map(|known| Token::Field(Field::Intrinsic(known)))
                .ok_or_else(|| error(start..self.at, format!("unknown intrinsic {text:?}")));
        }
        self.at += length;
        let kind = crate::model::SpanKind::ALL.into_iter().find(|kind| kind.word() == word);
        let fixed = match word {
            "nil" => Some(Static::Nil),
            "true" => Some(Static::Bool(true)),
            "false" => Some(Static::Bool(false)),
            "ok" => Some(Static::Status(crate::model::StatusCode::Ok)),
            "error" => Some(Static::Status(crate::model::StatusCode::Error)),
            "unset" => Some(Static::Status(crate::model::StatusCode::Unset)),
            "minInt" => Some(Static::Int(i64::MIN)),
            "maxInt" => Some(Static::Int(i64::MAX)),
            _ => kind.map(Static::Kind),
        };
        if let Some(fixed) = fixed {
            return Ok(Token::Static(fixed));
        }
        if word == "parent" {
            return Err(error(start..self.at, "parent is not supported; use { … } > { … }"));
        }
        Ok(match Intrinsic::from_text(word) {
            Some(known) => Token::Field(Field::Intrinsic(known)),
            None => Token::Word(word.into()),
        })
    }

    fn number(&mut self) -> Result<Static, ParseError> {
        let start = self.at;
        let bytes = self.rest().as_bytes();
        let mut length = 0;
        while length < bytes.len() {
            let exponent = matches!(bytes[length], b'+' | b'-')
                && matches!(bytes[length - 1], b'e' | b'E')
                && bytes[..length - 1].iter().all(|b| b.is_ascii_digit() || *b == b'.')
                && bytes.get(length + 1).is_some_and(u8::is_ascii_digit);
            let inside = bytes[length].is_ascii_alphanumeric() || matches!(bytes[length], b'.' | b'_') || bytes[length] >= 0x80;
            if !inside && !exponent {
                break;
            }
            length += 1;
        }
        while !self.rest().is_char_boundary(length) {
            length += 1;
        }
        let text = &self.rest()[..length];
        self.at += length;
        number_from_text(text).ok_or_else(|| {
            error(start..start + length, format!("{text:?} is not a number or duration; write 5, 1.5, 100ms, 1.5h or 1d12h"))
        })
    }
}

/// An int, float or duration.
pub(super) fn number_from_text(text: &str) -> Option<Static> {
    if text.bytes().all(|b| b.is_ascii_digit()) {
        return text.parse().ok().map(Static::Int);
    }
    if text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-')) {
        return text.parse().ok().filter(|value: &f64| value.is_finite()).map(Static::Float);
    }
    prometheus_duration(text).or_else(|| go_duration(text)).map(Static::Duration)
}

/// Splits the leading number off: digits, with a fraction when `fractions`.
fn split_number(text: &str, fractions: bool) -> Option<(&str, &str)> {
    let end = text.find(|c: char| !(c.is_ascii_digit() || (fractions && c == '.')))?;
    (end > 0).then(|| text.split_at(end))
}

/// Integers with y w d h m s ms, each at most once, in that order.
fn prometheus_duration(text: &str) -> Option<i64> {
    const UNITS: [(&str, i64); 7] = [
        ("y", 365 * 86_400_000_000_000),
        ("w", 7 * 86_400_000_000_000),
        ("d", 86_400_000_000_000),
        ("h", 3_600_000_000_000),
        ("m", 60_000_000_000),
        ("s", 1_000_000_000),
        ("ms", 1_000_000),
    ];
    let (mut rest, mut total, mut next) = (text, 0_i64, 0);
    while !rest.is_empty() {
        let (digits, tail) = split_number(rest, false)?;
        let unit_end = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, after) = tail.split_at(unit_end);
        let at = (next..UNITS.len()).find(|at| UNITS[*at].0 == unit)?;
        total = total.checked_add(digits.parse::<i64>().ok()?.checked_mul(UNITS[at].1)?)?;
        next = at + 1;
        rest = after;
    }
    Some(total)
}

/// Decimals with ns us µs ms s m h, in any order.
fn go_duration(text: &str) -> Option<i64> {
    let (mut rest, mut total) = (text, 0_f64);
    while !rest.is_empty() {
        let (digits, tail) = split_number(rest, true)?;
        let unit_end = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, after) = tail.split_at(unit_end);
        let scale = match unit {
            "ns" => 1.0,
            "us" | "\u{b5}s" | "\u{3bc}s" => 1e3,
            "ms" => 1e6,
            "s" => 1e9,
            "m" => 60e9,
            "h" => 3_600e9,
            _ => return None,
        };
        total += digits.parse::<f64>().ok()? * scale;
        rest = after;
    }
    (total < i64::MAX as f64).then_some(total.round() as i64)
}
