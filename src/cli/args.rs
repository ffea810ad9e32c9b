//! The command line as typed values: subcommands, addresses of doors, durations. No work is done here.

#![allow(rustdoc::broken_intra_doc_links, reason = "doc comments are help texts here, and an IPv6 address is no link")]

use crate::model::Door;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

const EXAMPLES: &str = "\
Examples:
  belvedere                                   open the window and receive on 4317 and 4318
  belvedere trace.json.gz                     open a file that a colleague sent
  belvedere serve                             receive without a window
  belvedere import *.json                     copy files into the workspace
  belvedere query traces checkout --json      list traces, for scripts
  belvedere export --trace ID --format jaeger --out trace.json

Exit codes: 0 done, 1 found nothing or found problems, 2 could not run";

/// Local observability in one window: collect, keep and see what your services send.
#[derive(Parser, Debug)]
#[command(name = "belvedere", version, about, after_help = EXAMPLES, max_term_width = 100)]
pub struct Arguments {
    /// What every command takes.
    #[command(flatten)]
    pub common: Common,
    /// Doors of the window.
    #[command(flatten)]
    pub doors: DoorArguments,
    /// The command; without one the window opens.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Trace files to open in the window, or links such as belvedere://trace/ID.
    pub files: Vec<PathBuf>,
}

/// Options of every command.
#[derive(Args, Clone, Debug, Default)]
pub struct Common {
    /// Folder of the workspace, `:memory:` for one that goes away [default: in the user's data folder]
    #[arg(long, global = true, value_name = "DIR")]
    pub workspace: Option<String>,
    /// One JSON object on standard output, for scripts
    #[arg(long, global = true)]
    pub json: bool,
}

/// Where the doors are. Each option may be repeated; `off` closes the door, port 0 picks a free one.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Doors")]
pub struct DoorArguments {
    /// OTLP over gRPC [default: 127.0.0.1:4317 and [::1]:4317]
    #[arg(long, value_name = "ADDR", value_parser = DoorAddress::parse)]
    pub otlp_grpc: Vec<DoorAddress>,
    /// OTLP over HTTP, protobuf and JSON [default: 127.0.0.1:4318 and [::1]:4318]
    #[arg(long, value_name = "ADDR", value_parser = DoorAddress::parse)]
    pub otlp_http: Vec<DoorAddress>,
    /// Prometheus', Alertmanager's, Jaeger's and Belvedere's own API, metrics, health [default: 127.0.0.1:4319 and [::1]:4319]
    #[arg(long, value_name = "ADDR", value_parser = DoorAddress::parse)]
    pub api: Vec<DoorAddress>,
    /// Zipkin, version 2 (JSON, protobuf) and version 1 (JSON) [default: off; `9411` is its usual port]
    #[arg(long, value_name = "ADDR", value_parser = DoorAddress::parse)]
    pub zipkin: Vec<DoorAddress>,
    /// StatsD and DogStatsD over UDP [default: off; `8125` is its usual port]
    #[arg(long, value_name = "ADDR", value_parser = DoorAddress::parse)]
    pub statsd: Vec<DoorAddress>,
    /// Scrape the targets of a prometheus.yml (static_configs, file_sd_configs, relabeling)
    #[arg(long, value_name = "FILE")]
    pub scrape_config: Option<PathBuf>,
    /// Record this machine's processors, memory, disks, network and busiest processes every 15 s
    #[arg(long)]
    pub host_metrics: bool,
    /// Receive OTLP from containers too, on the bridge's gateway address
    #[arg(long)]
    pub containers: bool,
    /// Allow addresses that other machines reach; their clients need the bearer token, which is printed when it is made
    #[arg(long)]
    pub allow_remote: bool,
}

/// Subcommands.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Collect without a window
    #[command(
        after_help = "Prints one line per open door, then `ready`:\n  listening otlp-grpc 127.0.0.1:4317\n\nStops on SIGTERM and SIGINT: what was received is stored and sealed within two seconds"
    )]
    Serve(ServeArguments),
    /// Copy trace, metric and log files into the workspace
    #[command(
        after_help = "Reads OTLP (JSON, JSON lines, protobuf), Jaeger, Zipkin, Tempo, Go stdouttrace, Chrome, X-Ray and Datadog,\nplain, gzip, zstd or zip; the format is found by content.\n\nExample:\n  belvedere import trace.json.gz --json"
    )]
    Import(ImportArguments),
    /// Write one trace to a file or to standard output
    #[command(
        after_help = "Example:\n  belvedere export --trace 5b8efff798038103d269b633813fc60c --format jaeger --out trace.json"
    )]
    Export(ExportArguments),
    /// Ask the workspace
    Query(QueryArguments),
    /// What is different in these spans: attributes ranked by how they set the spans apart
    #[command(
        after_help = "Without --against the spans are compared with the others of the same operations.\n\nExample:\n  belvedere compare --where 'status = error'"
    )]
    Compare(CompareArguments),
    /// What is wrong, costliest first: N+1 queries, retries, a slow tenant, a bad version, broken propagation
    #[command(
        after_help = "Exit code 0 when nothing was found, 1 with findings.\n\nExample:\n  belvedere analyze 'service = checkout' --json"
    )]
    Analyze(AnalyzeArguments),
    /// Two traces, files or selections beside each other, matched by path
    #[command(
        after_help = "Exit code 0 when both do the same, 1 when one has what the other lacks.\n\nExamples:\n  belvedere diff 5b8efff798038103d269b633813fc60c before.json\n  belvedere diff 'service.version = 1.0' 'service.version = 1.1'"
    )]
    Diff(DiffArguments),
    /// Wait until a stored trace matches, for tests and scripts
    #[command(
        after_help = "Exit code 0 when a trace matched, 1 when the time ran out.\n\nExample:\n  belvedere wait checkout --timeout 30s"
    )]
    Wait(WaitArguments),
    /// Run unit tests of rules
    Test(super::test_rules::TestArguments),
    /// Who is on call, and the final schedule
    Oncall(super::oncall::OncallArguments),
    /// Is a file right, and what is in it
    Check(super::check::CheckArguments),
    /// Run the sample shop: services that call each other and send traces, logs and metrics
    Demo(super::demo::DemoArgs),
    /// Run a command as a span; what it starts joins the trace through the environment
    #[command(after_help = "The exit code is the command's.\n\nExample:\n  belvedere exec -- make test")]
    Exec(super::exec::ExecArguments),
    /// Trace a service that has no instrumentation, from outside: a reverse proxy that records each request
    #[command(
        after_help = "Prints `listening proxy ADDRESS` and `ready`; stops on SIGTERM and SIGINT when the requests under way are done.\n\nExample:\n  belvedere proxy 9000=3000 --service shop --route '/users/{id}'"
    )]
    Proxy(super::proxy::ProxyArguments),
    /// Explain trace context headers: curl -v output, a HAR entry, a log line
    #[command(
        after_help = "Exit code 0 when there is a context and no rule is broken, else 1.\n\nExample:\n  curl -sv http://localhost:8080 2>&1 | belvedere headers"
    )]
    Headers(super::headers::HeadersArguments),
}

/// `belvedere serve`.
#[derive(Args, Debug)]
pub struct ServeArguments {
    /// Its doors.
    #[command(flatten)]
    pub doors: DoorArguments,
    /// Folder with rule files and an Alertmanager configuration, read-only for as long as it runs; may be repeated
    #[arg(long, value_name = "DIR")]
    pub provision: Vec<PathBuf>,
}

/// `belvedere import`.
#[derive(Args, Debug)]
pub struct ImportArguments {
    /// Files to read.
    #[arg(required = true)]
    pub files: Vec<PathBuf>,
}

/// `belvedere export`.
#[derive(Args, Debug)]
pub struct ExportArguments {
    /// Trace id, 32 hexadecimal digits (16 for a short one)
    #[arg(long, value_name = "ID")]
    pub trace: String,
    /// Format to write
    #[arg(long, value_enum, default_value = "otlp-json")]
    pub format: ExportFormat,
    /// File to write [default: standard output]
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// Formats that a trace is written in.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportFormat {
    /// OTLP as JSON, the only one that holds everything.
    OtlpJson,
    /// Jaeger's JSON, as its UI saves it.
    Jaeger,
    /// Zipkin v2 JSON.
    Zipkin,
    /// Chrome trace events, for Perfetto and chrome://tracing.
    Chrome,
}

impl ExportFormat {
    /// The word on the command line and in the API.
    pub fn word(self) -> &'static str {
        match self {
            Self::OtlpJson => "otlp-json",
            Self::Jaeger => "jaeger",
            Self::Zipkin => "zipkin",
            Self::Chrome => "chrome",
        }
    }
}

/// `belvedere query`.
#[derive(Args, Debug)]
pub struct QueryArguments {
    /// What is asked for.
    #[command(subcommand)]
    pub what: QueryWhat,
}

/// Signals that can be asked for.
#[derive(Subcommand, Debug)]
pub enum QueryWhat {
    /// Traces with a matching span, newest first
    #[command(after_help = "Example:\n  belvedere query traces 'payment' --limit 20 --json")]
    Traces(QueryTracesArguments),
    /// Metrics with PromQL: at one moment, or from --start to --end every --step
    #[command(
        after_help = "With --json the body that Prometheus' HTTP API gives. Exit code 1 when nothing is there.\n\nExamples:\n  belvedere query promql 'sum by (job) (rate(http_requests_total[5m]))'\n  belvedere query promql up --start 2026-03-02T09:00:00Z --end 2026-03-02T10:00:00Z --step 1m --json"
    )]
    Promql(QueryPromqlArguments),
}

/// `belvedere query promql`.
#[derive(Args, Debug)]
pub struct QueryPromqlArguments {
    /// The query
    #[arg(required = true)]
    pub expression: Vec<String>,
    /// When: seconds since 1970 or RFC 3339 [default: now]
    #[arg(long, value_name = "TIME", conflicts_with_all = ["start", "end", "step"])]
    pub time: Option<String>,
    /// First step of a range
    #[arg(long, value_name = "TIME", requires = "end", requires = "step")]
    pub start: Option<String>,
    /// No step of a range is later
    #[arg(long, value_name = "TIME", requires = "start")]
    pub end: Option<String>,
    /// Between steps: seconds or `1m30s`
    #[arg(long, value_name = "DURATION", requires = "start")]
    pub step: Option<String>,
    /// At most this many series [default: all]
    #[arg(long, value_name = "COUNT")]
    pub limit: Option<usize>,
    /// What Belvedere records of itself instead
    #[arg(long)]
    pub own: bool,
}

/// `belvedere query traces`.
#[derive(Args, Debug)]
pub struct QueryTracesArguments {
    /// What a span must meet; all traces without it
    #[arg(value_name = "EXPR", default_value = "")]
    pub expression: Vec<String>,
    /// At most this many; 0 is all
    #[arg(long, default_value_t = 100)]
    pub limit: usize,
    /// Traces that Belvedere records of itself, instead of what it received
    #[arg(long)]
    pub own: bool,
}

/// `belvedere compare`.
#[derive(Args, Debug)]
pub struct CompareArguments {
    /// Which spans
    #[arg(long, value_name = "EXPR")]
    pub r#where: String,
    /// Compare them with these
    #[arg(long, value_name = "EXPR")]
    pub against: Option<String>,
}

/// `belvedere analyze`.
#[derive(Args, Debug)]
pub struct AnalyzeArguments {
    /// Which traces; all without it
    #[arg(value_name = "EXPR", default_value = "")]
    pub expression: Vec<String>,
}

/// `belvedere diff`.
#[derive(Args, Debug)]
pub struct DiffArguments {
    /// Trace id, file or expression
    pub a: String,
    /// Trace id, file or expression
    pub b: String,
}

/// `belvedere wait`.
#[derive(Args, Debug)]
pub struct WaitArguments {
    /// What a span must meet
    #[arg(value_name = "EXPR", required = true)]
    pub expression: Vec<String>,
    /// How long to wait
    #[arg(long, default_value = "30s", value_parser = parse_duration)]
    pub timeout: Duration,
}

/// One address of a door on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DoorAddress {
    /// `off`: the door stays closed.
    Off,
    /// A port on both loopback addresses: `4317`, `:4317`, `localhost:4317`.
    Port(u16),
    /// Just this address.
    At(SocketAddr),
}

impl DoorAddress {
    /// Reads `off`, a port or an address.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self::Off);
        }
        if let Ok(address) = text.parse() {
            return Ok(Self::At(address));
        }
        let port = text.strip_prefix("localhost:").or_else(|| text.strip_prefix(':')).unwrap_or(text);
        port.parse().map(Self::Port).map_err(|_| "expected `off`, a port or an address such as 127.0.0.1:4317".to_owned())
    }
}

/// Both loopback addresses of a port; of port 0 only IPv4, so that one free port is picked.
pub fn loopback(port: u16) -> Vec<SocketAddr> {
    let v4 = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
    if port == 0 { vec![v4] } else { vec![v4, SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), port)] }
}

impl DoorArguments {
    /// Addresses of every door that is wanted, defaults filled in. `over` holds options that were given after the subcommand
    /// and wins door by door.
    pub fn addresses(&self, over: Option<&Self>) -> Vec<(Door, Vec<SocketAddr>)> {
        let chosen = |pick: fn(&Self) -> &Vec<DoorAddress>, port: Option<u16>| -> Vec<SocketAddr> {
            let given = over.map(pick).filter(|given| !given.is_empty()).unwrap_or(pick(self));
            if given.is_empty() {
                return port.map(loopback).unwrap_or_default();
            }
            let mut addresses = Vec::new();
            for address in given {
                match address {
                    DoorAddress::Off => addresses.clear(),
                    DoorAddress::Port(port) => addresses.extend(loopback(*port)),
                    DoorAddress::At(address) => addresses.push(*address),
                }
            }
            addresses
        };
        let mut doors = vec![
            (Door::OtlpGrpc, chosen(|doors| &doors.otlp_grpc, Some(4317))),
            (Door::OtlpHttp, chosen(|doors| &doors.otlp_http, Some(4318))),
            (Door::Api, chosen(|doors| &doors.api, Some(4319))),
        ];
        // A door that nobody asked for is not there, instead of there and closed.
        let zipkin = chosen(|doors| &doors.zipkin, None);
        if !zipkin.is_empty() {
            doors.push((Door::Zipkin, zipkin));
        }
        let statsd = chosen(|doors| &doors.statsd, None);
        if !statsd.is_empty() {
            doors.push((Door::Statsd, statsd));
        }
        doors
    }
}

/// Reads `30s`, `1.5m`, `200ms`, `2h` or plain seconds.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let scale = match unit {
        "" | "s" => 1.0,
        "ms" => 1e-3,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err(format!("`{unit}` is not a unit of time; use ms, s, m or h")),
    };
    let seconds: f64 = number.parse().map_err(|_| "expected a duration such as 30s".to_owned())?;
    Duration::try_from_secs_f64(seconds * scale).map_err(|_| "the duration is too long".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    fn parse(line: &str) -> Arguments {
        Arguments::try_parse_from(line.split_whitespace()).unwrap()
    }

    fn of(addresses: &[(Door, Vec<SocketAddr>)], door: Door) -> Vec<String> {
        addresses.iter().find(|(known, _)| *known == door).unwrap().1.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_definition_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn without_a_command_the_words_are_files() {
        let arguments = parse("belvedere a.json b.json.gz");
        assert!(arguments.command.is_none());
        assert_eq!(arguments.files.len(), 2);
        assert!(matches!(parse("belvedere serve --workspace /tmp/w").command, Some(Command::Serve(_))));
        assert_eq!(parse("belvedere serve --workspace :memory:").common.workspace.as_deref(), Some(":memory:"));
    }

    #[test]
    fn a_door_is_on_both_loopbacks_unless_an_address_says_otherwise() {
        let serve = |line: &str| {
            let arguments = parse(line);
            let Some(Command::Serve(serve)) = &arguments.command else { panic!("{line}") };
            arguments.doors.addresses(Some(&serve.doors))
        };
        let defaults = serve("belvedere serve");
        assert_eq!(of(&defaults, Door::OtlpGrpc), ["127.0.0.1:4317", "[::1]:4317"]);
        let given = serve("belvedere serve --otlp-grpc 127.0.0.1:0 --otlp-http off --api :14319");
        assert_eq!(of(&given, Door::OtlpGrpc), ["127.0.0.1:0"]);
        assert!(of(&given, Door::OtlpHttp).is_empty());
        assert_eq!(of(&given, Door::Api), ["127.0.0.1:14319", "[::1]:14319"]);
        assert!(defaults.iter().all(|(door, _)| *door != Door::Zipkin), "a door that is off by default is not there");
        assert_eq!(of(&serve("belvedere serve --zipkin 9411"), Door::Zipkin), ["127.0.0.1:9411", "[::1]:9411"]);
        let before = serve("belvedere --otlp-grpc [::1]:5000 --api 1 serve --api 2 --api 127.0.0.1:3");
        assert_eq!(of(&before, Door::OtlpGrpc), ["[::1]:5000"]);
        assert_eq!(of(&before, Door::Api), ["127.0.0.1:2", "[::1]:2", "127.0.0.1:3"]);
    }

    #[test]
    fn durations_read_with_and_without_units() {
        let ms = |text| parse_duration(text).map(|length| length.as_millis());
        assert_eq!(ms("30s"), Ok(30_000));
        assert_eq!(ms("1.5m"), Ok(90_000));
        assert_eq!(ms("250ms"), Ok(250));
        assert_eq!(ms("2"), Ok(2_000));
        assert!(ms("2 weeks").is_err());
        assert!(ms("s").is_err());
    }
}
