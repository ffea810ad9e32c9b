//! Situations that the tests draw: an engine over sample spans and facts as a running collector would give them.

use crate::engine::{DoorState, DoorStatus, Engine, OpenSource, Pulse, RecentFile, WORKSPACE, WorkspacePlace, WrongCaller};
use crate::model::{Door, Resource, Span, SpanBatch, SpanId, Status, StatusCode, TraceId, UnixNanos};
use crate::source::MemorySource;
use crate::ui::facts::Facts;
use std::net::SocketAddr;
use std::sync::Arc;

/// The moment that every test takes for now: 2025-10-22 14:14:30 UTC.
pub const NOW: UnixNanos = UnixNanos(1_761_142_470_000_000_000);
const MS: i64 = 1_000_000;

pub fn now() -> UnixNanos {
    NOW
}

fn addresses(port: u16) -> Vec<SocketAddr> {
    vec![SocketAddr::from(([127, 0, 0, 1], port)), SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], port))]
}

fn door(door: Door, state: DoorState) -> DoorStatus {
    DoorStatus { door, state, received: 0, rejected: 0 }
}

/// Open doors, nothing received.
pub fn waiting() -> Facts {
    Facts {
        doors: vec![
            door(Door::OtlpGrpc, DoorState::Open(addresses(4317))),
            door(Door::OtlpHttp, DoorState::Open(addresses(4318))),
            door(Door::Api, DoorState::Open(addresses(4319))),
            door(Door::Zipkin, DoorState::Closed),
        ],
        pulse: Pulse {
            started: UnixNanos(NOW.0 - 42_000 * MS),
            disk_bytes: 1_200_000,
            disk_limit: 5_000_000_000,
            ..Pulse::default()
        },
        workspace: Some(WorkspacePlace {
            name: "shop".to_owned(),
            dir: "/home/ana/.local/share/belvedere/shop".into(),
            temporary: false,
        }),
        recent: ["/home/ana/traces/checkout-slow.json", "/home/ana/Downloads/buildx-trace.json", "/tmp/a.json.gz"]
            .into_iter()
            .enumerate()
            .map(|(n, path)| RecentFile { path: path.into(), opened: UnixNanos(NOW.0 - n as i64 * 4_000_000 * MS) })
            .collect(),
        ..Facts::default()
    }
}

/// Ports held by another program and a page whose origin was refused.
pub fn busy() -> Facts {
    let mut facts = waiting();
    let taken = |port: u16| DoorState::Busy {
        address: SocketAddr::from(([127, 0, 0, 1], port)),
        holder: "jaeger (pid 4711)".to_owned(),
        suggestion: Some(port + 10_000),
    };
    facts.doors[0].state = taken(4317);
    facts.doors[1].state = taken(4318);
    facts.wrong_callers.push(WrongCaller {
        door: Door::OtlpHttp,
        what: "Origin refused: https://app.test".to_owned(),
        fix: "Allow it when the page is yours".to_owned(),
        origin: Some("https://app.test".to_owned()),
        count: 12,
    });
    facts
}

/// An engine whose workspace holds a few hundred traces of a shop.
pub fn shop() -> Engine {
    let source = MemorySource::new("shop", &spans());
    Engine::over(vec![OpenSource { id: WORKSPACE, spans: Arc::new(source), path: None, report: None }])
}

/// Facts beside [`shop`].
pub fn receiving(engine: &Engine) -> Facts {
    let mut facts = waiting();
    facts.sources = engine.sources();
    facts.has_data = true;
    facts.pulse.spans_per_s = 1284.0;
    facts.pulse.spark = (0..16).map(|n| 900.0 + 40.0 * (n * 7 % 11) as f32).collect();
    facts.pulse.received = [18_634, 3_120, 412, 8];
    facts.pulse.disk_bytes = 412_000_000;
    facts
}

/// Name, kind of work in ms of the services that a request passes.
const SERVICES: [(&str, &str, i64); 7] = [
    ("frontend", "POST /checkout", 900),
    ("checkout", "PlaceOrder", 820),
    ("cart", "GetCart", 40),
    ("payment", "POST /v1/charges", 480),
    ("inventory", "Reserve", 120),
    ("postgres", "SELECT stock", 9),
    ("redis", "GET cart", 2),
];

fn spans() -> SpanBatch {
    let mut spans = Vec::new();
    for trace in 0..240_i64 {
        let start = NOW.0 - 900_000 * MS + trace * 3_700 * MS;
        let slow = 1 + (trace * 37 % 11) / 3;
        for (index, (service, name, work)) in SERVICES.iter().enumerate() {
            let failed = trace % 17 == 0 && index == 3;
            let offset = index as i64 * 11 * MS;
            let id = |n: usize| SpanId::from((trace as u64 + 1) * 100 + n as u64 + 1);
            spans.push(Span {
                trace_id: TraceId::from_halves(7, trace as u64 * 7_919 + 1),
                span_id: id(index),
                parent: (index > 0).then(|| id(index - 1)).filter(|id| id.is_valid()),
                name: (*name).into(),
                start: UnixNanos(start + offset),
                end: Some(UnixNanos(start + offset + work * slow * MS / 2)),
                resource: Arc::new(Resource::service(service)),
                status: Status { code: if failed { StatusCode::Error } else { StatusCode::Unset }, ..Status::default() },
                kind: crate::model::SpanKind::Server,
                ..Span::default()
            });
        }
    }
    SpanBatch::from_spans(&spans)
}
