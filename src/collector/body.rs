//! Request bodies within bounds: of one request, of all requests, in time, and after decompression.

use super::Shared;
use super::status::Problem;
use bytes::{Buf, Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use std::io::Read;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// What a client is told to wait when too many bytes are pending.
const RETRY_PENDING: Duration = Duration::from_millis(500);
/// How long the rest of a refused body is read.
const DISCARD_WITHIN: Duration = Duration::from_secs(3);
/// Bytes decompressed between two looks at the bounds.
const STEP: usize = 64 << 10;
/// Largest window of a zstd frame, as a power of two: 32 MiB, beyond every level that is meant for streams.
const ZSTD_WINDOW_LOG: u32 = 25;

/// Bytes taken out of the budget for pending requests; given back when dropped.
pub(super) struct Reservation {
    budget: Arc<Semaphore>,
    kib: usize,
}

impl Reservation {
    pub(super) fn new(shared: &Shared) -> Self {
        Self { budget: shared.budget.clone(), kib: 0 }
    }

    /// Makes it cover `bytes` in all.
    fn cover(&mut self, bytes: usize) -> Result<(), Problem> {
        let wanted = bytes.div_ceil(1024);
        let more = wanted.saturating_sub(self.kib);
        if more == 0 {
            return Ok(());
        }
        // Taken in larger steps than needed, to touch the semaphore rarely.
        let more = more.max(64);
        match self.budget.try_acquire_many(u32::try_from(more).unwrap_or(u32::MAX)) {
            Ok(permit) => {
                permit.forget();
                self.kib += more;
                Ok(())
            }
            Err(_) => Err(Problem::busy("too many requests are being read", RETRY_PENDING)),
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.budget.add_permits(self.kib);
    }
}

/// How a payload is compressed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Encoding {
    Identity,
    Gzip,
    Zstd,
    Deflate,
}

impl Encoding {
    /// What is accepted, for headers.
    pub(super) const ACCEPTED: &'static str = "gzip, zstd, deflate, identity";

    pub(super) fn from_name(name: &str) -> Option<Self> {
        match name.trim().to_ascii_lowercase().as_str() {
            "" | "identity" => Some(Self::Identity),
            "gzip" | "x-gzip" => Some(Self::Gzip),
            "zstd" => Some(Self::Zstd),
            "deflate" => Some(Self::Deflate),
            _ => None,
        }
    }
}

/// Reads a body whole. `enough` looks at what has come and may refuse it early.
pub(super) async fn read(
    shared: &Shared,
    body: &mut Incoming,
    limit: usize,
    reservation: &mut Reservation,
    enough: impl Fn(&[u8]) -> Result<(), Problem>,
) -> Result<Bytes, Problem> {
    if body.size_hint().lower() > limit as u64 {
        return Err(Problem::too_large(shared.limits.request_bytes));
    }
    let deadline = Instant::now() + shared.limits.body_timeout;
    let mut first: Option<Bytes> = None;
    let mut all = BytesMut::new();
    loop {
        let patience = shared.limits.idle_timeout.min(deadline.saturating_duration_since(Instant::now()));
        let frame = match tokio::time::timeout(patience, body.frame()).await {
            Err(_) => return Err(Problem::slow()),
            Ok(None) => break,
            Ok(Some(Err(error))) => return Err(Problem::broken_off(format!("the request body broke off: {error}"))),
            Ok(Some(Ok(frame))) => frame,
        };
        let Ok(data) = frame.into_data() else { continue };
        let length = all.len() + first.as_ref().map_or(0, Bytes::len) + data.len();
        if length > limit {
            return Err(Problem::too_large(shared.limits.request_bytes));
        }
        reservation.cover(length)?;
        if length == data.len() {
            enough(&data)?;
            first = Some(data);
            continue;
        }
        if let Some(first) = first.take() {
            let expected = usize::try_from(body.size_hint().lower()).unwrap_or(0).min(limit);
            all.reserve(length.max(expected));
            all.extend_from_slice(&first);
        }
        all.extend_from_slice(&data);
        enough(&all)?;
    }
    Ok(first.unwrap_or_else(|| all.freeze()))
}

/// Reads on and throws away, for clients that look at the answer only when they have sent everything. Bounded.
pub(super) async fn discard(shared: &Shared, body: &mut Incoming) {
    let most = shared.limits.request_bytes.saturating_mul(2);
    let drain = async {
        let mut seen = 0;
        while let Some(Ok(frame)) = body.frame().await {
            seen += frame.data_ref().map_or(0, Bytes::len);
            if seen > most {
                break;
            }
        }
    };
    tokio::time::timeout(DISCARD_WITHIN, drain).await.ok();
}

/// Decompresses a payload, never beyond `limit` bytes: what would grow further is refused without being inflated.
pub(super) fn decompress(
    encoding: Encoding,
    payload: Bytes,
    limit: usize,
    reservation: &mut Reservation,
) -> Result<Bytes, Problem> {
    let guess = payload.len().saturating_mul(4).clamp(STEP, limit.max(STEP));
    match encoding {
        Encoding::Identity => Ok(payload),
        Encoding::Gzip => drain(flate2::bufread::MultiGzDecoder::new(payload.reader()), "gzip", guess, limit, reservation),
        Encoding::Deflate => {
            // HTTP means the zlib form; some clients send the bare one.
            let zlib = payload.first().is_some_and(|byte| byte & 0x0f == 8) && payload.len() > 1 && {
                (u16::from(payload[0]) << 8 | u16::from(payload[1])) % 31 == 0
            };
            if zlib {
                drain(flate2::bufread::ZlibDecoder::new(payload.reader()), "deflate", guess, limit, reservation)
            } else {
                drain(flate2::bufread::DeflateDecoder::new(payload.reader()), "deflate", guess, limit, reservation)
            }
        }
        Encoding::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(payload.reader())
                .map_err(|error| Problem::internal(format!("zstd: {error}")))?;
            decoder.window_log_max(ZSTD_WINDOW_LOG).map_err(|error| Problem::internal(format!("zstd: {error}")))?;
            drain(decoder, "zstd", guess, limit, reservation)
        }
    }
}

fn drain(
    mut from: impl Read,
    name: &'static str,
    guess: usize,
    limit: usize,
    reservation: &mut Reservation,
) -> Result<Bytes, Problem> {
    let mut out = Vec::with_capacity(guess.min(1 << 20));
    loop {
        let filled = out.len();
        reservation.cover(filled + STEP)?;
        out.resize(filled + STEP, 0);
        let mut used = 0;
        while used < STEP {
            match from.read(&mut out[filled + used..]) {
                Ok(0) => break,
                Ok(count) => used += count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Problem::malformed(format!("the body is not valid {name}: {error}"))),
            }
        }
        out.truncate(filled + used);
        if out.len() > limit {
            return Err(Problem::too_large(limit));
        }
        if used < STEP {
            return Ok(out.into());
        }
    }
}
