//! Alertmanager's configuration file: read with every check of Alertmanager 0.34 and its words, kept whole, written back.
//!
//! What routes, inhibition and intervals need becomes typed values. Receivers are checked against the schema of their
//! kind and kept as they were written, whether or not Belvedere can send over that kind of channel. The text itself is
//! kept too: what nobody edited goes out as it came in, comments included, and [`Config::masked`] is that text without
//! its secrets. **What is imported is disarmed**: [`Receiver::armed`] is false until a person sets it.

mod inherit;
mod receivers;
mod schema;
mod write;

pub use receivers::KINDS;

use super::inhibit::InhibitRule;
use super::interval::{self, Inclusive, IntervalError, NamedIntervals, TimeInterval, TimeRange};
use super::matcher::{self, Matcher, MatcherNote, Matchers};
use crate::alerting::duration;
use crate::model::DurationNs;
use crate::model::labels::is_label_identifier;
use crate::source::MatchOp;
use crate::wire::yaml::{self, Node, Place, Yaml, YamlError};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt;
use std::ops::Range;

/// What stands for a secret in a text that is shown.
pub const SECRET: &str = "<secret>";

const DEFAULT_RESOLVE_TIMEOUT: DurationNs = DurationNs(300_000_000_000);

/// A configuration that was read and checked.
#[derive(Clone, PartialEq, Debug)]
pub struct Config {
    /// After how long an alert that nobody ends is taken as ended.
    pub resolve_timeout: DurationNs,
    /// The root route.
    pub route: Route,
    /// Inhibition rules.
    pub inhibit_rules: Vec<InhibitRule>,
    /// Receivers.
    pub receivers: Vec<Receiver>,
    /// Time intervals, those under the older `mute_time_intervals` first.
    pub time_intervals: Vec<NamedIntervals>,
    /// Patterns of template files.
    pub templates: Vec<String>,
    /// `global`, as written.
    pub global: Option<Node>,
    /// Sections that only Alertmanager itself uses (`tracing`, `event_recorder`), as written.
    pub others: Vec<(String, Node)>,
    /// The text.
    pub source: String,
    /// What there is to say about matchers, with their places.
    pub notes: Vec<(Place, MatcherNote)>,
    secrets: Vec<Range<usize>>,
}

/// By what alerts are put together.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum GroupBy {
    /// `...`: by every label, so each alert alone.
    All,
    /// By these; none is one group for all.
    Labels(Vec<String>),
}

/// A route as written; what is not said comes from its parent.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Route {
    /// Receiver.
    pub receiver: Option<String>,
    /// Grouping.
    pub group_by: Option<GroupBy>,
    /// Conditions, those of `match` and `match_re` among them, sorted.
    pub matchers: Matchers,
    /// First wait.
    pub group_wait: Option<DurationNs>,
    /// Between flushes.
    pub group_interval: Option<DurationNs>,
    /// Until an unchanged group is told again.
    pub repeat_interval: Option<DurationNs>,
    /// Muted in these intervals.
    pub mute_time_intervals: Vec<String>,
    /// Muted outside these intervals.
    pub active_time_intervals: Vec<String>,
    /// Later siblings are looked at too.
    pub continues: bool,
    /// Labels of the route.
    pub labels: BTreeMap<String, String>,
    /// Children.
    pub routes: Vec<Self>,
    /// Where it stands.
    pub place: Place,
}

/// Whom to tell, and how.
#[derive(Clone, PartialEq, Debug)]
pub struct Receiver {
    /// Name.
    pub name: String,
    /// Labels for filters of the API; `name` is always among them.
    pub labels: BTreeMap<String, String>,
    /// Channels in the order of Alertmanager's kinds.
    pub integrations: Vec<Integration>,
    /// Whether anything is sent. An imported receiver is not armed.
    pub armed: bool,
    /// Where it stands.
    pub place: Place,
}

impl Receiver {
    /// True when both say the same of every channel, wherever it stands.
    pub fn same_channels(&self, other: &Self) -> bool {
        self.integrations.len() == other.integrations.len()
            && self.integrations.iter().zip(&other.integrations).all(|(left, right)| {
                (&left.kind, left.index, left.sends_resolved) == (&right.kind, right.index, right.sends_resolved)
                    && same_value(&left.settings, &right.settings)
            })
    }
}

fn same_value(left: &Node, right: &Node) -> bool {
    match (&left.value, &right.value) {
        (Yaml::Scalar { text: left, .. }, Yaml::Scalar { text: right, .. }) => left == right,
        (Yaml::Sequence(left), Yaml::Sequence(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| same_value(left, right))
        }
        (Yaml::Mapping(left), Yaml::Mapping(right)) => {
            let same =
                |((key, left), (name, right)): (&(Node, Node), &(Node, Node))| same_value(key, name) && same_value(left, right);
            left.len() == right.len() && left.iter().zip(right).all(same)
        }
        _ => false,
    }
}

/// A channel of a receiver.
#[derive(Clone, PartialEq, Debug)]
pub struct Integration {
    /// `webhook`, `slack`: the name of its list without `_configs`.
    pub kind: String,
    /// Place in that list.
    pub index: u32,
    /// Whether it hears of resolved alerts.
    pub sends_resolved: bool,
    /// As written.
    pub settings: Node,
}

/// Why a configuration is refused: what Alertmanager would say, and where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConfigError {
    /// Where, if anywhere.
    pub place: Option<Place>,
    /// What.
    pub text: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            Some(place) => write!(f, "{place}: {}", self.text),
            None => f.write_str(&self.text),
        }
    }
}

impl std::error::Error for ConfigError {}

impl From<YamlError> for ConfigError {
    fn from(error: YamlError) -> Self {
        Self { place: Some(error.place), text: error.text }
    }
}

fn at(node: &Node, text: impl Into<String>) -> ConfigError {
    ConfigError { place: Some(node.place), text: text.into() }
}

impl Config {
    /// Reads and checks a text.
    pub fn parse(source: &str) -> Result<Self, ConfigError> {
        let Some(root) = yaml::parse(source)? else {
            return Err(ConfigError { place: None, text: "no route provided in config".to_owned() });
        };
        let mut reader = Reader { secrets: Vec::new(), notes: Vec::new() };
        let mut config = reader.read(&root)?;
        config.source = source.to_owned();
        reader.secrets.sort_by_key(|range| range.start);
        reader.secrets.dedup();
        (config.secrets, config.notes) = (reader.secrets, reader.notes);
        Ok(config)
    }

    /// The text with [`SECRET`] in place of every secret, in which real `amtool` reads the routes.
    pub fn masked(&self) -> String {
        let (mut text, mut from) = (String::with_capacity(self.source.len()), 0);
        for secret in self.secrets.iter().filter(|secret| !secret.is_empty()) {
            if secret.start >= from {
                text.push_str(&self.source[from..secret.start]);
                text.push_str(SECRET);
                from = secret.end;
            }
        }
        text.push_str(&self.source[from..]);
        text
    }

    /// The configuration written anew from its values, for one that was edited. Comments are lost, order stays.
    pub fn write(&self) -> String {
        write::write(self)
    }

    /// A receiver by name.
    pub fn receiver(&self, name: &str) -> Option<&Receiver> {
        self.receivers.iter().find(|receiver| receiver.name == name)
    }
}

struct Reader {
    secrets: Vec<Range<usize>>,
    notes: Vec<(Place, MatcherNote)>,
}

impl Reader {
    fn read(&mut self, root: &Node) -> Result<Config, ConfigError> {
        let mut fields = root.fields("type config.plain")?;
        let global = fields.take("global").filter(|node| !node.is_null());
        let mut resolve_timeout = DEFAULT_RESOLVE_TIMEOUT;
        if let Some(global) = global {
            schema::check(global, &receivers::GLOBAL, &mut self.secrets)?;
            if let Some(node) = global.get("resolve_timeout") {
                resolve_timeout = length(node)?;
            }
        }
        let route = fields.take("route").filter(|node| !node.is_null());
        let route_node = route;
        let route = route.map(|node| self.route(node)).transpose()?;
        let rules = fields.items("inhibit_rules")?.iter();
        let inhibit_rules = rules.map(|node| self.inhibit_rule(node)).collect::<Result<Vec<_>, _>>()?;
        let receivers = fields.items("receivers")?.iter();
        let receivers = receivers.map(|node| self.receiver(node)).collect::<Result<Vec<_>, _>>()?;
        let templates = fields.texts("templates")?.into_iter().map(str::to_owned).collect();
        let named = |node: &Node| named_intervals(node, "mute time interval");
        let muted = fields.items("mute_time_intervals")?.iter().map(named).collect::<Result<Vec<_>, _>>()?;
        let named = |node: &Node| named_intervals(node, "time interval");
        let intervals = fields.items("time_intervals")?.iter().map(named).collect::<Result<Vec<_>, _>>()?;
        let mut others = Vec::new();
        for name in ["tracing", "event_recorder"] {
            if let Some(node) = fields.take(name) {
                others.push((name.to_owned(), node.clone()));
            }
        }
        fields.finish()?;

        inherit::check(global, &receivers)?;
        let nowhere = |text: &str| ConfigError { place: None, text: text.to_owned() };
        let (Some(route), Some(node)) = (route, route_node) else { return Err(nowhere("no routes provided")) };
        if route.receiver.is_none() {
            return Err(at(node, "root route must specify a default receiver"));
        }
        if !route.matchers.is_empty() {
            return Err(at(node, "root route must not have any matchers"));
        }
        if !route.mute_time_intervals.is_empty() {
            return Err(at(node, "root route must not have any mute time intervals"));
        }
        if !route.active_time_intervals.is_empty() {
            return Err(at(node, "root route must not have any active time intervals"));
        }
        let names: HashSet<&str> = receivers.iter().map(|receiver| receiver.name.as_str()).collect();
        check_receivers(&route, &names)?;
        let mut interval_names = HashSet::new();
        for (named, what) in muted.iter().map(|named| (named, "mute time")).chain(intervals.iter().map(|named| (named, "time")))
        {
            if !interval_names.insert(named.name.as_str()) {
                return Err(nowhere(&format!("{what} interval {:?} is not unique", named.name)));
            }
        }
        check_intervals(&route, &interval_names)?;
        if route.continues {
            return Err(at(node, "cannot have continue in root route"));
        }
        Ok(Config {
            resolve_timeout,
            route,
            inhibit_rules,
            receivers,
            time_intervals: muted.into_iter().chain(intervals).collect(),
            templates,
            global: global.cloned(),
            others,
            source: String::new(),
            notes: Vec::new(),
            secrets: Vec::new(),
        })
    }

    fn route(&mut self, node: &Node) -> Result<Route, ConfigError> {
        let mut fields = node.fields("type config.plain")?;
        let mut route = Route { place: node.place, ..Route::default() };
        route.receiver = fields.text("receiver")?.filter(|name| !name.is_empty()).map(str::to_owned);
        if let Some(list) = fields.take("group_by").filter(|list| !list.is_null()) {
            route.group_by = Some(group_by(list)?);
        }
        let mut found = Vec::new();
        for (key, op) in [("match", MatchOp::Equal), ("match_re", MatchOp::Regex)] {
            if let Some(pairs) = fields.take(key) {
                old_matchers(pairs, op, &mut found)?;
            }
        }
        if let Some(list) = fields.take("matchers") {
            self.matchers(list, &mut found)?;
        }
        found.sort();
        route.matchers = Matchers(found);
        route.mute_time_intervals = fields.texts("mute_time_intervals")?.into_iter().map(str::to_owned).collect();
        route.active_time_intervals = fields.texts("active_time_intervals")?.into_iter().map(str::to_owned).collect();
        route.continues = fields.truth("continue")?.unwrap_or_default();
        for (key, into) in [
            ("group_wait", &mut route.group_wait),
            ("group_interval", &mut route.group_interval),
            ("repeat_interval", &mut route.repeat_interval),
        ] {
            if let Some(node) = fields.take(key).filter(|node| !node.is_null()) {
                let length = length(node)?;
                if length.0 == 0 && key != "group_wait" {
                    return Err(at(node, format!("{key} cannot be zero")));
                }
                *into = Some(length);
            }
        }
        if let Some(labels) = fields.take("labels") {
            for (key, value) in labels.pairs()? {
                if key.text()?.is_empty() {
                    return Err(at(key, "invalid label name \"\" in route labels"));
                }
                route.labels.insert(key.text()?.to_owned(), value.text()?.to_owned());
            }
        }
        for child in fields.items("routes")? {
            route.routes.push(self.route(child)?);
        }
        fields.finish()?;
        Ok(route)
    }

    fn matchers(&mut self, list: &Node, into: &mut Vec<Matcher>) -> Result<(), ConfigError> {
        let one;
        let lines = match list.items() {
            Ok(lines) => lines,
            Err(_) if list.text().is_ok() => {
                one = [list.clone()];
                &one
            }
            Err(error) => return Err(error.into()),
        };
        for line in lines {
            let (found, note) = matcher::parse(line.text()?).map_err(|error| at(line, error.to_string()))?;
            into.extend(found.0);
            self.notes.extend(note.map(|note| (line.place, note)));
        }
        Ok(())
    }

    fn inhibit_rule(&mut self, node: &Node) -> Result<InhibitRule, ConfigError> {
        let mut fields = node.fields("type common.plain")?;
        let name = fields.text("name")?.unwrap_or_default().to_owned();
        let mut side = |keys: [&str; 3], fields: &mut yaml::Fields<'_>| -> Result<Matchers, ConfigError> {
            let mut found = Vec::new();
            for (key, op) in [(keys[0], MatchOp::Equal), (keys[1], MatchOp::Regex)] {
                if let Some(pairs) = fields.take(key) {
                    old_matchers(pairs, op, &mut found)?;
                }
            }
            if let Some(list) = fields.take(keys[2]) {
                self.matchers(list, &mut found)?;
            }
            found.sort();
            Ok(Matchers(found))
        };
        let source = side(["source_match", "source_match_re", "source_matchers"], &mut fields)?;
        let target = side(["target_match", "target_match_re", "target_matchers"], &mut fields)?;
        let mut equal = Vec::new();
        for label in fields.items("equal")? {
            if label.text()?.is_empty() {
                return Err(at(label, "invalid label name \"\" in equal list"));
            }
            equal.push(label.text()?.to_owned());
        }
        fields.finish()?;
        Ok(InhibitRule { name, source, target, equal, place: node.place })
    }

    fn receiver(&mut self, node: &Node) -> Result<Receiver, ConfigError> {
        let mut fields = node.fields("type config.plain")?;
        let name = fields.text("name")?.unwrap_or_default().to_owned();
        let mut labels = BTreeMap::new();
        if let Some(pairs) = fields.take("labels") {
            for (key, value) in pairs.pairs()? {
                labels.insert(key.text()?.to_owned(), value.text()?.to_owned());
            }
        }
        let mut integrations = Vec::new();
        for kind in &KINDS {
            let list = format!("{}_configs", kind.name);
            for (index, settings) in fields.items(&list)?.iter().enumerate() {
                if settings.is_null() {
                    if !kind.may_be_empty {
                        return Err(at(settings, format!("missing {} config", kind.name)));
                    }
                } else {
                    schema::check(settings, kind.schema, &mut self.secrets)?;
                }
                let sends_resolved = settings.get("send_resolved").filter(|node| !node.is_null());
                integrations.push(Integration {
                    kind: kind.name.to_owned(),
                    index: u32::try_from(index).unwrap_or(u32::MAX),
                    sends_resolved: sends_resolved.map_or(Ok(kind.sends_resolved), Node::truth)?,
                    settings: settings.clone(),
                });
            }
        }
        fields.finish()?;
        if name.is_empty() {
            return Err(at(node, "missing name in receiver"));
        }
        if let Some(other) = labels.get("name").filter(|other| **other != name) {
            return Err(at(node, format!("receiver label \"name\" must match receiver name {name:?}, got {other:?}")));
        }
        labels.insert("name".to_owned(), name.clone());
        Ok(Receiver { name, labels, integrations, armed: false, place: node.place })
    }
}

fn length(node: &Node) -> Result<DurationNs, ConfigError> {
    duration::parse(node.text()?).map_err(|error| at(node, error.to_string()))
}

fn group_by(list: &Node) -> Result<GroupBy, ConfigError> {
    let (mut names, mut all, mut seen) = (Vec::new(), false, BTreeSet::new());
    for item in list.items()? {
        match item.text()? {
            "..." => all = true,
            "" => return Err(at(item, "invalid label name \"\" in group_by list")),
            name => names.push((item, name)),
        }
    }
    if all && !names.is_empty() {
        return Err(at(list, "cannot have wildcard group_by (`...`) and other labels at the same time"));
    }
    for (item, name) in &names {
        if !seen.insert(*name) {
            return Err(at(item, format!("duplicated label {name:?} in group_by")));
        }
    }
    Ok(if all { GroupBy::All } else { GroupBy::Labels(names.into_iter().map(|(_, name)| name.to_owned()).collect()) })
}

/// `match` and `match_re`: names of the data model before UTF-8; an expression must be there, if only an empty one.
fn old_matchers(pairs: &Node, op: MatchOp, into: &mut Vec<Matcher>) -> Result<(), ConfigError> {
    for (key, value) in pairs.pairs()? {
        let name = key.text()?;
        if !is_label_identifier(name) {
            return Err(at(key, format!("invalid label name {name:?}")));
        }
        if op == MatchOp::Regex && value.is_null() {
            return Err(at(value, format!("invalid regexp value for {name:?}")));
        }
        into.push(Matcher::new(name, op, value.text()?).map_err(|error| at(value, error.to_string()))?);
    }
    Ok(())
}

fn check_receivers(route: &Route, names: &HashSet<&str>) -> Result<(), ConfigError> {
    for child in &route.routes {
        check_receivers(child, names)?;
    }
    match &route.receiver {
        Some(receiver) if !names.contains(receiver.as_str()) => {
            Err(ConfigError { place: Some(route.place), text: format!("undefined receiver {receiver:?} used in route") })
        }
        _ => Ok(()),
    }
}

fn check_intervals(route: &Route, names: &HashSet<&str>) -> Result<(), ConfigError> {
    for child in &route.routes {
        check_intervals(child, names)?;
    }
    let used = route.active_time_intervals.iter().chain(&route.mute_time_intervals);
    match used.into_iter().find(|name| !names.contains(name.as_str())) {
        Some(name) => {
            Err(ConfigError { place: Some(route.place), text: format!("undefined time interval {name:?} used in route") })
        }
        None => Ok(()),
    }
}

fn named_intervals(node: &Node, what: &str) -> Result<NamedIntervals, ConfigError> {
    let mut fields = node.fields("type config.plain")?;
    let name = fields.text("name")?.unwrap_or_default().to_owned();
    let intervals = fields.items("time_intervals")?.iter().map(time_interval).collect::<Result<_, _>>()?;
    fields.finish()?;
    if name.is_empty() { Err(at(node, format!("missing name in {what}"))) } else { Ok(NamedIntervals { name, intervals }) }
}

fn time_interval(node: &Node) -> Result<TimeInterval, ConfigError> {
    let mut fields = node.fields("type timeinterval.TimeInterval")?;
    let times = fields.take("times").filter(|list| !list.is_null()).map(times).transpose()?;
    let mut list = |key: &str, parse: fn(&str) -> Result<Inclusive, IntervalError>| {
        let list = fields.take(key).filter(|list| !list.is_null());
        list.map(|list| ranges(list, parse)).transpose()
    };
    let weekdays = list("weekdays", interval::parse_weekdays)?;
    let days_of_month = list("days_of_month", interval::parse_days_of_month)?;
    let months = list("months", interval::parse_months)?;
    let years = list("years", interval::parse_years)?;
    let location = match fields.take("location").filter(|node| !node.is_null()) {
        Some(node) => Some(interval::parse_location(node.text()?).map_err(|error| at(node, error.to_string()))?),
        None => None,
    };
    fields.finish()?;
    Ok(TimeInterval { times, weekdays, days_of_month, months, years, location })
}

fn times(list: &Node) -> Result<Vec<TimeRange>, ConfigError> {
    let mut found = Vec::new();
    for item in list.items()? {
        let mut fields = item.fields("type timeinterval.yamlTimeRange")?;
        let start = fields.text("start_time")?.unwrap_or_default();
        let end = fields.text("end_time")?.unwrap_or_default();
        found.push(interval::parse_times(start, end).map_err(|error| at(item, error.to_string()))?);
        fields.finish()?;
    }
    Ok(found)
}

fn ranges(list: &Node, parse: fn(&str) -> Result<Inclusive, IntervalError>) -> Result<Vec<Inclusive>, ConfigError> {
    let one =
        |item: &Node| -> Result<Inclusive, ConfigError> { parse(item.text()?).map_err(|error| at(item, error.to_string())) };
    list.items()?.iter().map(one).collect()
}

#[cfg(test)]
mod tests;
