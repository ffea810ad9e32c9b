//! Escalation: who is paged first, and who when nobody answers.
//!
//! A policy is steps; a run is one incident's way through them. The first step is taken when the run starts, each next one
//! its step's delay later, round and round as often as the policy repeats. Acknowledging stops it, resolving ends it. A run
//! is a plain value with absolute times in it, so that whoever keeps it (the store) and asks again later, after a restart or
//! a night's sleep, gets the same answer: [`advance`] is the only clockwork, and it is pure.
//!
//! After a sleep (a timer is found more than [`GRACE`] late) nobody is paged five times at once: the step that was due is
//! taken now, its delay counts from now, and the steps that would have come meanwhile are told as missed.

mod machine;
mod read;
mod simulate;

pub use machine::{Action, Due, Run, State, advance};
pub use read::read_policies;
pub use simulate::{Assumed, simulate};

use super::people::{Person, Team, Urgency};
use super::restrict::Restriction;
use super::roster::who;
use super::schedule::Schedule;
use super::zone::Zone;
use smol_str::SmolStr;
use std::sync::Arc;

/// A timer that is found later than this, seconds, was slept through.
pub const GRACE: i64 = 120;

/// A policy.
#[derive(Clone, PartialEq, Debug)]
pub struct Policy {
    /// Name.
    pub name: SmolStr,
    /// Steps, in order.
    pub steps: Vec<Step>,
    /// Rounds after the first; `None` is until somebody answers.
    pub repeat: Option<u32>,
    /// Remind whoever acknowledged, every so many seconds.
    pub reminder: Option<i64>,
    /// An acknowledgement without a solution ends after so many seconds, and the policy starts again.
    pub ack_timeout: Option<i64>,
}

/// One step.
#[derive(Clone, PartialEq, Debug)]
pub struct Step {
    /// Whom to notify.
    pub targets: Vec<Target>,
    /// Seconds until the next step.
    pub delay: i64,
    /// How loud.
    pub urgency: Urgency,
    /// One of the targets, the next one with each page, instead of all.
    pub round_robin: bool,
    /// When the step counts; otherwise it is passed over at once.
    pub when: Condition,
}

/// When a step counts: everything that is given must hold.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Condition {
    /// Windows of the week, any of them; empty is always.
    pub hours: Vec<Restriction>,
    /// Their zone.
    pub zone: Option<Arc<Zone>>,
    /// Severities, any of them; empty is every one.
    pub severity: Vec<SmolStr>,
}

/// Whom a step notifies.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Target {
    /// A person.
    Person(SmolStr),
    /// Whoever is on call.
    Schedule(SmolStr),
    /// Everybody of a team; with `round_robin`, its members in turn.
    Team(SmolStr),
    /// A channel, such as a chat room.
    Channel(SmolStr),
}

impl Target {
    /// `schedule Primary`.
    pub fn words(&self) -> String {
        match self {
            Self::Person(name) => format!("person {name}"),
            Self::Schedule(name) => format!("schedule {name}"),
            Self::Team(name) => format!("team {name}"),
            Self::Channel(name) => format!("channel {name}"),
        }
    }
}

/// Everybody and every schedule that policies name.
#[derive(Clone, Copy, Debug, Default)]
pub struct Directory<'a> {
    /// People.
    pub people: &'a [Person],
    /// Teams.
    pub teams: &'a [Team],
    /// Schedules.
    pub schedules: &'a [Schedule],
}

/// Somebody or something that is notified.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Receiver {
    /// A person.
    Person(SmolStr),
    /// A channel.
    Channel(SmolStr),
}

impl Directory<'_> {
    /// A person by id, if described.
    pub fn person(&self, id: &str) -> Option<&Person> {
        self.people.iter().find(|person| person.id == id)
    }

    /// Who a target is at an instant; nobody when a schedule has a gap or a name is not known.
    pub fn receivers(&self, target: &Target, instant: i64) -> Vec<Receiver> {
        match target {
            Target::Person(person) => vec![Receiver::Person(person.clone())],
            Target::Channel(channel) => vec![Receiver::Channel(channel.clone())],
            Target::Team(team) => {
                let members = self.teams.iter().find(|known| known.id == *team).map(|team| team.members.as_slice());
                members.unwrap_or_default().iter().cloned().map(Receiver::Person).collect()
            }
            Target::Schedule(name) => {
                let schedule = self.schedules.iter().find(|schedule| schedule.name == *name);
                schedule.map(|schedule| who(schedule, instant)).unwrap_or_default().into_iter().map(Receiver::Person).collect()
            }
        }
    }
}

impl Condition {
    /// True when the step counts.
    pub fn holds(&self, severity: &str, instant: i64) -> bool {
        let inside = || match &self.zone {
            Some(zone) => self.hours.iter().any(|window| window.is_open(zone, instant)),
            None => self.hours.iter().any(|window| window.is_open(&Zone::utc(), instant)),
        };
        (self.severity.is_empty() || self.severity.iter().any(|wanted| wanted == severity))
            && (self.hours.is_empty() || inside())
    }
}
