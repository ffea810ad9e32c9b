//! Belvedere: a local observability program. This file is the map of the house.
//!
//! Rooms stand on floors; a room uses only rooms on lower floors, never one beside or above it, and only `ui` knows egui.
//! `tests/architecture.rs` reads the `use` lines and fails on a forbidden arrow.
//!
//! | floor | rooms |
//! |---|---|
//! | 6 | `cli` subcommands |
//! | 5 | `ui` the window, `api` the local HTTP API |
//! | 4 | `engine` the composition root |
//! | 3 | `alerting` rules, templates and routing, `collector` receivers behind every door, `dashboard` dashboards, their variables and Grafana's JSON, `notify` delivery to channels, `oncall` who is paged and in which order |
//! | 2 | `analysis` what a trace says, `promql` metric queries, `search` the query language of traces, [`tracer`] the span lifecycle |
//! | 1 | `store` the workspace on disk, `wire` codecs, [`context`] propagation |
//! | 0 | [`model`] plain data, [`source`] the traits that rooms read by, [`telemetry`] what the program counts of itself |
//!
//! Without default features only `model`, `source`, `telemetry`, `context` and `tracer` are built.

pub mod context;
pub mod model;
pub mod source;
pub mod telemetry;
pub mod tracer;

#[cfg(feature = "headless")]
pub mod alerting;
#[cfg(feature = "headless")]
pub mod analysis;
#[cfg(feature = "headless")]
pub mod api;
#[cfg(feature = "headless")]
pub mod cli;
#[cfg(feature = "headless")]
pub mod collector;
#[cfg(feature = "headless")]
pub mod dashboard;
#[cfg(feature = "headless")]
pub mod engine;
#[cfg(feature = "headless")]
pub mod notify;
#[cfg(feature = "headless")]
pub mod oncall;
#[cfg(feature = "headless")]
pub mod promql;
#[cfg(feature = "headless")]
pub mod search;
#[cfg(feature = "headless")]
pub mod store;
#[cfg(feature = "window")]
pub mod ui;
#[cfg(feature = "headless")]
pub mod wire;
