//! The clockwork of one run: what is due at an instant, and what it is waiting for next.

use super::super::people::Contact;
use super::{Directory, GRACE, Policy, Receiver, Step};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// When every step of a round was passed over, the next round starts no sooner than this, seconds.
const SHORTEST_ROUND: i64 = 60;

/// Where a run stands.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Going through its steps.
    Open,
    /// Somebody took it.
    Acknowledged {
        /// Who.
        by: String,
        /// When.
        at: i64,
    },
    /// Put off.
    Snoozed {
        /// Until when.
        until: i64,
    },
    /// Every round is over and nobody answered.
    Exhausted,
    /// Over.
    Resolved {
        /// When.
        at: i64,
    },
}

/// One incident's way through a policy. Times are Unix seconds and absolute, so that a run can be kept and asked later.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Run {
    /// What it is about; part of every key.
    pub incident: String,
    /// Severity, for conditions.
    pub severity: String,
    /// Where it stands.
    pub state: State,
    /// The step that is taken next.
    pub step: usize,
    /// The round, from 0.
    pub round: u32,
    /// True when a step of this round was taken.
    taken: bool,
    /// When the next step is due.
    pub due: Option<i64>,
    /// When whoever acknowledged is reminded.
    remind: Option<i64>,
    /// When the acknowledgement ends.
    expires: Option<i64>,
    /// Notifications of steps that were taken, which come later by the person's rules.
    waiting: Vec<Waiting>,
    /// Since when timers stand still for maintenance.
    paused: Option<i64>,
    /// How many pages round-robin steps had, by step.
    turns: BTreeMap<usize, usize>,
    /// Counts what was taken, so that keys differ.
    taken_steps: u32,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Waiting {
    at: i64,
    person: String,
    contact: String,
    step: usize,
    key: String,
}

/// What has to be done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action {
    /// Notify a person by a contact; `None` when none is known.
    Page {
        /// Who.
        person: String,
        /// How.
        contact: Option<Contact>,
    },
    /// Post to a channel.
    Post {
        /// Which.
        channel: String,
    },
    /// Nobody is behind any target of this step.
    Nobody,
    /// Ask whoever acknowledged whether it goes on.
    Remind {
        /// Who.
        person: String,
    },
    /// The acknowledgement ended without a solution.
    AckExpired,
    /// A step that would have been taken while the machine slept.
    Missed,
    /// The last round is over.
    Exhausted,
}

/// Something that is due.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Due {
    /// When it was due.
    pub at: i64,
    /// Step, from 0.
    pub step: usize,
    /// What.
    pub action: Action,
    /// The same for the same notification, however often it is asked for: a key for deduplication.
    pub key: String,
}

impl Run {
    /// A run that starts now. `turns` are the pages that round-robin steps of this policy had so far, by step.
    pub fn start(incident: impl Into<String>, severity: impl Into<String>, now: i64, turns: BTreeMap<usize, usize>) -> Self {
        Self {
            incident: incident.into(),
            severity: severity.into(),
            state: State::Open,
            step: 0,
            round: 0,
            taken: false,
            due: Some(now),
            remind: None,
            expires: None,
            waiting: Vec::new(),
            paused: None,
            turns,
            taken_steps: 0,
        }
    }

    /// How many pages round-robin steps had, for the next run of the policy.
    pub fn turns(&self) -> &BTreeMap<usize, usize> {
        &self.turns
    }

    /// The next instant at which something is due; `None` when nothing will be by itself.
    pub fn next(&self) -> Option<i64> {
        if self.paused.is_some() {
            return None;
        }
        let snooze = if let State::Snoozed { until } = self.state { Some(until) } else { None };
        self.waiting.iter().map(|waiting| waiting.at).chain(self.due).chain(self.remind).chain(self.expires).chain(snooze).min()
    }

    /// Somebody takes it: nothing more is sent, but reminders.
    pub fn acknowledge(&mut self, policy: &Policy, by: &str, now: i64) {
        if matches!(self.state, State::Resolved { .. }) {
            return;
        }
        self.stop();
        self.state = State::Acknowledged { by: by.to_owned(), at: now };
        self.remind = policy.reminder.map(|every| now + every);
        self.expires = policy.ack_timeout.map(|after| now + after);
    }

    /// It is over.
    pub fn resolve(&mut self, now: i64) {
        self.stop();
        self.state = State::Resolved { at: now };
    }

    /// Nothing until then, from then on as if it had just started.
    pub fn snooze(&mut self, until: i64) {
        if !matches!(self.state, State::Resolved { .. }) {
            self.stop();
            self.state = State::Snoozed { until };
        }
    }

    /// Somebody wants the next step now, whoever acknowledged and however many rounds are over.
    pub fn escalate(&mut self, policy: &Policy, now: i64) {
        if matches!(self.state, State::Resolved { .. }) {
            return;
        }
        if self.step >= policy.steps.len() {
            (self.step, self.round, self.taken) = (0, self.round + 1, false);
        }
        self.stop();
        self.state = State::Open;
        self.due = Some(now);
    }

    /// Maintenance starts: timers stand still.
    pub fn pause(&mut self, now: i64) {
        self.paused.get_or_insert(now);
    }

    /// Maintenance is over: timers go on where they stood.
    pub fn unpause(&mut self, now: i64) {
        let Some(since) = self.paused.take() else { return };
        let stood = (now - since).max(0);
        let later = |time: &mut Option<i64>| *time = time.map(|time| time + stood);
        later(&mut self.due);
        later(&mut self.remind);
        later(&mut self.expires);
        self.waiting.iter_mut().for_each(|waiting| waiting.at += stood);
        if let State::Snoozed { until } = &mut self.state {
            *until = (*until).max(now);
        }
    }

    fn stop(&mut self) {
        (self.due, self.remind, self.expires) = (None, None, None);
        self.waiting.clear();
    }

    fn restart(&mut self, at: i64) {
        self.stop();
        self.state = State::Open;
        (self.step, self.round, self.taken, self.due) = (0, 0, false, Some(at));
    }
}

/// Does what is due up to `now`, in order, and returns it. Asking twice gives nothing the second time; asking every second
/// or only when [`Run::next`] says so gives the same.
pub fn advance(policy: &Policy, run: &mut Run, directory: &Directory<'_>, now: i64) -> Vec<Due> {
    let mut due = Vec::new();
    while let Some(at) = run.next().filter(|at| *at <= now) {
        if let Some(index) = run.waiting.iter().position(|waiting| waiting.at == at) {
            let waiting = run.waiting.remove(index);
            let contact = directory
                .person(&waiting.person)
                .and_then(|person| person.contacts.iter().find(|contact| contact.id == waiting.contact));
            due.push(Due {
                at,
                step: waiting.step,
                action: Action::Page { person: waiting.person, contact: contact.cloned() },
                key: waiting.key,
            });
        } else if matches!(run.state, State::Snoozed { until } if until == at) {
            run.restart(at);
        } else if run.expires == Some(at) {
            due.push(Due { at, step: 0, action: Action::AckExpired, key: format!("{}/expired/{at}", run.incident) });
            run.restart(at);
        } else if run.remind == Some(at) {
            remind(policy, run, at, now, &mut due);
        } else {
            step(policy, run, directory, at, now, &mut due);
        }
    }
    due
}

fn remind(policy: &Policy, run: &mut Run, at: i64, now: i64, due: &mut Vec<Due>) {
    if let State::Acknowledged { by, .. } = &run.state {
        due.push(Due {
            at,
            step: 0,
            action: Action::Remind { person: by.clone() },
            key: format!("{}/reminder/{at}", run.incident),
        });
    }
    // One reminder for a night of them.
    let from = if now - at > GRACE { now } else { at };
    run.remind = policy.reminder.map(|every| from + every.max(1));
}

fn step(policy: &Policy, run: &mut Run, directory: &Directory<'_>, at: i64, now: i64, due: &mut Vec<Due>) {
    let Some(step) = policy.steps.get(run.step) else { return end_of_round(policy, run, at, due) };
    if !step.when.holds(&run.severity, at) {
        run.step += 1;
        return;
    }
    let slept = now - at > GRACE;
    // What is done late is done for whoever is on call now.
    let taken_at = if slept { now } else { at };
    let (index, round) = (run.step, run.round);
    take(step, run, directory, at, taken_at, due);
    run.step += 1;
    run.taken = true;
    run.due = Some(taken_at + step.delay.max(0));
    if slept {
        missed(policy, run, (index, round), at, now, due);
    }
}

/// After the last step and its delay.
fn end_of_round(policy: &Policy, run: &mut Run, at: i64, due: &mut Vec<Due>) {
    if policy.steps.is_empty() || policy.repeat.is_some_and(|repeat| run.round >= repeat) {
        run.due = None;
        run.state = State::Exhausted;
        due.push(Due {
            at,
            step: run.step,
            action: Action::Exhausted,
            key: format!("{}/exhausted/{}", run.incident, run.round),
        });
        return;
    }
    let wait = if run.taken { 0 } else { policy.steps.iter().map(|step| step.delay).max().unwrap_or(0).max(SHORTEST_ROUND) };
    (run.step, run.round, run.taken, run.due) = (0, run.round + 1, false, Some(at + wait));
}

fn take(step: &Step, run: &mut Run, directory: &Directory<'_>, at: i64, taken_at: i64, due: &mut Vec<Due>) {
    let mut receivers: Vec<Receiver> = Vec::new();
    for receiver in step.targets.iter().flat_map(|target| directory.receivers(target, taken_at)) {
        if !receivers.contains(&receiver) {
            receivers.push(receiver);
        }
    }
    if step.round_robin && !receivers.is_empty() {
        let turn = run.turns.entry(run.step).or_default();
        receivers = vec![receivers.swap_remove(*turn % receivers.len())];
        *turn += 1;
    }
    let place = run.step;
    run.taken_steps += 1;
    let key = |of: &str| format!("{}/{}/{of}", run.incident, run.taken_steps);
    if receivers.is_empty() {
        due.push(Due { at, step: place, action: Action::Nobody, key: key("nobody") });
    }
    let mut waiting = Vec::new();
    for receiver in receivers {
        match receiver {
            Receiver::Channel(channel) => {
                due.push(Due {
                    at,
                    step: place,
                    key: key(&format!("channel/{channel}")),
                    action: Action::Post { channel: channel.to_string() },
                });
            }
            Receiver::Person(person) => {
                let notifications =
                    directory.person(&person).map(|known| known.notifications(step.urgency)).unwrap_or_default();
                if notifications.is_empty() {
                    let action = Action::Page { person: person.to_string(), contact: None };
                    due.push(Due { at, step: place, action, key: key(&format!("person/{person}")) });
                }
                for (contact, after) in notifications {
                    let key = key(&format!("person/{person}/{}", contact.id));
                    if after == 0 {
                        let action = Action::Page { person: person.to_string(), contact: Some(contact.clone()) };
                        due.push(Due { at, step: place, action, key });
                    } else {
                        waiting.push(Waiting {
                            at: taken_at + after,
                            person: person.to_string(),
                            contact: contact.id.to_string(),
                            step: place,
                            key,
                        });
                    }
                }
            }
        }
    }
    run.waiting.append(&mut waiting);
}

/// The steps that would have been taken after this one while nobody looked.
fn missed(policy: &Policy, run: &Run, (mut step, mut round): (usize, u32), at: i64, now: i64, due: &mut Vec<Due>) {
    const MOST: usize = 100;
    let mut time = at;
    let mut told = 0;
    while told < MOST {
        time += policy.steps.get(step).map_or(SHORTEST_ROUND, |step| step.delay.max(1));
        step += 1;
        if step >= policy.steps.len() {
            if policy.repeat.is_some_and(|repeat| round >= repeat) {
                return;
            }
            (step, round) = (0, round + 1);
        }
        if time > now {
            return;
        }
        if policy.steps[step].when.holds(&run.severity, time) {
            due.push(Due { at: time, step, action: Action::Missed, key: format!("{}/missed/{time}", run.incident) });
            told += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::people::{NotificationRule, Person, Team, Urgency};
    use super::super::{Condition, Target};
    use super::*;

    fn step(targets: &[Target], minutes: i64) -> Step {
        Step {
            targets: targets.to_vec(),
            delay: minutes * 60,
            urgency: Urgency::Default,
            round_robin: false,
            when: Condition::default(),
        }
    }

    fn person(name: &str) -> Target {
        Target::Person(name.into())
    }

    fn policy(steps: Vec<Step>, repeat: u32) -> Policy {
        Policy { name: "p".into(), steps, repeat: Some(repeat), reminder: None, ack_timeout: None }
    }

    fn told(due: &[Due]) -> Vec<String> {
        let line = |due: &Due| {
            let what = match &due.action {
                Action::Page { person, contact } => {
                    format!("page {person}{}", contact.as_ref().map_or(String::new(), |contact| format!(" by {}", contact.id)))
                }
                Action::Post { channel } => format!("post {channel}"),
                Action::Remind { person } => format!("remind {person}"),
                other => format!("{other:?}").to_lowercase(),
            };
            format!("{} {what}", due.at / 60)
        };
        due.iter().map(line).collect()
    }

    /// Asks every `every` seconds up to `until`.
    fn walk(policy: &Policy, run: &mut Run, directory: &Directory<'_>, until: i64, every: usize) -> Vec<Due> {
        (0..=until).step_by(every).flat_map(|now| advance(policy, run, directory, now)).collect()
    }

    #[test]
    fn steps_follow_their_delays_and_rounds_and_then_it_is_exhausted() {
        let policy = policy(vec![step(&[person("ana")], 5), step(&[person("ben"), Target::Channel("ops".into())], 10)], 1);
        let run = || Run::start("i", "critical", 0, BTreeMap::new());
        let every_second = walk(&policy, &mut run(), &Directory::default(), 4000, 1);
        assert_eq!(
            told(&every_second),
            ["0 page ana", "5 page ben", "5 post ops", "15 page ana", "20 page ben", "20 post ops", "30 exhausted"]
        );
        let mut keys: Vec<&str> = every_second.iter().map(|due| due.key.as_str()).collect();
        keys.dedup();
        assert_eq!(keys.len(), every_second.len(), "every notification has a key of its own");
        // Asked seldom, only when it is due, or after being written down and read again, it is the same.
        assert_eq!(walk(&policy, &mut run(), &Directory::default(), 4000, 100), every_second);
        let (mut kept, mut due) = (run(), Vec::new());
        while let Some(at) = kept.next() {
            kept = serde_json::from_str(&serde_json::to_string(&kept).unwrap()).unwrap();
            due.extend(advance(&policy, &mut kept, &Directory::default(), at));
        }
        assert_eq!((due, kept.state), (every_second, State::Exhausted));
    }

    #[test]
    fn an_acknowledgement_stops_pages_reminds_and_ends() {
        let mut policy = policy(vec![step(&[person("ana")], 5)], 9);
        (policy.reminder, policy.ack_timeout) = (Some(1800), Some(4000));
        let mut run = Run::start("i", "", 0, BTreeMap::new());
        advance(&policy, &mut run, &Directory::default(), 0);
        run.acknowledge(&policy, "ana", 120);
        assert_eq!(
            told(&walk(&policy, &mut run, &Directory::default(), 4300, 10)),
            ["32 remind ana", "62 remind ana", "68 ackexpired", "68 page ana"]
        );
        run.resolve(4301);
        assert_eq!((run.next(), advance(&policy, &mut run, &Directory::default(), 99_999)), (None, Vec::new()));
        run.acknowledge(&policy, "ben", 4400);
        assert_eq!(run.state, State::Resolved { at: 4301 }, "what is over stays over");
    }

    #[test]
    fn rules_of_people_come_later_and_an_acknowledgement_takes_them_back() {
        let contact = |id: &str| Contact { id: id.into(), channel: id.into(), address: String::new() };
        let rule = |id: &str, after| NotificationRule { contact: id.into(), after };
        let people = [Person {
            contacts: vec![contact("mail"), contact("push")],
            rules: vec![rule("mail", 0), rule("push", 180)],
            ..Person::named("ana")
        }];
        let directory = Directory { people: &people, ..Directory::default() };
        let policy = policy(vec![step(&[person("ana")], 10)], 0);
        let mut run = Run::start("i", "", 0, BTreeMap::new());
        assert_eq!(told(&walk(&policy, &mut run.clone(), &directory, 500, 7)), ["0 page ana by mail", "3 page ana by push"]);
        advance(&policy, &mut run, &directory, 60);
        run.acknowledge(&policy, "ana", 61);
        assert!(walk(&policy, &mut run, &directory, 500, 7).is_empty());
    }

    #[test]
    fn round_robin_takes_one_of_a_team_and_goes_on_in_the_next_run() {
        let teams = [Team { id: "t".into(), members: vec!["ana".into(), "ben".into(), "chi".into()] }];
        let directory = Directory { teams: &teams, ..Directory::default() };
        let policy = policy(vec![Step { round_robin: true, ..step(&[Target::Team("t".into())], 5) }], 1);
        let mut run = Run::start("i", "", 0, BTreeMap::new());
        assert_eq!(told(&walk(&policy, &mut run, &directory, 400, 60)), ["0 page ana", "5 page ben"]);
        let mut next = Run::start("j", "", 0, run.turns().clone());
        assert_eq!(told(&advance(&policy, &mut next, &directory, 0)), ["0 page chi"]);
        // Without it, everybody.
        let all = Policy { steps: vec![step(&[Target::Team("t".into())], 5)], ..policy };
        assert_eq!(advance(&all, &mut Run::start("k", "", 0, BTreeMap::new()), &directory, 0).len(), 3);
    }

    #[test]
    fn conditions_pass_steps_over_at_once_and_a_round_of_none_waits() {
        let critical = Condition { severity: vec!["critical".into()], ..Condition::default() };
        let policy = policy(vec![Step { when: critical.clone(), ..step(&[person("ana")], 5) }, step(&[person("ben")], 5)], 0);
        let first = |severity: &str| {
            told(&advance(&policy, &mut Run::start("i", severity, 0, BTreeMap::new()), &Directory::default(), 0))
        };
        assert_eq!((first("critical"), first("warning")), (vec!["0 page ana".to_owned()], vec!["0 page ben".to_owned()]));
        let never = Policy { steps: vec![Step { when: critical, ..step(&[person("ana")], 5) }], repeat: None, ..policy };
        let mut run = Run::start("i", "warning", 0, BTreeMap::new());
        assert!(advance(&never, &mut run, &Directory::default(), 60).is_empty());
        assert_eq!(run.next(), Some(300));
    }

    #[test]
    fn a_night_of_sleep_pages_once_and_tells_what_was_missed() {
        let policy = policy(vec![step(&[person("ana")], 5), step(&[person("ben")], 10), step(&[person("chi")], 10)], 0);
        let mut run = Run::start("i", "", 0, BTreeMap::new());
        advance(&policy, &mut run, &Directory::default(), 0);
        let wake = 8 * 3600;
        assert_eq!(told(&advance(&policy, &mut run, &Directory::default(), wake)), ["5 page ben", "15 missed"]);
        assert_eq!(run.next(), Some(wake + 600), "the delay counts from now");
        assert_eq!(told(&advance(&policy, &mut run, &Directory::default(), wake + 600)), ["490 page chi"]);
    }

    #[test]
    fn snooze_maintenance_and_escalating_by_hand() {
        let policy = policy(vec![step(&[person("ana")], 5), step(&[person("ben")], 5)], 0);
        let none = Directory::default();
        let mut run = Run::start("i", "", 0, BTreeMap::new());
        advance(&policy, &mut run, &none, 0);
        run.pause(60);
        assert!(advance(&policy, &mut run, &none, 7000).is_empty());
        run.unpause(3660);
        assert_eq!(run.next(), Some(3900));
        run.escalate(&policy, 3700);
        assert_eq!(told(&advance(&policy, &mut run, &none, 3700)), ["61 page ben"]);
        assert_eq!(told(&advance(&policy, &mut run, &none, 4000)), ["66 exhausted"]);
        run.escalate(&policy, 4100);
        assert_eq!(told(&advance(&policy, &mut run, &none, 4100)), ["68 page ana"], "by hand it goes on after the last round");
        run.snooze(9000);
        assert_eq!(told(&walk(&policy, &mut run, &none, 9000, 60)), ["150 page ana"]);
    }

    #[test]
    fn a_gap_is_told_and_the_next_step_still_comes() {
        let policy = policy(vec![step(&[Target::Schedule("nowhere".into())], 5), step(&[person("ben")], 5)], 0);
        let mut run = Run::start("i", "", 0, BTreeMap::new());
        assert_eq!(told(&walk(&policy, &mut run, &Directory::default(), 300, 60)), ["0 nobody", "5 page ben"]);
    }
}
