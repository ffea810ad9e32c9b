//! The doors that data comes in by, and the signals that come through them.

use std::fmt;

/// A way into the collector. Its name is the one of the command line (`--otlp-grpc`) and of the metrics.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum Door {
    /// OTLP over gRPC, 4317.
    OtlpGrpc = 0,
    /// OTLP over HTTP, 4318.
    OtlpHttp = 1,
    /// Belvedere's API, 4319 (remote write).
    Api = 2,
    /// Zipkin, 9411.
    Zipkin = 3,
    /// Jaeger Thrift over HTTP, 14268.
    JaegerThrift = 4,
    /// Jaeger compact Thrift over UDP, 6831.
    JaegerUdp = 5,
    /// Datadog agent, 8126.
    Datadog = 6,
    /// StatsD, 8125/udp.
    Statsd = 7,
    /// Jaeger remote sampling, 5778 and 5779; takes no data.
    Sampling = 8,
    /// A file copied in with `import`.
    Import = 9,
    /// Belvedere's own traces, metrics and logs.
    Own = 10,
    /// Targets that are asked for their metrics.
    Scrape = 11,
}

impl Door {
    /// All doors, in the order of their numbers.
    pub const ALL: [Self; 12] = [
        Self::OtlpGrpc,
        Self::OtlpHttp,
        Self::Api,
        Self::Zipkin,
        Self::JaegerThrift,
        Self::JaegerUdp,
        Self::Datadog,
        Self::Statsd,
        Self::Sampling,
        Self::Import,
        Self::Own,
        Self::Scrape,
    ];

    /// The name on the command line and in labels.
    pub fn name(self) -> &'static str {
        [
            "otlp-grpc",
            "otlp-http",
            "api",
            "zipkin",
            "jaeger-thrift",
            "jaeger-udp",
            "datadog",
            "statsd",
            "sampling",
            "import",
            "own",
            "scrape",
        ][self as usize]
    }

    /// From the name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|door| door.name() == name)
    }
}

impl fmt::Display for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A kind of telemetry.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum Signal {
    /// Spans.
    Traces = 0,
    /// Data points.
    Metrics = 1,
    /// Log records.
    Logs = 2,
}

impl Signal {
    /// All signals, in the order of their numbers.
    pub const ALL: [Self; 3] = [Self::Traces, Self::Metrics, Self::Logs];

    /// `traces`, `metrics` or `logs`.
    pub fn name(self) -> &'static str {
        ["traces", "metrics", "logs"][self as usize]
    }
}
