//! From a query to a condition that a source can check on its columns.
//!
//! The condition never rejects a trace that the query accepts. [`Pushed::exact`] says when it accepts no other either, so
//! that nothing is left to evaluate.

use super::ast::{BinaryOp, Expr, ExprKind, Field, Intrinsic, Pipeline, Scope, SpansetExpr, SpansetOp, Stage, Static, UnaryOp};
use crate::model::TraceSummary;
use crate::source::{AttrScope, Comparison, Field as SourceField, Literal, Predicate};
use smol_str::SmolStr;

/// A condition and whether it says all that the query says.
pub(super) struct Pushed {
    /// Holds for at least one span of every trace that matches.
    pub(super) predicate: Predicate,
    /// Holds for exactly the spans that match.
    pub(super) exact: bool,
}

impl Pushed {
    fn anything() -> Self {
        Self { predicate: Predicate::All, exact: false }
    }
}

/// The condition of a pipeline.
pub(super) fn push_down(pipeline: &Pipeline) -> Pushed {
    let Some(Stage::Spanset(spanset)) = pipeline.stages.first() else { return Pushed::anything() };
    let mut pushed = push_spanset(spanset);
    let adds_nothing = |stage: &Stage| matches!(stage, Stage::Select(_));
    pushed.exact &= pipeline.stages[1..].iter().all(adds_nothing);
    pushed
}

/// What a query says of the root of every trace that matches: answered by the summary, without reading the trace.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Roots {
    /// Root services that must be.
    services: Vec<SmolStr>,
    /// Root names that must be.
    names: Vec<SmolStr>,
    /// The query says nothing else: every span of a trace with such a root matches.
    pub(super) alone: bool,
}

impl Roots {
    /// False when no trace with this summary can match.
    pub(super) fn may_match(&self, summary: &TraceSummary) -> bool {
        // Without a root both are the empty text.
        let of = |text: &SmolStr| if summary.has_root { text.clone() } else { SmolStr::default() };
        let (service, name) = (of(&summary.root_service), of(&summary.root_name));
        self.services.iter().all(|wanted| *wanted == service) && self.names.iter().all(|wanted| *wanted == name)
    }

    /// A condition that the root, and so a span of every such trace, meets.
    pub(super) fn predicate(&self) -> Predicate {
        let given = self.services.first().filter(|service| !service.is_empty());
        given.map_or(Predicate::All, |service| Predicate::equals(SourceField::Service, service))
    }

    fn with(mut self, other: Self) -> Self {
        self.services.extend(other.services);
        self.names.extend(other.names);
        self.alone &= other.alone;
        self
    }
}

/// See [`Roots`].
pub(super) fn roots_of(pipeline: &Pipeline) -> Roots {
    let Some(Stage::Spanset(spanset)) = pipeline.stages.first() else { return Roots::default() };
    let mut roots = roots_of_spanset(spanset);
    roots.alone &= pipeline.stages[1..].iter().all(|stage| matches!(stage, Stage::Select(_)));
    roots
}

fn roots_of_spanset(spanset: &SpansetExpr) -> Roots {
    match spanset {
        SpansetExpr::Filter(Some(expr)) => roots_of_expr(expr),
        SpansetExpr::Pipeline(inner) => roots_of(inner),
        SpansetExpr::Binary(SpansetOp::Or, ..) | SpansetExpr::Filter(None) => Roots::default(),
        // Both sides have a span of the trace, but of a negated relation only the right one is sure to.
        SpansetExpr::Binary(_, left, right) => {
            let right = roots_of_spanset(right);
            let both = if is_negative(spanset) { right } else { roots_of_spanset(left).with(right) };
            Roots { alone: false, ..both }
        }
    }
}

fn roots_of_expr(expr: &Expr) -> Roots {
    let ExprKind::Binary(op, left, right) = &expr.kind else { return Roots::default() };
    let (known, text) = match (op, &left.kind, &right.kind) {
        (BinaryOp::And, ..) => return roots_of_expr(left).with(roots_of_expr(right)),
        (BinaryOp::Eq, ExprKind::Field(Field::Intrinsic(known)), ExprKind::Static(Static::Str(text)))
        | (BinaryOp::Eq, ExprKind::Static(Static::Str(text)), ExprKind::Field(Field::Intrinsic(known))) => (known, text),
        _ => return Roots::default(),
    };
    match known {
        Intrinsic::RootService => Roots { services: vec![text.clone()], alone: true, ..Roots::default() },
        Intrinsic::RootName => Roots { names: vec![text.clone()], alone: true, ..Roots::default() },
        _ => Roots::default(),
    }
}

fn push_spanset(spanset: &SpansetExpr) -> Pushed {
    match spanset {
        SpansetExpr::Filter(None) => Pushed { predicate: Predicate::All, exact: true },
        SpansetExpr::Filter(Some(expr)) => push_expr(expr),
        SpansetExpr::Pipeline(inner) => push_down(inner),
        SpansetExpr::Binary(SpansetOp::Or, left, right) => {
            let (left, right) = (push_spanset(left), push_spanset(right));
            Pushed { predicate: either(left.predicate, right.predicate), exact: left.exact && right.exact }
        }
        // Both sides must have a span: the one with a condition narrows.
        SpansetExpr::Binary(_, left, right) => {
            let right = push_spanset(right).predicate;
            let predicate = if right == Predicate::All && !is_negative(spanset) { push_spanset(left).predicate } else { right };
            Pushed { predicate, exact: false }
        }
    }
}

/// A `!op` may hold with nothing on the left.
fn is_negative(spanset: &SpansetExpr) -> bool {
    use super::ast::StructuralMode;
    matches!(spanset, SpansetExpr::Binary(SpansetOp::Structural { mode: StructuralMode::Not, .. }, ..))
}

fn either(left: Predicate, right: Predicate) -> Predicate {
    if left == Predicate::All || right == Predicate::All {
        return Predicate::All;
    }
    Predicate::Or(Box::new(left), Box::new(right))
}

fn push_expr(expr: &Expr) -> Pushed {
    match &expr.kind {
        ExprKind::Binary(BinaryOp::And, left, right) => {
            let (left, right) = (push_expr(left), push_expr(right));
            let exact = left.exact && right.exact && !reads_lists(expr);
            Pushed { predicate: left.predicate.and(right.predicate), exact }
        }
        ExprKind::Binary(BinaryOp::Or, left, right) => {
            let (left, right) = (push_expr(left), push_expr(right));
            Pushed { predicate: either(left.predicate, right.predicate), exact: left.exact && right.exact }
        }
        ExprKind::Binary(op, left, right) => push_comparison(*op, left, right),
        ExprKind::Field(Field::FreeText(needle)) => Pushed {
            predicate: Predicate::Compare(SourceField::AnyText, Comparison::Contains, Literal::Text(needle.clone())),
            exact: true,
        },
        ExprKind::Unary(UnaryOp::Not, inner) => {
            let inner = push_expr(inner);
            // The complement of a condition that is too wide is too narrow.
            if inner.exact {
                Pushed { predicate: Predicate::Not(Box::new(inner.predicate)), exact: true }
            } else {
                Pushed::anything()
            }
        }
        ExprKind::Regex { value, .. } => match &value.kind {
            ExprKind::Field(field) => Pushed { predicate: source_field(field).map_or(Predicate::All, exists), exact: false },
            _ => Pushed::anything(),
        },
        _ => Pushed::anything(),
    }
}

fn exists(field: SourceField) -> Predicate {
    Predicate::Exists(field)
}

/// True when the expression looks at events or links, where "one of them" is more than a column can say.
fn reads_lists(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Field(Field::Attr(scope, _)) => matches!(scope, Scope::Event | Scope::Link),
        ExprKind::Field(Field::Intrinsic(known)) => known.text().starts_with("event:") || known.text().starts_with("link:"),
        ExprKind::Binary(_, left, right) => reads_lists(left) || reads_lists(right),
        ExprKind::Unary(_, inner) | ExprKind::Regex { value: inner, .. } => reads_lists(inner),
        _ => false,
    }
}

fn push_comparison(op: BinaryOp, left: &Expr, right: &Expr) -> Pushed {
    let (field, constant, op) = match (&left.kind, &right.kind) {
        (ExprKind::Field(field), ExprKind::Static(constant)) => (field, constant, op),
        (ExprKind::Static(constant), ExprKind::Field(field)) => (field, constant, mirrored(op)),
        _ => return Pushed::anything(),
    };
    let Some(source) = source_field(field) else { return Pushed::anything() };
    if *constant == Static::Nil {
        // Absent and "there, but of a kind with no value" (bytes, maps) are one in a query and two in a column.
        return match op {
            BinaryOp::Ne => Pushed { predicate: exists(source), exact: false },
            _ => Pushed::anything(),
        };
    }
    let comparison = match op {
        BinaryOp::Eq => Comparison::Eq,
        BinaryOp::Ne => Comparison::Ne,
        BinaryOp::Lt => Comparison::Lt,
        BinaryOp::Le => Comparison::Le,
        BinaryOp::Gt => Comparison::Gt,
        BinaryOp::Ge => Comparison::Ge,
        _ => return Pushed::anything(),
    };
    let ids = matches!(field, Field::Intrinsic(Intrinsic::TraceId));
    let literal = match constant {
        Static::Int(number) | Static::Duration(number) => Literal::Int(*number),
        Static::Float(number) => Literal::Float(*number),
        Static::Bool(value) => Literal::Bool(*value),
        Static::Str(text) if ids => Literal::Text(smol_str::format_smolstr!("{text:0>32}")),
        Static::Str(text) => Literal::Text(text.clone()),
        Static::Status(status) => Literal::Text(status.word().into()),
        Static::Kind(kind) => Literal::Text(kind.word().into()),
        Static::Nil | Static::Array(_) => return Pushed::anything(),
    };
    // Arrays follow their own rules, and a column may hold them: only fields that cannot are exact.
    let exact = !matches!(field, Field::Attr(..))
        || (op == BinaryOp::Eq && !matches!(field, Field::Attr(Scope::Event | Scope::Link, _)));
    Pushed { predicate: Predicate::Compare(source, comparison, literal), exact }
}

fn mirrored(op: BinaryOp) -> BinaryOp {
    match op {
        BinaryOp::Lt => BinaryOp::Gt,
        BinaryOp::Le => BinaryOp::Ge,
        BinaryOp::Gt => BinaryOp::Lt,
        BinaryOp::Ge => BinaryOp::Le,
        same => same,
    }
}

fn source_field(field: &Field) -> Option<SourceField> {
    Some(match field {
        Field::FreeText(_) => return None,
        Field::Attr(Scope::Resource, key) if key == "service.name" => SourceField::Service,
        Field::Attr(scope, key) => {
            let scope = match scope {
                Scope::Any => AttrScope::Any,
                Scope::Span => AttrScope::Span,
                Scope::Resource => AttrScope::Resource,
                Scope::Event => AttrScope::Event,
                Scope::Link => AttrScope::Link,
                Scope::Instrumentation => AttrScope::Scope,
            };
            SourceField::Attr(scope, key.clone())
        }
        Field::Intrinsic(known) => match known {
            Intrinsic::Duration => SourceField::Duration,
            Intrinsic::Name => SourceField::Name,
            Intrinsic::Kind => SourceField::Kind,
            Intrinsic::Status => SourceField::Status,
            Intrinsic::StatusMessage => SourceField::StatusMessage,
            Intrinsic::SpanId => SourceField::SpanId,
            Intrinsic::TraceId => SourceField::TraceId,
            Intrinsic::EventName => SourceField::EventName,
            Intrinsic::ScopeName => SourceField::ScopeName,
            Intrinsic::ScopeVersion => SourceField::ScopeVersion,
            _ => return None,
        },
    })
}
