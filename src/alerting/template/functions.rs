//! The functions of templates: Go's own and Prometheus'.

use super::format::{self, humanize, humanize_1024, humanize_duration};
use super::{Context, TemplateSample, Value, time};
use crate::alerting::{duration, go_text};
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

/// Why a call failed.
pub(super) enum Failed {
    /// The function says so.
    Call(String),
    /// It can't be called like this.
    Use(String),
}

const NAMES: [&str; 51] = [
    "and",
    "args",
    "call",
    "eq",
    "externalURL",
    "first",
    "ge",
    "graphLink",
    "gt",
    "html",
    "humanize",
    "humanize1024",
    "humanizeDuration",
    "humanizePercentage",
    "humanizeTimestamp",
    "index",
    "js",
    "label",
    "le",
    "len",
    "lt",
    "match",
    "ne",
    "not",
    "now",
    "or",
    "parseDuration",
    "pathPrefix",
    "print",
    "printf",
    "println",
    "query",
    "reReplaceAll",
    "safeHtml",
    "slice",
    "sortByLabel",
    "stripDomain",
    "stripPort",
    "strvalue",
    "tableLink",
    "title",
    "toDuration",
    "toLower",
    "toTime",
    "toUpper",
    "urlQueryEscape",
    "urlquery",
    "value",
    "break",
    "continue",
    "nil",
];

/// True for a name that a template may call.
pub(super) fn is_known(name: &str) -> bool {
    NAMES.contains(&name)
}

type Called = Result<Value, Failed>;

fn failed(words: impl Into<String>) -> Failed {
    Failed::Call(words.into())
}

/// Calls a function.
pub(super) fn call(name: &str, args: Vec<Value>, context: &Context<'_>) -> Called {
    let text = |text: String| Ok(Value::Text(text));
    match name {
        "not" => one(name, args).map(|value| Value::Bool(!value.is_true())),
        "eq" | "ne" | "lt" | "le" | "gt" | "ge" => compare(name, &args),
        "len" => length(&one(name, args)?),
        "index" => index(&args),
        "slice" => slice(&args),
        "print" => text(format::print(&args)),
        "println" => text(format::println(&args)),
        "printf" => {
            let (format, rest) = args.split_first().ok_or_else(|| wrong_number(name, "at least 1", 0))?;
            text(format::printf(&as_text(name, format)?, rest))
        }
        "html" => text(escape_html(&format::print(&args))),
        "js" => text(escape_js(&format::print(&args))),
        "urlquery" => text(escape_query(&format::print(&args))),
        "urlQueryEscape" => text(escape_query(&one_text(name, args)?)),
        "call" => Err(failed("call of non-function")),
        "query" => {
            let answer = (context.query)(&one_text(name, args)?).map_err(Failed::Call)?;
            Ok(Value::Samples(answer.into_iter().map(Arc::new).collect()))
        }
        "first" => match one(name, args)? {
            Value::Samples(samples) => match samples.into_iter().next() {
                Some(first) => Ok(Value::Sample(first)),
                None => Err(failed("first() called on vector with no elements")),
            },
            other => Err(wrong_type(name, &other, "template.queryResult")),
        },
        "label" => {
            let [label, sample] = exactly(name, args)?;
            let label = as_text(name, &label)?;
            text(as_sample(name, sample)?.labels.get(&label).cloned().unwrap_or_default())
        }
        "value" => Ok(as_sample(name, one(name, args)?)?.value.clone()),
        "strvalue" => text(as_sample(name, one(name, args)?)?.labels.get("__value__").cloned().unwrap_or_default()),
        "sortByLabel" => {
            let [label, samples] = exactly(name, args)?;
            let (label, Value::Samples(mut samples)) = (as_text(name, &label)?, samples) else {
                return Err(Failed::Use(format!("wrong type for value; expected template.queryResult in {name}")));
            };
            samples.sort_by(|left, right| left.labels.get(&label).cmp(&right.labels.get(&label)));
            Ok(Value::Samples(samples))
        }
        "args" => {
            let named = args.into_iter().enumerate().map(|(place, value)| (format!("arg{place}"), value));
            Ok(Value::Map(Arc::new(named.collect::<BTreeMap<_, _>>())))
        }
        "reReplaceAll" => {
            let [pattern, replacement, subject] = exactly(name, args)?;
            let regex = regex(&as_text(name, &pattern)?)?;
            let (replacement, subject) = (as_text(name, &replacement)?, as_text(name, &subject)?);
            text(regex.replace_all(&subject, replacement.as_str()).into_owned())
        }
        "match" => {
            let [pattern, subject] = exactly(name, args)?;
            Ok(Value::Bool(regex(&as_text(name, &pattern)?)?.is_match(&as_text(name, &subject)?)))
        }
        "safeHtml" => one_text(name, args).map(Value::Text),
        "title" => text(title(&one_text(name, args)?)),
        "toUpper" => text(one_text(name, args)?.to_uppercase()),
        "toLower" => text(one_text(name, args)?.to_lowercase()),
        "graphLink" => text(format!("/graph?g0.expr={}&g0.tab=0", escape_query(&one_text(name, args)?))),
        "tableLink" => text(format!("/graph?g0.expr={}&g0.tab=1", escape_query(&one_text(name, args)?))),
        "stripPort" => {
            let address = one_text(name, args)?;
            text(split_host_port(&address).map_or(address.clone(), |(host, _)| host.to_owned()))
        }
        "stripDomain" => text(strip_domain(&one_text(name, args)?)),
        "humanize" => text(humanize(as_float(&one(name, args)?)?)),
        "humanize1024" => text(humanize_1024(as_float(&one(name, args)?)?)),
        "humanizeDuration" => text(humanize_duration(as_float(&one(name, args)?)?)),
        "humanizePercentage" => text(format!("{}%", go_text::float_g(as_float(&one(name, args)?)? * 100.0, 4))),
        "humanizeTimestamp" => {
            let seconds = as_float(&one(name, args)?)?;
            if !seconds.is_finite() {
                return text(go_text::float_g(seconds, 4));
            }
            text(time::print(time::from_seconds(seconds).map_err(Failed::Call)?))
        }
        "toTime" => {
            let seconds = as_float(&one(name, args)?)?;
            time::from_seconds(seconds).map(Value::Time).map_err(Failed::Call)
        }
        "toDuration" => Ok(Value::Duration((as_float(&one(name, args)?)? * 1e9) as i64)),
        "now" => Ok(Value::Float((context.now.0.div_euclid(1_000_000)) as f64 / 1_000.0)),
        "parseDuration" => {
            let length = duration::parse_signed(&one_text(name, args)?).map_err(|error| failed(error.to_string()))?;
            Ok(Value::Float(length.as_secs_f64()))
        }
        "externalURL" => text(context.external_url.to_owned()),
        "pathPrefix" => {
            let after_scheme = context.external_url.split_once("://").map_or(context.external_url, |(_, rest)| rest);
            text(after_scheme.find('/').map_or_else(String::new, |path| after_scheme[path..].to_owned()))
        }
        _ => Err(Failed::Use(format!("{name:?} is not a defined function"))),
    }
}

fn wrong_number(name: &str, want: &str, got: usize) -> Failed {
    Failed::Use(format!("wrong number of args for {name}: want {want} got {got}"))
}

fn wrong_type(_: &str, value: &Value, wanted: &str) -> Failed {
    Failed::Use(format!("wrong type for value; expected {wanted}; got {}", value.type_name()))
}

fn exactly<const N: usize>(name: &str, args: Vec<Value>) -> Result<[Value; N], Failed> {
    let got = args.len();
    args.try_into().map_err(|_| wrong_number(name, &N.to_string(), got))
}

fn one(name: &str, args: Vec<Value>) -> Result<Value, Failed> {
    exactly::<1>(name, args).map(|[value]| value)
}

fn as_text(name: &str, value: &Value) -> Result<String, Failed> {
    match value {
        Value::Text(text) => Ok(text.clone()),
        Value::Nil => Err(Failed::Use("invalid value; expected string".to_owned())),
        other => Err(wrong_type(name, other, "string")),
    }
}

fn one_text(name: &str, args: Vec<Value>) -> Result<String, Failed> {
    as_text(name, &one(name, args)?)
}

fn as_sample(name: &str, value: Value) -> Result<Arc<TemplateSample>, Failed> {
    match value {
        Value::Sample(sample) => Ok(sample),
        other => Err(wrong_type(name, &other, "*template.sample")),
    }
}

fn as_float(value: &Value) -> Result<f64, Failed> {
    match value {
        Value::Float(number) => Ok(*number),
        Value::Int(number) => Ok(*number as f64),
        Value::Uint(number) => Ok(*number as f64),
        Value::Duration(nanos) => Ok(*nanos as f64 / 1e9),
        Value::Text(text) => {
            let number = match text.to_ascii_lowercase().trim_start_matches(['+', '-']) {
                "inf" | "infinity" | "nan" => text.parse().ok(),
                plain if plain.starts_with(|c: char| c.is_ascii_digit() || c == '.') => text.parse().ok(),
                _ => None,
            };
            number.ok_or_else(|| failed(format!("strconv.ParseFloat: parsing {}: invalid syntax", go_text::quote(text))))
        }
        other => Err(failed(format!("can't convert {} to float", other.type_name()))),
    }
}

fn regex(pattern: &str) -> Result<regex::Regex, Failed> {
    regex::Regex::new(pattern).map_err(|error| {
        let reason = error.to_string();
        failed(format!("error parsing regexp: {}", reason.lines().last().unwrap_or_default().trim()))
    })
}

/// The kinds that `eq` and its like tell apart.
#[derive(PartialEq)]
enum Basic<'a> {
    Bool(bool),
    Whole(i128),
    Float(f64),
    Text(&'a str),
}

fn basic(value: &Value) -> Result<Basic<'_>, Failed> {
    match value {
        Value::Bool(truth) => Ok(Basic::Bool(*truth)),
        Value::Int(number) => Ok(Basic::Whole(i128::from(*number))),
        Value::Uint(number) => Ok(Basic::Whole(i128::from(*number))),
        Value::Float(number) => Ok(Basic::Float(*number)),
        Value::Text(text) => Ok(Basic::Text(text)),
        _ => Err(failed("invalid type for comparison")),
    }
}

fn order(left: &Value, right: &Value) -> Result<Option<Ordering>, Failed> {
    match (basic(left)?, basic(right)?) {
        (Basic::Bool(left), Basic::Bool(right)) => Ok(if left == right { Some(Ordering::Equal) } else { None }),
        (Basic::Whole(left), Basic::Whole(right)) => Ok(Some(left.cmp(&right))),
        (Basic::Float(left), Basic::Float(right)) => Ok(left.partial_cmp(&right)),
        (Basic::Text(left), Basic::Text(right)) => Ok(Some(left.cmp(right))),
        _ => Err(failed("incompatible types for comparison")),
    }
}

fn compare(name: &str, args: &[Value]) -> Called {
    let (first, rest) = args.split_first().ok_or_else(|| wrong_number(name, "at least 1", 0))?;
    if rest.is_empty() {
        return Err(failed("missing argument for comparison"));
    }
    if name == "eq" {
        for other in rest {
            let both_nil = *first == Value::Nil || *other == Value::Nil;
            let equal = if both_nil { first == other } else { order(first, other)? == Some(Ordering::Equal) };
            if equal {
                return Ok(Value::Bool(true));
            }
        }
        return Ok(Value::Bool(false));
    }
    if rest.len() > 1 {
        return Err(wrong_number(name, "2", args.len()));
    }
    if name == "ne" && (*first == Value::Nil || rest[0] == Value::Nil) {
        return Ok(Value::Bool(*first != rest[0]));
    }
    let order = order(first, &rest[0])?;
    if name != "ne" && matches!(first, Value::Bool(_)) {
        return Err(failed("invalid type for comparison"));
    }
    Ok(Value::Bool(match name {
        "ne" => order != Some(Ordering::Equal),
        "lt" => order == Some(Ordering::Less),
        "le" => matches!(order, Some(Ordering::Less | Ordering::Equal)),
        "gt" => order == Some(Ordering::Greater),
        _ => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
    }))
}

fn length(value: &Value) -> Called {
    let length = match value {
        Value::Text(text) => text.len(),
        Value::Texts(map) => map.len(),
        Value::Map(map) => map.len(),
        Value::List(list) => list.len(),
        Value::Samples(samples) => samples.len(),
        other => return Err(failed(format!("len of type {}", other.type_name()))),
    };
    Ok(Value::Int(i64::try_from(length).unwrap_or(i64::MAX)))
}

fn index(args: &[Value]) -> Called {
    let (first, keys) = args.split_first().ok_or_else(|| wrong_number("index", "at least 1", 0))?;
    keys.iter().try_fold(first.clone(), |value, key| {
        let place = |length: usize| -> Result<usize, Failed> {
            let number = match key {
                Value::Int(number) => *number,
                Value::Uint(number) => i64::try_from(*number).unwrap_or(i64::MAX),
                Value::Nil => return Err(failed("cannot index slice/array with nil")),
                other => return Err(failed(format!("cannot index slice/array with type {}", other.type_name()))),
            };
            let inside = usize::try_from(number).ok().filter(|place| *place < length);
            inside.ok_or_else(|| failed(format!("index out of range: {number}")))
        };
        let name = || match key {
            Value::Text(name) => Ok(name),
            other => Err(failed(format!("value has type {}; should be string", other.type_name()))),
        };
        match &value {
            Value::Texts(map) => Ok(Value::Text(map.get(name()?).cloned().unwrap_or_default())),
            Value::Map(map) => Ok(map.get(name()?).cloned().unwrap_or(Value::Nil)),
            Value::List(list) => Ok(list[place(list.len())?].clone()),
            Value::Samples(samples) => Ok(Value::Sample(samples[place(samples.len())?].clone())),
            Value::Text(text) => Ok(Value::Uint(u64::from(text.as_bytes()[place(text.len())?]))),
            Value::Nil => Err(failed("index of untyped nil")),
            other => Err(failed(format!("can't index item of type {}", other.type_name()))),
        }
    })
}

fn slice(args: &[Value]) -> Called {
    let (first, bounds) = args.split_first().ok_or_else(|| wrong_number("slice", "at least 1", 0))?;
    if bounds.len() > 2 {
        return Err(failed(format!("too many slice indexes: {}", bounds.len())));
    }
    let length = match length(first)? {
        Value::Int(length) => usize::try_from(length).unwrap_or(0),
        _ => 0,
    };
    let bound = |place: usize, default: usize| match bounds.get(place) {
        None => Ok(default),
        Some(Value::Int(number)) => {
            let inside = usize::try_from(*number).ok().filter(|bound| *bound <= length);
            inside.ok_or_else(|| failed(format!("index out of range: {number}")))
        }
        Some(other) => Err(failed(format!("cannot index slice/array with type {}", other.type_name()))),
    };
    let (from, to) = (bound(0, 0)?, bound(1, length)?);
    if from > to {
        return Err(failed(format!("invalid slice index: {from} > {to}")));
    }
    match first {
        Value::Text(text) => Ok(Value::Text(String::from_utf8_lossy(&text.as_bytes()[from..to]).into_owned())),
        Value::List(list) => Ok(Value::List(list[from..to].to_vec())),
        Value::Samples(samples) => Ok(Value::Samples(samples[from..to].to_vec())),
        other => Err(failed(format!("can't slice item of type {}", other.type_name()))),
    }
}

fn escape_html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\0' => out.push('\u{fffd}'),
            '"' => out.push_str("&#34;"),
            '\'' => out.push_str("&#39;"),
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            c => out.push(c),
        }
    }
    out
}

fn escape_js(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\'' => out.push_str("\\'"),
            '"' => out.push_str("\\\""),
            '<' | '>' | '&' | '=' => out.push_str(&format!("\\u{:04X}", c as u32)),
            c if (c as u32) < 0x20 => out.push_str(&format!("\\u{:04X}", c as u32)),
            c => out.push(c),
        }
    }
    out
}

/// `url.QueryEscape`.
fn escape_query(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            b' ' => out.push('+'),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// The first letter of each word in upper case, the others as they are.
fn title(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut inside = false;
    for c in text.chars() {
        if inside || !c.is_alphabetic() {
            out.push(c);
        } else {
            out.extend(c.to_uppercase());
        }
        inside = c.is_alphanumeric() || c == '_' || (inside && matches!(c, '\'' | '\u{2019}'));
    }
    out
}

/// `net.SplitHostPort`.
fn split_host_port(address: &str) -> Option<(&str, &str)> {
    let colon = address.rfind(':')?;
    let (host, rest) = match address.strip_prefix('[') {
        Some(inner) => {
            let end = inner.find(']')? + 1;
            if end + 1 != colon {
                return None;
            }
            (&address[1..end], &address[end + 1..])
        }
        None if address[..colon].contains(':') => return None,
        None => (&address[..colon], &address[colon..]),
    };
    let tail_ok = !host.contains(['[', ']']) && !rest.contains(['[', ']']);
    tail_ok.then(|| (host, &address[colon + 1..]))
}

fn strip_domain(address: &str) -> String {
    let (host, port) = split_host_port(address).unwrap_or((address, ""));
    if host.split('%').next().is_some_and(|host| host.parse::<IpAddr>().is_ok()) {
        return address.to_owned();
    }
    let host = host.split('.').next().unwrap_or_default();
    match port {
        "" => host.to_owned(),
        port if host.contains(':') => format!("[{host}]:{port}"),
        port => format!("{host}:{port}"),
    }
}
