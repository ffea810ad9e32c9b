//! Black-box tests: the real binary, real sockets, real files. One test binary, one module a behaviour.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a step that fails ends its test")]

mod alerting;
mod alertmanager_api;
mod allocations;
mod api;
mod architecture;
mod bad_input;
mod bad_luck;
mod commands;
mod compliance;
mod durability;
mod files;
mod fuzz_smoke;
mod oncall;
mod prometheus;
mod promql_corpus;
mod promql_differential;
mod promql_queries;
mod proxy;
mod real_clients;
mod rule_commands;
mod support;
mod trace_context;
mod tracer_differential;
mod tracing_commands;
mod unfinished;
#[cfg(feature = "window")]
mod window;
