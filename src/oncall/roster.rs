//! The final schedule: who is on call, at a moment and over a window.
//!
//! Precedence: a temporary schedule stands alone in its window; else overrides change (replace, then remove, then add) what
//! the layers give; of layers the highest priority that has anybody wins and equal priorities add up; else nobody, a gap.
//! A replacement acts on whom the layers put on call, once; of two that replace the same person the first in order counts.
//!
//! Both questions go through one resolution, so `who(t)` is the render of any window that holds `t`. Shifts are half-open,
//! clipped to the window, never empty; a person has at most one at a time; neighbours of one person from one source are one
//! shift, so that `render(a, b)` and `render(b, c)`, joined at `b`, are `render(a, c)`. Instants are Unix seconds.

use super::schedule::{Change, Schedule, Span, shift_spans};
use smol_str::SmolStr;
use std::collections::BTreeSet;

/// Where a shift comes from.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Source {
    /// A layer, by place, lowest is 0.
    Layer(usize),
    /// A change, by place in [`Schedule::changes`].
    Override(usize),
    /// A temporary schedule, by place.
    Temporary(usize),
}

impl Source {
    /// The layer's name, `override` or `temporary`.
    pub fn name(self, schedule: &Schedule) -> &str {
        match self {
            Self::Layer(layer) => schedule.layers.get(layer).map_or("layer", |layer| &layer.name),
            Self::Override(_) => "override",
            Self::Temporary(_) => "temporary",
        }
    }
}

/// Somebody's time on call, `[from, to)`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Shift {
    /// Who.
    pub person: SmolStr,
    /// Start.
    pub from: i64,
    /// End.
    pub to: i64,
    /// Why.
    pub source: Source,
    /// Who would have been on call instead.
    pub instead_of: Option<SmolStr>,
}

/// Shifts and gaps of a window.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Roster {
    /// By start.
    pub shifts: Vec<Shift>,
    /// When nobody is on call, `[from, to)`.
    pub gaps: Vec<(i64, i64)>,
}

/// One person on call at a moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct OnDuty<'a> {
    person: &'a SmolStr,
    source: Source,
    instead_of: Option<&'a SmolStr>,
}

/// Who is on call at an instant, in the order of layers and changes; nobody is a gap.
pub fn who(schedule: &Schedule, instant: i64) -> Vec<SmolStr> {
    let zone = &schedule.zone;
    let temporary = schedule
        .temporary
        .iter()
        .position(|temporary| zone.start(temporary.from) <= instant && instant < zone.end(temporary.to));
    let mut found = Vec::new();
    let mut duty: Vec<OnDuty<'_>> = Vec::new();
    if let Some(index) = temporary {
        for span in shift_spans(&schedule.temporary[index].shifts, zone, instant, instant + 1) {
            add_all(&mut duty, span.people, Source::Temporary(index));
        }
        return names(&duty);
    }
    let order = by_priority(schedule);
    for same in order.chunk_by(|a, b| schedule.layers[*a].priority == schedule.layers[*b].priority) {
        for layer in same {
            found.clear();
            schedule.layers[*layer].people_at(instant, &mut found);
            add_all(&mut duty, found.iter().copied(), Source::Layer(*layer));
        }
        if !duty.is_empty() {
            break;
        }
    }
    let changes = schedule.changes();
    let active =
        changes.iter().enumerate().filter(|(_, change)| zone.start(change.from) <= instant && instant < zone.end(change.to));
    let active: Vec<(usize, &Change)> = active.map(|(index, change)| (index, &change.change)).collect();
    apply(&mut duty, &active);
    names(&duty)
}

/// The next instant at which other people are on call than at `instant`; `None` when that is more than five years away.
pub fn next_change(schedule: &Schedule, instant: i64) -> Option<i64> {
    const DAYS: i64 = 24 * 3600;
    let now: BTreeSet<SmolStr> = who(schedule, instant).into_iter().collect();
    let mut from = instant;
    for days in [9, 40, 400, 1_500] {
        let to = from + days * DAYS;
        let roster = final_schedule(schedule, from, to);
        let mut edges: Vec<i64> = roster.shifts.iter().flat_map(|shift| [shift.from, shift.to]).collect();
        edges.extend(roster.gaps.iter().flat_map(|(start, end)| [*start, *end]));
        edges.retain(|edge| *edge > instant && *edge < to);
        edges.sort_unstable();
        edges.dedup();
        let changed = edges.into_iter().find(|edge| {
            let there = roster.shifts.iter().filter(|shift| shift.from <= *edge && *edge < shift.to);
            there.map(|shift| shift.person.clone()).collect::<BTreeSet<_>>() != now
        });
        if changed.is_some() {
            return changed;
        }
        // One second back, so that a change right at the seam is inside the next window.
        from = to - 1;
    }
    None
}

/// Shifts and gaps of `[from, to)`.
pub fn final_schedule(schedule: &Schedule, from: i64, to: i64) -> Roster {
    let mut roster = Roster::default();
    if from >= to {
        return roster;
    }
    let zone = &schedule.zone;
    let clip = |start: i64, end: i64| (start.max(from), end.min(to));
    let layers: Vec<Vec<Span<'_>>> = schedule.layers.iter().map(|layer| layer.spans(from, to)).collect();
    let changes = schedule.changes();
    let changed: Vec<(i64, i64)> = changes.iter().map(|change| clip(zone.start(change.from), zone.end(change.to))).collect();
    let stands: Vec<(i64, i64)> =
        schedule.temporary.iter().map(|temporary| clip(zone.start(temporary.from), zone.end(temporary.to))).collect();
    let temporary: Vec<Vec<Span<'_>>> = schedule
        .temporary
        .iter()
        .zip(&stands)
        .map(|(temporary, (start, end))| shift_spans(&temporary.shifts, zone, *start, *end))
        .collect();

    let spans = layers.iter().chain(&temporary).flatten().map(|span| (span.from, span.to));
    let mut edges: Vec<i64> =
        spans.chain(changed.iter().chain(&stands).copied()).filter(|(a, b)| a < b).flat_map(|(a, b)| [a, b]).collect();
    edges.extend([from, to]);
    edges.sort_unstable();
    edges.dedup();

    let order = by_priority(schedule);
    let mut layers: Vec<Cursor<'_>> = layers.into_iter().map(Cursor::new).collect();
    let mut temporary: Vec<Cursor<'_>> = temporary.into_iter().map(Cursor::new).collect();
    let mut by_start: Vec<usize> = (0..changes.len()).filter(|at| changed[*at].0 < changed[*at].1).collect();
    by_start.sort_by_key(|at| changed[*at].0);
    let (mut coming, mut running): (usize, Vec<usize>) = (0, Vec::new());
    let mut writer = Writer { roster: &mut roster, open: Vec::new(), gap: None };
    let (mut duty, mut active) = (Vec::new(), Vec::new());
    for edge in edges.windows(2) {
        let start = edge[0];
        duty.clear();
        let alone = stands.iter().position(|(first, last)| *first <= start && start < *last);
        if let Some(index) = alone {
            for span in temporary[index].at(start) {
                add_all(&mut duty, span.people, Source::Temporary(index));
            }
        } else {
            'layers: for same in order.chunk_by(|a, b| schedule.layers[*a].priority == schedule.layers[*b].priority) {
                for layer in same {
                    for span in layers[*layer].at(start) {
                        add_all(&mut duty, span.people, Source::Layer(*layer));
                    }
                }
                if !duty.is_empty() {
                    break 'layers;
                }
            }
            while by_start.get(coming).is_some_and(|at| changed[*at].0 <= start) {
                running.push(by_start[coming]);
                coming += 1;
            }
            running.retain(|at| changed[*at].1 > start);
            running.sort_unstable();
            active.clear();
            active.extend(running.iter().map(|at| (*at, &changes[*at].change)));
            apply(&mut duty, &active);
        }
        writer.write(&duty, start);
    }
    writer.finish(to);
    roster.shifts.sort_by_key(|shift| shift.from);
    roster
}

/// Places of layers, highest priority first, equal ones in the order of the file.
fn by_priority(schedule: &Schedule) -> Vec<usize> {
    let mut order: Vec<usize> = (0..schedule.layers.len()).collect();
    order.sort_by_key(|layer| std::cmp::Reverse(schedule.layers[*layer].priority));
    order
}

fn add_all<'a>(duty: &mut Vec<OnDuty<'a>>, people: impl IntoIterator<Item = &'a SmolStr>, source: Source) {
    for person in people {
        if !duty.iter().any(|on| on.person == person) {
            duty.push(OnDuty { person, source, instead_of: None });
        }
    }
}

/// Replace, then remove, then add.
fn apply<'a>(duty: &mut Vec<OnDuty<'a>>, active: &[(usize, &'a Change)]) {
    for on in duty.iter_mut() {
        let with = active.iter().find_map(|(index, change)| match change {
            Change::Replace(who, with) if who == on.person => Some((*index, with)),
            _ => None,
        });
        if let Some((index, with)) = with {
            *on = OnDuty { person: with, source: Source::Override(index), instead_of: Some(on.person) };
        }
    }
    for (_, change) in active {
        if let Change::Remove(who) = change {
            duty.retain(|on| on.person != who);
        }
    }
    for (index, change) in active {
        if let Change::Add(who) = change {
            add_all(duty, [who], Source::Override(*index));
        }
    }
    // Somebody who covers for a colleague may be on call already.
    let mut at = 0;
    while at < duty.len() {
        if duty[..at].iter().any(|before| before.person == duty[at].person) {
            duty.remove(at);
        } else {
            at += 1;
        }
    }
}

fn names(duty: &[OnDuty<'_>]) -> Vec<SmolStr> {
    duty.iter().map(|on| on.person.clone()).collect()
}

/// Spans by start, read forwards.
struct Cursor<'a> {
    spans: Vec<Span<'a>>,
    next: usize,
    open: Vec<Span<'a>>,
}

impl<'a> Cursor<'a> {
    fn new(spans: Vec<Span<'a>>) -> Self {
        Self { spans, next: 0, open: Vec::new() }
    }

    /// The spans at an instant that is no earlier than the last one asked for.
    fn at(&mut self, instant: i64) -> &[Span<'a>] {
        self.open.retain(|span| span.to > instant);
        while let Some(span) = self.spans.get(self.next).filter(|span| span.from <= instant) {
            if span.to > instant {
                self.open.push(*span);
            }
            self.next += 1;
        }
        &self.open
    }
}

/// Makes shifts of what is true from edge to edge.
struct Writer<'r, 'a> {
    roster: &'r mut Roster,
    open: Vec<(OnDuty<'a>, i64)>,
    gap: Option<i64>,
}

impl<'a> Writer<'_, 'a> {
    fn write(&mut self, duty: &[OnDuty<'a>], start: i64) {
        self.close(start, |on| !duty.contains(on));
        for on in duty {
            if !self.open.iter().any(|(open, _)| open == on) {
                self.open.push((*on, start));
            }
        }
        match (self.gap, duty.is_empty()) {
            (None, true) => self.gap = Some(start),
            (Some(since), false) => {
                self.roster.gaps.push((since, start));
                self.gap = None;
            }
            _ => {}
        }
    }

    fn close(&mut self, end: i64, ends: impl Fn(&OnDuty<'a>) -> bool) {
        let roster = &mut *self.roster;
        self.open.retain(|(on, from)| {
            let ended = ends(on);
            if ended {
                let instead_of = on.instead_of.cloned();
                roster.shifts.push(Shift { person: on.person.clone(), from: *from, to: end, source: on.source, instead_of });
            }
            !ended
        });
    }

    fn finish(&mut self, end: i64) {
        self.close(end, |_| true);
        if let Some(since) = self.gap.take() {
            self.roster.gaps.push((since, end));
        }
    }
}
