//! Rule files, the complete format of Prometheus 3 (`model/rulefmt`): read strictly, every mistake with line and column and
//! in Prometheus' words; written back group by group, so that a group nobody changed keeps its text, comments included.

use crate::alerting::duration;
use crate::alerting::template::Template;
use crate::model::DurationNs;
use crate::model::labels::METRIC_NAME;
use crate::wire::yaml::{self, Node, Place, YamlError};
use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::ops::Range;

/// A rule file that was read.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct RuleFile {
    /// Groups in order.
    pub groups: Vec<RuleGroup>,
    /// The text.
    pub source: String,
    /// True when the text has more documents, of which only the first counts.
    pub more_documents: bool,
}

/// Rules that are evaluated together, one after the other.
#[derive(Clone, Debug, Default)]
pub struct RuleGroup {
    /// Unique in its file.
    pub name: String,
    /// How often it is evaluated, if not as often as all.
    pub interval: Option<DurationNs>,
    /// How far back the queries look, if not as all.
    pub query_offset: Option<DurationNs>,
    /// Most series or alerts of one rule, 0 for any number.
    pub limit: i64,
    /// Labels for all of its rules.
    pub labels: BTreeMap<String, String>,
    /// Rules in order.
    pub rules: Vec<Rule>,
    /// Where it stands.
    pub place: Place,
    /// Its bytes in the text.
    pub bytes: Range<usize>,
}

impl PartialEq for RuleGroup {
    /// The same rules, wherever they stand.
    fn eq(&self, other: &Self) -> bool {
        (&self.name, self.interval, self.query_offset, self.limit, &self.labels, &self.rules)
            == (&other.name, other.interval, other.query_offset, other.limit, &other.labels, &other.rules)
    }
}

/// A rule as written.
#[derive(Clone, Debug, Default)]
pub struct Rule {
    /// The series that a recording rule writes.
    pub record: String,
    /// The name of an alerting rule.
    pub alert: String,
    /// The query.
    pub expr: String,
    /// How long an alert is pending.
    pub hold: DurationNs,
    /// How long an alert goes on firing when the query no longer returns it.
    pub keep_firing_for: DurationNs,
    /// Labels, templates in an alerting rule.
    pub labels: BTreeMap<String, String>,
    /// Annotations, templates.
    pub annotations: BTreeMap<String, String>,
    /// Where `record`, `alert` and `expr` stand; zeros where they don't.
    pub places: [Place; 3],
    /// Where the rule stands.
    pub place: Place,
}

impl PartialEq for Rule {
    fn eq(&self, other: &Self) -> bool {
        (&self.record, &self.alert, &self.expr, self.hold, self.keep_firing_for, &self.labels, &self.annotations)
            == (&other.record, &other.alert, &other.expr, other.hold, other.keep_firing_for, &other.labels, &other.annotations)
    }
}

impl Rule {
    /// Whether it alerts; otherwise it records.
    pub fn is_alert(&self) -> bool {
        !self.alert.is_empty()
    }

    /// Its name, of whichever kind it is.
    pub fn name(&self) -> &str {
        if self.is_alert() { &self.alert } else { &self.record }
    }
}

/// What is wrong with a rule file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RuleError {
    /// Where, two places when two fields contradict.
    pub places: Vec<Place>,
    /// In which rule: group, number from 1, name.
    pub rule: Option<(String, usize, String)>,
    /// What.
    pub text: String,
}

impl fmt::Display for RuleError {
    /// As promtool prints it: `3:5: group "g", rule 1, "name": …`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for place in &self.places {
            write!(f, "{}:{}: ", place.line, place.column)?;
        }
        if let Some((group, number, name)) = &self.rule {
            write!(f, "group {group:?}, rule {number}, {name:?}: ")?;
        }
        f.write_str(&self.text)
    }
}

impl std::error::Error for RuleError {}

impl From<YamlError> for RuleError {
    fn from(error: YamlError) -> Self {
        Self { places: vec![error.place], rule: None, text: error.text }
    }
}

/// How strictly a file is read.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct ReadOptions {
    /// Fields that Prometheus does not know are passed over.
    pub ignore_unknown_fields: bool,
    /// Names must be of the data model before UTF-8.
    pub legacy_names: bool,
}

/// Checks an expression: what is wrong with it, in Prometheus' words.
pub type ExprCheck<'a> = dyn Fn(&str) -> Result<(), String> + 'a;

impl RuleFile {
    /// Reads and checks a text; all mistakes that can be told apart.
    pub fn parse(source: &str, options: ReadOptions, check_expr: &ExprCheck<'_>) -> Result<Self, Vec<RuleError>> {
        let documents = yaml::parse_all(source).map_err(|error| vec![error.into()])?;
        let more_documents = documents.len() > 1;
        let groups = match documents.first() {
            None => Vec::new(),
            Some(root) => read_groups(root, options).map_err(|error| vec![error])?,
        };
        let errors = check(&groups, options, check_expr);
        if errors.is_empty() { Ok(Self { groups, source: source.to_owned(), more_documents }) } else { Err(errors) }
    }

    /// The file with these groups in place of its own: a group that is as it was keeps its text, the others are written
    /// anew.
    pub fn write_with(&self, groups: &[RuleGroup]) -> String {
        let Some(blocks) = self.blocks() else { return write_groups(groups) };
        let start = blocks.first().map_or(self.source.len(), |block| block.start);
        let mut out = self.source[..start].to_owned();
        for group in groups {
            match self.groups.iter().position(|known| known == group) {
                Some(place) => out.push_str(&self.source[blocks[place].clone()]),
                None => write_group(&mut out, group),
            }
            if !out.ends_with('\n') {
                out.push('\n');
            }
        }
        out
    }

    /// The lines of each group: from the comment above its dash to the next group's. `None` when the groups are not written
    /// one below the other with two spaces or less before the dash.
    fn blocks(&self) -> Option<Vec<Range<usize>>> {
        if self.more_documents || self.groups.is_empty() {
            return None;
        }
        let mut starts = Vec::new();
        for group in &self.groups {
            let line = self.source[..group.bytes.start].rfind('\n').map_or(0, |newline| newline + 1);
            let before = &self.source[line..group.bytes.start];
            if before.trim_start_matches(' ') != "- " || before.len() > 4 {
                return None;
            }
            let mut start = line;
            // Comments right above belong to the group, except above the first one, where they may be the file's.
            while !starts.is_empty() && start > 0 {
                let above = self.source[..start - 1].rfind('\n').map_or(0, |newline| newline + 1);
                if !self.source[above..start].trim_start().starts_with('#') {
                    break;
                }
                start = above;
            }
            starts.push(start);
        }
        let ends = starts.iter().skip(1).copied().chain([self.source.len()]).collect::<Vec<_>>();
        Some(starts.into_iter().zip(ends).map(|(start, end)| start..end).collect())
    }
}

fn read_groups(root: &Node, options: ReadOptions) -> Result<Vec<RuleGroup>, RuleError> {
    let mut fields = root.fields("type rulefmt.RuleGroups")?;
    let groups = fields.items("groups")?.iter().map(|node| read_group(node, options)).collect::<Result<_, _>>()?;
    finish(fields, options)?;
    Ok(groups)
}

fn finish(fields: yaml::Fields<'_>, options: ReadOptions) -> Result<(), YamlError> {
    if options.ignore_unknown_fields { Ok(()) } else { fields.finish() }
}

fn length(fields: &mut yaml::Fields<'_>, key: &str) -> Result<Option<DurationNs>, RuleError> {
    let Some(node) = fields.take(key).filter(|node| !node.is_null()) else { return Ok(None) };
    let length = duration::parse(node.text()?);
    length.map(Some).map_err(|error| RuleError { places: vec![node.place], rule: None, text: error.to_string() })
}

fn texts(fields: &mut yaml::Fields<'_>, key: &str) -> Result<BTreeMap<String, String>, RuleError> {
    let mut found = BTreeMap::new();
    if let Some(node) = fields.take(key) {
        for (key, value) in node.pairs()? {
            found.insert(key.text()?.to_owned(), value.text()?.to_owned());
        }
    }
    Ok(found)
}

fn read_group(node: &Node, options: ReadOptions) -> Result<RuleGroup, RuleError> {
    let mut fields = node.fields("type rulefmt.RuleGroup")?;
    let group = RuleGroup {
        name: fields.text("name")?.unwrap_or_default().to_owned(),
        interval: length(&mut fields, "interval")?.filter(|interval| interval.0 != 0),
        query_offset: length(&mut fields, "query_offset")?,
        limit: fields.integer("limit")?.unwrap_or_default(),
        labels: texts(&mut fields, "labels")?,
        rules: fields.items("rules")?.iter().map(|node| read_rule(node, options)).collect::<Result<_, _>>()?,
        place: node.place,
        bytes: node.bytes.clone(),
    };
    finish(fields, options)?;
    Ok(group)
}

fn read_rule(node: &Node, options: ReadOptions) -> Result<Rule, RuleError> {
    let mut fields = node.fields("type rulefmt.Rule")?;
    let mut placed = |key: &str| -> Result<(String, Place), RuleError> {
        Ok(match fields.take(key) {
            Some(node) => (node.text()?.to_owned(), node.place),
            None => (String::new(), Place::default()),
        })
    };
    let (record, record_place) = placed("record")?;
    let (alert, alert_place) = placed("alert")?;
    let (expr, expr_place) = placed("expr")?;
    let rule = Rule {
        record,
        alert,
        expr,
        hold: length(&mut fields, "for")?.unwrap_or_default(),
        keep_firing_for: length(&mut fields, "keep_firing_for")?.unwrap_or_default(),
        labels: texts(&mut fields, "labels")?,
        annotations: texts(&mut fields, "annotations")?,
        places: [record_place, alert_place, expr_place],
        place: node.place,
    };
    finish(fields, options)?;
    Ok(rule)
}

fn check(groups: &[RuleGroup], options: ReadOptions, check_expr: &ExprCheck<'_>) -> Vec<RuleError> {
    let mut errors = Vec::new();
    let mut names = HashSet::new();
    for group in groups {
        let mut at_group = |text: String, placed: bool| {
            errors.push(RuleError { places: if placed { vec![group.place] } else { Vec::new() }, rule: None, text });
        };
        if group.name.is_empty() {
            at_group("Groupname must not be empty".to_owned(), true);
        }
        if !names.insert(&group.name) {
            at_group(format!("groupname: \"{}\" is repeated in the same file", group.name), true);
        }
        for name in group.labels.keys().filter(|name| !is_label_name(name, options)) {
            at_group(format!("invalid label name: {name}"), false);
        }
        for (place, rule) in group.rules.iter().enumerate() {
            for (places, text) in check_rule(rule, options, check_expr) {
                let rule = Some((group.name.clone(), place + 1, rule.name().to_owned()));
                errors.push(RuleError { places, rule, text });
            }
        }
    }
    errors
}

fn is_label_name(name: &str, options: ReadOptions) -> bool {
    let valid = if options.legacy_names { crate::model::labels::is_label_identifier(name) } else { !name.is_empty() };
    valid && name != METRIC_NAME
}

/// Mistakes of one rule with their places.
fn check_rule(rule: &Rule, options: ReadOptions, check_expr: &ExprCheck<'_>) -> Vec<(Vec<Place>, String)> {
    let [record, alert, expr] = rule.places;
    let mut errors = Vec::new();
    match (rule.record.is_empty(), rule.alert.is_empty()) {
        (false, false) => {
            errors.push((vec![record, alert], "only one of 'record' and 'alert' must be set".to_owned()));
        }
        (true, true) => errors.push((vec![record, alert], "one of 'record' or 'alert' must be set".to_owned())),
        _ => {}
    }
    if rule.expr.is_empty() {
        errors.push((vec![expr], "field 'expr' must be set in rule".to_owned()));
    } else if let Err(reason) = check_expr(&rule.expr) {
        errors.push((vec![expr], format!("could not parse expression: {reason}")));
    }
    if !rule.record.is_empty() {
        let mut invalid = |there: bool, field: &str| {
            if there {
                errors.push((vec![record], format!("invalid field '{field}' in recording rule")));
            }
        };
        invalid(!rule.annotations.is_empty(), "annotations");
        invalid(rule.hold.0 != 0, "for");
        invalid(rule.keep_firing_for.0 != 0, "keep_firing_for");
        if options.legacy_names && !crate::model::labels::is_metric_identifier(&rule.record) {
            errors.push((vec![record], format!("invalid recording rule name: {}", rule.record)));
        }
        if rule.record.contains(['{', '}']) {
            let words = "braces present in the recording rule name; should it be in expr?";
            errors.push((vec![record], format!("{words}: {}", rule.record)));
        }
    }
    for name in rule.labels.keys().filter(|name| !is_label_name(name, options)) {
        errors.push((Vec::new(), format!("invalid label name: {name}")));
    }
    let annotation = |name: &str| if options.legacy_names { is_label_name(name, options) } else { !name.is_empty() };
    for name in rule.annotations.keys().filter(|name| !annotation(name)) {
        errors.push((Vec::new(), format!("invalid annotation name: {name}")));
    }
    if rule.is_alert() {
        for (what, texts) in [("label", &rule.labels), ("annotation", &rule.annotations)] {
            for (name, text) in texts {
                if let Err(error) = Template::parse_alert(&rule.alert, text) {
                    let words = error.to_string();
                    let prefix = format!("error parsing template __alert_{}: ", rule.alert);
                    let words = words.strip_prefix(&prefix).unwrap_or(&words);
                    errors.push((Vec::new(), format!("{what} {name:?}: {words}")));
                }
            }
        }
    }
    errors
}

/// A rule file of these groups, written anew.
pub fn write_groups(groups: &[RuleGroup]) -> String {
    let mut out = String::from(if groups.is_empty() { "groups: []\n" } else { "groups:\n" });
    for group in groups {
        write_group(&mut out, group);
    }
    out
}

fn write_group(out: &mut String, group: &RuleGroup) {
    out.push_str(&format!("  - name: {}\n", scalar(&group.name, 4)));
    let mut length = |key: &str, length: Option<DurationNs>| {
        if let Some(length) = length {
            out.push_str(&format!("    {key}: {}\n", duration::format(length)));
        }
    };
    length("interval", group.interval);
    length("query_offset", group.query_offset);
    if group.limit != 0 {
        out.push_str(&format!("    limit: {}\n", group.limit));
    }
    write_texts(out, "labels", &group.labels, 4);
    out.push_str(if group.rules.is_empty() { "    rules: []\n" } else { "    rules:\n" });
    for rule in &group.rules {
        let kind = if rule.is_alert() { "alert" } else { "record" };
        out.push_str(&format!("      - {kind}: {}\n", scalar(rule.name(), 8)));
        out.push_str(&format!("        expr: {}\n", scalar(&rule.expr, 8)));
        for (key, length) in [("for", rule.hold), ("keep_firing_for", rule.keep_firing_for)] {
            if length.0 != 0 {
                out.push_str(&format!("        {key}: {}\n", duration::format(length)));
            }
        }
        write_texts(out, "labels", &rule.labels, 8);
        write_texts(out, "annotations", &rule.annotations, 8);
    }
}

fn write_texts(out: &mut String, key: &str, texts: &BTreeMap<String, String>, indent: usize) {
    if !texts.is_empty() {
        let space = " ".repeat(indent);
        out.push_str(&format!("{space}{key}:\n"));
        for (name, text) in texts {
            out.push_str(&format!("{space}  {}: {}\n", scalar(name, indent + 2), scalar(text, indent + 2)));
        }
    }
}

/// A text as a YAML scalar: plain, as a block for several lines, else in single quotes, else in double ones.
fn scalar(text: &str, indent: usize) -> String {
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || " _-./()[]+*<>=%".contains(c))
        && !text.ends_with(' ')
        && !["true", "false", "null", "yes", "no", "on", "off", "y", "n"].contains(&text.to_lowercase().as_str());
    if plain {
        return text.to_owned();
    }
    let odd = |c: char| c.is_control() || matches!(c, '\u{85}' | '\u{2028}' | '\u{2029}' | '\u{feff}');
    if text.contains('\n') && !text.starts_with([' ', '\n']) && !text.chars().any(|c| odd(c) && c != '\n') {
        let kept = text.trim_end_matches('\n');
        let header = match text.len() - kept.len() {
            0 => "|-",
            1 => "|",
            _ => "|+",
        };
        let space = " ".repeat(indent + 2);
        let lines = kept.split('\n').map(|line| if line.is_empty() { String::new() } else { format!("{space}{line}") });
        let extra = "\n".repeat((text.len() - kept.len()).saturating_sub(1));
        return format!("{header}\n{}{extra}", lines.collect::<Vec<_>>().join("\n"));
    }
    if !text.chars().any(odd) {
        return format!("'{}'", text.replace('\'', "''"));
    }
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if odd(c) => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out + "\""
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# the file\ngroups:\n  - name: one # first\n    interval: 30s\n    limit: 5\n    rules:\n      - record: job:up:sum\n        expr: sum by (job) (up)\n  # above two\n  - name: two\n    labels: {team: web}\n    rules:\n      # note\n      - alert: Down\n        expr: up == 0\n        for: 5m\n        keep_firing_for: 1m\n        labels: {severity: page}\n        annotations: {summary: '{{ $labels.job }} is down'}\n";

    fn parse(text: &str) -> Result<RuleFile, Vec<RuleError>> {
        let check = |expr: &str| if expr.contains("((") { Err("1:1: parse error: x".to_owned()) } else { Ok(()) };
        RuleFile::parse(text, ReadOptions::default(), &check)
    }

    #[test]
    fn a_file_is_read_in_full() {
        let file = parse(FILE).unwrap();
        let [one, two] = &file.groups[..] else { panic!("two groups") };
        assert_eq!((one.interval, one.limit), (Some(DurationNs(30_000_000_000)), 5));
        let rule = &two.rules[0];
        assert!(rule.is_alert() && rule.hold == DurationNs(300_000_000_000));
        assert_eq!((rule.place.line, rule.places[2].line, two.labels["team"].as_str()), (14, 15, "web"));
    }

    #[test]
    fn unchanged_groups_keep_their_text_and_comments() {
        let file = parse(FILE).unwrap();
        assert_eq!(file.write_with(&file.groups), FILE);
        let mut edited = file.groups.clone();
        edited[0].rules[0].expr = "sum by (job) (up{a=\"b\"})".to_owned();
        let written = file.write_with(&edited);
        assert!(written.contains("  # above two\n  - name: two\n") && written.contains("# note"), "{written}");
        assert!(written.starts_with("# the file\ngroups:\n  - name: one\n    interval: 30s\n    limit: 5\n"), "{written}");
        assert_eq!(parse(&written).unwrap().groups, edited);
        edited.swap(0, 1);
        assert_eq!(parse(&file.write_with(&edited)).unwrap().groups, edited);
        assert_eq!(parse(&file.write_with(&edited[..1])).unwrap().groups, edited[..1]);
    }

    #[test]
    fn any_text_survives_being_written_anew() {
        let mut file = parse(FILE).unwrap();
        for text in [
            "a: b",
            "'x'",
            "two\nlines\n",
            "two\nlines",
            "ends\n\n",
            "\ttab",
            " lead",
            "",
            "- x",
            "#c",
            "true",
            "1.10",
            "é\u{85}",
            "a\n\nb",
        ] {
            file.groups[1].rules[0].annotations.insert("summary".to_owned(), text.to_owned());
            let written = write_groups(&file.groups);
            let again = parse(&written).unwrap_or_else(|errors| panic!("{errors:?}\n{written}"));
            assert_eq!(again.groups, file.groups, "{text:?}\n{written}");
        }
    }

    #[test]
    fn mistakes_are_told_in_prometheus_words_with_their_place() {
        let rule = |body: &str| format!("groups:\n- name: g\n  rules:\n  - {body}\n");
        for (text, words) in [
            (
                rule("{alert: a, record: b, expr: x}"),
                "4:24: 4:13: group \"g\", rule 1, \"a\": only one of 'record' and 'alert' must be set",
            ),
            (rule("{expr: x}"), "0:0: 0:0: group \"g\", rule 1, \"\": one of 'record' or 'alert' must be set"),
            (rule("{alert: a}"), "0:0: group \"g\", rule 1, \"a\": field 'expr' must be set in rule"),
            (rule("{alert: a, expr: ((}"), "4:22: group \"g\", rule 1, \"a\": could not parse expression: 1:1: parse error: x"),
            (rule("{record: r, expr: x, for: 1m}"), "4:14: group \"g\", rule 1, \"r\": invalid field 'for' in recording rule"),
            (
                rule("{record: r, expr: x, keep_firing_for: 1m}"),
                "4:14: group \"g\", rule 1, \"r\": invalid field 'keep_firing_for' in recording rule",
            ),
            (
                rule("{record: r, expr: x, annotations: {a: b}}"),
                "4:14: group \"g\", rule 1, \"r\": invalid field 'annotations' in recording rule",
            ),
            (
                rule("{record: 'r{}', expr: x}"),
                "4:14: group \"g\", rule 1, \"r{}\": braces present in the recording rule name; should it be in expr?: r{}",
            ),
            (rule("{alert: a, expr: x, labels: {__name__: b}}"), "group \"g\", rule 1, \"a\": invalid label name: __name__"),
            (
                rule("{alert: a, expr: x, annotations: {s: '{{ $x }}'}}"),
                "group \"g\", rule 1, \"a\": annotation \"s\": template: __alert_a:1: undefined variable \"$x\"",
            ),
            (rule("{alert: a, expr: x, fro: 1m}"), "4:25: field fro not found in type rulefmt.Rule"),
            (rule("{alert: a, expr: x, for: soon}"), "4:30: not a valid duration string: \"soon\""),
            ("groups:\n- name: g\n- name: g\n".to_owned(), "3:3: groupname: \"g\" is repeated in the same file"),
            ("groups:\n- rules: []\n".to_owned(), "2:3: Groupname must not be empty"),
        ] {
            let errors = parse(&text).unwrap_err();
            assert_eq!(errors.iter().map(ToString::to_string).collect::<Vec<_>>(), [words], "{text}");
        }
        let lenient = ReadOptions { ignore_unknown_fields: true, ..ReadOptions::default() };
        assert!(RuleFile::parse(&rule("{alert: a, expr: x, fro: 1m}"), lenient, &|_| Ok(())).is_ok());
        let legacy = ReadOptions { legacy_names: true, ..ReadOptions::default() };
        let utf8 = rule("{alert: a, expr: x, labels: {'a b': c}, annotations: {'d e': f}}");
        assert!(RuleFile::parse(&utf8, ReadOptions::default(), &|_| Ok(())).is_ok());
        assert_eq!(RuleFile::parse(&utf8, legacy, &|_| Ok(())).unwrap_err().len(), 2);
        assert!(parse("").unwrap().groups.is_empty());
    }
}
