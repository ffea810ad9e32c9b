//! The JSON objects that the API answers and the command line prints: the same shapes, additive only.
//!
//! Ids are lower-case hexadecimal, times RFC 3339 in UTC with nanoseconds, durations integers named `_ns`.

pub use super::insight_objects::{Analysis, Compared, DiffObject, Diffed, DifferenceObject, FindingObject};

use crate::engine::{Account, DoorState, DoorStatus, OpenReport, WrongCaller};
use crate::model::TraceSummary;
use serde::{Deserialize, Serialize};

/// `belvedere import`.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct Imported {
    /// Detected format; `mixed` when files of different formats were read.
    pub format: String,
    /// Spans.
    pub spans: u64,
    /// Traces among them.
    pub traces: u64,
    /// Log records.
    pub logs: u64,
    /// Metric samples.
    pub samples: u64,
    /// Records that were refused.
    pub rejected: u64,
    /// The first reasons for it, each with its place.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
}

impl From<&OpenReport> for Imported {
    fn from(report: &OpenReport) -> Self {
        Self {
            format: report.format.clone(),
            spans: report.spans,
            traces: report.traces,
            logs: report.logs,
            samples: report.samples,
            rejected: report.rejected,
            problems: report.problems.clone(),
        }
    }
}

impl Imported {
    /// Adds what another file gave.
    pub fn add(&mut self, other: &Self) {
        if self.format.is_empty() {
            self.format.clone_from(&other.format);
        } else if self.format != other.format {
            "mixed".clone_into(&mut self.format);
        }
        self.spans += other.spans;
        self.traces += other.traces;
        self.logs += other.logs;
        self.samples += other.samples;
        self.rejected += other.rejected;
        self.problems.extend(other.problems.iter().cloned());
    }
}

/// One trace of `belvedere query traces`.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct FoundTrace {
    /// Id.
    pub trace_id: String,
    /// Service of the root.
    pub root_service: String,
    /// Name of the root.
    pub root_name: String,
    /// Earliest start.
    pub start: String,
    /// Whole length.
    pub duration_ns: i64,
    /// Stored spans.
    pub spans: u32,
    /// Spans that match.
    pub matched: u32,
    /// Spans with an error.
    #[serde(default)]
    pub errors: u32,
}

impl From<&TraceSummary> for FoundTrace {
    fn from(trace: &TraceSummary) -> Self {
        Self {
            trace_id: trace.trace_id.to_string(),
            root_service: trace.root_service.to_string(),
            root_name: trace.root_name.to_string(),
            start: trace.start.to_rfc3339(),
            duration_ns: trace.duration.0,
            spans: trace.spans,
            matched: trace.matched,
            errors: trace.errors,
        }
    }
}

/// `belvedere query traces`.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct FoundTraces {
    /// Newest first, at most the limit.
    pub traces: Vec<FoundTrace>,
    /// Traces that match, listed or not.
    pub total: u64,
}

/// `belvedere wait`.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct Waited {
    /// Whether a trace matched before the time ran out.
    pub matched: bool,
    /// The newest that matches.
    #[serde(default)]
    pub trace: Option<FoundTrace>,
}

/// One door.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct DoorObject {
    /// Name, as on the command line.
    pub door: String,
    /// `open`, `closed`, `busy` or `failed`.
    pub state: String,
    /// Addresses it listens on; the one that is taken when busy.
    pub addresses: Vec<String>,
    /// Who holds the port, when busy and known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder: Option<String>,
    /// A free port to take instead, when busy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suggestion: Option<u16>,
    /// Why it could not be opened, when failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Items received since start.
    pub received: u64,
    /// Items rejected since start.
    pub rejected: u64,
}

impl From<&DoorStatus> for DoorObject {
    fn from(status: &DoorStatus) -> Self {
        let mut object = Self {
            door: status.door.name().to_owned(),
            state: "closed".to_owned(),
            addresses: Vec::new(),
            holder: None,
            suggestion: None,
            error: None,
            received: status.received,
            rejected: status.rejected,
        };
        match &status.state {
            DoorState::Closed => {}
            DoorState::Open(addresses) => {
                "open".clone_into(&mut object.state);
                object.addresses = addresses.iter().map(ToString::to_string).collect();
            }
            DoorState::Busy { address, holder, suggestion } => {
                "busy".clone_into(&mut object.state);
                object.addresses = vec![address.to_string()];
                object.holder = Some(holder.clone()).filter(|holder| !holder.is_empty());
                object.suggestion = *suggestion;
            }
            DoorState::Failed(error) => {
                "failed".clone_into(&mut object.state);
                object.error = Some(error.clone());
            }
        }
        object
    }
}

/// A client that came in a way that cannot work.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct WrongCallerObject {
    /// Door.
    pub door: String,
    /// What happened.
    pub what: String,
    /// What to do about it.
    pub fix: String,
    /// How often.
    pub count: u64,
}

impl From<&WrongCaller> for WrongCallerObject {
    fn from(caller: &WrongCaller) -> Self {
        Self { door: caller.door.name().to_owned(), what: caller.what.clone(), fix: caller.fix.clone(), count: caller.count }
    }
}

/// `/belvedere/v1/doors`.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct Doors {
    /// Every door, in the order of the command line.
    pub doors: Vec<DoorObject>,
    /// Clients that came wrongly.
    pub wrong_callers: Vec<WrongCallerObject>,
}

/// One row of `/belvedere/v1/accounts`; `received` is the sum of the figures after it.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct AccountObject {
    /// Door.
    pub door: String,
    /// Service.
    pub service: String,
    /// `traces`, `metrics` or `logs`.
    pub signal: String,
    /// Arrived.
    pub received: u64,
    /// In the store now.
    pub stored: u64,
    /// Already stored.
    pub duplicate: u64,
    /// Refused for good.
    pub rejected: u64,
    /// Dropped by retention or by Clear.
    pub evicted: u64,
    /// Dropped by a sampling decision.
    pub sampled_out: u64,
}

impl From<&Account> for AccountObject {
    fn from(row: &Account) -> Self {
        Self {
            door: row.door.clone(),
            service: row.service.clone(),
            signal: row.signal.clone(),
            received: row.received,
            stored: row.stored,
            duplicate: row.duplicate,
            rejected: row.rejected,
            evicted: row.evicted,
            sampled_out: row.sampled_out,
        }
    }
}

/// `/belvedere/v1/accounts`.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct Accounts {
    /// By door, service and signal.
    pub accounts: Vec<AccountObject>,
}

/// `/belvedere/v1/status`.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct Status {
    /// Version of the program.
    pub version: String,
    /// Process id.
    pub pid: u32,
    /// Folder of the workspace.
    pub workspace: String,
    /// When the program started.
    pub started: String,
    /// Spans a second over the last seconds.
    pub spans_per_s: f64,
    /// Size of the workspace files in bytes.
    pub disk_bytes: u64,
    /// Size at which retention starts to drop, in bytes.
    pub disk_limit: u64,
    /// Why writing is stopped, when it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub write_problem: Option<String>,
}

/// `POST /belvedere/v1/show-window`.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct WindowShown {
    /// Whether the window comes up.
    pub shown: bool,
    /// Why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What every answer of 400 and above holds on `/belvedere/v1`.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct Failure {
    /// What happened, where, what to do.
    pub error: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Door;
    use serde_json::json;

    #[test]
    fn a_trace_is_listed_in_the_documented_shape() {
        let summary = TraceSummary { root_service: "a".into(), spans: 3, matched: 1, ..TraceSummary::default() };
        let object = serde_json::to_value(FoundTraces { traces: vec![(&summary).into()], total: 9 }).unwrap();
        let expected = json!({"total": 9, "traces": [{
            "trace_id": "0".repeat(32), "root_service": "a", "root_name": "", "start": "1970-01-01T00:00:00.000000000Z",
            "duration_ns": 0, "spans": 3, "matched": 1, "errors": 0,
        }]});
        assert_eq!(object, expected);
    }

    #[test]
    fn files_of_different_formats_add_up() {
        let one = Imported { format: "jaeger".into(), spans: 2, traces: 1, ..Imported::default() };
        let mut sum = Imported::default();
        sum.add(&one);
        assert_eq!(sum, one);
        sum.add(&Imported { format: "zipkin-v2".into(), spans: 1, rejected: 1, ..Imported::default() });
        assert_eq!((sum.format.as_str(), sum.spans, sum.rejected), ("mixed", 3, 1));
        let bare = json!({"format": "mixed", "spans": 3, "traces": 1, "logs": 0, "samples": 0, "rejected": 1});
        assert_eq!(serde_json::to_value(&sum).unwrap(), bare);
    }

    #[test]
    fn a_busy_door_names_its_holder() {
        let address = "127.0.0.1:4317".parse().unwrap();
        let state = DoorState::Busy { address, holder: "jaeger (pid 4711)".into(), suggestion: Some(14317) };
        let object = DoorObject::from(&DoorStatus { door: Door::OtlpGrpc, state, received: 0, rejected: 0 });
        assert_eq!((object.state.as_str(), object.holder.as_deref()), ("busy", Some("jaeger (pid 4711)")));
        assert_eq!(object.addresses, ["127.0.0.1:4317"]);
    }
}
