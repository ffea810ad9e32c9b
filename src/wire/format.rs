//! The formats that a file can be in, by the names that `import --json` and the window print.

use std::fmt;

/// A format of a trace file. Told by content; see [`super::open`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Format {
    /// One OTLP JSON object.
    OtlpJson,
    /// OTLP JSON objects one after another, as the collector's file exporter writes them.
    OtlpJsonLines,
    /// OTLP protobuf, bare or each message behind its length.
    OtlpProto,
    /// Jaeger UI and query API JSON.
    Jaeger,
    /// Zipkin version 2, JSON or protobuf.
    ZipkinV2,
    /// Zipkin version 1 JSON.
    ZipkinV1,
    /// Grafana Tempo's API: OTLP JSON with ids in base64.
    Tempo,
    /// The `stdouttrace` exporter of the Go SDK, as Docker and BuildKit write it.
    GoStdouttrace,
    /// Chrome's trace event format.
    Chrome,
    /// AWS X-Ray segment documents.
    XRay,
    /// Datadog agent payloads and the trace view's download.
    Datadog,
}

impl Format {
    /// All formats.
    pub const ALL: [Self; 11] = [
        Self::OtlpJson,
        Self::OtlpJsonLines,
        Self::OtlpProto,
        Self::Jaeger,
        Self::ZipkinV2,
        Self::ZipkinV1,
        Self::Tempo,
        Self::GoStdouttrace,
        Self::Chrome,
        Self::XRay,
        Self::Datadog,
    ];

    /// The name for scripts.
    pub fn name(self) -> &'static str {
        match self {
            Self::OtlpJson => "otlp-json",
            Self::OtlpJsonLines => "otlp-jsonl",
            Self::OtlpProto => "otlp-proto",
            Self::Jaeger => "jaeger",
            Self::ZipkinV2 => "zipkin-v2",
            Self::ZipkinV1 => "zipkin-v1",
            Self::Tempo => "tempo",
            Self::GoStdouttrace => "go-stdouttrace",
            Self::Chrome => "chrome",
            Self::XRay => "x-ray",
            Self::Datadog => "datadog",
        }
    }

    /// The name for people.
    pub fn title(self) -> &'static str {
        match self {
            Self::OtlpJson => "OTLP JSON",
            Self::OtlpJsonLines => "OTLP JSON lines",
            Self::OtlpProto => "OTLP protobuf",
            Self::Jaeger => "Jaeger JSON",
            Self::ZipkinV2 => "Zipkin v2",
            Self::ZipkinV1 => "Zipkin v1",
            Self::Tempo => "Tempo JSON",
            Self::GoStdouttrace => "Go stdouttrace",
            Self::Chrome => "Chrome trace",
            Self::XRay => "X-Ray",
            Self::Datadog => "Datadog",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.title())
    }
}
