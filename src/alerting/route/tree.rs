//! The routing tree: which routes an alert falls to, and what holds there.
//!
//! Depth first, left to right: a route whose matchers hold and none of whose children does is the result; after a child
//! that matched, its later siblings are looked at only if that child says `continue`. Receiver, grouping, waits and route
//! labels come down from the parent unless a route says otherwise; mute and active intervals do not.

use super::config::{GroupBy, Route};
use super::matcher::Matchers;
use crate::alerting::go_text;
use crate::model::{DurationNs, Labels};
use crate::wire::yaml::Place;
use std::collections::BTreeMap;

/// First wait of a new group.
pub const DEFAULT_GROUP_WAIT: DurationNs = DurationNs(30_000_000_000);
/// Between flushes of a group.
pub const DEFAULT_GROUP_INTERVAL: DurationNs = DurationNs(300_000_000_000);
/// Until an unchanged group is sent again.
pub const DEFAULT_REPEAT_INTERVAL: DurationNs = DurationNs(14_400_000_000_000);

/// What holds at a route after inheritance.
#[derive(Clone, PartialEq, Debug)]
pub struct RouteOptions {
    /// Receiver by name.
    pub receiver: String,
    /// By what alerts are put together.
    pub group_by: GroupBy,
    /// First wait of a new group.
    pub group_wait: DurationNs,
    /// Between flushes.
    pub group_interval: DurationNs,
    /// Until an unchanged group is sent again.
    pub repeat_interval: DurationNs,
    /// Intervals in which the route says nothing; its own only.
    pub mute_time_intervals: Vec<String>,
    /// Intervals outside which the route says nothing; its own only.
    pub active_time_intervals: Vec<String>,
    /// Labels of the route itself, templates, merged from the root down.
    pub labels: BTreeMap<String, String>,
}

/// A node of the tree.
#[derive(Clone, PartialEq, Debug)]
pub struct Node {
    /// Place in [`Tree::nodes`].
    pub index: usize,
    /// The parent's place; the root has none.
    pub parent: Option<usize>,
    /// What an alert must satisfy.
    pub matchers: Matchers,
    /// Whether later siblings are looked at after this one matched.
    pub continues: bool,
    /// Children, left to right.
    pub children: Vec<usize>,
    /// What holds here.
    pub options: RouteOptions,
    /// The path of matchers, which group keys begin with; not unique.
    pub key: String,
    /// The path of matchers and places among siblings; unique.
    pub id: String,
    /// Where the route stands in the configuration.
    pub place: Place,
}

/// All routes, the root first, parents before children.
#[derive(Clone, PartialEq, Debug)]
pub struct Tree {
    /// Nodes by index.
    pub nodes: Vec<Node>,
}

/// How an alert went through one node, for people who ask why.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Step {
    /// The node.
    pub node: usize,
    /// Whether its matchers held.
    pub matched: bool,
    /// The first matcher that did not hold.
    pub failed: Option<String>,
    /// True when the alert stays here.
    pub is_result: bool,
}

impl Tree {
    /// The tree of a configuration's root route.
    pub fn new(root: &Route) -> Self {
        let mut tree = Self { nodes: Vec::new() };
        tree.add(root, None, 0);
        tree
    }

    fn add(&mut self, route: &Route, parent: Option<usize>, place_among: usize) -> usize {
        let index = self.nodes.len();
        let above = parent.map(|parent| &self.nodes[parent]);
        let mut options = above.map_or_else(root_options, |above| RouteOptions {
            mute_time_intervals: Vec::new(),
            active_time_intervals: Vec::new(),
            ..above.options.clone()
        });
        options.labels.extend(route.labels.clone());
        if let Some(receiver) = &route.receiver {
            options.receiver.clone_from(receiver);
        }
        if let Some(group_by) = &route.group_by {
            options.group_by = group_by.clone();
        }
        options.group_wait = route.group_wait.unwrap_or(options.group_wait);
        options.group_interval = route.group_interval.unwrap_or(options.group_interval);
        options.repeat_interval = route.repeat_interval.unwrap_or(options.repeat_interval);
        options.mute_time_intervals.clone_from(&route.mute_time_intervals);
        options.active_time_intervals.clone_from(&route.active_time_intervals);
        let mut matchers = route.matchers.clone();
        matchers.0.sort();
        let written = matchers.to_string();
        let key = above.map_or_else(|| written.clone(), |above| format!("{}/{written}", above.key));
        let id = above.map_or_else(|| written.clone(), |above| format!("{}/{written}/{place_among}", above.id));
        self.nodes.push(Node {
            index,
            parent,
            matchers,
            continues: route.continues,
            children: Vec::new(),
            options,
            key,
            id,
            place: route.place,
        });
        for (place, child) in route.routes.iter().enumerate() {
            let child = self.add(child, Some(index), place);
            self.nodes[index].children.push(child);
        }
        index
    }

    /// The nodes that an alert with these labels falls to, in tree order. The root matches everything, so there is one.
    pub fn route(&self, labels: &Labels) -> Vec<&Node> {
        let mut found = Vec::new();
        self.descend(0, labels, &mut found);
        found
    }

    /// True when the node or one below it took the alert.
    fn descend<'a>(&'a self, index: usize, labels: &Labels, found: &mut Vec<&'a Node>) -> bool {
        let node = &self.nodes[index];
        if !node.matchers.matches(labels) {
            return false;
        }
        let before = found.len();
        for child in &node.children {
            if self.descend(*child, labels, found) && !self.nodes[*child].continues {
                break;
            }
        }
        if found.len() == before {
            found.push(node);
        }
        true
    }

    /// The way of an alert through the tree: every node that was looked at, in order, and why it held or not.
    pub fn explain(&self, labels: &Labels) -> Vec<Step> {
        let mut steps = Vec::new();
        self.explain_below(0, labels, &mut steps);
        steps
    }

    fn explain_below(&self, index: usize, labels: &Labels, steps: &mut Vec<Step>) -> bool {
        let node = &self.nodes[index];
        let failed = node.matchers.0.iter().find(|matcher| !matcher.matches(labels)).map(ToString::to_string);
        let matched = failed.is_none();
        let step = steps.len();
        steps.push(Step { node: index, matched, failed, is_result: false });
        if !matched {
            return false;
        }
        let mut taken = false;
        for child in &node.children {
            let took = self.explain_below(*child, labels, steps);
            taken |= took;
            if took && !self.nodes[*child].continues {
                break;
            }
        }
        steps[step].is_result = !taken;
        true
    }
}

fn root_options() -> RouteOptions {
    RouteOptions {
        receiver: String::new(),
        group_by: GroupBy::Labels(Vec::new()),
        group_wait: DEFAULT_GROUP_WAIT,
        group_interval: DEFAULT_GROUP_INTERVAL,
        repeat_interval: DEFAULT_REPEAT_INTERVAL,
        mute_time_intervals: Vec::new(),
        active_time_intervals: Vec::new(),
        labels: BTreeMap::new(),
    }
}

impl Node {
    /// The labels by which an alert is grouped here.
    pub fn group_labels(&self, labels: &Labels) -> Labels {
        match &self.options.group_by {
            GroupBy::All => labels.clone(),
            GroupBy::Labels(names) => labels.without(|name| !names.iter().any(|wanted| wanted == name)),
        }
    }

    /// The key of a group: the path of matchers and the group's labels. Receivers derive the identity of an incident from
    /// it, so that an edit of a matcher orphans open incidents.
    pub fn group_key(&self, group_labels: &Labels) -> String {
        format!("{}:{}", self.key, label_set_text(group_labels))
    }
}

/// A label set as Alertmanager prints it: `{a="b", c="d"}`.
pub fn label_set_text(labels: &Labels) -> String {
    let pairs: Vec<String> = labels.iter().map(|(name, value)| format!("{name}={}", go_text::quote(value))).collect();
    format!("{{{}}}", pairs.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerting::route::matcher;

    fn route(receiver: &str, matchers: &str, routes: Vec<Route>) -> Route {
        Route {
            receiver: (!receiver.is_empty()).then(|| receiver.to_owned()),
            matchers: matcher::parse(matchers).unwrap().0,
            routes,
            ..Route::default()
        }
    }

    fn by(names: &[&str]) -> Option<GroupBy> {
        Some(GroupBy::Labels(names.iter().map(|name| (*name).to_owned()).collect()))
    }

    /// The tree of Alertmanager's own routing test.
    fn tree() -> Tree {
        let mut production = route("notify-productionA", "env=production", vec![]);
        (production.continues, production.group_wait) = (true, Some(DurationNs(60)));
        let mut productions = route("notify-productionB", "env=~\"produ.*\"", vec![]);
        (productions.group_wait, productions.group_interval) = (Some(DurationNs(30)), Some(DurationNs(300)));
        productions.repeat_interval = Some(DurationNs(3600));
        productions.group_by = by(&["job"]);
        let testing = route("notify-testing", "env=testing", vec![]);
        let testing = Route { group_by: Some(GroupBy::Labels(Vec::new())), ..testing };
        let team_a = Route { ..route("notify-A", "owner=team-A", vec![testing, production, productions]) };
        let mut b = route("notify-B", "owner=~\"team-(B|C)\"", vec![]);
        b.group_by = by(&["foo", "bar"]);
        (b.group_wait, b.continues) = (Some(DurationNs(120)), true);
        let mut bc = route("notify-BC", "group_by=role", vec![]);
        bc.group_by = by(&["role"]);
        let nested = route("", "env=testing", vec![route("notify-D2", "wait=long", vec![])]);
        let mut root = route("notify-def", "", vec![team_a, b, bc, nested]);
        root.mute_time_intervals = vec![];
        Tree::new(&root)
    }

    fn receivers(tree: &Tree, pairs: &[(&str, &str)]) -> Vec<String> {
        let labels = Labels::new(pairs.iter().copied());
        tree.route(&labels).iter().map(|node| node.options.receiver.clone()).collect()
    }

    #[test]
    fn the_deepest_match_takes_the_alert_and_continue_looks_further() {
        let tree = tree();
        for (pairs, wanted) in [
            (&[("owner", "team-A")][..], &["notify-A"][..]),
            (&[("owner", "team-A"), ("env", "unset")], &["notify-A"]),
            (&[("owner", "team-A"), ("env", "testing")], &["notify-testing"]),
            (&[("owner", "team-A"), ("env", "production")], &["notify-productionA", "notify-productionB"]),
            (&[("owner", "team-B")], &["notify-B"]),
            (&[("owner", "team-C"), ("group_by", "role")], &["notify-B", "notify-BC"]),
            (&[("owner", "team-1")], &["notify-def"]),
            (&[("env", "testing"), ("wait", "long")], &["notify-D2"]),
            (&[("env", "testing")], &["notify-def"]),
        ] {
            assert_eq!(receivers(&tree, pairs), wanted, "{pairs:?}");
        }
    }

    #[test]
    fn options_come_down_but_intervals_do_not() {
        let mut parent = route("a", "x=y", vec![route("", "z=1", vec![])]);
        parent.mute_time_intervals = vec!["nights".to_owned()];
        parent.group_by = Some(GroupBy::All);
        parent.labels.insert("team".to_owned(), "web".to_owned());
        let mut root = route("root", "", vec![parent]);
        root.group_wait = Some(DurationNs(1));
        let tree = Tree::new(&root);
        let child = &tree.nodes[2].options;
        assert_eq!((child.receiver.as_str(), &child.group_by, child.group_wait), ("a", &GroupBy::All, DurationNs(1)));
        assert_eq!((child.mute_time_intervals.len(), child.labels["team"].as_str()), (0, "web"));
        assert_eq!(child.repeat_interval, DEFAULT_REPEAT_INTERVAL);
    }

    #[test]
    fn an_empty_group_by_overrides_the_parents() {
        let mut child = route("", "a=b", vec![]);
        child.group_by = Some(GroupBy::Labels(Vec::new()));
        let mut root = route("root", "", vec![child]);
        root.group_by = by(&["alertname"]);
        let tree = Tree::new(&root);
        let labels = Labels::new([("alertname", "x"), ("a", "b")]);
        assert_eq!(tree.nodes[1].group_labels(&labels), Labels::default());
        assert_eq!(tree.nodes[0].group_labels(&labels), Labels::new([("alertname", "x")]));
    }

    #[test]
    fn keys_and_ids_are_the_path_of_matchers() {
        let tree = tree();
        assert_eq!(tree.nodes[0].key, "{}");
        let production = tree.nodes.iter().find(|node| node.options.receiver == "notify-productionA").unwrap();
        assert_eq!(production.key, "{}/{owner=\"team-A\"}/{env=\"production\"}");
        assert_eq!(production.id, "{}/{owner=\"team-A\"}/0/{env=\"production\"}/1");
        assert_eq!(
            production.group_key(&Labels::new([("b", "1"), ("a", "x\"y")])),
            "{}/{owner=\"team-A\"}/{env=\"production\"}:{a=\"x\\\"y\", b=\"1\"}"
        );
    }

    #[test]
    fn the_way_through_the_tree_names_the_matcher_that_failed() {
        let tree = tree();
        let labels = Labels::new([("owner", "team-A"), ("env", "testing")]);
        let steps = tree.explain(&labels);
        assert_eq!(steps.len(), 3, "what comes after the match is not looked at");
        assert!(steps[2].is_result && steps[2].matched && !steps[1].is_result);
        let elsewhere = tree.explain(&Labels::new([("owner", "x")]));
        assert_eq!(elsewhere[1].failed.as_deref(), Some("owner=\"team-A\""));
        assert!(elsewhere[0].is_result);
    }
}
