//! iCalendar (RFC 5545): shifts and absences in, schedules out.
//!
//! Everything is civil time: an event's zone is looked up once, its recurrence runs on the wall clock of that zone.

mod export;
mod import;
mod recur;
mod text;

pub use export::write_calendar;
pub use import::{Calendar, Event, read_calendar};
pub use recur::{Frequency, Recurrence};
