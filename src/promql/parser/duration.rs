//! Durations in brackets and behind `offset`: literals, and arithmetic over them.

use super::{Parsed, Parser};
use crate::promql::ast::{DurationExpr, DurationOp, DurationValue, Expr, NumberLiteral};
use crate::promql::position::Span;
use crate::promql::text::NS_PER_SECOND;
use crate::promql::token::{Kind, Token};

/// Binds tighter the larger; a sign binds as `*` does.
const POWER: u8 = 3;

fn operator(kind: Kind) -> Option<(DurationOp, u8)> {
    Some(match kind {
        Kind::Add => (DurationOp::Add, 1),
        Kind::Sub => (DurationOp::Sub, 1),
        Kind::Mul => (DurationOp::Mul, 2),
        Kind::Div => (DurationOp::Div, 2),
        Kind::Mod => (DurationOp::Mod, 2),
        Kind::Pow => (DurationOp::Pow, POWER),
        _ => return None,
    })
}

/// A literal as a value in nanoseconds.
fn value(expr: DurationExpr) -> DurationValue {
    match expr {
        DurationExpr::Number(number) => DurationValue::Fixed((number.value * NS_PER_SECOND).round() as i64),
        expr => DurationValue::Expr(Box::new(expr)),
    }
}

impl Parser<'_> {
    /// A duration in a bracket; a literal must be more than nothing.
    pub(super) fn positive_duration(&mut self, context: &'static str, expected: &'static str) -> Parsed<DurationValue> {
        let expr = self.duration(0, context, expected)?;
        if let DurationExpr::Number(number) = &expr
            && number.value <= 0.0
        {
            return self.fail(number.at, "duration must be greater than 0");
        }
        Ok(value(expr))
    }

    fn duration(&mut self, least: u8, context: &'static str, expected: &'static str) -> Parsed<DurationExpr> {
        let lhs = self.duration_unary(context, expected)?;
        self.duration_rest(lhs, least, context, expected)
    }

    /// Operators behind an operand.
    fn duration_rest(
        &mut self,
        mut lhs: DurationExpr,
        least: u8,
        context: &'static str,
        expected: &'static str,
    ) -> Parsed<DurationExpr> {
        loop {
            let token = self.peek()?;
            let Some((op, power)) = operator(token.kind).filter(|(_, power)| *power >= least) else { return Ok(lhs) };
            self.peeked = None;
            let rhs = self.duration(if power == POWER { power } else { power + 1 }, context, expected)?;
            if let DurationExpr::Number(NumberLiteral { value: 0.0, .. }) = rhs {
                match op {
                    DurationOp::Div => return self.fail(token.at, "division by zero"),
                    DurationOp::Mod => return self.fail(token.at, "modulo by zero"),
                    _ => {}
                }
            }
            let at = lhs.at().to(rhs.at());
            lhs = DurationExpr::Binary(op, Box::new(lhs), Box::new(rhs), at);
        }
    }

    fn duration_unary(&mut self, context: &'static str, expected: &'static str) -> Parsed<DurationExpr> {
        let token = self.peek()?;
        self.deeper(token.at)?;
        let expr = if matches!(token.kind, Kind::Add | Kind::Sub) {
            self.peeked = None;
            let operand = self.duration(POWER, context, expected)?;
            self.signed(token, operand)
        } else {
            self.duration_primary(context, expected)
        };
        self.depth -= 1;
        expr
    }

    /// A sign before an operand.
    fn signed(&self, sign: Token, operand: DurationExpr) -> Parsed<DurationExpr> {
        let negative = sign.kind == Kind::Sub;
        Ok(match operand {
            DurationExpr::Number(number) => {
                let value = if negative { -number.value } else { number.value };
                let number = NumberLiteral { value, at: sign.at.to(number.at), ..number };
                self.in_range(number, sign.at)?
            }
            operand if negative => {
                let at = sign.at.to(operand.at());
                DurationExpr::Negate(Box::new(operand), at)
            }
            operand => operand,
        })
    }

    fn in_range(&self, number: NumberLiteral, at: Span) -> Parsed<DurationExpr> {
        if number.value.abs() > (1_u64 << 63) as f64 / NS_PER_SECOND {
            return self.fail(at, "duration out of range");
        }
        Ok(DurationExpr::Number(number))
    }

    fn duration_primary(&mut self, context: &'static str, expected: &'static str) -> Parsed<DurationExpr> {
        let token = self.next()?;
        match token.kind {
            Kind::Number | Kind::Duration => {
                let number = self.number(token)?;
                self.in_range(number, token.at)
            }
            Kind::Step | Kind::Range => {
                self.expect(Kind::LeftParen, context, expected)?;
                let close = self.expect(Kind::RightParen, context, expected)?;
                let at = token.at.to(close.at);
                Ok(if token.kind == Kind::Step { DurationExpr::Step(at) } else { DurationExpr::Range(at) })
            }
            Kind::MaxOf | Kind::MinOf => {
                self.expect(Kind::LeftParen, context, expected)?;
                let lhs = self.duration(0, context, expected)?;
                self.expect(Kind::Comma, context, expected)?;
                let rhs = self.duration(0, context, expected)?;
                let close = self.expect(Kind::RightParen, context, expected)?;
                let op = if token.kind == Kind::MaxOf { DurationOp::MaxOf } else { DurationOp::MinOf };
                Ok(DurationExpr::Binary(op, Box::new(lhs), Box::new(rhs), token.at.to(close.at)))
            }
            Kind::LeftParen => {
                let inner = self.duration(0, context, expected)?;
                let close = self.expect(Kind::RightParen, context, expected)?;
                let at = token.at.to(close.at);
                Ok(match inner {
                    DurationExpr::Paren(inner, _) => DurationExpr::Paren(inner, at),
                    inner => DurationExpr::Paren(Box::new(inner), at),
                })
            }
            _ => Err(self.unexpected(token, context, expected)),
        }
    }

    /// Behind `offset`, which has been taken. Arithmetic needs parentheses: `x offset 5m * 2` is a product.
    pub(super) fn offset(&mut self, mut expr: Expr) -> Parsed<Expr> {
        let (context, expected) = ("offset", "number, duration, step(), or range()");
        let token = self.peek()?;
        let offset = if matches!(token.kind, Kind::Add | Kind::Sub) {
            self.peeked = None;
            if matches!(self.peek_kind()?, Kind::Add | Kind::Sub) {
                let operand = self.duration(POWER, context, expected)?;
                let first = self.signed(token, operand)?;
                self.duration_rest(first, 0, context, expected)?
            } else {
                let operand = self.duration_primary(context, expected)?;
                self.signed(token, operand)?
            }
        } else {
            let first = self.duration_primary(context, expected)?;
            if matches!(first, DurationExpr::Paren(..)) { self.duration_rest(first, 0, context, expected)? } else { first }
        };
        let (at, end) = (expr.at(), offset.at().end);
        let (slot, place) = match &mut expr {
            Expr::Vector(selector) => (&mut selector.offset, &mut selector.at.end),
            Expr::Matrix(matrix) => (&mut matrix.selector.offset, &mut matrix.at.end),
            Expr::Subquery(subquery) => (&mut subquery.offset, &mut subquery.at.end),
            _ => {
                return self.fail(
                    at,
                    "offset modifier must be preceded by an instant vector selector or range vector selector or a subquery",
                );
            }
        };
        if !slot.is_zero() {
            return self.fail(at, "offset may not be set multiple times");
        }
        *slot = value(offset);
        *place = end;
        Ok(expr)
    }
}
