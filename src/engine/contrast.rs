//! Two sides beside each other: what each is, every path of either, and which attributes set them apart.
//!
//! A is what was before or what is usual, B what is looked into: a change is B less A. Figures of several traces are those
//! of one trace, so that sides of different sizes compare.

use super::insight::{Side, each_of_side, newest, tree};
use crate::analysis::{Comparer, Comparison, DiffRow, Paths, diff};
use crate::model::{SpanBatch, Trace, TraceId, UnixNanos, trace::summarise};
use crate::search::{SearchError, parse};
use crate::source::{Field, Predicate, QueryControl, SpanSource, TimeRange, TraceRequest};
use smol_str::SmolStr;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// From this many traces on a side differences are more than chance would make of one odd request.
pub const ENOUGH_TRACES: u64 = 20;
/// Attributes of two traces that are listed.
const PAIRS: usize = 100;
/// Traces among which the one before another is looked for.
const BEFORE: usize = 50;

/// One side in figures.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SideFigures {
    /// Traces that were looked at.
    pub traces: u64,
    /// Their spans.
    pub spans: u64,
    /// Spans with an error.
    pub errors: u64,
    /// Mean length of a trace.
    pub duration_ns: i64,
    /// Service and name of the newest one's root.
    pub root: (SmolStr, SmolStr),
    /// When the newest one started.
    pub start: UnixNanos,
    /// The newest one.
    pub trace: Option<TraceId>,
}

/// An attribute that has another value in A than in B, in spans of one operation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pair {
    /// Key.
    pub key: String,
    /// Service of the spans.
    pub service: SmolStr,
    /// Their name.
    pub operation: SmolStr,
    /// Value in A; `None` when it is not set there.
    pub a: Option<String>,
    /// Value in B.
    pub b: Option<String>,
}

/// See the module comment.
#[derive(Clone, Debug, Default)]
pub struct Contrast {
    /// Side A.
    pub a: SideFigures,
    /// Side B.
    pub b: SideFigures,
    /// Every path of either side, each under the one above it.
    pub rows: Vec<DiffRow>,
    /// What is more frequent in B's spans than in A's.
    pub differences: Comparison,
    /// Of two traces: attributes that differ.
    pub pairs: Vec<Pair>,
}

impl Contrast {
    /// True when a side has too few traces to tell a difference from chance.
    pub fn is_thin(&self) -> bool {
        self.a.traces.min(self.b.traces) < ENOUGH_TRACES
    }
}

/// Compares. A single trace is looked for in every source, in their order; what a query selects is of the first.
pub fn contrast(
    sources: &[Arc<dyn SpanSource>],
    a: &Side,
    b: &Side,
    range: TimeRange,
    control: &QueryControl,
) -> Result<Contrast, SearchError> {
    let mut comparer = Comparer::default();
    let mut firsts = [HashMap::new(), HashMap::new()];
    let [(left, paths_a), (right, paths_b)] = [(a, false), (b, true)].map(|(side, inside)| {
        let mut figures = SideFigures::default();
        let mut paths = Paths::default();
        let first = &mut firsts[usize::from(inside)];
        let added = each(sources, side, range, control, &mut |trace| {
            add(&mut figures, trace);
            paths.add(trace.id, &trace.spans, &tree(trace));
            for at in chosen(side, &trace.spans)? {
                comparer.add(trace.spans.span(at), inside);
            }
            if matches!(side, Side::Trace(_)) {
                *first = values(&trace.spans);
            }
            Ok(())
        });
        figures.duration_ns /= figures.traces.max(1) as i64;
        (added.map(|()| figures), paths)
    });
    let (figures_a, figures_b) = (left?, right?);
    let [values_a, values_b] = firsts;
    Ok(Contrast {
        a: figures_a,
        b: figures_b,
        rows: diff(&paths_a, &paths_b),
        differences: comparer.finish(),
        pairs: pairs(&values_a, &values_b),
    })
}

/// The trace of the same operation that came before `id`; the one after it when it is the oldest.
pub fn neighbour(source: &dyn SpanSource, id: TraceId, control: &QueryControl) -> Result<Option<TraceId>, SearchError> {
    let Some(trace) = source.trace(id, control)? else { return Ok(None) };
    let Some(own) = summarise(&trace.spans) else { return Ok(None) };
    let like = Predicate::equals(Field::Service, &own.root_service).and(Predicate::equals(Field::Name, &own.root_name));
    let same = |other: &crate::model::TraceSummary| {
        other.trace_id != id && other.root_service == own.root_service && other.root_name == own.root_name
    };
    let until = TimeRange { end: own.start, ..TimeRange::ALL };
    for range in [until, TimeRange::ALL] {
        let request = TraceRequest { range, predicate: like.clone(), limit: BEFORE, ..TraceRequest::default() };
        if let Some(found) = newest(source, &request, control)?.into_iter().find(same) {
            return Ok(Some(found.trace_id));
        }
    }
    Ok(None)
}

fn each(
    sources: &[Arc<dyn SpanSource>],
    side: &Side,
    range: TimeRange,
    control: &QueryControl,
    visit: &mut dyn FnMut(&Trace) -> Result<(), SearchError>,
) -> Result<(), SearchError> {
    let own = match side {
        Side::Trace(_) => sources,
        _ => sources.get(..1).unwrap_or_default(),
    };
    let mut found = false;
    for source in own {
        each_of_side(&**source, side, range, control, |trace| {
            found = true;
            visit(trace)
        })?;
        if found {
            break;
        }
    }
    Ok(())
}

fn add(figures: &mut SideFigures, trace: &Trace) {
    let Some(summary) = summarise(&trace.spans) else { return };
    if figures.traces == 0 {
        figures.root = (summary.root_service, summary.root_name);
        (figures.start, figures.trace) = (summary.start, Some(trace.id));
    }
    figures.traces += 1;
    figures.spans += u64::from(summary.spans);
    figures.errors += u64::from(summary.errors);
    figures.duration_ns = figures.duration_ns.saturating_add(summary.duration.0);
}

/// Spans of a trace that the side is about.
fn chosen(side: &Side, spans: &SpanBatch) -> Result<Vec<usize>, SearchError> {
    Ok(match side {
        Side::Selection(text) => {
            parse(text)?.matches(spans)?.into_iter().flat_map(|set| set.spans).map(|at| at as usize).collect()
        }
        Side::Run(run) => (0..spans.len()).filter(|at| spans.span(*at).service() == run.service).collect(),
        Side::Trace(_) => (0..spans.len()).collect(),
    })
}

/// Attributes of the first span of each operation; resource keys stand beside the span's own.
type Values = HashMap<(SmolStr, SmolStr), BTreeMap<String, String>>;

fn values(spans: &SpanBatch) -> Values {
    let mut firsts: HashMap<(SmolStr, SmolStr), usize> = HashMap::new();
    for (at, span) in spans.iter().enumerate() {
        let first = firsts.entry((span.service().into(), span.name().into())).or_insert(at);
        if span.start() < spans.span(*first).start() {
            *first = at;
        }
    }
    let read = |at: usize| {
        let span = spans.span(at);
        let all = span.resource().attrs();
        all.iter().chain(span.attrs().iter()).map(|(key, value)| (key.to_owned(), value.to_string())).collect()
    };
    firsts.into_iter().map(|(operation, at)| (operation, read(at))).collect()
}

/// Key, value in A, value in B.
type Differing = (String, Option<String>, Option<String>);

/// Differing values, each key and pair of values once, in the order of the keys.
fn pairs(a: &Values, b: &Values) -> Vec<Pair> {
    let mut pairs: BTreeMap<Differing, (SmolStr, SmolStr)> = BTreeMap::new();
    let mut operations: Vec<_> = a.keys().filter(|operation| b.contains_key(*operation)).collect();
    operations.sort_unstable();
    for operation in operations {
        let (a, b) = (&a[operation], &b[operation]);
        let mut keys: Vec<_> = a.keys().chain(b.keys()).collect();
        keys.sort_unstable();
        keys.dedup();
        for key in keys.into_iter().filter(|key| a.get(*key) != b.get(*key)) {
            let pair = (key.clone(), a.get(key).cloned(), b.get(key).cloned());
            pairs.entry(pair).or_insert_with(|| operation.clone());
        }
    }
    let pair = |((key, a, b), (service, operation))| Pair { key, service, operation, a, b };
    pairs.into_iter().map(pair).take(PAIRS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Attributes, Resource, Span, SpanId, Status, StatusCode};
    use crate::source::MemorySource;

    const MS: i64 = 1_000_000;

    /// A request of `work` ms whose query is repeated `calls` times, with a version.
    fn request(trace: u64, version: &str, calls: u64, work: i64, failed: bool) -> Vec<Span> {
        let mut attributes = Attributes::default();
        attributes.push("app.version", version);
        let start = trace as i64 * 10_000 * MS;
        let root = Span {
            trace_id: TraceId::from_halves(1, trace),
            span_id: SpanId::from(trace * 100),
            name: "POST /checkout".into(),
            start: UnixNanos(start),
            end: Some(UnixNanos(start + work * MS)),
            attributes,
            status: Status { code: if failed { StatusCode::Error } else { StatusCode::Unset }, ..Status::default() },
            resource: Arc::new(Resource::service("shop")),
            ..Span::default()
        };
        let call = |at: u64| Span {
            span_id: SpanId::from(trace * 100 + 1 + at),
            parent: Some(root.span_id),
            name: "SELECT stock".into(),
            start: UnixNanos(start + at as i64 * MS),
            end: Some(UnixNanos(start + at as i64 * MS + MS)),
            attributes: Attributes::default(),
            status: Status::default(),
            resource: Arc::new(Resource::service("db")),
            ..root.clone()
        };
        (0..calls).map(call).chain([root.clone()]).collect()
    }

    fn source(spans: Vec<Span>) -> Vec<Arc<dyn SpanSource>> {
        vec![Arc::new(MemorySource::new("test", &SpanBatch::from_spans(&spans)))]
    }

    fn id(trace: u64) -> Side {
        Side::Trace(TraceId::from_halves(1, trace))
    }

    #[test]
    fn two_traces_differ_by_path_by_error_and_by_attribute() {
        let spans = [request(1, "2.13", 1, 100, false), request(2, "2.14", 24, 700, true)].concat();
        let found = contrast(&source(spans), &id(1), &id(2), TimeRange::ALL, &QueryControl::default()).unwrap();
        assert_eq!((found.a.duration_ns, found.b.duration_ns), (100 * MS, 700 * MS));
        assert_eq!((found.a.errors, found.b.errors), (0, 1));
        let stock = found.rows.iter().find(|row| row.name == "SELECT stock").unwrap();
        assert_eq!((stock.count_a, stock.count_b, stock.service.as_str()), (1, 24, "db"));
        assert_eq!((found.rows[0].errors_a, found.rows[0].errors_b), (0, 1));
        assert_eq!(found.rows[0].example_b, Some(TraceId::from_halves(1, 2)));
        let pair = found.pairs.iter().find(|pair| pair.key == "app.version").unwrap();
        assert_eq!((pair.a.as_deref(), pair.b.as_deref()), (Some("2.13"), Some("2.14")));
        assert!(found.is_thin());
    }

    #[test]
    fn selections_compare_by_trace_whatever_their_sizes() {
        let mut spans = Vec::new();
        for trace in 1..=60 {
            let new = trace % 3 == 0;
            spans.extend(request(trace, if new { "2.14" } else { "2.13" }, 1, if new { 400 } else { 100 }, false));
        }
        let side = |version: &str| Side::Selection(format!("app.version = \"{version}\""));
        let (a, b) = (side("2.13"), side("2.14"));
        let found = contrast(&source(spans), &a, &b, TimeRange::ALL, &QueryControl::default()).unwrap();
        assert_eq!((found.a.traces, found.b.traces), (40, 20));
        assert_eq!((found.rows[0].duration_ns_a, found.rows[0].duration_ns_b), (100 * MS, 400 * MS));
        assert!(!found.is_thin());
        assert!(found.differences.differences.iter().any(|one| one.key == "app.version" && one.value == "2.14"));
        assert!(found.pairs.is_empty());
    }

    #[test]
    fn a_trace_is_compared_with_the_one_before_of_its_operation() {
        let spans = [request(1, "1", 1, 100, false), request(2, "1", 1, 100, false), request(3, "1", 1, 100, false)].concat();
        let source = source(spans);
        let before = |trace| neighbour(&*source[0], TraceId::from_halves(1, trace), &QueryControl::default()).unwrap();
        assert_eq!(before(3), Some(TraceId::from_halves(1, 2)));
        assert_eq!(before(1), Some(TraceId::from_halves(1, 3)), "the oldest has none before it");
        assert_eq!(before(9), None);
    }
}
