//! Findings that were silenced: kept in the settings of the workspace, by what they are about.
//!
//! A finding comes again with every look at the traces; what stays the same is its kind, its culprit and its value.

use crate::analysis::Finding;
use serde_json::{Value, json};
use std::collections::HashSet;

/// Key in the settings.
pub(super) const KEY: &str = "silenced_findings";

/// What a finding is about, as one text.
pub(super) fn name_of(finding: &Finding) -> String {
    let Finding { kind, service, operation, key, value, .. } = finding;
    json!([kind.word(), service.as_str(), operation.as_str(), key.as_str(), value.as_str()]).to_string()
}

/// The silenced ones. A text that is not understood silences nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Silenced(HashSet<String>);

impl Silenced {
    /// Reads the setting.
    pub(super) fn read(text: &str) -> Self {
        let list: Vec<Value> = serde_json::from_str(text).unwrap_or_default();
        Self(list.iter().map(Value::to_string).collect())
    }

    /// True for a silenced finding.
    pub(super) fn has(&self, finding: &Finding) -> bool {
        self.0.contains(&name_of(finding))
    }

    /// The setting with one more, or one less when it was there.
    pub(super) fn toggled(&self, finding: &Finding) -> String {
        let mut names = self.0.clone();
        let name = name_of(finding);
        if !names.remove(&name) {
            names.insert(name);
        }
        let mut names: Vec<String> = names.into_iter().collect();
        names.sort_unstable();
        format!("[{}]", names.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::FindingKind;

    fn finding(value: &str) -> Finding {
        Finding {
            kind: FindingKind::SlowFor,
            service: "cart".into(),
            operation: "GET \"x\"".into(),
            key: "app.tenant".into(),
            value: value.into(),
            count: 1,
            traces: Vec::new(),
            saves_ns: 0,
            text: String::new(),
            cost: 0.5,
        }
    }

    #[test]
    fn a_finding_is_silenced_by_what_it_is_about_and_brought_back() {
        let none = Silenced::read("");
        assert!(!none.has(&finding("dune")));
        let kept = none.toggled(&finding("dune"));
        let one = Silenced::read(&kept);
        let again = Finding { count: 99, cost: 0.1, text: "other".to_owned(), ..finding("dune") };
        assert!(one.has(&again), "{kept}");
        assert!(!one.has(&finding("acme")));
        assert_eq!(Silenced::read(&one.toggled(&again)), none);
        assert_eq!(Silenced::read("{not json"), none);
    }
}
