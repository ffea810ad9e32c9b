//! What a rule file may say and should not: promtool's duplicate rules, and more that people regret.
//!
//! Promtool's lint counts for the exit code; the others are advice with a place.

use super::file::{RuleFile, RuleGroup};
use crate::alerting::go_text;
use crate::model::Labels;
use crate::wire::yaml::Place;
use std::fmt;

/// Advice on a rule.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Advice {
    /// Where the rule stands.
    pub place: Place,
    /// Its group.
    pub group: String,
    /// Its name.
    pub rule: String,
    /// What.
    pub text: String,
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: group {:?}, {:?}: {}", self.place.line, self.place.column, self.group, self.rule, self.text)
    }
}

/// Rules of the same name with the same labels, each pair once, sorted: what promtool calls duplicates.
pub fn duplicates(groups: &[RuleGroup]) -> Vec<(String, Labels)> {
    let mut all: Vec<(String, Labels)> = groups
        .iter()
        .flat_map(|group| group.rules.iter().map(move |rule| (group, rule)))
        .map(|(group, rule)| {
            let mut labels = Labels::new(&group.labels).edit();
            for (name, value) in &rule.labels {
                labels.set(name, value);
            }
            (rule.name().to_owned(), labels.build())
        })
        .collect();
    all.sort();
    let mut found: Vec<(String, Labels)> = Vec::new();
    for pair in all.windows(2) {
        if pair[0] == pair[1] && found.last() != Some(&pair[1]) {
            found.push(pair[1].clone());
        }
    }
    found
}

/// The text in which promtool reports duplicates.
pub fn duplicates_text(found: &[(String, Labels)]) -> String {
    let mut text = format!("lint error {} duplicate rule(s) found.\n", found.len());
    for (metric, labels) in found {
        text.push_str(&format!("Metric: {metric}\nLabel(s):\n"));
        for (name, value) in labels {
            text.push_str(&format!("\t{name}: {value}\n"));
        }
    }
    text + "Might cause inconsistency while recording expressions"
}

/// Advice that needs no data: an alert that fires on its first sample, a label that changes with every value.
pub fn advice(file: &RuleFile) -> Vec<Advice> {
    let mut found = Vec::new();
    for group in &file.groups {
        for rule in group.rules.iter().filter(|rule| rule.is_alert()) {
            let mut add = |text: String| {
                let (group, rule_name) = (group.name.clone(), rule.alert.clone());
                found.push(Advice { place: rule.place, group, rule: rule_name, text });
            };
            if rule.hold.0 == 0 && !waits_by_itself(&rule.expr) {
                add("no `for`: one sample is enough to fire".to_owned());
            }
            let changing = |text: &&String| text.contains("$value") || text.contains(".Value");
            for (name, _) in rule.labels.iter().filter(|(_, text)| changing(text)) {
                let name = go_text::quote(name);
                add(format!("label {name} holds the value: every change of it is another alert; use an annotation"));
            }
        }
    }
    found
}

/// An expression over a window, or an absence, has waited already.
fn waits_by_itself(expr: &str) -> bool {
    expr.contains('[') || expr.contains("absent")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerting::rules::file::ReadOptions;

    fn parse(text: &str) -> RuleFile {
        RuleFile::parse(text, ReadOptions::default(), &|_| Ok(())).unwrap()
    }

    #[test]
    fn duplicates_are_told_once_with_the_groups_labels() {
        let file = parse(
            "groups:\n- name: a\n  labels: {team: x}\n  rules:\n  - {record: r, expr: a}\n  - {record: r, expr: b}\n  - {record: r, expr: c}\n- name: b\n  rules: [{record: r, expr: d, labels: {team: x}}, {record: r, expr: d}]\n",
        );
        let found = duplicates(&file.groups);
        assert_eq!(found, [("r".to_owned(), Labels::new([("team", "x")]))]);
        assert!(
            duplicates_text(&found).starts_with("lint error 1 duplicate rule(s) found.\nMetric: r\nLabel(s):\n\tteam: x\n")
        );
    }

    #[test]
    fn a_rule_that_fires_at_once_or_labels_by_value_gets_advice() {
        let file = parse(
            "groups:\n- name: g\n  rules:\n  - {alert: A, expr: up == 0}\n  - {alert: B, expr: 'rate(x[5m]) > 1', labels: {v: '{{ $value }}'}}\n  - {alert: C, expr: up == 0, for: 1m}\n",
        );
        let texts: Vec<String> = advice(&file).iter().map(ToString::to_string).collect();
        assert_eq!(texts.len(), 2);
        assert!(texts[0].starts_with("4:5: group \"g\", \"A\": no `for`"));
        assert!(texts[1].contains("label \"v\" holds the value"));
    }
}
