//! `belvedere exec -- COMMAND`: a command as a span. The command and what it starts join the trace through the environment
//! (`TRACEPARENT`, `TRACESTATE`, `BAGGAGE`); SDKs in it find the collector and send soon. The exit code stays the command's.

use super::Failure;
use super::reporting::{self, FLUSH};
use crate::context::{Composite, Environment};
use crate::model::{Attributes, Resource, StatusCode, Value};
use crate::tracer::Span;
use std::path::Path;
use std::process::ExitStatus;
use std::time::Duration;
use tokio::process::Command;
use tokio::signal::unix::{SignalKind, signal};

/// How soon a command that still runs is seen.
const ANNOUNCED: Duration = Duration::from_millis(500);
/// Exit codes of shells for a command that is not there and for one that can't be run.
const NOT_FOUND: u8 = 127;
const NOT_RUNNABLE: u8 = 126;
/// What a shell adds to the number of the signal that ended a command.
const SIGNAL_BASE: i32 = 128;
/// Variables that make SDKs send soon; set unless the caller set them.
const SOON: [(&str, &str); 4] = [
    ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
    ("OTEL_BSP_SCHEDULE_DELAY", "500"),
    ("OTEL_BLRP_SCHEDULE_DELAY", "500"),
    ("OTEL_METRIC_EXPORT_INTERVAL", "5000"),
];

/// `belvedere exec`.
#[derive(clap::Args, Debug)]
pub struct ExecArguments {
    /// Name of the span [default: the command's file name]
    #[arg(long)]
    name: Option<String>,
    /// Service the span belongs to
    #[arg(long, default_value = "belvedere-exec")]
    service: String,
    /// Collector to send to, OTLP over HTTP [default: OTEL_EXPORTER_OTLP_ENDPOINT, else http://127.0.0.1:4318]
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,
    /// The command and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,
}

/// Runs the command and gives its exit code.
pub fn run(arguments: &ExecArguments) -> Result<u8, Failure> {
    let variables: Vec<(String, String)> =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(format!("no thread could be started: {error}")))?;
    let given = |name: &str| variables.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
    let endpoint = reporting::endpoint(arguments.endpoint.as_deref(), given("OTEL_EXPORTER_OTLP_ENDPOINT").as_deref());
    let mut resource = Resource::service(&arguments.service);
    resource.attributes.push("process.pid", i64::from(std::process::id()));
    let provider = reporting::provider(&endpoint, resource, ANNOUNCED, true, runtime.handle())?;

    let found = Composite::permissive().extract(&Environment(variables.clone()));
    let parent = found.context.unwrap_or_default();
    let program = arguments.command[0].as_str();
    let short = Path::new(program).file_name().map_or(program.into(), |name| name.to_string_lossy());
    let name = arguments.name.clone().unwrap_or_else(|| short.to_string());
    let tracer = provider.tracer("belvedere", env!("CARGO_PKG_VERSION"));
    let mut span = tracer.span(name).parent(&parent).start();
    let words: Vec<Value> = arguments.command.iter().map(|word| Value::from(word.as_str())).collect();
    span.set("process.executable.name", short.as_ref()).set("process.command_args", Value::Array(words.into()));
    let mut handed = Environment::default();
    Composite::default().inject(span.context(), &found.baggage, &mut handed);
    let mut command = Command::new(program);
    command.args(&arguments.command[1..]).envs(handed.0).env("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint);
    command.envs(SOON.into_iter().filter(|(name, _)| given(name).is_none()));

    let code = runtime.block_on(wait(command, &mut span));
    span.end();
    if let Err(error) = provider.shutdown(FLUSH) {
        eprintln!("belvedere: the span of the command was not taken: {error}");
    }
    runtime.shutdown_background();
    Ok(code)
}

/// Starts the command and waits for it. Signals of the terminal reach it by themselves; a request to end is passed on.
async fn wait(mut command: Command, span: &mut Span) -> u8 {
    let interrupts = signal(SignalKind::interrupt());
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            let text = format!("{} cannot be run: {error}", command.as_std().get_program().to_string_lossy());
            eprintln!("belvedere: {text}");
            span.exception("std::io::Error", &text, None, Attributes::default()).status(StatusCode::Error, &text);
            return if error.kind() == std::io::ErrorKind::NotFound { NOT_FOUND } else { NOT_RUNNABLE };
        }
    };
    let pid = child.id().and_then(|pid| i32::try_from(pid).ok());
    span.set("process.pid", pid.map_or(Value::Empty, |pid| Value::Int(pid.into())));
    let mut terminations = signal(SignalKind::terminate()).ok();
    let status = loop {
        let asked = async {
            match &mut terminations {
                Some(terminations) => terminations.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            status = child.wait() => break status,
            _ = asked => {
                if let Some(pid) = pid.and_then(rustix::process::Pid::from_raw) {
                    let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
                }
            }
        }
    };
    drop(interrupts);
    match status {
        Ok(status) => ended(status, span),
        Err(error) => {
            span.status(StatusCode::Error, &error.to_string());
            NOT_RUNNABLE
        }
    }
}

fn ended(status: ExitStatus, span: &mut Span) -> u8 {
    use std::os::unix::process::ExitStatusExt as _;
    let code = status.code().unwrap_or_else(|| SIGNAL_BASE + status.signal().unwrap_or(0));
    span.set("process.exit.code", i64::from(code));
    if !status.success() {
        span.set("error.type", code.to_string()).status(StatusCode::Error, &status.to_string());
    }
    u8::try_from(code).unwrap_or(1)
}
