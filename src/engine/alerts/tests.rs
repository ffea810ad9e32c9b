use super::*;
use crate::alerting::alert::Annotations;
use crate::alerting::route::matcher;
use crate::engine::{EngineOptions, Place};
use crate::model::DurationNs;
use std::path::Path;

const ROUTES: &str = "
route: {receiver: hook, group_by: [alertname], group_wait: 0s, group_interval: 1m}
receivers: [{name: hook, webhook_configs: [{url: 'http://127.0.0.1:9/'}]}]
";

fn start(dir: &Path) -> Engine {
    Engine::start(EngineOptions::quiet(Place::Folder(dir.to_owned()))).unwrap()
}

fn posted(name: &str, number: usize) -> PostedAlert {
    PostedAlert {
        labels: vec![("alertname".to_owned(), name.to_owned()), ("n".to_owned(), number.to_string())],
        annotations: Annotations::from([("summary".into(), "x".to_owned())]),
        ..PostedAlert::default()
    }
}

#[test]
fn alerts_silences_log_and_routes_outlive_the_process() {
    let dir = tempfile::tempdir().unwrap();
    let engine = start(dir.path());
    engine.set_routes(ROUTES).unwrap();
    let outcome = engine.post_alerts(vec![posted("A", 1), posted("A", 2), PostedAlert::default()]).unwrap();
    assert_eq!((outcome.accepted, outcome.refused.len()), (2, 1));
    let now = crate::engine::now();
    let silence = Silence {
        id: String::new(),
        matcher_sets: vec![matcher::parse("n=~\"2|3\"").unwrap().0],
        starts_at: now,
        ends_at: now + DurationNs(3_600_000_000_000),
        updated_at: now,
        created_by: "ana".to_owned(),
        comment: "deploy".to_owned(),
        annotations: Annotations::new(),
    };
    let id = engine.set_silence(silence).unwrap();
    assert_eq!(id.len(), 36);
    engine.flush_alerts(crate::engine::now()).unwrap();
    let before = engine.alerts().unwrap();
    engine.stop();
    drop(engine);

    let engine = start(dir.path());
    let after = engine.alerts().unwrap();
    assert_eq!(after.router.alerts, before.router.alerts);
    assert_eq!(after.router.silences, before.router.silences);
    assert_eq!(after.router.log, before.router.log);
    assert_eq!(after.config.source, ROUTES);
    let told = engine.notifications().unwrap();
    assert_eq!(told.len(), 1, "decided once, before or by the flush");
    assert!(told[0].contains("\"armed\":false") && told[0].contains("\"sent\":false"), "what is imported sends nothing");
    assert!(engine.flush_alerts(crate::engine::now()).unwrap().iter().all(|flush| flush.channels[0].reason.is_none()));
    assert_eq!(engine.notifications().unwrap().len(), 1, "a restart repeats nothing");
    engine.expire_silence(&id).unwrap();
    engine.stop();
}

/// Makes the control file refuse records of a kind, as a full disk would, until the answer is run.
fn refuse(dir: &Path, kind: &str) -> impl FnOnce() + use<> {
    let path = dir.join("control.sqlite");
    let refuse = format!(
        "CREATE TRIGGER refuse BEFORE INSERT ON record WHEN NEW.kind = '{kind}' BEGIN SELECT RAISE(ABORT, 'no room'); END"
    );
    rusqlite::Connection::open(&path).unwrap().execute_batch(&refuse).unwrap();
    move || rusqlite::Connection::open(path).unwrap().execute_batch("DROP TRIGGER refuse").unwrap()
}

#[test]
fn a_flush_that_is_not_written_never_was_and_is_made_again() {
    let dir = tempfile::tempdir().unwrap();
    let engine = start(dir.path());
    engine.set_routes(&ROUTES.replace("group_wait: 0s", "group_wait: 1h")).unwrap();
    let hours = |hours: i64| crate::engine::now() + DurationNs(hours * 3_600_000_000_000);
    engine.post_alerts(vec![PostedAlert { starts_at: Some(hours(0)), ends_at: Some(hours(9)), ..posted("A", 1) }]).unwrap();
    let before = engine.alerts().unwrap();
    let due = hours(2);
    let mend = refuse(dir.path(), "notification_log");
    assert!(engine.flush_alerts(due).is_err());
    let after = engine.alerts().unwrap();
    assert_eq!(after.router.log, before.router.log, "nobody was told");
    assert_eq!(after.router.alerts, before.router.alerts);
    assert!(after.router.next_due().unwrap() <= due, "the group is still to be flushed");
    assert!(engine.notifications().unwrap().is_empty());
    mend();
    let flushes = engine.flush_alerts(due).unwrap();
    assert_eq!(flushes[0].channels[0].reason, Some(crate::alerting::route::log::Reason::FirstNotification));
    assert_eq!(engine.notifications().unwrap().len(), 1);
    engine.stop();
}

#[test]
fn what_is_refused_by_the_disk_is_not_shown_as_kept() {
    let dir = tempfile::tempdir().unwrap();
    let engine = start(dir.path());
    engine.post_alerts(vec![posted("A", 1)]).unwrap();
    let mend = refuse(dir.path(), "alert");
    assert!(engine.post_alerts(vec![posted("B", 1)]).is_err());
    assert_eq!(engine.alerts().unwrap().router.alerts.len(), 1, "only what is on disk");
    mend();
    let mend = refuse(dir.path(), "alert_routes");
    assert!(engine.set_routes(ROUTES).is_err());
    assert_ne!(engine.alerts().unwrap().config.source, ROUTES);
    mend();
    engine.post_alerts(vec![posted("B", 1)]).unwrap();
    assert_eq!(engine.alerts().unwrap().router.alerts.len(), 2);
    engine.stop();
}

#[test]
fn a_receiver_is_armed_by_hand_and_disarmed_by_a_change_of_its_channels() {
    let dir = tempfile::tempdir().unwrap();
    let engine = start(dir.path());
    engine.set_routes(ROUTES).unwrap();
    let armed = |engine: &Engine| engine.alerts().unwrap().config.receiver("hook").unwrap().armed;
    assert!(!armed(&engine));
    engine.arm_receiver("hook", true).unwrap();
    engine.set_routes(&ROUTES.replace("1m", "2m")).unwrap();
    assert!(armed(&engine), "the receiver is as it was");
    assert!(engine.alerts().unwrap().routing.channels["hook"][0].armed);
    engine.set_routes(&ROUTES.replace("9/", "9/other")).unwrap();
    assert!(!armed(&engine), "it tells somebody else now");
    assert!(matches!(engine.arm_receiver("nobody", true), Err(AlertsError::NoReceiver(_))));
    assert!(matches!(engine.set_routes("route: {}"), Err(AlertsError::Config(_))));
    engine.stop();
}
