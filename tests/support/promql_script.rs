//! The scripts that PromQL engines are tested with (`.test` files): read, run, compared, as Prometheus does it.
//!
//! Every instant case is run again as the middle step of a range query, and with `@` its time on every selector at other
//! times, where neither changes what is asked.

use belvedere::model::{FloatHistogram, Labels, SampleColumn, SampleValue};
use belvedere::promql::ast::{At, Expr};
use belvedere::promql::eval::{Answer, Evaluated, MatrixSeries, Options, When, evaluate};
use belvedere::promql::functions::FunctionId;
use belvedere::promql::series_desc::{Described, leading_duration, parse_series, samples};
use belvedere::promql::text::{NS_PER_MS, parse_duration, parse_number, unquote};
use belvedere::promql::{histogram, parse};
use belvedere::source::{MemorySeries, QueryControl};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Relative error that numbers may have.
const EPSILON: f64 = 1e-6;

/// Options that scripts are run under.
pub fn options() -> Options {
    Options {
        lookback_ms: 300_000,
        max_samples: 10_000,
        timeout_ms: 100_000,
        delayed_name_removal: true,
        start_timestamps: true,
        type_and_unit_labels: false,
        subquery_step_ms: 60_000,
        threads: 2,
    }
}

/// What became of one case.
pub struct Case {
    pub line: usize,
    pub query: String,
    pub result: Result<(), String>,
}

enum Match {
    Any,
    Text(String),
    Regex(regex::Regex),
}

impl Match {
    fn holds(&self, text: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Text(wanted) => wanted == text,
            Self::Regex(regex) => regex.is_match(text),
        }
    }
}

#[derive(Default)]
struct Expectations {
    ordered: bool,
    fail: Option<Match>,
    warn: Vec<Match>,
    info: Vec<Match>,
    no_warn: bool,
    no_info: bool,
    /// Start, end and step of an expected range vector.
    range_vector: Option<(i64, i64, i64)>,
    text: Option<String>,
    scalar: Option<f64>,
    series: Vec<(Labels, Vec<Described>)>,
}

/// Runs a script; an error names a line that cannot be read.
pub fn run(script: &str) -> Result<Vec<Case>, String> {
    let lines: Vec<&str> =
        script.lines().map(|line| line.trim()).map(|line| if line.starts_with('#') { "" } else { line }).collect();
    let mut data = MemorySeries::default();
    let mut cases = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        let line = lines[at];
        let number = at + 1;
        let block_end = (at + 1..lines.len()).find(|index| lines[*index].is_empty()).unwrap_or(lines.len());
        if line.is_empty() {
            at += 1;
        } else if line == "clear" {
            data = MemorySeries::default();
            at += 1;
        } else if line.starts_with("load") {
            load(&mut data, line, &lines[at + 1..block_end]).map_err(|error| format!("line {number}: {error}"))?;
            at = block_end;
        } else if line.starts_with("eval") {
            let (case, taken) =
                eval(&data, line, number, &lines[at + 1..block_end]).map_err(|error| format!("line {number}: {error}"))?;
            cases.push(case);
            at += 1 + taken;
        } else {
            return Err(format!("line {number}: invalid command {line:?}"));
        }
    }
    Ok(cases)
}

fn millis(text: &str) -> Result<i64, String> {
    parse_duration(text.trim()).map(|ns| ns / NS_PER_MS)
}

fn load(data: &mut MemorySeries, command: &str, lines: &[&str]) -> Result<(), String> {
    let rest = command.strip_prefix("load").unwrap_or_default();
    let (with_nhcb, step) = match rest.strip_prefix("_with_nhcb") {
        Some(step) => (true, step),
        None => (false, rest),
    };
    let step = millis(step)?;
    let mut starts: Option<Vec<Option<i64>>> = None;
    let mut classic: Vec<(Labels, SampleColumn)> = Vec::new();
    for line in lines {
        let name_end = line.find(char::is_whitespace).unwrap_or(line.len());
        if line[..name_end].ends_with("@st") {
            starts = Some(start_times(&line[name_end..])?);
            continue;
        }
        let (labels, values) = parse_series(line).map_err(|error| error.to_string())?;
        let column = samples(&values, 0, step, starts.take().as_deref());
        if !column.is_empty() {
            data.append(&labels, &column);
        }
        classic.push((labels, column));
    }
    if with_nhcb {
        append_custom(data, &classic)?;
    }
    Ok(())
}

fn start_times(text: &str) -> Result<Vec<Option<i64>>, String> {
    let mut out = Vec::new();
    for item in text.split_whitespace() {
        if let Some(rest) = item.strip_prefix('_') {
            let count = rest.strip_prefix('x').map_or(Ok(1), str::parse::<usize>).map_err(|error| error.to_string())?;
            out.extend(std::iter::repeat_n(None, count));
            continue;
        }
        let wrong = || format!("invalid ST item {item:?}");
        let (mut value, rest) = leading_duration(item).ok_or_else(wrong)?;
        let (change, rest) = match rest.as_bytes().first() {
            Some(b'+' | b'-') => leading_duration(rest).ok_or_else(wrong)?,
            _ => (0, rest),
        };
        let count = if rest.is_empty() {
            0
        } else {
            rest.strip_prefix('x').and_then(|count| count.parse::<usize>().ok()).ok_or_else(wrong)?
        };
        for _ in 0..=count {
            out.push(Some(value));
            value += change;
        }
    }
    Ok(out)
}

/// Builds histograms with custom bounds out of classic ones.
fn append_custom(data: &mut MemorySeries, classic: &[(Labels, SampleColumn)]) -> Result<(), String> {
    #[derive(Default)]
    struct Parts {
        buckets: Vec<(f64, f64)>,
        count: Option<f64>,
        sum: f64,
    }
    let mut bases: BTreeMap<Labels, BTreeMap<i64, Parts>> = BTreeMap::new();
    for (labels, column) in classic {
        let name = labels.metric_name();
        let Some((base, kind)) =
            ["_bucket", "_count", "_sum"].iter().find_map(|suffix| Some((name.strip_suffix(suffix)?, *suffix)))
        else {
            continue;
        };
        let bound = labels.get("le").parse::<f64>().ok().filter(|bound| !bound.is_nan());
        if kind == "_bucket" && bound.is_none() {
            continue;
        }
        let base = labels.edit().set("__name__", base).set("le", "").build();
        let times = bases.entry(base).or_default();
        for (index, time) in column.times.iter().enumerate() {
            if column.histograms.iter().any(|(at, _)| *at as usize == index) {
                continue;
            }
            let parts = times.entry(*time).or_default();
            let value = column.values[index];
            match (kind, bound) {
                ("_bucket", Some(bound)) => parts.buckets.push((bound, value)),
                ("_count", _) => parts.count = Some(value),
                _ => parts.sum = value,
            }
        }
    }
    for (labels, times) in bases {
        let mut values = Vec::new();
        for (time, mut parts) in times {
            parts.buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
            parts.buckets.dedup_by(|later, first| later.0 == first.0);
            let count = match parts.count.or(parts.buckets.last().map(|bucket| bucket.1)) {
                Some(count) => count,
                None => return Err("count must be provided when no buckets are present".to_owned()),
            };
            if parts.buckets.last().is_none_or(|bucket| bucket.0 != f64::INFINITY) {
                parts.buckets.push((f64::INFINITY, count));
            }
            let mut before = 0.0;
            let mut counts = Vec::new();
            for (_, total) in &parts.buckets {
                counts.push(total - before);
                before = *total;
            }
            let mut histogram = FloatHistogram {
                schema: -53,
                count,
                sum: parts.sum,
                positive_spans: vec![belvedere::model::BucketSpan { offset: 0, length: counts.len() as u32 }],
                positive_buckets: counts,
                custom_values: parts.buckets[..parts.buckets.len() - 1].iter().map(|bucket| bucket.0).collect(),
                ..FloatHistogram::default()
            };
            histogram::compact(&mut histogram);
            values.push((time, Described::Histogram(Arc::new(histogram), false)));
        }
        let described: Vec<Described> = values.iter().map(|(_, value)| value.clone()).collect();
        let mut column = samples(&described, 0, 1, None);
        column.times = values.iter().map(|(time, _)| *time).collect();
        data.append(&labels, &column);
    }
    Ok(())
}

/// The case, and how many lines of its block belong to it.
fn eval(data: &MemorySeries, command: &str, line: usize, block: &[&str]) -> Result<(Case, usize), String> {
    let (head, rest) = command.split_once(char::is_whitespace).ok_or("an evaluation without a query")?;
    let rest = rest.trim_start();
    let mut expected = Expectations::default();
    match head.strip_prefix("eval_") {
        Some("ordered") => expected.ordered = true,
        Some("fail") => expected.fail = Some(Match::Any),
        Some("warn") => expected.warn.push(Match::Any),
        Some("info") => expected.info.push(Match::Any),
        _ => {}
    }
    let word = |text: &str, word: &str| text.strip_prefix(word).map(str::trim_start).map(str::to_owned);
    let (when, query) = if let Some(rest) = word(rest, "instant") {
        match word(&rest, "at ") {
            Some(rest) => {
                let (time, query) = rest.split_once(char::is_whitespace).ok_or("no query")?;
                (When::Instant(millis(time)?), query.trim().to_owned())
            }
            None => (When::Instant(0), rest),
        }
    } else if let Some(rest) = word(rest, "range") {
        let parts: Vec<&str> = rest.splitn(7, char::is_whitespace).collect();
        let [_, start, _, end, _, step, query] = parts.as_slice() else { return Err("a range without its parts".to_owned()) };
        (When::Range { start: millis(start)?, end: millis(end)?, step: millis(step)? }, query.trim().to_owned())
    } else {
        return Err("neither instant nor range".to_owned());
    };
    let mut taken = 0;
    for text in block {
        taken += 1;
        if let Some(message) = text.strip_prefix("expected_fail_message") {
            expected.fail = Some(Match::Text(message.trim().to_owned()));
            break;
        }
        if let Some(pattern) = text.strip_prefix("expected_fail_regexp") {
            expected.fail = Some(Match::Regex(regex::Regex::new(pattern.trim()).map_err(|error| error.to_string())?));
            break;
        }
        if let Some(range) = text.strip_prefix("expect range vector") {
            let parts: Vec<&str> = range.split_whitespace().collect();
            let [_, start, _, end, _, step] = parts.as_slice() else { return Err(format!("invalid range vector {range:?}")) };
            expected.range_vector = Some((millis(start)?, millis(end)?, millis(step)?));
        } else if let Some(literal) = text.strip_prefix("expect string") {
            expected.text = Some(unquote(literal.trim()).ok_or("a string that cannot be read")?);
        } else if let Some(rest) = text.strip_prefix("expect ") {
            expect(rest.trim(), &mut expected)?;
        } else if let Some(value) = scalar(text) {
            expected.scalar = Some(value);
            break;
        } else {
            expected.series.push(parse_series(text).map_err(|error| format!("{text:?}: {error}"))?);
        }
    }
    let result = check(data, &query, when, &expected);
    Ok((Case { line, query, result }, taken))
}

fn scalar(text: &str) -> Option<f64> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let value = parse_number(digits).ok()?;
    Some(if negative { -value } else { value })
}

fn expect(text: &str, expected: &mut Expectations) -> Result<(), String> {
    let (kind, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let rest = rest.trim();
    let matching = if let Some(message) = rest.strip_prefix("msg:") {
        Match::Text(message.trim().to_owned())
    } else if let Some(pattern) = rest.strip_prefix("regex:") {
        Match::Regex(regex::Regex::new(pattern.trim()).map_err(|error| error.to_string())?)
    } else {
        Match::Any
    };
    match kind {
        "ordered" => expected.ordered = true,
        "fail" => expected.fail = Some(matching),
        "warn" => expected.warn.push(matching),
        "info" => expected.info.push(matching),
        "no_warn" => expected.no_warn = true,
        "no_info" => expected.no_info = true,
        kind => return Err(format!("invalid expectation {kind:?}")),
    }
    Ok(())
}

fn ask(data: &MemorySeries, query: &str, when: When) -> Result<Evaluated, String> {
    let expr = parse(query).map_err(|error| error.to_string())?;
    evaluate(&expr, when, data, &options(), &QueryControl::default()).map_err(|error| error.to_string())
}

fn check(data: &MemorySeries, query: &str, when: When, expected: &Expectations) -> Result<(), String> {
    check_one(data, query, query, when, expected, None)?;
    let When::Instant(time) = when else { return Ok(()) };
    if let Some((fixed, times)) = fixed_query(query, time) {
        for other in times {
            check_one(data, query, &fixed, When::Instant(other), expected, None)
                .map_err(|error| format!("as {fixed} at {other} ms: {error}"))?;
        }
    }
    let context = ["start()", "end()", "range()", "step()"].iter().any(|call| query.contains(call));
    if expected.ordered || expected.range_vector.is_some() || expected.text.is_some() || context {
        return Ok(());
    }
    let range = When::Range { start: time - 60_000, end: time + 60_000, step: 60_000 };
    check_one(data, query, query, range, expected, Some(time)).map_err(|error| format!("as a range query: {error}"))
}

fn check_one(
    data: &MemorySeries,
    original: &str,
    query: &str,
    when: When,
    expected: &Expectations,
    middle: Option<i64>,
) -> Result<(), String> {
    let answer = ask(data, query, when);
    if let Some(fail) = &expected.fail {
        return match answer {
            Ok(_) => Err("expected an error".to_owned()),
            // A range query may fail at other steps, in other words.
            Err(error) if fail.holds(&error) || middle.is_some() => Ok(()),
            Err(error) => Err(format!("expected another error than: {error}")),
        };
    }
    let evaluated = match (answer, middle) {
        (Ok(evaluated), _) => evaluated,
        (Err(error), _) => return Err(error),
    };
    if middle.is_none() {
        notes(&evaluated, query, original, expected)?;
    }
    compare(evaluated.answer, when, expected, middle)
}

fn notes(evaluated: &Evaluated, query: &str, _original: &str, expected: &Expectations) -> Result<(), String> {
    let (warnings, infos) = evaluated.notes.texts(query);
    for (kind, wanted, none, found) in
        [("warning", &expected.warn, expected.no_warn, &warnings), ("info", &expected.info, expected.no_info, &infos)]
    {
        if none && !found.is_empty() {
            return Err(format!("unexpected {kind}: {found:?}"));
        }
        if wanted.is_empty() {
            continue;
        }
        if found.is_empty() || wanted.iter().any(|wanted| !found.iter().any(|text| wanted.holds(text))) {
            return Err(format!("a {kind} is missing, found {found:?}"));
        }
        if let Some(other) = found.iter().find(|text| !wanted.iter().any(|wanted| wanted.holds(text))) {
            return Err(format!("unexpected {kind}: {other}"));
        }
    }
    Ok(())
}

fn compare(answer: Answer, when: When, expected: &Expectations, middle: Option<i64>) -> Result<(), String> {
    match answer {
        Answer::String(text) => match &expected.text {
            Some(wanted) if *wanted == text => Ok(()),
            wanted => Err(format!("expected string {wanted:?}, got {text:?}")),
        },
        Answer::Scalar(value) => scalar_is(expected, value),
        Answer::Vector(vector) => {
            let found = vector.into_iter().map(|sample| (sample.labels, sample.value)).collect();
            vector_is(expected, found)
        }
        Answer::Matrix(matrix) => match middle {
            Some(time) => {
                let at = |series: &MatrixSeries| {
                    let index = series.samples.times.iter().position(|at| *at == time)?;
                    let histogram = series.samples.histograms.iter().find(|(at, _)| *at as usize == index);
                    let value = match histogram {
                        Some((_, histogram)) => SampleValue::Histogram(histogram.clone()),
                        None => SampleValue::Float(series.samples.values[index]),
                    };
                    Some((series.labels.clone(), value))
                };
                let found: Vec<(Labels, SampleValue)> = matrix.iter().filter_map(at).collect();
                match (expected.scalar, found.first()) {
                    (Some(_), Some((_, SampleValue::Float(value)))) => scalar_is(expected, *value),
                    _ => vector_is(expected, found),
                }
            }
            None => matrix_is(expected, matrix, when),
        },
    }
}

fn scalar_is(expected: &Expectations, value: f64) -> Result<(), String> {
    match expected.scalar {
        Some(wanted) if almost(wanted, value) => Ok(()),
        wanted => Err(format!("expected scalar {wanted:?}, got {value}")),
    }
}

fn vector_is(expected: &Expectations, found: Vec<(Labels, SampleValue)>) -> Result<(), String> {
    if expected.scalar.is_some() {
        return Err("expected a scalar, got a vector".to_owned());
    }
    for (position, (labels, value)) in found.iter().enumerate() {
        let Some(place) = expected.series.iter().position(|(wanted, _)| wanted == labels) else {
            return Err(format!("unexpected {labels} with {}", shown(value)));
        };
        if expected.ordered && place != position {
            return Err(format!("{labels} is at {position}, expected at {place}"));
        }
        let Some(wanted) = expected.series[place].1.first() else { return Err(format!("{labels} has no expected value")) };
        value_is(wanted, value).map_err(|error| format!("{labels}: {error}"))?;
    }
    missing(expected, found.iter().map(|(labels, _)| labels))
}

fn missing<'a>(expected: &Expectations, found: impl Iterator<Item = &'a Labels>) -> Result<(), String> {
    let found: Vec<&Labels> = found.collect();
    match expected.series.iter().find(|(labels, _)| !found.contains(&labels)) {
        Some((labels, _)) => Err(format!("{labels} is missing")),
        None => Ok(()),
    }
}

fn matrix_is(expected: &Expectations, matrix: Vec<MatrixSeries>, when: When) -> Result<(), String> {
    if !matrix.windows(2).all(|pair| pair[0].labels < pair[1].labels) {
        return Err("series are not sorted".to_owned());
    }
    let (start, step) = match (expected.range_vector, when) {
        (Some((start, _, step)), _) => (start, step),
        (None, When::Range { start, step, .. }) => (start, step),
        (None, When::Instant(time)) => (time, 0),
    };
    for series in &matrix {
        let Some((labels, wanted)) = expected.series.iter().find(|(wanted, _)| *wanted == series.labels) else {
            return Err(format!("unexpected {} with {:?}", series.labels, series.samples.values));
        };
        let wanted: Vec<(i64, &Described)> = wanted
            .iter()
            .enumerate()
            .filter(|(_, value)| !matches!(value, Described::Gap))
            .map(|(index, value)| (start + step * index as i64, value))
            .collect();
        let samples = &series.samples;
        let times: Vec<i64> = wanted.iter().map(|(time, _)| *time).collect();
        if times != samples.times {
            return Err(format!("{labels}: expected samples at {times:?}, got {:?} with {:?}", samples.times, samples.values));
        }
        for (index, (time, wanted)) in wanted.iter().enumerate() {
            let value = match samples.histograms.iter().find(|(at, _)| *at as usize == index) {
                Some((_, histogram)) => SampleValue::Histogram(histogram.clone()),
                None => SampleValue::Float(samples.values[index]),
            };
            value_is(wanted, &value).map_err(|error| format!("{labels} at {time}: {error} in {:?}", samples.values))?;
        }
    }
    missing(expected, matrix.iter().map(|series| &series.labels))
}

fn shown(value: &SampleValue) -> String {
    match value {
        SampleValue::Float(value) => value.to_string(),
        SampleValue::Histogram(histogram) => format!("{histogram:?}"),
    }
}

fn value_is(wanted: &Described, found: &SampleValue) -> Result<(), String> {
    let same = match (wanted, found) {
        (Described::Float(wanted), SampleValue::Float(found)) => almost(*wanted, *found),
        (Described::Histogram(wanted, hint), SampleValue::Histogram(found)) => histogram_is(wanted, found, *hint),
        _ => false,
    };
    if same { Ok(()) } else { Err(format!("expected {wanted:?}, got {}", shown(found))) }
}

fn histogram_is(wanted: &FloatHistogram, found: &FloatHistogram, hint: bool) -> bool {
    let (mut wanted, mut found) = (wanted.clone(), found.clone());
    histogram::compact(&mut wanted);
    histogram::compact(&mut found);
    let all = |a: &[f64], b: &[f64]| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| almost(*a, *b));
    wanted.schema == found.schema
        && almost(wanted.count, found.count)
        && almost(wanted.sum, found.sum)
        && (!wanted.has_custom_buckets() || wanted.custom_values == found.custom_values)
        && wanted.zero_threshold == found.zero_threshold
        && almost(wanted.zero_count, found.zero_count)
        && wanted.negative_spans == found.negative_spans
        && all(&wanted.negative_buckets, &found.negative_buckets)
        && wanted.positive_spans == found.positive_spans
        && all(&wanted.positive_buckets, &found.positive_buckets)
        && (!hint || wanted.reset == found.reset)
}

fn almost(a: f64, b: f64) -> bool {
    use belvedere::model::sample::is_stale;
    if is_stale(a) || is_stale(b) {
        return is_stale(a) && is_stale(b);
    }
    if a.is_nan() && b.is_nan() || a == b {
        return true;
    }
    let (sum, difference) = (a.abs() + b.abs(), (a - b).abs());
    if a == 0.0 || b == 0.0 || sum < f64::MIN_POSITIVE {
        return difference < EPSILON * f64::MIN_POSITIVE;
    }
    difference / sum.min(f64::MAX) < EPSILON
}

/// The query with its time fixed on every selector, and the times to ask it at; `None` where that changes its meaning.
fn fixed_query(query: &str, time: i64) -> Option<(String, Vec<i64>)> {
    let mut expr = parse(query).ok()?;
    let mut unsafe_call = false;
    fix(&mut expr, time, &mut unsafe_call);
    if unsafe_call {
        return None;
    }
    let times = if time == 0 { vec![-1_000, 0, 1_000] } else { vec![-10 * time, 0, time / 5, time, 10 * time] };
    Some((expr.to_string(), times))
}

fn fix(expr: &mut Expr, time: i64, unsafe_call: &mut bool) {
    use FunctionId::*;
    match expr {
        Expr::Number(_) | Expr::String(_) => {}
        Expr::Vector(node) => drop(node.at_time.get_or_insert(At::Time(time))),
        Expr::Matrix(node) => drop(node.selector.at_time.get_or_insert(At::Time(time))),
        // What stands in a subquery is fixed by it.
        Expr::Subquery(node) => drop(node.at_time.get_or_insert(At::Time(time))),
        Expr::Aggregate(node) => {
            fix(&mut node.expr, time, unsafe_call);
            if let Some(param) = &mut node.param {
                fix(param, time, unsafe_call);
            }
        }
        Expr::Binary(node) => {
            fix(&mut node.lhs, time, unsafe_call);
            fix(&mut node.rhs, time, unsafe_call);
        }
        Expr::Call(node) => {
            *unsafe_call |= matches!(
                node.function.id,
                DaysInMonth
                    | DayOfMonth
                    | DayOfWeek
                    | DayOfYear
                    | End
                    | Hour
                    | Minute
                    | Month
                    | Year
                    | PredictLinear
                    | Range
                    | Start
                    | Step
                    | Time
                    | Timestamp
            );
            node.args.iter_mut().for_each(|arg| fix(arg, time, unsafe_call));
        }
        Expr::Paren(inner, _) | Expr::Unary { expr: inner, .. } => fix(inner, time, unsafe_call),
    }
}
