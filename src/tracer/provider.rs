//! The provider: everything the spans of one program share; its tracers, and how they start a span.

use super::Key;
use super::clock::Clock;
use super::cycles::CycleClock;
use super::ids::{IdSource, RandomIds};
use super::limits::SpanLimits;
use super::pool;
use super::processor::{FlushError, Processor};
use super::sampler::{Candidate, Decision, Sampler};
use super::span::{Recording, Span};
use crate::context::{Sampling, SpanContext, TraceFlags};
use crate::model::{Attributes, Resource, Scope, SpanId, SpanKind, TraceId, UnixNanos, Value};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Room made for attributes when a span starts.
const ATTRIBUTES_AT_START: usize = 8;

/// What all spans of a provider share.
pub(super) struct Shared {
    pub(super) resource: Arc<Resource>,
    pub(super) limits: SpanLimits,
    pub(super) clock: Box<dyn Clock>,
    pub(super) processors: Vec<Box<dyn Processor>>,
    sampler: Sampler,
    ids: Box<dyn IdSource>,
    stopped: AtomicBool,
}

/// Puts a [`Provider`] together. Without a processor nothing leaves it.
pub struct ProviderBuilder {
    shared: Shared,
}

/// Gives out tracers. When the provider and all its tracers have gone, the processors are shut down.
#[derive(Clone)]
pub struct Provider(Arc<Handle>);

struct Handle(Arc<Shared>);

impl Drop for Handle {
    fn drop(&mut self) {
        let _ = self.0.stop(Duration::from_secs(5));
    }
}

impl Shared {
    fn stop(&self, timeout: Duration) -> Result<(), FlushError> {
        if self.stopped.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        self.processors.iter().map(|processor| processor.shutdown(timeout)).fold(Ok(()), Result::and)
    }
}

impl Provider {
    /// A provider for the program that `resource` describes, with the specification's defaults.
    pub fn builder(resource: Resource) -> ProviderBuilder {
        ProviderBuilder {
            shared: Shared {
                resource: Arc::new(resource),
                limits: SpanLimits::default(),
                clock: Box::new(CycleClock::default()),
                processors: Vec::new(),
                sampler: Sampler::default(),
                ids: Box::new(RandomIds),
                stopped: AtomicBool::new(false),
            },
        }
    }

    /// A tracer for the library `name` of `version` (either may be empty).
    pub fn tracer(&self, name: &str, version: &str) -> Tracer {
        self.tracer_of(Scope { name: name.into(), version: version.into(), ..Scope::default() })
    }

    /// A tracer for a scope with attributes or a schema.
    pub fn tracer_of(&self, scope: Scope) -> Tracer {
        Tracer { handle: self.0.clone(), scope: Arc::new(scope) }
    }

    /// What the spans say of their sender.
    pub fn resource(&self) -> &Arc<Resource> {
        &self.0.0.resource
    }

    /// Hands everything that has ended to the exporters, and waits for it.
    pub fn flush(&self, timeout: Duration) -> Result<(), FlushError> {
        self.0.0.processors.iter().map(|processor| processor.flush(timeout)).fold(Ok(()), Result::and)
    }

    /// Flushes and stops. Spans that start afterwards record nothing; a second call changes nothing.
    pub fn shutdown(&self, timeout: Duration) -> Result<(), FlushError> {
        self.0.0.stop(timeout)
    }
}

impl ProviderBuilder {
    /// Adds a processor; they are told in the order they were added.
    #[must_use]
    pub fn processor(mut self, processor: impl Processor + 'static) -> Self {
        self.shared.processors.push(Box::new(processor));
        self
    }

    /// Takes another sampler.
    #[must_use]
    pub fn sampler(mut self, sampler: Sampler) -> Self {
        self.shared.sampler = sampler;
        self
    }

    /// Takes other limits.
    #[must_use]
    pub fn limits(mut self, limits: SpanLimits) -> Self {
        self.shared.limits = limits;
        self
    }

    /// Takes another clock.
    #[must_use]
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.shared.clock = Box::new(clock);
        self
    }

    /// Takes other ids.
    #[must_use]
    pub fn ids(mut self, ids: impl IdSource + 'static) -> Self {
        self.shared.ids = Box::new(ids);
        self
    }

    /// The provider.
    pub fn build(self) -> Provider {
        Provider(Arc::new(Handle(Arc::new(self.shared))))
    }
}

/// Starts spans for one library.
#[derive(Clone)]
pub struct Tracer {
    handle: Arc<Handle>,
    scope: Arc<Scope>,
}

/// A span about to start.
#[must_use = "nothing happens before start()"]
pub struct SpanBuilder<'a> {
    tracer: &'a Tracer,
    name: Key,
    kind: SpanKind,
    parent: Option<&'a SpanContext>,
    start: Option<UnixNanos>,
    attributes: Attributes,
    links: Vec<(SpanContext, Attributes)>,
    ids: (Option<TraceId>, Option<SpanId>),
}

impl Tracer {
    /// Begins a span called `name`; a root, unless it is given a parent.
    pub fn span(&self, name: impl Into<Key>) -> SpanBuilder<'_> {
        SpanBuilder {
            tracer: self,
            name: name.into(),
            kind: SpanKind::Internal,
            parent: None,
            start: None,
            attributes: Attributes::default(),
            links: Vec::new(),
            ids: (None, None),
        }
    }

    /// False when everything would be thrown away, so that costly attributes need not be made.
    pub fn is_enabled(&self) -> bool {
        !self.handle.0.processors.is_empty()
            && !matches!(self.handle.0.sampler, Sampler::AlwaysOff)
            && !self.handle.0.stopped.load(Ordering::Relaxed)
    }
}

impl<'a> SpanBuilder<'a> {
    /// The kind; internal unless said otherwise.
    pub fn kind(mut self, kind: SpanKind) -> Self {
        self.kind = kind;
        self
    }

    /// The parent, here or in another process. An invalid one is none.
    pub fn parent(mut self, parent: &'a SpanContext) -> Self {
        self.parent = Some(parent);
        self
    }

    /// The start; now unless said otherwise.
    pub fn at(mut self, start: UnixNanos) -> Self {
        self.start = Some(start);
        self
    }

    /// An attribute that samplers can see.
    pub fn set(mut self, key: impl Into<Key>, value: impl Into<Value>) -> Self {
        self.attributes.0.push((key.into().0, value.into()));
        self
    }

    /// A link.
    pub fn link(mut self, to: SpanContext, attributes: Attributes) -> Self {
        self.links.push((to, attributes));
        self
    }

    /// The span's own id, for replaying what was recorded.
    pub fn with_span_id(mut self, id: SpanId) -> Self {
        self.ids.1 = Some(id);
        self
    }

    /// The trace id of a root, for replaying what was recorded.
    pub fn with_trace_id(mut self, id: TraceId) -> Self {
        self.ids.0 = Some(id);
        self
    }

    /// Starts it.
    #[inline]
    pub fn start(self) -> Span {
        let shared = &self.tracer.handle.0;
        let parent = self.parent.filter(|parent| parent.is_valid());
        let (trace_id, random) = match (parent, self.ids.0) {
            (Some(parent), _) => (parent.trace_id, parent.flags.random()),
            (None, Some(given)) => (given, false),
            (None, None) => (shared.ids.trace_id(), shared.ids.is_random()),
        };
        let mut context = SpanContext {
            trace_id,
            span_id: self.ids.1.unwrap_or_else(|| shared.ids.span_id()),
            flags: TraceFlags::default().with_random(random),
            trace_state: parent.map(|parent| parent.trace_state.clone()).unwrap_or_default(),
            ..SpanContext::default()
        };
        if shared.stopped.load(Ordering::Relaxed) {
            return Span::non_recording(context);
        }
        match &shared.sampler {
            Sampler::AlwaysOff => return Span::non_recording(context),
            Sampler::AlwaysOn => context.flags = context.flags.with_sampled(true),
            sampler => {
                let now = self.start.unwrap_or_else(|| if sampler.needs_time() { shared.clock.now() } else { UnixNanos(0) });
                let (name, kind, attributes) = (&self.name.0, self.kind, &self.attributes);
                let sampled = sampler.sample(&Candidate { parent, trace_id, name, kind, attributes, now });
                if let Some(state) = sampled.trace_state {
                    context.trace_state = state;
                }
                match sampled.decision {
                    Decision::Drop => return Span::non_recording(context),
                    Decision::RecordOnly => {}
                    Decision::RecordAndSample => context.flags = context.flags.with_sampled(true),
                }
                return self.record(context, parent, sampled.attributes);
            }
        }
        self.record(context, parent, Attributes::default())
    }

    #[inline(never)]
    fn record(self, mut context: SpanContext, parent: Option<&SpanContext>, noted: Attributes) -> Span {
        let shared = &self.tracer.handle.0;
        if parent.is_some_and(|parent| parent.sampling == Sampling::Debug) {
            context.sampling = Sampling::Debug;
        }
        let remote = if parent.is_some_and(|parent| parent.remote) { 0x200 } else { 0 };
        let mut span = pool::take().unwrap_or_default();
        span.trace_id = context.trace_id;
        span.span_id = context.span_id;
        span.parent = parent.map(|parent| parent.span_id);
        span.trace_state = context.trace_state.text().clone();
        span.flags = u32::from(context.flags.byte()) | 0x100 | remote;
        span.name = self.name.0;
        span.kind = self.kind;
        if !Arc::ptr_eq(&span.resource, &shared.resource) {
            span.resource = shared.resource.clone();
        }
        if !Arc::ptr_eq(&span.scope, &self.tracer.scope) {
            span.scope = self.tracer.scope.clone();
        }
        span.attributes.0.reserve(ATTRIBUTES_AT_START);
        span.start = self.start.unwrap_or_else(|| shared.clock.now());
        let mut recording = Recording { span, shared: shared.clone() };
        let limits = &shared.limits;
        for (key, value) in self.attributes.0.into_iter().chain(noted.0) {
            let span = &mut recording.span;
            limits.put(&mut span.attributes, &mut span.dropped_attributes, limits.attributes, key, value);
        }
        for (to, attributes) in self.links {
            recording.add_link(&to, attributes);
        }
        for processor in &shared.processors {
            processor.on_start(&mut recording.span, parent);
        }
        Span { context, recording: Some(recording) }
    }
}
