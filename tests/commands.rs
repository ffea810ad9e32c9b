//! Commands: their objects, exit codes and errors, on a workspace that lies there and on one that a Belvedere serves.

use crate::support::{Serve, belvedere, hex_id, json_request, wait_until};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Output;
use std::time::{Duration, Instant};

#[test]
fn help_and_version_are_answers_and_a_wrong_option_is_an_error() {
    for (arguments, code) in [
        (&["--help"][..], 0),
        (&["--version"], 0),
        (&["serve", "--help"], 0),
        (&["query", "traces", "--help"], 0),
        (&["serve", "--nonsense"], 2),
        (&["serve", "--otlp-grpc", "somewhere"], 2),
        (&["export"], 2),
    ] {
        let output = belvedere().args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", said(&output));
        let text = if code == 0 { &output.stdout } else { &output.stderr };
        assert!(!text.is_empty(), "{arguments:?}");
    }
}

#[test]
fn a_command_gives_the_same_object_whether_it_opens_the_workspace_or_asks_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let (workspace, file) = (folder.path().join("workspace"), folder.path().join("trace.json"));
    std::fs::write(&file, json_request("imported", 7, 5)).unwrap();
    let commands: [&[&str]; 4] = [
        &["import", "--json", file.to_str().unwrap()],
        &["query", "traces", "{ resource.service.name = \"imported\" }", "--json"],
        &["export", "--trace", &hex_id(7)],
        &["wait", "{ resource.service.name = \"imported\" }", "--json"],
    ];
    let run_all = || -> Vec<Value> { commands.iter().map(|command| object(&run(command, &workspace))).collect() };
    let alone = run_all();
    assert_eq!(alone[0], json!({"format": "otlp-json", "spans": 5, "traces": 1, "logs": 0, "samples": 0, "rejected": 0}));
    assert_eq!(alone[1]["total"], json!(1));
    assert_eq!(alone[1]["traces"][0]["trace_id"], json!(hex_id(7)));
    assert_eq!(alone[1]["traces"][0]["spans"], json!(5), "an import after an import of the same file adds nothing");
    assert_eq!(alone[3]["matched"], json!(true));

    let serve = Serve::over(&workspace);
    assert_eq!(run_all(), alone);
    drop(serve);
}

#[test]
fn every_export_format_is_json_that_names_the_spans() {
    let serve = Serve::start();
    serve.send("exported", 9, 4);
    for format in ["otlp-json", "jaeger", "zipkin", "chrome"] {
        let output = run(&["export", "--trace", &hex_id(9), "--format", format], &serve.workspace);
        let text = object(&output).to_string();
        assert!(text.contains("exported"), "{format}: {text}");
    }
    let file = serve.workspace.join("../out.json");
    let output = run(&["export", "--trace", &hex_id(9), "--out", file.to_str().unwrap()], &serve.workspace);
    assert!(output.status.success() && output.stdout.is_empty(), "{}", said(&output));
    let again: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    assert!(again["resourceSpans"].is_array());
}

#[test]
fn what_is_not_there_is_exit_code_1_and_what_cannot_run_is_2() {
    let folder = tempfile::tempdir().unwrap();
    let workspace = folder.path().join("workspace");
    let output = run(&["query", "traces"], &workspace);
    assert_eq!(output.status.code(), Some(2), "no workspace is made by asking: {}", said(&output));
    assert!(!workspace.exists());

    let serve = Serve::over(&workspace);
    serve.send("here", 1, 1);
    for (command, code, named) in [
        (&["query", "traces", "{ name = \"nothing\" }"][..], 1, ""),
        (&["query", "traces", "{ name = "], 2, "at 10"),
        (&["wait", "{ name = \"nothing\" }", "--timeout", "100ms"], 1, "no trace matched"),
        (&["export", "--trace", "zz"], 2, "zz"),
        (&["export", "--trace", &hex_id(99)], 2, &hex_id(99)),
        (&["import", "/nowhere/at/all.json"], 2, "/nowhere/at/all.json"),
    ] {
        let output = run(command, &serve.workspace);
        assert_eq!(output.status.code(), Some(code), "{command:?}: {}", said(&output));
        assert!(said(&output).contains(named), "{command:?}: {}", said(&output));
    }
}

#[test]
fn waiting_ends_when_the_trace_arrives() {
    let serve = Serve::start();
    let started = Instant::now();
    let waiting = belvedere()
        .args(["wait", "{ resource.service.name = \"late\" }", "--timeout", "20s", "--json", "--workspace"])
        .arg(&serve.workspace)
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(300));
    serve.send("early", 1, 1);
    std::thread::sleep(Duration::from_millis(200));
    serve.send("late", 2, 1);
    let output = waiting.wait_with_output().unwrap();
    assert!(output.status.success());
    assert_eq!(object(&output)["trace"]["trace_id"], json!(hex_id(2)));
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
}

#[test]
fn waiting_may_start_before_anybody_serves_the_workspace() {
    let folder = tempfile::tempdir().unwrap();
    let workspace = folder.path().join("workspace");
    let waiting = belvedere()
        .args(["wait", "{ resource.service.name = \"late\" }", "--timeout", "20s", "--workspace"])
        .arg(&workspace)
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(300));
    let serve = Serve::over(&workspace);
    serve.send("late", 2, 1);
    let output = waiting.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn a_second_start_asks_the_running_one_for_its_window() {
    let serve = Serve::start();
    // Neither has a display here, so the answer is a reason; what matters is who gave it.
    let output = run(&["some-file.json"], &serve.workspace);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(said(&output).contains(&serve.door("api").to_string()), "{}", said(&output));
    serve.assert_works(1);
}

#[test]
fn a_lock_that_was_left_by_a_killed_process_is_free() {
    let folder = tempfile::tempdir().unwrap();
    let workspace = folder.path().join("workspace");
    let serve = Serve::over(&workspace);
    serve.send("before", 3, 2);
    drop(serve);
    let output = run(&["query", "traces", "--json"], &workspace);
    assert_eq!(object(&output)["total"], json!(1), "{}", said(&output));
}

#[test]
fn a_temporary_workspace_goes_away_with_the_program() {
    let serve = Serve::try_start(Path::new(":memory:"), &[]).unwrap();
    serve.assert_works(1);
    let status = crate::support::get(serve.door("api"), "/belvedere/v1/status").unwrap().json();
    let dir = Path::new(status["workspace"].as_str().unwrap()).to_owned();
    assert!(dir.is_dir(), "{status}");
    serve.stop();
    let gone = wait_until(Duration::from_secs(2), || (!dir.exists()).then_some(()));
    assert!(gone.is_some(), "{}", dir.display());
}

fn run(arguments: &[&str], workspace: &Path) -> Output {
    belvedere().args(arguments).arg("--workspace").arg(workspace).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[track_caller]
fn object(output: &Output) -> Value {
    assert!(output.status.success(), "{}: {}", output.status, said(output));
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stdout)))
}
