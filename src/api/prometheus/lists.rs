//! Series, labels, values, metadata and exemplars.

use super::params::{self, count, limit, selectors, span};
use super::write;
use super::{Given, Refusal, Success};
use crate::api::params::Params;
use crate::engine::Engine;
use crate::model::{Labels, SampleColumn};
use crate::promql::{self, json};
use crate::source::{Matcher, MillisRange, QueryControl, SeriesRequest, SeriesSource};
use std::collections::BTreeMap;

const TRUNCATED: &str = "results truncated due to limit";

/// Cuts a list; what is to be said about it.
fn cut<T>(items: &mut Vec<T>, limit: usize) -> Vec<String> {
    if limit > 0 && items.len() > limit {
        items.truncate(limit);
        return vec![TRUNCATED.to_owned()];
    }
    Vec::new()
}

pub(super) async fn series(engine: &Engine, params: &Params) -> Given {
    let any_of = selectors(params)?;
    if any_of.is_empty() {
        return Err(Refusal::bad("no match[] parameter provided"));
    }
    let (range, limit) = (span(params)?, limit(params)?);
    super::ask(engine, move |source, control| {
        let mut sets = Vec::new();
        for matchers in &any_of {
            sets.extend(living(source, matchers, range, control)?);
        }
        sets.sort();
        sets.dedup();
        let warnings = cut(&mut sets, limit);
        let mut data = String::new();
        write::list(&mut data, &sets, write::labels);
        Ok(Success { data, warnings, infos: Vec::new() })
    })
    .await
}

/// Label sets of the series with a sample in the range: a source may pick more than have one.
fn living(
    source: &dyn SeriesSource,
    matchers: &[Matcher],
    range: MillisRange,
    control: &QueryControl,
) -> Result<Vec<Labels>, Refusal> {
    let set = source.select(&SeriesRequest { matchers, range, limit: 0 }, control)?;
    if range == MillisRange::ALL {
        return Ok(set.series().iter().map(|series| series.labels.clone()).collect());
    }
    let mut column = SampleColumn::default();
    let mut living = Vec::new();
    for (index, series) in set.series().iter().enumerate() {
        control.check()?;
        set.read(index, range, &mut column)?;
        if !column.is_empty() {
            living.push(series.labels.clone());
        }
    }
    Ok(living)
}

pub(super) async fn labels(engine: &Engine, params: &Params) -> Given {
    let (any_of, range, limit) = (selectors(params)?, span(params)?, limit(params)?);
    super::ask(engine, move |source, control| {
        let mut names = source.label_names(&any_of, range, control)?;
        let warnings = cut(&mut names, limit);
        let mut data = String::new();
        write::texts(&mut data, &names);
        Ok(Success { data, warnings, infos: Vec::new() })
    })
    .await
}

pub(super) async fn values(engine: &Engine, name: &str, params: &Params) -> Given {
    let name = decoded(name);
    let name = unescaped(&name).ok_or_else(|| Refusal::bad(format!("invalid label name: {name:?}")))?;
    let (any_of, range, limit) = (selectors(params)?, span(params)?, limit(params)?);
    super::ask(engine, move |source, control| {
        let mut values = source.label_values(&name, &any_of, range, control)?;
        let warnings = cut(&mut values, limit);
        let mut data = String::new();
        write::texts(&mut data, &values);
        Ok(Success { data, warnings, infos: Vec::new() })
    })
    .await
}

/// A part of a path, its percent signs undone; `+` is itself there.
fn decoded(part: &str) -> String {
    let escaped = part.replace('+', "%2B");
    form_urlencoded::parse(escaped.as_bytes()).next().map(|(text, _)| text.into_owned()).unwrap_or_default()
}

/// A name as clients without UTF-8 write it: `U__` in front, `_` doubled, other characters as `_HEX_`. `None` when it is
/// no label name.
fn unescaped(name: &str) -> Option<String> {
    let Some(rest) = name.strip_prefix("U__") else { return (!name.is_empty()).then(|| name.to_owned()) };
    let mut out = String::new();
    let mut chars = rest.chars();
    while let Some(c) = chars.next() {
        if c != '_' {
            out.push(c);
            continue;
        }
        let mut hex = String::new();
        loop {
            match chars.next() {
                Some('_') => break,
                Some(c) if c.is_ascii_hexdigit() && hex.len() < 6 => hex.push(c),
                _ => return Some(name.to_owned()),
            }
        }
        if hex.is_empty() {
            out.push('_');
        } else {
            out.push(u32::from_str_radix(&hex, 16).ok().and_then(char::from_u32)?);
        }
    }
    (!out.is_empty()).then_some(out)
}

pub(super) async fn metadata(engine: &Engine, params: &Params) -> Given {
    let (limit, per_metric) = (count(params, "limit")?, count(params, "limit_per_metric")?);
    let metric = params.first("metric").unwrap_or_default().to_owned();
    super::ask(engine, move |source, _| {
        let mut families: BTreeMap<String, Vec<serde_json::Value>> = BTreeMap::new();
        for about in source.metadata(&metric)? {
            let object = serde_json::json!({
                "type": about.kind.word(), "help": about.help.as_str(), "unit": about.unit.as_str(),
            });
            let family = families.entry(about.family.to_string()).or_default();
            if (per_metric == 0 || family.len() < per_metric) && !family.contains(&object) {
                family.push(object);
            }
        }
        let kept: BTreeMap<_, _> = families.into_iter().take(if limit == 0 { usize::MAX } else { limit }).collect();
        let data = serde_json::to_string(&kept).map_err(|error| Refusal::bad(error.to_string()))?;
        Ok(Success::of(data))
    })
    .await
}

pub(super) async fn exemplars(engine: &Engine, params: &Params) -> Given {
    let (start, end) = (params::bound(params, "start")?, params::bound(params, "end")?);
    if end < start {
        return Err(Refusal::parameter("end", "end timestamp must not be before start timestamp"));
    }
    let expr = promql::parse(params.first("query").unwrap_or_default()).map_err(|error| Refusal::parameter("query", error))?;
    let any_of: Vec<Vec<Matcher>> = expr.selectors().into_iter().map(<[Matcher]>::to_vec).collect();
    if any_of.is_empty() {
        return Ok(Success::of("[]"));
    }
    super::ask(engine, move |source, control| {
        let found = source.exemplars(&any_of, MillisRange { start, end }, control)?;
        let mut data = String::new();
        write::list(&mut data, &found, |out, (labels, exemplars)| {
            out.push_str(r#"{"seriesLabels":"#);
            write::labels(out, labels);
            out.push_str(r#","exemplars":"#);
            write::list(out, exemplars, |out, exemplar| {
                out.push_str(r#"{"labels":"#);
                write::labels(out, &exemplar.labels);
                out.push_str(r#","value":"#);
                write::number(out, exemplar.value);
                out.push_str(r#","timestamp":"#);
                json::timestamp(out, exemplar.time);
                out.push('}');
            });
            out.push('}');
        });
        Ok(Success::of(data))
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::unescaped;

    #[test]
    fn escaped_names_are_undone() {
        for (name, label) in [
            ("job", Some("job")),
            ("U__http_2e_status__code", Some("http.status_code")),
            ("U__", None),
            ("", None),
            ("U__a_zz_", Some("U__a_zz_")),
        ] {
            assert_eq!(unescaped(name).as_deref(), label, "{name}");
        }
    }
}
