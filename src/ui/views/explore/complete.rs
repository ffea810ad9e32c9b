//! What may come next in a query: metrics, functions, aggregations, labels and their values.
//!
//! The tokens before the cursor tell where it stands. Values are asked for off the frame; everything else is at hand.

use super::ask::Catalogue;
use crate::promql::ast::ValueType;
use crate::promql::functions::{FUNCTIONS, Function};
use crate::promql::{TokenKind, tokens};
use crate::source::{MatchOp, Matcher};
use smol_str::SmolStr;
use std::ops::Range;

/// Proposals at most.
const MOST: usize = 60;
/// Aggregations with what they give.
const AGGREGATIONS: [(&str, &str); 13] = [
    ("sum", "Sum over series"),
    ("avg", "Mean over series"),
    ("count", "Number of series"),
    ("min", "Least over series"),
    ("max", "Greatest over series"),
    ("topk", "The k greatest series"),
    ("bottomk", "The k least series"),
    ("quantile", "A quantile over series"),
    ("stddev", "Standard deviation over series"),
    ("stdvar", "Variance over series"),
    ("group", "1 for each group"),
    ("count_values", "Series by value"),
    ("limitk", "Some k series"),
];
/// Words between and after operands.
const WORDS: [(&str, &str); 12] = [
    ("by", "Keep these labels"),
    ("without", "Drop these labels"),
    ("on", "Match on these labels"),
    ("ignoring", "Match on all other labels"),
    ("group_left", "Many to one"),
    ("group_right", "One to many"),
    ("and", "Series that both sides have"),
    ("or", "Series of either side"),
    ("unless", "Series that the right side lacks"),
    ("offset", "Earlier by a duration"),
    ("bool", "1 or 0 instead of a filter"),
    ("atan2", "Angle of two values"),
];
/// Ranges.
const RANGES: [&str; 7] = ["1m", "5m", "10m", "30m", "1h", "6h", "1d"];

/// Where the cursor stands.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Spot {
    /// A metric, a function, an aggregation.
    Operand,
    /// After an operand: a word.
    Word,
    /// A label of a metric; of all metrics without one.
    Label(SmolStr),
    /// A value of a label.
    Value {
        /// Metric, empty when not said.
        metric: SmolStr,
        /// Label.
        label: SmolStr,
    },
    /// A range.
    Duration,
    /// Nothing is offered.
    Nothing,
}

/// What kind of thing a proposal is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Offer {
    /// Metric.
    Metric,
    /// Function or aggregation.
    Function,
    /// Label.
    Label,
    /// Value of a label.
    Value,
    /// Word or duration.
    Word,
}

/// A proposal.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Proposal {
    /// Kind.
    pub offer: Offer,
    /// As it is listed.
    pub label: String,
    /// What takes the place of the begun word.
    pub insert: String,
    /// Beside it: a kind, a count.
    pub detail: String,
    /// What it is, for the side.
    pub help: String,
}

/// Where the cursor stands, and the begun word.
pub(super) fn spot(text: &str, cursor: usize) -> (Spot, Range<usize>) {
    let before = text.get(..cursor).unwrap_or(text);
    let mut found = tokens(before);
    let nothing = (Spot::Nothing, cursor..cursor);
    let mut word = cursor..cursor;
    let mut string = None;
    match found.last().copied() {
        Some(token) if token.kind == TokenKind::Error => {
            found.pop();
            let rest = before.get(token.at.range()).unwrap_or_default();
            if rest.starts_with(['"', '\'', '`']) {
                string = Some(token.at.start as usize + 1..cursor);
            } else if rest.starts_with('#') || rest.trim().contains(|c: char| !c.is_alphanumeric() && c != '_' && c != ':') {
                return nothing;
            } else if let Some(start) = before.rfind(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')) {
                word = start + before[start..].chars().next().map_or(1, char::len_utf8)..cursor;
            }
            // What is unclosed at the end is an error behind the begun word, which has a token of its own.
            found.retain(|token| word.is_empty() || (token.at.start as usize) < word.start);
        }
        Some(token) if token.at.end as usize == cursor && begun(before, token.at.range()) => {
            found.pop();
            word = token.at.range();
        }
        _ => {}
    }
    let (mut metric, mut braces, mut bracket) = (SmolStr::default(), false, false);
    let mut parens: Vec<bool> = Vec::new();
    let mut previous: Option<(TokenKind, &str)> = None;
    let (mut label, mut compared) = (SmolStr::default(), false);
    for token in &found {
        let piece = before.get(token.at.range()).unwrap_or_default();
        match token.kind {
            TokenKind::LeftBrace => {
                braces = true;
                metric = match previous {
                    Some((TokenKind::Identifier | TokenKind::MetricIdentifier, name)) => name.into(),
                    _ => SmolStr::default(),
                };
            }
            TokenKind::RightBrace => braces = false,
            TokenKind::LeftBracket => bracket = true,
            TokenKind::RightBracket => bracket = false,
            TokenKind::LeftParen => {
                let groups = matches!(
                    previous,
                    Some((
                        TokenKind::By
                            | TokenKind::Without
                            | TokenKind::On
                            | TokenKind::Ignoring
                            | TokenKind::GroupLeft
                            | TokenKind::GroupRight,
                        _
                    ))
                );
                parens.push(groups);
            }
            TokenKind::RightParen => _ = parens.pop(),
            _ => {}
        }
        if braces {
            match token.kind {
                TokenKind::Identifier | TokenKind::String if !compared => {
                    label = piece.trim_matches(['"', '\'', '`']).into();
                }
                TokenKind::Comma | TokenKind::LeftBrace => compared = false,
                TokenKind::Assign | TokenKind::NotEqual | TokenKind::EqualRegex | TokenKind::NotRegex => compared = true,
                _ => {}
            }
        }
        previous = Some((token.kind, piece));
    }
    if let Some(inside) = string {
        let value = Spot::Value { metric, label };
        return (if braces && compared { value } else { Spot::Nothing }, inside);
    }
    if bracket {
        return (Spot::Duration, word);
    }
    let last = previous.map(|(kind, _)| kind);
    if braces {
        let fresh = matches!(last, Some(TokenKind::LeftBrace | TokenKind::Comma));
        return if fresh { (Spot::Label(metric), word) } else { (Spot::Nothing, word) };
    }
    if parens.last() == Some(&true) {
        // The metric that is aggregated may stand behind; the whole text tells it best.
        return (Spot::Label(first_metric(text)), word);
    }
    let operand = matches!(
        last,
        Some(
            TokenKind::RightParen
                | TokenKind::RightBrace
                | TokenKind::RightBracket
                | TokenKind::Identifier
                | TokenKind::MetricIdentifier
                | TokenKind::Number
                | TokenKind::Duration
        )
    );
    let aggregation = last.is_some_and(TokenKind::is_aggregator);
    if (operand || aggregation) && word.is_empty() && cursor == before.trim_end().len() {
        return (Spot::Nothing, word);
    }
    if operand || aggregation { (Spot::Word, word) } else { (Spot::Operand, word) }
}

/// True for a token that a begun word may be: an identifier or a keyword, or what begins like one.
fn begun(text: &str, at: Range<usize>) -> bool {
    let piece = text.get(at).unwrap_or_default();
    piece.chars().next().is_some_and(|c| c.is_alphabetic() || c == '_')
        && piece.chars().all(|c| c.is_alphanumeric() || c == '_' || c == ':')
}

/// The first metric that a text names.
fn first_metric(text: &str) -> SmolStr {
    let all = tokens(text);
    let named = all.iter().enumerate().find(|(at, token)| {
        matches!(token.kind, TokenKind::Identifier | TokenKind::MetricIdentifier)
            && all.get(at + 1).is_none_or(|next| next.kind != TokenKind::LeftParen)
            && Function::named(text.get(token.at.range()).unwrap_or_default()).is_none()
            && !at.checked_sub(1).and_then(|at| all.get(at)).is_some_and(|before| {
                matches!(before.kind, TokenKind::LeftParen | TokenKind::Comma)
                    && all[..at.saturating_sub(1)].last().is_some_and(|word| {
                        matches!(word.kind, TokenKind::By | TokenKind::Without | TokenKind::On | TokenKind::Ignoring)
                    })
            })
    });
    named.and_then(|(_, token)| text.get(token.at.range())).unwrap_or_default().into()
}

/// Matchers that pick the series of a metric; none picks all.
pub(super) fn of_metric(metric: &str) -> Vec<Vec<Matcher>> {
    if metric.is_empty() {
        return Vec::new();
    }
    vec![vec![Matcher { name: "__name__".into(), op: MatchOp::Equal, value: metric.into() }]]
}

/// How a function is called and what it gives.
pub(super) fn signature(function: &Function) -> String {
    let name = |kind: &ValueType| kind.documented();
    let required = match function.variadic {
        0 => function.args.len(),
        _ => function.args.len().saturating_sub(1),
    };
    let args = function.args.iter().enumerate().map(|(at, kind)| {
        let text = name(kind);
        if at < required { text.to_owned() } else { format!("[{text}]") }
    });
    let mut args: Vec<String> = args.collect();
    if function.variadic < 0 {
        args.push("\u{2026}".to_owned());
    }
    format!("{}({}) {}", function.name, args.join(", "), name(&function.returns))
}

/// Proposals for a begun word, best first. `known` are labels or values that were asked for.
pub(super) fn proposals(spot: &Spot, word: &str, catalogue: &Catalogue, known: &[SmolStr]) -> Vec<Proposal> {
    let mut found: Vec<(u8, Proposal)> = Vec::new();
    let mut offer = |rank: u8, proposal: Proposal| {
        if let Some(matched) = matches(&proposal.label, word) {
            found.push((matched * 4 + rank, proposal));
        }
    };
    match spot {
        Spot::Operand => {
            for metric in &catalogue.metrics {
                let detail = format!("{}, {}", metric.kind.word(), metric.series);
                offer(0, plain(Offer::Metric, &metric.name, &detail, &metric.help));
            }
            for (name, help) in AGGREGATIONS {
                let called = Proposal { insert: format!("{name}("), ..plain(Offer::Function, name, "aggregation", help) };
                offer(1, called);
            }
            for function in &FUNCTIONS {
                let detail = if function.experimental { "function, experimental" } else { "function" };
                let help = signature(function);
                let called =
                    Proposal { insert: format!("{}(", function.name), ..plain(Offer::Function, function.name, detail, &help) };
                offer(2, called);
            }
        }
        Spot::Word => WORDS.iter().for_each(|(name, help)| offer(0, plain(Offer::Word, name, "", help))),
        Spot::Duration => RANGES.iter().for_each(|range| offer(0, plain(Offer::Word, range, "range", "How far back"))),
        Spot::Label(_) => {
            let names = if known.is_empty() { &catalogue.labels } else { known };
            names.iter().filter(|name| *name != "__name__").for_each(|name| offer(0, plain(Offer::Label, name, "label", "")));
        }
        Spot::Value { .. } => known.iter().for_each(|value| {
            let insert = value.replace('\\', "\\\\").replace('"', "\\\"");
            offer(0, Proposal { insert, ..plain(Offer::Value, value, "value", "") });
        }),
        Spot::Nothing => {}
    }
    found.sort_by(|a, b| a.0.cmp(&b.0).then_with(|| a.1.label.cmp(&b.1.label)));
    found.truncate(MOST);
    // What is written out already needs no proposal.
    if found.len() == 1 && found[0].1.label == word {
        found.clear();
    }
    found.into_iter().map(|(_, proposal)| proposal).collect()
}

fn plain(offer: Offer, label: &str, detail: &str, help: &str) -> Proposal {
    Proposal { offer, label: label.to_owned(), insert: label.to_owned(), detail: detail.to_owned(), help: help.to_owned() }
}

/// How well a word fits: 0 begins it, 1 begins a part of it, 2 is within it.
fn matches(label: &str, word: &str) -> Option<u8> {
    if word.is_empty() {
        return Some(0);
    }
    let (label, word) = (label.to_lowercase(), word.to_lowercase());
    let at = label.find(&word)?;
    match at {
        0 => Some(0),
        at if label.as_bytes().get(at - 1).is_some_and(|byte| matches!(byte, b'_' | b':')) => Some(1),
        _ => Some(2),
    }
}

#[cfg(test)]
mod tests {
    use super::super::ask::Metric;
    use super::*;
    use crate::model::MetricKind;

    fn label(metric: &str) -> Spot {
        Spot::Label(metric.into())
    }

    #[test]
    fn the_tokens_before_the_cursor_tell_what_comes_next() {
        let value = |metric: &str, label: &str| Spot::Value { metric: metric.into(), label: label.into() };
        // The cursor stands at `|`.
        for (text, spot_there, word) in [
            ("|", Spot::Operand, ""),
            ("ra|", Spot::Operand, "ra"),
            ("sum(ht|", Spot::Operand, "ht"),
            ("sum(rate(ht|[5m]))", Spot::Operand, "ht"),
            ("up + n|", Spot::Operand, "n"),
            ("up{|", label("up"), ""),
            ("up{jo|", label("up"), "jo"),
            ("up{job=\"a\",in|}", label("up"), "in"),
            ("up{job=|", Spot::Nothing, ""),
            ("up{job=\"|", value("up", "job"), ""),
            ("up{job=\"a\", instance=~\"lo|", value("up", "instance"), "lo"),
            ("sum by (|) (up)", label("up"), ""),
            ("sum by (jo|) (rate(http_total[5m]))", label("http_total"), "jo"),
            ("sum(up) b|", Spot::Word, "b"),
            ("rate(up[|", Spot::Duration, ""),
            ("label_replace(up, \"a|", Spot::Nothing, "a"),
        ] {
            let cursor = text.find('|').unwrap();
            let text = text.replace('|', "");
            let (found, range) = spot(&text, cursor);
            assert_eq!((found, &text[range]), (spot_there, word), "{text} at {cursor}");
        }
    }

    #[test]
    fn metrics_come_before_functions_and_what_begins_with_the_word_before_what_holds_it() {
        let metric = |name: &str| Metric {
            name: name.into(),
            kind: MetricKind::Counter,
            help: "Requests".into(),
            unit: SmolStr::default(),
            series: 4,
        };
        let catalogue = Catalogue { metrics: vec![metric("http_rate"), metric("rate_total")], ..Catalogue::default() };
        let found = proposals(&Spot::Operand, "rate", &catalogue, &[]);
        let labels: Vec<&str> = found.iter().map(|proposal| proposal.label.as_str()).collect();
        assert_eq!(labels[..3], ["rate_total", "rate", "http_rate"]);
        assert_eq!((found[0].detail.as_str(), found[0].help.as_str()), ("counter, 4", "Requests"));
        assert_eq!(found[1].help, "rate(range vector) instant vector");
        let quoted = proposals(&Spot::Value { metric: "a".into(), label: "b".into() }, "", &catalogue, &["x\"y".into()]);
        assert_eq!(quoted[0].insert, "x\\\"y");
    }
}
