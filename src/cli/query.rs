//! `belvedere query traces EXPR`.

use super::args::{Common, QueryTracesArguments};
use super::remote::{Reach, reach};
use super::{DONE, Failure, PROBLEMS, print};
use crate::api::objects::FoundTraces;
use crate::engine::{WORKSPACE, own_folder};
use crate::model::{DurationNs, units};
use crate::source::QueryControl;
use std::time::Duration;

/// A running Belvedere answers within this time.
const ANSWER_WITHIN: Duration = Duration::from_secs(120);

/// Runs the command. Exit code 1 when nothing matches.
pub fn traces(common: &Common, arguments: &QueryTracesArguments) -> Result<u8, Failure> {
    let expression = arguments.expression.join(" ");
    let mut reached = reach(common.workspace.as_deref(), false)?;
    if let (true, Reach::Here(engine)) = (arguments.own, &reached) {
        let dir = engine.workspace().map(|place| own_folder(&place.dir));
        engine.stop();
        let dir = dir.ok_or_else(|| Failure::new("no workspace is open here"))?;
        reached = reach(Some(&dir.to_string_lossy()), false)?;
    }
    let found = match reached {
        Reach::Here(engine) => {
            let source = engine.source(WORKSPACE).ok_or_else(|| Failure::new("no workspace is open here"))?;
            let found = crate::api::query_traces(&*source.spans, &expression, arguments.limit, &QueryControl::default());
            drop(source);
            engine.stop();
            found.map_err(|error| Failure::new(format!("{error}: {expression}")))?
        }
        Reach::Asked(running) => {
            let limit = arguments.limit.to_string();
            let own = arguments.own.to_string();
            running.get("traces", &[("query", &expression), ("limit", &limit), ("own", &own)], ANSWER_WITHIN)?
        }
    };
    if common.json {
        print::json(&found)?
    } else {
        tell(&found)?
    }
    Ok(if found.total == 0 { PROBLEMS } else { DONE })
}

fn tell(found: &FoundTraces) -> Result<(), Failure> {
    let rows: Vec<Vec<String>> = found
        .traces
        .iter()
        .map(|trace| {
            vec![
                trace.start.clone(),
                units::duration(DurationNs(trace.duration_ns)),
                trace.spans.to_string(),
                trace.errors.to_string(),
                format!("{} {}", trace.root_service, trace.root_name),
                trace.trace_id.clone(),
            ]
        })
        .collect();
    if !rows.is_empty() {
        print::table(&["started", "duration", "spans", "errors", "root", "trace"], &rows, &[1, 2, 3])?;
    }
    let shown = found.traces.len() as u64;
    if shown < found.total {
        eprintln!("{shown} of {} shown; --limit 0 shows all", found.total);
    }
    Ok(())
}
