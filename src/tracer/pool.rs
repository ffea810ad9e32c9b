//! Spans that were exported and are used again, with the room they made for attributes.
//!
//! A span is made on one thread and done with on another; giving its memory back and asking for it anew is what the
//! allocator is slowest at. So the exporting thread puts cleared spans on a shelf in bundles, and a thread that starts
//! spans takes a bundle at a time into its hand. Both are bounded; what is beyond is freed as always. A span also keeps
//! its resource and scope, which the next one nearly always shares, so that no reference count travels between cores.

use crate::model::{Span, SpanId, Status};
use std::cell::RefCell;
use std::sync::{Mutex, PoisonError};

/// Spans of a bundle, and so the most that one thread holds unused.
const BUNDLE: usize = 64;
/// Bundles on the shelf.
const SHELF: usize = 64;
/// A span keeps no more room than this, in entries.
const ATTRIBUTES: usize = 32;
const EVENTS: usize = 16;
const LINKS: usize = 8;

#[allow(clippy::vec_box, reason = "a span moves by its pointer")]
type Bundle = Vec<Box<Span>>;

static SHELVED: Mutex<Vec<Bundle>> = Mutex::new(Vec::new());

thread_local! {
    static HAND: RefCell<Bundle> = const { RefCell::new(Vec::new()) };
}

/// A span in the state of a default one, but for its resource and scope; `None` when there is none to be had.
pub(super) fn take() -> Option<Box<Span>> {
    let from = |hand: &RefCell<Bundle>| {
        let mut hand = hand.try_borrow_mut().ok()?;
        if hand.is_empty() {
            // Who would have to wait makes a new one.
            *hand = SHELVED.try_lock().ok()?.pop()?;
        }
        hand.pop()
    };
    HAND.try_with(from).ok().flatten()
}

/// Takes exported spans back; the list is empty afterwards.
pub(super) fn give(batch: &mut Bundle) {
    while !batch.is_empty() {
        let mut bundle = batch.split_off(batch.len().saturating_sub(BUNDLE));
        bundle.iter_mut().for_each(|span| clear(span));
        let mut shelf = SHELVED.lock().unwrap_or_else(PoisonError::into_inner);
        if shelf.len() >= SHELF {
            batch.clear();
            return;
        }
        shelf.push(bundle);
    }
}

fn clear(span: &mut Span) {
    fn empty<T>(list: &mut Vec<T>, most: usize) {
        if list.capacity() > most { *list = Vec::new() } else { list.clear() }
    }
    empty(&mut span.attributes.0, ATTRIBUTES);
    empty(&mut span.events, EVENTS);
    empty(&mut span.links, LINKS);
    (span.dropped_attributes, span.dropped_events, span.dropped_links) = (0, 0, 0);
    (span.parent, span.end, span.span_id) = (None, None, SpanId::default());
    span.name = Default::default();
    span.trace_state = Default::default();
    span.status = Status::default();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Attributes, Event, Link, Resource, Scope, UnixNanos, Value};
    use std::sync::Arc;

    #[test]
    fn a_span_that_was_given_back_has_nothing_of_its_past() {
        let attributes: Attributes = (0..40).map(|number| (format!("key{number}"), Value::Int(number))).collect();
        let full = Span {
            name: "old".into(),
            parent: Some(SpanId([1; 8])),
            end: Some(UnixNanos(7)),
            attributes: attributes.clone(),
            dropped_attributes: 1,
            events: vec![Event { attributes, ..Event::default() }],
            dropped_events: 2,
            links: vec![Link::default()],
            dropped_links: 3,
            status: Status { code: crate::model::StatusCode::Error, message: "bad".into() },
            trace_state: "a=1".into(),
            resource: Arc::new(Resource::service("kept")),
            scope: Arc::new(Scope::default()),
            ..Span::default()
        };
        let mut span = full.clone();
        clear(&mut span);
        let expected = Span { resource: full.resource.clone(), ..Span::default() };
        assert_eq!(span, expected);
        assert!(span.attributes.0.capacity() <= ATTRIBUTES, "room beyond the limit is freed");
    }

    #[test]
    fn what_is_given_is_taken_in_bundles_and_the_shelf_is_bounded() {
        let mut batch: Bundle = (0..SHELF * BUNDLE + 1000).map(|_| Box::default()).collect();
        give(&mut batch);
        assert!(batch.is_empty());
        assert!(SHELVED.lock().unwrap().len() <= SHELF);
        assert!(take().is_some());
    }
}
