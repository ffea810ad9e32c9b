//! A comparison in words: a sentence for a path, Markdown for a ticket.

use super::Compared;
use crate::analysis::DiffRow;
use crate::engine::contrast::Contrast;
use crate::model::{DurationNs, units};
use crate::ui::canvas::difference::change;
use std::fmt::Write as _;

/// Paths that Markdown lists, the most changed.
const PATHS: usize = 15;
/// Attributes that Markdown lists.
const ATTRIBUTES: usize = 10;

/// Calls of one trace: whole where all traces are one.
pub(super) fn calls(count: u64, traces: u64) -> String {
    let each = count as f64 / traces.max(1) as f64;
    if each.fract().abs() < 0.05 { units::count(each.round() as u64) } else { format!("{each:.1}") }
}

/// Time of one side, absent where it lacks the path.
pub(super) fn time(count: u64, nanos: i64) -> String {
    if count == 0 { units::ABSENT.to_owned() } else { units::duration(DurationNs(nanos)) }
}

/// What happened to a path, for the tooltip and for screen readers.
pub(super) fn sentence(row: &DiffRow, contrast: &Contrast) -> String {
    let (a, b) = (time(row.count_a, row.duration_ns_a), time(row.count_b, row.duration_ns_b));
    let (calls_a, calls_b) = (calls(row.count_a, contrast.a.traces), calls(row.count_b, contrast.b.traces));
    let own = units::duration_change(DurationNs(row.self_ns_b - row.self_ns_a));
    let note = note(row).map(|(note, _)| format!(", {note}")).unwrap_or_default();
    format!("{}, A {a}, B {b}, self {own}, calls {calls_a} to {calls_b}{note}", row.service)
}

/// What is worth a note, and whether it is bad.
pub(super) fn note(row: &DiffRow) -> Option<(String, bool)> {
    let failed = row.errors_b.cmp(&row.errors_a);
    match (row.count_a, row.count_b) {
        (0, _) => Some(("new".to_owned(), row.errors_b > 0)),
        (_, 0) => Some(("gone".to_owned(), false)),
        _ if failed.is_gt() => Some((format!("{} failed, before {}", row.errors_b, row.errors_a), true)),
        _ if failed.is_lt() => Some((format!("{} failed, before {}", row.errors_b, row.errors_a), false)),
        (a, b) if b >= 5 && b >= a.saturating_mul(3) => Some(("many more calls".to_owned(), true)),
        _ => None,
    }
}

/// The comparison for a ticket.
pub(super) fn markdown(shown: &Compared) -> String {
    let contrast = &shown.contrast;
    let mut text = String::new();
    let name = |at: usize| shown.names[at].split('\u{1f}').next().unwrap_or_default().replace('`', "'");
    writeln!(text, "### {} compared\n", contrast.b.root.1.replace('`', "'")).ok();
    writeln!(text, "| | A | B |\n|---|---|---|").ok();
    writeln!(text, "| what | `{}` | `{}` |", name(0), name(1)).ok();
    let length = |nanos: i64| units::duration(DurationNs(nanos));
    writeln!(text, "| took | {} | {} |", length(contrast.a.duration_ns), length(contrast.b.duration_ns)).ok();
    writeln!(text, "| traces | {} | {} |", contrast.a.traces, contrast.b.traces).ok();
    writeln!(text, "| spans | {} | {} |", contrast.a.spans, contrast.b.spans).ok();
    writeln!(text, "| errors | {} | {} |", contrast.a.errors, contrast.b.errors).ok();
    let mut rows: Vec<&DiffRow> = contrast.rows.iter().collect();
    rows.sort_by_key(|row| std::cmp::Reverse(change(row).abs()));
    writeln!(text, "\n| path | A | B | change | calls | |\n|---|--:|--:|--:|---|---|").ok();
    for row in rows.into_iter().take(PATHS) {
        let calls = format!("{} \u{2192} {}", calls(row.count_a, contrast.a.traces), calls(row.count_b, contrast.b.traces));
        let note = note(row).map(|(note, _)| note).unwrap_or_default();
        let (a, b) = (time(row.count_a, row.duration_ns_a), time(row.count_b, row.duration_ns_b));
        let path = row.path.replace('|', "\\|").replace('`', "'");
        let changed = units::duration_change(DurationNs(change(row)));
        writeln!(text, "| `{path}` | {a} | {b} | {changed} | {calls} | {note} |").ok();
    }
    if !contrast.differences.differences.is_empty() {
        writeln!(text, "\n**More frequent in B**\n").ok();
        for one in contrast.differences.differences.iter().take(ATTRIBUTES) {
            let (inside, outside) = (units::percent(one.inside_share), units::percent(one.outside_share));
            let value = one.value.replace('`', "'");
            writeln!(text, "- `{} = {value}`: {inside}, in A {outside}", one.key).ok();
        }
    }
    text
}
