use super::*;
use crate::alerting::rules::QuerySample;
use crate::alerting::rules::file::ReadOptions;
use crate::alerting::rules::restore::{ForState, restore};
use crate::alerting::rules::state::AlertState;
use crate::model::sample::is_stale;

const MINUTE: i64 = 60_000_000_000;

fn at(minutes: i64) -> UnixNanos {
    UnixNanos((1_000_000 + minutes) * MINUTE)
}

fn group(text: &str) -> ReadyGroup {
    let file = RuleFile::parse(text, ReadOptions::default(), &|_| Ok(())).unwrap();
    ready_groups("f.yml", &file, &GroupDefaults::new(|_| String::new())).remove(0)
}

const PENDING: &str = "groups: [{name: g, interval: 1m, rules: [{alert: A, expr: x, for: 20m}, {record: r, expr: y}]}]";

fn returned() -> Vec<QuerySample> {
    vec![QuerySample { labels: Labels::new([("job", "a")]), value: SampleValue::Float(1.0) }]
}

/// Evaluates the whole group; the alerts that are sent and the samples that are written.
fn eval(group: &ReadyGroup, state: &mut GroupState, now: UnixNanos, answer: &RuleQuery<'_>) -> (Vec<Alert>, Vec<RuleSample>) {
    state.begin(group, now);
    let (mut alerts, mut samples) = (Vec::new(), Vec::new());
    for place in 0..group.rules.len() {
        let outcome = state.eval_rule(group, place, now, &GroupDefaults::new(|_| String::new()), answer);
        alerts.extend(outcome.alerts);
        samples.extend(outcome.samples);
    }
    (alerts, samples)
}

#[test]
fn instants_are_slotted_and_late_cycles_are_skipped_and_counted() {
    let group = group(PENDING);
    let slot = group.slot(at(5));
    assert!(slot <= at(5) && slot > at(4));
    assert_eq!(group.slot(slot), slot);
    assert_eq!(group.slot(UnixNanos(slot.0 - 1)), UnixNanos(slot.0 - MINUTE));
    assert_eq!(group.next(slot, UnixNanos(slot.0 + MINUTE)), (UnixNanos(slot.0 + MINUTE), 0));
    assert_eq!(group.next(slot, UnixNanos(slot.0 + 3 * MINUTE + 5)), (UnixNanos(slot.0 + 3 * MINUTE), 2));
}

#[test]
fn what_a_rule_no_longer_writes_is_ended() {
    let group = group("groups: [{name: g, rules: [{record: r, expr: y}]}]");
    let mut state = GroupState::new(&group, true);
    eval(&group, &mut state, at(0), &|_, _| Ok(returned()));
    let (_, samples) = eval(&group, &mut state, at(1), &|_, _| Ok(Vec::new()));
    assert_eq!(samples.len(), 1);
    assert!(matches!(samples[0].value, SampleValue::Float(value) if is_stale(value)));
    assert_eq!(eval(&group, &mut state, at(2), &|_, _| Ok(Vec::new())).1, [], "once");
    eval(&group, &mut state, at(3), &|_, _| Ok(returned()));
    assert_eq!(eval(&group, &mut state, at(4), &|_, _| Err("down".to_owned())).1, [], "a failed query ends nothing");
    assert_eq!(state.rules[0].health, Health::Bad("down".to_owned()));
}

#[test]
fn alerts_are_sent_when_they_fire_again_after_the_delay_and_when_they_end() {
    let group = group("groups: [{name: g, interval: 30s, rules: [{alert: A, expr: 'x > 1'}]}]");
    let mut state = GroupState::new(&group, true);
    let half = |halves: i64| UnixNanos(at(0).0 + halves * MINUTE / 2);
    let (sent, _) = eval(&group, &mut state, half(0), &|_, _| Ok(returned()));
    assert_eq!((sent[0].starts_at, sent[0].ends_at), (half(0), half(8)), "four times the resend delay");
    assert_eq!(sent[0].generator_url, "/graph?g0.expr=x+%3E+1&g0.tab=1");
    assert!(eval(&group, &mut state, half(1), &|_, _| Ok(returned())).0.is_empty());
    assert!(eval(&group, &mut state, half(2), &|_, _| Ok(returned())).0.is_empty());
    assert_eq!(eval(&group, &mut state, half(3), &|_, _| Ok(returned())).0.len(), 1);
    let (sent, _) = eval(&group, &mut state, half(4), &|_, _| Ok(Vec::new()));
    assert_eq!(sent[0].ends_at, half(4));
    assert_eq!(state.rules[0].state(), AlertState::Inactive);
}

/// Asleep from minute 5 to minute 120: a wait of twenty minutes had fifteen left.
#[test]
fn a_laptops_sleep_does_not_count_as_waiting() {
    let group = group(PENDING);
    let mut state = GroupState::new(&group, true);
    for minute in 0..=5 {
        eval(&group, &mut state, at(minute), &|_, _| Ok(returned()));
    }
    let awake = 5 + 50;
    let (sent, _) = eval(&group, &mut state, at(awake), &|_, _| Ok(returned()));
    assert!(sent.is_empty() && state.rules[0].state() == AlertState::Pending, "it did not fire on waking");
    let mut fired = None;
    for minute in awake + 1..awake + 40 {
        if !eval(&group, &mut state, at(minute), &|_, _| Ok(returned())).0.is_empty() {
            fired = fired.or(Some(minute));
        }
    }
    assert_eq!(fired, Some(awake + 15), "what remained of the wait before the sleep");
}

#[test]
fn after_a_long_sleep_waiting_begins_anew_and_what_fires_goes_on() {
    let group = group("groups: [{name: g, interval: 1m, rules: [{alert: A, expr: x, for: 3m, keep_firing_for: 5m}]}]");
    let mut state = GroupState::new(&group, true);
    for minute in 0..=4 {
        eval(&group, &mut state, at(minute), &|_, _| Ok(returned()));
    }
    assert_eq!(state.rules[0].state(), AlertState::Firing);
    eval(&group, &mut state, at(5), &|_, _| Ok(Vec::new()));
    eval(&group, &mut state, at(500), &|_, _| Ok(Vec::new()));
    assert_eq!(state.rules[0].state(), AlertState::Firing, "the sleep does not use up keep_firing_for");
    let mut pending = GroupState::new(&group, true);
    eval(&group, &mut pending, at(0), &|_, _| Ok(returned()));
    eval(&group, &mut pending, at(500), &|_, _| Ok(returned()));
    assert_eq!(pending.rules[0].state(), AlertState::Pending);
    eval(&group, &mut pending, at(503), &|_, _| Ok(returned()));
    assert_eq!(pending.rules[0].state(), AlertState::Firing);
}

#[test]
fn a_restart_restores_the_wait_from_its_series() {
    let group = group(PENDING);
    let mut state = GroupState::new(&group, false);
    for minute in [30, 31] {
        assert!(
            eval(&group, &mut state, at(minute), &|_, _| Ok(returned()))
                .1
                .iter()
                .all(|sample| sample.labels.metric_name() == "r")
        );
    }
    let labels = Labels::new([("alertname", "A"), ("job", "a")]);
    let last = ForState { time_ms: at(15).0 / 1_000_000, active_second: (at(10).0 / 1_000_000_000) as f64 };
    restore(&mut state.rules[0], DurationNs(20 * MINUTE), &HashMap::from([(labels.clone(), last)]), at(31));
    assert_eq!(state.rules[0].alerts[&labels].active_at, at(26), "it had waited five minutes");
    let (_, samples) = eval(&group, &mut state, at(32), &|_, _| Ok(returned()));
    assert_eq!(samples.iter().filter(|sample| sample.labels.metric_name() == "ALERTS").count(), 1);
}

#[test]
fn an_edit_carries_state_over_by_name_and_labels_and_ends_what_is_gone() {
    let before = group("groups: [{name: g, rules: [{alert: A, expr: x}, {alert: A, expr: y}, {record: r, expr: y}]}]");
    let after = group("groups: [{name: g, rules: [{alert: B, expr: x}, {alert: A, expr: z}]}]");
    let mut state = GroupState::new(&before, true);
    eval(&before, &mut state, at(0), &|_, _| Ok(returned()));
    let mut carried = state.carried_over(&before, &after);
    assert_eq!(carried.rules[1].alerts, state.rules[0].alerts, "the first of two with the same identity");
    assert!(carried.rules[0].alerts.is_empty() && carried.rules[0].restored);
    let ended: Vec<String> = carried.end_orphans(at(3)).iter().map(|sample| sample.labels.to_string()).collect();
    assert_eq!(ended, ["r{job=\"a\"}"], "what another rule goes on writing is not ended");
    assert_eq!(carried.end_orphans(at(4)), []);
}
