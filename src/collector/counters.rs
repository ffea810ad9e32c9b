//! What the collector counts of itself, for `/metrics` and for the doors.

use crate::model::{Door, Signal};
use crate::telemetry::{Counter, Gauge, Histogram, Registry};
use std::sync::{Arc, OnceLock};

/// Instruments, looked up once.
pub(super) struct Counters {
    registry: Registry,
    /// By door and signal; made when a door opens or is used, so that closed ones are not on `/metrics`.
    signals: Vec<[OnceLock<PerSignal>; 3]>,
    /// Values masked before they were stored.
    pub(super) masked: Arc<Counter>,
    /// Connections open.
    pub(super) connections: Arc<Gauge>,
    /// Connections closed at once, because there are too many.
    pub(super) turned_away: Arc<Counter>,
}

/// Instruments of one signal at one door.
pub(super) struct PerSignal {
    /// Items in requests that were read and are stored or refused for good.
    pub(super) received: Arc<Counter>,
    /// Items refused for good.
    pub(super) rejected: Arc<Counter>,
    /// Time from the last byte of a request to its answer.
    pub(super) seconds: Arc<Histogram>,
}

impl PerSignal {
    fn new(registry: &Registry, door: Door, signal: Signal) -> Self {
        let labels = [("door", door.name()), ("signal", signal.name())];
        Self {
            received: registry.counter("belvedere_received_total", "Spans, data points and log records received", &labels),
            rejected: registry.counter("belvedere_rejected_total", "Items refused for good", &labels),
            seconds: registry.histogram(
                "belvedere_request_duration_seconds",
                "From the last byte of a request to its answer",
                &labels,
            ),
        }
    }
}

impl Counters {
    pub(super) fn new(registry: &Registry) -> Self {
        Self {
            registry: registry.clone(),
            signals: Door::ALL.iter().map(|_| Default::default()).collect(),
            masked: registry.counter("belvedere_masked_values_total", "Attribute values masked before they were stored", &[]),
            connections: registry.gauge("belvedere_connections", "Connections open", &[]),
            turned_away: registry.counter("belvedere_connections_refused_total", "Connections over the limit", &[]),
        }
    }

    pub(super) fn of(&self, door: Door, signal: Signal) -> &PerSignal {
        self.signals[door as usize][signal as usize].get_or_init(|| PerSignal::new(&self.registry, door, signal))
    }

    /// Makes the instruments of what a door takes, so that they are there at 0 before anything came.
    pub(super) fn opened(&self, door: Door) {
        let signals: &[Signal] = match door {
            Door::OtlpGrpc | Door::OtlpHttp => &Signal::ALL,
            Door::Zipkin => &[Signal::Traces],
            Door::Api => &[Signal::Metrics],
            Door::Statsd => &[Signal::Metrics, Signal::Logs],
            _ => &[],
        };
        for signal in signals {
            self.of(door, *signal);
        }
    }

    /// Counts a request that was refused as a whole.
    pub(super) fn refused(&self, door: Door, reason: &'static str) {
        let labels = [("door", door.name()), ("reason", reason)];
        self.registry.counter("belvedere_refused_requests_total", "Requests refused as a whole", &labels).add(1);
    }

    /// Received and rejected at a door.
    pub(super) fn door(&self, door: Door) -> (u64, u64) {
        let sum = |get: fn(&PerSignal) -> u64| self.signals[door as usize].iter().filter_map(OnceLock::get).map(get).sum();
        (sum(|signal| signal.received.get()), sum(|signal| signal.rejected.get()))
    }
}
