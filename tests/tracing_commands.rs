//! The commands that send and explain traces: `demo`, `exec`, `headers`, against a real collector.

use crate::support::{Serve, belvedere, wait_until};
use serde_json::{Value, json};
use std::io::Write;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn object(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", said(output)))
}

fn with_input(mut command: Command, input: &str) -> Output {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn traces(serve: &Serve, service: &str) -> Value {
    let mut command = belvedere();
    command.args([
        "wait",
        &format!("{{ resource.service.name = \"{service}\" }}"),
        "--timeout",
        "20s",
        "--json",
        "--workspace",
    ]);
    let output = command.arg(&serve.workspace).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    object(&output)["trace"].clone()
}

#[test]
fn the_demo_shop_fills_a_collector() {
    let serve = Serve::start();
    let endpoint = format!("http://{}", serve.door("otlp-http"));
    let arguments = ["demo", "--seed", "3", "--rate", "40", "--duration", "2", "--json", "--endpoint", &endpoint];
    let output = belvedere().args(arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let told = object(&output);
    assert_eq!((&told["seed"], &told["problem"]), (&json!(3), &Value::Null));
    assert!(told["visits"].as_u64().unwrap() > 30, "{told}");
    let trace = traces(&serve, "payment");
    assert!(trace["spans"].as_u64().unwrap() > 10 && trace["root_service"] == "web", "{trace}");
}

#[test]
fn a_demo_without_a_collector_says_so() {
    let output =
        belvedere().args(["demo", "--rate", "20", "--duration", "1", "--endpoint", "http://127.0.0.1:1"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("is a collector listening there?"), "{}", said(&output));
    let output = belvedere().args(["demo", "--rate", "0"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
}

#[test]
fn a_command_becomes_a_span_and_its_children_join_it() {
    let serve = Serve::start();
    let endpoint = format!("http://{}", serve.door("otlp-http"));
    let script = "echo $TRACEPARENT $OTEL_BSP_SCHEDULE_DELAY $OTEL_EXPORTER_OTLP_ENDPOINT; exit 3";
    let arguments = ["exec", "--name", "build", "--service", "ci", "--endpoint", &endpoint, "--", "sh", "-c", script];
    let output = belvedere().args(arguments).env("TRACEPARENT", PARENT).output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    let text = String::from_utf8(output.stdout).unwrap();
    let words: Vec<&str> = text.split_whitespace().collect();
    assert_eq!((&words[0][..36], words[1], words[2]), (&PARENT[..36], "500", endpoint.as_str()));
    assert_ne!(words[0][36..52], PARENT[36..52], "the children's parent is the command's span");
    let trace = traces(&serve, "ci");
    assert_eq!((&trace["trace_id"], &trace["errors"]), (&json!(PARENT[3..35]), &json!(1)));
}

#[test]
fn a_command_is_seen_in_flight_until_it_has_ended() {
    let serve = Serve::start();
    let endpoint = format!("http://{}", serve.door("otlp-http"));
    let arguments = ["exec", "--service", "ci", "--endpoint", &endpoint, "--", "sh", "-c", "read line; exit 0"];
    let mut command = belvedere();
    let mut child = command.args(arguments).env("TRACEPARENT", PARENT).stdin(Stdio::piped()).spawn().unwrap();
    let in_flight = || {
        let trace = serve.trace(&PARENT[3..35])?;
        let spans = trace["spans"].as_array().unwrap();
        assert_eq!(spans.len(), 1, "the finished span takes the place of the announced one: {trace}");
        Some(spans[0]["tags"].as_array().unwrap().iter().any(|tag| tag["key"] == "belvedere.in_flight"))
    };
    let patience = Duration::from_secs(15);
    assert_eq!(wait_until(patience, in_flight), Some(true), "announced while it runs");
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
    assert_eq!(wait_until(patience, || (in_flight() == Some(false)).then_some(())), Some(()), "whole when it has ended");
}

#[test]
fn belvedere_traces_itself_where_only_those_who_ask_see_it() {
    let serve = Serve::start();
    for trace in 1..20 {
        serve.send("shop", trace, 2);
    }
    let ask = |more: &[&str]| {
        let output = belvedere().args(["query", "traces", "--json", "--workspace"]).arg(&serve.workspace).args(more).output();
        object(&output.unwrap())
    };
    let theirs = ask(&["--limit", "0"]);
    assert_eq!(theirs["total"], 19, "its own traces are in no list");
    let own = ask(&["--own"]);
    let roots: Vec<&str> = own["traces"].as_array().unwrap().iter().map(|trace| trace["root_name"].as_str().unwrap()).collect();
    assert!(own["traces"].as_array().unwrap().iter().all(|trace| trace["root_service"] == "belvedere"), "{own}");
    assert!(roots.contains(&"receive"), "{own}");
    assert!((1..15).contains(&roots.len()), "sampled, and storing spans makes none: {own}");
    let steps = ask(&["--own", "{ name = \"decode\" } || { name = \"store\" }"]);
    assert_eq!(steps["total"], 1, "{steps}");

    let folder = tempfile::tempdir().unwrap();
    let serve = Serve::over(folder.path());
    serve.send("shop", 1, 2);
    assert_eq!(serve.stop().0.code(), Some(0));
    let output = belvedere().args(["query", "traces", "--own", "--json", "--workspace"]).arg(folder.path()).output().unwrap();
    assert_eq!(object(&output)["traces"][0]["root_service"], "belvedere", "kept after the stop: {}", said(&output));
}

#[test]
fn exec_keeps_exit_codes_without_a_collector_too() {
    let run = |command: &[&str]| {
        let output = belvedere().args(["exec", "--endpoint", "http://127.0.0.1:1", "--"]).args(command).output().unwrap();
        assert!(said(&output).contains("the span of the command was not taken"), "{}", said(&output));
        output.status.code()
    };
    assert_eq!(run(&["true"]), Some(0));
    assert_eq!(run(&["sh", "-c", "exit 42"]), Some(42));
    assert_eq!(run(&["sh", "-c", "kill -KILL $$"]), Some(137));
    assert_eq!(run(&["/no/such/command"]), Some(127));
}

#[test]
fn headers_are_explained_from_standard_input_and_from_a_file() {
    let mut command = belvedere();
    command.arg("headers");
    let output = with_input(command, &format!("> GET / HTTP/1.1\n> traceparent: {PARENT}\n"));
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("W3C trace context gives trace 0af7651916cd43dd8448eb211c80319c"), "{text}");

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("headers.txt");
    std::fs::write(&file, format!("traceparent: {PARENT}\ntracestate: a=1,B=2\n")).unwrap();
    let output = belvedere().args(["headers", "--json"]).arg(&file).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "a broken rule");
    let told = object(&output);
    assert_eq!((&told["context"]["sampled"], &told["problems"][0]["line"]), (&json!(true), &json!(2)));

    let output = belvedere().args(["headers", "/no/such/file"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
}
