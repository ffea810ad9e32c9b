//! Names of OTLP as Prometheus writes them: metric names with unit and type suffixes, label names.
//!
//! Source: `prometheus/otlptranslator` (`metric_namer.go`, `label_namer.go`), the strategies of Prometheus 3's
//! `otlp.translation_strategy`. With [`Escaping::Underscores`] what is not `[a-zA-Z0-9:]` becomes one `_`; with
//! [`Escaping::Utf8`] names stay as they are and only the suffixes are appended.

use crate::model::MetricKind;

/// How names are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Escaping {
    /// `http.server.duration` becomes `http_server_duration`.
    #[default]
    Underscores,
    /// Names stay as they are.
    Utf8,
}

/// The suffixes of a unit: `bytes` and `per_second` of `By/s`; empty where there is none.
fn unit_suffixes(unit: &str) -> (String, String) {
    let (main, per) = match unit.split_once('/') {
        Some((main, per)) => (main.trim(), per.trim()),
        None => (unit.trim(), ""),
    };
    let usable = |unit: &str| !unit.is_empty() && !unit.contains(['{', '}']);
    let main = if usable(main) { unit_word(main).to_owned() } else { String::new() };
    let per = if usable(per) { format!("per_{}", per_word(per)) } else { String::new() };
    (main, per)
}

/// The word of a UCUM unit, the unit itself when it has none.
pub(crate) fn unit_word(unit: &str) -> &str {
    match unit {
        "d" => "days",
        "h" => "hours",
        "min" => "minutes",
        "s" => "seconds",
        "ms" => "milliseconds",
        "us" => "microseconds",
        "ns" => "nanoseconds",
        "By" => "bytes",
        "KiBy" => "kibibytes",
        "MiBy" => "mebibytes",
        "GiBy" => "gibibytes",
        "TiBy" => "tibibytes",
        "KBy" => "kilobytes",
        "MBy" => "megabytes",
        "GBy" => "gigabytes",
        "TBy" => "terabytes",
        "m" => "meters",
        "V" => "volts",
        "A" => "amperes",
        "J" => "joules",
        "W" => "watts",
        "g" => "grams",
        "Cel" => "celsius",
        "Hz" => "hertz",
        "1" => "",
        "%" => "percent",
        other => other,
    }
}

fn per_word(unit: &str) -> &str {
    match unit {
        "s" => "second",
        "m" => "minute",
        "h" => "hour",
        "d" => "day",
        "w" => "week",
        "mo" => "month",
        "y" => "year",
        other => other,
    }
}

/// The name of a metric. `monotonic` is a counter, which gets `_total`. `None` when nothing of a name is left.
pub(crate) fn metric_name(name: &str, unit: &str, kind: MetricKind, escaping: Escaping) -> Option<String> {
    let built = match escaping {
        Escaping::Underscores => escaped_name(name, unit, kind),
        Escaping::Utf8 => suffixed_name(name, unit, kind),
    };
    built.bytes().any(|byte| byte != b'_').then_some(built)
}

fn escaped_name(name: &str, unit: &str, kind: MetricKind) -> String {
    let legal = |c: char| c.is_ascii_alphanumeric() || c == ':';
    let mut tokens: Vec<&str> = name.split(|c: char| !legal(c)).filter(|token| !token.is_empty()).collect();
    if tokens.is_empty() {
        return String::new();
    }
    let (main, per) = unit_suffixes(unit);
    let (mut main, mut per) = (clean_unit(&main), clean_unit(&per));
    if tokens.contains(&main.as_str()) {
        main.clear();
    }
    per.truncate(per.trim_end_matches('_').len());
    if per == "per" || tokens.contains(&per.as_str()) {
        per.clear();
    }
    if !per.is_empty() {
        main.truncate(main.trim_end_matches('_').len());
    }
    tokens.extend([main.as_str(), per.as_str()].into_iter().filter(|token| !token.is_empty()));
    let last = match kind {
        MetricKind::Counter => "total",
        MetricKind::Gauge if unit == "1" => "ratio",
        _ => "",
    };
    if !last.is_empty() {
        tokens.retain(|token| *token != last);
        tokens.push(last);
    }
    let joined = tokens.join("_");
    if joined.starts_with(|c: char| c.is_ascii_digit()) { format!("_{joined}") } else { joined }
}

/// A unit as a part of a name: other characters become `_`, several one, none in front.
fn clean_unit(unit: &str) -> String {
    let mut clean = String::with_capacity(unit.len());
    for c in unit.chars() {
        let c = if c.is_ascii_alphanumeric() || c == ':' { c } else { '_' };
        if c != '_' || !(clean.is_empty() || clean.ends_with('_')) {
            clean.push(c);
        }
    }
    clean
}

fn suffixed_name(name: &str, unit: &str, kind: MetricKind) -> String {
    let last = match kind {
        MetricKind::Counter => "total",
        MetricKind::Gauge if unit == "1" => "ratio",
        _ => "",
    };
    let (main, per) = unit_suffixes(unit);
    let mut built = name;
    for suffix in [last, per.as_str()] {
        built = without_suffix(built, suffix);
    }
    let mut built = built.to_owned();
    if !main.is_empty() && !built.ends_with(&main) {
        built.push('_');
        built.push_str(&main);
    }
    for suffix in [per.as_str(), last].into_iter().filter(|suffix| !suffix.is_empty()) {
        built.push('_');
        built.push_str(suffix);
    }
    built
}

/// Takes a suffix off with the character before it, which must be none of a word.
fn without_suffix<'a>(name: &'a str, suffix: &str) -> &'a str {
    if suffix.is_empty() {
        return name;
    }
    let Some(rest) = name.strip_suffix(suffix) else { return name };
    match rest.chars().next_back() {
        Some(before) if !before.is_ascii_alphanumeric() => &rest[..rest.len() - before.len_utf8()],
        _ => name,
    }
}

/// The name of a label. `None` when nothing of a name is left.
pub(crate) fn label_name(key: &str, escaping: Escaping) -> Option<String> {
    let only_underscores = |name: &str| name.bytes().all(|byte| byte == b'_');
    if escaping == Escaping::Utf8 {
        return (!only_underscores(key)).then(|| key.to_owned());
    }
    let mut name: String = key.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    if only_underscores(&name) {
        return None;
    }
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        name.insert_str(0, "key_");
    } else if name.starts_with('_') && !name.starts_with("__") {
        name.insert_str(0, "key");
    }
    Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use MetricKind::{Counter, Gauge, Histogram};

    #[test]
    fn metric_names_follow_the_translator() {
        for (name, unit, kind, escaped, utf8) in [
            ("http.server.duration", "s", Histogram, "http_server_duration_seconds", "http.server.duration_seconds"),
            ("system.cpu.time", "s", Counter, "system_cpu_time_seconds_total", "system.cpu.time_seconds_total"),
            ("requests.total.count", "1", Counter, "requests_count_total", "requests.total.count_total"),
            ("requests_total", "", Counter, "requests_total", "requests_total"),
            ("cpu.utilization", "1", Gauge, "cpu_utilization_ratio", "cpu.utilization_ratio"),
            ("mem.usage", "By", Gauge, "mem_usage_bytes", "mem.usage_bytes"),
            ("mem.bytes", "By", Gauge, "mem_bytes", "mem.bytes"),
            ("net.io", "By/s", Gauge, "net_io_bytes_per_second", "net.io_bytes_per_second"),
            ("queue.size", "{packets}", Gauge, "queue_size", "queue.size"),
            ("rate", "{packets}/s", Gauge, "rate_per_second", "rate_per_second"),
            ("2xx.count", "", Gauge, "_2xx_count", "2xx.count"),
            ("fan", "rpm", Gauge, "fan_rpm", "fan_rpm"),
            ("a..b__c", "", Gauge, "a_b_c", "a..b__c"),
            ("temp", "Cel", Gauge, "temp_celsius", "temp_celsius"),
            ("odd", "a b/c/d", Gauge, "odd_a_b_per_c_d", "odd_a b_per_c/d"),
        ] {
            assert_eq!(metric_name(name, unit, kind, Escaping::Underscores).as_deref(), Some(escaped), "{name} {unit}");
            assert_eq!(metric_name(name, unit, kind, Escaping::Utf8).as_deref(), Some(utf8), "{name} {unit}");
        }
        for empty in ["", "___", "..."] {
            assert_eq!(metric_name(empty, "s", Counter, Escaping::Underscores), None, "{empty:?}");
        }
        assert_eq!(metric_name("", "", Gauge, Escaping::Utf8), None);
    }

    #[test]
    fn label_names_follow_the_translator() {
        for (key, name) in [
            ("http.method", Some("http_method")),
            ("a-b c", Some("a_b_c")),
            ("0day", Some("key_0day")),
            ("_private", Some("key_private")),
            ("__meta", Some("__meta")),
            ("a..b", Some("a__b")),
            ("süd", Some("s_d")),
            ("", None),
            ("...", None),
        ] {
            assert_eq!(label_name(key, Escaping::Underscores).as_deref(), name, "{key}");
        }
        assert_eq!(label_name("http.method", Escaping::Utf8).as_deref(), Some("http.method"));
    }
}
