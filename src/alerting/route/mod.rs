//! Routing, as Alertmanager 0.34 does it: which receiver hears of an alert, with which others, when, and why not.
//!
//! - [`config`] reads, checks and writes Alertmanager's YAML; receivers arrive disarmed;
//! - [`matcher`] conditions on labels in both of Alertmanager's notations;
//! - [`tree`] the routing tree; [`interval`] recurring times; [`inhibit`] and [`silence`] keep alerts quiet;
//! - [`log`] remembers what was sent and says whether there is a reason to send again;
//! - [`payload`] is what a receiver is told;
//! - [`groups`] puts them together: alerts in, flushes with every stage's verdict out, at moments it names itself.

pub mod config;
pub mod groups;
pub mod inhibit;
pub mod interval;
pub mod log;
pub mod matcher;
pub mod payload;
pub mod silence;
pub mod tree;
