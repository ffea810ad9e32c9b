//! Who calls whom, as Jaeger's dependency graph has it: calls are pairs of parent and child in different services.

use crate::model::SpanId;
use crate::source::{QueryControl, SourceError, SpanSource, TimeRange, TraceRequest};
use serde::Serialize;
use smol_str::SmolStr;
use std::collections::{BTreeMap, HashMap};

/// Newest traces that are looked at; the graph of more looks the same.
const TRACES: usize = 2_000;

/// One edge.
#[derive(Serialize, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Dependency {
    /// Calling service.
    parent: String,
    /// Called service.
    child: String,
    /// Calls.
    call_count: u64,
}

/// Counts calls in the newest traces of a range.
pub fn count(source: &dyn SpanSource, range: TimeRange, control: &QueryControl) -> Result<Vec<Dependency>, SourceError> {
    let request = TraceRequest { range, limit: TRACES, ..TraceRequest::default() };
    let mut calls: BTreeMap<(SmolStr, SmolStr), u64> = BTreeMap::new();
    for summary in source.traces(&request, control)?.traces {
        if summary.services.len() < 2 {
            continue;
        }
        control.check()?;
        let Some(trace) = source.trace(summary.trace_id, control)? else { continue };
        let service_of: HashMap<SpanId, &str> = trace.spans.iter().map(|span| (span.span_id(), span.service())).collect();
        for span in trace.spans.iter() {
            let caller = span.parent().and_then(|parent| service_of.get(&parent));
            if let Some(caller) = caller.filter(|caller| **caller != span.service()) {
                *calls.entry(((*caller).into(), span.service().into())).or_default() += 1;
            }
        }
    }
    let edge = |((parent, child), call_count): ((SmolStr, SmolStr), u64)| Dependency {
        parent: parent.to_string(),
        child: child.to_string(),
        call_count,
    };
    Ok(calls.into_iter().map(edge).collect())
}
