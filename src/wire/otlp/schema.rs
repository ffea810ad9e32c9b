//! The messages of OTLP as a table: what the JSON reader, the checker and the masker walk by.
//!
//! Source: opentelemetry-proto 1.11. Names are those of JSON; an old or foreign name stands as a second row with the same
//! number (`batches` of Tempo, `instrumentationLibrarySpans` of 2021).

/// A message.
#[derive(Debug)]
pub(super) struct Message {
    /// For error texts.
    pub(super) name: &'static str,
    /// Its fields.
    pub(super) fields: &'static [Entry],
    /// What it is to a walker.
    pub(super) role: Role,
}

/// What is special about a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Role {
    /// Nothing.
    Plain,
    /// One more level of nesting.
    AnyValue,
    /// Its key decides whether its value is masked.
    KeyValue,
    /// One data point or log record.
    Counted,
}

/// A field.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) number: u32,
    /// lowerCamelCase.
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) repeated: bool,
}

/// The type of a field.
#[derive(Debug)]
pub(super) enum Kind {
    Text,
    /// Base64 in JSON.
    Bytes,
    /// Hexadecimal in JSON; the number of bytes.
    Id(usize),
    Bool,
    /// uint32, uint64.
    Unsigned,
    /// int32, int64.
    Signed,
    /// sint32.
    ZigZag,
    Fixed32,
    Fixed64,
    Sfixed64,
    Double,
    /// A number in JSON; the names are accepted too. Prefix of the names, then the names in the order of their numbers.
    Enum(&'static str, &'static [&'static str]),
    Message(&'static Message),
}

impl Message {
    pub(super) fn by_number(&self, number: u32) -> Option<&'static Entry> {
        self.fields.iter().find(|entry| entry.number == number)
    }

    /// By the JSON name; `snake_case` is accepted too.
    pub(super) fn by_name(&self, name: &str) -> Option<&'static Entry> {
        let exact = self.fields.iter().find(|entry| entry.name == name);
        if exact.is_some() || !name.contains('_') {
            return exact;
        }
        let bare = name.replace('_', "");
        self.fields.iter().find(|entry| entry.name.eq_ignore_ascii_case(&bare))
    }
}

const fn one(number: u32, name: &'static str, kind: Kind) -> Entry {
    Entry { number, name, kind, repeated: false }
}

const fn many(number: u32, name: &'static str, kind: Kind) -> Entry {
    Entry { number, name, kind, repeated: true }
}

const fn plain(name: &'static str, fields: &'static [Entry]) -> Message {
    Message { name, fields, role: Role::Plain }
}

use Kind::{Bool, Bytes, Double, Enum, Fixed32, Fixed64, Id, Sfixed64, Signed, Text, Unsigned, ZigZag};

static ANY_VALUE: Message = Message {
    name: "AnyValue",
    role: Role::AnyValue,
    fields: &[
        one(1, "stringValue", Text),
        one(2, "boolValue", Bool),
        one(3, "intValue", Signed),
        one(4, "doubleValue", Double),
        one(5, "arrayValue", Kind::Message(&ARRAY_VALUE)),
        one(6, "kvlistValue", Kind::Message(&KEY_VALUE_LIST)),
        one(7, "bytesValue", Bytes),
    ],
};

static ARRAY_VALUE: Message = plain("ArrayValue", &[many(1, "values", Kind::Message(&ANY_VALUE))]);

static KEY_VALUE_LIST: Message = plain("KeyValueList", &[many(1, "values", Kind::Message(&KEY_VALUE))]);

static KEY_VALUE: Message = Message {
    name: "KeyValue",
    role: Role::KeyValue,
    fields: &[one(1, "key", Text), one(2, "value", Kind::Message(&ANY_VALUE))],
};

static RESOURCE: Message =
    plain("Resource", &[many(1, "attributes", Kind::Message(&KEY_VALUE)), one(2, "droppedAttributesCount", Unsigned)]);

static SCOPE: Message = plain(
    "InstrumentationScope",
    &[
        one(1, "name", Text),
        one(2, "version", Text),
        many(3, "attributes", Kind::Message(&KEY_VALUE)),
        one(4, "droppedAttributesCount", Unsigned),
    ],
);

/// `ExportTraceServiceRequest`, `TracesData`, and Tempo's `Trace`.
pub(super) static TRACES: Message = plain(
    "ExportTraceServiceRequest",
    &[many(1, "resourceSpans", Kind::Message(&RESOURCE_SPANS)), many(1, "batches", Kind::Message(&RESOURCE_SPANS))],
);

static RESOURCE_SPANS: Message = plain(
    "ResourceSpans",
    &[
        one(1, "resource", Kind::Message(&RESOURCE)),
        many(2, "scopeSpans", Kind::Message(&SCOPE_SPANS)),
        one(3, "schemaUrl", Text),
        many(1000, "instrumentationLibrarySpans", Kind::Message(&SCOPE_SPANS)),
    ],
);

static SCOPE_SPANS: Message = plain(
    "ScopeSpans",
    &[
        one(1, "scope", Kind::Message(&SCOPE)),
        many(2, "spans", Kind::Message(&SPAN)),
        one(3, "schemaUrl", Text),
        one(1, "instrumentationLibrary", Kind::Message(&SCOPE)),
    ],
);

static SPAN: Message = Message {
    name: "Span",
    role: Role::Counted,
    fields: &[
        one(1, "traceId", Id(16)),
        one(2, "spanId", Id(8)),
        one(3, "traceState", Text),
        one(4, "parentSpanId", Id(8)),
        one(5, "name", Text),
        one(6, "kind", Enum("SPAN_KIND_", &["UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"])),
        one(7, "startTimeUnixNano", Fixed64),
        one(8, "endTimeUnixNano", Fixed64),
        many(9, "attributes", Kind::Message(&KEY_VALUE)),
        one(10, "droppedAttributesCount", Unsigned),
        many(11, "events", Kind::Message(&EVENT)),
        one(12, "droppedEventsCount", Unsigned),
        many(13, "links", Kind::Message(&LINK)),
        one(14, "droppedLinksCount", Unsigned),
        one(15, "status", Kind::Message(&STATUS)),
        one(16, "flags", Fixed32),
    ],
};

static EVENT: Message = plain(
    "Event",
    &[
        one(1, "timeUnixNano", Fixed64),
        one(2, "name", Text),
        many(3, "attributes", Kind::Message(&KEY_VALUE)),
        one(4, "droppedAttributesCount", Unsigned),
    ],
);

static LINK: Message = plain(
    "Link",
    &[
        one(1, "traceId", Id(16)),
        one(2, "spanId", Id(8)),
        one(3, "traceState", Text),
        many(4, "attributes", Kind::Message(&KEY_VALUE)),
        one(5, "droppedAttributesCount", Unsigned),
        one(6, "flags", Fixed32),
    ],
);

static STATUS: Message =
    plain("Status", &[one(2, "message", Text), one(3, "code", Enum("STATUS_CODE_", &["UNSET", "OK", "ERROR"]))]);

/// `ExportLogsServiceRequest` and `LogsData`.
pub(super) static LOGS: Message = plain("ExportLogsServiceRequest", &[many(1, "resourceLogs", Kind::Message(&RESOURCE_LOGS))]);

static RESOURCE_LOGS: Message = plain(
    "ResourceLogs",
    &[
        one(1, "resource", Kind::Message(&RESOURCE)),
        many(2, "scopeLogs", Kind::Message(&SCOPE_LOGS)),
        one(3, "schemaUrl", Text),
        many(1000, "instrumentationLibraryLogs", Kind::Message(&SCOPE_LOGS)),
    ],
);

static SCOPE_LOGS: Message = plain(
    "ScopeLogs",
    &[
        one(1, "scope", Kind::Message(&SCOPE)),
        many(2, "logRecords", Kind::Message(&LOG_RECORD)),
        one(3, "schemaUrl", Text),
        one(1, "instrumentationLibrary", Kind::Message(&SCOPE)),
    ],
);

#[rustfmt::skip]
const SEVERITIES: &[&str] = &[
    "UNSPECIFIED", "TRACE", "TRACE2", "TRACE3", "TRACE4", "DEBUG", "DEBUG2", "DEBUG3", "DEBUG4", "INFO", "INFO2", "INFO3",
    "INFO4", "WARN", "WARN2", "WARN3", "WARN4", "ERROR", "ERROR2", "ERROR3", "ERROR4", "FATAL", "FATAL2", "FATAL3", "FATAL4",
];

static LOG_RECORD: Message = Message {
    name: "LogRecord",
    role: Role::Counted,
    fields: &[
        one(1, "timeUnixNano", Fixed64),
        one(2, "severityNumber", Enum("SEVERITY_NUMBER_", SEVERITIES)),
        one(3, "severityText", Text),
        one(5, "body", Kind::Message(&ANY_VALUE)),
        many(6, "attributes", Kind::Message(&KEY_VALUE)),
        one(7, "droppedAttributesCount", Unsigned),
        one(8, "flags", Fixed32),
        one(9, "traceId", Id(16)),
        one(10, "spanId", Id(8)),
        one(11, "observedTimeUnixNano", Fixed64),
        one(12, "eventName", Text),
    ],
};

/// `ExportMetricsServiceRequest` and `MetricsData`.
pub(super) static METRICS: Message =
    plain("ExportMetricsServiceRequest", &[many(1, "resourceMetrics", Kind::Message(&RESOURCE_METRICS))]);

static RESOURCE_METRICS: Message = plain(
    "ResourceMetrics",
    &[
        one(1, "resource", Kind::Message(&RESOURCE)),
        many(2, "scopeMetrics", Kind::Message(&SCOPE_METRICS)),
        one(3, "schemaUrl", Text),
        many(1000, "instrumentationLibraryMetrics", Kind::Message(&SCOPE_METRICS)),
    ],
);

static SCOPE_METRICS: Message = plain(
    "ScopeMetrics",
    &[
        one(1, "scope", Kind::Message(&SCOPE)),
        many(2, "metrics", Kind::Message(&METRIC)),
        one(3, "schemaUrl", Text),
        one(1, "instrumentationLibrary", Kind::Message(&SCOPE)),
    ],
);

static METRIC: Message = plain(
    "Metric",
    &[
        one(1, "name", Text),
        one(2, "description", Text),
        one(3, "unit", Text),
        one(5, "gauge", Kind::Message(&GAUGE)),
        one(7, "sum", Kind::Message(&SUM)),
        one(9, "histogram", Kind::Message(&HISTOGRAM)),
        one(10, "exponentialHistogram", Kind::Message(&EXPONENTIAL_HISTOGRAM)),
        one(11, "summary", Kind::Message(&SUMMARY)),
        many(12, "metadata", Kind::Message(&KEY_VALUE)),
    ],
);

const TEMPORALITY: Kind = Enum("AGGREGATION_TEMPORALITY_", &["UNSPECIFIED", "DELTA", "CUMULATIVE"]);

static GAUGE: Message = plain("Gauge", &[many(1, "dataPoints", Kind::Message(&NUMBER_POINT))]);

static SUM: Message = plain(
    "Sum",
    &[
        many(1, "dataPoints", Kind::Message(&NUMBER_POINT)),
        one(2, "aggregationTemporality", TEMPORALITY),
        one(3, "isMonotonic", Bool),
    ],
);

static HISTOGRAM: Message = plain(
    "Histogram",
    &[many(1, "dataPoints", Kind::Message(&HISTOGRAM_POINT)), one(2, "aggregationTemporality", TEMPORALITY)],
);

static EXPONENTIAL_HISTOGRAM: Message = plain(
    "ExponentialHistogram",
    &[many(1, "dataPoints", Kind::Message(&EXPONENTIAL_POINT)), one(2, "aggregationTemporality", TEMPORALITY)],
);

static SUMMARY: Message = plain("Summary", &[many(1, "dataPoints", Kind::Message(&SUMMARY_POINT))]);

static NUMBER_POINT: Message = Message {
    name: "NumberDataPoint",
    role: Role::Counted,
    fields: &[
        many(7, "attributes", Kind::Message(&KEY_VALUE)),
        one(2, "startTimeUnixNano", Fixed64),
        one(3, "timeUnixNano", Fixed64),
        one(4, "asDouble", Double),
        one(6, "asInt", Sfixed64),
        many(5, "exemplars", Kind::Message(&EXEMPLAR)),
        one(8, "flags", Unsigned),
    ],
};

static HISTOGRAM_POINT: Message = Message {
    name: "HistogramDataPoint",
    role: Role::Counted,
    fields: &[
        many(9, "attributes", Kind::Message(&KEY_VALUE)),
        one(2, "startTimeUnixNano", Fixed64),
        one(3, "timeUnixNano", Fixed64),
        one(4, "count", Fixed64),
        one(5, "sum", Double),
        many(6, "bucketCounts", Fixed64),
        many(7, "explicitBounds", Double),
        many(8, "exemplars", Kind::Message(&EXEMPLAR)),
        one(10, "flags", Unsigned),
        one(11, "min", Double),
        one(12, "max", Double),
    ],
};

static EXPONENTIAL_POINT: Message = Message {
    name: "ExponentialHistogramDataPoint",
    role: Role::Counted,
    fields: &[
        many(1, "attributes", Kind::Message(&KEY_VALUE)),
        one(2, "startTimeUnixNano", Fixed64),
        one(3, "timeUnixNano", Fixed64),
        one(4, "count", Fixed64),
        one(5, "sum", Double),
        one(6, "scale", ZigZag),
        one(7, "zeroCount", Fixed64),
        one(8, "positive", Kind::Message(&BUCKETS)),
        one(9, "negative", Kind::Message(&BUCKETS)),
        one(10, "flags", Unsigned),
        many(11, "exemplars", Kind::Message(&EXEMPLAR)),
        one(12, "min", Double),
        one(13, "max", Double),
        one(14, "zeroThreshold", Double),
    ],
};

static BUCKETS: Message = plain("Buckets", &[one(1, "offset", ZigZag), many(2, "bucketCounts", Unsigned)]);

static SUMMARY_POINT: Message = Message {
    name: "SummaryDataPoint",
    role: Role::Counted,
    fields: &[
        many(7, "attributes", Kind::Message(&KEY_VALUE)),
        one(2, "startTimeUnixNano", Fixed64),
        one(3, "timeUnixNano", Fixed64),
        one(4, "count", Fixed64),
        one(5, "sum", Double),
        many(6, "quantileValues", Kind::Message(&QUANTILE)),
        one(8, "flags", Unsigned),
    ],
};

static QUANTILE: Message = plain("ValueAtQuantile", &[one(1, "quantile", Double), one(2, "value", Double)]);

static EXEMPLAR: Message = plain(
    "Exemplar",
    &[
        many(7, "filteredAttributes", Kind::Message(&KEY_VALUE)),
        one(2, "timeUnixNano", Fixed64),
        one(3, "asDouble", Double),
        one(6, "asInt", Sfixed64),
        one(4, "spanId", Id(8)),
        one(5, "traceId", Id(16)),
    ],
);
