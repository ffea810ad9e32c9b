//! Findings as text: one line each, Markdown for a ticket, the query that lists their traces.

use super::kinds;
use crate::analysis::Finding;
use crate::model::{DurationNs, units};
use crate::ui::nav::link;
use std::fmt::Write as _;

/// Example traces that Markdown lists for each finding.
const EXAMPLES: usize = 3;

/// What the findings are of.
pub(super) struct About<'a> {
    pub(super) query: &'a str,
    pub(super) range: String,
    pub(super) traces: u64,
}

/// Kind and culprit: `N+1 calls in cart`.
pub(super) fn headline(finding: &Finding) -> String {
    let title = kinds::title(finding.kind);
    if finding.service.is_empty() { title.to_owned() } else { format!("{title} in {}", finding.service) }
}

/// What sets it apart, `app.tenant = dune`; empty without.
pub(super) fn culprit(finding: &Finding) -> String {
    match (finding.key.as_str(), finding.value.as_str()) {
        ("", _) => String::new(),
        (key, "") => key.to_owned(),
        (key, value) => format!("{key} = {value}"),
    }
}

/// What it would save, absent where time is not the cost.
pub(super) fn saving(finding: &Finding) -> String {
    if finding.saves_ns > 0 { units::duration(DurationNs(finding.saves_ns)) } else { units::ABSENT.to_owned() }
}

/// The query that finds spans like those of the finding; `None` when it is about no service and no operation. Keys that
/// are no attributes (`callee`, `statement`) narrow nothing.
pub(super) fn query(finding: &Finding) -> Option<String> {
    let quoted = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    let mut parts = Vec::new();
    if !finding.service.is_empty() {
        parts.push(format!("service = {}", quoted(&finding.service)));
    }
    if !finding.operation.is_empty() {
        parts.push(format!("name = {}", quoted(&finding.operation)));
    }
    if finding.key.contains('.') && !finding.value.is_empty() {
        let bare = finding.value.parse::<i64>().is_ok_and(|number| number.to_string() == finding.value);
        let value = if bare { finding.value.to_string() } else { quoted(&finding.value) };
        parts.push(format!("{} = {value}", finding.key));
    }
    (!parts.is_empty()).then(|| parts.join(" and "))
}

/// The findings for a ticket.
pub(super) fn markdown<'a>(findings: impl Iterator<Item = &'a Finding>, about: &About<'_>) -> String {
    let mut text = String::new();
    let of = if about.query.is_empty() { String::new() } else { format!(" of `{}`", about.query) };
    writeln!(text, "### Findings in {} traces{of}, {}\n", units::count(about.traces), about.range.to_lowercase()).ok();
    for (at, finding) in findings.enumerate() {
        let saves = if finding.saves_ns > 0 { format!(", saves {}", saving(finding)) } else { String::new() };
        let count = units::count(finding.count);
        writeln!(text, "{}. **{}**, {count} times{saves}: {}", at + 1, headline(finding), plain(&finding.text)).ok();
        for id in finding.traces.iter().take(EXAMPLES) {
            writeln!(text, "   - {}", link(*id, None)).ok();
        }
    }
    text
}

/// Data stays on its line and is no markup.
fn plain(text: &str) -> String {
    let escaped = |letter: char| matches!(letter, '*' | '_' | '`' | '|' | '<' | '[' | '\\');
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        if escaped(letter) {
            out.push('\\');
        }
        out.push(if letter.is_control() { ' ' } else { letter });
    }
    out
}
