//! `belvedere query promql EXPR`.

use super::args::{Common, QueryPromqlArguments};
use super::remote::{Reach, reach};
use super::{DONE, Failure, PROBLEMS, print};
use crate::api::prometheus::ask_source;
use crate::engine::own_folder;
use crate::source::QueryControl;
use serde_json::Value;
use std::time::Duration;

/// A running Belvedere answers within this time; a query itself within two minutes.
const ANSWER_WITHIN: Duration = Duration::from_secs(150);

/// Runs the command. Exit code 1 when nothing is there.
pub fn run(common: &Common, arguments: &QueryPromqlArguments) -> Result<u8, Failure> {
    let expression = arguments.expression.join(" ");
    let limit = arguments.limit.unwrap_or(0).to_string();
    let mut pairs = vec![("query", expression.as_str()), ("limit", limit.as_str())];
    for (name, value) in
        [("time", &arguments.time), ("start", &arguments.start), ("end", &arguments.end), ("step", &arguments.step)]
    {
        pairs.extend(value.as_deref().map(|value| (name, value)));
    }
    let mut reached = reach(common.workspace.as_deref(), false)?;
    if let (true, Reach::Here(engine)) = (arguments.own, &reached) {
        let dir = engine.workspace().map(|place| own_folder(&place.dir));
        engine.stop();
        let dir = dir.ok_or_else(|| Failure::new("no workspace is open here"))?;
        reached = reach(Some(&dir.to_string_lossy()), false)?;
    }
    let (success, body) = match reached {
        Reach::Here(engine) => {
            let source = engine.series().ok_or_else(|| Failure::new("no workspace is open here"))?;
            let now = crate::engine::now().0.div_euclid(1_000_000);
            let answer = ask_source(&*source, &pairs, now, &QueryControl::default());
            drop(source);
            engine.stop();
            answer
        }
        Reach::Asked(running) => {
            if arguments.own {
                pairs.push(("own", "true"));
            }
            let path = if arguments.start.is_some() { "query_range" } else { "query" };
            let (success, body) = running.prometheus(path, &pairs, ANSWER_WITHIN)?;
            (success, String::from_utf8_lossy(&body).into_owned())
        }
    };
    let answer: Value =
        serde_json::from_str(&body).map_err(|error| Failure::new(format!("the answer cannot be read: {error}")))?;
    if !success {
        let error = answer["error"].as_str().unwrap_or("the query failed");
        return Err(Failure::new(format!("{error}: {expression}")));
    }
    for kind in ["warnings", "infos"] {
        for text in answer[kind].as_array().into_iter().flatten() {
            eprintln!("belvedere: {}", text.as_str().unwrap_or_default());
        }
    }
    let result = &answer["data"]["result"];
    let empty = result.as_array().is_some_and(Vec::is_empty);
    if common.json {
        print::line(&body)?;
    } else {
        tell(answer["data"]["resultType"].as_str().unwrap_or_default(), result)?;
    }
    Ok(if empty { PROBLEMS } else { DONE })
}

/// One line a series and time.
fn tell(kind: &str, result: &Value) -> Result<(), Failure> {
    let mut rows = Vec::new();
    let mut row = |series: &str, point: &Value| {
        let time = point[0].as_f64().unwrap_or_default();
        let time = crate::model::UnixNanos((time * 1e3).round() as i64 * 1_000_000).to_rfc3339();
        let value = point[1].as_str().map_or_else(|| point[1].to_string(), str::to_owned);
        rows.push(vec![series.to_owned(), time, value]);
    };
    if matches!(kind, "scalar" | "string") {
        row(kind, result);
    }
    for item in result.as_array().into_iter().flatten().filter(|_| !matches!(kind, "scalar" | "string")) {
        let metric = item["metric"].as_object();
        let pairs = metric.into_iter().flatten().map(|(name, value)| (name, value.as_str().unwrap_or_default()));
        let series = crate::model::Labels::new(pairs).to_string();
        for one in ["value", "histogram"] {
            if let Some(point) = item.get(one) {
                row(&series, point);
            }
        }
        for several in ["values", "histograms"] {
            item[several].as_array().into_iter().flatten().for_each(|point| row(&series, point));
        }
    }
    if !rows.is_empty() {
        print::table(&["series", "time", "value"], &rows, &[2])?;
    }
    Ok(())
}
