//! Series written out: `up{job="a"} 1 2+3x4 _ stale {{schema:1 count:2 buckets:[1 1]}}`. The language of rule tests and of
//! the engine's own.
//!
//! Samples come in the form that a store would give them back: the reset hint of a counter histogram is what comparing it
//! with the one before it tells.

use super::error::ParseError;
use super::histogram::{HistogramError, add, detect_reset, subtract};
use super::position::Span;
use super::text::{NS_PER_MS, parse_duration, parse_number};
use crate::model::labels::METRIC_NAME;
use crate::model::sample::STALE_NAN;
use crate::model::{BucketSpan, FloatHistogram, Labels, ResetHint, SampleColumn, SampleValue};
use std::sync::Arc;

/// Most values that one item may stand for.
const MOST_REPEATS: u64 = 10_000_000;

/// One value of a sequence.
#[derive(Clone, PartialEq, Debug)]
pub enum Described {
    /// No sample.
    Gap,
    /// A number.
    Float(f64),
    /// A histogram; `true` when its reset hint was written out.
    Histogram(Arc<FloatHistogram>, bool),
}

/// Reads a line: labels, then values.
pub fn parse_series(text: &str) -> Result<(Labels, Vec<Described>), ParseError> {
    let (labels, at) = series_labels(text)?;
    Ok((labels, parse_values(text, at)?))
}

/// The labels before the values, and where these begin.
fn series_labels(text: &str) -> Result<(Labels, usize), ParseError> {
    let fail = |at: usize, message: &str| ParseError::new(text, Span::new(at, text.len()), message);
    let bytes = text.as_bytes();
    let name_end = bytes
        .iter()
        .position(|byte| !(byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':' | b'.') || *byte >= 0x80))
        .unwrap_or(bytes.len());
    let mut builder = Labels::default().edit();
    builder.set(METRIC_NAME, &text[..name_end]);
    if bytes.get(name_end) != Some(&b'{') {
        return Ok((builder.build(), name_end));
    }
    let mut at = name_end + 1;
    let skip = |at: usize| at + text[at..].len() - text[at..].trim_start().len();
    loop {
        at = skip(at);
        if bytes.get(at) == Some(&b'}') {
            return Ok((builder.build(), at + 1));
        }
        let (name, quoted, after) =
            label_name(text, at).ok_or_else(|| fail(at, "unexpected label set, expected identifier or \"}\""))?;
        at = skip(after);
        if bytes.get(at) == Some(&b'=') {
            at = skip(at + 1);
            let (value, after) = quoted_text(text, at).ok_or_else(|| fail(at, "unexpected label set, expected string"))?;
            builder.set(&name, &value);
            at = skip(after);
        } else if quoted {
            builder.set(METRIC_NAME, &name);
        } else {
            return Err(fail(at, "unexpected label set, expected \"=\""));
        }
        match bytes.get(at) {
            Some(b',') => at += 1,
            Some(b'}') => {}
            _ => return Err(fail(at, "unexpected label set, expected \",\" or \"}\"")),
        }
    }
}

fn label_name(text: &str, at: usize) -> Option<(String, bool, usize)> {
    let rest = &text[at..];
    if rest.starts_with(['"', '\'', '`']) {
        return quoted_text(text, at).map(|(name, after)| (name, true, after));
    }
    let length = rest
        .find(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_' || letter == '.' || !letter.is_ascii()))
        .unwrap_or(rest.len());
    (length > 0).then(|| (rest[..length].to_owned(), false, at + length))
}

fn quoted_text(text: &str, at: usize) -> Option<(String, usize)> {
    let quote = text[at..].chars().next().filter(|letter| matches!(letter, '"' | '\'' | '`'))?;
    let bytes = text.as_bytes();
    let mut end = at + 1;
    while *bytes.get(end)? != quote as u8 {
        end += if bytes[end] == b'\\' && quote != '`' { 2 } else { 1 };
    }
    super::text::unquote(text.get(at..=end)?).map(|value| (value, end + 1))
}

/// Reads a sequence of values alone.
fn parse_values(text: &str, from: usize) -> Result<Vec<Described>, ParseError> {
    let mut values = Vec::new();
    let mut at = from;
    while at < text.len() {
        let rest = &text[at..];
        let trimmed = rest.trim_start();
        at += rest.len() - trimmed.len();
        if trimmed.is_empty() {
            break;
        }
        let end = item_end(trimmed);
        let item = &trimmed[..end];
        parse_item(item, &mut values).map_err(|message| ParseError::new(text, Span::new(at, at + end), message))?;
        at += end;
    }
    Ok(values)
}

/// Length of an item: up to white space outside `{{ }}`.
fn item_end(text: &str) -> usize {
    let mut inside = false;
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        if text[at..].starts_with("{{") {
            inside = true;
            at += 2;
        } else if text[at..].starts_with("}}") {
            inside = false;
            at += 2;
        } else if bytes[at].is_ascii_whitespace() && !inside {
            return at;
        } else {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    bytes.len()
}

fn repeats(text: &str) -> Result<u64, String> {
    text.parse::<u64>()
        .ok()
        .filter(|count| *count <= MOST_REPEATS)
        .ok_or_else(|| format!("invalid repetition in series values: {text:?}"))
}

fn parse_item(item: &str, values: &mut Vec<Described>) -> Result<(), String> {
    if let Some(rest) = item.strip_prefix('_') {
        let count = match rest.strip_prefix('x') {
            Some(count) => repeats(count)?,
            None if rest.is_empty() => 1,
            None => return Err(format!("unexpected {item:?} in series values")),
        };
        values.extend((0..count).map(|_| Described::Gap));
        return Ok(());
    }
    if item.starts_with("{{") {
        return parse_histograms(item, values);
    }
    // Value, increment and count: `1`, `1x3`, `1+2x3`, `-1-2x3`.
    let (body, count) = match item.rsplit_once('x') {
        Some((body, count)) => (body, Some(repeats(count)?)),
        None => (item, None),
    };
    let start = usize::from(body.starts_with(['+', '-']));
    let bytes = body.as_bytes();
    let split = (start + 1..body.len()).find(|at| matches!(bytes[*at], b'+' | b'-') && !matches!(bytes[*at - 1], b'e' | b'E'));
    let (value, increment) = match split {
        Some(at) if count.is_some() => (number(&body[..at])?, number(&body[at..])?),
        Some(_) => return Err(format!("unexpected {item:?} in series values")),
        None => (number(body)?, 0.0),
    };
    let mut value = value;
    for _ in 0..=count.unwrap_or(0) {
        values.push(Described::Float(value));
        if increment != 0.0 {
            value += increment;
        }
    }
    Ok(())
}

fn number(text: &str) -> Result<f64, String> {
    let (negative, digits) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    if digits == "stale" && !negative {
        return Ok(STALE_NAN);
    }
    let plain = digits.eq_ignore_ascii_case("inf")
        || digits.eq_ignore_ascii_case("nan")
        || digits.starts_with(|letter: char| letter.is_ascii_digit() || letter == '.');
    if !plain {
        return Err(format!("unexpected {text:?} in series values, expected number or \"stale\""));
    }
    let value = match parse_duration(digits) {
        Ok(ns) if digits != "0" => ns as f64 / 1e9,
        _ => parse_number(digits)?,
    };
    Ok(if negative { -value } else { value })
}

fn parse_histograms(item: &str, values: &mut Vec<Described>) -> Result<(), String> {
    let (first, rest) = one_histogram(item)?;
    if rest.is_empty() {
        values.push(Described::Histogram(Arc::new(first.0), first.1));
        return Ok(());
    }
    if let Some(count) = rest.strip_prefix('x') {
        let histogram = Arc::new(first.0);
        values.extend((0..=repeats(count)?).map(|_| Described::Histogram(histogram.clone(), first.1)));
        return Ok(());
    }
    let minus = rest.starts_with('-');
    if !minus && !rest.starts_with('+') {
        return Err(format!("unexpected {rest:?} in series values"));
    }
    let (step, rest) = one_histogram(&rest[1..])?;
    let count = repeats(rest.strip_prefix('x').ok_or_else(|| format!("unexpected {rest:?} in series values"))?)?;
    let hint_set = step.1;
    let mut current = first.0;
    values.push(Described::Histogram(Arc::new(current.clone()), hint_set));
    for _ in 0..count {
        if current.schema > step.0.schema {
            return Err(format!(
                "error combining histograms: cannot merge from schema {} to {}",
                step.0.schema, current.schema
            ));
        }
        let combined = if minus { subtract(&mut current, &step.0) } else { add(&mut current, &step.0) };
        combined.map_err(|error: HistogramError| error.to_string())?;
        values.push(Described::Histogram(Arc::new(current.clone()), hint_set));
    }
    Ok(())
}

/// One `{{…}}`, whether its hint was written, and what follows.
fn one_histogram(text: &str) -> Result<((FloatHistogram, bool), &str), String> {
    let inner = text.strip_prefix("{{").ok_or_else(|| format!("unexpected {text:?} in series values"))?;
    let end = inner.find("}}").ok_or("histogram description is not closed")?;
    let mut histogram = FloatHistogram::default();
    let mut hint_set = false;
    let (mut offset, mut negative_offset) = (0, 0);
    let mut rest = inner[..end].trim();
    while !rest.is_empty() {
        let (key, after) = rest.split_once(':').ok_or_else(|| format!("bad histogram descriptor found: {rest:?}"))?;
        let value_end = if after.starts_with('[') {
            after.find(']').map(|end| end + 1).ok_or("buckets description is not closed")?
        } else {
            after.find(char::is_whitespace).unwrap_or(after.len())
        };
        let value = &after[..value_end];
        rest = after[value_end..].trim_start();
        let whole = || value.parse::<i32>().map_err(|_| format!("bad number {value:?} in histogram description"));
        let list = || -> Result<Vec<f64>, String> { value.trim_matches(['[', ']']).split_whitespace().map(number).collect() };
        match key.trim() {
            "schema" => histogram.schema = whole()?,
            "sum" => histogram.sum = number(value)?,
            "count" => histogram.count = number(value)?,
            "z_bucket" => histogram.zero_count = number(value)?,
            "z_bucket_w" => histogram.zero_threshold = number(value)?,
            "custom_values" => histogram.custom_values = list()?.into(),
            "buckets" => histogram.positive_buckets = list()?,
            "n_buckets" => histogram.negative_buckets = list()?,
            "offset" => offset = whole()?,
            "n_offset" => negative_offset = whole()?,
            "counter_reset_hint" => {
                hint_set = true;
                histogram.reset = match value {
                    "unknown" => ResetHint::Unknown,
                    "reset" => ResetHint::Reset,
                    "not_reset" => ResetHint::NotReset,
                    "gauge" => ResetHint::Gauge,
                    other => return Err(format!("error parsing counter_reset_hint: unknown value {other}")),
                };
            }
            key => return Err(format!("bad histogram descriptor found: {key:?}")),
        }
    }
    let spans = |buckets: &[f64], offset: i32| match buckets.len() {
        0 => Vec::new(),
        length => vec![BucketSpan { offset, length: length as u32 }],
    };
    histogram.positive_spans = spans(&histogram.positive_buckets, offset);
    histogram.negative_spans = spans(&histogram.negative_buckets, negative_offset);
    Ok(((histogram, hint_set), &inner[end + 2..]))
}

/// The values as samples every `interval_ms` from `start_ms` on, as a store gives them back. `starts_ms` are distances of
/// start times from the samples' own times, where known.
pub fn samples(values: &[Described], start_ms: i64, interval_ms: i64, starts_ms: Option<&[Option<i64>]>) -> SampleColumn {
    let mut column = SampleColumn::default();
    let mut before: Option<Arc<FloatHistogram>> = None;
    for (index, value) in values.iter().enumerate() {
        let time = start_ms + interval_ms * index as i64;
        let sample = match value {
            Described::Gap => continue,
            Described::Float(value) => {
                before = None;
                SampleValue::Float(*value)
            }
            Described::Histogram(histogram, _) => {
                let stored =
                    Arc::new(FloatHistogram { reset: stored_hint(before.as_deref(), histogram), ..histogram.as_ref().clone() });
                before = Some(stored.clone());
                SampleValue::Histogram(stored)
            }
        };
        column.push(time, sample);
        if let Some(starts) = starts_ms {
            column.starts.push(starts.get(index).copied().flatten().map_or(0, |distance| time + distance));
        }
    }
    column
}

/// What a store tells of a reset between two histograms that follow one another: that there was none, where both stand in
/// one chunk. A chunk begins wherever there was one, or the layout changed, and of what begins a chunk nothing is known.
pub fn stored_hint(before: Option<&FloatHistogram>, now: &FloatHistogram) -> ResetHint {
    if now.reset == ResetHint::Gauge {
        return ResetHint::Gauge;
    }
    let Some(before) = before.filter(|before| before.reset != ResetHint::Gauge) else { return ResetHint::Unknown };
    let plain = FloatHistogram { reset: ResetHint::Unknown, ..now.clone() };
    let other_chunk = now.reset == ResetHint::Reset
        || now.schema != before.schema
        || now.zero_threshold != before.zero_threshold
        || now.custom_values.as_ref() != before.custom_values.as_ref()
        || detect_reset(&plain, before);
    if other_chunk { ResetHint::Unknown } else { ResetHint::NotReset }
}

/// Milliseconds of a duration with an optional sign at the start of a text, and what follows it.
pub fn leading_duration(text: &str) -> Option<(i64, &str)> {
    let (negative, body) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let digits = body.bytes().take_while(u8::is_ascii_digit).count();
    let letters = body[digits..].bytes().take_while(|byte| byte.is_ascii_alphabetic() && *byte != b'x').count();
    let ms = parse_duration(&body[..digits + letters]).ok()? / NS_PER_MS;
    Some((if negative { -ms } else { ms }, &body[digits + letters..]))
}
