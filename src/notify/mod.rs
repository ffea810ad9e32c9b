//! Notifications on their way: what is sent to which kind of channel, and when it is tried, again or no more.
//!
//! Everything here is pure: a moment and random numbers are passed in, no socket is opened, no file is read. `engine` keeps
//! the rows, sends the requests and hands the answers back.
//!
//! - [`message`] reads what was decided (Alertmanager's webhook body, version 4) and words it for people;
//! - [`channel`] makes requests for each kind of channel and says what an answer means;
//! - [`policy`] has the documented rates, `Retry-After`, back-off and the deadline;
//! - [`outbox`] has the states of a delivery, what supersedes what, and what comes next.
//!
//! A delivery is tried at least once for every state in which a process can die; a second try says the same under the same
//! deduplication key and the same id.

pub mod channel;
pub mod message;
pub mod outbox;
pub mod policy;
