//! `belvedere wait EXPR`: until a stored trace matches.

use super::args::{Common, WaitArguments};
use super::remote::{Reach, Running, reach};
use super::{DONE, Failure, PROBLEMS, print};
use crate::api::objects::Waited;
use crate::engine::{Engine, WORKSPACE};
use crate::source::QueryControl;
use std::path::Path;
use std::time::{Duration, Instant};

/// What a running Belvedere may take beyond the time that it waits.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// How often a workspace that nobody serves is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Runs the command. Exit code 1 when the time ran out.
pub fn run(common: &Common, arguments: &WaitArguments) -> Result<u8, Failure> {
    let expression = arguments.expression.join(" ");
    let waited = match reach(common.workspace.as_deref(), true)? {
        Reach::Here(engine) => {
            let dir = engine.workspace().filter(|place| !place.temporary).map(|place| place.dir);
            let found = here(&engine, &expression);
            engine.stop();
            drop(engine);
            match (found?, dir) {
                (waited, Some(dir)) if !waited.matched => until_served(&dir, &expression, arguments.timeout)?,
                (waited, _) => waited,
            }
        }
        Reach::Asked(running) => ask(&running, &expression, arguments.timeout)?,
    };
    if common.json {
        print::json(&waited)?;
    } else if let Some(trace) = &waited.trace {
        print::line(&format!("{} {} {}", trace.trace_id, trace.root_service, trace.root_name))?;
    } else {
        eprintln!("belvedere: no trace matched within {} s: {expression}", arguments.timeout.as_secs_f64());
    }
    Ok(if waited.matched { DONE } else { PROBLEMS })
}

/// What matches already.
fn here(engine: &Engine, expression: &str) -> Result<Waited, Failure> {
    let source = engine.source(WORKSPACE).ok_or_else(|| Failure::new("no workspace is open here"))?;
    let found = crate::api::query_traces(&*source.spans, expression, 1, &QueryControl::default());
    let mut found = found.map_err(|error| Failure::new(format!("{error}: {expression}")))?;
    let trace = found.traces.pop();
    Ok(Waited { matched: trace.is_some(), trace })
}

/// Nobody fills the workspace yet: the script that waits may be about to start `belvedere serve`. The lock is left free.
fn until_served(dir: &Path, expression: &str, timeout: Duration) -> Result<Waited, Failure> {
    let since = Instant::now();
    loop {
        let left = timeout.saturating_sub(since.elapsed());
        if left.is_zero() {
            return Ok(Waited::default());
        }
        if let Some(api) = crate::engine::served_at(dir)
            && let Ok(waited) = ask(&Running::at(api)?, expression, left)
        {
            return Ok(waited);
        }
        std::thread::sleep(LOOK_EVERY.min(left));
    }
}

fn ask(running: &Running, expression: &str, timeout: Duration) -> Result<Waited, Failure> {
    let millis = timeout.as_millis().to_string();
    running.get("wait", &[("query", expression), ("timeout_ms", &millis)], timeout + ANSWER_WITHIN)
}
