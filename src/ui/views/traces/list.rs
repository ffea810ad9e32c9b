//! The list behind the table: asked for off the frame, replaced without a flicker.
//!
//! A trace keeps its row while it is in the list. While the reader's pointer is over the table, or Live is off, what has
//! arrived waits and is counted; rows that were not there before flash once.

use crate::engine::{Engine, HiddenRule, Query};
use crate::model::{TraceId, TraceSummary};
use crate::search::{ParseError, Query as Search, SearchError, parse};
use crate::source::{Field, Predicate, QueryControl, Run, SourceError, SpanSource, TimeRange, TraceOrder, TraceRequest};
use crate::ui::views::shared::finished;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

/// Rows that are asked for at first; a click asks for more.
pub(super) const FIRST_LIMIT: usize = 1_000;
/// A live list is asked for again at most this often, seconds.
const ASK_EVERY_S: f64 = 0.12;

/// Which lives of the services are looked at.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) enum RunFilter {
    /// All of them.
    #[default]
    All,
    /// Since the latest start of any service.
    Latest,
    /// One life of one service.
    One(Run),
}

/// Everything that an answer depends on.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Question {
    pub(super) source: crate::engine::SourceId,
    pub(super) text: String,
    pub(super) order: TraceOrder,
    pub(super) limit: usize,
    pub(super) run: RunFilter,
    pub(super) rules: Vec<HiddenRule>,
    /// Without the end of a range that moves with now.
    pub(super) range: crate::ui::Range,
}

/// What came back.
pub(super) struct Answer {
    pub(super) traces: Vec<TraceSummary>,
    /// Traces that match, listed or not; hidden ones that were seen are taken off.
    pub(super) total: u64,
    /// Hidden by rules, among those that were looked at.
    pub(super) hidden: u64,
    /// What a full bar stands for: 95 of 100 listed traces are at most this long, so that one that hung does not flatten
    /// the rest.
    pub(super) full_bar_ns: i64,
    /// Where a service was started again, in lists by time: the row before which the line stands, and what it says.
    pub(super) starts: Vec<(usize, String)>,
}

/// See the module comment.
#[derive(Default)]
pub(super) struct List {
    asking: Query<Answer>,
    asked: Option<Question>,
    pub(super) since: Option<Instant>,
    asked_at: f64,
    asked_revision: Option<u64>,
    pub(super) shown: Option<Arc<Answer>>,
    shown_question: Option<Question>,
    waiting: Option<Arc<Answer>>,
    pub(super) waiting_new: usize,
    pub(super) failed: Option<String>,
    /// When rows came that were not there before, seconds.
    pub(super) arrived: HashMap<TraceId, f64>,
}

/// What [`List::update`] did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Changed {
    /// Other rows are shown.
    pub(super) rows: bool,
    /// Of another question: scroll back to the top.
    pub(super) question: bool,
    /// Rows that came before the first one.
    pub(super) before: usize,
}

/// Runs a question.
pub(super) fn answer(
    source: &dyn SpanSource,
    search: &Search,
    question: &Question,
    range: TimeRange,
    control: &QueryControl,
) -> Result<Answer, SourceError> {
    let (mut range, mut predicate) = (range, Predicate::All);
    match &question.run {
        RunFilter::All => {}
        RunFilter::Latest => {
            let latest = source.runs(control)?.into_iter().map(|run| run.first_seen).max();
            range.start = range.start.max(latest.unwrap_or(range.start));
        }
        RunFilter::One(run) => {
            range.start = range.start.max(run.first_seen);
            range.end = range.end.min(run.last_seen + crate::model::DurationNs(1));
            predicate = Predicate::equals(Field::Service, &run.service);
        }
    }
    let request = TraceRequest { range, predicate, order: question.order, limit: question.limit };
    let found = search.run(source, &request, control).map_err(|error| match error {
        SearchError::Source(error) => error,
        other => SourceError::Read(other.to_string()),
    })?;
    let before = found.traces.len();
    let traces: Vec<TraceSummary> = found
        .traces
        .into_iter()
        .map(|found| found.summary)
        .filter(|trace| !Engine::is_hidden(&question.rules, trace))
        .collect();
    let hidden = (before - traces.len()) as u64;
    let full_bar_ns = full_bar(&traces);
    let starts = match question.order {
        TraceOrder::Newest | TraceOrder::Oldest => {
            starts(&source.runs(control)?, &traces, question.order == TraceOrder::Newest)
        }
        _ => Vec::new(),
    };
    Ok(Answer { traces, total: found.total.saturating_sub(hidden), hidden, full_bar_ns, starts })
}

/// Starts within this time of each other are one line.
const TOGETHER_NS: i64 = 10_000_000_000;
/// Lines in a list; a service that restarts all the time would otherwise be all lines.
const STARTS: usize = 40;

/// Where services were started again among traces by start: the row that the line stands before. The first life of a
/// service is no news, nor is one more instance beside others that go on.
fn starts(runs: &[Run], traces: &[TraceSummary], newest_first: bool) -> Vec<(usize, String)> {
    let mut by_start: Vec<&Run> = runs.iter().collect();
    by_start.sort_unstable_by_key(|run| run.first_seen);
    let mut last_seen: HashMap<&str, i64> = HashMap::new();
    let mut again: Vec<(i64, &str)> = Vec::new();
    for run in by_start {
        let first = run.first_seen.0;
        if let Some(before) = last_seen.get(run.service.as_str())
            && *before <= first
        {
            again.push((first, run.service.as_str()));
        }
        let last = last_seen.entry(run.service.as_str()).or_insert(i64::MIN);
        *last = (*last).max(run.last_seen.0);
    }
    let mut lines: Vec<(i64, Vec<&str>)> = Vec::new();
    for (at, service) in again {
        match lines.last_mut() {
            Some((first, services)) if at - *first <= TOGETHER_NS => {
                if !services.contains(&service) {
                    services.push(service);
                }
            }
            _ => lines.push((at, vec![service])),
        }
    }
    let row = |at: i64| match newest_first {
        true => traces.partition_point(|trace| trace.start.0 >= at),
        false => traces.partition_point(|trace| trace.start.0 < at),
    };
    lines
        .into_iter()
        .rev()
        .map(|(at, services)| (row(at), services))
        // A line before everything or behind everything parts nothing.
        .filter(|(row, _)| *row > 0 && *row < traces.len())
        .take(STARTS)
        .map(|(row, services)| {
            let text = match services[..] {
                [one] => format!("{one} started again"),
                [one, two] => format!("{one} and {two} started again"),
                [one, ..] => format!("{one} and {} more started again", services.len() - 1),
                [] => String::new(),
            };
            (row, text)
        })
        .collect()
}

fn full_bar(traces: &[TraceSummary]) -> i64 {
    let mut lengths: Vec<i64> = traces.iter().map(|trace| trace.duration.0).collect();
    let at = (lengths.len() * 95 / 100).min(lengths.len().saturating_sub(1));
    if lengths.is_empty() { 1 } else { (*lengths.select_nth_unstable(at).1).max(1) }
}

impl List {
    /// The question that the shown rows answer.
    pub(super) fn shown_question(&self) -> Option<&Question> {
        self.shown_question.as_ref()
    }

    /// True while an answer is on its way.
    pub(super) fn is_asking(&self) -> bool {
        self.asking.is_running()
    }

    /// Done and to do of the running question.
    pub(super) fn progress(&self) -> (u64, u64) {
        match &self.asking {
            Query::Running { control, .. } => control.progressed(),
            _ => (0, 0),
        }
    }

    /// Gives the running question up.
    pub(super) fn cancel(&mut self) {
        self.asking = Query::Idle;
    }

    /// Asks again at the next update.
    pub(super) fn retry(&mut self) {
        self.failed = None;
        self.asked = None;
    }

    /// Polls, asks and takes over. `paused` keeps the rows where they are; an error is the query's.
    pub(super) fn update(
        &mut self,
        engine: &Engine,
        question: Question,
        range: TimeRange,
        live: bool,
        paused: bool,
        time: f64,
    ) -> Result<Changed, ParseError> {
        let mut changed = Changed::default();
        match finished(&mut self.asking) {
            Some(Ok(answer)) => {
                self.failed = None;
                let same = self.shown_question == self.asked;
                if same && (paused || !live) && self.shown.is_some() {
                    self.waiting_new = self.new_in(&answer);
                    self.waiting = Some(answer);
                } else {
                    changed = self.show(answer, time);
                }
            }
            Some(Err(SourceError::Cancelled)) | None => {}
            Some(Err(error)) => self.failed = Some(error.to_string()),
        }
        if !paused && live && self.waiting.is_some() {
            changed = self.take_waiting(time);
        }
        let search = parse(&question.text)?;
        let Some(source) = engine.source(question.source).map(|source| source.spans) else { return Ok(changed) };
        let revision = source.revision();
        let other = self.asked.as_ref() != Some(&question);
        let newer = self.asked_revision != Some(revision) && !self.asking.is_running();
        if other || (newer && time - self.asked_at >= ASK_EVERY_S) {
            self.asked = Some(question.clone());
            self.asked_revision = Some(revision);
            self.asked_at = time;
            self.since = Some(Instant::now());
            self.asking = engine.ask(move |control| answer(&*source, &search, &question, range, control));
        }
        Ok(changed)
    }

    /// True when something newer than what is shown was not asked for yet.
    pub(super) fn is_behind(&self, revision: u64) -> bool {
        self.asked_revision != Some(revision)
    }

    fn new_in(&self, answer: &Answer) -> usize {
        let shown = self.shown.as_ref().map_or(&[][..], |shown| &shown.traces);
        let known: HashSet<TraceId> = shown.iter().map(|trace| trace.trace_id).collect();
        answer.traces.iter().filter(|trace| !known.contains(&trace.trace_id)).count()
    }

    /// Shows what waited.
    pub(super) fn take_waiting(&mut self, time: f64) -> Changed {
        match self.waiting.take() {
            Some(answer) => self.show(answer, time),
            None => Changed::default(),
        }
    }

    fn show(&mut self, answer: Arc<Answer>, time: f64) -> Changed {
        let question = self.shown_question != self.asked;
        let mut before = 0;
        if let Some(shown) = self.shown.as_ref().filter(|_| !question) {
            let known: HashSet<TraceId> = shown.traces.iter().map(|trace| trace.trace_id).collect();
            self.arrived.retain(|_, at| time - *at < 2.0);
            let mut leading = true;
            for trace in &answer.traces {
                let new = !known.contains(&trace.trace_id);
                leading &= new;
                before += usize::from(leading);
                if new {
                    self.arrived.insert(trace.trace_id, time);
                }
            }
        } else {
            self.arrived.clear();
        }
        self.shown = Some(answer);
        self.shown_question = self.asked.clone();
        self.waiting = None;
        self.waiting_new = 0;
        Changed { rows: true, question, before }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{OpenSource, WORKSPACE};
    use crate::model::{Resource, Span, SpanBatch, UnixNanos};
    use crate::source::MemorySource;
    use std::sync::Mutex;

    fn span(trace: u8, start: i64) -> Span {
        Span {
            trace_id: TraceId([trace; 16]),
            span_id: u64::from(trace).into(),
            name: format!("GET /{trace}").into(),
            start: UnixNanos(start),
            end: Some(UnixNanos(start + 10)),
            resource: Arc::new(Resource::service("web")),
            ..Span::default()
        }
    }

    fn question(text: &str) -> Question {
        Question {
            source: WORKSPACE,
            text: text.to_owned(),
            order: TraceOrder::Newest,
            limit: FIRST_LIMIT,
            run: RunFilter::All,
            rules: Vec::new(),
            range: crate::ui::Range::All,
        }
    }

    fn over(spans: &[Span]) -> Engine {
        let source = MemorySource::new("test", &SpanBatch::from_spans(spans));
        Engine::over(vec![OpenSource { id: WORKSPACE, spans: Arc::new(source), path: None, report: None }])
    }

    /// Updates until the answer is there; `time` moves on by a second each call.
    fn settle(list: &mut List, engine: &Engine, text: &str, paused: bool, clock: &Mutex<f64>) -> Changed {
        let mut all = Changed::default();
        for _ in 0..2_000 {
            let mut time = clock.lock().unwrap();
            *time += 0.001;
            let changed = list.update(engine, question(text), TimeRange::ALL, true, paused, *time).unwrap();
            if changed.rows {
                all = changed;
            }
            if !list.is_asking() {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        let time = *clock.lock().unwrap();
        let changed = list.update(engine, question(text), TimeRange::ALL, true, paused, time).unwrap();
        if changed.rows { changed } else { all }
    }

    #[test]
    fn rows_stay_while_paused_and_new_ones_are_counted() {
        let clock = Mutex::new(0.0);
        let mut list = List::default();
        let first = over(&[span(1, 100), span(2, 200)]);
        assert!(settle(&mut list, &first, "", false, &clock).question);
        assert_eq!(list.shown.as_ref().unwrap().traces.len(), 2);
        // Another engine stands for the same workspace after more has arrived.
        let second = over(&[span(1, 100), span(2, 200), span(3, 300)]);
        list.asked_revision = None;
        *clock.lock().unwrap() += 1.0;
        settle(&mut list, &second, "", true, &clock);
        assert_eq!((list.shown.as_ref().unwrap().traces.len(), list.waiting_new), (2, 1));
        let changed = settle(&mut list, &second, "", false, &clock);
        assert_eq!((changed.before, changed.question), (1, false));
        assert_eq!(list.shown.as_ref().unwrap().traces[0].trace_id, TraceId([3; 16]));
        assert!(list.arrived.contains_key(&TraceId([3; 16])) && list.arrived.len() == 1);
    }

    #[test]
    fn a_query_that_does_not_parse_keeps_the_rows() {
        let clock = Mutex::new(0.0);
        let mut list = List::default();
        let engine = over(&[span(1, 100)]);
        settle(&mut list, &engine, "", false, &clock);
        let error = list.update(&engine, question("duration > ("), TimeRange::ALL, true, false, 9.0);
        assert!(error.is_err());
        assert_eq!(list.shown.as_ref().unwrap().traces.len(), 1);
        settle(&mut list, &engine, "name = \"GET /9\"", false, &clock);
        assert!(list.shown.as_ref().unwrap().traces.is_empty());
    }

    #[test]
    fn one_trace_that_hung_does_not_flatten_the_bars() {
        let length = |ns: i64| TraceSummary { duration: crate::model::DurationNs(ns), ..TraceSummary::default() };
        let mut traces: Vec<TraceSummary> = (0..99).map(|at| length(100 + at)).collect();
        traces.push(length(1_000_000));
        assert_eq!(full_bar(&traces), 195);
        assert_eq!(full_bar(&traces[..1]), 100);
        assert_eq!(full_bar(&[]), 1);
    }

    #[test]
    fn a_restart_stands_between_the_traces_of_both_lives() {
        let second = 1_000_000_000;
        let at = |start: i64| TraceSummary { start: UnixNanos(start * second), ..TraceSummary::default() };
        let run = |service: &str, first: i64, last: i64| Run {
            service: service.into(),
            first_seen: UnixNanos(first * second),
            last_seen: UnixNanos(last * second),
            ..Run::default()
        };
        let restarts = [run("web", 0, 45), run("web", 50, 400), run("cart", 0, 50), run("cart", 55, 90), run("web", 500, 600)];
        let others = [run("pay", 52, 90), run("mail", 0, 90), run("mail", 51, 90)];
        let runs = [&restarts[..], &others].concat();
        let newest = [at(90), at(60), at(40), at(10)];
        assert_eq!(
            starts(&runs, &newest, true),
            [(2, "web and cart started again".to_owned())],
            "pay has one life, mail one more instance"
        );
        let oldest = [at(10), at(40), at(60), at(90)];
        assert_eq!(starts(&runs, &oldest, false)[0].0, 2);
    }

    #[test]
    fn hidden_traces_are_left_out_and_counted() {
        let clock = Mutex::new(0.0);
        let engine = over(&[span(1, 100), span(2, 200)]);
        engine.hide_like("GET /1", Predicate::equals(Field::Name, "GET /1")).unwrap();
        let mut asked = question("");
        asked.rules = engine.hidden_rules();
        let mut list = List::default();
        for _ in 0..2_000 {
            *clock.lock().unwrap() += 0.001;
            let time = *clock.lock().unwrap();
            list.update(&engine, asked.clone(), TimeRange::ALL, true, false, time).unwrap();
            if list.shown.is_some() {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        let shown = list.shown.unwrap();
        assert_eq!((shown.traces.len(), shown.total, shown.hidden), (1, 1, 1));
    }
}
