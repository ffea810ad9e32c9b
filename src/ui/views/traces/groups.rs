//! Group by: the traces of a query summed up by what they have in common, with rate, errors and durations.
//!
//! Service, operation and status are those of the root and come from the summaries; an attribute's value is that of the
//! first span that has it, on the span or else on its resource, for which the traces are read.

use super::list::{Question, answer};
use crate::model::{DurationNs, SpanBatch, TraceId, TraceSummary};
use crate::search::{Query as Search, is_traceql};
use crate::source::tally::quantile;
use crate::source::{QueryControl, SourceError, SpanSource, TimeRange, TraceOrder};
use std::collections::HashMap;

/// Traces whose summaries are grouped, the newest.
const SUMMARIES: usize = 20_000;
/// Traces that are read for an attribute, the newest.
const READ: usize = 2_000;
/// Parts of a group's sparkline.
const PARTS: usize = 24;

/// What traces are grouped by.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) enum GroupBy {
    /// Not at all.
    #[default]
    Nothing,
    /// Service of the root.
    Service,
    /// Service and name of the root.
    Operation,
    /// With and without errors.
    Status,
    /// Value of an attribute.
    Key(String),
}

impl GroupBy {
    /// As menu and settings call it.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Nothing => "nothing",
            Self::Service => "service",
            Self::Operation => "operation",
            Self::Status => "status",
            Self::Key(key) => key,
        }
    }

    /// Reads [`GroupBy::name`].
    pub(super) fn read(name: &str) -> Self {
        match name {
            "" | "nothing" => Self::Nothing,
            "service" => Self::Service,
            "operation" => Self::Operation,
            "status" => Self::Status,
            key => Self::Key(key.to_owned()),
        }
    }
}

/// What the traces of a group share.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) enum Shared {
    Service(String),
    Operation(String, String),
    Failed(bool),
    Value(String),
    /// No span has the attribute.
    Missing,
}

impl Shared {
    /// For people.
    pub(super) fn label(&self) -> String {
        match self {
            Self::Service(service) => service.clone(),
            Self::Operation(_, name) => name.clone(),
            Self::Failed(true) => "with errors".to_owned(),
            Self::Failed(false) => "without errors".to_owned(),
            Self::Value(value) => value.clone(),
            Self::Missing => "unset".to_owned(),
        }
    }

    /// The service whose colour it has.
    pub(super) fn service(&self) -> Option<&str> {
        match self {
            Self::Service(service) | Self::Operation(service, _) => Some(service),
            _ => None,
        }
    }

    /// `query` narrowed to the group; `None` when conditions cannot be added to it.
    pub(super) fn narrow(&self, query: &str, by: &GroupBy) -> Option<String> {
        let query = query.trim();
        let traceql = is_traceql(query);
        let (dot, and) = if traceql { (".", " && ") } else { ("", " and ") };
        let condition = match (self, by) {
            (Self::Service(service), _) => format!("rootServiceName = {}", quoted(service)),
            (Self::Operation(service, name), _) => {
                format!("rootServiceName = {}{and}rootName = {}", quoted(service), quoted(name))
            }
            (Self::Failed(true), _) => "status = error".to_owned(),
            // "No span failed" is no condition on one span.
            (Self::Failed(false), _) => return None,
            (Self::Value(value), GroupBy::Key(key)) => format!("{dot}{key} = {}", literal(value)),
            (Self::Missing, GroupBy::Key(_)) => return None,
            _ => return None,
        };
        if query.is_empty() {
            return Some(condition);
        }
        if traceql {
            // What follows a pipe counts and groups the spans; one more spanset would change it.
            return (!query.contains('|')).then(|| format!("{query} && {{ {condition} }}"));
        }
        let loose = query.to_lowercase().split_whitespace().any(|word| word == "or");
        Some(if loose { format!("({query}) and {condition}") } else { format!("{query} and {condition}") })
    }
}

fn literal(value: &str) -> String {
    let bare = value == "true" || value == "false" || value.parse::<i64>().is_ok_and(|number| number.to_string() == value);
    if bare { value.to_owned() } else { quoted(value) }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// The traces of one group.
#[derive(Clone, Debug)]
pub(super) struct Group {
    pub(super) shared: Shared,
    pub(super) traces: u64,
    /// Traces with an error.
    pub(super) failed: u64,
    pub(super) p50: DurationNs,
    pub(super) p95: DurationNs,
    pub(super) longest: DurationNs,
    /// Traces over time, oldest first.
    pub(super) spark: Vec<f32>,
    pub(super) newest: TraceId,
}

/// A column that groups are sorted by.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum GroupOrder {
    Label,
    #[default]
    Traces,
    Failed,
    P50,
    P95,
    Longest,
}

/// Groups in an order.
pub(super) struct Groups {
    pub(super) groups: Vec<Group>,
    /// Traces that were grouped, and all that match.
    pub(super) grouped: u64,
    pub(super) total: u64,
}

/// Groups the traces of a question. The key is what to group by, in which order, and whether it falls.
pub(super) fn group(
    source: &dyn SpanSource,
    search: &Search,
    question: &Question,
    key: &(GroupBy, GroupOrder, bool),
    range: TimeRange,
    control: &QueryControl,
) -> Result<Groups, SourceError> {
    let (by, order, descending) = key;
    let limit = if matches!(by, GroupBy::Key(_)) { READ } else { SUMMARIES };
    let question = Question { order: TraceOrder::Newest, limit, ..question.clone() };
    let found = answer(source, search, &question, range, control)?;
    let first = found.traces.iter().map(|trace| trace.start.0).min().unwrap_or(0);
    let last = found.traces.iter().map(|trace| trace.start.0).max().unwrap_or(0);
    let mut members: HashMap<Shared, Vec<&TraceSummary>> = HashMap::new();
    for (at, trace) in found.traces.iter().enumerate() {
        let shared = match by {
            GroupBy::Nothing | GroupBy::Service => Shared::Service(trace.root_service.to_string()),
            GroupBy::Operation => Shared::Operation(trace.root_service.to_string(), trace.root_name.to_string()),
            GroupBy::Status => Shared::Failed(trace.errors > 0),
            GroupBy::Key(key) => {
                control.check()?;
                control.progress(at as u64, found.traces.len() as u64);
                let Some(whole) = source.trace(trace.trace_id, control)? else { continue };
                value_of(&whole.spans, key).map_or(Shared::Missing, Shared::Value)
            }
        };
        members.entry(shared).or_default().push(trace);
    }
    let grouped = members.values().map(|members| members.len() as u64).sum();
    let mut groups: Vec<Group> = members
        .into_iter()
        .map(|(shared, members)| {
            let mut lengths: Vec<i64> = members.iter().map(|trace| trace.duration.0).collect();
            lengths.sort_unstable();
            let mut spark = vec![0.0; PARTS];
            let width = (last - first).max(1) as f64;
            for trace in &members {
                let part = ((trace.start.0 - first) as f64 / width * PARTS as f64) as usize;
                spark[part.min(PARTS - 1)] += 1.0;
            }
            Group {
                shared,
                traces: members.len() as u64,
                failed: members.iter().filter(|trace| trace.errors > 0).count() as u64,
                p50: quantile(&lengths, 0.5),
                p95: quantile(&lengths, 0.95),
                longest: DurationNs(lengths.last().copied().unwrap_or(0)),
                spark,
                newest: members.iter().max_by_key(|trace| trace.start).map(|trace| trace.trace_id).unwrap_or_default(),
            }
        })
        .collect();
    groups.sort_by(|a, b| {
        let by_order = match order {
            GroupOrder::Label => a.shared.cmp(&b.shared),
            GroupOrder::Traces => a.traces.cmp(&b.traces),
            GroupOrder::Failed => (a.failed * b.traces).cmp(&(b.failed * a.traces)),
            GroupOrder::P50 => a.p50.cmp(&b.p50),
            GroupOrder::P95 => a.p95.cmp(&b.p95),
            GroupOrder::Longest => a.longest.cmp(&b.longest),
        };
        let by_order = if *descending { by_order.reverse() } else { by_order };
        by_order.then_with(|| a.shared.cmp(&b.shared))
    });
    Ok(Groups { groups, grouped, total: found.total })
}

/// The value of the first span that has the key, on itself or on its resource.
fn value_of(spans: &SpanBatch, key: &str) -> Option<String> {
    let mut first: Option<(i64, String)> = None;
    for span in spans.iter() {
        let start = span.start().0;
        if first.as_ref().is_some_and(|(at, _)| *at <= start) {
            continue;
        }
        if let Some(value) = span.attr(key).or_else(|| span.resource().attrs().get(key)) {
            first = Some((start, value.to_string()));
        }
    }
    first.map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Resource, Span, Status, StatusCode, UnixNanos};
    use crate::search::parse;
    use crate::source::MemorySource;
    use crate::ui::views::traces::list::RunFilter;
    use std::sync::Arc;

    fn span(trace: u8, service: &str, length: i64, tenant: Option<&str>, failed: bool) -> Span {
        Span {
            trace_id: TraceId([trace; 16]),
            span_id: u64::from(trace).into(),
            name: "GET".into(),
            start: UnixNanos(i64::from(trace) * 1_000),
            end: Some(UnixNanos(i64::from(trace) * 1_000 + length)),
            attributes: tenant.map(|tenant| ("app.tenant", tenant.to_owned())).into_iter().collect(),
            status: Status { code: if failed { StatusCode::Error } else { StatusCode::Unset }, ..Status::default() },
            resource: Arc::new(Resource::service(service)),
            ..Span::default()
        }
    }

    fn grouped(by: GroupBy) -> Groups {
        let spans = [
            span(1, "web", 10, Some("acme"), false),
            span(2, "web", 30, Some("zen"), true),
            span(3, "web", 20, Some("acme"), false),
            span(4, "batch", 500, None, false),
        ];
        let source = MemorySource::new("test", &SpanBatch::from_spans(&spans));
        let question = Question {
            source: crate::engine::WORKSPACE,
            text: String::new(),
            order: TraceOrder::Newest,
            limit: 0,
            run: RunFilter::All,
            rules: Vec::new(),
            range: crate::ui::Range::All,
        };
        let key = (by, GroupOrder::default(), true);
        group(&source, &parse("").unwrap(), &question, &key, TimeRange::ALL, &QueryControl::default()).unwrap()
    }

    #[test]
    fn groups_have_the_figures_of_their_traces() {
        let groups = grouped(GroupBy::Service);
        assert_eq!((groups.grouped, groups.total), (4, 4));
        let web = &groups.groups[0];
        assert_eq!((web.shared.label().as_str(), web.traces, web.failed), ("web", 3, 1));
        assert_eq!((web.p50.0, web.longest.0, web.newest), (20, 30, TraceId([3; 16])));
        assert_eq!(web.spark.iter().sum::<f32>(), 3.0);
        let labels = |by| grouped(by).groups.iter().map(|group| (group.shared.label(), group.traces)).collect::<Vec<_>>();
        let pair = |label: &str, count| (label.to_owned(), count);
        assert_eq!(labels(GroupBy::Status), [pair("without errors", 3), pair("with errors", 1)]);
        assert_eq!(labels(GroupBy::Key("app.tenant".to_owned())), [pair("acme", 2), pair("zen", 1), pair("unset", 1)]);
    }

    #[test]
    fn a_query_is_narrowed_in_its_own_language() {
        let key = GroupBy::Key("app.tenant".to_owned());
        let acme = Shared::Value("acme \"x\"".to_owned());
        let narrow = |shared: &Shared, query: &str, by: &GroupBy| shared.narrow(query, by);
        assert_eq!(narrow(&acme, "", &key).unwrap(), "app.tenant = \"acme \\\"x\\\"\"");
        assert_eq!(narrow(&acme, "a = 1 or b = 2", &key).unwrap(), "(a = 1 or b = 2) and app.tenant = \"acme \\\"x\\\"\"");
        assert_eq!(narrow(&acme, "{ .a = 1 }", &key).unwrap(), "{ .a = 1 } && { .app.tenant = \"acme \\\"x\\\"\" }");
        assert_eq!(narrow(&acme, "{ .a = 1 } | count() > 2", &key), None);
        let operation = Shared::Operation("web".to_owned(), "GET /".to_owned());
        let query = narrow(&operation, "duration > 1 s", &GroupBy::Operation).unwrap();
        assert_eq!(query, "duration > 1 s and rootServiceName = \"web\" and rootName = \"GET /\"");
        for query in [query, narrow(&acme, "{ .a = 1 }", &key).unwrap(), narrow(&acme, "", &key).unwrap()] {
            assert!(parse(&query).is_ok(), "{query}");
        }
        assert_eq!(GroupBy::read(key.name()), key);
    }
}
