//! A trace and its spans as text for elsewhere: Markdown for a ticket, a request as curl. Masked values stay masked,
//! because what is stored is masked already.

use super::load::Loaded;
use super::path::Path;
use crate::analysis::{Marks, outline};
use crate::model::{DurationNs, SpanRef, UnixNanos, units};
use crate::ui::nav::link;
use std::fmt::Write as _;

/// Lines of the tree in a ticket; more are for the exported file.
const TREE_LINES: usize = 80;
/// Errors that are listed.
const ERRORS: usize = 10;
/// Steps of the critical path that are listed.
const STEPS: usize = 5;

/// The trace, or what is under `root`, for a ticket: what it is, how long, what failed, where the time went, the tree.
pub(super) fn markdown(loaded: &Loaded, root: Option<u32>) -> String {
    let (tree, batch) = (&loaded.tree, loaded.batch());
    let first = batch.span(loaded.figures.root as usize);
    let (start, end) = tree.extent();
    let mut text = String::new();
    writeln!(text, "### {} \u{b7} {}\n", plain(first.name()), plain(first.service())).ok();
    writeln!(text, "| | |\n|---|---|").ok();
    writeln!(text, "| trace | `{}` |", loaded.trace.id).ok();
    writeln!(text, "| started | {} |", UnixNanos(start).to_rfc3339()).ok();
    let length = units::duration(DurationNs(end.saturating_sub(start)));
    let services = tree.services().len();
    writeln!(text, "| took | {length}, {} spans, {services} services, {} errors |", tree.spans(), loaded.figures.errors).ok();
    writeln!(text, "| open | {} |", link(loaded.trace.id, None)).ok();
    let errors: Vec<u32> = (0..tree.spans()).filter(|node| tree.marks(*node).has(Marks::ERROR)).collect();
    if !errors.is_empty() {
        writeln!(text, "\n**Errors**\n").ok();
        for node in errors.iter().take(ERRORS) {
            let span = batch.span(*node as usize);
            let message = if span.status_message().is_empty() { "error" } else { span.status_message() };
            let length = units::duration(DurationNs(tree.duration(*node)));
            let (name, service, message) = (plain(span.name()), plain(span.service()), plain(message));
            writeln!(text, "- {name} ({service}, {length}): {message}").ok();
        }
        if errors.len() > ERRORS {
            writeln!(text, "- and {} more", errors.len() - ERRORS).ok();
        }
    }
    let path = Path::of(loaded, root);
    writeln!(text, "\n**Where the time went** (critical path {})\n", units::duration(DurationNs(path.total))).ok();
    for step in path.steps.iter().take(STEPS) {
        let name = step.name.map_or("parent not received", |name| batch.strings.get(name));
        let share = units::percent(step.ns as f64 / path.total.max(1) as f64);
        let service = tree.services().get(usize::from(step.service)).map_or("", |service| service.as_str());
        let length = units::duration(DurationNs(step.ns));
        writeln!(text, "- {} ({}): {length}, {share}", plain(name), plain(service)).ok();
    }
    // A fence longer than any run of backticks inside cannot be closed by them.
    let tree_text = outline(batch, tree, root, TREE_LINES);
    let longest = tree_text.split(|letter| letter != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    write!(text, "\n{fence}\n{tree_text}{fence}\n").ok();
    text
}

/// Text that Markdown takes as it is, on one line.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '#' => plain.extend(['\\', letter]),
            letter if letter.is_control() => plain.push(' '),
            letter => plain.push(letter),
        }
    }
    plain
}

/// True for a span whose attributes tell a whole HTTP request.
pub(super) fn is_request(span: SpanRef<'_>) -> bool {
    url(span).is_some()
}

/// The span's HTTP request as a curl command line; `None` when its attributes do not tell the address. Names of the
/// semantic conventions, stable and older.
pub(super) fn curl(span: SpanRef<'_>) -> Option<String> {
    let url = url(span)?;
    let method = text(span, &["http.request.method", "http.method"]).unwrap_or_else(|| "GET".to_owned());
    let mut command = "curl".to_owned();
    if method != "GET" {
        write!(command, " -X {}", quoted(&method)).ok();
    }
    for (key, value) in span.attrs().iter() {
        if let Some(name) = key.strip_prefix("http.request.header.") {
            let value = value.to_string();
            // A header is stored as a list of its values.
            let list = serde_json::from_str::<Vec<String>>(&value).map_or(value, |values| values.join(", "));
            write!(command, " \\\n  -H {}", quoted(&format!("{name}: {list}"))).ok();
        }
    }
    if let Some(agent) = text(span, &["user_agent.original", "http.user_agent"]) {
        write!(command, " \\\n  -A {}", quoted(&agent)).ok();
    }
    write!(command, " \\\n  {}\n", quoted(&url)).ok();
    Some(command)
}

fn text(span: SpanRef<'_>, keys: &[&str]) -> Option<String> {
    keys.iter().find_map(|key| span.attrs().get(key)).map(|value| value.to_string()).filter(|text| !text.is_empty())
}

fn url(span: SpanRef<'_>) -> Option<String> {
    if let Some(whole) = text(span, &["url.full", "http.url"]) {
        return Some(whole);
    }
    let host = text(span, &["server.address", "http.host", "net.host.name"])?;
    let path = match text(span, &["http.target"]) {
        Some(target) => target,
        None => {
            let query = text(span, &["url.query"]).map(|query| format!("?{query}")).unwrap_or_default();
            format!("{}{query}", text(span, &["url.path"])?)
        }
    };
    let scheme = text(span, &["url.scheme", "http.scheme"]).unwrap_or_else(|| "http".to_owned());
    let port = text(span, &["server.port", "net.host.port"]).filter(|_| !host.contains(':'));
    let usual = matches!((scheme.as_str(), port.as_deref()), (_, None) | ("http", Some("80")) | ("https", Some("443")));
    let port = if usual { String::new() } else { format!(":{}", port.unwrap_or_default()) };
    Some(format!("{scheme}://{host}{port}{path}"))
}

/// Quoted for a POSIX shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Span, SpanBatch};

    fn of(attributes: &[(&str, &str)]) -> Option<String> {
        let attributes = attributes.iter().map(|(key, value)| (*key, (*value).to_owned())).collect();
        let batch = SpanBatch::from_spans(&[Span { attributes, ..Span::default() }]);
        curl(batch.span(0))
    }

    #[test]
    fn a_request_is_put_together_from_whatever_names_it() {
        let stable = [("http.request.method", "POST"), ("url.full", "https://shop.test/buy?id='1'")];
        assert_eq!(of(&stable).unwrap(), "curl -X 'POST' \\\n  'https://shop.test/buy?id='\\''1'\\'''\n");
        let server = [("server.address", "shop.test"), ("server.port", "8080"), ("url.path", "/a"), ("url.query", "b=c")];
        assert_eq!(of(&server).unwrap(), "curl \\\n  'http://shop.test:8080/a?b=c'\n");
        let old = [("http.host", "shop.test"), ("http.target", "/a?b"), ("http.scheme", "https"), ("http.user_agent", "x")];
        assert_eq!(of(&old).unwrap(), "curl \\\n  -A 'x' \\\n  'https://shop.test/a?b'\n");
        assert_eq!(of(&[("http.request.method", "GET"), ("http.route", "/a")]), None);
    }

    #[test]
    fn a_masked_header_stays_masked() {
        let masked = crate::model::value::MASKED;
        let text = of(&[("url.full", "http://a/"), ("http.request.header.authorization", masked)]).unwrap();
        assert!(text.contains(&format!("-H 'authorization: {masked}'")), "{text}");
    }

    #[test]
    fn markdown_does_not_take_names_for_markup() {
        assert_eq!(plain("a|b_c\n<d>"), "a\\|b\\_c \\<d\\>");
    }
}
