//! Labels of results: grouping, `label_replace`, `label_join`, `absent`, hashes.

use super::engine::{Engine, is_reserved, merge_equal};
use super::row::{Frame, Row};
use super::{Evaluate, failed};
use crate::model::Labels;
use crate::model::labels::METRIC_NAME;
use crate::promql::ast::{Call, Expr};
use crate::source::{MatchOp, Matcher, anchored_regex};
use smol_str::SmolStr;

/// What of a label set a grouping keeps.
pub(super) fn group_labels(labels: &Labels, grouping: &[SmolStr], without: bool) -> Labels {
    if without {
        labels.without(|name| is_reserved(name) || grouping.iter().any(|label| label == name))
    } else if grouping.is_empty() {
        Labels::default()
    } else {
        labels.without(|name| !grouping.iter().any(|label| label == name))
    }
}

/// Labels that the matchers of an absent series fix.
pub(super) fn of_absent(arg: Option<&Expr>) -> Labels {
    let matchers: &[Matcher] = match arg.map(Expr::unwrapped) {
        Some(Expr::Vector(selector)) => &selector.matchers,
        Some(Expr::Matrix(matrix)) => &matrix.selector.matchers,
        _ => &[],
    };
    let mut builder = Labels::default().edit();
    let mut seen: Vec<&str> = Vec::new();
    for matcher in matchers.iter().filter(|matcher| !is_reserved(&matcher.name)) {
        if matcher.op == MatchOp::Equal && !seen.contains(&matcher.name.as_str()) {
            builder.set(&matcher.name, &matcher.value);
            seen.push(&matcher.name);
        } else {
            builder.remove(&matcher.name);
        }
    }
    builder.build()
}

/// Any UTF-8 but nothing at all.
pub(super) fn is_label_name(name: &str) -> bool {
    !name.is_empty() && !crate::promql::text::has_raw_bytes(name)
}

pub(super) fn text_of(arg: Option<&Expr>) -> &str {
    match arg.map(Expr::unwrapped) {
        Some(Expr::String(text)) => &text.value,
        _ => "",
    }
}

impl Engine<'_> {
    pub(super) fn label_replace(&self, node: &Call, frame: &Frame) -> Evaluate<Vec<Row>> {
        let text = |index: usize| text_of(node.args.get(index));
        let (to, replacement, from, pattern) = (text(1), text(2), text(3), text(4));
        let Ok(regex) = anchored_regex(pattern) else {
            return failed(format!("invalid regular expression in label_replace(): {pattern}"));
        };
        if !is_label_name(to) {
            return failed(format!("invalid destination label name in label_replace(): {to}"));
        }
        let mut rows = self.rows(&node.args[0], frame)?;
        for row in &mut rows {
            let value = row.labels.get(from);
            let Some(found) = regex.captures(value) else { continue };
            let mut new = String::new();
            found.expand(replacement, &mut new);
            row.labels = row.labels.edit().set(to, &new).build();
            row.drop_name &= to != METRIC_NAME;
        }
        merge_equal(rows)
    }

    pub(super) fn label_join(&self, node: &Call, frame: &Frame) -> Evaluate<Vec<Row>> {
        let text = |index: usize| text_of(node.args.get(index));
        let (to, separator) = (text(1), text(2));
        let from: Vec<&str> = (3..node.args.len()).map(text).collect();
        if let Some(wrong) = from.iter().find(|label| !is_label_name(label)) {
            return failed(format!("invalid source label name in label_join(): {wrong}"));
        }
        if !is_label_name(to) {
            return failed(format!("invalid destination label name in label_join(): {to}"));
        }
        let mut rows = self.rows(&node.args[0], frame)?;
        for row in &mut rows {
            let values: Vec<&str> = from.iter().map(|label| row.labels.get(label)).collect();
            row.labels = row.labels.edit().set(to, &values.join(separator)).build();
            row.drop_name &= to != METRIC_NAME;
        }
        merge_equal(rows)
    }
}

/// Order of text with numbers in it: `a2` before `a10`.
pub(super) fn natural(a: &str, b: &str) -> std::cmp::Ordering {
    let (mut left, mut right) = (chunks(a).into_iter(), chunks(b).into_iter());
    loop {
        match (left.next(), right.next()) {
            (None, None) => return std::cmp::Ordering::Equal,
            (None, Some(_)) => return std::cmp::Ordering::Less,
            (Some(_), None) => return std::cmp::Ordering::Greater,
            (Some(x), Some(y)) => {
                let digits = |text: &str| text.as_bytes().first().is_some_and(u8::is_ascii_digit);
                let order = if digits(x) && digits(y) {
                    let (p, q) = (x.trim_start_matches('0'), y.trim_start_matches('0'));
                    p.len().cmp(&q.len()).then_with(|| p.cmp(q)).then_with(|| x.len().cmp(&y.len()))
                } else {
                    x.cmp(y)
                };
                if order.is_ne() {
                    return order;
                }
            }
        }
    }
}

/// Runs of digits and of everything else.
fn chunks(text: &str) -> Vec<&str> {
    let mut out = Vec::new();
    let mut start = 0;
    let bytes = text.as_bytes();
    for at in 1..bytes.len() {
        if bytes[at].is_ascii_digit() != bytes[at - 1].is_ascii_digit() {
            out.push(&text[start..at]);
            start = at;
        }
    }
    if start < text.len() {
        out.push(&text[start..]);
    }
    out
}

/// Prometheus' hash of a label set, which `limit_ratio` samples by: xxHash64 of its packed form, where a length of 255
/// and more takes four bytes.
pub(super) fn hash(labels: &Labels) -> u64 {
    let mut bytes = Vec::with_capacity(labels.packed().len() + 8);
    let mut push = |text: &str| {
        if text.len() < 255 {
            bytes.push(text.len() as u8);
        } else {
            let length = (text.len() as u32).to_le_bytes();
            bytes.extend_from_slice(&[255, length[0], length[1], length[2]]);
        }
        bytes.extend_from_slice(text.as_bytes());
    };
    for (name, value) in labels {
        push(name);
        push(value);
    }
    xxhash_rust::xxh64::xxh64(&bytes, 0)
}
