//! The kinds of tokens, and the words that are more than names.

use super::position::Span;

/// What a token is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "each is named after what stands in the text")]
pub enum Kind {
    Eof,
    Error,
    Identifier,
    MetricIdentifier,
    Number,
    Duration,
    String,
    LeftParen,
    RightParen,
    LeftBrace,
    RightBrace,
    LeftBracket,
    RightBracket,
    Comma,
    Colon,
    Assign,
    EqualRegex,
    NotRegex,
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    Pow,
    Equal,
    NotEqual,
    LessEqual,
    Less,
    GreaterEqual,
    Greater,
    TrimUpper,
    TrimLower,
    At,
    And,
    Or,
    Unless,
    Atan2,
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
    Offset,
    Smoothed,
    Anchored,
    By,
    Without,
    On,
    Ignoring,
    GroupLeft,
    GroupRight,
    Fill,
    FillLeft,
    FillRight,
    Bool,
    Start,
    End,
    Step,
    Range,
    MaxOf,
    MinOf,
}

impl Kind {
    /// An aggregation operator.
    pub fn is_aggregator(self) -> bool {
        use Kind::*;
        matches!(
            self,
            Sum | Avg
                | Count
                | Min
                | Max
                | Group
                | Stddev
                | Stdvar
                | Topk
                | Bottomk
                | CountValues
                | Quantile
                | Limitk
                | LimitRatio
        )
    }

    /// A word that modifies: `by`, `offset`, `bool`.
    pub fn is_keyword(self) -> bool {
        use Kind::*;
        matches!(
            self,
            Bool | By
                | GroupLeft
                | GroupRight
                | Fill
                | FillLeft
                | FillRight
                | Ignoring
                | Offset
                | Smoothed
                | Anchored
                | On
                | Without
        )
    }

    /// A binary operator or one of its like that messages call operators.
    pub fn is_operator(self) -> bool {
        use Kind::*;
        matches!(
            self,
            Add | Div
                | Equal
                | EqualRegex
                | GreaterEqual
                | Greater
                | TrimUpper
                | TrimLower
                | And
                | Or
                | Less
                | LessEqual
                | Unless
                | Mod
                | Mul
                | NotEqual
                | NotRegex
                | Pow
                | Sub
                | At
                | Atan2
        )
    }

    /// Words that are a metric's name where an expression begins.
    pub fn names_a_metric(self) -> bool {
        use Kind::*;
        self.is_aggregator()
            || matches!(
                self,
                Identifier
                    | MetricIdentifier
                    | By
                    | Fill
                    | FillLeft
                    | FillRight
                    | And
                    | Or
                    | Unless
                    | Offset
                    | Without
                    | Start
                    | End
                    | Step
                    | Range
                    | Anchored
                    | Smoothed
                    | MaxOf
                    | MinOf
            )
    }

    /// Words that are a label's name in a list of labels.
    pub fn names_a_label(self) -> bool {
        use Kind::*;
        self.names_a_metric() || matches!(self, Bool | GroupLeft | GroupRight | Ignoring | On | Atan2)
    }
}

/// A token.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Token {
    /// What it is.
    pub kind: Kind,
    /// Where.
    pub at: Span,
}

/// Keywords in lower case. `inf` and `nan` are numbers.
pub(super) fn keyword(word: &[u8]) -> Option<Kind> {
    use Kind::*;
    let mut lower = [0_u8; 12];
    let lower = lower.get_mut(..word.len())?;
    for (to, from) in lower.iter_mut().zip(word) {
        *to = from.to_ascii_lowercase();
    }
    Some(match &*lower {
        b"and" => And,
        b"or" => Or,
        b"unless" => Unless,
        b"atan2" => Atan2,
        b"sum" => Sum,
        b"avg" => Avg,
        b"count" => Count,
        b"min" => Min,
        b"max" => Max,
        b"group" => Group,
        b"stddev" => Stddev,
        b"stdvar" => Stdvar,
        b"topk" => Topk,
        b"bottomk" => Bottomk,
        b"count_values" => CountValues,
        b"quantile" => Quantile,
        b"limitk" => Limitk,
        b"limit_ratio" => LimitRatio,
        b"offset" => Offset,
        b"smoothed" => Smoothed,
        b"anchored" => Anchored,
        b"by" => By,
        b"without" => Without,
        b"on" => On,
        b"ignoring" => Ignoring,
        b"group_left" => GroupLeft,
        b"group_right" => GroupRight,
        b"fill" => Fill,
        b"fill_left" => FillLeft,
        b"fill_right" => FillRight,
        b"bool" => Bool,
        b"start" => Start,
        b"end" => End,
        b"step" => Step,
        b"range" => Range,
        b"max_of" => MaxOf,
        b"min_of" => MinOf,
        b"inf" | b"nan" => Number,
        _ => return None,
    })
}
