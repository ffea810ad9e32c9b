//! What may come next in a query: keys with their counts, operators, values with their shares, connectors.
//!
//! Works on the text before the cursor alone, without parsing: what is being typed is rarely a query yet.

use super::ast::{Field as QueryField, Intrinsic, Scope};
use super::is_traceql;
use crate::model::units;
use crate::source::{AttrScope, Field, QueryControl, SourceError, SpanSource};
use std::ops::Range;

/// Proposals in one answer.
const AT_MOST: usize = 40;

/// What a proposal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompletionKind {
    /// Something of the span: attribute or intrinsic.
    Key,
    /// A comparison.
    Operator,
    /// A stored value.
    Value,
    /// `and`, `||`, `}` and the like.
    Connector,
}

/// One proposal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completion {
    /// Bytes of the text that it replaces.
    pub replace: Range<usize>,
    /// What stands there afterwards.
    pub insert: String,
    /// What the list shows.
    pub label: String,
    /// Count or share, dimmed beside the label.
    pub detail: String,
    /// What it is.
    pub kind: CompletionKind,
}

/// What the cursor stands at.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Expected {
    Key,
    Operator,
    Value { key: String },
    Connector,
}

/// Proposals for `text` with the cursor at byte `cursor`, best first.
pub fn complete(
    text: &str,
    cursor: usize,
    source: &dyn SpanSource,
    control: &QueryControl,
) -> Result<Vec<Completion>, SourceError> {
    let cursor = (0..=cursor.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let before = &text[..cursor];
    let traceql = is_traceql(text);
    let (expected, start) = expected_at(before, traceql);
    let typed = &before[start..];
    let propose = |insert: String, label: String, detail: String, kind| Completion {
        replace: start..cursor,
        insert,
        label,
        detail,
        kind,
    };
    let mut proposals = match expected {
        Expected::Key => keys(traceql, source, control)?
            .into_iter()
            .map(|(key, detail)| propose(format!("{key} "), key, detail, CompletionKind::Key))
            .collect(),
        Expected::Operator => {
            let operators: &[&str] = if traceql {
                &["=", "!=", ">", ">=", "<", "<=", "=~", "!~"]
            } else {
                &["=", "!=", ">", "<", "=~", "contains", "exists"]
            };
            let propose = |op: &&str| propose(format!("{op} "), (*op).to_owned(), String::new(), CompletionKind::Operator);
            operators.iter().map(propose).collect()
        }
        Expected::Value { key } => values(&key, traceql, source, control)?
            .into_iter()
            .map(|(insert, label, detail)| propose(format!("{insert} "), label, detail, CompletionKind::Value))
            .collect(),
        Expected::Connector => {
            let words: &[&str] = if traceql { &["&&", "||", "}"] } else { &["and", "or"] };
            let propose =
                |word: &&str| propose(format!("{word} "), (*word).to_owned(), String::new(), CompletionKind::Connector);
            words.iter().map(propose).collect::<Vec<_>>()
        }
    };
    let folded = typed.trim_start_matches('"').to_lowercase();
    let rank = |proposal: &Completion| {
        let label = proposal.label.to_lowercase();
        let bare = label.trim_start_matches('.');
        if bare.starts_with(folded.trim_start_matches('.')) { Some(0) } else { label.contains(&folded).then_some(1) }
    };
    proposals.retain(|proposal: &Completion| rank(proposal).is_some());
    proposals.sort_by_key(|proposal| rank(proposal));
    proposals.truncate(AT_MOST);
    Ok(proposals)
}

fn is_operator_char(c: char) -> bool {
    "=<>!~:".contains(c)
}

/// What is expected at the end of `before`, and where the word being typed starts.
fn expected_at(before: &str, traceql: bool) -> (Expected, usize) {
    let open_quote = before.matches('"').count() % 2 == 1;
    let start = if open_quote {
        before.rfind('"').unwrap_or(0)
    } else {
        let ends = |c: char| c.is_whitespace() || "(){}&|,".contains(c) || is_operator_char(c);
        before.rfind(ends).map_or(0, |at| at + before[at..].chars().next().map_or(1, char::len_utf8))
    };
    // `span:name` is one word in TraceQL.
    let start = match before[..start].strip_suffix(':') {
        Some(scope) if traceql => scope.rfind(|c: char| !c.is_alphanumeric()).map_or(0, |at| at + 1),
        _ => start,
    };
    let head = before[..start].trim_end();
    let spaced = head.len() < start;
    if head.ends_with(is_operator_char) {
        let key = head.trim_end_matches(is_operator_char).trim_end();
        let from = key.rfind(|c: char| c.is_whitespace() || "(){}&|,!".contains(c)).map_or(0, |at| at + 1);
        return (Expected::Value { key: key[from..].to_owned() }, start);
    }
    let word = head.rsplit(|c: char| c.is_whitespace() || "(){}&|,".contains(c)).next().unwrap_or("");
    let starts_condition = head.is_empty()
        || head.ends_with(['{', '(', '&', '|', ','])
        || ["and", "or", "not"].iter().any(|keyword| word.eq_ignore_ascii_case(keyword));
    if starts_condition || !spaced {
        return (Expected::Key, start);
    }
    // After a word: a key when no operator stands before it, a finished condition otherwise.
    let rest = head[..head.len() - word.len()].trim_end();
    let finished = rest.ends_with(is_operator_char) || head.ends_with('"') || head.ends_with(')') || rest.ends_with("contains");
    (if finished { Expected::Connector } else { Expected::Operator }, start)
}

fn keys(traceql: bool, source: &dyn SpanSource, control: &QueryControl) -> Result<Vec<(String, String)>, SourceError> {
    let fixed: &[&str] = if traceql {
        &["name", "duration", "status", "kind", "resource.service.name", "rootName", "rootServiceName", "traceDuration"]
    } else {
        &["service", "name", "duration", "status", "kind", "trace"]
    };
    let mut list: Vec<(String, String)> = fixed.iter().map(|key| ((*key).to_owned(), String::new())).collect();
    let scopes = [(AttrScope::Span, Scope::Span), (AttrScope::Resource, Scope::Resource), (AttrScope::Event, Scope::Event)];
    for (scope, written) in scopes {
        for found in source.attribute_keys(scope, control)? {
            let key = match (traceql, scope) {
                (true, _) => QueryField::Attr(written, found.value.clone()).to_string(),
                (false, AttrScope::Event) => format!("event.{}", found.value),
                (false, _) => found.value.to_string(),
            };
            let known = list.iter().any(|(other, _)| *other == key);
            if !known {
                list.push((key, format!("{} spans", units::count(found.spans))));
            }
        }
    }
    if traceql {
        list.extend(Intrinsic::ALL.iter().map(|known| (known.text().to_owned(), String::new())));
    }
    Ok(list)
}

/// Values of a key: text to insert, label, share of spans.
fn values(
    key: &str,
    traceql: bool,
    source: &dyn SpanSource,
    control: &QueryControl,
) -> Result<Vec<(String, String, String)>, SourceError> {
    let words = |words: &[&str]| words.iter().map(|word| ((*word).to_owned(), (*word).to_owned(), String::new())).collect();
    let field = match key {
        "status" | "span:status" => return Ok(words(&["error", "ok", "unset"])),
        "kind" | "span:kind" => return Ok(words(&["server", "client", "internal", "producer", "consumer", "unspecified"])),
        "duration" | "span:duration" | "traceDuration" | "trace:duration" => {
            return Ok(words(&["10ms", "100ms", "1s", "10s"]));
        }
        "service" | "resource.service.name" => Field::Service,
        "name" | "span:name" | "operation" => Field::Name,
        "event" | "event:name" => Field::EventName,
        _ if Intrinsic::from_text(key).is_some() => return Ok(Vec::new()),
        _ => {
            let scopes = [
                ("span.", AttrScope::Span),
                ("resource.", AttrScope::Resource),
                ("event.", AttrScope::Event),
                (".", AttrScope::Any),
            ];
            let scoped = scopes.iter().find_map(|(prefix, scope)| key.strip_prefix(prefix).map(|rest| (*scope, rest)));
            let (scope, name) = scoped.unwrap_or((AttrScope::Any, key));
            Field::Attr(scope, name.into())
        }
    };
    let found = source.values(&field, AT_MOST * 4, control)?;
    let total: u64 = found.iter().map(|value| value.spans).sum();
    let quote = |value: &str| {
        let bare = value.parse::<f64>().is_ok() || value == "true" || value == "false";
        let plain = !traceql && !value.is_empty() && value.chars().all(|c| c.is_alphanumeric() || "._-/".contains(c));
        if bare || plain { value.to_owned() } else { format!("{value:?}") }
    };
    let share = |spans: u64| units::percent(spans as f64 / total.max(1) as f64);
    Ok(found.into_iter().map(|value| (quote(&value.value), value.value.to_string(), share(value.spans))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Resource, Span, SpanBatch};
    use crate::source::MemorySource;
    use std::sync::Arc;

    fn labels(text: &str) -> Vec<String> {
        let span = |route: &str| Span {
            attributes: [("http.route", route)].into_iter().collect(),
            resource: Arc::new(Resource::service("cart")),
            name: "GET /cart".into(),
            ..Span::default()
        };
        let source = MemorySource::new("test", &SpanBatch::from_spans(&[span("/cart"), span("/cart"), span("/x y")]));
        let found = complete(text, text.len(), &source, &QueryControl::default()).unwrap();
        found.into_iter().map(|proposal| proposal.label).collect()
    }

    #[test]
    fn each_place_gets_what_fits_there() {
        assert_eq!(labels("")[0], "service");
        assert_eq!(labels("http.r"), ["http.route"]);
        assert_eq!(labels("service ")[0], "=");
        assert_eq!(labels("service = "), ["cart"]);
        assert_eq!(labels("service = cart "), ["and", "or"]);
        assert_eq!(labels("service = cart and sta")[0], "status");
        assert_eq!(labels("status:e"), ["error", "unset"]);
        assert_eq!(labels("{ ")[0], "name");
        assert_eq!(labels("{ span.ht"), ["span.http.route"]);
        assert_eq!(labels("{ span.http.route = \"/c"), ["/cart"]);
        assert_eq!(labels("{ span:na"), ["span:name"]);
    }

    #[test]
    fn values_come_most_frequent_first_with_their_share_and_quoted_where_needed() {
        let span = Span { name: "a b".into(), ..Span::default() };
        let source = MemorySource::new("test", &SpanBatch::from_spans(&[span]));
        let found = complete("name = ", 7, &source, &QueryControl::default()).unwrap();
        assert_eq!((found[0].insert.as_str(), found[0].detail.as_str()), ("\"a b\" ", "100 %"));
        assert_eq!(found[0].replace, 7..7);
    }

    #[test]
    fn any_cursor_in_any_text_is_answered() {
        let source = MemorySource::new("test", &SpanBatch::default());
        for text in ["{ .é = \"ü", "a:b:c", "\"", "((((", "= = =", "é"] {
            for cursor in 0..=text.len() + 1 {
                complete(text, cursor, &source, &QueryControl::default()).unwrap();
            }
        }
    }
}
