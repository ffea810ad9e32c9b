//! `belvedere analyze`, `compare` and `diff`: what stored traces say.

use super::args::{AnalyzeArguments, Common, CompareArguments, DiffArguments};
use super::remote::{Reach, reach};
use super::{DONE, Failure, PROBLEMS, print};
use crate::analysis::Paths;
use crate::api::insight::{self, Side};
use crate::api::objects::{Analysis, Compared, Diffed};
use crate::engine::WORKSPACE;
use crate::model::{DurationNs, units};
use crate::search::SearchError;
use crate::source::{MemorySource, QueryControl, SpanSource};
use serde::de::DeserializeOwned;
use std::path::Path;
use std::time::Duration;

/// A running Belvedere answers within this time.
const ANSWER_WITHIN: Duration = Duration::from_secs(300);

/// Asks the workspace here or the process that holds it.
fn ask<T: DeserializeOwned>(
    common: &Common,
    path: &str,
    pairs: &[(&str, &str)],
    here: impl FnOnce(&dyn SpanSource, &QueryControl) -> Result<T, SearchError>,
) -> Result<T, Failure> {
    match reach(common.workspace.as_deref(), false)? {
        Reach::Here(engine) => {
            let source = engine.source(WORKSPACE).ok_or_else(|| Failure::new("no workspace is open here"))?;
            let answer = here(&*source.spans, &QueryControl::default());
            drop(source);
            engine.stop();
            answer.map_err(|error| Failure::new(error.to_string()))
        }
        Reach::Asked(running) => running.get(path, pairs, ANSWER_WITHIN),
    }
}

/// `belvedere analyze`. Exit code 1 when something was found.
pub fn analyze(common: &Common, arguments: &AnalyzeArguments) -> Result<u8, Failure> {
    let expression = arguments.expression.join(" ");
    let found: Analysis =
        ask(common, "analyze", &[("query", &expression)], |source, control| insight::analyze(source, &expression, control))?;
    if common.json {
        print::json(&found)?;
    } else if found.findings.is_empty() {
        eprintln!("nothing found");
    } else {
        for finding in &found.findings {
            print::line(&format!("{:>3}  {:<20} {}", finding.rank, finding.kind, finding.text))?;
            if let Some(example) = finding.traces.first() {
                print::line(&format!("{:26}e.g. trace {example}", ""))?;
            }
        }
    }
    Ok(if found.findings.is_empty() { DONE } else { PROBLEMS })
}

/// `belvedere compare`.
pub fn compare(common: &Common, arguments: &CompareArguments) -> Result<u8, Failure> {
    let (inside, against) = (&arguments.r#where, arguments.against.as_deref());
    let mut pairs = vec![("where", inside.as_str())];
    pairs.extend(against.map(|against| ("against", against)));
    let found: Compared = ask(common, "compare", &pairs, |source, control| insight::compare(source, inside, against, control))?;
    if common.json {
        print::json(&found)?;
        return Ok(DONE);
    }
    let rows: Vec<Vec<String>> = found
        .differences
        .iter()
        .map(|difference| {
            vec![
                units::percent(difference.inside_share),
                units::percent(difference.outside_share),
                format!("{}.{}", difference.scope, difference.key),
                difference.value.clone(),
            ]
        })
        .collect();
    eprintln!("{} spans inside, {} outside", found.inside, found.outside);
    if rows.is_empty() {
        eprintln!("no attribute tells them apart");
    } else {
        print::table(&["inside", "outside", "attribute", "value"], &rows, &[0, 1])?;
    }
    Ok(DONE)
}

/// `belvedere diff`. Exit code 1 when the sides differ in what they do.
pub fn diff(common: &Common, arguments: &DiffArguments) -> Result<u8, Failure> {
    let (a, b) = (&arguments.a, &arguments.b);
    let files = (Path::new(a).is_file(), Path::new(b).is_file());
    let found = match files {
        (false, false) => {
            let (left, right) = (Side::of(a), Side::of(b));
            ask(common, "diff", &[("a", a), ("b", b)], |source, control| insight::diff(source, &left, &right, control))?
        }
        _ => {
            let paths = |text: &str, is_file: bool| if is_file { file_paths(text) } else { stored_paths(common, text) };
            insight::diff_sides(&paths(a, files.0)?, &paths(b, files.1)?)
        }
    };
    tell_diff(common, &found)?;
    let differs = found.rows.iter().any(|row| row.count_a == 0 || row.count_b == 0);
    Ok(if differs { PROBLEMS } else { DONE })
}

fn source_paths(source: &dyn SpanSource, side: &Side) -> Result<Paths, Failure> {
    insight::side_paths(source, side, &QueryControl::default()).map_err(|error| Failure::new(error.to_string()))
}

fn file_paths(path: &str) -> Result<Paths, Failure> {
    let bytes = std::fs::read(path).map_err(|error| Failure::new(format!("{error}: {path}")))?;
    let opened = crate::wire::open::read(&bytes, path).map_err(|error| Failure::new(format!("{error}: {path}")))?;
    source_paths(&MemorySource::new(path, &opened.batch), &Side::Selection(String::new()))
}

/// A stored trace beside a file: when another process holds the workspace, the trace is fetched as a file would be.
fn stored_paths(common: &Common, text: &str) -> Result<Paths, Failure> {
    let side = Side::of(text);
    match reach(common.workspace.as_deref(), false)? {
        Reach::Here(engine) => {
            let source = engine.source(WORKSPACE).ok_or_else(|| Failure::new("no workspace is open here"))?;
            let paths = source_paths(&*source.spans, &side);
            drop(source);
            engine.stop();
            paths
        }
        Reach::Asked(running) => {
            let Side::Trace(id) = side else {
                let text = format!("a file is compared with a trace id or another file, not with a selection: {text}");
                return Err(Failure::new(text));
            };
            let bytes = running.text(&format!("traces/{id}"), &[], ANSWER_WITHIN)?;
            let opened = crate::wire::open::read(&bytes, text).map_err(|error| Failure::new(format!("{error}: {text}")))?;
            source_paths(&MemorySource::new(text, &opened.batch), &Side::Selection(String::new()))
        }
    }
}

fn tell_diff(common: &Common, found: &Diffed) -> Result<(), Failure> {
    if common.json {
        return print::json(found);
    }
    let rows: Vec<Vec<String>> = found
        .rows
        .iter()
        .map(|row| {
            let steps = row.path.matches(crate::analysis::STEP).count();
            let name = row.path.rsplit(crate::analysis::STEP).next().unwrap_or(&row.path);
            let time =
                |count: u64, nanos: i64| if count == 0 { units::ABSENT.to_owned() } else { units::duration(DurationNs(nanos)) };
            vec![
                time(row.count_a, row.duration_ns_a),
                time(row.count_b, row.duration_ns_b),
                units::duration_change(DurationNs(row.duration_ns_b - row.duration_ns_a)),
                format!("{} / {}", row.count_a, row.count_b),
                format!("{}{name}", "  ".repeat(steps)),
            ]
        })
        .collect();
    print::table(&["A", "B", "change", "spans", "path"], &rows, &[0, 1, 2, 3])
}
