//! Template text to tokens, by the rules of Go's `text/template/parse/lex.go`: text, and between `{{` and `}}` words,
//! fields, variables, literals and signs; trimming and comments are dealt with here.

use super::TemplateError;
use crate::alerting::go_text;

/// A token.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Token {
    Text(String),
    Open,
    Close,
    Space,
    Field(String),
    Variable(String),
    Word(String),
    Number(String),
    Quoted(String),
    Char(i64),
    Dot,
    Pipe,
    Left,
    Right,
    Declare,
    Assign,
    Comma,
    End,
}

/// The line of an offset, from 1.
pub(super) fn line_of(source: &str, at: usize) -> usize {
    source[..at.min(source.len())].matches('\n').count() + 1
}

/// Line and column (both as Go counts them: column in bytes, from zero) of an offset.
pub(super) fn position(source: &str, at: usize) -> (usize, usize) {
    let before = &source[..at.min(source.len())];
    (line_of(source, at), before.len() - before.rfind('\n').map_or(0, |newline| newline + 1))
}

/// The tokens of a text with their offsets, the end among them.
pub(super) fn lex(name: &str, source: &str) -> Result<Vec<(Token, usize)>, TemplateError> {
    let mut tokens = Vec::new();
    let mut at = 0;
    let mut trim_next = false;
    let fail = |at: usize, text: &str| {
        TemplateError(format!("error parsing template {name}: template: {name}:{}: {text}", line_of(source, at)))
    };
    while at < source.len() {
        let open = source[at..].find("{{").map_or(source.len(), |found| at + found);
        let mut text = &source[at..open];
        if trim_next {
            text = text.trim_start_matches([' ', '\t', '\r', '\n']);
        }
        let inside = open + 2;
        let trims =
            source[inside.min(source.len())..].starts_with('-') && source[inside + 1..].starts_with([' ', '\t', '\r', '\n']);
        if trims {
            text = text.trim_end_matches([' ', '\t', '\r', '\n']);
        }
        if !text.is_empty() {
            tokens.push((Token::Text(text.to_owned()), at));
        }
        if open == source.len() {
            break;
        }
        let start = if trims { inside + 2 } else { inside };
        if source[start..].trim_start_matches([' ', '\t', '\r', '\n']).starts_with("/*") && source[start..].starts_with("/*") {
            let end = source[start..].find("*/").ok_or_else(|| fail(open, "unclosed comment"))? + start + 2;
            let rest = &source[end..];
            let (close, trim) = if rest.starts_with("}}") {
                (end + 2, false)
            } else if rest.starts_with([' ', '\t', '\r', '\n']) && rest[1..].starts_with("-}}") {
                (end + 4, true)
            } else {
                return Err(fail(open, "comment ends before closing delimiter"));
            };
            (at, trim_next) = (close, trim);
            continue;
        }
        tokens.push((Token::Open, open));
        (at, trim_next) = lex_action(source, start, &mut tokens, &fail)?;
    }
    tokens.push((Token::End, source.len()));
    Ok(tokens)
}

/// The tokens of one action; where the text goes on, and whether it is trimmed.
fn lex_action(
    source: &str,
    start: usize,
    tokens: &mut Vec<(Token, usize)>,
    fail: &dyn Fn(usize, &str) -> TemplateError,
) -> Result<(usize, bool), TemplateError> {
    let mut at = start;
    let mut parens = 0_usize;
    let word_end = |from: usize| {
        source[from..].find(|c: char| !(c.is_alphanumeric() || c == '_')).map_or(source.len(), |length| from + length)
    };
    loop {
        let rest = &source[at..];
        let Some(c) = rest.chars().next() else { return Err(fail(at, "unclosed action")) };
        let trims = c.is_ascii_whitespace() && rest[1..].starts_with("-}}");
        if rest.starts_with("}}") || trims {
            if parens > 0 {
                return Err(fail(at, "unclosed left paren"));
            }
            tokens.push((Token::Close, at));
            return Ok((at + if trims { 4 } else { 2 }, trims));
        }
        let next = rest[c.len_utf8()..].chars().next();
        let begin = at;
        let token = match c {
            ' ' | '\t' | '\r' | '\n' => {
                at += rest.find(|c| !matches!(c, ' ' | '\t' | '\r' | '\n')).unwrap_or(rest.len());
                // A space before a trimming close belongs to it.
                if source[at..].starts_with("-}}") {
                    at -= 1;
                    if at > begin {
                        tokens.push((Token::Space, begin));
                    }
                    continue;
                }
                Token::Space
            }
            '"' => {
                let end = quoted_end(rest).ok_or_else(|| fail(at, "unterminated quoted string"))?;
                at += end;
                let text = go_text::unquote(&rest[..end]);
                Token::Quoted(text.ok_or_else(|| fail(begin, "invalid syntax"))?)
            }
            '`' => {
                let end = rest[1..].find('`').ok_or_else(|| fail(at, "unterminated raw quoted string"))? + 2;
                at += end;
                Token::Quoted(rest[1..end - 1].to_owned())
            }
            '\'' => {
                let end = rest[1..].find('\'').ok_or_else(|| fail(at, "unterminated character constant"))? + 2;
                at += end;
                let text = go_text::unescape(&rest[1..end - 1], '\'');
                let mut chars = text.iter().flat_map(|text| text.chars());
                match (chars.next(), chars.next()) {
                    (Some(c), None) => Token::Char(i64::from(c as u32)),
                    _ => return Err(fail(begin, &format!("malformed character constant: {}", &rest[..end]))),
                }
            }
            ':' if next == Some('=') => {
                at += 2;
                Token::Declare
            }
            ':' => return Err(fail(at, "expected :=")),
            '=' => {
                at += 1;
                Token::Assign
            }
            '|' => {
                at += 1;
                Token::Pipe
            }
            ',' => {
                at += 1;
                Token::Comma
            }
            '(' => {
                at += 1;
                parens += 1;
                Token::Left
            }
            ')' => {
                at += 1;
                parens = parens.checked_sub(1).ok_or_else(|| fail(begin, "unexpected right paren"))?;
                Token::Right
            }
            '$' => {
                at = word_end(at + 1);
                Token::Variable(source[begin..at].to_owned())
            }
            '.' if next.is_none_or(|next| !next.is_ascii_digit()) => {
                let end = word_end(at + 1);
                at = end;
                if end == begin + 1 { Token::Dot } else { Token::Field(source[begin + 1..end].to_owned()) }
            }
            '0'..='9' | '+' | '-' | '.' => {
                let digits = rest.strip_prefix(['+', '-']).unwrap_or(rest);
                let exponent = |text: &str| text.ends_with(['e', 'E', 'p', 'P']);
                let mut end = 0;
                for (place, c) in digits.char_indices() {
                    let sign = matches!(c, '+' | '-') && exponent(&digits[..place]) && !digits.starts_with("0x");
                    if !(c.is_ascii_alphanumeric() || c == '_' || c == '.' || sign) {
                        break;
                    }
                    end = place + c.len_utf8();
                }
                at += rest.len() - digits.len() + end;
                Token::Number(source[begin..at].to_owned())
            }
            c if c.is_alphabetic() || c == '_' => {
                at = word_end(at);
                Token::Word(source[begin..at].to_owned())
            }
            c => {
                let printed = if c.is_whitespace() || c.is_control() {
                    format!("unrecognized character in action: U+{:04X}", c as u32)
                } else {
                    format!("unrecognized character in action: U+{:04X} '{c}'", c as u32)
                };
                return Err(fail(at, &printed));
            }
        };
        tokens.push((token, begin));
    }
}

fn quoted_end(text: &str) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            '\n' => return None,
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return Some(at + 1),
            _ => {}
        }
    }
    None
}
