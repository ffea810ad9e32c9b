use super::super::samples::{any_spans, shop};
use super::decode::decode;
use super::*;
use crate::model::trace::summarise;
use crate::model::{Span, SpanBatchBuilder, TraceId};
use crate::source::{AttrScope, Field, Predicate};
use proptest::prelude::*;
use std::collections::BTreeMap;

fn sealed(spans: &[Span]) -> (SpanBatch, Sealed) {
    let batch = SpanBatch::from_spans(spans);
    let doors = vec![1; batch.len()];
    let sealed = encode(&batch, &doors).unwrap();
    (batch, sealed)
}

fn read(sealed: &Sealed, projection: &Projection) -> Option<Vec<SpanBatch>> {
    let head = Head::decode(&sealed.head)?;
    let directory = Directory::decode(&sealed.directory)?;
    let runs = &directory.runs;
    let one = |(number, block): (usize, &Vec<u8>)| {
        let chunks = Chunks::wanted(&head, projection, |offset, buffer| {
            block.get(offset..offset + buffer.len()).map(|bytes| buffer.copy_from_slice(bytes)).is_some()
        });
        decode(&head, &chunks?, runs, number, head.rows(number), projection)
    };
    sealed.blocks.iter().enumerate().map(one).collect()
}

fn by_trace(mut spans: Vec<Span>) -> BTreeMap<TraceId, Vec<Span>> {
    spans.sort_by_key(|span| span.start);
    let mut traces: BTreeMap<TraceId, Vec<Span>> = BTreeMap::new();
    spans.into_iter().for_each(|span| traces.entry(span.trace_id).or_default().push(span));
    traces
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn any_spans_come_back_as_they_were(spans in any_spans(14)) {
        let (_, sealed) = sealed(&spans);
        let read: Vec<Span> = read(&sealed, &Projection::whole()).unwrap().iter().flat_map(SpanBatch::to_spans).collect();
        prop_assert_eq!(by_trace(read), by_trace(spans));
    }

    #[test]
    fn summaries_are_those_of_the_model(spans in any_spans(14)) {
        let (_, sealed) = sealed(&spans);
        let directory = Directory::decode(&sealed.directory).unwrap();
        for (id, spans) in by_trace(spans) {
            let expected = summarise(&SpanBatch::from_spans(&spans)).unwrap();
            let at = directory.find(id).unwrap();
            prop_assert_eq!(directory.summary(at), expected);
        }
    }
}

#[test]
fn a_projection_reads_what_the_predicate_needs_and_decides_the_same() {
    let spans = shop(5, 400);
    let (batch, sealed) = sealed(&spans);
    assert!(sealed.blocks.len() > 1);
    let attr = |scope, key: &str| Field::Attr(scope, key.into());
    for predicate in [
        Predicate::equals(Field::Service, "cart"),
        Predicate::equals(Field::Name, "GET /search"),
        Predicate::equals(Field::Status, "error"),
        Predicate::equals(attr(AttrScope::Any, "http.route"), "POST /cart"),
        Predicate::equals(attr(AttrScope::Event, "exception.type"), "Timeout"),
        Predicate::Exists(Field::ParentId),
        Predicate::Exists(attr(AttrScope::Span, "db.query.text")),
        Predicate::equals(Field::AnyText, "u-0000001"),
    ] {
        let expected = batch.iter().filter(|span| predicate.matches(*span)).count();
        let blocks = read(&sealed, &Projection::of(&predicate)).unwrap();
        let found: usize = blocks.iter().map(|block| block.iter().filter(|span| predicate.matches(*span)).count()).sum();
        assert_eq!(found, expected, "{predicate:?}");
    }
}

#[test]
fn a_segment_that_surely_has_no_match_says_so_and_no_other_does() {
    let spans = shop(10, 300);
    let (batch, sealed) = sealed(&spans);
    let head = Head::decode(&sealed.head).unwrap();
    let attr = |scope, key: &str| Field::Attr(scope, key.into());
    let cases = [
        (Predicate::equals(Field::Name, "GET /search"), true),
        (Predicate::equals(Field::Name, "GET /nowhere"), false),
        (Predicate::equals(Field::Service, "nobody"), false),
        (Predicate::equals(attr(AttrScope::Any, "http.route"), "POST /cart"), true),
        (Predicate::equals(attr(AttrScope::Any, "http.route"), "nowhere"), false),
        (Predicate::equals(attr(AttrScope::Span, "thread.id"), "3"), false),
        (Predicate::equals(attr(AttrScope::Any, "service.version"), "2.0"), true),
        (Predicate::Exists(attr(AttrScope::Span, "missing")), false),
        (Predicate::Not(Box::new(Predicate::Exists(attr(AttrScope::Span, "missing")))), true),
    ];
    for (predicate, expected) in cases {
        assert_eq!(head.may_match(&predicate), expected, "{predicate:?}");
        assert!(expected || !batch.iter().any(|span| predicate.matches(span)), "{predicate:?}");
    }
}

#[test]
fn one_trace_is_read_from_its_block() {
    let spans = shop(6, 600);
    let (_, sealed) = sealed(&spans);
    let (head, directory) = (Head::decode(&sealed.head).unwrap(), Directory::decode(&sealed.directory).unwrap());
    let runs = &directory.runs;
    for (id, expected) in by_trace(spans).into_iter().step_by(37) {
        let run = runs[directory.find(id).unwrap()];
        let mut builder = SpanBatchBuilder::default();
        for number in head.blocks_of(run.first..run.first + run.len) {
            let chunks = Chunks::whole(sealed.blocks[number].clone()).unwrap();
            let part = decode(&head, &chunks, runs, number, run.first..run.first + run.len, &Projection::whole()).unwrap();
            builder.copy(&part, 0..part.len());
        }
        assert_eq!(builder.finish().to_spans(), expected);
    }
}

#[test]
fn a_trace_longer_than_a_block_is_cut_and_comes_back() {
    let mut spans = shop(8, 900);
    spans.iter_mut().for_each(|span| span.trace_id = TraceId([7; 16]));
    let (_, sealed) = sealed(&spans);
    assert!(sealed.blocks.len() > 2);
    let read: Vec<Span> = read(&sealed, &Projection::whole()).unwrap().iter().flat_map(SpanBatch::to_spans).collect();
    assert_eq!(by_trace(read), by_trace(spans));
}

#[test]
fn damage_is_refused_or_stays_readable() {
    let (_, whole) = sealed(&shop(9, 4));
    let mut sealed = Sealed { blocks: whole.blocks.clone(), ..sealed(&shop(9, 4)).1 };
    for at in (0..whole.blocks[0].len()).step_by(7) {
        sealed.blocks[0] = whole.blocks[0].clone();
        sealed.blocks[0][at] ^= 0x41;
        read(&sealed, &Projection::whole()).into_iter().flatten().for_each(|batch| drop(batch.to_spans()));
    }
    for at in (0..whole.head.len()).step_by(5) {
        sealed.head = whole.head.clone();
        sealed.head[at] ^= 0x41;
        read(&sealed, &Projection::whole()).into_iter().flatten().for_each(|batch| drop(batch.to_spans()));
    }
}
