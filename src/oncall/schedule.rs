//! A schedule: layers, lowest first, with what people changed by hand laid over them.
//!
//! Everything is civil time in the schedule's zone (a layer may have its own). What a schedule says at a moment is in
//! [`super::roster`]; this module is the plain data and what can be asked without a clock.

use super::civil::{Civil, Weekdays};
use super::ical::Recurrence;
use super::restrict::{Restriction, open_spans};
use super::rotation::Rotation;
use super::zone::Zone;
use smol_str::SmolStr;
use std::collections::BTreeSet;
use std::sync::Arc;

/// A schedule.
#[derive(Clone, PartialEq, Debug)]
pub struct Schedule {
    /// Name.
    pub name: String,
    /// Zone of its times.
    pub zone: Arc<Zone>,
    /// Lowest first.
    pub layers: Vec<Layer>,
    /// Exceptions, in the order of the file.
    pub overrides: Vec<Override>,
    /// Windows in which nothing else counts.
    pub temporary: Vec<Temporary>,
    /// Agreed exchanges of shifts.
    pub swaps: Vec<Swap>,
    /// Asked-for cover, taken or not.
    pub covers: Vec<Cover>,
    /// When people are away: changes nobody's shifts, but is told.
    pub away: Vec<Away>,
    /// Days to mark, with what they are called.
    pub holidays: Vec<(Civil, SmolStr)>,
}

/// One layer. Where a layer of higher priority has somebody, lower ones do not count; layers of equal priority add up.
#[derive(Clone, PartialEq, Debug)]
pub struct Layer {
    /// Name.
    pub name: SmolStr,
    /// Higher wins.
    pub priority: i64,
    /// Its own zone, if any.
    pub zone: Arc<Zone>,
    /// Who.
    pub lineup: Lineup,
    /// Windows in which the layer counts; empty is always.
    pub restrict: Vec<Restriction>,
    /// First moment it counts.
    pub from: Option<Civil>,
    /// First moment it counts no more.
    pub until: Option<Civil>,
}

/// Who is on call in a layer.
#[derive(Clone, PartialEq, Debug)]
pub enum Lineup {
    /// Turns.
    Rotation(Rotation),
    /// These people, always.
    Always(Vec<SmolStr>),
    /// Shifts written one by one, perhaps repeated.
    Shifts(Vec<FixedShift>),
}

/// A shift with its own times.
#[derive(Clone, PartialEq, Debug)]
pub struct FixedShift {
    /// Who.
    pub people: Vec<SmolStr>,
    /// Start.
    pub from: Civil,
    /// End of the first occurrence.
    pub to: Civil,
    /// When it comes again.
    pub repeat: Option<Recurrence>,
}

/// What an override does.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// The second is on call wherever the first would be.
    Replace(SmolStr, SmolStr),
    /// On call in addition.
    Add(SmolStr),
    /// Not on call.
    Remove(SmolStr),
}

/// An exception for a while.
#[derive(Clone, PartialEq, Debug)]
pub struct Override {
    /// What it does.
    pub change: Change,
    /// Start.
    pub from: Civil,
    /// End.
    pub to: Civil,
    /// Of overlapping overrides the higher goes first, then the earlier start, then the order of the file.
    pub priority: i64,
    /// Who made it, for the record.
    pub by: Option<SmolStr>,
    /// When, for the record.
    pub made: Option<Civil>,
}

/// A window in which only these shifts count.
#[derive(Clone, PartialEq, Debug)]
pub struct Temporary {
    /// Start.
    pub from: Civil,
    /// End.
    pub to: Civil,
    /// Its shifts; between them nobody is on call.
    pub shifts: Vec<FixedShift>,
}

/// An exchange: `taker` works the giver's time, and the giver works the taker's, where that was agreed.
#[derive(Clone, PartialEq, Debug)]
pub struct Swap {
    /// Who gives away the first time.
    pub giver: SmolStr,
    /// Who takes it.
    pub taker: SmolStr,
    /// The time given away.
    pub from: Civil,
    /// Its end.
    pub to: Civil,
    /// The time that is worked in return.
    pub back: Option<(Civil, Civil)>,
}

/// A request for cover.
#[derive(Clone, PartialEq, Debug)]
pub struct Cover {
    /// Who asks.
    pub person: SmolStr,
    /// From when.
    pub from: Civil,
    /// Until when.
    pub to: Civil,
    /// Who took it; `None` while it is open.
    pub by: Option<SmolStr>,
}

/// Somebody is not there.
#[derive(Clone, PartialEq, Debug)]
pub struct Away {
    /// Who.
    pub person: SmolStr,
    /// From when.
    pub from: Civil,
    /// Until when.
    pub to: Civil,
    /// Why, if it is known.
    pub why: SmolStr,
}

/// A time in which a layer has these people, `[from, to)` in Unix seconds.
#[derive(Clone, Copy, Debug)]
pub struct Span<'a> {
    /// Start.
    pub from: i64,
    /// End.
    pub to: i64,
    /// Who.
    pub people: &'a [SmolStr],
}

impl Schedule {
    /// A schedule of nobody.
    pub fn new(name: impl Into<String>, zone: Arc<Zone>) -> Self {
        Self {
            name: name.into(),
            zone,
            layers: Vec::new(),
            overrides: Vec::new(),
            temporary: Vec::new(),
            swaps: Vec::new(),
            covers: Vec::new(),
            away: Vec::new(),
            holidays: Vec::new(),
        }
    }

    /// Every change that counts, those of swaps and taken covers too, in the order in which they are applied.
    pub fn changes(&self) -> Vec<Override> {
        let replace = |who: &SmolStr, with: &SmolStr, (from, to): (Civil, Civil)| Override {
            change: Change::Replace(who.clone(), with.clone()),
            from,
            to,
            priority: 0,
            by: None,
            made: None,
        };
        let mut changes = self.overrides.clone();
        for swap in &self.swaps {
            changes.push(replace(&swap.giver, &swap.taker, (swap.from, swap.to)));
            changes.extend(swap.back.map(|back| replace(&swap.taker, &swap.giver, back)));
        }
        for cover in &self.covers {
            changes.extend(cover.by.as_ref().map(|by| replace(&cover.person, by, (cover.from, cover.to))));
        }
        changes.sort_by_key(|change| (std::cmp::Reverse(change.priority), change.from));
        changes
    }

    /// Everybody whom it names, in alphabetical order.
    pub fn people(&self) -> BTreeSet<SmolStr> {
        let mut people = BTreeSet::new();
        for layer in &self.layers {
            match &layer.lineup {
                Lineup::Rotation(rotation) => people.extend(rotation.people.iter().flatten().cloned()),
                Lineup::Always(line) => people.extend(line.iter().cloned()),
                Lineup::Shifts(shifts) => people.extend(shifts.iter().flat_map(|shift| &shift.people).cloned()),
            }
        }
        people.extend(self.temporary.iter().flat_map(|temporary| &temporary.shifts).flat_map(|shift| &shift.people).cloned());
        for change in self.changes() {
            match change.change {
                Change::Replace(_, with) => people.insert(with),
                Change::Add(person) => people.insert(person),
                Change::Remove(_) => false,
            };
        }
        people
    }

    /// A copy in which a layer has another line of people from the turn of `now` on; the past stays as it was.
    pub fn with_line(&self, layer: usize, now: i64, people: Vec<Vec<SmolStr>>) -> Self {
        let mut edited = self.clone();
        let Some(old) = self.layers.get(layer) else { return edited };
        let Lineup::Rotation(rotation) = &old.lineup else { return edited };
        let next = rotation.with_people(&old.zone, now, people);
        let since = old.zone.civil(now);
        edited.layers[layer].until = Some(old.until.map_or(since, |until| until.min(since)));
        let new = Layer { lineup: Lineup::Rotation(next), from: Some(since), until: old.until, ..old.clone() };
        edited.layers.insert(layer + 1, new);
        edited
    }
}

impl Layer {
    /// A layer that always counts.
    pub fn new(name: impl Into<SmolStr>, priority: i64, zone: Arc<Zone>, lineup: Lineup) -> Self {
        Self { name: name.into(), priority, zone, lineup, restrict: Vec::new(), from: None, until: None }
    }

    /// Who the layer has on call at an instant.
    pub fn people_at<'a>(&'a self, instant: i64, found: &mut Vec<&'a SmolStr>) {
        let zone = &self.zone;
        let inside = self.from.is_none_or(|from| zone.start(from) <= instant)
            && self.until.is_none_or(|until| instant < zone.start(until))
            && (self.restrict.is_empty() || self.restrict.iter().any(|restriction| restriction.is_open(zone, instant)));
        if !inside {
            return;
        }
        match &self.lineup {
            Lineup::Rotation(rotation) => {
                if rotation.mask().is_none_or(|mask| mask.is_open(zone, instant)) {
                    found.extend(rotation.people_of(rotation.turn_at(zone, instant)));
                }
            }
            Lineup::Always(people) => found.extend(people),
            Lineup::Shifts(shifts) => {
                for span in shift_spans(shifts, zone, instant, instant + 1) {
                    found.extend(span.people);
                }
            }
        }
    }

    /// What the layer has between two instants, by start; spans of fixed shifts may overlap.
    pub fn spans(&self, from: i64, to: i64) -> Vec<Span<'_>> {
        let zone = &self.zone;
        let from = self.from.map_or(from, |first| from.max(zone.start(first)));
        let to = self.until.map_or(to, |last| to.min(zone.start(last)));
        if from >= to {
            return Vec::new();
        }
        let mut spans = match &self.lineup {
            Lineup::Rotation(rotation) => {
                let turns = turn_spans(rotation, zone, from, to);
                match rotation.mask() {
                    Some(mask) => cut(&turns, &open_spans(&[mask], zone, from, to)),
                    None => turns,
                }
            }
            Lineup::Always(people) => vec![Span { from, to, people }],
            Lineup::Shifts(shifts) => shift_spans(shifts, zone, from, to),
        };
        if !self.restrict.is_empty() {
            spans = cut(&spans, &open_spans(&self.restrict, zone, from, to));
        }
        spans
    }

    /// Days on which a restriction opens; all of them without one.
    pub fn open_days(&self) -> Weekdays {
        if self.restrict.is_empty() {
            Weekdays::ALL
        } else {
            Weekdays::of(self.restrict.iter().flat_map(|rule| rule.days.iter()))
        }
    }
}

fn turn_spans<'a>(rotation: &'a Rotation, zone: &Zone, from: i64, to: i64) -> Vec<Span<'a>> {
    let mut turn = rotation.turn_at(zone, from);
    let mut start = zone.start(rotation.boundary(turn));
    let mut spans: Vec<Span<'a>> = Vec::new();
    while start < to {
        let end = zone.start(rotation.boundary(turn + 1));
        if end > start {
            spans.push(Span { from: start.max(from), to: end.min(to), people: rotation.people_of(turn) });
        }
        (start, turn) = (end, turn + 1);
    }
    spans
}

/// Occurrences of fixed shifts that touch a window, by start.
pub(super) fn shift_spans<'a>(shifts: &'a [FixedShift], zone: &Zone, from: i64, to: i64) -> Vec<Span<'a>> {
    let mut spans = Vec::new();
    for shift in shifts {
        let length = shift.to.0 - shift.from.0;
        let mut add = |start: Civil| {
            let (first, last) = (zone.start(start).max(from), zone.end(start.plus(length)).min(to));
            if first < last {
                spans.push(Span { from: first, to: last, people: &shift.people });
            }
        };
        match &shift.repeat {
            None => add(shift.from),
            Some(repeat) => {
                // A day to each side, for clocks that jump.
                let (low, high) = (zone.civil(from).plus(-length - 24 * 60), zone.civil(to).plus(24 * 60));
                repeat.starts(shift.from, low, high).into_iter().for_each(&mut add);
            }
        }
    }
    spans.sort_by_key(|span| span.from);
    spans
}

/// The parts of spans that lie in windows. Spans are by start, windows ascending and apart.
fn cut<'a>(spans: &[Span<'a>], windows: &[(i64, i64)]) -> Vec<Span<'a>> {
    let mut parts = Vec::new();
    let mut first = 0;
    for span in spans {
        while first < windows.len() && windows[first].1 <= span.from {
            first += 1;
        }
        for (open, close) in windows[first..].iter().take_while(|(open, _)| *open < span.to) {
            parts.push(Span { from: span.from.max(*open), to: span.to.min(*close), people: span.people });
        }
    }
    parts
}
