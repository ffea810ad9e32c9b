//! "Send a test span": proves the way from a client to the store, through the same door that clients use.

use super::{DoorState, Engine, EngineError, Query, client};
use crate::model::{Door, Resource, Scope, Span, SpanBatch, SpanId, SpanKind, TraceId};
use bytes::Bytes;
use http::Method;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// The door acknowledges within this time or the span counts as not sent.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// How long the span says it took.
const LENGTH_NS: i64 = 12_000_000;

impl Engine {
    /// Sends one span through an OTLP door as any client would, and answers its trace once the door has acknowledged.
    pub fn send_test_span(&self) -> Query<TraceId> {
        let engine = self.clone();
        self.ask(move |_| {
            let address = engine.otlp_address()?;
            let trace_id = TraceId::from_halves(random(), random());
            let sent = engine.block_on(send(address, trace_id))?;
            sent?;
            Ok(trace_id)
        })
    }

    pub(super) fn otlp_address(&self) -> Result<SocketAddr, EngineError> {
        let doors = self.doors();
        let open = [Door::OtlpHttp, Door::OtlpGrpc].into_iter().find_map(|wanted| {
            let status = doors.iter().find(|status| status.door == wanted)?;
            match &status.state {
                DoorState::Open(addresses) => addresses.first().copied(),
                _ => None,
            }
        });
        open.ok_or_else(|| EngineError::Door("no OTLP door is open to send to. Open one in Settings".to_owned()))
    }
}

async fn send(address: SocketAddr, trace_id: TraceId) -> Result<(), EngineError> {
    let body = crate::wire::otlp::encode_traces(&SpanBatch::from_spans(&[test_span(trace_id, SpanId::from(random()))]));
    let path = "/v1/traces";
    let (status, answer) =
        client::request(address, Method::POST, path, "application/x-protobuf", Bytes::from(body), ANSWER_WITHIN).await?;
    if status.is_success() {
        return Ok(());
    }
    let reason = String::from_utf8_lossy(&answer);
    Err(EngineError::Door(format!("the door refused the test span ({status}): {reason}: http://{address}{path}")))
}

fn test_span(trace_id: TraceId, span_id: SpanId) -> Span {
    let start = super::now();
    Span {
        trace_id,
        span_id,
        name: "test span".into(),
        kind: SpanKind::Internal,
        start,
        end: Some(start + crate::model::DurationNs(LENGTH_NS)),
        attributes: [("belvedere.test", true)].into_iter().collect(),
        resource: Arc::new(Resource::service("belvedere-test")),
        scope: Arc::new(Scope { name: "belvedere".into(), version: env!("CARGO_PKG_VERSION").into(), ..Scope::default() }),
        ..Span::default()
    }
}

/// Random enough for an id that must not meet another.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}
