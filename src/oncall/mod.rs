//! On-call: who is paged, when, and in which order.
//!
//! Owns people and teams, schedules (layers, overrides, temporary schedules, swaps, cover), the final schedule, its linter
//! and its fairness, escalation policies with their durable timers, heartbeats, incidents and their report, and the formats
//! that these come in and leave by (YAML, iCalendar, exports of PagerDuty, Opsgenie and Grafana OnCall).
//!
//! Everything here is a pure function of its input and of the instant it is given: no clock, no socket, no file. Schedules
//! are civil time in an IANA zone and become instants (Unix seconds) only in [`Zone`]. The rules are those of GoAlert,
//! with months that keep their day, layers that mask, and two kinds of weekday filters (see `docs/oncall.md`). Whoever
//! composes the program keeps the states that are returned and sends what is due.

mod civil;
mod error;
pub mod escalation;
mod heartbeat;
pub mod ical;
pub mod incident;
mod lint;
mod load;
mod people;
mod read;
mod restrict;
mod roster;
mod rotation;
mod schedule;
mod zone;

pub use civil::{Civil, DAY, HOUR, Weekday, Weekdays, clock_text, parse_clock};
pub use error::OncallError;
pub use heartbeat::{Beat, Heartbeat};
pub use lint::{Finding, Level, lint};
pub use load::{Fairness, Load, fairness, is_weekend};
pub use people::{Contact, NotificationRule, Person, Team, Urgency};
pub use read::{ScheduleFile, parse_length, read};
pub use restrict::{Restriction, open_spans};
pub use roster::{Roster, Shift, Source, final_schedule, next_change, who};
pub use rotation::{Every, Rotation};
pub use schedule::{Away, Change, Cover, FixedShift, Layer, Lineup, Override, Schedule, Span, Swap, Temporary};
pub use zone::Zone;

#[cfg(test)]
mod tests;
