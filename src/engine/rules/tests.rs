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
    while engine.rule_groups().unwrap()[0].state.rules[1].state() != AlertState::Firing {
        assert!(std::time::Instant::now() < until, "the state of an evaluation is shown when it is over");
        std::thread::sleep(Duration::from_millis(20));
    }
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

#[test]
fn a_group_at_work_keeps_nobody_waiting_and_takes_its_edit_when_it_is_done() {
    let dir = tempfile::tempdir().unwrap();
    let engine = Engine::start(EngineOptions::quiet(Place::Folder(dir.path().to_owned()))).unwrap();
    engine.set_rule_file("slow.yml", &RULES.replace("200ms", "1h")).unwrap();
    let desk = engine.rule_desk().unwrap();
    let due = desk.take_due(crate::engine::now() + crate::model::DurationNs(7_200_000_000_000)).remove(0);
    let slot = due.slot.clone();
    let (begun, wait_begun) = std::sync::mpsc::channel();
    let (end, wait_end) = std::sync::mpsc::channel::<()>();
    let at_work = std::thread::spawn(move || {
        slot.work(|live| {
            live.evaluations = 7;
            begun.send(()).unwrap();
            wait_end.recv_timeout(Duration::from_secs(20)).unwrap();
        });
    });
    wait_begun.recv_timeout(Duration::from_secs(20)).unwrap();
    let asked = std::time::Instant::now();
    assert_eq!(engine.rule_groups().unwrap()[0].group.rules.len(), 2, "answered while it works");
    engine.set_rule_file("slow.yml", &RULES.replace("200ms", "2h")).unwrap();
    engine.set_rule_file("other.yml", &RULES.replace("200ms", "1h")).unwrap();
    assert_eq!(engine.rule_groups().unwrap().len(), 2);
    assert!(asked.elapsed() < Duration::from_secs(10), "nobody waited for the group");
    end.send(()).unwrap();
    at_work.join().unwrap();
    let groups = engine.rule_groups().unwrap();
    let slow = groups.iter().find(|view| view.group.file == "slow.yml").unwrap();
    assert_eq!(slow.group.interval.0, 7_200_000_000_000, "the edit is taken");
    engine.stop();
}
