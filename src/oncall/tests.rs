//! The properties of the final schedule, over zones, years and random schedules.
//!
//! The ordinary run takes a seeded sample of zones; `BELVEDERE_SLOW=1` takes every zone and twenty years.

use super::*;
use proptest::prelude::*;
use smol_str::SmolStr;
use std::collections::BTreeSet;
use std::sync::Arc;

const HOUR_SECONDS: i64 = 3600;

/// Whether this run looks at everything.
fn slow() -> bool {
    std::env::var_os("BELVEDERE_SLOW").is_some_and(|value| value == "1")
}

fn zones() -> Vec<SmolStr> {
    let all: Vec<SmolStr> =
        jiff::tz::db().available().map(|name| SmolStr::new(name.as_str())).filter(|name| !name.contains("Unknown")).collect();
    if slow() {
        return all;
    }
    let odd = [
        "America/Chicago",
        "Australia/Lord_Howe",
        "Africa/Casablanca",
        "Pacific/Apia",
        "America/St_Johns",
        "Asia/Kathmandu",
        "Africa/Cairo",
    ];
    let step = (all.len() / 12).max(1);
    all.iter().step_by(step).cloned().chain(odd.map(SmolStr::new)).collect()
}

fn instant(zone: &Zone, civil: &str) -> i64 {
    zone.start(Civil::parse(civil).unwrap())
}

fn file(text: &str) -> Schedule {
    read(text).unwrap().schedule
}

fn utc(instant: i64) -> String {
    jiff::Timestamp::from_second(instant).unwrap().to_string()
}

fn shown(schedule: &Schedule, roster: &Roster) -> Vec<String> {
    let line =
        |shift: &Shift| format!("{} {} {} {}", shift.person, utc(shift.from), utc(shift.to), shift.source.name(schedule));
    roster.shifts.iter().map(line).collect()
}

/// Coverage and gaps are the window exactly; nothing is empty; nobody has two shifts at once; `who` says the same.
fn check(schedule: &Schedule, roster: &Roster, from: i64, to: i64, step: i64) {
    let mut edges: Vec<i64> = roster.shifts.iter().flat_map(|shift| [shift.from, shift.to]).collect();
    edges.extend(roster.gaps.iter().flat_map(|(start, end)| [*start, *end]));
    assert!(edges.iter().all(|edge| (from..=to).contains(edge)), "clipped to the window");
    assert!(
        roster.shifts.iter().all(|shift| shift.from < shift.to) && roster.gaps.iter().all(|(start, end)| start < end),
        "nothing is empty"
    );
    for (index, shift) in roster.shifts.iter().enumerate() {
        let twice = roster.shifts[index + 1..]
            .iter()
            .take_while(|other| other.from < shift.to)
            .find(|other| other.person == shift.person);
        assert!(twice.is_none(), "{shift:?} and {twice:?}");
    }
    let mut covered =
        roster.shifts.iter().map(|shift| (shift.from, shift.to)).chain(roster.gaps.iter().copied()).collect::<Vec<_>>();
    covered.sort_unstable();
    let mut reached = from;
    for (start, end) in covered {
        assert!(start <= reached, "neither covered nor a gap: {} to {}", utc(reached), utc(start));
        reached = reached.max(end);
    }
    assert_eq!(reached, to);
    for gap in &roster.gaps {
        assert!(roster.shifts.iter().all(|shift| shift.to <= gap.0 || shift.from >= gap.1), "a gap with somebody in it");
    }
    let mut moments: Vec<i64> =
        edges.iter().flat_map(|edge| [edge - 1, *edge]).filter(|moment| (from..to).contains(moment)).collect();
    moments.extend((from..to).step_by(step as usize));
    for moment in moments {
        let rendered: BTreeSet<SmolStr> = roster
            .shifts
            .iter()
            .filter(|shift| shift.from <= moment && moment < shift.to)
            .map(|shift| shift.person.clone())
            .collect();
        assert_eq!(who(schedule, moment).into_iter().collect::<BTreeSet<_>>(), rendered, "at {}", utc(moment));
    }
}

/// Two halves, joined where they meet, are the whole.
fn check_slices(schedule: &Schedule, from: i64, middle: i64, to: i64) {
    let whole = final_schedule(schedule, from, to);
    let (mut left, right) = (final_schedule(schedule, from, middle), final_schedule(schedule, middle, to));
    for shift in right.shifts {
        let seam = left.shifts.iter_mut().find(|before| {
            before.to == middle
                && shift.from == middle
                && before.person == shift.person
                && before.source == shift.source
                && before.instead_of == shift.instead_of
        });
        match seam {
            Some(before) => before.to = shift.to,
            None => left.shifts.push(shift),
        }
    }
    for gap in right.gaps {
        match left.gaps.last_mut() {
            Some(last) if last.1 == gap.0 => last.1 = gap.1,
            _ => left.gaps.push(gap),
        }
    }
    let sorted = |mut roster: Roster| {
        roster.shifts.sort_by(|a, b| (a.from, &a.person, a.source).cmp(&(b.from, &b.person, b.source)));
        roster
    };
    assert_eq!(sorted(left), sorted(whole));
}

#[test]
fn the_schedule_of_the_design_is_rendered_to_the_minute() {
    let schedule = file(
        "schedule: Primary\nzone: America/Chicago\nlayers:\n  - name: weekly\n    rotation: {every: 1 week, start: 2026-03-02T09:00, people: [ana, ben, chi]}\n    restrict: [{days: [mon, tue, wed, thu, fri], from: \"09:00\", to: \"17:00\"}]\noverrides:\n  - {replace: ana, with: chi, from: 2026-03-08T01:00, to: 2026-03-08T05:00}\n  - {add: ben, from: 2026-03-09T01:00, to: 2026-03-09T05:00}\n  - {remove: chi, from: 2026-03-10T01:00, to: 2026-03-10T05:00}\n",
    );
    let zone = schedule.zone.clone();
    let roster = final_schedule(&schedule, instant(&zone, "2026-03-06"), instant(&zone, "2026-03-10"));
    assert_eq!(
        shown(&schedule, &roster),
        [
            "ana 2026-03-06T15:00:00Z 2026-03-06T23:00:00Z weekly",
            "ben 2026-03-09T06:00:00Z 2026-03-09T10:00:00Z override",
            "ben 2026-03-09T14:00:00Z 2026-03-09T22:00:00Z weekly",
        ]
    );
    assert_eq!(roster.gaps.len(), 4);
    assert_eq!(who(&schedule, instant(&zone, "2026-03-06T10:00")), ["ana"]);
    assert_eq!(next_change(&schedule, instant(&zone, "2026-03-06T10:00")), Some(instant(&zone, "2026-03-06T17:00")));
    assert_eq!(next_change(&schedule, instant(&zone, "2026-03-06T20:00")), Some(instant(&zone, "2026-03-09T01:00")));
}

#[test]
fn precedence_is_temporary_then_overrides_then_layers_by_priority_then_nobody() {
    let schedule = file(
        "schedule: P\nzone: UTC\nlayers:\n  - {name: low, people: [ana]}\n  - {name: a, priority: 5, people: [ben], restrict: [{from: \"10:00\", to: \"12:00\"}]}\n  - {name: b, priority: 5, people: [chi], restrict: [{from: \"11:00\", to: \"13:00\"}]}\noverrides:\n  - {add: dan, from: 2026-03-02T11:30, to: 2026-03-02T11:45}\n  - {replace: ben, with: eve, from: 2026-03-02T11:00, to: 2026-03-02T11:45}\n  - {replace: ben, with: fay, from: 2026-03-02T11:00, to: 2026-03-02T11:45, priority: 1}\n  - {remove: chi, from: 2026-03-02T11:40, to: 2026-03-02T12:30}\n  - {replace: ana, with: fay, from: 2026-03-02T20:00, to: 2026-03-02T21:00}\n  - {replace: fay, with: gus, from: 2026-03-02T20:00, to: 2026-03-02T21:00}\ntemporary:\n  - {from: 2026-03-02T22:00, to: 2026-03-02T23:00, shifts: [{person: gus, from: 2026-03-02T22:30, to: 2026-03-03T00:00}]}\n",
    );
    for (time, people) in [
        ("09:00", &["ana"][..]),
        ("10:00", &["ben"]),
        ("11:00", &["fay", "chi"]),
        ("11:30", &["fay", "chi", "dan"]),
        ("11:40", &["fay", "dan"]),
        ("11:45", &["ben"]),
        ("12:00", &[]),
        ("12:30", &["chi"]),
        ("13:00", &["ana"]),
        ("20:00", &["fay"]),
        ("22:00", &[]),
        ("22:30", &["gus"]),
        ("23:00", &["ana"]),
    ] {
        assert_eq!(who(&schedule, instant(&schedule.zone, &format!("2026-03-02T{time}"))), people, "{time}");
    }
    let from = instant(&schedule.zone, "2026-03-01");
    check(&schedule, &final_schedule(&schedule, from, from + 72 * HOUR_SECONDS), from, from + 72 * HOUR_SECONDS, 600);
}

/// The hand-overs of a rotation found by asking every 30 seconds, as wall clock and length in hours.
fn brute_force(zone: &str, every: &str, from: &str, to: &str) -> Vec<String> {
    let schedule = file(&format!(
        "schedule: P\nzone: {zone}\nlayers:\n  - rotation: {{every: {every}, start: 2026-01-01T00:00, people: [a, b, c, d, e, f, g]}}\n"
    ));
    let zone = &schedule.zone;
    let (from, to) = (instant(zone, from), instant(zone, to));
    let (mut found, mut since) = (Vec::new(), None);
    let mut last = who(&schedule, from);
    for moment in (from..=to).step_by(30) {
        let now = who(&schedule, moment);
        if now != last {
            if let Some(since) = since {
                found.push(format!("{} {}h", zone.civil(since), (moment - since) as f64 / 3600.0));
            }
            (last, since) = (now, Some(moment));
        }
    }
    let roster = final_schedule(&schedule, from, to);
    check(&schedule, &roster, from, to, 1800);
    found
}

#[test]
fn asked_every_thirty_seconds_chicago_and_lord_howe_change_hands_as_goalert_says() {
    // The turn at 02:00 is skipped; the one at 01:00 lasts two hours.
    assert_eq!(
        brute_force("America/Chicago", "1 hour", "2026-03-08T00:30", "2026-03-08T05:00"),
        ["2026-03-08T01:00 1h", "2026-03-08T03:00 1h", "2026-03-08T04:00 1h"]
    );
    assert_eq!(
        brute_force("America/Chicago", "1 hour", "2026-10-31T23:30", "2026-11-01T03:30"),
        ["2026-11-01T00:00 1h", "2026-11-01T01:00 2h", "2026-11-01T02:00 1h"]
    );
    // Half an hour each way.
    assert_eq!(
        brute_force("Australia/Lord_Howe", "1 hour", "2026-10-04T00:30", "2026-10-04T04:00"),
        ["2026-10-04T01:00 1h", "2026-10-04T02:30 0.5h", "2026-10-04T03:00 1h"]
    );
    assert_eq!(
        brute_force("Australia/Lord_Howe", "1 hour", "2026-04-05T00:00", "2026-04-05T03:30"),
        ["2026-04-05T01:00 1.5h", "2026-04-05T02:00 1h"]
    );
    // A day is 24 hours of the clock.
    for every in ["1 day", "24 hours"] {
        assert_eq!(
            brute_force("America/Chicago", every, "2026-03-06T12:00", "2026-03-10T12:00"),
            ["2026-03-07T00:00 24h", "2026-03-08T00:00 23h", "2026-03-09T00:00 24h"]
        );
    }
    assert_eq!(
        brute_force("America/Chicago", "1 week", "2026-10-28T12:00", "2026-11-13T00:00"),
        ["2026-10-29T00:00 169h", "2026-11-05T00:00 168h"]
    );
}

#[test]
fn every_zone_keeps_the_properties_for_twenty_years() {
    let text = |zone: &str| {
        format!(
            "schedule: P\nzone: {zone}\nlayers:\n  - rotation: {{every: 1 week, start: 2026-03-02T02:30, people: [a, b, c]}}\n  - rotation: {{every: 1 month, start: 2024-01-31T01:30, people: [d, e]}}\n    restrict: [{{days: [sat, sun, mon], from: \"22:00\", to: \"02:30\"}}, {{days: weekdays, from: \"12:00\", to: \"13:15\"}}]\n  - rotation: {{every: 1 day, start: 2024-01-01T01:45, people: [f, g, h], days: [tue, wed, sun]}}\n    restrict: [{{days: [sun], from: \"01:45\", to: \"01:45\"}}]\n"
        )
    };
    let year = 365 * 24 * HOUR_SECONDS;
    for name in zones() {
        let schedule = file(&text(&name));
        let from = instant(&schedule.zone, "2010-06-15T02:30");
        for since in (0..20).step_by(if slow() { 1 } else { 5 }) {
            let (start, end) = (from + since * year, from + (since + 1) * year);
            check(&schedule, &final_schedule(&schedule, start, end), start, end, 37 * HOUR_SECONDS);
            // The seam lies on a clock change, where there is one.
            let seam = schedule.zone.jumps(start, end).first().map_or(start + year / 3, |jump| jump.0 + 900);
            check_slices(&schedule, start, seam, end);
        }
    }
}

/// Random schedules around the spring and autumn changes.
fn schedules() -> impl Strategy<Value = Schedule> {
    let zone = prop::sample::select(vec![
        "America/Chicago",
        "Australia/Lord_Howe",
        "Africa/Casablanca",
        "Asia/Kolkata",
        "Europe/Dublin",
    ]);
    let person = || (0..6_u8).prop_map(|index| SmolStr::new(["ana", "ben", "chi", "dan", "eve", "fay"][usize::from(index)]));
    let line = prop::collection::vec(prop::collection::vec(person(), 1..3), 1..5);
    let days = || (0..128_u8).prop_map(|bits| Weekdays::of(Weekday::ALL.into_iter().filter(|day| bits & 1 << *day as u8 != 0)));
    let every = prop_oneof![
        (1..30_i64).prop_map(|quarters| Every::Minutes(quarters * 15)),
        (1..15_i64).prop_map(|days| Every::Minutes(days * DAY)),
        (1..4_i64).prop_map(Every::Months),
        prop::collection::vec(1..5_i64, 1..4).prop_map(|days| Every::Cycle(days.into_iter().map(|days| days * DAY).collect())),
    ];
    // Quarters of hours within some weeks of the changes of clocks of 2026.
    let moment = || (0..40_000_i64).prop_map(|quarters| Civil::parse("2026-01-01").unwrap().plus(quarters * 15 % (330 * DAY)));
    let window = (days(), 0..96_i64, 0..97_i64).prop_map(|(days, from, to)| Restriction { days, from: from * 15, to: to * 15 });
    let layer = (every, moment(), line, 0..4_usize, days(), prop::collection::vec(window, 0..3), 0..3_i64);
    let change = (person(), person(), 0..3_u8, moment(), 1..400_i64, -1..2_i64);
    let temporary = (moment(), 1..400_i64, person(), -50..50_i64, 1..300_i64);
    (zone, prop::collection::vec(layer, 1..5), prop::collection::vec(change, 0..8), prop::collection::vec(temporary, 0..2))
        .prop_map(|(zone, layers, changes, temporary)| {
            let zone = Arc::new(Zone::get(zone).unwrap());
            let mut schedule = Schedule::new("random", zone.clone());
            for (index, (every, start, people, first, days, restrict, priority)) in layers.into_iter().enumerate() {
                let days = if days.is_empty() { Weekdays::ALL } else { days };
                let mut layer = Layer::new(
                    format!("l{index}"),
                    priority,
                    zone.clone(),
                    Lineup::Rotation(Rotation { every, start, people, first, days }),
                );
                layer.restrict = restrict;
                schedule.layers.push(layer);
            }
            for (who, with, kind, from, quarters, priority) in changes {
                let change = match kind {
                    0 => Change::Replace(who, with),
                    1 => Change::Add(who),
                    _ => Change::Remove(who),
                };
                schedule.overrides.push(Override {
                    change,
                    from,
                    to: from.plus(quarters * 15),
                    priority,
                    by: None,
                    made: None,
                });
            }
            for (from, quarters, person, later, length) in temporary {
                let start = from.plus(later * 15);
                let shifts = vec![FixedShift { people: vec![person], from: start, to: start.plus(length * 15), repeat: None }];
                schedule.temporary.push(Temporary { from, to: from.plus(quarters * 15), shifts });
            }
            schedule
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: if slow() { 2_000 } else { 60 }, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_schedules_keep_the_properties(schedule in schedules(), day in 0..330_i64, days in 1..40_i64, cut in 1..99_i64) {
        let from = instant(&schedule.zone, "2026-01-01") + day * 24 * HOUR_SECONDS;
        let to = from + days * 24 * HOUR_SECONDS;
        check(&schedule, &final_schedule(&schedule, from, to), from, to, 5 * HOUR_SECONDS + 1800);
        check_slices(&schedule, from, from + (to - from) * cut / 100, to);
    }
}
