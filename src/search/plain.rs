//! Plain conditions, the shorthand of the query bar: `service = checkout and duration > 2 ms`, `status:error`, free words.
//!
//! ```text
//! query     = term { ["and" | "or" | ","] term }        and is understood between terms; and, or have one level, as in { }
//! term      = ["not" | "-"] ( "(" query ")" | key op value | key ("exists" | "missing") | word )
//! op        = "=" ":" "==" "!=" "<" "<=" ">" ">=" "=~" "!~" "contains"
//! ```
//!
//! Keys `service name kind status duration trace root` mean what a person means by them, any other key is looked up on the
//! span, then on its resource. A bare number matches text of the same digits too, because senders disagree on types.

use super::ast::{BinaryOp, Expr, ExprKind, Field, Intrinsic, Pipeline, Scope, SpansetExpr, Stage, Static, UnaryOp};
use super::lexer::{error, number_from_text};
use super::parser::anchored;
use super::{ParseError, Query};
use crate::model::{SpanKind, StatusCode};
use std::ops::Range;

const OPS: [(&str, BinaryOp); 10] = [
    ("==", BinaryOp::Eq),
    ("!=", BinaryOp::Ne),
    ("<=", BinaryOp::Le),
    (">=", BinaryOp::Ge),
    ("=~", BinaryOp::Match),
    ("!~", BinaryOp::NotMatch),
    ("=", BinaryOp::Eq),
    (":", BinaryOp::Eq),
    ("<", BinaryOp::Lt),
    (">", BinaryOp::Gt),
];

/// Parentheses and `not` may nest this deep.
const MAX_DEPTH: usize = 50;

/// Parses plain conditions into one `{ }`.
pub(super) fn parse(text: &str) -> Result<Query, ParseError> {
    let words = split(text)?;
    let mut parser = Parser { words: &words, at: 0, end: text.len(), depth: 0 };
    let expr = if words.is_empty() { None } else { Some(parser.query()?) };
    if let Some(word) = words.get(parser.at) {
        return Err(error(word.at.clone(), format!("unexpected {:?}", word.text)));
    }
    let pipeline = Pipeline { stages: vec![Stage::Spanset(SpansetExpr::Filter(expr))] };
    Ok(Query { pipeline, hints: Vec::new() })
}

#[derive(Debug)]
struct Word {
    text: String,
    quoted: bool,
    at: Range<usize>,
}

/// Words, quoted texts, operators, parentheses.
fn split(text: &str) -> Result<Vec<Word>, ParseError> {
    let mut words = Vec::new();
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        let start = at;
        if first.is_whitespace() || first == ',' {
            at += first.len_utf8();
            continue;
        }
        if first == '"' || first == '\'' {
            let rest = &text[at + 1..];
            let length = rest.find(first).ok_or_else(|| error(start..text.len(), "the text is not closed"))?;
            at += length + 2;
            words.push(Word { text: rest[..length].to_owned(), quoted: true, at: start..at });
            continue;
        }
        if let Some((op, _)) = OPS.iter().find(|(op, _)| text[at..].starts_with(op)) {
            at += op.len();
        } else if first == '(' || first == ')' {
            at += 1;
        } else {
            // A colon or slash inside a value (a URL, a time) belongs to it when the word is already a value.
            let value = words.last().is_some_and(is_op_word);
            let ends = |c: char| c.is_whitespace() || "()<>=,\"".contains(c) || (!value && (c == ':' || c == '!'));
            let length = text[at..].find(ends).unwrap_or(text.len() - at);
            at += length.max(first.len_utf8());
        }
        words.push(Word { text: text[start..at].to_owned(), quoted: false, at: start..at });
    }
    Ok(words)
}

fn is_op_word(word: &Word) -> bool {
    !word.quoted && OPS.iter().any(|(op, _)| *op == word.text)
}

struct Parser<'a> {
    words: &'a [Word],
    at: usize,
    end: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<&'a Word> {
        self.words.get(self.at)
    }

    fn keyword(&mut self, keyword: &str) -> bool {
        let found = self.peek().is_some_and(|word| !word.quoted && word.text.eq_ignore_ascii_case(keyword));
        self.at += usize::from(found);
        found
    }

    fn before(&self) -> usize {
        self.words[self.at.saturating_sub(1)].at.end
    }

    fn query(&mut self) -> Result<Expr, ParseError> {
        let mut left = self.term()?;
        while let Some(word) = self.peek() {
            if !word.quoted && word.text == ")" {
                break;
            }
            let op = if self.keyword("or") || self.keyword("||") {
                BinaryOp::Or
            } else {
                let _ = self.keyword("and") || self.keyword("&&");
                BinaryOp::And
            };
            let right = self.term()?;
            left = join(op, left, right);
        }
        Ok(left)
    }

    fn term(&mut self) -> Result<Expr, ParseError> {
        let Some(word) = self.peek() else { return Err(error(self.end..self.end, "a condition is missing at the end")) };
        let nests = !word.quoted && (word.text == "(" || word.text.eq_ignore_ascii_case("not"));
        if nests && self.depth == MAX_DEPTH {
            return Err(error(word.at.clone(), format!("nested deeper than {MAX_DEPTH}")));
        }
        if self.keyword("not") {
            self.depth += 1;
            let inner = self.term()?;
            self.depth -= 1;
            let at = word.at.start..inner.at.end;
            return Ok(Expr { kind: ExprKind::Unary(UnaryOp::Not, Box::new(inner)), at });
        }
        if !word.quoted && word.text == "(" {
            self.at += 1;
            self.depth += 1;
            let inner = self.query()?;
            self.depth -= 1;
            if !self.keyword(")") {
                return Err(error(word.at.clone(), "this parenthesis is not closed"));
            }
            return Ok(inner);
        }
        if is_op_word(word) {
            return Err(error(word.at.clone(), format!("a key must stand before {:?}, as in service = checkout", word.text)));
        }
        self.at += 1;
        if !word.quoted
            && let Some(condition) = self.condition(word)?
        {
            return Ok(condition);
        }
        let field = Field::FreeText(word.text.as_str().into());
        Ok(Expr { kind: ExprKind::Field(field), at: word.at.clone() })
    }

    /// `key op value`, `key exists`, `key missing`; `None` when the word stands for itself.
    fn condition(&mut self, key: &'a Word) -> Result<Option<Expr>, ParseError> {
        let field = || Expr { kind: ExprKind::Field(field_of(&key.text)), at: key.at.clone() };
        for (word, op) in [("exists", BinaryOp::Ne), ("missing", BinaryOp::Eq)] {
            if self.keyword(word) {
                let nil = Expr { kind: ExprKind::Static(Static::Nil), at: key.at.clone() };
                return Ok(Some(binary(op, field(), nil, key.at.start..self.before())));
            }
        }
        let contains = self.keyword("contains");
        let op = match self.peek() {
            Some(word) if is_op_word(word) => OPS.iter().find(|(op, _)| *op == word.text).map(|(_, op)| *op),
            _ => None,
        };
        if !contains && op.is_none() {
            return Ok(None);
        }
        self.at += usize::from(!contains);
        let Some(value) = self.peek() else {
            return Err(error(self.end..self.end, format!("a value must follow {}", key.text)));
        };
        self.at += 1;
        let mut text = value.text.clone();
        // `2 ms` is one value of two words.
        if !value.quoted
            && value.text.bytes().all(|b| b.is_ascii_digit() || b == b'.')
            && let Some(unit) = self.peek().filter(|word| !word.quoted && is_unit(&word.text))
        {
            text.push_str(&unit.text);
            self.at += 1;
        }
        let at = key.at.start..self.before();
        let op = op.unwrap_or(BinaryOp::Match);
        if contains || matches!(op, BinaryOp::Match | BinaryOp::NotMatch) {
            let pattern = if contains { format!("(?i).*{}.*", regex::escape(&text)) } else { text };
            let regex = anchored(&pattern).map_err(|reason| error(value.at.clone(), reason))?;
            let negated = op == BinaryOp::NotMatch;
            let kind = ExprKind::Regex { negated, value: Box::new(field()), pattern: pattern.into(), regex };
            return Ok(Some(Expr { kind, at }));
        }
        let constant = |value: Static| Expr { kind: ExprKind::Static(value), at: at.clone() };
        let whole = |value: Static| binary(op, field(), constant(value), at.clone());
        let typed = typed_value(&field_of(&key.text), &text, value.quoted).map_err(|reason| error(value.at.clone(), reason))?;
        let any_type = matches!(field_of(&key.text), Field::Attr(..)) && matches!(op, BinaryOp::Eq | BinaryOp::Ne);
        if any_type && !matches!(typed, Static::Str(_)) {
            let as_text = whole(Static::Str(text.as_str().into()));
            return Ok(Some(join(BinaryOp::Or, whole(typed), as_text)));
        }
        Ok(Some(whole(typed)))
    }
}

fn is_unit(word: &str) -> bool {
    matches!(word, "ns" | "us" | "\u{b5}s" | "ms" | "s" | "m" | "min" | "h")
}

fn join(op: BinaryOp, left: Expr, right: Expr) -> Expr {
    let at = left.at.start..right.at.end;
    binary(op, left, right, at)
}

fn binary(op: BinaryOp, left: Expr, right: Expr, at: Range<usize>) -> Expr {
    Expr { kind: ExprKind::Binary(op, Box::new(left), Box::new(right)), at }
}

/// What a person means by a key.
fn field_of(key: &str) -> Field {
    let intrinsic = match key.to_ascii_lowercase().as_str() {
        "service" => return Field::Attr(Scope::Resource, "service.name".into()),
        "name" | "operation" | "span" => Intrinsic::Name,
        "kind" => Intrinsic::Kind,
        "status" => Intrinsic::Status,
        "duration" => Intrinsic::Duration,
        "trace" | "trace_id" | "traceid" => Intrinsic::TraceId,
        "span_id" | "spanid" => Intrinsic::SpanId,
        "root" => Intrinsic::RootName,
        "event" => Intrinsic::EventName,
        "message" => Intrinsic::StatusMessage,
        _ => {
            if let Some(known) = Intrinsic::from_text(key) {
                return Field::Intrinsic(known);
            }
            let scopes =
                [("span.", Scope::Span), ("resource.", Scope::Resource), ("event.", Scope::Event), ("link.", Scope::Link)];
            for (prefix, scope) in scopes {
                if let Some(rest) = key.strip_prefix(prefix) {
                    return Field::Attr(scope, rest.into());
                }
            }
            return Field::Attr(Scope::Any, key.trim_start_matches('.').into());
        }
    };
    Field::Intrinsic(intrinsic)
}

/// The constant a value's text stands for under a key.
fn typed_value(field: &Field, text: &str, quoted: bool) -> Result<Static, String> {
    let minutes = text.replace("min", "m");
    match field {
        Field::Intrinsic(Intrinsic::Status) => match text.to_ascii_lowercase().as_str() {
            "error" => Ok(Static::Status(StatusCode::Error)),
            "ok" => Ok(Static::Status(StatusCode::Ok)),
            "unset" => Ok(Static::Status(StatusCode::Unset)),
            _ => Err("a status is error, ok or unset".to_owned()),
        },
        Field::Intrinsic(Intrinsic::Kind) => SpanKind::from_word(text)
            .map(Static::Kind)
            .ok_or_else(|| "a kind is internal, server, client, producer, consumer or unspecified".to_owned()),
        Field::Intrinsic(known) if known.value_type() == super::ast::Type::Number => {
            number_from_text(&minutes).ok_or_else(|| "a number or a duration such as 2 ms must stand here".to_owned())
        }
        Field::Intrinsic(_) => Ok(Static::Str(text.into())),
        _ if quoted => Ok(Static::Str(text.into())),
        _ => Ok(match text {
            "true" => Static::Bool(true),
            "false" => Static::Bool(false),
            _ => number_from_text(&minutes).or_else(|| negative_number(text)).unwrap_or_else(|| Static::Str(text.into())),
        }),
    }
}

fn negative_number(text: &str) -> Option<Static> {
    match number_from_text(text.strip_prefix('-')?)? {
        Static::Int(number) => Some(Static::Int(-number)),
        Static::Float(number) => Some(Static::Float(-number)),
        _ => None,
    }
}
