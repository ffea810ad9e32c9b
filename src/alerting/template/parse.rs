//! Template text to a tree, by the grammar of Go's `text/template/parse`.

use super::TemplateError;
use super::functions;
use super::lex::{Token, lex, line_of};
use crate::alerting::go_text;
use std::collections::HashMap;

/// What was read: the main list and the templates that the text defines.
#[derive(Clone, Debug, Default)]
pub(super) struct Parsed {
    pub main: Vec<Node>,
    pub defined: HashMap<String, Vec<Node>>,
}

#[derive(Clone, Debug)]
pub(super) enum Node {
    Text(String),
    Action(Pipe),
    If { pipe: Pipe, then: Vec<Node>, otherwise: Vec<Node> },
    With { pipe: Pipe, then: Vec<Node>, otherwise: Vec<Node> },
    Range { pipe: Pipe, then: Vec<Node>, otherwise: Vec<Node> },
    Template { name: String, pipe: Option<Pipe>, at: usize },
    Break,
    Continue,
}

/// A pipeline: what it sets, and its commands, each given the value of the one before as its last argument.
#[derive(Clone, Debug)]
pub(super) struct Pipe {
    pub variables: Vec<String>,
    pub assigns: bool,
    pub commands: Vec<Command>,
}

#[derive(Clone, Debug)]
pub(super) struct Command {
    pub args: Vec<Arg>,
    /// Bytes of the source, for messages.
    pub span: (usize, usize),
}

#[derive(Clone, Debug)]
pub(super) struct Arg {
    pub kind: ArgKind,
    pub span: (usize, usize),
}

#[derive(Clone, Debug)]
pub(super) enum ArgKind {
    Dot,
    Nil,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    Function(String),
    Variable(String, Vec<String>),
    Field(Vec<String>),
    Chain(Box<Arg>, Vec<String>),
    Pipe(Box<Pipe>),
}

/// Deepest nesting of actions and parentheses.
const MAX_DEPTH: usize = 100;

pub(super) fn parse(name: &str, source: &str) -> Result<Parsed, TemplateError> {
    let tokens = lex(name, source)?;
    let mut parser = Parser {
        name,
        source,
        tokens,
        next: 0,
        defined: HashMap::new(),
        scopes: vec![vec!["$".to_owned()]],
        depth: 0,
        loops: 0,
    };
    let (main, end) = parser.list()?;
    match end {
        None => Ok(Parsed { main, defined: parser.defined }),
        Some(Ending::End) => Err(parser.error("unexpected {{end}}")),
        Some(Ending::Else(_)) => Err(parser.error("unexpected {{else}}")),
    }
}

enum Ending {
    End,
    /// `else`, and the word after it when it opens a nested control (`else if`).
    Else(Option<String>),
}

struct Parser<'a> {
    name: &'a str,
    source: &'a str,
    tokens: Vec<(Token, usize)>,
    next: usize,
    defined: HashMap<String, Vec<Node>>,
    /// Known variables, innermost scope last.
    scopes: Vec<Vec<String>>,
    depth: usize,
    loops: usize,
}

type Parse<T> = Result<T, TemplateError>;

impl Parser<'_> {
    fn peek(&self) -> &Token {
        &self.tokens[self.next.min(self.tokens.len() - 1)].0
    }

    fn at(&self) -> usize {
        self.tokens[self.next.min(self.tokens.len() - 1)].1
    }

    fn take(&mut self) -> Token {
        let token = self.peek().clone();
        self.next += 1;
        token
    }

    fn spaces(&mut self) {
        while *self.peek() == Token::Space {
            self.next += 1;
        }
    }

    fn error(&self, text: &str) -> TemplateError {
        let line = line_of(self.source, self.at());
        TemplateError(format!("error parsing template {0}: template: {0}:{line}: {text}", self.name))
    }

    fn unexpected(&self, token: &Token, context: &str) -> TemplateError {
        let shown = match token {
            Token::End => "EOF".to_owned(),
            Token::Close => "\"}}\"".to_owned(),
            Token::Word(word) => format!("<{word}>"),
            Token::Field(name) => format!("<.{name}>"),
            Token::Variable(name) => format!("{name:?}"),
            Token::Pipe => "\"|\"".to_owned(),
            Token::Left => "\"(\"".to_owned(),
            Token::Right => "\")\"".to_owned(),
            Token::Comma => "\",\"".to_owned(),
            Token::Declare => "\":=\"".to_owned(),
            Token::Assign => "\"=\"".to_owned(),
            Token::Dot => "<.>".to_owned(),
            Token::Quoted(text) => go_text::quote(&go_text::quote(text)),
            Token::Number(text) => format!("{text:?}"),
            other => format!("{other:?}"),
        };
        self.error(&format!("unexpected {shown} in {context}"))
    }

    fn scoped<T>(&mut self, inner: impl FnOnce(&mut Self) -> Parse<T>) -> Parse<T> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.error("nested too deeply"));
        }
        self.scopes.push(Vec::new());
        let result = inner(self);
        self.scopes.pop();
        self.depth -= 1;
        result
    }

    /// Nodes up to `end`, `else` or the end of the text.
    fn list(&mut self) -> Parse<(Vec<Node>, Option<Ending>)> {
        let mut nodes = Vec::new();
        loop {
            match self.take() {
                Token::End => {
                    self.next -= 1;
                    return Ok((nodes, None));
                }
                Token::Text(text) => nodes.push(Node::Text(text)),
                Token::Open => {
                    self.spaces();
                    let Token::Word(word) = self.peek().clone() else {
                        nodes.push(Node::Action(self.pipeline("command", &Token::Close)?));
                        continue;
                    };
                    match word.as_str() {
                        "end" => {
                            self.next += 1;
                            self.close("end")?;
                            return Ok((nodes, Some(Ending::End)));
                        }
                        "else" => {
                            self.next += 1;
                            self.spaces();
                            let nested = match self.peek() {
                                Token::Word(word) if word == "if" || word == "with" => Some(word.clone()),
                                _ => None,
                            };
                            if nested.is_none() {
                                self.close("else")?;
                            }
                            return Ok((nodes, Some(Ending::Else(nested))));
                        }
                        "if" | "with" | "range" => {
                            self.next += 1;
                            nodes.push(self.control(&word)?);
                        }
                        "break" | "continue" => {
                            self.next += 1;
                            self.close(&word)?;
                            if self.loops == 0 {
                                return Err(self.error(&format!("{{{{{word}}}}} outside {{{{range}}}}")));
                            }
                            nodes.push(if word == "break" { Node::Break } else { Node::Continue });
                        }
                        "define" => {
                            self.next += 1;
                            self.define()?;
                        }
                        "template" | "block" => {
                            self.next += 1;
                            nodes.push(self.template(&word)?);
                        }
                        _ => nodes.push(Node::Action(self.pipeline("command", &Token::Close)?)),
                    }
                }
                token => return Err(self.unexpected(&token, "input")),
            }
        }
    }

    fn close(&mut self, context: &str) -> Parse<()> {
        self.spaces();
        match self.take() {
            Token::Close => Ok(()),
            token => Err(self.unexpected(&token, context)),
        }
    }

    fn control(&mut self, word: &str) -> Parse<Node> {
        self.scoped(|this| {
            let pipe = this.pipeline(word, &Token::Close)?;
            this.loops += usize::from(word == "range");
            let (then, ending) = this.list()?;
            this.loops -= usize::from(word == "range");
            let otherwise = match ending {
                None => return Err(this.error("unexpected EOF")),
                Some(Ending::End) => Vec::new(),
                Some(Ending::Else(Some(nested))) if nested == word => {
                    this.next += 1;
                    vec![this.control(&nested)?]
                }
                Some(Ending::Else(Some(_))) => return Err(this.error("unexpected <else> in input")),
                Some(Ending::Else(None)) => match this.list()? {
                    (nodes, Some(Ending::End)) => nodes,
                    (_, Some(Ending::Else(_))) => return Err(this.error("expected end; found {{else}}")),
                    (_, None) => return Err(this.error("unexpected EOF")),
                },
            };
            Ok(match word {
                "if" => Node::If { pipe, then, otherwise },
                "with" => Node::With { pipe, then, otherwise },
                _ => Node::Range { pipe, then, otherwise },
            })
        })
    }

    fn template_name(&mut self, context: &str) -> Parse<String> {
        self.spaces();
        match self.take() {
            Token::Quoted(name) => Ok(name),
            token => Err(self.unexpected(&token, context)),
        }
    }

    fn define(&mut self) -> Parse<()> {
        let name = self.template_name("define clause")?;
        self.close("define clause")?;
        let scopes = std::mem::replace(&mut self.scopes, vec![vec!["$".to_owned()]]);
        let body = self.body("define clause")?;
        self.scopes = scopes;
        self.defined.insert(name, body);
        Ok(())
    }

    fn body(&mut self, context: &str) -> Parse<Vec<Node>> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.error("nested too deeply"));
        }
        let body = match self.list()? {
            (body, Some(Ending::End)) => body,
            (_, Some(Ending::Else(_))) => return Err(self.error(&format!("unexpected {{{{else}}}} in {context}"))),
            (_, None) => return Err(self.error("unexpected EOF")),
        };
        self.depth -= 1;
        Ok(body)
    }

    fn template(&mut self, word: &str) -> Parse<Node> {
        let at = self.at();
        let name = self.template_name(&format!("{word} clause"))?;
        self.spaces();
        let pipe = if *self.peek() == Token::Close {
            self.next += 1;
            None
        } else {
            Some(self.pipeline(&format!("{word} clause"), &Token::Close)?)
        };
        if word == "block" {
            let scopes = std::mem::replace(&mut self.scopes, vec![vec!["$".to_owned()]]);
            let body = self.body("block clause")?;
            self.scopes = scopes;
            self.defined.insert(name.clone(), body);
        }
        Ok(Node::Template { name, pipe, at })
    }

    fn pipeline(&mut self, context: &str, end: &Token) -> Parse<Pipe> {
        self.spaces();
        let mut pipe = Pipe { variables: Vec::new(), assigns: false, commands: Vec::new() };
        self.declarations(context, &mut pipe)?;
        loop {
            self.spaces();
            if self.peek() == end {
                self.next += 1;
                if pipe.commands.is_empty() {
                    return Err(self.error(&format!("missing value for {context}")));
                }
                break;
            }
            pipe.commands.push(self.command(context)?);
        }
        for command in pipe.commands.iter().skip(1) {
            let first = command.args.first().map(|arg| &arg.kind);
            if let Some(
                ArgKind::Bool(_) | ArgKind::Dot | ArgKind::Nil | ArgKind::Int(_) | ArgKind::Float(_) | ArgKind::Text(_),
            ) = first
            {
                return Err(self.error(&format!("non executable command in pipeline stage {}", pipe.commands.len())));
            }
        }
        if !pipe.assigns
            && let Some(scope) = self.scopes.last_mut()
        {
            scope.extend(pipe.variables.iter().cloned());
        }
        Ok(pipe)
    }

    fn declarations(&mut self, context: &str, pipe: &mut Pipe) -> Parse<()> {
        let start = self.next;
        let mut variables = Vec::new();
        while let Token::Variable(name) = self.peek().clone() {
            self.next += 1;
            self.spaces();
            variables.push(name);
            match self.peek() {
                Token::Declare | Token::Assign => {
                    pipe.assigns = *self.peek() == Token::Assign;
                    self.next += 1;
                    self.spaces();
                    if pipe.assigns
                        && let Some(name) = variables.iter().find(|name| !self.knows(name))
                    {
                        return Err(self.error(&format!("undefined variable {name:?}")));
                    }
                    pipe.variables = variables;
                    return Ok(());
                }
                Token::Comma if context == "range" && variables.len() < 2 => {
                    self.next += 1;
                    self.spaces();
                }
                Token::Comma => return Err(self.error(&format!("too many declarations in {context}"))),
                _ => break,
            }
        }
        self.next = start;
        Ok(())
    }

    fn knows(&self, name: &str) -> bool {
        self.scopes.iter().flatten().any(|known| known == name)
    }

    fn command(&mut self, context: &str) -> Parse<Command> {
        let start = self.at();
        let mut args = Vec::new();
        let mut end = start;
        loop {
            self.spaces();
            if let Some(arg) = self.operand(context)? {
                end = arg.span.1;
                args.push(arg);
            }
            match self.peek() {
                Token::Space => continue,
                Token::Close | Token::Right => break,
                Token::Pipe => {
                    self.next += 1;
                    self.spaces();
                    if matches!(self.peek(), Token::Close | Token::Right) {
                        return Err(self.error("missing value for command"));
                    }
                    break;
                }
                token => return Err(self.unexpected(&token.clone(), "operand")),
            }
        }
        if args.is_empty() {
            return Err(self.error("empty command"));
        }
        Ok(Command { args, span: (start, end) })
    }

    fn operand(&mut self, context: &str) -> Parse<Option<Arg>> {
        let start = self.at();
        let kind = match self.peek().clone() {
            Token::Dot => ArgKind::Dot,
            Token::Word(word) => match word.as_str() {
                "true" | "false" => ArgKind::Bool(word == "true"),
                "nil" => ArgKind::Nil,
                _ if functions::is_known(&word) => ArgKind::Function(word),
                _ => return Err(self.error(&format!("function {word:?} not defined"))),
            },
            Token::Field(_) => ArgKind::Field(Vec::new()),
            Token::Variable(name) => {
                if !self.knows(&name) {
                    return Err(self.error(&format!("undefined variable {name:?}")));
                }
                ArgKind::Variable(name, Vec::new())
            }
            Token::Quoted(text) => ArgKind::Text(text),
            Token::Char(code) => ArgKind::Int(code),
            Token::Number(text) => self.number(&text)?,
            Token::Left => {
                self.next += 1;
                self.depth += 1;
                if self.depth > MAX_DEPTH {
                    return Err(self.error("nested too deeply"));
                }
                let pipe = self.pipeline("parenthesized pipeline", &Token::Right)?;
                self.depth -= 1;
                self.next -= 1;
                ArgKind::Pipe(Box::new(pipe))
            }
            Token::Close | Token::Right | Token::Pipe | Token::Space => return Ok(None),
            token => return Err(self.unexpected(&token, context)),
        };
        if !matches!(kind, ArgKind::Field(_)) {
            self.next += 1;
        }
        let base_end = self.at();
        let mut names = Vec::new();
        while let Token::Field(name) = self.peek().clone() {
            names.push(name);
            self.next += 1;
        }
        let span = (start, self.at());
        let kind = match kind {
            ArgKind::Field(_) => ArgKind::Field(names),
            ArgKind::Variable(name, _) => ArgKind::Variable(name, names),
            kind if names.is_empty() => kind,
            ArgKind::Bool(_) | ArgKind::Text(_) | ArgKind::Int(_) | ArgKind::Float(_) | ArgKind::Nil | ArgKind::Dot => {
                return Err(self.error(&format!("unexpected . after term {:?}", &self.source[start..base_end])));
            }
            kind => ArgKind::Chain(Box::new(Arg { kind, span: (start, base_end) }), names),
        };
        Ok(Some(Arg { kind, span }))
    }

    fn number(&self, text: &str) -> Parse<ArgKind> {
        let bad = || self.error(&format!("bad number syntax: {text:?}"));
        let digits = text.replace('_', "");
        let (negative, plain) = match digits.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, digits.strip_prefix('+').unwrap_or(&digits)),
        };
        let lower = plain.to_ascii_lowercase();
        let radix = [("0x", 16), ("0o", 8), ("0b", 2)].into_iter().find(|(prefix, _)| lower.starts_with(prefix));
        if let Some((_, radix)) = radix {
            let value = i64::from_str_radix(&lower[2..], radix).map_err(|_| bad())?;
            return Ok(ArgKind::Int(if negative { -value } else { value }));
        }
        if plain.bytes().all(|byte| byte.is_ascii_digit()) && !plain.is_empty() {
            return digits.trim_start_matches('+').parse().map(ArgKind::Int).map_err(|_| bad());
        }
        let value: f64 =
            if plain.contains(|c: char| c.is_ascii_digit()) { plain.parse().map_err(|_| bad())? } else { return Err(bad()) };
        Ok(ArgKind::Float(if negative { -value } else { value }))
    }
}
