//! The parser: recursive descent with binding powers, one token ahead, the grammar and messages of Prometheus 3.16.
//!
//! Reading stops at the first error, the one that Prometheus shows. Experimental functions, aggregations and `fill` are
//! read without a flag.

mod check;
mod duration;
mod regex_check;
mod selector;
#[cfg(test)]
mod tests;

use super::ast::{
    Aggregate, AggregateOp, At, Binary, BinaryOp, Call, Cardinality, Expr, Extension, Matching, NumberLiteral, StringLiteral,
};
use super::error::ParseError;
use super::functions::Function;
use super::lexer::Lexer;
use super::position::Span;
use super::text::{NS_PER_SECOND, float_f, parse_duration, parse_number, quote, unquote};
use super::token::{Kind, Token};
use crate::source::Matcher;
use smol_str::SmolStr;

/// Deepest nesting that is read, so that no query can exhaust a thread's stack.
const MAX_DEPTH: usize = 100;
/// Longest chain of operators of one level.
const MAX_CHAIN: usize = 500;

type Parsed<T> = Result<T, ParseError>;

/// Reads a query.
pub fn parse(text: &str) -> Parsed<Expr> {
    let mut parser = Parser::new(text);
    let expr = parser.whole_expression()?;
    check::check(text, &expr)?;
    Ok(expr)
}

/// Reads a selector alone, as `match[]` has it, and gives its matchers.
pub fn parse_selector(text: &str) -> Parsed<Vec<Matcher>> {
    let mut parser = Parser::new(text);
    let token = parser.next()?;
    let selector = if token.kind.names_a_metric() {
        parser.selector_named(token)?
    } else if token.kind == Kind::LeftBrace {
        parser.selector_braces(token, SmolStr::default())?
    } else {
        return Err(parser.unexpected(token, "", ""));
    };
    let end = parser.next()?;
    if end.kind != Kind::Eof {
        return Err(parser.unexpected(end, "", ""));
    }
    Ok(selector.matchers)
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    text: &'a str,
    peeked: Option<Token>,
    /// What an unexpected token is said to stand in.
    context: &'static str,
    depth: usize,
    /// Behind the last `)` of a list of labels.
    last_close: usize,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str) -> Self {
        Self { lexer: Lexer::new(text), text, peeked: None, context: "", depth: 0, last_close: 0 }
    }

    fn fail<T>(&self, at: Span, message: impl Into<String>) -> Parsed<T> {
        Err(ParseError::new(self.text, at, message))
    }

    /// Cuts the next token when none is kept; an error of the lexer is told here.
    fn peek(&mut self) -> Parsed<Token> {
        if let Some(token) = self.peeked {
            return Ok(token);
        }
        let token = self.lexer.next_token();
        if token.kind == Kind::Error {
            return Err(ParseError::new(self.text, token.at, std::mem::take(&mut self.lexer.error)));
        }
        self.peeked = Some(token);
        Ok(token)
    }

    fn next(&mut self) -> Parsed<Token> {
        let token = self.peek()?;
        self.peeked = None;
        Ok(token)
    }

    fn peek_kind(&mut self) -> Parsed<Kind> {
        Ok(self.peek()?.kind)
    }

    /// Takes the next token when it is of this kind.
    fn take(&mut self, kind: Kind) -> Parsed<Option<Token>> {
        let token = self.peek()?;
        if token.kind != kind {
            return Ok(None);
        }
        self.peeked = None;
        Ok(Some(token))
    }

    fn slice(&self, at: Span) -> &'a str {
        &self.text[at.range()]
    }

    fn unexpected(&self, token: Token, context: &str, expected: &str) -> ParseError {
        let mut message = format!("unexpected {}", self.describe(token));
        let context = if context.is_empty() { self.context } else { context };
        if !context.is_empty() {
            message.push_str(" in ");
            message.push_str(context);
        }
        if !expected.is_empty() {
            message.push_str(", expected ");
            message.push_str(expected);
        }
        ParseError::new(self.text, token.at, message)
    }

    /// Takes a token of this kind, else an error.
    fn expect(&mut self, kind: Kind, context: &str, expected: &str) -> Parsed<Token> {
        let token = self.next()?;
        if token.kind == kind { Ok(token) } else { Err(self.unexpected(token, context, expected)) }
    }

    /// A token as messages name it.
    fn describe(&self, token: Token) -> String {
        let text = self.slice(token.at);
        let short = || {
            if text.chars().count() > 10 {
                let cut: String = text.chars().take(10).collect();
                format!("{}...", quote(&cut))
            } else if text.len() > 10 {
                format!("{}...", quote(text))
            } else {
                quote(text)
            }
        };
        match token.kind {
            Kind::Eof => "end of input".to_owned(),
            Kind::Identifier => format!("identifier {}", quote(text)),
            Kind::MetricIdentifier => format!("metric identifier {}", quote(text)),
            Kind::String => format!("string {}", short()),
            Kind::Number => format!("number {}", short()),
            Kind::Duration => format!("duration {}", short()),
            kind if kind.is_keyword() => format!("<{text}>"),
            kind if kind.is_operator() => format!("<op:{text}>"),
            kind if kind.is_aggregator() => format!("<aggr:{text}>"),
            _ => short(),
        }
    }

    fn whole_expression(&mut self) -> Parsed<Expr> {
        if self.peek_kind()? == Kind::Eof {
            return self.fail(Span::default(), "no expression found in input");
        }
        let expr = self.expression()?;
        let end = self.next()?;
        if end.kind != Kind::Eof {
            return Err(self.unexpected(end, "", ""));
        }
        Ok(expr)
    }

    fn expression(&mut self) -> Parsed<Expr> {
        self.binary(0)
    }

    fn deeper(&mut self, at: Span) -> Parsed<()> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return self.fail(at, "expression is nested too deeply");
        }
        Ok(())
    }

    /// Operators of at least this precedence.
    fn binary(&mut self, least: u8) -> Parsed<Expr> {
        let token = self.peek()?;
        self.deeper(token.at)?;
        let mut lhs = self.unary()?;
        for chain in 0.. {
            let token = self.peek()?;
            let Some(op) = BinaryOp::of(token.kind).filter(|op| op.precedence() >= least) else { break };
            if chain > MAX_CHAIN {
                return self.fail(token.at, "expression has too many operators");
            }
            self.peeked = None;
            let (return_bool, mut matching) = self.modifiers()?;
            let rhs = self.binary(if op == BinaryOp::Pow { op.precedence() } else { op.precedence() + 1 })?;
            if op.is_set() && matching.card == Cardinality::OneToOne {
                matching.card = Cardinality::ManyToMany;
            }
            lhs = Expr::Binary(Box::new(Binary { op, lhs, rhs, return_bool, matching, op_at: token.at }));
        }
        self.depth -= 1;
        Ok(lhs)
    }

    /// `bool on (a) group_left (b) fill (0)`
    fn modifiers(&mut self) -> Parsed<(bool, Matching)> {
        let return_bool = self.take(Kind::Bool)?.is_some();
        let mut matching = Matching::default();
        let kind = self.peek_kind()?;
        if matches!(kind, Kind::On | Kind::Ignoring) {
            self.peeked = None;
            matching.on = kind == Kind::On;
            matching.labels = self.grouping()?;
            let kind = self.peek_kind()?;
            if matches!(kind, Kind::GroupLeft | Kind::GroupRight) {
                self.peeked = None;
                matching.card = if kind == Kind::GroupLeft { Cardinality::ManyToOne } else { Cardinality::OneToMany };
                if self.peek_kind()? == Kind::LeftParen {
                    matching.include = self.grouping()?;
                }
            }
        }
        match self.peek_kind()? {
            Kind::Fill => {
                self.peeked = None;
                let value = self.fill_value()?;
                (matching.fill_left, matching.fill_right) = (Some(value), Some(value));
            }
            Kind::FillLeft => {
                self.peeked = None;
                matching.fill_left = Some(self.fill_value()?);
                if self.take(Kind::FillRight)?.is_some() {
                    matching.fill_right = Some(self.fill_value()?);
                }
            }
            Kind::FillRight => {
                self.peeked = None;
                matching.fill_right = Some(self.fill_value()?);
                if self.take(Kind::FillLeft)?.is_some() {
                    matching.fill_left = Some(self.fill_value()?);
                }
            }
            _ => {}
        }
        Ok((return_bool, matching))
    }

    fn fill_value(&mut self) -> Parsed<f64> {
        self.expect(Kind::LeftParen, "", "")?;
        let value = self.signed_number("", "")?;
        self.expect(Kind::RightParen, "", "")?;
        Ok(value)
    }

    /// A number or duration with an optional sign; of a duration, seconds.
    fn signed_number(&mut self, context: &str, expected: &str) -> Parsed<f64> {
        let mut token = self.next()?;
        let negative = token.kind == Kind::Sub;
        if matches!(token.kind, Kind::Add | Kind::Sub) {
            token = self.next()?;
        }
        if !matches!(token.kind, Kind::Number | Kind::Duration) {
            return Err(self.unexpected(token, context, expected));
        }
        let value = self.number(token)?.value;
        Ok(if negative { -value } else { value })
    }

    /// The value of a number or duration token.
    fn number(&self, token: Token) -> Parsed<NumberLiteral> {
        let text = self.slice(token.at);
        let duration = token.kind == Kind::Duration;
        let value = if duration { parse_duration(text).map(seconds) } else { parse_number(text) };
        match value {
            Ok(value) => Ok(NumberLiteral { value, duration, at: token.at }),
            Err(message) => self.fail(token.at, message),
        }
    }

    fn unary(&mut self) -> Parsed<Expr> {
        let token = self.peek()?;
        if !matches!(token.kind, Kind::Add | Kind::Sub) {
            return self.postfix();
        }
        self.peeked = None;
        let negate = token.kind == Kind::Sub;
        // A sign binds as tightly as `*`, less than `^`.
        Ok(match self.binary(BinaryOp::Pow.precedence())? {
            Expr::Number(number) => Expr::Number(NumberLiteral {
                value: if negate { -number.value } else { number.value },
                at: token.at.to(number.at),
                ..number
            }),
            expr => {
                let at = token.at.to(expr.at());
                Expr::Unary { negate, expr: Box::new(expr), at }
            }
        })
    }

    /// A primary expression with what stands behind it: ranges, offsets, `@`.
    fn postfix(&mut self) -> Parsed<Expr> {
        let mut expr = self.primary()?;
        for chain in 0.. {
            let token = self.peek()?;
            expr = match token.kind {
                Kind::LeftBracket => {
                    self.peeked = None;
                    self.bracket(expr, token)?
                }
                Kind::Offset => {
                    self.peeked = None;
                    self.offset(expr)?
                }
                Kind::At => {
                    self.peeked = None;
                    self.at_modifier(expr)?
                }
                Kind::Anchored | Kind::Smoothed => {
                    self.peeked = None;
                    self.extend(expr, token)?
                }
                _ => break,
            };
            if chain > MAX_DEPTH {
                return self.fail(token.at, "expression is nested too deeply");
            }
        }
        Ok(expr)
    }

    fn primary(&mut self) -> Parsed<Expr> {
        let token = self.next()?;
        match token.kind {
            Kind::Number | Kind::Duration => Ok(Expr::Number(self.number(token)?)),
            Kind::String => Ok(Expr::String(StringLiteral { value: self.unquoted(token)?, at: token.at })),
            Kind::LeftParen => {
                let inner = self.expression()?;
                let close = self.expect(Kind::RightParen, "", "")?;
                Ok(Expr::Paren(Box::new(inner), token.at.to(close.at)))
            }
            Kind::LeftBrace => Ok(Expr::Vector(Box::new(self.selector_braces(token, SmolStr::default())?))),
            kind if kind.names_a_metric() => {
                let next = self.peek_kind()?;
                if let Some(op) = AggregateOp::of(kind)
                    && matches!(next, Kind::LeftParen | Kind::By | Kind::Without)
                {
                    return self.aggregate(op, token);
                }
                let callable = matches!(
                    kind,
                    Kind::Identifier | Kind::Start | Kind::End | Kind::Step | Kind::Range | Kind::MaxOf | Kind::MinOf
                );
                if callable && next == Kind::LeftParen {
                    return self.call(token);
                }
                Ok(Expr::Vector(Box::new(self.selector_named(token)?)))
            }
            _ => Err(self.unexpected(token, "", "")),
        }
    }

    fn unquoted(&self, token: Token) -> Parsed<String> {
        let literal = self.slice(token.at);
        match unquote(literal) {
            Some(text) => Ok(text),
            None => self.fail(token.at, format!("error unquoting string {}: invalid syntax", quote(literal))),
        }
    }

    /// Arguments in parentheses, with the place of the closing one.
    fn arguments(&mut self) -> Parsed<(Vec<Expr>, Token)> {
        self.expect(Kind::LeftParen, "", "")?;
        let mut args = Vec::new();
        if let Some(close) = self.take(Kind::RightParen)? {
            return Ok((args, close));
        }
        loop {
            args.push(self.expression()?);
            let token = self.next()?;
            match token.kind {
                Kind::RightParen => return Ok((args, token)),
                Kind::Comma => {
                    if matches!(self.peek_kind()?, Kind::RightParen | Kind::Comma) {
                        return self.fail(token.at, "trailing commas not allowed in function call args");
                    }
                }
                _ => return Err(self.unexpected(token, "", "")),
            }
        }
    }

    fn call(&mut self, name: Token) -> Parsed<Expr> {
        let (args, close) = self.arguments()?;
        let text = self.slice(name.at);
        let Some(function) = Function::named(text) else {
            return self.fail(name.at, format!("unknown function with name {}", quote(text)));
        };
        Ok(Expr::Call(Box::new(Call { function, args, at: name.at.to(close.at) })))
    }

    fn aggregate(&mut self, op: AggregateOp, token: Token) -> Parsed<Expr> {
        let outer = std::mem::replace(&mut self.context, "aggregation");
        let mut modifier = self.aggregate_modifier()?;
        let (mut args, close) = self.arguments()?;
        let mut end = close.at;
        self.context = outer;
        if modifier.is_none() && matches!(self.peek_kind()?, Kind::By | Kind::Without) {
            modifier = self.aggregate_modifier()?;
            end = Span::new(end.start as usize, self.last_close);
        }
        let at = token.at.to(end);
        let (without, grouping) = modifier.unwrap_or_default();
        if args.is_empty() {
            return self.fail(at, "no arguments for aggregate expression provided");
        }
        let wanted = if op.has_parameter() { 2 } else { 1 };
        if args.len() != wanted {
            let message =
                format!("wrong number of arguments for aggregate expression provided, expected {wanted}, got {}", args.len());
            return self.fail(at, message);
        }
        let param = (wanted == 2).then(|| args.remove(0));
        let expr = args.remove(0);
        Ok(Expr::Aggregate(Box::new(Aggregate { op, param, expr, grouping, without, at })))
    }

    fn aggregate_modifier(&mut self) -> Parsed<Option<(bool, Vec<SmolStr>)>> {
        let kind = self.peek_kind()?;
        if !matches!(kind, Kind::By | Kind::Without) {
            return Ok(None);
        }
        self.peeked = None;
        Ok(Some((kind == Kind::Without, self.grouping()?)))
    }

    /// `(label, "label")`
    fn grouping(&mut self) -> Parsed<Vec<SmolStr>> {
        self.expect(Kind::LeftParen, "grouping opts", "\"(\"")?;
        let mut labels = Vec::new();
        loop {
            let token = self.next()?;
            let label = match token.kind {
                Kind::RightParen => {
                    self.last_close = token.at.end as usize;
                    return Ok(labels);
                }
                Kind::String => SmolStr::new(self.unquoted(token)?),
                kind if kind.names_a_label() => SmolStr::new(self.slice(token.at)),
                _ => return Err(self.unexpected(token, "grouping opts", "label")),
            };
            if label.is_empty() {
                return self.fail(token.at, format!("invalid label name for grouping: {}", quote(&label)));
            }
            labels.push(label);
            let token = self.next()?;
            match token.kind {
                Kind::Comma => {}
                Kind::RightParen => {
                    self.last_close = token.at.end as usize;
                    return Ok(labels);
                }
                _ => return Err(self.unexpected(token, "grouping opts", "\",\" or \")\"")),
            }
        }
    }

    fn extend(&mut self, mut expr: Expr, token: Token) -> Parsed<Expr> {
        let wanted = if token.kind == Kind::Anchored { Extension::Anchored } else { Extension::Smoothed };
        let word = if token.kind == Kind::Anchored { "anchored" } else { "smoothed" };
        let at = expr.at();
        let extension = match &mut expr {
            Expr::Vector(selector) => {
                selector.at.end = token.at.end;
                &mut selector.extension
            }
            Expr::Matrix(matrix) => {
                matrix.at.end = token.at.end;
                &mut matrix.selector.extension
            }
            Expr::Subquery(_) => return self.fail(at, format!("{word} modifier is not supported for subqueries")),
            _ => return self.fail(at, format!("{word} modifier not implemented")),
        };
        if *extension != Extension::None && *extension != wanted {
            return self.fail(at, "anchored and smoothed modifiers cannot be used together");
        }
        *extension = wanted;
        Ok(expr)
    }

    fn at_modifier(&mut self, mut expr: Expr) -> Parsed<Expr> {
        let (context, expected) = ("@", "timestamp");
        let at = expr.at();
        let (time, end) = match self.peek()? {
            token if matches!(token.kind, Kind::Start | Kind::End) => {
                self.peeked = None;
                self.expect(Kind::LeftParen, context, expected)?;
                let close = self.expect(Kind::RightParen, context, expected)?;
                (if token.kind == Kind::Start { At::Start } else { At::End }, close.at.end)
            }
            _ => {
                let mut token = self.next()?;
                let negative = token.kind == Kind::Sub;
                if matches!(token.kind, Kind::Add | Kind::Sub) {
                    token = self.next()?;
                }
                if !matches!(token.kind, Kind::Number | Kind::Duration) {
                    return Err(self.unexpected(token, context, expected));
                }
                let value = self.number(token)?.value;
                let value = if negative { -value } else { value };
                if !value.is_finite() || value >= i64::MAX as f64 || value <= i64::MIN as f64 {
                    let shown = if value.is_finite() { format!("{value:.6}") } else { float_f(value) };
                    return self.fail(at, format!("timestamp out of bounds for @ modifier: {shown}"));
                }
                (At::Time((value * 1e3).round() as i64), token.at.end)
            }
        };
        let (slot, place) = match &mut expr {
            Expr::Vector(selector) => (&mut selector.at_time, &mut selector.at.end),
            Expr::Matrix(matrix) => (&mut matrix.selector.at_time, &mut matrix.at.end),
            Expr::Subquery(subquery) => (&mut subquery.at_time, &mut subquery.at.end),
            _ => {
                return self.fail(
                    at,
                    "@ modifier must be preceded by an instant vector selector or range vector selector or a subquery",
                );
            }
        };
        if slot.is_some() {
            return self.fail(at, "@ <timestamp> may not be set multiple times");
        }
        *slot = Some(time);
        *place = end;
        Ok(expr)
    }
}

/// Seconds of a duration, as Go's `Seconds` rounds them.
pub(super) fn seconds(ns: i64) -> f64 {
    (ns / 1_000_000_000) as f64 + (ns % 1_000_000_000) as f64 / NS_PER_SECOND
}
