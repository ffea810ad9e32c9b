//! How the load of a schedule is spread: hours, nights, weekends and holidays per person, fairness and a quality score.
//!
//! The score is Grafana OnCall's: good is one minus the share of the window in which nobody is on call; balance is the mean,
//! over pairs of people, of the smaller time on call divided by the larger (95 % and more counts as 100); the score is the
//! mean of both, in percent; who has more than the average is overloaded. Night is 22:00 to 06:00 on the clock of the
//! person's own zone, where it is known, else of the schedule's.

use super::civil::{Civil, DAY, Weekday, Weekdays, weekday_of};
use super::people::Person;
use super::restrict::{Restriction, open_spans};
use super::roster::Roster;
use super::schedule::Schedule;
use super::zone::Zone;
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// Night on the wall clock, minutes after midnight.
const NIGHT: (i64, i64) = (22 * 60, 6 * 60);
/// Balance from which a pair counts as equal.
const EQUAL: f64 = 0.95;

/// One person's part.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Load {
    /// Seconds on call.
    pub seconds: i64,
    /// Of them at night.
    pub nights: i64,
    /// Of them on Saturday and Sunday.
    pub weekends: i64,
    /// Of them on marked holidays.
    pub holidays: i64,
    /// Shifts.
    pub shifts: usize,
    /// Longest time on call without a break, seconds.
    pub longest: i64,
    /// More than the average.
    pub overloaded: bool,
}

/// The spread over a window.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Fairness {
    /// By person, everybody whom the schedule names.
    pub people: BTreeMap<SmolStr, Load>,
    /// Share of the window with somebody on call, 0 to 1.
    pub covered: f64,
    /// Balance of time on call, 0 to 1.
    pub balance: f64,
    /// Balance of nights, 0 to 1.
    pub night_balance: f64,
    /// Balance of weekends, 0 to 1.
    pub weekend_balance: f64,
    /// Quality, 0 to 100.
    pub score: f64,
}

/// Measures a rendered window `[from, to)`.
pub fn fairness(schedule: &Schedule, people: &[Person], roster: &Roster, from: i64, to: i64) -> Fairness {
    let mut found = Fairness {
        people: schedule.people().into_iter().map(|person| (person, Load::default())).collect(),
        ..Fairness::default()
    };
    let zone = schedule.zone.as_ref();
    let weekend = Restriction { days: Weekdays::of([Weekday::Sat, Weekday::Sun]), from: 0, to: DAY };
    let weekends = open_spans(&[weekend], zone, from, to);
    let holidays: Vec<(i64, i64)> =
        schedule.holidays.iter().map(|(day, _)| (zone.start(*day), zone.start(day.plus(DAY)))).collect();
    let night = Restriction { days: Weekdays::ALL, from: NIGHT.0, to: NIGHT.1 };
    let mut nights: BTreeMap<SmolStr, Vec<(i64, i64)>> = BTreeMap::new();
    let mut stretch: BTreeMap<SmolStr, (i64, i64)> = BTreeMap::new();
    for shift in &roster.shifts {
        let nights = nights.entry(shift.person.clone()).or_insert_with(|| {
            let own =
                people.iter().find(|person| person.id == shift.person).and_then(|person| Zone::get(person.zone.as_ref()?).ok());
            open_spans(&[night], own.as_ref().unwrap_or(zone), from, to)
        });
        let load = found.people.entry(shift.person.clone()).or_default();
        load.seconds += shift.to - shift.from;
        load.nights += overlap(nights, shift.from, shift.to);
        load.weekends += overlap(&weekends, shift.from, shift.to);
        load.holidays += holidays.iter().map(|(start, end)| (shift.to.min(*end) - shift.from.max(*start)).max(0)).sum::<i64>();
        load.shifts += 1;
        let running = stretch.entry(shift.person.clone()).or_insert((shift.from, shift.from));
        *running = if running.1 >= shift.from { (running.0, running.1.max(shift.to)) } else { (shift.from, shift.to) };
        load.longest = load.longest.max(running.1 - running.0);
    }
    let window = (to - from).max(1) as f64;
    let gaps: i64 = roster.gaps.iter().map(|(start, end)| end - start).sum();
    found.covered = 1.0 - gaps as f64 / window;
    let times = |pick: fn(&Load) -> i64| balance(&found.people.values().map(pick).collect::<Vec<_>>());
    let (all, night, weekend) = (times(|load| load.seconds), times(|load| load.nights), times(|load| load.weekends));
    (found.balance, found.night_balance, found.weekend_balance) = (all, night, weekend);
    found.score = 100.0 * (found.covered + found.balance) / 2.0;
    let average = found.people.values().map(|load| load.seconds).sum::<i64>() as f64 / found.people.len().max(1) as f64;
    for load in found.people.values_mut() {
        load.overloaded = load.seconds as f64 > average / EQUAL;
    }
    found
}

/// Mean over pairs of the smaller divided by the larger; 1 for one person or for nothing at all.
fn balance(times: &[i64]) -> f64 {
    let pairs = times.iter().enumerate().flat_map(|(index, a)| times[index + 1..].iter().map(move |b| (*a, *b)));
    let shares: Vec<f64> = pairs
        .map(|(a, b)| if a.max(b) == 0 { 1.0 } else { a.min(b) as f64 / a.max(b) as f64 })
        .map(|share| if share >= EQUAL { 1.0 } else { share })
        .collect();
    if shares.is_empty() { 1.0 } else { shares.iter().sum::<f64>() / shares.len() as f64 }
}

/// Seconds of `[from, to)` inside spans that are ascending and apart.
fn overlap(spans: &[(i64, i64)], from: i64, to: i64) -> i64 {
    let first = spans.partition_point(|(_, end)| *end <= from);
    spans[first..].iter().take_while(|(start, _)| *start < to).map(|(start, end)| end.min(&to) - start.max(&from)).sum()
}

/// True when a civil day is Saturday or Sunday.
pub fn is_weekend(day: Civil) -> bool {
    matches!(weekday_of(day.day()), Weekday::Sat | Weekday::Sun)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oncall::{final_schedule, read};

    #[test]
    fn two_equal_people_score_a_hundred_and_a_gap_or_an_unequal_share_less() {
        let of = |layer: &str| {
            let file = read(&format!("schedule: P\nzone: UTC\nlayers:\n  - {layer}\n")).unwrap();
            let from = file.schedule.zone.start(Civil::parse("2026-03-02").unwrap());
            let to = from + 52 * 7 * 86_400;
            fairness(&file.schedule, &file.people, &final_schedule(&file.schedule, from, to), from, to)
        };
        let equal = of("rotation: {every: 1 week, start: 2026-03-02T00:00, people: [a, b]}");
        assert_eq!((equal.score, equal.people["a"].seconds, equal.people["a"].shifts), (100.0, 26 * 7 * 86_400, 26));
        assert_eq!(equal.people["a"].weekends, 26 * 2 * 86_400);
        assert_eq!(equal.people["a"].nights, 26 * 7 * 8 * 3600);
        let half = of(
            "rotation: {every: 1 week, start: 2026-03-02T00:00, people: [a, b]}\n    restrict: [{from: \"00:00\", to: \"12:00\"}]",
        );
        assert_eq!((half.covered, half.score), (0.5, 75.0));
        let unequal = of("rotation: {every: 1 week, start: 2026-03-02T00:00, people: [a, a, a, b]}");
        assert!(
            (unequal.balance - 1.0 / 3.0).abs() < 1e-9 && unequal.people["a"].overloaded && !unequal.people["b"].overloaded
        );
    }
}
