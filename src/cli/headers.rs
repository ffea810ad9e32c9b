//! `belvedere headers [FILE|-]`: explains the trace context in whatever is pasted. The reading is `context::inspect`.

use super::args::Common;
use super::{DONE, Failure, PROBLEMS, print};
use crate::context::inspect::{self, Report};
use crate::context::{Format, SpanContext};
use serde_json::{Value, json};
use std::io::{IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};

/// Most that is read; nobody pastes more.
const MAX_BYTES: u64 = 1 << 20;

/// `belvedere headers`.
#[derive(clap::Args, Debug)]
pub struct HeadersArguments {
    /// File to read, `-` for standard input
    #[arg(value_name = "FILE", default_value = "-")]
    file: PathBuf,
}

/// Runs the command. Exit code 1 when there is no usable context or a rule is broken.
pub fn run(common: &Common, arguments: &HeadersArguments) -> Result<u8, Failure> {
    let report = inspect::explain(&read(&arguments.file)?);
    if common.json {
        print::json(&object(&report))?;
    } else {
        print::line(report.to_text().trim_end())?;
    }
    Ok(if report.extraction.context.is_some() && report.extraction.problems.is_empty() { DONE } else { PROBLEMS })
}

fn read(file: &Path) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    let result = if file.as_os_str() == "-" {
        if std::io::stdin().is_terminal() {
            eprintln!("Paste headers (curl -v output, a HAR entry, a log line), then Ctrl-D:");
        }
        std::io::stdin().lock().take(MAX_BYTES).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(file).and_then(|opened| opened.take(MAX_BYTES).read_to_end(&mut bytes))
    };
    result.map_err(|error| Failure::new(format!("the headers cannot be read: {error}: {}", file.display())))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn context(format: Format, context: &SpanContext) -> Value {
    json!({
        "format": format.word(),
        "trace_id": context.trace_id.to_string(),
        "span_id": context.span_id.to_string(),
        "sampled": context.is_sampled(),
        "random": context.flags.random(),
        "sampling": format!("{:?}", context.sampling).to_lowercase(),
        "trace_state": context.trace_state.as_str(),
    })
}

fn object(report: &Report) -> Value {
    let found = &report.extraction;
    let headers: Vec<Value> =
        report.headers.iter().map(|header| json!({"name": header.name, "value": header.value, "line": header.line})).collect();
    let problems: Vec<Value> = found
        .problems
        .iter()
        .map(|problem| {
            let line = report.header_of(problem).map(|header| header.line);
            let (start, end) = (problem.place.start, problem.place.end);
            json!({
                "header": problem.header.as_str(), "format": problem.format.word(), "line": line,
                "start": start, "end": end, "text": problem.fault.to_string(),
            })
        })
        .collect();
    let baggage: Vec<Value> = found
        .baggage
        .iter()
        .map(|entry| {
            let (name, value, metadata) = (entry.name.as_str(), entry.value.as_str(), entry.metadata.as_str());
            json!({"name": name, "value": value, "metadata": metadata})
        })
        .collect();
    json!({
        "headers": headers,
        "context": found.context.as_ref().zip(found.format).map(|(of, format)| context(format, of)),
        "links": found.links.iter().map(|(format, of)| context(*format, of)).collect::<Vec<_>>(),
        "baggage": baggage,
        "problems": problems,
        "sentences": report.sentences,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_object_names_the_context_and_the_place_of_each_problem() {
        let text = "x\ntraceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-03\ntracestate: a=1,B=2\nbaggage: u=1";
        let object = object(&inspect::explain(text));
        assert_eq!(object["context"]["trace_id"], "0af7651916cd43dd8448eb211c80319c");
        assert_eq!((&object["context"]["sampled"], &object["context"]["random"]), (&json!(true), &json!(true)));
        let problem = &object["problems"][0];
        assert_eq!((&problem["header"], &problem["line"], &problem["start"]), (&json!("tracestate"), &json!(3), &json!(4)));
        assert_eq!(object["baggage"][0]["value"], "1");
    }
}
