//! The services of the shop: who they are, and what each keeps of its own (tracer, logs, metrics, connections).

use super::meter::Meter;
use crate::context::SpanContext;
use crate::model::{Attributes, LogRecord, Resource, Scope, UnixNanos, Value};
use crate::tracer::{Batch, BatchConfig, Clock, Otlp, Provider, Sender, SystemClock, Tracer, mix};
use bytes::Bytes;
use http_body_util::Full;
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::runtime::Handle;

/// Log records kept while nobody takes them; what comes beyond is left out.
const MAX_LOGS: usize = 4096;
/// Spans leave soon, so that a newcomer sees the first one at once.
const BATCH_DELAY: Duration = Duration::from_millis(500);

/// A service. Payment runs twice, an old and a new release of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Name {
    Web,
    Frontend,
    Checkout,
    Cart,
    Payment,
    PaymentNext,
    Inventory,
    Shipping,
    Recommendation,
    Email,
}

/// What a service says of itself. The port is the one it would have in a cluster and is what its spans show; on this
/// machine it listens where there is room.
pub(super) struct Profile {
    pub(super) name: Name,
    pub(super) service: &'static str,
    pub(super) version: &'static str,
    pub(super) language: &'static str,
    pub(super) port: i64,
}

const fn profile(name: Name, service: &'static str, version: &'static str, language: &'static str, port: i64) -> Profile {
    Profile { name, service, version, language, port }
}

/// Everybody, in the order of [`Name`].
pub(super) const CAST: [Profile; 10] = [
    profile(Name::Web, "web", "5.12.0", "webjs", 0),
    profile(Name::Frontend, "frontend", "3.8.1", "nodejs", 8080),
    profile(Name::Checkout, "checkout", "1.21.0", "go", 5050),
    profile(Name::Cart, "cart", "2.0.3", "dotnet", 7070),
    profile(Name::Payment, "payment", "2.4.0", "java", 50051),
    profile(Name::PaymentNext, "payment", "2.5.0", "java", 50051),
    profile(Name::Inventory, "inventory", "4.4.2", "python", 8000),
    profile(Name::Shipping, "shipping", "0.9.7", "rust", 50052),
    profile(Name::Recommendation, "recommendation", "1.3.0", "python", 9001),
    profile(Name::Email, "email", "1.0.9", "ruby", 6060),
];

impl Name {
    pub(super) fn profile(self) -> &'static Profile {
        &CAST[self as usize]
    }
}

/// A client that keeps its connections.
pub(super) type HttpClient = Client<HttpConnector, Full<Bytes>>;

/// A running service.
pub(super) struct Service {
    pub(super) profile: &'static Profile,
    pub(super) provider: Provider,
    pub(super) tracer: Tracer,
    pub(super) client: HttpClient,
    pub(super) meter: Meter,
    scope: Arc<Scope>,
    logs: Mutex<Vec<LogRecord>>,
}

fn resource(profile: &Profile, seed: u64) -> Resource {
    let own = mix(seed ^ mix(profile.name as u64 + 1));
    let (high, low) = (mix(own), mix(own ^ 1));
    let instance = format!(
        "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
        high >> 32,
        high >> 16 & 0xffff,
        high & 0xfff,
        low >> 48 & 0xfff,
        low & 0xffff_ffff_ffff
    );
    let mut attributes = Attributes::default();
    attributes.push("service.name", profile.service);
    attributes.push("service.version", profile.version);
    attributes.push("service.namespace", "shop");
    attributes.push("service.instance.id", instance);
    attributes.push("host.name", format!("shop-node-{}", 1 + own % 3));
    attributes.push("process.pid", (1000 + own % 30_000) as i64);
    attributes.push("deployment.environment.name", "demo");
    attributes.push("telemetry.sdk.name", "belvedere");
    attributes.push("telemetry.sdk.language", profile.language);
    attributes.push("telemetry.sdk.version", env!("CARGO_PKG_VERSION"));
    Resource { attributes, schema_url: "https://opentelemetry.io/schemas/1.37.0".into(), dropped_attributes: 0 }
}

impl Service {
    pub(super) fn new(profile: &'static Profile, seed: u64, sender: Sender, runtime: &Handle) -> Self {
        let exporter = Otlp::over(sender, runtime.clone());
        let batch = Batch::new(exporter, BatchConfig { delay: BATCH_DELAY, ..BatchConfig::default() });
        let provider = Provider::builder(resource(profile, seed)).processor(batch).build();
        let mut client = Client::builder(TokioExecutor::new());
        client.pool_timer(TokioTimer::new()).pool_idle_timeout(Duration::from_secs(30));
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        Self {
            profile,
            tracer: provider.tracer("shop", profile.version),
            client: client.build(connector),
            meter: Meter::new(provider.resource().clone()),
            scope: Arc::new(Scope { name: "shop".into(), version: profile.version.into(), ..Scope::default() }),
            logs: Mutex::default(),
            provider,
        }
    }

    /// Writes a log record that belongs to a span.
    pub(super) fn log(&self, context: &SpanContext, severity: Severity, body: String, attributes: Attributes) {
        let now = SystemClock.now();
        let mut logs = self.logs.lock().unwrap_or_else(PoisonError::into_inner);
        if logs.len() < MAX_LOGS {
            logs.push(LogRecord {
                time: now,
                observed: now,
                severity: severity as u8,
                severity_text: severity.word().into(),
                body: Value::from(body),
                attributes,
                trace_id: Some(context.trace_id),
                span_id: Some(context.span_id),
                flags: u32::from(context.flags.byte()),
                resource: self.provider.resource().clone(),
                scope: self.scope.clone(),
                ..LogRecord::default()
            });
        }
    }

    pub(super) fn take_logs(&self) -> Vec<LogRecord> {
        std::mem::take(&mut *self.logs.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Severity numbers of OpenTelemetry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Severity {
    Info = 9,
    Warn = 13,
    Error = 17,
}

impl Severity {
    fn word(self) -> &'static str {
        match self {
            Self::Info => "INFO",
            Self::Warn => "WARN",
            Self::Error => "ERROR",
        }
    }
}

/// Now, for metrics.
pub(super) fn now() -> UnixNanos {
    SystemClock.now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cast_stands_in_the_order_of_its_names() {
        assert!(CAST.iter().enumerate().all(|(at, profile)| profile.name as usize == at));
    }

    #[test]
    fn a_resource_follows_from_the_seed() {
        let of = |seed| resource(Name::Cart.profile(), seed);
        assert_eq!(of(1), of(1));
        assert_ne!(of(1).attributes.text("service.instance.id"), of(2).attributes.text("service.instance.id"));
        assert_eq!(of(1).attributes.text("service.instance.id").unwrap().len(), 36);
        assert_ne!(of(1), resource(Name::Email.profile(), 1));
    }
}
