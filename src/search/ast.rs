//! The parsed form of a query.

use crate::model::{SpanKind, StatusCode};
use regex::Regex;
use smol_str::SmolStr;
use std::fmt;
use std::ops::Range;

/// A constant.
#[derive(Clone, Debug, PartialEq)]
pub enum Static {
    /// Absent.
    Nil,
    /// Integer.
    Int(i64),
    /// Float.
    Float(f64),
    /// Nanoseconds.
    Duration(i64),
    /// Text.
    Str(SmolStr),
    /// True or false.
    Bool(bool),
    /// A status.
    Status(StatusCode),
    /// A kind.
    Kind(SpanKind),
    /// Values of one type.
    Array(Vec<Static>),
}

/// What a span is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Field {
    /// An attribute of a scope.
    Attr(Scope, SmolStr),
    /// A property of its own.
    Intrinsic(Intrinsic),
    /// Free text: the value is true when any text of the span contains the needle, case folded.
    FreeText(SmolStr),
}

/// Where an attribute is looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// `.k`: span, then resource.
    Any,
    /// `span.k`
    Span,
    /// `resource.k`
    Resource,
    /// `event.k`
    Event,
    /// `link.k`
    Link,
    /// `instrumentation.k`
    Instrumentation,
}

macro_rules! intrinsics {
    ($($name:ident $text:literal $type:ident;)*) => {
        /// A property that every span, trace, event or link has without attributes.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Intrinsic {
            $(#[doc = concat!("`", $text, "`")] $name,)*
        }

        impl Intrinsic {
            /// All intrinsics.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// As it is written, scoped form.
            pub fn text(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// Its type.
            pub fn value_type(self) -> Type {
                match self { $(Self::$name => Type::$type,)* }
            }
        }
    };
}

intrinsics! {
    Duration "span:duration" Number;
    Name "span:name" Str;
    Kind "span:kind" Kind;
    Status "span:status" Status;
    StatusMessage "span:statusMessage" Str;
    SpanId "span:id" Str;
    ParentId "span:parentID" Str;
    ChildCount "span:childCount" Number;
    TraceDuration "trace:duration" Number;
    RootName "trace:rootName" Str;
    RootService "trace:rootService" Str;
    TraceId "trace:id" Str;
    EventName "event:name" Str;
    EventTime "event:timeSinceStart" Number;
    LinkTraceId "link:traceID" Str;
    LinkSpanId "link:spanID" Str;
    ScopeName "instrumentation:name" Str;
    ScopeVersion "instrumentation:version" Str;
    NestedSetLeft "nestedSetLeft" Number;
    NestedSetRight "nestedSetRight" Number;
    NestedSetParent "nestedSetParent" Number;
}

impl Intrinsic {
    /// From the scoped form or the old bare word.
    pub fn from_text(text: &str) -> Option<Self> {
        let old = match text {
            "duration" => Self::Duration,
            "name" => Self::Name,
            "status" => Self::Status,
            "statusMessage" => Self::StatusMessage,
            "kind" => Self::Kind,
            "rootName" => Self::RootName,
            "rootServiceName" => Self::RootService,
            "traceDuration" => Self::TraceDuration,
            _ => return Self::ALL.iter().copied().find(|known| known.text() == text),
        };
        Some(old)
    }
}

/// What is known of an expression before it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// An attribute: anything.
    Unknown,
    /// Integer, float or duration.
    Number,
    /// Text.
    Str,
    /// True or false.
    Bool,
    /// Status.
    Status,
    /// Kind.
    Kind,
    /// `nil`.
    Nil,
}

/// An operator between two values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BinaryOp {
    /// `||`
    Or,
    /// `&&`
    And,
    /// `=`
    Eq,
    /// `!=`
    Ne,
    /// `<`
    Lt,
    /// `<=`
    Le,
    /// `>`
    Gt,
    /// `>=`
    Ge,
    /// `=~`
    Match,
    /// `!~`
    NotMatch,
    /// `+`
    Add,
    /// `-`
    Sub,
    /// `*`
    Mul,
    /// `/`
    Div,
    /// `%`
    Rem,
    /// `^`
    Pow,
}

impl BinaryOp {
    /// As it is written.
    pub fn text(self) -> &'static str {
        match self {
            Self::Or => "||",
            Self::And => "&&",
            Self::Eq => "=",
            Self::Ne => "!=",
            Self::Lt => "<",
            Self::Le => "<=",
            Self::Gt => ">",
            Self::Ge => ">=",
            Self::Match => "=~",
            Self::NotMatch => "!~",
            Self::Add => "+",
            Self::Sub => "-",
            Self::Mul => "*",
            Self::Div => "/",
            Self::Rem => "%",
            Self::Pow => "^",
        }
    }

    /// True for `+ - * / % ^`.
    pub fn is_arithmetic(self) -> bool {
        matches!(self, Self::Add | Self::Sub | Self::Mul | Self::Div | Self::Rem | Self::Pow)
    }
}

/// An operator before a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UnaryOp {
    /// `!`
    Not,
    /// `-`
    Neg,
}

/// An expression over one span, with its place in the text.
#[derive(Clone, Debug)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Bytes of the text.
    pub at: Range<usize>,
}

/// See [`Expr`].
#[derive(Clone, Debug)]
pub enum ExprKind {
    /// A constant.
    Static(Static),
    /// A look at the span.
    Field(Field),
    /// `!x`, `-x`
    Unary(UnaryOp, Box<Expr>),
    /// `a op b`
    Binary(BinaryOp, Box<Expr>, Box<Expr>),
    /// `a =~ "…"` and `!~`, compiled, anchored at both ends.
    Regex {
        /// Negated.
        negated: bool,
        /// What is matched.
        value: Box<Expr>,
        /// Pattern as written.
        pattern: SmolStr,
        /// Compiled.
        regex: Regex,
    },
}

/// Stages parted by `|`.
#[derive(Clone, Debug, Default)]
pub struct Pipeline {
    /// In order; the first is a spanset expression unless the query starts with another stage.
    pub stages: Vec<Stage>,
}

/// One stage.
#[derive(Clone, Debug)]
pub enum Stage {
    /// `{ … }` and operators between such.
    Spanset(SpansetExpr),
    /// `count() > 2`, `avg(duration) > 1s`
    Filter {
        /// Aggregate.
        aggregate: Aggregate,
        /// Comparison.
        op: BinaryOp,
        /// Constant.
        value: Static,
        /// Place in the text.
        at: Range<usize>,
    },
    /// `by(expr)`
    By(Expr),
    /// `coalesce()`
    Coalesce,
    /// `select(field, …)`
    Select(Vec<Field>),
}

/// A number that is computed over a spanset.
#[derive(Clone, Debug)]
pub enum Aggregate {
    /// `count()`
    Count,
    /// `avg(expr)`
    Avg(Expr),
    /// `min(expr)`
    Min(Expr),
    /// `max(expr)`
    Max(Expr),
    /// `sum(expr)`
    Sum(Expr),
}

/// How two spansets combine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SpansetOp {
    /// `&&`: both non-empty, union.
    And,
    /// `||`: union.
    Or,
    /// A structural relation.
    Structural {
        /// Which relation.
        relation: Relation,
        /// `!`, `&` or nothing before it.
        mode: StructuralMode,
    },
}

/// How a span on the right stands to one on the left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Relation {
    /// `>`: right is a child of left.
    Child,
    /// `>>`: right is a descendant of left.
    Descendant,
    /// `<`: right is the parent of left.
    Parent,
    /// `<<`: right is an ancestor of left.
    Ancestor,
    /// `~`: right has the same parent as another left.
    Sibling,
}

/// What a structural operator answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StructuralMode {
    /// The right spans that stand in the relation.
    Plain,
    /// `!`: the right spans that don't.
    Not,
    /// `&`: both sides of every relation that holds.
    Union,
}

/// `{ … }`, a parenthesised pipeline, or two of them combined.
#[derive(Clone, Debug)]
pub enum SpansetExpr {
    /// `{ expr }`; `None` is `{ }`.
    Filter(Option<Expr>),
    /// `( pipeline )`
    Pipeline(Pipeline),
    /// `a op b`
    Binary(SpansetOp, Box<SpansetExpr>, Box<SpansetExpr>),
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Intrinsic(intrinsic) => f.write_str(intrinsic.text()),
            Self::FreeText(needle) => write!(f, "{needle:?}"),
            Self::Attr(scope, key) => {
                let prefix = match scope {
                    Scope::Any => ".",
                    Scope::Span => "span.",
                    Scope::Resource => "resource.",
                    Scope::Event => "event.",
                    Scope::Link => "link.",
                    Scope::Instrumentation => "instrumentation.",
                };
                if key.contains(super::lexer::ends_name) { write!(f, "{prefix}{key:?}") } else { write!(f, "{prefix}{key}") }
            }
        }
    }
}

impl fmt::Display for Static {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nil => f.write_str("nil"),
            Self::Int(number) => write!(f, "{number}"),
            Self::Float(number) => write!(f, "{number:?}"),
            Self::Duration(nanos) => write!(f, "{nanos}ns"),
            Self::Str(text) => write!(f, "{text:?}"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Status(status) => f.write_str(status.word()),
            Self::Kind(kind) => f.write_str(kind.word()),
            Self::Array(_) => f.write_str("[…]"),
        }
    }
}

impl fmt::Display for Expr {
    /// TraceQL, every operation in parentheses.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            ExprKind::Static(value) => write!(f, "{value}"),
            ExprKind::Field(field) => write!(f, "{field}"),
            ExprKind::Unary(UnaryOp::Not, inner) => write!(f, "!({inner})"),
            ExprKind::Unary(UnaryOp::Neg, inner) => write!(f, "-({inner})"),
            ExprKind::Binary(op @ (BinaryOp::And | BinaryOp::Or), left, right) => {
                write!(f, "({left} {} {right})", op.text())
            }
            ExprKind::Binary(op, left, right) => write!(f, "{left} {} {right}", op.text()),
            ExprKind::Regex { negated, value, pattern, .. } => {
                write!(f, "{value} {} {pattern:?}", if *negated { "!~" } else { "=~" })
            }
        }
    }
}
