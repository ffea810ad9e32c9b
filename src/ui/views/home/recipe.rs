//! How a service is pointed here, by language: what to install, which settings, how to start. With the real endpoint.
//!
//! The delays are short so that a first span shows at once: spans leave after 500 ms, metrics every 5 s (the names are those
//! of the OpenTelemetry environment variable specification).

use crate::ui::widgets::{CodeLine, Part};

/// Milliseconds after which a batch of spans leaves the service.
const SPAN_DELAY_MS: &str = "500";
/// Milliseconds between exports of metrics.
const METRIC_INTERVAL_MS: &str = "5000";

/// A language, or another way to send.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Language {
    /// Node.js.
    #[default]
    Node,
    /// Python.
    Python,
    /// Go.
    Go,
    /// Java.
    Java,
    /// .NET.
    DotNet,
    /// Rust.
    Rust,
    /// PHP.
    Php,
    /// An OpenTelemetry Collector that forwards here.
    Collector,
    /// One span by hand.
    Curl,
}

impl Language {
    /// All, in the order of the tabs.
    pub const ALL: [Self; 9] =
        [Self::Node, Self::Python, Self::Go, Self::Java, Self::DotNet, Self::Rust, Self::Php, Self::Collector, Self::Curl];

    /// Text of the tab.
    pub fn name(self) -> &'static str {
        match self {
            Self::Node => "Node.js",
            Self::Python => "Python",
            Self::Go => "Go",
            Self::Java => "Java",
            Self::DotNet => ".NET",
            Self::Rust => "Rust",
            Self::Php => "PHP",
            Self::Collector => "Collector",
            Self::Curl => "curl",
        }
    }

    /// True where settings are environment variables, which containers and shells write differently.
    pub fn has_environment(self) -> bool {
        !matches!(self, Self::Collector | Self::Curl)
    }
}

/// Where the service runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Target {
    /// In a shell on this machine.
    #[default]
    Shell,
    /// With `docker run`.
    Container,
    /// In a compose file.
    Compose,
}

/// Which shell the settings are written for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shell {
    /// sh, bash, zsh.
    Posix,
    /// PowerShell.
    PowerShell,
}

impl Shell {
    /// The shell of the system that the program was built for.
    pub const fn of_system() -> Self {
        if cfg!(windows) { Self::PowerShell } else { Self::Posix }
    }
}

/// Ports that listen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ports {
    /// OTLP over HTTP.
    pub http: u16,
}

/// One numbered step.
#[derive(Clone, PartialEq, Debug)]
pub struct RecipeStep {
    /// What it is for.
    pub title: &'static str,
    /// What to type or paste.
    pub code: Vec<CodeLine>,
}

/// The three steps.
pub fn steps(language: Language, target: Target, shell: Shell, ports: Ports) -> Vec<RecipeStep> {
    let step = |title, code| RecipeStep { title, code };
    match language {
        Language::Curl => vec![step("Send one span", curl(ports))],
        Language::Collector => vec![
            step("Add an exporter", collector(ports)),
            step("Start the collector", text(&["otelcol --config config.yaml"])),
        ],
        _ => vec![
            step(
                if language == Language::Rust || language == Language::Go { "Install and set up" } else { "Install" },
                text(install(language)),
            ),
            step("Point it here", settings(language, target, shell, ports)),
            step("Start your service", start(language, target)),
        ],
    }
}

fn plain(line: &str) -> CodeLine {
    let part = if line.trim_start().starts_with("//") || line.trim_start().starts_with('#') { Part::Note } else { Part::Plain };
    vec![(part, line.to_owned())]
}

fn text(lines: &[&str]) -> Vec<CodeLine> {
    lines.iter().map(|line| plain(line)).collect()
}

fn install(language: Language) -> &'static [&'static str] {
    match language {
        Language::Node => &["npm install @opentelemetry/api \\", "  @opentelemetry/auto-instrumentations-node"],
        Language::Python => {
            &["pip install opentelemetry-distro opentelemetry-exporter-otlp", "opentelemetry-bootstrap -a install"]
        }
        Language::Go => &[
            "go get go.opentelemetry.io/otel/sdk go.opentelemetry.io/contrib/exporters/autoexport",
            "// in main",
            "exporter, _ := autoexport.NewSpanExporter(ctx)",
            "otel.SetTracerProvider(trace.NewTracerProvider(trace.WithBatcher(exporter)))",
        ],
        Language::Java => &[
            "curl -LO https://github.com/open-telemetry/opentelemetry-java-instrumentation/\\",
            "releases/latest/download/opentelemetry-javaagent.jar",
        ],
        Language::DotNet => &[
            "dotnet add package OpenTelemetry.Extensions.Hosting",
            "dotnet add package OpenTelemetry.Instrumentation.AspNetCore",
            "dotnet add package OpenTelemetry.Exporter.OpenTelemetryProtocol",
            "// in Program.cs",
            "builder.Services.AddOpenTelemetry().UseOtlpExporter()",
            "  .WithTracing(tracing => tracing.AddAspNetCoreInstrumentation());",
        ],
        Language::Rust => &[
            "cargo add opentelemetry opentelemetry_sdk opentelemetry-otlp",
            "// in main",
            "let exporter = SpanExporter::builder().with_http().build()?;",
            "global::set_tracer_provider(SdkTracerProvider::builder().with_batch_exporter(exporter).build());",
        ],
        Language::Php => &["pecl install opentelemetry", "composer require open-telemetry/sdk open-telemetry/exporter-otlp"],
        Language::Collector | Language::Curl => &[],
    }
}

/// Names and values of the environment, most telling first.
fn environment(language: Language, endpoint: &str) -> Vec<(&'static str, String)> {
    let mut all = vec![
        ("OTEL_SERVICE_NAME", "checkout".to_owned()),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.to_owned()),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf".to_owned()),
        ("OTEL_BSP_SCHEDULE_DELAY", SPAN_DELAY_MS.to_owned()),
        ("OTEL_METRIC_EXPORT_INTERVAL", METRIC_INTERVAL_MS.to_owned()),
    ];
    match language {
        Language::Node => all.push(("NODE_OPTIONS", "--require @opentelemetry/auto-instrumentations-node/register".to_owned())),
        Language::Java => all.push(("JAVA_TOOL_OPTIONS", "-javaagent:./opentelemetry-javaagent.jar".to_owned())),
        Language::Php => all.push(("OTEL_PHP_AUTOLOAD_ENABLED", "true".to_owned())),
        _ => {}
    }
    all
}

fn settings(language: Language, target: Target, shell: Shell, ports: Ports) -> Vec<CodeLine> {
    let host = if target == Target::Shell { "localhost" } else { "host.docker.internal" };
    let all = environment(language, &format!("http://{host}:{}", ports.http));
    let part = |part, text: &str| (part, text.to_owned());
    let quoted = |value: &str| if value.contains(' ') { format!("\"{value}\"") } else { value.to_owned() };
    match (target, shell) {
        (Target::Shell, Shell::Posix) => all
            .iter()
            .map(|(name, value)| {
                vec![part(Part::Word, "export "), part(Part::Name, name), part(Part::Plain, "="), (Part::Value, quoted(value))]
            })
            .collect(),
        (Target::Shell, Shell::PowerShell) => all
            .iter()
            .map(|(name, value)| {
                let name = format!("$env:{name}");
                vec![(Part::Name, name), part(Part::Plain, " = "), (Part::Value, format!("\"{value}\""))]
            })
            .collect(),
        (Target::Container, _) => {
            let mut lines = vec![plain("docker run --add-host=host.docker.internal:host-gateway \\")];
            lines.extend(all.iter().map(|(name, value)| {
                let value = quoted(value);
                let (name, end) = (part(Part::Name, name), part(Part::Plain, " \\"));
                vec![part(Part::Word, "  -e "), name, part(Part::Plain, "="), (Part::Value, value), end]
            }));
            lines.push(plain("  IMAGE"));
            lines
        }
        (Target::Compose, _) => {
            let mut lines = vec![plain("services:"), plain("  checkout:"), plain("    environment:")];
            lines.extend(all.iter().map(|(name, value)| {
                vec![(Part::Name, format!("      {name}")), part(Part::Plain, ": "), (Part::Value, format!("\"{value}\""))]
            }));
            lines.push(plain("    extra_hosts:"));
            lines.push(plain("      - \"host.docker.internal:host-gateway\""));
            lines
        }
    }
}

fn start(language: Language, target: Target) -> Vec<CodeLine> {
    match target {
        Target::Container => text(&["# the image starts with the settings above"]),
        Target::Compose => text(&["docker compose up"]),
        Target::Shell => text(match language {
            Language::Node => &["node app.js"],
            Language::Python => &["opentelemetry-instrument python app.py"],
            Language::Go => &["go run ."],
            Language::Java => &["java -jar app.jar"],
            Language::DotNet => &["dotnet run"],
            Language::Rust => &["cargo run"],
            Language::Php => &["php -S localhost:8080 -t public"],
            Language::Collector | Language::Curl => &[],
        }),
    }
}

fn collector(ports: Ports) -> Vec<CodeLine> {
    let endpoint = format!("http://localhost:{}", ports.http);
    let key = |text: &str| vec![(Part::Name, text.to_owned()), (Part::Plain, ":".to_owned())];
    vec![
        key("exporters"),
        key("  otlphttp/belvedere"),
        vec![(Part::Name, "    endpoint".to_owned()), (Part::Plain, ": ".to_owned()), (Part::Value, endpoint)],
        key("service"),
        key("  pipelines"),
        key("    traces"),
        vec![
            (Part::Name, "      exporters".to_owned()),
            (Part::Plain, ": ".to_owned()),
            (Part::Value, "[otlphttp/belvedere]".to_owned()),
        ],
    ]
}

fn curl(ports: Ports) -> Vec<CodeLine> {
    let url = format!("http://localhost:{}/v1/traces", ports.http);
    let mut lines = vec![
        vec![(Part::Plain, "now=$(date +%s)".to_owned())],
        vec![
            (Part::Word, "curl ".to_owned()),
            (Part::Value, url),
            (Part::Plain, " -H 'Content-Type: application/json' -d '{".to_owned()),
        ],
    ];
    lines.extend(text(&[
        "  \"resourceSpans\": [{\"resource\": {\"attributes\": [",
        "    {\"key\": \"service.name\", \"value\": {\"stringValue\": \"checkout\"}}]},",
        "  \"scopeSpans\": [{\"spans\": [{\"name\": \"POST /checkout\", \"kind\": 2,",
        "    \"traceId\": \"4bf92f3577b34da6a3ce929d0e0e4736\", \"spanId\": \"00f067aa0ba902b7\",",
        "    \"startTimeUnixNano\": \"'$now'000000000\", \"endTimeUnixNano\": \"'$now'240000000\"}]}]}]}'",
    ]));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::widgets::code_text;

    const PORTS: Ports = Ports { http: 14318 };

    #[test]
    fn every_language_names_the_port_that_listens() {
        for language in Language::ALL {
            for target in [Target::Shell, Target::Container, Target::Compose] {
                for shell in [Shell::Posix, Shell::PowerShell] {
                    let steps = steps(language, target, shell, PORTS);
                    assert!((1..=3).contains(&steps.len()));
                    let all = steps.iter().map(|step| code_text(&step.code)).collect::<Vec<_>>().join("\n");
                    assert!(all.contains(":14318"), "{language:?} {target:?}: {all}");
                    assert!(steps.iter().all(|step| !step.code.is_empty()), "{language:?}");
                }
            }
        }
    }

    #[test]
    fn settings_are_written_for_where_the_service_runs() {
        let shown = |target, shell| code_text(&steps(Language::Node, target, shell, PORTS)[1].code);
        let posix = shown(Target::Shell, Shell::Posix);
        assert!(posix.contains("export OTEL_BSP_SCHEDULE_DELAY=500\n"), "{posix}");
        assert!(posix.contains("export NODE_OPTIONS=\"--require @"), "{posix}");
        let power = shown(Target::Shell, Shell::PowerShell);
        assert!(power.contains("$env:OTEL_METRIC_EXPORT_INTERVAL = \"5000\""), "{power}");
        let compose = shown(Target::Compose, Shell::Posix);
        assert!(compose.contains("      OTEL_EXPORTER_OTLP_ENDPOINT: \"http://host.docker.internal:14318\""), "{compose}");
        assert!(shown(Target::Container, Shell::Posix).contains("  -e OTEL_SERVICE_NAME=checkout \\"));
    }

    #[test]
    fn the_curl_body_is_json_once_the_shell_has_filled_it_in() {
        let code = code_text(&steps(Language::Curl, Target::Shell, Shell::Posix, PORTS)[0].code);
        let body = code.split_once("-d '").unwrap().1.trim_end_matches('\'').replace("'$now'", "1761142297");
        let value: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(value["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["startTimeUnixNano"], "1761142297000000000");
    }
}
