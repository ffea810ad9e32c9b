//! What real SDKs send arrives as they meant it: ids, names, kinds, attributes, events, links, status and resource.
//!
//! Every client sends the same small story, a failed checkout with two calls, and says which ids its SDK gave. The story is
//! then read back over the Jaeger query API and compared field by field.

use crate::support::{Serve, shared_tool_folder, skip};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Fetching a client's packages, in seconds.
const FETCH_SECONDS: &str = "240";

/// Starting, sending and flushing, in seconds.
const SEND_SECONDS: &str = "60";

#[test]
fn the_python_sdk_over_grpc() {
    let Some(python) = python() else { return };
    let serve = Serve::start();
    let endpoint = format!("http://{}", serve.door("otlp-grpc"));
    let sent = send(Command::new(python).arg(client("python/send.py")).args(["grpc", &endpoint]));
    assert_story_arrived(&serve, "python-grpc", &sent);
}

#[test]
fn the_python_sdk_over_http() {
    let Some(python) = python() else { return };
    let serve = Serve::start();
    let endpoint = format!("http://{}", serve.door("otlp-http"));
    let sent = send(Command::new(python).arg(client("python/send.py")).args(["http", &endpoint]));
    assert_story_arrived(&serve, "python-http", &sent);
}

#[test]
fn the_javascript_sdk_over_json() {
    let Some(folder) = javascript() else { return };
    let serve = Serve::start();
    let endpoint = format!("http://{}", serve.door("otlp-http"));
    let sent = send(Command::new("node").arg("send.js").arg(endpoint).current_dir(folder));
    assert_story_arrived(&serve, "javascript-json", &sent);
}

#[test]
fn the_rust_sdk_over_grpc() {
    let serve = Serve::start();
    let sent = rust_story(&format!("http://{}", serve.door("otlp-grpc")));
    assert_story_arrived(&serve, "rust-grpc", &sent);
}

#[test]
fn grpc_and_http_arrive_on_each_others_port() {
    let serve = Serve::start();
    let sent = rust_story(&format!("http://{}", serve.door("otlp-http")));
    assert_story_arrived(&serve, "rust-grpc", &sent);
    let Some(python) = python() else { return };
    let endpoint = format!("http://{}", serve.door("otlp-grpc"));
    let sent = send(Command::new(python).arg(client("python/send.py")).args(["http", &endpoint]));
    assert_story_arrived(&serve, "python-http", &sent);
}

/// The ids that a client gave its spans.
#[derive(serde::Deserialize)]
struct Sent {
    trace_id: String,
    spans: BTreeMap<String, String>,
}

fn send(client: &mut Command) -> Sent {
    let mut command = Command::new("timeout");
    command.arg(SEND_SECONDS).arg(client.get_program()).args(client.get_args());
    if let Some(folder) = client.get_current_dir() {
        command.current_dir(folder);
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)))
}

#[track_caller]
fn assert_story_arrived(serve: &Serve, service: &str, sent: &Sent) {
    let trace = serve.trace(&sent.trace_id).expect("what was acknowledged is there");
    let spans = trace["spans"].as_array().unwrap();
    assert_eq!(spans.len(), 3);
    let root_id = &sent.spans["GET /checkout"];
    for (name, kind, parent) in [
        ("GET /checkout", "server", None),
        ("SELECT cart", "client", Some(root_id)),
        ("publish order", "producer", Some(root_id)),
    ] {
        let span = spans.iter().find(|span| span["operationName"] == name).unwrap_or_else(|| panic!("{name} is missing"));
        assert_eq!(span["spanID"], json!(sent.spans[name]), "{name}");
        assert_eq!(span["traceID"], json!(sent.trace_id), "{name}");
        let parents: Vec<&Value> = references(span, "CHILD_OF").map(|reference| &reference["spanID"]).collect();
        assert_eq!(parents, parent.map(|id| json!(id)).iter().collect::<Vec<_>>(), "{name}");
        let tags = tags(&span["tags"]);
        assert_eq!(tags["span.kind"], json!(kind), "{name}");
        assert_eq!(tags["otel.scope.name"], json!("client-test"), "{name}");
        assert_eq!(tags["otel.scope.version"], json!("9"), "{name}");
        let process = &trace["processes"][span["processID"].as_str().unwrap()];
        assert_eq!(process["serviceName"], json!(service), "{name}");
        assert_eq!(self::tags(&process["tags"])["service.version"], json!("1.2.3"), "{name}");
        assert!(span["duration"].as_u64().is_some_and(|micros| micros < 60_000_000), "{name}");
    }

    let root = spans.iter().find(|span| span["operationName"] == "GET /checkout").unwrap();
    let attributes = tags(&root["tags"]);
    assert_eq!(attributes["text"], json!("grüße 世界"));
    assert_eq!(attributes["count"], json!(42));
    assert_eq!(attributes["ratio"], json!(0.25));
    assert_eq!(attributes["ready"], json!(true));
    assert_eq!(attributes["list"], json!(r#"["a","b"]"#));
    assert_eq!(attributes["error"], json!(true));
    assert_eq!(attributes["otel.status_code"], json!("ERROR"));
    assert_eq!(attributes["otel.status_description"], json!("card declined"));
    let events = root["logs"].as_array().unwrap();
    assert_eq!(events.len(), 1);
    let fields = tags(&events[0]["fields"]);
    assert_eq!((&fields["event"], &fields["key"]), (&json!("cache.miss"), &json!("k1")));
    let links: Vec<&Value> = references(root, "FOLLOWS_FROM").collect();
    assert_eq!(links.len(), 1);
    assert_eq!(links[0]["traceID"], json!("0af7651916cd43dd8448eb211c80319c"));
    assert_eq!(links[0]["spanID"], json!("b7ad6b7169203331"));

    let select = spans.iter().find(|span| span["operationName"] == "SELECT cart").unwrap();
    assert_eq!(tags(&select["tags"])["otel.status_code"], json!("OK"));
}

fn references<'a>(span: &'a Value, kind: &str) -> impl Iterator<Item = &'a Value> {
    let kind = json!(kind);
    span["references"].as_array().into_iter().flatten().filter(move |reference| reference["refType"] == kind)
}

/// Jaeger's list of tags by key.
fn tags(list: &Value) -> BTreeMap<String, Value> {
    let list = list.as_array().into_iter().flatten();
    list.map(|tag| (tag["key"].as_str().unwrap().to_owned(), tag["value"].clone())).collect()
}

/// Python with the pinned SDK, in a virtual environment that is made once.
fn python() -> Option<&'static Path> {
    static PYTHON: OnceLock<Option<PathBuf>> = OnceLock::new();
    let made = PYTHON.get_or_init(|| {
        let folder = shared_tool_folder("python");
        let requirements = client("python/requirements.txt");
        let make = format!(
            "cmp -s '{wanted}' '{folder}/requirements.txt' || {{ python3 -m venv --clear '{folder}' && \
             '{folder}/bin/pip' install --quiet -r '{wanted}' && cp '{wanted}' '{folder}/requirements.txt'; }}",
            wanted = requirements.display(),
            folder = folder.display(),
        );
        fetched(&make).then(|| folder.join("bin/python"))
    });
    if made.is_none() {
        skip("the Python SDK could not be fetched");
    }
    made.as_deref()
}

/// The folder with the JavaScript client and its pinned SDK, which is made once.
fn javascript() -> Option<&'static Path> {
    static JAVASCRIPT: OnceLock<Option<PathBuf>> = OnceLock::new();
    let made = JAVASCRIPT.get_or_init(|| {
        let folder = shared_tool_folder("javascript");
        let make = format!(
            "cmp -s '{from}/package-lock.json' '{to}/fetched.json' || {{ mkdir -p '{to}' && cp '{from}'/package*.json '{to}' && \
             (cd '{to}' && npm ci --silent --no-audit --no-fund) && cp '{from}/package-lock.json' '{to}/fetched.json'; }}; \
             cp '{from}/send.js' '{to}'",
            from = client("js").display(),
            to = folder.display(),
        );
        fetched(&make).then_some(folder)
    });
    if made.is_none() {
        skip("the JavaScript SDK could not be fetched");
    }
    made.as_deref()
}

fn fetched(script: &str) -> bool {
    let output = Command::new("timeout").args([FETCH_SECONDS, "bash", "-ec", script]).output();
    match output {
        Ok(output) if output.status.success() => true,
        Ok(output) => {
            eprintln!("{}", String::from_utf8_lossy(&output.stderr));
            false
        }
        Err(_) => false,
    }
}

fn client(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(path)
}

fn rust_story(endpoint: &str) -> Sent {
    use opentelemetry::trace::{
        Link, Span as _, SpanContext, SpanId, SpanKind, Status, TraceContextExt as _, TraceFlags, TraceId, Tracer as _,
        TracerProvider as _,
    };
    use opentelemetry::{Array, Context, InstrumentationScope, KeyValue, StringValue, Value};
    use opentelemetry_otlp::WithExportConfig as _;
    use opentelemetry_sdk::{Resource, trace::SdkTracerProvider};

    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _inside = runtime.enter();
    let exporter = opentelemetry_otlp::SpanExporter::builder().with_tonic().with_endpoint(endpoint).build().unwrap();
    let resource = Resource::builder().with_service_name("rust-grpc").with_attribute(KeyValue::new("service.version", "1.2.3"));
    let provider = SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource.build()).build();
    let tracer = provider.tracer_with_scope(InstrumentationScope::builder("client-test").with_version("9").build());

    let elsewhere = SpanContext::new(
        TraceId::from_hex("0af7651916cd43dd8448eb211c80319c").unwrap(),
        SpanId::from_hex("b7ad6b7169203331").unwrap(),
        TraceFlags::SAMPLED,
        true,
        Default::default(),
    );
    let list: Vec<StringValue> = vec!["a".into(), "b".into()];
    let mut root = tracer
        .span_builder("GET /checkout")
        .with_kind(SpanKind::Server)
        .with_attributes([
            KeyValue::new("text", "grüße 世界"),
            KeyValue::new("count", 42),
            KeyValue::new("ratio", 0.25),
            KeyValue::new("ready", true),
            KeyValue::new("list", Value::Array(Array::String(list))),
        ])
        .with_links(vec![Link::new(elsewhere, vec![KeyValue::new("why", "batch")], 0)])
        .start(&tracer);
    root.add_event("cache.miss", vec![KeyValue::new("key", "k1")]);
    root.set_status(Status::error("card declined"));
    let root_context = root.span_context().clone();
    let context = Context::new().with_span(root);
    let mut select = tracer.span_builder("SELECT cart").with_kind(SpanKind::Client).start_with_context(&tracer, &context);
    select.set_status(Status::Ok);
    select.end();
    let mut publish = tracer.span_builder("publish order").with_kind(SpanKind::Producer).start_with_context(&tracer, &context);
    publish.end();
    context.span().end();
    provider.shutdown().unwrap();

    let ids = [
        ("GET /checkout", root_context.span_id()),
        ("SELECT cart", select.span_context().span_id()),
        ("publish order", publish.span_context().span_id()),
    ];
    Sent {
        trace_id: root_context.trace_id().to_string(),
        spans: ids.into_iter().map(|(name, id)| (name.to_owned(), id.to_string())).collect(),
    }
}
