//! The room as its callers see it.

use super::samples::{EPOCH, shop};
use super::*;
use crate::model::{Resource, Span, SpanId};
use crate::source::{Field, MemorySource, Predicate, QueryControl, TimeRange, TraceRequest};
use std::collections::HashSet;

const NOW: UnixNanos = UnixNanos(EPOCH + 3_600_000_000_000);

fn open(dir: &Path) -> Workspace {
    Workspace::open(dir, Options { clock: || NOW, ..Options::default() }).unwrap()
}

fn append(workspace: &Workspace, spans: &[Span]) -> Appended {
    workspace.append_spans(Door::OtlpGrpc, SpanBatch::from_spans(spans), NOW).unwrap().wait().unwrap()
}

/// Leaves everything as a crash would: no drain, no seal, the lock given up.
fn crash(workspace: Workspace) {
    workspace.0.crash();
}

fn stored_spans(workspace: &Workspace) -> Vec<Span> {
    let (source, control) = (workspace.spans(), QueryControl::default());
    let list = source.traces(&TraceRequest { limit: 0, ..TraceRequest::default() }, &control).unwrap();
    assert_eq!(list.total as usize, list.traces.len());
    let mut spans = Vec::new();
    for summary in &list.traces {
        let trace = source.trace(summary.trace_id, &control).unwrap().unwrap();
        assert_eq!(crate::model::trace::summarise(&trace.spans).as_ref(), Some(summary));
        spans.extend(trace.spans.to_spans());
    }
    spans
}

fn sorted(mut spans: Vec<Span>) -> Vec<Span> {
    spans.sort_by_key(|span| (span.trace_id, span.start, span.span_id));
    spans
}

fn assert_accounts(workspace: &Workspace) -> AccountRow {
    let mut sum = AccountRow {
        door: Door::OtlpGrpc,
        service: "all".into(),
        signal: Signal::Traces,
        received: 0,
        stored: 0,
        duplicate: 0,
        rejected: 0,
        evicted: 0,
        sampled_out: 0,
    };
    for row in workspace.accounts() {
        assert_eq!(row.received, row.stored + row.duplicate + row.rejected + row.evicted + row.sampled_out, "{row:?}");
        sum.received += row.received;
        sum.stored += row.stored;
        sum.duplicate += row.duplicate;
        sum.rejected += row.rejected;
        sum.evicted += row.evicted;
    }
    sum
}

#[test]
fn what_was_acknowledged_is_there_after_a_crash_once() {
    let dir = tempfile::tempdir().unwrap();
    let spans = shop(1, 20);
    let workspace = open(dir.path());
    for part in spans.chunks(37) {
        assert_eq!(append(&workspace, part), Appended { stored: part.len() as u64, duplicate: 0, ..Appended::default() });
    }
    workspace.note_rejected(Door::OtlpGrpc, "cart", Signal::Traces, 3);
    assert_eq!(sorted(stored_spans(&workspace)), sorted(spans.clone()));
    crash(workspace);
    let workspace = open(dir.path());
    assert_eq!(workspace.problems(), &[] as &[String]);
    assert_eq!(sorted(stored_spans(&workspace)), sorted(spans.clone()));
    assert_eq!(append(&workspace, &spans[..10]), Appended { stored: 0, duplicate: 10, ..Appended::default() });
    let sum = assert_accounts(&workspace);
    assert_eq!((sum.stored, sum.duplicate), (spans.len() as u64, 10));
    workspace.close();
    let workspace = open(dir.path());
    assert_eq!(assert_accounts(&workspace).duplicate, 10);
    assert_eq!(sorted(stored_spans(&workspace)), sorted(spans));
}

#[test]
fn answers_are_those_of_a_source_in_memory() {
    let workspace = Workspace::in_memory(Options { clock: || NOW, ..Options::default() }).unwrap();
    let spans = shop(2, 30);
    for part in spans.chunks(50) {
        append(&workspace, part);
    }
    let reference = MemorySource::new("reference", &SpanBatch::from_spans(&spans));
    assert_same_answers(&*workspace.spans(), &reference);
}

#[test]
fn sealed_spans_answer_as_before_and_survive_a_crash() {
    let dir = tempfile::tempdir().unwrap();
    let spans = shop(11, 200);
    let workspace = open(dir.path());
    let (sealed, late) = spans.split_at(spans.len() / 2 + 3);
    for part in sealed.chunks(300) {
        append(&workspace, part);
    }
    workspace.seal().unwrap();
    assert_eq!(workspace.usage().head_spans, 0);
    append(&workspace, late);
    let reference = MemorySource::new("reference", &SpanBatch::from_spans(&spans));
    assert_same_lists(&*workspace.spans(), &reference);
    assert_eq!(sorted(stored_spans(&workspace)), sorted(spans.clone()));
    crash(workspace);
    let workspace = open(dir.path());
    assert_same_lists(&*workspace.spans(), &reference);
    workspace.seal().unwrap();
    assert_same_lists(&*workspace.spans(), &reference);
    assert_eq!(assert_accounts(&workspace).stored, spans.len() as u64);
    workspace.close();
    let workspace = open(dir.path());
    assert_same_lists(&*workspace.spans(), &reference);
    assert_eq!(assert_accounts(&workspace).stored, spans.len() as u64);
    assert_eq!(sorted(stored_spans(&workspace)), sorted(spans));
}

#[test]
fn what_is_sealed_while_others_append_is_there_once() {
    let workspace = Workspace::in_memory(Options { head_bytes: 200_000, clock: || NOW, ..Options::default() }).unwrap();
    let spans = shop(12, 900);
    std::thread::scope(|scope| {
        let writing = scope.spawn(|| spans.chunks(170).map(|part| append(&workspace, part).stored).sum::<u64>());
        while !writing.is_finished() {
            workspace.seal().unwrap();
            let list = workspace.spans().traces(&TraceRequest::default(), &QueryControl::default()).unwrap();
            assert!(list.traces.iter().all(|trace| trace.spans > 0));
        }
    });
    assert_eq!(sorted(stored_spans(&workspace)), sorted(spans));
}

fn assert_same_answers(source: &dyn SpanSource, reference: &MemorySource) {
    let control = QueryControl::default();
    assert_same_lists(source, reference);
    let middle = UnixNanos(EPOCH + 15_000_000);
    for range in [TimeRange::ALL, TimeRange { start: UnixNanos(EPOCH), end: middle }] {
        assert_eq!(source.services(range, 8, &control).unwrap(), reference.services(range, 8, &control).unwrap());
    }
}

fn assert_same_lists(source: &dyn SpanSource, reference: &MemorySource) {
    let control = QueryControl::default();
    let middle = UnixNanos(EPOCH + 15_000_000);
    for range in [TimeRange::ALL, TimeRange { start: UnixNanos(EPOCH), end: middle }] {
        for predicate in [
            Predicate::All,
            Predicate::equals(Field::Service, "cart"),
            Predicate::equals(Field::Service, "nobody"),
            Predicate::equals(Field::Name, "GET /search"),
            Predicate::equals(Field::Status, "error"),
            Predicate::equals(Field::Attr(crate::source::AttrScope::Any, "http.route".into()), "POST /cart"),
            Predicate::Not(Box::new(Predicate::equals(Field::Attr(crate::source::AttrScope::Any, "user.id".into()), "u"))),
        ] {
            for limit in [0, 5] {
                let request = TraceRequest { range, predicate: predicate.clone(), limit, ..TraceRequest::default() };
                let (found, expected) = (source.traces(&request, &control), reference.traces(&request, &control));
                assert_eq!(found.unwrap(), expected.unwrap(), "{request:?}");
            }
        }
        for (found, expected) in
            source.services(range, 8, &control).unwrap().iter().zip(reference.services(range, 8, &control).unwrap())
        {
            assert_eq!(
                (&found.service, found.spans, found.requests, found.errors, found.last_seen),
                (&expected.service, expected.spans, expected.requests, expected.errors, expected.last_seen)
            );
            let off = (found.p95.0 - expected.p95.0).abs() as f64;
            assert!(off <= expected.p95.0 as f64 * 0.04, "{found:?} {expected:?}");
            assert_eq!(found.spark.iter().sum::<u32>(), expected.spark.iter().sum::<u32>());
        }
    }
    assert_eq!(source.extent(), reference.extent());
    assert_eq!(source.runs(&control).unwrap(), reference.runs(&control).unwrap());
    for service in ["", "cart"] {
        assert_eq!(source.operations(service, &control).unwrap(), reference.operations(service, &control).unwrap());
    }
    for scope in [crate::source::AttrScope::Any, crate::source::AttrScope::Span, crate::source::AttrScope::Resource] {
        assert_eq!(source.attribute_keys(scope, &control).unwrap(), reference.attribute_keys(scope, &control).unwrap());
    }
    let field = Field::Attr(crate::source::AttrScope::Any, "http.route".into());
    assert_eq!(source.values(&field, 3, &control).unwrap(), reference.values(&field, 3, &control).unwrap());
}

#[test]
fn a_full_disk_is_said_and_work_resumes_when_there_is_room() {
    let dir = tempfile::tempdir().unwrap();
    let small = Options { max_pages: Some(40), clock: || NOW, ..Options::default() };
    let workspace = Workspace::open(dir.path(), small).unwrap();
    let spans = shop(3, 200);
    let mut kept = Vec::new();
    let mut refused = None;
    for part in spans.chunks(100) {
        let receipt = workspace.append_spans(Door::OtlpGrpc, SpanBatch::from_spans(part), NOW);
        match receipt.map(Receipt::wait) {
            Ok(Ok(_)) => kept.extend_from_slice(part),
            Ok(Err(error)) => refused = Some(error),
            Err(busy) => assert!(busy.retry_after > Duration::ZERO),
        }
    }
    assert!(matches!(refused, Some(StoreError::Full(_))), "{refused:?}");
    assert!(workspace.usage().write_problem.is_some());
    assert_eq!(sorted(stored_spans(&workspace)), sorted(kept.clone()));
    assert_eq!(assert_accounts(&workspace).stored, kept.len() as u64);
    crash(workspace);
    let workspace = open(dir.path());
    assert_eq!(sorted(stored_spans(&workspace)), sorted(kept.clone()));
    let rest: Vec<Span> = spans.into_iter().filter(|span| !kept.contains(span)).collect();
    assert_eq!(append(&workspace, &rest).stored, rest.len() as u64);
    assert_eq!(workspace.usage().write_problem, None);
}

#[test]
fn readers_see_whole_batches_while_others_append() {
    let workspace = Workspace::in_memory(Options { clock: || NOW, ..Options::default() }).unwrap();
    let spans = shop(4, 40);
    let ids: HashSet<TraceId> = spans.iter().map(|span| span.trace_id).collect();
    std::thread::scope(|scope| {
        let writing = scope.spawn(|| spans.chunks(9).map(|part| append(&workspace, part).stored).sum::<u64>());
        while !writing.is_finished() {
            let list = workspace.spans().traces(&TraceRequest::default(), &QueryControl::default()).unwrap();
            assert!(list.traces.iter().all(|trace| ids.contains(&trace.trace_id)));
        }
    });
    assert_eq!(stored_spans(&workspace).len(), spans.len());
}

#[test]
fn a_second_process_is_told_who_serves_the_workspace() {
    let dir = tempfile::tempdir().unwrap();
    let workspace = open(dir.path());
    workspace.publish_api("127.0.0.1:4319".parse().unwrap()).unwrap();
    let refused = Workspace::open(dir.path(), Options::default()).map(|_| ()).unwrap_err();
    assert!(refused.to_string().contains("127.0.0.1:4319"), "{refused}");
}

#[test]
fn settings_and_raw_signals_survive() {
    let dir = tempfile::tempdir().unwrap();
    let workspace = open(dir.path());
    workspace.set_setting("theme", "\"dark\"").unwrap();
    let counts = vec![("cart".into(), 4), ("web".into(), 1)];
    let receipt = workspace.append_raw(Door::OtlpHttp, Signal::Metrics, b"payload", counts, NOW).unwrap();
    assert_eq!(receipt.wait().unwrap().stored, 5);
    workspace.close();
    let workspace = open(dir.path());
    assert_eq!(workspace.setting("theme").as_deref(), Some("\"dark\""));
    let mut payloads = Vec::new();
    workspace.each_raw(Signal::Metrics, &mut |door, _, payload| payloads.push((door, payload.to_vec()))).unwrap();
    assert_eq!(payloads, [(Door::OtlpHttp, b"payload".to_vec())]);
    assert_eq!(assert_accounts(&workspace).stored, 5);
}

#[test]
fn other_content_under_the_same_ids_is_another_span() {
    let workspace = Workspace::in_memory(Options { clock: || NOW, ..Options::default() }).unwrap();
    let span = |name: &str| Span {
        trace_id: TraceId([1; 16]),
        span_id: SpanId::from(1),
        name: name.into(),
        end: Some(UnixNanos(5)),
        resource: Arc::new(Resource::service("a")),
        ..Span::default()
    };
    assert_eq!(
        append(&workspace, &[span("client"), span("server"), span("client")]),
        Appended { stored: 2, duplicate: 1, ..Appended::default() }
    );
    assert_eq!(stored_spans(&workspace).len(), 2);
}

#[test]
fn clear_hides_all_or_a_service_and_undo_brings_it_back() {
    let dir = tempfile::tempdir().unwrap();
    let spans = shop(21, 60);
    let workspace = open(dir.path());
    append(&workspace, &spans);
    let receipt = workspace.append_raw(Door::OtlpHttp, Signal::Logs, b"x", vec![("cart".into(), 2)], NOW).unwrap();
    receipt.wait().unwrap();
    let token = workspace.clear(Clear::All).unwrap();
    assert_eq!(stored_spans(&workspace), []);
    assert_eq!(assert_accounts(&workspace).evicted, spans.len() as u64 + 2);
    workspace.undo_clear(token).unwrap();
    assert_eq!(sorted(stored_spans(&workspace)), sorted(spans.clone()));
    assert_eq!(assert_accounts(&workspace).evicted, 0);
    let token = workspace.clear(Clear::Service("cart".into())).unwrap();
    let others: Vec<Span> = spans.iter().filter(|span| span.service() != "cart").cloned().collect();
    assert_eq!(sorted(stored_spans(&workspace)), sorted(others.clone()));
    assert_eq!(assert_accounts(&workspace).evicted, (spans.len() - others.len()) as u64);
    workspace.undo_clear(token).unwrap();
    assert_eq!(sorted(stored_spans(&workspace)), sorted(spans.clone()));
    let _token = workspace.clear(Clear::Service("cart".into())).unwrap();
    workspace.close();
    let workspace = open(dir.path());
    assert_eq!(sorted(stored_spans(&workspace)), sorted(others));
    assert_accounts(&workspace);
}

#[test]
fn undo_of_clear_brings_back_each_span_once_though_retention_rewrote_what_was_left() {
    let workspace = Workspace::in_memory(Options { clock: || NOW, ..Options::default() }).unwrap();
    let mut all = Vec::new();
    // Enough small segments to be joined, and a pinned trace that retention has to leave in each rewrite.
    for seed in 41..53 {
        let spans = shop(seed, 12);
        append(&workspace, &spans);
        workspace.seal().unwrap();
        all.extend(spans);
    }
    let pinned = all[0].trace_id;
    workspace.set_pinned(pinned, true).unwrap();
    let cart = workspace.clear(Clear::Service("cart".into())).unwrap();
    let catalog = workspace.clear(Clear::Service("catalog".into())).unwrap();
    workspace.set_retention(1, Duration::from_secs(7_200));
    workspace.retain().unwrap();
    let left = stored_spans(&workspace);
    assert!(left.iter().all(|span| span.trace_id == pinned) && !left.is_empty());
    workspace.set_retention(u64::MAX, Duration::from_secs(7_200));
    // The earlier one first: the later one's remains must not come back beside it.
    workspace.undo_clear(cart).unwrap();
    workspace.retain().unwrap();
    workspace.undo_clear(catalog).unwrap();
    workspace.retain().unwrap();
    let kept = sorted(stored_spans(&workspace));
    assert_eq!(kept.len(), kept.iter().map(|span| (span.trace_id, span.span_id)).collect::<HashSet<_>>().len());
    let services: HashSet<&str> = kept.iter().map(Span::service).collect();
    assert!(services.contains("cart") && services.contains("catalog"), "{services:?}");
    let sum = assert_accounts(&workspace);
    assert_eq!((sum.stored, sum.received), (kept.len() as u64, all.len() as u64));
}

#[test]
fn retention_drops_by_age_and_size_with_a_fair_share_and_leaves_pinned_traces() {
    let workspace = Workspace::in_memory(Options { clock: || NOW, ..Options::default() }).unwrap();
    let mut quiet = shop(22, 20);
    quiet.iter_mut().for_each(|span| span.resource = Arc::new(Resource::service("quiet")));
    let mut noisy = shop(23, 600);
    noisy.iter_mut().for_each(|span| span.resource = Arc::new(Resource::service("noisy")));
    append(&workspace, &quiet);
    workspace.seal().unwrap();
    for part in noisy.chunks(3_000) {
        append(&workspace, part);
        workspace.seal().unwrap();
    }
    let pinned = noisy[0].trace_id;
    workspace.set_pinned(pinned, true).unwrap();
    workspace.set_retention(300_000, Duration::from_secs(7_200));
    workspace.retain().unwrap();
    let kept = stored_spans(&workspace);
    let of = |service: &str| kept.iter().filter(|span| span.service() == service).count();
    assert_eq!(of("quiet"), quiet.len(), "one noisy service does not evict the rest");
    assert!(of("noisy") < noisy.len(), "{}", of("noisy"));
    assert!(kept.iter().any(|span| span.trace_id == pinned));
    assert!(!kept.iter().any(|span| span.trace_id == noisy[40].trace_id), "the oldest go first");
    let sum = assert_accounts(&workspace);
    assert_eq!((sum.stored, sum.received), (kept.len() as u64, (noisy.len() + quiet.len()) as u64));
    workspace.set_retention(u64::MAX, Duration::ZERO);
    workspace.retain().unwrap();
    let kept = stored_spans(&workspace);
    assert!(kept.iter().all(|span| span.trace_id == pinned) && !kept.is_empty());
}

#[test]
fn a_retry_is_a_duplicate_even_when_the_first_copy_is_sealed_and_the_program_was_restarted() {
    let dir = tempfile::tempdir().unwrap();
    let spans = shop(31, 30);
    let workspace = open(dir.path());
    append(&workspace, &spans);
    workspace.seal().unwrap();
    assert_eq!(append(&workspace, &spans[..50]), Appended { stored: 0, duplicate: 50, ..Appended::default() });
    workspace.close();
    let workspace = open(dir.path());
    assert_eq!(append(&workspace, &spans[50..150]), Appended { stored: 0, duplicate: 100, ..Appended::default() });
    let changed: Vec<Span> = spans[..5].iter().map(|span| Span { name: "other".into(), ..span.clone() }).collect();
    assert_eq!(append(&workspace, &changed), Appended { stored: 5, duplicate: 0, ..Appended::default() });
    assert_eq!(stored_spans(&workspace).len(), spans.len() + 5);
    let sum = assert_accounts(&workspace);
    assert_eq!((sum.stored, sum.duplicate), (spans.len() as u64 + 5, 150));
    let day_after = UnixNanos(NOW.0 + 86_400_000_000_000);
    let late = workspace.append_spans(Door::OtlpGrpc, SpanBatch::from_spans(&spans[200..201]), day_after).unwrap();
    assert_eq!(late.wait().unwrap().stored, 1, "after the horizon of retries it counts as new");
}

#[test]
fn a_finished_span_replaces_its_pending_form_and_not_the_other_way_round() {
    let dir = tempfile::tempdir().unwrap();
    let span = |id: u64, end: Option<i64>| Span {
        trace_id: TraceId([5; 16]),
        span_id: SpanId::from(id),
        name: "job".into(),
        start: UnixNanos(EPOCH),
        end: end.map(|end| UnixNanos(EPOCH + end)),
        resource: Arc::new(Resource::service("worker")),
        ..Span::default()
    };
    let workspace = open(dir.path());
    append(&workspace, &[span(1, None), span(2, None)]);
    let trace = || workspace.spans().trace(TraceId([5; 16]), &QueryControl::default()).unwrap().unwrap();
    assert_eq!(trace().spans.iter().filter(|span| span.end().is_none()).count(), 2);
    assert_eq!(append(&workspace, &[span(1, Some(70))]), Appended { stored: 1, duplicate: 0, ..Appended::default() });
    assert_eq!(trace().len(), 2);
    assert_eq!(append(&workspace, &[span(1, None)]), Appended { stored: 0, duplicate: 1, ..Appended::default() });
    let sum = assert_accounts(&workspace);
    assert_eq!((sum.received, sum.stored, sum.duplicate), (4, 2, 2));
    crash(workspace);
    let workspace = open(dir.path());
    assert_eq!(stored_spans(&workspace).len(), 2);
    assert_eq!(append(&workspace, &[span(2, Some(90))]), Appended { stored: 1, duplicate: 0, ..Appended::default() });
    assert_eq!(stored_spans(&workspace).iter().filter(|span| span.end.is_none()).count(), 0);
    let sum = assert_accounts(&workspace);
    assert_eq!((sum.received, sum.stored, sum.duplicate), (5, 2, 3));
}

#[test]
fn of_a_pending_span_and_its_end_in_one_group_only_the_end_is_stored() {
    let dir = tempfile::tempdir().unwrap();
    let span = |id: u64, end: Option<i64>, name: &str| Span {
        trace_id: TraceId([6; 16]),
        span_id: SpanId::from(id),
        name: name.into(),
        start: UnixNanos(EPOCH),
        end: end.map(|end| UnixNanos(EPOCH + end)),
        resource: Arc::new(Resource::service("worker")),
        ..Span::default()
    };
    let workspace = open(dir.path());
    // In one batch, then in two that the writer most likely takes together.
    let both = [span(1, None, "job"), span(1, Some(70), "job"), span(2, None, "first"), span(2, None, "second")];
    assert_eq!(append(&workspace, &both), Appended { stored: 2, duplicate: 2, ..Appended::default() });
    let send = |spans: &[Span]| workspace.append_spans(Door::OtlpGrpc, SpanBatch::from_spans(spans), NOW).unwrap();
    let receipts = [send(&[span(3, None, "job")]), send(&[span(3, Some(9), "job")]), send(&[span(3, None, "job again")])];
    for receipt in receipts {
        receipt.wait().unwrap();
    }
    let mut names: Vec<(String, bool)> =
        stored_spans(&workspace).iter().map(|span| (span.name.to_string(), span.end.is_some())).collect();
    names.sort();
    assert_eq!(names, [("job".to_owned(), true), ("job".to_owned(), true), ("second".to_owned(), false)]);
    let sum = assert_accounts(&workspace);
    assert_eq!((sum.received, sum.stored, sum.duplicate), (7, 3, 4));
    crash(workspace);
    assert_eq!(stored_spans(&open(dir.path())).len(), 3);
}

#[test]
fn the_same_span_of_another_resource_is_another_span() {
    let workspace = Workspace::in_memory(Options { clock: || NOW, ..Options::default() }).unwrap();
    let span = |service: &str| Span {
        trace_id: TraceId([7; 16]),
        span_id: SpanId::from(1),
        name: "GET".into(),
        end: Some(UnixNanos(5)),
        resource: Arc::new(Resource::service(service)),
        ..Span::default()
    };
    assert_eq!(
        append(&workspace, &[span("a"), span("b"), span("a")]),
        Appended { stored: 2, duplicate: 1, ..Appended::default() }
    );
    workspace.seal().unwrap();
    assert_eq!(append(&workspace, &[span("b"), span("c")]), Appended { stored: 1, duplicate: 1, ..Appended::default() });
}
