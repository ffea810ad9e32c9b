//! Alerting: rules that are evaluated, templates that describe what they found, and the routing of alerts to receivers.
//!
//! Everything here is a pure function of its inputs and of a moment that is passed in: no clock, no socket, no file. The
//! live loop, the backtest, the simulators and the tests call the same functions, so that a replay of recorded inputs
//! gives the recorded notifications.
//!
//! - [`alert`] is an alert as it travels from a rule or a client to a receiver;
//! - [`route`] is what Alertmanager does: configuration, matchers, tree, groups, inhibition, silences, intervals, log;
//! - [`duration`] is `5m` and `1h30m`, as Prometheus and Go write lengths of time;
//! - [`rules`] reads rule files and evaluates them: what is pending, firing, over, sent, written;
//! - [`unit_test`] tests of rules in promtool's format;
//! - [`template`] writes the labels and annotations of alerting rules;
//! - [`go_text`] is how Go prints and quotes, which the formats above depend on to the letter.
//!
//! Whoever keeps state on disk, sends or shows is on a higher floor: `engine` calls this room and commits what it decided.

pub mod alert;
pub mod duration;
pub mod go_text;
pub mod route;
pub mod rules;
pub mod template;
pub mod unit_test;
