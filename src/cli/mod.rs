//! Subcommands: what `belvedere` does when it is called, and how it ends.
//!
//! Exit codes: 0 done, 1 found nothing or found problems, 2 could not run. With `--json` one object goes to standard
//! output, everything else to standard error. On a workspace that a running Belvedere holds, a command asks it and prints
//! the same object.

mod args;
mod check;
mod check_rules;
pub mod demo;
mod exec;
mod export;
mod headers;
mod import;
mod insight;
mod oncall;
mod print;
mod proxy;
mod query;
mod query_promql;
mod remote;
mod reporting;
mod serve;
mod test_rules;
mod wait;

use args::{Arguments, Command, QueryWhat};
use clap::Parser as _;
use std::process::ExitCode;

/// Done.
const DONE: u8 = 0;
/// Ran, and found nothing or found problems.
const PROBLEMS: u8 = 1;
/// Could not run.
const FAILED: u8 = 2;

/// Why a command could not run: what happened, where, what to do.
#[derive(Debug, PartialEq)]
pub struct Failure(String);

impl Failure {
    fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

/// Runs the command line of this process.
pub fn run() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            error.print().ok();
            return ExitCode::from(if error.use_stderr() { FAILED } else { DONE });
        }
    };
    let common = &arguments.common;
    let ended = match &arguments.command {
        None => serve::window(&arguments),
        Some(Command::Serve(serve)) => serve::serve(&arguments, serve),
        Some(Command::Import(import)) => import::run(common, import),
        Some(Command::Export(export)) => export::run(common, export),
        Some(Command::Query(query)) => match &query.what {
            QueryWhat::Traces(traces) => query::traces(common, traces),
            QueryWhat::Promql(promql) => query_promql::run(common, promql),
        },
        Some(Command::Compare(compare)) => insight::compare(common, compare),
        Some(Command::Analyze(analyze)) => insight::analyze(common, analyze),
        Some(Command::Diff(diff)) => insight::diff(common, diff),
        Some(Command::Oncall(oncall)) => oncall::run(common, oncall),
        Some(Command::Wait(wait)) => wait::run(common, wait),
        Some(Command::Exec(exec)) => exec::run(exec),
        Some(Command::Proxy(proxy)) => proxy::run(proxy),
        Some(Command::Check(check)) => check::run(common, check),
        Some(Command::Test(test)) => test_rules::run(common, test),
        Some(Command::Headers(headers)) => headers::run(common, headers),
        Some(Command::Demo(demo)) => demo::run(demo, common.json).map_err(|error| Failure::new(error.to_string())),
    };
    match ended {
        Ok(code) => ExitCode::from(code),
        Err(Failure(text)) => {
            eprintln!("belvedere: {text}");
            ExitCode::from(FAILED)
        }
    }
}
