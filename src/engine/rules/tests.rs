use super::*;
use crate::alerting::rules::state::AlertState;
use crate::engine::{EngineOptions, Place};
use crate::model::{Door, Labels, SampleBatch};

const RULES: &str = "
groups:
  - name: g
    interval: 200ms
    rules:
      - record: job:up:sum
        expr: sum by (job) (up)
      - alert: Down
        expr: job:up:sum == 0
        labels: {severity: page}
        annotations: {summary: '{{ $labels.job }} is down'}
";

#[test]
fn rules_are_evaluated_over_the_workspace_and_what_fires_is_routed() {
    let dir = tempfile::tempdir().unwrap();
    let engine = Engine::start(EngineOptions::quiet(Place::Folder(dir.path().to_owned()))).unwrap();
    let now = crate::engine::now();
    let mut batch = SampleBatch::default();
    batch.begin_series(&Labels::new([("__name__", "up"), ("job", "api")]));
    batch.push_float(now.0 / 1_000_000, 0.0);
    let workspace = engine.live("test").unwrap().served.now();
    workspace.append_samples(Door::Api, batch, now).unwrap().wait().unwrap();
    engine.set_rule_file("shop.yml", RULES).unwrap();
    let until = std::time::Instant::now() + Duration::from_secs(20);
    loop {
        let alerts = engine.alerts().unwrap().router.alerts;
        if let Some(alert) = alerts.values().next() {
            assert_eq!(alert.labels, Labels::new([("alertname", "Down"), ("job", "api"), ("severity", "page")]));
            assert_eq!(alert.annotations["summary"], "api is down");
            break;
        }
        assert!(std::time::Instant::now() < until, "nothing fired: {:?}", engine.rule_groups());
        std::thread::sleep(Duration::from_millis(20));
    }
    let view = engine.rule_groups().unwrap();
    assert_eq!(view[0].state.rules[1].state(), AlertState::Firing);
    assert!(matches!(
        engine.set_rule_file("x.yml", "groups: [{name: g, rules: [{alert: A, expr: '1 +'}]}]"),
        Err(RulesError::File(_))
    ));
    engine.stop();
    drop((engine, workspace));

    let engine = Engine::start(EngineOptions::quiet(Place::Folder(dir.path().to_owned()))).unwrap();
    assert_eq!(engine.rule_groups().unwrap()[0].group.file, "shop.yml", "rules outlive the process");
    engine.remove_rule_file("shop.yml").unwrap();
    assert!(engine.rule_groups().unwrap().is_empty());
    engine.stop();
}

#[test]
fn a_folder_of_rules_and_routes_is_provisioned_read_only() {
    let dir = tempfile::tempdir().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let rules = folder.path().join("rules.yml");
    std::fs::write(&rules, RULES).unwrap();
    std::fs::write(folder.path().join("am.yaml"), "route: {receiver: a}\nreceivers: [{name: a}]\n").unwrap();
    std::fs::write(folder.path().join("bad.yml"), "groups: [{rules: []}]").unwrap();
    let engine = Engine::start(EngineOptions::quiet(Place::Folder(dir.path().to_owned()))).unwrap();
    let done = engine.provision(folder.path()).unwrap();
    assert_eq!((done.rule_files, done.rules, done.routes, done.problems.len()), (1, 2, true, 1));
    assert_eq!(engine.alerts().unwrap().config.receivers[0].name, "a");
    let name = rules.display().to_string();
    assert!(matches!(engine.set_rule_file(&name, RULES), Err(RulesError::Provisioned(_))));
    engine.stop();
}
