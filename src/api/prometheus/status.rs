//! `status/*` and `targets`.

use super::{Given, Refusal, Success};
use crate::api::params::Params;
use crate::engine::{Engine, TargetStatus, Targets};
use crate::model::{Labels, UnixNanos};
use crate::source::{MatchOp, Matcher, MillisRange, SeriesRequest};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The Prometheus whose API this is, for clients that look for features.
const LIKE: &str = "3.16.0";
/// Entries of the lists of `status/tsdb` when no limit is given.
const TOP: usize = 10;

fn success(value: &Value) -> Success {
    Success::of(value.to_string())
}

pub(super) fn build() -> Success {
    success(&json!({
        "version": LIKE,
        "revision": concat!("belvedere-", env!("CARGO_PKG_VERSION")),
        "branch": "", "buildUser": "", "buildDate": "", "goVersion": "",
    }))
}

pub(super) fn runtime(engine: &Engine) -> Success {
    let workspace = engine.workspace().map(|place| place.dir.display().to_string()).unwrap_or_default();
    let start = engine.started().to_rfc3339();
    let retention = engine.pulse().disk_limit;
    success(&json!({
        "startTime": start,
        "CWD": workspace,
        "reloadConfigSuccess": true,
        "lastConfigTime": start,
        "corruptionCount": 0,
        "goroutineCount": 0,
        "GOMAXPROCS": std::thread::available_parallelism().map_or(1, usize::from),
        "GOGC": "", "GODEBUG": "",
        "storageRetention": format!("{retention}B"),
    }))
}

pub(super) fn config(engine: &Engine) -> Success {
    success(&json!({ "yaml": engine.scrape_config().0 }))
}

fn object(labels: &Labels) -> Value {
    Value::Object(labels.iter().map(|(name, value)| (name.to_owned(), value.into())).collect::<Map<_, _>>())
}

fn target(status: &TargetStatus) -> Value {
    let target = &status.target;
    // What Prometheus gives for a target that was not asked yet.
    let last = status.last_scrape.map_or_else(|| "0001-01-01T00:00:00Z".to_owned(), UnixNanos::to_rfc3339);
    json!({
        "discoveredLabels": object(&target.discovered),
        "labels": object(&target.labels),
        "scrapePool": status.pool,
        "scrapeUrl": target.url,
        "globalUrl": target.url,
        "lastError": status.last_error,
        "lastScrape": last,
        "lastScrapeDuration": status.last_duration.as_secs_f64(),
        "health": status.health.word(),
        "scrapeInterval": target.discovered.get("__scrape_interval__"),
        "scrapeTimeout": target.discovered.get("__scrape_timeout__"),
    })
}

/// `state` is `active`, `dropped`, or anything else for both.
pub(super) fn targets(targets: &Targets, state: &str) -> Success {
    let mut answer = Map::new();
    let active = match state {
        "dropped" => Vec::new(),
        _ => targets.active.iter().map(target).collect(),
    };
    answer.insert("activeTargets".to_owned(), active.into());
    let dropped = match state {
        "active" => Vec::new(),
        _ => targets
            .dropped
            .iter()
            .map(|dropped| json!({ "discoveredLabels": object(&dropped.discovered), "scrapePool": dropped.pool }))
            .collect(),
    };
    answer.insert("droppedTargets".to_owned(), dropped.into());
    let mut counts: BTreeMap<&str, u64> = targets.active.iter().map(|target| (target.pool.as_str(), 0)).collect();
    for dropped in &targets.dropped {
        *counts.entry(&dropped.pool).or_default() += 1;
    }
    answer.insert("droppedTargetCounts".to_owned(), json!(counts));
    success(&Value::Object(answer))
}

/// Names, labels and values by how many series they have.
pub(super) async fn tsdb(engine: &Engine, params: &Params) -> Given {
    let limit = super::params::limit(params)?;
    let limit = if limit == 0 { TOP } else { limit };
    super::ask(engine, move |source, control| {
        let every = [Matcher { name: "__name__".into(), op: MatchOp::NotEqual, value: "".into() }];
        let set = source.select(&SeriesRequest { matchers: &every, range: MillisRange::ALL, limit: 0 }, control)?;
        let mut by_name: BTreeMap<String, u64> = BTreeMap::new();
        let mut by_pair: BTreeMap<String, u64> = BTreeMap::new();
        let mut values: BTreeMap<String, std::collections::HashSet<String>> = BTreeMap::new();
        for series in set.series() {
            control.check()?;
            *by_name.entry(series.labels.metric_name().to_owned()).or_default() += 1;
            for (name, value) in &series.labels {
                *by_pair.entry(format!("{name}={value}")).or_default() += 1;
                values.entry(name.to_owned()).or_default().insert(value.to_owned());
            }
        }
        let counts = values.iter().map(|(name, values)| (name.clone(), values.len() as u64)).collect();
        let bytes =
            values.iter().map(|(name, values)| (name.clone(), values.iter().map(|value| value.len() as u64).sum())).collect();
        let extent = source.samples_extent();
        let millis = |time: UnixNanos| time.0.div_euclid(1_000_000);
        let pairs = by_pair.len();
        let answer = json!({
            "headStats": {
                "numSeries": set.series().len(),
                "numLabelPairs": pairs,
                "chunkCount": 0,
                "minTime": extent.map_or(0, |extent| millis(extent.start)),
                "maxTime": extent.map_or(0, |extent| millis(extent.end)),
            },
            "seriesCountByMetricName": top(by_name, limit),
            "labelValueCountByLabelName": top(counts, limit),
            "memoryInBytesByLabelName": top(bytes, limit),
            "seriesCountByLabelValuePair": top(by_pair, limit),
        });
        Ok::<_, Refusal>(success(&answer))
    })
    .await
}

fn top(counts: BTreeMap<String, u64>, limit: usize) -> Vec<Value> {
    let mut rows: Vec<(String, u64)> = counts.into_iter().collect();
    rows.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    rows.truncate(limit);
    rows.into_iter().map(|(name, value)| json!({ "name": name, "value": value })).collect()
}
