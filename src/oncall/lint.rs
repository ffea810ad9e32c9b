//! The linter: what will surprise somebody in the coming months.
//!
//! Looks at the final schedule of a window and names gaps, several people on call where a layer means one, hand-overs and
//! shifts on days when clocks change, turns that are skipped or longer, open requests for cover, people on call while they are
//! away, overrides that change nothing or that contradict each other, layers that never count.

use super::civil::{Civil, DAY};
use super::roster::{Roster, Source, final_schedule};
use super::schedule::{Change, Lineup, Schedule};
use smol_str::SmolStr;

/// Most findings of one kind; the rest is counted in the last.
const MOST_OF_A_KIND: usize = 100;

/// How bad it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Level {
    /// Worth knowing.
    Note,
    /// Somebody may be missed.
    Warning,
    /// Nobody is paged.
    Problem,
}

impl Level {
    /// `note`, `warning`, `problem`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Problem => "problem",
        }
    }
}

/// One finding.
#[derive(Clone, PartialEq, Debug)]
pub struct Finding {
    /// How bad.
    pub level: Level,
    /// `gap`, `overlap`, `dst`, `away`, `cover`, `override`, `layer`.
    pub kind: &'static str,
    /// Start, Unix seconds.
    pub from: i64,
    /// End.
    pub to: i64,
    /// In words.
    pub text: String,
}

/// Looks at `[from, to)`.
pub fn lint(schedule: &Schedule, from: i64, to: i64) -> Vec<Finding> {
    let roster = final_schedule(schedule, from, to);
    let mut findings = Vec::new();
    gaps(schedule, &roster, (from, to), &mut findings);
    if roster.shifts.is_empty() {
        // Clock changes and layers of a schedule that never has anybody are nothing to look at.
        return findings;
    }
    overlaps(schedule, &roster, &mut findings);
    clock_changes(schedule, &roster, from, to, &mut findings);
    absences(schedule, &roster, &mut findings);
    changes(schedule, &roster, from, to, &mut findings);
    findings.sort_by(|a, b| (std::cmp::Reverse(a.level), a.from, a.kind).cmp(&(std::cmp::Reverse(b.level), b.from, b.kind)));
    let mut seen: Vec<(&str, usize)> = Vec::new();
    findings.retain(|finding| {
        let at = seen.iter().position(|(kind, _)| *kind == finding.kind).unwrap_or_else(|| {
            seen.push((finding.kind, 0));
            seen.len() - 1
        });
        seen[at].1 += 1;
        seen[at].1 <= MOST_OF_A_KIND
    });
    for (kind, count) in seen.into_iter().filter(|(_, count)| *count > MOST_OF_A_KIND) {
        let text = format!("{} more of kind {kind} are not listed", count - MOST_OF_A_KIND);
        findings.push(Finding { level: Level::Note, kind, from, to, text });
    }
    findings
}

/// Minute of the week on which a gap starts, and its length in minutes of the clock.
type GapOfWeek = (i64, i64);

fn length(seconds: i64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds % 86_400 / 3600, seconds % 3600 / 60);
    let parts = [(days, "d"), (hours, "h"), (minutes, "min")];
    let text: Vec<String> =
        parts.into_iter().filter(|(number, _)| *number > 0).map(|(number, unit)| format!("{number} {unit}")).collect();
    if text.is_empty() { "0 min".into() } else { text.join(" ") }
}

fn gaps(schedule: &Schedule, roster: &Roster, window: (i64, i64), findings: &mut Vec<Finding>) {
    let zone = &schedule.zone;
    if roster.shifts.is_empty() {
        findings.push(Finding {
            level: Level::Problem,
            kind: "gap",
            from: window.0,
            to: window.1,
            text: "nobody is ever on call".into(),
        });
        return;
    }
    // A schedule that is meant for office hours has the same gap week after week; one line for all of them.
    let mut kinds: Vec<(GapOfWeek, Vec<(i64, i64)>)> = Vec::new();
    for gap in &roster.gaps {
        let of_week = (zone.civil(gap.0).0 - 4 * DAY).rem_euclid(7 * DAY);
        let key = (of_week, zone.civil(gap.1).0 - zone.civil(gap.0).0);
        match kinds.iter_mut().find(|(kind, _)| *kind == key) {
            Some((_, gaps)) => gaps.push(*gap),
            None => kinds.push((key, vec![*gap])),
        }
    }
    for (_, same) in kinds {
        let (from, to) = same[0];
        let again = if same.len() > 1 {
            format!(", and {} more times at this time of the week", same.len() - 1)
        } else {
            String::new()
        };
        let text = format!("nobody is on call from {} to {} ({}){again}", zone.civil(from), zone.civil(to), length(to - from));
        findings.push(Finding { level: Level::Problem, kind: "gap", from, to, text });
    }
}

/// Fixed shifts of one layer that overlap, and layers of one priority that are on at once.
fn overlaps(schedule: &Schedule, roster: &Roster, findings: &mut Vec<Finding>) {
    let mut shifts = roster.shifts.iter().peekable();
    let mut reported: Vec<(SmolStr, SmolStr)> = Vec::new();
    while let Some(shift) = shifts.next() {
        for other in shifts.clone().take_while(|other| other.from < shift.to) {
            let (Source::Layer(a), Source::Layer(b)) = (shift.source, other.source) else { continue };
            let together = a == b && matches!(schedule.layers[a].lineup, Lineup::Rotation(_) | Lineup::Always(_));
            let pair = (shift.person.clone().min(other.person.clone()), shift.person.clone().max(other.person.clone()));
            if together || reported.contains(&pair) {
                continue;
            }
            reported.push(pair);
            let (from, to) = (other.from, shift.to.min(other.to));
            let text = format!(
                "{} ({}) and {} ({}) are both on call from {} to {}",
                shift.person,
                shift.source.name(schedule),
                other.person,
                other.source.name(schedule),
                schedule.zone.civil(from),
                schedule.zone.civil(to)
            );
            findings.push(Finding { level: Level::Note, kind: "overlap", from, to, text });
        }
    }
}

fn clock_changes(schedule: &Schedule, roster: &Roster, from: i64, to: i64, findings: &mut Vec<Finding>) {
    let mut zones = vec![&schedule.zone];
    for layer in &schedule.layers {
        if !zones.contains(&&layer.zone) {
            zones.push(&layer.zone);
        }
    }
    for zone in zones {
        for (when, by) in zone.jumps(from, to) {
            let on: Vec<String> = roster
                .shifts
                .iter()
                .filter(|shift| shift.from <= when && when < shift.to)
                .map(|shift| format!("{}'s shift lasts {}", shift.person, length(shift.to - shift.from)))
                .collect();
            let on = if on.is_empty() { "nobody is on call then".to_owned() } else { on.join(", ") };
            let word = if by > 0 { "forward" } else { "back" };
            let at = zone.civil(when - 1).plus(1);
            let text = format!("clocks in {} go {word} by {} at {at}; {on}", zone.name(), length(by.abs()));
            findings.push(Finding { level: Level::Note, kind: "dst", from: when, to: when + by.abs(), text });
            let skipped = |civil: Civil| by > 0 && civil >= at && civil < at.plus(by / 60);
            for layer in schedule.layers.iter().filter(|layer| layer.zone == *zone) {
                if let Lineup::Rotation(rotation) = &layer.lineup {
                    let turn = rotation.turn_at(zone, when - 1);
                    if (turn..turn + 200)
                        .map_while(|turn| Some(turn).filter(|turn| zone.start(rotation.boundary(*turn)) <= when))
                        .any(|turn| zone.start(rotation.boundary(turn)) == zone.start(rotation.boundary(turn + 1)))
                    {
                        let text = format!("a turn of layer {} is skipped, its hour does not exist at {at}", layer.name);
                        findings.push(Finding { level: Level::Warning, kind: "dst", from: when, to: when, text });
                    } else if skipped(rotation.boundary(turn + 1)) {
                        let text = format!(
                            "a hand-over of layer {} at {} moves to {}",
                            layer.name,
                            rotation.boundary(turn + 1),
                            zone.civil(when)
                        );
                        findings.push(Finding { level: Level::Note, kind: "dst", from: when, to: when, text });
                    }
                }
            }
        }
    }
}

fn absences(schedule: &Schedule, roster: &Roster, findings: &mut Vec<Finding>) {
    let zone = &schedule.zone;
    for away in &schedule.away {
        let (from, to) = (zone.start(away.from), zone.end(away.to));
        for shift in roster.shifts.iter().filter(|shift| shift.person == away.person && shift.from < to && shift.to > from) {
            let (first, last) = (shift.from.max(from), shift.to.min(to));
            let why = if away.why.is_empty() { String::new() } else { format!(" ({})", away.why) };
            let text = format!("{} is away{why} and on call from {} to {}", away.person, zone.civil(first), zone.civil(last));
            findings.push(Finding { level: Level::Warning, kind: "away", from: first, to: last, text });
        }
    }
    for cover in schedule.covers.iter().filter(|cover| cover.by.is_none()) {
        let (from, to) = (zone.start(cover.from), zone.end(cover.to));
        if roster.shifts.iter().any(|shift| shift.person == cover.person && shift.from < to && shift.to > from) {
            let text = format!("{} asks for cover from {} to {}, and nobody took it", cover.person, cover.from, cover.to);
            findings.push(Finding { level: Level::Warning, kind: "cover", from, to, text });
        }
    }
}

fn changes(schedule: &Schedule, roster: &Roster, from: i64, to: i64, findings: &mut Vec<Finding>) {
    let zone = &schedule.zone;
    let bare = Schedule { overrides: Vec::new(), swaps: Vec::new(), covers: Vec::new(), ..schedule.clone() };
    for (index, change) in schedule.overrides.iter().enumerate() {
        let (start, end) = (zone.start(change.from), zone.end(change.to));
        if end <= from || start >= to || start >= end {
            continue;
        }
        let mut warn =
            |text: String| findings.push(Finding { level: Level::Warning, kind: "override", from: start, to: end, text });
        let there = |who: &SmolStr| final_schedule(&bare, start, end).shifts.iter().any(|shift| shift.person == *who);
        match &change.change {
            Change::Replace(who, with) if !there(who) => {
                warn(format!(
                    "override {} replaces {who} by {with} from {} to {}, when {who} is not on call",
                    index + 1,
                    change.from,
                    change.to
                ));
            }
            Change::Remove(who) if !there(who) && schedule.overrides.len() == 1 => {
                warn(format!(
                    "override {} removes {who} from {} to {}, when {who} is not on call",
                    index + 1,
                    change.from,
                    change.to
                ));
            }
            _ => {}
        }
        for (later, other) in schedule.overrides.iter().enumerate().skip(index + 1) {
            let overlap = change.from < other.to && other.from < change.to;
            if let (Change::Replace(who, _) | Change::Remove(who), Change::Replace(same, _) | Change::Remove(same)) =
                (&change.change, &other.change)
                && overlap
                && who == same
            {
                let at = change.from.max(other.from);
                warn(format!("overrides {} and {} both take {who} off call at {at}", index + 1, later + 1));
            }
        }
    }
    for (index, layer) in schedule.layers.iter().enumerate() {
        let alone = layer.spans(from, to);
        if alone.is_empty() {
            let text = format!("layer {} never has anybody on call", layer.name);
            findings.push(Finding { level: Level::Warning, kind: "layer", from, to, text });
        } else if !roster.shifts.iter().any(|shift| shift.source == Source::Layer(index)) {
            let text = format!("layer {} never counts, higher layers always have somebody", layer.name);
            findings.push(Finding { level: Level::Note, kind: "layer", from, to, text });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oncall::read;

    fn findings(text: &str) -> Vec<String> {
        let schedule = read(&format!("schedule: P\nzone: America/Chicago\n{text}")).unwrap().schedule;
        let from = schedule.zone.start(Civil::parse("2026-03-02").unwrap());
        let found = lint(&schedule, from, from + 365 * 86_400);
        found.iter().map(|finding| format!("{} {}: {}", finding.level.word(), finding.kind, finding.text)).collect()
    }

    #[test]
    fn surprises_of_the_next_twelve_months_are_named() {
        let found = findings(
            "layers:\n  - name: week\n    rotation: {every: 1 hour, start: 2026-03-02T00:00, people: [ana, ben]}\n    restrict: [{days: weekdays}, {days: [sun], from: \"01:00\", to: \"05:00\"}]\n  - {name: idle, people: [chi], restrict: [{days: []}]}\noverrides:\n  - {replace: dan, with: chi, from: 2026-03-05T01:00, to: 2026-03-05T02:00}\n  - {replace: ana, with: chi, from: 2026-03-06T01:00, to: 2026-03-06T06:00}\n  - {remove: ana, from: 2026-03-06T02:00, to: 2026-03-06T06:00}\naway:\n  - {person: ben, from: 2026-03-04T01:00, to: 2026-03-04T02:00}\ncovers:\n  - {person: ben, from: 2026-03-04T01:00, to: 2026-03-04T02:00}\n",
        );
        for expected in [
            "problem gap: nobody is on call from 2026-03-07T00:00 to 2026-03-08T01:00 (1 d 1 h), and 51 more times at this time of the week",
            "note dst: clocks in America/Chicago go forward by 1 h at 2026-03-08T02:00; ben's shift lasts 2 h",
            "warning dst: a turn of layer week is skipped, its hour does not exist at 2026-03-08T02:00",
            "warning layer: layer idle never has anybody on call",
            "warning override: override 1 replaces dan by chi from 2026-03-05T01:00 to 2026-03-05T02:00, when dan is not on call",
            "warning override: overrides 2 and 3 both take ana off call at 2026-03-06T02:00",
            "warning away: ben is away and on call from 2026-03-04T01:00 to 2026-03-04T02:00",
            "warning cover: ben asks for cover from 2026-03-04T01:00 to 2026-03-04T02:00, and nobody took it",
        ] {
            assert!(found.iter().any(|line| line == expected), "{expected}\nnot in\n{}", found.join("\n"));
        }
        assert_eq!(findings("layers: []\n"), ["problem gap: nobody is ever on call"]);
    }

    #[test]
    fn a_whole_schedule_has_only_its_clock_changes_to_tell() {
        let found = findings("layers:\n  - rotation: {every: 1 week, start: 2026-03-02T09:00, people: [ana, ben]}\n");
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found.iter().all(|line| line.starts_with("note dst")), "{found:?}");
    }
}
