//! Alerting against files of other projects: Alertmanager's configurations with the verdict that a real one gives, rules
//! and templates that people share.

use crate::support::shared_data;
use belvedere::alerting::route::config::Config;
use belvedere::alerting::route::tree::Tree;
use belvedere::alerting::rules::file::{ReadOptions, RuleFile};
use belvedere::alerting::template::{Context, Template, Value, alert_data};
use belvedere::model::{Labels, UnixNanos};
use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn every_alertmanager_configuration_gets_the_verdict_of_the_real_one() {
    let Some(folder) = shared_data("alertmanager") else { return };
    let verdicts = fs::read_to_string(folder.join("verdicts.tsv")).unwrap();
    let mut seen = 0;
    for line in verdicts.lines().filter(|line| !line.starts_with('#')) {
        let columns: Vec<&str> = line.split('\t').collect();
        let text = fs::read_to_string(folder.join("config-testdata").join(columns[0])).unwrap();
        let verdict = Config::parse(&text);
        match (columns[1], &verdict) {
            ("loads", Ok(config)) => {
                let written = config.write();
                let again = Config::parse(&written).unwrap_or_else(|error| panic!("{}: {error}\n{written}", columns[0]));
                assert_eq!(again.write(), written, "{}", columns[0]);
                assert!(config.receivers.iter().all(|receiver| !receiver.armed));
            }
            ("refused", Err(error)) => {
                assert!(columns[2].contains(&error.text), "{}: {error}, but the real one says {}", columns[0], columns[2]);
            }
            _ => panic!("{}: {verdict:?}, but the real one says {line}", columns[0]),
        }
        seen += 1;
    }
    assert!(seen >= 46, "{seen} verdicts");
}

#[test]
fn amtools_routing_trees_route_as_amtool_says() {
    let Some(folder) = shared_data("alertmanager") else { return };
    for (file, pairs, wanted) in [
        ("conf.routing.yml", &[("test", "1")][..], &["test1"][..]),
        ("conf.routing.yml", &[("test", "2")], &["test1", "test2"]),
        ("conf.routing-reverted.yml", &[("test", "2")], &["test2", "test1"]),
        ("conf.routing.yml", &[("test", "volovina")], &["default"]),
    ] {
        let text = fs::read_to_string(folder.join("cli-testdata").join(file)).unwrap();
        let tree = Tree::new(&Config::parse(&text).unwrap().route);
        let labels = Labels::new(pairs.iter().copied());
        let receivers: Vec<&str> = tree.route(&labels).iter().map(|node| node.options.receiver.as_str()).collect();
        assert_eq!(receivers, wanted, "{file} {pairs:?}");
    }
    let bad = fs::read_to_string(folder.join("cli-testdata/conf.bad.yml")).unwrap();
    assert!(Config::parse(&bad).is_err());
}

/// Every label and annotation of the 954 rules, over a sample with two labels.
#[test]
fn every_template_of_the_awesome_alerts_expands() {
    let Some(folder) = shared_data("awesome-alerts") else { return };
    let query = |_: &str| Ok(Vec::new());
    let (mut rules, mut texts) = (0, 0);
    for path in rule_files(&folder.join("dist/rules")) {
        let text = fs::read_to_string(&path).unwrap();
        let file = RuleFile::parse(&text, ReadOptions::default(), &|_| Ok(()))
            .unwrap_or_else(|errors| panic!("{}: {errors:?}", path.display()));
        assert_eq!(file.write_with(&file.groups), text, "{} is written as it was", path.display());
        for rule in file.groups.iter().flat_map(|group| &group.rules) {
            rules += 1;
            for text in rule.labels.values().chain(rule.annotations.values()) {
                texts += 1;
                let labels = [("instance", "host:9100"), ("job", "node")];
                let data = alert_data(labels, [], "http://p", Value::Float(1_234_567.0));
                let context = Context { data, now: UnixNanos(0), external_url: "http://p", query: &query };
                let expanded = Template::parse_alert(&rule.alert, text).and_then(|template| template.expand(&context));
                let expanded = expanded.unwrap_or_else(|error| panic!("{}: {text}: {error}", path.display()));
                let as_go_prints = text.contains("printf") || !expanded.contains("1234567");
                assert!(as_go_prints && !expanded.contains("<no value>"), "{text} gave {expanded}");
            }
        }
    }
    assert!(rules >= 954 && texts >= 2_862, "{rules} rules, {texts} texts");
}

fn rule_files(folder: &Path) -> Vec<PathBuf> {
    let (mut found, mut open) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "yml" || extension == "yaml") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}
