//! The place that code of a service runs at: whose code it is, under which span, in what weather, with which dice.

use super::cast::{Service, Severity};
use super::dice::Dice;
use super::shop::World;
use super::weather::Weather;
use crate::context::{Baggage, SpanContext};
use crate::model::{Attributes, SpanId, SpanKind, StatusCode};
use crate::tracer::{Key, Span, SpanBuilder};
use std::sync::Arc;

/// See the module comment. Ids and decisions are rolled from the dice in program order, so a seed repeats them.
pub(super) struct Step {
    pub(super) world: Arc<World>,
    pub(super) service: Arc<Service>,
    pub(super) parent: SpanContext,
    pub(super) baggage: Baggage,
    pub(super) weather: Weather,
    pub(super) dice: Dice,
}

impl Step {
    /// A span under the current one.
    pub(super) fn begin(&mut self, name: impl Into<Key>, kind: SpanKind) -> Span {
        self.begin_with(name, kind, |builder| builder)
    }

    /// A span under the current one, with what is known at its start.
    pub(super) fn begin_with(
        &mut self,
        name: impl Into<Key>,
        kind: SpanKind,
        more: impl FnOnce(SpanBuilder<'_>) -> SpanBuilder<'_>,
    ) -> Span {
        let id = SpanId::from(self.dice.roll().max(1));
        more(self.service.tracer.span(name).kind(kind).parent(&self.parent).with_span_id(id)).start()
    }

    /// The place under `span`.
    pub(super) fn under(&mut self, span: &Span) -> Self {
        Self {
            world: self.world.clone(),
            service: self.service.clone(),
            parent: span.context().clone(),
            baggage: self.baggage.clone(),
            weather: self.weather,
            dice: self.dice.fork(),
        }
    }

    /// The same place, for work that runs beside this.
    pub(super) fn beside(&mut self) -> Self {
        Self {
            world: self.world.clone(),
            service: self.service.clone(),
            parent: self.parent.clone(),
            baggage: self.baggage.clone(),
            weather: self.weather,
            dice: self.dice.fork(),
        }
    }

    /// Works, or waits, for about `median_ms`.
    pub(super) async fn pause(&mut self, median_ms: f64) {
        let length = self.dice.latency(median_ms);
        tokio::time::sleep(length).await;
    }

    /// A piece of work inside the service, with its span.
    pub(super) async fn work(&mut self, name: &'static str, median_ms: f64) {
        let mut span = self.begin(name, SpanKind::Internal);
        self.pause(median_ms).await;
        span.end();
    }

    pub(super) fn log(&self, severity: Severity, body: impl Into<String>, attributes: Attributes) {
        self.service.log(&self.parent, severity, body.into(), attributes);
    }
}

/// What went wrong, in the words of a language's runtime.
pub(super) struct Exception {
    pub(super) kind: &'static str,
    pub(super) message: String,
    pub(super) stacktrace: &'static str,
}

impl Exception {
    /// Writes it on a span and makes the span an error.
    pub(super) fn record(&self, span: &mut Span) {
        span.exception(self.kind, &self.message, Some(self.stacktrace), Attributes::default());
        span.set("error.type", self.kind).status(StatusCode::Error, &self.message);
    }
}
