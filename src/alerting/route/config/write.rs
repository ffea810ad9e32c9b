//! A configuration as text, from its values: for one that was edited. What Belvedere keeps as written (`global`, the
//! channels of receivers) is written node by node.

use super::{Config, GroupBy, Route};
use crate::alerting::duration;
use crate::alerting::route::interval::{MONTHS, NamedIntervals, TimeInterval, WEEKDAYS};
use crate::alerting::route::matcher::Matchers;
use crate::model::DurationNs;
use crate::wire::yaml::{Node, Yaml};
use std::collections::BTreeMap;

/// The text of a configuration.
pub(super) fn write(config: &Config) -> String {
    let mut out = Writer::default();
    if let Some(global) = &config.global {
        out.key_node(0, "global", global);
    }
    if !config.templates.is_empty() {
        out.texts(0, "templates", &config.templates);
    }
    out.line(0, "route:");
    out.route(2, &config.route);
    if !config.inhibit_rules.is_empty() {
        out.line(0, "inhibit_rules:");
    }
    for rule in &config.inhibit_rules {
        out.item(2, |out| {
            if !rule.name.is_empty() {
                out.line(4, &format!("name: {}", scalar(&rule.name)));
            }
            out.matchers(4, "source_matchers", &rule.source);
            out.matchers(4, "target_matchers", &rule.target);
            out.texts(4, "equal", &rule.equal);
        });
    }
    out.line(0, if config.receivers.is_empty() { "receivers: []" } else { "receivers:" });
    for receiver in &config.receivers {
        out.item(2, |out| {
            out.line(4, &format!("name: {}", scalar(&receiver.name)));
            let labels = receiver.labels.iter().filter(|(name, _)| *name != "name");
            out.pairs(4, "labels", &labels.map(|(name, value)| (name.clone(), value.clone())).collect());
            let mut kind = "";
            for integration in &receiver.integrations {
                if integration.kind != kind {
                    kind = &integration.kind;
                    out.line(4, &format!("{kind}_configs:"));
                }
                out.item_node(6, &integration.settings);
            }
        });
    }
    if !config.time_intervals.is_empty() {
        out.line(0, "time_intervals:");
    }
    for named in &config.time_intervals {
        out.named_intervals(named);
    }
    for (name, node) in &config.others {
        out.key_node(0, name, node);
    }
    out.text
}

/// A text as a YAML scalar: plain where nothing can misread it, else in double quotes.
fn scalar(text: &str) -> String {
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_' || c == '/')
        && text.chars().all(|c| c.is_alphanumeric() || "_-./@+".contains(c))
        && !["true", "false", "null", "yes", "no", "on", "off", "y", "n"].contains(&text.to_lowercase().as_str());
    if plain { text.to_owned() } else { quoted(text) }
}

fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if c.is_control() || matches!(c, '\u{85}' | '\u{2028}' | '\u{2029}' | '\u{feff}') => {
                out.push_str(&format!("\\u{:04x}", c as u32));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[derive(Default)]
struct Writer {
    text: String,
}

impl Writer {
    fn line(&mut self, indent: usize, text: &str) {
        self.text.push_str(&" ".repeat(indent));
        self.text.push_str(text);
        self.text.push('\n');
    }

    /// A list item whose first line gets the dash. `inner` writes at `indent + 2`.
    fn item(&mut self, indent: usize, inner: impl FnOnce(&mut Self)) {
        let start = self.text.len();
        inner(self);
        if self.text.len() == start {
            self.line(indent, "- {}");
        } else {
            self.text.replace_range(start + indent..start + indent + 1, "-");
        }
    }

    fn length(&mut self, indent: usize, key: &str, length: Option<DurationNs>) {
        if let Some(length) = length {
            self.line(indent, &format!("{key}: {}", duration::format(length)));
        }
    }

    fn texts(&mut self, indent: usize, key: &str, texts: &[String]) {
        if !texts.is_empty() {
            let items: Vec<String> = texts.iter().map(|text| scalar(text)).collect();
            self.line(indent, &format!("{key}: [{}]", items.join(", ")));
        }
    }

    fn pairs(&mut self, indent: usize, key: &str, pairs: &BTreeMap<String, String>) {
        if !pairs.is_empty() {
            self.line(indent, &format!("{key}:"));
            for (name, value) in pairs {
                self.line(indent + 2, &format!("{}: {}", scalar(name), scalar(value)));
            }
        }
    }

    fn matchers(&mut self, indent: usize, key: &str, matchers: &Matchers) {
        if !matchers.is_empty() {
            self.line(indent, &format!("{key}:"));
            for matcher in &matchers.0 {
                self.line(indent + 2, &format!("- {}", quoted(&matcher.to_string())));
            }
        }
    }

    fn route(&mut self, indent: usize, route: &Route) {
        if let Some(receiver) = &route.receiver {
            self.line(indent, &format!("receiver: {}", scalar(receiver)));
        }
        match &route.group_by {
            None => {}
            Some(GroupBy::All) => self.line(indent, "group_by: [\"...\"]"),
            Some(GroupBy::Labels(names)) if names.is_empty() => self.line(indent, "group_by: []"),
            Some(GroupBy::Labels(names)) => self.texts(indent, "group_by", names),
        }
        self.matchers(indent, "matchers", &route.matchers);
        self.length(indent, "group_wait", route.group_wait);
        self.length(indent, "group_interval", route.group_interval);
        self.length(indent, "repeat_interval", route.repeat_interval);
        self.texts(indent, "mute_time_intervals", &route.mute_time_intervals);
        self.texts(indent, "active_time_intervals", &route.active_time_intervals);
        if route.continues {
            self.line(indent, "continue: true");
        }
        self.pairs(indent, "labels", &route.labels);
        if !route.routes.is_empty() {
            self.line(indent, "routes:");
            for child in &route.routes {
                self.item(indent + 2, |out| out.route(indent + 4, child));
            }
        }
    }

    fn named_intervals(&mut self, named: &NamedIntervals) {
        self.item(2, |out| {
            out.line(4, &format!("name: {}", scalar(&named.name)));
            out.line(4, if named.intervals.is_empty() { "time_intervals: []" } else { "time_intervals:" });
            for interval in &named.intervals {
                out.item(6, |out| out.interval(8, interval));
            }
        });
    }

    fn interval(&mut self, indent: usize, interval: &TimeInterval) {
        if let Some(times) = &interval.times {
            self.line(indent, if times.is_empty() { "times: []" } else { "times:" });
            for time in times {
                let clock = |minute: u16| format!("\"{:02}:{:02}\"", minute / 60, minute % 60);
                let (start, end) = (clock(time.start), clock(time.end));
                self.line(indent + 2, &format!("- {{start_time: {start}, end_time: {end}}}"));
            }
        }
        let weekday = |number: i32| WEEKDAYS.get(usize::try_from(number).ok()?).copied();
        let month = |number: i32| MONTHS.get(usize::try_from(number - 1).ok()?).copied();
        for (key, ranges, name) in [
            ("weekdays", &interval.weekdays, &weekday as &dyn Fn(i32) -> Option<&'static str>),
            ("days_of_month", &interval.days_of_month, &|_| None),
            ("months", &interval.months, &month),
            ("years", &interval.years, &|_| None),
        ] {
            if let Some(ranges) = ranges {
                let items: Vec<String> = ranges.iter().map(|range| quoted(&range.write(name))).collect();
                self.line(indent, &format!("{key}: [{}]", items.join(", ")));
            }
        }
        if let Some(location) = &interval.location {
            self.line(indent, &format!("location: {}", quoted(&location.name)));
        }
    }

    fn key_node(&mut self, indent: usize, key: &str, node: &Node) {
        let key = scalar(key);
        match &node.value {
            Yaml::Scalar { text, plain } => {
                let value = if *plain && !text.contains('\n') { text.clone() } else { quoted(text) };
                self.line(indent, format!("{key}: {value}").trim_end());
            }
            Yaml::Sequence(items) if items.is_empty() => self.line(indent, &format!("{key}: []")),
            Yaml::Mapping(pairs) if pairs.is_empty() => self.line(indent, &format!("{key}: {{}}")),
            Yaml::Sequence(items) => {
                self.line(indent, &format!("{key}:"));
                for item in items {
                    self.item_node(indent + 2, item);
                }
            }
            Yaml::Mapping(pairs) => {
                self.line(indent, &format!("{key}:"));
                for (key, value) in pairs {
                    self.key_node(indent + 2, key.text().unwrap_or_default(), value);
                }
            }
        }
    }

    fn item_node(&mut self, indent: usize, node: &Node) {
        match &node.value {
            Yaml::Scalar { text, plain } => {
                let value = if *plain { text.clone() } else { quoted(text) };
                self.line(indent, format!("- {value}").trim_end());
            }
            Yaml::Sequence(items) if items.is_empty() => self.line(indent, "- []"),
            Yaml::Mapping(pairs) if pairs.is_empty() => self.line(indent, "- {}"),
            Yaml::Sequence(items) => self.item(indent, |out| items.iter().for_each(|item| out.item_node(indent + 2, item))),
            Yaml::Mapping(pairs) => self.item(indent, |out| {
                for (key, value) in pairs {
                    out.key_node(indent + 2, key.text().unwrap_or_default(), value);
                }
            }),
        }
    }
}
