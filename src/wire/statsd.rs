//! StatsD and DogStatsD lines.
//!
//! Sources: `docs/metric_types.md` of statsd, the datagram format page of DogStatsD, `reference/doors.md` section 4. A
//! datagram is lines; a line is a metric, an event (`_e{…}`) or a check (`_sc|…`). Unknown fields are skipped, a line that
//! makes no sense is refused alone. Nothing is summed here: a line says what it says.

use std::borrow::Cow;

/// Values of one line.
const MOST_VALUES: usize = 4096;

/// What a metric line counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StatsdKind {
    /// `c`: add.
    Counter,
    /// `g`: set.
    Gauge,
    /// `g` with a sign and no DogStatsD fields: add to what it was.
    GaugeChange,
    /// `ms`: milliseconds.
    Timer,
    /// `h` and `d`.
    Histogram,
    /// `s`: distinct values.
    Set,
}

/// A metric line.
#[derive(Clone, PartialEq, Debug)]
pub struct StatsdMetric<'a> {
    /// Name as it came.
    pub name: &'a str,
    /// Kind.
    pub kind: StatsdKind,
    /// Values; texts of a set.
    pub values: Vec<StatsdValue<'a>>,
    /// Share of events that were sent, above 0 and at most 1.
    pub rate: f64,
    /// Tags; a bare tag has the value `true`.
    pub tags: Vec<(&'a str, &'a str)>,
    /// Milliseconds, for `T`.
    pub time: Option<i64>,
}

/// One value.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum StatsdValue<'a> {
    /// A number.
    Number(f64),
    /// A member of a set.
    Text(&'a str),
}

/// An event.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct StatsdEvent<'a> {
    /// Title.
    pub title: Cow<'a, str>,
    /// Text.
    pub text: Cow<'a, str>,
    /// Milliseconds.
    pub time: Option<i64>,
    /// Host.
    pub host: &'a str,
    /// `error`, `warning`, `info` or `success`; empty is `info`.
    pub alert: &'a str,
    /// Tags.
    pub tags: Vec<(&'a str, &'a str)>,
}

/// A service check.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct StatsdCheck<'a> {
    /// Name.
    pub name: &'a str,
    /// 0 is fine, 1 warning, 2 critical, 3 unknown.
    pub status: u8,
    /// Milliseconds.
    pub time: Option<i64>,
    /// Host.
    pub host: &'a str,
    /// Message.
    pub message: Cow<'a, str>,
    /// Tags.
    pub tags: Vec<(&'a str, &'a str)>,
}

/// What a line is.
#[derive(Clone, PartialEq, Debug)]
pub enum StatsdItem<'a> {
    /// A metric.
    Metric(StatsdMetric<'a>),
    /// An event.
    Event(StatsdEvent<'a>),
    /// A check.
    Check(StatsdCheck<'a>),
}

/// Why a line was refused.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{reason}: {line:?}")]
pub struct StatsdError {
    /// What is wrong.
    pub reason: &'static str,
    /// The beginning of the line.
    pub line: String,
}

/// Reads a datagram, or what came over a stream; hands each line on or says why not.
pub fn read<'a>(packet: &'a [u8], mut take: impl FnMut(Result<StatsdItem<'a>, StatsdError>)) {
    for line in packet.split(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            continue;
        }
        let refused = |reason| {
            let text = String::from_utf8_lossy(&line[..line.len().min(80)]).into_owned();
            StatsdError { reason, line: text }
        };
        match std::str::from_utf8(line) {
            Err(_) => take(Err(refused("the line is not UTF-8"))),
            Ok(text) => {
                if let Err(reason) = read_line(text, &mut |item| take(Ok(item))) {
                    take(Err(refused(reason)));
                }
            }
        }
    }
}

fn read_line<'a>(line: &'a str, take: &mut dyn FnMut(StatsdItem<'a>)) -> Result<(), &'static str> {
    if let Some(rest) = line.strip_prefix("_e{") {
        take(StatsdItem::Event(event(rest)?));
        return Ok(());
    }
    if let Some(rest) = line.strip_prefix("_sc|") {
        take(StatsdItem::Check(check(rest)?));
        return Ok(());
    }
    let (name, mut rest) = line.split_once(':').ok_or("a metric line has no value")?;
    if name.is_empty() {
        return Err("a metric line has no name");
    }
    // `a:1|c:2|c`: what follows the type or the rate behind a colon is the next metric of the same name.
    let mut found = Vec::new();
    loop {
        let (metric, next) = metric(name, rest)?;
        found.push(metric);
        match next {
            Some(next) => rest = next,
            None => break,
        }
    }
    found.into_iter().for_each(|metric| take(StatsdItem::Metric(metric)));
    Ok(())
}

fn metric<'a>(name: &'a str, text: &'a str) -> Result<(StatsdMetric<'a>, Option<&'a str>), &'static str> {
    let (values, rest) = text.split_once('|').ok_or("a metric line has no type")?;
    let (kind, mut rest) = match rest.split_once('|') {
        Some((kind, rest)) => (kind, Some(rest)),
        None => (rest, None),
    };
    let mut next = None;
    let kind = match kind.split_once(':') {
        Some((kind, more)) => {
            // The next metric takes all that is left.
            let start = text.len() - more.len() - rest.map_or(0, |rest| rest.len() + 1);
            next = text.get(start..);
            rest = None;
            kind
        }
        None => kind,
    };
    let mut metric =
        StatsdMetric { name, kind: StatsdKind::Counter, values: Vec::new(), rate: 1.0, tags: Vec::new(), time: None };
    let mut is_dog = false;
    while let Some(fields) = rest {
        let (field, after) = match fields.split_once('|') {
            Some((field, after)) => (field, Some(after)),
            None => (fields, None),
        };
        rest = after;
        match field.split_at_checked(1) {
            Some(("@", rate)) => {
                let rate = match rate.split_once(':') {
                    Some((rate, more)) => {
                        let start = text.len() - more.len() - after.map_or(0, |after| after.len() + 1);
                        next = text.get(start..);
                        rest = None;
                        rate
                    }
                    None => rate,
                };
                metric.rate = rate
                    .parse()
                    .ok()
                    .filter(|rate| *rate > 0.0 && *rate <= 1.0)
                    .ok_or("the sample rate is not between 0 and 1")?;
            }
            Some(("#", tags)) => {
                is_dog = true;
                metric.tags = self::tags(tags);
            }
            Some(("T", seconds)) => {
                is_dog = true;
                let seconds: i64 = seconds.parse().map_err(|_| "the time is no number of seconds")?;
                metric.time = Some(seconds.saturating_mul(1000));
            }
            _ => is_dog |= field.starts_with("c:") || field.starts_with("e:") || field.starts_with("card:"),
        }
    }
    metric.kind = match kind {
        "c" => StatsdKind::Counter,
        "g" if values.starts_with(['+', '-']) && !is_dog => StatsdKind::GaugeChange,
        "g" => StatsdKind::Gauge,
        "ms" => StatsdKind::Timer,
        "h" | "d" => StatsdKind::Histogram,
        "s" => StatsdKind::Set,
        _ => return Err("the type is not one of c, g, ms, h, d, s"),
    };
    if metric.kind == StatsdKind::Set {
        metric.values.push(StatsdValue::Text(values));
        return Ok((metric, next));
    }
    for value in values.split(':').take(MOST_VALUES) {
        let number: f64 = value.parse().map_err(|_| "a value is no number")?;
        if !number.is_finite() {
            return Err("a value is no finite number");
        }
        if metric.kind == StatsdKind::Counter && number < 0.0 {
            return Err("a counter cannot go down");
        }
        metric.values.push(StatsdValue::Number(number));
    }
    Ok((metric, next))
}

fn tags(text: &str) -> Vec<(&str, &str)> {
    let pair = |tag| match str::split_once(tag, ':') {
        Some(pair) => pair,
        None => (tag, "true"),
    };
    text.split(',').filter(|tag| !tag.is_empty()).map(pair).collect()
}

fn unescaped(text: &str) -> Cow<'_, str> {
    if text.contains("\\n") { text.replace("\\n", "\n").into() } else { text.into() }
}

fn seconds(text: &str) -> Option<i64> {
    text.parse::<i64>().ok().map(|seconds| seconds.saturating_mul(1000))
}

/// `5,4}:title|text|…`, the lengths in bytes.
fn event(rest: &str) -> Result<StatsdEvent<'_>, &'static str> {
    const SHAPE: &str = "an event is not _e{title length,text length}:title|text";
    let (lengths, rest) = rest.split_once("}:").ok_or(SHAPE)?;
    let (title, text) = lengths.split_once(',').ok_or(SHAPE)?;
    let (title, text): (usize, usize) = (title.parse().map_err(|_| SHAPE)?, text.parse().map_err(|_| SHAPE)?);
    let (title, rest) = rest.split_at_checked(title).ok_or(SHAPE)?;
    let (text, rest) = rest.strip_prefix('|').and_then(|rest| rest.split_at_checked(text)).ok_or(SHAPE)?;
    let mut event = StatsdEvent { title: unescaped(title), text: unescaped(text), ..StatsdEvent::default() };
    for field in rest.split('|').filter(|field| !field.is_empty()) {
        match field.split_once(':') {
            Some(("d", time)) => event.time = seconds(time),
            Some(("h", host)) => event.host = host,
            Some(("t", alert)) => event.alert = alert,
            _ => {
                if let Some(tags) = field.strip_prefix('#') {
                    event.tags = self::tags(tags);
                }
            }
        }
    }
    Ok(event)
}

/// `name|status|…`; the message comes last and may hold anything.
fn check(rest: &str) -> Result<StatsdCheck<'_>, &'static str> {
    const SHAPE: &str = "a check is not _sc|name|status with a status of 0 to 3";
    let (name, rest) = rest.split_once('|').ok_or(SHAPE)?;
    let (status, mut rest) = rest.split_once('|').unwrap_or((rest, ""));
    let status: u8 = status.parse().ok().filter(|status| *status <= 3).ok_or(SHAPE)?;
    let mut check = StatsdCheck { name, status, ..StatsdCheck::default() };
    while !rest.is_empty() {
        if let Some(message) = rest.strip_prefix("m:") {
            check.message = unescaped(message);
            break;
        }
        let (field, after) = rest.split_once('|').unwrap_or((rest, ""));
        rest = after;
        match field.split_once(':') {
            Some(("d", time)) => check.time = seconds(time),
            Some(("h", host)) => check.host = host,
            _ => {
                if let Some(tags) = field.strip_prefix('#') {
                    check.tags = self::tags(tags);
                }
            }
        }
    }
    Ok(check)
}

#[cfg(test)]
mod tests {
    use super::*;
    use StatsdKind::{Counter, Gauge, GaugeChange, Histogram, Set, Timer};

    fn all(packet: &str) -> Vec<Result<StatsdItem<'_>, StatsdError>> {
        let mut items = Vec::new();
        read(packet.as_bytes(), |item| items.push(item));
        items
    }

    fn metrics(packet: &str) -> Vec<(String, StatsdKind, Vec<f64>, f64)> {
        let one = |item: Result<StatsdItem<'_>, StatsdError>| match item {
            Ok(StatsdItem::Metric(metric)) => {
                let number = |value: &StatsdValue<'_>| match value {
                    StatsdValue::Number(number) => *number,
                    StatsdValue::Text(_) => f64::NAN,
                };
                (metric.name.to_owned(), metric.kind, metric.values.iter().map(number).collect(), metric.rate)
            }
            other => panic!("{other:?}"),
        };
        all(packet).into_iter().map(one).collect()
    }

    #[test]
    fn metric_lines_of_both_dialects() {
        for (line, expected) in [
            ("a.b:1|c|@0.1", vec![("a.b", Counter, vec![1.0], 0.1)]),
            ("a.t:2:3|ms|#env:dev", vec![("a.t", Timer, vec![2.0, 3.0], 1.0)]),
            ("a:1|c:2|c", vec![("a", Counter, vec![1.0], 1.0), ("a", Counter, vec![2.0], 1.0)]),
            ("a:1|c|@0.5:2|ms", vec![("a", Counter, vec![1.0], 0.5), ("a", Timer, vec![2.0], 1.0)]),
            ("g:-10|g", vec![("g", GaugeChange, vec![-10.0], 1.0)]),
            ("g:-10|g|#a:b", vec![("g", Gauge, vec![-10.0], 1.0)]),
            ("h:1.5|h|c:abc|e:x|card:low|new:field", vec![("h", Histogram, vec![1.5], 1.0)]),
            ("d:1|d\r\n\nd:2|d", vec![("d", Histogram, vec![1.0], 1.0), ("d", Histogram, vec![2.0], 1.0)]),
        ] {
            let expected: Vec<_> =
                expected.into_iter().map(|(name, kind, values, rate)| (name.to_owned(), kind, values, rate)).collect();
            assert_eq!(metrics(line), expected, "{line}");
        }
        let Ok(StatsdItem::Metric(set)) = &all("u:a:b|s|#x,y:z,:|T1700000000")[0] else { panic!("no metric") };
        assert_eq!((set.kind, set.values.as_slice()), (Set, &[StatsdValue::Text("a:b")][..]));
        assert_eq!(set.tags, [("x", "true"), ("y", "z"), ("", "")]);
        assert_eq!(set.time, Some(1_700_000_000_000));
    }

    #[test]
    fn events_and_checks() {
        let items = all("_e{5,4}:title|text|t:error|#a:b\n_sc|db|2|#x:y|m:down|still");
        let Ok(StatsdItem::Event(event)) = &items[0] else { panic!("{items:?}") };
        assert_eq!((event.title.as_ref(), event.text.as_ref(), event.alert), ("title", "text", "error"));
        assert_eq!(event.tags, [("a", "b")]);
        let Ok(StatsdItem::Check(check)) = &items[1] else { panic!("{items:?}") };
        assert_eq!((check.name, check.status, check.message.as_ref()), ("db", 2, "down|still"));
    }

    #[test]
    fn lines_that_make_no_sense_are_refused_alone() {
        for (line, reason) in [
            ("nothing", "no value"),
            ("a:1", "no type"),
            (":1|c", "no name"),
            ("a:1|x", "not one of"),
            ("a:x|c", "no number"),
            ("a:-1|c", "cannot go down"),
            ("a:1|c|@2", "between 0 and 1"),
            ("a:inf|g", "finite"),
            ("_e{50,4}:title|text", "not _e{"),
            ("_sc|db|7", "status of 0 to 3"),
        ] {
            let error = all(line)[0].clone().unwrap_err();
            assert!(error.reason.contains(reason), "{line}: {error}");
        }
        assert_eq!(all("bad\na:1|c").len(), 2);
    }
}
