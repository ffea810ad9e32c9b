//! Selectors: a name, matchers in braces, and the bracket behind them.

use super::{Parsed, Parser, regex_check};
use crate::model::labels::METRIC_NAME;
use crate::promql::ast::{DurationValue, Expr, Extension, MatrixSelector, Subquery, VectorSelector};
use crate::promql::token::{Kind, Token};
use crate::source::{MatchOp, Matcher};
use smol_str::SmolStr;

const METRIC_NAME_LABEL: SmolStr = SmolStr::new_static(METRIC_NAME);

impl Parser<'_> {
    /// A selector whose name has been taken.
    pub(super) fn selector_named(&mut self, name: Token) -> Parsed<VectorSelector> {
        let text = SmolStr::new(self.slice(name.at));
        if let Some(brace) = self.take(Kind::LeftBrace)? {
            let mut selector = self.selector_braces(brace, text)?;
            selector.at.start = name.at.start;
            return Ok(selector);
        }
        Ok(VectorSelector {
            matchers: vec![Matcher { name: METRIC_NAME_LABEL, op: MatchOp::Equal, value: text.clone() }],
            name: text,
            offset: DurationValue::Fixed(0),
            at_time: None,
            extension: Extension::None,
            at: name.at,
        })
    }

    /// Matchers; the opening brace has been taken.
    pub(super) fn selector_braces(&mut self, open: Token, name: SmolStr) -> Parsed<VectorSelector> {
        const CONTEXT: &str = "label matching";
        let mut matchers = Vec::with_capacity(4);
        let close = loop {
            let token = self.next()?;
            match token.kind {
                Kind::RightBrace => break token,
                Kind::Identifier | Kind::String => matchers.push(self.matcher(token)?),
                _ => return Err(self.unexpected(token, CONTEXT, "identifier or \"}\"")),
            }
            let token = self.next()?;
            match token.kind {
                Kind::Comma => {}
                Kind::RightBrace => break token,
                _ => return Err(self.unexpected(token, CONTEXT, "\",\" or \"}\"")),
            }
        };
        if !name.is_empty() {
            matchers.push(Matcher { name: METRIC_NAME_LABEL, op: MatchOp::Equal, value: name.clone() });
        }
        Ok(VectorSelector {
            name,
            matchers,
            offset: DurationValue::Fixed(0),
            at_time: None,
            extension: Extension::None,
            at: open.at.to(close.at),
        })
    }

    fn matcher(&mut self, label: Token) -> Parsed<Matcher> {
        const CONTEXT: &str = "label matching";
        let quoted = label.kind == Kind::String;
        let name = if quoted { SmolStr::new(self.unquoted(label)?) } else { SmolStr::new(self.slice(label.at)) };
        let token = self.peek()?;
        let op = match token.kind {
            Kind::Assign => MatchOp::Equal,
            Kind::NotEqual => MatchOp::NotEqual,
            Kind::EqualRegex => MatchOp::Regex,
            Kind::NotRegex => MatchOp::NotRegex,
            _ if quoted => return Ok(Matcher { name: METRIC_NAME_LABEL, op: MatchOp::Equal, value: name }),
            _ => return Err(self.unexpected(token, CONTEXT, "label matching operator")),
        };
        self.peeked = None;
        let literal = self.expect(Kind::String, CONTEXT, "string")?;
        let value = SmolStr::new(self.unquoted(literal)?);
        if matches!(op, MatchOp::Regex | MatchOp::NotRegex)
            && let Err(message) = regex_check::check(&value)
        {
            return self.fail(label.at.to(literal.at), message);
        }
        Ok(Matcher { name, op, value })
    }

    /// A range or a subquery; the opening bracket has been taken.
    pub(super) fn bracket(&mut self, expr: Expr, open: Token) -> Parsed<Expr> {
        let range = self.positive_duration("subquery or range selector", "number, duration, step(), or range()")?;
        let token = self.next()?;
        match token.kind {
            Kind::RightBracket => self.range(expr, range, open, token),
            Kind::Colon => {
                const CONTEXT: &str = "subquery selector";
                let (step, close) = if let Some(close) = self.take(Kind::RightBracket)? {
                    (DurationValue::Fixed(0), close)
                } else {
                    let step = self.positive_duration(CONTEXT, "number, duration, step(), range(), or \"]\"")?;
                    (step, self.expect(Kind::RightBracket, CONTEXT, "\"]\"")?)
                };
                let at = expr.at().to(close.at);
                Ok(Expr::Subquery(Box::new(Subquery { expr, range, step, offset: DurationValue::Fixed(0), at_time: None, at })))
            }
            _ => Err(self.unexpected(token, "subquery or range", "\":\" or \"]\"")),
        }
    }

    fn range(&self, expr: Expr, range: DurationValue, open: Token, close: Token) -> Parsed<Expr> {
        let place = open.at.to(close.at);
        let Expr::Vector(selector) = expr else {
            return self.fail(place, "ranges only allowed for vector selectors");
        };
        if !selector.offset.is_zero() {
            return self.fail(place, "no offset modifiers allowed before range");
        }
        if selector.at_time.is_some() {
            return self.fail(place, "no @ modifiers allowed before range");
        }
        let at = selector.at.to(close.at);
        Ok(Expr::Matrix(Box::new(MatrixSelector { selector: *selector, range, at })))
    }
}
