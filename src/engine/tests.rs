//! The engine as a whole: real doors on free ports, a real workspace in a folder that goes away.

use super::*;
use crate::model::{Door, Resource, Span, SpanBatch, SpanId, TraceId};
use crate::source::{Field, MemorySource, Predicate, TraceRequest};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Instant;

fn any_port() -> Vec<SocketAddr> {
    vec!["127.0.0.1:0".parse().unwrap()]
}

fn start(place: Place) -> Engine {
    let doors = vec![(Door::OtlpGrpc, any_port()), (Door::OtlpHttp, any_port())];
    Engine::start(EngineOptions { doors, ..EngineOptions::quiet(place) }).unwrap()
}

fn over(dir: &Path) -> Engine {
    Engine::start(EngineOptions::quiet(Place::Folder(dir.to_owned()))).unwrap()
}

#[track_caller]
fn ready<T>(mut query: Query<T>) -> Result<Arc<T>, String> {
    let until = Instant::now() + Duration::from_secs(20);
    while query.is_running() && Instant::now() < until {
        query.poll();
        std::thread::sleep(Duration::from_millis(1));
    }
    match &query {
        Query::Ready(value) => Ok(value.clone()),
        Query::Failed(error) => Err(error.to_string()),
        _ => panic!("no answer in time"),
    }
}

fn traces_in(engine: &Engine, source: SourceId) -> u64 {
    let spans = engine.source(source).unwrap().spans;
    spans.traces(&TraceRequest::default(), &QueryControl::default()).unwrap().total
}

fn file(dir: &Path, traces: u64) -> PathBuf {
    let span = |number: u64| Span {
        trace_id: TraceId::from_halves(7, number),
        span_id: SpanId::from(number),
        name: "from a file".into(),
        start: UnixNanos(1_700_000_000_000_000_000),
        end: Some(UnixNanos(1_700_000_000_000_000_500)),
        attributes: [("authorization", "Bearer abc")].into_iter().collect(),
        resource: Arc::new(Resource::service("filed")),
        ..Span::default()
    };
    let spans: Vec<Span> = (1..=traces).map(span).collect();
    let path = dir.join("trace.json");
    std::fs::write(&path, crate::wire::otlp::json::encode_traces(&SpanBatch::from_spans(&spans))).unwrap();
    path
}

#[test]
fn a_test_span_goes_through_the_door_into_the_workspace() {
    let engine = start(Place::Memory);
    assert_eq!(engine.doors().len(), 2);
    assert!(engine.workspace().unwrap().temporary);
    let trace = *ready(engine.send_test_span()).unwrap();
    let source = engine.source(WORKSPACE).unwrap();
    let found = source.spans.trace(trace, &QueryControl::default()).unwrap().unwrap();
    assert_eq!(found.spans.span(0).service(), "belvedere-test");
    let row = &engine.accounts()[0];
    assert_eq!((row.door.as_str(), row.received, row.stored), ("otlp-http", 1, 1));
    let dir = engine.workspace().unwrap().dir;
    engine.stop();
    assert!(!dir.exists(), "a temporary workspace goes away: {}", dir.display());
}

#[test]
fn a_change_of_the_workspace_is_told_to_who_waits() {
    let engine = start(Place::Memory);
    let mut changes = engine.changes();
    changes.borrow_and_update();
    ready(engine.send_test_span()).unwrap();
    assert!(changes.has_changed().unwrap());
    engine.stop();
}

#[test]
fn an_opened_file_is_a_source_of_its_own_until_it_is_imported() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), 3);
    let engine = over(&folder.path().join("workspace"));
    let opened = ready(engine.open_file(path.clone())).unwrap();
    let report = opened.report.clone().unwrap();
    assert_eq!((report.format.as_str(), report.spans, report.traces), ("otlp-json", 3, 3));
    assert_eq!((traces_in(&engine, opened.id), traces_in(&engine, WORKSPACE)), (3, 0));
    assert_eq!(engine.recent_files()[0].path, path);

    ready(engine.import_source(opened.id)).unwrap();
    engine.close_source(opened.id);
    assert_eq!(traces_in(&engine, WORKSPACE), 3);
    assert_eq!(engine.sources().len(), 1, "the file is closed, the workspace stays");
    let workspace = engine.source(WORKSPACE).unwrap().spans;
    let kept = workspace.trace(TraceId::from_halves(7, 1), &QueryControl::default()).unwrap().unwrap();
    let masked = kept.spans.span(0).attr("authorization").unwrap().to_string();
    assert!(!masked.contains("abc"), "secrets of files are masked too: {masked}");

    let wrong = ready(engine.open_file(folder.path().join("nothing.json"))).map(|source| source.id);
    assert!(wrong.unwrap_err().contains("nothing.json"));
    assert_eq!(engine.sources().len(), 1);
    engine.stop();
}

#[test]
fn pasted_text_opens_as_a_file_does() {
    let folder = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(file(folder.path(), 2)).unwrap();
    let engine = Engine::over(Vec::new());
    let opened = ready(engine.open_text("pasted", text)).unwrap();
    assert_eq!((opened.path.as_ref(), traces_in(&engine, opened.id)), (None, 2));
    assert!(ready(engine.open_text("pasted", "{".to_owned())).is_err());
}

#[test]
fn what_is_remembered_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("workspace");
    let engine = over(&dir);
    let rule = Predicate::equals(Field::Name, "GET /healthz");
    engine.hide_like("probes", rule.clone()).unwrap();
    engine.allow_origin("https://app.test").unwrap();
    engine.set_masked_keys(&["pin".to_owned()]).unwrap();
    engine.set_setting("theme", "\"dark\"").unwrap();
    engine.stop();
    drop(engine);

    let engine = over(&dir);
    assert_eq!(engine.hidden_rules()[0].predicate, rule);
    assert_eq!(engine.allowed_origins(), ["https://app.test"]);
    assert_eq!(engine.masked_keys(), ["pin"]);
    assert_eq!(engine.setting("theme").as_deref(), Some("\"dark\""));
    engine.stop();
}

#[test]
fn the_doors_fill_another_workspace_after_a_switch_and_both_keep_what_is_theirs() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (folder.path().join("first"), folder.path().join("second"));
    let engine = start(Place::Folder(first.clone()));
    ready(engine.send_test_span()).unwrap();
    ready(engine.switch_workspace(second.clone())).unwrap();
    assert_eq!(engine.workspace().unwrap().name, "second");
    assert_eq!(traces_in(&engine, WORKSPACE), 0);
    for _ in 0..2 {
        ready(engine.send_test_span()).unwrap();
    }
    assert_eq!(traces_in(&engine, WORKSPACE), 2);
    assert!(engine.known_workspaces().contains(&first));

    let beside = ready(engine.open_workspace(first)).unwrap();
    assert_eq!(traces_in(&engine, beside.id), 1);
    engine.close_source(beside.id);
    engine.stop();
}

#[test]
fn a_workspace_that_another_engine_serves_is_named_with_its_holder() {
    let folder = tempfile::tempdir().unwrap();
    let engine = over(folder.path());
    let second = Engine::start(EngineOptions::quiet(Place::Folder(folder.path().to_owned())));
    match second.map(|_| ()) {
        Err(EngineError::Held { pid, .. }) => assert_eq!(pid, std::process::id()),
        other => panic!("{other:?}"),
    }
    engine.stop();
}

#[test]
fn a_door_moves_and_stays_on_this_machine() {
    let engine = start(Place::Memory);
    let far = engine.reopen_door(Door::OtlpHttp, "192.0.2.1:4318".parse().unwrap());
    assert!(matches!(far, Err(EngineError::Door(_))));
    let before = engine.doors();
    engine.reopen_door(Door::OtlpHttp, any_port()[0]).unwrap();
    let until = Instant::now() + Duration::from_secs(10);
    let moved = |doors: &[DoorStatus]| matches!(&doors[1].state, DoorState::Open(_)) && doors[1].state != before[1].state;
    while !moved(&engine.doors()) && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(moved(&engine.doors()), "{:?}", engine.doors());
    ready(engine.send_test_span()).unwrap();
    engine.stop();
}

#[test]
fn what_is_cleared_is_gone_and_comes_back() {
    let engine = start(Place::Memory);
    for _ in 0..3 {
        ready(engine.send_test_span()).unwrap();
    }
    let becomes = |count: u64| {
        let until = Instant::now() + Duration::from_secs(10);
        while traces_in(&engine, WORKSPACE) != count && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(traces_in(&engine, WORKSPACE), count, "{:?}", engine.take_problems());
    };
    let other = engine.clear(ClearWhat::Service("other".to_owned())).unwrap();
    let all = engine.clear(ClearWhat::All).unwrap();
    becomes(0);
    engine.undo_clear(all).unwrap();
    engine.undo_clear(other).unwrap();
    becomes(3);
    assert!(engine.take_problems().is_empty());
    engine.stop();
}

#[test]
fn pins_and_retention_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let engine = over(folder.path());
    let trace = TraceId([5; 16]);
    engine.set_pinned(trace, true).unwrap();
    engine.set_retention(1 << 30, Duration::from_secs(3_600)).unwrap();
    engine.stop();
    drop(engine);
    let engine = over(folder.path());
    assert_eq!(engine.pinned(), [trace]);
    assert_eq!(engine.retention(), (1 << 30, Duration::from_secs(3_600)));
    engine.set_pinned(trace, false).unwrap();
    assert!(engine.pinned().is_empty());
    engine.stop();
}

#[test]
fn without_a_workspace_nothing_is_written_and_it_says_so() {
    let engine = Engine::over(vec![OpenSource {
        id: WORKSPACE,
        spans: Arc::new(MemorySource::new("file", &SpanBatch::default())),
        path: None,
        report: None,
    }]);
    assert!(engine.workspace().is_none());
    assert!(ready(engine.import_file("x.json".into())).is_err());
    assert!(ready(engine.send_test_span()).is_err());
    assert!(engine.clear(ClearWhat::All).is_err());
}
