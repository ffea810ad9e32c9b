//! What is worked out off the frame: the answers of the rows, and the catalogue of metrics.
//!
//! Times are milliseconds. Points are offsets from the start of the answer in seconds, so that a plot keeps its precision.
//! A series is cut into pieces wherever a step has no value: a gap is drawn as a gap.

use crate::model::{Exemplar, Labels, MetricKind, MetricMetadata, SampleColumn, SampleValue, TraceId};
use crate::promql::eval::{Answer, MatrixSeries, Options, When, evaluate};
use crate::promql::text::float_json;
use crate::promql::{self, ParseError};
use crate::source::{MatchOp, Matcher, MillisRange, QueryControl, SeriesRequest, SeriesSource, SourceError};
use egui_plot::PlotPoint;
use smol_str::SmolStr;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Series of one row that are drawn and listed; how many there are is said.
pub(super) const MOST_SERIES: usize = 500;
/// Exemplars of one row that are drawn.
const MOST_EXEMPLARS: usize = 400;
/// Labels that name a service, for its colour.
const SERVICE_LABELS: [&str; 3] = ["service_name", "service", "job"];

/// What is asked of every row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Times {
    /// First step.
    pub start: i64,
    /// Last step at most.
    pub end: i64,
    /// Milliseconds.
    pub step: i64,
}

impl Times {
    /// A range at about `points` steps: the step is a round one, and the steps lie on its multiples, so that the same
    /// moments are asked for again as time passes.
    pub(super) fn over(start: i64, end: i64, points: i64) -> Self {
        let step = round_step((end - start).max(1) / points.max(1));
        Self { start: start.div_euclid(step) * step, end, step }
    }
}

/// Round steps in seconds.
const STEPS_S: [i64; 18] = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400];

/// The smallest round step of at least this many milliseconds; whole days beyond the list.
fn round_step(at_least: i64) -> i64 {
    let day = 86_400_000;
    let known = STEPS_S.iter().map(|step| step * 1_000).find(|step| *step >= at_least);
    known.unwrap_or_else(|| (at_least + day - 1) / day * day)
}

/// A line of a graph.
#[derive(Debug)]
pub(super) struct Line {
    /// What names the series.
    pub labels: Labels,
    /// The same as text.
    pub name: String,
    /// The service it belongs to, when every series of the answer has one of its own.
    pub service: Option<SmolStr>,
    /// Points, cut at gaps.
    pub pieces: Vec<Vec<PlotPoint>>,
    /// Last value.
    pub last: f64,
    /// Least value.
    pub min: f64,
    /// Greatest value.
    pub max: f64,
    /// Mean of the values.
    pub mean: f64,
}

impl Line {
    /// The value at a moment on the step grid, `within` seconds around `x`.
    pub(super) fn at(&self, x: f64, within: f64) -> Option<f64> {
        let piece = self.pieces.iter().find(|piece| {
            piece.first().is_some_and(|first| first.x - within <= x) && piece.last().is_some_and(|last| x <= last.x + within)
        })?;
        let at = piece.partition_point(|point| point.x < x);
        let near = [at.checked_sub(1).and_then(|at| piece.get(at)), piece.get(at)];
        let nearest = near.into_iter().flatten().min_by(|a, b| (a.x - x).abs().total_cmp(&(b.x - x).abs()))?;
        ((nearest.x - x).abs() <= within).then_some(nearest.y)
    }
}

/// An exemplar over the graph.
#[derive(Debug)]
pub(super) struct Dot {
    /// Seconds from the start.
    pub x: f64,
    /// Observed value.
    pub y: f64,
    /// Its trace.
    pub trace: Option<TraceId>,
}

/// A row of the table of an instant query.
#[derive(Debug)]
pub(super) struct Cell {
    /// What names the series; empty for a number.
    pub labels: Labels,
    /// Value as it is shown and copied.
    pub value: String,
}

/// The answer of one row.
#[derive(Debug)]
pub(super) struct Ran {
    /// Row number.
    pub row: usize,
    /// What is drawn.
    pub lines: Vec<Line>,
    /// What the instant query at the end gave.
    pub cells: Vec<Cell>,
    /// Series there are, drawn or not.
    pub series: usize,
    /// Series that hold native histograms, which are no lines.
    pub histograms: usize,
    /// Samples read.
    pub samples: u64,
    /// How long it took.
    pub took: Duration,
    /// Warnings and infos.
    pub warnings: Vec<String>,
    /// See there.
    pub infos: Vec<String>,
    /// Exemplars of the metrics it reads.
    pub dots: Vec<Dot>,
}

/// The answer of a row, or why there is none.
#[derive(Debug)]
pub(super) struct Row {
    /// Row number.
    pub row: usize,
    /// Of this row alone.
    pub ran: Result<Ran, Problem>,
}

/// Why a row has no answer.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Problem {
    /// It is no PromQL.
    Parse(ParseError),
    /// It could not be evaluated.
    Evaluate(String),
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Parse(error) => write!(f, "{error}"),
            Self::Evaluate(text) => f.write_str(text),
        }
    }
}

/// Answers of all rows over the same times.
#[derive(Debug)]
pub(super) struct Outcome {
    /// When.
    pub times: Times,
    /// One a row that has a text.
    pub rows: Vec<Row>,
}

impl Outcome {
    /// The rows that have an answer.
    pub(super) fn ran(&self) -> impl Iterator<Item = &Ran> {
        self.rows.iter().filter_map(|row| row.ran.as_ref().ok())
    }
}

/// Asks every row that has a text.
pub(super) fn ask(
    queries: &[String],
    times: Times,
    source: &dyn SeriesSource,
    control: &QueryControl,
) -> Result<Outcome, SourceError> {
    let mut rows = Vec::new();
    for (row, text) in queries.iter().enumerate().filter(|(_, text)| !text.trim().is_empty()) {
        let ran = run(row, text, times, source, control)?;
        rows.push(Row { row, ran });
    }
    Ok(Outcome { times, rows })
}

fn run(
    row: usize,
    text: &str,
    times: Times,
    source: &dyn SeriesSource,
    control: &QueryControl,
) -> Result<Result<Ran, Problem>, SourceError> {
    let started = Instant::now();
    let expr = match promql::parse(text) {
        Ok(expr) => expr,
        Err(error) => return Ok(Err(Problem::Parse(error))),
    };
    let options = Options::default();
    let asked = |when| evaluate(&expr, when, source, &options, control);
    let instant = match asked(When::Instant(times.end)) {
        Ok(instant) => instant,
        Err(error) => {
            control.check()?;
            return Ok(Err(Problem::Evaluate(error.to_string())));
        }
    };
    let mut ran = Ran {
        row,
        lines: Vec::new(),
        cells: Vec::new(),
        series: 0,
        histograms: 0,
        samples: instant.stats.samples_read,
        took: Duration::ZERO,
        warnings: Vec::new(),
        infos: Vec::new(),
        dots: Vec::new(),
    };
    let mut notes = instant.notes;
    // A range vector or a text is shown as a table only.
    let graph = !matches!(instant.answer, Answer::Matrix(_) | Answer::String(_));
    ran.cells = cells(instant.answer);
    if graph {
        match asked(When::Range { start: times.start, end: times.end, step: times.step }) {
            Ok(over) => {
                ran.samples += over.stats.samples_read;
                notes.merge(over.notes);
                if let Answer::Matrix(series) = over.answer {
                    lines(&mut ran, series, times);
                }
            }
            Err(error) => {
                control.check()?;
                return Ok(Err(Problem::Evaluate(error.to_string())));
            }
        }
        ran.dots = dots(&expr, times, source, control)?;
    }
    (ran.warnings, ran.infos) = notes.texts(text);
    ran.took = started.elapsed();
    Ok(Ok(ran))
}

fn cells(answer: Answer) -> Vec<Cell> {
    let value = |value: &SampleValue| match value {
        SampleValue::Float(value) => float_json(*value),
        SampleValue::Histogram(histogram) => format!("histogram: count {}, sum {}", histogram.count, histogram.sum),
    };
    let cell = |labels: Labels, value: String| Cell { labels, value };
    match answer {
        Answer::Scalar(value) => vec![cell(Labels::default(), float_json(value))],
        Answer::String(text) => vec![cell(Labels::default(), text)],
        Answer::Vector(samples) => samples.into_iter().map(|sample| cell(sample.labels, value(&sample.value))).collect(),
        Answer::Matrix(series) => series
            .into_iter()
            .map(|series| {
                let last = series.samples.values.last().copied().unwrap_or(f64::NAN);
                cell(series.labels, format!("{} samples, last {}", series.samples.len(), float_json(last)))
            })
            .collect(),
    }
}

fn lines(ran: &mut Ran, mut series: Vec<MatrixSeries>, times: Times) {
    let is_histogram = |series: &MatrixSeries| !series.samples.histograms.is_empty();
    ran.series = series.len();
    ran.histograms = series.iter().filter(|series| is_histogram(series)).count();
    series.retain(|series| !is_histogram(series));
    series.truncate(MOST_SERIES);
    let services = services(&series);
    ran.lines = series
        .into_iter()
        .zip(services)
        .map(|(series, service)| line(&series.labels, &series.samples, service, times))
        .collect();
}

/// The service of each series when every one has one, no two the same.
fn services(series: &[MatrixSeries]) -> Vec<Option<SmolStr>> {
    for label in SERVICE_LABELS {
        let mut names: Vec<SmolStr> = series.iter().map(|series| series.labels.get(label).into()).collect();
        let given = names.clone();
        names.sort_unstable();
        names.dedup();
        if names.len() == series.len() && names.iter().all(|name| !name.is_empty()) {
            return given.into_iter().map(Some).collect();
        }
    }
    vec![None; series.len()]
}

fn line(labels: &Labels, samples: &SampleColumn, service: Option<SmolStr>, times: Times) -> Line {
    let mut pieces: Vec<Vec<PlotPoint>> = Vec::new();
    let mut before = None;
    let (mut min, mut max, mut sum, mut count, mut last) = (f64::INFINITY, f64::NEG_INFINITY, 0.0, 0_u32, f64::NAN);
    for (time, value) in samples.times.iter().zip(&samples.values) {
        last = *value;
        if !value.is_finite() {
            // Nothing to draw at this step: the line is interrupted.
            before = None;
            continue;
        }
        (min, max, sum, count) = (min.min(*value), max.max(*value), sum + value, count + 1);
        let point = PlotPoint { x: (time - times.start) as f64 / 1e3, y: *value };
        match pieces.last_mut().filter(|_| before.is_some_and(|before| time - before <= times.step)) {
            Some(piece) => piece.push(point),
            None => pieces.push(vec![point]),
        }
        before = Some(*time);
    }
    if count == 0 {
        (min, max) = (f64::NAN, f64::NAN);
    }
    let mean = if count == 0 { f64::NAN } else { sum / f64::from(count) };
    Line { labels: labels.clone(), name: labels.to_string(), service, pieces, last, min, max, mean }
}

fn dots(
    expr: &promql::ast::Expr,
    times: Times,
    source: &dyn SeriesSource,
    control: &QueryControl,
) -> Result<Vec<Dot>, SourceError> {
    let any_of: Vec<Vec<Matcher>> = expr.selectors().into_iter().map(<[Matcher]>::to_vec).collect();
    if any_of.is_empty() {
        return Ok(Vec::new());
    }
    let found = source.exemplars(&any_of, MillisRange { start: times.start, end: times.end }, control)?;
    let dot = |exemplar: &Exemplar| Dot {
        x: (exemplar.time - times.start) as f64 / 1e3,
        y: exemplar.value,
        trace: ["trace_id", "traceID"].iter().find_map(|name| exemplar.labels.get(name).parse().ok()),
    };
    let mut dots: Vec<Dot> = found.iter().flat_map(|(_, exemplars)| exemplars.iter().map(dot)).collect();
    dots.sort_by(|a, b| b.x.total_cmp(&a.x));
    dots.truncate(MOST_EXEMPLARS);
    Ok(dots)
}

/// A metric of the catalogue.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Metric {
    /// Name, as a query writes it.
    pub name: SmolStr,
    /// Kind.
    pub kind: MetricKind,
    /// Help text.
    pub help: SmolStr,
    /// Unit, empty when not said.
    pub unit: SmolStr,
    /// Series of this name.
    pub series: u64,
}

/// Every metric there is, by name.
#[derive(Clone, Default, Debug)]
pub(super) struct Catalogue {
    /// The metrics.
    pub metrics: Vec<Metric>,
    /// All label names.
    pub labels: Vec<SmolStr>,
    /// Earliest and latest sample in milliseconds.
    pub extent: Option<(i64, i64)>,
}

impl Catalogue {
    /// A metric by its name.
    pub(super) fn metric(&self, name: &str) -> Option<&Metric> {
        self.metrics.iter().find(|metric| metric.name == name)
    }
}

/// Reads the catalogue.
pub(super) fn catalogue(source: &dyn SeriesSource, control: &QueryControl) -> Result<Catalogue, SourceError> {
    let named = Matcher { name: "__name__".into(), op: MatchOp::NotEqual, value: SmolStr::default() };
    let request = SeriesRequest { matchers: std::slice::from_ref(&named), range: MillisRange::ALL, limit: 0 };
    let set = source.select(&request, control)?;
    let mut counts: BTreeMap<SmolStr, u64> = BTreeMap::new();
    for series in set.series() {
        *counts.entry(series.labels.metric_name().into()).or_default() += 1;
    }
    control.check()?;
    let families: BTreeMap<SmolStr, MetricMetadata> =
        source.metadata("")?.into_iter().map(|about| (about.family.clone(), about)).collect();
    let metrics = counts.into_iter().map(|(name, series)| {
        let about = family_of(&name, &families);
        Metric {
            kind: about.map_or(MetricKind::Unknown, |about| about.kind),
            help: about.map(|about| about.help.clone()).unwrap_or_default(),
            unit: about.map(|about| about.unit.clone()).unwrap_or_default(),
            name,
            series,
        }
    });
    let extent =
        source.samples_extent().map(|extent| (extent.start.0.div_euclid(1_000_000), extent.end.0.div_euclid(1_000_000)));
    let metrics = metrics.collect();
    Ok(Catalogue { metrics, labels: source.label_names(&[], MillisRange::ALL, control)?, extent })
}

/// What is known of the family of a series' name: `x_bucket` is of `x`, `x_total` of `x_total` or `x`.
fn family_of<'a>(name: &str, families: &'a BTreeMap<SmolStr, MetricMetadata>) -> Option<&'a MetricMetadata> {
    families.get(name).or_else(|| {
        let suffixes = ["_bucket", "_count", "_sum", "_total", "_info", "_created"];
        suffixes.iter().find_map(|suffix| families.get(name.strip_suffix(suffix)?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(values: &[(i64, f64)]) -> SampleColumn {
        let mut column = SampleColumn::default();
        values.iter().for_each(|(time, value)| column.push(*time, SampleValue::Float(*value)));
        column
    }

    #[test]
    fn a_step_without_a_value_cuts_the_line() {
        let times = Times { start: 0, end: 60_000, step: 10_000 };
        let values = [(0, 1.0), (10_000, 2.0), (40_000, 3.0), (50_000, f64::NAN), (60_000, 6.0)];
        let line = line(&Labels::default(), &column(&values), None, times);
        let lengths: Vec<usize> = line.pieces.iter().map(Vec::len).collect();
        assert_eq!(lengths, [2, 1, 1]);
        assert_eq!((line.last, line.min, line.max, line.mean), (6.0, 1.0, 6.0, 3.0));
        assert_eq!((line.at(9.0, 5.0), line.at(25.0, 5.0), line.at(41.0, 5.0)), (Some(2.0), None, Some(3.0)));
    }

    #[test]
    fn steps_are_round_and_lie_on_their_multiples() {
        for (length_s, step_s) in [(300, 2), (900, 5), (3_600, 15), (21_600, 120), (86_400, 600), (2_592_000, 10_800)] {
            let times = Times::over(1_000_007, 1_000_007 + length_s * 1_000, 240);
            assert_eq!((times.step / 1_000, times.start % times.step), (step_s, 0), "{length_s}");
        }
    }

    #[test]
    fn names_find_their_family() {
        let about = |family: &str| (family.into(), MetricMetadata { family: family.into(), ..MetricMetadata::default() });
        let families = BTreeMap::from([about("http_seconds"), about("jobs_total")]);
        for (name, family) in [
            ("http_seconds_bucket", Some("http_seconds")),
            ("http_seconds", Some("http_seconds")),
            ("jobs_total", Some("jobs_total")),
            ("other_total", None),
        ] {
            assert_eq!(family_of(name, &families).map(|about| about.family.as_str()), family, "{name}");
        }
    }
}
