//! Silences of Alertmanager's API.

use super::objects::{read_time, texts, time};
use super::{Refused, alerts_error, bad, matchers, refused};
use crate::alerting::route::matcher::{Matcher, Matchers};
use crate::alerting::route::silence::{Silence, SilenceState};
use crate::api::answer::{Answer, json};
use crate::api::params::Params;
use crate::engine::Engine;
use crate::engine::alerts::Snapshot;
use crate::model::UnixNanos;
use crate::source::MatchOp;
use bytes::Bytes;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json as object};
use std::cmp::Reverse;
use std::collections::BTreeMap;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PostedMatcher {
    name: String,
    value: String,
    is_regex: bool,
    is_equal: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PostedSilence {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    matchers: Vec<PostedMatcher>,
    #[serde(default)]
    matcher_sets: Vec<Vec<PostedMatcher>>,
    starts_at: String,
    ends_at: String,
    created_by: String,
    comment: String,
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
}

fn matcher(posted: &PostedMatcher) -> Result<Matcher, Refused> {
    let op = match (posted.is_equal.unwrap_or(true), posted.is_regex) {
        (true, false) => MatchOp::Equal,
        (false, false) => MatchOp::NotEqual,
        (true, true) => MatchOp::Regex,
        (false, true) => MatchOp::NotRegex,
    };
    Matcher::new(&posted.name, op, &posted.value).map_err(|error| bad(format!("invalid silence: {error}")))
}

fn read(body: &[u8], now: UnixNanos) -> Result<Silence, Refused> {
    let posted: PostedSilence =
        serde_json::from_slice(body).map_err(|error| bad(format!("parsing silence body failed: {error}")))?;
    let set = |rows: &[PostedMatcher]| rows.iter().map(matcher).collect::<Result<Vec<_>, _>>().map(Matchers);
    let mut matcher_sets = posted.matcher_sets.iter().map(|rows| set(rows)).collect::<Result<Vec<_>, _>>()?;
    if !posted.matchers.is_empty() || matcher_sets.is_empty() {
        matcher_sets.insert(0, set(&posted.matchers)?);
    }
    let starts_at = read_time(Some(&posted.starts_at)).map_err(bad)?.unwrap_or(now);
    let ends_at = read_time(Some(&posted.ends_at)).map_err(bad)?;
    let ends_at = ends_at.ok_or_else(|| bad("invalid silence: invalid zero end timestamp"))?;
    if starts_at >= ends_at {
        return Err(bad("Failed to create silence: start time must be before end time"));
    }
    if ends_at < now {
        return Err(bad("Failed to create silence: end time can't be in the past"));
    }
    Ok(Silence {
        id: posted.id.unwrap_or_default(),
        matcher_sets,
        starts_at,
        ends_at,
        updated_at: now,
        created_by: posted.created_by,
        comment: posted.comment,
        annotations: posted.annotations.into_iter().flatten().map(|(name, text)| (name.into(), text)).collect(),
    })
}

/// Makes or edits a silence.
pub(super) async fn post(engine: &Engine, body: Bytes) -> Answer {
    let silence = match read(&body, crate::engine::now()) {
        Ok(silence) => silence,
        Err(words) => return refused(words),
    };
    let its_engine = engine.clone();
    match engine.answer(move |_| Ok(its_engine.set_silence(silence))).await {
        Ok(Ok(id)) => json(StatusCode::OK, &object!({"silenceID": id})),
        Ok(Err(error)) => alerts_error(error),
        Err(error) => refused((StatusCode::SERVICE_UNAVAILABLE, error.to_string())),
    }
}

/// Ends a silence.
pub(super) async fn expire(engine: &Engine, id: String) -> Answer {
    let its_engine = engine.clone();
    match engine.answer(move |_| Ok(its_engine.expire_silence(&id))).await {
        Ok(Ok(())) => json(StatusCode::OK, &object!({})),
        Ok(Err(error)) => alerts_error(error),
        Err(error) => refused((StatusCode::SERVICE_UNAVAILABLE, error.to_string())),
    }
}

fn set_object(set: &Matchers) -> Vec<Value> {
    let one = |one: &Matcher| object!({"isEqual": one.is_positive(), "isRegex": one.is_regex(), "name": one.name.as_str(), "value": one.value.as_str()});
    set.0.iter().map(one).collect()
}

fn silence_object(silence: &Silence, now: UnixNanos) -> Value {
    let mut made = object!({
        "id": silence.id,
        "status": {"state": silence.state(now).word()},
        "updatedAt": time(silence.updated_at),
        "annotations": texts(&silence.annotations),
        "comment": silence.comment,
        "createdBy": silence.created_by,
        "endsAt": time(silence.ends_at),
        "matchers": silence.matcher_sets.first().map(set_object).unwrap_or_default(),
        "startsAt": time(silence.starts_at),
    });
    if silence.matcher_sets.len() > 1 {
        made["matcherSets"] = silence.matcher_sets.iter().map(set_object).collect();
    }
    made
}

/// The silences that the filter and the states (`active=false`) leave, those that are active first.
pub(super) fn list(snapshot: &Snapshot, params: &Params) -> Result<Value, Refused> {
    let filter = matchers(params, "filter")?;
    let wanted = |silence: &Silence| params.first(silence.state(snapshot.now).word()) != Some("false");
    let mut found: Vec<&Silence> =
        snapshot.router.silences.iter().filter(|silence| wanted(silence) && passes(silence, &filter)).collect();
    found.sort_by_key(|silence| {
        let state = silence.state(snapshot.now);
        match state {
            SilenceState::Active => (state, silence.ends_at.0, Reverse(0)),
            SilenceState::Pending => (state, silence.starts_at.0, Reverse(0)),
            SilenceState::Expired => (state, 0, Reverse(silence.ends_at.0)),
        }
    });
    Ok(found.into_iter().map(|silence| silence_object(silence, snapshot.now)).collect())
}

/// Whether a set of the silence holds each matcher of the filter, as it is written.
fn passes(silence: &Silence, filter: &[Matcher]) -> bool {
    filter.is_empty() || silence.matcher_sets.iter().any(|set| filter.iter().all(|wanted| set.0.contains(wanted)))
}

/// One silence.
pub(super) fn one(snapshot: &Snapshot, id: &str) -> Result<Value, Refused> {
    let silence = snapshot.router.silences.get(id);
    silence.map(|silence| silence_object(silence, snapshot.now)).ok_or((StatusCode::NOT_FOUND, "silence not found".to_owned()))
}
