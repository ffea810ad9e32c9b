//! Events into spans: what begins is matched with what ends, threads are nested by time, instants and flows find the
//! spans they belong to.

use super::super::fault::OpenError;
use super::super::reading::Reading;
use super::event::Event;
use super::own;
use crate::model::{SpanId, TraceId};
use std::collections::HashMap;
use xxhash_rust::xxh3::{Xxh3Builder, xxh3_64, xxh3_128};

/// Open spans that are looked at for a parent; a thread with more spans open at once is no thread.
const LOOK_BACK: usize = 4096;

/// A span in the making.
pub(super) struct Interval {
    /// The event that begins it.
    pub event: usize,
    /// The event that ends it, whose arguments count too.
    pub closing: Option<usize>,
    pub start: i64,
    pub end: Option<i64>,
    /// Number of the thread, or of the async family on a thread; spans of one lane nest.
    lane: u32,
    pub parent: Option<usize>,
    /// Instants, by number of the event.
    pub instants: Vec<usize>,
    /// Spans that a flow leads here from.
    pub flows_from: Vec<usize>,
}

impl Interval {
    fn end_or_max(&self) -> i64 {
        self.end.unwrap_or(i64::MAX)
    }
}

type Keyed<'e, T> = HashMap<Key<'e>, T, Xxh3Builder>;

/// Category, id, scope, process where the id is local, name where it counts.
#[derive(PartialEq, Eq, Hash, Clone, Copy)]
struct Key<'e>([&'e str; 5]);

impl<'e> Key<'e> {
    fn of(event: &'e Event<'_>, named: bool) -> Self {
        let process = if event.local_id { event.process.as_ref() } else { "" };
        let name = if named { event.name.as_ref() } else { "" };
        Self([event.category.as_ref(), event.id.as_ref(), event.scope.as_ref(), process, name])
    }
}

/// Everything but laying down: which intervals there are and how they hang together.
struct Builder<'e, 'a> {
    events: &'e [(Event<'a>, &'a str)],
    intervals: Vec<Interval>,
    /// Lanes by process, thread and async family.
    lanes: HashMap<[&'e str; 6], u32, Xxh3Builder>,
    /// Ends without a beginning and instants outside everything, by number of the event, with what is wrong.
    odd: Vec<(usize, &'static str)>,
}

impl<'e, 'a> Builder<'e, 'a> {
    fn lane(&mut self, event: &'e Event<'a>, family: Option<Key<'e>>) -> u32 {
        let [category, id, scope, ..] = family.map_or([""; 5], |key| key.0);
        let kind = if family.is_some() { "async" } else { "" };
        let next = self.lanes.len() as u32;
        let key = [event.process.as_ref(), event.thread.as_ref(), kind, category, id, scope];
        *self.lanes.entry(key).or_insert(next)
    }

    fn begin(&mut self, at: usize, end: Option<i64>, family: Option<Key<'e>>) -> usize {
        let event = &self.events[at].0;
        let start = event.time.unwrap_or_default();
        let lane = self.lane(event, family);
        self.intervals.push(Interval {
            event: at,
            closing: None,
            start,
            end,
            lane,
            parent: None,
            instants: Vec::new(),
            flows_from: Vec::new(),
        });
        self.intervals.len() - 1
    }

    fn close(&mut self, interval: usize, at: usize) {
        let time = self.events[at].0.time.unwrap_or_default();
        let interval = &mut self.intervals[interval];
        interval.end = Some(time.max(interval.start));
        interval.closing = Some(at);
    }

    /// Matches beginnings with ends in the order of time, ties in the order of the file.
    fn pair(&mut self, order: &[usize]) {
        let mut threads: HashMap<[&str; 2], Vec<usize>, Xxh3Builder> = HashMap::default();
        let mut families: Keyed<'e, Vec<usize>> = Keyed::default();
        let mut legacy: Keyed<'e, usize> = Keyed::default();
        let events = self.events;
        for at in order.iter().copied() {
            let event = &events[at].0;
            let thread = [event.process.as_ref(), event.thread.as_ref()];
            match event.phase {
                b'X' => {
                    let end = event.time.unwrap_or_default().saturating_add(event.duration.unwrap_or_default().max(0));
                    // A complete event without a duration is one that was still open when the recording stopped.
                    self.begin(at, event.duration.map(|_| end), None);
                }
                b'B' => {
                    let interval = self.begin(at, None, None);
                    threads.entry(thread).or_default().push(interval);
                }
                b'E' => match threads.get_mut(&thread).and_then(Vec::pop) {
                    Some(interval) => self.close(interval, at),
                    None => self.odd.push((at, "an end (E) without a beginning on its thread")),
                },
                b'b' => {
                    let key = Key::of(event, false);
                    let interval = self.begin(at, None, Some(key));
                    families.entry(key).or_default().push(interval);
                }
                b'e' => {
                    let open = families.entry(Key::of(event, false)).or_default();
                    match self.closes(open, event) {
                        Some(position) => {
                            let interval = open.remove(position);
                            self.close(interval, at);
                        }
                        None => self.odd.push((at, "an async end (e) without a beginning of its id")),
                    }
                }
                b'n' => {
                    let open = families.get(&Key::of(event, false)).and_then(|open| open.last());
                    match open {
                        Some(interval) => self.intervals[*interval].instants.push(at),
                        None => self.odd.push((at, "an async instant (n) outside any span of its id")),
                    }
                }
                b'S' => {
                    let key = Key::of(event, true);
                    let interval = self.begin(at, None, Some(key));
                    legacy.insert(key, interval);
                }
                b'T' | b'p' => {
                    if let Some(interval) = legacy.get(&Key::of(event, true)) {
                        self.intervals[*interval].instants.push(at);
                    }
                }
                b'F' => match legacy.remove(&Key::of(event, true)) {
                    Some(interval) => self.close(interval, at),
                    None => self.odd.push((at, "an async end (F) without a beginning of its id")),
                },
                _ => {}
            }
        }
    }

    /// Which of the open spans of an id an end means: the last of its name on its thread, else of its name, else the last.
    fn closes(&self, open: &[usize], end: &Event<'_>) -> Option<usize> {
        let begun = |interval: &usize| &self.events[self.intervals[*interval].event].0;
        let same_name = |interval: &usize| begun(interval).name == end.name;
        let same_thread = |interval: &usize| begun(interval).process == end.process && begun(interval).thread == end.thread;
        open.iter()
            .rposition(|interval| same_name(interval) && same_thread(interval))
            .or_else(|| open.iter().rposition(same_name))
            .or_else(|| open.len().checked_sub(1))
    }

    /// Gives every span the innermost one of its lane that holds it whole. Answers the spans by lane, in order of start.
    fn nest(&mut self) -> Vec<Vec<usize>> {
        let mut lanes: Vec<Vec<usize>> = vec![Vec::new(); self.lanes.len()];
        for (at, interval) in self.intervals.iter().enumerate() {
            lanes[interval.lane as usize].push(at);
        }
        for lane in &mut lanes {
            // Of spans that begin together the longer one is outside.
            lane.sort_by_key(|at| (self.intervals[*at].start, std::cmp::Reverse(self.intervals[*at].end_or_max())));
            let mut open: Vec<usize> = Vec::new();
            for at in lane.iter().copied() {
                let (start, end) = (self.intervals[at].start, self.intervals[at].end_or_max());
                while open.last().is_some_and(|last| self.intervals[*last].end_or_max() <= start && start < end) {
                    open.pop();
                }
                let holder = open.iter().rev().take(LOOK_BACK).find(|outer| {
                    let outer = &self.intervals[**outer];
                    outer.end_or_max() >= end && (outer.end_or_max() > start || start == end)
                });
                self.intervals[at].parent = holder.copied();
                open.push(at);
            }
        }
        lanes
    }

    /// The innermost span of a lane around a time, or the last that began before it.
    fn around(&self, lane: &[usize], time: i64) -> Option<usize> {
        let before = lane.partition_point(|at| self.intervals[*at].start <= time);
        let last = *lane[..before].last()?;
        let mut at = last;
        loop {
            if self.intervals[at].end_or_max() >= time {
                return Some(at);
            }
            match self.intervals[at].parent {
                Some(parent) => at = parent,
                None => return Some(last),
            }
        }
    }

    /// Hands instants and flows to the spans of their threads.
    fn attach(&mut self, order: &[usize], lanes: &[Vec<usize>]) {
        let mut arrows: Keyed<'e, usize> = Keyed::default();
        let events = self.events;
        let by_event: HashMap<usize, usize> = self.intervals.iter().enumerate().map(|(at, one)| (one.event, at)).collect();
        let lane_of = |lanes_by_key: &HashMap<[&str; 6], u32, Xxh3Builder>, event: &Event<'_>| {
            let key = [event.process.as_ref(), event.thread.as_ref(), "", "", "", ""];
            lanes_by_key.get(&key).map_or(&[][..], |lane| lanes[*lane as usize].as_slice())
        };
        for at in order.iter().copied() {
            let event = &events[at].0;
            let time = event.time.unwrap_or_default();
            match event.phase {
                b'I' | b'i' | b'R' if own::span_of(event).is_none() => match self.around(lane_of(&self.lanes, event), time) {
                    Some(interval) => self.intervals[interval].instants.push(at),
                    None => self.odd.push((at, "an instant on a thread without spans before it")),
                },
                b's' | b't' | b'f' if event.category != own::ARROWS => {
                    let lane = lane_of(&self.lanes, event);
                    let next = || {
                        let first = lane.partition_point(|one| self.intervals[*one].start < time);
                        lane.get(first).copied()
                    };
                    // A flow ends in the next span of its thread unless it says that it binds to the one around it.
                    let here = match event.phase {
                        b'f' if !event.binds_enclosing => next().or_else(|| self.around(lane, time)),
                        _ => self.around(lane, time),
                    };
                    let Some(here) = here else { continue };
                    let key = Key::of(event, true);
                    if event.phase != b's'
                        && let Some(from) = arrows.get(&key).filter(|from| **from != here)
                    {
                        self.intervals[here].flows_from.push(*from);
                    }
                    arrows.insert(key, here);
                }
                b'X' | b'B' if !event.bind_id.is_empty() => {
                    let Some(here) = by_event.get(&at).copied() else { continue };
                    let key = Key(["", event.bind_id.as_ref(), event.scope.as_ref(), "", "bind"]);
                    if event.flow_in
                        && let Some(from) = arrows.get(&key)
                    {
                        self.intervals[here].flows_from.push(*from);
                    }
                    if event.flow_out {
                        arrows.insert(key, here);
                    }
                }
                _ => {}
            }
        }
    }
}

/// Builds and lays down the spans of all events.
pub(super) fn spans<'a>(reading: &mut Reading<'a, '_>, events: Vec<(Event<'a>, &'a str)>) -> Result<(), OpenError> {
    let mut order: Vec<usize> = (0..events.len()).collect();
    order.sort_by_key(|at| events[*at].0.time);
    let mut builder = Builder { events: &events, intervals: Vec::new(), lanes: HashMap::default(), odd: Vec::new() };
    builder.pair(&order);
    let lanes = builder.nest();
    builder.attach(&order, &lanes);
    let Builder { mut intervals, mut odd, .. } = builder;
    odd.sort_unstable();
    for (at, reason) in odd {
        reading.note(events[at].1, String::new(), reason);
    }
    let names = Names::of(&events);
    let trace = TraceId(xxh3_128(reading.text.as_bytes()).max(1).to_be_bytes());
    let ids: Vec<(TraceId, SpanId)> = intervals
        .iter()
        .map(|interval| own::ids(&events[interval.event].0).unwrap_or_else(|| (trace, numbered(trace, interval.event))))
        .collect();
    own::attach(&events, &ids, &mut intervals);
    // In the order of the file, which is the order of whoever wrote it.
    let mut in_order: Vec<usize> = (0..intervals.len()).collect();
    in_order.sort_by_key(|at| intervals[*at].event);
    let mut resources: HashMap<String, u32> = HashMap::new();
    for (laid, at) in in_order.into_iter().enumerate() {
        if laid.is_multiple_of(4096) {
            reading.tick(reading.text.len())?;
        }
        let interval = &intervals[at];
        let event = &events[interval.event].0;
        if let Some(written) = own::Written::of(event) {
            written.lay(&mut reading.out, &mut resources, &events, interval, ids[at]);
            continue;
        }
        let process = names.process(&event.process);
        let resource = match resources.get(&process) {
            Some(known) => *known,
            None => {
                let number = reading.out.resource(&names.resource(&event.process));
                resources.insert(process, number);
                number
            }
        };
        let parent = interval.parent.map(|parent| ids[parent].1);
        let links = interval.flows_from.iter().map(|from| ids[*from]);
        own::lay_foreign(&mut reading.out, &events, interval, &own::Place { ids: ids[at], parent, resource }, links, &names);
    }
    Ok(())
}

/// An id for a span without one: its number in the file.
fn numbered(trace: TraceId, event: usize) -> SpanId {
    let mut bytes = [0; 24];
    bytes[..16].copy_from_slice(&trace.0);
    bytes[16..].copy_from_slice(&(event as u64).to_le_bytes());
    SpanId::from(xxh3_64(&bytes).max(1))
}

/// What metadata events call processes and threads.
pub(super) struct Names<'e> {
    processes: HashMap<&'e str, &'e str>,
    threads: HashMap<(&'e str, &'e str), &'e str>,
}

impl<'e> Names<'e> {
    fn of(events: &'e [(Event<'_>, &str)]) -> Self {
        let mut names = Self { processes: HashMap::new(), threads: HashMap::new() };
        for (event, _) in events.iter().filter(|(event, _)| event.phase == b'M') {
            let Some(name) = event.arg("name").and_then(super::super::json::Json::text) else { continue };
            match event.name.as_ref() {
                "process_name" => {
                    names.processes.insert(&event.process, name);
                }
                "thread_name" => {
                    names.threads.insert((&event.process, &event.thread), name);
                }
                _ => {}
            }
        }
        names
    }

    /// The key that tells resources apart.
    fn process(&self, process: &str) -> String {
        format!("{process} {}", self.processes.get(process).copied().unwrap_or_default())
    }

    /// The resource of a process: its name is the service, else its number is.
    fn resource(&self, process: &str) -> crate::model::Attributes {
        let mut attributes = crate::model::Attributes::default();
        match self.processes.get(process).filter(|name| !name.is_empty()) {
            Some(name) => attributes.push("service.name", *name),
            None if !process.is_empty() => attributes.push("service.name", format!("process {process}")),
            None => {}
        }
        if let Ok(number) = process.parse::<i64>() {
            attributes.push("process.pid", number);
        }
        attributes
    }

    /// The name of a thread.
    pub fn thread(&self, event: &Event<'_>) -> Option<&'e str> {
        self.threads.get(&(event.process.as_ref(), event.thread.as_ref())).copied()
    }
}
