//! Parameters as Prometheus reads them: times, durations, limits, selectors.

use super::Refusal;
use crate::api::params::Params;
use crate::promql;
use crate::promql::text::{NS_PER_MS, parse_duration};
use crate::source::{MatchOp, Matcher, MillisRange};

/// The largest time that is a number of milliseconds, in seconds.
const LARGEST_SECONDS: f64 = i64::MAX as f64 / 1000.0;

/// A time in milliseconds: float seconds or RFC 3339.
pub(super) fn time(text: &str) -> Option<i64> {
    if let Ok(seconds) = text.parse::<f64>() {
        return (seconds.abs() < LARGEST_SECONDS).then(|| (seconds * 1000.0).round() as i64);
    }
    crate::model::UnixNanos::parse_rfc3339(text).map(|time| time.0.div_euclid(1_000_000))
}

/// The parameter of an instant query; `default` when it is absent.
pub(super) fn instant(params: &Params, default: i64) -> Result<i64, Refusal> {
    let Some(text) = params.first("time").filter(|text| !text.is_empty()) else { return Ok(default) };
    time(text).ok_or_else(|| {
        let text = format!("invalid time value for 'time': cannot parse {text:?} to a valid timestamp");
        Refusal::parameter("time", text)
    })
}

/// `start` or `end`.
pub(super) fn bound(params: &Params, name: &str) -> Result<i64, Refusal> {
    let text = params.first(name).unwrap_or_default();
    time(text).ok_or_else(|| Refusal::parameter(name, format!("cannot parse {text:?} to a valid timestamp")))
}

/// `start` and `end` of a list; all of time without them.
pub(super) fn span(params: &Params) -> Result<MillisRange, Refusal> {
    let read = |name: &str, default| match params.first(name).filter(|text| !text.is_empty()) {
        None => Ok(default),
        Some(text) => time(text).ok_or_else(|| {
            Refusal::parameter(name, format!("invalid time value for '{name}': cannot parse {text:?} to a valid timestamp"))
        }),
    };
    let range = MillisRange { start: read("start", i64::MIN)?, end: read("end", i64::MAX)? };
    if range.end < range.start {
        return Err(Refusal::bad("end timestamp must not be before start timestamp"));
    }
    Ok(range)
}

/// A duration in milliseconds: float seconds or `1h30m`.
pub(super) fn duration(text: &str) -> Result<i64, String> {
    if let Ok(seconds) = text.parse::<f64>() {
        if seconds.abs() * 1e9 > i64::MAX as f64 || seconds.is_nan() {
            return Err(format!("cannot parse {text:?} to a valid duration. It overflows int64"));
        }
        return Ok((seconds * 1000.0) as i64);
    }
    parse_duration(text).map(|ns| ns / NS_PER_MS).map_err(|_| format!("cannot parse {text:?} to a valid duration"))
}

/// A duration under a name, in milliseconds; `None` when absent.
pub(super) fn optional_duration(params: &Params, name: &str) -> Result<Option<i64>, Refusal> {
    let Some(text) = params.first(name).filter(|text| !text.is_empty()) else { return Ok(None) };
    duration(text).map(Some).map_err(|text| Refusal::parameter(name, text))
}

/// `limit`; 0 is none.
pub(super) fn limit(params: &Params) -> Result<usize, Refusal> {
    count(params, "limit")
}

/// A number that is zero or more; 0 when absent.
pub(super) fn count(params: &Params, name: &str) -> Result<usize, Refusal> {
    let Some(text) = params.first(name).filter(|text| !text.is_empty()) else { return Ok(0) };
    let number: i64 =
        text.parse().map_err(|_| Refusal::parameter(name, format!("strconv.Atoi: parsing {text:?}: invalid syntax")))?;
    usize::try_from(number).map_err(|_| Refusal::parameter(name, format!("{name} must be non-negative")))
}

/// Every `match[]`.
pub(super) fn selectors(params: &Params) -> Result<Vec<Vec<Matcher>>, Refusal> {
    params
        .all("match[]")
        .map(|text| {
            let matchers = promql::parse_selector(text).map_err(|error| Refusal::parameter("match[]", error))?;
            if matchers.iter().all(matches_empty) {
                return Err(Refusal::parameter("match[]", "match[] must contain at least one non-empty matcher"));
            }
            Ok(matchers)
        })
        .collect()
}

/// True for a matcher that a series without the label fulfils.
fn matches_empty(matcher: &Matcher) -> bool {
    let regex = || regex::Regex::new(&format!("^(?s:{})$", matcher.value)).is_ok_and(|regex| regex.is_match(""));
    match matcher.op {
        MatchOp::Equal => matcher.value.is_empty(),
        MatchOp::NotEqual => !matcher.value.is_empty(),
        MatchOp::Regex => regex(),
        MatchOp::NotRegex => !regex(),
    }
}
