//! Relabeling: `relabel_configs` and `metric_relabel_configs`, every action.
//!
//! Source: `model/relabel` of Prometheus 3. A rule joins the values of its source labels, matches them against an anchored
//! regular expression and does what its action says. A set that is dropped is `None`.

use crate::model::LabelsBuilder;
use crate::wire::yaml::{Node, YamlError};
use regex::Regex;

/// What a rule does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// Sets the target label where the expression matches.
    Replace,
    /// Drops what does not match.
    Keep,
    /// Drops what matches.
    Drop,
    /// Drops where the target label differs.
    KeepEqual,
    /// Drops where the target label is the same.
    DropEqual,
    /// Sets the target label to a hash, modulo.
    HashMod,
    /// Renames labels whose names match.
    LabelMap,
    /// Drops labels whose names match.
    LabelDrop,
    /// Drops labels whose names do not match.
    LabelKeep,
    /// Sets the target label to the value in lower case.
    Lowercase,
    /// Sets the target label to the value in upper case.
    Uppercase,
}

const ACTIONS: [(&str, Action); 11] = [
    ("replace", Action::Replace),
    ("keep", Action::Keep),
    ("drop", Action::Drop),
    ("keepequal", Action::KeepEqual),
    ("dropequal", Action::DropEqual),
    ("hashmod", Action::HashMod),
    ("labelmap", Action::LabelMap),
    ("labeldrop", Action::LabelDrop),
    ("labelkeep", Action::LabelKeep),
    ("lowercase", Action::Lowercase),
    ("uppercase", Action::Uppercase),
];

/// One rule.
#[derive(Clone, Debug)]
pub struct Relabel {
    source: Vec<String>,
    separator: String,
    regex: Regex,
    modulus: u64,
    target: String,
    replacement: String,
    action: Action,
}

impl Relabel {
    /// Reads one rule of a configuration.
    pub fn read(node: &Node) -> Result<Self, YamlError> {
        let mut fields = node.fields("relabel_config")?;
        let source = fields.texts("source_labels")?.into_iter().map(str::to_owned).collect();
        let separator = fields.text("separator")?.unwrap_or(";").to_owned();
        let regex = match fields.take("regex") {
            Some(regex) => anchored(regex.text()?).map_err(|error| regex.error(format!("regex: {error}")))?,
            None => anchored("(.*)").map_err(|error| node.error(error.to_string()))?,
        };
        let modulus = fields.integer("modulus")?.unwrap_or_default();
        let target = fields.text("target_label")?.unwrap_or_default().to_owned();
        let replacement = fields.text("replacement")?;
        let action = match fields.take("action") {
            None => Action::Replace,
            Some(action) => {
                let word = action.text()?.to_lowercase();
                let known = ACTIONS.iter().find(|(name, _)| *name == word);
                known.ok_or_else(|| action.error(format!("unknown relabel action {word:?}")))?.1
            }
        };
        fields.finish()?;
        let wants_target = matches!(
            action,
            Action::Replace | Action::HashMod | Action::KeepEqual | Action::DropEqual | Action::Lowercase | Action::Uppercase
        );
        if wants_target && target.is_empty() {
            return Err(node.error("relabel configuration for this action requires 'target_label' value"));
        }
        if action == Action::HashMod && modulus <= 0 {
            return Err(node.error("relabel configuration for hashmod requires non-zero modulus"));
        }
        Ok(Self {
            source,
            separator,
            regex,
            modulus: modulus.unsigned_abs(),
            target,
            replacement: replacement.unwrap_or("$1").to_owned(),
            action,
        })
    }

    /// Applies it. False drops the set.
    fn apply(&self, labels: &mut LabelsBuilder) -> bool {
        let joined;
        let value = match self.source.as_slice() {
            [one] => {
                joined = labels.get(one).to_owned();
                joined.as_str()
            }
            several => {
                joined = several.iter().map(|name| labels.get(name)).collect::<Vec<_>>().join(&self.separator);
                joined.as_str()
            }
        };
        match self.action {
            Action::Drop => return !self.regex.is_match(value),
            Action::Keep => return self.regex.is_match(value),
            Action::DropEqual => return labels.get(&self.target) != value,
            Action::KeepEqual => return labels.get(&self.target) == value,
            Action::Replace => {
                // The usual rule copies a whole value and needs no expression.
                let Some(captures) = self.regex.captures(value) else { return true };
                let target = expand(&self.target, &captures);
                if is_label_name(&target) {
                    let replaced = expand(&self.replacement, &captures);
                    labels.set(&target, &replaced);
                }
            }
            Action::Lowercase => {
                labels.set(&self.target, &value.to_lowercase());
            }
            Action::Uppercase => {
                labels.set(&self.target, &value.to_uppercase());
            }
            Action::HashMod => {
                let hash = u64::from_be_bytes(super::md5::last_half(value.as_bytes()));
                labels.set(&self.target, &(hash % self.modulus).to_string());
            }
            Action::LabelMap => {
                let pairs: Vec<(String, String)> =
                    labels.build().iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
                for (name, value) in pairs {
                    if let Some(captures) = self.regex.captures(&name) {
                        labels.set(&expand(&self.replacement, &captures), &value);
                    }
                }
            }
            Action::LabelDrop | Action::LabelKeep => {
                let names: Vec<String> = labels.build().iter().map(|(name, _)| name.to_owned()).collect();
                for name in names {
                    if self.regex.is_match(&name) == (self.action == Action::LabelDrop) {
                        labels.remove(&name);
                    }
                }
            }
        }
        true
    }
}

/// Applies rules one after the other. False drops the set.
pub fn relabel(labels: &mut LabelsBuilder, rules: &[Relabel]) -> bool {
    rules.iter().all(|rule| rule.apply(labels))
}

fn anchored(pattern: &str) -> Result<Regex, regex::Error> {
    Regex::new(&format!("^(?s:{pattern})$"))
}

/// Replaces `$1`, `${1}` and `${name}` as Go's `Regexp.Expand` does; the longest name counts, an unknown one is nothing.
fn expand(template: &str, captures: &regex::Captures<'_>) -> String {
    if !template.contains('$') {
        return template.to_owned();
    }
    let mut out = String::with_capacity(template.len());
    captures.expand(template, &mut out);
    out
}

fn is_label_name(name: &str) -> bool {
    !name.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Labels;
    use crate::wire::yaml;

    fn run(rules: &str, labels: &[(&str, &str)]) -> Option<String> {
        let node = yaml::parse(rules).unwrap().unwrap();
        let rules: Vec<Relabel> = node.items().unwrap().iter().map(|node| Relabel::read(node).unwrap()).collect();
        let mut builder = Labels::new(labels.iter().copied()).edit();
        relabel(&mut builder, &rules).then(|| builder.build().to_string())
    }

    #[test]
    fn every_action_does_what_prometheus_does() {
        let labels = [("a", "foo"), ("b", "bar"), ("c", "baz"), ("__meta_x", "one")];
        let kept = |text: &str| Some(text.to_owned());
        for (rule, result) in [
            (
                "[{source_labels: [a], regex: 'f(.*)', target_label: d, replacement: 'ch${1}-ch${1}'}]",
                kept(r#"{__meta_x="one", a="foo", b="bar", c="baz", d="choo-choo"}"#),
            ),
            (
                "[{source_labels: [a, b], regex: 'f(.*);(.*)r', target_label: a, replacement: 'b${1}${2}m'}]",
                kept(r#"{__meta_x="one", a="boobam", b="bar", c="baz"}"#),
            ),
            ("[{source_labels: [a], regex: 'no', target_label: d}]", kept(r#"{__meta_x="one", a="foo", b="bar", c="baz"}"#)),
            ("[{source_labels: [a], regex: '.*o.*', action: drop}]", None),
            ("[{source_labels: [a], regex: 'f|o', action: drop}]", kept(r#"{__meta_x="one", a="foo", b="bar", c="baz"}"#)),
            ("[{source_labels: [a], regex: 'no', action: keep}]", None),
            ("[{source_labels: [a], target_label: b, action: keepequal}]", None),
            (
                "[{source_labels: [a], target_label: b, action: dropequal}]",
                kept(r#"{__meta_x="one", a="foo", b="bar", c="baz"}"#),
            ),
            (
                "[{source_labels: [c], target_label: d, modulus: 1000, action: hashmod}]",
                kept(r#"{__meta_x="one", a="foo", b="bar", c="baz", d="976"}"#),
            ),
            (
                "[{regex: '__meta_(.*)', replacement: 'm_$1', action: labelmap}]",
                kept(r#"{__meta_x="one", a="foo", b="bar", c="baz", m_x="one"}"#),
            ),
            ("[{regex: '(__meta.*|b)', action: labeldrop}]", kept(r#"{a="foo", c="baz"}"#)),
            ("[{regex: '(a|b)', action: labelkeep}]", kept(r#"{a="foo", b="bar"}"#)),
            (
                "[{source_labels: [a], target_label: a, action: uppercase}]",
                kept(r#"{__meta_x="one", a="FOO", b="bar", c="baz"}"#),
            ),
            ("[{target_label: a, replacement: ''}]", kept(r#"{__meta_x="one", b="bar", c="baz"}"#)),
            (
                "[{source_labels: [a], regex: '(f).*', target_label: '${1}', replacement: x}]",
                kept(r#"{__meta_x="one", a="foo", b="bar", c="baz", f="x"}"#),
            ),
        ] {
            assert_eq!(run(rule, &labels), result, "{rule}");
        }
    }

    #[test]
    fn rules_that_make_no_sense_are_refused_with_their_place() {
        for (rule, text) in [
            ("{action: fly}", "unknown relabel action"),
            ("{source_labels: [a]}", "requires 'target_label'"),
            ("{action: hashmod, target_label: x}", "non-zero modulus"),
            ("{regex: '(', target_label: a}", "regex:"),
            ("{colour: red, target_label: a}", "colour"),
        ] {
            let error = Relabel::read(&yaml::parse(rule).unwrap().unwrap()).unwrap_err().to_string();
            assert!(error.contains(text) && error.starts_with("line 1"), "{rule}: {error}");
        }
    }
}
