//! "Who is paged at this moment, and then at each step?": a run on a virtual clock.

use super::machine::{Action, Due, Run, State, advance};
use super::{Directory, Policy};
use std::collections::BTreeMap;

/// Longest time that is simulated, seconds.
const LONGEST: i64 = 7 * 24 * 3600;
/// Most notifications.
const MOST: usize = 1_000;

/// What people are assumed to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Assumed {
    /// Whoever is paged for the `n`-th time, from 1, acknowledges so many seconds later; `None` is nobody.
    pub acknowledge: Option<(usize, i64)>,
}

/// Everything that would be done for an incident that starts at `start`, until it is acknowledged or exhausted.
pub fn simulate(policy: &Policy, directory: &Directory<'_>, severity: &str, start: i64, assumed: Assumed) -> (Vec<Due>, State) {
    let mut run = Run::start("simulated", severity, start, BTreeMap::new());
    let mut due: Vec<Due> = Vec::new();
    let mut answer: Option<(i64, String)> = None;
    while let Some(at) = run.next().filter(|at| *at <= start + LONGEST) {
        if let Some((when, by)) = answer.as_ref().filter(|(when, _)| *when <= at) {
            run.acknowledge(policy, by, *when);
            break;
        }
        due.extend(advance(policy, &mut run, directory, at));
        let mut pages = due
            .iter()
            .filter_map(|due| if let Action::Page { person, .. } = &due.action { Some((due.at, person)) } else { None });
        if let Some((number, after)) = assumed.acknowledge {
            answer = pages.nth(number.saturating_sub(1)).map(|(at, person)| (at + after, person.clone()));
        }
        if due.len() >= MOST {
            break;
        }
    }
    (due, run.state)
}

#[cfg(test)]
mod tests {
    use super::super::super::{Civil, read};
    use super::*;

    #[test]
    fn the_second_page_is_answered_and_the_third_never_sent() {
        let file = read(include_str!("../../../tests/fixtures/oncall/escalation.yaml")).unwrap();
        let schedules = [file.schedule.clone()];
        let directory = Directory { people: &file.people, teams: &file.teams, schedules: &schedules };
        let start = file.schedule.zone.start(Civil::parse("2026-03-04T10:00").unwrap());
        let (due, state) =
            simulate(&file.escalations[0], &directory, "critical", start, Assumed { acknowledge: Some((2, 120)) });
        let pages: Vec<(i64, &Action)> = due.iter().map(|due| ((due.at - start) / 60, &due.action)).collect();
        assert_eq!(pages.len(), 2, "{pages:?}");
        assert!(
            matches!(pages[0], (0, Action::Page { person, contact: Some(contact) }) if person == "ana" && contact.id == "phone"),
            "{pages:?}"
        );
        assert!(matches!(pages[1], (5, Action::Page { person, .. }) if person == "ben"), "{pages:?}");
        assert_eq!(state, State::Acknowledged { by: "ben".into(), at: start + 420 });
        let (all, state) = simulate(&file.escalations[0], &directory, "critical", start, Assumed::default());
        assert!(all.len() > 4 && state == State::Exhausted, "{all:?}");
    }
}
