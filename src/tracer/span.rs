//! A span while it is open: what may be written on it, and how it ends.
//!
//! OpenTelemetry's rules: it ends once; nothing is written after the end; status `Ok` stands over `Error` over `Unset`;
//! what goes beyond the limits is dropped and counted; a span that isn't recorded still has a context to pass on, and
//! writing on it costs next to nothing. Dropping an open span ends it.

use super::Key;
use super::provider::Shared;
use crate::context::SpanContext;
use crate::model::{self, Attributes, Event, Link, Status, StatusCode, UnixNanos, Value};
use std::sync::Arc;

/// What a span that is recorded holds; boxed, so that an open span is small and moves to the queue by its pointer.
pub(super) struct Recording {
    pub(super) span: Box<model::Span>,
    pub(super) shared: Arc<Shared>,
}

/// See the module comment.
#[must_use = "a span ends when it is dropped"]
pub struct Span {
    pub(super) context: SpanContext,
    pub(super) recording: Option<Recording>,
}

impl Span {
    /// A span that records nothing and passes `context` on.
    pub fn non_recording(context: SpanContext) -> Self {
        Self { context, recording: None }
    }

    /// What children and other services need to join; stays usable after the end.
    pub fn context(&self) -> &SpanContext {
        &self.context
    }

    /// True while something written on it is kept.
    pub fn is_recording(&self) -> bool {
        self.recording.is_some()
    }

    /// Sets an attribute; an old value under the key is replaced.
    pub fn set(&mut self, key: impl Into<Key>, value: impl Into<Value>) -> &mut Self {
        if let Some(Recording { span, shared }) = &mut self.recording {
            let limits = &shared.limits;
            let (key, value) = (key.into().0, value.into());
            limits.put(&mut span.attributes, &mut span.dropped_attributes, limits.attributes, key, value);
        }
        self
    }

    /// Adds an event that happens now.
    pub fn event(&mut self, name: impl Into<Key>, attributes: Attributes) -> &mut Self {
        if let Some(recording) = &mut self.recording {
            let now = recording.shared.clock.now();
            recording.add_event(name.into(), now, attributes);
        }
        self
    }

    /// Adds an event with its time, which may lie outside the span.
    pub fn event_at(&mut self, name: impl Into<Key>, time: UnixNanos, attributes: Attributes) -> &mut Self {
        if let Some(recording) = &mut self.recording {
            recording.add_event(name.into(), time, attributes);
        }
        self
    }

    /// Adds a link. One without ids is kept only if it says something otherwise.
    pub fn link(&mut self, to: &SpanContext, attributes: Attributes) -> &mut Self {
        if let Some(recording) = &mut self.recording {
            recording.add_link(to, attributes);
        }
        self
    }

    /// Sets the status: nothing changes `Ok`, `Unset` changes nothing, and only an error has a description.
    pub fn status(&mut self, code: StatusCode, description: &str) -> &mut Self {
        if let Some(Recording { span, .. }) = &mut self.recording {
            match (span.status.code, code) {
                (StatusCode::Ok, _) | (_, StatusCode::Unset) => {}
                (_, StatusCode::Ok) => span.status = Status { code, message: Default::default() },
                (_, StatusCode::Error) => span.status = Status { code, message: description.into() },
            }
        }
        self
    }

    /// Gives the span another name.
    pub fn rename(&mut self, name: impl Into<Key>) -> &mut Self {
        if let Some(Recording { span, .. }) = &mut self.recording {
            span.name = name.into().0;
        }
        self
    }

    /// Adds the event `exception`; attributes of the caller stand over the ones made here. The status stays as it is.
    pub fn exception(&mut self, kind: &str, message: &str, stacktrace: Option<&str>, attributes: Attributes) -> &mut Self {
        if let Some(recording) = &mut self.recording {
            let mut all = Attributes::default();
            all.push("exception.type", kind);
            all.push("exception.message", message);
            if let Some(stacktrace) = stacktrace {
                all.push("exception.stacktrace", stacktrace);
            }
            for (key, value) in attributes.0 {
                all.set(key, value);
            }
            let now = recording.shared.clock.now();
            recording.add_event(Key::from("exception"), now, all);
        }
        self
    }

    /// Adds an error with the chain of its causes as an exception.
    pub fn error<E: std::error::Error>(&mut self, error: &E) -> &mut Self {
        if self.recording.is_some() {
            let mut chain = error.to_string();
            let mut cause = error.source();
            while let Some(next) = cause {
                chain.push_str(": ");
                chain.push_str(&next.to_string());
                cause = next.source();
            }
            self.exception(std::any::type_name::<E>(), &chain, None, Attributes::default());
        }
        self
    }

    /// Ends the span now. The second end changes nothing.
    pub fn end(&mut self) {
        if let Some(recording) = self.recording.take() {
            let now = recording.shared.clock.now();
            recording.finish(now);
        }
    }

    /// Ends the span at `time`.
    pub fn end_at(&mut self, time: UnixNanos) {
        if let Some(recording) = self.recording.take() {
            recording.finish(time);
        }
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        self.end();
    }
}

impl std::fmt::Debug for Span {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let recorded = self.recording.as_ref().map(|recording| &recording.span);
        f.debug_struct("Span").field("context", &self.context).field("recording", &recorded).finish()
    }
}

impl Recording {
    fn add_event(&mut self, name: Key, time: UnixNanos, attributes: Attributes) {
        let limits = &self.shared.limits;
        if self.span.events.len() >= limits.events {
            self.span.dropped_events += 1;
            return;
        }
        let (attributes, dropped_attributes) = limits.list(attributes, limits.event_attributes);
        self.span.events.push(Event { time, name: name.0, attributes, dropped_attributes });
    }

    pub(super) fn add_link(&mut self, to: &SpanContext, attributes: Attributes) {
        if !to.is_valid() && attributes.is_empty() && to.trace_state.is_empty() {
            return;
        }
        let limits = &self.shared.limits;
        if self.span.links.len() >= limits.links {
            self.span.dropped_links += 1;
            return;
        }
        let (attributes, dropped_attributes) = limits.list(attributes, limits.link_attributes);
        self.span.links.push(Link {
            trace_id: to.trace_id,
            span_id: to.span_id,
            trace_state: to.trace_state.text().clone(),
            flags: to.otlp_flags(),
            attributes,
            dropped_attributes,
        });
    }

    fn finish(self, end: UnixNanos) {
        let Self { mut span, shared } = self;
        let Some((last, others)) = shared.processors.split_last() else { return };
        for processor in &shared.processors {
            processor.on_ending(&mut span);
        }
        span.end = Some(end);
        for processor in others {
            processor.on_end(span.clone());
        }
        last.on_end(span);
    }
}
