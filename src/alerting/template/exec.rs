//! Walks the tree and writes, with the words of Go's `text/template` where something is wrong.

use super::lex::position;
use super::parse::{Arg, ArgKind, Command, Node, Parsed, Pipe};
use super::{Context, TemplateError, Value, functions, time};
use std::sync::Arc;

/// Deepest nesting of templates that call templates.
const MAX_CALLS: usize = 1_000;
/// Most steps of loops in one expansion.
const MAX_STEPS: usize = 1_000_000;

enum Flow {
    On,
    Break,
    Continue,
}

struct Exec<'a> {
    name: &'a str,
    source: &'a str,
    parsed: &'a Parsed,
    context: &'a Context<'a>,
    out: String,
    variables: Vec<(String, Value)>,
    calls: usize,
    steps: usize,
}

type Eval<T> = Result<T, TemplateError>;

pub(super) fn execute(name: &str, source: &str, parsed: &Parsed, context: &Context<'_>) -> Eval<String> {
    let variables = vec![("$".to_owned(), context.data.clone())];
    let mut exec = Exec { name, source, parsed, context, out: String::new(), variables, calls: 0, steps: 0 };
    exec.list(&parsed.main, &context.data)?;
    Ok(exec.out)
}

impl Exec<'_> {
    /// `template: NAME:LINE:COLUMN: executing "NAME" at <TEXT>: WORDS`.
    fn error(&self, span: (usize, usize), words: &str) -> TemplateError {
        let (line, column) = position(self.source, span.0);
        let text = self.source[span.0..span.1.max(span.0)].trim();
        let shown: String =
            if text.chars().count() > 20 { text.chars().take(20).chain("...".chars()).collect() } else { text.to_owned() };
        TemplateError(format!("template: {0}:{line}:{column}: executing {0:?} at <{shown}>: {words}", self.name))
    }

    fn list(&mut self, nodes: &[Node], dot: &Value) -> Eval<Flow> {
        for node in nodes {
            match node {
                Node::Text(text) => self.out.push_str(text),
                Node::Action(pipe) => {
                    let value = self.pipe(pipe, dot)?;
                    if pipe.variables.is_empty() {
                        self.out.push_str(&value.print());
                    }
                }
                Node::If { pipe, then, otherwise } | Node::With { pipe, then, otherwise } => {
                    let mark = self.variables.len();
                    let value = self.pipe(pipe, dot)?;
                    let inner = if matches!(node, Node::With { .. }) { &value } else { dot };
                    let flow = if value.is_true() { self.list(then, inner)? } else { self.list(otherwise, dot)? };
                    self.variables.truncate(mark);
                    if !matches!(flow, Flow::On) {
                        return Ok(flow);
                    }
                }
                Node::Range { pipe, then, otherwise } => {
                    if let flow @ (Flow::Break | Flow::Continue) = self.range(pipe, then, otherwise, dot)? {
                        return Ok(flow);
                    }
                }
                Node::Template { name, pipe, at } => self.call_template(name, pipe.as_ref(), *at, dot)?,
                Node::Break => return Ok(Flow::Break),
                Node::Continue => return Ok(Flow::Continue),
            }
        }
        Ok(Flow::On)
    }

    fn range(&mut self, pipe: &Pipe, then: &[Node], otherwise: &[Node], dot: &Value) -> Eval<Flow> {
        let mark = self.variables.len();
        let plain = Pipe { variables: Vec::new(), ..pipe.clone() };
        let value = self.pipe(&plain, dot)?;
        let text = |text: &String| Value::Text(text.clone());
        let number = |place: usize| Value::Int(i64::try_from(place).unwrap_or(i64::MAX));
        let items: Vec<(Value, Value)> = match value {
            Value::List(list) => list.into_iter().enumerate().map(|(place, item)| (number(place), item)).collect(),
            Value::Samples(list) => {
                list.into_iter().enumerate().map(|(place, item)| (number(place), Value::Sample(item))).collect()
            }
            Value::Texts(map) => map.iter().map(|(name, value)| (text(name), text(value))).collect(),
            Value::Map(map) => map.iter().map(|(name, value)| (text(name), value.clone())).collect(),
            Value::Int(count) if count as u64 as usize <= MAX_STEPS || count < 0 => {
                (0..count.max(0)).map(|n| (Value::Int(n), Value::Int(n))).collect()
            }
            Value::Nil => Vec::new(),
            other => {
                let span = pipe.commands.first().map_or((0, 0), |command| command.span);
                return Err(self.error(span, &format!("range can't iterate over {}", other.print())));
            }
        };
        if items.is_empty() {
            let flow = self.list(otherwise, dot)?;
            self.variables.truncate(mark);
            return Ok(flow);
        }
        for (key, item) in items {
            self.steps += 1;
            if self.steps > MAX_STEPS {
                return Err(self.error((0, 0), "too many steps"));
            }
            match pipe.variables.as_slice() {
                [] => {}
                [one] => self.set(pipe.assigns, one, item.clone()),
                [first, second, ..] => {
                    self.set(pipe.assigns, first, key);
                    self.set(pipe.assigns, second, item.clone());
                }
            }
            let flow = self.list(then, &item)?;
            self.variables.truncate(mark);
            if matches!(flow, Flow::Break) {
                break;
            }
        }
        Ok(Flow::On)
    }

    fn set(&mut self, assigns: bool, name: &str, value: Value) {
        match self.variables.iter_mut().rev().find(|(known, _)| assigns && known == name) {
            Some(place) => place.1 = value,
            None => self.variables.push((name.to_owned(), value)),
        }
    }

    fn call_template(&mut self, name: &str, pipe: Option<&Pipe>, at: usize, dot: &Value) -> Eval<()> {
        let parsed = self.parsed;
        let Some(body) = parsed.defined.get(name) else {
            return Err(self.error((at, at), &format!("template {name:?} not defined")));
        };
        self.calls += 1;
        if self.calls > MAX_CALLS {
            return Err(self.error((at, at), &format!("exceeded maximum template depth ({MAX_CALLS})")));
        }
        let value = match pipe {
            Some(pipe) => self.pipe(pipe, dot)?,
            None => Value::Nil,
        };
        let variables = std::mem::replace(&mut self.variables, vec![("$".to_owned(), value.clone())]);
        self.list(body, &value)?;
        self.variables = variables;
        self.calls -= 1;
        Ok(())
    }

    fn pipe(&mut self, pipe: &Pipe, dot: &Value) -> Eval<Value> {
        let mut last = None;
        for command in &pipe.commands {
            last = Some(self.command(command, dot, last)?);
        }
        let value = last.unwrap_or(Value::Nil);
        for name in &pipe.variables {
            self.set(pipe.assigns, name, value.clone());
        }
        Ok(value)
    }

    fn command(&mut self, command: &Command, dot: &Value, last: Option<Value>) -> Eval<Value> {
        let first = &command.args[0];
        let rest = &command.args[1..];
        match &first.kind {
            ArgKind::Function(name) => self.function(name, command, rest, dot, last),
            ArgKind::Field(names) => self.fields(dot.clone(), names, first.span, Some((rest, dot, last))),
            ArgKind::Variable(name, names) => {
                let value = self.variable(name);
                if names.is_empty() {
                    self.no_arguments(first, rest, last.as_ref())?;
                    return Ok(value);
                }
                self.fields(value, names, first.span, Some((rest, dot, last)))
            }
            ArgKind::Chain(base, names) => {
                let base = self.arg(base, dot)?;
                self.fields(base, names, first.span, Some((rest, dot, last)))
            }
            _ => {
                self.no_arguments(first, rest, last.as_ref())?;
                if matches!(first.kind, ArgKind::Nil) {
                    return Err(self.error(first.span, "nil is not a command"));
                }
                self.arg(first, dot)
            }
        }
    }

    fn no_arguments(&self, first: &Arg, rest: &[Arg], last: Option<&Value>) -> Eval<()> {
        if rest.is_empty() && last.is_none() {
            return Ok(());
        }
        let text = &self.source[first.span.0..first.span.1];
        Err(self.error(first.span, &format!("can't give argument to non-function {}", text.trim())))
    }

    fn variable(&self, name: &str) -> Value {
        self.variables.iter().rev().find(|(known, _)| known == name).map_or(Value::Nil, |(_, value)| value.clone())
    }

    fn function(&mut self, name: &str, command: &Command, rest: &[Arg], dot: &Value, last: Option<Value>) -> Eval<Value> {
        // The only two that don't look at all of their arguments.
        if name == "and" || name == "or" {
            let mut value = None;
            for arg in rest {
                let next = self.arg(arg, dot)?;
                let stop = next.is_true() == (name == "or");
                value = Some(next);
                if stop {
                    return Ok(value.unwrap_or(Value::Nil));
                }
            }
            return last.or(value).ok_or_else(|| {
                self.error(command.args[0].span, &format!("wrong number of args for {name}: want at least 1 got 0"))
            });
        }
        let mut args = Vec::with_capacity(rest.len() + 1);
        for arg in rest {
            args.push(self.arg(arg, dot)?);
        }
        args.extend(last);
        functions::call(name, args, self.context).map_err(|failed| match failed {
            functions::Failed::Call(words) => self.error(command.span, &format!("error calling {name}: {words}")),
            functions::Failed::Use(words) => self.error(command.args[0].span, &words),
        })
    }

    fn arg(&mut self, arg: &Arg, dot: &Value) -> Eval<Value> {
        match &arg.kind {
            ArgKind::Dot => Ok(dot.clone()),
            ArgKind::Nil => Ok(Value::Nil),
            ArgKind::Bool(truth) => Ok(Value::Bool(*truth)),
            ArgKind::Int(number) => Ok(Value::Int(*number)),
            ArgKind::Float(number) => Ok(Value::Float(*number)),
            ArgKind::Text(text) => Ok(Value::Text(text.clone())),
            ArgKind::Variable(name, names) => {
                let value = self.variable(name);
                self.fields(value, names, arg.span, None)
            }
            ArgKind::Field(names) => self.fields(dot.clone(), names, arg.span, None),
            ArgKind::Chain(base, names) => {
                let base = self.arg(base, dot)?;
                self.fields(base, names, arg.span, None)
            }
            ArgKind::Pipe(pipe) => self.pipe(pipe, dot),
            ArgKind::Function(name) => {
                let command = Command { args: vec![arg.clone()], span: arg.span };
                self.function(name, &command, &[], dot, None)
            }
        }
    }

    /// Fields one after the other; the last one may be a method that takes the rest of the command.
    fn fields(
        &mut self,
        mut value: Value,
        names: &[String],
        span: (usize, usize),
        mut call: Option<(&[Arg], &Value, Option<Value>)>,
    ) -> Eval<Value> {
        for (place, name) in names.iter().enumerate() {
            let is_last = place + 1 == names.len();
            let arguments = if is_last { call.take() } else { None };
            value = self.field(value, name, span, arguments)?;
        }
        Ok(value)
    }

    fn field(
        &mut self,
        value: Value,
        name: &str,
        span: (usize, usize),
        call: Option<(&[Arg], &Value, Option<Value>)>,
    ) -> Eval<Value> {
        let mut args = Vec::new();
        if let Some((rest, dot, last)) = call {
            for arg in rest {
                args.push(self.arg(arg, dot)?);
            }
            args.extend(last);
        }
        let method = match &value {
            Value::Time(nanos) => Some(time::time_method(*nanos, name, &args)),
            Value::Duration(nanos) => Some(time::duration_method(*nanos, name, &args)),
            _ => None,
        };
        if let Some(result) = method {
            return result.map_err(|words| self.error(span, &words));
        }
        let missing = || format!("can't evaluate field {name} in type {}", value.type_name());
        let found = match &value {
            Value::Nil => return Ok(Value::Nil),
            Value::Texts(map) => Value::Text(map.get(name).cloned().unwrap_or_default()),
            Value::Map(map) => map.get(name).cloned().unwrap_or(Value::Nil),
            Value::Record(fields) => fields.get(name).cloned().ok_or_else(|| self.error(span, &missing()))?,
            Value::Sample(sample) if name == "Labels" => Value::Texts(Arc::new(sample.labels.clone())),
            Value::Sample(sample) if name == "Value" => sample.value.clone(),
            _ => return Err(self.error(span, &missing())),
        };
        if args.is_empty() {
            return Ok(found);
        }
        Err(self.error(span, &format!("{name} has arguments but cannot be invoked as function")))
    }
}
