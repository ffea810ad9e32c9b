//! The newer notation (Alertmanager's `matcher/parse`): names and values in UTF-8, bare unless they hold white space or one
//! of ``{}!=~,\"'` ``, else in double quotes with Go's escapes. Braces are optional but paired; one comma may trail.
//!
//! Errors name the place as `from:to` in characters, in Alertmanager's words.

use super::{Matcher, MatcherError, Matchers};
use crate::alerting::go_text;
use crate::source::MatchOp;

/// True for a character that no bare name or value holds.
pub fn is_reserved(c: char) -> bool {
    c.is_whitespace() || "{}!=~,\\\"'`".contains(c)
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Open,
    Close,
    Comma,
    Op(MatchOp),
    Quoted,
    Bare,
}

#[derive(Clone, Debug)]
struct Token<'a> {
    kind: Kind,
    text: &'a str,
    /// Characters before it and up to its end.
    columns: (usize, usize),
}

/// Matchers from a text.
pub fn parse(text: &str) -> Result<Matchers, MatcherError> {
    let mut parser = Parser { rest: text, column: 0 };
    let mut found = Vec::new();
    let braced = matches!(parser.peek()?, Some(token) if token.kind == Kind::Open);
    if braced {
        parser.next()?;
    }
    match parser.peek()? {
        None if braced => return Err(parser.no_close_brace("end of input")),
        None => return Ok(Matchers(found)),
        Some(token) if token.kind == Kind::Close => return parser.finish(braced, found),
        Some(_) => {}
    }
    loop {
        found.push(parser.matcher()?);
        match parser.peek()? {
            None => return parser.finish(braced, found),
            Some(token) if token.kind == Kind::Close => return parser.finish(braced, found),
            Some(token) if token.kind == Kind::Comma => {
                parser.next()?;
            }
            Some(token) => return Err(unexpected(&token, "expected a comma or close brace")),
        }
        match parser.peek()? {
            None => return parser.finish(braced, found),
            Some(token) if token.kind == Kind::Close => return parser.finish(braced, found),
            Some(token) if matches!(token.kind, Kind::Bare | Kind::Quoted) => {}
            Some(token) => return Err(unexpected(&token, "expected a matcher or close brace after comma")),
        }
    }
}

fn syntax(text: String) -> MatcherError {
    MatcherError::Syntax(text)
}

fn unexpected(token: &Token<'_>, wanted: &str) -> MatcherError {
    syntax(format!("{}:{}: unexpected {}: {wanted}", token.columns.0, token.columns.1, token.text))
}

#[derive(Clone)]
struct Parser<'a> {
    rest: &'a str,
    column: usize,
}

impl<'a> Parser<'a> {
    /// The end: the close brace where one is owed, and nothing after it.
    fn finish(&mut self, braced: bool, found: Vec<Matcher>) -> Result<Matchers, MatcherError> {
        match self.next()? {
            Some(token) if token.kind == Kind::Close && !braced => {
                return Err(syntax(format!("0:{}: }}: expected opening brace", self.column)));
            }
            Some(_) => {}
            None if braced => return Err(self.no_close_brace("end of input")),
            None => return Ok(Matchers(found)),
        }
        match self.next()? {
            None => Ok(Matchers(found)),
            Some(token) => {
                let (from, to) = token.columns;
                Err(syntax(format!("{from}:{to}: {}: expected end of input", token.text)))
            }
        }
    }

    fn no_close_brace(&self, what: &str) -> MatcherError {
        syntax(format!("0:{}: {what}: expected close brace", self.column))
    }

    fn matcher(&mut self) -> Result<Matcher, MatcherError> {
        let text = [Kind::Quoted, Kind::Bare];
        let name = self.expect(|kind| text.contains(&kind), "expected label name")?;
        let name = unquoted(&name)?;
        let wanted = "expected an operator such as '=', '!=', '=~' or '!~'";
        let sign = self.expect(|kind| matches!(kind, Kind::Op(_)), wanted)?;
        let value = self.expect(|kind| text.contains(&kind), "expected label value")?;
        let value = unquoted(&value)?;
        let Kind::Op(op) = sign.kind else { return Err(unexpected(&sign, wanted)) };
        Matcher::new(&name, op, &value).map_err(|error| syntax(format!("failed to create matcher: {error}")))
    }

    fn expect(&mut self, wanted: impl Fn(Kind) -> bool, words: &str) -> Result<Token<'a>, MatcherError> {
        match self.next()? {
            None => Err(syntax(format!("end of input: {words}"))),
            Some(token) if wanted(token.kind) => Ok(token),
            Some(token) => Err(unexpected(&token, words)),
        }
    }

    fn peek(&self) -> Result<Option<Token<'a>>, MatcherError> {
        self.clone().next()
    }

    fn next(&mut self) -> Result<Option<Token<'a>>, MatcherError> {
        let trimmed = self.rest.trim_start();
        self.column += self.rest[..self.rest.len() - trimmed.len()].chars().count();
        self.rest = trimmed;
        let Some(first) = trimmed.chars().next() else { return Ok(None) };
        let (kind, length) = match first {
            '{' => (Kind::Open, 1),
            '}' => (Kind::Close, 1),
            ',' => (Kind::Comma, 1),
            '=' if trimmed.starts_with("=~") => (Kind::Op(MatchOp::Regex), 2),
            '=' => (Kind::Op(MatchOp::Equal), 1),
            '!' if trimmed.starts_with("!=") => (Kind::Op(MatchOp::NotEqual), 2),
            '!' if trimmed.starts_with("!~") => (Kind::Op(MatchOp::NotRegex), 2),
            '!' if trimmed.len() == 1 => {
                let (from, to) = (self.column, self.column + 1);
                return Err(syntax(format!("{from}:{to}: unexpected end of input, expected one of '=~'")));
            }
            '!' => {
                let (from, to) = (self.column, self.column + 1);
                return Err(syntax(format!("{from}:{to}: !: expected one of '=~'")));
            }
            '"' => (Kind::Quoted, self.quoted_length()?),
            c if is_reserved(c) => {
                let (from, to) = (self.column, self.column + 1);
                return Err(syntax(format!("{from}:{to}: {c}: invalid input")));
            }
            _ => (Kind::Bare, trimmed.find(is_reserved).unwrap_or(trimmed.len())),
        };
        let (text, rest) = trimmed.split_at(length);
        let columns = (self.column, self.column + text.chars().count());
        self.rest = rest;
        self.column = columns.1;
        Ok(Some(Token { kind, text, columns }))
    }

    fn quoted_length(&self) -> Result<usize, MatcherError> {
        let mut escaped = false;
        for (at, c) in self.rest.char_indices().skip(1) {
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '"' => return Ok(at + 1),
                _ => {}
            }
        }
        let to = self.column + self.rest.chars().count();
        Err(syntax(format!("{}:{to}: {}: missing end \"", self.column, self.rest)))
    }
}

fn unquoted(token: &Token<'_>) -> Result<String, MatcherError> {
    if token.kind == Kind::Bare {
        return Ok(token.text.to_owned());
    }
    go_text::unquote(token.text).ok_or_else(|| {
        let (from, to) = token.columns;
        syntax(format!("{from}:{to}: {}: invalid input", token.text))
    })
}
