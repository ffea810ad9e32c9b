//! `query` and `query_range`: parameters, limits, evaluation, the answer's body; `format_query` and `parse_query`.

use super::params;
use super::tree;
use super::write;
use super::{ErrorKind, Given, Refusal, Success};
use crate::api::params::Params;
use crate::engine::Engine;
use crate::promql::eval::{Answer, EvalError, Evaluated, Options, When, evaluate};
use crate::promql::{self, ast::Expr, json};
use crate::source::{QueryControl, SeriesSource};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Steps of one series in one answer.
const MOST_STEPS: i64 = 11_000;

/// A query that was read.
#[derive(Clone, Debug)]
pub struct Asked {
    text: String,
    expr: Expr,
    when: When,
    limit: usize,
    stats: bool,
    lookback_ms: Option<i64>,
    timeout_ms: Option<i64>,
}

impl Asked {
    fn read(params: &Params, when: When) -> Result<Self, Refusal> {
        let text = params.first("query").unwrap_or_default().to_owned();
        let expr = promql::parse(&text).map_err(|error| Refusal::parameter("query", error))?;
        Ok(Self {
            text,
            expr,
            when,
            limit: params::limit(params)?,
            stats: params.first("stats").is_some_and(|stats| !stats.is_empty()),
            lookback_ms: params::optional_duration(params, "lookback_delta")?.filter(|delta| *delta > 0),
            timeout_ms: params::optional_duration(params, "timeout")?,
        })
    }

    /// Evaluates it and writes `data`.
    pub fn run(&self, source: &dyn SeriesSource, control: &QueryControl) -> Given {
        let started = Instant::now();
        let defaults = Options::default();
        let timeout = self.timeout_ms.and_then(|timeout| u64::try_from(timeout).ok()).filter(|timeout| *timeout > 0);
        let options = Options {
            lookback_ms: self.lookback_ms.unwrap_or(defaults.lookback_ms),
            timeout_ms: timeout.map_or(defaults.timeout_ms, |timeout| timeout.min(defaults.timeout_ms)),
            ..defaults
        };
        let mut evaluated = evaluate(&self.expr, self.when, source, &options, control).map_err(refusal)?;
        let took = started.elapsed();
        let (mut warnings, infos) = evaluated.notes.texts(&self.text);
        if cut(&mut evaluated.answer, self.limit) {
            warnings.push("results truncated due to limit".to_owned());
        }
        let mut data = String::new();
        json::data(&mut data, &evaluated, false);
        if self.stats {
            data.pop();
            data.push_str(&stats(&evaluated, took));
            data.push('}');
        }
        Ok(Success { data, warnings, infos })
    }
}

/// Reads an instant query; without `time` it is about `now` (milliseconds).
pub fn instant(params: &Params, now: i64) -> Result<Asked, Refusal> {
    params::limit(params)?;
    let time = params::instant(params, now)?;
    Asked::read(params, When::Instant(time))
}

/// Reads a range query.
pub fn range(params: &Params) -> Result<Asked, Refusal> {
    params::limit(params)?;
    let start = params::bound(params, "start")?;
    let end = params::bound(params, "end")?;
    if end < start {
        return Err(Refusal::parameter("end", "end timestamp must not be before start time"));
    }
    let step = params::duration(params.first("step").unwrap_or_default()).map_err(|text| Refusal::parameter("step", text))?;
    if step <= 0 {
        let text = "zero or negative query resolution step widths are not accepted. Try a positive integer";
        return Err(Refusal::parameter("step", text));
    }
    if end.checked_sub(start).is_none_or(|span| span / step > MOST_STEPS) {
        return Err(Refusal::bad(
            "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)",
        ));
    }
    Asked::read(params, When::Range { start, end, step })
}

pub(super) async fn query(engine: &Engine, params: &Params, now: i64) -> Given {
    let asked = instant(params, now)?;
    super::ask_of(engine, source(engine, params), move |source, control| asked.run(source, control)).await
}

pub(super) async fn query_range(engine: &Engine, params: &Params) -> Given {
    let asked = range(params)?;
    super::ask_of(engine, source(engine, params), move |source, control| asked.run(source, control)).await
}

/// The workspace, or with `own=true` what Belvedere records of itself.
fn source(engine: &Engine, params: &Params) -> Option<Arc<dyn SeriesSource>> {
    if params.first("own") == Some("true") { engine.own_series() } else { engine.series() }
}

pub(super) fn format(params: &Params) -> Given {
    let expr = promql::parse(params.first("query").unwrap_or_default());
    let expr = expr.map_err(|error| Refusal::parameter("query", error))?;
    let mut data = String::new();
    write::text(&mut data, &promql::pretty(&expr));
    Ok(Success::of(data))
}

pub(super) fn parsed(params: &Params) -> Given {
    let expr = promql::parse(params.first("query").unwrap_or_default());
    let expr = expr.map_err(|error| Refusal::parameter("query", error))?;
    Ok(Success::of(tree::of(&expr).to_string()))
}

fn refusal(error: EvalError) -> Refusal {
    let kind = match &error {
        EvalError::Invalid(_) => ErrorKind::BadData,
        EvalError::Execution(_) | EvalError::TooManySamples => ErrorKind::Execution,
        EvalError::Timeout => ErrorKind::Timeout,
        EvalError::Canceled => ErrorKind::Canceled,
        EvalError::Source(source) => Refusal::from(source.clone()).kind,
    };
    match (&error, kind) {
        (EvalError::Invalid(text), _) => Refusal::parameter("query", text),
        _ => Refusal { kind, text: error.to_string() },
    }
}

/// Cuts the result to `limit` series. True when that took something away.
fn cut(answer: &mut Answer, limit: usize) -> bool {
    let (before, after) = match answer {
        Answer::Vector(samples) if limit > 0 => {
            let before = samples.len();
            samples.truncate(limit);
            (before, samples.len())
        }
        Answer::Matrix(series) if limit > 0 => {
            let before = series.len();
            series.truncate(limit);
            (before, series.len())
        }
        _ => return false,
    };
    after < before
}

fn stats(evaluated: &Evaluated, took: Duration) -> String {
    let took = took.as_secs_f64();
    let stats = serde_json::json!({
        "timings": {
            "evalTotalTime": took,
            "resultSortTime": 0,
            "queryPreparationTime": 0,
            "innerEvalTime": took,
            "execQueueTime": 0,
            "execTotalTime": took,
        },
        "samples": {
            "totalQueryableSamples": evaluated.stats.total_samples,
            "samplesRead": evaluated.stats.samples_read,
            "peakSamples": evaluated.stats.peak_samples,
        },
    });
    format!(",\"stats\":{stats}")
}
