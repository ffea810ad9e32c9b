use super::*;
use crate::alerting::route::tree::Tree;
use crate::model::Labels;

const FULL: &str = r##"# routes of the shop
global:
  resolve_timeout: 10m
  slack_api_url: "https://hooks.slack.test/a/b"
  http_config: {follow_redirects: false}
templates: ['/etc/*.tmpl']
route:
  receiver: default
  group_by: [alertname, cluster]
  group_wait: 10s
  labels: {team: ops}
  routes:
    - receiver: web
      match: {team: web}
      match_re: {service: ^(a|b)$}
      matchers: ['severity=~"warn|crit"', zone!=test]
      mute_time_intervals: [nights]
      group_by: ['...']
      continue: true
      routes:
        - matchers: ['env = prod, tier="1"']
          group_by: []
          repeat_interval: 1h
inhibit_rules:
  - source_match: {severity: critical}
    target_matchers: [severity=warning]
    equal: [alertname]
receivers:
  - name: default
  - name: web
    labels: {tier: gold}
    slack_configs:
      - channel: '#web'
        send_resolved: true
    webhook_configs:
      - url: http://127.0.0.1:9/hook # local
      - url_file: /run/secrets/hook
        http_config: {basic_auth: {username: ana, password: "s3cret"}}
time_intervals:
  - name: nights
    time_intervals:
      - times: [{start_time: '22:00', end_time: '24:00'}, {start_time: '00:00', end_time: '06:00'}]
        weekdays: ['monday:friday', sunday]
        days_of_month: ['1:-1']
        months: ['january:3']
        years: ['2026']
        location: Europe/Berlin
"##;

#[test]
fn a_configuration_is_read_in_full() {
    let config = Config::parse(FULL).unwrap();
    assert_eq!(config.resolve_timeout, DurationNs(600_000_000_000));
    let web = &config.route.routes[0];
    let written = "{service=~\"^(a|b)$\",severity=~\"warn|crit\",team=\"web\",zone!=\"test\"}";
    assert_eq!(web.matchers.to_string(), written);
    assert_eq!((web.group_by.as_ref(), web.continues), (Some(&GroupBy::All), true));
    assert_eq!(web.routes[0].matchers.to_string(), "{env=\"prod\",tier=\"1\"}");
    assert_eq!(web.routes[0].group_by, Some(GroupBy::Labels(Vec::new())));
    let receiver = config.receiver("web").unwrap();
    let kinds: Vec<(&str, u32, bool)> =
        receiver.integrations.iter().map(|one| (one.kind.as_str(), one.index, one.sends_resolved)).collect();
    assert_eq!(kinds, [("webhook", 0, true), ("webhook", 1, true), ("slack", 0, true)]);
    assert_eq!((receiver.labels["tier"].as_str(), receiver.labels["name"].as_str()), ("gold", "web"));
    assert!(config.receivers.iter().all(|receiver| !receiver.armed), "what is imported sends nothing");
    let night = crate::model::UnixNanos::parse_rfc3339("2026-02-02T22:30:00+01:00").unwrap();
    assert!(config.time_intervals[0].contains(night));
    let tree = Tree::new(&config.route);
    let labels = Labels::new([("team", "web"), ("service", "a"), ("severity", "crit"), ("env", "prod"), ("tier", "1")]);
    assert_eq!(tree.route(&labels)[0].options.labels["team"], "ops");
}

#[test]
fn the_text_goes_out_as_it_came_in_and_masked_without_secrets() {
    let config = Config::parse(FULL).unwrap();
    assert_eq!(config.source, FULL);
    let masked = config.masked();
    for secret in ["hooks.slack.test", "s3cret", "127.0.0.1:9"] {
        assert!(FULL.contains(secret) && !masked.contains(secret), "{secret}");
    }
    assert!(masked.contains("# routes of the shop") && masked.contains("<secret> # local"));
    assert!(Config::parse(&masked).is_ok(), "still a configuration:\n{masked}");
}

#[test]
fn what_is_written_anew_means_the_same() {
    let config = Config::parse(FULL).unwrap();
    let written = config.write();
    let again = Config::parse(&written).unwrap_or_else(|error| panic!("{error}\n{written}"));
    assert_eq!(again.write(), written, "writing is stable");
    assert_eq!(Tree::new(&again.route).nodes.len(), Tree::new(&config.route).nodes.len());
    for (left, right) in Tree::new(&again.route).nodes.iter().zip(&Tree::new(&config.route).nodes) {
        assert_eq!((&left.id, &left.options), (&right.id, &right.options));
    }
    assert_eq!(again.time_intervals, config.time_intervals);
    assert_eq!(again.resolve_timeout, config.resolve_timeout);
    for (left, right) in again.receivers.iter().zip(&config.receivers) {
        assert_eq!((&left.name, &left.labels, left.integrations.len()), (&right.name, &right.labels, right.integrations.len()));
    }
}

#[test]
fn what_alertmanager_refuses_is_refused_with_its_words() {
    let route = "route: {receiver: a}\n";
    let receivers = "receivers: [{name: a}]\n";
    for (text, words, line) in [
        ("".to_owned(), "no route provided in config", None),
        ("receivers: []".to_owned(), "no routes provided", None),
        (format!("route: {{group_by: [a]}}\n{receivers}"), "root route must specify a default receiver", Some(1)),
        (format!("route: {{receiver: b}}\n{receivers}"), "undefined receiver \"b\" used in route", Some(1)),
        (format!("route: {{receiver: a, matchers: [a=b]}}\n{receivers}"), "root route must not have any matchers", Some(1)),
        (format!("route: {{receiver: a, continue: true}}\n{receivers}"), "cannot have continue in root route", Some(1)),
        (
            format!("route: {{receiver: a, mute_time_intervals: [x]}}\n{receivers}"),
            "root route must not have any mute time intervals",
            Some(1),
        ),
        (
            format!("route: {{receiver: a, routes: [{{active_time_intervals: [x]}}]}}\n{receivers}"),
            "undefined time interval \"x\" used in route",
            Some(1),
        ),
        (
            format!("route: {{receiver: a, group_by: ['...', b]}}\n{receivers}"),
            "cannot have wildcard group_by (`...`) and other labels at the same time",
            Some(1),
        ),
        (format!("route: {{receiver: a, group_by: [b, b]}}\n{receivers}"), "duplicated label \"b\" in group_by", Some(1)),
        (format!("route: {{receiver: a, group_interval: 0s}}\n{receivers}"), "group_interval cannot be zero", Some(1)),
        (format!("route: {{receiver: a, repeat_interval: 1x}}\n{receivers}"), "not a valid duration string: \"1x\"", Some(1)),
        (format!("{route}receivers: [{{name: a}}, {{name: a}}]"), "notification config name \"a\" is not unique", Some(2)),
        (format!("{route}receivers: [{{labels: {{}}}}]"), "missing name in receiver", Some(2)),
        (
            format!("{route}receivers: [{{name: a, labels: {{name: b}}}}]"),
            "receiver label \"name\" must match receiver name \"a\", got \"b\"",
            Some(2),
        ),
        (
            format!("{route}receivers:\n- name: a\n  webhook_configs: [{{}}]"),
            "one of url or url_file must be configured",
            Some(4),
        ),
        (
            format!("{route}receivers:\n- name: a\n  webhook_configs: [{{url: 'ftp://x'}}]"),
            "unsupported scheme \"ftp\" for URL",
            Some(4),
        ),
        (
            format!("{route}receivers:\n- name: a\n  pager_configs: []"),
            "field pager_configs not found in type config.plain",
            Some(4),
        ),
        (format!("{route}receivers:\n- name: a\n  email_configs: [{{to: x}}]"), "no global SMTP smarthost set", Some(4)),
        (format!("{route}{receivers}inhibit_rules: [{{source_match: {{'a b': c}}}}]"), "invalid label name \"a b\"", Some(3)),
        (format!("{route}{receivers}time_intervals: [{{time_intervals: []}}]"), "missing name in time interval", Some(3)),
        (format!("{route}{receivers}time_intervals: [{{name: x}}, {{name: x}}]"), "time interval \"x\" is not unique", None),
        (format!("{route}{receivers}routes: []"), "field routes not found in type config.plain", Some(3)),
        (
            format!("{route}{receivers}receivers: []"),
            "the key `receivers` stands here a second time, first at line 2, column 1",
            Some(3),
        ),
    ] {
        let error = Config::parse(&text).expect_err(words);
        assert_eq!((error.text.as_str(), error.place.map(|place| place.line)), (words, line), "{text}");
    }
}

#[test]
fn a_matcher_of_the_older_notation_is_noted_with_its_place() {
    let text = "route:\n  receiver: a\n  routes:\n    - matchers: ['a=']\nreceivers: [{name: a}]\n";
    let config = Config::parse(text).unwrap();
    assert_eq!(config.notes.len(), 1);
    assert_eq!(config.notes[0].0.line, 4);
    assert!(config.notes[0].1.to_string().contains("write a=\"\""));
}
