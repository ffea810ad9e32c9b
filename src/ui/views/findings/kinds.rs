//! What the window calls each kind of finding, how loud it is, and what it means in a sentence.

use crate::analysis::FindingKind;
use crate::ui::theme::{Icon, Theme};
use egui::Color32;

/// Name of a kind in a list.
pub(super) fn title(kind: FindingKind) -> &'static str {
    match kind {
        FindingKind::NPlusOne => "N+1 calls",
        FindingKind::SerialCalls => "Serial calls",
        FindingKind::RetryStorm => "Retry storm",
        FindingKind::Straggler => "Straggler",
        FindingKind::SlowDependency => "Slow dependency",
        FindingKind::SlowFor => "Slow for a value",
        FindingKind::ColdConnection => "Cold connections",
        FindingKind::ChattyPair => "Chatty services",
        FindingKind::Gap => "Unexplained time",
        FindingKind::BrokenPropagation => "Broken propagation",
        FindingKind::LostParents => "Lost parents",
        FindingKind::MixedFormats => "Mixed id formats",
        FindingKind::ClockSkew => "Clock skew",
        FindingKind::MissingServiceName => "Missing service name",
        FindingKind::HighCardinality => "Ids in span names",
        FindingKind::NeverEnds => "Never ends",
        FindingKind::ErrorBurst => "Error burst",
        FindingKind::Regression => "Regression",
    }
}

/// What the kind means and what one does about it.
pub(super) fn meaning(kind: FindingKind) -> &'static str {
    match kind {
        FindingKind::NPlusOne => "The same call is made over and over under one parent. Ask for all of it in one call",
        FindingKind::SerialCalls => "Calls that do not need each other's answer run one after the other. Start them together",
        FindingKind::RetryStorm => "A failed call is repeated at once. Repeat less, later, and not what fails for good",
        FindingKind::Straggler => "One of several parallel calls keeps the rest waiting. Look at what sets it apart",
        FindingKind::SlowDependency => "One call owns much of the time that somebody waits for",
        FindingKind::SlowFor => "The operation is slow for one value of an attribute and not for the others",
        FindingKind::ColdConnection => "Time goes into opening connections. Keep them open and pool them",
        FindingKind::ChattyPair => "Two services exchange very many calls in one trace. Batch them or move the border",
        FindingKind::Gap => "Time inside a span that nothing below it explains. Instrument what runs there",
        FindingKind::BrokenPropagation => "The callee starts a trace of its own, because the context header is lost on the way",
        FindingKind::LostParents => "Spans name a parent that never arrived: dropped, not sampled or not exported",
        FindingKind::MixedFormats => "64-bit and 128-bit trace ids meet, and joining them by id fails",
        FindingKind::ClockSkew => "A clock is off, so its spans lie outside those that called them",
        FindingKind::MissingServiceName => "Spans without service.name cannot be told apart. Set OTEL_SERVICE_NAME",
        FindingKind::HighCardinality => "Span names hold ids, so that no two requests are of one operation. Name the route",
        FindingKind::NeverEnds => "Spans are started and not ended: a lost end, or work that hangs",
        FindingKind::ErrorBurst => "Requests of this operation fail",
        FindingKind::Regression => "A version is slower or fails more than the one before",
    }
}

/// Icon and colour: failures and breaks are errors, cost in time is a warning, hygiene is a remark.
pub(super) fn mark(kind: FindingKind, theme: &Theme) -> (Icon, Color32) {
    match kind {
        FindingKind::RetryStorm | FindingKind::BrokenPropagation | FindingKind::ErrorBurst | FindingKind::Regression => {
            (Icon::Error, theme.error)
        }
        FindingKind::NPlusOne
        | FindingKind::SerialCalls
        | FindingKind::Straggler
        | FindingKind::SlowDependency
        | FindingKind::SlowFor
        | FindingKind::ColdConnection
        | FindingKind::ChattyPair
        | FindingKind::NeverEnds => (Icon::Warn, theme.warn),
        FindingKind::Gap
        | FindingKind::LostParents
        | FindingKind::MixedFormats
        | FindingKind::ClockSkew
        | FindingKind::MissingServiceName
        | FindingKind::HighCardinality => (Icon::Info, theme.info),
    }
}

/// What is looked for, for the state in which nothing was found.
pub(super) const LOOKED_FOR: [&str; 3] = [
    "Looked for N+1 and serial calls, retry storms, stragglers, slow dependencies, slow values, cold connections,",
    "error bursts, regressions, broken propagation, lost parents, clock skew, unexplained time, spans without an end,",
    "missing service names, mixed id formats and ids in span names",
];
