//! Tokens to a [`Query`].
//!
//! In `{ }`, loosest first: `||` and `&&` (one level, left), comparisons (left), `+ -` and unary minus, `!`, `* / %`, `^`
//! (right). Between spansets: `|`, then `&&` and `||` (one level, left), then the structural operators (one level, left).

use super::ast::{
    Aggregate, BinaryOp, Expr, ExprKind, Pipeline, Relation, SpansetExpr, SpansetOp, Stage, Static, StructuralMode, UnaryOp,
};
use super::lexer::{Spanned, Token, error, lex};
use super::{Hint, ParseError, Query};
use regex::Regex;
use std::ops::Range;

/// Parentheses and unary operators may nest this deep.
const MAX_DEPTH: usize = 64;

const LOGIC: u8 = 0;
const COMPARE: u8 = 1;
const SUM: u8 = 2;
const NOT: u8 = 3;
const PRODUCT: u8 = 4;
const POWER: u8 = 5;

/// Parses TraceQL; types are not checked here.
pub(super) fn parse(text: &str) -> Result<Query, ParseError> {
    let tokens = lex(text)?;
    let mut parser = Parser { tokens: &tokens, at: 0, end: text.len(), depth: 0, hints: Vec::new() };
    if tokens.is_empty() {
        return Err(error(0..text.len(), "the query is empty; { } is every span"));
    }
    let pipeline = parser.pipeline()?;
    if parser.peek() == Some(&Token::Word("with".into())) {
        parser.with()?;
    }
    if let Some(rest) = parser.tokens.get(parser.at) {
        return Err(error(rest.at.clone(), format!("unexpected {}", describe(&rest.token))));
    }
    Ok(Query { pipeline, hints: parser.hints })
}

struct Parser<'a> {
    tokens: &'a [Spanned],
    at: usize,
    end: usize,
    depth: usize,
    hints: Vec<Hint>,
}

fn describe(token: &Token) -> String {
    match token {
        Token::Static(value) => value.to_string(),
        Token::Field(field) => field.to_string(),
        Token::Word(word) => format!("word {word:?}"),
        Token::Op(op) => format!("{op:?}"),
    }
}

fn binary_op(token: &Token) -> Option<(BinaryOp, u8)> {
    let Token::Op(op) = token else { return None };
    Some(match *op {
        "||" => (BinaryOp::Or, LOGIC),
        "&&" => (BinaryOp::And, LOGIC),
        "=" => (BinaryOp::Eq, COMPARE),
        "!=" => (BinaryOp::Ne, COMPARE),
        "<" => (BinaryOp::Lt, COMPARE),
        "<=" => (BinaryOp::Le, COMPARE),
        ">" => (BinaryOp::Gt, COMPARE),
        ">=" => (BinaryOp::Ge, COMPARE),
        "=~" => (BinaryOp::Match, COMPARE),
        "!~" => (BinaryOp::NotMatch, COMPARE),
        "+" => (BinaryOp::Add, SUM),
        "-" => (BinaryOp::Sub, SUM),
        "*" => (BinaryOp::Mul, PRODUCT),
        "/" => (BinaryOp::Div, PRODUCT),
        "%" => (BinaryOp::Rem, PRODUCT),
        "^" => (BinaryOp::Pow, POWER),
        _ => return None,
    })
}

fn structural_op(token: &Token) -> Option<SpansetOp> {
    let Token::Op(op) = token else { return None };
    let (mode, bare) = match op.as_bytes() {
        [b'!', ..] => (StructuralMode::Not, &op[1..]),
        [b'&', ..] => (StructuralMode::Union, &op[1..]),
        _ => (StructuralMode::Plain, *op),
    };
    let relation = match bare {
        ">" => Relation::Child,
        ">>" => Relation::Descendant,
        "<" => Relation::Parent,
        "<<" => Relation::Ancestor,
        "~" => Relation::Sibling,
        _ => return None,
    };
    Some(SpansetOp::Structural { relation, mode })
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<&'a Token> {
        self.tokens.get(self.at).map(|spanned| &spanned.token)
    }

    fn here(&self) -> Range<usize> {
        self.tokens.get(self.at).map_or(self.end..self.end, |spanned| spanned.at.clone())
    }

    fn before(&self) -> usize {
        self.at.checked_sub(1).and_then(|at| self.tokens.get(at)).map_or(0, |spanned| spanned.at.end)
    }

    fn is_op(&self, op: &str) -> bool {
        matches!(self.peek(), Some(Token::Op(found)) if *found == op)
    }

    fn eat(&mut self, op: &str) -> bool {
        let found = self.is_op(op);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, op: &str) -> Result<(), ParseError> {
        if self.eat(op) {
            return Ok(());
        }
        let found = self.peek().map_or_else(|| "the end".to_owned(), describe);
        Err(error(self.here(), format!("expected {op:?}, found {found}")))
    }

    fn deeper<T>(&mut self, parse: impl FnOnce(&mut Self) -> Result<T, ParseError>) -> Result<T, ParseError> {
        if self.depth >= MAX_DEPTH {
            return Err(error(self.here(), format!("nested deeper than {MAX_DEPTH}")));
        }
        self.depth += 1;
        let parsed = parse(self);
        self.depth -= 1;
        parsed
    }

    fn pipeline(&mut self) -> Result<Pipeline, ParseError> {
        let mut stages = vec![self.first_stage()?];
        while self.eat("|") {
            stages.push(self.stage()?);
        }
        Ok(Pipeline { stages })
    }

    fn first_stage(&mut self) -> Result<Stage, ParseError> {
        match self.peek() {
            Some(Token::Word(word)) if word == "coalesce" => {
                Err(error(self.here(), "a query does not start with coalesce(); write { } | by(…) | coalesce()"))
            }
            _ => self.stage(),
        }
    }

    fn stage(&mut self) -> Result<Stage, ParseError> {
        let Some(Token::Word(word)) = self.peek() else { return self.spanset(0).map(Stage::Spanset) };
        let at = self.here();
        match word.as_str() {
            "by" => {
                self.at += 1;
                self.expect("(")?;
                let expr = self.expr(LOGIC)?;
                self.expect(")")?;
                Ok(Stage::By(expr))
            }
            "coalesce" => {
                self.at += 1;
                self.expect("(")?;
                self.expect(")")?;
                Ok(Stage::Coalesce)
            }
            "select" => {
                self.at += 1;
                self.expect("(")?;
                let mut fields = Vec::new();
                loop {
                    match self.peek() {
                        Some(Token::Field(field)) => fields.push(field.clone()),
                        _ => return Err(error(self.here(), "select takes attributes and intrinsics")),
                    }
                    self.at += 1;
                    if !self.eat(",") {
                        break;
                    }
                }
                self.expect(")")?;
                Ok(Stage::Select(fields))
            }
            "count" | "avg" | "min" | "max" | "sum" => self.scalar_filter(at),
            name if METRICS.contains(&name) => {
                Err(error(at, format!("{name}() is a metrics function; this version searches traces")))
            }
            _ => Err(error(at, format!("unknown stage {word:?}; stages are by, coalesce, select, count, avg, min, max, sum"))),
        }
    }

    fn scalar_filter(&mut self, at: Range<usize>) -> Result<Stage, ParseError> {
        let Some(Token::Word(word)) = self.peek() else { return Err(error(at, "expected an aggregate")) };
        self.at += 1;
        self.expect("(")?;
        let aggregate = if word == "count" {
            Aggregate::Count
        } else {
            let expr = self.expr(LOGIC)?;
            match word.as_str() {
                "avg" => Aggregate::Avg(expr),
                "min" => Aggregate::Min(expr),
                "max" => Aggregate::Max(expr),
                _ => Aggregate::Sum(expr),
            }
        };
        self.expect(")")?;
        let op = match self.peek().and_then(binary_op) {
            Some((op, COMPARE)) if !matches!(op, BinaryOp::Match | BinaryOp::NotMatch) => op,
            _ => return Err(error(self.here(), "an aggregate is compared with a constant, as in count() > 2")),
        };
        self.at += 1;
        let negative = self.eat("-");
        let value = match self.peek() {
            Some(Token::Static(value)) => negate(value.clone(), negative),
            _ => None,
        };
        let Some(value) = value else {
            return Err(error(self.here(), "only a constant may stand on the right of an aggregate"));
        };
        self.at += 1;
        Ok(Stage::Filter { aggregate, op, value, at: at.start..self.before() })
    }

    /// Level 0: `&& ||`; level 1: structural operators. Both left-associative.
    fn spanset(&mut self, level: u8) -> Result<SpansetExpr, ParseError> {
        let start = self.here().start;
        let mut left = if level == 0 { self.spanset(1)? } else { self.spanset_operand()? };
        let mut seen: Option<SpansetOp> = None;
        loop {
            let op = match (level, self.peek()) {
                (0, Some(Token::Op("&&"))) => SpansetOp::And,
                (0, Some(Token::Op("||"))) => SpansetOp::Or,
                (1, Some(token)) => match structural_op(token) {
                    Some(op) => op,
                    None => return Ok(left),
                },
                _ => return Ok(left),
            };
            let place = self.here();
            self.at += 1;
            let right = if level == 0 { self.spanset(1)? } else { self.spanset_operand()? };
            let piped = |side: &SpansetExpr| matches!(side, SpansetExpr::Pipeline(inner) if inner.stages.len() > 1);
            let bare = |side: &SpansetExpr| matches!(side, SpansetExpr::Filter(_));
            if (piped(&left) && bare(&right)) || (bare(&left) && piped(&right)) {
                return Err(error(place, "when one side is a pipeline in parentheses, the other needs parentheses too"));
            }
            if level == 0 && seen.is_some_and(|before| before != op) {
                self.hint_mixed(start..self.before());
            }
            seen = Some(op);
            left = SpansetExpr::Binary(op, Box::new(left), Box::new(right));
        }
    }

    fn hint_mixed(&mut self, at: Range<usize>) {
        let text = "&& and || have the same precedence and are read from the left; parentheses make the meaning plain";
        self.hints.push(Hint { at, text: text.to_owned() });
    }

    fn spanset_operand(&mut self) -> Result<SpansetExpr, ParseError> {
        if self.eat("(") {
            let inner = self.deeper(Self::pipeline)?;
            self.expect(")")?;
            return Ok(SpansetExpr::Pipeline(inner));
        }
        if !self.eat("{") {
            let found = self.peek().map_or_else(|| "the end".to_owned(), describe);
            return Err(error(self.here(), format!("expected a spanset such as {{ status = error }}, found {found}")));
        }
        if self.eat("}") {
            return Ok(SpansetExpr::Filter(None));
        }
        let expr = self.expr(LOGIC)?;
        self.expect("}")?;
        Ok(SpansetExpr::Filter(Some(expr)))
    }

    fn expr(&mut self, least: u8) -> Result<Expr, ParseError> {
        let start = self.here().start;
        let mut left = self.operand()?;
        let mut seen: Option<BinaryOp> = None;
        while let Some((op, level)) = self.peek().and_then(binary_op).filter(|(_, level)| *level >= least) {
            let place = self.here();
            self.at += 1;
            let right_least = if level == POWER { POWER } else { level + 1 };
            let right = self.deeper(|parser| parser.expr(right_least))?;
            let at = start..self.before();
            if level == LOGIC {
                if seen.is_some_and(|before| before != op) {
                    self.hint_mixed(at.clone());
                }
                seen = Some(op);
            }
            left = match op {
                BinaryOp::Match | BinaryOp::NotMatch => regex_match(left, &right, op == BinaryOp::NotMatch, place, at)?,
                op => Expr { kind: ExprKind::Binary(op, Box::new(left), Box::new(right)), at },
            };
        }
        Ok(left)
    }

    fn operand(&mut self) -> Result<Expr, ParseError> {
        let at = self.here();
        let token = self.peek().ok_or_else(|| error(at.clone(), "the query ends where a value should stand"))?;
        let kind = match token {
            Token::Op("!") => {
                self.at += 1;
                let inner = self.deeper(|parser| parser.expr(NOT + 1))?;
                ExprKind::Unary(UnaryOp::Not, Box::new(inner))
            }
            Token::Op("-") => {
                self.at += 1;
                let inner = self.deeper(|parser| parser.expr(SUM + 1))?;
                match &inner.kind {
                    ExprKind::Static(value) => match negate(value.clone(), true) {
                        Some(folded) => ExprKind::Static(folded),
                        None => return Err(error(at.start..inner.at.end, "only a number or duration can be negated")),
                    },
                    _ => ExprKind::Unary(UnaryOp::Neg, Box::new(inner)),
                }
            }
            Token::Op("(") => {
                self.at += 1;
                let inner = self.deeper(|parser| parser.expr(LOGIC))?;
                self.expect(")")?;
                return Ok(inner);
            }
            Token::Static(value) => {
                self.at += 1;
                ExprKind::Static(value.clone())
            }
            Token::Field(field) => {
                self.at += 1;
                ExprKind::Field(field.clone())
            }
            Token::Word(word) => {
                return Err(error(at, format!("unknown word {word:?}; an attribute is written .{word} or span.{word}")));
            }
            Token::Op("}") => return Err(error(at, "a value is missing before }")),
            Token::Op("==") => return Err(error(at, "equality is written =")),
            Token::Op(op) => return Err(error(at, format!("a value should stand here, not {op:?}"))),
        };
        Ok(Expr { kind, at: at.start..self.before() })
    }

    /// `with(key=value, …)`: hints for storage engines; unknown ones are ignored, so all are.
    fn with(&mut self) -> Result<(), ParseError> {
        self.at += 1;
        self.expect("(")?;
        while !self.is_op(")") {
            if !matches!(self.peek(), Some(Token::Word(_) | Token::Field(_))) {
                return Err(error(self.here(), "with(…) takes key=value"));
            }
            self.at += 1;
            self.expect("=")?;
            if !matches!(self.peek(), Some(Token::Static(_))) {
                return Err(error(self.here(), "a hint's value is a constant"));
            }
            self.at += 1;
            if !self.eat(",") {
                break;
            }
        }
        self.expect(")")
    }
}

/// Functions of metrics pipelines, refused by name.
const METRICS: [&str; 11] = [
    "rate",
    "count_over_time",
    "min_over_time",
    "max_over_time",
    "avg_over_time",
    "sum_over_time",
    "quantile_over_time",
    "histogram_over_time",
    "compare",
    "topk",
    "bottomk",
];

fn negate(value: Static, negative: bool) -> Option<Static> {
    if !negative {
        return Some(value);
    }
    match value {
        Static::Int(number) => Some(Static::Int(number.wrapping_neg())),
        Static::Float(number) => Some(Static::Float(-number)),
        Static::Duration(nanos) => Some(Static::Duration(-nanos)),
        _ => None,
    }
}

fn regex_match(value: Expr, pattern: &Expr, negated: bool, place: Range<usize>, at: Range<usize>) -> Result<Expr, ParseError> {
    let ExprKind::Static(Static::Str(text)) = &pattern.kind else {
        return Err(error(pattern.at.clone(), "a regular expression stands in quotes on the right"));
    };
    if !matches!(value.kind, ExprKind::Field(_) | ExprKind::Static(Static::Str(_))) {
        return Err(error(place, "a regular expression is matched against an attribute or a text"));
    }
    let regex = anchored(text).map_err(|reason| error(pattern.at.clone(), reason))?;
    Ok(Expr { kind: ExprKind::Regex { negated, value: Box::new(value), pattern: text.clone(), regex }, at })
}

/// Compiles a pattern as Tempo does: anchored at both ends, the dot matches newlines, size bounded.
pub(super) fn anchored(pattern: &str) -> Result<Regex, String> {
    regex::RegexBuilder::new(&format!("^(?s:{pattern})$"))
        .size_limit(1 << 20)
        .build()
        .map_err(|error| format!("not a regular expression: {}", error.to_string().lines().last().unwrap_or_default().trim()))
}
