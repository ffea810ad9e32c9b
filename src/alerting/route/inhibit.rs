//! Inhibition: an alert is kept quiet while another one, the source, says the same more loudly.
//!
//! A rule holds for a target when its target matchers match it and an active alert that matches the source matchers has the
//! same values in the labels of `equal` (absent is empty). An alert that matches both sides is not inhibited by another
//! that does too, or two such alerts would silence each other. The first rule that holds is the reason.

use super::matcher::Matchers;
use crate::alerting::alert::{Alert, Fingerprint};
use crate::model::{Labels, UnixNanos};
use crate::wire::yaml::Place;
use std::collections::HashMap;

/// A rule.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct InhibitRule {
    /// Optional name.
    pub name: String,
    /// What makes an alert a source.
    pub source: Matchers,
    /// What makes an alert a target.
    pub target: Matchers,
    /// Labels whose values must be the same on both.
    pub equal: Vec<String>,
    /// Where it stands in the configuration.
    pub place: Place,
}

/// Who keeps an alert quiet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InhibitedBy {
    /// The source alert.
    pub source: Fingerprint,
    /// The rule's place in the configuration.
    pub rule: usize,
}

/// The sources that were active at a moment, by rule and by the values of `equal`, so that a target costs one look-up a rule.
#[derive(Debug)]
pub struct Inhibitor<'a> {
    rules: &'a [InhibitRule],
    sources: Vec<HashMap<Labels, Sources>>,
}

/// Of all sources with the same values: one that matches the source side only, and one that matches both.
#[derive(Clone, Copy, Debug, Default)]
struct Sources {
    one_sided: Option<Fingerprint>,
    two_sided: Option<Fingerprint>,
}

impl<'a> Inhibitor<'a> {
    /// Looks through the alerts for sources that are active at `now`.
    pub fn new<'b>(
        rules: &'a [InhibitRule],
        alerts: impl IntoIterator<Item = (Fingerprint, &'b Alert)>,
        now: UnixNanos,
    ) -> Self {
        let mut sources: Vec<HashMap<Labels, Sources>> = rules.iter().map(|_| HashMap::new()).collect();
        if !rules.is_empty() {
            for (fingerprint, alert) in alerts {
                if alert.is_resolved(now) {
                    continue;
                }
                for (rule, found) in rules.iter().zip(&mut sources) {
                    if rule.source.matches(&alert.labels) {
                        let same = found.entry(rule.equal_labels(&alert.labels)).or_default();
                        let two_sided = rule.target.matches(&alert.labels);
                        let place = if two_sided { &mut same.two_sided } else { &mut same.one_sided };
                        // The least fingerprint, whatever the order of alerts: a replay gives the same reason.
                        *place = Some(place.map_or(fingerprint, |before| before.min(fingerprint)));
                    }
                }
            }
        }
        Self { rules, sources }
    }

    /// Who keeps an alert with these labels quiet.
    pub fn inhibited_by(&self, labels: &Labels) -> Option<InhibitedBy> {
        self.rules.iter().zip(&self.sources).enumerate().find_map(|(index, (rule, found))| {
            if found.is_empty() || !rule.target.matches(labels) {
                return None;
            }
            let same = found.get(&rule.equal_labels(labels))?;
            let also_source = rule.source.matches(labels);
            let source = same.one_sided.or(if also_source { None } else { same.two_sided })?;
            Some(InhibitedBy { source, rule: index })
        })
    }
}

impl InhibitRule {
    fn equal_labels(&self, labels: &Labels) -> Labels {
        labels.without(|name| !self.equal.iter().any(|equal| equal == name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerting::alert::Annotations;
    use crate::alerting::route::matcher;

    fn rule(source: &str, target: &str, equal: &[&str]) -> InhibitRule {
        InhibitRule {
            source: matcher::parse(source).unwrap().0,
            target: matcher::parse(target).unwrap().0,
            equal: equal.iter().map(|name| (*name).to_owned()).collect(),
            ..InhibitRule::default()
        }
    }

    fn alert(pairs: &[(&str, &str)], ends: i64) -> Alert {
        Alert {
            labels: Labels::new(pairs.iter().copied()),
            annotations: Annotations::new(),
            starts_at: UnixNanos(0),
            ends_at: UnixNanos(ends),
            generator_url: String::new(),
            updated_at: UnixNanos(0),
            timeout: false,
        }
    }

    fn inhibited(rules: &[InhibitRule], sources: &[Alert], target: &[(&str, &str)]) -> bool {
        let sources = sources.iter().map(|alert| (alert.fingerprint(), alert));
        Inhibitor::new(rules, sources, UnixNanos(100)).inhibited_by(&Labels::new(target.iter().copied())).is_some()
    }

    #[test]
    fn an_active_source_with_equal_labels_inhibits() {
        let rules = [rule("s=1", "t=1", &["e"])];
        let active = [alert(&[("s", "1"), ("e", "1")], 200)];
        assert!(inhibited(&rules, &active, &[("t", "1"), ("e", "1")]));
        assert!(!inhibited(&rules, &active, &[("t", "1"), ("e", "2")]), "not equal");
        assert!(!inhibited(&rules, &active, &[("t", "1")]), "absent is empty, not 1");
        assert!(!inhibited(&rules, &active, &[("t", "2"), ("e", "1")]), "no target");
        let resolved = [alert(&[("s", "1"), ("e", "1")], 100)];
        assert!(!inhibited(&rules, &resolved, &[("t", "1"), ("e", "1")]), "resolved");
        assert!(inhibited(&[rule("s=1", "t=1", &["x"])], &active, &[("t", "1")]), "absent on both sides is equal");
        assert!(inhibited(&[rule("s=1", "t=1", &[])], &active, &[("t", "1"), ("e", "7")]), "no label to compare");
    }

    #[test]
    fn alerts_that_match_both_sides_do_not_silence_each_other() {
        let rules = [rule("s=1", "t=1", &["e"])];
        let both = [alert(&[("s", "1"), ("t", "1"), ("e", "1")], 200)];
        assert!(!inhibited(&rules, &both, &[("s", "1"), ("t", "1"), ("e", "1"), ("other", "x")]));
        assert!(inhibited(&rules, &both, &[("t", "1"), ("e", "1")]), "a plain target is inhibited by it");
        let also = [both[0].clone(), alert(&[("s", "1"), ("e", "1")], 200)];
        assert!(inhibited(&rules, &also, &[("s", "1"), ("t", "1"), ("e", "1"), ("other", "x")]));
    }

    #[test]
    fn the_first_rule_that_holds_is_the_reason() {
        let rules = [rule("s=9", "t=1", &[]), rule("s=1", "t=1", &[]), rule("s=1", "t=~.+", &[])];
        let source = alert(&[("s", "1")], 200);
        let inhibitor = Inhibitor::new(&rules, [(source.fingerprint(), &source)], UnixNanos(100));
        let by = inhibitor.inhibited_by(&Labels::new([("t", "1")])).unwrap();
        assert_eq!((by.rule, by.source), (1, source.fingerprint()));
    }
}
