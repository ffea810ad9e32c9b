//! The tree of a query. Every node knows its place in the text; durations are nanoseconds, times milliseconds.
//!
//! The tree is what stands in the text: `@ start()`, duration arithmetic and offsets are resolved when a query is planned
//! for a range of time, never in the tree.

use super::functions::Function;
use super::position::Span;
use super::token::Kind;
use crate::source::Matcher;
use smol_str::SmolStr;

/// Type of an expression's value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ValueType {
    /// A number at each step.
    Scalar,
    /// A sample a series at each step.
    Vector,
    /// Several samples a series.
    Matrix,
    /// A text.
    String,
}

impl ValueType {
    /// As messages call it.
    pub fn documented(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Vector => "instant vector",
            Self::Matrix => "range vector",
            Self::String => "string",
        }
    }

    /// As the HTTP API calls it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Vector => "vector",
            Self::Matrix => "matrix",
            Self::String => "string",
        }
    }
}

/// Binary operators.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[allow(missing_docs, reason = "named after the operator")]
pub enum BinaryOp {
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    Pow,
    Atan2,
    Equal,
    NotEqual,
    Greater,
    Less,
    GreaterEqual,
    LessEqual,
    TrimUpper,
    TrimLower,
    And,
    Or,
    Unless,
}

impl BinaryOp {
    /// The operator of a token.
    pub fn of(kind: Kind) -> Option<Self> {
        Some(match kind {
            Kind::Add => Self::Add,
            Kind::Sub => Self::Sub,
            Kind::Mul => Self::Mul,
            Kind::Div => Self::Div,
            Kind::Mod => Self::Mod,
            Kind::Pow => Self::Pow,
            Kind::Atan2 => Self::Atan2,
            Kind::Equal => Self::Equal,
            Kind::NotEqual => Self::NotEqual,
            Kind::Greater => Self::Greater,
            Kind::Less => Self::Less,
            Kind::GreaterEqual => Self::GreaterEqual,
            Kind::LessEqual => Self::LessEqual,
            Kind::TrimUpper => Self::TrimUpper,
            Kind::TrimLower => Self::TrimLower,
            Kind::And => Self::And,
            Kind::Or => Self::Or,
            Kind::Unless => Self::Unless,
            _ => return None,
        })
    }

    /// As it is written.
    pub fn text(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Sub => "-",
            Self::Mul => "*",
            Self::Div => "/",
            Self::Mod => "%",
            Self::Pow => "^",
            Self::Atan2 => "atan2",
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Greater => ">",
            Self::Less => "<",
            Self::GreaterEqual => ">=",
            Self::LessEqual => "<=",
            Self::TrimUpper => "</",
            Self::TrimLower => ">/",
            Self::And => "and",
            Self::Or => "or",
            Self::Unless => "unless",
        }
    }

    /// Binds tighter the larger.
    pub fn precedence(self) -> u8 {
        match self {
            Self::Or => 1,
            Self::And | Self::Unless => 2,
            Self::Add | Self::Sub => 4,
            Self::Mul | Self::Div | Self::Mod | Self::Atan2 => 5,
            Self::Pow => 6,
            _ => 3,
        }
    }

    /// `==` and its like.
    pub fn is_comparison(self) -> bool {
        matches!(self, Self::Equal | Self::NotEqual | Self::Greater | Self::Less | Self::GreaterEqual | Self::LessEqual)
    }

    /// `and`, `or`, `unless`.
    pub fn is_set(self) -> bool {
        matches!(self, Self::And | Self::Or | Self::Unless)
    }

    /// True where the result is another metric than the operand's, so that it loses the name.
    pub fn changes_metric(self) -> bool {
        matches!(self, Self::Add | Self::Sub | Self::Mul | Self::Div | Self::Mod | Self::Pow | Self::Atan2)
    }
}

/// Aggregation operators.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[allow(missing_docs, reason = "named after the operator")]
pub enum AggregateOp {
    Sum,
    Avg,
    Count,
    Min,
    Max,
    Group,
    Stddev,
    Stdvar,
    Topk,
    Bottomk,
    CountValues,
    Quantile,
    Limitk,
    LimitRatio,
}

impl AggregateOp {
    /// The operator of a token.
    pub fn of(kind: Kind) -> Option<Self> {
        Some(match kind {
            Kind::Sum => Self::Sum,
            Kind::Avg => Self::Avg,
            Kind::Count => Self::Count,
            Kind::Min => Self::Min,
            Kind::Max => Self::Max,
            Kind::Group => Self::Group,
            Kind::Stddev => Self::Stddev,
            Kind::Stdvar => Self::Stdvar,
            Kind::Topk => Self::Topk,
            Kind::Bottomk => Self::Bottomk,
            Kind::CountValues => Self::CountValues,
            Kind::Quantile => Self::Quantile,
            Kind::Limitk => Self::Limitk,
            Kind::LimitRatio => Self::LimitRatio,
            _ => return None,
        })
    }

    /// As it is written.
    pub fn text(self) -> &'static str {
        match self {
            Self::Sum => "sum",
            Self::Avg => "avg",
            Self::Count => "count",
            Self::Min => "min",
            Self::Max => "max",
            Self::Group => "group",
            Self::Stddev => "stddev",
            Self::Stdvar => "stdvar",
            Self::Topk => "topk",
            Self::Bottomk => "bottomk",
            Self::CountValues => "count_values",
            Self::Quantile => "quantile",
            Self::Limitk => "limitk",
            Self::LimitRatio => "limit_ratio",
        }
    }

    /// Takes a parameter before the vector.
    pub fn has_parameter(self) -> bool {
        matches!(self, Self::Topk | Self::Bottomk | Self::CountValues | Self::Quantile | Self::Limitk | Self::LimitRatio)
    }
}

/// Which moment a selector is fixed to by `@`.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum At {
    /// Milliseconds.
    Time(i64),
    /// Start of the query.
    Start,
    /// End of the query.
    End,
}

/// How a range is extended at its edges.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Extension {
    /// Not at all.
    #[default]
    None,
    /// The last sample before the edge stands at the edge.
    Anchored,
    /// Values at the edges are interpolated.
    Smoothed,
}

/// A duration: written out, or arithmetic that is resolved with the query's step and range.
#[derive(Clone, PartialEq, Debug)]
pub enum DurationValue {
    /// Nanoseconds.
    Fixed(i64),
    /// Arithmetic.
    Expr(Box<DurationExpr>),
}

impl DurationValue {
    /// True for no offset at all.
    pub fn is_zero(&self) -> bool {
        matches!(self, Self::Fixed(0))
    }
}

/// Operators of duration arithmetic.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "named after the operator")]
pub enum DurationOp {
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    Pow,
    MinOf,
    MaxOf,
}

/// Arithmetic over durations, in seconds.
#[derive(Clone, PartialEq, Debug)]
pub enum DurationExpr {
    /// Seconds, or a duration literal.
    Number(NumberLiteral),
    /// `step()`
    Step(Span),
    /// `range()`
    Range(Span),
    /// `-x`
    Negate(Box<DurationExpr>, Span),
    /// Two operands; `min_of(a, b)` and `max_of(a, b)` too.
    Binary(DurationOp, Box<DurationExpr>, Box<DurationExpr>, Span),
    /// `(x)`
    Paren(Box<DurationExpr>, Span),
}

impl DurationExpr {
    /// Its place.
    pub fn at(&self) -> Span {
        match self {
            Self::Number(number) => number.at,
            Self::Step(at) | Self::Range(at) | Self::Negate(_, at) | Self::Binary(.., at) | Self::Paren(_, at) => *at,
        }
    }
}

/// A number.
#[derive(Clone, PartialEq, Debug)]
pub struct NumberLiteral {
    /// The value; of a duration, seconds.
    pub value: f64,
    /// Written as a duration.
    pub duration: bool,
    /// Place.
    pub at: Span,
}

/// A text.
#[derive(Clone, PartialEq, Debug)]
pub struct StringLiteral {
    /// The text.
    pub value: String,
    /// Place.
    pub at: Span,
}

/// `name{label="value"} @ t offset d`
#[derive(Clone, PartialEq, Debug)]
pub struct VectorSelector {
    /// The name before the braces; empty when there is none.
    pub name: SmolStr,
    /// Conditions, the name's as the last.
    pub matchers: Vec<Matcher>,
    /// `offset`
    pub offset: DurationValue,
    /// `@`
    pub at_time: Option<At>,
    /// `anchored` or `smoothed`.
    pub extension: Extension,
    /// Place, modifiers included.
    pub at: Span,
}

/// `selector[range]`. Modifiers behind the bracket are the selector's.
#[derive(Clone, PartialEq, Debug)]
pub struct MatrixSelector {
    /// What is selected.
    pub selector: VectorSelector,
    /// How far back.
    pub range: DurationValue,
    /// Place, modifiers included.
    pub at: Span,
}

/// `expr[range:step]`
#[derive(Clone, PartialEq, Debug)]
pub struct Subquery {
    /// What is evaluated.
    pub expr: Expr,
    /// How far back.
    pub range: DurationValue,
    /// Between evaluations; zero leaves it to the engine.
    pub step: DurationValue,
    /// `offset`
    pub offset: DurationValue,
    /// `@`
    pub at_time: Option<At>,
    /// Place.
    pub at: Span,
}

/// `op by (labels) (param, expr)`
#[derive(Clone, PartialEq, Debug)]
pub struct Aggregate {
    /// Operator.
    pub op: AggregateOp,
    /// Parameter.
    pub param: Option<Expr>,
    /// What is aggregated.
    pub expr: Expr,
    /// Labels.
    pub grouping: Vec<SmolStr>,
    /// `without` instead of `by`.
    pub without: bool,
    /// Place.
    pub at: Span,
}

/// How many series of each side belong to one of the other.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Cardinality {
    /// One and one.
    #[default]
    OneToOne,
    /// `group_left`
    ManyToOne,
    /// `group_right`
    OneToMany,
    /// Set operators.
    ManyToMany,
}

/// How series of two vectors find each other.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Matching {
    /// Cardinality.
    pub card: Cardinality,
    /// Labels of `on` or `ignoring`.
    pub labels: Vec<SmolStr>,
    /// `on` instead of `ignoring`.
    pub on: bool,
    /// Labels taken from the one side.
    pub include: Vec<SmolStr>,
    /// Value for a missing left side.
    pub fill_left: Option<f64>,
    /// Value for a missing right side.
    pub fill_right: Option<f64>,
}

/// `lhs op rhs`
#[derive(Clone, PartialEq, Debug)]
pub struct Binary {
    /// Operator.
    pub op: BinaryOp,
    /// Left.
    pub lhs: Expr,
    /// Right.
    pub rhs: Expr,
    /// `bool`
    pub return_bool: bool,
    /// Matching; of use between vectors alone.
    pub matching: Matching,
    /// Place of the operator.
    pub op_at: Span,
}

/// `function(args)`
#[derive(Clone, PartialEq, Debug)]
pub struct Call {
    /// The function.
    pub function: &'static Function,
    /// Arguments.
    pub args: Vec<Expr>,
    /// Place.
    pub at: Span,
}

/// An expression.
#[derive(Clone, PartialEq, Debug)]
pub enum Expr {
    /// A number.
    Number(NumberLiteral),
    /// A text.
    String(StringLiteral),
    /// An instant vector selector.
    Vector(Box<VectorSelector>),
    /// A range vector selector.
    Matrix(Box<MatrixSelector>),
    /// A subquery.
    Subquery(Box<Subquery>),
    /// An aggregation.
    Aggregate(Box<Aggregate>),
    /// A binary operation.
    Binary(Box<Binary>),
    /// A function call.
    Call(Box<Call>),
    /// `(expr)`
    Paren(Box<Expr>, Span),
    /// `-expr`, or `+expr` when not negated.
    Unary {
        /// True for `-`.
        negate: bool,
        /// Operand.
        expr: Box<Expr>,
        /// Place.
        at: Span,
    },
}

impl Expr {
    /// Its place.
    pub fn at(&self) -> Span {
        match self {
            Self::Number(node) => node.at,
            Self::String(node) => node.at,
            Self::Vector(node) => node.at,
            Self::Matrix(node) => node.at,
            Self::Subquery(node) => node.at,
            Self::Aggregate(node) => node.at,
            Self::Binary(node) => node.lhs.at().to(node.rhs.at()),
            Self::Call(node) => node.at,
            Self::Paren(_, at) | Self::Unary { at, .. } => *at,
        }
    }

    /// Type of its value.
    pub fn value_type(&self) -> ValueType {
        match self {
            Self::Number(_) => ValueType::Scalar,
            Self::String(_) => ValueType::String,
            Self::Vector(_) | Self::Aggregate(_) => ValueType::Vector,
            Self::Matrix(_) | Self::Subquery(_) => ValueType::Matrix,
            Self::Binary(node) => {
                if node.lhs.value_type() == ValueType::Scalar && node.rhs.value_type() == ValueType::Scalar {
                    ValueType::Scalar
                } else {
                    ValueType::Vector
                }
            }
            Self::Call(node) => node.function.returns,
            Self::Paren(expr, _) | Self::Unary { expr, .. } => expr.value_type(),
        }
    }

    /// Without parentheses around it.
    pub fn unwrapped(&self) -> &Self {
        match self {
            Self::Paren(inner, _) => inner.unwrapped(),
            other => other,
        }
    }

    /// Calls `visit` for this node and every one below, parents first.
    pub fn walk<'a>(&'a self, visit: &mut impl FnMut(&'a Self)) {
        visit(self);
        match self {
            Self::Number(_) | Self::String(_) | Self::Vector(_) | Self::Matrix(_) => {}
            Self::Subquery(node) => node.expr.walk(visit),
            Self::Aggregate(node) => {
                node.expr.walk(visit);
                if let Some(param) = &node.param {
                    param.walk(visit);
                }
            }
            Self::Binary(node) => {
                node.lhs.walk(visit);
                node.rhs.walk(visit);
            }
            Self::Call(node) => node.args.iter().for_each(|arg| arg.walk(visit)),
            Self::Paren(expr, _) | Self::Unary { expr, .. } => expr.walk(visit),
        }
    }

    /// Matchers of every selector, in the order of the text.
    pub fn selectors(&self) -> Vec<&[Matcher]> {
        let mut selectors = Vec::new();
        self.walk(&mut |expr| match expr {
            Self::Vector(node) => selectors.push(node.matchers.as_slice()),
            Self::Matrix(node) => selectors.push(node.selector.matchers.as_slice()),
            _ => {}
        });
        selectors
    }
}
