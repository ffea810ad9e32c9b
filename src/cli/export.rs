//! `belvedere export --trace ID`: one trace in the words of a format.

use super::args::{Common, ExportArguments};
use super::remote::{Reach, reach};
use super::{DONE, Failure, PROBLEMS, print};
use crate::api::{ExportError, export_trace};
use crate::engine::WORKSPACE;
use crate::source::QueryControl;
use std::time::Duration;

/// A running Belvedere answers within this time.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);

/// Runs the command. Exit code 1 when there is no such trace.
pub fn run(common: &Common, arguments: &ExportArguments) -> Result<u8, Failure> {
    let format = arguments.format.word();
    let text = match reach(common.workspace.as_deref(), false)? {
        Reach::Here(engine) => {
            let source = engine.source(WORKSPACE).ok_or_else(|| Failure::new("no workspace is open here"))?;
            let written = export_trace(&*source.spans, &arguments.trace, format, &QueryControl::default());
            drop(source);
            engine.stop();
            match written {
                Ok(text) => text,
                Err(ExportError::Absent(id)) => {
                    eprintln!("belvedere: {}", ExportError::Absent(id));
                    return Ok(PROBLEMS);
                }
                Err(error) => return Err(Failure::new(error.to_string())),
            }
        }
        Reach::Asked(running) => {
            let pairs = [("trace", arguments.trace.as_str()), ("format", format)];
            let bytes = running.text("export", &pairs, ANSWER_WITHIN)?;
            String::from_utf8(bytes.into()).map_err(|_| Failure::new("the running Belvedere did not answer in UTF-8"))?
        }
    };
    match &arguments.out {
        None => print::line(text.trim_end())?,
        Some(path) => {
            let written = std::fs::write(path, text);
            written.map_err(|error| Failure::new(format!("cannot write the file: {error}: {}", path.display())))?;
        }
    }
    Ok(DONE)
}
