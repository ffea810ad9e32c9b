//! `POST /api/v1/write` at the API door: Prometheus remote write 1.0 and 2.0.
//!
//! Answers, as the 2.0 specification asks of receivers: 204 when all is stored; 400 when some of it never will be, after
//! the rest was stored, with the counts of what was written in the headers of 2.0; 415 for another type or compression;
//! 503 with `Retry-After` when it is to be sent again. 429 is not used for a full queue: Prometheus throws away what is
//! answered so unless it is told otherwise.

use super::body::{self, Reservation};
use super::ingest::{self, OFF_WORKER};
use super::route::{Reply, plain};
use super::status::Problem;
use super::{Shared, zipkin};
use crate::model::{Door, SampleBatch, Signal};
use crate::store::{Appended, Refusal};
use crate::wire::remote_write::{self, Decoded, LARGEST, Refused, RemoteWriteError, Version};
use bytes::Bytes;
use http::header::{ALLOW, CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use std::sync::Arc;
use std::time::Instant;

/// The path.
pub(super) const PATH: &str = "/api/v1/write";

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const WRITTEN: [HeaderName; 3] = [
    HeaderName::from_static("x-prometheus-remote-write-samples-written"),
    HeaderName::from_static("x-prometheus-remote-write-histograms-written"),
    HeaderName::from_static("x-prometheus-remote-write-exemplars-written"),
];
/// The service that refused series are counted under: their labels may not even be readable.
const UNTOLD: &str = "(remote write)";

/// Answers a request.
pub(super) async fn answer(shared: &Arc<Shared>, request: Request<Incoming>) -> Response<Reply> {
    if request.method() != Method::POST {
        shared.counters.refused(Door::Api, "method");
        let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, Some(TEXT), Bytes::from_static(b"send samples with POST\n"));
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
        return response;
    }
    match receive(shared, request).await {
        Ok(written) => written.response(),
        Err(problem) => {
            shared.counters.refused(Door::Api, problem.reason);
            zipkin::refuse(&problem)
        }
    }
}

/// What was stored, and why the rest was not.
struct Written {
    version: Version,
    /// Samples, histograms, exemplars.
    counts: [u64; 3],
    reasons: Vec<String>,
}

impl Written {
    fn response(self) -> Response<Reply> {
        let mut response = if self.reasons.is_empty() {
            plain(StatusCode::NO_CONTENT, None, Bytes::new())
        } else {
            plain(StatusCode::BAD_REQUEST, Some(TEXT), (self.reasons.join("; ") + "\n").into())
        };
        if self.version == Version::V2 {
            for (name, count) in WRITTEN.into_iter().zip(self.counts) {
                response.headers_mut().insert(name, HeaderValue::from(count));
            }
        }
        response
    }
}

fn version(headers: &HeaderMap) -> Result<Version, Problem> {
    let text = |name| headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).unwrap_or_default();
    let media = text(&CONTENT_TYPE);
    let version = Version::of_content_type(&media).ok_or_else(|| {
        Problem::unsupported(format!(
            "Content-Type {media:?} is not accepted: send application/x-protobuf, with proto=prometheus.WriteRequest or proto=io.prometheus.write.v2.Request"
        ))
    })?;
    let encoding = text(&CONTENT_ENCODING);
    // Without the header it is a snappy block too: clients of version 1 need not say.
    if !encoding.is_empty() && !encoding.trim().eq_ignore_ascii_case("snappy") {
        return Err(Problem::unsupported(format!(
            "{encoding} encoding (compression) is not accepted by this server; only snappy is acceptable"
        )));
    }
    Ok(version)
}

async fn receive(shared: &Arc<Shared>, request: Request<Incoming>) -> Result<Written, Problem> {
    let (head, mut incoming) = request.into_parts();
    let version = version(&head.headers)?;
    let mut reservation = Reservation::new(shared);
    let payload = body::read(shared, &mut incoming, LARGEST, &mut reservation, |_| Ok(())).await?;
    let started = Instant::now();
    let decoded = if payload.len() > OFF_WORKER / 4 {
        let task = tokio::task::spawn_blocking(move || decode(version, &payload));
        task.await.map_err(|error| Problem::internal(format!("decoding stopped: {error}")))??
    } else {
        decode(version, &payload)?
    };
    let Decoded { batch, refused } = decoded;
    let sent =
        [batch.len() as u64 - batch.histograms.len() as u64, batch.histograms.len() as u64, batch.exemplars.len() as u64];
    let count = batch.len() as u64;
    let appended = store(shared, Door::Api, batch).await?;
    let lost = refused.samples + refused.histograms;
    if lost > 0 {
        shared.sink.note_rejected(Door::Api, UNTOLD, Signal::Metrics, lost);
    }
    let counters = shared.counters.of(Door::Api, Signal::Metrics);
    counters.received.add(count + lost);
    counters.rejected.add(lost + appended.rejected());
    counters.seconds.observe(started.elapsed());
    Ok(Written { version, counts: counts(sent, &appended), reasons: reasons(refused, &appended) })
}

fn decode(version: Version, payload: &[u8]) -> Result<Decoded, Problem> {
    let failed = |error: RemoteWriteError| match error {
        RemoteWriteError::TooLarge(_) => Problem { message: error.to_string(), ..Problem::too_large(LARGEST) },
        error => Problem::malformed(error.to_string()),
    };
    let body = remote_write::decompress(payload).map_err(failed)?;
    remote_write::decode(version, &body).map_err(failed)
}

/// Hands samples to the sink and waits until they are on disk.
pub(super) async fn store(shared: &Shared, door: Door, batch: SampleBatch) -> Result<Appended, Problem> {
    if batch.is_empty() && batch.exemplars.is_empty() && batch.metadata.is_empty() {
        return Ok(Appended::default());
    }
    let receipt = shared.sink.append_samples(door, batch, (shared.clock)()).map_err(ingest::busy)?;
    receipt.await.map_err(ingest::unwritten)
}

/// What is stored of samples and histograms: the store tells how many it refused, of both together, samples first.
fn counts(sent: [u64; 3], appended: &Appended) -> [u64; 3] {
    let refused = appended.rejected();
    let samples = sent[0].saturating_sub(refused);
    let histograms = sent[1].saturating_sub(refused.saturating_sub(sent[0]));
    [samples, histograms, sent[2]]
}

/// Why samples were refused, in the words of Prometheus where it has words for it.
fn reasons(refused: Refused, appended: &Appended) -> Vec<String> {
    let mut reasons = refused.reasons;
    reasons.extend(refusals(appended));
    reasons
}

/// What the store refused and why, one text a reason.
pub(super) fn refusals(appended: &Appended) -> Vec<String> {
    let text = |refusal: Refusal| {
        let words = match refusal {
            Refusal::Conflicting => "duplicate sample for timestamp",
            Refusal::TooOld => "too old sample",
            Refusal::OverLimit => "series limit reached",
            Refusal::Invalid => "invalid labels",
        };
        (appended.refused(refusal) > 0).then(|| format!("{words} ({} samples): {}", appended.refused(refusal), refusal.text()))
    };
    Refusal::ALL.into_iter().filter_map(text).collect()
}
