//! The life of a span, rule by rule.

use super::*;
use crate::context::{Sampling, SpanContext, TraceFlags, TraceState};
use crate::model::{self, Attributes, Resource, SpanId, SpanKind, StatusCode, TraceId, UnixNanos, Value};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(5);

fn provider(exporter: &InMemory) -> ProviderBuilder {
    Provider::builder(Resource::service("shop"))
        .processor(Simple::new(exporter.clone()))
        .ids(SeededIds::new(1))
        .clock(ManualClock::at(UnixNanos(1_000)))
}

fn remote(flags: u8, state: &str) -> SpanContext {
    let trace_state = TraceState::parse([state.as_bytes()]).unwrap();
    SpanContext { trace_state, ..SpanContext::from_remote(TraceId([7; 16]), SpanId([8; 8]), TraceFlags::from_byte(flags)) }
}

fn one(exporter: &InMemory) -> model::Span {
    let mut spans = exporter.spans();
    assert_eq!(spans.len(), 1);
    spans.remove(0)
}

#[test]
fn a_root_gets_new_ids_and_says_that_they_are_random() {
    let exporter = InMemory::default();
    let tracer = provider(&exporter).build().tracer("lib", "1.2");
    let mut span = tracer.span("work").start();
    let context = span.context().clone();
    assert!(context.is_valid() && !context.remote);
    assert_eq!(context.flags.byte(), 3);
    span.end();
    assert_eq!(span.context(), &context, "the context outlives the end");
    let span = one(&exporter);
    assert_eq!((span.trace_id, span.span_id, span.parent), (context.trace_id, context.span_id, None));
    assert_eq!((span.flags, span.kind), (0x103, SpanKind::Internal));
    assert_eq!((span.service(), span.scope.name.as_str(), span.scope.version.as_str()), ("shop", "lib", "1.2"));
    assert_eq!((span.start, span.end), (UnixNanos(1_000), Some(UnixNanos(1_000))));
}

#[test]
fn a_child_joins_its_parent_and_copies_the_random_bit_and_tracestate() {
    let exporter = InMemory::default();
    let tracer = provider(&exporter).build().tracer("", "");
    let parent = remote(1, "a=1");
    let child = tracer.span("child").parent(&parent).kind(SpanKind::Server).start();
    assert_eq!((child.context().trace_id, child.context().flags.byte()), (parent.trace_id, 1));
    assert_eq!(child.context().trace_state.as_str(), "a=1");
    assert_ne!(child.context().span_id, parent.span_id);
    drop(child);
    let span = one(&exporter);
    assert_eq!((span.parent, span.flags), (Some(parent.span_id), 0x301));
    assert_eq!(span.trace_state, "a=1");
}

#[test]
fn an_invalid_parent_is_none() {
    let exporter = InMemory::default();
    let tracer = provider(&exporter).build().tracer("", "");
    drop(tracer.span("x").parent(&SpanContext::default()).start());
    assert_eq!(one(&exporter).parent, None);
}

#[test]
fn a_span_ends_once_and_nothing_is_written_after() {
    let exporter = InMemory::default();
    let tracer = provider(&exporter).build().tracer("", "");
    let mut span = tracer.span("x").at(UnixNanos(5)).start();
    span.set("a", 1);
    assert!(span.is_recording());
    span.end_at(UnixNanos(9));
    assert!(!span.is_recording());
    span.set("b", 2).rename("y").event("late", Attributes::default()).status(StatusCode::Error, "late");
    span.end_at(UnixNanos(99));
    span.end();
    drop(span);
    let span = one(&exporter);
    assert_eq!((span.name.as_str(), span.start, span.end), ("x", UnixNanos(5), Some(UnixNanos(9))));
    assert_eq!((span.attributes.len(), span.events.len(), span.status.code), (1, 0, StatusCode::Unset));
}

#[test]
fn ok_stands_over_error_over_unset() {
    use StatusCode::{Error, Ok, Unset};
    for (calls, code, message) in [
        (vec![(Error, "a")], Error, "a"),
        (vec![(Error, "a"), (Error, "b")], Error, "b"),
        (vec![(Error, "a"), (Unset, "")], Error, "a"),
        (vec![(Error, "a"), (Ok, "ignored")], Ok, ""),
        (vec![(Ok, ""), (Error, "a")], Ok, ""),
        (vec![(Unset, "ignored")], Unset, ""),
    ] {
        let exporter = InMemory::default();
        let tracer = provider(&exporter).build().tracer("", "");
        let mut span = tracer.span("x").start();
        for (code, text) in &calls {
            span.status(*code, text);
        }
        drop(span);
        let status = one(&exporter).status;
        assert_eq!((status.code, status.message.as_str()), (code, message), "{calls:?}");
    }
}

#[test]
fn what_goes_beyond_the_limits_is_counted() {
    let exporter = InMemory::default();
    let limits =
        SpanLimits { attributes: 2, value_length: Some(3), events: 1, links: 1, event_attributes: 1, link_attributes: 1 };
    let tracer = provider(&exporter).limits(limits).build().tracer("", "");
    let two: Attributes = [("a", "12345"), ("b", "x")].into_iter().collect();
    let mut span = tracer.span("x").set("a", "12345").set("a", "67890").link(remote(1, ""), two.clone()).start();
    span.set("b", 1).set("c", 2).set("a", "abcdef");
    span.event("first", two.clone()).event("second", two.clone()).link(&remote(1, ""), two);
    drop(span);
    let span = one(&exporter);
    assert_eq!((span.attributes.get("a"), span.dropped_attributes), (Some(&Value::from("abc")), 1));
    assert_eq!((span.events.len(), span.dropped_events, span.events[0].dropped_attributes), (1, 1, 1));
    assert_eq!(span.events[0].attributes.text("a"), Some("123"));
    assert_eq!((span.links.len(), span.dropped_links, span.links[0].dropped_attributes), (1, 1, 1));
}

#[test]
fn exceptions_are_events_and_the_callers_attributes_stand() {
    let exporter = InMemory::default();
    let tracer = provider(&exporter).build().tracer("", "");
    let mut span = tracer.span("x").start();
    let own = [("exception.message", "mine"), ("more", "1")].into_iter().collect();
    span.exception("IoError", "theirs", Some("at line 1"), own);
    span.error(&std::io::Error::other("disk full"));
    drop(span);
    let span = one(&exporter);
    assert_eq!(span.events[0].name, "exception");
    let texts = ["exception.type", "exception.message", "exception.stacktrace", "more"];
    assert_eq!(texts.map(|key| span.events[0].attributes.text(key).unwrap_or("-")), ["IoError", "mine", "at line 1", "1"]);
    assert_eq!(span.events[1].attributes.text("exception.message"), Some("disk full"));
    assert_eq!(span.status.code, StatusCode::Unset, "an exception does not set the status");
}

#[test]
fn links_without_ids_are_kept_only_if_they_say_something() {
    let exporter = InMemory::default();
    let tracer = provider(&exporter).build().tracer("", "");
    let mut span = tracer.span("x").start();
    span.link(&SpanContext::default(), Attributes::default());
    span.link(&SpanContext::default(), [("why", "batch")].into_iter().collect());
    span.link(&remote(1, "a=1"), Attributes::default());
    drop(span);
    let span = one(&exporter);
    assert_eq!(span.links.len(), 2);
    assert_eq!((span.links[1].flags, span.links[1].trace_state.as_str()), (0x301, "a=1"));
}

#[test]
fn a_dropped_span_still_has_a_context_to_pass_on() {
    let exporter = InMemory::default();
    let tracer = provider(&exporter).build().tracer("", "");
    let parent = remote(2, "a=1");
    let mut span = tracer.span("x").parent(&parent).start();
    assert!(!span.is_recording());
    assert_eq!((span.context().trace_id, span.context().flags.byte()), (parent.trace_id, 2));
    assert_ne!(span.context().span_id, parent.span_id, "a span id is made even when nothing is recorded");
    assert_eq!(span.context().trace_state.as_str(), "a=1");
    span.set("a", 1).end();
    assert!(exporter.spans().is_empty());
}

#[test]
fn debug_goes_on_to_the_children() {
    let exporter = InMemory::default();
    let tracer = provider(&exporter).build().tracer("", "");
    let parent = SpanContext { sampling: Sampling::Debug, ..remote(1, "") };
    assert_eq!(tracer.span("x").parent(&parent).start().context().sampling, Sampling::Debug);
}

struct Recorder;

impl ShouldSample for Recorder {
    fn sample(&self, candidate: &Candidate<'_>) -> Sampled {
        let decision = if candidate.name == "keep" { Decision::RecordAndSample } else { Decision::RecordOnly };
        let trace_state = Some(TraceState::parse([b"own=1".as_slice()]).unwrap());
        Sampled { decision, attributes: [("sampler", "recorder")].into_iter().collect(), trace_state }
    }

    fn description(&self) -> String {
        "Recorder".into()
    }
}

#[test]
fn a_sampler_may_add_attributes_and_tracestate_and_record_without_sampling() {
    let exporter = InMemory::default();
    let tracer = provider(&exporter).sampler(Sampler::Custom(Arc::new(Recorder))).build().tracer("", "");
    let only = tracer.span("only recorded").start();
    assert!(only.is_recording() && !only.context().is_sampled());
    drop(only);
    assert!(exporter.spans().is_empty(), "what is not sampled is not exported");
    let kept = tracer.span("keep").start();
    assert_eq!(kept.context().trace_state.as_str(), "own=1");
    drop(kept);
    assert_eq!(one(&exporter).attributes.text("sampler"), Some("recorder"));
}

struct Watcher(Arc<Mutex<Vec<String>>>);

impl Processor for Watcher {
    fn on_start(&self, span: &mut model::Span, parent: Option<&SpanContext>) {
        span.attributes.push("at", "start");
        self.0.lock().unwrap().push(format!("start {} {}", span.name, parent.is_some()));
    }

    fn on_ending(&self, span: &mut model::Span) {
        span.attributes.push("at", "ending");
    }

    fn on_end(&self, span: Box<model::Span>) {
        self.0.lock().unwrap().push(format!("end {} {}", span.name, span.attributes.len()));
    }

    fn flush(&self, _timeout: Duration) -> Result<(), FlushError> {
        Ok(())
    }

    fn shutdown(&self, _timeout: Duration) -> Result<(), FlushError> {
        self.0.lock().unwrap().push("shutdown".into());
        Ok(())
    }
}

#[test]
fn processors_are_told_in_order_and_shut_down_once() {
    let (log, exporter) = (Arc::default(), InMemory::default());
    let provider = Provider::builder(Resource::service("x"))
        .processor(Watcher(Arc::clone(&log)))
        .processor(Simple::new(exporter.clone()))
        .build();
    let tracer = provider.tracer("", "");
    drop(tracer.span("a").start());
    provider.shutdown(SOON).unwrap();
    provider.shutdown(SOON).unwrap();
    let after = tracer.span("after").start();
    assert!(!after.is_recording(), "nothing is recorded after the shutdown");
    drop(after);
    drop(provider);
    assert_eq!(*log.lock().unwrap(), ["start a false", "end a 2", "shutdown"]);
    assert_eq!(one(&exporter).attributes.len(), 2);
}

/// An exporter that waits for leave before each export and tells what it got.
struct Gated {
    leave: Receiver<()>,
    got: Arc<Mutex<Vec<usize>>>,
    stops: Arc<AtomicUsize>,
}

impl Exporter for Gated {
    fn export(&mut self, batch: &[Box<model::Span>], _timeout: Duration) -> Result<(), ExportError> {
        self.leave.recv_timeout(SOON).map_err(|_| ExportError::ShutDown)?;
        self.got.lock().unwrap().push(batch.len());
        Ok(())
    }

    fn shutdown(&mut self) {
        self.stops.fetch_add(1, Ordering::SeqCst);
    }
}

type Gate = (SyncSender<()>, Arc<Mutex<Vec<usize>>>, Arc<AtomicUsize>, Batch);

fn gated(config: BatchConfig) -> Gate {
    let (sender, leave) = sync_channel(100);
    let (got, stops) = (Arc::default(), Arc::default());
    let batch = Batch::new(Gated { leave, got: Arc::clone(&got), stops: Arc::clone(&stops) }, config);
    (sender, got, stops, batch)
}

fn ended() -> Box<model::Span> {
    Box::new(model::Span { flags: 1, ..model::Span::default() })
}

#[test]
fn a_full_queue_drops_and_counts_and_never_waits() {
    let delay = Duration::from_secs(3600);
    let (leave, got, _, batch) = gated(BatchConfig { queue: 10, batch: 4, delay, ..BatchConfig::default() });
    for _ in 0..4 {
        batch.on_end(ended());
    }
    // The exporter now holds four and waits for leave; the queue takes ten more.
    while batch.flush(Duration::from_millis(20)).is_ok() {}
    for _ in 0..25 {
        batch.on_end(ended());
    }
    assert_eq!(batch.counts().dropped, 15);
    for _ in 0..4 {
        leave.send(()).unwrap();
    }
    batch.flush(SOON).unwrap();
    assert_eq!(*got.lock().unwrap(), [4, 4, 4, 2]);
    assert_eq!(batch.counts(), BatchCounts { exported: 14, failed: 0, dropped: 15 });
}

#[test]
fn the_delay_exports_what_is_there() {
    let (leave, got, _, batch) = gated(BatchConfig { delay: Duration::from_millis(20), ..BatchConfig::default() });
    leave.send(()).unwrap();
    batch.on_end(ended());
    let deadline = std::time::Instant::now() + SOON;
    while got.lock().unwrap().is_empty() && std::time::Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(*got.lock().unwrap(), [1]);
}

#[test]
fn shutdown_flushes_stops_the_exporter_once_and_later_spans_are_dropped() {
    let (leave, got, stops, batch) = gated(BatchConfig::default());
    leave.send(()).unwrap();
    batch.on_end(ended());
    batch.on_end(Box::new(model::Span::default()));
    batch.shutdown(SOON).unwrap();
    assert_eq!(*got.lock().unwrap(), [1], "what is not sampled is not exported");
    batch.on_end(ended());
    assert_eq!(batch.counts().dropped, 1);
    let deadline = std::time::Instant::now() + SOON;
    while stops.load(Ordering::SeqCst) == 0 && std::time::Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(stops.load(Ordering::SeqCst), 1);
}

#[test]
fn a_slow_exporter_does_not_hold_a_flush_beyond_its_time() {
    let (_leave, _, _, batch) = gated(BatchConfig::default());
    batch.on_end(ended());
    let timeout = Duration::from_millis(30);
    assert_eq!(batch.flush(timeout), Err(FlushError::TimedOut(timeout)));
}

#[test]
fn live_announces_a_start_and_sends_the_whole_span_later() {
    let exporter = InMemory::default();
    let live = Live::new(Batch::new(exporter.clone(), BatchConfig::default()));
    let provider = Provider::builder(Resource::service("x")).processor(live).build();
    let tracer = provider.tracer("", "");
    let mut span = tracer.span("long work").start();
    provider.flush(SOON).unwrap();
    assert_eq!(one(&exporter).end, None);
    span.set("done", true);
    span.end();
    provider.flush(SOON).unwrap();
    let spans = exporter.spans();
    assert_eq!(spans.len(), 2);
    assert!(spans[1].end.is_some() && spans[1].span_id == spans[0].span_id);
}

#[test]
fn ids_can_be_given_for_replay() {
    let exporter = InMemory::default();
    let tracer = provider(&exporter).build().tracer("", "");
    drop(tracer.span("x").with_trace_id(TraceId([3; 16])).with_span_id(SpanId([4; 8])).start());
    let span = one(&exporter);
    assert_eq!((span.trace_id, span.span_id, span.flags), (TraceId([3; 16]), SpanId([4; 8]), 0x101));
}

#[test]
fn threads_end_spans_into_one_batch_without_loss() {
    let exporter = InMemory::default();
    let config = BatchConfig { queue: 100_000, ..BatchConfig::default() };
    let provider = Provider::builder(Resource::service("x")).processor(Batch::new(exporter.clone(), config)).build();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            let tracer = provider.tracer("", "");
            scope.spawn(move || (0..1000).for_each(|_| drop(tracer.span("x").start())));
        }
    });
    provider.flush(SOON).unwrap();
    assert_eq!(exporter.spans().len(), 8000);
}

#[test]
fn a_tracer_carries_its_scope_with_schema_and_attributes() {
    let exporter = InMemory::default();
    let scope = model::Scope {
        name: "lib".into(),
        version: "2".into(),
        schema_url: "https://example.test/schema".into(),
        attributes: [("team", "shop")].into_iter().collect(),
        ..model::Scope::default()
    };
    drop(provider(&exporter).build().tracer_of(scope.clone()).span("x").start());
    assert_eq!(*one(&exporter).scope, scope);
}

#[test]
fn a_recording_span_takes_a_new_name() {
    let exporter = InMemory::default();
    let tracer = provider(&exporter).build().tracer("", "");
    tracer.span("GET").start().rename("GET /cart/{id}");
    assert_eq!(one(&exporter).name, "GET /cart/{id}");
}
